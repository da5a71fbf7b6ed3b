//! A target that goes up and down for an hour: told, and not told sixty times.
//!
//! The documented number: each incident before the one that flaps is told with its end, that one is told once, and once
//! how it ended. The check is proved by settings without damping.

use std::collections::BTreeSet;

use peerwatch::base::rng::Rng;
use peerwatch::base::target::Flap;
use peerwatch::base::time::Span;

use crate::checks::{Check, Failure, demand};
use crate::cluster::Cluster;
use crate::options::{Feature, Options, below};
use crate::plan::{Fault, Health, Outage, Plan};
use crate::story::Story;

const SEEDS: u64 = 40;

/// An hour.
const LASTS: u64 = 3_600_000;

const FLAP: Flap = Flap { count: 4, within: Span::secs(3600), steady: Span::secs(600) };

/// Runs an hour of outages on some network; at the end the target is well, or down for good until people mend it.
fn hour(seed: u64, flap: Flap) -> Result<usize, Failure> {
    let mut rng = Rng::new(seed);
    let mut options = Options::plain(1 + below(&mut rng, 5));
    options.seed = seed;
    options.targets[0].flap = flap;
    let mut outages = Vec::new();
    let mut at = 60_000;
    while at < LASTS {
        let until = at + 20_000 + rng.below(100_000);
        outages.push(Outage { target: 0, kind: Health::Down, from: at, until: Some(until) });
        at = until + 20_000 + rng.below(100_000);
    }
    let last = outages.last_mut().expect("there is an outage");
    let stays = rng.chance(50);
    last.until = last.until.filter(|_| !stays);
    // Incidents are a matter of the journal, so neither a link that breaks nor a daemon that is restarted changes the count.
    let faults = (0..10).map(|n| (n * LASTS / 10, Fault::Break { pick: rng.next(), notice: 500 })).collect();
    let plan = Plan {
        outages,
        faults,
        calm: LASTS + 60_000,
        survivors: (0..options.nodes).collect(),
        starts: vec![0; options.nodes],
        ..Plan::default()
    };
    let most = (usize::from(FLAP.count) - 1) * 2 + 2;
    let mut cluster = Cluster::new(options, plan, None, 0, Story::new(false));
    cluster.run_until(LASTS)?;
    let told =
        |cluster: &Cluster| cluster.world.taken.iter().filter(|taken| taken.items.iter().any(|(id, _)| id.starts_with("t0#"))).count();
    let (letters, at) = (told(&cluster), cluster.at);
    demand(letters != 0, Check::Silence, at, || "nothing was told of an hour of outages".into())?;
    demand(letters <= most, Check::Flood, at, || format!("{letters} letters of a target that flaps, and {most} were promised"))?;
    // Then it must settle as ever: everything is told and closed, and what stays bad is told to be bad.
    cluster.run()?;
    let ids: BTreeSet<&String> = cluster.world.taken.iter().flat_map(|taken| &taken.items).map(|(id, _)| id).collect();
    let expected = usize::from(FLAP.count) + usize::from(stays);
    demand(ids.len() <= expected, Check::Flood, cluster.at, || format!("{ids:?}, and at most {expected} were promised"))?;
    Ok(letters)
}

#[test]
fn what_flaps_for_an_hour_is_told_a_few_times_and_never_not_at_all() {
    let letters: Vec<usize> =
        (0..SEEDS).map(|seed| hour(seed, FLAP).unwrap_or_else(|failure| panic!("seed {seed}: {failure:?}"))).collect();
    println!("FIGURE: a target that flaps for an hour: from {:?} to {:?} letters", letters.iter().min(), letters.iter().max());
}

#[test]
fn without_damping_the_letters_are_too_many() {
    let failure = hour(0, Flap::OFF).unwrap_err();
    assert_eq!(failure.check, Check::Flood, "{failure:?}");
}

#[test]
fn the_storms_have_flapping_targets() {
    let with = (0..50).filter(|seed| Options::draw(*seed, &BTreeSet::new()).has(Feature::Flap)).count();
    assert!((5..=25).contains(&with), "{with}");
}
