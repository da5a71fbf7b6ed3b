//! Debian roots: made by mmdebstrap from the mirror that apt is configured with, kept in the system's
//! cache folder (or `PEERWATCH_ROOTS`), and never written to again; `machine.rs` boots them.
//!
//! A root is named after what is in it, so another list of packages makes another root. Two runs at
//! once make it once. To make it anew, remove it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::fcntl::{Flock, FlockArg};

use crate::process::{mortal, must, run};
use crate::wait::secs;

/// Which Debian.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debian {
    /// Debian 13, with systemd 257.
    Trixie,
    /// Debian 12, with systemd 252.
    Bookworm,
}

/// Only one root is made at a time.
static TURN: Mutex<()> = Mutex::new(());

impl Debian {
    fn suite(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Bookworm => "bookworm",
        }
    }

    /// What is in the root besides the essential packages.
    fn packages(self) -> &'static str {
        match self {
            Self::Trixie => "ca-certificates,dbus,dnf,procps,rpm,systemd,systemd-sysv",
            Self::Bookworm => "ca-certificates,dbus,procps,systemd,systemd-sysv",
        }
    }

    /// The root's folder; it is made if it is not there.
    pub(crate) fn root(self) -> Result<PathBuf, String> {
        let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cache = std::env::var_os("PEERWATCH_ROOTS").map_or_else(|| PathBuf::from("/var/cache/peerwatch-tests"), PathBuf::from);
        fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
        let root = cache.join(format!("{}-{}", self.suite(), self.packages().replace(',', "-")));
        let lock = File::create(cache.join("lock")).map_err(|error| format!("{}: {error}", cache.display()))?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| format!("{}: {error}", cache.display()))?;
        if !root.exists() {
            self.make(&root)?;
        }
        Ok(root)
    }

    fn make(self, root: &Path) -> Result<(), String> {
        let half = root.with_extension("half");
        let half_name = half.to_string_lossy().into_owned();
        if half.exists() {
            must("rm", &["--recursive", "--force", "--one-file-system", &half_name]);
        }
        let include = format!("--include={}", self.packages());
        let mut command = mortal("mmdebstrap");
        command.args(["--quiet", "--variant=minbase", &include, self.suite(), &half_name, &mirror()]);
        for name in ["http_proxy", "https_proxy", "no_proxy"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let said = run(&command, secs(400));
        if said.code != Some(0) {
            return Err(format!("mmdebstrap makes no {}: {:?} {}", self.suite(), said.code, said.err));
        }
        // An empty machine id: each boot has one of its own, and is no first boot. The host's resolvers are of no use.
        for (name, content) in [("machine-id", ""), ("hostname", "booted\n"), ("resolv.conf", "")] {
            fs::write(half.join("etc").join(name), content).map_err(|error| format!("{name}: {error}"))?;
        }
        fs::rename(&half, root).map_err(|error| format!("{}: {error}", root.display()))
    }
}

/// The mirror that this machine's own apt uses.
fn mirror() -> String {
    let said = run(mortal("apt-get").args(["indextargets", "--format", "$(SITE)", "Origin: Debian", "Label: Debian"]), secs(30));
    said.out.lines().find(|line| !line.is_empty()).unwrap_or("http://deb.debian.org/debian").to_owned()
}
