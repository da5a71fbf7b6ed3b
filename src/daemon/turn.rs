//! The loop of one network: gather, decide, commit, perform, show.
//!
//! It runs on a plain thread and owns the node and the store. Nothing that a turn asks for is
//! performed before the turn is committed. If the commit fails, nothing of the turn has happened: the
//! node is folded again from the store, stops voting, keeps watching and showing, and tries again with
//! back-off. Only damage to the database ends the loop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::base::command::{CommandId, Reply};
use crate::base::entry::{Entry, Past};
use crate::base::id::{LinkId, NodeId};
use crate::base::limits;
use crate::base::time::{Mono, Now, Span};
use crate::base::view::{Sample, View};
use crate::base::wire::Hello;
use crate::daemon::gauge::Gauge;
use crate::daemon::perform::Performer;
use crate::daemon::publish::Remarks;
use crate::front::desk::Asked;
use crate::io::clock;
use crate::io::link::Outgoing;
use crate::io::store::{Store, StoreFault};
use crate::logic::effect::{Effect, Effects};
use crate::logic::input::Input;
use crate::logic::node::{Node, Settings};

/// What reaches the loop.
pub(super) enum Arrival {
    /// Something that the node must hear of.
    Input(Input),
    /// A link is ready: how to send on it, and the input that says so.
    Linked(LinkId, mpsc::Sender<Outgoing>, Input),
    /// A face asks.
    Asked(Asked),
    /// New settings, checked.
    Reload(Box<Settings>),
    /// A step towards a smaller file is wanted, and how many bytes are left.
    Compact(oneshot::Sender<Result<u64, StoreFault>>),
    /// The daemon ends.
    Stop,
}

/// How a loop ended.
pub(super) type Ending = Result<(), End>;

/// Why a loop cannot go on.
#[derive(Debug)]
pub(super) enum End {
    /// The database is damaged, or something like that; a restart may be tried.
    Failed(String),
    /// This daemon must not go on, and a restart would do harm.
    Stopped(String),
}

impl End {
    /// What happened, with the remedy.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Stopped(text) => text,
        }
    }
}

impl From<StoreFault> for End {
    fn from(fault: StoreFault) -> Self {
        Self::Failed(fault.to_string())
    }
}

impl From<String> for End {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

/// One network's loop and all that it owns.
pub(super) struct Turns {
    pub(super) name: String,
    pub(super) runtime: Handle,
    pub(super) inbox: mpsc::Receiver<Arrival>,
    pub(super) node: Node,
    pub(super) store: Store,
    pub(super) performer: Performer,
    pub(super) view: watch::Sender<Arc<View>>,
    pub(super) hello: watch::Sender<Hello>,
    /// Whose keys are let in and dialled.
    pub(super) members: watch::Sender<Arc<BTreeSet<NodeId>>>,
    /// How large the journal may be, in bytes.
    pub(super) size: u64,
    /// When the last turn ended, for the watchdog: milliseconds of the forward-only clock.
    pub(super) pulse: Arc<AtomicU64>,
}

/// What is only of interest between turns.
#[derive(Default)]
struct Between {
    /// Since the last commit failed: when to try again, and how long to wait after that.
    retry: Option<(Mono, Span)>,
    /// Samples that could not be stored; they are the first thing that is tried again.
    kept: Vec<Sample>,
    commands: u64,
    pruned: Mono,
    swept: Mono,
    shown: Mono,
    gauge: Gauge,
    /// What the loop itself has to tell the node, in the next turn.
    inputs: Vec<Input>,
    remarks: Remarks,
}

/// The loop turns at least this often, so that its pulse shows that it lives.
const PULSE: Span = Span::secs(1);

/// Views are made at most this often; a change waits no longer than this to be seen.
const SHOW: Span = Span(100);

/// Old samples are removed this often.
const PRUNE: Span = Span::secs(60);

/// Rows that are not in force any more are removed this often, some 2000 at a time: 10,000 a second.
const SWEEP: Span = Span(200);

impl Turns {
    /// Runs until it is told to stop, or must not go on, or the database is damaged.
    pub(super) fn run(mut self, out: Effects) -> Ending {
        let ending = self.turn(out);
        match &ending {
            // What may be damaged is not called sound.
            Err(End::Failed(_)) => return ending,
            Err(End::Stopped(_)) => self.performer.close_all("this node must not go on"),
            Ok(()) => self.performer.close_all("this node is stopping"),
        }
        self.store.close()?;
        ending
    }

    fn turn(&mut self, mut out: Effects) -> Ending {
        let mut between = Between::default();
        let mut arrivals = Vec::new();
        // What the beginning of the node asks for is the first turn.
        self.end_turn(clock::now(), &mut out, &mut between)?;
        loop {
            let stop = !self.gather(&mut arrivals, &between);
            let now = clock::now();
            for input in std::mem::take(&mut between.inputs) {
                self.node.handle(now, input, &mut out);
            }
            for arrival in arrivals.drain(..) {
                if matches!(arrival, Arrival::Reload(_)) {
                    // Everything is read again from the store, so what came before must be in it.
                    self.node.handle(now, Input::Tick, &mut out);
                    self.end_turn(now, &mut out, &mut between)?;
                }
                self.take(now, arrival, &mut out, &mut between);
            }
            self.node.handle(now, Input::Tick, &mut out);
            self.end_turn(now, &mut out, &mut between)?;
            if stop {
                return Ok(());
            }
        }
    }

    /// Waits for the first arrival or the next deadline, and takes what else is there. False when the loop must end.
    fn gather(&mut self, arrivals: &mut Vec<Arrival>, between: &Between) -> bool {
        let now = clock::now().mono;
        let retry = between.retry.map(|(at, _)| at);
        let waiting = (!between.inputs.is_empty()).then_some(now);
        let due = [self.node.deadline(), retry, waiting, Some(now + PULSE)].into_iter().flatten().min().unwrap_or(now);
        // A deadline in the past means at once; one millisecond keeps a mistake from burning a core.
        let wait = due.since(now).max(Span(1));
        let first = self.runtime.block_on(async { tokio::time::timeout(wait.std(), self.inbox.recv()).await });
        match first {
            Ok(None) => return false,
            Ok(Some(arrival)) => arrivals.push(arrival),
            Err(_) => {}
        }
        while arrivals.len() < limits::TURN {
            match self.inbox.try_recv() {
                Ok(arrival) => arrivals.push(arrival),
                Err(_) => break,
            }
        }
        !arrivals.iter().any(|arrival| matches!(arrival, Arrival::Stop))
    }

    fn take(&mut self, now: Now, arrival: Arrival, out: &mut Effects, between: &mut Between) {
        match arrival {
            Arrival::Input(input) => {
                if let Input::LinkDown { link, .. } = &input {
                    self.performer.forget(*link);
                }
                self.node.handle(now, input, out);
            }
            Arrival::Linked(link, outgoing, input) => {
                self.performer.attach(link, outgoing);
                self.node.handle(now, input, out);
            }
            Arrival::Asked(asked) => {
                between.commands += 1;
                let id = CommandId(between.commands);
                if self.performer.expect(id, asked.reply) {
                    self.node.handle(now, Input::Command { id, command: asked.command }, out);
                }
            }
            Arrival::Reload(settings) => {
                self.size = settings.network.journal_size;
                if let Err(fault) = self.store.bound(self.size) {
                    tracing::error!(network = self.name, "the size of the journal cannot be changed: {fault}");
                }
                self.node.handle(now, Input::Reload(settings), out);
                // Whose word counts may have changed, so all that was said is read again.
                let fault = self.node.fault().map(ToOwned::to_owned);
                if let Err(fault) = self.fold_again(now, fault) {
                    tracing::error!(network = self.name, "after the reload the journal could not be read again: {fault}");
                }
            }
            Arrival::Compact(reply) => {
                // Whoever has gone away needs no answer.
                let _ = reply.send(self.store.compact());
            }
            Arrival::Stop => {}
        }
    }

    /// Commits and performs, or undoes the turn. An error ends the loop.
    fn end_turn(&mut self, now: Now, out: &mut Effects, between: &mut Between) -> Ending {
        self.store.live(self.node.incarnation());
        if between.retry.is_some() {
            // Nothing is written while the last commit has failed; samples are put aside.
            between.kept.append(&mut out.keep);
            let excess = between.kept.len().saturating_sub(limits::SAMPLES_ASIDE);
            between.kept.drain(..excess);
            out.append.clear();
            self.try_again(now, between)?;
        } else if let Err(fault) = self.store.commit(&out.append, &out.keep) {
            between.kept.append(&mut out.keep);
            self.undo(now, out, &fault, between)?;
        }
        let stopped = self.perform(now, out, between);
        out.clear();
        if let Some(reason) = stopped {
            return Err(End::Stopped(reason));
        }
        if between.retry.is_none() && self.node.wants_refold(now) {
            match read(&self.store) {
                Ok((past, entries)) => self.node.reread(now, &past, entries.into_iter()),
                Err(fault) if is_final(&fault) => return Err(fault.into()),
                // The next turn tries again.
                Err(fault) => tracing::error!(network = self.name, "the journal cannot be read again: {fault}"),
            }
        }
        self.housekeeping(now, between);
        self.show(now, between);
        self.pulse.store(clock::now().mono.0, Ordering::Relaxed);
        Ok(())
    }

    /// Does what the turn asks; returns why the daemon must not go on, if so.
    fn perform(&mut self, now: Now, out: &mut Effects, between: &mut Between) -> Option<String> {
        let mut stopped = None;
        for effect in out.then.drain(..) {
            match effect {
                Effect::Note(note) => between.remarks.print(now, &self.name, &note),
                Effect::Compare(entries) => match self.store.differing(&entries) {
                    Ok(None) => {}
                    Ok(Some(pair)) => between.inputs.push(Input::Forked(Box::new(pair))),
                    Err(fault) => tracing::error!(network = self.name, "entries of a peer cannot be compared: {fault}"),
                },
                Effect::Find { chain, before, most } => match self.store.find(&chain, before, most) {
                    Ok(found) => between.inputs.extend(found.map(|(sequence, hash)| Input::Found { chain, sequence, hash })),
                    Err(fault) => tracing::error!(network = self.name, "old entries cannot be looked up: {fault}"),
                },
                Effect::Stop(reason) => stopped = Some(reason),
                effect => self.performer.perform(effect),
            }
        }
        stopped
    }

    fn undo(&mut self, now: Now, out: &mut Effects, fault: &StoreFault, between: &mut Between) -> Ending {
        // Replies of the turn are refused; everything else is asked for again by the next turns.
        for effect in out.then.drain(..) {
            if let Effect::Reply(id, _) = effect {
                self.performer.perform(Effect::Reply(id, Reply::Refused(fault.to_string())));
            }
        }
        out.clear();
        if is_final(fault) {
            return Err(fault.clone().into());
        }
        tracing::error!(network = self.name, "the journal cannot be written: {fault}; this node keeps watching and does not vote");
        self.refold(now, fault)?;
        between.retry = Some((now.mono + limits::COMMIT_RETRY_FIRST, limits::COMMIT_RETRY_FIRST));
        Ok(())
    }

    fn try_again(&mut self, now: Now, between: &mut Between) -> Ending {
        let Some((due, pause)) = between.retry else { return Ok(()) };
        if now.mono < due {
            return Ok(());
        }
        // Old samples share the space with everything else, so removing them, or what is not in force, may be the whole remedy.
        let freed = self.store.prune_samples(now.wall).and_then(|_| self.store.sweep());
        match freed.and_then(|_| self.store.probe()).and_then(|()| self.keep(between)) {
            Ok(()) => {
                tracing::info!(network = self.name, "the journal is written again");
                between.retry = None;
                between.kept.clear();
                self.node.retry();
                Ok(())
            }
            Err(fault) if is_final(&fault) => Err(fault.into()),
            Err(fault) => {
                let pause = (pause * 2).min(limits::COMMIT_RETRY_MOST);
                between.retry = Some((now.mono + pause, pause));
                tracing::warn!(network = self.name, "the journal still cannot be written: {fault}; next try in {pause}");
                Ok(())
            }
        }
    }

    /// Stores the samples that were put aside. Those of a full journal are let go: to have room again the node must be able
    /// to say what it drops, and cannot while this waits.
    fn keep(&mut self, between: &Between) -> Result<(), StoreFault> {
        match self.store.commit(&[], &between.kept) {
            Err(StoreFault::Full { .. }) => {
                tracing::warn!(network = self.name, "{} samples had no room in the journal and are lost", between.kept.len());
                Ok(())
            }
            kept => kept,
        }
    }

    fn refold(&mut self, now: Now, fault: &StoreFault) -> Ending {
        let unreadable = |error| End::Failed(format!("{fault}; and it cannot be read again: {error}"));
        self.fold_again(now, Some(fault.to_string())).map_err(unreadable)
    }

    /// Folds everything anew from the store.
    fn fold_again(&mut self, now: Now, fault: Option<String>) -> Result<(), StoreFault> {
        let (past, entries) = read(&self.store)?;
        self.node.refold(now, &past, entries.into_iter(), fault);
        Ok(())
    }

    fn housekeeping(&mut self, now: Now, between: &mut Between) {
        if between.retry.is_some() {
            return;
        }
        if PRUNE <= now.mono.since(between.pruned) {
            between.pruned = now.mono;
            if let Err(fault) = self.store.prune_samples(now.wall) {
                tracing::warn!(network = self.name, "old samples cannot be removed: {fault}");
            }
        }
        if SWEEP <= now.mono.since(between.swept) {
            between.swept = now.mono;
            if let Err(fault) = self.store.sweep() {
                tracing::warn!(network = self.name, "what is not in force any more cannot be removed: {fault}");
            }
        }
        if between.gauge.is_due(now.mono) {
            match self.store.used() {
                Ok(used) => between.inputs.extend(between.gauge.read(now.mono, used, self.size)),
                Err(fault) => tracing::warn!(network = self.name, "the size of the journal cannot be read: {fault}"),
            }
        }
    }

    /// Shows only what is committed: this runs after the commit.
    fn show(&mut self, now: Now, between: &mut Between) {
        let hello = self.node.hello();
        self.hello.send_if_modified(|known| {
            let changed = *known != hello;
            *known = hello;
            changed
        });
        let members = self.node.members_now();
        self.members.send_if_modified(|known| {
            let changed = **known != members;
            if changed {
                *known = Arc::new(members);
            }
            changed
        });
        if SHOW <= now.mono.since(between.shown) && self.node.take_changed() {
            between.shown = now.mono;
            self.view.send_replace(Arc::new(self.node.view(now)));
        }
    }
}

/// What folds need of a store.
pub(super) fn read(store: &Store) -> Result<(Past, Vec<Entry>), StoreFault> {
    let mut entries = Vec::new();
    store.entries(&mut |entry| entries.push(entry))?;
    Ok((store.past()?, entries))
}

/// Whether trying again cannot help.
const fn is_final(fault: &StoreFault) -> bool {
    matches!(fault, StoreFault::Corrupt { .. } | StoreFault::Bug { .. })
}
