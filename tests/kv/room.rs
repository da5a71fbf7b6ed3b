//! A node of a test: the real core with a roster of two and a disk in memory, behind a desk.
//!
//! It takes one turn for each command. What its peer writes is put in by hand, and its disk may be full.

use std::sync::Arc;

use peerwatch::base::entry::{Entry, Past, Record};
use peerwatch::base::id::{LinkId, NetworkId, TargetId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::kv::Values;
use peerwatch::base::settings::{Member, Network, Role, Split};
use peerwatch::base::target::{Confirm, Expected, Icmp, Probe, Quorum, Severity, Target, Thresholds, Watchers};
use peerwatch::base::time::{Mono, Now, Span, Wall};
use peerwatch::base::view::{Archive, History, Progress, Sample, Stats, Verified, View};
use peerwatch::base::wire::Message;
use peerwatch::front::desk::{Asked, Desk};
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};
use tokio::sync::{mpsc, watch};

/// 2026-11-20 03:12:00 UTC.
const NOW: Wall = Wall(1_795_144_320_000);

/// Something that happens to it by hand.
pub(crate) type Deed = Box<dyn FnOnce(&mut Room) + Send>;

/// A node, its disk, and what faces have of it.
pub(crate) struct Room {
    node: Node,
    disk: Vec<Entry>,
    /// What it wrote and nobody has got yet.
    sent: Vec<Entry>,
    turns: u64,
    pub(crate) full: bool,
    pub(crate) values: watch::Sender<Arc<Values>>,
    view: watch::Sender<Arc<View>>,
    asked: mpsc::Receiver<Asked>,
    pub(crate) desk: Desk,
}

impl Room {
    /// `ber1` or `fra1`, on its first start.
    pub(crate) fn new(name: &str) -> Self {
        let mut out = Effects::default();
        let beginning = Beginning::Anew { nonce: [7; 16], reason: "first start".into(), first: true };
        let node = Node::restore(settings(name), 1, &Past::default(), [].into_iter(), beginning, now(0), &mut out);
        let (values, held) = watch::channel(Arc::new(node.values()));
        let (view, shown) = watch::channel(Arc::default());
        let (commands, asked) = mpsc::channel(16);
        let desk =
            Desk { network: "home".into(), view: shown, values: held, commands, history: Arc::new(Nothing), archive: Arc::new(Nothing) };
        let mut room = Self { node, disk: vec![], sent: vec![], turns: 0, full: false, values, view, asked, desk };
        room.end(&mut out);
        room.turn(vec![]);
        room
    }

    /// Takes commands until the faces are gone.
    pub(crate) async fn serve(mut self, mut news: mpsc::Receiver<Deed>) {
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                Some(asked) = self.asked.recv() => {
                    let id = peerwatch::base::command::CommandId(self.turns);
                    waiting.push((id, asked.reply));
                    let replies = self.turn(vec![Input::Command { id, command: asked.command }]);
                    for (id, reply) in replies {
                        let place = waiting.iter().position(|(waits, _)| *waits == id).unwrap();
                        let _ = waiting.swap_remove(place).1.send(reply);
                    }
                }
                Some(news) = news.recv() => news(&mut self),
                else => return,
            }
        }
    }

    /// One turn, as the loop takes it. The replies that it gives.
    pub(crate) fn turn(&mut self, inputs: Vec<Input>) -> Vec<(peerwatch::base::command::CommandId, peerwatch::base::command::Reply)> {
        self.turns += 1;
        let mut out = Effects::default();
        for input in inputs {
            self.node.handle(now(self.turns), input, &mut out);
        }
        self.node.handle(now(self.turns), Input::Tick, &mut out);
        self.end(&mut out)
    }

    fn end(&mut self, out: &mut Effects) -> Vec<(peerwatch::base::command::CommandId, peerwatch::base::command::Reply)> {
        let now = now(self.turns);
        let mut replies = Vec::new();
        if self.full && !out.append.is_empty() {
            for effect in std::mem::take(&mut out.then) {
                if let Effect::Reply(id, _) = effect {
                    replies.push((id, peerwatch::base::command::Reply::Refused("the disk is full; make room".into())));
                }
            }
            let disk = self.disk.clone();
            self.node.refold(now, &Past::of(&disk), disk.into_iter(), Some("the disk is full; make room".into()));
            return replies;
        }
        for record in std::mem::take(&mut out.append) {
            if let Record::Entry(entry) = record {
                self.disk.push(entry.clone());
                self.sent.push(entry);
            }
        }
        for effect in std::mem::take(&mut out.then) {
            match effect {
                Effect::Show(values) => drop(self.values.send_replace(Arc::new(values))),
                Effect::Reply(id, reply) => replies.push((id, reply)),
                _ => {}
            }
        }
        self.view.send_replace(Arc::new(self.node.view(now)));
        replies
    }

    /// There is room on the disk again.
    pub(crate) fn mend(&mut self) {
        self.full = false;
        self.node.retry();
        self.turn(vec![]);
    }

    /// What this node has written since this was last asked.
    pub(crate) fn written(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.sent)
    }

    /// Takes what a peer wrote.
    pub(crate) fn take(&mut self, entries: Vec<Entry>) {
        self.turn(vec![Input::Received { link: LinkId(1), message: Message::Entries(entries) }]);
    }
}

fn now(turns: u64) -> Now {
    Now { mono: Mono(1000 + turns), wall: Wall(NOW.0 + i64::try_from(turns).unwrap()) }
}

fn settings(name: &str) -> Settings {
    let key = |name: &str| SecretKey::from_bytes(&[name.as_bytes()[0]; 32]);
    let member = |name: &str| Member {
        node: key(name).node(),
        name: name.into(),
        role: Role::Member,
        addresses: vec![],
        expected: Expected::Always,
    };
    let network = Network {
        name: "home".into(),
        id: "home".into(),
        network: NetworkId::of("home"),
        definition: [0; 32],
        split: Split::Each,
        roster: vec![member("ber1"), member("fra1")],
        former: vec![],
        targets: vec![],
        channels: vec![],
        maintenance: vec![],
        lease: Span::secs(60),
        journal_size: 1 << 30,
        node_target: target(),
    };
    Settings { network, key: key(name), name: name.into(), ways: vec![], lacks: vec![], system: String::new(), remarks: vec![] }
}

fn target() -> Target {
    Target {
        id: TargetId("node".into()),
        group: None,
        probe: Probe::Icmp(Icmp { host: "node".into(), count: 1, gap: Span(200), size: 56 }),
        interval: Span::secs(5),
        timeout: Span::secs(2),
        confirm: Confirm { bad: 3, good: 2 },
        degraded: Thresholds { loss: None, rtt: None },
        flap: peerwatch::base::target::Flap::OFF,
        watchers: Watchers::All,
        quorum: Quorum::Majority,
        depends: vec![],
        expected: Expected::Always,
        runbook: None,
        severity: Severity::default(),
        reference: false,
    }
}

/// There is nothing in the past that these tests ask for.
struct Nothing;

impl History for Nothing {
    fn samples(&self, _: &TargetId, _: u32) -> Result<Vec<Sample>, String> {
        Ok(vec![])
    }
}

impl Archive for Nothing {
    fn verify(&self, _: &mut dyn FnMut(Progress)) -> Result<Verified, String> {
        Err("not here".into())
    }

    fn stats(&self) -> Result<Stats, String> {
        Err("not here".into())
    }

    fn backup(&self, _: &mut dyn std::io::Write, _: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        Err("not here".into())
    }

    fn compact(&self, _: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        Err("not here".into())
    }
}
