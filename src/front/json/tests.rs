//! What programs rely on, written out once.

use std::sync::Arc;

use expect_test::expect;

use serde::Serialize;

use super::*;
use crate::base::command::Vantage as Answered;
use crate::base::id::{IncidentId, NodeId, TargetId};
use crate::base::outcome::{Look, Standing, Verdict};
use crate::base::settings::Role;
use crate::base::view::{
    ClockView, ForkView, HeadView, IncidentView, JournalView, LagView, LinkView, NodeView, NoticeView, Presence, Sample, TargetView, View,
    WatcherView,
};
use crate::base::wire::Answer;

const START: i64 = 1_780_000_000_250;

fn watcher_of(node: &str, verdict: Verdict, time: Option<u32>, counted: bool) -> WatcherView {
    WatcherView {
        node: node.into(),
        verdict,
        since: Some(Wall(START)),
        counted,
        time: time.map(Micros),
        loss: Some(0.2),
        detail: "1 of 5 lost".into(),
        last_good: Some(Wall(START - 60_000)),
    }
}

fn shop() -> TargetView {
    TargetView {
        id: TargetId("shop".into()),
        group: Some("web".into()),
        probe: "http https://shop.example.org/".into(),
        interval: Span(2500),
        standing: Standing::Down,
        since: Wall(START),
        votes: (2, 3),
        partial: false,
        sometimes: false,
        runbook: None,
        watchers: vec![
            watcher_of("ber1", Verdict::Down, Some(90_000), true),
            watcher_of("fra1", Verdict::Down, Some(1500), true),
            watcher_of("home", Verdict::Unable, Some(7), false),
        ],
        incident: Some(IncidentId { target: TargetId("shop".into()), number: 3 }),
    }
}

fn whole() -> View {
    let me = NodeView {
        id: NodeId([0xab; 32]),
        name: "ber1".into(),
        role: Role::Admin,
        presence: Presence::Me,
        heard: None,
        voting: true,
        isolated: false,
        software: Some("0.1.0".into()),
        system: None,
        ways: vec!["mail".into()],
        lacks: vec![],
        same_definition: Some(true),
        incarnation: Some(Incarnation { opened: 7, nonce: [0x01; 16] }),
        clock: Some(ClockView { offset: -1500, measured: false }),
        addresses: vec!["ber1.example.org:9630".into()],
        links: vec![LinkView {
            peer: "fra1".into(),
            up: true,
            since: Wall(START),
            time: Some(Micros(11_250)),
            offset: Some(-1500),
            lag: Some(LagView { peer_lacks: 3, lacks: 0 }),
            bytes: Some((1_200, 48_000)),
            detail: String::new(),
        }],
    };
    let incident = IncidentView {
        id: IncidentId { target: TargetId("shop".into()), number: 3 },
        open: true,
        standing: Standing::Down,
        since: Wall(START - 90_000),
        opened: Wall(START),
        closed: None,
        lasted: Some(Span(90_500)),
        reason: "connection refused".into(),
        votes: vec![("ber1".into(), Verdict::Down)],
        acknowledged: None,
        notices: vec![NoticeView {
            channel: "ops".into(),
            phase: "down",
            state: "told",
            reminders: 0,
            by: Some("fra1".into()),
            at: Some(Wall(START)),
            detail: "250 OK".into(),
        }],
    };
    let head = HeadView {
        author: "ber1".into(),
        incarnation: Incarnation { opened: 7, nonce: [1; 16] },
        lane: "state",
        base: 4,
        sequence: 12,
        behind: vec![("fra1".into(), 3)],
        missing: 0,
    };
    let fork = ForkView { author: "fra1".into(), incarnation: Incarnation { opened: 8, nonce: [2; 16] }, lane: "events", sequence: 40 };
    View {
        network: "home".into(),
        id: "home-x".into(),
        me: "ber1".into(),
        at: Wall(START),
        nodes: Arc::new([Arc::new(me)]),
        targets: Arc::new([Arc::new(shop())]),
        incidents: Arc::new([Arc::new(incident)]),
        journal: Arc::new(JournalView { entries: 12, heads: vec![head], forks: vec![fork] }),
        ..View::default()
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn the_status_of_a_network() {
    expect![[r#"
        {
          "network": "home",
          "id": "home-x",
          "me": "ber1",
          "at": "2026-05-28T20:26:40.250Z",
          "worst": "down",
          "fault": null,
          "isolated": false,
          "remarks": [],
          "target_counts": {
            "total": 1,
            "up": 0,
            "degraded": 0,
            "down": 1,
            "unknown": 0,
            "held": 0,
            "partial": 0
          },
          "node_counts": {
            "total": 1,
            "alive": 1,
            "suspect": 0,
            "dead": 0,
            "unheard": 0
          },
          "open_incidents": 1
        }"#]]
    .assert_eq(&text(&status(&whole())));
}

#[test]
fn a_node() {
    expect![[r#"
        [
          {
            "id": "abababababababababababababababababababababababababababababababab",
            "name": "ber1",
            "role": "admin",
            "presence": "me",
            "heard": null,
            "voting": true,
            "isolated": false,
            "software": "0.1.0",
            "system": null,
            "ways": [
              "mail"
            ],
            "lacks": [],
            "same_definition": true,
            "incarnation": "7.01010101010101010101010101010101",
            "clock_offset_seconds": -1.5,
            "clock_measured": false,
            "addresses": [
              "ber1.example.org:9630"
            ],
            "links": [
              {
                "peer": "fra1",
                "up": true,
                "since": "2026-05-28T20:26:40.250Z",
                "rtt_seconds": 0.01125,
                "offset_seconds": -1.5,
                "peer_lacks_entries": 3,
                "lacks_entries": 0,
                "sent_bytes": 1200,
                "received_bytes": 48000,
                "detail": ""
              }
            ]
          }
        ]"#]]
    .assert_eq(&text(&nodes(&whole())));
}

#[test]
fn a_target() {
    expect![[r#"
        [
          {
            "name": "shop",
            "group": "web",
            "probe": "http https://shop.example.org/",
            "interval_seconds": 2.5,
            "standing": "down",
            "since": "2026-05-28T20:26:40.250Z",
            "votes": 2,
            "votes_counted": 3,
            "partial": false,
            "sometimes": false,
            "runbook": null,
            "rtt_seconds": 0.0015,
            "loss": 0.2,
            "incident": "shop#3",
            "watchers": [
              {
                "node": "ber1",
                "verdict": "down",
                "since": "2026-05-28T20:26:40.250Z",
                "counted": true,
                "rtt_seconds": 0.09,
                "loss": 0.2,
                "detail": "1 of 5 lost",
                "last_good": "2026-05-28T20:25:40.250Z"
              },
              {
                "node": "fra1",
                "verdict": "down",
                "since": "2026-05-28T20:26:40.250Z",
                "counted": true,
                "rtt_seconds": 0.0015,
                "loss": 0.2,
                "detail": "1 of 5 lost",
                "last_good": "2026-05-28T20:25:40.250Z"
              },
              {
                "node": "home",
                "verdict": "unable",
                "since": "2026-05-28T20:26:40.250Z",
                "counted": false,
                "rtt_seconds": 7e-6,
                "loss": 0.2,
                "detail": "1 of 5 lost",
                "last_good": "2026-05-28T20:25:40.250Z"
              }
            ]
          }
        ]"#]]
    .assert_eq(&text(&targets(&whole())));
}

#[test]
fn an_incident_and_the_journal() {
    expect![[r#"
        [
          {
            "id": "shop#3",
            "target": "shop",
            "number": 3,
            "open": true,
            "standing": "down",
            "since": "2026-05-28T20:25:10.250Z",
            "opened": "2026-05-28T20:26:40.250Z",
            "closed": null,
            "lasted_seconds": 90.5,
            "reason": "connection refused",
            "votes": [
              {
                "node": "ber1",
                "verdict": "down"
              }
            ],
            "acknowledged": null,
            "notices": [
              {
                "channel": "ops",
                "phase": "down",
                "state": "told",
                "reminders": 0,
                "by": "fra1",
                "at": "2026-05-28T20:26:40.250Z",
                "detail": "250 OK"
              }
            ]
          }
        ]"#]]
    .assert_eq(&text(&incidents(&whole())));
    expect![[r#"
        {
          "entries": 12,
          "heads": [
            {
              "author": "ber1",
              "incarnation": "7.01010101010101010101010101010101",
              "lane": "state",
              "base": 4,
              "sequence": 12,
              "behind": [
                {
                  "peer": "fra1",
                  "entries": 3
                }
              ],
              "missing_entries": 0
            }
          ],
          "forks": [
            {
              "author": "fra1",
              "incarnation": "8.02020202020202020202020202020202",
              "lane": "events",
              "sequence": 40
            }
          ]
        }"#]]
    .assert_eq(&text(&journal(&whole())));
}

#[test]
fn what_nodes_answered_to_a_ping() {
    let answer = Answer {
        author: NodeId([1; 32]),
        asker: NodeId([2; 32]),
        incarnation: Incarnation { opened: 1, nonce: [0; 16] },
        number: 1,
        sent: 3,
        received: 2,
        times: Some((1000, 1500, 2000)),
        detail: "2 of 3".into(),
        path: vec![],
    };
    let rows = [Answered { node: "ber1".into(), answer: Some(answer) }, Answered { node: "fra1".into(), answer: None }];
    expect![[r#"
        [
          {
            "node": "ber1",
            "answered": true,
            "sent": 3,
            "received": 2,
            "loss": 0.3333,
            "min_seconds": 0.001,
            "mean_seconds": 0.0015,
            "max_seconds": 0.002,
            "detail": "2 of 3"
          },
          {
            "node": "fra1",
            "answered": false,
            "sent": 0,
            "received": 0,
            "loss": null,
            "min_seconds": null,
            "mean_seconds": null,
            "max_seconds": null,
            "detail": "no answer in time"
          }
        ]"#]]
    .assert_eq(&text(&vantages(&rows)));
}

#[test]
fn a_raw_sample() {
    let sample = Sample {
        target: TargetId("shop".into()),
        at: Wall(START),
        look: Look::Poor,
        sent: 5,
        received: 4,
        time: Some(Micros(250)),
        detail: "certificate ends in 9 days".into(),
    };
    expect![[r#"
        [
          {
            "at": "2026-05-28T20:26:40.250Z",
            "look": "poor",
            "sent": 5,
            "received": 4,
            "loss": 0.2,
            "rtt_seconds": 0.00025,
            "detail": "certificate ends in 9 days"
          }
        ]"#]]
    .assert_eq(&text(&samples(&[sample])));
}

#[test]
fn what_was_written_is_read_back() {
    let view = whole();
    let again: Vec<Target> = serde_json::from_str(&text(&targets(&view))).unwrap();
    assert_eq!(again, targets(&view));
    assert_eq!(serde_json::from_str::<Status>(&text(&status(&view))).unwrap(), status(&view));
}

#[test]
fn what_may_be_away_does_not_make_the_network_bad() {
    let laptop = TargetView { sometimes: true, ..shop() };
    let router = TargetView { standing: Standing::Up, ..shop() };
    let view = |targets: Vec<TargetView>| View { targets: targets.into_iter().map(Arc::new).collect(), ..View::default() };
    assert_eq!(worst(&view(vec![laptop.clone(), router.clone()])), Standing::Up);
    assert_eq!(worst(&view(vec![laptop, router, shop()])), Standing::Down);
    assert_eq!(worst(&View::default()), Standing::Unknown, "nobody looks at anything");
}

#[test]
fn moments_beyond_the_calendar_stay_moments() {
    assert_eq!(moment(Wall(0)), "1970-01-01T00:00:00.000Z");
    assert_eq!(moment(Wall(i64::MAX)), "9999-12-30T22:00:00.999Z");
    assert!(moment(Wall(i64::MIN)).starts_with("-009999"));
}

#[test]
fn a_target_without_times_has_no_typical_time() {
    assert_eq!(typical_time(&TargetView { watchers: vec![], ..shop() }), None);
    assert_eq!(typical_time(&shop()), Some(Micros(1500)), "uncounted watchers are left out");
}
