//! What this node lets go of: its own old events and roll-ups, and more of them when the journal is full.
//!
//! It raises the bases of its own chains and says so; only in need does it drop roll-ups of others from
//! its own store. Which events may go is decided by `retention`; where roll-ups are old is asked of the
//! store, since they are not kept in memory.

use crate::base::fact::{Counted, Fact, Floor, Mark};
use crate::base::id::{ChainId, EntryHash, IntentKey, Lane, NodeId};
use crate::base::limits;
use crate::base::settings::{Phase, Split};
use crate::base::time::{Now, Span, Wall};
use crate::base::wire::Head;
use crate::logic::effect::{Effect, Effects};
use crate::logic::node::Node;
use crate::logic::notice;
use crate::logic::retention::{Reach, Survey};

/// Later than anything that was ever written.
const EVER: Wall = Wall(i64::MAX);

/// Roll-ups, in the order in which they are given up.
const ROLLUPS: [Lane; 3] = [Lane::Minutes, Lane::Hours, Lane::Days];

impl Node {
    /// Lets go of what is too old, or too much. With `complete`, this node knows all of its earlier lives.
    pub(super) fn prune(&mut self, now: Now, complete: bool, out: &mut Effects) {
        for (chain, sequence, hash) in std::mem::take(&mut self.upkeep.found) {
            self.begin_after(chain, sequence, hash, out);
        }
        if self.upkeep.ledger.is_due(now.mono) {
            let most = part(self.upkeep.ledger.count(), limits::AGE_PART);
            let again = before(now, limits::EVENTS_AGE + limits::EVENTS_GRACE);
            if self.let_go(now, Reach { before: before(now, limits::EVENTS_AGE), again, most, lives: None }) {
                // A sixteenth of two weeks would be less than what comes in a day.
                let lanes =
                    [(Lane::Minutes, limits::MINUTES_AGE, limits::AGE_PART / 4), (Lane::Hours, limits::HOURS_AGE, limits::AGE_PART)];
                for (lane, age, share) in lanes {
                    self.ask_for(lane, before(now, age), part(self.own_entries(lane), share), out);
                }
            }
        }
        if self.upkeep.pressed <= now.mono {
            self.yield_to_pressure(now, out);
        }
        self.flush(now, out);
        let lowest = self.lowest_life(false).filter(|_| complete);
        if let Some(incarnation) = lowest.filter(|lowest| self.journal.floor(&self.me) < Some(*lowest)) {
            self.journal.write(Fact::Floor(Floor { incarnation }));
            self.flush(now, out);
        }
    }

    /// A chain begins after an entry: an own one for everybody, another's only here.
    fn begin_after(&mut self, chain: ChainId, sequence: u64, hash: EntryHash, out: &mut Effects) {
        if chain.author == self.me {
            let mark = Mark { incarnation: chain.incarnation, lane: chain.lane, sequence, hash };
            self.journal.write(Fact::Base(mark));
        } else if let Some(record) = self.journal.drop_until(&chain, sequence, hash) {
            out.append.push(record);
            self.changed = true;
        }
    }

    /// Gives up own events as far as may be, and says again what must not be forgotten. False for the first
    /// look in this run of the daemon, which changes nothing.
    fn let_go(&mut self, now: Now, reach: Reach) -> bool {
        let survey = self.survey();
        let Some(findings) = self.upkeep.ledger.look(now.mono, reach, survey) else { return false };
        for (target, number) in findings.counts {
            if self.incidents.counted_by(&target, &self.me) < number {
                self.journal.write(Fact::Counted(Counted { target, number }));
            }
        }
        findings.again.into_iter().for_each(|fact| self.journal.write(fact));
        findings.bases.into_iter().for_each(|mark| self.journal.write(Fact::Base(mark)));
        true
    }

    /// What incidents own events may belong to.
    fn survey(&self) -> Survey {
        let network = &self.settings.network;
        let mut survey = Survey { silences: self.quiet.numbers().collect(), ..Survey::default() };
        for (id, incident) in self.incidents.all() {
            survey.openings.extend(incident.opened_by().map(|(entry, author)| (entry, (id.clone(), author == self.me))));
            if self.targets.contains_key(&id.target) {
                survey.open.extend(incident.uncovered());
            }
            for channel in &network.channels {
                let told = |key: &IntentKey| self.intents.receipt(key).is_some();
                let reminders = |phase| match channel.remind {
                    Some(_) if phase != Phase::Up => 1 + notice::last_of(network.network, &channel.name, &id, phase, told).0,
                    _ => 0,
                };
                let rounds = [Phase::Degraded, Phase::Down, Phase::Up].map(|phase| (phase, reminders(phase)));
                for (phase, round) in rounds.into_iter().flat_map(|(phase, most)| (0..=most).map(move |round| (phase, round))) {
                    let key = notice::key_of_reminder(network.network, &channel.name, &id, phase, round);
                    if network.split == Split::Majority && self.intents.receipt(&key).is_none() {
                        survey.unsettled.insert(key);
                    }
                    survey.keys.insert(key, id.clone());
                }
            }
        }
        survey
    }

    /// Asks where the first own chains of a lane may begin, so many entries farther on together.
    fn ask_for(&self, lane: Lane, before: Wall, mut most: u64, out: &mut Effects) {
        for head in self.own_on(lane) {
            let step = most.min(head.sequence - head.base);
            if step == 0 {
                break;
            }
            most -= step;
            out.then(Effect::Find { chain: head.chain, before, most: head.base + step });
        }
    }

    /// Own entries in force on a lane.
    fn own_entries(&self, lane: Lane) -> u64 {
        self.own_on(lane).map(|head| head.sequence - head.base).sum()
    }

    /// The lane of which own roll-ups are given up next: minutes before hours before days, as long as they are
    /// more than a small part of what is left. There are always some new ones.
    fn cheapest_rollups(&self) -> Option<Lane> {
        let mut left: u64 = ROLLUPS.into_iter().map(|lane| self.own_entries(lane)).sum();
        ROLLUPS.into_iter().find(|lane| {
            let held = self.own_entries(*lane);
            let enough = 0 < held && left <= held * 4;
            left -= held;
            enough
        })
    }

    /// Own chains of a lane with anything in force, oldest life first.
    fn own_on(&self, lane: Lane) -> impl Iterator<Item = &Head> {
        self.journal.own().filter(move |head| head.chain.lane == lane && head.base < head.sequence)
    }

    /// Gives up more than what is old, where there is too much: the oldest quarter, and then its effect is awaited.
    fn yield_to_pressure(&mut self, now: Now, out: &mut Effects) {
        let size = self.settings.network.journal_size;
        let fuller = |percent: u64| u128::from(size) * u128::from(percent) < u128::from(self.upkeep.used) * 100;
        let (full, brimming) = (fuller(limits::PRESSURE), fuller(limits::PRESSURE_OTHERS));
        let heavy = size / limits::SHARES / 4 * 3 < self.journal.weight(&self.me);
        let crowded = limits::CHAINS / 4 * 3 < self.journal.own().take(limits::CHAINS).count();
        if !(full || heavy || crowded) {
            return;
        }
        self.upkeep.pressed = now.mono + limits::PRESSURE_PAUSE;
        if let Some(lane) = self.cheapest_rollups().filter(|_| full) {
            self.ask_for(lane, EVER, self.own_entries(lane).div_ceil(4), out);
        }
        if brimming {
            self.drop_of_others(out);
        }
        if heavy {
            let most = self.upkeep.ledger.count().div_ceil(4);
            self.let_go(now, Reach { before: EVER, again: EVER, most, lives: None });
        }
        if crowded {
            self.give_up_oldest_life(now);
        }
    }

    /// Drops roll-ups of whoever has most of them here, from this store alone.
    fn drop_of_others(&self, out: &mut Effects) {
        let mut held: std::collections::BTreeMap<(NodeId, Lane), u64> = std::collections::BTreeMap::new();
        let rollups = |head: &&Head| head.chain.author != self.me && ROLLUPS.contains(&head.chain.lane) && head.base < head.sequence;
        for head in self.journal.heads().filter(rollups) {
            *held.entry((head.chain.author, head.chain.lane)).or_default() += head.sequence - head.base;
        }
        let Some(lane) = ROLLUPS.into_iter().find(|lane| held.keys().any(|(_, held)| held == lane)) else { return };
        let of_lane = held.iter().filter(|((_, held), _)| *held == lane);
        let Some((&(author, _), &total)) = of_lane.max_by_key(|(_, entries)| **entries) else { return };
        let oldest = self.journal.heads().filter(rollups).find(|head| head.chain.author == author && head.chain.lane == lane);
        if let Some(head) = oldest {
            let most = head.sequence.min(head.base + total.div_ceil(4));
            out.then(Effect::Find { chain: head.chain, before: EVER, most });
        }
    }

    /// Gives up all that is left of the first of this node's lives: others take only so many chains of one author.
    fn give_up_oldest_life(&mut self, now: Now) {
        let present = self.journal.incarnation();
        let lives = || self.journal.own().filter(|head| head.base < head.sequence).map(|head| head.chain.incarnation);
        let Some(oldest) = lives().next().filter(|oldest| *oldest < present) else { return };
        let next = lives().find(|life| oldest < *life);
        let of_oldest = |head: &&Head| head.chain.incarnation == oldest && ROLLUPS.contains(&head.chain.lane);
        let marks: Vec<Mark> = self.journal.own().filter(of_oldest).map(end_of).collect();
        marks.into_iter().for_each(|mark| self.journal.write(Fact::Base(mark)));
        self.let_go(now, Reach { before: EVER, again: EVER, most: u64::MAX, lives: next });
    }
}

/// The last place of a chain.
fn end_of(head: &Head) -> Mark {
    Mark { incarnation: head.chain.incarnation, lane: head.chain.lane, sequence: head.sequence, hash: head.hash }
}

/// As many entries as may go in one look at so many.
fn part(total: u64, share: u64) -> u64 {
    total.div_ceil(share).max(limits::AGE_LEAST)
}

fn before(now: Now, age: Span) -> Wall {
    Wall(now.wall.0.saturating_sub_unsigned(age.0))
}
