//! The life that this node writes: how it begins, what must be known before, and when another is needed.
//!
//! A node that cannot prove that it lost nothing opens a new incarnation, and first gives its peers a
//! little time to return what they have of its earlier ones, so that it opens above them in one go. If a
//! later life turns up all the same, or this one forked, it opens another. Only one who writes with the
//! same key now is a reason to stop: the lower of the two lives does.

use crate::base::entry::Entry;
use crate::base::fact::Fact;
use crate::base::id::{ChainId, Incarnation, Lane};
use crate::base::limits;
use crate::base::note::Note;
use crate::base::time::{Mono, Now, Span};
use crate::base::wire::{Heartbeat, Message, Signed};
use crate::logic::effect::{Effect, Effects};
use crate::logic::liveness;
use crate::logic::node::say::Unsaid;
use crate::logic::node::{Beginning, Node};
use crate::logic::twin::Other;

/// Waiting for peers to return this node's own entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// When it ends at the latest.
    until: Mono,
    /// When the first peer had said all that it has.
    first: Option<Mono>,
    /// When it is looked at again.
    due: Mono,
}

impl Node {
    pub(super) fn begin(&mut self, now: Now, beginning: Beginning, out: &mut Effects) {
        match beginning {
            Beginning::Continue => {
                self.names.insert(self.journal.incarnation().nonce, false);
            }
            Beginning::Anew { nonce, reason, first } => {
                self.names.insert(nonce, true);
                self.opening = Some((nonce, reason));
                if !first {
                    self.mute_until = now.mono + self.lease_and_margin();
                }
                if first || self.settings.network.roster.len() <= 1 {
                    self.open_life(now, out);
                } else {
                    self.journal.assume(nonce);
                    let until = now.mono + limits::RETURN_MOST;
                    self.waiting = Some(Waiting { until, first: None, due: until });
                }
            }
        }
    }

    /// Begins the turn's own writing: opens the life that is due. False while nothing may be written.
    pub(super) fn live(&mut self, now: Now, out: &mut Effects) -> bool {
        if self.fault.is_some() || self.expelled.is_some() || self.is_waiting(now) {
            return false;
        }
        if let Some(reason) = self.forked.take() {
            self.reopen(now, reason);
        }
        if self.outlived_until().is_some_and(|until| until <= now.mono) {
            // What faces wrote in this life is younger than anything in the other, of which this one did not know.
            self.renewed = Some(self.journal.incarnation());
            self.reopen(now, "a later incarnation of this node is known to its peers".into());
            // What came of that one meanwhile was not taken.
            self.mesh.catch_up();
        }
        self.open_life(now, out);
        self.outlived.is_none()
    }

    /// When [`Node::live`] must look again.
    pub(super) fn life_deadline(&self) -> Option<Mono> {
        if self.fault.is_some() || self.expelled.is_some() {
            return None;
        }
        let waiting = self.waiting.map(|waiting| waiting.due);
        [waiting, self.outlived_until()].into_iter().flatten().min()
    }

    /// Why this node writes nothing at the moment, with the remedy, if so.
    pub(super) fn unable(&self) -> Option<String> {
        let starting = "this node has just started and waits for its peers to return what it may have lost; try again in a few seconds";
        let other = "a later life of this node was found, and it is about to open another; try again in a few seconds";
        let why = self.fault.clone().or_else(|| self.expelled.clone());
        why.or_else(|| self.waiting.map(|_| starting.into())).or_else(|| self.outlived.map(|_| other.into()))
    }

    /// A heartbeat of this node's key came.
    pub(super) fn heard_myself(&mut self, now: Now, heartbeat: &Signed<Heartbeat>, out: &mut Effects) {
        let Heartbeat { incarnation, counter, other: known, .. } = heartbeat.value;
        if self.names.contains_key(&incarnation.nonce) {
            // This run's own, told back. Its counter follows the forward-only clock, so nobody counts ahead of it.
            if incarnation == self.journal.incarnation() && self.beats.max(now.mono.0) < counter && self.waiting.is_none() {
                self.fork_life(format!("the key of {} is in use twice, in one and the same incarnation", self.settings.name));
            }
            return;
        }
        let every = self.heartbeat_every();
        let other = self.twins.heard(now.mono, incarnation, counter, every);
        let above = self.journal.incarnation() < incarnation;
        if above {
            self.journal.witness(incarnation);
            self.outlive(now.mono);
        }
        let reads = known.is_some_and(|known| self.is_mine(&known));
        if other == Other::Found || (above && (reads || other == Other::Lives)) {
            self.meet_twin(incarnation, out);
        }
    }

    /// Another daemon writes with this node's key, in another life. The lower of the two stops; if that is
    /// the other one, this one says so.
    fn meet_twin(&self, life: Incarnation, out: &mut Effects) {
        let (name, mine) = (&self.settings.name, self.journal.incarnation());
        let reason = format!(
            "the key of {name} is in use twice: another daemon writes with it now, in incarnation {life}; was the host or \
             its disk cloned? Make a new key for one of the two (remove node.key in the state directory, start it, and put its \
             new public key under a name of its own into the network's keys/)"
        );
        if mine < life {
            out.then(Effect::Stop(format!("{reason}. This one stops, because its incarnation {mine} is the older")));
        } else {
            out.note(Note::Twin { reason: format!("{reason}. The other one, the older, should stop by itself") });
        }
    }

    /// An entry of this node's key came.
    pub(super) fn recognized(&mut self, now: Now, entry: &Entry, out: &mut Effects) {
        let life = entry.header.chain.incarnation;
        if life <= self.journal.incarnation() || self.names.contains_key(&life.nonce) {
            return;
        }
        self.journal.witness(life);
        self.outlive(now.mono);
        if entry.facts.iter().filter_map(Fact::known_life).any(|known| self.is_mine(&known)) {
            self.meet_twin(life, out);
        }
    }

    /// Whether this run opened a life. No lost one can name it: whoever does has read it, and has this key.
    fn is_mine(&self, life: &Incarnation) -> bool {
        self.names.get(&life.nonce).is_some_and(|opened| *opened)
    }

    /// An entry of this node's key came and was the next of its chain, so this run did not write it.
    pub(super) fn returned(&mut self, life: Incarnation, lane: Lane, sequence: u64) {
        if life == self.journal.incarnation() && self.waiting.is_none() {
            self.fork_life(format!("entry {sequence} on lane {} of this incarnation was written by somebody else", lane.name()));
        }
    }

    /// This incarnation cannot be gone on with.
    pub(super) fn fork_life(&mut self, reason: String) {
        self.forked.get_or_insert(reason);
    }

    /// Another life of this node's key lies above the present one. Whether somebody lives it shows in a few heartbeats.
    fn outlive(&mut self, now: Mono) {
        if self.waiting.is_none() {
            self.outlived.get_or_insert(now);
        }
    }

    /// Whether a life is known above the present one, which is about to be given up for it, and this is such a one.
    pub(super) fn is_outlived_by(&self, life: Incarnation) -> bool {
        self.outlived.is_some() && self.journal.incarnation() < life
    }

    fn outlived_until(&self) -> Option<Mono> {
        self.outlived.map(|since| since + self.heartbeat_every() * 3)
    }

    /// Whether this node still waits for its own entries.
    fn is_waiting(&mut self, now: Now) -> bool {
        let (me, mut behind) = (self.me, false);
        self.with_mesh(|mesh, known| behind = mesh.is_behind(&me, known));
        let Some(waiting) = &mut self.waiting else { return false };
        let told = self.mesh.told();
        if 0 < told {
            waiting.first.get_or_insert(now.mono);
        }
        let all = self.settings.network.roster.len() <= told + 1;
        let patient = waiting.first.is_none_or(|first| !all && now.mono < first + limits::RETURN_FIRST);
        if now.mono < waiting.until && (behind || patient) {
            // What is still to come may take all the time; what only may come has a shorter one.
            let soon = waiting.first.map(|first| first + limits::RETURN_FIRST).filter(|soon| now.mono < *soon);
            waiting.due = soon.map_or(waiting.until, |soon| soon.min(waiting.until));
            return true;
        }
        self.waiting = None;
        false
    }

    /// Another incarnation is needed.
    fn reopen(&mut self, now: Now, reason: String) {
        self.outlived = None;
        self.mute_until = now.mono + self.lease_and_margin();
        let nonce = self.rng.bytes16();
        self.names.insert(nonce, true);
        self.opening = Some((nonce, reason));
        self.unsaid = Unsaid::Everything;
    }

    /// Writes the first entry of a new life, unless that is done. It may have been undone with its turn,
    /// and then nothing else may be written before: the old life's chains are no longer this node's to go on with.
    fn open_life(&mut self, now: Now, out: &mut Effects) {
        let Some((nonce, reason)) = self.opening.clone().filter(|(nonce, _)| !self.journal.has_opened(nonce)) else { return };
        let entry = self.journal.open(now, nonce, &reason);
        self.take_own(now, entry, out);
        out.note(Note::Incarnated { reason });
        if let Some(before) = self.renewed {
            self.renew_values(now, before, out);
        }
    }

    /// Says again what was cut away and is true all the same. Whoever wrote it does so at once, the others
    /// only if it stays missing.
    pub(super) fn say_again(&mut self, now: Now, out: &mut Effects) {
        for fact in std::mem::take(&mut self.resaid) {
            self.journal.write(fact);
        }
        if !self.cut.is_empty() {
            return;
        }
        let (due, later) = std::mem::take(&mut self.undone).into_iter().partition(|undone| undone.due <= now.mono);
        self.undone = later;
        let due: Vec<super::Undone> = due;
        for mut undone in due {
            undone.done.keys.retain(|key| self.intents.receipt(key).is_none());
            if !undone.done.keys.is_empty() {
                self.wanted_of = None;
                self.seal(now, Fact::Done(undone.done), out);
            }
        }
    }

    pub(super) fn beat(&mut self, now: Now, out: &mut Effects) {
        let votes = self.votes(now);
        if votes != self.voting_since.is_some() {
            self.voting_since = votes.then_some(now.mono);
            self.beat_due = now.mono;
        }
        if self.beat_due <= now.mono {
            self.beat_due = now.mono + self.heartbeat_every();
            // When others were last heard, and how long something has lasted, changes without a word.
            self.changed |= limits::PICTURED <= now.mono.since(self.pictured);
            let message = self.heartbeat(now);
            for (link, _) in self.mesh.links() {
                out.then(Effect::Send { link: *link, message: message.clone() });
            }
        }
    }

    pub(super) fn heartbeat(&mut self, now: Now) -> Message {
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
            said: if self.unable().is_none() { self.journal.head(&state) } else { Heartbeat::MUTE },
            wall: now.wall.0,
            other: self.journal.other_life(),
        };
        Message::Heartbeat(Signed::seal(&self.settings.key, self.settings.network.network, heartbeat))
    }

    /// Whether this node may grant and propose now.
    pub(super) fn votes(&self, now: Now) -> bool {
        let role = self.settings.network.member(&self.me).is_some_and(|member| member.role.votes());
        role && self.unable().is_none() && self.mute_until <= now.mono
    }

    /// Whether everybody who can hear this node has had time to hear that it votes: three heartbeats.
    pub(super) fn has_announced(&self, now: Now) -> bool {
        let time = self.heartbeat_every() * 3;
        self.settings.network.roster.len() == 1 || self.voting_since.is_some_and(|since| time <= now.mono.since(since))
    }

    pub(super) fn heartbeat_every(&self) -> Span {
        liveness::heartbeat_every(self.settings.network.roster.len())
    }

    pub(super) fn lease_and_margin(&self) -> Span {
        let lease = self.settings.network.lease;
        lease + lease / 50 + Span::secs(1)
    }
}
