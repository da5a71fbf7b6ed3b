//! The service under systemd itself: started by a question, restarted, watched, reloaded, confined, and
//! with each of the drop-ins that are shipped.

use crate::machine::Machine;
use crate::packages::{FIRST, architecture};
use crate::root::Debian;
use crate::wait::{holds, secs, steady, until};

const ASK: &str = "busctl get-property org.peerwatch.Peerwatch1 /org/peerwatch/Peerwatch1 org.peerwatch.Peerwatch1.Manager NodeName";
const EXAMPLES: &str = "/usr/share/doc/peerwatch/examples";

#[test]
fn a_question_on_the_bus_starts_the_daemon_unless_it_is_disabled() {
    let Some(machine) = with_package("a_question_on_the_bus_starts_the_daemon_unless_it_is_disabled", Debian::Trixie) else { return };
    machine.must("systemctl stop peerwatchd");
    assert_eq!(machine.must(ASK), "s \"booted\"");
    assert_eq!(machine.property("ActiveState"), "active");
    machine.must("systemctl disable --now peerwatchd");
    let said = machine.run(ASK);
    assert!(said.code != Some(0) && said.err.contains("not found"), "who disabled it does not want it: {said:?}");
    assert_eq!(machine.property("ActiveState"), "inactive");
}

#[test]
fn restarts_come_ever_more_slowly_and_never_end() {
    let Some(machine) = with_package("restarts_come_ever_more_slowly_and_never_end", Debian::Trixie) else { return };
    assert_eq!(machine.property("StartLimitIntervalUSec"), "0", "there is no limit");
    let mut delays = Vec::new();
    for count in 1..=3 {
        delays.push(machine.must(
            "busctl --json=short get-property org.freedesktop.systemd1 \
             /org/freedesktop/systemd1/unit/peerwatchd_2eservice org.freedesktop.systemd1.Service RestartUSecNext",
        ));
        machine.must("systemctl kill --signal=KILL --kill-whom=main peerwatchd");
        machine.becomes("NRestarts", &count.to_string(), 15);
        machine.becomes("ActiveState", "active", 15);
    }
    let delays: Vec<u64> = delays
        .iter()
        .map(|text| serde_json::from_str::<serde_json::Value>(text).expect("JSON")["data"].as_u64().expect("a time"))
        .collect();
    assert!(delays[0] == 1_000_000 && delays[0] < delays[1] && delays[1] < delays[2], "they grow: {delays:?}");
    assert_eq!(machine.property("RestartMaxDelayUSec"), "1min");
}

#[test]
fn a_daemon_that_hangs_is_killed_and_started_again() {
    let Some(machine) = with_package("a_daemon_that_hangs_is_killed_and_started_again", Debian::Trixie) else { return };
    assert_eq!(machine.property("WatchdogUSec"), "30s");
    machine.write("/etc/systemd/system/peerwatchd.service.d/short.conf", "[Service]\nWatchdogSec=4s");
    machine.must("systemctl daemon-reload && systemctl restart peerwatchd");
    let first = machine.property("MainPID");
    steady("it is fed", secs(9), || holds(machine.property("MainPID") == first, || "it was started again".into()));
    machine.must(&format!("kill -STOP {first}"));
    machine.becomes("NRestarts", "1", 20);
    machine.becomes("ActiveState", "active", 15);
    let log = machine.must("journalctl --no-pager --unit=peerwatchd");
    assert!(log.contains("Watchdog timeout"), "{log}");
}

#[test]
fn a_reload_that_is_refused_leaves_what_was_in_force() {
    let Some(machine) = with_package("a_reload_that_is_refused_leaves_what_was_in_force", Debian::Trixie) else { return };
    let before = machine.property("MainPID");
    machine.must("timeout 10 systemctl reload peerwatchd");
    assert_eq!([machine.property("ReloadResult"), machine.property("MainPID")], ["success".to_owned(), before.clone()]);
    assert!(!machine.property("StatusText").contains("reject"), "{}", machine.property("StatusText"));
    machine.write("/etc/peerwatch/peerwatch.toml.d/50-wrong.toml", "[node]\nnmae = \"x\"");
    machine.must("timeout 10 systemctl reload peerwatchd");
    assert!(machine.property("StatusText").contains("reject"), "the status says so: {}", machine.property("StatusText"));
    let log = machine.must("journalctl --no-pager --unit=peerwatchd --priority=err");
    assert!(log.contains("50-wrong.toml") && log.contains("nmae"), "the log names file and key: {log}");
    assert_eq!(machine.property("MainPID"), before);
    machine.must(ASK);
    machine.must("rm /etc/peerwatch/peerwatch.toml.d/50-wrong.toml; timeout 10 systemctl reload peerwatchd");
    until("the status is well again", secs(10), || {
        let status = machine.property("StatusText");
        holds(!status.contains("reject"), || status.clone())
    });
}

#[test]
fn the_daemon_has_what_it_needs_and_nothing_more() {
    let Some(machine) = with_package("the_daemon_has_what_it_needs_and_nothing_more", Debian::Trixie) else { return };
    let id = machine.property("MainPID");
    assert_eq!(machine.must(&format!("ps -o user= -p {id}")), "peerwatch");
    let status = machine.must(&format!("cat /proc/{id}/status"));
    // CAP_NET_RAW is the thirteenth.
    for line in ["CapEff:\t0000000000002000", "CapPrm:\t0000000000002000", "CapBnd:\t0000000000002000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    machine.must("systemd-analyze security --no-pager --threshold=15 peerwatchd.service");
    let said = machine.run("systemd-analyze verify --man=no peerwatchd.service");
    assert!(said.code == Some(0) && said.err.is_empty(), "{said:?}");
    let inside = format!("nsenter --target {id} --mount -- sh -c");
    machine.must(&format!(
        "! {inside} 'touch /usr/bin/x /etc/peerwatch/x' && {inside} 'touch /var/lib/peerwatch/x && rm /var/lib/peerwatch/x'"
    ));
    assert_eq!(machine.must("stat --format=%U:%a /var/lib/peerwatch /run/peerwatch").replace('\n', " "), "peerwatch:700 peerwatch:700");
    assert!(pings(&machine), "it pings");

    machine.write("/etc/credstore/peerwatch.web-token", "0123456789abcdef0123456789abcdef");
    machine.must("chmod 600 /etc/credstore/peerwatch.web-token; systemctl restart peerwatchd");
    machine.must(&format!("test $(systemctl show --property=MainPID --value peerwatchd) != {id}"));
    machine.must("test -e /run/credentials/peerwatchd.service/peerwatch.web-token");
    machine.must("! setpriv --reuid nobody --clear-groups cat /run/credentials/peerwatchd.service/peerwatch.web-token 2>/dev/null");
}

#[test]
fn without_capabilities_it_pings_where_the_host_permits() {
    let Some(machine) = with_package("without_capabilities_it_pings_where_the_host_permits", Debian::Trixie) else { return };
    machine.must("echo '1 0' >/proc/sys/net/ipv4/ping_group_range");
    drop_in(&machine, "no-capabilities");
    let status = machine.must("cat /proc/$(systemctl show --property=MainPID --value peerwatchd)/status");
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("CapBnd:\t0000000000000000"), "{status}");
    assert!(!pings(&machine), "this host does not permit it");
    machine.must("echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range && systemctl restart peerwatchd");
    assert!(pings(&machine), "this host permits it");
    machine.must("systemd-analyze security --no-pager --threshold=12 peerwatchd.service");
}

#[test]
fn systemd_252_runs_it_and_reloads_it_with_the_drop_in() {
    let Some(machine) = with_package("systemd_252_runs_it_and_reloads_it_with_the_drop_in", Debian::Bookworm) else { return };
    assert!(machine.must("systemctl --version").starts_with("systemd 252"));
    assert_eq!([machine.property("ActiveState"), machine.property("NRestarts")], ["active", "0"]);
    assert_ne!(machine.run("systemctl reload peerwatchd").code, Some(0), "it does not know how to reload it");
    drop_in(&machine, "systemd-252");
    assert_eq!(machine.property("Type"), "notify");
    let before = machine.property("MainPID");
    machine.write("/etc/peerwatch/peerwatch.toml.d/50-own.toml", "[node]\nnmae = \"x\"");
    machine.must("timeout 10 systemctl reload peerwatchd");
    until("the reload was tried", secs(10), || {
        let status = machine.property("StatusText");
        holds(status.contains("reject"), || status.clone())
    });
    assert_eq!(machine.property("MainPID"), before);
    machine.must("rm /etc/peerwatch/peerwatch.toml.d/50-own.toml; systemctl kill --signal=KILL peerwatchd");
    assert_eq!(machine.property("RestartUSec"), "10s");
    machine.becomes("NRestarts", "1", 20);
    machine.becomes("ActiveState", "active", 15);
    machine.must(ASK);
}

/// A machine with the package installed and the service running.
fn with_package(test: &str, debian: Debian) -> Option<Machine> {
    let machine = Machine::boot(test, debian)?;
    machine.must(&format!("dpkg --install /packages/peerwatch_{FIRST}_{}.deb", architecture()));
    assert_eq!(machine.property("ActiveState"), "active", "{}", machine.run("journalctl --no-pager --unit=peerwatchd").out);
    Some(machine)
}

/// Installs an example as a drop-in, as its own first lines say.
fn drop_in(machine: &Machine, name: &str) {
    let folder = "/etc/systemd/system/peerwatchd.service.d";
    machine.must(&format!(
        "mkdir -p {folder} && cp {EXAMPLES}/{name}.conf {folder}/ && systemctl daemon-reload && systemctl restart peerwatchd"
    ));
    assert_eq!(machine.property("ActiveState"), "active");
    let loaded = machine.must("systemctl show --property=DropInPaths --value peerwatchd");
    assert!(loaded.contains(name), "{loaded}");
}

/// Whether the daemon gets answers from its own host.
fn pings(machine: &Machine) -> bool {
    let said = machine.run("peerwatchctl --json ping 127.0.0.1 --count 1");
    assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
    said.code == Some(0)
}
