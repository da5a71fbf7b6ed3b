//! Events, acknowledgements and silences over HTTP: what is asked of the node, and who is told no.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use peerwatch::base::command::{Command, Reply};
use peerwatch::base::id::{IncidentId, TargetId};
use peerwatch::base::time::Span;
use peerwatch::front::web::{self, Access};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use peerwatch::base::view::View;
use peerwatch::front::desk::{Asked, Desk};

use super::{Past, sample};

const RIGHT: &str = "Bearer a-token-of-many-letters";

struct Server {
    address: SocketAddr,
    asked: mpsc::Receiver<Asked>,
    _access: watch::Sender<Access>,
    _view: watch::Sender<Arc<View>>,
}

impl Server {
    async fn start() -> Self {
        let (sender, view) = watch::channel(Arc::new(sample::night()));
        let (commands, asked) = mpsc::channel(4);
        let (_, values) = watch::channel(Arc::default());
        let desk = Desk { network: "home".into(), view, values, commands, history: Arc::new(Past), archive: Arc::new(Past) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (access, rights) = watch::channel(Access::new(Some("a-token-of-many-letters")));
        tokio::spawn(web::serve(listener, Arc::new([desk]), rights, std::future::pending()));
        Self { address, asked, _access: access, _view: sender }
    }
}

async fn send(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "node").header("authorization", token);
    let reply = sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
    let status = reply.status().as_u16();
    (status, serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

#[tokio::test]
async fn whoever_has_the_token_acknowledges_and_silences() {
    let mut server = Server::start().await;
    let shop = IncidentId { target: TargetId("shop".into()), number: 3 };
    let (anna, nobody) = ("anna".to_owned(), String::new());
    for (method, path, body, command, reply, expected) in [
        (
            "POST",
            "/api/v1/incidents/shop%233/ack",
            "{\"person\": \"anna\", \"reason\": \"on it\"}",
            Command::Acknowledge { incident: "shop#3".into(), person: anna.clone(), reason: "on it".into() },
            Reply::Acknowledged(shop.clone()),
            (200, json!({ "network": "home", "incident": "shop#3" })),
        ),
        (
            "POST",
            "/api/v1/incidents/mail/ack",
            "",
            Command::Acknowledge { incident: "mail".into(), person: nobody.clone(), reason: nobody.clone() },
            Reply::Refused("there is no incident \"mail\"".into()),
            (409, json!({ "error": "it was not done", "remedy": "there is no incident \"mail\"" })),
        ),
        (
            "POST",
            "/api/v1/silences",
            "{\"what\": \"shop\", \"for\": \"2h\"}",
            Command::Silence { what: "shop".into(), lasts: Span::secs(7200), person: nobody.clone(), reason: nobody.clone() },
            Reply::Silenced("00c0ffee".into()),
            (200, json!({ "network": "home", "id": "00c0ffee" })),
        ),
        (
            "DELETE",
            "/api/v1/silences/00c0ffee",
            "",
            Command::EndSilence { id: "00c0ffee".into(), person: nobody.clone() },
            Reply::Unsilenced("00c0ffee".into()),
            (200, json!({ "network": "home", "ended": "00c0ffee" })),
        ),
    ] {
        let address = server.address;
        let asked = async {
            let asked = server.asked.recv().await.unwrap();
            assert_eq!(asked.command, command);
            asked.reply.send(reply).unwrap();
        };
        let (answer, ()) = futures_util::future::join(send(address, method, path, RIGHT, body), asked).await;
        assert_eq!(answer, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_changes_anything_without_the_token_or_with_nonsense() {
    let mut server = Server::start().await;
    for (method, path) in [("POST", "/api/v1/silences"), ("DELETE", "/api/v1/silences/1"), ("POST", "/api/v1/incidents/shop%233/ack")] {
        assert_eq!(send(server.address, method, path, "Bearer guess-guess-guess", "").await.0, 401, "{path}");
    }
    let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(5000));
    for (path, body) in [
        ("/api/v1/silences", "{\"what\": \"shop\"}"),
        ("/api/v1/silences", "{\"what\": \"shop\", \"for\": \"soon\"}"),
        ("/api/v1/silences", "not JSON"),
        ("/api/v1/silences", long.as_str()),
        ("/api/v1/incidents/shop%233/ack", "{\"reason\": \"two\\nlines\"}"),
        ("/api/v1/incidents/shop%233/ack", "{\"raeson\": \"x\"}"),
        ("/api/v1/incidents/shop%233/ack", "{\"for\": \"2h\"}"),
    ] {
        assert_eq!(send(server.address, "POST", path, RIGHT, body).await.0, 400, "{path} {body}");
    }
    assert!(server.asked.try_recv().is_err(), "no node was asked");
}

#[tokio::test]
async fn what_happened_and_what_is_silent_is_read_by_everybody() {
    let server = Server::start().await;
    let (status, events) = send(server.address, "GET", "/api/v1/events?limit=1", "", "").await;
    assert_eq!((status, &events["me"], events["events"].as_array().map(Vec::len)), (200, &json!("ber1"), Some(0)));
    let (status, silences) = send(server.address, "GET", "/api/v1/silences", "", "").await;
    assert_eq!((status, &silences["silences"], &silences["maintenance"]), (200, &json!([]), &json!([])));
    assert_eq!(send(server.address, "GET", "/api/v1/events?limit=501", "", "").await.0, 400);
}
