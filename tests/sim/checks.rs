//! What must hold, after every step and in the end. Each check is proved by a mutation.
//!
//! The exact bound on letters: of two letters for one notice, the sender of the later one must have
//! an excuse for each earlier one. It must not have held its receipt, nor may a node with which it
//! was in touch have held it for [`SPREAD`]; and one of these must hold: the earlier sender lost the
//! receipt (it died between the server's acceptance and its commit, its disk was put back, or the
//! server's answer was lost); it could not write the receipt until its lease was over; or the two were
//! apart for [`APART`] in the time from shortly before the earlier sending until the later. So without
//! faults there is exactly one letter, and with faults at most one more for each such loss or
//! separation. Where only a majority may tell, only a lost answer of the server is an excuse.

use std::collections::BTreeMap;

use peerwatch::base::entry::Entry;
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, EntryHash, LinkId, NodeId};
use peerwatch::base::limits;
use peerwatch::logic::effect::{Effect, Effects};

use crate::options::name;
use crate::world::Taken;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Each disk holds each chain without gaps, each entry after the one before.
    Chain,
    /// No place of a chain ever has two entries, anywhere.
    Fork,
    /// Nothing arrives that its author did not commit.
    Unwritten,
    /// Nothing arrives otherwise than its author wrote it, to the last bit.
    Altered,
    /// Nothing of its own leaves a host before it is synced, and no word of it.
    Unsynced,
    /// Queues are bounded, and so is what one turn asks for.
    Bounds,
    /// A node knows and shows exactly what is committed.
    Shown,
    /// No deadline lies in the past after a turn, and turns are bounded.
    Busy,
    /// What is written to bytes is read back.
    Codec,
    /// A face gets its answer in time.
    Unanswered,
    /// No incident of a target that was well for everybody; none but real ones without faults.
    FalseAlarm,
    /// No incident of a target that nobody but a host that was cut off, and could know it, did not reach.
    Isolated,
    /// What goes up and down all the time is told no more often than the manual says.
    Flood,
    /// No letter without an excuse for a second one.
    Twice,
    /// Whatever was bad long enough is told, and its end, in time.
    Silence,
    /// Nobody tells of what it knows to be silenced, and reminds of what it knows to be acknowledged.
    Quiet,
    /// In the end all living nodes have the same heads.
    Heads,
    /// Same heads, same records.
    Records,
    /// Who was revoked has no links, and nothing that it wrote since is in force.
    Ended,
    /// Of two hosts with one key one stops, and of one none.
    Twin,
    /// Whoever follows the key/value store is told each change once, in the author's order, before who wrote it.
    Followed,
    /// In the end all living nodes have the same values, and what was said to be written.
    Values,
    /// In the end everybody who lives sees everybody who lives.
    Sight,
    /// The same seed tells the same story.
    Replay,
}

/// One thing that does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    pub check: Check,
    pub at: u64,
    pub text: String,
}

/// A separation for as long as this is an excuse: a voter silent for longer is not awaited, and may have been
/// silent for one heartbeat before; less the error of two clocks.
const APART: u64 = (limits::VOTER_SILENCE.0 - limits::HEARTBEAT.0) * 96 / 100;

/// Hosts in touch for less than this may not have heard of each other: a heartbeat and its way.
const TOUCH: u64 = limits::HEARTBEAT.0 * 3;

/// In this time a receipt reaches everybody in touch, also when a frame was lost and the digests must repair it.
const SPREAD: u64 = limits::DIGEST.0 * 3 / 2;

/// Turns of one host in one second: the inputs of seven nodes come in far fewer milliseconds. In a larger network so many for
/// each host.
const TURNS: u32 = 400;
/// See [`TURNS`].
const TURNS_EACH: usize = 25;

/// Messages that one turn may put on one link: a quarter of what the link holds.
const AT_ONCE: usize = limits::LINK_QUEUE / 4;

/// What the checks know of the past of all hosts.
#[derive(Debug)]
pub struct Watch {
    places: BTreeMap<(ChainId, u64), EntryHash>,
    written: BTreeMap<EntryHash, Entry>,
    /// Turns within a second beyond the usual that are no harm: where many targets are looked at.
    pub more_turns: u32,
    /// Since when two hosts are apart.
    apart: Vec<Vec<Option<u64>>>,
    /// From when until when two hosts were last apart.
    last: Vec<Vec<(u64, u64)>>,
    /// Separations that are over and were long enough.
    separations: Vec<(usize, usize, u64, u64)>,
    turns: Vec<(u64, u32)>,
    /// A key that was on two hosts, which may have signed two entries for one place.
    pub copied: Option<NodeId>,
}

impl Watch {
    pub fn new(hosts: usize) -> Self {
        let apart = (0..hosts).map(|a| (0..hosts).map(|b| (a != b).then_some(0)).collect()).collect();
        let last = vec![vec![(0, 0); hosts]; hosts];
        Self {
            places: BTreeMap::new(),
            written: BTreeMap::new(),
            more_turns: 0,
            apart,
            last,
            separations: Vec::new(),
            turns: vec![(0, 0); hosts],
            copied: None,
        }
    }

    /// A host committed an entry, its own or another's.
    pub fn committed(&mut self, at: u64, host: usize, own: bool, entry: &Entry) -> Result<(), Failure> {
        let header = &entry.header;
        if own {
            self.written.insert(entry.hash, entry.clone());
        }
        let known = *self.places.entry((header.chain, header.sequence)).or_insert(entry.hash);
        let text = || format!("{} has two entries {} of {}", name(host), header.sequence, header.chain);
        demand(known == entry.hash || self.copied == Some(header.chain.author), Check::Fork, at, text)
    }

    /// An entry arrived somewhere.
    pub fn delivered(&self, at: u64, entry: &Entry) -> Result<(), Failure> {
        let text = || format!("entry {} of {} arrived and was never committed by its author", entry.header.sequence, entry.header.chain);
        let Some(written) = self.written.get(&entry.hash) else { return Err(Failure { check: Check::Unwritten, at, text: text() }) };
        demand(written.bytes() == entry.bytes(), Check::Altered, at, || {
            format!("entry {} of {} is not as its author wrote it", entry.header.sequence, entry.header.chain)
        })
    }

    /// An entry as its author wrote it.
    pub fn as_written(&self, entry: &EntryHash) -> Option<&Entry> {
        self.written.get(entry)
    }

    /// Whether an entry was ever synced by its author.
    pub fn was_written(&self, entry: &EntryHash) -> bool {
        self.written.contains_key(entry)
    }

    /// How far a chain was ever written.
    pub fn last_written(&self, chain: &ChainId) -> u64 {
        self.places.range((*chain, 0)..=(*chain, u64::MAX)).next_back().map_or(0, |((_, sequence), _)| *sequence)
    }

    /// What a turn asks for is bounded: a link that must take more at once is cut off by the daemon.
    pub fn asked(&mut self, at: u64, host: usize, out: &Effects) -> Result<(), Failure> {
        let mut messages: BTreeMap<LinkId, usize> = BTreeMap::new();
        for effect in &out.then {
            if let Effect::Send { link, .. } | Effect::Stream { link, .. } = effect {
                *messages.entry(*link).or_default() += 1;
            }
        }
        let most = messages.values().max().copied().unwrap_or(0);
        demand(most <= AT_ONCE, Check::Bounds, at, || format!("{} puts {most} messages on one link in one turn", name(host)))
    }

    /// A host took a turn.
    pub fn turned(&mut self, at: u64, host: usize) -> Result<(), Failure> {
        let (second, count) = &mut self.turns[host];
        if *second != at / 1000 {
            (*second, *count) = (at / 1000, 0);
        }
        *count += 1;
        let count = *count;
        let most = TURNS.max(u32::try_from(TURNS_EACH * self.turns.len()).unwrap()) + self.more_turns;
        demand(count <= most, Check::Busy, at, || format!("{} took {count} turns within a second", name(host)))
    }

    /// Who is in touch with whom now, over any number of links.
    pub fn sees(&mut self, at: u64, joined: &dyn Fn(usize, usize) -> bool) {
        let hosts = self.apart.len();
        let mut group: Vec<usize> = (0..hosts).collect();
        for a in 0..hosts {
            for b in 0..a {
                if group[a] != group[b] && joined(a, b) {
                    let (from, to) = (group[a], group[b]);
                    group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
                }
            }
        }
        for a in 0..hosts {
            for b in 0..hosts {
                if group[a] != group[b] {
                    let (last, end) = self.last[a][b];
                    let since = if at < end + TOUCH { last } else { at };
                    self.apart[a][b].get_or_insert(since);
                } else if let Some(since) = self.apart[a][b].take() {
                    self.last[a][b] = (since, at);
                    if APART <= at - since {
                        self.separations.push((a, b, since, at));
                    }
                }
            }
        }
    }

    /// Whether two hosts were apart for long enough between two times.
    fn were_apart(&self, a: usize, b: usize, from: u64, until: u64) -> bool {
        let now = self.apart[a][b].is_some_and(|since| since + APART <= until);
        now || self.separations.iter().any(|(x, y, since, end)| (*x, *y) == (a, b) && from <= *end && *since <= until)
    }

    /// Whether a letter may be a second one after an earlier one.
    pub fn excuse(&self, earlier: &Taken, later: &Taken, lease: u64) -> Result<(), String> {
        // A server may take a letter late, when another has been sent in its place.
        let (earlier, later) = if later.began < earlier.began { (later, earlier) } else { (earlier, later) };
        let late = earlier.noted.is_none_or(|noted| earlier.began + lease <= noted) && earlier.began + lease <= later.began;
        if earlier.lost || late || (earlier.host == later.host && earlier.life != later.life && earlier.noted.is_none()) {
            return Ok(());
        }
        let from = earlier.began.saturating_sub(limits::VOTER_SILENCE.0 + limits::HEARTBEAT.0 * 2);
        if self.were_apart(earlier.host, later.host, from, later.began) {
            return Ok(());
        }
        Err(format!("{} told it at {} and was in touch", name(earlier.host), seconds(earlier.at)))
    }

    /// Whether a host that is in touch with another for so long should have got what that one holds since `since`.
    pub fn should_have(&self, at: u64, from: usize, to: usize, since: u64) -> bool {
        from != to && self.apart[from][to].is_none() && since.max(self.last[from][to].1) + SPREAD <= at
    }
}

/// A failure unless something holds.
pub fn demand(holds: bool, check: Check, at: u64, text: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure { check, at, text: text() }) }
}

/// Whether an entry holds a receipt of success for this ballot.
pub fn is_receipt(entry: &Entry, ballot: &EntryHash) -> bool {
    entry.facts.iter().any(|fact| matches!(fact, Fact::Done(done) if done.success && done.ballot == *ballot))
}

/// Where in a value a number stands: the names of the fields that lead to it.
pub fn places(value: &impl std::fmt::Debug, number: &str) -> Vec<String> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for line in format!("{value:#?}").lines() {
        let word = line.trim_start();
        let depth = line.len() - word.len();
        path.retain(|(above, _)| *above < depth);
        if word.trim_end_matches(',') == number {
            found.push(path.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" "));
        }
        path.push((depth, word.trim_end_matches([' ', '{', '(', '[', ',', ':']).to_owned()));
    }
    found
}

/// A true time for people.
pub fn seconds(at: u64) -> String {
    format!("{}.{:03}", at / 1000, at % 1000)
}
