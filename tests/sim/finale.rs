//! How every run must end: after the storm whoever lives agrees, and everything is told.
//!
//! When the storm is over, some heal for good and the rest are dead for good, which is what shows
//! whether anybody takes over (if all came back, the first teller always would). Then: equal heads and
//! records; everything bad is told, the deaths too; once the targets are mended everything is closed
//! and its end told; and after that nothing more is said.

use std::collections::BTreeSet;

use peerwatch::base::id::{Incarnation, IntentKey, LinkId, NodeId};
use peerwatch::base::settings::Phase;
use peerwatch::base::target::{Expected, Target};
use peerwatch::base::view::{IncidentView, Presence};
use peerwatch::base::wire::{Heartbeat, Message, Signed};
use peerwatch::logic::input::Input;
use peerwatch::logic::rank::Ranks;

use crate::checks::{Check, Failure, demand};
use crate::cluster::Cluster;
use crate::mutation::Mutation;
use crate::options::{Feature, name};
use crate::plan::Health;
use crate::world::Taken;

/// What a run amounts to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Virtual time in milliseconds.
    pub virtual_ms: u64,
    pub letters: u64,
    /// Letters beyond the first for a notice.
    pub seconds: u64,
    /// How long it took until all heads were equal, and until everything was told.
    pub heads_ms: u64,
    pub told_ms: u64,
}

/// Heads are equal after this time: two rounds of the longest redial, and the digests that follow.
const HEADS: u64 = 240_000;

/// Everything is told after this time: a death (three minutes), a lease (two), the silence of who
/// must not vote (as long), and retries after failures, whose pauses double (ten minutes at most).
const TOLD: u64 = 1_500_000;

/// Seconds for which nothing must be missing.
const STEADY: u64 = 3;

/// Nothing more is said in this time.
const QUIET: u64 = 100_000;

impl Cluster {
    /// The whole run.
    pub fn run(&mut self) -> Result<Figures, Failure> {
        self.run_until(self.plan.calm)?;
        let ghosts = self.ghosts();
        self.heal()?;
        self.wait(HEADS, Check::Twin, &ghosts, |cluster| cluster.twins())?;
        let heads_ms = self.agree(&ghosts)?;
        self.wait(HEADS, Check::Sight, &ghosts, Self::blind)?;
        if self.options.has(Feature::Majority) && !self.options.calm {
            // Nothing need be told any more, and nothing may be told twice.
            self.run_until(self.at + TOLD / 3)?;
            return Ok(Figures { virtual_ms: self.at, letters: self.world.taken.len() as u64, heads_ms, ..Figures::default() });
        }
        self.wait(HEADS, Check::Ended, &ghosts, Self::returned)?;
        let told_ms = self.wait(TOLD, Check::Silence, &ghosts, Self::owes)?;
        self.mend();
        self.wait(TOLD, Check::Silence, &ghosts, Self::owes)?;
        self.agree(&ghosts)?;
        self.as_many_as_outages()?;
        let letters = self.world.taken.len();
        self.run_until(self.at + QUIET)?;
        // Whoever was revoked and lost the word of it watches alone. Of the dead people are reminded for ever.
        let news = |items: &[(String, String)]| items.iter().any(|(_, phase)| !phase.contains('+'));
        let late = self.world.taken[letters..].iter().find(|taken| !self.is_ended(taken.host) && news(&taken.items));
        demand(late.is_none(), Check::Twice, self.at, || format!("after everything was told: {late:?}"))?;
        self.agree(&ghosts)?;
        let told: BTreeSet<&(String, String)> = self.world.taken.iter().flat_map(|taken| &taken.items).collect();
        let items: usize = self.world.taken.iter().map(|taken| taken.items.len()).sum();
        let seconds = (items - told.len()) as u64;
        Ok(Figures { virtual_ms: self.at, letters: letters as u64, seconds, heads_ms, told_ms })
    }

    /// Waits, second by second, until nothing is missing. How long that took.
    fn wait(&mut self, most: u64, check: Check, ghosts: &[usize], missing: impl Fn(&mut Self) -> Option<String>) -> Result<u64, Failure> {
        let begin = self.at;
        let mut found = 0;
        loop {
            match missing(self) {
                Some(text) => {
                    found = 0;
                    demand(self.at < begin + most, check, self.at, || text)?;
                }
                // What happens next may be known nowhere yet.
                None if found == STEADY => return Ok(self.at - begin),
                None => found += 1,
            }
            self.beat(ghosts);
            self.run_until(self.at + 1000)?;
        }
    }

    /// Waits until all heads are equal; then the records must be.
    fn agree(&mut self, ghosts: &[usize]) -> Result<u64, Failure> {
        let begin = self.at;
        while let Some(text) = self.differs() {
            demand(self.at < begin + HEADS, Check::Heads, self.at, || text)?;
            self.beat(ghosts);
            self.run_until(self.at + 1000)?;
        }
        self.same_values()?;
        self.same_records()?;
        Ok(self.at - begin)
    }

    fn living(&self) -> Vec<usize> {
        self.plan.survivors.iter().copied().collect()
    }

    /// Two of the living whose heads differ.
    fn differs(&mut self) -> Option<String> {
        let living = self.living();
        let lives = |host: &usize| self.hosts[*host].life.as_ref();
        if let Some(host) = living.iter().find(|host| lives(host).is_none()) {
            return Some(format!("{} does not run", name(*host)));
        }
        let proofs = |host: usize| lives(&host).and_then(|life| life.node.proved());
        if let Some(other) = living.iter().find(|host| proofs(living[0]) != proofs(**host)) {
            return Some(format!("{} and {} have different proofs", name(living[0]), name(*other)));
        }
        let heads = |host: usize| lives(&host).into_iter().flat_map(|life| life.node.heads()).map(|head| (head.chain, head.hash));
        let other = living.iter().find(|host| !heads(living[0]).eq(heads(**host)))?;
        let known: BTreeSet<_> = heads(living[0]).collect();
        let theirs: BTreeSet<_> = heads(*other).collect();
        let text: Vec<String> = known.symmetric_difference(&theirs).map(|(chain, hash)| format!("{chain} {hash}")).collect();
        Some(format!("{} and {} differ: {text:?}", name(living[0]), name(*other)))
    }

    /// Somebody who lives and does not see another who lives.
    fn blind(&mut self) -> Option<String> {
        let living = self.living();
        for host in living.clone() {
            let now = self.hosts[host].clock.read(self.at);
            let view = self.hosts[host].life.as_mut()?.node.view(now);
            let seen = |other: usize| view.nodes.iter().any(|node| node.name == self.called(other) && node.presence == Presence::Alive);
            if let Some(other) = living.iter().find(|other| **other != host && !seen(**other)) {
                return Some(format!("{} does not see {}", name(host), name(*other)));
            }
        }
        None
    }

    /// Somebody who lives and counts a dead one: the last words of the dead open and close until they are given up.
    fn haunted(&mut self) -> Option<String> {
        for host in self.living() {
            let now = self.hosts[host].clock.read(self.at);
            let view = self.hosts[host].life.as_mut()?.node.view(now);
            let dead =
                |node: &str| (0..self.options.nodes).any(|other| name(other) == node && self.is_gone(other) && !self.is_ended(other));
            let counted = view.nodes.iter().find(|node| dead(&node.name) && node.presence != Presence::Dead);
            if let Some(node) = counted {
                return Some(format!("{} has not given up {}, which is dead", name(host), node.name));
            }
        }
        None
    }

    fn same_records(&mut self) -> Result<(), Failure> {
        // Whoever is deaf to a kind of word reads otherwise, and another check is to find that.
        if matches!(self.mutation, Some(Mutation::DeafToSilence | Mutation::DeafToAcknowledgement)) {
            return Ok(());
        }
        let records = |host: usize| self.hosts[host].life.as_ref().map(|life| life.node.records()).unwrap_or_default();
        let living = self.living();
        for host in living.clone() {
            // An earlier version does not know all that a later one does.
            let like = living.iter().copied().find(|other| self.is_earlier(*other) == self.is_earlier(host));
            let (first, other) = (records(like.unwrap_or(host)), records(host));
            demand(first == other, Check::Records, self.at, || {
                let line = first.lines().zip(other.lines()).find(|(a, b)| a != b);
                format!("with the same heads {} reads otherwise: {line:?}", name(host))
            })?;
        }
        Ok(())
    }

    fn incidents(&mut self) -> Vec<std::sync::Arc<IncidentView>> {
        let host = &mut self.hosts[*self.plan.survivors.first().expect("somebody lives")];
        let now = host.clock.read(self.at);
        let shown = host.life.as_mut().map(|life| life.node.view(now).incidents.to_vec()).unwrap_or_default();
        // That a channel fails everywhere is shown, and nobody can be told of it.
        shown.into_iter().filter(|incident| !incident.id.target.0.starts_with("channel:")).collect()
    }

    /// Whether a silence holds for somebody who lives.
    fn is_silent(&mut self) -> bool {
        self.living().into_iter().any(|host| {
            let now = self.hosts[host].clock.read(self.at);
            self.hosts[host].life.as_mut().is_some_and(|life| !life.node.view(now).silences.is_empty())
        })
    }

    /// Something that is not as it must be in the end.
    fn owes(&mut self) -> Option<String> {
        let faulty = |host: &usize| self.hosts[*host].life.as_ref().is_none_or(|life| life.retry.is_some());
        if let Some(host) = self.living().into_iter().find(faulty) {
            return Some(format!("{} cannot write yet", name(host)));
        }
        self.recollect();
        if self.options.has(Feature::Quiet) && self.is_silent() {
            return Some("a silence has not ended".into());
        }
        let incidents = self.incidents();
        let on = self.options.channels().remove(0).on;
        let member = |target: &str| (0..self.options.nodes).find(|host| target.strip_prefix("node:") == Some(&name(*host)));
        // Who is no member any more is nobody's concern.
        let ended = |target: &str| member(target).is_some_and(|member| self.is_ended(member));
        // Who is the only member left is no target any more, so nothing is told of it.
        let alone = (0..self.options.nodes).filter(|host| !self.is_ended(*host)).count() == 1;
        let told = |target: &str| !(ended(target) || alone && member(target).is_some());
        for incident in incidents.iter().filter(|incident| told(&incident.id.target.0)) {
            let id = incident.id.to_string();
            if let Some(notice) = incident.notices.iter().find(|notice| !["told", "quiet"].contains(&notice.state)) {
                return Some(format!("that {id} is {} is {}: {}", notice.phase, notice.state, notice.detail));
            }
            let bad = Phase::of(incident.standing);
            // What was silent when it ended is not told afterwards.
            let quiet = !incident.open && incident.notices.iter().any(|notice| notice.state == "quiet");
            if on.contains(&bad) && !quiet && self.world.told(&id, bad.word()) == 0 {
                return Some(format!("that {id} is {} was never told", bad.word()));
            }
            // What only its sender knew, and lost, nobody can take back.
            // Of what a server took and denied nobody knows that it was told.
            let kept = |key: &IntentKey| self.hosts.iter().any(|host| !host.dead && host.disk.told(key).is_some());
            let receipt = |taken: &Taken| taken.items.iter().zip(&taken.keys).any(|((told, _), key)| *told == id && kept(key));
            let known = |taken: &&Taken| !taken.lost && receipt(taken) && (taken.tells(&id, "down") || taken.tells(&id, "degraded"));
            let begun = self.world.taken.iter().any(|taken| known(&taken));
            if !incident.open && begun && self.world.told(&id, "up") == 0 {
                return Some(format!("the end of {id} was never told"));
            }
            // What the other side of a split opened stays open beside the next one, for as long as the target is bad.
            let newest = !incidents.iter().any(|other| other.id.target == incident.id.target && incident.id.number < other.id.number);
            let flaps = incident.open && newest && incident.reason.starts_with("flapping,");
            if flaps && self.can_be_judged(&incident.id.target.0) {
                return Some(format!("{id} flaps, and how that ended is not told yet"));
            }
            // What nobody who lives watches, nobody can close.
            if incident.open && !self.is_bad(&incident.id.target.0) && self.can_be_judged(&incident.id.target.0) {
                return Some(format!("{id} is open, and its target is well"));
            }
        }
        let open = |target: &str| incidents.iter().any(|incident| incident.open && incident.id.target.0 == target);
        let targets = self.options.targets.iter().filter(|target| self.is_watched(target)).map(|target| target.id.0.clone());
        let nodes = (0..self.options.nodes).filter(|host| self.is_missed(*host)).map(|host| format!("node:{}", name(host)));
        let silent = targets.chain(nodes).find(|target| self.is_bad(target) && !open(target));
        let text = silent.map(|target| format!("{target} is bad, and no incident is open"));
        text.or_else(|| self.haunted())
    }

    /// Whether somebody who lives can say how a target or node is.
    fn can_be_judged(&self, target: &str) -> bool {
        match target.strip_prefix("node:") {
            Some(node) => (0..self.options.nodes).any(|host| name(host) == node && self.is_missed(host)),
            None => self.options.targets.iter().any(|known| known.id.0 == target && self.is_watched(known)),
        }
    }

    /// The truth of a target or node.
    fn is_bad(&self, target: &str) -> bool {
        match target.strip_prefix("node:") {
            Some(node) => (0..self.options.nodes).any(|host| name(host) == node && self.is_gone(host)),
            None => self.world.health(target) != Health::Well,
        }
    }

    /// Whether somebody who lives watches a target.
    fn is_watched(&self, target: &Target) -> bool {
        let node = |host: usize| self.hosts[host].settings.key.node();
        let voters = (0..self.options.nodes).filter(|host| !self.options.observers.contains(host) && !self.is_ended(*host));
        let expected = |host| if self.options.sometimes.contains(&host) { Expected::Sometimes } else { Expected::Always };
        let members: Vec<(NodeId, Expected)> = voters.map(|host| (node(host), expected(host))).collect();
        // A member may live on as its copy.
        let lives = |member: usize| self.living().into_iter().find(|host| self.member(*host) == member).unwrap_or(member);
        let unable = |host: &usize| self.world.unable.get(&(lives(*host), target.id.0.clone())).is_some_and(|count| 0 < *count);
        let gone = (0..self.options.nodes).filter(|host| self.is_gone(*host) || unable(host)).map(node);
        let gone: BTreeSet<NodeId> = gone.collect();
        Ranks::new(&members, [target].into_iter())
            .watchers(target, |node| gone.contains(node))
            .iter()
            .any(|watcher| !gone.contains(watcher))
    }

    /// Whether somebody who lives would miss a host.
    fn is_missed(&self, host: usize) -> bool {
        let steady = |host: &usize| !self.options.observers.contains(host) && !self.options.sometimes.contains(host);
        !self.options.sometimes.contains(&host)
            && !self.is_ended(host)
            && self.plan.survivors.iter().any(|other| self.member(*other) != host && steady(&self.member(*other)))
    }

    /// People mend what they were told of.
    fn mend(&mut self) {
        self.story.tell(self.at, "-", || "all targets are mended".into());
        self.world.remember(self.at);
        self.world.targets.values_mut().for_each(|health| *health = Health::Well);
    }

    /// Without faults there are exactly as many incidents as outages; with faults, no more than there are
    /// reasons: who sees things differently must not open and close by turns.
    fn as_many_as_outages(&mut self) -> Result<(), Failure> {
        if !self.options.calm {
            let reasons = 3 + 2 * (self.plan.outages.len() + self.plan.faults.len());
            let numbers = self.incidents();
            let most = numbers.iter().max_by_key(|incident| incident.id.number);
            return demand(most.is_none_or(|most| most.id.number as usize <= reasons), Check::FalseAlarm, self.at, || {
                format!("{} for {reasons} reasons", most.expect("there is one").id)
            });
        }
        let follows = |at: u64, target: usize| self.plan.outages.iter().any(|before| before.target == target && before.until == Some(at));
        let outages = self.plan.outages.iter().filter(|outage| !follows(outage.from, outage.target)).count();
        let watched: Vec<bool> = self.options.targets.iter().map(|target| self.is_watched(target)).collect();
        let incidents = self.incidents();
        if watched.iter().all(|watched| *watched) {
            demand(incidents.len() <= outages, Check::FalseAlarm, self.at, || {
                format!("{} incidents of {outages} outages", incidents.len())
            })?;
            demand(incidents.len() == outages, Check::Silence, self.at, || format!("{} incidents of {outages} outages", incidents.len()))?;
        }
        Ok(())
    }

    /// The dead that go on beating.
    fn ghosts(&self) -> Vec<usize> {
        let haunted = self.mutation == Some(Mutation::Ghosts);
        (0..self.options.nodes).filter(|host| haunted && !self.plan.survivors.contains(host)).collect()
    }

    fn beat(&mut self, ghosts: &[usize]) {
        for ghost in ghosts {
            let settings = &self.hosts[*ghost].settings;
            let incarnation = Incarnation { opened: u64::MAX, nonce: [0; 16] };
            let value = Heartbeat {
                author: settings.key.node(),
                incarnation,
                counter: self.at,
                voting: true,
                isolated: false,
                said: 0,
                wall: 0,
                other: None,
            };
            let message = Message::Heartbeat(Signed::seal(&settings.key, settings.network.network, value));
            for host in self.living() {
                self.reach(self.at, host, Input::Received { link: LinkId(u64::MAX), message: message.clone() });
            }
        }
    }
}
