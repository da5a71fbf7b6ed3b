//! The listening half of a link: frames in, events out.
//!
//! It answers nothing itself; a ping's token goes to the speaking half. It reads only when the last
//! message was taken, which is the back-pressure, and while it waits for that, no clock runs against
//! the peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::frames::{Frames, Last};
use super::{Event, Timing, seconds, seen};
use crate::base::id::NetworkId;
use crate::base::wire::{Hello, Message, Pong, WireFault};
use crate::io::clock;

/// Frames beyond this are decoded beside the link, since the signatures in them may take long.
const DECODE_HERE: usize = 8 * 1024;

/// A wait for the loop that is longer spoils the measurement of a ping that was under way.
const DISTURBANCE: Duration = Duration::from_millis(1);

/// Hears the peer.
pub(super) struct Listener<R> {
    frames: Frames<R>,
    network: NetworkId,
    timing: Timing,
    events: mpsc::Sender<Event>,
    pings: mpsc::Sender<u64>,
    /// Bytes that the speaking half has sent.
    sent: Arc<AtomicU64>,
    began: Instant,
    /// When the last ping was answered, moved on by the time during which nobody listened.
    answered: Instant,
    /// Token of the last ping that was answered.
    token: u64,
    /// Until when nobody listened.
    disturbed: Instant,
}

/// Why a half has nothing more to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other end said why it leaves.
    Goodbye(String),
    /// The connection does not carry anything any more.
    Gone(String),
    /// The other end is at fault, and may be told.
    Fault(String),
    /// This end was told to close, for this reason, and the other end knows.
    Closed(String),
}

impl End {
    /// Why, in one line for this end.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Goodbye(reason) => format!("the peer closed: {reason}"),
            Self::Gone(reason) | Self::Fault(reason) | Self::Closed(reason) => reason.clone(),
        }
    }
}

impl<R: AsyncRead + Unpin> Listener<R> {
    /// A ping's token is the number of microseconds since `began`.
    pub(super) fn new(
        from: R,
        network: NetworkId,
        timing: Timing,
        events: mpsc::Sender<Event>,
        pings: mpsc::Sender<u64>,
        sent: Arc<AtomicU64>,
        began: Instant,
    ) -> Self {
        Self { frames: Frames::new(from), network, timing, events, pings, sent, began, answered: began, token: 0, disturbed: began }
    }

    /// The first message, which has to come within the time for a handshake.
    pub(super) async fn first(&mut self) -> Result<Message, End> {
        let latest = Instant::now() + self.timing.handshake;
        let frame = match self.frames.next(self.timing.handshake, latest).await {
            Err(Last::Late | Last::Silent(_)) => Err(End::Fault(format!("no greeting within {}", seconds(self.timing.handshake)))),
            other => other.map_err(|last| self.end(last)),
        };
        decode(self.network, frame?).await
    }

    /// Says that the link is up and delivers what comes, until nothing more can come.
    pub(super) async fn work(&mut self, hello: Hello) -> End {
        if let Err(end) = self.tell(Event::Up { hello }).await {
            return end;
        }
        loop {
            let latest = self.answered + self.timing.answer;
            let frame = match self.frames.next(self.timing.silence(), latest).await {
                Ok(frame) => frame,
                Err(last) => return self.end(last),
            };
            let done = match decode(self.network, frame).await {
                Ok(message) => self.hear(message).await,
                Err(end) => Err(end),
            };
            if let Err(end) = done {
                return end;
            }
            // Much may lie ready to be read, and checking signatures takes its time: others want to run too.
            tokio::task::yield_now().await;
        }
    }

    /// Throws away what still comes.
    pub(super) async fn exhaust(&mut self) {
        self.frames.exhaust().await;
    }

    async fn hear(&mut self, message: Message) -> Result<(), End> {
        match message {
            // A peer that pings faster than answers can be sent gets fewer answers.
            Message::Ping(ping) => drop(self.pings.try_send(ping.token)),
            Message::Pong(pong) => return self.measure(pong).await,
            Message::Goodbye(reason) => return Err(End::Goodbye(reason)),
            Message::Hello(_) => return Err(End::Fault("received a second greeting".into())),
            Message::Unknown(_) => {}
            other => return self.tell(Event::Message(other)).await,
        }
        Ok(())
    }

    /// A pong that was not asked for, or comes a second time, is nothing. A peer could still make
    /// itself look nearer than it is by guessing a token; that harms no one but itself.
    async fn measure(&mut self, pong: Pong) -> Result<(), End> {
        let now = Instant::now();
        let elapsed = micros(now - self.began);
        if pong.token <= self.token || elapsed < pong.token {
            return Ok(());
        }
        self.token = pong.token;
        self.answered = now;
        if pong.token < micros(self.disturbed - self.began) {
            return Ok(());
        }
        let round = elapsed - pong.token;
        let half = i64::try_from(round / 2000).unwrap_or(i64::MAX);
        let offset_ms = pong.wall.saturating_sub(clock::now().wall.0.saturating_sub(half));
        let time_us = u32::try_from(round).unwrap_or(u32::MAX);
        let (sent, received) = (self.sent.load(Ordering::Relaxed), self.frames.read());
        self.tell(Event::Measured { time_us, offset_ms, sent, received }).await
    }

    async fn tell(&mut self, event: Event) -> Result<(), End> {
        let before = Instant::now();
        self.events.send(event).await.map_err(|_| End::Gone("nobody listens any more".into()))?;
        let after = Instant::now();
        if DISTURBANCE < after - before {
            self.answered += after - before;
            self.disturbed = after;
        }
        Ok(())
    }

    fn end(&self, last: Last) -> End {
        match last {
            Last::End => End::Gone("the peer ended the connection".into()),
            Last::Torn => End::Gone("the connection ended in the middle of a frame".into()),
            Last::Silent(time) => End::Fault(format!("silent for {}", seconds(time))),
            Last::Late => End::Fault(format!("no answer to a ping for {}", seconds(self.timing.answer))),
            Last::Fault(fault) => received(fault),
            Last::Broken(why) => End::Gone(why),
        }
    }
}

/// The time since the link began, as pings carry it; never zero.
pub(super) fn micros(since: Duration) -> u64 {
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX).max(1)
}

async fn decode(network: NetworkId, frame: Vec<u8>) -> Result<Message, End> {
    if Message::is_flooded(&frame) {
        let mark = seen::mark(network, &frame);
        if seen::is_good(&mark) {
            return Message::decode_again(&frame).map_err(received);
        }
        let message = Message::decode(network, &frame).map_err(received)?;
        seen::remember(mark);
        return Ok(message);
    }
    if frame.len() <= DECODE_HERE {
        return Message::decode(network, &frame).map_err(received);
    }
    match tokio::task::spawn_blocking(move || Message::decode(network, &frame)).await {
        Ok(decoded) => decoded.map_err(received),
        Err(_) => Err(End::Gone("this node is stopping".into())),
    }
}

fn received(fault: WireFault) -> End {
    End::Fault(format!("received {fault}"))
}
