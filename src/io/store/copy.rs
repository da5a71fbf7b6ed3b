//! A copy of the database while it is in use, as a backup.
//!
//! It is made beside the journal, marked as a copy and then handed out, so that it may go where the daemon itself may not write.
//! The mark makes whoever starts with the copy open a new incarnation: it cannot know what was said after the copy was made.
//! Nothing is left out, since for a node alone the copy may be all that is left; keys are in no database.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::base::view::Progress;
use crate::io::store::StoreFault;

/// Copies under way at once.
const MOST: u32 = 4;

/// Bytes between two words on how far it is.
const PIECE: u64 = 1024 * 1024;

/// A file that is gone when dropped.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // The next start removes what could not be removed now.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a copy of the database at `path`, and returns its bytes.
pub(super) fn copy(path: &Path, to: &mut dyn Write, progress: &mut dyn FnMut(Progress)) -> Result<u64, String> {
    let temporary = reserve(path)?;
    let fault = |error: rusqlite::Error| StoreFault::of(&temporary.0, &error).to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    let name = temporary.0.to_str().ok_or_else(|| format!("{} has a name that is no text; rename it", temporary.0.display()))?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(fault)?;
    drop(connection);
    mark(&temporary.0).map_err(fault)?;
    let read = File::open(&temporary.0).map_err(|error| format!("{} cannot be read: {error}; try again", temporary.0.display()))?;
    hand_out(read, to, progress)
        .map_err(|error| format!("the backup cannot be written: {error}; check the space and permissions where it goes"))
}

fn hand_out(mut read: File, to: &mut dyn Write, progress: &mut dyn FnMut(Progress)) -> io::Result<u64> {
    let total = read.metadata()?.len();
    let mut done = 0;
    loop {
        let some = io::copy(&mut (&mut read).take(PIECE), to)?;
        if some == 0 {
            break;
        }
        done += some;
        progress(Progress { done, total });
    }
    to.flush()?;
    Ok(done)
}

/// Makes an empty file beside the journal, for its owner only.
fn reserve(path: &Path) -> Result<Temporary, String> {
    let names = (0..MOST).map(|number| path.with_file_name(format!("backup-{number}.tmp")));
    for name in names {
        match File::options().write(true).create_new(true).mode(0o600).open(&name) {
            Ok(_) => return Ok(Temporary(name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{} cannot be made: {error}; check the space and permissions there", name.display())),
        }
    }
    Err(format!("{MOST} backups are under way; wait for one of them to end"))
}

/// Says in the copy that it is one, and that it is whole.
fn mark(copy: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Whoever gets the copy syncs it.
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;
         INSERT OR REPLACE INTO meta(key, value) VALUES ('copied', x'01'), ('clean', x'01')",
    )?;
    connection.close().map_err(|(_, error)| error)
}

/// Removes what copies left behind when the process ended in their midst.
pub(super) fn tidy(directory: &Path) {
    for number in 0..MOST {
        // What cannot be removed is named by the next copy.
        let _ = fs::remove_file(directory.join(format!("backup-{number}.tmp")));
        let _ = fs::remove_file(directory.join(format!("backup-{number}.tmp-journal")));
    }
}
