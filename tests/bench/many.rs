//! Idle networks, everybody told everybody's address.

use crate::Sizes;
use crate::clock::Stopwatch;
use crate::fleet::Fleet;
use crate::net::Place;
use crate::picture::Picture;
use crate::table::Table;
use crate::wait::{holds, secs, steady, until};

/// The goal for what each of twenty nodes in full mesh sends.
const BYTES: f64 = 6000.0;

pub(crate) fn idle(sizes: &Sizes, place: &Place, table: &mut Table) {
    for count in sizes.idle {
        let place = Place { dir: place.dir.join(count.to_string()), ..place.clone() };
        std::fs::create_dir_all(&place.dir).expect("a folder");
        one(sizes, &place, *count, table);
    }
}

fn one(sizes: &Sizes, place: &Place, count: usize, table: &mut Table) {
    let fleet = Fleet::new(place.clone(), count, |_, _| true, "");
    let stopwatch = Stopwatch::begin();
    for number in 0..count {
        fleet.start(number);
        steady("the last one starts", std::time::Duration::from_millis(100), || Ok(()));
    }
    until("all have the same journal", secs(1800), || {
        fleet.must_run();
        let pages = fleet.pages("/api/v1/journal").into_iter();
        let heads: Vec<_> = pages.map(|page| page.map(|page| Picture(page).records().heads)).collect();
        let first = heads[0].as_ref().ok_or("n0 does not answer")?;
        let alike = heads.iter().filter(|heads| heads.as_ref() == Some(first)).count();
        let authors = first.len();
        holds(alike == count && count <= authors, || format!("{alike} of {count} have the {authors} heads of n0"))
    });
    table.alone(&format!("{count} nodes: the same journal"), format_args!("{:.0} s after the first start", stopwatch.seconds()));
    // What the beginning left to do is done, and heartbeats come at their usual pace.
    steady("the beginning is over", secs(10), || Ok(()));
    place.meter();
    let before = place.metered();
    let spent: u64 = (0..count).map(|number| fleet.ticks(number)).sum();
    let stopwatch = Stopwatch::begin();
    steady("nothing happens", secs(sizes.watched), || {
        fleet.must_run();
        Ok(())
    });
    let seconds = stopwatch.seconds();
    let each = (place.metered() - before) as f64 / seconds / count as f64;
    let used = (0..count).map(|number| fleet.ticks(number)).sum::<u64>() - spent;
    // On one host each byte is counted where it leaves and where it comes in.
    table.beside(&format!("{count} idle nodes, sent by each and received"), each / 2.0, "B/s", BYTES, "(goal for 20)");
    table.alone(&format!("{count} idle nodes, processor of each"), format_args!("{:.2} %", used as f64 / seconds / count as f64));
    let most = (0..count).map(|number| fleet.memory(number)).max_by_key(|memory| memory.proportional).unwrap_or_default();
    table.alone(
        &format!("{count} idle nodes, memory of the largest"),
        format_args!(
            "{:.1} MiB with its share of shared pages, {:.1} MiB resident",
            most.proportional as f64 / 1024.0,
            most.resident as f64 / 1024.0
        ),
    );
}
