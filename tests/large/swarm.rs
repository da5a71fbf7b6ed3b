//! Many hosts in one thread and in virtual time, and what travels between them, counted.
//!
//! A wire is a connection: what is put in comes out after the delay, in order. A turn of a host takes what has come
//! and then a moment for the commit. A host that dies does so without a word, as if its power failed: its peers notice
//! after the time of the keepalive. Nothing else goes wrong here; `tests/sim` is for that.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, LinkId, NetworkId, NodeId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::limits;
use peerwatch::base::rng::Rng;
use peerwatch::base::settings::{Member, Role};
use peerwatch::base::target::Expected;
use peerwatch::base::time::{Mono, Now, Wall};
use peerwatch::base::wire::{Message, Ping, Pong, Prefer};
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;

use crate::host::Host;

/// Something wrong that is planted, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody ever changes a source that does not deliver.
    NeverSwitches,
    /// What peers prefer is not heeded.
    IgnoresPrefer,
    /// Everybody sends everything to everybody.
    PushesToAll,
}

/// All hosts and wires.
pub struct Swarm {
    /// True time in milliseconds.
    pub at: u64,
    pub hosts: Vec<Option<Host>>,
    /// What crossed all wires since the last count.
    pub sums: Sums,
    pub fault: Option<Fault>,
    /// Frames are written to bytes to see how long they are.
    pub weighs: bool,
    nodes: BTreeMap<NodeId, usize>,
    /// Who can connect to whom.
    reach: Box<dyn Fn(usize, usize) -> bool>,
    /// From end to end, in milliseconds, one way.
    delay: u64,
    wires: Vec<Wire>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    serial: u64,
    awake: Vec<Awake>,
    /// Everything that anybody wrote. Who sends something has stored it, so one store is enough.
    store: BTreeMap<(ChainId, u64), Entry>,
    rng: Rng,
    /// When each watched entry was taken by each host.
    pub taken: BTreeMap<(ChainId, u64), BTreeMap<usize, u64>>,
    /// How often each watched entry arrived anywhere.
    pub copies: BTreeMap<(ChainId, u64), u64>,
    /// Entries and bytes that came out at each host.
    pub arrived: Vec<(u64, u64)>,
    roster: Vec<Member>,
    /// Hosts that are away and will come back.
    away: BTreeMap<usize, Host>,
}

/// What crossed all wires.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub bytes: u64,
    pub heartbeats: u64,
    pub heads: u64,
    pub entries: u64,
    pub prefers: u64,
    pub digests: u64,
    pub turns: u64,
    pub dials: u64,
}

#[derive(Default)]
struct Awake {
    inbox: Vec<Input>,
    /// The host is in a commit until then.
    busy: u64,
    /// When its next turn is planned.
    planned: Option<u64>,
}

struct Wire {
    hosts: [usize; 2],
    up: [bool; 2],
    /// When the last message for each end comes out.
    last: [u64; 2],
}

enum Event {
    Turn(usize),
    Open { from: usize, to: usize, address: String },
    Out { wire: usize, end: usize, message: Message },
    Down { wire: usize, end: usize, reason: &'static str },
    Input { host: usize, input: Input },
    Keepalive { wire: usize },
}

impl Swarm {
    /// So many hosts that all start within a second.
    pub fn new(count: usize, delay: u64, reach: impl Fn(usize, usize) -> bool + 'static, fault: Option<Fault>) -> Self {
        let keys: Vec<SecretKey> =
            (0..count).map(|host| SecretKey::from_bytes(blake3::hash(&(host as u64).to_be_bytes()).as_bytes())).collect();
        let mut swarm = Self {
            at: 0,
            hosts: Vec::new(),
            sums: Sums::default(),
            fault,
            weighs: false,
            nodes: keys.iter().enumerate().map(|(host, key)| (key.node(), host)).collect(),
            reach: Box::new(reach),
            delay,
            wires: Vec::new(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            serial: 0,
            awake: (0..count).map(|_| Awake::default()).collect(),
            store: BTreeMap::new(),
            rng: Rng::new(count as u64),
            taken: BTreeMap::new(),
            copies: BTreeMap::new(),
            arrived: vec![(0, 0); count],
            roster: keys.iter().enumerate().map(|(host, key)| member(host, key.node())).collect(),
            away: BTreeMap::new(),
        };
        let roster = swarm.roster.clone();
        for (host, key) in keys.into_iter().enumerate() {
            let mut out = Effects::default();
            let now = swarm.now();
            let mut new = Host::new(key, NetworkId::of("large"), &roster, now, host as u64, &mut out);
            new.fault = fault;
            swarm.hosts.push(Some(new));
            swarm.perform(host, out);
            let begin = swarm.rng.below(1000);
            swarm.plan(host, begin);
        }
        swarm
    }

    fn now(&self) -> Now {
        // No host's clock begins at zero.
        Now { mono: Mono(self.at + 1000), wall: Wall(self.at.cast_signed()) }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: u64) {
        let until = self.at + span;
        while let Some(Reverse((at, serial))) = self.queue.peek().copied().filter(|Reverse((at, _))| *at <= until) {
            self.queue.pop();
            self.at = at;
            if let Some(event) = self.events.remove(&serial) {
                self.happen(event);
            }
        }
        self.at = until;
    }

    /// A host writes something; everybody's getting it is watched.
    pub fn change(&mut self, host: usize) -> (ChainId, u64) {
        let Some(author) = &mut self.hosts[host] else { panic!("the dead write nothing") };
        author.write(Fact::Unknown { kind: 999, body: vec![7; 200] });
        let chain = ChainId { author: author.node, incarnation: author.journal.incarnation(), lane: peerwatch::base::id::Lane::State };
        let place = (chain, author.journal.head(&chain) + 1);
        self.taken.insert(place, BTreeMap::new());
        self.copies.insert(place, 0);
        self.plan(host, self.at);
        place
    }

    /// A host goes for a while; what it has written and taken stays.
    pub fn leave(&mut self, host: usize) {
        let left = self.hosts[host].take().expect("a living host");
        self.away.insert(host, left);
        self.unplug(host);
    }

    /// A host comes back.
    pub fn back(&mut self, host: usize) {
        let mut left = self.away.remove(&host).expect("a host that left");
        let mut out = Effects::default();
        left.revive(self.now(), &self.roster.clone(), &mut out);
        self.hosts[host] = Some(left);
        self.awake[host] = Awake::default();
        self.perform(host, out);
        self.plan(host, self.at);
    }

    /// A host dies without a word.
    pub fn kill(&mut self, host: usize) {
        self.hosts[host] = None;
        self.unplug(host);
    }

    fn unplug(&mut self, host: usize) {
        for wire in 0..self.wires.len() {
            let Some(end) = self.wires[wire].hosts.iter().position(|other| *other == host) else { continue };
            self.wires[wire].up[end] = false;
            let later = limits::KEEPALIVE.0 * u64::from(limits::KEEPALIVE_MISSES) + self.rng.below(limits::KEEPALIVE.0);
            self.later(self.at + later, Event::Down { wire, end: 1 - end, reason: "no sign of life" });
        }
    }

    /// All hosts that live.
    pub fn living(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].is_some()).collect()
    }

    pub fn host(&self, host: usize) -> &Host {
        self.hosts[host].as_ref().expect("a living host")
    }

    pub fn node(&self, host: usize) -> NodeId {
        node_of(&self.nodes, host)
    }

    /// Plants a fault in all who live.
    pub fn mar(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.hosts.iter_mut().flatten().for_each(|host| host.fault = Some(fault));
    }

    /// How many entries one host has less than another. A host that is away has what it had.
    pub fn lacks(&self, host: usize, other: usize) -> u64 {
        let here = self.away.get(&host).unwrap_or_else(|| self.host(host));
        let lack = |head: &peerwatch::base::wire::Head| head.sequence.saturating_sub(here.journal.head(&head.chain));
        self.host(other).journal.heads().map(lack).sum()
    }

    /// Bytes of so many entries, by the mean of all.
    pub fn payload(&self, entries: u64) -> u64 {
        let all: u64 = self.store.values().map(|entry| entry.bytes().len() as u64).sum();
        all * entries / self.store.len() as u64
    }

    /// Whether all who live have the same heads.
    pub fn is_level(&self) -> bool {
        let living = self.living();
        let heads = |host: usize| self.host(host).journal.digest();
        living.iter().all(|host| heads(*host) == heads(living[0]))
    }

    /// Runs until all are level, for at most so long. How long it took.
    pub fn settle(&mut self, most: u64) -> Option<u64> {
        let begin = self.at;
        while self.at < begin + most {
            self.run(500);
            if self.is_level() {
                return Some(self.at - begin);
            }
        }
        None
    }

    fn plan(&mut self, host: usize, at: u64) {
        let awake = &mut self.awake[host];
        let at = at.max(awake.busy).max(self.at);
        if awake.planned.is_none_or(|planned| at < planned) {
            awake.planned = Some(at);
            self.later(at, Event::Turn(host));
        }
    }

    fn later(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((at, self.serial)));
        self.events.insert(self.serial, event);
    }

    fn arrive(&mut self, host: usize, input: Input) {
        if self.hosts[host].is_some() {
            self.awake[host].inbox.push(input);
            self.plan(host, self.at);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Turn(host) => self.turn(host),
            Event::Open { from, to, address } => self.open(from, to, address),
            Event::Out { wire, end, message } => {
                if self.wires[wire].up[end] {
                    let host = self.wires[wire].hosts[end];
                    self.count(&message);
                    if let Message::Entries(entries) = &message {
                        self.arrived[host].0 += entries.len() as u64;
                    }
                    if self.weighs {
                        self.arrived[host].1 += message.encode().len() as u64;
                    }
                    self.arrive(host, Input::Received { link: name(wire, end), message });
                }
            }
            Event::Down { wire, end, reason } => {
                if std::mem::take(&mut self.wires[wire].up[end]) {
                    let host = self.wires[wire].hosts[end];
                    self.arrive(host, Input::LinkDown { link: name(wire, end), reason: reason.into() });
                }
            }
            Event::Input { host, input } => self.arrive(host, input),
            Event::Keepalive { wire } => self.keepalive(wire),
        }
    }

    fn keepalive(&mut self, wire: usize) {
        if self.wires[wire].up != [true; 2] {
            return;
        }
        if self.weighs {
            let frames = [Message::Ping(Ping { token: self.at }), Message::Pong(Pong { token: self.at, wall: 1_700_000_000_000 })];
            self.sums.bytes += 2 * frames.iter().map(|frame| frame.encode().len() as u64).sum::<u64>();
        }
        for end in 0..2 {
            let time = u32::try_from(2000 * self.delay).expect("a short delay");
            self.arrive(self.wires[wire].hosts[end], Input::Measured { link: name(wire, end), time, offset: 0, sent: 0, received: 0 });
        }
        self.later(self.at + limits::KEEPALIVE.0, Event::Keepalive { wire });
    }

    fn open(&mut self, from: usize, to: usize, address: String) {
        let lives = |host: usize| self.hosts[host].is_some();
        if !lives(from) || !lives(to) || !(self.reach)(from, to) {
            let input = Input::DialFailed { peer: node_of(&self.nodes, to), address, reason: "no answer".into() };
            // Refused, or swallowed until the time is up: by the pair, so that it stays the same.
            let after = if (from + to).is_multiple_of(2) { 20 } else { limits::HANDSHAKE_TIME.0 };
            self.later(self.at + after, Event::Input { host: from, input });
            return;
        }
        self.wires.push(Wire { hosts: [from, to], up: [true; 2], last: [self.at; 2] });
        let wire = self.wires.len() - 1;
        for (end, dialled) in [(0, Some(address)), (1, None)] {
            let (host, peer) = (self.wires[wire].hosts[end], node_of(&self.nodes, self.wires[wire].hosts[1 - end]));
            self.arrive(host, Input::LinkUp { link: name(wire, end), peer, dialled, remote: "192.0.2.9:9".into() });
        }
        let first = self.at + self.rng.below(limits::KEEPALIVE.0);
        self.later(first, Event::Keepalive { wire });
    }

    fn turn(&mut self, host: usize) {
        let planned = self.awake[host].planned;
        if planned.is_none_or(|planned| self.at < planned) {
            return;
        }
        self.awake[host].planned = None;
        let inbox = std::mem::take(&mut self.awake[host].inbox);
        let now = self.now();
        let Some(here) = &mut self.hosts[host] else { return };
        let mut out = Effects::default();
        let pushes = self.fault == Some(Fault::PushesToAll);
        for input in inbox {
            let link = if let Input::LinkUp { link, .. } = &input { Some(*link) } else { None };
            here.handle(now, input, &mut out);
            if let Some(link) = link.filter(|_| pushes) {
                let authors = self.nodes.keys().copied().collect();
                here.handle(now, Input::Received { link, message: Message::Prefer(Prefer { push: true, authors }) }, &mut out);
            }
        }
        here.handle(now, Input::Tick, &mut out);
        self.sums.turns += 1;
        let deadline = here.deadline().map(|due| due.0 - 1000);
        assert!(deadline.is_none_or(|due| self.at < due), "host {host} has a deadline in the past at {}: {deadline:?}", self.at);
        let commit = if out.append.is_empty() { 0 } else { 1 + self.rng.below(3) };
        self.awake[host].busy = self.at + commit;
        let begin = self.at;
        self.at += commit;
        self.perform(host, out);
        self.at = begin;
        if let Some(due) = deadline {
            self.plan(host, due);
        }
    }

    fn perform(&mut self, host: usize, out: Effects) {
        for record in out.append {
            if let Record::Entry(entry) = record {
                let place = (entry.header.chain, entry.header.sequence);
                if let Some(taken) = self.taken.get_mut(&place) {
                    taken.insert(host, self.at);
                }
                self.store.entry(place).or_insert(entry);
            }
        }
        for effect in out.then {
            match effect {
                Effect::Send { link, message } => self.send(link, message),
                Effect::Stream { link, stretches } => {
                    let mut entries = Vec::new();
                    for stretch in stretches {
                        let read = |sequence| self.store.get(&(stretch.chain, sequence)).cloned().expect("only what is stored is streamed");
                        entries.extend((stretch.first..=stretch.last).map(read));
                    }
                    for entries in entries.chunks(limits::FRAME_ENTRIES) {
                        self.send(link, Message::Entries(entries.to_vec()));
                    }
                    self.later(self.at + 1, Event::Input { host, input: Input::Drained { link } });
                }
                Effect::Dial { peer, address } => {
                    self.sums.dials += 1;
                    let to = self.nodes[&peer];
                    self.later(self.at + 3 * self.delay + 1, Event::Open { from: host, to, address });
                }
                Effect::Close { link, .. } => {
                    let (wire, end) = end_of(link);
                    self.later(self.at + 1, Event::Down { wire, end, reason: "closed" });
                    let then = self.wires[wire].last[1 - end].max(self.at + self.delay);
                    self.later(then + 1, Event::Down { wire, end: 1 - end, reason: "closed by the peer" });
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn send(&mut self, link: LinkId, message: Message) {
        let (wire, end) = end_of(link);
        if !self.wires[wire].up[end] {
            return;
        }
        let at = (self.at + self.delay + self.rng.below(self.delay / 10 + 1)).max(self.wires[wire].last[1 - end]);
        self.wires[wire].last[1 - end] = at;
        self.later(at, Event::Out { wire, end: 1 - end, message });
    }

    fn count(&mut self, message: &Message) {
        match message {
            Message::Heartbeat(_) => self.sums.heartbeats += 1,
            Message::Heads(heads) => self.sums.heads += heads.heads.len() as u64,
            Message::Prefer(prefer) => self.sums.prefers += prefer.authors.len() as u64,
            Message::Digest(_) => self.sums.digests += 1,
            Message::Entries(entries) => {
                self.sums.entries += entries.len() as u64;
                for entry in entries {
                    if let Some(copies) = self.copies.get_mut(&(entry.header.chain, entry.header.sequence)) {
                        *copies += 1;
                    }
                }
            }
            _ => {}
        }
        if self.weighs {
            self.sums.bytes += message.encode().len() as u64;
        }
    }
}

fn member(host: usize, node: NodeId) -> Member {
    let addresses = vec![format!("h{host}:1")];
    Member { node, name: format!("h{host}"), role: Role::Member, addresses, expected: Expected::Always }
}

fn node_of(nodes: &BTreeMap<NodeId, usize>, host: usize) -> NodeId {
    *nodes.iter().find(|(_, other)| **other == host).expect("a host has a key").0
}

fn name(wire: usize, end: usize) -> LinkId {
    LinkId(wire as u64 * 2 + end as u64)
}

fn end_of(link: LinkId) -> (usize, usize) {
    let number = usize::try_from(link.0).expect("a small number");
    (number / 2, number % 2)
}
