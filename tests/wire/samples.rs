//! One of everything that format 1 can say, with fixed keys and numbers, so that the bytes are the same
//! wherever they are made.
//!
//! A kind that is added to the format has to be added here, or this does not compile.

use peerwatch::base::entry::{Entry, Header};
use peerwatch::base::fact::{
    Acknowledged, Closed, Counted, Deleted, Done, Executing, Fact, Floor, Grant, Inventory, Judged, Linked, Mark, Open, Opened, Propose,
    Put, Revoked, Rollup, Silenced, Unsilenced, Vote, Yield,
};
use peerwatch::base::id::{ChainId, Domain, EntryHash, Incarnation, IncidentId, IntentKey, Lane, NetworkId, NodeId, TargetId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::time::Wall;
use peerwatch::base::wire::{Answer, Ask, Digest, Head, Heads, Heartbeat, Hello, Hop, Message, Ping, Pong, Prefer, Seek, Signed};

/// The network of all samples.
pub fn network() -> NetworkId {
    NetworkId::of("home")
}

/// The author of all samples.
pub fn key() -> SecretKey {
    SecretKey::from_bytes(&[1; 32])
}

const LIFE: Incarnation = Incarnation { opened: 258, nonce: [2; 16] };
const OTHER: NodeId = NodeId([3; 32]);
const BALLOT: EntryHash = EntryHash([4; 32]);
const OPENED: EntryHash = EntryHash([5; 32]);
const WALL: i64 = 1_780_000_000_123;

fn mark() -> Mark {
    Mark { incarnation: LIFE, lane: Lane::State, sequence: 70_000, hash: EntryHash([6; 32]) }
}

fn incident() -> IncidentId {
    IncidentId { target: TargetId("shop".into()), number: 3 }
}

fn revoked() -> Revoked {
    Revoked { node: OTHER, heads: vec![mark()], reason: "its disk was sold".into() }
}

/// Every kind of fact, full and as empty as it can be, by name.
pub fn facts() -> Vec<(&'static str, Fact)> {
    let keys = vec![IntentKey([7; 32]), IntentKey([8; 32])];
    let samples = vec![
        ("open", Fact::Open(Open { previous: Some(LIFE), reason: "host restarted".into(), software: "0.1.0".into() })),
        ("open-first", Fact::Open(Open { previous: None, reason: "first start".into(), software: String::new() })),
        ("judged", Fact::Judged(judged())),
        (
            "judged-bare",
            Fact::Judged(Judged { detail: String::new(), time: None, loss: None, last_good: None, verdict: Verdict::Unknown, ..judged() }),
        ),
        ("linked", Fact::Linked(Linked { peer: OTHER, up: true, since: -1, detail: "192.0.2.1:9630".into() })),
        (
            "inventory",
            Fact::Inventory(Inventory {
                software: "0.1.0".into(),
                definition: [9; 32],
                ways: vec!["mail".into()],
                system: "Debian GNU/Linux 12".into(),
                lacks: vec!["no raw sockets".into()],
            }),
        ),
        ("base", Fact::Base(mark())),
        ("floor", Fact::Floor(Floor { incarnation: LIFE })),
        ("counted", Fact::Counted(Counted { target: TargetId("shop".into()), number: 12 })),
        (
            "put",
            Fact::Put(Put {
                key: "motd".into(),
                value: vec![0, 255, 10],
                media: "application/octet-stream".into(),
                revision: 24,
                at: WALL,
                life: LIFE,
            }),
        ),
        ("deleted", Fact::Deleted(Deleted { key: "motd".into(), revision: 25, at: WALL, life: LIFE })),
        ("revoked", Fact::Revoked(revoked())),
        ("retired", Fact::Retired(revoked())),
        (
            "opened",
            Fact::Opened(Opened {
                incident: incident(),
                standing: Standing::Down,
                votes: vec![Vote { node: OTHER, verdict: Verdict::Down }],
                since: WALL,
                reason: "connection refused".into(),
                seen: 3,
                enrolled: 300,
                channels: vec!["ops".into()],
                flapping: None,
            }),
        ),
        (
            "opened-flapping",
            Fact::Opened(Opened {
                incident: incident(),
                standing: Standing::Degraded,
                votes: Vec::new(),
                since: WALL,
                reason: "flapping, bad for the 4th time within 1h: no answer".into(),
                seen: 1,
                enrolled: 1,
                channels: Vec::new(),
                flapping: Some(4),
            }),
        ),
        ("closed", Fact::Closed(Closed { incident: incident(), covers: vec![OPENED], at: WALL, lasted: 90_000, standing: Standing::Up })),
        (
            "acknowledged",
            Fact::Acknowledged(Acknowledged { incident: incident(), at: WALL, person: "anna".into(), reason: "on it".into() }),
        ),
        (
            "silenced",
            Fact::Silenced(Silenced {
                id: 0xDEAD_0001,
                targets: vec!["shop*".into()],
                groups: vec!["web".into()],
                at: WALL,
                lasts: 7_200_000,
                person: "anna".into(),
                reason: "new disks".into(),
            }),
        ),
        ("unsilenced", Fact::Unsilenced(Unsilenced { id: 0xDEAD_0001, at: WALL, early: true, person: "anna".into() })),
        ("propose", Fact::Propose(Propose { domain: Domain([10; 32]), keys: keys.clone(), failures: 1 })),
        ("grant", Fact::Grant(Grant { ballot: BALLOT, candidate: OTHER, keys: keys.clone() })),
        ("yield", Fact::Yield(Yield { ballot: BALLOT })),
        (
            "executing",
            Fact::Executing(Executing { ballot: BALLOT, keys: keys.clone(), message: "1@example.org".into(), absent: vec![OTHER] }),
        ),
        (
            "done",
            Fact::Done(Done {
                ballot: BALLOT,
                keys: keys.clone(),
                success: true,
                detail: "250 ok".into(),
                message: "1@example.org".into(),
                refused: vec!["nobody@example.org".into()],
                covers: vec![OPENED],
                after: None,
            }),
        ),
        (
            "done-later",
            Fact::Done(Done {
                ballot: BALLOT,
                keys,
                success: false,
                detail: "HTTP 429".into(),
                message: "1@example.org".into(),
                refused: vec![],
                covers: vec![],
                after: Some(120),
            }),
        ),
        ("rollup", Fact::Rollup(rollup())),
        ("unknown", Fact::Unknown { kind: 60_000, body: vec![1, 2, 3] }),
    ];
    // A new kind does not compile here until it has a sample above.
    for (_, fact) in &samples {
        match fact {
            Fact::Open(_) | Fact::Judged(_) | Fact::Linked(_) | Fact::Inventory(_) | Fact::Opened(_) | Fact::Closed(_) => {}
            Fact::Propose(_) | Fact::Grant(_) | Fact::Yield(_) | Fact::Executing(_) | Fact::Done(_) => {}
            Fact::Base(_) | Fact::Floor(_) | Fact::Counted(_) | Fact::Put(_) | Fact::Deleted(_) => {}
            Fact::Acknowledged(_) | Fact::Silenced(_) | Fact::Unsilenced(_) => {}
            Fact::Revoked(_) | Fact::Retired(_) | Fact::Rollup(_) | Fact::Unknown { .. } => {}
        }
    }
    samples
}

fn judged() -> Judged {
    Judged {
        target: TargetId("node:ber1".into()),
        verdict: Verdict::Degraded,
        since: WALL,
        detail: "3 of 4 answers".into(),
        time: Some(1234),
        loss: Some(2500),
        last_good: Some(WALL - 1000),
    }
}

fn rollup() -> Rollup {
    Rollup {
        from: WALL,
        length: 300_000,
        targets: vec![TargetId("gate".into()), TargetId("shop".into())],
        looks: vec![30, 30],
        good: vec![30, 28],
        sent: vec![60, 0],
        received: vec![59, 0],
        least: vec![100, 2000],
        mean: vec![70_000, 3000],
        most: vec![u32::MAX, 4000],
    }
}

/// One entry on each lane, the first with every kind of fact.
pub fn entries() -> Vec<(&'static str, Entry)> {
    let header = |lane| Header {
        network: network(),
        chain: ChainId { author: key().node(), incarnation: LIFE, lane },
        sequence: 7,
        previous: EntryHash([11; 32]),
        lamport: 1000,
        wall: Wall(WALL),
    };
    let everything = facts().into_iter().map(|(_, fact)| fact).collect();
    let one = |lane| Entry::seal(&key(), header(lane), vec![Fact::Rollup(rollup())]);
    vec![
        ("state", Entry::seal(&key(), header(Lane::State), everything)),
        ("events", Entry::seal(&key(), header(Lane::Events), vec![Fact::Yield(Yield { ballot: BALLOT })])),
        ("minutes", one(Lane::Minutes)),
        ("hours", one(Lane::Hours)),
        ("days", one(Lane::Days)),
    ]
}

/// Every kind of message, by name.
pub fn messages() -> Vec<(&'static str, Message)> {
    let author = key().node();
    let head = Head { chain: mark_chain(), sequence: 70_000, hash: EntryHash([6; 32]), base: 69_000 };
    let ask = Ask { author, incarnation: LIFE, number: 5, within: 10_000, host: "example.org".into(), count: 3, goal: None };
    let hop = |time| Hop { node: OTHER, time };
    let answer = Answer {
        author,
        asker: OTHER,
        incarnation: LIFE,
        number: 5,
        sent: 3,
        received: 2,
        times: Some((100, 200, 70_000)),
        detail: "one was lost".into(),
        path: vec![hop(Some(250)), hop(None)],
    };
    let heartbeat =
        Heartbeat { author, incarnation: LIFE, counter: 99_999, voting: true, isolated: false, said: 12, wall: WALL, other: None };
    let [entry, other] = [0, 1].map(|place| entries().swap_remove(place).1);
    let seek = Ask { goal: Some(OTHER), host: String::new(), count: 0, ..ask.clone() };
    let samples = vec![
        ("hello", Message::Hello(Hello { least: 1, most: 2, network: network(), incarnation: LIFE, software: "0.1.0".into() })),
        ("digest", Message::Digest(Box::new(Digest::of([head].iter(), 12)))),
        ("heads", Message::Heads(Heads { complete: u64::MAX, again: false, heads: vec![head] })),
        ("heads-none", Message::Heads(Heads { complete: 0, again: true, heads: vec![] })),
        ("entries", Message::Entries(vec![entry, other.clone()])),
        ("ping", Message::Ping(Ping { token: 1_000_000 })),
        ("pong", Message::Pong(Pong { token: 1_000_000, wall: WALL })),
        ("heartbeat", Message::Heartbeat(Signed::seal(&key(), network(), heartbeat))),
        ("ask", Message::Ask(Signed::seal(&key(), network(), ask))),
        ("answer", Message::Answer(Signed::seal(&key(), network(), answer))),
        ("goodbye", Message::Goodbye("this node is stopping".into())),
        ("proofs", Message::Proofs(vec![other])),
        ("prefer", Message::Prefer(Prefer { push: true, authors: vec![author, OTHER] })),
        ("seek", Message::Seek(Seek { ask: Signed::seal(&key(), network(), seek), path: vec![hop(Some(250)), hop(None)] })),
        ("unknown", Message::Unknown(200)),
    ];
    for (_, message) in &samples {
        match message {
            Message::Hello(_) | Message::Digest(_) | Message::Heads(_) | Message::Entries(_) | Message::Ping(_) | Message::Pong(_) => {}
            Message::Heartbeat(_) | Message::Ask(_) | Message::Answer(_) | Message::Goodbye(_) | Message::Proofs(_) => {}
            Message::Prefer(_) | Message::Seek(_) | Message::Unknown(_) => {}
        }
    }
    samples
}

fn mark_chain() -> ChainId {
    ChainId { author: key().node(), incarnation: LIFE, lane: Lane::State }
}
