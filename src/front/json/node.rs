//! A member and its links as JSON: what it says of itself and what the showing node makes of it. Nothing is judged here.

use serde::{Deserialize, Serialize};

use super::{life, moment, round_trip};
use crate::base::view::{LinkView, NodeView, View};

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
    /// By how much its wall clock is ahead of the showing node's; shown, never relied on.
    pub clock_offset_seconds: Option<f64>,
    /// Whether that was measured over a link of the showing node; else it is an estimate from the last heartbeat.
    pub clock_measured: Option<bool>,
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
    /// Entries that the peer has not said that it stored; only for the showing node's own links.
    pub peer_lacks_entries: Option<u64>,
    /// Entries that the peer has and the showing node lacks; only for the showing node's own links.
    pub lacks_entries: Option<u64>,
    /// Bytes sent since the link came; only for the showing node's own links.
    pub sent_bytes: Option<u64>,
    /// Bytes received since the link came; only for the showing node's own links.
    pub received_bytes: Option<u64>,
    /// Why it went, or over which address it came.
    pub detail: String,
}

/// The roster, in its order.
#[must_use]
pub fn nodes(view: &View) -> Vec<Node> {
    view.nodes.iter().map(|each| node(each)).collect()
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
        clock_offset_seconds: node.clock.map(|clock| milliseconds(clock.offset)),
        clock_measured: node.clock.map(|clock| clock.measured),
        addresses: node.addresses.clone(),
        links: node.links.iter().map(link).collect(),
    }
}

fn link(link: &LinkView) -> Link {
    Link {
        peer: link.peer.clone(),
        up: link.up,
        since: moment(link.since),
        rtt_seconds: link.time.map(round_trip),
        offset_seconds: link.offset.map(milliseconds),
        peer_lacks_entries: link.lag.map(|lag| lag.peer_lacks),
        lacks_entries: link.lag.map(|lag| lag.lacks),
        sent_bytes: link.bytes.map(|(sent, _)| sent),
        received_bytes: link.bytes.map(|(_, received)| received),
        detail: link.detail.clone(),
    }
}

fn milliseconds(offset: i64) -> f64 {
    offset as f64 / 1000.0
}
