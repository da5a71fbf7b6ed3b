//! A place on the disk for a store, and authors who write into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{PoisonError, RwLock};

use peerwatch::base::entry::{Entry, Header, Record, Stretch};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId, TargetId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::outcome::Look;
use peerwatch::base::time::{Micros, Wall};
use peerwatch::base::view::Sample;
use peerwatch::io::store::{OpenError, Opening, Store};
use rusqlite::Connection;

/// Names the state directory to a child.
pub(crate) const STAGE: &str = "PEERWATCH_TEST_STORE";

pub(crate) const FRESH: Opening = Opening { created: true, continuous: false, unclean: false };
pub(crate) const KNOWN: Opening = Opening { created: false, continuous: false, unclean: false };

pub(crate) fn network() -> NetworkId {
    NetworkId::of("home")
}

pub(crate) fn key(of: u8) -> SecretKey {
    SecretKey::from_bytes(&[of; 32])
}

/// A state and a runtime directory, gone when dropped. The node is the one with key 1.
pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.state().join("journal.db")
    }

    pub(crate) fn proof(&self) -> PathBuf {
        self.root.path().join("run/continuity")
    }

    pub(crate) fn try_open(&self) -> Result<(Store, Opening), OpenError> {
        open(self.root.path())
    }

    pub(crate) fn open(&self) -> (Store, Opening) {
        self.try_open().unwrap()
    }

    /// The database as anybody with the file sees it.
    pub(crate) fn sql(&self, sql: &str) {
        Connection::open(self.journal()).unwrap().execute_batch(sql).unwrap();
    }

    /// A second place with the same files as now, made without closing anything.
    pub(crate) fn copy(&self) -> Self {
        let other = Self::new();
        for part in ["state", "run"] {
            fs::create_dir_all(other.root.path().join(part)).unwrap();
            for file in fs::read_dir(self.root.path().join(part)).unwrap().map(Result::unwrap) {
                fs::copy(file.path(), other.root.path().join(part).join(file.file_name())).unwrap();
            }
        }
        other
    }
}

/// Written while a child process begins: until its program is loaded it holds the locks of all stores of this process.
static BIRTH: RwLock<()> = RwLock::new(());

/// Begins a child process.
pub(crate) fn begin(command: &mut Command) -> Child {
    let _nobody_opens = BIRTH.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

pub(crate) fn open(root: &Path) -> Result<(Store, Opening), OpenError> {
    let _no_child_begins = BIRTH.read().unwrap_or_else(PoisonError::into_inner);
    Store::open(&root.join("state"), &root.join("run"), network(), key(1).node())
}

/// Somebody who writes one chain.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) key: SecretKey,
    pub(crate) chain: ChainId,
    pub(crate) sequence: u64,
    pub(crate) previous: EntryHash,
}

impl Author {
    pub(crate) fn new(of: u8, lane: Lane) -> Self {
        let incarnation = Incarnation { opened: (1 << 61) - u64::from(of), nonce: [of; 16] };
        Self { key: key(of), chain: ChainId { author: key(of).node(), incarnation, lane }, sequence: 0, previous: EntryHash([0; 32]) }
    }

    /// Goes on where the store ends.
    pub(crate) fn resume(mut self, store: &Store) -> Self {
        for entry in entries(store).iter().filter(|entry| entry.header.chain == self.chain) {
            (self.sequence, self.previous) = (entry.header.sequence, entry.hash);
        }
        self
    }

    pub(crate) fn write(&mut self, size: usize) -> Entry {
        self.say(vec![Fact::Unknown { kind: 60_000, body: vec![7; size] }])
    }

    pub(crate) fn say(&mut self, facts: Vec<Fact>) -> Entry {
        self.sequence += 1;
        let header = Header {
            network: network(),
            chain: self.chain,
            sequence: self.sequence,
            previous: self.previous,
            lamport: self.sequence,
            wall: Wall(0),
        };
        let entry = Entry::seal(&self.key, header, facts);
        self.previous = entry.hash;
        entry
    }

    pub(crate) fn several(&mut self, count: usize) -> Vec<Entry> {
        (0..count).map(|_| self.write(100)).collect()
    }
}

pub(crate) fn sample(target: &str, at: i64) -> Sample {
    Sample {
        target: TargetId(target.into()),
        at: Wall(at),
        look: Look::Poor,
        sent: 3,
        received: 2,
        time: Some(Micros(u32::MAX)),
        detail: "slow".into(),
    }
}

/// The next entries of their chains, as a turn records them.
pub(crate) fn records(entries: &[Entry]) -> Vec<Record> {
    entries.iter().cloned().map(Record::Entry).collect()
}

pub(crate) fn entries(store: &Store) -> Vec<Entry> {
    let mut found = Vec::new();
    store.entries(&mut |entry| found.push(entry)).unwrap();
    found
}

pub(crate) fn all(author: &Author) -> Stretch {
    Stretch { chain: author.chain, first: 1, last: author.sequence }
}

/// This program again, as a child that runs one test and is told of `root`.
pub(crate) fn stage(mut command: Command, test: &str, root: &Path) -> Command {
    command.args([test, "--exact", "--nocapture"]).env(STAGE, root);
    command
}
