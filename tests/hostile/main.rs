//! What a network makes of members who do harm, and of keys that are not one node's any more.
//!
//! Real nodes and the real codec; whoever does harm is a key in the hands of the test, which says whatever
//! it likes. Each test is named for one thing that must not be possible.

#![expect(unreachable_pub, reason = "the modules of one test see each other")]

#[path = "../sim/disk.rs"]
#[expect(dead_code, reason = "the simulator uses all of it")]
mod disk;
mod harm;
mod identity;
mod net;
mod puppet;
mod revoked;
