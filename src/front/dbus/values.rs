//! The key/value store on the bus: `org.peerwatch.Peerwatch1.Values` at the root object.
//!
//! Everybody reads; who writes is the bus's policy. Each change is a signal, which carries a small value
//! and names a large one: whoever wants that fetches it. A bus that takes signals slower than changes
//! come is told that some were missed, as every subscriber is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::spawn_blocking;
use zbus::object_server::SignalEmitter;
use zbus::{BoxDBusError, Connection, OwnedVariant, fdo, interface};

use super::manager::{Error, boxed, find_desk, unexpected};
use super::value::{Known, Traits, moment, text};
use super::{BusError, lost, path};
use crate::base::command::{Command, Reply};
use crate::base::kv::{Change, Cursor, Item, Query, Values as All, Write};
use crate::base::limits;
use crate::front::desk::{Desk, Desks, Heard, Subscriber};

/// The object.
pub(super) struct Values {
    desks: Desks,
}

/// Whose part, the key, and what is known of the value.
type Row = (String, String, Traits);

impl Values {
    /// The values of these networks.
    pub(super) fn new(desks: Desks) -> Self {
        Self { desks }
    }

    /// A node writes in its own part and in no other.
    fn own(&self, network: &str, node: &str) -> Result<(), BoxDBusError> {
        let values = find_desk(&self.desks, network).map_err(boxed)?.values.borrow().clone();
        let name = known(&values, node)?;
        if name == values.me {
            return Ok(());
        }
        let why = format!("only node {} writes in its part, and this is {}; ask there", text(&name), text(&values.me));
        Err(boxed(Error::Refused(why)))
    }

    async fn ask(&self, network: &str, writes: Vec<Write>) -> Result<u64, BoxDBusError> {
        let desk = find_desk(&self.desks, network).map_err(boxed)?;
        match tokio::time::timeout(LONGEST, desk.ask(Command::Write(writes))).await {
            Ok(Reply::Written { revision }) => Ok(revision),
            Ok(Reply::Absent { key }) => Err(boxed(absent(&desk.now().me, &key))),
            Ok(Reply::Refused(why)) => Err(boxed(Error::Refused(text(&why)))),
            Ok(other) => Err(unexpected(&other)),
            Err(_) => {
                let why = "the daemon did not answer in time; it may have written all the same (journalctl -u peerwatchd)";
                Err(boxed(Error::Refused(why.into())))
            }
        }
    }
}

#[interface(name = "org.peerwatch.Peerwatch1.Values", introspection_docs = false)]
impl Values {
    /// What is under a key.
    #[zbus(out_args("value", "media", "revision", "at"))]
    async fn get(&self, network: &str, node: &str, key: &str) -> Result<(Vec<u8>, String, u64, u64), BoxDBusError> {
        let values = find_desk(&self.desks, network).map_err(boxed)?.values.borrow().clone();
        let node = known(&values, node)?;
        let item = values.get(&node, key).ok_or_else(|| boxed(absent(&node, key)))?;
        Ok((item.value.clone(), text(&item.media), item.revision, moment(item.at)))
    }

    /// Which keys there are.
    #[zbus(out_args("values", "cursor"))]
    async fn list(&self, network: &str, options: BTreeMap<String, OwnedVariant>) -> Result<(Vec<Row>, String), BoxDBusError> {
        let values = find_desk(&self.desks, network).map_err(boxed)?.values.borrow().clone();
        let (mut query, most) = query(options)?;
        if let Some(node) = &mut query.node {
            *node = known(&values, node)?;
        }
        let cursor = values.cursor.to_string();
        // A search reads everything.
        let found = spawn_blocking(move || values.find(&query, most)).await.map_err(|_| boxed(Error::Refused("try again".into())))?;
        let row = |(node, key, item): (&str, &str, &Item)| (text(node), text(key), traits(item).traits());
        Ok((found.iter().map(|found| row((&found.part.name, &found.key, &found.item))).collect(), cursor))
    }

    /// Keeps a value in this node's part.
    #[zbus(out_args("revision"))]
    async fn put(&self, network: &str, node: &str, key: &str, value: Vec<u8>, media: &str) -> Result<u64, BoxDBusError> {
        self.own(network, node)?;
        self.ask(network, vec![Write::Put { key: key.into(), value, media: media.into() }]).await
    }

    /// Lets go of a key of this node's part.
    #[zbus(out_args("revision"))]
    async fn delete(&self, network: &str, node: &str, key: &str) -> Result<u64, BoxDBusError> {
        self.own(network, node)?;
        self.ask(network, vec![Write::Delete { key: key.into() }]).await
    }

    /// Puts and deletes several keys, all or none.
    #[zbus(out_args("revision"))]
    async fn write(&self, network: &str, writes: Vec<(String, bool, Vec<u8>, String)>) -> Result<u64, BoxDBusError> {
        let write = |(key, put, value, media)| if put { Write::Put { key, value, media } } else { Write::Delete { key } };
        self.ask(network, writes.into_iter().map(write).collect()).await
    }

    #[zbus(signal)]
    async fn changed(
        emitter: &SignalEmitter<'_>,
        network: &str,
        node: &str,
        key: &str,
        revision: u64,
        cursor: &str,
        details: Traits,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn lagged(emitter: &SignalEmitter<'_>, network: &str, cursor: &str) -> zbus::Result<()>;
}

/// Announces each change of one network's values, until the bus or the daemon ends.
pub(super) async fn announce(desk: Desk, mut changes: Subscriber, bus: Connection) -> BusError {
    loop {
        let Some(heard) = changes.next().await else { return BusError::Stopped };
        if let Err(error) = tell(&desk.network, changes.place(), &heard, &bus).await {
            return lost(&error);
        }
    }
}

async fn tell(network: &str, place: Cursor, heard: &Heard, bus: &Connection) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(bus, path::ROOT)?;
    let cursor = place.to_string();
    match heard {
        Heard::Change(change) => {
            let (node, key) = (text(&change.name), text(&change.key));
            Values::changed(&emitter, &text(network), &node, &key, change.revision, &cursor, details(change)).await
        }
        Heard::Lagged(_) => Values::lagged(&emitter, &text(network), &cursor).await,
    }
}

fn details(change: &Change) -> Traits {
    let Some(item) = &change.item else {
        return Known::default().with("Deleted", true).with("AtUSec", moment(change.at)).traits();
    };
    let small = (item.value.len() <= limits::KV_SIGNAL).then(|| item.value.clone());
    traits(item).with("Deleted", false).maybe("Value", small).traits()
}

fn traits(item: &Item) -> Known {
    let size = u32::try_from(item.value.len()).unwrap_or(u32::MAX);
    Known::default().with("AtUSec", moment(item.at)).text("Media", &item.media).with("Revision", item.revision).with("Size", size)
}

/// The name of a node; an empty one stands for this node.
fn known(values: &All, node: &str) -> Result<String, BoxDBusError> {
    let part = values.part(node).map(|part| part.name.clone());
    part.ok_or_else(|| {
        let why = format!(
            "there is no node \"{}\" (peerwatchctl nodes); a key of this node that has a slash in it is written with one before it",
            text(node)
        );
        boxed(Error::NoSuchNode(why))
    })
}

fn absent(node: &str, key: &str) -> Error {
    Error::NoSuchKey(format!("node {} has no key \"{}\"", text(node), text(key)))
}

/// What a client wants to have listed.
fn query(options: BTreeMap<String, OwnedVariant>) -> Result<(Query, usize), fdo::Error> {
    let refuse = |why: String| Err(fdo::Error::InvalidArgs(why));
    let (mut query, mut most) = (Query::default(), limits::KV_ROWS);
    let mut after = (None, None);
    for (name, value) in options {
        if name == "Most" {
            match u32::try_from(&value).ok().and_then(|number| usize::try_from(number).ok()) {
                Some(number) if (1..=limits::KV_ROWS).contains(&number) => most = number,
                _ => return refuse(format!("Most is a number from 1 to {}, of type u", limits::KV_ROWS)),
            }
            continue;
        }
        let Ok(text) = String::try_from(value) else { return refuse(format!("{name} is a text, of type s")) };
        match name.as_str() {
            "Node" => query.node = Some(text),
            "Prefix" => query.prefix = text,
            "Containing" => query.text = text,
            "AfterNode" => after.0 = Some(text),
            "AfterKey" => after.1 = Some(text),
            _ => {
                let known = "Node, Prefix, Containing, Most, AfterNode and AfterKey";
                return refuse(format!("there is no option \"{name}\"; there are {known}"));
            }
        }
    }
    query.after = match after {
        (Some(node), Some(key)) => Some((node, key)),
        (None, None) => None,
        _ => return refuse("AfterNode and AfterKey belong together".into()),
    };
    Ok((query, most))
}

/// A commit takes milliseconds; a life that is just beginning may wait for its peers first.
const LONGEST: Duration = Duration::from_secs(18);
