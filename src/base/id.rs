//! The names of things: nodes, networks, targets, chains, incidents, intents.
//!
//! Identifiers are values with an order and a short form for people. Nothing here knows what the
//! named thing is or does.

use std::fmt;
use std::fmt::Write as _;

use minicbor::{CborLen, Decode, Encode};

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

        impl $name {
            /// The whole value in hexadecimal.
            #[must_use]
            pub fn hex(&self) -> String {
                hex(&self.0)
            }

            /// The first eight hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                hex(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.short())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
    };
}

hash_id! {
    /// A member, known by its Ed25519 public key.
    NodeId
}
hash_id! {
    /// A network: the BLAKE3 hash of its `id` string.
    NetworkId
}
hash_id! {
    /// The BLAKE3 hash of an entry's signed bytes.
    EntryHash
}
hash_id! {
    /// What an intent is about; equal on all nodes that want the same action.
    IntentKey
}
hash_id! {
    /// What belongs together in the choice of a performer; for notices, the channel.
    Domain
}

impl NodeId {
    /// The key written as [`NodeId::hex`] does, if it is one.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }
}

impl NetworkId {
    /// The network with this `id` string.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self(*blake3::hash(id.as_bytes()).as_bytes())
    }
}

/// One life of a node's chains. A node that cannot prove that it continues opens a new one.
///
/// Ordered by the Lamport number of its `Open` entry, then by its random name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct Incarnation {
    /// The Lamport number of the `Open` entry.
    #[n(0)]
    pub opened: u64,
    /// Sixteen random bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.opened, hex(&self.nonce[..4]))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.opened, hex(&self.nonce[..4]))
    }
}

/// What kind of facts a chain carries; retention differs by lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Lane {
    /// Verdicts, links, roster, key/value, inventory, definition.
    #[n(0)]
    State,
    /// Incidents, votes, receipts, acknowledgements.
    #[n(1)]
    Events,
    /// Five-minute roll-ups of measurements.
    #[n(2)]
    Minutes,
    /// Hourly roll-ups.
    #[n(3)]
    Hours,
    /// Daily roll-ups.
    #[n(4)]
    Days,
}

impl Lane {
    /// Every lane, in the order in which they are replicated.
    pub const ALL: [Self; 5] = [Self::State, Self::Events, Self::Minutes, Self::Hours, Self::Days];

    /// The lane with this number on the wire and in the database.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::State),
            1 => Some(Self::Events),
            2 => Some(Self::Minutes),
            3 => Some(Self::Hours),
            4 => Some(Self::Days),
            _ => None,
        }
    }

    /// The lane's number on the wire and in the database.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The lane's name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Events => "events",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }
}

/// One append-only run of entries: an author's, in one incarnation, on one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct ChainId {
    /// Who signs.
    #[n(0)]
    pub author: NodeId,
    /// In which of its lives.
    #[n(1)]
    pub incarnation: Incarnation,
    /// What kind of facts.
    #[n(2)]
    pub lane: Lane,
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.author, self.incarnation, self.lane.name())
    }
}

/// A target's name within its network: from `network.toml`, or `node:NAME` for a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct TargetId(#[n(0)] pub String);

impl TargetId {
    /// The target that is the node called `name`.
    #[must_use]
    pub fn of_node(name: &str) -> Self {
        Self(format!("node:{name}"))
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A period in which a target's standing was bad: the target and its number, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct IncidentId {
    /// What was bad.
    #[n(0)]
    pub target: TargetId,
    /// One more than the target's closed incidents when it opened.
    #[n(1)]
    pub number: u32,
}

impl IncidentId {
    /// Reads `TARGET#NUMBER`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (target, number) = text.rsplit_once('#')?;
        Some(Self { target: TargetId(target.to_owned()), number: number.parse().ok()? })
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.target, self.number)
    }
}

/// One connection, named by the daemon that owns it; never reused while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_are_ordered_by_their_opening_before_their_name() {
        let earlier = Incarnation { opened: 3, nonce: [9; 16] };
        let later = Incarnation { opened: 4, nonce: [1; 16] };
        assert!(earlier < later);
        assert!(Incarnation { opened: 4, nonce: [0; 16] } < later);
    }

    #[test]
    fn lanes_keep_their_numbers() {
        for lane in Lane::ALL {
            assert_eq!(Lane::from_number(lane.number()), Some(lane));
        }
        assert_eq!(Lane::from_number(5), None);
    }
}
