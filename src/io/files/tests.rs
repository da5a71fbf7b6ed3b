//! Which file counts, and how files are refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;

const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

/// A file system with these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(root.path(), path, text.as_bytes());
    }
    root
}

fn put(root: &Path, path: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn texts(layers: &[Layer]) -> Vec<&str> {
    layers.iter().map(|layer| layer.text.as_str()).collect()
}

fn found(root: &TempDir) -> Vec<String> {
    let (layers, directory) = host_layers_below(root.path()).unwrap();
    assert_eq!(directory, root.path().join("etc/peerwatch"));
    texts(&layers).into_iter().map(str::to_owned).collect()
}

/// The error without the temporary directory in it.
fn told(root: &TempDir, error: &FileError, expected: &Expect) {
    expected.assert_eq(&error.to_string().replace(&root.path().display().to_string(), ""));
}

#[test]
fn nothing_in_etc_is_no_error() {
    assert_eq!(found(&tree(&[])), Vec::<String>::new());
    assert_eq!(found(&tree(&[("usr/lib/peerwatch/peerwatch.toml", "u")])), ["u"]);
}

#[test]
fn the_main_file_of_the_highest_place_counts_alone() {
    let all = [("usr/lib/peerwatch/peerwatch.toml", "u"), ("run/peerwatch/peerwatch.toml", "r"), ("etc/peerwatch/peerwatch.toml", "e")];
    assert_eq!(found(&tree(&all)), ["e"]);
    assert_eq!(found(&tree(&all[..2])), ["r"]);
}

#[test]
fn drop_ins_of_all_places_come_in_the_order_of_their_names() {
    let root = tree(&[
        ("etc/peerwatch/peerwatch.toml", "main"),
        ("etc/peerwatch/peerwatch.toml.d/20-b.toml", "b"),
        ("usr/lib/peerwatch/peerwatch.toml.d/30-c.toml", "c"),
        ("run/peerwatch/peerwatch.toml.d/10-a.toml", "a"),
    ]);
    assert_eq!(found(&root), ["main", "a", "b", "c"]);
}

#[test]
fn of_drop_ins_with_one_name_the_higher_place_counts() {
    let root = tree(&[
        ("usr/lib/peerwatch/peerwatch.toml.d/10-a.toml", "u"),
        ("run/peerwatch/peerwatch.toml.d/10-a.toml", "r"),
        ("usr/lib/peerwatch/peerwatch.toml.d/20-b.toml", "u"),
        ("etc/peerwatch/peerwatch.toml.d/20-b.toml", "e"),
    ]);
    assert_eq!(found(&root), ["r", "e"]);
}

#[test]
fn an_empty_file_or_a_link_to_null_hides_its_namesakes() {
    let root = tree(&[
        ("usr/lib/peerwatch/peerwatch.toml", "main"),
        ("etc/peerwatch/peerwatch.toml", ""),
        ("usr/lib/peerwatch/peerwatch.toml.d/10-a.toml", "a"),
        ("usr/lib/peerwatch/peerwatch.toml.d/20-b.toml", "b"),
        ("usr/lib/peerwatch/peerwatch.toml.d/30-c.toml", "c"),
        ("run/peerwatch/peerwatch.toml.d/10-a.toml", ""),
    ]);
    fs::create_dir_all(root.path().join("etc/peerwatch/peerwatch.toml.d")).unwrap();
    symlink("/dev/null", root.path().join("etc/peerwatch/peerwatch.toml.d/20-b.toml")).unwrap();
    assert_eq!(found(&root), ["c"], "drop-ins hold though the main file is hidden");
    fs::remove_file(root.path().join("etc/peerwatch/peerwatch.toml")).unwrap();
    symlink("/dev/null", root.path().join("etc/peerwatch/peerwatch.toml")).unwrap();
    assert_eq!(found(&root), ["c"]);
}

#[test]
fn what_editors_and_packages_leave_behind_is_no_drop_in() {
    let root = tree(&[
        ("etc/peerwatch/peerwatch.toml.d/10-a.toml~", "x"),
        ("etc/peerwatch/peerwatch.toml.d/.10-a.toml", "x"),
        ("etc/peerwatch/peerwatch.toml.d/10-a.toml.dpkg-old", "x"),
        ("etc/peerwatch/peerwatch.toml.d/README", "x"),
        ("etc/peerwatch/peerwatch.toml.d/deeper/10-a.toml", "x"),
    ]);
    assert_eq!(found(&root), Vec::<String>::new());
}

#[test]
fn a_given_file_counts_alone_with_the_drop_ins_beside_it() {
    let root = tree(&[("here/my.toml", "mine"), ("here/my.toml.d/10-a.toml", "a"), ("here/peerwatch.toml.d/10-b.toml", "b")]);
    let (layers, directory) = host_layers(Some(&root.path().join("here/my.toml"))).unwrap();
    assert_eq!(texts(&layers), ["mine", "a"]);
    assert_eq!(directory, root.path().join("here"));
    assert_eq!(layers[0].path, root.path().join("here/my.toml").display().to_string());
}

#[test]
fn a_given_file_must_be_there() {
    let root = tree(&[]);
    let error = host_layers(Some(&root.path().join("my.toml"))).unwrap_err();
    told(
        &root,
        &error,
        &expect![[r#"
            /my.toml: there is no such file; create it, or correct --config"#]],
    );
}

#[test]
fn files_that_are_none_are_refused() {
    let root = tree(&[("etc/peerwatch/peerwatch.toml/x", "")]);
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml: this is a directory where a file belongs; move it away"#]],
    );
    let root = tree(&[]);
    put(root.path(), "etc/peerwatch/peerwatch.toml", b"id = \"x\"\n# \xff\n");
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml:2: this is not text in UTF-8; save the file in that encoding"#]],
    );
    let root = tree(&[("etc/peerwatch/x", "")]);
    symlink("nowhere", root.path().join("etc/peerwatch/peerwatch.toml")).unwrap();
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml: cannot be read (a link to a file that does not exist); correct the link or remove it, or mount what it leads to"#]],
    );
    let root = tree(&[("etc/peerwatch", "")]);
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml: cannot be read (Not a directory); a file stands where one of its directories belongs; move that file away"#]],
    );
}

#[test]
fn a_pipe_does_not_hold_up_the_daemon() {
    let root = tree(&[("etc/peerwatch/x", "")]);
    nix::unistd::mkfifo(&root.path().join("etc/peerwatch/peerwatch.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml: this is a device, pipe or socket where a file belongs; move it away"#]],
    );
}

#[test]
fn a_file_without_end_is_not_read_to_it() {
    let root = tree(&[]);
    let path = put(root.path(), "etc/peerwatch/peerwatch.toml", b"");
    fs::File::options().write(true).open(&path).unwrap().set_len(limits::CONFIG + 1).unwrap();
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml: this file has more than 16777216 bytes; put the right file there"#]],
    );
}

#[test]
fn too_many_drop_ins_are_refused() {
    let root = tree(&[]);
    for number in 0..=limits::DROPINS {
        put(root.path(), &format!("etc/peerwatch/peerwatch.toml.d/{number}.toml"), b"x");
    }
    told(
        &root,
        &host_layers_below(root.path()).unwrap_err(),
        &expect![[r#"
            /etc/peerwatch/peerwatch.toml.d: more than 256 files are in this directory; remove what is not needed"#]],
    );
}

#[test]
fn a_network_comes_with_its_keys_and_what_is_wrong_with_them() {
    let root = tree(&[
        ("networks/home/network.toml", "id = \"home\""),
        ("networks/home/keys/ber1.pub", PUBLIC),
        ("networks/home/keys/bad.pub", "nonsense"),
        ("networks/home/keys/empty.pub", ""),
        ("networks/home/keys/dir.pub/x", ""),
        ("networks/home/keys/secret.pub", "-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----\n"),
        ("networks/home/keys/README", ""),
        ("networks/home/keys/.hidden.pub", ""),
    ]);
    put(root.path(), "networks/home/keys/latin1.pub", b"\xe4");
    put(root.path(), "networks/home/keys/large.pub", &vec![b'x'; 20_000]);
    let (layer, keys) = network_layer(root.path(), "home").unwrap();
    assert_eq!(layer.text, "id = \"home\"");
    let told: Vec<String> = keys
        .iter()
        .map(|(name, key)| match key {
            Ok(node) => format!("{name}: {node}"),
            Err(reason) => format!("{name}: keys/{name}.pub {reason}"),
        })
        .collect();
    expect![[r#"
        bad: keys/bad.pub is not an Ed25519 public key in PEM
        ber1: d75a9801
        dir: keys/dir.pub is a directory
        empty: keys/empty.pub is empty
        large: keys/large.pub is not an Ed25519 public key in PEM
        latin1: keys/latin1.pub is not an Ed25519 public key in PEM
        secret: keys/secret.pub holds a secret key, which belongs on its own node alone"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_network_without_keys_is_a_network() {
    let root = tree(&[("networks/home/network.toml", "")]);
    let (layer, keys) = network_layer(root.path(), "home").unwrap();
    assert_eq!((layer.text.as_str(), keys.len()), ("", 0));
}

#[test]
fn a_network_that_is_not_there_can_be_told_from_one_that_is_broken() {
    let root = tree(&[("networks/broken/network.toml/x", "")]);
    let error = network_layer(root.path(), "home").unwrap_err();
    assert!(error.is_missing());
    told(
        &root,
        &error,
        &expect![[r#"
            /networks/home/network.toml: there is no such file; put the network's definition there, or take "home" out of peerwatch.toml"#]],
    );
    assert!(!network_layer(root.path(), "broken").unwrap_err().is_missing());
}

#[test]
fn a_network_cannot_be_named_out_of_its_directory() {
    let root = tree(&[("network.toml", ""), ("networks/x", "")]);
    for name in ["..", ".", "", "a/b", "../networks"] {
        assert!(matches!(network_layer(root.path(), name), Err(FileError::Name(_))), "{name}");
    }
}

#[test]
fn a_credential_goes_before_a_file() {
    let root = tree(&[("credentials/peerwatch.smtp-password", "from systemd\n"), ("file", "from file\n")]);
    let (credentials, file) = (root.path().join("credentials"), root.path().join("file"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let read = |credentials, file| secret_in(credentials, "peerwatch.smtp-password", file).unwrap();
    assert_eq!(read(Some(&*credentials), Some(&*file)).as_deref(), Some("from systemd"));
    assert_eq!(read(None, Some(&*file)).as_deref(), Some("from file"));
    assert_eq!(read(Some(root.path()), Some(&*file)).as_deref(), Some("from file"));
    assert_eq!(read(None, None), None);
}

#[test]
fn one_line_end_is_no_part_of_a_secret() {
    for (text, secret) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\nb\n", "a\nb")] {
        let root = tree(&[("c/x", text)]);
        assert_eq!(secret_in(Some(&root.path().join("c")), "x", None).unwrap().as_deref(), Some(secret), "{text:?}");
    }
}

#[test]
fn secrets_that_are_none_are_refused() {
    let root = tree(&[("open", "secret"), ("empty", "\n")]);
    let path = |name: &str| root.path().join(name);
    let refuse = |name: &str, mode: u32| {
        if path(name).exists() {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        secret_in(None, "x", Some(&path(name))).unwrap_err()
    };
    told(
        &root,
        &refuse("open", 0o644),
        &expect![[r#"
            /open: every user of this host can read or change this secret (mode 0644); run: chmod o= /open"#]],
    );
    told(&root, &refuse("empty", 0o600), &expect!["/empty: this secret is empty; write it into the file"]);
    told(
        &root,
        &refuse("missing", 0o600),
        &expect![[r#"
            /missing: there is no such file; write the secret alone into this file, or name another in peerwatch.toml"#]],
    );
}
