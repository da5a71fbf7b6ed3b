//! Nodes at length: `nodes --verbose`, and `nodes NAME` with its links.
//!
//! What only this node can know (round trip, what both ends lack, bytes) is there for its own links.

use super::print::{Networks, presence};
use super::table::{Cell, Table, Terminal, Tone, harmless, time};
use crate::base::id::{TargetId, hex};
use crate::base::outcome::Verdict;
use crate::base::size::Size;
use crate::base::time::Span;
use crate::base::view::{ClockView, LinkView, NodeView, Presence, View, WatcherView};

/// All nodes with clocks, lives and what went over the links to them.
pub(super) fn verbose(views: &[View], terminal: &Terminal) -> String {
    let headers = ["NODE", "PRESENCE", "CLOCK", "LIFE", "RTT", "LACKS", "LACKED", "SENT", "RECEIVED", "SYSTEM"];
    let mut table = Networks::new(views, &headers);
    for (view, node) in views.iter().flat_map(|view| view.nodes.iter().map(move |node| (view, node))) {
        let link = own_link(view, &node.name);
        let tone = presence(view, node);
        let mut cells = vec![
            Cell::new(&node.name),
            Cell::toned(terminal.mark(node.presence.word(), tone), tone),
            Cell::maybe(node.clock.map(clock)),
            Cell::maybe(node.incarnation.map(|life| life.to_string())),
        ];
        cells.extend(figures(link));
        cells.push(Cell::maybe(node.system.as_deref()));
        table.row(view, cells);
    }
    table.lines(terminal, "no nodes")
}

/// One node: what is known of it, line by line, and its links as it reports them.
pub(super) fn one(view: &View, node: &NodeView, terminal: &Terminal) -> String {
    let words = |list: &[String]| list.join(", ");
    let tone = presence(view, node);
    let heard = if node.presence == Presence::Me { None } else { node.heard.map(|at| terminal.ago(at)) };
    let definition = node.same_definition.map(|same| if same { "the same as here" } else { "another than here" });
    let facts: [(&str, Option<String>); 13] = [
        ("role", Some(node.role.word().into())),
        ("presence", Some(terminal.paint(&terminal.mark(node.presence.word(), tone), tone))),
        ("heard", heard),
        ("votes", Some(if node.voting { "yes" } else { "no" }.into())),
        ("watched by", watchers(view, node)),
        ("clock", node.clock.map(clock)),
        ("life", node.incarnation.map(|life| format!("{}.{}", life.opened, hex(&life.nonce)))),
        ("key", Some(node.id.hex())),
        ("version", node.software.clone()),
        ("system", node.system.clone()),
        ("definition", definition.map(Into::into)),
        ("addresses", Some(words(&node.addresses)).filter(|text| !text.is_empty())),
        ("may not", Some(words(&node.lacks)).filter(|text| !text.is_empty())),
    ];
    let painted = |name: &str, text: &str| if name == "presence" { text.to_owned() } else { harmless(text) };
    let known = facts.iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    let mut lines = format!("{}\n", harmless(&node.name));
    lines.extend(known.map(|(name, text)| format!("  {name:<11} {}\n", painted(name, text))));
    let links = links(node, terminal);
    if !links.is_empty() {
        lines.push_str(&format!("\n{links}"));
    }
    lines
}

/// Whose word on a node counts; with what they say, unless it is that it is up.
fn watchers(view: &View, node: &NodeView) -> Option<String> {
    let target = view.targets.iter().find(|target| target.id == TargetId::of_node(&node.name))?;
    let say = |watcher: &WatcherView| match watcher.verdict {
        Verdict::Up => watcher.node.clone(),
        verdict => format!("{} ({})", watcher.node, verdict.word()),
    };
    let names: Vec<String> = target.watchers.iter().filter(|watcher| watcher.counted).map(say).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn links(node: &NodeView, terminal: &Terminal) -> String {
    let mut table = Table::new(&["LINK TO", "STATE", "FOR", "RTT", "LACKS", "LACKED", "SENT", "RECEIVED", "DETAIL"]);
    for link in &node.links {
        let (word, tone) = if link.up { ("up", Tone::Good) } else { ("down", Tone::Poor) };
        let age = terminal.now.since(link.since);
        let mut cells =
            vec![Cell::new(&link.peer), Cell::toned(terminal.mark(word, tone), tone), Cell::new(Span(age.0 / 1000 * 1000).to_string())];
        cells.extend(figures(Some(link)));
        cells.push(Cell::new(&link.detail));
        table.row(cells);
    }
    table.lines(terminal)
}

/// Round trip, what the peer lacks, what it has and this node lacks, bytes sent and received.
fn figures(link: Option<&LinkView>) -> [Cell; 5] {
    let link = link.filter(|link| link.up);
    let lag = link.and_then(|link| link.lag);
    let bytes = link.and_then(|link| link.bytes);
    let lacks = |number: u64| Cell::toned(number.to_string(), if number == 0 { Tone::Faint } else { Tone::Poor });
    let nothing = || Cell::new("");
    [
        time(link.and_then(|link| link.time)),
        lag.map_or_else(nothing, |lag| lacks(lag.peer_lacks)),
        lag.map_or_else(nothing, |lag| lacks(lag.lacks)),
        Cell::maybe(bytes.map(|(sent, _)| Size(sent).to_string())),
        Cell::maybe(bytes.map(|(_, received)| Size(received).to_string())),
    ]
}

/// This node's link to another.
fn own_link<'a>(view: &'a View, peer: &str) -> Option<&'a LinkView> {
    let me = view.nodes.iter().find(|node| node.presence == Presence::Me)?;
    me.links.iter().find(|link| link.peer == peer)
}

/// How a clock stands to this node's; what was not measured is marked as a guess.
fn clock(clock: ClockView) -> String {
    let sign = if clock.offset < 0 { '-' } else { '+' };
    format!("{}{sign}{}", if clock.measured { "" } else { "~" }, Span(clock.offset.unsigned_abs()))
}
