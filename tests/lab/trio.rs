//! The usual lab: three nodes `a`, `b`, `c` and a fourth host with what they watch.

use nix::sys::signal::Signal;

use crate::files::{Definition, host_toml, make_key, write};
use crate::host::Host;
use crate::net::{Lab, Place};
use crate::picture::{Picture, Records};
use crate::services::{Mailbox, Nginx};
use crate::wait::{holds, same, secs, until};

/// Three nodes and their surroundings. Daemons end before the wires go: the order of the fields.
pub(crate) struct Trio {
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) c: Host,
    /// The page that all watch.
    pub(crate) shop: Nginx,
    /// A port that all watch.
    pub(crate) gate: Nginx,
    /// A port that only `a` watches.
    pub(crate) corner: Nginx,
    pub(crate) mailbox: Mailbox,
    pub(crate) services: Place,
    pub(crate) definition: Definition,
    pub(crate) lab: Lab,
}

impl Trio {
    /// Three running nodes and an open mailbox; none where there can be no lab.
    pub(crate) fn running(test: &str) -> Option<Self> {
        let trio = Self::prepared(test)?;
        trio.mailbox.open();
        trio.begin();
        trio.all_well();
        Some(trio)
    }

    /// The same with nothing started but what is watched.
    pub(crate) fn prepared(test: &str) -> Option<Self> {
        let lab = Lab::new(test)?;
        let services = lab.place("s");
        let [a, b, c] = ["a", "b", "c"].map(|name| Host::new(name, lab.place(name)));
        let definition = Definition {
            nodes: [&a, &b, &c].map(|host| (host.name.clone(), host.place.v4.clone())).into(),
            services: (services.v4.clone(), services.v6.clone()),
            more: String::new(),
        };
        let trio = Self {
            shop: Nginx::new(&services, 80),
            gate: Nginx::new(&services, 81),
            corner: Nginx::new(&services, 82),
            mailbox: Mailbox::closed(&services),
            services,
            definition,
            a,
            b,
            c,
            lab,
        };
        trio.write_files();
        Some(trio)
    }

    /// The nodes.
    pub(crate) fn hosts(&self) -> [&Host; 3] {
        [&self.a, &self.b, &self.c]
    }

    /// Writes the definition as it is now on every host, before the first start.
    pub(crate) fn write_definitions(&self) {
        for host in self.hosts() {
            write(&host.definition(), &self.definition.toml());
        }
    }

    /// Starts the three daemons.
    pub(crate) fn begin(&self) {
        for host in self.hosts() {
            host.start();
        }
    }

    /// Writes the definition, with more text at its end, on every host and has it read again.
    pub(crate) fn redefine(&self, more: &str) {
        let definition = Definition { more: more.into(), ..self.definition.clone() };
        for host in self.hosts() {
            write(&host.definition(), &definition.toml());
            host.signal(Signal::SIGHUP);
        }
    }

    /// Waits until all three nodes are here and everything is up, on all three.
    #[track_caller]
    pub(crate) fn all_well(&self) {
        for host in self.hosts() {
            until(&format!("all is well on {}", host.name), secs(90), || well(&host.picture()?));
        }
    }

    /// Waits until every node takes part in votes: a node that has just begun is silent for a lease.
    #[track_caller]
    pub(crate) fn all_vote(&self) {
        for host in self.hosts() {
            until(&format!("{} sees all vote", host.name), secs(60), || {
                let picture = host.picture()?;
                holds(["a", "b", "c"].iter().all(|node| picture.node(node)["voting"] == true), || format!("{:?}", picture.0["nodes"]))
            });
        }
    }

    /// Waits until one node shows a target as so.
    #[track_caller]
    pub(crate) fn shown(host: &Host, target: &str, standing: &str) {
        until(&format!("{} shows {target} {standing}", host.name), secs(60), || {
            let picture = host.picture()?;
            holds(picture.target(target)["standing"] == standing, || format!("{}", picture.target(target)))
        });
    }

    /// Waits until these nodes have the same journal and say the same; returns what they say.
    #[track_caller]
    pub(crate) fn agreed(hosts: &[&Host]) -> Records {
        until("all say the same", secs(60), || {
            let first = hosts[0].picture()?.records();
            for host in &hosts[1..] {
                let other = host.picture()?.records();
                same(&format!("heads of {} and {}", hosts[0].name, host.name), &first.heads, &other.heads)?;
                same("standings", &first.standings, &other.standings)?;
                same("incidents", &first.incidents, &other.incidents)?;
            }
            holds(!first.heads.is_empty(), || "no heads".into()).map(|()| first)
        })
    }

    /// What an administrator would have prepared: keys, and the same definition everywhere.
    fn write_files(&self) {
        for host in self.hosts() {
            write(&host.config(), &host_toml(&host.name, &self.services.v4));
            write(&host.definition(), &self.definition.toml());
            make_key(&host.secret_key(), &host.public_key(&host.name));
        }
        for from in self.hosts() {
            let key = std::fs::read_to_string(from.public_key(&from.name)).expect("a public key");
            for to in self.hosts() {
                write(&to.public_key(&from.name), &key);
            }
        }
    }
}

/// Whether all three nodes are here and every target is up.
fn well(picture: &Picture) -> Result<(), String> {
    let present = picture.present();
    holds(present.len() == 3, || format!("only {present:?} are here"))?;
    let standings = picture.standings();
    let missing: Vec<&str> = Definition::TARGETS.into_iter().filter(|target| !standings.contains_key(*target)).collect();
    holds(missing.is_empty(), || format!("no target {missing:?} in {standings:?}"))?;
    let bad: Vec<_> = standings.iter().filter(|(_, standing)| *standing != "up").collect();
    holds(bad.is_empty(), || format!("not up: {bad:?}"))
}
