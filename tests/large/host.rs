//! One host of the swarm: the machines of a node that decide what travels, without those that judge targets.
//!
//! Mesh, journal and liveness are the real ones, and wired as `logic::node` wires them. Standings, incidents and
//! votes are left out, since a thousand nodes that each hold a verdict of every other on every third would take
//! minutes for nothing that is measured here. What nodes say of their links is taken from the entries as the node does.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::entry::Entry;
use peerwatch::base::fact::{Fact, Linked};
use peerwatch::base::id::{ChainId, Lane, LinkId, NetworkId, NodeId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::settings::Member;
use peerwatch::base::time::{Mono, Now};
use peerwatch::base::view::Presence;
use peerwatch::base::wire::{Head, Heartbeat, Message, Signed};
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::journal::{Journal, Place};
use peerwatch::logic::liveness::{self, Liveness};
use peerwatch::logic::mesh::{Known, Mesh};

use crate::swarm::Fault;

/// The part of a node that is simulated.
pub struct Host {
    pub node: NodeId,
    pub mesh: Mesh,
    pub journal: Journal,
    pub liveness: Liveness,
    key: SecretKey,
    network: NetworkId,
    members: BTreeSet<NodeId>,
    /// Links that nodes said to have.
    reports: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Links that this node has said to have.
    said: BTreeSet<NodeId>,
    moved: BTreeMap<ChainId, Head>,
    beats: u64,
    beat_due: Mono,
    pub fault: Option<Fault>,
    /// Who was given up, and when.
    pub deaths: Vec<(u64, NodeId)>,
}

impl Host {
    pub fn new(key: SecretKey, network: NetworkId, roster: &[Member], now: Now, seed: u64, out: &mut Effects) -> Self {
        let node = key.node();
        let mut host = Self {
            node,
            mesh: Mesh::new(node, seed),
            journal: Journal::new(network, key.clone()),
            liveness: Liveness::new(now),
            key,
            network,
            members: roster.iter().map(|member| member.node).collect(),
            reports: BTreeMap::new(),
            said: BTreeSet::new(),
            moved: BTreeMap::new(),
            beats: 0,
            beat_due: now.mono,
            fault: None,
            deaths: Vec::new(),
        };
        host.liveness.roster(now, host.members.iter().copied().filter(|other| *other != node));
        host.mesh.roster(now, roster, &[], out);
        let nonce = *seed.to_be_bytes().repeat(2).first_chunk().expect("sixteen bytes");
        let open = host.journal.open(now, nonce, "simulated");
        host.take_own(open, out);
        host
    }

    /// The host was away, and comes back with what it had.
    pub fn revive(&mut self, now: Now, roster: &[Member], out: &mut Effects) {
        self.mesh = Mesh::new(self.node, now.mono.0);
        self.mesh.roster(now, roster, &[], out);
        self.liveness = Liveness::new(now);
        self.liveness.roster(now, self.members.iter().copied().filter(|other| *other != self.node));
        self.beat_due = now.mono;
    }

    pub fn handle(&mut self, now: Now, input: Input, out: &mut Effects) {
        match input {
            Input::Tick => self.settle(now, out),
            Input::LinkUp { link, peer, dialled, remote } => {
                self.with_mesh(|mesh, known| mesh.up(now, link, peer, dialled, remote, known, out));
                out.then(Effect::Send { link, message: self.heartbeat(now) });
            }
            Input::LinkDown { link, reason } => drop(self.mesh.down(now, link, &reason)),
            Input::DialFailed { peer, .. } => self.mesh.dial_failed(now, &peer),
            Input::Measured { link, time, offset, .. } => self.mesh.measured(link, time, offset),
            Input::Drained { link } => self.mesh.drained(now, link),
            Input::Received { link, message } => self.received(now, link, message, out),
            other => panic!("{other:?}"),
        }
    }

    /// Writes one entry, as when a verdict changes.
    pub fn write(&mut self, fact: Fact) {
        self.journal.write(fact);
    }

    pub fn deadline(&self) -> Option<Mono> {
        [Some(self.beat_due), self.mesh.deadline(), self.liveness.deadline()].into_iter().flatten().min()
    }

    fn received(&mut self, now: Now, link: LinkId, message: Message, out: &mut Effects) {
        match message {
            Message::Digest(digest) => drop(self.with_mesh(|mesh, known| mesh.digest(now, link, &digest, known, out))),
            Message::Heads(heads) => self.with_mesh(|mesh, known| mesh.heads(now, link, &heads, known, out)),
            Message::Prefer(_) if self.fault == Some(Fault::IgnoresPrefer) => {}
            Message::Prefer(prefer) => self.with_mesh(|mesh, known| mesh.prefer(now, link, &prefer, known)),
            Message::Heartbeat(heartbeat) => self.heard(now, link, &heartbeat, out),
            Message::Entries(entries) => entries.into_iter().for_each(|entry| self.take(now, link, entry, out)),
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, now: Now, link: LinkId, entry: Entry, out: &mut Effects) {
        let chain = entry.header.chain;
        match self.journal.accept(&entry) {
            Place::Next => {
                self.mesh.has(link, chain, entry.header.sequence);
                self.follow(&entry);
                out.append.push(entry.into());
            }
            Place::Known => self.mesh.has(link, chain, entry.header.sequence),
            Place::Gap => self.mesh.gap(now, link, chain),
            other => panic!("{other:?}"),
        }
    }

    fn take_own(&mut self, entry: Entry, out: &mut Effects) {
        self.follow(&entry);
        out.append.push(entry.into());
    }

    /// An entry is taken: its head moved, and it may speak of links.
    fn follow(&mut self, entry: &Entry) {
        let chain = entry.header.chain;
        if let Some(head) = self.journal.get(&chain) {
            self.moved.insert(chain, *head);
        }
        for fact in entry.facts.iter() {
            if let Fact::Linked(linked) = fact {
                let links = self.reports.entry(chain.author).or_default();
                if linked.up {
                    links.insert(linked.peer)
                } else {
                    links.remove(&linked.peer)
                };
            }
        }
    }

    fn heard(&mut self, now: Now, link: LinkId, heartbeat: &Signed<Heartbeat>, out: &mut Effects) {
        let author = heartbeat.value.author;
        if author == self.node {
            return;
        }
        let news = self.liveness.heard(now, &heartbeat.value);
        self.mesh.beat(now, link, &author, news);
        if news {
            for other in self.with_mesh(|mesh, known| mesh.relays(now, link, &author, known)) {
                out.then(Effect::Send { link: other, message: Message::Heartbeat(heartbeat.clone()) });
            }
        }
    }

    fn settle(&mut self, now: Now, out: &mut Effects) {
        let mesh = &self.mesh;
        for (node, presence) in self.liveness.judge(now, |node| mesh.link_to(node).is_some()) {
            if presence == Presence::Dead {
                self.deaths.push((now.mono.0, node));
            }
        }
        let journal = &self.journal;
        self.liveness.read(|node, incarnation| journal.head(&ChainId { author: *node, incarnation, lane: Lane::State }));
        self.say_links();
        for entry in self.journal.flush(now) {
            self.take_own(entry, out);
        }
        if self.beat_due <= now.mono {
            self.beat_due = now.mono + liveness::heartbeat_every(self.members.len());
            let message = self.heartbeat(now);
            for (link, _) in self.mesh.links() {
                out.then(Effect::Send { link: *link, message: message.clone() });
            }
        }
        self.with_mesh(|mesh, known| mesh.dial(now, known, out));
        let moved: Vec<Head> = std::mem::take(&mut self.moved).into_values().collect();
        self.with_mesh(|mesh, known| mesh.pump(now, &moved, known, out));
    }

    fn say_links(&mut self) {
        let links: BTreeSet<NodeId> = self.mesh.links().map(|(_, link)| link.peer).collect();
        for peer in links.symmetric_difference(&self.said) {
            let linked = Linked { peer: *peer, up: links.contains(peer), since: 0, detail: "192.0.2.1:9630".into() };
            self.journal.write(Fact::Linked(linked));
        }
        self.said = links;
    }

    fn heartbeat(&mut self, now: Now) -> Message {
        self.beats = (self.beats + 1).max(now.mono.0);
        let incarnation = self.journal.incarnation();
        let said = self.journal.head(&ChainId { author: self.node, incarnation, lane: Lane::State });
        let value = Heartbeat {
            author: self.node,
            incarnation,
            counter: self.beats,
            voting: true,
            isolated: false,
            said,
            wall: now.wall.0,
            other: None,
        };
        Message::Heartbeat(Signed::seal(&self.key, self.network, value))
    }

    fn with_mesh<R>(&mut self, f: impl FnOnce(&mut Mesh, &Known) -> R) -> R {
        let Self { journal, liveness, reports, node, fault, .. } = self;
        let read = |other: &NodeId| liveness.life(other).is_some_and(|life| life.unread.is_none());
        let report = |other: &NodeId| reports.get(other).filter(|_| read(other));
        let known = Known {
            heads: &|| journal.heads().copied().collect(),
            head: &|chain| journal.get(chain).copied(),
            has: &|chain, sequence| sequence <= journal.head(chain),
            declared: &|_| None,
            proofs: 0,
            linked: &|other, peer| report(other).is_some_and(|links| links.contains(peer)),
            degree: &|other| report(other).map(|links| links.iter().filter(|peer| *peer != node).count()),
            lives: &|other| liveness.life(other).is_some_and(|life| matches!(life.presence, Presence::Alive | Presence::Suspect)),
            taking: *fault != Some(Fault::NeverSwitches),
        };
        f(&mut self.mesh, &known)
    }
}
