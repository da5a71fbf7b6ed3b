//! The benchmark: `cargo bench --locked --bench peerwatch [-- [--full] [NAME...]]`.
//!
//! It measures real release daemons on one host, which is this process's own network namespace, and the
//! library where a daemon would only be in the way. Nothing is asserted: a machine that is busy gives
//! worse figures, not failures. Where there is something to compare with, measured in the same run or
//! promised by the design, it stands beside the figure, with the ratio of both.
//!
//! Without `--full` everything is small enough for a look; with it, sizes are those of the design. It
//! needs root, as the lab does, and leaves nothing behind.

#![allow(dead_code, reason = "the lab's tools are more than a benchmark needs")]

#[path = "../lab/files.rs"]
mod files;
#[path = "../lab/fleet.rs"]
mod fleet;
#[path = "../lab/journal.rs"]
mod journal;
#[path = "../lab/net.rs"]
mod net;
#[path = "../lab/picture.rs"]
mod picture;
#[path = "../lab/process.rs"]
mod process;
#[path = "../lab/wait.rs"]
mod wait;

mod clock;
mod disk;
mod line;
mod many;
mod table;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::net::Place;
use crate::table::Table;

/// How large things are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Entries that one daemon catches up with.
    pub(crate) catch_up: usize,
    /// Entries of a journal that is started with.
    pub(crate) start: usize,
    /// Changes that are followed through a line of daemons.
    pub(crate) changes: usize,
    /// Nodes of an idle network.
    pub(crate) idle: &'static [usize],
    /// Seconds for which it is watched.
    pub(crate) watched: u64,
}

const SMALL: Sizes = Sizes { catch_up: 20_000, start: 50_000, changes: 40, idle: &[20], watched: 20 };
const FULL: Sizes = Sizes { catch_up: 100_000, start: 1_000_000, changes: 300, idle: &[20, 200], watched: 60 };

type Measurement = fn(&Sizes, &Place, &mut Table);

const ALL: [(&str, Measurement); 5] =
    [("commits", disk::commits), ("start", disk::start), ("catch-up", disk::catch_up), ("line", line::line), ("idle", many::idle)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let sizes = if arguments.iter().any(|argument| argument == "--full") { FULL } else { SMALL };
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = names.iter().find(|name| ALL.iter().all(|(known, _)| known != *name)) {
        eprintln!("there is no measurement {unknown}; there are {}", ALL.map(|(name, _)| name).join(", "));
        return ExitCode::FAILURE;
    }
    if std::env::var_os(INSIDE).is_none() {
        return enter();
    }
    process::must("ip", &["link", "set", "lo", "up"]);
    let folder = tempfile::Builder::new().prefix("peerwatch-bench").tempdir().expect("a folder");
    let mut table = Table::default();
    for (name, measure) in ALL.iter().filter(|(known, _)| names.is_empty() || names.iter().any(|name| *name == known)) {
        let dir = folder.path().join(name);
        std::fs::create_dir_all(&dir).expect("a folder");
        eprintln!("measuring {name}");
        measure(&sizes, &Place { space: String::new(), v4: "127.0.0.1".into(), v6: "::1".into(), dir: dir.clone() }, &mut table);
        let _ = std::fs::remove_dir_all(dir);
    }
    print!("{table}");
    ExitCode::SUCCESS
}

/// Set for the process that has a network namespace of its own.
const INSIDE: &str = "PEERWATCH_BENCH_INSIDE";

/// Starts this program again in a network of its own, so that no port and no address is anybody else's.
fn enter() -> ExitCode {
    let own = std::env::current_exe().expect("this program has a path");
    let error = Command::new("unshare").arg("--net").arg("--").arg(own).args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
    eprintln!("unshare: {error}");
    ExitCode::FAILURE
}
