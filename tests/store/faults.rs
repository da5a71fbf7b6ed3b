//! Commits that fail, and processes that are killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::id::{Lane, TargetId};
use peerwatch::base::rng::Rng;
use peerwatch::base::time::Wall;
use peerwatch::base::view::History as _;
use peerwatch::base::wire::Head;
use peerwatch::io::store::{Opening, StoreFault};

use crate::place::{Author, KNOWN, Place, STAGE, begin, entries, open, records, sample, stage};

#[test]
fn a_full_disk_is_a_typed_fault_that_tears_nothing_and_passes() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(1, Lane::State);
    let mut written = author.several(10);
    store.commit(&records(&written), &[sample("a", 1)]).unwrap();
    store.bound(200 * 1024).unwrap();
    let batch: Vec<Entry> = (0..20).map(|_| author.write(60_000)).collect();
    for _ in 0..3 {
        let fault = store.commit(&records(&batch), &[sample("a", 2), sample("new", 2)]).unwrap_err();
        assert_eq!(fault, StoreFault::Full { path: place.journal() });
        assert!(fault.to_string().contains("; free some space"), "{fault}");
    }
    let reader = store.reader().unwrap();
    assert_eq!(entries(&store), written);
    assert_eq!(reader.samples(&TargetId("a".into()), 9).unwrap().len(), 1);
    store.bound(u64::MAX).unwrap();
    store.commit(&records(&batch), &[sample("new", 3)]).unwrap();
    written.extend(batch);
    assert_eq!(reader.samples(&TargetId("new".into()), 9).unwrap().len(), 1);
    store.close().unwrap();
    let (store, opening) = place.open();
    assert_eq!((entries(&store), opening.continuous), (written, true));
}

#[test]
fn a_full_journal_can_still_drop_and_say_so_and_has_room_again() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let size = 4 * 1024 * 1024;
    store.bound(size).unwrap();
    let mut minutes = Author::new(1, Lane::Minutes);
    let mut last = None;
    while let Ok(()) = {
        let entry = minutes.write(20_000);
        store.commit(&records(std::slice::from_ref(&entry)), &[]).map(|()| last = Some(entry.header))
    } {}
    let used = store.used().unwrap();
    assert!(size / 100 * 98 < used && used <= size, "{used}");
    let (chain, sequence) = last.map(|header| (header.chain, header.sequence)).unwrap();
    // What drops them is itself an entry.
    let said = Author::new(1, Lane::State).write(20_000);
    let base = Head { chain, sequence: sequence / 2, hash: said.hash, base: sequence / 2 };
    assert!(matches!(store.commit(&records(std::slice::from_ref(&said)), &[]), Err(StoreFault::Full { .. })));
    store.commit(&[said.into(), Record::Base(base)], &[]).unwrap();
    while store.sweep().unwrap() {}
    assert!(store.used().unwrap() < size / 100 * 60);
    let mut minutes = Author::new(2, Lane::Minutes);
    store.commit(&records(&(0..20).map(|_| minutes.write(20_000)).collect::<Vec<_>>()), &[]).unwrap();
}

#[test]
fn samples_make_room_when_the_journal_is_nearly_full() {
    let place = Place::new();
    let (mut store, _) = place.open();
    store.bound(2 * 1024 * 1024).unwrap();
    let samples: Vec<_> = (0..12_000).map(|at| sample("a", at)).collect();
    store.commit(&[], &samples).unwrap();
    assert_eq!(store.prune_samples(Wall(0)).unwrap(), 0);
    store.commit(&records(&(0..20).scan(Author::new(1, Lane::Days), |days, _| Some(days.write(60_000))).collect::<Vec<_>>()), &[]).unwrap();
    assert_eq!(store.prune_samples(Wall(0)).unwrap(), 2000);
}

/// Ways to make `SQLite` itself fail in the midst of a commit: SQL that sets the trap, and words of the error.
fn traps() -> Vec<(String, &'static str)> {
    let places = ["chain", "entry WHEN NEW.sequence = 1", "entry WHEN NEW.sequence = 3", "target", "sample WHEN NEW.at = 2"];
    let mut traps: Vec<(String, &str)> = Vec::new();
    for place in places {
        let (table, when) = place.split_once(' ').unwrap_or((place, ""));
        for way in ["ABORT", "FAIL", "ROLLBACK"] {
            let sql = format!("CREATE TRIGGER trap BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE({way}, 'trapped'); END");
            traps.push((sql, "trapped"));
        }
    }
    // This one is noticed only by COMMIT.
    let late = "CREATE TABLE orphan(parent REFERENCES target(id) DEFERRABLE INITIALLY DEFERRED);
                CREATE TRIGGER trap BEFORE INSERT ON sample BEGIN INSERT INTO orphan VALUES (-1); END";
    traps.push((late.into(), "FOREIGN KEY"));
    traps
}

#[test]
fn whichever_statement_fails_nothing_of_the_commit_is_left_and_the_next_one_works() {
    for (trap, words) in traps() {
        let place = Place::new();
        let (mut store, _) = place.open();
        let (mut mine, mut other) = (Author::new(1, Lane::State), Author::new(2, Lane::State));
        let before = mine.several(1);
        store.commit(&records(&before), &[]).unwrap();
        let proof = fs::read(place.proof()).unwrap();
        let batch = [mine.several(3), other.several(3)].concat();
        let samples = [sample("a", 1), sample("b", 2)];
        place.sql(&trap);
        let fault = store.commit(&records(&batch), &samples).expect_err(&trap);
        assert!(matches!(fault, StoreFault::Other { .. }) && fault.to_string().contains(words), "{trap}: {fault}");
        assert_eq!((entries(&store), fs::read(place.proof()).unwrap()), (before.clone(), proof), "{trap}");
        let reader = store.reader().unwrap();
        assert_eq!(reader.samples(&TargetId("a".into()), 9), Ok(vec![]), "{trap}");
        place.sql("DROP TRIGGER trap");
        store.commit(&records(&batch), &samples).unwrap_or_else(|fault| panic!("after {trap}: {fault}"));
        assert_eq!(entries(&store), [before, batch].concat(), "{trap}");
        assert_eq!(reader.samples(&TargetId("b".into()), 9).unwrap().len(), 1, "{trap}");
    }
}

#[test]
fn a_write_that_the_disk_refuses_is_a_typed_fault_and_tears_nothing() {
    let place = Place::new();
    place.open().0.close().unwrap();
    // A child whose files may not grow beyond some hundred kilobytes: the log cannot be written to the end.
    let script = r#"trap "" XFSZ; ulimit -S -f 600; exec "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(std::env::current_exe().unwrap());
    let said =
        begin(stage(command, "faults::stage_fills_a_disk_that_refuses", place.root.path()).stdout(Stdio::piped()).stderr(Stdio::piped()))
            .wait_with_output()
            .unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let committed = said.matches("committed ").count();
    assert!(0 < committed && said.contains("refused twice: ") && said.contains("; check the disk"), "{said}");
    let (mut store, opening) = place.open();
    assert_eq!(opening, Opening { continuous: true, unclean: true, ..KNOWN });
    assert_eq!(entries(&store).len(), committed);
    let next = Author::new(1, Lane::State).resume(&store).write(1);
    store.commit(&records(&[next]), &[]).unwrap();
}

#[test]
fn stage_fills_a_disk_that_refuses() {
    let Some(root) = std::env::var_os(STAGE) else { return };
    let (mut store, _) = open(Path::new(&root)).unwrap();
    let mut author = Author::new(1, Lane::State);
    for _ in 0..1000 {
        let entry = author.write(20_000);
        if store.commit(&records(std::slice::from_ref(&entry)), &[]).is_ok() {
            println!("committed {}", author.sequence);
        } else {
            let fault = store.commit(&records(&[entry]), &[]).unwrap_err();
            assert!(matches!(fault, StoreFault::Io { .. }), "{fault}");
            println!("refused twice: {fault}");
            return;
        }
    }
}

/// How often the child is killed.
fn kills() -> u64 {
    std::env::var("PEERWATCH_STORE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(15)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let place = Place::new();
    place.open().0.close().unwrap();
    let mut rng = Rng::new(11);
    let mut before = 0;
    for round in 0..kills() {
        let command = Command::new(std::env::current_exe().unwrap());
        let mut child = begin(stage(command, "faults::stage_commits_until_killed", place.root.path()).stdout(Stdio::piped()));
        let mut acknowledged = before;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wanted = 1 + rng.below(12);
        while let Some(Ok(line)) = lines.next() {
            // The kill may cut the last line short; a number that was cut is smaller, so nothing is asked too much.
            if let Some((_, number)) = line.split_once("committed ") {
                acknowledged = acknowledged.max(number.parse().unwrap_or(0));
                wanted = wanted.saturating_sub(1);
                if wanted == 0 {
                    // At any moment of the commit, sweep or close that is under way, not just after it was told.
                    (0..rng.below(200_000)).for_each(|spin| {
                        std::hint::black_box(spin);
                    });
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let (store, opening) = place.open();
        assert_eq!(opening, Opening { continuous: true, unclean: opening.unclean, ..KNOWN }, "round {round}");
        let past = store.past().unwrap();
        let head = past.tips.iter().map(|(head, _)| head.sequence).max().unwrap();
        assert!(before < acknowledged && acknowledged <= head, "round {round}: {acknowledged} of {head}");
        let found = entries(&store);
        assert_eq!((found.len() as u64, found.last().map(|entry| entry.header.sequence)), (past.entries, Some(head)), "round {round}");
        if round % 10 == 0 {
            assert_eq!(store.reader().unwrap().verify(&mut |_| ()).unwrap().faults, Vec::<String>::new(), "round {round}");
        }
        before = head;
        // Not closed, so that the next start finds it as the kill left it, but for the log copied into the database.
    }
}

#[test]
fn stage_commits_until_killed() {
    let Some(root) = std::env::var_os(STAGE) else { return };
    let (mut store, _) = open(Path::new(&root)).unwrap();
    let mut author = Author::new(1, Lane::State).resume(&store);
    for round in 1..=20_000_u64 {
        // Some commits are large, so that some kills hit them while they are written; what is older is dropped on the way.
        let mut turn = records(&author.several(if round.is_multiple_of(3) { 40 } else { 1 }));
        if round.is_multiple_of(4) {
            let base = author.sequence.saturating_sub(60);
            turn.push(Record::Base(Head { chain: author.chain, sequence: base, hash: author.previous, base }));
        }
        store.commit(&turn, &[sample("a", 1)]).unwrap();
        println!("committed {}", author.sequence);
        if round.is_multiple_of(5) {
            store.sweep().unwrap();
            store.compact().unwrap();
        }
        if round.is_multiple_of(7) {
            store.close().unwrap();
            store = open(Path::new(&root)).unwrap().0;
        }
    }
}
