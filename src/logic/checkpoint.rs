//! When this node says again all that lives of its state, so that what it said before may go.
//!
//! A checkpoint is a run of entries at the end of the state lane that restates every fact of this node
//! that still holds; after it the lane's base is raised to the entry before the run. So a newcomer reads
//! one run and what was said since, however old the lane is. What the facts are, and how the base is
//! declared, is the parent's affair.

use crate::base::limits;
use crate::base::time::Mono;

/// When the last checkpoint of this run of the daemon was.
#[derive(Debug)]
pub struct Checkpoints {
    last: Mono,
    /// Bytes of values written since.
    bytes: usize,
}

/// What hangs on a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Burden {
    /// Entries of the state lane since the last checkpoint.
    pub entries: u64,
    /// Facts that a checkpoint would say again; about.
    pub living: usize,
    /// States of earlier lives are in force, and all that is known of them anywhere has been read.
    pub lives: bool,
    /// So many keys were deleted that keeping the deletions in force is a burden.
    pub worn: bool,
}

impl Checkpoints {
    /// A daemon that starts.
    #[must_use]
    pub const fn new(now: Mono) -> Self {
        Self { last: now, bytes: 0 }
    }

    /// Whether a checkpoint is worth its entries now.
    #[must_use]
    pub fn is_due(&self, now: Mono, burden: Burden) -> bool {
        let passed = now.since(self.last);
        let long = limits::CHECKPOINT_MOST.max(limits::CHECKPOINT_FACTS * burden.living as u64) <= burden.entries;
        let daily = limits::CHECKPOINT_EVERY <= passed && limits::CHECKPOINT_LEAST <= burden.entries;
        // More of an earlier life may turn up later, in many pieces.
        let lives = burden.lives && limits::CHECKPOINT_PAUSE <= passed;
        long || daily || lives || burden.worn || limits::CHECKPOINT_BYTES <= self.bytes
    }

    /// A checkpoint was written.
    pub const fn wrote(&mut self, now: Mono) {
        (self.last, self.bytes) = (now, 0);
    }

    /// So many bytes of values were written.
    pub const fn weigh(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Burden = Burden { entries: 0, living: 0, lives: false, worn: false };

    fn is_due(seconds: u64, burden: Burden) -> bool {
        Checkpoints::new(Mono(1000)).is_due(Mono(1000 + seconds * 1000), burden)
    }

    #[test]
    fn a_long_lane_is_due_at_once_and_one_with_little_news_once_a_day() {
        assert!(!is_due(90_000, Burden { entries: 15, ..NONE }));
        assert!(is_due(90_000, Burden { entries: 16, ..NONE }));
        assert!(!is_due(80_000, Burden { entries: 255, ..NONE }));
        assert!(is_due(0, Burden { entries: 256, ..NONE }));
    }

    #[test]
    fn many_facts_are_not_said_again_for_little() {
        assert!(!is_due(0, Burden { entries: 3999, living: 1000, ..NONE }));
        assert!(is_due(0, Burden { entries: 4000, living: 1000, ..NONE }));
    }

    #[test]
    fn large_values_and_many_deletions_do_not_wait_for_many_entries() {
        assert!(is_due(0, Burden { worn: true, ..NONE }));
        let mut checkpoints = Checkpoints::new(Mono(0));
        checkpoints.weigh(limits::CHECKPOINT_BYTES - 1);
        assert!(!checkpoints.is_due(Mono(0), NONE));
        checkpoints.weigh(1);
        assert!(checkpoints.is_due(Mono(0), NONE));
        checkpoints.wrote(Mono(0));
        assert!(!checkpoints.is_due(Mono(0), NONE));
    }

    #[test]
    fn earlier_lives_end_soon_and_in_one_go() {
        assert!(!is_due(59, Burden { lives: true, ..NONE }));
        assert!(is_due(60, Burden { lives: true, ..NONE }));
    }
}
