//! What people said about being told: who sees to an incident, and of what nothing new is told for a while.
//!
//! Both are folds over the set of entries: a silence holds from the entry that begins it to the first entry that ends
//! it. That its time is over is said by whoever finds so first, by its own forward-only clock, counted from when it
//! learnt of the silence: no clocks of two nodes are compared, and after a restart only who began the silence may
//! go on by its own wall clock, while the others count anew. What silences and acknowledgements lead to is not known
//! here.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::channel;
use crate::base::fact::{Acknowledged, Silenced, Unsilenced};
use crate::base::id::{IncidentId, NodeId, TargetId};
use crate::base::limits::quiet as limits;
use crate::base::time::{Mono, Now, Span, Wall};

/// Acknowledgements and silences of the network.
#[derive(Debug, Default)]
pub struct Quiet {
    acknowledged: BTreeMap<IncidentId, (Word, Acknowledged)>,
    silences: BTreeMap<u32, (Word, Silenced)>,
    ended: BTreeMap<u32, (Word, Unsilenced)>,
    /// From when and for how long silences are counted here, in this run.
    counted: BTreeMap<u32, (Mono, Span)>,
}

/// Who said something, and when: ordered without clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// The order.
    pub lamport: u64,
    /// Who.
    pub author: NodeId,
    /// By its wall clock.
    pub wall: Wall,
}

impl Quiet {
    /// Somebody sees to an incident. The last word counts.
    pub fn acknowledged(&mut self, word: Word, fact: &Acknowledged) {
        let known = self.acknowledged.entry(fact.incident.clone()).or_insert_with(|| (word, fact.clone()));
        if known.0 < word {
            *known = (word, fact.clone());
        }
    }

    /// A silence begins. Of several with one number the first counts.
    pub fn silenced(&mut self, word: Word, fact: &Silenced) {
        let known = self.silences.entry(fact.id).or_insert_with(|| (word, fact.clone()));
        if word < known.0 {
            *known = (word, fact.clone());
        }
    }

    /// A silence is over.
    pub fn unsilenced(&mut self, word: Word, fact: &Unsilenced) {
        let known = self.ended.entry(fact.id).or_insert_with(|| (word, fact.clone()));
        if word < known.0 {
            *known = (word, fact.clone());
        }
    }

    /// Everything was folded anew in the same run: what was counted goes on.
    pub fn resume(&mut self, before: Self) {
        self.counted = before.counted;
    }

    /// Who sees to an incident, and what was said with it.
    #[must_use]
    pub fn seen_to(&self, incident: &IncidentId) -> Option<&(Word, Acknowledged)> {
        self.acknowledged.get(incident)
    }

    /// Silences that hold, oldest first.
    pub fn silences(&self) -> impl Iterator<Item = &(Word, Silenced)> {
        let mut live: Vec<_> = self.silences.values().filter(|(_, fact)| !self.ended.contains_key(&fact.id)).collect();
        live.sort_unstable_by_key(|(word, fact)| (*word, fact.id));
        live.into_iter().take(limits::SILENCES)
    }

    /// A silence that holds for a target: the oldest.
    #[must_use]
    pub fn silence_of(&self, target: &TargetId, group: Option<&str>) -> Option<&(Word, Silenced)> {
        self.silences().find(|(_, fact)| is_for(fact, target, group))
    }

    /// Whether a target was silent when something was said, in the order without clocks.
    #[must_use]
    pub fn was_silent(&self, target: &TargetId, group: Option<&str>, lamport: u64) -> bool {
        let holds = |(word, fact): &&(Word, Silenced)| {
            let ended = self.ended.get(&fact.id).is_some_and(|(end, _)| end.lamport < lamport);
            word.lamport < lamport && !ended && is_for(fact, target, group)
        };
        self.silences.values().any(|silence| holds(&silence))
    }

    /// A silence that holds, by its number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&(Word, Silenced)> {
        self.silences().find(|(_, fact)| fact.id == id)
    }

    /// Whether anything is known of a silence, also that it is over.
    #[must_use]
    pub fn knows(&self, id: u32) -> bool {
        self.silences.contains_key(&id)
    }

    /// Numbers of all silences of which the beginning is in force, and whether each holds.
    pub fn numbers(&self) -> impl Iterator<Item = (u32, bool)> {
        self.silences.keys().map(|id| (*id, !self.ended.contains_key(id)))
    }

    /// Silences whose time is over by this node's own count, if it is its turn to say so: `turn` is its place behind
    /// whoever began one, who is the first.
    pub fn over(&mut self, now: Now, me: &NodeId, turn: impl Fn(&NodeId) -> u64) -> Vec<u32> {
        let live: Vec<(NodeId, u32, Span, Wall)> =
            self.silences().map(|(word, fact)| (word.author, fact.id, lasts(fact), Wall(fact.at))).collect();
        let known: BTreeSet<u32> = live.iter().map(|(_, id, ..)| *id).collect();
        self.counted.retain(|id, _| known.contains(id));
        let mut over = Vec::new();
        for (author, id, lasts, at) in live {
            // Its own clock and the one that it began by are the same.
            let passed = if author == *me { now.wall.since(at).min(lasts) } else { Span::ZERO };
            let (since, left) = *self.counted.entry(id).or_insert((now.mono, lasts - passed));
            let turn = if author == *me { Span::ZERO } else { limits::SILENCE_TURN * (1 + turn(&author)) };
            if left + turn <= now.mono.since(since) {
                over.push(id);
            }
        }
        over
    }

    /// What is known, as text: equal on nodes with equal heads and roster.
    #[must_use]
    pub fn records(&self) -> String {
        let lines = self.acknowledged.values().map(|known| format!("{known:?}\n"));
        let silences = self.silences.iter().map(|(id, known)| format!("{known:?} {:?}\n", self.ended.get(id)));
        lines.chain(silences).collect()
    }
}

/// How long a silence was to last, whatever was written.
#[must_use]
pub fn lasts(fact: &Silenced) -> Span {
    Span(fact.lasts).min(limits::SILENCE_MOST)
}

fn is_for(fact: &Silenced, target: &TargetId, group: Option<&str>) -> bool {
    let most = |names: &[String]| names.len().min(limits::SILENCE_NAMES);
    channel::names(&fact.targets[..most(&fact.targets)], &fact.groups[..most(&fact.groups)], target, group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(lamport: u64, author: u8) -> Word {
        Word { lamport, author: NodeId([author; 32]), wall: Wall(0) }
    }

    fn silence(id: u32, target: &str, lasts: u64) -> Silenced {
        Silenced {
            id,
            targets: vec![target.into()],
            groups: vec!["web".into()],
            at: 1000,
            lasts,
            person: String::new(),
            reason: String::new(),
        }
    }

    fn end(id: u32) -> Unsilenced {
        Unsilenced { id, at: 0, early: true, person: String::new() }
    }

    fn shop() -> TargetId {
        TargetId("shop".into())
    }

    fn at(mono: u64, wall: i64) -> Now {
        Now { mono: Mono(mono), wall: Wall(wall) }
    }

    #[test]
    fn a_silence_holds_for_what_it_names_until_anybody_ends_it_in_any_order() {
        let (begin, over) = (word(5, 1), word(9, 2));
        let mut one = Quiet::default();
        one.silenced(begin, &silence(7, "sh*", 60_000));
        assert!(one.silence_of(&shop(), None).is_some() && one.silence_of(&TargetId("mail".into()), Some("web")).is_some());
        assert!(one.silence_of(&TargetId("mail".into()), Some("db")).is_none());
        one.unsilenced(over, &end(7));
        assert!(one.silence_of(&shop(), None).is_none());
        let mut other = Quiet::default();
        other.unsilenced(over, &end(7));
        other.silenced(begin, &silence(7, "sh*", 60_000));
        assert_eq!(one.records(), other.records());
        assert!(one.was_silent(&shop(), None, 7) && !one.was_silent(&shop(), None, 4) && !one.was_silent(&shop(), None, 10));
    }

    #[test]
    fn whoever_began_it_ends_it_first_and_the_others_when_it_does_not() {
        let me = NodeId([1; 32]);
        let other = NodeId([2; 32]);
        let mut quiet = Quiet::default();
        quiet.silenced(word(5, 1), &silence(7, "shop", 60_000));
        // A clock that is a year ahead is another's: it is not asked.
        let mine = |quiet: &mut Quiet, mono, wall| quiet.over(at(mono, wall), &me, |_| 0);
        assert_eq!(mine(&mut quiet, 500, 1000), [0_u32; 0]);
        assert_eq!(mine(&mut quiet, 60_499, i64::MAX), [0_u32; 0]);
        assert_eq!(mine(&mut quiet, 60_500, 1000), [7]);
        let mut quiet = Quiet::default();
        quiet.silenced(word(5, 1), &silence(7, "shop", 60_000));
        let theirs = |quiet: &mut Quiet, mono| quiet.over(at(mono, i64::MAX), &other, |_| 1);
        assert_eq!(theirs(&mut quiet, 500), [0_u32; 0]);
        assert_eq!(theirs(&mut quiet, 60_500 + limits::SILENCE_TURN.0 * 2 - 1), [0_u32; 0]);
        assert_eq!(theirs(&mut quiet, 60_500 + limits::SILENCE_TURN.0 * 2), [7]);
    }

    #[test]
    fn after_a_restart_only_whoever_began_it_goes_on_by_its_own_clock() {
        let known = || {
            let mut quiet = Quiet::default();
            quiet.silenced(word(5, 1), &silence(7, "shop", 60_000));
            quiet
        };
        let mut mine = known();
        let over = |quiet: &mut Quiet, me: u8, mono, wall| quiet.over(at(mono, wall), &NodeId([me; 32]), |_| 0);
        assert_eq!(over(&mut mine, 1, 0, 41_000), [0_u32; 0], "forty seconds have passed");
        assert_eq!(over(&mut mine, 1, 20_000, 0), [7]);
        let mut back = known();
        assert_eq!(over(&mut back, 1, 0, -1_000_000), [0_u32; 0], "a clock that was put back makes it no longer than it is");
        assert_eq!(over(&mut back, 1, 60_000, 0), [7]);
        let mut theirs = known();
        assert_eq!(over(&mut theirs, 2, 0, 61_000), [0_u32; 0]);
        assert_eq!(over(&mut theirs, 2, 60_000, 61_000), [0_u32; 0]);
        assert_eq!(over(&mut theirs, 2, 60_000 + limits::SILENCE_TURN.0, 0), [7]);
    }

    #[test]
    fn what_nobody_may_ask_for_lasts_no_longer_than_what_one_may_and_too_many_do_not_hold() {
        let mut quiet = Quiet::default();
        for id in 0..=u32::try_from(limits::SILENCES).unwrap() {
            quiet.silenced(word(u64::from(id), 1), &silence(id, &format!("t{id}"), u64::MAX));
        }
        assert_eq!(quiet.silences().count(), limits::SILENCES);
        assert!(quiet.get(0).is_some() && quiet.get(u32::try_from(limits::SILENCES).unwrap()).is_none());
        assert_eq!(lasts(&quiet.get(0).unwrap().1), limits::SILENCE_MOST);
    }

    #[test]
    fn the_last_word_on_an_incident_counts() {
        let incident = IncidentId { target: shop(), number: 1 };
        let said = |reason: &str| Acknowledged { incident: incident.clone(), at: 0, person: String::new(), reason: reason.into() };
        let mut quiet = Quiet::default();
        quiet.acknowledged(word(9, 1), &said("second"));
        quiet.acknowledged(word(5, 2), &said("first"));
        assert_eq!(quiet.seen_to(&incident).unwrap().1.reason, "second");
    }
}
