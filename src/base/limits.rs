//! Every bound in one place, each with its reason, or the words "wild guess".
//!
//! A bound that a person may choose is a setting instead.

pub mod quiet;
pub mod source;

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

/// Bytes of entries in one frame, if there is more than one: a vote waits behind one such frame, half a
/// second on a line of 1 Mbit/s.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Entries in one batch, of which at most one is under way on a link: least, first and most. It doubles
/// while batches are taken within [`BATCH_QUICK`], and halves when one takes longer than [`BATCH_SLOW`], so
/// that what is written meanwhile soon has its turn on every line.
pub const BATCH: (u64, u64, u64) = (4, 64, 512);
/// See [`BATCH`].
pub const BATCH_QUICK: Span = Span(100);
/// See [`BATCH`].
pub const BATCH_SLOW: Span = Span(500);

/// A chain of which a peer lacks no more entries than this is sent before the history of others: votes do not
/// wait for a newcomer's history.
pub const LIVE: u64 = 16;

/// Chains of which one peer claims to have more than this node, remembered at once: all lanes of thirty lives of
/// 400 nodes, some 6 MB. What is beyond is heard of when heads are compared again.
pub const CLAIMS: usize = 64 * 1024;

/// What was sent over a link and the peer does not have after this time was lost, and is sent again.
pub const SENT_AGAIN: Span = Span::secs(10);

/// Least time between two answers over a link to entries whose predecessors are missing.
pub const GAP: Span = Span::secs(1);

/// Heartbeats of a node that came over other links only, before another is asked to pass them on.
pub const BEATS_MISSED: u8 = 2;

/// Heartbeats of one node are passed on no more often than this.
pub const BEAT_LEAST: Span = Span(200);

/// What is announced to peers that get it from its author is announced within this time, at random, and to so many of
/// them: usually nothing need be said any more, and in a full mesh everybody hears of everything from somebody.
pub const ANNOUNCE: Span = Span(500);
/// See [`ANNOUNCE`].
pub const ANNOUNCED: usize = 3;

/// Up to this many nodes everybody links with everybody; above, each keeps a bounded number of links.
pub const FULL_MESH: usize = 32;

/// Up to this many nodes everybody watches everybody; above, each node is watched by [`WATCHERS`]: verdicts, and what they
/// take in each journal, grow with the nodes and not with their square.
pub const ALL_WATCH: usize = FULL_MESH;
/// Watchers of each node of a large network. A majority of them is eight: one host in ten may be wrong about the others, and
/// still one majority in 30,000 would be.
pub const WATCHERS: u16 = 15;

/// In a large network one link more than wanted is tried so often, so many times for each link wanted, to find near peers.
pub const EXPLORE: Span = Span::secs(600);
/// See [`EXPLORE`].
pub const EXPLORE_MOST: usize = 3;
/// In a large network a node with more than twice the links that it wants gives up one of those that it dialled so often, at
/// least: when all start at once nobody knows yet how many links the others have, and each lets in whoever comes.
pub const SHED: Span = Span::secs(4);

/// In a large network members that are not heard of are each dialled about every [`REDIAL_MOST`], but no more of
/// them together than one in this time.
pub const DIAL_EVERY: Span = Span(250);
/// Dials under way at once in a large network.
pub const DIALS: usize = 32;

/// A link that lasts so long was worth dialling: the pauses between dials begin anew.
pub const LINK_LASTS: Span = Span::secs(10);

/// Chains that one heads message may name; at some 110 bytes each they fit a frame. More take several.
pub const HEADS: usize = 8 * 1024;

/// Nodes, recipients or entries that one fact names; more would not be read, and must fit an entry.
pub const NAMED: usize = 256;

/// Chains of one author of which anything is in force: five lanes, and a host that restarts every day
/// for the time that events are kept.
pub const CHAINS: usize = 2048;

/// The part of the journal that one author's state and events may fill: a quarter, so that one that writes
/// without end leaves room for the others.
pub const SHARES: u64 = 4;

/// A checkpoint of the state lane is due after so many entries, or after this multiple of the facts that it
/// says again, whichever is more: so checkpoints are at most a fifth of what is written.
pub const CHECKPOINT_MOST: u64 = 256;
/// Bytes of values after which one is due at the latest. With a full part said twice this stays below one
/// author's share of the smallest journal.
pub const CHECKPOINT_BYTES: usize = KV_BYTES;
/// See [`CHECKPOINT_MOST`].
pub const CHECKPOINT_FACTS: u64 = 4;
/// It is due as often in any case, if at least so many entries came since: DESIGN.md 6.
pub const CHECKPOINT_EVERY: Span = Span::secs(86_400);
/// See [`CHECKPOINT_EVERY`].
pub const CHECKPOINT_LEAST: u64 = 16;
/// The states of earlier lives are said again at most this often: they may turn up piece by piece.
pub const CHECKPOINT_PAUSE: Span = Span::secs(60);

/// A node looks so often whether its own chains are to be checkpointed or pruned.
pub const TEND: Span = Span::secs(5);

/// How long what is not in force any more may still be known from memory, so that the events are read
/// again once for many bases that move together.
pub const REFOLD: Span = Span::secs(60);

/// Nodes that a question for the way passes; the paths of a bounded mesh of a thousand nodes are a quarter of this.
pub const HOPS: usize = 64;

/// Proofs of forks, revocations and retirements kept: each ends a chain or a node, so an honest network has few.
pub const PROOFS: usize = 4096;
/// Bytes of the entries of all revocations and retirements: each names some hundred heads at most.
pub const PROOF_BYTES: usize = 16 * 1024 * 1024;
/// Forked chains of one author: a host cloned six times in the time that events are kept. Whoever forks more signs
/// anything, and nothing of it is believed. Each takes up to two entries of memory.
pub const FORKS: usize = 32;

/// Between two times that a peer whose chain differs is shown ours, so that both can find where it forked.
pub const SHOWN_AGAIN: Span = Span::secs(30);
/// How often one link may ask for that in a row, and how often what it shows is compared; then once a second. A
/// cloned host forks five lanes at once.
pub const SEARCHES: u64 = 8;

/// How often in a row forks are taken in, each of which reads the journal anew; then once in [`CUT_AGAIN`], so that a
/// member who forks its own chains all the time slows down nobody.
pub const CUTS: u64 = 8;
/// See [`CUTS`].
pub const CUT_AGAIN: Span = Span::secs(10);

/// Between two times that a peer with other heads is sent all proofs; there are few.
pub const PROVED_AGAIN: Span = Span::secs(30);

/// How long a node that may have lost something waits for the peers to return its own entries, before it opens a new
/// incarnation: DESIGN.md 6. From the first peer that said what it has, and at most.
pub const RETURN_FIRST: Span = Span::secs(5);
/// See [`RETURN_FIRST`].
pub const RETURN_MOST: Span = Span::secs(15);

/// By how much the Lamport number of an entry may lie above all that is known: what a network counts in centuries.
/// Without a bound one member could use up all numbers for everybody.
pub const LAMPORT_LEAP: u64 = 1 << 32;

/// By how much the number of an incident may lie above the last one known: what may be pruned between two checkpoints is
/// less. Without a bound one number would be the last; in leaps of this length that takes more bytes than one author gets.
pub const INCIDENT_LEAP: u32 = 64;

/// Bytes of a key of the key/value store.
pub const KV_KEY: usize = 255;
/// Bytes of a value: DESIGN.md 6; one value fits one entry.
pub const KV_VALUE: usize = 60 * 1024;
/// Bytes of a media type: RFC 6838 allows 127 for each half.
pub const KV_MEDIA: usize = 255;
/// Keys of one node: what a checkpoint says again in a second.
pub const KV_KEYS: usize = 4096;
/// Bytes of all keys and values of one node. Every node holds all of them in memory.
pub const KV_BYTES: usize = 1024 * 1024;
/// Keys deleted by one node since its last checkpoint; the node is asked to make one long before.
pub const KV_GONE: usize = 16 * 1024;
/// How often [`KV_KEYS`] and [`KV_BYTES`] of another node are kept. While several of its lives arrive in any
/// order, each may hold a full part; beyond this it breaks the rules, and nothing of its part is kept.
pub const KV_LIVES: usize = 8;
/// Bytes of the facts of one batch, which is one entry: the rest is header and signature.
pub const KV_BATCH: usize = ENTRY - 512;
/// Changes that a follower may be behind before it must read everything again: a full part.
pub const KV_RECENT: usize = KV_KEYS;
/// Bytes of these changes.
pub const KV_RECENT_BYTES: usize = 4 * 1024 * 1024;
/// Values that one answer on the bus lists, some 700 bytes each at most; the next call has the next.
pub const KV_ROWS: usize = 10_000;
/// Bytes of a value that a signal of the bus carries; a larger one is fetched by who wants it.
pub const KV_SIGNAL: usize = 1024;

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

/// Signed messages remembered as checked, so that copies over other links need no second check: all
/// heartbeats of some [`NODES`] for a quarter of a minute.
pub const SEEN: usize = 4096;

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

/// Most time between two heartbeats, reached with 200 nodes: a third of [`SUSPECT_MOST`], so that one that is lost makes
/// nobody suspect.
pub const HEARTBEAT_MOST: Span = Span::secs(20);

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

/// A peer whose second link was closed and that comes with one again within this time is let in: two longest waits.
pub const DOUBLED: Span = Span::secs(120);

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

/// How long an incident that was just heard of is left open by who sees no reason for it: the verdicts
/// behind it may still be on their way, over slower links.
pub const FRESH: Span = Span::secs(5);

/// What faces show is made anew after this time, also if nothing changed but when nodes were last heard.
pub const PICTURED: Span = Span::secs(10);

/// Commands under way at once; the next are refused with the remedy to wait.
pub const COMMANDS: usize = 64;

/// Ping requests remembered, so that none is answered or forwarded twice.
pub const REQUESTS: usize = 16 * 1024;

/// Longest time a ping request may ask nodes to take.
pub const REQUEST_TIME: Span = Span::secs(60);

/// Requests of one asker answered within [`REQUEST_TIME`], so that a member cannot make the others flood a host.
pub const REQUESTS_PER_ASKER: usize = 60;

/// Questions and answers of one node remembered, and so passed on, within [`REQUEST_TIME`]: those of four askers at
/// their limit. Beyond, a flood ends at the first node.
pub const REQUESTS_KEPT: usize = 240;

/// One roll-up covers this much time, or an hour, or a day.
pub const ROLLUP: Span = Span::secs(300);
/// See [`ROLLUP`].
pub const ROLLUP_HOUR: Span = Span::secs(3600);
/// See [`ROLLUP`].
pub const ROLLUP_DAY: Span = Span::secs(86_400);
/// Roll-ups that wait while the journal cannot be written: a day's. Older ones are let go.
pub const ROLLUPS_WAITING: usize = 288;

/// Roll-ups of five minutes and of hours are kept for so long, those of days for ever: DESIGN.md 6.
pub const MINUTES_AGE: Span = Span::secs(14 * 86_400);
/// See [`MINUTES_AGE`].
pub const HOURS_AGE: Span = Span::secs(400 * 86_400);
/// Incidents, votes and receipts are kept for so long: DESIGN.md 6.
pub const EVENTS_AGE: Span = Span::secs(400 * 86_400);

/// After so much longer an end or receipt is said again, if somebody keeps the opening that it belongs to: a node that
/// is gone never lets go of its own.
pub const EVENTS_GRACE: Span = Span::secs(30 * 86_400);

/// A node looks so often what of its own chains has become too old, for the first time after
/// [`AGE_FIRST`], and sooner when something was to be said again first.
pub const AGE_EVERY: Span = Span::secs(86_400);
/// See [`AGE_EVERY`].
pub const AGE_FIRST: Span = Span::secs(3600);
/// At most this part of a lane, or [`AGE_LEAST`] entries, go in one look: a wall clock that jumps years
/// ahead is noticed before much is lost.
pub const AGE_PART: u64 = 16;
/// See [`AGE_PART`].
pub const AGE_LEAST: u64 = 16;

/// The journal's fullness in percent above which a node gives up its own oldest roll-ups, and above which
/// it drops those of others from its own store.
pub const PRESSURE: u64 = 85;
/// See [`PRESSURE`].
pub const PRESSURE_OTHERS: u64 = 95;
/// Between two such steps, so that the first can have its effect: rows are removed at 10,000 a second.
pub const PRESSURE_PAUSE: Span = Span::secs(30);

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
pub const STORE_SLACK: u64 = 1024;

/// Bytes of the journal's bound that are kept for commits that drop something, where a sixteenth of the bound is
/// more: what an author says again at a checkpoint, many times over.
pub const STORE_RESERVE: u64 = 64 * 1024 * 1024;

/// Samples that stay even where the journal needs the room: an hour of thirty targets.
pub const SAMPLES_LEAST: u64 = 10_000;

/// Rows, and bytes of entries, that are removed in one transaction because they are not in force any more: 10 to 40 ms.
pub const SWEEP_ROWS: i64 = 2000;
/// See [`SWEEP_ROWS`].
pub const SWEEP_BYTES: i64 = 4 * 1024 * 1024;

/// Rows that a commit removes in passing, so that a checkpoint's leaves nothing behind and a large one is not held up.
pub const SWEEP_COMMIT: i64 = 512;

/// Own entries of the minutes lane that are read at a start, to go on with the hour and the day under way: a day of
/// one entry each five minutes is 288; twice that, since a period with many targets takes several.
pub const MINUTES_READ: u64 = 600;

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
/// Most time that a look at a reference may take.
pub const REFERENCE_TIMEOUT: Span = Span::secs(3);

/// Targets that one target may depend on; wild guess.
pub const DEPENDS: usize = 64;

/// Channels of one network; each is a performer to agree on; wild guess.
pub const CHANNELS: usize = 64;

/// Columns of a subject: what a line of a mail may have, and more than a telephone shows.
pub const SUBJECT: usize = 78;

/// Notices that a digest tells at length; the others in a line.
pub const AT_LENGTH: usize = 5;

/// An example may take so long on its way: a slow server takes a few seconds, and somebody waits.
pub const EXAMPLE_TIME: Span = Span::secs(30);

/// Bytes of a server's answer to a webhook, and of what a program writes, that are read.
pub const NOTIFY_ANSWER: usize = 16 * 1024;
/// See [`NOTIFY_ANSWER`].
pub const PROGRAM_OUTPUT: usize = 16 * 1024;

/// Targets, groups or hours that one channel chooses; wild guess.
pub const CHOSEN: usize = 256;

/// Secrets, and programs, of one node that channels may name: one for each channel.
pub const HOST_WAYS: usize = CHANNELS;

/// Arguments of one program; wild guess.
pub const ARGUMENTS: usize = 64;

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

/// Faults that one look over the journal names; a broken disk has millions, and nobody reads more than these.
pub const FAULTS: usize = 100;
