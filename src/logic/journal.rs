//! The journal's order: which entries follow which, how far each chain is known, and the next of our own.
//!
//! Each chain is taken in order and without gaps, so what is in force of it is always one stretch: the
//! entries after its base and up to its head. Payloads are not kept here, only where chains begin and
//! end; what entries say is folded by the other machines. It does not decide to whom anything is sent:
//! `mesh` does. Nor when a base is raised: `retention` does; how that is taken is in [`base`].

mod base;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::entry::{Entry, Header, Past};
use crate::base::fact::{Fact, Open};
use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId, NodeId};
use crate::base::key::SecretKey;
use crate::base::limits;
use crate::base::time::Now;
use crate::base::wire::Head;

/// Where all chains begin and end, and the pen for our own.
#[derive(Debug)]
pub struct Journal {
    network: NetworkId,
    key: SecretKey,
    me: NodeId,
    incarnation: Incarnation,
    /// Names of lives that were opened since the journal was last read.
    opened: BTreeSet<[u8; 16]>,
    chains: BTreeMap<ChainId, Chain>,
    /// The lowest incarnation in force of authors that named one.
    floors: BTreeMap<NodeId, Incarnation>,
    /// The highest floor that entries in force declare, of those that were read.
    said_floors: BTreeMap<NodeId, Incarnation>,
    /// Bytes of state and events that one author may have in force.
    share: u64,
    /// Bytes of state and events that each author has in force.
    weights: BTreeMap<NodeId, u64>,
    lamport: u64,
    /// The greatest incarnation of this node that was seen and need not have left an entry here.
    witnessed: Option<Incarnation>,
    entries: u64,
    version: u64,
    pending: BTreeMap<Lane, Vec<Fact>>,
}

/// What is known of one chain.
#[derive(Debug)]
struct Chain {
    head: Head,
    /// The highest base that its author declared, and the hash of the entry there; what was only dropped
    /// here lies above it.
    declared: (u64, EntryHash),
    /// The newest entry that says so, if it is held here: whoever needs to hear of it is sent that one.
    told: Option<(ChainId, u64)>,
    /// The entries in force.
    kept: VecDeque<Kept>,
}

/// What is remembered of an entry in force.
#[derive(Clone, Copy, Debug)]
struct Kept {
    bytes: u32,
    /// The first bytes of its hash.
    hash: [u8; 4],
}

/// A base that an author declared, and the entry that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Nothing up to here is in force.
    pub base: u64,
    /// The chain of the entry that says so.
    pub chain: ChainId,
    /// Its place there.
    pub sequence: u64,
}

/// What an entry from a peer is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The next of its chain: accepted.
    Next,
    /// Already known.
    Known,
    /// Its predecessor is missing here: dropped, and the sender must be told our heads.
    Gap,
    /// It contradicts what its author signed before: dropped.
    Contradiction,
    /// Its author has too much in force already, as said here for people: dropped.
    Excess(&'static str),
}

impl Journal {
    /// An empty journal, before [`Journal::restore`] and [`Journal::begin`].
    #[must_use]
    pub fn new(network: NetworkId, key: SecretKey) -> Self {
        let me = key.node();
        let nobody = Incarnation { opened: 0, nonce: [0; 16] };
        Self {
            network,
            key,
            me,
            incarnation: nobody,
            opened: BTreeSet::new(),
            chains: BTreeMap::new(),
            floors: BTreeMap::new(),
            said_floors: BTreeMap::new(),
            share: u64::MAX,
            weights: BTreeMap::new(),
            lamport: 0,
            witnessed: None,
            entries: 0,
            version: 0,
            pending: BTreeMap::new(),
        }
    }

    /// What one author may have in force of state and events, in bytes. Entries beyond are refused.
    pub const fn bound(&mut self, share: u64) {
        self.share = share;
    }

    /// Takes what this node's own store knows of chains. The entries follow by [`Journal::recall`].
    pub fn restore(&mut self, past: &Past) {
        for (head, lamport) in &past.tips {
            self.chains.insert(head.chain, Chain::at(*head));
            // Of a chain that was cut to nothing only the incarnation tells how far its author was.
            self.lamport = self.lamport.max(*lamport).max(head.chain.incarnation.opened);
            if head.chain.author == self.me {
                self.incarnation = self.incarnation.max(head.chain.incarnation);
            }
        }
        self.floors = past.floors.iter().copied().collect();
        self.entries = past.entries;
        self.version += 1;
    }

    /// This journal takes the place of another in the same run: its versions are later ones.
    pub const fn succeed(&mut self, version: u64) {
        self.version += version;
    }

    /// Opens a new incarnation above every one known, and writes its first entry.
    pub fn open(&mut self, now: Now, nonce: [u8; 16], reason: &str) -> Entry {
        let previous = self.own().map(|head| head.chain.incarnation).chain(self.witnessed).max();
        // What was not yet sealed belongs to the old life; the new one restates its state anyhow.
        self.pending.clear();
        self.incarnation = Incarnation { opened: self.lamport.saturating_add(1), nonce };
        self.opened.insert(nonce);
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
        self.witnessed = self.witnessed.max(Some(incarnation));
    }

    /// The greatest life of this node but the present one that is known here.
    #[must_use]
    pub fn other_life(&self) -> Option<Incarnation> {
        let own = self.own().map(|head| head.chain.incarnation).chain(self.witnessed);
        own.filter(|life| *life != self.incarnation).max()
    }

    /// Whether this node has opened an incarnation of this name.
    #[must_use]
    pub fn has_opened(&self, nonce: &[u8; 16]) -> bool {
        // A life that was opened and given up in the same turn has left no chain.
        self.opened.contains(nonce) || self.own().any(|head| head.chain.incarnation.nonce == *nonce)
    }

    /// The present incarnation.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The greatest Lamport number seen.
    #[must_use]
    pub const fn lamport(&self) -> u64 {
        self.lamport
    }

    /// Grows with every entry; equal versions mean equal heads.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The Lamport number of the next entry that is sealed.
    #[must_use]
    pub const fn next_lamport(&self) -> u64 {
        self.lamport.saturating_add(1)
    }

    /// Entries in force here.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// All heads, in the order of chains. A chain that was cut to nothing has none.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.chains.values().map(|chain| &chain.head).filter(|head| 0 < head.sequence)
    }

    /// The heads of this node's own chains, those of earlier lives first.
    pub fn own(&self) -> impl Iterator<Item = &Head> {
        self.of(self.me).map(|(_, chain)| &chain.head)
    }

    /// The head of one chain, if any of it is known.
    #[must_use]
    pub fn get(&self, chain: &ChainId) -> Option<&Head> {
        self.chains.get(chain).map(|chain| &chain.head)
    }

    /// How far one chain is known; zero when it is not.
    #[must_use]
    pub fn head(&self, chain: &ChainId) -> u64 {
        self.chains.get(chain).map_or(0, |chain| chain.head.sequence)
    }

    /// Whether nothing of a chain up to here is missing: it is known, is not in force any more, or would be refused.
    #[must_use]
    pub fn has(&self, chain: &ChainId, sequence: u64) -> bool {
        let refused = || self.weight(&chain.author) >= self.share || (!self.chains.contains_key(chain) && self.is_full(&chain.author));
        self.is_sunk(chain) || sequence <= self.head(chain) || (chain.author != self.me && refused())
    }

    /// Bytes of state and events that an author has in force.
    #[must_use]
    pub fn weight(&self, author: &NodeId) -> u64 {
        self.weights.get(author).copied().unwrap_or(0)
    }

    /// A digest of all heads: equal digests mean equal heads.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for head in self.heads() {
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
        if self.is_sunk(&header.chain) {
            return Place::Known;
        }
        let (known, hash) = self.chains.get(&header.chain).map_or((0, EntryHash([0; 32])), |chain| (chain.head.sequence, chain.head.hash));
        if header.sequence < known {
            Place::Known
        } else if header.sequence == known {
            if entry.hash == hash { Place::Known } else { Place::Contradiction }
        } else if known.saturating_add(1) < header.sequence {
            Place::Gap
        } else if header.previous != hash {
            Place::Contradiction
        } else if let Some(excess) = self.excess(entry) {
            Place::Excess(excess)
        } else {
            self.advance(entry);
            Place::Next
        }
    }

    /// Why an entry of another's would be too much.
    fn excess(&self, entry: &Entry) -> Option<&'static str> {
        let ChainId { author, lane, .. } = entry.header.chain;
        let bytes = entry.bytes().len() as u64;
        if author == self.me {
            None
        } else if !self.chains.contains_key(&entry.header.chain) && self.is_full(&author) {
            Some("it has too many incarnations and lanes in force; retire it, or wait until it gives up the oldest")
        } else if weighs(lane) && self.share < self.weight(&author).saturating_add(bytes) {
            Some("it fills more than its quarter of the journal; look at what it writes, or raise journal.size on all nodes")
        } else {
            None
        }
    }

    /// Keeps a fact for the end of the turn, when [`Journal::flush`] seals what has gathered.
    pub fn write(&mut self, fact: Fact) {
        self.write_on(fact.lane().unwrap_or(Lane::State), fact);
    }

    /// Keeps a fact whose kind may be on several lanes.
    pub fn write_on(&mut self, lane: Lane, fact: Fact) {
        self.pending.entry(lane).or_default().push(fact);
    }

    /// Seals all facts kept in this turn, as few entries as fit.
    pub fn flush(&mut self, now: Now) -> Vec<Entry> {
        // A quarter of the largest entry; a value of the key/value store may fill one by itself.
        const FULL: usize = limits::ENTRY / 4;
        let mut sealed = Vec::new();
        for (lane, facts) in std::mem::take(&mut self.pending) {
            let mut batch = Vec::new();
            let mut size = 0;
            for fact in facts {
                let length = fact.body().len() + 6;
                if !batch.is_empty() && limits::KV_BATCH < size + length {
                    sealed.push(self.seal(now, lane, std::mem::take(&mut batch)));
                    size = 0;
                }
                size += length;
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
        let (sequence, previous) = self.get(&chain).map_or((0, EntryHash([0; 32])), |head| (head.sequence, head.hash));
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
        let chain = self.chains.entry(header.chain).or_insert_with(|| Chain::new(header.chain));
        (chain.head.sequence, chain.head.hash) = (header.sequence, entry.hash);
        self.weigh(entry);
        self.lamport = self.lamport.max(header.lamport);
        self.entries += 1;
        self.version += 1;
    }

    /// Adds the bytes of an entry in force to what its author has.
    fn weigh(&mut self, entry: &Entry) {
        let header = &entry.header;
        let Some(chain) = self.chains.get_mut(&header.chain).filter(|chain| chain.weighs_next(header.sequence)) else { return };
        let kept = Kept::of(entry);
        chain.kept.push_back(kept);
        if weighs(header.chain.lane) {
            *self.weights.entry(header.chain.author).or_default() += u64::from(kept.bytes);
        }
    }

    /// The chains of one author, in the order of its incarnations.
    fn of(&self, author: NodeId) -> impl Iterator<Item = (&ChainId, &Chain)> {
        let nobody = Incarnation { opened: 0, nonce: [0; 16] };
        let first = ChainId { author, incarnation: nobody, lane: Lane::State };
        self.chains.range(first..).take_while(move |(chain, _)| chain.author == author)
    }

    fn is_full(&self, author: &NodeId) -> bool {
        limits::CHAINS <= self.of(*author).take(limits::CHAINS).count()
    }

    /// Whether a chain is of an incarnation of which its author said that nothing is in force any more.
    fn is_sunk(&self, chain: &ChainId) -> bool {
        self.floors.get(&chain.author).is_some_and(|floor| chain.incarnation < *floor)
    }
}

/// Whether the entries of a lane count for what one author may have in force. Roll-ups do not: they go
/// first when the journal is full.
const fn weighs(lane: Lane) -> bool {
    matches!(lane, Lane::State | Lane::Events)
}

#[cfg(test)]
mod tests;
