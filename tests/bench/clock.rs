//! The clock of what is measured, and pauses too short for the lab.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::time::{Duration, Instant};

/// Time that passes, in seconds.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// The shortest pause that leaves the processor to others.
pub(crate) fn blink() {
    std::thread::sleep(Duration::from_micros(100));
}

/// Looks in very short steps until something is so.
#[track_caller]
pub(crate) fn closely(what: &str, within: Duration, mut look: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !look() {
        assert!(begin.elapsed() < within, "{what}: not within {} s", within.as_secs());
        std::thread::sleep(Duration::from_millis(2));
    }
}
