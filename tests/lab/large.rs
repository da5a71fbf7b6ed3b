//! A large network of real daemons on one machine: that it converges, and what each node takes.
//!
//! Twenty nodes by default; `PEERWATCH_LARGE=200` is for a machine with nothing else to do.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use peerwatch::base::limits;
use serde_json::Value;

use crate::fleet::{Fleet, Memory};
use crate::net::Lab;
use crate::picture::Picture;
use crate::wait::{holds, secs, steady, timed, until};

/// Between two starts, so that nodes come one after the other as hosts do.
const STAGGER: Duration = Duration::from_millis(150);

/// How long the idle network is watched.
const WATCHED: Duration = secs(30);

/// What one node may take. Pages that many processes share, the program's text above all, count by
/// their share: on a machine with 200 daemons there is one text, not 200.
const MEMORY_KIB: u64 = 20 * 1024;

/// A very loose bound: all of them share a few cores, and each checks the signatures of all.
const WITHIN: Duration = secs(900);

#[test]
fn a_large_network_converges_and_each_node_takes_little() {
    let Some(lab) = Lab::new("a_large_network_converges_and_each_node_takes_little") else { return };
    let count = std::env::var("PEERWATCH_LARGE").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let fleet = Fleet::new(lab.place("n"), count, |_, _| true, "");
    let ((), took) = timed(|| {
        for number in 0..count {
            fleet.start(number);
            steady("the last one starts", STAGGER, || Ok(()));
        }
        until("all nodes have the same journal and see each other", WITHIN, || agreed(&fleet));
    });
    let verdicts = until("each node is judged by its watchers and by nobody else", WITHIN, || judged(&fleet));
    figure(&format!("{count} nodes: {verdicts} verdicts on one another in each view"));
    let all = fleet.running();
    let spent: u64 = all.iter().map(|number| fleet.ticks(*number)).sum();
    figure(&format!("{count} nodes agree {} s after the first start, and took {} s of processor time", took.as_secs(), spent / 100));

    fleet.place().meter();
    let before = fleet.place().metered();
    let ((), passed) = timed(|| {
        steady("all stay alive", WATCHED, || {
            fleet.must_run();
            Ok(())
        });
    });
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (bytes, ticks, nodes) = (
        (fleet.place().metered() - before) as f64,
        (all.iter().map(|number| fleet.ticks(*number)).sum::<u64>() - spent) as f64,
        count as f64,
    );
    let seconds = passed.as_secs_f64();
    // On one host each byte is counted where it leaves and where it comes in.
    figure(&format!(
        "{count} idle nodes: each sends {:.0} B/s and receives as much, and takes {:.2} % of one core",
        bytes / 2.0 / nodes / seconds,
        ticks / nodes / seconds
    ));
    let memory: Vec<Memory> = all.iter().map(|number| fleet.memory(*number)).collect();
    let most = |part: fn(&Memory) -> u64| memory.iter().map(part).max().unwrap_or_default();
    figure(&format!(
        "{count} nodes: at most {} KiB for one node with shared pages by their share ({} KiB of its own, {} KiB resident)",
        most(|memory| memory.proportional),
        most(|memory| memory.own),
        most(|memory| memory.resident)
    ));
    assert!(most(|memory| memory.proportional) <= MEMORY_KIB, "a node takes more than {MEMORY_KIB} KiB: {memory:?}");
}

/// Whether all nodes show the same heads, and all nodes as present.
fn agreed(fleet: &Fleet) -> Result<(), String> {
    fleet.must_run();
    let mut pages = fleet.pages("/api/v1/state").into_iter().enumerate();
    let read = |page: Option<(usize, Option<Value>)>| -> Result<Option<Picture>, String> {
        let Some((number, value)) = page else { return Ok(None) };
        let picture = Picture(value.ok_or_else(|| format!("n{number} does not answer"))?);
        let present = picture.present().len();
        holds(present == fleet.len(), || format!("n{number} sees {present} nodes"))?;
        Ok(Some(picture))
    };
    let first = read(pages.next())?.ok_or("no nodes")?.records().heads;
    let authors: BTreeSet<&String> = first.iter().map(|(author, ..)| author).collect();
    holds(authors.len() == fleet.len(), || format!("n0 has the journals of {} nodes", authors.len()))?;
    for page in pages {
        let number = page.0;
        let heads = read(Some(page))?.map(|picture| picture.records().heads).unwrap_or_default();
        holds(heads == first, || format!("n0 and n{number} differ in {} heads", heads.symmetric_difference(&first).count()))?;
    }
    Ok(())
}

/// How many verdicts on nodes all of them show, once each node has all that it should have.
fn judged(fleet: &Fleet) -> Result<usize, String> {
    let each = if limits::ALL_WATCH < fleet.len() { usize::from(limits::WATCHERS) } else { fleet.len() - 1 };
    for (number, page) in fleet.pages("/api/v1/state").into_iter().enumerate() {
        let page = page.ok_or_else(|| format!("n{number} does not answer"))?;
        for target in page["targets"].as_array().into_iter().flatten() {
            let watchers = target["watchers"].as_array().map_or(0, Vec::len);
            let up = target["watchers"].as_array().into_iter().flatten().filter(|watcher| watcher["verdict"] == "up").count();
            holds(watchers == each && up == each, || {
                format!("n{number} shows {watchers} watchers of {}, and {up} call it up", target["name"])
            })?;
        }
    }
    Ok(each * fleet.len())
}

/// Prints a figure so that it is seen although the test passes.
fn figure(text: &str) {
    let _ = writeln!(std::io::stderr(), "FIGURE: {text}");
}
