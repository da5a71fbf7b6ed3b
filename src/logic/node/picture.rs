//! What faces show of this node's network.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::id::{ChainId, IncidentId, IntentKey, NodeId};
use crate::base::limits;
use crate::base::outcome::Verdict;
use crate::base::settings::{Channel, Member, Phase};
use crate::base::target::{Expected, Target};
use crate::base::time::{Micros, Mono, Now, Span, Wall};
use crate::base::view::{
    AcknowledgedView, ClockView, ForkView, HeadView, IncidentView, JournalView, LagView, LinkView, NodeView, NoticeView, Presence,
    TargetView, View, WatcherView,
};
use crate::logic::incident::Incident;
use crate::logic::node::Node;
use crate::logic::node::ails;
use crate::logic::notice;

impl Node {
    pub(super) fn picture(&mut self, now: Now) -> View {
        for id in std::mem::take(&mut self.stale) {
            self.shown.remove(&id);
        }
        for id in &self.order {
            if !self.shown.contains_key(id)
                && let Some(target) = self.targets.get(id)
            {
                let view = Arc::new(self.target_view(target));
                self.shown.insert(id.clone(), view);
            }
        }
        let events = self.event_views();
        let hidden = |target: &&Target| !target.reference;
        let targets =
            self.order.iter().filter_map(|id| self.targets.get(id)).filter(hidden).filter_map(|target| self.shown.get(&target.id));
        let network = &self.settings.network;
        let (journal, lags) = self.journal_view();
        View {
            network: network.name.clone(),
            id: network.id.clone(),
            me: self.settings.name.clone(),
            at: now.wall,
            fault: self.fault.clone().or_else(|| self.expelled.clone()),
            isolated: self.isolated,
            remarks: self.settings.remarks.iter().chain(&self.settings.lacks).cloned().chain(self.overfull()).collect(),
            nodes: network.roster.iter().map(|member| Arc::new(self.node_view(now, member, &lags))).collect(),
            targets: targets.cloned().collect(),
            incidents: self.incident_views(now.mono),
            silences: self.silence_views().into(),
            windows: self.window_names(),
            events,
            journal: Arc::new(journal),
        }
    }

    fn node_view(&self, now: Now, member: &Member, lags: &BTreeMap<NodeId, LagView>) -> NodeView {
        let me = member.node == self.me;
        let life = self.liveness.life(&member.node);
        let report = self.reports.of(&member.node);
        let inventory = report.and_then(|report| report.inventory.as_ref()).map(|(_, inventory)| inventory);
        let links = report.map(|report| report.links.values().map(|(_, linked)| linked)).into_iter().flatten();
        let link_view = |linked: &crate::base::fact::Linked| {
            let own = if me { self.mesh.link_to(&linked.peer) } else { None };
            LinkView {
                peer: self.settings.network.name_of(&linked.peer),
                up: linked.up,
                since: Wall(linked.since),
                time: own.and_then(|link| link.time).map(Micros),
                offset: own.and_then(|link| link.offset),
                lag: own.and_then(|link| lags.get(&link.peer).copied()),
                bytes: own.map(|link| link.bytes),
                detail: linked.detail.clone(),
            }
        };
        NodeView {
            id: member.node,
            name: member.name.clone(),
            role: member.role,
            presence: if me { Presence::Me } else { life.map(|life| life.presence).unwrap_or_default() },
            heard: if me { Some(now.wall) } else { life.and_then(|life| life.heard) },
            voting: if me { self.votes(now) } else { life.is_some_and(|life| life.voting) },
            isolated: if me { self.isolated } else { life.is_some_and(|life| life.isolated) },
            software: inventory.map(|inventory| inventory.software.clone()),
            system: inventory.map(|inventory| inventory.system.clone()),
            ways: inventory.map(|inventory| inventory.ways.clone()).unwrap_or_default(),
            lacks: inventory.map(|inventory| inventory.lacks.clone()).unwrap_or_default(),
            same_definition: inventory.map(|inventory| inventory.definition == self.settings.network.definition),
            incarnation: report.map(|report| report.incarnation),
            clock: self.clock_view(&member.node),
            addresses: member.addresses.clone(),
            links: links.map(link_view).collect(),
        }
    }

    /// How another node's clock stands to this one's: by the link to it, else by its last heartbeat.
    fn clock_view(&self, node: &NodeId) -> Option<ClockView> {
        let measured = self.mesh.link_to(node).and_then(|link| link.offset).map(|offset| ClockView { offset, measured: true });
        measured.or_else(|| {
            let (heartbeat, heard) = (self.heartbeats.get(node)?, self.liveness.life(node)?.heard?);
            Some(ClockView { offset: heartbeat.value.wall.saturating_sub(heard.0), measured: false })
        })
    }

    fn target_view(&self, target: &Target) -> TargetView {
        let (tally, since) = self.tally(&target.id);
        let counted = self.counted(target);
        let mut watchers = self.ranks.watchers(target, |node| self.is_dead(node));
        // Whoever has something to say of the target is shown, also if it does not watch at the moment.
        let says = |node: &NodeId| self.standings.said(&target.id, node).is_some_and(|judged| judged.verdict != Verdict::Unknown);
        let others: Vec<NodeId> =
            self.members().into_iter().map(|(node, _)| node).filter(|node| !watchers.contains(node) && says(node)).collect();
        watchers.extend(others);
        TargetView {
            id: target.id.clone(),
            group: target.group.clone(),
            probe: target.probe.describe(),
            interval: target.interval,
            standing: tally.standing,
            since,
            votes: (tally.votes, tally.counted),
            partial: tally.partial,
            sometimes: target.expected == Expected::Sometimes,
            runbook: target.runbook.clone(),
            watchers: watchers.iter().map(|node| self.watcher_view(target, node, counted.contains(node))).collect(),
            incident: self.incidents.open_of(&target.id).map(|(id, _)| id),
        }
    }

    fn watcher_view(&self, target: &Target, node: &NodeId, counted: bool) -> WatcherView {
        let said = self.standings.said(&target.id, node);
        let own = if *node == self.me { self.verdicts.bench(&target.id) } else { None };
        let verdict = said.map_or(Verdict::Unknown, |judged| judged.verdict);
        WatcherView {
            node: self.settings.network.name_of(node),
            verdict,
            since: said.map(|judged| Wall(judged.since)),
            counted: counted && !matches!(verdict, Verdict::Unable | Verdict::Unknown),
            time: own.map_or_else(|| said.and_then(|judged| judged.time).map(Micros), |bench| bench.last.time),
            loss: own.filter(|bench| 0 < bench.last.sent).map_or_else(
                || said.and_then(|judged| judged.loss).map(|loss| f32::from(loss) / 10_000.0),
                |bench| Some(bench.last.loss()),
            ),
            detail: own
                .filter(|bench| !bench.last.detail.is_empty())
                .map_or_else(|| said.map(|judged| judged.detail.clone()).unwrap_or_default(), |bench| bench.last.detail.clone()),
            last_good: own.and_then(|bench| bench.last_good).or_else(|| said.and_then(|judged| judged.last_good).map(Wall)),
        }
    }

    fn incident_views(&self, now: Mono) -> Arc<[Arc<IncidentView>]> {
        let mut views: Vec<IncidentView> =
            self.incidents.all().filter_map(|(id, incident)| self.incident_view(now, id, incident)).collect();
        views.sort_by(|a, b| b.open.cmp(&a.open).then(b.opened.cmp(&a.opened)).then(a.id.cmp(&b.id)));
        let open = views.iter().filter(|view| view.open).count();
        views.truncate(open + limits::INCIDENTS_SHOWN);
        views.into_iter().map(Arc::new).collect()
    }

    fn incident_view(&self, now: Mono, id: IncidentId, incident: &Incident) -> Option<IncidentView> {
        let (said, opened) = incident.opening()?;
        let closing = incident.closing();
        let notices = self.settings.network.channels.iter().flat_map(|channel| self.notice_views(now, channel, &id, incident));
        Some(IncidentView {
            // What is no longer defined is nothing that anybody could mend.
            open: incident.is_open() && (self.tells_of(&id.target) || ails::channel_of(&id.target).is_some()),
            standing: opened.standing,
            since: Wall(opened.since),
            opened: said.wall,
            closed: closing.map(|(_, closed)| Wall(closed.at)),
            lasted: closing.map(|(_, closed)| Span(closed.lasted)),
            reason: opened.reason.clone(),
            votes: opened.votes.iter().map(|vote| (self.settings.network.name_of(&vote.node), vote.verdict)).collect(),
            acknowledged: self.quiet.seen_to(&id).map(|(word, fact)| AcknowledgedView {
                by: self.person(&fact.person, &word.author),
                at: Wall(fact.at),
                reason: fact.reason.clone(),
            }),
            notices: notices.collect(),
            id,
        })
    }

    fn notice_views(&self, now: Mono, channel: &Channel, id: &IncidentId, incident: &Incident) -> Vec<NoticeView> {
        let network = self.settings.network.network;
        let told = |key: &IntentKey| self.intents.receipt(key).is_some();
        let view = |phase: Phase| {
            let key = notice::key_of(network, &channel.name, id, phase);
            let mut view = self.notice_view(channel, phase, &key)?;
            if channel.remind.is_some() && view.state == "told" && phase != Phase::Up {
                view.reminders = notice::last_of(network, &channel.name, id, phase, told).0;
            }
            Some(view)
        };
        let mut views: Vec<NoticeView> = [Phase::Degraded, Phase::Down, Phase::Up].into_iter().filter_map(view).collect();
        let bad = Phase::of(incident.standing()).word();
        if !views.iter().any(|view| view.phase == bad) {
            let why = self.would_tell(channel, id, incident).then(|| self.why_quiet(now, channel, id, !views.is_empty())).flatten();
            views.extend(why.map(|detail| NoticeView {
                channel: channel.name.clone(),
                phase: bad,
                state: "quiet",
                reminders: 0,
                by: None,
                at: None,
                detail,
            }));
        }
        views
    }

    /// Names of the maintenance windows that are open.
    fn window_names(&self) -> Arc<[String]> {
        let all = &self.settings.network.maintenance;
        self.open_windows().filter_map(|place| all.get(place)).map(|window| window.name.clone()).collect()
    }

    fn notice_view(&self, channel: &Channel, phase: Phase, key: &IntentKey) -> Option<NoticeView> {
        let name = |node: &NodeId| Some(self.settings.network.name_of(node));
        let wanted = self.wanted.get(&channel.name).is_some_and(|wanted| wanted.iter().any(|(wanted, _, _)| wanted == key));
        let failures = self.intents.failures(key);
        let (state, by, at, detail) = if let Some(receipt) = self.intents.receipt(key) {
            ("told", name(&receipt.by), Some(receipt.at), receipt.detail.clone())
        } else if !wanted {
            // A vote on the end of an incident may be left over from before it opened again.
            return None;
        } else if let Some((candidate, acting)) = self.intents.candidate(key) {
            (if acting { "sending" } else { "voting" }, name(&candidate), None, String::new())
        } else if 0 < failures {
            let last = self.intents.last_failure(key);
            let detail = last.map_or_else(String::new, |detail| format!("{detail} ({failures} failed so far)"));
            ("failed", None, None, detail)
        } else if self.capable_of(channel) {
            ("waiting", None, None, String::new())
        } else {
            let way = &channel.way;
            ("waiting", None, None, format!("no node that is alive has a way out for {}; {}", way.name(), way.remedy()))
        };
        Some(NoticeView { channel: channel.name.clone(), phase: phase.word(), state, reminders: 0, by, at, detail })
    }

    /// How far this node has the journal, and how far the ends of its links are apart.
    fn journal_view(&self) -> (JournalView, BTreeMap<NodeId, LagView>) {
        let mut lags = BTreeMap::new();
        let mut apart: BTreeMap<ChainId, (Vec<(String, u64)>, u64)> = BTreeMap::new();
        let base = |chain: &ChainId| self.journal.get(chain).map_or(0, |head| head.base);
        for (id, link) in self.mesh.links() {
            let differs = |chain: &ChainId, lag: LagView| {
                let (peers, missing) = apart.entry(*chain).or_default();
                *missing = lag.lacks.max(*missing);
                if 0 < lag.peer_lacks {
                    peers.push((self.settings.network.name_of(&link.peer), lag.peer_lacks));
                }
            };
            lags.extend(self.mesh.lag(*id, base, differs).map(|lag| (link.peer, lag)));
        }
        let head = |head: &crate::base::wire::Head| {
            let (behind, missing) = apart.remove(&head.chain).unwrap_or_default();
            let ChainId { author, incarnation, lane } = head.chain;
            let author = self.settings.network.name_of(&author);
            HeadView { author, incarnation, lane: lane.name(), base: head.base, sequence: head.sequence, behind, missing }
        };
        let heads = self.journal.heads().map(head).collect();
        let fork = |(chain, sequence): (&ChainId, u64)| ForkView {
            author: self.settings.network.name_of(&chain.author),
            incarnation: chain.incarnation,
            lane: chain.lane.name(),
            sequence,
        };
        (JournalView { entries: self.journal.entries(), heads, forks: self.proofs.forks().map(fork).collect() }, lags)
    }
}
