//! The rows of entries that are not in force any more: below a base, behind a cut, of a life that is over.
//!
//! A chain with such rows is marked in its own row, so that a restart goes on where this process stopped. Nobody sees them:
//! whoever reads asks the chain's row first.

use rusqlite::{OptionalExtension as _, Transaction};

use crate::base::limits;
use crate::io::store::{Store, StoreFault};

/// How much may still be removed in one transaction.
pub(super) struct Budget {
    rows: i64,
    bytes: i64,
}

impl Budget {
    /// What a commit can remove in passing.
    pub(super) const fn of_commit() -> Self {
        Self { rows: limits::SWEEP_COMMIT, bytes: limits::SWEEP_BYTES }
    }

    /// Removes what is not in force of this chain, as far as it goes. True when nothing is left.
    pub(super) fn sweep(&mut self, transaction: &Transaction<'_>, chain: i64) -> rusqlite::Result<bool> {
        let found: Option<(bool, i64, i64)> = transaction
            .prepare_cached("SELECT gone, base, head FROM chain WHERE id = ?1")?
            .query_row([chain], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((gone, base, head)) = found else { return Ok(true) };
        let upto = if gone { i64::MAX } else { base };
        let swept = self.remove(transaction, chain, 0, upto)? && (gone || self.remove(transaction, chain, head, i64::MAX)?);
        if swept {
            let sql = if gone { "DELETE FROM chain WHERE id = ?1" } else { "UPDATE chain SET waste = 0 WHERE id = ?1" };
            transaction.prepare_cached(sql)?.execute([chain])?;
        }
        Ok(swept)
    }

    /// Removes entries above `after`, up to `upto`, lowest first. True when none is left there.
    fn remove(&mut self, transaction: &Transaction<'_>, chain: i64, after: i64, upto: i64) -> rusqlite::Result<bool> {
        let (mut last, mut bytes) = (None, 0);
        {
            let mut statement = transaction.prepare_cached(
                "SELECT sequence, length(bytes) FROM entry WHERE chain = ?1 AND ?2 < sequence AND sequence <= ?3 ORDER BY sequence",
            )?;
            let mut rows = statement.query((chain, after, upto))?;
            while let Some(row) = rows.next()? {
                if self.rows <= 0 || self.bytes <= 0 {
                    break;
                }
                let length: i64 = row.get(1)?;
                last = Some(row.get::<_, i64>(0)?);
                bytes += length;
                self.rows -= 1;
                self.bytes -= length;
            }
        }
        let Some(last) = last else { return Ok(0 < self.rows && 0 < self.bytes) };
        let sql = "DELETE FROM entry WHERE chain = ?1 AND ?2 < sequence AND sequence <= ?3";
        transaction.prepare_cached(sql)?.execute((chain, after, last))?;
        transaction.prepare_cached("UPDATE chain SET bytes = bytes - ?2 WHERE id = ?1")?.execute((chain, bytes))?;
        Ok(0 < self.rows && 0 < self.bytes)
    }
}

impl Store {
    /// See [`Store::sweep`].
    pub(super) fn sweep_chunk(&mut self) -> Result<bool, StoreFault> {
        if self.waste.is_empty() {
            return Ok(false);
        }
        let fault = |error| self.fault(&error);
        self.ease(true).map_err(fault)?;
        let transaction = self.begin().map_err(fault)?;
        let mut budget = Budget { rows: limits::SWEEP_ROWS, bytes: limits::SWEEP_BYTES };
        let mut swept = Vec::new();
        for chain in &self.waste {
            if !budget.sweep(&transaction, *chain).map_err(fault)? {
                break;
            }
            swept.push(*chain);
        }
        transaction.commit().map_err(fault)?;
        self.marked = true;
        for chain in swept {
            self.waste.remove(&chain);
        }
        Ok(!self.waste.is_empty())
    }
}
