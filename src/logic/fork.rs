//! How forks are found: whom to show one's entries of a chain, and when to compare those that come.
//!
//! Heads and entries only say that two nodes know different entries of a chain, not where it forked. So
//! each shows the other some of its own: the last ones, and before them single ones at growing distances.
//! Whoever gets entries of places that it has compares them with its store; the lowest that differs proves
//! a fork there. What is below is compared again after the cut, so the lowest fork is found in few steps,
//! also if it is long ago. Everything here only bounds how often that is done, since a peer can claim
//! anything; what a fork means is `proof`'s affair.

use std::collections::BTreeMap;

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, LinkId};
use crate::base::limits;
use crate::base::time::{Mono, Span};

/// What was shown and compared lately.
#[derive(Debug, Default)]
pub struct Search {
    shown: BTreeMap<(LinkId, ChainId), Mono>,
    links: BTreeMap<LinkId, Spent>,
    cuts: Purse,
}

/// What one link has cost lately.
#[derive(Debug, Default)]
struct Spent {
    shows: Purse,
    compares: Purse,
}

/// Something that may be done a number of times in a row, and then once in a while.
#[derive(Debug, Default)]
struct Purse {
    spent: u64,
    since: Mono,
}

impl Search {
    /// What to show a peer of a chain in which it has something else at `upto` or before: of the entries after
    /// `base`, lowest first. Nothing if that was done lately.
    pub fn show(&mut self, now: Mono, link: LinkId, chain: ChainId, base: u64, upto: u64) -> Vec<Stretch> {
        self.shown.retain(|_, at| now.since(*at) < limits::SHOWN_AGAIN);
        if upto <= base
            || self.shown.contains_key(&(link, chain))
            || !self.links.entry(link).or_default().shows.spend(now, limits::SEARCHES, SECOND)
        {
            return Vec::new();
        }
        self.shown.insert((link, chain), now);
        ladder(chain, base, upto)
    }

    /// Whether entries that came over a link, of places that are known, may be compared with the store.
    pub fn may_compare(&mut self, now: Mono, link: LinkId) -> bool {
        self.links.entry(link).or_default().compares.spend(now, limits::SEARCHES, SECOND)
    }

    /// Whether forks may be taken in now: each reads the whole journal anew.
    pub fn may_cut(&mut self, now: Mono) -> bool {
        self.cuts.spend(now, limits::CUTS, limits::CUT_AGAIN)
    }

    /// A chain was cut: what is left of it may be shown again at once.
    pub fn cut(&mut self, chain: &ChainId) {
        self.shown.retain(|(_, shown), _| shown != chain);
    }

    /// A link went.
    pub fn down(&mut self, link: LinkId) {
        self.shown.retain(|(known, _), _| *known != link);
        self.links.remove(&link);
    }
}

impl Purse {
    fn spend(&mut self, now: Mono, most: u64, every: Span) -> bool {
        let earned = now.since(self.since).0 / every.0;
        if 0 < earned {
            self.spent = self.spent.saturating_sub(earned);
            self.since = now;
        }
        let may = self.spent < most;
        self.spent += u64::from(may);
        may
    }
}

const SECOND: Span = Span::secs(1);

/// The last entries up to `upto`, half a frame of them, and before them single ones, each twice as far back.
fn ladder(chain: ChainId, base: u64, upto: u64) -> Vec<Stretch> {
    let last = limits::FRAME_ENTRIES as u64 / 2;
    let first = upto.saturating_sub(last - 1).max(base + 1);
    let mut stretches = vec![Stretch { chain, first, last: upto }];
    let mut back = last;
    while let Some(place) = upto.checked_sub(back).filter(|place| base < *place && *place < first) {
        stretches.push(Stretch { chain, first: place, last: place });
        back = back.saturating_mul(2);
    }
    stretches.reverse();
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{Incarnation, Lane, NodeId};

    fn chain(n: u64) -> ChainId {
        ChainId { author: NodeId([1; 32]), incarnation: Incarnation { opened: n, nonce: [0; 16] }, lane: Lane::Events }
    }

    #[test]
    fn any_fork_is_below_some_entry_shown_and_at_most_twice_as_far_back_as_the_first() {
        for (base, upto) in [(0, 1), (0, 128), (0, 129), (0, 1_000_000), (999_000, 1_000_000), (5, 6)] {
            let shown = ladder(chain(1), base, upto);
            assert!(shown.is_sorted_by_key(|stretch| stretch.first) && shown.len() < 64, "lowest first: {shown:?}");
            assert_eq!(shown.last().unwrap().last, upto);
            assert!(shown.iter().all(|stretch| base < stretch.first));
            for fork in [base + 1, base + (upto - base) / 3 + 1, upto] {
                let found = shown.iter().find(|stretch| fork <= stretch.last).unwrap();
                let place = found.first.max(fork);
                // What is left to look through after the cut has shrunk to half, or the fork is found.
                assert!(place == fork || place - fork <= (upto - base) / 2 + 1, "{fork} of {base}..{upto}: {place}");
            }
        }
    }

    #[test]
    fn the_same_is_not_shown_twice_and_much_not_at_once() {
        let mut search = Search::default();
        assert!(!search.show(Mono(0), LinkId(1), chain(1), 0, 10).is_empty());
        assert!(search.show(Mono(1), LinkId(1), chain(1), 0, 10).is_empty());
        search.cut(&chain(1));
        assert!(!search.show(Mono(2), LinkId(1), chain(1), 0, 5).is_empty());
        let many = (0..1000).filter(|n| !search.show(Mono(3), LinkId(1), chain(10 + n), 0, 10).is_empty()).count();
        assert_eq!(many as u64, limits::SEARCHES - 2);
        assert!(!search.show(Mono(3), LinkId(2), chain(1), 0, 10).is_empty(), "another link");
        assert_eq!((0..1000).filter(|_| search.may_compare(Mono(4), LinkId(1))).count() as u64, limits::SEARCHES);
        assert!(search.may_compare(Mono(1005), LinkId(1)));
    }
}
