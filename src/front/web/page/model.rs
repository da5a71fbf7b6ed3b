//! What the page shows, in its order and in its words; the template only lays it out.
//!
//! Ages are counted by the showing node's wall clock at the time of the view. Where a moment comes
//! from another node's clock the age is as good as that clock, which is what a reader expects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::outcome::{Standing, Verdict};
use crate::base::size::Size;
use crate::base::time::{Span, Wall};
use crate::base::view::{ClockView, IncidentView, LinkView, NodeView, NoticeView, Presence, SilenceView, TargetView, View, WatcherView};
use crate::front::json;

/// What the address asks of the page.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Only targets with this in their name, group or probe.
    pub(super) query: String,
    /// Only targets in this state; one of [`STATES`].
    pub(super) state: String,
    /// Which page, from 1.
    pub(super) page: usize,
}

/// The states by which the list can be narrowed, with their labels.
pub(super) const STATES: [(&str, &str); 7] = [
    ("", "every state"),
    ("attention", "needs attention"),
    ("down", "down"),
    ("degraded", "degraded"),
    ("unknown", "unknown"),
    ("up", "up"),
    ("held", "held"),
];

/// The page's parts, in its order.
pub(super) struct Model<'a> {
    pub(super) view: &'a View,
    pub(super) version: &'static str,
    pub(super) at: Moment,
    pub(super) worst: Mark,
    pub(super) headline: String,
    pub(super) targets: json::TargetCounts,
    pub(super) nodes_here: json::NodeCounts,
    /// The style of their counter.
    pub(super) nodes_state: &'static str,
    /// Of what nothing new is told, a line each.
    pub(super) silences: Vec<String>,
    pub(super) open: Vec<Incident<'a>>,
    pub(super) open_more: usize,
    pub(super) doubts: Vec<Doubt<'a>>,
    pub(super) doubts_more: usize,
    pub(super) asked: Asked,
    pub(super) matching: usize,
    pub(super) pages: usize,
    pub(super) groups: Vec<Group<'a>>,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) nodes_more: usize,
    pub(super) recent: Vec<Incident<'a>>,
    pub(super) recent_more: usize,
    pub(super) heads_more: usize,
}

/// A network of this daemon, as the row of links at the top shows it.
pub(super) struct Tab {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) here: bool,
}

/// A state as symbol and word; the word is also its style. Colour only repeats them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) symbol: &'static str,
    pub(super) word: &'static str,
}

/// A moment for machines and for people, and how long ago it was.
#[derive(Clone)]
pub(super) struct Moment {
    pub(super) iso: String,
    pub(super) utc: String,
    pub(super) age: String,
}

pub(super) struct Incident<'a> {
    pub(super) view: &'a IncidentView,
    pub(super) mark: Mark,
    pub(super) since: Moment,
    pub(super) closed: Option<Moment>,
    pub(super) lasted: String,
    pub(super) runbook: Option<&'a str>,
    /// What its watchers say now, while it is open.
    pub(super) watchers: Vec<Watcher<'a>>,
    pub(super) watchers_more: usize,
    pub(super) votes: Vec<(&'a str, Mark)>,
    pub(super) notices: Vec<Notice<'a>>,
    /// Whether anybody has been told, in one line.
    pub(super) told: Mark,
}

pub(super) struct Notice<'a> {
    pub(super) view: &'a NoticeView,
    pub(super) mark: Mark,
    pub(super) at: Option<Moment>,
}

/// A target without an open incident that still needs a look.
pub(super) struct Doubt<'a> {
    pub(super) target: &'a TargetView,
    pub(super) mark: Mark,
    pub(super) since: Moment,
    pub(super) why: String,
}

pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) summary: String,
    pub(super) targets: Vec<Target<'a>>,
}

pub(super) struct Target<'a> {
    pub(super) view: &'a TargetView,
    pub(super) mark: Mark,
    pub(super) since: Moment,
    pub(super) time: String,
    pub(super) loss: String,
    /// What a watcher that does not call it good has seen.
    pub(super) seen: &'a str,
    pub(super) runbook: Option<&'a str>,
    pub(super) watchers: Vec<Watcher<'a>>,
}

pub(super) struct Watcher<'a> {
    pub(super) view: &'a WatcherView,
    pub(super) mark: Mark,
    pub(super) since: Option<Moment>,
    pub(super) last_good: Option<Moment>,
    pub(super) time: String,
    pub(super) loss: String,
}

pub(super) struct Node<'a> {
    pub(super) view: &'a NodeView,
    pub(super) mark: Mark,
    pub(super) heard: Option<Moment>,
    /// Round trip over this node's own link to it.
    pub(super) time: String,
    /// Its clock's offset.
    pub(super) offset: String,
    pub(super) links_up: usize,
    pub(super) remarks: Vec<String>,
    pub(super) links: Vec<Link<'a>>,
    pub(super) links_more: usize,
}

pub(super) struct Link<'a> {
    pub(super) view: &'a LinkView,
    pub(super) mark: Mark,
    pub(super) since: Moment,
    pub(super) time: String,
    /// Entries that the peer lacks, and that this node lacks.
    pub(super) lag: String,
    /// What went over it, there and back.
    pub(super) bytes: String,
}

impl<'a> Model<'a> {
    /// What the page shows of `view`.
    pub(super) fn of(view: &'a View, asked: Asked) -> Self {
        let known: BTreeMap<&str, &TargetView> = view.targets.iter().map(|target| (target.id.0.as_str(), &**target)).collect();
        let incident = |each: &'a IncidentView| Incident::of(each, known.get(each.id.target.0.as_str()).copied(), view.at);
        let of_kind = |open: bool| view.incidents.iter().filter(move |each| each.open == open);
        let take = limits::WEB_INCIDENTS;
        let doubts = || view.targets.iter().filter(|target| is_doubtful(target));
        let matching: Vec<&TargetView> = view.targets.iter().map(|target| &**target).filter(|target| asked.wants(target)).collect();
        let pages = matching.len().div_ceil(limits::WEB_ROWS).max(1);
        let asked = Asked { page: asked.page.clamp(1, pages), ..asked };
        let shown = matching.iter().copied().skip((asked.page - 1) * limits::WEB_ROWS).take(limits::WEB_ROWS);
        let own: BTreeMap<&str, &LinkView> = own_links(view);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            at: Moment::of(view.at, view.at),
            silences: view.silences.iter().take(limits::WEB_LINES).map(|each| silence(each, view.at)).collect(),
            worst: if view.isolated { Mark::of("unknown") } else { standing(json::worst(view)) },
            headline: headline(view),
            targets: json::target_counts(view),
            nodes_here: json::node_counts(view),
            nodes_state: nodes_state(view),
            open: worst_first(of_kind(true)).into_iter().take(take).map(incident).collect(),
            open_more: of_kind(true).count().saturating_sub(take),
            doubts: doubts().take(take).map(|target| Doubt::of(target, view.at)).collect(),
            doubts_more: doubts().count().saturating_sub(take),
            groups: groups(shown, view.at),
            nodes: view.nodes.iter().take(limits::WEB_ROWS).map(|node| Node::of(node, &own, view.at)).collect(),
            nodes_more: view.nodes.len().saturating_sub(limits::WEB_ROWS),
            recent: of_kind(false).take(take).map(|each| incident(each)).collect(),
            recent_more: of_kind(false).count().saturating_sub(take),
            heads_more: view.journal.heads.len().saturating_sub(limits::WEB_LINES),
            matching: matching.len(),
            asked,
            pages,
            view,
        }
    }
}

/// The link to a network's page.
pub(super) fn tab(view: &View, here: &str) -> Tab {
    Tab { name: view.network.clone(), mark: standing(json::worst(view)), here: view.network == here }
}

impl Asked {
    fn wants(&self, target: &TargetView) -> bool {
        let query = self.query.to_lowercase();
        let said = |text: &str| text.to_lowercase().contains(&query);
        let found = query.is_empty() || said(&target.id.0) || said(&target.probe) || target.group.as_deref().is_some_and(said);
        found
            && match self.state.as_str() {
                "" => true,
                "attention" => target.standing.is_bad() || is_doubtful(target),
                word => target.standing.word() == word,
            }
    }
}

impl Mark {
    const fn new(symbol: &'static str, word: &'static str) -> Self {
        Self { symbol, word }
    }

    /// The name of its style.
    pub(super) fn class(&self) -> String {
        self.word.replace(' ', "-")
    }

    /// The mark for a word of standings, verdicts and presences.
    fn of(word: &'static str) -> Self {
        let symbol = match word {
            "up" | "alive" | "me" | "told" => "✓",
            "degraded" | "suspect" => "▲",
            "down" | "dead" | "failed" => "✕",
            "held" | "quiet" => "‖",
            "waiting" | "voting" | "sending" => "…",
            "unable" => "–",
            _ => "?",
        };
        Self { symbol, word }
    }
}

impl Moment {
    fn of(wall: Wall, at: Wall) -> Self {
        let iso = json::moment(wall);
        let utc = format!("{} UTC", iso.split_once('.').map_or(iso.as_str(), |(whole, _)| whole).replace('T', " "));
        Self { utc, age: age(at.since(wall)), iso }
    }
}

impl<'a> Incident<'a> {
    fn of(view: &'a IncidentView, target: Option<&'a TargetView>, at: Wall) -> Self {
        let watchers = target.filter(|_| view.open).map_or(&[][..], |target| &target.watchers);
        let notices: Vec<Notice> = view.notices.iter().map(|notice| Notice::of(notice, at)).collect();
        Self {
            view,
            mark: standing(view.standing),
            since: Moment::of(view.since, at),
            closed: view.closed.map(|closed| Moment::of(closed, at)),
            lasted: age(view.lasted.unwrap_or_else(|| view.closed.unwrap_or(at).since(view.since))),
            runbook: target.and_then(runbook),
            watchers: watchers.iter().take(limits::WEB_LINES).map(|watcher| Watcher::of(watcher, at)).collect(),
            watchers_more: watchers.len().saturating_sub(limits::WEB_LINES),
            votes: view.votes.iter().map(|(node, verdict)| (node.as_str(), Mark::of(verdict.word()))).collect(),
            told: told(&view.notices),
            notices,
        }
    }
}

impl<'a> Notice<'a> {
    fn of(view: &'a NoticeView, at: Wall) -> Self {
        Self { view, mark: Mark::of(view.state), at: view.at.map(|told| Moment::of(told, at)) }
    }
}

impl<'a> Doubt<'a> {
    fn of(target: &'a TargetView, at: Wall) -> Self {
        let (votes, counted) = target.votes;
        let why = match target.standing {
            Standing::Unknown if counted == 0 => "no watcher can say how it is".into(),
            Standing::Unknown => format!("{votes} of {counted} watchers cannot say how it is yet"),
            Standing::Up => format!("up, but {} of {counted} watchers call it worse", counted.saturating_sub(votes)),
            _ => "no incident is open for it".into(),
        };
        Self {
            target,
            mark: if target.partial { Mark::new("▲", "partial") } else { standing(target.standing) },
            since: Moment::of(target.since, at),
            why,
        }
    }
}

impl<'a> Target<'a> {
    fn of(view: &'a TargetView, at: Wall) -> Self {
        let rank = |verdict| match verdict {
            Verdict::Down => 0,
            Verdict::Degraded => 1,
            Verdict::Unknown => 2,
            Verdict::Unable => 3,
            Verdict::Up => 4,
        };
        let telling = view.watchers.iter().filter(|watcher| watcher.verdict != Verdict::Up && !watcher.detail.is_empty());
        Self {
            view,
            mark: standing(view.standing),
            since: Moment::of(view.since, at),
            // The few that still reach what is down would make it look quick.
            time: json::typical_time(view).filter(|_| view.standing != Standing::Down).map(|time| time.to_string()).unwrap_or_default(),
            loss: json::worst_loss(view).map(percent).unwrap_or_default(),
            seen: telling.min_by_key(|watcher| (!watcher.counted, rank(watcher.verdict))).map_or("", |watcher| &watcher.detail),
            runbook: runbook(view),
            watchers: view.watchers.iter().map(|watcher| Watcher::of(watcher, at)).collect(),
        }
    }
}

impl<'a> Watcher<'a> {
    fn of(view: &'a WatcherView, at: Wall) -> Self {
        Self {
            view,
            mark: Mark::of(view.verdict.word()),
            since: view.since.map(|since| Moment::of(since, at)),
            last_good: view.last_good.map(|good| Moment::of(good, at)),
            time: view.time.map(|time| time.to_string()).unwrap_or_default(),
            loss: view.loss.map(percent).unwrap_or_default(),
        }
    }
}

impl<'a> Node<'a> {
    fn of(view: &'a NodeView, own: &BTreeMap<&str, &LinkView>, at: Wall) -> Self {
        let link = own.get(view.name.as_str()).filter(|_| view.presence != Presence::Me);
        let mut links: Vec<&LinkView> = view.links.iter().collect();
        links.sort_by_key(|link| link.up);
        Self {
            view,
            mark: Mark::of(view.presence.word()),
            heard: view.heard.map(|heard| Moment::of(heard, at)),
            time: link.and_then(|link| link.time).map(|time| time.to_string()).unwrap_or_default(),
            offset: view.clock.map(clock).unwrap_or_default(),
            links_up: view.links.iter().filter(|link| link.up).count(),
            remarks: remarks(view),
            links_more: links.len().saturating_sub(limits::WEB_LINES),
            links: links.into_iter().take(limits::WEB_LINES).map(|link| Link::of(link, at)).collect(),
        }
    }
}

impl<'a> Link<'a> {
    fn of(view: &'a LinkView, at: Wall) -> Self {
        let mark = Mark::of(if view.up { "up" } else { "down" });
        Self {
            view,
            mark,
            since: Moment::of(view.since, at),
            time: view.time.map(|time| time.to_string()).unwrap_or_default(),
            lag: view.lag.map(|lag| format!("{} / {}", lag.peer_lacks, lag.lacks)).unwrap_or_default(),
            bytes: view.bytes.map(|(sent, received)| format!("{} / {}", Size(sent), Size(received))).unwrap_or_default(),
        }
    }
}

fn standing(standing: Standing) -> Mark {
    Mark::of(standing.word())
}

/// What is down comes before what is only degraded; otherwise the newest first, as it was.
fn worst_first<'a>(incidents: impl Iterator<Item = &'a Arc<IncidentView>>) -> Vec<&'a IncidentView> {
    let mut incidents: Vec<&IncidentView> = incidents.map(|incident| &**incident).collect();
    incidents.sort_by_key(|incident| incident.standing == Standing::Degraded);
    incidents
}

/// Not good, and no incident speaks of it.
fn is_doubtful(target: &TargetView) -> bool {
    let good = matches!(target.standing, Standing::Up | Standing::Held) && !target.partial;
    !good && !target.sometimes && target.incident.is_none()
}

/// The whole network in one line. A node that is cut off does not know how it is.
fn headline(view: &View) -> String {
    if view.isolated {
        return "Cut off: nobody can say from here".into();
    }
    let count = |standing| view.targets.iter().filter(|target| !target.sometimes && target.standing == standing).count();
    let bad = [Standing::Down, Standing::Degraded, Standing::Unknown].map(|standing| (count(standing), standing.word()));
    let mut parts: Vec<String> = bad.iter().filter(|(count, _)| 0 < *count).map(|(count, word)| format!("{count} {word}")).collect();
    if parts.is_empty() && view.targets.is_empty() {
        return "Nothing is watched yet".into();
    }
    if parts.is_empty() {
        parts.push("Everything is up".into());
    }
    if 0 < count(Standing::Held) {
        parts.push(format!("{} held", count(Standing::Held)));
    }
    parts.join(", ")
}

/// A silence in one line; when it ends is by the clock of whoever began it.
fn silence(silence: &SilenceView, at: Wall) -> String {
    let what: Vec<&str> = silence.targets.iter().chain(&silence.groups).map(String::as_str).collect();
    let left = Wall(silence.at.0.saturating_add_unsigned(silence.lasts.0)).since(at);
    let why = if silence.reason.is_empty() { String::new() } else { format!(": {}", silence.reason) };
    format!("Nothing new is told of {} for {}, by {}{why}.", what.join(", "), age(left), silence.by)
}

/// Whether anybody has been told of an incident.
fn told(notices: &[NoticeView]) -> Mark {
    let any = |states: &[&str]| notices.iter().any(|notice| states.contains(&notice.state));
    if notices.is_empty() {
        Mark::new("–", "nobody told")
    } else if any(&["failed"]) && !any(&["told"]) {
        Mark::new("✕", "telling failed")
    } else if any(&["failed"]) {
        Mark::new("▲", "told in part")
    } else if any(&["told"]) {
        Mark::new("✓", "told")
    } else if notices.iter().all(|notice| notice.state == "quiet") {
        Mark::new("‖", "quiet")
    } else {
        Mark::new("…", "not told yet")
    }
}

fn groups<'a>(targets: impl Iterator<Item = &'a TargetView>, at: Wall) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for target in targets {
        let name = target.group.as_deref().unwrap_or(if target.id.0.starts_with("node:") { "nodes" } else { "ungrouped" });
        let place = *places.entry(name).or_insert_with(|| {
            groups.push(Group { name, summary: String::new(), targets: Vec::new() });
            groups.len() - 1
        });
        groups[place].targets.push(Target::of(target, at));
    }
    for group in &mut groups {
        let bad = group.targets.iter().filter(|target| target.view.standing.is_bad()).count();
        let all = group.targets.len();
        group.summary = if bad == 0 { format!("{all}") } else { format!("{bad} of {all} not well") };
    }
    groups
}

/// How the nodes are together: the worst presence of any that is expected to be there.
fn nodes_state(view: &View) -> &'static str {
    let away = |node: &NodeView| view.targets.iter().any(|target| target.sometimes && target.id == TargetId::of_node(&node.name));
    let any = |presence| view.nodes.iter().any(|node| node.presence == presence && !away(node));
    let found = [Presence::Dead, Presence::Suspect, Presence::Unheard].into_iter().find(|presence| any(*presence));
    found.unwrap_or(Presence::Alive).word()
}

fn own_links(view: &View) -> BTreeMap<&str, &LinkView> {
    let me = view.nodes.iter().find(|node| node.presence == Presence::Me);
    me.map(|me| me.links.iter().map(|link| (link.peer.as_str(), link)).collect()).unwrap_or_default()
}

/// What a reader should know of a node besides its presence.
fn remarks(node: &NodeView) -> Vec<String> {
    let mut remarks = Vec::new();
    if node.isolated {
        remarks.push("cut off from everything".into());
    }
    if !node.voting && node.role.votes() && matches!(node.presence, Presence::Me | Presence::Alive) {
        remarks.push("does not vote".into());
    }
    remarks.extend(node.clock.and_then(ClockView::fault).map(|how| format!("its clock is {how}")));
    if node.same_definition == Some(false) {
        remarks.push("follows another definition".into());
    }
    remarks.extend(node.lacks.iter().map(|lack| format!("may not: {lack}")));
    let unique: BTreeSet<&String> = node.links.iter().filter(|link| !link.up).map(|link| &link.peer).collect();
    if !unique.is_empty() && matches!(node.presence, Presence::Me | Presence::Alive) {
        let names: Vec<&str> = unique.iter().take(5).map(|name| name.as_str()).collect();
        let more = if names.len() < unique.len() { ", ..." } else { "" };
        remarks.push(format!("no link to {}{more}", names.join(", ")));
    }
    remarks
}

/// Only what a browser opens as a page becomes a link.
fn runbook(target: &TargetView) -> Option<&str> {
    target.runbook.as_deref().filter(|text| text.starts_with("https://") || text.starts_with("http://"))
}

fn percent(share: f32) -> String {
    format!("{:.0}%", share * 100.0)
}

/// How a clock stands to this node's; what was not measured is marked as a guess.
fn clock(clock: ClockView) -> String {
    format!("{}{:+.3} s", if clock.measured { "" } else { "≈ " }, clock.offset as f64 / 1000.0)
}

/// An age as people say it; parts of a second do not matter.
fn age(span: Span) -> String {
    Span(span.0 / 1000 * 1000).to_string().replace("0ms", "0s")
}

#[cfg(test)]
mod tests;
