//! The ground floor: values that everybody may use. No IO, no clock, no randomness, no async.
//!
//! Text and bytes are parsed here once; after that there are no invalid values.

pub mod channel;
pub mod command;
pub mod config;
pub mod entry;
pub mod fact;
pub mod hours;
pub mod id;
pub mod key;
pub mod kv;
pub mod limits;
pub mod maintenance;
pub mod note;
pub mod notice;
pub mod outcome;
pub mod rng;
pub mod settings;
pub mod size;
pub mod target;
pub mod template;
pub mod time;
pub mod view;
pub mod wire;
pub mod wish;
