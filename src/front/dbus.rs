//! The bus: every network, node, target and incident as an object of `org.peerwatch.Peerwatch1`.
//!
//! One task per network follows its view: it puts objects on the bus, takes them off, and announces
//! what changed. Whoever reads a property reads a value that lies ready. The contract is
//! `dbus/org.peerwatch.Peerwatch1.xml`; who may do what is the bus's policy, not decided here.
//!
//! Losing the bus is no reason to stop: [`serve`] fails or [`Bus::lost`] returns, with a reason, and
//! the caller logs it and calls [`serve`] again after a pause (a second at first, doubling to a
//! minute). Nothing here retries by itself.

mod archive;
mod incident;
mod intents;
mod manager;
mod network;
mod node;
mod outline;
mod path;
mod question;
mod shelf;
mod target;
mod value;
mod values;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use zbus::connection::Builder;
use zbus::fdo::{ObjectManager, RequestNameFlags};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, DBusError as _, ObjectPath, OwnedObjectPath};

use self::incident::Incident;
use self::intents::Intents;
use self::manager::Manager;
use self::network::{Network, Shape};
use self::node::Node;
use self::shelf::{Room, Shelf, Slot};
use self::target::Target;
use self::values::Values;
use crate::base::limits;
use crate::base::view::View;
use crate::front::desk::{Desk, Desks};

/// Which bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusAddress {
    /// The system's: `DBUS_SYSTEM_BUS_ADDRESS` or the usual socket.
    System,
    /// The bus at this D-Bus address.
    At(String),
}

/// Why there is no bus. The daemon goes on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusError {
    /// It could not be reached.
    Unreachable(String),
    /// Another process has the name.
    NameTaken,
    /// The bus does not let this user have the name.
    NotAllowed(String),
    /// The connection ended, or the bus refused something that it had taken before.
    Lost(String),
    /// The views ended: the daemon is stopping.
    Stopped,
}

/// This daemon's presence on the bus; dropping it ends it.
#[derive(Debug)]
pub struct Bus {
    connection: Connection,
    followers: JoinSet<BusError>,
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = path::NAME;
        match self {
            Self::Unreachable(why) => write!(f, "the bus cannot be reached: {why}; is it running? (systemctl status dbus)"),
            Self::NameTaken => {
                write!(f, "another process has the name {name} on the bus; is a second peerwatchd running? (busctl status {name})")
            }
            Self::NotAllowed(why) => write!(
                f,
                "the bus does not let this user have the name {name}: {why}; \
                 is /usr/share/dbus-1/system.d/{name}.conf installed and loaded? (systemctl reload dbus)"
            ),
            Self::Lost(why) => write!(f, "the connection to the bus was lost: {why}"),
            Self::Stopped => f.write_str("the daemon is stopping"),
        }
    }
}

impl std::error::Error for BusError {}

/// A bus that is slower than this is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// Puts all networks on the bus, takes the name when everything is there, and follows the views from
/// then on. Must be called within a tokio runtime.
///
/// # Errors
/// Why it did not work; nothing of it is left on the bus then.
pub async fn serve(address: BusAddress, desks: Desks) -> Result<Bus, BusError> {
    let builder = match &address {
        BusAddress::System => Builder::system(),
        BusAddress::At(address) => Builder::address(address.as_str()),
    };
    let manager = Manager::new(desks.clone());
    let (values, intents) = (Values::new(desks.clone()), Intents::new(desks.clone()));
    let root =
        outline::describe(&manager) + &outline::describe(&intents) + &outline::describe(&values) + &outline::describe(&ObjectManager);
    let builder = builder.serve_at(path::ROOT, manager).serve_at(path::ROOT, values).serve_at(path::ROOT, intents);
    let builder = builder.serve_at(path::ROOT, ObjectManager).method_timeout(PATIENCE);
    let built = tokio::time::timeout(PATIENCE, builder.build()).await;
    let built = built.map_err(|_| BusError::Unreachable("it does not answer".into()))?;
    let connection = built.map_err(|error| BusError::Unreachable(error.to_string()))?;
    let mut followers = JoinSet::new();
    for desk in &*desks {
        let follower = Follower::new(desk.clone(), connection.clone(), desks.len()).await.map_err(|error| lost(&error))?;
        followers.spawn(follower.follow());
        followers.spawn(values::announce(desk.clone(), desk.subscribe().1, connection.clone()));
    }
    describe_above(&connection, &desks, &root).await.map_err(|error| lost(&error))?;
    // Not to be replaced, not replacing, not queued: there is one daemon or an error.
    let named = connection.request_name_with_flags(path::NAME, RequestNameFlags::DO_NOT_QUEUE).await;
    named.map_err(|error| match error {
        zbus::Error::NameTaken => BusError::NameTaken,
        zbus::Error::FDO(why) if why.name().ends_with(".AccessDenied") => {
            BusError::NotAllowed(why.description().unwrap_or_default().into())
        }
        error => lost(&error),
    })?;
    Ok(Bus { connection, followers })
}

impl Bus {
    /// Waits until the bus is lost or the daemon stops, and says why.
    pub async fn lost(&mut self) -> BusError {
        tokio::select! {
            () = self.connection.closed() => BusError::Lost("the bus closed it".into()),
            Some(end) = self.followers.join_next() => end.unwrap_or_else(|panic| BusError::Lost(panic.to_string())),
        }
    }

    /// Gives the name back and leaves the bus.
    pub async fn close(mut self) {
        // A bus that is gone has nothing to give back to.
        let _ = self.connection.release_name(path::NAME).await;
        self.followers.shutdown().await;
        let _ = self.connection.close().await;
    }
}

/// Describes the paths from the root down to the networks.
async fn describe_above(bus: &Connection, desks: &Desks, root: &str) -> zbus::Result<()> {
    let mut parent = String::new();
    for name in path::ROOT.split('/').skip(1) {
        let child = name.to_owned();
        let above = if parent.is_empty() { "/" } else { &parent };
        outline::cover(bus, ObjectPath::try_from(above)?, String::new(), move || vec![child.clone()]).await?;
        parent = format!("{parent}/{name}");
    }
    outline::cover(bus, ObjectPath::try_from(path::ROOT)?, root.into(), || vec!["network".into()]).await?;
    let networks: Vec<String> = desks.iter().map(|desk| path::last(&path::network(&desk.network))).collect();
    outline::cover(bus, path::networks(), String::new(), move || networks.clone()).await
}

fn lost(error: &zbus::Error) -> BusError {
    BusError::Lost(error.to_string())
}

/// Keeps one network's objects in step with its view.
struct Follower {
    desk: Desk,
    bus: Connection,
    network: Slot<Network>,
    nodes: Shelf<Node>,
    targets: Shelf<Target>,
    incidents: Shelf<Incident>,
}

impl Follower {
    /// Puts the network on the bus as its view is now.
    async fn new(mut desk: Desk, bus: Connection, networks: usize) -> zbus::Result<Self> {
        let place = path::network(&desk.network);
        let view = desk.view.borrow_and_update().clone();
        let nothing: Arc<[OwnedObjectPath]> = Arc::new([]);
        let shape = Shape {
            name: desk.network.clone(),
            view: view.clone(),
            nodes: nothing.clone(),
            targets: nothing.clone(),
            incidents: nothing,
            hidden: (0, 0),
        };
        let network = Slot::add(&bus, place.clone(), place.clone(), Arc::new(shape), Arc::default()).await?;
        let room = |objects, rows| Room { objects: objects / networks, rows: rows / networks };
        let nodes = Shelf::new("node", place.clone(), room(limits::NODES, limits::BUS_ROWS / 4));
        let targets = Shelf::new("target", place.clone(), room(limits::BUS_TARGETS, limits::BUS_ROWS));
        let incidents = Shelf::new("incident", place.clone(), room(limits::BUS_INCIDENTS, limits::BUS_ROWS / 4));
        let (a, b, c) = (nodes.children(), targets.children(), incidents.children());
        outline::cover(&bus, place, network.description(), move || [a(), b(), c()].concat()).await?;
        let mut follower = Self { desk, bus, network, nodes, targets, incidents };
        follower.show(&view).await?;
        Ok(follower)
    }

    /// Follows the view until the bus or the view ends.
    async fn follow(mut self) -> BusError {
        loop {
            if self.desk.view.changed().await.is_err() {
                return BusError::Stopped;
            }
            let view = self.desk.view.borrow_and_update().clone();
            if let Err(error) = self.turn(&view).await {
                return lost(&error);
            }
        }
    }

    /// One new view: the objects first, then the news about incidents.
    async fn turn(&mut self, view: &Arc<View>) -> zbus::Result<()> {
        let open_before = self.open();
        self.show(view).await?;
        let open = self.open();
        let root = SignalEmitter::new(&self.bus, path::ROOT)?;
        for incident in open.difference(&open_before) {
            Manager::incident_opened(&root, incident.as_str().try_into()?).await?;
        }
        for incident in open_before.difference(&open) {
            Manager::incident_closed(&root, incident.as_str().try_into()?).await?;
        }
        Ok(())
    }

    async fn show(&mut self, view: &Arc<View>) -> zbus::Result<()> {
        self.nodes.show(&self.bus, &view.nodes, |node| node.name.as_str()).await?;
        self.targets.show(&self.bus, &view.targets, |target| target.id.0.as_str()).await?;
        self.incidents.show(&self.bus, &view.incidents, |incident| incident.id.to_string()).await?;
        let shape = Shape {
            name: self.desk.network.clone(),
            view: view.clone(),
            nodes: self.nodes.order(),
            targets: self.targets.order(),
            incidents: self.incidents.order(),
            hidden: (self.targets.hidden(view.targets.len()), self.incidents.hidden(view.incidents.len())),
        };
        self.network.show(&self.bus, Arc::new(shape)).await
    }

    /// The paths of the incidents that are open.
    fn open(&self) -> BTreeSet<String> {
        self.incidents.values().filter(|(_, incident)| incident.open).map(|(path, _)| path.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::dbus::shelf::Object;

    const CONTRACT: &str = include_str!("../../dbus/org.peerwatch.Peerwatch1.xml");

    /// Names of an interface's properties that announce their changes: all, and those only named.
    fn announced(interface: &str) -> (Vec<&str>, Vec<&str>) {
        let body = CONTRACT.split(&format!("<interface name=\"{interface}\">")).nth(1).unwrap();
        let body = body.split("</interface>").next().unwrap();
        let properties = || body.split("<property name=\"").skip(1);
        let name = |property: &'static str| property.split('"').next().unwrap();
        let quiet = |property: &&str| property.contains("value=\"const\"") || property.contains("value=\"false\"");
        let all = properties().filter(|property| !quiet(property)).map(name).collect();
        (all, properties().filter(|property| property.contains("value=\"invalidates\"")).map(name).collect())
    }

    fn check<I: Object>() {
        let interface = I::name();
        let (mut all, mut named) = announced(interface.as_str());
        let mut followed: Vec<_> = I::FOLLOWED.iter().map(|property| property.name).collect();
        let mut silent: Vec<_> = I::FOLLOWED.iter().filter(|property| !property.carried).map(|property| property.name).collect();
        for list in [&mut all, &mut named, &mut followed, &mut silent] {
            list.sort_unstable();
        }
        assert_eq!((followed, silent), (all, named), "{interface}");
    }

    #[test]
    fn every_property_that_promises_signals_is_followed() {
        check::<Network>();
        check::<Node>();
        check::<Target>();
        check::<Incident>();
    }
}
