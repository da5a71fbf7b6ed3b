//! The lab: real daemons on hosts of their own, joined by a network that can be cut.
//!
//! Each test builds its hosts as network namespaces around a bridge, with addresses, keys, a private
//! system bus and the files that an administrator would write, and starts the built `peerwatchd`
//! there. A further namespace holds what is watched: nginx, and an SMTP server that keeps what it is
//! handed. Tests look through the faces only (`peerwatchctl`, HTTP, log, mail), wait with deadlines,
//! and leave nothing behind, also when they fail.
//!
//! Making namespaces needs root. Without it the tests print `SKIPPED: why`; with `CI=true` or
//! `PEERWATCH_REQUIRE_LAB=1` they fail instead. `PEERWATCH_KEEP_LAB=1` keeps the folders; `PEERWATCH_PROGRAMS=/usr/bin`
//! tests what is installed.
//!
//! What no process can show (other schedules, other disks) belongs to the simulator.

mod files;
mod fleet;
mod host;
mod journal;
mod net;
mod picture;
mod process;
mod services;
mod trio;
mod wait;

mod alone;
mod channels;
mod faces;
mod figures;
mod ground;
mod incident;
mod isolated;
mod large;
mod links;
mod mesh;
mod quiet;
mod service;
mod trace;
mod trouble;
