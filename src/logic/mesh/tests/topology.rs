//! Whom is dialled, and how many links are kept.

use super::*;

fn dials(effects: &[Effect]) -> Vec<String> {
    let dial = |effect: &Effect| if let Effect::Dial { address, .. } = effect { Some(address.clone()) } else { None };
    effects.iter().filter_map(dial).collect()
}

/// A node of a network of so many, of whom it hears those below `lives`.
fn large(members: u8) -> Bench {
    let mut bench = Bench::new(&[]);
    let members: Vec<Member> = (0..members).map(member).collect();
    bench.mesh = Mesh::new(node(1), 1);
    bench.mesh.roster(now(0), &members, &[], &mut Effects::default());
    bench
}

fn dial(bench: &mut Bench, lives: &dyn Fn(&NodeId) -> bool, degree: &dyn Fn(&NodeId) -> Option<usize>) -> Vec<Effect> {
    bench.with(|mesh, now, known, out| mesh.dial(now, &Known { lives, degree, ..*known }, out));
    std::mem::take(&mut bench.out.then)
}

#[test]
fn both_ends_keep_the_same_one_of_two_links() {
    for (me, peer) in [(1, 2), (2, 1)] {
        for newer_is_ours in [true, false] {
            let mut bench = Bench::new(&[]);
            bench.mesh = Mesh::new(node(me), 1);
            for (link, ours) in [(1, !newer_is_ours), (2, newer_is_ours)] {
                let address = ours.then(|| "address".to_owned());
                bench.with(|mesh, now, known, out| mesh.up(now, LinkId(link), node(peer), address, String::new(), known, out));
            }
            let kept: Vec<bool> = bench.mesh.links.values().map(|link| link.dialled).collect();
            assert_eq!(kept, [me < peer], "the link that node 1 dialled");
            assert_eq!(bench.mesh.peers.len(), 1);
        }
    }
}

#[test]
fn whoever_comes_again_while_its_key_is_linked_gets_its_turn() {
    for (again, kept) in [(60_000, 3), (600_000, 1)] {
        let mut bench = Bench::new(&[]);
        bench.mesh = Mesh::new(node(1), 1);
        for (at, link, ours) in [(0, 1, true), (1000, 2, false), (again, 3, false)] {
            bench.at = at;
            let address = ours.then(|| "address".to_owned());
            bench.with(|mesh, now, known, out| mesh.up(now, LinkId(link), node(2), address, String::new(), known, out));
        }
        assert_eq!(bench.mesh.peers.values().collect::<Vec<_>>(), [&LinkId(kept)], "after {again} ms");
    }
}

#[test]
fn every_address_is_tried_before_a_pause_that_grows() {
    let mut bench = Bench::new(&[]);
    let member = Member { addresses: vec!["one:1".into(), "two:2".into()], ..member(2) };
    bench.mesh.roster(now(0), &[member], &[], &mut Effects::default());
    let mut at = Mono(1000);
    let (mut pauses, mut effects) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let due = bench.mesh.deadline().unwrap().max(at);
        pauses.push(due.since(at).0);
        at = due;
        bench.at = at.0 - 1000;
        effects.extend(dial(&mut bench, &|_| true, &|_| None));
        bench.mesh.dial_failed(now(bench.at), &node(2));
    }
    assert_eq!(dials(&effects)[..4], ["one:1", "two:2", "one:1", "two:2"]);
    assert!(pauses.iter().all(|pause| *pause <= limits::REDIAL_MOST.0));
    assert!(limits::REDIAL_MOST.0 / 2 <= *pauses.iter().max().unwrap());
}

#[test]
fn who_hangs_up_at_once_is_dialled_more_and_more_rarely() {
    let mut bench = Bench::new(&[]);
    bench.mesh.roster(now(0), &[member(2)], &[], &mut Effects::default());
    let mut dialled = 0;
    for second in 0..600 {
        bench.at = second * 1000;
        if !dials(&dial(&mut bench, &|_| true, &|_| None)).is_empty() {
            dialled += 1;
            let address = Some("2:1".to_owned());
            bench.with(|mesh, now, known, out| mesh.up(now, LinkId(second), node(2), address, String::new(), known, out));
            bench.mesh.down(now(bench.at + 100), LinkId(second), "no");
        }
    }
    assert!((8..25).contains(&dialled), "{dialled} times in ten minutes");
}

#[test]
fn a_large_network_is_dialled_by_few_and_its_ring_by_all() {
    let mut bench = large(200);
    bench.at = 2000;
    let first = dials(&dial(&mut bench, &|_| true, &|_| None));
    assert_eq!(first.len(), 7, "three times the decimal logarithm: {first:?}");
    assert!(first.contains(&"2:1".to_owned()), "the next in the order of keys: {first:?}");
    // It does not answer, and then it is dead: the next but one is the next.
    bench.mesh.dial_failed(now(bench.at), &node(2));
    let then = dial(&mut bench, &|other| *other != node(2), &|_| None);
    assert!(dials(&then).contains(&"3:1".to_owned()) || first.contains(&"3:1".to_owned()), "{then:?}");
}

#[test]
fn a_node_with_enough_links_dials_nobody_but_whom_it_does_not_hear() {
    let mut bench = large(60);
    for (link, peer) in (2..9).enumerate() {
        bench.link(link as u64, peer, &[]);
    }
    let mut dialled = std::collections::BTreeSet::new();
    let mut count = 0;
    for quarter in 8..4 * 240 {
        bench.at = quarter * 250;
        let lives = |other: &NodeId| *other < node(30);
        for address in dials(&dial(&mut bench, &lives, &|_| None)) {
            let host: u8 = address.split(':').next().unwrap().parse().unwrap();
            count += 1;
            dialled.insert(host);
            bench.mesh.dial_failed(now(bench.at), &node(host));
        }
    }
    assert!((30..60).all(|host| dialled.contains(&host)), "everybody beyond the bridge that is gone: {dialled:?}");
    assert!(count < 60 * 8, "{count} dials in four minutes");
}

#[test]
fn who_has_many_links_refuses_only_who_has_others() {
    let mut bench = large(200);
    let up = |bench: &mut Bench, link: u64, degree: Option<usize>| {
        let peer = node(u8::try_from(link).unwrap());
        bench.with(|mesh, now, known, out| {
            mesh.up(now, LinkId(link), peer, None, String::new(), &Known { degree: &|_| degree, ..*known }, out);
        });
        std::mem::take(&mut bench.out.then).iter().any(|effect| matches!(effect, Effect::Close { .. }))
    };
    for link in 2..16 {
        assert!(!up(&mut bench, link, Some(5)));
    }
    assert!(up(&mut bench, 20, Some(5)), "it has {}", bench.mesh.links.len());
    assert!(!up(&mut bench, 21, Some(0)), "it has no other");
    assert!(!up(&mut bench, 22, None), "it may have no other");
}

#[test]
fn far_links_are_exchanged_for_near_ones() {
    let mut bench = large(100);
    let far = |peer: u8| if peer.is_multiple_of(3) { 2000 } else { 90_000 };
    let mut next = 0;
    for minute in 0..120 {
        bench.at = minute * 60_000;
        for effect in dial(&mut bench, &|_| true, &|_| Some(9)) {
            match effect {
                Effect::Dial { peer, address } => {
                    next += 1;
                    let id = LinkId(next);
                    bench.with(|mesh, now, known, out| mesh.up(now, id, peer, Some(address), String::new(), known, out));
                    bench.mesh.measured(id, far(peer.0[0]), 0);
                }
                Effect::Close { link, .. } => drop(bench.mesh.down(now(bench.at), link, "enough")),
                _ => {}
            }
        }
    }
    let near = bench.mesh.links.values().filter(|link| far(link.peer.0[0]) < 90_000).count();
    assert!((6..=8).contains(&bench.mesh.links.len()), "{}", bench.mesh.links.len());
    assert!(3 <= near, "{near} of {} are near", bench.mesh.links.len());
}
