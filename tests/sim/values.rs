//! The key/value store under the storm: faces write at any time, and a follower on each host checks what it is told.
//!
//! Of each life of each host there is one follower. It begins with what is shown then and applies every
//! change; so a change that is missed, comes twice or comes in the wrong order shows itself at once, when
//! what it has put together is compared with what the host shows. What a face was told to be written must
//! be shown before the face has its answer, and must not be lost; and when all is healed everybody who
//! lives has the same values.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::command::{Command, CommandId, Reply};
use peerwatch::base::entry::Entry;
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{Incarnation, NodeId};
use peerwatch::base::kv::{Change, Cursor, Values, Write};
use peerwatch::base::rng::Rng;
use peerwatch::logic::input::Input;

use crate::checks::{Check, Failure, demand};
use crate::cluster::{Cluster, Event};
use crate::mutation::Mutation;
use crate::options::{Feature, Options, below, name};

/// A time at which a face writes on a host, and what decides what it writes.
pub type Wish = (u64, usize, u64);

/// All followers, and what faces were told.
#[derive(Debug, Default)]
pub struct Followers {
    hosts: BTreeMap<usize, Follower>,
    /// What faces wait for, by host and command.
    asked: BTreeSet<(usize, u64)>,
    /// The last word on each key that its author has on its disk, whether a face was told or not: the life
    /// and the revision that said it first, and whether something is there.
    written: BTreeMap<(NodeId, String), (Incarnation, u64, bool)>,
    /// In which life each revision was said first.
    lives: Lives,
    commands: u64,
    /// The first thing that does not hold.
    failure: Option<String>,
}

/// In which lives a revision of an author was said first: of a disk that was put back in more than one.
type Lives = BTreeMap<(NodeId, u64), BTreeSet<Incarnation>>;

/// One subscriber.
#[derive(Debug, Default)]
struct Follower {
    place: Cursor,
    /// What it knows: revision and value by node and key.
    known: BTreeMap<(String, String), (u64, Vec<u8>)>,
    /// The last revision that each life of each node told it.
    last: BTreeMap<(NodeId, Incarnation), u64>,
    /// It missed something, and was told so.
    lagged: bool,
}

/// What will be written in this run.
pub fn wishes(options: &Options, calm: u64) -> Vec<Wish> {
    if !options.has(Feature::Values) {
        return Vec::new();
    }
    let mut rng = options.rng(50);
    let count = 5 + rng.below(60);
    // Some of them come in a rush.
    let rush = 5000 + rng.below(calm);
    let at = |rng: &mut Rng| if rng.chance(30) { rush + rng.below(3000) } else { 2000 + rng.below(calm) };
    (0..count).map(|_| (at(&mut rng), below(&mut rng, options.nodes), rng.next())).collect()
}

impl Cluster {
    /// A face writes on a host, if it runs.
    pub fn wish(&mut self, host: usize, pick: u64) {
        let until = self.at + 30_000;
        let writes = writes(pick);
        self.values.commands += 1;
        let id = u64::MAX / 2 + self.values.commands;
        if let Some(life) = self.hosts[host].life.as_mut() {
            life.asked.insert(id, until);
            self.values.asked.insert((host, id));
            self.story.tell(self.at, &name(host), || format!("is asked to write {writes:?}"));
            self.reach(self.at, host, Input::Command { id: CommandId(id), command: Command::Write(writes) });
        }
    }

    /// Lets the wishes of this run come.
    pub fn schedule_wishes(&mut self) {
        for (at, host, pick) in wishes(&self.options, self.plan.calm) {
            self.later(at, Event::Wish { host, pick });
        }
    }

    /// A life begins: somebody follows it from now on.
    pub fn follow(&mut self, host: usize, values: &Values) {
        self.values.asked.retain(|(other, _)| *other != host);
        self.values.hosts.insert(host, Follower::at(values));
    }

    /// A host shows values: its follower takes all changes.
    pub fn show_values(&mut self, host: usize, values: &Values) {
        let doubled = self.mutation == Some(Mutation::DoubledChange);
        let Some(mut follower) = self.values.hosts.remove(&host) else { return };
        while let Some(next) = values.after(follower.place) {
            let Some(change) = next.cloned() else { break };
            for _ in 0..if doubled { 2 } else { 1 } {
                let taken = follower.take(&self.values.lives, &change);
                self.values.complain(taken.map_err(|why| format!("{}: {why}", name(host))));
            }
        }
        if values.after(follower.place).is_none() {
            self.story.tell(self.at, &name(host), || "follower lagged".into());
            follower = Follower { last: follower.last, lagged: true, ..Follower::at(values) };
        }
        let same = follower.known == known(values);
        self.values.complain(if same { Ok(()) } else { Err(format!("what was told on {} is not what is there", name(host))) });
        self.values.hosts.insert(host, follower);
    }

    /// A face has its answer.
    pub fn written(&mut self, host: usize, id: CommandId, reply: &Reply) {
        if !self.values.asked.remove(&(host, id.0)) {
            return;
        }
        let Reply::Written { revision } = reply else { return };
        let node = self.hosts[host].settings.key.node();
        let life = self.values.lives.get(&(node, *revision)).filter(|lives| lives.len() == 1).and_then(BTreeSet::first);
        let told = life
            .zip(self.values.hosts.get(&host))
            .is_none_or(|(life, follower)| follower.lagged || follower.last.get(&(node, *life)).is_some_and(|last| revision <= last));
        let why = || format!("{} says that {revision} is written before it shows it", name(host));
        self.values.complain(if told { Ok(()) } else { Err(why()) });
    }

    /// A host committed an entry of its own.
    pub fn note_values(&mut self, entry: &Entry) {
        let author = entry.header.chain.author;
        for fact in entry.facts.iter() {
            let (key, revision, life, there) = match fact {
                Fact::Put(put) => (&put.key, put.revision, put.life, true),
                Fact::Deleted(deleted) => (&deleted.key, deleted.revision, deleted.life, false),
                _ => continue,
            };
            // What a life says again of an earlier one may be overtaken by what that one said last, once others give it back.
            if life == entry.header.chain.incarnation {
                let known = self.values.written.entry((author, key.clone())).or_insert((life, revision, there));
                *known = (*known).max((life, revision, there));
            }
            self.values.lives.entry((author, revision)).or_default().insert(life);
        }
    }

    /// A host's disk is not what it was: what was written there may be lost.
    pub fn forget_values(&mut self, host: usize) {
        let node = self.hosts[host].settings.key.node();
        self.values.written.retain(|(author, _), _| *author != node);
        // Its next life may know an older word than others do, and that holds then.
        let nobody = Incarnation { opened: 0, nonce: [0; 16] };
        self.values.lives.iter_mut().filter(|((author, _), _)| *author == node).for_each(|(_, lives)| {
            lives.insert(nobody);
        });
        self.values.hosts.values_mut().for_each(|follower| follower.last.retain(|(author, _), _| *author != node));
    }

    /// Whether anything was found that does not hold.
    pub fn judge_values(&mut self) -> Result<(), Failure> {
        let failure = self.values.failure.take();
        demand(failure.is_none(), Check::Followed, self.at, || failure.unwrap_or_default())
    }

    /// All who live have the same values, and what was said to be written.
    pub fn same_values(&self) -> Result<(), Failure> {
        // An earlier version knows no values.
        let living: Vec<usize> = self.plan.survivors.iter().copied().filter(|host| !self.is_earlier(*host)).collect();
        let Some(begin) = living.first().copied() else { return Ok(()) };
        let shown = |host: usize| self.hosts[host].life.as_ref().map(|life| known(&life.node.values())).unwrap_or_default();
        let first = shown(begin);
        for host in &living {
            let other = shown(*host);
            demand(first == other, Check::Values, self.at, || {
                let differs = first.iter().find(|(key, value)| other.get(key) != Some(value));
                let differs = differs.or_else(|| other.iter().find(|(key, value)| first.get(key) != Some(value)));
                format!("{} and {} have different values: {:?}", name(begin), name(*host), differs.map(|(key, _)| key))
            })?;
            // What is just being written is on the disk a little before it is shown.
            if self.hosts[*host].life.as_ref().is_none_or(|life| life.commit.is_some()) {
                continue;
            }
            let me = self.hosts[*host].settings.key.node();
            for ((_, key), (_, revision, there)) in
                self.values.written.range((me, String::new())..).take_while(|((author, _), _)| *author == me)
            {
                let held = other.get(&(name(*host), key.clone())).map(|(held, _)| *held);
                let wanted = there.then_some(*revision);
                demand(held == wanted, Check::Values, self.at, || {
                    format!("{key} of {} was written as {wanted:?}, and is {held:?}", name(*host))
                })?;
            }
        }
        Ok(())
    }
}

impl Followers {
    fn complain(&mut self, result: Result<(), String>) {
        if let Err(why) = result {
            self.failure.get_or_insert(why);
        }
    }
}

impl Follower {
    fn at(values: &Values) -> Self {
        Self { place: values.cursor, known: known(values), last: BTreeMap::new(), lagged: false }
    }

    fn take(&mut self, lives: &Lives, change: &Change) -> Result<(), String> {
        self.place.number = change.number;
        let address = (change.name.clone(), change.key.to_string());
        let before = match &change.item {
            Some(item) => self.known.insert(address, (item.revision, item.value.clone())),
            None => self.known.remove(&address),
        };
        let after = change.item.as_ref().map(|item| (item.revision, item.value.clone()));
        if before == after {
            return Err(format!("{}/{} changes to what it was", change.name, change.key));
        }
        // What is gone without a word of its author has no place among its words.
        let silent = change.item.is_none() && before.is_some_and(|(revision, _)| revision == change.revision);
        let lives = lives.get(&(change.node, change.revision)).filter(|lives| !silent && lives.len() == 1);
        let Some(life) = lives.and_then(BTreeSet::first) else { return Ok(()) };
        let last = self.last.entry((change.node, *life)).or_default();
        if change.revision < *last {
            return Err(format!("{}/{} comes as {} after {last}", change.name, change.key, change.revision));
        }
        *last = change.revision;
        Ok(())
    }
}

fn known(values: &Values) -> BTreeMap<(String, String), (u64, Vec<u8>)> {
    let items = values.parts.iter().flat_map(|part| part.items.iter().map(move |(key, item)| (part, key, item)));
    items.map(|(part, key, item)| ((part.name.clone(), key.to_string()), (item.revision, item.value.clone()))).collect()
}

/// What a face writes: a few keys, put and deleted, some together, some large.
fn writes(pick: u64) -> Vec<Write> {
    let mut rng = Rng::new(pick);
    let key = |rng: &mut Rng| format!("k{}", rng.below(5));
    let put = |rng: &mut Rng| {
        let length = if rng.chance(5) { 30_000 } else { rng.below(9) };
        let byte = rng.next().to_le_bytes()[0];
        Write::Put { key: key(rng), value: vec![byte; usize::try_from(length).unwrap()], media: String::new() }
    };
    let write = |rng: &mut Rng| if rng.chance(65) { put(rng) } else { Write::Delete { key: key(rng) } };
    let count = if rng.chance(70) { 1 } else { 2 + rng.below(3) };
    let mut writes: Vec<Write> = (0..count).map(|_| write(&mut rng)).collect();
    // What is put and deleted together leaves nothing to look for.
    writes.dedup_by_key(|write| match write {
        Write::Put { key, .. } | Write::Delete { key } => key.clone(),
    });
    writes
}
