//! Two nodes and their links over the loopback, through the library's own doors.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peerwatch::base::entry::{Entry, Header};
use peerwatch::base::fact::{Fact, Yield};
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId, NodeId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::time::Wall;
use peerwatch::base::wire::{Digest, Heartbeat, Hello, Message, Signed, entries_frame};
use peerwatch::io::link::{Connection, Event, Identity, LinkFault, Outgoing, Refusal, Timing, accept_loop, dial, run};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const LIFE: Incarnation = Incarnation { opened: 1, nonce: [1; 16] };

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32])
}

fn nodes(numbers: &[u8]) -> Arc<BTreeSet<NodeId>> {
    Arc::new(numbers.iter().map(|number| key(*number).node()).collect())
}

fn identity(network: &str, number: u8, members: &[u8]) -> Identity {
    Identity { network: NetworkId::of(network), key: key(number), members: watch::channel(nodes(members)).1 }
}

fn hello(network: &str) -> Hello {
    Hello { least: 1, most: 1, network: NetworkId::of(network), incarnation: LIFE, software: "0.1.0".into() }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

/// A host that accepts.
struct Host {
    address: SocketAddr,
    accepted: mpsc::Receiver<Connection>,
    refused: mpsc::UnboundedReceiver<Refusal>,
    _tasks: JoinSet<()>,
}

async fn host(identities: Vec<Identity>) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accept, accepted) = mpsc::channel(16);
    let (refuse, refused) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(accept_loop(listener, identities.into(), Timing::default(), accept, move |refusal| refuse.send(refusal).unwrap()));
    Host { address, accepted, refused, _tasks: tasks }
}

impl Host {
    async fn dial(&self, identity: &Identity, peer: u8) -> Result<Connection, LinkFault> {
        soon(dial(identity, key(peer).node(), &self.address.to_string(), &Timing::default())).await
    }

    async fn accepted(&mut self) -> Connection {
        soon(self.accepted.recv()).await.unwrap()
    }

    async fn refusal(&mut self) -> Refusal {
        soon(self.refused.recv()).await.unwrap()
    }
}

/// One end of a link.
struct End {
    out: mpsc::Sender<Outgoing>,
    events: mpsc::Receiver<Event>,
}

fn end(connection: Connection, network: &str) -> End {
    let (out, outgoing) = mpsc::channel(16);
    let (told, events) = mpsc::channel(16);
    tokio::spawn(run(connection, hello(network), Timing::default(), outgoing, told));
    End { out, events }
}

impl End {
    /// The next event that is no measurement.
    async fn next(&mut self) -> Event {
        loop {
            match soon(self.events.recv()).await.unwrap() {
                Event::Measured { .. } => {}
                event => return event,
            }
        }
    }
}

fn entries(count: u64) -> Vec<Entry> {
    let (author, network) = (key(2), NetworkId::of("home"));
    let chain = ChainId { author: author.node(), incarnation: LIFE, lane: Lane::State };
    let seal = |sequence| {
        let header = Header { network, chain, sequence, previous: EntryHash([0; 32]), lamport: sequence, wall: Wall(0) };
        Entry::seal(&author, header, vec![Fact::Yield(Yield { ballot: EntryHash([2; 32]) })])
    };
    (1..=count).map(seal).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_prove_who_they_are_and_exchange_messages_and_batches() {
    let mut host = host(vec![identity("home", 1, &[1, 2])]).await;
    let dialled = host.dial(&identity("home", 2, &[1, 2]), 1).await.unwrap();
    let accepted = host.accepted().await;
    assert_eq!((dialled.peer, accepted.peer), (key(1).node(), key(2).node()));
    assert_eq!((dialled.network, accepted.network), (NetworkId::of("home"), NetworkId::of("home")));
    assert_eq!(dialled.remote, host.address);
    let (mut one, mut two) = (end(accepted, "home"), end(dialled, "home"));
    assert_eq!(one.next().await, Event::Up { hello: hello("home") });
    assert_eq!(two.next().await, Event::Up { hello: hello("home") });

    let value =
        Heartbeat { author: key(1).node(), incarnation: LIFE, counter: 1, voting: true, isolated: false, said: 0, wall: 0, other: None };
    let heartbeat = Message::Heartbeat(Signed::seal(&key(1), NetworkId::of("home"), value));
    one.out.send(Outgoing::Message(heartbeat.clone())).await.unwrap();
    assert_eq!(two.next().await, Event::Message(heartbeat));

    let entries = entries(250);
    let frames = entries.chunks(50).map(|some| entries_frame(some.iter().map(Entry::bytes))).collect();
    two.out.send(Outgoing::Batch(frames)).await.unwrap();
    for some in entries.chunks(50) {
        assert_eq!(one.next().await, Event::Message(Message::Entries(some.to_vec())));
    }
    assert_eq!(two.next().await, Event::Drained);

    one.out.send(Outgoing::Close("stopping".into())).await.unwrap();
    assert_eq!(two.next().await, Event::Down("the peer closed: stopping".into()));
    assert_eq!(one.next().await, Event::Down("stopping".into()));
    assert_eq!(soon(one.events.recv()).await, None);
}

#[tokio::test]
async fn a_live_link_measures_itself() {
    let mut host = host(vec![identity("home", 1, &[2])]).await;
    let mut two = end(host.dial(&identity("home", 2, &[1]), 1).await.unwrap(), "home");
    let _one = end(host.accepted().await, "home");
    let measured = soon(async {
        loop {
            if let Event::Measured { time_us, offset_ms, .. } = two.events.recv().await.unwrap() {
                break (time_us, offset_ms);
            }
        }
    });
    let (time, offset) = measured.await;
    assert!(0 < time && time < 20_000_000 && offset.abs() < 20_000, "{time} {offset}");
}

#[tokio::test]
async fn a_dialler_that_wants_another_node_goes_away() {
    let mut host = host(vec![identity("home", 1, &[1, 2, 3])]).await;
    let fault = host.dial(&identity("home", 2, &[1, 2, 3]), 3).await.unwrap_err();
    let (one, three) = (key(1).node(), key(3).node());
    assert!(fault.to_string().contains(&format!("the key of a stranger: {one} answers where {three} should")), "{fault}");
    assert_eq!(host.refusal().await.key, None);
    assert!(host.accepted.try_recv().is_err());
}

#[tokio::test]
async fn who_is_no_member_is_not_dialled() {
    let host = host(vec![identity("home", 1, &[1, 2])]).await;
    let fault = host.dial(&identity("home", 2, &[2]), 1).await.unwrap_err();
    assert_eq!(fault, LinkFault::Stranger(key(1).node()));
}

#[tokio::test]
async fn a_stranger_is_refused_by_name_and_others_are_not_disturbed() {
    let mut host = host(vec![identity("home", 1, &[1, 2])]).await;
    let mut two = end(host.dial(&identity("home", 2, &[1]), 1).await.unwrap(), "home");
    let mut one = end(host.accepted().await, "home");
    let mut stranger = end(host.dial(&identity("home", 9, &[1]), 1).await.unwrap(), "home");
    let Event::Down(reason) = stranger.next().await else { panic!("a stranger got in") };
    assert!(reason.contains("does not accept this node's key"), "{reason}");
    let refusal = host.refusal().await;
    assert_eq!((refusal.network, refusal.key), (Some(NetworkId::of("home")), Some(key(9).node())));
    assert!(refusal.reason.starts_with(&format!("the key of a stranger: {}", key(9).node())), "{}", refusal.reason);
    two.next().await;
    one.next().await;
    two.out.send(Outgoing::Message(Message::Digest(Box::new(Digest::of([].iter(), 1))))).await.unwrap();
    assert_eq!(one.next().await, Event::Message(Message::Digest(Box::new(Digest::of([].iter(), 1)))));
}

#[tokio::test]
async fn each_network_has_its_own_key_and_members() {
    // Node 1 at home and node 4 at the office are one host; node 2 is a member at home only.
    let mut host = host(vec![identity("home", 1, &[2]), identity("office", 4, &[3])]).await;
    host.dial(&identity("home", 2, &[1]), 1).await.unwrap();
    let at_home = host.accepted().await;
    assert_eq!((at_home.network, at_home.peer), (NetworkId::of("home"), key(2).node()));
    host.dial(&identity("office", 3, &[4]), 4).await.unwrap();
    let at_work = host.accepted().await;
    assert_eq!((at_work.network, at_work.peer), (NetworkId::of("office"), key(3).node()));
    let _stays = host.dial(&identity("office", 2, &[4]), 4).await.unwrap();
    assert_eq!(host.refusal().await.key, Some(key(2).node()));
    let fault = host.dial(&identity("elsewhere", 2, &[1]), 1).await.unwrap_err();
    assert!(fault.to_string().contains("is not in this network"), "{fault}");
    assert!(host.refusal().await.reason.contains("asks for a network that this host is not in"));
}

#[tokio::test]
async fn who_is_revoked_gets_no_new_link_and_who_is_admitted_does() {
    let (members, receiver) = watch::channel(nodes(&[2]));
    let own = Identity { members: receiver, ..identity("home", 1, &[]) };
    let mut host = host(vec![own]).await;
    let (two, three) = (identity("home", 2, &[1]), identity("home", 3, &[1]));
    host.dial(&two, 1).await.unwrap();
    assert_eq!(host.accepted().await.peer, key(2).node());
    members.send_replace(nodes(&[3]));
    let _stays = host.dial(&two, 1).await.unwrap();
    assert_eq!(host.refusal().await.key, Some(key(2).node()));
    host.dial(&three, 1).await.unwrap();
    assert_eq!(host.accepted().await.peer, key(3).node());
}

#[tokio::test]
async fn a_dial_that_leads_nowhere_says_why() {
    let own = identity("home", 2, &[1]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let quick = Timing { handshake: Duration::from_millis(100), ..Timing::default() };
    let fault = soon(dial(&own, key(1).node(), &address, &quick)).await.unwrap_err();
    assert!(fault.to_string().contains("takes the connection, but says nothing for 50ms"), "{fault}");
    drop(listener);
    let fault = soon(dial(&own, key(1).node(), &address, &Timing::default())).await.unwrap_err();
    assert!(fault.to_string().contains("refused"), "{fault}");
    let fault = soon(dial(&own, key(1).node(), "192.0.2.1", &Timing::default())).await.unwrap_err();
    assert!(matches!(fault, LinkFault::Name(_)) && fault.to_string().contains("name:port"), "{fault}");
}
