//! What nodes answered to a question, as JSON; no answer is an answer too. Asking is not done here.

use serde::{Deserialize, Serialize};

use super::{loss, round_trip, seconds};
use crate::base::command::{Vantage as Answered, Way};
use crate::base::time::Micros;

/// One node's answer to a ping request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vantage {
    /// The node's name.
    pub node: String,
    /// Whether it answered at all.
    pub answered: bool,
    /// Echo requests sent; zero when the node cannot look.
    pub sent: u16,
    /// Echo replies received.
    pub received: u16,
    /// Share of packets lost, 0 to 1; none when nothing was sent.
    pub loss: Option<f64>,
    /// Fastest round trip.
    pub min_seconds: Option<f64>,
    /// Mean round trip.
    pub mean_seconds: Option<f64>,
    /// Slowest round trip.
    pub max_seconds: Option<f64>,
    /// What was seen.
    pub detail: String,
}

/// The way to a node, as `peerwatchctl trace` found it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The name of the node.
    pub node: String,
    /// Whether it answered in time.
    pub found: bool,
    /// From the question until its answer was here.
    pub took_seconds: Option<f64>,
    /// The nodes on the way, the asker left out, `node` itself last; empty when it was not found.
    pub hops: Vec<Hop>,
}

/// What became of an example of a notice on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The channel.
    pub channel: String,
    /// Its way to people: `mail`, `webhook` or `hook`.
    pub way: String,
    /// `delivered`, `refused` or `failed`.
    pub outcome: String,
    /// What was said to it.
    pub detail: String,
    /// Those who do not have it, and never will.
    pub refused: Vec<String>,
}

/// One hop of a way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The name of the node that it reaches.
    pub node: String,
    /// Round trip of the link that leads there, as last measured by that node.
    pub rtt_seconds: Option<f64>,
    /// The round trips of all links so far together; `null` from the first that is not known.
    pub sum_seconds: Option<f64>,
}

/// The rows of a ping request's reply.
#[must_use]
pub fn vantages(rows: &[Answered]) -> Vec<Vantage> {
    rows.iter().map(vantage).collect()
}

/// A way to `node`, or that there was none.
#[must_use]
pub fn trace(node: &str, way: Option<&Way>) -> Trace {
    let mut sum = Some(0);
    let hops = way.iter().flat_map(|way| &way.hops).map(|step| {
        sum = sum.zip(step.time).map(|(sum, time)| sum + u64::from(time.0));
        Hop { node: step.node.clone(), rtt_seconds: step.time.map(round_trip), sum_seconds: sum.map(|sum| sum as f64 / 1_000_000.0) }
    });
    Trace { node: node.into(), found: way.is_some(), hops: hops.collect(), took_seconds: way.map(|way| seconds(way.took)) }
}

fn vantage(row: &Answered) -> Vantage {
    let answer = row.answer.as_ref();
    let (sent, received) = answer.map_or((0, 0), |answer| (answer.sent, answer.received));
    let times = answer.and_then(|answer| answer.times);
    let time = |pick: fn((u32, u32, u32)) -> u32| times.map(|times| round_trip(Micros(pick(times))));
    Vantage {
        node: row.node.clone(),
        answered: answer.is_some(),
        sent,
        received,
        loss: loss(sent, received),
        min_seconds: time(|times| times.0),
        mean_seconds: time(|times| times.1),
        max_seconds: time(|times| times.2),
        detail: answer.map_or_else(|| "no answer in time".into(), |answer| answer.detail.clone()),
    }
}
