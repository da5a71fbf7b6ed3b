//! How full the journal is, told to the node when it matters: at once when it is nearly full, else now and then.
//!
//! It only decides when to tell. What to drop is the node's affair.

use crate::base::time::{Mono, Span};
use crate::logic::input::Input;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    looked: Option<Mono>,
    told: Option<(Mono, u64)>,
}

/// Between two looks.
const LOOK: Span = Span::secs(1);

/// Between two words while there is room.
const TELL: Span = Span::secs(60);

impl Gauge {
    /// Whether it is time to look.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.looked.is_none_or(|looked| LOOK <= now.since(looked))
    }

    /// What the node should hear, when `used` of `size` bytes are taken.
    pub(super) fn read(&mut self, now: Mono, used: u64, size: u64) -> Option<Input> {
        self.looked = Some(now);
        // Less than a thousandth is no news.
        let is_news = |told: u64| (size / 1024).max(1) <= told.abs_diff(used);
        let due = match self.told {
            None => true,
            Some((_, told)) if size / 5 * 4 <= used.max(told) => is_news(told),
            Some((at, told)) => TELL <= now.since(at) && is_news(told),
        };
        due.then(|| {
            self.told = Some((now, used));
            Input::Used(used)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(gauge: &mut Gauge, at: u64, used: u64) -> Option<u64> {
        match gauge.read(Mono(at), used, 1024 * 1000) {
            Some(Input::Used(used)) => Some(used),
            _ => None,
        }
    }

    #[test]
    fn with_room_left_it_speaks_once_a_minute_and_only_of_changes() {
        let mut gauge = Gauge::default();
        assert!(gauge.is_due(Mono(5)));
        assert_eq!(told(&mut gauge, 0, 5000), Some(5000));
        assert!(!gauge.is_due(Mono(999)) && gauge.is_due(Mono(1000)));
        assert_eq!(told(&mut gauge, 59_000, 50_000), None);
        assert_eq!(told(&mut gauge, 60_000, 50_000), Some(50_000));
        assert_eq!(told(&mut gauge, 600_000, 50_999), None);
    }

    #[test]
    fn nearly_full_it_speaks_at_once_and_also_when_it_is_over() {
        let mut gauge = Gauge::default();
        assert_eq!(told(&mut gauge, 0, 5000), Some(5000));
        assert_eq!(told(&mut gauge, 1000, 900_000), Some(900_000));
        assert_eq!(told(&mut gauge, 2000, 900_100), None);
        assert_eq!(told(&mut gauge, 3000, 902_000), Some(902_000));
        assert_eq!(told(&mut gauge, 4000, 100_000), Some(100_000));
        assert_eq!(told(&mut gauge, 5000, 90_000), None);
    }
}
