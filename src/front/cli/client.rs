//! The bus as a client sees it: one call that brings everything, one that pings, and the signals.
//!
//! The names and types here are written by hand from `dbus/org.peerwatch.Peerwatch1.xml`, as any
//! other client would. Nothing is kept between calls.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use futures_util::StreamExt as _;
use zbus::fdo::{DBusProxy, NameOwnerChangedStream, ObjectManagerProxy};
use zbus::message::Type;
use zbus::proxy::CacheProperties;
use zbus::{Connection, Fd, MatchRule, MessageStream, OwnedVariant, Variant};

use super::Trouble;
use crate::base::time::Span;

/// The daemon's name on the bus.
pub(super) const NAME: &str = "org.peerwatch.Peerwatch1";

/// The path of the root object.
pub(super) const ROOT: &str = "/org/peerwatch/Peerwatch1";

/// The bus and the daemon have this long to answer; whoever is slower is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// Signals that wait while one is printed; the bus waits when they are more.
const SIGNALS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(4096).expect("BUG! zero");

/// The properties of one interface of one object.
pub(super) type Properties = HashMap<String, OwnedVariant>;

/// Objects by path, each with its interfaces by name.
pub(super) type Objects = BTreeMap<String, HashMap<String, Properties>>;

/// Names with what is known of each.
pub(super) type Rows = Vec<(String, BTreeMap<String, OwnedVariant>)>;

/// The root object. Its properties are not read: what they say is in the objects too.
#[zbus::proxy(interface = "org.peerwatch.Peerwatch1.Manager", assume_defaults = false)]
trait Manager {
    fn ping(&self, network: &str, host: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<Rows>;
    fn test_notice(&self, network: &str, channel: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<Rows>;
    fn revoke(&self, network: &str, node: &str, reason: &str, retire: bool) -> zbus::Result<String>;
    fn acknowledge(&self, network: &str, incident: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<String>;
    fn silence(&self, network: &str, what: &str, lasts: u64, options: HashMap<&str, Variant<'_>>) -> zbus::Result<String>;
    fn end_silence(&self, network: &str, id: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<String>;
    fn events(&self, network: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<Rows>;
    fn journal_stats(&self, network: &str) -> zbus::Result<(BTreeMap<String, OwnedVariant>, Rows)>;
    fn verify_journal(&self, network: &str) -> zbus::Result<BTreeMap<String, OwnedVariant>>;
    fn backup_journal(&self, network: &str, into: Fd<'_>) -> zbus::Result<u64>;
    fn compact_journal(&self, network: &str) -> zbus::Result<u64>;
    #[zbus(signal)]
    fn journal_progress(&self, network: &str, work: &str, done: u64, total: u64) -> zbus::Result<()>;
    fn trace(&self, network: &str, node: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<(bool, u64, Rows)>;
}

/// A connection to the daemon.
pub(super) struct Client {
    bus: Connection,
}

impl Client {
    /// Connects to the system bus; `longest` is the time that one call may take beyond [`PATIENCE`].
    pub(super) async fn connect(longest: Span) -> Result<Self, Trouble> {
        let build = zbus::connection::Builder::system().method_timeout(PATIENCE + longest.std()).build();
        let connected = tokio::time::timeout(PATIENCE, build).await;
        let bus = connected.map_err(|_| Trouble::Unreachable("the bus does not answer".into()))??;
        Ok(Self { bus })
    }

    /// The connection, for other interfaces of the root object.
    pub(super) const fn bus(&self) -> &Connection {
        &self.bus
    }

    /// Everything that the daemon shows, in one call.
    pub(super) async fn objects(&self) -> Result<Objects, Trouble> {
        let manager = ObjectManagerProxy::builder(&self.bus).destination(NAME).path(ROOT).cache_properties(CacheProperties::No);
        let objects = manager.build().await?.get_managed_objects().await.map_err(zbus::Error::from)?;
        let named = |interfaces: HashMap<zbus::names::OwnedInterfaceName, Properties>| {
            interfaces.into_iter().map(|(name, properties)| (name.to_string(), properties)).collect()
        };
        Ok(objects.into_iter().map(|(path, interfaces)| (path.to_string(), named(interfaces))).collect())
    }

    /// Every node of the network pings a host.
    pub(super) async fn ping(&self, network: &str, host: &str, count: u16, within: Span) -> Result<Rows, Trouble> {
        let options = [("Count", Variant::from(u32::from(count))), ("WithinUSec", Variant::from(within.0 * 1000))];
        self.manager().await?.ping(network, host, options.into()).await.map_err(Trouble::from)
    }

    /// The way to a node: whether there is one, how long its answer took, and the hops.
    pub(super) async fn trace(&self, network: &str, node: &str, within: Span) -> Result<(bool, u64, Rows), Trouble> {
        let options = [("WithinUSec", Variant::from(within.0 * 1000))];
        self.manager().await?.trace(network, node, options.into()).await.map_err(Trouble::from)
    }

    /// Has this node send an example by one channel, or by each.
    pub(super) async fn test_notice(&self, network: &str, channel: &str, state: &str) -> Result<Rows, Trouble> {
        let options = [("State", Variant::from(state.to_owned()))];
        self.manager().await?.test_notice(network, channel, options.into()).await.map_err(Trouble::from)
    }

    /// Says that somebody sees to an incident; returns its name.
    pub(super) async fn acknowledge(&self, network: &str, incident: &str, person: &str, reason: &str) -> Result<String, Trouble> {
        let options = [("Person", Variant::from(person.to_owned())), ("Reason", Variant::from(reason.to_owned()))];
        self.manager().await?.acknowledge(network, incident, options.into()).await.map_err(Trouble::from)
    }

    /// Begins a silence; returns its number.
    pub(super) async fn silence(&self, network: &str, what: &str, lasts: Span, person: &str, reason: &str) -> Result<String, Trouble> {
        let options = [("Person", Variant::from(person.to_owned())), ("Reason", Variant::from(reason.to_owned()))];
        self.manager().await?.silence(network, what, lasts.0 * 1000, options.into()).await.map_err(Trouble::from)
    }

    /// Ends a silence; returns its number.
    pub(super) async fn end_silence(&self, network: &str, id: &str, person: &str) -> Result<String, Trouble> {
        let options = [("Person", Variant::from(person.to_owned()))];
        self.manager().await?.end_silence(network, id, options.into()).await.map_err(Trouble::from)
    }

    /// What happened, newest first.
    pub(super) async fn events(&self, network: &str, most: u32) -> Result<Rows, Trouble> {
        let options = [("Most", Variant::from(most))];
        self.manager().await?.events(network, options.into()).await.map_err(Trouble::from)
    }

    /// Ends a node's membership; returns its name.
    pub(super) async fn revoke(&self, network: &str, node: &str, reason: &str, retire: bool) -> Result<String, Trouble> {
        self.manager().await?.revoke(network, node, reason, retire).await.map_err(Trouble::from)
    }

    /// What a network's journal takes, in all and by chain.
    pub(super) async fn journal_stats(&self, network: &str) -> Result<(BTreeMap<String, OwnedVariant>, Rows), Trouble> {
        Ok(self.manager().await?.journal_stats(network).await?)
    }

    /// Has a network's whole journal checked; `tell` hears how far it is: done, and in all.
    pub(super) async fn verify_journal(
        &self,
        network: &str,
        tell: impl FnMut(u64, u64),
    ) -> Result<BTreeMap<String, OwnedVariant>, Trouble> {
        let manager = self.manager().await?;
        followed(&manager, manager.verify_journal(network), tell).await
    }

    /// Has a copy of a network's journal written into an open file.
    pub(super) async fn backup_journal(&self, network: &str, into: BorrowedFd<'_>, tell: impl FnMut(u64, u64)) -> Result<u64, Trouble> {
        let manager = self.manager().await?;
        followed(&manager, manager.backup_journal(network, into.into()), tell).await
    }

    /// Has the free space of a network's journal given back.
    pub(super) async fn compact_journal(&self, network: &str, tell: impl FnMut(u64, u64)) -> Result<u64, Trouble> {
        let manager = self.manager().await?;
        followed(&manager, manager.compact_journal(network), tell).await
    }

    async fn manager(&self) -> Result<ManagerProxy<'_>, Trouble> {
        let manager = ManagerProxy::builder(&self.bus).destination(NAME).path(ROOT).cache_properties(CacheProperties::No);
        Ok(manager.build().await?)
    }

    /// All signals of the daemon from now on, and whether it leaves the bus.
    pub(super) async fn signals(&self) -> Result<(MessageStream, NameOwnerChangedStream), Trouble> {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).path_namespace(ROOT).build()?;
        let signals = MessageStream::for_match_rule(rule, &self.bus, Some(SIGNALS)).await?;
        let bus = DBusProxy::new(&self.bus).await?;
        let owner = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
        Ok((signals, owner))
    }
}

/// Waits for a call and tells meanwhile how far the daemon's work is; there is one such work at a time.
async fn followed<T>(
    manager: &ManagerProxy<'_>,
    call: impl Future<Output = zbus::Result<T>>,
    mut tell: impl FnMut(u64, u64),
) -> Result<T, Trouble> {
    let mut progress = manager.receive_journal_progress().await?;
    let mut call = std::pin::pin!(call);
    loop {
        tokio::select! {
            done = &mut call => return Ok(done?),
            Some(signal) = progress.next() => {
                if let Ok(args) = signal.args() {
                    tell(args.done, args.total);
                }
            }
        }
    }
}

impl From<zbus::Error> for Trouble {
    /// What an error of the bus means to whoever asked.
    fn from(error: zbus::Error) -> Self {
        let (name, text) = match &error {
            zbus::Error::MethodError(name, text, _) => (name.to_string(), text.clone().unwrap_or_default()),
            zbus::Error::FDO(error) => {
                let error: &(dyn zbus::DBusError + Send + Sync) = &**error;
                (error.name().to_string(), error.description().unwrap_or_default().to_owned())
            }
            other => return Self::Unreachable(other.to_string()),
        };
        match name.strip_prefix("org.peerwatch.Peerwatch1.Error.") {
            Some(_) => return Self::Negative(text),
            None if name.ends_with(".AccessDenied") => {
                return Self::Negative("the bus lets only root ask for this; try it with sudo".into());
            }
            None if name.ends_with(".InvalidArgs") => return Self::Usage(text),
            None => {}
        }
        let is = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        Self::Unreachable(if is(&[".NoReply", ".Timeout", ".TimedOut"]) {
            "it does not answer".into()
        } else if is(&[".ServiceUnknown", ".NameHasNoOwner"]) {
            "nobody has its name there".to_owned()
        } else if text.is_empty() {
            name
        } else {
            text
        })
    }
}
