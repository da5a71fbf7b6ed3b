//! Remarks become log lines, at a bounded rate, and views become one line of status.

use std::collections::BTreeMap;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::base::note::{Level, Note};
use crate::base::outcome::Standing;
use crate::base::time::{Mono, Now, Span};
use crate::base::view::{Presence, View};
use crate::io::systemd;

/// How often each kind of remark was printed lately.
#[derive(Default)]
pub(super) struct Remarks {
    kinds: BTreeMap<&'static str, Kind>,
}

#[derive(Default)]
struct Kind {
    since: Mono,
    printed: u32,
    withheld: u32,
}

/// Lines of one kind in one [`PERIOD`]; what a stranger can trigger has no more than this.
const LINES: u32 = 60;

/// See [`LINES`].
const PERIOD: Span = Span::secs(60);

impl Remarks {
    /// Prints a remark, or counts it when there were too many of its kind.
    pub(super) fn print(&mut self, now: Now, network: &str, note: &Note) {
        let kind = self.kinds.entry(note.name()).or_default();
        if PERIOD <= now.mono.since(kind.since) {
            if 0 < kind.withheld {
                tracing::warn!(network, remark = note.name(), "{} more remarks of this kind were not printed", kind.withheld);
            }
            *kind = Kind { since: now.mono, ..Kind::default() };
        }
        if LINES <= kind.printed {
            kind.withheld += 1;
            return;
        }
        kind.printed += 1;
        let remark = note.name();
        match note.level() {
            Level::Debug => tracing::debug!(network, remark, "{note}"),
            Level::Info => tracing::info!(network, remark, "{note}"),
            Level::Warning => tracing::warn!(network, remark, "{note}"),
            Level::Error => tracing::error!(network, remark, "{note}"),
        }
    }
}

/// One line on a network, for `systemctl status`.
pub(super) fn status(view: &View) -> String {
    let alive = view.nodes.iter().filter(|node| matches!(node.presence, Presence::Me | Presence::Alive)).count();
    let count = |standing| view.targets.iter().filter(|target| target.standing == standing).count();
    let mut line = format!("{}: {alive} of {} nodes alive, {} targets", view.network, view.nodes.len(), view.targets.len());
    for standing in [Standing::Up, Standing::Degraded, Standing::Down, Standing::Unknown, Standing::Held] {
        if 0 < count(standing) {
            line += &format!(", {} {}", count(standing), standing.word());
        }
    }
    let open = view.incidents.iter().filter(|incident| incident.open).count();
    if 0 < open {
        line += &format!(", {open} open incident{}", if open == 1 { "" } else { "s" });
    }
    if view.isolated {
        line += ", ISOLATED";
    }
    if let Some(fault) = &view.fault {
        line += &format!(", NOT WRITING: {fault}");
    }
    line
}

/// Begins to log: structured to journald where standard error goes there, else lines to standard error.
pub(super) fn begin_logging() {
    let level = std::env::var("PEERWATCH_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(tracing::Level::INFO);
    let filter = tracing_subscriber::filter::Targets::new().with_default(tracing::Level::WARN).with_target("peerwatch", level);
    let registry = tracing_subscriber::registry().with(filter);
    let journald = systemd::journal_stream().then(tracing_journald::layer).and_then(Result::ok);
    match journald {
        Some(layer) => {
            use tracing_journald::{Priority, PriorityMappings};
            let mappings = PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                trace: Priority::Debug,
                ..PriorityMappings::new()
            };
            let layer = layer.with_field_prefix(None).with_syslog_identifier("peerwatchd".into()).with_priority_mappings(mappings);
            registry.with(layer).init();
        }
        None => {
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_target(false)
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
            registry.with(layer).init();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Wall;

    #[test]
    fn what_a_stranger_triggers_is_printed_at_a_bounded_rate() {
        let mut remarks = Remarks::default();
        let note = Note::Refused { peer: "somebody".into(), reason: "garbage".into() };
        for ms in 0..10_000 {
            remarks.print(Now { mono: Mono(ms), wall: Wall(0) }, "home", &note);
        }
        assert_eq!((remarks.kinds["refused"].printed, remarks.kinds["refused"].withheld), (LINES, 10_000 - LINES));
    }

    #[test]
    fn the_status_line_says_what_is_wrong() {
        let view = View { network: "home".into(), fault: Some("the disk is full".into()), isolated: true, ..View::default() };
        assert_eq!(status(&view), "home: 0 of 0 nodes alive, 0 targets, ISOLATED, NOT WRITING: the disk is full");
    }
}
