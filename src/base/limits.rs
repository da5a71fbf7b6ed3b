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

/// Chains that one heads message may name; at some 110 bytes each they fit a frame. More take several.
pub const HEADS: usize = 8 * 1024;

/// Nodes, recipients or entries that one fact names; more would not be read, and must fit an entry.
pub const NAMED: usize = 256;

/// Inputs in one turn of the loop, so that a flood cannot hold back a commit for long; wild guess.
pub const TURN: usize = 512;

/// Inputs waiting for the loop. Link tasks wait when it is full, and TCP slows the sender.
pub const INBOX: usize = 4096;

/// Messages waiting to be written to one link; beyond it the link is closed, since heads repair it.
pub const LINK_QUEUE: usize = 256;

/// Probes at work at once on one node; the next wait.
pub const PROBES: usize = 512;

/// ICMP looks at work at once. They share one socket, so they are bound only by its 65,536 sequence numbers.
pub const ECHOES: usize = 8192;

/// Name lookups at once. Each holds a thread, for as long as a dead name server lets it wait.
pub const LOOKUPS: usize = 64;

/// Addresses of one name that a probe tries, so that each has a fair share of the timeout.
pub const ADDRESSES: usize = 8;

/// Redirects that an HTTP probe follows; browsers follow 20, health checks need one or two.
pub const REDIRECTS: usize = 5;

/// Bytes of the head of an HTTP answer that a probe reads; servers themselves accept 8 to 64 KiB.
pub const HTTP_HEAD: usize = 64 * 1024;

/// Bytes of a compiled regular expression; beyond it the expression is refused. A banner needs a hundredth.
pub const EXPRESSION: usize = 1024 * 1024;

/// Bytes of a file about this host (`resolv.conf`, `os-release`, the routes) that are read.
pub const HOST_FILE: u64 = 1024 * 1024;

/// Name servers that are taken from this host; the C library itself uses three.
pub const NAME_SERVERS: usize = 8;

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
pub const REQUESTS: usize = 16 * 1024;

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

/// Samples removed in one transaction (10 to 40 ms), and transactions in one go, so that the loop never stands still; 20,000
/// a minute are more than 10,000 targets at the default interval leave.
pub const SAMPLE_CHUNK: u64 = 2000;
/// See [`SAMPLE_CHUNK`].
pub const SAMPLE_CHUNKS: u32 = 10;

/// Samples of one target in one answer: [`SAMPLE_AGE`] at six a minute.
pub const SAMPLES_READ: u32 = 60_480;

/// How long the store waits for another program that holds the database; a quarter of a link's patience.
pub const STORE_BUSY: Span = Span::secs(2);

/// Bytes of the database's write-ahead log that stay on the disk after they were copied into the database.
pub const STORE_LOG: u32 = 64 * 1024 * 1024;

/// Free pages kept in the database for the next samples (4 MiB) before any is given back to the file system.
pub const STORE_SLACK: i64 = 1024;

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

/// Drop-ins beside one configuration file; nobody reads more, wild guess.
pub const DROPINS: usize = 256;

/// Bytes of one key file: a PEM key has some 120, and comments may stand around it.
pub const KEY_FILE: u64 = 16 * 1024;

/// Bytes of one secret: the longest token in use is a small part of it.
pub const SECRET: u64 = 4 * 1024;

/// Characters of a name: what a DNS label, and so a host, may have.
pub const NAME: usize = 63;

/// Bytes of one text in a configuration (a URL, a pattern, a runbook): what browsers and servers still take.
pub const TEXT: usize = 2048;

/// Addresses of one node; each is dialled in turn, so more would only delay a link; wild guess.
pub const NODE_ADDRESSES: usize = 16;

/// References of a network: every node looks at each of them.
pub const REFERENCES: usize = 16;

/// Targets that one target may depend on; wild guess.
pub const DEPENDS: usize = 64;

/// Channels of one network; each is a performer to agree on; wild guess.
pub const CHANNELS: usize = 64;

/// Recipients of one channel: what mail servers take in one envelope (RFC 5321 4.5.3.1.8).
pub const RECIPIENTS: usize = 100;

/// Header fields of one HTTP probe; wild guess.
pub const HEADERS: usize = 32;

/// Least time between two looks at a target: as often as `ping` lets everybody ask.
pub const INTERVAL_LEAST: Span = Span(200);
/// Most time between two looks; whoever looks less often watches nothing.
pub const INTERVAL_MOST: Span = Span::secs(86_400);

/// Least time that one look gets: a round trip on the same wire.
pub const TIMEOUT_LEAST: Span = Span(10);

/// Least time between two packets of one look; less is a flood.
pub const PING_GAP_LEAST: Span = Span(10);

/// Least and most time that a granted ballot may act: DESIGN.md 8; below 10 s only for tests.
pub const LEASE_LEAST: Span = Span::secs(4);
/// See [`LEASE_LEAST`].
pub const LEASE_MOST: Span = Span::secs(600);

/// Most time for which notices wait for one another: DESIGN.md 8.
pub const GROUP_TIME_MOST: Span = Span::secs(30);

/// Least size of a journal: a small network's state and a few days of events; wild guess.
pub const JOURNAL_LEAST: u64 = 16 * 1024 * 1024;
/// Most size of a journal; larger ones have never been tried.
pub const JOURNAL_MOST: u64 = 1 << 42;

/// Web connections at once.
pub const WEB_CONNECTIONS: usize = 256;

/// Of these, event streams at once, so that open pages cannot keep everybody else out; wild guess.
pub const WEB_STREAMS: usize = 64;

/// An event stream ends after this time and the browser comes back, so that none is held for ever.
pub const WEB_STREAM_TIME: Span = Span::secs(900);

/// Time for the head of a request, and for a connection to wait for its next one.
pub const WEB_HEAD_TIME: Span = Span::secs(15);

/// A client that has taken nothing for this long is cut off.
pub const WEB_STALL: Span = Span::secs(30);

/// Bytes of a request's head; browsers send one or two thousand.
pub const WEB_HEAD: usize = 16 * 1024;

/// Reads of the past at once, each on a thread of its own; wild guess.
pub const WEB_READS: usize = 4;

/// Ping requests from the web under way at once; each makes every node send packets.
pub const WEB_PINGS: usize = 4;

/// Raw samples in one answer: some 2 MB.
pub const WEB_SAMPLES: u32 = 10_000;

/// Targets, and also nodes, on one page: what a browser lays out without delay. The rest is on the next.
pub const WEB_ROWS: usize = 200;

/// Incidents of each kind on the page; what was before is in the JSON.
pub const WEB_INCIDENTS: usize = 50;

/// Lines of detail (links of a node, heads) where hundreds would help nobody.
pub const WEB_LINES: usize = 64;

/// Samples put aside while the database cannot be written: an hour of a hundred targets.
pub const SAMPLES_ASIDE: usize = 12_000;

/// Targets, and incidents, that the bus shows. One call returns them all, and the system bus cuts off who
/// sends it more than 32 MiB: 10,000 targets with their rows make 26 MiB at the very most.
pub const BUS_TARGETS: usize = 10_000;
/// See [`BUS_TARGETS`]; nobody reads more incidents than this.
pub const BUS_INCIDENTS: usize = 2_000;

/// Rows (watchers of targets) that the bus shows together, some 500 bytes each at most: see
/// [`BUS_TARGETS`]. Complete for 200 nodes and 200 targets; above, each target shows its share.
pub const BUS_ROWS: usize = 40_000;

/// Bytes of a host's name in a question: what the domain name system allows.
pub const HOST: usize = 253;

/// Incidents of one target that are over and still to be told, as after days without a mail server; older ones are let go.
pub const UNTOLD: usize = 32;

/// A target that was closed is opened again only after a pause, first and longest; each closing within the
/// memory doubles it. Two looks confirm a recovery, so the first is about as long.
pub const REOPEN_FIRST: Span = Span::secs(2);
/// See [`REOPEN_FIRST`].
pub const REOPEN_MOST: Span = Span::secs(120);
/// See [`REOPEN_FIRST`].
pub const REOPEN_MEMORY: Span = Span::secs(300);
