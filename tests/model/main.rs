//! The guarantee, tried in every order: three nodes that vote by the real machine, one key, two who can act.
//!
//! Every schedule of turns, deliveries, acts and faults within a bound is gone through, each world once. In every world
//! the action was performed no more often than the guarantee allows; from every world where nothing more can happen
//! within the bound, an ordinary end leads to a receipt for all who can have one. The table of what was found stands in
//! the manual, peerwatch(7), and is compared with what is found now.
//!
//! `PEERWATCH_MODEL=long cargo test --release --test model` goes further and takes minutes. Loss, delay, disks and more
//! than one action belong to the simulator.

mod world;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use crate::world::{Budget, World};

const ORDINARY: Budget = Budget { crashes: 0, returns: 0, suspicions: 0, cuts: 0, leaps: 0, ballots: 1, hasty: false };

/// What is gone through each time the tests run.
const SMALL: [(&str, Budget); 3] = [
    ("nothing goes wrong; a lease passes", Budget { leaps: 1, ..ORDINARY }),
    ("one dies at any moment", Budget { crashes: 1, ..ORDINARY }),
    ("one that lives is given up", Budget { suspicions: 1, ..ORDINARY }),
];

/// What `PEERWATCH_MODEL=long` goes through besides.
const LONG: [(&str, Budget); 3] = [
    ("one that lives is given up; a lease passes", Budget { suspicions: 1, leaps: 1, ..ORDINARY }),
    ("one dies at any moment; a lease passes", Budget { crashes: 1, leaps: 1, ..ORDINARY }),
    ("one dies and comes back", Budget { crashes: 1, returns: 1, ..ORDINARY }),
];

/// What was found.
#[derive(Default)]
struct Found {
    worlds: usize,
    /// Worlds at the end, by how often the action was performed in the end.
    ends: BTreeMap<u8, usize>,
    /// The first that must not be, with how it came about.
    broken: Option<String>,
}

/// How a world came about.
struct Trace {
    step: String,
    before: Option<Arc<Trace>>,
}

/// Goes through every world.
fn explore(budget: Budget) -> Found {
    let mut found = Found::default();
    let first = World::new(budget);
    let mut seen = HashSet::from([first.print()]);
    let mut ends = HashSet::new();
    let mut open: Vec<(World, Option<Arc<Trace>>)> = vec![(first, None)];
    while let Some((world, trace)) = open.pop() {
        found.worlds += 1;
        if world.allowed() < world.acts() {
            found.broken = Some(format!("performed {} times\n{}", world.acts(), story(trace.as_deref())));
            return found;
        }
        let here = world.print();
        let next: Vec<_> =
            world.next().into_iter().map(|(step, next)| (step, next.print(), next)).filter(|(_, print, _)| *print != here).collect();
        if next.is_empty() && ends.insert(here) {
            match world.end() {
                Ok(end) if end.acts() <= end.allowed() => *found.ends.entry(end.acts()).or_default() += 1,
                Ok(end) => {
                    found.broken = Some(format!("performed {} times in the end\n{}", end.acts(), story(trace.as_deref())));
                    return found;
                }
                Err(why) => {
                    found.broken = Some(format!("{why}\n{}", story(trace.as_deref())));
                    return found;
                }
            }
        }
        for (step, print, next) in next {
            if seen.insert(print) {
                open.push((next, Some(Arc::new(Trace { step, before: trace.clone() }))));
            }
        }
    }
    found
}

fn story(trace: Option<&Trace>) -> String {
    let mut lines = Vec::new();
    let mut at = trace;
    while let Some(trace) = at {
        lines.push(trace.step.as_str());
        at = trace.before.as_deref();
    }
    lines.reverse();
    lines.join("\n")
}

/// One row of the manual's table.
fn row(name: &str, found: &Found) -> String {
    let mut text = format!(".It {name} Ta {}", found.worlds);
    for times in 0..=2 {
        let _ = write!(text, " Ta {}", found.ends.get(&times).copied().unwrap_or(0));
    }
    text
}

#[test]
fn in_no_order_of_events_is_an_action_lost_or_done_too_often() {
    let long = std::env::var("PEERWATCH_MODEL").is_ok_and(|value| value == "long");
    let more: &[(&str, Budget)] = if long { &LONG } else { &[] };
    let mut wrong = String::new();
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/man/peerwatch.7")).unwrap_or_default();
    for (name, budget) in SMALL.iter().chain(more) {
        let found = explore(*budget);
        let row = row(name, &found);
        let _ = writeln!(std::io::stderr(), "{row}");
        if let Some(broken) = found.broken {
            panic!("{name}: {broken}");
        }
        assert!(!found.ends.contains_key(&0), "{name}: performed never: {:?}", found.ends);
        if !manual.lines().any(|line| line == row) {
            let _ = writeln!(wrong, "{row}");
        }
    }
    assert!(wrong.is_empty(), "man/peerwatch.7 says otherwise; these are the rows now:\n{wrong}");
}

/// A world in which a rule is broken must be found, or nothing is proved by finding none.
#[test]
fn without_leases_an_action_is_done_twice_and_it_is_found() {
    let found = explore(Budget { suspicions: 2, hasty: true, ..ORDINARY });
    assert!(found.broken.is_some_and(|broken| broken.contains("performed 2 times")), "{} worlds", found.worlds);
}
