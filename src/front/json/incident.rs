//! An incident, its votes and its notices as JSON. Which of them are shown is decided where the view is made.

use serde::{Deserialize, Serialize};

use super::{moment, seconds};
use crate::base::outcome::Verdict;
use crate::base::view::{IncidentView, NoticeView, View};

/// A period in which a standing was bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// `TARGET#NUMBER`; equal on every node.
    pub id: String,
    /// What was bad.
    pub target: String,
    /// The target's incidents are counted from 1.
    pub number: u32,
    /// Whether it is open.
    pub open: bool,
    /// How bad: `down`, `degraded` or `unknown`.
    pub standing: String,
    /// First bad look, by that watcher's wall clock.
    pub since: String,
    /// When it was opened, by the opener's wall clock.
    pub opened: String,
    /// When it closed, by the closer's wall clock.
    pub closed: Option<String>,
    /// How long it lasted.
    pub lasted_seconds: Option<f64>,
    /// Why, in one line.
    pub reason: String,
    /// The votes that it rests on.
    pub votes: Vec<Vote>,
    /// Who sees to it, if anybody said so.
    pub acknowledged: Option<Acknowledgement>,
    /// What people were told, or are to be told.
    pub notices: Vec<Notice>,
}

/// That somebody sees to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who, by which node.
    pub by: String,
    /// When, by that node's wall clock.
    pub at: String,
    /// Why or what is done; may be empty.
    pub reason: String,
}

/// One vote that an incident rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Name of the watcher.
    pub node: String,
    /// `up`, `degraded`, `down`, `unknown` or `unable`.
    pub verdict: String,
}

/// One notice of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The channel's name.
    pub channel: String,
    /// `down`, `degraded` or `up`.
    pub phase: String,
    /// `waiting`, `voting`, `sending`, `told`, `failed`, or `quiet`: it is kept back, and the detail says why.
    pub state: String,
    /// How many reminders followed.
    pub reminders: u32,
    /// Which node sends or sent it.
    pub by: Option<String>,
    /// When, by that node's wall clock.
    pub at: Option<String>,
    /// What the server said, or who is awaited.
    pub detail: String,
}

/// Open incidents, newest first, then closed ones, newest first.
#[must_use]
pub fn incidents(view: &View) -> Vec<Incident> {
    view.incidents.iter().map(|each| incident(each)).collect()
}

/// One incident.
#[must_use]
pub fn incident(incident: &IncidentView) -> Incident {
    let vote = |(node, verdict): &(String, Verdict)| Vote { node: node.clone(), verdict: verdict.word().into() };
    Incident {
        id: incident.id.to_string(),
        target: incident.id.target.0.clone(),
        number: incident.id.number,
        open: incident.open,
        standing: incident.standing.word().into(),
        since: moment(incident.since),
        opened: moment(incident.opened),
        closed: incident.closed.map(moment),
        lasted_seconds: incident.lasted.map(seconds),
        reason: incident.reason.clone(),
        votes: incident.votes.iter().map(vote).collect(),
        acknowledged: incident.acknowledged.as_ref().map(|said| Acknowledgement {
            by: said.by.clone(),
            at: moment(said.at),
            reason: said.reason.clone(),
        }),
        notices: incident.notices.iter().map(notice).collect(),
    }
}

fn notice(notice: &NoticeView) -> Notice {
    Notice {
        channel: notice.channel.clone(),
        phase: notice.phase.into(),
        state: notice.state.into(),
        reminders: notice.reminders,
        by: notice.by.clone(),
        at: notice.at.map(moment),
        detail: notice.detail.clone(),
    }
}
