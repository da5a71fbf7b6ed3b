//! Journals as a real network has them, written by the library: mostly roll-ups, some verdicts, many authors.

use std::path::Path;

use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::fact::{Fact, Judged, Rollup};
use peerwatch::base::id::{Lane, NetworkId, TargetId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::outcome::Verdict;
use peerwatch::base::rng::Rng;
use peerwatch::base::time::{Mono, Now, Wall};
use peerwatch::io::store::Store;
use peerwatch::logic::journal::Journal;

use crate::fleet::NETWORK_ID;
use crate::wait::wall_ms;

/// Entries committed together while a journal is made.
const BATCH: usize = 2000;

/// Targets in one roll-up.
const TARGETS: usize = 10;

/// The time over which the entries are spread: what five-minute roll-ups are kept for, and a little less.
const DAYS: u64 = 13;

/// The network of all fleets.
pub(crate) fn network() -> NetworkId {
    NetworkId::of(NETWORK_ID)
}

/// A network's journal in the making.
pub(crate) struct Writers {
    writers: Vec<Journal>,
    rng: Rng,
    made: usize,
    of: usize,
}

impl Writers {
    /// Of these authors, for so many entries in all.
    pub(crate) fn new(keys: &[SecretKey], of: usize) -> Self {
        let writers = keys.iter().map(|key| Journal::new(network(), key.clone())).collect();
        Self { writers, rng: Rng::new(1), made: 0, of }
    }

    /// The next entry: each author in turn, and its first opens its incarnation.
    pub(crate) fn next(&mut self) -> Entry {
        let age = DAYS * 86_400_000 / self.of as u64 * (self.of - self.made.min(self.of)) as u64;
        let now = Now { mono: Mono(self.made as u64), wall: Wall((wall_ms() - age).cast_signed()) };
        let (turn, author) = (self.made / self.writers.len(), self.made % self.writers.len());
        self.made += 1;
        let writer = &mut self.writers[author];
        if turn == 0 {
            return writer.open(now, self.rng.bytes16(), "first start");
        }
        let (lane, fact) = match turn % 100 {
            0..2 => (Lane::State, judged(&mut self.rng, now)),
            2..9 => (Lane::Hours, rollup(&mut self.rng, now, 3_600_000)),
            9 => (Lane::Days, rollup(&mut self.rng, now, 86_400_000)),
            _ => (Lane::Minutes, rollup(&mut self.rng, now, 300_000)),
        };
        writer.seal(now, lane, vec![fact])
    }

    /// Stores all of them in one node's state directory, as if it had run.
    pub(crate) fn store(&mut self, me: &SecretKey, state: &Path, runtime: &Path) -> Store {
        let (mut store, _) = Store::open(state, runtime, network(), me.node()).expect("a new database");
        store.bound(1 << 42).expect("room");
        while self.made < self.of {
            let batch: Vec<Record> = (0..BATCH.min(self.of - self.made)).map(|_| self.next().into()).collect();
            store.commit(&batch, &[]).expect("a commit");
        }
        store
    }
}

fn judged(rng: &mut Rng, now: Now) -> Fact {
    let verdict = if rng.chance(50) { Verdict::Up } else { Verdict::Down };
    Fact::Judged(Judged {
        target: TargetId(format!("target-{}", rng.below(TARGETS as u64))),
        verdict,
        since: now.wall.0,
        detail: "connection refused".into(),
        time: Some(1200),
        loss: None,
        last_good: Some(now.wall.0 - 10_000),
    })
}

fn rollup(rng: &mut Rng, now: Now, length: i64) -> Fact {
    let mut column = |most: u64| (0..TARGETS).map(|_| u32::try_from(rng.below(most)).unwrap_or(0)).collect::<Vec<u32>>();
    Fact::Rollup(Rollup {
        from: now.wall.0 / length * length,
        length: length.cast_unsigned(),
        targets: (0..TARGETS).map(|number| TargetId(format!("target-{number}"))).collect(),
        looks: column(31),
        good: column(31),
        sent: column(61),
        received: column(61),
        least: column(20_000),
        mean: column(60_000),
        most: column(200_000),
    })
}
