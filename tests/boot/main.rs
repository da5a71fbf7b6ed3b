//! Installed for real: the packages, on Debian, booted in a container with systemd as its first process.
//!
//! Each test boots a machine of its own from a root that is made once and kept (`root.rs`), on a file
//! system that is thrown away, with no network but its own loopback, and looks at it as an
//! administrator would: apt, dnf, systemctl, journalctl, busctl. Everything it starts is in one cgroup
//! and ends with it, also when the test fails or is killed.
//!
//! Needs root, like the lab, and says `SKIPPED: why` like it; the first run needs Debian's mirror. What
//! several daemons do together is the lab's.

#![allow(dead_code, reason = "the lab's tools are more than is needed here")]

#[path = "../lab/process.rs"]
mod process;
#[path = "../lab/wait.rs"]
mod wait;

mod machine;
mod packages;
mod root;

mod deb;
mod rpm;
mod unit;
