//! `journal`: the journal as a file. The daemon does the work; here it is asked for, followed and printed.
//!
//! A backup goes into a file that is opened here and passed to the daemon, which by itself may write
//! only where its own state is. The file has its name only once it is whole and on the disk.

mod backup;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd as _;

use self::backup::Draft;
use super::client::Client;
use super::table::{Cell, Table, Terminal, Tone, counted, harmless};
use super::{Answer, Flags, Trouble, Work, lines, picture, write};
use crate::base::id::Lane;
use crate::base::size::Size;
use crate::base::time::Span;
use crate::front::json::{Chain, Stats, Verified};

/// The longest that one work may take: a very large journal on a very slow disk. The bus tells if the daemon goes.
const LONGEST: Span = Span::secs(86_400);

/// Does what one of the verbs asks.
pub(super) async fn run(flags: &Flags, work: &Work, terminal: &Terminal) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let client = Client::connect(LONGEST).await?;
    match work {
        Work::Verify => {
            let meter = Meter::new("checked");
            let found = client.verify_journal(network, |done, total| meter.show(done, total)).await;
            drop(meter);
            let found = picture::verified(&found?);
            write(&if flags.json { lines(&found) } else { verified(&found, terminal) })?;
            return Ok(if found.faults.is_empty() { Answer::Yes } else { Answer::No });
        }
        Work::Stats { chains } => {
            let found = picture::stats(client.journal_stats(network).await?);
            write(&if flags.json { lines(&found) } else { stats(&found, *chains, terminal) })?;
        }
        Work::Backup { file, force } => {
            let draft = Draft::new(file, *force)?;
            let meter = Meter::new("written");
            let written = tokio::select! {
                written = client.backup_journal(network, draft.file().as_fd(), |done, total| meter.show(done, total)) => written,
                _ = tokio::signal::ctrl_c() => Err(Trouble::Negative("interrupted; nothing was kept".into())),
            };
            drop(meter);
            let bytes = written?;
            draft.keep(bytes)?;
            let name = file.display().to_string();
            let text = format!("{} is a copy of the journal: {}\n", harmless(&name), Size(bytes));
            write(&if flags.json { lines(&serde_json::json!({ "file": name, "bytes": bytes })) } else { text })?;
        }
        Work::Compact => {
            let meter = Meter::new("compacted");
            let freed = client.compact_journal(network, |done, total| meter.show(done, total)).await;
            drop(meter);
            let bytes = freed?;
            let text = if bytes == 0 { "there was nothing to give back\n".into() } else { format!("{} given back\n", Size(bytes)) };
            write(&if flags.json { lines(&serde_json::json!({ "bytes": bytes })) } else { text })?;
        }
    }
    Ok(Answer::Yes)
}

/// What a look over the whole journal found.
pub(super) fn verified(found: &Verified, terminal: &Terminal) -> String {
    let seen = format!("{} in {}, {}", amount(found.entries, "entry"), amount(found.chains, "chain"), Size(found.bytes));
    if found.faults.is_empty() {
        let text = format!("{seen}: everything is in order");
        return format!("{}\n", terminal.paint(&terminal.mark(&text, Tone::Good), Tone::Good));
    }
    let mut text = String::new();
    for fault in &found.faults {
        text.push_str(&format!("{}\n", terminal.paint(&terminal.mark(&harmless(fault), Tone::Bad), Tone::Bad)));
    }
    if 0 < found.more_faults {
        text.push_str(&format!("and {} more\n", found.more_faults));
    }
    let faults = amount(found.faults.len() as u64 + found.more_faults, "fault");
    text + &format!("{seen}: {faults}\n")
}

/// What the journal takes: in all, by lane, by author, and chain by chain where some differ or all are asked for.
pub(super) fn stats(stats: &Stats, all: bool, terminal: &Terminal) -> String {
    let used = stats.file_bytes + stats.log_bytes;
    let share = if stats.limit_bytes == 0 { 0.0 } else { 100.0 * used as f64 / stats.limit_bytes as f64 };
    let (entries, chains) = (amount(stats.entries, "entry"), amount(stats.chains.len() as u64, "chain"));
    let [file, free, log, limit] = [stats.file_bytes, stats.free_bytes, stats.log_bytes, stats.limit_bytes].map(Size);
    let mut text = format!("{entries} in {chains}, {}; {}\n", Size(stats.entry_bytes), amount(stats.samples, "sample"));
    text.push_str(&format!("database {file}, of which {free} free, and log {log}: {share:.1}% of {limit}\n"));
    let mut lanes = Table::new(&["LANE", "CHAINS", "ENTRIES", "SIZE"]);
    for lane in Lane::ALL.map(Lane::name) {
        let own: Vec<&Chain> = stats.chains.iter().filter(|chain| chain.head.lane == lane).collect();
        lanes.row([vec![Cell::new(lane)], sums(&own)].concat());
    }
    let mut authors = Table::new(&["AUTHOR", "LIVES", "CHAINS", "ENTRIES", "SIZE"]);
    let mut by: BTreeMap<&str, Vec<&Chain>> = BTreeMap::new();
    for chain in &stats.chains {
        by.entry(&chain.head.author).or_default().push(chain);
    }
    for (author, own) in by {
        let lives: BTreeSet<&str> = own.iter().map(|chain| chain.head.incarnation.as_str()).collect();
        authors.row([vec![Cell::new(author), Cell::new(lives.len().to_string())], sums(&own)].concat());
    }
    let mut forks = Table::new(&["FORKED BY", "LANE", "LIFE", "ENDS BEFORE"]);
    for fork in &stats.forks {
        let cells = [&fork.author, &fork.lane, &short(&fork.incarnation), &fork.sequence.to_string()].map(Cell::new);
        forks.row(cells.into());
    }
    let parts = [lanes.lines(terminal), authors.lines(terminal), forks.lines(terminal), each(stats, all, terminal)];
    parts.iter().filter(|part| !part.is_empty()).fold(text, |text, part| format!("{text}\n{part}"))
}

fn sums(chains: &[&Chain]) -> Vec<Cell> {
    let sum = |figure: fn(&Chain) -> u64| chains.iter().map(|chain| figure(chain)).sum::<u64>();
    let (entries, bytes) = (sum(|chain| chain.entries), sum(|chain| chain.bytes));
    vec![Cell::new(chains.len().to_string()), Cell::new(entries.to_string()), Cell::new(Size(bytes).to_string())]
}

/// Chain by chain: all of them, or those of which somebody lacks something.
fn each(stats: &Stats, all: bool, terminal: &Terminal) -> String {
    let mut table = Table::new(&["AUTHOR", "LANE", "LIFE", "FROM", "LAST", "ENTRIES", "SIZE", "LACKED HERE", "LACKED BY"]);
    for chain in stats.chains.iter().filter(|chain| all || !chain.head.behind.is_empty() || 0 < chain.head.missing_entries) {
        let head = &chain.head;
        let behind: Vec<String> = head.behind.iter().map(|behind| format!("{} {}", behind.peer, behind.entries)).collect();
        let missing = (0 < head.missing_entries).then(|| head.missing_entries.to_string());
        table.row(vec![
            Cell::new(&head.author),
            Cell::new(&head.lane),
            Cell::new(short(&head.incarnation)),
            Cell::new(head.base.saturating_add(1).to_string()),
            Cell::new(head.sequence.to_string()),
            Cell::new(chain.entries.to_string()),
            Cell::new(Size(chain.bytes).to_string()),
            missing.map_or_else(|| Cell::new(""), |missing| Cell::toned(missing, Tone::Poor)),
            Cell::new(behind.join(", ")),
        ]);
    }
    table.lines(terminal)
}

/// A life as people tell it from another: its number, and eight digits of its name.
fn short(life: &str) -> String {
    let (opened, name) = life.split_once('.').unwrap_or((life, ""));
    format!("{opened}.{}", name.chars().take(8).collect::<String>())
}

/// `1 entry`, `2 entries`, `2 chains`.
fn amount(number: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if number != 1 => format!("{number} {stem}ies"),
        _ => counted(usize::try_from(number).unwrap_or(usize::MAX), noun),
    }
}

/// A line on standard error that says how far the work is; nothing where nobody looks, and it is gone afterwards.
struct Meter {
    what: &'static str,
    shown: bool,
}

impl Meter {
    fn new(what: &'static str) -> Self {
        Self { what, shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, done: u64, total: u64) {
        if self.shown && 0 < total {
            // Nobody reading is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{:3.0}% {}", 100.0 * done.min(total) as f64 / total as f64, self.what);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
