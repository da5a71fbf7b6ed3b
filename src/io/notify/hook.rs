//! Tells people through a program of this host, which reads the notice as JSON.
//!
//! The program decides what becomes of it and says so by its exit code, as programs that take mail do. What
//! it prints last is the detail. How it is run, and with what rights, is `io::program`'s affair.

use super::news;
use crate::base::notice::{Delivery, Errand};
use crate::io::program::{self, Program};

/// Runs the program with the errand's notice on its input.
pub(super) async fn run(name: &str, command: &[String], errand: &Errand) -> Delivery {
    let input = format!("{}\n", news::write(errand)).into_bytes();
    let finished = program::run(Program { command, input, within: errand.within }).await;
    finished.delivery(&format!("hook {name}"), name)
}
