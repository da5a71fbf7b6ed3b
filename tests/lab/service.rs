//! What the service manager is told, read from a notification socket as systemd would.

use nix::sys::signal::Signal;

use crate::files::write;
use crate::trio::Trio;
use crate::wait::{secs, until};

#[test]
fn the_service_manager_is_told_of_every_step() {
    let Some(trio) = Trio::prepared("the_service_manager_is_told_of_every_step") else { return };
    trio.a.expect_notifications();
    trio.a.start();
    trio.a.notified("READY=1");
    until("a serves", secs(20), || trio.a.picture().map(drop));
    trio.a.notified("WATCHDOG=1");

    trio.a.signal(Signal::SIGHUP);
    reloaded(&trio);
    // A rejected reload ends as well, or `systemctl reload` would wait for ever.
    write(&trio.a.definition(), "id = ");
    trio.a.signal(Signal::SIGHUP);
    let said = reloaded(&trio);
    assert!(said.iter().any(|datagram| datagram.contains("STATUS=") && datagram.contains("reject")), "{said:?}");

    trio.a.signal(Signal::SIGTERM);
    trio.a.notified("STOPPING=1");
}

/// Waits until a reload has begun, with its time, and ended.
#[track_caller]
fn reloaded(trio: &Trio) -> Vec<String> {
    let begun = trio.a.notified("RELOADING=1");
    let datagram = begun.last().expect("the datagram that begins a reload");
    assert!(datagram.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "in the same datagram: {datagram:?}");
    let mut said = begun;
    said.extend(trio.a.notified("READY=1"));
    said
}
