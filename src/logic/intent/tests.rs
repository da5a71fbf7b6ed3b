//! Stories of a few nodes in one process: what each writes reaches the others when the story says so.

use super::*;
use crate::base::id::{Incarnation, Lane};

const LEASE: Span = Span::secs(60);
const DOMAIN: Domain = Domain([5; 32]);
const KEY: IntentKey = IntentKey([7; 32]);

/// Nodes whose number is their rank.
struct Story {
    nodes: Vec<Intents>,
    /// Entries not yet delivered, by receiver.
    mail: Vec<Vec<(Source, Fact)>>,
    dead: BTreeSet<NodeId>,
    capable: Vec<NodeId>,
    wanted_since: Mono,
    now: u64,
    entries: u8,
    acts: Vec<(usize, EntryHash, String)>,
    hold: bool,
    alone: Option<Span>,
    announced: bool,
}

fn node(n: usize) -> NodeId {
    NodeId([u8::try_from(n).unwrap(); 32])
}

impl Story {
    fn new(count: usize) -> Self {
        Self {
            nodes: (0..count).map(|n| Intents::new(node(n), LEASE)).collect(),
            mail: vec![Vec::new(); count],
            dead: BTreeSet::new(),
            capable: (0..count).map(node).collect(),
            wanted_since: Mono(0),
            now: 0,
            entries: 0,
            acts: Vec::new(),
            hold: true,
            alone: None,
            announced: true,
        }
    }

    /// Lets node `n` do all it can; returns what it wrote.
    fn turn(&mut self, n: usize) -> Vec<String> {
        let mut wrote = Vec::new();
        let alive = |m: &usize| *m != n && !self.dead.contains(&node(*m));
        let voters: Vec<NodeId> = (0..self.nodes.len()).filter(alive).map(node).collect();
        let dead = self.dead.clone();
        let now = Now { mono: Mono(self.now), wall: Wall(0) };
        let capable = self.capable.iter().filter(|node| !dead.contains(node)).copied().collect();
        let wanted = [Wanted { domain: DOMAIN, keys: vec![(KEY, self.wanted_since)], window: Span::ZERO, capable }];
        loop {
            let electorate = Electorate {
                voters: voters.clone(),
                silent: vec![],
                voting: true,
                announced: self.announced,
                enrolled: self.nodes.len(),
                steady: (0..self.nodes.len()).map(node).collect(),
                idle: &|_| false,
                alone: self.alone.filter(|_| voters.is_empty()),
                majority: false,
                dead: &|node| dead.contains(node),
                held: &|_, _| self.hold,
                hash: &|_, node| node.0,
                message: &|_| "message".into(),
            };
            match self.nodes[n].turn(now, &wanted, &electorate) {
                None => return wrote,
                Some(Step::Act { ballot, message, .. }) => self.acts.push((n, ballot, message)),
                Some(Step::Write(fact)) => {
                    wrote.push(fact.name().to_owned());
                    self.write(n, &fact);
                }
            }
        }
    }

    fn write(&mut self, n: usize, fact: &Fact) {
        self.entries += 1;
        let lamport = u64::from(self.entries);
        let place = (Incarnation { opened: 1, nonce: node(n).0[..16].try_into().unwrap() }, lamport);
        let source = Source { entry: EntryHash([self.entries; 32]), author: node(n), lamport, wall: Wall(0), place };
        let chain = ChainId { author: node(n), incarnation: Incarnation { opened: 1, nonce: [0; 16] }, lane: Lane::Events };
        self.nodes[n].fold(Mono(self.now), source, fact);
        self.nodes[n].wrote(Mono(self.now), source.entry, chain, 1, fact);
        for (m, mail) in self.mail.iter_mut().enumerate() {
            if m != n {
                mail.push((source, fact.clone()));
            }
        }
    }

    fn deliver(&mut self, n: usize) {
        for (source, fact) in std::mem::take(&mut self.mail[n]) {
            self.nodes[n].fold(Mono(self.now), source, &fact);
        }
    }

    /// Turns and deliveries among the living until nothing moves.
    fn settle(&mut self) {
        for _ in 0..20 {
            for n in (0..self.nodes.len()).filter(|n| !self.dead.contains(&node(*n))).collect::<Vec<_>>() {
                self.deliver(n);
                self.turn(n);
            }
        }
    }

    fn end(&mut self, n: usize, success: bool) {
        self.end_with(n, success, vec![], None);
    }

    fn end_with(&mut self, n: usize, success: bool, refused: Vec<String>, after: Option<u32>) {
        let ballot = self.acts.iter().rev().find(|(m, ..)| *m == n).unwrap().1;
        let done = self.nodes[n].ended(ballot, vec![KEY], success, "said".into(), refused, vec![]).unwrap();
        self.write(n, &Fact::Done(Done { after, ..done }));
    }

    fn actors(&self) -> Vec<usize> {
        self.acts.iter().map(|(n, ..)| *n).collect()
    }
}

#[test]
fn the_first_in_rank_asks_gathers_votes_and_acts_once() {
    let mut story = Story::new(3);
    assert_eq!(story.turn(0), ["Propose", "Grant"]);
    for n in [1, 2] {
        story.deliver(n);
        assert_eq!(story.turn(n), ["Grant"]);
    }
    story.deliver(0);
    assert_eq!(story.turn(0), ["Executing"]);
    assert_eq!(story.actors(), [0]);
    story.end(0, true);
    story.now = 1_000_000;
    story.settle();
    assert_eq!(story.actors(), [0]);
    assert!((0..3).all(|n| story.nodes[n].receipt(&KEY).is_some_and(|receipt| receipt.by == node(0)) && !story.nodes[n].is_busy()));
}

#[test]
fn nobody_acts_before_every_voter_that_it_sees_has_granted() {
    let mut story = Story::new(3);
    story.turn(0);
    story.deliver(1);
    story.turn(1);
    story.deliver(0);
    assert_eq!(story.turn(0), [""; 0]);
    story.dead.insert(node(2));
    assert_eq!(story.turn(0), ["Executing"]);
}

#[test]
fn nobody_acts_before_another_voter_holds_its_beginning() {
    let mut story = Story::new(2);
    story.hold = false;
    story.settle();
    assert_eq!(story.actors(), [0usize; 0]);
    story.hold = true;
    story.settle();
    assert_eq!(story.actors(), [0]);
}

#[test]
fn of_two_candidates_the_worse_yields_and_voters_follow() {
    let mut story = Story::new(3);
    // Node 1 does not yet see node 0 and takes itself for the first.
    story.capable = vec![node(1)];
    assert_eq!(story.turn(1), ["Propose", "Grant"]);
    story.deliver(2);
    assert_eq!(story.turn(2), ["Grant"]);
    story.capable = vec![node(0), node(1), node(2)];
    let fact = Fact::Propose(Propose { domain: DOMAIN, keys: vec![KEY], failures: 0 });
    story.write(0, &fact);
    story.deliver(1);
    assert_eq!(story.turn(1), ["Yield", "Grant"]);
    story.settle();
    assert_eq!(story.actors(), [0]);
}

#[test]
fn the_next_in_rank_takes_over_from_the_dead_only_after_the_lease() {
    let mut story = Story::new(3);
    story.turn(0);
    (1..3).for_each(|n| story.deliver(n));
    (1..3).for_each(|n| drop(story.turn(n)));
    story.deliver(0);
    assert_eq!(story.turn(0), ["Executing"]);
    story.settle();
    story.dead.insert(node(0));
    story.now = 59_000;
    story.settle();
    assert_eq!(story.actors(), [0], "voters are bound while the dead might still act");
    story.now = 63_000;
    story.settle();
    assert_eq!(story.actors(), [0, 1]);
    assert_eq!(story.acts[0].2, story.acts[1].2, "under the same Message-ID");
}

#[test]
fn a_candidate_gives_up_before_its_lease_ends() {
    let mut story = Story::new(3);
    story.turn(0);
    story.now = 28_700;
    assert_eq!(story.turn(0), [""; 0]);
    story.now = 28_900;
    assert!(story.turn(0).starts_with(&["Yield".to_owned()]));
    story.deliver(1);
    story.deliver(2);
    story.turn(1);
    story.turn(2);
    assert_eq!(story.actors(), [0usize; 0]);
}

#[test]
fn a_failed_action_passes_to_the_next_in_rank() {
    let mut story = Story::new(3);
    story.settle();
    story.end(0, false);
    story.settle();
    assert_eq!(story.actors(), [0, 1]);
    story.end(1, false);
    story.settle();
    assert_eq!(story.actors(), [0, 1, 2]);
    story.end(2, false);
    story.settle();
    assert_eq!(story.actors(), [0, 1, 2], "all have failed: a pause");
    story.now += limits::RETRY_FIRST.0;
    story.settle();
    assert_eq!(story.actors(), [0, 1, 2, 0]);
    story.end(0, true);
    assert_eq!(story.nodes[0].receipt(&KEY).unwrap().by, node(0));
}

#[test]
fn who_is_refused_for_good_leaves_it_to_the_others_and_tries_again_after_an_hour() {
    let mut story = Story::new(2);
    story.settle();
    story.end_with(0, false, vec!["chat".into()], None);
    story.settle();
    assert_eq!(story.actors(), [0, 1], "the next at once");
    story.end(1, false);
    for _ in 0..30 {
        story.now += limits::RETRY_MOST.0 / 10;
        story.settle();
        if story.actors().len() == 3 {
            break;
        }
    }
    assert_eq!(story.actors(), [0, 1, 1], "who may have more luck tries again, and not who was refused");
    story.end_with(1, false, vec!["chat".into()], None);
    story.now += limits::RETRY_MOST.0 * 2;
    story.settle();
    assert_eq!(story.actors(), [0, 1, 1], "all were refused for good");
    assert!(story.nodes[0].fails_for(&KEY, &[node(0), node(1)]));
    story.now += REFUSED.0;
    story.settle();
    assert_eq!(story.actors(), [0, 1, 1, 0]);
    story.end(0, true);
    assert!(!story.nodes[0].fails_for(&KEY, &[node(0), node(1)]), "it is done");
}

#[test]
fn a_server_that_asks_for_a_pause_has_it_from_all() {
    let mut story = Story::new(3);
    story.settle();
    story.end_with(0, false, vec![], Some(120));
    story.settle();
    assert_eq!(story.actors(), [0]);
    story.now += 119_000;
    story.settle();
    assert_eq!(story.actors(), [0]);
    story.now += 1_000;
    story.settle();
    assert_eq!(story.actors(), [0, 1]);
    story.end_with(1, false, vec![], Some(u32::MAX));
    story.settle();
    assert_eq!(story.actors(), [0, 1]);
    story.now += limits::RETRY_MOST.0;
    story.settle();
    assert_eq!(story.actors(), [0, 1, 2], "nobody waits for ever");
}

#[test]
fn a_restarted_candidate_gives_up_its_ballot_and_the_group_keeps_its_message() {
    let mut story = Story::new(3);
    story.settle();
    // The node forgets what it was about, as after a restart: only the journal is left.
    story.nodes[0].own.clear();
    assert_eq!(story.turn(0)[0], "Yield");
    story.now += 10_000;
    story.settle();
    assert_eq!(story.acts.len(), 2);
    assert_eq!(story.acts[0].2, story.acts[1].2);
}

#[test]
fn whoever_is_alone_among_several_waits_before_it_acts() {
    let mut story = Story::new(3);
    story.dead.extend([node(1), node(2)]);
    story.alone = Some(Span::secs(59));
    story.turn(0);
    assert_eq!(story.actors(), [0usize; 0]);
    story.alone = Some(Span::secs(60));
    story.turn(0);
    assert_eq!(story.actors(), [0]);
}

#[test]
fn whoever_has_only_begun_to_vote_grants_but_does_not_ask() {
    let mut story = Story::new(2);
    story.announced = false;
    assert_eq!(story.turn(1), [""; 0]);
    story.announced = true;
    story.turn(0);
    story.deliver(1);
    story.announced = false;
    assert_eq!(story.turn(1), ["Grant"]);
}

#[test]
fn another_nodes_word_ends_nobodys_ballot() {
    let mut story = Story::new(3);
    story.turn(0);
    let ballot = EntryHash([1; 32]);
    story.write(2, &Fact::Yield(Yield { ballot }));
    story.deliver(0);
    story.deliver(1);
    assert_eq!(story.turn(1), ["Grant"]);
}
