//! What faces show: a picture of one network as one node knows it, made once a turn and shared.
//!
//! Large parts are shared by reference, so that a new view copies only what changed. Faces give
//! views their own shapes (bus, JSON, page); nothing here is a contract.

use std::sync::Arc;

use crate::base::id::{Incarnation, IncidentId, NodeId, TargetId};
use crate::base::outcome::{Standing, Verdict};
use crate::base::settings::Role;
use crate::base::time::{Micros, Span, Wall};

/// One network, as one node knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Its directory's name.
    pub network: String,
    /// Its `id` string.
    pub id: String,
    /// This node's name.
    pub me: String,
    /// When the view was made.
    pub at: Wall,
    /// Why this node cannot write its journal at the moment, with the remedy.
    pub fault: Option<String>,
    /// Whether this node is cut off from everything.
    pub isolated: bool,
    /// Things people should know about this node: files left out, what it may not do.
    pub remarks: Arc<[String]>,
    /// The roster, in its order.
    pub nodes: Arc<[Arc<NodeView>]>,
    /// Targets in the order of the definition, then nodes.
    pub targets: Arc<[Arc<TargetView>]>,
    /// Open incidents, newest first, then closed ones, newest first.
    pub incidents: Arc<[Arc<IncidentView>]>,
    /// Chains and heads.
    pub journal: Arc<JournalView>,
}

/// How present a node is, as judged here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// This node.
    Me,
    /// Heard of in time.
    Alive,
    /// Silent for too long, not yet given up.
    Suspect,
    /// Silent and given up.
    Dead,
    /// Not heard of since this node started.
    #[default]
    Unheard,
}

impl Presence {
    /// The word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Unheard => "unheard",
        }
    }
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its key.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// How present it is.
    pub presence: Presence,
    /// When it was last heard of, by this node's wall clock.
    pub heard: Option<Wall>,
    /// Whether it takes part in votes.
    pub voting: bool,
    /// Whether it says that it is cut off.
    pub isolated: bool,
    /// Version of its software, once known.
    pub software: Option<String>,
    /// Operating system, once known.
    pub system: Option<String>,
    /// Ways out for notices.
    pub ways: Vec<String>,
    /// What it may not do.
    pub lacks: Vec<String>,
    /// Whether it follows the same definition as this node; none while unknown.
    pub same_definition: Option<bool>,
    /// Its present life, once known.
    pub incarnation: Option<Incarnation>,
    /// Configured addresses.
    pub addresses: Vec<String>,
    /// Its links, as it reports them.
    pub links: Vec<LinkView>,
}

/// One end's report of one link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkView {
    /// Name of the other end.
    pub peer: String,
    /// Whether there is a link.
    pub up: bool,
    /// Since when, by the reporter's wall clock.
    pub since: Wall,
    /// Round trip, only for this node's own links.
    pub time: Option<Micros>,
    /// By how much the peer's wall clock is ahead of ours, in milliseconds; only for own links.
    pub offset: Option<i64>,
    /// Why it went, or over which address it came.
    pub detail: String,
}

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetView {
    /// Its name.
    pub id: TargetId,
    /// What it is listed under.
    pub group: Option<String>,
    /// What is looked at, in a few words.
    pub probe: String,
    /// Time between looks.
    pub interval: Span,
    /// All verdicts, folded.
    pub standing: Standing,
    /// Since when, by this node's wall clock.
    pub since: Wall,
    /// Votes for the standing, and votes counted.
    pub votes: (usize, usize),
    /// Whether some counted watchers call it bad while the standing is good.
    pub partial: bool,
    /// Whether it may be away.
    pub sometimes: bool,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// What each watcher says.
    pub watchers: Vec<WatcherView>,
    /// The open incident, if any.
    pub incident: Option<IncidentId>,
}

/// What one watcher says.
#[derive(Clone, Debug, PartialEq)]
pub struct WatcherView {
    /// Name of the watcher.
    pub node: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Since when, by its wall clock; none while it has not judged.
    pub since: Option<Wall>,
    /// Whether it counts now: able, alive, not isolated.
    pub counted: bool,
    /// Typical time of the look that the verdict rests on; for this node's own, of the last look.
    pub time: Option<Micros>,
    /// Share of packets lost, 0 to 1.
    pub loss: Option<f32>,
    /// What was seen.
    pub detail: String,
    /// Last good look, by its wall clock.
    pub last_good: Option<Wall>,
}

/// One incident.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentView {
    /// Which.
    pub id: IncidentId,
    /// Whether it is open.
    pub open: bool,
    /// How bad.
    pub standing: Standing,
    /// First bad look, by that watcher's wall clock.
    pub since: Wall,
    /// When it was opened, by the opener's wall clock.
    pub opened: Wall,
    /// When it closed, by the closer's wall clock.
    pub closed: Option<Wall>,
    /// How long it lasted.
    pub lasted: Option<Span>,
    /// Why, in one line.
    pub reason: String,
    /// The votes that it rests on: node name and verdict.
    pub votes: Vec<(String, Verdict)>,
    /// What people were told, or are to be told.
    pub notices: Vec<NoticeView>,
}

/// One notice of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeView {
    /// The channel's name.
    pub channel: String,
    /// `down`, `degraded` or `up`.
    pub phase: &'static str,
    /// `waiting`, `voting`, `sending`, `told` or `failed`.
    pub state: &'static str,
    /// Which node sends or sent it.
    pub by: Option<String>,
    /// When, by that node's wall clock.
    pub at: Option<Wall>,
    /// What the server said, or who is awaited.
    pub detail: String,
}

/// Chains and heads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalView {
    /// Entries held.
    pub entries: u64,
    /// Heads in the order of chains.
    pub heads: Vec<HeadView>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadView {
    /// Name of the author.
    pub author: String,
    /// Its life.
    pub incarnation: Incarnation,
    /// The lane's name.
    pub lane: &'static str,
    /// The last sequence number.
    pub sequence: u64,
}

/// One raw sample of this node.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The target.
    pub target: TargetId,
    /// When, by this node's wall clock.
    pub at: Wall,
    /// `good`, `poor`, `bad` or `unable`.
    pub look: crate::base::outcome::Look,
    /// Packets or attempts sent.
    pub sent: u16,
    /// Answers received.
    pub received: u16,
    /// Typical time.
    pub time: Option<Micros>,
    /// What was seen, where it was not good.
    pub detail: String,
}

/// What has been: read from the database without waiting for the loop.
pub trait History: Send + Sync {
    /// This node's raw samples of a target, newest first, at most `most`.
    ///
    /// # Errors
    /// A sentence with the remedy.
    fn samples(&self, target: &TargetId, most: u32) -> Result<Vec<Sample>, String>;
}
