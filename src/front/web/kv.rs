//! The key/value store over HTTP: lists and searches as JSON, values as themselves.
//!
//! A value leaves with the media type that its author gave it, in a box (`Content-Security-Policy:
//! sandbox`): what some node keeps is no part of this node's page, and no script in it runs. Reading is
//! open as everything here is; writing needs the token, and reaches this node's own part only.

use std::time::Duration;

use axum::body::{self, Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::api::{Source, unexpected};
use super::{Params, Shared, Trouble};
use crate::base::command::{Command, Reply};
use crate::base::kv::{self, Found, Item, Query, Values, Write};
use crate::base::limits;
use crate::front::desk::Desk;
use crate::front::json;

/// `/api/v1/kv?node=&prefix=&search=&limit=&after=`: which keys there are.
pub(super) async fn list(State(shared): State<Shared>, params: Params) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Listed<'a> {
        #[serde(flatten)]
        source: Source<'a>,
        cursor: String,
        parts: Vec<json::Part>,
        values: Vec<json::Value>,
        more: bool,
    }
    let desk = shared.desk(&params)?;
    let values = desk.values.borrow().clone();
    let query = query(&values, &params)?;
    let rows = u32::try_from(limits::KV_ROWS).unwrap_or(u32::MAX);
    let limit = params.number("limit", rows, 1, rows)?;
    let (found, more) = find(&shared, &values, query, usize::try_from(limit).unwrap_or(1)).await?;
    let view = desk.now();
    let listed = Listed {
        source: Source::of(&view),
        cursor: values.cursor.to_string(),
        parts: values.parts.iter().filter(|part| 0 < part.revision || part.overfull).map(|part| json::part(part)).collect(),
        values: found.iter().map(|found| json::value(&found.part.name, &found.key, &found.item)).collect(),
        more,
    };
    Ok(axum::Json(listed).into_response())
}

fn query(values: &Values, params: &Params) -> Result<Query, Trouble> {
    let text = |name| params.text(name).unwrap_or_default().to_owned();
    let node = params.text("node").map(ToOwned::to_owned);
    if let Some(node) = &node {
        known(values, node)?;
    }
    let after = params.text("after").map(|after| {
        after.split_once('/').map(|(node, key)| (node.to_owned(), key.to_owned())).ok_or_else(|| {
            Trouble::new(
                StatusCode::BAD_REQUEST,
                format!("after is \"{after}\""),
                "Give the last node and key of the page before, as in ber1/motd.",
            )
        })
    });
    Ok(Query { node, prefix: text("prefix"), text: text("search"), after: after.transpose()? })
}

/// Looks through all values on a thread of its own: a search reads all of them.
async fn find(shared: &Shared, values: &Values, query: Query, limit: usize) -> Result<(Vec<Found>, bool), Trouble> {
    let _turn = shared.reads.acquire().await.expect("BUG! the reads are never closed");
    let values = values.clone();
    let found = tokio::task::spawn_blocking(move || values.find(&query, limit + 1)).await;
    let mut found = found.map_err(|_| unexpected())?;
    let more = limit < found.len();
    found.truncate(limit);
    Ok((found, more))
}

/// `GET /api/v1/kv/{node}/{key}`: the value, with its own media type.
pub(super) async fn get(State(shared): State<Shared>, params: Params, place: Place) -> Result<Response, Trouble> {
    let (node, key) = address(place)?;
    let values = shared.desk(&params)?.values.borrow().clone();
    known(&values, &node)?;
    let item = values.get(&node, &key).ok_or_else(|| absent(&node, &key))?;
    Ok(itself(item))
}

fn itself(item: &Item) -> Response {
    let headers = [
        (header::CONTENT_TYPE, item.media.clone()),
        (header::ETAG, format!("\"{}\"", item.revision)),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".into()),
        (header::HeaderName::from_static("x-peerwatch-revision"), item.revision.to_string()),
        (header::HeaderName::from_static("x-peerwatch-at"), json::moment(item.at)),
    ];
    (headers, item.value.clone()).into_response()
}

/// `PUT /api/v1/kv/{node}/{key}`: keeps the body under a key of this node's part.
pub(super) async fn put(
    State(shared): State<Shared>,
    params: Params,
    place: Place,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Trouble> {
    shared.may_change(&headers)?;
    let (node, key) = address(place)?;
    let desk = own(&shared, &params, &node)?;
    let value = read(body, limits::KV_VALUE).await?;
    // What programs send with any body, for want of something better.
    let unsaid = |media: &&str| !media.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).filter(unsaid).unwrap_or_default();
    let sound = kv::check_key(&key).and_then(|()| if media.is_empty() { Ok(()) } else { kv::check_media(media) });
    sound.map_err(|why| Trouble::new(StatusCode::BAD_REQUEST, "this cannot be kept", why))?;
    let write = Write::Put { key, value: value.into(), media: media.into() };
    written(desk, vec![write]).await
}

/// `DELETE /api/v1/kv/{node}/{key}`: lets go of a key of this node's part.
pub(super) async fn delete(State(shared): State<Shared>, params: Params, place: Place, headers: HeaderMap) -> Result<Response, Trouble> {
    shared.may_change(&headers)?;
    let (node, key) = address(place)?;
    let desk = own(&shared, &params, &node)?;
    written(desk, vec![Write::Delete { key }]).await
}

/// `POST /api/v1/kv`: several changes of this node's part, all or none.
pub(super) async fn batch(State(shared): State<Shared>, params: Params, headers: HeaderMap, body: Body) -> Result<Response, Trouble> {
    shared.may_change(&headers)?;
    let desk = shared.desk(&params)?;
    // In JSON every byte may take six.
    let text = read(body, 6 * limits::KV_BATCH).await?;
    let writes = json::writes(&text).map_err(|why| Trouble::new(StatusCode::BAD_REQUEST, "the batch cannot be read", why))?;
    written(desk, writes).await
}

/// Asks the loop, which answers when it is committed.
async fn written(desk: &Desk, writes: Vec<Write>) -> Result<Response, Trouble> {
    #[derive(Serialize)]
    struct Written<'a> {
        network: &'a str,
        revision: u64,
    }
    match tokio::time::timeout(LONGEST, desk.ask(Command::Write(writes))).await {
        Ok(Reply::Written { revision }) => Ok(axum::Json(Written { network: &desk.network, revision }).into_response()),
        Ok(Reply::Absent { key }) => Err(absent(&desk.now().me, &key)),
        Ok(Reply::Refused(why)) => Err(Trouble::new(StatusCode::SERVICE_UNAVAILABLE, "nothing was written", why)),
        Ok(_) => Err(unexpected()),
        Err(_) => {
            let remedy = "It may have been written all the same: look, and try again.";
            Err(Trouble::new(StatusCode::GATEWAY_TIMEOUT, "the daemon did not reply in time", remedy))
        }
    }
}

pub(super) type Place = Result<Path<(String, String)>, PathRejection>;

fn address(place: Place) -> Result<(String, String), Trouble> {
    place.map(|Path(address)| address).map_err(|_| {
        Trouble::new(StatusCode::BAD_REQUEST, "the node and the key in the path cannot be read", "Write them percent-encoded, as UTF-8.")
    })
}

fn known(values: &Values, node: &str) -> Result<(), Trouble> {
    if values.part(node).is_some() {
        return Ok(());
    }
    Err(Trouble::new(StatusCode::NOT_FOUND, format!("there is no node called \"{node}\""), "/api/v1/nodes lists all names."))
}

fn absent(node: &str, key: &str) -> Trouble {
    let remedy = format!("/api/v1/kv?node={node} lists its keys.");
    Trouble::new(StatusCode::NOT_FOUND, format!("node {node} has no key \"{key}\""), remedy)
}

/// The desk at which this node's own part is written.
fn own<'a>(shared: &'a Shared, params: &Params, node: &str) -> Result<&'a Desk, Trouble> {
    let desk = shared.desk(params)?;
    let values = desk.values.borrow().clone();
    known(&values, node)?;
    if node != values.me {
        let remedy = format!("Ask {node} itself; here is the part of {}.", values.me);
        return Err(Trouble::new(StatusCode::FORBIDDEN, format!("only {node} writes in its part"), remedy));
    }
    Ok(desk)
}

/// Reads a body that may be so long, from a client that must not take for ever.
async fn read(stream: Body, most: usize) -> Result<Bytes, Trouble> {
    let slow = |_| Trouble::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time", "Send it at once.");
    let long = |_| {
        let remedy = "Keep large things elsewhere and their address here; write what belongs together in several steps.";
        Trouble::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {most} bytes, or broke off"), remedy)
    };
    tokio::time::timeout(PATIENCE, body::to_bytes(stream, most)).await.map_err(slow)?.map_err(long)
}

/// A commit takes milliseconds; a life that is just beginning may wait for its peers first.
const LONGEST: Duration = Duration::from_secs(25);

/// For a body of some 60 KiB, also over a slow line.
const PATIENCE: Duration = limits::WEB_HEAD_TIME.std();
