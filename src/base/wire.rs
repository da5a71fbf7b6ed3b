//! What nodes say to each other on a link, version 1.
//!
//! A frame is a length (u32, big-endian, of what follows), a kind (u8) and a body. Bodies are CBOR
//! with numbered places, except `Entries`, which carries entries as they are. A kind that this
//! version does not know is skipped. Everything signed is checked while it is decoded, so that a
//! [`Message`] in hand is what its author said. What a message means is `logic`'s affair.

mod digest;

use std::sync::Arc;

use minicbor::{CborLen, Decode, Encode};

use crate::base::entry::{Entry, EntryFault};
use crate::base::id::{ChainId, EntryHash, Incarnation, NetworkId, NodeId};
use crate::base::key::{self, SIGNATURE_LENGTH, SecretKey};
use crate::base::limits;

pub use self::digest::{BUCKETS, Digest, bucket};

/// The version of this protocol; also in the ALPN.
pub const VERSION: u16 = 1;

/// One decoded and checked message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The first on every link, both ways.
    Hello(Hello),
    /// The sender's heads and proofs in short.
    Digest(Box<Digest>),
    /// How far the sender has each chain.
    Heads(Heads),
    /// Entries, in the order of their chains.
    Entries(Vec<Entry>),
    /// Keepalive: answered at once with the same token by the link itself.
    Ping(Ping),
    /// The answer to a ping.
    Pong(Pong),
    /// A node is alive.
    Heartbeat(Signed<Heartbeat>),
    /// Somebody asks all nodes something.
    Ask(Signed<Ask>),
    /// A node answers somebody.
    Answer(Signed<Answer>),
    /// Entries that stand by themselves, whatever is known of their chains: two for one place (a fork
    /// proof), one after the other, or one that revokes or retires a node.
    Proofs(Vec<Entry>),
    /// Of whom the sender of this message wants to be sent entries over this link, or does not any more.
    Prefer(Prefer),
    /// Somebody looks for the way to a node.
    Seek(Seek),
    /// The sender closes the link, and why.
    Goodbye(String),
    /// A kind of a later version: skipped.
    Unknown(u8),
}

/// Who speaks, and what it can.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Hello {
    /// Lowest protocol version that the sender speaks.
    #[n(0)]
    pub least: u16,
    /// Highest.
    #[n(1)]
    pub most: u16,
    /// The network that the link is for.
    #[n(2)]
    pub network: NetworkId,
    /// The sender's present incarnation.
    #[n(3)]
    pub incarnation: Incarnation,
    /// Version of the sender's software.
    #[n(4)]
    pub software: String,
}

/// How far somebody has one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Head {
    /// The chain.
    #[n(0)]
    pub chain: ChainId,
    /// The last sequence number.
    #[n(1)]
    pub sequence: u64,
    /// Hash of that entry.
    #[n(2)]
    pub hash: EntryHash,
    /// The sequence number before the first that is kept; zero when nothing was pruned.
    #[n(3)]
    pub base: u64,
}

/// How far somebody has its chains.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Heads {
    /// A bit for each [`bucket`] of authors: set if these are all chains of its authors. Of other authors
    /// these are the chains that changed.
    #[n(0)]
    pub complete: u64,
    /// Whatever came of these chains beyond these heads was not taken, and is to be sent again.
    #[n(1)]
    pub again: bool,
    /// One for each chain; a chain of which nothing is known has sequence number zero.
    #[n(2)]
    pub heads: Vec<Head>,
}

/// Keepalive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Ping {
    /// Comes back in the pong.
    #[n(0)]
    pub token: u64,
}

/// Keepalive's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Pong {
    /// From the ping.
    #[n(0)]
    pub token: u64,
    /// The sender's wall clock in milliseconds: shown as an offset, never relied on.
    #[n(1)]
    pub wall: i64,
}

/// A node is alive. Not kept in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Heartbeat {
    /// Who.
    #[n(0)]
    pub author: NodeId,
    /// In which life.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Grows with each heartbeat of this life.
    #[n(2)]
    pub counter: u64,
    /// Whether it takes part in votes: its last commit worked and it is allowed to grant.
    #[n(3)]
    pub voting: bool,
    /// Whether it is cut off from everything it should reach.
    #[n(4)]
    pub isolated: bool,
    /// How far its own state lane is written: what it said before does not count where this is not read
    /// yet. [`Heartbeat::MUTE`] while it cannot write, so that nothing it said counts.
    #[n(5)]
    pub said: u64,
    /// The author's wall clock in milliseconds: shown as an offset, never relied on.
    #[n(6)]
    pub wall: i64,
    /// The greatest other life of its key that the author knows of. Whoever opened that one learns that
    /// this author is somebody else.
    #[n(7)]
    pub other: Option<Incarnation>,
}

impl Heartbeat {
    /// Written farther than anybody can: the author cannot write what it sees.
    pub const MUTE: u64 = u64::MAX;
}

/// A question to all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Ask {
    /// Who asks.
    #[n(0)]
    pub author: NodeId,
    /// In which life.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Grows with each question of this life.
    #[n(2)]
    pub number: u64,
    /// The asker stops listening after so many milliseconds.
    #[n(3)]
    pub within: u64,
    /// Ping this host.
    #[n(4)]
    pub host: String,
    /// With so many echo requests.
    #[n(5)]
    pub count: u16,
    /// Ping nothing: find the way to this node.
    #[n(6)]
    pub goal: Option<NodeId>,
}

/// Of whom a node wants to be sent entries over a link. Until it says so, nothing is sent to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Prefer {
    /// Whether it wants them; otherwise it does not any more.
    #[n(0)]
    pub push: bool,
    /// The authors.
    #[n(1)]
    pub authors: Vec<NodeId>,
}

/// A question on its way to the node that it is for, and the way that it took so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Seek {
    /// The question, as the asker signed it.
    pub ask: Signed<Ask>,
    /// The nodes it passed, the first after the asker first. They are not signed: whoever passes a
    /// question on is a member.
    pub path: Vec<Hop>,
}

/// One hop of a question's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Hop {
    /// The node that it reached.
    #[n(0)]
    pub node: NodeId,
    /// Round trip of the link over which it came, in microseconds, as last measured by that node.
    #[n(1)]
    pub time: Option<u32>,
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Answer {
    /// Who answers.
    #[n(0)]
    pub author: NodeId,
    /// Who asked.
    #[n(1)]
    pub asker: NodeId,
    /// In which life of the asker.
    #[n(2)]
    pub incarnation: Incarnation,
    /// Which question.
    #[n(3)]
    pub number: u64,
    /// Echo requests sent; zero when this node cannot look.
    #[n(4)]
    pub sent: u16,
    /// Echo replies received.
    #[n(5)]
    pub received: u16,
    /// Fastest, mean and slowest round trip in microseconds.
    #[n(6)]
    pub times: Option<(u32, u32, u32)>,
    /// What was seen, one line.
    #[n(7)]
    pub detail: String,
    /// The way that the question took to this node, if it was for the way: at most [`limits::HOPS`].
    #[n(8)]
    pub path: Vec<Hop>,
}

/// Something small that its author signed, with the bytes that the signature is over, so that it can
/// be passed on unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed<T> {
    /// What it says.
    pub value: T,
    bytes: Arc<[u8]>,
}

/// What a kind of signed message adds to [`Signed`].
pub trait Signable: Encode<()> + CborLen<()> + for<'b> Decode<'b, ()> {
    /// Keeps one kind of signature from being another.
    const DOMAIN: &'static [u8];
    /// Who must have signed it.
    fn author(&self) -> NodeId;
}

/// Why a frame was refused. The link is closed; nothing else is touched; the peer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// Longer than a frame may be, or empty.
    Length(u64),
    /// A body that its kind does not have.
    Body(u8),
    /// An entry that is not one.
    Entry(EntryFault),
    /// A heartbeat, question or answer that its author did not sign.
    Forged,
}

impl std::fmt::Display for WireFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a frame of {length} bytes (1 to {} are allowed)", limits::FRAME),
            Self::Body(kind) => write!(f, "a frame of kind {kind} with an unreadable body"),
            Self::Entry(fault) => write!(f, "an entry {fault}"),
            Self::Forged => f.write_str("a message that its author did not sign"),
        }
    }
}

impl<T: Signable> Signed<T> {
    /// Signs `value` for `network`.
    #[must_use]
    pub fn seal(key: &SecretKey, network: NetworkId, value: T) -> Self {
        assert!(value.author() == key.node());
        let mut bytes = minicbor::to_vec(&value).unwrap_or_default();
        let signature = key.sign(&domain::<T>(network), &bytes);
        bytes.extend(signature);
        Self { value, bytes: bytes.into() }
    }

    fn open(network: NetworkId, kind: u8, bytes: &[u8]) -> Result<Self, WireFault> {
        let signed = Self::parse(kind, bytes)?;
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE_LENGTH>().ok_or(WireFault::Body(kind))?;
        if key::verify(&signed.value.author(), &domain::<T>(network), body, signature) { Ok(signed) } else { Err(WireFault::Forged) }
    }

    fn parse(kind: u8, bytes: &[u8]) -> Result<Self, WireFault> {
        let (body, _) = bytes.split_last_chunk::<SIGNATURE_LENGTH>().ok_or(WireFault::Body(kind))?;
        let value = minicbor::decode(body).map_err(|_| WireFault::Body(kind))?;
        Ok(Self { value, bytes: bytes.into() })
    }
}

fn domain<T: Signable>(network: NetworkId) -> Vec<u8> {
    [T::DOMAIN, &network.0].concat()
}

impl Signable for Heartbeat {
    const DOMAIN: &'static [u8] = b"peerwatch heartbeat 1\0";
    fn author(&self) -> NodeId {
        self.author
    }
}

impl Signable for Ask {
    const DOMAIN: &'static [u8] = b"peerwatch ask 1\0";
    fn author(&self) -> NodeId {
        self.author
    }
}

impl Signable for Answer {
    const DOMAIN: &'static [u8] = b"peerwatch answer 1\0";
    fn author(&self) -> NodeId {
        self.author
    }
}

impl Message {
    /// The number of its kind on the wire.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Digest(_) => 2,
            Self::Heads(_) => 3,
            Self::Entries(_) => 4,
            Self::Ping(_) => 5,
            Self::Pong(_) => 6,
            Self::Heartbeat(_) => 7,
            Self::Ask(_) => 8,
            Self::Answer(_) => 9,
            Self::Goodbye(_) => 10,
            Self::Proofs(_) => 11,
            Self::Prefer(_) => 12,
            Self::Seek(_) => 13,
            Self::Unknown(kind) => *kind,
        }
    }

    /// The whole frame, length included. Callers keep entries within [`limits::FRAME_ENTRIES`] and
    /// [`limits::BATCH_BYTES`], heads within [`limits::HEADS`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut frame = vec![0, 0, 0, 0, self.kind()];
        match self {
            Self::Hello(hello) => frame.extend(cbor(hello)),
            Self::Digest(digest) => frame.extend(digest.bytes()),
            Self::Heads(heads) => frame.extend(cbor(heads)),
            Self::Entries(entries) => entries.iter().for_each(|entry| push_entry(&mut frame, entry.bytes())),
            Self::Ping(ping) => frame.extend(cbor(ping)),
            Self::Pong(pong) => frame.extend(cbor(pong)),
            Self::Heartbeat(heartbeat) => frame.extend(&*heartbeat.bytes),
            Self::Ask(ask) => frame.extend(&*ask.bytes),
            Self::Answer(answer) => frame.extend(&*answer.bytes),
            Self::Goodbye(reason) => frame.extend(reason.as_bytes()),
            Self::Proofs(entries) => entries.iter().for_each(|entry| push_entry(&mut frame, entry.bytes())),
            Self::Prefer(prefer) => frame.extend(cbor(prefer)),
            Self::Seek(seek) => {
                let path = cbor(&seek.path);
                frame.extend(u16::try_from(path.len()).unwrap_or(u16::MAX).to_be_bytes());
                frame.extend(path);
                frame.extend(&*seek.ask.bytes);
            }
            Self::Unknown(_) => {}
        }
        finish(frame)
    }

    /// Reads what follows a frame's length.
    ///
    /// # Errors
    /// The fault of whoever sent it.
    pub fn decode(network: NetworkId, frame: &[u8]) -> Result<Self, WireFault> {
        let (&kind, body) = frame.split_first().ok_or(WireFault::Length(0))?;
        if limits::FRAME < frame.len() {
            return Err(WireFault::Length(frame.len() as u64));
        }
        let refuse = |_| WireFault::Body(kind);
        Ok(match kind {
            1 => Self::Hello(minicbor::decode(body).map_err(refuse)?),
            2 => Self::Digest(Box::new(Digest::read(body.try_into().map_err(|_| WireFault::Body(kind))?))),
            3 => {
                let heads: Heads = minicbor::decode(body).map_err(refuse)?;
                if limits::HEADS < heads.heads.len() {
                    return Err(WireFault::Body(kind));
                }
                Self::Heads(heads)
            }
            4 => Self::Entries(read_entries(network, body)?),
            5 => Self::Ping(minicbor::decode(body).map_err(refuse)?),
            6 => Self::Pong(minicbor::decode(body).map_err(refuse)?),
            7 => Self::Heartbeat(Signed::open(network, kind, body)?),
            8 => Self::Ask(Signed::open(network, kind, body)?),
            9 => Self::Answer(Signed::open(network, kind, body)?),
            10 => Self::Goodbye(crate::base::outcome::clip(String::from_utf8_lossy(body).into_owned())),
            11 => Self::Proofs(read_entries(network, body)?),
            12 => {
                let prefer: Prefer = minicbor::decode(body).map_err(refuse)?;
                if limits::NODES < prefer.authors.len() {
                    return Err(WireFault::Body(kind));
                }
                Self::Prefer(prefer)
            }
            13 => Self::Seek(read_seek(network, kind, body)?),
            other => Self::Unknown(other),
        })
    }
}

impl Message {
    /// Whether this is a frame (without its length) that comes over several links, the same each time: a
    /// heartbeat, a question or an answer.
    #[must_use]
    pub fn is_flooded(frame: &[u8]) -> bool {
        matches!(frame.first(), Some(7..=9))
    }

    /// Reads what follows the length of a frame that [`Message::is_flooded`] and that [`Message::decode`]
    /// has taken before, for the same network and byte by byte the same. Its signature is not checked again.
    ///
    /// # Errors
    /// The frame is no such one.
    pub fn decode_again(frame: &[u8]) -> Result<Self, WireFault> {
        let (&kind, body) = frame.split_first().ok_or(WireFault::Length(0))?;
        Ok(match kind {
            7 => Self::Heartbeat(Signed::parse(kind, body)?),
            8 => Self::Ask(Signed::parse(kind, body)?),
            9 => Self::Answer(Signed::parse(kind, body)?),
            other => return Err(WireFault::Body(other)),
        })
    }
}

/// A frame of entries as the database holds them, without reading them again.
#[must_use]
pub fn entries_frame<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 0, 4];
    entries.for_each(|entry| push_entry(&mut frame, entry));
    finish(frame)
}

fn push_entry(frame: &mut Vec<u8>, entry: &[u8]) {
    frame.extend(u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(entry);
}

fn finish(mut frame: Vec<u8>) -> Vec<u8> {
    let length = frame.len() - 4;
    assert!(length <= limits::FRAME, "a frame of {length} bytes");
    frame[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    frame
}

fn read_entries(network: NetworkId, mut body: &[u8]) -> Result<Vec<Entry>, WireFault> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| WireFault::Body(4))?;
        let (bytes, rest) = rest.split_at_checked(length).ok_or(WireFault::Body(4))?;
        if limits::FRAME_ENTRIES <= entries.len() {
            return Err(WireFault::Body(4));
        }
        entries.push(Entry::open(network, bytes).map_err(WireFault::Entry)?);
        body = rest;
    }
    if body.is_empty() { Ok(entries) } else { Err(WireFault::Body(4)) }
}

fn read_seek(network: NetworkId, kind: u8, body: &[u8]) -> Result<Seek, WireFault> {
    let (length, rest) = body.split_first_chunk().ok_or(WireFault::Body(kind))?;
    let (path, ask) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(WireFault::Body(kind))?;
    let path: Vec<Hop> = minicbor::decode(path).map_err(|_| WireFault::Body(kind))?;
    if limits::HOPS < path.len() {
        return Err(WireFault::Body(kind));
    }
    Ok(Seek { path, ask: Signed::open(network, kind, ask)? })
}

fn cbor<T: Encode<()> + CborLen<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn samples() -> Vec<Message> {
        let key = SecretKey::from_bytes(&[1; 32]);
        let network = NetworkId::of("home");
        let incarnation = Incarnation { opened: 1, nonce: [2; 16] };
        let chain = ChainId { author: key.node(), incarnation, lane: crate::base::id::Lane::State };
        let head = Head { chain, sequence: 3, hash: EntryHash([4; 32]), base: 0 };
        let heartbeat =
            Heartbeat { author: key.node(), incarnation, counter: 5, voting: true, isolated: false, said: 9, wall: -7, other: None };
        let ask = Ask { author: key.node(), incarnation, number: 1, within: 5000, host: "192.0.2.1".into(), count: 3, goal: None };
        let answer = Answer {
            author: key.node(),
            asker: key.node(),
            incarnation,
            number: 1,
            sent: 3,
            received: 3,
            times: Some((1, 2, 3)),
            detail: String::new(),
            path: vec![Hop { node: key.node(), time: Some(7) }],
        };
        let seek = Seek { ask: Signed::seal(&key, network, Ask { goal: Some(key.node()), ..ask.clone() }), path: answer.path.clone() };
        vec![
            Message::Hello(Hello { least: 1, most: 1, network, incarnation, software: "0.1.0".into() }),
            Message::Digest(Box::new(Digest::of([head].iter(), 7))),
            Message::Heads(Heads { complete: 3, again: true, heads: vec![head] }),
            Message::Entries(vec![]),
            Message::Ping(Ping { token: 1 }),
            Message::Pong(Pong { token: 1, wall: -5 }),
            Message::Heartbeat(Signed::seal(&key, network, heartbeat)),
            Message::Ask(Signed::seal(&key, network, ask)),
            Message::Answer(Signed::seal(&key, network, answer)),
            Message::Goodbye("stopping".into()),
            Message::Proofs(vec![]),
            Message::Prefer(Prefer { push: true, authors: vec![key.node()] }),
            Message::Seek(seek),
            Message::Unknown(200),
        ]
    }

    #[test]
    fn every_message_is_read_back() {
        for message in samples() {
            let frame = message.encode();
            assert_eq!(usize::try_from(u32::from_be_bytes(frame[..4].try_into().unwrap())).unwrap(), frame.len() - 4);
            assert_eq!(Message::decode(NetworkId::of("home"), &frame[4..]), Ok(message.clone()));
            let again = Message::decode_again(&frame[4..]);
            assert_eq!(again, if Message::is_flooded(&frame[4..]) { Ok(message) } else { Err(WireFault::Body(message.kind())) });
        }
    }

    #[test]
    fn signatures_hold_for_one_network_and_one_kind() {
        for message in &samples()[6..9] {
            let mut frame = message.encode();
            assert_eq!(Message::decode(NetworkId::of("other"), &frame[4..]), Err(WireFault::Forged));
            frame[10] ^= 1;
            assert!(Message::decode(NetworkId::of("home"), &frame[4..]).is_err());
        }
    }

    #[test]
    fn mutated_frames_never_panic() {
        let mut rng = Rng::new(2);
        for message in samples() {
            let frame = message.encode();
            for _ in 0..2000 {
                let mut bytes = frame[4..].to_vec();
                let place = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                bytes[place] = rng.next().to_le_bytes()[0];
                bytes.truncate(bytes.len() - usize::try_from(rng.below(3)).unwrap().min(bytes.len()));
                let _ = Message::decode(NetworkId::of("home"), &bytes);
            }
        }
        assert_eq!(Message::decode(NetworkId::of("home"), &[]), Err(WireFault::Length(0)));
    }
}
