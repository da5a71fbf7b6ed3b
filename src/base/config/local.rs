//! The automatic network of a node that is in no other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::config::target::{self, Habits};
use crate::base::config::{LOCAL, hash, network, probe};
use crate::base::id::{NetworkId, NodeId};
use crate::base::limits;
use crate::base::settings::{Member, Network, Role, Split};
use crate::base::target::{Expected, Probe, Target, Tcp};

/// One node that watches its gateway, its name servers and its own page, and tells nobody.
pub(super) fn settings(node_name: &str, me: NodeId, gateway: bool, name_servers: &[String], web: SocketAddr) -> Network {
    let mut targets = Vec::new();
    if gateway {
        targets.push(plain("gateway", ping("gateway")));
    }
    let mut servers: Vec<&String> = Vec::new();
    for server in name_servers.iter().take(limits::REFERENCES) {
        if !servers.contains(&server) {
            servers.push(server);
            targets.push(plain(&format!("dns-{}", servers.len()), name_server(server)));
        }
    }
    targets.push(plain("self", own_page(web)));
    let member = Member { node: me, name: node_name.to_owned(), role: Role::Admin, addresses: Vec::new(), expected: Expected::Always };
    let mut network = Network {
        name: LOCAL.to_owned(),
        id: LOCAL.to_owned(),
        network: NetworkId::of(LOCAL),
        definition: [0; 32],
        split: Split::Each,
        roster: vec![member],
        former: Vec::new(),
        targets,
        channels: Vec::new(),
        maintenance: Vec::new(),
        lease: network::LEASE,
        journal_size: network::JOURNAL_SIZE,
        node_target: target::node_template(),
    };
    network.definition = hash::definition(&network);
    network
}

fn plain(name: &str, probe: Probe) -> Target {
    target::with_habits(name, probe, &Habits::default())
}

fn ping(host: &str) -> Probe {
    Probe::Icmp(probe::ping(host))
}

/// A name server of this host itself (a stub resolver, as 127.0.0.53) always answers pings; what
/// counts is whether it listens.
fn name_server(server: &str) -> Probe {
    if server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        Probe::Tcp(Tcp { host: server.to_owned(), port: 53, send: None, expect: None })
    } else {
        ping(server)
    }
}

fn own_page(web: SocketAddr) -> Probe {
    let address = if web.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { web.ip() };
    Probe::Http(Box::new(probe::get(format!("http://{}/-/healthy", SocketAddr::new(address, web.port())))))
}
