//! Opening a database: the directory, its lock, the format and its migrations, whose it is, whether it is sound.
//!
//! Everything that may refuse is asked before anything is written, so that a refused database is as it was.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId, NodeId, TargetId};
use crate::base::limits;
use crate::io::store::continuity::Continuity;
use crate::io::store::space::Bound;
use crate::io::store::{OpenError, Opening, Row, Store, StoreFault, copy, inspect, number};

/// What leads from one format to the next; the first from nothing to 1. Steps are added, never edited.
const STEPS: &[&str] = &[include_str!("schema.sql"), include_str!("schema-2.sql")];

/// Says in the file's header that it is a journal of this program.
const APPLICATION: i64 = 0x5065_6572;

/// See [`Store::open`].
pub(super) fn open(directory: &Path, runtime: &Path, network: NetworkId, me: NodeId) -> Result<(Store, Opening), OpenError> {
    let lock = lock(directory)?;
    let path = directory.join("journal.db");
    copy::tidy(directory);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(|error| StoreFault::of(&path, &error))?;
    let format = inspect(&connection, &path, network, me)?;
    let created = format == 0;
    prepare(&connection, created).map_err(|error| StoreFault::of(&path, &error))?;
    migrate(&connection, format, STEPS, |step| sign(step, network, me)).map_err(|error| StoreFault::of(&path, &error))?;
    if created {
        // So that the file's name survives a power failure as well as its content.
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| refuse(directory, &error))?;
    }
    let unclean = !is_clean(&connection).map_err(|error| StoreFault::of(&path, &error))?;
    if unclean {
        check(&connection, &path)?;
    }
    let mut store = Store {
        connection,
        path,
        network,
        me,
        chains: BTreeMap::new(),
        floors: BTreeMap::new(),
        waste: BTreeSet::new(),
        life: None,
        ended: None,
        copied: false,
        bound: Bound::default(),
        targets: BTreeMap::new(),
        continuity: Continuity::new(runtime),
        marked: unclean,
        damaged: Cell::new(false),
        _lock: lock,
    };
    let continuous = store.load().map_err(|error| store.fault(&error))?;
    if !continuous {
        store.ended = store.chains.keys().filter(|chain| chain.author == me).map(|chain| chain.incarnation).max();
    }
    Ok((store, Opening { created, continuous, unclean }))
}

/// The state directory, taken by this process until this is dropped.
#[derive(Debug)]
pub(super) struct Taken(File);

impl Drop for Taken {
    fn drop(&mut self) {
        // Said, and not left to the closing: a child that is just being started still has the file for a moment, and with
        // it the lock.
        let _ = self.0.unlock();
    }
}

/// Makes the directory, readable by nobody else, and takes it.
fn lock(directory: &Path) -> Result<Taken, OpenError> {
    let private = 0o700;
    DirBuilder::new().recursive(true).mode(private).create(directory).map_err(|error| refuse(directory, &error))?;
    let permissions = fs::metadata(directory).map_err(|error| refuse(directory, &error))?.permissions();
    if permissions.mode() & 0o077 != 0 {
        // If the directory is somebody else's that fails, and it stays as it is; the key in it has its own permissions.
        let _ = fs::set_permissions(directory, fs::Permissions::from_mode(permissions.mode() & private));
    }
    let path = directory.join("lock");
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|error| refuse(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Taken(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { directory: directory.into() }),
        Err(TryLockError::Error(error)) => Err(refuse(&path, &error)),
    }
}

fn refuse(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io { path: path.into(), detail: error.to_string() }
}

/// Decides, without changing anything, whether this is our journal, and returns its format; 0 for an empty file.
fn inspect(connection: &Connection, path: &Path, network: NetworkId, me: NodeId) -> Result<i64, OpenError> {
    let ask = || -> rusqlite::Result<(i64, i64, i64)> {
        connection.busy_timeout(limits::STORE_BUSY.std())?;
        // A refused database keeps its log as it is.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let format = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((application, format, connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?))
    };
    let (application, format, objects) = ask().map_err(|error| StoreFault::of(path, &error))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if objects == 0 && application == 0 && format == 0 {
        return Ok(0);
    }
    if application != APPLICATION || format < 1 {
        return Err(OpenError::Damaged { path: path.into(), detail: "it is a database, but not a journal".into() });
    }
    if known < format {
        return Err(OpenError::Newer { path: path.into(), found: format, known });
    }
    for (key, of, own) in [("network", "network", network.0), ("node", "node", me.0)] {
        let stored: Option<Vec<u8>> = meta(connection, key).map_err(|error| StoreFault::of(path, &error))?;
        match stored {
            None => return Err(OpenError::Damaged { path: path.into(), detail: format!("it does not say of which {of} it is") }),
            Some(stored) if stored != own => return Err(OpenError::Stranger { path: path.into(), of }),
            Some(_) => {}
        }
    }
    Ok(format)
}

pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

fn is_clean(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(meta(connection, "clean")?.is_some_and(|value| value == [1]))
}

/// Sets up the connection. Memory maps stay off, since a failing disk would then end the process without a word.
fn prepare(connection: &Connection, created: bool) -> rusqlite::Result<()> {
    if created {
        // Must come before the first table.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0; PRAGMA journal_size_limit = {}",
        limits::STORE_LOG
    ))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// Brings a database of `format` to the newest, all steps in one transaction. `sign` is told when the first was taken.
fn migrate(
    connection: &Connection,
    format: i64,
    steps: &[&str],
    sign: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let taken = usize::try_from(format).unwrap_or(usize::MAX).min(steps.len());
    if taken == steps.len() {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for step in &steps[taken..] {
        transaction.execute_batch(step)?;
    }
    if taken == 0 {
        sign(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(steps.len()).unwrap_or(i64::MAX))?;
    transaction.commit()
}

/// Says whose database it is.
fn sign(transaction: &Transaction<'_>, network: NetworkId, me: NodeId) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    let mut statement = transaction.prepare("INSERT INTO meta(key, value) VALUES (?1, ?2)")?;
    statement.execute(("network", network.0))?;
    statement.execute(("node", me.0))?;
    statement.execute(("clean", [1_u8]))?;
    Ok(())
}

/// Looks at every page.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let damage = inspect::damage(connection).map_err(|error| StoreFault::of(path, &error))?;
    damage.map_or(Ok(()), |detail| Err(OpenError::Damaged { path: path.into(), detail }))
}

impl Store {
    /// Fills the caches and says whether continuity is proved. It reads a row for each chain, and no entry.
    fn load(&mut self) -> rusqlite::Result<bool> {
        let sql = "SELECT id, waste, gone, author, opened, nonce, lane, base, base_hash, head, head_hash, lamport FROM chain";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(found) = rows.next()? {
            let (waste, gone): (bool, bool) = (found.get(1)?, found.get(2)?);
            let (chain, row) = (chain(found)?, row(found)?);
            if waste || gone {
                self.waste.insert(row.id);
            }
            if !gone {
                self.chains.insert(chain, row);
            }
        }
        let mut statement = self.connection.prepare("SELECT author, opened, nonce FROM floor")?;
        let floor = |row: &rusqlite::Row<'_>| {
            let opened = row.get::<_, i64>(1)?.cast_unsigned();
            Ok((NodeId(row.get(0)?), Incarnation { opened, nonce: row.get(2)? }))
        };
        self.floors = statement.query_map([], floor)?.collect::<rusqlite::Result<_>>()?;
        let mut statement = self.connection.prepare("SELECT name, id FROM target")?;
        self.targets = statement.query_map([], |row| Ok((TargetId(row.get(0)?), row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        self.copied = meta(&self.connection, "copied")?.is_some();
        self.is_continuous()
    }

    /// Whether the proof of this boot names an entry that is here.
    fn is_continuous(&self) -> rusqlite::Result<bool> {
        if self.copied {
            return Ok(false);
        }
        let Some(claim) = self.continuity.claim() else { return Ok(false) };
        let mine = || self.chains.iter().filter(|(chain, _)| chain.author == self.me);
        // A later life that came back from others is the newest here, and nobody can tell whether it is whole.
        let newest = mine().map(|(chain, _)| chain.incarnation).max();
        let own = mine().find(|(chain, _)| claim.is_of(chain) && Some(chain.incarnation) == newest);
        let Some((_, row)) = own.filter(|(_, row)| claim.sequence <= row.head) else { return Ok(false) };
        let found: Option<[u8; 32]> = self
            .connection
            .query_row("SELECT hash FROM entry WHERE chain = ?1 AND sequence = ?2", (row.id, number(claim.sequence)), |row| row.get(0))
            .optional()?;
        let pruned = (claim.sequence == row.base).then_some(row.base_hash);
        Ok(found.map(EntryHash).or(pruned).is_some_and(|hash| claim.has(&hash)))
    }
}

/// Where a chain begins and ends, from columns 7 on.
pub(super) fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let unsigned = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
    Ok(Row {
        id: row.get(0)?,
        base: unsigned(7)?,
        base_hash: EntryHash(row.get(8)?),
        head: unsigned(9)?,
        head_hash: EntryHash(row.get(10)?),
        lamport: unsigned(11)?,
    })
}

/// The chain whose name begins in column 3.
pub(super) fn chain(row: &rusqlite::Row<'_>) -> rusqlite::Result<ChainId> {
    let lane: u8 = row.get(6)?;
    Ok(ChainId {
        author: NodeId(row.get(3)?),
        incarnation: Incarnation { opened: row.get::<_, i64>(4)?.cast_unsigned(), nonce: row.get(5)? },
        lane: Lane::from_number(lane).ok_or(rusqlite::Error::IntegralValueOutOfRange(6, i64::from(lane)))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entry::{Entry, Header, Past};
    use crate::base::fact::{Fact, Yield};
    use crate::base::key::SecretKey;
    use crate::base::time::Wall;

    fn format(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_committed_is_synced_and_references_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = open(directory.path(), directory.path(), NetworkId::of("home"), NodeId([1; 32])).unwrap();
        let ask = |pragma| store.connection.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        assert_eq!(ask("journal_mode"), String::from("wal").into());
        for (pragma, value) in [("synchronous", 2), ("foreign_keys", 1), ("auto_vacuum", 2), ("mmap_size", 0)] {
            assert_eq!(ask(pragma), value.into(), "{pragma}");
        }
    }

    #[test]
    fn migrations_take_only_the_missing_steps() {
        let connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE a(x)", "CREATE TABLE b(x)", "CREATE TABLE c(x)"];
        migrate(&connection, 0, &steps[..1], |_| Ok(())).unwrap();
        assert_eq!(format(&connection), 1);
        migrate(&connection, 1, &steps, |_| panic!("signed twice")).unwrap();
        assert_eq!(format(&connection), 3);
        connection.execute_batch("SELECT * FROM a, b, c").unwrap();
    }

    #[test]
    fn a_migration_that_fails_leaves_the_old_format() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, 0, &["CREATE TABLE a(x)"], |_| Ok(())).unwrap();
        assert!(migrate(&connection, 1, &["", "CREATE TABLE b(x)", "nonsense"], |_| Ok(())).is_err());
        assert_eq!(format(&connection), 1);
        assert!(connection.prepare("SELECT * FROM b").is_err());
    }

    /// Entries of a chain of key 2, as an earlier version would have got them.
    fn chain_of(opened: u64, count: u64) -> Vec<Entry> {
        let key = SecretKey::from_bytes(&[2; 32]);
        let chain = ChainId { author: key.node(), incarnation: Incarnation { opened, nonce: [3; 16] }, lane: Lane::State };
        let mut previous = EntryHash([0; 32]);
        let mut write = |sequence| {
            let (lamport, wall) = (opened + sequence * 0x0123_4567_89ab, Wall(0));
            let header = Header { network: NetworkId::of("home"), chain, sequence, previous, lamport, wall };
            let entry = Entry::seal(&key, header, vec![Fact::Yield(Yield { ballot: EntryHash([4; 32]) })]);
            previous = entry.hash;
            entry
        };
        (1..=count).map(&mut write).collect()
    }

    #[test]
    fn a_journal_of_format_1_tells_the_same_after_its_migration() {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("journal.db")).unwrap();
        let (network, me) = (NetworkId::of("home"), NodeId([1; 32]));
        migrate(&connection, 0, &STEPS[..1], |step| sign(step, network, me)).unwrap();
        let chains = [chain_of(0, 1), chain_of((1 << 62) - (1 << 60), 9)];
        let mut bytes = 0;
        for (id, entries) in (1_i64..).zip(&chains) {
            let chain = entries[0].header.chain;
            let row = (id, chain.author.0, chain.incarnation.opened.cast_signed(), chain.incarnation.nonce, chain.lane.number());
            connection.execute("INSERT INTO chain VALUES (?1, ?2, ?3, ?4, ?5)", row).unwrap();
            for entry in entries {
                let row = (id, number(entry.header.sequence), entry.hash.0, entry.bytes());
                connection.execute("INSERT INTO entry VALUES (?1, ?2, ?3, ?4)", row).unwrap();
                bytes += entry.bytes().len();
            }
        }
        drop(connection);
        let (store, opening) = open(directory.path(), directory.path(), network, me).unwrap();
        assert!(!opening.created && !opening.unclean);
        let mut found = Vec::new();
        store.entries(&mut |entry| found.push(entry)).unwrap();
        assert_eq!(found, chains.concat());
        assert_eq!(store.past().unwrap(), Past::of(&found));
        let counted: i64 = store.connection.query_row("SELECT sum(bytes) FROM chain", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(counted), Ok(bytes));
    }
}
