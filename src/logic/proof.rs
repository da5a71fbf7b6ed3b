//! Proofs: entries that stand by themselves, and what of the journal they end.
//!
//! Two entries that one author signed for one place prove that its chain forked. Nobody can say which
//! branch is the true one, so the chain ends before the lowest such place that is known. A revocation
//! or retirement by an admin ends a key's membership, and its chains at the heads that it names.
//!
//! What ends where is a function of the set of proofs, so that whoever knows the same ones cuts the
//! same: a fork only moves an end down, a revocation only up, and the lower of both holds. Proofs outlive
//! the chains in which they stood, also those of an admin that is revoked itself: two admins who revoke
//! each other are both revoked. How forks are found is `fork`'s affair; how proofs travel, and what
//! becomes of links and votes, is not known here.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use crate::base::entry::Entry;
use crate::base::fact::{Fact, Revoked};
use crate::base::id::{ChainId, Incarnation, Lane, NodeId};
use crate::base::limits;
use crate::base::settings::{Member, Role};

/// Everything that is proved, and what follows from it.
#[derive(Debug, Default)]
pub struct Proofs {
    /// Those of the settings, whoever of them is revoked.
    members: BTreeSet<NodeId>,
    admins: BTreeSet<NodeId>,
    /// The lowest known fork of each chain, without what the two entries say.
    forks: BTreeMap<ChainId, (Entry, Entry)>,
    /// What was said of memberships that are over, by what is said and by whom.
    words: BTreeMap<[u8; 32], Word>,
    /// Bytes of the entries of `words`.
    weight: usize,
    /// What follows from the words of those who are admins.
    endings: BTreeMap<NodeId, Ending>,
    /// Lives of authors below these are over for good: their forks prove nothing that matters any more.
    floors: BTreeMap<NodeId, Incarnation>,
}

/// One revocation or retirement, as somebody signed it.
#[derive(Debug)]
struct Word {
    by: NodeId,
    retired: bool,
    said: Revoked,
    entry: Entry,
}

/// The end of a key's membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The admin who said so; of several always the same one.
    pub by: NodeId,
    /// Why, in that admin's words.
    pub reason: String,
    /// Nothing that the node says of itself and of targets is believed any more, whenever it said it.
    pub retired: bool,
    heads: BTreeMap<(Incarnation, Lane), u64>,
}

/// What became of entries that were to stand by themselves.
#[derive(Debug, Default)]
pub struct Taken {
    /// What was not known: to be stored and passed on, the two halves of a fork one after the other.
    pub news: Vec<Entry>,
    /// An entry that proves nothing here, and why.
    pub refused: Option<(NodeId, &'static str)>,
}

impl Proofs {
    /// Takes the roster of the settings: whose chains and whose words count.
    pub fn enrol(&mut self, members: &[Member]) {
        self.members = members.iter().map(|member| member.node).collect();
        self.admins = members.iter().filter(|member| member.role == Role::Admin).map(|member| member.node).collect();
        self.derive();
    }

    /// Begins anew with what is stored: proofs, and the lowest lives in force.
    pub fn restore(&mut self, stored: &[Entry], floors: &[(NodeId, Incarnation)]) {
        self.floors = floors.iter().copied().collect();
        self.forks.clear();
        self.words.clear();
        self.weight = 0;
        // Whoever was a member when it was stored may be one again later.
        for (one, other) in pairs(stored.iter()) {
            self.fork(one, other);
        }
        for entry in stored {
            self.hear(entry);
        }
        self.derive();
    }

    /// Takes entries that stand by themselves; their signatures were checked. `may_fork` says whether forks are
    /// taken in at the moment; those that are not come again.
    pub fn take(&mut self, entries: &[Entry], may_fork: impl FnMut() -> bool) -> Taken {
        let mut may_fork = may_fork;
        let mut taken = Taken::default();
        let mut useful = BTreeSet::new();
        // What an admin said may contradict what it said before.
        let before: Vec<Entry> = self.words.values().map(|word| word.entry.clone()).collect();
        for (one, other) in pairs(before.iter().chain(entries)) {
            useful.extend([one.hash, other.hash]);
            if !self.members.contains(&one.header.chain.author) {
                taken.refused = Some((one.header.chain.author, "it is a fork of a key that is not in the roster"));
            } else if self.is_lower(one) && may_fork() {
                self.fork(one, other);
                taken.news.extend([one.clone(), other.clone()]);
            }
        }
        for entry in entries {
            let author = entry.header.chain.author;
            if !has_words(entry) {
                if !useful.contains(&entry.hash) {
                    taken.refused = Some((author, "it proves nothing"));
                }
            } else if !self.admins.contains(&author) {
                taken.refused =
                    Some((author, "only an admin of the network may revoke or retire; is network.toml the same here and there?"));
            } else if self.is_full(entry) {
                taken.refused = Some((author, "more was revoked than any network has nodes; is an admin's key in wrong hands?"));
            } else if self.hear(entry) && !taken.news.iter().any(|known| known.hash == entry.hash) {
                taken.news.push(entry.clone());
            }
        }
        if !taken.news.is_empty() {
            self.derive();
        }
        taken
    }

    /// The first sequence number of a chain from which on nothing is in force, from 1;
    /// `u64::MAX` while the chain goes on.
    #[must_use]
    pub fn end(&self, chain: &ChainId) -> u64 {
        let fork =
            if self.is_faithless(&chain.author) { 1 } else { self.forks.get(chain).map_or(u64::MAX, |(one, _)| one.header.sequence) };
        let head = |ending: &Ending| ending.heads.get(&(chain.incarnation, chain.lane)).copied().unwrap_or(0).saturating_add(1);
        fork.min(self.endings.get(&chain.author).map_or(u64::MAX, head))
    }

    /// How a node's membership ended, if it did.
    #[must_use]
    pub fn ending(&self, node: &NodeId) -> Option<&Ending> {
        self.endings.get(node)
    }

    /// Nodes whose membership ended.
    pub fn endings(&self) -> impl Iterator<Item = (&NodeId, &Ending)> {
        self.endings.iter()
    }

    /// The lowest known fork of each forked chain.
    pub fn forks(&self) -> impl Iterator<Item = (&ChainId, u64)> {
        self.forks.iter().map(|(chain, (one, _))| (chain, one.header.sequence))
    }

    /// Whether the author signed two things for one place in so many chains that none of them is believed.
    #[must_use]
    pub fn is_faithless(&self, author: &NodeId) -> bool {
        limits::FORKS <= self.forks_of(author)
    }

    /// An author's lives before this one are over for good.
    pub fn floor(&mut self, author: NodeId, incarnation: Incarnation) {
        self.floors.insert(author, incarnation);
        self.forks.retain(|chain, _| chain.author != author || incarnation <= chain.incarnation);
    }

    /// No floor of an author holds any more.
    pub fn unfloor(&mut self, author: &NodeId) {
        self.floors.remove(author);
    }

    /// Whether nothing is proved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forks.is_empty() && self.words.is_empty()
    }

    /// All of it, as it is sent: the two halves of a fork one after the other.
    #[must_use]
    pub fn all(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.forks.values().flat_map(|(one, other)| [one.clone(), other.clone()]).collect();
        let words: BTreeMap<_, _> = self.words.values().map(|word| (word.entry.hash, &word.entry)).collect();
        all.extend(words.into_values().cloned());
        all
    }

    /// A digest of what follows from the proofs: equal digests mean equal ends. None if nothing is proved.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        let known = self.forks.iter().filter(|(chain, _)| self.members.contains(&chain.author));
        for (chain, (one, _)) in known {
            hasher.update(&chain.author.0);
            if !self.is_faithless(&chain.author) {
                hasher.update(&chain.incarnation.opened.to_be_bytes());
                hasher.update(&chain.incarnation.nonce);
                hasher.update(&[chain.lane.number()]);
                hasher.update(&one.header.sequence.to_be_bytes());
            }
        }
        for (what, _) in self.words.iter().filter(|(_, word)| self.admins.contains(&word.by)) {
            hasher.update(what);
        }
        (hasher.count() != 0).then(|| *hasher.finalize().as_bytes())
    }

    fn forks_of(&self, author: &NodeId) -> usize {
        let first = ChainId { author: *author, incarnation: Incarnation { opened: 0, nonce: [0; 16] }, lane: Lane::State };
        self.forks.range(first..).take_while(|(chain, _)| chain.author == *author).take(limits::FORKS).count()
    }

    /// Whether a fork at this entry's place changes anything.
    fn is_lower(&self, one: &Entry) -> bool {
        let chain = &one.header.chain;
        if self.floors.get(&chain.author).is_some_and(|floor| chain.incarnation < *floor) {
            return false;
        }
        self.forks.get(chain).is_none_or(|(known, _)| one.header.sequence < known.header.sequence) && !self.is_faithless(&chain.author)
    }

    /// Keeps a fork if it is lower than any known of its chain.
    fn fork(&mut self, one: &Entry, other: &Entry) {
        if self.is_lower(one) {
            self.forks.insert(one.header.chain, (one.bare(), other.bare()));
        }
    }

    /// Keeps what an entry says of memberships. True if any of it is news.
    fn hear(&mut self, entry: &Entry) -> bool {
        let mut news = false;
        for (number, retired, said) in words(entry) {
            let by = entry.header.chain.author;
            let mut hasher = blake3::Hasher::new();
            hasher.update(&by.0).update(&number.kind().to_be_bytes()).update(&number.body());
            let what = *hasher.finalize().as_bytes();
            if let btree_map::Entry::Vacant(place) = self.words.entry(what) {
                place.insert(Word { by, retired, said: said.clone(), entry: entry.clone() });
                self.weight += entry.bytes().len();
                news = true;
            }
        }
        news
    }

    fn is_full(&self, entry: &Entry) -> bool {
        limits::PROOFS <= self.words.len() || limits::PROOF_BYTES < self.weight + entry.bytes().len()
    }

    /// Makes the endings from the words.
    fn derive(&mut self) {
        self.endings.clear();
        for word in self.words.values().filter(|word| self.admins.contains(&word.by)) {
            let fresh = || Ending { by: word.by, reason: word.said.reason.clone(), retired: false, heads: BTreeMap::new() };
            let ending = self.endings.entry(word.said.node).or_insert_with(fresh);
            ending.retired |= word.retired;
            for mark in &word.said.heads {
                let head = ending.heads.entry((mark.incarnation, mark.lane)).or_default();
                *head = mark.sequence.max(*head);
            }
        }
    }
}

/// Whether an entry says that a membership is over, and so may be a proof.
#[must_use]
pub fn has_words(entry: &Entry) -> bool {
    words(entry).next().is_some()
}

/// What an entry says of memberships that are over: the fact, whether it retires, and of whom.
fn words(entry: &Entry) -> impl Iterator<Item = (&Fact, bool, &Revoked)> {
    let at_home = entry.header.chain.lane == Lane::State;
    entry.facts.iter().filter(move |_| at_home).filter_map(|fact| match fact {
        Fact::Revoked(said) => Some((fact, false, said)),
        Fact::Retired(said) => Some((fact, true, said)),
        _ => None,
    })
}

/// The lowest two entries of each chain that contradict each other.
fn pairs<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<(&'a Entry, &'a Entry)> {
    let mut places: BTreeMap<(ChainId, u64), &Entry> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for entry in entries {
        let place = (entry.header.chain, entry.header.sequence);
        let first = places.entry(place).or_insert(entry);
        if first.hash != entry.hash {
            found.entry(place).or_insert((*first, entry));
        }
    }
    let mut lowest: BTreeMap<ChainId, (&Entry, &Entry)> = BTreeMap::new();
    for ((chain, _), pair) in found {
        lowest.entry(chain).or_insert(pair);
    }
    lowest.into_values().collect()
}

#[cfg(test)]
mod tests;
