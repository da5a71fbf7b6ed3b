//! All hosts of one network in one thread, in virtual time.
//!
//! Each host is a node, a disk, two clocks and the ends of its wires. A turn is that of the daemon's
//! loop: inputs and tick here, the rest in `commit`. What the node asks for is done in `perform`, what
//! goes wrong in `trouble`, how it all must end in `finale`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peerwatch::base::fact::Fact;
use peerwatch::base::id::{Lane, LinkId};
use peerwatch::base::limits;
use peerwatch::base::notice::Errand;
use peerwatch::base::rng::Rng;
use peerwatch::base::time::Now;
use peerwatch::logic::effect::Effects;
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};

use crate::checks::{Check, Failure, Watch, demand};
use crate::clock::Clock;
use crate::commit::Commit;
use crate::disk::Disk;
use crate::mutation::Mutation;
use crate::network::{Hop, Network};
use crate::options::{Feature, Options, name};
use crate::plan::{Fault, Health, How, Plan, Seam};
use crate::reader::Reader;
use crate::story::Story;
use crate::values::Followers;
use crate::world::World;

/// A whole network.
pub struct Cluster {
    pub options: Options,
    pub plan: Plan,
    pub mutation: Option<Mutation>,
    /// True time in milliseconds.
    pub at: u64,
    pub hosts: Vec<Host>,
    pub network: Network,
    pub world: World,
    pub watch: Watch,
    pub values: Followers,
    pub story: Story,
    pub rng: Rng,
    /// Faults may still happen.
    pub stormy: bool,
    /// When a host last went on after it had stood still or been away, with verdicts from before.
    pub woken: Option<u64>,
    /// The member that was copied, if one was.
    pub copied: Option<usize>,
    /// What was found not to hold in the midst of something.
    pub failed: Option<Failure>,
    /// Frames that were read before: signatures are checked once for the same bytes.
    pub read: Reader,
    queue: BTreeMap<(u64, u64), Event>,
    serial: u64,
}

/// One simulated host.
pub struct Host {
    pub settings: Settings,
    pub clock: Clock,
    pub disk: Disk,
    /// None while the daemon does not run.
    pub life: Option<Life>,
    /// How many lives there were.
    pub lives: u64,
    /// How the next life begins.
    pub next: How,
    /// This life has written something, so that the next can prove that it continues.
    pub proved: bool,
    pub paused: bool,
    /// It will not come back.
    pub dead: bool,
    /// It stops in its next turn that writes something, or at this time.
    pub doom: Option<(Seam, How, u64, u64)>,
}

/// One run of the daemon.
pub struct Life {
    pub number: u64,
    /// When it began.
    pub since: u64,
    pub node: Node,
    pub inbox: VecDeque<Arrival>,
    /// When the next turn is due without an arrival.
    pub wake: u64,
    /// The loop takes no turn before.
    pub busy: u64,
    /// What is written and not yet synced.
    pub commit: Option<Commit>,
    /// Since a commit failed: when to try again, and how long to wait after that.
    pub retry: Option<(u64, u64)>,
    /// The disk was just found to have room again.
    pub resumed: bool,
    /// Questions of faces, and until when each must be answered.
    pub asked: BTreeMap<u64, u64>,
    /// Links for which a batch is under way.
    pub streams: BTreeSet<LinkId>,
    pub turns: u64,
}

/// What reaches the loop.
#[derive(Debug)]
pub enum Arrival {
    Input(Input),
    Reload,
    /// The host says something that only a later version has words for.
    Foretell,
}

/// What happens at a time.
#[derive(Debug)]
pub enum Event {
    /// Something reaches a host, if it still lives the same life.
    Input {
        host: usize,
        life: u64,
        input: Input,
    },
    Hop(Hop),
    /// What a life wrote is synced.
    Synced {
        host: usize,
        life: u64,
    },
    /// A mail server has an errand.
    Mail {
        host: usize,
        life: u64,
        errand: Box<Errand>,
        began: u64,
        knew: Option<String>,
    },
    /// A target changes.
    Health {
        target: usize,
        health: Health,
    },
    Fault(Fault),
    /// A face writes in the key/value store.
    Wish {
        host: usize,
        pick: u64,
    },
    /// A fault is over.
    Relief(Fault),
    /// A host starts.
    Start {
        host: usize,
    },
    /// A doomed host has waited long enough for a turn that writes something.
    Doom {
        host: usize,
        life: u64,
    },
}

impl Cluster {
    pub fn new(options: Options, plan: Plan, mutation: Option<Mutation>, noise: u64, story: Story) -> Self {
        let mut rng = options.rng(2 ^ noise);
        let edges = options.edges.iter().copied();
        let network = Network::new(options.nodes + 1, edges, options.delay, options.jitter, options.has(Feature::Uneven), &mut rng);
        let mut hosts: Vec<Host> = (0..=options.nodes).map(|host| Host::new(&options, host % options.nodes)).collect();
        // The last is a copy of another, if one is made.
        hosts[options.nodes].dead = true;
        let mut cluster = Self {
            mutation,
            at: 0,
            hosts,
            network,
            world: World::default(),
            watch: Watch::new(options.nodes + 1),
            values: Followers::default(),
            story,
            rng,
            stormy: true,
            woken: None,
            copied: None,
            failed: None,
            read: Reader::new(options.network_id()),
            queue: BTreeMap::new(),
            serial: 0,
            options,
            plan,
        };
        cluster.schedule();
        cluster
    }

    fn schedule(&mut self) {
        for target in &self.options.targets {
            self.world.targets.insert(target.id.0.clone(), Health::Well);
        }
        for (host, at) in self.plan.starts.clone().into_iter().enumerate() {
            self.later(at, Event::Start { host });
        }
        for outage in self.plan.outages.clone() {
            self.later(outage.from, Event::Health { target: outage.target, health: outage.kind });
            if let Some(until) = outage.until {
                self.later(until, Event::Health { target: outage.target, health: Health::Well });
            }
        }
        self.schedule_wishes();
        for (at, fault) in self.plan.faults.clone() {
            self.later(at, Event::Fault(fault));
        }
    }

    /// Lets something happen at a time, in the order in which it was asked for.
    pub fn later(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.queue.insert((at.max(self.at), self.serial), event);
    }

    /// Something reaches a host's present life.
    pub fn reach(&mut self, at: u64, host: usize, input: Input) {
        if let Some(life) = &self.hosts[host].life {
            let life = life.number;
            self.later(at, Event::Input { host, life, input });
        }
    }

    /// Goes on to a time.
    pub fn run_until(&mut self, until: u64) -> Result<(), Failure> {
        while self.step(until)? {}
        self.at = until;
        Ok(())
    }

    /// The next moment at which anything happens; false if that is after `until`.
    fn step(&mut self, until: u64) -> Result<bool, Failure> {
        let event = self.queue.first_key_value().map(|((at, _), _)| *at);
        let turn = (0..self.hosts.len()).filter_map(|host| self.next_turn(host)).min();
        let Some(at) = [event, turn].into_iter().flatten().min().filter(|at| *at <= until) else { return Ok(false) };
        self.at = self.at.max(at);
        while let Some(entry) = self.queue.first_entry() {
            if self.at < entry.key().0 {
                break;
            }
            let event = entry.remove();
            self.happen(event)?;
            self.take_hops();
            self.failed.take().map_or(Ok(()), Err)?;
        }
        for host in 0..self.hosts.len() {
            if self.next_turn(host).is_some_and(|due| due <= self.at) {
                self.turn(host)?;
                self.take_hops();
                self.failed.take().map_or(Ok(()), Err)?;
            }
        }
        if std::mem::take(&mut self.network.stirred) {
            let (network, hosts) = (&self.network, &self.hosts);
            let awake = |host: usize| hosts[host].life.is_some() && !hosts[host].paused;
            self.watch.sees(self.at, &|a, b| awake(a) && awake(b) && network.joined(a, b));
        }
        Ok(true)
    }

    fn take_hops(&mut self) {
        for (at, hop) in std::mem::take(&mut self.network.due) {
            self.later(at, Event::Hop(hop));
        }
    }

    /// When a host's next turn is due.
    fn next_turn(&self, host: usize) -> Option<u64> {
        let host = &self.hosts[host];
        let life = host.life.as_ref().filter(|life| !host.paused && life.commit.is_none())?;
        let due = if life.inbox.is_empty() { life.wake } else { 0 };
        Some(due.max(life.busy).max(self.at))
    }

    fn happen(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Input { host, life, input } => self.arrive(host, life, Arrival::Input(input)),
            Event::Hop(hop) => self.hop(hop)?,
            Event::Synced { host, life } if self.hosts[host].life.as_ref().is_some_and(|now| now.number == life) => self.synced(host)?,
            Event::Synced { .. } => {}
            Event::Mail { host, life, errand, began, knew } => self.mail(host, life, errand, began, knew)?,
            Event::Health { target, health } => {
                let target = self.options.targets[target].id.0.clone();
                self.story.tell(self.at, "-", || format!("{target} is now {health:?}"));
                self.world.remember(self.at);
                self.world.change(self.at, target, health);
                self.world.remember(self.at);
            }
            Event::Fault(fault) if self.stormy => self.strike(fault),
            Event::Relief(fault) if self.stormy => self.relieve(&fault),
            Event::Fault(_) | Event::Relief(_) => {}
            Event::Wish { host, pick } => self.wish(host, pick),
            Event::Start { host } => self.start(host)?,
            Event::Doom { host, life } => {
                let doomed = self.hosts[host].doom.filter(|_| self.hosts[host].life.as_ref().is_some_and(|now| now.number == life));
                if let Some((_, how, away, _)) = doomed {
                    self.stop(host, how, Some(away));
                }
            }
        }
        Ok(())
    }

    /// Puts something into the inbox of a life, if it is still lived.
    pub fn arrive(&mut self, host: usize, life: u64, arrival: Arrival) {
        if let Some(life) = self.hosts[host].life.as_mut().filter(|now| now.number == life) {
            life.inbox.push_back(arrival);
            let waiting = life.inbox.len();
            if let Err(failure) =
                demand(waiting <= limits::INBOX, Check::Bounds, self.at, || format!("{waiting} inputs wait for {}", name(host)))
            {
                self.failed.get_or_insert(failure);
            }
        }
    }

    fn turn(&mut self, host: usize) -> Result<(), Failure> {
        self.watch.turned(self.at, host)?;
        let mut out = Effects::default();
        let now = self.hosts[host].clock.read(self.at);
        for taken in 0..limits::TURN {
            let Some(life) = &mut self.hosts[host].life else { return Ok(()) };
            match life.inbox.front() {
                // What came before must be committed: everything is read again from the disk.
                None | Some(Arrival::Reload) if taken != 0 => break,
                _ => {}
            }
            match life.inbox.pop_front() {
                Some(Arrival::Input(input)) => {
                    if let Input::Drained { link } = &input {
                        life.streams.remove(link);
                    }
                    life.node.handle(now, input, &mut out);
                }
                Some(Arrival::Foretell) => foretell(&mut life.node, now, &mut out),
                Some(Arrival::Reload) => self.reload(host, now, &mut out),
                None => break,
            }
        }
        let Some(life) = &mut self.hosts[host].life else { return Ok(()) };
        if self.mutation != Some(Mutation::NoTick) {
            life.node.handle(now, Input::Tick, &mut out);
        }
        self.end_turn(host, now, out)
    }
}

impl Host {
    fn new(options: &Options, host: usize) -> Self {
        let mut rng = options.rng(1000 + host as u64);
        let rate = if options.has(Feature::Rate) { rng.below(40_001).cast_signed() - 20_000 } else { 0 };
        let years = if options.has(Feature::Offset) { rng.below(7).cast_signed() - 3 } else { 0 };
        let minutes = rng.below(21).cast_signed() - 10;
        let ahead = if options.has(Feature::Offset) { (years * 365 * 1440 + minutes) * 60_000 } else { 0 };
        Self {
            settings: options.settings(host),
            clock: Clock::new(rng.below(1_000_000), rate, ahead),
            disk: Disk::default(),
            life: None,
            lives: 0,
            next: How::Wipe,
            proved: false,
            paused: false,
            dead: false,
            doom: None,
        }
    }
}

impl Life {
    pub fn new(number: u64, node: Node, at: u64) -> Self {
        let (inbox, asked) = (VecDeque::new(), BTreeMap::new());
        Self {
            number,
            since: at,
            node,
            inbox,
            wake: at,
            busy: at,
            commit: None,
            retry: None,
            resumed: false,
            asked,
            streams: BTreeSet::new(),
            turns: 0,
        }
    }
}

/// Says on every lane what only a later version has words for.
fn foretell(node: &mut Node, now: Now, out: &mut Effects) {
    for lane in Lane::ALL {
        let kind = 1000 + u16::from(lane.number());
        node.foretell(now, lane, Fact::Unknown { kind, body: now.mono.0.to_be_bytes().to_vec() }, out);
    }
}

/// How a life begins after a stop of this kind.
pub fn beginning(how: How, first: bool, rng: &mut Rng) -> Beginning {
    match how {
        How::Daemon => Beginning::Continue,
        How::Unproved | How::Power | How::Backup | How::Wipe => Beginning::Anew { nonce: rng.bytes16(), reason: format!("{how:?}"), first },
    }
}
