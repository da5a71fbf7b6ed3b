//! A network on a bad night, made by hand: every state, every kind of notice, hostile text on request.

use std::sync::Arc;

use peerwatch::base::command::Vantage;
use peerwatch::base::id::{Incarnation, IncidentId, NodeId, TargetId};
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::settings::Role;
use peerwatch::base::time::{Micros, Span, Wall};
use peerwatch::base::view::{
    ClockView, HeadView, IncidentView, JournalView, LagView, LinkView, NodeView, NoticeView, Presence, TargetView, View, WatcherView,
};
use peerwatch::base::wire::Answer;

/// The moment of the view.
pub(crate) const AT: Wall = Wall(1_780_000_000_000);

const NODES: [&str; 5] = ["ber1", "fra1", "hel1", "home", "laptop"];

/// A moment before the view.
fn ago(text: &str) -> Wall {
    Wall(AT.0 - Span::parse(text).unwrap().0 as i64)
}

/// The whole network.
pub(crate) fn night() -> View {
    View {
        network: "home".into(),
        id: "home-kq3vtz".into(),
        me: "ber1".into(),
        at: AT,
        fault: None,
        isolated: false,
        remarks: Arc::new(["keys/attic.pub is not an Ed25519 key in PEM; node attic is left out until it is".into()]),
        nodes: nodes(),
        targets: targets(),
        incidents: incidents(),
        silences: Arc::new([]),
        windows: Arc::new([]),
        events: Arc::new([]),
        journal: journal(),
    }
}

/// A network in which nothing is wrong, nor has ever been.
pub(crate) fn calm() -> View {
    let good = night().targets.iter().filter(|target| target.standing == Standing::Up && !target.partial).cloned().collect();
    View { remarks: Arc::new([]), targets: good, incidents: Arc::new([]), ..night() }
}

/// What nodes answer to a ping request: well, in part, not at all, and nothing.
pub(crate) fn vantages() -> Vec<Vantage> {
    let answer = |received: u16, times, detail: &str| Answer {
        author: NodeId([1; 32]),
        asker: NodeId([2; 32]),
        incarnation: Incarnation { opened: 17, nonce: [1; 16] },
        number: 1,
        sent: 3,
        received,
        times,
        detail: detail.into(),
        path: vec![],
    };
    let row = |node: &str, answer| Vantage { node: node.into(), answer };
    vec![
        row("ber1", Some(answer(3, Some((8_120, 8_402, 9_010)), ""))),
        row("fra1", Some(answer(2, Some((2_010, 2_150, 2_290)), "1 of 3 lost"))),
        row("hel1", Some(answer(0, None, "3 of 3 lost"))),
        row("home", None),
    ]
}

/// So many targets, all watched by three.
pub(crate) fn crowd(count: usize) -> View {
    let target = |number: usize| {
        let mut target = plain(&format!("host-{number:05}"), "lan", "icmp 192.0.2.1 x5", Standing::Up);
        target.watchers = says(&[("ber1", Verdict::Up, 900, ""), ("fra1", Verdict::Up, 11_000, ""), ("hel1", Verdict::Up, 31_000, "")]);
        Arc::new(target)
    };
    View { targets: (0..count).map(target).collect(), incidents: Arc::new([]), ..night() }
}

/// A target that is as its watchers say.
fn plain(name: &str, group: &str, probe: &str, standing: Standing) -> TargetView {
    TargetView {
        id: TargetId(name.into()),
        group: (!group.is_empty()).then(|| group.into()),
        probe: probe.into(),
        interval: Span::secs(30),
        standing,
        since: ago("12d4h"),
        votes: (4, 4),
        partial: false,
        sometimes: false,
        runbook: None,
        watchers: says(&[
            ("ber1", Verdict::Up, 8_400, ""),
            ("fra1", Verdict::Up, 2_150, ""),
            ("hel1", Verdict::Up, 24_900, ""),
            ("home", Verdict::Up, 14_320, ""),
        ]),
        incident: None,
    }
}

fn says(rows: &[(&str, Verdict, u32, &str)]) -> Vec<WatcherView> {
    let watcher = |(node, verdict, time, detail): &(&str, Verdict, u32, &str)| WatcherView {
        node: (*node).into(),
        verdict: *verdict,
        since: Some(if *verdict == Verdict::Up { ago("12d4h") } else { ago("13m42s") }),
        counted: *verdict != Verdict::Unable,
        time: (0 < *time).then_some(Micros(*time)),
        loss: match verdict {
            Verdict::Up => Some(0.0),
            Verdict::Degraded => Some(0.4),
            Verdict::Down => Some(1.0),
            _ => None,
        },
        detail: (*detail).into(),
        last_good: match verdict {
            Verdict::Up => Some(ago("11s")),
            Verdict::Unable => None,
            _ => Some(ago("14m10s")),
        },
    };
    rows.iter().map(watcher).collect()
}

fn targets() -> Arc<[Arc<TargetView>]> {
    let shop = TargetView {
        standing: Standing::Down,
        since: ago("13m12s"),
        votes: (3, 4),
        runbook: Some("https://wiki.example.org/runbooks/shop".into()),
        watchers: says(&[
            ("ber1", Verdict::Down, 0, "connection refused by 203.0.113.20:443"),
            ("fra1", Verdict::Down, 0, "connection refused by 203.0.113.20:443"),
            ("hel1", Verdict::Down, 0, "no answer within 5s"),
            ("home", Verdict::Up, 88_300, ""),
            ("laptop", Verdict::Unable, 0, "no route to the network from here"),
        ]),
        incident: Some(IncidentId { target: TargetId("shop".into()), number: 4 }),
        ..plain("shop", "web", "GET https://shop.example.org/", Standing::Down)
    };
    let router = TargetView {
        since: ago("4m30s"),
        votes: (3, 4),
        watchers: says(&[
            ("ber1", Verdict::Degraded, 131_000, "2 of 5 lost, 131 ms"),
            ("fra1", Verdict::Degraded, 127_400, "2 of 5 lost, 127 ms"),
            ("hel1", Verdict::Degraded, 155_000, "1 of 5 lost, 155 ms"),
            ("home", Verdict::Up, 610, ""),
        ]),
        incident: Some(IncidentId { target: TargetId("router".into()), number: 1 }),
        ..plain("router", "office", "icmp 192.0.2.1 x5", Standing::Degraded)
    };
    let mail = TargetView {
        votes: (3, 4),
        partial: true,
        watchers: says(&[
            ("ber1", Verdict::Up, 12_100, ""),
            ("fra1", Verdict::Up, 9_800, ""),
            ("hel1", Verdict::Down, 0, "connected, but \"554 5.7.1 rejected\" is not \"^220 \""),
            ("home", Verdict::Up, 30_200, ""),
        ]),
        ..plain("smtp", "mail", "tcp mail.example.org:25", Standing::Up)
    };
    let backup = TargetView {
        since: ago("2h5m"),
        votes: (0, 0),
        watchers: says(&[("ber1", Verdict::Unable, 0, "no address of IPv6 here"), ("fra1", Verdict::Unable, 0, "no address of IPv6 here")]),
        ..plain("backup-v6", "office", "icmp 2001:db8::9 x5", Standing::Unknown)
    };
    let laptop = TargetView { sometimes: true, ..plain("node:laptop", "", "heartbeats of laptop", Standing::Up) };
    let list = [
        shop,
        plain("blog", "web", "GET https://blog.example.org/", Standing::Up),
        plain("api", "web", "GET https://api.example.org/health", Standing::Up),
        mail,
        plain("imap", "mail", "tcp mail.example.org:993", Standing::Up),
        router,
        plain("nas", "office", "icmp 192.0.2.7 x5", Standing::Held),
        backup,
        plain("resolver", "", "icmp 9.9.9.9 x5", Standing::Up),
        plain("node:fra1", "", "heartbeats of fra1", Standing::Up),
        plain("node:hel1", "", "heartbeats of hel1", Standing::Up),
        laptop,
    ];
    list.into_iter().map(Arc::new).collect()
}

fn notice(phase: &'static str, state: &'static str, by: Option<&str>, at: Option<&str>, detail: &str) -> NoticeView {
    NoticeView { channel: "ops".into(), phase, state, reminders: 0, by: by.map(Into::into), at: at.map(ago), detail: detail.into() }
}

fn incidents() -> Arc<[Arc<IncidentView>]> {
    let router = IncidentView {
        id: IncidentId { target: TargetId("router".into()), number: 1 },
        open: true,
        standing: Standing::Degraded,
        since: ago("4m52s"),
        opened: ago("4m30s"),
        closed: None,
        lasted: None,
        reason: "2 of 5 lost, 131 ms".into(),
        votes: vec![("ber1".into(), Verdict::Degraded), ("fra1".into(), Verdict::Degraded), ("hel1".into(), Verdict::Degraded)],
        acknowledged: None,
        notices: vec![notice("degraded", "waiting", None, None, "waits for a grant of home and hel1")],
    };
    let shop = IncidentView {
        id: IncidentId { target: TargetId("shop".into()), number: 4 },
        standing: Standing::Down,
        since: ago("14m2s"),
        opened: ago("13m12s"),
        reason: "connection refused by 203.0.113.20:443".into(),
        votes: vec![("ber1".into(), Verdict::Down), ("fra1".into(), Verdict::Down), ("hel1".into(), Verdict::Down)],
        notices: vec![
            notice("down", "told", Some("fra1"), Some("12m58s"), "250 2.0.0 OK: queued as 4Xk2"),
            NoticeView {
                channel: "boss".into(),
                ..notice("down", "failed", Some("ber1"), Some("12m40s"), "550 5.1.1 no such user: boss@example.org")
            },
        ],
        ..router.clone()
    };
    let over = |target: &str, number, from: &str, to: &str, reason: &str, notices| IncidentView {
        id: IncidentId { target: TargetId(target.into()), number },
        open: false,
        standing: Standing::Down,
        since: ago(from),
        opened: ago(from),
        closed: Some(ago(to)),
        lasted: Some(ago(to).since(ago(from))),
        reason: reason.into(),
        votes: vec![("fra1".into(), Verdict::Down), ("hel1".into(), Verdict::Down)],
        acknowledged: None,
        notices,
    };
    let told = |from: &str, to: &str| {
        vec![notice("down", "told", Some("fra1"), Some(from), "250 OK"), notice("up", "told", Some("fra1"), Some(to), "250 OK")]
    };
    let list = [
        router,
        shop,
        over("shop", 3, "2d3h", "2d2h40m", "status 502 is not 200-299", told("2d2h59m", "2d2h39m")),
        over("imap", 1, "9d", "8d23h10m", "certificate ended 2 days ago", told("8d23h59m", "8d23h9m")),
        over("nas", 2, "31d", "30d20h", "5 of 5 lost", vec![]),
    ];
    list.into_iter().map(Arc::new).collect()
}

fn nodes() -> Arc<[Arc<NodeView>]> {
    let link = |me: usize, peer: usize| {
        let up = peer != 3 || me < 2;
        LinkView {
            peer: NODES[peer].into(),
            up,
            since: if up { ago("12d4h") } else { ago("3m") },
            time: (me == 0).then(|| Micros(1_000 + 9_137 * peer as u32)),
            offset: (me == 0).then_some(12 * peer as i64 - 20),
            lag: (me == 0).then_some(LagView { peer_lacks: peer as u64 / 2, lacks: 0 }),
            bytes: (me == 0).then_some((48_000 * peer as u64, 1_250_000)),
            detail: if up { format!("over [2001:db8::{peer}]:9630") } else { "no answer to four pings".into() },
        }
    };
    let node = |number: usize| NodeView {
        id: NodeId([number as u8 + 0xa0; 32]),
        name: NODES[number].into(),
        role: [Role::Admin, Role::Member, Role::Member, Role::Member, Role::Observer][number],
        presence: [Presence::Me, Presence::Alive, Presence::Alive, Presence::Suspect, Presence::Unheard][number],
        heard: [None, Some(ago("1s")), Some(ago("2s")), Some(ago("19s")), None][number],
        voting: number < 4,
        isolated: false,
        software: (number < 4).then(|| "0.1.0".into()),
        system: (number < 4).then(|| "Debian GNU/Linux 12 (bookworm)".into()),
        ways: if number < 2 { vec!["mail".into()] } else { vec![] },
        lacks: if number == 2 { vec!["send ICMP (no CAP_NET_RAW)".into()] } else { vec![] },
        same_definition: if number == 2 { Some(false) } else { Some(true) },
        clock: (0 < number && number < 4).then_some(ClockView { offset: 12 * number as i64 - 20, measured: number < 3 }),
        incarnation: (number < 4).then_some(Incarnation { opened: 17, nonce: [number as u8 + 1; 16] }),
        addresses: if number < 3 { vec![format!("{}.example.org:9630", NODES[number])] } else { vec![] },
        links: if number < 4 { (0..4).filter(|peer| *peer != number).map(|peer| link(number, peer)).collect() } else { vec![] },
    };
    (0..NODES.len()).map(|number| Arc::new(node(number))).collect()
}

fn journal() -> Arc<JournalView> {
    let head = |number: usize| HeadView {
        author: NODES[number / 2].into(),
        incarnation: Incarnation { opened: 17, nonce: [number as u8 / 2 + 1; 16] },
        lane: ["state", "events"][number % 2],
        base: 1_000 * (number as u64 % 2),
        sequence: 1_200 + 37 * number as u64,
        behind: vec![],
        missing: 0,
    };
    Arc::new(JournalView { entries: 48_211, heads: (0..8).map(head).collect(), forks: vec![] })
}
