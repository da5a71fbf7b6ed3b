//! The simulated network: who can reach whom, how long it takes, and what is lost.
//!
//! A wire is a TCP connection with a link on it: what is put in at one end comes out at the other in
//! order, or never, once the wire is broken. A path that swallows packets holds them back, as TCP
//! repeats them; an end that hears nothing for as long as the keepalive allows closes. What happens
//! is returned as hops with their times, which the cluster hands back when they are due.

use std::collections::VecDeque;

use peerwatch::base::id::LinkId;
use peerwatch::base::limits;
use peerwatch::base::rng::Rng;
use peerwatch::base::wire::Message;

/// All paths and wires.
#[derive(Debug)]
pub struct Network {
    paths: Vec<Vec<Path>>,
    wires: Vec<Wire>,
    /// Largest random part of a delay.
    jitter: u64,
    /// Ways there and back, and ways of two connections, take different times.
    uneven: bool,
    /// What is to happen, and when: taken by the cluster.
    pub due: Vec<(u64, Hop)>,
    /// Who is connected to whom may have changed.
    pub stirred: bool,
}

/// From one host to another.
#[derive(Clone, Debug)]
struct Path {
    /// Whether a connection can be made at all.
    reach: bool,
    delay: u64,
    /// How many faults swallow everything.
    blocked: u32,
    since: u64,
}

/// One connection. The end that dialled is the first.
#[derive(Debug)]
struct Wire {
    hosts: [usize; 2],
    lives: [u64; 2],
    up: [bool; 2],
    broken: bool,
    /// A bit of the next signed message for each end is flipped on the way.
    garbled: [bool; 2],
    /// What this way takes longer than the direct one.
    detour: u64,
    /// When the last parcel for each end comes out.
    last: [u64; 2],
    /// What TCP repeats until the path to each end works again.
    held: [VecDeque<Parcel>; 2],
}

/// What travels on a wire.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message as it is.
    Message(Box<Message>),
    /// A message as bytes.
    Frame(Vec<u8>),
    /// The end of the stream.
    End(String),
}

/// One thing that happens on a wire, when its time has come.
#[derive(Clone, Debug)]
pub enum Hop {
    /// The handshake is over.
    Open { wire: usize, address: String },
    /// The link is ready at one end.
    Up { wire: usize, end: usize, address: String },
    /// Something comes out.
    Out { wire: usize, end: usize, parcel: Parcel },
    /// What TCP repeated comes out.
    Release { wire: usize, end: usize },
    /// An end has heard nothing for as long as it may.
    Silence { wire: usize, end: usize },
    /// A broken wire is noticed at one end.
    Broken { wire: usize, end: usize },
}

/// Time without a sign of the peer after which an end closes; the rest is the moment of the last ping.
const PATIENCE: u64 = limits::KEEPALIVE.0 * limits::KEEPALIVE_MISSES as u64;

impl Network {
    /// Paths in both directions for these pairs of hosts, with delays between the bounds.
    pub fn new(
        hosts: usize,
        edges: impl Iterator<Item = (usize, usize)>,
        delay: (u64, u64),
        jitter: u64,
        uneven: bool,
        rng: &mut Rng,
    ) -> Self {
        let closed = Path { reach: false, delay: 1, blocked: 0, since: 0 };
        let mut paths = vec![vec![closed; hosts]; hosts];
        for (a, b) in edges {
            let mut drawn = || delay.0 + rng.below(delay.1 - delay.0 + 1);
            let there = drawn();
            for (from, to, delay) in [(a, b, there), (b, a, if uneven { drawn() } else { there })] {
                (paths[from][to].reach, paths[from][to].delay) = (true, delay);
            }
        }
        Self { paths, wires: Vec::new(), jitter, uneven, due: Vec::new(), stirred: true }
    }

    /// A host dials another. The time after which that is known to have failed, if it is known now.
    pub fn dial(&mut self, at: u64, from: usize, to: usize, lives: [u64; 2], address: &str, rng: &mut Rng) -> Option<u64> {
        let path = &self.paths[from][to];
        if !path.reach {
            // Refused by a router, or swallowed: by the pair, so that it stays the same.
            return Some(if (from + to).is_multiple_of(2) { 20 } else { limits::HANDSHAKE_TIME.0 });
        }
        let takes = path.delay * 3 + rng.below(self.jitter + 1);
        let hosts = [from, to];
        let held = [VecDeque::new(), VecDeque::new()];
        let detour = if self.uneven { rng.below(self.jitter / 2 + 1) } else { 0 };
        self.wires.push(Wire { hosts, lives, up: [false; 2], broken: false, garbled: [false; 2], detour, last: [0; 2], held });
        self.due.push((at + takes, Hop::Open { wire: self.wires.len() - 1, address: address.into() }));
        None
    }

    /// A handshake is over: the link comes up at both ends, unless the path is blocked. `lives` are the hosts' present ones.
    pub fn open(&mut self, at: u64, wire: usize, lives: [u64; 2], address: &str, rng: &mut Rng) -> bool {
        let [a, b] = self.wires[wire].hosts;
        if self.wires[wire].lives != lives || self.is_blocked(a, b) || self.is_blocked(b, a) {
            self.wires[wire].broken = true;
            return false;
        }
        for end in 0..2 {
            let up = at + 1 + rng.below(self.paths[a][b].delay + self.jitter + 1);
            self.wires[wire].last[end] = up;
            self.due.push((up, Hop::Up { wire, end, address: address.into() }));
        }
        true
    }

    /// The link is ready at one end: false if the wire broke meanwhile.
    pub fn up(&mut self, wire: usize, end: usize, life: u64) -> bool {
        let wire = &mut self.wires[wire];
        let fits = !wire.broken && wire.lives[end] == life;
        wire.up[end] = fits;
        self.stirred = true;
        fits
    }

    /// Puts something in at one end. False if that end is closed.
    pub fn send(&mut self, at: u64, wire: usize, end: usize, parcel: Parcel, rng: &mut Rng) -> bool {
        let jitter = self.jitter;
        let Some(found) = self.wires.get_mut(wire).filter(|wire| wire.up[end] && !wire.broken) else { return false };
        let other = 1 - end;
        let delay = self.paths[found.hosts[end]][found.hosts[other]].delay;
        // A share of all packets is lost and repeated, which holds up everything behind it.
        let repeated = if rng.chance(2) { jitter * 3 } else { 0 };
        let delay = delay + found.detour;
        let out = (at + delay + rng.below(jitter + 1) + repeated).max(found.last[other]);
        found.last[other] = out;
        self.due.push((out, Hop::Out { wire, end: other, parcel }));
        true
    }

    /// Something comes out at an end, or is held back. What comes out now is returned.
    pub fn out(&mut self, wire: usize, end: usize, parcel: Parcel) -> Option<Parcel> {
        let found = &self.wires[wire];
        if found.broken || !found.up[end] {
            return None;
        }
        let (from, to) = (found.hosts[1 - end], found.hosts[end]);
        let found = &mut self.wires[wire];
        if 0 < self.paths[from][to].blocked || !found.held[end].is_empty() {
            found.held[end].push_back(parcel);
            if limits::LINK_QUEUE < found.held[end].len() {
                self.shatter(0, wire, 0);
            }
            return None;
        }
        Some(parcel)
    }

    /// What was held back comes out, if the path still works.
    pub fn release(&mut self, wire: usize, end: usize) -> Vec<Parcel> {
        let found = &self.wires[wire];
        let (from, to) = (found.hosts[1 - end], found.hosts[end]);
        if found.broken || !found.up[end] || self.is_blocked(from, to) {
            return Vec::new();
        }
        self.wires[wire].held[end].drain(..).collect()
    }

    /// One end closes. The other reads to the end first. False if it was closed already.
    pub fn close(&mut self, at: u64, wire: usize, end: usize, reason: &str, rng: &mut Rng) -> bool {
        let was_open = self.send(at, wire, end, Parcel::End(reason.into()), rng) || self.wires.get(wire).is_some_and(|wire| wire.up[end]);
        if let Some(found) = self.wires.get_mut(wire) {
            found.up[end] = false;
            self.stirred = true;
        }
        was_open
    }

    /// An end heard nothing for too long, if that is still so.
    pub fn silence(&self, at: u64, wire: usize, end: usize) -> bool {
        let found = &self.wires[wire];
        let path = &self.paths[found.hosts[1 - end]][found.hosts[end]];
        !found.broken && found.up[end] && 0 < path.blocked && path.since + PATIENCE <= at
    }

    /// A broken wire is noticed at an end: false if that end was closed already.
    pub fn noticed(&mut self, wire: usize, end: usize) -> bool {
        std::mem::take(&mut self.wires[wire].up[end])
    }

    /// A wire breaks: what is under way is lost, and the ends notice it at different times.
    pub fn shatter(&mut self, at: u64, wire: usize, notice: u64) {
        self.wires[wire].broken = true;
        self.stirred = true;
        for end in 0..2 {
            let later = at + 1 + if end == 0 { notice } else { notice * 3 };
            self.due.push((later, Hop::Broken { wire, end }));
        }
    }

    /// A host stopped. With `abruptly` its peers hear no more of it, else its system closes its connections.
    pub fn gone(&mut self, at: u64, host: usize, abruptly: bool, rng: &mut Rng) {
        for wire in 0..self.wires.len() {
            let Some(end) = self.wires[wire].hosts.iter().position(|other| *other == host) else { continue };
            if !self.wires[wire].up[end] {
                // A handshake that is under way fails when it ends: the life has changed.
                continue;
            }
            if abruptly {
                self.wires[wire].up[end] = false;
                self.wires[wire].broken = true;
                let later = at + PATIENCE + rng.below(limits::KEEPALIVE.0);
                self.due.push((later, Hop::Broken { wire, end: 1 - end }));
            } else {
                self.close(at, wire, end, "connection reset by peer", rng);
            }
        }
        self.stirred = true;
    }

    /// A path swallows everything from now on.
    pub fn block(&mut self, at: u64, from: usize, to: usize, rng: &mut Rng) {
        let path = &mut self.paths[from][to];
        path.blocked += 1;
        if 1 < path.blocked {
            return;
        }
        path.since = at;
        self.stirred = true;
        for wire in 0..self.wires.len() {
            if let Some(end) = (0..2).find(|end| self.wires[wire].hosts[*end] == to && self.wires[wire].hosts[1 - end] == from) {
                let later = at + PATIENCE + rng.below(limits::KEEPALIVE.0);
                self.due.push((later, Hop::Silence { wire, end }));
            }
        }
    }

    /// One fault less on a path.
    pub fn unblock(&mut self, at: u64, from: usize, to: usize) {
        let path = &mut self.paths[from][to];
        path.blocked = path.blocked.saturating_sub(1);
        if 0 < path.blocked {
            return;
        }
        let delay = path.delay;
        self.stirred = true;
        for wire in 0..self.wires.len() {
            if let Some(end) = (0..2).find(|end| self.wires[wire].hosts[*end] == to && self.wires[wire].hosts[1 - end] == from) {
                self.due.push((at + delay + 200, Hop::Release { wire, end }));
            }
        }
    }

    /// All paths work for good.
    pub fn heal(&mut self, at: u64) {
        for from in 0..self.paths.len() {
            for to in 0..self.paths.len() {
                if 0 < self.paths[from][to].blocked {
                    self.paths[from][to].blocked = 1;
                    self.unblock(at, from, to);
                }
            }
        }
    }

    /// Flips a bit of the next signed message that comes out at an end.
    pub fn flip(&mut self, wire: usize, end: usize) {
        self.wires[wire].garbled[end] = true;
    }

    /// Whether the next signed message at an end is garbled.
    pub fn garbles(&self, wire: usize, end: usize) -> bool {
        self.wires[wire].garbled[end]
    }

    /// The bit was flipped.
    pub fn clean(&mut self, wire: usize, end: usize) {
        self.wires[wire].garbled[end] = false;
    }

    /// A new host stands beside another: it reaches whom that one reaches, and that one.
    pub fn copy(&mut self, host: usize, copy: usize) {
        for other in 0..self.paths.len() {
            if other != copy && other != host {
                self.paths[copy][other] = Path { blocked: 0, ..self.paths[host][other].clone() };
                self.paths[other][copy] = Path { blocked: 0, ..self.paths[other][host].clone() };
            }
        }
    }

    /// Wires that are up at both ends.
    pub fn whole(&self) -> Vec<usize> {
        (0..self.wires.len()).filter(|wire| !self.wires[*wire].broken && self.wires[*wire].up == [true; 2]).collect()
    }

    /// Whether what one host says reaches the other now, over a wire of theirs, both ways.
    pub fn joined(&self, a: usize, b: usize) -> bool {
        let between = |wire: &Wire| wire.hosts == [a, b] || wire.hosts == [b, a];
        !self.is_blocked(a, b)
            && !self.is_blocked(b, a)
            && self.wires.iter().any(|wire| between(wire) && !wire.broken && wire.up == [true; 2])
    }

    pub fn host(&self, wire: usize, end: usize) -> usize {
        self.wires[wire].hosts[end]
    }

    pub fn life(&self, wire: usize, end: usize) -> u64 {
        self.wires[wire].lives[end]
    }

    fn is_blocked(&self, from: usize, to: usize) -> bool {
        0 < self.paths[from][to].blocked
    }
}

/// The name of an end of a wire for the node there.
pub fn link(wire: usize, end: usize) -> LinkId {
    LinkId(wire as u64 * 2 + end as u64)
}

/// The wire and end that a node calls by this name.
pub fn end_of(link: LinkId) -> (usize, usize) {
    let number = usize::try_from(link.0).unwrap();
    (number / 2, number % 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Network, Rng) {
        let mut rng = Rng::new(1);
        let mut network = Network::new(2, [(0, 1)].into_iter(), (10, 10), 50, false, &mut rng);
        network.dial(0, 0, 1, [1, 1], "b:1", &mut rng);
        assert!(network.open(30, 0, [1, 1], "b:1", &mut rng));
        assert!(network.up(0, 0, 1) && network.up(0, 1, 1));
        network.due.clear();
        (network, rng)
    }

    fn numbered(n: u8) -> Parcel {
        Parcel::Frame(vec![n])
    }

    /// What comes out at the second end until a time, with what is due in order.
    fn run(network: &mut Network, until: u64) -> Vec<u8> {
        let mut came = Vec::new();
        loop {
            network.due.sort_by_key(|(at, _)| *at);
            if network.due.first().is_none_or(|(at, _)| until < *at) {
                return came;
            }
            let parcels = match network.due.remove(0).1 {
                Hop::Out { wire, end, parcel } => network.out(wire, end, parcel).into_iter().collect(),
                Hop::Release { wire, end } => network.release(wire, end),
                _ => Vec::new(),
            };
            came.extend(parcels.into_iter().filter_map(|parcel| match parcel {
                Parcel::Frame(bytes) => Some(bytes[0]),
                _ => None,
            }));
        }
    }

    #[test]
    fn what_goes_in_comes_out_in_order_also_after_a_blocked_path() {
        let (mut network, mut rng) = pair();
        for n in 0..5 {
            network.send(100 + u64::from(n), 0, 0, numbered(n), &mut rng);
        }
        let mut came = run(&mut network, 120);
        network.block(120, 0, 1, &mut rng);
        for n in 5..10 {
            assert!(network.send(121, 0, 0, numbered(n), &mut rng));
        }
        came.extend(run(&mut network, 4000));
        assert!(came.len() < 10);
        network.unblock(4000, 0, 1);
        network.send(4001, 0, 0, numbered(10), &mut rng);
        came.extend(run(&mut network, 9000));
        assert_eq!(came, (0..=10).collect::<Vec<u8>>());
    }

    #[test]
    fn a_broken_wire_loses_what_is_under_way() {
        let (mut network, mut rng) = pair();
        network.send(100, 0, 0, numbered(1), &mut rng);
        network.shatter(101, 0, 10);
        assert_eq!(run(&mut network, 9000), [0u8; 0]);
        assert!(!network.joined(0, 1) && network.noticed(0, 0) && !network.noticed(0, 0));
    }
}
