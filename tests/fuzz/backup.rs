//! Database files as a failing disk, a torn copy or a stranger would leave them.
//!
//! The bytes are mostly patches to a good database, its log or its copy, so that a small input reaches
//! any page. Whatever comes of it is an answer: refused with a reason, or opened, and then read and
//! written without a panic. That the answer comes in time and memory is the harness's to measure.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use peerwatch::base::entry::{Entry, Header, Stretch};
use peerwatch::base::fact::{Fact, Yield};
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, Lane, TargetId};
use peerwatch::base::outcome::Look;
use peerwatch::base::time::Wall;
use peerwatch::base::view::{History as _, Sample};
use peerwatch::io::store::{OpenError, Store};

use crate::targets::{key, network};

/// Chains that are read of a database that opened; a good one has two.
const CHAINS: usize = 16;

/// A good database, as it is after an orderly stop and in the middle of its work.
struct Good {
    folder: tempfile::TempDir,
    closed: Vec<u8>,
    /// The file and its log.
    open: (Vec<u8>, Vec<u8>),
}

static GOOD: OnceLock<Good> = OnceLock::new();

/// Makes a database of the bytes and uses it.
pub fn backup(data: &[u8]) {
    let Some((choice, patches)) = data.split_first() else { return };
    let good = GOOD.get_or_init(make);
    let (file, log) = match choice % 4 {
        0 => (patched(&good.closed, patches), None),
        1 => (patched(&good.open.0, patches), Some(good.open.1.clone())),
        2 => (good.open.0.clone(), Some(patched(&good.open.1, patches))),
        _ => (patches.to_vec(), None),
    };
    let state = good.folder.path().join("state");
    // What the last use left must not help this one.
    let _ = fs::remove_dir_all(&state);
    let _ = fs::remove_dir_all(good.folder.path().join("run"));
    fs::create_dir_all(&state).expect("a folder");
    fs::write(state.join("journal.db"), file).expect("a database");
    if let Some(log) = log {
        fs::write(state.join("journal.db-wal"), log).expect("a log");
    }
    match open(good.folder.path()) {
        Ok(store) => use_it(store),
        Err(error) => assert!(error.to_string().contains("journal.db"), "the file is not named: {error}"),
    }
}

/// Reads everything, writes something, and closes.
fn use_it(mut store: Store) {
    let mut chains: Vec<(ChainId, u64)> = Vec::new();
    let whole = store.entries(&mut |entry| match chains.last_mut() {
        Some((chain, end)) if *chain == entry.header.chain => *end = entry.header.sequence,
        _ => chains.push((entry.header.chain, entry.header.sequence)),
    });
    if let Ok(mut reader) = store.reader() {
        for (chain, last) in chains.iter().take(CHAINS) {
            let frames = reader.frame(&[Stretch { chain: *chain, first: 1, last: (*last).min(1000) }]);
            assert!(frames.is_ok() || whole.is_err() || 1 < *last, "what was read as a whole is not read in part: {frames:?}");
        }
        let _ = reader.samples(&TargetId("shop".into()), 10);
    }
    let _ = store.commit(&[entry(3, 1, EntryHash([0; 32])).into()], &[sample()]);
    let _ = store.prune_samples(Wall(i64::MAX));
    let _ = store.close();
}

/// Offset in three bytes, length in one, then so many bytes; what is left over is nothing. An offset
/// beyond the end cuts the file off there instead, modulo its length.
fn patched(good: &[u8], mut patches: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    while let Some(([a, b, c, length], rest)) = patches.split_first_chunk() {
        let offset = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (patch, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        if bytes.len() <= offset {
            bytes.truncate(offset % (bytes.len() + 1));
        } else {
            let end = bytes.len().min(offset + patch.len());
            bytes[offset..end].copy_from_slice(&patch[..end - offset]);
        }
        patches = rest;
    }
    bytes
}

fn make() -> Good {
    // In memory, where there is such a place: a disk would wait for every commit.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
    let file = |name: &str| fs::read(PathBuf::from(folder.path()).join("state").join(name)).expect("a file of the database");
    let mut store = open(folder.path()).expect("a new database");
    let mut previous = [EntryHash([0; 32]); 2];
    for sequence in 1..=8 {
        let [one, two] = [1, 2].map(|author: u8| entry(author, sequence, previous[usize::from(author) - 1]));
        previous = [one.hash, two.hash];
        store.commit(&[one.into(), two.into()], &[sample()]).expect("a commit");
    }
    let open_files = (file("journal.db"), file("journal.db-wal"));
    store.close().expect("an orderly end");
    let closed = file("journal.db");
    Good { closed, open: open_files, folder }
}

fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(&folder.join("state"), &folder.join("run"), network(), key(1).node()).map(|(store, _)| store)
}

fn entry(author: u8, sequence: u64, previous: EntryHash) -> Entry {
    let key = key(author);
    let incarnation = Incarnation { opened: 1, nonce: [author; 16] };
    let chain = ChainId { author: key.node(), incarnation, lane: Lane::State };
    let header = Header { network: network(), chain, sequence, previous, lamport: sequence, wall: Wall(0) };
    Entry::seal(&key, header, vec![Fact::Yield(Yield { ballot: EntryHash([author; 32]) })])
}

fn sample() -> Sample {
    Sample { target: TargetId("shop".into()), at: Wall(1), look: Look::Good, sent: 1, received: 1, time: None, detail: String::new() }
}
