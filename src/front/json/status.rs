//! A network in a few lines, as JSON, and how they are counted.

use serde::{Deserialize, Serialize};

use super::moment;
use crate::base::outcome::Standing;
use crate::base::view::{Presence, View};

/// A network in a few lines: `peerwatchctl status --json`, each row of `/api/v1/networks`, and the
/// first fields of `/api/v1/state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The network's name, as its directory is called.
    pub network: String,
    /// Its `id` string.
    pub id: String,
    /// The node that says all this.
    pub me: String,
    /// When it said it, by its wall clock.
    pub at: String,
    /// The worst standing of any target that is expected to be there: `down`, `degraded`, `unknown`,
    /// `held` or `up`; `unknown` as well where there is no target.
    pub worst: String,
    /// Why this node cannot write its journal at the moment, with the remedy.
    pub fault: Option<String>,
    /// Whether this node is cut off from everything.
    pub isolated: bool,
    /// Things people should know about this node.
    pub remarks: Vec<String>,
    /// How many targets have each standing.
    pub target_counts: TargetCounts,
    /// How many nodes are present in each way.
    pub node_counts: NodeCounts,
    /// How many incidents are open.
    pub open_incidents: usize,
}

/// How many targets have each standing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetCounts {
    /// All of them.
    pub total: usize,
    /// Enough watchers call it neither degraded nor down.
    pub up: usize,
    /// Enough call it at least degraded.
    pub degraded: usize,
    /// Enough call it down.
    pub down: usize,
    /// No watcher can say.
    pub unknown: usize,
    /// Not judged now: in maintenance.
    pub held: usize,
    /// Those of `up` and `degraded` that some watchers call worse.
    pub partial: usize,
}

/// How many nodes are present in each way, as judged by this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCounts {
    /// The whole roster.
    pub total: usize,
    /// Heard of in time; this node counts among them.
    pub alive: usize,
    /// Silent for too long, not yet given up.
    pub suspect: usize,
    /// Silent and given up.
    pub dead: usize,
    /// Not heard of since this node started.
    pub unheard: usize,
}

/// The network in a few lines.
#[must_use]
pub fn status(view: &View) -> Status {
    Status {
        network: view.network.clone(),
        id: view.id.clone(),
        me: view.me.clone(),
        at: moment(view.at),
        worst: worst(view).word().into(),
        fault: view.fault.clone(),
        isolated: view.isolated,
        remarks: view.remarks.to_vec(),
        target_counts: target_counts(view),
        node_counts: node_counts(view),
        open_incidents: view.incidents.iter().filter(|incident| incident.open).count(),
    }
}

/// The worst standing of any target that is expected to be there.
#[must_use]
pub fn worst(view: &View) -> Standing {
    const ORDER: [Standing; 4] = [Standing::Down, Standing::Degraded, Standing::Unknown, Standing::Held];
    let expected = || view.targets.iter().filter(|target| !target.sometimes);
    let found = ORDER.into_iter().find(|standing| expected().any(|target| target.standing == *standing));
    found.unwrap_or(if view.targets.is_empty() { Standing::Unknown } else { Standing::Up })
}

/// How many targets have each standing.
#[must_use]
pub fn target_counts(view: &View) -> TargetCounts {
    view.targets.iter().fold(TargetCounts::default(), |mut counts, target| {
        counts.total += 1;
        counts.partial += usize::from(target.partial);
        *match target.standing {
            Standing::Up => &mut counts.up,
            Standing::Degraded => &mut counts.degraded,
            Standing::Down => &mut counts.down,
            Standing::Unknown => &mut counts.unknown,
            Standing::Held => &mut counts.held,
        } += 1;
        counts
    })
}

/// How many nodes are present in each way.
#[must_use]
pub fn node_counts(view: &View) -> NodeCounts {
    view.nodes.iter().fold(NodeCounts::default(), |mut counts, node| {
        counts.total += 1;
        *match node.presence {
            Presence::Me | Presence::Alive => &mut counts.alive,
            Presence::Suspect => &mut counts.suspect,
            Presence::Dead => &mut counts.dead,
            Presence::Unheard => &mut counts.unheard,
        } += 1;
        counts
    })
}
