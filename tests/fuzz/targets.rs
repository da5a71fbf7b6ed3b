//! What is fed with bytes that nobody can vouch for. A target takes any bytes at all and panics when
//! something that must hold does not.
//!
//! Where a signature stands between the bytes and the code behind it, the target signs them itself:
//! a member of the network can do that too.

use std::fmt::Debug;

use peerwatch::base::config::{self, Layer};
use peerwatch::base::entry::{self, Entry, EntryFault};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::NetworkId;
use peerwatch::base::key::{SIGNATURE_LENGTH, SecretKey};
use peerwatch::base::wire::{Answer, Ask, Heartbeat, Message, Signable};

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Every target, by name.
pub const TARGETS: [(&str, Target); 9] = [
    ("frames", frames),
    ("entries", entries),
    ("facts", facts),
    ("hello", hello),
    ("heads", heads),
    ("links", links),
    ("member", crate::member::member),
    ("backup", crate::backup::backup),
    ("config", settings),
];

/// The network that the bytes are for.
pub fn network() -> NetworkId {
    NetworkId::of("home")
}

/// The secret key of a member; the author of everything that a target signs.
pub fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32])
}

/// Whatever follows a frame's length on a link.
fn frames(data: &[u8]) {
    read_back(data);
}

/// A greeting's body.
fn hello(data: &[u8]) {
    read_back(&[&[1], data].concat());
}

/// The body of a list of heads.
fn heads(data: &[u8]) {
    read_back(&[&[3], data].concat());
}

/// Everything else that goes over a link and is no entry: the first byte chooses, and what needs a
/// signature gets one.
fn links(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    match choice % 8 {
        0 => signed::<Heartbeat>(7, body),
        1 => signed::<Ask>(8, body),
        2 => signed::<Answer>(9, body),
        3 => {
            // The way so far, then the question.
            let way = usize::from(body.first().copied().unwrap_or_default()).min(body.len().saturating_sub(1));
            let (path, ask) = body.get(1..).unwrap_or_default().split_at(way);
            let length = u16::try_from(path.len()).expect("a byte's worth");
            read_back(&[&[13], &length.to_be_bytes()[..], path, &sign(Ask::DOMAIN, &[&network().0], ask)].concat());
        }
        4 => read_back(&[&[12], body].concat()),
        5 => read_back(&[&[5], body].concat()),
        6 => read_back(&[&[6], body].concat()),
        _ => read_back(&[&[10], body].concat()),
    }
}

/// The body of something that its author signed.
fn signed<T: Signable>(kind: u8, body: &[u8]) {
    read_back(&[&[kind], &sign(T::DOMAIN, &[&network().0], body)[..]].concat());
}

/// A message that was read is what is written, and reads the same again.
fn read_back(frame: &[u8]) {
    let Ok(message) = Message::decode(network(), frame) else { return };
    if let Message::Unknown(kind) = message {
        return assert_eq!(Some(&kind), frame.first());
    }
    let again = message.encode();
    let length = again.first_chunk().map(|length| u32::from_be_bytes(*length));
    assert_eq!(length, u32::try_from(again.len() - 4).ok());
    assert_same(Message::decode(network(), &again[4..]), message);
}

/// An entry's bytes, as the disk or a peer has them: once as they are, once signed by a member.
fn entries(data: &[u8]) {
    if let Ok(entry) = Entry::parse(data) {
        assert!(entry.bytes() == data && !entry.facts.is_empty() && 0 < entry.header.sequence);
        assert_same(Entry::parse(entry.bytes()), entry);
    }
    // Version, network, author: as a member of this network would write them.
    let mut signed = data.to_vec();
    let header = [&[1], &network().0[..], &key(1).node().0[..]].concat();
    let common = signed.len().min(header.len());
    signed[..common].copy_from_slice(&header[..common]);
    let signed = sign(entry::DOMAIN, &[], &signed);
    match (Entry::parse(&signed), Entry::open(network(), &signed)) {
        (Ok(parsed), opened) => assert_same(opened, parsed),
        (Err(fault), opened) => assert_eq!(opened, Err(fault)),
    }
    // The last byte of a signature is below 16, so this one is none.
    if let Some(last) = signed.split_last() {
        let forged = [last.1, &[0xff]].concat();
        assert!(matches!(Entry::open(network(), &forged), Err(EntryFault::Forged)) || Entry::parse(&forged).is_err());
    }
}

/// A fact's kind and body.
fn facts(data: &[u8]) {
    let Some((kind, body)) = data.split_first_chunk() else { return };
    let kind = u16::from_be_bytes(*kind);
    let fact = Fact::read(kind, body);
    assert_eq!(fact.kind(), kind);
    if let Fact::Unknown { body: kept, .. } = &fact {
        return assert_eq!(kept, body);
    }
    assert_eq!(Fact::read(kind, &fact.body()), fact);
}

/// Configuration text: the first byte says of what. What was accepted is accepted again.
fn settings(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let layer = Layer { path: "fuzz.toml".into(), text: text.into() };
    if choice % 2 == 0 {
        shown(config::host(&[layer], "host"));
    } else {
        let keys = [("a".to_owned(), Ok(key(1).node())), ("b".to_owned(), Ok(key(2).node())), ("c".to_owned(), Err("is no key".into()))];
        shown(config::network("home", &layer, &keys));
    }
}

/// A refusal is a sentence, with or without the line in question.
fn shown<T: Debug>(result: Result<T, config::ConfigError>) {
    match result {
        Ok(settings) => assert!(!format!("{settings:?}").is_empty()),
        Err(error) => assert!(!format!("{error}{error:#}").is_empty()),
    }
}

fn sign(domain: &[u8], context: &[&[u8]], body: &[u8]) -> Vec<u8> {
    let domain = context.iter().fold(domain.to_vec(), |domain, part| [&domain, *part].concat());
    let signature: [u8; SIGNATURE_LENGTH] = key(1).sign(&domain, body);
    [body, &signature].concat()
}

fn assert_same<T: PartialEq + Debug, E: Debug>(again: Result<T, E>, before: T) {
    match again {
        Ok(again) => assert_eq!(again, before),
        Err(error) => panic!("{before:?} was read, but what is written of it is not: {error:?}"),
    }
}
