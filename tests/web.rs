//! The web face as browsers and programs meet it: a real listener on loopback, views made by hand.
//!
//! `PEERWATCH_SHOW=60 cargo test --test web -- show --nocapture` keeps a sample network's page up
//! for a minute, for looking at it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use peerwatch::base::command::{Command, Reply, Vantage};
use peerwatch::base::id::{ChainId, Incarnation, IncidentId, Lane, NodeId, TargetId};
use peerwatch::base::limits;
use peerwatch::base::outcome::Look;
use peerwatch::base::time::{Micros, Span, Wall};
use peerwatch::base::view::{Archive, ChainStats, History, Progress, Sample, Stats, TargetView, Verified, View};
use peerwatch::front::desk::{Asked, Desk};
use peerwatch::front::web::{self, Access};

#[path = "web/quiet.rs"]
mod quiet;
#[path = "web/sample.rs"]
mod sample;
#[path = "web/trace.rs"]
mod trace;

#[tokio::test]
async fn every_reading_route_answers() {
    let server = Server::start([sample::night()]).await;
    for (path, kind, key) in [
        ("/", "text/html; charset=utf-8", "connection refused by 203.0.113.20:443"),
        ("/?network=home&q=shop&state=down&page=1", "text/html; charset=utf-8", "1 of 12"),
        ("/style.css", "text/css; charset=utf-8", "prefers-color-scheme"),
        ("/app.js", "text/javascript; charset=utf-8", "EventSource"),
        ("/icon.svg?worst=down", "image/svg+xml", "#c62828"),
        ("/api/v1/state", "application/json", "\"journal\":{\"entries\":48211"),
        ("/api/v1/networks", "application/json", "\"worst\":\"down\""),
        ("/api/v1/nodes", "application/json", "\"presence\":\"suspect\""),
        ("/api/v1/targets", "application/json", "\"standing\":\"held\""),
        ("/api/v1/targets/node%3Afra1", "application/json", "heartbeats of fra1"),
        ("/api/v1/targets/shop/samples?limit=2", "application/json", "\"look\":\"bad\""),
        ("/api/v1/incidents", "application/json", "\"id\":\"shop#4\""),
        ("/api/v1/journal", "application/json", "\"lane\":\"events\""),
        ("/-/healthy", "text/plain; charset=utf-8", "healthy\n"),
        ("/-/ready", "text/plain; charset=utf-8", "ready\n"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], kind, "{path}");
        assert!(answer.body.contains(key), "{path} lacks {key}: {}", answer.body);
        assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        if kind == "application/json" {
            answer.json();
        }
        let head = server.send("HEAD", path, &[]).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""), "HEAD {path}");
        let post = server.send("POST", path, &[]).await;
        assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED, "POST {path}");
        assert_eq!(post.headers["allow"], "GET,HEAD", "POST {path}");
        assert_eq!(post.json()["remedy"], "Use GET: this only reads.", "POST {path}");
    }
}

#[tokio::test]
async fn the_state_of_a_small_network() {
    let view = View { network: "home".into(), id: "home-x".into(), me: "ber1".into(), at: Wall(1_780_000_000_000), ..View::default() };
    let server = Server::start([view]).await;
    expect![[r#"{"network":"home","id":"home-x","me":"ber1","at":"2026-05-28T20:26:40.000Z","worst":"unknown","fault":null,"isolated":false,"remarks":[],"target_counts":{"total":0,"up":0,"degraded":0,"down":0,"unknown":0,"held":0,"partial":0},"node_counts":{"total":0,"alive":0,"suspect":0,"dead":0,"unheard":0},"open_incidents":0,"nodes":[],"targets":[],"incidents":[],"journal":{"entries":0,"heads":[],"forks":[]}}"#]]
    .assert_eq(&server.get("/api/v1/state").await.body);
    expect![[r#"{"network":"home","me":"ber1","at":"2026-05-28T20:26:40.000Z","targets":[]}"#]]
        .assert_eq(&server.get("/api/v1/targets").await.body);
}

#[tokio::test]
async fn a_target_comes_with_its_incidents() {
    let server = Server::start([sample::night()]).await;
    let shop = server.get("/api/v1/targets/shop").await.json();
    assert_eq!(shop["target"]["incident"], "shop#4");
    assert_eq!(shop["target"]["watchers"][2]["detail"], "no answer within 5s");
    let numbers: Vec<&Value> = shop["incidents"].as_array().unwrap().iter().map(|incident| &incident["number"]).collect();
    assert_eq!(numbers, [4, 3]);
}

#[tokio::test]
async fn what_does_not_exist_is_refused_with_a_remedy() {
    let server = Server::start([sample::night()]).await;
    for (path, status, remedy) in [
        ("/api/v2/state", StatusCode::NOT_FOUND, "The page is at /."),
        ("/etc/passwd", StatusCode::NOT_FOUND, "The page is at /."),
        ("/api/v1/targets/nowhere", StatusCode::NOT_FOUND, "/api/v1/targets lists all names."),
        ("/api/v1/targets/%ff", StatusCode::BAD_REQUEST, "percent-encoded"),
        ("/?network=away", StatusCode::NOT_FOUND, "It is in: home."),
        ("/?page=many", StatusCode::BAD_REQUEST, "from 1 to"),
        ("/api/v1/stream?network=away", StatusCode::NOT_FOUND, "It is in: home."),
        ("/api/v1/targets/shop/samples?limit=0", StatusCode::BAD_REQUEST, "from 1 to 10000"),
        ("/api/v1/targets/shop/samples?limit=10001", StatusCode::BAD_REQUEST, "from 1 to 10000"),
        ("/api/v1/targets/blog/samples", StatusCode::INTERNAL_SERVER_ERROR, "free some space"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.json()["remedy"].as_str().unwrap().contains(remedy), "{path}: {}", answer.body);
        assert!(!answer.json()["error"].as_str().unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn hostile_text_stays_text_on_the_page() {
    const EVIL: &str = "\"><script>alert('x')</script><img src=x onerror=alert(1)>";
    let mut view = sample::night();
    let mut target = TargetView::clone(&view.targets[0]);
    target.id = TargetId(EVIL.into());
    target.group = Some(EVIL.into());
    target.probe = EVIL.into();
    target.runbook = Some("javascript:alert(1)".into());
    for watcher in &mut target.watchers {
        (watcher.node, watcher.detail) = (EVIL.into(), EVIL.into());
    }
    let mut incident = (*view.incidents[1]).clone();
    incident.id = IncidentId { target: TargetId(EVIL.into()), number: 4 };
    incident.reason = EVIL.into();
    incident.notices[0].detail = EVIL.into();
    incident.notices[0].by = Some(EVIL.into());
    let mut node = (*view.nodes[1]).clone();
    (node.name, node.software, node.addresses) = (EVIL.into(), Some(EVIL.into()), vec![EVIL.into()]);
    (view.network, view.me, view.fault, view.remarks) = (EVIL.into(), EVIL.into(), Some(EVIL.into()), Arc::new([EVIL.into()]));
    (view.targets, view.incidents, view.nodes) = (Arc::new([Arc::new(target)]), Arc::new([Arc::new(incident)]), Arc::new([Arc::new(node)]));
    let server = Server::start([view]).await;
    let page = server.get("/").await.body;
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"), "{page}");
    for wound in ["<script>", "<img", "href=\"javascript:"] {
        assert!(!page.contains(wound), "{wound} in {page}");
    }
    let found = server.get(&format!("/?q={}", "%22%3E%3Cscript%3E")).await.body;
    assert!(!found.contains("<script>"), "{found}");
}

#[tokio::test]
async fn the_page_says_what_is_broken_and_who_was_told() {
    let server = Server::start([sample::night()]).await;
    let page = server.get("/").await.body;
    for key in [
        "<title>(2) 1 down, 1 degraded, 1 unknown, 1 held · home · Peerwatch</title>",
        "2026-05-28 20:12:38 UTC",
        "“down” by fra1",
        "550 5.1.1 no such user",
        "waits for a grant of home and hel1",
        "https://wiki.example.org/runbooks/shop",
        "up, but 1 of 4 watchers call it worse",
        "keys/attic.pub is not an Ed25519 key",
        "follows another definition",
    ] {
        assert!(page.contains(key), "the page lacks {key}");
    }
    let open = page.find("Open incidents").unwrap();
    assert!(open < page.find("id=\"targets\"").unwrap(), "what is broken comes first");
}

#[tokio::test]
async fn a_calm_network_says_so() {
    let server = Server::start([sample::calm()]).await;
    let page = server.get("/").await.body;
    assert!(page.contains("Everything is up") && page.contains("No incident is open."), "{page}");
}

#[tokio::test]
async fn a_daemon_in_several_networks_shows_the_one_that_is_asked_for() {
    let office = View { network: "office".into(), ..sample::calm() };
    let server = Server::start([sample::night(), office]).await;
    assert_eq!(server.get("/api/v1/state").await.json()["network"], "home");
    assert_eq!(server.get("/api/v1/state?network=office").await.json()["network"], "office");
    assert_eq!(server.get("/api/v1/networks").await.json()["networks"].as_array().unwrap().len(), 2);
    assert!(server.get("/?network=office").await.body.contains("href=\"/?network=home\""));
}

#[tokio::test]
async fn ten_thousand_targets_are_served_whole_as_json_and_in_pages_to_people() {
    let server = Server::start([sample::crowd(10_000)]).await;
    let state = server.get("/api/v1/state").await.json();
    let targets = state["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 10_000);
    assert_eq!(targets[9_999]["name"], "host-09999");
    assert_eq!(state["target_counts"]["up"], 10_000);
    let page = server.get("/?page=50").await.body;
    assert!(page.contains("host-09999") && !page.contains("host-09799"), "the last page holds the last 200");
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    let found = server.get("/?q=HOST-04711").await.body;
    assert!(found.contains("1 of 10000") && found.contains("id=\"target-host-04711\""));
}

#[tokio::test]
async fn a_stream_tells_how_it_is_and_then_each_change() {
    let server = Server::start([sample::calm()]).await;
    let mut stream = server.open("GET", "/api/v1/stream", &[]).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(event(&mut stream).await["worst"], "up");
    server.views[0].send_replace(Arc::new(sample::night()));
    assert_eq!(event(&mut stream).await["worst"], "down");
}

#[tokio::test]
async fn a_stream_leaves_out_views_that_come_too_fast() {
    let server = Server::start([sample::crowd(0)]).await;
    let mut stream = server.open("GET", "/api/v1/stream", &[]).await;
    assert_eq!(event(&mut stream).await["target_counts"]["total"], 0);
    for count in 1..=20 {
        server.views[0].send_replace(Arc::new(sample::crowd(count)));
        tokio::task::yield_now().await;
    }
    assert_eq!(event(&mut stream).await["target_counts"]["total"], 20, "one event for all of them");
}

#[tokio::test]
async fn streams_are_bounded_and_their_places_come_back() {
    let server = Server::start([sample::calm()]).await;
    let mut streams = Vec::new();
    for _ in 0..limits::WEB_STREAMS {
        let stream = server.open("GET", "/api/v1/stream", &[]).await;
        assert_eq!(stream.status(), StatusCode::OK);
        streams.push(stream);
    }
    let refused = server.get("/api/v1/stream").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.json()["remedy"].as_str().unwrap().contains("Close some pages"));
    assert_eq!(server.get("/-/healthy").await.status, StatusCode::OK, "other requests still have room");
    streams.clear();
    let freed = async {
        while server.open("GET", "/api/v1/stream", &[]).await.status() != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("a place comes back");
}

#[tokio::test]
async fn connections_are_bounded_and_wait_for_their_turn() {
    let server = Server::start([sample::calm()]).await;
    let mut held = Vec::new();
    for _ in 0..limits::WEB_CONNECTIONS {
        let mut connection = server.connect().await;
        connection.ready().await.unwrap();
        let answer = connection.send_request(request("GET", "/-/healthy", &[])).await.unwrap();
        answer.into_body().collect().await.unwrap();
        held.push(connection);
    }
    let mut next = Box::pin(server.get("/-/healthy"));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut next).await.is_err(), "it is not served yet");
    held.pop();
    assert_eq!(tokio::time::timeout(PATIENCE, next).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Server::start([sample::calm()]).await;
    let long = "x".repeat(64 * 1024);
    let answer = server.send("GET", "/", &[("x-long", &long)]).await;
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn samples_are_read_newest_first_and_no_more_than_asked() {
    let server = Server::start([sample::night()]).await;
    let body = server.get("/api/v1/targets/shop/samples?limit=3").await.json();
    expect![[r#"
        [
          {
            "at": "2026-05-28T20:26:40.000Z",
            "detail": "no answer",
            "look": "bad",
            "loss": 1.0,
            "received": 0,
            "rtt_seconds": null,
            "sent": 5
          },
          {
            "at": "2026-05-28T20:26:10.000Z",
            "detail": "",
            "look": "good",
            "loss": 0.0,
            "received": 5,
            "rtt_seconds": 0.0015,
            "sent": 5
          },
          {
            "at": "2026-05-28T20:25:40.000Z",
            "detail": "",
            "look": "good",
            "loss": 0.0,
            "received": 5,
            "rtt_seconds": 0.0015,
            "sent": 5
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&body["samples"]).unwrap());
}

#[tokio::test]
async fn a_ping_asks_every_node_and_returns_their_rows() {
    let mut server = Server::start([sample::night()]).await;
    let mut commands = server.commands.remove(0);
    let node = tokio::spawn(async move {
        let asked: Asked = commands.recv().await.unwrap();
        let rows = vec![Vantage { node: "fra1".into(), answer: None }];
        asked.reply.send(Reply::Pinged(rows)).unwrap();
        asked.command
    });
    let answer = server.send("POST", "/api/v1/ping?host=router.example.org&count=5&within=7", &[OURS]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(node.await.unwrap(), Command::Ping { host: "router.example.org".into(), count: 5, within: Span::secs(7) });
    expect![[r#"{"network":"home","host":"router.example.org","count":5,"vantages":[{"node":"fra1","answered":false,"sent":0,"received":0,"loss":null,"min_seconds":null,"mean_seconds":null,"max_seconds":null,"detail":"no answer in time"}]}"#]]
        .assert_eq(&answer.body);
}

#[tokio::test]
async fn a_ping_that_another_site_could_send_is_refused() {
    let mut server = Server::start([sample::night()]).await;
    let foreign = ("sec-fetch-site", "cross-site");
    for headers in [&[][..], &[foreign], &[OURS, foreign], &[("x-peerwatch", "0")]] {
        let answer = server.send("POST", "/api/v1/ping?host=192.0.2.1", headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.headers.get("access-control-allow-origin").is_none());
    }
    assert!(server.commands[0].try_recv().is_err(), "the node was not asked");
}

#[tokio::test]
async fn a_ping_of_nonsense_is_refused_before_any_node_is_asked() {
    let mut server = Server::start([sample::night()]).await;
    for query in
        ["", "host=", "host=-f", "host=a%20b", "host=a%3Brm", "host=192.0.2.1&count=0", "host=192.0.2.1&count=21", "host=h&within=61"]
    {
        let answer = server.send("POST", &format!("/api/v1/ping?{query}"), &[OURS]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {}", answer.body);
    }
    assert!(server.commands[0].try_recv().is_err(), "the node was not asked");
    let get = server.get("/api/v1/ping?host=192.0.2.1").await;
    assert_eq!((get.status, get.headers["allow"].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
}

#[tokio::test]
async fn a_node_that_refuses_a_ping_gives_its_reason() {
    let mut server = Server::start([sample::night()]).await;
    drop(server.commands.remove(0));
    let answer = server.send("POST", "/api/v1/ping?host=192.0.2.1", &[OURS]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["remedy"], "the daemon is stopping; try again when it runs");
}

#[tokio::test]
async fn a_daemon_whose_loop_has_ended_is_not_healthy() {
    let mut server = Server::start([View::default()]).await;
    assert_eq!(server.get("/-/ready").await.status, StatusCode::SERVICE_UNAVAILABLE, "no view yet");
    assert_eq!(server.get("/-/healthy").await.status, StatusCode::OK);
    server.views.clear();
    assert_eq!(server.get("/-/healthy").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn stopping_ends_open_streams() {
    let mut server = Server::start([sample::calm()]).await;
    let mut stream = server.open("GET", "/api/v1/stream", &[]).await;
    event(&mut stream).await;
    server.stop.take().unwrap().send(()).unwrap();
    let served = tokio::time::timeout(PATIENCE, &mut server.served).await.expect("it stops").unwrap();
    assert!(served.is_ok());
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any longer");
}

/// Not a test of anything unless asked for: see the top of this file.
#[tokio::test]
async fn show() {
    let Some(seconds) = std::env::var("PEERWATCH_SHOW").ok().and_then(|text| text.parse().ok()) else { return };
    let big = View { network: "crowd".into(), ..sample::crowd(10_000) };
    let calm = View { network: "calm".into(), ..sample::calm() };
    let mut server = Server::start([sample::night(), calm, big]).await;
    eprintln!("http://{}/", server.address);
    let mut commands = server.commands.remove(0);
    let node = tokio::spawn(async move {
        while let Some(asked) = commands.recv().await {
            let _ = asked.reply.send(Reply::Pinged(sample::vantages()));
        }
    });
    for second in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut view = sample::night();
        view.at = view.at + Span::secs(second);
        server.views[0].send_replace(Arc::new(view));
    }
    node.abort();
}

/// A server on a port of its own; it ends with the test.
struct Server {
    address: SocketAddr,
    views: Vec<watch::Sender<Arc<View>>>,
    commands: Vec<mpsc::Receiver<Asked>>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<io::Result<()>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

impl Server {
    async fn start<const N: usize>(networks: [View; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mut views, mut commands, mut desks) = (Vec::new(), Vec::new(), Vec::new());
        for view in networks {
            let network = view.network.clone();
            let (sender, view) = watch::channel(Arc::new(view));
            let (asker, asked) = mpsc::channel(4);
            views.push(sender);
            commands.push(asked);
            let (_, values) = watch::channel(Arc::default());
            desks.push(Desk { network, view, values, commands: asker, history: Arc::new(Past), archive: Arc::new(Past) });
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(web::serve(listener, desks.into(), nobody(), async { drop(stopped.await) }));
        Self { address, views, commands, stop: Some(stop), served }
    }

    async fn connect(&self) -> SendRequest<Empty<Bytes>> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends a request and returns as soon as the head of the answer is there.
    async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        self.connect().await.send_request(request(method, path, headers)).await.unwrap()
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.open(method, path, headers).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Empty::new()).unwrap()
}

/// The data of the stream's next event.
async fn event(stream: &mut Response<Incoming>) -> Value {
    let next = async {
        loop {
            let frame = stream.body_mut().frame().await.expect("the stream goes on").unwrap();
            let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
            if let Some((_, data)) = text.split_once("data: ") {
                return serde_json::from_str(data.trim_end()).unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("an event comes")
}

/// There is no token: nobody may change anything.
fn nobody() -> watch::Receiver<Access> {
    watch::channel(Access::default()).1
}

/// A past in which shop has samples and blog's cannot be read.
struct Past;

impl History for Past {
    fn samples(&self, target: &TargetId, most: u32) -> Result<Vec<Sample>, String> {
        if target.0 == "blog" {
            return Err("the disk is full; free some space".into());
        }
        let sample = |number: u32| Sample {
            target: target.clone(),
            at: Wall(sample::AT.0 - 30_000 * i64::from(number)),
            look: if number == 0 { Look::Bad } else { Look::Good },
            sent: 5,
            received: if number == 0 { 0 } else { 5 },
            time: (0 < number).then_some(Micros(1500)),
            detail: if number == 0 { "no answer".into() } else { String::new() },
        };
        Ok((0..most.min(1000)).map(sample).collect())
    }
}

impl Archive for Past {
    fn verify(&self, _: &mut dyn FnMut(Progress)) -> Result<Verified, String> {
        Ok(Verified::default())
    }

    fn stats(&self) -> Result<Stats, String> {
        let chain = ChainId { author: NodeId([0xa1; 32]), incarnation: Incarnation { opened: 17, nonce: [2; 16] }, lane: Lane::Events };
        let chains = vec![ChainStats { chain, base: 1000, head: 1237, entries: 237, bytes: 60_000 }];
        Ok(Stats { file: 1 << 20, log: 4096, free: 0, limit: 1 << 30, samples: 7, chains })
    }

    fn backup(&self, _: &mut dyn std::io::Write, _: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        Ok(0)
    }

    fn compact(&self, _: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        Ok(0)
    }
}

const OURS: (&str, &str) = ("x-peerwatch", "1");

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
