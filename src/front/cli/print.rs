//! What the reading verbs print: functions of views and a terminal, nothing else.
//!
//! Tables show what people scan for; everything is in `--json`. With several networks, tables have
//! a first column that names them.

use super::table::{Cell, Table, Terminal, Tone, against, counted, harmless, loss, standing, time};
use super::watch::Change;
use crate::base::command::Way;
use crate::base::outcome::{Standing, Verdict};
use crate::base::time::{Micros, Span, Wall};
use crate::base::view::{ClockView, IncidentView, NodeView, Presence, TargetView, View};
use crate::front::json::{self, Vantage};

/// All nodes.
pub(super) fn nodes(views: &[View], terminal: &Terminal) -> String {
    let mut table = Networks::new(views, &["NODE", "ROLE", "PRESENCE", "HEARD", "VOTES", "LINKS", "RTT", "VERSION", "REMARKS"]);
    for (view, node) in views.iter().flat_map(|view| view.nodes.iter().map(move |node| (view, node))) {
        let heard = if node.presence == Presence::Me { Some("now".into()) } else { node.heard.map(|at| terminal.ago(at)) };
        let up = node.links.iter().filter(|link| link.up).count();
        let tone = presence(view, node);
        table.row(
            view,
            vec![
                Cell::new(&node.name),
                Cell::new(node.role.word()),
                Cell::toned(terminal.mark(node.presence.word(), tone), tone),
                Cell::maybe(heard),
                Cell::new(if node.voting { "yes" } else { "no" }),
                Cell::new(format!("{up}/{}", node.links.len())),
                time(round_trip(view, &node.name)),
                Cell::maybe(node.software.as_deref()),
                Cell::new(node_remarks(node)),
            ],
        );
    }
    table.lines(terminal, "no nodes")
}

/// All targets.
pub(super) fn targets(views: &[View], terminal: &Terminal) -> String {
    let mut table = Networks::new(views, &["TARGET", "STANDING", "SINCE", "SEEN BY", "RTT", "LOSS", "PROBE", "DETAIL"]);
    for (view, target) in views.iter().flat_map(|view| view.targets.iter().map(move |target| (view, target))) {
        let tone = if target.partial { Tone::Poor } else { standing(target.standing, target.sometimes) };
        table.row(
            view,
            vec![
                Cell::new(&target.id.0),
                Cell::toned(terminal.mark(target.standing.word(), tone), tone),
                Cell::new(terminal.ago(target.since)),
                Cell::new(format!("{}/{}", target.votes.0, target.votes.1)),
                time(json::typical_time(target)),
                loss(json::worst_loss(target)),
                Cell::new(&target.probe),
                Cell::new(target_detail(target)),
            ],
        );
    }
    table.lines(terminal, "no targets")
}

/// Incidents: open ones, and closed ones unless only open ones are wanted.
pub(super) fn incidents(views: &[View], only_open: bool, terminal: &Terminal) -> String {
    let mut table = Networks::new(views, &["INCIDENT", "STATE", "STANDING", "SINCE", "LASTED", "TOLD", "SEEN TO", "REASON"]);
    let all = views.iter().flat_map(|view| view.incidents.iter().map(move |incident| (view, incident)));
    for (view, incident) in all.filter(|(_, incident)| incident.open || !only_open) {
        let tone = if incident.open { standing(incident.standing, false) } else { Tone::Faint };
        table.row(
            view,
            vec![
                Cell::new(incident.id.to_string()),
                Cell::toned(terminal.mark(if incident.open { "open" } else { "closed" }, tone), tone),
                Cell::new(incident.standing.word()),
                Cell::new(terminal.ago(incident.since)),
                Cell::maybe(incident.lasted.map(|span| span.to_string())),
                Cell::new(told(incident)),
                Cell::new(seen_to(incident)),
                Cell::new(&incident.reason),
            ],
        );
    }
    table.lines(terminal, if only_open { "no incident is open" } else { "no incidents" })
}

/// The answers to a ping, one line for each node.
pub(super) fn ping(rows: &[Vantage], terminal: &Terminal) -> String {
    use unicode_width::UnicodeWidthStr as _;
    let names: Vec<String> = rows.iter().map(|row| harmless(&row.node)).collect();
    let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let lines = rows.iter().zip(&names).map(|(row, name)| {
        let (text, tone) = answer(row);
        format!("{name}{} : {}\n", " ".repeat(widest - name.width()), terminal.paint(&text, tone))
    });
    lines.collect()
}

fn answer(row: &Vantage) -> (String, Tone) {
    if !row.answered {
        return ("no answer".into(), Tone::Poor);
    }
    if row.sent == 0 {
        let why = if row.detail.is_empty() { "it did not say why" } else { &row.detail };
        return (format!("cannot ping: {}", harmless(why)), Tone::Poor);
    }
    let lost = 100.0 * row.loss.unwrap_or(0.0);
    let counts = format!("sent/received/loss = {}/{}/{lost:.0}%", row.sent, row.received);
    match (row.min_seconds, row.mean_seconds, row.max_seconds) {
        (Some(least), Some(mean), Some(most)) => {
            let [least, mean, most] = [least, mean, most].map(|seconds| seconds * 1000.0);
            let tone = if row.received < row.sent { Tone::Poor } else { Tone::Good };
            (format!("{counts}, min/avg/max = {least:.3}/{mean:.3}/{most:.3} ms"), tone)
        }
        _ if row.detail.is_empty() => (counts, Tone::Bad),
        _ => (format!("{counts}, {}", harmless(&row.detail)), Tone::Bad),
    }
}

/// The way to a node, one line for each hop.
pub(super) fn way(node: &str, way: Option<&Way>, within: Span, terminal: &Terminal) -> String {
    let node = harmless(node);
    let Some(way) = way else {
        let why = "it is not alive, or no chain of links leads there; peerwatchctl nodes says who was heard";
        return format!("{}\n", terminal.paint(&format!("no way to {node} was found within {within}: {why}"), Tone::Bad));
    };
    if way.hops.is_empty() {
        return format!("{node} is this node\n");
    }
    let mut table = Table::new(&["HOP", "NODE", "LINK", "SUM"]);
    let mut sum = Some(Micros(0));
    for (number, step) in way.hops.iter().enumerate() {
        sum = sum.zip(step.time).map(|(sum, time)| Micros(sum.0.saturating_add(time.0)));
        table.row(vec![Cell::new((number + 1).to_string()), Cell::new(&step.node), time(step.time), time(sum)]);
    }
    format!("{}the answer came after {}\n", table.lines(terminal), way.took)
}

/// A table whose rows say of which network they are, where there are several.
pub(super) struct Networks {
    table: Table,
    several: bool,
}

impl Networks {
    pub(super) fn new(views: &[View], headers: &[&'static str]) -> Self {
        let several = 1 < views.len();
        let first: &[&'static str] = if several { &["NETWORK"] } else { &[] };
        Self { table: Table::new(&[first, headers].concat()), several }
    }

    pub(super) fn row(&mut self, view: &View, mut cells: Vec<Cell>) {
        if self.several {
            cells.insert(0, Cell::new(&view.network));
        }
        self.table.row(cells);
    }

    /// The table, or why there is none.
    pub(super) fn lines(&self, terminal: &Terminal, nothing: &str) -> String {
        match self.table.lines(terminal) {
            lines if lines.is_empty() && terminal.headers => format!("{nothing}\n"),
            lines => lines,
        }
    }
}

/// How the presence of a node looks; who may be away is faint when away.
pub(super) fn presence(view: &View, node: &NodeView) -> Tone {
    match node.presence {
        Presence::Me | Presence::Alive => Tone::Good,
        _ if may_be_away(view, node) => Tone::Faint,
        Presence::Suspect | Presence::Unheard => Tone::Poor,
        Presence::Dead => Tone::Bad,
    }
}

/// Whether nobody minds the node's absence.
pub(super) fn may_be_away(view: &View, node: &NodeView) -> bool {
    let id = crate::base::id::TargetId::of_node(&node.name);
    view.targets.iter().any(|target| target.sometimes && target.id == id)
}

/// This node's round trip to another.
fn round_trip(view: &View, peer: &str) -> Option<Micros> {
    let me = view.nodes.iter().find(|node| node.presence == Presence::Me)?;
    me.links.iter().find(|link| link.up && link.peer == peer)?.time
}

fn node_remarks(node: &NodeView) -> String {
    let mut remarks = Vec::new();
    if node.isolated {
        remarks.push("isolated".to_owned());
    }
    remarks.extend(node.clock.and_then(ClockView::fault).map(|how| format!("its clock is {how}")));
    if node.same_definition == Some(false) {
        remarks.push("follows another definition".to_owned());
    }
    remarks.extend(node.lacks.iter().cloned());
    remarks.join(", ")
}

/// What was seen, by the first counted watcher that speaks for the standing; for a good standing
/// that some call bad, by those.
pub(super) fn target_detail(target: &TargetView) -> String {
    let voice = |speaks: &dyn Fn(Verdict) -> bool| {
        let mut counted = target.watchers.iter().filter(|watcher| watcher.counted);
        counted.find(|watcher| speaks(watcher.verdict) && !watcher.detail.is_empty())
    };
    match target.standing {
        _ if target.partial => {
            let against = target.watchers.iter().filter(|watcher| watcher.counted && against(watcher.verdict));
            let voices = against.map(|watcher| format!("{} calls it {}: {}", watcher.node, watcher.verdict.word(), watcher.detail));
            voices.collect::<Vec<_>>().join("; ")
        }
        Standing::Down => voice(&|verdict| verdict == Verdict::Down).map(|watcher| watcher.detail.clone()).unwrap_or_default(),
        Standing::Degraded => voice(&against).map(|watcher| watcher.detail.clone()).unwrap_or_default(),
        Standing::Unknown => {
            let unable = target.watchers.iter().find(|watcher| watcher.verdict == Verdict::Unable);
            unable.map(|watcher| format!("{}: {}", watcher.node, watcher.detail)).unwrap_or_default()
        }
        Standing::Up | Standing::Held => String::new(),
    }
}

/// What became of the newest notice of each channel.
pub(super) fn told(incident: &IncidentView) -> String {
    let newest = incident.notices.iter().enumerate().filter(|(place, notice)| {
        let later = &incident.notices[place + 1..];
        !later.iter().any(|other| other.channel == notice.channel)
    });
    let words = newest.map(|(_, notice)| {
        let by = notice.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let more = match (notice.state, notice.reminders) {
            ("quiet", _) => format!(" ({})", notice.detail),
            (_, 0) => String::new(),
            (_, 1) => ", 1 reminder".to_owned(),
            (_, number) => format!(", {number} reminders"),
        };
        format!("{} {}{by}{more}", notice.channel, notice.state)
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Who sees to an incident, and what was said with it.
pub(super) fn seen_to(incident: &IncidentView) -> String {
    let Some(said) = &incident.acknowledged else { return String::new() };
    if said.reason.is_empty() { said.by.clone() } else { format!("{}: {}", said.by, said.reason) }
}

/// How many of the targets that are no nodes are up, and how many there are.
pub(super) fn ups(view: &View) -> (usize, usize) {
    let things = || view.targets.iter().filter(|target| !target.id.0.starts_with("node:"));
    (things().filter(|target| target.standing == Standing::Up).count(), things().count())
}

/// `all 12 targets up, 3 of 3 nodes alive`.
pub(super) fn totals(view: &View) -> String {
    let targets = match ups(view) {
        (_, 0) => "no targets".into(),
        (1, 1) => "1 target up".into(),
        (up, all) if up == all => format!("all {all} targets up"),
        (up, all) => format!("{up} of {} up", counted(all, "target")),
    };
    let nodes = json::node_counts(view);
    format!("{targets}, {} of {} alive", nodes.alive, counted(nodes.total, "node"))
}

/// One change in one line.
pub(super) fn change(change: &Change, several: bool, now: Wall, terminal: &Terminal) -> String {
    let network = if several { format!("{} ", harmless(&change.network)) } else { String::new() };
    let tone = match change.to.as_str() {
        "up" | "alive" | "told" | "closed" => Some(Tone::Good),
        "down" | "dead" | "failed" => Some(Tone::Bad),
        "degraded" | "unknown" | "suspect" => Some(Tone::Poor),
        _ => None,
    };
    let text = harmless(&change.text);
    let text = tone.map_or_else(|| text.clone(), |tone| terminal.paint(&text, tone));
    // The node itself is no part of a network in which it would have to be named by kind.
    let kind = if change.kind == "network" { "node" } else { change.kind };
    format!("{}  {network}{kind} {}: {text}\n", terminal.clock(now), harmless(&change.name))
}
