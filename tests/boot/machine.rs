//! A booted machine: systemd-nspawn on a root that is not written to, in a cgroup of its own.
//!
//! It needs a kernel with a cgroup2 hierarchy that root may write to, mounted anywhere: systemd as pid 1, or
//! another container with the old hierarchies beside it, will do. systemd from 256 on refuses the old hierarchies, so
//! the machine is told to use the new one alone. Its processes are in a pid namespace that dies with the test's
//! thread, and in a cgroup that is killed when the machine is dropped; both end whatever runs in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex};

use nix::unistd::Uid;

use crate::packages::packages;
use crate::process::{Process, Said, mortal, run, tail};
use crate::root::Debian;
use crate::wait::{holds, secs, until};

/// Machines at once: each holds a daemon.
const MACHINES: u8 = 2;

/// A machine that is up. It ends when it is dropped.
pub(crate) struct Machine {
    /// Where the host keeps what is of this machine.
    dir: PathBuf,
    cgroups: Vec<PathBuf>,
    /// Its first process, as the host counts.
    leader: u32,
    process: Option<Process>,
    _permit: Permit,
}

impl Machine {
    /// Boots, or says why not and returns nothing: then the test ends there. The packages are in `/packages`.
    pub(crate) fn boot(test: &str, debian: Debian) -> Option<Self> {
        let root = match possible().and_then(|()| debian.root()) {
            Ok(root) => root,
            Err(why) => {
                let required =
                    ["CI", "PEERWATCH_REQUIRE_LAB"].iter().any(|name| matches!(std::env::var(name).as_deref(), Ok("true" | "1")));
                assert!(!required, "booting is required here, but {why}");
                // Not `eprintln!`: this must be seen although the test passes.
                let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
                return None;
            }
        };
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let permit = Permit::take();
        let name = format!("pwboot{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        sweep();
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).expect("a folder for the machine");
        let cgroups: Vec<PathBuf> = hierarchies().iter().map(|hierarchy| hierarchy.join(&name)).collect();
        fs::create_dir(&cgroups[0]).expect("a cgroup for the machine");

        let mut command = mortal("sh");
        command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        command.args(["-c", "echo $$ >\"$1\" && shift && exec \"$@\"", "sh", &cgroups[0].join("cgroup.procs").to_string_lossy()]);
        command.args(["unshare", "--pid", "--mount-proc", "--fork", "--kill-child=KILL"]);
        command.args(["systemd-nspawn", "--quiet", "--boot", "--volatile=overlay", "--private-network", "--resolv-conf=off"]);
        command.args(["--register=no", "--keep-unit", "--console=pipe", "--kill-signal=SIGRTMIN+3"]);
        command.arg(format!("--machine={name}")).arg(format!("--directory={}", root.display()));
        command.arg(format!("--bind-ro={}:/packages", packages().display()));
        let process = Process::start(&name, &mut command, &dir.join("console"));
        let mut machine = Self { dir, cgroups, leader: 0, process: Some(process), _permit: permit };
        machine.wait_for_boot();
        Some(machine)
    }

    fn wait_for_boot(&mut self) {
        let first = self.cgroups[0].join("payload/init.scope/cgroup.procs");
        let console = self.dir.join("console");
        let process = self.process.as_mut().expect("a started machine");
        self.leader = until("the machine has a first process", secs(60), || {
            let ended = process.ended();
            assert!(ended.is_none(), "the machine ended with {ended:?}:\n{}", tail(&console, 40));
            let text = fs::read_to_string(&first).unwrap_or_default();
            text.lines().next().and_then(|line| line.parse().ok()).ok_or_else(|| "not yet".into())
        });
        until("the machine is up", secs(90), || {
            let said = self.run("systemctl is-system-running");
            holds(said.out.trim() == "running", || {
                format!("{said:?}\n{}", self.run("systemctl --failed --no-pager; systemctl list-jobs").out)
            })
        });
    }

    /// Runs a script in the machine as its root.
    pub(crate) fn run(&self, script: &str) -> Said {
        run(&self.command(script), secs(100))
    }

    /// Runs a script that must succeed, and returns what it printed.
    #[track_caller]
    pub(crate) fn must(&self, script: &str) -> String {
        let said = self.run(script);
        assert_eq!(said.code, Some(0), "{script}\n{}{}", said.out, said.err);
        said.out.trim().to_owned()
    }

    /// Writes a file in the machine, and the folders above it.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        self.must(&format!("mkdir -p \"$(dirname '{path}')\" && cat >'{path}' <<'end of file'\n{text}\nend of file"));
    }

    /// One property of the service.
    #[track_caller]
    pub(crate) fn property(&self, name: &str) -> String {
        self.must(&format!("systemctl show --property={name} --value peerwatchd.service"))
    }

    /// Waits until a property of the service has this value.
    #[track_caller]
    pub(crate) fn becomes(&self, name: &str, value: &str, within: u64) {
        until(&format!("{name} is {value}"), secs(within), || {
            let is = self.property(name);
            holds(is == value, || format!("it is {is}"))
        });
    }

    fn command(&self, script: &str) -> Command {
        let mut command = mortal("nsenter");
        command.args(["--target", &self.leader.to_string(), "--all", "--"]);
        command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]);
        command.args(["sh", "-euc", script]);
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.leader != 0 {
            let journal = self.run("systemctl --no-pager --lines=0 status peerwatchd; journalctl --no-pager --lines=60");
            eprintln!("-- the machine's journal\n{}{}-- its console\n{}", journal.out, journal.err, tail(&self.dir.join("console"), 20));
        }
        for cgroup in &self.cgroups {
            clear(cgroup);
        }
        drop(self.process.take());
        for cgroup in &self.cgroups {
            remove(cgroup);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Whether machines can be booted here.
fn possible() -> Result<(), String> {
    if !Uid::effective().is_root() {
        return Err("booting a machine needs root".into());
    }
    for program in ["systemd-nspawn", "mmdebstrap", "nsenter", "unshare", "dpkg-buildpackage"] {
        if run(mortal("sh").args(["-c", &format!("command -v {program}")]), secs(10)).code != Some(0) {
            return Err(format!("{program} is missing; tests/setup installs it"));
        }
    }
    if hierarchies().is_empty() {
        return Err("no cgroup2 hierarchy is mounted".into());
    }
    Ok(())
}

/// Where cgroup2 is mounted, and the old hierarchy in which nspawn keeps the same names beside it.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = |wanted: &dyn Fn(&str, &str) -> bool| -> Vec<PathBuf> {
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        fields.filter(|field| 3 < field.len() && wanted(field[2], field[3])).map(|field| PathBuf::from(field[1])).collect()
    };
    let mut found = of(&|kind, _| kind == "cgroup2");
    found.truncate(1);
    if !found.is_empty() {
        found.extend(of(&|kind, options| kind == "cgroup" && options.split(',').any(|option| option == "name=systemd")));
    }
    found
}

/// Ends every process of a cgroup.
fn clear(cgroup: &Path) {
    let _ = fs::write(cgroup.join("cgroup.kill"), "1");
}

/// Removes an empty cgroup and those in it, as soon as its processes are gone.
fn remove(cgroup: &Path) {
    let name = cgroup.to_string_lossy().into_owned();
    for _ in 0..20 {
        run(mortal("find").args([&name, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]), secs(10));
        if !cgroup.exists() {
            return;
        }
        run(mortal("sleep").arg("0.1"), secs(2));
    }
}

/// Removes what a killed run left behind: cgroups and folders whose process is gone.
fn sweep() {
    let folders = hierarchies().into_iter().chain([std::env::temp_dir()]);
    for entry in folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((id, _)) = name.strip_prefix("pwboot").and_then(|rest| rest.split_once('x')) else { continue };
        if id.bytes().all(|byte| byte.is_ascii_digit()) && !Path::new("/proc").join(id).exists() {
            clear(&entry.path());
            remove(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The right to run a machine.
struct Permit;

static FREE: Mutex<u8> = Mutex::new(MACHINES);
static RETURNED: Condvar = Condvar::new();

impl Permit {
    fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut free = RETURNED.wait_while(free, |free| *free == 0).unwrap_or_else(std::sync::PoisonError::into_inner);
        *free -= 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        RETURNED.notify_one();
    }
}
