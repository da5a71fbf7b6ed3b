//! A simulated host's disk: what was committed, and nothing else.
//!
//! It is honest: a crash loses exactly what was not committed. It can be full for a while, and it can
//! be put back to an older state, as a restored backup does. Whether what is stored makes sense is
//! told by its return values and judged by `checks`.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::entry::{Entry, Stretch};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, EntryHash, IntentKey};

/// One host's disk.
#[derive(Debug, Default)]
pub struct Disk {
    /// Everything, in the order of the commits.
    entries: Vec<Entry>,
    chains: BTreeMap<ChainId, Vec<Entry>>,
    /// Since when, in true time, a receipt for a key is held.
    told: BTreeMap<IntentKey, u64>,
    /// Groups of keys that somebody has begun to act for, by ballot.
    begun: BTreeMap<EntryHash, Vec<IntentKey>>,
    incidents: BTreeSet<String>,
    /// No commit succeeds.
    pub full: bool,
    /// How many entries there were when the backup was made.
    backup: Option<usize>,
}

impl Disk {
    /// Stores entries. What does not fit its chain is refused, and said.
    pub fn commit(&mut self, at: u64, entries: &[Entry]) -> Result<(), String> {
        for entry in entries {
            self.put(at, entry)?;
        }
        Ok(())
    }

    /// Everything, chain by chain or in the order of the commits: a node may rely on neither.
    pub fn entries(&self, by_chain: bool) -> Vec<Entry> {
        if by_chain { self.chains.values().flatten().cloned().collect() } else { self.entries.clone() }
    }

    /// What a link asks for; what is not committed is not there.
    pub fn read(&self, stretches: &[Stretch]) -> Vec<Entry> {
        let read = |stretch: &Stretch| {
            let chain = self.chains.get(&stretch.chain).map_or(&[][..], Vec::as_slice);
            let place = |sequence: u64| usize::try_from(sequence).unwrap().min(chain.len());
            chain[place(stretch.first - 1)..place(stretch.last)].to_vec()
        };
        stretches.iter().flat_map(read).collect()
    }

    /// The last entry of each chain.
    pub fn heads(&self) -> impl Iterator<Item = (&ChainId, &Entry)> {
        self.chains.iter().filter_map(|(chain, entries)| Some((chain, entries.last()?)))
    }

    /// Since when a receipt for this key is held.
    pub fn told(&self, key: &IntentKey) -> Option<u64> {
        self.told.get(key).copied()
    }

    /// The keys that a ballot began to act for.
    pub fn begun(&self, ballot: &EntryHash) -> Vec<IntentKey> {
        self.begun.get(ballot).cloned().unwrap_or_default()
    }

    /// Whether an incident is known.
    pub fn knows(&self, incident: &str) -> bool {
        self.incidents.contains(incident)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes a backup, in place of the last one.
    pub fn back_up(&mut self) {
        self.backup = Some(self.entries.len());
    }

    /// Puts the last backup back, or an empty disk.
    pub fn restore(&mut self, at: u64) {
        self.keep(at, self.backup.unwrap_or(0));
    }

    /// Loses what was committed last, as no honest disk does.
    pub fn forget(&mut self, at: u64, last: usize) {
        self.keep(at, self.entries.len().saturating_sub(last));
    }

    /// Loses everything.
    pub fn wipe(&mut self, at: u64) {
        self.backup = None;
        self.keep(at, 0);
    }

    fn keep(&mut self, at: u64, count: usize) {
        let mut kept = std::mem::take(&mut self.entries);
        kept.truncate(count);
        *self = Self { full: self.full, backup: self.backup.filter(|made| *made <= count), ..Self::default() };
        for entry in kept {
            self.put(at, &entry).expect("what was stored once fits again");
        }
    }

    fn put(&mut self, at: u64, entry: &Entry) -> Result<(), String> {
        let chain = self.chains.entry(entry.header.chain).or_default();
        let (last, hash) = chain.last().map_or((0, EntryHash([0; 32])), |last| (last.header.sequence, last.hash));
        if entry.header.sequence != last + 1 || entry.header.previous != hash {
            return Err(format!("{} {} is stored after {last}", entry.header.chain, entry.header.sequence));
        }
        chain.push(entry.clone());
        self.entries.push(entry.clone());
        for fact in entry.facts.iter() {
            match fact {
                Fact::Done(done) if done.success => {
                    for key in &done.keys {
                        self.told.entry(*key).or_insert(at);
                    }
                }
                Fact::Executing(executing) => {
                    self.begun.insert(executing.ballot, executing.keys.clone());
                }
                Fact::Opened(opened) => {
                    self.incidents.insert(opened.incident.to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }
}
