//! Five nodes on hosts of their own, the page that all of them watch, and the post office.
//!
//! There are two channels: `ops` by mail, for the page alone; `chat` by webhook, for everything, the nodes included. So
//! what a case does to nodes is told as well, and does not disturb what is counted about the page.

use std::fmt::Write as _;

use nix::sys::signal::Signal;

use crate::files::{NETWORK, host_toml, make_key, write};
use crate::host::Host;
use crate::net::{Lab, Place};
use crate::post::{Count, Post, RECEIVER, Told};
use crate::services::Nginx;
use crate::wait::{holds, same, secs, steady, until};

/// How many nodes there are.
const NODES: usize = 5;

/// Longer than a lease of ten seconds and the turns of all ranks, so that whoever would tell twice has.
const QUIET: std::time::Duration = secs(16);

/// Within this time everybody is told, whatever has died: half a minute until a node is given up, its lease, the turns of
/// the others, and a machine that has more to do.
const TOLD: std::time::Duration = secs(150);

/// Five nodes and their surroundings. Daemons end before the wires go: the order of the fields.
pub(crate) struct Five {
    pub(crate) hosts: Vec<Host>,
    /// The page that all watch.
    pub(crate) shop: Nginx,
    pub(crate) post: Post,
    pub(crate) services: Place,
    _lab: Lab,
}

impl Five {
    /// Five running nodes that see each other vote; none where there can be no lab.
    pub(crate) fn running(test: &str) -> Option<Self> {
        let five = Self::prepared(test, "10s")?;
        five.begin();
        Some(five)
    }

    /// The same with nothing started but what is watched, and with this lease.
    pub(crate) fn prepared(test: &str, lease: &str) -> Option<Self> {
        let lab = Lab::new(test)?;
        let services = lab.place("s");
        let hosts = (1..=NODES).map(|number| {
            let name = format!("n{number}");
            Host::new(&name, lab.place(&name))
        });
        let hosts: Vec<Host> = hosts.collect();
        let (shop, post) = (Nginx::new(&services, 80), Post::open(&services));
        let five = Self { hosts, shop, post, services, _lab: lab };
        five.write_files(lease);
        Some(five)
    }

    /// Starts the daemons and waits until all is well.
    #[track_caller]
    pub(crate) fn begin(&self) {
        self.hosts.iter().for_each(Host::start);
        for host in &self.hosts {
            self.well(host, secs(120));
        }
    }

    /// Waits until a node sees all five, each with its vote, and the page up.
    #[track_caller]
    pub(crate) fn well(&self, host: &Host, within: std::time::Duration) {
        until(&format!("all is well on {}", host.name), within, || {
            let picture = host.picture()?;
            same("nodes that are here", &picture.present().len(), &NODES)?;
            let votes = |host: &Host| picture.node(&host.name)["voting"] == true;
            holds(self.hosts.iter().all(votes), || format!("not all vote: {:?}", picture.0["nodes"]))?;
            same("the page", &picture.target("shop")["standing"].as_str(), &Some("up"))
        });
    }

    /// Waits until a node sees these nodes and has given up the others.
    #[track_caller]
    pub(crate) fn sees(&self, viewer: usize, nodes: &[usize]) {
        until(&format!("{} sees {nodes:?} only", self.hosts[viewer].name), secs(90), || {
            let picture = self.hosts[viewer].picture()?;
            for (node, host) in self.hosts.iter().enumerate() {
                let presence = picture.node(&host.name)["presence"].as_str().unwrap_or_default().to_owned();
                let right = if nodes.contains(&node) { ["me", "alive"].contains(&presence.as_str()) } else { presence == "dead" };
                holds(right, || format!("{} is {presence}", host.name))?;
            }
            Ok(())
        });
    }

    /// Cuts the wires between these groups of nodes.
    pub(crate) fn split(&self, groups: &[&[usize]]) {
        for (number, group) in groups.iter().enumerate() {
            for (one, other) in
                groups.iter().skip(number + 1).flat_map(|rest| group.iter().flat_map(|one| rest.iter().map(move |other| (one, other))))
            {
                self.hosts[*one].place.cut(&self.hosts[*other].place);
            }
        }
    }

    /// All wires carry again.
    pub(crate) fn heal(&self) {
        self.hosts.iter().for_each(|host| host.place.mend());
    }

    /// The node at this address.
    #[track_caller]
    pub(crate) fn at(&self, address: &str) -> usize {
        self.hosts.iter().position(|host| host.place.v4 == address).unwrap_or_else(|| panic!("nobody is at {address}"))
    }

    /// The node of this name.
    #[track_caller]
    pub(crate) fn named(&self, name: &str) -> usize {
        self.hosts.iter().position(|host| host.name == name).unwrap_or_else(|| panic!("nobody is called {name}"))
    }

    /// Kills a daemon without a word.
    pub(crate) fn kill(&self, node: usize) {
        self.hosts[node].end(Signal::SIGKILL);
    }

    /// What both channels were told of the page, by state.
    pub(crate) fn told(&self, state: &str) -> [Vec<Told>; 2] {
        let of = |count: Count| {
            count.into_iter().filter(|(what, _)| what.starts_with("shop#") && what.ends_with(state)).flat_map(|(_, told)| told)
        };
        [of(self.post.mailed()).collect(), of(self.post.hooked()).collect()]
    }

    /// Waits until both channels were told this often that the page is in a state.
    #[track_caller]
    pub(crate) fn await_told(&self, state: &str, times: [usize; 2]) {
        until(&format!("mail and webhook tell {state} {times:?} times"), TOLD, || {
            let told = self.told(state);
            let enough = told.iter().zip(times).all(|(told, times)| times <= told.len());
            holds(enough, || format!("{told:?}"))
        });
    }

    /// How often both channels were told that the page is down, and that it is up.
    pub(crate) fn counts(&self) -> [[usize; 2]; 2] {
        ["down", "up"].map(|state| self.told(state).map(|told| told.len()))
    }

    /// For a while, these are the counts: down by mail and webhook, up by mail and webhook.
    #[track_caller]
    pub(crate) fn settled(&self, counts: [[usize; 2]; 2]) {
        steady("nothing more is told", QUIET, || same("down and up by mail and webhook", &self.counts(), &counts));
    }

    /// Waits until these nodes have the receipts of a notice by both channels, and says who told by mail.
    #[track_caller]
    pub(crate) fn receipted(&self, nodes: &[usize], phase: &str) -> usize {
        let mut teller = String::new();
        for node in nodes {
            teller = until(&format!("{} has the receipts of {phase}", self.hosts[*node].name), secs(30), || {
                let picture = self.hosts[*node].picture()?;
                let incident = picture.0["incidents"].as_array().into_iter().flatten().rfind(|incident| incident["target"] == "shop");
                let incident = incident.cloned().unwrap_or_default();
                let notices = incident["notices"].as_array().cloned().unwrap_or_default();
                let told = |channel: &str| {
                    notices.iter().find(|notice| notice["channel"] == channel && notice["phase"] == phase && notice["state"] == "told")
                };
                let (ops, chat) = (told("ops"), told("chat"));
                holds(ops.is_some() && chat.is_some(), || format!("{incident}"))?;
                Ok(ops.and_then(|notice| notice["by"].as_str()).unwrap_or_default().to_owned())
            });
        }
        self.named(&teller)
    }

    fn write_files(&self, lease: &str) {
        let mut text = format!(
            "id = \"{NETWORK}-five\"\nlease = \"{lease}\"\n\n[defaults]\ninterval = \"1s\"\ntimeout = \"900ms\"\n\
             confirm = {{ bad = 3, good = 2 }}\n\n"
        );
        for host in &self.hosts {
            let _ = write!(text, "[[node]]\nname = \"{}\"\naddress = [\"{}:9630\"]\n\n", host.name, host.place.v4);
        }
        let v4 = &self.services.v4;
        let _ = write!(
            text,
            "[[target]]\nname = \"shop\"\nhttp = {{ url = \"http://{v4}/\", status = \"200-299\", body = \"Welcome\" }}\n\n\
             [[notify]]\nname = \"ops\"\nmail = {{ to = [\"ops@example.org\"], from = \"peerwatch@example.org\" }}\n\
             targets = [\"shop\"]\ngroup = \"1s\"\n\n\
             [[notify]]\nname = \"chat\"\nwebhook = {{ url = \"http://{v4}:{RECEIVER}/\" }}\ngroup = \"1s\"\n"
        );
        for host in &self.hosts {
            write(&host.config(), &host_toml(&host.name, v4));
            write(&host.definition(), &text);
            make_key(&host.secret_key(), &host.public_key(&host.name));
        }
        for from in &self.hosts {
            let key = std::fs::read_to_string(from.public_key(&from.name)).expect("a public key");
            self.hosts.iter().for_each(|to| write(&to.public_key(&from.name), &key));
        }
    }
}
