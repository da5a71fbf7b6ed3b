//! Format 1, byte by byte: what every message, entry and fact looks like on the wire and on the disk.
//!
//! `format-1.txt` is what released nodes write. A change of it is a change of the format, which
//! `ARCHITECTURE.md` says how to make; `UPDATE_EXPECT=1` writes lines that are new.

#![expect(unreachable_pub, reason = "the modules of one test see each other")]

mod samples;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::expect_file;
use peerwatch::base::entry::Entry;
use peerwatch::base::fact::Fact;
use peerwatch::base::id::hex;
use peerwatch::base::wire::Message;

const GOLDEN: &str = include_str!("format-1.txt");

/// The bytes of each line, by its name.
fn golden() -> BTreeMap<String, Vec<u8>> {
    let line = |line: &str| {
        let (name, hex) = line.split_once(": ").unwrap_or_else(|| panic!("no name: {line}"));
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (name.to_owned(), (0..hex.len()).step_by(2).map(byte).collect())
    };
    GOLDEN.lines().filter(|line| !line.is_empty()).map(line).collect()
}

#[test]
fn what_is_written_is_format_1() {
    let mut text = String::new();
    for (name, message) in samples::messages() {
        let _ = writeln!(text, "message {name}: {}", hex(&message.encode()));
    }
    for (name, entry) in samples::entries() {
        let _ = writeln!(text, "entry {name}: {}", hex(entry.bytes()));
    }
    for (name, fact) in samples::facts() {
        let _ = writeln!(text, "fact {name}: {}", hex(&[&fact.kind().to_be_bytes(), &fact.body()[..]].concat()));
    }
    expect_file!["format-1.txt"].assert_eq(&text);
}

#[test]
fn format_1_is_read() {
    let mut golden = golden();
    let mut bytes = |kind: &str, name: &str| golden.remove(&format!("{kind} {name}")).unwrap_or_else(|| panic!("{kind} {name} is missing"));
    for (name, message) in samples::messages() {
        assert_eq!(Message::decode(samples::network(), &bytes("message", name)[4..]), Ok(message), "{name}");
    }
    for (name, entry) in samples::entries() {
        assert_eq!(Entry::open(samples::network(), &bytes("entry", name)), Ok(entry), "{name}");
    }
    for (name, fact) in samples::facts() {
        let bytes = bytes("fact", name);
        assert_eq!(Fact::read(u16::from_be_bytes([bytes[0], bytes[1]]), &bytes[2..]), fact, "{name}");
    }
    assert!(golden.is_empty(), "lines that nothing stands for: {:?}", golden.keys());
}
