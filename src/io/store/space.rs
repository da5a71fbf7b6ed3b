//! How large the database may be, how much of that is taken, and what is given back.
//!
//! The bound is one of pages of the database file. A sixteenth of it is kept for commits that drop something, or a
//! full journal could never become smaller: to drop entries their author must say so in another one.

use std::cell::Cell;

use crate::base::limits;
use crate::io::store::{Store, StoreFault};

/// The bound in pages, once it is set.
#[derive(Default)]
pub(super) struct Bound {
    page: u64,
    hard: u64,
    soft: u64,
    /// Which of the two is in force.
    eased: Cell<bool>,
}

/// Pages that one step of giving back moves: 10 to 40 ms.
const STEP: u64 = 1024;

impl Store {
    /// See [`Store::bound`].
    pub(super) fn set_bound(&mut self, bytes: u64) -> rusqlite::Result<()> {
        let page = self.pragma("page_size")?.max(1);
        let hard = u64::from(u32::try_from(bytes / page).unwrap_or(u32::MAX - 1).max(1));
        let soft = hard - (hard / 16).min(limits::STORE_RESERVE / page);
        self.bound = Bound { page, hard, soft, eased: Cell::new(false) };
        self.enforce(soft)
    }

    /// Lets the next transaction use the reserve, or not.
    pub(super) fn ease(&self, eased: bool) -> rusqlite::Result<()> {
        if self.bound.page != 0 && self.bound.eased.replace(eased) != eased {
            self.enforce(if eased { self.bound.hard } else { self.bound.soft })?;
        }
        Ok(())
    }

    fn enforce(&self, pages: u64) -> rusqlite::Result<()> {
        self.connection.pragma_update_and_check(None, "max_page_count", pages.cast_signed(), |_| Ok(()))
    }

    /// See [`Store::used`].
    pub(super) fn measure(&self) -> rusqlite::Result<u64> {
        let taken = self.pragma("page_count")?.saturating_sub(self.pragma("freelist_count")?);
        let reserve = self.bound.hard - self.bound.soft;
        Ok((taken + reserve) * self.pragma("page_size")?)
    }

    /// Whether the samples are to make room.
    pub(super) fn is_tight(&self) -> rusqlite::Result<bool> {
        Ok(self.bound.page != 0 && self.bound.hard * self.bound.page / 4 * 3 < self.measure()?)
    }

    /// Gives some free pages back to the file system when there are many more than the next samples need.
    pub(super) fn give_back(&self) -> rusqlite::Result<()> {
        if limits::STORE_SLACK < self.pragma("freelist_count")? { self.vacuum() } else { Ok(()) }
    }

    /// See [`Store::compact`].
    pub(super) fn compact_step(&mut self) -> Result<u64, StoreFault> {
        let swept = self.sweep_chunk()?;
        let step = || {
            if !swept {
                self.vacuum()?;
            }
            let left = self.pragma("freelist_count")?;
            if left == 0 && !swept {
                // A reader at work keeps the log from being copied to the end; the file then becomes smaller a little later.
                self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            }
            Ok((left + u64::from(swept)) * self.pragma("page_size")?)
        };
        step().map_err(|error| self.fault(&error))
    }

    /// Moves some pages to where free ones are, and cuts off the end of the file.
    fn vacuum(&self) -> rusqlite::Result<()> {
        self.ease(true)?;
        let mut statement = self.connection.prepare_cached(&format!("PRAGMA incremental_vacuum({STEP})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        // A file that was larger than its bound is bounded by what it is now.
        if self.bound.page != 0 { self.enforce(self.bound.hard) } else { Ok(()) }
    }

    fn pragma(&self, name: &str) -> rusqlite::Result<u64> {
        let value: i64 = self.connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(value.cast_unsigned())
    }
}
