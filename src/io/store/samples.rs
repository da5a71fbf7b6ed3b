//! Raw samples of this node: kept with a turn, and removed from the start when they are too old, too many, or in the way.

use rusqlite::Transaction;

use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::outcome::Look;
use crate::base::time::Wall;
use crate::base::view::Sample;
use crate::io::store::write::Staged;
use crate::io::store::{LOOKS, Store, StoreFault};

/// How many samples may stay.
#[derive(Clone, Copy)]
struct Bounds {
    oldest: Wall,
    most: u64,
    chunk: u64,
}

impl Store {
    /// Writes samples, and names of targets that are new.
    pub(super) fn keep(&self, transaction: &Transaction<'_>, staged: &mut Staged, samples: &[Sample]) -> rusqlite::Result<()> {
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

    /// See [`Store::prune_samples`].
    pub(super) fn prune(&mut self, now: Wall) -> Result<u64, StoreFault> {
        let age = i64::try_from(limits::SAMPLE_AGE.0).unwrap_or(i64::MAX);
        let oldest = Wall(now.0.saturating_sub(age));
        let bounds = Bounds { oldest, most: limits::SAMPLES, chunk: limits::SAMPLE_CHUNK };
        let pruned = self.is_tight().and_then(|tight| {
            let most = if tight { limits::SAMPLES_LEAST } else { limits::SAMPLES };
            self.prune_to(Bounds { most, ..bounds })
        });
        pruned.map_err(|error| self.fault(&error))
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
        self.ease(true)?;
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
}

/// The look as the database knows it.
fn look_number(look: Look) -> i64 {
    LOOKS.iter().zip(0..).find(|(known, _)| **known == look).map_or(0, |(_, number)| number)
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
