//! The transactions of a store.
//!
//! What a transaction learns (new chains, ends of chains, new names) is staged beside the caches and joins
//! them only after the commit, so that a failed one leaves memory as it leaves the disk.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior};

use crate::base::entry::{Entry, Record};
use crate::base::fact::Fact;
use crate::base::id::{ChainId, EntryHash, Incarnation, NodeId, TargetId};
use crate::base::view::Sample;
use crate::base::wire::Head;
use crate::io::store::sweep::Budget;
use crate::io::store::{Row, Store, StoreFault, number};

/// What a transaction under way has changed.
#[derive(Default)]
pub(super) struct Staged {
    chains: BTreeMap<ChainId, Row>,
    /// By how much the stored bytes of chains have changed.
    bytes: BTreeMap<i64, i64>,
    gone: BTreeSet<ChainId>,
    waste: BTreeSet<i64>,
    floors: BTreeMap<NodeId, Incarnation>,
    unfloored: BTreeSet<NodeId>,
    pub(super) targets: BTreeMap<TargetId, i64>,
    /// The newest entry of this node.
    own: Option<(ChainId, u64, EntryHash)>,
}

impl Store {
    /// See [`Store::commit`].
    pub(super) fn write(&mut self, append: &[Record], keep: &[Sample]) -> Result<(), StoreFault> {
        let fault = |error| self.fault(&error);
        let mut staged = Staged::default();
        // Whatever drops something, and what is said of it, may use the reserve.
        self.ease(append.iter().any(|record| !matches!(record, Record::Entry(_)))).map_err(fault)?;
        let transaction = self.begin().map_err(fault)?;
        let mut proved = BTreeSet::new();
        for record in append {
            match record {
                Record::Entry(entry) => self.append(&transaction, &mut staged, entry)?,
                Record::Base(base) => self.rebase(&transaction, &mut staged, base)?,
                Record::Floor(author, incarnation) => self.lift(&transaction, &mut staged, *author, *incarnation).map_err(fault)?,
                Record::Unfloor(author) => unfloor(&transaction, &mut staged, *author).map_err(fault)?,
                Record::Cut(chain, end) => self.cut(&transaction, &mut staged, chain, *end)?,
                Record::Proof(entry) => {
                    prove(&transaction, entry).map_err(fault)?;
                    proved.insert(entry.header.chain);
                }
            }
        }
        if !proved.is_empty() {
            drop_superseded(&transaction, &proved).map_err(fault)?;
        }
        self.keep(&transaction, &mut staged, keep).map_err(fault)?;
        save_rows(&transaction, &staged).map_err(fault)?;
        if self.copied && staged.own.is_some() {
            transaction.execute("DELETE FROM meta WHERE key = 'copied'", []).map_err(fault)?;
        }
        let mut budget = Budget::of_commit();
        let mut clean = BTreeSet::new();
        for chain in &staged.waste {
            if budget.sweep(&transaction, *chain).map_err(fault)? {
                clean.insert(*chain);
            }
        }
        transaction.commit().map_err(fault)?;
        self.marked = true;
        self.settle(staged, &clean);
        Ok(())
    }

    /// Takes what was committed into the caches.
    fn settle(&mut self, mut staged: Staged, clean: &BTreeSet<i64>) {
        self.waste.append(&mut staged.waste);
        self.waste.retain(|chain| !clean.contains(chain));
        self.chains.append(&mut staged.chains);
        self.chains.retain(|chain, _| !staged.gone.contains(chain));
        self.floors.retain(|author, _| !staged.unfloored.contains(author));
        self.floors.append(&mut staged.floors);
        self.targets.append(&mut staged.targets);
        if let Some((chain, sequence, hash)) = staged.own {
            self.copied = false;
            self.continuity.prove(&chain, sequence, &hash);
        }
    }

    /// Begins to write, and says in the database that it is in use.
    pub(super) fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        if !self.marked {
            transaction.execute("UPDATE meta SET value = x'00' WHERE key = 'clean'", [])?;
        }
        Ok(transaction)
    }

    /// Whether a chain is one of this node's present life. What others give back of an earlier one proves nothing: they
    /// may not have all of it.
    fn is_alive(&self, chain: &ChainId) -> bool {
        let life = self.life.is_none_or(|life| life == chain.incarnation) && self.ended.is_none_or(|ended| ended < chain.incarnation);
        chain.author == self.me && life
    }

    /// A chain as it is in this transaction.
    fn row(&self, staged: &Staged, chain: &ChainId) -> Option<Row> {
        if staged.gone.contains(chain) {
            return None;
        }
        staged.chains.get(chain).or_else(|| self.chains.get(chain)).copied()
    }

    /// The lowest incarnation of an author that is in force in this transaction.
    fn floor(&self, staged: &Staged, author: &NodeId) -> Option<Incarnation> {
        let before = || self.floors.get(author).filter(|_| !staged.unfloored.contains(author));
        staged.floors.get(author).or_else(before).copied()
    }

    fn append(&self, transaction: &Transaction<'_>, staged: &mut Staged, entry: &Entry) -> Result<(), StoreFault> {
        let header = &entry.header;
        let fault = |error| self.fault(&error);
        let bug = |what: &str| StoreFault::Bug { detail: format!("entry {} of chain {} {what}", header.sequence, header.chain) };
        if header.network != self.network {
            return Err(bug("is of another network"));
        }
        if self.floor(staged, &header.chain.author).is_some_and(|floor| header.chain.incarnation < floor) {
            return Err(bug("is of a life that is over"));
        }
        let known = self.row(staged, &header.chain);
        if known.is_some_and(|row| header.sequence <= row.base) {
            return Ok(());
        }
        if let Some(row) = known.filter(|row| header.sequence <= row.head) {
            let stored = hash_of(transaction, row.id, header.sequence).map_err(fault)?;
            return if stored == Some(entry.hash) { Ok(()) } else { Err(bug("is another one than the one stored")) };
        }
        let (last, previous) = known.map_or((0, EntryHash([0; 32])), |row| (row.head, row.head_hash));
        if header.sequence != last + 1 {
            return Err(bug(&format!("would leave a gap after {last}")));
        }
        if header.previous != previous {
            return Err(bug("does not name the hash of the one before"));
        }
        let row = known.map_or_else(|| add_chain(transaction, staged, &header.chain), Ok).map_err(fault)?;
        if self.waste.contains(&row.id) || staged.waste.contains(&row.id) {
            // The chain was cut, and this place may still be taken.
            let removed = remove_entry(transaction, row.id, header.sequence).map_err(fault)?;
            *staged.bytes.entry(row.id).or_default() -= removed;
        }
        add_entry(transaction, row.id, entry).map_err(fault)?;
        *staged.bytes.entry(row.id).or_default() += size(entry.bytes());
        let (head, head_hash) = (header.sequence, entry.hash);
        staged.chains.insert(header.chain, Row { head, head_hash, lamport: header.lamport, ..row });
        if self.is_alive(&header.chain) {
            staged.own = Some((header.chain, head, head_hash));
        }
        Ok(())
    }

    /// Nothing up to a base is in force any more. What is stored there is believed more than the word of the author, or
    /// what follows would not fit.
    fn rebase(&self, transaction: &Transaction<'_>, staged: &mut Staged, to: &Head) -> Result<(), StoreFault> {
        let fault = |error| self.fault(&error);
        if self.floor(staged, &to.chain.author).is_some_and(|floor| to.chain.incarnation < floor) {
            return Ok(());
        }
        let known = self.row(staged, &to.chain);
        // Of two bases at one place, on two branches of which nothing else is left, that with the greater hash counts.
        let below = |row: Row| to.base < row.base || (to.base == row.base && (row.base < row.head || to.hash.0 <= row.base_hash.0));
        if known.is_some_and(below) || to.base == 0 {
            return Ok(());
        }
        let row = known.map_or_else(|| add_chain(transaction, staged, &to.chain), Ok).map_err(fault)?;
        if row.base < row.head {
            staged.waste.insert(row.id);
        }
        let moved = if row.head < to.base || row.base == to.base {
            let lamport = row.lamport.max(to.chain.incarnation.opened);
            Row { base: to.base, base_hash: to.hash, head: to.base, head_hash: to.hash, lamport, ..row }
        } else {
            let stored = hash_of(transaction, row.id, to.base).map_err(fault)?.ok_or_else(|| self.missing(&to.chain, to.base))?;
            Row { base: to.base, base_hash: stored, ..row }
        };
        staged.chains.insert(to.chain, moved);
        Ok(())
    }

    /// The lives of an author before this one are over.
    fn lift(&self, transaction: &Transaction<'_>, staged: &mut Staged, author: NodeId, to: Incarnation) -> rusqlite::Result<()> {
        if self.floor(staged, &author).is_some_and(|floor| to <= floor) {
            return Ok(());
        }
        staged.floors.insert(author, to);
        transaction.prepare_cached("INSERT OR REPLACE INTO floor(author, opened, nonce) VALUES (?1, ?2, ?3)")?.execute((
            author.0,
            to.opened.cast_signed(),
            to.nonce,
        ))?;
        let over = |chain: &ChainId| chain.author == author && chain.incarnation < to;
        let chains: BTreeSet<ChainId> = self.chains.keys().chain(staged.chains.keys()).copied().filter(over).collect();
        for chain in chains {
            if let Some(row) = self.row(staged, &chain) {
                transaction.prepare_cached("UPDATE chain SET gone = 1 WHERE id = ?1")?.execute([row.id])?;
                staged.waste.insert(row.id);
            }
            staged.gone.insert(chain);
            staged.chains.remove(&chain);
        }
        if staged.own.is_some_and(|(chain, ..)| over(&chain)) {
            staged.own = None;
        }
        Ok(())
    }

    /// A chain ends before `end`. Below its base nothing is in force anyhow, and the base stays where it is, unless it ends
    /// before everything.
    fn cut(&self, transaction: &Transaction<'_>, staged: &mut Staged, chain: &ChainId, end: u64) -> Result<(), StoreFault> {
        let Some(known) = self.row(staged, chain) else { return Ok(()) };
        let nothing = Row { base: 0, base_hash: EntryHash([0; 32]), ..known };
        let row = if end == 0 { nothing } else { known };
        let head = end.saturating_sub(1).max(row.base);
        if row.head <= head {
            return Ok(());
        }
        let (head_hash, lamport) = if head == row.base {
            (row.base_hash, chain.incarnation.opened)
        } else {
            let last = self.stored(transaction, chain, row.id, head)?.ok_or_else(|| self.missing(chain, head))?;
            (last.hash, last.header.lamport)
        };
        staged.waste.insert(row.id);
        staged.chains.insert(*chain, Row { head, head_hash, lamport, ..row });
        if staged.own.is_some_and(|(own, sequence, _)| own == *chain && head < sequence) {
            staged.own = None;
        }
        Ok(())
    }

    /// See [`Store::close`].
    pub(super) fn finish(&self) -> rusqlite::Result<()> {
        if self.marked && !self.damaged.get() {
            self.connection.execute("UPDATE meta SET value = x'01' WHERE key = 'clean'", [])?;
        }
        // A reader at work keeps the log from being emptied; the next start does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// An entry in force is not there.
    pub(super) fn missing(&self, chain: &ChainId, sequence: u64) -> StoreFault {
        StoreFault::Corrupt { path: self.path.clone(), detail: format!("entry {sequence} of chain {chain} is missing") }
    }
}

/// Bytes, as the database counts them.
pub(super) fn size(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn hash_of(transaction: &Transaction<'_>, chain: i64, sequence: u64) -> rusqlite::Result<Option<EntryHash>> {
    transaction
        .prepare_cached("SELECT hash FROM entry WHERE chain = ?1 AND sequence = ?2")?
        .query_row((chain, number(sequence)), |row| Ok(EntryHash(row.get(0)?)))
        .optional()
}

/// No floor of an author holds any more.
fn unfloor(transaction: &Transaction<'_>, staged: &mut Staged, author: NodeId) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM floor WHERE author = ?1")?.execute([author.0])?;
    staged.floors.remove(&author);
    staged.unfloored.insert(author);
    Ok(())
}

/// A chain of which nothing is known. One that was gone may not be swept yet: then it takes that row.
fn add_chain(transaction: &Transaction<'_>, staged: &mut Staged, chain: &ChainId) -> rusqlite::Result<Row> {
    let incarnation = &chain.incarnation;
    let nothing = EntryHash([0; 32]);
    let named = (chain.author.0, incarnation.opened.cast_signed(), incarnation.nonce, chain.lane.number());
    let gone = transaction
        .prepare_cached("UPDATE chain SET gone = 0, waste = 1 WHERE author = ?1 AND opened = ?2 AND nonce = ?3 AND lane = ?4 RETURNING id")?
        .query_row(named, |row| row.get(0))
        .optional()?;
    if let Some(id) = gone {
        staged.gone.remove(chain);
        staged.waste.insert(id);
        return Ok(Row { id, base: 0, base_hash: nothing, head: 0, head_hash: nothing, lamport: 0 });
    }
    transaction.prepare_cached("INSERT INTO chain(author, opened, nonce, lane) VALUES (?1, ?2, ?3, ?4)")?.execute(named)?;
    Ok(Row { id: transaction.last_insert_rowid(), base: 0, base_hash: nothing, head: 0, head_hash: nothing, lamport: 0 })
}

fn add_entry(transaction: &Transaction<'_>, chain: i64, entry: &Entry) -> rusqlite::Result<()> {
    transaction.prepare_cached("INSERT INTO entry(chain, sequence, hash, bytes) VALUES (?1, ?2, ?3, ?4)")?.execute((
        chain,
        number(entry.header.sequence),
        entry.hash.0,
        entry.bytes(),
    ))?;
    Ok(())
}

/// Removes one entry, if it is there, and returns its bytes.
fn remove_entry(transaction: &Transaction<'_>, chain: i64, sequence: u64) -> rusqlite::Result<i64> {
    let removed = transaction
        .prepare_cached("DELETE FROM entry WHERE chain = ?1 AND sequence = ?2 RETURNING length(bytes)")?
        .query_row((chain, number(sequence)), |row| row.get(0))
        .optional()?;
    Ok(removed.unwrap_or(0))
}

fn prove(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    transaction.prepare_cached("INSERT OR IGNORE INTO proof(hash, bytes) VALUES (?1, ?2)")?.execute((entry.hash.0, entry.bytes()))?;
    Ok(())
}

/// Of the forks of a chain only the lowest proves anything, so the others need no room. What revokes or retires stays.
fn drop_superseded(transaction: &Transaction<'_>, chains: &BTreeSet<ChainId>) -> rusqlite::Result<()> {
    let mut proofs: BTreeMap<(ChainId, u64), Vec<i64>> = BTreeMap::new();
    let mut statement = transaction.prepare_cached("SELECT id, bytes FROM proof ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // A damaged one is found, and said, when all are read.
        let entry = row.get_ref(1)?.as_blob().ok().and_then(|bytes| Entry::parse(bytes).ok());
        let Some(entry) = entry.filter(|entry| chains.contains(&entry.header.chain)) else { continue };
        let stays = entry.facts.iter().any(|fact| matches!(fact, Fact::Revoked(_) | Fact::Retired(_)));
        let halves = proofs.entry((entry.header.chain, entry.header.sequence)).or_default();
        // What stays may be half of a fork too, and is never removed.
        halves.push(if stays { -1 } else { row.get(0)? });
    }
    let mut lowest: BTreeSet<ChainId> = BTreeSet::new();
    for ((chain, _), halves) in &proofs {
        if halves.len() < 2 {
            continue;
        }
        if !lowest.insert(*chain) {
            for id in halves.iter().filter(|id| 0 <= **id) {
                transaction.prepare_cached("DELETE FROM proof WHERE id = ?1")?.execute([id])?;
            }
        }
    }
    Ok(())
}

/// Writes where chains now begin and end, once for each chain.
fn save_rows(transaction: &Transaction<'_>, staged: &Staged) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE chain SET base = ?2, base_hash = ?3, head = ?4, head_hash = ?5, lamport = ?6, waste = max(waste, ?7) WHERE id = ?1",
    )?;
    for row in staged.chains.values() {
        let waste = staged.waste.contains(&row.id);
        let (base, head) = (number(row.base), number(row.head));
        statement.execute((row.id, base, row.base_hash.0, head, row.head_hash.0, number(row.lamport), waste))?;
    }
    let mut statement = transaction.prepare_cached("UPDATE chain SET bytes = bytes + ?2 WHERE id = ?1")?;
    for (chain, bytes) in &staged.bytes {
        statement.execute((chain, bytes))?;
    }
    Ok(())
}
