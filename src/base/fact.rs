//! Every kind of thing that a node may say in the journal, and its format.
//!
//! A fact is a number that names its kind and a CBOR body. Bodies are arrays with numbered places:
//! a later version may add places at the end, which an earlier one skips. A kind that this version
//! does not know is kept as it came ([`Fact::Unknown`]), stored and relayed. Numbers are never reused.

use minicbor::{CborLen, Decode, Encode};

use crate::base::id::{Domain, EntryHash, Incarnation, IncidentId, IntentKey, Lane, NodeId, TargetId};
use crate::base::outcome::{Standing, Verdict};

/// One statement of its author.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// The author's new life begins.
    Open(Open),
    /// The author's verdict on a target changed, or is restated.
    Judged(Judged),
    /// One of the author's links came or went.
    Linked(Linked),
    /// What the author is and can do.
    Inventory(Inventory),
    /// A target's standing is bad.
    Opened(Opened),
    /// A target's standing is good again.
    Closed(Closed),
    /// Somebody knows of an incident and sees to it.
    Acknowledged(Acknowledged),
    /// Of some targets nothing new is told for a while.
    Silenced(Silenced),
    /// A silence is over.
    Unsilenced(Unsilenced),
    /// The author would perform an action for these keys.
    Propose(Propose),
    /// The author will not hinder this ballot.
    Grant(Grant),
    /// The author gives up its ballot.
    Yield(Yield),
    /// The author begins to act.
    Executing(Executing),
    /// What became of an action.
    Done(Done),
    /// Of one of the author's chains nothing up to here is in force any more.
    Base(Mark),
    /// Of incarnations of the author before this one nothing is in force any more.
    Floor(Floor),
    /// How many incidents a target has had, so that no number is given twice after the first are pruned.
    Counted(Counted),
    /// A value of the author's part of the key/value store.
    Put(Put),
    /// A key of the author's part is gone.
    Deleted(Deleted),
    /// An admin ends the membership of a key, for good.
    Revoked(Revoked),
    /// An admin ends the chains of a node that will not return.
    Retired(Revoked),
    /// What the author measured in one period.
    Rollup(Rollup),
    /// A kind that this version does not know.
    Unknown {
        /// Its number.
        kind: u16,
        /// Its body as it came.
        body: Vec<u8>,
    },
}

/// The first entry of an incarnation's state lane.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Open {
    /// The incarnation before, as far as it is known here.
    #[n(0)]
    pub previous: Option<Incarnation>,
    /// Why a new one: `first start`, `host restarted`, `database restored`.
    #[n(1)]
    pub reason: String,
    /// The version that wrote this.
    #[n(2)]
    pub software: String,
}

/// A place in one of the author's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Mark {
    /// In which life.
    #[n(0)]
    pub incarnation: Incarnation,
    /// On which lane.
    #[n(1)]
    pub lane: Lane,
    /// The sequence number.
    #[n(2)]
    pub sequence: u64,
    /// Hash of the entry there.
    #[n(3)]
    pub hash: EntryHash,
}

/// The lowest incarnation of the author of which anything is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Floor {
    /// That incarnation.
    #[n(0)]
    pub incarnation: Incarnation,
}

/// The greatest number that an incident of a target has had.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Counted {
    /// The target.
    #[n(0)]
    pub target: TargetId,
    /// The number.
    #[n(1)]
    pub number: u32,
}

/// A value of the key/value store. A checkpoint says it again with the same revision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Put {
    /// The key, at most [`limits::KV_KEY`](crate::base::limits::KV_KEY) bytes.
    #[n(0)]
    pub key: String,
    /// The value, at most [`limits::KV_VALUE`](crate::base::limits::KV_VALUE) bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub value: Vec<u8>,
    /// Its media type (RFC 2046), at most [`limits::KV_MEDIA`](crate::base::limits::KV_MEDIA) bytes.
    #[n(2)]
    pub media: String,
    /// The Lamport number of the entry that said it first, so that it grows over all lives of the author.
    #[n(3)]
    pub revision: u64,
    /// When, by the author's wall clock in milliseconds.
    #[n(4)]
    pub at: i64,
    /// The life of the author in which it was said first, so that what a later life says again stays as old as it is.
    #[n(5)]
    pub life: Incarnation,
}

/// A key of the key/value store is gone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Deleted {
    /// The key.
    #[n(0)]
    pub key: String,
    /// As in [`Put::revision`].
    #[n(1)]
    pub revision: u64,
    /// When, by the author's wall clock in milliseconds.
    #[n(2)]
    pub at: i64,
    /// As in [`Put::life`].
    #[n(3)]
    pub life: Incarnation,
}

/// The end of a key's membership, or of the chains of a node that will not return.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Revoked {
    /// Whose.
    #[n(0)]
    pub node: NodeId,
    /// The last entries that are accepted, one place for each chain; of others none.
    #[n(1)]
    pub heads: Vec<Mark>,
    /// Why, for people.
    #[n(2)]
    pub reason: String,
}

/// One node's verdict on one target.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Judged {
    /// The target.
    #[n(0)]
    pub target: TargetId,
    /// The verdict.
    #[n(1)]
    pub verdict: Verdict,
    /// Since when, by the author's wall clock in milliseconds: for a bad one the first bad look.
    #[n(2)]
    pub since: i64,
    /// What was seen, one line.
    #[n(3)]
    pub detail: String,
    /// Typical time of the last look in microseconds.
    #[n(4)]
    pub time: Option<u32>,
    /// Lost packets of the last look in hundredths of a percent.
    #[n(5)]
    pub loss: Option<u16>,
    /// The last good look by the author's wall clock in milliseconds.
    #[n(6)]
    pub last_good: Option<i64>,
}

/// One node's link to a peer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Linked {
    /// The other end.
    #[n(0)]
    pub peer: NodeId,
    /// Whether there is a link.
    #[n(1)]
    pub up: bool,
    /// Since when, by the author's wall clock in milliseconds.
    #[n(2)]
    pub since: i64,
    /// Why it went, or over which address it came.
    #[n(3)]
    pub detail: String,
}

/// What a node is and can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Inventory {
    /// The version of its software.
    #[n(0)]
    pub software: String,
    /// Hash of the definition that it follows.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub definition: [u8; 32],
    /// What it has of what channels need: `mail`, `webhook`, `secret:NAME`, `hook:NAME`.
    #[n(2)]
    pub ways: Vec<String>,
    /// Operating system, for people.
    #[n(3)]
    pub system: String,
    /// What it may not do, for people: `no raw sockets`.
    #[n(4)]
    pub lacks: Vec<String>,
}

/// A vote that an incident rests on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Vote {
    /// The watcher.
    #[n(0)]
    pub node: NodeId,
    /// What it said.
    #[n(1)]
    pub verdict: Verdict,
}

/// An incident opens.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Opened {
    /// Which.
    #[n(0)]
    pub incident: IncidentId,
    /// How bad.
    #[n(1)]
    pub standing: Standing,
    /// The verdicts that it rests on.
    #[n(2)]
    pub votes: Vec<Vote>,
    /// The first bad look among them, by that watcher's wall clock in milliseconds.
    #[n(3)]
    pub since: i64,
    /// Why, in one line: the most telling detail of the votes.
    #[n(4)]
    pub reason: String,
    /// Nodes that the author saw alive, itself included.
    #[n(5)]
    pub seen: u16,
    /// Nodes enrolled.
    #[n(6)]
    pub enrolled: u16,
    /// Names of the channels that are to be told of it, so that it is told even if it is over before
    /// anybody who can tell has heard of it.
    #[n(7)]
    pub channels: Vec<String>,
    /// The target flaps: so many incidents of it came within a short time, this one included. It stays open until the
    /// target is steady.
    #[n(8)]
    pub flapping: Option<u32>,
}

/// An incident closes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Closed {
    /// Which.
    #[n(0)]
    pub incident: IncidentId,
    /// The `Opened` entries that it ends; others stay open.
    #[n(1)]
    pub covers: Vec<EntryHash>,
    /// When, by the author's wall clock in milliseconds.
    #[n(2)]
    pub at: i64,
    /// How long it lasted, in milliseconds, as the author saw it.
    #[n(3)]
    pub lasted: u64,
    /// The standing now.
    #[n(4)]
    pub standing: Standing,
}

/// Somebody knows of an incident: nobody is reminded of it any more. It names one incident, so the next one of its target
/// is told and reminded of like any.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Acknowledged {
    /// Which.
    #[n(0)]
    pub incident: IncidentId,
    /// When, by the author's wall clock in milliseconds.
    #[n(1)]
    pub at: i64,
    /// Who, as the face was told; may be empty.
    #[n(2)]
    pub person: String,
    /// Why or what is done, one line; may be empty.
    #[n(3)]
    pub reason: String,
}

/// Of some targets nothing new is told until an [`Unsilenced`] with the same number. It may be said again as it was.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Silenced {
    /// Drawn by the author.
    #[n(0)]
    pub id: u32,
    /// Targets by name, `*` for any letters.
    #[n(1)]
    pub targets: Vec<String>,
    /// Targets by group.
    #[n(2)]
    pub groups: Vec<String>,
    /// When it began, by the author's wall clock in milliseconds.
    #[n(3)]
    pub at: i64,
    /// For how many milliseconds it was asked.
    #[n(4)]
    pub lasts: u64,
    /// As in [`Acknowledged::person`].
    #[n(5)]
    pub person: String,
    /// Why, one line; may be empty.
    #[n(6)]
    pub reason: String,
}

/// A silence is over, whoever began it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Unsilenced {
    /// Which.
    #[n(0)]
    pub id: u32,
    /// When, by the author's wall clock in milliseconds.
    #[n(1)]
    pub at: i64,
    /// Somebody ended it before its time.
    #[n(2)]
    pub early: bool,
    /// As in [`Acknowledged::person`].
    #[n(3)]
    pub person: String,
}

/// A candidate asks for the votes on a group of keys. The entry's hash names the ballot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Propose {
    /// What the keys have in common.
    #[n(0)]
    pub domain: Domain,
    /// The actions, at most [`crate::base::limits::GROUP`].
    #[n(1)]
    pub keys: Vec<IntentKey>,
    /// How often the author has failed on these keys.
    #[n(2)]
    pub failures: u32,
}

/// A voter's promise: no other candidate has or gets its vote on these keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Grant {
    /// The entry that proposed.
    #[n(0)]
    pub ballot: EntryHash,
    /// Who proposed.
    #[n(1)]
    pub candidate: NodeId,
    /// The granted keys of that ballot.
    #[n(2)]
    pub keys: Vec<IntentKey>,
}

/// A candidate gives up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Yield {
    /// The entry that proposed.
    #[n(0)]
    pub ballot: EntryHash,
}

/// A candidate with all votes begins to act.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Executing {
    /// The entry that proposed.
    #[n(0)]
    pub ballot: EntryHash,
    /// The group of keys that leave together.
    #[n(1)]
    pub keys: Vec<IntentKey>,
    /// The Message-ID, without angle brackets; whoever takes over uses the same.
    #[n(2)]
    pub message: String,
    /// Voters that were silent and not awaited.
    #[n(3)]
    pub absent: Vec<NodeId>,
}

/// The receipt: what became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Done {
    /// The entry that proposed.
    #[n(0)]
    pub ballot: EntryHash,
    /// The keys that were acted for.
    #[n(1)]
    pub keys: Vec<IntentKey>,
    /// Whether it worked.
    #[n(2)]
    pub success: bool,
    /// What the server said, one line.
    #[n(3)]
    pub detail: String,
    /// The Message-ID used.
    #[n(4)]
    pub message: String,
    /// Recipients that the server refused for good.
    #[n(5)]
    pub refused: Vec<String>,
    /// The `Opened` entries that the action told of.
    #[n(6)]
    pub covers: Vec<EntryHash>,
    /// After a failure: the server asks not to be tried again, by anybody, before so many seconds have passed.
    #[n(7)]
    pub after: Option<u32>,
}

/// Measurements of one period, a column per quantity; all columns have the length of `targets`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Rollup {
    /// Begin of the period by the author's wall clock, in milliseconds.
    #[n(0)]
    pub from: i64,
    /// Length of the period in milliseconds.
    #[n(1)]
    pub length: u64,
    /// What was measured.
    #[n(2)]
    pub targets: Vec<TargetId>,
    /// Looks made.
    #[n(3)]
    pub looks: Vec<u32>,
    /// Good looks among them.
    #[n(4)]
    pub good: Vec<u32>,
    /// Packets sent.
    #[n(5)]
    pub sent: Vec<u32>,
    /// Answers received.
    #[n(6)]
    pub received: Vec<u32>,
    /// Fastest, mean and slowest typical time in microseconds; all zero without an answer.
    #[n(7)]
    pub least: Vec<u32>,
    /// See `least`.
    #[n(8)]
    pub mean: Vec<u32>,
    /// See `least`.
    #[n(9)]
    pub most: Vec<u32>,
}

macro_rules! kinds {
    ($($number:literal $name:ident $lane:ident),* $(,)?) => {
        impl Fact {
            /// The number of its kind.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $number,)*
                    Self::Unknown { kind, .. } => *kind,
                }
            }

            /// The name of its kind, for people.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                    Self::Unknown { .. } => "unknown",
                }
            }

            /// The lane that it belongs to; an unknown kind belongs wherever it was found.
            #[must_use]
            pub const fn lane(&self) -> Option<Lane> {
                match self {
                    $(Self::$name(_) => Some(Lane::$lane),)*
                    Self::Unknown { .. } => None,
                }
            }

            /// The CBOR body.
            #[must_use]
            pub fn body(&self) -> Vec<u8> {
                match self {
                    $(Self::$name(fact) => encode(fact),)*
                    Self::Unknown { body, .. } => body.clone(),
                }
            }

            /// Reads a body. A kind that is unknown, or a body that this version cannot read, is
            /// kept as it came: it was signed, and others may understand it.
            #[must_use]
            pub fn read(kind: u16, body: &[u8]) -> Self {
                let known = match kind {
                    $($number => minicbor::decode(body).ok().map(Self::$name),)*
                    _ => None,
                };
                known.unwrap_or_else(|| Self::Unknown { kind, body: body.to_vec() })
            }
        }
    };
}

kinds! {
    1 Open State,
    2 Judged State,
    3 Linked State,
    4 Inventory State,
    5 Base State,
    6 Floor State,
    7 Counted State,
    8 Put State,
    9 Deleted State,
    16 Revoked State,
    17 Retired State,
    32 Opened Events,
    33 Closed Events,
    34 Acknowledged Events,
    35 Silenced Events,
    36 Unsilenced Events,
    40 Propose Events,
    41 Grant Events,
    42 Yield Events,
    43 Executing Events,
    44 Done Events,
    // A roll-up's lane is chosen by the length of its period; minutes is where most of them lie.
    64 Rollup Minutes,
}

impl Fact {
    /// A life of the author that it knew when it said this, if the fact names one.
    #[must_use]
    pub const fn known_life(&self) -> Option<Incarnation> {
        match self {
            Self::Open(open) => open.previous,
            Self::Base(mark) => Some(mark.incarnation),
            Self::Floor(floor) => Some(floor.incarnation),
            _ => None,
        }
    }
}

fn encode<T: Encode<()> + CborLen<()>>(value: &T) -> Vec<u8> {
    // Writing to a Vec cannot fail, and the derived encoders have no errors of their own.
    minicbor::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_kinds_and_unreadable_bodies_are_kept_as_they_came() {
        for (kind, body) in [(999, vec![1, 2, 3]), (2, vec![0xff, 0xff])] {
            let fact = Fact::read(kind, &body);
            assert_eq!(fact, Fact::Unknown { kind, body: body.clone() });
            assert_eq!((fact.kind(), fact.body()), (kind, body));
        }
    }

    #[test]
    fn places_added_by_a_later_version_are_skipped() {
        let today = Yield { ballot: EntryHash([3; 32]) };
        let mut later = minicbor::to_vec(&today).unwrap();
        assert_eq!(later[0], 0x81, "an array of one");
        later[0] = 0x82;
        later.extend(minicbor::to_vec("added later").unwrap());
        assert_eq!(Fact::read(42, &later), Fact::Yield(today));
    }
}
