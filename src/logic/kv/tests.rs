//! The fold of the key/value store: every order of arrival, forgetting, limits, and what followers see.

use super::*;
use crate::base::kv::Cursor;
use crate::base::rng::Rng;
use crate::base::settings::Role;
use crate::base::target::Expected;

const ME: NodeId = NodeId([1; 32]);
const OTHER: NodeId = NodeId([2; 32]);
const LIVES: [Incarnation; 3] = [life(1), life(2), life(3)];

const fn life(opened: u64) -> Incarnation {
    Incarnation { opened, nonce: [0; 16] }
}

/// The life that wrote a revision: each writes ten of them.
fn life_of(revision: u64) -> Incarnation {
    LIVES[usize::try_from(revision / 10).unwrap().clamp(1, 3) - 1]
}

fn put_fact(key: &str, value: &str, revision: u64) -> Fact {
    let life = life_of(revision);
    Fact::Put(Put { key: key.into(), value: value.into(), media: "text/plain".into(), revision, at: 5, life })
}

fn deleted(key: &str, revision: u64) -> Fact {
    Fact::Deleted(Deleted { key: key.into(), revision, at: 6, life: life_of(revision) })
}

fn roster() -> Vec<Member> {
    let member = |(node, name): (NodeId, &str)| Member {
        node,
        name: name.into(),
        role: Role::Member,
        addresses: vec![],
        expected: Expected::Always,
    };
    [(ME, "me"), (OTHER, "other")].into_iter().map(member).collect()
}

/// What faces have after a turn that was committed.
fn turn(parts: &mut Parts) -> Values {
    parts.offer("me", &roster());
    parts.performed();
    parts.values().clone()
}

fn write_put(key: &str, value: &str) -> Write {
    Write::Put { key: key.into(), value: value.into(), media: String::new() }
}

fn write_delete(key: &str) -> Write {
    Write::Delete { key: key.into() }
}

/// `key=value@revision` and `-key@revision` for each change after a place.
fn changes(values: &Values, mut place: Cursor) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(change) = values.after(place).unwrap() {
        place.number = change.number;
        let revision = change.revision;
        lines.push(match &change.item {
            Some(item) => format!("{}/{}={}@{revision}", change.name, change.key, item.text().unwrap()),
            None => format!("{}/-{}@{revision}", change.name, change.key),
        });
    }
    lines
}

/// Where something is declared, with all entries up to there at hand.
const DECLARED: Place = (LIVES[2], 99);

/// One word of a chain: life, sequence, what.
type Word = (usize, u64, Fact);

fn fold(words: &[Word]) -> Parts {
    let mut parts = Parts::new(1);
    for (life, sequence, fact) in words {
        parts.fold(true, OTHER, LIVES[*life], *sequence, fact);
    }
    parts
}

/// A chain of an honest author over three lives, each of which says again what it knows.
fn words() -> Vec<Word> {
    vec![
        (0, 2, put_fact("a", "one", 10)),
        (0, 3, put_fact("a", "two", 11)),
        (0, 4, put_fact("b", "old", 12)),
        (0, 5, deleted("b", 13)),
        (1, 2, put_fact("a", "two", 11)),
        (1, 3, put_fact("c", "see", 20)),
        (1, 4, deleted("a", 21)),
        (2, 2, put_fact("c", "see", 20)),
        (2, 3, put_fact("b", "new", 30)),
        (2, 9, put_fact("c", "see", 20)),
    ]
}

#[test]
fn the_part_of_who_is_no_member_any_more_goes_and_followers_are_told() {
    let mut parts = fold(&[(0, 1, put_fact("k", "v", 1))]);
    let before = turn(&mut parts).cursor;
    parts.fold(true, OTHER, LIVES[0], 2, &put_fact("late", "v", 2));
    parts.renamed();
    parts.offer("me", &roster()[..1]);
    parts.performed();
    let values = parts.values().clone();
    assert_eq!(changes(&values, before), ["other/-k@1"]);
    assert_eq!(values.parts.len(), 1);
}

#[test]
fn every_order_of_arrival_leads_to_the_same_part() {
    let mut order = words();
    let expected = fold(&order).records(&OTHER);
    assert!(expected.contains("b 3.00000000 30") && expected.contains("a 2.00000000 21 6 None"), "{expected}");
    let mut rng = Rng::new(3);
    for _ in 0..2000 {
        for n in (1..order.len()).rev() {
            order.swap(n, usize::try_from(rng.below(n as u64 + 1)).unwrap());
        }
        let mut parts = fold(&order);
        assert_eq!(parts.records(&OTHER), expected);
        let values = turn(&mut parts);
        assert_eq!(values.get("other", "b").unwrap().text(), Some("new"));
        assert_eq!(values.get("other", "a"), None);
    }
}

#[test]
fn forgetting_is_the_same_as_never_having_known_or_asks_for_a_new_fold() {
    let words = words();
    for (life, upto) in (0..3).flat_map(|life| (0..10).map(move |upto| (life, upto))) {
        let left: Vec<Word> = words.iter().filter(|word| word.0 != life || upto < word.1).cloned().collect();
        let expected = fold(&left).records(&OTHER);
        let mut arrived = words.clone();
        for _ in 0..2 {
            let mut parts = fold(&arrived);
            let again = parts.forget(OTHER, (LIVES[life], upto), DECLARED, 99);
            assert_eq!(parts.records(&OTHER) != expected, again, "life {life} up to {upto}");
            arrived.reverse();
        }
    }
}

#[test]
fn a_base_after_a_checkpoint_needs_no_new_fold() {
    let mut parts = fold(&words());
    turn(&mut parts);
    let before = parts.records(&OTHER);
    // The checkpoint of the last life says everything again, then its older lives end, then its own base rises.
    for (n, fact) in parts.facts(&OTHER).iter().enumerate() {
        parts.fold(true, OTHER, LIVES[2], 20 + n as u64, fact);
    }
    for (life, upto) in [(0, 5), (1, 4), (2, 19)] {
        assert!(!parts.forget(OTHER, (LIVES[life], upto), DECLARED, 99));
    }
    let left: Vec<&str> = before.lines().filter(|line| line.contains("Some")).collect();
    let after = parts.records(&OTHER);
    assert_eq!(after.lines().filter(|line| line.contains("Some")).collect::<Vec<_>>().len(), left.len());
    let start = Cursor { run: 1, number: turn(&mut parts).cursor.number };
    assert_eq!(changes(parts.values(), start), [""; 0], "nothing of it is a change");
}

#[test]
fn who_was_away_sees_nothing_go_and_come_back() {
    let mut parts = fold(&words());
    let start = turn(&mut parts).cursor;
    // The author has put d, deleted b and made a checkpoint, entries 20 to 22; its end is heard of first.
    assert!(!parts.forget(OTHER, (LIVES[2], 19), (LIVES[2], 22), 19));
    let values = turn(&mut parts);
    assert_eq!((values.cursor, values.get("other", "b").is_some()), (start, true));
    parts.fold(true, OTHER, LIVES[2], 20, &put_fact("c", "see", 20));
    assert!(!parts.reached(OTHER, (LIVES[2], 20)));
    parts.fold(true, OTHER, LIVES[2], 21, &put_fact("d", "4", 31));
    assert!(!parts.reached(OTHER, (LIVES[2], 21)));
    // Of b it cannot be known here whether the first life, which is in force, holds.
    assert!(parts.reached(OTHER, (LIVES[2], 22)));
    assert_eq!(changes(&turn(&mut parts), start), ["other/d=4@31", "other/-b@30"]);
}

#[test]
fn what_a_life_that_knows_little_says_again_does_not_overtake_later_words() {
    let mut parts = fold(&[(0, 2, put_fact("a", "old", 10)), (1, 2, put_fact("a", "old", 10)), (0, 3, put_fact("a", "new", 11))]);
    assert_eq!(turn(&mut parts).get("other", "a").unwrap().text(), Some("new"));
    let mut parts = fold(&[(1, 3, put_fact("a", "newest", 20)), (0, 3, put_fact("a", "new", 11))]);
    assert_eq!(turn(&mut parts).get("other", "a").unwrap().text(), Some("newest"));
}

#[test]
fn a_checkpoint_says_things_in_the_order_in_which_they_were_said() {
    let parts = fold(&[
        (0, 2, put_fact("b", "1", 10)),
        (0, 3, put_fact("a", "2", 11)),
        (1, 2, put_fact("0", "3", 20)),
        (1, 3, put_fact("b", "4", 21)),
    ]);
    assert_eq!(parts.facts(&OTHER), [put_fact("a", "2", 11), put_fact("0", "3", 20), put_fact("b", "4", 21)]);
}

#[test]
fn a_deletion_is_said_again_while_an_older_life_may_contradict_it() {
    let mut parts = fold(&words()[..7]);
    assert!(parts.facts(&OTHER).contains(&deleted("a", 21)));
    parts.forget(OTHER, (LIVES[0], 5), DECLARED, 99);
    assert!(!parts.facts(&OTHER).contains(&deleted("a", 21)));
}

#[test]
fn floors_drop_what_lies_below_them() {
    let mut parts = fold(&words());
    assert!(!parts.floor(OTHER, LIVES[2], DECLARED, 99));
    assert_eq!(parts.records(&OTHER), fold(&words()[7..]).records(&OTHER));
    assert!(!parts.forget(OTHER, (LIVES[2], 3), DECLARED, 99), "nothing can be below any more");
}

#[test]
fn lives_that_are_over_go_only_when_what_lives_of_them_was_said_again() {
    let first = [(0, 2, put_fact("a", "1", 10)), (0, 3, put_fact("b", "2", 11))];
    let mut parts = fold(&first);
    let start = turn(&mut parts).cursor;
    assert!(!parts.floor(OTHER, LIVES[1], (LIVES[1], 3), 0));
    parts.fold(true, OTHER, LIVES[1], 2, &put_fact("a", "1", 10));
    assert!(!parts.reached(OTHER, (LIVES[1], 3)));
    assert_eq!(changes(&turn(&mut parts), start), ["other/-b@11"]);
}

#[test]
fn followers_see_each_change_once_in_the_authors_order_and_no_word_said_again() {
    let mut parts = Parts::new(1);
    let start = turn(&mut parts).cursor;
    for (life, sequence, fact) in words() {
        parts.fold(true, OTHER, LIVES[life], sequence, &fact);
        if sequence % 2 == 0 {
            turn(&mut parts);
        }
    }
    let values = turn(&mut parts);
    let expected = ["other/a=one@10", "other/a=two@11", "other/b=old@12", "other/-b@13", "other/c=see@20", "other/-a@21", "other/b=new@30"];
    assert_eq!(changes(&values, start), expected);
}

#[test]
fn what_a_failed_commit_undoes_nobody_has_seen() {
    let mut parts = Parts::new(1);
    parts.fold(false, OTHER, LIVES[0], 1, &put_fact("a", "kept", 1));
    let start = turn(&mut parts);
    assert_eq!(start.get("other", "a").unwrap().text(), Some("kept"));
    parts.fold(true, OTHER, LIVES[0], 2, &put_fact("a", "lost", 2));
    parts.offer("me", &roster()).unwrap();
    parts.undone();
    let mut again = Parts::new(2);
    again.fold(false, OTHER, LIVES[0], 1, &put_fact("a", "kept", 1));
    again.resume(parts);
    assert_eq!(changes(&turn(&mut again), start.cursor), [""; 0]);
    again.fold(true, OTHER, LIVES[0], 2, &put_fact("a", "lost", 2));
    assert_eq!(changes(&turn(&mut again), start.cursor), ["other/a=lost@2"]);
}

#[test]
fn a_new_fold_tells_followers_what_it_changes() {
    let mut parts = fold(&[(0, 1, put_fact("a", "1", 1)), (0, 2, put_fact("b", "2", 2))]);
    let start = turn(&mut parts).cursor;
    parts.fold(true, OTHER, LIVES[0], 3, &put_fact("b", "3", 3));
    let mut again = fold(&[]);
    again.fold(false, OTHER, LIVES[0], 3, &put_fact("b", "3", 3));
    again.fold(false, OTHER, LIVES[0], 4, &put_fact("c", "4", 4));
    again.resume(parts);
    assert_eq!(changes(&turn(&mut again), start), ["other/b=3@3", "other/-a@1", "other/c=4@4"]);
}

#[test]
fn a_draft_is_all_or_nothing() {
    let mut parts = Parts::new(1);
    parts.fold(false, ME, LIVES[0], 1, &put_fact("a", "1", 1));
    let draft = |writes: &[Write]| parts.draft(&ME, LIVES[0], writes, 9, Wall(5));
    let put = |key: &str, value: &str| {
        let Fact::Put(put) = put_fact(key, value, 9) else { unreachable!() };
        Fact::Put(Put { media: "text/plain; charset=utf-8".into(), ..put })
    };
    assert_eq!(
        draft(&[write_put("b", "2"), write_delete("a")]),
        Ok(vec![Fact::Deleted(Deleted { key: "a".into(), revision: 9, at: 5, life: LIVES[0] }), put("b", "2")])
    );
    assert_eq!(draft(&[write_put("b", "2"), write_delete("c")]), Err(Refusal::Absent("c".into())));
    assert_eq!(draft(&[write_delete("a"), write_delete("a")]), Err(Refusal::Absent("a".into())));
    assert_eq!(draft(&[write_put("b", "2"), write_delete("b")]), Ok(vec![]), "it never was");
    assert_eq!(draft(&[write_delete("a"), write_put("a", "3")]), Ok(vec![put("a", "3")]));
    for bad in [write_put("", "x"), write_put("b", &"x".repeat(limits::KV_VALUE + 1))] {
        assert!(matches!(draft(&[write_put("ok", "1"), bad]), Err(Refusal::Refused(_))));
    }
    let media = Write::Put { key: "b".into(), value: vec![], media: "x\r\n".into() };
    assert!(matches!(draft(&[media]), Err(Refusal::Refused(_))));
    let halves = ["b", "c"].map(|key| write_put(key, &"x".repeat(limits::KV_VALUE / 2)));
    assert!(draft(&halves).is_ok());
    let both = ["b", "c"].map(|key| write_put(key, &"x".repeat(limits::KV_VALUE)));
    assert!(matches!(draft(&both), Err(Refusal::Refused(why)) if why.contains("several steps")));
}

#[test]
fn a_part_is_bounded_and_deleting_is_always_possible() {
    let mut parts = Parts::new(1);
    for n in 0..limits::KV_KEYS {
        parts.fold(false, ME, LIVES[0], 1 + n as u64, &put_fact(&format!("k{n}"), "1", 1));
    }
    assert!(
        matches!(parts.draft(&ME, LIVES[0], &[write_put("one-more", "")], 2, Wall(0)), Err(Refusal::Refused(why)) if why.contains("4096 keys"))
    );
    assert!(parts.draft(&ME, LIVES[0], &[write_put("k7", "2")], 2, Wall(0)).is_ok(), "in place of another");
    assert!(parts.draft(&ME, LIVES[0], &[write_delete("k7"), write_put("one-more", "")], 2, Wall(0)).is_ok());
    let mut parts = Parts::new(1);
    let full = limits::KV_BYTES / limits::KV_VALUE;
    for n in 0..full {
        parts.fold(false, ME, LIVES[0], 1 + n as u64, &put_fact(&format!("k{n}"), &"x".repeat(limits::KV_VALUE), 1));
    }
    assert!(matches!(parts.draft(&ME, LIVES[0], &[write_put("k", &"x".repeat(limits::KV_VALUE))], 2, Wall(0)), Err(Refusal::Refused(_))));
    assert!(parts.draft(&ME, LIVES[0], &[write_delete("k0")], 2, Wall(0)).is_ok());
}

#[test]
fn who_breaks_the_limits_has_no_part_and_nobody_else_is_disturbed() {
    let mut parts = Parts::new(1);
    parts.fold(true, ME, LIVES[0], 1, &put_fact("mine", "1", 1));
    let start = turn(&mut parts).cursor;
    let many = limits::KV_LIVES * limits::KV_BYTES / limits::KV_VALUE + 1;
    for n in 0..many as u64 {
        parts.fold(true, OTHER, LIVES[0], 1 + n, &put_fact(&format!("k{n}"), &"x".repeat(limits::KV_VALUE), n.min(19)));
    }
    let values = turn(&mut parts);
    assert!(values.part("other").unwrap().overfull);
    assert_eq!((values.part("other").unwrap().items.len(), values.part("me").unwrap().items.len()), (0, 1));
    assert_eq!(values.after(start), None, "so much is told at once that followers read everything again");
    assert!(parts.forget(OTHER, (LIVES[0], 3), DECLARED, 99), "it may fit again");
}

#[test]
fn broken_words_of_others_are_no_words() {
    let mut parts = Parts::new(1);
    let put = |key: &str, value: usize, media: &str| {
        Fact::Put(Put { key: key.into(), value: vec![0; value], media: media.into(), revision: 1, at: 0, life: LIVES[0] })
    };
    for bad in [put("", 1, "a/b"), put("k", limits::KV_VALUE + 1, "a/b"), put("k", 1, "a/b\r\nSet-Cookie: x"), put("a\u{1b}[2J", 1, "a/b")]
    {
        parts.fold(true, OTHER, LIVES[0], 1, &bad);
    }
    assert_eq!(parts.records(&OTHER), "");
}
