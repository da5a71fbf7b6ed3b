//! From entries to what the journal says: every fold, in one place.

use std::fmt::Write as _;

use crate::base::entry::{Entry, Header, Past, Record};
use crate::base::fact::Fact;
use crate::base::id::{ChainId, Lane};
use crate::base::limits;
use crate::base::time::{Mono, Now};
use crate::base::wire::Head;
use crate::logic::effect::Effects;
use crate::logic::incident::Said;
use crate::logic::intent::{Intents, Source};
use crate::logic::journal::Journal;
use crate::logic::node::Node;
use crate::logic::report::Reports;
use crate::logic::standing::Standings;

impl Node {
    /// Reads everything again: all folds begin empty.
    pub(super) fn recall(&mut self, now: Now, past: &Past, entries: impl Iterator<Item = Entry>) {
        let version = self.journal.version();
        self.journal = Journal::new(self.settings.network.network, self.settings.key.clone());
        self.standings = Standings::default();
        self.reports = Reports::default();
        let incidents = std::mem::take(&mut self.incidents);
        let intents = std::mem::replace(&mut self.intents, Intents::new(self.me, self.settings.network.lease));
        let parts = std::mem::take(&mut self.parts);
        self.upkeep.refold = None;
        self.upkeep.ledger.clear();
        self.rollups.forget();
        self.journal.succeed(version);
        self.journal.bound(self.settings.network.journal_size / limits::SHARES);
        self.journal.restore(past);
        self.proofs.restore(&past.proofs, &past.floors);
        self.muster();
        for entry in entries {
            self.journal.recall(&entry);
            self.fold(now.mono, false, &entry);
        }
        self.parts.resume(parts);
        self.rollups.recalled();
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
        if author == self.me {
            self.note_own(news, entry);
        }
        if !self.settings.network.author(&author).is_some_and(|member| member.role.votes()) || self.is_void(header) {
            return;
        }
        let said = Said { lamport: header.lamport, author, wall: header.wall };
        if header.chain.lane == Lane::State {
            self.reports.open(author, incarnation);
            if self.standings.open(author, incarnation) {
                self.dirty = self.order.iter().cloned().collect();
            }
        }
        // A fact in a lane where it does not belong has no place in the order of its kind.
        let at_home = |fact: &&Fact| fact.lane().is_none_or(|lane| lane == header.chain.lane) || matches!(fact, Fact::Rollup(_));
        for fact in entry.facts.iter().filter(at_home) {
            match fact {
                Fact::Judged(judged) => {
                    if self.standings.fold(author, incarnation, header.sequence, judged) {
                        self.dirty.insert(judged.target.clone());
                    }
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
                    let place = (incarnation, header.sequence);
                    let source = Source { entry: entry.hash, author, lamport: header.lamport, wall: header.wall, place };
                    self.intents.fold(now, source, fact);
                }
                Fact::Put(_) | Fact::Deleted(_) => self.parts.fold(news, author, incarnation, header.sequence, fact),
                Fact::Counted(counted) => self.incidents.counted(author, incarnation, header.sequence, counted),
                Fact::Revoked(_) | Fact::Retired(_) => {}
                // The journal takes bases and floors, whatever the role of their author.
                Fact::Open(_) | Fact::Base(_) | Fact::Floor(_) | Fact::Rollup(_) | Fact::Unknown { .. } => {}
            }
        }
        if header.chain.lane == Lane::State && self.parts.reached(author, (incarnation, header.sequence)) {
            self.refold_soon(now);
        }
        self.changed = true;
    }

    /// Everything is to be folded again, a little later and for several reasons at once.
    fn refold_soon(&mut self, now: Mono) {
        self.upkeep.refold = self.upkeep.refold.or(Some(now + limits::REFOLD));
    }

    /// Remembers what this node wrote itself, for what it writes later.
    fn note_own(&mut self, news: bool, entry: &Entry) {
        match entry.header.chain.lane {
            Lane::Events => self.upkeep.ledger.note(entry),
            Lane::Minutes if !news => {
                for fact in entry.facts.iter() {
                    if let Fact::Rollup(rollup) = fact {
                        self.rollups.recall(rollup);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes what an entry of a member declares of its author's chains, whether or not the entry itself is
    /// taken. True if anything changed.
    pub(super) fn declare(&mut self, now: Now, entry: &Entry, out: &mut Effects) -> bool {
        let records = self.journal.declare(entry);
        for (record, gone) in &records {
            let lost = 0 < *gone;
            match record {
                Record::Base(head) => {
                    self.forget(head, &entry.header, now.mono, lost);
                    if !self.cut.contains(&head.chain) {
                        self.moved.extend(self.journal.get(&head.chain).map(|head| (head.chain, *head)));
                    }
                }
                Record::Floor(author, floor) => {
                    self.mesh.reread();
                    let said = (entry.header.chain.incarnation, entry.header.sequence);
                    if self.parts.floor(*author, *floor, said, self.journal.head(&entry.header.chain)) {
                        self.refold_soon(now.mono);
                    }
                    self.proofs.floor(*author, *floor);
                    self.moved.retain(|chain, _| chain.author != *author || *floor <= chain.incarnation);
                    if lost {
                        // Whoever is honest has emptied its chains before it gives them up, so this is rare.
                        self.upkeep.refold = Some(now.mono);
                    }
                }
                Record::Cut(chain, end) => {
                    self.undo(now, *chain, *end);
                    self.refold_soon(now.mono);
                }
                Record::Entry(_) | Record::Proof(_) | Record::Unfloor(_) => {}
            }
        }
        let changed = !records.is_empty();
        out.append.extend(records.into_iter().map(|(record, _)| record));
        changed
    }

    /// Forgets what is not in force any more. Of states that is done here; events are folded anew, a little
    /// later and for several bases at once. What was in force a moment ago does no harm until then.
    fn forget(&mut self, head: &Head, said: &Header, now: Mono, lost: bool) {
        let ChainId { author, incarnation, lane } = head.chain;
        if author == self.me && lane == Lane::Events {
            self.upkeep.ledger.rise(incarnation, head.base);
        }
        match lane {
            Lane::State => {
                self.dirty.extend(self.standings.forget(author, incarnation, head.base));
                self.reports.forget(author, incarnation, head.base);
                self.incidents.forget(author, incarnation, head.base);
                let known = self.journal.head(&said.chain);
                if self.parts.forget(author, (incarnation, head.base), (said.chain.incarnation, said.sequence), known) {
                    self.refold_soon(now);
                }
                self.changed = true;
            }
            Lane::Events if lost => self.refold_soon(now),
            _ => {}
        }
    }

    /// What the journal says, as text: equal on nodes with equal heads and roster.
    pub(super) fn records_text(&self) -> String {
        let mut text = String::new();
        for member in &self.settings.network.roster {
            for judged in self.standings.all_said(member.node) {
                let _ = writeln!(text, "{} {judged:?}", member.name);
            }
            for line in self.parts.records(&member.node).lines() {
                let _ = writeln!(text, "{} {line}", member.name);
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
        for (target, number) in self.incidents.counts() {
            let _ = writeln!(text, "{target} had {number}");
        }
        text + &self.intents.records()
    }
}
