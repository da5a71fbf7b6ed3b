//! How fast the store is, printed and never judged: `PEERWATCH_STORE_FIGURES=1000000` names the entries of the large journal.
//!
//! Without it there is nothing to do. It is of use with `--release --nocapture`, on a disk and not in memory.
#![expect(clippy::disallowed_methods, reason = "it measures, and decides nothing by it")]

use std::time::{Duration, Instant};

use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::id::{Lane, TargetId};
use peerwatch::base::view::History as _;
use peerwatch::base::wire::Head;

use crate::place::{Author, Place, all, records, sample};

fn per_second(count: usize, took: Duration) -> u64 {
    u64::try_from(count).unwrap().saturating_mul(1_000_000) / u64::try_from(took.as_micros().max(1)).unwrap()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    println!("{what}: {} ms", begun.elapsed().as_millis());
    result
}

#[test]
fn figures() {
    let Some(total) = std::env::var("PEERWATCH_STORE_FIGURES").ok().and_then(|text| text.parse::<usize>().ok()) else { return };
    let place = Place::new();
    let (mut store, _) = place.open();
    let mut single = Author::new(1, Lane::State);
    for batch in [1, 10, 100, 1000] {
        let turns: Vec<Vec<Record>> = (0..(10_000 / batch).clamp(20, 2000)).map(|_| records(&single.several(batch))).collect();
        let begun = Instant::now();
        for turn in &turns {
            store.commit(turn, &[sample("a", 1)]).unwrap();
        }
        let took = begun.elapsed();
        println!("commits of {batch}: {} commits/s, {} entries/s", per_second(turns.len(), took), per_second(turns.len() * batch, took));
    }
    // One in twenty is folded at a start; the authors share the rest.
    let mut others: Vec<Author> = (2..22).flat_map(|of| [Lane::State, Lane::Minutes].map(|lane| Author::new(of, lane))).collect();
    let share = total / 20;
    for round in 0..20 {
        let entries: Vec<Entry> = others
            .iter_mut()
            .flat_map(|author| {
                let count = if author.chain.lane == Lane::State { share / 400 } else { share / 400 * 19 };
                author.several(count)
            })
            .collect();
        entries.chunks(2000).for_each(|turn| store.commit(&records(turn), &[]).unwrap());
        if round == 19 {
            println!("journal of {} entries", store.past().unwrap().entries);
        }
    }
    timed("close", || store.close().unwrap());
    let (mut store, _) = timed("open", || place.open());
    let past = timed("past", || store.past().unwrap());
    let mut read = 0;
    timed("entries", || store.entries(&mut |_| read += 1).unwrap());
    println!("{} tips, {read} entries read", past.tips.len());
    let frames = timed("stream of one chain", || store.reader().unwrap().frame(&[all(&others[1])]).unwrap());
    println!("{} frames of {} entries", frames.len(), others[1].sequence);
    timed("samples", || store.reader().unwrap().samples(&TargetId("a".into()), 1000).unwrap());
    let bases: Vec<Record> = others
        .iter()
        .filter(|author| author.chain.lane == Lane::Minutes)
        .map(|author| {
            let base = author.sequence / 2;
            Record::Base(Head { chain: author.chain, sequence: base, hash: author.previous, base })
        })
        .collect();
    timed("commit that drops half of the roll-ups", || store.commit(&bases, &[]).unwrap());
    let (mut chunks, mut worst, begun) = (1, Duration::ZERO, Instant::now());
    loop {
        let chunk = Instant::now();
        let more = store.sweep().unwrap();
        worst = worst.max(chunk.elapsed());
        if !more {
            break;
        }
        chunks += 1;
    }
    println!("sweep: {chunks} chunks, {} ms in all, {} ms at worst", begun.elapsed().as_millis(), worst.as_millis());
    let (mut steps, mut worst, begun) = (1, Duration::ZERO, Instant::now());
    loop {
        let step = Instant::now();
        let left = store.compact().unwrap();
        worst = worst.max(step.elapsed());
        if left == 0 {
            break;
        }
        steps += 1;
    }
    println!("compact: {steps} steps, {} ms in all, {} ms at worst", begun.elapsed().as_millis(), worst.as_millis());
    println!("{:?}", timed("stats", || store.reader().unwrap().stats().unwrap().file));
    println!("backup of {} bytes", timed("backup", || store.reader().unwrap().backup(&mut std::io::sink(), &mut |_| ()).unwrap()));
    println!("verified {}", timed("verify", || store.reader().unwrap().verify(&mut |_| ()).unwrap().entries));
    drop(store);
    timed("open after an unclean stop", || drop(place.open()));
}
