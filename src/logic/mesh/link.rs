//! One link: what is to be said over it, and when.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, EntryHash, Lane, LinkId, NodeId};
use crate::base::limits;
use crate::base::rng::Rng;
use crate::base::time::{Mono, Now, Span, Wall};
use crate::base::wire::{Digest, Head, Heads, Message, bucket};
use crate::logic::effect::{Effect, Effects};

use super::cursor::Cursors;
use super::{Known, prefer};

/// One link.
#[derive(Debug)]
pub struct Link {
    /// Who is at the other end.
    pub peer: NodeId,
    /// Over which address it came, or where it came from.
    pub detail: String,
    /// When it came.
    pub since: Wall,
    /// The last round trip in microseconds.
    pub time: Option<u32>,
    /// By how much the peer's wall clock is ahead, in milliseconds.
    pub offset: Option<i64>,
    /// Bytes sent and received, as last counted.
    pub bytes: (u64, u64),
    pub(super) dialled: bool,
    pub(super) began: Mono,
    pub(super) cursors: Cursors,
    /// What the peer is to be shown beside that, so that both can find where a chain forked.
    pub(super) shows: Vec<Stretch>,
    /// When an entry last came that was news.
    pub(super) delivered: Mono,
    /// Authors that this node wants from the peer from now on, or does not any more; to be said.
    pub(super) wishes: BTreeMap<NodeId, bool>,
    /// What was said of that in the last turn, which may still be undone.
    wished: Vec<NodeId>,
    /// Heads that the peer was not told of as they are now.
    pub(super) untold: BTreeSet<ChainId>,
    /// Which the peer is to be told, and when; and when the first.
    announce: BTreeMap<ChainId, Mono>,
    announce_due: Option<Mono>,
    /// Entries that came without the one before: how far each chain was known then.
    gaps: BTreeMap<ChainId, u64>,
    gap_due: Option<Mono>,
    /// Buckets of authors whose heads the peer was told since the last digest.
    pub(super) told: u64,
    pub(super) digest_due: Mono,
    pub(super) digest_said: Mono,
    /// A batch is under way since then.
    streaming: Option<Mono>,
    /// It was asked for in the last turn, which may still be undone.
    begun: bool,
    room: u64,
}

/// When a peer is told that a head moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// At once.
    Now,
    /// In a while.
    Later,
    /// In a while, if it is one of the few by chance: it gets the entry from its author, and only must hear of it from
    /// somebody if that fails.
    Perhaps,
    /// It has the entry, or it is sent the entry itself.
    Never,
}

impl Link {
    pub(super) const fn new(now: Now, peer: NodeId, detail: String, dialled: bool) -> Self {
        Self {
            peer,
            detail,
            since: now.wall,
            time: None,
            offset: None,
            bytes: (0, 0),
            dialled,
            began: now.mono,
            cursors: Cursors::new(),
            shows: Vec::new(),
            delivered: now.mono,
            wishes: BTreeMap::new(),
            wished: Vec::new(),
            untold: BTreeSet::new(),
            announce: BTreeMap::new(),
            announce_due: None,
            gaps: BTreeMap::new(),
            gap_due: None,
            told: 0,
            digest_due: now.mono,
            digest_said: now.mono,
            streaming: None,
            begun: false,
            room: limits::BATCH.1,
        }
    }

    /// How long the peer is given to deliver what it was asked for.
    pub(super) fn patience(&self) -> Span {
        let (least, middle, most) = limits::source::STALL;
        let trip = |trips: u64, time: u32| Span(u64::from(time) * trips / 1000);
        self.time.map_or(middle, |time| trip(3, time).clamp(least, most.max(trip(2, time))))
    }

    /// By how much another link must be faster to be asked instead.
    pub(super) fn margin(&self) -> Span {
        limits::source::RIVAL.0.max(self.time.map_or(Span::ZERO, |time| Span(u64::from(time) / 4000)))
    }

    /// When the peer is to be told that a head moved.
    pub(super) fn tells(&self, head: &Head, known: &Known) -> Telling {
        let author = &head.chain.author;
        if !self.cursors.knows(author) {
            return Telling::Now;
        }
        if head.sequence <= self.cursors.stored(&head.chain, head.sequence) {
            // An author waits for the word that others hold its events; nobody else does.
            return match (*author == self.peer, head.chain.lane) {
                (false, _) => Telling::Never,
                (true, Lane::Events) => Telling::Now,
                (true, _) => Telling::Later,
            };
        }
        if self.cursors.is_asked(author) {
            Telling::Never
        } else if (known.linked)(author, &self.peer) {
            Telling::Perhaps
        } else {
            Telling::Now
        }
    }

    /// Says what this node has in short.
    pub(super) fn say_digest(&mut self, now: Mono, id: LinkId, known: &Known, out: &mut Effects) {
        self.digest_due = now + limits::DIGEST;
        self.digest_said = now;
        self.told = 0;
        self.untold = self.announce.keys().copied().collect();
        let digest = Digest::of((known.heads)().iter(), known.proofs);
        out.then(Effect::Send { link: id, message: Message::Digest(Box::new(digest)) });
    }

    /// Says all heads of the authors of these buckets, in as many messages as they need.
    pub(super) fn say(&mut self, id: LinkId, heads: &[Head], buckets: u64, again: bool, out: &mut Effects) {
        self.told |= buckets;
        let in_buckets = |chain: &ChainId| buckets & 1 << bucket(&chain.author) != 0;
        self.untold.retain(|chain| !in_buckets(chain));
        self.announce.retain(|chain, _| !in_buckets(chain));
        let mut message = Heads { complete: 0, again, heads: Vec::new() };
        for place in (0..u64::BITS as usize).filter(|place| buckets & 1 << place != 0) {
            let mut of: Vec<Head> = heads.iter().filter(|head| bucket(&head.chain.author) == place).copied().collect();
            if limits::HEADS < message.heads.len() + of.len() {
                send(id, std::mem::replace(&mut message, Heads { complete: 0, again, heads: Vec::new() }), out);
            }
            // Nobody has so many chains in one bucket unless somebody made them up.
            let rest = of.split_off(of.len().min(limits::HEADS));
            message.complete |= 1 << place;
            message.heads.extend(of);
            for heads in rest.chunks(limits::HEADS) {
                send(id, std::mem::replace(&mut message, Heads { complete: 0, again: false, heads: heads.to_vec() }), out);
            }
        }
        if message.complete != 0 || !message.heads.is_empty() {
            send(id, message, out);
        }
    }

    /// A head moved that the peer may not know of. It is told at this time, if at all.
    pub(super) fn untell(&mut self, chain: ChainId, at: Option<Mono>) {
        if at.is_none() && (self.cursors.is_asked(&chain.author) || self.cursors.brought(&chain)) {
            // The entry itself says so, or the peer sent it.
            return;
        }
        self.untold.insert(chain);
        if let Some(at) = at {
            let due = self.announce.entry(chain).or_insert(at);
            *due = at.min(*due);
            self.announce_due = Some(self.announce_due.map_or(at, |due| due.min(at)));
        }
    }

    /// An entry came of which the predecessor is missing. Unless it comes meanwhile, the peer is told.
    pub(super) fn gap(&mut self, now: Mono, chain: ChainId, ours: u64) {
        if self.gaps.len() < limits::NAMED {
            self.gaps.entry(chain).or_insert(ours);
        }
        self.gap_due.get_or_insert(now + limits::GAP);
    }

    /// Says what is to be said by now.
    pub(super) fn flush(&mut self, now: Mono, id: LinkId, rng: &mut Rng, known: &Known, out: &mut Effects) {
        if self.digest_due <= now {
            self.say_digest(now, id, known, out);
            // Both ends say theirs, and not all links at once.
            self.digest_due = self.digest_due + Span(rng.below(limits::DIGEST.0 / 4));
        }
        if self.announce_due.is_some_and(|due| due <= now) {
            let due: Vec<ChainId> = self.announce.iter().filter(|(_, due)| **due <= now).map(|(chain, _)| *chain).collect();
            self.announce.retain(|_, due| now < *due);
            self.announce_due = self.announce.values().min().copied();
            let wanted = |chain: &ChainId| {
                let head = (known.head)(chain)?;
                let lacks = self.cursors.stored(chain, head.sequence) < head.sequence && !self.cursors.is_asked(&chain.author);
                (lacks || !self.cursors.knows(&chain.author) || chain.author == self.peer).then_some(head)
            };
            let heads: Vec<Head> = due.iter().filter_map(wanted).collect();
            self.tell(id, &heads, out);
        }
        self.answer_gaps(now, id, known, out);
        if !self.wishes.is_empty() {
            self.wish(id, known, out);
        }
    }

    /// Says what this node wants from the peer. Before it says how far it has that, so that the peer sends what is missing
    /// and nothing else.
    fn wish(&mut self, id: LinkId, known: &Known, out: &mut Effects) {
        let wishes = std::mem::take(&mut self.wishes);
        self.wished.extend(wishes.keys());
        let untold = self.untold.iter().filter(|chain| wishes.get(&chain.author) == Some(&true));
        let heads: Vec<Head> = untold.filter_map(|chain| (known.head)(chain)).collect();
        self.tell(id, &heads, out);
        for push in [false, true] {
            let authors: Vec<NodeId> = wishes.iter().filter(|(_, wish)| **wish == push).map(|(author, _)| *author).collect();
            prefer(id, push, authors, out);
        }
    }

    fn answer_gaps(&mut self, now: Mono, id: LinkId, known: &Known, out: &mut Effects) {
        if self.gap_due.is_none_or(|due| now < due) {
            return;
        }
        self.gap_due = None;
        let none = |chain| Head { chain, sequence: 0, hash: EntryHash([0; 32]), base: 0 };
        let mut heads = Vec::new();
        for (chain, before) in std::mem::take(&mut self.gaps) {
            let head = (known.head)(&chain).unwrap_or_else(|| none(chain));
            // What was missing may have come meanwhile.
            if head.sequence <= before {
                heads.push(head);
            }
        }
        if !heads.is_empty() {
            send(id, Heads { complete: 0, again: true, heads }, out);
        }
    }

    fn tell(&mut self, id: LinkId, heads: &[Head], out: &mut Effects) {
        for heads in heads.chunks(limits::HEADS) {
            send(id, Heads { complete: 0, again: false, heads: heads.to_vec() }, out);
        }
        for head in heads {
            self.untold.remove(&head.chain);
            self.announce.remove(&head.chain);
        }
    }

    /// What to send next, if nothing is under way.
    pub(super) fn next_batch(&mut self, now: Mono, known: &Known) -> Option<Vec<Stretch>> {
        if self.streaming.is_some() || (self.shows.is_empty() && !self.cursors.is_waiting()) {
            return None;
        }
        let shows = std::mem::take(&mut self.shows);
        let stretches = if shows.is_empty() { self.cursors.batch(now, self.room, known) } else { shows };
        if stretches.is_empty() {
            return None;
        }
        self.streaming = Some(now);
        self.begun = true;
        Some(stretches)
    }

    /// The socket has taken the last batch. On a slow line the next is smaller.
    pub(super) fn drained(&mut self, now: Mono) {
        let Some(since) = self.streaming.take() else { return };
        let took = now.since(since);
        if took <= limits::BATCH_QUICK {
            self.room = (self.room * 2).min(limits::BATCH.2);
        } else if limits::BATCH_SLOW < took {
            self.room = (self.room / 2).max(limits::BATCH.0);
        }
    }

    /// The last turn was performed.
    pub(super) fn performed(&mut self) {
        self.begun = false;
        self.wished.clear();
        self.cursors.performed();
    }

    /// Nothing of the last turn was performed. The authors of whom it was said whether they are wanted.
    pub(super) fn rewind(&mut self) -> Vec<NodeId> {
        if std::mem::take(&mut self.begun) {
            self.streaming = None;
        }
        self.cursors.rewind();
        std::mem::take(&mut self.wished)
    }

    pub(super) fn deadline(&self) -> Mono {
        [self.announce_due, self.gap_due].into_iter().flatten().fold(self.digest_due, Mono::min)
    }
}

fn send(link: LinkId, heads: Heads, out: &mut Effects) {
    if heads.complete != 0 || !heads.heads.is_empty() {
        out.then(Effect::Send { link, message: Message::Heads(heads) });
    }
}
