//! Clean stops, and the proof that nothing was lost.

use std::fs;

use peerwatch::base::id::{EntryHash, Lane};

use crate::place::{Author, KNOWN, Place, entries, records, sample};

#[test]
fn only_a_stop_without_close_after_a_write_is_unclean() {
    let place = Place::new();
    let mut author = Author::new(1, Lane::State);
    drop(place.open());
    let (mut store, opening) = place.open();
    assert_eq!(opening, KNOWN, "nothing was written before");
    store.commit(&records(&author.several(1)), &[]).unwrap();
    drop(store);
    let (mut store, opening) = place.open();
    assert!(opening.unclean);
    store.commit(&records(&author.several(1)), &[]).unwrap();
    store.close().unwrap();
    let (store, opening) = place.open();
    assert!(!opening.unclean);
    drop(store);
    assert!(!place.open().1.unclean);
}

#[test]
fn continuity_is_proved_by_own_entries_only() {
    let place = Place::new();
    let (mut store, _) = place.open();
    store.commit(&records(&Author::new(2, Lane::State).several(3)), &[sample("a", 1)]).unwrap();
    assert!(!place.proof().exists());
    store.close().unwrap();
    let (mut store, opening) = place.open();
    assert!(!opening.continuous);
    store.commit(&records(&[Author::new(1, Lane::State).several(1), Author::new(3, Lane::State).several(1)].concat()), &[]).unwrap();
    assert_eq!(store.unproved(), None);
    drop(store);
    assert!(place.open().1.continuous);
}

#[test]
fn a_database_from_a_backup_does_not_continue() {
    let place = Place::new();
    let mut author = Author::new(1, Lane::State);
    let (mut store, _) = place.open();
    store.commit(&records(&author.several(5)), &[]).unwrap();
    store.close().unwrap();
    let backup = fs::read(place.journal()).unwrap();
    let (mut store, _) = place.open();
    store.commit(&records(&author.several(1)), &[]).unwrap();
    store.close().unwrap();
    assert!(place.open().1.continuous);
    fs::write(place.journal(), &backup).unwrap();
    assert_eq!(place.open().1, KNOWN);
    // Nor does one that went on differently from there.
    let (mut store, _) = place.open();
    let other = Author::new(1, Lane::State).resume(&store).write(1);
    let proof = fs::read(place.proof()).unwrap();
    store.commit(&records(&[other]), &[]).unwrap();
    store.close().unwrap();
    fs::write(place.proof(), proof).unwrap();
    assert!(!place.open().1.continuous);
}

#[test]
fn a_database_ahead_of_its_proof_continues() {
    let place = Place::new();
    let mut author = Author::new(1, Lane::State);
    let (mut store, _) = place.open();
    store.commit(&records(&author.several(2)), &[]).unwrap();
    let proof = fs::read(place.proof()).unwrap();
    store.commit(&records(&author.several(2)), &[]).unwrap();
    // As if the process had ended between the commit and the new proof: nothing of that turn was sent.
    fs::write(place.proof(), proof).unwrap();
    drop(store);
    assert!(place.open().1.continuous);
}

#[test]
fn another_boot_or_a_lost_proof_does_not_continue() {
    let place = Place::new();
    let (mut store, _) = place.open();
    store.commit(&records(&Author::new(1, Lane::State).several(2)), &[]).unwrap();
    store.close().unwrap();
    let proof = fs::read_to_string(place.proof()).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(proof.contains(boot.trim()));
    fs::write(place.proof(), proof.replace(boot.trim(), "00000000-0000-0000-0000-000000000000")).unwrap();
    assert_eq!(place.open().1, KNOWN);
    fs::write(place.proof(), &proof).unwrap();
    assert!(place.open().1.continuous);
    fs::remove_file(place.proof()).unwrap();
    assert_eq!(place.open().1, KNOWN);
}

#[test]
fn a_proof_that_cannot_be_written_fails_no_commit_but_ends_continuity() {
    let place = Place::new();
    let mut author = Author::new(1, Lane::State);
    let (mut store, _) = place.open();
    store.commit(&records(&author.several(1)), &[]).unwrap();
    let obstacle = place.proof().with_extension("new");
    fs::create_dir(&obstacle).unwrap();
    store.commit(&records(&author.several(1)), &[]).unwrap();
    assert!(store.unproved().unwrap().contains("check the runtime directory"));
    drop(store);
    let (mut store, opening) = place.open();
    assert!(!opening.continuous);
    assert_eq!(entries(&store).len(), 2);
    fs::remove_dir(obstacle).unwrap();
    // Since it cannot be proved that nothing was lost, another life must go on.
    store.commit(&records(&author.several(1)), &[]).unwrap();
    assert!(!place.proof().exists());
    author.chain.incarnation.opened += 1;
    (author.sequence, author.previous) = (0, EntryHash([0; 32]));
    store.commit(&records(&author.several(1)), &[]).unwrap();
    assert_eq!(store.unproved(), None);
    drop(store);
    assert!(place.open().1.continuous);
}

#[test]
fn own_entries_of_another_life_than_the_present_one_prove_nothing() {
    let place = Place::new();
    let (mut old, mut present) = (Author::new(1, Lane::State), Author::new(1, Lane::State));
    present.chain.incarnation.opened += 1;
    let (mut store, _) = place.open();
    store.live(present.chain.incarnation);
    // As when others give back what was lost.
    store.commit(&records(&old.several(3)), &[]).unwrap();
    assert!(!place.proof().exists());
    store.commit(&records(&[present.several(1), old.several(3)].concat()), &[]).unwrap();
    drop(store);
    assert!(place.open().1.continuous);
    assert!(fs::read_to_string(place.proof()).unwrap().contains(&format!("/{}/", present.chain.incarnation.opened)));
}

#[test]
fn a_life_above_which_another_came_back_does_not_continue() {
    let place = Place::new();
    let (mut present, mut lost) = (Author::new(1, Lane::State), Author::new(1, Lane::State));
    lost.chain.incarnation.opened += 1;
    let (mut store, _) = place.open();
    store.live(present.chain.incarnation);
    store.commit(&records(&present.several(2)), &[]).unwrap();
    // The end of it may be missing, and a daemon that went on with it would sign other entries for the same places.
    store.commit(&records(&lost.several(2)), &[]).unwrap();
    drop(store);
    assert!(!place.open().1.continuous);
}
