//! Inputs to begin with, from one of everything that the format can say.

use peerwatch::base::key::SIGNATURE_LENGTH;
use peerwatch::base::wire::Message;

use crate::samples;

/// Target, file name, bytes.
pub fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut story = Vec::new();
    for (name, message) in samples::messages() {
        let frame = message.encode().split_off(4);
        if matches!(message, Message::Hello(_)) {
            seeds.push(("hello", name.to_owned(), frame[1..].to_vec()));
        }
        if matches!(message, Message::Heads(_)) {
            seeds.push(("heads", name.to_owned(), frame[1..].to_vec()));
        }
        if let Some(input) = link(&message, &frame[1..]) {
            seeds.push(("links", name.to_owned(), input));
        }
        story.extend(event(2, &frame));
        seeds.push(("frames", name.to_owned(), frame));
    }
    seeds.push(("member", "messages".to_owned(), story));
    for (name, entry) in samples::entries() {
        seeds.push(("entries", name.to_owned(), entry.bytes()[..entry.bytes().len() - SIGNATURE_LENGTH].to_vec()));
    }
    let (mut one, mut all) = (Vec::new(), event(4, &[]));
    for (name, fact) in samples::facts() {
        let fact_bytes = [&fact.kind().to_be_bytes(), &fact.body()[..]].concat();
        one.clear();
        one.extend([0, 0]);
        one.extend(&fact_bytes);
        all.extend(event(4, &one));
        all.extend(event(1, &[2]));
        seeds.push(("facts", name.to_owned(), fact_bytes));
    }
    seeds.push(("member", "facts".to_owned(), all));
    seeds.extend(patches().map(|(name, bytes)| ("backup", name.to_owned(), bytes)));
    seeds.extend(texts().map(|(name, choice, text)| ("config", name.to_owned(), [&[choice], text.as_bytes()].concat())));
    seeds
}

/// One event of a story for the target `member`.
fn event(action: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    [&[action], &length.to_be_bytes()[..], body].concat()
}

/// How the target `links` wants a message, if it does: without its signature.
fn link(message: &Message, body: &[u8]) -> Option<Vec<u8>> {
    let unsigned = body.len().checked_sub(SIGNATURE_LENGTH).map_or(body, |length| &body[..length]);
    Some(match message {
        Message::Heartbeat(_) => [&[0], unsigned].concat(),
        Message::Ask(_) => [&[1], unsigned].concat(),
        Message::Answer(_) => [&[2], unsigned].concat(),
        // The length of the way is in two bytes there, in one here.
        Message::Seek(_) => [&[3], &unsigned[1..]].concat(),
        Message::Prefer(_) => [&[4], body].concat(),
        Message::Ping(_) => [&[5], body].concat(),
        Message::Pong(_) => [&[6], body].concat(),
        Message::Goodbye(_) => [&[7], body].concat(),
        _ => return None,
    })
}

/// A database as it is, cut off, with another version, with a page of another kind, and one that is none.
fn patches() -> [(&'static str, Vec<u8>); 7] {
    [
        ("closed", vec![0]),
        ("open", vec![1]),
        ("log", vec![2]),
        ("cut", vec![0, 0xff, 0xff, 0xff, 0]),
        ("version", vec![0, 0, 0, 60, 4, 0, 0, 0, 99]),
        ("page", vec![0, 0, 0x20, 0, 1, 5]),
        ("none", b"\x03SQLite format 3\0".to_vec()),
    ]
}

fn texts() -> [(&'static str, u8, &'static str); 2] {
    [("peerwatch", 0, include_str!("../../packaging/peerwatch.toml")), ("network", 1, include_str!("../../packaging/network.toml"))]
}
