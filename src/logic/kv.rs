//! The key/value store as the journal says it: one part for each author, and what changed of it.
//!
//! A fold over the set of entries in force. Of all that was said of a key in its author's part, the last
//! word of the highest life holds. A word keeps the life and the revision in which it was said first:
//! saying it again, as a checkpoint does, moves the place where it stands and changes nothing, even where
//! a life that knows little says again what a later word of an earlier life has overtaken. Beside each
//! word stands where else the key is spoken of, so that forgetting what lies below a base is done at once
//! where that is exact, and asks for a new fold where it is not.
//!
//! A base is often heard of before the entries that say again what lived below it, as by a node that was
//! away. Until these are here the part stays as it was, so that nothing seems to go and come back.
//!
//! Changes gather until the turn ends; then [`Parts::offer`] makes of them what faces read and follow.
//! What was offered counts as seen only when the turn is committed ([`Parts::performed`]); so whoever
//! follows sees each change once, and none that a failed commit undoes. Who may write, and when a
//! checkpoint is due, is not decided here.

mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::base::fact::{Deleted, Fact, Put};
use crate::base::id::{Incarnation, NodeId};
use crate::base::kv::{self, Change, Item, Part, Values, Write};
use crate::base::limits;
use crate::base::settings::Member;
use crate::base::time::Wall;

pub use word::Word;
use word::{Place, Said};

/// Everybody's parts.
#[derive(Debug, Default)]
pub struct Parts {
    authors: BTreeMap<NodeId, Author>,
    /// Changes that were not offered yet, without number and name.
    pending: Vec<Change>,
    /// Parts that differ from what was offered last.
    touched: BTreeSet<NodeId>,
    /// What faces have.
    shown: Values,
    /// What they get when the last turn is committed.
    offered: Option<Values>,
    /// All parts must be made again.
    stale: bool,
}

/// What one author said.
#[derive(Debug, Default)]
struct Author {
    keys: BTreeMap<Arc<str>, Said>,
    /// Of keys, media types and values.
    bytes: usize,
    /// It said more than anybody may; nothing is kept until it is folded again.
    overfull: bool,
    /// What is to be forgotten once the entries are here that say again what lives.
    due: Vec<Due>,
}

/// Something is not in force any more, as the entry at a place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    over: Over,
    said: Place,
}

/// What is not in force any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// A life up to a sequence number.
    Upto(Place),
    /// All lives before this one.
    Before(Incarnation),
}

/// Bases of one author that wait for entries: one for each of its lives that is cut short.
const DUE: usize = 16;

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What is to be deleted is not there: its key.
    Absent(String),
    /// A sentence with the remedy.
    Refused(String),
}

impl Parts {
    /// Nothing yet; `run` names this run of the daemon.
    #[must_use]
    pub fn new(run: u64) -> Self {
        Self { shown: Values::new(run), stale: true, ..Self::default() }
    }

    /// Takes a put or a deletion from an entry of the author's state lane; `news` if it does not come from
    /// the store. Other facts are nothing to it, and neither is what breaks the rules.
    pub fn fold(&mut self, news: bool, author: NodeId, incarnation: Incarnation, sequence: u64, fact: &Fact) {
        let (key, revision, life, at, item) = match fact {
            Fact::Put(put) if is_sound(put) => (&put.key, put.revision, put.life, put.at, Some(item(put))),
            Fact::Deleted(gone) if kv::check_key(&gone.key).is_ok() => (&gone.key, gone.revision, gone.life, gone.at, None),
            _ => return,
        };
        let part = self.authors.entry(author).or_default();
        // Nobody honest says again what a life to come will say.
        if part.overfull || incarnation < life {
            return;
        }
        let (place, at) = ((incarnation, sequence), Wall(at));
        let said = Said { life, revision, place, places: vec![place], deeper: false, at, item };
        let Some((key, item)) = part.say(key, said) else { return };
        self.touched.insert(author);
        if news {
            self.pending.push(Change { number: 0, node: author, name: String::new(), key, revision, at, item });
        }
        if limits::KV_LIVES * (limits::KV_KEYS + limits::KV_GONE) < part.keys.len() || limits::KV_LIVES * limits::KV_BYTES < part.bytes {
            let keys = std::mem::take(&mut part.keys);
            *part = Author { overfull: true, ..Author::default() };
            let gone = keys.into_iter().filter(|(_, said)| news && said.item.is_some());
            self.pending.extend(gone.map(|(key, said)| said.gone(author, key)));
        }
    }

    /// Nothing up to `upto` of one of the author's state chains is in force any more, as the entry at
    /// `said` declares; the state chain in which that stands is known up to `known`. True if what is left
    /// can only be told by folding everything again.
    pub fn forget(&mut self, author: NodeId, upto: Place, said: Place, known: u64) -> bool {
        self.lose(author, Due { over: Over::Upto(upto), said }, known)
    }

    /// Nothing of incarnations before this one is in force any more. As [`Parts::forget`].
    pub fn floor(&mut self, author: NodeId, floor: Incarnation, said: Place, known: u64) -> bool {
        self.lose(author, Due { over: Over::Before(floor), said }, known)
    }

    fn lose(&mut self, author: NodeId, due: Due, known: u64) -> bool {
        let Some(part) = self.authors.get_mut(&author) else { return false };
        if known < due.said.1 && part.due.len() < DUE {
            part.due.push(due);
            return false;
        }
        self.drop_words(author, |word| due.over.takes(word))
    }

    /// All entries of the author's state chain up to a place are folded. As [`Parts::forget`].
    pub fn reached(&mut self, author: NodeId, place: Place) -> bool {
        let Some(part) = self.authors.get_mut(&author).filter(|part| !part.due.is_empty()) else { return false };
        let due: Vec<Due> = part.due.extract_if(.., |due| due.said.0 == place.0 && due.said.1 <= place.1).collect();
        let mut again = false;
        for due in due {
            again |= self.drop_words(author, |word| due.over.takes(word));
        }
        again
    }

    /// Drops each word of which the closure says so; it says, too, whether something else may hold then.
    fn drop_words(&mut self, author: NodeId, mut drops: impl FnMut(&mut Said) -> Option<bool>) -> bool {
        let Some(part) = self.authors.get_mut(&author) else { return false };
        let mut again = part.overfull;
        let dropped: Vec<(Arc<str>, Said)> =
            part.keys.extract_if(.., |_, said| drops(said).inspect(|other| again |= other).is_some()).collect();
        for (key, said) in dropped {
            part.bytes -= key.len() + said.bytes();
            self.touched.insert(author);
            if said.item.is_some() {
                self.pending.push(said.gone(author, key));
            }
        }
        again
    }

    /// What a checkpoint of this author says again: all that is in its part, and deletions of what one
    /// of its older lives may still say. In the order in which it was said, for those who read only that.
    #[must_use]
    pub fn facts(&self, author: &NodeId) -> Vec<Fact> {
        let Some(part) = self.authors.get(author) else { return Vec::new() };
        let fact = |(key, said): (&Arc<str>, &Said)| match &said.item {
            Some(item) => Some(said.put(key, item)),
            None if said.is_contradicted() => {
                let Said { revision, at, life, .. } = *said;
                Some(Fact::Deleted(Deleted { key: key.to_string(), revision, at: at.0, life }))
            }
            None => None,
        };
        let mut words: Vec<(&Arc<str>, &Said)> = part.keys.iter().collect();
        words.sort_by_key(|(_, said)| (said.life, said.revision));
        words.into_iter().filter_map(fact).collect()
    }

    /// What this author said first in one of its lives and still holds, as new words of another: each with the revision
    /// that the caller gives it. In the order in which it was said.
    #[must_use]
    pub fn renewed(&self, author: &NodeId, from: Incarnation) -> Vec<Word> {
        let Some(part) = self.authors.get(author) else { return Vec::new() };
        let mut words: Vec<(&Arc<str>, &Said)> = part.keys.iter().filter(|(_, said)| said.life == from).collect();
        words.sort_by_key(|(_, said)| said.revision);
        words.into_iter().map(|(key, said)| Word { key: key.clone(), at: said.at, item: said.item.clone() }).collect()
    }

    /// How many facts a checkpoint of this author says again, about.
    #[must_use]
    pub fn living(&self, author: &NodeId) -> usize {
        self.authors.get(author).map_or(0, |part| part.keys.len() - part.deleted())
    }

    /// Whether this author has deleted so much that a checkpoint is worth its while.
    #[must_use]
    pub fn is_worn(&self, author: &NodeId) -> bool {
        let goes = |said: &&Said| said.item.is_none() && !said.is_contradicted();
        self.authors.get(author).is_some_and(|part| limits::KV_KEYS < part.keys.values().filter(goes).count())
    }

    /// The facts that write all of this, or none of it, in the author's part, in its present life.
    ///
    /// # Errors
    /// Why none of it can be written.
    pub fn draft(&self, author: &NodeId, life: Incarnation, writes: &[Write], revision: u64, at: Wall) -> Result<Vec<Fact>, Refusal> {
        let nothing = Author::default();
        let part = self.authors.get(author).unwrap_or(&nothing);
        let mut draft: BTreeMap<&str, Fact> = BTreeMap::new();
        for write in writes {
            let (key, fact) = part.word(&draft, write, (life, revision), at)?;
            match fact {
                // What is put and deleted together never was.
                Fact::Deleted(_) if part.live(key).is_none() => draft.remove(key),
                fact => draft.insert(key, fact),
            };
        }
        part.has_room(&draft)?;
        Ok(draft.into_values().collect())
    }

    /// What faces get after this turn, if it is anything new. `me` is this node's name.
    pub fn offer(&mut self, me: &str, roster: &[Member]) -> Option<Values> {
        if self.pending.is_empty() && self.touched.is_empty() && !self.stale {
            return None;
        }
        let base = self.values().clone();
        self.drop_strangers(&base, roster);
        let known: BTreeMap<NodeId, &Arc<Part>> = base.parts.iter().map(|part| (part.node, part)).collect();
        let part = |member: &Member| match known.get(&member.node) {
            Some(part) if !self.stale && !self.touched.contains(&member.node) => (*part).clone(),
            _ => Arc::new(self.part(member)),
        };
        let parts: Arc<[Arc<Part>]> = roster.iter().map(part).collect();
        let name = |node: &NodeId| {
            let member = roster.iter().find(|member| member.node == *node).map(|member| member.name.clone());
            member.or_else(|| known.get(node).map(|part| part.name.clone())).unwrap_or_else(|| node.short())
        };
        let changes = std::mem::take(&mut self.pending).into_iter().map(|change| Change { name: name(&change.node), ..change });
        let values = base.with(me, parts, changes.collect());
        self.touched.clear();
        self.stale = false;
        self.offered = Some(values.clone());
        Some(values)
    }

    /// A part whose author is no member any more is gone, whatever else was to be told of it.
    fn drop_strangers(&mut self, base: &Values, roster: &[Member]) {
        let stranger = |node: &NodeId| !roster.iter().any(|member| member.node == *node);
        self.pending.retain(|change| !stranger(&change.node));
        for part in base.parts.iter().filter(|part| stranger(&part.node)) {
            let gone = |(key, item): (&Arc<str>, &Arc<Item>)| Change {
                number: 0,
                node: part.node,
                name: part.name.clone(),
                key: key.clone(),
                revision: item.revision,
                at: item.at,
                item: None,
            };
            self.pending.extend(part.items.iter().map(gone));
        }
    }

    /// A run begins: what was read from the store is how things are, and no change.
    pub fn begin(&mut self, me: &str, roster: &[Member]) {
        self.pending.clear();
        self.stale = true;
        self.offer(me, roster);
        self.performed();
    }

    /// What was offered last.
    #[must_use]
    pub fn values(&self) -> &Values {
        self.offered.as_ref().unwrap_or(&self.shown)
    }

    /// The last turn was committed.
    pub fn performed(&mut self) {
        if let Some(offered) = self.offered.take() {
            self.shown = offered;
        }
    }

    /// What was offered in the last turn has not been seen by anybody: its commit failed.
    pub fn undone(&mut self) {
        self.offered = None;
    }

    /// The names of nodes may have changed.
    pub fn renamed(&mut self) {
        self.stale = true;
    }

    /// Goes on, after a new fold, for whoever followed the one before.
    pub fn resume(&mut self, before: Self) {
        let mut old: BTreeMap<NodeId, BTreeMap<Arc<str>, Arc<Item>>> =
            before.values().parts.iter().map(|part| (part.node, part.items.clone())).collect();
        for change in &before.pending {
            let items = old.entry(change.node).or_default();
            match &change.item {
                Some(item) => items.insert(change.key.clone(), item.clone()),
                None => items.remove(&change.key),
            };
        }
        let authors: BTreeSet<NodeId> = old.keys().chain(self.authors.keys()).copied().collect();
        (self.shown, self.offered, self.pending) = (before.shown, before.offered, before.pending);
        let nothing = BTreeMap::new();
        for author in authors {
            let mut changes = self.differences(author, old.get(&author).unwrap_or(&nothing));
            changes.sort_by_key(|change| change.revision);
            self.pending.append(&mut changes);
        }
        self.stale = true;
    }

    /// What leads from old items of an author to its present ones.
    fn differences(&self, author: NodeId, old: &BTreeMap<Arc<str>, Arc<Item>>) -> Vec<Change> {
        let nothing = Author::default();
        let part = self.authors.get(&author).unwrap_or(&nothing);
        let change = |key: &Arc<str>, revision, at, item| Change {
            number: 0,
            node: author,
            name: String::new(),
            key: key.clone(),
            revision,
            at,
            item,
        };
        let now = part.keys.iter().filter_map(|(key, said)| {
            let item = said.item.as_ref().filter(|item| old.get(key) != Some(item))?;
            Some(change(key, said.revision, said.at, Some(item.clone())))
        });
        let gone = old.iter().filter(|(key, _)| part.live(key).is_none()).map(|(key, item)| {
            let (revision, at) = part.keys.get(key).map_or((item.revision, item.at), |said| (said.revision, said.at));
            change(key, revision, at, None)
        });
        now.chain(gone).collect()
    }

    fn part(&self, member: &Member) -> Part {
        let author = self.authors.get(&member.node);
        let said = || author.into_iter().flat_map(|author| &author.keys);
        Part {
            node: member.node,
            name: member.name.clone(),
            revision: said().map(|(_, said)| said.revision).max().unwrap_or(0),
            overfull: author.is_some_and(|author| author.overfull),
            items: said().filter_map(|(key, said)| Some((key.clone(), said.item.clone()?))).collect(),
        }
    }

    /// What the journal says of one author's part, as text: equal on nodes with equal heads.
    #[must_use]
    pub fn records(&self, author: &NodeId) -> String {
        let mut text = String::new();
        let Some(part) = self.authors.get(author) else { return text };
        if part.overfull {
            text += "its part is overfull\n";
        }
        for (key, said) in &part.keys {
            let item = said.item.as_ref().map(|item| (&item.media, blake3::hash(&item.value).to_hex()));
            let _ = writeln!(text, "{key} {:?} {} {} {item:?}", said.life, said.revision, said.at.0);
        }
        text
    }
}

impl Author {
    /// Takes a word on a key; what is under it now, if that is something else than before.
    fn say(&mut self, key: &str, mut word: Said) -> Option<(Arc<str>, Option<Arc<Item>>)> {
        let Some((key, known)) = self.keys.get_key_value(key).map(|(key, _)| key.clone()).and_then(|key| {
            let known = self.keys.get_mut(&key)?;
            Some((key, known))
        }) else {
            let key: Arc<str> = key.into();
            self.bytes += key.len() + word.bytes();
            let item = word.item.clone();
            self.keys.insert(key.clone(), word);
            return item.is_some().then_some((key, item));
        };
        if word.stance() < known.stance() {
            known.meet(word.place);
            return None;
        }
        let same = word.item == known.item;
        if same {
            // One value in memory, however often it is said.
            word.item.clone_from(&known.item);
        }
        (word.places, word.deeper) = (std::mem::take(&mut known.places), known.deeper);
        word.meet(word.place);
        self.bytes = self.bytes + word.bytes() - known.bytes();
        let item = word.item.clone();
        *known = word;
        (!same).then_some((key, item))
    }

    fn live(&self, key: &str) -> Option<&Arc<Item>> {
        self.keys.get(key)?.item.as_ref()
    }

    fn deleted(&self) -> usize {
        self.keys.values().filter(|said| said.item.is_none()).count()
    }

    /// The fact that writes this, after what is drafted already.
    fn word<'w>(
        &self,
        draft: &BTreeMap<&str, Fact>,
        write: &'w Write,
        (life, revision): (Incarnation, u64),
        at: Wall,
    ) -> Result<(&'w str, Fact), Refusal> {
        match write {
            Write::Put { key, value, media } => {
                let media = if media.is_empty() { kv::media_of(value) } else { media };
                let sound = kv::check_key(key).and_then(|()| kv::check_value(value)).and_then(|()| kv::check_media(media));
                sound.map_err(Refusal::Refused)?;
                let fact = Put { key: key.clone(), value: value.clone(), media: media.into(), revision, at: at.0, life };
                Ok((key, Fact::Put(fact)))
            }
            Write::Delete { key } => {
                let there = match draft.get(key.as_str()) {
                    Some(fact) => matches!(fact, Fact::Put(_)),
                    None => self.live(key).is_some(),
                };
                if !there {
                    return Err(Refusal::Absent(key.clone()));
                }
                Ok((key, Fact::Deleted(Deleted { key: key.clone(), revision, at: at.0, life })))
            }
        }
    }

    /// Whether a draft fits into one entry, and the part into its limits afterwards.
    fn has_room(&self, draft: &BTreeMap<&str, Fact>) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal::Refused(why));
        // A kind and a length stand before each fact.
        let size: usize = draft.values().map(|fact| fact.body().len() + 6).sum();
        if limits::KV_BATCH < size || limits::ENTRY_FACTS < draft.len() {
            let (bytes, facts) = (limits::KV_BATCH, limits::ENTRY_FACTS);
            return refuse(format!(
                "what is written together must fit into one entry of {bytes} bytes and {facts} keys, and this is {size} bytes and {} keys; \
                 write it in several steps",
                draft.len()
            ));
        }
        let (mut keys, mut bytes, mut deleted) = (0, 0, self.deleted());
        for (key, said) in &self.keys {
            if let Some(item) = said.item.as_ref().filter(|_| !draft.contains_key(&**key)) {
                keys += 1;
                bytes += key.len() + item.value.len() + item.media.len();
            }
        }
        let mut puts = 0;
        for (key, fact) in draft {
            match fact {
                Fact::Put(put) => {
                    puts += 1;
                    bytes += key.len() + put.value.len() + put.media.len();
                }
                _ => deleted += 1,
            }
        }
        if 0 < puts && (limits::KV_KEYS < keys + puts || limits::KV_BYTES < bytes) {
            let (most_keys, most_bytes) = (limits::KV_KEYS, limits::KV_BYTES);
            return refuse(format!(
                "this node's part may hold {most_keys} keys and {most_bytes} bytes, and would have {} keys and {bytes} bytes; \
                 delete what is not needed any more (peerwatchctl kv list)",
                keys + puts
            ));
        }
        if limits::KV_GONE < deleted {
            return refuse("too much was deleted in a short time; try again in a minute, after the next checkpoint".into());
        }
        Ok(())
    }
}

impl Over {
    /// Takes it from what is known of a key. None: its word still holds; else whether another may.
    fn takes(self, word: &mut Said) -> Option<bool> {
        match self {
            Self::Upto(upto) => word.forget(upto),
            Self::Before(floor) => {
                if word.places.iter().any(|place| place.0 < floor) {
                    word.places.retain(|place| floor <= place.0);
                    word.deeper = false;
                }
                (word.place.0 < floor).then_some(!word.places.is_empty())
            }
        }
    }
}

/// Whether a value keeps the rules; no honest node writes another.
fn is_sound(put: &Put) -> bool {
    kv::check_key(&put.key).is_ok() && kv::check_value(&put.value).is_ok() && kv::check_media(&put.media).is_ok()
}

fn item(put: &Put) -> Arc<Item> {
    Arc::new(Item { value: put.value.clone(), media: put.media.clone(), revision: put.revision, at: Wall(put.at) })
}

#[cfg(test)]
mod tests;
