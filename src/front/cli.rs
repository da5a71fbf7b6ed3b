//! peerwatchctl: asks the daemon on the bus and prints what it says.
//!
//! Each verb is one call, one function from views to text, one write. `watch` goes on until it is
//! interrupted. Nothing is decided here, and nothing is read but the bus, the clock and a few
//! environment variables that say what the terminal can do.

mod client;
mod incident;
mod intent;
mod journal;
mod kv;
mod node;
mod notify;
mod picture;
mod print;
mod status;
mod table;
mod watch;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use futures_util::StreamExt;
use serde::Serialize;

use self::client::Client;
use self::table::Terminal;
use crate::base::limits;
use crate::base::time::{Now, Span};
use crate::base::view::View;
use crate::front::json;

/// The command line; peerwatchctl(1) describes it.
#[derive(Debug, Parser)]
#[command(name = "peerwatchctl", version, about = "Shows what hosts that watch each other see", max_term_width = 100)]
struct Flags {
    /// Only this network; all are shown without
    #[arg(long, global = true, value_name = "NAME")]
    network: Option<String>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// Print tables without their first line
    #[arg(long, global = true)]
    no_headers: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// How it stands: the verdict, open incidents, and what else is not as it should be
    Status,
    /// The nodes and how present they are
    Nodes {
        /// Only this one, at length, with its links
        name: Option<String>,
        /// Clocks, lives, and what went over the links to them
        #[arg(long, short, conflicts_with = "name")]
        verbose: bool,
    },
    /// The targets and how they stand
    Targets,
    /// Incidents, open ones first
    Incidents {
        /// Leave closed ones out
        #[arg(long)]
        open: bool,
    },
    /// What happened, newest first: opened, closed, told, failed, acknowledged, silenced
    Events {
        /// At most so many, 1 to 500
        #[arg(long, short = 'n', default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
        most: u32,
    },
    /// Say that somebody sees to an incident: nobody is reminded of it any more (root only)
    Ack {
        /// Its name, as shop#3, or its target
        incident: String,
        /// Why or what is done, for people: one line
        #[arg(long, default_value = "", value_name = "TEXT")]
        reason: String,
    },
    /// Tell nothing new of some targets for a while (root only)
    Silence(incident::Silence),
    /// Print a line for each change until interrupted
    Watch,
    /// Every node pings a host now (root only)
    Ping {
        /// Name or address
        host: String,
        /// Echo requests from each node, 1 to 20
        #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=20))]
        count: u16,
        /// How long to wait for answers, at most 1m
        #[arg(long, default_value = "5s", value_name = "TIME", value_parser = patience)]
        timeout: Span,
    },
    /// The way to a node over the links that there are now, and each hop's time (root only)
    Trace {
        /// Name of the node
        node: String,
        /// How long to wait for its answer, at most 1m
        #[arg(long, default_value = "5s", value_name = "TIME", value_parser = patience)]
        timeout: Span,
    },
    /// The key/value store: get, put, delete, batch, list, search, watch
    Kv {
        #[command(subcommand)]
        verb: kv::Verb,
    },
    /// How people are told: send an example
    Notify {
        #[command(subcommand)]
        verb: notify::Verb,
    },
    /// Actions that one node performs for all
    Intent {
        #[command(subcommand)]
        verb: intent::Verb,
    },
    /// End a node's membership, because its key may be in wrong hands (root only, on an admin node)
    Revoke {
        /// Its name, or its key in hexadecimal
        node: String,
        /// Why, for people: one line
        #[arg(long, default_value = "", value_name = "TEXT")]
        reason: String,
    },
    /// Who belongs to a network
    Network {
        #[command(subcommand)]
        change: Change,
    },
    /// The journal as a file: check it, measure it, copy it, make it smaller
    Journal {
        #[command(subcommand)]
        work: Work,
    },
}

#[derive(Debug, Subcommand)]
enum Change {
    /// End the membership of a node that will not return (root only, on an admin node)
    Retire {
        /// Its name, or its key in hexadecimal
        node: String,
        /// Why, for people: one line
        #[arg(long, default_value = "", value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Read all of it and check all that can be checked (root only)
    Verify,
    /// What it takes on the disk, and who lacks some of it
    Stats {
        /// Also a line for each chain
        #[arg(long)]
        chains: bool,
    },
    /// Write a copy into a file, readable only by you (root only)
    Backup {
        /// Where
        file: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Give free space back to the file system (root only)
    Compact,
}

/// Why there is nothing to print, or what there was says no.
#[derive(Debug)]
enum Trouble {
    /// The answer is no, and why.
    Negative(String),
    /// The question makes no sense.
    Usage(String),
    /// The daemon cannot be reached.
    Unreachable(String),
    /// Nobody reads, or the output cannot be written.
    Output(std::io::Error),
}

/// How a verb that was answered ends.
enum Answer {
    Yes,
    No,
    /// As a command ended that was run.
    Code(u8),
}

/// Runs peerwatchctl; `clock` says what time it is.
#[must_use]
pub fn main(clock: fn() -> Now) -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            // Nobody may be reading; the exit code says it all.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(&flags, clock)),
        Err(error) => Err(Trouble::Unreachable(error.to_string())),
    };
    match ended {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Ok(Answer::Code(code)) => ExitCode::from(code),
        Err(trouble) => complain(&trouble),
    }
}

fn complain(trouble: &Trouble) -> ExitCode {
    let (text, code) = match trouble {
        Trouble::Output(error) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Trouble::Output(error) => (format!("cannot write: {error}"), 1),
        Trouble::Negative(why) => (why.clone(), 1),
        Trouble::Usage(why) => (why.clone(), 2),
        Trouble::Unreachable(why) => {
            (format!("cannot reach peerwatchd on the system bus: {why}; is it running? (systemctl status peerwatchd)"), 3)
        }
    };
    let _ = writeln!(std::io::stderr(), "peerwatchctl: {}", table::harmless(&text));
    ExitCode::from(code)
}

async fn run(flags: &Flags, clock: fn() -> Now) -> Result<Answer, Trouble> {
    let terminal = terminal(flags, clock);
    match &flags.verb {
        Verb::Ping { host, count, timeout } => return ping(flags, host, *count, *timeout, &terminal).await,
        Verb::Trace { node, timeout } => return trace(flags, node, *timeout, &terminal).await,
        Verb::Revoke { node, reason } => return revoke(flags, node, reason, false).await,
        Verb::Network { change: Change::Retire { node, reason } } => return revoke(flags, node, reason, true).await,
        Verb::Journal { work } => return journal::run(flags, work, &terminal).await,
        Verb::Watch => return watch(flags, clock, &terminal).await,
        Verb::Ack { incident, reason } => return incident::acknowledge(flags, incident, reason).await,
        Verb::Silence(silence) => return incident::silence(flags, silence, &terminal).await,
        Verb::Events { most } => return incident::events(flags, *most, &terminal).await,
        Verb::Kv { verb } => return kv::run(flags, verb, clock, &terminal).await,
        Verb::Notify { verb } => return notify::run(flags, verb, &terminal).await,
        Verb::Intent { verb } => return intent::run(flags, verb).await,
        _ => {}
    }
    let views = chosen(flags, picture::views(&Client::connect(Span::ZERO).await?.objects().await?))?;
    let text = match &flags.verb {
        Verb::Status if flags.json => lines(&views.iter().map(json::status).collect::<Vec<_>>()),
        Verb::Status => status::status(&views, &terminal),
        Verb::Nodes { name: Some(name), .. } => return one_node(flags, &views, name, &terminal),
        Verb::Nodes { .. } if flags.json => by_network(&views, "nodes", json::nodes),
        Verb::Nodes { verbose: true, .. } => node::verbose(&views, &terminal),
        Verb::Nodes { .. } => print::nodes(&views, &terminal),
        Verb::Targets if flags.json => by_network(&views, "targets", json::targets),
        Verb::Targets => print::targets(&views, &terminal),
        Verb::Incidents { open } if flags.json => by_network(&views, "incidents", |view| {
            let all = json::incidents(view);
            all.into_iter().filter(|incident| incident.open || !open).collect::<Vec<_>>()
        }),
        Verb::Incidents { open } => print::incidents(&views, *open, &terminal),
        Verb::Watch
        | Verb::Ack { .. }
        | Verb::Silence(_)
        | Verb::Events { .. }
        | Verb::Ping { .. }
        | Verb::Trace { .. }
        | Verb::Kv { .. }
        | Verb::Notify { .. }
        | Verb::Intent { .. }
        | Verb::Journal { .. }
        | Verb::Revoke { .. }
        | Verb::Network { .. } => String::new(),
    };
    write(&text)?;
    Ok(Answer::Yes)
}

/// The nodes of that name, of each network that has one.
fn one_node(flags: &Flags, views: &[View], name: &str, terminal: &Terminal) -> Result<Answer, Trouble> {
    let named = |view: &View| View { nodes: view.nodes.iter().filter(|node| node.name == name).cloned().collect(), ..view.clone() };
    let found: Vec<View> = views.iter().map(named).filter(|view| !view.nodes.is_empty()).collect();
    if found.is_empty() {
        return Err(Trouble::Negative(format!("there is no node \"{name}\"; peerwatchctl nodes lists them")));
    }
    let text = if flags.json {
        by_network(&found, "nodes", json::nodes)
    } else {
        let nodes = found.iter().flat_map(|view| view.nodes.iter().map(move |node| node::one(view, node, terminal)));
        nodes.collect::<Vec<_>>().join("\n")
    };
    write(&text)?;
    Ok(Answer::Yes)
}

async fn ping(flags: &Flags, host: &str, count: u16, within: Span, terminal: &Terminal) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let rows = Client::connect(within).await?.ping(network, host, count, within).await?;
    let rows = picture::vantages(rows);
    write(&if flags.json { lines(&rows) } else { print::ping(&rows, terminal) })?;
    Ok(if rows.iter().any(|row| 0 < row.received) { Answer::Yes } else { Answer::No })
}

async fn trace(flags: &Flags, node: &str, within: Span, terminal: &Terminal) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let way = picture::way(Client::connect(within).await?.trace(network, node, within).await?);
    write(&if flags.json { lines(&json::trace(node, way.as_ref())) } else { print::way(node, way.as_ref(), within, terminal) })?;
    Ok(if way.is_some() { Answer::Yes } else { Answer::No })
}

async fn revoke(flags: &Flags, node: &str, reason: &str, retire: bool) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let name = Client::connect(Span::ZERO).await?.revoke(network, node, reason, retire).await?;
    let text = if flags.json {
        line(&serde_json::json!({ "node": name, "retired": retire }))
    } else {
        format!("{} is not a member any more. Remove it from network.toml as well, on all nodes.\n", table::harmless(&name))
    };
    write(&text)?;
    Ok(Answer::Yes)
}

async fn watch(flags: &Flags, clock: fn() -> Now, terminal: &Terminal) -> Result<Answer, Trouble> {
    let client = Client::connect(Span::ZERO).await?;
    // First the signals, then the objects, so that no change is missed; one in between is in both
    // and not told.
    let (mut signals, mut owner) = client.signals().await?;
    let mut objects = client.objects().await?;
    let several = 1 < chosen(flags, picture::views(&objects))?.len();
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            _ = owner.next() => None,
        };
        let Some(signal) = signal else {
            return Err(Trouble::Unreachable("it has left the bus".into()));
        };
        let now = clock().wall;
        for mut change in watch::apply(&mut objects, &signal?) {
            if flags.network.as_ref().is_some_and(|network| *network != change.network) {
                continue;
            }
            change.at = json::moment(now);
            write(&if flags.json { line(&change) } else { print::change(&change, several, now, terminal) })?;
        }
    }
}

/// The views that were asked for.
fn chosen(flags: &Flags, views: Vec<View>) -> Result<Vec<View>, Trouble> {
    let Some(wanted) = &flags.network else { return Ok(views) };
    let names = views.iter().map(|view| view.network.clone()).collect::<Vec<_>>().join(", ");
    match views.into_iter().find(|view| view.network == *wanted) {
        Some(view) => Ok(vec![view]),
        None => Err(Trouble::Negative(format!("this node is in no network \"{wanted}\"; it is in: {names}"))),
    }
}

/// `[{"network": "home", "nodes": [...]}]`: the same shape for one network and for several.
fn by_network<T: Serialize>(views: &[View], what: &str, list: impl Fn(&View) -> T) -> String {
    let entries = views.iter().map(|view| serde_json::json!({ "network": view.network, what: list(view) }));
    lines(&entries.collect::<Vec<_>>())
}

/// JSON over several lines.
fn lines(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

/// JSON in one line.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).map(|text| text + "\n").unwrap_or_default()
}

fn write(text: &str) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Trouble::Output)
}

/// What standard output can show.
fn terminal(flags: &Flags, clock: fn() -> Now) -> Terminal {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let shown = std::io::stdout().is_terminal();
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default().to_ascii_lowercase();
    Terminal {
        colour: shown && set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb"),
        symbols: shown && (locale.contains("utf-8") || locale.contains("utf8")),
        headers: !flags.no_headers,
        zone: jiff::tz::TimeZone::system(),
        now: clock().wall,
    }
}

fn patience(text: &str) -> Result<Span, String> {
    match Span::parse(text)? {
        span if (Span(1)..=limits::REQUEST_TIME).contains(&span) => Ok(span),
        _ => Err(format!("it is from 1ms to {}", limits::REQUEST_TIME)),
    }
}

#[cfg(test)]
mod tests;
