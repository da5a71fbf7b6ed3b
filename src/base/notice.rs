//! What people are told, as a channel carries it: what is known of each incident, and the letter made of it.
//! `logic::notice` writes it; `io::notify` sends it. Nothing here knows a service or a protocol.

use crate::base::id::{EntryHash, IncidentId};
use crate::base::outcome::{Standing, Verdict};
use crate::base::settings::{Phase, Way};
use crate::base::target::Severity;
use crate::base::time::{Micros, Span, Wall};

/// One action for one group of notices: what is sent, how, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    /// The ballot that won the right to send it; names the errand.
    pub ballot: EntryHash,
    /// The channel's name.
    pub channel: String,
    /// The way out.
    pub way: Way,
    /// What is said.
    pub letter: Letter,
    /// The action is given up, and counts as failed, after this time.
    pub within: Span,
}

/// What is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Letter {
    /// Without angle brackets.
    pub message_id: String,
    /// Message-IDs that this one answers, oldest first, without angle brackets.
    pub references: Vec<String>,
    /// Fits a telephone.
    pub subject: String,
    /// Plain text, the main part.
    pub text: String,
    /// The same as a small page without remote parts.
    pub html: String,
    /// Further header fields, each `X-Peerwatch-...`.
    pub headers: Vec<(&'static str, String)>,
    /// What the text was made of, for channels that carry more than text.
    pub topic: Topic,
}

/// What a letter is about and who writes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topic {
    /// The network's name.
    pub network: String,
    /// Name of the node that sends.
    pub sender: String,
    /// Nodes that it sees, itself included, and nodes enrolled.
    pub seen: (usize, usize),
    /// The Message-ID, without angle brackets: the same on every node and at every attempt.
    pub message: String,
    /// Somebody asked for an example: nothing of it has happened.
    pub test: bool,
    /// What is told, at least one.
    pub items: Vec<Item>,
}

/// One notice in a letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The incident.
    pub incident: IncidentId,
    /// What of it.
    pub phase: Phase,
    /// The worst standing of the incident.
    pub standing: Standing,
    /// How much that matters.
    pub severity: Severity,
    /// The how manieth reminder this is; none for a notice.
    pub reminder: u32,
    /// Who sees to it, and why or what is done, if anybody said so.
    pub acknowledged: Option<(String, String)>,
    /// What the target is listed under.
    pub group: Option<String>,
    /// What is looked at, in a few words.
    pub probe: String,
    /// Why, in one line.
    pub reason: String,
    /// First bad look.
    pub since: Wall,
    /// When it ended, if it has.
    pub ended: Option<Wall>,
    /// How long it lasted so far.
    pub lasted: Span,
    /// Votes for it and votes counted.
    pub votes: (usize, usize),
    /// What each watcher says now.
    pub rows: Vec<Row>,
    /// What confirmed it: looks in a row, at which interval, and how many watchers.
    pub rule: String,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// Message-IDs of what was told of this incident before.
    pub before: Vec<String>,
    /// It goes up and down, and is told again after so long without a change.
    pub flapping: Option<Span>,
    /// It ended because the target is bad without a change for so long.
    pub settled: Option<Standing>,
}

impl Item {
    /// The last good look of any watcher, and whose it was.
    #[must_use]
    pub fn last_good(&self) -> Option<(Wall, &str)> {
        self.rows.iter().filter_map(|row| Some((row.last_good?, row.node.as_str()))).max()
    }
}

/// One watcher's line.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The watcher.
    pub node: String,
    /// What it says.
    pub verdict: Verdict,
    /// Typical time.
    pub time: Option<Micros>,
    /// Share of packets lost.
    pub loss: Option<f32>,
    /// Last good look.
    pub last_good: Option<Wall>,
    /// What it saw.
    pub detail: String,
}

/// What became of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Whether at least one recipient's server took it.
    pub success: bool,
    /// What the server said, one line.
    pub detail: String,
    /// Recipients refused for good.
    pub refused: Vec<String>,
    /// The server asks not to be tried again before this time has passed.
    pub after: Option<Span>,
}

/// The three ways in which an errand can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// At least one recipient's server took it.
    Delivered,
    /// Whoever should take it refuses it for good: this node need not try the same again.
    Refused,
    /// It may work later, or from another node.
    Later,
}

impl Fate {
    /// The word for people and programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Later => "failed",
        }
    }
}

impl Delivery {
    /// Nobody has it, and it may work another time.
    #[must_use]
    pub fn failed(detail: impl Into<String>) -> Self {
        Self { success: false, detail: detail.into(), refused: Vec::new(), after: None }
    }

    /// In which of the three ways it ended.
    #[must_use]
    pub const fn fate(&self) -> Fate {
        match (self.success, self.refused.is_empty()) {
            (true, _) => Fate::Delivered,
            (false, false) => Fate::Refused,
            (false, true) => Fate::Later,
        }
    }
}
