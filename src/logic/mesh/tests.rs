//! What a mesh does with one peer after the other, turn by turn.

use super::*;
use crate::base::entry::Stretch;
use crate::base::id::{EntryHash, Incarnation, Lane};
use crate::base::settings::Role;

use crate::base::wire::{Digest, Heads};

mod topology;

fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

fn chain(author: u8, lane: Lane) -> ChainId {
    ChainId { author: node(author), incarnation: Incarnation { opened: 1, nonce: [0; 16] }, lane }
}

fn head(author: u8, lane: Lane, sequence: u64) -> Head {
    Head { chain: chain(author, lane), sequence, hash: EntryHash([0; 32]), base: 0 }
}

fn member(n: u8) -> Member {
    Member {
        node: node(n),
        name: n.to_string(),
        role: Role::Member,
        addresses: vec![format!("{n}:1")],
        expected: crate::base::target::Expected::Always,
    }
}

/// A node with its links, what it has and what it asks for.
struct Bench {
    mesh: Mesh,
    heads: BTreeMap<ChainId, Head>,
    changed: Vec<Head>,
    out: Effects,
    at: u64,
    declared: BTreeMap<ChainId, (u64, ChainId, u64)>,
    /// How many links each other is known to have.
    degree: Option<usize>,
}

const EVERYTHING: u64 = u64::MAX;

impl Bench {
    fn new(heads: &[Head]) -> Self {
        Self::of(9, heads)
    }

    /// In a network of so many.
    fn of(all: u8, heads: &[Head]) -> Self {
        let mut mesh = Mesh::new(node(1), 1);
        let members: Vec<Member> = (1..=all).map(member).collect();
        mesh.roster(now(0), &members, &[], &mut Effects::default());
        let heads = heads.iter().map(|head| (head.chain, *head)).collect();
        Self { mesh, heads, changed: Vec::new(), out: Effects::default(), at: 0, declared: BTreeMap::new(), degree: None }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Mesh, Now, &Known, &mut Effects) -> R) -> R {
        let (heads, declared, degree) = (&self.heads, &self.declared, self.degree);
        let known = Known {
            heads: &|| heads.values().copied().collect(),
            head: &|chain| heads.get(chain).copied(),
            has: &|chain, sequence| heads.get(chain).is_some_and(|head| sequence <= head.sequence),
            declared: &|chain| declared.get(chain).copied(),
            proofs: 0,
            linked: &|_, _| false,
            degree: &|_| degree,
            lives: &|_| true,
            taking: true,
        };
        f(&mut self.mesh, now(self.at), &known, &mut self.out)
    }

    /// A link to a peer that has these heads.
    fn link(&mut self, link: u64, peer: u8, heads: &[Head]) {
        self.with(|mesh, now, known, out| mesh.up(now, LinkId(link), node(peer), None, "remote".into(), known, out));
        self.says(link, EVERYTHING, heads);
    }

    fn says(&mut self, link: u64, complete: u64, heads: &[Head]) {
        let heads = Heads { complete, again: false, heads: heads.to_vec() };
        self.with(|mesh, now, known, out| mesh.heads(now, LinkId(link), &heads, known, out));
    }

    fn wants(&mut self, link: u64, push: bool, authors: &[u8]) {
        let prefer = Prefer { push, authors: authors.iter().map(|author| node(*author)).collect() };
        self.with(|mesh, now, known, _| mesh.prefer(now, LinkId(link), &prefer, known));
    }

    /// This node has a chain that far now; what is new came over a link, or was written here.
    fn moves(&mut self, link: Option<u64>, head: Head) {
        let before = self.heads.insert(head.chain, head).map_or(0, |head| head.sequence);
        for sequence in before + 1..=head.sequence {
            if let Some(link) = link {
                self.mesh.has(LinkId(link), head.chain, sequence);
            }
        }
        self.changed.push(head);
    }

    /// Ends a turn; what it asked for.
    fn turn(&mut self) -> Vec<Effect> {
        let changed = std::mem::take(&mut self.changed);
        self.with(|mesh, now, known, out| mesh.pump(now, &changed, known, out));
        std::mem::take(&mut self.out.then)
    }

    fn wait(&mut self, span: u64) -> Vec<Effect> {
        self.at += span;
        self.turn()
    }

    fn drained(&mut self, link: u64) {
        let at = now(self.at);
        self.mesh.drained(at, LinkId(link));
    }
}

fn now(at: u64) -> Now {
    Now { mono: Mono(at + 1000), wall: Wall(0) }
}

fn streams(effects: &[Effect]) -> Vec<(u64, u64, u64)> {
    let stretches = effects.iter().filter_map(|effect| match effect {
        Effect::Stream { link, stretches } => Some(stretches.iter().map(|s: &Stretch| (link.0, s.first, s.last)).collect::<Vec<_>>()),
        _ => None,
    });
    stretches.flatten().collect()
}

/// What was said about who is wanted: link, whether, authors.
fn wishes(effects: &[Effect]) -> Vec<(u64, bool, Vec<u8>)> {
    let wish = |effect: &Effect| match effect {
        Effect::Send { link, message: Message::Prefer(prefer) } => {
            Some((link.0, prefer.push, prefer.authors.iter().map(|author| author.0[0]).collect()))
        }
        _ => None,
    };
    effects.iter().filter_map(wish).collect()
}

/// Heads that were said over a link, whether they are all that there are, and how far each author's chain goes.
type Said = (u64, bool, Vec<(u8, u64)>);

/// Heads that were said: link, whether anything beyond was lost, author and sequence number.
fn said(effects: &[Effect]) -> Vec<Said> {
    let said = |effect: &Effect| match effect {
        Effect::Send { link, message: Message::Heads(heads) } => {
            let heads_said = heads.heads.iter().map(|head| (head.chain.author.0[0], head.sequence)).collect();
            Some((link.0, heads.again, heads_said))
        }
        _ => None,
    };
    effects.iter().filter_map(said).collect()
}

#[test]
fn a_peer_is_sent_what_it_asked_for_and_lacks_one_batch_at_a_time() {
    let mut bench = Bench::new(&[head(2, Lane::Events, 5), head(2, Lane::State, 100), head(3, Lane::State, 7)]);
    bench.link(7, 4, &[head(2, Lane::State, 10)]);
    assert_eq!(streams(&bench.turn()), [], "nothing before it asks");
    bench.wants(7, true, &[2]);
    assert_eq!(streams(&bench.turn()), [(7, 1, 5), (7, 11, 69)], "what is short goes before history");
    assert_eq!(streams(&bench.turn()), [], "one batch at a time");
    bench.drained(7);
    assert_eq!(streams(&bench.turn()), [(7, 70, 100)]);
    bench.drained(7);
    assert_eq!(streams(&bench.turn()), [], "nobody asked for author 3");
    bench.moves(None, head(2, Lane::State, 101));
    assert_eq!(streams(&bench.turn()), [(7, 101, 101)], "live entries are the tail of the same stream");
    bench.drained(7);
    bench.wants(7, false, &[2]);
    bench.moves(None, head(2, Lane::State, 102));
    let effects = bench.turn();
    assert_eq!(streams(&effects), [], "not wanted any more");
    assert_eq!(said(&effects), [(7, false, vec![(2, 102)])], "but it is told");
}

#[test]
fn of_history_state_comes_before_events_before_measurements() {
    let mut bench =
        Bench::new(&[head(2, Lane::Minutes, 40), head(3, Lane::State, 40), head(3, Lane::Events, 40), head(4, Lane::State, 40)]);
    bench.link(7, 5, &[]);
    bench.wants(7, true, &[2, 3, 4]);
    assert_eq!(streams(&bench.turn()), [(7, 1, 40), (7, 1, 24)]);
    bench.drained(7);
    assert_eq!(streams(&bench.turn()), [(7, 25, 40), (7, 1, 40), (7, 1, 40)], "16 of state, then events, then minutes");
}

#[test]
fn batches_follow_what_the_line_can_take() {
    let mut bench = Bench::new(&[head(2, Lane::State, 100_000)]);
    bench.link(7, 5, &[]);
    bench.wants(7, true, &[2]);
    let mut sizes = Vec::new();
    for took in [10, 10, 10, 10, 10, 900, 900, 300, 900, 900, 900, 900, 900, 900] {
        let batch = streams(&bench.turn());
        sizes.push(batch[0].2 - batch[0].1 + 1);
        bench.at += took;
        bench.drained(7);
    }
    assert_eq!(sizes, [64, 128, 256, 512, 512, 512, 256, 128, 128, 64, 32, 16, 8, 4]);
}

#[test]
fn each_author_is_wanted_from_one_link_the_author_itself_if_it_can_be() {
    let mut bench = Bench::new(&[]);
    bench.link(1, 2, &[head(2, Lane::State, 5), head(3, Lane::State, 5)]);
    bench.link(2, 3, &[head(2, Lane::State, 5), head(3, Lane::State, 5)]);
    let wished = wishes(&bench.turn());
    assert_eq!(wished, [(1, true, vec![2, 3])], "the first that has it, until it has delivered");
    bench.moves(Some(1), head(2, Lane::State, 5));
    bench.moves(Some(1), head(3, Lane::State, 5));
    assert_eq!(wishes(&bench.turn()), [(1, false, vec![3]), (2, true, vec![3])], "then the author itself");
}

#[test]
fn before_a_peer_is_asked_it_is_told_what_is_known_here() {
    let mut bench = Bench::new(&[head(4, Lane::State, 1)]);
    bench.link(1, 2, &[head(4, Lane::State, 1)]);
    bench.link(2, 3, &[head(4, Lane::State, 1)]);
    bench.turn();
    bench.says(1, 0, &[head(4, Lane::State, 2)]);
    bench.turn();
    bench.says(2, 0, &[head(4, Lane::State, 2)]);
    bench.moves(Some(1), head(4, Lane::State, 2));
    assert_eq!(said(&bench.turn()), [], "both have it");
    bench.with(|mesh, now, _, _| mesh.down(now, LinkId(1), "gone"));
    let effects = bench.turn();
    assert_eq!(said(&effects), [(2, false, vec![(4, 2)])]);
    assert_eq!(wishes(&effects), [(2, true, vec![2, 4])], "a source that goes is replaced at once");
}

#[test]
fn a_source_that_does_not_deliver_what_others_have_is_replaced() {
    let mut bench = Bench::new(&[head(4, Lane::State, 1)]);
    for (link, peer) in [(1, 2), (2, 3)] {
        bench.link(link, peer, &[head(4, Lane::State, 1)]);
        bench.mesh.measured(LinkId(link), 100_000, 0);
    }
    bench.turn();
    bench.says(1, 0, &[head(4, Lane::State, 2)]);
    assert_eq!(wishes(&bench.turn()), [(1, true, vec![4])]);
    bench.at += 5000;
    bench.says(2, 0, &[head(4, Lane::State, 2)]);
    assert_eq!(wishes(&bench.turn()), [(1, false, vec![4]), (2, true, vec![4])], "it had its time");
    assert_eq!(wishes(&bench.wait(299)), []);
    assert_eq!(wishes(&bench.wait(1)), [], "the first is not asked again so soon");
    bench.moves(Some(2), head(4, Lane::State, 2));
    bench.turn();
    bench.says(1, 0, &[head(4, Lane::State, 3)]);
    assert_eq!(wishes(&bench.wait(299)), [], "three round trips");
    assert_eq!(wishes(&bench.wait(6000)), [(1, true, vec![4]), (2, false, vec![4])]);
}

#[test]
fn who_invents_heads_is_asked_more_and_more_rarely_and_holds_up_nobody() {
    let mut bench = Bench::new(&[head(4, Lane::State, 1)]);
    bench.link(1, 2, &[head(4, Lane::State, 1)]);
    bench.link(2, 3, &[head(4, Lane::State, 1_000_000)]);
    let (mut asked, mut late) = (0, 0);
    for second in 1..=3600 {
        bench.says(1, 0, &[head(4, Lane::State, 1 + second)]);
        let mut delivered = false;
        for _ in 0..10 {
            asked += wishes(&bench.wait(100)).iter().filter(|(link, push, _)| *link == 2 && *push).count();
            if !delivered && bench.mesh.source_of(&node(4)) == Some(LinkId(1)) {
                bench.moves(Some(1), head(4, Lane::State, 1 + second));
                delivered = true;
            }
        }
        late += usize::from(!delivered);
    }
    assert!((1..=12).contains(&asked), "asked {asked} times in an hour");
    assert!(late <= asked, "{late} seconds without the entry, which the other would have had");
}

#[test]
fn claims_are_bounded_and_those_of_strangers_are_none() {
    let mut bench = Bench::new(&[]);
    bench.link(1, 2, &[]);
    let invented = |n: u64| {
        let incarnation = Incarnation { opened: n, nonce: [0; 16] };
        Head { chain: ChainId { incarnation, ..chain(3, Lane::State) }, ..head(3, Lane::State, 9) }
    };
    for part in 0..10 {
        let heads: Vec<Head> = (part * 8000..(part + 1) * 8000).map(invented).collect();
        bench.says(1, 0, &heads);
    }
    bench.says(1, 0, &[head(77, Lane::State, 5)]);
    assert_eq!(bench.mesh.links[&LinkId(1)].cursors.ahead().len(), limits::CHAINS);
}

#[test]
fn a_turn_that_was_not_performed_is_asked_for_again() {
    let mut bench = Bench::new(&[head(2, Lane::State, 100), head(3, Lane::State, 1)]);
    bench.link(7, 4, &[head(3, Lane::State, 2)]);
    bench.wants(7, true, &[2]);
    let effects = bench.turn();
    assert_eq!((streams(&effects), wishes(&effects)), (vec![(7, 1, 64)], vec![(7, true, vec![3, 4])]));
    bench.mesh.rewind();
    let effects = bench.turn();
    assert_eq!((streams(&effects), wishes(&effects)), (vec![(7, 1, 64)], vec![(7, true, vec![3, 4])]));
    assert_eq!(said(&effects), [(7, true, vec![(2, 100), (3, 1)])], "and what came may be lost");
    bench.drained(7);
    bench.turn();
    bench.mesh.reread();
    assert_eq!(streams(&bench.turn()), [], "what was performed is not asked for again");
}

#[test]
fn what_a_peer_did_not_take_is_sent_again_when_it_says_so() {
    let mut bench = Bench::new(&[head(2, Lane::State, 10)]);
    bench.link(7, 4, &[]);
    bench.wants(7, true, &[2]);
    assert_eq!(streams(&bench.turn()), [(7, 1, 10)]);
    bench.drained(7);
    bench.says(7, EVERYTHING, &[head(2, Lane::State, 3)]);
    assert_eq!(streams(&bench.turn()), [], "the rest may be under way");
    let heads = Heads { complete: 0, again: true, heads: vec![head(2, Lane::State, 3)] };
    bench.with(|mesh, now, known, out| mesh.heads(now, LinkId(7), &heads, known, out));
    assert_eq!(streams(&bench.turn()), [(7, 4, 10)], "it says that it is lost");
    bench.drained(7);
    bench.at += limits::SENT_AGAIN.0;
    bench.says(7, EVERYTHING, &[head(2, Lane::State, 3)]);
    assert_eq!(streams(&bench.turn()), [(7, 4, 10)], "nothing is under way for so long");
}

#[test]
fn a_gap_is_answered_if_it_stays_and_at_most_once_a_second() {
    let mut bench = Bench::new(&[head(2, Lane::State, 3), head(3, Lane::State, 3)]);
    bench.link(7, 4, &[head(2, Lane::State, 3), head(3, Lane::State, 3)]);
    bench.turn();
    for _ in 0..5 {
        bench.with(|mesh, now, _, _| [2, 3].map(|author| mesh.gap(now, LinkId(7), chain(author, Lane::State))));
        assert_eq!(said(&bench.turn()), []);
    }
    bench.moves(Some(7), head(3, Lane::State, 9));
    assert_eq!(said(&bench.wait(1000)), [(7, true, vec![(2, 3)])], "what came meanwhile is no gap");
    assert_eq!(said(&bench.wait(1000)), []);
}

#[test]
fn level_is_who_once_had_all_that_a_peer_has() {
    let mut bench = Bench::new(&[head(2, Lane::State, 3)]);
    bench.turn();
    assert!(!bench.mesh.is_level(), "nobody to be level with");
    bench.link(7, 4, &[head(2, Lane::State, 3), head(3, Lane::State, 2)]);
    bench.turn();
    assert!(!bench.mesh.is_level());
    bench.moves(Some(7), head(3, Lane::State, 2));
    bench.turn();
    assert!(bench.mesh.is_level());
}

#[test]
fn held_is_what_a_peer_said_to_have_stored_not_what_was_sent() {
    let mut bench = Bench::new(&[head(1, Lane::Events, 3)]);
    bench.link(7, 4, &[head(1, Lane::Events, 3)]);
    bench.wants(7, true, &[1]);
    bench.turn();
    assert!(bench.mesh.is_held(&chain(1, Lane::Events), 3));
    bench.moves(None, head(1, Lane::Events, 4));
    assert!(!bench.mesh.is_held(&chain(1, Lane::Events), 4), "before the end of the turn in which it was written");
    assert_eq!(streams(&bench.turn()), [(7, 4, 4)]);
    assert!(!bench.mesh.is_held(&chain(1, Lane::Events), 4));
    bench.says(7, 0, &[head(1, Lane::Events, 4)]);
    assert!(bench.mesh.is_held(&chain(1, Lane::Events), 4));
}

#[test]
fn an_author_is_told_at_once_that_its_events_are_held() {
    let mut bench = Bench::new(&[]);
    bench.link(7, 2, &[]);
    bench.turn();
    bench.moves(Some(7), head(2, Lane::Events, 1));
    bench.moves(Some(7), head(2, Lane::State, 2));
    assert_eq!(said(&bench.turn()), [(7, false, vec![(2, 1)])]);
    assert_eq!(said(&bench.wait(limits::ANNOUNCE.0)), [(7, false, vec![(2, 2)])], "of its state later");
}

#[test]
fn equal_digests_are_answered_by_silence_and_others_by_what_differs() {
    let heads = [head(2, Lane::State, 3), head(3, Lane::State, 3)];
    let mut bench = Bench::new(&heads);
    bench.with(|mesh, now, known, out| mesh.up(now, LinkId(7), node(4), None, "remote".into(), known, out));
    let digest = |heads: &[Head], proofs| Digest::of(heads.iter(), proofs);
    let same = digest(&heads, 0);
    assert!(!bench.with(|mesh, now, known, out| mesh.digest(now, LinkId(7), &same, known, out)));
    let effects = bench.turn();
    assert_eq!(said(&effects), []);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Send { message: Message::Digest(_), .. })), "its own");
    bench.wants(7, true, &[2, 3]);
    assert_eq!(streams(&bench.turn()), [], "it has everything");
    let other = digest(&[head(2, Lane::State, 3), head(3, Lane::State, 2)], 5);
    assert!(bench.with(|mesh, now, known, out| mesh.digest(now, LinkId(7), &other, known, out)), "the proofs differ");
    assert_eq!(said(&bench.turn()), [(7, false, vec![(3, 3)])]);
}

#[test]
fn who_saw_no_difference_says_its_heads_when_the_peer_says_its() {
    let mut bench = Bench::new(&[head(2, Lane::State, 3)]);
    bench.with(|mesh, now, known, out| mesh.up(now, LinkId(7), node(4), None, "remote".into(), known, out));
    let same = Digest::of([head(2, Lane::State, 3)].iter(), 0);
    bench.with(|mesh, now, known, out| mesh.digest(now, LinkId(7), &same, known, out));
    assert_eq!(said(&bench.turn()), []);
    // The peer wrote something before our digest came, and saw a difference.
    bench.says(7, 1 << 2, &[head(2, Lane::State, 4)]);
    assert_eq!(said(&bench.turn()), [(7, false, vec![(2, 3)])]);
    bench.says(7, 1 << 2, &[head(2, Lane::State, 4)]);
    assert_eq!(said(&bench.turn()), [], "once is enough");
}

#[test]
fn below_a_base_the_entry_that_declares_it_comes_first() {
    let based = |author, sequence, base| Head { base, ..head(author, Lane::State, sequence) };
    let mut bench = Bench::new(&[based(2, 30, 20), based(3, 30, 20)]);
    bench.declared.insert(chain(2, Lane::State), (20, chain(2, Lane::State), 25));
    bench.link(7, 4, &[head(2, Lane::State, 3)]);
    bench.wants(7, true, &[2, 3]);
    assert_eq!(streams(&bench.turn()), [(7, 25, 25), (7, 21, 30)], "and what was dropped here without a word cannot be had from here");
    bench.drained(7);
    assert_eq!(streams(&bench.turn()), []);
}

#[test]
fn heartbeats_go_where_their_author_is_not_heard_and_not_too_often() {
    let mut bench = Bench::new(&[]);
    for (link, peer) in [(1, 2), (2, 3), (3, 4)] {
        bench.link(link, peer, &[]);
    }
    let relays = |bench: &mut Bench, from| bench.with(|mesh, now, known, _| mesh.relays(now, LinkId(from), &node(2), known));
    assert_eq!(relays(&mut bench, 1), [LinkId(2), LinkId(3)]);
    bench.at += 100;
    assert_eq!(relays(&mut bench, 1), [], "too soon");
    bench.at += 100;
    assert_eq!(relays(&mut bench, 2), [LinkId(3)], "never back to the author");
}

#[test]
fn heartbeats_show_over_which_link_an_author_is_reached() {
    let mut bench = Bench::new(&[]);
    bench.link(1, 2, &[]);
    bench.link(2, 3, &[]);
    bench.with(|mesh, now, _, _| mesh.beat(now, LinkId(1), &node(9), true));
    assert_eq!(bench.mesh.source_of(&node(9)), Some(LinkId(1)));
    let beat = |bench: &mut Bench, link, news| bench.with(|mesh, now, _, _| mesh.beat(now, LinkId(link), &node(9), news));
    for _ in 0..5 {
        beat(&mut bench, 2, true);
        beat(&mut bench, 1, false);
    }
    assert_eq!(bench.mesh.source_of(&node(9)), Some(LinkId(1)), "it is only a little later");
    for _ in 0..=limits::BEATS_MISSED {
        beat(&mut bench, 2, true);
    }
    assert_eq!(bench.mesh.source_of(&node(9)), Some(LinkId(2)));
}

#[test]
fn a_link_that_is_faster_again_and_again_becomes_the_source() {
    let mut bench = Bench::new(&[]);
    bench.link(1, 2, &[head(9, Lane::State, 1)]);
    bench.link(2, 3, &[]);
    bench.moves(Some(1), head(9, Lane::State, 1));
    bench.turn();
    for sequence in 2..=4 {
        assert_eq!(bench.mesh.source_of(&node(9)), Some(LinkId(1)));
        bench.says(2, 0, &[head(9, Lane::State, sequence)]);
        bench.at += 100;
        bench.moves(Some(1), head(9, Lane::State, sequence));
        bench.turn();
        bench.at += 5000;
    }
    assert_eq!(bench.mesh.source_of(&node(9)), Some(LinkId(2)));
}

#[test]
fn no_deadline_lies_in_the_past_after_a_turn() {
    let mut bench = Bench::new(&[head(2, Lane::State, 3)]);
    bench.link(1, 2, &[head(2, Lane::State, 9)]);
    bench.link(2, 3, &[head(2, Lane::State, 9), head(1, Lane::State, 9)]);
    for _ in 0..200 {
        bench.with(Mesh::dial);
        bench.turn();
        let due = bench.mesh.deadline().expect("there is always something");
        assert!(now(bench.at).mono < due);
        bench.at = due.0 - 1000;
    }
}

#[test]
fn in_a_large_network_who_has_too_many_links_gives_up_its_own_one_by_one_and_keeps_enough() {
    let mut bench = Bench::of(60, &[]);
    for peer in 2..=42 {
        let (id, dialled) = (LinkId(peer.into()), (peer % 2 == 0).then(|| format!("{peer}:1")));
        bench.with(|mesh, now, known, out| mesh.up(now, id, node(peer), dialled, String::new(), known, out));
    }
    bench.turn();
    let closed = |bench: &mut Bench, seconds: u64| {
        let mut count = 0;
        for _ in 0..seconds {
            bench.at += 1000;
            bench.with(Mesh::dial);
            let ids: Vec<LinkId> =
                bench.turn().iter().filter_map(|effect| if let Effect::Close { link, .. } = effect { Some(*link) } else { None }).collect();
            for id in ids {
                count += 1;
                assert!(id.0 % 2 == 0, "{id:?} was dialled by the other end, which may need it");
                bench.with(|mesh, now, _, _| mesh.down(now, id, "enough"));
            }
        }
        count
    };
    assert_eq!(closed(&mut bench, 40), 0, "nobody knows whether the others have more");
    bench.degree = Some(3);
    assert_eq!(closed(&mut bench, 40), 0, "the others need them");
    bench.degree = Some(40);
    let some = closed(&mut bench, 40);
    assert!((5..=10).contains(&some), "{some} in 40 s");
    closed(&mut bench, 600);
    let left = bench.mesh.links().count();
    assert!((20..=24).contains(&left), "{left} are left: those that others dialled, and the next in the ring");
}
