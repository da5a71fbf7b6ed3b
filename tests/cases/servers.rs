//! The mail server is away for minutes (e), answers after 20 seconds (f), and the page is away for two of five only (j).

use crate::five::Five;
use crate::wait::{holds, same, secs, steady, until};

#[test]
fn e_a_mail_server_that_is_away_for_minutes_gets_one_mail_when_it_is_back() {
    let Some(five) = Five::running("e_a_mail_server_that_is_away_for_minutes_gets_one_mail_when_it_is_back") else { return };
    five.post.end();
    five.shop.stop();
    steady("nobody can mail", secs(80), || same("mails", &five.post.mailed().len(), &0));
    let failed = five.hosts[0].picture().unwrap().incident("shop#1")["notices"].clone();
    let shown =
        |notice: &serde_json::Value| notice["channel"] == "ops" && notice["detail"].as_str().is_some_and(|said| said.contains("refused"));
    assert!(failed.as_array().is_some_and(|all| all.iter().any(shown)), "why nobody was mailed is shown: {failed}");
    five.post.begin();
    five.await_told("down", [1, 1]);
    five.shop.start();
    five.await_told("up", [1, 1]);
    five.settled([[1, 1], [1, 1]]);
}

#[test]
fn f_a_mail_server_that_answers_after_twenty_seconds_gets_one_mail() {
    // A lease that leaves the mail its time: half of it.
    let Some(five) = Five::prepared("f_a_mail_server_that_answers_after_twenty_seconds_gets_one_mail", "50s") else { return };
    five.begin();
    five.post.manner("greet 20");
    five.shop.stop();
    five.await_told("down", [1, 1]);
    five.receipted(&[0, 4], "down");
    five.post.manner("answer 20");
    five.shop.start();
    five.await_told("up", [1, 1]);
    five.receipted(&[0, 4], "up");
    five.settled([[1, 1], [1, 1]]);
}

#[test]
fn j_what_two_of_five_do_not_reach_is_shown_and_not_told() {
    let Some(five) = Five::running("j_what_two_of_five_do_not_reach_is_shown_and_not_told") else { return };
    for node in [1, 3] {
        five.hosts[node].place.block(&five.services, 80);
    }
    for viewer in &five.hosts {
        until(&format!("{} shows who does not reach the page", viewer.name), secs(30), || {
            let picture = viewer.picture()?;
            let down = ["n2", "n4"].iter().all(|node| picture.verdict("shop", node) == "down");
            holds(down, || format!("{}", picture.target("shop")))?;
            same("the page as a whole", &picture.target("shop")["standing"].as_str(), &Some("up"))
        });
    }
    five.settled([[0, 0], [0, 0]]);
    five.heal();
    five.well(&five.hosts[0], secs(30));
    five.settled([[0, 0], [0, 0]]);
}
