//! One look by ICMP echo: some requests in a row, and how many were answered how fast.
//!
//! All looks of the process share one socket per address family (`icmp/line.rs`): a socket per target
//! would get a copy of every answer to all others, and lose its own under the load. A look takes
//! sequence numbers from the shared line, sends, and gathers what the line hears for it. It judges
//! neither loss nor time: one answer is enough for good.

mod line;
mod packet;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use tokio::time::{Instant, sleep_until, timeout_at};

use line::{Event, Line, Ticket};
use packet::{Family, Refusal};

use super::Course;
use super::reach::{self, Names};
use crate::base::outcome::{Look, Outcome};
use crate::base::target::{GATEWAY, Icmp};
use crate::base::time::{Micros, Span};
use crate::io::host;

/// The sockets of this host, or why there is none.
pub(super) struct Lines {
    v4: io::Result<Line>,
    v6: io::Result<Line>,
}

impl Lines {
    pub(super) fn open() -> Self {
        Self { v4: Line::open(Family::V4), v6: Line::open(Family::V6) }
    }

    /// What cannot be done, for people.
    pub(super) fn lacks(&self) -> Vec<String> {
        let lines = [("IPv4", &self.v4), ("IPv6", &self.v6)];
        let denied = |line: &io::Result<Line>| line.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if lines.iter().all(|(_, line)| denied(line)) {
            return vec![format!("no ICMP at all: {REMEDY}")];
        }
        let mut lacks = Vec::new();
        if lines.iter().any(|(_, line)| line.as_ref().is_ok_and(|line| !line.is_raw())) {
            lacks.push("no raw sockets: ICMP uses unprivileged ping sockets, which do not say why a packet was lost".to_owned());
        }
        for (name, line) in lines {
            if let Err(error) = line {
                lacks.push(format!("no ICMP over {name}: {}", cause(error)));
            }
        }
        lacks
    }

    /// Sends the requests and waits for their answers.
    pub(super) async fn look(&self, names: &Names, icmp: &Icmp, course: &mut Course) -> Outcome {
        let addresses = if icmp.host == GATEWAY {
            match host::gateway_address() {
                Some(gateway) => vec![gateway],
                None => return Outcome::unable("this host has no default gateway"),
            }
        } else {
            match timeout_at(course.deadline, names.resolve(&icmp.host, 0, course)).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(outcome)) => return outcome,
                Err(_) => return course.overrun(),
            }
        };
        let mut outcome = Outcome::unable("the name has no address");
        for address in addresses {
            outcome = match self.line(address) {
                Ok(line) => ping(line, icmp, address, course).await,
                Err(lack) => lack,
            };
            // Only where this host could not even send is the next address worth a trial.
            if outcome.look != Look::Unable {
                break;
            }
        }
        course.fill(outcome)
    }

    /// One packet to one address.
    pub(super) async fn echo(&self, address: SocketAddr, course: &Course) -> Outcome {
        let once = Icmp { host: String::new(), count: 1, gap: Span::ZERO, size: 16 };
        match self.line(address) {
            Ok(line) => ping(line, &once, address, course).await,
            Err(lack) => lack,
        }
    }

    fn line(&self, address: SocketAddr) -> Result<&Line, Outcome> {
        let line = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        line.as_ref().map_err(|error| Outcome::unable(format!("no ICMP: {}", cause(error))))
    }
}

/// What gives a host the right to ping.
const REMEDY: &str = "give CAP_NET_RAW (setcap cap_net_raw+ep on peerwatchd) or set net.ipv4.ping_group_range";

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => REMEDY.to_owned(),
        io::ErrorKind::Unsupported => "this host's kernel has it switched off".to_owned(),
        _ => reach::plain(error),
    }
}

/// What one look gathered.
#[derive(Default)]
struct Tally {
    sent: u16,
    times: Vec<Micros>,
    refusal: Option<(std::net::IpAddr, Refusal)>,
}

/// One look at one address.
async fn ping(line: &Line, icmp: &Icmp, to: SocketAddr, course: &Course) -> Outcome {
    let count = icmp.count.max(1);
    // The last packet needs time to be answered too, so all are sent within the first half.
    let gap = icmp.gap.std().min(course.timeout.std() / 2 / u32::from(count));
    let mut ticket = match line.ticket(count) {
        Ok(ticket) => ticket,
        Err(error) => return reach::fault(&error, to),
    };
    let mut tally = Tally::default();
    let mut next = Instant::now();
    for index in 0..count {
        match timeout_at(course.deadline, ticket.send(to, icmp.size)).await {
            Ok(Ok(())) => tally.sent += 1,
            Ok(Err(error)) if index == 0 => return reach::fault(&error, to),
            // A full queue or a route that just went away: the other packets may still do.
            Ok(Err(_)) => {}
            Err(_) => break,
        }
        next += gap;
        let until = if index + 1 == count { course.deadline } else { next.min(course.deadline) };
        gather(&mut ticket, until, &mut tally, index + 1 == count).await;
    }
    tally.outcome()
}

/// Gathers what is heard until then, or until everything is answered if nothing more will be sent.
async fn gather(ticket: &mut Ticket<'_>, until: Instant, tally: &mut Tally, last: bool) {
    let mut end = pin!(sleep_until(until));
    while !(last && usize::from(tally.sent) <= tally.times.len()) {
        tokio::select! {
            biased;
            event = ticket.hear() => match event {
                Event::Answer(time) => tally.times.push(time),
                Event::Refusal(by, why) => tally.refusal = Some((by, why)),
            },
            () = &mut end => return,
        }
    }
}

impl Tally {
    fn outcome(&self) -> Outcome {
        let received = u16::try_from(self.times.len()).unwrap_or(u16::MAX);
        let mut detail = match received {
            0 => format!("no answer to {sent} of {sent} packets", sent = self.sent),
            _ => format!("{received} of {} packets answered", self.sent),
        };
        if let Some((by, why)) = self.refusal.filter(|_| received < self.sent) {
            detail.push_str(&format!(": {by} says {why}"));
        }
        let sum: u64 = self.times.iter().map(|time| u64::from(time.0)).sum();
        let mean = sum.checked_div(u64::from(received)).and_then(|mean| u32::try_from(mean).ok()).map(Micros);
        Outcome {
            look: if received == 0 { Look::Bad } else { Look::Good },
            sent: self.sent,
            received,
            time: mean,
            spread: self.times.iter().min().copied().zip(self.times.iter().max().copied()),
            ..Outcome::bad(detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_is_enough_and_the_rest_is_loss() {
        let tally = Tally { sent: 3, times: vec![Micros(300), Micros(100)], refusal: None };
        let outcome = tally.outcome();
        assert_eq!((outcome.look, outcome.sent, outcome.received), (Look::Good, 3, 2));
        assert_eq!((outcome.time, outcome.spread), (Some(Micros(200)), Some((Micros(100), Micros(300)))));
        assert_eq!(outcome.detail, "2 of 3 packets answered");
    }

    #[test]
    fn no_answer_is_bad_and_has_no_time() {
        let outcome = Tally { sent: 3, ..Tally::default() }.outcome();
        assert_eq!((outcome.look, outcome.received, outcome.time, outcome.spread), (Look::Bad, 0, None, None));
        assert_eq!(outcome.detail, "no answer to 3 of 3 packets");
    }
}
