//! Over which link each author's entries are to come.
//!
//! For each author one link is the source; over all others only heads are said. Here is kept which one, since when
//! something is missing that others have, and which links were asked in vain. So each entry comes once, over a tree
//! that grew from who was first. Links themselves are not known here: `mesh` decides with both.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{LinkId, NodeId};
use crate::base::limits;
use crate::base::time::{Mono, Span};

/// The sources of all authors.
#[derive(Debug, Default)]
pub(super) struct Sources {
    of: BTreeMap<NodeId, Source>,
    alarms: BTreeSet<(Mono, NodeId)>,
}

/// The source of one author.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The link that is asked for its entries.
    pub(super) link: Option<LinkId>,
    /// When that was chosen, or last brought an entry of the author.
    pub(super) fed: Mono,
    /// Since when some link says to have more, and which said so first.
    pub(super) since: Option<(Mono, LinkId)>,
    /// Heartbeats in a row that were news and did not come from there.
    missed: u8,
    /// A link that would have been faster, and how often in a row.
    rival: Option<(LinkId, u8)>,
    failed: Vec<Failed>,
    /// Instead of which link the present one was chosen, until it delivers.
    before: Option<LinkId>,
    alarm: Option<Mono>,
    /// When a heartbeat of the author was last passed on.
    passed: Option<Mono>,
}

/// A link that was asked for an author in vain.
#[derive(Debug)]
struct Failed {
    link: LinkId,
    until: Mono,
    pause: Span,
}

impl Sources {
    pub(super) fn get(&mut self, author: NodeId) -> &mut Source {
        self.of.entry(author).or_default()
    }

    /// The link that is asked for an author's entries.
    pub(super) fn link(&self, author: &NodeId) -> Option<LinkId> {
        self.of.get(author).and_then(|source| source.link)
    }

    /// Forgets who is not a member any more.
    pub(super) fn retain(&mut self, member: impl Fn(&NodeId) -> bool) {
        self.of.retain(|author, _| member(author));
        self.alarms.retain(|(_, author)| member(author));
    }

    /// Authors whose entries were to come over a link that is gone, and everything else that hung on it.
    pub(super) fn lost(&mut self, link: LinkId) -> Vec<NodeId> {
        let mut orphans = Vec::new();
        for (author, source) in &mut self.of {
            source.failed.retain(|failed| failed.link != link);
            source.since.take_if(|(_, first)| *first == link);
            source.rival.take_if(|(rival, _)| *rival == link);
            source.before.take_if(|before| *before == link);
            if source.link == Some(link) {
                source.link = None;
                orphans.push(*author);
            }
        }
        orphans
    }

    /// Looks at an author again at this time, unless it is looked at earlier.
    pub(super) fn arm(&mut self, author: NodeId, at: Mono) {
        let source = self.of.entry(author).or_default();
        if source.alarm.is_some_and(|armed| armed <= at) {
            return;
        }
        if let Some(armed) = source.alarm.replace(at) {
            self.alarms.remove(&(armed, author));
        }
        self.alarms.insert((at, author));
    }

    /// Does not look at an author again by itself.
    pub(super) fn disarm(&mut self, author: &NodeId) {
        if let Some(armed) = self.of.get_mut(author).and_then(|source| source.alarm.take()) {
            self.alarms.remove(&(armed, *author));
        }
    }

    /// The next author that is to be looked at by now.
    pub(super) fn due(&mut self, now: Mono) -> Option<NodeId> {
        let (at, author) = self.alarms.first().copied().filter(|(at, _)| *at <= now)?;
        self.alarms.remove(&(at, author));
        if let Some(source) = self.of.get_mut(&author) {
            source.alarm = None;
        }
        Some(author)
    }

    /// When somebody is to be looked at next.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.alarms.first().map(|(at, _)| *at)
    }
}

impl Source {
    /// Whether a link was asked in vain and is not to be asked again yet.
    pub(super) fn has_failed(&self, now: Mono, link: LinkId) -> bool {
        self.failed.iter().any(|failed| failed.link == link && now < failed.until)
    }

    /// When the next link may be asked again that was asked in vain.
    pub(super) fn forgives(&self, now: Mono) -> Option<Mono> {
        self.failed.iter().map(|failed| failed.until).filter(|until| now < *until).min()
    }

    /// How much longer than usual a link is waited for that was asked in vain before: perhaps its disk is slow.
    pub(super) fn patience(&self, link: LinkId) -> Span {
        let before = self.failed.iter().find(|failed| failed.link == link);
        before.map_or(Span::ZERO, |failed| (failed.pause / 2).min(limits::source::STALL_AGAIN))
    }

    /// A link says to have something that is lacking here.
    pub(super) fn miss(&mut self, now: Mono, id: LinkId) {
        if self.since.is_none_or(|(_, first)| self.has_failed(now, first)) {
            self.since = Some((now, id));
        }
    }

    /// Instead of which link the source was chosen, if it has not delivered since.
    pub(super) const fn before(&self) -> Option<LinkId> {
        self.before
    }

    /// The source was asked in vain. If it was chosen instead of another, that one is given another chance: perhaps nobody
    /// has what the source said to have.
    pub(super) fn fail(&mut self, now: Mono) {
        let Some(link) = self.link else { return };
        if let Some(before) = self.before.take() {
            self.failed.retain(|failed| failed.link != before);
        } else {
            self.before = Some(link);
        }
        let before = self.failed.iter().position(|failed| failed.link == link).map(|place| self.failed.remove(place));
        let pause = before.map_or(limits::source::STALL_FIRST, |failed| (failed.pause * 2).min(limits::source::STALL_MOST));
        self.failed.push(Failed { link, until: now + pause, pause });
    }

    /// The source brought an entry.
    pub(super) fn feed(&mut self, now: Mono) {
        self.fed = now;
        self.missed = 0;
        self.before = None;
        let link = self.link;
        self.failed.retain(|failed| Some(failed.link) != link);
    }

    /// Everything came that anybody said to have. The link that would have brought it earlier, if that was so again and
    /// again: by at least `gain`.
    pub(super) fn settle(&mut self, now: Mono, gain: Span) -> Option<LinkId> {
        let early = self.since.take().filter(|(at, first)| Some(*first) != self.link && gain <= now.since(*at)).map(|(_, first)| first);
        self.rival = early.map(|link| match self.rival {
            Some((rival, times)) if rival == link => (link, times.saturating_add(1)),
            _ => (link, 1),
        });
        self.rival.filter(|(_, times)| limits::source::RIVAL.1 <= *times).map(|(link, _)| link)
    }

    /// A heartbeat of the author came over a link, and was news or not. Whether the source should be another.
    pub(super) fn beat(&mut self, link: LinkId, news: bool) -> bool {
        if self.link == Some(link) {
            self.missed = 0;
        } else if news {
            self.missed = self.missed.saturating_add(1);
        }
        news && (self.link.is_none() || limits::BEATS_MISSED < self.missed)
    }

    /// Whether a heartbeat of the author is to be passed on now, and not for a while after.
    pub(super) fn passes(&mut self, now: Mono) -> bool {
        let passes = self.passed.is_none_or(|passed| limits::BEAT_LEAST <= now.since(passed));
        if passes {
            self.passed = Some(now);
        }
        passes
    }

    /// Another link is asked from now on.
    pub(super) fn choose(&mut self, now: Mono, link: Option<LinkId>) -> Option<LinkId> {
        (self.fed, self.missed, self.rival) = (now, 0, None);
        std::mem::replace(&mut self.link, link)
    }
}
