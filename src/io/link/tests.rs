//! Links over real sockets on the loopback, with peers that do not play by the rules.

use std::time::Duration;

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::base::id::Incarnation;
use crate::base::wire::{Digest, Heartbeat, Signed};

const WAIT: Duration = Duration::from_secs(20);

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32])
}

fn identity(number: u8, members: &[u8]) -> Identity {
    let members: BTreeSet<NodeId> = members.iter().map(|number| key(*number).node()).collect();
    Identity { network: NetworkId::of("home"), key: key(number), members: watch::channel(Arc::new(members)).1 }
}

fn hello() -> Hello {
    let incarnation = Incarnation { opened: 1, nonce: [1; 16] };
    Hello { least: 1, most: 1, network: NetworkId::of("home"), incarnation, software: "0.1.0".into() }
}

/// Node 1 of network `home`, whose members are 1, 2 and 3, at a port of its own.
struct Host {
    address: SocketAddr,
    accepted: mpsc::Receiver<Connection>,
    refused: mpsc::UnboundedReceiver<Refusal>,
    _tasks: JoinSet<()>,
}

async fn host(timing: Timing) -> Host {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accept, accepted) = mpsc::channel(16);
    let (refuse, refused) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    let loops = accept_loop(listener, [identity(1, &[1, 2, 3])].into(), timing, accept, move |refusal| refuse.send(refusal).unwrap());
    tasks.spawn(loops);
    Host { address, accepted, refused, _tasks: tasks }
}

impl Host {
    async fn refusal(&mut self) -> Refusal {
        tokio::time::timeout(WAIT, self.refused.recv()).await.unwrap().unwrap()
    }

    /// A member still gets in.
    async fn is_well(&mut self) {
        let dialled = dial(&identity(2, &[1]), key(1).node(), &self.address.to_string(), &Timing::default()).await.unwrap();
        let accepted = tokio::time::timeout(WAIT, self.accepted.recv()).await.unwrap().unwrap();
        assert_eq!((accepted.peer, dialled.peer), (key(2).node(), key(1).node()));
    }
}

/// Up and running links towards the host, one for the host's end and one for ours.
async fn run_link(connection: Connection) -> (mpsc::Sender<Outgoing>, mpsc::Receiver<Event>) {
    let (out, outgoing) = mpsc::channel(16);
    let (told, mut events) = mpsc::channel(64);
    tokio::spawn(run(connection, hello(), Timing::default(), outgoing, told));
    assert_eq!(events.recv().await, Some(Event::Up { hello: hello() }));
    (out, events)
}

async fn down(mut events: mpsc::Receiver<Event>) -> String {
    loop {
        if let Event::Down(reason) = tokio::time::timeout(WAIT, events.recv()).await.unwrap().unwrap() {
            return reason;
        }
    }
}

/// Everything until the other end is done; an alert is an error that needs no look here.
async fn read_out(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(WAIT, stream.read_to_end(&mut read)).await.unwrap();
    read
}

#[tokio::test]
async fn whoever_does_not_speak_tls_is_refused_at_once() {
    let mut host = host(Timing::default()).await;
    for words in [&b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"[..], &[0xff; 5000], b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"] {
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        let from = stream.local_addr().unwrap();
        stream.write_all(words).await.unwrap();
        read_out(&mut stream).await;
        drop(stream);
        let refusal = host.refusal().await;
        assert_eq!((refusal.remote, refusal.key), (from, None));
        assert!(refusal.reason.contains("not TLS"), "{}", refusal.reason);
    }
    host.is_well().await;
}

#[tokio::test]
async fn a_connection_that_stays_half_open_expires() {
    let mut host = host(Timing { handshake: Duration::from_millis(50), ..Timing::default() }).await;
    let mut silent = TcpStream::connect(host.address).await.unwrap();
    assert_eq!(host.refusal().await.reason, "no handshake within 50ms");
    assert_eq!(read_out(&mut silent).await, [0u8; 0]);
}

#[tokio::test]
async fn too_many_half_open_connections_from_one_address_are_refused() {
    let mut host = host(Timing::default()).await;
    let mut open = Vec::new();
    for _ in 0..limits::HANDSHAKES / 2 {
        open.push(TcpStream::connect(host.address).await.unwrap());
    }
    let mut one_more = TcpStream::connect(host.address).await.unwrap();
    assert_eq!(read_out(&mut one_more).await, [0u8; 0]);
    assert_eq!(host.refusal().await.reason, "32 connections from this address are not authenticated yet");
    drop(open);
    for _ in 0..limits::HANDSHAKES / 2 {
        host.refusal().await;
    }
    host.is_well().await;
}

/// Shakes hands with the host by a configuration that is wrong somewhere.
async fn shake(host: &mut Host, change: impl FnOnce(&mut ClientConfig)) -> Refusal {
    let mut config = tls::client(&identity(2, &[1]), key(1).node());
    change(&mut config);
    let stream = TcpStream::connect(host.address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("node").unwrap();
    if let Ok(mut stream) = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        assert_eq!(read_out(&mut stream).await, [0u8; 0]);
    }
    host.refusal().await
}

#[tokio::test]
async fn other_kinds_of_tls_are_refused() {
    let mut host = host(Timing::default()).await;
    let refusal = shake(&mut host, |config| config.alpn_protocols.clear()).await;
    assert_eq!(refusal.reason, "is not a node: it asks for no network");
    let refusal = shake(&mut host, |config| config.alpn_protocols = vec![tls::protocol(NetworkId::of("other"))]).await;
    assert_eq!(refusal.reason, "asks for a network that this host is not in, or for another version");
    let nobody = Arc::new(rustls::sign::CertifiedKey::new(vec![], Arc::new(tls::tests::key(9))));
    let refusal = shake(&mut host, |config| {
        config.client_auth_cert_resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(nobody));
    })
    .await;
    assert_eq!(refusal.key, None);
    let refusal = shake(&mut host, |config| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let alpn = std::mem::take(&mut config.alpn_protocols);
        *config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        config.alpn_protocols = alpn;
    })
    .await;
    assert!(refusal.reason.starts_with("is not a node: its TLS is not that of nodes"), "{}", refusal.reason);
    host.is_well().await;
}

#[tokio::test]
async fn a_key_that_is_shown_and_not_proved_is_nobodys() {
    let mut host = host(Timing::default()).await;
    // The key of a stranger and of a member, with signatures by somebody else.
    for shown in [9, 3] {
        let refusal = shake(&mut host, |config| {
            let stolen = Arc::new(tls::tests::stolen(&key(shown), &key(7)));
            config.client_auth_cert_resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(stolen));
        })
        .await;
        assert_eq!(refusal.key, None, "{}", refusal.reason);
    }
    host.is_well().await;
}

#[tokio::test]
async fn a_host_that_names_no_network_is_left() {
    let mut config = tls::server(&identity(1, &[2]));
    config.alpn_protocols.clear();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = identity(2, &[1]);
    let accept = async {
        let stream = listener.accept().await.unwrap().0;
        tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
    };
    let (fault, ()) = tokio::join!(async { dial(&own, key(1).node(), &address, &Timing::default()).await.unwrap_err() }, accept);
    assert!(fault.to_string().contains("not in this network"), "{fault}");
}

#[tokio::test]
async fn two_hosts_with_one_key_are_told_so() {
    let mut host = host(Timing::default()).await;
    let own = identity(1, &[1]);
    // The dialler sees it first: the key at the other end is its own.
    let fault = dial(&own, key(1).node(), &host.address.to_string(), &Timing::default()).await.unwrap_err();
    assert!(fault.to_string().contains("leads back to this node"), "{fault}");
    let refusal = host.refusal().await;
    assert_eq!(refusal.key, None);
    let refusal = shake(&mut host, |config| {
        let copy = tls::client(&own, key(1).node());
        config.client_auth_cert_resolver = copy.client_auth_cert_resolver.clone();
    })
    .await;
    assert_eq!(refusal.key, Some(key(1).node()));
    assert!(refusal.reason.contains("two hosts use the same key file"), "{}", refusal.reason);
}

#[tokio::test]
async fn one_bad_peer_does_not_disturb_the_links_of_others() {
    let mut host = host(Timing::default()).await;
    let to = host.address.to_string();
    let good = dial(&identity(2, &[1]), key(1).node(), &to, &Timing::default()).await.unwrap();
    let (good_here, good_there) = (host.accepted.recv().await.unwrap(), good);
    let ((_out, mut here), (there, _events)) = tokio::join!(run_link(good_here), run_link(good_there));

    let mut bad = dial(&identity(3, &[1]), key(1).node(), &to, &Timing::default()).await.unwrap();
    let (_bad_out, outgoing) = mpsc::channel(1);
    let (told, bad_events) = mpsc::channel(64);
    tokio::spawn(run(host.accepted.recv().await.unwrap(), hello(), Timing::default(), outgoing, told));
    let value = Heartbeat {
        author: key(3).node(),
        incarnation: hello().incarnation,
        counter: 1,
        voting: true,
        isolated: false,
        said: 0,
        wall: 0,
        other: None,
    };
    let mut forged = Message::Heartbeat(Signed::seal(&key(3), hello().network, value)).encode();
    *forged.last_mut().unwrap() ^= 1;
    bad.stream.write_all(&[Message::Hello(hello()).encode(), forged].concat()).await.unwrap();
    bad.stream.flush().await.unwrap();
    let answer = read_out(&mut bad.stream).await;
    let text = "received a message that its author did not sign";
    assert!(answer.ends_with(&Message::Goodbye(text.into()).encode()));
    assert_eq!(down(bad_events).await, text);

    there.send(Outgoing::Message(Message::Digest(Box::new(Digest::of([].iter(), 5))))).await.unwrap();
    loop {
        match tokio::time::timeout(WAIT, here.recv()).await.unwrap().unwrap() {
            Event::Measured { .. } => {}
            event => break assert_eq!(event, Event::Message(Message::Digest(Box::new(Digest::of([].iter(), 5))))),
        }
    }
}

#[tokio::test]
async fn a_connection_cut_within_a_frame_is_seen() {
    let mut host = host(Timing::default()).await;
    let mut peer = dial(&identity(2, &[1]), key(1).node(), &host.address.to_string(), &Timing::default()).await.unwrap();
    let (_out, outgoing) = mpsc::channel(1);
    let (told, events) = mpsc::channel(64);
    tokio::spawn(run(host.accepted.recv().await.unwrap(), hello(), Timing::default(), outgoing, told));
    peer.stream.write_all(&Message::Hello(hello()).encode()).await.unwrap();
    peer.stream.write_all(&[0, 0, 0, 40, 2, 1, 1]).await.unwrap();
    peer.stream.flush().await.unwrap();
    // Without the end that TLS wants, as when a host dies.
    peer.stream.get_mut().0.shutdown().await.unwrap();
    assert_eq!(down(events).await, "the connection ended in the middle of a frame");
}

#[tokio::test]
async fn a_refused_dialler_learns_why_when_it_begins_to_talk() {
    let mut host = host(Timing::default()).await;
    let stranger = dial(&identity(9, &[1]), key(1).node(), &host.address.to_string(), &Timing::default()).await.unwrap();
    let (_out, outgoing) = mpsc::channel(1);
    let (told, mut events) = mpsc::channel(64);
    tokio::spawn(run(stranger, hello(), Timing::default(), outgoing, told));
    let Some(Event::Down(reason)) = events.recv().await else { panic!() };
    assert!(reason.starts_with("the peer does not accept this node's key"), "{reason}");
    let refusal = host.refusal().await;
    assert_eq!((refusal.key, refusal.network), (Some(key(9).node()), Some(NetworkId::of("home"))));
    assert!(refusal.reason.starts_with("the key of a stranger"), "{}", refusal.reason);
}
