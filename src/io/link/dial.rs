//! Makes a connection to one node and no other.
//!
//! A name may have several addresses, some of them dead: they are tried a moment apart, the first
//! that takes the connection is greeted first, and one that turns out to be somebody else does not
//! keep the others from being tried. When to dial again is not decided here.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::{IpAddr, ServerName};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::{Connection, Identity, LinkFault, Timing, prepare, seconds, tls};
use crate::base::id::NodeId;
use crate::base::limits;
use crate::base::outcome::clip;

/// Connects to `peer` at `address`, which is `name:port` or `number:port`. That the peer refuses this
/// node's key shows only in [`super::run`], since TLS 1.3 lets the dialler finish first.
///
/// # Errors
/// Why no connection came about within [`Timing::handshake`].
pub async fn dial(identity: &Identity, peer: NodeId, address: &str, timing: &Timing) -> Result<Connection, LinkFault> {
    if !identity.members.borrow().contains(&peer) {
        return Err(LinkFault::Stranger(peer));
    }
    let mut faults = Vec::new();
    let tried = timeout(timing.handshake, try_all(identity, peer, address, timing, &mut faults)).await;
    match tried {
        Ok(Ok(Some(connection))) => Ok(connection),
        Ok(Ok(None)) => Err(LinkFault::Failed(clip(faults.join("; ")))),
        Ok(Err(error)) => Err(LinkFault::Name(clip(error.to_string()))),
        Err(_) => Err(LinkFault::Slow(timing.handshake, clip(faults.join("; ")))),
    }
}

/// The first connection that succeeds, if any; an error when there is nothing to try.
async fn try_all(
    identity: &Identity,
    peer: NodeId,
    address: &str,
    timing: &Timing,
    faults: &mut Vec<String>,
) -> std::io::Result<Option<Connection>> {
    let config = Arc::new(tls::client(identity, peer));
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for found in tokio::net::lookup_host(address).await? {
        if addresses.len() < limits::DIAL_ADDRESSES && !addresses.contains(&found) {
            addresses.push(found);
        }
    }
    if addresses.is_empty() {
        return Err(std::io::Error::other("the name has no address"));
    }
    let mut connecting: FuturesUnordered<_> = (0..)
        .zip(addresses)
        .map(|(place, remote)| async move {
            sleep(limits::DIAL_STAGGER.std() * place).await;
            (remote, TcpStream::connect(remote).await)
        })
        .collect();
    while let Some((remote, connected)) = connecting.next().await {
        let greeted = match connected {
            // Half the time, so that a peer that takes connections and says nothing leaves some for the others.
            Ok(stream) => match timeout(timing.handshake / 2, greet(identity, peer, &config, remote, stream, timing)).await {
                Ok(greeted) => greeted,
                Err(_) => Err(format!("takes the connection, but says nothing for {}", seconds(timing.handshake / 2))),
            },
            Err(error) => Err(error.to_string()),
        };
        match greeted {
            Ok(connection) => return Ok(Some(connection)),
            Err(fault) => faults.push(format!("{remote}: {fault}")),
        }
    }
    Ok(None)
}

async fn greet(
    identity: &Identity,
    peer: NodeId,
    config: &Arc<rustls::ClientConfig>,
    remote: SocketAddr,
    stream: TcpStream,
    timing: &Timing,
) -> Result<Connection, String> {
    prepare(&stream, timing);
    // Never sent; TLS wants one all the same.
    let name = ServerName::IpAddress(IpAddr::from(remote.ip()));
    let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(|error| tls::explain(&error))?;
    match tls::peer(stream.get_ref().1, identity.network) {
        Some(shown) if shown == peer => Ok(Connection { network: identity.network, peer, remote, stream: stream.into() }),
        _ => Err("the peer is not in this network: see whether the address is right".into()),
    }
}
