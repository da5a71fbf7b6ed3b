//! Large networks in one thread and in virtual time: what replication costs, and how fast it is.
//!
//! `LARGE=1 cargo test --release --test large -- --nocapture` runs a thousand nodes and prints the figures; without it the
//! same is done with fewer, and `NODES=200` chooses how many. Hosts are the real mesh, journal and liveness ([`host`]).
//! Each check is proved by a planted fault that it finds.

#![expect(unreachable_pub, reason = "the modules of one test see each other")]

mod host;
mod shapes;
mod swarm;

use std::time::Duration;

use peerwatch::base::limits;
use peerwatch::base::rng::Rng;

use swarm::{Fault, Swarm};

/// One way, in milliseconds.
const DELAY: u64 = 50;

/// What some changes by random authors cost.
#[derive(Clone, Copy)]
struct Spread {
    /// Arrivals of the payload for each node that must get it.
    copies: f64,
    /// The last node of the slowest change, in milliseconds.
    last: u64,
    /// The last node of an average change.
    mean: u64,
    /// Heads said for each node and change.
    heads: f64,
    /// Nodes that did not get a change at all.
    missing: usize,
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { copies, last, mean, heads, missing } = self;
        write!(
            f,
            "{copies:.3} copies and {heads:.1} heads a node and change, last node after {last} ms ({mean} on average), {missing} missing"
        )
    }
}

impl Spread {
    fn is_good(&self) -> bool {
        self.missing == 0 && self.copies <= 1.3 && self.last <= 1000
    }
}

fn large() -> bool {
    std::env::var("LARGE").is_ok()
}

/// So many nodes, or as many as the environment wants.
fn nodes(usual: usize, large_: usize) -> usize {
    let wanted = std::env::var("NODES").ok().map(|text| text.parse().expect("NODES must be a number"));
    wanted.unwrap_or(if large() { large_ } else { usual })
}

/// Time that this thread spent computing.
fn cpu() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock");
    Duration::from(time)
}

fn pick(rng: &mut Rng, hosts: &[usize]) -> usize {
    hosts[usize::try_from(rng.below(hosts.len() as u64)).expect("a small number")]
}

/// Lets random authors write, and looks how it spreads.
fn spread(swarm: &mut Swarm, changes: usize, pause: u64, rng: &mut Rng) -> Spread {
    swarm.taken.clear();
    swarm.copies.clear();
    let before = swarm.sums;
    let mut written = Vec::new();
    for _ in 0..changes {
        let author = pick(rng, &swarm.living());
        let at = swarm.at;
        written.push((swarm.change(author), at));
        swarm.run(pause);
    }
    swarm.run(3000);
    let living = swarm.living();
    let taken: Vec<Vec<u64>> = written
        .iter()
        .map(|(place, at)| living.iter().filter_map(|host| swarm.taken[place].get(host)).map(|taken| taken - at).collect())
        .collect();
    let lasts: Vec<u64> = taken.iter().map(|taken| taken.iter().copied().max().unwrap_or(u64::MAX)).collect();
    let copies: u64 = swarm.copies.values().sum();
    let each = |sum: u64| sum as f64 / (changes * (living.len() - 1)) as f64;
    Spread {
        copies: each(copies),
        last: lasts.iter().copied().max().expect("there are changes"),
        mean: lasts.iter().sum::<u64>() / lasts.len() as u64,
        heads: each(swarm.sums.heads - before.heads),
        missing: taken.iter().map(|taken| living.len() - taken.len()).sum(),
    }
}

/// Least, mean and most links of the living.
fn degrees(swarm: &Swarm) -> (usize, f64, usize) {
    let degrees: Vec<usize> = swarm.living().into_iter().map(|host| swarm.host(host).mesh.links().count()).collect();
    let mean = degrees.iter().sum::<usize>() as f64 / degrees.len() as f64;
    (degrees.iter().copied().min().unwrap_or(0), mean, degrees.iter().copied().max().unwrap_or(0))
}

/// Starts everybody, and waits until all know the same and the mesh has its shape.
fn settled(count: usize, fault: Option<Fault>) -> Option<Swarm> {
    let mut swarm = Swarm::new(count, DELAY, |_, _| true, fault);
    let begin = cpu();
    let level = swarm.settle(120_000)?;
    swarm.run(40_000);
    let (least, mean, most) = degrees(&swarm);
    println!(
        "{count} nodes know the same {level} ms after their start; links {least} to {most}, {mean:.1} on average; {:.1} s to simulate",
        (cpu() - begin).as_secs_f64()
    );
    Some(swarm)
}

/// A twentieth of all dies without a word. Who.
fn strike(swarm: &mut Swarm, rng: &mut Rng) -> Vec<usize> {
    let dead: Vec<usize> = (0..swarm.hosts.len().div_ceil(20))
        .map(|_| {
            let host = pick(rng, &swarm.living());
            swarm.kill(host);
            host
        })
        .collect();
    swarm.run(500);
    dead
}

#[test]
fn a_change_reaches_everybody_once_and_soon() {
    let count = nodes(60, 1000);
    let mut swarm = settled(count, None).expect("all know the same in the end");
    let mut rng = Rng::new(3);
    let calm = spread(&mut swarm, 40, 200, &mut rng);
    println!("FIGURE: mesh: {count} nodes, 50 ms links, settled: {calm}");
    let dead = strike(&mut swarm, &mut rng);
    let struck = spread(&mut swarm, 20, 200, &mut rng);
    println!("FIGURE: mesh: {count} nodes, {} dead and not missed yet: {struck}", dead.len());
    swarm.run(20_000);
    let mended = spread(&mut swarm, 40, 200, &mut rng);
    println!("FIGURE: mesh: {count} nodes, {} dead for half a minute: {mended}", dead.len());
    let (least, mean, most) = degrees(&swarm);
    println!("FIGURE: mesh: {count} nodes: links {least} to {most}, {mean:.1} on average");
    assert!(calm.is_good() && struck.is_good() && mended.is_good());
    assert!(most <= 32 && 3 <= least);
}

#[test]
fn the_dead_are_missed_and_the_living_are_not() {
    let count = nodes(40, 200);
    let mut swarm = settled(count, None).expect("all know the same in the end");
    let mut rng = Rng::new(4);
    let dead = strike(&mut swarm, &mut rng);
    let begin = swarm.at;
    let killed: std::collections::BTreeSet<_> = dead.iter().map(|host| swarm.node(*host)).collect();
    // Three times the longest suspicion, and one heartbeat that was under way.
    swarm.run(3 * limits::SUSPECT_MOST.0 + limits::HEARTBEAT_MOST.0);
    let mut last = 0;
    for host in swarm.living() {
        let seen: std::collections::BTreeSet<_> = swarm.host(host).deaths.iter().map(|(_, node)| *node).collect();
        assert_eq!(seen, killed, "host {host}");
        last = swarm.host(host).deaths.iter().map(|(at, _)| *at).fold(last, u64::max);
    }
    println!("FIGURE: mesh: {count} nodes: {} dead, given up by all within {} s", dead.len(), (last - begin) / 1000);
}

/// Bytes that each node sends in a second while nothing happens, and heartbeats that it gets.
fn idle(count: usize) -> (f64, f64) {
    let mut swarm = settled(count, None).expect("all know the same in the end");
    swarm.weighs = true;
    let before = swarm.sums;
    let begin = cpu();
    swarm.run(60_000);
    let each = |sum: u64| sum as f64 / 60.0 / count as f64;
    let (bytes, beats) = (each(swarm.sums.bytes - before.bytes), each(swarm.sums.heartbeats - before.heartbeats));
    let turns = (swarm.sums.turns - before.turns) as f64;
    println!(
        "FIGURE: mesh: {count} nodes, idle: {bytes:.0} bytes, {beats:.1} heartbeats and {:.1} turns a node and second; {:.0} turns a second on one core, with the simulation around them",
        each(swarm.sums.turns - before.turns),
        turns / (cpu() - begin).as_secs_f64()
    );
    (bytes, beats)
}

#[test]
fn idle_traffic_does_not_grow_with_the_square() {
    let (small, small_beats) = idle(20);
    let (bytes, beats) = idle(if large() { 200 } else { 60 });
    assert!(small <= 6000.0 && bytes <= 6000.0, "{small} and {bytes} bytes a second");
    assert!(beats <= small_beats * 2.5, "{small_beats} and {beats} heartbeats a second");
}

#[test]
fn each_check_is_proved_by_a_fault() {
    assert!(settled(40, Some(Fault::IgnoresPrefer)).is_none(), "nobody sends what nobody asked for");
    let mut rng = Rng::new(5);
    let mut swarm = settled(40, Some(Fault::PushesToAll)).expect("all know the same in the end");
    let pushed = spread(&mut swarm, 10, 200, &mut rng);
    println!("everybody pushes to all: {pushed}");
    assert!(1.3 < pushed.copies);
    let mut swarm = settled(60, None).expect("all know the same in the end");
    swarm.mar(Fault::NeverSwitches);
    strike(&mut swarm, &mut rng);
    let stuck = spread(&mut swarm, 20, 200, &mut rng);
    println!("nobody switches: {stuck}");
    assert!(0 < stuck.missing || 1000 < stuck.last);
}
