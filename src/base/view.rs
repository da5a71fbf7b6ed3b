//! What faces show: a picture of one network as one node knows it, made once a turn and shared.
//!
//! Large parts are shared by reference, so that a new view copies only what changed. Faces give
//! views their own shapes (bus, JSON, page); nothing here is a contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::id::{ChainId, Incarnation, IncidentId, NodeId, TargetId};
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
    /// Silences that hold, oldest first.
    pub silences: Arc<[SilenceView]>,
    /// Names of the maintenance windows that are open by this node's wall clock.
    pub windows: Arc<[String]>,
    /// What happened, newest first; at most [`crate::base::limits::quiet::EVENTS_SHOWN`].
    pub events: Arc<[Arc<EventView>]>,
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
    /// How its wall clock stands to this node's, once heard; for this node itself none.
    pub clock: Option<ClockView>,
    /// Configured addresses.
    pub addresses: Vec<String>,
    /// Its links, as it reports them.
    pub links: Vec<LinkView>,
}

/// How another node's wall clock stands to this node's. Shown to people, never relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockView {
    /// By how much it is ahead, in milliseconds; negative when it is behind.
    pub offset: i64,
    /// Measured over a link of this node. Otherwise it is an estimate from the last heartbeat, which was on its
    /// way for an unknown time: the other clock looks behind by so much.
    pub measured: bool,
}

/// Clocks that are further apart are shown as a fault. Nothing relies on clocks, so nobody votes on them.
pub const CLOCK_WRONG: Span = Span::secs(60);

impl ClockView {
    /// In words, if the two are so far apart that times that people read mislead them: `ahead by 5m 3s`.
    #[must_use]
    pub fn fault(self) -> Option<String> {
        let apart = Span(self.offset.unsigned_abs());
        let way = if self.offset < 0 { "behind" } else { "ahead" };
        (CLOCK_WRONG < apart).then(|| format!("{way} by {apart}"))
    }
}

/// How many entries the ends of a link lack of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LagView {
    /// Entries in force that this node has and the peer has not said that it stored.
    pub peer_lacks: u64,
    /// Entries that the peer has said that it stored and this node has not.
    pub lacks: u64,
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
    /// How far both ends are apart; only for own links, once the peer has said what it has.
    pub lag: Option<LagView>,
    /// Bytes sent and received since it came; only for own links.
    pub bytes: Option<(u64, u64)>,
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
    /// Who sees to it, if anybody said so.
    pub acknowledged: Option<AcknowledgedView>,
    /// What people were told, or are to be told.
    pub notices: Vec<NoticeView>,
}

/// That somebody sees to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcknowledgedView {
    /// Who, by which node.
    pub by: String,
    /// When, by that node's wall clock.
    pub at: Wall,
    /// Why or what is done; may be empty.
    pub reason: String,
}

/// Something that happened, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    /// When, by the clock of the node that said it.
    pub at: Wall,
    /// `opened`, `closed`, `told`, `failed`, `acknowledged`, `silenced` or `unsilenced`.
    pub kind: &'static str,
    /// Which node said it.
    pub node: String,
    /// The incident, if it is about one.
    pub incident: Option<IncidentId>,
    /// The channel, if it is about one.
    pub channel: Option<String>,
    /// All of it, in words.
    pub text: String,
}

/// A silence that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceView {
    /// Its number.
    pub id: String,
    /// Targets by name, `*` for any letters.
    pub targets: Vec<String>,
    /// Targets by group.
    pub groups: Vec<String>,
    /// Who began it, by which node.
    pub by: String,
    /// When, by that node's wall clock.
    pub at: Wall,
    /// For how long it was asked.
    pub lasts: Span,
    /// Why; may be empty.
    pub reason: String,
}

/// One notice of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeView {
    /// The channel's name.
    pub channel: String,
    /// `down`, `degraded` or `up`.
    pub phase: &'static str,
    /// `waiting`, `voting`, `sending`, `told`, `failed`, or `quiet`: it is kept back, and the detail says why.
    pub state: &'static str,
    /// How many reminders followed.
    pub reminders: u32,
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
    /// Where chains end because their authors signed two things for one place; at most [`crate::base::limits::PROOFS`].
    pub forks: Vec<ForkView>,
}

/// The end of a chain whose author signed two different entries for one place: its key is or was used twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkView {
    /// Name of the author.
    pub author: String,
    /// Its life.
    pub incarnation: Incarnation,
    /// The lane's name.
    pub lane: &'static str,
    /// The lowest place for which there are two entries; from there on nothing is in force.
    pub sequence: u64,
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
    /// The sequence number before the first that is in force; zero when nothing was pruned.
    pub base: u64,
    /// The last sequence number.
    pub sequence: u64,
    /// Peers that lack some of it, by what they last said that they stored: name, and how many entries.
    pub behind: Vec<(String, u64)>,
    /// Entries that some peer has and this node lacks.
    pub missing: u64,
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

/// How far long work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units done: entries, or bytes.
    pub done: u64,
    /// Units in all, as far as it is known; may grow while others write.
    pub total: u64,
}

/// What a look over the whole journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// Chains that they belong to.
    pub chains: u64,
    /// Bytes of all entries.
    pub bytes: u64,
    /// What is wrong, one sentence each, with the remedy; at most [`crate::base::limits::FAULTS`].
    pub faults: Vec<String>,
    /// Faults beyond those named.
    pub more: u64,
}

/// What the journal takes on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of the database file.
    pub file: u64,
    /// Bytes of its write-ahead log.
    pub log: u64,
    /// Bytes of the file that are free and taken up again by what is written next.
    pub free: u64,
    /// Bytes that file and log may have together: `journal.size`.
    pub limit: u64,
    /// Raw samples of this node.
    pub samples: u64,
    /// Every chain of which anything is stored, in the order of chains.
    pub chains: Vec<ChainStats>,
}

impl Stats {
    /// Entries of all chains.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.chains.iter().map(|chain| chain.entries).sum()
    }

    /// Bytes of the entries of all chains.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chains.iter().map(|chain| chain.bytes).sum()
    }

    /// How far each chain goes by these figures, in their order; the names of authors, and who is behind, are the view's.
    #[must_use]
    pub fn heads(&self, view: &View) -> Vec<HeadView> {
        let names: BTreeMap<NodeId, &str> = view.nodes.iter().map(|node| (node.id, node.name.as_str())).collect();
        let key = |head: &HeadView| (head.author.clone(), head.incarnation, head.lane);
        let shown: BTreeMap<_, &HeadView> = view.journal.heads.iter().map(|head| (key(head), head)).collect();
        let head = |stats: &ChainStats| {
            let ChainId { author, incarnation, lane } = stats.chain;
            let author = names.get(&author).map_or_else(|| author.short(), |name| (*name).to_owned());
            let head =
                HeadView { author, incarnation, lane: lane.name(), base: stats.base, sequence: stats.head, behind: vec![], missing: 0 };
            match shown.get(&key(&head)) {
                Some(shown) => HeadView { behind: shown.behind.clone(), missing: shown.missing, ..head },
                None => head,
            }
        };
        self.chains.iter().map(head).collect()
    }
}

/// What one chain takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainStats {
    /// Which.
    pub chain: ChainId,
    /// The sequence number before the first that is kept.
    pub base: u64,
    /// The last sequence number.
    pub head: u64,
    /// Entries stored.
    pub entries: u64,
    /// Bytes of those entries.
    pub bytes: u64,
}

/// The journal as a file: work that reads all of it and so takes its time. Each call blocks its thread
/// until it is done, and none stops the loop from writing for long. At most one at a time is wanted.
pub trait Archive: Send + Sync {
    /// Reads every entry and checks what can be checked: signatures, hashes, chains, the database itself.
    /// `progress` is called now and then.
    ///
    /// # Errors
    /// It could not be read to the end: a sentence with the remedy. What is wrong with entries is in the result.
    fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Verified, String>;

    /// What it takes on the disk.
    ///
    /// # Errors
    /// A sentence with the remedy.
    fn stats(&self) -> Result<Stats, String>;

    /// Writes a whole and consistent copy of the database and returns its length in bytes.
    ///
    /// # Errors
    /// A sentence with the remedy; what was written until then is worthless.
    fn backup(&self, into: &mut dyn std::io::Write, progress: &mut dyn FnMut(Progress)) -> Result<u64, String>;

    /// Gives free space back to the file system and returns how many bytes.
    ///
    /// # Errors
    /// A sentence with the remedy.
    fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Result<u64, String>;
}

/// What has been: read from the database without waiting for the loop.
pub trait History: Send + Sync {
    /// This node's raw samples of a target, newest first, at most `most`.
    ///
    /// # Errors
    /// A sentence with the remedy.
    fn samples(&self, target: &TargetId, most: u32) -> Result<Vec<Sample>, String>;
}
