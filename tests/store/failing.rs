//! A disk that fails at any operation, and a power cut at any moment: nothing acknowledged is lost, nothing torn is shown.

use std::collections::BTreeMap;
use std::fs;

use peerwatch::base::entry::{Entry, Past, Record};
use peerwatch::base::id::{Lane, TargetId};
use peerwatch::base::rng::Rng;
use peerwatch::base::time::Wall;
use peerwatch::base::view::{History as _, Sample};
use peerwatch::base::wire::Head;
use peerwatch::io::store::{OpenError, Store, StoreFault};

use crate::disk::{Disk, Way};
use crate::place::{Author, Place, all, entries, records, sample};

/// How much is tried: 1 unless the environment says more.
fn effort() -> u64 {
    std::env::var("PEERWATCH_STORE_EFFORT").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// What a store holds, as far as anybody can see.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    entries: Vec<Entry>,
    past: Past,
    samples: Vec<Sample>,
}

fn look(store: &Store) -> Seen {
    let samples = store.reader().unwrap().samples(&TargetId("a".into()), 9999).unwrap();
    Seen { entries: entries(store), past: store.past().unwrap(), samples }
}

/// One thing to do with a store.
enum Step {
    Commit(Vec<Record>, Vec<Sample>),
    /// Something that changes nothing that can be seen.
    Chore(fn(&mut Store) -> Result<(), StoreFault>),
    Prune,
}

impl Step {
    fn take(&self, store: &mut Store) -> Result<(), StoreFault> {
        match self {
            Self::Commit(append, keep) => store.commit(append, keep),
            Self::Chore(chore) => chore(store),
            Self::Prune => store.prune_samples(Wall(i64::MAX)).map(drop),
        }
    }
}

/// A life of a store: every kind of record, and what is done between turns.
fn life() -> Vec<Step> {
    let (mut mine, mut minutes, mut other) = (Author::new(1, Lane::State), Author::new(1, Lane::Minutes), Author::new(2, Lane::Events));
    let (first, second, third) = (mine.several(3), minutes.several(9), other.several(9));
    let base = |author: &Author, entry: &Entry| {
        let sequence = entry.header.sequence;
        Record::Base(Head { chain: author.chain, sequence, hash: entry.hash, base: sequence })
    };
    let mut old = Author::new(3, Lane::State);
    let gone = old.several(3);
    let mut above = old.chain.incarnation;
    above.opened += 1;
    let large: Vec<Entry> = (0..3).map(|_| mine.write(12_000)).collect();
    let samples = |from: i64| (from..from + 40).map(|at| sample("a", at)).collect::<Vec<_>>();
    vec![
        Step::Commit(records(&first), samples(0)),
        Step::Commit(records(&[second.clone(), third.clone(), gone].concat()), vec![]),
        Step::Commit([vec![base(&minutes, &second[5])], records(&large)].concat(), samples(40)),
        Step::Chore(|store| store.sweep().map(drop)),
        Step::Commit(vec![Record::Cut(other.chain, 7), Record::Proof(third[7].clone())], vec![]),
        Step::Commit(vec![Record::Floor(old.key.node(), above), base(&mine, &first[1])], vec![]),
        Step::Chore(sweep_all),
        Step::Prune,
        Step::Chore(Store::probe),
        Step::Commit(records(&minutes.several(2)), samples(80)),
        Step::Chore(compact_all),
        Step::Commit(records(&mine.several(1)), vec![]),
    ]
}

fn sweep_all(store: &mut Store) -> Result<(), StoreFault> {
    while store.sweep()? {}
    Ok(())
}

fn compact_all(store: &mut Store) -> Result<(), StoreFault> {
    while 0 < store.compact()? {}
    Ok(())
}

/// Whether a fault is one of the disk, which may pass.
fn is_of_the_disk(fault: &StoreFault) -> bool {
    matches!(fault, StoreFault::Io { .. } | StoreFault::Full { .. })
}

/// Lives a life on a disk that fails, mends it where it failed and goes on. True when something had failed.
fn survive(life: &[Step], expected: &[Seen], operations: u64, way: Way) -> bool {
    let case = format!("operation {operations}, {way:?}");
    let place = Place::new();
    // Not closed, so that all of it is looked at when it is opened.
    place.open().0.commit(&[], &[sample("b", 1)]).unwrap();
    let disk = Disk::under(&place.state());
    disk.fail_after(operations, way);
    let mut failed = false;
    let mut store = match place.try_open() {
        Ok((store, _)) => store,
        Err(error) => {
            assert!(matches!(error, OpenError::Io { .. }) && error.to_string().contains("; check that"), "{case}: {error}");
            failed |= disk.heal();
            place.open().0
        }
    };
    for (step, (before, after)) in life.iter().zip(expected.iter().zip(&expected[1..])) {
        if let Err(fault) = step.take(&mut store) {
            assert!(is_of_the_disk(&fault), "{case}: {fault}");
            assert!(disk.heal(), "{case}: {fault}");
            failed = true;
            if matches!(step, Step::Commit(..)) {
                assert_eq!(&look(&store), before, "{case}");
            }
            step.take(&mut store).unwrap_or_else(|fault| panic!("{case}: after the disk was mended: {fault}"));
        }
        if !disk.has_failed() {
            continue;
        }
        // What failed unseen, as in the copying of the log, must not be seen later either.
        failed |= disk.heal();
        assert_eq!(&look(&store), after, "{case}");
    }
    let closed = store.close();
    failed |= disk.heal();
    assert!(closed.as_ref().is_ok() || closed.as_ref().is_err_and(is_of_the_disk), "{case}: {closed:?}");
    let (store, _) = place.try_open().unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(Some(&look(&store)), expected.last(), "{case}");
    if operations.is_multiple_of(16) {
        assert_eq!(store.reader().unwrap().verify(&mut |_| ()).unwrap().faults, Vec::<String>::new(), "{case}");
    }
    failed
}

/// What is seen before and after each step on a disk that does not fail.
fn expect(life: &[Step]) -> Vec<Seen> {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut seen = vec![look(&store)];
    for step in life {
        step.take(&mut store).unwrap();
        seen.push(look(&store));
    }
    seen
}

#[test]
fn whichever_operation_of_the_disk_fails_nothing_is_lost_or_torn() {
    let life = life();
    let expected = expect(&life);
    for way in [Way::Once, Way::Always, Way::Full] {
        let stride = if way == Way::Once || 1 < effort() { 1 } else { 5 };
        let tried = (1..).step_by(stride).find(|operations| !survive(&life, &expected, *operations, way)).unwrap();
        assert!(100 < tried, "{way:?} ended after {tried} operations");
    }
}

#[test]
fn reading_from_a_disk_that_fails_is_a_fault_and_shows_nothing_torn() {
    let life = life();
    let place = Place::new();
    let (mut store, _) = place.open();
    life.iter().for_each(|step| step.take(&mut store).unwrap());
    let author = Author { sequence: 6, ..Author::new(2, Lane::Events) };
    let whole = store.reader().unwrap().frame(&[all(&author)]).unwrap();
    let seen = look(&store);
    store.close().unwrap();
    let disk = Disk::under(&place.state());
    for operations in 1.. {
        let (store, _) = place.open();
        disk.fail_after(operations, Way::Once);
        let mut found = Vec::new();
        let read = store.entries(&mut |entry| found.push(entry));
        assert!(seen.entries.starts_with(&found));
        assert_eq!(read.is_ok(), found.len() == seen.entries.len());
        assert!(read.as_ref().err().is_none_or(is_of_the_disk), "{read:?}");
        if let Ok(past) = store.past() {
            assert_eq!(past, seen.past);
        }
        let frames = store.reader().and_then(|mut reader| reader.frame(&[all(&author)]));
        assert!(frames.as_ref().map_or_else(is_of_the_disk, |frames| *frames == whole), "{frames:?}");
        let checked = store.reader().and_then(|reader| reader.verify(&mut |_| ()));
        assert!(checked.as_ref().map_or_else(is_of_the_disk, |found| found.faults.is_empty()), "{checked:?}");
        let mut copy = Vec::new();
        let copied = store.reader().map_err(|fault| fault.to_string()).and_then(|reader| reader.backup(&mut copy, &mut |_| ()));
        assert!(copied.as_ref().map_or_else(|fault| fault.contains("; "), |length| *length == copy.len() as u64), "{copied:?}");
        let failed = disk.heal();
        assert_eq!(look(&store), seen);
        store.close().unwrap();
        if !failed {
            assert!(20 < operations, "ended after {operations} operations");
            break;
        }
    }
}

#[test]
fn a_disk_that_may_only_be_read_is_explained_and_loses_nothing() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let written = Author::new(1, Lane::State).several(3);
    store.commit(&records(&written), &[]).unwrap();
    store.close().unwrap();
    let disk = Disk::under(&place.state());
    disk.read_only(true);
    let explained = |text: &str| text.contains("; check ");
    match place.try_open() {
        Err(error) => assert!(matches!(error, OpenError::Io { .. }) && explained(&error.to_string()), "{error}"),
        Ok((mut store, _)) => {
            let fault = store.commit(&records(&Author::new(2, Lane::State).several(1)), &[]).unwrap_err();
            assert!(is_of_the_disk(&fault) && explained(&fault.to_string()), "{fault}");
            assert_eq!(entries(&store), written);
        }
    }
    disk.read_only(false);
    assert_eq!(entries(&place.open().0), written);
}

/// Lives and closes and lives on, and notes how far the disk was each time something was acknowledged.
fn record(disk: &Disk, place: &Place) -> Vec<(usize, Option<Seen>)> {
    let mut noted = vec![(0, None)];
    let (mut store, _) = place.open();
    noted.push((disk.length(), Some(look(&store))));
    let mut mine = Author::new(1, Lane::Days);
    for round in 0..3 {
        let life = if round == 0 { life() } else { vec![] };
        // Enough for the log to be copied into the database on the way.
        let more = (0..8).map(|at| Step::Commit(records(&[mine.write(60_000 * usize::from(at % 4 == 0))]), vec![sample("a", at.into())]));
        for step in life.into_iter().chain(more.collect::<Vec<_>>()) {
            step.take(&mut store).unwrap();
            noted.push((disk.length(), Some(look(&store))));
        }
        if round == 1 {
            let large: Vec<Entry> = (0..75).map(|_| mine.write(60_000)).collect();
            store.commit(&records(&large), &[]).unwrap();
            noted.push((disk.length(), Some(look(&store))));
        }
        let seen = look(&store);
        store.close().unwrap();
        store = place.open().0;
        assert_eq!(look(&store), seen);
        noted.push((disk.length(), Some(seen)));
    }
    noted
}

/// Puts files where a store looks for them.
fn place_with(files: &BTreeMap<String, Vec<u8>>) -> Place {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    for (name, content) in files {
        fs::write(place.state().join(name), content).unwrap();
    }
    place
}

#[test]
fn a_power_cut_at_any_moment_leaves_what_was_acknowledged_and_whole_turns() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    let disk = Disk::under(&place.state());
    let noted = record(&disk, &place);
    let mut rng = Rng::new(7);
    let length = disk.length();
    assert!(500 < length, "{length}");
    let cuts: Vec<usize> = if effort() == 1 {
        (0..200).map(|_| usize::try_from(rng.below(length as u64 + 1)).unwrap()).collect()
    } else {
        (0..effort()).flat_map(|_| 0..=length).collect()
    };
    let mut begun = 0;
    for cut in cuts {
        let files = disk.cut(cut, &mut rng);
        let acknowledged = noted.iter().rposition(|(at, _)| *at <= cut).unwrap();
        let allowed: Vec<_> = noted[acknowledged..].iter().take(2).map(|(_, seen)| seen.clone()).collect();
        let after = place_with(&files);
        let sizes: Vec<(&String, usize)> = files.iter().map(|(name, content)| (name, content.len())).collect();
        let (mut store, opening) = after.try_open().unwrap_or_else(|error| panic!("cut at {cut} of {length}, {sizes:?}: {error}"));
        assert!(!opening.continuous);
        let seen = look(&store);
        let empty = Seen { entries: vec![], past: Past::default(), samples: vec![] };
        let fits = allowed.iter().any(|allowed| allowed.as_ref().unwrap_or(&empty) == &seen);
        assert!(fits, "cut at {cut} of {length}, after {acknowledged}: {} entries, {sizes:?}", seen.entries.len());
        begun += usize::from(allowed.last().is_some_and(|last| last.as_ref() == Some(&seen)));
        // The node goes on with another life.
        let mut next = Author::new(1, Lane::State);
        next.chain.incarnation.opened += 9;
        store.commit(&records(&next.several(2)), &[]).unwrap();
        if cut.is_multiple_of(16) {
            let faults = store.reader().unwrap().verify(&mut |_| ()).unwrap().faults;
            assert_eq!(faults, Vec::<String>::new(), "cut at {cut}");
        }
        store.close().unwrap();
    }
    // Some turns were on the disk before anybody was told; otherwise the model would be too kind.
    assert!(0 < begun);
}
