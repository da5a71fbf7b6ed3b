//! The house rules, read from the source text: who imports whom, what the pure floors must not
//! touch, and how a file looks.
//!
//! The tables at the top are the rules; each check is a function from a path and a text to
//! complaints, and each is proved below by a planted bad snippet. This is no parser of Rust:
//! comments and literals are blanked, then paths and words are looked for. What needs types or
//! macro expansion belongs to clippy (`clippy.toml`).

use std::fs;
use std::path::Path;

/// Who may import whom: a floor, and the floors it sees.
const FLOORS: [(&str, &[&str]); 5] = [
    ("base", &["base"]),
    ("logic", &["base", "logic"]),
    ("io", &["base", "io"]),
    ("front", &["base", "front"]),
    ("daemon", &["base", "logic", "io", "front", "daemon"]),
];

/// Inside these floors siblings do not see each other, except for the modules named here.
/// `base` is values and free among itself; `daemon` is the one place that wires things together.
const SHARED: [(&str, &[&str]); 3] =
    [("logic", &["input", "effect", "records"]), ("io", &["clock", "host", "program", "trust"]), ("front", &["desk", "json"])];

/// Single exceptions: this module may import that one.
const EXCEPTIONS: [(&str, &str); 1] = [
    ("logic::input", "logic::node"), // A reload carries the node's complete settings.
];

/// Modules where the siblings of their floor meet.
const MEETING: [&str; 1] = ["logic::node"];

/// What each program may call, and how many lines it may have at most. The companion hands its face the
/// clock, which a face must not look for itself.
const PROGRAMS: [(&str, &[&str]); 2] = [("src/bin/peerwatchd.rs", &["daemon"]), ("src/bin/peerwatchctl.rs", &["front::cli", "io::clock"])];
const PROGRAM_LINES: usize = 9;

/// Floors without IO, clock, randomness, threads, locks and hash order.
const PURE: [&str; 2] = ["base", "logic"];

/// What the pure floors must not name.
const IMPURE: [&str; 23] = [
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "net::Tcp",
    "net::Udp",
    "tokio",
    "async fn",
    "HashMap",
    "HashSet",
    "Mutex",
    "RwLock",
    "RefCell",
    "SystemTime",
    "Instant",
    "getrandom",
    "thread_rng",
    "tracing",
    "println!",
    "eprintln!",
    "print!",
    "dbg!",
    "static mut",
];

/// Marks of unfinished work. In pieces, so that this file may read itself.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
];

/// Places and words of one developer's machine; the repository speaks of the project only.
const FOREIGN: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("../sha", "red"),
    concat!("bash", "_jobs"),
    concat!("sub", "agent"),
    concat!("assis", "tant"),
    concat!("cla", "ude"),
    concat!("anthro", "pic"),
    concat!("co-auth", "ored-by"),
];

/// Lines of code in one file before its tests; where it is reached the design is speaking.
const LINES: usize = 600;
/// Characters in one line.
const COLUMNS: usize = 140;

/// Folders whose text is read, besides the documents at the top.
const FOLDERS: [&str; 8] = ["src", "tests", "man", "systemd", "dbus", "packaging", "completions", ".ci"];

// ---------------------------------------------------------------------------------------------
// The tree

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(root, &root.join(folder), &mut files);
    }
    for entry in fs::read_dir(root).unwrap().flatten() {
        if entry.path().is_file() && entry.file_name() != "Cargo.lock" && !entry.file_name().to_string_lossy().starts_with(".git") {
            files.push(name_within(root, &entry.path()));
        }
    }
    files.sort();
    assert!(20 < files.len(), "the tree was not found: {files:?}");
    let complaints: Vec<String> = files
        .iter()
        .filter_map(|path| Some((path, String::from_utf8(fs::read(root.join(path)).ok()?).ok()?)))
        .flat_map(|(path, text)| inspect(path, &text))
        .chain(version_complaints(&read(root, "Cargo.toml").unwrap_or_default(), read(root, "CHANGELOG.md").as_deref()))
        .collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}

fn name_within(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.push(name_within(root, &path));
        }
    }
}

/// Everything that is wrong with one file.
fn inspect(path: &str, text: &str) -> Vec<String> {
    let mut complaints = foreign_complaints(path, text);
    if !path.ends_with(".rs") {
        return complaints;
    }
    let code = blank(text);
    complaints.extend(shape_complaints(path, text));
    complaints.extend(unfinished_complaints(path, text));
    complaints.extend(program_complaints(path, text, &code));
    complaints.extend(import_complaints(path, &code));
    complaints.extend(impure_complaints(path, &code));
    complaints
}

// ---------------------------------------------------------------------------------------------
// The checks

/// Opening words, width, length, names of files.
fn shape_complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//! ") {
        complaints.push(format!("{path}:1: opens without `//!`: say what the file is, its mental model and what it does not do"));
    }
    if path.ends_with("/mod.rs") {
        complaints.push(format!("{path}: module files are `foo.rs` beside `foo/`, never `mod.rs`"));
    }
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
    let tests_begin = if is_test_file(path) { 0 } else { lines };
    for (number, line) in text.lines().enumerate() {
        // What a test expects is kept whole, so that it can be searched for.
        let expected = tests_begin <= number && line.contains('"');
        if COLUMNS < line.chars().count() && !expected {
            complaints.push(format!("{path}:{}: wider than {COLUMNS} columns", number + 1));
        }
    }
    if path.starts_with("src/") && !is_test_file(path) && LINES < lines {
        complaints.push(format!("{path}: {lines} lines before its tests; {LINES} is the alarm: split it where the design does"));
    }
    complaints
}

/// Marks of unfinished work, in comments and code alike.
fn unfinished_complaints(path: &str, text: &str) -> Vec<String> {
    words(path, text, &UNFINISHED, "unfinished work stays off the main branch")
}

/// Places and words that mean nothing to a reader of the repository.
fn foreign_complaints(path: &str, text: &str) -> Vec<String> {
    words(path, &text.to_lowercase(), &FOREIGN, "the repository speaks only of the project")
}

/// What the pure floors must not name.
fn impure_complaints(path: &str, code: &str) -> Vec<String> {
    let floor = module_of(path).and_then(|module| module.first().cloned());
    if !floor.is_some_and(|floor| PURE.contains(&floor.as_str())) {
        return Vec::new();
    }
    words(path, code, &IMPURE, "the pure floors take what they need as arguments")
}

/// Programs are doors, not rooms.
fn program_complaints(path: &str, text: &str, code: &str) -> Vec<String> {
    if !path.starts_with("src/bin/") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    if PROGRAM_LINES < text.lines().count() {
        complaints.push(format!("{path}: a program has under ten lines; the rest belongs to the library"));
    }
    match PROGRAMS.iter().find(|(program, _)| *program == path) {
        None => complaints.push(format!("{path}: not in the table of programs in tests/tidy.rs")),
        Some((_, rooms)) => {
            for (line, import) in paths(code, "peerwatch::") {
                let called = import.join("::");
                if !rooms.iter().any(|room| called == *room || called.starts_with(&format!("{room}::"))) {
                    complaints.push(format!("{path}:{line}: calls {called}; it may call {}", rooms.join(", ")));
                }
            }
        }
    }
    complaints
}

/// Floors, and siblings within a floor.
fn import_complaints(path: &str, code: &str) -> Vec<String> {
    let Some(here) = module_of(path) else { return Vec::new() };
    let Some(floor) = here.first() else { return Vec::new() };
    let Some((_, seen)) = FLOORS.iter().find(|(name, _)| name == floor) else {
        return vec![format!("{path}: {floor} is no floor of the table in tests/tidy.rs")];
    };
    let tests_begin = if is_test_file(path) { 0 } else { code.lines().take_while(|line| line.trim() != "#[cfg(test)]").count() };
    let mut complaints = Vec::new();
    for (line, import) in imports(code, &here) {
        let Some(other) = import.first() else { continue };
        if !FLOORS.iter().any(|(name, _)| name == other) {
            continue; // A macro of the crate, or an item of lib.rs.
        }
        if !seen.contains(&other.as_str()) {
            complaints.push(format!("{path}:{line}: {floor} imports {}; it sees only {}", import.join("::"), seen.join(", ")));
        } else if line <= tests_begin && other == floor && !may_see(&here, &import) {
            complaints.push(format!(
                "{path}:{line}: {} imports its sibling {}; siblings meet only in their parent",
                here.join("::"),
                import.join("::")
            ));
        }
    }
    complaints
}

/// Whether a module may import from another part of its own floor.
fn may_see(here: &[String], import: &[String]) -> bool {
    let Some((floor, shared)) = SHARED.iter().find(|(floor, _)| here[0] == *floor) else { return true };
    let (Some(room), Some(other)) = (here.get(1), import.get(1)) else {
        return here.len() < 2; // The floor's own file sees all; nobody imports the whole floor.
    };
    let pair = (format!("{floor}::{room}"), format!("{floor}::{other}"));
    room == other
        || shared.contains(&other.as_str())
        || MEETING.contains(&pair.0.as_str())
        || EXCEPTIONS.iter().any(|(from, to)| *from == pair.0 && *to == pair.1)
}

/// The changelog speaks of the version that is built.
fn version_complaints(manifest: &str, changelog: Option<&str>) -> Vec<String> {
    let Some(changelog) = changelog else { return Vec::new() };
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"')).unwrap_or("none");
    let top = changelog.lines().find_map(|line| line.strip_prefix("## ")).unwrap_or("");
    let named = top.trim_start_matches('[').split([']', ' ']).next().unwrap_or("");
    if named == version {
        Vec::new()
    } else {
        vec![format!("CHANGELOG.md: its top entry is \"{named}\", Cargo.toml's version is \"{version}\"")]
    }
}

// ---------------------------------------------------------------------------------------------
// Reading text

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The module that a file below `src` is: `src/io/probe/icmp.rs` is `io::probe::icmp`. None for
/// programs, for `lib.rs` and outside `src`.
fn module_of(path: &str) -> Option<Vec<String>> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    (inner != "lib" && !inner.starts_with("bin/")).then(|| inner.split('/').map(String::from).collect())
}

/// One complaint for each line in which one of the words stands by itself.
fn words(path: &str, text: &str, words: &[&str], why: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(word) = words.iter().find(|word| stands_in(line, word)) {
            complaints.push(format!("{path}:{}: `{word}`: {why}", number + 1));
        }
    }
    complaints
}

/// Whether `word` stands in `line` and does not go on as a longer name on a side where it ends in a letter.
fn stands_in(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        let after = line[place + word.len()..].chars().next();
        !(word.starts_with(is_name) && before.is_some_and(is_name)
            || word.ends_with(|c: char| c.is_alphanumeric())
                && after.is_some_and(|c| c.is_alphanumeric() && !word.ends_with("Tcp") && !word.ends_with("Udp")))
    })
}

/// What a file imports, as paths from the crate's root, with their lines. Knows `crate::` and
/// `super::`, the latter as seen from the file's own module.
fn imports(code: &str, here: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = paths(code, "crate::");
    for (line, path) in paths(code, "super::") {
        let ups = 1 + path.iter().take_while(|part| *part == "super").count();
        let mut full = here[..here.len().saturating_sub(ups)].to_vec();
        full.extend(path.into_iter().skip(ups - 1));
        found.push((line, full));
    }
    found
}

/// Every path that begins with `root`, groups in braces spread out, with the line where it begins.
fn paths(code: &str, root: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (place, _) in code.match_indices(root) {
        let before = code[..place].trim_end_matches('$');
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let line = 1 + code[..place].matches('\n').count();
        let mut spread = Vec::new();
        branch(&code[place + root.len()..], &mut Vec::new(), &mut spread);
        found.extend(spread.into_iter().map(|path| (line, path)));
    }
    found
}

/// Reads one branch of a `use` tree into `found`; returns what follows it.
fn branch<'a>(text: &'a str, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = branch(rest, above, found).trim_start();
            match rest.chars().next() {
                Some(',') => rest = &rest[1..],
                Some('}') => return &rest[1..],
                _ => return rest,
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
    if end == 0 {
        return text; // An empty place after the last comma, or something that is no path.
    }
    above.push(text[..end].into());
    let mut rest = &text[end..];
    if let Some(below) = rest.strip_prefix("::").filter(|below| !below.starts_with('<')) {
        rest = branch(below, above, found);
    } else {
        found.push(above.clone());
        if let Some(renamed) = rest.trim_start().strip_prefix("as ") {
            rest = renamed.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        }
    }
    above.pop();
    rest
}

/// The code with comments and the insides of literals blanked, line by line as before.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            quoted(rest)
        } else if c == 'r' && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') && raw_hashes(rest).is_some() {
            raw_string(rest, raw_hashes(rest).unwrap_or(0))
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

fn block_comment(text: &str) -> usize {
    let (mut place, mut depth) = (2, 1);
    while 0 < depth && place < text.len() {
        let step = if text[place..].starts_with("/*") {
            depth += 1;
            2
        } else if text[place..].starts_with("*/") {
            depth -= 1;
            2
        } else {
            text[place..].chars().next().map_or(1, char::len_utf8)
        };
        place += step;
    }
    place
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (place, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// How many `#` stand between `r` and the opening quote of a raw string; none if it is no raw string.
fn raw_hashes(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    text[1 + hashes..].starts_with('"').then_some(hashes)
}

fn raw_string(text: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    let inner = 2 + hashes;
    text[inner..].find(&end).map_or(text.len(), |place| inner + place + end.len())
}

/// Length of a character literal; zero for a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some(_)) => text[3..].find('\'').map_or(0, |place| place + 4),
        (Some(_), Some((place, '\''))) => place + 1,
        _ => 0,
    }
}

// ---------------------------------------------------------------------------------------------
// Each rule, proved by a planted fault

#[cfg(test)]
mod planted {
    use super::*;

    /// What is wrong with a file that is otherwise in order.
    fn with(path: &str, code: &str) -> Vec<String> {
        inspect(path, &format!("//! A file.\n\n{code}\n"))
    }

    #[track_caller]
    fn refused(path: &str, code: &str, because: &str) {
        let complaints = with(path, code);
        assert!(complaints.iter().any(|complaint| complaint.contains(because)), "{code} in {path}: {complaints:?}");
    }

    #[track_caller]
    fn accepted(path: &str, code: &str) {
        assert_eq!(with(path, code), Vec::<String>::new(), "{code} in {path}");
    }

    #[test]
    fn floors_see_only_what_lies_below() {
        for (path, code) in [
            ("src/base/id.rs", "use crate::logic::node::Node;"),
            ("src/base/id.rs", "use crate::io::clock;"),
            ("src/logic/verdict.rs", "use crate::io::clock::now;"),
            ("src/logic/node.rs", "use crate::front::desk::Desk;"),
            ("src/io/store.rs", "use crate::logic::effect::Effects;"),
            ("src/io/store.rs", "use crate::{base::id::NodeId, logic::input::Input};"),
            ("src/front/web.rs", "fn f() { crate::io::clock::now(); }"),
            ("src/front/web.rs", "use crate::daemon;"),
            ("src/io/link/frame.rs", "use super::super::super::logic::node;"),
        ] {
            refused(path, code, "it sees only");
        }
        accepted("src/logic/node.rs", "use crate::base::{id::NodeId, time::{Mono, Span}};");
        accepted("src/daemon/turn.rs", "use crate::{base::id::NodeId, front::desk::Desk, io::store, logic::node::Node};");
        refused("src/attic/old.rs", "", "is no floor");
    }

    #[test]
    fn floors_hold_in_tests_too() {
        refused("src/logic/mesh.rs", "#[cfg(test)]\nmod tests {\n    use crate::io::clock;\n}", "it sees only");
    }

    #[test]
    fn siblings_meet_only_in_their_parent() {
        for (path, code) in [
            ("src/logic/verdict.rs", "use crate::logic::journal::Journal;"),
            ("src/logic/verdict.rs", "use super::journal::Journal;"),
            ("src/logic/verdict/flap.rs", "use super::super::journal::Journal;"),
            ("src/logic/verdict.rs", "use crate::logic::{effect::Effects, mesh};"),
            ("src/logic/verdict.rs", "use crate::logic::node::Node;"),
            ("src/io/store.rs", "fn f() { crate::io::link::dial(); }"),
            ("src/io/probe/icmp.rs", "use crate::io::store::Store;"),
            ("src/front/web.rs", "use crate::front::cli::table;"),
        ] {
            refused(path, code, "siblings meet");
        }
        accepted("src/logic/verdict.rs", "use crate::logic::{effect::Effects, input::Input, records::Records};");
        accepted("src/logic/verdict.rs", "use crate::logic::verdict::flap::Flap;\nuse super::effect::Effects;");
        accepted("src/logic/node.rs", "use crate::logic::{journal::Journal, mesh::Mesh};");
        accepted("src/logic/node/commands.rs", "use crate::logic::mesh::Mesh;");
        accepted("src/logic/input.rs", "use crate::logic::node::Settings;");
        accepted("src/io/probe/icmp.rs", "use crate::io::clock;\nuse crate::io::probe::resolve;\nuse super::resolve;");
        accepted("src/front/web.rs", "use crate::front::{desk::Desks, json};");
        accepted("src/base/view.rs", "use crate::base::id::NodeId;");
    }

    #[test]
    fn tests_may_see_their_siblings() {
        accepted("src/logic/verdict.rs", "#[cfg(test)]\nmod tests {\n    use super::*;\n    use crate::logic::journal::Journal;\n}");
        accepted("src/logic/verdict/tests.rs", "use crate::logic::journal::Journal;");
    }

    #[test]
    fn pure_floors_stay_pure() {
        for word in IMPURE {
            let tail = if word.ends_with("Tcp") || word.ends_with("Udp") { "Stream" } else { "" };
            refused("src/base/id.rs", &format!("fn f() {{ {word}{tail} }}"), "the pure floors");
            refused("src/logic/mesh.rs", &format!("fn f() {{ {word}{tail} }}"), "the pure floors");
            accepted("src/daemon/turn.rs", &format!("fn f() {{ {word}{tail} }}"));
        }
        accepted("src/logic/mesh.rs", "/// Unlike a HashMap it has an order.\nfn instant() { let text = \"tokio\"; }");
    }

    #[test]
    fn programs_are_doors() {
        let long = "fn main() {}\n".repeat(10);
        assert!(inspect("src/bin/peerwatchd.rs", &long).iter().any(|complaint| complaint.contains("under ten lines")));
        refused("src/bin/peerwatchd.rs", "fn main() { peerwatch::io::store::open() }", "it may call");
        refused("src/bin/peerwatchctl.rs", "fn main() { peerwatch::front::clip::open() }", "it may call");
        refused("src/bin/other.rs", "fn main() {}", "table of programs");
        assert_eq!(
            inspect("src/bin/peerwatchd.rs", "//! The door.\nfn main() -> ExitCode { peerwatch::daemon::main() }\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn files_open_with_words() {
        assert!(inspect("src/base/id.rs", "use std::fmt;\n").iter().any(|complaint| complaint.contains("`//!`")));
        assert!(inspect("tests/sim/main.rs", "// Hello\n").iter().any(|complaint| complaint.contains("`//!`")));
    }

    #[test]
    fn files_have_a_shape() {
        refused("src/io/mod.rs", "", "never `mod.rs`");
        refused("src/io/store.rs", &format!("// {}", "é".repeat(COLUMNS)), "columns");
        refused("src/io/store.rs", &format!("const TEXT: &str = \"{}\";", "é".repeat(COLUMNS)), "columns");
        accepted("src/io/store.rs", &format!("// {}", "é".repeat(COLUMNS - 3)));
        accepted("src/io/store/tests.rs", &format!("const TEXT: &str = \"{}\";", "é".repeat(COLUMNS)));
        refused("src/io/store/tests.rs", &format!("// {}", "é".repeat(COLUMNS)), "columns");
        refused("src/io/store.rs", &"fn f() {}\n".repeat(LINES), "is the alarm");
        accepted("src/io/store.rs", &format!("#[cfg(test)]\n{}", "fn f() {}\n".repeat(LINES)));
        accepted("src/io/store/tests.rs", &"fn f() {}\n".repeat(LINES));
    }

    #[test]
    fn nothing_is_left_unfinished() {
        for mark in UNFINISHED {
            refused("src/io/store.rs", &format!("// {mark} later"), "unfinished");
            refused("tests/sim/main.rs", mark, "unfinished");
        }
        accepted("src/io/store.rs", "// The TODOS of a person are not ours.");
    }

    #[test]
    fn the_repository_speaks_of_the_project() {
        for word in FOREIGN {
            assert!(!inspect("man/peerwatchd.8", &format!("see {} there", word.to_uppercase())).is_empty(), "{word}");
        }
    }

    #[test]
    fn the_changelog_speaks_of_this_version() {
        let manifest = "[package]\nname = \"x\"\nversion = \"0.2.0\"\n[dependencies]\nfoo = { version = \"9\" }\n";
        for good in ["# Changelog\n\n## 0.2.0\n\n## 0.1.0\n", "## [0.2.0] - 2026-01-01\n"] {
            assert_eq!(version_complaints(manifest, Some(good)), Vec::<String>::new());
        }
        for bad in ["# Changelog\n\n## 0.1.0\n\n## 0.2.0\n", "## Unreleased\n", ""] {
            assert_eq!(version_complaints(manifest, Some(bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \"crate::io \\\" x\"; // crate::io\n\
            let b = r#\"a \" crate::io\"#; /* crate /* nested */ ::io */\n\
            let c = '\"'; let d: &'a str = '\\'';\nend";
        let code = blank(text);
        assert!(!code.contains("crate") && code.contains("&'a str") && code.ends_with("end"), "{code}");
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn use_trees_are_spread_out() {
        let code = "use crate::{base::id::{self, NodeId as Id}, io::*};\nfn f() { crate::front::g::<u8>() }";
        let found: Vec<(usize, String)> = paths(code, "crate::").into_iter().map(|(line, path)| (line, path.join("::"))).collect();
        let expected = [(1, "base::id::self"), (1, "base::id::NodeId"), (1, "io::*"), (2, "front::g")];
        assert_eq!(found, expected.map(|(line, path)| (line, String::from(path))));
    }
}
