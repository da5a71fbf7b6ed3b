//! A letter to people, as a channel carries it. `logic::notice` writes it; `io::notify` sends it.

use crate::base::id::EntryHash;
use crate::base::settings::Way;
use crate::base::time::Span;

/// One action for one group of notices: what is sent, how, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}
