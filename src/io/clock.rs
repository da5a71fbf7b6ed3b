//! The only place that reads a clock.
//!
//! Everything else takes `now` as an argument. Decisions rest on `CLOCK_BOOTTIME`, which goes on
//! while the host sleeps and which nobody can set; the calendar clock is for people. Nothing here
//! waits, and nothing compares the two clocks.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::base::time::{Mono, Now, Wall};

/// Both clocks of this host.
#[must_use]
pub fn now() -> Now {
    let mono = millis(&read(ClockId::CLOCK_BOOTTIME));
    let wall = millis(&read(ClockId::CLOCK_REALTIME));
    Now { mono: Mono(u64::try_from(mono).unwrap_or(0)), wall: Wall(wall) }
}

/// `CLOCK_MONOTONIC` in microseconds, which systemd wants with a notice of reloading.
#[must_use]
pub fn monotonic_usec() -> u64 {
    let time = read(ClockId::CLOCK_MONOTONIC);
    let micros = time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_nsec() / 1000);
    u64::try_from(micros).unwrap_or(0)
}

fn read(clock: ClockId) -> TimeSpec {
    clock_gettime(clock).expect("BUG! Linux has had these clocks since 2.6.39")
}

/// Milliseconds, rounded down; a moment before 1970 is negative.
fn millis(time: &TimeSpec) -> i64 {
    time.tv_sec().saturating_mul(1000).saturating_add(time.tv_nsec() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_and_is_in_milliseconds() {
        let (first, usec) = (now(), monotonic_usec());
        let (second, later) = (now(), monotonic_usec());
        assert!(first.mono <= second.mono && usec <= later);
        assert!(second.mono.since(first.mono).0 < 60_000, "{first:?} {second:?}");
        // After the year 2020 and before 2100, if this host's clock is set.
        assert!((1_577_836_800_000..4_102_444_800_000).contains(&first.wall.0), "{first:?}");
    }

    #[test]
    fn the_monotonic_clock_is_not_ahead_of_the_one_that_counts_sleep() {
        let usec = monotonic_usec();
        assert!(usec / 1000 <= now().mono.0);
    }

    #[test]
    fn moments_before_1970_are_negative() {
        assert_eq!(millis(&TimeSpec::new(-1, 999_000_000)), -1);
        assert_eq!(millis(&TimeSpec::new(2, 1_999_999)), 2001);
    }
}
