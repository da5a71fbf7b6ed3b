//! What is watched and how: targets, probes, thresholds, and who must agree.
//!
//! These are complete values; `base::config` makes them from text and no other place has defaults.

use crate::base::id::{NodeId, TargetId};
use crate::base::outcome::Standing;
use crate::base::time::{Micros, Span};

/// Something watched: a node, or anything that a probe can reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its name.
    pub id: TargetId,
    /// What it is listed under.
    pub group: Option<String>,
    /// How to look.
    pub probe: Probe,
    /// Time between looks; half of it while a change is unconfirmed.
    pub interval: Span,
    /// How long one look may take.
    pub timeout: Span,
    /// How many looks in a row confirm a change.
    pub confirm: Confirm,
    /// When an answer counts as degraded.
    pub degraded: Thresholds,
    /// When it is told to flap.
    pub flap: Flap,
    /// Who looks.
    pub watchers: Watchers,
    /// How many watchers must call it bad.
    pub quorum: Quorum,
    /// Targets whose own badness explains this one's.
    pub depends: Vec<TargetId>,
    /// Whether it may be away.
    pub expected: Expected,
    /// Where to read what to do.
    pub runbook: Option<String>,
    /// How bad it is when it is down.
    pub severity: Severity,
    /// One of the things an isolated node cannot reach; watched by every node, never told.
    pub reference: bool,
}

/// How much a bad standing matters to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// It can wait until the morning.
    Warning,
    /// It cannot.
    #[default]
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in files and for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// How much a standing matters of a target that is so severe when it is down: what is merely degraded is a warning
    /// at most.
    #[must_use]
    pub fn at(self, standing: Standing) -> Self {
        if standing == Standing::Degraded { self.min(Self::Warning) } else { self }
    }
}

/// A way of looking.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// ICMP echo.
    Icmp(Icmp),
    /// A TCP connection, and perhaps what it says first.
    Tcp(Tcp),
    /// An HTTP or HTTPS request.
    Http(Box<Http>),
    /// A node: judged by its heartbeats, no packet of its own.
    Node(NodeId),
    /// A host of which any answer is a sign of life from outside: [`GATEWAY`], [`NAME_SERVERS`], a name or an address.
    Reference(String),
}

/// The host that stands for the default gateway of whoever looks.
pub const GATEWAY: &str = "gateway";

/// The host that stands for the name servers of whoever looks.
pub const NAME_SERVERS: &str = "name-servers";

/// ICMP echo requests in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Name or address; `gateway` is the default gateway of whoever looks.
    pub host: String,
    /// Requests per look, 1 to 100.
    pub count: u16,
    /// Time between two requests.
    pub gap: Span,
    /// Payload bytes, 16 to 65,500.
    pub size: u16,
}

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Name or address.
    pub host: String,
    /// Port, not zero.
    pub port: u16,
    /// Bytes to send once connected.
    pub send: Option<String>,
    /// A regular expression that the first line(s) must match.
    pub expect: Option<String>,
}

/// An HTTP request and what its answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// `http://` or `https://`.
    pub url: String,
    /// `GET` by default.
    pub method: String,
    /// Further header fields, in order.
    pub headers: Vec<(String, String)>,
    /// Accepted status codes.
    pub status: StatusSet,
    /// Text that the body must contain.
    pub body: Option<String>,
    /// A certificate with fewer days left is degraded.
    pub certificate_days: Option<u16>,
}

/// Inclusive ranges of HTTP status codes; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(pub Vec<(u16, u16)>);

impl StatusSet {
    /// Whether `status` is accepted.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }

    /// Parses `200`, `200-299` or `200-299,404`.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let code = |part: &str| part.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
        text.split(',')
            .map(|part| match part.split_once('-') {
                Some((first, last)) => code(first).zip(code(last)).filter(|(first, last)| first <= last),
                None => code(part).map(|code| (code, code)),
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is no set of status codes; write codes from 100 to 599, as in \"200-299,404\""))
    }
}

impl std::fmt::Display for StatusSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

/// How many looks in a row confirm a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// Bad looks until a target counts as bad; at least 1.
    pub bad: u8,
    /// Good looks until it counts as recovered; at least 1.
    pub good: u8,
}

/// When an answer counts as degraded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Share of lost packets, 0 to 1.
    pub loss: Option<f32>,
    /// Round trip, or whole time of a look.
    pub rtt: Option<Micros>,
}

/// When a target flaps: what goes up and down often is told once, and again when it is steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// The so manieth incident within [`Flap::within`] is that it flaps; 0 if that is never said.
    pub count: u8,
    /// The time in which incidents are counted.
    pub within: Span,
    /// It is steady again after so long without a change.
    pub steady: Span,
}

impl Flap {
    /// Every incident is told.
    pub const OFF: Self = Self { count: 0, within: Span::ZERO, steady: Span::ZERO };
}

impl Default for Flap {
    fn default() -> Self {
        Self { count: 4, within: Span::secs(3600), steady: Span::secs(600) }
    }
}

/// Who looks at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watchers {
    /// Every node that may vote.
    All,
    /// The first so many in rank; the next stand in for the dead and the unable.
    Count(u16),
    /// These.
    Named(Vec<NodeId>),
}

/// How many of the watchers that are able, alive and not isolated must call a target bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// One.
    Any,
    /// More than half.
    Majority,
    /// Every one.
    All,
    /// So many, or all if there are fewer.
    Count(u16),
}

impl Quorum {
    /// How many of `voters` must agree; at least one, at most all of them when there are any.
    #[must_use]
    pub fn needed(self, voters: usize) -> usize {
        let wanted = match self {
            Self::Any => 1,
            Self::Majority => voters / 2 + 1,
            Self::All => voters,
            Self::Count(count) => usize::from(count).min(voters),
        };
        wanted.max(1)
    }
}

/// Whether something may be away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Being away is an incident.
    #[default]
    Always,
    /// May be away: shown, never told, outside every majority.
    Sometimes,
}

impl Probe {
    /// What is looked at, in a few words: `icmp 192.0.2.1`, `tcp mail.example.org:25`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Icmp(icmp) => format!("icmp {}", icmp.host),
            Self::Tcp(tcp) => format!("tcp {}:{}", tcp.host, tcp.port),
            Self::Http(http) => format!("http {}", http.url),
            Self::Node(node) => format!("node {node}"),
            Self::Reference(host) => format!("any answer of {host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_of_every_size() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(|n| Quorum::Majority.needed(n)), [1, 1, 2, 2, 3, 3]);
        assert_eq!([1, 3].map(|n| Quorum::All.needed(n)), [1, 3]);
        assert_eq!([1, 3].map(|n| Quorum::Count(2).needed(n)), [1, 2]);
        assert_eq!([1, 3].map(|n| Quorum::Any.needed(n)), [1, 1]);
    }

    #[test]
    fn status_sets_are_ranges_of_codes() {
        let set = StatusSet::parse("200-299, 404").unwrap();
        assert!(set.accepts(200) && set.accepts(299) && set.accepts(404) && !set.accepts(300));
        assert_eq!(set.to_string(), "200-299,404");
        for bad in ["", "ok", "299-200", "99", "600", "200-"] {
            assert!(StatusSet::parse(bad).is_err(), "{bad}");
        }
    }
}
