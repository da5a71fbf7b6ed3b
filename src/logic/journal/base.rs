//! What is not in force any more: bases of chains and floors of authors.
//!
//! An author declares in its state lane that nothing up to a place in one of its own chains is in
//! force. Declarations are signed and only ever grow, so one is taken from any entry of its author,
//! also from one that has no place here yet: that is how a node whose copy of a chain ends below the
//! base learns that it may go on after it. Why a base is raised is not known here.

use std::collections::VecDeque;

use crate::base::entry::{Entry, Record};
use crate::base::fact::{Fact, Mark};
use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, NodeId};
use crate::base::wire::Head;
use crate::logic::journal::{Chain, Declared, Journal, Kept, weighs};

/// No chain is longer: a billion entries a second reach it in a century.
const LONGEST: u64 = 1 << 62;

impl Journal {
    /// Takes an entry that the store holds, after [`Journal::restore`], each chain in order: where it says
    /// that bases are, and its weight.
    pub fn recall(&mut self, entry: &Entry) {
        self.weigh(entry);
        self.hear_floor(entry);
        let source = (entry.header.chain, entry.header.sequence);
        for mark in marks(entry) {
            let chain = ChainId { author: source.0.author, incarnation: mark.incarnation, lane: mark.lane };
            if let Some(known) = self.chains.get_mut(&chain) {
                known.hear(mark, Some(source));
            }
        }
    }

    /// Takes what an entry of a member declares of its author's chains. What is not in force any more is
    /// forgotten at once; the records say what, in this order, each with the number of entries that it ends.
    pub fn declare(&mut self, entry: &Entry) -> Vec<(Record, u64)> {
        if entry.header.chain.lane != Lane::State {
            return Vec::new();
        }
        if self.get(&entry.header.chain).is_some_and(|head| head.base < entry.header.sequence && entry.header.sequence <= head.sequence) {
            self.hear_floor(entry);
        }
        let mut records: Vec<(Record, u64)> = marks(entry).flat_map(|mark| self.raise(entry, mark)).collect();
        for floor in floors(entry) {
            records.extend(self.sink(entry.header.chain.author, floor));
        }
        records
    }

    /// Takes back the floor of an author of whose chains one was ended, if no entry in force declares it: as [`Journal::unbase`].
    pub fn unfloor(&mut self, author: NodeId) -> Vec<Record> {
        let said = self.said_floors.get(&author).copied();
        if self.floors.get(&author).copied() <= said {
            return Vec::new();
        }
        self.floors.remove(&author);
        self.version += 1;
        let sunk = said.and_then(|floor| self.sink(author, floor)).map(|(record, _)| record);
        [Record::Unfloor(author)].into_iter().chain(sunk).collect()
    }

    fn hear_floor(&mut self, entry: &Entry) {
        if let Some(floor) = floors(entry).max() {
            let said = self.said_floors.entry(entry.header.chain.author).or_insert(floor);
            *said = floor.max(*said);
        }
    }

    /// Gives up the roll-ups of another's chain, here and without its author's word.
    pub fn drop_until(&mut self, chain: &ChainId, sequence: u64, hash: EntryHash) -> Option<Record> {
        let known = self.chains.get_mut(chain).filter(|known| known.head.base < sequence && sequence <= known.head.sequence)?;
        let (gone, bytes) = known.rise(sequence, hash);
        self.lose(*chain, gone, bytes);
        Some(Record::Base(Head { chain: *chain, sequence, hash, base: sequence }))
    }

    /// Takes back the base of a chain that was ended, if nothing of the chain is left in force and no entry in force
    /// says that it begins there: who declared that did so in what counts nowhere any more, and others, who never heard
    /// of it, may have what is below. The chain begins anew after what entries in force declare of it. Roll-ups are dropped
    /// without their author's word too, so they stay as they are.
    pub fn unbase(&mut self, chain: &ChainId, end: u64) -> Vec<Record> {
        let Some(known) = self.chains.get_mut(chain) else { return Vec::new() };
        let Head { sequence, base, .. } = known.head;
        let declared = known.declared.0 * u64::from(known.told.is_some());
        if !weighs(chain.lane) || base == 0 || base < sequence || base + 1 < end || base <= declared {
            return Vec::new();
        }
        let (sequence, hash) = if declared == 0 { (0, EntryHash([0; 32])) } else { known.declared };
        known.head = Head { chain: *chain, sequence, hash, base: sequence };
        (known.declared, known.told) = ((sequence, hash), known.told.filter(|_| 0 < declared));
        let head = known.head;
        self.version += 1;
        let begins = (0 < sequence).then_some(Record::Base(head));
        [Record::Cut(*chain, 0)].into_iter().chain(begins).collect()
    }

    /// The base of a chain that its author declared, if the entry that says so is held here.
    #[must_use]
    pub fn declared(&self, chain: &ChainId) -> Option<Declared> {
        let known = self.chains.get(chain)?;
        known.told.map(|(chain, sequence)| Declared { base: known.declared.0, chain, sequence })
    }

    /// The lowest incarnation in force of an author that named one.
    #[must_use]
    pub fn floor(&self, author: &NodeId) -> Option<Incarnation> {
        self.floors.get(author).copied()
    }

    /// The bases of this node's own chains but its present state, to be said again so that the entries that
    /// said so may go. With `bury`, the states of its earlier lives end: what of them still holds has been said again.
    #[must_use]
    pub fn own_bases(&self, bury: bool) -> Vec<Mark> {
        let mark = |(id, chain): (&ChainId, &Chain)| {
            let state = id.lane == Lane::State;
            let over = bury && state && id.incarnation < self.incarnation;
            let (sequence, hash) = if over { (chain.head.sequence, chain.head.hash) } else { chain.declared };
            let said = 0 < sequence && !(state && id.incarnation == self.incarnation);
            said.then_some(Mark { incarnation: id.incarnation, lane: id.lane, sequence, hash })
        };
        self.of(self.me).filter_map(mark).collect()
    }

    fn raise(&mut self, entry: &Entry, mark: &Mark) -> Vec<(Record, u64)> {
        let (source, place) = (entry.header.chain, entry.header.sequence);
        let chain = ChainId { author: source.author, incarnation: mark.incarnation, lane: mark.lane };
        // Nobody honest speaks of a life to come, or takes back the very words that it is saying.
        let sound = mark.incarnation <= source.incarnation && (0..LONGEST).contains(&mark.sequence.wrapping_sub(1));
        let unknown = !self.chains.contains_key(&chain);
        if !sound || (chain == source && place <= mark.sequence) || self.is_sunk(&chain) || (unknown && self.is_full(&chain.author)) {
            return Vec::new();
        }
        let held = self.get(&source).is_some_and(|head| head.base < place && place <= head.sequence);
        let known = self.chains.entry(chain).or_insert_with(|| Chain::new(chain));
        known.hear(mark, held.then_some((source, place)));
        let base = known.head.base;
        let torn = known.is_torn(mark);
        if mark.sequence <= base && !torn {
            return Vec::new();
        }
        let (gone, bytes) = if torn { known.restart(mark) } else { known.rise(mark.sequence, mark.hash) };
        self.lose(chain, gone, bytes);
        if chain.lane == Lane::State {
            self.unlearn(chain, mark.sequence);
        }
        let cut = torn.then(|| (Record::Cut(chain, base + 1), 0));
        let based = (Record::Base(Head { chain, sequence: mark.sequence, hash: mark.hash, base: mark.sequence }), gone);
        cut.into_iter().chain([based]).collect()
    }

    /// Entries that said where bases are may be gone themselves. Their author has said it again since.
    fn unlearn(&mut self, state: ChainId, base: u64) {
        let nobody = Incarnation { opened: 0, nonce: [0; 16] };
        let first = ChainId { author: state.author, incarnation: nobody, lane: Lane::State };
        for (_, chain) in self.chains.range_mut(first..).take_while(|(chain, _)| chain.author == state.author) {
            chain.told.take_if(|(chain, sequence)| *chain == state && *sequence <= base);
        }
    }

    fn sink(&mut self, author: NodeId, floor: Incarnation) -> Option<(Record, u64)> {
        let before = self.entries;
        if self.floors.get(&author).is_some_and(|known| floor <= *known) {
            return None;
        }
        self.floors.insert(author, floor);
        let gone: Vec<ChainId> = self.of(author).map(|(chain, _)| *chain).take_while(|chain| chain.incarnation < floor).collect();
        for id in gone {
            let Some(chain) = self.chains.remove(&id) else { continue };
            let bytes = chain.kept.iter().map(|kept| u64::from(kept.bytes)).sum();
            self.lose(id, chain.head.sequence - chain.head.base, bytes);
        }
        self.version += 1;
        Some((Record::Floor(author, floor), before - self.entries))
    }

    fn lose(&mut self, chain: ChainId, entries: u64, bytes: u64) {
        self.entries = self.entries.saturating_sub(entries);
        if weighs(chain.lane) {
            let weight = self.weights.entry(chain.author).or_default();
            *weight = weight.saturating_sub(bytes);
        }
        self.version += 1;
    }
}

impl Chain {
    /// A chain of which nothing is known yet.
    pub(super) const fn new(chain: ChainId) -> Self {
        Self::at(Head { chain, sequence: 0, hash: EntryHash([0; 32]), base: 0 })
    }

    /// A chain as the store knows it.
    pub(super) const fn at(head: Head) -> Self {
        Self { head, declared: (0, EntryHash([0; 32])), told: None, kept: VecDeque::new() }
    }

    /// Whether the weight of an entry at this place is the next to be known.
    pub(super) fn weighs_next(&self, sequence: u64) -> bool {
        sequence == self.head.base + self.kept.len() as u64 + 1
    }

    /// Takes a declared base. Of several entries that declare the same the newest stays longest.
    fn hear(&mut self, mark: &Mark, told: Option<(ChainId, u64)>) {
        if self.declared.0 < mark.sequence {
            (self.declared, self.told) = ((mark.sequence, mark.hash), told);
        } else if self.declared.0 == mark.sequence && self.declared.1 == mark.hash {
            self.told = self.told.max(told);
        } else if self.declared.0 == mark.sequence && self.declared.1.0 < mark.hash.0 {
            (self.declared.1, self.told) = (mark.hash, told);
        }
    }

    /// Whether a declared base is on another branch than what is held here, and counts more.
    fn is_torn(&self, mark: &Mark) -> bool {
        let Head { sequence, hash, base, .. } = self.head;
        if mark.sequence < base || sequence < mark.sequence {
            return false;
        }
        if mark.sequence == sequence {
            return hash != mark.hash && (base < sequence || hash.0 < mark.hash.0);
        }
        let place = mark.sequence.checked_sub(base + 1).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.kept.get(place)).is_some_and(|kept| kept.hash != first_bytes(&mark.hash))
    }

    /// Goes on from a base on another branch: nothing that is held here follows from it. How many entries are not in
    /// force any more, and their bytes.
    fn restart(&mut self, mark: &Mark) -> (u64, u64) {
        let gone = self.head.sequence - self.head.base;
        (self.head.sequence, self.head.hash, self.head.base) = (mark.sequence, mark.hash, mark.sequence);
        (gone, self.kept.drain(..).map(|kept| u64::from(kept.bytes)).sum())
    }

    /// Raises the base. How many entries are not in force any more, and their bytes.
    fn rise(&mut self, base: u64, hash: EntryHash) -> (u64, u64) {
        let gone = base.min(self.head.sequence) - self.head.base;
        if self.head.sequence < base {
            (self.head.sequence, self.head.hash) = (base, hash);
        }
        self.head.base = base;
        let kept = self.kept.len().min(usize::try_from(gone).unwrap_or(usize::MAX));
        (gone, self.kept.drain(..kept).map(|kept| u64::from(kept.bytes)).sum())
    }
}

impl Kept {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { bytes: u32::try_from(entry.bytes().len()).unwrap_or(u32::MAX), hash: first_bytes(&entry.hash) }
    }
}

const fn first_bytes(hash: &EntryHash) -> [u8; 4] {
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

/// The floors that an entry declares. Nobody honest speaks of a life to come.
fn floors(entry: &Entry) -> impl Iterator<Item = Incarnation> {
    let ChainId { lane, incarnation, .. } = entry.header.chain;
    let floor = |fact: &Fact| if let Fact::Floor(floor) = fact { Some(floor.incarnation) } else { None };
    entry.facts.iter().filter_map(floor).filter(move |floor| lane == Lane::State && *floor <= incarnation)
}

/// The bases that an entry declares.
fn marks(entry: &Entry) -> impl Iterator<Item = &Mark> {
    let state = entry.header.chain.lane == Lane::State;
    entry.facts.iter().filter_map(move |fact| if let Fact::Base(mark) = fact { Some(mark).filter(|_| state) } else { None })
}
