//! Three nodes that vote by the real machine, what lies between them, and everything that can happen next.
//!
//! A world is a value. Each node is an [`Intents`] with the entries that it holds and what it makes of the others; a step
//! is one thing that happens to one of them: it gets one more entry of somebody, acts, writes its receipt, gives somebody
//! up, each time with the turn that follows, or dies. Entries come in the order in which their author wrote them, by whoever holds them, at
//! any pace. Time stands still but for leaps longer than a lease, which wait until what was written is everywhere and
//! nobody is acting: that a performer is not paused beyond its lease is what the guarantee asks for.

use std::sync::Arc;

use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, Domain, EntryHash, Incarnation, IntentKey, Lane, NodeId};
use peerwatch::base::time::{Mono, Now, Span, Wall};
use peerwatch::logic::intent::{Electorate, Intents, Source, Step, Wanted};

pub(crate) const NODES: usize = 3;
/// The first of them can perform the action.
pub(crate) const CAPABLE: usize = 2;
const LEASE: Span = Span::secs(60);
/// Longer than a lease, its drift and its margin.
const LEAP: Span = Span::secs(70);
/// All have wanted the action for so long that it is everybody's turn.
const BEGIN: Span = Span::secs(1000);
const KEY: IntentKey = IntentKey([7; 32]);
const DOMAIN: Domain = Domain([5; 32]);

/// How much may go wrong, and how long things may go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Nodes that die.
    pub(crate) crashes: u8,
    /// Of those, how many come back with what they had stored.
    pub(crate) returns: u8,
    /// Nodes that are given up although they live.
    pub(crate) suspicions: u8,
    /// Partitions.
    pub(crate) cuts: u8,
    /// Leaps of time.
    pub(crate) leaps: u8,
    /// Ballots of each candidate.
    pub(crate) ballots: u8,
    /// Leases of grants are over at once: a rule that is broken on purpose.
    pub(crate) hasty: bool,
}

/// What one node makes of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Sight {
    Alive,
    /// Not awaited any longer.
    Silent,
    Dead,
}

/// One entry.
#[derive(Debug)]
struct Written {
    source: Source,
    fact: Fact,
}

/// Everything that is the case.
#[derive(Clone, Debug)]
pub(crate) struct World {
    nodes: [Arc<Intents>; NODES],
    /// What each node's machine looks like, in short.
    looks: [[u8; 16]; NODES],
    chains: [Arc<Vec<Arc<Written>>>; NODES],
    rest: Rest,
}

/// What is small enough to be compared as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rest {
    /// How many entries of whom each node holds.
    heads: [[u8; NODES]; NODES],
    sights: [[Sight; NODES]; NODES],
    living: [bool; NODES],
    /// Since which leap a node sees nobody else alive.
    alone: [Option<u8>; NODES],
    /// Came back, and casts no vote until time has leapt.
    mute: [Option<u8>; NODES],
    /// Shall act, for this ballot.
    called: [Option<EntryHash>; NODES],
    /// Has acted and written no receipt yet.
    acted: [Option<EntryHash>; NODES],
    /// On which side of the cut each node is.
    side: Option<[bool; NODES]>,
    time: u8,
    proposed: [u8; NODES],
    acts: u8,
    /// Acts whose performer died before anybody else had the receipt, and sides that acted for themselves.
    excused: u8,
    left: Budget,
}

impl World {
    pub(crate) fn new(budget: Budget) -> Self {
        let machine = |node: usize| Intents::new(name(node), LEASE);
        let mut world = Self {
            nodes: std::array::from_fn(|node| Arc::new(machine(node))),
            looks: [[0; 16]; NODES],
            chains: std::array::from_fn(|_| Arc::new(Vec::new())),
            rest: Rest {
                heads: [[0; NODES]; NODES],
                sights: [[Sight::Alive; NODES]; NODES],
                living: [true; NODES],
                alone: [None; NODES],
                mute: [None; NODES],
                called: [None; NODES],
                acted: [None; NODES],
                side: None,
                time: 0,
                proposed: [0; NODES],
                acts: 0,
                excused: 0,
                left: budget,
            },
        };
        (0..NODES).for_each(|node| world.look(node));
        world
    }

    /// How often the action was performed.
    pub(crate) const fn acts(&self) -> u8 {
        self.rest.acts
    }

    /// How often it may have been, at most.
    pub(crate) const fn allowed(&self) -> u8 {
        1 + self.rest.excused
    }

    /// A short name of this world, the same for the same.
    pub(crate) fn print(&self) -> u128 {
        let mut hasher = blake3::Hasher::new();
        for look in &self.looks {
            hasher.update(look);
        }
        hasher.update(format!("{:?}", self.rest).as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_le_bytes(short)
    }

    /// All worlds that may come next, with what happened.
    pub(crate) fn next(&self) -> Vec<(String, Self)> {
        let mut worlds = Vec::new();
        for node in (0..NODES).filter(|node| self.rest.living[*node]) {
            let mut add = |what: String, step: &dyn Fn(&mut Self)| {
                let mut world = self.clone();
                step(&mut world);
                worlds.push((what, world));
            };
            add(format!("{node} takes its turn"), &|world| world.turn(node));
            for author in 0..NODES {
                if self.source(node, author) {
                    add(format!("{node} gets an entry of {author}"), &|world| {
                        world.deliver(node, author);
                        world.turn(node);
                    });
                }
            }
            if self.rest.called[node].is_some() {
                add(format!("{node} acts"), &|world| world.act(node));
            }
            if self.rest.acted[node].is_some() {
                add(format!("{node} writes its receipt"), &|world| world.finish(node));
            }
            if 0 < self.rest.left.crashes {
                add(format!("{node} dies"), &|world| world.crash(node));
            }
            for other in (0..NODES).filter(|other| *other != node) {
                let (sight, reached) = (self.rest.sights[node][other], self.reached(node, other));
                if !reached && sight < Sight::Dead {
                    let next = if sight == Sight::Alive { Sight::Silent } else { Sight::Dead };
                    add(format!("{node} holds {other} for {next:?}"), &|world| {
                        world.see(node, other, next);
                        world.turn(node);
                    });
                }
                if reached && sight != Sight::Alive {
                    add(format!("{node} hears {other} again"), &|world| {
                        world.see(node, other, Sight::Alive);
                        world.turn(node);
                    });
                }
                if reached && sight == Sight::Alive && 0 < self.rest.left.suspicions {
                    add(format!("{node} gives up {other}, which lives"), &|world| {
                        world.rest.left.suspicions -= 1;
                        world.see(node, other, Sight::Dead);
                        world.turn(node);
                    });
                }
            }
        }
        self.whole(&mut worlds);
        worlds
    }

    /// What happens to the network rather than to a node.
    fn whole(&self, worlds: &mut Vec<(String, Self)>) {
        let mut add = |what: String, step: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            step(&mut world);
            worlds.push((what, world));
        };
        for node in (0..NODES).filter(|node| !self.rest.living[*node] && 0 < self.rest.left.returns) {
            add(format!("{node} comes back"), &|world| world.come_back(node));
        }
        if self.rest.side.is_some() {
            add("the network heals".into(), &|world| world.rest.side = None);
        } else if 0 < self.rest.left.cuts {
            for alone in 0..NODES {
                add(format!("{alone} is cut off"), &|world| {
                    world.rest.left.cuts -= 1;
                    world.rest.side = Some(std::array::from_fn(|node| node == alone));
                    // Each part acts for itself.
                    world.rest.excused += 1;
                });
            }
        }
        if 0 < self.rest.left.leaps && self.is_calm() {
            add("time leaps".into(), &|world| world.leap());
        }
    }

    /// Whether whatever was written is with everybody whom it can reach, and nobody acts.
    fn is_calm(&self) -> bool {
        let behind = |node: usize| (0..NODES).any(|author| self.source(node, author));
        let busy = |node: usize| self.rest.called[node].is_some() || self.rest.acted[node].is_some();
        (0..NODES).filter(|node| self.rest.living[*node]).all(|node| !behind(node) && !busy(node))
    }

    /// Lets the rest of the story be ordinary: nothing more goes wrong, what is wrong is seen, time passes. Returns an error
    /// if somebody who lives with somebody who can act has no receipt after all.
    pub(crate) fn end(mut self) -> Result<Self, String> {
        self.rest.left = Budget { ballots: u8::MAX, leaps: u8::MAX, ..Budget::default() };
        for _ in 0..12 {
            for node in (0..NODES).filter(|node| self.rest.living[*node]).collect::<Vec<_>>() {
                for other in (0..NODES).filter(|other| *other != node) {
                    let right = if self.reached(node, other) { Sight::Alive } else { Sight::Dead };
                    if self.rest.sights[node][other] != right {
                        self.see(node, other, right);
                    }
                }
            }
            // Everybody does all that can be done at this time.
            for _ in 0..12 {
                for node in (0..NODES).filter(|node| self.rest.living[*node]).collect::<Vec<_>>() {
                    (0..NODES).for_each(|author| {
                        while self.source(node, author) {
                            self.deliver(node, author);
                        }
                    });
                    self.turn(node);
                    if self.rest.called[node].is_some() {
                        self.act(node);
                    }
                    if self.rest.acted[node].is_some() {
                        self.finish(node);
                    }
                }
            }
            self.leap();
        }
        for node in (0..NODES).filter(|node| self.rest.living[*node]) {
            let can = |other: usize| other < CAPABLE && (other == node || self.reached(node, other));
            if (0..NODES).any(can) && self.nodes[node].receipt(&KEY).is_none() {
                return Err(format!("{node} waits for ever"));
            }
        }
        Ok(self)
    }

    /// Whether these two hear each other.
    fn reached(&self, one: usize, other: usize) -> bool {
        let together = self.rest.side.is_none_or(|side| side[one] == side[other]);
        self.rest.living[one] && self.rest.living[other] && together
    }

    /// Whether somebody has an entry of this author that a node lacks.
    fn source(&self, node: usize, author: usize) -> bool {
        let heads = &self.rest.heads;
        (0..NODES).any(|holder| holder != node && self.reached(node, holder) && heads[node][author] < heads[holder][author])
    }

    fn deliver(&mut self, node: usize, author: usize) {
        let written = self.chains[author][usize::from(self.rest.heads[node][author])].clone();
        self.rest.heads[node][author] += 1;
        let now = self.now().mono;
        Arc::make_mut(&mut self.nodes[node]).fold(now, written.source, &written.fact);
        self.look(node);
    }

    fn turn(&mut self, node: usize) {
        loop {
            let step = self.ask(node);
            match step {
                None => break,
                Some(Step::Write(fact)) => self.write(node, fact),
                Some(Step::Act { ballot, .. }) => self.rest.called[node] = Some(ballot),
            }
        }
        self.look(node);
    }

    fn ask(&mut self, node: usize) -> Option<Step> {
        let rest = &self.rest;
        let sight = |other: &NodeId| rest.sights[node][number(other)];
        let mute = |node: usize| rest.mute[node].is_some_and(|since| rest.time <= since);
        let others = |wanted: Sight| (0..NODES).filter(move |other| *other != node && rest.sights[node][*other] == wanted && !mute(*other));
        let heads = &rest.heads;
        let held = |chain: &ChainId, sequence: u64| {
            let author = number(&chain.author);
            (0..NODES).any(|other| other != author && sequence <= u64::from(heads[other][author]))
        };
        let electorate = Electorate {
            voters: others(Sight::Alive).map(name).collect(),
            silent: others(Sight::Silent).map(name).collect(),
            voting: !mute(node),
            announced: !mute(node),
            enrolled: NODES,
            steady: (0..NODES).map(name).collect(),
            alone: rest.alone[node].map(|since| Span(LEAP.0 * u64::from(rest.time - since))),
            majority: false,
            dead: &|other| number(other) != node && sight(other) == Sight::Dead,
            idle: &|other| number(other) != node && (sight(other) != Sight::Alive || mute(number(other))),
            held: &held,
            hash: &|_, other| other.0,
            message: &|_| "message".into(),
        };
        let able = |other: &usize| {
            let here = *other == node || rest.sights[node][*other] == Sight::Alive && !mute(*other);
            here && (*other != node || rest.proposed[node] < rest.left.ballots)
        };
        let capable = (0..CAPABLE).filter(able).map(name).collect();
        let wanted = [Wanted { domain: DOMAIN, keys: vec![(KEY, Mono(0))], window: Span::ZERO, capable }];
        let now = self.turning();
        Arc::make_mut(&mut self.nodes[node]).turn(now, &wanted, &electorate)
    }

    fn write(&mut self, node: usize, fact: Fact) {
        let sequence = self.rest.heads[node][node] + 1;
        self.rest.heads[node][node] = sequence;
        if matches!(fact, Fact::Propose(_)) {
            self.rest.proposed[node] += 1;
        }
        let incarnation = Incarnation { opened: 1, nonce: [0; 16] };
        let mut entry = [0; 32];
        (entry[0], entry[1]) = (u8::try_from(node).unwrap_or(u8::MAX), sequence);
        let lamport = u64::from(sequence) * NODES as u64 + node as u64;
        let place = (incarnation, u64::from(sequence));
        let source = Source { entry: EntryHash(entry), author: name(node), lamport, wall: Wall(0), place };
        let chain = ChainId { author: name(node), incarnation, lane: Lane::Events };
        let (now, turning) = (self.now().mono, self.turning().mono);
        let machine = Arc::make_mut(&mut self.nodes[node]);
        machine.fold(now, source, &fact);
        machine.wrote(turning, source.entry, chain, u64::from(sequence), &fact);
        Arc::make_mut(&mut self.chains[node]).push(Arc::new(Written { source, fact }));
    }

    fn act(&mut self, node: usize) {
        self.rest.acted[node] = self.rest.called[node].take();
        self.rest.acts += 1;
    }

    fn finish(&mut self, node: usize) {
        let Some(ballot) = self.rest.acted[node].take() else { return };
        let machine = Arc::make_mut(&mut self.nodes[node]);
        if let Some(done) = machine.ended(ballot, vec![KEY], true, "said".into(), vec![], vec![]) {
            self.write(node, Fact::Done(done));
        }
        self.turn(node);
    }

    fn crash(&mut self, node: usize) {
        let rest = &mut self.rest;
        rest.left.crashes -= 1;
        rest.living[node] = false;
        rest.called[node] = None;
        // The receipt is the last that it wrote.
        let receipt = self.chains[node].last().is_some_and(|written| matches!(written.fact, Fact::Done(_)));
        let unheard = (0..NODES).all(|other| other == node || rest.heads[other][node] < rest.heads[node][node]);
        if rest.acted[node].take().is_some() || receipt && unheard {
            rest.excused += 1;
        }
    }

    /// It begins anew with what it has stored, and casts no vote for a lease.
    fn come_back(&mut self, node: usize) {
        self.rest.left.returns -= 1;
        self.rest.living[node] = true;
        self.rest.mute[node] = Some(self.rest.time);
        self.rest.sights[node] = [Sight::Alive; NODES];
        self.rest.alone[node] = None;
        let now = self.now().mono;
        let mut machine = Intents::new(name(node), LEASE);
        for author in 0..NODES {
            for written in self.chains[author].iter().take(usize::from(self.rest.heads[node][author])) {
                machine.fold(now, written.source, &written.fact);
            }
        }
        self.nodes[node] = Arc::new(machine);
        self.look(node);
    }

    fn see(&mut self, node: usize, other: usize, sight: Sight) {
        self.rest.sights[node][other] = sight;
        let alone = (0..NODES).all(|other| other == node || self.rest.sights[node][other] == Sight::Dead);
        self.rest.alone[node] = if alone { self.rest.alone[node].or(Some(self.rest.time)) } else { None };
    }

    const fn leap(&mut self) {
        self.rest.left.leaps = self.rest.left.leaps.saturating_sub(1);
        self.rest.time += 1;
    }

    fn now(&self) -> Now {
        Now { mono: Mono(BEGIN.0 + LEAP.0 * u64::from(self.rest.time)), wall: Wall(0) }
    }

    /// The same, when a turn is taken: later than all grants, if their leases are to be over.
    fn turning(&self) -> Now {
        let now = self.now();
        if self.rest.left.hasty { Now { mono: now.mono + LEAP, ..now } } else { now }
    }

    fn look(&mut self, node: usize) {
        let text = format!("{:?}", self.nodes[node]);
        self.looks[node].copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    }
}

fn name(node: usize) -> NodeId {
    NodeId([u8::try_from(node).unwrap_or(u8::MAX) + 1; 32])
}

fn number(name: &NodeId) -> usize {
    usize::from(name.0[0]) - 1
}
