//! Looks at targets: an order in, an outcome out.
//!
//! A [`Prober`] owns what all looks share: one ICMP socket per address family, the root certificates,
//! and the bounds on what happens at once. A look is one future without memory of earlier looks; it
//! ends within its order's timeout and always with an [`Outcome`], never with an error. Whether the
//! outcome changes anything is decided elsewhere. Nothing here repeats a look or keeps a connection.

mod http;
mod icmp;
mod reach;
mod reference;
mod tcp;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::RootCertStore;

use crate::base::limits;
use crate::base::outcome::{Order, Outcome};
use crate::base::target::Probe;
use crate::base::time::{Micros, Span};
use crate::io::trust;

/// Looks at targets. Clones share everything, so one per process is enough.
#[derive(Clone)]
pub struct Prober(Arc<Shared>);

/// What all looks share.
struct Shared {
    pings: icmp::Lines,
    tls: http::Tls,
    names: reach::Names,
    /// Looks that hold a connection, which costs a file descriptor each.
    connections: Semaphore,
    /// Looks by ICMP, which all share one socket.
    echoes: Semaphore,
}

impl Prober {
    /// Opens what this host permits and reads its root certificates; see [`Prober::lacks`] for the rest.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(trust::native_roots())
    }

    /// The same with other root certificates, for a private authority.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn trusting(roots: RootCertStore) -> Self {
        Self(Arc::new(Shared {
            pings: icmp::Lines::open(),
            tls: http::Tls::new(roots),
            names: reach::Names::new(),
            connections: Semaphore::new(limits::PROBES),
            echoes: Semaphore::new(limits::ECHOES),
        }))
    }

    /// What this host does not permit or have, each as a sentence with its remedy; empty when all is well.
    #[must_use]
    pub fn lacks(&self) -> Vec<String> {
        let mut lacks = self.0.pings.lacks();
        lacks.extend(self.0.tls.lack());
        lacks
    }

    /// Looks once. Ends within the order's timeout, counted from when it is this look's turn.
    pub async fn look(&self, order: &Order) -> Outcome {
        let shared = &*self.0;
        let turns = if matches!(order.probe, Probe::Icmp(_) | Probe::Reference(_)) { &shared.echoes } else { &shared.connections };
        let _turn = turns.acquire().await.expect("BUG! nobody closes these semaphores");
        let mut course = Course::begin(order.timeout);
        let deadline = course.deadline;
        // Boxed, since the state of an HTTP look is large and thousands of ICMP looks would each have room for it.
        match &order.probe {
            Probe::Icmp(icmp) => shared.pings.look(&shared.names, icmp, &mut course).await,
            Probe::Tcp(tcp) => {
                let look = Box::pin(tcp::look(&shared.names, tcp, &mut course));
                timeout_at(deadline, look).await.unwrap_or_else(|_| course.overrun())
            }
            Probe::Http(http) => {
                let look = Box::pin(shared.tls.look(&shared.names, http, &mut course));
                timeout_at(deadline, look).await.unwrap_or_else(|_| course.overrun())
            }
            Probe::Reference(host) => reference::look(&shared.names, &shared.pings, host, &mut course).await,
            Probe::Node(_) => Outcome::unable("a node is judged by its heartbeats, not by a look"),
        }
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

/// How far one look has come. It outlives the look's future, so that a look that ran out of time can
/// say what it was doing.
struct Course {
    began: Instant,
    timeout: Span,
    deadline: Instant,
    mark: Instant,
    doing: &'static str,
    phases: Vec<(&'static str, Micros)>,
    certificate_days: Option<i32>,
}

impl Course {
    fn begin(timeout: Span) -> Self {
        let began = Instant::now();
        // A century is as good as for ever, and does not overflow.
        let deadline = began + timeout.std().min(Duration::from_secs(100 * 365 * 86_400));
        Self { began, timeout, deadline, mark: began, doing: "starting", phases: Vec::new(), certificate_days: None }
    }

    /// From here on the look is `doing` something else.
    fn enter(&mut self, doing: &'static str) {
        self.doing = doing;
        self.mark = Instant::now();
    }

    /// The time since [`Course::enter`] was spent in this phase; after a redirect phases add up.
    fn spent(&mut self, phase: &'static str) {
        let time = Micros::of(self.mark.elapsed());
        match self.phases.iter_mut().find(|(name, _)| *name == phase) {
            Some((_, sum)) => sum.0 = sum.0.saturating_add(time.0),
            None => self.phases.push((phase, time)),
        }
    }

    /// The whole time so far.
    fn total(&self) -> Micros {
        Micros::of(self.began.elapsed())
    }

    /// A look that was answered as it should be.
    fn good(&mut self, detail: String) -> Outcome {
        let time = Some(self.total());
        self.fill(Outcome { sent: 1, received: 1, time, look: crate::base::outcome::Look::Good, ..Outcome::bad(detail) })
    }

    /// Adds to an outcome what the course knows.
    fn fill(&mut self, outcome: Outcome) -> Outcome {
        Outcome { phases: std::mem::take(&mut self.phases), certificate_days: self.certificate_days, ..outcome }
    }

    /// The look ran out of time.
    fn overrun(&mut self) -> Outcome {
        let late = self.late();
        self.fill(Outcome::bad(late))
    }

    fn late(&self) -> String {
        format!("timed out after {} while {}", self.timeout, self.doing)
    }
}
