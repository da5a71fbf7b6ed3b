//! The simulator: whole networks in one thread, in virtual time, from a seed.
//!
//! `SEED=7 cargo test --release --test sim storms -- --nocapture` tells the story of one seed,
//! `SEEDS=10000` runs more (from `FIRST` on, with `GO_ON=1` past failures, and with `FOR=600` at most for so
//! many seconds), `WITHOUT=Split,Pause` leaves features out, `MUTATION=TwoTellers` plants that fault alone. A failure is
//! narrowed down by leaving out features as long as it fails the same way, and is printed with the command that replays it.
//! Nothing here touches a socket, a file or a clock.

#![expect(unreachable_pub, reason = "the modules of one test see each other")]

mod checks;
mod clock;
mod cluster;
mod commit;
mod disk;
mod ending;
mod figures;
mod finale;
mod flap;
mod mutation;
mod network;
mod options;
mod perform;
mod plan;
mod quiet;
mod reader;
mod sparse;
mod story;
mod trouble;
mod twin;
mod values;
mod world;
mod year;

use std::collections::BTreeSet;
use std::time::Duration;

use checks::{Check, Failure, seconds};
use cluster::Cluster;
use finale::Figures;
use mutation::Mutation;
use options::{Feature, Options};
use plan::Plan;
use story::Story;

/// Seeds of a usual run.
const SEEDS: u64 = 300;

/// Seeds beyond these that found something.
const FOUND: [u64; 18] =
    [481, 721, 2712, 2867, 4777, 4940, 5302, 5555, 5640, 7657, 8710, 9048, 10_008, 11_347, 12_315, 54_237, 56_404, 59_140];

/// Every so manieth seed is told twice and compared.
const TWICE: u64 = 10;

/// Seeds in which each planted fault must be found.
const MUTATED: u64 = 60;

/// Seeds in which a fault must be found that shows only where people silence and acknowledge.
const RARE: u64 = 2000;

#[test]
fn storms() {
    let without = left_out();
    if let Some(seed) = number("SEED") {
        let options = Options::draw(seed, &without);
        println!("{options:#?}");
        report(&tell(seed, &without, None, true).map(|(figures, sum)| println!("{figures:?}\n{sum}")), seed, &without);
        return;
    }
    let mut seeds = number("SEEDS").unwrap_or(SEEDS);
    let first = number("FIRST").unwrap_or(0);
    let begin = cpu();
    let mut sum = Figures::default();
    let mut told = 0;
    let most = number("FOR").map_or(Duration::MAX, Duration::from_secs);
    let found = FOUND.into_iter().filter(|_| number("SEEDS").is_none() && number("FIRST").is_none());
    let all: Vec<u64> = (first..first + seeds).chain(found).collect();
    seeds = all.len() as u64;
    for (place, seed) in all.into_iter().enumerate() {
        if most <= cpu() - begin {
            println!("the time is over before seed {seed}");
            seeds = place as u64;
            break;
        }
        let run = tell(seed, &without, None, false).and_then(|(figures, story)| {
            told += 1;
            if seed % TWICE == 0 {
                told += 1;
                again(seed, &without, None, &story)?;
            }
            Ok(figures)
        });
        if number("GO_ON").is_some() {
            if let Err(failure) = &run {
                println!("seed {seed} fails {:?} at {}: {}", failure.check, seconds(failure.at), failure.text);
            }
        } else {
            report(&run.clone().map(drop), seed, &without);
        }
        if let Ok(figures) = run {
            sum.virtual_ms += figures.virtual_ms;
            sum.letters += figures.letters;
            sum.seconds += figures.seconds;
            sum.heads_ms = sum.heads_ms.max(figures.heads_ms);
            sum.told_ms = sum.told_ms.max(figures.told_ms);
        }
    }
    let took = (cpu() - begin).as_secs_f64();
    println!(
        "FIGURE: simulation: {seeds} seeds, {:.1} runs a second on one core, {:.1} virtual minutes a seed, {} letters, {} of them second ones with an excuse; \
         after the storm equal heads within {} s, all told within {} s",
        f64::from(u32::try_from(told).unwrap()) / took.max(0.001),
        sum.virtual_ms as f64 / 60_000.0 / seeds as f64,
        sum.letters,
        sum.seconds,
        sum.heads_ms / 1000,
        sum.told_ms / 1000,
    );
}

#[test]
fn every_check_is_proved_by_a_mutation() {
    let only = std::env::var("MUTATION").ok();
    let tried = |mutation: &Mutation| only.as_ref().is_none_or(|only| format!("{mutation:?}") == *only);
    for (mutation, expected) in Mutation::ALL.into_iter().filter(|(mutation, _)| tried(mutation)) {
        // Without links nobody hears of a copied machine either.
        let without: BTreeSet<Feature> = (mutation == Mutation::NeverReconnect).then_some(Feature::Copy).into_iter().collect();
        // What few runs have is looked for in those that have it.
        let rare = matches!(mutation, Mutation::DeafToSilence | Mutation::DeafToAcknowledgement | Mutation::TwoReminders);
        let most = if rare { RARE } else { MUTATED };
        let has = |seed: &u64| !rare || Options::draw(*seed, &without).has(Feature::Quiet);
        let caught = (0..most).filter(has).find_map(|seed| {
            let run = tell(seed, &without, Some(mutation), false);
            let run = run.and_then(
                |(_, story)| {
                    if mutation == Mutation::OtherSeed { again(seed, &without, Some(mutation), &story) } else { Ok(()) }
                },
            );
            run.err().map(|failure| (seed, failure))
        });
        let Some((seed, failure)) = caught else { panic!("{mutation:?} was not caught in {most} seeds") };
        println!("{mutation:?}: caught by {:?} with seed {seed} at {}: {}", failure.check, seconds(failure.at), failure.text);
        assert_eq!(failure.check, expected, "{mutation:?} with seed {seed} at {}: {}", seconds(failure.at), failure.text);
    }
}

/// Runs one seed. Its figures and the sum of its story.
fn tell(seed: u64, without: &BTreeSet<Feature>, mutation: Option<Mutation>, print: bool) -> Result<(Figures, String), Failure> {
    let options = Options::draw(seed, without);
    let plan = Plan::draw(&options);
    let mut cluster = Cluster::new(options, plan, mutation, 0, Story::new(print));
    let figures = cluster.run()?;
    Ok((figures, cluster.story.sum()))
}

/// Runs one seed again, and compares its story.
fn again(seed: u64, without: &BTreeSet<Feature>, mutation: Option<Mutation>, story: &str) -> Result<(), Failure> {
    let options = Options::draw(seed, without);
    let plan = Plan::draw(&options);
    let noise = if mutation == Some(Mutation::OtherSeed) { 1 << 40 } else { 0 };
    let mut cluster = Cluster::new(options, plan, mutation, noise, Story::new(false));
    cluster.run()?;
    let other = cluster.story.sum();
    checks::demand(story == other, Check::Replay, cluster.at, || format!("{story}\n{other}"))
}

/// Ends the test with what is needed to see it again.
fn report(run: &Result<(), Failure>, seed: u64, without: &BTreeSet<Feature>) {
    let Err(failure) = run else { return };
    let fewer = narrow(seed, without, failure.check);
    let left_out: Vec<String> = fewer.iter().map(|feature| format!("{feature:?}")).collect();
    panic!(
        "seed {seed} fails {:?} at {}: {}\nreplay:  SEED={seed} cargo test --release --test sim storms -- --nocapture\nsmaller: WITHOUT={} SEED={seed} cargo test --release --test sim storms -- --nocapture",
        failure.check,
        seconds(failure.at),
        failure.text,
        left_out.join(","),
    );
}

/// Leaves out one feature after the other as long as the seed fails the same check.
fn narrow(seed: u64, without: &BTreeSet<Feature>, check: Check) -> BTreeSet<Feature> {
    let mut without = without.clone();
    for feature in Options::draw(seed, &without).features {
        without.insert(feature);
        if !tell(seed, &without, None, false).is_err_and(|failure| failure.check == check) {
            without.remove(&feature);
        }
    }
    without
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

fn left_out() -> BTreeSet<Feature> {
    let text = std::env::var("WITHOUT").unwrap_or_default();
    let feature = |word: &str| Feature::ALL.into_iter().find(|feature| format!("{feature:?}") == word);
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(|word| feature(word).unwrap_or_else(|| panic!("there is no feature {word}")))
        .collect()
}

/// Time that this thread spent computing, so that the figure holds on a busy machine.
fn cpu() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock");
    Duration::from(time)
}
