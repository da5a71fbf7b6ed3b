//! The fuzz targets without a fuzzer: every committed input, and some variants of each, in every test run.
//!
//! Inputs lie in `corpus/TARGET/`; those that once found a fault are named after it. The seeds among them
//! are made from the samples of the wire format by `PEERWATCH_SEEDS=write cargo test --test fuzz`.
//! `tests/fuzz/run` searches for more with libFuzzer.

#![expect(unreachable_pub, reason = "the modules of one test see each other")]

mod backup;
mod member;
#[path = "../wire/samples.rs"]
mod samples;
mod seeds;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

use peerwatch::base::rng::Rng;

use crate::targets::TARGETS;

/// Variants of each input.
const VARIANTS: u64 = 200;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

/// The committed inputs of a target, in the order of their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = corpus(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten();
    let mut inputs: Vec<_> = files.map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap())).collect();
    inputs.sort();
    inputs
}

#[test]
fn every_committed_input_and_its_variants_are_taken() {
    let mut rng = Rng::new(1);
    for (target, run) in TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "{target} has no inputs");
        // Opening a database takes longer than reading a message.
        let variants = if matches!(target, "backup" | "member") { VARIANTS / 10 } else { VARIANTS };
        for (name, input) in inputs {
            println!("{target}/{name}");
            run(&input);
            for _ in 0..variants {
                run(&variant(&input, &mut rng));
            }
        }
    }
}

#[test]
fn seeds_are_what_the_format_says_today() {
    for (target, name, bytes) in seeds::all() {
        let file = corpus(target).join(name);
        if std::env::var("PEERWATCH_SEEDS").as_deref() == Ok("write") {
            fs::create_dir_all(corpus(target)).unwrap();
            fs::write(&file, bytes).unwrap();
        } else {
            let committed = fs::read(&file).unwrap_or_default();
            assert!(committed == bytes, "{}: not today's; write it with PEERWATCH_SEEDS=write", file.display());
        }
    }
}

/// Some bytes changed, put in, taken out or cut off.
fn variant(input: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=rng.below(4) {
        let place = usize::try_from(rng.below(bytes.len() as u64 + 1)).unwrap();
        let [byte, ..] = rng.next().to_le_bytes();
        match rng.below(5) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, byte),
            2 if place < bytes.len() => drop(bytes.remove(place)),
            _ if place < bytes.len() => bytes[place] = byte,
            _ => bytes.push(byte),
        }
    }
    bytes
}
