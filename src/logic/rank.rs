//! Who watches what.
//!
//! Where the definition gives a number of watchers, each target ranks the members by a hash of itself and the
//! member, so all nodes agree on the order without a word, each node is among the first about as often, and neighbours
//! in the roster are together no more often than others. The first in rank watch, and the next stand in for those who
//! are gone. Who is gone is not known here, and what watchers say is not either.

use std::collections::BTreeMap;

use crate::base::id::{NodeId, TargetId};
use crate::base::limits;
use crate::base::target::{Expected, Probe, Target, Watchers};

/// The ranks of all targets that are watched by a number of nodes. Made anew when the roster or the targets change.
#[derive(Debug, Default)]
pub struct Ranks {
    /// Who may watch: members that vote and are always there, in the order of the roster.
    steady: Vec<NodeId>,
    /// The first in rank, as places in `steady`: as many as are needed while three of four are gone.
    first: BTreeMap<TargetId, Box<[u16]>>,
}

impl Ranks {
    /// Ranks `members`, who are those that may vote, with whether each may be away.
    #[must_use]
    pub fn new<'a>(members: &[(NodeId, Expected)], targets: impl Iterator<Item = &'a Target>) -> Self {
        let steady = members.iter().filter(|(_, expected)| *expected == Expected::Always).map(|(node, _)| *node);
        let mut ranks = Self { steady: steady.take(limits::NODES).collect(), first: BTreeMap::new() };
        for target in targets {
            if let Watchers::Count(count) = target.watchers {
                let mut first = ranks.all(target);
                first.truncate(usize::from(count) * 4);
                ranks.first.insert(target.id.clone(), first.into());
            }
        }
        ranks
    }

    /// Who watches a target. Those of whom `gone` is true are replaced by the next in rank where the definition gives a
    /// number, and not otherwise. A node does not watch itself.
    #[must_use]
    pub fn watchers(&self, target: &Target, gone: impl Fn(&NodeId) -> bool) -> Vec<NodeId> {
        let count = match &target.watchers {
            Watchers::All => return self.steady.iter().filter(|node| target.probe != Probe::Node(**node)).copied().collect(),
            Watchers::Named(nodes) => return nodes.clone(),
            Watchers::Count(count) => usize::from(*count),
        };
        let present = |places: &[u16]| -> Vec<NodeId> {
            let nodes = places.iter().filter_map(|place| self.steady.get(usize::from(*place)));
            nodes.filter(|node| !gone(node)).take(count).copied().collect()
        };
        let first = self.first.get(&target.id).map(|first| present(first)).unwrap_or_default();
        // So many are gone that the order is needed to its end.
        if first.len() < count { present(&self.all(target)) } else { first }
    }

    /// All that may watch a target, in rank.
    fn all(&self, target: &Target) -> Vec<u16> {
        let others = (0..).zip(&self.steady).filter(|(_, node)| target.probe != Probe::Node(**node));
        let mut ranked: Vec<u16> = others.map(|(place, _)| place).collect();
        ranked.sort_by_cached_key(|place| self.steady.get(usize::from(*place)).map(|node| rendezvous(target.id.0.as_bytes(), node)));
        ranked
    }
}

/// Rendezvous hash (Thaler and Ravishankar 1996) of a node for a subject: the lowest is first.
#[must_use]
pub fn rendezvous(subject: &[u8], node: &NodeId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(subject.len() as u64).to_be_bytes()).update(subject).update(&node.0);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::target::{Confirm, Icmp, Quorum, Thresholds};
    use crate::base::time::Span;

    fn node(n: u16) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        NodeId(bytes)
    }

    fn members(count: u16) -> Vec<(NodeId, Expected)> {
        (0..count).map(|n| (node(n), Expected::Always)).collect()
    }

    fn target(name: &str, probe: Probe, watchers: Watchers) -> Target {
        Target {
            id: TargetId(name.into()),
            group: None,
            probe,
            interval: Span::secs(1),
            timeout: Span::secs(1),
            confirm: Confirm { bad: 3, good: 2 },
            degraded: Thresholds::default(),
            flap: crate::base::target::Flap::OFF,
            watchers,
            quorum: Quorum::Majority,
            depends: vec![],
            expected: Expected::Always,
            runbook: None,
            severity: crate::base::target::Severity::default(),
            reference: false,
        }
    }

    fn thing(watchers: Watchers) -> Target {
        target("t", Probe::Icmp(Icmp { host: "192.0.2.1".into(), count: 1, gap: Span(200), size: 56 }), watchers)
    }

    /// Nodes of a network of so many, as targets that so many watch.
    fn nodes(all: u16, count: u16) -> Vec<Target> {
        (0..all).map(|n| target(&format!("node:n{n}"), Probe::Node(node(n)), Watchers::Count(count))).collect()
    }

    #[test]
    fn the_next_in_rank_stands_in_for_the_dead() {
        let target = thing(Watchers::Count(3));
        let ranks = Ranks::new(&members(10), [&target].into_iter());
        let usual = ranks.watchers(&target, |_| false);
        assert_eq!(usual.len(), 3);
        let without = ranks.watchers(&target, |node| *node == usual[0]);
        assert_eq!(without[..2], usual[1..]);
        assert!(!without.contains(&usual[0]) && without.len() == 3);
    }

    #[test]
    fn the_order_is_followed_to_its_end_when_most_are_gone() {
        let target = thing(Watchers::Count(2));
        let ranks = Ranks::new(&members(100), [&target].into_iter());
        for left in 0..100 {
            assert_eq!(ranks.watchers(&target, |other| *other != node(left)), [node(left)], "nobody else is there to watch");
        }
        assert_eq!(ranks.watchers(&target, |_| true), []);
    }

    #[test]
    fn no_node_watches_itself_and_each_watches_about_as_many_as_watch_it() {
        let targets = nodes(200, 15);
        let ranks = Ranks::new(&members(200), targets.iter());
        let mut watched = BTreeMap::new();
        for target in &targets {
            let watchers: BTreeSet<NodeId> = ranks.watchers(target, |_| false).into_iter().collect();
            assert_eq!(watchers.len(), 15, "{}", target.id);
            assert!(!watchers.iter().any(|node| target.probe == Probe::Node(*node)), "{} watches itself", target.id);
            watchers.into_iter().for_each(|node| *watched.entry(node).or_insert(0) += 1);
        }
        let (least, most) = (watched.values().min().unwrap(), watched.values().max().unwrap());
        // Chance alone spreads 15 by four; beyond four times that, it would not be chance.
        assert!(watched.len() == 200 && 2 <= *least && *most <= 31, "from {least} to {most}");
    }

    #[test]
    fn neighbours_in_the_roster_fall_together_without_leaving_anybody_unseen() {
        let targets = nodes(200, 15);
        let ranks = Ranks::new(&members(200), targets.iter());
        // A quarter of the network, all in one place.
        let fallen: BTreeSet<NodeId> = (50..100).map(node).collect();
        for target in &targets {
            let usual = ranks.watchers(target, |_| false);
            assert!(usual.iter().any(|node| !fallen.contains(node)), "{} had no watcher elsewhere", target.id);
            let now = ranks.watchers(target, |node| fallen.contains(node));
            assert!(now.len() == 15 && now.iter().all(|node| !fallen.contains(node)), "{}", target.id);
            assert!(usual.iter().filter(|node| !fallen.contains(node)).all(|node| now.contains(node)), "who can go on does");
        }
    }

    #[test]
    fn who_may_be_away_watches_nothing_and_who_is_named_is_not_replaced() {
        let mut members = members(3);
        members[1].1 = Expected::Sometimes;
        let all = thing(Watchers::All);
        let named = thing(Watchers::Named(vec![node(7)]));
        let count = thing(Watchers::Count(9));
        let ranks = Ranks::new(&members, [&all, &named, &count].into_iter());
        assert_eq!(ranks.watchers(&all, |_| true), [node(0), node(2)]);
        assert_eq!(ranks.watchers(&named, |_| true), [node(7)]);
        assert_eq!(ranks.watchers(&count, |_| false).len(), 2);
        let other = target("node:n0", Probe::Node(node(0)), Watchers::All);
        assert_eq!(ranks.watchers(&other, |_| false), [node(2)]);
    }
}
