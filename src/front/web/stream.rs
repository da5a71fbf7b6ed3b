//! Server-sent events: one event for each changed view, at most one a second.
//!
//! The event carries the network in a few lines, so that a program can act on it; the page takes it
//! as the sign to fetch itself again. A view is a value, not a change: whoever reads slowly misses
//! views in between and nothing else. So a stream holds no queue, only its place on the desk.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::{Params, Shared, Trouble};
use crate::base::limits;
use crate::front::desk::Desk;
use crate::front::json;

/// `/api/v1/stream`.
pub(super) async fn follow(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Trouble> {
    let desk = shared.desk(&params)?.clone();
    let place = shared.streams.clone().try_acquire_owned().map_err(|_| {
        let error = format!("{} event streams are open already", limits::WEB_STREAMS);
        Trouble::new(StatusCode::SERVICE_UNAVAILABLE, error, "Close some pages, or try again in a moment.")
    })?;
    let until = Instant::now() + limits::WEB_STREAM_TIME.std();
    let start = Follower { desk, ended: shared.ended.clone(), until, next: Instant::now(), begun: false, _place: place };
    let events = unfold(start, |mut follower| async {
        let event = follower.event().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEPALIVE)))
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
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event; none when the stream is over.
    async fn event(&mut self) -> Option<Event> {
        let changed = async {
            tokio::time::sleep_until(self.next).await;
            if self.begun { self.desk.view.changed().await.ok() } else { Some(()) }
        };
        tokio::select! {
            changed = changed => changed?,
            () = tokio::time::sleep_until(self.until) => return None,
            () = async { drop(self.ended.wait_for(|ended| *ended).await) } => return None,
        }
        self.begun = true;
        self.next = Instant::now() + BETWEEN;
        let view = self.desk.view.borrow_and_update().clone();
        Event::default().event("view").json_data(json::status(&view)).ok()
    }
}

/// Least time between two events.
const BETWEEN: Duration = Duration::from_secs(1);

/// A comment is sent after this time without event, so that proxies and browsers see life.
const KEEPALIVE: Duration = Duration::from_secs(15);
