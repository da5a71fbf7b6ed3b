//! Waiting with a deadline, and the only place of the lab that reads a clock or pauses.
//!
//! A test never sleeps for a guess: it looks until what it waits for is there ([`until`]), or looks
//! for a while that something stays so ([`steady`]).

#![expect(clippy::disallowed_methods, reason = "the lab watches real processes from outside, by the real clock")]

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Whole seconds, for deadlines.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Looks until it finds something, and fails with the last reason when time is up.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) if within < begin.elapsed() => panic!("{what}: not within {} s: {why}", within.as_secs()),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Looks for a while that a condition holds, and fails at the first look at which it does not.
#[track_caller]
pub(crate) fn steady(what: &str, during: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    while begin.elapsed() < during {
        if let Err(why) = look() {
            panic!("{what}: held for {} ms only: {why}", begin.elapsed().as_millis());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Runs something and says how long it took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    (run(), begin.elapsed())
}

/// Milliseconds since 1970, as the SMTP sink stamps its mails.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// `Ok` if both are the same.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, left: &T, right: &T) -> Result<(), String> {
    if left == right { Ok(()) } else { Err(format!("{what} differ:\n{left:?}\n{right:?}")) }
}

/// `Ok` if the condition holds.
pub(crate) fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise()) }
}
