//! All hosts of one network in one thread, in virtual time.
//!
//! Each host is a node, a disk, two clocks and the ends of its wires. A turn is that of the daemon's
//! loop: inputs, tick, commit, perform; a failed commit undoes it. What the node asks for is done in
//! `perform`, what goes wrong in `trouble`, how it all must end in `finale`.

use std::collections::{BTreeMap, VecDeque};

use peerwatch::base::entry::Entry;
use peerwatch::base::fact::Fact;
use peerwatch::base::id::IncidentId;
use peerwatch::base::limits;
use peerwatch::base::notice::Errand;
use peerwatch::base::rng::Rng;
use peerwatch::base::time::Now;
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};

use crate::checks::{Check, Failure, Watch, demand, is_receipt, seconds};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::mutation::Mutation;
use crate::network::{Hop, Network};
use crate::options::{Feature, Options, below, name};
use crate::plan::{Fault, Health, How, Plan, Seam};
use crate::story::Story;
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
    pub story: Story,
    pub rng: Rng,
    /// Faults may still happen.
    pub stormy: bool,
    /// When a host last went on after it had stood still or been away, with verdicts from before.
    pub woken: Option<u64>,
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
    pub node: Node,
    pub inbox: VecDeque<Arrival>,
    /// When the next turn is due without an arrival.
    wake: u64,
    /// The loop is in a commit until then.
    busy: u64,
    /// Since a commit failed: when to try again, and how long to wait after that.
    pub retry: Option<(u64, u64)>,
    /// Questions of faces, and until when each must be answered.
    pub asked: BTreeMap<u64, u64>,
    turns: u64,
}

/// What reaches the loop.
#[derive(Debug)]
pub enum Arrival {
    Input(Input),
    Reload,
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
        let network = Network::new(options.nodes, edges, options.delay, options.jitter, &mut rng);
        let hosts = (0..options.nodes).map(|host| Host::new(&options, host)).collect();
        let mut cluster = Self {
            mutation,
            at: 0,
            hosts,
            network,
            world: World::default(),
            watch: Watch::new(options.nodes),
            story,
            rng,
            stormy: true,
            woken: None,
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
        }
        for host in 0..self.hosts.len() {
            if self.next_turn(host).is_some_and(|due| due <= self.at) {
                self.turn(host)?;
                self.take_hops();
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
        let life = host.life.as_ref().filter(|_| !host.paused)?;
        let due = if life.inbox.is_empty() { life.wake } else { 0 };
        Some(due.max(life.busy).max(self.at))
    }

    fn happen(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Input { host, life, input } => self.arrive(host, life, Arrival::Input(input)),
            Event::Hop(hop) => self.hop(hop)?,
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
        }
    }

    fn turn(&mut self, host: usize) -> Result<(), Failure> {
        self.watch.turned(self.at, host)?;
        let by_chain = self.options.has(Feature::ByChain);
        let Host { clock, disk, life, settings, .. } = &mut self.hosts[host];
        let now = clock.read(self.at);
        let Some(life) = life else { return Ok(()) };
        let mut out = Effects::default();
        for _ in 0..limits::TURN {
            match life.inbox.pop_front() {
                None => break,
                Some(Arrival::Input(input)) => life.node.handle(now, input, &mut out),
                Some(Arrival::Reload) => {
                    life.node.handle(now, Input::Reload(Box::new(settings.clone())), &mut out);
                    // What this turn has taken and not yet committed is part of what is read again.
                    let entries = disk.entries(by_chain).into_iter().chain(out.append.iter().cloned());
                    life.node.refold(now, entries, life.retry.map(|_| "the disk is full".to_owned()));
                }
            }
        }
        if self.mutation != Some(Mutation::NoTick) {
            life.node.handle(now, Input::Tick, &mut out);
        }
        self.end_turn(host, now, out)
    }

    /// Commits and performs, or undoes the turn; or the host stops at a seam.
    pub fn end_turn(&mut self, host: usize, now: Now, mut out: Effects) -> Result<(), Failure> {
        let doom = self.hosts[host].doom.filter(|_| !out.append.is_empty());
        if let Some((Seam::BeforeCommit, how, away, _)) = doom {
            if self.mutation == Some(Mutation::SendBeforeCommit) {
                self.perform_all(host, self.at, std::mem::take(&mut out.then), &out.append);
            }
            self.stop(host, how, Some(away));
            return Ok(());
        }
        let Some(life) = &self.hosts[host].life else { return Ok(()) };
        if life.retry.is_some() {
            self.try_again(host);
            out.append.clear();
        } else if self.hosts[host].disk.full && !(out.append.is_empty() && out.keep.is_empty()) {
            self.undo(host, now, &mut out);
        } else {
            self.commit(host, &out)?;
        }
        if let Some((Seam::BeforePerform, how, away, _)) = doom {
            self.stop(host, how, Some(away));
            return Ok(());
        }
        let takes = match (out.append.is_empty(), self.options.has(Feature::SlowDisk)) {
            (true, _) => 0,
            (false, false) => self.rng.below(5),
            (false, true) => self.rng.below(1000),
        };
        let mut then = std::mem::take(&mut out.then);
        if doom.is_some() {
            then.truncate(below(&mut self.rng, then.len() + 1));
        }
        self.perform_all(host, self.at + takes, then, &[]);
        if let Some((_, how, away, _)) = doom {
            self.stop(host, how, Some(away));
            return Ok(());
        }
        self.after_turn(host, now, takes)
    }

    fn commit(&mut self, host: usize, out: &Effects) -> Result<(), Failure> {
        let mut entries = out.append.clone();
        match self.mutation {
            Some(Mutation::ShuffledDisk) if 1 < entries.len() => entries.reverse(),
            Some(Mutation::LazyDisk) if 2 < entries.len() => drop(entries.pop()),
            _ => {}
        }
        self.hosts[host].proved |= !out.append.is_empty();
        let Host { disk, settings, .. } = &mut self.hosts[host];
        let me = settings.key.node();
        for entry in &entries {
            let own = entry.header.chain.author == me;
            self.watch.committed(self.at, host, own, entry)?;
            for taken in self.world.taken.iter_mut().filter(|taken| own && taken.host == host) {
                if is_receipt(entry, &taken.ballot) {
                    taken.noted = Some(self.at);
                }
            }
            self.story.tell(self.at, &settings.name, || {
                let facts: Vec<&str> = entry.facts.iter().map(peerwatch::base::fact::Fact::name).collect();
                format!("stores {} {} {} {facts:?}", entry.header.chain, entry.header.sequence, entry.hash)
            });
        }
        let stored = disk.commit(self.at, &entries);
        demand(stored.is_ok(), Check::Chain, self.at, || format!("{}: {}", name(host), stored.unwrap_err()))?;
        self.judge_alarms(host, &entries)
    }

    fn undo(&mut self, host: usize, now: Now, out: &mut Effects) {
        let by_chain = self.options.has(Feature::ByChain);
        let Host { disk, life, settings, .. } = &mut self.hosts[host];
        let Some(life) = life else { return };
        self.story.tell(self.at, &settings.name, || "cannot commit: the disk is full".into());
        for effect in out.then.drain(..) {
            if let Effect::Reply(id, _) = effect {
                life.asked.remove(&id.0);
            }
        }
        out.clear();
        life.node.refold(now, disk.entries(by_chain).into_iter(), Some("the disk is full".into()));
        life.retry = Some((self.at + limits::COMMIT_RETRY_FIRST.0, limits::COMMIT_RETRY_FIRST.0));
    }

    fn try_again(&mut self, host: usize) {
        let Host { disk, life, settings, .. } = &mut self.hosts[host];
        let Some(life) = life else { return };
        let Some((due, pause)) = life.retry.filter(|(due, _)| *due <= self.at) else { return };
        if disk.full {
            let pause = (pause * 2).min(limits::COMMIT_RETRY_MOST.0);
            life.retry = Some((due + pause, pause));
        } else {
            life.retry = None;
            life.node.retry();
            self.story.tell(self.at, &settings.name, || "can commit again".into());
        }
    }

    fn after_turn(&mut self, host: usize, now: Now, takes: u64) -> Result<(), Failure> {
        let at = self.at;
        let Host { clock, disk, life, .. } = &mut self.hosts[host];
        let Some(life) = life else { return Ok(()) };
        life.turns += 1;
        life.busy = at + takes;
        let deadline = life.node.deadline();
        // The beginning of a life is committed without a tick; the first turn follows at once.
        demand(life.turns == 1 || deadline.is_none_or(|deadline| now.mono < deadline), Check::Busy, at, || {
            format!("{} has a deadline in the past: {deadline:?} at {:?}", name(host), now.mono)
        })?;
        let due = deadline.map(|deadline| clock.when(deadline)).into_iter().chain(life.retry.map(|(due, _)| due)).min();
        life.wake = due.unwrap_or(u64::MAX).max(at + 1);
        let known = life.node.heads().map(|head| (&head.chain, head.sequence, head.hash));
        let stored = disk.heads().map(|(chain, entry)| (chain, entry.header.sequence, entry.hash));
        demand(known.eq(stored), Check::Shown, at, || format!("{} knows what is not committed, or not all that is", name(host)))?;
        if life.turns.is_multiple_of(64) {
            let view = life.node.view(now);
            let unknown = view.incidents.iter().find(|incident| !disk.knows(&incident.id.to_string()));
            demand(unknown.is_none(), Check::Shown, at, || format!("{} shows {unknown:?}", name(host)))?;
            demand(view.journal.entries == disk.len() as u64, Check::Shown, at, || {
                format!("{} shows {} entries of {}", name(host), view.journal.entries, disk.len())
            })?;
        }
        let late = life.asked.values().find(|until| **until < at);
        demand(late.is_none(), Check::Unanswered, at, || format!("{} owes an answer since {}", name(host), seconds(*late.unwrap())))
    }

    /// No incident opens of what was well for everybody.
    fn judge_alarms(&self, host: usize, entries: &[Entry]) -> Result<(), Failure> {
        let me = self.hosts[host].settings.key.node();
        let own = entries.iter().filter(|entry| entry.header.chain.author == me);
        for fact in own.flat_map(|entry| entry.facts.iter()) {
            if let Fact::Closed(closed) = fact {
                self.judge_end(host, &closed.incident)?;
            }
            let Fact::Opened(opened) = fact else { continue };
            let target = &opened.incident.target.0;
            let Some(health) = self.world.targets.get(target) else { continue };
            let lately = self.world.bad.get(target).is_some_and(|bad| self.at < bad + 300_000);
            demand(*health != Health::Well || lately, Check::FalseAlarm, self.at, || {
                format!("{} opens {}, and {target} was well", name(host), opened.incident)
            })?;
        }
        Ok(())
    }
}

impl Cluster {
    /// No incident closes while its target is not well for anybody, and was so for long enough that
    /// everybody knows. A host that was away or stood still may not know.
    fn judge_end(&self, host: usize, incident: &IncidentId) -> Result<(), Failure> {
        let target = &incident.target.0;
        let ill = self.world.health(target) != Health::Well && self.world.since(target) + 60_000 <= self.at;
        let surprised = self.woken.is_some_and(|woken| self.at < woken + 60_000);
        let able = self.world.unable.iter().all(|((_, unable), count)| unable != target || *count == 0);
        demand(!ill || surprised || !able, Check::FalseAlarm, self.at, || {
            format!("{} closes {incident}, and {target} is not well for a minute", name(host))
        })
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
        Self { number, node, inbox: VecDeque::new(), wake: at, busy: at, retry: None, asked: BTreeMap::new(), turns: 0 }
    }
}

/// How a life begins after a stop of this kind.
pub fn beginning(how: How, first: bool, rng: &mut Rng) -> Beginning {
    match how {
        How::Daemon => Beginning::Continue,
        How::Unproved | How::Power | How::Backup | How::Wipe => Beginning::Anew { nonce: rng.bytes16(), reason: format!("{how:?}"), first },
    }
}
