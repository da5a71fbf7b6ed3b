//! From verdicts to incidents, from incidents to votes, from votes to letters.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::entry::Entry;
use crate::base::fact::{Closed, Done, Fact, Opened, Vote};
use crate::base::id::{ChainId, EntryHash, IncidentId, IntentKey, Lane, NodeId, TargetId};
use crate::base::limits;
use crate::base::note::Note;
use crate::base::notice::{Delivery, Errand, Item, Row, Topic};
use crate::base::outcome::{Standing, Verdict, clip};
use crate::base::settings::{Channel, Phase, Split};
use crate::base::target::{Expected, Probe, Quorum, Target, Watchers};
use crate::base::time::{Micros, Now, Span, Wall};
use crate::base::view::Presence;
use crate::logic::effect::{Effect, Effects};
use crate::logic::incident::{Act, Incident};
use crate::logic::intent::{Electorate, Step, Wanted};
use crate::logic::liveness::Life;
use crate::logic::node::silence::number;
use crate::logic::node::{Node, Sent, ails};
use crate::logic::notice::letter;
use crate::logic::notice::{self, Case, Notice};
use crate::logic::quiet::lasts;
use crate::logic::rank;
use crate::logic::standing::Tally;

impl Node {
    /// Makes the tallies of what changed, and writes that incidents open and close.
    pub(super) fn consider(&mut self, now: Now, out: &mut Effects) {
        let journal = &self.journal;
        let head = |node: &NodeId, incarnation| journal.head(&ChainId { author: *node, incarnation, lane: Lane::State });
        if self.liveness.read(head) {
            self.dirty = self.order.iter().cloned().collect();
        }
        let mut targets = std::mem::take(&mut self.dirty);
        targets.extend(self.incidents.waiting());
        self.stand_in(now, &targets);
        for id in targets {
            let Some(target) = self.targets.get(&id) else {
                // A channel is considered elsewhere.
                if ails::channel_of(&id).is_none() {
                    self.incidents.withdraw(&id);
                }
                continue;
            };
            let counted = self.counted(target);
            let tally = self.standings.tally(target, &counted, |node| self.is_read(node));
            let since = match self.tallies.get(&id) {
                Some((known, since)) if known.standing == tally.standing => *since,
                _ => now.wall,
            };
            let told = target.expected == Expected::Always && !target.reference && !self.isolated && !self.hushed;
            let standing = tally.standing;
            self.tallies.insert(id.clone(), (tally, since));
            self.stale.insert(id.clone());
            self.changed = true;
            // Who has only begun may not have heard all that was said: it leaves the word to others.
            if told && self.is_level(now) {
                let turn = self.turn_of_witness(&id, &counted);
                match self.incidents.consider(now, &id, standing, turn, target.flap) {
                    Some(Act::Open(incident)) => self.open(now, incident, standing, &counted, out),
                    Some(Act::Close(incident) | Act::Settle(incident)) => self.close(now, incident, standing, out),
                    None => {}
                }
            } else {
                self.incidents.withdraw(&id);
            }
        }
    }

    /// Looks at what whoever should cannot look at, and leaves it to it again when it can.
    fn stand_in(&mut self, now: Now, targets: &BTreeSet<TargetId>) {
        let counted = |target: &&Target| matches!(target.watchers, Watchers::Count(_));
        let mut changed = targets.iter().filter_map(|id| self.targets.get(id)).filter(counted);
        if changed.any(|target| self.is_misplaced(target)) {
            self.rewatch(now);
        }
    }

    /// Whether this node votes and has heard what was said before it started, or has waited for it in vain.
    pub(super) fn is_level(&self, now: Now) -> bool {
        let alone = self.settings.network.roster.len() == 1;
        let votes = self.settings.network.member(&self.me).is_some_and(|member| member.role.votes());
        votes && (alone || self.mesh.is_level() || limits::DEAD_LEAST <= now.mono.since(self.started))
    }

    /// Whether incidents of a target are anything to tell: it is defined, and expected to be there.
    pub(super) fn tells_of(&self, target: &TargetId) -> bool {
        tells(self.targets.get(target))
    }

    /// The watchers of a target that count now: alive as far as is known, not isolated, and able to write.
    pub(super) fn counted(&self, target: &Target) -> Vec<NodeId> {
        let watchers = self.ranks.watchers(target, |node| self.is_gone(target, node));
        let counts = |node: &NodeId| {
            if *node == self.me {
                return !self.isolated;
            }
            self.liveness.life(node).is_some_and(|life| life.presence != Presence::Dead && !life.isolated && !life.mute)
        };
        watchers.into_iter().filter(counts).collect()
    }

    /// Whether what the journal says of a node's verdicts is what it says now. Who is silent may not see
    /// any more; who comes back may have changed its mind, and its new words come after its heartbeat.
    fn is_read(&self, node: &NodeId) -> bool {
        let known = |life: &Life| life.unread.is_none() && life.presence == Presence::Alive;
        *node == self.me || self.liveness.life(node).is_some_and(known)
    }

    /// This node's place among those who see a target's standing. Who does not watch comes last.
    fn turn_of_witness(&self, target: &TargetId, counted: &[NodeId]) -> usize {
        let rank = |node: &NodeId| rank::rendezvous(target.0.as_bytes(), node);
        if counted.contains(&self.me) { counted.iter().filter(|node| rank(node) < rank(&self.me)).count() } else { counted.len() }
    }

    fn open(&mut self, now: Now, incident: IncidentId, standing: Standing, counted: &[NodeId], out: &mut Effects) {
        let said = |node: &NodeId| self.standings.said(&incident.target, node).map(|judged| (*node, judged.clone()));
        let bad = |verdict: Verdict| matches!(verdict, Verdict::Down | Verdict::Degraded);
        let votes: Vec<_> = counted.iter().filter_map(said).filter(|(_, judged)| bad(judged.verdict)).collect();
        // The writer's own first bad look is the safest to read: it is by the same clock as the entry.
        let own = votes.iter().find(|(node, _)| *node == self.me);
        let since = own.map(|(_, judged)| judged.since).or_else(|| votes.iter().map(|(_, judged)| judged.since).min());
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        votes.iter().for_each(|(_, judged)| *reasons.entry(judged.detail.as_str()).or_default() += 1);
        let reason = reasons.into_iter().max_by_key(|(_, count)| *count).map_or("", |(reason, _)| reason).to_owned();
        let since = since.unwrap_or(now.wall.0);
        // What is worse than was said is the same incident.
        let is_new = self.incidents.get(&incident).is_none();
        let target = self.targets.get(&incident.target).filter(|_| is_new);
        let flapping = target.and_then(|target| Some((self.incidents.flaps(now.mono, &target.id, target.flap)?, target.flap.within)));
        let reason = match flapping {
            Some((count, within)) => clip(format!("flapping, bad for the {} time within {within}: {reason}", ordinal(count))),
            None => reason,
        };
        let opened = Opened {
            standing,
            votes: votes.iter().take(limits::NAMED).map(|(node, judged)| Vote { node: *node, verdict: judged.verdict }).collect(),
            since,
            reason,
            seen: u16::try_from(self.seen()).unwrap_or(u16::MAX),
            enrolled: u16::try_from(self.settings.network.roster.len()).unwrap_or(u16::MAX),
            channels: self.concerned(&incident.target, standing, Wall(since)),
            flapping: flapping.map(|(count, _)| count),
            incident,
        };
        let entry = self.seal(now, Fact::Opened(opened), out);
        self.announce(&entry, out);
    }

    /// Channels that are told of such a standing of a target since this moment.
    fn concerned(&self, target: &TargetId, standing: Standing, since: Wall) -> Vec<String> {
        let wants = |channel: &&Channel| {
            channel.on.contains(&Phase::of(standing)) && wants(channel, self.targets.get(target), target, standing, since)
        };
        self.settings.network.channels.iter().filter(wants).map(|channel| channel.name.clone()).collect()
    }

    /// Whether a channel wants to hear that an incident is bad.
    pub(super) fn would_tell(&self, channel: &Channel, id: &IncidentId, incident: &Incident) -> bool {
        let since = Wall(incident.opening().map_or(0, |(_, opened)| opened.since));
        let asked = incident.is_open() || channel.escalate.is_none() && incident.concerns(&channel.name);
        let wanted = asked && self.tells_of(&id.target) && channel.on.contains(&Phase::of(incident.standing()));
        wanted && wants(channel, self.targets.get(&id.target), &id.target, incident.standing(), since)
    }

    pub(super) fn close(&mut self, now: Now, incident: IncidentId, standing: Standing, out: &mut Effects) {
        let Some(known) = self.incidents.get(&incident) else { return };
        let closed = Closed { covers: known.uncovered(), at: now.wall.0, lasted: known.lasted(now).0, standing, incident };
        let entry = self.seal(now, Fact::Closed(closed), out);
        self.announce(&entry, out);
    }

    /// Remarks on what an entry says, before it is folded or right after it was written here.
    pub(super) fn announce(&self, entry: &Entry, out: &mut Effects) {
        let author = entry.header.chain.author;
        let own = author == self.me;
        let by = || self.settings.network.name_of(&author);
        for fact in entry.facts.iter() {
            match fact {
                Fact::Opened(opened) if own || self.incidents.get(&opened.incident).is_none() => {
                    let (incident, reason) = (opened.incident.clone(), opened.reason.clone());
                    out.note(Note::Opened { incident, standing: opened.standing, reason });
                }
                // An end or a receipt may be said again long after.
                Fact::Closed(closed) if own || self.incidents.get(&closed.incident).is_some_and(Incident::is_open) => {
                    out.note(Note::Closed { incident: closed.incident.clone() });
                }
                Fact::Acknowledged(said) => {
                    let (incident, reason) = (said.incident.clone(), said.reason.clone());
                    out.note(Note::Acknowledged { incident, by: self.person(&said.person, &author), reason });
                }
                Fact::Silenced(said) if own || !self.quiet.knows(said.id) => {
                    let what = said.targets.iter().chain(&said.groups).cloned().collect::<Vec<_>>().join(", ");
                    let (id, by) = (number(said.id), self.person(&said.person, &author));
                    out.note(Note::Silenced { id, what, lasts: lasts(said), by, reason: said.reason.clone() });
                }
                Fact::Unsilenced(said) if own || self.quiet.get(said.id).is_some() => {
                    out.note(Note::Unsilenced { id: number(said.id), by: self.person(&said.person, &author), early: said.early });
                }
                Fact::Done(done) if own || !done.keys.iter().all(|key| self.intents.receipt(key).is_some()) => {
                    if let Some(note) = self.note_of_wish(done, &by()) {
                        out.note(note);
                        continue;
                    }
                    let channel = self.channel_of(&done.keys).unwrap_or_else(|| "a channel".into());
                    let detail = done.detail.clone();
                    out.note(if done.success {
                        Note::Told { channel, by: by(), detail }
                    } else {
                        Note::Failed { channel, by: by(), detail }
                    });
                }
                _ => {}
            }
        }
    }

    fn channel_of(&self, keys: &[IntentKey]) -> Option<String> {
        let holds = |wanted: &[(IntentKey, _, Notice)]| wanted.iter().any(|(key, _, _)| keys.contains(key));
        self.wanted.iter().find(|(_, wanted)| holds(wanted)).map(|(channel, _)| channel.clone())
    }

    /// Finds what is to be told, and takes part in the votes on who tells it.
    pub(super) fn vote(&mut self, now: Now, out: &mut Effects) {
        self.find_wanted(now);
        loop {
            let wanted = self.wanted_actions();
            let step = self.with_electorate(now, |intents, electorate| intents.turn(now, &wanted, electorate));
            match step {
                None => break,
                Some(Step::Write(fact)) => {
                    let entry = self.seal(now, fact, out);
                    if let Some(fact) = entry.facts.first() {
                        self.intents.wrote(now.mono, entry.hash, entry.header.chain, entry.header.sequence, fact);
                    }
                }
                Some(Step::Act { ballot, domain: _, keys, message, within }) => {
                    if !self.grant_wish(now, ballot, &keys, &message, out) {
                        self.act(now, ballot, &keys, message, within, out);
                    }
                }
            }
        }
    }

    fn find_wanted(&mut self, now: Now) {
        // It follows from the journal and the settings, and from what is quiet for a time.
        let version = Some(self.journal.version());
        if !self.heed(now) && self.wanted_of == version {
            return;
        }
        self.wanted_of = version;
        self.await_more(now.mono);
        let mut waits = std::mem::take(&mut self.waits);
        let mut notices = std::mem::take(&mut self.notices);
        let hushes = self.hushes();
        let mut followed = BTreeSet::new();
        let network = self.settings.network.network;
        let (intents, targets) = (&self.intents, &self.targets);
        // By the first bad look as the journal has it: the same on all nodes, whatever their clocks say.
        let began = |incident: &Incident| Wall(incident.opening().map_or(0, |(_, opened)| opened.since));
        // What was cut away and is yet to be said again was told all the same.
        let undone: BTreeSet<IntentKey> = self.undone.iter().flat_map(|undone| &undone.done.keys).copied().collect();
        let told = |key: &IntentKey| intents.receipt(key).is_some() || undone.contains(key);
        let mut found = BTreeMap::new();
        for channel in &self.settings.network.channels {
            let incidents = &self.incidents;
            let case = |id: &IncidentId, incident: &Incident| Case {
                open: incident.is_open(),
                standing: incident.standing(),
                concerns: channel.escalate.is_none() && incident.concerns(&channel.name) && incidents.later(id) < limits::UNTOLD,
                wants: wants(channel, targets.get(&id.target), &id.target, incident.standing(), began(incident)),
            };
            let known = incidents.all().filter(|(id, _)| tells(targets.get(&id.target)));
            let cases = known.map(|(id, incident)| {
                let case = case(&id, incident);
                (id, case)
            });
            let wanted = notices.wanted(now.mono, network, channel, cases, told, |id, ask| {
                hushes.may(now.mono, &mut waits, channel, id, ask, &mut followed)
            });
            if !wanted.is_empty() {
                found.insert(channel.name.clone(), wanted);
            }
        }
        notices.settle(told);
        waits.settle(&followed);
        (self.wanted, self.notices, self.waits) = (found, notices, waits);
    }

    fn wanted_actions(&self) -> Vec<Wanted> {
        if self.isolated {
            return Vec::new();
        }
        let wanted = |channel: &Channel| {
            let keys = self.wanted.get(&channel.name)?.iter().map(|(key, since, _)| (*key, *since)).collect();
            let domain = notice::domain_of(self.settings.network.network, &channel.name);
            Some(Wanted { domain, keys, window: channel.group, capable: self.capable(&channel.way.needs()) })
        };
        self.settings.network.channels.iter().filter_map(wanted).chain(self.wished()).collect()
    }

    /// Who has all that a way out needs, as published, and is alive.
    pub(super) fn capable(&self, needs: &[String]) -> Vec<NodeId> {
        let published = |node: &NodeId| {
            let report = self.reports.of(node).and_then(|report| report.inventory.as_ref());
            report.is_some_and(|(_, inventory)| needs.iter().all(|need| inventory.ways.contains(need)))
        };
        let alive = |node: &NodeId| {
            *node == self.me
                || self.liveness.life(node).is_some_and(|life| life.presence == Presence::Alive && life.voting && !life.isolated)
        };
        self.members().into_iter().map(|(node, _)| node).filter(|node| alive(node) && published(node)).collect()
    }

    /// Whether anybody alive has a way out for a channel.
    pub(super) fn capable_of(&self, channel: &Channel) -> bool {
        !self.capable(&channel.way.needs()).is_empty()
    }

    fn with_electorate<R>(&mut self, now: Now, f: impl FnOnce(&mut crate::logic::intent::Intents, &Electorate) -> R) -> R {
        let (mut voters, mut silent) = (Vec::new(), Vec::new());
        let patience = self.voter_silence();
        let members: Vec<NodeId> = self.members().into_iter().map(|(node, _)| node).collect();
        for node in members.iter().filter(|node| **node != self.me) {
            let Some(life) = self.liveness.life(node) else { continue };
            let silence = now.mono.since(life.at);
            match life.presence {
                Presence::Dead | Presence::Me => {}
                // Not heard since this daemon started: it may be alive, so it is awaited for a while.
                Presence::Unheard if silence <= patience => voters.push(*node),
                Presence::Unheard => {}
                Presence::Alive | Presence::Suspect if !life.voting => {}
                Presence::Alive | Presence::Suspect if silence <= patience => voters.push(*node),
                Presence::Alive | Presence::Suspect => silent.push(*node),
            }
        }
        let dead: BTreeSet<NodeId> = self.dead();
        let idle = |node: &NodeId| self.liveness.life(node).is_none_or(|life| !life.voting || patience < now.mono.since(life.at));
        let network = self.settings.network.network;
        let (mesh, roster, wishes) = (&self.mesh, &self.settings.network, &self.wishes);
        let electorate = Electorate {
            voters,
            silent,
            voting: self.votes(now),
            announced: self.announced,
            enrolled: members.len(),
            steady: self.members().into_iter().filter(|(_, expected)| *expected == Expected::Always).map(|(node, _)| node).collect(),
            alone: self.alone_since.map(|since| now.mono.since(since)),
            majority: self.settings.network.split == Split::Majority,
            // Whoever is no member any more does not come back.
            dead: &|node| dead.contains(node) || roster.member(node).is_none(),
            idle: &idle,
            held: &|chain, sequence| mesh.is_held(chain, sequence),
            hash: &|domain, node| rank::rendezvous(&domain.0, node),
            message: &|keys| wishes.message(keys).unwrap_or_else(|| notice::message_of(network, keys)),
        };
        f(&mut self.intents, &electorate)
    }

    fn act(&mut self, now: Now, ballot: EntryHash, keys: &[IntentKey], message: String, within: Span, out: &mut Effects) {
        let channels = self.settings.network.channels.iter();
        let found = channels.filter_map(|channel| Some((channel, self.wanted.get(&channel.name)?))).find_map(|(channel, wanted)| {
            let still = wanted.iter().filter(|(key, _, _)| keys.contains(key));
            let told: Vec<_> = still.filter_map(|(key, _, notice)| Some((*key, self.item(now, channel, notice)?))).collect();
            (!told.is_empty()).then(|| (channel.clone(), told))
        });
        let Some((channel, told)) = found else {
            // The channel was removed, or what was voted on has changed meanwhile.
            let delivery = Delivery { success: false, detail: "there was nothing to tell any more".into(), refused: vec![], after: None };
            let sent = Sent { keys: keys.to_vec(), covers: Vec::new(), message, fresh: true, delivery: Some(delivery), noted: false };
            self.errands.insert(ballot, sent);
            return;
        };
        let (keys, items): (Vec<IntentKey>, Vec<Item>) = told.into_iter().unzip();
        let openings = |item: &Item| self.incidents.get(&item.incident).map(Incident::openings);
        let covers = items.iter().filter_map(openings).flatten().collect();
        let topic = Topic {
            network: self.settings.network.name.clone(),
            sender: self.settings.name.clone(),
            seen: (self.seen(), self.settings.network.roster.len()),
            message: message.clone(),
            test: false,
            items,
        };
        let letter = letter::write(&topic);
        self.errands.insert(ballot, Sent { keys, covers, message, fresh: true, delivery: None, noted: false });
        out.note(Note::Sending { channel: channel.name.clone(), subject: letter.subject.clone() });
        out.then(Effect::Carry(Box::new(Errand { ballot, channel: channel.name, way: channel.way, letter, within })));
    }

    fn item(&self, now: Now, channel: &Channel, notice: &Notice) -> Option<Item> {
        let incident = self.incidents.get(&notice.incident)?;
        let (_, opened) = incident.opening()?;
        let closing = incident.closing();
        let target = self.targets.get(&notice.incident.target);
        // What holds now says more than what held when it was opened, as long as it is still bad.
        let votes = match self.tallies.get(&notice.incident.target) {
            Some((tally, _)) if tally.standing.is_bad() => (tally.votes, tally.counted),
            Some((tally, _)) => (opened.votes.len(), tally.counted.max(opened.votes.len())),
            None => (opened.votes.len(), opened.votes.len()),
        };
        let network = self.settings.network.network;
        let phases = [Phase::Degraded, Phase::Down];
        let before = phases.into_iter().filter(|phase| *phase != notice.phase || 0 < notice.round).filter_map(|phase| {
            let key = notice::key_of(network, &channel.name, &notice.incident, phase);
            self.intents.receipt(&key).map(|receipt| receipt.message.clone())
        });
        Some(Item {
            incident: notice.incident.clone(),
            phase: notice.phase,
            severity: target.map(|target| target.severity).unwrap_or_default().at(opened.standing),
            reminder: notice.round,
            acknowledged: self
                .quiet
                .seen_to(&notice.incident)
                .map(|(word, fact)| (self.person(&fact.person, &word.author), fact.reason.clone())),
            standing: opened.standing,
            group: target.and_then(|target| target.group.clone()),
            probe: target.map_or_else(|| "no longer defined".into(), |target| target.probe.describe()),
            reason: opened.reason.clone(),
            since: Wall(opened.since),
            ended: closing.map(|(_, closed)| Wall(closed.at)),
            lasted: closing.map_or_else(|| incident.lasted(now), |(_, closed)| Span(closed.lasted)),
            votes,
            rows: target.map(|target| self.rows(target)).unwrap_or_default(),
            rule: target.map(|target| rule(target, opened.standing)).unwrap_or_default(),
            runbook: target.and_then(|target| target.runbook.clone()),
            before: before.collect(),
            flapping: incident.flapping().and(target).map(|target| target.flap.steady),
            settled: closing.filter(|(_, closed)| closed.standing.is_bad()).map(|(_, closed)| closed.standing),
        })
    }

    fn rows(&self, target: &Target) -> Vec<Row> {
        let row = |node: &NodeId| {
            let said = self.standings.said(&target.id, node);
            Row {
                node: self.settings.network.name_of(node),
                verdict: said.map_or(Verdict::Unknown, |judged| judged.verdict),
                time: said.and_then(|judged| judged.time).map(Micros),
                loss: said.and_then(|judged| judged.loss).map(|loss| f32::from(loss) / 10_000.0),
                last_good: said.and_then(|judged| judged.last_good).map(Wall),
                detail: said.map_or_else(|| "has not judged yet".into(), |judged| judged.detail.clone()),
            }
        };
        self.ranks.watchers(target, |node| self.is_gone(target, node)).iter().map(row).collect()
    }

    /// An errand ended. Its receipt is written at the end of the turn, or once this node can write.
    pub(super) fn delivered(&mut self, ballot: EntryHash, delivery: Delivery) {
        if let Some(sent) = self.errands.get_mut(&ballot) {
            sent.delivery = Some(delivery);
        }
    }

    /// Writes the receipts of errands that have ended, whatever became of them.
    pub(super) fn note_deliveries(&mut self, now: Now, out: &mut Effects) {
        let ended = |(ballot, sent): (&EntryHash, &mut Sent)| {
            let delivery = sent.delivery.clone().filter(|_| !sent.noted)?;
            sent.noted = true;
            Some((*ballot, delivery, sent.keys.clone(), sent.covers.clone(), sent.message.clone()))
        };
        let ended: Vec<_> = self.errands.iter_mut().filter_map(ended).collect();
        for (ballot, delivery, keys, covers, message) in ended {
            let Delivery { success, detail, mut refused, after } = delivery;
            let after = after.map(|after| u32::try_from(after.0.div_ceil(1000)).unwrap_or(u32::MAX));
            let mut covers = covers;
            refused.truncate(limits::NAMED / 4);
            covers.truncate(limits::NAMED);
            // The ballot may have been cut away with the chain in which it stood. What was done stays done.
            let cut = success && !self.intents.knows(&ballot);
            let done = if cut {
                Some(Done { ballot, keys, success, detail, message, refused, covers, after })
            } else {
                self.intents.ended(ballot, keys, success, detail, refused, covers).map(|done| Done { after, ..done })
            };
            if let Some(done) = done {
                let entry = self.seal(now, Fact::Done(done), out);
                self.announce(&entry, out);
            }
        }
    }

    /// Voters silent for longer are not awaited: never less than a few heartbeats of a large network.
    fn voter_silence(&self) -> Span {
        limits::VOTER_SILENCE.max(crate::logic::liveness::heartbeat_every(self.settings.network.roster.len()) * 3)
    }

    /// Nodes seen alive, this one included.
    pub(super) fn seen(&self) -> usize {
        1 + self.liveness.all().filter(|(_, life)| matches!(life.presence, Presence::Alive | Presence::Suspect)).count()
    }

    /// The tally of a target, as last made.
    pub(super) fn tally(&self, target: &TargetId) -> (Tally, Wall) {
        self.tallies.get(target).cloned().unwrap_or_else(|| (Tally::default(), self.began))
    }
}

/// `4th`.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn group_of(target: Option<&Target>) -> Option<&str> {
    target.and_then(|target| target.group.as_deref())
}

/// Whether a channel wants to hear of an incident that is so bad and began at this moment, which the journal has.
fn wants(channel: &Channel, target: Option<&Target>, id: &TargetId, standing: Standing, since: Wall) -> bool {
    let severity = target.map(|target| target.severity).unwrap_or_default().at(standing);
    channel.only.is_for(severity) && channel.only.wants(id, group_of(target), since)
}

fn tells(target: Option<&Target>) -> bool {
    target.is_some_and(|target| target.expected == Expected::Always && !target.reference)
}

/// What confirms an incident of this target, for people, and beyond what it is degraded.
fn rule(target: &Target, standing: Standing) -> String {
    let quorum = match target.quorum {
        Quorum::Any => "any watcher".to_owned(),
        Quorum::Majority => "a majority of watchers".to_owned(),
        Quorum::All => "all watchers".to_owned(),
        Quorum::Count(count) => format!("{count} watchers"),
    };
    let confirmed = match &target.probe {
        Probe::Node(_) => return format!("no heartbeat on any path, seen by {quorum}"),
        _ => format!("{} bad looks in a row, every {}, seen by {quorum}", target.confirm.bad, target.interval),
    };
    if standing == Standing::Degraded { format!("{}{confirmed}", thresholds(target)) } else { confirmed }
}

/// Beyond what a target is degraded, as the beginning of a line.
fn thresholds(target: &Target) -> String {
    let loss = target.degraded.loss.map(|loss| format!("more than {:.0}% lost", loss * 100.0));
    let time = target.degraded.rtt.map(|rtt| format!("slower than {rtt}"));
    let days = match &target.probe {
        Probe::Http(http) => http.certificate_days.map(|days| format!("a certificate with less than {days} days")),
        _ => None,
    };
    let all: Vec<String> = [loss, time, days].into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!("{}; ", all.join(" or ")) }
}
