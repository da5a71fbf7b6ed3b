//! The world: plain functions that touch disk, network and clock. They know neither the node nor the
//! faces; `daemon` turns effects into calls and results into inputs.

pub mod clock;
pub mod files;
pub mod host;
pub mod keyfile;
pub mod link;
pub mod notify;
pub mod probe;
pub(crate) mod program;
pub mod random;
pub mod store;
pub mod systemd;
mod trust;
