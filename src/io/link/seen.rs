//! Signed messages that were checked a moment ago, by any link of this process.
//!
//! A heartbeat reaches a node over several links, byte by byte the same. Checking a signature costs fifty
//! times as much as comparing a hash, so only the first copy is checked. The hash covers the network and
//! the whole frame, signature included: a copy with one other bit is another frame.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::base::id::NetworkId;
use crate::base::limits;

/// The hash of a network and a frame.
pub(super) type Mark = [u8; 32];

/// The last frames whose signature was good.
#[derive(Default)]
struct Seen {
    marks: HashSet<Mark>,
    order: VecDeque<Mark>,
}

static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// What a frame is known by.
pub(super) fn mark(network: NetworkId, frame: &[u8]) -> Mark {
    *blake3::Hasher::new().update(&network.0).update(frame).finalize().as_bytes()
}

/// Whether this frame was checked and found good.
pub(super) fn is_good(mark: &Mark) -> bool {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.as_ref().is_some_and(|seen| seen.marks.contains(mark))
}

/// Remembers a frame that was checked and found good; the oldest is forgotten.
pub(super) fn remember(mark: Mark) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.get_or_insert_default().remember(mark, limits::SEEN);
}

impl Seen {
    fn remember(&mut self, mark: Mark, most: usize) {
        if !self.marks.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        while most < self.order.len() {
            if let Some(oldest) = self.order.pop_front() {
                self.marks.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_and_nothing_counts_twice() {
        let mut seen = Seen::default();
        for number in [1, 2, 2, 3, 4, 1] {
            seen.remember([number; 32], 3);
        }
        assert_eq!(seen.order, [[3; 32], [4; 32], [1; 32]]);
        assert_eq!(seen.marks.len(), 3);
    }

    #[test]
    fn another_bit_or_another_network_is_another_frame() {
        let of = |network: &str, frame: &[u8]| mark(NetworkId::of(network), frame);
        assert_eq!(of("home", b"frame"), of("home", b"frame"));
        assert_ne!(of("home", b"frame"), of("home", b"framf"));
        assert_ne!(of("home", b"frame"), of("away", b"frame"));
    }
}
