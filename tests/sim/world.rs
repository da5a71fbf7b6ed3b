//! What is outside: targets that are well or not, mail servers and the letters that they took.
//!
//! The truth about a target is one for all, but for watchers whose cable is out or that are strays.
//! Letters are read as people read them: by their text.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::id::{EntryHash, IntentKey};
use peerwatch::base::notice::{Item, Letter};
use peerwatch::base::outcome::{Look, Order, Outcome};
use peerwatch::base::rng::Rng;
use peerwatch::base::target::Probe;
use peerwatch::base::time::Micros;

use crate::options::{NEAR, REFERENCE};
use crate::plan::{Health, Mood};

/// Everything outside the hosts.
#[derive(Debug, Default)]
pub struct World {
    pub targets: BTreeMap<String, Health>,
    /// When each target last changed.
    changed: BTreeMap<String, u64>,
    /// Hosts whose cable is out.
    pub cut: BTreeSet<usize>,
    /// Watchers that do not reach a target.
    pub strays: BTreeMap<(usize, String), u32>,
    /// Watchers that cannot look at a target.
    pub unable: BTreeMap<(usize, String), u32>,
    pub moods: BTreeMap<usize, Mood>,
    /// Letters that were taken by a server, in order.
    pub taken: Vec<Taken>,
    /// When each target was last not well for somebody.
    pub bad: BTreeMap<String, u64>,
    /// When each target was last not well for somebody who could not know that it was cut off.
    pub ill: BTreeMap<String, u64>,
    /// Hosts whose cable is out and that know of nothing by which they could see that.
    pub unaware: BTreeSet<usize>,
}

/// A letter that a mail server took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub ballot: EntryHash,
    pub host: usize,
    /// The host's life that sent it.
    pub life: u64,
    pub message: String,
    /// Incidents and phases, as the text says.
    pub items: Vec<(String, String)>,
    pub keys: Vec<IntentKey>,
    /// When the host began to send.
    pub began: u64,
    pub at: u64,
    /// When the receipt came to the sender's disk.
    pub noted: Option<u64>,
    /// The sender lost its memory of it.
    pub lost: bool,
    /// The sender was told that it failed.
    pub denied: bool,
}

impl World {
    /// What a look from a host sees, and how long it takes.
    pub fn look(&self, host: usize, order: &Order, rng: &mut Rng) -> (u64, Outcome) {
        let Probe::Icmp(icmp) = &order.probe else { return (1, Outcome::unable("not simulated")) };
        let target = (host, order.target.0.clone());
        if self.unable.get(&target).is_some_and(|count| 0 < *count) {
            return (1, Outcome::unable("no raw sockets"));
        }
        let cut = self.cut.contains(&host) && order.target.0 != NEAR || self.strays.get(&target).is_some_and(|count| 0 < *count);
        let health = if cut { Health::Down } else { self.health(&order.target.0) };
        let good = |ms: u64| {
            let time = Micros(u32::try_from(ms * 1000).unwrap());
            let near = order.target.0 == NEAR;
            (ms, Outcome { look: Look::Good, sent: icmp.count, received: icmp.count, time: Some(time), near, ..Outcome::default() })
        };
        match health {
            Health::Well => good(1 + rng.below(100)),
            Health::Slow => good(350 + rng.below(100)),
            Health::Down if rng.chance(50) => (1 + rng.below(20), Outcome::bad("connection refused")),
            Health::Down => (order.timeout.0, Outcome::bad("no answer")),
        }
    }

    /// A target changes. From one kind of illness to another is a change too.
    pub fn change(&mut self, at: u64, target: String, health: Health) {
        self.changed.insert(target.clone(), at);
        self.targets.insert(target, health);
    }

    /// Since when a target is as it is.
    pub fn since(&self, target: &str) -> u64 {
        self.changed.get(target).copied().unwrap_or(0)
    }

    pub fn health(&self, target: &str) -> Health {
        if [REFERENCE, NEAR].contains(&target) { Health::Well } else { self.targets.get(target).copied().unwrap_or_default() }
    }

    /// Remembers who is not well, to judge alarms by.
    pub fn remember(&mut self, at: u64) {
        let sick = self.targets.iter().filter(|(_, health)| **health != Health::Well).map(|(target, _)| target.clone());
        let strays = self.strays.iter().filter(|(_, count)| 0 < **count).map(|((_, target), _)| target.clone());
        let all = self.targets.keys().filter(|_| !self.cut.is_empty()).cloned();
        let unaware = self.targets.keys().filter(|_| !self.unaware.is_empty()).cloned();
        let bad: Vec<String> = sick.chain(strays).collect();
        self.ill.extend(bad.iter().cloned().chain(unaware).map(|target| (target, at)).collect::<Vec<_>>());
        self.bad.extend(bad.into_iter().chain(all).map(|target| (target, at)).collect::<Vec<_>>());
    }

    /// How often an incident's phase was told.
    pub fn told(&self, incident: &str, phase: &str) -> usize {
        self.taken.iter().filter(|taken| taken.tells(incident, phase)).count()
    }
}

impl Taken {
    pub fn tells(&self, incident: &str, phase: &str) -> bool {
        self.items.iter().any(|(told, word)| told == incident && word == phase)
    }
}

/// Incidents and phases of a letter, as far as its text names them.
pub fn read(letter: &Letter) -> Vec<(String, String)> {
    let named = |item: &&Item| letter.text.contains(&item.incident.target.0);
    let phase = |item: &Item| match item.reminder {
        0 => item.phase.word().to_owned(),
        round => format!("{}+{round}", item.phase.word()),
    };
    letter.topic.items.iter().filter(named).map(|item| (item.incident.to_string(), phase(item))).collect()
}
