//! An event as JSON: what happened, in words. Which are shown is decided where the view is made.

use serde::{Deserialize, Serialize};

use super::{moment, seconds};
use crate::base::view::{EventView, SilenceView, View};

/// Something that happened, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the clock of the node that said it.
    pub at: String,
    /// `opened`, `closed`, `told`, `failed`, `acknowledged`, `silenced` or `unsilenced`.
    pub kind: String,
    /// Which node said it.
    pub node: String,
    /// The incident, if it is about one.
    pub incident: Option<String>,
    /// The channel, if it is about one.
    pub channel: Option<String>,
    /// All of it, in words.
    pub text: String,
}

/// A silence that holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its number.
    pub id: String,
    /// Targets by name, `*` for any letters.
    pub targets: Vec<String>,
    /// Targets by group.
    pub groups: Vec<String>,
    /// Who began it, by which node.
    pub by: String,
    /// When, by that node's wall clock.
    pub at: String,
    /// For how long it was asked.
    pub lasts_seconds: f64,
    /// Why; may be empty.
    pub reason: String,
}

/// Events, the newest first.
#[must_use]
pub fn events(view: &View) -> Vec<Event> {
    view.events.iter().map(|each| event(each)).collect()
}

/// One event.
#[must_use]
pub fn event(event: &EventView) -> Event {
    Event {
        at: moment(event.at),
        kind: event.kind.into(),
        node: event.node.clone(),
        incident: event.incident.as_ref().map(ToString::to_string),
        channel: event.channel.clone(),
        text: event.text.clone(),
    }
}

/// Silences that hold, oldest first.
#[must_use]
pub fn silences(view: &View) -> Vec<Silence> {
    view.silences.iter().map(silence).collect()
}

/// One silence.
#[must_use]
pub fn silence(silence: &SilenceView) -> Silence {
    Silence {
        id: silence.id.clone(),
        targets: silence.targets.clone(),
        groups: silence.groups.clone(),
        by: silence.by.clone(),
        at: moment(silence.at),
        lasts_seconds: seconds(silence.lasts),
        reason: silence.reason.clone(),
    }
}
