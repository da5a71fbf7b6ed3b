//! `intent run`: a command that many nodes are told to run, and one runs.
//!
//! The daemon says whose turn it is; the command runs here, as whoever called, with the terminal of the caller. While it
//! runs the daemon is told so. When that fails the command is ended, since another node may begin it.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Subcommand;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use zbus::proxy::CacheProperties;
use zbus::{OwnedVariant, Variant};

use super::client::{Client, NAME, ROOT};
use super::table::harmless;
use super::{Answer, Flags, Trouble, line};
use crate::base::time::Span;
use crate::base::wish;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run a command on one of the nodes where this is called with the same key (root only)
    Run {
        /// Names the action: the same on all nodes, another for each occasion
        key: String,
        /// How long to wait for whoever runs it, at most 1h
        #[arg(long, default_value = "5m", value_name = "TIME", value_parser = wait)]
        wait: Span,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[zbus::proxy(interface = "org.peerwatch.Peerwatch1.Intents", assume_defaults = false)]
trait Intents {
    fn create(
        &self,
        network: &str,
        key: &str,
        options: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<(String, BTreeMap<String, OwnedVariant>)>;
    fn perform(&self, network: &str, key: &str) -> zbus::Result<u64>;
    fn finish(&self, network: &str, key: &str, code: u8, reason: &str) -> zbus::Result<()>;
}

/// Nobody has performed it in time, as far as is known.
const UNSETTLED: u8 = 124;
/// It was begun here, and was ended or is not written down, because the daemon was not there for it.
const LOST: u8 = 125;
/// The command cannot be started.
const UNFIT: u8 = 126;
/// How long a command has to end when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// Runs one verb.
pub(super) async fn run(flags: &Flags, verb: &Verb) -> Result<Answer, Trouble> {
    let Verb::Run { key, wait, command } = verb;
    wish::check(key).map_err(Trouble::Usage)?;
    let network = flags.network.as_deref().unwrap_or_default();
    let client = Client::connect(*wait).await?;
    let intents = IntentsProxy::builder(client.bus()).destination(NAME).path(ROOT).cache_properties(CacheProperties::No).build().await?;
    let (outcome, known) = intents.create(network, key, [("WithinUSec", Variant::from(wait.0 * 1000))].into()).await?;
    let said = |name: &str| known.get(name).and_then(|value| String::try_from(value.clone()).ok()).unwrap_or_default();
    match outcome.as_str() {
        "perform" => perform(flags, &intents, network, key, command).await,
        "performed" => {
            let code = known.get("ExitCode").and_then(|value| u32::try_from(value).ok()).and_then(|code| u8::try_from(code).ok());
            report(flags, key, Some(&said("Node")), code, &said("Detail"));
            Ok(Answer::Code(code.unwrap_or(1)))
        }
        _ => {
            report(flags, key, None, None, &said("Detail"));
            Ok(Answer::Code(UNSETTLED))
        }
    }
}

/// It is this node's turn.
async fn perform(flags: &Flags, intents: &IntentsProxy<'_>, network: &str, key: &str, command: &[String]) -> Result<Answer, Trouble> {
    let (program, arguments) = command.split_first().ok_or_else(|| Trouble::Usage("there is no command".into()))?;
    let started = Command::new(program).args(arguments).kill_on_drop(true).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            let why = format!("{program} cannot be started: {error}");
            intents.finish(network, key, 0, &why).await?;
            report(flags, key, None, None, &why);
            return Ok(Answer::Code(UNFIT));
        }
    };
    match attend(intents, network, key, &mut child).await {
        Ok(status) => {
            let code = code_of(status);
            match intents.finish(network, key, code, "").await {
                Ok(()) => Ok(Answer::Code(code)),
                Err(error) => {
                    report(flags, key, None, Some(code), &format!("it ended, and that is not written down: {error}"));
                    Ok(Answer::Code(LOST))
                }
            }
        }
        Err(why) => {
            report(flags, key, None, None, &format!("the command was ended, since another node may begin it: {why}"));
            Ok(Answer::Code(LOST))
        }
    }
}

/// Waits for the command and tells the daemon meanwhile that it runs; when that is not possible any more, ends it.
async fn attend(intents: &IntentsProxy<'_>, network: &str, key: &str, child: &mut Child) -> Result<ExitStatus, String> {
    let broken = |error: std::io::Error| error.to_string();
    // An interrupt from the terminal reaches the command as well, which decides; to end this program is to end it.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let mut word = tokio::time::interval((wish::WORD / 3).std());
    loop {
        tokio::select! {
            status = child.wait() => return status.map_err(broken),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => tell(child, Signal::SIGTERM),
            _ = word.tick() => if let Err(error) = intents.perform(network, key).await {
                tell(child, Signal::SIGTERM);
                if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
                return Err(error.to_string());
            },
        }
    }
}

fn tell(child: &Child, signal: Signal) {
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended meanwhile.
        let _ = kill(Pid::from_raw(id), signal);
    }
}

/// As a shell has it: 128 and the signal for a command that was ended by one.
fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Says how it went, beside what the command prints.
fn report(flags: &Flags, key: &str, node: Option<&str>, code: Option<u8>, detail: &str) {
    let text = if flags.json {
        line(&serde_json::json!({ "key": key, "node": node, "exit_code": code, "detail": detail }))
    } else {
        match node {
            Some(node) => format!("peerwatchctl: {key} was performed by {}: {}\n", harmless(node), harmless(detail)),
            None => format!("peerwatchctl: {key}: {}\n", harmless(detail)),
        }
    };
    // Nobody may be reading; the exit code says it all.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn wait(text: &str) -> Result<Span, String> {
    match Span::parse(text)? {
        span if (Span(1)..=wish::WAIT_MOST).contains(&span) => Ok(span),
        _ => Err(format!("it is from 1ms to {}", wish::WAIT_MOST)),
    }
}
