//! Nothing happens (a), the teller dies: with its work done (b), between the mail and the receipt (c), before the mail (d).

use crate::five::Five;

#[test]
fn a_an_outage_is_told_once_and_its_end_once() {
    let Some(five) = Five::running("a_an_outage_is_told_once_and_its_end_once") else { return };
    five.shop.stop();
    five.await_told("down", [1, 1]);
    five.settled([[1, 1], [0, 0]]);
    five.shop.start();
    five.await_told("up", [1, 1]);
    five.settled([[1, 1], [1, 1]]);
}

#[test]
fn b_a_teller_that_dies_once_another_has_its_receipt_is_not_missed() {
    let Some(five) = Five::running("b_a_teller_that_dies_once_another_has_its_receipt_is_not_missed") else { return };
    five.shop.stop();
    five.await_told("down", [1, 1]);
    let teller = five.receipted(&[0, 1, 2, 3, 4], "down");
    five.kill(teller);
    let rest: Vec<usize> = (0..5).filter(|node| *node != teller).collect();
    five.sees(rest[0], &rest);
    five.shop.start();
    five.await_told("up", [1, 1]);
    let second = five.receipted(&rest, "up");
    assert_ne!(second, teller, "the dead tell nothing");
    five.hosts[teller].start();
    five.well(&five.hosts[teller], crate::wait::secs(90));
    five.settled([[1, 1], [1, 1]]);
}

#[test]
fn c_a_teller_that_dies_between_the_mail_and_the_receipt_is_followed_under_the_same_message_id() {
    let Some(five) = Five::running("c_a_teller_that_dies_between_the_mail_and_the_receipt_is_followed_under_the_same_message_id") else {
        return;
    };
    five.post.manner("keep");
    five.shop.stop();
    let teller = five.at(&five.post.done("kept"));
    five.kill(teller);
    five.post.manner("pass");
    five.await_told("down", [2, 1]);
    let [mails, posts] = five.told("down");
    assert_eq!(mails[0].id, mails[1].id, "whoever keeps mails sees one: {mails:?}");
    assert_ne!(mails[0].by, mails[1].by, "{mails:?}");
    // What was killed may have told the other channel, unseen as well.
    assert!(posts.len() <= 2 && posts.iter().all(|told| told.id == posts[0].id), "{posts:?}");
    five.shop.start();
    five.await_told("up", [1, 1]);
    five.hosts[teller].start();
    five.well(&five.hosts[teller], crate::wait::secs(90));
    five.settled([[2, posts.len()], [1, 1]]);
}

#[test]
fn d_what_recovers_while_another_stands_in_is_told_once_with_its_end() {
    let Some(five) = Five::running("d_what_recovers_while_another_stands_in_is_told_once_with_its_end") else { return };
    five.post.manner("stall");
    five.shop.stop();
    let teller = five.at(&five.post.done("stalled"));
    five.kill(teller);
    five.post.manner("pass");
    five.shop.start();
    five.await_told("down", [1, 1]);
    five.await_told("up", [1, 1]);
    let [mails, _] = five.told("down");
    assert_ne!(five.named(&mails[0].by), teller, "another told: {mails:?}");
    five.settled([[1, 1], [1, 1]]);
}
