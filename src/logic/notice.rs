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
    /// How many times this was told before: none for a notice, from one on for reminders.
    pub round: u32,
}

/// What is asked of the parent before something bad is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether it may be told now.
    Tell {
        /// Something else of this incident was told before.
        begun: bool,
    },
    /// Whether it is time for a reminder.
    Remind {
        /// The how manieth.
        round: u32,
        /// The key of what was told before it.
        after: IntentKey,
    },
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
    /// when it opened; either way only if `may` be. A recovery is told once a bad phase was, whatever is silent. Reminders
    /// come while the incident is open, one after the other.
    pub fn wanted(
        &mut self,
        now: Mono,
        network: NetworkId,
        channel: &Channel,
        cases: impl Iterator<Item = (IncidentId, Case)>,
        told: impl Fn(&IntentKey) -> bool,
        mut may: impl FnMut(&IncidentId, Ask) -> bool,
    ) -> Vec<(IntentKey, Mono, Notice)> {
        let mut wanted = Vec::new();
        for (incident, case) in cases {
            let key = |phase| key_of(network, &channel.name, &incident, phase);
            let bad = Phase::of(case.standing);
            let (bad_key, up_key) = (key(bad), key(Phase::Up));
            let begun = || [Phase::Degraded, Phase::Down].into_iter().any(|phase| told(&key(phase)));
            let is_told = told(&bad_key);
            let untold = case.wants && channel.on.contains(&bad) && !is_told && (case.open || case.concerns);
            let next = if untold && may(&incident, Ask::Tell { begun: begun() }) {
                Some((bad_key, bad, 0))
            } else if !case.open {
                let up = channel.on.contains(&Phase::Up) && !told(&up_key) && begun();
                up.then_some((up_key, Phase::Up, 0))
            } else if is_told && case.wants && channel.remind.is_some() {
                let (round, after) = last_of(network, &channel.name, &incident, bad, &told);
                let key = key_of_reminder(network, &channel.name, &incident, bad, round + 1);
                may(&incident, Ask::Remind { round: round + 1, after }).then_some((key, bad, round + 1))
            } else {
                None
            };
            if let Some((key, phase, round)) = next {
                let since = *self.since.entry(key).or_insert(now);
                wanted.push((key, since, Notice { incident, phase, round }));
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

/// The key of a reminder, equal on all nodes: `round` is how many times it was told before.
#[must_use]
pub fn key_of_reminder(network: NetworkId, channel: &str, incident: &IncidentId, phase: Phase, round: u32) -> IntentKey {
    let first = key_of(network, channel, incident, phase);
    if round == 0 {
        return first;
    }
    let mut hasher = blake3::Hasher::new_derive_key("peerwatch reminder 1");
    hasher.update(&first.0).update(&round.to_be_bytes());
    IntentKey(*hasher.finalize().as_bytes())
}

/// Of what was told, how many reminders there were without a gap, and the key of the last.
#[must_use]
pub fn last_of(
    network: NetworkId,
    channel: &str,
    incident: &IncidentId,
    phase: Phase,
    told: impl Fn(&IntentKey) -> bool,
) -> (u32, IntentKey) {
    let key = |round| key_of_reminder(network, channel, incident, phase, round);
    let (mut round, mut last) = (0, key(0));
    loop {
        let next = key(round + 1);
        if !told(&next) {
            return (round, last);
        }
        (round, last) = (round + 1, next);
    }
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
            remind: Some(Span::secs(60)),
            escalate: None,
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
        let told: Vec<IntentKey> = told.iter().map(|phase| key(*phase)).collect();
        asked(case, &told, |ask| matches!(ask, Ask::Tell { .. })).into_iter().map(|(phase, _)| phase).collect()
    }

    fn asked(case: Case, told: &[IntentKey], may: impl Fn(Ask) -> bool) -> Vec<(Phase, u32)> {
        let cases = [(incident(), case)].into_iter();
        let told = |asked: &IntentKey| told.contains(asked);
        let wanted = Notices::default().wanted(Mono(0), NETWORK, &channel(), cases, told, |_, ask| may(ask));
        wanted.into_iter().map(|(_, _, notice)| (notice.phase, notice.round)).collect()
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
    fn what_must_be_quiet_is_not_told_and_its_end_only_if_something_was() {
        let quiet = |case, told: &[IntentKey]| asked(case, told, |_| false);
        assert_eq!(quiet(OPEN, &[]), []);
        assert_eq!(quiet(OVER, &[]), []);
        assert_eq!(quiet(OVER, &[key(Phase::Down)]), [(Phase::Up, 0)]);
        // It was told to be slow, and that it is down was kept back: its end is told all the same.
        assert_eq!(quiet(OVER, &[key(Phase::Degraded)]), [(Phase::Up, 0)]);
        let begun = |ask| matches!(ask, Ask::Tell { begun: true });
        assert_eq!(asked(OPEN, &[key(Phase::Degraded)], begun), [(Phase::Down, 0)]);
        assert_eq!(asked(OPEN, &[], begun), []);
    }

    #[test]
    fn reminders_follow_each_other_and_end_with_the_incident() {
        let reminder = |round| key_of_reminder(NETWORK, "ops", &incident(), Phase::Down, round);
        assert_eq!(reminder(0), key(Phase::Down));
        let all = |_| true;
        assert_eq!(asked(OPEN, &[reminder(0)], all), [(Phase::Down, 1)]);
        assert_eq!(asked(OPEN, &[reminder(0), reminder(1)], all), [(Phase::Down, 2)]);
        // One whose receipt is missing comes before the next.
        assert_eq!(asked(OPEN, &[reminder(0), reminder(2)], all), [(Phase::Down, 1)]);
        assert_eq!(asked(OVER, &[reminder(0), reminder(1)], all), [(Phase::Up, 0)]);
        let after = |ask| matches!(ask, Ask::Remind { round: 2, after } if after == reminder(1));
        assert_eq!(asked(OPEN, &[reminder(0), reminder(1)], after), [(Phase::Down, 2)]);
    }

    #[test]
    fn a_message_id_is_the_same_in_every_order_of_its_keys() {
        let (a, b) = (IntentKey([1; 32]), IntentKey([2; 32]));
        assert_eq!(message_of(NETWORK, &[a, b]), message_of(NETWORK, &[b, a]));
        assert_ne!(message_of(NETWORK, &[a]), message_of(NETWORK, &[b]));
        assert_ne!(key_of(NETWORK, "ab", &incident(), Phase::Up), key_of(NETWORK, "a", &incident(), Phase::Up));
    }
}
