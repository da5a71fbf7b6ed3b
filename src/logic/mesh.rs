//! Links and dialling, and who lacks which entries.
//!
//! Replication is one mechanism, driven by who receives. For each author a node chooses one link as the source
//! ([`source`]) and tells the peer so; over all others it only hears heads. For each link there are cursors, how
//! far the peer has or was sent each chain ([`cursor`]). When the socket has taken the last batch, the next
//! stretches after the cursors are read from the store. Live entries are the tail of the same stream, so there is no
//! queue of payloads. If something is missing that others have, and the source does not deliver, another becomes the
//! source. Whom this node dials is in [`dial`]. Nothing here looks into an entry, and nothing here judges whether a
//! node lives.

mod cursor;
mod dial;
mod figures;
mod gossip;
mod link;
mod source;
mod supply;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, LinkId, NodeId};
use crate::base::limits;
use crate::base::rng::Rng;
use crate::base::settings::Member;
use crate::base::time::{Mono, Now, Wall};
use crate::base::wire::{Head, Message, Prefer};
use crate::logic::effect::{Effect, Effects};

use self::dial::{Around, Dials, Spare};
pub use self::link::Link;
use self::source::Sources;

/// All links of this node, and the addresses that it dials.
#[derive(Debug)]
pub struct Mesh {
    me: NodeId,
    rng: Rng,
    members: BTreeSet<NodeId>,
    /// Members and those that were: whose entries are replicated.
    authors: BTreeSet<NodeId>,
    links: BTreeMap<LinkId, Link>,
    /// The link in use to each peer.
    peers: BTreeMap<NodeId, LinkId>,
    dials: Dials,
    gone: BTreeMap<NodeId, (Wall, String)>,
    /// When a peer last had a second link closed in favour of the first.
    doubled: BTreeMap<NodeId, Mono>,
    sources: Sources,
    /// This node's heads as of the last turn: what the cursors of links are compared with.
    ours: BTreeMap<ChainId, u64>,
    /// Heads may have changed in other ways than by entries that came or were written.
    stale: bool,
    level: bool,
    /// Peers believe that more is stored here than is: they must be told.
    overrated: bool,
    /// Entries that come are taken.
    taking: bool,
}

/// A base, and the chain and the place of the entry that says so.
pub type DeclaredAt = (u64, ChainId, u64);

/// What this machine must know of the others, so that it need not know them.
pub struct Known<'a> {
    /// All heads that peers are told, in the order of chains.
    pub heads: &'a dyn Fn() -> Vec<Head>,
    /// One of them.
    pub head: &'a dyn Fn(&ChainId) -> Option<Head>,
    /// Whether nothing of a chain up to here is missing: it is known, not in force any more, or would be refused.
    pub has: &'a dyn Fn(&ChainId, u64) -> bool,
    /// The base of a chain that its author declared, and where the entry stands that says so.
    pub declared: &'a dyn Fn(&ChainId) -> Option<DeclaredAt>,
    /// A hash over the entries that stand by themselves.
    pub proofs: u64,
    /// Whether the first said that it is linked to the second, as far as that is known and up to date.
    pub linked: &'a dyn Fn(&NodeId, &NodeId) -> bool,
    /// How many links to others than this node a node said to have; none if that is not known.
    pub degree: &'a dyn Fn(&NodeId) -> Option<usize>,
    /// Whether a node is heard of.
    pub lives: &'a dyn Fn(&NodeId) -> bool,
    /// Whether entries that come are taken: not while nothing can be written.
    pub taking: bool,
}

impl Mesh {
    /// A node without links that dials the members with addresses. What it leaves to chance it draws from `seed`.
    #[must_use]
    pub fn new(me: NodeId, seed: u64) -> Self {
        Self {
            me,
            rng: Rng::new(seed),
            members: BTreeSet::new(),
            authors: BTreeSet::new(),
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            dials: Dials::new(me),
            gone: BTreeMap::new(),
            doubled: BTreeMap::new(),
            sources: Sources::default(),
            ours: BTreeMap::new(),
            stale: true,
            level: false,
            overrated: false,
            taking: true,
        }
    }

    /// The roster changed: dials whom it names, closes links to whom it does not.
    pub fn roster(&mut self, now: Now, members: &[Member], former: &[Member], out: &mut Effects) {
        self.members = members.iter().map(|member| member.node).collect();
        self.authors = members.iter().chain(former).map(|member| member.node).collect();
        self.dials.roster(now.mono, members, &mut self.rng);
        self.sources.retain(|author| self.authors.contains(author));
        self.gone.retain(|peer, _| self.members.contains(peer));
        self.doubled.retain(|peer, _| self.members.contains(peer));
        self.stale = true;
        for (link, _) in self.links.iter().filter(|(_, link)| !self.members.contains(&link.peer)) {
            out.then(Effect::Close { link: *link, reason: "this key is no longer in the roster".into() });
        }
    }

    /// A link came. Of two links to one peer the one dialled by the smaller key survives, and of two
    /// dialled by the same end the newer; but whoever comes again gets its turn. A node of a large network that has
    /// many does not accept more from who has others.
    pub fn up(&mut self, now: Now, id: LinkId, peer: NodeId, dialled: Option<String>, remote: String, known: &Known, out: &mut Effects) {
        let ours = dialled.is_some();
        if let Some(&other) = self.peers.get(&peer) {
            let preferred = self.links.get(&other).is_none_or(|link| link.dialled == ours) || ours == (self.me < peer);
            let keep_new = preferred || self.insists(now.mono, peer);
            let closed = if keep_new { other } else { id };
            out.then(Effect::Close { link: closed, reason: "a second link between the same nodes".into() });
            if !keep_new {
                self.dials.up(now.mono, &peer, ours);
                return;
            }
            self.links.remove(&other);
            self.unsource(now.mono, other);
        } else if !ours && self.is_full() && (known.lives)(&peer) && (known.degree)(&peer).is_some_and(|degree| 0 < degree) {
            let reason = format!("this node has {} links; that is enough, and the peer has others", self.links.len());
            out.then(Effect::Close { link: id, reason });
            return;
        }
        self.dials.up(now.mono, &peer, ours);
        let detail = dialled.unwrap_or_else(|| format!("from {remote}"));
        self.links.insert(id, Link::new(now, peer, detail, ours));
        self.peers.insert(peer, id);
        self.gone.remove(&peer);
        self.greet(now.mono, id, known, out);
        self.adopt(now.mono, peer, id);
    }

    /// Whether a peer comes again although the same was closed a while ago. Then perhaps another has its key, which
    /// nobody would ever find out if it were not heard.
    fn insists(&mut self, now: Mono, peer: NodeId) -> bool {
        let lately = self.doubled.remove(&peer).is_some_and(|at| now.since(at) <= limits::DOUBLED);
        if !lately {
            self.doubled.insert(peer, now);
        }
        lately
    }

    /// A link went. Returns its peer if it was the link in use, not a closed twin.
    pub fn down(&mut self, now: Now, id: LinkId, reason: &str) -> Option<NodeId> {
        let link = self.links.remove(&id)?;
        self.peers.remove(&link.peer);
        self.gone.insert(link.peer, (now.wall, reason.into()));
        self.dials.down(now.mono, &link.peer, now.mono.since(link.began), &mut self.rng);
        self.unsource(now.mono, id);
        Some(link.peer)
    }

    /// A dial led to no link: the next address, or the next round after a pause.
    pub fn dial_failed(&mut self, now: Now, peer: &NodeId) {
        self.dials.failed(now.mono, peer, &mut self.rng);
    }

    /// A link measured its round trip.
    pub fn measured(&mut self, id: LinkId, time: u32, offset: i64) {
        if let Some(link) = self.links.get_mut(&id) {
            (link.time, link.offset) = (Some(time), Some(offset));
            self.dials.measured(&link.peer, time);
        }
    }

    /// The socket has taken the last batch.
    pub fn drained(&mut self, now: Now, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.drained(now.mono);
        }
    }

    /// What peers sent lately was not taken, and now it would be: they are told what is stored here.
    pub const fn catch_up(&mut self) {
        self.overrated = true;
    }

    /// Heads may have changed in other ways than by what [`Mesh::pump`] is told: chains were cut, or are gone.
    pub const fn reread(&mut self) {
        self.stale = true;
    }

    /// Nothing of the last turn was performed: what was asked for in it is asked for again.
    pub fn rewind(&mut self) {
        self.stale = true;
        self.overrated = true;
        for (id, link) in &mut self.links {
            for author in link.rewind() {
                link.wishes.insert(author, self.sources.link(&author) == Some(*id));
            }
        }
    }

    /// Tells peers what was stored in this turn, and asks for what each lacks to be sent. `changed` are the heads
    /// that moved since the last call, others' and own.
    pub fn pump(&mut self, now: Now, changed: &[Head], known: &Known, out: &mut Effects) {
        self.taking = known.taking;
        for link in self.links.values_mut() {
            link.performed();
        }
        if std::mem::take(&mut self.stale) {
            self.compare(now.mono, known);
        }
        for head in changed {
            self.advance(now.mono, head, known);
        }
        self.supply(now.mono, changed, known);
        let (ours, mono) = (&self.ours, now.mono);
        self.links.values_mut().for_each(|link| link.cursors.end_turn(mono, ours));
        self.check_level(known);
        let overrated = std::mem::take(&mut self.overrated);
        for (id, link) in &mut self.links {
            if overrated {
                link.say(*id, &(known.heads)(), u64::MAX, true, out);
            }
            link.flush(now.mono, *id, &mut self.rng, known, out);
            if let Some(stretches) = link.next_batch(now.mono, known) {
                out.then(Effect::Stream { link: *id, stretches });
            }
        }
    }

    /// Dials whoever is due, and in a large network now and then exchanges a link.
    pub fn dial(&mut self, now: Now, known: &Known, out: &mut Effects) {
        let around = Around { lives: known.lives, links: self.links.len() };
        self.dials.dial(now.mono, &around, &mut self.rng, out);
        let needed = |peer: &NodeId| (known.degree)(peer).is_none_or(|degree| degree < 4);
        let spare = |link: &Link| Spare { peer: link.peer, time: link.time, ours: link.dialled && !needed(&link.peer) };
        let spare = || -> Vec<Spare> { self.links.values().map(spare).collect() };
        if let Some(peer) = self.dials.explore(now.mono, &around, &spare, &mut self.rng, out)
            && let Some(link) = self.peers.get(&peer)
        {
            out.then(Effect::Close { link: *link, reason: "this node has enough links".into() });
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let alarm = self.sources.deadline().filter(|_| self.taking);
        let links = self.links.values().map(Link::deadline).min();
        [alarm, links, self.dials.deadline()].into_iter().flatten().min()
    }

    /// A peer knows other entries of a chain: it is shown these of ours when the socket can take them.
    pub fn show(&mut self, id: LinkId, stretches: Vec<Stretch>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.shows.extend(stretches);
        }
    }

    /// Over how many links the peer has said all its heads.
    #[must_use]
    pub fn told(&self) -> usize {
        self.links.values().filter(|link| link.cursors.knows_all()).count()
    }

    /// Whether some peer says that it has more of an author's chains than is known here.
    #[must_use]
    pub fn is_behind(&self, author: &NodeId, known: &Known) -> bool {
        let more = |(chain, claimed): (&ChainId, &u64)| chain.author == *author && !(known.has)(chain, *claimed);
        self.links.values().any(|link| link.cursors.ahead().iter().any(more))
    }

    /// The links, by name.
    pub fn links(&self) -> impl Iterator<Item = (&LinkId, &Link)> {
        self.links.iter()
    }

    /// The peer at the other end of a link.
    #[must_use]
    pub fn peer(&self, id: LinkId) -> Option<NodeId> {
        self.links.get(&id).map(|link| link.peer)
    }

    /// The link to a peer.
    #[must_use]
    pub fn link_to(&self, peer: &NodeId) -> Option<&Link> {
        self.peers.get(peer).and_then(|id| self.links.get(id))
    }

    /// The link over which an author's entries are to come, if one was chosen.
    #[must_use]
    pub fn source_of(&self, author: &NodeId) -> Option<LinkId> {
        self.sources.link(author)
    }

    /// Whether this node has had everything that some peer has, at some moment since it started.
    #[must_use]
    pub const fn is_level(&self) -> bool {
        self.level
    }

    /// When and why the last link to a peer went, if there is none now.
    #[must_use]
    pub fn gone(&self, peer: &NodeId) -> Option<&(Wall, String)> {
        self.gone.get(peer)
    }

    /// Whether a peer has said that it stored this entry.
    #[must_use]
    pub fn is_held(&self, chain: &ChainId, sequence: u64) -> bool {
        let ours = self.ours.get(chain).copied().unwrap_or(0);
        self.links.values().any(|link| sequence <= link.cursors.stored(chain, ours))
    }

    fn is_full(&self) -> bool {
        self.dials.is_large() && self.dials.most() <= self.links.len()
    }

    fn check_level(&mut self, known: &Known) {
        let missing = |chain: &ChainId, sequence: u64| !(known.has)(chain, sequence);
        let level = |link: &mut Link| link.cursors.knows_all() && link.cursors.is_exhausted(missing);
        self.level = self.level || self.links.values_mut().any(level);
    }
}

/// What a node wants to be sent over a link, in as many messages as that needs.
fn prefer(link: LinkId, push: bool, authors: Vec<NodeId>, out: &mut Effects) {
    for authors in authors.chunks(limits::NODES) {
        out.then(Effect::Send { link, message: Message::Prefer(Prefer { push, authors: authors.to_vec() }) });
    }
}
