//! What depends on the journal's size: commits, starting, memory, catching up.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::key::SecretKey;
use peerwatch::io::store::Store;

use crate::Sizes;
use crate::files::NETWORK;
use crate::fleet::Fleet;
use crate::journal::{Writers, network};
use crate::net::Place;
use crate::table::Table;
use crate::wait::{secs, timed, until};

/// Authors of a journal.
const AUTHORS: usize = 20;

/// The design's bounds: start, and the share of what checking signatures alone allows.
const START_S: f64 = 1.0;

/// Entries a second that the disk takes, one commit for each and one for a hundred.
pub(crate) fn commits(_: &Sizes, place: &Place, table: &mut Table) {
    let key = SecretKey::from_bytes(&[1; 32]);
    let mut store = Store::open(&place.dir.join("state"), &place.dir.join("run"), network(), key.node()).expect("a new database").0;
    let mut writers = Writers::new(std::slice::from_ref(&key), 1_000_000);
    let mut rate = |each: usize, commits: usize| {
        let batches: Vec<Vec<Record>> = (0..commits).map(|_| (0..each).map(|_| writers.next().into()).collect()).collect();
        let ((), took) = timed(|| batches.iter().for_each(|batch| store.commit(batch, &[]).expect("a commit")));
        ratio(commits, took)
    };
    let (single, many) = (rate(1, 300), rate(100, 50));
    table.alone("commits of 100 entries", format_args!("{many:.0} /s, {:.0} entries/s", many * 100.0));
    // The same without a database: a file that is written and synced, which no commit can be faster than.
    let mut file = fs::File::create(place.dir.join("synced")).expect("a file");
    let ((), took) = timed(|| {
        for _ in 0..300 {
            file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("a synced write");
        }
    });
    table.beside("commits of one entry", single, "/s", ratio(300, took), "synced writes of 4 KiB");
}

/// How long a daemon takes to answer when it has a large journal, and how much memory.
pub(crate) fn start(sizes: &Sizes, place: &Place, table: &mut Table) {
    let fleet = fleet(place, AUTHORS);
    let (store, took) = timed(|| {
        let me = key(&fleet, 0);
        Writers::new(&keys(&fleet), sizes.start).store(&me, &fleet.state(0).join(NETWORK), &fleet.runtime(0).join(NETWORK))
    });
    let entries = sizes.start;
    eprintln!("  a journal of {entries} entries was made in {} s", took.as_secs());
    store.close().expect("an orderly end");
    let size = fs::metadata(fleet.state(0).join(NETWORK).join("journal.db")).map_or(0, |data| data.len());
    table.alone(&format!("database of {entries} entries"), format_args!("{} MiB", size >> 20));
    let answered = |fleet: &Fleet| {
        let ((), took) = timed(|| {
            fleet.start(0);
            wait_for_page(fleet, 0);
        });
        took.as_secs_f64()
    };
    let first = answered(&fleet);
    let memory = fleet.memory(0);
    table.beside(&format!("start with {entries} entries"), first, "s", START_S, "(goal)");
    table.alone(
        &format!("memory with {entries} entries"),
        format_args!("{} MiB resident, {} MiB of its own", memory.resident >> 10, memory.own >> 10),
    );
    fleet.end(0, Signal::SIGKILL);
    table.beside(&format!("start with {entries} entries after kill -9"), answered(&fleet), "s", START_S, "(goal)");
    fleet.end(0, Signal::SIGTERM);
}

/// A daemon with nothing gets everything from another; beside it, the same signatures checked by all cores.
pub(crate) fn catch_up(sizes: &Sizes, place: &Place, table: &mut Table) {
    let fleet = fleet(place, AUTHORS);
    let mut writers = Writers::new(&keys(&fleet), sizes.catch_up);
    let store = writers.store(&key(&fleet, 0), &fleet.state(0).join(NETWORK), &fleet.runtime(0).join(NETWORK));
    let mut bytes = Vec::new();
    store.entries(&mut |entry| bytes.push(entry.bytes().to_vec())).expect("the entries");
    store.close().expect("an orderly end");
    let (checked, cores) = check(&bytes);
    fleet.start(0);
    wait_for_page(&fleet, 0);
    fleet.start(1);
    let ((), took) = timed(|| {
        until("the second has everything", secs(600), || {
            fleet.must_run();
            let pages = fleet.pages("/api/v1/journal");
            let entries = pages[1].as_ref().and_then(|page| page["journal"]["entries"].as_u64());
            match entries {
                Some(entries) if sizes.catch_up as u64 <= entries => Ok(()),
                other => Err(format!("it has {other:?}")),
            }
        });
    });
    let rate = ratio(sizes.catch_up, took);
    let what = format!("catch-up of {} entries, both daemons on {cores} cores", sizes.catch_up);
    table.beside(&what, rate, "entries/s", checked, &format!("signature checks/s alone on {cores} cores (goal: ratio 0.5)"));
    let spent: u64 = (0..2).map(|number| fleet.ticks(number)).sum();
    table.alone("processor time of both for it", format_args!("{:.1} s", spent as f64 / 100.0));
}

/// How many entries are checked in a second when all cores do nothing else.
fn check(bytes: &[Vec<u8>]) -> (f64, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ((), took) = timed(|| {
        std::thread::scope(|scope| {
            for part in bytes.chunks(bytes.len().div_ceil(cores)) {
                scope.spawn(move || part.iter().for_each(|entry| drop(Entry::open(network(), entry).expect("a sound entry"))));
            }
        });
    });
    (ratio(bytes.len(), took), cores)
}

/// A network of which only the first two ever run.
fn fleet(place: &Place, count: usize) -> Fleet {
    Fleet::new(place.clone(), count, |one, other| one < 2 && other < 2, "\n[journal]\nsize = \"16GiB\"\n")
}

fn keys(fleet: &Fleet) -> Vec<SecretKey> {
    (0..fleet.len()).map(|number| key(fleet, number)).collect()
}

fn key(fleet: &Fleet, number: usize) -> SecretKey {
    let pem = fs::read_to_string(fleet.state(number).join(NETWORK).join("node.key")).expect("a key");
    SecretKey::from_pem(&pem).expect("a key in PEM")
}

/// Waits until a daemon answers for its network.
fn wait_for_page(fleet: &Fleet, number: usize) {
    let asked = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(fleet.web(number))?;
        stream.set_read_timeout(Some(secs(300)))?;
        stream.write_all(b"GET /api/v1/networks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b"200"))
    };
    crate::clock::closely("the daemon answers", secs(600), || {
        fleet.must_run();
        matches!(asked(), Ok(true))
    });
}

fn ratio(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}
