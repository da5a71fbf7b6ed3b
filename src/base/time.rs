//! Time as plain integers, so that a whole network can be run in a test from a seed.
//!
//! [`Mono`] counts from an arbitrary beginning and only moves forward (`CLOCK_BOOTTIME` on a host);
//! every local timeout is judged by it. [`Wall`] is what people read and is never compared between
//! nodes. This file reads no clock: `io::clock` does.

use std::fmt;
use std::ops::{Add, Sub};

/// A moment on this host's own forward-only clock, in milliseconds from an arbitrary beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub u64);

/// A moment by a host's calendar clock, in milliseconds since 1970-01-01 UTC. For reading only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub i64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u64);

/// A round trip or phase in microseconds; 71 minutes at most, longer ones saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub u32);

/// Both clocks, read once at the start of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For every decision.
    pub mono: Mono,
    /// For reading only.
    pub wall: Wall,
}

impl Mono {
    /// The time passed since `earlier`; zero when `earlier` lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Wall {
    /// The time passed since `earlier`; zero when `earlier` lies ahead, as after a clock step.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// The span as the standard library's type, for the floors that wait.
    #[must_use]
    pub const fn std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// Parses `250ms`, `30s`, `5m`, `2h` or `7d`, or several of them in a row (`1h30m`).
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("\"{text}\" is not a duration; write a number and a unit: ms, s, m, h or d, as in \"30s\"");
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(refuse());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
            let number: u64 = rest[..digits].parse().map_err(|_| refuse())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(refuse()),
            };
            rest = &rest[letters..];
            total = number.checked_mul(unit).and_then(|n| total.checked_add(n)).ok_or_else(refuse)?;
        }
        Ok(Self(total))
    }
}

impl Micros {
    /// A measured duration, saturating.
    #[must_use]
    pub fn of(duration: std::time::Duration) -> Self {
        Self(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX))
    }
}

impl Add<Span> for Mono {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Add<Span> for Wall {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Mul<u64> for Span {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl std::ops::Div<u64> for Span {
    type Output = Self;
    fn div(self, parts: u64) -> Self {
        Self(self.0 / parts)
    }
}

impl fmt::Display for Span {
    /// The two largest units, as people say it: `12m 30s`, `1d 2h`, `250ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
        if self.0 < 1000 {
            return write!(f, "{}ms", self.0);
        }
        let first = UNITS.iter().position(|(unit, _)| *unit <= self.0).unwrap_or(3);
        let (unit, name) = UNITS[first];
        write!(f, "{}{name}", self.0 / unit)?;
        if let Some((smaller, name)) = UNITS.get(first + 1) {
            let rest = self.0 % unit / smaller;
            if 0 < rest {
                write!(f, " {rest}{name}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = f64::from(self.0);
        match self.0 {
            0..1000 => write!(f, "{:.3} ms", micros / 1000.0),
            1000..100_000 => write!(f, "{:.2} ms", micros / 1000.0),
            100_000..10_000_000 => write!(f, "{:.0} ms", micros / 1000.0),
            _ => write!(f, "{:.1} s", micros / 1_000_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_write_as_people_do() {
        for (text, ms) in [("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000)] {
            assert_eq!(Span::parse(text), Ok(Span(ms)), "{text}");
        }
        for bad in ["", "30", "s", "1y", "-1s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
        for (ms, text) in [(250, "250ms"), (30_000, "30s"), (750_000, "12m 30s"), (93_600_000, "1d 2h"), (3_600_000, "1h")] {
            assert_eq!(Span(ms).to_string(), text);
        }
    }

    #[test]
    fn time_that_went_backwards_is_no_time() {
        assert_eq!(Mono(5).since(Mono(9)), Span::ZERO);
        assert_eq!(Wall(5).since(Wall(9)), Span::ZERO);
        assert_eq!(Wall(9).since(Wall(-5)), Span(14));
    }
}
