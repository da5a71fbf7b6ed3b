//! `watch`: what a signal of the daemon means, as lines.
//!
//! The objects are kept as the signals tell, and each change of one is compared as a view with the
//! view before. Pure but for the reading of messages; printing is the caller's.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use zbus::{Message, OwnedObjectPath, OwnedVariant};

use super::client::{Objects, Properties};
use super::picture::{self, INCIDENT, NETWORK, NODE, TARGET};
use crate::base::view::{IncidentView, NodeView, TargetView, View};

/// One change, as `watch --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// When it was noticed here: ISO 8601 in UTC.
    pub(super) at: String,
    /// The network's name.
    pub(super) network: String,
    /// `network`, `node`, `target` or `incident`.
    pub(super) kind: &'static str,
    /// Of which one.
    pub(super) name: String,
    /// What changed: a word for programs.
    pub(super) change: &'static str,
    /// What it was, and is; empty where that says nothing.
    pub(super) from: String,
    /// See `from`.
    pub(super) to: String,
    /// The change for people.
    pub(super) text: String,
}

/// Takes one signal into the objects and says what it changed. What cannot be read changes nothing.
pub(super) fn apply(objects: &mut Objects, signal: &Message) -> Vec<Change> {
    let header = signal.header();
    let (Some(path), Some(member)) = (header.path(), header.member()) else { return Vec::new() };
    let body = signal.body();
    match member.as_str() {
        "PropertiesChanged" => match body.deserialize::<(String, Properties, Vec<String>)>() {
            Ok((interface, changed, _)) => update(objects, path.as_str(), &interface, changed),
            Err(_) => Vec::new(),
        },
        "InterfacesAdded" => match body.deserialize::<(OwnedObjectPath, HashMap<String, Properties>)>() {
            Ok((path, interfaces)) => add(objects, path.as_str(), interfaces),
            Err(_) => Vec::new(),
        },
        "InterfacesRemoved" => match body.deserialize::<(OwnedObjectPath, Vec<String>)>() {
            Ok((path, _)) => remove(objects, path.as_str()),
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn update(objects: &mut Objects, path: &str, interface: &str, changed: HashMap<String, OwnedVariant>) -> Vec<Change> {
    let Some(properties) = objects.get(path).and_then(|interfaces| interfaces.get(interface)) else { return Vec::new() };
    let before = thing(objects, interface, properties);
    let Some(properties) = objects.get_mut(path).and_then(|interfaces| interfaces.get_mut(interface)) else { return Vec::new() };
    properties.extend(changed);
    let after =
        objects.get(path).and_then(|interfaces| interfaces.get(interface)).and_then(|properties| thing(objects, interface, properties));
    let mut story = Story::of(objects, path);
    match (before, after) {
        (Some(Thing::Network(before)), Some(Thing::Network(after))) => story.network(&before, &after),
        (Some(Thing::Node(before)), Some(Thing::Node(after))) => story.node(&before, &after),
        (Some(Thing::Target(before)), Some(Thing::Target(after))) => story.target(&before, &after),
        (Some(Thing::Incident(before)), Some(Thing::Incident(after))) => story.incident(&before, &after),
        _ => {}
    }
    story.changes
}

fn add(objects: &mut Objects, path: &str, interfaces: HashMap<String, Properties>) -> Vec<Change> {
    objects.entry(path.into()).or_default().extend(interfaces);
    let mut story = Story::of(objects, path);
    match found(objects, path) {
        Some(Thing::Node(node)) => story.tell("node", &node.name, "added", "", "", "added".into()),
        Some(Thing::Target(target)) => story.tell("target", &target.id.0, "added", "", "", "added".into()),
        Some(Thing::Incident(incident)) if incident.open => {
            let standing = incident.standing.word();
            story.tell("incident", &incident.id.to_string(), "opened", "", standing, format!("opened: {standing}: {}", incident.reason));
        }
        _ => {}
    }
    story.changes
}

fn remove(objects: &mut Objects, path: &str) -> Vec<Change> {
    let mut story = Story::of(objects, path);
    match found(objects, path) {
        Some(Thing::Node(node)) => story.tell("node", &node.name, "removed", "", "", "removed".into()),
        Some(Thing::Target(target)) => story.tell("target", &target.id.0, "removed", "", "", "removed".into()),
        _ => {}
    }
    objects.remove(path);
    story.changes
}

/// What an object shows.
enum Thing {
    Network(Box<View>),
    Node(Box<NodeView>),
    Target(Box<TargetView>),
    Incident(Box<IncidentView>),
}

fn found(objects: &Objects, path: &str) -> Option<Thing> {
    let interfaces = objects.get(path)?;
    [NETWORK, NODE, TARGET, INCIDENT].into_iter().find_map(|interface| thing(objects, interface, interfaces.get(interface)?))
}

fn thing(objects: &Objects, interface: &str, properties: &Properties) -> Option<Thing> {
    Some(match interface {
        // Its own properties only: its nodes and targets tell their changes themselves.
        NETWORK => Thing::Network(Box::new(picture::view(&BTreeMap::new(), properties))),
        NODE => Thing::Node(Box::new(picture::node(properties))),
        TARGET => Thing::Target(Box::new(picture::target(objects, properties))),
        INCIDENT => Thing::Incident(Box::new(picture::incident(properties))),
        _ => return None,
    })
}

/// The changes of one object.
struct Story {
    network: String,
    changes: Vec<Change>,
}

impl Story {
    fn of(objects: &Objects, path: &str) -> Self {
        // A network's path is the beginning of the paths of all that is in it.
        let mut above = objects.range(..=path.to_owned()).rev().filter(|(above, _)| path.starts_with(above.as_str()));
        let network = above.find_map(|(_, interfaces)| interfaces.get(NETWORK));
        let network = network.map(|properties| picture::view(&BTreeMap::new(), properties).network).unwrap_or_default();
        Self { network, changes: Vec::new() }
    }

    fn tell(&mut self, kind: &'static str, name: &str, change: &'static str, from: &str, to: &str, text: String) {
        let (network, name, from, to) = (self.network.clone(), name.into(), from.into(), to.into());
        self.changes.push(Change { at: String::new(), network, kind, name, change, from, to, text });
    }

    fn turn(&mut self, kind: &'static str, name: &str, change: &'static str, (from, to): (&str, &str), note: &str) {
        if from != to {
            let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
            self.tell(kind, name, change, from, to, format!("{from} -> {to}{note}"));
        }
    }

    fn flag(&mut self, kind: &'static str, name: &str, change: &'static str, (from, to): (bool, bool), texts: (&str, &str)) {
        if from != to {
            let word = |flag| if flag { "yes" } else { "no" };
            self.tell(kind, name, change, word(from), word(to), if to { texts.0 } else { texts.1 }.into());
        }
    }

    fn network(&mut self, before: &View, after: &View) {
        let name = after.me.clone();
        self.flag("network", &name, "isolated", (before.isolated, after.isolated), ISOLATED);
        if before.fault != after.fault {
            let text = after
                .fault
                .as_ref()
                .map_or_else(|| "writes its journal again".into(), |fault| format!("cannot write its journal: {fault}"));
            let [from, to] = [before, after].map(|view| view.fault.clone().unwrap_or_default());
            self.tell("network", &name, "fault", &from, &to, text);
        }
        for remark in after.remarks.iter().filter(|remark| !before.remarks.contains(remark)) {
            self.tell("network", &name, "remark", "", remark, remark.clone());
        }
    }

    fn node(&mut self, before: &NodeView, after: &NodeView) {
        let name = after.name.as_str();
        self.turn("node", name, "presence", (before.presence.word(), after.presence.word()), "");
        self.flag("node", name, "isolated", (before.isolated, after.isolated), ISOLATED);
        self.flag("node", name, "voting", (before.voting, after.voting), ("takes part in votes", "takes no part in votes"));
        let [from, to] = [before, after].map(|node| node.software.clone().unwrap_or_default());
        if !from.is_empty() {
            self.turn("node", name, "software", (&from, &to), "software");
        }
        let differs = |node: &NodeView| node.same_definition == Some(false);
        let definition = ("follows another definition of the network", "follows the same definition again");
        self.flag("node", name, "definition", (differs(before), differs(after)), definition);
        for link in &after.links {
            let was = before.links.iter().find(|old| old.peer == link.peer);
            if was.is_some_and(|old| old.up == link.up) {
                continue;
            }
            let (from, to) = if link.up { ("down", "up") } else { ("up", "down") };
            let verb = if link.up { "linked to" } else { "lost its link to" };
            self.tell("node", name, "link", from, to, format!("{verb} {} ({})", link.peer, link.detail));
        }
    }

    fn target(&mut self, before: &TargetView, after: &TargetView) {
        let name = after.id.0.as_str();
        let votes = format!("{} of {}", after.votes.0, after.votes.1);
        self.turn("target", name, "standing", (before.standing.word(), after.standing.word()), &votes);
        for watcher in &after.watchers {
            let was = before.watchers.iter().find(|old| old.node == watcher.node);
            let from = was.map(|old| old.verdict).unwrap_or_default().word();
            if from != watcher.verdict.word() {
                let detail = if watcher.detail.is_empty() { String::new() } else { format!(": {}", watcher.detail) };
                let text = format!("{} says {}{detail}", watcher.node, watcher.verdict.word());
                self.tell("target", name, "verdict", from, watcher.verdict.word(), text);
            }
        }
    }

    fn incident(&mut self, before: &IncidentView, after: &IncidentView) {
        let name = after.id.to_string();
        self.turn("incident", &name, "standing", (before.standing.word(), after.standing.word()), "");
        if before.open && !after.open {
            let lasted = after.lasted.map(|span| format!(" after {span}")).unwrap_or_default();
            self.tell("incident", &name, "closed", "open", "closed", format!("closed{lasted}"));
        } else if !before.open && after.open {
            self.tell("incident", &name, "opened", "closed", "open", format!("opened again: {}", after.reason));
        }
        for notice in &after.notices {
            let was = before.notices.iter().find(|old| (&old.channel, old.phase) == (&notice.channel, notice.phase));
            let from = was.map_or("", |old| old.state);
            if from != notice.state {
                let by = notice.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                let text = format!("{} {}{by} ({})", notice.channel, notice.state, notice.phase);
                self.tell("incident", &name, "notice", from, notice.state, text);
            }
        }
    }
}

const ISOLATED: (&str, &str) = ("is isolated", "is not isolated any more");
