//! What is taken, what is refused, and what is in force after it.

use super::*;
use crate::base::entry::Record;
use crate::base::fact::{Floor, Mark};

fn journal(seed: u8) -> Journal {
    let mut journal = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[seed; 32]));
    journal.open(Now::default(), [seed; 16], "test");
    journal
}

fn unknown(n: u8) -> Vec<Fact> {
    vec![Fact::Unknown { kind: 999, body: vec![n] }]
}

#[test]
fn a_chain_is_taken_in_order_and_without_gaps() {
    let mut author = journal(1);
    let mut reader = journal(2);
    let entries: Vec<Entry> = (0..4).map(|n| author.seal(Now::default(), Lane::Events, unknown(n))).collect();
    assert_eq!(reader.accept(&entries[1]), Place::Gap);
    assert_eq!(reader.accept(&entries[0]), Place::Next);
    assert_eq!(reader.accept(&entries[0]), Place::Known);
    assert_eq!(reader.accept(&entries[2]), Place::Gap);
    assert_eq!(reader.accept(&entries[1]), Place::Next);
    assert_eq!(reader.head(&entries[0].header.chain), 2);
}

#[test]
fn two_signed_entries_for_one_place_are_a_contradiction() {
    let mut author = journal(1);
    let mut reader = journal(2);
    let mut twin = journal(1);
    let one = author.seal(Now::default(), Lane::Events, unknown(1));
    let other = twin.seal(Now::default(), Lane::Events, unknown(2));
    let after_other = twin.seal(Now::default(), Lane::Events, unknown(3));
    assert_eq!(reader.accept(&one), Place::Next);
    assert_eq!(reader.accept(&other), Place::Contradiction);
    assert_eq!(reader.accept(&after_other), Place::Contradiction);
}

#[test]
fn equal_heads_have_equal_digests_and_others_do_not() {
    let mut author = journal(1);
    let mut reader = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[2; 32]));
    let mut other = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[3; 32]));
    let entries: Vec<Entry> = (0..3).map(|n| author.seal(Now::default(), Lane::Minutes, unknown(n))).collect();
    for entry in &entries {
        reader.accept(entry);
    }
    for entry in &entries[..2] {
        other.accept(entry);
    }
    assert_ne!(reader.digest(), other.digest());
    other.accept(&entries[2]);
    assert_eq!(reader.digest(), other.digest());
}

#[test]
fn a_new_incarnation_lies_above_everything_seen() {
    let mut journal = journal(1);
    let first = journal.incarnation();
    journal.open(Now::default(), [0; 16], "again");
    assert!(first < journal.incarnation());
}

#[test]
fn many_facts_become_as_few_entries_as_fit() {
    let mut journal = journal(1);
    (0..100).for_each(|_| journal.write(Fact::Unknown { kind: 999, body: vec![0; 1000] }));
    let entries = journal.flush(Now::default());
    assert_eq!(entries.iter().map(|entry| entry.facts.len()).sum::<usize>(), 100);
    assert!((2..10).contains(&entries.len()), "{}", entries.len());
    assert!(journal.flush(Now::default()).is_empty());
}

#[test]
fn large_facts_after_small_ones_still_fit_their_entries() {
    let mut journal = journal(1);
    for length in [10_000, limits::KV_VALUE, 10, limits::KV_VALUE, limits::KV_VALUE] {
        journal.write(Fact::Unknown { kind: 999, body: vec![0; length] });
    }
    let entries = journal.flush(Now::default());
    assert_eq!(entries.iter().map(|entry| entry.facts.len()).sum::<usize>(), 5);
}

/// An author with this many entries of events, and all its entries.
fn author(events: u8) -> (Journal, Vec<Entry>) {
    let mut author = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[1; 32]));
    let mut entries = vec![author.open(Now::default(), [1; 16], "test")];
    entries.extend((0..events).map(|n| author.seal(Now::default(), Lane::Events, unknown(n))));
    (author, entries)
}

/// A reader that knows nothing.
fn reader() -> Journal {
    Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[9; 32]))
}

fn mark(entry: &Entry) -> Mark {
    let Header { chain, sequence, .. } = entry.header;
    Mark { incarnation: chain.incarnation, lane: chain.lane, sequence, hash: entry.hash }
}

/// The author's word that nothing up to this entry is in force.
fn declare(author: &mut Journal, entry: &Entry) -> Entry {
    let declaring = author.seal(Now::default(), Lane::State, vec![Fact::Base(mark(entry))]);
    assert_eq!(author.declare(&declaring).len(), 1);
    declaring
}

/// Takes entries as a node does: what has no place may still say where bases are.
fn take(reader: &mut Journal, entries: &[Entry]) -> Vec<Place> {
    let mut places = Vec::new();
    for entry in entries {
        let mut place = reader.accept(entry);
        if place != Place::Known && !reader.declare(entry).is_empty() && place != Place::Next {
            place = reader.accept(entry);
        }
        places.push(place);
    }
    places
}

fn bounds(journal: &Journal) -> Vec<(Lane, u64, u64)> {
    journal.heads().map(|head| (head.chain.lane, head.base, head.sequence)).collect()
}

#[test]
fn nothing_up_to_a_base_is_in_force_wherever_the_reader_stands() {
    let (mut one, entries) = author(6);
    let declaring = declare(&mut one, &entries[4]);
    assert_eq!(bounds(&one), [(Lane::State, 0, 2), (Lane::Events, 4, 6)]);
    // Who has all of it, part of it, just that much, or none of it, before or after it hears of the base.
    for known in [7, 3, 5, 1] {
        let mut reader = reader();
        take(&mut reader, &entries[..known]);
        take(&mut reader, std::slice::from_ref(&declaring));
        assert_eq!(take(&mut reader, &entries[1..3]), [Place::Known, Place::Known]);
        take(&mut reader, &entries[5..]);
        assert_eq!((bounds(&reader), reader.entries(), reader.digest()), (bounds(&one), 4, one.digest()), "{known} known");
        assert_eq!(one.entries(), 4);
    }
}

#[test]
fn a_checkpoint_is_reached_by_the_entry_that_declares_it() {
    let (mut one, mut entries) = author(0);
    entries.extend((0..9).map(|n| one.seal(Now::default(), Lane::State, unknown(n))));
    let declaring = declare(&mut one, &entries[5]);
    entries.push(declaring.clone());
    let state = declaring.header.chain;
    let told = one.declared(&state).unwrap();
    assert_eq!((told.base, told.chain, told.sequence), (6, state, 11));
    let mut reader = reader();
    take(&mut reader, &entries[..2]);
    assert_eq!(take(&mut reader, std::slice::from_ref(&declaring)), [Place::Gap], "it has no place, but is heard");
    assert_eq!(bounds(&reader), [(Lane::State, 6, 6)]);
    assert_eq!(reader.declared(&state), None, "the entry is not here yet, so nobody can get it from here");
    take(&mut reader, &entries[6..]);
    assert_eq!((reader.digest(), reader.entries()), (one.digest(), 5));
    assert_eq!(reader.declared(&state), Some(told));
}

#[test]
fn what_was_said_again_may_lose_its_first_place() {
    let (mut one, entries) = author(3);
    let first = declare(&mut one, &entries[2]);
    let again = one.seal(Now::default(), Lane::State, vec![Fact::Base(mark(&entries[2]))]);
    assert_eq!(one.declare(&again), [], "nothing new");
    let last = declare(&mut one, &first);
    let events = entries[1].header.chain;
    assert_eq!(one.declared(&events).map(|told| told.sequence), Some(again.header.sequence));
    declare(&mut one, &last);
    assert_eq!(one.declared(&events), None, "said by an entry that is no longer in force");
}

#[test]
fn bases_only_rise_and_only_to_what_can_be() {
    let (mut one, entries) = author(6);
    let mut reader = reader();
    take(&mut reader, &entries);
    let early = one.seal(Now::default(), Lane::State, vec![Fact::Base(mark(&entries[2]))]);
    let late = one.seal(Now::default(), Lane::State, vec![Fact::Base(mark(&entries[4]))]);
    take(&mut reader, &[late.clone(), early.clone()]);
    assert_eq!(bounds(&reader)[1], (Lane::Events, 4, 6));
    let good = mark(&entries[5]);
    let later = Incarnation { opened: good.incarnation.opened + 1, ..good.incarnation };
    let bad = [
        Mark { incarnation: later, ..good },
        Mark { sequence: 0, ..good },
        Mark { sequence: u64::MAX, ..good },
        Mark { lane: Lane::State, sequence: 9, ..good },
    ];
    for mark in bad {
        let entry = one.seal(Now::default(), Lane::State, vec![Fact::Base(mark)]);
        assert_eq!(reader.declare(&entry), [], "{mark:?}");
    }
    let elsewhere = one.seal(Now::default(), Lane::Events, vec![Fact::Base(good)]);
    assert_eq!(reader.declare(&elsewhere), [], "only the state lane declares");
}

#[test]
fn of_two_branches_the_highest_declared_base_counts_and_then_the_greatest_hash() {
    let (mut one, entries) = author(6);
    let mut reader = reader();
    take(&mut reader, &entries);
    let chain = entries[5].header.chain;
    let head = |sequence, hash| Record::Base(Head { chain, sequence, hash, base: sequence });
    let mut declare = |reader: &mut Journal, sequence, hash| {
        let entry = one.seal(Now::default(), Lane::State, vec![Fact::Base(Mark { sequence, hash, ..mark(&entries[5]) })]);
        reader.declare(&entry)
    };
    let (low, high) = (EntryHash([1; 32]), EntryHash([2; 32]));
    // What is held here does not follow from the base: all of it goes.
    assert_eq!(declare(&mut reader, 4, low), [(Record::Cut(chain, 1), 0), (head(4, low), 6)]);
    assert_eq!(bounds(&reader)[1], (Lane::Events, 4, 4));
    assert_eq!(declare(&mut reader, 4, high), [(Record::Cut(chain, 5), 0), (head(4, high), 0)]);
    assert_eq!(declare(&mut reader, 4, low), [], "less than what is known");
    assert_eq!(declare(&mut reader, 3, high), [], "lower than what is known");
    assert_eq!(declare(&mut reader, 5, low), [(head(5, low), 0)], "nothing is held of it");
}

#[test]
fn below_a_floor_nothing_is_known_and_nothing_returns() {
    let (mut one, entries) = author(3);
    let mut reader = reader();
    take(&mut reader, &entries);
    let open = one.open(Now::default(), [2; 16], "again");
    let floor = one.seal(Now::default(), Lane::State, vec![Fact::Floor(Floor { incarnation: one.incarnation() })]);
    one.declare(&floor);
    assert_eq!(take(&mut reader, std::slice::from_ref(&floor)), [Place::Gap]);
    assert_eq!((bounds(&reader), reader.entries()), (vec![], 0));
    assert_eq!(take(&mut reader, &entries), [Place::Known; 4]);
    take(&mut reader, &[open, floor]);
    assert_eq!((reader.digest(), reader.entries()), (one.digest(), 2));
    assert!(reader.has(&entries[0].header.chain, 99), "nobody needs to send it");
}

#[test]
fn a_journal_read_again_is_the_same() {
    let (mut one, entries) = author(6);
    let declaring = declare(&mut one, &entries[4]);
    let in_force = [&entries[..1], &entries[5..], &[declaring]].concat();
    let lamport = |head: &Head| in_force.iter().filter(|entry| entry.header.chain == head.chain).map(|entry| entry.header.lamport).max();
    let tips = one.heads().map(|head| (*head, lamport(head).unwrap())).collect();
    let mut again = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[1; 32]));
    again.restore(&Past { tips, entries: 4, ..Past::default() });
    in_force.iter().for_each(|entry| again.recall(entry));
    let events = entries[1].header.chain;
    assert_eq!((again.digest(), again.entries(), again.declared(&events)), (one.digest(), 4, one.declared(&events)));
    assert_eq!((again.weight(&one.me), again.own_bases(false)), (one.weight(&one.me), one.own_bases(false)));
    assert_eq!(again.incarnation(), one.incarnation());
}

#[test]
fn one_author_fills_no_more_than_its_share_and_can_make_room() {
    let (mut one, entries) = author(20);
    let mut reader = reader();
    let bytes: u64 = entries[..11].iter().map(|entry| entry.bytes().len() as u64).sum();
    reader.bound(bytes);
    let places = take(&mut reader, &entries);
    assert_eq!(places.iter().filter(|place| **place == Place::Next).count(), 11);
    assert!(matches!(places[11], Place::Excess(_)) && reader.has(&entries[11].header.chain, 11), "it is not waited for");
    let declaring = declare(&mut one, &entries[8]);
    take(&mut reader, &[declaring]);
    assert!(take(&mut reader, &entries[11..]).iter().filter(|place| **place == Place::Next).count() >= 6);
}

#[test]
fn one_author_has_a_bounded_number_of_chains() {
    let mut reader = reader();
    let mut one = Journal::new(NetworkId::of("home"), SecretKey::from_bytes(&[1; 32]));
    let lives: Vec<Entry> = (0..=limits::CHAINS).map(|_| one.open(Now::default(), [1; 16], "again")).collect();
    let places = take(&mut reader, &lives);
    assert_eq!(places.iter().filter(|place| **place == Place::Next).count(), limits::CHAINS);
    assert!(matches!(places[limits::CHAINS], Place::Excess(_)));
    // Nor can it make others remember chains that it only names.
    let name = Mark { incarnation: lives[5].header.chain.incarnation, lane: Lane::Days, sequence: 7, hash: EntryHash([7; 32]) };
    let naming = one.seal(Now::default(), Lane::State, vec![Fact::Base(name)]);
    assert_eq!(reader.declare(&naming), []);
}

#[test]
fn roll_ups_of_others_can_be_dropped_here_alone() {
    let mut one = journal(1);
    let mut reader = reader();
    let entries: Vec<Entry> = (0..6).map(|n| one.seal(Now::default(), Lane::Minutes, unknown(n))).collect();
    take(&mut reader, &entries);
    let chain = entries[0].header.chain;
    assert!(reader.drop_until(&chain, 4, entries[3].hash).is_some() && reader.drop_until(&chain, 3, entries[2].hash).is_none());
    assert_eq!((reader.get(&chain).unwrap().base, reader.entries(), reader.declared(&chain)), (4, 2, None));
    let declaring = declare(&mut one, &entries[4]);
    reader.declare(&declaring);
    assert_eq!(reader.get(&chain).unwrap().base, 5);
}

/// A journal that was read from a store that has these heads and entries in force.
fn read_again(tips: &[Head], floors: &[(NodeId, Incarnation)], in_force: &[&Entry]) -> Journal {
    let mut again = reader();
    again.restore(&Past { tips: tips.iter().map(|head| (*head, 1)).collect(), floors: floors.to_vec(), ..Past::default() });
    in_force.iter().for_each(|entry| again.recall(entry));
    again
}

#[test]
fn a_base_that_nothing_in_force_declares_is_taken_back_where_nothing_else_is_left() {
    let (mut one, entries) = author(6);
    let (state, events) = (entries[0].header.chain, entries[6].header.chain);
    let declaring = declare(&mut one, &entries[6]);
    let opened = Head { chain: state, sequence: 1, hash: entries[0].hash, base: 0 };
    let empty = Head { chain: events, sequence: 6, hash: entries[6].hash, base: 6 };
    let mut void = read_again(&[opened, empty], &[], &[&entries[0]]);
    assert_eq!(void.unbase(&events, 8), [], "the chain was not ended there: what follows may come");
    assert_eq!(void.unbase(&events, 7), [Record::Cut(events, 0)]);
    assert_eq!((void.unbase(&events, 7), void.heads().count()), (vec![], 1), "nothing is known of it any more");
    assert_eq!(take(&mut void, &entries[1..]), [Place::Next; 6], "and others give what they have");
    let mut sound = read_again(&[Head { sequence: 2, ..opened }, empty], &[], &[&entries[0], &declaring]);
    assert_eq!(sound.unbase(&events, 7), [], "an entry in force says so");
    let mut longer = read_again(&[opened, Head { base: 5, ..empty }], &[], &[&entries[0], &entries[6]]);
    assert_eq!(longer.unbase(&events, 7), [], "something is left");
    let minutes = ChainId { lane: Lane::Minutes, ..events };
    let mut dropped = read_again(&[Head { chain: minutes, ..empty }], &[], &[]);
    assert_eq!(dropped.unbase(&minutes, 7), [], "roll-ups are dropped without a word");
}

#[test]
fn a_base_that_is_taken_back_falls_to_the_one_that_is_declared_in_force() {
    let (mut one, entries) = author(6);
    let (state, events) = (entries[0].header.chain, entries[6].header.chain);
    let lower = declare(&mut one, &entries[3]);
    let head = Head { chain: state, sequence: 2, hash: lower.hash, base: 0 };
    let mut void = read_again(&[head, Head { chain: events, sequence: 6, hash: entries[6].hash, base: 6 }], &[], &[&entries[0], &lower]);
    let begins = Head { chain: events, sequence: 3, hash: entries[3].hash, base: 3 };
    assert_eq!(void.unbase(&events, 7), [Record::Cut(events, 0), Record::Base(begins)]);
    assert_eq!(take(&mut void, &entries[4..]), [Place::Next; 3]);
}

#[test]
fn a_floor_that_nothing_in_force_declares_is_taken_back() {
    let (mut one, entries) = author(2);
    let me = one.me;
    let open = one.open(Now::default(), [2; 16], "again");
    let life = one.incarnation();
    let floor = one.seal(Now::default(), Lane::State, vec![Fact::Floor(Floor { incarnation: life })]);
    let tip = |entry: &Entry| Head { chain: entry.header.chain, sequence: entry.header.sequence, hash: entry.hash, base: 0 };
    let mut sound = read_again(&[tip(&floor)], &[(me, life)], &[&open, &floor]);
    assert_eq!(sound.unfloor(me), []);
    let mut void = read_again(&[tip(&open)], &[(me, life)], &[&open]);
    assert_eq!(take(&mut void, &entries[..1]), [Place::Known], "it is over");
    assert_eq!(void.unfloor(me), [Record::Unfloor(me)]);
    assert_eq!((take(&mut void, &entries[..1]), void.unfloor(me)), (vec![Place::Next], vec![]));
}
