//! One look at a reference: does anything outside this host answer at all?
//!
//! Every answer is good, also one that refuses: what counts is that it came from there. The name servers of this host are
//! asked for a connection, since many of them do not answer pings; all else gets one ping. Which of several references
//! counts, and what follows from their silence, is not known here.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Course;
use super::icmp::Lines;
use super::reach::{self, Names};
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};
use crate::base::target::{GATEWAY, NAME_SERVERS};
use crate::io::host;

/// The port of name servers.
const DNS: u16 = 53;

/// Looks once, within the time of `course`.
pub(super) async fn look(names: &Names, pings: &Lines, host: &str, course: &mut Course) -> Outcome {
    let addresses = match addresses(names, host, course).await {
        Ok(addresses) => addresses,
        Err(outcome) => return outcome,
    };
    let mut worst = Outcome::unable("the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = course.deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        let asked = Instant::now();
        let mut part = Course::begin(course.timeout);
        part.deadline = asked + share;
        let outcome = if host == NAME_SERVERS { knock(*address, &mut part).await } else { pings.echo(*address, &part).await };
        let outcome = Outcome { near: host::is_on_wire(address.ip()), ..outcome };
        if outcome.look == Look::Good {
            return course.fill(outcome);
        }
        // That nothing came back says more than that nothing could be sent.
        if worst.look == Look::Unable {
            worst = outcome;
        }
    }
    course.fill(worst)
}

async fn addresses(names: &Names, host: &str, course: &mut Course) -> Result<Vec<SocketAddr>, Outcome> {
    match host {
        GATEWAY => host::gateway_address().map(|address| vec![address]).ok_or_else(|| Outcome::unable("this host has no default gateway")),
        NAME_SERVERS => {
            // One on this host itself says nothing, and those on its wire only if there are no others.
            let mut servers: Vec<_> = host::name_servers().into_iter().filter(|server| !server.is_loopback()).collect();
            if servers.iter().any(|server| !host::is_on_wire(*server)) {
                servers.retain(|server| !host::is_on_wire(*server));
            }
            servers.truncate(limits::ADDRESSES);
            if servers.is_empty() {
                return Err(Outcome::unable("this host has no name server but itself"));
            }
            Ok(servers.into_iter().map(|server| SocketAddr::new(server, DNS)).collect())
        }
        name => match timeout_at(course.deadline, names.resolve(name, 0, course)).await {
            Ok(addresses) => addresses,
            Err(_) => Err(course.overrun()),
        },
    }
}

/// Asks for a connection, and leaves again.
async fn knock(address: SocketAddr, course: &mut Course) -> Outcome {
    course.enter("connecting");
    match timeout_at(course.deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Nothing of ours is under way. When this fails, the port merely waits for a minute.
            let _ = stream.set_zero_linger();
            course.good("answered".to_owned())
        }
        Ok(Err(error)) if matches!(error.kind(), std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::ConnectionReset) => {
            course.good("answered that it refuses".to_owned())
        }
        Ok(Err(error)) => reach::fault(&error, address),
        Err(_) => course.overrun(),
    }
}
