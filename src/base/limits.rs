//! Every bound in one place, each with its reason, or the words "wild guess".
//!
//! A bound that a person may choose is a setting instead.

use crate::base::time::Span;

/// Bytes of one line of detail from a probe, a peer or a server: a screen line or two.
pub const DETAIL: usize = 240;

/// Bytes of one entry, signature included: DESIGN.md 6.
pub const ENTRY: usize = 64 * 1024;

/// Facts in one entry. An entry of 64 KiB holds no more than this many useful facts; wild guess.
pub const ENTRY_FACTS: usize = 1024;

/// Bytes of one frame on a link: sixteen full entries.
pub const FRAME: usize = 1024 * 1024;

/// Entries in one frame, so that one frame is at most some 30 ms of signature checks.
pub const FRAME_ENTRIES: usize = 256;

/// Bytes of entries in one batch read from the store for a link; well below a frame.
pub const BATCH_BYTES: usize = 512 * 1024;

/// Chains that one heads message may name: 1,000 nodes, five lanes, some old incarnations.
pub const HEADS: usize = 16 * 1024;

/// Inputs in one turn of the loop, so that a flood cannot hold back a commit for long; wild guess.
pub const TURN: usize = 512;

/// Inputs waiting for the loop. Link tasks wait when it is full, and TCP slows the sender.
pub const INBOX: usize = 4096;

/// Messages waiting to be written to one link; beyond it the link is closed, since heads repair it.
pub const LINK_QUEUE: usize = 256;

/// Probes at work at once on one node; the next wait.
pub const PROBES: usize = 512;

/// Bytes of an HTTP body that a probe reads.
pub const BODY: usize = 1024 * 1024;

/// Bytes that a TCP probe reads in search of what it expects.
pub const BANNER: usize = 16 * 1024;

/// Connections not yet authenticated, together; and from one address once half of them are taken.
pub const HANDSHAKES: usize = 64;
/// See [`HANDSHAKES`].
pub const HANDSHAKES_PER_ADDRESS: usize = 8;

/// Time for a TLS handshake and the first frame.
pub const HANDSHAKE_TIME: Span = Span::secs(10);

/// Between two pings of a link; four without answer end it.
pub const KEEPALIVE: Span = Span::secs(2);
/// See [`KEEPALIVE`].
pub const KEEPALIVE_MISSES: u32 = 4;

/// A link whose socket takes nothing for so long is cut off: the peer does not read, and keeping what
/// it should get helps nobody, since heads repair it.
pub const LINK_STALL: Span = Span::secs(30);

/// A peer that sends, but answers no ping for so long, is cut off. A pong may wait behind one full
/// frame, and a slow line (70 kbit/s) takes two minutes for that.
pub const LINK_ANSWER: Span = Span::secs(120);

/// Time for the last words of a link: a goodbye out, what is under way in.
pub const LINK_LINGER: Span = Span::secs(5);

/// Bytes that the kernel may hold unsent for one link, so that a vote need not wait behind megabytes
/// of history on a slow line.
pub const LINK_UNSENT: u32 = 128 * 1024;

/// Addresses that one dial tries: a name with more is taken for a mistake.
pub const DIAL_ADDRESSES: usize = 8;

/// Between the first tries of two addresses of one name (RFC 8305 5).
pub const DIAL_STAGGER: Span = Span(250);

/// Between two heartbeats of a node, and what each member of a large network adds: DESIGN.md 7.
pub const HEARTBEAT: Span = Span::secs(2);
/// See [`HEARTBEAT`].
pub const HEARTBEAT_PER_NODE: Span = Span(100);

/// Bounds of the time without heartbeat after which a node is suspect; memberlist and Icinga lie within.
pub const SUSPECT_LEAST: Span = Span::secs(8);
/// See [`SUSPECT_LEAST`].
pub const SUSPECT_MOST: Span = Span::secs(60);

/// Least time without heartbeat after which a node is dead; otherwise three times suspect.
pub const DEAD_LEAST: Span = Span::secs(30);

/// First and longest wait before an address is dialled again.
pub const REDIAL_FIRST: Span = Span(500);
/// See [`REDIAL_FIRST`].
pub const REDIAL_MOST: Span = Span::secs(60);

/// Between two digests of the heads on a link: repairs whatever a bug or a lost frame left behind.
pub const DIGEST: Span = Span::secs(30);

/// A voter silent for longer is not awaited: DESIGN.md 8.
pub const VOTER_SILENCE: Span = Span::secs(15);

/// What each rank waits longer before it proposes: longer than a usual vote and mail take together.
pub const TURN_OF_RANK: Span = Span::secs(5);

/// First and longest wait before an action that failed everywhere is tried again.
pub const RETRY_FIRST: Span = Span::secs(10);
/// See [`RETRY_FIRST`].
pub const RETRY_MOST: Span = Span::secs(600);

/// Keys in one proposal: what one mail can usefully list.
pub const GROUP: usize = 256;

/// What each rank waits longer before it opens or closes an incident that all of them see.
pub const TURN_OF_WITNESS: Span = Span(1500);

/// Commands under way at once; the next are refused with the remedy to wait.
pub const COMMANDS: usize = 64;

/// Ping requests remembered, so that none is answered or forwarded twice.
pub const REQUESTS: usize = 1024;

/// Longest time a ping request may ask nodes to take.
pub const REQUEST_TIME: Span = Span::secs(60);

/// Requests of one asker answered within [`REQUEST_TIME`], so that a member cannot make the others flood a host.
pub const REQUESTS_PER_ASKER: usize = 60;

/// One roll-up covers this much time.
pub const ROLLUP: Span = Span::secs(300);

/// Raw samples are kept on the node that measured for this long.
pub const SAMPLE_AGE: Span = Span::secs(7 * 86_400);

/// Raw samples kept at most; some 2 GB at 40 bytes would be too many for a small host, so 10 million.
pub const SAMPLES: u64 = 10_000_000;

/// Closed incidents shown in a view; older ones are read from the journal.
pub const INCIDENTS_SHOWN: usize = 200;

/// Between two wake-ups for the commit that failed: first and longest.
pub const COMMIT_RETRY_FIRST: Span = Span::secs(1);
/// See [`COMMIT_RETRY_FIRST`].
pub const COMMIT_RETRY_MOST: Span = Span::secs(60);

/// Nodes and targets of one network: 200 real nodes and 10,000 targets are tested; wild guess above.
pub const NODES: usize = 4096;
/// See [`NODES`].
pub const TARGETS: usize = 65_536;

/// Bytes of one configuration file: a hundred times the largest that is tested.
pub const CONFIG: u64 = 16 * 1024 * 1024;

/// Web connections at once.
pub const WEB_CONNECTIONS: usize = 256;
