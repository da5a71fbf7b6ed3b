//! A network's definition as one hash, so that nodes can see whether they follow the same.
//!
//! What is hashed is what was understood, not how it was written: comments, order of keys and
//! defaults spelled out change nothing. Nor does the name of the directory, which is each node's own.
//! Every value is preceded by its length, so that no two definitions look alike; every type is taken
//! apart completely, so that a new field cannot be forgotten.

use crate::base::channel::{Body, Only, Webhook};
use crate::base::hours::Hours;
use crate::base::id::{NodeId, TargetId};
use crate::base::maintenance::{Maintenance, When};
use crate::base::settings::{Channel, Member, Network, Split, Way};
use crate::base::target::{Confirm, Expected, Flap, Http, Icmp, Probe, Quorum, Target, Tcp, Thresholds, Watchers};
use crate::base::template::Shape;

/// The hash of all of `network` but its name and its hash.
pub(super) fn definition(network: &Network) -> [u8; 32] {
    let Network {
        name: _,
        id,
        network: _,
        definition: _,
        split,
        roster,
        former: _,
        targets,
        channels,
        maintenance,
        lease,
        journal_size,
        node_target,
    } = network;
    let mut hash = Hash(blake3::Hasher::new());
    hash.text("peerwatch definition 1");
    hash.text(id);
    hash.text(match split {
        Split::Each => "each",
        Split::Majority => "majority",
    });
    hash.number(lease.0);
    hash.number(*journal_size);
    hash.list(roster, Hash::member);
    hash.list(targets, Hash::target);
    hash.list(channels, Hash::channel);
    hash.list(maintenance, Hash::maintenance);
    hash.target(node_target);
    *hash.0.finalize().as_bytes()
}

struct Hash(blake3::Hasher);

impl Hash {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn list<T>(&mut self, list: &[T], item: impl Fn(&mut Self, &T)) {
        self.number(list.len() as u64);
        list.iter().for_each(|value| item(self, value));
    }

    fn optional<T>(&mut self, value: Option<&T>, item: impl Fn(&mut Self, &T)) {
        self.list(value.map(std::slice::from_ref).unwrap_or_default(), item);
    }

    fn node(&mut self, node: &NodeId) {
        self.bytes(&node.0);
    }

    fn texts(&mut self, texts: &[String]) {
        self.list(texts, |hash, text| hash.text(text));
    }

    fn optional_text(&mut self, text: Option<&String>) {
        self.optional(text, |hash, text| hash.text(text));
    }

    fn expected(&mut self, expected: Expected) {
        self.text(match expected {
            Expected::Always => "always",
            Expected::Sometimes => "sometimes",
        });
    }

    fn member(&mut self, member: &Member) {
        let Member { node, name, role, addresses, expected } = member;
        self.node(node);
        self.text(name);
        self.text(role.word());
        self.texts(addresses);
        self.expected(*expected);
    }

    fn channel(&mut self, channel: &Channel) {
        let Channel { name, way, on, only, group, remind, escalate } = channel;
        let Only { targets, groups, hours, severities } = only;
        self.text(name);
        self.text(way.name());
        match way {
            Way::Mail { to, from } => {
                self.texts(to);
                self.text(from);
            }
            Way::Webhook(webhook) => self.webhook(webhook),
            Way::Hook(name) => self.text(name),
        }
        self.texts(targets);
        self.texts(groups);
        self.optional(hours.as_ref(), Hash::hours);
        self.list(on, |hash, phase| hash.text(phase.word()));
        self.number(group.0);
        self.optional(remind.as_ref(), |hash, span| hash.number(span.0));
        self.optional(escalate.as_ref(), |hash, span| hash.number(span.0));
        self.list(severities, |hash, severity| hash.text(severity.word()));
    }

    fn maintenance(&mut self, maintenance: &Maintenance) {
        let Maintenance { name, targets, groups, when } = maintenance;
        self.text(name);
        self.texts(targets);
        self.texts(groups);
        match when {
            When::Every(hours) => self.hours(hours),
            When::Once { from, to } => {
                self.number(from.0.cast_unsigned());
                self.number(to.0.cast_unsigned());
            }
        }
    }

    fn hours(&mut self, hours: &Hours) {
        let (stretches, zone) = hours.written();
        self.texts(stretches);
        self.text(zone);
    }

    fn webhook(&mut self, webhook: &Webhook) {
        let Webhook { url, method, body, headers, to, secret, sign } = webhook;
        self.text(url.written());
        self.text(method.word());
        match body {
            Body::Own => self.text("own"),
            Body::Preset(preset) => self.text(preset.word()),
            Body::Template(shape) => {
                self.text("template");
                self.shape(shape);
            }
        }
        self.list(headers, |hash, (name, value)| {
            hash.text(name);
            hash.text(value.written());
        });
        self.optional_text(to.as_ref());
        self.optional_text(secret.as_ref());
        self.optional_text(sign.as_ref());
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Text(template) => {
                self.text("text");
                self.text(template.written());
            }
            Shape::Whole(number) => {
                self.text("whole");
                self.number(number.cast_unsigned());
            }
            Shape::Number(number) => {
                self.text("number");
                self.number(number.to_bits());
            }
            Shape::Truth(truth) => {
                self.text("truth");
                self.number(u64::from(*truth));
            }
            Shape::List(list) => {
                self.text("list");
                self.list(list, Self::shape);
            }
            Shape::Table(table) => {
                self.text("table");
                self.list(table, |hash, (key, inner)| {
                    hash.text(key);
                    hash.shape(inner);
                });
            }
        }
    }

    fn target(&mut self, target: &Target) {
        let Target {
            id: TargetId(id),
            group,
            probe,
            interval,
            timeout,
            confirm: Confirm { bad, good },
            degraded: Thresholds { loss, rtt },
            flap: Flap { count, within, steady },
            watchers,
            quorum,
            depends,
            expected,
            runbook,
            severity,
            reference,
        } = target;
        self.text(id);
        self.optional_text(group.as_ref());
        self.probe(probe);
        self.number(interval.0);
        self.number(timeout.0);
        self.number(u64::from(*bad));
        self.number(u64::from(*good));
        self.optional(loss.as_ref(), |hash, loss| hash.number(u64::from(loss.to_bits())));
        self.optional(rtt.as_ref(), |hash, rtt| hash.number(u64::from(rtt.0)));
        self.number(u64::from(*count));
        self.number(within.0);
        self.number(steady.0);
        self.watchers(watchers);
        self.quorum(*quorum);
        self.list(depends, |hash, TargetId(id)| hash.text(id));
        self.expected(*expected);
        self.optional_text(runbook.as_ref());
        self.text(severity.word());
        self.number(u64::from(*reference));
    }

    fn watchers(&mut self, watchers: &Watchers) {
        match watchers {
            Watchers::All => self.text("all"),
            Watchers::Count(count) => {
                self.text("count");
                self.number(u64::from(*count));
            }
            Watchers::Named(nodes) => {
                self.text("named");
                self.list(nodes, Self::node);
            }
        }
    }

    fn quorum(&mut self, quorum: Quorum) {
        match quorum {
            Quorum::Any => self.text("any"),
            Quorum::Majority => self.text("majority"),
            Quorum::All => self.text("all"),
            Quorum::Count(count) => {
                self.text("count");
                self.number(u64::from(count));
            }
        }
    }

    fn probe(&mut self, probe: &Probe) {
        match probe {
            Probe::Icmp(Icmp { host, count, gap, size }) => {
                self.text("icmp");
                self.text(host);
                self.number(u64::from(*count));
                self.number(gap.0);
                self.number(u64::from(*size));
            }
            Probe::Tcp(Tcp { host, port, send, expect }) => {
                self.text("tcp");
                self.text(host);
                self.number(u64::from(*port));
                self.optional_text(send.as_ref());
                self.optional_text(expect.as_ref());
            }
            Probe::Http(http) => {
                let Http { url, method, headers, status, body, certificate_days } = &**http;
                self.text("http");
                self.text(url);
                self.text(method);
                self.list(headers, |hash, (name, value)| {
                    hash.text(name);
                    hash.text(value);
                });
                self.text(&status.to_string());
                self.optional_text(body.as_ref());
                self.optional(certificate_days.as_ref(), |hash, days| hash.number(u64::from(*days)));
            }
            Probe::Node(node) => {
                self.text("node");
                self.node(node);
            }
            Probe::Reference(host) => {
                self.text("reference");
                self.text(host);
            }
        }
    }
}
