//! What was measured in a period, compacted for the journal.
//!
//! Each node rolls up its own looks; the period follows its wall clock's five minutes, so that the
//! roll-ups of several nodes can be read side by side. Raw samples are kept apart, by the store.

use std::collections::BTreeMap;

use crate::base::fact::Rollup;
use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};
use crate::base::time::Wall;

/// The period under way.
#[derive(Debug, Default)]
pub struct Rollups {
    period: i64,
    sums: BTreeMap<TargetId, Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    looks: u32,
    good: u32,
    sent: u32,
    received: u32,
    least: u32,
    most: u32,
    total: u64,
    timed: u32,
}

impl Rollups {
    /// Adds a look. A look that could not be made measures nothing.
    pub fn add(&mut self, target: &TargetId, outcome: &Outcome) {
        if outcome.look == Look::Unable {
            return;
        }
        let sum = self.sums.entry(target.clone()).or_default();
        sum.looks += 1;
        sum.good += u32::from(outcome.look != Look::Bad);
        sum.sent += u32::from(outcome.sent);
        sum.received += u32::from(outcome.received);
        if let Some(time) = outcome.time {
            let (least, most) = outcome.spread.map_or((time.0, time.0), |(least, most)| (least.0, most.0));
            sum.least = if sum.timed == 0 { least } else { sum.least.min(least) };
            sum.most = sum.most.max(most);
            sum.total += u64::from(time.0);
            sum.timed += 1;
        }
    }

    /// The roll-ups of the period that has ended, if one has and anything was measured in it; several
    /// when there are too many targets for one entry.
    pub fn turn(&mut self, wall: Wall) -> Vec<Rollup> {
        /// Targets in one roll-up: at some 60 bytes each, well below an entry.
        const TARGETS: usize = 200;
        let length = limits::ROLLUP.0.cast_signed();
        let period = wall.0.div_euclid(length);
        if period == self.period {
            return Vec::new();
        }
        let from = self.period * length;
        self.period = period;
        let sums: Vec<(TargetId, Sum)> = std::mem::take(&mut self.sums).into_iter().collect();
        sums.chunks(TARGETS).map(|sums| columns(from, sums)).collect()
    }
}

fn columns(from: i64, sums: &[(TargetId, Sum)]) -> Rollup {
    let column = |f: fn(&Sum) -> u32| sums.iter().map(|(_, sum)| f(sum)).collect();
    Rollup {
        from,
        length: limits::ROLLUP.0,
        targets: sums.iter().map(|(target, _)| target.clone()).collect(),
        looks: column(|sum| sum.looks),
        good: column(|sum| sum.good),
        sent: column(|sum| sum.sent),
        received: column(|sum| sum.received),
        least: column(|sum| sum.least),
        mean: column(|sum| u32::try_from(sum.total / u64::from(sum.timed.max(1))).unwrap_or(u32::MAX)),
        most: column(|sum| sum.most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Micros;

    #[test]
    fn a_period_is_told_once_when_it_has_ended() {
        let mut rollups = Rollups::default();
        assert_eq!(rollups.turn(Wall(600_000)), []);
        let target = TargetId("t".into());
        for (time, received) in [(Some(10), 2), (Some(30), 1), (None, 0)] {
            let look = if time.is_some() { Look::Good } else { Look::Bad };
            rollups.add(&target, &Outcome { look, sent: 2, received, time: time.map(Micros), ..Outcome::default() });
        }
        rollups.add(&target, &Outcome::unable("no IPv6 here"));
        assert_eq!(rollups.turn(Wall(899_999)), []);
        let rollup = rollups.turn(Wall(900_000)).remove(0);
        assert_eq!((rollup.from, rollup.looks[0], rollup.good[0]), (600_000, 3, 2));
        assert_eq!((rollup.sent[0], rollup.received[0]), (6, 3));
        assert_eq!((rollup.least[0], rollup.mean[0], rollup.most[0]), (10, 20, 30));
        assert_eq!(rollups.turn(Wall(1_200_000)), []);
    }
}
