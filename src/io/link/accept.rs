//! Takes connections from outside.
//!
//! Everybody who can reach the port gets this far, so everything is counted and timed: handshakes
//! together, handshakes from one address (one /64 for IPv6, since that is what one host has) once room
//! is scarce, and the time of each. Which network a connection is for is read from its first message, before a key is
//! chosen. What is refused is said and forgotten.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_rustls::LazyConfigAcceptor;

use super::{Connection, Identity, Refusal, Timing, prepare, seconds, tls};
use crate::base::id::NetworkId;
use crate::base::limits;

/// After a connection could not be taken for want of something (descriptors, memory).
const PAUSE: Duration = Duration::from_millis(200);

/// Time for a refusal to reach the other end.
const PARTING: Duration = Duration::from_secs(1);

/// Accepts connections from members of these networks until `accepted` has no receiver, and tells
/// `refused` of everybody else. Dropping it ends the handshakes under way; connections handed over
/// stay.
pub async fn accept_loop(
    listener: TcpListener,
    identities: Arc<[Identity]>,
    timing: Timing,
    accepted: mpsc::Sender<Connection>,
    mut refused: impl FnMut(Refusal) + Send,
) {
    let doors: Arc<[Door]> = identities.iter().map(Door::new).collect();
    let mut shaking = Shaking::default();
    loop {
        tokio::select! {
            taken = listener.accept() => match taken {
                Ok((stream, remote)) => match shaking.room(remote.ip()) {
                    Ok(()) => shaking.begin(stream, remote, &doors, timing),
                    Err(reason) => refused(Refusal { remote, network: None, key: None, reason }),
                },
                // Gone again already, or this host is short of descriptors or memory: either passes.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(done) = shaking.next() => match done {
                Ok(connection) => {
                    if accepted.send(*connection).await.is_err() {
                        return;
                    }
                }
                Err(refusal) => refused(refusal),
            },
            () = accepted.closed() => return,
        }
    }
}

/// One network's way in.
struct Door {
    network: NetworkId,
    protocol: Vec<u8>,
    config: Arc<ServerConfig>,
}

impl Door {
    fn new(identity: &Identity) -> Self {
        let network = identity.network;
        Self { network, protocol: tls::protocol(network), config: Arc::new(tls::server(identity)) }
    }
}

type Shaken = Result<Box<Connection>, Refusal>;

/// The handshakes under way.
#[derive(Default)]
struct Shaking {
    tasks: JoinSet<Shaken>,
    addresses: BTreeMap<Id, IpAddr>,
}

impl Shaking {
    /// Whether one more may begin.
    fn room(&self, address: IpAddr) -> Result<(), String> {
        let (all, address) = (self.addresses.len(), source(address));
        let here = self.addresses.values().filter(|other| **other == address).count();
        // Many members may live behind one address, and all come back at once: only scarcity makes it a limit.
        if limits::HANDSHAKES / 2 <= all && limits::HANDSHAKES_PER_ADDRESS <= here {
            return Err(format!("{here} connections from this address are not authenticated yet"));
        }
        if limits::HANDSHAKES <= all { Err(format!("{all} connections are not authenticated yet")) } else { Ok(()) }
    }

    fn begin(&mut self, stream: TcpStream, remote: SocketAddr, doors: &Arc<[Door]>, timing: Timing) {
        let doors = doors.clone();
        let shake = async move {
            let refusal = Refusal { remote, network: None, key: None, reason: String::new() };
            match tokio::time::timeout(timing.handshake, shake(stream, &doors, &timing, refusal.clone())).await {
                Ok(shaken) => shaken,
                Err(_) => Err(Refusal { reason: format!("no handshake within {}", seconds(timing.handshake)), ..refusal }),
            }
        };
        self.addresses.insert(self.tasks.spawn(shake).id(), source(remote.ip()));
    }

    /// The next handshake that ended; none when none is under way.
    async fn next(&mut self) -> Option<Shaken> {
        loop {
            let joined = self.tasks.join_next_with_id().await?;
            let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
            self.addresses.remove(&id);
            // A handshake that panicked has said so by itself.
            if let Ok((_, shaken)) = joined {
                return Some(shaken);
            }
        }
    }
}

/// What counts as one source.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

async fn shake(stream: TcpStream, doors: &[Door], timing: &Timing, mut refusal: Refusal) -> Shaken {
    prepare(&stream, timing);
    let mut first = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let start = match (&mut first).await {
        Ok(start) => start,
        Err(error) => {
            refusal.reason = tls::explain(&error);
            return refuse(first.take_io(), refusal).await;
        }
    };
    let wanted = start.client_hello().alpn().map(|mut offered| {
        let door = offered.find_map(|name| doors.iter().find(|door| door.protocol == name));
        // Where none fits, any door refuses with the right alert.
        door.or(doors.first())
    });
    let Some(Some(door)) = wanted else {
        refusal.reason = "is not a node: it asks for no network".into();
        return refuse(Some(start.io), refusal).await;
    };
    match start.into_stream(door.config.clone()).into_fallible().await {
        Ok(stream) => match tls::peer(stream.get_ref().1, door.network) {
            Some(peer) => Ok(Box::new(Connection { network: door.network, peer, remote: refusal.remote, stream: stream.into() })),
            None => Err(Refusal { reason: "is not a node: it shows no key".into(), ..refusal }),
        },
        Err((error, stream)) => {
            refusal.key = tls::refused(&error);
            refusal.network = refusal.key.map(|_| door.network);
            refusal.reason = tls::explain(&error);
            refuse(Some(stream), refusal).await
        }
    }
}

/// Lets the alert that was sent arrive: bytes left unread would make the kernel reset the connection.
async fn refuse(stream: Option<TcpStream>, refusal: Refusal) -> Shaken {
    if let Some(mut stream) = stream {
        let rest = async {
            let mut rest = [0; 2048];
            stream.shutdown().await?;
            while 0 < stream.read(&mut rest).await? {}
            std::io::Result::Ok(())
        };
        let _ = tokio::time::timeout(PARTING, rest).await;
    }
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_source_and_all_together_have_their_share() {
        let mut shaking = Shaking::default();
        let mut fill = |count: usize, prefix: &str| -> usize {
            let address = |host: usize| format!("{prefix}{host}").parse::<IpAddr>().unwrap();
            let taken = (1..=count).take_while(|host| {
                let room = shaking.room(address(*host)).is_ok();
                if room {
                    let id = shaking.tasks.spawn(std::future::pending()).id();
                    shaking.addresses.insert(id, source(address(*host)));
                }
                room
            });
            taken.count()
        };
        // One alone gets half of all; what one host may choose freely does not make it several.
        assert_eq!(fill(200, "2001:db8::"), limits::HANDSHAKES / 2);
        assert_eq!(fill(200, "2001:db8:0:1::"), limits::HANDSHAKES_PER_ADDRESS);
        assert_eq!(fill(200, "2001:db8::"), 0);
        assert_eq!(fill(200, "192.0.2."), limits::HANDSHAKES / 2 - limits::HANDSHAKES_PER_ADDRESS);
        assert!(shaking.room("198.51.100.1".parse().unwrap()).unwrap_err().starts_with("64 connections"));
    }

    #[test]
    fn an_ipv4_address_counts_as_itself_in_either_form() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    }
}
