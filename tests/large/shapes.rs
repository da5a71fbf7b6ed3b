//! Networks in which not everybody can reach everybody, and nodes that were away.

use peerwatch::base::rng::Rng;

use crate::swarm::Swarm;
use crate::{DELAY, degrees, spread};

/// Runs a network of such a shape until all know the same, and lets some write.
fn try_shape(name: &str, count: usize, most: u64, reach: impl Fn(usize, usize) -> bool + 'static) {
    let mut swarm = Swarm::new(count, DELAY, reach, None);
    let level = swarm.settle(most).unwrap_or_else(|| panic!("a {name} of {count} does not come to know the same in {most} ms"));
    // All sources are chosen when everybody has written something once.
    let spread = spread(&mut swarm, 10, 500, &mut Rng::new(1));
    let (_, _, links) = degrees(&swarm);
    println!("FIGURE: mesh: a {name} of {count} knows the same after {level} ms; then {spread}; at most {links} links");
    assert!(spread.missing == 0 && spread.copies <= 1.3, "{spread}");
    assert!(swarm.living().into_iter().all(|host| swarm.host(host).deaths.is_empty()), "somebody was given up");
}

#[test]
fn lines_rings_and_stars() {
    try_shape("line", 12, 60_000, |a, b| a.abs_diff(b) == 1);
    try_shape("ring", 20, 60_000, |a, b| matches!(a.abs_diff(b), 1 | 19));
    try_shape("star", 24, 60_000, |a, b| a == 0 || b == 0);
    // Above the size of a full mesh whom to dial is left to chance, and most dials lead nowhere.
    try_shape("line", 40, 600_000, |a, b| a.abs_diff(b) == 1);
    try_shape("ring", 40, 600_000, |a, b| matches!(a.abs_diff(b), 1 | 39));
    try_shape("star", 40, 600_000, |a, b| a == 0 || b == 0);
}

#[test]
fn when_a_bridge_dies_another_pair_that_can_connect_takes_over() {
    for half in [10, 24] {
        let bridges = move |a: usize, b: usize| (a == 0 && b == half) || (a == 1 && b == half + 1);
        let reach = move |a: usize, b: usize| (a < half) == (b < half) || bridges(a, b) || bridges(b, a);
        let mut swarm = Swarm::new(2 * half, DELAY, reach, None);
        swarm.settle(600_000).expect("two islands with bridges come to know the same");
        swarm.kill(0);
        let begin = swarm.at;
        let place = swarm.change(2);
        let far = half + 2;
        while !swarm.taken[&place].contains_key(&far) && swarm.at < begin + 600_000 {
            swarm.run(100);
        }
        let took = swarm.taken[&place].get(&far).map(|at| at - begin).expect("the other island hears of it");
        println!("FIGURE: mesh: two islands of {half}, the bridge dies: heard on the other side after {took} ms");
        assert!(swarm.settle(60_000).is_some());
    }
}

#[test]
fn who_was_away_gets_exactly_what_it_lacks_once() {
    let mut swarm = Swarm::new(12, DELAY, |_, _| true, None);
    swarm.settle(60_000).expect("all know the same");
    swarm.run(10_000);
    swarm.leave(5);
    swarm.run(20_000);
    for _ in 0..150 {
        for host in swarm.living() {
            swarm.change(host);
        }
        swarm.run(100);
    }
    let before = swarm.arrived[5];
    let lacking: u64 = swarm.lacks(5, 4);
    swarm.weighs = true;
    swarm.back(5);
    swarm.settle(60_000).expect("all know the same again");
    let (entries, bytes) = (swarm.arrived[5].0 - before.0, swarm.arrived[5].1 - before.1);
    // What the others wrote about its coming back came as well, and once too.
    let written = swarm.lacks(5, 4);
    assert_eq!(written, 0);
    let payload = swarm.payload(lacking);
    println!("FIGURE: mesh: away with 11 links: {lacking} entries lacking, {entries} came, {bytes} bytes for some {payload} of payload");
    assert!(entries <= lacking + 2 * 11 * 3, "{entries} came for {lacking}");
    assert!(bytes as f64 <= payload as f64 * 1.2 + 60_000.0);
}
