//! Ten real cases: five daemons, a real mail server, a web server that takes notices, and what goes wrong in life.
//!
//! Each case is a test of its own, in namespaces of its own, and counts what people got: by incident and state, what
//! arrived by mail and what by webhook. The mail server is `OpenSMTPD`; a relay in front of it can be told to be slow, or
//! to keep the server's answer to itself. The lab's tools are used as they are; what is looked at by way of the faces
//! belongs to the lab, other schedules to the simulator.

#![allow(dead_code, reason = "the lab's tools are more than these cases need")]

#[path = "../lab/files.rs"]
mod files;
#[path = "../lab/host.rs"]
mod host;
#[path = "../lab/net.rs"]
mod net;
#[path = "../lab/picture.rs"]
mod picture;
#[path = "../lab/process.rs"]
mod process;
#[path = "../lab/services.rs"]
mod services;
#[path = "../lab/wait.rs"]
mod wait;

mod clocks;
mod deaths;
mod five;
mod intents;
mod post;
mod servers;
mod splits;
