//! How far one peer has each chain.
//!
//! What is kept is only what differs from this node's own heads: chains of which the peer has less, and chains of
//! which it says that it has more. So between two nodes that know the same nothing is kept at all, and what a
//! turn costs follows from what changed. What a peer claims is bounded here; nothing that it claims is
//! believed further than that it is asked for it. From whom anything is asked is `source`'s affair.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, Incarnation, Lane, NodeId};
use crate::base::limits;
use crate::base::time::Mono;
use crate::base::wire::{Head, bucket};

use super::Known;

/// How far one peer has each chain, and what it asked for.
#[derive(Debug)]
pub(super) struct Cursors {
    /// Buckets of authors of whose chains the peer has said all, one bit each. Of others nothing is sent.
    known: u64,
    behind: BTreeMap<ChainId, Behind>,
    ahead: BTreeMap<ChainId, u64>,
    /// What came from the peer in this turn.
    came: BTreeMap<ChainId, u64>,
    /// Authors whose entries the peer wants from here.
    asked: BTreeSet<NodeId>,
    /// Chains of these of which something was not sent yet.
    queue: BTreeSet<ChainId>,
    /// What the last batch moved, and from where: it may be undone with its turn.
    undo: Vec<(ChainId, u64)>,
}

/// How far a peer has a chain of which it has less than this node.
#[derive(Clone, Copy, Debug)]
struct Behind {
    /// As it said, or as its entries show.
    stored: u64,
    /// As it was sent.
    sent: u64,
    /// When it was last sent anything.
    at: Mono,
}

/// What the words of a peer about a chain are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It has at least so much.
    More,
    /// It has so much, but for what is under way.
    Exact,
    /// It has so much, and what was sent beyond is lost.
    Lost,
}

impl Cursors {
    /// Nothing is known of a peer that has said nothing.
    pub(super) const fn new() -> Self {
        Self {
            known: 0,
            behind: BTreeMap::new(),
            ahead: BTreeMap::new(),
            came: BTreeMap::new(),
            asked: BTreeSet::new(),
            queue: BTreeSet::new(),
            undo: Vec::new(),
        }
    }

    /// Whether the peer has said all that it has of an author.
    pub(super) fn knows(&self, author: &NodeId) -> bool {
        self.known & 1 << bucket(author) != 0
    }

    /// Whether the peer has said all that it has.
    pub(super) const fn knows_all(&self) -> bool {
        self.known == u64::MAX
    }

    /// How far the peer has stored a chain, where this node has it as far as `ours`.
    pub(super) fn stored(&self, chain: &ChainId, ours: u64) -> u64 {
        let equal = || if self.knows(&chain.author) { ours } else { 0 };
        let less = || self.behind.get(chain).map_or_else(equal, |behind| behind.stored);
        self.ahead.get(chain).copied().unwrap_or_else(less).max(self.came.get(chain).copied().unwrap_or(0))
    }

    /// This node's own head moved, or was taken back.
    pub(super) fn shift(&mut self, chain: &ChainId, old: u64, new: u64) {
        let behind = self.behind.get(chain).copied();
        let stored = self.stored(chain, old);
        if self.knows(&chain.author) {
            let (sent, at) = behind.map_or((stored, Mono(0)), |behind| (behind.sent, behind.at));
            self.place(*chain, new, Behind { stored, sent: sent.max(stored), at });
        } else if stored <= new {
            self.ahead.remove(chain);
        }
    }

    /// The peer said how far it has a chain.
    pub(super) fn said(&mut self, now: Mono, chain: ChainId, ours: u64, sequence: u64, word: Word) {
        if !self.knows(&chain.author) {
            self.claim(chain, ours, sequence);
            return;
        }
        let known = self.behind.get(&chain).copied();
        let before = self.stored(&chain, ours);
        let sent = known.map_or(before, |known| known.sent);
        let at = known.map_or(Mono(0), |known| known.at);
        let place = match word {
            Word::More => Behind { stored: before.max(sequence), sent: sent.max(sequence), at },
            Word::Exact if now.since(at) < limits::SENT_AGAIN => Behind { stored: sequence, sent: sent.max(sequence), at },
            Word::Exact | Word::Lost => Behind { stored: sequence, sent: sequence, at },
        };
        self.place(chain, ours, place);
    }

    /// The peer said all chains of the authors of these buckets; of `ours` it did not name these.
    pub(super) fn completed(&mut self, now: Mono, buckets: u64, unnamed: impl Iterator<Item = (ChainId, u64)>, word: Word) {
        let first = buckets & !self.known;
        self.known |= buckets;
        for (chain, ours) in unnamed {
            let word = if first & 1 << bucket(&chain.author) == 0 { word } else { Word::Lost };
            self.said(now, chain, ours, 0, word);
        }
    }

    /// Forgets what the peer said of these buckets, since it says it anew.
    pub(super) fn forget(&mut self, buckets: u64) {
        self.ahead.retain(|chain, _| buckets & 1 << bucket(&chain.author) == 0);
    }

    /// The peer has exactly what this node has of the authors of these buckets.
    pub(super) fn level(&mut self, buckets: u64) {
        let of = |chain: &ChainId| buckets & 1 << bucket(&chain.author) != 0;
        self.known |= buckets;
        self.behind.retain(|chain, _| !of(chain));
        self.ahead.retain(|chain, _| !of(chain));
        self.queue.retain(|chain| !of(chain));
    }

    /// An entry came from the peer, which therefore has it.
    pub(super) fn came(&mut self, chain: ChainId, sequence: u64) {
        let known = self.came.entry(chain).or_default();
        *known = sequence.max(*known);
    }

    /// Whether an entry of this chain came from the peer in this turn.
    pub(super) fn brought(&self, chain: &ChainId) -> bool {
        self.came.contains_key(chain)
    }

    /// A turn ends, and this node's heads are `ours`. What came does not tell of the next turn.
    pub(super) fn end_turn(&mut self, now: Mono, ours: &BTreeMap<ChainId, u64>) {
        for (chain, sequence) in std::mem::take(&mut self.came) {
            self.said(now, chain, ours.get(&chain).copied().unwrap_or(0), sequence, Word::More);
        }
    }

    /// The peer wants an author's entries from here, or does not any more.
    pub(super) fn ask(&mut self, author: NodeId, push: bool, ours: &BTreeMap<ChainId, u64>) {
        let of = |chain: &ChainId| chain.author == author;
        if push {
            self.asked.insert(author);
            let unsent = |(chain, behind): (&ChainId, &Behind)| (behind.sent < ours.get(chain).copied().unwrap_or(0)).then_some(*chain);
            self.queue.extend(self.behind.range(first(author)..).take_while(|(chain, _)| of(chain)).filter_map(unsent));
        } else if self.asked.remove(&author) {
            self.queue.retain(|chain| !of(chain));
        }
    }

    /// Whether the peer wants an author's entries from here.
    pub(super) fn is_asked(&self, author: &NodeId) -> bool {
        self.asked.contains(author)
    }

    /// Whether the peer claims to have something of an author that this node lacks.
    pub(super) fn claims(&self, author: &NodeId) -> bool {
        self.ahead.range(first(*author)..).next().is_some_and(|(chain, _)| chain.author == *author)
    }

    /// All chains of which the peer claims to have more, and how far.
    pub(super) const fn ahead(&self) -> &BTreeMap<ChainId, u64> {
        &self.ahead
    }

    /// Forgets claims on chains of an author that mean nothing: what they name is not in force any more, or would
    /// be refused.
    pub(super) fn dismiss_of(&mut self, author: &NodeId, missing: impl Fn(&ChainId, u64) -> bool) {
        let of = self.ahead.range(first(*author)..).take_while(|(chain, _)| chain.author == *author);
        let vain: Vec<ChainId> = of.filter(|(chain, sequence)| !missing(chain, **sequence)).map(|(chain, _)| *chain).collect();
        for chain in vain {
            self.ahead.remove(&chain);
        }
    }

    /// Whether the peer has nothing that is missing here.
    pub(super) fn is_exhausted(&mut self, missing: impl Fn(&ChainId, u64) -> bool) -> bool {
        while let Some(first) = self.ahead.first_entry() {
            if missing(first.key(), *first.get()) {
                return false;
            }
            first.remove();
        }
        true
    }

    /// All chains of which the peer has less, and how far it has them.
    pub(super) fn behind(&self) -> impl Iterator<Item = (&ChainId, u64)> {
        self.behind.iter().map(|(chain, behind)| (chain, behind.stored))
    }

    /// Whether there is something to send.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next batch, of at most so many entries: what is nearly level first, and of both the state before events
    /// before measurements.
    pub(super) fn batch(&mut self, now: Mono, room: u64, known: &Known) -> Vec<Stretch> {
        let mut order: Vec<(bool, Lane, Head)> = Vec::new();
        for chain in &self.queue {
            let Some(head) = (known.head)(chain) else { continue };
            let history = limits::LIVE < head.sequence - self.sent(chain).min(head.sequence);
            order.push((history, chain.lane, head));
        }
        order.sort_unstable_by_key(|(history, lane, head)| (*history, *lane, head.chain));
        self.undo.clear();
        let mut stretches = Vec::new();
        let mut left = room;
        for (_, _, head) in order {
            if left < 2 {
                break;
            }
            let chain = head.chain;
            let sent = self.sent(&chain);
            if sent < head.base {
                match (known.declared)(&chain).filter(|(base, ..)| *base == head.base) {
                    // Where its copy ends before our base, the peer first gets the entry that says so.
                    Some((_, told, sequence)) if self.sent_of(&told, known) < sequence => {
                        stretches.push(Stretch { chain: told, first: sequence, last: sequence });
                        left -= 1;
                    }
                    Some(_) => {}
                    // What was only dropped here it cannot get from here.
                    None => {
                        self.queue.remove(&chain);
                        continue;
                    }
                }
            }
            let begin = sent.max(head.base) + 1;
            let last = head.sequence.min(begin + left - 1);
            if begin <= last {
                left -= last - begin + 1;
                stretches.push(Stretch { chain, first: begin, last });
                self.undo.push((chain, sent));
            }
            if let Some(behind) = self.behind.get_mut(&chain) {
                (behind.sent, behind.at) = (last.max(sent), now);
            }
            if head.sequence <= last {
                self.queue.remove(&chain);
            }
        }
        stretches
    }

    /// The last batch was performed.
    pub(super) fn performed(&mut self) {
        self.undo.clear();
    }

    /// The last batch was not sent.
    pub(super) fn rewind(&mut self) {
        for (chain, sent) in std::mem::take(&mut self.undo) {
            if let Some(behind) = self.behind.get_mut(&chain) {
                behind.sent = sent.max(behind.stored);
                if self.asked.contains(&chain.author) {
                    self.queue.insert(chain);
                }
            }
        }
    }

    fn sent(&self, chain: &ChainId) -> u64 {
        self.behind.get(chain).map_or(0, |behind| behind.sent)
    }

    /// How far the peer was sent a chain, whether it is behind there or not.
    fn sent_of(&self, chain: &ChainId, known: &Known) -> u64 {
        let ours = (known.head)(chain).map_or(0, |head| head.sequence);
        self.behind.get(chain).map_or_else(|| self.stored(chain, ours), |behind| behind.sent)
    }

    fn place(&mut self, chain: ChainId, ours: u64, place: Behind) {
        if ours < place.stored {
            self.behind.remove(&chain);
            self.queue.remove(&chain);
            self.claim(chain, ours, place.stored);
            return;
        }
        self.ahead.remove(&chain);
        if place.stored == ours {
            self.behind.remove(&chain);
            self.queue.remove(&chain);
            return;
        }
        let place = Behind { sent: place.sent.min(ours), ..place };
        self.behind.insert(chain, place);
        if place.sent < ours && self.asked.contains(&chain.author) {
            self.queue.insert(chain);
        } else {
            self.queue.remove(&chain);
        }
    }

    /// Remembers a claim, if there is room: a peer may invent any number of chains.
    fn claim(&mut self, chain: ChainId, ours: u64, sequence: u64) {
        if sequence <= ours {
            return;
        }
        if let Some(known) = self.ahead.get_mut(&chain) {
            *known = sequence.max(*known);
            return;
        }
        let of_author =
            || self.ahead.range(first(chain.author)..).take(limits::CHAINS).take_while(|(known, _)| known.author == chain.author);
        let full = limits::CLAIMS <= self.ahead.len() || (limits::CHAINS <= self.ahead.len() && of_author().count() == limits::CHAINS);
        if !full {
            self.ahead.insert(chain, sequence);
        }
    }
}

/// Before all chains of an author.
pub(super) const fn first(author: NodeId) -> ChainId {
    ChainId { author, incarnation: Incarnation { opened: 0, nonce: [0; 16] }, lane: Lane::State }
}
