//! A daemon with no files at all, run by somebody who may do nothing special.

use std::fs;

use crate::net::Lab;
use crate::picture::Picture;
use crate::process::{Process, daemon};
use crate::wait::{holds, secs, until};

#[test]
fn without_any_files_a_daemon_watches_what_is_near() {
    let Some(lab) = Lab::new("without_any_files_a_daemon_watches_what_is_near") else { return };
    let _gateway = lab.place("g");
    let place = lab.place("h");
    // Nobody must be able to reach and run it, wherever it was built.
    let program = place.dir.join("peerwatchd");
    fs::copy(daemon(), &program).unwrap();
    let home = place.dir.join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65_534), Some(65_534)).unwrap();
    let log = place.dir.join("peerwatchd.log");
    let mut command = place.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig=KILL", "--"]).arg(&program);
    command.env("HOME", &home).env("XDG_STATE_HOME", home.join("state")).env("XDG_RUNTIME_DIR", &home).env("XDG_CONFIG_HOME", &home);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", home.join("no-bus").display())).current_dir(&home);
    let mut process = Process::start("peerwatchd", &mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();

    until("it prints the address of its page", secs(30), || {
        holds(process.ended().is_none(), || format!("it ended: {}", said()))?;
        holds(said().contains("http://127.0.0.1:9631"), said)
    });
    let picture = until("its page is served", secs(20), || {
        let answer = place.run("curl", &["--silent", "--fail", "--max-time", "5", "http://127.0.0.1:9631/api/v1/state"]);
        holds(answer.code == Some(0), || format!("{answer:?}\n{}", said()))?;
        let picture = Picture::read(&answer.out)?;
        holds(!picture.standings().is_empty(), || "it watches nothing".into()).map(|()| picture)
    });
    assert_eq!(picture.0["network"], "local", "{picture:?}");
    assert_eq!(picture.present().len(), 1, "{picture:?}");
    assert!(picture.standings().keys().any(|target| target.contains("gateway")), "{:?}", picture.standings());
    // One line says what it may not do here, and how to allow it: in a fresh namespace nobody may ping.
    let text = said().to_lowercase();
    let lacks: Vec<&str> = text.lines().filter(|line| line.contains("cap_net_raw")).collect();
    assert_eq!(lacks.len(), 1, "one line about raw sockets: {text}");
    assert!(text.lines().any(|line| line.contains("bus") && !line.contains("bus error")), "a word about the bus: {text}");
    // What cannot be looked at is no vote and no incident.
    assert_eq!(picture.0["open_incidents"], 0, "{picture:?}");
    let status = process.end(nix::sys::signal::Signal::SIGTERM, secs(15));
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(home.join("state/peerwatch").is_dir(), "its state lies in the user's folder");
}
