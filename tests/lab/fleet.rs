//! Many daemons on one host: each with an address of its own on the loopback of one namespace, a state
//! directory of its own, and no bus and no targets but the other nodes.
//!
//! Which node knows the address of which is the caller's choice, so that a fleet may be a full mesh or
//! a line. A fleet is looked at through the web face, all nodes in one sweep, and through `/proc`.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::files::{NETWORK, make_key, write};
use crate::net::Place;
use crate::process::{Process, daemon, run, tail};
use crate::wait::secs;

/// The id of every fleet's network.
pub(crate) const NETWORK_ID: &str = "home-fleet";

/// Many daemons. They are killed when it is dropped.
pub(crate) struct Fleet {
    place: Place,
    members: Vec<Member>,
}

struct Member {
    name: String,
    address: Ipv4Addr,
    process: RefCell<Option<Process>>,
}

/// Memory of one process in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Everything of it that is in memory, the program's text included.
    pub(crate) resident: u64,
    /// The same, with each page divided by the number of processes that share it.
    pub(crate) proportional: u64,
    /// What it has allocated itself.
    pub(crate) own: u64,
}

impl Fleet {
    /// Writes keys and files for `count` nodes, `n0` to the last. `knows(i, j)` says whether `i` is
    /// told the address of `j`; `more` is further text of the network's definition.
    pub(crate) fn new(place: Place, count: usize, knows: impl Fn(usize, usize) -> bool, more: &str) -> Self {
        let member = |number: usize| {
            let number = u32::try_from(number).expect("so many nodes are none") + 1;
            Member { name: format!("n{}", number - 1), address: Ipv4Addr::from(0x7f01_0000 + number), process: RefCell::new(None) }
        };
        let fleet = Self { place, members: (0..count).map(member).collect() };
        for number in 0..count {
            make_key(&fleet.state(number).join(NETWORK).join("node.key"), &fleet.public_key(number));
        }
        for number in 0..count {
            fleet.write_files(number, |other| knows(number, other), more);
        }
        fleet
    }

    /// How many nodes there are, running or not.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The state directory of one node.
    pub(crate) fn state(&self, number: usize) -> PathBuf {
        self.folder(number).join("state")
    }

    /// Where one node keeps the proof of its continuity.
    pub(crate) fn runtime(&self, number: usize) -> PathBuf {
        self.folder(number).join("run")
    }

    /// The host that all of them are on.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// The address of one node's web face.
    pub(crate) fn web(&self, number: usize) -> String {
        format!("{}:9631", self.members[number].address)
    }

    /// Starts one daemon.
    pub(crate) fn start(&self, number: usize) {
        let folder = self.folder(number);
        fs::create_dir_all(self.runtime(number)).expect("a runtime folder");
        let mut command = self.place.command(&daemon().to_string_lossy());
        command.arg("--config").arg(folder.join("peerwatch.toml")).arg("--state").arg(self.state(number));
        command.env("RUNTIME_DIRECTORY", self.runtime(number)).env("NO_COLOR", "1");
        // As the unit has it.
        command.env("MALLOC_ARENA_MAX", "2");
        // A bus that is not there: the machine's own is none of the lab's business.
        command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", folder.join("no-bus").display()));
        let process = Process::start(&self.members[number].name, &mut command, &folder.join("peerwatchd.log"));
        *self.members[number].process.borrow_mut() = Some(process);
    }

    /// Ends one daemon by a signal.
    pub(crate) fn end(&self, number: usize, signal: Signal) {
        let process = self.members[number].process.borrow_mut().take();
        process.unwrap_or_else(|| panic!("n{number} does not run")).end(signal, secs(30));
    }

    /// How one daemon ended by itself, if it did.
    pub(crate) fn ended(&self, number: usize) -> Option<ExitStatus> {
        self.members[number].process.borrow_mut().as_mut().and_then(Process::ended)
    }

    /// Fails if any daemon that was started has ended by itself.
    #[track_caller]
    pub(crate) fn must_run(&self) {
        for (number, member) in self.members.iter().enumerate() {
            if let Some(status) = member.process.borrow_mut().as_mut().and_then(Process::ended) {
                panic!("{} ended by itself: {status}\n{}", member.name, self.log(number));
            }
        }
    }

    /// The end of what one daemon logged.
    pub(crate) fn log(&self, number: usize) -> String {
        tail(&self.folder(number).join("peerwatchd.log"), 20)
    }

    /// One path of the web face of each node that runs, all in one sweep; none where there is no answer.
    pub(crate) fn pages(&self, path: &str) -> Vec<Option<Value>> {
        let file = |number: usize| self.folder(number).join("page.json");
        let mut list = String::from("silent\nfail\nmax-time = 60\nparallel\nparallel-max = 4\n");
        for number in self.running() {
            let _ = fs::remove_file(file(number));
            let _ = write!(list, "url = \"http://{}{path}\"\noutput = \"{}\"\n", self.web(number), file(number).display());
        }
        let config = self.place.dir.join("pages.curl");
        write(&config, &list);
        let _ = run(self.place.command("curl").arg("--config").arg(&config), Duration::from_secs(240));
        let read = |number: usize| serde_json::from_slice(&fs::read(file(number)).ok()?).ok();
        (0..self.len()).map(read).collect()
    }

    /// Memory of one daemon.
    pub(crate) fn memory(&self, number: usize) -> Memory {
        let folder = format!("/proc/{}", self.id(number));
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(format!("{folder}/{file}")).expect("the daemon runs");
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().expect("a size in kB")
        };
        Memory { resident: field("status", "VmRSS:"), proportional: field("smaps_rollup", "Pss:"), own: field("status", "RssAnon:") }
    }

    /// Processor time of one daemon so far, in hundredths of a second.
    pub(crate) fn ticks(&self, number: usize) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id(number))).expect("the daemon runs");
        // The second field is the name in parentheses and may hold blanks.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")
    }

    /// Those that were started and not ended.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.len()).filter(|number| self.members[*number].process.borrow().is_some()).collect()
    }

    fn id(&self, number: usize) -> u32 {
        self.members[number].process.borrow().as_ref().map_or(0, Process::id)
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.place.dir.join(&self.members[number].name)
    }

    /// All nodes read their keys from one folder, so that a fleet of 200 needs no 40,000 files.
    fn public_key(&self, number: usize) -> PathBuf {
        self.place.dir.join("keys").join(format!("{}.pub", self.members[number].name))
    }

    fn write_files(&self, number: usize, knows: impl Fn(usize) -> bool, more: &str) {
        let folder = self.folder(number);
        let Member { name, address, .. } = &self.members[number];
        let host = format!(
            "[node]\nname = \"{name}\"\n\n[listen]\nmesh = \"{address}:9630\"\nweb = \"{address}:9631\"\n\n\
             [[network]]\nname = \"{NETWORK}\"\n"
        );
        write(&folder.join("peerwatch.toml"), &host);
        let mut network = format!("id = \"{NETWORK_ID}\"\n");
        for (other, member) in self.members.iter().enumerate() {
            let _ = write!(network, "\n[[node]]\nname = \"{}\"\n", member.name);
            if knows(other) {
                let _ = writeln!(network, "address = [\"{}:9630\"]", member.address);
            }
        }
        network.push_str(more);
        let networks = folder.join("networks").join(NETWORK);
        write(&networks.join("network.toml"), &network);
        std::os::unix::fs::symlink(self.place.dir.join("keys"), networks.join("keys")).expect("a link to the keys");
    }
}
