//! What goes wrong on hosts: broken files, missing and foreign keys, a second daemon, a full disk.
//!
//! Each must say clearly what is the matter, lose nothing, and not stop the other parts.

use std::fs;
use std::io::Write as _;

use nix::sys::signal::Signal;

use crate::files::{host_toml, make_key, write};
use crate::picture::only;
use crate::process::{daemon, must, run};
use crate::trio::Trio;
use crate::wait::{holds, same, secs, steady, until};

#[test]
fn a_reload_brings_a_new_target_and_a_broken_file_changes_nothing() {
    let Some(trio) = Trio::running("a_reload_brings_a_new_target_and_a_broken_file_changes_nothing") else { return };
    trio.redefine(&format!("\n[[target]]\nname = \"fresh\"\ntcp = {{ host = \"{}\", port = 80 }}\n", trio.services.v4));
    for host in trio.hosts() {
        Trio::shown(host, "fresh", "up");
    }
    let good = fs::read_to_string(trio.a.definition()).unwrap();
    let line = good.lines().count() + 2;
    write(&trio.a.definition(), &format!("{good}\n[[target]\nname = \"broken\"\n"));
    trio.a.signal(Signal::SIGHUP);
    let place = format!("network.toml:{line}");
    until("the log names file and line", secs(20), || holds(trio.a.log().contains(&place), || format!("no {place} in the log")));
    steady("the old definition stays in force", secs(3), || {
        let picture = trio.a.picture()?;
        same("standing of the new target", &picture.target("fresh")["standing"].as_str(), &Some("up"))
    });
    // An unknown key is no smaller mistake.
    write(&trio.a.definition(), &good.replace("interval = \"1s\"", "intervall = \"1s\""));
    trio.a.signal(Signal::SIGHUP);
    until("the log names the unknown key", secs(20), || holds(trio.a.log().contains("intervall"), || "no word of it".into()));
    write(&trio.a.definition(), &good);
    trio.a.signal(Signal::SIGHUP);
    trio.all_well();
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused() {
    let Some(trio) = Trio::running("a_second_daemon_on_the_same_state_is_refused") else { return };
    // With ports of its own, so that nothing but the state stands in its way.
    let config = trio.a.place.dir.join("second.toml");
    let text = host_toml("a", &trio.services.v4).replace(":9630", ":9640").replace(":9631", ":9641");
    write(&config, &text);
    let mut second = trio.a.command(&daemon().to_string_lossy());
    second.arg("--config").arg(&config).arg("--state").arg(trio.a.state()).env("RUNTIME_DIRECTORY", trio.a.place.dir.join("run"));
    let second = run(&second, secs(20));
    assert!(!matches!(second.code, None | Some(0 | 124)), "it must be refused: {second:?}");
    assert!(second.err.contains(&trio.a.state().display().to_string()), "it names the directory: {}", second.err);
    assert!(second.err.contains("--state") || second.err.contains("stop"), "it names the remedy: {}", second.err);
    trio.all_well();
}

#[test]
fn a_full_disk_stops_one_node_from_writing_and_nobody_from_watching() {
    let Some(trio) = Trio::prepared("a_full_disk_stops_one_node_from_writing_and_nobody_from_watching") else { return };
    let state = trio.c.state();
    let key = fs::read(trio.c.secret_key()).unwrap();
    must("mount", &["-t", "tmpfs", "-o", "size=6m,mode=0700", "lab", &state.to_string_lossy()]);
    write(&trio.c.secret_key(), &String::from_utf8(key).unwrap());
    must("chmod", &["0600", &trio.c.secret_key().to_string_lossy()]);
    trio.mailbox.open();
    trio.begin();
    trio.all_well();

    fill(&state.join("filler"));
    trio.gate.stop();
    until("c says that it cannot write", secs(90), || {
        let fault = trio.c.picture()?.fault().unwrap_or_default().to_owned();
        holds(fault.contains("full") || fault.contains("space"), || format!("its fault is {fault:?}"))
    });
    let status = trio.c.ctl_json(&["status", "--json"]).unwrap();
    assert!(only(&status)["fault"].is_string(), "{status}");
    // The others agree without it, and tell.
    for host in [&trio.a, &trio.b] {
        Trio::shown(host, "gate", "down");
    }
    until("the others tell", secs(90), || holds(trio.mailbox.about("gate").len() == 1, || "no mail".into()));

    fs::remove_file(state.join("filler")).unwrap();
    until("c recovers", secs(120), || {
        let picture = trio.c.picture()?;
        holds(picture.fault().is_none(), || format!("{:?}", picture.fault()))
    });
    Trio::shown(&trio.c, "gate", "down");
    Trio::agreed(&trio.hosts());
    steady("it was told once", secs(15), || same("mails", &trio.mailbox.about("gate").len(), &1));
}

#[test]
fn a_missing_key_leaves_out_that_node_only() {
    let Some(trio) = Trio::prepared("a_missing_key_leaves_out_that_node_only") else { return };
    for host in [&trio.a, &trio.b] {
        fs::remove_file(host.public_key("c")).unwrap();
        host.start();
    }
    for host in [&trio.a, &trio.b] {
        until(&format!("{} works without c", host.name), secs(60), || {
            let picture = host.picture()?;
            same("nodes", &picture.present(), &["a".to_owned(), "b".to_owned()].into())?;
            holds(picture.target("shop")["standing"] == "up", || format!("{}", picture.target("shop")))
        });
        let remarks = host.picture().unwrap().remarks();
        assert!(remarks.contains("c.pub"), "a remark names the file: {remarks:?}");
        assert!(host.log().contains("c.pub"), "so does the log");
    }
}

#[test]
fn a_strangers_key_is_refused_and_named_at_a_bounded_rate() {
    let Some(trio) = Trio::prepared("a_strangers_key_is_refused_and_named_at_a_bounded_rate") else { return };
    // On its own host `c` has a fresh pair of keys, of which the others have not heard.
    make_key(&trio.c.secret_key(), &trio.c.public_key("c"));
    trio.begin();
    for host in [&trio.a, &trio.b] {
        until(&format!("{} names the stranger", host.name), secs(60), || {
            holds(0 < refusals(&host.log(), &trio.c.place.v4), || "no line with its address and a refusal".into())
        });
    }
    let before = refusals(&trio.a.log(), &trio.c.place.v4);
    steady("a stranger cannot fill the log", secs(20), || {
        let lines = refusals(&trio.a.log(), &trio.c.place.v4) - before;
        holds(lines <= 10, || format!("{lines} lines"))
    });
    let present = trio.a.picture().unwrap().present();
    assert_eq!(present, ["a".to_owned(), "b".to_owned()].into(), "the stranger is not let in");
}

#[test]
fn noise_on_the_mesh_port_disturbs_nobody() {
    let Some(trio) = Trio::running("noise_on_the_mesh_port_disturbs_nobody") else { return };
    let before = trio.a.log().lines().count();
    let script = NOISE.replace("ADDRESS", &trio.a.place.v4);
    let said = trio.services.run("/usr/bin/python3", &["-I", "-c", &script]);
    assert_eq!(said.code, Some(0), "{said:?}");
    trio.all_well();
    let lines = trio.a.log().lines().count() - before;
    assert!(lines <= 60, "{lines} lines for 300 bad connections");
    // The flood came from another host: nodes still get through at once.
    trio.b.end(Signal::SIGTERM);
    trio.b.start();
    trio.all_well();
}

/// Random bytes, a torn TLS record, a frame of four gigabytes, a stranger's handshake, and many who say nothing.
const NOISE: &str = r#"
import os, socket, ssl
def connect():
    return socket.create_connection(("ADDRESS", 9630), timeout=5)
silent = []
for n in range(100):
    for what in (os.urandom(4096), b"\x16\x03\x01\xff\xff\x01\x00", b"\xff\xff\xff\xff\x00" * 100):
        try:
            s = connect(); s.sendall(what)
            if n % 2: s.close()
            else: silent.append(s)
        except OSError: pass
context = ssl.create_default_context()
context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
context.set_alpn_protocols(["peerwatch/1/0000000000000000"])
try: heard = context.wrap_socket(connect()).recv(1)
except OSError: heard = b""
if heard: raise SystemExit("a stranger was let in")
"#;

#[test]
fn a_journal_from_a_newer_version_is_refused_and_left_alone() {
    let Some(trio) = Trio::running("a_journal_from_a_newer_version_is_refused_and_left_alone") else { return };
    trio.a.end(Signal::SIGTERM);
    let journal = trio.a.state().join("home/journal.db");
    let script = format!("import sqlite3\nwith sqlite3.connect('{}') as c: c.execute('pragma user_version = 9999')", journal.display());
    must("/usr/bin/python3", &["-I", "-c", &script]);
    let before = fs::read(&journal).unwrap();
    let said = run(&trio.a.peerwatchd(), secs(20));
    assert!(!matches!(said.code, None | Some(0 | 124)), "it must be refused: {said:?}");
    assert!(said.err.contains("journal.db") && said.err.contains("newer"), "{}", said.err);
    assert!(before == fs::read(&journal).unwrap(), "the file was changed");
}

/// Log lines that tell of a refusal and name this address.
fn refusals(log: &str, address: &str) -> usize {
    let speaks = |line: &str| ["refused", "stranger", "not in the roster", "unknown key"].iter().any(|word| line.contains(word));
    log.lines().filter(|line| line.contains(address) && speaks(&line.to_lowercase())).count()
}

/// Writes until nothing more fits.
fn fill(path: &std::path::Path) {
    let mut file = fs::File::create(path).expect("a file to fill the disk with");
    let mut block = vec![0x55; 64 * 1024];
    while !block.is_empty() {
        if file.write_all(&block).is_err() {
            let half = block.len() / 2;
            block.truncate(half);
        }
    }
}
