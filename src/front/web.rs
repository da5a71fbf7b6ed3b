//! The web page and its JSON: what one node knows, for people with a browser and for programs.
//!
//! Every request is answered from the latest view, which never waits on the loop. Nothing that
//! reads has a side effect; the requests that make nodes send packets (`POST /api/v1/ping` and
//! `/api/v1/trace`) refuse what another site's page could send, and what writes in the key/value store wants a
//! token. A slow or silent client costs one of a bounded number of connections and no growing memory:
//! long lists are written a piece at a time, as the client takes them, and a client that takes nothing is
//! cut off.
//!
//! There is no TLS and no login here: the daemon listens on loopback unless told otherwise, and
//! whoever wants more puts a reverse proxy in front.

mod access;
mod api;
mod kv;
mod page;
mod quiet;
mod stream;

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::base::limits;
use crate::front::desk::{Desk, Desks};

pub use self::access::Access;

/// Serves page and JSON on `listener` until `stop`, changes only to whoever has `access`; then lets answers under way end, for a moment.
///
/// # Errors
/// The listener itself broke. A shortage (of descriptors, say) is waited out.
pub async fn serve(listener: TcpListener, desks: Desks, access: watch::Receiver<Access>, stop: impl Future<Output = ()>) -> io::Result<()> {
    let (ending, ended) = watch::channel(false);
    let router = routes(Shared::new(desks, access, ended.clone()));
    let slots = Arc::new(Semaphore::new(limits::WEB_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let slot = tokio::select! {
            () = &mut stop => break,
            slot = slots.clone().acquire_owned() => slot.expect("BUG! the slots are never closed"),
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => { connections.spawn(converse(socket, router.clone(), ended.clone(), slot)); }
                Err(error) if is_final(&error) => return Err(error),
                Err(_) => tokio::time::sleep(SHORTAGE).await,
            },
        }
    }
    drop(listener);
    ending.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, finished).await;
    connections.shutdown().await;
    Ok(())
}

/// What every request has at hand. Cheap to clone.
#[derive(Clone)]
struct Shared {
    desks: Desks,
    access: watch::Receiver<Access>,
    /// Turns true when the server ends.
    ended: watch::Receiver<bool>,
    streams: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    pings: Arc<Semaphore>,
}

impl Shared {
    fn new(desks: Desks, access: watch::Receiver<Access>, ended: watch::Receiver<bool>) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        let (streams, reads, pings) = (limits::WEB_STREAMS, limits::WEB_READS, limits::WEB_PINGS);
        Self { desks, access, ended, streams: permits(streams), reads: permits(reads), pings: permits(pings) }
    }

    /// Whether a request with these headers may change something.
    fn may_change(&self, headers: &HeaderMap) -> Result<(), Trouble> {
        self.access.borrow().check(headers)
    }

    /// The network that `?network=` names; without it, the first.
    fn desk(&self, params: &Params) -> Result<&Desk, Trouble> {
        let Some(name) = params.text("network") else {
            return self.desks.first().ok_or_else(|| {
                Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "this daemon is in no network", "Look into its log for the reason.")
            });
        };
        self.desks.iter().find(|desk| desk.network == name).ok_or_else(|| {
            let known: Vec<&str> = self.desks.iter().map(|desk| desk.network.as_str()).collect();
            let error = format!("this daemon is in no network called \"{name}\"");
            Trouble::new(StatusCode::NOT_FOUND, error, format!("It is in: {}.", known.join(", ")))
        })
    }
}

/// The parameters after `?`; of one that is given twice, the last counts.
struct Params(BTreeMap<String, String>);

impl Params {
    /// A parameter's value; an empty one counts as not given, as browsers send empty fields.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A whole number within `least..=most`, or `default`.
    fn number(&self, name: &str, default: u32, least: u32, most: u32) -> Result<u32, Trouble> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
            let error = format!("{name} is \"{text}\"");
            Trouble::new(StatusCode::BAD_REQUEST, error, format!("Give a whole number from {least} to {most}."))
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        Query::try_from_uri(&parts.uri).map(|Query(map)| Self(map)).map_err(|_| {
            Trouble::new(StatusCode::BAD_REQUEST, "the part after ? cannot be read", "Write it as name=value&name=value, percent-encoded.")
        })
    }
}

/// What went wrong with a request and what to do about it: `{"error": ..., "remedy": ...}`.
#[derive(Debug)]
struct Trouble {
    status: StatusCode,
    error: String,
    remedy: String,
}

impl Trouble {
    fn new(status: StatusCode, error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, error: error.into(), remedy: remedy.into() }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.error, "remedy": self.remedy }).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"peerwatch\""));
        }
        response
    }
}

fn routes(shared: Shared) -> Router {
    let file = |kind: &'static str, text: &'static str| get(async move || ([(header::CONTENT_TYPE, kind)], text));
    Router::new()
        .route("/", get(page::show))
        .route("/icon.svg", get(page::icon))
        .route("/app.js", file("text/javascript; charset=utf-8", include_str!("web/app.js")))
        .route("/style.css", file("text/css; charset=utf-8", include_str!("web/style.css")))
        .route("/api/v1/state", get(api::state))
        .route("/api/v1/networks", get(api::networks))
        .route("/api/v1/nodes", get(api::nodes))
        .route("/api/v1/targets", get(api::targets))
        .route("/api/v1/targets/{name}", get(api::target))
        .route("/api/v1/targets/{name}/samples", get(api::samples))
        .route("/api/v1/incidents", get(api::incidents))
        .route("/api/v1/incidents/{id}/ack", post(quiet::acknowledge))
        .route("/api/v1/events", get(quiet::events))
        .route("/api/v1/silences", get(quiet::silences).post(quiet::silence))
        .route("/api/v1/silences/{id}", delete(quiet::end))
        .route("/api/v1/journal", get(api::journal))
        .route("/api/v1/journal/stats", get(api::journal_stats))
        .route("/api/v1/ping", post(api::ping))
        .route("/api/v1/trace", post(api::trace))
        .route("/api/v1/kv", get(kv::list).post(kv::batch))
        .route("/api/v1/kv/{node}/{*key}", get(kv::get).put(kv::put).delete(kv::delete))
        .route("/api/v1/stream", get(stream::follow))
        .route("/-/healthy", get(api::healthy))
        .route("/-/ready", get(api::ready))
        .method_not_allowed_fallback(refuse_method)
        .fallback(unknown_path)
        .with_state(shared)
        .layer(axum::middleware::map_response(guard))
}

/// One connection, for as long as it lasts; `slot` is free again afterwards.
async fn converse(socket: TcpStream, router: Router, mut ended: watch::Receiver<bool>, slot: OwnedSemaphorePermit) {
    // The kernel cuts a client off that acknowledges nothing, or keeps its window shut, for this long:
    // hyper itself waits for ever to write. Failing to say so only loses this bound.
    let _ = socket2::SockRef::from(&socket).set_tcp_user_timeout(Some(limits::WEB_STALL.std()));
    let _ = socket.set_nodelay(true);
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits::WEB_HEAD_TIME.std()).max_buf_size(limits::WEB_HEAD);
    let mut connection = pin!(server.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router)));
    let stopping = async { drop(ended.wait_for(|ended| *ended).await) };
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(slot);
}

/// Headers that keep other sites' pages, guesses at types and caches away from every answer.
async fn guard(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 7] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        // What is kept in the key/value store comes in a box of its own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn refuse_method(method: Method, uri: Uri) -> Trouble {
    let error = format!("{} does not take {method}", uri.path());
    let path = uri.path();
    let remedy = if path.ends_with("/ack") {
        "Use POST with a token: it says that somebody sees to the incident."
    } else if path == "/api/v1/silences" {
        "Use GET for what holds, and POST with a token to begin one."
    } else if path.starts_with("/api/v1/silences/") {
        "Use DELETE with a token: it ends the silence."
    } else if ["/api/v1/ping", "/api/v1/trace"].contains(&uri.path()) {
        "Use POST: it makes every node send packets."
    } else if uri.path() == "/api/v1/kv" {
        "Use GET for what is there, and POST with a token to write several things at once."
    } else if uri.path().starts_with("/api/v1/kv/") {
        "Use GET, or with a token PUT or DELETE."
    } else {
        "Use GET: this only reads."
    };
    Trouble::new(StatusCode::METHOD_NOT_ALLOWED, error, remedy)
}

async fn unknown_path(uri: Uri) -> Trouble {
    let remedy = "The page is at /. JSON is at /api/v1/ followed by state, networks, nodes, targets, targets/NAME, \
                  targets/NAME/samples, incidents, incidents/ID/ack (POST), events, silences, silences/ID (DELETE), \
                  journal, journal/stats, kv, kv/NODE/KEY, stream (events), ping or trace (both POST). \
                  /-/healthy and /-/ready say how it is.";
    Trouble::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()), remedy)
}

/// Whether accepting can never succeed again.
fn is_final(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [nix::errno::Errno::EBADF, nix::errno::Errno::EINVAL].iter().any(|fault| number == Some(*fault as i32))
}

/// Pause when there are no descriptors left: long enough not to spin, short enough not to be seen.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Answers under way get this long when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(2);
