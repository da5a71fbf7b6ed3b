//! The journal in `SQLite`: one database per network, `journal.db`.
//!
//! One [`Store`] writes, on the loop's thread; any number of [`Reader`]s read beside it and never make
//! it wait (write-ahead log). A commit that returned is on the disk (`synchronous=FULL`); one that
//! failed left nothing behind, here or in the database, and may simply be made again.
//!
//! Of each chain what lies above its base, up to its head, is in force; the chain's row says where that is. What is not
//! in force any more is seen by nobody from that commit on, and its rows are removed little by little
//! ([`Store::sweep`]), so that dropping a million entries delays nothing.
//!
//! The store checks that chains have no gaps, since a gap on the disk would be for ever, but it believes
//! whoever calls that entries are signed and wanted. It folds nothing and knows no fact, and a
//! migration never touches an entry.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::Connection;

use crate::base::entry::{Entry, Past, Record};
use crate::base::id::{ChainId, EntryHash, Incarnation, NetworkId, NodeId, TargetId};
use crate::base::outcome::Look;
use crate::base::time::Wall;
use crate::base::view::Sample;
use crate::io::store::continuity::Continuity;
use crate::io::store::space::Bound;

mod begin;
mod continuity;
mod copy;
mod fault;
mod find;
mod inspect;
mod past;
mod reader;
mod samples;
mod space;
mod sweep;
mod write;

/// The writer of one network's database. Whoever drops it without [`Store::close`] makes the next start check the file.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    network: NetworkId,
    me: NodeId,
    chains: BTreeMap<ChainId, Row>,
    floors: BTreeMap<NodeId, Incarnation>,
    targets: BTreeMap<TargetId, i64>,
    /// Numbers of chains of which rows may be stored that are not in force.
    waste: BTreeSet<i64>,
    bound: Bound,
    /// The life whose entries are this node's own word, once it is told.
    life: Option<Incarnation>,
    /// The newest life that was here when continuity could not be proved; it is over.
    ended: Option<Incarnation>,
    /// Whether this is a copy of which no life has gone on yet.
    copied: bool,
    continuity: Continuity,
    /// Whether the database says that it is in use; the first write of this life makes it say so.
    marked: bool,
    /// Whether damage was seen: then it is never called clean.
    damaged: Cell<bool>,
    /// Held for as long as the connection; dropped after it.
    _lock: begin::Taken,
}

/// Where a chain begins and ends in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    /// Its number.
    id: i64,
    /// Nothing up to here is in force.
    base: u64,
    /// Hash of the entry there, or zeros.
    base_hash: EntryHash,
    /// The last entry; the base when there is none.
    head: u64,
    /// Its hash.
    head_hash: EntryHash,
    /// Its Lamport number, as far as it is known.
    lamport: u64,
}

/// A read-only connection, for one thread at a time; a clone opens its own when it is first used.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

/// Looks in the order of their numbers in the database.
const LOOKS: [Look; 4] = [Look::Good, Look::Poor, Look::Bad, Look::Unable];

/// How a database was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// There was none; it was made.
    pub created: bool,
    /// It is proved that nothing this node wrote was lost since it last ran, so that its incarnation may go on.
    pub continuous: bool,
    /// It had not been closed in order; it was checked, and is sound.
    pub unclean: bool,
}

/// Why a database was not opened; it was not changed. Displays as what happened and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another daemon uses the state directory.
    Locked {
        /// The state directory.
        directory: PathBuf,
    },
    /// Written by a newer version of the program.
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// Not a database, not a journal, or with pages that make no sense.
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was seen.
        detail: String,
    },
    /// The journal of somebody else.
    Stranger {
        /// The database.
        path: PathBuf,
        /// `network` or `node`: what is another one.
        of: &'static str,
    },
    /// The directory or file could not be made, read or written.
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

/// Why the database could not be used. Nothing of what was asked has happened. Displays as what happened and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// No space, or the journal's own bound is reached. Worth trying again.
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The disk or its permissions. Worth trying again.
    Io {
        /// The database.
        path: PathBuf,
        /// `SQLite`'s words.
        detail: String,
    },
    /// Another program holds the database. Worth trying again.
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// What is on the disk is not what was written. Trying again does not help.
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was seen.
        detail: String,
    },
    /// The caller asked for what must never be: a gap or a fork in a chain, an entry that is not there.
    Bug {
        /// What was asked.
        detail: String,
    },
    /// Anything else that `SQLite` said.
    Other {
        /// The database.
        path: PathBuf,
        /// `SQLite`'s words.
        detail: String,
    },
}

impl Store {
    /// Opens or makes `directory`'s `journal.db`, after locking the directory against other daemons.
    ///
    /// `runtime` is this network's directory below `/run`; it holds the proof of continuity.
    /// After a stop that was not in order the whole file is checked, which takes seconds per gigabyte.
    ///
    /// # Errors
    /// [`OpenError`]; an existing database was not changed.
    pub fn open(directory: &Path, runtime: &Path, network: NetworkId, me: NodeId) -> Result<(Self, Opening), OpenError> {
        begin::open(directory, runtime, network, me)
    }

    /// What is known besides the entries that are folded: ends of chains, floors, proofs. It reads no chain.
    ///
    /// # Errors
    /// [`StoreFault::Corrupt`] when a proof is not what was stored.
    pub fn past(&self) -> Result<Past, StoreFault> {
        self.watch(self.read_past())
    }

    /// Hands what folds need to `each`, chain by chain, each chain in order, and checks hashes on the way: everything in
    /// force on the lanes of state and events, and the newest [`limits::MINUTES_READ`](crate::base::limits::MINUTES_READ)
    /// entries of this node's own minutes.
    ///
    /// # Errors
    /// [`StoreFault::Corrupt`] when an entry is not what was stored; what was handed out before is sound.
    pub fn entries(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreFault> {
        self.watch(self.read_entries(each))
    }

    /// The first of these entries for whose place another one is stored and in force, after the one that is stored.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn differing(&self, entries: &[Entry]) -> Result<Option<(Entry, Entry)>, StoreFault> {
        self.watch(self.compare(entries))
    }

    /// Stores what a turn changed and its samples in one transaction, and does nothing when there are none. When it has
    /// returned, they are on the disk. What is there already, or not in force any more, is passed over.
    ///
    /// # Errors
    /// [`StoreFault`]; nothing was stored. [`StoreFault::Bug`] for an entry that does not continue its chain.
    pub fn commit(&mut self, append: &[Record], keep: &[Sample]) -> Result<(), StoreFault> {
        if append.is_empty() && keep.is_empty() {
            return Ok(());
        }
        let written = self.write(append, keep);
        self.watch(written)
    }

    /// Says which life this node is in. Only entries of this one prove that it went on; those of earlier ones may have come
    /// back from others, and not all of them. Until it is told, all own entries do.
    pub const fn live(&mut self, life: Incarnation) {
        self.life = Some(life);
    }

    /// Removes rows of entries that are not in force any more, in one small transaction (10 to 40 ms), so that it can be
    /// called on the loop's thread. Says whether there may be more.
    ///
    /// # Errors
    /// [`StoreFault`]; what was removed before stays removed.
    pub fn sweep(&mut self) -> Result<bool, StoreFault> {
        let swept = self.sweep_chunk();
        self.watch(swept)
    }

    /// Removes samples that are too old or too many, oldest first, and returns how many. It works in small transactions and
    /// a bounded number of them (100 to 400 ms in all), so that it can be called once a minute on the loop's thread.
    ///
    /// # Errors
    /// [`StoreFault`]; what was removed before stays removed.
    pub fn prune_samples(&mut self, now: Wall) -> Result<u64, StoreFault> {
        let pruned = self.prune(now);
        self.watch(pruned)
    }

    /// Writes something of no consequence, to learn whether the database can be written.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn probe(&mut self) -> Result<(), StoreFault> {
        let probed = self.connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', randomblob(8))", []);
        self.watch(probed.map(drop).map_err(|error| StoreFault::of(&self.path, &error)))
    }

    /// Bounds the database file (not its log) to `bytes`. Commits that need more fail with [`StoreFault::Full`] until it is
    /// raised. It is never bounded below its present size. A part is kept for commits that drop something,
    /// so that a full journal can be made smaller.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn bound(&mut self, bytes: u64) -> Result<(), StoreFault> {
        self.set_bound(bytes).map_err(|error| self.fault(&error))
    }

    /// Bytes taken of what [`Store::bound`] allows; what is kept for commits that drop something counts as taken.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn used(&self) -> Result<u64, StoreFault> {
        self.measure().map_err(|error| self.fault(&error))
    }

    /// Gives free pages back to the file system, in one bounded step (10 to 40 ms), and returns how many bytes are
    /// left to give back. What is not in force any more is removed first.
    ///
    /// # Errors
    /// [`StoreFault`]; what was given back stays so.
    pub fn compact(&mut self) -> Result<u64, StoreFault> {
        let compacted = self.compact_step();
        self.watch(compacted)
    }

    /// Opens a connection that reads beside this one.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn reader(&self) -> Result<Reader, StoreFault> {
        Reader::open(&self.path)
    }

    /// Why the node could not prove its continuity if it stopped now, with the remedy; none while it could. The commits
    /// themselves are not concerned: only a new incarnation will open at the next start.
    #[must_use]
    pub fn unproved(&self) -> Option<&str> {
        self.continuity.fault()
    }

    /// Marks the database as closed in order, empties its log into it and lets go of the directory.
    ///
    /// # Errors
    /// [`StoreFault`]; nothing is lost, but the next start may check the file.
    pub fn close(self) -> Result<(), StoreFault> {
        self.finish().map_err(|error| self.fault(&error))
    }

    /// What this error means for this database.
    fn fault(&self, error: &rusqlite::Error) -> StoreFault {
        StoreFault::of(&self.path, error)
    }

    /// Remembers that damage was seen.
    fn watch<T>(&self, result: Result<T, StoreFault>) -> Result<T, StoreFault> {
        if matches!(result, Err(StoreFault::Corrupt { .. })) {
            self.damaged.set(true);
        }
        result
    }
}

/// A sequence number as `SQLite` holds it. No chain reaches the largest, since it would have to be counted up to it.
fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).field("chains", &self.chains.len()).finish_non_exhaustive()
    }
}
