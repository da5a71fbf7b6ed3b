//! Views as JSON: the shapes that `/api/v1/` and `peerwatchctl --json` share.
//!
//! A view is what a node shows; what stands here is what programs may rely on. So the shapes are
//! types of their own, made from views by plain functions, and a domain type may change without
//! breaking a script. They are also read back (`Deserialize`), for a face that gets them as text.
//!
//! The manner: field names in `snake_case` with their unit last (`rtt_seconds`); moments are ISO 8601
//! in UTC with `Z`, milliseconds included; lengths of time are seconds as numbers; keys are whole, in
//! hexadecimal; what is not known is `null`, never left out. Fields may be added within `v1`; none
//! changes its meaning or goes away.
//!
//! Each kind of thing has a file below; what they share (moments, lengths, shares) is here.
//! Nothing here sends, escapes for HTML or asks; `front::web` and `front::cli` do.

mod answer;
mod event;
mod incident;
mod journal;
mod node;
mod status;
mod target;
mod value;

use crate::base::id::{Incarnation, hex};
use crate::base::time::{Micros, Span, Wall};

pub use answer::{Hop, Trace, Tried, Vantage, trace, vantages};
pub use event::{Event, Silence, event, events, silence, silences};
pub use incident::{Acknowledgement, Incident, Notice, Vote, incident, incidents};
pub use journal::{Behind, Chain, Fork, Head, Journal, Stats, Verified, chain, journal, stats};
pub use node::{Link, Node, node, nodes};
pub use status::{NodeCounts, Status, TargetCounts, node_counts, status, target_counts, worst};
pub use target::{Measured, Target, Watcher, samples, target, targets, typical_time, worst_loss};
pub use value::{Content, Part, Value, ValueChange, content, part, value, value_change, writes};

/// A moment as ISO 8601 in UTC; what lies outside the years that can be written is moved to their edge.
#[must_use]
pub fn moment(wall: Wall) -> String {
    let edge = if wall.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    format!("{:.3}", jiff::Timestamp::from_millisecond(wall.0).unwrap_or(edge))
}

/// A life, whole; its `Display` is for people and shortens the name.
fn life(incarnation: &Incarnation) -> String {
    format!("{}.{}", incarnation.opened, hex(&incarnation.nonce))
}

fn seconds(span: Span) -> f64 {
    span.0 as f64 / 1000.0
}

fn round_trip(time: Micros) -> f64 {
    f64::from(time.0) / 1_000_000.0
}

/// Rounded to what a person can use; an `f32` as it is would show digits that were never measured.
fn share(share: f32) -> f64 {
    (f64::from(share) * 10_000.0).round() / 10_000.0
}

fn loss(sent: u16, received: u16) -> Option<f64> {
    (0 < sent).then(|| share(f32::from(sent.saturating_sub(received)) / f32::from(sent)))
}

#[cfg(test)]
mod tests;
