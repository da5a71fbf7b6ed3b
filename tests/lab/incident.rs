//! From a stopped nginx to exactly one mail, and from a started one to exactly one more.

use std::io::Write as _;

use crate::host::Host;
use crate::services::{Mail, Mailbox};
use crate::trio::Trio;
use crate::wait::{holds, same, secs, steady, until};

/// Longer than a lease (10 s here) and the turns of all ranks, so that whoever would tell twice has.
const QUIET: std::time::Duration = secs(25);

#[test]
fn an_outage_is_told_once_and_its_end_once() {
    let Some(trio) = Trio::running("an_outage_is_told_once_and_its_end_once") else { return };
    trio.all_vote();
    let stopped = trio.shop.stop();
    let first = mail(&trio.mailbox, "shop", 1);
    // Not `println!`: a figure is of use when the test passes.
    let _ = writeln!(
        std::io::stderr(),
        "FIGURE: nginx stop -> mail: {} ms (interval 1 s, 3 confirmations, group 1 s)",
        first.at_ms.saturating_sub(stopped)
    );
    for host in trio.hosts() {
        Trio::shown(host, "shop", "down");
    }
    let records = Trio::agreed(&trio.hosts());
    assert_eq!(records.incidents.keys().collect::<Vec<_>>(), ["shop#1"], "one incident, the same on all");
    speaks_of_the_outage(&first, &trio);
    steady("one mail about the outage", QUIET, || same("mails", &trio.mailbox.mails().len(), &1));

    trio.shop.start();
    let second = mail(&trio.mailbox, "shop", 2);
    for host in trio.hosts() {
        Trio::shown(host, "shop", "up");
    }
    speaks_of_the_recovery(&second, &first);
    steady("one mail about the recovery", QUIET, || same("mails", &trio.mailbox.mails().len(), &2));
    let records = Trio::agreed(&trio.hosts());
    let (open, told) = &records.incidents["shop#1"];
    assert!(!open, "{records:?}");
    assert_eq!(told.len(), 2, "down and up are told: {told:?}");
}

#[test]
fn a_second_outage_has_a_number_of_its_own() {
    let Some(trio) = Trio::running("a_second_outage_has_a_number_of_its_own") else { return };
    let mut ids = Vec::new();
    for outage in 0..2 {
        trio.gate.stop();
        ids.push(mail(&trio.mailbox, "gate", 1 + 2 * outage).header("Message-ID").to_owned());
        trio.gate.start();
        mail(&trio.mailbox, "gate", 2 + 2 * outage);
    }
    assert_ne!(ids[0], ids[1], "two outages are two threads");
    let records = Trio::agreed(&trio.hosts());
    assert_eq!(records.incidents.keys().collect::<Vec<_>>(), ["gate#1", "gate#2"]);
}

#[test]
fn an_unreachable_mail_server_is_shown_and_the_mail_arrives_once_it_is_there() {
    let Some(trio) = Trio::prepared("an_unreachable_mail_server_is_shown_and_the_mail_arrives_once_it_is_there") else { return };
    trio.begin();
    trio.all_well();
    trio.shop.stop();
    for host in trio.hosts() {
        until(&format!("{} shows that nobody can be told", host.name), secs(60), || failure(host));
    }
    // Told nobody yet; the watching goes on meanwhile.
    trio.gate.stop();
    for host in trio.hosts() {
        Trio::shown(host, "gate", "down");
    }
    trio.mailbox.open();
    until("the mail about the shop arrives", secs(180), || {
        holds(trio.mailbox.about("shop").len() == 1, || format!("{} mails", trio.mailbox.mails().len()))
    });
    until("the mail about the gate arrives", secs(180), || {
        let told = trio.a.picture()?.records();
        // That the channel failed is an incident of its own, told to nobody.
        let mut targets = told.incidents.iter().filter(|(id, _)| !id.starts_with("channel:"));
        holds(targets.all(|(_, (_, told))| told.len() == 1), || format!("{told:?}"))
    });
    let count = trio.mailbox.mails().len();
    steady("nothing is told twice", QUIET, || same("mails", &trio.mailbox.mails().len(), &count));
    // Two mails, or one for both where they were told together.
    let about_the_shop = trio.mailbox.mails().iter().filter(|mail| mail.text.contains("shop")).count();
    assert_eq!(about_the_shop, 1, "the shop is told once");
    assert!(count <= 2, "{count} mails for two outages");
}

/// Waits for the nth mail about a target.
#[track_caller]
fn mail(mailbox: &Mailbox, target: &str, number: usize) -> Mail {
    until(&format!("mail {number} about {target}"), secs(90), || {
        let mails = mailbox.about(target);
        mails.get(number - 1).cloned().ok_or_else(|| format!("{} mails: {:?}", mails.len(), mailbox.mails()))
    })
}

/// Whether the incident of the shop shows that telling failed, and why.
fn failure(host: &Host) -> Result<(), String> {
    let picture = host.picture()?;
    let notices = picture.incident("shop#1")["notices"].as_array().cloned().unwrap_or_default();
    let failed = |notice: &serde_json::Value| {
        let detail = notice["detail"].as_str().unwrap_or_default().to_lowercase();
        notice["state"] != "told" && (detail.contains("refused") || detail.contains("connect") || detail.contains("reach"))
    };
    holds(notices.iter().any(failed), || format!("{}", picture.incident("shop#1")))
}

fn speaks_of_the_outage(mail: &Mail, trio: &Trio) {
    let subject = mail.header("Subject");
    assert!(subject.to_lowercase().contains("down") && subject.contains("shop"), "{subject}");
    assert!(subject.chars().count() <= 78, "fits a telephone: {subject}");
    assert_eq!(mail.from, "peerwatch@example.org");
    assert_eq!(mail.to, ["ops@example.org", "night@example.org"], "every recipient is in the envelope");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("Message-ID").starts_with('<') && mail.header("Message-ID").ends_with('>'), "{mail:?}");
    assert!(mail.header("References").is_empty(), "the first of its thread answers nothing: {mail:?}");
    assert_eq!(mail.defects, Vec::<String>::new(), "Python's email package finds no fault");
    let rows: Vec<&str> = trio.hosts().iter().filter_map(|host| row(&mail.text, &host.name)).collect();
    assert_eq!(rows.len(), 3, "a row for each node:\n{}", mail.text);
    assert!(2 <= rows.iter().filter(|row| row.contains("down")).count(), "a majority calls it down:\n{}", mail.text);
    assert!(mail.text.contains("https://wiki.example.org/shop"), "the runbook:\n{}", mail.text);
    assert!(mail.text.contains("shop#1"), "the incident's id:\n{}", mail.text);
    assert!(mail.html.contains("shop") && !mail.html.contains("<img"), "an HTML part without remote parts:\n{}", mail.html);
}

fn speaks_of_the_recovery(mail: &Mail, first: &Mail) {
    let subject = mail.header("Subject");
    assert!(subject.to_lowercase().contains("up") && subject.contains("shop"), "{subject}");
    let id = first.header("Message-ID");
    assert_ne!(mail.header("Message-ID"), id);
    assert_eq!(mail.header("In-Reply-To"), id, "{mail:?}");
    assert!(mail.header("References").contains(id), "{mail:?}");
    let duration = subject.split_whitespace().find(|word| word.trim_end_matches("ms").trim_end_matches(['s', 'm']).parse::<u32>().is_ok());
    assert!(duration.is_some(), "the duration stands in the subject: {subject}");
}

/// The line of the table that begins with this name.
fn row<'a>(text: &'a str, node: &str) -> Option<&'a str> {
    text.lines().find(|line| line.split_whitespace().next() == Some(node))
}
