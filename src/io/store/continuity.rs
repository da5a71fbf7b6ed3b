//! The proof that nothing which this node wrote was lost: a file bound to this boot of the host.
//!
//! It names the newest own entry of the last commit, and is replaced after the commit and before
//! anything of the turn leaves the host. A database that contains that very entry contains all that
//! could have been sent. After a reboot, or with a database put back from a backup, the proof fails,
//! and the node must open a new incarnation. The file is not synced: it need not survive the boot.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::base::id::{ChainId, EntryHash, hex};

/// Where Linux names the present boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Bytes of the file that are read: one line of some 280.
const MOST: u64 = 1024;

/// The file and whether it can be relied on.
pub(super) struct Continuity {
    file: PathBuf,
    boot: Result<String, String>,
    fault: Option<String>,
}

/// What the file says, once the boot is known to be this one.
pub(super) struct Claim {
    chain: String,
    /// The sequence number of the newest own entry.
    pub(super) sequence: u64,
    hash: String,
}

impl Claim {
    /// Whether it speaks of this chain.
    pub(super) fn is_of(&self, chain: &ChainId) -> bool {
        self.chain == name(chain)
    }

    /// Whether it speaks of the entry with this hash.
    pub(super) fn has(&self, hash: &EntryHash) -> bool {
        self.hash == hash.hex()
    }
}

/// Whether a directory lies on a file system that is gone after a reboot.
fn in_memory(directory: &Path) -> bool {
    nix::sys::statfs::statfs(directory).is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

impl Continuity {
    /// Prepares the directory, which need not exist yet.
    pub(super) fn new(runtime: &Path) -> Self {
        // What fails here fails again when the file is written, and is remarked on there.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(runtime);
        let boot = match fs::read_to_string(BOOT) {
            Ok(id) => Ok(id.trim().to_owned()),
            // The shipped sandbox hides the name of the boot. A directory in memory does not outlive the boot either.
            Err(_) if in_memory(runtime) => Ok("in-memory".to_owned()),
            Err(error) => Err(format!("{BOOT} cannot be read ({error}), and {} does not lie in memory", runtime.display())),
        };
        Self { file: runtime.join("continuity"), boot, fault: None }
    }

    /// What the file says, if there is one of this boot.
    pub(super) fn claim(&self) -> Option<Claim> {
        let mut text = String::new();
        File::open(&self.file).ok()?.take(MOST).read_to_string(&mut text).ok()?;
        let mut words = text.split_whitespace();
        let boot = self.boot.as_ref().ok()?;
        if words.next()? != "1" || words.next()? != boot {
            return None;
        }
        let claim = Claim { chain: words.next()?.to_owned(), sequence: words.next()?.parse().ok()?, hash: words.next()?.to_owned() };
        words.next().is_none().then_some(claim)
    }

    /// Replaces the file. When that fails an old one is removed, since it would prove too much.
    pub(super) fn prove(&mut self, chain: &ChainId, sequence: u64, hash: &EntryHash) {
        let written = match &self.boot {
            Ok(boot) => {
                let line = format!("1 {boot} {} {sequence} {}\n", name(chain), hash.hex());
                replace(&self.file, line.as_bytes())
                    .map_err(|error| format!("{} cannot be written ({error}); check the runtime directory", self.file.display()))
            }
            Err(why) => Err(why.clone()),
        };
        if written.is_err() {
            let _ = fs::remove_file(&self.file);
        }
        self.fault = written.err();
    }

    /// Why the last proof could not be written, with the remedy.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

/// A chain in one word.
fn name(chain: &ChainId) -> String {
    let incarnation = &chain.incarnation;
    format!("{}/{}/{}/{}", chain.author.hex(), incarnation.opened, hex(&incarnation.nonce), chain.lane.name())
}

/// Whoever opens the file sees the old content or the new, never a part.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?.write_all(content)?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{Incarnation, Lane, NodeId};

    fn chain() -> ChainId {
        ChainId { author: NodeId([1; 32]), incarnation: Incarnation { opened: u64::MAX, nonce: [2; 16] }, lane: Lane::Events }
    }

    #[test]
    fn what_was_proved_is_claimed_later() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("deep/er");
        let mut continuity = Continuity::new(&runtime);
        assert!(continuity.claim().is_none());
        continuity.prove(&chain(), 6, &EntryHash([6; 32]));
        continuity.prove(&chain(), 7, &EntryHash([7; 32]));
        assert_eq!(continuity.fault(), None);
        let claim = Continuity::new(&runtime).claim().unwrap();
        assert!(claim.is_of(&chain()) && claim.has(&EntryHash([7; 32])) && claim.sequence == 7);
        assert!(!claim.is_of(&ChainId { lane: Lane::State, ..chain() }) && !claim.has(&EntryHash([6; 32])));
    }

    #[test]
    fn a_proof_that_cannot_be_written_takes_the_old_one_away() {
        let directory = tempfile::tempdir().unwrap();
        let mut continuity = Continuity::new(directory.path());
        continuity.prove(&chain(), 1, &EntryHash([1; 32]));
        fs::create_dir(directory.path().join("continuity.new")).unwrap();
        continuity.prove(&chain(), 2, &EntryHash([2; 32]));
        assert!(continuity.fault().unwrap().contains("check the runtime directory"));
        assert!(continuity.claim().is_none() && !directory.path().join("continuity").exists());
    }

    #[test]
    fn torn_or_foreign_content_claims_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut continuity = Continuity::new(directory.path());
        continuity.prove(&chain(), 1, &EntryHash([1; 32]));
        let file = directory.path().join("continuity");
        let good = fs::read_to_string(&file).unwrap();
        for bad in ["", "1", &good[..good.len() / 2], &format!("{good} more"), &format!("2{}", &good[1..]), &"9 ".repeat(4000)] {
            fs::write(&file, bad).unwrap();
            assert!(continuity.claim().is_none_or(|claim| !claim.has(&EntryHash([1; 32]))), "{bad}");
        }
    }
}
