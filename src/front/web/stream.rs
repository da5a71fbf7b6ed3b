//! Server-sent events: one for each changed view, at most one a second, and one for each change of the
//! key/value store.
//!
//! `?events=view,kv` says which; without it, `view`. An event `view` carries the network in a few lines,
//! so that a program can act on it; the page takes it as the sign to fetch itself again. A view is a
//! value, not a change: whoever reads slowly misses views in between and nothing else. Of the changes
//! (`kv`) each comes once, those of one author in its order. Their ids are places among the changes, so
//! that a browser that comes back goes on where it was (`Last-Event-ID`), and whoever has read a list
//! goes on from its `?cursor=`. Whoever was too slow or away for too long, or meets another run of the
//! daemon, gets `kv-lagged` and has to read the list again. So a stream holds no queue, only its places
//! on the desk.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::{Params, Shared, Trouble};
use crate::base::limits;
use crate::front::desk::{Desk, Heard, Subscriber};
use crate::front::json;

/// `/api/v1/stream`.
pub(super) async fn follow(
    State(shared): State<Shared>,
    params: Params,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Trouble> {
    let desk = shared.desk(&params)?.clone();
    let place = shared.streams.clone().try_acquire_owned().map_err(|_| {
        let error = format!("{} event streams are open already", limits::WEB_STREAMS);
        Trouble::new(StatusCode::SERVICE_UNAVAILABLE, error, "Close some pages, or try again in a moment.")
    })?;
    let (views, values) = wanted(&desk, &params, &headers)?;
    let until = Instant::now() + limits::WEB_STREAM_TIME.std();
    let start = Follower { desk, ended: shared.ended.clone(), until, next: Instant::now(), begun: false, views, values, _place: place };
    let events = unfold(start, |mut follower| async {
        let event = follower.event().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEPALIVE)))
}

/// Whether views are wanted, and who follows the changes if they are.
fn wanted(desk: &Desk, params: &Params, headers: &HeaderMap) -> Result<(bool, Option<Subscriber>), Trouble> {
    let refuse = |error: String, remedy| Trouble::new(StatusCode::BAD_REQUEST, error, remedy);
    let (mut views, mut values) = (false, false);
    for event in params.text("events").unwrap_or("view").split(',') {
        match event.trim() {
            "view" => views = true,
            "kv" => values = true,
            other => return Err(refuse(format!("there is no event \"{other}\""), "Give view, kv or both with a comma between them.")),
        }
    }
    if !values {
        return Ok((views, None));
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let Some(text) = last.or_else(|| params.text("cursor")) else { return Ok((views, Some(desk.subscribe().1))) };
    let cursor = text.parse().map_err(|why| refuse(why, "Give the cursor of a list or the id of an event."))?;
    Ok((views, Some(desk.subscribe_after(cursor))))
}

struct Follower {
    desk: Desk,
    ended: watch::Receiver<bool>,
    /// The stream ends then.
    until: Instant,
    /// No event before then.
    next: Instant,
    /// Whether the first event, which tells how things are, has been sent.
    begun: bool,
    views: bool,
    values: Option<Subscriber>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event; none when the stream is over.
    async fn event(&mut self) -> Option<Event> {
        let changed = async {
            tokio::time::sleep_until(self.next).await;
            if self.begun { self.desk.view.changed().await.ok() } else { Some(()) }
        };
        let heard = async {
            match &mut self.values {
                Some(values) => values.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changed, if self.views => changed?,
            heard = heard => return told(self.desk.values.borrow().cursor.run, &heard?),
            () = tokio::time::sleep_until(self.until) => return None,
            () = async { drop(self.ended.wait_for(|ended| *ended).await) } => return None,
        }
        self.begun = true;
        self.next = Instant::now() + BETWEEN;
        let view = self.desk.view.borrow_and_update().clone();
        Event::default().event("view").json_data(json::status(&view)).ok()
    }
}

/// The event for what a subscriber heard in a run of the daemon.
fn told(run: u64, heard: &Heard) -> Option<Event> {
    #[derive(Serialize)]
    struct Lagged {
        cursor: String,
    }
    match heard {
        Heard::Change(change) => {
            let change = json::value_change(run, change);
            Event::default().event("kv").id(change.cursor.clone()).json_data(change).ok()
        }
        Heard::Lagged(values) => {
            let cursor = values.cursor.to_string();
            Event::default().event("kv-lagged").id(cursor.clone()).json_data(Lagged { cursor }).ok()
        }
    }
}

/// Least time between two events about views.
const BETWEEN: Duration = Duration::from_secs(1);

/// A comment is sent after this time without event, so that proxies and browsers see life.
const KEEPALIVE: Duration = Duration::from_secs(15);
