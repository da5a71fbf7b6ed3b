//! Everything that can happen to a node. There is no other way in.

use crate::base::command::{Command, CommandId};
use crate::base::entry::Entry;
use crate::base::id::{ChainId, EntryHash, LinkId, NodeId};
use crate::base::notice::Delivery;
use crate::base::outcome::Outcome;
use crate::base::wire::Message;
use crate::logic::node::Settings;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time passed. Idempotent: an extra one changes nothing.
    Tick,
    /// A look came back.
    Probed {
        /// From the order.
        id: u64,
        /// What it saw.
        outcome: Outcome,
    },
    /// A link is ready: authenticated, and both ends speak this protocol.
    LinkUp {
        /// Its name from now on.
        link: LinkId,
        /// Who is at the other end, proved by its key.
        peer: NodeId,
        /// Whether this node dialled, and which address.
        dialled: Option<String>,
        /// Address of the other end, for people.
        remote: String,
    },
    /// A link is gone, its bytes read to the end.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Why, in one line.
        reason: String,
    },
    /// A dial led to no link.
    DialFailed {
        /// Whom.
        peer: NodeId,
        /// Where.
        address: String,
        /// Why, in one line.
        reason: String,
    },
    /// A link measured its round trip.
    Measured {
        /// Which.
        link: LinkId,
        /// Round trip in microseconds.
        time: u32,
        /// By how much the peer's wall clock is ahead, in milliseconds.
        offset: i64,
        /// Bytes sent on it so far.
        sent: u64,
        /// Bytes received on it so far.
        received: u64,
    },
    /// A message came.
    Received {
        /// Over which link.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// The last batch asked for by [`crate::logic::effect::Effect::Stream`] was taken by the socket.
    Drained {
        /// Which link.
        link: LinkId,
    },
    /// An errand ended.
    Delivered {
        /// Its ballot.
        ballot: EntryHash,
        /// What became of it.
        delivery: Delivery,
    },
    /// A face asks.
    Command {
        /// Comes back with the reply.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// The entry that [`crate::logic::effect::Effect::Find`] asked for.
    Found {
        /// Its chain.
        chain: ChainId,
        /// Its place.
        sequence: u64,
        /// Its hash.
        hash: EntryHash,
    },
    /// Two entries for one place, both signed by its author: a fork.
    Forked(Box<(Entry, Entry)>),
    /// How much of [`crate::base::settings::Network::journal_size`] the database takes, in bytes.
    Used(u64),
    /// The definition or this host's settings changed.
    Reload(Box<Settings>),
}
