//! The transactions of a store.
//!
//! What a transaction learns (new chains, ends of chains, new names) is staged beside the caches and joins
//! them only after the commit, so that a failed one leaves memory as it leaves the disk.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior};

use crate::base::entry::Entry;
use crate::base::id::{ChainId, EntryHash, TargetId};
use crate::base::limits;
use crate::base::outcome::Look;
use crate::base::time::Wall;
use crate::base::view::Sample;
use crate::io::store::{LOOKS, Store, StoreFault, Tip, number};

/// What a transaction under way has changed.
#[derive(Default)]
struct Staged {
    chains: BTreeMap<ChainId, Tip>,
    targets: BTreeMap<TargetId, i64>,
    /// The newest entry of this node.
    own: Option<(ChainId, u64, EntryHash)>,
}

/// How many samples may stay.
#[derive(Clone, Copy)]
struct Bounds {
    oldest: Wall,
    most: u64,
    chunk: u64,
}

impl Store {
    /// See [`Store::commit`].
    pub(super) fn write(&mut self, append: &[Entry], keep: &[Sample]) -> Result<(), StoreFault> {
        let mut staged = Staged::default();
        let transaction = self.begin().map_err(|error| self.fault(&error))?;
        for entry in append {
            self.append(&transaction, &mut staged, entry)?;
        }
        self.keep(&transaction, &mut staged, keep).map_err(|error| self.fault(&error))?;
        transaction.commit().map_err(|error| self.fault(&error))?;
        self.marked = true;
        self.chains.append(&mut staged.chains);
        self.targets.append(&mut staged.targets);
        if let Some((chain, sequence, hash)) = staged.own {
            self.continuity.prove(&chain, sequence, &hash);
        }
        Ok(())
    }

    /// Begins to write, and says in the database that it is in use.
    fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        if !self.marked {
            transaction.execute("UPDATE meta SET value = x'00' WHERE key = 'clean'", [])?;
        }
        Ok(transaction)
    }

    fn append(&self, transaction: &Transaction<'_>, staged: &mut Staged, entry: &Entry) -> Result<(), StoreFault> {
        let header = &entry.header;
        let bug = |what: &str| StoreFault::Bug { detail: format!("entry {} of chain {} {what}", header.sequence, header.chain) };
        if header.network != self.network {
            return Err(bug("is of another network"));
        }
        let tip = staged.chains.get(&header.chain).or_else(|| self.chains.get(&header.chain)).copied();
        let (last, previous) = tip.map_or((0, EntryHash([0; 32])), |tip| (tip.sequence, tip.hash));
        let fault = |error| self.fault(&error);
        if let Some(tip) = tip.filter(|tip| header.sequence <= tip.sequence) {
            let stored = hash_of(transaction, tip.id, header.sequence).map_err(fault)?;
            return if stored == Some(entry.hash) { Ok(()) } else { Err(bug("is another one than the one stored")) };
        }
        if header.sequence != last + 1 {
            return Err(bug(&format!("would leave a gap after {last}")));
        }
        if header.previous != previous {
            return Err(bug("does not name the hash of the one before"));
        }
        let id = tip.map_or_else(|| add_chain(transaction, &header.chain), |tip| Ok(tip.id)).map_err(fault)?;
        add_entry(transaction, id, entry).map_err(fault)?;
        staged.chains.insert(header.chain, Tip { id, sequence: header.sequence, hash: entry.hash });
        if header.chain.author == self.me {
            staged.own = Some((header.chain, header.sequence, entry.hash));
        }
        Ok(())
    }

    fn keep(&self, transaction: &Transaction<'_>, staged: &mut Staged, samples: &[Sample]) -> rusqlite::Result<()> {
        for sample in samples {
            let known = self.targets.get(&sample.target).or_else(|| staged.targets.get(&sample.target)).copied();
            let target = match known {
                Some(id) => id,
                None => {
                    transaction.prepare_cached("INSERT INTO target(name) VALUES (?1)")?.execute([&sample.target.0])?;
                    staged.targets.insert(sample.target.clone(), transaction.last_insert_rowid());
                    transaction.last_insert_rowid()
                }
            };
            transaction
                .prepare_cached("INSERT INTO sample(target, at, look, sent, received, time, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .execute((
                    target,
                    sample.at.0,
                    look_number(sample.look),
                    sample.sent,
                    sample.received,
                    sample.time.map(|time| time.0),
                    &sample.detail,
                ))?;
        }
        Ok(())
    }

    /// See [`Store::entries`].
    pub(super) fn read_entries(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreFault> {
        let fault = |error: rusqlite::Error| self.fault(&error);
        let names: BTreeMap<i64, ChainId> = self.chains.iter().map(|(chain, tip)| (tip.id, *chain)).collect();
        let mut statement =
            self.connection.prepare_cached("SELECT chain, sequence, hash, bytes FROM entry ORDER BY chain, sequence").map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        let mut last: Option<(ChainId, u64, EntryHash)> = None;
        while let Some(row) = rows.next().map_err(fault)? {
            let chain: i64 = row.get(0).map_err(fault)?;
            let sequence = row.get::<_, i64>(1).map_err(fault)?.cast_unsigned();
            let corrupt =
                |what: &str| StoreFault::Corrupt { path: self.path.clone(), detail: format!("entry {sequence} of chain {chain} {what}") };
            let hash = EntryHash(row.get(2).map_err(fault)?);
            let bytes = row.get_ref(3).map_err(fault)?.as_blob().map_err(|_| corrupt("has no bytes"))?;
            let entry = Entry::parse(bytes).map_err(|error| corrupt(&format!("is {error}")))?;
            let header = &entry.header;
            if entry.hash != hash || names.get(&chain) != Some(&header.chain) || header.sequence != sequence {
                return Err(corrupt("is not the one that was stored"));
            }
            let before = last.filter(|(chain, ..)| *chain == header.chain).map_or((0, EntryHash([0; 32])), |(_, s, h)| (s, h));
            if (before.0 + 1, before.1) != (sequence, header.previous) {
                return Err(corrupt("does not follow the one before"));
            }
            last = Some((header.chain, sequence, hash));
            each(entry);
        }
        Ok(())
    }

    /// See [`Store::prune_samples`].
    pub(super) fn prune(&mut self, now: Wall) -> Result<u64, StoreFault> {
        let age = i64::try_from(limits::SAMPLE_AGE.0).unwrap_or(i64::MAX);
        let oldest = Wall(now.0.saturating_sub(age));
        let bounds = Bounds { oldest, most: limits::SAMPLES, chunk: limits::SAMPLE_CHUNK };
        self.prune_to(bounds).map_err(|error| self.fault(&error))
    }

    fn prune_to(&mut self, bounds: Bounds) -> rusqlite::Result<u64> {
        let mut removed = 0;
        for _ in 0..limits::SAMPLE_CHUNKS {
            let some = self.prune_chunk(bounds)?;
            removed += some;
            if some == 0 {
                break;
            }
        }
        if 0 < removed {
            self.forget_targets()?;
            self.give_back()?;
        }
        Ok(removed)
    }

    /// Samples go from the start only, so that their numbers have no gaps and count them. A sample of a time when the clock
    /// was ahead waits until those after it are too many; the number of samples stays bounded all the same.
    fn prune_chunk(&mut self, bounds: Bounds) -> rusqlite::Result<u64> {
        let transaction = self.begin()?;
        let ends: (Option<i64>, Option<i64>) = transaction
            .prepare_cached("SELECT (SELECT min(id) FROM sample), (SELECT max(id) FROM sample)")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(first), Some(last)) = ends else { return Ok(0) };
        let chunk = i64::try_from(bounds.chunk).unwrap_or(i64::MAX);
        let by_age: Option<i64> = transaction
            .prepare_cached("SELECT max(id) FROM (SELECT id, at FROM sample ORDER BY id LIMIT ?1) WHERE at < ?2")?
            .query_row((chunk, bounds.oldest.0), |row| row.get(0))?;
        let by_count = last.saturating_sub_unsigned(bounds.most);
        let upto = by_count.max(by_age.unwrap_or(i64::MIN)).min(first.saturating_add(chunk - 1));
        if upto < first {
            return Ok(0);
        }
        let removed = transaction.prepare_cached("DELETE FROM sample WHERE id <= ?1")?.execute([upto])?;
        transaction.commit()?;
        self.marked = true;
        Ok(removed as u64)
    }

    /// Forgets the names of targets that have no sample any more, or they would grow with every change of the definition.
    fn forget_targets(&mut self) -> rusqlite::Result<()> {
        let transaction = self.begin()?;
        let gone = transaction
            .prepare_cached("DELETE FROM target WHERE NOT EXISTS (SELECT 1 FROM sample WHERE target = target.id) RETURNING name")?
            .query_map([], |row| Ok(TargetId(row.get(0)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        transaction.commit()?;
        for target in gone {
            self.targets.remove(&target);
        }
        Ok(())
    }

    /// Gives some free pages back to the file system when there are many more than the next samples need.
    fn give_back(&self) -> rusqlite::Result<()> {
        let free: i64 = self.connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if limits::STORE_SLACK < free {
            let mut statement = self.connection.prepare_cached("PRAGMA incremental_vacuum(256)")?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    /// See [`Store::bound`].
    pub(super) fn set_bound(&self, bytes: u64) -> rusqlite::Result<()> {
        let page: i64 = self.connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::from(u32::try_from(bytes / page.max(1).cast_unsigned()).unwrap_or(u32::MAX - 1).max(1));
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }

    /// See [`Store::close`].
    pub(super) fn finish(&self) -> rusqlite::Result<()> {
        if self.marked && !self.damaged.get() {
            self.connection.execute("UPDATE meta SET value = x'01' WHERE key = 'clean'", [])?;
        }
        // A reader at work keeps the log from being emptied; the next start does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

/// The look as the database knows it.
fn look_number(look: Look) -> i64 {
    LOOKS.iter().zip(0..).find(|(known, _)| **known == look).map_or(0, |(_, number)| number)
}

fn hash_of(transaction: &Transaction<'_>, chain: i64, sequence: u64) -> rusqlite::Result<Option<EntryHash>> {
    transaction
        .prepare_cached("SELECT hash FROM entry WHERE chain = ?1 AND sequence = ?2")?
        .query_row((chain, number(sequence)), |row| Ok(EntryHash(row.get(0)?)))
        .optional()
}

fn add_chain(transaction: &Transaction<'_>, chain: &ChainId) -> rusqlite::Result<i64> {
    let incarnation = &chain.incarnation;
    transaction.prepare_cached("INSERT INTO chain(author, opened, nonce, lane) VALUES (?1, ?2, ?3, ?4)")?.execute((
        chain.author.0,
        incarnation.opened.cast_signed(),
        incarnation.nonce,
        chain.lane.number(),
    ))?;
    Ok(transaction.last_insert_rowid())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{NetworkId, NodeId};
    use crate::base::view::History as _;

    fn store(directory: &tempfile::TempDir) -> Store {
        Store::open(&directory.path().join("state"), &directory.path().join("run"), NetworkId::of("home"), NodeId([1; 32])).unwrap().0
    }

    fn samples(ats: impl Iterator<Item = i64>) -> Vec<Sample> {
        let sample = |at| Sample {
            target: TargetId("shop".into()),
            at: Wall(at),
            look: Look::Good,
            sent: 1,
            received: 1,
            time: None,
            detail: String::new(),
        };
        ats.map(sample).collect()
    }

    #[test]
    fn samples_beyond_their_number_go_oldest_first_and_never_too_many_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store(&directory);
        store.commit(&[], &samples(0..100)).unwrap();
        let bounds = Bounds { oldest: Wall(0), most: 30, chunk: 5 };
        assert_eq!(store.prune_to(bounds).unwrap(), 5 * u64::from(limits::SAMPLE_CHUNKS));
        assert_eq!(store.prune_to(bounds).unwrap(), 20);
        assert_eq!(store.prune_to(bounds).unwrap(), 0);
        let left = store.reader().unwrap().samples(&TargetId("shop".into()), 99).unwrap();
        assert_eq!(left.iter().map(|sample| sample.at.0).collect::<Vec<_>>(), (70..100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn samples_of_a_clock_that_was_ahead_are_bounded_by_number() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = store(&directory);
        store.commit(&[], &samples((1000..1020).chain(0..20))).unwrap();
        let by_age = Bounds { oldest: Wall(500), most: 1000, chunk: 10 };
        assert_eq!(store.prune_to(by_age).unwrap(), 0);
        assert_eq!(store.prune_to(Bounds { most: 30, ..by_age }).unwrap(), 10);
        assert_eq!(store.prune_to(Bounds { chunk: 50, ..by_age }).unwrap(), 30);
    }

    #[test]
    fn every_look_has_its_number() {
        for (number, look) in LOOKS.into_iter().enumerate() {
            assert_eq!(look_number(look), i64::try_from(number).unwrap());
        }
    }

    #[test]
    fn no_statement_of_a_turn_reads_a_whole_table() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        for sql in [
            "SELECT sequence, bytes FROM entry WHERE chain = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence",
            "SELECT at FROM sample WHERE target = (SELECT id FROM target WHERE name = ?1) ORDER BY id DESC LIMIT ?2",
            "DELETE FROM sample WHERE id <= ?1",
        ] {
            let mut statement = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let missing = vec![rusqlite::types::Null; statement.parameter_count()];
            let plan: Vec<String> =
                statement.query_map(rusqlite::params_from_iter(missing), |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
            assert!(plan.iter().all(|step| !step.contains("SCAN") && !step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
    }
}
