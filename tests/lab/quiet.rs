//! What people keep from being told, with real daemons: a silence made on one node holds on all, an acknowledgement stops
//! reminders everywhere, and maintenance and dependencies show why nobody is told.

use serde_json::Value;

use crate::host::Host;
use crate::trio::Trio;
use crate::wait::{holds, same, secs, steady, until};

/// Longer than the group window and the turns of all ranks.
const QUIET: std::time::Duration = secs(15);

#[test]
fn a_silence_of_one_node_holds_on_all_and_what_is_still_down_is_told_when_it_ends() {
    let Some(trio) = Trio::running("a_silence_of_one_node_holds_on_all_and_what_is_still_down_is_told_when_it_ends") else { return };
    trio.all_vote();
    let said = trio.a.ctl_json(&["silence", "shop", "--for", "1h", "--reason", "new disks", "--json"]).unwrap();
    let id = said["id"].as_str().expect("a number").to_owned();
    trio.shop.stop();
    for host in trio.hosts() {
        Trio::shown(host, "shop", "down");
        until(&format!("{} says why nobody is told", host.name), secs(30), || {
            let notice = notice(host, "shop#1")?;
            let why = notice["detail"].as_str().unwrap_or_default();
            holds(notice["state"] == "quiet" && why.contains("new disks"), || format!("{notice}"))
        });
    }
    steady("nobody is told", QUIET, || same("mails", &trio.mailbox.mails().len(), &0));
    let status = trio.b.ctl(&["status"]).out;
    assert!(status.contains("shop is silenced by") && status.contains("new disks"), "{status}");

    // Another node ends it.
    assert_eq!(trio.c.ctl(&["silence", "end", &id]).code, Some(0));
    let mails = |count: usize| {
        until(&format!("mail {count}"), secs(60), || same("mails", &trio.mailbox.mails().len(), &count));
        trio.mailbox.mails().pop().expect("a mail")
    };
    assert!(mails(1).header("Subject").starts_with("[DOWN] shop"));
    // Once told, its end is told in a silence too.
    assert_eq!(trio.b.ctl(&["silence", "*", "--for", "1h"]).code, Some(0));
    trio.shop.start();
    assert!(mails(2).header("Subject").starts_with("[UP] shop"));
    steady("nothing is told twice", QUIET, || same("mails", &trio.mailbox.mails().len(), &2));
    until("the events tell it all", secs(20), || {
        let events = trio.c.ctl(&["events", "--no-headers"]).out;
        let parts = ["silenced shop for 1h: new disks", &format!("ended silence {id}"), "told ops that shop#1 is down", "shop is over"];
        holds(parts.iter().all(|part| events.contains(part)), || events)
    });
}

#[test]
fn reminders_come_until_somebody_acknowledges() {
    let Some(trio) = Trio::running("reminders_come_until_somebody_acknowledges") else { return };
    trio.all_vote();
    trio.redefine("remind = \"1m\"\n");
    trio.shop.stop();
    until("a reminder comes", secs(150), || holds(trio.mailbox.mails().len() == 2, || format!("{} mails", trio.mailbox.mails().len())));
    let mails = trio.mailbox.mails();
    let (first, second) = (&mails[0], &mails[1]);
    assert!(second.header("Subject").starts_with("[DOWN] shop - still, for"), "{second:?}");
    assert_eq!(second.header("In-Reply-To"), first.header("Message-ID"), "in the same thread");
    assert!(second.text.contains("Reminder 1. To stop reminders: peerwatchctl ack 'shop#1'."), "{}", second.text);
    assert_eq!(trio.b.ctl(&["ack", "shop", "--reason", "on it"]).code, Some(0));
    for host in trio.hosts() {
        until(&format!("{} knows who sees to it", host.name), secs(30), || {
            let shown = host.picture()?.incident("shop#1")["acknowledged"].clone();
            holds(shown["reason"] == "on it", || format!("{shown}"))
        });
    }
    // The next would come two minutes after the first.
    steady("no reminder comes", secs(130), || same("mails", &trio.mailbox.mails().len(), &2));
    trio.shop.start();
    until("its end is told", secs(60), || same("mails", &trio.mailbox.mails().len(), &3));
    let last = trio.mailbox.mails().pop().expect("a mail");
    assert!(last.text.contains("Seen to by:") && last.text.contains("on it"), "{}", last.text);
}

#[test]
fn maintenance_keeps_back_what_is_new_and_says_so() {
    let Some(trio) = Trio::running("maintenance_keeps_back_what_is_new_and_says_so") else { return };
    trio.all_vote();
    trio.redefine("[[maintenance]]\nname = \"patch night\"\ntargets = [\"shop\"]\nevery = \"Mon-Sun\"\nzone = \"UTC\"\n");
    until("the window is open", secs(30), || {
        let status = trio.c.ctl(&["status"]).out;
        holds(status.contains("maintenance is on: patch night"), || status)
    });
    trio.shop.stop();
    trio.gate.stop();
    until("the gate is told", secs(60), || same("mails", &trio.mailbox.mails().len(), &1));
    steady("the shop is not", QUIET, || same("mails", &trio.mailbox.mails().len(), &1));
    assert!(!trio.mailbox.mails()[0].text.contains("shop"));
    assert_eq!(notice(&trio.a, "shop#1").unwrap()["detail"], "maintenance: patch night");
    trio.redefine("");
    until("the shop is told when it is over", secs(60), || same("mails", &trio.mailbox.mails().len(), &2));
}

/// The newest notice of an incident on a host.
fn notice(host: &Host, incident: &str) -> Result<Value, String> {
    let picture = host.picture()?;
    let notices = picture.incident(incident)["notices"].as_array().cloned().unwrap_or_default();
    notices.last().cloned().ok_or_else(|| format!("no notice: {}", picture.incident(incident)))
}
