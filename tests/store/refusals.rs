//! Databases and directories that cannot be opened, or not be read.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use peerwatch::base::id::{Lane, NetworkId};
use peerwatch::io::store::{OpenError, Store, StoreFault};
use rusqlite::Connection;

use crate::place::{Author, Place, STAGE, begin, key, network, open, records, stage};

#[test]
fn a_second_opener_is_told_that_the_directory_is_in_use() {
    let place = Place::new();
    let (store, _) = place.open();
    let error = place.try_open().unwrap_err();
    assert_eq!(error, OpenError::Locked { directory: place.state() });
    assert!(error.to_string().contains(place.state().to_str().unwrap()) && error.to_string().contains("--state"), "{error}");
    drop(store);
    place.open();
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let (mut store, _) = place.open();
    store.commit(&records(&Author::new(1, Lane::State).several(3)), &[]).unwrap();
    store.close().unwrap();
    place.sql("PRAGMA user_version = 9");
    let before = fs::read(place.journal()).unwrap();
    for _ in 0..2 {
        let error = place.try_open().unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 9, known: 2, .. }), "{error}");
        assert!(error.to_string().contains("; install the newer version"), "{error}");
    }
    assert!(before == fs::read(place.journal()).unwrap());
}

#[test]
fn a_newer_database_with_a_log_keeps_its_log() {
    let place = Place::new();
    let (mut store, _) = place.open();
    store.commit(&records(&Author::new(1, Lane::State).several(3)), &[]).unwrap();
    place.sql("PRAGMA user_version = 9");
    let copy = place.copy();
    drop(store);
    let log = copy.state().join("journal.db-wal");
    let before = (fs::read(copy.journal()).unwrap(), fs::read(&log).unwrap());
    assert!(matches!(copy.try_open(), Err(OpenError::Newer { .. })));
    assert!(before == (fs::read(copy.journal()).unwrap(), fs::read(&log).unwrap()));
}

#[test]
fn the_journal_of_another_node_or_network_is_refused() {
    let place = Place::new();
    place.open().0.close().unwrap();
    let (state, run) = (place.state(), place.root.path().join("run"));
    let error = Store::open(&state, &run, network(), key(2).node()).unwrap_err();
    assert_eq!(error, OpenError::Stranger { path: place.journal(), of: "node" });
    let error = Store::open(&state, &run, NetworkId::of("other"), key(1).node()).unwrap_err();
    assert_eq!(error, OpenError::Stranger { path: place.journal(), of: "network" });
    assert!(error.to_string().contains("another network; put"), "{error}");
    place.open();
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::write(place.journal(), "To whom it may concern. ".repeat(1000)).unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }) && error.to_string().contains("move the file away"), "{error}");
    assert_eq!(fs::metadata(place.journal()).unwrap().len(), 24_000);
    fs::remove_file(place.journal()).unwrap();
    place.sql("CREATE TABLE shopping(list)");
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }) && error.to_string().contains("not a journal"), "{error}");
}

/// Overwrites a page of entries.
fn damage(place: &Place) {
    let leaf = "SELECT pageno FROM dbstat WHERE name = 'entry' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 20";
    let page: i64 = Connection::open(place.journal()).unwrap().query_row(leaf, [], |row| row.get(0)).unwrap();
    let file = fs::File::options().write(true).open(place.journal()).unwrap();
    file.write_all_at(&[0xa5; 4096], (page.cast_unsigned() - 1) * 4096).unwrap();
}

#[test]
fn damage_after_an_unclean_stop_is_found_when_opening() {
    let place = Place::new();
    let (mut store, _) = place.open();
    store.commit(&records(&Author::new(1, Lane::State).several(2000)), &[]).unwrap();
    drop(store);
    damage(&place);
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }) && error.to_string().contains("journal.db is damaged: "), "{error}");
}

#[test]
fn damage_after_a_clean_stop_is_found_when_reading_and_the_next_start_checks() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(1, Lane::State);
    store.commit(&records(&author.several(2000)), &[]).unwrap();
    store.close().unwrap();
    damage(&place);
    let (mut store, opening) = place.open();
    assert!(!opening.unclean);
    let fault = store.entries(&mut |_| ()).unwrap_err();
    assert!(matches!(fault, StoreFault::Corrupt { .. }) && fault.to_string().contains("; stop peerwatchd, move"), "{fault}");
    let _ = store.commit(&records(&[Author::new(2, Lane::State).write(1)]), &[]);
    let _ = store.close();
    assert!(matches!(place.try_open(), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_changed_or_missing_entry_is_not_handed_out() {
    for (change, what) in [
        ("UPDATE entry SET bytes = (SELECT bytes FROM entry WHERE sequence = 2) WHERE sequence = 3", "is not the one that was stored"),
        ("UPDATE entry SET bytes = x'01' WHERE sequence = 3", "cut short"),
        ("UPDATE entry SET hash = zeroblob(32) WHERE sequence = 3", "is not the one that was stored"),
        ("DELETE FROM entry WHERE sequence = 2", "does not follow the one before"),
        ("DELETE FROM entry WHERE sequence = 1", "does not follow the one before"),
    ] {
        let place = Place::new();
        let (mut store, _) = place.open();
        store.commit(&records(&Author::new(1, Lane::State).several(4)), &[]).unwrap();
        place.sql(change);
        let fault = store.entries(&mut |entry| assert!(entry.header.sequence <= 2)).unwrap_err();
        assert!(matches!(fault, StoreFault::Corrupt { .. }) && fault.to_string().contains(what), "{change}: {fault}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_explained() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    fs::set_permissions(place.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.state(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    if nix::unistd::geteuid().is_root() {
        // Permissions do not bind root, so the child is nobody.
        command.uid(65_534);
    }
    let said = begin(
        stage(command, "refusals::stage_opens_a_directory_that_cannot_be_written", place.root.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    )
    .wait_with_output()
    .unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let expected = format!("refused: {}", place.state().display());
    assert!(said.contains(&expected) && said.contains("Permission denied") && said.contains("; check that its directory"), "{said}");
}

#[test]
fn stage_opens_a_directory_that_cannot_be_written() {
    let Some(root) = std::env::var_os(STAGE) else { return };
    let error = open(Path::new(&root)).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }));
    println!("refused: {error}");
}

#[test]
fn the_state_directory_is_private() {
    let place = Place::new();
    let mode = || fs::metadata(place.state()).unwrap().permissions().mode() & 0o777;
    place.open();
    assert_eq!(mode(), 0o700);
    fs::set_permissions(place.state(), fs::Permissions::from_mode(0o755)).unwrap();
    place.open();
    assert_eq!(mode(), 0o700);
}
