//! A file that has its name only once it is whole: written beside its place, synced, then renamed.
//!
//! Only its owner may read it. What becomes nothing leaves nothing behind.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::front::cli::Trouble;

/// A file that is being written. Dropped without [`Draft::keep`], it is gone.
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    place: PathBuf,
    replace: bool,
}

impl Draft {
    /// An empty file beside `place`.
    pub(super) fn new(place: &Path, replace: bool) -> Result<Self, Trouble> {
        let name = place.file_name().ok_or_else(|| Trouble::Usage(format!("{} names no file", place.display())))?;
        if !replace && place.symlink_metadata().is_ok() {
            return Err(exists(place));
        }
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", std::process::id()));
        let path = place.with_file_name(hidden);
        // It is read back by nobody here, but the daemon may want to.
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Trouble::Negative(format!("{} cannot be made: {error}", path.display())))?;
        Ok(Self { file, path, place: place.into(), replace })
    }

    /// Where to write.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// It is whole, with so many bytes: gives it its name.
    pub(super) fn keep(self, bytes: u64) -> Result<(), Trouble> {
        let failed = |error: std::io::Error| Trouble::Negative(format!("{} cannot be kept: {error}", self.place.display()));
        let length = self.file.metadata().map_err(failed)?.len();
        if length != bytes {
            return Err(Trouble::Negative(format!("the copy has {length} bytes instead of {bytes}; nothing was kept, try again")));
        }
        self.file.sync_all().map_err(failed)?;
        if self.replace {
            fs::rename(&self.path, &self.place).map_err(failed)?;
        } else {
            match fs::hard_link(&self.path, &self.place) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(&self.place)),
                // A file system without links: between this look and the renaming somebody else could take the name.
                Err(_) if self.place.symlink_metadata().is_ok() => return Err(exists(&self.place)),
                Err(_) => fs::rename(&self.path, &self.place).map_err(failed)?,
            }
        }
        let folder = self.place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Renamed, or linked under its own name, or worth nothing.
        let _ = fs::remove_file(&self.path);
    }
}

fn exists(place: &Path) -> Trouble {
    Trouble::Negative(format!("{} is there already; give --force to replace it", place.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn why(trouble: Result<(), Trouble>) -> String {
        match trouble {
            Err(Trouble::Negative(why) | Trouble::Usage(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_has_its_name_only_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("copy.db");
        let draft = Draft::new(&place, false).unwrap();
        draft.file().write_all(b"hello").unwrap();
        assert!(!place.exists());
        assert_eq!(draft.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        draft.keep(5).unwrap();
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["copy.db".to_owned()], b"hello".to_vec()));

        // What is there stays, unless it may be replaced; and what is not whole is not kept.
        assert!(why(Draft::new(&place, false).map(drop)).contains("--force"));
        let draft = Draft::new(&place, true).unwrap();
        draft.file().write_all(b"bye").unwrap();
        assert!(why(draft.keep(4)).contains("3 bytes instead of 4"));
        drop(Draft::new(&place, true).unwrap());
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["copy.db".to_owned()], b"hello".to_vec()));
        Draft::new(&place, true).unwrap().keep(0).unwrap();
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["copy.db".to_owned()], Vec::new()));
    }

    #[test]
    fn who_comes_between_keeps_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("copy.db");
        let draft = Draft::new(&place, false).unwrap();
        fs::write(&place, "another").unwrap();
        assert!(why(draft.keep(0)).contains("--force"));
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["copy.db".to_owned()], b"another".to_vec()));
        assert!(why(Draft::new(Path::new("/"), false).map(drop)).contains("names no file"));
        assert!(why(Draft::new(&folder.path().join("no/such"), false).map(drop)).contains("cannot be made"));
    }
}
