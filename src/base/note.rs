//! What a node remarks on: a closed list, each with a level, so that log lines, counters and tests
//! speak of the same things. How they are printed, and how often, is `daemon::publish`'s affair.

use crate::base::id::TargetId;
use crate::base::id::{IncidentId, NodeId};
use crate::base::outcome::{Standing, Verdict};
use crate::base::time::Span;

/// How urgent a remark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers.
    Debug,
    /// Usual events.
    Info,
    /// Something to look at.
    Warning,
    /// Something is lost or refused until somebody acts.
    Error,
}

/// One remark. Names are already names, not keys.
#[expect(missing_docs, reason = "the fields are named by what they are")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A link came.
    Linked { peer: String, detail: String },
    /// A link went.
    Unlinked { peer: String, detail: String },
    /// A second link between the same two nodes was closed.
    Duplicate { peer: String },
    /// A node is silent.
    Suspect { node: String },
    /// A node is given up.
    Dead { node: String },
    /// A node is heard again.
    Alive { node: String },
    /// This node's own verdict changed.
    Judged { target: TargetId, verdict: Verdict, detail: String },
    /// An incident opened.
    Opened { incident: IncidentId, standing: Standing, reason: String },
    /// An incident closed.
    Closed { incident: IncidentId },
    /// Somebody sees to an incident.
    Acknowledged { incident: IncidentId, by: String, reason: String },
    /// A silence begins: of what, for how long.
    Silenced { id: String, what: String, lasts: Span, by: String, reason: String },
    /// A silence is over.
    Unsilenced { id: String, by: String, early: bool },
    /// A peer sent something that was refused; the link may be closed.
    Refused { peer: String, reason: String },
    /// A peer's chain contradicts ours.
    Contradiction { author: NodeId, reason: String },
    /// A chain is believed only up to a place where its author signed two different things.
    Forked { author: String, chain: String, end: u64 },
    /// A node's membership is over.
    Ended { node: String, by: String, retired: bool, reason: String },
    /// This node's key is used by another process as well.
    Twin { reason: String },
    /// This node begins to send a notice.
    Sending { channel: String, subject: String },
    /// A notice was sent.
    Told { channel: String, by: String, detail: String },
    /// A notice failed; another attempt or node follows.
    Failed { channel: String, by: String, detail: String },
    /// This node is cut off.
    Isolated,
    /// A program of this host was told to act.
    Performing { action: String },
    /// What became of an action of a program.
    Performed { action: String, by: String, detail: String },
    /// This node is not cut off any more.
    Rejoined,
    /// A new life began.
    Incarnated { reason: String },
}

impl Note {
    /// How urgent it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Duplicate { .. } => Level::Debug,
            Self::Linked { .. }
            | Self::Unlinked { .. }
            | Self::Alive { .. }
            | Self::Closed { .. }
            | Self::Acknowledged { .. }
            | Self::Silenced { .. }
            | Self::Unsilenced { .. }
            | Self::Sending { .. }
            | Self::Told { .. }
            | Self::Performing { .. }
            | Self::Performed { .. }
            | Self::Rejoined
            | Self::Judged { .. }
            | Self::Incarnated { .. } => Level::Info,
            Self::Suspect { .. }
            | Self::Dead { .. }
            | Self::Opened { .. }
            | Self::Refused { .. }
            | Self::Failed { .. }
            | Self::Isolated => Level::Warning,
            Self::Ended { .. } => Level::Warning,
            Self::Contradiction { .. } | Self::Forked { .. } | Self::Twin { .. } => Level::Error,
        }
    }

    /// A word for counters and for bounding how often it is printed.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Linked { .. } => "linked",
            Self::Unlinked { .. } => "unlinked",
            Self::Duplicate { .. } => "duplicate",
            Self::Suspect { .. } => "suspect",
            Self::Dead { .. } => "dead",
            Self::Alive { .. } => "alive",
            Self::Judged { .. } => "judged",
            Self::Opened { .. } => "opened",
            Self::Closed { .. } => "closed",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Silenced { .. } => "silenced",
            Self::Unsilenced { .. } => "unsilenced",
            Self::Refused { .. } => "refused",
            Self::Contradiction { .. } => "contradiction",
            Self::Forked { .. } => "forked",
            Self::Ended { .. } => "ended",
            Self::Twin { .. } => "twin",
            Self::Sending { .. } => "sending",
            Self::Told { .. } => "told",
            Self::Failed { .. } => "failed",
            Self::Performing { .. } => "performing",
            Self::Performed { .. } => "performed",
            Self::Isolated => "isolated",
            Self::Rejoined => "rejoined",
            Self::Incarnated { .. } => "incarnated",
        }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Linked { peer, detail } => write!(f, "linked to {peer} ({detail})"),
            Self::Unlinked { peer, detail } => write!(f, "link to {peer} ended: {detail}"),
            Self::Duplicate { peer } => write!(f, "closed a second link to {peer}"),
            Self::Suspect { node } => write!(f, "node {node} is silent"),
            Self::Dead { node } => write!(f, "node {node} is given up: no sign of life on any path"),
            Self::Alive { node } => write!(f, "node {node} is heard"),
            Self::Judged { target, verdict, detail } => write!(f, "{target} is {} from here: {detail}", verdict.word()),
            Self::Opened { incident, standing, reason } => {
                write!(f, "incident {incident}: {} is {}: {reason}", incident.target, standing.word())
            }
            Self::Closed { incident } => write!(f, "incident {incident} is over"),
            Self::Acknowledged { incident, by, reason } => write!(f, "{by} acknowledged {incident}{}", because(reason)),
            Self::Silenced { id, what, lasts, by, reason } => {
                write!(f, "{by} silenced {what} for {lasts}{} (silence {id})", because(reason))
            }
            Self::Unsilenced { id, by, early: true } => write!(f, "{by} ended silence {id}"),
            Self::Unsilenced { id, by: _, early: false } => write!(f, "silence {id} is over"),
            Self::Refused { peer, reason } => write!(f, "refused from {peer}: {reason}"),
            Self::Contradiction { author, reason } => write!(f, "the chain of {author} contradicts itself: {reason}"),
            Self::Forked { author, chain, end } => write!(
                f,
                "{author} signed two different entries {end} of {chain}: its key or its disk was copied, or it was set back to an \
                 old state; from there on that chain counts nowhere"
            ),
            Self::Ended { node, by, retired: false, reason } => {
                write!(f, "{by} revoked the key of {node}: {reason}; remove {node} from network.toml, or give it a new key and name")
            }
            Self::Ended { node, by, retired: true, reason } => write!(f, "{by} retired {node}: {reason}; remove it from network.toml"),
            Self::Twin { reason } => f.write_str(reason),
            Self::Sending { channel, subject } => write!(f, "telling {channel}: {subject}"),
            Self::Told { channel, by, detail } => write!(f, "{by} told {channel}: {detail}"),
            Self::Failed { channel, by, detail } => write!(f, "{by} could not tell {channel}: {detail}"),
            Self::Performing { action } => write!(f, "this node performs {action}"),
            Self::Performed { action, by, detail } => write!(f, "{action} on {by}: {detail}"),
            Self::Isolated => {
                f.write_str("this node is isolated: no link and no reference answers; it casts no vote and tells nothing about targets")
            }
            Self::Rejoined => f.write_str("this node is not isolated any more"),
            Self::Incarnated { reason } => write!(f, "a new incarnation begins: {reason}"),
        }
    }
}

/// A reason behind what it is for, if there is one.
fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
