//! The root object: what is there, and what can be asked.

use std::collections::BTreeMap;
use std::time::Duration;

use zbus::object_server::SignalEmitter;
use zbus::{BoxDBusError, DBusError, ObjectPath, OwnedObjectPath, OwnedVariant, fdo, interface};

use super::path;
use super::value::{Known, Rows, text};
use crate::base::command::{Command, Reply, Vantage};
use crate::base::limits;
use crate::base::time::{Micros, Span};
use crate::front::desk::{Desk, Desks};

/// Errors of this service; others are those of D-Bus itself.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.peerwatch.Peerwatch1.Error")]
pub(super) enum Error {
    /// There is no network of that name, or none was named and there are several.
    NoSuchNetwork(String),
    /// The daemon did not do it, and why.
    Refused(String),
}

/// The object.
pub(super) struct Manager {
    desks: Desks,
}

impl Manager {
    /// A root object for these networks.
    pub(super) fn new(desks: Desks) -> Self {
        Self { desks }
    }

    fn desk(&self, network: &str) -> Result<&Desk, Error> {
        let names = || self.desks.iter().map(|desk| text(&desk.network)).collect::<Vec<_>>().join(", ");
        match &*self.desks {
            [only] if network.is_empty() => Ok(only),
            _ if network.is_empty() => Err(Error::NoSuchNetwork(format!("this node is in several networks; name one of: {}", names()))),
            desks => desks
                .iter()
                .find(|desk| desk.network == network)
                .ok_or_else(|| Error::NoSuchNetwork(format!("this node is in no network \"{network}\"; it is in: {}", names()))),
        }
    }
}

#[interface(name = "org.peerwatch.Peerwatch1.Manager", introspection_docs = false)]
impl Manager {
    /// Every node of a network pings a host now; one row for each node.
    #[zbus(out_args("answers"))]
    async fn ping(&self, network: &str, host: &str, options: BTreeMap<String, OwnedVariant>) -> Result<Rows, BoxDBusError> {
        let desk = self.desk(network).map_err(|error| Box::new(error) as BoxDBusError)?;
        let command = ping(host, options)?;
        let Command::Ping { within, .. } = command;
        // The node answers at its deadline; who does not is not awaited for ever.
        let longest = within.std() + Duration::from_secs(10);
        let reply = tokio::time::timeout(longest, desk.ask(command)).await;
        let silent = |_| Reply::Refused("the daemon did not answer in time; see its log (journalctl -u peerwatchd)".into());
        match reply.unwrap_or_else(silent) {
            Reply::Pinged(vantages) => Ok(vantages.iter().map(row).collect()),
            Reply::Refused(why) => Err(Box::new(Error::Refused(text(&why)))),
        }
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
}

/// Makes a command of what a client asked for.
fn ping(host: &str, options: BTreeMap<String, OwnedVariant>) -> Result<Command, fdo::Error> {
    let refuse = |why: String| Err(fdo::Error::InvalidArgs(why));
    // The longest name that DNS has.
    if host.is_empty() || 253 < host.len() || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("the host is no name or address".into());
    }
    let (mut count, mut within) = (5, Span::secs(5));
    for (name, value) in options {
        match (name.as_str(), u32::try_from(&value).ok(), u64::try_from(&value).ok()) {
            ("Count", Some(number @ 1..=20), _) => count = u16::try_from(number).unwrap_or(20),
            ("Count", ..) => return refuse("Count is a number from 1 to 20, of type u".into()),
            ("WithinUSec", _, Some(micros)) if (1000..=limits::REQUEST_TIME.0 * 1000).contains(&micros) => {
                within = Span(micros / 1000);
            }
            ("WithinUSec", ..) => return refuse(format!("WithinUSec is a time from 1 ms to {}, of type t", limits::REQUEST_TIME)),
            _ => return refuse(format!("there is no option \"{name}\"; there are Count and WithinUSec")),
        }
    }
    Ok(Command::Ping { host: host.into(), count, within })
}

fn row(vantage: &Vantage) -> (String, BTreeMap<&'static str, zbus::Variant<'static>>) {
    let known = Known::default().with("Answered", vantage.answer.is_some());
    let Some(answer) = &vantage.answer else {
        return (text(&vantage.node), known.traits());
    };
    let time = |which: fn((u32, u32, u32)) -> u32| answer.times.map(which).map(Micros);
    let known = known
        .with("Sent", u32::from(answer.sent))
        .with("Received", u32::from(answer.received))
        .time("LeastUSec", time(|times| times.0))
        .time("MeanUSec", time(|times| times.1))
        .time("MostUSec", time(|times| times.2))
        .text("Detail", &answer.detail);
    (text(&vantage.node), known.traits())
}
