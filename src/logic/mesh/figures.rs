//! Figures of links for people: bytes, and how far both ends are behind each other. Nothing is decided by them.

use crate::base::id::{ChainId, LinkId};
use crate::base::view::LagView;
use crate::logic::mesh::Mesh;

impl Mesh {
    /// A link counted what went over it since it came.
    pub fn counted(&mut self, id: LinkId, sent: u64, received: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.bytes = (sent, received);
        }
    }

    /// How many entries each end of a link lacks of the other, by what the peer last said of its heads; none before
    /// it said them. What lies at or below the `base` of a chain is not in force, so nobody lacks it. `each` is told
    /// of every chain in which the two differ; where they do not, this costs nothing.
    pub fn lag(&self, id: LinkId, base: impl Fn(&ChainId) -> u64, mut each: impl FnMut(&ChainId, LagView)) -> Option<LagView> {
        let link = self.links.get(&id).filter(|link| link.cursors.knows_all())?;
        let ours = |chain: &ChainId| self.ours.get(chain).copied().unwrap_or(0);
        let behind = link.cursors.behind().map(|(chain, stored)| (chain, ours(chain).saturating_sub(stored.max(base(chain))), 0));
        let ahead = link.cursors.ahead().iter().map(|(chain, claimed)| (chain, 0, claimed.saturating_sub(ours(chain))));
        let mut lag = LagView::default();
        for (chain, peer_lacks, lacks) in behind.chain(ahead).filter(|(_, theirs, ours)| 0 < *theirs.max(ours)) {
            // A peer may claim anything.
            lag.peer_lacks = lag.peer_lacks.saturating_add(peer_lacks);
            lag.lacks = lag.lacks.saturating_add(lacks);
            each(chain, LagView { peer_lacks, lacks });
        }
        Some(lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{EntryHash, Incarnation, Lane, NodeId};
    use crate::base::settings::{Member, Role};
    use crate::base::target::Expected;
    use crate::base::time::Now;
    use crate::base::wire::{Head, Heads};
    use crate::logic::effect::Effects;
    use crate::logic::mesh::Known;

    fn head(author: u8, sequence: u64, base: u64) -> Head {
        let chain = ChainId { author: NodeId([author; 32]), incarnation: Incarnation { opened: 1, nonce: [0; 16] }, lane: Lane::State };
        Head { chain, sequence, hash: EntryHash([0; 32]), base }
    }

    #[test]
    fn what_each_end_lacks_is_counted_over_all_chains() {
        let mut mesh = Mesh::new(NodeId([9; 32]), 1);
        let member = |number: u8| Member {
            node: NodeId([number; 32]),
            name: number.to_string(),
            role: Role::Member,
            addresses: vec![],
            expected: Expected::Always,
        };
        mesh.roster(Now::default(), &(1..10).map(member).collect::<Vec<_>>(), &[], &mut Effects::default());
        let ours = vec![head(2, 10, 0), head(3, 50, 40), head(4, 7, 0), head(8, 5, 0)];
        let theirs = vec![head(1, 3, 0), head(2, 4, 0), head(4, 9, 0), head(5, u64::MAX, 0), head(6, 11, 0)];
        let known = Known {
            heads: &|| ours.clone(),
            head: &|chain| ours.iter().find(|head| head.chain == *chain).copied(),
            has: &|_, _| false,
            declared: &|_| None,
            proofs: 0,
            linked: &|_, _| false,
            degree: &|_| None,
            lives: &|_| true,
            taking: true,
        };
        mesh.up(Now::default(), LinkId(1), NodeId([2; 32]), None, String::new(), &known, &mut Effects::default());
        let mut chains = vec![];
        let base = |chain: &ChainId| ours.iter().find(|head| head.chain == *chain).map_or(0, |head| head.base);
        let mut lag = |mesh: &Mesh| mesh.lag(LinkId(1), base, |chain, lag| chains.push((chain.author.0[0], lag.peer_lacks, lag.lacks)));
        assert_eq!(lag(&mesh), None, "the peer has not said its heads");
        let said = Heads { complete: u64::MAX, again: false, heads: theirs };
        mesh.heads(Now::default(), LinkId(1), &said, &known, &mut Effects::default());
        // Of 2 six, of 3 the ten in force, of 8 five; of 1 three, of 4 two, of 6 eleven, and of 5 as much as it likes.
        assert_eq!(lag(&mesh), Some(LagView { peer_lacks: 21, lacks: u64::MAX }));
        chains.sort_unstable();
        assert_eq!(chains, [(1, 0, 3), (2, 6, 0), (3, 10, 0), (4, 0, 2), (5, 0, u64::MAX), (6, 0, 11), (8, 5, 0)]);
    }
}
