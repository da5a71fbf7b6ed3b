//! `network.toml` and the public keys beside it to a network's settings.

use std::collections::BTreeSet;

use toml::Spanned;

use crate::base::config::fragment::{Entries, Journal, NetworkFile, Table};
use crate::base::config::roster::Roster;
use crate::base::config::source::{Placed, Source};
use crate::base::config::target::{self, Habits};
use crate::base::config::value::list;
use crate::base::config::{ConfigError, FoundKey, LOCAL, Layer, depend, hash, maintenance, notify};
use crate::base::id::NetworkId;
use crate::base::limits;
use crate::base::settings::{Network, Split};
use crate::base::target::{GATEWAY, NAME_SERVERS, Target};
use crate::base::time::Span;

/// How long a granted ballot may act when nothing is said.
pub(super) const LEASE: Span = Span::secs(60);
/// Size of the journal when nothing is said.
pub(super) const JOURNAL_SIZE: u64 = 2 << 30;

/// Reads, checks and completes.
pub(super) fn settings(name: &str, layer: &Layer, keys: &[FoundKey]) -> Result<(Network, Vec<String>), ConfigError> {
    let source = Source::of(layer);
    let file: NetworkFile = source.read()?;
    let id = id(source, &file)?;
    let mut roster = Roster::read(source, &file.node, keys)?;
    let split = source.read_if(file.split.as_ref(), |text| split(&text, &roster))?.unwrap_or_default();
    let habits = Habits::read(source, &file.defaults.0, &roster)?;
    let targets = targets(source, &file, &habits, &mut roster)?;
    let Table(Journal { size }) = &file.journal;
    let mut network = Network {
        name: name.to_owned(),
        network: NetworkId::of(&id),
        id,
        definition: [0; 32],
        split,
        channels: notify::channels(source, &file, &targets, &roster)?,
        maintenance: maintenance::windows(source, &file, &targets, &roster)?,
        targets,
        lease: source.read_if(file.lease.as_ref(), |value| value.span(limits::LEASE_LEAST..=limits::LEASE_MOST))?.unwrap_or(LEASE),
        journal_size: source
            .read_if(size.as_ref(), |value| value.size(limits::JOURNAL_LEAST..=limits::JOURNAL_MOST))?
            .unwrap_or(JOURNAL_SIZE),
        roster: roster.members,
        former: Vec::new(),
        node_target: target::node_template(),
    };
    network.definition = hash::definition(&network);
    Ok((network, roster.remarks))
}

fn id(source: Source<'_>, file: &NetworkFile) -> Result<String, ConfigError> {
    let Some(id) = &file.id else {
        return Err(
            source.fault_of_file("id is missing", "add id = \"home-…\" at the top, with a few random letters, the same on every node")
        );
    };
    let place = source.at(id);
    let id = place.name()?;
    if id == LOCAL {
        return Err(place.fault(format!("\"{LOCAL}\" is the id of the network that every host makes by itself"), "choose another"));
    }
    Ok(id)
}

fn split(text: &Placed<'_, String>, roster: &Roster) -> Result<Split, ConfigError> {
    let split = text.word(&[("each", Split::Each), ("majority", Split::Majority)])?;
    if split == Split::Majority && roster.voters() == 2 {
        return Err(text
            .fault("of two nodes the majority is both, so when one fails the other tells nobody", "write \"each\", or add a third node"));
    }
    Ok(split)
}

fn targets<'a>(source: Source<'a>, file: &'a NetworkFile, habits: &Habits, roster: &mut Roster) -> Result<Vec<Target>, ConfigError> {
    let mut targets = Vec::with_capacity(file.target.len());
    let mut names = BTreeSet::new();
    for entry in &file.target {
        if targets.len() == limits::TARGETS {
            return Err(source.at(entry).fault("there are too many targets", format!("list at most {}", limits::TARGETS)));
        }
        let target = target::read(source, entry, habits, roster)?;
        if !names.insert(target.id.clone()) {
            return Err(twins(source, "target", &file.target, |target| target.name.as_ref(), &target.id.0));
        }
        targets.push(target);
    }
    depend::fill(source, &file.target, &mut targets, roster)?;
    let references = source
        .read_if(file.reference.as_ref(), |whole| list(&whole, |text| source.at(text), 0..=limits::REFERENCES, |text| text.host()))?;
    // Who is alone in its network has no link to lose.
    let usual = || if file.node.len() < 2 { Vec::new() } else { vec![GATEWAY.to_owned(), NAME_SERVERS.to_owned()] };
    targets.extend(references.unwrap_or_else(usual).iter().map(|host| target::reference(host, habits)));
    Ok(targets)
}

/// The fault of the first two entries that are called `name`.
pub(super) fn twins<'a, T>(
    source: Source<'a>,
    kind: &str,
    entries: &'a Entries<T>,
    name_of: impl Fn(&'a T) -> Option<&'a Spanned<String>>,
    name: &str,
) -> ConfigError {
    let mut twins = entries.iter().filter_map(|entry| name_of(&entry.get_ref().0)).filter(|known| known.get_ref() == name);
    let (first, second) = twins.next().zip(twins.next()).expect("BUG! called for a name that stands twice");
    source.fault_of_twins(kind, first, second)
}
