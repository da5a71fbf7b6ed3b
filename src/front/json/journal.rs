//! The journal as JSON: how far the showing node has each chain, what it takes on the disk, and what a
//! look over all of it found. Entries themselves are not shown.

use serde::{Deserialize, Serialize};

use super::life;
use crate::base::view::{self, ForkView, HeadView, View};

/// How far this node has the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Entries held.
    pub entries: u64,
    /// The last entry of each chain.
    pub heads: Vec<Head>,
    /// Where chains end because their authors signed two things for one place.
    pub forks: Vec<Fork>,
}

/// The end of a chain whose author signed two different entries for one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Name of the author.
    pub author: String,
    /// Its life: the number of its opening, a dot, 32 hexadecimal digits.
    pub incarnation: String,
    /// `state`, `events`, `minutes`, `hours` or `days`.
    pub lane: String,
    /// The lowest place for which there are two entries; from there on nothing is in force.
    pub sequence: u64,
}

/// The last entry held of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Name of the author.
    pub author: String,
    /// Its life: the number of its opening, a dot, 32 hexadecimal digits.
    pub incarnation: String,
    /// `state`, `events`, `minutes`, `hours` or `days`.
    pub lane: String,
    /// The sequence number before the first that is in force; zero when nothing was pruned.
    pub base: u64,
    /// The last sequence number.
    pub sequence: u64,
    /// Peers that have not said that they stored all of it.
    pub behind: Vec<Behind>,
    /// Entries that some peer has and the showing node lacks.
    pub missing_entries: u64,
}

/// A peer that lacks some of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Its name.
    pub peer: String,
    /// How many entries it lacks.
    pub entries: u64,
}

/// What the journal takes on the disk: `peerwatchctl journal stats --json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Entries stored.
    pub entries: u64,
    /// Bytes of all entries.
    pub entry_bytes: u64,
    /// Bytes of the database file.
    pub file_bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
    /// Bytes of the file that are free and taken up again by what is written next.
    pub free_bytes: u64,
    /// Bytes that file and log may have together.
    pub limit_bytes: u64,
    /// Raw samples of this node.
    pub samples: u64,
    /// Where chains end because their authors signed two things for one place.
    pub forks: Vec<Fork>,
    /// Every chain of which anything is stored.
    pub chains: Vec<Chain>,
}

/// What one chain takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// How far it goes.
    #[serde(flatten)]
    pub head: Head,
    /// Entries stored.
    pub entries: u64,
    /// Bytes of those entries.
    pub bytes: u64,
}

/// What a look over the whole journal found: `peerwatchctl journal verify --json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// Chains that they belong to.
    pub chains: u64,
    /// Bytes of all entries.
    pub bytes: u64,
    /// What is wrong; empty when everything is in order.
    pub faults: Vec<String>,
    /// Faults beyond those named.
    pub more_faults: u64,
}

/// Chains and heads.
#[must_use]
pub fn journal(view: &View) -> Journal {
    Journal { entries: view.journal.entries, heads: view.journal.heads.iter().map(head).collect(), forks: forks(view) }
}

/// What the journal takes; names, and who is behind, are from the view.
#[must_use]
pub fn stats(stats: &view::Stats, view: &View) -> Stats {
    let heads = stats.heads(view);
    let chains = heads.iter().zip(&stats.chains).map(|(head, stats)| chain(head, stats.entries, stats.bytes));
    Stats {
        entries: stats.entries(),
        entry_bytes: stats.bytes(),
        file_bytes: stats.file,
        log_bytes: stats.log,
        free_bytes: stats.free,
        limit_bytes: stats.limit,
        samples: stats.samples,
        forks: forks(view),
        chains: chains.collect(),
    }
}

/// One chain, and what it takes.
#[must_use]
pub fn chain(shown: &HeadView, entries: u64, bytes: u64) -> Chain {
    Chain { head: head(shown), entries, bytes }
}

fn forks(view: &View) -> Vec<Fork> {
    let fork = |fork: &ForkView| Fork {
        author: fork.author.clone(),
        incarnation: life(&fork.incarnation),
        lane: fork.lane.into(),
        sequence: fork.sequence,
    };
    view.journal.forks.iter().map(fork).collect()
}

fn head(head: &HeadView) -> Head {
    let behind = |(peer, entries): &(String, u64)| Behind { peer: peer.clone(), entries: *entries };
    Head {
        author: head.author.clone(),
        incarnation: life(&head.incarnation),
        lane: head.lane.into(),
        base: head.base,
        sequence: head.sequence,
        behind: head.behind.iter().map(behind).collect(),
        missing_entries: head.missing,
    }
}
