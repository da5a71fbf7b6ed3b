//! One look by HTTP or HTTPS: a request, its redirects, and what the answer must be.
//!
//! Each hop is a connection of its own, so that resolving, connecting and TLS are measured every time.
//! A look is good when the status is accepted, the body contains the text, and the certificate, which
//! the system's authorities must have signed, is valid long enough; only the last of these makes a
//! look poor. HTTP/1.1 is spoken, nothing is decompressed or cached, and cookies are not kept.

mod tls;

use std::io;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use url::{Host, Url};

pub(super) use tls::Tls;

use super::Course;
use super::reach::Names;
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};
use crate::base::target::Http;

const AGENT: &str = concat!("peerwatch/", env!("CARGO_PKG_VERSION"));

/// One answer, its body not yet read.
struct Answer {
    response: Response<Incoming>,
    /// Drives the connection while the answer is read; dropped, it closes it.
    _driver: JoinSet<()>,
}

impl Tls {
    /// Looks once; the caller bounds the time.
    pub(super) async fn look(&self, names: &Names, http: &Http, course: &mut Course) -> Outcome {
        let looked = self.visit(names, http, course).await;
        if !course.phases.is_empty() {
            course.phases.push(("total", course.total()));
        }
        match looked {
            Ok(status) => judge(status, http, course),
            Err(outcome) => course.fill(outcome),
        }
    }

    /// Follows redirects to the answer that counts and checks it.
    async fn visit(&self, names: &Names, http: &Http, course: &mut Course) -> Result<StatusCode, Outcome> {
        let first = parse(&http.url).map_err(Outcome::unable)?;
        let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| Outcome::unable("the method is not a word"))?;
        let own = fields(http)?;
        let mut url = first.clone();
        for _ in 0..=limits::REDIRECTS {
            // What the request says beyond the usual may be secret, and belongs to the host that was named.
            let headers = if url.origin() == first.origin() { own.clone() } else { HeaderMap::new() };
            let answer = self.fetch(names, &url, &method, headers, course).await?;
            let status = answer.response.status();
            if http.status.accepts(status.as_u16()) {
                check_body(answer, http, course).await?;
                return Ok(status);
            }
            let safe = matches!(method, Method::GET | Method::HEAD);
            match location(&answer.response).filter(|_| safe && follows(status)) {
                Some(place) => url = next(&url, &place)?,
                None => return Err(Outcome::bad(words(status))),
            }
        }
        Err(Outcome::bad(format!("more than {} redirects, the last to {url}", limits::REDIRECTS)))
    }

    /// One hop.
    async fn fetch(&self, names: &Names, url: &Url, method: &Method, headers: HeaderMap, course: &mut Course) -> Result<Answer, Outcome> {
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(Outcome::unable("the URL names no host")),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        let request = request(url, method, headers)?;
        let stream = names.connect(&host, port, course).await?;
        let _ = stream.set_nodelay(true);
        if url.scheme() == "https" {
            course.enter("setting up TLS");
            let stream = self.connect(&host, stream, course).await?;
            course.spent("tls");
            exchange(stream, request, course).await
        } else {
            exchange(stream, request, course).await
        }
    }
}

/// Sends the request and waits for the head of the answer.
async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>, course: &mut Course) -> Result<Answer, Outcome>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    course.enter("waiting for the answer");
    let handshake = http1::Builder::new().max_buf_size(limits::HTTP_HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| Outcome::bad(reason(&error)))?;
    let mut driver = JoinSet::new();
    // Its errors also reach whoever waits for the answer or reads the body.
    driver.spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(|error| Outcome::bad(reason(&error)))?;
    course.spent("first byte");
    Ok(Answer { response, _driver: driver })
}

/// Reads the body as far as the bound, and looks for the text in it.
async fn check_body(answer: Answer, http: &Http, course: &mut Course) -> Result<(), Outcome> {
    course.enter("reading the body");
    let Answer { response, _driver } = answer;
    let mut incoming = response.into_body();
    let mut body: Vec<u8> = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| Outcome::bad(reason(&error)))?;
        if let Some(data) = frame.data_ref() {
            body.extend_from_slice(&data[..data.len().min(limits::BODY - body.len())]);
        }
        if body.len() == limits::BODY {
            break;
        }
    }
    match &http.body {
        Some(text) if !String::from_utf8_lossy(&body).contains(text.as_str()) => {
            let place = if body.len() == limits::BODY { "the first MiB of the body" } else { "the body" };
            Err(Outcome::bad(format!("{place} does not contain \"{text}\"")))
        }
        _ => Ok(()),
    }
}

/// An answer that is as it should be: all that can be wrong with it now is its certificate's age.
fn judge(status: StatusCode, http: &Http, course: &mut Course) -> Outcome {
    let mut outcome = course.good(words(status));
    if let Some((days, least)) = outcome.certificate_days.zip(http.certificate_days)
        && days < i32::from(least)
    {
        outcome.look = Look::Poor;
        outcome.detail.push_str(&match days {
            ..=0 => ", the certificate expires today".to_owned(),
            1 => ", the certificate expires tomorrow".to_owned(),
            _ => format!(", the certificate expires in {days} days"),
        });
    }
    outcome
}

/// Reads a URL that can be looked at.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("\"{text}\" is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("\"{text}\" begins neither with http:// nor with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL contains a login; put it into an Authorization header field instead".to_owned());
    }
    Ok(url)
}

/// Where a redirect leads, if it may be followed.
fn next(from: &Url, place: &str) -> Result<Url, Outcome> {
    let joined = from.join(place).map_err(|error| Outcome::bad(format!("redirects to \"{place}\", which is not a URL: {error}")))?;
    let to = parse(joined.as_str()).map_err(|why| Outcome::bad(format!("redirects where it cannot be followed: {why}")))?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(Outcome::bad(format!("redirects from https to {to}, which is not encrypted")));
    }
    Ok(to)
}

fn follows(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn location(response: &Response<Incoming>) -> Option<String> {
    response.headers().get(header::LOCATION).map(|place| String::from_utf8_lossy(place.as_bytes()).into_owned())
}

/// The header fields that the target asks for.
fn fields(http: &Http) -> Result<HeaderMap, Outcome> {
    let mut headers = HeaderMap::new();
    for (name, value) in &http.headers {
        // The value may be secret, so only the name is told.
        let wrong = || Outcome::unable(format!("\"{name}\" is not a header field that can be sent"));
        let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        headers.append(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
    }
    Ok(headers)
}

/// The request, with the usual header fields where the target asks for nothing else.
fn request(url: &Url, method: &Method, headers: HeaderMap) -> Result<Request<Empty<Bytes>>, Outcome> {
    let place = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::builder().method(method).uri(place).body(Empty::new());
    let mut request = request.map_err(|error| Outcome::unable(format!("{url} cannot be asked for: {error}")))?;
    *request.headers_mut() = headers;
    let host = HeaderValue::from_str(host).map_err(|_| Outcome::unable("the URL's host cannot be sent"))?;
    let usual = [
        (header::HOST, host),
        (header::USER_AGENT, HeaderValue::from_static(AGENT)),
        (header::ACCEPT, HeaderValue::from_static("*/*")),
        (header::CONNECTION, HeaderValue::from_static("close")),
    ];
    for (name, value) in usual {
        request.headers_mut().entry(name).or_insert(value);
    }
    Ok(request)
}

/// The status as people know it.
fn words(status: StatusCode) -> String {
    format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

/// What went wrong with a connection that had been made.
fn reason(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    if error.is_incomplete_message() || cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof) {
        return "it closed the connection before the answer was complete".to_owned();
    }
    if error.is_parse_too_large() {
        return "the head of its answer is too large".to_owned();
    }
    if error.is_parse() {
        return "it does not answer in HTTP".to_owned();
    }
    cause.map_or_else(|| error.to_string(), super::reach::plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_never_leave_encryption_or_http() {
        let from = |url: &str| parse(url).unwrap();
        let to = |url: Result<Url, Outcome>| url.map(|url| url.to_string()).map_err(|outcome| outcome.look);
        assert_eq!(to(next(&from("http://a/x/y"), "../z?q")), Ok("http://a/z?q".into()));
        assert_eq!(to(next(&from("http://a/"), "https://b/")), Ok("https://b/".into()));
        assert_eq!(to(next(&from("https://a/"), "//b/")), Ok("https://b/".into()));
        for (start, place) in
            [("https://a/", "http://a/"), ("http://a/", "ftp://a/"), ("http://a/", "http://u:p@a/"), ("http://a/", "http://[")]
        {
            assert_eq!(to(next(&from(start), place)), Err(Look::Bad), "{start} to {place}");
        }
    }

    #[test]
    fn requests_name_host_and_place_as_servers_expect() {
        let made = |url: &str| request(&parse(url).unwrap(), &Method::GET, HeaderMap::new()).unwrap();
        for (url, host, place) in [
            ("http://example.org", "example.org", "/"),
            ("http://example.org:80/a b?c#d", "example.org", "/a%20b?c"),
            ("https://[::1]:8443/x", "[::1]:8443", "/x"),
            ("http://b\u{fc}cher.example/", "xn--bcher-kva.example", "/"),
        ] {
            let request = made(url);
            assert_eq!((request.headers()["host"].to_str().unwrap(), request.uri().to_string().as_str()), (host, place), "{url}");
        }
        assert!(made("http://a/").headers()["user-agent"].to_str().unwrap().starts_with("peerwatch/"));
    }

    #[test]
    fn what_the_target_asks_for_replaces_the_usual() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("other.example"));
        let request = request(&parse("http://a/").unwrap(), &Method::GET, headers).unwrap();
        assert_eq!(request.headers().get_all("host").iter().collect::<Vec<_>>(), ["other.example"]);
    }

    #[test]
    fn a_login_in_the_url_is_refused_with_the_remedy() {
        let why = parse("https://user:secret@a/").unwrap_err();
        assert!(why.contains("Authorization") && !why.contains("secret"), "{why}");
    }
}
