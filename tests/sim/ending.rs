//! A member whose key is revoked while everything else goes wrong too.
//!
//! It is told by an admin, perhaps on one side of a split, and is only true once one of those who live on
//! knows it. Who was revoked lives on as well, but the others must have nothing to do with it any more.

use std::collections::BTreeMap;

use peerwatch::base::command::{Command, CommandId};
use peerwatch::base::fact::{Fact, Revoked};
use peerwatch::base::id::ChainId;
use peerwatch::logic::input::Input;

use crate::cluster::Cluster;
use crate::options::name;

impl Cluster {
    /// A face asks an admin to end a membership.
    pub fn revoke(&mut self, by: usize, host: usize, retire: bool) {
        let id = self.at + (1 << 40);
        let node = self.options.node(host);
        if let Some(life) = self.hosts[by].life.as_mut() {
            life.asked.insert(id, self.at + 30_000);
            let command = Command::Revoke { node, reason: "stolen".into(), retire };
            self.reach(self.at, by, Input::Command { id: CommandId(id), command });
        }
    }

    /// Whether one of those who live on knows that a member's key is revoked.
    pub fn is_ended(&self, host: usize) -> bool {
        !self.options.admins.is_empty() && self.endings(self.member(host)).next().is_some()
    }

    /// What those who live on know of a member's end.
    fn endings(&self, member: usize) -> impl Iterator<Item = &Revoked> {
        self.plan.survivors.iter().flat_map(move |host| self.endings_on(*host, member))
    }

    fn endings_on(&self, host: usize, member: usize) -> impl Iterator<Item = &Revoked> {
        let node = self.options.node(member);
        let facts = self.hosts[host].disk.proofs().iter().flat_map(|entry| entry.facts.iter());
        facts.filter_map(ending).filter(move |revoked| revoked.node == node)
    }

    /// Whether a member runs and keeps away, since it knows that its key was revoked. Those who knew it may have lost that.
    pub fn keeps_away(&self, member: usize) -> bool {
        let mut hosts = (0..self.hosts.len()).filter(|host| self.member(*host) == member && !self.hosts[*host].dead);
        hosts.any(|host| self.endings_on(host, member).next().is_some())
    }

    /// Somebody who was revoked and is still dealt with, or whose words still count.
    pub fn returned(&mut self) -> Option<String> {
        for member in (0..self.options.nodes).filter(|member| self.is_ended(*member)) {
            if let Some(host) = self.plan.survivors.iter().find(|host| self.network.joined(**host, member)) {
                return Some(format!("{} is linked to {}, which was revoked", name(*host), name(member)));
            }
            let mut ends: BTreeMap<ChainId, u64> = BTreeMap::new();
            let node = self.options.node(member);
            for mark in self.endings(member).flat_map(|revoked| &revoked.heads) {
                let end = ends.entry(ChainId { author: node, incarnation: mark.incarnation, lane: mark.lane }).or_default();
                *end = mark.sequence.max(*end);
            }
            for host in &self.plan.survivors {
                let mut heads = self.hosts[*host].disk.heads().filter(|head| head.chain.author == node && head.base < head.sequence);
                if let Some(head) = heads.find(|head| ends.get(&head.chain).is_none_or(|end| *end < head.sequence)) {
                    return Some(format!("{} holds {} up to {}, and its author was revoked", name(*host), head.chain, head.sequence));
                }
            }
        }
        None
    }
}

/// Whose membership a fact ends.
fn ending(fact: &Fact) -> Option<&Revoked> {
    match fact {
        Fact::Revoked(revoked) | Fact::Retired(revoked) => Some(revoked),
        _ => None,
    }
}
