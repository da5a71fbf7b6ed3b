//! What a start needs: ends of chains from their rows, and of the entries only those that are folded.
//!
//! Of a million entries most are roll-ups, which nobody folds; not touching them is what makes a start short.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use crate::base::entry::{Entry, Past};
use crate::base::id::{ChainId, EntryHash, Lane};
use crate::base::limits;
use crate::base::wire::Head;
use crate::io::store::{Row, Store, StoreFault, number};

impl Store {
    /// See [`Store::past`].
    pub(super) fn read_past(&self) -> Result<Past, StoreFault> {
        let mut past = Past::default();
        for (chain, row) in self.chains.iter().filter(|(_, row)| 0 < row.head) {
            past.tips.push((Head { chain: *chain, sequence: row.head, hash: row.head_hash, base: row.base }, row.lamport));
            past.entries += row.head - row.base;
        }
        past.floors = self.floors.iter().map(|(author, floor)| (*author, *floor)).collect();
        let fault = |error: rusqlite::Error| self.fault(&error);
        let mut statement = self.connection.prepare_cached("SELECT id, hash, bytes FROM proof ORDER BY id").map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        while let Some(row) = rows.next().map_err(fault)? {
            let (id, hash): (i64, [u8; 32]) = (row.get(0).map_err(fault)?, row.get(1).map_err(fault)?);
            let read = row.get_ref(2).map_err(fault)?.as_blob().ok().and_then(|bytes| Entry::parse(bytes).ok());
            let sound = read.filter(|entry| entry.hash.0 == hash);
            let corrupt = || StoreFault::Corrupt { path: self.path.clone(), detail: format!("proof {id} is not the one that was stored") };
            past.proofs.push(sound.ok_or_else(corrupt)?);
        }
        Ok(past)
    }

    /// See [`Store::entries`].
    pub(super) fn read_entries(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreFault> {
        // In the order in which they came, which is that of the file.
        let chains: BTreeMap<i64, (&ChainId, &Row)> = self.chains.iter().map(|(chain, row)| (row.id, (chain, row))).collect();
        let minutes = self.own_minutes();
        for (chain, row) in chains.into_values() {
            let after = match chain.lane {
                Lane::State | Lane::Events => Some(row.base),
                Lane::Minutes => minutes.get(chain).copied(),
                Lane::Hours | Lane::Days => None,
            };
            if let Some(after) = after {
                self.read_chain(chain, row, after, each)?;
            }
        }
        Ok(())
    }

    /// After which entry of each of this node's minutes chains the newest of all of them begin. A restart may have begun
    /// another life in the midst of a day.
    fn own_minutes(&self) -> BTreeMap<ChainId, u64> {
        let mut left = limits::MINUTES_READ;
        let own = self.chains.iter().rev().filter(|(chain, _)| chain.author == self.me && chain.lane == Lane::Minutes);
        let after = |(chain, row): (&ChainId, &Row)| {
            let taken = left.min(row.head - row.base);
            left -= taken;
            (0 < taken).then_some((*chain, row.head - taken))
        };
        own.filter_map(after).collect()
    }

    /// Hands out what is in force of a chain after `after`.
    fn read_chain(&self, chain: &ChainId, row: &Row, after: u64, each: &mut dyn FnMut(Entry)) -> Result<(), StoreFault> {
        let fault = |error: rusqlite::Error| self.fault(&error);
        let mut last = if after == row.base { row.base_hash } else { self.link(chain, row, after)? };
        let mut next = after + 1;
        let sql = "SELECT sequence, hash, bytes FROM entry WHERE chain = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence";
        let mut statement = self.connection.prepare_cached(sql).map_err(fault)?;
        let mut rows = statement.query((row.id, number(next), number(row.head))).map_err(fault)?;
        while let Some(found) = rows.next().map_err(fault)? {
            let sequence = found.get::<_, i64>(0).map_err(fault)?.cast_unsigned();
            let corrupt =
                |what: &str| StoreFault::Corrupt { path: self.path.clone(), detail: format!("entry {sequence} of chain {chain} {what}") };
            let hash = EntryHash(found.get(1).map_err(fault)?);
            let bytes = found.get_ref(2).map_err(fault)?.as_blob().map_err(|_| corrupt("has no bytes"))?;
            let entry = Entry::parse(bytes).map_err(|error| corrupt(&format!("is {error}")))?;
            if (entry.hash, entry.header.chain, entry.header.sequence) != (hash, *chain, sequence) {
                return Err(corrupt("is not the one that was stored"));
            }
            if (next, last) != (sequence, entry.header.previous) {
                return Err(corrupt("does not follow the one before"));
            }
            (next, last) = (sequence + 1, hash);
            each(entry);
        }
        if (next, last) == (row.head + 1, row.head_hash) { Ok(()) } else { Err(self.missing(chain, row.head)) }
    }

    /// The hash of an entry in force.
    fn link(&self, chain: &ChainId, row: &Row, sequence: u64) -> Result<EntryHash, StoreFault> {
        let found = self.stored(&self.connection, chain, row.id, sequence)?;
        Ok(found.ok_or_else(|| self.missing(chain, sequence))?.hash)
    }

    /// One entry, if it is stored.
    pub(super) fn stored(&self, connection: &Connection, chain: &ChainId, id: i64, sequence: u64) -> Result<Option<Entry>, StoreFault> {
        let ask = || -> rusqlite::Result<Option<Vec<u8>>> {
            let mut statement = connection.prepare_cached("SELECT bytes FROM entry WHERE chain = ?1 AND sequence = ?2")?;
            statement.query_row((id, number(sequence)), |row| row.get(0)).optional()
        };
        let Some(bytes) = ask().map_err(|error| self.fault(&error))? else { return Ok(None) };
        let entry = Entry::parse(&bytes).ok().filter(|entry| (entry.header.chain, entry.header.sequence) == (*chain, sequence));
        let corrupt = || StoreFault::Corrupt {
            path: self.path.clone(),
            detail: format!("entry {sequence} of chain {chain} is not the one that was stored"),
        };
        entry.map(Some).ok_or_else(corrupt)
    }

    /// See [`Store::differing`].
    pub(super) fn compare(&self, entries: &[Entry]) -> Result<Option<(Entry, Entry)>, StoreFault> {
        for theirs in entries {
            let (chain, sequence) = (&theirs.header.chain, theirs.header.sequence);
            let Some(row) = self.chains.get(chain).filter(|row| row.base < sequence && sequence <= row.head) else { continue };
            let ours = self.stored(&self.connection, chain, row.id, sequence)?.ok_or_else(|| self.missing(chain, sequence))?;
            if ours.hash != theirs.hash {
                return Ok(Some((ours, theirs.clone())));
            }
        }
        Ok(None)
    }
}
