//! The key/value store as values: what a key is, what is kept under it, what is asked and what is told.
//!
//! Each node has a part of its own, in which only it writes; everybody holds and reads all parts.
//! [`Values`] is all of it at one moment together with the last changes that led there, so that a
//! reader who follows needs no queue: it remembers a place ([`Cursor`]) and asks for what came after.
//! Changes are numbered by each run of a daemon; their order is that of their author, and nothing
//! orders the changes of two authors. How parts come to be is `logic::kv`'s affair.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use crate::base::id::NodeId;
use crate::base::limits;
use crate::base::time::Wall;

/// What is kept under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub value: Vec<u8>,
    /// Its media type.
    pub media: String,
    /// The revision that wrote it: what was written together has one, and each is greater than the
    /// author's before, in all its lives.
    pub revision: u64,
    /// When it was put, by its author's wall clock.
    pub at: Wall,
}

/// One node's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The greatest revision in it, deletions included that are not pruned yet.
    pub revision: u64,
    /// It is larger than any node may make it, and nothing of it is kept.
    pub overfull: bool,
    /// What is in it.
    pub items: BTreeMap<Arc<str>, Arc<Item>>,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number in this run of the daemon: one more than that of the change before.
    pub number: u64,
    /// Whose part.
    pub node: NodeId,
    /// The node's name.
    pub name: String,
    /// The key.
    pub key: Arc<str>,
    /// The author's revision. A part that is no longer believed, or that its author has pruned, is gone
    /// with the revision that it had.
    pub revision: u64,
    /// When, by the author's wall clock.
    pub at: Wall,
    /// What is under the key now; none if it is gone.
    pub item: Option<Arc<Item>>,
}

/// A place in the changes of one run of a daemon: everything up to its number is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The run, a random number.
    pub run: u64,
    /// The last change known; zero before the first.
    pub number: u64,
}

/// All parts at one moment, and the last changes. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The name of this node.
    pub me: String,
    /// Where this moment lies among the changes.
    pub cursor: Cursor,
    /// One part for each member of the network, in the order of the roster; empty ones too.
    pub parts: Arc<[Arc<Part>]>,
    recent: Arc<Recent>,
}

/// The last changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recent {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
}

/// What a face asks to be written in this node's own part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Keep this under the key, in place of what is there.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// Its media type; empty: [`media_of`] says it.
        media: String,
    },
    /// Let go of a key.
    Delete {
        /// The key.
        key: String,
    },
}

/// A key and whose part it is in: `KEY`, `NODE/KEY` or, for a key of this node with a slash in it, `/KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The node's name; none for this node.
    pub node: Option<String>,
    /// The key.
    pub key: String,
}

impl Address {
    /// Reads what a person wrote.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (node, key) = text.split_once('/').map_or((None, text), |(node, key)| (Some(node), key));
        check_key(key)?;
        Ok(Self { node: node.filter(|node| !node.is_empty()).map(ToOwned::to_owned), key: key.into() })
    }
}

/// What of all values is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only of this node; none: of all.
    pub node: Option<String>,
    /// Only keys that begin so.
    pub prefix: String,
    /// Only where this stands in the key or in a value that is text, by case.
    pub text: String,
    /// Only what comes after this node and key.
    pub after: Option<(String, String)>,
}

/// One value that was found, with whose part it is in and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The part.
    pub part: Arc<Part>,
    /// The key.
    pub key: Arc<str>,
    /// What is under it.
    pub item: Arc<Item>,
}

/// Whether this can be a key: 1 to [`limits::KV_KEY`] bytes without control characters.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("the key is empty; give it a name, as in motd or config/theme".into());
    }
    if limits::KV_KEY < key.len() {
        return Err(format!("the key has {} bytes; it may have {}", key.len(), limits::KV_KEY));
    }
    if key.chars().any(char::is_control) {
        return Err("the key has control characters in it; leave them out".into());
    }
    Ok(())
}

/// Whether this can be a media type: `type/subtype` and perhaps parameters, in visible ASCII, so that it
/// can stand in a header as it is.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_media(media: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("the media type {why}; write it as in text/plain or image/png"));
    if limits::KV_MEDIA < media.len() {
        return refuse(&format!("has more than {} bytes", limits::KV_MEDIA));
    }
    if !media.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return refuse("has characters in it that are no visible ASCII");
    }
    let token = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c));
    let essence = media.split(';').next().unwrap_or_default().trim_end();
    match essence.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) => Ok(()),
        _ => refuse("is not two words with a slash between them"),
    }
}

/// Whether this can be a value: at most [`limits::KV_VALUE`] bytes.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_value(value: &[u8]) -> Result<(), String> {
    if limits::KV_VALUE < value.len() {
        let most = limits::KV_VALUE;
        return Err(format!("the value has {} bytes; it may have {most}, so keep it elsewhere and put its address here", value.len()));
    }
    Ok(())
}

/// The media type of a value that came without one.
#[must_use]
pub const fn media_of(value: &[u8]) -> &'static str {
    if std::str::from_utf8(value).is_ok() { "text/plain; charset=utf-8" } else { "application/octet-stream" }
}

impl Item {
    /// The value, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }

    /// Whether `text` stands in it, by case. What is not text has no text in it.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.text().is_some_and(|value| value.contains(text))
    }
}

impl Values {
    /// No values, at the beginning of a run.
    #[must_use]
    pub fn new(run: u64) -> Self {
        Self { cursor: Cursor { run, number: 0 }, ..Self::default() }
    }

    /// One node's part; an empty name stands for this node.
    #[must_use]
    pub fn part(&self, node: &str) -> Option<&Arc<Part>> {
        let name = if node.is_empty() { &self.me } else { node };
        self.parts.iter().find(|part| part.name == name)
    }

    /// What is under a key of a node's part; an empty name stands for this node.
    #[must_use]
    pub fn get(&self, node: &str, key: &str) -> Option<&Arc<Item>> {
        self.part(node)?.items.get(key)
    }

    /// The first values that are wanted, at most so many, by node in the order of the roster and by key.
    #[must_use]
    pub fn find(&self, query: &Query, most: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let after = query.after.as_ref().map(|(node, key)| (node.as_str(), key.as_str()));
        let first = after.and_then(|(node, _)| self.parts.iter().position(|part| part.name == node)).unwrap_or(0);
        for part in &self.parts[first..] {
            if query.node.as_ref().is_some_and(|node| *node != part.name) {
                continue;
            }
            let after = after.filter(|(node, _)| *node == part.name).map(|(_, key)| key);
            let from = after.filter(|key| query.prefix.as_str() <= *key).map_or(Bound::Included(query.prefix.as_str()), Bound::Excluded);
            let begins = part.items.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(&query.prefix));
            let wanted = begins.filter(|(key, item)| query.text.is_empty() || key.contains(&query.text) || item.contains(&query.text));
            let wanted = wanted.map(|(key, item)| Found { part: part.clone(), key: key.clone(), item: item.clone() });
            found.extend(wanted.take(most - found.len()));
            if found.len() == most {
                break;
            }
        }
        found
    }

    /// The first change after a place. The outer none: changes in between are not known any more, or the
    /// place is of another run, so that whoever follows must read everything again.
    #[must_use]
    pub fn after(&self, place: Cursor) -> Option<Option<&Arc<Change>>> {
        let behind = self.cursor.number.checked_sub(place.number).filter(|_| place.run == self.cursor.run)?;
        let skipped = (self.recent.changes.len() as u64).checked_sub(behind)?;
        Some(self.recent.changes.get(usize::try_from(skipped).ok()?))
    }

    /// The same, after these changes, whose numbers follow; with these parts.
    #[must_use]
    pub fn with(&self, me: &str, parts: Arc<[Arc<Part>]>, changes: Vec<Change>) -> Self {
        let mut recent = self.recent.clone();
        let mut cursor = self.cursor;
        if !changes.is_empty() {
            let recent = Arc::make_mut(&mut recent);
            for change in changes {
                cursor.number += 1;
                recent.push(Change { number: cursor.number, ..change });
            }
        }
        Self { me: me.into(), cursor, parts, recent }
    }
}

impl Recent {
    fn push(&mut self, change: Change) {
        self.bytes += change.weight();
        self.changes.push_back(Arc::new(change));
        while limits::KV_RECENT < self.changes.len() || limits::KV_RECENT_BYTES < self.bytes {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= oldest.weight();
        }
    }
}

impl Change {
    /// Bytes in memory, about.
    fn weight(&self) -> usize {
        128 + self.key.len() + self.name.len() + self.item.as_ref().map_or(0, |item| item.value.len() + item.media.len())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.run, self.number)
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |(run, number): (&str, &str)| Some(Self { run: u64::from_str_radix(run, 16).ok()?, number: number.parse().ok()? });
        text.split_once('.').and_then(read).ok_or_else(|| format!("\"{text}\" is no cursor; use one that came with a list or an event"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: usize) -> Change {
        let item = Item { value: vec![0; value], media: "a/b".into(), revision: 1, at: Wall(0) };
        let item = Some(Arc::new(item));
        Change { number: 0, node: NodeId([1; 32]), name: "a".into(), key: key.into(), revision: 1, at: Wall(0), item }
    }

    fn follow(values: &Values, mut place: Cursor) -> Option<Vec<u64>> {
        let mut seen = Vec::new();
        while let Some(change) = values.after(place)? {
            place.number = change.number;
            seen.push(change.number);
        }
        Some(seen)
    }

    #[test]
    fn an_address_names_a_node_or_means_this_one() {
        let read = |text| Address::parse(text).map(|address| (address.node.unwrap_or_default(), address.key));
        for (text, node, key) in
            [("motd", "", "motd"), ("ber1/motd", "ber1", "motd"), ("ber1/a/b", "ber1", "a/b"), ("/a/b", "", "a/b"), ("//a", "", "/a")]
        {
            assert_eq!(read(text), Ok((node.into(), key.into())), "{text}");
        }
        for text in ["", "ber1/", "/", "a\nb", &"x".repeat(limits::KV_KEY + 1)] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_media_type_can_stand_in_a_header() {
        for media in ["text/plain", "text/plain; charset=utf-8", "application/vnd.api+json", "image/svg+xml"] {
            assert_eq!(check_media(media), Ok(()), "{media}");
        }
        let long = format!("a/{}", "b".repeat(limits::KV_MEDIA));
        for media in ["", "text", "/", "text/", "a b/c", "text/plain\r\nX: y", "text/pläin", &long] {
            assert!(check_media(media).is_err(), "{media}");
        }
        assert_eq!([media_of("ä".as_bytes()), media_of(&[0xff])], ["text/plain; charset=utf-8", "application/octet-stream"]);
    }

    #[test]
    fn whoever_follows_gets_each_change_once_from_any_place() {
        let mut values = Values::new(7);
        let start = values.cursor;
        assert_eq!(follow(&values, start), Some(vec![]));
        values = values.with("a", Arc::default(), vec![change("x", 1), change("y", 1)]);
        values = values.with("a", Arc::default(), vec![change("x", 1)]);
        assert_eq!(follow(&values, start), Some(vec![1, 2, 3]));
        assert_eq!(follow(&values, Cursor { number: 2, ..start }), Some(vec![3]));
        assert_eq!(follow(&values, values.cursor), Some(vec![]));
    }

    #[test]
    fn who_is_too_far_behind_or_of_another_run_is_told() {
        let mut values = Values::new(7);
        let start = values.cursor;
        values = values.with("a", Arc::default(), (0..limits::KV_RECENT).map(|_| change("x", 1)).collect());
        assert!(follow(&values, start).is_some());
        values = values.with("a", Arc::default(), vec![change("x", 1)]);
        assert_eq!(follow(&values, start), None);
        assert!(follow(&values, Cursor { number: 1, ..start }).is_some());
        assert_eq!(follow(&values, Cursor { run: 8, number: 5 }), None);
        assert_eq!(follow(&values, Cursor { number: values.cursor.number + 1, ..start }), None, "nobody can have seen it");
    }

    #[test]
    fn what_is_wanted_is_found_page_by_page() {
        let part = |node: u8, name: &str, keys: &[(&str, &str)]| {
            let item = |value: &str| Item { value: value.into(), media: "text/plain".into(), revision: 1, at: Wall(0) };
            let items = keys.iter().map(|(key, value)| ((*key).into(), Arc::new(item(value)))).collect();
            Arc::new(Part { node: NodeId([node; 32]), name: name.into(), revision: 1, overfull: false, items })
        };
        let parts = [part(1, "b", &[("net/a", "one"), ("net/b", "two"), ("on", "x")]), part(2, "a", &[("net/a", "one"), ("z", "stone")])];
        let values = Values::new(1).with("b", Arc::new(parts), vec![]);
        let find = |query: &Query, most| -> Vec<String> {
            values.find(query, most).iter().map(|found| format!("{}/{}", found.part.name, found.key)).collect()
        };
        let query = |node: Option<&str>, prefix: &str, text: &str| Query {
            node: node.map(Into::into),
            prefix: prefix.into(),
            text: text.into(),
            after: None,
        };
        assert_eq!(find(&query(None, "", ""), 9), ["b/net/a", "b/net/b", "b/on", "a/net/a", "a/z"]);
        assert_eq!(find(&query(None, "net/", ""), 9), ["b/net/a", "b/net/b", "a/net/a"]);
        assert_eq!(find(&query(Some("a"), "", "one"), 9), ["a/net/a", "a/z"]);
        assert_eq!(find(&query(None, "", "on"), 9), ["b/net/a", "b/on", "a/net/a", "a/z"]);
        let mut all = Vec::new();
        let mut next = query(None, "", "on");
        while let Some(found) = values.find(&next, 1).pop() {
            all.push(format!("{}/{}", found.part.name, found.key));
            next.after = Some((found.part.name.clone(), found.key.to_string()));
        }
        assert_eq!(all, ["b/net/a", "b/on", "a/net/a", "a/z"]);
    }

    #[test]
    fn large_values_push_old_changes_out_earlier() {
        let many = limits::KV_RECENT_BYTES / limits::KV_VALUE + 2;
        assert!(many < limits::KV_RECENT);
        let values = Values::new(7).with("a", Arc::default(), (0..many).map(|_| change("x", limits::KV_VALUE)).collect());
        assert_eq!(follow(&values, Cursor { run: 7, number: 0 }), None);
        assert!(values.recent.bytes <= limits::KV_RECENT_BYTES);
    }

    #[test]
    fn a_cursor_is_read_back() {
        let cursor = Cursor { run: 0xfeed, number: 42 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "1", "x.1", "1.", "1.-1"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
