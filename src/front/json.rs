//! Views as JSON: the shapes that `/api/v1/` and `peerwatchctl --json` share.
//!
//! A view is what a node shows; what stands here is what programs may rely on. So the shapes are
//! types of their own, made from views by plain functions, and a domain type may change without
//! breaking a script. They are also read back (`Deserialize`), for a face that gets them as text.
//!
//! The manner: field names in `snake_case` with their unit last (`rtt_seconds`); moments are ISO 8601
//! in UTC with `Z`, milliseconds included; lengths of time are seconds as numbers; keys are whole, in
//! hexadecimal; what is not known is `null`, never left out. Fields may be added within `v1`; none
//! changes its meaning or goes away.
//!
//! Nothing here sends, escapes for HTML or asks; `front::web` and `front::cli` do.

use serde::{Deserialize, Serialize};

use crate::base::command::Vantage as Answered;
use crate::base::id::{Incarnation, hex};
use crate::base::outcome::{Look, Standing};
use crate::base::time::{Micros, Span, Wall};
use crate::base::view::{IncidentView, LinkView, NodeView, NoticeView, Presence, Sample, TargetView, View, WatcherView};

/// A network in a few lines: `peerwatchctl status --json`, each row of `/api/v1/networks`, and the
/// first fields of `/api/v1/state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The network's name, as its directory is called.
    pub network: String,
    /// Its `id` string.
    pub id: String,
    /// The node that says all this.
    pub me: String,
    /// When it said it, by its wall clock.
    pub at: String,
    /// The worst standing of any target that is expected to be there: `down`, `degraded`, `unknown`,
    /// `held` or `up`; `unknown` as well where there is no target.
    pub worst: String,
    /// Why this node cannot write its journal at the moment, with the remedy.
    pub fault: Option<String>,
    /// Whether this node is cut off from everything.
    pub isolated: bool,
    /// Things people should know about this node.
    pub remarks: Vec<String>,
    /// How many targets have each standing.
    pub target_counts: TargetCounts,
    /// How many nodes are present in each way.
    pub node_counts: NodeCounts,
    /// How many incidents are open.
    pub open_incidents: usize,
}

/// How many targets have each standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCounts {
    /// All of them.
    pub total: usize,
    /// Enough watchers call it neither degraded nor down.
    pub up: usize,
    /// Enough call it at least degraded.
    pub degraded: usize,
    /// Enough call it down.
    pub down: usize,
    /// No watcher can say.
    pub unknown: usize,
    /// Not judged now: in maintenance.
    pub held: usize,
    /// Those of `up` and `degraded` that some watchers call worse.
    pub partial: usize,
}

/// How many nodes are present in each way, as judged by this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCounts {
    /// The whole roster.
    pub total: usize,
    /// Heard of in time; this node counts among them.
    pub alive: usize,
    /// Silent for too long, not yet given up.
    pub suspect: usize,
    /// Silent and given up.
    pub dead: usize,
    /// Not heard of since this node started.
    pub unheard: usize,
}

/// A member of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its public key, 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `admin`, `member` or `observer`.
    pub role: String,
    /// `me`, `alive`, `suspect`, `dead` or `unheard`.
    pub presence: String,
    /// When it was last heard of, by the showing node's wall clock.
    pub heard: Option<String>,
    /// Whether it takes part in votes.
    pub voting: bool,
    /// Whether it says that it is cut off.
    pub isolated: bool,
    /// Version of its software.
    pub software: Option<String>,
    /// Its operating system.
    pub system: Option<String>,
    /// Ways out for notices that it has.
    pub ways: Vec<String>,
    /// What it may not do.
    pub lacks: Vec<String>,
    /// Whether it follows the same definition as the showing node.
    pub same_definition: Option<bool>,
    /// Its present life: the number of its opening, a dot, 32 hexadecimal digits.
    pub incarnation: Option<String>,
    /// Configured addresses.
    pub addresses: Vec<String>,
    /// Its links, as it reports them.
    pub links: Vec<Link>,
}

/// One end's report of one link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Name of the other end.
    pub peer: String,
    /// Whether there is a link.
    pub up: bool,
    /// Since when, by the reporter's wall clock.
    pub since: String,
    /// Round trip; only for the showing node's own links.
    pub rtt_seconds: Option<f64>,
    /// By how much the peer's wall clock is ahead; only for the showing node's own links.
    pub offset_seconds: Option<f64>,
    /// Why it went, or over which address it came.
    pub detail: String,
}

/// Something watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name; `node:NAME` for a node.
    pub name: String,
    /// What it is listed under.
    pub group: Option<String>,
    /// What is looked at, in a few words.
    pub probe: String,
    /// Time between looks.
    pub interval_seconds: f64,
    /// `up`, `degraded`, `down`, `unknown` or `held`.
    pub standing: String,
    /// Since when, by the showing node's wall clock.
    pub since: String,
    /// Votes for the standing.
    pub votes: usize,
    /// Votes counted.
    pub votes_counted: usize,
    /// Whether some counted watchers call it bad while the standing is good.
    pub partial: bool,
    /// Whether it may be away.
    pub sometimes: bool,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Typical time over the counted watchers: their median.
    pub rtt_seconds: Option<f64>,
    /// Largest share of packets lost that a counted watcher sees, 0 to 1.
    pub loss: Option<f64>,
    /// The open incident, as `TARGET#NUMBER`.
    pub incident: Option<String>,
    /// What each watcher says.
    pub watchers: Vec<Watcher>,
}

/// What one watcher says of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watcher {
    /// Name of the watcher.
    pub node: String,
    /// `up`, `degraded`, `down`, `unknown` or `unable`.
    pub verdict: String,
    /// Since when, by the watcher's wall clock; `null` while it has not judged.
    pub since: Option<String>,
    /// Whether it counts now: able, alive, not isolated.
    pub counted: bool,
    /// Typical time of the look that the verdict rests on; of the last look for the showing node's own.
    pub rtt_seconds: Option<f64>,
    /// Share of packets lost, 0 to 1.
    pub loss: Option<f64>,
    /// What was seen.
    pub detail: String,
    /// Last good look, by the watcher's wall clock.
    pub last_good: Option<String>,
}

/// A period in which a standing was bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// `TARGET#NUMBER`; equal on every node.
    pub id: String,
    /// What was bad.
    pub target: String,
    /// The target's incidents are counted from 1.
    pub number: u32,
    /// Whether it is open.
    pub open: bool,
    /// How bad: `down`, `degraded` or `unknown`.
    pub standing: String,
    /// First bad look, by that watcher's wall clock.
    pub since: String,
    /// When it was opened, by the opener's wall clock.
    pub opened: String,
    /// When it closed, by the closer's wall clock.
    pub closed: Option<String>,
    /// How long it lasted.
    pub lasted_seconds: Option<f64>,
    /// Why, in one line.
    pub reason: String,
    /// The votes that it rests on.
    pub votes: Vec<Vote>,
    /// What people were told, or are to be told.
    pub notices: Vec<Notice>,
}

/// One vote that an incident rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Name of the watcher.
    pub node: String,
    /// `up`, `degraded`, `down`, `unknown` or `unable`.
    pub verdict: String,
}

/// One notice of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The channel's name.
    pub channel: String,
    /// `down`, `degraded` or `up`.
    pub phase: String,
    /// `waiting`, `voting`, `sending`, `told` or `failed`.
    pub state: String,
    /// Which node sends or sent it.
    pub by: Option<String>,
    /// When, by that node's wall clock.
    pub at: Option<String>,
    /// What the server said, or who is awaited.
    pub detail: String,
}

/// How far this node has the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Entries held.
    pub entries: u64,
    /// The last entry of each chain.
    pub heads: Vec<Head>,
}

/// The last entry held of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Name of the author.
    pub author: String,
    /// Its life: the number of its opening, a dot, 32 hexadecimal digits.
    pub incarnation: String,
    /// `state`, `events`, `minutes`, `hours` or `days`.
    pub lane: String,
    /// The last sequence number.
    pub sequence: u64,
}

/// One node's answer to a ping request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vantage {
    /// The node's name.
    pub node: String,
    /// Whether it answered at all.
    pub answered: bool,
    /// Echo requests sent; zero when the node cannot look.
    pub sent: u16,
    /// Echo replies received.
    pub received: u16,
    /// Share of packets lost, 0 to 1; none when nothing was sent.
    pub loss: Option<f64>,
    /// Fastest round trip.
    pub min_seconds: Option<f64>,
    /// Mean round trip.
    pub mean_seconds: Option<f64>,
    /// Slowest round trip.
    pub max_seconds: Option<f64>,
    /// What was seen.
    pub detail: String,
}

/// One raw sample of the showing node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// When, by that node's wall clock.
    pub at: String,
    /// `good`, `poor`, `bad` or `unable`.
    pub look: String,
    /// Packets or attempts sent.
    pub sent: u16,
    /// Answers received.
    pub received: u16,
    /// Share of packets lost, 0 to 1; none when nothing was sent.
    pub loss: Option<f64>,
    /// Typical time.
    pub rtt_seconds: Option<f64>,
    /// What was seen, where it was not good.
    pub detail: String,
}

/// The network in a few lines.
#[must_use]
pub fn status(view: &View) -> Status {
    Status {
        network: view.network.clone(),
        id: view.id.clone(),
        me: view.me.clone(),
        at: moment(view.at),
        worst: worst(view).word().into(),
        fault: view.fault.clone(),
        isolated: view.isolated,
        remarks: view.remarks.to_vec(),
        target_counts: target_counts(view),
        node_counts: node_counts(view),
        open_incidents: view.incidents.iter().filter(|incident| incident.open).count(),
    }
}

/// The roster, in its order.
#[must_use]
pub fn nodes(view: &View) -> Vec<Node> {
    view.nodes.iter().map(|each| node(each)).collect()
}

/// All targets: those of the definition in its order, then nodes.
#[must_use]
pub fn targets(view: &View) -> Vec<Target> {
    view.targets.iter().map(|each| target(each)).collect()
}

/// Open incidents, newest first, then closed ones, newest first.
#[must_use]
pub fn incidents(view: &View) -> Vec<Incident> {
    view.incidents.iter().map(|each| incident(each)).collect()
}

/// Chains and heads.
#[must_use]
pub fn journal(view: &View) -> Journal {
    let head = |head: &crate::base::view::HeadView| Head {
        author: head.author.clone(),
        incarnation: life(&head.incarnation),
        lane: head.lane.into(),
        sequence: head.sequence,
    };
    Journal { entries: view.journal.entries, heads: view.journal.heads.iter().map(head).collect() }
}

/// The rows of a ping request's reply.
#[must_use]
pub fn vantages(rows: &[Answered]) -> Vec<Vantage> {
    rows.iter().map(vantage).collect()
}

/// Raw samples, in the order given.
#[must_use]
pub fn samples(samples: &[Sample]) -> Vec<Measured> {
    samples.iter().map(measured).collect()
}

/// One member.
#[must_use]
pub fn node(node: &NodeView) -> Node {
    Node {
        id: node.id.hex(),
        name: node.name.clone(),
        role: node.role.word().into(),
        presence: node.presence.word().into(),
        heard: node.heard.map(moment),
        voting: node.voting,
        isolated: node.isolated,
        software: node.software.clone(),
        system: node.system.clone(),
        ways: node.ways.clone(),
        lacks: node.lacks.clone(),
        same_definition: node.same_definition,
        incarnation: node.incarnation.as_ref().map(life),
        addresses: node.addresses.clone(),
        links: node.links.iter().map(link).collect(),
    }
}

/// One target.
#[must_use]
pub fn target(target: &TargetView) -> Target {
    Target {
        name: target.id.0.clone(),
        group: target.group.clone(),
        probe: target.probe.clone(),
        interval_seconds: seconds(target.interval),
        standing: target.standing.word().into(),
        since: moment(target.since),
        votes: target.votes.0,
        votes_counted: target.votes.1,
        partial: target.partial,
        sometimes: target.sometimes,
        runbook: target.runbook.clone(),
        rtt_seconds: typical_time(target).map(round_trip),
        loss: worst_loss(target).map(share),
        incident: target.incident.as_ref().map(ToString::to_string),
        watchers: target.watchers.iter().map(watcher).collect(),
    }
}

/// One incident.
#[must_use]
pub fn incident(incident: &IncidentView) -> Incident {
    let vote = |(node, verdict): &(String, crate::base::outcome::Verdict)| Vote { node: node.clone(), verdict: verdict.word().into() };
    Incident {
        id: incident.id.to_string(),
        target: incident.id.target.0.clone(),
        number: incident.id.number,
        open: incident.open,
        standing: incident.standing.word().into(),
        since: moment(incident.since),
        opened: moment(incident.opened),
        closed: incident.closed.map(moment),
        lasted_seconds: incident.lasted.map(seconds),
        reason: incident.reason.clone(),
        votes: incident.votes.iter().map(vote).collect(),
        notices: incident.notices.iter().map(notice).collect(),
    }
}

/// A moment as ISO 8601 in UTC; what lies outside the years that can be written is moved to their edge.
#[must_use]
pub fn moment(wall: Wall) -> String {
    let edge = if wall.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    format!("{:.3}", jiff::Timestamp::from_millisecond(wall.0).unwrap_or(edge))
}

/// The worst standing of any target that is expected to be there.
#[must_use]
pub fn worst(view: &View) -> Standing {
    const ORDER: [Standing; 4] = [Standing::Down, Standing::Degraded, Standing::Unknown, Standing::Held];
    let expected = || view.targets.iter().filter(|target| !target.sometimes);
    let found = ORDER.into_iter().find(|standing| expected().any(|target| target.standing == *standing));
    found.unwrap_or(if view.targets.is_empty() { Standing::Unknown } else { Standing::Up })
}

/// How many targets have each standing.
#[must_use]
pub fn target_counts(view: &View) -> TargetCounts {
    view.targets.iter().fold(TargetCounts::default(), |mut counts, target| {
        counts.total += 1;
        counts.partial += usize::from(target.partial);
        *match target.standing {
            Standing::Up => &mut counts.up,
            Standing::Degraded => &mut counts.degraded,
            Standing::Down => &mut counts.down,
            Standing::Unknown => &mut counts.unknown,
            Standing::Held => &mut counts.held,
        } += 1;
        counts
    })
}

/// How many nodes are present in each way.
#[must_use]
pub fn node_counts(view: &View) -> NodeCounts {
    view.nodes.iter().fold(NodeCounts::default(), |mut counts, node| {
        counts.total += 1;
        *match node.presence {
            Presence::Me | Presence::Alive => &mut counts.alive,
            Presence::Suspect => &mut counts.suspect,
            Presence::Dead => &mut counts.dead,
            Presence::Unheard => &mut counts.unheard,
        } += 1;
        counts
    })
}

/// The median of the counted watchers' times: one far-away watcher does not bend it.
#[must_use]
pub fn typical_time(target: &TargetView) -> Option<Micros> {
    let mut times: Vec<Micros> = target.watchers.iter().filter(|watcher| watcher.counted).filter_map(|watcher| watcher.time).collect();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

/// The largest share of packets lost that a counted watcher sees.
#[must_use]
pub fn worst_loss(target: &TargetView) -> Option<f32> {
    target.watchers.iter().filter(|watcher| watcher.counted).filter_map(|watcher| watcher.loss).max_by(f32::total_cmp)
}

fn link(link: &LinkView) -> Link {
    Link {
        peer: link.peer.clone(),
        up: link.up,
        since: moment(link.since),
        rtt_seconds: link.time.map(round_trip),
        offset_seconds: link.offset.map(|milliseconds| milliseconds as f64 / 1000.0),
        detail: link.detail.clone(),
    }
}

fn watcher(watcher: &WatcherView) -> Watcher {
    Watcher {
        node: watcher.node.clone(),
        verdict: watcher.verdict.word().into(),
        since: watcher.since.map(moment),
        counted: watcher.counted,
        rtt_seconds: watcher.time.map(round_trip),
        loss: watcher.loss.map(share),
        detail: watcher.detail.clone(),
        last_good: watcher.last_good.map(moment),
    }
}

fn notice(notice: &NoticeView) -> Notice {
    Notice {
        channel: notice.channel.clone(),
        phase: notice.phase.into(),
        state: notice.state.into(),
        by: notice.by.clone(),
        at: notice.at.map(moment),
        detail: notice.detail.clone(),
    }
}

fn vantage(row: &Answered) -> Vantage {
    let answer = row.answer.as_ref();
    let (sent, received) = answer.map_or((0, 0), |answer| (answer.sent, answer.received));
    let times = answer.and_then(|answer| answer.times);
    let time = |pick: fn((u32, u32, u32)) -> u32| times.map(|times| round_trip(Micros(pick(times))));
    Vantage {
        node: row.node.clone(),
        answered: answer.is_some(),
        sent,
        received,
        loss: loss(sent, received),
        min_seconds: time(|times| times.0),
        mean_seconds: time(|times| times.1),
        max_seconds: time(|times| times.2),
        detail: answer.map_or_else(|| "no answer in time".into(), |answer| answer.detail.clone()),
    }
}

fn measured(sample: &Sample) -> Measured {
    let look = match sample.look {
        Look::Good => "good",
        Look::Poor => "poor",
        Look::Bad => "bad",
        Look::Unable => "unable",
    };
    Measured {
        at: moment(sample.at),
        look: look.into(),
        sent: sample.sent,
        received: sample.received,
        loss: loss(sample.sent, sample.received),
        rtt_seconds: sample.time.map(round_trip),
        detail: sample.detail.clone(),
    }
}

/// A life, whole; its `Display` is for people and shortens the name.
fn life(incarnation: &Incarnation) -> String {
    format!("{}.{}", incarnation.opened, hex(&incarnation.nonce))
}

fn seconds(span: Span) -> f64 {
    span.0 as f64 / 1000.0
}

fn round_trip(time: Micros) -> f64 {
    f64::from(time.0) / 1_000_000.0
}

/// Rounded to what a person can use; an `f32` as it is would show digits that were never measured.
fn share(share: f32) -> f64 {
    (f64::from(share) * 10_000.0).round() / 10_000.0
}

fn loss(sent: u16, received: u16) -> Option<f64> {
    (0 < sent).then(|| share(f32::from(sent.saturating_sub(received)) / f32::from(sent)))
}

#[cfg(test)]
mod tests;
