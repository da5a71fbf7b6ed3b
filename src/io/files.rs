//! Finds and reads configuration files.
//!
//! Where files lie and which one wins is decided here; what they mean is `base::config`'s business.
//! Everything is read whole and bounded, and nothing is kept: a reload reads anew. This writes no
//! file; `io::keyfile` does.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::base::config::{FoundKey, Layer, check_name};
use crate::base::id::NodeId;
use crate::base::key::{KeyError, public_from_pem};
use crate::base::limits;

/// Why files could not be read. Nothing was changed; a running daemon goes on with what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// A file that must be there is not.
    Missing {
        /// Which.
        path: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// A directory, a device or a pipe stands where a file belongs.
    NotAFile {
        /// Which.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The system refused.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// More than is ever needed.
    TooLarge {
        /// Which.
        path: PathBuf,
        /// Bytes that would be read.
        most: u64,
    },
    /// Not UTF-8.
    NotText {
        /// Which.
        path: PathBuf,
        /// The line of the first wrong byte, counted from 1.
        line: usize,
    },
    /// More drop-ins or keys than are read.
    TooMany {
        /// In which directory.
        path: PathBuf,
        /// How many would be read.
        most: usize,
    },
    /// A secret that every user of this host can read or change.
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A secret without content.
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// A network's name that cannot be a directory: a sentence with its remedy.
    Name(String),
}

impl FileError {
    /// Whether the file is simply not there, so that another place may be tried.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path, remedy } => write!(f, "{}: there is no such file; {remedy}", path.display()),
            Self::NotAFile { path, kind } => {
                write!(f, "{}: this is {kind} where a file belongs; move it away", path.display())
            }
            Self::Unreadable { path, reason, remedy } => write!(f, "{}: cannot be read ({reason}); {remedy}", path.display()),
            Self::TooLarge { path, most } => {
                write!(f, "{}: this file has more than {most} bytes; put the right file there", path.display())
            }
            Self::NotText { path, line } => {
                write!(f, "{}:{line}: this is not text in UTF-8; save the file in that encoding", path.display())
            }
            Self::TooMany { path, most } => {
                write!(f, "{}: more than {most} files are in this directory; remove what is not needed", path.display())
            }
            Self::Exposed { path, mode } => write!(
                f,
                "{}: every user of this host can read or change this secret (mode {mode:04o}); run: chmod o= {}",
                path.display(),
                path.display()
            ),
            Self::Empty { path } => write!(f, "{}: this secret is empty; write it into the file", path.display()),
            Self::Name(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for FileError {}

/// The layers of `peerwatch.toml` in rising priority, and the directory in which `networks/` lies.
///
/// Without `config`: `/etc/peerwatch/peerwatch.toml`, or else the one in `/run`, or else the one in
/// `/usr/lib`, whole; then the drop-ins `peerwatch.toml.d/*.toml` of all three places, in the order of
/// their file names, where of several with one name the one in the higher place counts. An empty file,
/// or a link to `/dev/null`, hides its namesakes in lower places. Having none at all is no error.
///
/// With `config`: that file, which must be there, and the drop-ins in the directory of its name with
/// `.d` added.
///
/// # Errors
/// [`FileError`]; one bad file is enough.
pub fn host_layers(config: Option<&Path>) -> Result<(Vec<Layer>, PathBuf), FileError> {
    config.map_or_else(|| host_layers_below(Path::new("/")), host_layers_at)
}

/// What [`host_layers`] finds when the file system begins at `root`.
///
/// # Errors
/// [`FileError`].
pub fn host_layers_below(root: &Path) -> Result<(Vec<Layer>, PathBuf), FileError> {
    let places = ["usr/lib/peerwatch", "run/peerwatch", "etc/peerwatch"].map(|place| root.join(place));
    let mut layers = Vec::new();
    for place in places.iter().rev() {
        match look(&place.join("peerwatch.toml"), limits::CONFIG)? {
            Found::Absent => {}
            Found::Empty => break,
            Found::Text(layer) => {
                layers.push(layer);
                break;
            }
        }
    }
    layers.extend(drop_ins(&places.each_ref().map(|place| place.join("peerwatch.toml.d")))?);
    let [_, _, etc] = places;
    Ok((layers, etc))
}

/// The text of a network's `network.toml` and the public keys beside it, in the order of their names.
///
/// `directory` is where `networks/` lies. A key file that cannot be read or is no key comes as the
/// reason; it stops nothing.
///
/// # Errors
/// [`FileError`]; [`FileError::is_missing`] when there is no such network here.
pub fn network_layer(directory: &Path, name: &str) -> Result<(Layer, Vec<FoundKey>), FileError> {
    check_name(name).map_err(|sentence| FileError::Name(format!("network {sentence}")))?;
    let home = directory.join("networks").join(name);
    let path = home.join("network.toml");
    let layer = match look(&path, limits::CONFIG)? {
        Found::Text(layer) => layer,
        Found::Empty => Layer { path: path.display().to_string(), text: String::new() },
        Found::Absent => {
            let remedy = format!("put the network's definition there, or take \"{name}\" out of peerwatch.toml");
            return Err(FileError::Missing { path, remedy });
        }
    };
    Ok((layer, keys(&home.join("keys"))?))
}

/// A secret: the systemd credential of that name if this process was given one, else the content of
/// `file`, else nothing. One line end after it is dropped.
///
/// # Errors
/// [`FileError`]; a file that every user can read is refused, since its secret is none.
pub fn secret(credential: &str, file: Option<&Path>) -> Result<Option<String>, FileError> {
    secret_in(env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref(), credential, file)
}

fn secret_in(credentials: Option<&Path>, credential: &str, file: Option<&Path>) -> Result<Option<String>, FileError> {
    if let Some(path) = credentials.map(|directory| directory.join(credential)) {
        match look(&path, limits::SECRET)? {
            Found::Absent => {}
            Found::Empty => return Err(FileError::Empty { path }),
            Found::Text(layer) => return content(&path, &layer.text).map(Some),
        }
    }
    let Some(file) = file else { return Ok(None) };
    match fs::metadata(file) {
        // Readable by the group is how root hands a file to the service's user.
        Ok(metadata) if metadata.is_file() && metadata.mode() & 0o006 != 0 => {
            Err(FileError::Exposed { path: file.to_owned(), mode: metadata.mode() & 0o7777 })
        }
        _ => read_secret(file).map(Some),
    }
}

fn read_secret(path: &Path) -> Result<String, FileError> {
    match look(path, limits::SECRET)? {
        Found::Text(layer) => content(path, &layer.text),
        Found::Empty => Err(FileError::Empty { path: path.to_owned() }),
        Found::Absent => {
            let remedy = "write the secret alone into this file, or name another in peerwatch.toml".to_owned();
            Err(FileError::Missing { path: path.to_owned(), remedy })
        }
    }
}

fn content(path: &Path, text: &str) -> Result<String, FileError> {
    let secret = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() { Err(FileError::Empty { path: path.to_owned() }) } else { Ok(secret.to_owned()) }
}

fn host_layers_at(config: &Path) -> Result<(Vec<Layer>, PathBuf), FileError> {
    let mut layers = match look(config, limits::CONFIG)? {
        Found::Text(layer) => vec![layer],
        Found::Empty => Vec::new(),
        Found::Absent => {
            let remedy = "create it, or correct --config".to_owned();
            return Err(FileError::Missing { path: config.to_owned(), remedy });
        }
    };
    let mut beside = config.as_os_str().to_owned();
    beside.push(".d");
    layers.extend(drop_ins(&[PathBuf::from(beside)])?);
    let directory = config.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((layers, directory.to_owned()))
}

/// The drop-ins of directories in rising priority.
fn drop_ins(directories: &[PathBuf]) -> Result<Vec<Layer>, FileError> {
    let mut names: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in directories {
        for path in list(directory, "toml", limits::DROPINS)? {
            names.extend(path.file_name().map(|name| (name.to_owned(), path.clone())));
        }
    }
    let found = names.values().map(|path| look(path, limits::CONFIG)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter_map(|found| if let Found::Text(layer) = found { Some(layer) } else { None }).collect())
}

fn keys(directory: &Path) -> Result<Vec<FoundKey>, FileError> {
    let paths = list(directory, "pub", limits::NODES)?;
    Ok(paths.iter().map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), key(path))).collect())
}

/// A public key, or the end of a sentence that begins with the file's name.
fn key(path: &Path) -> Result<NodeId, String> {
    match look(path, limits::KEY_FILE) {
        Ok(Found::Text(layer)) if layer.text.contains("PRIVATE KEY") => {
            Err("holds a secret key, which belongs on its own node alone".to_owned())
        }
        Ok(Found::Text(layer)) => public_from_pem(&layer.text).map_err(|error| match error {
            KeyError::Unreadable => "is not an Ed25519 public key in PEM".to_owned(),
            KeyError::Weak => "holds a weak key, for which anybody could sign".to_owned(),
        }),
        Ok(Found::Empty) => Err("is empty".to_owned()),
        Ok(Found::Absent) => Err("vanished while it was read".to_owned()),
        Err(FileError::Unreadable { reason, .. }) => Err(format!("cannot be read ({reason})")),
        Err(FileError::NotAFile { kind, .. }) => Err(format!("is {kind}")),
        Err(_) => Err("is not an Ed25519 public key in PEM".to_owned()),
    }
}

/// Files of a directory with this extension, in the order of their names; none if there is no such
/// directory. Hidden ones, which editors leave behind, do not count.
fn list(directory: &Path, extension: &str, most: usize) -> Result<Vec<PathBuf>, FileError> {
    let unreadable = |error: io::Error| unreadable(directory, &error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension() != Some(OsStr::new(extension)) {
            continue;
        }
        if paths.len() == most {
            return Err(FileError::TooMany { path: directory.to_owned(), most });
        }
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

/// What stands at a path.
enum Found {
    Absent,
    /// An empty file or a link to `/dev/null`.
    Empty,
    Text(Layer),
}

fn look(path: &Path, most: u64) -> Result<Found, FileError> {
    let unreadable = |error: io::Error| unreadable(path, &error);
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() => {
            let reason = "a link to a file that does not exist".to_owned();
            let remedy = "correct the link or remove it, or mount what it leads to";
            return Err(FileError::Unreadable { path: path.to_owned(), reason, remedy });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(unreadable(error)),
    };
    let kind = metadata.file_type();
    if kind.is_char_device() && fs::canonicalize(path).is_ok_and(|target| target == Path::new("/dev/null")) {
        return Ok(Found::Empty);
    }
    if !kind.is_file() {
        // Opening a pipe would wait for a writer.
        let kind = if kind.is_dir() { "a directory" } else { "a device, pipe or socket" };
        return Err(FileError::NotAFile { path: path.to_owned(), kind });
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    let read = file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if most < read as u64 {
        return Err(FileError::TooLarge { path: path.to_owned(), most });
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => Ok(Found::Empty),
        Ok(text) => Ok(Found::Text(Layer { path: path.display().to_string(), text })),
        Err(error) => {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(FileError::NotText { path: path.to_owned(), line })
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> FileError {
    let text = error.to_string();
    // Without the system's number for it.
    let reason = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "see that user peerwatch may read it and enter the directories above it",
        ErrorKind::NotADirectory => "a file stands where one of its directories belongs; move that file away",
        _ => "see what the system log says of this disk (journalctl -k)",
    };
    FileError::Unreadable { path: path.to_owned(), reason, remedy }
}

#[cfg(test)]
mod tests;
