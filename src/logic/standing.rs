//! All nodes' verdicts, folded, and what they amount to.
//!
//! The fold keeps, for each author and target, the last verdict of the author's highest incarnation:
//! a function of the set of entries, whatever their order. What a verdict counts for depends on who
//! is alive and able, which the parent says. Incidents are not known here.

use std::collections::BTreeMap;

use crate::base::fact::Judged;
use crate::base::id::{Incarnation, NodeId, TargetId};
use crate::base::outcome::{Standing, Verdict};
use crate::base::target::Target;

/// Everybody's verdicts.
#[derive(Debug, Default)]
pub struct Standings {
    incarnations: BTreeMap<NodeId, Incarnation>,
    verdicts: BTreeMap<TargetId, BTreeMap<NodeId, Said>>,
}

#[derive(Debug)]
struct Said {
    /// Its place in its author's present life.
    sequence: u64,
    judged: Judged,
}

/// What the verdicts on one target amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The standing.
    pub standing: Standing,
    /// Votes for it.
    pub votes: usize,
    /// Votes counted.
    pub counted: usize,
    /// Some call it bad, but not enough.
    pub partial: bool,
}

impl Standings {
    /// Takes a life of an author: what it said in earlier ones no longer holds. True if that is news.
    pub fn open(&mut self, author: NodeId, incarnation: Incarnation) -> bool {
        if self.incarnations.get(&author).is_some_and(|highest| incarnation <= *highest) {
            return false;
        }
        self.incarnations.insert(author, incarnation);
        for said in self.verdicts.values_mut() {
            said.remove(&author);
        }
        true
    }

    /// Takes one verdict. True if it is another than the one before, and not the same said again.
    pub fn fold(&mut self, author: NodeId, incarnation: Incarnation, sequence: u64, judged: &Judged) -> bool {
        self.open(author, incarnation);
        if self.incarnations.get(&author).is_some_and(|highest| incarnation < *highest) {
            return false;
        }
        let known = self.verdicts.entry(judged.target.clone()).or_default();
        let before = known.get(&author);
        if before.is_some_and(|before| sequence < before.sequence) {
            return false;
        }
        let changed = before.is_none_or(|before| before.judged != *judged);
        known.insert(author, Said { sequence, judged: judged.clone() });
        changed
    }

    /// What an author said up to a place in one of its lives is not in force any more. The targets of
    /// which it said nothing since.
    pub fn forget(&mut self, author: NodeId, incarnation: Incarnation, upto: u64) -> Vec<TargetId> {
        if self.incarnations.get(&author) != Some(&incarnation) {
            return Vec::new();
        }
        let old = |(target, said): (&TargetId, &mut BTreeMap<NodeId, Said>)| {
            said.get(&author).filter(|said| said.sequence <= upto)?;
            said.remove(&author);
            Some(target.clone())
        };
        let forgotten = self.verdicts.iter_mut().filter_map(old).collect();
        self.verdicts.retain(|_, said| !said.is_empty());
        forgotten
    }

    /// What one node says of one target.
    #[must_use]
    pub fn said(&self, target: &TargetId, node: &NodeId) -> Option<&Judged> {
        self.verdicts.get(target)?.get(node).map(|said| &said.judged)
    }

    /// Everything that one node says, in its present incarnation.
    pub fn all_said(&self, node: NodeId) -> impl Iterator<Item = &Judged> {
        self.verdicts.values().filter_map(move |said| said.get(&node)).map(|said| &said.judged)
    }

    /// What the verdicts of these nodes amount to. The caller passes those that are alive and not
    /// isolated, and says whose words are up to date; those unable to look are left out here.
    #[must_use]
    pub fn tally(&self, target: &Target, watchers: &[NodeId], known: impl Fn(&NodeId) -> bool) -> Tally {
        let said = |node: &NodeId| self.said(&target.id, node).filter(|_| known(node));
        let verdict = |node: &NodeId| said(node).map_or(Verdict::Unknown, |judged| judged.verdict);
        let verdicts: Vec<Verdict> = watchers.iter().map(verdict).filter(|verdict| *verdict != Verdict::Unable).collect();
        let count = |wanted: &[Verdict]| verdicts.iter().filter(|verdict| wanted.contains(verdict)).count();
        let counted = verdicts.len();
        let (down, bad) = (count(&[Verdict::Down]), count(&[Verdict::Down, Verdict::Degraded]));
        let (up, unsure) = (count(&[Verdict::Up]), count(&[Verdict::Unknown]));
        let needed = target.quorum.needed(counted);
        let (standing, votes) = if counted == 0 {
            (Standing::Unknown, 0)
        } else if needed <= down {
            (Standing::Down, down)
        } else if needed <= bad {
            (Standing::Degraded, bad)
        } else if up == 0 || (needed <= bad + unsure && up <= unsure) {
            // Those who have not judged yet could still make it bad.
            (Standing::Unknown, unsure)
        } else {
            (Standing::Up, up)
        };
        Tally { standing, votes, counted, partial: 0 < bad && standing == Standing::Up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::{Confirm, Expected, Icmp, Probe, Quorum, Severity, Thresholds, Watchers};
    use crate::base::time::Span;

    fn target(quorum: Quorum) -> Target {
        Target {
            id: TargetId("t".into()),
            group: None,
            probe: Probe::Icmp(Icmp { host: "192.0.2.1".into(), count: 1, gap: Span(200), size: 56 }),
            interval: Span::secs(1),
            timeout: Span::secs(1),
            confirm: Confirm { bad: 3, good: 2 },
            degraded: Thresholds::default(),
            flap: crate::base::target::Flap::OFF,
            watchers: Watchers::All,
            quorum,
            depends: vec![],
            expected: Expected::Always,
            runbook: None,
            severity: Severity::default(),
            reference: false,
        }
    }

    const LIFE: Incarnation = Incarnation { opened: 1, nonce: [0; 16] };

    fn judged(verdict: Verdict) -> Judged {
        Judged { target: TargetId("t".into()), verdict, since: 0, detail: String::new(), time: None, loss: None, last_good: None }
    }

    fn node(n: u8) -> NodeId {
        NodeId([n; 32])
    }

    /// `+` up, `~` degraded, `-` down, `?` unable, `.` not yet judged.
    fn tally(quorum: Quorum, verdicts: &str) -> (Standing, usize, usize, bool) {
        let mut standings = Standings::default();
        let mut watchers = Vec::new();
        for (n, verdict) in (0..).zip(verdicts.chars()) {
            watchers.push(node(n));
            let verdict = match verdict {
                '+' => Verdict::Up,
                '~' => Verdict::Degraded,
                '-' => Verdict::Down,
                '?' => Verdict::Unable,
                _ => continue,
            };
            standings.fold(node(n), LIFE, 1, &judged(verdict));
        }
        let tally = standings.tally(&target(quorum), &watchers, |_| true);
        (tally.standing, tally.votes, tally.counted, tally.partial)
    }

    #[test]
    fn quorums_decide_among_those_who_can_say() {
        use Quorum::{All, Any, Count, Majority};
        assert_eq!(tally(Majority, "--+"), (Standing::Down, 2, 3, false));
        assert_eq!(tally(Majority, "-++"), (Standing::Up, 2, 3, true));
        assert_eq!(tally(Majority, "-~+"), (Standing::Degraded, 2, 3, false));
        assert_eq!(tally(Majority, "-?"), (Standing::Down, 1, 1, false));
        assert_eq!(tally(Any, "-++"), (Standing::Down, 1, 3, false));
        assert_eq!(tally(All, "--+"), (Standing::Up, 1, 3, true));
        assert_eq!(tally(Count(2), "--+++"), (Standing::Down, 2, 5, false));
        assert_eq!(tally(Majority, "??"), (Standing::Unknown, 0, 0, false));
        assert_eq!(tally(Majority, ""), (Standing::Unknown, 0, 0, false));
    }

    #[test]
    fn one_early_verdict_does_not_decide_for_those_who_have_not_judged() {
        assert_eq!(tally(Quorum::Majority, "-.."), (Standing::Unknown, 2, 3, false));
        assert_eq!(tally(Quorum::Majority, "+.."), (Standing::Unknown, 2, 3, false));
        assert_eq!(tally(Quorum::Majority, "++."), (Standing::Up, 2, 3, false));
    }

    #[test]
    fn the_fold_is_the_same_in_every_order() {
        let newer = Incarnation { opened: 9, nonce: [0; 16] };
        let facts = [(LIFE, 1, Verdict::Up), (LIFE, 2, Verdict::Down), (newer, 2, Verdict::Degraded), (newer, 3, Verdict::Up)];
        let orders = [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3], [2, 0, 3, 1]];
        for order in orders {
            let mut standings = Standings::default();
            for n in order {
                let (incarnation, sequence, verdict) = facts[n];
                standings.open(node(1), incarnation);
                standings.fold(node(1), incarnation, sequence, &judged(verdict));
            }
            assert_eq!(standings.said(&TargetId("t".into()), &node(1)), Some(&judged(Verdict::Up)), "{order:?}");
        }
    }

    #[test]
    fn a_new_incarnation_has_said_nothing_yet() {
        let mut standings = Standings::default();
        standings.fold(node(1), LIFE, 2, &judged(Verdict::Down));
        standings.open(node(1), Incarnation { opened: 2, nonce: [0; 16] });
        assert_eq!(standings.said(&TargetId("t".into()), &node(1)), None);
    }

    #[test]
    fn what_was_said_before_a_base_is_forgotten_and_what_was_said_again_is_not() {
        let mut standings = Standings::default();
        let again = Judged { target: TargetId("u".into()), ..judged(Verdict::Up) };
        standings.fold(node(1), LIFE, 2, &judged(Verdict::Down));
        assert!(standings.fold(node(1), LIFE, 3, &again));
        assert!(!standings.fold(node(1), LIFE, 7, &again), "said again is no change");
        standings.fold(node(2), LIFE, 2, &judged(Verdict::Down));
        assert_eq!(standings.forget(node(1), LIFE, 5), [TargetId("t".into())]);
        assert_eq!(standings.said(&TargetId("t".into()), &node(1)), None);
        assert_eq!(standings.said(&again.target, &node(1)), Some(&again));
        assert!(standings.said(&TargetId("t".into()), &node(2)).is_some());
    }
}
