//! Incidents: when they open and close, and what the journal says of them.
//!
//! An incident is open while one of its `Opened` entries is covered by no `Closed` entry. All of it
//! is a fold over the set of entries. Who may write the next such entry is a matter of turns: the
//! first witness at once, each further one a little later and only if it is still missing. Whether
//! anybody is told is not known here.

mod number;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::fact::{Closed, Counted, Opened};
use crate::base::id::{EntryHash, Incarnation, IncidentId, NodeId, TargetId};
use crate::base::limits;
use crate::base::outcome::Standing;
use crate::base::target::Flap;
use crate::base::time::{Mono, Now, Span, Wall};

/// All incidents of the network.
#[derive(Debug, Default)]
pub struct Incidents {
    targets: BTreeMap<TargetId, BTreeMap<u32, Incident>>,
    /// The greatest number that each author remembers: life, place, number.
    counted: BTreeMap<TargetId, BTreeMap<NodeId, (Incarnation, u64, u32)>>,
    /// The greatest number that is believed of each target; what lies above is not looked at.
    believed: BTreeMap<TargetId, u32>,
    wishes: BTreeMap<TargetId, (Act, Mono)>,
    /// When an incident of a target was last closed, and how often that happened in a row.
    closings: BTreeMap<TargetId, (Mono, u32)>,
}

/// What the journal says of one incident.
#[derive(Debug, Default)]
pub struct Incident {
    opened: BTreeMap<EntryHash, (Said, Opened)>,
    closed: BTreeMap<EntryHash, (Said, Closed)>,
    covered: BTreeSet<EntryHash>,
    /// When this node first knew of it, in this run of the daemon.
    seen: Option<Mono>,
}

/// Who said something, and when by its own clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// Order without clocks.
    pub lamport: u64,
    /// Who.
    pub author: NodeId,
    /// By its wall clock.
    pub wall: Wall,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// That this incident is open, or worse than was said.
    Open(IncidentId),
    /// That it is over.
    Close(IncidentId),
    /// That a target does not flap any more and is bad; another incident follows.
    Settle(IncidentId),
}

impl Incidents {
    /// Takes an `Opened` fact. `now` is none while the past is read.
    pub fn opened(&mut self, now: Option<Mono>, entry: EntryHash, said: Said, fact: &Opened) {
        let incident = self.incident(&fact.incident);
        incident.opened.insert(entry, (said, fact.clone()));
        incident.seen = incident.seen.or(now);
    }

    /// Everything was folded anew in the same run of the daemon: when `before` knew of each first still holds.
    pub fn resume(&mut self, before: Self) {
        self.closings = before.closings;
        for (target, numbers) in before.targets {
            for (number, known) in numbers {
                if let Some(incident) = self.targets.get_mut(&target).and_then(|numbers| numbers.get_mut(&number)) {
                    incident.seen = known.seen.or(incident.seen);
                }
            }
        }
    }

    /// Takes a `Closed` fact. `now` is none while the past is read.
    pub fn closed(&mut self, now: Option<Mono>, entry: EntryHash, said: Said, fact: &Closed) {
        if let Some(now) = now.filter(|_| fact.incident.number <= self.last(&fact.incident.target)) {
            let (last, times) = self.closings.entry(fact.incident.target.clone()).or_insert((now, 0));
            *times = if now.since(*last) < limits::REOPEN_MEMORY { times.saturating_add(1) } else { 1 };
            *last = now;
        }
        let incident = self.incident(&fact.incident);
        incident.covered.extend(&fact.covers);
        incident.closed.insert(entry, (said, fact.clone()));
    }

    /// Takes the greatest number that an author remembers of a target's incidents.
    pub fn counted(&mut self, author: NodeId, incarnation: Incarnation, sequence: u64, fact: &Counted) {
        let known = self.counted.entry(fact.target.clone()).or_default().entry(author).or_insert((incarnation, sequence, fact.number));
        if (known.0, known.1) <= (incarnation, sequence) {
            *known = (incarnation, sequence, fact.number);
        }
        self.believe(&fact.target, 0);
    }

    /// What an author counted up to a place in one of its lives is not in force any more.
    pub fn forget(&mut self, author: NodeId, incarnation: Incarnation, upto: u64) {
        for known in self.counted.values_mut() {
            if known.get(&author).is_some_and(|(life, sequence, _)| *life == incarnation && *sequence <= upto) {
                known.remove(&author);
            }
        }
        self.counted.retain(|_, known| !known.is_empty());
        let targets: Vec<TargetId> = self.believed.keys().cloned().collect();
        targets.iter().for_each(|target| self.believe(target, 0));
    }

    /// The greatest number of an incident that each target has had, as far as anybody remembers.
    pub fn counts(&self) -> impl Iterator<Item = (&TargetId, u32)> {
        let targets: BTreeSet<&TargetId> = self.targets.keys().chain(self.counted.keys()).collect();
        targets.into_iter().map(|target| (target, self.last(target)))
    }

    /// What one author remembers of a target's incidents.
    #[must_use]
    pub fn counted_by(&self, target: &TargetId, author: &NodeId) -> u32 {
        self.counted.get(target).and_then(|known| known.get(author)).map_or(0, |(_, _, number)| *number)
    }

    /// Whether anything is known of any incident of a target.
    #[must_use]
    pub fn has_any(&self, target: &TargetId) -> bool {
        self.targets.contains_key(target)
    }

    /// Compares a target's standing with what is written, and says what this node is to write now.
    /// `turn` is this node's place among those who see the standing. What flaps stays open until it is steady.
    pub fn consider(&mut self, now: Now, target: &TargetId, standing: Standing, turn: usize, flap: Flap) -> Option<Act> {
        let flaps = |incident: &Incident| incident.flapping().is_some();
        let wish = match (self.open_of(target), standing) {
            (Some((id, incident)), Standing::Degraded | Standing::Down) if flaps(incident) => Act::Settle(id),
            (Some((id, incident)), Standing::Down) if incident.standing() == Standing::Degraded => Act::Open(id),
            (None, Standing::Degraded | Standing::Down) => Act::Open(self.next(target)),
            (Some((id, _)), Standing::Up) => Act::Close(id),
            _ => {
                self.wishes.remove(target);
                return None;
            }
        };
        let pause = match (&wish, self.open_of(target)) {
            (Act::Open(_), None) => self.pause(now.mono, target),
            (Act::Close(_) | Act::Settle(_), Some((_, incident))) if flaps(incident) => flap.steady.max(incident.freshness(now.mono)),
            (Act::Close(_), Some((_, incident))) => incident.freshness(now.mono),
            _ => Span::ZERO,
        };
        let turns = pause + limits::TURN_OF_WITNESS * turn as u64;
        let due = now.mono + turns;
        let (wished, due) = self.wishes.entry(target.clone()).or_insert_with(|| (wish.clone(), due));
        if *wished != wish {
            *wished = wish.clone();
            *due = now.mono + turns;
        }
        if now.mono < *due {
            return None;
        }
        self.wishes.remove(target);
        Some(wish)
    }

    /// How many incidents a target has had lately, the next one included, if that many are flapping.
    #[must_use]
    pub fn flaps(&self, now: Mono, target: &TargetId, flap: Flap) -> Option<u32> {
        let numbers = self.targets.get(target)?.range(..=self.last(target)).rev();
        let lately = numbers
            .take_while(|(_, incident)| incident.flapping().is_none() && incident.seen.is_some_and(|seen| now.since(seen) <= flap.within));
        let count = 1 + u32::try_from(lately.take(usize::from(flap.count)).count()).unwrap_or(u32::MAX);
        (0 < flap.count && u32::from(flap.count) <= count).then_some(count)
    }

    /// This node writes nothing of a target for now: it is isolated, or the target is no longer defined.
    pub fn withdraw(&mut self, target: &TargetId) {
        self.wishes.remove(target);
    }

    /// Targets whose wishes wait for their turn, to be considered again.
    #[must_use]
    pub fn waiting(&self) -> Vec<TargetId> {
        self.wishes.keys().cloned().collect()
    }

    /// When the next wish is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.wishes.values().map(|(_, due)| *due).min()
    }

    /// The open incident of a target.
    #[must_use]
    pub fn open_of(&self, target: &TargetId) -> Option<(IncidentId, &Incident)> {
        let of_target = self.targets.get(target)?.range(..=self.last(target));
        let (number, incident) = of_target.rev().find(|(_, incident)| incident.is_open())?;
        Some((IncidentId { target: target.clone(), number: *number }, incident))
    }

    /// All incidents of a target.
    pub fn of<'a>(&'a self, target: &TargetId) -> impl Iterator<Item = &'a Incident> + use<'a> {
        let last = self.last(target);
        self.targets.get(target).into_iter().flat_map(move |numbers| numbers.range(..=last).map(|(_, incident)| incident))
    }

    /// One incident.
    #[must_use]
    pub fn get(&self, id: &IncidentId) -> Option<&Incident> {
        self.targets.get(&id.target)?.get(&id.number).filter(|_| id.number <= self.last(&id.target))
    }

    /// How many incidents of its target came after this one.
    #[must_use]
    pub fn later(&self, id: &IncidentId) -> usize {
        let last = self.last(&id.target).max(id.number);
        self.targets.get(&id.target).map_or(0, |numbers| numbers.range(id.number..=last).skip(1).count())
    }

    /// All incidents.
    pub fn all(&self) -> impl Iterator<Item = (IncidentId, &Incident)> {
        self.targets.iter().flat_map(|(target, numbers)| {
            numbers.range(..=self.last(target)).map(|(number, incident)| (IncidentId { target: target.clone(), number: *number }, incident))
        })
    }

    /// How long a standing must be bad before a further incident opens: longer each time that one was closed
    /// lately. Two nodes that see a target differently do not open and close in turns, and what flaps is told less.
    fn pause(&self, now: Mono, target: &TargetId) -> Span {
        match self.closings.get(target) {
            Some((last, times)) if now.since(*last) < limits::REOPEN_MEMORY => {
                Span(limits::REOPEN_FIRST.0 << times.saturating_sub(1).min(16)).min(limits::REOPEN_MOST)
            }
            _ => Span::ZERO,
        }
    }

    fn next(&self, target: &TargetId) -> IncidentId {
        IncidentId { target: target.clone(), number: self.last(target).saturating_add(1) }
    }

    /// The greatest number that is believed.
    fn last(&self, target: &TargetId) -> u32 {
        self.believed.get(target).copied().unwrap_or(0)
    }

    /// Finds again what is believed of a target, of which so much was believed of a part of what is known.
    fn believe(&mut self, target: &TargetId, before: u32) {
        let known = |from| self.targets.get(target).into_iter().flat_map(move |numbers| numbers.range(from..)).map(|(number, _)| *number);
        let counted = self.counted.get(target).into_iter().flat_map(BTreeMap::values).map(|(_, _, number)| *number);
        let believed = number::believed(before, known, counted);
        self.believed.insert(target.clone(), believed);
    }

    fn incident(&mut self, id: &IncidentId) -> &mut Incident {
        let is_new = self.targets.get(&id.target).is_none_or(|numbers| !numbers.contains_key(&id.number));
        self.targets.entry(id.target.clone()).or_default().entry(id.number).or_default();
        if is_new {
            self.believe(&id.target, self.last(&id.target));
        }
        self.targets.entry(id.target.clone()).or_default().entry(id.number).or_default()
    }
}

impl Incident {
    /// Whether something that was opened is not closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened.keys().any(|entry| !self.covered.contains(entry))
    }

    /// `Opened` entries that no `Closed` covers.
    #[must_use]
    pub fn uncovered(&self) -> Vec<EntryHash> {
        self.opened.keys().filter(|entry| !self.covered.contains(entry)).copied().collect()
    }

    /// All `Opened` entries.
    #[must_use]
    pub fn openings(&self) -> Vec<EntryHash> {
        self.opened.keys().copied().collect()
    }

    /// All `Opened` entries, each with its author.
    pub fn opened_by(&self) -> impl Iterator<Item = (EntryHash, NodeId)> {
        self.opened.iter().map(|(entry, (said, _))| (*entry, said.author))
    }

    /// Whether a channel was to be told when it opened.
    #[must_use]
    pub fn concerns(&self, channel: &str) -> bool {
        self.opened.values().any(|(_, fact)| fact.channels.iter().any(|name| name == channel))
    }

    /// How many incidents came within a short time, if it was said that this is flapping.
    #[must_use]
    pub fn flapping(&self) -> Option<u32> {
        self.opened.values().filter_map(|(_, fact)| fact.flapping).max()
    }

    /// The worst that was said.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.opened.values().map(|(_, fact)| fact.standing).max().unwrap_or_default()
    }

    /// The first of the openings that say the worst, in the order without clocks.
    #[must_use]
    pub fn opening(&self) -> Option<(&Said, &Opened)> {
        let worst = self.standing();
        let first = self.opened.iter().filter(|(_, (_, fact))| fact.standing == worst).min_by_key(|(entry, (said, _))| (*said, **entry));
        first.map(|(_, (said, fact))| (said, fact))
    }

    /// The last closing, in the order without clocks, if the incident is over.
    #[must_use]
    pub fn closing(&self) -> Option<(&Said, &Closed)> {
        if self.is_open() {
            return None;
        }
        self.closed.iter().max_by_key(|(entry, (said, _))| (*said, **entry)).map(|(_, (said, fact))| (said, fact))
    }

    /// When its first opening was said, and its end if it is over, in the order without clocks.
    #[must_use]
    pub fn stretch(&self) -> (u64, Option<u64>) {
        let first = self.opened.values().map(|(said, _)| said.lamport).min().unwrap_or_default();
        (first, self.closing().map(|(said, _)| said.lamport))
    }

    /// How long it is still too fresh here to be closed.
    fn freshness(&self, now: Mono) -> Span {
        self.seen.map_or(Span::ZERO, |seen| Span(limits::FRESH.0.saturating_sub(now.since(seen).0)))
    }

    /// How long it has lasted, by this node's forward-only clock where it saw the beginning, else by
    /// wall clocks: for reading only.
    #[must_use]
    pub fn lasted(&self, now: Now) -> Span {
        let Some((said, fact)) = self.opening() else { return Span::ZERO };
        let since = Wall(fact.since);
        match self.seen {
            Some(seen) => now.mono.since(seen) + said.wall.since(since),
            None => now.wall.since(since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(i64::try_from(ms).unwrap()) }
    }

    fn target() -> TargetId {
        TargetId("t".into())
    }

    fn id(number: u32) -> IncidentId {
        IncidentId { target: target(), number }
    }

    fn hash(n: u8) -> EntryHash {
        EntryHash([n; 32])
    }

    fn said(n: u8) -> Said {
        Said { lamport: u64::from(n), author: NodeId([n; 32]), wall: Wall(1000) }
    }

    fn open(number: u32, standing: Standing) -> Opened {
        Opened {
            incident: id(number),
            standing,
            votes: vec![],
            since: 400,
            reason: String::new(),
            seen: 3,
            enrolled: 3,
            channels: vec![],
            flapping: None,
        }
    }

    fn close(number: u32, covers: Vec<EntryHash>) -> Closed {
        Closed { incident: id(number), covers, at: 0, lasted: 0, standing: Standing::Up }
    }

    #[test]
    fn the_first_witness_writes_at_once_and_the_others_only_if_it_did_not() {
        let mut first = Incidents::default();
        assert_eq!(first.consider(at(0), &target(), Standing::Down, 0, Flap::OFF), Some(Act::Open(id(1))));
        let mut second = Incidents::default();
        assert_eq!(second.consider(at(0), &target(), Standing::Down, 1, Flap::OFF), None);
        let due = second.deadline().unwrap();
        assert_eq!(second.consider(Now { mono: due, ..at(0) }, &target(), Standing::Down, 1, Flap::OFF), Some(Act::Open(id(1))));
        second.opened(Some(due), hash(1), said(1), &open(1, Standing::Down));
        assert_eq!(second.consider(at(9000), &target(), Standing::Down, 1, Flap::OFF), None);
        assert_eq!(second.deadline(), None);
    }

    #[test]
    fn numbers_grow_and_an_unknown_standing_changes_nothing() {
        let mut incidents = Incidents::default();
        incidents.opened(Some(Mono(0)), hash(1), said(1), &open(1, Standing::Down));
        assert_eq!(incidents.consider(at(0), &target(), Standing::Unknown, 0, Flap::OFF), None);
        assert_eq!(incidents.consider(at(5000), &target(), Standing::Up, 0, Flap::OFF), Some(Act::Close(id(1))));
        incidents.closed(None, hash(2), said(2), &close(1, vec![hash(1)]));
        assert_eq!(incidents.consider(at(5000), &target(), Standing::Up, 0, Flap::OFF), None);
        assert_eq!(incidents.consider(at(5000), &target(), Standing::Down, 0, Flap::OFF), Some(Act::Open(id(2))));
    }

    #[test]
    fn who_sees_no_reason_yet_leaves_a_fresh_incident_open() {
        let mut incidents = Incidents::default();
        incidents.opened(Some(Mono(1000)), hash(1), said(1), &open(1, Standing::Down));
        assert_eq!(incidents.consider(at(1000), &target(), Standing::Up, 0, Flap::OFF), None);
        assert_eq!(incidents.deadline(), Some(Mono(6000)));
        assert_eq!(incidents.consider(at(3000), &target(), Standing::Down, 0, Flap::OFF), None, "the reason came");
        assert_eq!(incidents.deadline(), None);
        assert_eq!(incidents.consider(at(7000), &target(), Standing::Up, 0, Flap::OFF), Some(Act::Close(id(1))));
    }

    #[test]
    fn numbers_of_forgotten_incidents_are_not_given_again() {
        let [one, two] = [1, 2].map(|n| NodeId([n; 32]));
        let life = Incarnation { opened: 1, nonce: [0; 16] };
        let count = |number| Counted { target: target(), number };
        let mut incidents = Incidents::default();
        incidents.counted(one, life, 9, &count(4));
        incidents.counted(one, life, 3, &count(2));
        incidents.counted(two, life, 5, &count(3));
        assert_eq!(incidents.consider(at(0), &target(), Standing::Down, 0, Flap::OFF), Some(Act::Open(id(5))));
        incidents.forget(one, life, 8);
        assert_eq!(incidents.consider(at(0), &target(), Standing::Down, 0, Flap::OFF), Some(Act::Open(id(5))), "said again since");
        incidents.forget(one, life, 9);
        assert_eq!(incidents.consider(at(0), &target(), Standing::Down, 0, Flap::OFF), Some(Act::Open(id(4))));
    }

    #[test]
    fn what_was_just_closed_opens_again_only_after_a_pause_that_grows() {
        let mut incidents = Incidents::default();
        let mut pauses = Vec::new();
        let mut ms = 0;
        for number in 1..=8 {
            let began = ms;
            while incidents.consider(at(ms), &target(), Standing::Down, 0, Flap::OFF).is_none() {
                ms += 500;
            }
            pauses.push(ms - began);
            let number_hash = u8::try_from(number).unwrap();
            incidents.opened(Some(Mono(ms)), hash(number_hash), said(1), &open(number, Standing::Down));
            incidents.closed(Some(Mono(ms)), hash(100 + number_hash), said(2), &close(number, vec![hash(number_hash)]));
        }
        assert_eq!(pauses, [0, 2000, 4000, 8000, 16_000, 32_000, 64_000, 120_000]);
        let later = at(ms + limits::REOPEN_MEMORY.0);
        assert!(incidents.consider(later, &target(), Standing::Down, 0, Flap::OFF).is_some());
    }

    const FLAP: Flap = Flap { count: 3, within: Span::secs(600), steady: Span::secs(60) };

    #[test]
    fn the_third_incident_within_the_time_flaps_and_one_that_flapped_begins_the_count_anew() {
        let mut incidents = Incidents::default();
        assert_eq!(incidents.flaps(Mono(0), &target(), FLAP), None);
        for number in 1..=2u8 {
            incidents.opened(Some(Mono(u64::from(number) * 1000)), hash(number), said(number), &open(u32::from(number), Standing::Down));
            incidents.closed(None, hash(100 + number), said(number), &close(u32::from(number), vec![hash(number)]));
        }
        assert_eq!(incidents.flaps(Mono(600_000), &target(), FLAP), Some(3));
        assert_eq!(incidents.flaps(Mono(600_000), &target(), Flap::OFF), None);
        assert_eq!(incidents.flaps(Mono(602_000), &target(), FLAP), None, "the first is too long ago");
        incidents.opened(Some(Mono(5000)), hash(3), said(3), &Opened { flapping: Some(3), ..open(3, Standing::Down) });
        incidents.closed(None, hash(103), said(3), &close(3, vec![hash(3)]));
        assert_eq!(incidents.flaps(Mono(6000), &target(), FLAP), None);
    }

    #[test]
    fn what_flaps_stays_open_until_it_is_steady_whichever_way() {
        let mut incidents = Incidents::default();
        incidents.opened(Some(Mono(0)), hash(1), said(1), &Opened { flapping: Some(3), ..open(1, Standing::Down) });
        let mut consider = |second: u64, standing| incidents.consider(at(second * 1000), &target(), standing, 0, FLAP);
        for second in (0..300).step_by(50) {
            assert_eq!(consider(second, Standing::Up), None);
            assert_eq!(consider(second + 25, Standing::Down), None);
        }
        assert_eq!(consider(300, Standing::Up), None);
        assert_eq!(consider(359, Standing::Up), None);
        assert_eq!(consider(360, Standing::Up), Some(Act::Close(id(1))));
        assert_eq!(consider(361, Standing::Down), None);
        assert_eq!(consider(421, Standing::Down), Some(Act::Settle(id(1))));
    }

    #[test]
    fn what_gets_worse_is_said_again() {
        let mut incidents = Incidents::default();
        incidents.opened(Some(Mono(0)), hash(1), said(1), &open(1, Standing::Degraded));
        assert_eq!(incidents.consider(at(0), &target(), Standing::Down, 0, Flap::OFF), Some(Act::Open(id(1))));
        incidents.opened(Some(Mono(0)), hash(2), said(2), &open(1, Standing::Down));
        assert_eq!(incidents.consider(at(0), &target(), Standing::Degraded, 0, Flap::OFF), None);
        assert_eq!(incidents.get(&id(1)).unwrap().standing(), Standing::Down);
    }

    #[test]
    fn an_opening_from_the_other_side_of_a_split_stays_open() {
        let mut incidents = Incidents::default();
        incidents.closed(None, hash(3), said(3), &close(1, vec![hash(1)]));
        incidents.opened(None, hash(2), said(2), &open(1, Standing::Down));
        incidents.opened(None, hash(1), said(1), &open(1, Standing::Down));
        let incident = incidents.get(&id(1)).unwrap();
        assert!(incident.is_open() && incident.closing().is_none());
        assert_eq!(incident.uncovered(), [hash(2)]);
        assert_eq!(incident.opening().unwrap().0.author, NodeId([1; 32]), "the earliest without clocks");
    }

    #[test]
    fn duration_counts_from_the_first_bad_look() {
        let mut incidents = Incidents::default();
        incidents.opened(Some(Mono(5000)), hash(1), said(1), &open(1, Standing::Down));
        // Opened 600 ms after the first bad look by its author's clock, seen here for 7 s.
        assert_eq!(incidents.get(&id(1)).unwrap().lasted(at(12_000)), Span(7600));
    }
}
