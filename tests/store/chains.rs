//! Bases, floors, cuts and proofs: what is in force, what a start is told of it, and what becomes of the rest.

use peerwatch::base::entry::{Entry, Past, Record};
use peerwatch::base::fact::{Fact, Revoked};
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, Lane};
use peerwatch::base::limits;
use peerwatch::base::wire::Head;
use peerwatch::io::store::{Store, StoreFault};
use rusqlite::Connection;

use crate::carried;
use crate::place::{Author, Place, all, entries, records};

fn base(entry: &Entry) -> Record {
    let sequence = entry.header.sequence;
    Record::Base(Head { chain: entry.header.chain, sequence, hash: entry.hash, base: sequence })
}

fn cut(entry: &Entry) -> Record {
    Record::Cut(entry.header.chain, entry.header.sequence)
}

/// A life of the same author after the first.
fn later(of: &Author, lives: u64, lane: Lane) -> Author {
    let Incarnation { opened, nonce } = of.chain.incarnation;
    let chain = ChainId { incarnation: Incarnation { opened: opened + lives, nonce }, lane, ..of.chain };
    Author { chain, sequence: 0, previous: EntryHash([0; 32]), ..of.clone() }
}

fn stored(place: &Place) -> i64 {
    Connection::open(place.journal()).unwrap().query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}

/// What the store says now, which must also be what it says after a restart.
fn past(place: &Place, store: Store) -> (Store, Past) {
    let before = store.past().unwrap();
    store.close().unwrap();
    let store = place.open().0;
    assert_eq!(store.past().unwrap(), before);
    (store, before)
}

/// Base and head of each chain.
fn spans(past: &Past) -> Vec<(u64, u64)> {
    past.tips.iter().map(|(head, _)| (head.base, head.sequence)).collect()
}

#[test]
fn a_start_is_told_each_tip_with_hash_and_lamport() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut authors = [Author::new(1, Lane::State), Author::new(1, Lane::Days), Author::new(2, Lane::Events)];
    let written: Vec<Entry> = authors.iter_mut().flat_map(|author| author.several(4)).collect();
    store.commit(&records(&written), &[]).unwrap();
    let (_, mut past) = past(&place, store);
    past.tips.sort_by_key(|(head, _)| head.chain);
    let mut expected = Past::of(&written);
    expected.tips.sort_by_key(|(head, _)| head.chain);
    assert_eq!(past, expected);
}

#[test]
fn what_a_base_drops_is_seen_by_nobody_and_the_chain_goes_on() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(2, Lane::State);
    let written = author.several(10);
    store.commit(&records(&written), &[]).unwrap();
    let next = author.write(1);
    store.commit(&[base(&written[3]), next.clone().into(), base(&written[1])], &[]).unwrap();
    let (mut store, past) = past(&place, store);
    assert_eq!((spans(&past), past.entries), (vec![(4, 11)], 7));
    let left = [&written[4..], &[next]].concat();
    assert_eq!(entries(&store), left);
    assert_eq!(carried(&store.reader().unwrap().frame(&[all(&author)]).unwrap()), left);
    // What lies below is known, whatever it is; what is above is as it was.
    store.commit(&records(&written), &[]).unwrap();
    assert_eq!((entries(&store), stored(&place)), (left, 7));
}

#[test]
fn a_base_beyond_what_is_known_is_where_the_chain_goes_on() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let (mut known, mut unknown) = (Author::new(1, Lane::State), Author::new(2, Lane::State));
    let (first, second) = (known.several(20), unknown.several(20));
    store.commit(&records(&first[..5]), &[]).unwrap();
    let jump = [base(&first[9]), first[10].clone().into(), base(&second[9]), second[10].clone().into()];
    store.commit(&jump, &[]).unwrap();
    let (mut store, past) = past(&place, store);
    assert_eq!((spans(&past), past.entries), (vec![(10, 11), (10, 11)], 2));
    assert!(past.tips.iter().all(|(_, lamport)| *lamport == 11));
    assert_eq!(entries(&store), [first[10].clone(), second[10].clone()]);
    let gap = store.commit(&records(&first[12..13]), &[]).unwrap_err();
    assert!(matches!(gap, StoreFault::Bug { .. }), "{gap}");
    store.commit(&records(&first[11..]), &[]).unwrap();
    assert_eq!(entries(&store).len(), 11);
}

#[test]
fn a_base_that_contradicts_what_is_stored_does_not_make_it_unreadable() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let written = Author::new(2, Lane::State).several(9);
    store.commit(&records(&written), &[]).unwrap();
    for place in [4, 8] {
        let Record::Base(head) = base(&written[place]) else { unreachable!() };
        store.commit(&[Record::Base(Head { hash: EntryHash([9; 32]), ..head })], &[]).unwrap();
        assert_eq!(entries(&store), written[place + 1..]);
    }
}

#[test]
fn much_that_is_dropped_goes_little_by_little_also_over_a_restart() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(2, Lane::Minutes);
    let written = author.several(1200);
    store.commit(&records(&written), &[]).unwrap();
    store.commit(&[base(&written[1099])], &[]).unwrap();
    assert_eq!(stored(&place), 1200 - limits::SWEEP_COMMIT);
    assert_eq!(carried(&store.reader().unwrap().frame(&[all(&author)]).unwrap()).len(), 100);
    let (mut store, _) = past(&place, store);
    while store.sweep().unwrap() {}
    assert_eq!(stored(&place), 100);
    store.commit(&records(&author.several(1)), &[]).unwrap();
    assert_eq!(stored(&place), 101);
}

#[test]
fn below_a_floor_nothing_is_left_and_nothing_comes_back() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut old = Author::new(2, Lane::State);
    let (mut present, mut other) = (later(&old, 5, Lane::State), Author::new(3, Lane::State));
    let mut oldest = later(&old, 1, Lane::Minutes);
    let gone = [old.several(3), oldest.several(900)].concat();
    let kept = [present.several(2), other.several(2)].concat();
    store.commit(&records(&[gone.clone(), kept.clone()].concat()), &[]).unwrap();
    let floor = Record::Floor(present.key.node(), present.chain.incarnation);
    store.commit(&[floor.clone(), Record::Floor(old.key.node(), old.chain.incarnation), base(&gone[1])], &[]).unwrap();
    let (mut store, past) = past(&place, store);
    assert_eq!(past.floors, [(present.key.node(), present.chain.incarnation)]);
    assert_eq!((past.tips.len(), past.entries, entries(&store)), (2, 4, kept));
    assert_eq!(store.reader().unwrap().frame(&[all(&old), all(&oldest)]), Ok(vec![]));
    while store.sweep().unwrap() {}
    let chains = || Connection::open(place.journal()).unwrap().query_row("SELECT count(*) FROM chain", [], |row| row.get::<_, i64>(0));
    assert_eq!((stored(&place), chains()), (4, Ok(2)));
    let fault = store.commit(&records(&gone[..1]), &[]).unwrap_err();
    assert!(matches!(fault, StoreFault::Bug { .. }), "{fault}");
    // A life that begins and ends in one turn leaves nothing either.
    let mut short = later(&present, 1, Lane::State);
    let next = later(&present, 2, Lane::State);
    store.commit(&[short.write(1).into(), Record::Floor(next.key.node(), next.chain.incarnation)], &[]).unwrap();
    while store.sweep().unwrap() {}
    assert_eq!((stored(&place), chains()), (2, Ok(1)));
}

#[test]
fn a_cut_chain_ends_before_the_cut_and_may_go_on_differently() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(2, Lane::Events);
    let mut written = author.several(5);
    let mut twin = author.clone();
    written.extend(author.several(1200));
    store.commit(&records(&written), &[]).unwrap();
    store.commit(&[cut(&written[5]), Record::Cut(author.chain, 1 << 40)], &[]).unwrap();
    assert_eq!(entries(&store), written[..5]);
    assert_eq!(carried(&store.reader().unwrap().frame(&[all(&author)]).unwrap()).len(), 5);
    // Not everything is removed yet, and the places are taken anew.
    assert!(500 < stored(&place));
    let others = twin.several(700);
    store.commit(&records(&others), &[]).unwrap();
    let (mut store, past) = past(&place, store);
    assert_eq!((spans(&past), past.tips[0].0.hash, past.tips[0].1), (vec![(0, 705)], others[699].hash, 705));
    while store.sweep().unwrap() {}
    assert_eq!(entries(&store), [&written[..5], &others].concat());
    assert_eq!(stored(&place), 705);
}

#[test]
fn a_chain_cut_at_its_first_entry_is_not_known_and_one_cut_below_its_base_ends_there() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let (mut first, mut second) = (Author::new(2, Lane::Events), Author::new(3, Lane::Events));
    let (forked, pruned) = (first.several(3), second.several(9));
    store.commit(&records(&[forked.clone(), pruned.clone()].concat()), &[]).unwrap();
    store.commit(&[base(&pruned[4]), cut(&forked[0]), cut(&pruned[2])], &[]).unwrap();
    let (mut store, past) = past(&place, store);
    assert_eq!((spans(&past), past.tips[0].0.hash, past.entries), (vec![(5, 5)], pruned[4].hash, 0));
    assert_eq!((entries(&store), stored(&place)), (vec![], 0));
    store.commit(&records(&[&forked[..1], &pruned[5..6]].concat()), &[]).unwrap();
    assert_eq!(entries(&store), [forked[0].clone(), pruned[5].clone()]);
}

#[test]
fn proofs_are_kept_once_and_in_their_order() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(2, Lane::State);
    let mut twin = author.clone();
    let proofs = [author.write(9), twin.write(8), author.write(1)];
    let record = |entry: &Entry| Record::Proof(entry.clone());
    store.commit(&[record(&proofs[0]), record(&proofs[1])], &[]).unwrap();
    store.commit(&[record(&proofs[1]), record(&proofs[2])], &[]).unwrap();
    let (store, past) = past(&place, store);
    assert_eq!((past.proofs, past.tips), (proofs.to_vec(), vec![]));
    place.sql("UPDATE proof SET hash = zeroblob(32) WHERE id = 2");
    assert!(matches!(store.past(), Err(StoreFault::Corrupt { .. })));
}

#[test]
fn of_the_forks_of_a_chain_only_the_lowest_is_kept_and_revocations_always() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let (mut one, mut other) = (Author::new(2, Lane::State), Author::new(3, Lane::State));
    let (mut twin, mut second) = (one.clone(), other.clone());
    let (ours, theirs) = (one.several(5), (0..5).map(|_| twin.write(7)).collect::<Vec<_>>());
    let apart = [other.write(1), second.write(2)];
    let said = Revoked { node: apart[0].header.chain.author, heads: vec![], reason: String::new() };
    let word = one.say(vec![Fact::Revoked(said)]);
    let proof = |entry: &Entry| Record::Proof(entry.clone());
    store.commit(&[&word, &apart[0], &apart[1]].map(proof), &[]).unwrap();
    for place in [4, 2, 3, 1] {
        store.commit(&[&ours[place], &theirs[place]].map(proof), &[]).unwrap();
    }
    let (_, past) = past(&place, store);
    assert_eq!(past.proofs, [word, apart[0].clone(), apart[1].clone(), ours[1].clone(), theirs[1].clone()]);
}

#[test]
fn only_what_is_folded_is_read_at_a_start() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let of = |author| Lane::ALL.map(|lane| Author::new(author, lane).several(20));
    let [state, events, _, hours, days] = of(1);
    let [foreign, others, rest @ ..] = of(2);
    let mut old = Author::new(1, Lane::Minutes);
    let most = usize::try_from(limits::MINUTES_READ).unwrap();
    let (before, now) = (old.several(500), later(&old, 1, Lane::Minutes).several(most - 100));
    let all = [&[state.clone(), events.clone(), hours, days, foreign.clone(), others.clone()], rest.as_slice()].concat().concat();
    store.commit(&records(&[all, before.clone(), now.clone()].concat()), &[]).unwrap();
    assert_eq!(entries(&store), [state, events, foreign, others, before[400..].to_vec(), now].concat());
}

#[test]
fn entries_of_a_peer_are_compared_with_those_in_force() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(2, Lane::Days);
    let mut twin = author.clone();
    let (ours, theirs) = (author.several(9), (0..9).map(|_| twin.write(7)).collect::<Vec<_>>());
    store.commit(&records(&ours), &[]).unwrap();
    assert_eq!(store.differing(&ours), Ok(None));
    assert_eq!(store.differing(&[&ours[..3], &theirs[3..]].concat()), Ok(Some((ours[3].clone(), theirs[3].clone()))));
    store.commit(&[base(&ours[4]), cut(&ours[7])], &[]).unwrap();
    assert_eq!(store.differing(&theirs), Ok(Some((ours[5].clone(), theirs[5].clone()))));
    assert_eq!(store.differing(&[&theirs[..5], &theirs[7..], &Author::new(3, Lane::State).several(1)].concat()), Ok(None));
}

#[test]
fn continuity_is_proved_by_a_pruned_entry_and_not_by_one_that_was_cut() {
    let place = Place::new();
    let mut author = Author::new(1, Lane::Events);
    let written = author.several(5);
    let (mut store, _) = place.open();
    store.commit(&records(&written), &[]).unwrap();
    store.commit(&[base(&written[4])], &[]).unwrap();
    store.close().unwrap();
    let (mut store, opening) = place.open();
    assert!(opening.continuous);
    let written = author.several(5);
    store.commit(&records(&written), &[]).unwrap();
    store.commit(&[cut(&written[4])], &[]).unwrap();
    store.close().unwrap();
    assert!(!place.open().1.continuous);
}

#[test]
fn a_row_that_does_not_fit_its_entries_is_damage() {
    for change in [
        "UPDATE chain SET head = 6",
        "UPDATE chain SET head = 4",
        "UPDATE chain SET base = 2",
        "UPDATE chain SET head_hash = zeroblob(32)",
        "UPDATE chain SET base_hash = randomblob(32)",
    ] {
        let place = Place::new();
        place.open().0.commit(&records(&Author::new(1, Lane::State).several(5)), &[]).unwrap();
        place.sql(change);
        let (store, _) = place.open();
        assert!(matches!(store.entries(&mut |_| ()), Err(StoreFault::Corrupt { .. })), "{change}");
    }
}

#[test]
fn a_chain_cut_with_its_base_begins_anew() {
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut author = Author::new(2, Lane::Events);
    let mut twin = author.clone();
    let written = author.several(900);
    store.commit(&records(&written), &[]).unwrap();
    store.commit(&[base(&written[899])], &[]).unwrap();
    store.commit(&[Record::Cut(author.chain, 0)], &[]).unwrap();
    assert_eq!((entries(&store), store.reader().unwrap().frame(&[all(&author)])), (vec![], Ok(vec![])));
    // Not everything below the base is removed yet, and the places are taken anew.
    let others = twin.several(3);
    store.commit(&records(&others), &[]).unwrap();
    let (mut store, past) = past(&place, store);
    assert_eq!((spans(&past), past.tips[0].0.hash), (vec![(0, 3)], others[2].hash));
    while store.sweep().unwrap() {}
    assert_eq!((entries(&store), stored(&place)), (others, 3));
}

#[test]
fn lives_come_back_when_a_floor_does_not_hold_also_before_they_are_swept() {
    for swept in [false, true] {
        let place = Place::new();
        let (mut store, _) = place.open();
        let mut old = Author::new(2, Lane::State);
        let mut present = later(&old, 5, Lane::State);
        let (gone, kept) = (old.several(900), present.several(1));
        store.commit(&records(&[gone.clone(), kept.clone()].concat()), &[]).unwrap();
        let author = present.key.node();
        store.commit(&[Record::Floor(author, present.chain.incarnation)], &[]).unwrap();
        while swept && store.sweep().unwrap() {}
        store.commit(&[Record::Unfloor(author)], &[]).unwrap();
        store.commit(&records(&gone[..2]), &[]).unwrap();
        let (mut store, past) = past(&place, store);
        assert_eq!((past.floors, past.entries), (vec![], 3));
        while store.sweep().unwrap() {}
        assert_eq!((entries(&store), stored(&place)), ([&gone[..2], &kept].concat(), 3));
        // Another floor may follow in the same turn as the word that none holds.
        store.commit(&[Record::Unfloor(author), Record::Floor(author, present.chain.incarnation)], &[]).unwrap();
        assert_eq!(entries(&store), kept);
    }
}
