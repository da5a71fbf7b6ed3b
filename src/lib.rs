//! Peerwatch: hosts that watch each other and everything that matters, agree, and tell people once.
//!
//! The map, in reading order. `base` holds values; `logic` decides, purely; `io` touches the world;
//! `front` shows and asks; `daemon` wires them together. `logic`, `io` and `front` never import
//! each other. ARCHITECTURE.md tells the story.

pub mod base;
pub mod daemon;
pub mod front;
pub mod io;
pub mod logic;
