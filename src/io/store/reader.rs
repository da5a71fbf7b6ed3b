//! Reading beside the writer: entries for links, samples for faces.
//!
//! Every read is one short statement, so that no reader holds the log back. A reader changes nothing, ever.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, TargetId};
use crate::base::limits;
use crate::base::time::{Micros, Wall};
use crate::base::view::{History, Sample};
use crate::base::wire;
use crate::io::store::{LOOKS, Reader, StoreFault, number};

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
        Ok(Self { path: path.into(), connection: Mutex::new(Some(connection)), chains: BTreeMap::new() })
    }

    /// These stretches as encoded `Entries` frames, in this order, each within [`limits::FRAME_ENTRIES`] and
    /// [`limits::BATCH_BYTES`]. All of them are in memory at once; [`Reader::next_frame`] is for long stretches.
    ///
    /// # Errors
    /// [`StoreFault`]; [`StoreFault::Bug`] when an entry is not in the store.
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
    /// # Errors
    /// As [`Reader::frame`].
    pub fn next_frame(&mut self, left: &mut VecDeque<Stretch>) -> Result<Option<Vec<u8>>, StoreFault> {
        let Self { path, connection, chains } = self;
        let slot = connection.get_mut().unwrap_or_else(PoisonError::into_inner);
        let fault = |error: rusqlite::Error| StoreFault::of(path, &error);
        let connection = connected(slot, path).map_err(fault)?;
        let mut batch = Batch::default();
        while let Some(stretch) = left.front_mut() {
            if stretch.last < stretch.first {
                left.pop_front();
                continue;
            }
            let wanted = *stretch;
            let missing = || StoreFault::Bug { detail: format!("entry {} of chain {} is not stored", wanted.first, wanted.chain) };
            let chain = chain(connection, chains, &wanted.chain).map_err(fault)?.ok_or_else(missing)?;
            let read = read(connection, chain, &wanted, &mut batch).map_err(fault)?;
            stretch.first += read;
            if stretch.last < stretch.first {
                left.pop_front();
            } else if read == 0 && batch.entries.is_empty() {
                return Err(missing());
            } else {
                // The frame is full; or the next entry is missing, and the next call says so.
                break;
            }
        }
        let entries = batch.entries.iter().map(Vec::as_slice);
        Ok((!batch.entries.is_empty()).then(|| wire::entries_frame(entries)))
    }
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), connection: Mutex::new(None), chains: self.chains.clone() }
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

/// The number of a chain in the database; it never changes.
fn chain(connection: &Connection, known: &mut BTreeMap<ChainId, i64>, chain: &ChainId) -> rusqlite::Result<Option<i64>> {
    if let Some(id) = known.get(chain) {
        return Ok(Some(*id));
    }
    let incarnation = &chain.incarnation;
    let id = connection
        .prepare_cached("SELECT id FROM chain WHERE author = ?1 AND opened = ?2 AND nonce = ?3 AND lane = ?4")?
        .query_row((chain.author.0, incarnation.opened.cast_signed(), incarnation.nonce, chain.lane.number()), |row| row.get(0))
        .optional()?;
    if let Some(id) = id {
        known.insert(*chain, id);
    }
    Ok(id)
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
