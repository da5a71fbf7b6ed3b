//! Looking at targets and at each other: who watches what, and what lives.

use std::collections::BTreeSet;

use crate::base::fact::Judged;
use crate::base::id::{NodeId, TargetId};
use crate::base::limits;
use crate::base::note::Note;
use crate::base::outcome::{Look, Outcome, Verdict};
use crate::base::settings::Member;
use crate::base::target::{Probe, Target, Watchers};
use crate::base::time::Now;
use crate::base::view::{Presence, Sample};
use crate::logic::effect::{Effect, Effects};
use crate::logic::liveness::Life;
use crate::logic::node::Node;
use crate::logic::outside;
use crate::logic::verdict::Bench;

/// What a verdict says that is not kept up.
const NOT_WATCHED: &str = "not watched from here";

impl Node {
    /// A node as a target of the others: of all in a network of the usual size, of some in a large one.
    pub(super) fn node_target(&self, member: &Member) -> Target {
        let template = self.settings.network.node_target.clone();
        let large = limits::ALL_WATCH < self.settings.network.roster.len();
        let watchers = if large && template.watchers == Watchers::All { Watchers::Count(limits::WATCHERS) } else { template.watchers };
        Target { id: TargetId::of_node(&member.name), probe: Probe::Node(member.node), watchers, expected: member.expected, ..template }
    }

    /// Which targets this node watches may depend on who is dead.
    pub(super) fn rewatch(&mut self, now: Now) {
        let targets: Vec<&Target> = self.targets.values().filter(|target| self.looks_at(target)).collect();
        self.schedule.watch(now, &targets, &mut self.rng);
        self.wards = self.targets.values().filter(|target| self.minds(target)).map(|target| target.id.clone()).collect();
        // A verdict that nobody keeps up says nothing: it must not count when this node is asked again.
        let idle: Vec<TargetId> =
            self.targets.keys().filter(|id| !self.schedule.watches(id) && !self.wards.contains(*id)).cloned().collect();
        for id in idle {
            if self.verdicts.bench(&id).is_some() && self.verdicts.decree(now.wall, &id, Verdict::Unknown, NOT_WATCHED) {
                self.unsaid.verdict(&id);
            }
        }
        self.decree_nodes(now);
    }

    /// Whether who watches a target has changed, as far as this node is concerned.
    pub(super) fn is_misplaced(&self, target: &Target) -> bool {
        self.looks_at(target) != self.schedule.watches(&target.id) || self.minds(target) != self.wards.contains(&target.id)
    }

    /// Whether this node is to look at a target.
    fn looks_at(&self, target: &Target) -> bool {
        let votes = self.settings.network.member(&self.me).is_some_and(|member| member.role.votes());
        !matches!(target.probe, Probe::Node(_)) && votes && (target.reference || self.is_watcher(target))
    }

    /// Whether this node is to say whether another lives. Where all watch, also those do whose word does not count.
    fn minds(&self, target: &Target) -> bool {
        match target.probe {
            Probe::Node(node) => node != self.me && (target.watchers == Watchers::All || self.is_watcher(target)),
            _ => false,
        }
    }

    /// Whether this node is among the watchers of a target. The unable go on looking, so that they can recover. A
    /// stand-in that is unable as well must do so too: if it stopped and took its verdict back, it would be the next in
    /// rank again.
    fn is_watcher(&self, target: &Target) -> bool {
        self.ranks.watchers(target, |node| *node != self.me && self.is_gone(target, node)).contains(&self.me)
    }

    /// Whether others stand in for a node at a target: it is dead, or cannot look or write.
    pub(super) fn is_gone(&self, target: &Target, node: &NodeId) -> bool {
        let gone = |life: &Life| life.mute || life.presence == Presence::Dead;
        let unable = |judged: &Judged| judged.verdict == Verdict::Unable;
        self.liveness.life(node).is_some_and(gone) || self.standings.said(&target.id, node).is_some_and(unable)
    }

    pub(super) fn judge_lives(&mut self, now: Now, out: &mut Effects) {
        let linked: BTreeSet<NodeId> = self.mesh.links().map(|(_, link)| link.peer).collect();
        let changes = self.liveness.judge(now, |node| linked.contains(node));
        for (node, presence) in &changes {
            let name = self.settings.network.name_of(node);
            match presence {
                Presence::Alive => out.note(Note::Alive { node: name }),
                Presence::Suspect => out.note(Note::Suspect { node: name }),
                Presence::Dead => out.note(Note::Dead { node: name }),
                Presence::Unheard | Presence::Me => {}
            }
        }
        if !changes.is_empty() {
            self.rewatch(now);
            self.dirty = self.order.iter().cloned().collect();
            self.changed = true;
        }
        let heard = self.liveness.all().any(|(_, life)| matches!(life.presence, Presence::Alive | Presence::Suspect));
        self.alone_since = if heard { None } else { self.alone_since.or(Some(now.mono)) };
    }

    /// A node's life is this node's verdict on it, if it is to say so.
    fn decree_nodes(&mut self, now: Now) {
        for member in self.settings.network.roster.iter().filter(|member| member.node != self.me) {
            let Some(life) = self.liveness.life(&member.node) else { continue };
            let (verdict, detail) = match life.presence {
                Presence::Alive => (Verdict::Up, "heartbeats arrive"),
                Presence::Dead => (Verdict::Down, "no sign of life on any path"),
                Presence::Suspect | Presence::Unheard | Presence::Me => continue,
            };
            let id = TargetId::of_node(&member.name);
            // A dead node was last heard when it was: its verdict dates from there, as a bad look does.
            let since = if verdict == Verdict::Down { life.heard.unwrap_or(now.wall) } else { now.wall };
            if self.wards.contains(&id) && self.verdicts.decree(since, &id, verdict, detail) {
                self.unsaid.verdict(&id);
            }
        }
    }

    /// Whether this node may be cut off, and whether it is.
    pub(super) fn judge_isolation(&mut self, now: Now, out: &mut Effects) {
        self.turned = now.mono;
        let linked = self.is_linked();
        let several = 1 < self.settings.network.roster.len();
        let hushed = several && !self.outside.is_fresh(now.mono, linked);
        let isolated = several && self.outside.is_cut(linked);
        if isolated != self.isolated {
            out.note(if isolated { Note::Isolated } else { Note::Rejoined });
        }
        if (hushed, isolated) != (self.hushed, self.isolated) {
            (self.hushed, self.isolated) = (hushed, isolated);
            self.dirty = self.order.iter().cloned().collect();
            self.changed = true;
        }
        if several && self.outside.is_silent(now.mono) {
            for target in self.targets.values().filter(|target| target.reference) {
                self.schedule.hasten(now, &target.id, outside::POLL);
            }
        }
    }

    fn is_linked(&self) -> bool {
        self.mesh.links().next().is_some()
    }

    /// Somebody else was heard.
    pub(super) fn heard_outside(&mut self, now: Now) {
        self.outside.heard(now.mono);
    }

    /// Whether a verdict of this node may be said: a bad one only if it cannot be this node's own fault.
    pub(super) fn may_say(&self, now: Now, id: &TargetId, bench: &Bench) -> bool {
        let bad = matches!(bench.verdict, Verdict::Down | Verdict::Degraded);
        let Some(target) = self.targets.get(id).filter(|target| bad && !target.reference) else { return true };
        if self.settings.network.roster.len() == 1 {
            return true;
        }
        let linked = self.is_linked();
        match target.probe {
            _ if self.isolated => false,
            Probe::Node(_) => self.outside.vouches_for_silence(now.mono, linked),
            // What an earlier run saw, this one has yet to see.
            _ => bench.seen.is_some_and(|look| self.outside.vouches(linked, look)),
        }
    }

    pub(super) fn look(&mut self, now: Now, out: &mut Effects) {
        let (targets, verdicts) = (&self.targets, &self.verdicts);
        for order in self.schedule.orders(now, |id| targets.get(id), |id| verdicts.unconfirmed(id)) {
            out.then(Effect::Probe(order));
        }
    }

    pub(super) fn probed(&mut self, now: Now, id: u64, outcome: Outcome, out: &mut Effects) {
        if let Some(answer) = self.requests.looked(id, self.me, &outcome) {
            self.give_answer(now, answer, out);
            return;
        }
        let returned = self.schedule.returned(id);
        let Some((target, began)) = returned.and_then(|(id, began)| Some((self.targets.get(&id)?, began))) else { return };
        out.keep.push(Sample {
            target: target.id.clone(),
            at: now.wall,
            look: outcome.look,
            sent: outcome.sent,
            received: outcome.received,
            time: outcome.time,
            detail: outcome.detail.clone(),
        });
        self.rollups.add(&target.id, &outcome);
        let detail = outcome.detail.clone();
        let (good, near) = (matches!(outcome.look, Look::Good | Look::Poor), outcome.near);
        let changed = self.verdicts.hear(now, began, target, outcome);
        let verdict = self.verdicts.bench(&target.id).map_or(Verdict::Unknown, |bench| bench.verdict);
        if target.reference {
            self.outside.looked(now.mono, &target.id, good, near, matches!(verdict, Verdict::Down | Verdict::Unable));
        }
        if changed {
            self.unsaid.verdict(&target.id);
            self.dirty.insert(target.id.clone());
            out.note(Note::Judged { target: target.id.clone(), verdict, detail });
        }
        if self.verdicts.unconfirmed(&target.id) {
            self.schedule.hurry(now, target);
        }
        self.stale.insert(target.id.clone());
        self.changed = true;
    }
}
