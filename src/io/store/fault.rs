//! What `SQLite`'s errors mean for the daemon, and what to tell the person who must act.
//!
//! A fault says which file, what happened and the remedy. It decides nothing: whether to retry or to
//! end is the loop's affair.

use std::fmt;
use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use super::{OpenError, StoreFault};

impl StoreFault {
    /// What `error` means for the database at `path`.
    pub(super) fn of(path: &Path, error: &Error) -> Self {
        let path = path.to_path_buf();
        let detail = describe(error);
        let Some(cause) = error.sqlite_error() else {
            return match error {
                // A value that this program never writes: bytes on the disk have changed.
                Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::QueryReturnedNoRows
                | Error::Utf8Error(..) => Self::Corrupt { path, detail },
                _ => Self::Other { path, detail },
            };
        };
        match cause.code {
            ErrorCode::DiskFull => Self::Full { path },
            // The index of the write-ahead log could not grow: a full disk too.
            ErrorCode::SystemIoFailure if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full { path },
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                Self::Io { path, detail }
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt { path, detail },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { path },
            _ => Self::Other { path, detail },
        }
    }
}

/// `SQLite`'s own words with the number that finds them in its manual.
fn describe(error: &Error) -> String {
    error.sqlite_extended_error_code().map_or_else(|| error.to_string(), |code| format!("{error} (SQLite error {code})"))
}

impl From<StoreFault> for OpenError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Corrupt { path, detail } => Self::Damaged { path, detail },
            StoreFault::Full { path } => Self::Io { path, detail: "no space is left".into() },
            StoreFault::Io { path, detail } | StoreFault::Other { path, detail } => Self::Io { path, detail },
            StoreFault::Busy { path } => Self::Io { path, detail: "another program holds it locked".into() },
            StoreFault::Bug { detail } => Self::Io { path: "journal.db".into(), detail },
        }
    }
}

/// How to begin again without a damaged journal. The log beside it must go too, or `SQLite` applies it to the new file.
const BEGIN_AGAIN: &str = "stop peerwatchd, move the file away together with its -wal and -shm, and start again: \
what other nodes hold comes back from them";

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { path } => write!(
                f,
                "{} cannot grow: the disk is full or the journal has reached its size; free some space or raise journal.size",
                path.display()
            ),
            Self::Io { path, detail } => write!(
                f,
                "{} cannot be read or written: {detail}; check the disk, its quota and the permissions of the directory",
                path.display()
            ),
            Self::Corrupt { path, detail } => write!(f, "{} is damaged: {detail}; {BEGIN_AGAIN}", path.display()),
            Self::Busy { path } => {
                write!(f, "another program holds {} locked; find it with \"fuser\" and close it", path.display())
            }
            Self::Bug { detail } => write!(f, "BUG! {detail}; please report this with the log"),
            Self::Other { path, detail } => {
                write!(f, "{} could not be used: {detail}; restart peerwatchd, and report this if it comes again", path.display())
            }
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { directory } => write!(
                f,
                "the state directory {} is in use by another peerwatchd; stop that one (\"systemctl status peerwatchd\" shows it) \
                 or give this one its own with --state",
                directory.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer peerwatch (format {found}, this one knows {known}) and was left untouched; \
                 install the newer version again",
                path.display()
            ),
            Self::Damaged { path, detail } => write!(f, "{} is damaged: {detail}; {BEGIN_AGAIN}", path.display()),
            Self::Stranger { path, of } => write!(
                f,
                "{} is the journal of another {of}; put the right {of}'s state directory or key back, \
                 or move the file away to begin a new journal",
                path.display()
            ),
            Self::Io { path, detail } => write!(
                f,
                "{} cannot be used: {detail}; check that its directory belongs to the daemon's user, can be written and has free space",
                path.display()
            ),
        }
    }
}

impl std::error::Error for StoreFault {}
impl std::error::Error for OpenError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: i32) -> StoreFault {
        StoreFault::of(Path::new("/x/journal.db"), &Error::SqliteFailure(ffi::Error::new(code), Some("why".into())))
    }

    #[test]
    fn errors_are_told_apart() {
        assert!(matches!(fault(ffi::SQLITE_FULL), StoreFault::Full { .. }));
        assert!(matches!(fault(ffi::SQLITE_IOERR_SHMSIZE), StoreFault::Full { .. }));
        assert!(matches!(fault(ffi::SQLITE_IOERR_FSYNC), StoreFault::Io { .. }));
        assert!(matches!(fault(ffi::SQLITE_READONLY), StoreFault::Io { .. }));
        assert!(matches!(fault(ffi::SQLITE_CORRUPT_INDEX), StoreFault::Corrupt { .. }));
        assert!(matches!(fault(ffi::SQLITE_NOTADB), StoreFault::Corrupt { .. }));
        assert!(matches!(fault(ffi::SQLITE_BUSY), StoreFault::Busy { .. }));
        assert!(matches!(fault(ffi::SQLITE_CONSTRAINT), StoreFault::Other { .. }));
    }

    #[test]
    fn each_fault_names_the_file_and_a_remedy() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_CORRUPT, ffi::SQLITE_BUSY, ffi::SQLITE_CONSTRAINT] {
            let text = fault(code).to_string();
            assert!(text.contains("/x/journal.db") && text.contains("; "), "{text}");
        }
    }
}
