//! Effects become calls, and their results inputs.
//!
//! Nothing is decided here. Each effect that takes time is a task of its own, bounded by the callee;
//! what cannot be queued is dropped with its link, since heads repair it later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::base::command::{CommandId, Reply, Tried};
use crate::base::entry::Stretch;
use crate::base::id::{LinkId, NodeId};
use crate::base::kv::Values;
use crate::base::limits;
use crate::base::notice::Errand;
use crate::base::wire::Hello;
use crate::daemon::turn::Arrival;
use crate::io::link::{self, Connection, Event, Identity, Outgoing, Timing};
use crate::io::notify::{Carrier, Outbox};
use crate::io::probe::Prober;
use crate::io::store::Reader;
use crate::logic::effect::Effect;
use crate::logic::input::Input;

/// How errands leave, as it is now. Cheap to clone.
#[derive(Clone)]
pub(super) struct Exit {
    pub(super) carrier: Carrier,
    pub(super) outbox: watch::Receiver<Outbox>,
}

/// Everything that one network's effects need.
pub(super) struct Performer {
    links: Links,
    prober: Prober,
    exit: Exit,
    values: watch::Sender<Arc<Values>>,
    open: BTreeMap<LinkId, mpsc::Sender<Outgoing>>,
    asked: BTreeMap<CommandId, oneshot::Sender<Reply>>,
    reading: std::sync::mpsc::Sender<(LinkId, Vec<Stretch>, mpsc::Sender<Outgoing>)>,
}

/// How connections, dialled and accepted, become links of one network. Cheap to clone.
#[derive(Clone)]
pub(super) struct Links {
    runtime: Handle,
    identity: Identity,
    hello: watch::Receiver<Hello>,
    inbox: mpsc::Sender<Arrival>,
    next: Arc<AtomicU64>,
}

impl Links {
    pub(super) fn new(runtime: Handle, identity: Identity, hello: watch::Receiver<Hello>, inbox: mpsc::Sender<Arrival>) -> Self {
        Self { runtime, identity, hello, inbox, next: Arc::new(AtomicU64::new(1)) }
    }

    /// Runs a connection as a link until it ends.
    pub(super) fn begin(&self, connection: Connection, dialled: Option<String>) {
        let links = self.clone();
        self.runtime.spawn(async move { links.talk(connection, dialled).await });
    }

    fn dial(&self, peer: NodeId, address: String) {
        let links = self.clone();
        self.runtime.spawn(async move {
            match link::dial(&links.identity, peer, &address, &Timing::default()).await {
                Ok(connection) => links.talk(connection, Some(address)).await,
                Err(fault) => {
                    tracing::debug!(network = %links.identity.network, "dialling {address}: {fault}");
                    links.tell(Input::DialFailed { peer, address, reason: fault.to_string() }).await;
                }
            }
        });
    }

    async fn talk(&self, connection: Connection, dialled: Option<String>) {
        let id = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (peer, remote) = (connection.peer, connection.remote.to_string());
        let (sender, outgoing) = mpsc::channel(limits::LINK_QUEUE);
        let (events, mut happened) = mpsc::channel(16);
        let hello = self.hello.borrow().clone();
        let talk = tokio::spawn(link::run(connection, hello, Timing::default(), outgoing, events));
        let mut sender = Some(sender);
        let mut address = dialled;
        while let Some(event) = happened.recv().await {
            let input = match event {
                Event::Up { hello: _ } => {
                    let input = Input::LinkUp { link: id, peer, dialled: address.take(), remote: remote.clone() };
                    let Some(sender) = sender.take() else { continue };
                    if self.inbox.send(Arrival::Linked(id, sender, input)).await.is_err() {
                        break;
                    }
                    continue;
                }
                Event::Message(message) => Input::Received { link: id, message },
                Event::Measured { time_us, offset_ms, sent, received } => {
                    Input::Measured { link: id, time: time_us, offset: offset_ms, sent, received }
                }
                Event::Drained => Input::Drained { link: id },
                Event::Down(reason) if sender.is_none() => Input::LinkDown { link: id, reason },
                Event::Down(reason) => match address.take() {
                    Some(address) => Input::DialFailed { peer, address, reason },
                    // Somebody came and did not even greet: nothing was linked.
                    None => continue,
                },
            };
            if self.inbox.send(Arrival::Input(input)).await.is_err() {
                break;
            }
        }
        drop(happened);
        let _ = talk.await;
    }

    async fn tell(&self, input: Input) {
        // A closed inbox means that the daemon is stopping.
        let _ = self.inbox.send(Arrival::Input(input)).await;
    }
}

impl Performer {
    /// Needs a reader of its own for what links ask of the store.
    pub(super) fn new(links: Links, prober: Prober, exit: Exit, values: watch::Sender<Arc<Values>>, reader: Reader) -> Self {
        let (reading, wanted) = std::sync::mpsc::channel();
        let name = format!("read-{}", links.identity.network);
        let runtime = links.runtime.clone();
        // The thread ends when the performer does. A thread that cannot be made is a host out of threads,
        // where links break as soon as they are used, and say so.
        let thread = std::thread::Builder::new().name(name).spawn(move || read(&runtime, reader, &wanted));
        if let Err(error) = thread {
            tracing::error!(
                "a thread for reading the journal cannot be made: {error}; entries cannot be sent until this daemon is restarted"
            );
        }
        Self { links, prober, exit, values, open: BTreeMap::new(), asked: BTreeMap::new(), reading }
    }

    /// A link can be written to.
    pub(super) fn attach(&mut self, link: LinkId, outgoing: mpsc::Sender<Outgoing>) {
        self.open.insert(link, outgoing);
    }

    /// A link is gone.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.open.remove(&link);
    }

    /// Remembers who waits for a reply. False, and a refusal to the asker, when too many wait already.
    pub(super) fn expect(&mut self, id: CommandId, reply: oneshot::Sender<Reply>) -> bool {
        self.asked.retain(|_, waiting| !waiting.is_closed());
        if limits::COMMANDS <= self.asked.len() {
            let _ = reply.send(Reply::Refused("too many commands are under way; try again in a moment".into()));
            return false;
        }
        self.asked.insert(id, reply);
        true
    }

    /// Says goodbye on every link.
    pub(super) fn close_all(&mut self, reason: &str) {
        for outgoing in std::mem::take(&mut self.open).into_values() {
            let _ = outgoing.try_send(Outgoing::Close(reason.into()));
        }
    }

    /// Does what one effect asks. Notes are the loop's own affair.
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Probe(order) => {
                let (prober, links) = (self.prober.clone(), self.links.clone());
                self.links.runtime.spawn(async move {
                    let outcome = prober.look(&order).await;
                    links.tell(Input::Probed { id: order.id, outcome }).await;
                });
            }
            Effect::Dial { peer, address } => self.links.dial(peer, address),
            Effect::Send { link, message } => self.send(link, Outgoing::Message(message)),
            Effect::Stream { link, stretches } => {
                if let Some(outgoing) = self.open.get(&link) {
                    let _ = self.reading.send((link, stretches, outgoing.clone()));
                }
            }
            Effect::Close { link, reason } => self.send(link, Outgoing::Close(reason)),
            Effect::Carry(errand) => self.carry(*errand),
            Effect::Try(id, errands) => self.attempt(id, errands),
            Effect::Show(values) => drop(self.values.send_replace(Arc::new(values))),
            Effect::Reply(id, reply) => {
                if let Some(asker) = self.asked.remove(&id) {
                    // An asker that has gone away needs no reply.
                    let _ = asker.send(reply);
                }
            }
            Effect::Compare(_) | Effect::Find { .. } | Effect::Stop(_) | Effect::Note(_) => {}
        }
    }

    fn send(&mut self, link: LinkId, outgoing: Outgoing) {
        let Some(sender) = self.open.get(&link) else { return };
        if sender.try_send(outgoing).is_err() {
            // The peer does not keep up, or is gone: letting go of the sender ends the link.
            self.open.remove(&link);
        }
    }

    /// All at once, since somebody waits.
    fn attempt(&mut self, id: CommandId, errands: Vec<Errand>) {
        let Some(asker) = self.asked.remove(&id) else { return };
        let exit = self.exit.clone();
        self.links.runtime.spawn(async move {
            let outbox = exit.outbox.borrow().clone();
            let carry = |errand: Errand| {
                let (exit, outbox) = (&exit, &outbox);
                async move {
                    let delivery = exit.carrier.carry(outbox, &errand).await;
                    Tried { channel: errand.channel, way: errand.way.name(), delivery }
                }
            };
            // An asker that has gone away needs no reply.
            let _ = asker.send(Reply::Tried(futures_util::future::join_all(errands.into_iter().map(carry)).await));
        });
    }

    fn carry(&self, errand: Errand) {
        let links = self.links.clone();
        let exit = self.exit.clone();
        self.links.runtime.spawn(async move {
            let outbox = exit.outbox.borrow().clone();
            let delivery = exit.carrier.carry(&outbox, &errand).await;
            links.tell(Input::Delivered { ballot: errand.ballot, delivery }).await;
        });
    }
}

/// Reads what links ask for, one batch after the other.
fn read(runtime: &Handle, mut reader: Reader, wanted: &std::sync::mpsc::Receiver<(LinkId, Vec<Stretch>, mpsc::Sender<Outgoing>)>) {
    while let Ok((link, stretches, outgoing)) = wanted.recv() {
        let mut left: VecDeque<Stretch> = stretches.into();
        let mut frames = Vec::new();
        let fault = loop {
            match reader.next_frame(&mut left) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        let next = match fault {
            None => Outgoing::Batch(frames),
            Some(fault) => {
                tracing::error!(link = link.0, "the journal cannot be read for a peer: {fault}");
                Outgoing::Close("the journal of this node cannot be read".into())
            }
        };
        // A link has at most one batch under way, so what waits here is bounded by the number of links.
        if let Err(mpsc::error::TrySendError::Full(next)) = outgoing.try_send(next) {
            runtime.spawn(async move { outgoing.send(next).await });
        }
    }
}
