//! The key/value store as people and programs meet it: the real core behind each of its faces.

#[path = "bus/private.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod private;

#[path = "kv/bus.rs"]
mod bus;
#[path = "kv/cli.rs"]
mod cli;
#[path = "kv/library.rs"]
mod library;
#[path = "kv/room.rs"]
mod room;
#[path = "kv/web.rs"]
mod web;
