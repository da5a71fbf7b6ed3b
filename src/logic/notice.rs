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
}

/// What the votes say of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nobody has begun with it.
    Nothing,
    /// Somebody has proposed, begun or failed.
    Begun,
    /// It was told.
    Told,
}

impl Notices {
    /// What a channel is to tell: the notices, each with its key and since when it is wanted here.
    ///
    /// A bad phase is told while the incident is open; one that was seen open here, or that somebody
    /// has begun to tell, is told even if the incident is over meanwhile. A recovery is told once a
    /// bad phase was.
    pub fn wanted<'a>(
        &mut self,
        now: Mono,
        network: NetworkId,
        channel: &Channel,
        cases: impl Iterator<Item = (IncidentId, Case)>,
        word: impl Fn(&IntentKey) -> Word + 'a,
    ) -> Vec<(IntentKey, Mono, Notice)> {
        let mut wanted = Vec::new();
        for (incident, case) in cases {
            let key = |phase| key_of(network, &channel.name, &incident, phase);
            let bad = Phase::of(case.standing);
            let (bad_key, up_key) = (key(bad), key(Phase::Up));
            let told = [Phase::Degraded, Phase::Down].into_iter().any(|phase| word(&key(phase)) == Word::Told);
            let bad_word = word(&bad_key);
            let began = case.open || bad_word == Word::Begun || self.since.contains_key(&bad_key);
            if channel.on.contains(&bad) && bad_word != Word::Told && began {
                let since = *self.since.entry(bad_key).or_insert(now);
                wanted.push((bad_key, since, Notice { incident, phase: bad }));
            } else if channel.on.contains(&Phase::Up) && !case.open && told && word(&up_key) != Word::Told {
                let since = *self.since.entry(up_key).or_insert(now);
                wanted.push((up_key, since, Notice { incident, phase: Phase::Up }));
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
    use crate::base::id::TargetId;
    use crate::base::settings::Way;
    use crate::base::time::Span;

    fn channel() -> Channel {
        Channel {
            name: "ops".into(),
            way: Way::Mail { to: vec!["a@example.org".into()], from: "b@example.org".into() },
            on: vec![Phase::Down, Phase::Up],
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

    fn wanted(notices: &mut Notices, open: bool, standing: Standing, told: &[Phase], begun: &[Phase]) -> Vec<Phase> {
        let word = |asked: &IntentKey| match asked {
            asked if told.iter().any(|phase| key(*phase) == *asked) => Word::Told,
            asked if begun.iter().any(|phase| key(*phase) == *asked) => Word::Begun,
            _ => Word::Nothing,
        };
        let cases = [(incident(), Case { open, standing })].into_iter();
        notices.wanted(Mono(0), NETWORK, &channel(), cases, word).into_iter().map(|(_, _, notice)| notice.phase).collect()
    }

    #[test]
    fn an_incident_is_told_once_and_its_end_once() {
        let mut notices = Notices::default();
        assert_eq!(wanted(&mut notices, true, Standing::Down, &[], &[]), [Phase::Down]);
        assert_eq!(wanted(&mut notices, true, Standing::Down, &[Phase::Down], &[]), []);
        assert_eq!(wanted(&mut notices, false, Standing::Down, &[Phase::Down], &[]), [Phase::Up]);
        assert_eq!(wanted(&mut notices, false, Standing::Down, &[Phase::Down, Phase::Up], &[]), []);
    }

    #[test]
    fn an_incident_that_ended_before_it_was_told_is_told_and_then_its_end() {
        let mut notices = Notices::default();
        wanted(&mut notices, true, Standing::Down, &[], &[]);
        assert_eq!(wanted(&mut notices, false, Standing::Down, &[], &[]), [Phase::Down]);
        assert_eq!(wanted(&mut notices, false, Standing::Down, &[Phase::Down], &[]), [Phase::Up]);
    }

    #[test]
    fn what_ended_long_ago_is_not_told_to_a_new_channel_or_after_a_restart() {
        assert_eq!(wanted(&mut Notices::default(), false, Standing::Down, &[], &[]), []);
        assert_eq!(wanted(&mut Notices::default(), false, Standing::Down, &[], &[Phase::Down]), [Phase::Down], "but what was begun is");
    }

    #[test]
    fn phases_that_a_channel_does_not_want_are_not_told() {
        assert_eq!(wanted(&mut Notices::default(), true, Standing::Degraded, &[], &[]), []);
    }

    #[test]
    fn a_message_id_is_the_same_in_every_order_of_its_keys() {
        let (a, b) = (IntentKey([1; 32]), IntentKey([2; 32]));
        assert_eq!(message_of(NETWORK, &[a, b]), message_of(NETWORK, &[b, a]));
        assert_ne!(message_of(NETWORK, &[a]), message_of(NETWORK, &[b]));
        assert_ne!(key_of(NETWORK, "ab", &incident(), Phase::Up), key_of(NETWORK, "a", &incident(), Phase::Up));
    }
}
