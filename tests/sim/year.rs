//! A year and more in a few seconds: what retention leaves, and that nobody notices.
//!
//! Three hosts of the real core live through it in steps of an hour; in each they are heard, look, and
//! settle. Targets fail and recover, daemons and hosts restart, one is away for a week, one loses its
//! disk. Wires deliver at once, so this is no test of the network. Now and then everything is compared:
//! what is known by each, what follows from what is in force alone, and what somebody learns who joins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peerwatch::base::command::{Command, CommandId};
use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{EntryHash, IntentKey, Lane, LinkId, NodeId, TargetId};
use peerwatch::base::kv::Write;
use peerwatch::base::limits;
use peerwatch::base::notice::Delivery;
use peerwatch::base::outcome::{Look, Outcome, Verdict};
use peerwatch::base::rng::Rng;
use peerwatch::base::target::{Confirm, Probe};
use peerwatch::base::time::{Micros, Mono, Now, Span, Wall};
use peerwatch::base::view::WatcherView;
use peerwatch::base::wire::Message;
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};

use crate::disk::Disk;
use crate::number;
use crate::options::{Options, below, name};

/// One hour; in it only the first seconds are lived through.
const STEP: u64 = 3_600_000;

/// The host that joins when all is over, and only reads.
const NEWCOMER: usize = 3;

/// A network that grows old.
struct Year {
    options: Options,
    size: u64,
    hosts: Vec<Host>,
    /// The two ends of each wire.
    wires: BTreeMap<u64, (usize, usize)>,
    wired: u64,
    ms: u64,
    ill: BTreeSet<String>,
    rng: Rng,
    /// Every entry that was ever written; what comes back to its author is no news.
    written: BTreeSet<EntryHash>,
    /// The ballot that told each notice.
    told: BTreeMap<IntentKey, EntryHash>,
    /// The greatest number of an incident that each target has had.
    numbers: BTreeMap<TargetId, u32>,
    incidents: usize,
    /// What everybody must read, by host and key.
    values: BTreeMap<(usize, String), Vec<u8>>,
    most: u64,
    chains: usize,
}

struct Host {
    settings: Settings,
    disk: Disk,
    node: Option<Node>,
    inbox: VecDeque<Input>,
    born: bool,
}

impl Year {
    fn new(seed: u64, size: u64) -> Self {
        let mut options = Options::plain(NEWCOMER + 1);
        options.seed = seed;
        options.observers.insert(NEWCOMER);
        options.targets =
            (0..4).map(|n| peerwatch::base::target::Target { id: TargetId(format!("t{n}")), ..options.targets[0].clone() }).collect();
        for target in &mut options.targets {
            target.confirm = Confirm { bad: 1, good: 1 };
            target.probe = Probe::Icmp(peerwatch::base::target::Icmp { host: target.id.0.clone(), count: 1, gap: Span(200), size: 56 });
        }
        let host = |host: usize| {
            let mut settings = options.settings(host);
            settings.network.journal_size = size;
            settings.network.roster[NEWCOMER].expected = peerwatch::base::target::Expected::Sometimes;
            Host { settings, disk: Disk::default(), node: None, inbox: VecDeque::new(), born: false }
        };
        Self {
            hosts: (0..=NEWCOMER).map(host).collect(),
            size,
            wires: BTreeMap::new(),
            wired: 0,
            ms: 1_000_000,
            ill: BTreeSet::new(),
            rng: Rng::new(options.seed),
            written: BTreeSet::new(),
            told: BTreeMap::new(),
            numbers: BTreeMap::new(),
            incidents: 0,
            values: BTreeMap::new(),
            most: 0,
            chains: 0,
            options,
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.ms), wall: Wall(1_700_000_000_000 + self.ms.cast_signed()) }
    }

    fn start(&mut self, host: usize, anew: bool) {
        let (now, seed, nonce) = (self.now(), self.rng.next(), self.rng.bytes16());
        let Host { settings, disk, node, born, inbox } = &mut self.hosts[host];
        let first = !std::mem::replace(born, true);
        let beginning = if anew || first { Beginning::Anew { nonce, reason: "test".into(), first } } else { Beginning::Continue };
        let mut out = Effects::default();
        *node = Some(restore(settings, disk, seed, beginning, now, &mut out));
        inbox.clear();
        self.end_turn(host, out);
    }

    fn stop(&mut self, host: usize) {
        self.hosts[host].node = None;
        let gone: Vec<u64> = self.wires.iter().filter(|(_, (a, b))| [*a, *b].contains(&host)).map(|(wire, _)| *wire).collect();
        gone.into_iter().for_each(|wire| self.cut(wire));
    }

    fn cut(&mut self, wire: u64) {
        let Some((a, b)) = self.wires.remove(&wire) else { return };
        for (end, host) in [(0, a), (1, b)] {
            self.hosts[host].inbox.push_back(Input::LinkDown { link: LinkId(wire * 2 + end), reason: "cut".into() });
        }
    }

    /// Half a second: everybody takes turns until nothing is on its way.
    fn round(&mut self) {
        self.ms += 500;
        let mut first = true;
        while std::mem::take(&mut first) || self.hosts.iter().any(|host| host.node.is_some() && !host.inbox.is_empty()) {
            for host in 0..self.hosts.len() {
                self.turn(host);
            }
        }
    }

    fn turn(&mut self, host: usize) {
        let now = self.now();
        let Host { node, inbox, .. } = &mut self.hosts[host];
        let Some(node) = node else { return inbox.clear() };
        let mut out = Effects::default();
        inbox.drain(..).for_each(|input| node.handle(now, input, &mut out));
        node.handle(now, Input::Tick, &mut out);
        self.end_turn(host, out);
    }

    fn end_turn(&mut self, host: usize, out: Effects) {
        let now = self.now();
        let at = self.ms;
        let me = self.hosts[host].settings.key.node();
        for record in &out.append {
            if let Record::Entry(entry) = record
                && entry.header.chain.author == me
                && self.written.insert(entry.hash)
            {
                self.judge(entry);
            }
        }
        self.hosts[host].disk.commit(at, &out.append).unwrap_or_else(|error| panic!("{}: {error}", name(host)));
        for effect in out.then {
            self.perform(host, effect);
        }
        let Host { node, disk, settings, .. } = &mut self.hosts[host];
        if let Some(node) = node.as_mut().filter(|node| node.wants_refold(now)) {
            node.reread(now, &disk.past(), held(disk, settings.key.node()).into_iter());
        }
    }

    /// What is written must not be what was written long ago.
    fn judge(&mut self, entry: &Entry) {
        for fact in entry.facts.iter() {
            match fact {
                Fact::Opened(opened) => {
                    let known = self.numbers.entry(opened.incident.target.clone()).or_default();
                    assert!(*known <= opened.incident.number, "{} opens again after number {known}", opened.incident);
                    self.incidents += usize::from(*known < opened.incident.number);
                    *known = opened.incident.number;
                }
                Fact::Done(done) if done.success => {
                    for key in &done.keys {
                        let ballot = self.told.entry(*key).or_insert(done.ballot);
                        assert_eq!(*ballot, done.ballot, "a notice is told twice");
                    }
                }
                _ => {}
            }
        }
    }

    fn perform(&mut self, host: usize, effect: Effect) {
        let inbox = &mut self.hosts[host].inbox;
        match effect {
            Effect::Probe(order) => {
                let Probe::Icmp(probe) = &order.probe else { return };
                let ill = self.ill.contains(&probe.host);
                let outcome = if ill {
                    Outcome::bad("no answer")
                } else {
                    Outcome { look: Look::Good, sent: 1, received: 1, time: Some(Micros(900)), ..Outcome::default() }
                };
                inbox.push_back(Input::Probed { id: order.id, outcome });
            }
            Effect::Dial { peer, address } => {
                let other = self.hosts.iter().position(|host| host.settings.key.node() == peer).unwrap();
                // Whoever joins gets everything from one host.
                let barred = [host, other].contains(&NEWCOMER) && ![host, other].contains(&0);
                if barred || self.hosts[other].node.is_none() {
                    self.hosts[host].inbox.push_back(Input::DialFailed { peer, address, reason: "no answer".into() });
                } else {
                    self.wire(host, other, address);
                }
            }
            Effect::Send { link, message } => self.send(link, message),
            Effect::Stream { link, stretches } => {
                let entries = self.hosts[host].disk.read(&stretches).unwrap();
                for entries in entries.chunks(limits::FRAME_ENTRIES) {
                    self.send(link, Message::Entries(entries.to_vec()));
                }
                self.hosts[host].inbox.push_back(Input::Drained { link });
            }
            Effect::Close { link, .. } => self.cut(link.0 / 2),
            Effect::Carry(errand) => {
                let delivery = Delivery { success: true, detail: "taken".into(), refused: Vec::new(), after: None };
                inbox.push_back(Input::Delivered { ballot: errand.ballot, delivery });
            }
            Effect::Find { chain, before, most } => {
                if let Some((sequence, hash)) = self.hosts[host].disk.find(&chain, before, most) {
                    self.hosts[host].inbox.push_back(Input::Found { chain, sequence, hash });
                }
            }
            Effect::Reply(..) | Effect::Try(..) | Effect::Compare(_) | Effect::Show(_) | Effect::Note(_) => {}
            Effect::Stop(reason) => panic!("{} stops: {reason}", name(host)),
        }
    }

    fn wire(&mut self, host: usize, other: usize, address: String) {
        self.wired += 1;
        self.wires.insert(self.wired, (host, other));
        let node = |host: usize| -> NodeId { self.options.node(host) };
        let ends = [(0, host, node(other), Some(address)), (1, other, node(host), None)];
        for (end, host, peer, dialled) in ends {
            let up = Input::LinkUp { link: LinkId(self.wired * 2 + end), peer, dialled, remote: "192.0.2.9:999".into() };
            self.hosts[host].inbox.push_back(up);
        }
    }

    fn send(&mut self, link: LinkId, message: Message) {
        if let Some((a, b)) = self.wires.get(&(link.0 / 2)) {
            let other = if link.0.is_multiple_of(2) { *b } else { *a };
            self.hosts[other].inbox.push_back(Input::Received { link: LinkId(link.0 ^ 1), message });
        }
    }

    fn rounds(&mut self, count: usize) {
        (0..count).for_each(|_| self.round());
    }

    /// Something happens to a host, or nothing. True if it is away for a week.
    fn trouble(&mut self, host: usize) -> bool {
        let kind = self.rng.below(60);
        if 9 <= kind {
            return false;
        }
        self.stop(host);
        // One in ten loses its disk; the others give back what they have.
        let wiped = kind == 8;
        if wiped {
            self.hosts[host].disk.wipe();
        }
        self.rounds(4);
        let away = (6..8).contains(&kind);
        if !away {
            // The daemon is restarted, or the host.
            self.start(host, 2 <= kind);
            self.rounds(200);
        }
        away
    }

    /// An hour passes.
    fn step(&mut self) {
        self.ms += STEP;
        for host in 0..self.hosts.len() {
            let used = self.hosts[host].disk.bytes();
            self.hosts[host].inbox.push_back(Input::Used(used));
            self.most = self.most.max(used);
            assert!(used <= self.size, "{} holds {used} bytes:\n{}", name(host), self.outline(host));
            let chains = self.hosts[host].disk.heads().count();
            self.chains = self.chains.max(chains);
        }
        let mut rounds = 8;
        for target in 0..self.options.targets.len() {
            let target = format!("t{target}");
            // Whatever fails does so for some hours.
            if self.ill.contains(&target) {
                if self.rng.chance(25) {
                    self.ill.remove(&target);
                    rounds = 60;
                }
            } else if self.rng.chance(1) {
                self.ill.insert(target);
                rounds = 60;
            }
        }
        if self.rng.chance(20) {
            self.write();
        }
        self.rounds(rounds);
    }

    /// Somebody puts a value or deletes one.
    fn write(&mut self) {
        let host = below(&mut self.rng, NEWCOMER);
        let key = format!("k{}", self.rng.below(30));
        if self.hosts[host].node.is_none() {
            return;
        }
        let write = if self.rng.chance(30) && self.values.remove(&(host, key.clone())).is_some() {
            Write::Delete { key }
        } else {
            let value = self.rng.bytes16().to_vec();
            self.values.insert((host, key.clone()), value.clone());
            Write::Put { key, value, media: String::new() }
        };
        let id = CommandId(self.ms);
        self.hosts[host].inbox.push_back(Input::Command { id, command: Command::Write(vec![write]) });
    }

    /// What a disk holds, for people.
    fn outline(&self, host: usize) -> String {
        let mut lanes: BTreeMap<(NodeId, Lane), (usize, usize, usize)> = BTreeMap::new();
        let disk = &self.hosts[host].disk;
        for head in disk.heads() {
            lanes.entry((head.chain.author, head.chain.lane)).or_default().0 += 1;
        }
        for entry in disk.entries(true).unwrap() {
            let lane = lanes.entry((entry.header.chain.author, entry.header.chain.lane)).or_default();
            lane.1 += 1;
            lane.2 += entry.bytes().len();
        }
        let line = |((author, lane), (chains, entries, bytes)): (&(NodeId, Lane), &(usize, usize, usize))| {
            format!("{author} {}: {chains} chains, {entries} entries, {bytes} bytes", lane.name())
        };
        lanes.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What holds is still known of everybody, however long ago it was said first.
    fn remembers(&mut self, host: usize, running: &[usize]) {
        let now = self.now();
        let view = self.hosts[host].node.as_mut().unwrap().view(now);
        let linked = |a: usize, b: usize| self.wires.values().any(|wire| *wire == (a, b) || *wire == (b, a));
        for (known, node) in running.iter().filter(|known| **known != NEWCOMER).map(|known| (*known, &view.nodes[*known])) {
            assert!(node.software.is_some(), "{} forgot what {} is", name(host), node.name);
            for other in running.iter().filter(|other| linked(known, **other)) {
                let says = node.links.iter().any(|link| link.up && link.peer == name(*other));
                assert!(says, "{} forgot that {} is linked to {}", name(host), node.name, name(*other));
            }
            for target in view.targets.iter() {
                let judged = |watcher: &WatcherView| watcher.node == node.name && watcher.verdict != Verdict::Unknown;
                let own = target.id == TargetId::of_node(&node.name);
                assert!(own || target.watchers.iter().any(judged), "{} forgot what {} says of {}", name(host), node.name, target.id);
            }
        }
    }

    /// Everybody knows the same, and it follows from what is in force alone.
    fn compare(&mut self, day: u64) {
        // What is not in force any more is read again now and then.
        self.rounds(1300);
        let now = self.now();
        let running: Vec<usize> = (0..self.hosts.len()).filter(|host| self.hosts[*host].node.is_some()).collect();
        let heads = |host: usize| self.hosts[host].node.as_ref().unwrap().heads().copied().collect::<Vec<_>>();
        let records = |host: usize| self.hosts[host].node.as_ref().unwrap().records();
        for host in &running {
            assert_eq!(heads(*host), self.hosts[*host].disk.heads().collect::<Vec<_>>(), "day {day}: {} knows its disk", name(*host));
            assert_eq!(heads(running[0]), heads(*host), "day {day}: heads of {}", name(*host));
            same(&records(running[0]), &records(*host), &format!("day {day}: records of {}", name(*host)));
            let Host { settings, disk, .. } = &self.hosts[*host];
            let fresh = restore(settings, disk, 1, Beginning::Continue, now, &mut Effects::default());
            same(&records(*host), &fresh.records(), &format!("day {day}: {} read again", name(*host)));
            assert_eq!(fresh.heads().copied().collect::<Vec<_>>(), heads(*host));
            let values = self.hosts[*host].node.as_ref().unwrap().values();
            let parts = values.parts.iter().enumerate();
            let items =
                parts.flat_map(|(author, part)| part.items.iter().map(move |(key, item)| ((author, key.to_string()), item.value.clone())));
            assert_eq!(items.collect::<BTreeMap<_, _>>(), self.values, "day {day}: values at {}", name(*host));
        }
        for host in &running {
            self.remembers(*host, &running);
        }
    }
}

fn same(one: &str, other: &str, what: &str) {
    let lines = |a: &str, b: &str| {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).take(5).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert!(one == other, "{what} differ:\n{:#?}\n{:#?}", lines(one, other), lines(other, one));
}

/// What a real store hands out.
fn held(disk: &Disk, me: NodeId) -> Vec<Entry> {
    let entries = disk.entries(true).unwrap();
    let minutes = entries.iter().filter(|entry| entry.header.chain.author == me && entry.header.chain.lane == Lane::Minutes);
    let newest: BTreeSet<EntryHash> = minutes.rev().take(usize::try_from(limits::MINUTES_READ).unwrap()).map(|entry| entry.hash).collect();
    let folded = |entry: &Entry| matches!(entry.header.chain.lane, Lane::State | Lane::Events) || newest.contains(&entry.hash);
    entries.into_iter().filter(folded).collect()
}

fn restore(settings: &Settings, disk: &Disk, seed: u64, beginning: Beginning, now: Now, out: &mut Effects) -> Node {
    let entries = held(disk, settings.key.node()).into_iter();
    Node::restore(settings.clone(), seed, &disk.past(), entries, beginning, now, out)
}

/// What happens in a year.
struct Story {
    days: u64,
    /// How large a journal may be.
    size: u64,
    /// A host that is gone for good after so many days.
    gone: Option<(usize, u64)>,
}

/// Lives through it.
fn live(story: &Story) -> Year {
    let mut year = Year::new(number("SEED").unwrap_or(7), story.size);
    (0..NEWCOMER).for_each(|host| year.start(host, false));
    year.rounds(100);
    let mut away: Option<(usize, u64)> = None;
    for hour in 0..story.days * 24 {
        year.step();
        if story.gone.is_some_and(|(host, day)| hour == day * 24 && away.is_none_or(|(away, _)| away != host)) {
            year.stop(story.gone.unwrap().0);
        }
        if let Some((host, _)) = away.take_if(|(_, until)| *until <= hour) {
            year.start(host, false);
            year.rounds(200);
        }
        if hour % 24 == 23 && away.is_none() {
            let host = below(&mut year.rng, NEWCOMER);
            if year.hosts[host].node.is_some() {
                away = year.trouble(host).then_some((host, hour + 7 * 24));
            }
        }
        if hour % (24 * 30) == 24 * 30 - 1 && away.is_none() {
            year.compare(hour / 24);
        }
    }
    if let Some((host, _)) = away {
        year.start(host, false);
    }
    year.rounds(200);
    year.start(NEWCOMER, true);
    year.rounds(400);
    year.compare(story.days);
    year
}

#[test]
fn a_year_and_more_is_kept_within_bounds() {
    let days = number("DAYS").unwrap_or(430);
    let year = live(&Story { days, size: 1 << 24, gone: None });
    println!(
        "FIGURE: {days} days: {} incidents, {} notices, at most {} bytes and {} chains on a disk\n{}",
        year.incidents,
        year.told.len(),
        year.most,
        year.chains,
        year.outline(0)
    );
    let disk = &year.hosts[0].disk;
    for head in disk.heads().filter(|head| head.chain.lane == Lane::State) {
        assert!(head.sequence - head.base < 400, "{head:?}");
    }
    let entries = disk.entries(true).unwrap();
    let oldest = |lane| entries.iter().filter(move |entry| entry.header.chain.lane == lane).map(|entry| entry.header.wall.0).min().unwrap();
    let age = |lane| (year.now().wall.0 - oldest(lane)) / 86_400_000;
    assert!(age(Lane::Minutes) < 20 && age(Lane::Events) < 410 && age(Lane::Hours) < 410, "{} {}", age(Lane::Minutes), age(Lane::Events));
    assert!(days.cast_signed() - 2 <= age(Lane::Days), "days are kept for ever");
    assert!(year.incidents > usize::try_from(days / 2).unwrap() && year.told.len() > year.incidents);
    assert!(year.chains < 200);
}

#[test]
fn a_journal_that_is_too_small_keeps_what_matters() {
    let year = live(&Story { days: 90, size: 1 << 19, gone: None });
    println!("FIGURE: 90 days in {} bytes: at most {}, {} incidents\n{}", year.size, year.most, year.incidents, year.outline(0));
}

/// Its openings stay in force, and with them what others said of their ends; but not by keeping all that came after.
#[test]
fn who_is_gone_for_good_does_not_keep_others_from_forgetting() {
    let year = live(&Story { days: 470, size: 1 << 24, gone: Some((2, 60)) });
    let gone = year.options.node(2);
    let entries = year.hosts[0].disk.entries(true).unwrap();
    let events = || entries.iter().filter(|entry| entry.header.chain.lane == Lane::Events);
    let opened = |entry: &&Entry| matches!(entry.facts[0], Fact::Opened(_));
    assert!(events().any(|entry| entry.header.chain.author == gone && opened(&entry)), "the story needs it");
    let oldest = events().filter(|entry| entry.header.chain.author != gone).map(|entry| entry.header.wall.0).min().unwrap();
    assert!((year.now().wall.0 - oldest) / 86_400_000 < 440);
}
