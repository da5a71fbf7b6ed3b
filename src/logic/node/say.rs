//! What a node writes of itself: the difference between what it knows and what the journal says.

use std::collections::BTreeSet;

use crate::base::entry::Entry;
use crate::base::fact::{Fact, Inventory, Linked};
use crate::base::id::{Lane, TargetId};
use crate::base::limits;
use crate::base::outcome::Verdict;
use crate::base::time::{Now, Span};
use crate::logic::effect::Effects;
use crate::logic::node::Node;

/// Own state that may differ from what the journal says of it.
#[derive(Debug)]
pub(super) enum Unsaid {
    /// All of it.
    Everything,
    /// These verdicts, and perhaps links.
    Some { targets: BTreeSet<TargetId>, links: bool },
}

impl Unsaid {
    pub(super) const fn nothing() -> Self {
        Self::Some { targets: BTreeSet::new(), links: false }
    }

    pub(super) fn verdict(&mut self, target: &TargetId) {
        if let Self::Some { targets, .. } = self {
            targets.insert(target.clone());
        }
    }

    pub(super) fn link(&mut self) {
        if let Self::Some { links, .. } = self {
            *links = true;
        }
    }
}

impl Node {
    /// Writes what this node says of itself and of targets, where the journal does not say it yet.
    pub(super) fn say(&mut self, now: Now) {
        let unsaid = std::mem::replace(&mut self.unsaid, Unsaid::nothing());
        let (targets, links, inventory) = match unsaid {
            Unsaid::Everything => (self.verdicts.all().map(|(id, _)| id.clone()).collect(), true, true),
            Unsaid::Some { targets, links } => (targets, links, false),
        };
        for id in targets.into_iter().chain(std::mem::take(&mut self.held)).collect::<BTreeSet<TargetId>>() {
            let Some(bench) = self.verdicts.bench(&id) else { continue };
            let said = self.standings.said(&id, &self.me);
            let same = said.is_some_and(|judged| judged.verdict == bench.verdict && judged.since == bench.since.0);
            // Not to know yet is nothing to say; not to know any more is.
            if !same && !self.may_say(now, &id, bench) {
                self.held.insert(id);
            } else if !same && (bench.verdict != Verdict::Unknown || said.is_some()) {
                self.journal.write(Fact::Judged(bench.fact(&id)));
            }
        }
        if links {
            self.say_links(now);
        }
        if inventory {
            let inventory = self.inventory();
            let said = self.reports.of(&self.me).and_then(|report| report.inventory.as_ref());
            if said.is_none_or(|(_, said)| *said != inventory) {
                self.journal.write(Fact::Inventory(inventory));
            }
        }
    }

    fn say_links(&mut self, now: Now) {
        let mut facts = Vec::new();
        for member in self.settings.network.roster.iter().filter(|member| member.node != self.me) {
            let said = self.reports.of(&self.me).and_then(|report| report.links.get(&member.node)).map(|(_, linked)| linked);
            let fact = match (self.mesh.link_to(&member.node), self.mesh.gone(&member.node)) {
                (Some(link), _) => Linked { peer: member.node, up: true, since: link.since.0, detail: link.detail.clone() },
                (None, Some((at, why))) => Linked { peer: member.node, up: false, since: at.0, detail: why.clone() },
                (None, None) => {
                    Linked { peer: member.node, up: false, since: now.wall.0, detail: "not linked since this daemon started".into() }
                }
            };
            // A peer never linked is nothing to say; a link that came and went within one turn is not either.
            let news = said.map_or(fact.up || self.mesh.gone(&member.node).is_some(), |said| said.up != fact.up);
            if news {
                facts.push(Fact::Linked(fact));
            }
        }
        facts.into_iter().for_each(|fact| self.journal.write(fact));
    }

    /// Writes what was measured in the periods that have ended, each on the lane of its length.
    pub(super) fn say_rollups(&mut self, now: Now) {
        for rollup in self.rollups.take(now.wall) {
            let lane = match Span(rollup.length) {
                limits::ROLLUP_DAY => Lane::Days,
                limits::ROLLUP_HOUR => Lane::Hours,
                _ => Lane::Minutes,
            };
            self.journal.write_on(lane, Fact::Rollup(rollup));
        }
    }

    fn inventory(&self) -> Inventory {
        Inventory {
            software: env!("CARGO_PKG_VERSION").into(),
            definition: self.settings.network.definition,
            ways: self.settings.ways.clone(),
            system: self.settings.system.clone(),
            lacks: self.settings.lacks.clone(),
        }
    }

    pub(super) fn flush(&mut self, now: Now, out: &mut Effects) {
        for entry in self.journal.flush(now) {
            self.take_own(now, entry, out);
        }
    }

    /// Seals one fact in an entry of its own.
    pub(super) fn seal(&mut self, now: Now, fact: Fact, out: &mut Effects) -> Entry {
        let lane = fact.lane().unwrap_or(Lane::Events);
        let entry = self.journal.seal(now, lane, vec![fact]);
        self.take_own(now, entry.clone(), out);
        entry
    }

    /// Says on a lane what this version has no kind for, as a later version would: networks of mixed versions are tried with it.
    pub fn foretell(&mut self, now: Now, lane: Lane, fact: Fact, out: &mut Effects) {
        if self.unable().is_none() && self.opening.is_none() {
            let entry = self.journal.seal(now, lane, vec![fact]);
            self.take_own(now, entry, out);
        }
    }

    /// Own entries are stored and folded like everybody's.
    pub(super) fn take_own(&mut self, now: Now, entry: Entry, out: &mut Effects) {
        self.fold(now.mono, true, &entry);
        out.append.push(entry.clone().into());
        self.declare(now, &entry, out);
        if let Some(head) = self.journal.get(&entry.header.chain) {
            self.moved.insert(head.chain, *head);
        }
        self.changed = true;
    }
}
