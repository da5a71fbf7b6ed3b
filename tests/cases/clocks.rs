//! Clocks that are wrong by minutes and by a year, and one that leaps (i).

use std::path::PathBuf;

use crate::five::Five;
use crate::host::Host;
use crate::wait::{holds, secs, until};

/// Lets a host's daemon believe that it is another time: as `+5m`; the file may be written anew while it runs.
fn mislead(host: &Host, library: &str, offset: &str) -> PathBuf {
    let file = host.place.dir.join("clock");
    crate::files::write(&file, offset);
    // Only what a wall clock says; how fast time passes stays true, as with a host whose clock was set wrongly.
    for (name, value) in
        [("LD_PRELOAD", library), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_CACHE_DURATION", "1"), ("NO_FAKE_STAT", "1")]
    {
        host.set(name, value);
    }
    host.set("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy());
    file
}

/// The library that lies about the time, wherever Debian keeps it for this machine.
fn library() -> String {
    let places =
        std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let found = places.into_iter().find(|path| path.exists());
    found.expect("libfaketime is installed; tests/setup does it").to_string_lossy().into_owned()
}

#[test]
fn i_whatever_clocks_say_an_outage_is_told_once_and_its_end_once() {
    let Some(five) = Five::prepared("i_whatever_clocks_say_an_outage_is_told_once_and_its_end_once", "10s") else { return };
    let library = library();
    mislead(&five.hosts[1], &library, "+5m");
    mislead(&five.hosts[2], &library, "-365d");
    mislead(&five.hosts[3], &library, "+365d");
    let leaping = mislead(&five.hosts[4], &library, "-5m");
    five.begin();
    until("a clock that is wrong by a year is seen", secs(30), || {
        let picture = five.hosts[0].picture()?;
        let offset = picture.node("n3")["clock_offset_seconds"].as_f64().unwrap_or_default();
        holds(300.0 * 86_400.0 < offset.abs(), || format!("n3 is thought to be off by {offset} s"))
    });
    five.shop.stop();
    crate::files::write(&leaping, "+1h");
    five.await_told("down", [1, 1]);
    crate::files::write(&leaping, "-2h");
    five.settled([[1, 1], [0, 0]]);
    five.shop.start();
    five.await_told("up", [1, 1]);
    crate::files::write(&leaping, "-5m");
    five.settled([[1, 1], [1, 1]]);
}
