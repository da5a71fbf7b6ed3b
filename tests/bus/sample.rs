//! A small network, made by hand: three nodes, four targets, one open incident and a closed one.

use std::sync::Arc;

use peerwatch::base::id::{Incarnation, IncidentId, NodeId, TargetId};
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::settings::Role;
use peerwatch::base::time::{Micros, Span, Wall};
use peerwatch::base::view::{
    ClockView, ForkView, HeadView, IncidentView, JournalView, LagView, LinkView, NodeView, NoticeView, Presence, TargetView, View,
    WatcherView,
};

/// The network `home` as `ber1` sees it at a moment.
pub(crate) struct Home(pub(crate) Wall);

impl Home {
    pub(crate) fn ago(&self, seconds: i64) -> Wall {
        Wall(self.0.0 - seconds * 1000)
    }

    pub(crate) fn view(&self) -> View {
        View {
            network: "home".into(),
            id: "home-qmxzt".into(),
            me: "ber1".into(),
            at: self.0,
            fault: None,
            isolated: false,
            remarks: Arc::new([]),
            nodes: Arc::new([
                Arc::new(self.node(1, "ber1", Presence::Me)),
                Arc::new(self.node(2, "fra1", Presence::Alive)),
                Arc::new(self.node(3, "laptop", Presence::Dead)),
            ]),
            targets: Arc::new([
                Arc::new(self.target("router", Standing::Up)),
                Arc::new(self.target("shop", Standing::Down)),
                Arc::new(self.target("node:fra1", Standing::Up)),
                Arc::new(TargetView { sometimes: true, ..self.target("node:laptop", Standing::Down) }),
            ]),
            incidents: Arc::new([Arc::new(self.incident("shop", 3, true)), Arc::new(self.incident("router", 1, false))]),
            silences: Arc::new([]),
            windows: Arc::new([]),
            events: Arc::new([]),
            journal: Arc::new(JournalView {
                entries: 1234,
                heads: vec![HeadView {
                    author: "ber1".into(),
                    incarnation: life(1),
                    lane: "state",
                    base: 5,
                    sequence: 17,
                    behind: vec![("fra1".into(), 2)],
                    missing: 0,
                }],
                forks: vec![ForkView { author: "laptop".into(), incarnation: life(3), lane: "events", sequence: 40 }],
            }),
        }
    }

    pub(crate) fn node(&self, number: u8, name: &str, presence: Presence) -> NodeView {
        let present = !matches!(presence, Presence::Dead | Presence::Unheard);
        let up = LinkView {
            peer: if number == 1 { "fra1" } else { "ber1" }.into(),
            up: present,
            since: self.ago(7200),
            time: (number == 1).then_some(Micros(11_900)),
            offset: (number == 1).then_some(-3),
            lag: (number == 1).then_some(LagView { peer_lacks: 2, lacks: 0 }),
            bytes: (number == 1).then_some((48_000, 1_250_000)),
            detail: if present { "198.51.100.7:9630" } else { "no answer to pings" }.into(),
        };
        NodeView {
            id: NodeId([number; 32]),
            name: name.into(),
            role: Role::Member,
            presence,
            heard: Some(if present { self.ago(90) } else { self.ago(5400) }),
            voting: present,
            isolated: false,
            software: Some("0.1.0".into()),
            system: Some("Debian GNU/Linux 13".into()),
            ways: vec!["mail".into()],
            lacks: vec![],
            same_definition: Some(true),
            incarnation: Some(life(number)),
            clock: (number != 1).then_some(ClockView { offset: -3, measured: number == 2 }),
            addresses: vec![format!("{name}.example.org:9630")],
            links: vec![up],
        }
    }

    pub(crate) fn target(&self, name: &str, standing: Standing) -> TargetView {
        let down = standing == Standing::Down;
        let verdict = if down { Verdict::Down } else { Verdict::Up };
        let watcher = |node: &str| WatcherView {
            node: node.into(),
            verdict,
            since: Some(self.ago(if down { 205 } else { 90_000 })),
            counted: true,
            time: (!down).then_some(Micros(1234)),
            loss: Some(if down { 1.0 } else { 0.0 }),
            detail: if down { "HTTP 503" } else { "" }.into(),
            last_good: Some(self.ago(if down { 220 } else { 10 })),
        };
        TargetView {
            id: TargetId(name.into()),
            group: None,
            probe: "http https://shop.example.org/".into(),
            interval: Span::secs(30),
            standing,
            since: self.ago(if down { 200 } else { 90_000 }),
            votes: (2, 2),
            partial: false,
            sometimes: false,
            runbook: None,
            watchers: vec![watcher("ber1"), watcher("fra1")],
            incident: (name == "shop" && down).then(|| IncidentId { target: TargetId(name.into()), number: 3 }),
        }
    }

    pub(crate) fn incident(&self, target: &str, number: u32, open: bool) -> IncidentView {
        let notice = |phase, state, at| NoticeView {
            channel: "ops".into(),
            phase,
            state,
            reminders: 0,
            by: Some("fra1".into()),
            at: Some(at),
            detail: "250 queued".into(),
        };
        let mut notices = vec![notice("down", "told", self.ago(if open { 150 } else { 9000 }))];
        if !open {
            notices.push(notice("up", "told", self.ago(8000)));
        }
        IncidentView {
            id: IncidentId { target: TargetId(target.into()), number },
            open,
            standing: Standing::Down,
            since: self.ago(if open { 205 } else { 9100 }),
            opened: self.ago(if open { 200 } else { 9060 }),
            closed: (!open).then(|| self.ago(8050)),
            lasted: (!open).then_some(Span::secs(1050)),
            reason: if open { "HTTP 503" } else { "no reply" }.into(),
            votes: vec![("ber1".into(), Verdict::Down), ("fra1".into(), Verdict::Down)],
            acknowledged: None,
            notices,
        }
    }
}

fn life(number: u8) -> Incarnation {
    Incarnation { opened: u64::from(number), nonce: [number; 16] }
}
