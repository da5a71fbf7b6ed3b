//! What one node shows at `/api/v1/state`, read as a stranger's program would read it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The whole network as one node knows it.
#[derive(Clone, Debug)]
pub(crate) struct Picture(pub(crate) Value);

/// What all nodes must agree upon once they have the same journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// Author, incarnation, lane, sequence.
    pub(crate) heads: BTreeSet<(String, String, String, u64)>,
    /// Target and standing.
    pub(crate) standings: BTreeMap<String, String>,
    /// Incident, whether open, and what was told: channel, phase, by whom.
    pub(crate) incidents: BTreeMap<String, (bool, BTreeSet<String>)>,
}

impl Picture {
    /// Reads the answer.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map(Self).map_err(|error| format!("no JSON ({error}): {text}"))
    }

    /// A list of the network.
    fn list(&self, name: &str) -> &[Value] {
        self.0[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// One node.
    pub(crate) fn node(&self, name: &str) -> &Value {
        self.list("nodes").iter().find(|node| node["name"] == name).unwrap_or(&Value::Null)
    }

    /// One target.
    pub(crate) fn target(&self, name: &str) -> &Value {
        self.list("targets").iter().find(|target| target["name"] == name).unwrap_or(&Value::Null)
    }

    /// One watcher's words on a target.
    pub(crate) fn verdict(&self, target: &str, watcher: &str) -> String {
        let watchers = self.target(target)["watchers"].as_array().cloned().unwrap_or_default();
        let row = watchers.iter().find(|row| row["node"] == watcher).cloned().unwrap_or_default();
        row["verdict"].as_str().unwrap_or("none").into()
    }

    /// One incident.
    pub(crate) fn incident(&self, id: &str) -> &Value {
        self.list("incidents").iter().find(|incident| incident["id"] == id).unwrap_or(&Value::Null)
    }

    /// Nodes that are here, this one included.
    pub(crate) fn present(&self) -> BTreeSet<String> {
        let here = |node: &&Value| matches!(node["presence"].as_str(), Some("me" | "alive"));
        self.list("nodes").iter().filter(here).map(|node| text(&node["name"])).collect()
    }

    /// All targets and their standings.
    pub(crate) fn standings(&self) -> BTreeMap<String, String> {
        self.list("targets").iter().map(|target| (text(&target["name"]), text(&target["standing"]))).collect()
    }

    /// Whether this node says that it has a link to the other.
    pub(crate) fn linked(&self, me: &str, peer: &str) -> bool {
        let links = self.node(me)["links"].as_array().cloned().unwrap_or_default();
        links.iter().any(|link| link["peer"] == peer && link["up"] == true)
    }

    /// Ids of the incidents of a target.
    pub(crate) fn incidents_of(&self, target: &str) -> Vec<String> {
        self.list("incidents").iter().filter(|incident| incident["target"] == target).map(|incident| text(&incident["id"])).collect()
    }

    /// Why this node cannot write, if it cannot.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.0["fault"].as_str()
    }

    /// What people should know about this node.
    pub(crate) fn remarks(&self) -> String {
        self.list("remarks").iter().map(text).collect::<Vec<_>>().join("\n")
    }

    /// What must be the same on all nodes.
    pub(crate) fn records(&self) -> Records {
        let heads = self.0["journal"]["heads"].as_array().cloned().unwrap_or_default();
        let head = |head: &Value| {
            (text(&head["author"]), text(&head["incarnation"]), text(&head["lane"]), head["sequence"].as_u64().unwrap_or_default())
        };
        let told = |incident: &Value| {
            let notices = incident["notices"].as_array().cloned().unwrap_or_default();
            let row = |notice: &Value| format!("{} {} by {}", text(&notice["channel"]), text(&notice["phase"]), text(&notice["by"]));
            notices.iter().filter(|notice| notice["state"] == "told").map(row).collect()
        };
        let incidents = self.list("incidents").iter();
        Records {
            heads: heads.iter().map(head).collect(),
            standings: self.standings(),
            incidents: incidents.map(|each| (text(&each["id"]), (each["open"] == true, told(each)))).collect(),
        }
    }
}

/// The rows of a list that `peerwatchctl` prints, whether bare or under its name; several networks make
/// a list of lists, of which the lab has one.
pub(crate) fn rows(value: &Value, name: &str) -> Vec<Value> {
    match value {
        Value::Object(fields) => fields.get(name).map(|inner| rows(inner, name)).unwrap_or_default(),
        Value::Array(items) if items.len() == 1 && items[0].get(name).is_some() => rows(&items[0], name),
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    }
}

/// The one network's part of what `peerwatchctl` prints.
pub(crate) fn only(value: &Value) -> &Value {
    value.as_array().and_then(|items| items.first()).unwrap_or(value)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}
