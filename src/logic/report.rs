//! What nodes report of themselves: their links and what they are and can do.
//!
//! Like all folds it keeps, for each author, the last word of its highest incarnation. Whether a
//! node lives is `liveness`'s affair: this is what it last said.

use std::collections::BTreeMap;

use crate::base::fact::{Inventory, Linked};
use crate::base::id::{Incarnation, NodeId};

/// Everybody's last words on themselves.
#[derive(Debug, Default)]
pub struct Reports {
    nodes: BTreeMap<NodeId, Report>,
}

/// One node's last words on itself.
#[derive(Debug)]
pub struct Report {
    /// Its present life.
    pub incarnation: Incarnation,
    /// Its links, up and gone, by peer.
    pub links: BTreeMap<NodeId, (u64, Linked)>,
    /// What it is and can do.
    pub inventory: Option<(u64, Inventory)>,
}

impl Reports {
    /// Takes a life of an author: what it said in earlier ones no longer holds.
    pub fn open(&mut self, author: NodeId, incarnation: Incarnation) {
        let fresh = || Report { incarnation, links: BTreeMap::new(), inventory: None };
        let report = self.nodes.entry(author).or_insert_with(fresh);
        if report.incarnation < incarnation {
            *report = fresh();
        }
    }

    /// Takes the state of one link.
    pub fn linked(&mut self, author: NodeId, incarnation: Incarnation, sequence: u64, linked: &Linked) {
        if let Some(report) = self.current(author, incarnation) {
            let newer = report.links.get(&linked.peer).is_none_or(|(known, _)| *known <= sequence);
            if newer {
                report.links.insert(linked.peer, (sequence, linked.clone()));
            }
        }
    }

    /// Takes an inventory.
    pub fn inventory(&mut self, author: NodeId, incarnation: Incarnation, sequence: u64, inventory: &Inventory) {
        if let Some(report) = self.current(author, incarnation)
            && report.inventory.as_ref().is_none_or(|(known, _)| *known <= sequence)
        {
            report.inventory = Some((sequence, inventory.clone()));
        }
    }

    /// What an author said up to a place in one of its lives is not in force any more.
    pub fn forget(&mut self, author: NodeId, incarnation: Incarnation, upto: u64) {
        if let Some(report) = self.nodes.get_mut(&author).filter(|report| report.incarnation == incarnation) {
            report.links.retain(|_, (sequence, _)| upto < *sequence);
            report.inventory.take_if(|(sequence, _)| *sequence <= upto);
        }
    }

    /// What one node last said of itself.
    #[must_use]
    pub fn of(&self, node: &NodeId) -> Option<&Report> {
        self.nodes.get(node)
    }

    fn current(&mut self, author: NodeId, incarnation: Incarnation) -> Option<&mut Report> {
        self.open(author, incarnation);
        self.nodes.get_mut(&author).filter(|report| report.incarnation == incarnation)
    }
}

impl Report {
    /// Whether it said that it has a link to `peer`.
    #[must_use]
    pub fn is_linked_to(&self, peer: &NodeId) -> bool {
        self.links.get(peer).is_some_and(|(_, linked)| linked.up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_the_highest_incarnation_holds_in_every_order() {
        let [old, new] = [1, 2].map(|opened| Incarnation { opened, nonce: [0; 16] });
        let author = NodeId([1; 32]);
        let peer = NodeId([2; 32]);
        let linked = |up| Linked { peer, up, since: 0, detail: String::new() };
        let words = [(old, 5, true), (new, 2, true), (new, 3, false)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut reports = Reports::default();
            for n in order {
                let (incarnation, sequence, up) = words[n];
                reports.linked(author, incarnation, sequence, &linked(up));
            }
            assert!(!reports.of(&author).unwrap().is_linked_to(&peer), "{order:?}");
        }
    }
    #[test]
    fn what_was_said_before_a_base_is_forgotten() {
        let life = Incarnation { opened: 1, nonce: [0; 16] };
        let [author, peer, other] = [1, 2, 3].map(|n| NodeId([n; 32]));
        let linked = |peer| Linked { peer, up: true, since: 0, detail: String::new() };
        let mut reports = Reports::default();
        reports.linked(author, life, 2, &linked(peer));
        reports.linked(author, life, 3, &linked(other));
        reports.forget(author, life, 2);
        let report = reports.of(&author).unwrap();
        assert!(!report.is_linked_to(&peer) && report.is_linked_to(&other));
    }
}
