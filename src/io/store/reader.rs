//! Reading beside the writer: entries for links, samples for faces.
//!
//! Every read is short, so that no reader holds the log back. A reader changes nothing, ever.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, TargetId};
use crate::base::limits;
use crate::base::time::{Micros, Wall};
use crate::base::view::{History, Progress, Sample, Stats, Verified};
use crate::base::wire;
use crate::io::store::{LOOKS, Reader, StoreFault, copy, inspect, number};

/// Entries on their way into one frame.
#[derive(Default)]
struct Batch {
    entries: Vec<Vec<u8>>,
    bytes: usize,
}

impl Batch {
    /// Whether this one goes into the frame too. The first always does, so that reading gets on.
    fn has_room(&self, entry: &[u8]) -> bool {
        let bytes = self.bytes + entry.len() + 4;
        self.entries.is_empty() || (self.entries.len() < limits::FRAME_ENTRIES && bytes <= limits::BATCH_BYTES)
    }

    fn push(&mut self, entry: &[u8]) {
        self.bytes += entry.len() + 4;
        self.entries.push(entry.to_vec());
    }
}

impl Reader {
    /// Opens the database at `path`, which must exist.
    pub(super) fn open(path: &Path) -> Result<Self, StoreFault> {
        let connection = connect(path).map_err(|error| StoreFault::of(path, &error))?;
        Ok(Self { path: path.into(), connection: Mutex::new(Some(connection)) })
    }

    /// These stretches as encoded `Entries` frames, in this order, each within [`limits::FRAME_ENTRIES`] and
    /// [`limits::BATCH_BYTES`]. All of them are in memory at once; [`Reader::next_frame`] is for long stretches.
    ///
    /// # Errors
    /// [`StoreFault`]; [`StoreFault::Corrupt`] when an entry in force is not in the store.
    pub fn frame(&mut self, stretches: &[Stretch]) -> Result<Vec<Vec<u8>>, StoreFault> {
        let mut left = stretches.iter().copied().collect();
        let mut frames = Vec::new();
        while let Some(frame) = self.next_frame(&mut left)? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// The next frame of what is `left`, which is shortened by what the frame carries; none when nothing is left.
    ///
    /// What is not in force (any more: a base may move and a chain be cut while a link waits its turn) is passed over;
    /// the peer asks again by its heads.
    ///
    /// # Errors
    /// As [`Reader::frame`].
    pub fn next_frame(&mut self, left: &mut VecDeque<Stretch>) -> Result<Option<Vec<u8>>, StoreFault> {
        let Self { path, connection } = self;
        let slot = connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        let fault = |error: rusqlite::Error| StoreFault::of(path, &error);
        let connection = connected(slot, path).map_err(fault)?;
        // One look at chains and entries together, so that neither changes in between.
        let look = connection.unchecked_transaction().map_err(fault)?;
        let mut batch = Batch::default();
        while let Some(stretch) = left.front_mut() {
            let Some((id, base, head)) = bounds(&look, &stretch.chain).map_err(fault)? else {
                left.pop_front();
                continue;
            };
            stretch.first = stretch.first.max(base + 1);
            stretch.last = stretch.last.min(head);
            if stretch.last < stretch.first {
                left.pop_front();
                continue;
            }
            let read = read(&look, id, stretch, &mut batch).map_err(fault)?;
            stretch.first += read;
            if stretch.last < stretch.first {
                left.pop_front();
            } else if read == 0 && batch.entries.is_empty() {
                let detail = format!("entry {} of chain {} is missing", stretch.first, stretch.chain);
                return Err(StoreFault::Corrupt { path: path.clone(), detail });
            } else {
                // The frame is full; or the next entry is missing, and the next call says so.
                break;
            }
        }
        let entries = batch.entries.iter().map(Vec::as_slice);
        Ok((!batch.entries.is_empty()).then(|| wire::entries_frame(entries)))
    }
}

impl Reader {
    /// Checks the file, and of every entry in force the signature, the hash and its place in the chain. It takes a minute for
    /// a million entries, in bounded memory; `progress` is called after each few hundred.
    ///
    /// # Errors
    /// [`StoreFault`] when the check could not be made. What is wrong with entries is in the result.
    pub fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Verified, StoreFault> {
        // A connection of its own, so that nobody waits for this one.
        let found = connect(&self.path).and_then(|connection| inspect::verify(&connection, progress));
        let fault = |detail| StoreFault::Corrupt { path: self.path.clone(), detail };
        let named =
            |found: Verified| Verified { faults: found.faults.into_iter().map(|detail| fault(detail).to_string()).collect(), ..found };
        match found.map(named).map_err(|error| StoreFault::of(&self.path, &error)) {
            Err(fault @ StoreFault::Corrupt { .. }) => Ok(Verified { faults: vec![fault.to_string()], ..Verified::default() }),
            found => found,
        }
    }

    /// What the journal takes on the disk, without its bound, which a reader does not know. Bytes of chains count dropped
    /// entries until they are removed.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub fn stats(&self) -> Result<Stats, StoreFault> {
        let stats = connect(&self.path).and_then(|connection| inspect::stats(&connection));
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let log = std::fs::metadata(log).map_or(0, |log| log.len());
        stats.map(|stats| Stats { log, ..stats }).map_err(|error| StoreFault::of(&self.path, &error))
    }

    /// Writes a copy of the database as it is now, and returns its bytes. For a while it needs as much space once more
    /// beside the journal. It holds no key. A node that starts with it opens a new incarnation.
    ///
    /// # Errors
    /// A sentence with the remedy; what was written is then no database.
    pub fn backup(&self, into: &mut dyn io::Write, progress: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        copy::copy(&self.path, into, progress)
    }
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), connection: Mutex::new(None) }
    }
}

impl History for Reader {
    fn samples(&self, target: &TargetId, most: u32) -> Result<Vec<Sample>, String> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = |error: rusqlite::Error| StoreFault::of(&self.path, &error).to_string();
        samples(connected(&mut slot, &self.path).map_err(fault)?, target, most.min(limits::SAMPLES_READ)).map_err(fault)
    }
}

fn connected<'a>(slot: &'a mut Option<Connection>, path: &Path) -> rusqlite::Result<&'a Connection> {
    let connection = match slot.take() {
        Some(connection) => connection,
        None => connect(path)?,
    };
    Ok(slot.insert(connection))
}

/// Opens a connection that cannot write, with a small cache, since there may be one for each link.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(limits::STORE_BUSY.std())?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA cache_size = -512")?;
    Ok(connection)
}

/// The number of a chain in the database, its base and its head; none when nothing of it is in force.
fn bounds(connection: &Connection, chain: &ChainId) -> rusqlite::Result<Option<(i64, u64, u64)>> {
    let incarnation = &chain.incarnation;
    connection
        .prepare_cached("SELECT id, base, head FROM chain WHERE author = ?1 AND opened = ?2 AND nonce = ?3 AND lane = ?4 AND NOT gone")?
        .query_row((chain.author.0, incarnation.opened.cast_signed(), incarnation.nonce, chain.lane.number()), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned()))
        })
        .optional()
}

/// Reads from the start of a stretch what the batch has room for, without gaps, and returns how many.
fn read(connection: &Connection, chain: i64, stretch: &Stretch, batch: &mut Batch) -> rusqlite::Result<u64> {
    let mut statement =
        connection.prepare_cached("SELECT sequence, bytes FROM entry WHERE chain = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence")?;
    let mut rows = statement.query((chain, number(stretch.first), number(stretch.last)))?;
    let mut next = stretch.first;
    while let Some(row) = rows.next()? {
        let sequence = row.get::<_, i64>(0)?.cast_unsigned();
        let bytes = row.get_ref(1)?.as_blob()?;
        if sequence != next || !batch.has_room(bytes) {
            break;
        }
        batch.push(bytes);
        next += 1;
    }
    Ok(next - stretch.first)
}

fn samples(connection: &Connection, target: &TargetId, most: u32) -> rusqlite::Result<Vec<Sample>> {
    let mut statement = connection.prepare_cached(
        "SELECT at, look, sent, received, time, detail FROM sample WHERE target = (SELECT id FROM target WHERE name = ?1)
         ORDER BY id DESC LIMIT ?2",
    )?;
    let sample = |row: &Row<'_>| {
        let number: u8 = row.get(1)?;
        let look = *LOOKS.get(usize::from(number)).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, i64::from(number)))?;
        Ok(Sample {
            target: target.clone(),
            at: Wall(row.get(0)?),
            look,
            sent: row.get(2)?,
            received: row.get(3)?,
            time: row.get::<_, Option<u32>>(4)?.map(Micros),
            detail: row.get(5)?,
        })
    };
    statement.query_map((&target.0, most), sample)?.collect()
}
