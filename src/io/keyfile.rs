//! Makes, keeps and reads key files.
//!
//! A node's key is its identity in one network: made once, with the system's randomness, and never
//! changed by this program. It appears under its name only when it is whole and on disk, so a crash
//! leaves either no key or a good one. The public key lies beside it for people to copy; it is never
//! read here. Which nodes are members is not decided here.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes};

use crate::base::key::SecretKey;
use crate::base::limits;

/// A node's key.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The key.
    pub key: SecretKey,
    /// It did not exist before: the node is new to its network.
    pub created: bool,
}

/// Why there is no key. No key file was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    /// Others than the owner may read or change the file.
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not an Ed25519 key in PEM PKCS#8.
    Broken {
        /// Which.
        path: PathBuf,
    },
    /// The system refused to read it.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A new key could not be kept.
    Unwritable {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The system has no randomness to give.
    NoRandomness {
        /// The system's reason.
        reason: String,
    },
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exposed { path, mode } => write!(
                f,
                "{}: others can read or change this key (mode {mode:04o}); run: chmod 600 {}; \
                 if it may have been copied, revoke this node and let it make a new key",
                path.display(),
                path.display()
            ),
            Self::Broken { path } => write!(
                f,
                "{}: this is not an Ed25519 secret key in PEM; put the right one back from a backup, or remove the file: \
                 the node then makes a new key and must be admitted anew",
                path.display()
            ),
            Self::Unreadable { path, reason, remedy } => write!(f, "{}: the key cannot be read ({reason}); {remedy}", path.display()),
            Self::Unwritable { path, reason } => write!(
                f,
                "{}: a new key cannot be kept here ({reason}); see that the directory belongs to user peerwatch and that the disk has room",
                path.display()
            ),
            Self::NoRandomness { reason } => {
                write!(f, "the system gives no randomness for a new key ({reason}); see that getrandom(2) is not filtered")
            }
        }
    }
}

impl std::error::Error for KeyFileError {}

/// The node's key: the systemd credential of that name if this process was given one, else the key at
/// `path`, else a new one, which is kept at `path` for the owner alone.
///
/// The public key is kept beside it, in a file of the same name that ends in `.pub`.
///
/// # Errors
/// [`KeyFileError`]. A key that is there but cannot be used is never replaced.
pub fn load_or_create(path: &Path, credential: &str) -> Result<Loaded, KeyFileError> {
    load_or_create_in(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref(), path, credential)
}

fn load_or_create_in(credentials: Option<&Path>, path: &Path, credential: &str) -> Result<Loaded, KeyFileError> {
    let given = credentials.map(|directory| directory.join(credential));
    let (key, created) = match given {
        // Who may read a credential is systemd's business.
        Some(given) if is_there(&given)? => (read(&given)?, false),
        _ if is_there(path)? => (load(path)?, false),
        _ => create(path)?,
    };
    publish(&path.with_extension("pub"), &key, created)?;
    Ok(Loaded { key, created })
}

/// Whether anything has this name. A link to nowhere has (a disk is not mounted), and what cannot be
/// looked at is an error: neither is a reason to become somebody else.
fn is_there(path: &Path) -> Result<bool, KeyFileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn load(path: &Path) -> Result<SecretKey, KeyFileError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.mode() & 0o077 != 0 => {
            Err(KeyFileError::Exposed { path: path.to_owned(), mode: metadata.mode() & 0o7777 })
        }
        Ok(_) => read(path),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn read(path: &Path) -> Result<SecretKey, KeyFileError> {
    let unreadable = |error: io::Error| unreadable(path, &error);
    let broken = || KeyFileError::Broken { path: path.to_owned() };
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(broken());
    }
    let mut pem = String::new();
    match File::open(path).map_err(unreadable)?.take(limits::KEY_FILE).read_to_string(&mut pem) {
        Ok(_) => SecretKey::from_pem(pem.trim()).map_err(|_| broken()),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(broken()),
        Err(error) => Err(unreadable(error)),
    }
}

/// Makes a key and keeps it. If another process made one at the same time, that one counts.
fn create(path: &Path) -> Result<(SecretKey, bool), KeyFileError> {
    let unwritable = |error: io::Error| KeyFileError::Unwritable { path: path.to_owned(), reason: reason(&error) };
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| KeyFileError::NoRandomness { reason: error.to_string() })?;
    let directory = parent(path);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritable)?;
    // Without the public key in it: PKCS#8 version 1, which is what openssl writes and all it reads.
    let pair = KeypairBytes { secret_key: bytes, public_key: None };
    let pem = pair.to_pkcs8_pem(LineEnding::LF).expect("BUG! thirty-two bytes always are a key");
    let temporary = write_temporary(path, pem.as_bytes(), 0o600).map_err(unwritable)?;
    match keep_first(&temporary, path, directory) {
        Ok(true) => Ok((SecretKey::from_bytes(&bytes), true)),
        Ok(false) => Ok((load(path)?, false)),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(unwritable(error))
        }
    }
}

/// Gives the whole file its name, unless something has that name already; then false.
fn keep_first(temporary: &Path, path: &Path, directory: &Path) -> io::Result<bool> {
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(temporary)?;
            return Ok(false);
        }
        // Not every file system has hard links; there the name is taken without looking.
        Err(_) => fs::rename(temporary, path)?,
    }
    sync(directory)?;
    // The directory itself may be new. The one above need not be readable, and then belongs to the system.
    let _ = sync(parent(directory));
    Ok(true)
}

/// Keeps the public key where people find it. For a node that has its key already, failing to write
/// this copy is no reason not to start.
fn publish(path: &Path, key: &SecretKey, created: bool) -> Result<(), KeyFileError> {
    let public = VerifyingKey::from_bytes(&key.node().0).expect("BUG! a key's own public half is a key");
    let pem = public.to_public_key_pem(LineEnding::LF).expect("BUG! a public key always can be written");
    if fs::read(path).is_ok_and(|known| known == pem.as_bytes()) {
        return Ok(());
    }
    let kept =
        write_temporary(path, pem.as_bytes(), 0o644).and_then(|temporary| fs::rename(temporary, path)).and_then(|()| sync(parent(path)));
    match kept {
        Err(error) if created => Err(KeyFileError::Unwritable { path: path.to_owned(), reason: reason(&error) }),
        _ => Ok(()),
    }
}

/// Writes `bytes` beside `path`, under a name of its own, and onto the disk.
fn write_temporary(path: &Path, bytes: &[u8], mode: u32) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(name);
    // One left by a crash of a process with the same number.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    match file.write_all(bytes).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unreadable(path: &Path, error: &io::Error) -> KeyFileError {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "it is a link to a file that does not exist; mount what it leads to, or correct the link",
        ErrorKind::NotADirectory => "a file stands where its directory belongs; move that file away",
        _ => "see that the key belongs to user peerwatch and that its directory can be entered",
    };
    KeyFileError::Unreadable { path: path.to_owned(), reason: reason(error), remedy }
}

/// The system's reason without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use expect_test::expect;

    use super::*;
    use crate::base::key::public_from_pem;

    fn make(directory: &Path) -> Loaded {
        load_or_create_in(None, &directory.join("home/node.key"), "peerwatch.home.key").unwrap()
    }

    fn refusal(directory: &Path) -> String {
        let error = load_or_create_in(None, &directory.join("home/node.key"), "peerwatch.home.key").unwrap_err();
        error.to_string().replace(&directory.display().to_string(), "")
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (make(directory.path()), make(directory.path()));
        assert!(first.created && !second.created);
        assert_eq!(first.key.expose(), second.key.expose());
    }

    #[test]
    fn two_nodes_have_two_keys() {
        let [one, two] = [0, 1].map(|_| tempfile::tempdir().unwrap());
        assert_ne!(make(one.path()).key.node(), make(two.path()).key.node());
    }

    #[test]
    fn a_new_key_is_for_the_owner_alone_and_leaves_nothing_else_behind() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let home = directory.path().join("home");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&home), mode(&home.join("node.key"))), (0o700, 0o600));
        let mut names: Vec<_> = fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["node.key", "node.pub"]);
    }

    #[test]
    fn the_public_key_beside_it_is_the_nodes_and_comes_back_when_lost() {
        let directory = tempfile::tempdir().unwrap();
        let node = make(directory.path()).key.node();
        let path = directory.path().join("home/node.pub");
        assert_eq!(public_from_pem(&fs::read_to_string(&path).unwrap()), Ok(node));
        fs::write(&path, "something else").unwrap();
        make(directory.path());
        assert_eq!(public_from_pem(&fs::read_to_string(&path).unwrap()), Ok(node));
    }

    #[test]
    fn openssl_reads_what_is_written_here_and_the_reverse() {
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: there is no openssl on this host");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let key = directory.path().join("home/node.key");
        let output = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&key).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.stdout, fs::read(key.with_extension("pub")).unwrap());
        let again = Command::new("openssl").args(["pkey", "-in"]).arg(&key).output().unwrap();
        assert_eq!(again.stdout, fs::read(&key).unwrap(), "byte for byte what openssl would have written");

        let theirs = directory.path().join("theirs.key");
        let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&theirs).status().unwrap();
        assert!(made.success());
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).unwrap();
        let loaded = load_or_create_in(None, &theirs, "x").unwrap();
        let output = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&theirs).output().unwrap();
        assert_eq!(public_from_pem(&String::from_utf8(output.stdout).unwrap()), Ok(loaded.key.node()));
    }

    #[test]
    fn a_credential_goes_before_the_file_and_makes_none() {
        let (state, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let other = make(credentials.path()).key;
        fs::rename(credentials.path().join("home/node.key"), credentials.path().join("peerwatch.home.key")).unwrap();
        fs::set_permissions(credentials.path().join("peerwatch.home.key"), fs::Permissions::from_mode(0o440)).unwrap();
        let load = |network: &str| {
            let path = state.path().join(network).join("node.key");
            (load_or_create_in(Some(credentials.path()), &path, &format!("peerwatch.{network}.key")).unwrap(), path)
        };
        let (loaded, path) = load("home");
        assert!(!loaded.created && !path.exists());
        assert_eq!(loaded.key.node(), other.node());
        let (loaded, path) = load("work");
        assert!(loaded.created && path.exists(), "the credential of another network is not this one's");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        fs::set_permissions(directory.path().join("home/node.key"), fs::Permissions::from_mode(0o640)).unwrap();
        expect![[r#"
            /home/node.key: others can read or change this key (mode 0640); run: chmod 600 /home/node.key; if it may have been copied, revoke this node and let it make a new key"#]].assert_eq(&refusal(directory.path()));
    }

    #[test]
    fn a_broken_key_is_refused_and_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let path = directory.path().join("home/node.key");
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        for text in ["", "nonsense", &*public, "\u{0}"] {
            fs::write(&path, text).unwrap();
            refusal(directory.path());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        expect!["/home/node.key: this is not an Ed25519 secret key in PEM; put the right one back from a backup, or remove the file: the node then makes a new key and must be admitted anew"].assert_eq(&refusal(directory.path()));
    }

    #[test]
    fn a_link_to_nowhere_is_no_reason_for_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        symlink("/nonexistent/node.key", directory.path().join("home/node.key")).unwrap();
        expect![[r#"
            /home/node.key: the key cannot be read (No such file or directory); it is a link to a file that does not exist; mount what it leads to, or correct the link"#]].assert_eq(&refusal(directory.path()));
    }

    #[test]
    fn a_key_that_cannot_be_kept_is_not_used() {
        // Not even root makes directories there.
        let error = load_or_create_in(None, Path::new("/proc/self/peerwatch/node.key"), "x").unwrap_err();
        expect![[r#"
            /proc/self/peerwatch/node.key: a new key cannot be kept here (No such file or directory); see that the directory belongs to user peerwatch and that the disk has room"#]].assert_eq(&error.to_string());
    }

    #[test]
    fn a_file_in_the_way_of_the_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("home"), "").unwrap();
        expect![[r#"
            /home/node.key: the key cannot be read (Not a directory); a file stands where its directory belongs; move that file away"#]]
        .assert_eq(&refusal(directory.path()));
    }

    #[test]
    fn a_credential_that_cannot_be_used_is_no_reason_for_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        let (state, credentials) = (directory.path().join("state/node.key"), directory.path().join("credentials"));
        fs::create_dir(&credentials).unwrap();
        symlink("/nonexistent", credentials.join("x")).unwrap();
        fs::write(credentials.join("y"), "nonsense").unwrap();
        for credential in ["x", "y"] {
            load_or_create_in(Some(&credentials), &state, credential).unwrap_err();
            assert!(!state.exists(), "{credential}");
        }
        fs::write(directory.path().join("file"), "").unwrap();
        load_or_create_in(Some(&directory.path().join("file")), &state, "x").unwrap_err();
        assert!(!state.exists());
    }

    #[test]
    fn of_two_keys_made_at_once_the_first_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (path, temporary) = (directory.path().join("node.key"), directory.path().join("node.key.1.new"));
        fs::write(&path, "first").unwrap();
        fs::write(&temporary, "second").unwrap();
        assert!(!keep_first(&temporary, &path, directory.path()).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert!(!temporary.exists());
    }

    #[test]
    fn what_a_crash_left_behind_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home/node.key");
        fs::create_dir(directory.path().join("home")).unwrap();
        fs::write(format!("{}.{}.new", path.display(), std::process::id()), "half a k").unwrap();
        assert!(make(directory.path()).created);
    }
}
