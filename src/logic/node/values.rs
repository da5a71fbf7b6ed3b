//! The key/value store's place in a node: what faces ask to be written, and what they are shown.

use crate::base::command::{CommandId, Reply};
use crate::base::id::{Incarnation, Lane};
use crate::base::kv::{Values, Write};
use crate::base::limits;
use crate::base::time::Now;
use crate::logic::effect::{Effect, Effects};
use crate::logic::kv::Refusal;
use crate::logic::node::Node;

impl Node {
    /// All parts of the key/value store, as they are after the last turn.
    #[must_use]
    pub fn values(&self) -> Values {
        self.parts.values().clone()
    }

    /// Who breaks the limits of the key/value store, for people.
    pub(super) fn overfull(&self) -> impl Iterator<Item = String> {
        let parts = self.parts.values().parts.iter().filter(|part| part.overfull);
        parts.map(|part| {
            let remedy = "look what is wrong with that node";
            format!("the key/value part of {} is larger than any may be, and nothing of it is kept; {remedy}", part.name)
        })
    }

    /// A face asks for something to be written. It is, at the end of the turn, or why not is said then.
    pub(super) fn write(&mut self, id: CommandId, writes: Vec<Write>, out: &mut Effects) {
        if limits::COMMANDS <= self.writes.len() {
            out.then(Effect::Reply(id, Reply::Refused("too much is being written; try again in a moment".into())));
        } else {
            self.writes.push((id, writes));
        }
    }

    /// If anything can be written at the moment (`writes`): writes what was asked, each request in an entry
    /// of its own, so that it holds as a whole or not at all. Shows what is new. Replies come last: whoever
    /// has one finds what it says.
    pub(super) fn write_values(&mut self, now: Now, writes: bool, out: &mut Effects) {
        let mut replies = Vec::new();
        // A life that is just to begin takes some seconds, and what was asked waits for it.
        let never = self.fault.as_ref().or(self.expelled.as_ref()).filter(|_| !writes).cloned();
        if writes || never.is_some() {
            for (id, writes) in std::mem::take(&mut self.writes) {
                let reply = match &never {
                    Some(why) => Reply::Refused(format!("nothing was written: {why}")),
                    None => self.write_batch(now, &writes, out),
                };
                replies.push(Effect::Reply(id, reply));
            }
        }
        if let Some(values) = self.parts.offer(&self.settings.name, &self.settings.network.roster) {
            out.then(Effect::Show(values));
        }
        out.then.extend(replies);
    }

    /// Writes as new in this life what was written first in one before it.
    pub(super) fn renew_values(&mut self, now: Now, before: Incarnation, out: &mut Effects) {
        let life = self.journal.incarnation();
        let mut words = self.parts.renewed(&self.me, before).into_iter().peekable();
        while words.peek().is_some() {
            let revision = self.journal.next_lamport();
            let (mut facts, mut bytes) = (Vec::new(), 0);
            while let Some(fact) = words.peek().map(|word| word.fact(life, revision)) {
                bytes += fact.body().len() + 6;
                if !facts.is_empty() && (limits::KV_BATCH < bytes || limits::ENTRY_FACTS <= facts.len()) {
                    break;
                }
                facts.push(fact);
                words.next();
            }
            let entry = self.journal.seal(now, Lane::State, facts);
            self.upkeep.checkpoints.weigh(entry.bytes().len());
            self.take_own(now, entry, out);
        }
    }

    fn write_batch(&mut self, now: Now, writes: &[Write], out: &mut Effects) -> Reply {
        if !self.settings.network.member(&self.me).is_some_and(|member| member.role.votes()) {
            let why =
                "this node is an observer, and nothing that it writes is believed; write on a member, or change its role in network.toml";
            return Reply::Refused(why.into());
        }
        let revision = self.journal.next_lamport();
        match self.parts.draft(&self.me, self.journal.incarnation(), writes, revision, now.wall) {
            Ok(facts) => {
                if !facts.is_empty() {
                    let entry = self.journal.seal(now, Lane::State, facts);
                    self.upkeep.checkpoints.weigh(entry.bytes().len());
                    self.take_own(now, entry, out);
                }
                Reply::Written { revision }
            }
            Err(Refusal::Absent(key)) => Reply::Absent { key },
            Err(Refusal::Refused(why)) => Reply::Refused(why),
        }
    }
}
