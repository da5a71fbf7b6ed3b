//! The key/value store: what is under a key, what changes, and what is asked to be written.
//!
//! Values are bytes. Those that are text stand as they are, others in base64; exactly one of the two
//! fields is filled where there is a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::moment;
use crate::base::kv::{self, Change, Item, Write};
use crate::base::limits;

/// One key and what is known of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Whose part it is in.
    pub node: String,
    /// The key.
    pub key: String,
    /// The revision that wrote it.
    pub revision: u64,
    /// When, by its author's clock.
    pub at: String,
    /// Its media type.
    pub media: String,
    /// Its length.
    pub bytes: usize,
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What is known of it.
    #[serde(flatten)]
    pub about: Value,
    /// The value if it is text.
    pub value: Option<String>,
    /// The value if it is not.
    pub base64: Option<String>,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// The place after this change, for going on from here.
    pub cursor: String,
    /// Whose part.
    pub node: String,
    /// The key.
    pub key: String,
    /// The author's revision.
    pub revision: u64,
    /// When, by its author's clock.
    pub at: String,
    /// Whether the key is gone.
    pub deleted: bool,
    /// The media type of the value; null if the key is gone.
    pub media: Option<String>,
    /// The value if it is text.
    pub value: Option<String>,
    /// The value if it is not.
    pub base64: Option<String>,
}

/// One node's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The node.
    pub node: String,
    /// The greatest revision in it.
    pub revision: u64,
    /// How many keys it has.
    pub keys: usize,
    /// It is larger than it may be, and nothing of it is kept.
    pub overfull: bool,
}

/// One thing to be written, as programs say it: `{"put": KEY, "value": TEXT}`, where `base64` may stand
/// in place of `value` and `media` beside it, or `{"delete": KEY}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    put: Option<String>,
    delete: Option<String>,
    value: Option<String>,
    base64: Option<String>,
    media: Option<String>,
}

/// What is known of one value.
#[must_use]
pub fn value(node: &str, key: &str, item: &Item) -> Value {
    Value {
        node: node.into(),
        key: key.into(),
        revision: item.revision,
        at: moment(item.at),
        media: item.media.clone(),
        bytes: item.value.len(),
    }
}

/// One value with what is known of it.
#[must_use]
pub fn content(node: &str, key: &str, item: &Item) -> Content {
    let (text, base64) = written(&item.value);
    Content { about: value(node, key, item), value: text, base64 }
}

/// Bytes as text if they are, else in base64.
fn written(value: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(value) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(STANDARD.encode(value))),
    }
}

impl ValueChange {
    /// The change together with the value that it led to.
    #[must_use]
    pub fn carrying(self, value: &[u8]) -> Self {
        let (value, base64) = written(value);
        Self { value, base64, ..self }
    }
}

/// One change, in a run of the daemon.
#[must_use]
pub fn value_change(run: u64, change: &Change) -> ValueChange {
    let item = change.item.as_deref();
    let (value, base64) = item.map(|item| written(&item.value)).unwrap_or_default();
    ValueChange {
        cursor: kv::Cursor { run, number: change.number }.to_string(),
        node: change.name.clone(),
        key: change.key.to_string(),
        revision: change.revision,
        at: moment(change.at),
        deleted: item.is_none(),
        media: item.map(|item| item.media.clone()),
        value,
        base64,
    }
}

/// One node's part.
#[must_use]
pub fn part(part: &kv::Part) -> Part {
    Part { node: part.name.clone(), revision: part.revision, keys: part.items.len(), overfull: part.overfull }
}

/// Reads an array of what is to be written together.
///
/// # Errors
/// A sentence for whoever wrote it.
pub fn writes(text: &[u8]) -> Result<Vec<Write>, String> {
    let wanted: Vec<Wanted> = serde_json::from_slice(text).map_err(|error| {
        format!("this is no batch: {error}; write [{{\"put\": \"key\", \"value\": \"text\"}}, {{\"delete\": \"key\"}}]")
    })?;
    if limits::ENTRY_FACTS < wanted.len() {
        return Err(format!("a batch holds at most {} changes, and this has {}; write it in several", limits::ENTRY_FACTS, wanted.len()));
    }
    wanted.into_iter().enumerate().map(|(place, wanted)| write(wanted).map_err(|why| format!("change {}: {why}", place + 1))).collect()
}

fn write(wanted: Wanted) -> Result<Write, String> {
    match wanted {
        Wanted { put: Some(key), delete: None, value, base64, media } => {
            let value = match (value, base64) {
                (Some(text), None) => text.into_bytes(),
                (None, Some(text)) => STANDARD.decode(text).map_err(|error| format!("its base64 cannot be read: {error}"))?,
                _ => return Err("a put needs either value, which is text, or base64".into()),
            };
            Ok(Write::Put { key, value, media: media.unwrap_or_default() })
        }
        Wanted { put: None, delete: Some(key), value: None, base64: None, media: None } => Ok(Write::Delete { key }),
        _ => Err("it must have either put, with value or base64, or delete alone".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::id::NodeId;
    use crate::base::time::Wall;

    #[test]
    fn a_batch_is_read_or_refused_with_the_place() {
        let text = br#"[{"put": "a", "value": "x"}, {"put": "b", "base64": "/w==", "media": "image/png"}, {"delete": "c"}]"#;
        let expected = vec![
            Write::Put { key: "a".into(), value: b"x".into(), media: String::new() },
            Write::Put { key: "b".into(), value: vec![0xff], media: "image/png".into() },
            Write::Delete { key: "c".into() },
        ];
        assert_eq!(writes(text), Ok(expected));
        for (bad, why) in [
            (r#"[{"put": "a"}]"#, "change 1: a put needs"),
            (r#"[{"delete": "a"}, {"put": "a", "value": "", "base64": ""}]"#, "change 2: a put needs"),
            (r#"[{"put": "a", "delete": "a", "value": "x"}]"#, "either put"),
            (r#"[{"put": "a", "base64": "*"}]"#, "base64 cannot"),
            (r#"[{"put": "a", "vlaue": "x"}]"#, "unknown field `vlaue`"),
            (r#"{"put": "a"}"#, "this is no batch"),
            ("", "this is no batch"),
        ] {
            assert!(writes(bad.as_bytes()).unwrap_err().contains(why), "{bad}: {:?}", writes(bad.as_bytes()));
        }
    }

    #[test]
    fn a_change_carries_text_as_text_and_bytes_as_base64() {
        let change = |value: &[u8]| {
            let item = Item { value: value.into(), media: "x/y".into(), revision: 3, at: Wall(0) };
            let (name, key) = ("ber1".into(), "k".into());
            Change { number: 2, node: NodeId([1; 32]), name, key, revision: 3, at: Wall(0), item: Some(Arc::new(item)) }
        };
        let text = value_change(1, &change("ä".as_bytes()));
        assert_eq!((text.cursor.as_str(), text.value.as_deref(), text.base64), ("0000000000000001.2", Some("ä"), None));
        let bytes = value_change(1, &change(&[0xff]));
        assert_eq!((bytes.value, bytes.base64.as_deref()), (None, Some("/w==")));
        let gone = value_change(1, &Change { item: None, ..change(b"") });
        assert_eq!((gone.deleted, gone.media, gone.value, gone.base64), (true, None, None, None));
    }
}
