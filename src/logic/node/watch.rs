//! Looking at targets and at each other: who watches what, and what lives.

use std::collections::BTreeSet;

use crate::base::id::{NodeId, TargetId};
use crate::base::note::Note;
use crate::base::outcome::{Outcome, Verdict};
use crate::base::settings::Member;
use crate::base::target::{Expected, Probe, Target, Watchers};
use crate::base::time::Now;
use crate::base::view::{Presence, Sample};
use crate::logic::effect::{Effect, Effects};
use crate::logic::node::Node;
use crate::logic::standing;

impl Node {
    /// A node as a target of all others.
    pub(super) fn node_target(&self, member: &Member) -> Target {
        let voters = self.settings.network.roster.iter().filter(|other| other.role.votes() && other.expected == Expected::Always);
        Target {
            id: TargetId::of_node(&member.name),
            probe: Probe::Node(member.node),
            watchers: Watchers::Named(voters.map(|voter| voter.node).filter(|node| *node != member.node).collect()),
            expected: member.expected,
            ..self.settings.network.node_target.clone()
        }
    }

    /// Which targets this node looks at may depend on who is dead.
    pub(super) fn rewatch(&mut self, now: Now) {
        let (members, dead) = (self.members(), self.dead());
        let targets: Vec<&Target> = self.targets.values().filter(|target| self.looks_at(target, &members, &dead)).collect();
        self.schedule.watch(now, &targets, &mut self.rng);
        // A verdict that nobody keeps up says nothing: it must not count when this node is asked again.
        let idle = |target: &&Target| !matches!(target.probe, Probe::Node(_)) && !self.schedule.watches(&target.id);
        let idle: Vec<TargetId> = self.targets.values().filter(idle).map(|target| target.id.clone()).collect();
        for id in idle {
            if self.verdicts.bench(&id).is_some() && self.verdicts.decree(now.wall, &id, Verdict::Unknown, "not watched from here") {
                self.unsaid.verdict(&id);
            }
        }
    }

    /// Whether this node is to look at a target.
    pub(super) fn looks_at(&self, target: &Target, members: &[(NodeId, Expected)], dead: &BTreeSet<NodeId>) -> bool {
        let votes = members.iter().any(|(node, _)| *node == self.me);
        let wanted = || {
            let mut gone = self.gone(target, dead);
            // The unable go on looking, so that they can recover. A stand-in that is unable as well must do
            // so too: if it stopped and took its verdict back, it would be the next in rank again.
            gone.remove(&self.me);
            standing::watchers(target, members, &gone).contains(&self.me)
        };
        !matches!(target.probe, Probe::Node(_)) && votes && (target.reference || wanted())
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
            self.decree_nodes(now);
            self.rewatch(now);
            self.dirty = self.order.iter().cloned().collect();
            self.changed = true;
        }
        let heard = self.liveness.all().any(|(_, life)| matches!(life.presence, Presence::Alive | Presence::Suspect));
        self.alone_since = if heard { None } else { self.alone_since.or(Some(now.mono)) };
    }

    /// A node's life is this node's verdict on it.
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
            if self.targets.contains_key(&id) && self.verdicts.decree(since, &id, verdict, detail) {
                self.unsaid.verdict(&id);
            }
        }
    }

    pub(super) fn judge_isolation(&mut self, out: &mut Effects) {
        let mut references = self.targets.values().filter(|target| target.reference).peekable();
        let any = references.peek().is_some();
        let down = |target: &Target| self.verdicts.bench(&target.id).is_some_and(|bench| bench.verdict == Verdict::Down);
        let unreachable = any && references.all(down);
        let isolated = 1 < self.settings.network.roster.len() && self.mesh.links().next().is_none() && unreachable;
        if isolated != self.isolated {
            self.isolated = isolated;
            out.note(if isolated { Note::Isolated } else { Note::Rejoined });
            self.dirty = self.order.iter().cloned().collect();
            self.changed = true;
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
        let Some(target) = self.schedule.returned(id).and_then(|id| self.targets.get(&id)) else { return };
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
        if self.verdicts.hear(now.wall, target, outcome) {
            let verdict = self.verdicts.bench(&target.id).map_or(Verdict::Unknown, |bench| bench.verdict);
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
