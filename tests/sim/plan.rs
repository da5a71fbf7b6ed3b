//! What will go wrong, and when: drawn before the run begins.
//!
//! A plan is a list of times with faults and outages. Each feature draws from a generator of its own,
//! so that leaving one out while a failure is narrowed down does not move the rest.

use std::collections::BTreeSet;

use peerwatch::base::rng::Rng;
use peerwatch::base::target::Target;

use crate::options::{Feature, Options, below};
use crate::quiet::Hush;

/// What will happen.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub faults: Vec<(u64, Fault)>,
    pub outages: Vec<Outage>,
    /// When the storm ends: everything heals for good, or is dead for good.
    pub calm: u64,
    /// Who lives on.
    pub survivors: BTreeSet<usize>,
    /// When each host starts.
    pub starts: Vec<u64>,
    /// What strikes whoever sends the first letter, as soon as it has handed it in.
    pub first_errand: Option<fn(usize) -> Fault>,
}

/// A time in which a target is not well.
#[derive(Clone, Debug)]
pub struct Outage {
    pub target: usize,
    pub kind: Health,
    pub from: u64,
    /// None: until people mend it, after they have been told.
    pub until: Option<u64>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Well,
    /// It answers late.
    Slow,
    /// It does not answer.
    Down,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Some link breaks, and is noticed after a while.
    Break { pick: u64, notice: u64 },
    /// These hosts and the others do not reach each other for a while.
    Split { side: BTreeSet<usize>, lasts: u64 },
    /// Nothing gets from one host to another for a while.
    OneWay { from: usize, to: usize, lasts: u64 },
    /// Nothing gets from these hosts to the others for a while.
    Lean { side: BTreeSet<usize>, lasts: u64 },
    /// These pairs of hosts do not reach each other for a while.
    Holes { pairs: BTreeSet<(usize, usize)>, lasts: u64 },
    /// A bit is flipped on the way to one end of a link.
    Garble { pick: u64, end: usize },
    /// A bit is flipped on a host's disk.
    Rot { host: usize, pick: u64 },
    /// A host is copied; the copy boots, or goes on as if nothing had happened.
    Copy { host: usize, booted: bool },
    /// An admin revokes or retires a member.
    Revoke { by: usize, host: usize, retire: bool },
    /// A host says something that only a later version has words for.
    Foretell { host: usize },
    /// A host's cable is out for a while.
    Cable { host: usize, lasts: u64 },
    /// A host stops in its next turn that writes something, and starts again after a while.
    Stop { host: usize, seam: Seam, how: How, away: u64 },
    /// A host stands still for a while.
    Pause { host: usize, lasts: u64 },
    /// A host's disk is full for a while.
    Full { host: usize, lasts: u64 },
    /// A host's wall clock is stepped.
    Step { host: usize, by: i64 },
    /// A host's mail server misbehaves for a while.
    Mail { host: usize, mood: Mood, lasts: u64 },
    /// One watcher does not reach a target for a while.
    Stray { host: usize, target: usize, lasts: u64 },
    /// One watcher cannot look at a target for a while.
    Unable { host: usize, target: usize, lasts: u64 },
    /// A host's disk is backed up.
    BackUp { host: usize },
    /// A face asks all nodes to ping something.
    Ping { host: usize },
    /// Somebody silences or acknowledges something.
    Hush { host: usize, hush: Hush },
    /// A host's settings are loaded again.
    Reload { host: usize },
}

/// Where in a turn a host stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seam {
    /// Nothing of the turn happened.
    BeforeCommit,
    /// It is on disk, and nothing of it left.
    BeforePerform,
    /// Some of it left.
    WhilePerforming,
}

/// What a stop costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The daemon only: its life is continued.
    Daemon,
    /// The daemon only, but it cannot prove that it continues.
    Unproved,
    /// The whole host: it boots again.
    Power,
    /// The disk is that of the last backup.
    Backup,
    /// The disk is empty.
    Wipe,
}

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Kind,
    /// It refuses.
    Refuses,
    /// It takes long, up to what it may take and more.
    Slow,
    /// It takes the letter, and its answer gets lost.
    Torn,
    /// It takes the letter, and the host dies before it writes that down.
    Deadly,
}

impl Plan {
    /// What happens in this run.
    pub fn draw(options: &Options) -> Self {
        let mut rng = options.rng(1);
        let calm = 120_000 + rng.below(180_000);
        let starts = (0..options.nodes).map(|_| rng.below(3000)).collect();
        let mut plan = Self { calm, starts, survivors: survivors(options, &mut rng), ..Self::default() };
        plan.break_targets(options);
        for feature in options.features.clone() {
            let mut rng = options.rng(100 + feature as u64);
            for _ in 0..1 + rng.below(3) {
                let at = 15_000 + rng.below(calm - 15_000);
                plan.break_something(options, feature, at, &mut rng);
            }
        }
        plan
    }

    /// Outages of each target one after the other, and a last one that lasts until it is told.
    fn break_targets(&mut self, options: &Options) {
        for (target, settings) in options.targets.iter().enumerate() {
            let mut rng = options.rng(10 + target as u64);
            let steady = confirming(settings);
            let last = self.calm.saturating_sub(rng.below(45_000));
            let mut at = 40_000 + rng.below(30_000);
            while at + 2 * steady < last && rng.chance(70) {
                let long = steady + rng.below(60_000);
                let until = at + long;
                if last < until + steady {
                    break;
                }
                self.break_target(options, target, at, Some(until), &mut rng);
                at = until + steady + rng.below(60_000);
            }
            if target == 0 || rng.chance(30) {
                self.break_target(options, target, last.max(at), None, &mut rng);
            }
        }
        // The storm lasts until the last outage has begun.
        self.calm = self.outages.iter().map(|outage| outage.from + 1).max().unwrap_or(0).max(self.calm);
    }

    fn break_target(&mut self, options: &Options, target: usize, from: u64, until: Option<u64>, rng: &mut Rng) {
        let worse = rng.chance(30);
        let slow = options.has(Feature::Slow) && rng.chance(60);
        let halfway = from + confirming(&options.targets[target]);
        match (slow, worse) {
            (true, true) if until.is_none_or(|until| halfway + confirming(&options.targets[target]) < until) => {
                self.outages.push(Outage { target, kind: Health::Slow, from, until: Some(halfway) });
                self.outages.push(Outage { target, kind: Health::Down, from: halfway, until });
            }
            (true, _) => self.outages.push(Outage { target, kind: Health::Slow, from, until }),
            (false, _) => self.outages.push(Outage { target, kind: Health::Down, from, until }),
        }
    }

    fn break_something(&mut self, options: &Options, feature: Feature, at: u64, rng: &mut Rng) {
        let host = below(rng, options.nodes);
        let target = below(rng, options.targets.len());
        let lasts = 2000 + [rng.below(6000), rng.below(40_000), rng.below(150_000)][below(rng, 3)];
        let other = below(rng, options.nodes);
        let seam = [Seam::BeforeCommit, Seam::BeforePerform, Seam::WhilePerforming][below(rng, 3)];
        let away = 300 + [rng.below(3000), rng.below(30_000), rng.below(120_000)][below(rng, 3)];
        let side: BTreeSet<usize> = (0..options.nodes).filter(|_| rng.chance(50)).collect();
        let stop = |how| Fault::Stop { host, seam, how, away };
        let mail = |mood| Fault::Mail { host, mood, lasts: lasts * 2 };
        let fault = match feature {
            Feature::Break => {
                // Links break in swarms.
                for _ in 0..rng.below(12) {
                    let at = at + rng.below(60_000);
                    self.faults.push((at, Fault::Break { pick: rng.next(), notice: rng.below(4000) }));
                }
                return;
            }
            Feature::Quiet => {
                // Before something breaks, or while people are reminded of it.
                let Some(outage) = self.outages.get(below(rng, self.outages.len().max(1))) else { return };
                let (target, from) = (outage.target, outage.from);
                let (at, hush) = if rng.chance(50) {
                    (from.saturating_sub(rng.below(40_000)), Hush::Silence { target, seconds: 60 + rng.below(90) })
                } else {
                    (from + 15_000 + rng.below(60_000), Hush::Acknowledge { target })
                };
                self.faults.push((at, Fault::Hush { host, hush }));
                return;
            }
            Feature::Split => Fault::Split { side, lasts },
            Feature::OneWay => Fault::OneWay { from: host, to: other, lasts },
            Feature::Lean => Fault::Lean { side, lasts },
            Feature::Holes => {
                let pairs = (0..options.nodes).flat_map(|b| (0..b).map(move |a| (a, b)));
                Fault::Holes { pairs: pairs.filter(|_| rng.chance(40)).collect(), lasts }
            }
            Feature::Garble => Fault::Garble { pick: rng.next(), end: below(rng, 2) },
            Feature::Rot => Fault::Rot { host, pick: rng.next() },
            Feature::Copy => Fault::Copy { host, booted: rng.chance(50) },
            Feature::Revoke => {
                let admins: Vec<usize> = options.admins.iter().copied().collect();
                let by = admins[below(rng, admins.len())];
                // The others must be able to do without.
                if host == by || self.survivors.contains(&host) {
                    return;
                }
                Fault::Revoke { by, host, retire: rng.chance(30) }
            }
            Feature::Later => Fault::Foretell { host },
            Feature::Leap => {
                let most = if rng.chance(80) { 20 } else { 120 };
                let years = 1 + rng.below(most);
                let by = (years * 365 * 86_400_000).cast_signed();
                Fault::Step { host, by: if rng.chance(50) { by } else { -by } }
            }
            Feature::Cable => Fault::Cable { host, lasts },
            Feature::Crash => stop(if rng.chance(70) { How::Daemon } else { How::Unproved }),
            Feature::Power => stop(How::Power),
            Feature::Backup => {
                self.faults.push((at.saturating_sub(rng.below(60_000)), Fault::BackUp { host }));
                stop(How::Backup)
            }
            Feature::Wipe => stop(How::Wipe),
            Feature::Pause => Fault::Pause { host, lasts },
            Feature::Full => Fault::Full { host, lasts },
            Feature::Step => Fault::Step { host, by: rng.below(7_200_000).cast_signed() - 3_600_000 },
            Feature::MailFails => mail(Mood::Refuses),
            Feature::MailSlow => mail(Mood::Slow),
            Feature::MailTorn => mail(Mood::Torn),
            Feature::MailCrash => mail(Mood::Deadly),
            Feature::Stray => Fault::Stray { host, target, lasts },
            Feature::Unable => Fault::Unable { host, target, lasts },
            Feature::Ping => Fault::Ping { host },
            Feature::Reload => Fault::Reload { host },
            Feature::SlowDisk
            | Feature::Offset
            | Feature::Rate
            | Feature::Uneven
            | Feature::Earlier
            | Feature::Slow
            | Feature::Reference
            | Feature::Observer
            | Feature::Sometimes
            | Feature::Codec
            | Feature::BadAddress
            | Feature::DialOut
            | Feature::ByChain
            | Feature::Majority
            | Feature::Sparse
            | Feature::Flap
            | Feature::Values => return,
        };
        self.faults.push((at, fault));
    }
}

/// How long a change lasts at least, so that every watcher confirms it.
fn confirming(target: &Target) -> u64 {
    let looks = u64::from(target.confirm.bad.max(target.confirm.good)) + 2;
    looks * (target.interval.0 + target.timeout.0) + 12_000
}

/// Everybody in a calm run; else some who reach each other, one of whom can tell.
fn survivors(options: &Options, rng: &mut Rng) -> BTreeSet<usize> {
    let mailers: Vec<usize> = options.mailers.iter().copied().collect();
    let mut lives = BTreeSet::from([mailers[below(rng, mailers.len())]]);
    let wanted = if options.calm || rng.chance(30) { options.nodes } else { 1 + below(rng, options.nodes) };
    while lives.len() < wanted {
        let next: Vec<usize> = (0..options.nodes)
            .filter(|host| !lives.contains(host))
            .filter(|host| lives.iter().any(|other| options.edges.contains(&(*host.min(other), *host.max(other)))))
            .collect();
        lives.insert(next[below(rng, next.len())]);
    }
    lives
}
