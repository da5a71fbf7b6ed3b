//! The packages under test: made once for all tests, from the programs that were built with them.
//!
//! Two versions of each, so that one can be upgraded to the other. The folder is cargo's own for such things and is
//! made anew by each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::process::{daemon, mortal, run};
use crate::wait::secs;

/// The version that everybody gets, and a later one of the same.
pub(crate) const FIRST: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
pub(crate) const SECOND: &str = concat!(env!("CARGO_PKG_VERSION"), "-2");

/// The folder with all of them.
pub(crate) fn packages() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let _ = fs::remove_dir_all(&folder);
        for version in [FIRST, SECOND] {
            make("deb", version, &folder);
            make("rpm", version, &folder);
        }
        folder
    })
}

/// Runs one of the scripts in `packaging`.
pub(crate) fn make(kind: &str, version: &str, folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = daemon().parent().expect("programs lie in a folder").to_owned();
    let mut command = mortal(&root.join("packaging").join(kind).to_string_lossy());
    // Packing hard takes minutes and tells nothing; symbols are looked at in one version.
    command.env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    if version != FIRST {
        command.env("DEB_BUILD_OPTIONS", "noautodbgsym");
    }
    command.arg("--programs").arg(programs).args(["--version", version]).arg(folder);
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let said = run(&command, secs(200));
    assert_eq!(said.code, Some(0), "packaging/{kind}: {}{}", said.out, said.err);
}

/// This machine's name in Debian's words.
pub(crate) fn architecture() -> String {
    run(mortal("dpkg").arg("--print-architecture"), secs(10)).out.trim().to_owned()
}
