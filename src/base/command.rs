//! What faces ask of a node, and what they get back.

use crate::base::id::{IncidentId, NodeId};
use crate::base::kv::Write;
use crate::base::notice::Delivery;
use crate::base::settings::Phase;
use crate::base::time::{Micros, Span, Wall};
use crate::base::wire::Answer;

/// Names a command under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// What a face asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Every node pings a host now.
    Ping {
        /// Name or address.
        host: String,
        /// Echo requests per node, 1 to 20.
        count: u16,
        /// When to stop waiting for answers; at most [`crate::base::limits::REQUEST_TIME`].
        within: Span,
    },
    /// End a node's membership for good. Only an admin may.
    Revoke {
        /// Whose: a member, or any key that may not become one.
        node: NodeId,
        /// Why, for people: one line.
        reason: String,
        /// It will not return, and what it last said of itself and of targets is not to stand for ever.
        retire: bool,
    },
    /// This node sends an example of a notice.
    TestNotice {
        /// By which channel; all without.
        channel: Option<String>,
        /// What seems to have happened.
        phase: Phase,
    },
    /// Somebody sees to an incident: nobody is reminded of it any more.
    Acknowledge {
        /// `TARGET#NUMBER`, or the target alone if its incident is open.
        incident: String,
        /// Who; may be empty. At most [`crate::base::limits::quiet::PERSON`] bytes.
        person: String,
        /// For people: one line.
        reason: String,
    },
    /// Nothing new is told of some targets for a while.
    Silence {
        /// A target, a pattern with `*`, a group, or `group:NAME`.
        what: String,
        /// For how long.
        lasts: Span,
        /// As in [`Command::Acknowledge`].
        person: String,
        /// For people: one line.
        reason: String,
    },
    /// A silence ends before its time.
    EndSilence {
        /// Its number, or the beginning of it.
        id: String,
        /// As in [`Command::Acknowledge`].
        person: String,
    },
    /// This node writes all of this in its part of the key/value store, or none of it.
    Write(Vec<Write>),
    /// A program wants an action to be done on one node of the network, and waits for it.
    Wish {
        /// Its name, the same on all nodes.
        name: String,
        /// For how long to wait; at most [`crate::base::wish::WAIT_MOST`].
        within: Span,
    },
    /// The program that was told to act says that it does.
    KeepWish {
        /// The action.
        name: String,
    },
    /// The program that was told to act has ended.
    FinishWish {
        /// The action.
        name: String,
        /// Its exit code, or why it could not even begin.
        ended: Result<u8, String>,
    },
    /// Find the way to a node over the links that there are now.
    Trace {
        /// To which.
        node: NodeId,
        /// When to stop waiting for its answer; at most [`crate::base::limits::REQUEST_TIME`].
        within: Span,
    },
}

/// What it gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// One row for each node of the roster, in its order.
    Pinged(Vec<Vantage>),
    /// The node's membership is over: its name.
    Revoked(String),
    /// It is written and committed.
    Written {
        /// The revision of all of it.
        revision: u64,
    },
    /// Nothing was written: this key was to be deleted and is not there.
    Absent {
        /// The key.
        key: String,
    },
    /// That somebody sees to this incident is written.
    Acknowledged(IncidentId),
    /// The silence of this number holds.
    Silenced(String),
    /// The silence of this number is over.
    Unsilenced(String),
    /// The way to the node, or none was found in time.
    Traced(Option<Way>),
    /// The program that asked is to act now, and to say so again within this time, each time.
    Chosen(Span),
    /// It may act on, for this time.
    Kept(Span),
    /// Its end is written down.
    Finished,
    /// The action was performed.
    Performed {
        /// Name of the node.
        by: String,
        /// When, by that node's wall clock.
        at: Wall,
        /// The exit code, where it is known.
        code: Option<u8>,
        /// The same, for people.
        detail: String,
    },
    /// The action was not performed in time, as far as is known here, and why.
    Unsettled(String),
    /// What became of an example, by channel, in the order of the file.
    Tried(Vec<Tried>),
    /// It was not done, and why, with the remedy.
    Refused(String),
}

/// What became of an example on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The channel.
    pub channel: String,
    /// Its way to people.
    pub way: &'static str,
    /// What became of it.
    pub delivery: Delivery,
}

/// One node's answer to a ping request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vantage {
    /// The node's name.
    pub node: String,
    /// Its answer; no answer is an answer.
    pub answer: Option<Answer>,
}

/// The way that a question took to a node; of several the one on which it arrived first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The nodes that it passed, the asker left out, the node that it was for last. Empty when a node asks for itself.
    pub hops: Vec<Step>,
    /// From the question until the answer was here, by the asker's forward-only clock.
    pub took: Span,
}

/// One hop of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the node that it reached.
    pub node: String,
    /// Round trip of the link over which it came, as last measured by that node; none while it has not measured.
    pub time: Option<Micros>,
}
