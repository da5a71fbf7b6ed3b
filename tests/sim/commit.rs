//! The end of a turn: written, synced, performed; or undone, because the disk is full.
//!
//! A host may die before it writes, between writing and syncing, after that and in the midst of
//! performing. What a node knows after a turn is compared with what its disk holds.

use peerwatch::base::entry::{Entry, Record};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, IncidentId};
use peerwatch::base::limits;
use peerwatch::base::time::Now;
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;

use crate::checks::{Check, Failure, demand, is_receipt, places, seconds};
use crate::cluster::{Arrival, Cluster, Event, Host};
use crate::mutation::Mutation;
use crate::options::{Feature, below, name};
use crate::plan::{Health, How, Seam};

/// What is written and waits for its sync.
#[derive(Debug)]
pub struct Commit {
    now: Now,
    then: Vec<Effect>,
    /// There are records in it.
    wrote: bool,
}

/// A node is compared with its disk after every turn that wrote something, and after every so manieth.
const COMPARE: u64 = 8;

impl Cluster {
    /// Writes what a turn asks for, or undoes the turn; or the host stops at a seam.
    pub fn end_turn(&mut self, host: usize, now: Now, mut out: Effects) -> Result<(), Failure> {
        if self.mutation == Some(Mutation::Chatter)
            && let Some(said) = out.then.iter().find(|effect| matches!(effect, Effect::Send { .. }))
        {
            let said = said.clone();
            out.then.extend(std::iter::repeat_n(said, limits::LINK_QUEUE));
        }
        self.watch.asked(self.at, host, &out)?;
        let doom = self.hosts[host].doom.filter(|_| !out.append.is_empty());
        if let Some((Seam::BeforeCommit, how, away, _)) = doom {
            self.stop(host, how, Some(away));
            return Ok(());
        }
        let Some(life) = &self.hosts[host].life else { return Ok(()) };
        if life.retry.is_some() {
            self.try_again(host);
            out.append.clear();
        } else if self.hosts[host].disk.full && !(out.append.is_empty() && out.keep.is_empty()) {
            self.undo(host, now, &mut out)?;
        } else {
            match self.mutation {
                Some(Mutation::ShuffledDisk) if 1 < out.append.len() => out.append.reverse(),
                Some(Mutation::LazyDisk) if 2 < out.append.len() => drop(out.append.pop()),
                Some(Mutation::SendBeforeSync) => {
                    let early = entries(&out.append);
                    self.perform_all(host, std::mem::take(&mut out.then), &early);
                }
                _ => {}
            }
            self.hosts[host].disk.write(&out.append);
        }
        let takes = match (out.append.is_empty(), self.options.has(Feature::SlowDisk)) {
            (true, _) => 0,
            (false, false) => self.rng.below(5),
            (false, true) => self.rng.below(1000),
        };
        let Some(life) = &mut self.hosts[host].life else { return Ok(()) };
        life.commit = Some(Commit { now, then: std::mem::take(&mut out.then), wrote: !out.append.is_empty() });
        if takes == 0 {
            return self.synced(host);
        }
        let life = life.number;
        self.later(self.at + takes, Event::Synced { host, life });
        Ok(())
    }

    /// What a turn wrote is synced: now it is performed.
    pub fn synced(&mut self, host: usize) -> Result<(), Failure> {
        let Host { life, paused, .. } = &mut self.hosts[host];
        let Some(life) = life else { return Ok(()) };
        if *paused {
            let life = life.number;
            self.later(self.at + 50, Event::Synced { host, life });
            return Ok(());
        }
        let Some(Commit { now, mut then, wrote }) = life.commit.take() else { return Ok(()) };
        self.persist(host)?;
        let doom = self.hosts[host].doom.filter(|_| wrote);
        if let Some((Seam::BeforePerform, how, away, _)) = doom {
            self.stop(host, how, Some(away));
            return Ok(());
        }
        if doom.is_some() {
            then.truncate(below(&mut self.rng, then.len() + 1));
        }
        self.perform_all(host, then, &[]);
        if let Some((_, how, away, _)) = doom {
            self.stop(host, how, Some(away));
            return Ok(());
        }
        self.reread(host, now);
        self.after_turn(host, now, wrote)
    }

    /// What was written is there for good.
    pub fn persist(&mut self, host: usize) -> Result<(), Failure> {
        let Host { disk, settings, proved, life, .. } = &mut self.hosts[host];
        let me = settings.key.node();
        let stored = disk.sync(self.at);
        demand(stored.is_ok(), Check::Chain, self.at, || format!("{}: {}", name(host), stored.as_ref().unwrap_err()))?;
        let records = stored.unwrap_or_default();
        // Entries of earlier lives may have come back from others, and not all of them.
        let present = life.as_ref().map(|life| life.node.incarnation());
        let is_own = |chain: &ChainId| chain.author == me && Some(chain.incarnation) == present;
        *proved |= records.iter().any(|record| matches!(record, Record::Entry(entry) if is_own(&entry.header.chain)));
        let mut fresh = Vec::new();
        for record in &records {
            let Record::Entry(entry) = record else {
                self.story.tell(self.at, &settings.name, || format!("stores {}", outline(record)));
                continue;
            };
            let own = entry.header.chain.author == me;
            // What it wrote in an earlier life, and lost, comes back from others.
            fresh.extend((own && !self.watch.was_written(&entry.hash)).then(|| entry.clone()));
            self.watch.committed(self.at, host, own, entry)?;
            for taken in self.world.taken.iter_mut().filter(|taken| own && taken.host == host) {
                if is_receipt(entry, &taken.ballot) {
                    taken.noted = Some(self.at);
                }
            }
            self.story.tell(self.at, &settings.name, || {
                let facts: Vec<&str> = entry.facts.iter().map(Fact::name).collect();
                format!("stores {} {} {} {facts:?}", entry.header.chain, entry.header.sequence, entry.hash)
            });
        }
        fresh.iter().for_each(|entry| self.note_values(entry));
        self.judge_alarms(host, &fresh)
    }

    fn undo(&mut self, host: usize, now: Now, out: &mut Effects) -> Result<(), Failure> {
        self.story.tell(self.at, &name(host), || "cannot commit: the disk is full".into());
        let Some(life) = &mut self.hosts[host].life else { return Ok(()) };
        for effect in out.then.drain(..) {
            if let Effect::Reply(id, _) = effect {
                life.asked.remove(&id.0);
            }
        }
        out.clear();
        life.retry = Some((self.at + limits::COMMIT_RETRY_FIRST.0, limits::COMMIT_RETRY_FIRST.0));
        self.refold(host, now);
        Ok(())
    }

    /// The settings are loaded again, and everything is read again.
    pub fn reload(&mut self, host: usize, now: Now, out: &mut Effects) {
        let Host { life, settings, .. } = &mut self.hosts[host];
        if let Some(life) = life {
            life.node.handle(now, Input::Reload(Box::new(settings.clone())), out);
            self.refold(host, now);
        }
    }

    /// A node reads everything again after a commit, when some of what it folded is not in force any more.
    fn reread(&mut self, host: usize, now: Now) {
        if self.hosts[host].life.as_ref().is_none_or(|life| !life.node.wants_refold(now)) {
            return;
        }
        let Ok(entries) = self.hosts[host].disk.entries(self.options.has(Feature::ByChain)) else { return self.rotten(host) };
        let entries = self.understood(host, entries);
        let Host { disk, life, .. } = &mut self.hosts[host];
        if let Some(life) = life {
            life.node.reread(now, &disk.past(), entries.into_iter());
        }
    }

    /// A node reads everything again; or it ends, since its disk is rotten.
    fn refold(&mut self, host: usize, now: Now) {
        let entries = self.hosts[host].disk.entries(self.options.has(Feature::ByChain));
        let Ok(entries) = entries else { return self.rotten(host) };
        let entries = self.understood(host, entries);
        let Host { disk, life, .. } = &mut self.hosts[host];
        let Some(life) = life else { return };
        let fault = life.retry.map(|_| "the disk is full".to_owned());
        // Whatever was under way, the node begins anew with what its peers said that they have.
        life.streams.clear();
        life.node.refold(now, &disk.past(), entries.into_iter(), fault);
    }

    /// Damage was found: the daemon ends, and whoever looks after the host gives it an empty disk.
    pub fn rotten(&mut self, host: usize) {
        self.story.tell(self.at, &name(host), || "finds its journal damaged".into());
        self.stop(host, How::Wipe, Some(5000));
    }

    fn try_again(&mut self, host: usize) {
        let Host { disk, life, settings, .. } = &mut self.hosts[host];
        let Some(life) = life else { return };
        let Some((due, pause)) = life.retry.filter(|(due, _)| *due <= self.at) else { return };
        if disk.full {
            let pause = (pause * 2).min(limits::COMMIT_RETRY_MOST.0);
            life.retry = Some((due + pause, pause));
        } else {
            life.retry = None;
            life.node.retry();
            life.resumed = true;
            // What the others wrote meanwhile is yet to be taken.
            self.woken = Some(self.at);
            self.story.tell(self.at, &settings.name, || "can commit again".into());
        }
    }

    fn after_turn(&mut self, host: usize, now: Now, wrote: bool) -> Result<(), Failure> {
        let at = self.at;
        self.judge_values()?;
        let Host { clock, disk, life, .. } = &mut self.hosts[host];
        let Some(life) = life else { return Ok(()) };
        life.turns += 1;
        life.busy = at;
        let deadline = life.node.deadline();
        // The beginning of a life is committed without a tick, and a disk is found to have room after it; a turn follows at once.
        let resumed = std::mem::take(&mut life.resumed);
        demand(life.turns == 1 || resumed || deadline.is_none_or(|deadline| now.mono < deadline), Check::Busy, at, || {
            let whose = deadline.map(|deadline| places(&life.node, &deadline.0.to_string())).unwrap_or_default();
            format!("{} has a deadline in the past: {deadline:?} at {:?}, of {whose:?}", name(host), now.mono)
        })?;
        let due = deadline.map(|deadline| clock.when(deadline)).into_iter().chain(life.retry.map(|(due, _)| due)).min();
        life.wake = due.unwrap_or(u64::MAX).max(at + 1);
        if wrote || life.turns.is_multiple_of(COMPARE) {
            let known = life.node.heads().map(|head| (head.chain, head.sequence, head.hash, head.base));
            let stored = disk.heads().map(|head| (head.chain, head.sequence, head.hash, head.base));
            demand(known.eq(stored), Check::Shown, at, || format!("{} knows what is not committed, or not all that is", name(host)))?;
        }
        if life.turns.is_multiple_of(64) {
            life.inbox.push_back(Arrival::Input(Input::Used(disk.bytes())));
            let view = life.node.view(now);
            let unknown = view.incidents.iter().find(|incident| !disk.knows(&incident.id.to_string()));
            demand(unknown.is_none(), Check::Shown, at, || format!("{} shows {unknown:?}", name(host)))?;
            demand(view.journal.entries == disk.len() as u64, Check::Shown, at, || {
                format!("{} shows {} entries of {}", name(host), view.journal.entries, disk.len())
            })?;
        }
        let late = life.asked.values().find(|until| **until < at);
        demand(late.is_none(), Check::Unanswered, at, || format!("{} owes an answer since {}", name(host), seconds(*late.unwrap())))
    }

    /// No incident opens of what was well for everybody. The entries were written now and here.
    fn judge_alarms(&self, host: usize, entries: &[Entry]) -> Result<(), Failure> {
        for fact in entries.iter().flat_map(|entry| entry.facts.iter()) {
            if let Fact::Closed(closed) = fact {
                self.judge_end(host, &closed.incident)?;
            }
            let Fact::Opened(opened) = fact else { continue };
            let target = &opened.incident.target.0;
            let Some(health) = self.world.targets.get(target) else { continue };
            let lately = self.world.bad.get(target).is_some_and(|bad| self.at < bad + 300_000);
            demand(*health != Health::Well || lately, Check::FalseAlarm, self.at, || {
                format!("{} opens {}, and {target} was well", name(host), opened.incident)
            })?;
        }
        Ok(())
    }

    /// No incident closes while its target is not well for anybody, and was so for long enough that
    /// everybody knows. A host that was away or stood still may not know.
    fn judge_end(&self, host: usize, incident: &IncidentId) -> Result<(), Failure> {
        let target = &incident.target.0;
        let ill = self.world.health(target) != Health::Well && self.world.since(target) + 60_000 <= self.at;
        let surprised = self.woken.is_some_and(|woken| self.at < woken + 60_000);
        let able = self.world.unable.iter().all(|((_, unable), count)| unable != target || *count == 0);
        demand(!ill || surprised || !able, Check::FalseAlarm, self.at, || {
            format!("{} closes {incident}, and {target} is not well for a minute", name(host))
        })
    }
}

/// The entries among what a turn changes.
fn entries(records: &[Record]) -> Vec<Entry> {
    records.iter().filter_map(|record| if let Record::Entry(entry) = record { Some(entry.clone()) } else { None }).collect()
}

/// A record in a few words.
fn outline(record: &Record) -> String {
    match record {
        Record::Entry(entry) => format!("{} {}", entry.header.chain, entry.header.sequence),
        Record::Base(head) => format!("base {} of {}", head.base, head.chain),
        Record::Unfloor(author) => format!("no floor of {author}"),
        Record::Floor(author, floor) => format!("floor {floor:?} of {author}"),
        Record::Cut(chain, end) => format!("the end {end} of {chain}"),
        Record::Proof(entry) => format!("the proof {}", entry.hash),
    }
}
