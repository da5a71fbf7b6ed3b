//! Silences and acknowledgements under the storm: people ask for them on any host, and no letter may speak of what its
//! sender knows to be quiet.
//!
//! What a host knows is read from its disk, by the facts as their authors wrote them, and not asked of the node.

use std::collections::BTreeSet;

use peerwatch::base::channel::names;
use peerwatch::base::command::{Command, CommandId};
use peerwatch::base::entry::Entry;
use peerwatch::base::fact::Fact;
use peerwatch::base::notice::{Errand, Item};
use peerwatch::base::settings::Phase;
use peerwatch::base::time::Span;
use peerwatch::logic::input::Input;

use crate::checks::{Check, Failure, demand};
use crate::cluster::Cluster;
use crate::mutation::Mutation;
use crate::options::name;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub enum Hush {
    /// Nothing new of a target for so many seconds.
    Silence { target: usize, seconds: u64 },
    /// Somebody sees to the open incident of a target.
    Acknowledge { target: usize },
}

impl Cluster {
    /// Somebody asks a host, if it runs.
    pub fn hush(&mut self, host: usize, hush: &Hush) {
        let called = |target: &usize| self.options.targets[*target].id.0.clone();
        let (person, reason) = (String::new(), "tried".to_owned());
        let command = match hush {
            Hush::Silence { target, seconds } => Command::Silence { what: called(target), lasts: Span::secs(*seconds), person, reason },
            Hush::Acknowledge { target } => Command::Acknowledge { incident: called(target), person, reason },
        };
        let id = CommandId(u64::MAX / 4 + self.at);
        let until = self.at + 30_000;
        if let Some(life) = self.hosts[host].life.as_mut() {
            life.asked.insert(id.0, until);
            self.reach(self.at, host, Input::Command { id, command });
        }
    }

    /// Nobody tells what its own journal says is quiet, but that something is over.
    pub fn is_quiet(&self, host: usize, errand: &Errand) -> Result<(), Failure> {
        let Ok(entries) = self.hosts[host].disk.entries(true) else { return Ok(()) };
        let facts: Vec<&Fact> =
            entries.iter().filter_map(|entry| self.watch.as_written(&entry.hash)).flat_map(|entry| entry.facts.iter()).collect();
        let ended: BTreeSet<u32> =
            facts.iter().filter_map(|fact| if let Fact::Unsilenced(end) = fact { Some(end.id) } else { None }).collect();
        let speaks = |item: &&Item| item.phase != Phase::Up;
        for item in errand.letter.topic.items.iter().filter(speaks) {
            let silent = |fact: &&&Fact| match fact {
                Fact::Silenced(silence) => {
                    !ended.contains(&silence.id) && names(&silence.targets, &silence.groups, &item.incident.target, None)
                }
                Fact::Acknowledged(said) => 0 < item.reminder && said.incident == item.incident,
                _ => false,
            };
            let found = facts.iter().find(silent);
            demand(found.is_none(), Check::Quiet, self.at, || {
                format!("{} tells of {} (reminder {}) and knows {found:?}", name(host), item.incident, item.reminder)
            })?;
        }
        Ok(())
    }

    /// Entries as a host hears them that is deaf to one kind.
    pub fn deafened(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let lost = |fact: &Fact| match self.mutation {
            Some(Mutation::DeafToSilence) => matches!(fact, Fact::Silenced(_)),
            Some(Mutation::DeafToAcknowledgement) => matches!(fact, Fact::Acknowledged(_)),
            _ => false,
        };
        let heard = |mut entry: Entry| {
            if entry.facts.iter().any(lost) {
                entry.facts = entry.facts.iter().filter(|fact| !lost(fact)).cloned().collect();
            }
            entry
        };
        entries.into_iter().map(heard).collect()
    }
}
