//! A simulated host's disk: what was written and synced, and nothing else.
//!
//! It is honest. What is written is only there once it is synced; until then it is one transaction of
//! which a crash leaves all or nothing. It can be full for a while, it can rot (which is found when the
//! place is read), and it can be put back to an older state, as a restored backup does. Whether what is
//! stored makes sense is told by its return values and judged by `checks`.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::entry::{Entry, Past, Record, Stretch};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, IntentKey, NodeId};
use peerwatch::base::time::Wall;
use peerwatch::base::wire::Head;

/// One host's disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    image: Image,
    /// What was written and may be lost, in order.
    unsynced: Vec<Record>,
    /// No commit succeeds.
    pub full: bool,
    backup: Option<Image>,
    /// Entries with a flipped bit that nobody has read since.
    rotten: BTreeSet<EntryHash>,
}

/// What is on the disk at some moment.
#[derive(Clone, Debug, Default)]
struct Image {
    chains: BTreeMap<ChainId, Chain>,
    /// Places of entries in the order of the commits; those that were dropped since are still named.
    order: Vec<(ChainId, u64)>,
    floors: BTreeMap<NodeId, Incarnation>,
    proofs: Vec<Entry>,
    count: usize,
    bytes: u64,
    /// Since when, in true time, a receipt for a key is held, and where.
    told: BTreeMap<IntentKey, (u64, ChainId, u64)>,
    incidents: BTreeSet<String>,
}

/// One chain, from its base on.
#[derive(Clone, Debug)]
struct Chain {
    /// Nothing up to here is held.
    base: u64,
    /// Hash of the entry at the base.
    foot: EntryHash,
    entries: Vec<Entry>,
    /// The last Lamport number seen.
    lamport: u64,
}

/// Something that was read has a flipped bit.
#[derive(Clone, Copy, Debug)]
pub struct Rot;

impl Disk {
    /// Writes records; they are not there before they are synced.
    pub fn write(&mut self, records: &[Record]) {
        self.unsynced.extend(records.iter().cloned());
    }

    /// Writes and syncs at once, for those to whom a crash between the two is nothing.
    pub fn commit(&mut self, at: u64, records: &[Record]) -> Result<(), String> {
        self.write(records);
        self.sync(at).map(drop)
    }

    /// Makes everything written last. What does not fit is refused, and said. Returns what was made to last.
    pub fn sync(&mut self, at: u64) -> Result<Vec<Record>, String> {
        let records = std::mem::take(&mut self.unsynced);
        records.iter().try_for_each(|record| self.image.take(at, record))?;
        Ok(records)
    }

    /// What was not synced is gone.
    pub fn lose(&mut self) {
        self.unsynced.clear();
    }

    /// Everything that is folded, chain by chain or in the order of the commits: a node may rely on neither.
    pub fn entries(&self, by_chain: bool) -> Result<Vec<Entry>, Rot> {
        let entries: Vec<Entry> = if by_chain {
            self.image.chains.values().flat_map(|chain| &chain.entries).cloned().collect()
        } else {
            self.image.order.iter().filter_map(|(chain, sequence)| self.image.get(chain, *sequence)).cloned().collect()
        };
        self.sound(entries)
    }

    /// Entries that stand by themselves.
    pub fn proofs(&self) -> &[Entry] {
        &self.image.proofs
    }

    /// What is known besides the entries.
    pub fn past(&self) -> Past {
        let tip = |(chain, held): (&ChainId, &Chain)| (held.head(*chain), held.lamport);
        Past {
            tips: self.image.held().map(tip).collect(),
            floors: self.image.floors.iter().map(|(author, floor)| (*author, *floor)).collect(),
            proofs: self.image.proofs.clone(),
            entries: self.image.count as u64,
        }
    }

    /// What a link asks for; what is not synced is not there.
    pub fn read(&self, stretches: &[Stretch]) -> Result<Vec<Entry>, Rot> {
        let read = |stretch: &Stretch| {
            let chain = stretch.chain;
            (stretch.first..=stretch.last).filter_map(move |sequence| self.image.get(&chain, sequence))
        };
        self.sound(stretches.iter().flat_map(read).cloned().collect())
    }

    /// The last entry of a chain that was written before a time, up to a place.
    pub fn find(&self, chain: &ChainId, before: Wall, most: u64) -> Option<(u64, EntryHash)> {
        let old = |entry: &&Entry| entry.header.wall < before && entry.header.sequence <= most;
        let found = self.image.chains.get(chain)?.entries.iter().take_while(old).last()?;
        Some((found.header.sequence, found.hash))
    }

    /// The first of these entries that is not the one held at its place, and that one.
    pub fn differing(&self, entries: &[Entry]) -> Option<(Entry, Entry)> {
        let pair = |entry: &Entry| {
            let held = self.get(&entry.header.chain, entry.header.sequence).filter(|held| held.hash != entry.hash)?;
            Some((held.clone(), entry.clone()))
        };
        entries.iter().find_map(pair)
    }

    /// Bytes of all entries.
    pub fn bytes(&self) -> u64 {
        self.image.bytes
    }

    /// What is held at one place.
    pub fn get(&self, chain: &ChainId, sequence: u64) -> Option<&Entry> {
        self.image.get(chain, sequence)
    }

    /// The end of each chain.
    pub fn heads(&self) -> impl Iterator<Item = Head> {
        self.image.held().map(|(chain, held)| held.head(*chain))
    }

    /// How far one chain is held.
    pub fn head(&self, chain: &ChainId) -> u64 {
        self.image.chains.get(chain).map_or(0, |held| held.head(*chain).sequence)
    }

    /// Since when a receipt for this key is held.
    pub fn told(&self, key: &IntentKey) -> Option<u64> {
        self.image.told.get(key).map(|(at, ..)| *at)
    }

    /// Whether an incident is known.
    pub fn knows(&self, incident: &str) -> bool {
        self.image.incidents.contains(incident)
    }

    pub fn len(&self) -> usize {
        self.image.count
    }

    /// Flips a bit in one of the entries held. False if there is none.
    pub fn rot(&mut self, pick: u64) -> bool {
        let held: Vec<&(ChainId, u64)> = self.image.order.iter().filter(|(chain, sequence)| self.get(chain, *sequence).is_some()).collect();
        let place = held.get(usize::try_from(pick % held.len().max(1) as u64).unwrap());
        let hash = place.and_then(|(chain, sequence)| self.get(chain, *sequence)).map(|entry| entry.hash);
        self.rotten.extend(hash);
        hash.is_some()
    }

    /// Makes a backup, in place of the last one.
    pub fn back_up(&mut self) {
        self.backup = Some(self.image.clone());
    }

    /// Puts the last backup back, or an empty disk.
    pub fn restore(&mut self, at: u64) {
        self.image = self.backup.clone().unwrap_or_default();
        // What it holds it holds since now.
        self.image.told.values_mut().for_each(|told| told.0 = at);
        self.rotten.clear();
    }

    /// Loses what was committed last, as no honest disk does.
    pub fn forget(&mut self, last: usize) {
        for _ in 0..last {
            if let Some((chain, sequence)) = self.image.order.pop() {
                self.image.cut(&chain, sequence);
            }
        }
    }

    /// Loses everything.
    pub fn wipe(&mut self) {
        *self = Self { full: self.full, ..Self::default() };
    }

    fn sound(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, Rot> {
        let rotten = !self.rotten.is_empty() && entries.iter().any(|entry| self.rotten.contains(&entry.hash));
        if rotten { Err(Rot) } else { Ok(entries) }
    }
}

impl Image {
    fn get(&self, chain: &ChainId, sequence: u64) -> Option<&Entry> {
        let held = self.chains.get(chain)?;
        held.entries.get(usize::try_from(sequence.checked_sub(held.base + 1)?).unwrap())
    }

    /// Chains of which anything is known.
    fn held(&self) -> impl Iterator<Item = (&ChainId, &Chain)> {
        self.chains.iter().filter(|(_, held)| !held.is_empty())
    }

    fn take(&mut self, at: u64, record: &Record) -> Result<(), String> {
        match record {
            Record::Entry(entry) => self.put(at, entry)?,
            Record::Base(head) => self.rebase(head)?,
            Record::Floor(author, floor) => {
                let gone = |chain: &ChainId| chain.author == *author && chain.incarnation < *floor;
                let chains: Vec<ChainId> = self.chains.keys().filter(|chain| gone(chain)).copied().collect();
                chains.iter().for_each(|chain| self.cut(chain, 0));
                self.chains.retain(|chain, _| !gone(chain));
                self.floors.insert(*author, *floor);
            }
            Record::Unfloor(author) => {
                self.floors.remove(author);
            }
            Record::Cut(chain, end) => self.cut(chain, *end),
            Record::Proof(entry) => {
                if !self.proofs.iter().any(|known| known.bytes() == entry.bytes()) {
                    self.proofs.push(entry.clone());
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, at: u64, entry: &Entry) -> Result<(), String> {
        let (chain, sequence) = (entry.header.chain, entry.header.sequence);
        let held = self.chains.entry(chain).or_default();
        let head = held.head(chain);
        if sequence != head.sequence + 1 || entry.header.previous != head.hash {
            return Err(format!("{chain} {sequence} is stored after {}", head.sequence));
        }
        if self.floors.get(&chain.author).is_some_and(|floor| chain.incarnation < *floor) {
            return Err(format!("{chain} {sequence} is stored and is below its author's floor"));
        }
        held.lamport = entry.header.lamport;
        held.entries.push(entry.clone());
        self.order.push((chain, sequence));
        self.count += 1;
        self.bytes += entry.bytes().len() as u64;
        for fact in entry.facts.iter() {
            match fact {
                Fact::Done(done) if done.success => {
                    for key in &done.keys {
                        self.told.entry(*key).or_insert((at, chain, sequence));
                    }
                }
                Fact::Opened(opened) => {
                    self.incidents.insert(opened.incident.to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Nothing up to a base is held any more.
    fn rebase(&mut self, base: &Head) -> Result<(), String> {
        let held = self.chains.entry(base.chain).or_default();
        if base.base < held.base || base.sequence != base.base {
            return Err(format!("the base of {} goes from {} to {}", base.chain, held.base, base.base));
        }
        let place = |held: &Chain| usize::try_from(base.base - held.base).unwrap();
        let known = if base.base == held.base { Some(held.foot) } else { held.entries.get(place(held) - 1).map(|entry| entry.hash) };
        // Of two branches of which nothing else is left that with the greater hash counts.
        let other = base.base == held.base && held.entries.is_empty() && held.foot.0 < base.hash.0;
        if known.is_some_and(|known| known != base.hash) && !other {
            return Err(format!("the base {} of {} is not the entry there", base.base, base.chain));
        }
        let count = held.entries.len().min(place(held));
        let gone: Vec<Entry> = held.entries.drain(..count).collect();
        (held.base, held.foot) = (base.base, base.hash);
        self.drop_all(&gone);
        Ok(())
    }

    /// Nothing from `end` on is held any more.
    fn cut(&mut self, chain: &ChainId, end: u64) {
        let Some(held) = self.chains.get_mut(chain) else { return };
        if end == 0 {
            let gone = std::mem::take(held);
            self.drop_all(&gone.entries);
            return;
        }
        let keep = usize::try_from(end.saturating_sub(held.base + 1)).unwrap().min(held.entries.len());
        let gone = held.entries.split_off(keep);
        self.drop_all(&gone);
        let entries = self.chains.values().flat_map(|chain| &chain.entries);
        let facts = entries.flat_map(|entry| entry.facts.iter());
        let incident = |fact: &Fact| if let Fact::Opened(opened) = fact { Some(opened.incident.to_string()) } else { None };
        self.incidents = facts.filter_map(incident).collect();
    }

    fn drop_all(&mut self, entries: &[Entry]) {
        self.count -= entries.len();
        for entry in entries {
            self.bytes -= entry.bytes().len() as u64;
            let place = (entry.header.chain, entry.header.sequence);
            self.told.retain(|_, (_, chain, sequence)| (*chain, *sequence) != place);
        }
    }
}

impl Chain {
    fn head(&self, chain: ChainId) -> Head {
        let last = self.entries.last().map_or((self.base, self.foot), |last| (last.header.sequence, last.hash));
        Head { chain, sequence: last.0, hash: last.1, base: self.base }
    }

    fn is_empty(&self) -> bool {
        self.base == 0 && self.entries.is_empty()
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self { base: 0, foot: EntryHash([0; 32]), entries: Vec::new(), lamport: 0 }
    }
}
