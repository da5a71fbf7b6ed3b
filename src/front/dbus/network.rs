//! A network on the bus: `org.peerwatch.Peerwatch1.Network`.

use std::sync::Arc;

use zbus::{OwnedObjectPath, interface};

use super::shelf::{Followed, Object, Shown};
use super::value::{Known, Rows, length, moment, optional, text, texts};
use crate::base::limits;
use crate::base::view::{ForkView, HeadView, SilenceView, View};

/// What the object shows: the view, and where its parts are.
pub(super) struct Shape {
    /// The name of its directory.
    pub(super) name: String,
    /// The view.
    pub(super) view: Arc<View>,
    /// The objects of the nodes, in the order of the roster.
    pub(super) nodes: Arc<[OwnedObjectPath]>,
    /// The objects of the targets, in the order of the view.
    pub(super) targets: Arc<[OwnedObjectPath]>,
    /// The objects of the incidents, open ones first, each newest first.
    pub(super) incidents: Arc<[OwnedObjectPath]>,
    /// How many targets and incidents the bus has no room for.
    pub(super) hidden: (usize, usize),
}

/// The object.
#[derive(Clone)]
pub(super) struct Network(Shown<Shape>);

impl Object for Network {
    type Value = Shape;

    const FOLLOWED: &'static [Followed<Shape>] = &[
        Followed::carried("Id", |a, b| a.view.id == b.view.id),
        Followed::carried("NodeName", |a, b| a.view.me == b.view.me),
        Followed::carried("Fault", |a, b| a.view.fault == b.view.fault),
        Followed::carried("Isolated", |a, b| a.view.isolated == b.view.isolated),
        Followed::carried("Remarks", |a, b| a.view.remarks == b.view.remarks && a.hidden == b.hidden),
        Followed::carried("JournalForks", |a, b| a.view.journal.forks == b.view.journal.forks),
        Followed::carried("Silences", |a, b| a.view.silences == b.view.silences),
        Followed::carried("Maintenance", |a, b| a.view.windows == b.view.windows),
        Followed::named("Nodes", |a, b| Arc::ptr_eq(&a.nodes, &b.nodes)),
        Followed::named("Targets", |a, b| Arc::ptr_eq(&a.targets, &b.targets)),
        Followed::named("Incidents", |a, b| Arc::ptr_eq(&a.incidents, &b.incidents)),
    ];

    fn showing(shown: Shown<Shape>) -> Self {
        Self(shown)
    }
}

#[interface(name = "org.peerwatch.Peerwatch1.Network", introspection_docs = false)]
impl Network {
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        text(&self.0.now().name)
    }

    #[zbus(property)]
    fn id(&self) -> String {
        text(&self.0.now().view.id)
    }

    #[zbus(property)]
    fn node_name(&self) -> String {
        text(&self.0.now().view.me)
    }

    #[zbus(property(emits_changed_signal = "false"), name = "UpdatedUSec")]
    fn updated(&self) -> u64 {
        moment(self.0.now().view.at)
    }

    #[zbus(property)]
    fn fault(&self) -> String {
        optional(self.0.now().view.fault.as_deref())
    }

    #[zbus(property)]
    fn isolated(&self) -> bool {
        self.0.now().view.isolated
    }

    #[zbus(property)]
    fn remarks(&self) -> Vec<String> {
        let shape = self.0.now();
        let mut remarks = texts(&shape.view.remarks);
        for (number, what) in [(shape.hidden.0, "targets"), (shape.hidden.1, "incidents")] {
            if 0 < number {
                remarks.push(format!("{number} {what} are too many for the bus and not shown there; the web page has all"));
            }
        }
        remarks
    }

    /// Silences that hold, by number.
    #[zbus(property)]
    fn silences(&self) -> Rows {
        let row = |silence: &SilenceView| {
            let known = Known::default().with("Targets", texts(&silence.targets)).with("Groups", texts(&silence.groups));
            let known = known.text("By", &silence.by).with("AtUSec", moment(silence.at)).with("LastsUSec", length(silence.lasts));
            (text(&silence.id), known.text("Reason", &silence.reason).traits())
        };
        self.0.now().view.silences.iter().map(row).collect()
    }

    /// Names of the maintenance windows that are open.
    #[zbus(property)]
    fn maintenance(&self) -> Vec<String> {
        texts(&self.0.now().view.windows)
    }

    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn nodes(&self) -> Vec<OwnedObjectPath> {
        self.0.now().nodes.to_vec()
    }

    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn targets(&self) -> Vec<OwnedObjectPath> {
        self.0.now().targets.to_vec()
    }

    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn incidents(&self) -> Vec<OwnedObjectPath> {
        self.0.now().incidents.to_vec()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn journal_entries(&self) -> u64 {
        self.0.now().view.journal.entries
    }

    /// Where chains end because their authors signed two things for one place.
    #[zbus(property)]
    fn journal_forks(&self) -> Rows {
        let row = |fork: &ForkView| {
            let known = Known::default().with("Incarnation", super::node::life(&fork.incarnation)).with("Lane", fork.lane);
            (text(&fork.author), known.with("Sequence", fork.sequence).traits())
        };
        self.0.now().view.journal.forks.iter().map(row).collect()
    }

    /// How far this node has each chain, by author; of very many the first.
    #[zbus(property(emits_changed_signal = "false"))]
    fn journal_heads(&self) -> Rows {
        let row = |head: &HeadView| {
            let known = Known::default().with("Incarnation", super::node::life(&head.incarnation)).with("Lane", head.lane);
            (text(&head.author), known.with("Base", head.base).with("Last", head.sequence).traits())
        };
        self.0.now().view.journal.heads.iter().take(limits::BUS_ROWS / 8).map(row).collect()
    }
}
