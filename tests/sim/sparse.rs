//! Stories of networks in which not everybody watches everybody: who watches, what that takes, and that nobody dies unseen.
//!
//! A few more quiet hosts than may all watch each other, of one network and no targets but one another. Storms over few hosts
//! with few watchers each are drawn with [`crate::options::Feature::Sparse`]; here are the figures and the deaths that only a larger
//! network has.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::fact::Fact;
use peerwatch::base::limits;
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::view::{TargetView, View};

use crate::cluster::{Cluster, Event};
use crate::mutation::Mutation;
use crate::options::{Options, name};
use crate::plan::{Fault, How, Plan};
use crate::story::Story;

/// More than may all watch each other.
const HOSTS: usize = 36;

/// When everybody has long seen everybody.
const SETTLED: u64 = 30_000;

/// A death is noticed, agreed on and told within this time: the silence of who beats every four seconds makes a minute.
const TOLD: u64 = 100_000;

/// A network of quiet hosts, settled.
fn settled(hosts: usize) -> Cluster {
    let mut options = Options::plain(hosts);
    options.targets.clear();
    let starts = (0..hosts as u64).map(|host| host * 200).collect();
    let plan = Plan { survivors: (0..hosts).collect(), starts, calm: u64::MAX, ..Plan::default() };
    let mut cluster = Cluster::new(options, plan, None, 0, Story::new(std::env::var("TELL").is_ok()));
    go_on(&mut cluster, SETTLED);
    cluster
}

fn go_on(cluster: &mut Cluster, time: u64) {
    let run = cluster.run_until(cluster.at + time);
    assert!(run.is_ok(), "{:?}", run.unwrap_err());
}

fn view(cluster: &mut Cluster, host: usize) -> View {
    let now = cluster.hosts[host].clock.read(cluster.at);
    cluster.hosts[host].life.as_mut().expect("it lives").node.view(now)
}

/// Who says of each host that it is up or down, as one of them shows it.
fn watchers(cluster: &mut Cluster, shown_by: usize) -> BTreeMap<String, BTreeSet<String>> {
    let judges = |verdict| matches!(verdict, Verdict::Up | Verdict::Down);
    let view = view(cluster, shown_by);
    let of = |target: &TargetView| {
        target.watchers.iter().filter(|watcher| judges(watcher.verdict)).map(|watcher| watcher.node.clone()).collect()
    };
    view.targets.iter().map(|target| (host_of(target), of(target))).collect()
}

/// The host that a target is.
fn host_of(target: &TargetView) -> String {
    target.id.0.trim_start_matches("node:").to_owned()
}

/// Verdicts in the journal as one host has it.
fn verdicts(cluster: &Cluster, host: usize) -> usize {
    let entries = cluster.hosts[host].disk.entries(true).expect("the disk is sound");
    entries.iter().flat_map(|entry| entry.facts.iter()).filter(|fact| matches!(fact, Fact::Judged(_))).count()
}

/// Incidents of hosts that were told, and how often.
fn told(cluster: &Cluster, phase: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    let items = cluster.world.taken.iter().flat_map(|taken| &taken.items).filter(|(_, word)| word == phase);
    items.for_each(|(incident, _)| *times.entry(incident.clone()).or_default() += 1);
    times
}

/// One letter for the first incident of each of these hosts, and no other.
fn once(hosts: &BTreeSet<usize>) -> BTreeMap<String, usize> {
    hosts.iter().map(|host| (format!("node:{}#1", name(*host)), 1)).collect()
}

#[test]
fn each_host_of_a_large_network_has_its_watchers_and_verdicts_grow_with_the_hosts() {
    for hosts in [limits::ALL_WATCH + 1, 40] {
        let mut cluster = settled(hosts);
        let (first, last) = (watchers(&mut cluster, 0), watchers(&mut cluster, hosts - 1));
        assert_eq!(first, last, "all show the same watchers");
        assert_eq!(first.len(), hosts);
        for (host, watchers) in &first {
            assert!(watchers.len() == usize::from(limits::WATCHERS) && !watchers.contains(host), "{host} is watched by {watchers:?}");
        }
        let wanted = hosts * usize::from(limits::WATCHERS);
        assert_eq!(verdicts(&cluster, 0), wanted, "each watcher of each host said once that it is up");
    }
    // One host less, and nothing is sparse.
    let mut cluster = settled(limits::ALL_WATCH);
    let all = watchers(&mut cluster, 0);
    assert!(all.iter().all(|(_, watchers)| watchers.len() == limits::ALL_WATCH - 1), "{all:?}");
}

#[test]
fn who_dies_with_all_its_watchers_is_missed_all_the_same_and_once() {
    let mut cluster = settled(HOSTS);
    let who = watchers(&mut cluster, 0).remove(&name(7)).expect("it is watched");
    let dying: BTreeSet<usize> = (0..HOSTS).filter(|host| *host == 7 || who.contains(&name(*host))).collect();
    let living: BTreeSet<usize> = (0..HOSTS).filter(|host| !dying.contains(host)).collect();
    cluster.plan.survivors.clone_from(&living);
    dying.iter().for_each(|host| cluster.stop(*host, How::Power, Some(TOLD)));
    go_on(&mut cluster, TOLD - 1000);
    assert_eq!(told(&cluster, "down"), once(&dying));
    let witness = *living.first().expect("somebody lives");
    let of_all = watchers(&mut cluster, witness);
    let alive = |names: &BTreeSet<String>| living.iter().filter(|host| names.contains(&name(**host))).count();
    assert!(of_all.values().all(|names| alive(names) == usize::from(limits::WATCHERS)), "others stand in: {of_all:?}");
    // They come back: the end of each is told once, and whoever stood in leaves it to the watchers again.
    go_on(&mut cluster, TOLD);
    assert_eq!((told(&cluster, "down"), told(&cluster, "up")), (once(&dying), once(&dying)));
    let of_all = watchers(&mut cluster, witness);
    assert!(of_all.values().all(|names| names.len() == usize::from(limits::WATCHERS)), "{of_all:?}");
    let shown = view(&mut cluster, witness);
    assert!(shown.targets.iter().all(|target| target.standing == Standing::Up), "{:?}", shown.targets);
    // What the journal holds grows with the duties that moved, not with everybody's word on everybody.
    let said = verdicts(&cluster, witness);
    assert!(said < HOSTS * (HOSTS - 1) * 2, "{said} verdicts");
}

#[test]
fn who_is_unreachable_from_some_of_its_watchers_is_not_dead() {
    let mut cluster = settled(HOSTS);
    let who = watchers(&mut cluster, 0).remove(&name(7)).expect("it is watched");
    // All but one of its watchers lose every way to it but those over others.
    let pairs = (0..HOSTS).filter(|host| who.contains(&name(*host))).skip(1).map(|host| (host.min(7), host.max(7))).collect();
    let at = cluster.at;
    cluster.later(at, Event::Fault(Fault::Holes { pairs, lasts: TOLD * 4 }));
    go_on(&mut cluster, TOLD);
    assert_eq!(told(&cluster, "down"), BTreeMap::new());
    let shown = view(&mut cluster, 0);
    let seven = shown.targets.iter().find(|target| target.id.0 == format!("node:{}", name(7))).expect("it is a target");
    assert!(seven.standing == Standing::Up && !seven.partial, "{seven:?}");
}

#[test]
fn one_watcher_that_hears_nothing_keeps_it_to_itself() {
    let mut cluster = settled(HOSTS);
    let watched_by_first = |(_, who): &(String, BTreeSet<String>)| who.contains(&name(0));
    assert!(watchers(&mut cluster, 1).into_iter().any(|watched| watched_by_first(&watched)), "it watches somebody");
    // Its words get out and no heartbeat in, so all whom it watches are dead to it; but it has no sign from outside either.
    (cluster.mutation, cluster.stormy) = (Some(Mutation::Deaf), false);
    go_on(&mut cluster, TOLD);
    let shown = view(&mut cluster, 1);
    let partial: Vec<String> = shown.targets.iter().filter(|target| target.partial).map(|target| host_of(target)).collect();
    assert_eq!((partial, told(&cluster, "down")), (vec![], BTreeMap::new()));
}
