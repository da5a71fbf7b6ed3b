//! One node of one network: a switchboard between the machines of this floor.
//!
//! [`Node::handle`] takes one input at a time and pushes what the world must do into [`Effects`];
//! `Tick`, which ends each turn, decides. The machines keep what was said in the journal (their
//! folds) apart from what this run of the daemon knows for itself, so that the folds can be made
//! anew from the store at any time: after a failed commit nothing of that turn has happened.

mod decide;
mod picture;
mod recall;
mod receive;
mod say;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::entry::Entry;
use crate::base::fact::Fact;
use crate::base::id::{ChainId, EntryHash, Incarnation, IntentKey, Lane, NodeId, TargetId};
use crate::base::key::SecretKey;
use crate::base::note::Note;
use crate::base::notice::Delivery;
use crate::base::outcome::Verdict;
use crate::base::rng::Rng;
use crate::base::settings::Network;
use crate::base::target::{Expected, Target, Watchers};
use crate::base::time::{Mono, Now, Span, Wall};
use crate::base::view::{Presence, TargetView, View};
use crate::base::wire::{Head, Heartbeat, Hello, Message, Signed, VERSION};
use crate::logic::effect::{Effect, Effects};
use crate::logic::incident::Incidents;
use crate::logic::input::Input;
use crate::logic::intent::Intents;
use crate::logic::journal::Journal;
use crate::logic::liveness::{self, Liveness};
use crate::logic::mesh::{Known, Mesh};
use crate::logic::notice::{Notice, Notices};
use crate::logic::report::Reports;
use crate::logic::request::Requests;
use crate::logic::rollup::Rollups;
use crate::logic::schedule::Schedule;
use crate::logic::standing::{Standings, Tally};
use crate::logic::verdict::Verdicts;

/// What a node needs to know of itself and its network. Complete; replaced whole on reload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The network's definition.
    pub network: Network,
    /// This node's key.
    pub key: SecretKey,
    /// This node's name.
    pub name: String,
    /// The ways out for notices that this host has, by name: `mail`.
    pub ways: Vec<String>,
    /// What this host may not do, for people.
    pub lacks: Vec<String>,
    /// Operating system, for people.
    pub system: String,
    /// Things people should know about the files: keys left out.
    pub remarks: Vec<String>,
}

/// How a life begins.
#[derive(Clone, Debug)]
pub enum Beginning {
    /// It is proved that nothing written here was lost: the incarnation goes on.
    Continue,
    /// It is not: a new incarnation opens.
    Anew {
        /// Sixteen bytes of the operating system's randomness.
        nonce: [u8; 16],
        /// Why, for people.
        reason: String,
        /// There was nothing before, neither key nor database, so nothing can have been promised.
        first: bool,
    },
}

/// One node of one network.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    me: NodeId,
    rng: Rng,
    // What the journal says.
    journal: Journal,
    standings: Standings,
    reports: Reports,
    incidents: Incidents,
    intents: Intents,
    // What this run knows for itself.
    mesh: Mesh,
    liveness: Liveness,
    schedule: Schedule,
    verdicts: Verdicts,
    notices: Notices,
    requests: Requests,
    rollups: Rollups,
    targets: BTreeMap<TargetId, Target>,
    /// Targets in the order in which they are shown.
    order: Vec<TargetId>,
    /// Errands until their receipts are committed, by ballot.
    errands: BTreeMap<EntryHash, Sent>,
    /// What is wanted now, by channel.
    wanted: BTreeMap<String, Vec<(IntentKey, Mono, Notice)>>,
    started: Mono,
    /// Before this moment nothing is granted: an earlier life may have promised something.
    mute_until: Mono,
    fault: Option<String>,
    /// Since when this node says that it votes.
    voting_since: Option<Mono>,
    /// Whether everybody has had time to hear that this node votes.
    announced: bool,
    /// The version of the journal that `wanted` follows from.
    wanted_of: Option<u64>,
    /// When votes that hang on the mere passing of time are looked at again.
    nudge: Option<Mono>,
    alone_since: Option<Mono>,
    isolated: bool,
    beat_due: Mono,
    beats: u64,
    /// The last heartbeat of each node.
    heartbeats: BTreeMap<NodeId, Signed<Heartbeat>>,
    /// A life above this one was seen: another must be opened.
    outlived: bool,
    /// The name of a new life and why it begins, until its first entry is committed.
    opening: Option<([u8; 16], String)>,
    /// The last turn has ended, and whether it was committed is not known yet.
    ended: bool,
    /// Heads that moved in this turn because of entries from peers.
    moved: BTreeMap<ChainId, Head>,
    /// Own state that may differ from what the journal says of it.
    unsaid: Unsaid,
    tallies: BTreeMap<TargetId, (Tally, Wall)>,
    /// Targets whose tally must be made again.
    dirty: BTreeSet<TargetId>,
    shown: BTreeMap<TargetId, Arc<TargetView>>,
    /// Targets whose picture must be made again.
    stale: BTreeSet<TargetId>,
    changed: bool,
}

/// An errand of this node.
#[derive(Debug)]
struct Sent {
    /// What it tells: of the keys that were voted on, those that were still wanted.
    keys: Vec<IntentKey>,
    /// The `Opened` entries that it tells of.
    covers: Vec<EntryHash>,
    /// It was asked for in the last turn, which may still be undone.
    fresh: bool,
    /// What became of it.
    delivery: Option<Delivery>,
    /// The receipt was written in the last turn, which may still be undone.
    noted: bool,
}

/// Own state that may differ from what the journal says of it.
#[derive(Debug)]
enum Unsaid {
    /// All of it.
    Everything,
    /// These verdicts, and perhaps links.
    Some { targets: BTreeSet<TargetId>, links: bool },
}

impl Unsaid {
    const fn nothing() -> Self {
        Self::Some { targets: BTreeSet::new(), links: false }
    }

    fn verdict(&mut self, target: &TargetId) {
        if let Self::Some { targets, .. } = self {
            targets.insert(target.clone());
        }
    }

    fn link(&mut self) {
        if let Self::Some { links, .. } = self {
            *links = true;
        }
    }
}

impl Node {
    /// A node that begins, with every entry of its store, each chain in order.
    pub fn restore(
        settings: Settings,
        seed: u64,
        entries: impl Iterator<Item = Entry>,
        beginning: Beginning,
        now: Now,
        out: &mut Effects,
    ) -> Self {
        let me = settings.key.node();
        let lease = settings.network.lease;
        let mut node = Self {
            me,
            rng: Rng::new(seed),
            journal: Journal::new(settings.network.network, settings.key.clone()),
            standings: Standings::default(),
            reports: Reports::default(),
            incidents: Incidents::default(),
            intents: Intents::new(me, lease),
            mesh: Mesh::new(me),
            liveness: Liveness::new(now),
            schedule: Schedule::default(),
            verdicts: Verdicts::default(),
            notices: Notices::default(),
            requests: Requests::new(now.mono),
            rollups: Rollups::default(),
            targets: BTreeMap::new(),
            order: Vec::new(),
            errands: BTreeMap::new(),
            wanted: BTreeMap::new(),
            started: now.mono,
            mute_until: now.mono,
            fault: None,
            voting_since: None,
            announced: false,
            wanted_of: None,
            nudge: None,
            alone_since: Some(now.mono),
            isolated: false,
            beat_due: now.mono,
            beats: 0,
            heartbeats: BTreeMap::new(),
            outlived: false,
            opening: None,
            ended: false,
            moved: BTreeMap::new(),
            unsaid: Unsaid::Everything,
            tallies: BTreeMap::new(),
            dirty: BTreeSet::new(),
            shown: BTreeMap::new(),
            stale: BTreeSet::new(),
            changed: true,
            settings,
        };
        node.enrol(now, out);
        node.recall(now, entries);
        node.begin(now, beginning, out);
        node.ended = true;
        node
    }

    /// One thing happened. After the inputs of a turn the loop passes `Tick`.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        if std::mem::take(&mut self.ended) {
            self.performed();
        }
        match input {
            Input::Tick => self.settle(now, out),
            Input::Probed { id, outcome } => self.probed(now, id, outcome, out),
            Input::LinkUp { link, peer, dialled, remote } => self.link_up(now, link, peer, dialled, remote, out),
            Input::LinkDown { link, reason } => self.link_down(now, link, &reason, out),
            Input::DialFailed { peer, address: _, reason: _ } => self.mesh.dial_failed(now, &peer, &mut self.rng),
            Input::Measured { link, time, offset } => self.mesh.measured(link, time, offset),
            Input::Received { link, message } => self.received(now, link, message, out),
            Input::Drained { link } => self.mesh.drained(link),
            Input::Delivered { ballot, delivery } => self.delivered(ballot, delivery),
            Input::Command { id, command } => self.command(now, id, command, out),
            Input::Reload(settings) => {
                self.settings = *settings;
                self.enrol(now, out);
                self.unsaid = Unsaid::Everything;
            }
        }
    }

    /// When the next turn must be taken, at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let deadlines = [
            Some(self.beat_due),
            self.nudge,
            self.mesh.deadline(),
            self.liveness.deadline(),
            self.schedule.deadline(),
            self.incidents.deadline(),
            self.requests.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The commit failed, or the roster changed: everything that the journal says is read again, and
    /// nothing of the last turn has happened. With a fault, this node writes nothing and does not vote.
    pub fn refold(&mut self, now: Now, entries: impl Iterator<Item = Entry>, fault: Option<String>) {
        self.fault = fault;
        if std::mem::take(&mut self.ended) {
            // Nothing of the last turn was performed, and its receipts are not written.
            self.errands.retain(|_, sent| !sent.fresh);
            self.errands.values_mut().for_each(|sent| sent.noted = false);
        }
        self.recall(now, entries);
        if let Some((nonce, _)) = self.opening.as_ref().filter(|(nonce, _)| !self.journal.has_opened(nonce)) {
            self.journal.assume(*nonce);
        }
        self.mesh.rewind();
        self.moved.clear();
        self.unsaid = Unsaid::Everything;
        self.changed = true;
    }

    /// Why this node writes nothing at the moment.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The fault is believed to be over: the next turn writes again.
    pub fn retry(&mut self) {
        self.fault = None;
        self.mesh.catch_up();
        self.unsaid = Unsaid::Everything;
        self.changed = true;
    }

    /// The first message of every link.
    #[must_use]
    pub fn hello(&self) -> Hello {
        Hello {
            least: VERSION,
            most: VERSION,
            network: self.settings.network.network,
            incarnation: self.journal.incarnation(),
            software: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Whether anything that is shown has changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What faces show.
    pub fn view(&mut self, now: Now) -> View {
        self.picture(now)
    }

    /// Heads of all chains.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.journal.heads()
    }

    /// A digest of everything that the journal says, for comparison between nodes with equal heads and roster.
    #[must_use]
    pub fn records(&self) -> String {
        self.records_text()
    }

    /// Takes the roster and the targets from the settings.
    fn enrol(&mut self, now: Now, out: &mut Effects) {
        let network = &self.settings.network;
        let node_targets = network.roster.iter().filter(|_| 1 < network.roster.len()).map(|member| self.node_target(member));
        let targets: Vec<Target> = network.targets.iter().cloned().chain(node_targets).collect();
        self.order = targets.iter().map(|target| target.id.clone()).collect();
        self.targets = targets.into_iter().map(|target| (target.id.clone(), target)).collect();
        self.verdicts.retain(|id| self.targets.contains_key(id));
        self.tallies.retain(|id, _| self.targets.contains_key(id));
        self.shown.clear();
        self.wanted_of = None;
        self.dirty = self.order.iter().cloned().collect();
        let roster = network.roster.clone();
        self.liveness.roster(now, roster.iter().map(|member| member.node).filter(|node| *node != self.me));
        self.mesh.roster(now, &roster, &mut self.rng, out);
        self.rewatch(now);
        self.changed = true;
    }

    fn begin(&mut self, now: Now, beginning: Beginning, out: &mut Effects) {
        if let Beginning::Anew { nonce, reason, first } = beginning {
            if !first {
                self.mute_until = now.mono + self.lease_and_margin();
            }
            self.opening = Some((nonce, reason));
            self.open_life(now, out);
        }
    }

    /// Writes the first entry of a new life, unless that is done. It may have been undone with its turn,
    /// and then nothing else may be written before: the old life's chains are no longer this node's to go on with.
    fn open_life(&mut self, now: Now, out: &mut Effects) {
        let Some((nonce, reason)) = self.opening.clone().filter(|(nonce, _)| !self.journal.has_opened(nonce)) else { return };
        let entry = self.journal.open(now, nonce, &reason);
        self.take_own(now, entry, out);
        out.note(Note::Incarnated { reason });
    }

    /// The last turn was committed and performed.
    fn performed(&mut self) {
        self.errands.retain(|_, sent| !sent.noted);
        self.errands.values_mut().for_each(|sent| sent.fresh = false);
        self.opening.take_if(|(nonce, _)| self.journal.has_opened(nonce));
    }

    /// An incarnation of this node above the present one exists: a restored backup, or a lost life.
    fn reopen(&mut self, now: Now, out: &mut Effects) {
        self.outlived = false;
        self.mute_until = now.mono + self.lease_and_margin();
        let reason = "a later incarnation of this node is known to its peers".to_owned();
        let entry = self.journal.open(now, self.rng.bytes16(), &reason);
        self.take_own(now, entry, out);
        self.unsaid = Unsaid::Everything;
        out.note(Note::Incarnated { reason });
    }

    fn lease_and_margin(&self) -> Span {
        let lease = self.settings.network.lease;
        lease + lease / 50 + Span::secs(1)
    }

    /// Ends a turn: judges, writes, decides, asks.
    fn settle(&mut self, now: Now, out: &mut Effects) {
        self.judge_lives(now, out);
        self.judge_isolation(out);
        self.announced = self.has_announced(now);
        let level = self.mesh.is_level();
        if self.fault.is_none() {
            self.open_life(now, out);
            if self.outlived {
                self.reopen(now, out);
            }
            self.note_deliveries(now, out);
            self.say(now);
            for rollup in self.rollups.turn(now.wall) {
                self.journal.write(Fact::Rollup(rollup));
            }
            self.flush(now, out);
            self.consider(now, out);
            self.flush(now, out);
            self.vote(now, out);
        }
        let waiting = self.fault.is_none() && (self.intents.is_busy() || !self.wanted.is_empty());
        self.nudge = waiting.then(|| now.mono + Span(500));
        self.look(now, out);
        self.beat(now, out);
        self.answer_commands(now, out);
        self.mesh.dial(now, out);
        let moved: Vec<Head> = std::mem::take(&mut self.moved).into_values().collect();
        self.with_mesh(|mesh, known| mesh.pump(now, &moved, known, out));
        if level != self.mesh.is_level() {
            self.dirty = self.order.iter().cloned().collect();
        }
        self.ended = true;
    }

    fn beat(&mut self, now: Now, out: &mut Effects) {
        let votes = self.votes(now);
        if votes != self.voting_since.is_some() {
            self.voting_since = votes.then_some(now.mono);
            self.beat_due = now.mono;
        }
        if self.beat_due <= now.mono {
            self.beat_due = now.mono + liveness::heartbeat_every(self.settings.network.roster.len());
            let message = self.heartbeat(now);
            for (link, _) in self.mesh.links() {
                out.then(Effect::Send { link: *link, message: message.clone() });
            }
        }
    }

    fn heartbeat(&mut self, now: Now) -> Message {
        // A daemon that continues its life after a restart must not count again what it counted before,
        // or it is not heard until it has caught up. Its forward-only clock went on meanwhile.
        self.beats = (self.beats + 1).max(now.mono.0);
        let state = ChainId { author: self.me, incarnation: self.journal.incarnation(), lane: Lane::State };
        let heartbeat = Heartbeat {
            author: self.me,
            incarnation: self.journal.incarnation(),
            counter: self.beats,
            voting: self.votes(now),
            isolated: self.isolated,
            said: if self.fault.is_none() { self.journal.head(&state) } else { Heartbeat::MUTE },
        };
        Message::Heartbeat(Signed::seal(&self.settings.key, self.settings.network.network, heartbeat))
    }

    /// Whether this node may grant and propose now.
    fn votes(&self, now: Now) -> bool {
        let role = self.settings.network.member(&self.me).is_some_and(|member| member.role.votes());
        role && self.fault.is_none() && self.mute_until <= now.mono
    }

    /// Whether everybody who can hear this node has had time to hear that it votes: three heartbeats.
    fn has_announced(&self, now: Now) -> bool {
        let time = liveness::heartbeat_every(self.settings.network.roster.len()) * 3;
        self.settings.network.roster.len() == 1 || self.voting_since.is_some_and(|since| time <= now.mono.since(since))
    }

    /// Members that may vote, and whether each may be away.
    fn members(&self) -> Vec<(NodeId, Expected)> {
        let voters = self.settings.network.roster.iter().filter(|member| member.role.votes());
        voters.map(|member| (member.node, member.expected)).collect()
    }

    /// Who does not watch a target: the dead and, where others stand in for them, those who cannot look or write.
    fn gone(&self, target: &Target, dead: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let mut gone = dead.clone();
        if matches!(target.watchers, Watchers::Count(_)) {
            gone.extend(self.liveness.all().filter(|(_, life)| life.mute).map(|(node, _)| *node));
            let unable = |node: &NodeId| self.standings.said(&target.id, node).is_some_and(|said| said.verdict == Verdict::Unable);
            gone.extend(self.settings.network.roster.iter().map(|member| member.node).filter(unable));
        }
        gone
    }

    fn dead(&self) -> BTreeSet<NodeId> {
        self.liveness.all().filter(|(_, life)| life.presence == Presence::Dead).map(|(node, _)| *node).collect()
    }

    fn with_mesh(&mut self, f: impl FnOnce(&mut Mesh, &Known)) {
        let journal = &self.journal;
        let roster = &self.settings.network;
        // Chains of strangers are neither told nor streamed.
        let heads = || journal.heads().filter(|head| roster.member(&head.chain.author).is_some()).copied().collect();
        let known = Known { heads: &heads, digest: &|| journal.digest(), version: journal.version() };
        f(&mut self.mesh, &known);
    }

    /// The incarnation that this node is in.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.journal.incarnation()
    }
}
