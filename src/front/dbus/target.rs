//! A target on the bus: `org.peerwatch.Peerwatch1.Target`.

use zbus::{OwnedObjectPath, interface};

use super::path;
use super::shelf::{Followed, Object, Shown};
use super::value::{Known, Rows, count, length, moment, optional, text};
use crate::base::outcome::Verdict;
use crate::base::time::Wall;
use crate::base::view::{TargetView, WatcherView};

/// The object.
#[derive(Clone)]
pub(super) struct Target(Shown<TargetView>);

impl Object for Target {
    type Value = TargetView;

    const FOLLOWED: &'static [Followed<TargetView>] = &[
        Followed::carried("Group", |a, b| a.group == b.group),
        Followed::carried("Probe", |a, b| a.probe == b.probe),
        Followed::carried("IntervalUSec", |a, b| a.interval == b.interval),
        Followed::carried("Standing", |a, b| a.standing == b.standing),
        Followed::carried("SinceUSec", |a, b| a.since == b.since),
        Followed::carried("VotesFor", |a, b| a.votes.0 == b.votes.0),
        Followed::carried("VotesCounted", |a, b| a.votes.1 == b.votes.1),
        Followed::carried("Partial", |a, b| a.partial == b.partial),
        Followed::carried("Sometimes", |a, b| a.sometimes == b.sometimes),
        Followed::carried("Runbook", |a, b| a.runbook == b.runbook),
        Followed::carried("Watchers", |a, b| a.watchers.iter().map(judgement).eq(b.watchers.iter().map(judgement))),
        Followed::carried("Incident", |a, b| a.incident == b.incident),
    ];

    fn showing(shown: Shown<TargetView>) -> Self {
        Self(shown)
    }
}

/// What of a watcher is announced: all but the figures of the last look.
fn judgement(watcher: &WatcherView) -> (&str, Verdict, Option<Wall>, bool, &str) {
    (&watcher.node, watcher.verdict, watcher.since, watcher.counted, &watcher.detail)
}

/// The watchers that there is room for, in their order; where they are too many, those that call it
/// bad first.
fn shown(value: &TargetView, rows: usize) -> Vec<&WatcherView> {
    let mut watchers: Vec<_> = value.watchers.iter().collect();
    if rows < watchers.len() {
        watchers.sort_by_key(|watcher| !matches!(watcher.verdict, Verdict::Degraded | Verdict::Down));
        watchers.truncate(rows);
    }
    watchers
}

#[interface(name = "org.peerwatch.Peerwatch1.Target", introspection_docs = false)]
impl Target {
    #[zbus(property(emits_changed_signal = "const"))]
    fn network(&self) -> OwnedObjectPath {
        self.0.network.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        text(&self.0.now().id.0)
    }

    #[zbus(property)]
    fn group(&self) -> String {
        optional(self.0.now().group.as_deref())
    }

    #[zbus(property)]
    fn probe(&self) -> String {
        text(&self.0.now().probe)
    }

    #[zbus(property, name = "IntervalUSec")]
    fn interval(&self) -> u64 {
        length(self.0.now().interval)
    }

    #[zbus(property)]
    fn standing(&self) -> &'static str {
        self.0.now().standing.word()
    }

    #[zbus(property, name = "SinceUSec")]
    fn since(&self) -> u64 {
        moment(self.0.now().since)
    }

    #[zbus(property)]
    fn votes_for(&self) -> u32 {
        count(self.0.now().votes.0)
    }

    #[zbus(property)]
    fn votes_counted(&self) -> u32 {
        count(self.0.now().votes.1)
    }

    #[zbus(property)]
    fn partial(&self) -> bool {
        self.0.now().partial
    }

    #[zbus(property)]
    fn sometimes(&self) -> bool {
        self.0.now().sometimes
    }

    #[zbus(property)]
    fn runbook(&self) -> String {
        optional(self.0.now().runbook.as_deref())
    }

    #[zbus(property)]
    fn watchers(&self) -> Rows {
        let row = |watcher: &WatcherView| {
            let known = Known::default().with("Verdict", watcher.verdict.word()).maybe("SinceUSec", watcher.since.map(moment));
            (text(&watcher.node), known.with("Counted", watcher.counted).text("Detail", &watcher.detail).traits())
        };
        shown(&self.0.now(), self.0.rows()).into_iter().map(row).collect()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn measurements(&self) -> Rows {
        let row = |watcher: &WatcherView| {
            let known = Known::default().time("TimeUSec", watcher.time).maybe("Loss", watcher.loss.map(f64::from));
            (text(&watcher.node), known.maybe("LastGoodUSec", watcher.last_good.map(moment)).traits())
        };
        shown(&self.0.now(), self.0.rows()).into_iter().map(row).collect()
    }

    #[zbus(property)]
    fn incident(&self) -> OwnedObjectPath {
        let value = self.0.now();
        value.incident.as_ref().map_or_else(path::none, |id| path::within(&self.0.network, "incident", &id.to_string()))
    }
}
