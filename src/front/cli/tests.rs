//! What the verbs print, by hand-made views: the cases that a healthy network does not show.

use std::sync::Arc;

use expect_test::{Expect, expect};
use jiff::tz::TimeZone;

use super::table::{Cell, Table, Terminal, Tone};
use super::{print, status};
use crate::base::id::{Incarnation, IncidentId, NodeId, TargetId};
use crate::base::outcome::{Standing, Verdict};
use crate::base::settings::Role;
use crate::base::time::{Micros, Span, Wall};
use crate::base::view::{ClockView, ForkView, IncidentView, JournalView, NodeView, NoticeView, Presence, TargetView, View, WatcherView};

/// 2026-11-20 03:12:00 UTC.
const NOW: Wall = Wall(1_795_144_320_000);

const PLAIN: Terminal = Terminal { colour: false, symbols: false, headers: true, zone: TimeZone::UTC, now: NOW };

fn ago(seconds: i64) -> Wall {
    Wall(NOW.0 - 1000 * seconds)
}

fn node(name: &str, presence: Presence) -> Arc<NodeView> {
    Arc::new(NodeView {
        id: NodeId([1; 32]),
        name: name.into(),
        role: Role::Member,
        presence,
        heard: (presence != Presence::Unheard).then(|| ago(400)),
        voting: presence == Presence::Me,
        isolated: false,
        software: None,
        system: None,
        ways: vec![],
        lacks: vec![],
        same_definition: None,
        incarnation: None,
        clock: None,
        addresses: vec![],
        links: vec![],
    })
}

fn target(name: &str, standing: Standing, verdicts: &[(&str, Verdict, &str)]) -> TargetView {
    let watcher = |(node, verdict, detail): &(&str, Verdict, &str)| WatcherView {
        node: (*node).into(),
        verdict: *verdict,
        since: Some(ago(60)),
        counted: *verdict != Verdict::Unable,
        time: Some(Micros(80_000)),
        loss: Some(0.025),
        detail: (*detail).into(),
        last_good: None,
    };
    TargetView {
        id: TargetId(name.into()),
        group: None,
        probe: "icmp 192.0.2.1".into(),
        interval: Span::secs(30),
        standing,
        since: ago(3600),
        votes: (1, verdicts.len()),
        partial: false,
        sometimes: false,
        runbook: None,
        watchers: verdicts.iter().map(watcher).collect(),
        incident: None,
    }
}

fn incident(number: u32, notices: Vec<NoticeView>) -> Arc<IncidentView> {
    Arc::new(IncidentView {
        id: IncidentId { target: TargetId("shop".into()), number },
        open: true,
        standing: Standing::Down,
        since: ago(60),
        opened: ago(50),
        closed: None,
        lasted: None,
        reason: "connection refused".into(),
        votes: vec![],
        acknowledged: None,
        notices,
    })
}

fn notice(channel: &str, phase: &'static str, state: &'static str, by: Option<&str>) -> NoticeView {
    NoticeView { channel: channel.into(), phase, state, reminders: 0, by: by.map(Into::into), at: None, detail: String::new() }
}

fn quiet() -> View {
    let up = |name| Arc::new(target(name, Standing::Up, &[("ber1", Verdict::Up, "")]));
    View {
        network: "home".into(),
        me: "ber1".into(),
        at: NOW,
        nodes: [node("ber1", Presence::Me), node("fra1", Presence::Alive)].into(),
        targets: [up("router"), up("shop"), up("node:fra1")].into(),
        ..View::default()
    }
}

#[test]
fn a_node_names_those_whose_word_on_it_counts() {
    let says = [("ber1", Verdict::Up, ""), ("fra1", Verdict::Unable, ""), ("nas", Verdict::Down, "no sign of life on any path")];
    let view = View { targets: [Arc::new(target("node:tv", Standing::Up, &says))].into(), ..quiet() };
    let shown = |name: &str| super::node::one(&view, &node(name, Presence::Alive), &PLAIN);
    let line = |text: String| text.lines().find(|line| line.contains("watched")).map(str::to_owned);
    assert_eq!(line(shown("tv")).as_deref(), Some("  watched by  ber1, nas (down)"));
    assert_eq!(line(shown("kiosk")), None, "of whom nobody says anything");
}

#[test]
fn who_is_heard_by_some_only_and_whose_clock_is_wrong_is_not_called_dead() {
    let mut some = target("node:fra1", Standing::Up, &[("ber1", Verdict::Up, ""), ("nas", Verdict::Down, "no sign of life on any path")]);
    some.partial = true;
    let mut fra1 = NodeView::clone(&node("fra1", Presence::Alive));
    fra1.clock = Some(ClockView { offset: -303_000, measured: true });
    let view = View { nodes: [node("ber1", Presence::Me), fra1.into()].into(), targets: [Arc::new(some)].into(), ..quiet() };
    status(
        view.clone(),
        &expect![[r#"
            no targets, 2 of 2 nodes alive

            node fra1 is heard here, and not by nas
            the clock of node fra1 is behind by 5m 3s
        "#]],
    );
    assert!(print::nodes(&[view], &PLAIN).contains("its clock is behind by 5m 3s"));
    assert_eq!(ClockView { offset: 60_000, measured: true }.fault(), None);
}

fn status(view: View, expected: &Expect) {
    expected.assert_eq(&status::status(&[view], &PLAIN));
}

#[test]
fn a_quiet_network_is_one_line() {
    status(
        quiet(),
        &expect![[r#"
        all 2 targets up, 2 of 2 nodes alive
    "#]],
    );
    let alone = View { nodes: [node("ber1", Presence::Me)].into(), targets: [].into(), ..quiet() };
    status(
        alone,
        &expect![[r#"
        no targets, 1 of 1 node alive
    "#]],
    );
    status(
        View::default(),
        &expect![[r#"
        peerwatchd has only just started; ask again in a moment
    "#]],
    );
}

#[test]
fn what_is_remarkable_follows_the_verdict() {
    let mut odd = (*node("nas", Presence::Alive)).clone();
    odd.same_definition = Some(false);
    let mut partial = target("shop", Standing::Up, &[("ber1", Verdict::Up, ""), ("fra1", Verdict::Down, "timeout\u{1b}[2J")]);
    partial.partial = true;
    let mut away = target("node:laptop", Standing::Down, &[]);
    away.sometimes = true;
    let incarnation = Incarnation { opened: 8, nonce: [2; 16] };
    let fork = ForkView { author: "nas".into(), incarnation, lane: "events", sequence: 40 };
    let view = View {
        fault: Some("no space left on device; free some".into()),
        remarks: [String::from("keys/kiosk.pub cannot be read: kiosk is left out")].into(),
        nodes: [
            node("ber1", Presence::Me),
            Arc::new(odd),
            node("fra1", Presence::Suspect),
            node("laptop", Presence::Dead),
            node("tv", Presence::Unheard),
        ]
        .into(),
        journal: Arc::new(JournalView { forks: vec![fork], ..JournalView::default() }),
        targets: [
            Arc::new(partial),
            Arc::new(target("ipv6", Standing::Unknown, &[("ber1", Verdict::Unable, "no IPv6 here")])),
            Arc::new(TargetView { since: ago(90_000), ..target("backup", Standing::Held, &[]) }),
            Arc::new(away),
        ]
        .into(),
        ..quiet()
    };
    status(
        view,
        &expect![[r#"
        no incident is open; 1 of 3 targets up, 2 of 5 nodes alive

        ber1 cannot write its journal: no space left on device; free some
        keys/kiosk.pub cannot be read: kiosk is left out
        node nas follows another definition of the network
        node fra1 is suspect, last heard 6m ago
        node laptop is dead, last heard 6m ago (it may be away)
        node tv was not heard since ber1 started
        node nas signed two different entries 40 of events (life 8.02020202): its key was used twice, and nothing after counts
        target shop is up, but fra1 calls it down: timeout�[2J
        target ipv6 is unknown since 02:12: ber1: no IPv6 here
        target backup is held since 2026-11-19 02:12
    "#]],
    );
}

#[test]
fn an_isolated_or_stuck_node_says_so_first() {
    status(
        View { isolated: true, ..quiet() },
        &expect![[r#"
            ber1 is isolated, and what it knows of others is old; all 2 targets up, 2 of 2 nodes alive

            it reaches no node and no reference, so it casts no vote and tells nobody about targets
        "#]],
    );
    status(
        View { at: ago(600), ..quiet() },
        &expect![[r#"
            10m ago: all 2 targets up, 2 of 2 nodes alive

            nothing is newer than 10m ago; peerwatchd may be stuck (journalctl -u peerwatchd)
        "#]],
    );
}

#[test]
fn long_lists_end_with_where_to_read_on() {
    let mut view = quiet();
    view.incidents = (0..23).map(|number| incident(number, vec![])).collect();
    view.nodes = (0..13).map(|number| node(&format!("n{number}"), Presence::Dead)).collect();
    let text = status::status(&[view], &PLAIN);
    assert!(text.starts_with("23 incidents open; all 2 targets up, 0 of 13 nodes alive\n"), "{text}");
    assert!(text.contains("and 3 more: peerwatchctl incidents --open\n"), "{text}");
    assert!(text.ends_with("and 3 more: peerwatchctl nodes\n"), "{text}");
    assert_eq!(text.lines().count(), 1 + 1 + 22 + 1 + 11);
}

#[test]
fn the_newest_notice_of_each_channel_is_told() {
    let notices = vec![
        notice("ops", "down", "told", Some("fra1")),
        notice("boss", "down", "waiting", None),
        notice("ops", "up", "sending", Some("ber1")),
    ];
    let view = View { incidents: [incident(1, notices), incident(2, vec![])].into(), ..quiet() };
    expect![[r#"
        INCIDENT  STATE  STANDING  SINCE   LASTED  TOLD                               SEEN TO  REASON
        shop#1    open   down      1m ago  -       boss waiting, ops sending by ber1  -        connection refused
        shop#2    open   down      1m ago  -       -                                  -        connection refused
    "#]]
    .assert_eq(&print::incidents(&[view], false, &PLAIN));
}

#[test]
fn colours_and_symbols_stand_beside_words() {
    let terminal = Terminal { colour: true, symbols: true, ..PLAIN };
    let mut view = quiet();
    view.targets = [Standing::Up, Standing::Degraded, Standing::Down, Standing::Unknown, Standing::Held]
        .map(|standing| Arc::new(target(standing.word(), standing, &[("ber1", Verdict::Degraded, "80 ms")])))
        .into();
    expect![[r#"
        TARGET    STANDING    SINCE   SEEN BY  RTT       LOSS  PROBE           DETAIL
        up        ^[32m✓ up^[0m        1h ago  1/1      80.00 ms  ^[33m2.5%^[0m  icmp 192.0.2.1  -
        degraded  ^[33m! degraded^[0m  1h ago  1/1      80.00 ms  ^[33m2.5%^[0m  icmp 192.0.2.1  80 ms
        down      ^[1;31m✗ down^[0m      1h ago  1/1      80.00 ms  ^[33m2.5%^[0m  icmp 192.0.2.1  -
        unknown   ^[33m! unknown^[0m   1h ago  1/1      80.00 ms  ^[33m2.5%^[0m  icmp 192.0.2.1  -
        held      ^[2m· held^[0m      1h ago  1/1      80.00 ms  ^[33m2.5%^[0m  icmp 192.0.2.1  -
    "#]]
    .assert_eq(&print::targets(&[view.clone()], &terminal).replace('\u{1b}', "^"));
    expect![[r#"
        ^[32m✓ all 2 targets up, 2 of 2 nodes alive^[0m
    "#]]
    .assert_eq(&status::status(&[quiet()], &terminal).replace('\u{1b}', "^"));
}

#[test]
fn columns_line_up_by_what_a_terminal_shows() {
    let mut table = Table::new(&["NAME", "STATE", "NOTE"]);
    table.row(vec![Cell::new("日本"), Cell::toned("up", Tone::Good), Cell::new("")]);
    table.row(vec![Cell::new("kü\u{301}che\u{1b}[31m"), Cell::new("degraded"), Cell::new("x\u{202e}y")]);
    table.row(vec![Cell::new(""), Cell::new("down"), Cell::new("last")]);
    expect![[r#"
        NAME        STATE     NOTE
        日本        up        -
        kǘche�[31m  degraded  x�y
        -           down      last
    "#]]
    .assert_eq(&table.lines(&PLAIN));
    let bare = Terminal { headers: false, ..PLAIN };
    expect![[r#"
        日本        up        -
        kǘche�[31m  degraded  x�y
        -           down      last
    "#]]
    .assert_eq(&table.lines(&bare));
    assert_eq!(Table::new(&["NAME"]).lines(&PLAIN), "");
}

#[test]
fn times_are_told_by_their_largest_unit_or_the_readers_clock() {
    for (seconds, text) in [(-5, "just now"), (0, "just now"), (59, "59s ago"), (61, "1m ago"), (7300, "2h ago"), (200_000, "2d ago")] {
        assert_eq!(PLAIN.ago(ago(seconds)), text);
    }
    assert_eq!(PLAIN.since(ago(600)), "03:02");
    assert_eq!(PLAIN.since(ago(90_000)), "2026-11-19 02:12");
    let east = Terminal { zone: TimeZone::fixed(jiff::tz::offset(9)), ..PLAIN };
    assert_eq!(east.clock(NOW), "12:12:00");
    assert_eq!(PLAIN.since(Wall(i64::MAX)), "an unknown time");
}

#[test]
fn patience_has_bounds() {
    assert_eq!(super::patience("2s500ms"), Ok(Span(2500)));
    for bad in ["0ms", "61s", "5", "soon"] {
        assert!(super::patience(bad).is_err(), "{bad}");
    }
}

/// Whether a command, or one below it, has a flag.
fn has(command: &clap::Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(flag)) || command.get_subcommands().any(|below| has(below, flag))
}

#[test]
fn every_flag_is_in_the_manual_page() {
    use clap::CommandFactory as _;
    let page = include_str!("../../../man/peerwatchctl.1");
    let mut command = super::Flags::command();
    command.build();
    let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help");
    for verb in verbs {
        let named = format!(".It Cm {}", verb.get_name());
        assert!(page.lines().any(|line| line == named || line.starts_with(&format!("{named} "))), "{named}");
        for flag in verb.get_arguments().filter_map(|argument| argument.get_long()).filter(|flag| *flag != "help") {
            assert!(page.contains(&format!("Fl Fl {flag}")), "--{flag}");
        }
    }
    // And the reverse: no flag is described that there is not.
    for described in page.split("Fl Fl ").skip(1) {
        let flag = described.split([' ', '\n']).next().unwrap();
        assert!(has(&command, flag), "--{flag} does not exist");
    }
}
