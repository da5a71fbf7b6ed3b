//! What is proved and what is not, over sets of entries in every order. How proofs travel is not tested here.

use super::*;
use crate::base::entry::Header;
use crate::base::fact::Mark;
use crate::base::id::{EntryHash, NetworkId};
use crate::base::key::SecretKey;
use crate::base::rng::Rng;
use crate::base::target::Expected;
use crate::base::time::Wall;

const LIFE: Incarnation = Incarnation { opened: 1, nonce: [0; 16] };

fn key(n: u8) -> SecretKey {
    SecretKey::from_bytes(&[n; 32])
}

fn node(n: u8) -> NodeId {
    key(n).node()
}

fn chain(n: u8, opened: u64, lane: Lane) -> ChainId {
    ChainId { author: node(n), incarnation: Incarnation { opened, ..LIFE }, lane }
}

fn entry(chain: ChainId, n: u8, sequence: u64, fact: Fact) -> Entry {
    let header = Header {
        network: NetworkId::of("home"),
        chain,
        sequence,
        previous: EntryHash([0; 32]),
        lamport: chain.incarnation.opened,
        wall: Wall(0),
    };
    Entry::seal(&key(n), header, vec![fact])
}

/// Two entries of node `n` for one place.
fn fork(n: u8, opened: u64, lane: Lane, sequence: u64) -> [Entry; 2] {
    [1, 2].map(|body| entry(chain(n, opened, lane), n, sequence, Fact::Unknown { kind: 999, body: vec![body] }))
}

fn revocation(by: u8, whom: u8, heads: &[(Lane, u64)]) -> Entry {
    let mark = |(lane, sequence): &(Lane, u64)| Mark { incarnation: LIFE, lane: *lane, sequence: *sequence, hash: EntryHash([9; 32]) };
    let said = Revoked { node: node(whom), heads: heads.iter().map(mark).collect(), reason: format!("{by} says so") };
    let place = 7 + heads.iter().map(|(_, sequence)| sequence).sum::<u64>() * 10 + u64::from(whom);
    entry(chain(by, 1, Lane::State), by, place, Fact::Revoked(said))
}

/// 1 and 2 are admins, 3 and 4 members.
fn proofs() -> Proofs {
    let role = |n| if n <= 2 { Role::Admin } else { Role::Member };
    let member = |n| Member { node: node(n), name: n.to_string(), role: role(n), addresses: vec![], expected: Expected::Always };
    let mut proofs = Proofs::default();
    proofs.enrol(&(1..=4).map(member).collect::<Vec<_>>());
    proofs
}

#[test]
fn a_chain_ends_before_the_lowest_fork_that_is_known() {
    let mut proofs = proofs();
    let forked = chain(3, 1, Lane::Events);
    assert_eq!(proofs.end(&forked), u64::MAX);
    assert_eq!(proofs.take(&fork(3, 1, Lane::Events, 9), || true).news.len(), 2);
    assert_eq!(proofs.end(&forked), 9);
    assert_eq!(proofs.take(&fork(3, 1, Lane::Events, 12), || true).news, [], "a higher one is no news");
    assert_eq!(proofs.take(&fork(3, 1, Lane::Events, 9), || true).news, [], "nor is the same one");
    assert_eq!(proofs.take(&fork(3, 1, Lane::Events, 4), || true).news.len(), 2);
    assert_eq!((proofs.end(&forked), proofs.end(&chain(3, 1, Lane::State))), (4, u64::MAX));
}

#[test]
fn one_entry_twice_another_place_or_another_author_is_no_fork() {
    let mut proofs = proofs();
    let [one, other] = fork(3, 1, Lane::Events, 9);
    let elsewhere = fork(3, 1, Lane::Events, 10)[1].clone();
    let stranger = fork(9, 1, Lane::Events, 9);
    for entries in [vec![one.clone(), one.clone()], vec![one, elsewhere], vec![other], stranger.to_vec()] {
        let taken = proofs.take(&entries, || true);
        assert!(taken.news.is_empty() && taken.refused.is_some(), "{entries:?}");
    }
    assert!(proofs.is_empty() && proofs.digest().is_none());
}

#[test]
fn only_the_word_of_an_admin_ends_a_membership() {
    let mut proofs = proofs();
    assert!(proofs.take(&[revocation(3, 4, &[])], || true).refused.is_some());
    assert_eq!(proofs.ending(&node(4)), None);
    assert_eq!(proofs.take(&[revocation(1, 4, &[(Lane::Events, 5)])], || true).news.len(), 1);
    assert_eq!(proofs.ending(&node(4)).unwrap().by, node(1));
    let ends = [Lane::State, Lane::Events].map(|lane| proofs.end(&chain(4, 1, lane)));
    assert_eq!(ends, [1, 6], "of a chain that was not named nothing is in force");
}

#[test]
fn of_several_revocations_the_highest_heads_hold_and_a_fork_still_cuts() {
    let mut proofs = proofs();
    proofs.take(&[revocation(1, 4, &[(Lane::Events, 5)])], || true);
    proofs.take(&[revocation(2, 4, &[(Lane::Events, 8), (Lane::State, 1)])], || true);
    assert_eq!(proofs.end(&chain(4, 1, Lane::Events)), 9);
    proofs.take(&fork(4, 1, Lane::Events, 3), || true);
    assert_eq!(proofs.end(&chain(4, 1, Lane::Events)), 3);
}

#[test]
fn two_admins_who_revoke_each_other_are_both_revoked() {
    let mut proofs = proofs();
    proofs.take(&[revocation(1, 2, &[]), revocation(2, 1, &[])], || true);
    assert_eq!(proofs.endings().count(), 2);
}

#[test]
fn a_word_that_is_said_again_is_no_news_and_one_of_a_former_admin_does_not_count() {
    let mut proofs = proofs();
    let word = revocation(1, 4, &[]);
    let again = entry(chain(1, 5, Lane::State), 1, 70, word.facts[0].clone());
    proofs.take(std::slice::from_ref(&word), || true);
    assert_eq!(proofs.take(&[again], || true).news, []);
    let admins = Proofs::default();
    assert_eq!(admins.digest(), None);
    let mut others = Proofs::default();
    others.restore(&[word], &[]);
    assert_eq!((others.ending(&node(4)), others.digest()), (None, None), "it is kept, and nobody here is an admin");
    let member = Member { node: node(1), name: String::new(), role: Role::Admin, addresses: vec![], expected: Expected::Always };
    others.enrol(&[member]);
    assert!(others.ending(&node(4)).is_some());
}

#[test]
fn who_forks_everything_is_not_believed_at_all_and_costs_no_more_memory() {
    let mut proofs = proofs();
    let many: Vec<[Entry; 2]> = (1..=200).map(|opened| fork(3, opened, Lane::Minutes, 2)).collect();
    for pair in &many {
        proofs.take(pair, || true);
    }
    assert!(proofs.is_faithless(&node(3)) && !proofs.is_faithless(&node(4)));
    assert_eq!((proofs.forks().count(), proofs.all().len()), (limits::FORKS, limits::FORKS * 2));
    assert_eq!(proofs.end(&chain(3, 999, Lane::State)), 1);
    // Others may know other forks of it and come to the same end.
    let mut others = self::proofs();
    for pair in many.iter().rev() {
        others.take(pair, || true);
    }
    assert_eq!(proofs.digest(), others.digest());
    assert_ne!(proofs.all(), others.all());
    assert_eq!(proofs.take(&fork(4, 1, Lane::Minutes, 2), || true).news.len(), 2, "others' forks still count");
}

#[test]
fn the_same_proofs_in_any_order_and_any_portions_end_the_same() {
    let mut rng = Rng::new(3);
    let mut all: Vec<Vec<Entry>> = Vec::new();
    for n in 0..40 {
        all.push(fork(3 + n % 2, u64::from(n / 8), Lane::Events, 1 + rng.below(20)).to_vec());
        all.push(vec![revocation(1 + n % 2, 3 + n % 2, &[(Lane::Events, rng.below(20))])]);
    }
    let digest_of = |order: &[Vec<Entry>]| {
        let mut proofs = proofs();
        for portion in order {
            proofs.take(portion, || true);
        }
        let mut again = self::proofs();
        again.restore(&proofs.all(), &[]);
        assert_eq!(proofs.digest(), again.digest(), "what is sent and stored is all that counts");
        let ends = (0..5).map(|opened| [3, 4].map(|n| proofs.end(&chain(n, opened, Lane::Events)))).collect::<Vec<_>>();
        (proofs.digest(), ends)
    };
    let expected = digest_of(&all);
    for _ in 0..20 {
        for n in 0..all.len() {
            let other = usize::try_from(rng.below(all.len() as u64)).unwrap();
            all.swap(n, other);
        }
        assert_eq!(digest_of(&all), expected);
    }
    assert_eq!(digest_of(&[all.concat()]), expected, "and all at once");
}

#[test]
fn an_admin_who_contradicts_itself_in_what_it_revokes_has_forked_for_everybody() {
    let said = |reason: &str| Fact::Revoked(Revoked { node: node(4), heads: vec![], reason: reason.into() });
    let two = ["stolen", "lost"].map(|reason| entry(chain(1, 1, Lane::State), 1, 7, said(reason)));
    let mut one_by_one = proofs();
    two.iter().for_each(|word| assert!(!one_by_one.take(std::slice::from_ref(word), || true).news.is_empty()));
    let mut at_once = proofs();
    at_once.take(&two, || true);
    assert_eq!(one_by_one.digest(), at_once.digest());
    assert_eq!(one_by_one.end(&chain(1, 1, Lane::State)), 7);
    assert!(one_by_one.ending(&node(4)).is_some(), "both words stand");
}

#[test]
fn what_is_proved_of_lives_that_are_over_is_forgotten() {
    let mut proofs = proofs();
    proofs.take(&[fork(3, 1, Lane::Events, 9), fork(3, 8, Lane::Events, 9)].concat(), || true);
    proofs.floor(node(3), Incarnation { opened: 5, ..LIFE });
    assert_eq!(proofs.take(&fork(3, 2, Lane::Events, 9), || true).news, [], "and not taken again");
    assert_eq!(proofs.forks().map(|(chain, _)| chain.incarnation.opened).collect::<Vec<_>>(), [8]);
}
