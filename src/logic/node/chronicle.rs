//! What happened, in words, for faces.
//!
//! The words are made from what the journal says; nothing is decided here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::fact::{Done, Fact};
use crate::base::id::{EntryHash, IncidentId, IntentKey, NodeId};
use crate::base::settings::{Channel, Phase};
use crate::base::time::{Span, Wall};
use crate::base::view::EventView;
use crate::logic::node::Node;
use crate::logic::node::silence::number;
use crate::logic::notice;
use crate::logic::quiet::lasts;

/// What a receipt is about.
type About = (IncidentId, String, Phase, u32);

impl Node {
    /// The newest events; the same list as long as nothing has happened.
    pub(super) fn event_views(&mut self) -> Arc<[Arc<EventView>]> {
        if self.recent.take_changed() {
            let openings: BTreeMap<EntryHash, IncidentId> = self
                .incidents
                .all()
                .flat_map(|(id, incident)| incident.openings().into_iter().map(move |entry| (entry, id.clone())))
                .collect();
            let view = |(author, at, fact): (&NodeId, Wall, &Fact)| self.event_view(&openings, author, at, fact).map(Arc::new);
            self.events = self.recent.all().filter_map(view).collect();
        }
        self.events.clone()
    }

    fn event_view(&self, openings: &BTreeMap<EntryHash, IncidentId>, author: &NodeId, at: Wall, fact: &Fact) -> Option<EventView> {
        let node = self.settings.network.name_of(author);
        let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let by = |person: &str| self.person(person, author);
        let (kind, incident, channel, text) = match fact {
            Fact::Opened(opened) => {
                let id = &opened.incident;
                let text = format!("{} is {}{} ({id})", id.target, opened.standing.word(), because(&opened.reason));
                ("opened", Some(id.clone()), None, text)
            }
            Fact::Closed(closed) => {
                let id = &closed.incident;
                ("closed", Some(id.clone()), None, format!("{} is over after {} ({id})", id.target, Span(closed.lasted)))
            }
            Fact::Acknowledged(said) => {
                let id = &said.incident;
                ("acknowledged", Some(id.clone()), None, format!("{} acknowledged {id}{}", by(&said.person), because(&said.reason)))
            }
            Fact::Silenced(said) => {
                let what: Vec<&str> = said.targets.iter().chain(&said.groups).map(String::as_str).collect();
                let (by, why) = (by(&said.person), because(&said.reason));
                (
                    "silenced",
                    None,
                    None,
                    format!("{by} silenced {} for {}{why} (silence {})", what.join(", "), lasts(said), number(said.id)),
                )
            }
            Fact::Unsilenced(said) if said.early => {
                ("unsilenced", None, None, format!("{} ended silence {}", by(&said.person), number(said.id)))
            }
            Fact::Unsilenced(said) => ("unsilenced", None, None, format!("silence {} is over", number(said.id))),
            // What was voted on was quiet before it was told: nobody was to be told any more.
            Fact::Done(done) if !done.success && done.covers.is_empty() => return None,
            Fact::Done(done) => {
                let about = self.about(openings, done);
                let (first, others) = (about.first().cloned(), about.len().saturating_sub(1));
                let channel = first.as_ref().map(|(_, channel, ..)| channel.clone());
                let what = first.as_ref().map_or_else(String::new, |(id, _, phase, round)| {
                    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
                    let reminder = if *round == 0 { String::new() } else { format!(", reminder {round}") };
                    format!(" that {id} is {}{reminder}{more}", phase.word())
                });
                let name = channel.clone().unwrap_or_else(|| "a channel".into());
                let detail = because(&done.detail);
                let incident = first.map(|(id, ..)| id);
                if done.success {
                    ("told", incident, channel, format!("{node} told {name}{what}{detail}"))
                } else {
                    ("failed", incident, channel, format!("{node} could not tell {name}{what}{detail}"))
                }
            }
            _ => return None,
        };
        Some(EventView { at, kind, node, incident, channel, text })
    }

    /// What the keys of a receipt stand for, as far as their incidents are known.
    fn about(&self, openings: &BTreeMap<EntryHash, IncidentId>, done: &Done) -> Vec<About> {
        let network = &self.settings.network;
        let mut incidents: Vec<&IncidentId> = done.covers.iter().filter_map(|entry| openings.get(entry)).collect();
        incidents.sort_unstable();
        incidents.dedup();
        let mut about = Vec::new();
        for id in incidents {
            for channel in &network.channels {
                about.extend([Phase::Down, Phase::Degraded, Phase::Up].into_iter().filter_map(|phase| {
                    let round = self.round_of(channel, id, phase, &done.keys)?;
                    Some((id.clone(), channel.name.clone(), phase, round))
                }));
            }
        }
        about
    }

    /// Which of these keys stands for an incident and phase: a notice, or one of the reminders.
    fn round_of(&self, channel: &Channel, id: &IncidentId, phase: Phase, keys: &[IntentKey]) -> Option<u32> {
        let network = self.settings.network.network;
        let key = |round| notice::key_of_reminder(network, &channel.name, id, phase, round);
        let told = |key: &IntentKey| self.intents.receipt(key).is_some();
        let most = match channel.remind {
            Some(_) if phase != Phase::Up => 1 + notice::last_of(network, &channel.name, id, phase, told).0,
            _ => 0,
        };
        (0..=most).find(|round| keys.contains(&key(*round)))
    }
}
