//! An incident on the bus: `org.peerwatch.Peerwatch1.Incident`.

use zbus::{OwnedObjectPath, interface};

use super::path;
use super::shelf::{Followed, Object, Shown};
use super::value::{Known, Rows, length, moment, text};
use crate::base::view::{IncidentView, NoticeView};

/// The object.
#[derive(Clone)]
pub(super) struct Incident(Shown<IncidentView>);

impl Object for Incident {
    type Value = IncidentView;

    const FOLLOWED: &'static [Followed<IncidentView>] = &[
        Followed::carried("Open", |a, b| a.open == b.open),
        Followed::carried("Standing", |a, b| a.standing == b.standing),
        Followed::carried("SinceUSec", |a, b| a.since == b.since),
        Followed::carried("OpenedUSec", |a, b| a.opened == b.opened),
        Followed::carried("ClosedUSec", |a, b| a.closed == b.closed),
        Followed::carried("LastedUSec", |a, b| a.lasted == b.lasted),
        Followed::carried("Reason", |a, b| a.reason == b.reason),
        Followed::carried("Votes", |a, b| a.votes == b.votes),
        Followed::carried("AcknowledgedBy", |a, b| a.acknowledged == b.acknowledged),
        Followed::carried("AcknowledgedReason", |a, b| a.acknowledged == b.acknowledged),
        Followed::carried("AcknowledgedUSec", |a, b| a.acknowledged == b.acknowledged),
        Followed::carried("Notices", |a, b| a.notices == b.notices),
    ];

    fn showing(shown: Shown<IncidentView>) -> Self {
        Self(shown)
    }
}

#[interface(name = "org.peerwatch.Peerwatch1.Incident", introspection_docs = false)]
impl Incident {
    #[zbus(property(emits_changed_signal = "const"))]
    fn network(&self) -> OwnedObjectPath {
        self.0.network.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        text(&self.0.now().id.to_string())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn target(&self) -> OwnedObjectPath {
        path::within(&self.0.network, "target", &self.0.now().id.target.0)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn target_name(&self) -> String {
        text(&self.0.now().id.target.0)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn number(&self) -> u32 {
        self.0.now().id.number
    }

    #[zbus(property)]
    fn open(&self) -> bool {
        self.0.now().open
    }

    #[zbus(property)]
    fn standing(&self) -> &'static str {
        self.0.now().standing.word()
    }

    #[zbus(property, name = "SinceUSec")]
    fn since(&self) -> u64 {
        moment(self.0.now().since)
    }

    #[zbus(property, name = "OpenedUSec")]
    fn opened(&self) -> u64 {
        moment(self.0.now().opened)
    }

    #[zbus(property, name = "ClosedUSec")]
    fn closed(&self) -> u64 {
        self.0.now().closed.map_or(0, moment)
    }

    #[zbus(property, name = "LastedUSec")]
    fn lasted(&self) -> u64 {
        self.0.now().lasted.map_or(0, length)
    }

    #[zbus(property)]
    fn reason(&self) -> String {
        text(&self.0.now().reason)
    }

    #[zbus(property)]
    fn acknowledged_by(&self) -> String {
        self.0.now().acknowledged.as_ref().map(|said| text(&said.by)).unwrap_or_default()
    }

    #[zbus(property)]
    fn acknowledged_reason(&self) -> String {
        self.0.now().acknowledged.as_ref().map(|said| text(&said.reason)).unwrap_or_default()
    }

    #[zbus(property, name = "AcknowledgedUSec")]
    fn acknowledged_at(&self) -> u64 {
        self.0.now().acknowledged.as_ref().map_or(0, |said| moment(said.at))
    }

    #[zbus(property)]
    fn votes(&self) -> Vec<(String, &'static str)> {
        self.0.now().votes.iter().take(self.0.rows()).map(|(node, verdict)| (text(node), verdict.word())).collect()
    }

    #[zbus(property)]
    fn notices(&self) -> Rows {
        let row = |notice: &NoticeView| {
            let known = Known::default().with("Phase", notice.phase).with("State", notice.state);
            let known = known.maybe("By", notice.by.as_deref().map(text)).maybe("AtUSec", notice.at.map(moment));
            let known = known.maybe("Reminders", (0 < notice.reminders).then_some(notice.reminders));
            (text(&notice.channel), known.text("Detail", &notice.detail).traits())
        };
        self.0.now().notices.iter().take(self.0.rows()).map(row).collect()
    }
}
