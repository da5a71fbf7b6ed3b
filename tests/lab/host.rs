//! One host with one `peerwatchd`, a bus of its own, and the faces through which tests look at it.

use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::files::{NETWORK, write};
use crate::net::Place;
use crate::picture::Picture;
use crate::process::{Process, Said, companion, daemon, run, tail};
use crate::wait::{secs, until};

/// A host. Its processes end when it is dropped.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) place: Place,
    daemon: RefCell<Option<Process>>,
    notifications: RefCell<Option<UnixDatagram>>,
    environment: RefCell<Vec<(String, String)>>,
    bus_address: String,
    _bus: Process,
}

impl Host {
    /// A host with a system bus and no daemon yet.
    pub(crate) fn new(name: &str, place: Place) -> Self {
        let (bus, bus_address) = start_bus(&place);
        let run_dir = place.dir.join("run");
        fs::create_dir_all(run_dir).expect("a runtime folder");
        Self {
            name: name.into(),
            place,
            daemon: RefCell::new(None),
            notifications: RefCell::new(None),
            environment: RefCell::new(Vec::new()),
            bus_address,
            _bus: bus,
        }
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.place.dir.join("peerwatch.toml")
    }

    /// The network's definition.
    pub(crate) fn definition(&self) -> PathBuf {
        self.place.dir.join("networks").join(NETWORK).join("network.toml")
    }

    /// The public key of a member, as this host has it.
    pub(crate) fn public_key(&self, node: &str) -> PathBuf {
        self.place.dir.join("networks").join(NETWORK).join("keys").join(format!("{node}.pub"))
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.place.dir.join("state")
    }

    /// This node's secret key.
    pub(crate) fn secret_key(&self) -> PathBuf {
        self.state().join(NETWORK).join("node.key")
    }

    /// What the daemon logged, all starts together.
    pub(crate) fn log(&self) -> String {
        fs::read(self.log_file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.place.dir.join("peerwatchd.log")
    }

    /// A command on this host that knows its bus.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.place.command(program);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus_address).env("NO_COLOR", "1").env("HOME", &self.place.dir);
        command
    }

    /// The daemon's command line, with the files of this host.
    pub(crate) fn peerwatchd(&self) -> Command {
        let mut command = self.command(&daemon().to_string_lossy());
        command.arg("--config").arg(self.config()).arg("--state").arg(self.state());
        command.env("RUNTIME_DIRECTORY", self.place.dir.join("run"));
        command.envs(self.environment.borrow().iter().cloned());
        if self.notifications.borrow().is_some() {
            command.env("NOTIFY_SOCKET", self.place.dir.join("notify")).env("WATCHDOG_USEC", "4000000");
        }
        command
    }

    /// Gives the daemon one more variable, from its next start on.
    #[allow(dead_code, reason = "the cases set what a program is started with")]
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.environment.borrow_mut().push((name.into(), value.into()));
    }

    /// Starts the daemon; the answer comes before it is ready.
    #[track_caller]
    pub(crate) fn start(&self) {
        assert!(self.daemon.borrow().is_none(), "the daemon of {} runs already", self.name);
        let process = Process::start(&format!("peerwatchd of {}", self.name), &mut self.peerwatchd(), &self.log_file());
        *self.daemon.borrow_mut() = Some(process);
    }

    /// Sends a signal to the daemon.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        self.daemon.borrow().as_ref().unwrap_or_else(|| panic!("no daemon on {}", self.name)).signal(signal);
    }

    /// Ends the daemon by a signal and waits for its end.
    #[track_caller]
    pub(crate) fn end(&self, signal: Signal) -> ExitStatus {
        let daemon = self.daemon.borrow_mut().take().unwrap_or_else(|| panic!("no daemon on {}", self.name));
        daemon.end(signal, secs(20))
    }

    /// Fails the test if the daemon has ended by itself.
    #[track_caller]
    pub(crate) fn must_run(&self) {
        if let Some(status) = self.daemon.borrow_mut().as_mut().and_then(Process::ended) {
            panic!("peerwatchd of {} ended by itself: {status}", self.name);
        }
    }

    /// The daemon's process id.
    pub(crate) fn id(&self) -> u32 {
        self.daemon.borrow().as_ref().map_or(0, Process::id)
    }

    /// Runs `peerwatchctl` here.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> Said {
        run(self.command(&companion().to_string_lossy()).args(arguments), secs(75))
    }

    /// What `peerwatchctl` prints with `--json`, read; a negative answer is an answer.
    pub(crate) fn ctl_json(&self, arguments: &[&str]) -> Result<Value, String> {
        let said = self.ctl(arguments);
        if !matches!(said.code, Some(0 | 1)) {
            return Err(format!("{}: peerwatchctl {} exits with {:?}: {}", self.name, arguments.join(" "), said.code, said.err));
        }
        serde_json::from_str(&said.out).map_err(|error| format!("{}: no JSON ({error}): {}", self.name, said.out))
    }

    /// Fetches a page of this host's own web server.
    pub(crate) fn page(&self, path: &str) -> Result<String, String> {
        let url = format!("http://127.0.0.1:9631{path}");
        let said = self.place.run("curl", &["--silent", "--show-error", "--fail", "--max-time", "5", &url]);
        if said.code == Some(0) { Ok(said.out) } else { Err(format!("{}: {url}: {}", self.name, said.err.trim())) }
    }

    /// The whole network as this host's web server shows it.
    pub(crate) fn picture(&self) -> Result<Picture, String> {
        self.must_run();
        Picture::read(&self.page("/api/v1/state")?)
    }

    /// Listens to what the daemon tells its service manager, from the next start on.
    pub(crate) fn expect_notifications(&self) {
        let socket = UnixDatagram::bind(self.place.dir.join("notify")).expect("a socket for notifications");
        socket.set_read_timeout(Some(secs(1))).expect("a timeout");
        *self.notifications.borrow_mut() = Some(socket);
    }

    /// Waits for a notification with this line and returns all that came until then, one datagram each.
    #[track_caller]
    pub(crate) fn notified(&self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        let socket = self.notifications.borrow();
        let socket = socket.as_ref().expect("nobody listens");
        until(&format!("{} says {line}", self.name), secs(30), || {
            let mut bytes = [0; 4096];
            let length = socket.recv(&mut bytes).map_err(|_| format!("it said {before:?}"))?;
            before.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            let found = before.last().is_some_and(|datagram| datagram.lines().any(|each| each == line));
            if found { Ok(before.clone()) } else { Err(format!("it said {before:?}")) }
        })
    }

    /// Processor time of the daemon so far, in hundredths of a second.
    pub(crate) fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the daemon runs");
        // The second field is the name in parentheses and may hold blanks.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")
    }

    /// Resident memory of the daemon in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().expect("a size")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of what peerwatchd of {} logged ---\n{}", self.name, tail(&self.log_file(), 60));
        }
    }
}

/// A system bus on which everybody may do everything.
fn start_bus(place: &Place) -> (Process, String) {
    let socket = place.dir.join("bus");
    let config = place.dir.join("bus.conf");
    write(&config, &bus_config(&socket));
    let mut command = place.command("dbus-daemon");
    command.args(["--nofork", "--nopidfile", "--print-address", "--config-file"]).arg(&config);
    let bus = Process::start("dbus-daemon", &mut command, &place.dir.join("bus.log"));
    let log = place.dir.join("bus.log");
    let address = until("the bus is there", secs(10), || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        said.lines().find(|line| line.starts_with("unix:path=")).map(String::from).ok_or(said)
    });
    (bus, address)
}

fn bus_config(socket: &Path) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
         <busconfig>\n <type>system</type>\n <listen>unix:path={}</listen>\n <auth>EXTERNAL</auth>\n \
         <policy context=\"default\">\n  <allow user=\"*\"/>\n  <allow own=\"*\"/>\n  \
         <allow send_destination=\"*\" eavesdrop=\"true\"/>\n  <allow eavesdrop=\"true\"/>\n </policy>\n</busconfig>\n",
        socket.display()
    )
}
