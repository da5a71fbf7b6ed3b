//! Mail against a small server that speaks real SMTP on loopback.
//!
//! Each test writes the server's manners down and looks at what arrived.

use std::path::Path;
use std::sync::{Arc, Mutex};

use peerwatch::base::id::EntryHash;
use peerwatch::base::notice::{Delivery, Errand, Letter};
use peerwatch::base::settings::{Mail, MailTls, Way};
use peerwatch::base::time::Span;
use peerwatch::io::notify::{Carrier, Outbox};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// How a server behaves.
#[derive(Clone, Default)]
struct Manners {
    /// Answers `RCPT` for addresses that contain this word with that.
    refuses: &'static [(&'static str, &'static str)],
    /// Answers `AUTH` with this.
    login: &'static str,
    /// Extensions it offers, one per line.
    offers: &'static [&'static str],
    /// Closes the connection in the middle of the mail.
    closes: bool,
    /// Never greets.
    silent: bool,
    /// Never says goodbye.
    clings: bool,
    /// Answers to the whole mail.
    verdict: Option<&'static str>,
    /// Speaks TLS after `STARTTLS`, or from the first byte.
    tls: Option<(MailTls, TlsAcceptor)>,
}

/// What a server saw: its client's lines outside of mails, and the mails.
#[derive(Clone, Default)]
struct Seen {
    lines: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

/// A server, ended with the test.
struct Server {
    port: u16,
    seen: Seen,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::default();
        let shown = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client may leave at any point.
                let _ = welcome(stream, &manners, &shown).await;
            }
        });
        Self { port, seen, task }
    }
}

async fn welcome(stream: TcpStream, manners: &Manners, seen: &Seen) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if manners.silent {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        return Ok(());
    }
    if let Some((MailTls::Tls, acceptor)) = &manners.tls {
        let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await?);
        stream.write_all(b"220 sink ESMTP\r\n").await?;
        return serve(&mut stream, manners, seen).await.map(drop);
    }
    stream.write_all(b"220 sink ESMTP\r\n").await?;
    if serve(&mut stream, manners, seen).await?
        && let Some((_, acceptor)) = &manners.tls
    {
        let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await?);
        seen.lines.lock().unwrap().push("(TLS)".into());
        serve(&mut stream, manners, seen).await?;
    }
    Ok(())
}

/// Serves until the client leaves, or returns true when it begins TLS.
async fn serve<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut S, manners: &Manners, seen: &Seen) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let line = line.trim_end().to_owned();
        seen.lines.lock().unwrap().push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => {
                let offers: String = manners.offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                format!("250-sink\r\n{offers}250 8BITMIME\r\n")
            }
            "AUTH" => format!("{}\r\n", manners.login),
            "MAIL" => "250 2.1.0 Ok\r\n".to_owned(),
            "RCPT" => {
                let refusal = manners.refuses.iter().find(|(word, _)| line.contains(word));
                format!("{}\r\n", refusal.map_or("250 2.1.5 Ok", |(_, answer)| answer))
            }
            "DATA" => "354 End with a dot\r\n".to_owned(),
            "STARTTLS" => "220 Go ahead\r\n".to_owned(),
            "QUIT" if manners.clings => String::new(),
            "QUIT" => "221 Bye\r\n".to_owned(),
            _ => "500 What?\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
        if verb == "DATA" {
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") {
                if stream.read_line(&mut mail).await? == 0 || manners.closes {
                    return Ok(false);
                }
            }
            seen.mails.lock().unwrap().push(mail);
            stream.write_all(format!("{}\r\n", manners.verdict.unwrap_or("250 2.0.0 Ok: queued as 4F3")).as_bytes()).await?;
        }
        if verb == "STARTTLS" {
            return Ok(true);
        }
        if verb == "QUIT" && !manners.clings {
            return Ok(false);
        }
    }
}

/// Carries an errand from a host with this way out for mail.
async fn carry(mail: &Mail, password: Option<&str>, errand: &Errand) -> Delivery {
    let outbox = Outbox { mail: Some(mail.clone()), password: password.map(str::to_owned), ..Outbox::default() };
    Carrier::new().carry(&outbox, errand).await
}

fn settings(port: u16) -> Mail {
    Mail { host: "127.0.0.1".into(), port, tls: MailTls::None, user: None, password_file: None, dry_run: false, sendmail: None }
}

fn errand(to: &[&str]) -> Errand {
    Errand {
        ballot: EntryHash([7; 32]),
        channel: "ops".into(),
        way: Way::Mail { to: to.iter().map(ToString::to_string).collect(), from: "Peerwatch <watch@example.org>".into() },
        letter: Letter {
            message_id: "shop.3.up@home.peerwatch".into(),
            references: vec!["shop.3.down@home.peerwatch".into()],
            subject: "UP | shop, zur\u{fc}ck nach 12m 30s".into(),
            text: "shop is up again.\n.\nSeen by 3 of 3 nodes.\n".into(),
            html: "<p>shop is <b>up</b> again.</p>".into(),
            headers: vec![("X-Peerwatch-Incident", "shop.3".into()), ("X-Peerwatch-State", "up".into())],
            ..Letter::default()
        },
        within: Span::secs(20),
    }
}

async fn deliver(manners: Manners, to: &[&str]) -> (Delivery, Seen) {
    let server = Server::start(manners).await;
    let delivery = carry(&settings(server.port), None, &errand(to)).await;
    (delivery, server.seen.clone())
}

#[tokio::test]
async fn an_accepted_mail_arrives_once_with_its_header() {
    let (delivery, seen) = deliver(Manners::default(), &["ops@example.org", "Night <night@example.org>"]).await;
    assert_eq!(delivery, Delivery { success: true, detail: "250 2.0.0 Ok: queued as 4F3".into(), refused: vec![], after: None });
    let mails = seen.mails();
    assert_eq!(mails.len(), 1);
    let (head, body) = mails[0].split_once("\r\n\r\n").unwrap();
    for line in [
        "From: Peerwatch <watch@example.org>",
        "To: ops@example.org, Night <night@example.org>",
        "Message-ID: <shop.3.up@home.peerwatch>",
        "In-Reply-To: <shop.3.down@home.peerwatch>",
        "References: <shop.3.down@home.peerwatch>",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "List-Id: <ops.example.org>",
        "X-Peerwatch-Incident: shop.3",
        "X-Peerwatch-State: up",
        "MIME-Version: 1.0",
    ] {
        assert!(head.lines().any(|had| had == line), "{line} in\n{head}");
    }
    assert!(
        head.contains("Content-Type: multipart/alternative;")
            && head.contains("\nDate: ")
            && head.contains("Subject: UP | shop, =?utf-8?b?"),
        "{head}"
    );
    let text = body.find("Content-Type: text/plain; charset=utf-8").unwrap();
    let page = body.find("Content-Type: text/html; charset=utf-8").unwrap();
    assert!(text < page, "the text comes first");
    assert!(body.contains("\r\n..\r\n"), "a lone dot is doubled on its way");
    assert!(seen.lines().iter().any(|line| line == "RCPT TO:<night@example.org>"));
    assert_eq!(seen.lines().last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_refused_recipient_does_not_silence_the_other() {
    let manners = Manners { refuses: &[("gone", "550 5.1.1 no such user")], ..Manners::default() };
    let (delivery, seen) = deliver(manners, &["gone@example.org", "ops@example.org"]).await;
    assert!(delivery.success);
    assert_eq!(delivery.refused, ["gone@example.org"]);
    assert!(delivery.detail.contains("gone@example.org refused: 550 5.1.1 no such user"), "{}", delivery.detail);
    assert_eq!(seen.mails().len(), 1, "and nobody gets it twice");
    assert_eq!(seen.lines().iter().filter(|line| line.starts_with("RCPT")).count(), 2);
}

#[tokio::test]
async fn when_all_are_refused_nothing_is_sent() {
    let manners = Manners { refuses: &[("@", "550 5.7.1 relaying denied")], ..Manners::default() };
    let (delivery, seen) = deliver(manners, &["a@example.org", "b@example.org"]).await;
    assert!(!delivery.success);
    assert_eq!(delivery.refused, ["a@example.org", "b@example.org"]);
    assert!(delivery.detail.contains("550 5.7.1 relaying denied"), "{}", delivery.detail);
    assert!(seen.mails().is_empty() && !seen.lines().contains(&"DATA".to_owned()));
}

#[tokio::test]
async fn a_recipient_put_off_is_no_refusal_while_nobody_has_the_mail() {
    let manners = Manners { refuses: &[("@", "451 4.7.1 try later")], ..Manners::default() };
    let (delivery, _) = deliver(manners, &["a@example.org"]).await;
    assert_eq!((delivery.success, delivery.refused), (false, vec![]));
    assert!(delivery.detail.contains("451 4.7.1 try later"), "{}", delivery.detail);
}

#[tokio::test]
async fn a_recipient_put_off_while_others_have_the_mail_is_named() {
    let manners = Manners { refuses: &[("full", "452 4.2.2 mailbox full")], ..Manners::default() };
    let (delivery, _) = deliver(manners, &["full@example.org", "ops@example.org"]).await;
    assert_eq!((delivery.success, delivery.refused), (true, vec!["full@example.org".to_owned()]));
}

#[tokio::test]
async fn what_is_no_address_is_refused_here() {
    let (delivery, seen) = deliver(Manners::default(), &["not an address", "ops@example.org"]).await;
    assert_eq!((delivery.success, delivery.refused), (true, vec!["not an address".to_owned()]));
    assert_eq!(seen.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_is_refused_whole_fails_with_the_servers_words() {
    let (delivery, _) = deliver(Manners { verdict: Some("554 5.6.0 looks like spam"), ..Manners::default() }, &["a@example.org"]).await;
    assert!(!delivery.success && delivery.refused.is_empty());
    assert!(delivery.detail.ends_with("refused the mail: 554 5.6.0 looks like spam"), "{}", delivery.detail);
}

#[tokio::test]
async fn a_server_that_closes_in_the_middle_of_the_mail_is_a_failure() {
    let (delivery, _) = deliver(Manners { closes: true, ..Manners::default() }, &["a@example.org"]).await;
    assert!(!delivery.success);
    assert!(delivery.detail.contains("without confirming"), "{}", delivery.detail);
}

#[tokio::test]
async fn an_unreachable_port_is_told_by_name() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let delivery = carry(&settings(port), None, &errand(&["a@example.org"])).await;
    assert_eq!((delivery.success, delivery.detail), (false, format!("cannot connect to 127.0.0.1:{port}: connection refused")));
}

#[tokio::test]
async fn a_slow_server_is_left_in_time() {
    let server = Server::start(Manners { silent: true, ..Manners::default() }).await;
    let hasty = Errand { within: Span(300), ..errand(&["a@example.org"]) };
    let delivery = carry(&settings(server.port), None, &hasty).await;
    let detail = format!("127.0.0.1:{} did not finish within 300ms while waiting for its greeting", server.port);
    assert_eq!((delivery.success, delivery.detail), (false, detail));
}

#[tokio::test]
async fn a_mail_that_was_taken_stays_taken_without_a_goodbye() {
    let server = Server::start(Manners { clings: true, ..Manners::default() }).await;
    let hasty = Errand { within: Span(500), ..errand(&["a@example.org"]) };
    let delivery = carry(&settings(server.port), None, &hasty).await;
    assert!(delivery.success, "{}", delivery.detail);
}

#[tokio::test]
async fn a_login_is_made_before_the_mail() {
    let server = Server::start(Manners { login: "235 welcome", offers: &["AUTH PLAIN LOGIN"], ..Manners::default() }).await;
    let mail = Mail { user: Some("watch".into()), ..settings(server.port) };
    let delivery = carry(&mail, Some("secret"), &errand(&["a@example.org"])).await;
    assert!(delivery.success, "{}", delivery.detail);
    let lines = server.seen.lines();
    let place = |word: &str| lines.iter().position(|line| line.starts_with(word)).unwrap();
    assert!(place("AUTH PLAIN") < place("MAIL"));
}

#[tokio::test]
async fn a_refused_login_names_the_remedy_and_not_the_password() {
    let server = Server::start(Manners { login: "535 5.7.8 bad credentials", offers: &["AUTH PLAIN"], ..Manners::default() }).await;
    let mail = Mail { user: Some("watch".into()), ..settings(server.port) };
    let delivery = carry(&mail, Some("hunter2"), &errand(&["a@example.org"])).await;
    assert!(
        !delivery.success && delivery.detail.contains("535") && delivery.detail.contains("check user and password"),
        "{}",
        delivery.detail
    );
    assert!(!delivery.detail.contains("hunter2"));
    let delivery = carry(&mail, None, &errand(&["a@example.org"])).await;
    assert!(delivery.detail.contains("peerwatch.smtp-password"), "{}", delivery.detail);
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let server = Server::start(Manners::default()).await;
    let mail = Mail { tls: MailTls::StartTls, user: Some("watch".into()), ..settings(server.port) };
    let delivery = carry(&mail, Some("secret"), &errand(&["a@example.org"])).await;
    assert!(!delivery.success && delivery.detail.contains("offers no STARTTLS"), "{}", delivery.detail);
    assert!(server.seen.lines().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{:?}", server.seen.lines());
}

#[tokio::test]
async fn a_dry_run_counts_as_told_and_connects_to_nobody() {
    let mail = Mail { dry_run: true, ..settings(9) };
    let delivery = carry(&mail, None, &errand(&["a@example.org"])).await;
    assert_eq!(delivery, Delivery { success: true, detail: "dry run".into(), refused: vec![], after: None });
}

/// Which certificates a host trusts is said to a process by its environment, which a test may not
/// change for others, so this one runs itself again as a child that trusts an authority made here.
#[tokio::test]
async fn over_tls_a_trusted_server_gets_the_mail_and_a_stranger_does_not() {
    const PLACE: &str = "PEERWATCH_TEST_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        return deliver_over_tls(Path::new(&place)).await;
    }
    let place = tempfile::tempdir().unwrap();
    for name in ["trusted", "stranger"] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let files = [("pem", authority.pem().into_bytes()), ("leaf", leaf.der().to_vec()), ("key", key.serialize_der())];
        for (kind, bytes) in files {
            std::fs::write(place.path().join(format!("{name}.{kind}")), bytes).unwrap();
        }
    }
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["over_tls_a_trusted_server_gets_the_mail_and_a_stranger_does_not", "--exact", "--nocapture"])
        .env(PLACE, place.path())
        .env("SSL_CERT_FILE", place.path().join("trusted.pem"))
        .env_remove("SSL_CERT_DIR")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

async fn deliver_over_tls(place: &Path) {
    for kind in [MailTls::StartTls, MailTls::Tls] {
        let manners = |name: &str| {
            let read = |kind: &str| std::fs::read(place.join(format!("{name}.{kind}"))).unwrap();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(read("key")));
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![CertificateDer::from(read("leaf"))], key)
                .unwrap();
            let tls = Some((kind, TlsAcceptor::from(Arc::new(config))));
            Manners { login: "235 welcome", offers: &["STARTTLS", "AUTH PLAIN"], tls, ..Manners::default() }
        };
        let server = Server::start(manners("trusted")).await;
        let mail = Mail { tls: kind, user: Some("watch".into()), ..settings(server.port) };
        let delivery = carry(&mail, Some("secret"), &errand(&["a@example.org"])).await;
        assert!(delivery.success, "{}", delivery.detail);
        let lines = server.seen.lines();
        assert_eq!(server.seen.mails().len(), 1);
        if kind == MailTls::StartTls {
            let place = |word: &str| lines.iter().position(|line| line.starts_with(word)).unwrap();
            assert!(place("(TLS)") < place("AUTH"), "{lines:?}");
        }
        let server = Server::start(manners("stranger")).await;
        let delivery = carry(&Mail { port: server.port, ..mail }, Some("secret"), &errand(&["a@example.org"])).await;
        assert!(!delivery.success && delivery.detail.contains("certificate"), "{}", delivery.detail);
        assert!(!server.seen.lines().iter().any(|line| line.starts_with("AUTH")));
    }
}
