//! Hosts as network namespaces around a bridge, and the means to cut and slow the wires.
//!
//! Everything of one lab carries one tag, `pwlab` + process id + `x` + number, so that several may
//! run beside each other and what a killed run left behind is recognised and removed. The bridge has a
//! namespace of its own: nothing in the machine's own network changes.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};

use crate::process::{Said, mortal, must, run};
use crate::wait::secs;

/// Labs at work at once; the rest wait. Two cores serve three labs of idle daemons well.
const LABS: usize = 3;

/// A set of hosts on one wire. Removed when dropped.
pub(crate) struct Lab {
    tag: String,
    /// The third part of its addresses.
    number: u8,
    /// Where its hosts keep their files.
    dir: PathBuf,
    hosts: Cell<u8>,
    _permit: Permit,
}

/// One host's place on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The namespace.
    pub(crate) space: String,
    /// Its addresses.
    pub(crate) v4: String,
    pub(crate) v6: String,
    /// A folder of its own.
    pub(crate) dir: PathBuf,
}

impl Lab {
    /// An empty lab, or none where namespaces cannot be made: then the test ends there.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if let Err(why) = possible() {
            let required = ["CI", "PEERWATCH_REQUIRE_LAB"].iter().any(|name| matches!(std::env::var(name).as_deref(), Ok("true" | "1")));
            assert!(!required, "the lab is required here, but {why}");
            // Not `eprintln!`: this must be seen although the test passes.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
            return None;
        }
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let permit = Permit::take();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tag = format!("pwlab{}x{number}", std::process::id());
        let dir = std::env::temp_dir().join(&tag);
        fs::create_dir_all(&dir).expect("a folder for the lab");
        let lab = Self { tag, number, dir, hosts: Cell::new(0), _permit: permit };
        let wire = lab.wire();
        must("ip", &["netns", "add", &wire]);
        must("ip", &["-n", &wire, "link", "add", "br0", "type", "bridge", "forward_delay", "0"]);
        must("ip", &["-n", &wire, "link", "set", "br0", "up"]);
        Some(lab)
    }

    /// Puts one more host on the wire.
    pub(crate) fn place(&self, name: &str) -> Place {
        self.hosts.set(self.hosts.get() + 1);
        let (last, number, wire) = (self.hosts.get(), self.number, self.wire());
        let space = format!("{}{name}", self.tag);
        let (v4, v6) = (format!("10.99.{number}.{last}"), format!("fd99:{number:x}::{last:x}"));
        let port = format!("p{name}");
        must("ip", &["netns", "add", &space]);
        must("ip", &["link", "add", "eth0", "netns", &space, "type", "veth", "peer", "name", &port, "netns", &wire]);
        must("ip", &["-n", &wire, "link", "set", &port, "master", "br0", "up"]);
        must("ip", &["-n", &space, "link", "set", "lo", "up"]);
        must("ip", &["-n", &space, "addr", "add", &format!("{v4}/24"), "dev", "eth0"]);
        must("ip", &["-n", &space, "addr", "add", &format!("{v6}/64"), "dev", "eth0", "nodad"]);
        must("ip", &["-n", &space, "link", "set", "eth0", "up"]);
        if last != 1 {
            must("ip", &["-n", &space, "route", "add", "default", "via", &format!("10.99.{number}.1")]);
        }
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).expect("a folder for a host");
        Place { space, v4, v6, dir }
    }

    /// Pulls the cable of a host, at the other end.
    pub(crate) fn unplug(&self, name: &str) {
        must("ip", &["-n", &self.wire(), "link", "set", &format!("p{name}"), "down"]);
    }

    /// Puts it in again.
    pub(crate) fn plug(&self, name: &str) {
        must("ip", &["-n", &self.wire(), "link", "set", &format!("p{name}"), "up"]);
    }

    fn wire(&self) -> String {
        format!("{}w", self.tag)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        sweep(&self.tag);
        if std::env::var_os("PEERWATCH_KEEP_LAB").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

impl Place {
    /// A command that will run on this host; one without a namespace is this process's own.
    pub(crate) fn command(&self, program: &str) -> Command {
        if self.space.is_empty() {
            return mortal(program);
        }
        let mut command = mortal("ip");
        command.args(["netns", "exec", &self.space, program]);
        command
    }

    /// Runs a command on this host to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Said {
        run(self.command(program).args(arguments), secs(20))
    }

    /// Drops every packet to and from the other host, at this host.
    pub(crate) fn cut(&self, other: &Self) {
        self.rule("cut", &format!(" saddr {0} drop", other.v4), &format!(" daddr {0} drop", other.v4));
        self.rule6("cut6", &format!(" saddr {0} drop", other.v6), &format!(" daddr {0} drop", other.v6));
    }

    /// Drops what comes from the other host, at this host; what is sent there still arrives.
    #[allow(dead_code, reason = "the cases let packets of one place get lost")]
    pub(crate) fn ignore(&self, other: &Self) {
        let chain = "chain in { type filter hook input priority 0\n";
        self.nft(&format!("table inet deaf {{\n {chain} ip saddr {} drop\n ip6 saddr {} drop\n }}\n}}\n", other.v4, other.v6));
    }

    /// Drops what this host sends to one TCP port of the other, without an answer.
    pub(crate) fn block(&self, other: &Self, port: u16) {
        self.nft(&format!(
            "table inet block {{\n chain out {{ type filter hook output priority 0\n ip daddr {} tcp dport {port} drop\n }}\n}}\n",
            other.v4
        ));
    }

    /// Drops what comes to this host from one TCP port, so that its connections there stay half open.
    pub(crate) fn deafen(&self, port: u16) {
        self.nft(&format!("table inet deaf {{\n chain in {{ type filter hook input priority 0\n tcp sport {port} drop\n }}\n}}\n"));
    }

    /// Undoes [`Place::cut`], [`Place::ignore`], [`Place::block`] and [`Place::deafen`].
    pub(crate) fn mend(&self) {
        for table in ["cut", "cut6", "block", "deaf"] {
            let _ = self.run("nft", &["delete", "table", "inet", table]);
        }
    }

    /// Slows this host's wire and loses a share of what it sends, in percent. Kernels without netem
    /// lose by nft and do not slow: then the answer is false.
    pub(crate) fn impair(&self, delay_ms: u32, loss_percent: u32) -> bool {
        let (delay, loss) = (format!("{delay_ms}ms"), format!("{loss_percent}%"));
        let netem = self.run("tc", &["qdisc", "add", "dev", "eth0", "root", "netem", "delay", &delay, "loss", &loss]);
        if netem.code == Some(0) {
            return true;
        }
        self.nft(&format!(
            "table inet lossy {{\n chain out {{ type filter hook output priority 0\n \
             oifname \"eth0\" numgen random mod 100 < {loss_percent} drop\n }}\n}}\n"
        ));
        false
    }

    /// Counts what links send and receive on this host from now on.
    pub(crate) fn meter(&self) {
        let _ = self.run("nft", &["delete", "table", "inet", "measured"]);
        self.nft(
            "table inet measured {\n counter links {}\n \
             chain out { type filter hook output priority 0\n tcp dport 9630 counter name links\n tcp sport 9630 counter name links\n }\n \
             chain in { type filter hook input priority 0\n tcp dport 9630 counter name links\n tcp sport 9630 counter name links\n }\n}\n",
        );
    }

    /// Bytes counted by [`Place::meter`], headers from IP upwards included.
    pub(crate) fn metered(&self) -> u64 {
        let said = self.run("nft", &["-j", "list", "counter", "inet", "measured", "links"]);
        let value: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_default();
        let counters = value["nftables"].as_array().cloned().unwrap_or_default();
        counters.iter().find_map(|item| item["counter"]["bytes"].as_u64()).unwrap_or_else(|| panic!("no counter: {said:?}"))
    }

    fn rule(&self, table: &str, incoming: &str, outgoing: &str) {
        self.both(table, &format!("ip{incoming}"), &format!("ip{outgoing}"));
    }

    fn rule6(&self, table: &str, incoming: &str, outgoing: &str) {
        self.both(table, &format!("ip6{incoming}"), &format!("ip6{outgoing}"));
    }

    fn both(&self, table: &str, incoming: &str, outgoing: &str) {
        self.nft(&format!(
            "table inet {table} {{\n chain in {{ type filter hook input priority 0\n {incoming}\n }}\n \
             chain out {{ type filter hook output priority 0\n {outgoing}\n }}\n}}\n"
        ));
    }

    fn nft(&self, rules: &str) {
        let file = self.dir.join("rules.nft");
        fs::write(&file, rules).expect("rules are written");
        let said = self.run("nft", &["-f", &file.to_string_lossy()]);
        assert_eq!(said.code, Some(0), "nft refuses\n{rules}{}", said.err);
    }
}

/// Whether namespaces can be made here; tried once, after sweeping what killed runs left behind.
fn possible() -> Result<(), String> {
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    TRIED
        .get_or_init(|| {
            if !nix::unistd::geteuid().is_root() {
                return Err("network namespaces need root".into());
            }
            for program in ["ip", "nft", "nginx", "dbus-daemon", "openssl", "curl", "ping", "setpriv", "timeout"] {
                let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(program).is_file());
                if !found {
                    return Err(format!("{program} is not installed; tests/setup installs it"));
                }
            }
            sweep_stale();
            let space = format!("pwlab{}x0", std::process::id());
            let said = run(mortal("ip").args(["netns", "add", &space]), secs(10));
            let _ = run(mortal("ip").args(["netns", "del", &space]), secs(10));
            if said.code == Some(0) { Ok(()) } else { Err(format!("`ip netns add` fails: {}", said.err.trim())) }
        })
        .clone()
}

/// Removes labs whose process is gone.
fn sweep_stale() {
    let spaces = fs::read_dir("/run/netns").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let folders = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in spaces.chain(folders) {
        let name = name.to_string_lossy().into_owned();
        let Some((id, rest)) = name.strip_prefix("pwlab").and_then(|rest| rest.split_once('x')) else { continue };
        // The command line of a process that has ended, but was not waited for, is empty.
        let gone = || fs::read(Path::new("/proc").join(id).join("cmdline")).map_or(true, |line| line.is_empty());
        if id.parse::<u32>().is_ok() && gone() {
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let tag = format!("pwlab{id}x{number}");
            sweep(&tag);
            let _ = fs::remove_dir_all(std::env::temp_dir().join(&tag));
        }
    }
}

/// Ends what still runs in a lab's namespaces, unmounts what it mounted and removes the namespaces.
fn sweep(tag: &str) {
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let space = entry.file_name().to_string_lossy().into_owned();
        // The digit after the tag of lab 1 would be lab 10's.
        if space.strip_prefix(tag).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) {
            for id in run(mortal("ip").args(["netns", "pids", &space]), secs(10)).out.split_whitespace() {
                let _ = run(mortal("kill").args(["-KILL", id]), secs(10));
            }
            let _ = run(mortal("ip").args(["netns", "del", &space]), secs(10));
        }
    }
    let below = format!("{}/", std::env::temp_dir().join(tag).display());
    for mount in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
        if let Some(place) = mount.split(' ').nth(1).filter(|place| place.starts_with(&below)) {
            let _ = run(mortal("umount").args(["--lazy", place]), secs(10));
        }
    }
}

/// The right to run one lab.
struct Permit;

static AT_WORK: Mutex<usize> = Mutex::new(0);
static LEFT: Condvar = Condvar::new();

impl Permit {
    fn take() -> Self {
        let at_work = AT_WORK.lock().expect("nobody panics while counting labs");
        let mut at_work = LEFT.wait_while(at_work, |at_work| LABS <= *at_work).expect("nobody panics while counting labs");
        *at_work += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *AT_WORK.lock().expect("nobody panics while counting labs") -= 1;
        LEFT.notify_one();
    }
}
