//! Channels by which nobody can be told: each is an incident of its own, shown like any other and told to nobody.
//!
//! A channel ails when something is to be told by it and every node that could has failed, or none is left that could. It
//! is well again when it has told, or has nothing to tell any more. All of that follows from receipts and from who lives,
//! as with targets, and so the nodes agree; the same turns keep them from all writing it.

use std::collections::BTreeSet;

use crate::base::fact::{Fact, Opened};
use crate::base::id::{IncidentId, NodeId, TargetId};
use crate::base::limits;
use crate::base::outcome::{Standing, clip};
use crate::base::settings::Channel;
use crate::base::target::Flap;
use crate::base::time::{Mono, Now};
use crate::logic::effect::Effects;
use crate::logic::incident::Act;
use crate::logic::node::Node;
use crate::logic::rank;

/// What stands before a channel's name where incidents name a target. No target of the definition has a colon.
const MARK: &str = "channel:";

/// The channel that an incident is about, if it is about one.
pub(super) fn channel_of(target: &TargetId) -> Option<&str> {
    target.0.strip_prefix(MARK)
}

impl Node {
    /// Writes that a channel ails, or that it does no more.
    pub(super) fn consider_channels(&mut self, now: Now, out: &mut Effects) {
        if self.isolated || !self.is_level(now) {
            let waiting = self.incidents.waiting();
            waiting.iter().filter(|target| channel_of(target).is_some()).for_each(|target| self.incidents.withdraw(target));
            return;
        }
        let defined = self.settings.network.channels.iter().map(|channel| TargetId(format!("{MARK}{}", channel.name)));
        let open = self.incidents.all().filter(|(id, incident)| incident.is_open() && channel_of(&id.target).is_some());
        let waiting = self.incidents.waiting().into_iter().filter(|target| channel_of(target).is_some());
        let targets: BTreeSet<TargetId> = defined.chain(open.map(|(id, _)| id.target)).chain(waiting).collect();
        for target in targets {
            // One that is not defined any more has nothing to tell.
            let channel = self.settings.network.channels.iter().find(|channel| channel_of(&target) == Some(&channel.name));
            let why = channel.and_then(|channel| self.why_untold(now, channel));
            // What never ailed costs nothing.
            if why.is_none() && !self.incidents.has_any(&target) {
                self.incidents.withdraw(&target);
                continue;
            }
            let standing = if why.is_some() { Standing::Down } else { Standing::Up };
            let turn = self.turn_among_members(&target);
            match self.incidents.consider(now, &target, standing, turn, Flap::OFF) {
                Some(Act::Open(incident)) => self.open_channel(now, incident, why.unwrap_or_default(), out),
                Some(Act::Close(incident)) => self.close(now, incident, standing, out),
                // Nothing of a channel flaps.
                Some(Act::Settle(_)) | None => {}
            }
        }
    }

    /// Why nobody can be told by a channel what is to be told.
    fn why_untold(&self, now: Now, channel: &Channel) -> Option<String> {
        let wanted = self.wanted.get(&channel.name)?;
        let capable = self.capable(&channel.way.needs());
        if capable.is_empty() {
            // Who has only begun is heard soon.
            let waited = |since: &Mono| limits::DEAD_LEAST <= now.mono.since(*since);
            let long = wanted.iter().any(|(_, since, _)| waited(since));
            return long.then(|| format!("no node that lives has what it needs: {}", channel.way.needs().join(", ")));
        }
        let failed = wanted.iter().find(|(key, _, _)| self.intents.fails_for(key, &capable))?;
        let detail = self.intents.last_failure(&failed.0).unwrap_or_default();
        Some(clip(format!("every node that could has failed: {detail}")))
    }

    /// This node's place among those who vote and live.
    fn turn_among_members(&self, target: &TargetId) -> usize {
        let rank = |node: &NodeId| rank::rendezvous(target.0.as_bytes(), node);
        let living = self.members().into_iter().map(|(node, _)| node).filter(|node| *node != self.me && !self.is_dead(node));
        living.filter(|node| rank(node) < rank(&self.me)).count()
    }

    fn open_channel(&mut self, now: Now, incident: IncidentId, reason: String, out: &mut Effects) {
        let opened = Opened {
            standing: Standing::Down,
            votes: Vec::new(),
            since: now.wall.0,
            reason,
            seen: u16::try_from(self.seen()).unwrap_or(u16::MAX),
            enrolled: u16::try_from(self.settings.network.roster.len()).unwrap_or(u16::MAX),
            channels: Vec::new(),
            flapping: None,
            incident,
        };
        let entry = self.seal(now, Fact::Opened(opened), out);
        self.announce(&entry, out);
    }
}
