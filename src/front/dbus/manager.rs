//! The root object: what is there, and what can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zbus::object_server::SignalEmitter;
use zbus::{BoxDBusError, DBusError, ObjectPath, OwnedFd, OwnedObjectPath, OwnedVariant, interface};

use super::value::{Rows, Traits, length, text};
use super::{archive, path, question};
use crate::base::command::{Command, Reply};
use crate::base::id::NodeId;
use crate::base::limits;
use crate::base::time::Span;
use crate::base::view::{Archive, Progress};
use crate::front::desk::{Desk, Desks};

/// Errors of this service; others are those of D-Bus itself.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.peerwatch.Peerwatch1.Error")]
pub(super) enum Error {
    /// There is no network of that name, or none was named and there are several.
    NoSuchNetwork(String),
    /// The network has no node of that name.
    NoSuchNode(String),
    /// The node has no such key.
    NoSuchKey(String),
    /// The daemon did not do it, and why.
    Refused(String),
}

/// The object.
pub(super) struct Manager {
    desks: Desks,
    /// Held by work on a whole journal: one at a time.
    work: Arc<Semaphore>,
    /// Held by who counts what a journal takes; the next waits.
    counting: Arc<Semaphore>,
}

impl Manager {
    /// A root object for these networks.
    pub(super) fn new(desks: Desks) -> Self {
        Self { desks, work: Arc::new(Semaphore::new(1)), counting: Arc::new(Semaphore::new(1)) }
    }

    /// The right to work on a whole journal, which nobody else then has.
    fn slot(&self) -> Result<OwnedSemaphorePermit, Error> {
        let busy = |_| Error::Refused("other work on a journal is under way; try again when it is done".into());
        self.work.clone().try_acquire_owned().map_err(busy)
    }

    fn desk(&self, network: &str) -> Result<&Desk, Error> {
        find_desk(&self.desks, network)
    }
}

/// The network of that name; an empty one stands for the only one.
pub(super) fn find_desk<'a>(desks: &'a Desks, network: &str) -> Result<&'a Desk, Error> {
    let names = || desks.iter().map(|desk| text(&desk.network)).collect::<Vec<_>>().join(", ");
    match &**desks {
        [only] if network.is_empty() => Ok(only),
        _ if network.is_empty() => Err(Error::NoSuchNetwork(format!("this node is in several networks; name one of: {}", names()))),
        all => all
            .iter()
            .find(|desk| desk.network == network)
            .ok_or_else(|| Error::NoSuchNetwork(format!("this node is in no network \"{}\"; it is in: {}", text(network), names()))),
    }
}

#[interface(name = "org.peerwatch.Peerwatch1.Manager", introspection_docs = false)]
impl Manager {
    /// Every node of a network pings a host now; one row for each node.
    #[zbus(out_args("answers"))]
    async fn ping(&self, network: &str, host: &str, options: BTreeMap<String, OwnedVariant>) -> Result<Rows, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let (count, within) = question::ping(host, options)?;
        match ask(desk, Command::Ping { host: host.into(), count, within }, within).await? {
            Reply::Pinged(vantages) => Ok(vantages.iter().map(question::vantage).collect()),
            other => Err(unexpected(&other)),
        }
    }

    /// The way to a node over the links that there are now.
    #[zbus(out_args("found", "took", "hops"))]
    async fn trace(&self, network: &str, node: &str, options: BTreeMap<String, OwnedVariant>) -> Result<(bool, u64, Rows), BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let within = question::trace(options)?;
        let node = self::node(desk, node).map_err(boxed)?;
        match ask(desk, Command::Trace { node, within }, within).await? {
            Reply::Traced(Some(way)) => Ok((true, length(way.took), way.hops.iter().map(question::step).collect())),
            Reply::Traced(None) => Ok((false, 0, Rows::new())),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends a node's membership for good.
    #[zbus(out_args("name"))]
    async fn revoke(&self, network: &str, node: &str, reason: &str, retire: bool) -> Result<String, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        question::reason(reason)?;
        // A key may also be one that some other node's files still name.
        let node = NodeId::from_hex(node).map_or_else(|| self::node(desk, node).map_err(boxed), Ok)?;
        match ask(desk, Command::Revoke { node, reason: reason.into(), retire }, Span::ZERO).await? {
            Reply::Revoked(name) => Ok(text(&name)),
            other => Err(unexpected(&other)),
        }
    }

    /// This node sends an example of a notice by one channel, or by each; one row for each channel.
    #[zbus(out_args("results"))]
    async fn test_notice(&self, network: &str, channel: &str, options: BTreeMap<String, OwnedVariant>) -> Result<Rows, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let phase = question::state(options)?;
        let channel = (!channel.is_empty()).then(|| channel.to_owned());
        match ask(desk, Command::TestNotice { channel, phase }, limits::EXAMPLE_TIME).await? {
            Reply::Tried(tried) => Ok(tried.iter().map(question::tried).collect()),
            other => Err(unexpected(&other)),
        }
    }

    /// Somebody sees to an incident: nobody is reminded of it any more.
    #[zbus(out_args("name"))]
    async fn acknowledge(&self, network: &str, incident: &str, options: BTreeMap<String, OwnedVariant>) -> Result<String, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let (person, reason) = question::words(options, true)?;
        match ask(desk, Command::Acknowledge { incident: incident.into(), person, reason }, Span::ZERO).await? {
            Reply::Acknowledged(incident) => Ok(text(&incident.to_string())),
            other => Err(unexpected(&other)),
        }
    }

    /// Nothing new is told of some targets for a while.
    #[zbus(out_args("id"))]
    async fn silence(
        &self,
        network: &str,
        what: &str,
        lasts: u64,
        options: BTreeMap<String, OwnedVariant>,
    ) -> Result<String, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let (person, reason) = question::words(options, true)?;
        match ask(desk, Command::Silence { what: what.into(), lasts: Span(lasts / 1000), person, reason }, Span::ZERO).await? {
            Reply::Silenced(id) => Ok(id),
            other => Err(unexpected(&other)),
        }
    }

    /// A silence ends before its time.
    #[zbus(out_args("ended"))]
    async fn end_silence(&self, network: &str, id: &str, options: BTreeMap<String, OwnedVariant>) -> Result<String, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let (person, _) = question::words(options, false)?;
        match ask(desk, Command::EndSilence { id: id.into(), person }, Span::ZERO).await? {
            Reply::Unsilenced(id) => Ok(id),
            other => Err(unexpected(&other)),
        }
    }

    /// What happened, newest first.
    #[zbus(out_args("events"))]
    fn events(&self, network: &str, options: BTreeMap<String, OwnedVariant>) -> Result<Rows, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let most = question::most(options)?;
        Ok(desk.now().events.iter().take(most).map(|event| question::event(event)).collect())
    }

    /// What a network's journal takes on the disk, in all and by chain.
    #[zbus(out_args("totals", "chains"))]
    async fn journal_stats(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        network: &str,
    ) -> Result<(Traits, Rows), BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let slot = self.counting.clone().acquire_owned().await.expect("BUG! it is never closed");
        let stats = archive::work(&emitter, desk, "stats", slot, |archive, _| archive.stats()).await.map_err(boxed)?;
        Ok(archive::stats(&stats, &desk.now()))
    }

    /// Reads a network's whole journal and checks all that can be checked.
    #[zbus(out_args("found"))]
    async fn verify_journal(&self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>, network: &str) -> Result<Traits, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let slot = self.slot().map_err(boxed)?;
        let found = archive::work(&emitter, desk, "verify", slot, |archive, tell| archive.verify(tell)).await.map_err(boxed)?;
        Ok(archive::verified(&found))
    }

    /// Writes a copy of a network's journal into an open file.
    #[zbus(out_args("bytes"))]
    async fn backup_journal(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        network: &str,
        into: OwnedFd,
    ) -> Result<u64, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let mut file = archive::file(into)?;
        let slot = self.slot().map_err(boxed)?;
        let work = move |archive: &dyn Archive, tell: &mut dyn FnMut(Progress)| archive.backup(&mut file, tell);
        archive::work(&emitter, desk, "backup", slot, work).await.map_err(boxed)
    }

    /// Gives the free space of a network's journal back to the file system.
    #[zbus(out_args("bytes"))]
    async fn compact_journal(&self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>, network: &str) -> Result<u64, BoxDBusError> {
        let desk = self.desk(network).map_err(boxed)?;
        let slot = self.slot().map_err(boxed)?;
        archive::work(&emitter, desk, "compact", slot, |archive, tell| archive.compact(tell)).await.map_err(boxed)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn node_name(&self) -> String {
        self.desks.first().map(|desk| text(&desk.now().me)).unwrap_or_default()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn networks(&self) -> Vec<OwnedObjectPath> {
        self.desks.iter().map(|desk| path::network(&desk.network)).collect()
    }

    #[zbus(signal)]
    pub(super) async fn incident_opened(emitter: &SignalEmitter<'_>, incident: ObjectPath<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn incident_closed(emitter: &SignalEmitter<'_>, incident: ObjectPath<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    pub(super) async fn journal_progress(emitter: &SignalEmitter<'_>, network: &str, work: &str, done: u64, total: u64)
    -> zbus::Result<()>;
}

/// Asks the loop, which answers `within` a time.
pub(super) async fn ask(desk: &Desk, command: Command, within: Span) -> Result<Reply, BoxDBusError> {
    // The node answers at its deadline; who does not is not awaited for ever.
    let longest = within.std() + Duration::from_secs(10);
    let reply = tokio::time::timeout(longest, desk.ask(command)).await;
    let silent = |_| Reply::Refused("the daemon did not answer in time; see its log (journalctl -u peerwatchd)".into());
    match reply.unwrap_or_else(silent) {
        Reply::Refused(why) => Err(boxed(Error::Refused(text(&why)))),
        reply => Ok(reply),
    }
}

/// The key of a node, by its name or by the key itself.
fn node(desk: &Desk, name: &str) -> Result<NodeId, Error> {
    let view = desk.now();
    let found = view.nodes.iter().find(|node| node.name == name || node.id.hex() == name);
    found.map(|node| node.id).ok_or_else(|| {
        Error::NoSuchNode(format!("network {} has no node \"{}\"; peerwatchctl nodes lists them", text(&view.network), text(name)))
    })
}

pub(super) fn boxed(error: Error) -> BoxDBusError {
    Box::new(error)
}

/// The loop answers what it was asked; should it not, that is told and nothing breaks.
pub(super) fn unexpected(reply: &Reply) -> BoxDBusError {
    boxed(Error::Refused(text(&format!("the daemon answered something else: {reply:?}; this is a mistake in it, please report it"))))
}
