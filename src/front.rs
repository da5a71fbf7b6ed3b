//! Faces: views out, commands in. They read the latest view and never wait on the loop.

pub mod cli;
pub mod dbus;
pub mod desk;
pub mod json;
pub mod web;
