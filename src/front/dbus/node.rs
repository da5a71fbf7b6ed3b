//! A node on the bus: `org.peerwatch.Peerwatch1.Node`.

use zbus::{OwnedObjectPath, interface};

use super::shelf::{Followed, Object, Shown};
use super::value::{Known, Rows, Traits, moment, optional, text, texts};
use crate::base::id::{Incarnation, hex};
use crate::base::view::{LinkView, NodeView};

/// The object.
#[derive(Clone)]
pub(super) struct Node(Shown<NodeView>);

impl Object for Node {
    type Value = NodeView;

    const FOLLOWED: &'static [Followed<NodeView>] = &[
        Followed::carried("Key", |a, b| a.id == b.id),
        Followed::carried("Role", |a, b| a.role == b.role),
        Followed::carried("Presence", |a, b| a.presence == b.presence),
        Followed::carried("Voting", |a, b| a.voting == b.voting),
        Followed::carried("Isolated", |a, b| a.isolated == b.isolated),
        Followed::carried("Software", |a, b| a.software == b.software),
        Followed::carried("System", |a, b| a.system == b.system),
        Followed::carried("Ways", |a, b| a.ways == b.ways),
        Followed::carried("Lacks", |a, b| a.lacks == b.lacks),
        Followed::carried("Definition", |a, b| a.same_definition == b.same_definition),
        Followed::carried("Incarnation", |a, b| a.incarnation == b.incarnation),
        Followed::carried("Addresses", |a, b| a.addresses == b.addresses),
        Followed::carried("Links", |a, b| a.links.iter().map(state).eq(b.links.iter().map(state))),
    ];

    fn showing(shown: Shown<NodeView>) -> Self {
        Self(shown)
    }
}

/// What of a link is announced: all but the figures of the last ping.
fn state(link: &LinkView) -> (&str, bool, i64, &str) {
    (&link.peer, link.up, link.since.0, &link.detail)
}

/// An incarnation in full.
pub(super) fn life(incarnation: &Incarnation) -> String {
    format!("{}.{}", incarnation.opened, hex(&incarnation.nonce))
}

#[interface(name = "org.peerwatch.Peerwatch1.Node", introspection_docs = false)]
impl Node {
    #[zbus(property(emits_changed_signal = "const"))]
    fn network(&self) -> OwnedObjectPath {
        self.0.network.clone()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        text(&self.0.now().name)
    }

    #[zbus(property)]
    fn key(&self) -> String {
        self.0.now().id.hex()
    }

    #[zbus(property)]
    fn role(&self) -> &'static str {
        self.0.now().role.word()
    }

    #[zbus(property)]
    fn presence(&self) -> &'static str {
        self.0.now().presence.word()
    }

    #[zbus(property(emits_changed_signal = "false"), name = "HeardUSec")]
    fn heard(&self) -> u64 {
        self.0.now().heard.map_or(0, moment)
    }

    #[zbus(property)]
    fn voting(&self) -> bool {
        self.0.now().voting
    }

    #[zbus(property)]
    fn isolated(&self) -> bool {
        self.0.now().isolated
    }

    #[zbus(property)]
    fn software(&self) -> String {
        optional(self.0.now().software.as_deref())
    }

    #[zbus(property)]
    fn system(&self) -> String {
        optional(self.0.now().system.as_deref())
    }

    #[zbus(property)]
    fn ways(&self) -> Vec<String> {
        texts(&self.0.now().ways)
    }

    #[zbus(property)]
    fn lacks(&self) -> Vec<String> {
        texts(&self.0.now().lacks)
    }

    #[zbus(property)]
    fn definition(&self) -> &'static str {
        match self.0.now().same_definition {
            Some(true) => "same",
            Some(false) => "different",
            None => "unknown",
        }
    }

    #[zbus(property)]
    fn incarnation(&self) -> String {
        self.0.now().incarnation.as_ref().map(life).unwrap_or_default()
    }

    /// How its wall clock stands to this node's.
    #[zbus(property(emits_changed_signal = "false"))]
    fn clock(&self) -> Traits {
        self.0.now().clock.map_or_else(Traits::new, |clock| {
            Known::default().with("OffsetUSec", clock.offset.saturating_mul(1000)).with("Measured", clock.measured).traits()
        })
    }

    #[zbus(property)]
    fn addresses(&self) -> Vec<String> {
        texts(&self.0.now().addresses)
    }

    #[zbus(property)]
    fn links(&self) -> Rows {
        let row = |link: &LinkView| {
            let known = Known::default().with("Up", link.up).with("SinceUSec", moment(link.since));
            (text(&link.peer), known.text("Detail", &link.detail).traits())
        };
        self.0.now().links.iter().take(self.0.rows()).map(row).collect()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn link_measurements(&self) -> Rows {
        let row = |link: &LinkView| {
            let offset = link.offset.map(|ms| ms.saturating_mul(1000));
            let known = Known::default().time("TimeUSec", link.time).maybe("OffsetUSec", offset);
            let known = known.maybe("PeerLacks", link.lag.map(|lag| lag.peer_lacks)).maybe("Lacks", link.lag.map(|lag| lag.lacks));
            let known = known.maybe("SentBytes", link.bytes.map(|(sent, _)| sent));
            (text(&link.peer), known.maybe("ReceivedBytes", link.bytes.map(|(_, received)| received)).traits())
        };
        self.0.now().links.iter().take(self.0.rows()).map(row).collect()
    }
}
