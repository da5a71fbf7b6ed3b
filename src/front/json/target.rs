//! A target, what its watchers say, and the showing node's raw samples, as JSON. Votes are counted elsewhere; here only
//! a typical time and the worst loss are picked for people.

use serde::{Deserialize, Serialize};

use super::{loss, moment, round_trip, seconds, share};
use crate::base::outcome::Look;
use crate::base::time::Micros;
use crate::base::view::{Sample, TargetView, View, WatcherView};

/// Something watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name; `node:NAME` for a node.
    pub name: String,
    /// What it is listed under.
    pub group: Option<String>,
    /// What is looked at, in a few words.
    pub probe: String,
    /// Time between looks.
    pub interval_seconds: f64,
    /// `up`, `degraded`, `down`, `unknown` or `held`.
    pub standing: String,
    /// Since when, by the showing node's wall clock.
    pub since: String,
    /// Votes for the standing.
    pub votes: usize,
    /// Votes counted.
    pub votes_counted: usize,
    /// Whether some counted watchers call it bad while the standing is good.
    pub partial: bool,
    /// Whether it may be away.
    pub sometimes: bool,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Typical time over the counted watchers: their median.
    pub rtt_seconds: Option<f64>,
    /// Largest share of packets lost that a counted watcher sees, 0 to 1.
    pub loss: Option<f64>,
    /// The open incident, as `TARGET#NUMBER`.
    pub incident: Option<String>,
    /// What each watcher says.
    pub watchers: Vec<Watcher>,
}

/// What one watcher says of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watcher {
    /// Name of the watcher.
    pub node: String,
    /// `up`, `degraded`, `down`, `unknown` or `unable`.
    pub verdict: String,
    /// Since when, by the watcher's wall clock; `null` while it has not judged.
    pub since: Option<String>,
    /// Whether it counts now: able, alive, not isolated.
    pub counted: bool,
    /// Typical time of the look that the verdict rests on; of the last look for the showing node's own.
    pub rtt_seconds: Option<f64>,
    /// Share of packets lost, 0 to 1.
    pub loss: Option<f64>,
    /// What was seen.
    pub detail: String,
    /// Last good look, by the watcher's wall clock.
    pub last_good: Option<String>,
}

/// One raw sample of the showing node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// When, by that node's wall clock.
    pub at: String,
    /// `good`, `poor`, `bad` or `unable`.
    pub look: String,
    /// Packets or attempts sent.
    pub sent: u16,
    /// Answers received.
    pub received: u16,
    /// Share of packets lost, 0 to 1; none when nothing was sent.
    pub loss: Option<f64>,
    /// Typical time.
    pub rtt_seconds: Option<f64>,
    /// What was seen, where it was not good.
    pub detail: String,
}

/// All targets: those of the definition in its order, then nodes.
#[must_use]
pub fn targets(view: &View) -> Vec<Target> {
    view.targets.iter().map(|each| target(each)).collect()
}

/// One target.
#[must_use]
pub fn target(target: &TargetView) -> Target {
    Target {
        name: target.id.0.clone(),
        group: target.group.clone(),
        probe: target.probe.clone(),
        interval_seconds: seconds(target.interval),
        standing: target.standing.word().into(),
        since: moment(target.since),
        votes: target.votes.0,
        votes_counted: target.votes.1,
        partial: target.partial,
        sometimes: target.sometimes,
        runbook: target.runbook.clone(),
        rtt_seconds: typical_time(target).map(round_trip),
        loss: worst_loss(target).map(share),
        incident: target.incident.as_ref().map(ToString::to_string),
        watchers: target.watchers.iter().map(watcher).collect(),
    }
}

/// Raw samples, in the order given.
#[must_use]
pub fn samples(samples: &[Sample]) -> Vec<Measured> {
    samples.iter().map(measured).collect()
}

/// The median of the counted watchers' times: one far-away watcher does not bend it.
#[must_use]
pub fn typical_time(target: &TargetView) -> Option<Micros> {
    let mut times: Vec<Micros> = target.watchers.iter().filter(|watcher| watcher.counted).filter_map(|watcher| watcher.time).collect();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

/// The largest share of packets lost that a counted watcher sees.
#[must_use]
pub fn worst_loss(target: &TargetView) -> Option<f32> {
    target.watchers.iter().filter(|watcher| watcher.counted).filter_map(|watcher| watcher.loss).max_by(f32::total_cmp)
}

fn watcher(watcher: &WatcherView) -> Watcher {
    Watcher {
        node: watcher.node.clone(),
        verdict: watcher.verdict.word().into(),
        since: watcher.since.map(moment),
        counted: watcher.counted,
        rtt_seconds: watcher.time.map(round_trip),
        loss: watcher.loss.map(share),
        detail: watcher.detail.clone(),
        last_good: watcher.last_good.map(moment),
    }
}

fn measured(sample: &Sample) -> Measured {
    let look = match sample.look {
        Look::Good => "good",
        Look::Poor => "poor",
        Look::Bad => "bad",
        Look::Unable => "unable",
    };
    Measured {
        at: moment(sample.at),
        look: look.into(),
        sent: sample.sent,
        received: sample.received,
        loss: loss(sample.sent, sample.received),
        rtt_seconds: sample.time.map(round_trip),
        detail: sample.detail.clone(),
    }
}
