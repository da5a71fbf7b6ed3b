//! Channels against a real web server on loopback, and against real programs of this host.
//!
//! Every channel is read from text as it stands in a file, and every notice is written as it is for people.

mod presets;
mod programs;
mod server;
mod wishes;

use std::collections::BTreeMap;

use peerwatch::base::config::{Layer, network};
use peerwatch::base::id::{EntryHash, IncidentId, NodeId, TargetId};
use peerwatch::base::notice::{Delivery, Errand, Fate, Item, Row, Topic};
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::settings::{Phase, Way};
use peerwatch::base::time::{Micros, Span, Wall};
use peerwatch::io::notify::{Carrier, Outbox};
use peerwatch::logic::notice::letter;
use serde_json::json;
use tokio_rustls::rustls::RootCertStore;

use server::{Manner, Server, authority};

/// A secret that must be seen nowhere but where it belongs.
const SECRET: &str = "s3cr3t-t0ken";
/// The key of signatures.
const KEY: &str = "k3y-of-s1gnatures";

const OK: &[Manner] = &[Manner::Answer(200, "ok")];

/// The way of the channel that this line of a file makes.
fn way(line: &str) -> Way {
    let text = format!(
        "id = \"home\"\n[[node]]\nname = \"ber1\"\n[[target]]\nname = \"shop\"\nicmp = {{ host = \"192.0.2.1\" }}\n[[notify]]\nname = \"ops\"\n{line}"
    );
    let layer = Layer { path: "network.toml".into(), text };
    let (network, _) = network("home", &layer, &[("ber1".into(), Ok(NodeId([1; 32])))]).unwrap_or_else(|error| panic!("{error:#}"));
    network.channels[0].way.clone()
}

fn item(target: &str, phase: Phase) -> Item {
    let row = |node: &str, verdict, detail: &str| Row {
        node: node.into(),
        verdict,
        time: (verdict == Verdict::Up).then_some(Micros(1234)),
        loss: None,
        last_good: Some(Wall(1_763_624_000_000)),
        detail: detail.into(),
    };
    Item {
        incident: IncidentId { target: TargetId(target.into()), number: 3 },
        phase,
        standing: if phase == Phase::Degraded { Standing::Degraded } else { Standing::Down },
        severity: peerwatch::base::target::Severity::Critical.at(if phase == Phase::Degraded {
            Standing::Degraded
        } else {
            Standing::Down
        }),
        reminder: 0,
        acknowledged: None,
        group: Some("web".into()),
        probe: format!("http https://{target}.example.org/"),
        reason: "the body does not contain \"<Welcome>\"".into(),
        since: Wall(1_763_624_021_000),
        ended: (phase == Phase::Up).then_some(Wall(1_763_624_771_000)),
        lasted: Span::secs(750),
        votes: (2, 3),
        rows: vec![row("ber1", Verdict::Down, "HTTP 200 OK"), row("fra1", Verdict::Up, "HTTP 200 OK")],
        rule: "3 bad looks in a row, every 30s, seen by a majority of watchers".into(),
        runbook: Some("https://wiki.example.org/shop".into()),
        before: if phase == Phase::Up { vec!["down@x".into()] } else { vec![] },
        flapping: None,
        settled: None,
    }
}

fn errand(way: Way, items: Vec<Item>) -> Errand {
    let topic = Topic {
        network: "home".into(),
        sender: "ber1".into(),
        seen: (3, 3),
        message: "0123abcd@home.peerwatch".into(),
        test: false,
        items,
    };
    Errand { ballot: EntryHash([7; 32]), channel: "ops".into(), way, letter: letter::write(&topic), within: Span::secs(20) }
}

fn outbox() -> Outbox {
    let secrets = [("token", SECRET), ("sign", KEY)].map(|(name, secret)| (name.to_owned(), secret.to_owned()));
    Outbox { secrets: BTreeMap::from(secrets), ..Outbox::default() }
}

/// Sends one notice to a server with these manners; `PORT` in the line becomes its port.
async fn tell(manners: &[Manner], line: &str, items: Vec<Item>) -> (Delivery, Vec<server::Asked>) {
    let server = Server::start(manners, None).await;
    let errand = errand(way(&line.replace("PORT", &server.port.to_string())), items);
    let delivery = Carrier::trusting(RootCertStore::empty()).carry(&outbox(), &errand).await;
    (delivery, server.asked())
}

fn down() -> Vec<Item> {
    vec![item("shop", Phase::Down)]
}

const PLAIN: &str = "webhook = { url = \"http://127.0.0.1:PORT/hook?x=1\" }";

#[tokio::test]
async fn without_a_preset_the_whole_notice_is_sent_as_json() {
    let (delivery, asked) = tell(OK, PLAIN, down()).await;
    assert_eq!(delivery, Delivery { success: true, detail: "HTTP 200: ok".into(), refused: vec![], after: None });
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /hook?x=1 HTTP/1.1");
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert!(asked[0].header("user-agent").unwrap().starts_with("peerwatch/") && asked[0].header("host").unwrap().starts_with("127.0.0.1:"));
    let body = asked[0].json();
    for (name, value) in [
        ("version", json!(1)),
        ("id", json!("0123abcd@home.peerwatch")),
        ("test", json!(false)),
        ("network", json!("home")),
        ("channel", json!("ops")),
        ("node", json!("ber1")),
        ("seen", json!(3)),
        ("enrolled", json!(3)),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    let expected = json!([{
        "incident": "shop#3", "target": "shop", "number": 3, "group": "web", "event": "opened", "state": "down", "standing": "down",
        "severity": "critical", "reminder": 0, "acknowledged": null, "probe": "http https://shop.example.org/", "reason": "the body does not contain \"<Welcome>\"",
        "since": "2025-11-20T07:33:41Z", "ended": null, "seconds": 750, "votes": 2, "watchers": 3,
        "rule": "3 bad looks in a row, every 30s, seen by a majority of watchers", "runbook": "https://wiki.example.org/shop",
        "nodes": [
            { "node": "ber1", "verdict": "down", "microseconds": null, "loss": null, "last_good": "2025-11-20T07:33:20Z", "detail": "HTTP 200 OK" },
            { "node": "fra1", "verdict": "up", "microseconds": 1234, "loss": null, "last_good": "2025-11-20T07:33:20Z", "detail": "HTTP 200 OK" },
        ],
    }]);
    assert_eq!(body["incidents"], expected);
}

#[tokio::test]
async fn a_body_is_signed_with_the_key_that_the_channel_names() {
    let line = "webhook = { url = \"http://127.0.0.1:PORT/\", sign = \"sign\" }";
    let (_, asked) = tell(OK, line, down()).await;
    let signature = asked[0].header("x-peerwatch-signature").unwrap().strip_prefix("sha256=").unwrap();
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&signature[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY.as_bytes());
    ring::hmac::verify(&key, &asked[0].body, &bytes).expect("the signature is over the body as it was sent");
    assert_eq!(signature, signature.to_lowercase());
}

#[tokio::test]
async fn every_attempt_of_every_node_has_the_same_key() {
    let server = Server::start(OK, None).await;
    let way = way(&PLAIN.replace("PORT", &server.port.to_string()));
    for sender in ["ber1", "fra1"] {
        let mut errand = errand(way.clone(), down());
        errand.letter.topic.sender = sender.into();
        errand.ballot = EntryHash([sender.len() as u8; 32]);
        assert!(Carrier::trusting(RootCertStore::empty()).carry(&outbox(), &errand).await.success);
    }
    let keys: Vec<String> = server.asked().iter().map(|asked| asked.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["0123abcd@home.peerwatch", "0123abcd@home.peerwatch"]);
}

#[tokio::test]
async fn what_a_server_answers_is_one_of_three_fates() {
    for (fate, statuses) in [
        (Fate::Delivered, &[200, 201, 202, 204][..]),
        (Fate::Refused, &[301, 302, 307, 400, 401, 403, 404, 405, 410, 413, 422]),
        (Fate::Later, &[408, 425, 429, 500, 502, 503, 504]),
    ] {
        for status in statuses {
            let body = if *status == 204 { "" } else { "because" };
            let (delivery, asked) = tell(&[Manner::Answer(*status, body)], PLAIN, down()).await;
            assert_eq!((delivery.fate(), asked.len()), (fate, 1), "{status}: {delivery:?}");
            assert!(delivery.detail.contains(&format!("HTTP {status}")), "{delivery:?}");
            assert_eq!(delivery.refused.is_empty(), fate != Fate::Refused, "{delivery:?}");
        }
    }
}

#[tokio::test]
async fn a_pause_that_a_server_asks_for_is_read_in_seconds_and_as_a_date() {
    for (after, expected) in [
        ("120", Some(Span::secs(120))),
        ("Fri, 20 Nov 2026 07:01:30 GMT", Some(Span::secs(90))),
        ("Fri, 20 Nov 2026 06:00:00 GMT", None),
        ("soon", None),
    ] {
        let (delivery, _) = tell(&[Manner::Busy(after)], PLAIN, down()).await;
        assert_eq!((delivery.fate(), delivery.after), (Fate::Later, expected), "{after}");
    }
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_is_to_be_tried_again_and_told_in_words() {
    let (closed, _) = tell(&[Manner::Closes], PLAIN, down()).await;
    assert_eq!(closed.fate(), Fate::Later);
    assert!(closed.detail.contains("closed the connection without an answer"), "{closed:?}");
    let unreachable = way("webhook = { url = \"http://127.0.0.1:1/\" }");
    let delivery = Carrier::trusting(RootCertStore::empty()).carry(&outbox(), &errand(unreachable, down())).await;
    assert_eq!((delivery.fate(), delivery.detail.as_str()), (Fate::Later, "the server cannot be reached: connection refused"));
}

#[tokio::test]
async fn a_slow_server_is_left_in_time_and_an_endless_answer_is_not_read() {
    let server = Server::start(&[Manner::Silent], None).await;
    let hasty = Errand { within: Span(400), ..errand(way(&PLAIN.replace("PORT", &server.port.to_string())), down()) };
    let delivery = Carrier::trusting(RootCertStore::empty()).carry(&outbox(), &hasty).await;
    let detail = "the server did not finish within 400ms while waiting for the answer";
    assert_eq!((delivery.fate(), delivery.detail.as_str()), (Fate::Later, detail));
    let (endless, _) = tell(&[Manner::Endless], PLAIN, down()).await;
    assert_eq!(endless.fate(), Fate::Later);
    assert!(endless.detail.starts_with("HTTP 500: xxx") && endless.detail.len() <= 240, "{endless:?}");
}

#[tokio::test]
async fn no_secret_comes_back_in_what_is_told() {
    let line = "webhook = { url = \"http://127.0.0.1:PORT/bot{secret}/send\", headers = { Authorization = \"Bearer {secret}\" }, secret = \"token\", sign = \"sign\" }";
    for status in [200, 401, 500] {
        let (delivery, asked) = tell(&[Manner::Answer(status, "you asked {request}")], line, down()).await;
        assert_eq!(asked[0].line, format!("POST /bot{SECRET}/send HTTP/1.1"));
        assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
        assert!(delivery.detail.contains("you asked") && !delivery.detail.contains(SECRET), "{delivery:?}");
    }
    assert!(!format!("{:?}", outbox()).contains(SECRET));
}

#[tokio::test]
async fn a_secret_may_be_the_whole_address() {
    let server = Server::start(&[Manner::Answer(404, "no such hook {request}")], None).await;
    let errand = errand(way("webhook = { preset = \"slack\", secret = \"token\" }"), down());
    let address = format!("http://127.0.0.1:{}/services/T0/B0/abcdef", server.port);
    let outbox = Outbox { secrets: BTreeMap::from([("token".to_owned(), address)]), ..Outbox::default() };
    let delivery = Carrier::trusting(RootCertStore::empty()).carry(&outbox, &errand).await;
    assert_eq!(delivery.fate(), Fate::Refused);
    assert!(!delivery.detail.contains("/services/") && delivery.detail.contains("no such hook POST …"), "{delivery:?}");
    let wrong = Outbox { secrets: BTreeMap::from([("token".to_owned(), SECRET.to_owned())]), ..Outbox::default() };
    let delivery = Carrier::trusting(RootCertStore::empty()).carry(&wrong, &errand).await;
    assert!(delivery.detail.contains("the secret \"token\"") && !delivery.detail.contains(SECRET), "{delivery:?}");
    let none = Carrier::trusting(RootCertStore::empty()).carry(&Outbox::default(), &errand).await;
    assert!(none.fate() == Fate::Later && none.detail.contains("peerwatch.secret.token"), "{none:?}");
}

#[tokio::test]
async fn a_template_is_filled_as_json_whatever_is_put_in() {
    let line = "webhook = { url = \"http://127.0.0.1:PORT/\", method = \"PUT\", headers = { X-State = \"{state}\" }, body = { \
        title = \"[{severity}] {target}: {reason}\", since = \"{since}\", took = \"{duration}\", id = \"{id}\", by = \"{node}@{network}/{channel}\", \
        about = \"{incident}\", go = \"{runbook}\", first = \"{first}\", braces = \"{{}}\", list = [1, 2.5, true, \"{state}\"] } }";
    let (delivery, asked) = tell(OK, line, vec![item("shop", Phase::Degraded), item("mail", Phase::Down)]).await;
    assert!(delivery.success, "{delivery:?}");
    assert_eq!((asked[0].line.as_str(), asked[0].header("x-state")), ("PUT / HTTP/1.1", Some("down")));
    let body = asked[0].json();
    assert_eq!(body["title"], "[critical] shop, mail: the body does not contain \"<Welcome>\"");
    assert_eq!(body["since"], "2025-11-20T07:33:41Z");
    assert_eq!((&body["took"], &body["by"], &body["about"]), (&json!("12m 30s"), &json!("ber1@home/ops"), &json!("shop#3, mail#3")));
    assert_eq!((&body["braces"], &body["list"]), (&json!("{}"), &json!([1, 2.5, true, "down"])));
    assert!(!body["first"].as_str().unwrap().is_empty() && body["go"] == "https://wiki.example.org/shop");
}

#[tokio::test]
async fn a_server_is_believed_only_if_somebody_vouches_for_it() {
    let (acceptor, roots) = authority();
    let server = Server::start(OK, Some(acceptor)).await;
    let line = format!("webhook = {{ url = \"https://127.0.0.1:{}/\" }}", server.port);
    let errand = errand(way(&line), down());
    let delivery = Carrier::trusting(authority().1).carry(&outbox(), &errand).await;
    assert!(delivery.fate() == Fate::Later && delivery.detail.contains("failed in setting up TLS"), "{delivery:?}");
    let delivery = Carrier::trusting(RootCertStore::empty()).carry(&outbox(), &errand).await;
    assert!(delivery.detail.contains("no root certificates"), "{delivery:?}");
    assert!(server.asked().is_empty(), "nothing was said to a stranger");
    assert!(Carrier::trusting(roots).carry(&outbox(), &errand).await.success);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn where_each_incident_is_a_request_one_refused_does_not_silence_the_others() {
    let line = "webhook = { preset = \"pagerduty\", url = \"http://127.0.0.1:PORT/v2/enqueue\", secret = \"token\" }";
    let items = || vec![item("mail", Phase::Down), item("shop", Phase::Down)];
    let (delivery, asked) = tell(&[Manner::Answer(400, "invalid event"), Manner::Answer(202, "")], line, items()).await;
    assert_eq!((delivery.fate(), delivery.refused, asked.len()), (Fate::Delivered, vec!["mail#3".to_owned()], 2));
    let (delivery, asked) = tell(&[Manner::Answer(202, ""), Manner::Answer(500, "oops")], line, items()).await;
    assert_eq!((delivery.fate(), asked.len()), (Fate::Later, 2), "all are sent again, and the service knows which it has");
    let keys: Vec<_> = asked.iter().map(|asked| asked.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["peerwatch.home.mail#3.down", "peerwatch.home.shop#3.down"]);
}
