//! One look and what it saw; the judgements made of looks.
//!
//! An [`Outcome`] is what `io::probe` returns. Whether it changes anything is decided by
//! `logic::verdict`.

use minicbor::{CborLen, Decode, Encode};

use crate::base::id::TargetId;
use crate::base::target::Probe;
use crate::base::time::{Micros, Span};

/// One look that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Names the look, so that its outcome finds its way back; unique while the node runs.
    pub id: u64,
    /// What is looked at; for a ping request, the host asked about.
    pub target: TargetId,
    /// How.
    pub probe: Probe,
    /// When to give up.
    pub timeout: Span,
}

/// What a look saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Good, bad or not possible.
    pub look: Look,
    /// Packets or attempts sent.
    pub sent: u16,
    /// Answers received.
    pub received: u16,
    /// The typical time: the mean round trip, or the whole time of a TCP or HTTP look.
    pub time: Option<Micros>,
    /// Fastest and slowest answer, where there are several.
    pub spread: Option<(Micros, Micros)>,
    /// Time by phase, in order (`resolve`, `connect`, `tls`, `first byte`, `total`), where known.
    pub phases: Vec<(&'static str, Micros)>,
    /// What was looked at is on the same wire as whoever looked; only looks at references find that out.
    pub near: bool,
    /// Days until the certificate expires, where one was seen.
    pub certificate_days: Option<i32>,
    /// What was seen, in one short line for people; at most [`crate::base::limits::DETAIL`] bytes.
    pub detail: String,
}

/// What became of a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// It answered as it should.
    Good,
    /// It answered as it should, but something asks for attention (a certificate near its end).
    Poor,
    /// It did not.
    Bad,
    /// It could not be looked at from here: shown, never a vote.
    #[default]
    Unable,
}

impl Outcome {
    /// A look that failed.
    #[must_use]
    pub fn bad(detail: impl Into<String>) -> Self {
        Self { look: Look::Bad, sent: 1, detail: clip(detail.into()), ..Self::default() }
    }

    /// A look that could not be made from here.
    #[must_use]
    pub fn unable(detail: impl Into<String>) -> Self {
        Self { look: Look::Unable, detail: clip(detail.into()), ..Self::default() }
    }

    /// The share of packets without answer, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f32 {
        if self.sent == 0 { 0.0 } else { f32::from(self.sent - self.received.min(self.sent)) / f32::from(self.sent) }
    }
}

/// One node's judgement of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Verdict {
    /// Not yet confirmed either way.
    #[n(0)]
    #[default]
    Unknown,
    /// Answers as it should.
    #[n(1)]
    Up,
    /// Answers, but beyond a threshold.
    #[n(2)]
    Degraded,
    /// Does not answer as it should.
    #[n(3)]
    Down,
    /// Cannot be looked at from here: never a vote.
    #[n(4)]
    Unable,
}

impl Verdict {
    /// The word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unable => "unable",
        }
    }
}

/// All watchers' verdicts on a target, folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Standing {
    /// No watcher can say.
    #[n(0)]
    #[default]
    Unknown,
    /// Enough watchers call it neither degraded nor down.
    #[n(1)]
    Up,
    /// Enough watchers call it at least degraded.
    #[n(2)]
    Degraded,
    /// Enough watchers call it down.
    #[n(3)]
    Down,
    /// Not judged now: in maintenance.
    #[n(4)]
    Held,
}

impl Standing {
    /// The word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Held => "held",
        }
    }

    /// Whether it opens an incident.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Degraded | Self::Down)
    }
}

/// Cuts a line from outside to [`crate::base::limits::DETAIL`] bytes and makes it one printable line.
#[must_use]
pub fn clip(text: String) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if crate::base::limits::DETAIL < line.len() {
        let mut end = crate::base::limits::DETAIL - 3;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::DETAIL;

    #[test]
    fn details_from_outside_are_one_bounded_line() {
        let clipped = clip("é\n\u{1b}[31m".repeat(500));
        assert!(clipped.len() <= DETAIL && !clipped.chars().any(char::is_control), "{clipped}");
        assert_eq!(clip("connection refused".into()), "connection refused");
    }

    #[test]
    fn loss_is_a_share() {
        let outcome = Outcome { sent: 4, received: 3, ..Outcome::default() };
        assert!((outcome.loss() - 0.25).abs() < f32::EPSILON);
        assert!(Outcome::default().loss() < f32::EPSILON);
    }
}
