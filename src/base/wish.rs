//! What a program wants to be done on one node only: its name, its bounds, and how its end is written down.
//!
//! A wish is named by whoever has it; who names the same on other nodes means the same action. What was done under a
//! name stays done for as long as events are kept. Nothing here knows what is run, nor who votes.

use crate::base::time::Span;

/// Longest name of an action, in bytes: it stands in the journal with each attempt.
pub const NAME: usize = 128;

/// Actions that programs of one host wait for or perform at once; the next are refused with the remedy to wait.
pub const WISHES: usize = 32;

/// Who performs says so again within this time, or counts as gone: long enough for a host that is busy, short against
/// the time that others wait.
pub const WORD: Span = Span::secs(15);

/// Longest time to wait for an action: a client of the bus is not kept for longer.
pub const WAIT_MOST: Span = Span::secs(3600);

/// What stands before the name where a notice has its Message-ID, so that people and nodes know an action by name.
const MARK: &str = "run:";
/// What stands before the exit code in a receipt.
const CODE: &str = "exit code ";

/// Whether a name can be one.
///
/// # Errors
/// Why not, with the remedy.
pub fn check(name: &str) -> Result<(), String> {
    if name.is_empty() || NAME < name.len() || name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err(format!("the key is 1 to {NAME} bytes without blanks, as nightly-backup-2026-11-20"));
    }
    Ok(())
}

/// The name as it stands in the journal.
#[must_use]
pub fn marked(name: &str) -> String {
    format!("{MARK}{name}")
}

/// The name of an action as it stands in the journal, if it is one of a program.
#[must_use]
pub fn unmarked(message: &str) -> Option<&str> {
    message.strip_prefix(MARK)
}

/// The receipt of a command that ended with this code.
#[must_use]
pub fn detail(code: u8) -> String {
    format!("{CODE}{code}")
}

/// The exit code in a receipt; none in one that was not written by this project.
#[must_use]
pub fn code(detail: &str) -> Option<u8> {
    detail.strip_prefix(CODE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_words_and_receipts_hold_the_code() {
        assert!(check("nightly-backup-2026-11-20").is_ok());
        for bad in ["", "two words", "new\nline", &"x".repeat(NAME + 1)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(unmarked(&marked("a")), Some("a"));
        assert_eq!(unmarked("1a2b@home.peerwatch"), None);
        assert_eq!((code(&detail(0)), code(&detail(255)), code("HTTP 204")), (Some(0), Some(255), None));
    }
}
