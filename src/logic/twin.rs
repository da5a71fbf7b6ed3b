//! Whether this node's key lives twice.
//!
//! Peers tell a node of heartbeats of its own key in another life. A life that was lost is only
//! remembered: its counter stands still, however often it is told. A life whose counter goes on is lived by
//! somebody: the key was copied, with a disk or a virtual machine. Two peers may remember a lost life
//! at different places, so one step is no proof; a second one after a heartbeat's time is. What follows
//! from it is the parent's decision.

use std::collections::BTreeMap;

use crate::base::id::Incarnation;
use crate::base::time::{Mono, Span};

/// Other lives of this node's key.
#[derive(Debug, Default)]
pub struct Twins {
    lives: BTreeMap<Incarnation, Seen>,
}

#[derive(Debug)]
struct Seen {
    counter: u64,
    /// When the counter last went on.
    at: Mono,
    steps: u32,
    told: bool,
}

/// What is known of another life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// As far as is known it is over.
    Lost,
    /// Somebody lives it, and this is the first time that it is known.
    Found,
    /// Somebody lives it, as was known.
    Lives,
}

/// Lives that are remembered; only the holders of this node's key can make one.
const LIVES: usize = 64;

impl Twins {
    /// A heartbeat of this node's key came, of a life that is not this node's. `every` is the time between
    /// two heartbeats of one node.
    pub fn heard(&mut self, now: Mono, life: Incarnation, counter: u64, every: Span) -> Other {
        if LIVES <= self.lives.len() && !self.lives.contains_key(&life) {
            self.lives.pop_first();
        }
        let seen = self.lives.entry(life).or_insert(Seen { counter, at: now, steps: 0, told: false });
        if seen.counter < counter {
            // What comes right after the last one may be another peer's memory.
            if Span(every.0 / 2) <= now.since(seen.at) {
                seen.steps += 1;
                seen.at = now;
            }
            seen.counter = counter;
        }
        match (2 <= seen.steps, std::mem::replace(&mut seen.told, 2 <= seen.steps)) {
            (false, _) => Other::Lost,
            (true, false) => Other::Found,
            (true, true) => Other::Lives,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Span = Span::secs(2);

    fn life(opened: u64) -> Incarnation {
        Incarnation { opened, nonce: [7; 16] }
    }

    #[test]
    fn a_life_that_is_only_remembered_is_lost_however_often_it_is_told() {
        let mut twins = Twins::default();
        for n in 0..1000 {
            assert_eq!(twins.heard(Mono(n * 1000), life(5), 70, EVERY), Other::Lost);
        }
        // Other peers remember it at other places.
        for (at, counter) in [(1_000_001, 71), (1_000_002, 72), (1_000_003, 69), (1_009_000, 72)] {
            assert_eq!(twins.heard(Mono(at), life(5), counter, EVERY), Other::Lost, "{counter}");
        }
    }

    #[test]
    fn a_life_that_goes_on_is_found_once() {
        let mut twins = Twins::default();
        let heard: Vec<Other> = (0..5).map(|n| twins.heard(Mono(n * 2000), life(5), 70 + n, EVERY)).collect();
        assert_eq!(heard, [Other::Lost, Other::Lost, Other::Found, Other::Lives, Other::Lives]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut twins = Twins::default();
        assert!((0..10_000).all(|n| twins.heard(Mono(n), life(n), 1, EVERY) == Other::Lost));
        assert_eq!(twins.lives.len(), LIVES);
    }
}
