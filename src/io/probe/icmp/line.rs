//! The one ICMP socket of an address family, and whose answer is whose.
//!
//! Every request has a sequence number that nobody else uses while it waits; the table of those who
//! wait is the only state. One task reads the socket, takes the kernel's own time of arrival, so that
//! a busy process does not look like a slow network, and passes each answer on. A [`Ticket`] is one
//! look's share of the table; dropped, it leaves nothing behind.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::packet::{self, Family, Heard, Refusal};
use crate::base::time::Micros;

/// What was heard for a look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// An answer, and the round trip.
    Answer(Micros),
    /// Somebody could not deliver a request.
    Refusal(IpAddr, Refusal),
}

/// The socket and the task that reads it.
pub(super) struct Line {
    wire: Arc<Wire>,
    reader: JoinHandle<()>,
}

struct Wire {
    socket: UdpSocket,
    family: Family,
    /// Our identifier on a raw socket; a ping socket has one of the kernel's choice.
    identifier: Option<u16>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u16,
    requests: HashMap<u16, Request>,
}

/// A request without answer so far.
struct Request {
    nonce: u64,
    sent: Instant,
    events: mpsc::Sender<Event>,
}

/// One look's share of the line.
pub(super) struct Ticket<'a> {
    wire: &'a Wire,
    nonce: u64,
    sequences: Vec<u16>,
    packet: Vec<u8>,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

impl Line {
    /// Opens a raw socket or, where that is forbidden, a ping socket, and begins to read it.
    pub(super) fn open(family: Family) -> io::Result<Self> {
        let (socket, identifier) = match open(family, Type::RAW) {
            Ok(socket) => (socket, Some(u16::try_from(random()? & 0xffff).expect("BUG! masked to 16 bits"))),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (open(family, Type::DGRAM)?, None),
            Err(error) => return Err(error),
        };
        if let Some(identifier) = identifier {
            socket.attach_filter(&filter(family, identifier))?;
        }
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        // Bursts of answers wait here while the process is busy; less than asked for is no fault.
        let _ = socket.set_recv_buffer_size(4 * 1024 * 1024);
        // To the runtime every datagram socket is one of UDP; only what is sent and read here is ICMP.
        let socket = UdpSocket::from_std(OwnedFd::from(socket).into())?;
        let wire = Arc::new(Wire { socket, family, identifier, waiting: Mutex::default() });
        let reader = tokio::spawn(read(Arc::clone(&wire)));
        Ok(Self { wire, reader })
    }

    /// Whether the socket is a raw one.
    pub(super) fn is_raw(&self) -> bool {
        self.wire.identifier.is_some()
    }

    /// A share of the line for a look with so many requests.
    pub(super) fn ticket(&self, count: u16) -> io::Result<Ticket<'_>> {
        // Each request can be refused and then answered all the same.
        let (sender, events) = mpsc::channel(2 * usize::from(count).max(1));
        let (nonce, sequences) = (random()?, Vec::with_capacity(count.into()));
        Ok(Ticket { wire: &self.wire, nonce, sequences, packet: Vec::new(), sender, events })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Ticket<'_> {
    /// Sends one request with so many bytes of payload.
    pub(super) async fn send(&mut self, mut to: SocketAddr, size: u16) -> io::Result<()> {
        let wire = self.wire;
        let request = Request { nonce: self.nonce, sent: Instant::now(), events: self.sender.clone() };
        let sequence = wire.lock().enter(request).ok_or(io::ErrorKind::OutOfMemory)?;
        self.sequences.push(sequence);
        packet::request(wire.family, wire.identifier.unwrap_or(0), sequence, self.nonce, size, &mut self.packet);
        // A raw socket of IPv6 takes the port for a protocol, so it stays zero.
        to.set_port(0);
        loop {
            wire.socket.writable().await?;
            wire.lock().stamp(sequence);
            match wire.socket.try_send_to(&self.packet, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent.map(drop),
            }
        }
    }

    /// The next thing heard. It waits for ever when there is none.
    pub(super) async fn hear(&mut self) -> Event {
        self.events.recv().await.expect("BUG! the ticket holds a sender itself")
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut waiting = self.wire.lock();
        for sequence in &self.sequences {
            // An answered number may meanwhile be another look's.
            if let Entry::Occupied(entry) = waiting.requests.entry(*sequence)
                && entry.get().nonce == self.nonce
            {
                entry.remove();
            }
        }
    }
}

impl Waiting {
    /// Gives the request a number that nobody waits on, or none if all are taken.
    fn enter(&mut self, request: Request) -> Option<u16> {
        if usize::from(u16::MAX) <= self.requests.len() {
            return None;
        }
        loop {
            self.next = self.next.wrapping_add(1);
            if let Entry::Vacant(entry) = self.requests.entry(self.next) {
                entry.insert(request);
                return Some(self.next);
            }
        }
    }

    /// The request leaves only now.
    fn stamp(&mut self, sequence: u16) {
        if let Some(request) = self.requests.get_mut(&sequence) {
            request.sent = Instant::now();
        }
    }
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change of the table is one step, so a panic elsewhere leaves it whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a packet on to whom it concerns. `lag` is how long it lay in the socket.
    fn hear(&self, bytes: &[u8], from: IpAddr, lag: Duration) {
        let message = match (self.family, self.identifier) {
            (Family::V4, Some(_)) => packet::behind_header(bytes),
            _ => Some(bytes),
        };
        let Some(heard) = message.and_then(|message| packet::hear(self.family, self.identifier, message)) else { return };
        let now = Instant::now();
        let mut waiting = self.lock();
        // A full channel means more refusals than requests: nothing that matters is lost.
        match heard {
            Heard::Answer { sequence, nonce } => {
                if let Entry::Occupied(entry) = waiting.requests.entry(sequence)
                    && entry.get().nonce == nonce
                {
                    let request = entry.remove();
                    let time = now.saturating_duration_since(request.sent);
                    // A step of the wall clock can make the lag absurd; then it is not believed.
                    let time = time.checked_sub(lag).unwrap_or(time);
                    let _ = request.events.try_send(Event::Answer(Micros::of(time)));
                }
            }
            Heard::Refusal { sequence, why } => {
                if let Some(request) = waiting.requests.get(&sequence) {
                    let _ = request.events.try_send(Event::Refusal(from, why));
                }
            }
        }
    }
}

/// Reads the socket for ever.
async fn read(wire: Arc<Wire>) {
    // The largest packet there is; longer ones cannot come.
    let mut buffer = vec![0; 64 * 1024];
    let mut control = nix::cmsg_space!(TimeSpec);
    while wire.socket.readable().await.is_ok() {
        let drained = wire.socket.try_io(Interest::READABLE, || {
            for _ in 0..BATCH {
                if let (length, Some(from), lag) = receive(&wire.socket, &mut buffer, &mut control)? {
                    wire.hear(&buffer[..length], from, lag);
                }
            }
            Ok(())
        });
        match drained {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                // The kernel tells such an error once; if it does not, this must not spin.
                tracing::debug!("cannot read ICMP: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Packets taken before other tasks have their turn.
const BATCH: usize = 64;

/// Takes one packet: its length, its sender, and how long it lay in the socket.
fn receive(socket: &UdpSocket, buffer: &mut [u8], control: &mut [u8]) -> io::Result<(usize, Option<IpAddr>, Duration)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
        _ => None,
    });
    // The stamp is by the wall clock, so only another reading of it tells the time since; it leaves
    // this function as a difference alone.
    let lag = stamp.zip(clock_gettime(ClockId::CLOCK_REALTIME).ok()).map_or(Duration::ZERO, |(stamp, now)| {
        let (stamp, now) = (Duration::from(stamp), Duration::from(now));
        now.saturating_sub(stamp)
    });
    let from = message.address.and_then(|from| {
        let v4 = from.as_sockaddr_in().map(|from| IpAddr::V4(from.ip()));
        v4.or_else(|| from.as_sockaddr_in6().map(|from| IpAddr::V6(from.ip())))
    });
    Ok((message.bytes, from, lag))
}

fn open(family: Family, kind: Type) -> io::Result<Socket> {
    let (domain, protocol) = match family {
        Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
        Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol)).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAFNOSUPPORT) => io::Error::from(io::ErrorKind::Unsupported),
            _ => error,
        }
    })?;
    Ok(socket)
}

/// A filter for the kernel: answers with our identifier, and what routers say about lost packets.
/// Without it every raw socket on the host wakes for every ICMP packet.
fn filter(family: Family, identifier: u16) -> Vec<SockFilter> {
    // Classic BPF. In X stands where ICMP begins: an IPv4 raw socket sees the header before it.
    const X_FROM_HEADER: u16 = 0xb1;
    const X_FROM_CONSTANT: u16 = 0x01;
    const LOAD_BYTE_AT_X: u16 = 0x50;
    const LOAD_HALF_AT_X: u16 = 0x48;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let x = if family == Family::V4 { X_FROM_HEADER } else { X_FROM_CONSTANT };
    let refusals = family.refusals();
    let count = u8::try_from(refusals.len()).expect("BUG! two or three");
    // Jumps count the instructions skipped. The end is: load identifier, compare, accept, refuse.
    let mut program = vec![
        SockFilter::new(x, 0, 0, 0),
        SockFilter::new(LOAD_BYTE_AT_X, 0, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL, count + 1, 0, family.answer().into()),
    ];
    program.extend((0..count).zip(refusals).map(|(place, kind)| {
        // To "accept", over the rest of this list, the refusal behind it, and two instructions.
        SockFilter::new(JUMP_IF_EQUAL, count - place + 2, 0, (*kind).into())
    }));
    program.extend([
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(LOAD_HALF_AT_X, 0, 0, 4),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, identifier.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]);
    program
}

fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|_| io::ErrorKind::ResourceBusy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(nonce: u64) -> Request {
        Request { nonce, sent: Instant::now(), events: mpsc::channel(1).0 }
    }

    #[test]
    fn no_two_requests_wait_on_one_number_and_a_full_table_says_so() {
        let mut waiting = Waiting::default();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..u16::MAX {
            assert!(seen.insert(waiting.enter(request(1)).unwrap()));
        }
        assert_eq!(waiting.enter(request(1)), None);
    }

    #[test]
    fn a_number_becomes_free_again() {
        let mut waiting = Waiting { next: u16::MAX, ..Waiting::default() };
        assert_eq!(waiting.enter(request(1)), Some(0));
        waiting.next = u16::MAX;
        assert_eq!(waiting.enter(request(2)), Some(1), "0 is taken");
        waiting.requests.remove(&0);
        waiting.next = u16::MAX;
        assert_eq!(waiting.enter(request(3)), Some(0));
    }
}
