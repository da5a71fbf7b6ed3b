//! One node of one network: a switchboard between the machines of this floor.
//!
//! [`Node::handle`] takes one input at a time and pushes what the world must do into [`Effects`];
//! `Tick`, which ends each turn, decides. The machines keep what was said in the journal (their
//! folds) apart from what this run of the daemon knows for itself, so that the folds can be made
//! anew from the store at any time: after a failed commit nothing of that turn has happened.

mod ails;
mod chronicle;
mod decide;
mod example;
mod hush;
mod life;
mod picture;
mod prove;
mod prune;
mod reach;
mod recall;
mod receive;
mod say;
mod seek;
mod silence;
mod tend;
mod values;
mod watch;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::command::CommandId;
use crate::base::entry::{Entry, Past};
use crate::base::fact::Fact;
use crate::base::id::{ChainId, EntryHash, Incarnation, IntentKey, LinkId, NodeId, TargetId};
use crate::base::key::SecretKey;
use crate::base::kv::Write;
use crate::base::notice::Delivery;
use crate::base::rng::Rng;
use crate::base::settings::{Member, Network};
use crate::base::target::{Expected, Target};
use crate::base::time::{Mono, Now, Span, Wall};
use crate::base::view::{EventView, Presence, TargetView, View};
use crate::base::wire::{Head, Heartbeat, Hello, Signed, VERSION};
use crate::logic::effect::Effects;
use crate::logic::fork::Search;
use crate::logic::incident::Incidents;
use crate::logic::input::Input;
use crate::logic::intent::Intents;
use crate::logic::journal::Journal;
use crate::logic::kv::Parts;
use crate::logic::liveness::Liveness;
use crate::logic::mesh::Mesh;
use crate::logic::node::hush::Waits;
use crate::logic::node::life::Waiting;
use crate::logic::node::prove::Undone;
use crate::logic::node::say::Unsaid;
use crate::logic::node::tend::Upkeep;
use crate::logic::notice::{Notice, Notices};
use crate::logic::outside::Outside;
use crate::logic::past::Recent;
use crate::logic::proof::Proofs;
use crate::logic::quiet::Quiet;
use crate::logic::rank::Ranks;
use crate::logic::report::Reports;
use crate::logic::request::Requests;
use crate::logic::rollup::Rollups;
use crate::logic::schedule::Schedule;
use crate::logic::standing::{Standings, Tally};
use crate::logic::twin::Twins;
use crate::logic::verdict::Verdicts;
use crate::logic::wish::Wishes;

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
    quiet: Quiet,
    recent: Recent,
    proofs: Proofs,
    parts: Parts,
    // What this run knows for itself.
    mesh: Mesh,
    liveness: Liveness,
    outside: Outside,
    schedule: Schedule,
    verdicts: Verdicts,
    notices: Notices,
    requests: Requests,
    wishes: Wishes,
    /// What faces asked to be written in this turn.
    writes: Vec<(CommandId, Vec<Write>)>,
    rollups: Rollups,
    upkeep: Upkeep,
    search: Search,
    twins: Twins,
    /// The roster of the settings, those included whose membership has ended since.
    enrolled: Vec<Member>,
    targets: BTreeMap<TargetId, Target>,
    /// Targets in the order in which they are shown.
    order: Vec<TargetId>,
    /// Who watches them.
    ranks: Ranks,
    /// Those that this node watches by their heartbeats.
    wards: BTreeSet<TargetId>,
    /// Errands until their receipts are committed, by ballot.
    errands: BTreeMap<EntryHash, Sent>,
    /// What is wanted now, by channel.
    wanted: BTreeMap<String, Vec<(IntentKey, Mono, Notice)>>,
    started: Mono,
    /// The last turn.
    turned: Mono,
    /// Before this moment nothing is granted: an earlier life may have promised something.
    mute_until: Mono,
    fault: Option<String>,
    /// Since when this node says that it votes.
    voting_since: Option<Mono>,
    /// Whether everybody has had time to hear that this node votes.
    announced: bool,
    /// The version of the journal that `wanted` follows from.
    wanted_of: Option<u64>,
    /// What this run knows of how long things have been as they are.
    waits: Waits,
    /// When votes that hang on the mere passing of time are looked at again.
    nudge: Option<Mono>,
    alone_since: Option<Mono>,
    isolated: bool,
    /// Nothing was heard from outside for a while: what this node sees may be its own fault.
    hushed: bool,
    /// Bad verdicts that wait for a sign from outside before they are said.
    held: BTreeSet<TargetId>,
    beat_due: Mono,
    beats: u64,
    /// The last heartbeat of each node.
    heartbeats: BTreeMap<NodeId, Signed<Heartbeat>>,
    /// When this run began, by the wall clock.
    began: Wall,
    /// When faces were last given something to show.
    pictured: Mono,
    /// The names of the lives that this run has lived, and whether it opened them.
    names: BTreeMap<[u8; 16], bool>,
    /// Since when a life above this one is known: another must be opened.
    outlived: Option<Mono>,
    /// Why this life cannot be gone on with.
    forked: Option<String>,
    /// The life whose values are written anew in the one that is being opened.
    renewed: Option<Incarnation>,
    /// The name of a new life and why it begins, until its first entry is committed.
    opening: Option<([u8; 16], String)>,
    /// Before the first entry of this run: what was lost may come back.
    waiting: Option<Waiting>,
    /// Why this node is no member any more.
    expelled: Option<String>,
    /// Something was proved whose consequences are not drawn yet.
    proved: bool,
    /// Chains that were cut in this turn: nothing of them is known until all is folded again.
    cut: BTreeSet<ChainId>,
    /// Own state that was cut away, and receipts: to be written again.
    resaid: Vec<Fact>,
    /// See `resaid`.
    undone: Vec<Undone>,
    /// When each link was last sent all proofs.
    told: BTreeMap<LinkId, Mono>,
    /// The last turn has ended, and whether it was committed is not known yet.
    ended: bool,
    /// Heads that moved in this turn, others' and own.
    moved: BTreeMap<ChainId, Head>,
    /// Own state that may differ from what the journal says of it.
    unsaid: Unsaid,
    tallies: BTreeMap<TargetId, (Tally, Wall)>,
    /// Targets whose tally must be made again.
    dirty: BTreeSet<TargetId>,
    shown: BTreeMap<TargetId, Arc<TargetView>>,
    /// What happened, as it was last shown.
    events: Arc<[Arc<EventView>]>,
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
    /// The Message-ID used.
    message: String,
    /// It was asked for in the last turn, which may still be undone.
    fresh: bool,
    /// What became of it.
    delivery: Option<Delivery>,
    /// The receipt was written in the last turn, which may still be undone.
    noted: bool,
}

/// What makes the chance of the mesh another than that of the node.
const MESH: u64 = 0xA076_1D64_78BD_642F;

impl Node {
    /// A node that begins, with what its store knows and the entries of its state and events lanes, each
    /// chain in order.
    pub fn restore(
        settings: Settings,
        seed: u64,
        past: &Past,
        entries: impl Iterator<Item = Entry>,
        beginning: Beginning,
        now: Now,
        out: &mut Effects,
    ) -> Self {
        let me = settings.key.node();
        let lease = settings.network.lease;
        let mut rng = Rng::new(seed);
        let mut node = Self {
            me,
            parts: Parts::new(rng.next()),
            rng,
            journal: Journal::new(settings.network.network, settings.key.clone()),
            standings: Standings::default(),
            reports: Reports::default(),
            incidents: Incidents::default(),
            intents: Intents::new(me, lease),
            quiet: Quiet::default(),
            recent: Recent::default(),
            proofs: Proofs::default(),
            mesh: Mesh::new(me, seed ^ MESH),
            liveness: Liveness::new(now),
            outside: Outside::default(),
            schedule: Schedule::default(),
            verdicts: Verdicts::default(),
            notices: Notices::default(),
            requests: Requests::new(now.mono),
            wishes: Wishes::default(),
            writes: Vec::new(),
            rollups: Rollups::default(),
            upkeep: Upkeep::new(now.mono),
            search: Search::default(),
            twins: Twins::default(),
            enrolled: settings.network.roster.clone(),
            targets: BTreeMap::new(),
            order: Vec::new(),
            ranks: Ranks::default(),
            wards: BTreeSet::new(),
            errands: BTreeMap::new(),
            wanted: BTreeMap::new(),
            started: now.mono,
            turned: now.mono,
            mute_until: now.mono,
            fault: None,
            voting_since: None,
            announced: false,
            wanted_of: None,
            waits: Waits::default(),
            nudge: None,
            alone_since: Some(now.mono),
            isolated: false,
            hushed: false,
            held: BTreeSet::new(),
            beat_due: now.mono,
            beats: 0,
            heartbeats: BTreeMap::new(),
            began: now.wall,
            pictured: now.mono,
            names: BTreeMap::new(),
            outlived: None,
            forked: None,
            renewed: None,
            opening: None,
            waiting: None,
            expelled: None,
            proved: true,
            cut: BTreeSet::new(),
            resaid: Vec::new(),
            undone: Vec::new(),
            told: BTreeMap::new(),
            ended: false,
            moved: BTreeMap::new(),
            unsaid: Unsaid::Everything,
            tallies: BTreeMap::new(),
            dirty: BTreeSet::new(),
            shown: BTreeMap::new(),
            events: [].into(),
            stale: BTreeSet::new(),
            changed: true,
            settings,
        };
        node.proofs.enrol(&node.enrolled);
        node.proofs.restore(&past.proofs, &past.floors);
        node.enrol(now, out);
        node.recall(now, past, entries);
        node.begin(now, beginning, out);
        node.parts.begin(&node.settings.name, &node.settings.network.roster);
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
            Input::DialFailed { peer, address: _, reason: _ } => self.mesh.dial_failed(now, &peer),
            Input::Measured { link, time, offset, sent, received } => {
                self.mesh.measured(link, time, offset);
                self.mesh.counted(link, sent, received);
                self.heard_outside(now);
            }
            Input::Received { link, message } => self.received(now, link, message, out),
            Input::Drained { link } => self.mesh.drained(now, link),
            Input::Delivered { ballot, delivery } => self.delivered(ballot, delivery),
            Input::Command { id, command } => self.command(now, id, command, out),
            Input::Used(bytes) => self.upkeep.used = bytes,
            Input::Found { chain, sequence, hash } => self.upkeep.found.push((chain, sequence, hash)),
            Input::Forked(pair) => self.prove(now, &[pair.0, pair.1], None, out),
            Input::Reload(settings) => {
                self.settings = *settings;
                self.enrolled.clone_from(&self.settings.network.roster);
                self.proofs.enrol(&self.enrolled);
                self.proved = true;
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
            self.outside.deadline(self.turned),
            // What may not be written yet is considered when it may.
            self.incidents.deadline().filter(|_| self.unable().is_none()),
            self.requests.deadline(),
            self.wishes.deadline(),
            self.upkeep.refold.filter(|_| self.fault.is_none()),
            self.life_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The commit failed, or the roster changed: everything that the journal says is read again, and
    /// nothing of the last turn has happened. With a fault, this node writes nothing and does not vote.
    pub fn refold(&mut self, now: Now, past: &Past, entries: impl Iterator<Item = Entry>, fault: Option<String>) {
        self.fault = fault;
        if std::mem::take(&mut self.ended) {
            // Nothing of the last turn was performed, and its receipts are not written.
            self.errands.retain(|_, sent| !sent.fresh);
            self.errands.values_mut().for_each(|sent| sent.noted = false);
            self.parts.undone();
            self.wishes.undo(|ballot| self.errands.contains_key(ballot));
            self.rollups.undo();
            self.mesh.rewind();
        }
        self.recall(now, past, entries);
        if let Some((nonce, _)) = self.opening.as_ref().filter(|(nonce, _)| !self.journal.has_opened(nonce)) {
            self.journal.assume(*nonce);
        }
        self.mesh.reread();
        self.refolded();
        self.moved.clear();
        self.unsaid = Unsaid::Everything;
        self.changed = true;
    }

    /// Whether [`Node::reread`] should follow the turn that was just committed: some of what is folded here
    /// is not in force any more.
    #[must_use]
    pub fn wants_refold(&self, now: Now) -> bool {
        self.fault.is_none() && self.upkeep.refold.is_some_and(|due| due <= now.mono)
    }

    /// Everything that the journal says is read again, after a turn that was committed.
    pub fn reread(&mut self, now: Now, past: &Past, entries: impl Iterator<Item = Entry>) {
        if std::mem::take(&mut self.ended) {
            self.performed();
        }
        self.recall(now, past, entries);
        self.refolded();
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
        self.pictured = now.mono;
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
        self.muster();
        let network = &self.settings.network;
        let node_targets = network.roster.iter().filter(|_| 1 < network.roster.len()).map(|member| self.node_target(member));
        let targets: Vec<Target> = network.targets.iter().cloned().chain(node_targets).collect();
        self.order = targets.iter().map(|target| target.id.clone()).collect();
        self.targets = targets.into_iter().map(|target| (target.id.clone(), target)).collect();
        self.ranks = Ranks::new(&self.members(), self.targets.values());
        self.verdicts.retain(|id| self.targets.contains_key(id));
        let references = self.targets.values().filter(|target| target.reference);
        self.outside.roster(references.map(|target| (target.id.clone(), target.interval)));
        self.tallies.retain(|id, _| self.targets.contains_key(id));
        self.shown.clear();
        self.wanted_of = None;
        self.dirty = self.order.iter().cloned().collect();
        let roster = network.roster.clone();
        self.liveness.roster(now, roster.iter().map(|member| member.node).filter(|node| *node != self.me));
        let former = self.settings.network.former.clone();
        self.mesh.roster(now, &roster, &former, out);
        self.parts.renamed();
        self.rewatch(now);
        self.changed = true;
    }

    /// The last turn was committed and performed.
    fn performed(&mut self) {
        self.errands.retain(|_, sent| !sent.noted);
        self.errands.values_mut().for_each(|sent| sent.fresh = false);
        self.parts.performed();
        if self.opening.take_if(|(nonce, _)| self.journal.has_opened(nonce)).is_some() {
            self.renewed = None;
        }
        self.rollups.wrote();
    }

    /// Ends a turn: judges, writes, decides, asks.
    fn settle(&mut self, now: Now, out: &mut Effects) {
        self.draw_consequences(now, out);
        self.judge_lives(now, out);
        self.judge_isolation(now, out);
        self.announced = self.has_announced(now);
        self.rollups.turn(now.wall);
        let level = self.mesh.is_level();
        let writes = self.live(now, out);
        if writes {
            self.say_again(now, out);
            self.note_deliveries(now, out);
            self.say(now);
            self.say_rollups(now);
            self.flush(now, out);
            self.end_silences(now, out);
            self.consider(now, out);
            self.flush(now, out);
            self.vote(now, out);
            self.consider_channels(now, out);
            self.tend(now, out);
        }
        self.write_values(now, writes, out);
        let waiting = writes && (self.intents.is_busy() || !self.wanted.is_empty() || !self.wishes.is_empty());
        self.nudge = waiting.then(|| now.mono + Span(500));
        self.look(now, out);
        self.beat(now, out);
        self.answer_commands(now, out);
        self.answer_wishes(now, out);
        self.with_mesh(|mesh, known| mesh.dial(now, known, out));
        let moved: Vec<Head> = std::mem::take(&mut self.moved).into_values().collect();
        self.with_mesh(|mesh, known| mesh.pump(now, &moved, known, out));
        if level != self.mesh.is_level() {
            self.dirty = self.order.iter().cloned().collect();
        }
        self.ended = true;
    }

    /// Members that may vote, and whether each may be away.
    fn members(&self) -> Vec<(NodeId, Expected)> {
        let voters = self.settings.network.roster.iter().filter(|member| member.role.votes());
        voters.map(|member| (member.node, member.expected)).collect()
    }

    fn is_dead(&self, node: &NodeId) -> bool {
        self.liveness.life(node).is_some_and(|life| life.presence == Presence::Dead)
    }

    fn dead(&self) -> BTreeSet<NodeId> {
        self.liveness.all().filter(|(_, life)| life.presence == Presence::Dead).map(|(node, _)| *node).collect()
    }

    /// The incarnation that this node is in.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.journal.incarnation()
    }
}
