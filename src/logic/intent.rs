//! Who performs an action that many want: votes, leases, take-over. It knows nothing of mail.
//!
//! All votes are journal entries, so what is voted is a fold over the set of entries: proposals,
//! grants, yields, beginnings and receipts, each kept as it was said. What a node does next follows
//! from that set, from its own forward-only clock, and from whom it sees alive. A ballot is one
//! proposal for a group of keys and is named by the entry that proposes it.
//!
//! The rules are those of the manual's section on guarantees: a candidate acts only when every voter
//! that it sees has granted every key and its ballot is young; it yields to a better rank until it
//! has begun; a grant is released by the candidate's yield or receipt, or when the candidate is dead
//! and the lease has passed here. The parent seals what [`Intents::turn`] returns, one step at a time.

mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::base::fact::{Done, Executing, Fact, Grant, Propose, Yield};
use crate::base::id::{ChainId, Domain, EntryHash, Incarnation, IntentKey, NodeId};
use crate::base::limits;
use crate::base::time::{Mono, Now, Span, Wall};

pub use self::terms::{Electorate, Source, Step, Wanted};

/// All intents of the network, and this node's ballots.
#[derive(Clone, Debug)]
pub struct Intents {
    me: NodeId,
    lease: Span,
    ballots: BTreeMap<EntryHash, Ballot>,
    /// Ballots that propose a key, for keys that nobody has settled.
    contested: BTreeMap<IntentKey, BTreeSet<EntryHash>>,
    receipts: BTreeMap<IntentKey, Receipt>,
    failures: BTreeMap<IntentKey, BTreeMap<NodeId, u32>>,
    /// Who was refused for good, and would be again.
    refusals: BTreeMap<IntentKey, BTreeSet<NodeId>>,
    own: BTreeMap<Domain, Own>,
    /// Since when a grant of this node binds it, by ballot.
    bound: BTreeMap<EntryHash, Mono>,
    /// Ballots whose candidates died and whose lease has passed here.
    expired: BTreeSet<EntryHash>,
    /// Keys that failed lately.
    failed: BTreeMap<IntentKey, Failure>,
}

/// The last failure of an action.
#[derive(Clone, Debug, Default)]
struct Failure {
    /// When it was learnt here, and how long after that nobody is to try.
    at: Mono,
    after: Span,
    lamport: u64,
    detail: String,
}

/// One proposal and what was said to it.
#[derive(Clone, Debug, Default)]
struct Ballot {
    proposal: Option<(NodeId, Propose)>,
    grants: BTreeMap<NodeId, BTreeSet<IntentKey>>,
    /// Who said that it is given up, begun or done. Only the candidate's word counts, but an old
    /// proposal may arrive after what its author says of it in a new incarnation.
    yielded: BTreeSet<NodeId>,
    executing: BTreeMap<NodeId, Executing>,
    done: BTreeSet<NodeId>,
}

/// This node's ballot in a domain.
#[derive(Clone, Debug)]
struct Own {
    ballot: EntryHash,
    begun: Mono,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Votes are being gathered.
    Asking,
    /// `Executing` is written and must be held by one more node.
    Held { chain: ChainId, sequence: u64 },
    /// The action is under way.
    Acting,
}

/// Proof that an action was performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who performed it.
    pub by: NodeId,
    /// When, by its wall clock.
    pub at: Wall,
    /// What the server said.
    pub detail: String,
    /// The Message-ID used.
    pub message: String,
    /// Order without clocks, for the choice among several.
    pub lamport: u64,
    /// Where its author wrote it: in which life, and with which number on the events lane.
    pub place: (Incarnation, u64),
    /// The ballot for which it was performed.
    pub ballot: EntryHash,
    /// The `Opened` entries that it told of.
    pub covers: Arc<[EntryHash]>,
}

impl Intents {
    /// Knows of nothing yet.
    #[must_use]
    pub const fn new(me: NodeId, lease: Span) -> Self {
        Self {
            me,
            lease,
            ballots: BTreeMap::new(),
            contested: BTreeMap::new(),
            receipts: BTreeMap::new(),
            failures: BTreeMap::new(),
            refusals: BTreeMap::new(),
            own: BTreeMap::new(),
            bound: BTreeMap::new(),
            expired: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Takes a vote or receipt of anybody.
    pub fn fold(&mut self, now: Mono, source: Source, fact: &Fact) {
        match fact {
            // More than fit a grant is nobody's honest proposal.
            Fact::Propose(propose) if limits::GROUP < propose.keys.len() => {}
            Fact::Propose(propose) => {
                self.ballots.entry(source.entry).or_default().proposal = Some((source.author, propose.clone()));
                for key in propose.keys.iter().filter(|key| !self.receipts.contains_key(key)) {
                    self.contested.entry(*key).or_default().insert(source.entry);
                }
            }
            Fact::Grant(grant) => {
                self.ballots.entry(grant.ballot).or_default().grants.entry(source.author).or_default().extend(&grant.keys);
                if source.author == self.me {
                    // After a restart the past is folded anew, and own grants begin a full lease anew.
                    self.bound.insert(grant.ballot, now);
                }
            }
            Fact::Yield(yielded) => {
                self.ballots.entry(yielded.ballot).or_default().yielded.insert(source.author);
            }
            Fact::Executing(executing) => {
                self.ballots.entry(executing.ballot).or_default().executing.insert(source.author, executing.clone());
            }
            Fact::Done(done) => self.settle(now, source, done),
            _ => {}
        }
    }

    /// The parent sealed a step of this node.
    pub fn wrote(&mut self, now: Mono, entry: EntryHash, chain: ChainId, sequence: u64, fact: &Fact) {
        match fact {
            Fact::Propose(propose) => {
                self.own.insert(propose.domain, Own { ballot: entry, begun: now, stage: Stage::Asking });
            }
            Fact::Executing(executing) => {
                if let Some(own) = self.own.values_mut().find(|own| own.ballot == executing.ballot) {
                    own.stage = Stage::Held { chain, sequence };
                }
            }
            _ => {}
        }
    }

    /// What this node does next, if anything. The parent repeats it until it returns nothing.
    pub fn turn(&mut self, now: Now, wanted: &[Wanted], electorate: &Electorate) -> Option<Step> {
        self.expire(now.mono, electorate);
        self.own_ballots(now.mono, electorate)
            .or_else(|| self.stale(electorate))
            .or_else(|| self.vote(electorate))
            .or_else(|| self.propose(now.mono, wanted, electorate))
    }

    /// Everything was folded anew in the same run of the daemon: takes up what `before` knew besides
    /// the journal. `under_way` says whether an action is being performed for a ballot.
    pub fn resume(&mut self, before: Self, under_way: impl Fn(&EntryHash) -> bool) {
        for (domain, own) in before.own {
            // What a failed commit has undone is given up like a ballot of an earlier run.
            let Some(ballot) = self.ballots.get(&own.ballot).filter(|ballot| ballot.proposal.is_some()) else { continue };
            let stands = match own.stage {
                Stage::Asking => ballot.executing().is_none(),
                Stage::Held { .. } => ballot.executing().is_some(),
                Stage::Acting => ballot.executing().is_some() && under_way(&own.ballot),
            };
            if stands && !ballot.yielded.contains(&self.me) && !ballot.done.contains(&self.me) {
                self.own.insert(domain, own);
            }
        }
        for (ballot, since) in before.bound {
            self.bound.entry(ballot).and_modify(|bound| *bound = since);
        }
        self.bound.retain(|ballot, _| !before.expired.contains(ballot));
        self.expired = before.expired;
    }

    /// An action of this node ended, for these of its ballot's keys: the receipt to be written. None if
    /// this node did not begin it, or its receipt is written.
    pub fn ended(
        &mut self,
        ballot: EntryHash,
        keys: Vec<IntentKey>,
        success: bool,
        detail: String,
        refused: Vec<String>,
        covers: Vec<EntryHash>,
    ) -> Option<Done> {
        self.own.retain(|_, own| own.ballot != ballot);
        let known = self.ballots.get(&ballot)?;
        let executing = known.executing.get(&self.me).filter(|_| !known.done.contains(&self.me))?.clone();
        Some(Done { ballot, keys, success, detail, message: executing.message, refused, covers, after: None })
    }

    /// The receipt of a key, if its action was performed.
    #[must_use]
    pub fn receipt(&self, key: &IntentKey) -> Option<&Receipt> {
        self.receipts.get(key)
    }

    /// Who acts for a key or asks for votes on it, and whether it acts already.
    #[must_use]
    pub fn candidate(&self, key: &IntentKey) -> Option<(NodeId, bool)> {
        self.live(key).map(|(_, ballot, candidate, _)| (candidate, ballot.executing().is_some())).max_by_key(|(_, acting)| *acting)
    }

    /// Whether anything was said of a ballot.
    #[must_use]
    pub fn knows(&self, ballot: &EntryHash) -> bool {
        self.ballots.contains_key(ballot)
    }

    /// The receipts that stand in one life of an author from a place of its events lane on, as they may be said again
    /// after that part was cut away: what was done stays done.
    #[must_use]
    pub fn undone(&self, author: &NodeId, life: Incarnation, end: u64) -> Vec<Done> {
        let mut undone: BTreeMap<EntryHash, Done> = BTreeMap::new();
        let cut = |receipt: &&Receipt| receipt.by == *author && receipt.place.0 == life && end <= receipt.place.1;
        for (key, receipt) in self.receipts.iter().filter(|(_, receipt)| cut(receipt)) {
            let Receipt { ballot, detail, message, covers, .. } = receipt;
            let fresh = || Done {
                ballot: *ballot,
                keys: Vec::new(),
                success: true,
                detail: detail.clone(),
                message: message.clone(),
                refused: Vec::new(),
                covers: covers.to_vec(),
                after: None,
            };
            undone.entry(*ballot).or_insert_with(fresh).keys.push(*key);
        }
        undone.into_values().collect()
    }

    /// Whether all of these have failed to perform an action that is not performed.
    #[must_use]
    pub fn fails_for(&self, key: &IntentKey, nodes: &[NodeId]) -> bool {
        !self.receipts.contains_key(key) && nodes.iter().all(|node| 0 < self.failures_of(key, node))
    }

    /// How often an action for a key failed.
    #[must_use]
    pub fn failures(&self, key: &IntentKey) -> u32 {
        self.failures.get(key).map_or(0, |nodes| nodes.values().sum())
    }

    /// What the last failed action for a key met with.
    #[must_use]
    pub fn last_failure(&self, key: &IntentKey) -> Option<String> {
        self.failed.get(key).map(|failure| failure.detail.clone())
    }

    /// All votes and receipts, as text: equal on nodes with equal heads and roster.
    #[must_use]
    pub fn records(&self) -> String {
        let mut text = String::new();
        for (hash, ballot) in &self.ballots {
            let _ = writeln!(text, "{hash} {ballot:?}");
        }
        for (key, receipt) in &self.receipts {
            let _ = writeln!(text, "{key} {receipt:?} {:?}", self.failures.get(key));
        }
        text
    }

    /// Whether anything may change by the mere passing of time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.own.is_empty() || !self.contested.is_empty()
    }

    fn settle(&mut self, now: Mono, source: Source, done: &Done) {
        self.ballots.entry(done.ballot).or_default().done.insert(source.author);
        let covers: Arc<[EntryHash]> = done.covers.as_slice().into();
        for key in &done.keys {
            if done.success {
                let receipt = Receipt {
                    by: source.author,
                    at: source.wall,
                    detail: done.detail.clone(),
                    message: done.message.clone(),
                    lamport: source.lamport,
                    place: source.place,
                    ballot: done.ballot,
                    covers: covers.clone(),
                };
                let order = |receipt: &Receipt| (receipt.lamport, receipt.by, receipt.place);
                let first = |known: &Receipt| order(known) <= order(&receipt);
                if !self.receipts.get(key).is_some_and(first) {
                    self.receipts.insert(*key, receipt);
                }
                self.contested.remove(key);
                self.failed.remove(key);
            } else {
                *self.failures.entry(*key).or_default().entry(source.author).or_default() += 1;
                if !done.refused.is_empty() {
                    self.refusals.entry(*key).or_default().insert(source.author);
                }
                let failed = self.failed.entry(*key).or_default();
                failed.at = now;
                let after = Span::secs(done.after.unwrap_or(0).into()).min(limits::RETRY_MOST);
                if (failed.lamport, &failed.detail, failed.after) <= (source.lamport, &done.detail, after) {
                    (failed.lamport, failed.detail, failed.after) = (source.lamport, done.detail.clone(), after);
                }
            }
        }
    }

    /// Proposals for a key that are still open, with their candidates.
    fn live(&self, key: &IntentKey) -> impl Iterator<Item = (EntryHash, &Ballot, NodeId, &Propose)> {
        self.contested.get(key).into_iter().flatten().filter_map(|hash| {
            let ballot = self.ballots.get(hash)?;
            let (candidate, propose) = ballot.proposal.as_ref()?;
            let over = ballot.yielded.contains(candidate) || ballot.done.contains(candidate) || self.expired.contains(hash);
            (!over).then_some((*hash, ballot, *candidate, propose))
        })
    }

    fn rank(&self, electorate: &Electorate, candidate: NodeId, propose: &Propose) -> (u32, [u8; 32], NodeId) {
        (propose.failures, (electorate.hash)(&propose.domain, &candidate), candidate)
    }

    /// The ballot that this node's grant on a key binds it to.
    fn bound_to(&self, key: &IntentKey) -> Option<EntryHash> {
        self.live(key).find(|(_, ballot, ..)| ballot.grants.get(&self.me).is_some_and(|keys| keys.contains(key))).map(|(hash, ..)| hash)
    }

    /// Releases grants to the dead once the lease has passed here, with a margin for the rates of two clocks.
    fn expire(&mut self, now: Mono, electorate: &Electorate) {
        if electorate.majority {
            // At most once everywhere: only the candidate or an operator releases a grant.
            return;
        }
        let settled =
            |ballot: &Ballot| ballot.proposal.as_ref().is_some_and(|(by, _)| ballot.yielded.contains(by) || ballot.done.contains(by));
        let ballots = &self.ballots;
        self.bound.retain(|hash, _| !ballots.get(hash).is_some_and(settled));
        let over = self.lease + self.lease / 50 + Span::secs(1);
        let dead = |hash: &EntryHash| {
            let candidate = self.ballots.get(hash).and_then(|ballot| ballot.proposal.as_ref()).map(|(candidate, _)| *candidate);
            candidate.is_some_and(|candidate| candidate != self.me && ((electorate.dead)(&candidate) || (electorate.idle)(&candidate)))
        };
        let released: Vec<EntryHash> =
            self.bound.iter().filter(|(hash, since)| over <= now.since(**since) && dead(hash)).map(|(hash, _)| *hash).collect();
        for hash in released {
            self.bound.remove(&hash);
            self.expired.insert(hash);
        }
    }

    /// Gives up proposals of this node that are not its present ballots: those of an earlier run. Where
    /// an action may happen once at most, one that was begun may have happened, and stays begun.
    fn stale(&self, electorate: &Electorate) -> Option<Step> {
        let present = |hash: &EntryHash| self.own.values().any(|own| own.ballot == *hash);
        let over = |ballot: &Ballot| !electorate.majority || ballot.executing().is_none();
        let mut live = self.contested.keys().flat_map(|key| self.live(key));
        live.find(|(hash, ballot, candidate, _)| *candidate == self.me && !present(hash) && over(ballot))
            .map(|(ballot, ..)| Step::Write(Fact::Yield(Yield { ballot })))
    }

    fn own_ballots(&mut self, now: Mono, electorate: &Electorate) -> Option<Step> {
        let domains: Vec<Domain> = self.own.keys().copied().collect();
        domains.into_iter().find_map(|domain| self.own_ballot(now, domain, electorate))
    }

    fn own_ballot(&mut self, now: Mono, domain: Domain, electorate: &Electorate) -> Option<Step> {
        let own = self.own.get(&domain)?;
        let hash = own.ballot;
        let ballot = self.ballots.get(&hash)?;
        let (_, propose) = ballot.proposal.as_ref()?;
        let young = now.since(own.begun) < self.asking_time();
        match &own.stage {
            Stage::Acting => None,
            Stage::Held { chain, sequence } => {
                if !young || !electorate.voting {
                    return self.give_up(domain, hash);
                }
                if !electorate.voters.is_empty() && !(electorate.held)(chain, *sequence) {
                    return None;
                }
                let executing = ballot.executing()?;
                let (keys, message) = (executing.keys.clone(), executing.message.clone());
                self.own.get_mut(&domain)?.stage = Stage::Acting;
                Some(Step::Act { ballot: hash, domain, keys, message, within: self.acting_time() })
            }
            Stage::Asking => {
                let keys: Vec<IntentKey> = propose.keys.iter().filter(|key| !self.receipts.contains_key(key)).copied().collect();
                let mine = self.rank(electorate, self.me, propose);
                let better = keys.iter().flat_map(|key| self.live(key)).any(|(other, _, candidate, theirs)| {
                    other != hash && !(electorate.dead)(&candidate) && self.rank(electorate, candidate, theirs) < mine
                });
                if keys.is_empty() || better || !young || !electorate.voting {
                    return self.give_up(domain, hash);
                }
                let granted = |voter: &NodeId| ballot.grants.get(voter).is_some_and(|granted| keys.iter().all(|key| granted.contains(key)));
                let all = electorate.voters.iter().all(granted) && granted(&self.me);
                let steady = ballot.grants.keys().filter(|voter| granted(voter) && electorate.steady.contains(voter)).count();
                let enough = !electorate.majority || electorate.steady.len() < 2 * steady;
                let settled = electorate.alone.is_none_or(|alone| electorate.enrolled == 1 || self.lease <= alone);
                if !(all && enough && settled && electorate.announced) {
                    return None;
                }
                let message = self.begun(&keys).map_or_else(|| (electorate.message)(&keys), |executing| executing.message.clone());
                Some(Step::Write(Fact::Executing(Executing {
                    ballot: hash,
                    keys,
                    message,
                    absent: electorate.silent.iter().take(limits::NAMED).copied().collect(),
                })))
            }
        }
    }

    fn give_up(&mut self, domain: Domain, ballot: EntryHash) -> Option<Step> {
        self.own.remove(&domain);
        Some(Step::Write(Fact::Yield(Yield { ballot })))
    }

    /// Grants the best proposals for keys on which this node is not bound.
    fn vote(&self, electorate: &Electorate) -> Option<Step> {
        if !electorate.voting {
            return None;
        }
        let mut chosen: BTreeMap<EntryHash, (NodeId, Vec<IntentKey>)> = BTreeMap::new();
        for key in self.contested.keys().filter(|key| self.bound_to(key).is_none()) {
            let open = self.live(key).filter(|(_, _, candidate, _)| !(electorate.dead)(candidate));
            if let Some((ballot, _, candidate, _)) =
                open.min_by_key(|(_, _, candidate, propose)| self.rank(electorate, *candidate, propose))
            {
                chosen.entry(ballot).or_insert((candidate, Vec::new())).1.push(*key);
            }
        }
        let (ballot, (candidate, keys)) = chosen.into_iter().next()?;
        Some(Step::Write(Fact::Grant(Grant { ballot, candidate, keys })))
    }

    fn propose(&self, now: Mono, wanted: &[Wanted], electorate: &Electorate) -> Option<Step> {
        let mine = wanted.iter().filter(|wanted| {
            electorate.voting && electorate.announced && wanted.capable.contains(&self.me) && !self.own.contains_key(&wanted.domain)
        });
        for wanted in mine {
            let open: Vec<(IntentKey, Mono)> = wanted.keys.iter().filter(|(key, _)| !self.receipts.contains_key(key)).copied().collect();
            // What somebody has begun to act for is proposed again as the same group.
            let begun = open.iter().find_map(|(key, _)| self.begun(std::slice::from_ref(key)));
            let free =
                |key: &IntentKey| self.live(key).all(|(_, _, candidate, _)| (electorate.dead)(&candidate)) && self.bound_to(key).is_none();
            let in_group = |key: &IntentKey| begun.is_none_or(|executing| executing.keys.contains(key));
            let group: Vec<(IntentKey, Mono)> =
                open.iter().filter(|(key, _)| in_group(key) && free(key)).take(limits::GROUP).copied().collect();
            let first = group.iter().map(|(_, since)| *since).min();
            let Some(first) = first else { continue };
            let keys: Vec<IntentKey> = group.iter().map(|(key, _)| *key).collect();
            if self.due(now, wanted, &keys, first, electorate) {
                let failures = keys.iter().map(|key| self.failures_of(key, &self.me)).max().unwrap_or(0);
                return Some(Step::Write(Fact::Propose(Propose { domain: wanted.domain, keys, failures })));
            }
        }
        None
    }

    /// Whether it is this node's turn to propose these keys, first wanted at `first`.
    fn due(&self, now: Mono, wanted: &Wanted, keys: &[IntentKey], first: Mono, electorate: &Electorate) -> bool {
        let failures = |node: &NodeId| keys.iter().map(|key| self.failures_of(key, node)).max().unwrap_or(0);
        let rank = |node: &NodeId| (failures(node), (electorate.hash)(&wanted.domain, node), *node);
        let mine = rank(&self.me);
        let place = wanted.capable.iter().filter(|node| rank(node) < mine).count() as u64;
        let failed = keys.iter().filter_map(|key| self.failed.get(key)).map(|failure| failure.at + failure.after).max();
        let from = failed.map_or(first + wanted.window, |failed| failed.max(first + wanted.window));
        let refused = |key: &IntentKey| self.refusals.get(key).is_some_and(|nodes| nodes.contains(&self.me));
        let pause = match failures(&self.me) {
            0 => Span::ZERO,
            // It would be refused again, until somebody has changed something.
            _ if keys.iter().any(refused) => REFUSED,
            times => Span(limits::RETRY_FIRST.0 << (times - 1).min(16)).min(limits::RETRY_MOST),
        };
        from + pause + limits::TURN_OF_RANK * place <= now
    }

    fn failures_of(&self, key: &IntentKey, node: &NodeId) -> u32 {
        self.failures.get(key).and_then(|nodes| nodes.get(node)).copied().unwrap_or(0)
    }

    /// A beginning whose end nobody knows, for one of these keys: the earliest by name, so that all choose alike.
    fn begun(&self, keys: &[IntentKey]) -> Option<&Executing> {
        let ballots = keys.iter().filter_map(|key| self.contested.get(key)).flatten();
        let begun = ballots.filter_map(|hash| self.ballots.get(hash)).filter(|ballot| ballot.done.is_empty()).filter_map(Ballot::executing);
        begun.min_by_key(|executing| executing.ballot)
    }

    /// How long the action itself may take: half the lease, at most half a minute.
    fn acting_time(&self) -> Span {
        (self.lease / 2).min(Span::secs(30))
    }

    /// How long votes may be gathered: the lease, less a drift of two percent, less the action's own time.
    fn asking_time(&self) -> Span {
        self.lease - self.lease / 50 - self.acting_time()
    }
}

impl Ballot {
    /// The candidate's own word that it began.
    fn executing(&self) -> Option<&Executing> {
        self.proposal.as_ref().and_then(|(candidate, _)| self.executing.get(candidate))
    }
}

/// Between two attempts of a node that was refused for good: something may have been put right meanwhile.
const REFUSED: Span = Span::secs(3600);

#[cfg(test)]
mod tests;
