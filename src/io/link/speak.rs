//! The speaking half of a link: what is to be sent in, frames out.
//!
//! One frame is on its way at a time. Between two frames the next is chosen: pongs, the own ping,
//! small messages, what is left of batches. So a vote waits behind one frame of history, never behind
//! a batch. What is held is bounded; whoever gives more has to wait at the channel. All state lies in
//! [`Speaker`], so its work can be dropped and taken up again at any point.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::listen::{End, micros};
use super::{Event, Outgoing, Timing, seconds, tls};
use crate::base::limits;
use crate::base::outcome::clip;
use crate::base::wire::{Message, Ping, Pong};
use crate::io::clock;

/// Pings that wait for their answer; further ones are not answered.
pub(super) const PINGS: usize = 16;

/// Says what is to be said.
pub(super) struct Speaker<W> {
    to: W,
    timing: Timing,
    outgoing: mpsc::Receiver<Outgoing>,
    pings: mpsc::Receiver<u64>,
    events: mpsc::Sender<Event>,
    /// Bytes that the socket has taken, for both halves to know.
    sent: Arc<AtomicU64>,
    began: Instant,
    next_ping: Instant,
    small: VecDeque<Vec<u8>>,
    batches: VecDeque<Piece>,
    /// The frame on its way, and how much of it the socket has.
    frame: Vec<u8>,
    written: usize,
    /// Whether something was written and not flushed.
    unflushed: bool,
    /// When the socket last took something, or was first asked to.
    progress: Instant,
    /// Batches that end with what is being flushed; batches flushed and not yet reported.
    ending: usize,
    drained: usize,
    closing: Option<Closing>,
}

enum Piece {
    Frame(Vec<u8>),
    EndOfBatch,
}

struct Closing {
    reason: String,
    latest: Instant,
}

/// What a wait brought.
enum Turn {
    Time,
    Told,
    Deaf,
    Ping(Option<u64>),
    Given(Option<Outgoing>),
    Took(io::Result<usize>),
}

impl<W: AsyncWrite + Unpin> Speaker<W> {
    pub(super) fn new(
        to: W,
        timing: Timing,
        outgoing: mpsc::Receiver<Outgoing>,
        pings: mpsc::Receiver<u64>,
        events: mpsc::Sender<Event>,
        sent: Arc<AtomicU64>,
        began: Instant,
    ) -> Self {
        Self {
            to,
            timing,
            outgoing,
            pings,
            events,
            sent,
            began,
            next_ping: began,
            small: VecDeque::new(),
            batches: VecDeque::new(),
            frame: Vec::new(),
            written: 0,
            unflushed: false,
            progress: began,
            ending: 0,
            drained: 0,
            closing: None,
        }
    }

    /// Says one thing at once; for the greeting.
    pub(super) async fn say(&mut self, message: &Message) -> Result<(), End> {
        let frame = message.encode();
        self.sent.fetch_add(frame.len() as u64, Ordering::Relaxed);
        let said = async {
            self.to.write_all(&frame).await?;
            self.to.flush().await
        };
        match tokio::time::timeout(self.timing.handshake, said).await {
            Ok(said) => said.map_err(|error| End::Gone(tls::explain(&error))),
            Err(_) => Err(End::Gone(format!("takes no greeting for {}", seconds(self.timing.handshake)))),
        }
    }

    /// From now on nothing is taken any more; what is small is still said, then why, and that is all.
    pub(super) fn close(&mut self, reason: String) {
        if self.closing.is_none() {
            self.batches.clear();
            self.small.push_back(Message::Goodbye(clip(reason.clone())).encode());
            self.closing = Some(Closing { reason, latest: Instant::now() + self.timing.linger });
        }
    }

    /// Ends what is sent, without words.
    pub(super) async fn shut(&mut self) {
        let _ = tokio::time::timeout(self.timing.linger, self.to.shutdown()).await;
    }

    /// Speaks until told to close or until nothing can be said any more.
    pub(super) async fn work(&mut self) -> End {
        loop {
            self.choose();
            let busy = !self.frame.is_empty() || self.unflushed;
            if let Some(closing) = &self.closing
                && (!busy || closing.latest <= Instant::now())
            {
                let reason = closing.reason.clone();
                self.shut().await;
                return End::Closed(reason);
            }
            if busy && self.progress + self.timing.stall <= Instant::now() {
                return End::Gone(format!("the peer has read nothing for {}", seconds(self.timing.stall)));
            }
            match self.wait(busy).await {
                Turn::Time => {}
                Turn::Told => self.drained -= 1,
                Turn::Deaf => return End::Gone("nobody listens any more".into()),
                Turn::Ping(token) => self.answer(token),
                Turn::Given(given) => self.give(given),
                Turn::Took(Ok(taken)) => self.took(taken),
                Turn::Took(Err(error)) => return End::Gone(tls::explain(&error)),
            }
        }
    }

    /// Puts the next frame on its way, if none is.
    fn choose(&mut self) {
        if !self.frame.is_empty() {
            return;
        }
        let now = Instant::now();
        let ping_due = self.next_ping <= now && self.closing.is_none();
        self.frame = if ping_due {
            self.next_ping = now + self.timing.keepalive;
            Message::Ping(Ping { token: micros(now - self.began) }).encode()
        } else if let Some(frame) = self.small.pop_front() {
            frame
        } else {
            match self.batches.pop_front() {
                Some(Piece::Frame(frame)) => frame,
                Some(Piece::EndOfBatch) => {
                    self.ending += 1;
                    self.unflushed = true;
                    return self.progress = now;
                }
                None => return,
            }
        };
        if !self.unflushed {
            self.progress = now;
        }
    }

    async fn wait(&mut self, busy: bool) -> Turn {
        let answers = self.small.len() < limits::LINK_QUEUE && self.closing.is_none();
        let room = answers && self.batches.len() < limits::LINK_QUEUE;
        let mut until = self.next_ping;
        if busy {
            // The ping is sent once the frame is out.
            until = self.progress + self.timing.stall;
        }
        if let Some(closing) = &self.closing {
            until = closing.latest;
        }
        let Self { to, outgoing, pings, events, frame, written, drained, .. } = self;
        tokio::select! {
            taken = push(to, &frame[*written..]), if busy => Turn::Took(taken),
            token = pings.recv(), if answers => Turn::Ping(token),
            given = outgoing.recv(), if room => Turn::Given(given),
            told = events.send(Event::Drained), if 0 < *drained => if told.is_ok() { Turn::Told } else { Turn::Deaf },
            () = tokio::time::sleep_until(until) => Turn::Time,
        }
    }

    fn took(&mut self, taken: usize) {
        self.progress = Instant::now();
        if self.frame.is_empty() {
            self.unflushed = false;
            self.drained += std::mem::take(&mut self.ending);
            return;
        }
        self.unflushed = true;
        self.written += taken;
        self.sent.fetch_add(taken as u64, Ordering::Relaxed);
        if self.frame.len() <= self.written {
            self.frame = Vec::new();
            self.written = 0;
        }
    }

    fn answer(&mut self, token: Option<u64>) {
        // The listening half lives as long as this one.
        let Some(token) = token else { return };
        self.small.push_front(Message::Pong(Pong { token, wall: clock::now().wall.0 }).encode());
    }

    fn give(&mut self, given: Option<Outgoing>) {
        match given {
            Some(Outgoing::Message(message)) => self.small.push_back(message.encode()),
            Some(Outgoing::Batch(frames)) => {
                self.batches.extend(frames.into_iter().filter(|frame| !frame.is_empty()).map(Piece::Frame));
                self.batches.push_back(Piece::EndOfBatch);
            }
            Some(Outgoing::Close(reason)) => self.close(reason),
            None => self.close("this node let go of the link".into()),
        }
    }
}

/// Gives the socket what it takes, or everything that was given before when there is nothing new.
async fn push<W: AsyncWrite + Unpin>(to: &mut W, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return to.flush().await.map(|()| 0);
    }
    match to.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        taken => Ok(taken),
    }
}
