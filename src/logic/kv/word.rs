//! The word that holds on one key, and where else the key is spoken of.
//!
//! Which of two words holds is decided by their stance; what becomes of a part is not known here.

use std::sync::Arc;

use crate::base::fact::{Deleted, Fact, Put};
use crate::base::id::{Incarnation, NodeId};
use crate::base::kv::{Change, Item};
use crate::base::time::Wall;

/// Up to which sequence number of which life.
pub(super) type Place = (Incarnation, u64);

/// The word that holds on one key.
#[derive(Debug)]
pub(super) struct Said {
    /// In which life it was said first.
    pub(super) life: Incarnation,
    pub(super) revision: u64,
    /// Where it stands last.
    pub(super) place: Place,
    /// For each life in whose entries the key is spoken of: the last place there.
    pub(super) places: Vec<Place>,
    /// There are places in lower lives that are not kept.
    pub(super) deeper: bool,
    pub(super) at: Wall,
    /// None: it is deleted.
    pub(super) item: Option<Arc<Item>>,
}

/// What was said of a key, without its place and age.
#[derive(Clone, Debug)]
pub struct Word {
    pub(super) key: Arc<str>,
    pub(super) at: Wall,
    pub(super) item: Option<Arc<Item>>,
}

impl Word {
    /// The fact that says it, as of this life and revision.
    #[must_use]
    pub fn fact(&self, life: Incarnation, revision: u64) -> Fact {
        let (key, at) = (self.key.to_string(), self.at.0);
        match &self.item {
            Some(item) => Fact::Put(Put { key, value: item.value.clone(), media: item.media.clone(), revision, at, life }),
            None => Fact::Deleted(Deleted { key, revision, at, life }),
        }
    }
}

/// Lives in whose entries one key may be spoken of with all places kept: an honest node has the present
/// one and, until its first checkpoint, those that were cut short before theirs.
const PLACES: usize = 4;

impl Said {
    /// The order of words on one key.
    pub(super) const fn stance(&self) -> (Incarnation, u64, Place) {
        (self.life, self.revision, self.place)
    }

    /// The key is spoken of at a place.
    pub(super) fn meet(&mut self, place: Place) {
        match self.places.iter_mut().find(|known| known.0 == place.0) {
            Some(known) => known.1 = known.1.max(place.1),
            None => self.places.push(place),
        }
        if PLACES < self.places.len() {
            self.places.sort_unstable();
            self.places.remove(0);
            self.deeper = true;
        }
    }

    /// Nothing up to a place is in force. None: the word still is; else whether another may be.
    pub(super) fn forget(&mut self, upto: Place) -> Option<bool> {
        self.places.retain(|place| place.0 != upto.0 || upto.1 < place.1);
        (self.place.0 == upto.0 && self.place.1 <= upto.1).then_some(self.deeper || !self.places.is_empty())
    }

    /// Whether an entry of another life than that in which it stands speaks of the key.
    pub(super) fn is_contradicted(&self) -> bool {
        self.deeper || self.places.iter().any(|place| place.0 != self.place.0)
    }

    pub(super) fn put(&self, key: &Arc<str>, item: &Item) -> Fact {
        let Item { value, media, revision, at } = item.clone();
        Fact::Put(Put { key: key.to_string(), value, media, revision, at: at.0, life: self.life })
    }

    /// Of media type and value.
    pub(super) fn bytes(&self) -> usize {
        self.item.as_ref().map_or(0, |item| item.value.len() + item.media.len())
    }

    /// The change that the key is gone without a word of its author.
    pub(super) fn gone(&self, node: NodeId, key: Arc<str>) -> Change {
        Change { number: 0, node, name: String::new(), key, revision: self.revision, at: self.at, item: None }
    }
}
