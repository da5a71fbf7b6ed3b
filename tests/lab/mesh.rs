//! Three nodes find each other, replicate, and say the same: through cuts, stops and kills.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::Signal;

use crate::host::Host;
use crate::picture::{Records, only};
use crate::trio::Trio;
use crate::wait::{holds, secs, until};

#[test]
fn three_hosts_link_and_watch_each_other() {
    let Some(trio) = Trio::running("three_hosts_link_and_watch_each_other") else { return };
    for host in trio.hosts() {
        until(&format!("{} is linked to the others", host.name), secs(30), || {
            let picture = host.picture()?;
            let others: Vec<&str> = ["a", "b", "c"].into_iter().filter(|name| *name != host.name).collect();
            holds(others.iter().all(|other| picture.linked(&host.name, other)), || format!("{}", picture.node(&host.name)))
        });
        let status = host.ctl_json(&["status", "--json"]).unwrap();
        let status = only(&status);
        assert_eq!(status["me"], host.name.as_str(), "{status}");
        assert_eq!(status["node_counts"]["alive"], 3, "{status}");
        assert_eq!(status["worst"], "up", "{status}");
        assert_eq!(status["fault"], serde_json::Value::Null, "{status}");
    }
    // Each node is a target of the two others.
    let picture = trio.a.picture().unwrap();
    assert_eq!(picture.verdict("node:c", "a"), "up", "{}", picture.target("node:c"));
    assert_eq!(picture.verdict("node:c", "b"), "up", "{}", picture.target("node:c"));
}

#[test]
fn all_nodes_answer_with_the_same_records() {
    let Some(trio) = Trio::running("all_nodes_answer_with_the_same_records") else { return };
    trio.gate.stop();
    for host in trio.hosts() {
        Trio::shown(host, "gate", "down");
    }
    let records = Trio::agreed(&trio.hosts());
    let authors: BTreeSet<&str> = records.heads.iter().map(|(author, ..)| author.as_str()).collect();
    assert_eq!(authors, ["a", "b", "c"].into());
    assert_eq!(records.standings["gate"], "down");
    assert_eq!(records.incidents.keys().collect::<Vec<_>>(), ["gate#1"]);
}

#[test]
fn in_a_line_changes_pass_through_the_middle() {
    let Some(trio) = Trio::running("in_a_line_changes_pass_through_the_middle") else { return };
    trio.a.place.cut(&trio.c.place);
    for (host, other) in [(&trio.a, "c"), (&trio.c, "a")] {
        until(&format!("{} has lost its link to {other}", host.name), secs(60), || {
            let picture = host.picture()?;
            holds(!picture.linked(&host.name, other), || format!("{}", picture.node(&host.name)))
        });
    }
    // Only `a` watches the corner, so what `c` shows of it has come through `b`.
    trio.corner.stop();
    until("c shows what a sees", secs(60), || {
        let picture = trio.c.picture()?;
        holds(picture.verdict("corner", "a") == "down", || format!("{}", picture.target("corner")))
    });
    assert!(!trio.c.picture().unwrap().linked("c", "a"), "the line is no line");
    let records = Trio::agreed(&trio.hosts());
    assert!(records.incidents.contains_key("corner#1"), "{records:?}");
    // The heartbeats go round the cut as well: nobody is given up.
    let present = trio.c.picture().unwrap().present();
    assert_eq!(present.len(), 3, "{present:?}");
    trio.a.place.mend();
    until("a and c are linked again", secs(90), || {
        let picture = trio.a.picture()?;
        holds(picture.linked("a", "c"), || format!("{}", picture.node("a")))
    });
}

#[test]
fn links_that_lose_packets_still_agree() {
    let Some(trio) = Trio::running("links_that_lose_packets_still_agree") else { return };
    for host in trio.hosts() {
        host.place.impair(20, 10);
    }
    trio.gate.stop();
    for host in trio.hosts() {
        Trio::shown(host, "gate", "down");
    }
    trio.gate.start();
    for host in trio.hosts() {
        Trio::shown(host, "gate", "up");
    }
    // Probes lose packets too, so standings may move; the closed incident may not.
    until("all have closed the incident", secs(60), || {
        let pictures: Vec<_> = trio.hosts().into_iter().map(Host::picture).collect::<Result<_, _>>()?;
        holds(pictures.iter().all(|picture| picture.incident("gate#1")["open"] == false), || {
            format!("{:?}", pictures.iter().map(|picture| picture.incident("gate#1").clone()).collect::<Vec<_>>())
        })
    });
}

#[test]
fn a_stopped_node_catches_up() {
    let Some(trio) = Trio::running("a_stopped_node_catches_up") else { return };
    let before = Trio::agreed(&trio.hosts());
    let status = trio.b.end(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0), "SIGTERM ends cleanly: {status}");
    // The others go on without it.
    trio.corner.stop();
    trio.gate.stop();
    for host in [&trio.a, &trio.c] {
        Trio::shown(host, "corner", "down");
        Trio::shown(host, "gate", "down");
    }
    trio.b.start();
    until("b knows what happened while it was away", secs(60), || {
        let picture = trio.b.picture()?;
        holds(picture.incidents_of("corner") == ["corner#1"], || format!("{:?}", picture.records()))
    });
    let after = Trio::agreed(&trio.hosts());
    nothing_lost(&before, &after);
}

#[test]
fn a_killed_node_loses_and_forks_nothing() {
    let Some(trio) = Trio::running("a_killed_node_loses_and_forks_nothing") else { return };
    let mut before = Trio::agreed(&trio.hosts());
    for round in 0..3 {
        // Something is on its way while it is killed.
        if round % 2 == 0 {
            trio.gate.stop();
        } else {
            trio.gate.start();
        }
        trio.a.end(Signal::SIGKILL);
        trio.a.start();
        for host in trio.hosts() {
            Trio::shown(host, "gate", if round % 2 == 0 { "down" } else { "up" });
        }
        let after = Trio::agreed(&trio.hosts());
        nothing_lost(&before, &after);
        before = after;
    }
    // The runtime folder outlived the process, so its life goes on.
    assert_eq!(lives(&before, "a"), 1, "{before:?}");
    // Without its proof it must open a new life, and lose nothing either.
    trio.a.end(Signal::SIGKILL);
    let run_dir = trio.a.place.dir.join("run");
    fs::remove_dir_all(&run_dir).unwrap();
    fs::create_dir(&run_dir).unwrap();
    trio.a.start();
    until("a begins a new life", secs(60), || {
        let records = trio.b.picture()?.records();
        holds(lives(&records, "a") == 2, || format!("{records:?}"))
    });
    nothing_lost(&before, &Trio::agreed(&trio.hosts()));
    for host in trio.hosts() {
        assert!(!host.log().contains("contradicts itself"), "{} saw a fork", host.name);
    }
}

#[test]
fn a_lost_journal_comes_back_from_the_others() {
    let Some(trio) = Trio::running("a_lost_journal_comes_back_from_the_others") else { return };
    trio.gate.stop();
    for host in trio.hosts() {
        Trio::shown(host, "gate", "down");
    }
    let before = Trio::agreed(&trio.hosts());
    trio.a.end(Signal::SIGKILL);
    for entry in fs::read_dir(trio.a.state().join("home")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("journal.db") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    trio.a.start();
    // Who has a key has lived before, and may have promised what it does not remember.
    until("a takes no part in votes yet", secs(9), || {
        let picture = trio.b.picture()?;
        holds(picture.node("a")["voting"] == false, || format!("{}", picture.node("a")))
    });
    // It may open a life before it hears of its own, and then one more above that.
    until("a is back, in a new life", secs(60), || {
        let records = trio.b.picture()?.records();
        holds(2 <= lives(&records, "a"), || format!("{records:?}"))
    });
    let after = Trio::agreed(&trio.hosts());
    nothing_lost(&before, &after);
    assert_eq!(after.incidents.keys().collect::<Vec<_>>(), ["gate#1"], "the outage is still the same one");
}

/// Every chain is at least as long as before.
#[track_caller]
fn nothing_lost(before: &Records, after: &Records) {
    for (author, life, lane, sequence) in &before.heads {
        let now = after.heads.iter().find(|(a, l, n, _)| (a, l, n) == (author, life, lane)).map_or(0, |head| head.3);
        assert!(*sequence <= now, "{author}'s {lane} in life {life} ended at {sequence}, now at {now}");
    }
}

/// How many incarnations of a node are in the journal.
fn lives(records: &Records, node: &str) -> usize {
    records.heads.iter().filter(|(author, ..)| author == node).map(|(_, life, ..)| life).collect::<BTreeSet<_>>().len()
}
