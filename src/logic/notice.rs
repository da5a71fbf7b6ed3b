//! What people must be told, by which channel, once.
//!
//! Incidents and receipts come in, wanted actions go out. A notice has a key that every node derives
//! alike from network, channel, incident and phase; `intent` decides who acts for it. What is said is
//! written in [`letter`]. Nothing here knows how a letter is carried, nor who votes.

pub mod letter;

use std::collections::BTreeMap;

use crate::base::id::{Domain, IncidentId, IntentKey, NetworkId};
use crate::base::outcome::Standing;
use crate::base::settings::{Channel, Phase};
use crate::base::time::Mono;

/// What is to be told and since when each node has known of it.
#[derive(Debug, Default)]
pub struct Notices {
    since: BTreeMap<IntentKey, Mono>,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// The incident.
    pub incident: IncidentId,
    /// What of it.
    pub phase: Phase,
}

/// What the parent knows of one incident.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Whether it is open.
    pub open: bool,
    /// The worst that was said of it.
    pub standing: Standing,
    /// Whether the channel was to be told when it opened.
    pub concerns: bool,
    /// Whether the channel wants to hear of such a target at such an hour. Who was told that it is bad is told its end
    /// all the same.
    pub wants: bool,
}

impl Notices {
    /// What a channel is to tell: the notices, each with its key and since when it is wanted here.
    ///
    /// A bad phase is told while the incident is open; when it is over, if the channel was to be told
    /// when it opened. A recovery is told once a bad phase was.
    pub fn wanted(
        &mut self,
        now: Mono,
        network: NetworkId,
        channel: &Channel,
        cases: impl Iterator<Item = (IncidentId, Case)>,
        told: impl Fn(&IntentKey) -> bool,
    ) -> Vec<(IntentKey, Mono, Notice)> {
        let mut wanted = Vec::new();
        for (incident, case) in cases {
            let key = |phase| key_of(network, &channel.name, &incident, phase);
            let bad = Phase::of(case.standing);
            let (bad_key, up_key) = (key(bad), key(Phase::Up));
            let phase = if case.wants && channel.on.contains(&bad) && !told(&bad_key) && (case.open || case.concerns) {
                Some((bad_key, bad))
            } else {
                let bad_told = || [Phase::Degraded, Phase::Down].into_iter().any(|phase| told(&key(phase)));
                let up = channel.on.contains(&Phase::Up) && !case.open && !told(&up_key) && bad_told();
                up.then_some((up_key, Phase::Up))
            };
            if let Some((key, phase)) = phase {
                let since = *self.since.entry(key).or_insert(now);
                wanted.push((key, since, Notice { incident, phase }));
            }
        }
        wanted
    }

    /// Forgets keys that are settled.
    pub fn settle(&mut self, told: impl Fn(&IntentKey) -> bool) {
        self.since.retain(|key, _| !told(key));
    }
}

/// The key of a notice, equal on all nodes.
#[must_use]
pub fn key_of(network: NetworkId, channel: &str, incident: &IncidentId, phase: Phase) -> IntentKey {
    let mut hasher = blake3::Hasher::new_derive_key("peerwatch notice 1");
    hasher.update(&network.0);
    for part in [channel, &incident.target.0, phase.word()] {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
    }
    hasher.update(&incident.number.to_be_bytes());
    IntentKey(*hasher.finalize().as_bytes())
}

/// What a channel's notices have in common, equal on all nodes.
#[must_use]
pub fn domain_of(network: NetworkId, channel: &str) -> Domain {
    let mut hasher = blake3::Hasher::new_derive_key("peerwatch channel 1");
    hasher.update(&network.0).update(channel.as_bytes());
    Domain(*hasher.finalize().as_bytes())
}

/// The Message-ID of a group of notices: the same whoever sends it. Without angle brackets.
#[must_use]
pub fn message_of(network: NetworkId, keys: &[IntentKey]) -> String {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("peerwatch message 1");
    for key in &sorted {
        hasher.update(&key.0);
    }
    format!("{}@{}.peerwatch", crate::base::id::hex(&hasher.finalize().as_bytes()[..16]), network.short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::channel::Only;
    use crate::base::id::TargetId;
    use crate::base::settings::Way;
    use crate::base::time::Span;

    fn channel() -> Channel {
        Channel {
            name: "ops".into(),
            way: Way::Mail { to: vec!["a@example.org".into()], from: "b@example.org".into() },
            on: vec![Phase::Down, Phase::Up],
            only: Only::default(),
            group: Span::secs(10),
        }
    }

    fn incident() -> IncidentId {
        IncidentId { target: TargetId("shop".into()), number: 1 }
    }

    const NETWORK: NetworkId = NetworkId([1; 32]);

    fn key(phase: Phase) -> IntentKey {
        key_of(NETWORK, "ops", &incident(), phase)
    }

    fn wanted(case: Case, told: &[Phase]) -> Vec<Phase> {
        let told = |asked: &IntentKey| told.iter().any(|phase| key(*phase) == *asked);
        let cases = [(incident(), case)].into_iter();
        let wanted = Notices::default().wanted(Mono(0), NETWORK, &channel(), cases, told);
        wanted.into_iter().map(|(_, _, notice)| notice.phase).collect()
    }

    const OPEN: Case = Case { open: true, standing: Standing::Down, concerns: true, wants: true };
    const OVER: Case = Case { open: false, ..OPEN };

    #[test]
    fn an_incident_is_told_once_and_its_end_once() {
        assert_eq!(wanted(OPEN, &[]), [Phase::Down]);
        assert_eq!(wanted(OPEN, &[Phase::Down]), []);
        assert_eq!(wanted(OVER, &[Phase::Down]), [Phase::Up]);
        assert_eq!(wanted(OVER, &[Phase::Down, Phase::Up]), []);
    }

    #[test]
    fn an_incident_that_ended_before_it_was_told_is_told_and_then_its_end() {
        assert_eq!(wanted(OVER, &[]), [Phase::Down]);
    }

    #[test]
    fn a_new_channel_is_told_what_is_open_and_not_what_is_over() {
        assert_eq!(wanted(Case { concerns: false, ..OPEN }, &[]), [Phase::Down]);
        assert_eq!(wanted(Case { concerns: false, ..OVER }, &[]), []);
    }

    #[test]
    fn phases_that_a_channel_does_not_want_are_not_told() {
        assert_eq!(wanted(Case { standing: Standing::Degraded, ..OPEN }, &[]), []);
    }

    #[test]
    fn what_a_channel_does_not_want_is_not_told_and_neither_is_its_end() {
        assert_eq!(wanted(Case { wants: false, ..OPEN }, &[]), []);
        assert_eq!(wanted(Case { wants: false, ..OVER }, &[]), []);
        assert_eq!(wanted(Case { wants: false, ..OVER }, &[Phase::Down]), [Phase::Up], "what was told is told to be over");
    }

    #[test]
    fn a_message_id_is_the_same_in_every_order_of_its_keys() {
        let (a, b) = (IntentKey([1; 32]), IntentKey([2; 32]));
        assert_eq!(message_of(NETWORK, &[a, b]), message_of(NETWORK, &[b, a]));
        assert_ne!(message_of(NETWORK, &[a]), message_of(NETWORK, &[b]));
        assert_ne!(key_of(NETWORK, "ab", &incident(), Phase::Up), key_of(NETWORK, "a", &incident(), Phase::Up));
    }
}
