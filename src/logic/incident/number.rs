//! Which numbers of a target's incidents are believed.
//!
//! Whoever may write may name any number, and if the greatest there is were believed, no further incident of
//! that target could be told of. So a number counts if two authors remember as many, or if it is reached from
//! there in leaps of at most [`limits::INCIDENT_LEAP`]. What is out of reach is kept and not looked at; it counts
//! once the gap is filled. All of it is a function of the set of what was said, whatever the order.

use crate::base::limits;

/// The greatest number that is believed. `before` was believed of a part of it, or is zero; `known` gives the numbers
/// that were named from one on, in their order; `counted` is what each author remembers.
pub(super) fn believed<K: Iterator<Item = u32>>(before: u32, known: impl Fn(u32) -> K, counted: impl Iterator<Item = u32>) -> u32 {
    let mut counts: Vec<u32> = counted.collect();
    counts.sort_unstable();
    let vouched = counts.iter().rev().nth(1).copied().unwrap_or(0);
    let mut top = before.max(vouched);
    let mut counts = counts.into_iter().peekable();
    let mut known = known(top).peekable();
    // Both are in order, and the walk ends at the first gap, so that what lies out of reach costs nothing.
    loop {
        let next = match (known.peek(), counts.peek()) {
            (Some(number), Some(count)) if number <= count => known.next(),
            (Some(_), None) => known.next(),
            (_, Some(_)) => counts.next(),
            (None, None) => return top,
        };
        match next {
            Some(number) if number.saturating_sub(top) <= limits::INCIDENT_LEAP => top = top.max(number),
            _ => return top,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::rng::Rng;

    fn of(known: &[u32], counted: &[u32]) -> u32 {
        after(0, known, counted)
    }

    fn after(before: u32, known: &[u32], counted: &[u32]) -> u32 {
        let known: BTreeSet<u32> = known.iter().copied().collect();
        believed(before, |from| known.range(from..).copied(), counted.iter().copied())
    }

    #[test]
    fn a_number_out_of_reach_is_not_believed_whoever_names_it() {
        assert_eq!(of(&[1, 2, 3, u32::MAX], &[]), 3);
        assert_eq!(of(&[u32::MAX], &[]), 0);
        assert_eq!(of(&[1, 2], &[u32::MAX]), 2);
        assert_eq!(of(&[1, 2], &[2, u32::MAX]), 2);
        assert_eq!(of(&[], &[1_000_000, 1_000_001, u32::MAX]), 1_000_001, "what two remember, and one more in reach");
    }

    #[test]
    fn leaps_have_a_length_and_a_gap_that_is_filled_is_none() {
        let leap = limits::INCIDENT_LEAP;
        assert_eq!(of(&[leap], &[]), leap);
        assert_eq!(of(&[leap + 1], &[]), 0);
        assert_eq!(of(&[leap + 1, 1], &[]), leap + 1);
        assert_eq!(of(&[7, 500], &[490, 480]), 500, "low ones left over do no harm");
    }

    #[test]
    fn more_that_is_said_never_lowers_what_is_believed() {
        let mut rng = Rng::new(5);
        for _ in 0..2000 {
            let mut draw = |most: u64| u32::try_from(rng.below(most)).unwrap();
            let (mut known, mut counted): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
            let mut before = 0;
            for _ in 0..20 {
                let most = [8, 200, 2000, 1 << 32][draw(4) as usize];
                if draw(3) == 0 {
                    counted.push(draw(most));
                } else {
                    known.push(draw(most));
                }
                let now = of(&known, &counted);
                assert!(before <= now, "{known:?} {counted:?}");
                assert_eq!(now, after(before, &known, &counted), "step by step as at once: {known:?} {counted:?}");
                before = now;
            }
        }
    }
}
