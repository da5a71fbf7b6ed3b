//! The JSON routes. Shapes are `front::json`'s; here is which view they are made from and how they
//! leave.
//!
//! Lists are written in pieces, each made when the client has taken the one before: ten thousand
//! targets cost a reader bandwidth and this daemon no memory. Errors are [`Trouble`].

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;

use super::{Params, Shared, Trouble};
use crate::base::command::{Command, Reply};
use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::time::Span;
use crate::base::view::{TargetView, View};
use crate::front::desk::Desk;
use crate::front::json;

/// `/api/v1/state`: everything about one network.
pub(super) async fn state(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    let view = shared.desk(&params)?.now();
    let journal = view.clone();
    let pieces = opened(&json::status(&view))
        .chain(list("nodes", view.nodes.clone(), json::node))
        .chain(list("targets", view.targets.clone(), json::target))
        .chain(list("incidents", view.incidents.clone(), json::incident))
        .chain(std::iter::once_with(move || format!(",\"journal\":{}}}", text(&json::journal(&journal)))));
    Ok(document(pieces))
}

/// `/api/v1/networks`: each network of this daemon in a few lines.
pub(super) async fn networks(State(shared): State<Shared>) -> Response {
    #[derive(Serialize)]
    struct Body {
        networks: Vec<json::Status>,
    }
    let networks = shared.desks.iter().map(|desk| json::status(&desk.now())).collect();
    axum::Json(Body { networks }).into_response()
}

/// `/api/v1/nodes`.
pub(super) async fn nodes(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    let view = shared.desk(&params)?.now();
    Ok(document(opened(&Source::of(&view)).chain(list("nodes", view.nodes.clone(), json::node)).chain(closed())))
}

/// `/api/v1/targets`.
pub(super) async fn targets(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    let view = shared.desk(&params)?.now();
    Ok(document(opened(&Source::of(&view)).chain(list("targets", view.targets.clone(), json::target)).chain(closed())))
}

/// `/api/v1/incidents`.
pub(super) async fn incidents(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    let view = shared.desk(&params)?.now();
    Ok(document(opened(&Source::of(&view)).chain(list("incidents", view.incidents.clone(), json::incident)).chain(closed())))
}

/// `/api/v1/journal`.
pub(super) async fn journal(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Body {
        journal: json::Journal,
    }
    let view = shared.desk(&params)?.now();
    Ok(said(&view, Body { journal: json::journal(&view) }))
}

/// `/api/v1/journal/stats`: what the journal takes on the disk.
pub(super) async fn journal_stats(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Body {
        stats: json::Stats,
    }
    let desk = shared.desk(&params)?;
    let _turn = shared.reads.acquire().await.expect("BUG! the reads are never closed");
    let archive = desk.archive.clone();
    let counted = tokio::task::spawn_blocking(move || archive.stats()).await;
    let stats = counted
        .unwrap_or_else(|_| Err("The daemon's log says more.".into()))
        .map_err(|remedy| Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "the journal could not be measured", remedy))?;
    let view = desk.now();
    Ok(said(&view, Body { stats: json::stats(&stats, &view) }))
}

/// `/api/v1/targets/{name}`: one target and its incidents.
pub(super) async fn target(State(shared): State<Shared>, params: Params, name: Name) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Body {
        target: json::Target,
        incidents: Vec<json::Incident>,
    }
    let view = shared.desk(&params)?.now();
    let target = find(&view, name)?;
    let own = view.incidents.iter().filter(|incident| incident.id.target == target.id);
    let incidents = own.map(|incident| json::incident(incident)).collect();
    Ok(said(&view, Body { target: json::target(target), incidents }))
}

/// `/api/v1/targets/{name}/samples?limit=`: what this node itself measured, newest first.
pub(super) async fn samples(State(shared): State<Shared>, params: Params, name: Name) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Body {
        target: String,
        samples: Vec<json::Measured>,
    }
    let desk = shared.desk(&params)?;
    let view = desk.now();
    let id = find(&view, name)?.id.clone();
    let most = params.number("limit", 100, 1, limits::WEB_SAMPLES)?;
    let _turn = shared.reads.acquire().await.expect("BUG! the reads are never closed");
    let history = desk.history.clone();
    let target = id.clone();
    let read = tokio::task::spawn_blocking(move || history.samples(&target, most)).await;
    let rows = read
        .unwrap_or_else(|_| Err("The daemon's log says more.".into()))
        .map_err(|remedy| Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the samples of {id} could not be read"), remedy))?;
    Ok(said(&view, Body { target: id.0, samples: json::samples(&rows) }))
}

/// `POST /api/v1/ping?host=&count=&within=`: every node pings a host now.
pub(super) async fn ping(State(shared): State<Shared>, params: Params, headers: HeaderMap) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Body<'a> {
        network: &'a str,
        host: &'a str,
        count: u32,
        vantages: Vec<json::Vantage>,
    }
    refuse_other_sites(&headers)?;
    let desk = shared.desk(&params)?;
    let host = params.text("host").map(str::trim).filter(|host| is_host(host)).ok_or_else(|| {
        Trouble::new(StatusCode::BAD_REQUEST, "host is missing or is no host", "Give a name or an address, as in host=router.example.org.")
    })?;
    let count = params.number("count", 3, 1, 20)?;
    let within = within(&params)?;
    let command = Command::Ping { host: host.into(), count: u16::try_from(count).unwrap_or(1), within };
    match ask(&shared, desk, command, within).await? {
        Reply::Pinged(rows) => {
            let body = Body { network: &desk.network, host, count, vantages: json::vantages(&rows) };
            Ok(axum::Json(body).into_response())
        }
        _ => Err(unexpected()),
    }
}

/// `POST /api/v1/trace?node=&within=`: the way to a node, and each hop's time.
pub(super) async fn trace(State(shared): State<Shared>, params: Params, headers: HeaderMap) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Body<'a> {
        network: &'a str,
        trace: json::Trace,
    }
    refuse_other_sites(&headers)?;
    let desk = shared.desk(&params)?;
    let name = params.text("node").ok_or_else(|| {
        Trouble::new(StatusCode::BAD_REQUEST, "node is missing", "Give the name of a node, as in node=fra1; /api/v1/nodes lists all.")
    })?;
    let view = desk.now();
    let node = view.nodes.iter().find(|node| node.name == name).map(|node| node.id).ok_or_else(|| {
        let error = format!("network {} has no node called \"{name}\"", view.network);
        Trouble::new(StatusCode::NOT_FOUND, error, "/api/v1/nodes lists all names.")
    })?;
    let within = within(&params)?;
    match ask(&shared, desk, Command::Trace { node, within }, within).await? {
        Reply::Traced(way) => Ok(axum::Json(Body { network: &desk.network, trace: json::trace(name, way.as_ref()) }).into_response()),
        _ => Err(unexpected()),
    }
}

/// `/-/healthy`: every network's loop runs.
pub(super) async fn healthy(State(shared): State<Shared>) -> Result<&'static str, Trouble> {
    match shared.desks.iter().find(|desk| desk.view.has_changed().is_err()) {
        None => Ok("healthy\n"),
        Some(desk) => {
            let error = format!("the loop of network {} has ended", desk.network);
            Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, error, "Look into the daemon's log, and restart it."))
        }
    }
}

/// `/-/ready`: every network has something to show.
pub(super) async fn ready(State(shared): State<Shared>) -> Result<&'static str, Trouble> {
    match shared.desks.iter().find(|desk| desk.view.borrow().me.is_empty()) {
        None => Ok("ready\n"),
        Some(desk) => {
            let error = format!("network {} is still being read from the journal", desk.network);
            Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, error, "Try again in a moment."))
        }
    }
}

/// When to stop waiting for other nodes' answers.
fn within(params: &Params) -> Result<Span, Trouble> {
    let most = u32::try_from(limits::REQUEST_TIME.0 / 1000).unwrap_or(u32::MAX);
    Ok(Span::secs(params.number("within", 10, 1, most)?.into()))
}

/// Puts a question to other nodes; a few at once.
async fn ask(shared: &Shared, desk: &Desk, command: Command, within: Span) -> Result<Reply, Trouble> {
    let _turn = shared.pings.try_acquire().map_err(|_| {
        Trouble::new(
            StatusCode::TOO_MANY_REQUESTS,
            "other questions to all nodes are under way",
            "Try again when they are done, in some seconds.",
        )
    })?;
    // The node answers at its deadline; the margin only keeps a request from hanging should it not.
    match tokio::time::timeout((within + MARGIN).std(), desk.ask(command)).await {
        Ok(Reply::Refused(why)) => Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "the nodes were not asked", why)),
        Ok(reply) => Ok(reply),
        Err(_) => Err(Trouble::new(StatusCode::GATEWAY_TIMEOUT, "the daemon did not reply in time", "Look into its log, and try again.")),
    }
}

/// The loop answers what it was asked; should it not, that is told and nothing breaks.
pub(super) fn unexpected() -> Trouble {
    Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "the daemon answered something else", "This is a mistake in it; please report it.")
}

type Name = Result<Path<String>, PathRejection>;

/// Who says it, of what, and when: the first fields of every answer about one network.
#[derive(Serialize)]
pub(super) struct Source<'a> {
    network: &'a str,
    me: &'a str,
    at: String,
}

impl<'a> Source<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        Self { network: &view.network, me: &view.me, at: json::moment(view.at) }
    }
}

/// One object: who says it, then what.
pub(super) fn said(view: &View, what: impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Whole<'a, T> {
        #[serde(flatten)]
        source: Source<'a>,
        #[serde(flatten)]
        what: T,
    }
    axum::Json(Whole { source: Source::of(view), what }).into_response()
}

fn find(view: &View, name: Name) -> Result<&TargetView, Trouble> {
    let Path(name) = name.map_err(|_| {
        Trouble::new(StatusCode::BAD_REQUEST, "the target's name in the path cannot be read", "Write it percent-encoded, as UTF-8.")
    })?;
    let id = TargetId(name);
    view.targets.iter().find(|target| target.id == id).map(|target| &**target).ok_or_else(|| {
        let error = format!("network {} has no target called \"{id}\"", view.network);
        Trouble::new(StatusCode::NOT_FOUND, error, "/api/v1/targets lists all names.")
    })
}

/// The start of an object: its last brace comes with [`closed`].
fn opened(head: &impl Serialize) -> std::iter::Once<String> {
    let mut text = text(head);
    text.pop();
    std::iter::once(text)
}

fn closed() -> impl Iterator<Item = String> {
    std::iter::once("}".into())
}

/// A further member of the object: a list, some elements at a time.
fn list<T: Send + Sync + 'static, S: Serialize>(
    name: &'static str,
    elements: Arc<[Arc<T>]>,
    shape: fn(&T) -> S,
) -> impl Iterator<Item = String> {
    let start = std::iter::once(format!(",\"{name}\":["));
    let pieces = (0..elements.len()).step_by(PIECE).map(move |from| {
        let piece = &elements[from..elements.len().min(from + PIECE)];
        let texts: Vec<String> = piece.iter().map(|element| text(&shape(element))).collect();
        format!("{}{}", if from == 0 { "" } else { "," }, texts.join(","))
    });
    start.chain(pieces).chain(std::iter::once("]".into()))
}

fn document(pieces: impl Iterator<Item = String> + Send + 'static) -> Response {
    let body = Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("BUG! shapes have string keys and cannot fail")
}

/// A page of another site can make a browser send a POST, but neither with a header of our own nor
/// with another `Sec-Fetch-Site` than the true one.
fn refuse_other_sites(headers: &HeaderMap) -> Result<(), Trouble> {
    let ours = headers.get("x-peerwatch").is_some_and(|value| value == "1");
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if ours && !foreign {
        return Ok(());
    }
    let error = "the request could come from another site's page";
    Err(Trouble::new(StatusCode::FORBIDDEN, error, "Send the header X-Peerwatch: 1, as in curl -X POST -H 'X-Peerwatch: 1' URL."))
}

/// Whether it could be a name or an address; resolving it is for the nodes.
fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
    (1..=253).contains(&text.len()) && !text.starts_with('-') && text.chars().all(allowed)
}

/// Elements in one piece of a list.
const PIECE: usize = 16;

/// What a ping request may take longer than its deadline.
const MARGIN: Span = Span::secs(5);
