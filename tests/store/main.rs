//! The store against a real `SQLite` on a real disk: what was acknowledged is there after any end, what failed is not,
//! and whatever cannot be opened is left alone and explained.
//!
//! Some tests start this very program again as a child, with one test and [`place::STAGE`] set, to be killed or to run
//! with fewer rights; the tests named `stage_...` are those children and do nothing otherwise.

mod chains;
mod continuity;
mod disk;
mod failing;
mod faults;
mod figures;
mod place;
mod refusals;
mod whole;

use std::collections::VecDeque;
use std::fs;

use peerwatch::base::entry::{Entry, Stretch};
use peerwatch::base::id::{Lane, TargetId};
use peerwatch::base::limits;
use peerwatch::base::time::{Span, Wall};
use peerwatch::base::view::{History as _, Sample};
use peerwatch::base::wire::Message;
use peerwatch::io::store::{Opening, Reader, StoreFault};

use crate::place::{Author, FRESH, KNOWN, Place, all, entries, network, records, sample};

/// The entries of frames, each checked against the bounds of a frame.
fn carried(frames: &[Vec<u8>]) -> Vec<Entry> {
    let mut found = Vec::new();
    for frame in frames {
        assert!(frame.len() <= limits::BATCH_BYTES + 5, "{} bytes", frame.len());
        let Ok(Message::Entries(entries)) = Message::decode(network(), &frame[4..]) else { panic!("not a frame of entries") };
        assert!(!entries.is_empty() && entries.len() <= limits::FRAME_ENTRIES);
        found.extend(entries);
    }
    found
}

#[test]
fn what_was_committed_is_there_after_reopening_each_chain_in_order() {
    let place = Place::new();
    let (mut store, opening) = place.open();
    assert_eq!(opening, FRESH);
    let (mut mine, mut events, mut other) = (Author::new(1, Lane::State), Author::new(1, Lane::Events), Author::new(2, Lane::State));
    let mut written = Vec::new();
    for _ in 0..5 {
        let batch = [mine.several(2), other.several(1), events.several(3)].concat();
        store.commit(&records(&batch), &[]).unwrap();
        written.extend(batch);
    }
    store.close().unwrap();
    let (store, opening) = place.open();
    assert_eq!(opening, Opening { continuous: true, ..KNOWN });
    let found = entries(&store);
    assert_eq!(found.len(), written.len());
    for author in [&mine, &events, &other] {
        let of = |list: &[Entry]| list.iter().filter(|entry| entry.header.chain == author.chain).cloned().collect::<Vec<_>>();
        assert_eq!(of(&found), of(&written));
    }
}

#[test]
fn an_entry_that_is_already_there_is_passed_over() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let batch = Author::new(1, Lane::State).several(4);
    store.commit(&records(&batch[..3]), &[]).unwrap();
    store.commit(&records(&[&batch[..2], &batch[1..], &batch[3..]].concat()), &[]).unwrap();
    assert_eq!(entries(&store), batch);
}

#[test]
fn gaps_and_forks_are_refused_and_take_their_whole_transaction_with_them() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(1, Lane::State);
    let mut twin = author.clone();
    let (first, second, third) = (author.write(1), author.write(2), author.write(3));
    let (fork, after_fork) = (twin.write(9), twin.write(9));
    store.commit(&records(std::slice::from_ref(&first)), &[]).unwrap();
    let mut innocent = Author::new(2, Lane::State);
    let innocent = innocent.write(1);
    for bad in [&third, &fork, &after_fork] {
        let fault = store.commit(&records(&[innocent.clone(), bad.clone()]), &[sample("a", 1)]).unwrap_err();
        assert!(matches!(fault, StoreFault::Bug { .. }) && fault.to_string().contains("; please report"), "{fault}");
    }
    assert_eq!(entries(&store), vec![first.clone()]);
    store.commit(&records(&[innocent.clone(), second.clone(), third.clone()]), &[]).unwrap();
    assert_eq!(entries(&store), vec![first, second, third, innocent]);
    assert_eq!(store.reader().unwrap().samples(&TargetId("a".into()), 9), Ok(vec![]));
}

#[test]
fn nothing_to_commit_is_no_transaction() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let log = fs::metadata(place.state().join("journal.db-wal")).unwrap().len();
    store.commit(&[], &[]).unwrap();
    assert_eq!(fs::metadata(place.state().join("journal.db-wal")).unwrap().len(), log);
    assert!(!place.proof().exists());
}

#[test]
fn frames_keep_their_bounds_and_carry_every_entry_in_order() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let (mut small, mut large) = (Author::new(1, Lane::State), Author::new(2, Lane::Days));
    // So small that their count is what bounds a frame of them.
    let small_ones: Vec<Entry> = (0..600).map(|_| small.write(10)).collect();
    let large_ones: Vec<Entry> = (0..20).map(|_| large.write(limits::ENTRY - 300)).collect();
    store.commit(&records(&[small_ones.clone(), large_ones.clone()].concat()), &[]).unwrap();
    let mut reader = store.reader().unwrap();
    let part = Stretch { first: 5, last: 8, ..all(&small) };
    let frames = reader.frame(&[all(&large), part, all(&small)]).unwrap();
    let expected = [large_ones, small_ones[4..8].to_vec(), small_ones].concat();
    assert_eq!(carried(&frames), expected);
    // Twenty of 64 KiB make a frame each; the small ones fill three.
    assert!(frames.len() <= 24, "{}", frames.len());
    let mut left: VecDeque<Stretch> = [all(&small)].into();
    let first = reader.next_frame(&mut left).unwrap().unwrap();
    assert_eq!(carried(&[first]).len(), limits::FRAME_ENTRIES);
    assert_eq!(left, [Stretch { first: limits::FRAME_ENTRIES as u64 + 1, ..all(&small) }]);
    assert_eq!(reader.frame(&[]), Ok(vec![]));
}

#[test]
fn what_is_not_in_force_is_passed_over_and_what_is_missing_is_damage() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(1, Lane::State);
    store.commit(&records(&author.several(5)), &[]).unwrap();
    let mut reader = store.reader().unwrap();
    let unknown = all(&Author { sequence: 1, ..Author::new(2, Lane::State) });
    let far = Stretch { first: u64::MAX, last: u64::MAX, ..all(&author) };
    assert_eq!(carried(&reader.frame(&[unknown, far, Stretch { last: 9, ..all(&author) }]).unwrap()).len(), 5);
    place.sql("DELETE FROM entry WHERE sequence = 3");
    let mut left = [all(&author)].into();
    assert_eq!(carried(&[reader.next_frame(&mut left).unwrap().unwrap()]).len(), 2);
    assert!(matches!(reader.next_frame(&mut left), Err(StoreFault::Corrupt { .. })));
}

#[test]
fn readers_on_other_threads_see_each_commit_and_do_not_hold_the_writer() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(1, Lane::State);
    let readers: Vec<Reader> = vec![store.reader().unwrap(); 3];
    std::thread::scope(|scope| {
        let (sender, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| std::sync::mpsc::channel::<Stretch>()).unzip();
        for (mut reader, receiver) in readers.into_iter().zip(receivers) {
            scope.spawn(move || {
                for stretch in receiver {
                    assert_eq!(carried(&reader.frame(&[stretch]).unwrap()).len() as u64, stretch.last);
                }
            });
        }
        for _ in 0..50 {
            store.commit(&records(&author.several(2)), &[]).unwrap();
            sender.iter().for_each(|sender| sender.send(all(&author)).unwrap());
        }
    });
}

#[test]
fn samples_come_back_newest_first_and_old_ones_are_pruned() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let day = |days: u64| i64::try_from(Span::secs(days * 86_400).0).unwrap();
    let old: Vec<Sample> = (0..3000).map(|i| sample("gone", i)).collect();
    store.commit(&[], &old).unwrap();
    let fresh = [sample("shop", day(3)), sample("shop", day(4)), sample("router", day(4))];
    store.commit(&[], &fresh).unwrap();
    let reader = store.reader().unwrap();
    let shop = TargetId("shop".into());
    assert_eq!(reader.samples(&shop, 9), Ok(vec![fresh[1].clone(), fresh[0].clone()]));
    assert_eq!(reader.samples(&shop, 1), Ok(vec![fresh[1].clone()]));
    assert_eq!(reader.samples(&TargetId("unheard of".into()), 9), Ok(vec![]));
    assert_eq!(store.prune_samples(Wall(day(7))), Ok(0));
    assert_eq!(store.prune_samples(Wall(day(8))), Ok(3000));
    assert_eq!(store.prune_samples(Wall(day(8))), Ok(0));
    assert_eq!(reader.clone().samples(&TargetId("gone".into()), 9), Ok(vec![]));
    // The name was forgotten with its samples, and is learnt anew.
    store.commit(&[], &[sample("gone", day(9))]).unwrap();
    store.close().unwrap();
    let (store, _) = place.open();
    let reader = store.reader().unwrap();
    assert_eq!(reader.samples(&TargetId("gone".into()), 9).unwrap().len(), 1);
    assert_eq!(reader.samples(&shop, 9).unwrap().len(), 2);
}
