//! An entry: the signed unit of the journal, format 1.
//!
//! The bytes are signed, stored and relayed as they are and never encoded again. Layout, integers
//! big-endian:
//!
//! ```text
//! version u8 = 1 | network 32 | author 32 | incarnation (opened u64, nonce 16) | lane u8
//! sequence u64 from 1 | hash of the previous entry 32, zero for the first | lamport u64
//! wall clock i64 ms | facts u16 | per fact: kind u16, length u32, CBOR body
//! ```
//!
//! followed by the Ed25519 signature over [`DOMAIN`] and these bytes. The hash of an entry is the
//! BLAKE3 hash of the bytes without the signature. Order and gaps are `logic::journal`'s affair.

use std::sync::Arc;

use crate::base::fact::Fact;
use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId, NodeId};
use crate::base::key::{self, SIGNATURE_LENGTH, SecretKey};
use crate::base::limits;
use crate::base::time::Wall;
use crate::base::wire::Head;

/// What an entry's signature is over, besides its bytes.
pub const DOMAIN: &[u8] = b"peerwatch entry 1\0";

/// The version that this file writes and reads.
const VERSION: u8 = 1;

/// No Lamport number is greater: a billion entries a second reach it in a century. Without a bound one
/// member could use up all numbers for everybody.
const LAMPORT: u64 = 1 << 62;

/// Bytes before the facts.
const HEADER: usize = 1 + 32 + 32 + 8 + 16 + 1 + 8 + 32 + 8 + 8 + 2;

/// What is said of an entry besides its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The network it was written for.
    pub network: NetworkId,
    /// Whose chain, which life, which lane.
    pub chain: ChainId,
    /// Its place in the chain, from 1, without gaps.
    pub sequence: u64,
    /// Hash of the entry before; all zero for the first.
    pub previous: EntryHash,
    /// One more than the largest that the author had seen.
    pub lamport: u64,
    /// The author's wall clock, for reading only.
    pub wall: Wall,
}

/// A checked entry. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it belongs.
    pub header: Header,
    /// What it says.
    pub facts: Arc<[Fact]>,
    /// Hash of its signed bytes.
    pub hash: EntryHash,
    bytes: Arc<[u8]>,
}

/// What a turn changes in the journal, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The next entry of its chain, own or another's.
    Entry(Entry),
    /// Nothing up to [`Head::base`] is in force any more, and the entry there had the hash [`Head::hash`];
    /// [`Head::sequence`] is the base too. A chain that is not known that far begins after it.
    Base(Head),
    /// Of an author's incarnations before this one nothing is in force any more.
    Floor(NodeId, Incarnation),
    /// No floor of this author holds: what declared it counts nowhere.
    Unfloor(NodeId),
    /// Of a chain nothing from this sequence number on is in force: it forked there, or its author was
    /// revoked or retired. With 0 its base does not hold either, and nothing is known of the chain.
    Cut(ChainId, u64),
    /// An entry that stands by itself: half of a fork proof, a revocation, a retirement.
    Proof(Entry),
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self::Entry(entry)
    }
}

/// What a store knows besides the entries that are folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Where each chain begins and ends, with the Lamport number of its last entry.
    pub tips: Vec<(Head, u64)>,
    /// The lowest incarnation in force of each author that named one.
    pub floors: Vec<(NodeId, Incarnation)>,
    /// Entries that stand by themselves, as [`Record::Proof`] stored them.
    pub proofs: Vec<Entry>,
    /// Entries held, on all lanes.
    pub entries: u64,
}

impl Past {
    /// The past of which these entries, each chain in order and from its first, are all that is known.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let mut tips = std::collections::BTreeMap::new();
        for entry in entries {
            let Header { chain, sequence, lamport, .. } = entry.header;
            tips.insert(chain, (Head { chain, sequence, hash: entry.hash, base: 0 }, lamport));
        }
        Self { tips: tips.into_values().collect(), entries: entries.len() as u64, ..Self::default() }
    }
}

/// A run of entries of one chain, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Which chain.
    pub chain: ChainId,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
}

/// Why bytes are not an entry. None of these touches any state; the sender or the disk is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFault {
    /// Larger than an entry may be.
    Oversized,
    /// Ends too early, or has bytes left over.
    Torn,
    /// Written in a format that this version does not read.
    Version(u8),
    /// A lane that this version does not know.
    Lane(u8),
    /// A Lamport number that nobody can have reached.
    Lamport,
    /// Written for another network.
    Stranger,
    /// Not signed by its author.
    Forged,
}

impl std::fmt::Display for EntryFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Oversized => write!(f, "larger than {} bytes", limits::ENTRY),
            Self::Torn => f.write_str("cut short or with bytes left over"),
            Self::Version(version) => write!(f, "in format {version}; this version reads format {VERSION}: upgrade this node"),
            Self::Lane(lane) => write!(f, "on lane {lane}, which this version does not know: upgrade this node"),
            Self::Lamport => f.write_str("with a Lamport number that nobody can have reached"),
            Self::Stranger => f.write_str("written for another network"),
            Self::Forged => f.write_str("not signed by its author"),
        }
    }
}

impl Entry {
    /// Writes and signs an entry. The caller keeps it below [`limits::ENTRY`].
    #[must_use]
    pub fn seal(key: &SecretKey, header: Header, facts: Vec<Fact>) -> Self {
        assert!(header.chain.author == key.node() && !facts.is_empty() && facts.len() <= limits::ENTRY_FACTS);
        let mut bytes = Vec::with_capacity(HEADER + 128);
        bytes.push(VERSION);
        bytes.extend(header.network.0);
        bytes.extend(header.chain.author.0);
        bytes.extend(header.chain.incarnation.opened.to_be_bytes());
        bytes.extend(header.chain.incarnation.nonce);
        bytes.push(header.chain.lane.number());
        bytes.extend(header.sequence.to_be_bytes());
        bytes.extend(header.previous.0);
        bytes.extend(header.lamport.to_be_bytes());
        bytes.extend(header.wall.0.to_be_bytes());
        bytes.extend(u16::try_from(facts.len()).unwrap_or(u16::MAX).to_be_bytes());
        for fact in &facts {
            let body = fact.body();
            bytes.extend(fact.kind().to_be_bytes());
            bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(body);
        }
        let hash = EntryHash(*blake3::hash(&bytes).as_bytes());
        bytes.extend(key.sign(DOMAIN, &bytes));
        assert!(bytes.len() <= limits::ENTRY, "an entry of {} bytes", bytes.len());
        Self { header, facts: facts.into(), hash, bytes: bytes.into() }
    }

    /// Reads and checks bytes from outside.
    ///
    /// # Errors
    /// The first fault found; nothing is kept.
    pub fn open(network: NetworkId, bytes: &[u8]) -> Result<Self, EntryFault> {
        let entry = Self::parse(bytes)?;
        if entry.header.network != network {
            return Err(EntryFault::Stranger);
        }
        let (signed, signature) = entry.split();
        if key::verify(&entry.header.chain.author, DOMAIN, signed, signature) { Ok(entry) } else { Err(EntryFault::Forged) }
    }

    /// Reads bytes that this node has checked before, as from its own database. The signature is not checked again.
    ///
    /// # Errors
    /// The first fault found: the database is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryFault> {
        if limits::ENTRY < bytes.len() {
            return Err(EntryFault::Oversized);
        }
        let signed = bytes.len().checked_sub(SIGNATURE_LENGTH).ok_or(EntryFault::Torn)?;
        let mut rest = Bytes(&bytes[..signed]);
        match rest.take::<1>()?[0] {
            VERSION => {}
            other => return Err(EntryFault::Version(other)),
        }
        let network = NetworkId(*rest.take()?);
        let author = NodeId(*rest.take()?);
        let incarnation = Incarnation { opened: u64::from_be_bytes(*rest.take()?), nonce: *rest.take()? };
        let lane = rest.take::<1>()?[0];
        let lane = Lane::from_number(lane).ok_or(EntryFault::Lane(lane))?;
        let sequence = u64::from_be_bytes(*rest.take()?);
        let previous = EntryHash(*rest.take()?);
        let lamport = u64::from_be_bytes(*rest.take()?);
        let wall = Wall(i64::from_be_bytes(*rest.take()?));
        if LAMPORT < lamport || LAMPORT < incarnation.opened {
            return Err(EntryFault::Lamport);
        }
        let count = usize::from(u16::from_be_bytes(*rest.take()?));
        if count == 0 || limits::ENTRY_FACTS < count {
            return Err(EntryFault::Torn);
        }
        let mut facts = Vec::new();
        for _ in 0..count {
            let kind = u16::from_be_bytes(*rest.take()?);
            let length = u32::from_be_bytes(*rest.take()?);
            let body = rest.slice(usize::try_from(length).map_err(|_| EntryFault::Torn)?)?;
            facts.push(Fact::read(kind, body));
        }
        if !rest.0.is_empty() || sequence == 0 {
            return Err(EntryFault::Torn);
        }
        let hash = EntryHash(*blake3::hash(&bytes[..signed]).as_bytes());
        let header = Header { network, chain: ChainId { author, incarnation, lane }, sequence, previous, lamport, wall };
        Ok(Self { header, facts: facts.into(), hash, bytes: bytes.into() })
    }

    /// The entry as it is stored and sent: signed bytes and signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same without what it says, in less memory: enough to store and send it.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self { facts: [].into(), ..self.clone() }
    }

    fn split(&self) -> (&[u8], &[u8; SIGNATURE_LENGTH]) {
        self.bytes.split_last_chunk().expect("BUG! an entry ends with its signature")
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], EntryFault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(EntryFault::Torn)?;
        self.0 = rest;
        Ok(taken)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], EntryFault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(EntryFault::Torn)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fact::Yield;
    use crate::base::rng::Rng;

    fn sample() -> Entry {
        let key = SecretKey::from_bytes(&[1; 32]);
        let header = Header {
            network: NetworkId::of("home"),
            chain: ChainId { author: key.node(), incarnation: Incarnation { opened: 5, nonce: [6; 16] }, lane: Lane::Events },
            sequence: 7,
            previous: EntryHash([8; 32]),
            lamport: 9,
            wall: Wall(-1),
        };
        let facts = vec![Fact::Yield(Yield { ballot: EntryHash([2; 32]) }), Fact::Unknown { kind: 60_000, body: vec![1, 2] }];
        Entry::seal(&key, header, facts)
    }

    #[test]
    fn what_was_sealed_is_read_back_with_facts_that_nobody_knows() {
        let entry = sample();
        assert_eq!(Entry::open(NetworkId::of("home"), entry.bytes()), Ok(entry.clone()));
        assert_eq!(Entry::open(NetworkId::of("other"), entry.bytes()), Err(EntryFault::Stranger));
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let entry = sample();
        for place in 0..entry.bytes().len() {
            let mut bytes = entry.bytes().to_vec();
            bytes[place] ^= 1;
            assert!(Entry::open(NetworkId::of("home"), &bytes).is_err(), "byte {place}");
        }
    }

    #[test]
    fn any_bytes_at_all_are_read_without_panic() {
        let mut rng = Rng::new(1);
        let good = sample().bytes().to_vec();
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            bytes.truncate(usize::try_from(rng.below(good.len() as u64 + 1)).unwrap());
            for _ in 0..rng.below(4) {
                if let Some(place) = usize::try_from(rng.below(bytes.len() as u64)).ok().filter(|place| *place < bytes.len()) {
                    bytes[place] = rng.next().to_le_bytes()[0];
                }
            }
            let _ = Entry::parse(&bytes);
        }
        assert_eq!(Entry::parse(&vec![1; limits::ENTRY + 1]), Err(EntryFault::Oversized));
        assert_eq!(Entry::parse(&[]), Err(EntryFault::Torn));
    }
}
