//! Links between real daemons when the other end falls silent, does not read, comes twice, or comes
//! with everybody else. What a link does by itself is proved beside it, in virtual time.

use std::fs;
use std::sync::Arc;

use nix::sys::signal::Signal;
use peerwatch::base::id::{Incarnation, NodeId};
use peerwatch::base::key::{SecretKey, public_from_pem};
use peerwatch::base::wire::{Heads, Hello, Message, Prefer};
use peerwatch::io::link::{Event, Identity, Outgoing, Timing, dial, run};
use tokio::sync::{mpsc, watch};

use crate::files::NETWORK;
use crate::fleet::Fleet;
use crate::host::Host;
use crate::journal::{Writers, network};
use crate::net::{Lab, Place};
use crate::picture::Picture;
use crate::process::{Process, must};
use crate::trio::Trio;
use crate::wait::{holds, same, secs, steady, until, wall_ms};

/// Tells this program, started again on a host of the lab, where the fleet is that it talks to.
const STAGE: &str = "PEERWATCH_LAB_STAGE";

#[test]
fn keepalive_sees_peers_that_fall_silent() {
    let Some(trio) = Trio::running("keepalive_sees_peers_that_fall_silent") else { return };
    // The wire drops everything without a word.
    trio.a.place.cut(&trio.c.place);
    for (host, other) in [(&trio.a, "c"), (&trio.c, "a")] {
        ends_silently(host, other);
    }
    trio.a.place.mend();
    until("a and c are linked again", secs(90), || linked(&trio.a, "c"));
    // The daemon stands still, and its kernel goes on to acknowledge what it is sent.
    trio.b.signal(Signal::SIGSTOP);
    for host in [&trio.a, &trio.c] {
        ends_silently(host, "b");
    }
    trio.b.signal(Signal::SIGCONT);
    for host in [&trio.a, &trio.c] {
        until("b is linked again", secs(90), || linked(host, "b"));
    }
    trio.all_well();
}

/// Waits until a host's link has ended because four pings in a row had no answer, and for no other reason.
#[track_caller]
fn ends_silently(host: &Host, other: &str) {
    until(&format!("{} has missed {other}", host.name), secs(40), || {
        let link = link(&host.picture()?, &host.name, other);
        let detail = link["detail"].as_str().unwrap_or_default();
        holds(link["up"] == false && detail.contains("silent for 8"), || format!("its link is {link}"))
    });
}

fn linked(host: &Host, other: &str) -> Result<(), String> {
    let picture = host.picture()?;
    holds(picture.linked(&host.name, other), || format!("its link is {}", link(&picture, &host.name, other)))
}

/// What one node says of its link to another.
fn link(picture: &Picture, node: &str, peer: &str) -> serde_json::Value {
    let links = picture.node(node)["links"].as_array().cloned().unwrap_or_default();
    links.into_iter().find(|link| link["peer"] == peer).unwrap_or_default()
}

#[test]
fn nodes_that_dial_each_other_at_once_keep_one_link() {
    let Some(lab) = Lab::new("nodes_that_dial_each_other_at_once_keep_one_link") else { return };
    let count = 6;
    let fleet = Fleet::new(lab.place("n"), count, |_, _| true, "");
    for round in 0..3 {
        (0..count).for_each(|number| fleet.start(number));
        let pairs = count * (count - 1) / 2;
        until("each pair has one connection", secs(60), || {
            fleet.must_run();
            same("connections and pairs", &established(fleet.place(), None), &pairs)
        });
        steady("none is lost and none comes again", secs(3), || same("connections and pairs", &established(fleet.place(), None), &pairs));
        let pages = fleet.pages("/api/v1/state");
        for (number, page) in pages.into_iter().enumerate() {
            let picture = Picture(page.unwrap_or_else(|| panic!("n{number} does not answer")));
            let me = format!("n{number}");
            let up = (0..count).filter(|other| picture.linked(&me, &format!("n{other}"))).count();
            assert_eq!(up, count - 1, "round {round}: {me} shows {}", picture.node(&me));
        }
        (0..count).for_each(|number| fleet.end(number, Signal::SIGKILL));
    }
}

#[test]
fn nodes_that_lost_their_hub_do_not_come_back_in_step() {
    let Some(lab) = Lab::new("nodes_that_lost_their_hub_do_not_come_back_in_step") else { return };
    let count = 13;
    let fleet = Fleet::new(lab.place("n"), count, |one, other| one != 0 && other == 0, "");
    (0..count).for_each(|number| fleet.start(number));
    until("all are linked to the hub", secs(60), || came(&fleet, count - 1, 0));
    fleet.end(0, Signal::SIGKILL);
    steady("all stay alive without it", secs(20), || {
        fleet.must_run();
        Ok(())
    });
    // What the hub still knows of its earlier links does not count.
    let began = wall_ms();
    fleet.start(0);
    let times = until("all are linked to the hub again", secs(90), || came(&fleet, count - 1, began.cast_signed()));
    let (least, most) = (times[0], times[times.len() - 1]);
    assert!(2000 <= most - least, "all came back within {} ms: {times:?}", most - least);
    let half = times.windows(times.len() / 2 + 1).map(|some| some[some.len() - 1] - some[0]).min().unwrap_or_default();
    assert!(500 <= half, "more than half came back within {half} ms: {times:?}");
}

/// When, in milliseconds of the wall clock, each of the hub's links came, once so many came after `began`.
fn came(fleet: &Fleet, count: usize, began: i64) -> Result<Vec<i64>, String> {
    fleet.must_run();
    let page = fleet.pages("/api/v1/state").swap_remove(0).ok_or("the hub does not answer")?;
    let links = Picture(page).node("n0")["links"].as_array().cloned().unwrap_or_default();
    let since = |link: &serde_json::Value| link["since"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let up = links.iter().filter(|link| link["up"] == true);
    let mut times: Vec<i64> = up.filter_map(since).map(jiff::Timestamp::as_millisecond).filter(|at| began <= *at).collect();
    times.sort_unstable();
    holds(times.len() == count, || format!("{} of {count} are linked", times.len())).map(|()| times)
}

#[test]
fn of_two_machines_with_one_key_the_older_stops() {
    let Some(lab) = Lab::new("of_two_machines_with_one_key_the_older_stops") else { return };
    let (original, copy) = (2, 3);
    let fleet = Fleet::new(lab.place("n"), 4, |_, other| other != copy, "");
    (0..copy).for_each(|number| fleet.start(number));
    until("all are linked", secs(60), || {
        fleet.must_run();
        same("connections and pairs", &established(fleet.place(), None), &3)
    });
    // The disk of a machine is copied while it is off; then both are switched on.
    fleet.end(original, Signal::SIGKILL);
    fs::remove_dir_all(fleet.state(copy)).expect("the state of the last can be removed");
    must("cp", &["-a", &fleet.state(original).to_string_lossy(), &fleet.state(copy).to_string_lossy()]);
    fleet.start(original);
    fleet.start(copy);
    let (stopped, status) = until("one of the two stops", secs(60), || {
        [original, copy].into_iter().find_map(|number| fleet.ended(number).map(|status| (number, status))).ok_or_else(|| "both run".into())
    });
    assert_eq!(status.code(), Some(90), "{}", fleet.log(stopped));
    let log = fleet.log(stopped);
    assert!(log.contains("is in use twice") && !log.contains("BUG!"), "{log}");
    let other = original + copy - stopped;
    steady("the other goes on", secs(5), || holds(fleet.ended(other).is_none(), || fleet.log(other)));
}

#[test]
fn a_peer_that_reads_nothing_is_cut_off_and_costs_no_memory() {
    let Some(lab) = Lab::new("a_peer_that_reads_nothing_is_cut_off_and_costs_no_memory") else { return };
    // The second node never runs: its key is in the hands of the child below.
    let fleet = Fleet::new(lab.place("n"), 2, |_, _| false, "");
    // More than all buffers between two programs hold.
    let keys = [0, 1].map(|number| key(&fleet, number));
    let (state, runtime) = (fleet.state(0).join(NETWORK), fleet.runtime(0).join(NETWORK));
    Writers::new(&keys[..1], 40_000).store(&keys[0], &state, &runtime).close().expect("an orderly end");
    fleet.start(0);
    until("the daemon answers", secs(60), || holds(fleet.pages("/api/v1/state")[0].is_some(), || "not yet".into()));
    let before = fleet.memory(0).own;
    let program = std::env::current_exe().expect("this program has a path");
    let mut child = fleet.place().command(&program.to_string_lossy());
    child.args(["links::stage_reads_nothing", "--exact", "--nocapture"]).env(STAGE, &fleet.place().dir);
    let log = fleet.place().dir.join("child.log");
    let child = Process::start("the child that reads nothing", &mut child, &log);
    until("they are linked", secs(30), || {
        let picture = Picture(fleet.pages("/api/v1/state").swap_remove(0).ok_or("no answer")?);
        holds(picture.linked("n0", "n1"), || fs::read_to_string(&log).unwrap_or_default())
    });
    let mut most = before;
    until("it is cut off because it reads nothing", secs(90), || {
        fleet.must_run();
        most = most.max(fleet.memory(0).own);
        let picture = Picture(fleet.pages("/api/v1/state").swap_remove(0).ok_or("no answer")?);
        let link = link(&picture, "n0", "n1");
        let detail = link["detail"].as_str().unwrap_or_default();
        holds(link["up"] == false && detail.contains("has read nothing for 30"), || format!("the link is {link}"))
    });
    assert!(most < before + 16 * 1024, "{before} KiB before, {most} KiB while a peer did not read 20 MB");
    drop(child);
}

/// The child: a member with the key of `n1` that wants everything and reads nothing.
#[test]
fn stage_reads_nothing() {
    let Some(dir) = std::env::var_os(STAGE) else { return };
    let dir = std::path::PathBuf::from(dir);
    let key = SecretKey::from_pem(&fs::read_to_string(dir.join("n1/state").join(NETWORK).join("node.key")).unwrap()).unwrap();
    let peer = public_from_pem(&fs::read_to_string(dir.join("keys/n0.pub")).unwrap()).unwrap();
    let members: [NodeId; 2] = [peer, key.node()];
    let identity = Identity { network: network(), key, members: watch::channel(Arc::new(members.into())).1 };
    let never = secs(3600);
    let patient = Timing { stall: never, answer: never, keepalive: secs(1), misses: 3600, ..Timing::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = dial(&identity, peer, "127.1.0.1:9630", &patient).await.unwrap();
        let incarnation = Incarnation { opened: 1, nonce: [1; 16] };
        let hello = Hello { least: 1, most: 1, network: network(), incarnation, software: "0.1.0".into() };
        let (out, outgoing) = mpsc::channel(16);
        // Room for one: whatever comes after it stops the reading.
        let (told, mut events) = mpsc::channel(1);
        tokio::spawn(run(connection, hello, patient, outgoing, told));
        assert!(matches!(events.recv().await, Some(Event::Up { .. })));
        let nothing = Heads { complete: u64::MAX, again: false, heads: vec![] };
        out.send(Outgoing::Message(Message::Heads(nothing))).await.unwrap();
        out.send(Outgoing::Message(Message::Prefer(Prefer { push: true, authors: members.into() }))).await.unwrap();
        println!("linked; reading nothing from now on");
        std::future::pending::<()>().await;
    });
}

#[test]
fn half_open_connections_expire_and_keep_nobody_out() {
    let Some(trio) = Trio::running("half_open_connections_expire_and_keep_nobody_out") else { return };
    // Greetings to which the answer never comes through: the kernel of `a` waits, its daemon hears nothing.
    trio.services.deafen(9630);
    let script = FLOOD.replace("ADDRESS", &trio.a.place.v4);
    let start = |what: &str| {
        let mut command = trio.services.command("/usr/bin/python3");
        command.args(["-I", "-c", &script, what]);
        Process::start(what, &mut command, &trio.services.dir.join("flood.log"))
    };
    let half = start("half");
    let waiting = || sockets(&trio.a.place, "syn-recv", None);
    until("many connections are half open", secs(20), || holds(50 <= waiting(), || format!("{}", waiting())));
    trio.b.end(Signal::SIGTERM);
    trio.b.start();
    trio.all_well();
    drop(half);
    trio.services.mend();

    // Whole connections that say nothing, or begin to greet and stop.
    let silent = start("silent");
    let open = || established(&trio.a.place, Some(&trio.services));
    until("some of them wait to be heard", secs(20), || holds(16 <= open(), || format!("{}", open())));
    assert!(open() <= peerwatch::base::limits::HANDSHAKES, "{} are open", open());
    trio.c.end(Signal::SIGTERM);
    trio.c.start();
    until("c is linked all the same", secs(60), || linked(&trio.c, "a"));
    until("all of them are given up", secs(60), || same("connections that are left", &open(), &0));
    trio.all_well();
    drop(silent);
}

/// Many connections that are never used; they stay open as long as this program.
const FLOOD: &str = r#"
import socket, sys, time
kept = []
for n in range(200):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("ADDRESS", 9630))
    kept.append(s)
if sys.argv[1] == "silent":
    time.sleep(0.5)
    for s in kept[::2]:
        try: s.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        except OSError: pass
time.sleep(600)
"#;

/// Connections on the mesh port of a host, each counted at the end that accepted it.
fn established(place: &Place, from: Option<&Place>) -> usize {
    sockets(place, "established", from)
}

fn sockets(place: &Place, state: &str, from: Option<&Place>) -> usize {
    let said = place.run("ss", &["-Htn", "state", state, "( sport = :9630 )"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Addresses may be written as IPv6 addresses that hold IPv4 ones.
    said.out.lines().filter(|line| from.is_none_or(|from| line.contains(&from.v4))).count()
}

fn key(fleet: &Fleet, number: usize) -> SecretKey {
    let pem = fs::read_to_string(fleet.state(number).join(NETWORK).join("node.key")).expect("a key");
    SecretKey::from_pem(&pem).expect("a key in PEM")
}
