//! From entries to what the journal says: every fold, in one place.

use std::fmt::Write as _;

use crate::base::entry::Entry;
use crate::base::fact::Fact;
use crate::base::time::{Mono, Now};
use crate::logic::incident::Said;
use crate::logic::intent::{Intents, Source};
use crate::logic::journal::Journal;
use crate::logic::node::Node;
use crate::logic::report::Reports;
use crate::logic::standing::Standings;

impl Node {
    /// Reads everything again: all folds begin empty.
    pub(super) fn recall(&mut self, now: Now, entries: impl Iterator<Item = Entry>) {
        self.journal = Journal::new(self.settings.network.network, self.settings.key.clone());
        self.standings = Standings::default();
        self.reports = Reports::default();
        let incidents = std::mem::take(&mut self.incidents);
        let intents = std::mem::replace(&mut self.intents, Intents::new(self.me, self.settings.network.lease));
        for entry in entries {
            self.journal.restore(&entry);
            self.fold(now.mono, false, &entry);
        }
        self.incidents.resume(incidents);
        self.intents.resume(intents, |ballot| self.errands.contains_key(ballot));
        let said: Vec<_> = self.standings.all_said(self.me).filter(|judged| self.targets.contains_key(&judged.target)).cloned().collect();
        for judged in said {
            // What this run has found out for itself is newer than what the journal says.
            if self.verdicts.bench(&judged.target).is_none() {
                self.verdicts.restore(&judged);
            }
        }
        self.dirty = self.order.iter().cloned().collect();
        self.shown.clear();
        self.wanted_of = None;
    }

    /// Takes what one entry says, which is news if it does not come from the store. Nothing that an
    /// observer or a stranger writes is believed.
    pub(super) fn fold(&mut self, now: Mono, news: bool, entry: &Entry) {
        let header = &entry.header;
        let (author, incarnation) = (header.chain.author, header.chain.incarnation);
        if !self.settings.network.member(&author).is_some_and(|member| member.role.votes()) {
            return;
        }
        let said = Said { lamport: header.lamport, author, wall: header.wall };
        // A fact in a lane where it does not belong has no place in the order of its kind.
        let at_home = |fact: &&Fact| fact.lane().is_none_or(|lane| lane == header.chain.lane) || matches!(fact, Fact::Rollup(_));
        for fact in entry.facts.iter().filter(at_home) {
            match fact {
                Fact::Open(_) => {
                    self.standings.open(author, incarnation);
                    self.reports.open(author, incarnation);
                    self.dirty = self.order.iter().cloned().collect();
                }
                Fact::Judged(judged) => {
                    self.standings.fold(author, incarnation, header.sequence, judged);
                    self.dirty.insert(judged.target.clone());
                }
                Fact::Linked(linked) => self.reports.linked(author, incarnation, header.sequence, linked),
                Fact::Inventory(inventory) => self.reports.inventory(author, incarnation, header.sequence, inventory),
                Fact::Opened(opened) => {
                    self.incidents.opened(news.then_some(now), entry.hash, said, opened);
                    self.dirty.insert(opened.incident.target.clone());
                }
                Fact::Closed(closed) => {
                    self.incidents.closed(news.then_some(now), entry.hash, said, closed);
                    self.dirty.insert(closed.incident.target.clone());
                }
                Fact::Propose(_) | Fact::Grant(_) | Fact::Yield(_) | Fact::Executing(_) | Fact::Done(_) => {
                    let source = Source { entry: entry.hash, author, lamport: header.lamport, wall: header.wall };
                    self.intents.fold(now, source, fact);
                }
                Fact::Rollup(_) | Fact::Unknown { .. } => {}
            }
        }
        self.changed = true;
    }

    /// What the journal says, as text: equal on nodes with equal heads and roster.
    pub(super) fn records_text(&self) -> String {
        let mut text = String::new();
        for member in &self.settings.network.roster {
            for judged in self.standings.all_said(member.node) {
                let _ = writeln!(text, "{} {judged:?}", member.name);
            }
            if let Some(report) = self.reports.of(&member.node) {
                let _ = writeln!(text, "{} {report:?}", member.name);
            }
        }
        for (id, incident) in self.incidents.all() {
            let _ = writeln!(
                text,
                "{id} open {} {:?} {:?} {:?}",
                incident.is_open(),
                incident.openings(),
                incident.opening(),
                incident.closing()
            );
        }
        text + &self.intents.records()
    }
}
