//! Looks at real sockets on loopback.
//!
//! Servers live inside the tests and end with them. What a look may see elsewhere (routers that refuse,
//! packets that are lost) is tested beside the code that reads it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peerwatch::base::id::{NodeId, TargetId};
use peerwatch::base::outcome::{Look, Order, Outcome};
use peerwatch::base::target::{Http, Icmp, Probe, StatusSet, Tcp};
use peerwatch::base::time::Span;
use peerwatch::io::probe::Prober;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

fn order(probe: Probe) -> Order {
    within(Span::secs(20), probe)
}

fn within(timeout: Span, probe: Probe) -> Order {
    Order { id: 1, target: TargetId("shop".into()), probe, timeout }
}

async fn look(probe: Probe) -> Outcome {
    Prober::new().look(&order(probe)).await
}

fn phases(outcome: &Outcome) -> Vec<&'static str> {
    outcome.phases.iter().map(|(name, _)| *name).collect()
}

// --- ICMP

fn icmp(host: &str, count: u16, size: u16) -> Probe {
    Probe::Icmp(Icmp { host: host.into(), count, gap: Span(5), size })
}

/// Where a host forbids ICMP altogether, that is what has to be said; elsewhere it has to work.
async fn ping(host: &str, count: u16, size: u16) -> Option<Outcome> {
    let prober = Prober::new();
    let outcome = prober.look(&order(icmp(host, count, size))).await;
    if prober.lacks().iter().any(|lack| lack.contains("no ICMP")) {
        assert_eq!(outcome.look, Look::Unable);
        return None;
    }
    Some(outcome)
}

#[tokio::test]
async fn loopback_answers_every_packet_over_both_protocols() {
    for host in ["127.0.0.1", "::1", "localhost"] {
        let Some(outcome) = ping(host, 5, 56).await else { continue };
        assert_eq!((outcome.look, outcome.sent, outcome.received), (Look::Good, 5, 5), "{host}: {}", outcome.detail);
        assert_eq!(outcome.detail, "5 of 5 packets answered");
        let (mean, (least, most)) = (outcome.time.unwrap(), outcome.spread.unwrap());
        assert!(least <= mean && mean <= most, "{least} {mean} {most}");
    }
}

#[tokio::test]
async fn the_smallest_and_the_largest_packets_come_back() {
    for size in [16, 65_500] {
        if let Some(outcome) = ping("127.0.0.1", 2, size).await {
            assert_eq!((outcome.look, outcome.received), (Look::Good, 2), "{size}: {}", outcome.detail);
        }
    }
}

#[tokio::test]
async fn many_looks_share_one_socket_without_taking_each_others_answers() {
    let prober = Prober::new();
    if prober.lacks().iter().any(|lack| lack.contains("no ICMP")) {
        return;
    }
    let mut looks = JoinSet::new();
    for target in 0..400_u16 {
        let prober = prober.clone();
        let host = format!("127.0.{}.{}", target / 250, target % 250 + 1);
        looks.spawn(async move { prober.look(&order(icmp(&host, 5, 56))).await });
    }
    while let Some(outcome) = looks.join_next().await {
        let outcome = outcome.unwrap();
        assert_eq!((outcome.look, outcome.received), (Look::Good, 5), "{}", outcome.detail);
    }
}

#[tokio::test]
async fn a_long_row_of_packets_is_squeezed_into_the_timeout() {
    let slow = Probe::Icmp(Icmp { host: "127.0.0.1".into(), count: 10, gap: Span::secs(60), size: 16 });
    let prober = Prober::new();
    let outcome = prober.look(&within(Span::secs(1), slow)).await;
    if prober.lacks().is_empty() {
        assert_eq!((outcome.sent, outcome.received), (10, 10), "{}", outcome.detail);
    }
}

#[tokio::test]
async fn a_broadcast_address_is_not_a_failure_of_the_target() {
    let outcome = look(icmp("127.255.255.255", 1, 56)).await;
    assert_eq!(outcome.look, Look::Unable, "{}", outcome.detail);
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_bad() {
    // The reserved name is refused by the library itself: it is longer than names may be.
    let outcome = look(icmp(&format!("{}.invalid", "x".repeat(70)), 1, 56)).await;
    assert_eq!(outcome.look, Look::Bad);
    assert!(outcome.detail.starts_with("name not found"), "{}", outcome.detail);
}

#[tokio::test]
async fn nodes_are_not_looked_at() {
    assert_eq!(look(Probe::Node(NodeId([0; 32]))).await.look, Look::Unable);
}

// --- TCP

fn tcp(at: SocketAddr, send: Option<&str>, expect: Option<&str>) -> Probe {
    Probe::Tcp(Tcp { host: at.ip().to_string(), port: at.port(), send: send.map(str::to_owned), expect: expect.map(str::to_owned) })
}

/// A port where nobody listens.
async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A server that does this with each connection.
async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut visits = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            visits.spawn(serve(stream));
        }
    });
    (at, tasks)
}

/// A server that says this and waits until its visitor leaves.
async fn herald(words: &'static [u8]) -> (SocketAddr, JoinSet<()>) {
    server(move |mut stream| async move {
        let _ = stream.write_all(words).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

#[tokio::test]
async fn an_open_port_is_good() {
    let (at, _tasks) = herald(b"").await;
    let outcome = look(tcp(at, None, None)).await;
    assert_eq!((outcome.look, outcome.sent, outcome.received), (Look::Good, 1, 1));
    assert_eq!(phases(&outcome), ["connect"]);
    assert!(outcome.time.is_some());
}

#[tokio::test]
async fn a_name_is_looked_up_and_the_address_that_listens_is_found() {
    let (at, _tasks) = herald(b"").await;
    let outcome = look(Probe::Tcp(Tcp { host: "localhost".into(), port: at.port(), send: None, expect: None })).await;
    assert_eq!((outcome.look, phases(&outcome)), (Look::Good, vec!["resolve", "connect"]), "{}", outcome.detail);
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let outcome = look(tcp(closed_port().await, None, None)).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "connection refused"));
    assert_eq!((outcome.sent, outcome.received, outcome.time), (1, 0, None));
}

#[tokio::test]
async fn a_banner_that_matches_is_good_and_shown() {
    let (at, _tasks) = herald(b"220-hello\r\n220 mail.example.org ESMTP\r\n").await;
    let outcome = look(tcp(at, None, Some("^220 "))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Good, "220 mail.example.org ESMTP"));
    assert_eq!(phases(&outcome), ["connect", "answer"]);
}

#[tokio::test]
async fn a_banner_that_does_not_match_is_bad_and_shown() {
    let (at, _tasks) = server(|mut stream| async move {
        let _ = stream.write_all(b"554 go away\r\n").await;
    })
    .await;
    let outcome = look(tcp(at, None, Some("^220 "))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "expected \"^220 \", got \"554 go away\""));
}

#[tokio::test]
async fn a_port_that_never_says_it_times_out() {
    let (at, _tasks) = herald(b"HELLO").await;
    let outcome = Prober::new().look(&within(Span(300), tcp(at, None, Some("^220 ")))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "timed out after 300ms while waiting for what it should say"));
    assert_eq!(phases(&outcome), ["connect"]);
}

#[tokio::test]
async fn an_endless_banner_is_left_at_its_bound() {
    let (at, _tasks) = server(|mut stream| async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} }).await;
    let outcome = look(tcp(at, None, Some("^220 "))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "expected \"^220 \", but the first 16 KiB do not match"));
}

#[tokio::test]
async fn what_shall_be_sent_arrives() {
    let (told, mut heard) = mpsc::channel(1);
    let (at, _tasks) = server(move |mut stream| {
        let told = told.clone();
        async move {
            let mut words = [0; 6];
            stream.read_exact(&mut words).await.unwrap();
            told.send(words).await.unwrap();
            stream.write_all(b"+PONG\r\n").await.unwrap();
        }
    })
    .await;
    assert_eq!(look(tcp(at, Some("PING\r\n"), Some(r"^\+PONG$"))).await.look, Look::Good);
    assert_eq!(heard.recv().await.as_ref(), Some(b"PING\r\n"));
    assert_eq!(look(tcp(at, Some("PING\r\n"), None)).await.look, Look::Good);
    assert_eq!(heard.recv().await.as_ref(), Some(b"PING\r\n"), "and is not cut off by leaving early");
}

// --- HTTP

fn http(url: String) -> Http {
    let status = StatusSet::parse("200-299").unwrap();
    Http { url, method: "GET".into(), headers: vec![], status, body: None, certificate_days: None }
}

async fn look_http(http: Http) -> Outcome {
    look(Probe::Http(Box::new(http))).await
}

/// Reads the head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Answers one request: `answer` makes of its head the bytes to send.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: impl Fn(&str) -> String) {
    let asked = head(&mut stream).await;
    let _ = stream.write_all(answer(&asked).as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn page(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn redirect(place: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")
}

/// The place that was asked for.
fn place(asked: &str) -> &str {
    asked.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn a_page_is_good_and_its_phases_are_measured() {
    let (at, _tasks) = server(|stream| answer(stream, |_| page("200 OK", "Welcome"))).await;
    let outcome = look_http(http(format!("http://{at}/"))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Good, "HTTP 200 OK"));
    assert_eq!(phases(&outcome), ["connect", "first byte", "total"]);
    assert!(outcome.phases[2].1 <= outcome.time.unwrap());
}

#[tokio::test]
async fn the_request_says_who_asks_and_what_the_target_wants_said() {
    let (told, mut heard) = mpsc::channel(1);
    let (at, _tasks) = server(move |mut stream| {
        let told = told.clone();
        async move {
            told.send(head(&mut stream).await).await.unwrap();
            stream.write_all(page("204 No Content", "").as_bytes()).await.unwrap();
        }
    })
    .await;
    let headers = vec![("X-Token".to_owned(), "a".to_owned()), ("X-Token".to_owned(), "b".to_owned())];
    let outcome = look_http(Http { method: "DELETE".into(), headers, ..http(format!("http://{at}/x?y=z#w")) }).await;
    assert_eq!(outcome.look, Look::Good, "{}", outcome.detail);
    let asked = heard.recv().await.unwrap();
    assert!(asked.starts_with("DELETE /x?y=z HTTP/1.1\r\n"), "{asked}");
    for line in
        [format!("host: {at}"), format!("user-agent: peerwatch/{}", env!("CARGO_PKG_VERSION")), "x-token: a".into(), "x-token: b".into()]
    {
        assert!(asked.lines().any(|had| had.eq_ignore_ascii_case(&line)), "{line} in {asked}");
    }
}

#[tokio::test]
async fn a_status_that_is_not_accepted_is_bad() {
    let (at, _tasks) = server(|stream| answer(stream, |_| page("503 Service Unavailable", "sorry"))).await;
    let outcome = look_http(http(format!("http://{at}/"))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "HTTP 503 Service Unavailable"));
    let wanted = Http { status: StatusSet::parse("503").unwrap(), ..http(format!("http://{at}/")) };
    assert_eq!(look_http(wanted).await.look, Look::Good, "unless it is just what is wanted");
}

#[tokio::test]
async fn the_body_must_contain_the_text() {
    let (at, _tasks) = server(|stream| answer(stream, |_| page("200 OK", "<h1>Welcome</h1>"))).await;
    let with = |text: &str| look_http(Http { body: Some(text.into()), ..http(format!("http://{at}/")) });
    assert_eq!(with("Welcome").await.look, Look::Good);
    let outcome = with("Goodbye").await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "the body does not contain \"Goodbye\""));
}

#[tokio::test]
async fn a_body_in_chunks_is_put_together() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nWel\r\n4\r\ncome\r\n0\r\n\r\n";
    let (at, _tasks) = server(move |stream| answer(stream, move |_| chunks.into())).await;
    assert_eq!(look_http(Http { body: Some("Welcome".into()), ..http(format!("http://{at}/")) }).await.look, Look::Good);
}

#[tokio::test]
async fn a_huge_body_is_read_to_its_bound_and_no_further() {
    let (at, _tasks) = server(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    })
    .await;
    assert_eq!(look_http(http(format!("http://{at}/"))).await.look, Look::Good);
    let outcome = look_http(Http { body: Some("Welcome".into()), ..http(format!("http://{at}/")) }).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "the first MiB of the body does not contain \"Welcome\""));
}

#[tokio::test]
async fn a_slow_body_times_out_and_says_so() {
    let (at, _tasks) = server(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nWel").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let outcome = Prober::new().look(&within(Span(300), Probe::Http(Box::new(http(format!("http://{at}/")))))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "timed out after 300ms while reading the body"));
    assert_eq!(phases(&outcome), ["connect", "first byte"]);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_bad() {
    let (at, _tasks) = server(|stream| answer(stream, |_| "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nWel".into())).await;
    let outcome = look_http(http(format!("http://{at}/"))).await;
    assert_eq!(outcome.look, Look::Bad);
    assert!(outcome.detail.contains("before the answer was complete"), "{}", outcome.detail);
}

#[tokio::test]
async fn what_is_not_http_is_bad() {
    let (at, _tasks) = herald(b"SSH-2.0-x\r\n").await;
    let outcome = look_http(http(format!("http://{at}/"))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "it does not answer in HTTP"));
}

#[tokio::test]
async fn an_endless_head_is_left_at_its_bound() {
    let (at, _tasks) = server(|mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(look_http(http(format!("http://{at}/"))).await.look, Look::Bad);
}

#[tokio::test]
async fn redirects_are_followed_to_the_page_that_counts() {
    let (at, _tasks) = server(|stream| {
        answer(stream, |asked| match place(asked) {
            "/" => redirect("/a/b"),
            "/a/b" => redirect("c"),
            "/a/c" => page("200 OK", "Welcome"),
            _ => page("404 Not Found", ""),
        })
    })
    .await;
    let outcome = look_http(Http { body: Some("Welcome".into()), ..http(format!("http://{at}/")) }).await;
    assert_eq!(outcome.look, Look::Good, "{}", outcome.detail);
    assert_eq!(phases(&outcome), ["connect", "first byte", "total"], "the phases of all hops add up");
}

#[tokio::test]
async fn circles_end_and_other_methods_do_not_follow() {
    let (at, _tasks) = server(|stream| answer(stream, |_| redirect("/"))).await;
    let outcome = look_http(http(format!("http://{at}/"))).await;
    assert_eq!((outcome.look, outcome.detail.starts_with("more than 5 redirects")), (Look::Bad, true), "{}", outcome.detail);
    let outcome = look_http(Http { method: "POST".into(), ..http(format!("http://{at}/")) }).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "HTTP 302 Found"));
    let wanted = Http { status: StatusSet::parse("302").unwrap(), ..http(format!("http://{at}/")) };
    assert_eq!(look_http(wanted).await.look, Look::Good, "a redirect can be what is wanted");
}

#[tokio::test]
async fn what_may_be_secret_stays_with_the_host_that_was_named() {
    let (told, mut heard) = mpsc::channel(1);
    let (other, _other_tasks) = server(move |mut stream| {
        let told = told.clone();
        async move {
            told.send(head(&mut stream).await).await.unwrap();
            stream.write_all(page("200 OK", "").as_bytes()).await.unwrap();
        }
    })
    .await;
    let (at, _tasks) = server(move |stream| answer(stream, move |_| redirect(&format!("http://{other}/")))).await;
    let headers = vec![("Authorization".to_owned(), "Bearer secret".to_owned())];
    assert_eq!(look_http(Http { headers, ..http(format!("http://{at}/")) }).await.look, Look::Good);
    let asked = heard.recv().await.unwrap();
    assert!(!asked.contains("secret") && asked.to_lowercase().contains("user-agent: peerwatch/"), "{asked}");
}

#[tokio::test]
async fn a_head_request_has_no_body_to_wait_for() {
    let (at, _tasks) = server(|stream| answer(stream, |_| "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".into())).await;
    let outcome = look_http(Http { method: "HEAD".into(), ..http(format!("http://{at}/")) }).await;
    assert_eq!(outcome.look, Look::Good, "{}", outcome.detail);
}

#[tokio::test]
async fn what_cannot_be_asked_is_this_hosts_fault() {
    let (at, _tasks) = herald(b"").await;
    let url = format!("http://{at}/");
    let cases = [
        http("ftp://127.0.0.1/".into()),
        http("nonsense".into()),
        Http { method: "GE T".into(), ..http(url.clone()) },
        Http { headers: vec![("X\n".into(), "y".into())], ..http(url.clone()) },
        Http { headers: vec![("X".into(), "secret\n".into())], ..http(url) },
    ];
    for case in cases {
        let outcome = look_http(case).await;
        assert_eq!(outcome.look, Look::Unable, "{}", outcome.detail);
        assert!(!outcome.detail.contains("secret"));
    }
}

// --- HTTPS

/// An authority, and a server whose certificate it signed for 127.0.0.1, valid for so many days from now.
async fn secure(days: i64, body: &'static str) -> (SocketAddr, RootCertStore, JoinSet<()>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = days_from_now(date_time_ymd(1970, 1, 1), days);
    params.not_before = days_from_now(date_time_ymd(1970, 1, 1), -400);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (at, tasks) = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // A visitor that does not trust this server leaves here.
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, |_| page("200 OK", body)).await;
            }
        }
    })
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
    (at, roots, tasks)
}

/// Half a day more, so that the count of whole days does not change while a test runs.
fn days_from_now<T: std::ops::Add<Duration, Output = T>>(epoch: T, days: i64) -> T {
    let now = tokio_rustls::rustls::pki_types::UnixTime::now().as_secs();
    epoch + Duration::from_secs(now.checked_add_signed(days * 86_400 + 43_200).unwrap())
}

fn https(at: SocketAddr) -> Http {
    Http { certificate_days: Some(14), ..http(format!("https://{at}/")) }
}

#[tokio::test]
async fn a_secure_page_is_good_and_its_certificate_is_counted() {
    let (at, roots, _tasks) = secure(60, "Welcome").await;
    let outcome = Prober::trusting(roots).look(&order(Probe::Http(Box::new(https(at))))).await;
    assert_eq!((outcome.look, outcome.certificate_days), (Look::Good, Some(60)), "{}", outcome.detail);
    assert_eq!(phases(&outcome), ["connect", "tls", "first byte", "total"]);
}

#[tokio::test]
async fn a_certificate_near_its_end_is_poor() {
    let (at, roots, _tasks) = secure(5, "Welcome").await;
    let prober = Prober::trusting(roots);
    let outcome = prober.look(&order(Probe::Http(Box::new(https(at))))).await;
    assert_eq!((outcome.look, outcome.received), (Look::Poor, 1));
    assert_eq!(outcome.detail, "HTTP 200 OK, the certificate expires in 5 days");
    let unasked = Http { certificate_days: None, ..https(at) };
    let outcome = prober.look(&order(Probe::Http(Box::new(unasked)))).await;
    assert_eq!((outcome.look, outcome.certificate_days), (Look::Good, Some(5)), "where nobody asks it is only shown");
    let wrong = Http { body: Some("Goodbye".into()), ..https(at) };
    assert_eq!(prober.look(&order(Probe::Http(Box::new(wrong)))).await.look, Look::Bad, "worse comes first");
}

#[tokio::test]
async fn an_expired_certificate_is_bad_and_says_since_when() {
    let (at, roots, _tasks) = secure(-3, "Welcome").await;
    let outcome = Prober::trusting(roots).look(&order(Probe::Http(Box::new(https(at))))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "the certificate has expired"));
    assert_eq!(outcome.certificate_days, Some(-3));
}

#[tokio::test]
async fn a_certificate_of_a_stranger_or_for_another_name_is_bad() {
    let (at, roots, _tasks) = secure(60, "Welcome").await;
    let (_, strangers, _others) = secure(60, "").await;
    let outcome = Prober::trusting(strangers).look(&order(Probe::Http(Box::new(https(at))))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "the certificate is not signed by an authority that this host trusts"));
    let named = http(format!("https://localhost:{}/", at.port()));
    let outcome = Prober::trusting(roots).look(&order(Probe::Http(Box::new(named)))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "the certificate is for another name"));
}

#[tokio::test]
async fn a_port_without_tls_is_bad_and_a_host_without_authorities_unable() {
    let (at, _tasks) = herald(b"220 mail.example.org ESMTP\r\n").await;
    let (_, roots, _others) = secure(60, "").await;
    let outcome = Prober::trusting(roots).look(&order(Probe::Http(Box::new(https(at))))).await;
    assert_eq!((outcome.look, outcome.detail.as_str()), (Look::Bad, "it does not speak TLS"));
    let prober = Prober::trusting(RootCertStore::empty());
    assert!(prober.lacks().iter().any(|lack| lack.contains("ca-certificates")));
    assert_eq!(prober.look(&order(Probe::Http(Box::new(https(at))))).await.look, Look::Unable);
}

#[tokio::test]
async fn a_redirect_up_to_encryption_is_followed() {
    let (secure_at, roots, _tasks) = secure(60, "Welcome").await;
    let (plain, _plain_tasks) = server(move |stream| answer(stream, move |_| redirect(&format!("https://{secure_at}/")))).await;
    let climb = Http { body: Some("Welcome".into()), ..http(format!("http://{plain}/")) };
    let outcome = Prober::trusting(roots).look(&order(Probe::Http(Box::new(climb)))).await;
    assert_eq!((outcome.look, outcome.certificate_days), (Look::Good, Some(60)), "{}", outcome.detail);
    assert_eq!(phases(&outcome), ["connect", "first byte", "tls", "total"]);
}
