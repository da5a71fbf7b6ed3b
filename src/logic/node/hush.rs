//! Why something bad is not told now: silences, maintenance, dependencies, and what waits for its time.
//!
//! The three rules of dependencies: they keep back only the telling, only of what nobody was told of yet, and never an
//! end. So a child is told when all that it depends on is well and it has had time to recover and has not. Times are this
//! node's own, counted from when this run learnt of something; only maintenance follows the wall clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::id::{IncidentId, IntentKey, TargetId};
use crate::base::limits;
use crate::base::maintenance::Maintenance;
use crate::base::settings::Channel;
use crate::base::target::{Probe, Target};
use crate::base::time::{Mono, Now, Span, Wall};
use crate::logic::incident::{Incident, Incidents};
use crate::logic::node::Node;
use crate::logic::notice::Ask;
use crate::logic::quiet::Quiet;

/// How long things have been as they are, as this run knows.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Since when an open incident is known.
    met: BTreeMap<IncidentId, Mono>,
    /// How what the target of an incident depends on stands.
    clear: BTreeMap<IncidentId, Family>,
    /// Since when the receipts that reminders follow are known.
    learnt: BTreeMap<IntentKey, Mono>,
    /// Maintenance windows that are open, by their places in the definition.
    windows: BTreeSet<usize>,
    /// When something may be told that is kept back now.
    due: Option<Mono>,
}

/// How all that a target depends on stands.
#[derive(Clone, Copy, Debug)]
enum Family {
    /// Something of it is bad.
    Bad,
    /// Nothing of it is bad, since then; and whether something was before.
    Well { since: Mono, again: bool },
}

/// Why something is not told now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hush {
    /// A silence holds, or held when the incident ended.
    Silence(Option<u32>),
    /// A maintenance window of this name is open, or was when the incident ended.
    Window(String),
    /// Something that it depends on is bad, or was meanwhile.
    Parent(TargetId),
    /// What it depends on may yet be found bad, or it may yet recover after that.
    Grace(Mono),
    /// The channel is told only if nobody sees to it until then.
    Early(Mono),
    /// Somebody sees to it.
    Acknowledged,
}

/// All that decides it.
pub(super) struct Hushes<'a> {
    pub(super) targets: &'a BTreeMap<TargetId, Target>,
    pub(super) incidents: &'a Incidents,
    pub(super) quiet: &'a Quiet,
    pub(super) windows: &'a [Maintenance],
}

impl Node {
    /// Looks at the clocks. True if something may be told now that could not before, or the other way round.
    pub(super) fn heed(&mut self, now: Now) -> bool {
        let all = self.settings.network.maintenance.iter().enumerate();
        let open: BTreeSet<usize> = all.filter(|(_, window)| window.is_open(now.wall)).map(|(place, _)| place).collect();
        let turned = self.waits.windows != open;
        self.waits.windows = open;
        self.changed |= turned;
        turned || self.waits.due.is_some_and(|due| due <= now.mono)
    }

    /// Counts on from what the journal says now.
    pub(super) fn await_more(&mut self, now: Mono) {
        let hushes = self.hushes();
        let mut waits = Waits { windows: self.waits.windows.clone(), ..Waits::default() };
        for (id, incident) in self.incidents.all() {
            let Some(target) = self.targets.get(&id.target).filter(|_| incident.is_open() || self.waits.clear.contains_key(&id)) else {
                continue;
            };
            if incident.is_open() {
                waits.met.insert(id.clone(), self.waits.met.get(&id).copied().unwrap_or(now));
            }
            if !target.depends.is_empty() {
                let before = self.waits.clear.get(&id).copied();
                let family = match (hushes.bad_parent(target).is_some(), before) {
                    (true, _) => Family::Bad,
                    (false, Some(Family::Bad)) => Family::Well { since: now, again: true },
                    (false, Some(known)) => known,
                    (false, None) => Family::Well { since: now, again: false },
                };
                let lately = matches!(family, Family::Well { since, .. } if now.since(since) < limits::REOPEN_MEMORY);
                if incident.is_open() || lately {
                    waits.clear.insert(id, family);
                }
            }
        }
        waits.learnt = std::mem::take(&mut self.waits.learnt);
        self.waits = waits;
    }

    /// All that decides what is quiet.
    pub(super) fn hushes(&self) -> Hushes<'_> {
        let windows = &self.settings.network.maintenance;
        Hushes { targets: &self.targets, incidents: &self.incidents, quiet: &self.quiet, windows }
    }

    /// Why something bad of an incident that a channel wants is not told, for people.
    pub(super) fn why_quiet(&self, now: Mono, channel: &Channel, id: &IncidentId, begun: bool) -> Option<String> {
        let hush = self.hushes().hush(now, &self.waits, channel, id, begun)?;
        let name = |target: &TargetId| target.to_string();
        let is_over = self.incidents.get(id).is_some_and(|incident| !incident.is_open());
        Some(match hush {
            Hush::Silence(Some(number)) => {
                let silence = self.quiet.get(number);
                let why = silence.map(|(_, fact)| fact.reason.clone()).filter(|reason| !reason.is_empty());
                let by = silence.map(|(word, fact)| self.person(&fact.person, &word.author)).unwrap_or_default();
                format!("silenced by {by}{}", why.map(|why| format!(": {why}")).unwrap_or_default())
            }
            Hush::Silence(None) => "it was silenced when it ended".into(),
            Hush::Window(name) if is_over => format!("maintenance when it ended: {name}"),
            Hush::Window(name) => format!("maintenance: {name}"),
            Hush::Parent(parent) if is_over => format!("{} was bad meanwhile, on which it depends", name(&parent)),
            Hush::Parent(parent) => format!("{} is bad, on which it depends", name(&parent)),
            Hush::Grace(until) => format!("what it depends on is awaited for {}", whole(until.since(now))),
            Hush::Early(until) => format!("told in {} unless it is acknowledged", whole(until.since(now))),
            Hush::Acknowledged => "it is acknowledged".into(),
        })
    }

    /// Maintenance windows that are open, by their places in the definition.
    pub(super) fn open_windows(&self) -> impl Iterator<Item = usize> {
        self.waits.windows.iter().copied()
    }

    /// Who did something by a node, for people.
    pub(super) fn person(&self, person: &str, author: &crate::base::id::NodeId) -> String {
        let node = self.settings.network.name_of(author);
        if person.is_empty() { node } else { format!("{person} on {node}") }
    }
}

impl Waits {
    /// Something may change at this moment.
    fn until(&mut self, moment: Mono) {
        self.due = Some(self.due.map_or(moment, |due| due.min(moment)));
    }

    /// Forgets receipts that nothing follows any more.
    pub(super) fn settle(&mut self, followed: &BTreeSet<IntentKey>) {
        self.learnt.retain(|key, _| followed.contains(key));
    }
}

impl Hushes<'_> {
    /// Whether something of an incident may be told now.
    pub(super) fn may(
        &self,
        now: Mono,
        waits: &mut Waits,
        channel: &Channel,
        id: &IncidentId,
        ask: Ask,
        followed: &mut BTreeSet<IntentKey>,
    ) -> bool {
        let (round, after) = match ask {
            Ask::Tell { begun } => {
                let hush = self.hush(now, waits, channel, id, begun);
                if let Some(Hush::Grace(until) | Hush::Early(until)) = hush {
                    waits.until(until);
                }
                return hush.is_none();
            }
            Ask::Remind { round, after } => (round, after),
        };
        followed.insert(after);
        let since = *waits.learnt.entry(after).or_insert(now);
        let Some(due) = pause(channel, round).map(|pause| since + pause) else { return false };
        if now < due {
            waits.until(due);
            return false;
        }
        let target = self.targets.get(&id.target);
        self.quiet.seen_to(id).is_none() && target.is_none_or(|target| self.still(target, waits).is_none())
    }

    /// Why an incident is not told now by a channel that wants it. With `begun`, something of it was told before.
    fn hush(&self, now: Mono, waits: &Waits, channel: &Channel, id: &IncidentId, begun: bool) -> Option<Hush> {
        let (target, incident) = (self.targets.get(&id.target)?, self.incidents.get(id)?);
        let over = || self.at_its_end(target, incident);
        let parent = || if begun { None } else { self.parent(now, waits, target, id, incident) };
        self.still(target, waits).or_else(over).or_else(parent).or_else(|| {
            let until = *waits.met.get(id)? + channel.escalate?;
            match self.quiet.seen_to(id) {
                Some(_) => Some(Hush::Acknowledged),
                None => (now < until).then_some(Hush::Early(until)),
            }
        })
    }

    /// What is quiet of a target as a whole.
    fn still(&self, target: &Target, waits: &Waits) -> Option<Hush> {
        let group = target.group.as_deref();
        let silence = self.quiet.silence_of(&target.id, group).map(|(_, fact)| Hush::Silence(Some(fact.id)));
        silence.or_else(|| {
            let mut open = waits.windows.iter().filter_map(|place| self.windows.get(*place));
            open.find(|window| window.is_for(&target.id, group)).map(|window| Hush::Window(window.name.clone()))
        })
    }

    /// What was quiet when an incident ended: nobody is told of it afterwards.
    fn at_its_end(&self, target: &Target, incident: &Incident) -> Option<Hush> {
        let (said, closed) = incident.closing()?;
        let group = target.group.as_deref();
        if self.quiet.was_silent(&target.id, group, said.lamport) {
            return Some(Hush::Silence(None));
        }
        let mut windows = self.windows.iter().filter(|window| window.is_for(&target.id, group));
        windows.find(|window| window.is_open(Wall(closed.at))).map(|window| Hush::Window(window.name.clone()))
    }

    /// What a dependency keeps back.
    fn parent(&self, now: Mono, waits: &Waits, target: &Target, id: &IncidentId, incident: &Incident) -> Option<Hush> {
        if target.depends.is_empty() {
            return None;
        }
        let bad = match incident.stretch() {
            (_, None) => self.bad_parent(target),
            (from, Some(to)) => self.bad_meanwhile(target, from, to),
        };
        bad.map(Hush::Parent).or_else(|| {
            let Family::Well { since, again } = *waits.clear.get(id)? else { return None };
            let until = since + if again { recovery(target) } else { self.detection(target) };
            (now < until).then_some(Hush::Grace(until))
        })
    }

    /// Something that a target depends on and that is bad now.
    fn bad_parent(&self, target: &Target) -> Option<TargetId> {
        self.ancestors(target).into_iter().find(|parent| self.incidents.open_of(parent).is_some())
    }

    /// Something that a target depends on and that was bad at any time from one word to another.
    fn bad_meanwhile(&self, target: &Target, from: u64, to: u64) -> Option<TargetId> {
        let meets = |incident: &Incident| {
            let (begin, end) = incident.stretch();
            begin < to && end.is_none_or(|end| from < end)
        };
        self.ancestors(target).into_iter().find(|parent| self.incidents.of(parent).any(meets))
    }

    /// All that a target depends on, by way of others too, the nearest first.
    fn ancestors(&self, target: &Target) -> Vec<TargetId> {
        let mut waiting: VecDeque<&TargetId> = target.depends.iter().collect();
        let mut found = Vec::new();
        while let Some(id) = waiting.pop_front() {
            if !found.contains(id) {
                found.push(id.clone());
                waiting.extend(self.targets.get(id).into_iter().flat_map(|parent| &parent.depends));
            }
        }
        found
    }

    /// How much later than a target something may be found bad on which it depends, when both fell at once.
    fn detection(&self, target: &Target) -> Span {
        let parents = self.ancestors(target).into_iter().filter_map(|id| self.targets.get(&id));
        let longest = parents.map(|parent| match &parent.probe {
            Probe::Node(_) => limits::DEAD_LEAST * 2,
            _ => confirming(parent, parent.confirm.bad) + parent.interval / 2 + parent.timeout,
        });
        let longest = longest.max().unwrap_or(Span::ZERO);
        Span(longest.0.saturating_sub(confirming(target, target.confirm.bad).0)) + limits::quiet::DEPEND_SLACK
    }
}

/// How long after the receipt before it a reminder comes.
fn pause(channel: &Channel, round: u32) -> Option<Span> {
    let first = channel.remind?;
    let most = limits::quiet::REMIND_MOST.max(first);
    Some(Span(first.0.saturating_mul(1 << round.saturating_sub(1).min(20))).min(most))
}

/// How long a target may take to be found well again.
fn recovery(target: &Target) -> Span {
    confirming(target, target.confirm.good) + target.interval / 2 + target.timeout + limits::FRESH + limits::quiet::DEPEND_SLACK
}

/// From the first look that says otherwise to the last that confirms it, at least.
fn confirming(target: &Target, looks: u8) -> Span {
    target.interval / 2 * u64::from(looks)
}

/// Whole seconds, for people.
fn whole(span: Span) -> Span {
    Span(span.0.div_ceil(1000) * 1000)
}
