//! Faults strike, and end.

use peerwatch::base::command::{Command, CommandId};
use peerwatch::base::id::IntentKey;
use peerwatch::base::limits;
use peerwatch::base::time::Span;
use peerwatch::logic::effect::Effects;
use peerwatch::logic::input::Input;
use peerwatch::logic::node::Node;

use crate::checks::Failure;
use crate::cluster::{Arrival, Cluster, Event, Life, beginning};
use crate::mutation::Mutation;
use crate::network::Parcel;
use crate::options::{Feature, below, name};
use crate::plan::{Fault, How};

/// In this time a host that starts has looked at its references.
const SETTLED: u64 = 20_000;

/// A cut that is shorter cannot be told from a pause between two heartbeats.
const SHORT: u64 = peerwatch::logic::outside::GAP.0 + limits::HEARTBEAT.0;

/// How long a doomed host waits for a turn that writes something.
const WAIT: u64 = 5000;

/// How long a face waits for pings.
const WITHIN: Span = Span::secs(5);

impl Cluster {
    /// A fault strikes.
    pub fn strike(&mut self, fault: Fault) {
        self.story.tell(self.at, "-", || format!("{fault:?}"));
        let lasts = match &fault {
            Fault::Break { pick, notice } => {
                let whole = self.network.whole();
                if !whole.is_empty() {
                    let wire = whole[usize::try_from(pick % whole.len() as u64).unwrap()];
                    self.network.shatter(self.at, wire, *notice);
                }
                None
            }
            Fault::Garble { pick, end } => {
                let whole = self.network.whole();
                if !whole.is_empty() {
                    self.network.flip(whole[usize::try_from(pick % whole.len() as u64).unwrap()], *end);
                }
                None
            }
            Fault::Rot { host, pick } => {
                self.hosts[*host].disk.rot(*pick);
                None
            }
            Fault::Foretell { host } => {
                self.foretell(*host);
                None
            }
            Fault::Revoke { by, host, retire } => {
                self.revoke(*by, *host, *retire);
                None
            }
            Fault::Copy { host, booted } => {
                self.copy(*host, *booted);
                None
            }
            Fault::Split { lasts, .. }
            | Fault::OneWay { lasts, .. }
            | Fault::Lean { lasts, .. }
            | Fault::Holes { lasts, .. }
            | Fault::Cable { lasts, .. } => {
                self.block(&fault, true);
                Some(*lasts)
            }
            Fault::Stop { host, seam, how, away } => {
                self.doom(*host, (*seam, *how, *away, self.at));
                None
            }
            Fault::Pause { host, lasts } => {
                // Two pauses of one host would end with the first.
                if self.hosts[*host].paused || self.hosts[*host].life.is_none() {
                    return;
                }
                self.hosts[*host].paused = true;
                self.block(&fault, true);
                Some(*lasts)
            }
            Fault::Full { host, lasts } => {
                self.hosts[*host].disk.full = true;
                Some(*lasts)
            }
            Fault::Step { host, by } => {
                self.hosts[*host].clock.ahead += by;
                None
            }
            Fault::Mail { host, mood, lasts } => {
                self.world.moods.insert(*host, *mood);
                Some(*lasts)
            }
            Fault::Stray { host, target, lasts } => {
                let target = self.options.targets[*target].id.0.clone();
                *self.world.strays.entry((*host, target)).or_default() += 1;
                Some(*lasts)
            }
            Fault::Unable { host, target, lasts } => {
                let target = self.options.targets[*target].id.0.clone();
                *self.world.unable.entry((*host, target)).or_default() += 1;
                Some(*lasts)
            }
            Fault::BackUp { host } => {
                self.hosts[*host].disk.back_up();
                None
            }
            Fault::Ping { host } => {
                self.ping(*host);
                None
            }
            Fault::Hush { host, hush } => {
                self.hush(*host, hush);
                None
            }
            Fault::Reload { host } => {
                if let Some(life) = self.hosts[*host].life.as_ref().map(|life| life.number) {
                    self.arrive(*host, life, Arrival::Reload);
                }
                None
            }
        };
        self.world.remember(self.at);
        if let Some(lasts) = lasts {
            self.later(self.at + lasts, Event::Relief(fault));
        }
    }

    /// A fault is over.
    pub fn relieve(&mut self, fault: &Fault) {
        self.story.tell(self.at, "-", || format!("over: {fault:?}"));
        self.world.remember(self.at);
        match fault {
            Fault::Split { .. } | Fault::OneWay { .. } | Fault::Lean { .. } | Fault::Holes { .. } | Fault::Cable { .. } => {
                self.block(fault, false);
            }
            Fault::Pause { host, lasts } => {
                self.hosts[*host].paused = false;
                self.woken = Some(self.at);
                self.block(fault, false);
                if let Some(life) = &mut self.hosts[*host].life {
                    life.asked.values_mut().for_each(|until| *until += lasts);
                }
            }
            Fault::Full { host, .. } => self.hosts[*host].disk.full = false,
            Fault::Mail { host, .. } => {
                self.world.moods.remove(host);
            }
            Fault::Stray { host, target, .. } => {
                let target = self.options.targets[*target].id.0.clone();
                *self.world.strays.entry((*host, target)).or_default() -= 1;
            }
            Fault::Unable { host, target, .. } => {
                let target = self.options.targets[*target].id.0.clone();
                *self.world.unable.entry((*host, target)).or_default() -= 1;
            }
            Fault::Break { .. }
            | Fault::Garble { .. }
            | Fault::Rot { .. }
            | Fault::Foretell { .. }
            | Fault::Copy { .. }
            | Fault::Revoke { .. }
            | Fault::Stop { .. }
            | Fault::Step { .. }
            | Fault::BackUp { .. }
            | Fault::Ping { .. }
            | Fault::Hush { .. }
            | Fault::Reload { .. } => {}
        }
    }

    /// Blocks or frees the paths that a fault is about.
    fn block(&mut self, fault: &Fault, begins: bool) {
        let hosts = self.hosts.len();
        let swallowed = |from: usize, to: usize| match fault {
            Fault::Split { side, .. } => side.contains(&from) != side.contains(&to),
            Fault::OneWay { from: a, to: b, .. } => (from, to) == (*a, *b),
            Fault::Lean { side, .. } => side.contains(&from) && !side.contains(&to),
            Fault::Holes { pairs, .. } => pairs.contains(&(from.min(to), from.max(to))),
            Fault::Cable { host, .. } | Fault::Pause { host, .. } => from == *host || to == *host,
            _ => false,
        };
        for (from, to) in (0..hosts).flat_map(|from| (0..hosts).map(move |to| (from, to))).filter(|(from, to)| from != to) {
            if swallowed(from, to) {
                if begins { self.network.block(self.at, from, to, &mut self.rng) } else { self.network.unblock(self.at, from, to) }
            }
        }
        if let Fault::Cable { host, lasts } = fault {
            if begins {
                self.world.cut.insert(*host);
                // Who has only begun may not have seen that its references answer.
                let known = self.hosts[*host].life.as_ref().is_some_and(|life| life.since + SETTLED <= self.at);
                // What is over before it could be noticed is what confirmation is for, and a copy has a cable of its own.
                let known = known && SHORT < *lasts && self.copied.is_none();
                if !known || self.options.nodes < 2 || !self.options.has(Feature::Reference) {
                    self.world.unaware.insert(*host);
                }
            } else {
                self.world.cut.remove(host);
                self.world.unaware.remove(host);
            }
        }
    }

    fn doom(&mut self, host: usize, doom: (crate::plan::Seam, How, u64, u64)) {
        if let Some(life) = self.hosts[host].life.as_ref().map(|life| life.number) {
            self.hosts[host].doom = Some(doom);
            self.later(self.at + WAIT, Event::Doom { host, life });
        }
    }

    fn ping(&mut self, host: usize) {
        let until = self.at + WITHIN.0 * 103 / 100 + 3000;
        let id = self.at;
        if let Some(life) = self.hosts[host].life.as_mut() {
            life.asked.insert(id, until);
            let goal = (host + 1 + usize::try_from(id % 7).unwrap_or(0)) % self.hosts.len();
            let command = match id % 2 {
                0 => Command::Ping { host: "192.0.2.7".into(), count: 3, within: WITHIN },
                _ => Command::Trace { node: self.hosts[goal].settings.key.node(), within: WITHIN },
            };
            self.reach(self.at, host, Input::Command { id: CommandId(id), command });
        }
    }

    /// A host says on all lanes, and to all its peers, what only a later version has words for.
    fn foretell(&mut self, host: usize) {
        let Some(life) = self.hosts[host].life.as_ref().map(|life| life.number) else { return };
        self.arrive(host, life, Arrival::Foretell);
        for wire in self.network.whole() {
            if let Some(end) = (0..2).find(|end| self.network.host(wire, *end) == host) {
                let body = self.rng.bytes16();
                let frame = [&[0, 0, 0, 17, 200][..], &body].concat();
                self.network.send(self.at, wire, end, Parcel::Frame(frame), &mut self.rng);
            }
        }
    }

    /// A host stops; it starts again after a while, or never.
    pub fn stop(&mut self, host: usize, how: How, away: Option<u64>) {
        self.hosts[host].doom = None;
        let Some(life) = self.hosts[host].life.take() else { return };
        self.crash(host, &life, how);
        self.story.tell(self.at, &name(host), || format!("stops: {how:?}"));
        self.network.gone(self.at, host, how != How::Daemon && how != How::Unproved, &mut self.rng);
        let (at, forgetful) = (self.at, self.mutation == Some(Mutation::ForgetfulDisk));
        let before = self.hosts[host].disk.len();
        let disk = &mut self.hosts[host].disk;
        match how {
            How::Daemon if forgetful => disk.forget(3),
            How::Daemon | How::Unproved | How::Power => {}
            How::Backup => disk.restore(at),
            How::Wipe => disk.wipe(),
        }
        let kept = disk.len();
        self.story.tell(at, &name(host), || format!("keeps {kept} of {before} entries"));
        self.lose(host, life.number);
        // A life that could not write its first entry has left no proof of itself, and above a later one that came back it is none.
        let me = self.hosts[host].settings.key.node();
        let last = self.hosts[host].disk.heads().filter(|head| head.chain.author == me).map(|head| head.chain.incarnation).max();
        let proved = self.hosts[host].proved && last == Some(life.node.incarnation());
        self.hosts[host].next = if how == How::Daemon && !proved { How::Unproved } else { how };
        if matches!(how, How::Backup | How::Wipe) || forgetful {
            self.forget_values(host);
        }
        if let Some(away) = away {
            self.later(at + away, Event::Start { host });
        }
    }

    /// What was written and not synced is lost, or is there all the same: all of it or nothing.
    fn crash(&mut self, host: usize, life: &Life, how: How) {
        if life.commit.is_none() {
            return;
        }
        // What a daemon wrote is the system's affair once it is dead; without power most is gone.
        let kept = self.rng.chance(if matches!(how, How::Daemon | How::Unproved) { 50 } else { 20 });
        let kept = if kept { self.persist(host) } else { Ok(()) };
        self.hosts[host].disk.lose();
        if let Err(failure) = kept {
            self.failed.get_or_insert(failure);
        }
    }

    /// A host's disk may not hold any more what its last life sent.
    fn lose(&mut self, host: usize, last: u64) {
        let disk = &self.hosts[host].disk;
        for taken in self.world.taken.iter_mut().filter(|taken| taken.host == host) {
            // What was sent and not noted is lost, and so is what was noted on a disk that is no more.
            taken.lost |= (taken.life == last && taken.noted.is_none()) || taken.keys.iter().any(|key| disk.told(key).is_none());
        }
        self.forget();
    }

    /// What no disk knows any more never was: the next incident of that target gets the same number.
    fn forget(&mut self) {
        let hosts = &self.hosts;
        let known = |incident: &str| hosts.iter().any(|host| !host.dead && host.disk.knows(incident));
        for (incident, _) in self.world.taken.iter_mut().flat_map(|taken| &mut taken.items) {
            if !known(incident) {
                incident.insert_str(0, "forgotten ");
            }
        }
    }

    /// What no disk knew for a moment, while receipts that were cut away with a fork were said again.
    pub fn recollect(&mut self) {
        let hosts = &self.hosts;
        let known = |key: &IntentKey| hosts.iter().any(|host| !host.dead && host.disk.told(key).is_some());
        for taken in &mut self.world.taken {
            for ((incident, _), key) in taken.items.iter_mut().zip(&taken.keys) {
                if let Some(name) = incident.strip_prefix("forgotten ").filter(|_| known(key)) {
                    *incident = name.to_owned();
                }
            }
        }
    }

    /// A host starts.
    pub fn start(&mut self, host: usize) -> Result<(), Failure> {
        if self.hosts[host].dead || self.hosts[host].life.is_some() {
            return Ok(());
        }
        let first = self.hosts[host].lives == 0;
        if !first {
            self.woken = Some(self.at);
        }
        let by_chain = self.options.has(Feature::ByChain);
        if self.hosts[host].disk.entries(by_chain).is_err() {
            // What an empty disk is given instead knows nothing.
            self.story.tell(self.at, &name(host), || "finds its journal damaged".into());
            self.hosts[host].disk.wipe();
            self.hosts[host].next = How::Wipe;
            self.lose(host, self.hosts[host].lives);
            self.forget_values(host);
        }
        let entries = self.hosts[host].disk.entries(by_chain).unwrap_or_default();
        let entries = self.understood(host, entries);
        let how = self.hosts[host].next;
        let beginning = beginning(how, first, &mut self.rng);
        self.hosts[host].proved &= how == How::Daemon;
        let seed = self.rng.next();
        self.story.tell(self.at, &name(host), || format!("starts after {how:?}"));
        if !matches!(how, How::Daemon | How::Unproved) {
            self.hosts[host].clock.reboot(self.at);
        }
        if self.world.cut.contains(&host) && matches!(how, How::Wipe | How::Backup) {
            self.world.unaware.insert(host);
            self.world.remember(self.at);
        }
        let host_number = host;
        let host = &mut self.hosts[host];
        host.lives += 1;
        let now = host.clock.read(self.at);
        let mut out = Effects::default();
        let node = Node::restore(host.settings.clone(), seed, &host.disk.past(), entries.into_iter(), beginning, now, &mut out);
        let values = node.values();
        host.life = Some(Life::new(host.lives, node, self.at));
        self.follow(host_number, &values);
        self.network.stirred = true;
        self.end_turn(host_number, now, out)
    }

    /// All faults end for good, and whoever does not survive is dead for good.
    pub fn heal(&mut self) -> Result<(), Failure> {
        self.story.tell(self.at, "-", || format!("heals for good: {:?}", self.plan.survivors));
        self.stormy = false;
        for host in 0..self.hosts.len() {
            if std::mem::take(&mut self.hosts[host].paused) {
                self.woken = Some(self.at);
            }
            if let Some(life) = &mut self.hosts[host].life {
                life.asked.values_mut().for_each(|until| *until = (*until).max(self.at + 2 * WITHIN.0));
            }
            // Of two with one key one stops by itself, and then the other is the survivor.
            let undecided = self.twins().is_some() && self.plan.survivors.contains(&self.member(host));
            let spared = self.is_ended(host) || (undecided && self.was_copied(self.member(host)));
            if !self.plan.survivors.contains(&host) && !spared {
                self.hosts[host].dead = true;
                let how = [How::Daemon, How::Power][below(&mut self.rng, 2)];
                self.stop(host, how, None);
            }
            self.hosts[host].doom = None;
            self.hosts[host].disk.full = false;
        }
        self.network.heal(self.at);
        self.world.remember(self.at);
        self.world.cut.clear();
        self.world.unaware.clear();
        self.world.strays.clear();
        // What somebody cannot look at may stay so for good.
        if self.rng.chance(50) {
            self.world.unable.clear();
        }
        self.world.moods.clear();
        for host in 0..self.hosts.len() {
            let soon = self.at + self.rng.below(2000);
            self.later(soon, Event::Start { host });
        }
        Ok(())
    }
}
