//! Links and dialling, and who lacks which entries.
//!
//! Replication is one mechanism: for each link and chain there is a cursor, how far the peer has or
//! was sent that chain. When the socket has taken the last batch, the next stretches after the
//! cursors are read from the store. Live entries are the tail of the same stream, so there is no
//! queue of payloads. Nothing here looks into an entry, and nothing here judges whether a node lives.

use std::collections::BTreeMap;

use crate::base::entry::Stretch;
use crate::base::id::{ChainId, LinkId, NodeId};
use crate::base::limits;
use crate::base::rng::Rng;
use crate::base::settings::Member;
use crate::base::time::{Mono, Now, Span, Wall};
use crate::base::wire::{Head, Heads, Message};
use crate::logic::effect::{Effect, Effects};

/// All links of this node, and the addresses that it dials.
#[derive(Debug)]
pub struct Mesh {
    me: NodeId,
    links: BTreeMap<LinkId, Link>,
    dials: BTreeMap<NodeId, Dial>,
    gone: BTreeMap<NodeId, (Wall, String)>,
    level: bool,
    /// Peers believe that more is stored here than is: they must be told.
    overrated: bool,
}

/// One link.
#[derive(Debug)]
pub struct Link {
    /// Who is at the other end.
    pub peer: NodeId,
    /// Over which address it came, or where it came from.
    pub detail: String,
    /// When it came.
    pub since: Wall,
    /// The last round trip in microseconds.
    pub time: Option<u32>,
    /// By how much the peer's wall clock is ahead, in milliseconds.
    pub offset: Option<i64>,
    dialled: bool,
    /// How far the peer has, or was sent, each chain. None until it said its heads.
    cursors: Option<BTreeMap<ChainId, u64>>,
    /// How far the peer says that it has stored each chain.
    stored: BTreeMap<ChainId, u64>,
    streaming: bool,
    pumped: u64,
    digest_due: Mono,
}

#[derive(Debug)]
struct Dial {
    addresses: Vec<String>,
    next: usize,
    rounds: u32,
    due: Mono,
    busy: bool,
}

/// Sums of heads that the parent passes in, so that this machine need not know the journal.
pub struct Known<'a> {
    /// All heads, in the order of chains.
    pub heads: &'a dyn Fn() -> Vec<Head>,
    /// Their digest.
    pub digest: &'a dyn Fn() -> [u8; 32],
    /// Grows with every entry.
    pub version: u64,
}

impl Mesh {
    /// A node without links that dials the members with addresses.
    #[must_use]
    pub fn new(me: NodeId) -> Self {
        Self { me, links: BTreeMap::new(), dials: BTreeMap::new(), gone: BTreeMap::new(), level: false, overrated: false }
    }

    /// The roster changed: dials whom it names, closes links to whom it does not.
    pub fn roster(&mut self, now: Now, members: &[Member], rng: &mut Rng, out: &mut Effects) {
        self.dials.retain(|peer, _| members.iter().any(|member| member.node == *peer));
        for member in members.iter().filter(|member| member.node != self.me && !member.addresses.is_empty()) {
            // Both ends may know the other's address. The greater key waits a little, so that usually
            // one dial is enough.
            let patience = if self.me < member.node { 0 } else { 400 };
            let first = now.mono + Span(patience + rng.below(100));
            let dial = self.dials.entry(member.node).or_insert_with(|| Dial {
                addresses: Vec::new(),
                next: 0,
                rounds: 0,
                due: first,
                busy: false,
            });
            if dial.addresses != member.addresses {
                *dial = Dial { addresses: member.addresses.clone(), next: 0, rounds: 0, due: first, busy: false };
            }
        }
        for (link, peer) in self.links.iter().map(|(id, link)| (*id, link.peer)) {
            if !members.iter().any(|member| member.node == peer) {
                out.then(Effect::Close { link, reason: "this key is no longer in the roster".into() });
            }
        }
    }

    /// A link came. Of two links to one peer the one dialled by the smaller key survives, and of two
    /// dialled by the same end the newer.
    pub fn up(&mut self, now: Now, id: LinkId, peer: NodeId, dialled: Option<String>, remote: String, known: &Known, out: &mut Effects) {
        if let Some(dial) = self.dials.get_mut(&peer)
            && dialled.is_some()
        {
            dial.busy = false;
            dial.rounds = 0;
            dial.next = 0;
        }
        let ours = dialled.is_some();
        let preferred = self.me < peer;
        if let Some((&other, existing)) = self.links.iter().find(|(_, link)| link.peer == peer) {
            let keep_new = existing.dialled == ours || ours == preferred;
            let closed = if keep_new { other } else { id };
            out.then(Effect::Close { link: closed, reason: "a second link between the same nodes".into() });
            if !keep_new {
                return;
            }
            self.links.remove(&other);
        }
        let link = Link {
            peer,
            detail: dialled.unwrap_or_else(|| format!("from {remote}")),
            since: now.wall,
            time: None,
            offset: None,
            dialled: ours,
            cursors: None,
            stored: BTreeMap::new(),
            streaming: false,
            pumped: 0,
            digest_due: now.mono + limits::DIGEST,
        };
        self.links.insert(id, link);
        self.gone.remove(&peer);
        out.then(Effect::Send { link: id, message: Message::Digest((known.digest)()) });
    }

    /// A link went. Returns its peer if it was the link in use, not a closed twin.
    pub fn down(&mut self, now: Now, id: LinkId, reason: &str, rng: &mut Rng) -> Option<NodeId> {
        let link = self.links.remove(&id)?;
        self.gone.insert(link.peer, (now.wall, reason.into()));
        if let Some(dial) = self.dials.get_mut(&link.peer) {
            dial.due = now.mono + Span(rng.below(limits::REDIAL_FIRST.0));
        }
        Some(link.peer)
    }

    /// A dial led to no link: the next address, or the next round after a pause.
    pub fn dial_failed(&mut self, now: Now, peer: &NodeId, rng: &mut Rng) {
        let Some(dial) = self.dials.get_mut(peer) else { return };
        dial.busy = false;
        dial.next += 1;
        if dial.next < dial.addresses.len() {
            dial.due = now.mono;
        } else {
            dial.next = 0;
            dial.rounds = (dial.rounds + 1).min(16);
            dial.due = now.mono + backoff(dial.rounds, rng);
        }
    }

    /// A link measured its round trip.
    pub fn measured(&mut self, id: LinkId, time: u32, offset: i64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.time = Some(time);
            link.offset = Some(offset);
        }
    }

    /// The peer said a digest of its heads: silence if it is ours, else all our heads.
    pub fn digest(&mut self, id: LinkId, digest: &[u8; 32], known: &Known, out: &mut Effects) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let heads = (known.heads)();
        if *digest == (known.digest)() {
            link.learn(&heads, true);
        } else {
            say_all(id, &heads, out);
        }
    }

    /// The peer said its heads.
    pub fn heads(&mut self, id: LinkId, heads: &Heads) {
        if let Some(link) = self.links.get_mut(&id) {
            link.learn(&heads.heads, heads.complete);
        }
    }

    /// The peer sent this entry, so it has it.
    pub fn has(&mut self, id: LinkId, chain: ChainId, sequence: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            raise(&mut link.stored, chain, sequence);
            if let Some(cursors) = &mut link.cursors {
                raise(cursors, chain, sequence);
            }
        }
    }

    /// Tells a peer that it skipped something.
    pub fn gap(&mut self, id: LinkId, known: &Known, out: &mut Effects) {
        say_all(id, &(known.heads)(), out);
    }

    /// The socket has taken the last batch.
    pub fn drained(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.streaming = false;
            link.pumped = 0;
        }
    }

    /// What peers sent lately was not taken, and now it would be: they are told what is stored here.
    pub const fn catch_up(&mut self) {
        self.overrated = true;
    }

    /// Nothing of the last turn was performed: cursors go back to what peers said that they stored.
    pub fn rewind(&mut self) {
        for link in self.links.values_mut() {
            link.streaming = false;
            link.pumped = 0;
            if link.cursors.is_some() {
                link.cursors = Some(link.stored.clone());
            }
        }
    }

    /// Tells peers what was stored in this turn, and asks for what each lacks to be sent.
    pub fn pump(&mut self, now: Now, changed: &[Head], known: &Known, out: &mut Effects) {
        let mut all = None;
        if !self.level {
            let heads: &Vec<Head> = all.get_or_insert_with(|| (known.heads)());
            let ours: BTreeMap<ChainId, u64> = heads.iter().map(|head| (head.chain, head.sequence)).collect();
            let has = |(chain, sequence): (&ChainId, &u64)| ours.get(chain).is_some_and(|ours| sequence <= ours);
            self.level = self.links.values().any(|link| link.cursors.is_some() && link.stored.iter().all(has));
        }
        let overrated = std::mem::take(&mut self.overrated);
        for (id, link) in &mut self.links {
            if overrated {
                say_all(*id, all.get_or_insert_with(|| (known.heads)()), out);
            }
            for heads in changed.chunks(limits::HEADS) {
                let heads = Heads { complete: false, heads: heads.to_vec() };
                out.then(Effect::Send { link: *id, message: Message::Heads(heads) });
            }
            if link.digest_due <= now.mono {
                link.digest_due = now.mono + limits::DIGEST;
                out.then(Effect::Send { link: *id, message: Message::Digest((known.digest)()) });
            }
            if link.streaming || link.pumped == known.version {
                continue;
            }
            let Some(cursors) = &mut link.cursors else { continue };
            let stretches = lacking(all.get_or_insert_with(|| (known.heads)()), cursors);
            if stretches.is_empty() {
                link.pumped = known.version;
            } else {
                for stretch in &stretches {
                    cursors.insert(stretch.chain, stretch.last);
                }
                link.streaming = true;
                out.then(Effect::Stream { link: *id, stretches });
            }
        }
    }

    /// Dials whoever is due.
    pub fn dial(&mut self, now: Now, out: &mut Effects) {
        for (peer, dial) in &mut self.dials {
            if dial.due <= now.mono && !self.links.values().any(|link| link.peer == *peer) {
                // A dial whose answer got lost is tried again once it must have ended.
                dial.due = now.mono + limits::HANDSHAKE_TIME * 3;
                dial.busy = true;
                out.then(Effect::Dial { peer: *peer, address: dial.addresses[dial.next].clone() });
            }
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let linked = |peer: &NodeId| self.links.values().any(|link| link.peer == *peer);
        let dials = self.dials.iter().filter(|(peer, _)| !linked(peer)).map(|(_, dial)| dial.due);
        dials.chain(self.links.values().map(|link| link.digest_due)).min()
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
        self.links.values().find(|link| link.peer == *peer)
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
        self.links.values().any(|link| link.stored.get(chain).is_some_and(|stored| sequence <= *stored))
    }
}

impl Link {
    fn learn(&mut self, heads: &[Head], complete: bool) {
        if complete {
            self.stored.clear();
            self.cursors = Some(BTreeMap::new());
            self.pumped = 0;
        }
        for head in heads {
            raise(&mut self.stored, head.chain, head.sequence);
            if let Some(cursors) = &mut self.cursors {
                raise(cursors, head.chain, head.sequence);
            }
        }
    }
}

/// Says all heads, in as many messages as they need.
fn say_all(link: LinkId, heads: &[Head], out: &mut Effects) {
    let (first, rest) = heads.split_at(heads.len().min(limits::HEADS));
    out.then(Effect::Send { link, message: Message::Heads(Heads { complete: true, heads: first.to_vec() }) });
    for heads in rest.chunks(limits::HEADS) {
        out.then(Effect::Send { link, message: Message::Heads(Heads { complete: false, heads: heads.to_vec() }) });
    }
}

/// What a peer with these cursors lacks: state before events before measurements, one frame's worth.
fn lacking(heads: &[Head], cursors: &BTreeMap<ChainId, u64>) -> Vec<Stretch> {
    let mut order: Vec<&Head> = heads.iter().filter(|head| cursors.get(&head.chain).copied().unwrap_or(0) < head.sequence).collect();
    order.sort_by_key(|head| head.chain.lane);
    let mut room = limits::FRAME_ENTRIES as u64;
    let mut stretches = Vec::new();
    for head in order {
        if room == 0 {
            break;
        }
        let first = cursors.get(&head.chain).copied().unwrap_or(0) + 1;
        let last = head.sequence.min(first + room - 1);
        room -= last - first + 1;
        stretches.push(Stretch { chain: head.chain, first, last });
    }
    stretches
}

fn raise(map: &mut BTreeMap<ChainId, u64>, chain: ChainId, sequence: u64) {
    let known = map.entry(chain).or_default();
    *known = sequence.max(*known);
}

/// Doubling, with jitter over the upper half, so that nodes do not dial in step.
fn backoff(rounds: u32, rng: &mut Rng) -> Span {
    let full = (limits::REDIAL_FIRST.0 << rounds.min(16)).min(limits::REDIAL_MOST.0);
    Span(full / 2 + rng.below(full / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{EntryHash, Incarnation, Lane};

    fn chain(author: u8, lane: Lane) -> ChainId {
        ChainId { author: NodeId([author; 32]), incarnation: Incarnation { opened: 1, nonce: [0; 16] }, lane }
    }

    fn head(author: u8, lane: Lane, sequence: u64) -> Head {
        Head { chain: chain(author, lane), sequence, hash: EntryHash([0; 32]), base: 0 }
    }

    fn with<R>(heads: Vec<Head>, version: u64, f: impl FnOnce(&Known) -> R) -> R {
        f(&Known { heads: &|| heads.clone(), digest: &|| [u8::try_from(version).unwrap(); 32], version })
    }

    fn streams(out: &Effects) -> Vec<(u64, u64, u64)> {
        let stretches = out.then.iter().filter_map(|effect| match effect {
            Effect::Stream { link, stretches } => Some(stretches.iter().map(|s| (link.0, s.first, s.last)).collect::<Vec<_>>()),
            _ => None,
        });
        stretches.flatten().collect()
    }

    #[test]
    fn a_peer_gets_exactly_what_it_lacks_state_first_one_batch_at_a_time() {
        let mut mesh = Mesh::new(NodeId([1; 32]));
        let mut out = Effects::default();
        let heads = vec![head(1, Lane::Events, 5), head(1, Lane::State, 400)];
        with(heads, 1, |known| {
            mesh.up(Now::default(), LinkId(7), NodeId([2; 32]), None, "remote".into(), known, &mut out);
            mesh.pump(Now::default(), &[], known, &mut out);
            assert_eq!(streams(&out), [], "nothing before the peer said its heads");
            mesh.heads(LinkId(7), &Heads { complete: true, heads: vec![head(1, Lane::State, 100)] });
            mesh.pump(Now::default(), &[], known, &mut out);
            assert_eq!(streams(&out), [(7, 101, 356)]);
            mesh.pump(Now::default(), &[], known, &mut out);
            assert_eq!(streams(&out).len(), 1, "one batch at a time");
            out.clear();
            mesh.drained(LinkId(7));
            mesh.pump(Now::default(), &[], known, &mut out);
            assert_eq!(streams(&out), [(7, 357, 400), (7, 1, 5)]);
            mesh.drained(LinkId(7));
            out.clear();
            mesh.pump(Now::default(), &[], known, &mut out);
            assert_eq!(streams(&out), []);
        });
    }

    #[test]
    fn both_ends_keep_the_same_one_of_two_links() {
        for (me, peer) in [(1, 2), (2, 1)] {
            for newer_is_ours in [true, false] {
                let mut mesh = Mesh::new(NodeId([me; 32]));
                let mut out = Effects::default();
                let address = |ours: bool| ours.then(|| "address".to_owned());
                with(vec![], 0, |known| {
                    mesh.up(Now::default(), LinkId(1), NodeId([peer; 32]), address(!newer_is_ours), String::new(), known, &mut out);
                    mesh.up(Now::default(), LinkId(2), NodeId([peer; 32]), address(newer_is_ours), String::new(), known, &mut out);
                });
                let kept: Vec<bool> = mesh.links.values().map(|link| link.dialled).collect();
                assert_eq!(kept, [me < peer], "the link that node 1 dialled");
            }
        }
    }

    #[test]
    fn every_address_is_tried_before_a_pause_that_grows() {
        let mut mesh = Mesh::new(NodeId([1; 32]));
        let mut rng = Rng::new(1);
        let member = Member {
            node: NodeId([2; 32]),
            name: "b".into(),
            role: crate::base::settings::Role::Member,
            addresses: vec!["one:1".into(), "two:2".into()],
            expected: crate::base::target::Expected::Always,
        };
        let mut out = Effects::default();
        mesh.roster(Now::default(), &[member], &mut rng, &mut out);
        let mut at = Mono(0);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let due = mesh.deadline().unwrap().max(at);
            pauses.push(due.since(at).0);
            at = due;
            let now = Now { mono: at, wall: Wall(0) };
            mesh.dial(now, &mut out);
            mesh.dial_failed(now, &NodeId([2; 32]), &mut rng);
        }
        let addresses: Vec<String> = out
            .then
            .iter()
            .filter_map(|effect| match effect {
                Effect::Dial { address, .. } => Some(address.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(addresses[..4], ["one:1", "two:2", "one:1", "two:2"]);
        assert!(pauses.iter().all(|pause| *pause <= limits::REDIAL_MOST.0));
        assert!(limits::REDIAL_MOST.0 / 2 <= *pauses.iter().max().unwrap());
    }
}
