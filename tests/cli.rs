//! peerwatchctl as people run it: the real program against a private bus.

#[path = "cli/journal.rs"]
mod journal;
#[path = "cli/nodes.rs"]
mod nodes;
#[path = "cli/notify.rs"]
mod notify;
#[path = "bus/private.rs"]
mod private;
#[path = "cli/quiet.rs"]
mod quiet;
#[path = "bus/sample.rs"]
mod sample;

use std::process::Stdio;
use std::sync::Arc;

use expect_test::{Expect, expect};
use peerwatch::base::command::{Command as Asked, Reply, Vantage};
use peerwatch::base::id::{Incarnation, NodeId};
use peerwatch::base::time::Span;
use peerwatch::base::view::{Presence, View};
use peerwatch::base::wire::Answer;
use peerwatch::front::json;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use private::{Backroom, PrivateBus, serve, soon};
use sample::Home;

/// The network as it is just now, so that relative times are what they are in the sample.
fn here() -> Home {
    Home(peerwatch::io::clock::now().wall)
}

fn ctl(bus: &PrivateBus, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerwatchctl"));
    command.args(words.split_whitespace()).env_clear().env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).env("TZ", "UTC");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a run printed, its complaints and its exit code.
async fn run(bus: &PrivateBus, words: &str) -> String {
    let output = soon(ctl(bus, words).output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    format!("{}{}exit {}\n", text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

async fn prints(bus: &PrivateBus, words: &str, expected: Expect) {
    expected.assert_eq(&run(bus, words).await);
}

async fn printed(bus: &PrivateBus, words: &str) -> Value {
    let output = soon(ctl(bus, words).output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_reading_verbs_print_what_people_want_to_know() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    prints(
        &bus,
        "status",
        expect![[r#"
            1 incident open; 1 of 2 targets up, 2 of 3 nodes alive

            INCIDENT  STANDING  SINCE   TOLD              SEEN TO  REASON
            shop#3    down      3m ago  ops told by fra1  -        HTTP 503

            node laptop is dead, last heard 1h ago (it may be away)
            node laptop signed two different entries 40 of events (life 3.03030303): its key was used twice, and nothing after counts
            exit 0
        "#]],
    )
    .await;
    prints(
        &bus,
        "nodes",
        expect![[r#"
            NODE    ROLE    PRESENCE  HEARD   VOTES  LINKS  RTT       VERSION  REMARKS
            ber1    member  me        now     yes    1/1    -         0.1.0    -
            fra1    member  alive     1m ago  yes    1/1    11.90 ms  0.1.0    -
            laptop  member  dead      1h ago  no     0/1    -         0.1.0    -
            exit 0
        "#]],
    )
    .await;
    prints(
        &bus,
        "targets",
        expect![[r#"
        TARGET       STANDING  SINCE   SEEN BY  RTT      LOSS  PROBE                           DETAIL
        router       up        1d ago  2/2      1.23 ms  0%    http https://shop.example.org/  -
        shop         down      3m ago  2/2      -        100%  http https://shop.example.org/  HTTP 503
        node:fra1    up        1d ago  2/2      1.23 ms  0%    http https://shop.example.org/  -
        node:laptop  down      3m ago  2/2      -        100%  http https://shop.example.org/  HTTP 503
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "incidents",
        expect![[r#"
            INCIDENT  STATE   STANDING  SINCE   LASTED   TOLD              SEEN TO  REASON
            shop#3    open    down      3m ago  -        ops told by fra1  -        HTTP 503
            router#1  closed  down      2h ago  17m 30s  ops told by fra1  -        no reply
            exit 0
        "#]],
    )
    .await;
    prints(
        &bus,
        "incidents --open --no-headers",
        expect![[r#"
            shop#3  open  down  3m ago  -  ops told by fra1  -  HTTP 503
            exit 0
        "#]],
    )
    .await;
}

#[tokio::test]
async fn json_is_the_view_without_loss() {
    let bus = PrivateBus::start();
    let view = here().view();
    let (_served, _rooms) = serve(&bus, vec![view.clone()]).await.unwrap();
    let named = |what: &str, list: Value| json!([{ "network": "home", what: list }]);
    let value = |list| serde_json::to_value(list).unwrap();
    assert_eq!(printed(&bus, "status --json").await, json!([value(json::status(&view))]));
    assert_eq!(printed(&bus, "--json nodes").await, named("nodes", serde_json::to_value(json::nodes(&view)).unwrap()));
    assert_eq!(printed(&bus, "targets --json").await, named("targets", serde_json::to_value(json::targets(&view)).unwrap()));
    assert_eq!(printed(&bus, "incidents --json").await, named("incidents", serde_json::to_value(json::incidents(&view)).unwrap()));
    let open = json::incidents(&view).into_iter().filter(|incident| incident.open).collect::<Vec<_>>();
    assert_eq!(printed(&bus, "incidents --json --open").await, named("incidents", serde_json::to_value(open).unwrap()));
}

#[tokio::test]
async fn several_networks_are_shown_together_or_one_at_a_time() {
    let bus = PrivateBus::start();
    let work = View { network: "work".into(), incidents: Arc::new([]), targets: Arc::new([]), ..here().view() };
    let (_served, _rooms) = serve(&bus, vec![here().view(), work]).await.unwrap();
    prints(
        &bus,
        "status",
        expect![[r#"
            home: 1 incident open; 1 of 2 targets up, 2 of 3 nodes alive

            INCIDENT  STANDING  SINCE   TOLD              SEEN TO  REASON
            shop#3    down      3m ago  ops told by fra1  -        HTTP 503

            node laptop is dead, last heard 1h ago (it may be away)
            node laptop signed two different entries 40 of events (life 3.03030303): its key was used twice, and nothing after counts

            work: no incident is open; no targets, 2 of 3 nodes alive

            node laptop is dead, last heard 1h ago
            node laptop signed two different entries 40 of events (life 3.03030303): its key was used twice, and nothing after counts
            exit 0
        "#]],
    )
    .await;
    prints(
        &bus,
        "nodes",
        expect![[r#"
            NETWORK  NODE    ROLE    PRESENCE  HEARD   VOTES  LINKS  RTT       VERSION  REMARKS
            home     ber1    member  me        now     yes    1/1    -         0.1.0    -
            home     fra1    member  alive     1m ago  yes    1/1    11.90 ms  0.1.0    -
            home     laptop  member  dead      1h ago  no     0/1    -         0.1.0    -
            work     ber1    member  me        now     yes    1/1    -         0.1.0    -
            work     fra1    member  alive     1m ago  yes    1/1    11.90 ms  0.1.0    -
            work     laptop  member  dead      1h ago  no     0/1    -         0.1.0    -
            exit 0
        "#]],
    )
    .await;
    prints(
        &bus,
        "nodes --network work",
        expect![[r#"
            NODE    ROLE    PRESENCE  HEARD   VOTES  LINKS  RTT       VERSION  REMARKS
            ber1    member  me        now     yes    1/1    -         0.1.0    -
            fra1    member  alive     1m ago  yes    1/1    11.90 ms  0.1.0    -
            laptop  member  dead      1h ago  no     0/1    -         0.1.0    -
            exit 0
        "#]],
    )
    .await;
    prints(
        &bus,
        "targets --network work",
        expect![[r#"
        no targets
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "status --network wrok",
        expect![[r#"
        peerwatchctl: this node is in no network "wrok"; it is in: home, work
        exit 1
    "#]],
    )
    .await;
    prints(
        &bus,
        "ping 192.0.2.1",
        expect![[r#"
        peerwatchctl: this node is in several networks; name one of: home, work
        exit 1
    "#]],
    )
    .await;
}

#[tokio::test]
async fn without_a_daemon_or_a_bus_it_says_so_and_how_to_look() {
    let mut bus = PrivateBus::with_our_policy();
    prints(
        &bus,
        "status",
        expect![[r#"
        peerwatchctl: cannot reach peerwatchd on the system bus: nobody has its name there; is it running? (systemctl status peerwatchd)
        exit 3
    "#]],
    )
    .await;
    prints(
        &bus,
        "watch",
        expect![[r#"
        peerwatchctl: cannot reach peerwatchd on the system bus: nobody has its name there; is it running? (systemctl status peerwatchd)
        exit 3
    "#]],
    )
    .await;
    bus.kill();
    let lost = run(&bus, "nodes").await;
    assert!(lost.starts_with("peerwatchctl: cannot reach peerwatchd on the system bus: "), "{lost}");
    assert!(lost.ends_with("is it running? (systemctl status peerwatchd)\nexit 3\n"), "{lost}");
}

#[tokio::test]
async fn who_may_not_ping_is_told_who_may() {
    let bus = PrivateBus::with_our_policy();
    let (_served, _rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    let said = run(&bus, "ping 192.0.2.1").await;
    assert_eq!(said, "peerwatchctl: the bus lets only root ask for this; try it with sudo\nexit 1\n");
    assert!(run(&bus, "status").await.starts_with("1 incident open;"));
}

#[tokio::test]
async fn wrong_words_are_usage_errors() {
    let bus = PrivateBus::start();
    for words in [
        "",
        "sattus",
        "status extra",
        "ping",
        "ping h --count 0",
        "ping h --count 21",
        "ping h --timeout 5",
        "ping h --timeout 61s",
        "trace",
        "nodes a --verbose",
        "journal",
        "journal backup",
        "journal stats extra",
    ] {
        let said = run(&bus, words).await;
        assert!(said.ends_with("exit 2\n") && said.contains("Usage:") | said.contains("--help"), "{words}: {said}");
    }
    for words in ["--help", "--version", "ping --help"] {
        assert!(run(&bus, words).await.ends_with("exit 0\n"), "{words}");
    }
}

fn answer(number: u8, received: u16, detail: &str) -> Answer {
    Answer {
        author: NodeId([number; 32]),
        asker: NodeId([1; 32]),
        incarnation: Incarnation { opened: 1, nonce: [1; 16] },
        number: 1,
        sent: if detail == "no raw socket" { 0 } else { 3 },
        received,
        times: (0 < received).then_some((900, 1100, 12_340)),
        detail: detail.into(),
        path: vec![],
    }
}

/// Answers one ping request with these answers, by node.
async fn answered(room: &mut Backroom, rows: &[(&str, Option<Answer>)]) -> Asked {
    let asked = room.commands.recv().await.unwrap();
    let rows = rows.iter().map(|(node, answer)| Vantage { node: (*node).into(), answer: answer.clone() });
    asked.reply.send(Reply::Pinged(rows.collect())).unwrap();
    asked.command
}

#[tokio::test]
async fn ping_prints_a_line_for_each_node_and_fails_if_nobody_got_a_reply() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    let rows = [
        ("ber1", Some(answer(1, 3, ""))),
        ("fra1", Some(answer(2, 2, ""))),
        ("nas", Some(answer(3, 0, "network unreachable"))),
        ("kiosk", Some(answer(4, 0, "no raw socket"))),
        ("laptop", None),
    ];
    let (said, asked) = tokio::join!(run(&bus, "ping 192.0.2.1 --count 3 --timeout 2s500ms"), answered(&mut rooms[0], &rows));
    assert_eq!(asked, Asked::Ping { host: "192.0.2.1".into(), count: 3, within: Span(2500) });
    expect![[r#"
        ber1   : sent/received/loss = 3/3/0%, min/avg/max = 0.900/1.100/12.340 ms
        fra1   : sent/received/loss = 3/2/33%, min/avg/max = 0.900/1.100/12.340 ms
        nas    : sent/received/loss = 3/0/100%, network unreachable
        kiosk  : cannot ping: no raw socket
        laptop : no answer
        exit 0
    "#]]
    .assert_eq(&said);
    let (said, _) = tokio::join!(run(&bus, "ping 192.0.2.1"), answered(&mut rooms[0], &rows[2..]));
    assert!(said.ends_with("exit 1\n"), "{said}");
    let (said, _) = tokio::join!(printed(&bus, "ping 192.0.2.1 --json"), answered(&mut rooms[0], &rows));
    let expected: Vec<_> = rows.iter().map(|(node, answer)| Vantage { node: (*node).into(), answer: answer.clone() }).collect();
    assert_eq!(said, serde_json::to_value(json::vantages(&expected)).unwrap());
    let refused = async {
        let asked = rooms[0].commands.recv().await.unwrap();
        asked.reply.send(Reply::Refused("too many commands are under way; try again in a moment".into())).unwrap();
    };
    let (said, ()) = tokio::join!(run(&bus, "ping 192.0.2.1"), refused);
    assert_eq!(said, "peerwatchctl: too many commands are under way; try again in a moment\nexit 1\n");
    let said = run(&bus, "ping no_such\u{7}host").await;
    assert_eq!(said, "peerwatchctl: the host is no name or address\nexit 2\n");
}

/// `home`, changed.
fn with(view: &View, change: impl FnOnce(&mut View)) -> Arc<View> {
    let mut view = view.clone();
    change(&mut view);
    Arc::new(view)
}

async fn watch_lines(words: &str, expected: Expect) {
    let bus = PrivateBus::start();
    let home = here();
    let first = home.view();
    let (served, rooms) = serve(&bus, vec![first.clone()]).await.unwrap();
    let mut child = ctl(&bus, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // It is ready when it sees a change; until then the same one is made again and again.
    let flip = |isolated| with(&first, |view| view.isolated = isolated);
    let mut isolated = false;
    loop {
        isolated = !isolated;
        rooms[0].view.send_replace(flip(isolated));
        match tokio::time::timeout(std::time::Duration::from_millis(100), lines.next_line()).await {
            Ok(line) => break drop(line.unwrap().unwrap()),
            Err(_) => continue,
        }
    }
    // Whatever of that is still under way ends with a mark.
    rooms[0].view.send_replace(with(&first, |view| view.remarks = Arc::new(["mark".into()])));
    while !soon(lines.next_line()).await.unwrap().unwrap().contains("mark") {}
    rooms[0].view.send_replace(with(&first, |view| {
        let mut laptop = home.node(3, "laptop", Presence::Alive);
        laptop.links[0].detail = "[2001:db8::9]:40412".into();
        view.nodes = Arc::new([view.nodes[0].clone(), view.nodes[1].clone(), Arc::new(laptop)]);
        view.targets = view.targets.iter().filter(|target| target.id.0 != "router").cloned().collect();
        let shop = peerwatch::base::view::IncidentView {
            open: false,
            closed: Some(home.ago(0)),
            lasted: Some(Span::secs(185)),
            ..home.incident("shop", 3, true)
        };
        view.incidents = Arc::new([Arc::new(home.incident("router", 2, true)), view.incidents[1].clone(), Arc::new(shop)]);
        view.fault = Some("no space left on device; free some".into());
    }));
    let mut seen = String::new();
    while !seen.contains("no space") {
        let line = soon(lines.next_line()).await.unwrap().unwrap();
        // The time of day is what it is.
        let line = line.split_once("  ").map_or(line.clone(), |(_, rest)| rest.to_owned());
        seen.push_str(&(without_time(&line) + "\n"));
    }
    served.close().await;
    let status = soon(child.wait()).await.unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).await.unwrap();
    expected.assert_eq(&format!("{seen}{complaint}exit {}\n", status.code().unwrap()));
}

fn without_time(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return line.to_owned() };
    let at = fields.remove("at").unwrap();
    assert!(at.as_str().unwrap().ends_with('Z'));
    Value::Object(fields).to_string()
}

#[tokio::test]
async fn watch_prints_a_line_for_each_change() {
    watch_lines(
        "watch",
        expect![[r#"
            node laptop: dead -> alive
            node laptop: takes part in votes
            node laptop: linked to ber1 ([2001:db8::9]:40412)
            target router: removed
            incident router#2: opened: down: HTTP 503
            incident shop#3: closed after 3m 5s
            node ber1: cannot write its journal: no space left on device; free some
            peerwatchctl: cannot reach peerwatchd on the system bus: it has left the bus; is it running? (systemctl status peerwatchd)
            exit 3
        "#]],
    )
    .await;
}

#[tokio::test]
async fn watch_prints_an_object_for_each_change() {
    watch_lines("watch --json", expect![[r#"
        {"change":"presence","from":"dead","kind":"node","name":"laptop","network":"home","text":"dead -> alive","to":"alive"}
        {"change":"voting","from":"no","kind":"node","name":"laptop","network":"home","text":"takes part in votes","to":"yes"}
        {"change":"link","from":"down","kind":"node","name":"laptop","network":"home","text":"linked to ber1 ([2001:db8::9]:40412)","to":"up"}
        {"change":"removed","from":"","kind":"target","name":"router","network":"home","text":"removed","to":""}
        {"change":"opened","from":"","kind":"incident","name":"router#2","network":"home","text":"opened: down: HTTP 503","to":"down"}
        {"change":"closed","from":"open","kind":"incident","name":"shop#3","network":"home","text":"closed after 3m 5s","to":"closed"}
        {"change":"fault","from":"","kind":"network","name":"ber1","network":"home","text":"cannot write its journal: no space left on device; free some","to":"no space left on device; free some"}
        peerwatchctl: cannot reach peerwatchd on the system bus: it has left the bus; is it running? (systemctl status peerwatchd)
        exit 3
    "#]]).await;
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_it_quietly() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    let mut child = ctl(&bus, "targets --json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = soon(child.wait_with_output()).await.unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}
