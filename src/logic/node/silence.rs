//! What people ask about being told: to acknowledge an incident, to begin a silence and to end it.
//!
//! Each is one entry on the lane of events, so it holds on all nodes. What follows from it is in `hush`.

use crate::base::channel::fits;
use crate::base::command::{Command, CommandId, Reply};
use crate::base::entry::Header;
use crate::base::fact::{Acknowledged, Fact, Silenced, Unsilenced};
use crate::base::id::{IncidentId, NodeId};
use crate::base::limits;
use crate::base::time::{Now, Span};
use crate::base::view::{Presence, SilenceView};
use crate::logic::effect::{Effect, Effects};
use crate::logic::node::Node;
use crate::logic::quiet::{Word, lasts};

impl Node {
    /// Does what a face asks, or says why not.
    pub(super) fn quieten(&mut self, now: Now, id: CommandId, command: Command, out: &mut Effects) {
        let voter = self.settings.network.member(&self.me).is_some_and(|member| member.role.votes());
        let observer = || "this node is an observer, and nothing that it writes is believed; ask a member".to_owned();
        let unable = self.unable().or_else(|| (!voter).then(observer));
        let done = match (unable, command) {
            (Some(why), _) => Err(why),
            (None, Command::Acknowledge { incident, person, reason }) => self.acknowledge(now, &incident, person, reason, out),
            (None, Command::Silence { what, lasts, person, reason }) => self.silence(now, &what, lasts, person, reason, out),
            (None, Command::EndSilence { id, person }) => self.unsilence(now, &id, person, out),
            (None, _) => Err("this is nothing that silences".into()),
        };
        out.then(Effect::Reply(id, done.unwrap_or_else(Reply::Refused)));
    }

    fn acknowledge(&mut self, now: Now, text: &str, person: String, reason: String, out: &mut Effects) -> Result<Reply, String> {
        let incident = self.incident_named(text)?;
        let fact = Acknowledged { incident: incident.clone(), at: now.wall.0, person, reason };
        let entry = self.seal(now, Fact::Acknowledged(fact), out);
        self.announce(&entry, out);
        Ok(Reply::Acknowledged(incident))
    }

    /// An open incident, by its name or by that of its target.
    fn incident_named(&self, text: &str) -> Result<IncidentId, String> {
        let open = |id: &IncidentId| self.tells_of(&id.target);
        let found = match IncidentId::parse(text) {
            Some(id) => self.incidents.get(&id).map(|incident| (id, incident.is_open())),
            None => self.incidents.open_of(&crate::base::id::TargetId(text.to_owned())).map(|(id, _)| (id, true)),
        };
        match found {
            Some((id, true)) if open(&id) => Ok(id),
            Some((id, _)) => Err(format!("{id} is over")),
            None => Err(format!("there is no incident \"{text}\"; peerwatchctl incidents lists them")),
        }
    }

    fn silence(&mut self, now: Now, what: &str, lasts: Span, person: String, reason: String, out: &mut Effects) -> Result<Reply, String> {
        let (least, most) = (limits::quiet::SILENCE_LEAST, limits::quiet::SILENCE_MOST);
        if !(least..=most).contains(&lasts) {
            return Err(format!("a silence lasts from {least} to {most}; for what is always so, write [[maintenance]] into network.toml"));
        }
        if limits::quiet::SILENCES <= self.quiet.silences().count() {
            return Err("there are too many silences; end some (peerwatchctl silence list), or silence a group or '*'".into());
        }
        let (targets, groups) = self.named(what)?;
        let mut id = 0;
        while id == 0 || self.quiet.knows(id) {
            id = u32::try_from(self.rng.next() >> 32).unwrap_or_default();
        }
        let fact = Silenced { id, targets, groups, at: now.wall.0, lasts: lasts.0, person, reason };
        let entry = self.seal(now, Fact::Silenced(fact), out);
        self.announce(&entry, out);
        Ok(Reply::Silenced(number(id)))
    }

    /// Targets or a group by what a person wrote.
    fn named(&self, what: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let (group, pattern) = what.strip_prefix("group:").map_or((what, Some(what)), |group| (group, None));
        if let Some(pattern) = pattern.filter(|pattern| self.targets.keys().any(|id| fits(pattern, &id.0))) {
            return Ok((vec![pattern.to_owned()], vec![]));
        }
        if self.targets.values().any(|target| target.group.as_deref() == Some(group)) {
            return Ok((vec![], vec![group.to_owned()]));
        }
        Err(format!("there is no target or group \"{what}\"; peerwatchctl targets lists them, '*' stands for all"))
    }

    fn unsilence(&mut self, now: Now, text: &str, person: String, out: &mut Effects) -> Result<Reply, String> {
        let ids: Vec<u32> = self.quiet.silences().map(|(_, fact)| fact.id).filter(|id| number(*id).starts_with(text)).collect();
        let [id] = ids[..] else {
            let what = if ids.is_empty() || text.is_empty() { "there is no silence" } else { "there are several silences" };
            return Err(format!("{what} \"{text}\"; peerwatchctl silence list shows them"));
        };
        let entry = self.seal(now, Fact::Unsilenced(Unsilenced { id, at: now.wall.0, early: true, person }), out);
        self.announce(&entry, out);
        Ok(Reply::Unsilenced(number(id)))
    }

    /// Says which silences are over by this node's count, when it is its turn.
    pub(super) fn end_silences(&mut self, now: Now, out: &mut Effects) {
        let member = self.settings.network.member(&self.me).is_some_and(|member| member.role.votes());
        if !member || !self.is_level(now) {
            return;
        }
        let alive = |node: &NodeId| self.liveness.life(node).is_some_and(|life| life.presence == Presence::Alive && life.voting);
        let before: Vec<NodeId> =
            self.members().into_iter().map(|(node, _)| node).take_while(|node| *node != self.me).filter(alive).collect();
        let turn = |author: &NodeId| before.iter().filter(|node| *node != author).count() as u64;
        for id in self.quiet.over(now, &self.me, turn) {
            let fact = Unsilenced { id, at: now.wall.0, early: false, person: String::new() };
            let entry = self.seal(now, Fact::Unsilenced(fact), out);
            self.announce(&entry, out);
        }
    }

    /// Takes what somebody said about being told.
    pub(super) fn hear_quiet(&mut self, header: &Header, fact: &Fact) {
        let word = Word { lamport: header.lamport, author: header.chain.author, wall: header.wall };
        match fact {
            Fact::Acknowledged(fact) => self.quiet.acknowledged(word, fact),
            Fact::Silenced(fact) => self.quiet.silenced(word, fact),
            Fact::Unsilenced(fact) => self.quiet.unsilenced(word, fact),
            _ => {}
        }
    }

    /// Silences that hold, for faces.
    pub(super) fn silence_views(&self) -> Vec<SilenceView> {
        let view = |(word, fact): &(Word, Silenced)| SilenceView {
            id: number(fact.id),
            targets: fact.targets.clone(),
            groups: fact.groups.clone(),
            by: self.person(&fact.person, &word.author),
            at: crate::base::time::Wall(fact.at),
            lasts: lasts(fact),
            reason: fact.reason.clone(),
        };
        self.quiet.silences().map(view).collect()
    }
}

/// A silence's number as people see it.
pub(super) fn number(id: u32) -> String {
    format!("{id:08x}")
}
