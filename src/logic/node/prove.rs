//! Forks, revocations and retirements: what is proved, and what this node makes of it.
//!
//! `proof` says what ends where. Here chains are cut, the roster that counts is made from the roster of
//! the settings, proofs travel on, and what a cut took away and is true all the same is kept to be said
//! again. After a cut everything is folded anew, which the loop does once it is committed.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::command::{CommandId, Reply};
use crate::base::entry::{Entry, Header, Record};
use crate::base::fact::{Done, Fact, Mark, Revoked};
use crate::base::id::{ChainId, Lane, LinkId, NodeId};
use crate::base::limits;
use crate::base::note::Note;
use crate::base::outcome::clip;
use crate::base::settings::Role;
use crate::base::time::{Mono, Now};
use crate::base::wire::{Head, Heads, Message};
use crate::logic::effect::{Effect, Effects};
use crate::logic::node::Node;

/// A receipt that was cut away with its chain.
#[derive(Debug)]
pub(super) struct Undone {
    /// What is to be said again.
    pub(super) done: Done,
    /// When, if it is still missing then.
    pub(super) due: Mono,
}

impl Node {
    /// A digest of what is proved, for comparison between nodes; none if nothing is.
    #[must_use]
    pub fn proved(&self) -> Option<[u8; 32]> {
        self.proofs.digest()
    }

    /// Makes the roster that counts: that of the settings without those whose membership has ended.
    pub(super) fn muster(&mut self) {
        let (roster, former) = self.enrolled.iter().cloned().partition(|member| self.proofs.ending(&member.node).is_none());
        (self.settings.network.roster, self.settings.network.former) = (roster, former);
        let faithless = || {
            let why = "this node's key has signed two different things in so many places that nothing of it is believed \
                       any more; was its disk copied again and again? It needs a new key (remove node.key in the state directory) \
                       and a new name in network.toml";
            self.proofs.is_faithless(&self.me).then(|| why.to_owned())
        };
        let ended = self.proofs.ending(&self.me).map(|ending| {
            let by = self.settings.network.name_of(&ending.by);
            let what = if ending.retired { "retired this node" } else { "revoked this node's key" };
            format!(
                "{by} {what}: {}; to come back it needs a new key (remove node.key in the state directory) and a new name in network.toml",
                ending.reason
            )
        });
        self.expelled = ended.or_else(faithless);
    }

    /// What a peer or this node itself found to stand by itself.
    pub(super) fn prove(&mut self, now: Now, entries: &[Entry], from: Option<LinkId>, out: &mut Effects) {
        // A node that cannot commit takes nothing: it is sent again when heads are compared.
        if self.fault.is_some() {
            return;
        }
        let before: Vec<NodeId> = self.proofs.endings().map(|(node, _)| *node).collect();
        let search = &mut self.search;
        let mut paid = None;
        let taken = self.proofs.take(entries, || *paid.get_or_insert_with(|| search.may_cut(now.mono)));
        if let (Some((author, why)), Some(peer)) = (taken.refused, from.and_then(|link| self.mesh.peer(link))) {
            let name = |node: &NodeId| self.settings.network.name_of(node);
            out.note(Note::Refused { peer: name(&peer), reason: format!("an entry of {}: {why}", name(&author)) });
        }
        if taken.news.is_empty() {
            return;
        }
        out.append.extend(taken.news.iter().cloned().map(Record::Proof));
        self.tell_ends(&before, &taken.news, out);
        for portion in portions(&taken.news) {
            self.pass_on(from, &Message::Proofs(portion), out);
        }
        self.proved = true;
        self.changed = true;
    }

    fn tell_ends(&self, before: &[NodeId], news: &[Entry], out: &mut Effects) {
        let name = |node: &NodeId| self.settings.network.name_of(node);
        for (node, ending) in self.proofs.endings().filter(|(node, _)| !before.contains(node)) {
            let (reason, retired) = (ending.reason.clone(), ending.retired);
            out.note(Note::Ended { node: name(node), by: name(&ending.by), retired, reason });
        }
        let forks: BTreeMap<ChainId, u64> = news.iter().map(|entry| (entry.header.chain, entry.header.sequence)).collect();
        for (chain, end) in self.proofs.forks().filter(|(chain, end)| forks.get(chain) == Some(end)) {
            out.note(Note::Forked { author: name(&chain.author), chain: chain.to_string(), end });
        }
    }

    /// Draws the consequences of what was proved in this turn, or before it.
    pub(super) fn draw_consequences(&mut self, now: Now, out: &mut Effects) {
        // With a fault nothing can be cut; what is not in force is not folded either.
        if self.fault.is_some() || !std::mem::take(&mut self.proved) {
            return;
        }
        self.enrol(now, out);
        let cut = |head: &&Head| head.base.max(self.proofs.end(&head.chain) - 1) < head.sequence && !self.cut.contains(&head.chain);
        let chains: Vec<ChainId> = self.journal.heads().filter(cut).map(|head| head.chain).collect();
        for chain in chains {
            let end = self.proofs.end(&chain);
            out.append.push(Record::Cut(chain, end));
            self.undo(now, chain, end);
            self.upkeep.refold = Some(now.mono);
        }
        if self.cut.is_empty() {
            self.unbase(out);
        }
    }

    /// Bases that only what was cut away declared do not hold: everything is folded again, so what is in force is known.
    fn unbase(&mut self, out: &mut Effects) {
        let ended = |head: &&Head| head.base == head.sequence && self.proofs.end(&head.chain) < u64::MAX;
        let chains: Vec<ChainId> = self.journal.heads().filter(ended).map(|head| head.chain).collect();
        let mut records = Vec::new();
        for chain in chains {
            let taken_back = self.journal.unbase(&chain, self.proofs.end(&chain));
            if !taken_back.is_empty() {
                self.moved.remove(&chain);
            }
            records.extend(taken_back);
        }
        let ended: BTreeSet<NodeId> =
            self.proofs.endings().map(|(node, _)| *node).chain(self.proofs.forks().map(|(chain, _)| chain.author)).collect();
        for author in ended {
            let taken_back = self.journal.unfloor(author);
            if !taken_back.is_empty() {
                self.proofs.unfloor(&author);
            }
            records.extend(taken_back);
        }
        for record in &records {
            if let Record::Floor(author, floor) = record {
                self.proofs.floor(*author, *floor);
            }
        }
        if !records.is_empty() {
            out.append.append(&mut records);
            self.mesh.reread();
            self.mesh.catch_up();
        }
    }

    /// A chain is being cut from `end` on. Until everything is folded anew nothing of it is taken.
    pub(super) fn undo(&mut self, now: Now, chain: ChainId, end: u64) {
        if chain.lane == Lane::Events {
            self.remember_undone(now, &chain, end);
        }
        if chain.author == self.me && chain.lane == Lane::State && self.resaid.is_empty() {
            // Verdicts, links and the like are said anew from what this run knows; the rest is known from here alone.
            let kept = |fact: &Fact| matches!(fact, Fact::Put(_) | Fact::Deleted(_) | Fact::Counted(_));
            self.resaid = self.living().into_iter().filter(kept).collect();
        }
        if chain.author == self.me && chain.incarnation == self.journal.incarnation() {
            self.fork_life("somebody else has signed entries of this incarnation with this node's key".into());
        }
        self.search.cut(&chain);
        self.moved.remove(&chain);
        self.cut.insert(chain);
    }

    /// Whether nothing that an entry says is in force.
    pub(super) fn is_void(&self, header: &Header) -> bool {
        let retired = || self.proofs.ending(&header.chain.author).is_some_and(|ending| ending.retired);
        self.proofs.end(&header.chain) <= header.sequence || (header.chain.lane == Lane::State && retired())
    }

    /// The receipts in the part of a chain that is cut away.
    fn remember_undone(&mut self, now: Now, chain: &ChainId, end: u64) {
        let turn = if chain.author == self.me {
            0
        } else {
            let before = self.settings.network.roster.iter().filter(|member| member.role.votes() && member.node < self.me).count();
            1 + before as u64
        };
        let due = now.mono + limits::TURN_OF_WITNESS * turn;
        let undone = self.intents.undone(&chain.author, chain.incarnation, end);
        self.undone.extend(undone.into_iter().map(|done| Undone { done, due }));
    }

    /// Everything was folded again, so what was cut away is gone.
    pub(super) fn refolded(&mut self) {
        // What ends where may have changed with the settings.
        self.proved = true;
        if !std::mem::take(&mut self.cut).is_empty() {
            self.mesh.catch_up();
        }
    }

    /// Peers' heads say where chains differ from ours.
    pub(super) fn compare_heads(&mut self, now: Now, link: LinkId, heads: &Heads, out: &mut Effects) {
        let differs = |head: &&Head| {
            let ours = self.journal.get(&head.chain);
            ours.is_some_and(|ours| ours.sequence == head.sequence && ours.hash != head.hash) && !self.cut.contains(&head.chain)
        };
        let differing: Vec<Head> = heads.heads.iter().filter(differs).copied().collect();
        for head in differing {
            self.differ(now, link, head.chain, head.sequence, out);
        }
    }

    /// A peer knows another entry of a chain than we do, here or before. It is shown what we have.
    pub(super) fn differ(&mut self, now: Now, link: LinkId, chain: ChainId, sequence: u64, out: &mut Effects) {
        let Some(ours) = self.journal.get(&chain) else { return };
        let stretches = self.search.show(now.mono, link, chain, ours.base, ours.sequence.min(sequence));
        if !stretches.is_empty() {
            let reason = format!("entry {} of {chain} is not what was signed before", ours.sequence.min(sequence));
            out.note(Note::Contradiction { author: chain.author, reason });
            self.mesh.show(link, stretches);
        }
    }

    /// Entries came whose places are taken here: they are compared with what is stored.
    pub(super) fn compare(&mut self, now: Now, link: LinkId, known: Vec<Entry>, out: &mut Effects) {
        if !known.is_empty() && self.search.may_compare(now.mono, link) {
            out.then(Effect::Compare(known));
        }
    }

    /// The peer's heads differ from ours. Perhaps it does not know what is proved.
    pub(super) fn tell_proofs(&mut self, now: Now, link: LinkId, out: &mut Effects) {
        let lately = self.told.get(&link).is_some_and(|at| now.mono.since(*at) < limits::PROVED_AGAIN);
        if self.proofs.is_empty() || lately || self.fault.is_some() {
            return;
        }
        self.told.insert(link, now.mono);
        for portion in portions(&self.proofs.all()) {
            out.then(Effect::Send { link, message: Message::Proofs(portion) });
        }
    }

    /// An admin ends a node's membership.
    pub(super) fn revoke(&mut self, now: Now, id: CommandId, node: NodeId, reason: &str, retire: bool, out: &mut Effects) {
        if let Some(why) = self.may_not_revoke(&node) {
            out.then(Effect::Reply(id, Reply::Refused(why)));
            return;
        }
        let name = self.settings.network.name_of(&node);
        let mark =
            |head: &Head| Mark { incarnation: head.chain.incarnation, lane: head.chain.lane, sequence: head.sequence, hash: head.hash };
        let heads: Vec<Mark> = self.journal.heads().filter(|head| head.chain.author == node).map(mark).collect();
        let reason = clip(reason.trim().to_owned());
        let mut entries = Vec::new();
        // What is proved of one life holds for it alone, so many heads may take several entries.
        for heads in heads.chunks(limits::NAMED).chain(heads.is_empty().then_some(&[][..])) {
            let said = Revoked { node, heads: heads.to_vec(), reason: reason.clone() };
            let fact = if retire { Fact::Retired(said) } else { Fact::Revoked(said) };
            entries.push(self.seal(now, fact, out));
        }
        self.prove(now, &entries, None, out);
        out.then(Effect::Reply(id, Reply::Revoked(name)));
    }

    fn may_not_revoke(&self, node: &NodeId) -> Option<String> {
        let network = &self.settings.network;
        let admins: Vec<&str> =
            network.roster.iter().filter(|member| member.role == Role::Admin).map(|member| member.name.as_str()).collect();
        if let Some(why) = self.unable() {
            Some(why)
        } else if !network.member(&self.me).is_some_and(|member| member.role == Role::Admin) {
            let whom =
                if admins.is_empty() { "give one the role admin in network.toml".into() } else { format!("ask {}", admins.join(" or ")) };
            Some(format!("{} is no admin of network {}, and only an admin may; {whom}", self.settings.name, network.name))
        } else if *node == self.me {
            Some("a node does not revoke itself; ask another admin, or stop it and remove it from network.toml".into())
        } else {
            self.proofs.ending(node).map(|ending| {
                let (name, by) = (network.name_of(node), network.name_of(&ending.by));
                format!("{by} did so before: {name} is not a member any more ({})", ending.reason)
            })
        }
    }
}

/// Proofs in messages, the halves of a fork together.
fn portions(entries: &[Entry]) -> Vec<Vec<Entry>> {
    let mut portions: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for two in entries.chunks(2) {
        let more: usize = two.iter().map(|entry| entry.bytes().len()).sum();
        bytes += more;
        match portions.last_mut() {
            Some(portion) if portion.len() + 2 <= limits::FRAME_ENTRIES && bytes <= limits::BATCH_BYTES => portion.extend_from_slice(two),
            _ => {
                bytes = more;
                portions.push(two.to_vec());
            }
        }
    }
    portions
}
