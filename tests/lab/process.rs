//! Processes that the lab starts: each writes to a log, dies with the test that started it, and can
//! be signalled. Only processes started here are ever signalled, by their own id.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{secs, until};

/// A running process. Killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code; none when it was killed, 124 when it took too long.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Process {
    /// Starts a command whose both outputs are appended to `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = append(log);
        let other = file.try_clone().expect("a log can be shared");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(other).spawn();
        Self { name: name.into(), child: child.unwrap_or_else(|error| panic!("{name} does not start: {error}")) }
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. A process that is gone already is an error of the test.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(id, signal).unwrap_or_else(|error| panic!("{} cannot be sent {signal}: {error}", self.name));
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Sends a signal that ends it and waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self, signal: Signal, within: Duration) -> ExitStatus {
        self.signal(signal);
        let name = self.name.clone();
        until(&format!("{name} ends after {signal}"), within, || self.ended().ok_or_else(|| "it goes on".into()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that dies with the thread that starts it and inherits nothing but the search path.
pub(crate) fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap_or_else(|_| "/usr/sbin:/usr/bin:/sbin:/bin".into()));
    command
}

/// Runs a command to its end, for at most `within`, and returns what it said.
pub(crate) fn run(command: &Command, within: Duration) -> Said {
    let mut bounded = Command::new("timeout");
    bounded.args(["--kill-after=2", &within.as_secs().to_string()]).arg(command.get_program()).args(command.get_args());
    bounded.env_clear().stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            bounded.env(name, value);
        }
    }
    let output = bounded.output().unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a program of this machine, outside the lab's hosts, that must succeed.
#[track_caller]
pub(crate) fn must(program: &str, arguments: &[&str]) -> String {
    let said = run(mortal(program).args(arguments), secs(30));
    assert_eq!(said.code, Some(0), "{program} {}: {}{}", arguments.join(" "), said.out, said.err);
    said.out
}

/// The daemon under test: what was built with this test, or what lies in `PEERWATCH_PROGRAMS`.
pub(crate) fn daemon() -> PathBuf {
    chosen("peerwatchd", env!("CARGO_BIN_EXE_peerwatchd"))
}

/// Its companion.
pub(crate) fn companion() -> PathBuf {
    chosen("peerwatchctl", env!("CARGO_BIN_EXE_peerwatchctl"))
}

fn chosen(name: &str, built: &str) -> PathBuf {
    std::env::var_os("PEERWATCH_PROGRAMS").map_or_else(|| built.into(), |folder| PathBuf::from(folder).join(name))
}

/// A file to append to.
fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The last lines of a log, for a failed test.
pub(crate) fn tail(path: &PathBuf, lines: usize) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
