//! The journal as a whole: checked, counted, copied, made smaller.

use std::fs;

use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::id::{ChainId, Incarnation, Lane};
use peerwatch::base::limits;
use peerwatch::base::view::{ChainStats, Verified};
use peerwatch::base::wire::Head;
use peerwatch::io::store::{Opening, Store};

use crate::place::{Author, KNOWN, Place, entries, records, sample};

/// A store with three chains of 6 times `size` entries: whole, of the last sixth, cut after the first; and a proof.
fn full(place: &Place, size: u64) -> (Store, Vec<Author>) {
    let (mut store, _) = place.open();
    let mut authors = vec![Author::new(1, Lane::State), Author::new(2, Lane::Minutes), Author::new(3, Lane::Events)];
    let written: Vec<Vec<Entry>> = authors.iter_mut().map(|author| author.several(usize::try_from(6 * size).unwrap())).collect();
    let proof = Record::Proof(written[2][written[2].len() - 1].clone());
    let cut = Record::Cut(authors[2].chain, size + 1);
    let base = Record::Base(Head { chain: authors[1].chain, sequence: 5 * size, hash: authors[1].previous, base: 5 * size });
    store.commit(&records(&written.concat()), &[sample("a", 1), sample("b", 2)]).unwrap();
    store.commit(&[base, proof, cut], &[]).unwrap();
    (store, authors)
}

fn faults(place: &Place) -> Vec<String> {
    let (store, _) = place.open();
    store.reader().unwrap().verify(&mut |_| ()).unwrap().faults
}

#[test]
fn a_sound_journal_is_checked_to_the_last_entry() {
    let place = Place::new();
    let (store, _) = full(&place, 100);
    let mut told = Vec::new();
    let found = store.reader().unwrap().verify(&mut |progress| told.push((progress.done, progress.total))).unwrap();
    let Verified { entries, chains, bytes, faults, more } = found;
    assert_eq!((entries, chains, faults, more), (800, 3, vec![], 0));
    assert!(800 * 300 < bytes && bytes < 800 * 500, "{bytes}");
    assert!(4 < told.len() && told.is_sorted() && told.last() == Some(&(800, 800)), "{told:?}");
}

#[test]
fn each_kind_of_fault_is_named_with_its_place() {
    let sound = Place::new();
    full(&sound, 10).0.close().unwrap();
    for (change, what) in [
        // A bit of the signature, which nothing but its check sees.
        (
            "UPDATE entry SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'ff' AS BLOB) WHERE sequence = 55",
            "not signed by its author",
        ),
        ("UPDATE entry SET hash = zeroblob(32) WHERE sequence = 5 AND chain = 3", "entry 5 of chain"),
        ("UPDATE entry SET bytes = x'01' WHERE sequence = 50 AND chain = 1", "cut short"),
        (
            "UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE sequence = 7 AND chain = 1) WHERE sequence = 8 AND chain = 1",
            "is not the one",
        ),
        ("DELETE FROM entry WHERE sequence = 7 AND chain = 3", "entry 7 of chain"),
        ("DELETE FROM entry WHERE sequence = 10 AND chain = 3", "entry 10 of chain"),
        ("UPDATE chain SET head_hash = zeroblob(32) WHERE id = 3", "the chain's row"),
        ("UPDATE chain SET lamport = 9 WHERE id = 3", "the chain's row"),
        ("UPDATE chain SET base = 49 WHERE id = 2", "entry 50 of chain"),
        ("UPDATE proof SET hash = zeroblob(32)", "proof 1 is not"),
        ("UPDATE proof SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'ff' AS BLOB)", "proof 1 is not signed"),
        (
            "PRAGMA foreign_keys = OFF; INSERT INTO entry SELECT 9, sequence, hash, bytes FROM entry WHERE sequence = 1 AND chain = 1",
            "no such chain",
        ),
        ("UPDATE meta SET value = x'00' WHERE key = 'network'", "of which network"),
    ] {
        let place = sound.copy();
        let (store, _) = place.open();
        place.sql(change);
        let found = store.reader().unwrap().verify(&mut |_| ()).unwrap().faults;
        let named = found.iter().any(|fault| fault.contains(what) && fault.contains("journal.db is damaged: ") && fault.contains("; stop"));
        assert!(named, "{change}: {found:?}");
    }
}

#[test]
fn of_many_faults_a_few_are_named_and_all_are_counted() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let most = u8::try_from(limits::FAULTS + 5).unwrap();
    let written: Vec<Entry> = (2..most + 2).flat_map(|author| Author::new(author, Lane::Days).several(2)).collect();
    store.commit(&records(&written), &[]).unwrap();
    place.sql("UPDATE entry SET hash = zeroblob(32)");
    let found = store.reader().unwrap().verify(&mut |_| ()).unwrap();
    assert_eq!((found.faults.len(), found.more), (limits::FAULTS, 5));
}

#[test]
fn a_check_follows_chains_that_change_under_it() {
    let place = Place::new();
    let (mut store, mut authors) = full(&place, 100);
    let reader = store.reader().unwrap();
    let mut rounds = 0;
    let found = reader.verify(&mut |_| {
        rounds += 1;
        let mut turn: Vec<Record> = authors.iter_mut().take(2).map(|author| author.write(9).into()).collect();
        // Just behind the check, and just before it.
        for (chain, sequence) in [(authors[0].chain, 250 * rounds), (authors[1].chain, 500 + 40 * rounds)] {
            turn.push(Record::Base(Head { chain, sequence, hash: authors[0].previous, base: sequence }));
        }
        turn.push(Record::Cut(authors[2].chain, 90));
        store.commit(&turn, &[]).unwrap();
        store.sweep().unwrap();
    });
    assert_eq!(found.unwrap().faults, Vec::<String>::new());
    assert!(2 < rounds);
}

#[test]
fn every_chain_is_counted_by_what_is_in_force() {
    let place = Place::new();
    let (mut store, authors) = full(&place, 10);
    while store.sweep().unwrap() {}
    let stats = store.reader().unwrap().stats().unwrap();
    let mut spans: Vec<_> =
        stats.chains.iter().map(|ChainStats { chain, base, head, entries, .. }| (*chain, *base, *head, *entries)).collect();
    spans.sort_unstable();
    let mut expected = vec![(authors[0].chain, 0, 60, 60), (authors[1].chain, 50, 60, 10), (authors[2].chain, 0, 10, 10)];
    expected.sort_unstable();
    assert_eq!((spans, stats.samples), (expected, 2));
    let mut bytes = 0;
    store.reader().unwrap().verify(&mut |progress| bytes = progress.done).unwrap();
    let sizes: Vec<u64> = stats.chains.iter().map(|chain| chain.bytes / chain.entries).collect();
    assert!(sizes.iter().all(|size| (300..500).contains(size)), "{sizes:?}");
    assert!(bytes == 80 && 0 < stats.log && 50_000 < stats.file);
}

#[test]
fn a_backup_is_the_whole_journal_and_opens_a_new_incarnation() {
    let place = Place::new();
    let (mut store, mut authors) = full(&place, 10);
    let (held, past) = (entries(&store), store.past().unwrap());
    let mut told = Vec::new();
    let mut backup = Vec::new();
    let length = store.reader().unwrap().backup(&mut backup, &mut |progress| told.push((progress.done, progress.total))).unwrap();
    assert_eq!((length, told.last().copied()), (backup.len() as u64, Some((length, length))));
    assert_eq!(
        fs::read_dir(place.state()).unwrap().filter(|file| file.as_ref().unwrap().path().extension() == Some("tmp".as_ref())).count(),
        0
    );
    // The journal goes on, and the copy is put back in the same boot, with the proof that the journal would continue from.
    store.commit(&records(&authors[0].several(1)), &[]).unwrap();
    store.close().unwrap();
    let proof = fs::read(place.proof()).unwrap();
    let other = Place::new();
    fs::create_dir_all(other.state()).unwrap();
    fs::create_dir_all(other.proof().parent().unwrap()).unwrap();
    fs::write(other.journal(), &backup).unwrap();
    fs::write(other.proof(), proof).unwrap();
    let (mut copy, opening) = other.open();
    assert_eq!(opening, KNOWN);
    assert_eq!((entries(&copy), copy.past().unwrap()), (held, past));
    // What comes back from others proves nothing; a new life does.
    copy.commit(&records(&Author { sequence: 60, ..authors[0].clone() }.resume(&copy).several(1)), &[]).unwrap();
    copy.close().unwrap();
    let (mut copy, opening) = other.open();
    assert!(!opening.continuous);
    let Author { chain: ChainId { incarnation: Incarnation { opened, nonce }, .. }, .. } = authors[0];
    let mut anew = Author::new(1, Lane::State);
    anew.chain.incarnation = Incarnation { opened: opened + 1, nonce };
    copy.commit(&records(&anew.several(1)), &[]).unwrap();
    drop(copy);
    let (copy, opening) = other.open();
    assert_eq!(opening, Opening { continuous: true, unclean: true, ..KNOWN });
    assert_eq!(copy.reader().unwrap().verify(&mut |_| ()).unwrap().faults, Vec::<String>::new());
}

#[test]
fn even_a_copy_that_nothing_followed_opens_a_new_incarnation() {
    let place = Place::new();
    let (store, _) = full(&place, 1);
    let mut backup = Vec::new();
    store.reader().unwrap().backup(&mut backup, &mut |_| ()).unwrap();
    store.close().unwrap();
    assert!(place.open().1.continuous);
    fs::write(place.journal(), &backup).unwrap();
    assert!(!place.open().1.continuous);
}

#[test]
fn a_backup_that_cannot_be_written_says_so_and_leaves_nothing() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let place = Place::new();
    let (store, _) = full(&place, 10);
    fs::write(place.state().join("backup-0.tmp"), "left behind").unwrap();
    let error = store.reader().unwrap().backup(&mut Full, &mut |_| ()).unwrap_err();
    assert!(error.contains("the backup cannot be written: ") && error.contains("; check the space"), "{error}");
    drop(store);
    let files = || fs::read_dir(place.state()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    assert_eq!(files().iter().filter(|name| name.starts_with("backup")).collect::<Vec<_>>(), ["backup-0.tmp"]);
    drop(place.open());
    assert_eq!(files().iter().filter(|name| name.starts_with("backup")).count(), 0);
}

#[test]
fn a_journal_is_made_smaller_in_steps() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut days = Author::new(2, Lane::Days);
    let written: Vec<Entry> = (0..300).map(|_| days.write(30_000)).collect();
    store.commit(&records(&written), &[]).unwrap();
    let before = store.reader().unwrap().stats().unwrap().file;
    store.commit(&[Record::Cut(days.chain, 11)], &[]).unwrap();
    let mut steps = 0;
    while 0 < store.compact().unwrap() {
        steps += 1;
        assert!(steps < 50);
    }
    let stats = store.reader().unwrap().stats().unwrap();
    assert!(1 < steps && stats.free == 0 && stats.file < before / 10, "{steps} steps, {before} -> {stats:?}");
    store.close().unwrap();
    assert!(fs::metadata(place.journal()).unwrap().len() < before / 10);
    assert_eq!(faults(&place), Vec::<String>::new());
}
