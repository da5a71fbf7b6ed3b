//! `[[node]]` entries and public keys to a roster.
//!
//! The file says who there is, the keys say who that is. A node whose key is missing or broken is left
//! out with a remark, and everything else goes on; it is still known by name, so that others may
//! name it.

use std::collections::BTreeMap;

use crate::base::config::fragment::{Entries, Node};
use crate::base::config::network::twins;
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::{list, short};
use crate::base::config::wording::nearest;
use crate::base::config::{ConfigError, FoundKey, MESH_PORT};
use crate::base::id::NodeId;
use crate::base::limits;
use crate::base::settings::{Member, Role};
use crate::base::target::Expected;

/// Who is in the network.
#[derive(Debug)]
pub(super) struct Roster {
    /// Members with a key, in the order of the file.
    pub(super) members: Vec<Member>,
    /// What people should know.
    pub(super) remarks: Vec<String>,
    /// Every node listed.
    listed: BTreeMap<String, Listed>,
}

#[derive(Debug)]
struct Listed {
    node: Option<NodeId>,
    role: Role,
}

impl Roster {
    /// Reads the entries; errors are double names, double keys and unreadable values.
    pub(super) fn read<'a>(source: Source<'a>, entries: &'a Entries<Node>, keys: &[FoundKey]) -> Result<Self, ConfigError> {
        let mut roster = Self { members: Vec::new(), remarks: Vec::new(), listed: BTreeMap::new() };
        for (index, entry) in entries.iter().enumerate() {
            if index == limits::NODES {
                return Err(source.at(entry).fault("there are too many nodes", format!("list at most {}", limits::NODES)));
            }
            let Some(name) = &entry.get_ref().0.name else {
                return Err(source.at(entry).fault("this node has no name", "add name = \"ber1\""));
            };
            if roster.listed.contains_key(name.get_ref()) {
                return Err(twins(source, "node", entries, |node| node.name.as_ref(), name.get_ref()));
            }
            roster.add(source, &source.at(name), &entry.get_ref().0, keys)?;
        }
        if entries.is_empty() {
            roster.remarks.push("no node is listed: add a [[node]] with a name for every host, and its public key to keys/".to_owned());
        }
        for (name, _) in keys.iter().filter(|(name, _)| !roster.listed.contains_key(name)) {
            roster.remarks.push(format!(
                "keys/{}.pub is not used: no node has that name; add [[node]] name = \"{}\" or remove the file",
                short(name),
                short(name)
            ));
        }
        Ok(roster)
    }

    fn add<'a>(&mut self, source: Source<'a>, place: &Placed<'a, String>, entry: &'a Node, keys: &[FoundKey]) -> Result<(), ConfigError> {
        let name = place.name()?;
        let roles = [Role::Admin, Role::Member, Role::Observer].map(|role| (role.word(), role));
        let role = source.read_if(entry.role.as_ref(), |role| role.word(&roles))?.unwrap_or_default();
        let addresses = source.read_if(entry.address.as_ref(), |whole| {
            list(&whole, |text| source.at(text), 0..=limits::NODE_ADDRESSES, |text| text.endpoint(Some(MESH_PORT)).map(join))
        })?;
        let expected = source.read_if(entry.expected.as_ref(), |text| expected(&text))?.unwrap_or_default();
        let node = self.key_of(&name, keys);
        if let Some(node) = node {
            if let Some(twin) = self.members.iter().find(|member| member.node == node) {
                return Err(place.fault(
                    format!("keys/{name}.pub holds the same key as keys/{}.pub", twin.name),
                    format!("copy node.pub from the state directory of {name} to keys/{name}.pub; every node has a key of its own"),
                ));
            }
            self.members.push(Member { node, name: name.clone(), role, addresses: addresses.unwrap_or_default(), expected });
        }
        self.listed.insert(name, Listed { node, role });
        Ok(())
    }

    /// The node's key; without one a remark.
    fn key_of(&mut self, name: &str, keys: &[FoundKey]) -> Option<NodeId> {
        let remedy = "it is left out; copy its public key there and reload";
        match keys.iter().find(|(of, _)| of == name) {
            Some((_, Ok(node))) => return Some(*node),
            Some((_, Err(reason))) => self.remarks.push(format!("node {name}: keys/{name}.pub {reason}: {remedy}")),
            None => self.remarks.push(format!("node {name} has no key file keys/{name}.pub: {remedy}")),
        }
        None
    }

    /// Whether a node of this name is listed, with or without key.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.listed.contains_key(name)
    }

    /// The names of all nodes that are listed, with or without key.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.listed.keys().map(String::as_str)
    }

    /// How many nodes are listed that may vote.
    pub(super) fn voters(&self) -> usize {
        self.listed.values().filter(|node| node.role.votes()).count()
    }

    /// The remedy for a name that no node has, with what stands before every name.
    pub(super) fn nearest(&self, prefix: &str, name: &str) -> String {
        let names: Vec<String> = self.listed.keys().map(|name| format!("{prefix}{name}")).collect();
        nearest(&format!("{prefix}{name}"), &names.iter().map(String::as_str).collect::<Vec<_>>(), "known here:")
    }

    /// The node that is to watch, by name: nothing for one that is left out.
    ///
    /// # Errors
    /// What is wrong and the remedy.
    pub(super) fn watcher(&self, name: &str) -> Result<Option<NodeId>, (String, String)> {
        match self.listed.get(name) {
            None => Err((format!("there is no node \"{}\"", short(name)), self.nearest("", name))),
            Some(node) if !node.role.votes() => Err((
                format!("\"{name}\" is an observer, and an observer's judgement does not count"),
                "name another node, or make it a member".to_owned(),
            )),
            Some(node) => Ok(node.node),
        }
    }
}

/// `expected = "always"` or `"sometimes"`.
pub(super) fn expected(text: &Placed<'_, String>) -> Result<Expected, ConfigError> {
    text.word(&[("always", Expected::Always), ("sometimes", Expected::Sometimes)])
}

/// An endpoint as one text, in the form that can be dialled.
fn join((host, port): (String, u16)) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
