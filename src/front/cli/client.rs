//! The bus as a client sees it: one call that brings everything, one that pings, and the signals.
//!
//! The names and types here are written by hand from `dbus/org.peerwatch.Peerwatch1.xml`, as any
//! other client would. Nothing is kept between calls.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use zbus::fdo::{DBusProxy, NameOwnerChangedStream, ObjectManagerProxy};
use zbus::message::Type;
use zbus::proxy::CacheProperties;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

use super::Trouble;
use crate::base::time::Span;

/// The daemon's name on the bus.
pub(super) const NAME: &str = "org.peerwatch.Peerwatch1";

const ROOT: &str = "/org/peerwatch/Peerwatch1";

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
        let manager = ManagerProxy::builder(&self.bus).destination(NAME).path(ROOT).cache_properties(CacheProperties::No);
        let options = [("Count", Variant::from(u32::from(count))), ("WithinUSec", Variant::from(within.0 * 1000))];
        manager.build().await?.ping(network, host, options.into()).await.map_err(Trouble::from)
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
