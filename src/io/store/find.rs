//! Where a chain could begin anew.

use crate::base::id::{ChainId, EntryHash};
use crate::base::time::Wall;
use crate::io::store::{Store, StoreFault};

impl Store {
    /// The last entry in force of a chain that was written before a moment of its author's wall clock and stands at
    /// `most` at the latest; none if there is no such entry. It reads as many entries as the chain's length has
    /// digits in base two, and takes for granted that the author's clock ran forward.
    ///
    /// # Errors
    /// [`StoreFault::Corrupt`] when an entry is not what was stored.
    pub fn find(&self, chain: &ChainId, before: Wall, most: u64) -> Result<Option<(u64, EntryHash)>, StoreFault> {
        self.watch(self.search(chain, before, most))
    }

    fn search(&self, chain: &ChainId, before: Wall, most: u64) -> Result<Option<(u64, EntryHash)>, StoreFault> {
        let Some(row) = self.chains.get(chain) else { return Ok(None) };
        // What is before `low` is old enough, what is after `high` is not.
        let (mut low, mut high) = (row.base, most.min(row.head));
        let mut found = None;
        while low < high {
            let middle = high - (high - low) / 2;
            let entry = self.stored(&self.connection, chain, row.id, middle)?.ok_or_else(|| self.missing(chain, middle))?;
            if entry.header.wall < before {
                (low, found) = (middle, Some((middle, entry.hash)));
            } else {
                high = middle - 1;
            }
        }
        Ok(found)
    }
}
