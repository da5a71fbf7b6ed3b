//! The life of the Debian package: made twice alike, installed, upgraded, removed, purged.

use std::fs;
use std::path::Path;

use crate::machine::Machine;
use crate::packages::{FIRST, SECOND, architecture, make, packages};
use crate::process::{mortal, must, run};
use crate::root::Debian;
use crate::wait::secs;

#[test]
fn the_same_programs_make_the_same_packages() {
    let again = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages-again");
    let _ = fs::remove_dir_all(&again);
    make("deb", FIRST, &again);
    make("rpm", FIRST, &again);
    let mut compared = Vec::new();
    for entry in fs::read_dir(&again).expect("packages").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // A build's description names the time and the machine.
        if name.ends_with(".deb") || name.ends_with(".rpm") {
            let other = fs::read(packages().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(fs::read(entry.path()).expect("a package") == other, "{name} differs");
            compared.push(name);
        }
    }
    compared.sort();
    assert_eq!(compared.len(), 3, "the Debian package, its symbols, and the RPM: {compared:?}");
    fs::remove_dir_all(&again).expect("removed");
}

#[test]
fn symbols_are_kept_apart_and_fit() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unpacked");
    let _ = fs::remove_dir_all(&folder);
    let arch = architecture();
    for name in ["peerwatch", "peerwatch-dbgsym"] {
        let package = packages().join(format!("{name}_{FIRST}_{arch}.deb"));
        must("dpkg-deb", &["--extract", &package.to_string_lossy(), &folder.to_string_lossy()]);
    }
    for program in ["peerwatchd", "peerwatchctl"] {
        let program = folder.join("usr/bin").join(program);
        let notes = must("readelf", &["--notes", "--wide", &program.to_string_lossy()]);
        let id = notes.split("Build ID: ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a build id").to_owned();
        let sections = must("readelf", &["--sections", "--wide", &program.to_string_lossy()]);
        assert!(!sections.contains(".symtab") && !sections.contains(".debug_line"), "{program:?} is not stripped");
        let symbols = folder.join("usr/lib/debug/.build-id").join(&id[..2]).join(format!("{}.debug", &id[2..]));
        let sections = must("readelf", &["--sections", "--wide", &symbols.to_string_lossy()]);
        assert!(sections.contains(".symtab") && sections.contains(".debug_line"), "{symbols:?} has no lines");
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn the_package_names_what_it_needs() {
    let package = packages().join(format!("peerwatch_{FIRST}_{}.deb", architecture()));
    let said = run(mortal("dpkg-deb").args(["--field", &package.to_string_lossy(), "Depends"]), secs(20));
    for need in ["libc6 (>= 2.", "dbus", "systemd"] {
        assert!(said.out.contains(need), "{need} is not among {}", said.out);
    }
    assert!(!said.out.contains("libssl") && !said.out.contains("libsqlite"), "what is linked in is not needed: {}", said.out);
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged() {
    let Some(machine) = Machine::boot("a_package_is_installed_upgraded_removed_and_purged", Debian::Trixie) else { return };
    let arch = architecture();
    let install = |version: &str| format!("apt-get install --quiet --yes /packages/peerwatch_{version}_{arch}.deb");
    let before = files(&machine);

    let said = machine.must(&install(FIRST));
    runs(&machine);
    assert!(!said.contains("Failed") && !said.contains("warning"), "{said}");
    assert_eq!(machine.property("UnitFileState"), "enabled");
    let user = machine.must("getent passwd peerwatch");
    assert!(user.contains("/var/lib/peerwatch") && user.ends_with("nologin"), "{user}");
    assert_eq!(machine.must("dpkg --verify peerwatch"), "", "files are as they were packed");
    faces_answer(&machine);
    let key = machine.must("cat /var/lib/peerwatch/local/node.pub");

    machine.must("peerwatchctl kv put motd hello");
    machine.must("printf '[listen]\\nweb = \"127.0.0.1:9641\"\\n' >>/etc/peerwatch/peerwatch.toml");
    let old = machine.property("MainPID");
    machine.must(&install(SECOND));
    runs(&machine);
    assert_ne!(machine.property("MainPID"), old, "the new program runs");
    assert_eq!(machine.must("dpkg-query --show --showformat='${Version}' peerwatch"), SECOND);
    assert!(ready(&machine, 9641), "the administrator's setting is in force");
    assert!(!ready(&machine, 9631), "and not the default");
    assert_eq!(machine.must("peerwatchctl kv get motd"), "hello");
    assert_eq!(machine.must("cat /var/lib/peerwatch/local/node.pub"), key, "it is the same node");

    machine.must("apt-get remove --quiet --yes peerwatch");
    assert_eq!(machine.run("systemctl is-active peerwatchd").out.trim(), "inactive");
    assert_eq!(machine.must("pgrep --count peerwatchd || true"), "0");
    machine.must("test ! -e /usr/bin/peerwatchd && test -e /var/lib/peerwatch/local/journal.db && test -e /etc/peerwatch/peerwatch.toml");
    machine.must(&install(SECOND));
    runs(&machine);
    assert_eq!(machine.must("peerwatchctl kv get motd"), "hello", "what was kept is found again");

    machine.must("apt-get purge --quiet --yes peerwatch");
    let after = files(&machine);
    let come: Vec<&String> = after.iter().filter(|path| !before.contains(path)).collect();
    let gone: Vec<&String> = before.iter().filter(|path| !after.contains(path)).collect();
    assert!(come.is_empty() && gone.is_empty(), "left behind: {come:?}; taken along: {gone:?}");
}

#[test]
fn installed_while_no_systemd_runs_it_waits_for_the_boot() {
    let Some(machine) = Machine::boot("installed_while_no_systemd_runs_it_waits_for_the_boot", Debian::Trixie) else { return };
    let package = format!("/packages/peerwatch_{FIRST}_{}.deb", architecture());
    // As in the making of an image: nothing in /run says that systemd is there.
    machine.must(&format!("unshare --mount sh -euc 'mount -t tmpfs none /run && dpkg --install {package}'"));
    machine.must("getent passwd peerwatch && systemctl daemon-reload");
    assert_eq!([machine.property("UnitFileState"), machine.property("ActiveState")], ["enabled", "inactive"]);
    machine.must("systemctl reload dbus && systemctl start multi-user.target");
    machine.becomes("ActiveState", "active", 10);
    machine.must("systemctl stop peerwatchd && unshare --mount sh -euc 'mount -t tmpfs none /run && dpkg --purge peerwatch'");
    machine.must("test ! -e /var/lib/peerwatch && test ! -e /etc/peerwatch && ! ls /etc/systemd/system/*/peerwatchd.service 2>/dev/null");
}

/// The service runs, and did so at the first try.
#[track_caller]
fn runs(machine: &Machine) {
    let is = ["ActiveState", "NRestarts", "Result"].map(|name| machine.property(name));
    assert_eq!(is, ["active", "0", "success"], "{}", machine.run("journalctl --no-pager -u peerwatchd").out);
}

/// Command, bus and journal know the daemon, for everybody.
#[track_caller]
fn faces_answer(machine: &Machine) {
    assert!(ready(machine, 9631), "the page is there");
    for who in ["", "setpriv --reuid nobody --regid nogroup --clear-groups "] {
        let status = machine.must(&format!("{who}peerwatchctl --json status"));
        assert!(serde_json::from_str::<serde_json::Value>(&status).is_ok(), "{status}");
        let ask = "busctl get-property org.peerwatch.Peerwatch1 /org/peerwatch/Peerwatch1 org.peerwatch.Peerwatch1.Manager Version";
        assert_eq!(machine.must(&format!("{who}{ask}")), format!("s \"{}\"", env!("CARGO_PKG_VERSION")));
    }
    let steal = machine.run(
        "setpriv --reuid nobody --regid nogroup --clear-groups dbus-send --system --print-reply \
         --dest=org.freedesktop.DBus / org.freedesktop.DBus.RequestName string:org.peerwatch.Peerwatch1 uint32:2",
    );
    assert!(steal.err.contains("AccessDenied"), "nobody else gets the name: {steal:?}");
    let lines = machine.must("journalctl --no-pager --output=json --unit=peerwatchd _COMM=peerwatchd");
    let own = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let own: Vec<_> = own.filter(|line| line["SYSLOG_IDENTIFIER"] == "peerwatchd" && line["_TRANSPORT"] == "journal").collect();
    assert!(!own.is_empty(), "nothing in the journal: {lines}");
    let bad = machine.must("journalctl --no-pager --quiet --unit=peerwatchd --priority=warning");
    assert_eq!(bad, "", "it had something to complain of");
}

/// Whether the web page of this port says that it serves.
fn ready(machine: &Machine, port: u16) -> bool {
    let ask = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET /-/ready HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3");
    machine.run(&format!("bash -c \"{}\"", ask.replace('\\', "\\\\").replace('"', "\\\""))).out.contains("200")
}

/// Every file of the machine, but logs, what dpkg and apt keep for themselves, and what ends with the boot.
fn files(machine: &Machine) -> Vec<String> {
    let list = machine.must(
        "find / -xdev \\( -path /packages -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log -o -path /var/cache/apt \
         -o -path /var/cache/debconf -o -path '/var/lib/dpkg/*-old' -o -path /var/lib/apt \\) -prune -o -print | sort",
    );
    assert!(list.lines().count() > 1000, "a file list: {list}");
    list.lines().map(str::to_owned).collect()
}
