//! From a name to a connection, and what the errors on the way mean.
//!
//! The one question that matters here is whose fault an error is: the target's is bad, this host's is
//! unable and never a vote. Addresses of a name are tried one after the other, each with its share of
//! the time left. Nothing is remembered between looks; the system's resolver caches.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use nix::errno::Errno;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::Course;
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};

/// The system's resolver, with a bound on how much of it is used at once.
pub(super) struct Names(Arc<Semaphore>);

impl Names {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(limits::LOOKUPS)))
    }

    /// The addresses of a host, in the order in which this host prefers them.
    pub(super) async fn resolve(&self, host: &str, port: u16, course: &mut Course) -> Result<Vec<SocketAddr>, Outcome> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        course.enter("looking up the name");
        let (host, turns) = (host.to_owned(), Arc::clone(&self.0));
        // A lookup cannot be interrupted. Should the look end first, this task keeps its turn until the
        // thread is free again, so that a dead name server cannot use up all threads.
        let lookup = tokio::spawn(async move {
            let _turn = turns.acquire_owned().await;
            let addresses = lookup_host((host.as_str(), port)).await?;
            let mut list: Vec<SocketAddr> = Vec::new();
            for address in addresses {
                if list.len() < limits::ADDRESSES && !list.contains(&address) {
                    list.push(address);
                }
            }
            io::Result::Ok(list)
        });
        let addresses = match lookup.await {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            Ok(Ok(_)) => return Err(Outcome::bad("name not found: it has no address")),
            Ok(Err(error)) => return Err(Outcome::bad(lookup_fault(&error))),
            Err(_) => return Err(Outcome::unable("the name lookup was given up since this host is stopping")),
        };
        course.spent("resolve");
        Ok(addresses)
    }

    /// A connection to the first address that takes one.
    pub(super) async fn connect(&self, host: &str, port: u16, course: &mut Course) -> Result<TcpStream, Outcome> {
        let addresses = self.resolve(host, port, course).await?;
        course.enter("connecting");
        let mut worst: Option<Outcome> = None;
        for (index, address) in addresses.iter().enumerate() {
            let left = course.deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
            let fault = match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    course.spent("connect");
                    return Ok(stream);
                }
                Ok(Err(error)) => fault(&error, *address),
                Err(_) => Outcome::bad(course.late()),
            };
            // What a target refused says more than what this host could not try.
            if worst.as_ref().is_none_or(|worst| worst.look == Look::Unable) {
                worst = Some(fault);
            }
        }
        Err(worst.unwrap_or_else(|| Outcome::bad("name not found: it has no address")))
    }
}

/// What an error of connecting or sending means.
pub(super) fn fault(error: &io::Error, to: SocketAddr) -> Outcome {
    use io::ErrorKind as Kind;
    let number = error.raw_os_error().map(Errno::from_raw);
    let version = if to.is_ipv4() { "IPv4" } else { "IPv6" };
    match error.kind() {
        Kind::ConnectionRefused => Outcome::bad("connection refused"),
        Kind::ConnectionReset | Kind::ConnectionAborted => Outcome::bad("connection reset"),
        Kind::TimedOut => Outcome::bad("no answer at all (the kernel gave up)"),
        // Routers on the way say the same words as this host's own table of routes.
        Kind::NetworkUnreachable if has_route(to) => Outcome::bad("network unreachable"),
        Kind::HostUnreachable if has_route(to) => Outcome::bad("host unreachable"),
        // Only IPv6 tells the word of a firewall far away in this way; of IPv4 it is always this host's.
        Kind::PermissionDenied if number == Some(Errno::EACCES) && to.is_ipv6() && has_route(to) => {
            Outcome::bad("forbidden by a firewall on the way")
        }
        Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable => {
            Outcome::unable(format!("no {version} route from this host to {}", to.ip()))
        }
        Kind::PermissionDenied => {
            Outcome::unable(format!("this host does not permit it: its firewall, its sandbox or a broadcast address ({})", to.ip()))
        }
        Kind::OutOfMemory | Kind::StorageFull => Outcome::unable("this host has no room for another packet"),
        _ => match number {
            Some(Errno::EMFILE | Errno::ENFILE) => Outcome::unable("this host has too many files open (raise LimitNOFILE)"),
            Some(Errno::ENOBUFS) => Outcome::unable("this host has no room for another packet"),
            Some(Errno::EAFNOSUPPORT) => Outcome::unable(format!("this host has no {version}")),
            Some(Errno::EINVAL) => Outcome::unable(format!("{} is not a valid destination on this host", to.ip())),
            Some(Errno::EMSGSIZE) => Outcome::unable("the packet is too long for this host"),
            _ => Outcome::bad(plain(error)),
        },
    }
}

/// An error without its number, in lower case, as it stands in the middle of a line.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Whether this host's own routes lead there. Connecting a datagram socket asks them and sends nothing.
fn has_route(mut to: SocketAddr) -> bool {
    let any = if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    if to.port() == 0 {
        to.set_port(9);
    }
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(to)).is_ok()
}

/// What the resolver's error means; its words differ between C libraries.
fn lookup_fault(error: &io::Error) -> String {
    let text = plain(error);
    let words = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match words {
        "Name or service not known" | "Name does not resolve" | "No address associated with hostname" => {
            "name not found: no such host".to_owned()
        }
        "Temporary failure in name resolution" | "Try again" => "name not found: the name server does not answer".to_owned(),
        other => format!("name not found: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_target_are_bad_and_errors_of_this_host_are_not() {
        let here: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let look = |error| fault(&io::Error::from(error), here).look;
        let bad = [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::ENETUNREACH, Errno::EHOSTUNREACH];
        for error in bad {
            assert_eq!(look(error), Look::Bad, "{error}: there is a route to loopback, so another said it");
        }
        let unable = [Errno::EACCES, Errno::EPERM, Errno::EADDRNOTAVAIL, Errno::EAFNOSUPPORT, Errno::EINVAL, Errno::EMFILE, Errno::ENOBUFS];
        for error in unable {
            assert_eq!(look(error), Look::Unable, "{error}");
        }
        let here6: SocketAddr = "[::1]:9".parse().unwrap();
        assert_eq!(fault(&io::Error::from(Errno::EACCES), here6).look, Look::Bad);
        // Multicast with an unknown scope has no route anywhere.
        let nowhere: SocketAddr = "[ff01::1%4294967]:9".parse().unwrap();
        assert_eq!(fault(&io::Error::from(Errno::ENETUNREACH), nowhere).look, Look::Unable);
    }

    #[test]
    fn errors_are_told_without_their_number() {
        assert_eq!(plain(&io::Error::from(Errno::ECONNREFUSED)), "connection refused");
    }

    #[test]
    fn unknown_names_are_told_alike_whatever_the_library_says() {
        let said = |words: &str| lookup_fault(&io::Error::other(format!("failed to lookup address information: {words}")));
        assert_eq!(said("Name or service not known"), "name not found: no such host");
        assert_eq!(said("Name does not resolve"), "name not found: no such host");
        assert_eq!(said("Temporary failure in name resolution"), "name not found: the name server does not answer");
    }
}
