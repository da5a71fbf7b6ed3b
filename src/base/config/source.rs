//! A file's text, and how a fault in it is told: file, line, what it is about, what is wrong, remedy.
//!
//! Places are byte ranges of the text. Which key of which table a place belongs to is found only when
//! there is something to tell, by reading the text once more.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use crate::base::config::{ConfigError, Excerpt, Layer, MAIL_CREDENTIAL};

/// A file's name and text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    path: &'a str,
    text: &'a str,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a, T> {
    source: Source<'a>,
    span: Range<usize>,
    /// The value.
    pub(super) value: &'a T,
}

impl<'a> Source<'a> {
    /// The layer's text.
    pub(super) fn of(layer: &'a Layer) -> Self {
        Self { path: &layer.path, text: &layer.text }
    }

    /// Reads the text into fragments; refuses unknown keys, wrong types, passwords and what this
    /// version does not do.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        let tree = DeTable::parse(self.text).map_err(|error| self.broken(&error))?;
        let mut path = Vec::new();
        if let Some((span, what, remedy)) = refused(tree.get_ref(), &mut path) {
            return Err(self.fault(span, what, remedy));
        }
        T::deserialize(Deserializer::from(tree)).map_err(|error| self.misread(&error))
    }

    /// A value of this file with its place.
    pub(super) fn at<T>(self, value: &'a Spanned<T>) -> Placed<'a, T> {
        Placed { source: self, span: value.span(), value: value.get_ref() }
    }

    /// Reads a value that may be absent.
    pub(super) fn read_if<T, R>(
        self,
        value: Option<&'a Spanned<T>>,
        read: impl FnOnce(Placed<'a, T>) -> Result<R, ConfigError>,
    ) -> Result<Option<R>, ConfigError> {
        value.map(|value| read(self.at(value))).transpose()
    }

    /// A fault of the file as a whole.
    pub(super) fn fault_of_file(self, what: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.path.to_owned(),
            line: None,
            place: String::new(),
            what: what.into(),
            remedy: remedy.into(),
            excerpt: None,
        }
    }

    fn fault(self, span: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        let place = self.path_to(span.start).map(|path| describe(&path)).unwrap_or_default();
        self.located(span, place, what, remedy)
    }

    fn located(self, span: Range<usize>, place: String, what: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        let start = self.boundary(span.start);
        let begin = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[begin..].lines().next().unwrap_or_default();
        let width = self.text[start..self.boundary(span.end.max(start))].lines().next().unwrap_or_default().chars().count();
        // A line that speaks of a password may hold one, and errors go to logs and pages.
        let secret = ["passw", "secret", "passphrase"].iter().any(|word| line.to_ascii_lowercase().contains(word));
        let excerpt =
            Excerpt { line: line.replace('\t', " "), column: self.text[begin..start].chars().count(), width: width.min(line.len()) };
        ConfigError {
            file: self.path.to_owned(),
            line: Some(self.text[..start].matches('\n').count() + 1),
            place,
            what: what.into(),
            remedy: remedy.into(),
            excerpt: (!secret && line.len() <= 200).then_some(excerpt),
        }
    }

    /// The last character boundary at or before `index`.
    fn boundary(self, index: usize) -> usize {
        (0..=index.min(self.text.len())).rev().find(|index| self.text.is_char_boundary(*index)).unwrap_or(0)
    }

    /// The text is not TOML.
    fn broken(self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let (what, remedy) = match error.message() {
            "duplicate key" => {
                let start = self.boundary(span.start);
                let key = &self.text[start..self.boundary(span.end).max(start)];
                (format!("\"{key}\" is set a second time"), "keep one of the two".to_owned())
            }
            message if message.starts_with("string values must be quoted") => {
                ("text must stand in quotes".to_owned(), "write it as in name = \"ber1\"".to_owned())
            }
            message => (format!("this is not TOML: {message}"), "mend this line or the one above it".to_owned()),
        };
        self.located(span, String::new(), what, remedy)
    }

    /// The text is TOML, but not what this file may hold.
    fn misread(self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        if let Some((key, known)) = unknown_key(message) {
            let mut path = self.path_to(span.start).unwrap_or_default();
            path.pop();
            return self.located(span, describe(&path), format!("unknown key \"{key}\""), nearest(key, &known));
        }
        match message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
            Some((found, "a sequence")) if found == "map" && self.text[self.boundary(span.start)..].starts_with('[') => {
                let header = &self.text[span.start..span.end];
                self.fault(span.clone(), "there may be several of these", format!("write its header in double brackets: [{header}]"))
            }
            Some((found, "a table")) if found == "sequence" && self.text[self.boundary(span.start)..].starts_with("[[") => {
                let header = &self.text[span.start + 1..span.end - 1];
                self.fault(span.clone(), "there is only one of these", format!("write its header in single brackets: {header}"))
            }
            Some((found, wanted)) => {
                let (wanted, example) = wanted_in_words(wanted);
                self.fault(span, format!("{} is not {wanted}", found_in_words(found)), format!("write {example}"))
            }
            None => self.fault(span, message.to_owned(), "see the manual page of this file"),
        }
    }

    /// The keys that lead to what stands at `offset`.
    fn path_to(self, offset: usize) -> Option<Vec<Step>> {
        let tree = DeTable::parse(self.text).ok()?;
        let mut path = Vec::new();
        find(tree.get_ref(), offset, &mut path).then_some(path)
    }
}

impl<T> Placed<'_, T> {
    /// A fault at this place.
    pub(super) fn fault(&self, what: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        self.source.fault(self.span.clone(), what, remedy)
    }
}

/// One step on the way to a value.
#[derive(Debug)]
enum Step {
    Key(String),
    /// An entry of a list, and its name if it is a table that has one.
    Entry(usize, Option<String>),
}

/// Extends `path` to what stands at `offset`; false, and `path` as it was, if it is not in `table`.
///
/// A table's own span is only its header, so every table is looked into.
fn find(table: &DeTable<'_>, offset: usize, path: &mut Vec<Step>) -> bool {
    for (key, value) in table {
        path.push(Step::Key(key.get_ref().to_string()));
        if key.span().contains(&offset) && !matches!(value.get_ref(), DeValue::Array(list) if list.iter().any(|e| e.get_ref().is_table())) {
            return true;
        }
        let inside = match value.get_ref() {
            DeValue::Table(inner) => find(inner, offset, path),
            DeValue::Array(list) => list.iter().enumerate().any(|(index, entry)| {
                let table = entry.get_ref().as_table();
                path.push(Step::Entry(index, table.and_then(name_of)));
                let found = table.is_some_and(|inner| find(inner, offset, path)) || entry.span().contains(&offset);
                if !found {
                    path.pop();
                }
                found
            }),
            _ => false,
        };
        if inside || value.span().contains(&offset) || value.span() == (offset..offset) {
            return true;
        }
        path.pop();
    }
    false
}

fn name_of(table: &DeTable<'_>) -> Option<String> {
    table.get("name").and_then(|name| name.get_ref().as_str()).map(str::to_owned)
}

/// `target "shop", http.status`.
fn describe(path: &[Step]) -> String {
    let (mut head, mut keys) = (String::new(), Vec::<&str>::new());
    for (index, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) => keys.push(key),
            Step::Entry(number, name) if index == 1 => {
                let kind = keys.pop().unwrap_or_default();
                head = match name {
                    Some(name) => format!("{kind} \"{}\"", name.escape_debug()),
                    None => format!("{kind} number {}", number + 1),
                };
            }
            Step::Entry(..) => {}
        }
    }
    match (head.is_empty(), keys.is_empty()) {
        (true, _) => keys.join("."),
        (false, true) => head,
        (false, false) => format!("{head}, {}", keys.join(".")),
    }
}

/// The first key that has no place in any configuration, with the reason and the remedy.
fn refused(table: &DeTable<'_>, path: &mut Vec<String>) -> Option<(Range<usize>, String, String)> {
    table.iter().find_map(|(key, value)| {
        path.push(key.get_ref().to_string());
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let found = refusal(&keys).map(|(what, remedy)| (key.span(), what.to_owned(), remedy)).or_else(|| match value.get_ref() {
            DeValue::Table(inner) => refused(inner, path),
            DeValue::Array(list) => list.iter().filter_map(|entry| entry.get_ref().as_table()).find_map(|inner| refused(inner, path)),
            _ => None,
        });
        path.pop();
        found
    })
}

fn refusal(path: &[&str]) -> Option<(&'static str, String)> {
    let last = path.last().copied().unwrap_or_default().to_ascii_lowercase();
    if matches!(last.as_str(), "password" | "passwd" | "passphrase" | "smtp-password" | "smtp_password") {
        let remedy = format!(
            "remove it, and put the password into the credential {MAIL_CREDENTIAL} or alone into a file that password-file in [mail] names"
        );
        return Some(("a configuration file holds no passwords", remedy));
    }
    if matches!(last.as_str(), "authorization" | "proxy-authorization" | "cookie") && path.contains(&"headers") {
        let remedy = "remove it, and watch a page that needs no login; credentials of probes are not supported by this version";
        return Some(("a configuration file holds no credentials", remedy.to_owned()));
    }
    let remedy = match path {
        ["maintenance"] => "remove it, or write # before each of its lines",
        ["network", "git"] => "put network.toml and keys/ into the directory networks/ beside this file and give its name alone",
        ["target", _, "secret"] => "remove it, and watch a page that needs no login",
        _ => return None,
    };
    Some(("this is not supported by this version", remedy.to_owned()))
}

/// From "unknown field `x`, expected one of `a`, `b`": the key and the known ones.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let (key, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

/// The remedy for a word that is none of `known`: the one that was probably meant, or all of them.
pub(super) fn nearest(word: &str, known: &[&str]) -> String {
    let close = |known: &&&str| {
        let distance = strsim::osa_distance(&word.to_ascii_lowercase(), known);
        (distance <= (known.len() / 3).max(1)).then_some(distance)
    };
    let alike = || {
        known
            .iter()
            .map(|known| (strsim::jaro_winkler(word, known), known))
            .filter(|(likeness, _)| 0.85 < *likeness)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known)
    };
    let best = known.iter().filter_map(|word| close(&word).map(|distance| (distance, word))).min().map(|(_, word)| word);
    match best.or_else(alike) {
        Some(best) => format!("did you mean \"{best}\"?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// What serde calls a kind of value, in words, and an example.
fn wanted_in_words(wanted: &str) -> (&str, &str) {
    match wanted {
        "a string" => ("text", "it in quotes, as in \"ber1\""),
        "a boolean" => ("true or false", "true or false, without quotes"),
        "a sequence" => ("a list", "it in square brackets, as in [\"ber1\", \"fra1\"]"),
        "i64" => ("a whole number", "digits without quotes, as in 3"),
        "f64" => ("a number", "digits without quotes, as in 0.2"),
        "a table" | "a map" => ("a table", "it in braces, as in { bad = 3, good = 2 }"),
        other => (other, "what the manual page of this file says"),
    }
}

fn found_in_words(found: &str) -> String {
    let found = found.replace('`', "");
    match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "floating", number)) => format!("the number {}", number.trim_start_matches("point ")),
        Some(("boolean", word)) => word.to_owned(),
        _ if found == "map" => "a table".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ => found,
    }
}
