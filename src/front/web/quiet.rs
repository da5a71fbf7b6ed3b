//! What happened, and what people do about being told: events, acknowledgements and silences.
//!
//! Whoever changes something shows the token of this node. What is sent is a small JSON object.

use axum::body::{self, Body};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::api::{said, unexpected};
use super::{Params, Shared, Trouble};
use crate::base::command::{Command, Reply};
use crate::base::limits;
use crate::base::time::Span;
use crate::front::desk::Desk;
use crate::front::json;

/// `/api/v1/events?limit=`: what happened, newest first.
pub(super) async fn events(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Shown {
        events: Vec<json::Event>,
    }
    let view = shared.desk(&params)?.now();
    let all = u32::try_from(limits::quiet::EVENTS_SHOWN).unwrap_or(u32::MAX);
    let most = params.number("limit", 100, 1, all)?;
    let events = view.events.iter().take(most as usize).map(|event| json::event(event)).collect();
    Ok(said(&view, Shown { events }))
}

/// `GET /api/v1/silences`: those that hold.
pub(super) async fn silences(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Shown {
        silences: Vec<json::Silence>,
        maintenance: Vec<String>,
    }
    let view = shared.desk(&params)?.now();
    Ok(said(&view, Shown { silences: json::silences(&view), maintenance: view.windows.to_vec() }))
}

/// What is sent with a change.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    /// Of what; for a silence.
    what: String,
    /// For how long, as `2h`; for a silence.
    #[serde(rename = "for")]
    lasts: String,
    /// Who.
    person: String,
    /// Why.
    reason: String,
}

/// `POST /api/v1/silences`: begins one.
pub(super) async fn silence(State(shared): State<Shared>, params: Params, headers: HeaderMap, body: Body) -> Result<Response, Trouble> {
    shared.may_change(&headers)?;
    let desk = shared.desk(&params)?;
    let Asked { what, lasts, person, reason } = read(body).await?;
    let lasts = Span::parse(&lasts).map_err(|why| Trouble::new(StatusCode::BAD_REQUEST, "the length cannot be read", why))?;
    match ask(desk, Command::Silence { what, lasts, person, reason }).await? {
        Reply::Silenced(id) => Ok(axum::Json(serde_json::json!({ "network": desk.network, "id": id })).into_response()),
        _ => Err(unexpected()),
    }
}

/// `DELETE /api/v1/silences/{id}`: ends one.
pub(super) async fn end(State(shared): State<Shared>, params: Params, name: Name, headers: HeaderMap) -> Result<Response, Trouble> {
    shared.may_change(&headers)?;
    let desk = shared.desk(&params)?;
    match ask(desk, Command::EndSilence { id: named(name)?, person: String::new() }).await? {
        Reply::Unsilenced(id) => Ok(axum::Json(serde_json::json!({ "network": desk.network, "ended": id })).into_response()),
        _ => Err(unexpected()),
    }
}

/// `POST /api/v1/incidents/{id}/ack`: somebody sees to it.
pub(super) async fn acknowledge(
    State(shared): State<Shared>,
    params: Params,
    name: Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Trouble> {
    shared.may_change(&headers)?;
    let desk = shared.desk(&params)?;
    let incident = named(name)?;
    let Asked { what, lasts, person, reason } = read(body).await?;
    if !(what.is_empty() && lasts.is_empty()) {
        return Err(Trouble::new(StatusCode::BAD_REQUEST, "an acknowledgement has neither what nor for", "Send person and reason alone."));
    }
    match ask(desk, Command::Acknowledge { incident, person, reason }).await? {
        Reply::Acknowledged(id) => {
            Ok(axum::Json(serde_json::json!({ "network": desk.network, "incident": id.to_string() })).into_response())
        }
        _ => Err(unexpected()),
    }
}

pub(super) type Name = Result<Path<String>, PathRejection>;

fn named(name: Name) -> Result<String, Trouble> {
    let wrong = |_| Trouble::new(StatusCode::BAD_REQUEST, "the name in the path cannot be read", "Write it percent-encoded: # is %23.");
    name.map(|Path(name)| name).map_err(wrong)
}

/// Reads a small JSON object; nothing at all is an empty one.
async fn read(stream: Body) -> Result<Asked, Trouble> {
    let wrong = |why: String| {
        Trouble::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {why}"), "Send JSON, as in {\"reason\": \"on it\"}.")
    };
    let body = tokio::time::timeout(limits::WEB_HEAD_TIME.std(), body::to_bytes(stream, MOST)).await;
    let body = body.map_err(|_| wrong("it did not come in time".into()))?.map_err(|_| wrong(format!("it has more than {MOST} bytes")))?;
    if body.is_empty() {
        return Ok(Asked::default());
    }
    let asked: Asked = serde_json::from_slice(&body).map_err(|error| wrong(error.to_string()))?;
    let line = |text: &str, most: usize| text.len() <= most && !text.chars().any(char::is_control);
    if !(line(&asked.reason, limits::DETAIL) && line(&asked.person, limits::quiet::PERSON) && line(&asked.what, limits::DETAIL)) {
        return Err(wrong(format!("a reason is one line of at most {} bytes, a person of {}", limits::DETAIL, limits::quiet::PERSON)));
    }
    Ok(asked)
}

/// Asks the loop, which answers in its next turn.
async fn ask(desk: &Desk, command: Command) -> Result<Reply, Trouble> {
    match tokio::time::timeout(LONGEST.std(), desk.ask(command)).await {
        Ok(Reply::Refused(why)) => Err(Trouble::new(StatusCode::CONFLICT, "it was not done", why)),
        Ok(reply) => Ok(reply),
        Err(_) => {
            let remedy = "It may have been done all the same: look, and try again.";
            Err(Trouble::new(StatusCode::GATEWAY_TIMEOUT, "the daemon did not reply in time", remedy))
        }
    }
}

/// Bytes of such a body.
const MOST: usize = 4096;

/// A turn takes milliseconds; a busy disk makes it longer.
const LONGEST: Span = Span::secs(25);
