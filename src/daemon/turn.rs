//! The loop of one network: gather, decide, commit, perform, show.
//!
//! It runs on a plain thread and owns the node and the store. Nothing that a turn asks for is
//! performed before the turn is committed. If the commit fails, nothing of the turn has happened: the
//! node is folded again from the store, stops voting, keeps watching and showing, and tries again with
//! back-off. Only damage to the database ends the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::base::command::{CommandId, Reply};
use crate::base::id::LinkId;
use crate::base::limits;
use crate::base::time::{Mono, Now, Span};
use crate::base::view::{Sample, View};
use crate::base::wire::Hello;
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
    /// The daemon ends.
    Stop,
}

/// How a loop ended.
pub(super) type Ending = Result<(), String>;

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
    shown: Mono,
    remarks: Remarks,
}

/// The loop turns at least this often, so that its pulse shows that it lives.
const PULSE: Span = Span::secs(1);

/// Views are made at most this often; a change waits no longer than this to be seen.
const SHOW: Span = Span(100);

/// Old samples are removed this often.
const PRUNE: Span = Span::secs(60);

impl Turns {
    /// Runs until it is told to stop, or the database is damaged.
    pub(super) fn run(mut self, mut out: Effects) -> Ending {
        let mut between = Between::default();
        let mut arrivals = Vec::new();
        // What the beginning of the node asks for is the first turn.
        self.end_turn(clock::now(), &mut out, &mut between)?;
        loop {
            let stop = !self.gather(&mut arrivals, &between);
            let now = clock::now();
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
                self.performer.close_all("this node is stopping");
                return self.store.close().map_err(|fault| fault.to_string());
            }
        }
    }

    /// Waits for the first arrival or the next deadline, and takes what else is there. False when the loop must end.
    fn gather(&mut self, arrivals: &mut Vec<Arrival>, between: &Between) -> bool {
        let now = clock::now().mono;
        let retry = between.retry.map(|(at, _)| at);
        let due = [self.node.deadline(), retry, Some(now + PULSE)].into_iter().flatten().min().unwrap_or(now);
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
                self.node.handle(now, Input::Reload(settings), out);
                // Whose word counts may have changed, so all that was said is read again.
                match self.entries() {
                    Ok(entries) => {
                        let fault = self.node.fault().map(ToOwned::to_owned);
                        self.node.refold(now, entries.into_iter(), fault);
                    }
                    Err(fault) => tracing::error!(network = self.name, "after the reload the journal could not be read again: {fault}"),
                }
            }
            Arrival::Stop => {}
        }
    }

    /// Commits and performs, or undoes the turn. An error ends the loop.
    fn end_turn(&mut self, now: Now, out: &mut Effects, between: &mut Between) -> Ending {
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
        let name = &self.name;
        for effect in out.then.drain(..) {
            match effect {
                Effect::Note(note) => between.remarks.print(now, name, &note),
                effect => self.performer.perform(effect),
            }
        }
        out.clear();
        self.housekeeping(now, between);
        self.show(now, between);
        self.pulse.store(clock::now().mono.0, Ordering::Relaxed);
        Ok(())
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
            return Err(fault.to_string());
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
        // Old samples share the space with everything else, so removing them may be the whole remedy.
        let freed = self.store.prune_samples(now.wall).map(drop);
        match freed.and_then(|()| self.store.probe()).and_then(|()| self.store.commit(&[], &between.kept)) {
            Ok(()) => {
                tracing::info!(network = self.name, "the journal is written again");
                between.retry = None;
                between.kept.clear();
                self.node.retry();
                Ok(())
            }
            Err(fault) if is_final(&fault) => Err(fault.to_string()),
            Err(fault) => {
                let pause = (pause * 2).min(limits::COMMIT_RETRY_MOST);
                between.retry = Some((now.mono + pause, pause));
                tracing::warn!(network = self.name, "the journal still cannot be written: {fault}; next try in {pause}");
                Ok(())
            }
        }
    }

    fn refold(&mut self, now: Now, fault: &StoreFault) -> Ending {
        let entries = self.entries().map_err(|error| format!("{fault}; and it cannot be read again: {error}"))?;
        self.node.refold(now, entries.into_iter(), Some(fault.to_string()));
        Ok(())
    }

    fn entries(&self) -> Result<Vec<crate::base::entry::Entry>, StoreFault> {
        let mut entries = Vec::new();
        self.store.entries(&mut |entry| entries.push(entry))?;
        Ok(entries)
    }

    fn housekeeping(&mut self, now: Now, between: &mut Between) {
        if between.retry.is_none() && PRUNE <= now.mono.since(between.pruned) {
            between.pruned = now.mono;
            if let Err(fault) = self.store.prune_samples(now.wall) {
                tracing::warn!(network = self.name, "old samples cannot be removed: {fault}");
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
        if SHOW <= now.mono.since(between.shown) && self.node.take_changed() {
            between.shown = now.mono;
            self.view.send_replace(Arc::new(self.node.view(now)));
        }
    }
}

/// Whether trying again cannot help.
const fn is_final(fault: &StoreFault) -> bool {
    matches!(fault, StoreFault::Corrupt { .. } | StoreFault::Bug { .. })
}
