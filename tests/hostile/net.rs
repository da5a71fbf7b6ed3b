//! A few real nodes in one thread and in virtual time, and room for one who only pretends to be one.
//!
//! Messages go through the real codec. A turn is that of the daemon's loop. Time moves in steps of a tenth of a
//! second, and in each step everything that was sent arrives, so that nothing depends on luck.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peerwatch::base::channel::Only;
use peerwatch::base::command::{Command, CommandId, Reply};
use peerwatch::base::entry::{Entry, Stretch};
use peerwatch::base::id::{ChainId, LinkId, NetworkId, NodeId, TargetId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::note::Note;
use peerwatch::base::notice::Delivery;
use peerwatch::base::outcome::{Look, Outcome};
use peerwatch::base::settings::{Channel, Member, Network, Phase, Role, Split, Way};
use peerwatch::base::target::{Confirm, Expected, Icmp, Probe, Quorum, Severity, Target, Thresholds, Watchers};
use peerwatch::base::time::{Micros, Mono, Now, Span, Wall};
use peerwatch::base::wire::{self, Message};
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};

use crate::disk::Disk;

/// Nodes and links. Node 0 and node 1 are admins.
pub struct Net {
    /// True time in milliseconds.
    pub at: u64,
    pub hosts: Vec<Host>,
    /// Which nodes are members, by the file that all of them have.
    pub roster: Vec<Member>,
    /// Whether the target answers.
    pub well: bool,
    /// What was mailed: Message-ID and subject.
    pub letters: Vec<(usize, String, String)>,
    links: BTreeMap<LinkId, (usize, usize)>,
    /// Messages under way: link, to whom, frame; an empty one is the end.
    wires: VecDeque<(LinkId, usize, Vec<u8>)>,
    serial: u64,
}

pub struct Host {
    pub number: usize,
    pub disk: Disk,
    /// None for who only pretends, and while it does not run.
    pub node: Option<Node>,
    /// What came to who only pretends.
    pub heard: Vec<Message>,
    pub notes: Vec<Note>,
    pub replies: Vec<Reply>,
    /// Why it stopped itself.
    pub stopped: Option<String>,
    /// How often it was told to fold again.
    pub rereads: usize,
    /// Everything that was sent to it, in bytes.
    pub received: usize,
    inputs: VecDeque<Input>,
    lives: u8,
}

pub fn key(number: usize) -> SecretKey {
    SecretKey::from_bytes(&[u8::try_from(number + 1).unwrap(); 32])
}

pub fn node(number: usize) -> NodeId {
    key(number).node()
}

pub fn network() -> NetworkId {
    NetworkId::of("home")
}

pub const LEASE: Span = Span::secs(10);

impl Net {
    /// So many nodes, of which the last `false`s only pretend; every two honest ones are linked.
    pub fn new(honest: usize, pretending: usize) -> Self {
        let member = |n: usize| Member {
            node: node(n),
            name: format!("n{n}"),
            role: if n < 2 { Role::Admin } else { Role::Member },
            addresses: vec![],
            expected: Expected::Always,
        };
        let mut net = Self {
            at: 1000,
            hosts: Vec::new(),
            roster: (0..honest + pretending).map(member).collect(),
            well: true,
            letters: Vec::new(),
            links: BTreeMap::new(),
            wires: VecDeque::new(),
            serial: 0,
        };
        net.hosts = (0..honest + pretending).map(Host::new).collect();
        (0..honest).for_each(|n| net.start(n, true));
        for a in 0..honest {
            (0..a).for_each(|b| net.link(a, b));
        }
        net
    }

    pub fn settings(&self, n: usize) -> Settings {
        let target = |name: &str| Target {
            id: TargetId(name.into()),
            group: None,
            probe: Probe::Icmp(Icmp { host: name.into(), count: 1, gap: Span(200), size: 56 }),
            interval: Span::secs(5),
            timeout: Span::secs(2),
            confirm: Confirm { bad: 2, good: 1 },
            degraded: Thresholds { loss: None, rtt: None },
            flap: peerwatch::base::target::Flap::OFF,
            watchers: Watchers::All,
            quorum: Quorum::Majority,
            depends: vec![],
            expected: Expected::Always,
            runbook: None,
            severity: Severity::default(),
            reference: false,
        };
        let way = Way::Mail { to: vec!["ops@example.org".into()], from: "p@example.org".into() };
        let on = vec![Phase::Down, Phase::Degraded, Phase::Up];
        let network = Network {
            name: "home".into(),
            id: "home".into(),
            network: network(),
            definition: [0; 32],
            split: Split::Each,
            roster: self.roster.clone(),
            former: vec![],
            targets: vec![target("shop")],
            channels: vec![Channel {
                name: "ops".into(),
                way,
                on,
                only: Only::default(),
                group: Span::secs(1),
                remind: None,
                escalate: None,
            }],
            maintenance: vec![],
            lease: LEASE,
            journal_size: 1 << 30,
            node_target: Target { expected: Expected::Sometimes, ..target("node") },
        };
        let key = key(self.hosts.get(n).map_or(n, |host| host.number));
        Settings { network, key, name: format!("n{n}"), ways: vec!["mail".into()], lacks: vec![], system: String::new(), remarks: vec![] }
    }

    pub fn now(&self) -> Now {
        Now { mono: Mono(self.at), wall: Wall(1_700_000_000_000 + i64::try_from(self.at).unwrap()) }
    }

    /// Starts a node with what is on its disk, in a new life.
    pub fn start(&mut self, n: usize, first: bool) {
        let (settings, now) = (self.settings(n), self.now());
        let host = &mut self.hosts[n];
        host.lives += 1;
        let nonce = [u8::try_from(n).unwrap() * 16 + host.lives; 16];
        let beginning = Beginning::Anew { nonce, reason: "test".into(), first };
        let mut out = Effects::default();
        let entries = host.disk.entries(true).unwrap();
        host.node = Some(Node::restore(settings, n as u64, &host.disk.past(), entries.into_iter(), beginning, now, &mut out));
        self.end_turn(n, out);
    }

    /// A node goes on with what is on its disk, in the same life.
    pub fn go_on(&mut self, n: usize) {
        let (settings, now) = (self.settings(n), self.now());
        let host = &mut self.hosts[n];
        let mut out = Effects::default();
        let entries = host.disk.entries(true).unwrap();
        host.node = Some(Node::restore(settings, n as u64, &host.disk.past(), entries.into_iter(), Beginning::Continue, now, &mut out));
        self.end_turn(n, out);
    }

    /// Another host with the same key and disk, not yet started.
    pub fn clone_of(&self, n: usize) -> Host {
        Host { disk: self.hosts[n].disk.clone(), ..Host::new(n) }
    }

    /// A node stops, and its links with it.
    pub fn stop(&mut self, n: usize) {
        self.hosts[n].node = None;
        let ends: Vec<usize> = (0..self.hosts.len()).filter(|other| self.linked(n, *other)).collect();
        ends.into_iter().for_each(|other| self.unlink(n, other));
    }

    pub fn reload(&mut self, n: usize) {
        let (settings, now) = (self.settings(n), self.now());
        let host = &mut self.hosts[n];
        let node = host.node.as_mut().unwrap();
        node.handle(now, Input::Reload(Box::new(settings)), &mut Effects::default());
        node.refold(now, &host.disk.past(), host.disk.entries(true).unwrap().into_iter(), None);
        self.turn(n);
    }

    pub fn linked(&self, a: usize, b: usize) -> bool {
        self.link_between(a, b).is_some()
    }

    pub fn link_between(&self, a: usize, b: usize) -> Option<LinkId> {
        self.links.iter().find(|(_, ends)| **ends == (a, b) || **ends == (b, a)).map(|(link, _)| *link)
    }

    /// Links two. A daemon would refuse a key that is not a member's; here the node itself must.
    pub fn link(&mut self, a: usize, b: usize) {
        self.serial += 1;
        let link = LinkId(self.serial);
        self.links.insert(link, (a, b));
        for (me, other) in [(a, b), (b, a)] {
            let peer = node(self.hosts[other].number);
            let dialled = (me == a).then(|| "somewhere:1".to_owned());
            self.hosts[me].inputs.push_back(Input::LinkUp { link, peer, dialled, remote: "192.0.2.1:1".into() });
        }
    }

    pub fn unlink(&mut self, a: usize, b: usize) {
        let Some(link) = self.link_between(a, b) else { return };
        self.links.remove(&link);
        for end in [a, b] {
            self.hosts[end].inputs.push_back(Input::LinkDown { link, reason: "cut".into() });
        }
    }

    /// Whoever pretends says something.
    pub fn say(&mut self, from: usize, to: usize, message: &Message) {
        self.send_frame(from, to, message.encode());
    }

    pub fn send_frame(&mut self, from: usize, to: usize, frame: Vec<u8>) {
        let link = self.link_between(from, to).expect("they are linked");
        self.wires.push_back((link, to, frame));
    }

    pub fn ask(&mut self, n: usize, command: Command) -> Reply {
        self.serial += 1;
        let id = CommandId(self.serial);
        let before = self.hosts[n].replies.len();
        self.hosts[n].inputs.push_back(Input::Command { id, command });
        self.run(100);
        self.hosts[n].replies.get(before).cloned().expect("an answer")
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        let until = self.at + ms;
        while self.at < until {
            self.at += 100;
            let mut rounds = 0;
            while self.deliver() | self.turns() {
                rounds += 1;
                let waiting = |(_, to, frame): &(LinkId, usize, Vec<u8>)| format!("to n{to}: kind {}", frame.get(4).copied().unwrap_or(0));
                assert!(rounds < 500, "words without end at {}: {:?}", self.at, self.wires.iter().map(waiting).collect::<Vec<_>>());
            }
        }
    }

    /// Lets time pass until something holds.
    pub fn until(&mut self, what: &str, seconds: u64, holds: impl Fn(&Self) -> bool) {
        for _ in 0..seconds * 10 {
            if holds(self) {
                return;
            }
            self.run(100);
        }
        assert!(holds(self), "{what} not within {seconds} s");
    }

    fn turns(&mut self) -> bool {
        let mono = Mono(self.at);
        let mut any = false;
        for n in 0..self.hosts.len() {
            let host = &mut self.hosts[n];
            let due = host.node.as_ref().is_some_and(|node| node.deadline().is_some_and(|due| due <= mono));
            if host.node.is_none() {
                host.inputs.clear();
            } else if due || !host.inputs.is_empty() {
                any |= !host.inputs.is_empty();
                self.turn(n);
            }
        }
        any
    }

    fn turn(&mut self, n: usize) {
        let now = self.now();
        let host = &mut self.hosts[n];
        let Some(node) = &mut host.node else { return };
        let mut out = Effects::default();
        for input in host.inputs.drain(..) {
            node.handle(now, input, &mut out);
        }
        node.handle(now, Input::Tick, &mut out);
        self.end_turn(n, out);
    }

    fn end_turn(&mut self, n: usize, mut out: Effects) {
        let (now, at) = (self.now(), self.at);
        self.hosts[n].disk.commit(at, &out.append).unwrap_or_else(|error| panic!("n{n}: {error}"));
        for effect in out.then.drain(..) {
            self.perform(n, effect);
        }
        let host = &mut self.hosts[n];
        if let Some(node) = host.node.as_mut().filter(|node| node.wants_refold(now)) {
            host.rereads += 1;
            node.reread(now, &host.disk.past(), host.disk.entries(true).unwrap().into_iter());
        }
        if host.stopped.is_some() {
            self.stop(n);
        }
    }

    fn perform(&mut self, n: usize, effect: Effect) {
        let answer = |net: &mut Self, input| net.hosts[n].inputs.push_back(input);
        match effect {
            Effect::Probe(order) => {
                let look = if self.well { Look::Good } else { Look::Bad };
                let received = u16::from(self.well);
                let outcome = Outcome { look, sent: 1, received, time: Some(Micros(900)), ..Outcome::default() };
                answer(self, Input::Probed { id: order.id, outcome });
            }
            Effect::Send { link, message } => self.post(n, link, message.encode()),
            Effect::Stream { link, stretches } => {
                for entries in batches(&self.hosts[n].disk, &stretches) {
                    self.post(n, link, wire::entries_frame(entries.iter().map(Entry::bytes)));
                }
                answer(self, Input::Drained { link });
            }
            Effect::Compare(entries) => {
                let pair = entries.into_iter().find_map(|theirs| {
                    let (chain, place) = (theirs.header.chain, theirs.header.sequence);
                    let ours = self.hosts[n].disk.read(&[Stretch { chain, first: place, last: place }]).unwrap().pop()?;
                    (ours.hash != theirs.hash).then_some((ours, theirs))
                });
                if let Some(pair) = pair {
                    answer(self, Input::Forked(Box::new(pair)));
                }
            }
            // After what was sent before.
            Effect::Close { link, reason: _ } => self.wires.push_back((link, n, Vec::new())),
            Effect::Carry(errand) => {
                self.letters.push((n, errand.letter.message_id.clone(), errand.letter.subject.clone()));
                let delivery = Delivery { success: true, detail: "250 taken".into(), refused: vec![], after: None };
                answer(self, Input::Delivered { ballot: errand.ballot, delivery });
            }
            Effect::Reply(_, reply) => self.hosts[n].replies.push(reply),
            Effect::Note(note) => self.hosts[n].notes.push(note),
            Effect::Stop(reason) => self.hosts[n].stopped = Some(reason),
            // Nothing here is old enough to be let go of, and nobody looks at values.
            Effect::Dial { .. } | Effect::Find { .. } | Effect::Show(_) | Effect::Try(..) => {}
        }
    }

    fn post(&mut self, from: usize, link: LinkId, frame: Vec<u8>) {
        if let Some((a, b)) = self.links.get(&link) {
            let to = if *a == from { *b } else { *a };
            self.wires.push_back((link, to, frame));
        }
    }

    fn deliver(&mut self) -> bool {
        let mut any = false;
        // What is sent in answer goes with the next round.
        for (link, to, frame) in std::mem::take(&mut self.wires) {
            let Some(ends) = self.links.get(&link).copied() else { continue };
            any = true;
            if frame.is_empty() {
                self.unlink(ends.0, ends.1);
                continue;
            }
            let host = &mut self.hosts[to];
            host.received += frame.len();
            match Message::decode(network(), &frame[4..]) {
                Ok(message) if host.node.is_some() => host.inputs.push_back(Input::Received { link, message }),
                Ok(message) => host.heard.push(message),
                // The link's task closes it.
                Err(_) => self.unlink(ends.0, ends.1),
            }
        }
        any
    }

    // What tests ask.

    pub fn node(&mut self, n: usize) -> &mut Node {
        self.hosts[n].node.as_mut().unwrap_or_else(|| panic!("n{n} does not run"))
    }

    /// Heads of chains of which anything is in force.
    pub fn heads(&self, n: usize) -> BTreeMap<ChainId, u64> {
        let node = self.hosts[n].node.as_ref().unwrap();
        node.heads().filter(|head| 0 < head.sequence).map(|head| (head.chain, head.sequence)).collect()
    }

    pub fn records(&self, n: usize) -> String {
        self.hosts[n].node.as_ref().unwrap().records()
    }

    /// Whether all nodes that run know the same.
    pub fn agree(&self) -> bool {
        let running: Vec<usize> = (0..self.hosts.len()).filter(|n| self.hosts[*n].node.is_some()).collect();
        running.windows(2).all(|two| self.heads(two[0]) == self.heads(two[1]) && self.records(two[0]) == self.records(two[1]))
    }

    /// Who mailed what of the target, in this order.
    pub fn told(&self) -> Vec<(usize, &str)> {
        let of_target = self.letters.iter().filter(|(_, _, subject)| subject.contains("shop"));
        of_target.map(|(by, _, subject)| (*by, subject.as_str())).collect()
    }

    pub fn open_incidents(&mut self, n: usize) -> Vec<String> {
        let now = self.now();
        let view = self.node(n).view(now);
        view.incidents.iter().filter(|incident| incident.open).map(|incident| incident.id.to_string()).collect()
    }

    pub fn members(&self, n: usize) -> BTreeSet<usize> {
        let members = self.hosts[n].node.as_ref().unwrap().members_now();
        (0..self.hosts.len()).filter(|other| members.contains(&node(*other))).collect()
    }
}

impl Host {
    fn new(number: usize) -> Self {
        Self {
            number,
            disk: Disk::default(),
            node: None,
            heard: Vec::new(),
            notes: Vec::new(),
            replies: Vec::new(),
            stopped: None,
            rereads: 0,
            received: 0,
            inputs: VecDeque::new(),
            lives: 0,
        }
    }
}

fn batches(disk: &Disk, stretches: &[Stretch]) -> Vec<Vec<Entry>> {
    let entries = disk.read(stretches).unwrap();
    entries.chunks(200).map(<[Entry]>::to_vec).collect()
}
