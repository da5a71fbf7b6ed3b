//! A machine that is copied while it runs: two hosts with one key, one journal and, at first, one life.
//!
//! The copy is a host after those of the roster. Nobody dials it, it dials the others; nothing else befalls it.
//! Of the two exactly one must stop by itself, and the other goes on as the member that both were.

use crate::checks::{Check, demand};
use crate::cluster::{Cluster, Event};
use crate::options::name;
use crate::plan::How;

impl Cluster {
    /// The member of the roster that a host is, or is a copy of.
    pub fn member(&self, host: usize) -> usize {
        if host < self.options.nodes { host } else { self.copied.unwrap_or(0) }
    }

    /// The name under which the others know a host.
    pub fn called(&self, host: usize) -> String {
        name(self.member(host))
    }

    /// Whether a host does not know all kinds of facts.
    pub fn is_earlier(&self, host: usize) -> bool {
        self.options.earlier.contains(&self.member(host))
    }

    /// Whether a member's key has been on two hosts.
    pub fn was_copied(&self, member: usize) -> bool {
        self.copied == Some(member)
    }

    /// Whether no host of a member lives on.
    pub fn is_gone(&self, member: usize) -> bool {
        self.is_ended(member)
            || self.keeps_away(member)
            || (0..self.hosts.len()).all(|host| self.member(host) != member || self.hosts[host].dead)
    }

    /// The other host with the same key, if it lives on.
    fn twin(&self, host: usize) -> Option<usize> {
        let member = self.member(host);
        (0..self.hosts.len()).find(|other| *other != host && self.member(*other) == member && !self.hosts[*other].dead)
    }

    /// Copies a host that runs. A copy that was `booted` knows that it may have lost something.
    pub fn copy(&mut self, host: usize, booted: bool) {
        let copy = self.options.nodes;
        if self.copied.is_some() || self.hosts[host].life.is_none() || self.hosts[host].dead {
            return;
        }
        // Only others can tell the two of each other, and if the copy is what is left, all must take its calls.
        let edge = |other: &&usize| self.options.edges.contains(&(host.min(**other), host.max(**other)));
        let mut meets = self.plan.survivors.iter().filter(edge).peekable();
        let none = meets.peek().is_none();
        if self.plan.survivors.contains(&host) && (none || meets.any(|other| self.options.hidden.contains(other))) {
            return;
        }
        self.copied = Some(host);
        self.watch.copied = Some(self.hosts[host].settings.key.node());
        let original = &self.hosts[host];
        let (settings, mut disk, clock) = (original.settings.clone(), original.disk.clone(), original.clock.clone());
        let (lives, proved) = (original.lives, original.proved);
        disk.lose();
        disk.full = false;
        let made = &mut self.hosts[copy];
        (made.settings, made.disk, made.clock) = (settings, disk, clock);
        (made.lives, made.proved, made.dead) = (lives, proved, false);
        made.next = match (booted, proved) {
            (true, _) => How::Power,
            (false, true) => How::Daemon,
            (false, false) => How::Unproved,
        };
        self.network.copy(host, copy);
        let lasts = 100 + self.rng.below(30_000);
        self.hosts[copy].clock.stand(self.at, lasts);
        self.later(self.at + lasts, Event::Start { host: copy });
    }

    /// A daemon says that it must not go on.
    pub fn stopped(&mut self, host: usize) {
        let twin = self.twin(host);
        let alone = demand(twin.is_some(), Check::Twin, self.at, || format!("{} stops, and nobody else lives with its key", name(host)));
        if let Err(failure) = alone {
            self.failed.get_or_insert(failure);
        }
        self.hosts[host].dead = true;
        self.stop(host, How::Unproved, None);
        if let Some(twin) = twin.filter(|_| self.plan.survivors.remove(&host)) {
            self.plan.survivors.insert(twin);
        }
    }

    /// Two hosts that live with one key. Whoever is let in nowhere cannot hear of the other.
    pub fn twins(&self) -> Option<String> {
        let host = self.copied.filter(|host| !self.hosts[*host].dead && !self.is_ended(*host))?;
        self.twin(host).map(|twin| format!("{} and {} live with one key", name(host), name(twin)))
    }
}
