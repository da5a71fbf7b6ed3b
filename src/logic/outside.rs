//! Whether a fault that this node sees is its own.
//!
//! Signs from outside are what others say and the answers of references. A bad look counts only between two signs that
//! are not far apart; whoever gets none cannot tell a dead target from a cut cable. Without links, and with all
//! references silent that were there before, a node is isolated. What is written and told then is not known here.

use std::collections::BTreeMap;

use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::time::{Mono, Span};

/// A node that heard nothing from outside for so long looks at its references, and again each time.
pub const POLL: Span = Span::secs(3);
/// Without a sign from outside for so long a node may be cut off: what it saw meanwhile does not count. A link that is
/// not answered ends about then.
pub const GAP: Span = Span::secs(8);

/// What this node hears of the world outside itself.
#[derive(Debug, Default)]
pub struct Outside {
    /// When another node, or a link to it, was last heard.
    heard: Option<Mono>,
    /// The last sign of any kind.
    sign: Option<Mono>,
    /// When the last long time without any sign ended: what was seen before says nothing.
    back: Mono,
    references: BTreeMap<TargetId, Reference>,
}

/// One thing that an isolated node cannot reach.
#[derive(Debug)]
struct Reference {
    /// Longest time between two looks.
    pace: Span,
    /// On this node's own wire, as the last look that reached anything found.
    near: bool,
    /// It answered at any time, in this run or an earlier one.
    known: bool,
    /// It was looked at in this run.
    tried: bool,
    /// Its last answer in this run.
    good: Option<Mono>,
    /// As confirmed, it does not answer.
    failing: bool,
}

impl Outside {
    /// Has exactly these references, each with its pace. What is known of one stays.
    pub fn roster(&mut self, wanted: impl Iterator<Item = (TargetId, Span)>) {
        let mut before = std::mem::take(&mut self.references);
        let fresh = |pace| Reference { pace, near: false, known: false, tried: false, good: None, failing: false };
        let reference = |(id, pace): (TargetId, Span)| {
            let known = before.remove(&id).map_or_else(|| fresh(pace), |known| Reference { pace, ..known });
            (id, known)
        };
        self.references = wanted.map(reference).collect();
    }

    /// An earlier run said so of a reference: whether it ever answered, and whether it did not in the end.
    pub fn restore(&mut self, target: &TargetId, known: bool, failing: bool) {
        if let Some(reference) = self.references.get_mut(target).filter(|reference| !reference.tried) {
            (reference.known, reference.failing) = (known, failing);
        }
    }

    /// Another node was heard. True if that ends a long silence.
    pub fn heard(&mut self, now: Mono) -> bool {
        self.heard = Some(now);
        self.sign(now)
    }

    /// A reference was looked at: whether it answered, whether it is on the own wire, and whether it is confirmed not to
    /// answer. True if that ends a long silence.
    pub fn looked(&mut self, now: Mono, target: &TargetId, good: bool, near: bool, failing: bool) -> bool {
        let Some(reference) = self.references.get_mut(target) else { return false };
        (reference.tried, reference.failing) = (true, failing);
        if good {
            (reference.known, reference.near, reference.good) = (true, near, Some(now));
        }
        // What is on the own wire says nothing of what lies beyond it, if anything else can.
        good && self.evidence().any(|id| id == target) && self.sign(now)
    }

    fn sign(&mut self, now: Mono) -> bool {
        let ended = self.sign.is_none_or(|last| GAP < now.since(last));
        if ended {
            self.back = now;
        }
        self.sign = Some(now);
        ended
    }

    /// Whether this node is cut off: it has no link, and no reference answers that answered while others were heard.
    #[must_use]
    pub fn is_cut(&self, linked: bool) -> bool {
        let mut evidence = self.evidence().filter_map(|id| self.references.get(id)).peekable();
        !linked && evidence.peek().is_some() && evidence.all(|reference| reference.failing)
    }

    /// Whether this node may write and tell what it sees: nothing from outside need be missing.
    #[must_use]
    pub fn is_fresh(&self, now: Mono, linked: bool) -> bool {
        !self.can_tell(linked) || self.sign.is_some_and(|sign| now.since(sign) <= GAP)
    }

    /// Whether a bad look that began and ended then may count: there were signs shortly before and since.
    #[must_use]
    pub fn vouches(&self, linked: bool, (began, ended): (Mono, Mono)) -> bool {
        !self.can_tell(linked) || (self.back <= began && self.sign.is_some_and(|sign| ended < sign))
    }

    /// Whether the silence of a node may count: others were listened to for so long that it would have been heard.
    #[must_use]
    pub fn vouches_for_silence(&self, now: Mono, linked: bool) -> bool {
        !self.can_tell(linked) || (self.is_fresh(now, linked) && limits::DEAD_LEAST <= now.since(self.back))
    }

    /// Whether nothing was heard for so long that the references are to be asked now.
    #[must_use]
    pub fn is_silent(&self, now: Mono) -> bool {
        self.sign.is_none_or(|sign| POLL <= now.since(sign))
    }

    /// When it will be silent, if it is not yet.
    #[must_use]
    pub fn deadline(&self, now: Mono) -> Option<Mono> {
        let due = self.sign? + POLL;
        (!self.references.is_empty() && now < due).then_some(due)
    }

    /// Whether there is anything that gives signs while all is well.
    fn can_tell(&self, linked: bool) -> bool {
        linked || self.evidence().next().is_some()
    }

    /// The references whose silence says that this node is cut off. One that had fallen silent while others were heard says
    /// only that it is gone; those on the own wire count only without others.
    fn evidence(&self) -> impl Iterator<Item = &TargetId> {
        let counts = move |reference: &Reference| {
            let late = |good: Mono, heard: Mono| reference.pace * 2 + limits::REFERENCE_TIMEOUT * 2 < heard.since(good);
            reference.known
                && match (reference.good, self.heard) {
                    (Some(good), Some(heard)) => !late(good, heard),
                    (None, Some(_)) => !reference.tried,
                    (_, None) => true,
                }
        };
        let counting = move || self.references.iter().filter(move |(_, reference)| counts(reference));
        let far = counting().any(|(_, reference)| !reference.near);
        counting().filter(move |(_, reference)| !far || !reference.near).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> TargetId {
        TargetId(name.into())
    }

    fn at(second: u64) -> Mono {
        Mono(second * 1000)
    }

    /// A node that was linked until second 100, with these references, each answering until then: name and nearness.
    fn cut(references: &[(&str, bool)]) -> Outside {
        let mut outside = Outside::default();
        outside.roster(references.iter().map(|(name, _)| (id(name), Span::secs(30))));
        for second in (0..=100).step_by(2) {
            outside.heard(at(second));
            for (name, near) in references.iter().filter(|_| second % 30 == 0) {
                outside.looked(at(second), &id(name), true, *near, false);
            }
        }
        outside
    }

    #[test]
    fn who_has_no_link_and_no_reference_that_answers_is_cut_off() {
        let mut outside = cut(&[("a", false), ("b", false)]);
        outside.looked(at(110), &id("a"), false, false, true);
        assert!(!outside.is_cut(false), "the other is not confirmed yet");
        outside.looked(at(110), &id("b"), false, false, true);
        assert!(outside.is_cut(false) && !outside.is_cut(true));
        outside.looked(at(120), &id("b"), true, false, false);
        assert!(!outside.is_cut(false));
    }

    #[test]
    fn without_references_nobody_is_cut_off_and_nothing_is_held_back_once_the_links_are_gone() {
        let outside = cut(&[]);
        assert!(!outside.is_cut(false));
        assert!(!outside.vouches(true, (at(101), at(102))) && outside.vouches(false, (at(101), at(102))));
        assert!(!outside.is_fresh(at(120), true) && outside.is_fresh(at(120), false));
    }

    #[test]
    fn what_is_on_the_own_wire_counts_only_without_others() {
        let mut outside = cut(&[("gateway", true), ("far", false)]);
        outside.looked(at(110), &id("gateway"), true, true, false);
        assert!(!outside.is_fresh(at(111), false), "the gateway alone is no sign from outside");
        outside.looked(at(110), &id("far"), false, false, true);
        assert!(outside.is_cut(false));
        let mut alone = cut(&[("gateway", true)]);
        alone.looked(at(110), &id("gateway"), true, true, false);
        assert!(alone.is_fresh(at(111), false) && !alone.is_cut(false));
        alone.looked(at(120), &id("gateway"), false, true, true);
        assert!(alone.is_cut(false));
    }

    #[test]
    fn a_reference_that_never_answered_or_was_gone_before_proves_nothing() {
        let mut outside = Outside::default();
        outside.roster([(id("a"), Span::secs(30))].into_iter());
        outside.looked(at(10), &id("a"), false, false, true);
        assert!(!outside.is_cut(false) && outside.is_fresh(at(20), false));
        let mut outside = cut(&[("a", false)]);
        outside.looked(at(110), &id("a"), false, false, true);
        for second in (102..300).step_by(2) {
            outside.heard(at(second));
        }
        assert!(!outside.is_cut(false), "others were heard long after it had fallen silent");
        assert!(outside.is_fresh(at(400), false), "and whoever is left alone then speaks");
    }

    #[test]
    fn what_an_earlier_run_knew_counts_until_this_one_knows_better() {
        let mut outside = Outside::default();
        outside.roster([(id("a"), Span::secs(30))].into_iter());
        outside.restore(&id("a"), true, false);
        assert!(!outside.is_fresh(at(1), false), "it has not answered yet");
        outside.looked(at(2), &id("a"), false, false, true);
        assert!(outside.is_cut(false));
        outside.heard(at(3));
        assert!(!outside.is_cut(false), "others are heard, so it is only gone");
    }

    #[test]
    fn a_bad_look_counts_between_two_signs_that_are_not_far_apart() {
        let mut outside = cut(&[("a", false)]);
        assert!(outside.vouches(true, (at(98), at(99))));
        assert!(!outside.vouches(true, (at(99), at(101))), "nothing was heard since");
        outside.heard(at(104));
        assert!(outside.vouches(true, (at(99), at(101))), "a heartbeat was late");
        assert!(outside.heard(at(150)), "a long silence ends");
        assert!(!outside.vouches(true, (at(120), at(140))), "what was seen meanwhile says nothing");
        assert!(!outside.vouches(true, (at(149), at(151))));
        outside.heard(at(152));
        assert!(!outside.vouches(true, (at(149), at(151))) && outside.vouches(true, (at(150), at(151))));
    }

    #[test]
    fn the_silence_of_a_node_counts_once_others_were_heard_for_long_enough() {
        let mut outside = cut(&[("a", false)]);
        assert!(outside.vouches_for_silence(at(101), true));
        outside.heard(at(200));
        assert!(!outside.vouches_for_silence(at(201), true));
        for second in (202..232).step_by(2) {
            outside.heard(at(second));
        }
        assert!(outside.vouches_for_silence(at(231), true));
    }

    #[test]
    fn references_are_asked_when_nothing_is_heard() {
        let outside = cut(&[("a", false)]);
        assert!(!outside.is_silent(at(102)) && outside.is_silent(at(103)));
        assert_eq!((outside.deadline(at(101)), outside.deadline(at(103))), (Some(at(103)), None));
    }
}
