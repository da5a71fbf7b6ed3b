//! One request, on a connection of its own, and its answer.
//!
//! HTTP/1.1, by TLS with the host's root certificates or plain as the address says. Of the answer the status and
//! the beginning of the body are read, and no more. Nothing is followed, cached, kept open or tried again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use crate::base::channel::Method;
use crate::base::limits;
use crate::base::time::Span;
use crate::io::notify::plain;
use crate::io::trust;

const AGENT: &str = concat!("peerwatch/", env!("CARGO_PKG_VERSION"));

/// What all requests share.
pub(in crate::io::notify) struct Client {
    connector: TlsConnector,
    trusts_anyone: bool,
}

/// What is asked.
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) method: Method,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The beginning of its body, in one line.
    pub(super) said: String,
    /// `Retry-After`, where it says so in seconds or as a date.
    pub(super) after: Option<Span>,
}

impl Client {
    pub(in crate::io::notify) fn new(roots: RootCertStore) -> Self {
        Self { trusts_anyone: !roots.is_empty(), connector: TlsConnector::from(Arc::new(trust::client(roots))) }
    }

    /// Asks, and says in `doing` how far it is; the caller bounds the time.
    ///
    /// # Errors
    /// What the server did, as the end of a sentence that begins with it.
    pub(super) async fn send(&self, request: Request, deadline: Instant, doing: &mut &'static str) -> Result<Answer, String> {
        let host = match request.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err("has no name".into()),
        };
        let encrypted = request.url.scheme() == "https";
        let port = request.url.port_or_known_default().unwrap_or(if encrypted { 443 } else { 80 });
        let wire = wire(request)?;
        *doing = "looking up its name";
        let found = lookup_host((host.as_str(), port)).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(|error| format!("cannot be found: {}", plain(&error)))?.take(limits::ADDRESSES).collect();
        *doing = "connecting";
        let stream = dial(&addresses, deadline).await?;
        if !encrypted {
            return exchange(stream, wire, doing).await;
        }
        *doing = "setting up TLS";
        if !self.trusts_anyone {
            return Err("cannot be trusted, since this host has no root certificates; install ca-certificates and restart".into());
        }
        let name = ServerName::try_from(host).map_err(|_| "has a name that cannot be in a certificate".to_owned())?;
        let stream = self.connector.connect(name, stream).await.map_err(|error| format!("failed in setting up TLS: {}", plain(&error)))?;
        exchange(stream, wire, doing).await
    }
}

/// A connection to the first address that takes one.
async fn dial(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, String> {
    let mut why = "it has no address".to_owned();
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(1);
        let share: Duration = deadline.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = plain(&error),
            Err(_) => why = "no answer".to_owned(),
        }
    }
    Err(format!("cannot be reached: {why}"))
}

/// The request as it is sent.
fn wire(request: Request) -> Result<hyper::Request<Full<Bytes>>, String> {
    let Request { url, method, headers, body } = request;
    let unfit = |_| "cannot be asked: a header field cannot be sent".to_owned();
    let place = &url[Position::BeforePath..Position::AfterQuery];
    let made = hyper::Request::builder().method(method.word()).uri(place).body(Full::new(Bytes::from(body)));
    let mut wire = made.map_err(|_| "cannot be asked for this address".to_owned())?;
    let fields = wire.headers_mut();
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let usual = [("host", host), ("user-agent", AGENT), ("accept", "*/*"), ("connection", "close")];
    for (name, value) in usual.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(headers) {
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit(()))?;
        value.set_sensitive(true);
        fields.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit(()))?, value);
    }
    Ok(wire)
}

async fn exchange<S>(stream: S, request: hyper::Request<Full<Bytes>>, doing: &mut &'static str) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    *doing = "waiting for the answer";
    let handshake = http1::Builder::new().max_buf_size(limits::HTTP_HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| reason(&error))?;
    let mut driver = JoinSet::new();
    // Its errors also reach whoever waits for the answer or reads the body.
    driver.spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(|error| reason(&error))?;
    let status = response.status().as_u16();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| pause(value.to_str().ok()?, response.headers()));
    *doing = "reading the answer";
    let mut incoming = response.into_body();
    let mut body: Vec<u8> = Vec::new();
    // The status says it all; a body that breaks off changes nothing.
    while let Some(Ok(frame)) = incoming.frame().await {
        if let Some(data) = frame.data_ref() {
            body.extend_from_slice(&data[..data.len().min(limits::NOTIFY_ANSWER - body.len())]);
        }
        if body.len() == limits::NOTIFY_ANSWER {
            break;
        }
    }
    let said = String::from_utf8_lossy(&body).split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Answer { status, said, after })
}

/// How long a server wants to be left alone (RFC 9110, 10.2.3). A date is read against the server's own, so that no
/// clock of this host is asked.
fn pause(text: &str, headers: &HeaderMap) -> Option<Span> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Span::secs(seconds.into()));
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().as_second());
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    u64::try_from(date(text)?.checked_sub(now)?).ok().map(Span::secs)
}

/// What went wrong with a connection that had been made.
fn reason(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    if error.is_incomplete_message() || cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof) {
        return "closed the connection without an answer, so that the notice may arrive twice".to_owned();
    }
    if error.is_parse() || error.is_parse_too_large() {
        return "does not answer in HTTP".to_owned();
    }
    format!("broke off: {}", cause.map_or_else(|| error.to_string(), plain))
}
