//! Objects of the bus back to views, so that everything else here is a function of views.
//!
//! Tolerant, since the daemon may be of another version: what is missing is empty, a word that is
//! not known is `unknown`, what is not understood is ignored.

use std::collections::BTreeMap;
use std::sync::Arc;

use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use super::client::{Objects, Properties, Rows};
use crate::base::command::{Step, Way};
use crate::base::id::{Incarnation, IncidentId, Lane, NodeId, TargetId};
use crate::base::outcome::{Standing, Verdict};
use crate::base::settings::{Phase, Role};
use crate::base::time::{Micros, Span, Wall};
use crate::base::view::{
    AcknowledgedView, ClockView, ForkView, HeadView, IncidentView, JournalView, LagView, LinkView, NodeView, NoticeView, Presence,
    SilenceView, TargetView, View, WatcherView,
};
use crate::front::json::{self, Fork, Stats, Tried, Vantage, Verified};

/// All networks, by name.
pub(super) fn views(objects: &Objects) -> Vec<View> {
    objects.values().filter_map(|interfaces| Some(view(objects, interfaces.get(NETWORK)?))).collect()
}

/// The interface of networks.
pub(super) const NETWORK: &str = "org.peerwatch.Peerwatch1.Network";
/// The interface of nodes.
pub(super) const NODE: &str = "org.peerwatch.Peerwatch1.Node";
/// The interface of targets.
pub(super) const TARGET: &str = "org.peerwatch.Peerwatch1.Target";
/// The interface of incidents.
pub(super) const INCIDENT: &str = "org.peerwatch.Peerwatch1.Incident";

/// A network.
pub(super) fn view(objects: &Objects, network: &Properties) -> View {
    let all = |list: &str, interface: &'static str| {
        let paths: Vec<OwnedObjectPath> = network.value(list).unwrap_or_default();
        paths.into_iter().filter_map(move |path| objects.get(path.as_str())?.get(interface))
    };
    View {
        network: network.text("Name"),
        id: network.text("Id"),
        me: network.text("NodeName"),
        at: network.moment("UpdatedUSec").unwrap_or_default(),
        fault: network.filled("Fault"),
        isolated: network.truth("Isolated"),
        remarks: network.texts("Remarks").into(),
        nodes: all("Nodes", NODE).map(|properties| Arc::new(node(properties))).collect(),
        targets: all("Targets", TARGET).map(|properties| Arc::new(target(objects, properties))).collect(),
        incidents: all("Incidents", INCIDENT).map(|properties| Arc::new(incident(properties))).collect(),
        silences: rows(network, "Silences").into_iter().map(silence).collect(),
        windows: network.texts("Maintenance").into(),
        events: [].into(),
        journal: Arc::new(journal(network)),
    }
}

/// A node.
pub(super) fn node(properties: &Properties) -> NodeView {
    NodeView {
        id: key(&properties.text("Key")),
        name: properties.text("Name"),
        role: word(&[Role::Admin, Role::Member, Role::Observer], Role::word, &properties.text("Role")),
        presence: word(&PRESENCES, Presence::word, &properties.text("Presence")),
        heard: properties.moment("HeardUSec"),
        voting: properties.truth("Voting"),
        isolated: properties.truth("Isolated"),
        software: properties.filled("Software"),
        system: properties.filled("System"),
        ways: properties.texts("Ways"),
        lacks: properties.texts("Lacks"),
        same_definition: match properties.text("Definition").as_str() {
            "same" => Some(true),
            "different" => Some(false),
            _ => None,
        },
        incarnation: life(&properties.text("Incarnation")),
        clock: clock(properties.value("Clock").unwrap_or_default()),
        addresses: properties.texts("Addresses"),
        links: links(properties),
    }
}

/// A target.
pub(super) fn target(objects: &Objects, properties: &Properties) -> TargetView {
    let incident = properties.value::<OwnedObjectPath>("Incident");
    let incident = incident.and_then(|path| objects.get(path.as_str())?.get(INCIDENT));
    TargetView {
        id: TargetId(properties.text("Name")),
        group: properties.filled("Group"),
        probe: properties.text("Probe"),
        interval: properties.length("IntervalUSec"),
        standing: word(&STANDINGS, Standing::word, &properties.text("Standing")),
        since: properties.moment("SinceUSec").unwrap_or_default(),
        votes: (properties.count("VotesFor"), properties.count("VotesCounted")),
        partial: properties.truth("Partial"),
        sometimes: properties.truth("Sometimes"),
        runbook: properties.filled("Runbook"),
        watchers: watchers(properties),
        incident: incident.map(incident_id),
    }
}

/// An incident.
pub(super) fn incident(properties: &Properties) -> IncidentView {
    let open = properties.truth("Open");
    let votes: Vec<(String, String)> = properties.value("Votes").unwrap_or_default();
    IncidentView {
        id: incident_id(properties),
        open,
        standing: word(&STANDINGS, Standing::word, &properties.text("Standing")),
        since: properties.moment("SinceUSec").unwrap_or_default(),
        opened: properties.moment("OpenedUSec").unwrap_or_default(),
        closed: properties.moment("ClosedUSec"),
        lasted: (!open).then(|| properties.length("LastedUSec")),
        reason: properties.text("Reason"),
        votes: votes.into_iter().map(|(node, verdict)| (node, word(&VERDICTS, Verdict::word, &verdict))).collect(),
        acknowledged: properties.filled("AcknowledgedBy").map(|by| AcknowledgedView {
            by,
            at: properties.moment("AcknowledgedUSec").unwrap_or_default(),
            reason: properties.text("AcknowledgedReason"),
        }),
        notices: rows(properties, "Notices").into_iter().map(notice).collect(),
    }
}

/// A silence.
fn silence((id, traits): (String, BTreeMap<String, OwnedVariant>)) -> SilenceView {
    SilenceView {
        id,
        targets: traits.texts("Targets"),
        groups: traits.texts("Groups"),
        by: traits.text("By"),
        at: traits.moment("AtUSec").unwrap_or_default(),
        lasts: traits.length("LastsUSec"),
        reason: traits.text("Reason"),
    }
}

/// What happened, newest first.
pub(super) fn events(rows: Rows) -> Vec<json::Event> {
    let event = |(kind, traits): (String, BTreeMap<String, OwnedVariant>)| json::Event {
        at: traits.moment("AtUSec").map(json::moment).unwrap_or_default(),
        kind,
        node: traits.text("Node"),
        incident: traits.filled("Incident"),
        channel: traits.filled("Channel"),
        text: traits.text("Text"),
    };
    rows.into_iter().map(event).collect()
}

/// The answers to a ping.
pub(super) fn vantages(rows: Rows) -> Vec<Vantage> {
    let row = |(node, traits): (String, BTreeMap<String, OwnedVariant>)| {
        let count = |name| u16::try_from(traits.count(name)).unwrap_or(u16::MAX);
        let seconds = |name| traits.value::<u64>(name).map(|micros| micros as f64 / 1_000_000.0);
        let (answered, sent, received) = (traits.truth("Answered"), count("Sent"), count("Received"));
        Vantage {
            node,
            answered,
            sent,
            received,
            // Four digits, as everywhere in JSON.
            loss: (0 < sent).then(|| (f64::from(sent.saturating_sub(received)) / f64::from(sent) * 10_000.0).round() / 10_000.0),
            min_seconds: seconds("LeastUSec"),
            mean_seconds: seconds("MeanUSec"),
            max_seconds: seconds("MostUSec"),
            detail: if answered { traits.text("Detail") } else { "no answer in time".into() },
        }
    };
    rows.into_iter().map(row).collect()
}

/// What became of an example.
pub(super) fn tried(rows: Rows) -> Vec<Tried> {
    let row = |(channel, traits): (String, BTreeMap<String, OwnedVariant>)| Tried {
        channel,
        way: traits.text("Way"),
        outcome: traits.text("Outcome"),
        detail: traits.text("Detail"),
        refused: traits.texts("Refused"),
    };
    rows.into_iter().map(row).collect()
}

/// The way to a node.
pub(super) fn way((found, took, hops): (bool, u64, Rows)) -> Option<Way> {
    let step = |(node, traits): (String, BTreeMap<String, OwnedVariant>)| Step { node, time: traits.time("TimeUSec") };
    found.then(|| Way { hops: hops.into_iter().map(step).collect(), took: Span(took / 1000) })
}

/// What a journal takes: figures in all, and each chain with its entries and bytes.
pub(super) fn stats((totals, chains): (BTreeMap<String, OwnedVariant>, Rows)) -> Stats {
    let number = |name| totals.value(name).unwrap_or_default();
    let fork = |(author, incarnation, lane, sequence): (String, String, String, u64)| Fork { author, incarnation, lane, sequence };
    let chain = |(author, traits): (String, BTreeMap<String, OwnedVariant>)| {
        let (entries, bytes) = (traits.value("Entries").unwrap_or_default(), traits.value("Bytes").unwrap_or_default());
        Some(json::chain(&head(author, &traits)?, entries, bytes))
    };
    Stats {
        entries: number("Entries"),
        entry_bytes: number("EntryBytes"),
        file_bytes: number("FileBytes"),
        log_bytes: number("LogBytes"),
        free_bytes: number("FreeBytes"),
        limit_bytes: number("LimitBytes"),
        samples: number("Samples"),
        forks: totals.value::<Vec<_>>("Forks").unwrap_or_default().into_iter().map(fork).collect(),
        chains: chains.into_iter().filter_map(chain).collect(),
    }
}

/// What a look over a whole journal found.
pub(super) fn verified(found: &BTreeMap<String, OwnedVariant>) -> Verified {
    let number = |name| found.value(name).unwrap_or_default();
    Verified {
        entries: number("Entries"),
        chains: number("Chains"),
        bytes: number("Bytes"),
        faults: found.texts("Faults"),
        more_faults: number("MoreFaults"),
    }
}

const PRESENCES: [Presence; 5] = [Presence::Me, Presence::Alive, Presence::Suspect, Presence::Dead, Presence::Unheard];
const STANDINGS: [Standing; 5] = [Standing::Unknown, Standing::Up, Standing::Degraded, Standing::Down, Standing::Held];
const VERDICTS: [Verdict; 5] = [Verdict::Unknown, Verdict::Up, Verdict::Degraded, Verdict::Down, Verdict::Unable];
const STATES: [&str; 6] = ["waiting", "voting", "sending", "told", "failed", "quiet"];

/// The value with this word, or the one that says that nothing is known.
fn word<T: Copy + Default>(all: &[T], word: fn(T) -> &'static str, text: &str) -> T {
    all.iter().copied().find(|value| word(*value) == text).unwrap_or_default()
}

fn known(words: &[&'static str], text: &str) -> &'static str {
    words.iter().copied().find(|word| *word == text).unwrap_or("unknown")
}

fn incident_id(properties: &Properties) -> IncidentId {
    let number = u32::try_from(properties.count("Number")).unwrap_or(u32::MAX);
    IncidentId { target: TargetId(properties.text("TargetName")), number }
}

fn links(properties: &Properties) -> Vec<LinkView> {
    let measured: BTreeMap<_, _> = rows(properties, "LinkMeasurements").into_iter().collect();
    let link = |(peer, traits): (String, BTreeMap<String, OwnedVariant>)| {
        let measured = measured.get(&peer);
        LinkView {
            up: traits.truth("Up"),
            since: traits.moment("SinceUSec").unwrap_or_default(),
            time: measured.and_then(|traits| traits.time("TimeUSec")),
            offset: measured.and_then(|traits| traits.value::<i64>("OffsetUSec")).map(|micros| micros / 1000),
            lag: measured.and_then(lag),
            bytes: measured.and_then(|traits| traits.value("SentBytes").zip(traits.value("ReceivedBytes"))),
            detail: traits.text("Detail"),
            peer,
        }
    };
    rows(properties, "Links").into_iter().map(link).collect()
}

fn lag(traits: &BTreeMap<String, OwnedVariant>) -> Option<LagView> {
    Some(LagView { peer_lacks: traits.value("PeerLacks")?, lacks: traits.value("Lacks")? })
}

fn clock(traits: BTreeMap<String, OwnedVariant>) -> Option<ClockView> {
    Some(ClockView { offset: traits.value::<i64>("OffsetUSec")? / 1000, measured: traits.truth("Measured") })
}

fn watchers(properties: &Properties) -> Vec<WatcherView> {
    let measured: BTreeMap<_, _> = rows(properties, "Measurements").into_iter().collect();
    let watcher = |(node, traits): (String, BTreeMap<String, OwnedVariant>)| {
        let measured = measured.get(&node);
        WatcherView {
            verdict: word(&VERDICTS, Verdict::word, &traits.text("Verdict")),
            since: traits.moment("SinceUSec"),
            counted: traits.truth("Counted"),
            time: measured.and_then(|traits| traits.time("TimeUSec")),
            loss: measured.and_then(|traits| traits.value::<f64>("Loss")).map(|loss| loss as f32),
            detail: traits.text("Detail"),
            last_good: measured.and_then(|traits| traits.moment("LastGoodUSec")),
            node,
        }
    };
    rows(properties, "Watchers").into_iter().map(watcher).collect()
}

fn notice((channel, traits): (String, BTreeMap<String, OwnedVariant>)) -> NoticeView {
    let phases = [Phase::Down, Phase::Degraded, Phase::Up].map(Phase::word);
    NoticeView {
        channel,
        phase: known(&phases, &traits.text("Phase")),
        state: known(&STATES, &traits.text("State")),
        reminders: u32::try_from(traits.count("Reminders")).unwrap_or(u32::MAX),
        by: traits.filled("By"),
        at: traits.moment("AtUSec"),
        detail: traits.text("Detail"),
    }
}

fn journal(network: &Properties) -> JournalView {
    let heads = rows(network, "JournalHeads").into_iter().filter_map(|(author, traits)| head(author, &traits)).collect();
    let fork = |(author, traits): (String, BTreeMap<String, OwnedVariant>)| {
        let (lane, sequence) = (known(&Lane::ALL.map(Lane::name), &traits.text("Lane")), traits.value("Sequence").unwrap_or_default());
        Some(ForkView { author, incarnation: life(&traits.text("Incarnation"))?, lane, sequence })
    };
    let forks = rows(network, "JournalForks").into_iter().filter_map(fork).collect();
    JournalView { entries: network.value("JournalEntries").unwrap_or_default(), heads, forks }
}

fn head(author: String, traits: &BTreeMap<String, OwnedVariant>) -> Option<HeadView> {
    Some(HeadView {
        author,
        incarnation: life(&traits.text("Incarnation"))?,
        lane: known(&Lane::ALL.map(Lane::name), &traits.text("Lane")),
        base: traits.value("Base").unwrap_or_default(),
        sequence: traits.value("Last").unwrap_or_default(),
        behind: traits.value("Behind").unwrap_or_default(),
        missing: traits.value("Missing").unwrap_or_default(),
    })
}

fn key(text: &str) -> NodeId {
    NodeId(unhex(text).unwrap_or_default())
}

fn life(text: &str) -> Option<Incarnation> {
    let (opened, nonce) = text.split_once('.')?;
    Some(Incarnation { opened: opened.parse().ok()?, nonce: unhex(nonce)? })
}

fn unhex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if text.len() != 2 * LENGTH || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn rows(properties: &Properties, name: &str) -> Rows {
    properties.value(name).unwrap_or_default()
}

/// Values by name, read without complaint.
trait Values {
    fn raw(&self, name: &str) -> Option<&OwnedVariant>;

    fn value<T: TryFrom<Variant<'static>>>(&self, name: &str) -> Option<T> {
        let value = self.raw(name)?.try_clone().ok()?;
        T::try_from(Variant::from(value)).ok()
    }

    fn text(&self, name: &str) -> String {
        self.value(name).unwrap_or_default()
    }

    fn filled(&self, name: &str) -> Option<String> {
        self.value(name).filter(|text: &String| !text.is_empty())
    }

    fn texts(&self, name: &str) -> Vec<String> {
        self.value(name).unwrap_or_default()
    }

    fn truth(&self, name: &str) -> bool {
        self.value(name).unwrap_or_default()
    }

    fn count(&self, name: &str) -> usize {
        self.value::<u32>(name).and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
    }

    fn length(&self, name: &str) -> Span {
        Span(self.value::<u64>(name).unwrap_or_default() / 1000)
    }

    fn time(&self, name: &str) -> Option<Micros> {
        self.value::<u64>(name).map(|micros| Micros(u32::try_from(micros).unwrap_or(u32::MAX)))
    }

    /// A moment; zero means never.
    fn moment(&self, name: &str) -> Option<Wall> {
        let micros = self.value::<u64>(name).filter(|micros| 0 < *micros)?;
        Some(Wall(i64::try_from(micros / 1000).unwrap_or(i64::MAX)))
    }
}

impl Values for Properties {
    fn raw(&self, name: &str) -> Option<&OwnedVariant> {
        self.get(name)
    }
}

impl Values for BTreeMap<String, OwnedVariant> {
    fn raw(&self, name: &str) -> Option<&OwnedVariant> {
        self.get(name)
    }
}
