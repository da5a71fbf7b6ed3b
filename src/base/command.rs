//! What faces ask of a node, and what they get back.

use crate::base::time::Span;
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
}

/// What it gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// One row for each node of the roster, in its order.
    Pinged(Vec<Vantage>),
    /// It was not done, and why, with the remedy.
    Refused(String),
}

/// One node's answer to a ping request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vantage {
    /// The node's name.
    pub node: String,
    /// Its answer; no answer is an answer.
    pub answer: Option<Answer>,
}
