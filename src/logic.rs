//! What is decided: pure machines that take `now` and a seeded generator as arguments.
//!
//! No machine knows another; they meet in [`node`]. What the parent must act upon is returned; what
//! the world must do is pushed into [`effect::Effects`]. No function on this floor fails.

pub mod checkpoint;
pub mod effect;
pub mod fork;
pub mod incident;
pub mod input;
pub mod intent;
pub mod journal;
pub mod kv;
pub mod liveness;
pub mod mesh;
pub mod node;
pub mod notice;
pub mod outside;
pub mod past;
pub mod proof;
pub mod quiet;
pub mod rank;
pub mod report;
pub mod request;
pub mod retention;
pub mod rollup;
pub mod schedule;
pub mod standing;
pub mod twin;
pub mod verdict;
pub mod wish;
