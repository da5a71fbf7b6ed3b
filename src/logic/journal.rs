//! The journal's order: which entries follow which, how far each chain is known, and the next of our own.
//!
//! Each chain is taken in order and without gaps, so what is known of it is always a prefix. Payloads
//! are not kept here, only heads; what entries say is folded by the other machines. It does not
//! decide to whom anything is sent: `mesh` does.

use std::collections::BTreeMap;

use crate::base::entry::{Entry, Header};
use crate::base::fact::{Fact, Open};
use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId, NodeId};
use crate::base::key::SecretKey;
use crate::base::limits;
use crate::base::time::Now;
use crate::base::wire::Head;

/// Heads of all chains, and the pen for our own.
#[derive(Debug)]
pub struct Journal {
    network: NetworkId,
    key: SecretKey,
    me: NodeId,
    incarnation: Incarnation,
    heads: BTreeMap<ChainId, Head>,
    lamport: u64,
    entries: u64,
    version: u64,
    pending: BTreeMap<Lane, Vec<Fact>>,
}

/// What an entry from a peer is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The next of its chain: accepted.
    Next,
    /// Already known.
    Known,
    /// Its predecessor is missing here: dropped, and the sender must be told our heads.
    Gap,
    /// It contradicts what its author signed before: dropped.
    Contradiction,
}

impl Journal {
    /// An empty journal, before [`Journal::restore`] and [`Journal::begin`].
    #[must_use]
    pub fn new(network: NetworkId, key: SecretKey) -> Self {
        let me = key.node();
        let nobody = Incarnation { opened: 0, nonce: [0; 16] };
        Self { network, key, me, incarnation: nobody, heads: BTreeMap::new(), lamport: 0, entries: 0, version: 0, pending: BTreeMap::new() }
    }

    /// Takes an entry from this node's own store.
    pub fn restore(&mut self, entry: &Entry) {
        self.advance(entry);
        if entry.header.chain.author == self.me {
            self.incarnation = self.incarnation.max(entry.header.chain.incarnation);
        }
    }

    /// Opens a new incarnation above every one known, and writes its first entry.
    pub fn open(&mut self, now: Now, nonce: [u8; 16], reason: &str) -> Entry {
        let previous = self.heads.keys().filter(|chain| chain.author == self.me).map(|chain| chain.incarnation).max();
        // What was not yet sealed belongs to the old life; the new one restates its state anyhow.
        self.pending.clear();
        self.incarnation = Incarnation { opened: self.lamport.saturating_add(1), nonce };
        let open = Open { previous, reason: reason.into(), software: env!("CARGO_PKG_VERSION").into() };
        self.seal(now, Lane::State, vec![Fact::Open(open)])
    }

    /// A new incarnation is to be opened and cannot be written yet: what is sent until then goes by its name.
    pub fn assume(&mut self, nonce: [u8; 16]) {
        self.incarnation = Incarnation { opened: self.lamport + 1, nonce };
    }

    /// A life was seen of which no entry may be left: the next one opens above it.
    pub fn witness(&mut self, incarnation: Incarnation) {
        self.lamport = self.lamport.max(incarnation.opened);
    }

    /// Whether this node has opened an incarnation of this name.
    #[must_use]
    pub fn has_opened(&self, nonce: &[u8; 16]) -> bool {
        self.heads.keys().any(|chain| chain.author == self.me && chain.incarnation.nonce == *nonce)
    }

    /// The present incarnation.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Grows with every entry; equal versions mean equal heads.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Entries known.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// All heads, in the order of chains.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.heads.values()
    }

    /// The head of one chain, if any of it is known.
    #[must_use]
    pub fn get(&self, chain: &ChainId) -> Option<&Head> {
        self.heads.get(chain)
    }

    /// How far one chain is known; zero when it is not.
    #[must_use]
    pub fn head(&self, chain: &ChainId) -> u64 {
        self.heads.get(chain).map_or(0, |head| head.sequence)
    }

    /// A digest of all heads: equal digests mean equal heads.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for head in self.heads.values() {
            hasher.update(&head.chain.author.0);
            hasher.update(&head.chain.incarnation.opened.to_be_bytes());
            hasher.update(&head.chain.incarnation.nonce);
            hasher.update(&[head.chain.lane.number()]);
            hasher.update(&head.sequence.to_be_bytes());
            hasher.update(&head.hash.0);
        }
        *hasher.finalize().as_bytes()
    }

    /// Where an entry from a peer belongs; [`Place::Next`] takes it.
    pub fn accept(&mut self, entry: &Entry) -> Place {
        let header = &entry.header;
        let (known, hash) = self.heads.get(&header.chain).map_or((0, EntryHash([0; 32])), |head| (head.sequence, head.hash));
        if header.sequence < known {
            Place::Known
        } else if header.sequence == known {
            if entry.hash == hash { Place::Known } else { Place::Contradiction }
        } else if known.saturating_add(1) < header.sequence {
            Place::Gap
        } else if header.previous == hash {
            self.advance(entry);
            Place::Next
        } else {
            Place::Contradiction
        }
    }

    /// Keeps a fact for the end of the turn, when [`Journal::flush`] seals what has gathered.
    pub fn write(&mut self, fact: Fact) {
        let lane = fact.lane().unwrap_or(Lane::State);
        self.pending.entry(lane).or_default().push(fact);
    }

    /// Seals all facts kept in this turn, as few entries as fit.
    pub fn flush(&mut self, now: Now) -> Vec<Entry> {
        // A quarter of the largest entry: a header, a signature and one more fact always fit.
        const FULL: usize = limits::ENTRY / 4;
        let mut sealed = Vec::new();
        for (lane, facts) in std::mem::take(&mut self.pending) {
            let mut batch = Vec::new();
            let mut size = 0;
            for fact in facts {
                size += fact.body().len();
                batch.push(fact);
                if FULL <= size || batch.len() == limits::ENTRY_FACTS {
                    sealed.push(self.seal(now, lane, std::mem::take(&mut batch)));
                    size = 0;
                }
            }
            if !batch.is_empty() {
                sealed.push(self.seal(now, lane, batch));
            }
        }
        sealed
    }

    /// Seals one entry at once: for facts that others will name by the entry's hash.
    pub fn seal(&mut self, now: Now, lane: Lane, facts: Vec<Fact>) -> Entry {
        let chain = ChainId { author: self.me, incarnation: self.incarnation, lane };
        let (sequence, previous) = self.heads.get(&chain).map_or((0, EntryHash([0; 32])), |head| (head.sequence, head.hash));
        let header = Header {
            network: self.network,
            chain,
            sequence: sequence + 1,
            previous,
            lamport: self.lamport.saturating_add(1),
            wall: now.wall,
        };
        let entry = Entry::seal(&self.key, header, facts);
        self.advance(&entry);
        entry
    }

    fn advance(&mut self, entry: &Entry) {
        let header = &entry.header;
        let head = Head { chain: header.chain, sequence: header.sequence, hash: entry.hash, base: 0 };
        self.heads.insert(header.chain, head);
        self.lamport = self.lamport.max(header.lamport);
        self.entries += 1;
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(seed: u8) -> Journal {
        let mut journal = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[seed; 32]));
        journal.open(Now::default(), [seed; 16], "test");
        journal
    }

    fn unknown(n: u8) -> Vec<Fact> {
        vec![Fact::Unknown { kind: 999, body: vec![n] }]
    }

    #[test]
    fn a_chain_is_taken_in_order_and_without_gaps() {
        let mut author = journal(1);
        let mut reader = journal(2);
        let entries: Vec<Entry> = (0..4).map(|n| author.seal(Now::default(), Lane::Events, unknown(n))).collect();
        assert_eq!(reader.accept(&entries[1]), Place::Gap);
        assert_eq!(reader.accept(&entries[0]), Place::Next);
        assert_eq!(reader.accept(&entries[0]), Place::Known);
        assert_eq!(reader.accept(&entries[2]), Place::Gap);
        assert_eq!(reader.accept(&entries[1]), Place::Next);
        assert_eq!(reader.head(&entries[0].header.chain), 2);
    }

    #[test]
    fn two_signed_entries_for_one_place_are_a_contradiction() {
        let mut author = journal(1);
        let mut reader = journal(2);
        let mut twin = journal(1);
        let one = author.seal(Now::default(), Lane::Events, unknown(1));
        let other = twin.seal(Now::default(), Lane::Events, unknown(2));
        let after_other = twin.seal(Now::default(), Lane::Events, unknown(3));
        assert_eq!(reader.accept(&one), Place::Next);
        assert_eq!(reader.accept(&other), Place::Contradiction);
        assert_eq!(reader.accept(&after_other), Place::Contradiction);
    }

    #[test]
    fn equal_heads_have_equal_digests_and_others_do_not() {
        let mut author = journal(1);
        let mut reader = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[2; 32]));
        let mut other = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[3; 32]));
        let entries: Vec<Entry> = (0..3).map(|n| author.seal(Now::default(), Lane::Minutes, unknown(n))).collect();
        for entry in &entries {
            reader.accept(entry);
        }
        for entry in &entries[..2] {
            other.accept(entry);
        }
        assert_ne!(reader.digest(), other.digest());
        other.accept(&entries[2]);
        assert_eq!(reader.digest(), other.digest());
    }

    #[test]
    fn a_new_incarnation_lies_above_everything_seen() {
        let mut journal = journal(1);
        let first = journal.incarnation();
        journal.open(Now::default(), [0; 16], "again");
        assert!(first < journal.incarnation());
    }

    #[test]
    fn many_facts_become_as_few_entries_as_fit() {
        let mut journal = journal(1);
        (0..100).for_each(|_| journal.write(Fact::Unknown { kind: 999, body: vec![0; 1000] }));
        let entries = journal.flush(Now::default());
        assert_eq!(entries.iter().map(|entry| entry.facts.len()).sum::<usize>(), 100);
        assert!((2..10).contains(&entries.len()), "{}", entries.len());
        assert!(journal.flush(Now::default()).is_empty());
    }
}
