//! Whom this node deals with, and what the mesh must know of the other machines for that.
//!
//! The mesh knows no other machine: what it asks of them is gathered here, each time that it is called.

use std::collections::BTreeSet;

use crate::base::id::NodeId;
use crate::base::view::Presence;
use crate::base::wire::Head;
use crate::logic::mesh::{Known, Mesh};
use crate::logic::node::Node;
use crate::logic::report::Report;

impl Node {
    pub(super) fn with_mesh<R>(&mut self, f: impl FnOnce(&mut Mesh, &Known) -> R) -> R {
        let (journal, liveness, reports, me) = (&self.journal, &self.liveness, &self.reports, self.me);
        let (proofs, cut) = (&self.proofs, &self.cut);
        let taking = self.fault.is_none();
        let network = &self.settings.network;
        // Chains of strangers are neither told nor streamed, nor those that were just cut.
        let heads = || {
            let authors: BTreeSet<NodeId> = network.roster.iter().chain(&network.former).map(|member| member.node).collect();
            let told = |head: &&Head| authors.contains(&head.chain.author) && !cut.contains(&head.chain);
            journal.heads().filter(told).copied().collect()
        };
        let told = |head: &&Head| network.author(&head.chain.author).is_some() && !cut.contains(&head.chain);
        // What a node said of its links does not count while it may have said more since.
        let report = |node: &NodeId| {
            let read = taking && liveness.life(node).is_some_and(|life| life.unread.is_none());
            reports.of(node).filter(|_| read)
        };
        let degree = |report: &Report| report.links.iter().filter(|(peer, (_, linked))| linked.up && **peer != me).count();
        let known = Known {
            heads: &heads,
            head: &|chain| journal.get(chain).filter(told).copied(),
            has: &|chain, sequence| journal.has(chain, sequence.min(proofs.end(chain) - 1)),
            declared: &|chain| journal.declared(chain).map(|told| (told.base, told.chain, told.sequence)),
            proofs: proofs.digest().map_or(0, |digest| digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))),
            linked: &|node, peer| report(node).is_some_and(|report| report.is_linked_to(peer)),
            degree: &|node| report(node).map(degree),
            lives: &|node| liveness.life(node).is_some_and(|life| matches!(life.presence, Presence::Alive | Presence::Suspect)),
            taking,
        };
        f(&mut self.mesh, &known)
    }

    /// The keys of those who are members now: nobody else is to be linked.
    #[must_use]
    pub fn members_now(&self) -> BTreeSet<NodeId> {
        self.settings.network.roster.iter().map(|member| member.node).collect()
    }
}
