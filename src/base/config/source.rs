//! A file's text, and how a fault in it is told: file, line, what it is about, what is wrong, remedy.
//!
//! Places are byte ranges of the text. Which key of which table a place belongs to is found only when
//! there is something to tell, by reading the text once more.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use crate::base::config::wording::{Found, elsewhere, in_words, nearest, refusal, unknown_key};
use crate::base::config::{ConfigError, Excerpt, Layer};

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

    /// The fault of a name that stands for two things of one kind.
    pub(super) fn fault_of_twins(self, kind: &str, first: &Spanned<String>, second: &'a Spanned<String>) -> ConfigError {
        let line = self.line(first.span().start);
        let what = format!("there is a {kind} of this name in line {line} already");
        self.at(second).fault(what, "remove one of the two, or rename it")
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
            line: Some(self.line(start)),
            place,
            what: what.into(),
            remedy: remedy.into(),
            excerpt: (!secret && line.len() <= 200).then(|| Box::new(excerpt)),
        }
    }

    /// The line that holds the byte at `index`, counted from 1.
    fn line(self, index: usize) -> usize {
        self.text[..self.boundary(index)].matches('\n').count() + 1
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
            while path.pop().is_some_and(|step| matches!(step, Step::Entry(..))) {}
            let remedy = elsewhere(key, path.is_empty()).map_or_else(|| nearest(key, &known, "known here:"), str::to_owned);
            return self.located(span, describe(&path), format!("unknown key \"{key}\""), remedy);
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
                let path = self.path_to(span.start).unwrap_or_default();
                let key = path.iter().rev().find_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None });
                let found = Found::of(found);
                let remedy = found.remedy(wanted, key.unwrap_or_default());
                self.located(span, describe(&path), format!("{} is not {}", found.words, in_words(wanted)), remedy)
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
    /// A table in a list, by its number from 0, and its name if it has one.
    Entry(usize, Option<String>),
}

/// Extends `path` to what stands at `offset`; false, and `path` as it was, if it is not in `table`.
///
/// A table's own span is only its header, so every table is looked into.
fn find(table: &DeTable<'_>, offset: usize, path: &mut Vec<Step>) -> bool {
    for (key, value) in table {
        path.push(Step::Key(key.get_ref().to_string()));
        if key.span().contains(&offset)
            && !value.get_ref().as_array().is_some_and(|list| list.iter().any(|entry| entry.get_ref().is_table()))
        {
            return true;
        }
        let inside = match value.get_ref() {
            DeValue::Table(inner) => find(inner, offset, path),
            DeValue::Array(list) => list.iter().enumerate().any(|(index, entry)| {
                let Some(inner) = entry.get_ref().as_table() else { return entry.span().contains(&offset) };
                path.push(Step::Entry(index, name_of(inner)));
                let found = find(inner, offset, path) || entry.span().contains(&offset);
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

/// `target "shop", http.status`; what a table's name is wrong about is the table.
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
    match &keys[..] {
        _ if head.is_empty() => keys.join("."),
        [] | ["name"] => head,
        _ => format!("{head}, {}", keys.join(".")),
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
