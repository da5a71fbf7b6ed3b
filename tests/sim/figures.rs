//! What telling takes: time, journal and work, in virtual time on networks in which nothing else goes wrong.

use peerwatch::base::id::TargetId;
use peerwatch::base::target::Confirm;
use peerwatch::base::time::Span;

use crate::cluster::Cluster;
use crate::cpu;
use crate::options::Options;
use crate::plan::{Health, Outage, Plan};
use crate::story::Story;

/// Nodes that vote by now, in milliseconds: the first minute is for that.
const BEGIN: u64 = 60_000;

fn cluster(options: Options, outages: Vec<Outage>) -> Cluster {
    let nodes = options.nodes;
    let plan = Plan { outages, calm: 600_000, survivors: (0..nodes).collect(), starts: vec![0; nodes], ..Plan::default() };
    Cluster::new(options, plan, None, 0, Story::new(false))
}

fn outage(target: usize, from: u64, until: u64) -> Outage {
    Outage { target, kind: Health::Down, from, until: Some(until) }
}

/// Runs until a time; nothing may be wrong meanwhile.
fn run(cluster: &mut Cluster, until: u64) {
    let ran = cluster.run_until(until);
    assert!(ran.is_ok(), "{:?}", ran.unwrap_err());
}

#[test]
fn seconds_from_failure_to_mail() {
    let mut took: Vec<u64> = Vec::new();
    for repeat in 0..30 {
        let mut options = Options::plain(5);
        options.seed = 100 + repeat;
        options.lease = Span::secs(60);
        options.window = Span::secs(10);
        options.targets[0].interval = Span::secs(10);
        options.targets[0].confirm = Confirm { bad: 2, good: 2 };
        let from = 3 * BEGIN + options.rng(77).below(10_000);
        let mut cluster = cluster(options, vec![outage(0, from, from + 100_000)]);
        run(&mut cluster, from + 90_000);
        let first = cluster.world.taken.first().unwrap_or_else(|| panic!("repeat {repeat}: no letter"));
        took.push(first.at - from);
    }
    took.sort_unstable();
    let (half, most) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    println!("FIGURE: failure to mail, 5 nodes, interval 10 s, 2 confirmations, group 10 s, 30 repeats: p50 {half} ms, p95 {most} ms");
    // A look within the interval, the second after half of it, a second for the turn of whoever writes, the group.
    assert!(most < 10_000 + 5_000 + 10_000 + 5_000, "{took:?}");
}

#[test]
fn journal_of_one_incident() {
    for nodes in [5, 20, 50] {
        let until = 240_000;
        let size = |outages: Vec<Outage>| {
            let mut cluster = cluster(Options::plain(nodes), outages);
            run(&mut cluster, until);
            let (disk, letters) = (&cluster.hosts[0].disk, cluster.world.taken.len());
            (disk.len(), disk.bytes(), letters)
        };
        let (quiet, told) = (size(vec![]), size(vec![outage(0, 2 * BEGIN, 2 * BEGIN + 30_000)]));
        assert_eq!((quiet.2, told.2), (0, 2), "one letter when it falls and one when it is up");
        println!(
            "FIGURE: one incident, told and closed, {nodes} nodes that all watch: {} entries, {} bytes in each journal",
            told.0 - quiet.0,
            told.1 - quiet.1
        );
    }
}

#[test]
fn a_thousand_targets_that_fall_at_once_are_few_letters() {
    let mut options = Options::plain(5);
    let template = options.targets[0].clone();
    options.window = Span::secs(10);
    options.targets =
        (0..1000).map(|number| peerwatch::base::target::Target { id: TargetId(format!("t{number}")), ..template.clone() }).collect();
    let (from, until) = (2 * BEGIN, 2 * BEGIN + 120_000);
    let mut cluster = cluster(options, (0..1000).map(|target| outage(target, from, until + BEGIN)).collect());
    // Each look that ends makes a turn.
    cluster.watch.more_turns = 2000;
    run(&mut cluster, from);
    let (before, idle) = (cpu(), cluster.at);
    run(&mut cluster, from + 60_000);
    let busy = cpu() - before;
    assert!(idle < cluster.at);
    let letters: Vec<usize> = cluster.world.taken.iter().map(|taken| taken.items.len()).collect();
    println!(
        "FIGURE: 1000 targets fall at once, 5 nodes: letters of {letters:?} notices, {} ms of one core for all five",
        busy.as_millis()
    );
    assert_eq!(letters.iter().sum::<usize>(), 1000, "each is told once: {letters:?}");
    // A letter holds as many notices as a vote does.
    assert!(letters.len() <= 1000usize.div_ceil(peerwatch::base::limits::GROUP) + 1, "{letters:?}");
}
