//! What the machine of the votes is asked with, and what it answers.

use std::collections::BTreeSet;

use crate::base::fact::Fact;
use crate::base::id::{ChainId, Domain, EntryHash, Incarnation, IntentKey, NodeId};
use crate::base::time::{Mono, Span, Wall};

/// Actions of one domain that are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What they have in common.
    pub domain: Domain,
    /// The actions, and since when each is wanted here.
    pub keys: Vec<(IntentKey, Mono)>,
    /// What falls within this time leaves together.
    pub window: Span,
    /// Who can perform them and is alive, this node included if it can.
    pub capable: Vec<NodeId>,
}

/// Whom this node sees, and what it may do itself.
pub struct Electorate<'a> {
    /// Voters alive and heard within [`crate::base::limits::VOTER_SILENCE`], without this node.
    pub voters: Vec<NodeId>,
    /// Voters alive but silent for longer: not awaited, but named.
    pub silent: Vec<NodeId>,
    /// Whether this node may grant: its last commit worked and its time of silence is over.
    pub voting: bool,
    /// Whether it has said so for long enough that all who can hear it await its vote: only then may it
    /// ask and act, or two nodes that begin to vote at the same moment would not know of each other.
    pub announced: bool,
    /// Members enrolled, this node included.
    pub enrolled: usize,
    /// Those of them that are expected to be there always: a majority is of these.
    pub steady: BTreeSet<NodeId>,
    /// For how long this node has seen no other member alive; none while it sees one.
    pub alone: Option<Span>,
    /// More than half of the enrolled members must grant.
    pub majority: bool,
    /// Whether a node is given up and its links are read to the end.
    pub dead: &'a dyn Fn(&NodeId) -> bool,
    /// Whether a node says that it does not vote, or has been silent for long: it will not act on an old ballot.
    pub idle: &'a dyn Fn(&NodeId) -> bool,
    /// Whether a linked node has stored this entry: any will do, also one that must not vote.
    pub held: &'a dyn Fn(&ChainId, u64) -> bool,
    /// The rendezvous hash of a node in a domain.
    pub hash: &'a dyn Fn(&Domain, &NodeId) -> [u8; 32],
    /// The Message-ID for a group of keys that has none yet.
    pub message: &'a dyn Fn(&[IntentKey]) -> String,
}

/// What the parent must do next; after a `Write` it folds the entry and asks again.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Seal this fact in an entry of its own and fold it; then call [`super::Intents::wrote`].
    Write(Fact),
    /// Perform the action for these keys.
    Act {
        /// The ballot that won.
        ballot: EntryHash,
        /// The domain.
        domain: Domain,
        /// The group.
        keys: Vec<IntentKey>,
        /// The Message-ID.
        message: String,
        /// The time that it may take.
        within: Span,
    },
}

/// Who said something, and how it is ordered without clocks.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The entry's hash.
    pub entry: EntryHash,
    /// Its author.
    pub author: NodeId,
    /// Its Lamport number.
    pub lamport: u64,
    /// Its author's wall clock.
    pub wall: Wall,
    /// In which life of its author, and with which number on the events lane.
    pub place: (Incarnation, u64),
}
