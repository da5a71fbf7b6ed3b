//! The key/value store over HTTP, as curl and browsers meet it.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peerwatch::front::desk::Desk;
use peerwatch::front::web::{self, Access};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::library::{delete, put, start, write};
use crate::private::soon;
use crate::room::Room;

const TOKEN: &str = "a-token-of-many-letters";
const RIGHT: (&str, &str) = ("authorization", "Bearer a-token-of-many-letters");

struct Server {
    address: SocketAddr,
    desk: Desk,
    access: watch::Sender<Access>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    fn remedy(&self) -> String {
        self.json()["remedy"].as_str().unwrap().to_owned()
    }
}

impl Server {
    async fn start() -> Self {
        let (desk, _news) = start(Room::new("ber1"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (access, rights) = watch::channel(Access::new(Some(TOKEN)));
        tokio::spawn(web::serve(listener, Arc::new([desk.clone()]), rights, std::future::pending()));
        Self { address, desk, access }
    }

    async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response<Incoming> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        soon(sender.send_request(request.body(Full::new(Bytes::copy_from_slice(body))).unwrap())).await.unwrap()
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let answer = self.open(method, path, headers, body).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: soon(answer.into_body().collect()).await.unwrap().to_bytes() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }
}

/// The next event of a stream: its kind, its id and its data.
async fn event(stream: &mut Response<Incoming>) -> (String, String, Value) {
    loop {
        let frame = soon(stream.body_mut().frame()).await.expect("the stream goes on").unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned());
        if let Some(data) = field("data:") {
            return (field("event:").unwrap(), field("id:").unwrap_or_default(), serde_json::from_str(&data).unwrap());
        }
    }
}

#[tokio::test]
async fn a_value_leaves_as_itself_in_a_box() {
    let server = Server::start().await;
    let page = b"<script>alert(1)</script>";
    let kept = server.send("PUT", "/api/v1/kv/ber1/pages/a%2Fb", &[RIGHT, ("content-type", "text/html")], page).await;
    assert_eq!(kept.status, 200, "{:?}", kept.body);
    let got = server.get("/api/v1/kv/ber1/pages/a/b").await;
    assert_eq!((got.status, &got.body[..]), (200, &page[..]));
    assert_eq!(got.headers["content-type"], "text/html");
    assert_eq!(got.headers["content-security-policy"], "default-src 'none'; sandbox");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert_eq!(got.headers["x-peerwatch-revision"].to_str().unwrap(), kept.json()["revision"].to_string());
    let unnamed = [RIGHT, ("content-type", "application/x-www-form-urlencoded")];
    server.send("PUT", "/api/v1/kv/ber1/bytes", &unnamed, &[0xff]).await;
    assert_eq!(server.get("/api/v1/kv/ber1/bytes").await.headers["content-type"], "application/octet-stream");
    let head = server.send("HEAD", "/api/v1/kv/ber1/bytes", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (path, remedy) in
        [("/api/v1/kv/ber1/nothing", "lists its keys"), ("/api/v1/kv/nowhere/x", "/api/v1/nodes"), ("/api/v1/kv/ber1/%ff", "UTF-8")]
    {
        let missing = server.get(path).await;
        assert!((400..=404).contains(&missing.status) && missing.remedy().contains(remedy), "{path}: {:?}", missing.body);
    }
}

#[tokio::test]
async fn nobody_changes_anything_without_the_token() {
    let server = Server::start().await;
    write(&server.desk, vec![put("a", "1")]).await;
    let wrong = ("authorization", "Bearer a-token-of-many-letterz");
    let foreign = ("origin", "http://evil.example");
    for (method, path) in [("PUT", "/api/v1/kv/ber1/a"), ("DELETE", "/api/v1/kv/ber1/a"), ("POST", "/api/v1/kv")] {
        for (headers, status) in [(&[][..], 401), (&[wrong][..], 401), (&[RIGHT, foreign][..], 403)] {
            let answer = server.send(method, path, headers, b"[{\"delete\": \"a\"}]").await;
            assert_eq!(answer.status, status, "{method} {headers:?}: {:?}", answer.body);
            assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
            assert!(!answer.remedy().is_empty());
        }
    }
    server.access.send_replace(Access::default());
    let none = server.send("PUT", "/api/v1/kv/ber1/a", &[RIGHT], b"2").await;
    assert!(none.status == 403 && none.remedy().contains("token-file"), "{:?}", none.body);
    assert_eq!(server.desk.values.borrow().get("", "a").unwrap().text(), Some("1"));
    let elsewhere = server.send("PATCH", "/api/v1/kv/ber1/a", &[RIGHT], b"").await;
    assert_eq!((elsewhere.status, elsewhere.remedy().as_str()), (405, "Use GET, or with a token PUT or DELETE."));
}

#[tokio::test]
async fn changes_reach_this_nodes_part_alone_and_hold_as_a_whole() {
    let server = Server::start().await;
    let theirs = server.send("PUT", "/api/v1/kv/fra1/a", &[RIGHT], b"1").await;
    assert!(theirs.status == 403 && theirs.json()["error"] == "only fra1 writes in its part", "{:?}", theirs.body);
    let batch = br#"[{"put": "a", "value": "1"}, {"put": "b", "value": "2"}]"#;
    assert_eq!(server.send("POST", "/api/v1/kv", &[RIGHT], batch).await.status, 200);
    let failing = br#"[{"delete": "a"}, {"delete": "nothing"}]"#;
    assert_eq!(server.send("POST", "/api/v1/kv", &[RIGHT], failing).await.status, 404);
    assert_eq!(server.get("/api/v1/kv/ber1/a").await.body, "1");
    assert_eq!(server.send("POST", "/api/v1/kv", &[RIGHT], b"{").await.status, 400);
    assert_eq!(server.send("DELETE", "/api/v1/kv/ber1/a", &[RIGHT], b"").await.status, 200);
    assert_eq!(server.send("DELETE", "/api/v1/kv/ber1/a", &[RIGHT], b"").await.status, 404);
    assert_eq!(server.send("PUT", "/api/v1/kv/ber1/a", &[RIGHT], &[b'x'; 61_440]).await.status, 200);
    let long = server.send("PUT", "/api/v1/kv/ber1/a", &[RIGHT], &[b'x'; 61_441]).await;
    assert!(long.status == 413 && long.remedy().contains("elsewhere"), "{:?}", long.body);
    let media = server.send("PUT", "/api/v1/kv/ber1/a", &[RIGHT, ("content-type", "nonsense")], b"1").await;
    assert_eq!(media.status, 400);
}

#[tokio::test]
async fn lists_come_page_by_page_with_the_place_to_follow_from() {
    let server = Server::start().await;
    write(&server.desk, vec![put("net/a", "one"), put("net/b", "stone"), put("z", "")]).await;
    let keys = |answer: &Answer| -> Vec<String> {
        answer.json()["values"].as_array().unwrap().iter().map(|value| value["key"].as_str().unwrap().to_owned()).collect()
    };
    let all = server.get("/api/v1/kv").await;
    assert_eq!((keys(&all), &all.json()["more"]), (vec!["net/a".into(), "net/b".into(), "z".into()], &false.into()));
    assert_eq!(all.json()["parts"][0]["keys"], 3);
    assert_eq!(keys(&server.get("/api/v1/kv?prefix=net%2F&search=sto").await), ["net/b"]);
    assert_eq!(keys(&server.get("/api/v1/kv?node=fra1").await), [""; 0]);
    let page = server.get("/api/v1/kv?limit=2").await;
    assert_eq!((keys(&page).len(), &page.json()["more"]), (2, &true.into()));
    assert_eq!(keys(&server.get("/api/v1/kv?limit=2&after=ber1%2Fnet%2Fb").await), ["z"]);
    assert_eq!(server.get("/api/v1/kv?node=nowhere").await.status, 404);
    assert_eq!(server.get("/api/v1/kv?after=x").await.status, 400);
    assert_eq!(server.get("/api/v1/kv?limit=0").await.status, 400);
    let cursor = all.json()["cursor"].as_str().unwrap().to_owned();
    write(&server.desk, vec![put("z", "1"), delete("net/a")]).await;
    let mut stream = server.open("GET", &format!("/api/v1/stream?events=kv&cursor={cursor}"), &[], b"").await;
    let (kind, _, first) = event(&mut stream).await;
    assert_eq!((kind.as_str(), &first["key"], &first["deleted"]), ("kv", &"net/a".into(), &true.into()));
    let (_, id, second) = event(&mut stream).await;
    assert_eq!((&second["key"], &second["value"], second["cursor"].as_str()), (&"z".into(), &"1".into(), Some(id.as_str())));
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_or_says_that_it_cannot() {
    let server = Server::start().await;
    let mut stream = server.open("GET", "/api/v1/stream?events=kv", &[], b"").await;
    write(&server.desk, vec![put("a", "1")]).await;
    let (_, id, _) = event(&mut stream).await;
    drop(stream);
    write(&server.desk, vec![put("a", "2")]).await;
    write(&server.desk, vec![put("a", "3")]).await;
    let mut stream = server.open("GET", "/api/v1/stream?events=view,kv", &[("last-event-id", &id)], b"").await;
    let mut values = Vec::new();
    while values.len() < 2 {
        let (kind, _, data) = event(&mut stream).await;
        if kind == "kv" {
            values.push(data["value"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(values, ["2", "3"]);
    let other_run = "00000000deadbeef.1";
    let mut stream = server.open("GET", "/api/v1/stream?events=kv", &[("last-event-id", other_run)], b"").await;
    let (kind, id, data) = event(&mut stream).await;
    assert_eq!((kind.as_str(), data["cursor"].as_str()), ("kv-lagged", Some(id.as_str())));
    write(&server.desk, vec![put("a", "4")]).await;
    assert_eq!(event(&mut stream).await.2["value"], "4");
    for path in ["/api/v1/stream?events=kw", "/api/v1/stream?events=kv&cursor=1"] {
        assert_eq!(server.get(path).await.status, 400, "{path}");
    }
}
