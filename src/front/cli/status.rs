//! `status`: what a person wants to know at three in the morning, the verdict first.
//!
//! One line says how it stands; then come the open incidents; then whatever else is not as it should
//! be, one line each, and nothing when nothing is.

use super::incident::{ends, subject};
use super::print::{may_be_away, presence, seen_to, target_detail, told, totals, ups};
use super::table::{Cell, Table, Terminal, Tone, brief, counted, harmless, standing};
use crate::base::id::TargetId;
use crate::base::outcome::{Standing, Verdict};
use crate::base::time::Span;
use crate::base::view::{ClockView, ForkView, Presence, View};
use crate::front::json;

/// Lines of one kind; whoever wants more asks for the table.
const MOST: usize = 10;

/// A view is made at least every few seconds; an older one means that the daemon is stuck.
const OLD: Span = Span::secs(60);

/// All networks.
pub(super) fn status(views: &[View], terminal: &Terminal) -> String {
    let parts = views.iter().map(|view| {
        let title = if 1 < views.len() { format!("{}: ", harmless(&view.network)) } else { String::new() };
        network(view, &title, terminal)
    });
    parts.collect::<Vec<_>>().join("\n")
}

fn network(view: &View, title: &str, terminal: &Terminal) -> String {
    if view.nodes.is_empty() {
        return format!("{title}peerwatchd has only just started; ask again in a moment\n");
    }
    let (mut verdict, mut tone) = verdict(view);
    let age = terminal.now.since(view.at);
    if OLD < age {
        (verdict, tone) = (format!("{} ago: {verdict}", brief(age)), tone.max(Tone::Poor));
    }
    let mut text = format!("{title}{}\n", terminal.paint(&terminal.mark(&verdict, tone), tone));
    let incidents = open_incidents(view, terminal);
    if !incidents.is_empty() {
        text.push_str(&format!("\n{incidents}"));
    }
    let remarkable = remarkable(view, terminal);
    if !remarkable.is_empty() {
        text.push('\n');
    }
    for (line, tone) in remarkable {
        text.push_str(&format!("{}\n", terminal.paint(&terminal.mark(&harmless(&line), tone), tone)));
    }
    text
}

/// The first line.
fn verdict(view: &View) -> (String, Tone) {
    let totals = totals(view);
    let open = json::status(view).open_incidents;
    let missing = view.nodes.iter().any(|node| presence(view, node) != Tone::Good && !may_be_away(view, node));
    let (up, all) = ups(view);
    if view.isolated {
        (format!("{} is isolated, and what it knows of others is old; {totals}", harmless(&view.me)), Tone::Bad)
    } else if 0 < open {
        (format!("{} open; {totals}", counted(open, "incident")), Tone::Bad)
    } else if up < all || missing || view.fault.is_some() {
        (format!("no incident is open; {totals}"), Tone::Poor)
    } else {
        (totals, Tone::Good)
    }
}

fn open_incidents(view: &View, terminal: &Terminal) -> String {
    let mut table = Table::new(&["INCIDENT", "STANDING", "SINCE", "TOLD", "SEEN TO", "REASON"]);
    let open = || view.incidents.iter().filter(|incident| incident.open);
    for incident in open().take(2 * MOST) {
        let tone = standing(incident.standing, false);
        table.row(vec![
            Cell::new(incident.id.to_string()),
            Cell::toned(terminal.mark(incident.standing.word(), tone), tone),
            Cell::new(terminal.ago(incident.since)),
            Cell::new(match told(incident) {
                nobody if nobody.is_empty() => "nobody".into(),
                told => told,
            }),
            Cell::new(seen_to(incident)),
            Cell::new(&incident.reason),
        ]);
    }
    let mut lines = table.lines(terminal);
    if 2 * MOST < open().count() {
        lines.push_str(&format!("and {} more: peerwatchctl incidents --open\n", open().count() - 2 * MOST));
    }
    lines
}

/// What else is not as it should be.
fn remarkable(view: &View, terminal: &Terminal) -> Vec<(String, Tone)> {
    let mut lines = Vec::new();
    let age = terminal.now.since(view.at);
    if OLD < age {
        let hint = "peerwatchd may be stuck (journalctl -u peerwatchd)";
        lines.push((format!("nothing is newer than {} ago; {hint}", brief(age)), Tone::Bad));
    }
    if let Some(fault) = &view.fault {
        lines.push((format!("{} cannot write its journal: {fault}", view.me), Tone::Bad));
    }
    if view.isolated {
        let why = "it reaches no node and no reference, so it casts no vote and tells nobody about targets";
        lines.push((why.into(), Tone::Bad));
    }
    lines.extend(view.remarks.iter().map(|remark| (remark.clone(), Tone::Poor)));
    first(&mut lines, quiet(view, terminal), "silence list");
    first(&mut lines, nodes(view, terminal), "nodes");
    first(&mut lines, forks(view), "journal stats");
    first(&mut lines, targets(view, terminal), "targets");
    lines
}

/// Of what nothing new is told, and why.
fn quiet(view: &View, terminal: &Terminal) -> Vec<(String, Tone)> {
    let windows = view.windows.iter().map(|name| format!("maintenance is on: {name}"));
    let silences = view.silences.iter().map(|silence| {
        let why = if silence.reason.is_empty() { String::new() } else { format!(": {}", silence.reason) };
        format!("{} is silenced by {}, ends {}{why} (silence {})", subject(silence), silence.by, ends(silence, terminal), silence.id)
    });
    windows.chain(silences).map(|line| (line, Tone::Poor)).collect()
}

fn nodes(view: &View, terminal: &Terminal) -> Vec<(String, Tone)> {
    let mut lines = Vec::new();
    for node in &*view.nodes {
        let heard = node.heard.map_or_else(|| "not heard yet".into(), |at| format!("last heard {}", terminal.ago(at)));
        let away = if may_be_away(view, node) { " (it may be away)" } else { "" };
        match node.presence {
            Presence::Me => {}
            Presence::Alive if node.isolated => lines.push((format!("node {} says that it is isolated", node.name), Tone::Poor)),
            Presence::Alive if node.same_definition == Some(false) => {
                lines.push((format!("node {} follows another definition of the network", node.name), Tone::Poor));
            }
            Presence::Alive => {
                let unheard = deaf(view, &node.name);
                if !unheard.is_empty() {
                    lines.push((format!("node {} is heard here, and not by {}", node.name, unheard.join(", ")), Tone::Poor));
                }
                if let Some(how) = node.clock.and_then(ClockView::fault) {
                    lines.push((format!("the clock of node {} is {how}", node.name), Tone::Poor));
                }
            }
            Presence::Unheard => {
                lines.push((format!("node {} was not heard since {} started{away}", node.name, view.me), presence(view, node)));
            }
            Presence::Suspect | Presence::Dead => {
                lines.push((format!("node {} is {}, {heard}{away}", node.name, node.presence.word()), presence(view, node)));
            }
        }
    }
    lines
}

/// Who calls a node down that not enough call down.
fn deaf(view: &View, node: &str) -> Vec<String> {
    let id = TargetId::of_node(node);
    let target = view.targets.iter().find(|target| target.partial && target.id == id);
    let watchers = target.map(|target| target.watchers.iter()).into_iter().flatten();
    watchers.filter(|watcher| watcher.counted && watcher.verdict == Verdict::Down).map(|watcher| watcher.node.clone()).collect()
}

/// Chains that end because of what their authors signed.
fn forks(view: &View) -> Vec<(String, Tone)> {
    let line = |fork: &ForkView| {
        let what =
            format!("node {} signed two different entries {} of {} (life {})", fork.author, fork.sequence, fork.lane, fork.incarnation);
        (format!("{what}: its key was used twice, and nothing after counts"), Tone::Poor)
    };
    view.journal.forks.iter().map(line).collect()
}

/// Targets that are not up without an open incident that says so, and those about which watchers differ.
fn targets(view: &View, terminal: &Terminal) -> Vec<(String, Tone)> {
    let mut lines = Vec::new();
    for target in view.targets.iter().filter(|target| !target.id.0.starts_with("node:")) {
        let detail = match target_detail(target) {
            nothing if nothing.is_empty() => String::new(),
            detail => format!(": {detail}"),
        };
        if target.standing == Standing::Up && target.partial {
            lines.push((format!("target {} is up, but{}", target.id, detail.trim_start_matches(':')), Tone::Poor));
        } else if target.standing != Standing::Up && target.incident.is_none() {
            let away = if target.sometimes { " (it may be away)" } else { "" };
            let line = format!("target {} is {} since {}{away}{detail}", target.id, target.standing.word(), terminal.since(target.since));
            lines.push((line, standing(target.standing, target.sometimes)));
        }
    }
    lines
}

fn first(lines: &mut Vec<(String, Tone)>, mut more: Vec<(String, Tone)>, verb: &str) {
    let rest = more.len().saturating_sub(MOST);
    more.truncate(MOST);
    lines.append(&mut more);
    if 0 < rest {
        lines.push((format!("and {rest} more: peerwatchctl {verb}"), Tone::Faint));
    }
}
