//! Choosing the sources: from whom this node wants each author's entries.
//!
//! The link to the author itself is the natural source, else the link that was first to say that it has something
//! that is lacking here. A source that goes is replaced at once; one that does not deliver what others say to
//! have is replaced after a while, and not asked again for a longer one. Somebody who says to have what does not exist
//! is so asked more and more rarely, and never keeps this node from asking others.

use crate::base::id::{LinkId, NodeId};
use crate::base::limits;
use crate::base::time::{Mono, Span};
use crate::base::wire::Head;

use super::{Known, Mesh};

impl Mesh {
    /// A link says to have something of an author that is lacking here.
    pub(super) fn claimed(&mut self, now: Mono, id: LinkId, author: NodeId) {
        let source = self.sources.get(author);
        source.miss(now, id);
        match source.link {
            None => {
                let choice = self.choose(now, &author).unwrap_or(id);
                self.switch(now, author, Some(choice));
                // It may never deliver, and nobody may say again what it has.
                let patience = self.patience(choice);
                self.sources.arm(author, now + patience);
            }
            Some(link) => {
                let patience = self.patience(link);
                self.sources.arm(author, now + patience);
            }
        }
    }

    /// The link to an author came: it is the author's natural source, unless another is delivering just now.
    pub(super) fn adopt(&mut self, now: Mono, author: NodeId, id: LinkId) {
        let source = self.sources.get(author);
        if source.link.is_none() || source.since.is_none() {
            self.switch(now, author, Some(id));
        }
    }

    /// A link went: whoever came over it is wanted from others at once.
    pub(super) fn unsource(&mut self, now: Mono, id: LinkId) {
        for author in self.sources.lost(id) {
            // Nobody is asked for this node's own entries unless it lost some.
            let choice = if author == self.me { None } else { self.choose(now, &author) };
            self.switch(now, author, choice);
        }
    }

    /// Ends a turn in which these heads moved.
    pub(super) fn supply(&mut self, now: Mono, changed: &[Head], known: &Known) {
        for heads in changed.chunk_by(|a, b| a.chain.author == b.chain.author) {
            self.fed(now, heads);
        }
        while self.taking
            && let Some(author) = self.sources.due(now)
        {
            self.look_after(now, author, known);
        }
    }

    /// Entries of one author were taken, or written if it is this node.
    fn fed(&mut self, now: Mono, heads: &[Head]) {
        let Some(author) = heads.first().map(|head| head.chain.author) else { return };
        let mut brought = Vec::new();
        for (id, link) in &mut self.links {
            if heads.iter().any(|head| link.cursors.brought(&head.chain)) {
                link.delivered = now;
                brought.push(*id);
            }
        }
        let Some(&first) = brought.first() else { return };
        let source = self.sources.get(author);
        match source.link {
            None => self.switch(now, author, Some(first)),
            Some(link) if brought.contains(&link) => source.feed(now),
            Some(_) => {}
        }
        if self.claimants(now, &author).is_empty() {
            self.settle(now, author);
        }
    }

    /// Links that say to have something of an author that is lacking here, and were not asked for it in vain.
    fn claimants(&mut self, now: Mono, author: &NodeId) -> Vec<LinkId> {
        let source = self.sources.get(*author);
        let claims = |(id, link): &(&LinkId, &super::Link)| link.cursors.claims(author) && !source.has_failed(now, **id);
        self.links.iter().filter(claims).map(|(id, _)| *id).collect()
    }

    /// Nothing of an author is lacking any more: the moment for another source, since nothing is under way.
    fn settle(&mut self, now: Mono, author: NodeId) {
        self.sources.disarm(&author);
        let current = self.sources.link(&author);
        let gain = current.and_then(|id| self.links.get(&id)).map_or(Span::ZERO, super::Link::margin);
        let rival = self.sources.get(author).settle(now, gain);
        let natural = self.peers.get(&author).copied().filter(|id| !self.sources.get(author).has_failed(now, *id));
        let better = natural.or_else(|| rival.filter(|id| self.links.contains_key(id)));
        if better.is_some() && better != current {
            self.switch(now, author, better);
        }
    }

    /// Something of an author is lacking: is the source still the right one?
    fn look_after(&mut self, now: Mono, author: NodeId, known: &Known) {
        for link in self.links.values_mut() {
            link.cursors.dismiss_of(&author, |chain, sequence| !(known.has)(chain, sequence));
        }
        let claimants = self.claimants(now, &author);
        let source = self.sources.get(author);
        let Some(&claimant) = claimants.first() else {
            source.since = None;
            if let Some(again) = source.forgives(now) {
                self.sources.arm(author, again);
            }
            return;
        };
        source.miss(now, claimant);
        let Some((id, link)) = source.link.and_then(|id| Some((id, self.links.get(&id)?))) else {
            let choice = self.choose(now, &author);
            self.switch(now, author, choice);
            return;
        };
        let source = self.sources.get(author);
        let first = source.since.map(|(_, first)| first);
        let others = claimants.into_iter().filter(|other| *other != id);
        let other = others.min_by_key(|id| (Some(*id) != first, self.links.get(id).and_then(|link| link.time), *id));
        let since = source.since.map_or(now, |(at, _)| at).max(source.fed);
        // If nobody else says to have it, it may be worth waiting for.
        let only = !self.links.iter().any(|(other, link)| *other != id && link.cursors.claims(&author));
        let patience = if only { link.patience().max(source.patience(id)) } else { link.patience() };
        // What a busy link delivers of others may stand before it.
        let due = (since + patience).max((link.delivered + patience).min(since + patience * limits::source::STALL_BUSY));
        if now < due {
            self.sources.arm(author, due);
            return;
        }
        // Who was asked instead of another and had nothing either: the other may not have been at fault.
        let other = other.or(source.before().filter(|before| self.links.contains_key(before)));
        if let Some(other) = other {
            source.fail(now);
            self.switch(now, author, Some(other));
            let patience = self.patience(other);
            self.sources.arm(author, now + patience);
        }
    }

    fn patience(&self, id: LinkId) -> Span {
        self.links.get(&id).map_or(Span::ZERO, super::Link::patience)
    }

    /// The best link for an author's entries: to itself; else one that says to have more; else one that does not get them
    /// from here.
    fn choose(&mut self, now: Mono, author: &NodeId) -> Option<LinkId> {
        let source = self.sources.get(*author);
        let rank = |(id, link): (&LinkId, &super::Link)| {
            let failed = source.has_failed(now, *id);
            let own = link.peer == *author;
            let first = source.since.is_some_and(|(_, first)| first == *id);
            (failed, !own, !first, !link.cursors.claims(author), link.cursors.is_asked(author), link.time, *id)
        };
        self.links.iter().min_by_key(|link| rank(*link)).map(|(id, _)| *id)
    }

    /// Another link is the source from now on; both peers are told at the end of the turn.
    pub(super) fn switch(&mut self, now: Mono, author: NodeId, to: Option<LinkId>) {
        let from = self.sources.get(author).choose(now, to);
        if from == to {
            return;
        }
        for (id, push) in [(from, false), (to, true)] {
            if let Some(link) = id.and_then(|id| self.links.get_mut(&id)) {
                link.wishes.insert(author, push);
            }
        }
    }
}
