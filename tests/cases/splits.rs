//! The network is split in two and in three, and healed (g); it is cut so that some still hear each other by others (h).

use std::collections::BTreeSet;

use crate::five::Five;
use crate::wait::secs;

#[test]
fn g_a_split_in_two_tells_once_on_each_side_and_healing_repeats_nothing() {
    let Some(five) = Five::running("g_a_split_in_two_tells_once_on_each_side_and_healing_repeats_nothing") else { return };
    five.split(&[&[0, 1], &[2, 3, 4]]);
    five.sees(0, &[0, 1]);
    five.sees(2, &[2, 3, 4]);
    five.shop.stop();
    five.await_told("down", [2, 2]);
    let told = five.told("down");
    // By webhook the nodes beyond the cut are told too, and each side may have its own in the same request.
    assert_eq!(told[0][0].id, told[0][1].id, "whoever keeps mails sees one: {told:?}");
    for told in told {
        let sides: BTreeSet<bool> = told.iter().map(|told| five.named(&told.by) < 2).collect();
        assert_eq!(sides.len(), 2, "each side told for itself: {told:?}");
    }
    five.heal();
    five.sees(0, &[0, 1, 2, 3, 4]);
    five.sees(4, &[0, 1, 2, 3, 4]);
    five.settled([[2, 2], [0, 0]]);
    five.shop.start();
    five.await_told("up", [1, 1]);
    five.settled([[2, 2], [1, 1]]);
}

#[test]
fn g_a_split_in_three_tells_once_in_each_part_and_healing_repeats_nothing() {
    let Some(five) = Five::running("g_a_split_in_three_tells_once_in_each_part_and_healing_repeats_nothing") else { return };
    five.split(&[&[0, 1], &[2, 3], &[4]]);
    five.sees(0, &[0, 1]);
    five.sees(2, &[2, 3]);
    five.sees(4, &[4]);
    five.shop.stop();
    five.await_told("down", [3, 3]);
    five.shop.start();
    five.await_told("up", [3, 3]);
    five.settled([[3, 3], [3, 3]]);
    five.heal();
    for node in 0..5 {
        five.well(&five.hosts[node], secs(90));
    }
    five.settled([[3, 3], [3, 3]]);
}

#[test]
fn h_whoever_still_hears_the_others_by_others_tells_once() {
    let Some(five) = Five::running("h_whoever_still_hears_the_others_by_others_tells_once") else { return };
    // n1 and n2 lost each other, and so did n3 and n4; n5 does not hear n1, which hears n5.
    five.split(&[&[0], &[1]]);
    five.split(&[&[2], &[3]]);
    five.hosts[4].place.ignore(&five.hosts[0].place);
    five.shop.stop();
    five.await_told("down", [1, 1]);
    five.settled([[1, 1], [0, 0]]);
    // By now whoever would be given up is.
    for node in 0..5 {
        five.sees(node, &[0, 1, 2, 3, 4]);
    }
    five.shop.start();
    five.await_told("up", [1, 1]);
    five.settled([[1, 1], [1, 1]]);
    five.heal();
    five.settled([[1, 1], [1, 1]]);
}
