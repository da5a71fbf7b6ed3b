//! What peers say of what they have and want, and how heads are compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{ChainId, LinkId, NodeId};
use crate::base::limits;
use crate::base::time::{Mono, Now, Span};
use crate::base::wire::{Digest, Head, Heads, Prefer, bucket};
use crate::logic::effect::Effects;

use super::cursor::Word;
use super::link::Telling;
use super::{Known, Mesh};

impl Mesh {
    /// The peer said its heads and proofs in short. Where they differ it is told ours. True if the proofs differ.
    pub fn digest(&mut self, now: Now, id: LinkId, digest: &Digest, known: &Known, out: &mut Effects) -> bool {
        self.catch_up_with(now.mono, known);
        let Some(link) = self.links.get_mut(&id) else { return false };
        let heads = (known.heads)();
        let differs = Digest::of(heads.iter(), known.proofs).differs(digest);
        link.cursors.level(!differs);
        // The peer learns what is equal from this node's own digest, and what differs from its heads.
        if limits::DIGEST / 2 < now.mono.since(link.digest_said) {
            link.say_digest(now.mono, id, known, out);
        }
        let unsaid = differs & !link.told;
        link.say(id, &heads, unsaid, false, out);
        digest.proofs != known.proofs
    }

    /// The peer said its heads.
    pub fn heads(&mut self, now: Now, id: LinkId, heads: &Heads, known: &Known, out: &mut Effects) {
        self.catch_up_with(now.mono, known);
        let Some(link) = self.links.get_mut(&id) else { return };
        let word = match (heads.again, heads.complete) {
            (true, _) => Word::Lost,
            (false, 0) => Word::More,
            (false, _) => Word::Exact,
        };
        let first = |author: &NodeId| !link.cursors.knows(author);
        let fresh: u64 = heads.heads.iter().map(|head| head.chain.author).filter(first).fold(0, |bits, author| bits | 1 << bucket(&author));
        let named: BTreeSet<ChainId> = heads.heads.iter().map(|head| head.chain).collect();
        let in_buckets = |chain: &ChainId| heads.complete & 1 << bucket(&chain.author) != 0;
        link.cursors.forget(heads.complete);
        // Most messages say a head or two and are complete for nobody: then there is no need to look at all chains.
        if heads.complete != 0 {
            let unnamed = self.ours.iter().filter(|(chain, _)| in_buckets(chain) && !named.contains(*chain));
            link.cursors.completed(now.mono, heads.complete, unnamed.map(|(chain, ours)| (*chain, *ours)), word);
        }
        let mut authors = BTreeSet::new();
        for head in heads.heads.iter().filter(|head| self.authors.contains(&head.chain.author)) {
            let ours = self.ours.get(&head.chain).copied().unwrap_or(0);
            let word = if fresh & heads.complete & 1 << bucket(&head.chain.author) == 0 { word } else { Word::Lost };
            link.cursors.said(now.mono, head.chain, ours, head.sequence, word);
            if ours < head.sequence && !(known.has)(&head.chain, head.sequence) {
                authors.insert(head.chain.author);
            }
        }
        // What this node has it may never have said, since it saw no difference.
        let unsaid = heads.complete & !link.told;
        if unsaid != 0 {
            link.say(id, &(known.heads)(), unsaid, false, out);
        }
        for author in authors {
            self.claimed(now.mono, id, author);
        }
    }

    /// The peer wants entries from here, or does not any more.
    pub fn prefer(&mut self, now: Now, id: LinkId, prefer: &Prefer, known: &Known) {
        self.catch_up_with(now.mono, known);
        let Some(link) = self.links.get_mut(&id) else { return };
        for author in prefer.authors.iter().filter(|author| self.authors.contains(*author)) {
            link.cursors.ask(*author, prefer.push, &self.ours);
        }
    }

    /// The peer sent this entry, so it has it.
    pub fn has(&mut self, id: LinkId, chain: ChainId, sequence: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.cursors.came(chain, sequence);
        }
    }

    /// The peer sent an entry without the one before it. If that does not come soon, it is told.
    pub fn gap(&mut self, now: Now, id: LinkId, chain: ChainId) {
        let ours = self.ours.get(&chain).copied().unwrap_or(0);
        if let Some(link) = self.links.get_mut(&id) {
            link.gap(now.mono, chain, ours);
        }
    }

    /// A heartbeat of an author came over a link, and was news or not. It tells from where the author's entries would come.
    pub fn beat(&mut self, now: Now, id: LinkId, author: &NodeId, news: bool) {
        if self.links.contains_key(&id) && self.members.contains(author) && self.sources.get(*author).beat(id, news) {
            self.switch(now.mono, *author, Some(id));
        }
    }

    /// Over which links a heartbeat that came over one is passed on: where its author is not heard without this node,
    /// as far as that is known. In a large network only to who gets the author's entries from here, and to one more:
    /// so everybody hears it on two ways.
    pub fn relays(&mut self, now: Now, from: LinkId, author: &NodeId, known: &Known) -> Vec<LinkId> {
        if !self.members.contains(author) || !self.sources.get(*author).passes(now.mono) {
            return Vec::new();
        }
        let hears = |peer: &NodeId| peer == author || (known.linked)(author, peer);
        let others = self.links.iter().filter(|(id, link)| **id != from && !hears(&link.peer));
        if !self.dials.is_large() {
            return others.map(|(id, _)| *id).collect();
        }
        let (mut chosen, mut rest) = (Vec::new(), Vec::new());
        for (id, link) in others {
            if link.cursors.is_asked(author) { chosen.push(*id) } else { rest.push(*id) }
        }
        if !rest.is_empty() {
            chosen.push(rest[usize::try_from(self.rng.below(rest.len() as u64)).unwrap_or(0)]);
        }
        chosen
    }

    /// A link begins with a digest both ways.
    pub(super) fn greet(&mut self, now: Mono, id: LinkId, known: &Known, out: &mut Effects) {
        if let Some(link) = self.links.get_mut(&id) {
            link.say_digest(now, id, known, out);
            link.digest_due = link.digest_due + Span(self.rng.below(limits::DIGEST.0 / 4));
        }
    }

    /// Compares this node's heads with what they were at the last turn, where they may have changed without a word.
    pub(super) fn compare(&mut self, now: Mono, known: &Known) {
        let heads: BTreeMap<ChainId, u64> = (known.heads)().iter().map(|head| (head.chain, head.sequence)).collect();
        let before = std::mem::replace(&mut self.ours, heads);
        let gone = before.iter().filter(|(chain, _)| !self.ours.contains_key(*chain)).map(|(chain, old)| (*chain, *old, 0));
        let moved = self.ours.iter().map(|(chain, new)| (*chain, before.get(chain).copied().unwrap_or(0), *new));
        let changes: Vec<(ChainId, u64, u64)> = gone.chain(moved.filter(|(_, old, new)| old != new)).collect();
        for (chain, old, new) in changes {
            for link in self.links.values_mut() {
                link.cursors.shift(&chain, old, new);
                if old < new {
                    link.untell(chain, Some(now));
                }
            }
        }
    }

    /// Heads are compared before the first turn, or after a cut.
    fn catch_up_with(&mut self, now: Mono, known: &Known) {
        if std::mem::take(&mut self.stale) {
            self.compare(now, known);
        }
    }

    /// One of this node's heads moved: cursors follow, and peers are told who may not know.
    pub(super) fn advance(&mut self, now: Mono, head: &Head, known: &Known) {
        let chain = head.chain;
        let old = self.ours.insert(chain, head.sequence).unwrap_or(0);
        if old == head.sequence {
            return;
        }
        let mut perhaps = Vec::new();
        for (id, link) in &mut self.links {
            link.cursors.shift(&chain, old, head.sequence);
            let at = match link.tells(head, known) {
                Telling::Now => Some(now),
                Telling::Later => Some(now + Span(self.rng.below(limits::ANNOUNCE.0))),
                Telling::Perhaps => {
                    perhaps.push(*id);
                    None
                }
                Telling::Never => None,
            };
            link.untell(chain, at);
        }
        for _ in 0..limits::ANNOUNCED.min(perhaps.len()) {
            let id = perhaps.swap_remove(usize::try_from(self.rng.below(perhaps.len() as u64)).unwrap_or(0));
            if let Some(link) = self.links.get_mut(&id) {
                link.untell(chain, Some(now + Span(self.rng.below(limits::ANNOUNCE.0))));
            }
        }
    }
}
