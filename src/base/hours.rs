//! Hours of the week in a time zone: `Mon-Fri 08:00-18:00`.
//!
//! Whether a moment lies within them follows from the moment and the rules of the zone alone. The rules come
//! with the program, not from the host, so that all nodes of one version decide alike; no clock is read here.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{AmbiguousTimestamp, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::base::time::Wall;

/// Hours of the week in a zone. The end does not belong to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// At least one.
    stretches: Vec<Stretch>,
    zone: TimeZone,
    /// As it was written: the stretches, and the zone.
    written: (Vec<String>, String),
}

/// Some days, and on each of them from one minute of the day to another; over midnight when the end comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    /// From Monday.
    days: [bool; 7],
    from: u16,
    to: u16,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const WHOLE_DAY: u16 = 24 * 60;

impl Hours {
    /// Reads stretches as `Mon-Fri 08:00-18:00`, `Sat,Sun` or `22:00-06:00`, in a zone as `Europe/Berlin`.
    ///
    /// # Errors
    /// The number of the stretch and a sentence for the person who wrote it; without a number it is the zone.
    pub fn parse(stretches: &[&str], zone: &str) -> Result<Self, (Option<usize>, String)> {
        let read = |(index, text): (usize, &&str)| Stretch::parse(text).map_err(|why| (Some(index), why));
        let found = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| (None, format!("\"{zone}\" is no time zone; write its name as in \"Europe/Berlin\", or \"UTC\"")))?;
        Ok(Self {
            stretches: stretches.iter().enumerate().map(read).collect::<Result<_, _>>()?,
            zone: found,
            written: (stretches.iter().map(|text| (*text).to_owned()).collect(), zone.to_owned()),
        })
    }

    /// Whether a moment lies within them. A moment that no calendar has does, so that nothing is kept from people.
    #[must_use]
    pub fn contain(&self, moment: Wall) -> bool {
        let Ok(moment) = Timestamp::from_millisecond(moment.0) else { return true };
        let local = moment.to_zoned(self.zone.clone()).datetime();
        let minute = minute_of(local.time());
        let day = day_of(local.date().weekday());
        let before = (day + 6) % 7;
        self.stretches.iter().any(|Stretch { days, from, to }| {
            if from < to {
                days[day] && (*from..*to).contains(&minute)
            } else {
                // The part after midnight belongs to the day on which it began.
                days[day] && *from <= minute || days[before] && minute < *to
            }
        })
    }

    /// Whether a moment lies between the beginning and the end of a stretch, each taken for itself where the clocks of the
    /// zone change. So a stretch is one piece and never shorter than it is written: an hour that the clocks pass twice
    /// belongs to it both times, and one that they leave out is made up for after the end. A moment that no calendar has
    /// does not lie in any.
    #[must_use]
    pub fn span(&self, moment: Wall) -> bool {
        let Ok(moment) = Timestamp::from_millisecond(moment.0) else { return false };
        let today = moment.to_zoned(self.zone.clone()).datetime().date();
        // What began the day before may last until now, and with what is made up for a little longer.
        let days = [today.checked_sub(2.days()), today.yesterday(), Ok(today)];
        days.into_iter().flatten().any(|day| self.stretches.iter().any(|stretch| stretch.holds(day, &self.zone, moment)))
    }

    /// As they were written: the stretches, and the zone.
    #[must_use]
    pub fn written(&self) -> (&[String], &str) {
        (&self.written.0, &self.written.1)
    }
}

impl Stretch {
    fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("\"{text}\" are no hours; write them as in \"Mon-Fri 08:00-18:00\", \"Sat,Sun\" or \"22:00-06:00\"");
        let mut words = text.split_whitespace();
        let (first, second) = (words.next().ok_or_else(refuse)?, words.next());
        if words.next().is_some() {
            return Err(refuse());
        }
        let (days, times) = match second {
            Some(times) => (Some(first), Some(times)),
            None if first.contains(':') => (None, Some(first)),
            None => (Some(first), None),
        };
        let days = days.map_or(Some([true; 7]), days_of).ok_or_else(refuse)?;
        let (from, to) = times.map_or(Some((0, WHOLE_DAY)), times_of).ok_or_else(refuse)?;
        if from == to {
            return Err(format!("\"{text}\" begins when it ends; leave the times out for whole days"));
        }
        Ok(Self { days, from, to })
    }
}

impl Stretch {
    /// Whether a moment lies in the stretch that begins on a day, if one does.
    fn holds(&self, day: Date, zone: &TimeZone, moment: Timestamp) -> bool {
        let at = |minute: u16| {
            let (days, minute) = (i64::from(minute / WHOLE_DAY), i64::from(minute % WHOLE_DAY));
            let midnight = day.checked_add(days.days()).ok()?.to_datetime(Time::midnight());
            Some(zone.to_ambiguous_timestamp(midnight.checked_add(minute.minutes()).ok()?))
        };
        // What is left out begins when the clocks have jumped, and what happens twice the first time.
        let begin = |at: AmbiguousTimestamp| at.compatible().ok();
        if !self.days[day_of(day.weekday())] {
            return false;
        }
        let to = if self.from < self.to { self.to } else { self.to + WHOLE_DAY };
        let (from, end) = (at(self.from).and_then(begin), at(to).and_then(|at| at.later().ok()));
        let (Some(from), Some(end)) = (from, end) else { return false };
        let written = SignedDuration::from_mins(i64::from(to - self.from));
        let end = from.checked_add(written).map_or(end, |least| end.max(least));
        from <= moment && moment < end
    }
}

/// `Mon`, `Mon-Fri`, `Sat,Sun`; a range may pass the end of the week.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(part)?, day(part)?),
        };
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|step| days[(first + step) % 7] = true);
    }
    Some(days)
}

/// `08:00-18:00`, in minutes of the day.
fn times_of(text: &str) -> Option<(u16, u16)> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= WHOLE_DAY).then_some(hour * 60 + minute)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from < WHOLE_DAY).then_some((from, to))
}

fn minute_of(time: Time) -> u16 {
    u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).unwrap_or(0)
}

fn day_of(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments in UTC, and whether the hours contain them.
    fn check(hours: &[&str], zone: &str, moments: &[(&str, bool)]) {
        let hours = Hours::parse(hours, zone).unwrap();
        for (text, within) in moments {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!(hours.contain(Wall(moment.as_millisecond())), *within, "{text} in {:?}", hours.written());
        }
    }

    #[test]
    fn the_beginning_belongs_to_them_and_the_end_does_not() {
        // 2026-11-20 is a Friday.
        let moments = [
            ("2026-11-20T07:59:59Z", false),
            ("2026-11-20T08:00:00Z", true),
            ("2026-11-20T17:59:59Z", true),
            ("2026-11-20T18:00:00Z", false),
            ("2026-11-21T12:00:00Z", false),
        ];
        check(&["Mon-Fri 08:00-18:00"], "UTC", &moments);
        check(&["sat,Sun"], "UTC", &[("2026-11-21T00:00:00Z", true), ("2026-11-22T23:59:59Z", true), ("2026-11-23T00:00:00Z", false)]);
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_began() {
        let moments = [
            ("2026-11-20T21:59:00Z", false),
            ("2026-11-20T22:00:00Z", true),
            ("2026-11-21T05:59:00Z", true),
            ("2026-11-21T06:00:00Z", false),
            ("2026-11-21T22:00:00Z", false),
        ];
        check(&["Fri 22:00-06:00"], "UTC", &moments);
        check(&["22:00-06:00"], "UTC", &[("2026-11-18T03:00:00Z", true), ("2026-11-18T12:00:00Z", false)]);
        check(&["Sun 22:00-06:00"], "UTC", &[("2026-11-23T01:00:00Z", true)]);
    }

    #[test]
    fn hours_follow_the_clocks_of_their_zone_when_these_change() {
        // Berlin leaves summer time on 2026-10-25: 08:00 is 06:00 UTC before, 07:00 UTC after.
        let moments = [
            ("2026-10-23T06:00:00Z", true),
            ("2026-10-23T05:59:00Z", false),
            ("2026-10-26T06:30:00Z", false),
            ("2026-10-26T07:00:00Z", true),
        ];
        check(&["08:00-18:00"], "Europe/Berlin", &moments);
    }

    #[test]
    fn a_span_is_one_piece_and_as_long_as_written_when_the_clocks_change() {
        let spans = |hours: &str, moments: &[(&str, bool)]| {
            let hours = Hours::parse(&[hours], "Europe/Berlin").unwrap();
            for (text, within) in moments {
                let moment: Timestamp = text.parse().unwrap();
                assert_eq!(hours.span(Wall(moment.as_millisecond())), *within, "{text} in {:?}", hours.written());
            }
        };
        // On 2026-03-29 it is 03:00 summer time (01:00 UTC) right after 01:59; the hour from two to three does not happen.
        let left_out = [
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", true),
            ("2026-03-29T01:59:59Z", true),
            ("2026-03-29T02:00:00Z", false),
        ];
        spans("Sun 02:00-03:00", &left_out);
        spans("Sun 01:30-03:30", &[("2026-03-29T00:30:00Z", true), ("2026-03-29T02:29:59Z", true), ("2026-03-29T02:30:00Z", false)]);
        // On 2026-10-25 the hour from two to three happens twice, from 00:00 to 02:00 UTC.
        let twice = [
            ("2026-10-24T23:29:59Z", false),
            ("2026-10-24T23:30:00Z", true),
            ("2026-10-25T00:45:00Z", true),
            ("2026-10-25T01:29:59Z", true),
            ("2026-10-25T01:30:00Z", false),
        ];
        spans("Sun 01:30-02:30", &twice);
        spans("Sun 02:00-03:00", &[("2026-10-25T00:00:00Z", true), ("2026-10-25T01:59:59Z", true), ("2026-10-25T02:00:00Z", false)]);
        // Over midnight, and on a day like any.
        spans("Sat 23:00-02:30", &[("2026-10-24T21:00:00Z", true), ("2026-10-25T01:29:59Z", true), ("2026-10-25T01:30:00Z", false)]);
        spans("Tue 02:00-04:00", &[("2026-11-17T01:00:00Z", true), ("2026-11-17T03:00:00Z", false), ("2026-11-18T01:30:00Z", false)]);
        spans("Tue", &[("2026-11-16T23:00:00Z", true), ("2026-11-17T22:59:59Z", true), ("2026-11-17T23:00:00Z", false)]);
    }

    #[test]
    fn several_stretches_add_up_and_weeks_go_round() {
        check(&["Mon 08:00-09:00", "Fri"], "UTC", &[("2026-11-20T03:00:00Z", true), ("2026-11-23T08:30:00Z", true)]);
        check(&["Sat-Mon"], "UTC", &[("2026-11-23T08:30:00Z", true), ("2026-11-20T08:30:00Z", false)]);
        check(&["00:00-24:00"], "UTC", &[("2026-11-23T23:59:59Z", true)]);
    }

    #[test]
    fn what_are_no_hours_is_refused_by_number() {
        for bad in ["", "Mo", "Mon-", "08:00", "8:00-18:00", "08:00-25:00", "08:60-09:00", "Mon 08:00-18:00 x", "24:00-06:00", "Mon Tue"] {
            let refused = Hours::parse(&["Mon", bad], "UTC");
            assert!(matches!(&refused, Err((Some(1), why)) if why.contains("Mon-Fri 08:00-18:00")), "{bad}: {refused:?}");
        }
        assert!(Hours::parse(&["08:00-08:00"], "UTC").unwrap_err().1.contains("leave the times out"));
        assert!(matches!(Hours::parse(&["Mon"], "Europe/Berln"), Err((None, _))));
    }
}
