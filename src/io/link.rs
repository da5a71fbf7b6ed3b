//! Authenticated connections between nodes.
//!
//! A link is TCP with TLS 1.3 and raw public keys (RFC 7250) on both sides: the Ed25519 key of a node
//! for a network *is* its identity there, and the name of the application protocol (ALPN) says which
//! network. [`accept_loop`] takes connections from members of the networks that this host is in;
//! [`dial`] makes one to a node whose key is known; both yield a [`Connection`]. [`run`] then talks
//! until one side has enough: it reads frames, checks what is signed, and tells what happened as
//! [`Event`]s; it writes what it is given as [`Outgoing`], small messages before batches.
//!
//! Nothing here decides anything. Back-pressure is plain waiting: a full channel of events stops the
//! reading, TCP stops the peer. Who is a member is looked up at each handshake; a link that is
//! already up stays up until its owner closes it. Strangers who want to be admitted, and links that
//! do not run over TCP, are not served here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::base::id::{NetworkId, NodeId};
use crate::base::key::SecretKey;
use crate::base::limits;
use crate::base::wire::{Hello, Message};

mod accept;
mod dial;
mod frames;
mod listen;
mod seen;
mod speak;
mod talk;
mod tls;

pub use self::accept::accept_loop;
pub use self::dial::dial;
pub use self::talk::run;

/// The nodes of one network that may have links; the sender replaces the set when the roster changes.
pub type Members = watch::Receiver<Arc<BTreeSet<NodeId>>>;

/// What this host is in one network.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Which network.
    pub network: NetworkId,
    /// This node's key there.
    pub key: SecretKey,
    /// Who else is in it.
    pub members: Members,
}

/// How long a link waits for what. The default is what [`limits`] says; tests are less patient.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For TCP and TLS together, and again for the first frame.
    pub handshake: Duration,
    /// Between two pings.
    pub keepalive: Duration,
    /// A peer that sends nothing at all for so many times `keepalive` is gone.
    pub misses: u32,
    /// A peer that answers no ping for so long is gone, even if it sends.
    pub answer: Duration,
    /// A socket that takes no byte for so long has no reader.
    pub stall: Duration,
    /// For last words when the link ends.
    pub linger: Duration,
}

/// An authenticated connection on which nothing was said yet.
#[derive(Debug)]
pub struct Connection {
    /// The network that it is for.
    pub network: NetworkId,
    /// Who is at the other end, proved by its key.
    pub peer: NodeId,
    /// Where it is.
    pub remote: SocketAddr,
    stream: tokio_rustls::TlsStream<TcpStream>,
}

/// What happens on a link. The order is: perhaps `Up`, then any of the others, then `Down` once.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Both ends speak this protocol, and mean the same network.
    Up {
        /// What the other end says of itself.
        hello: Hello,
    },
    /// A message came; everything signed in it is checked. Greetings and keepalive never come here.
    Message(Message),
    /// A ping was answered.
    Measured {
        /// Round trip in microseconds.
        time_us: u32,
        /// By how much the peer's wall clock is ahead, in milliseconds.
        offset_ms: i64,
        /// Bytes of frames sent on this link so far, as they are before TLS.
        sent: u64,
        /// Bytes received, likewise.
        received: u64,
    },
    /// The oldest batch that was not yet reported was taken by the socket to its last byte.
    Drained,
    /// The link is gone, and everything received was delivered before; why, in one line. Without an
    /// `Up` before, no link came about; a dialler learns here that the peer refuses its key.
    Down(String),
}

/// What a link is given to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// Something small; goes before what is left of batches.
    Message(Message),
    /// Encoded frames, as [`crate::base::wire::entries_frame`] makes them; `Drained` answers. Small
    /// messages go between two frames, so frames of some 64 KiB keep them quick on slow lines.
    Batch(Vec<Vec<u8>>),
    /// Say goodbye with this reason and end; what is left of batches is dropped. Letting go of the
    /// channel does the same without a reason.
    Close(String),
}

/// Somebody who was not let in. Anybody who can reach the port can cause these: count, do not log each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it came from.
    pub remote: SocketAddr,
    /// The network that it asked for, where this host is in it.
    pub network: Option<NetworkId>,
    /// The key that it proved to have, and that is not a member's.
    pub key: Option<NodeId>,
    /// Why, in one line.
    pub reason: String,
}

/// Why a dial led to no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// The node to dial is not a member (any more), so nothing was tried.
    Stranger(NodeId),
    /// The address is none, or its name has none: the resolver's words.
    Name(String),
    /// Each address was tried, and why each failed.
    Failed(String),
    /// The time was up; what was learnt until then, perhaps nothing.
    Slow(Duration, String),
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: limits::HANDSHAKE_TIME.std(),
            keepalive: limits::KEEPALIVE.std(),
            misses: limits::KEEPALIVE_MISSES,
            answer: limits::LINK_ANSWER.std(),
            stall: limits::LINK_STALL.std(),
            linger: limits::LINK_LINGER.std(),
        }
    }
}

impl Timing {
    /// After so long without a byte the peer is gone.
    fn silence(&self) -> Duration {
        self.keepalive * self.misses
    }
}

impl std::fmt::Display for LinkFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stranger(node) => write!(f, "{node} is not a member of this network (any more), so it is not dialled"),
            Self::Name(why) => write!(f, "the address cannot be used: {why}; write it as name:port or number:port"),
            Self::Failed(why) => f.write_str(why),
            Self::Slow(time, why) if why.is_empty() => write!(f, "no answer within {}", seconds(*time)),
            Self::Slow(time, why) => write!(f, "no link within {}: {why}", seconds(*time)),
        }
    }
}

impl std::error::Error for LinkFault {}

/// Makes the kernel notice what is broken and hold little. An option that a kernel does not have
/// costs only comfort: the link's own pings end it in any case.
fn prepare(stream: &TcpStream, timing: &Timing) {
    let _ = stream.set_nodelay(true);
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new().with_time(timing.silence()).with_interval(timing.keepalive);
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(timing.stall));
    let _ = socket.set_tcp_notsent_lowat(limits::LINK_UNSENT);
}

/// A duration as a sentence has it: `8s`, `250ms`.
fn seconds(time: Duration) -> String {
    crate::base::time::Span(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).to_string()
}

#[cfg(test)]
mod tests;
