//! What was measured in a period, compacted for the journal.
//!
//! Each node rolls up its own looks; the period follows its wall clock's five minutes, so that the
//! roll-ups of several nodes can be read side by side. Hours and days are made of what was written
//! for five minutes, so a node that restarts goes on with the hour and the day under way from its own
//! journal. Raw samples are kept apart, by the store; on which lane a roll-up goes is not known here.

use std::collections::{BTreeMap, VecDeque};

use crate::base::fact::Rollup;
use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};
use crate::base::time::{Span, Wall};

/// The periods under way.
#[derive(Debug)]
pub struct Rollups {
    period: i64,
    sums: BTreeMap<TargetId, Sum>,
    /// Five minutes that have ended and are not written.
    ready: VecDeque<Rollup>,
    /// What was handed out last, until it is known to be written.
    taken: Vec<Rollup>,
    longer: [Longer; 2],
    /// When the newest five minutes that were read from the journal begin.
    newest: Option<i64>,
}

/// A longer period under way.
#[derive(Debug)]
struct Longer {
    length: Span,
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

impl Default for Rollups {
    fn default() -> Self {
        let longer = [limits::ROLLUP_HOUR, limits::ROLLUP_DAY].map(Longer::new);
        Self { period: 0, sums: BTreeMap::new(), ready: VecDeque::new(), taken: Vec::new(), longer, newest: None }
    }
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
            sum.time(least, most, u64::from(time.0), 1);
        }
    }

    /// Ends the five minutes under way when they are over. What cannot be written waits, a day's worth.
    pub fn turn(&mut self, wall: Wall) {
        let period = wall.0.div_euclid(limits::ROLLUP.0.cast_signed());
        if period == self.period {
            return;
        }
        self.ready.extend(columns(self.period, limits::ROLLUP, std::mem::take(&mut self.sums)));
        self.period = period;
        let excess = self.ready.len().saturating_sub(limits::ROLLUPS_WAITING);
        self.ready.drain(..excess);
    }

    /// The roll-ups to be written now: of five minutes, hours and days that have ended and in which anything
    /// was measured; several for one period when there are too many targets for one entry.
    pub fn take(&mut self, wall: Wall) -> Vec<Rollup> {
        self.taken = self.ready.drain(..).collect();
        let mut rollups = self.taken.clone();
        for longer in &mut self.longer {
            for minutes in &self.taken {
                rollups.extend(longer.end(minutes.from));
                longer.add(minutes);
            }
            rollups.extend(longer.end(wall.0));
        }
        rollups
    }

    /// What was taken last was not written. The hour and the day are to be read again from the journal.
    pub fn undo(&mut self) {
        for rollup in std::mem::take(&mut self.taken).into_iter().rev() {
            self.ready.push_front(rollup);
        }
    }

    /// What was taken last was written.
    pub fn wrote(&mut self) {
        self.taken.clear();
    }

    /// The journal is read again: the hour and the day are what it says.
    pub fn forget(&mut self) {
        self.longer = [limits::ROLLUP_HOUR, limits::ROLLUP_DAY].map(Longer::new);
        self.newest = None;
    }

    /// Takes a roll-up that this node wrote for five minutes, the older before the newer.
    pub fn recall(&mut self, rollup: &Rollup) {
        if rollup.length == limits::ROLLUP.0 {
            self.newest = self.newest.max(Some(rollup.from));
            for longer in &mut self.longer {
                // Whatever ended before newer minutes were written was written with them.
                drop(longer.end(rollup.from));
                longer.add(rollup);
            }
        }
    }

    /// The journal was read to its end.
    pub fn recalled(&mut self) {
        let Some(newest) = self.newest else { return };
        for longer in &mut self.longer {
            // A period is written together with its last five minutes. If those are missing, so is the period.
            drop(longer.end(newest + limits::ROLLUP.0.cast_signed()));
        }
    }
}

impl Longer {
    const fn new(length: Span) -> Self {
        Self { length, period: 0, sums: BTreeMap::new() }
    }

    /// The roll-ups of the period under way, if it is another than the one of this moment.
    fn end(&mut self, at: i64) -> Vec<Rollup> {
        let period = at.div_euclid(self.length.0.cast_signed());
        let ended = std::mem::replace(&mut self.period, period);
        if ended == period { Vec::new() } else { columns(ended, self.length, std::mem::take(&mut self.sums)) }
    }

    fn add(&mut self, minutes: &Rollup) {
        for (row, target) in minutes.targets.iter().enumerate() {
            let cell = |column: &[u32]| column.get(row).copied().unwrap_or(0);
            let sum = self.sums.entry(target.clone()).or_default();
            sum.looks = sum.looks.saturating_add(cell(&minutes.looks));
            sum.good = sum.good.saturating_add(cell(&minutes.good));
            sum.sent = sum.sent.saturating_add(cell(&minutes.sent));
            sum.received = sum.received.saturating_add(cell(&minutes.received));
            let (good, most) = (cell(&minutes.good), cell(&minutes.most));
            if 0 < most && 0 < good {
                // How many looks were timed is not written; it is as many as were good, or nearly.
                sum.time(cell(&minutes.least), most, u64::from(cell(&minutes.mean)) * u64::from(good), good);
            }
        }
    }
}

impl Sum {
    fn time(&mut self, least: u32, most: u32, total: u64, timed: u32) {
        self.least = if self.timed == 0 { least } else { self.least.min(least) };
        self.most = self.most.max(most);
        self.total += total;
        self.timed = self.timed.saturating_add(timed);
    }
}

/// The roll-ups of one period.
fn columns(period: i64, length: Span, sums: BTreeMap<TargetId, Sum>) -> Vec<Rollup> {
    /// Targets in one roll-up: at some 60 bytes each, well below an entry.
    const TARGETS: usize = 200;
    let sums: Vec<(TargetId, Sum)> = sums.into_iter().collect();
    sums.chunks(TARGETS).map(|sums| rollup(period * length.0.cast_signed(), length, sums)).collect()
}

fn rollup(from: i64, length: Span, sums: &[(TargetId, Sum)]) -> Rollup {
    let column = |f: fn(&Sum) -> u32| sums.iter().map(|(_, sum)| f(sum)).collect();
    Rollup {
        from,
        length: length.0,
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

    const MINUTES: i64 = 60_000;

    fn look(rollups: &mut Rollups, time: u32) {
        let outcome = Outcome { look: Look::Good, sent: 2, received: 2, time: Some(Micros(time)), ..Outcome::default() };
        rollups.add(&TargetId("t".into()), &outcome);
    }

    fn take(rollups: &mut Rollups, wall: i64) -> Vec<Rollup> {
        rollups.turn(Wall(wall));
        rollups.take(Wall(wall))
    }

    /// A look in each five minutes from `from` on, in minutes; what was written.
    fn run(rollups: &mut Rollups, from: i64, until: i64) -> Vec<Rollup> {
        let mut written = Vec::new();
        for minute in (from..until).step_by(5) {
            written.extend(take(rollups, minute * MINUTES));
            look(rollups, 10);
            rollups.wrote();
        }
        written
    }

    fn of_length(rollups: &[Rollup], length: Span) -> Vec<(i64, u32)> {
        rollups.iter().filter(|rollup| rollup.length == length.0).map(|rollup| (rollup.from / MINUTES, rollup.looks[0])).collect()
    }

    #[test]
    fn a_period_is_told_once_when_it_has_ended() {
        let mut rollups = Rollups::default();
        assert_eq!(take(&mut rollups, 600_000), []);
        let target = TargetId("t".into());
        for (time, received) in [(Some(10), 2), (Some(30), 1), (None, 0)] {
            let look = if time.is_some() { Look::Good } else { Look::Bad };
            rollups.add(&target, &Outcome { look, sent: 2, received, time: time.map(Micros), ..Outcome::default() });
        }
        rollups.add(&target, &Outcome::unable("no IPv6 here"));
        assert_eq!(take(&mut rollups, 899_999), []);
        let rollup = take(&mut rollups, 900_000).remove(0);
        assert_eq!((rollup.from, rollup.looks[0], rollup.good[0]), (600_000, 3, 2));
        assert_eq!((rollup.sent[0], rollup.received[0]), (6, 3));
        assert_eq!((rollup.least[0], rollup.mean[0], rollup.most[0]), (10, 20, 30));
        assert_eq!(take(&mut rollups, 1_200_000), []);
    }

    #[test]
    fn hours_and_days_are_made_of_minutes() {
        let mut rollups = Rollups::default();
        let written = run(&mut rollups, 0, 2 * 1440 + 65);
        assert_eq!(of_length(&written, limits::ROLLUP).len(), 2 * 288 + 12);
        let hours = of_length(&written, limits::ROLLUP_HOUR);
        assert!(hours.len() == 49 && hours.iter().all(|(_, looks)| *looks == 12), "{hours:?}");
        assert_eq!(of_length(&written, limits::ROLLUP_DAY), [(0, 288), (1440, 288)]);
        let day = written.iter().find(|rollup| rollup.length == limits::ROLLUP_DAY.0).unwrap();
        assert_eq!((day.least[0], day.mean[0], day.most[0]), (10, 10, 10));
    }

    #[test]
    fn a_restart_goes_on_with_the_hour_and_the_day_under_way_and_repeats_nothing() {
        // Stopped in the middle of an hour and back in the same, in the next, on the next day; and right after an hour.
        for (stop, back) in [(1000, 1010), (1000, 1030), (1000, 1600), (1025, 1025), (1025, 1100)] {
            let mut written = run(&mut Rollups::default(), 0, stop);
            let mut rollups = Rollups::default();
            written.iter().for_each(|rollup| rollups.recall(rollup));
            rollups.recalled();
            written.extend(run(&mut rollups, back, 3 * 1440 + 5));
            // The five minutes under way when it stopped are lost.
            let looks = |length| of_length(&written, length).iter().map(|(_, looks)| looks).sum::<u32>();
            let measured = looks(limits::ROLLUP);
            assert_eq!((looks(limits::ROLLUP_HOUR), looks(limits::ROLLUP_DAY)), (measured, measured), "{stop} {back}");
            for length in [limits::ROLLUP_HOUR, limits::ROLLUP_DAY] {
                let periods = of_length(&written, length);
                assert!(periods.is_sorted_by(|a, b| a.0 < b.0), "{stop} {back} {periods:?}");
            }
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let mut rollups = Rollups::default();
        let mut written = run(&mut rollups, 0, 60);
        // The last five minutes of the hour, and with them the hour, are lost with their turn.
        assert_eq!(take(&mut rollups, 60 * MINUTES).len(), 2);
        rollups.undo();
        rollups.forget();
        written.iter().for_each(|rollup| rollups.recall(rollup));
        rollups.recalled();
        for minute in [65, 70] {
            look(&mut rollups, 10);
            rollups.turn(Wall(minute * MINUTES));
        }
        written.extend(rollups.take(Wall(70 * MINUTES)));
        assert_eq!(of_length(&written, limits::ROLLUP).len(), 14);
        assert_eq!(of_length(&written, limits::ROLLUP_HOUR), [(0, 12)]);
    }
}
