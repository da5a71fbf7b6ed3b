//! This node's looks become its verdicts.
//!
//! A verdict changes when enough looks in a row say so. A bad verdict dates from the first bad look,
//! not from its confirmation. What others say of the same target is not known here.

use std::collections::BTreeMap;

use crate::base::fact::Judged;
use crate::base::id::TargetId;
use crate::base::outcome::{Look, Outcome, Verdict};
use crate::base::target::{Confirm, Target, Thresholds};
use crate::base::time::{Micros, Mono, Now, Wall};

/// This node's verdicts.
#[derive(Debug, Default)]
pub struct Verdicts {
    targets: BTreeMap<TargetId, Bench>,
}

/// One target's case.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    /// The verdict in force.
    pub verdict: Verdict,
    /// Since when.
    pub since: Wall,
    /// What the last look saw.
    pub last: Outcome,
    /// When the last good look was.
    pub last_good: Option<Wall>,
    /// When the last bad look began and ended, in this run.
    pub seen: Option<(Mono, Mono)>,
    /// What the look said that the verdict rests on.
    detail: String,
    downs: u8,
    bads: u8,
    goods: u8,
    mends: u8,
    unables: u8,
    first_bad: Option<Wall>,
}

impl Verdicts {
    /// Takes up what this node last said, after a restart.
    pub fn restore(&mut self, judged: &Judged) {
        let bench = self.targets.entry(judged.target.clone()).or_default();
        bench.verdict = judged.verdict;
        bench.since = Wall(judged.since);
        bench.detail.clone_from(&judged.detail);
        bench.last_good = judged.last_good.map(Wall);
        bench.last.time = judged.time.map(Micros);
    }

    /// Keeps exactly these targets.
    pub fn retain(&mut self, keep: impl Fn(&TargetId) -> bool) {
        self.targets.retain(|id, _| keep(id));
    }

    /// Hears one look that began then. True if the verdict changed.
    pub fn hear(&mut self, Now { mono, wall }: Now, began: Mono, target: &Target, outcome: Outcome) -> bool {
        let bench = self.targets.entry(target.id.clone()).or_default();
        let seen = class(&outcome, target.degraded, bench.verdict == Verdict::Degraded);
        if matches!(seen, Verdict::Down | Verdict::Degraded) {
            bench.seen = Some((began, mono));
        }
        bench.count(seen, wall);
        bench.last = outcome;
        let judged = bench.judge(target.confirm);
        let changed = judged != bench.verdict;
        if changed {
            bench.since = match judged {
                Verdict::Down | Verdict::Degraded if !matches!(bench.verdict, Verdict::Down | Verdict::Degraded) => {
                    bench.first_bad.unwrap_or(wall)
                }
                Verdict::Down | Verdict::Degraded => bench.since,
                Verdict::Up | Verdict::Unknown | Verdict::Unable => wall,
            };
            bench.verdict = judged;
            bench.detail.clone_from(&bench.last.detail);
        }
        changed
    }

    /// Sets a verdict that rests on no look: a node's life. True if it changed.
    pub fn decree(&mut self, wall: Wall, target: &TargetId, verdict: Verdict, detail: &str) -> bool {
        let bench = self.targets.entry(target.clone()).or_default();
        if verdict == Verdict::Up {
            bench.last_good = Some(wall);
        }
        if bench.verdict == verdict {
            return false;
        }
        bench.verdict = verdict;
        bench.since = wall;
        bench.detail = detail.into();
        true
    }

    /// Whether a change is unconfirmed, so that the next look should come sooner.
    #[must_use]
    pub fn unconfirmed(&self, target: &TargetId) -> bool {
        self.targets.get(target).is_some_and(|bench| match bench.verdict {
            Verdict::Up | Verdict::Unknown => 0 < bench.bads,
            Verdict::Degraded => 0 < bench.goods || 0 < bench.downs,
            Verdict::Down => 0 < bench.mends,
            Verdict::Unable => 0 == bench.unables,
        })
    }

    /// One target's case.
    #[must_use]
    pub fn bench(&self, target: &TargetId) -> Option<&Bench> {
        self.targets.get(target)
    }

    /// All cases.
    pub fn all(&self) -> impl Iterator<Item = (&TargetId, &Bench)> {
        self.targets.iter()
    }
}

impl Bench {
    /// The verdict as a fact.
    #[must_use]
    pub fn fact(&self, target: &TargetId) -> Judged {
        let loss = (0 < self.last.sent).then(|| hundredths(self.last.loss()));
        Judged {
            target: target.clone(),
            verdict: self.verdict,
            since: self.since.0,
            detail: self.detail.clone(),
            time: self.last.time.map(|time| time.0),
            loss,
            last_good: self.last_good.map(|wall| wall.0),
        }
    }

    fn count(&mut self, seen: Verdict, wall: Wall) {
        let next = |counter: u8, counts: bool| if counts { counter.saturating_add(1) } else { 0 };
        self.unables = next(self.unables, seen == Verdict::Unable);
        if seen == Verdict::Unable {
            return;
        }
        self.downs = next(self.downs, seen == Verdict::Down);
        self.bads = next(self.bads, seen != Verdict::Up);
        self.goods = next(self.goods, seen == Verdict::Up);
        self.mends = next(self.mends, seen != Verdict::Down);
        if self.bads == 1 {
            self.first_bad = Some(wall);
        }
        if seen != Verdict::Down {
            self.last_good = Some(wall);
        }
    }

    fn judge(&self, confirm: Confirm) -> Verdict {
        let was = self.verdict;
        // The first good look at something new needs no confirmation; a bad one does.
        let good = if matches!(was, Verdict::Unknown | Verdict::Unable) { 1 } else { confirm.good };
        if confirm.bad <= self.unables {
            Verdict::Unable
        } else if 0 < self.unables {
            was
        } else if confirm.bad <= self.downs {
            Verdict::Down
        } else if good <= self.goods {
            Verdict::Up
        } else if was == Verdict::Down {
            if good <= self.mends { Verdict::Degraded } else { was }
        } else if confirm.bad <= self.bads {
            Verdict::Degraded
        } else {
            was
        }
    }
}

/// What is degraded is well again this much below the threshold, so that a value at its edge does not change the verdict
/// with every breath.
const EASE: f32 = 0.9;

/// What one look says by itself, of what was degraded before or not.
#[expect(clippy::cast_precision_loss, reason = "a time in microseconds, compared with nine tenths of another")]
fn class(outcome: &Outcome, thresholds: Thresholds, was_degraded: bool) -> Verdict {
    let ease = if was_degraded { EASE } else { 1.0 };
    match outcome.look {
        Look::Unable => Verdict::Unable,
        Look::Bad => Verdict::Down,
        Look::Poor => Verdict::Degraded,
        Look::Good => {
            let lossy = thresholds.loss.is_some_and(|limit| limit * ease <= outcome.loss() && 0.0 < outcome.loss());
            let slow = thresholds.rtt.is_some_and(|limit| outcome.time.is_some_and(|time| limit.0 as f32 * ease < time.0 as f32));
            if lossy || slow { Verdict::Degraded } else { Verdict::Up }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
fn hundredths(share: f32) -> u16 {
    (share.clamp(0.0, 1.0) * 10_000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::{Expected, Icmp, Probe, Quorum, Watchers};
    use crate::base::time::Span;
    use expect_test::{Expect, expect};

    /// `+` good, `=` just below the threshold, `~` slow, `-` bad, `?` unable; one look a second.
    fn check(story: &str, expected: &Expect) {
        let target = Target {
            id: TargetId("t".into()),
            group: None,
            probe: Probe::Icmp(Icmp { host: "192.0.2.1".into(), count: 1, gap: Span(200), size: 56 }),
            interval: Span::secs(1),
            timeout: Span::secs(1),
            confirm: Confirm { bad: 3, good: 2 },
            degraded: Thresholds { loss: Some(0.5), rtt: Some(Micros(1000)) },
            flap: crate::base::target::Flap::OFF,
            watchers: Watchers::All,
            quorum: Quorum::Majority,
            depends: vec![],
            expected: Expected::Always,
            runbook: None,
            severity: crate::base::target::Severity::default(),
            reference: false,
        };
        let mut verdicts = Verdicts::default();
        let mut told = String::new();
        for (second, look) in story.chars().enumerate() {
            let good = |micros| Outcome { look: Look::Good, sent: 1, received: 1, time: Some(Micros(micros)), ..Outcome::default() };
            let outcome = match look {
                '+' => good(500),
                '~' => good(5000),
                '=' => good(950),
                '-' => Outcome::bad("no answer"),
                _ => Outcome::unable("no IPv6 here"),
            };
            let now = Now { mono: Mono(second as u64 * 1000), wall: Wall(i64::try_from(second).unwrap()) };
            if verdicts.hear(now, now.mono, &target, outcome) {
                let bench = verdicts.bench(&target.id).unwrap();
                told += &format!("{second}:{} since {} ", bench.verdict.word(), bench.since.0);
            }
        }
        expected.assert_eq(told.trim_end());
    }

    #[test]
    fn a_bad_verdict_is_confirmed_and_dates_from_the_first_bad_look() {
        check("++---++", &expect!["0:up since 0 4:down since 2 6:up since 6"]);
    }

    #[test]
    fn single_losses_and_single_answers_change_nothing() {
        check("+-+--+-+--+", &expect!["0:up since 0"]);
        check("+---+-+--+", &expect!["0:up since 0 3:down since 1"]);
    }

    #[test]
    fn something_new_is_up_at_once_and_down_when_confirmed() {
        check("---", &expect!["2:down since 0"]);
        check("+", &expect!["0:up since 0"]);
    }

    #[test]
    fn slowness_degrades_and_worsens_and_mends() {
        check("+~~~---~~++", &expect!["0:up since 0 3:degraded since 1 6:down since 1 8:degraded since 1 10:up since 10"]);
    }

    #[test]
    fn a_time_at_the_edge_of_the_threshold_changes_nothing_either_way() {
        check("+=~=~=~==", &expect!["0:up since 0"]);
        check("+~~~=~==~====++", &expect!["0:up since 0 3:degraded since 1 14:up since 14"]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_neither_good_nor_bad() {
        check("+???+", &expect!["0:up since 0 3:unable since 3 4:up since 4"]);
        check("+--?-", &expect!["0:up since 0 4:down since 1"]);
    }
}
