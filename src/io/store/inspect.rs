//! Looking at everything: whether it is sound, and how much there is.
//!
//! A check reads pages of some hundred entries, each in a look of its own, so that it holds nobody's log back for long; the
//! chains go on meanwhile, and it follows their rows. It changes nothing and mends nothing.

use rusqlite::{Connection, OptionalExtension as _, ffi};

use crate::base::entry::Entry;
use crate::base::id::{ChainId, EntryHash, NetworkId};
use crate::base::limits;
use crate::base::outcome::clip;
use crate::base::view::{ChainStats, Progress, Stats, Verified};
use crate::io::store::begin::{chain, meta, row};
use crate::io::store::{Row, number};

/// Entries of one look: no more than a frame holds.
struct Page {
    entries: Vec<(u64, EntryHash, Vec<u8>)>,
    /// The chain's row at that moment.
    row: Row,
    chain: ChainId,
}

/// Why a chain was not looked at to its end.
enum Halt {
    /// Something is wrong with it.
    Fault(String),
    Unreadable(rusqlite::Error),
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// A check under way.
struct Check<'a> {
    connection: &'a Connection,
    network: NetworkId,
    found: Verified,
    progress: &'a mut dyn FnMut(Progress),
    total: u64,
}

/// Checks everything; of each chain the first fault is named. An error means that the database could not be read.
pub(super) fn verify(connection: &Connection, progress: &mut dyn FnMut(Progress)) -> rusqlite::Result<Verified> {
    let network = meta(connection, "network")?.and_then(|id| id.try_into().ok()).map(NetworkId);
    let total: i64 = connection.query_row("SELECT coalesce(sum(head - base), 0) FROM chain WHERE NOT gone", [], |row| row.get(0))?;
    let total = total.cast_unsigned();
    let network_or_any = network.unwrap_or(NetworkId([0; 32]));
    let mut check = Check { connection, network: network_or_any, found: Verified::default(), progress, total };
    if network.is_none() {
        check.fault("it does not say of which network it is".into());
    }
    if let Some(fault) = damage(connection)? {
        check.fault(fault);
    }
    check.chains()?;
    check.strays()?;
    check.proofs()?;
    Ok(check.found)
}

/// Has `SQLite` look at every page, and says what is wrong.
///
/// It takes pages that it could not read for damaged ones, and would send people to throw away a sound journal; so it is asked
/// twice, and what it says of reading is an error of reading.
pub(super) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let ask = || connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    if ask()? == "ok" {
        return Ok(None);
    }
    let verdict = ask()?;
    if verdict.contains("error code=") {
        let error = ffi::Error::new(ffi::SQLITE_IOERR_READ);
        return Err(rusqlite::Error::SqliteFailure(error, Some(clip(verdict))));
    }
    Ok((verdict != "ok").then(|| clip(verdict)))
}

impl Check<'_> {
    fn fault(&mut self, fault: String) {
        if self.found.faults.len() < limits::FAULTS {
            self.found.faults.push(fault);
        } else {
            self.found.more += 1;
        }
    }

    fn chains(&mut self) -> rusqlite::Result<()> {
        let mut last = 0;
        while let Some(id) = following(self.connection, "SELECT min(id) FROM chain WHERE ?1 < id", last)? {
            match self.chain(id) {
                Ok(()) => {}
                Err(Halt::Fault(fault)) => self.fault(fault),
                Err(Halt::Unreadable(error)) => return Err(error),
            }
            self.found.chains += 1;
            last = id;
        }
        Ok(())
    }

    fn chain(&mut self, id: i64) -> Result<(), Halt> {
        let mut at: Option<(u64, EntryHash)> = None;
        // A chain that is gone meanwhile is none.
        while let Some(page) = page(self.connection, id, at.map(|(sequence, _)| sequence))? {
            let Page { entries, row, chain } = page;
            let mut last = at.filter(|(sequence, _)| row.base <= *sequence).unwrap_or((row.base, row.base_hash));
            for (sequence, hash, bytes) in &entries {
                if *sequence != last.0 + 1 {
                    return Err(Halt::Fault(format!("entry {} of chain {chain} is missing", last.0 + 1)));
                }
                self.entry(&chain, &row, last.1, (*sequence, *hash, bytes))
                    .map_err(|what| Halt::Fault(format!("entry {sequence} of chain {chain} {what}")))?;
                last = (*sequence, *hash);
            }
            (self.progress)(Progress { done: self.found.entries, total: self.total.max(self.found.entries) });
            if entries.is_empty() {
                let missing = || Halt::Fault(format!("entry {} of chain {chain} is missing", last.0 + 1));
                return if row.head <= last.0 { Ok(()) } else { Err(missing()) };
            }
            at = Some(last);
        }
        Ok(())
    }

    /// One entry that follows the one with hash `previous`; the error says what is wrong with it.
    fn entry(&mut self, chain: &ChainId, row: &Row, previous: EntryHash, stored: (u64, EntryHash, &[u8])) -> Result<(), String> {
        let (sequence, hash, bytes) = stored;
        let entry = Entry::open(self.network, bytes).map_err(|fault| format!("is {fault}"))?;
        if (entry.header.chain, entry.header.sequence, entry.hash) != (*chain, sequence, hash) {
            return Err("is not the one that was stored".into());
        }
        if entry.header.previous != previous {
            return Err("does not follow the one before".into());
        }
        if sequence == row.head && (entry.hash, entry.header.lamport) != (row.head_hash, row.lamport) {
            return Err("is not the one that the chain's row names as its last".into());
        }
        self.found.entries += 1;
        self.found.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Entries of chains that are not there.
    fn strays(&mut self) -> rusqlite::Result<()> {
        let mut last = 0;
        while let Some(id) = following(self.connection, "SELECT min(chain) FROM entry WHERE ?1 < chain", last)? {
            if following(self.connection, "SELECT max(id) FROM chain WHERE id = ?1", id)?.is_none() {
                self.fault(format!("there are entries of chain number {id}, and no such chain"));
            }
            last = id;
        }
        Ok(())
    }

    fn proofs(&mut self) -> rusqlite::Result<()> {
        let mut last = 0;
        while let Some(id) = following(self.connection, "SELECT min(id) FROM proof WHERE ?1 < id", last)? {
            let sql = "SELECT hash, bytes FROM proof WHERE id = ?1";
            let (hash, bytes): ([u8; 32], Vec<u8>) =
                self.connection.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            match Entry::open(self.network, &bytes) {
                Ok(entry) if entry.hash.0 == hash => {}
                Ok(_) => self.fault(format!("proof {id} is not the one that was stored")),
                Err(fault) => self.fault(format!("proof {id} is {fault}")),
            }
            last = id;
        }
        Ok(())
    }
}

/// The next number after one, if there is any.
fn following(connection: &Connection, sql: &str, after: i64) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(sql)?.query_row([after], |row| row.get(0))
}

/// What follows in a chain, and its row, seen together; none when the chain is gone.
fn page(connection: &Connection, id: i64, after: Option<u64>) -> rusqlite::Result<Option<Page>> {
    let look = connection.unchecked_transaction()?;
    let sql = "SELECT id, waste, gone, author, opened, nonce, lane, base, base_hash, head, head_hash, lamport
               FROM chain WHERE id = ?1 AND NOT gone";
    let found = look.prepare_cached(sql)?.query_row([id], |found| Ok((chain(found)?, row(found)?))).optional()?;
    let Some((chain, row)) = found else { return Ok(None) };
    let after = after.unwrap_or(0).max(row.base);
    let mut entries = Vec::new();
    let mut bytes = 0;
    let sql = "SELECT sequence, hash, bytes FROM entry WHERE chain = ?1 AND ?2 < sequence AND sequence <= ?3 ORDER BY sequence";
    let mut statement = look.prepare_cached(sql)?;
    let mut rows = statement.query((id, number(after), number(row.head)))?;
    while let Some(found) = rows.next()? {
        let entry: Vec<u8> = found.get(2)?;
        bytes += entry.len();
        entries.push((found.get::<_, i64>(0)?.cast_unsigned(), EntryHash(found.get(1)?), entry));
        if limits::FRAME_ENTRIES <= entries.len() || limits::BATCH_BYTES <= bytes {
            break;
        }
    }
    Ok(Some(Page { entries, row, chain }))
}

/// Counts, from the rows of chains: it takes no longer with more entries.
pub(super) fn stats(connection: &Connection) -> rusqlite::Result<Stats> {
    let pragma = |name| Ok::<_, rusqlite::Error>(connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?.cast_unsigned());
    let page = pragma("page_size")?;
    // Numbers of samples have no gaps.
    let samples = "SELECT coalesce((SELECT max(id) FROM sample) - (SELECT min(id) FROM sample) + 1, 0)";
    let samples: i64 = connection.query_row(samples, [], |row| row.get(0))?;
    let sql = "SELECT id, waste, gone, author, opened, nonce, lane, base, base_hash, head, head_hash, lamport, bytes
               FROM chain WHERE NOT gone AND 0 < head ORDER BY author, opened, nonce, lane";
    let mut statement = connection.prepare(sql)?;
    let stats = |found: &rusqlite::Row<'_>| {
        let Row { base, head, .. } = row(found)?;
        Ok(ChainStats { chain: chain(found)?, base, head, entries: head - base, bytes: found.get::<_, i64>(12)?.cast_unsigned() })
    };
    Ok(Stats {
        file: pragma("page_count")? * page,
        free: pragma("freelist_count")? * page,
        samples: samples.cast_unsigned(),
        chains: statement.query_map([], stats)?.collect::<rusqlite::Result<_>>()?,
        ..Stats::default()
    })
}
