//! One link from its first frame to its last: greet, then listen and speak, then part.
//!
//! Both halves run in one task. Whichever ends first decides why the link ends; the other gets the
//! time of last words: what was received is still delivered, and a peer that is told why is not
//! interrupted by a reset.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::listen::{End, Listener};
use super::speak::{PINGS, Speaker};
use super::{Connection, Event, Outgoing, Timing};
use crate::base::outcome::clip;
use crate::base::wire::{Hello, Message};

/// Talks on a connection until it ends; `hello` is for the connection's network. The last event is
/// [`Event::Down`]; the last words of a link that broke may take [`Timing::linger`] longer. Dropping
/// this cuts the connection.
pub async fn run(connection: Connection, hello: Hello, timing: Timing, outgoing: mpsc::Receiver<Outgoing>, events: mpsc::Sender<Event>) {
    assert!(hello.network == connection.network, "a greeting for another network than the connection's");
    talk(connection.stream, hello, timing, outgoing, events).await;
}

/// [`run`] on any stream.
pub(super) async fn talk<S: AsyncRead + AsyncWrite>(
    stream: S,
    hello: Hello,
    timing: Timing,
    outgoing: mpsc::Receiver<Outgoing>,
    events: mpsc::Sender<Event>,
) {
    let began = Instant::now();
    let (from, to) = tokio::io::split(stream);
    let (pings, answers) = mpsc::channel(PINGS);
    let sent = Arc::new(AtomicU64::new(0));
    let mut listener = Listener::new(from, hello.network, timing, events.clone(), pings, sent.clone(), began);
    let mut speaker = Speaker::new(to, timing, outgoing, answers, events.clone(), sent, began);
    let end = match greet(&mut listener, &mut speaker, &hello).await {
        Ok(theirs) => converse(&mut listener, &mut speaker, &timing, theirs).await,
        Err(end) => end,
    };
    // First the event, since what follows may take the time of last words.
    let _ = events.send(Event::Down(clip(end.reason()))).await;
    part(&mut listener, &mut speaker, &timing, end).await;
}

/// Both say who they are; what the other says has to fit.
async fn greet<R, W>(listener: &mut Listener<R>, speaker: &mut Speaker<W>, own: &Hello) -> Result<Hello, End>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let greeting = Message::Hello(own.clone());
    let (said, heard) = tokio::join!(speaker.say(&greeting), listener.first());
    // A peer that refuses this node has said so, even if the greeting did not go out any more.
    match (heard?, said) {
        (Message::Goodbye(reason), _) => Err(End::Goodbye(reason)),
        (Message::Hello(theirs), Ok(())) => {
            let theirs = Hello { software: clip(theirs.software), ..theirs };
            fits(own, &theirs).map(|()| theirs).map_err(End::Fault)
        }
        (_, Err(end)) => Err(end),
        (other, Ok(())) => Err(End::Fault(format!("received kind {} before a greeting", other.kind()))),
    }
}

/// Whether two nodes understand each other; if not, why, and what to do.
fn fits(own: &Hello, theirs: &Hello) -> Result<(), String> {
    let versions = |hello: &Hello| match (hello.least, hello.most) {
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    if own.network != theirs.network {
        return Err(format!("the peer means network {}, this link is for {}", theirs.network, own.network));
    }
    if own.least.max(theirs.least) <= own.most.min(theirs.most) {
        return Ok(());
    }
    let plural = if theirs.least == theirs.most { "" } else { "s" };
    let older = if own.most < theirs.least { "this node" } else { "the peer" };
    let (theirs, own) = (versions(theirs), versions(own));
    Err(format!("the peer speaks protocol version{plural} {theirs}, this node speaks {own}: upgrade {older}"))
}

/// Listens and speaks until one of both ends.
async fn converse<R, W>(listener: &mut Listener<R>, speaker: &mut Speaker<W>, timing: &Timing, theirs: Hello) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut listening = pin!(listener.work(theirs));
    let end = tokio::select! {
        end = &mut listening => return end,
        end = speaker.work() => end,
    };
    // What the peer had said before it learnt of the end, and perhaps why it was the first to leave.
    match (timeout(timing.linger, listening).await, end) {
        (Ok(End::Goodbye(reason)), End::Gone(_)) => End::Goodbye(reason),
        (_, end) => end,
    }
}

/// Last words.
async fn part<R, W>(listener: &mut Listener<R>, speaker: &mut Speaker<W>, timing: &Timing, end: End)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match end {
        End::Closed(_) => {}
        End::Goodbye(_) | End::Gone(_) => speaker.shut().await,
        End::Fault(reason) => {
            speaker.close(reason);
            let _ = tokio::join!(speaker.work(), timeout(timing.linger, listener.exhaust()));
        }
    }
}

#[cfg(test)]
mod tests;
