//! Which of this node's own events may go, and what must be said again first.
//!
//! Events go from the start of a chain only, when they are old. But nobody may see an incident without
//! its end or its receipt, or it would be told again: an opening that is still open, and an end or
//! receipt of an incident of which any opening is in force (or was at the previous look, since bases of
//! several authors arrive in any order), must not just go. Such a fact is said again at the end of the
//! lane, and the base passes it at a later look. How facts are written and bases declared is not known here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::entry::Entry;
use crate::base::fact::{Closed, Fact, Mark};
use crate::base::id::{EntryHash, Incarnation, IncidentId, IntentKey, Lane, TargetId};
use crate::base::limits;
use crate::base::outcome::Standing;
use crate::base::time::{Mono, Wall};

/// This node's own events in force, by life.
#[derive(Debug)]
pub struct Ledger {
    lives: BTreeMap<Incarnation, Life>,
    /// What the previous look saw.
    before: Option<Seen>,
    due: Mono,
}

/// The events of one life.
#[derive(Debug, Default)]
struct Life {
    base: u64,
    items: VecDeque<Item>,
}

#[derive(Debug)]
struct Item {
    wall: Wall,
    hash: EntryHash,
    /// Those that something hangs on.
    facts: Box<[Fact]>,
}

#[derive(Debug)]
struct Seen {
    survey: Survey,
    /// The last own event.
    last: Option<Place>,
}

/// What is known of incidents while own events are looked through.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// All `Opened` entries in force, of everybody, and whether each is this node's own.
    pub openings: BTreeMap<EntryHash, (IncidentId, bool)>,
    /// Those of them that are open, of targets that are defined.
    pub open: BTreeSet<EntryHash>,
    /// What may be told of these incidents.
    pub keys: BTreeMap<IntentKey, IncidentId>,
    /// Silences whose beginning is in force, and whether each holds.
    pub silences: BTreeMap<u32, bool>,
    /// Keys of which no receipt is known, where votes hold until somebody settles them.
    pub unsettled: BTreeSet<IntentKey>,
}

/// What a look found.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// To be said again, on the lane of events.
    pub again: Vec<Fact>,
    /// Bases to be declared.
    pub bases: Vec<Mark>,
    /// The greatest number of an incident of each target that goes: it must be remembered before.
    pub counts: BTreeMap<TargetId, u32>,
}

/// How far a look may go.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Only what was written before this moment of this node's wall clock.
    pub before: Wall,
    /// What must not be forgotten is said again if it was written before this moment. What is younger
    /// waits: others will soon let go of the openings that it belongs to.
    pub again: Wall,
    /// At most so many entries.
    pub most: u64,
    /// Only of lives before this one.
    pub lives: Option<Incarnation>,
}

/// How one fact stands.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    Free,
    /// Not to go yet.
    Stay,
    /// Not to go before it is said again.
    Again,
}

impl Ledger {
    /// A daemon that starts.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self { lives: BTreeMap::new(), before: None, due: now + limits::AGE_FIRST / 2 }
    }

    /// Everything is read again.
    pub fn clear(&mut self) {
        self.lives.clear();
    }

    /// Takes an event of this node, each chain in order.
    pub fn note(&mut self, entry: &Entry) {
        let header = &entry.header;
        let life = self.lives.entry(header.chain.incarnation).or_default();
        if life.items.is_empty() {
            life.base = header.sequence.saturating_sub(1);
        }
        let holds = |fact: &&Fact| match fact {
            Fact::Opened(_) | Fact::Closed(_) | Fact::Propose(_) | Fact::Grant(_) | Fact::Executing(_) => true,
            Fact::Acknowledged(_) | Fact::Silenced(_) | Fact::Unsilenced(_) => true,
            Fact::Done(done) => done.success,
            _ => false,
        };
        let facts = entry.facts.iter().filter(holds).cloned().collect();
        life.items.push_back(Item { wall: header.wall, hash: entry.hash, facts });
    }

    /// Nothing of a life's events up to here is in force any more.
    pub fn rise(&mut self, incarnation: Incarnation, base: u64) {
        let Some(life) = self.lives.get_mut(&incarnation) else { return };
        let gone = life.items.len().min(usize::try_from(base.saturating_sub(life.base)).unwrap_or(usize::MAX));
        life.items.drain(..gone);
        life.base = life.base.max(base);
        if life.items.is_empty() {
            self.lives.remove(&incarnation);
        }
    }

    /// Own events in force.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lives.values().map(|life| life.items.len() as u64).sum()
    }

    /// Whether it is time for a look.
    #[must_use]
    pub fn is_due(&self, now: Mono) -> bool {
        self.due <= now
    }

    /// Finds what may go. The first look of a run of the daemon only remembers what it saw.
    pub fn look(&mut self, now: Mono, reach: Reach, survey: Survey) -> Option<Findings> {
        let findings = self.before.as_ref().map(|before| self.find(reach, &survey, before));
        let pause = match &findings {
            None => limits::AGE_FIRST / 2,
            Some(findings) if findings.again.is_empty() => limits::AGE_EVERY,
            Some(_) => limits::AGE_FIRST,
        };
        self.due = now + pause;
        self.before = Some(Seen { survey, last: self.last() });
        findings
    }

    /// The last own event.
    fn last(&self) -> Option<Place> {
        self.lives.iter().next_back().map(|(incarnation, life)| (*incarnation, life.base + life.items.len() as u64))
    }

    fn find(&self, reach: Reach, survey: &Survey, before: &Seen) -> Findings {
        let mut candidates = self.candidates(reach);
        let case = Case::of(self, candidates.len(), survey, before);
        let mut passed = openings(&candidates);
        let old = candidates.iter().filter(|(_, _, item)| item.wall < reach.again);
        let facts = old.flat_map(|(_, _, item)| item.facts.iter().map(move |fact| (item.hash, fact)));
        let unsaid = facts.filter(|(entry, fact)| case.hold(*entry, fact, &passed) == Hold::Again && !case.says(fact, case.end));
        let again = unsaid.map(|(_, fact)| fact.clone()).collect();
        // What stops the base keeps later openings in force, which may hold more in turn.
        let held =
            |item: &Item, passed: &BTreeSet<EntryHash>| item.facts.iter().any(|fact| case.hold(item.hash, fact, passed) != Hold::Free);
        while let Some(stop) = candidates.iter().position(|(_, _, item)| held(item, &passed)) {
            candidates.truncate(stop);
            passed = openings(&candidates);
        }
        let mut findings = Findings { again, ..Findings::default() };
        for (incarnation, sequence, item) in &candidates {
            findings.bases.pop_if(|mark| mark.incarnation == *incarnation);
            findings.bases.push(Mark { incarnation: *incarnation, lane: Lane::Events, sequence: *sequence, hash: item.hash });
            for fact in &item.facts {
                if let Fact::Opened(opened) = fact {
                    let count = findings.counts.entry(opened.incident.target.clone()).or_default();
                    *count = opened.incident.number.max(*count);
                }
            }
        }
        findings
    }

    /// The entries that are old enough, oldest first. A life begins to go when those before it are gone.
    fn candidates(&self, reach: Reach) -> Vec<(Incarnation, u64, &Item)> {
        let mut candidates = Vec::new();
        for (incarnation, life) in &self.lives {
            if reach.lives.is_some_and(|lives| lives <= *incarnation) {
                break;
            }
            for (sequence, item) in (life.base + 1..).zip(&life.items) {
                if reach.before <= item.wall || reach.most <= candidates.len() as u64 {
                    return candidates;
                }
                candidates.push((*incarnation, sequence, item));
            }
        }
        candidates
    }
}

/// The `Opened` entries among these.
fn openings(items: &[(Incarnation, u64, &Item)]) -> BTreeSet<EntryHash> {
    let opens = |item: &Item| item.facts.iter().any(|fact| matches!(fact, Fact::Opened(_)));
    items.iter().filter(|(_, _, item)| opens(item)).map(|(_, _, item)| item.hash).collect()
}

/// A place in this node's own events.
type Place = (Incarnation, u64);

/// Everything that decides whether a fact may go.
struct Case<'a> {
    survey: &'a Survey,
    before: &'a Survey,
    /// The last own event at the previous look, and now.
    seen: Option<Place>,
    end: Option<Place>,
    /// Openings in force of each incident.
    living: BTreeMap<&'a IncidentId, BTreeSet<EntryHash>>,
    /// Incidents of which others had openings in force at the previous look. Their own bases may be heard of later than
    /// this node's.
    lately: BTreeSet<&'a IncidentId>,
    /// What was said after the entries that may go.
    opened: BTreeMap<&'a IncidentId, Vec<(Standing, Place)>>,
    closed: BTreeMap<&'a IncidentId, Vec<(&'a Closed, Place)>>,
    done: BTreeMap<EntryHash, Place>,
    /// What people said about being told, which is said again as it was.
    quiet: Vec<(&'a Fact, Place)>,
}

impl<'a> Case<'a> {
    /// `skip` is how many of the first entries may go.
    fn of(ledger: &'a Ledger, skip: usize, survey: &'a Survey, before: &'a Seen) -> Self {
        let mut living: BTreeMap<&IncidentId, BTreeSet<EntryHash>> = BTreeMap::new();
        for (entry, (incident, _)) in &survey.openings {
            living.entry(incident).or_default().insert(*entry);
        }
        let mut case = Self {
            survey,
            before: &before.survey,
            seen: before.last,
            end: ledger.last(),
            living,
            lately: before.survey.openings.values().filter(|(_, own)| !own).map(|(incident, _)| incident).collect(),
            opened: BTreeMap::new(),
            closed: BTreeMap::new(),
            done: BTreeMap::new(),
            quiet: Vec::new(),
        };
        let items = ledger.lives.iter().flat_map(|(incarnation, life)| {
            (life.base + 1..).zip(&life.items).map(move |(sequence, item)| ((*incarnation, sequence), item))
        });
        for (place, fact) in items.skip(skip).flat_map(|(place, item)| item.facts.iter().map(move |fact| (place, fact))) {
            match fact {
                Fact::Opened(opened) => case.opened.entry(&opened.incident).or_default().push((opened.standing, place)),
                Fact::Closed(closed) => case.closed.entry(&closed.incident).or_default().push((closed, place)),
                Fact::Done(done) => drop(case.done.entry(done.ballot).or_insert(place)),
                Fact::Acknowledged(_) | Fact::Silenced(_) | Fact::Unsilenced(_) => case.quiet.push((fact, place)),
                _ => {}
            }
        }
        case
    }

    /// Whether a fact of an entry may go when the openings of `passed` go with it.
    fn hold(&self, entry: EntryHash, fact: &Fact, passed: &BTreeSet<EntryHash>) -> Hold {
        let held = match fact {
            Fact::Opened(_) if self.survey.open.contains(&entry) => Hold::Again,
            Fact::Closed(closed) => self.is_alive(&closed.incident, passed),
            Fact::Done(done) => {
                let known = [self.survey, self.before];
                let told = known.iter().flat_map(|known| done.covers.iter().filter_map(|entry| known.openings.get(entry)));
                let named = known.iter().flat_map(|known| done.keys.iter().filter_map(|key| known.keys.get(key)));
                let incidents = told.map(|(incident, _)| incident).chain(named);
                incidents.map(|incident| self.is_alive(incident, passed)).max().unwrap_or(Hold::Free)
            }
            Fact::Acknowledged(fact) => self.is_alive(&fact.incident, passed),
            Fact::Silenced(fact) if self.survey.silences.get(&fact.id) == Some(&true) => Hold::Again,
            // Without its end a silence would begin anew.
            Fact::Unsilenced(fact) if [self.survey, self.before].iter().any(|known| known.silences.contains_key(&fact.id)) => Hold::Again,
            Fact::Propose(propose) => self.stays(&propose.keys),
            Fact::Grant(grant) => self.stays(&grant.keys),
            Fact::Executing(executing) => self.stays(&executing.keys),
            _ => Hold::Free,
        };
        if held == Hold::Again && self.says(fact, self.seen) { Hold::Free } else { held }
    }

    /// What hangs on an incident: an opening is in force that does not go now, or was at the previous look.
    fn is_alive(&self, incident: &IncidentId, passed: &BTreeSet<EntryHash>) -> Hold {
        let stays = |openings: &BTreeSet<EntryHash>| openings.iter().any(|entry| !passed.contains(entry));
        if self.living.get(incident).is_some_and(stays) {
            Hold::Again
        } else if self.lately.contains(incident) {
            Hold::Stay
        } else {
            Hold::Free
        }
    }

    fn stays(&self, keys: &[IntentKey]) -> Hold {
        if keys.iter().any(|key| self.survey.unsettled.contains(key)) { Hold::Stay } else { Hold::Free }
    }

    /// Whether a fact was said again up to a place.
    fn says(&self, fact: &Fact, upto: Option<Place>) -> bool {
        let seen = |place: &Place| upto.is_some_and(|upto| *place <= upto);
        let matters = |entry: &&EntryHash| [self.survey, self.before].iter().any(|known| known.openings.contains_key(*entry));
        match fact {
            Fact::Opened(opened) => {
                let later = self.opened.get(&opened.incident);
                later.is_some_and(|later| later.iter().any(|(standing, place)| opened.standing <= *standing && seen(place)))
            }
            Fact::Closed(closed) => {
                let covers = |later: &Closed| closed.covers.iter().filter(matters).all(|entry| later.covers.contains(entry));
                self.closed.get(&closed.incident).is_some_and(|later| later.iter().any(|(later, place)| seen(place) && covers(later)))
            }
            Fact::Done(done) => self.done.get(&done.ballot).is_some_and(seen),
            Fact::Acknowledged(_) | Fact::Silenced(_) | Fact::Unsilenced(_) => {
                self.quiet.iter().any(|(later, place)| *later == fact && seen(place))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
