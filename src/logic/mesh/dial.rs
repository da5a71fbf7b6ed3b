//! Whom this node dials, and how many links it keeps.
//!
//! Up to [`limits::FULL_MESH`] members everybody dials everybody. Above, a node wants some links more than the
//! logarithm of the members: one to the next living member in the order of keys, which makes a ring of all, and
//! others by chance, which makes the ways short; later some of them are exchanged so that half of all links are
//! near. Members that are not heard of are dialled as well, slowly: so two parts of a network find each other
//! again as long as any pair can connect. Whoever lives is judged elsewhere.

use std::collections::BTreeMap;

use crate::base::id::NodeId;
use crate::base::limits;
use crate::base::rng::Rng;
use crate::base::settings::Member;
use crate::base::time::{Mono, Span};
use crate::logic::effect::{Effect, Effects};

/// All members with addresses.
#[derive(Debug)]
pub(super) struct Dials {
    me: NodeId,
    members: usize,
    of: BTreeMap<NodeId, Dial>,
    /// When it is looked again whom to dial, in a large network.
    look: Mono,
    /// When the next member that is not heard of may be dialled, in a large network.
    seek: Mono,
    explore: Mono,
    /// When the next link may be given up because there are too many; none while there are not.
    shed: Option<Mono>,
    /// How many links were tried beyond what is wanted, and how many given up for them.
    explored: usize,
    given_up: usize,
}

#[derive(Debug)]
struct Dial {
    addresses: Vec<String>,
    next: usize,
    rounds: u32,
    due: Mono,
    busy: bool,
    linked: bool,
    /// The last round trip that was measured.
    time: Option<u32>,
}

/// What the shape of the mesh depends on.
pub(super) struct Around<'a> {
    /// Whether a node is heard of.
    pub(super) lives: &'a dyn Fn(&NodeId) -> bool,
    /// Links of this node.
    pub(super) links: usize,
}

/// A link that this node dialled, and whether it may be given up.
pub(super) struct Spare {
    pub(super) peer: NodeId,
    pub(super) time: Option<u32>,
    pub(super) ours: bool,
}

impl Dials {
    pub(super) const fn new(me: NodeId) -> Self {
        Self { me, members: 1, of: BTreeMap::new(), look: Mono(0), seek: Mono(0), explore: Mono(0), shed: None, explored: 0, given_up: 0 }
    }

    /// The roster changed.
    pub(super) fn roster(&mut self, now: Mono, members: &[Member], rng: &mut Rng) {
        self.members = members.len();
        let spread = if self.is_large() { 1000 } else { 100 };
        let mut before = std::mem::take(&mut self.of);
        for member in members.iter().filter(|member| member.node != self.me && !member.addresses.is_empty()) {
            // Both ends may know the other's address. The greater key waits a little, so that usually
            // one dial is enough.
            let patience = if self.me < member.node { 0 } else { 400 };
            let known = before.remove(&member.node).filter(|dial| dial.addresses == member.addresses);
            let dial = known.unwrap_or_else(|| Dial {
                addresses: member.addresses.clone(),
                next: 0,
                rounds: 0,
                due: now + Span(patience + rng.below(spread)),
                busy: false,
                linked: false,
                time: None,
            });
            self.of.insert(member.node, dial);
        }
        self.look = now;
        if self.explore == Mono(0) {
            // Whoever lives is heard of by then.
            self.seek = now + limits::DEAD_LEAST;
            self.explore = now + limits::EXPLORE + Span(rng.below(limits::EXPLORE.0));
        }
    }

    /// Whether the network is too large for a link between each two.
    pub(super) const fn is_large(&self) -> bool {
        limits::FULL_MESH < self.members
    }

    /// How many links this node wants: in a large network three times the decimal logarithm of the members, at least five.
    pub(super) fn wanted(&self) -> usize {
        if !self.is_large() {
            return self.members;
        }
        // The least d such that 10^d is not less than (members + 1)^3, without floating point.
        let cube = (self.members as u128 + 1).pow(3);
        let digits = (0u32..).find(|digits| cube <= 10u128.pow(*digits)).unwrap_or(0);
        (digits as usize).max(5)
    }

    /// How many links this node keeps if others dial it: with more, it lets in nobody else who has some, and gives up
    /// its own.
    pub(super) fn most(&self) -> usize {
        self.wanted() * 2
    }

    /// A link to a peer is in use.
    pub(super) fn up(&mut self, now: Mono, peer: &NodeId, dialled: bool) {
        if let Some(dial) = self.of.get_mut(peer) {
            dial.linked = true;
            if dialled {
                dial.busy = false;
                dial.next = 0;
            }
        }
        self.look = now;
    }

    /// The link to a peer went, after so long.
    pub(super) fn down(&mut self, now: Mono, peer: &NodeId, lasted: Span, rng: &mut Rng) {
        if let Some(dial) = self.of.get_mut(peer) {
            dial.linked = false;
            // Whoever hangs up at once is asked again later and later, like one that does not answer.
            dial.rounds = if limits::LINK_LASTS <= lasted { 0 } else { (dial.rounds + 1).min(16) };
            dial.due = now + if dial.rounds == 0 { Span(rng.below(limits::REDIAL_FIRST.0)) } else { backoff(dial.rounds, rng) };
        }
        self.look = now;
    }

    /// A link measured its round trip.
    pub(super) fn measured(&mut self, peer: &NodeId, time: u32) {
        if let Some(dial) = self.of.get_mut(peer) {
            dial.time = Some(time);
        }
    }

    /// A dial led to no link: the next address, or the next round after a pause.
    pub(super) fn failed(&mut self, now: Mono, peer: &NodeId, rng: &mut Rng) {
        let spread = self.spread();
        let Some(dial) = self.of.get_mut(peer) else { return };
        dial.busy = false;
        dial.next += 1;
        if dial.next < dial.addresses.len() {
            dial.due = now;
        } else {
            dial.next = 0;
            dial.rounds = (dial.rounds + 1).min(16);
            let pause = backoff(dial.rounds, rng);
            // In a large network all members together are not dialled more often than a host can bear.
            let slow = if 2 < dial.rounds { Span(spread.0 / 2 + rng.below(spread.0)) } else { Span::ZERO };
            dial.due = now + pause.max(slow);
        }
        self.look = now;
    }

    /// Dials whoever is to be dialled now.
    pub(super) fn dial(&mut self, now: Mono, around: &Around, rng: &mut Rng, out: &mut Effects) {
        if self.is_large() {
            if self.look <= now {
                self.dial_some(now, around, rng, out);
            }
            return;
        }
        for (peer, dial) in self.of.iter_mut().filter(|(_, dial)| dial.due <= now && !dial.linked) {
            dial.begin(now, *peer, out);
        }
    }

    /// When somebody is to be dialled next.
    pub(super) fn deadline(&self) -> Option<Mono> {
        if self.is_large() {
            let times = [Some(self.look), Some(self.explore), self.shed];
            return times.into_iter().flatten().min().filter(|_| !self.of.is_empty());
        }
        self.of.values().filter(|dial| !dial.linked).map(|dial| dial.due).min()
    }

    /// In a large network: the next in the ring, some by chance, and slowly those that are not heard of.
    fn dial_some(&mut self, now: Mono, around: &Around, rng: &mut Rng, out: &mut Effects) {
        let mut busy = self.of.values().filter(|dial| dial.busy && now < dial.due).count();
        let mut missing = self.wanted().saturating_sub(around.links + busy);
        for peer in self.successors(around) {
            let dial = self.of.get_mut(&peer).filter(|dial| !dial.linked && dial.due <= now);
            if let Some(dial) = dial {
                dial.begin(now, peer, out);
                busy += 1;
                missing = missing.saturating_sub(1);
            }
        }
        let due = |dial: &Dial| !dial.linked && dial.due <= now;
        let (mut living, mut silent) = (Vec::new(), Vec::new());
        for (peer, _) in self.of.iter().filter(|(_, dial)| due(dial)) {
            if (around.lives)(peer) { living.push(*peer) } else { silent.push(*peer) }
        }
        // Before anybody is heard of, everybody may live.
        let pool = if living.is_empty() { &mut silent } else { &mut living };
        let mut more = false;
        for _ in 0..missing {
            more = limits::DIALS <= busy;
            if pool.is_empty() || more {
                break;
            }
            let peer = pool.swap_remove(usize::try_from(rng.below(pool.len() as u64)).unwrap_or(0));
            if let Some(dial) = self.of.get_mut(&peer) {
                dial.begin(now, peer, out);
                busy += 1;
            }
        }
        // One of those that are not heard of at a time: they may live beyond a bridge that is gone.
        if !silent.is_empty() && busy < limits::DIALS && self.seek <= now {
            self.seek = now + limits::DIAL_EVERY;
            let peer = silent.swap_remove(usize::try_from(rng.below(silent.len() as u64)).unwrap_or(0));
            if let Some(dial) = self.of.get_mut(&peer) {
                dial.begin(now, peer, out);
            }
        }
        let next = self.of.values().filter(|dial| !dial.linked && now < dial.due).map(|dial| dial.due).min();
        let soon = now + limits::DIAL_EVERY;
        let seek = if silent.is_empty() { soon + limits::REDIAL_MOST } else { self.seek };
        let next = next.unwrap_or(now + limits::REDIAL_MOST).min(seek);
        self.look = if more { soon } else { next.max(soon) };
    }

    /// The next living member in the order of keys; if it was dialled in vain, the one after it too.
    fn successors(&self, around: &Around) -> Vec<NodeId> {
        let after = self.of.range(self.me..).chain(self.of.range(..self.me));
        let mut next = Vec::new();
        for (peer, dial) in after.filter(|(peer, dial)| dial.linked || (around.lives)(peer)) {
            next.push(*peer);
            if dial.linked || dial.rounds < 2 || next.len() == 3 {
                break;
            }
        }
        next
    }

    /// Over how much time dials of all members that do not answer are spread.
    fn spread(&self) -> Span {
        if self.is_large() { limits::REDIAL_MOST.max(limits::DIAL_EVERY * self.of.len() as u64) } else { Span::ZERO }
    }

    /// From time to time in a large network: dials one more, to learn how far away it is, or names a link to give up.
    pub(super) fn explore(
        &mut self,
        now: Mono,
        around: &Around,
        spare: &dyn Fn() -> Vec<Spare>,
        rng: &mut Rng,
        out: &mut Effects,
    ) -> Option<NodeId> {
        if !self.is_large() {
            return None;
        }
        if around.links <= self.most() {
            self.shed = None;
        } else if *self.shed.get_or_insert(now) <= now {
            self.shed = Some(now + limits::SHED + Span(rng.below(limits::SHED.0)));
            return self.surplus(around, &spare());
        }
        if now < self.explore {
            return None;
        }
        self.explore = now + limits::EXPLORE + Span(rng.below(limits::EXPLORE.0));
        if self.given_up < self.explored && self.wanted() < around.links {
            self.given_up += 1;
            return self.surplus(around, &spare());
        }
        if limits::EXPLORE_MOST * self.wanted() <= self.explored {
            return None;
        }
        let unknown = |(peer, dial): &(&NodeId, &Dial)| !dial.linked && dial.time.is_none() && dial.due <= now && (around.lives)(peer);
        let mut pool: Vec<NodeId> = self.of.iter().filter(unknown).map(|(peer, _)| *peer).collect();
        if pool.is_empty() {
            return None;
        }
        let peer = pool.swap_remove(usize::try_from(rng.below(pool.len() as u64)).unwrap_or(0));
        self.explored += 1;
        self.of.get_mut(&peer)?.begin(now, peer, out);
        None
    }

    /// The link that the mix needs least: half near, three in ten at middle distance, the rest far.
    fn surplus(&self, around: &Around, spare: &[Spare]) -> Option<NodeId> {
        let mut times: Vec<u32> = self.of.values().filter_map(|dial| dial.time).collect();
        times.sort_unstable();
        let bound = |third: usize| times.get(times.len() * third / 3).copied().unwrap_or(u32::MAX);
        let (near, middle) = (bound(1), bound(2));
        let class = |time: Option<u32>| time.map_or(2, |time| usize::from(near < time) + usize::from(middle < time));
        let mut count = [0usize; 3];
        spare.iter().for_each(|link| count[class(link.time)] += 1);
        let excess = |class: usize| (count[class] * 10).saturating_sub(spare.len() * [5, 3, 2][class]);
        let ring = self.successors(around);
        let may = |link: &&Spare| link.ours && !ring.contains(&link.peer);
        spare.iter().filter(may).max_by_key(|link| (excess(class(link.time)), link.time)).map(|link| link.peer)
    }
}

impl Dial {
    fn begin(&mut self, now: Mono, peer: NodeId, out: &mut Effects) {
        // A dial whose answer got lost is tried again once it must have ended.
        self.due = now + limits::HANDSHAKE_TIME * 3;
        self.busy = true;
        out.then(Effect::Dial { peer, address: self.addresses[self.next].clone() });
    }
}

/// Doubling, with jitter over the upper half, so that nodes do not dial in step.
fn backoff(rounds: u32, rng: &mut Rng) -> Span {
    let full = (limits::REDIAL_FIRST.0 << rounds.min(16)).min(limits::REDIAL_MOST.0);
    Span(full / 2 + rng.below(full / 2 + 1))
}
