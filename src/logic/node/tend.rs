//! What this node does for the size of its own chains: it says again what lives, and lets go of the rest.
//!
//! What lives of the state is said again by a checkpoint; how old events, roll-ups and whole lives go is
//! in `prune`. Nothing here is urgent, so it is done at the end of a turn and every few seconds.

use crate::base::fact::{Counted, Fact, Floor, Judged, Mark};
use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, TargetId};
use crate::base::limits;
use crate::base::outcome::Verdict;
use crate::base::time::{Mono, Now};
use crate::base::wire::Head;
use crate::logic::checkpoint::{Burden, Checkpoints};
use crate::logic::effect::Effects;
use crate::logic::node::Node;
use crate::logic::retention::Ledger;

/// What this run knows of the size of the journal.
#[derive(Debug)]
pub(super) struct Upkeep {
    due: Mono,
    pub(super) checkpoints: Checkpoints,
    /// This node's own events.
    pub(super) ledger: Ledger,
    /// Entries that were looked up, so that chains may begin after them.
    pub(super) found: Vec<(ChainId, u64, EntryHash)>,
    /// How much of the journal's size is taken, in bytes.
    pub(super) used: u64,
    /// Before this moment the last step against a full journal may still have its effect.
    pub(super) pressed: Mono,
    /// When what the journal says is to be read again, because some of it is not in force any more.
    pub(super) refold: Option<Mono>,
}

impl Upkeep {
    /// A daemon that starts.
    pub(super) fn new(now: Mono) -> Self {
        let (checkpoints, ledger) = (Checkpoints::new(now), Ledger::new(now));
        Self { due: now, checkpoints, ledger, found: Vec::new(), used: 0, pressed: now, refold: None }
    }
}

impl Node {
    /// Tends this node's own chains, at the end of a turn.
    pub(super) fn tend(&mut self, now: Now, out: &mut Effects) {
        if now.mono < self.upkeep.due {
            return;
        }
        self.upkeep.due = now.mono + limits::TEND;
        let complete = self.has_heard_all(now);
        let burden = Burden {
            entries: self.unrestated(),
            living: self.living_about(),
            lives: complete && self.has_earlier_states(),
            worn: self.parts.is_worn(&self.me),
        };
        if self.upkeep.checkpoints.is_due(now.mono, burden) {
            self.upkeep.checkpoints.wrote(now.mono);
            self.checkpoint(now, complete, out);
        }
        self.prune(now, complete, out);
    }

    /// Says again all that holds, and then that nothing before is in force. All of it is one commit.
    /// With `complete`, that goes for this node's earlier lives as well.
    fn checkpoint(&mut self, now: Now, complete: bool, out: &mut Effects) {
        let Some(before) = self.journal.get(&self.own_chain(Lane::State)).copied() else { return };
        for fact in self.living() {
            self.journal.write(fact);
        }
        self.flush(now, out);
        for mark in self.journal.own_bases(complete) {
            self.journal.write(Fact::Base(mark));
        }
        if let Some(incarnation) = self.lowest_life(complete).max(self.journal.floor(&self.me)) {
            self.journal.write(Fact::Floor(Floor { incarnation }));
        }
        let Head { sequence, hash, .. } = before;
        let mark = Mark { incarnation: before.chain.incarnation, lane: Lane::State, sequence, hash };
        self.journal.write(Fact::Base(mark));
        self.flush(now, out);
    }

    /// All facts of this node's state that hold, wherever they were said.
    pub(super) fn living(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let judged = self.standings.all_said(self.me);
        // Not to know is what everybody takes for granted of whoever says nothing.
        let holds = |judged: &&Judged| self.targets.contains_key(&judged.target) && judged.verdict != Verdict::Unknown;
        facts.extend(judged.filter(holds).cloned().map(Fact::Judged));
        if let Some(report) = self.reports.of(&self.me) {
            facts.extend(report.inventory.iter().map(|(_, inventory)| Fact::Inventory(inventory.clone())));
            let links = report.links.values().map(|(_, linked)| linked);
            facts.extend(links.filter(|linked| self.settings.network.member(&linked.peer).is_some()).cloned().map(Fact::Linked));
        }
        let told = |target: &TargetId| self.targets.contains_key(target) || self.incidents.has_any(target);
        let counts = self.incidents.counts().filter(|(target, number)| 0 < *number && told(target));
        facts.extend(self.parts.facts(&self.me));
        facts.extend(counts.map(|(target, number)| Fact::Counted(Counted { target: target.clone(), number })));
        facts
    }

    /// About how many facts [`Node::living`] has.
    fn living_about(&self) -> usize {
        self.targets.len() + self.settings.network.roster.len() + self.parts.living(&self.me)
    }

    /// Entries of the state lane since the last checkpoint.
    fn unrestated(&self) -> u64 {
        let state = self.own_chain(Lane::State);
        let end = self.journal.declared(&state).filter(|told| told.chain == state).map_or(0, |told| told.sequence);
        self.journal.head(&state).saturating_sub(end)
    }

    /// Whether states of this node's earlier lives are in force.
    fn has_earlier_states(&self) -> bool {
        let present = self.journal.incarnation();
        let mut states = self.journal.own().filter(|head| head.chain.lane == Lane::State && head.chain.incarnation < present);
        states.any(|head| head.base < head.sequence)
    }

    /// The lowest life of this node of which anything is in force, if there were lower ones. With `buried`, the states
    /// of earlier lives do not count any more.
    pub(super) fn lowest_life(&self, buried: bool) -> Option<Incarnation> {
        let present = self.journal.incarnation();
        let over = |head: &Head| buried && head.chain.lane == Lane::State && head.chain.incarnation < present;
        let lowest = self.journal.own().find(|head| head.base < head.sequence && !over(head))?.chain.incarnation;
        self.journal.own().any(|head| head.chain.incarnation < lowest).then_some(lowest)
    }

    /// Whether this node has what its peers have of it, or has nobody to ask.
    fn has_heard_all(&self, now: Now) -> bool {
        let alone = self.settings.network.roster.len() == 1;
        let nobody = self.mesh.links().next().is_none() && limits::DEAD_LEAST <= now.mono.since(self.started);
        alone || nobody || self.mesh.is_level()
    }

    /// This node's own chain in its present life.
    pub(super) fn own_chain(&self, lane: Lane) -> ChainId {
        ChainId { author: self.me, incarnation: self.journal.incarnation(), lane }
    }
}
