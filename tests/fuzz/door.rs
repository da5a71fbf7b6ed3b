//! The door for libFuzzer: `PEERWATCH_FUZZ` names the target. `tests/fuzz/run` builds and starts it.

#![no_main]

mod backup;
mod member;
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();

/// The target of this process.
fn chosen() -> fn(&[u8]) {
    let name = std::env::var("PEERWATCH_FUZZ").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("PEERWATCH_FUZZ={name}: there is no such target")).1
}

fuzz_target!(|data: &[u8]| {
    CHOSEN.get_or_init(chosen)(data);
});
