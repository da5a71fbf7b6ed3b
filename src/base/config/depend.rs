//! What a target depends on: known, and not in a circle.
//!
//! Dependencies suppress the telling, so in a circle each would keep the others from being told, and
//! nobody would hear of any.

use std::collections::BTreeMap;

use crate::base::config::ConfigError;
use crate::base::config::fragment::{Entries, Target as Fragment};
use crate::base::config::roster::Roster;
use crate::base::config::source::Source;
use crate::base::config::value::{list, short};
use crate::base::config::wording::nearest;
use crate::base::id::TargetId;
use crate::base::limits;
use crate::base::target::Target;

/// Fills `depends` of every target; `targets` are those of `entries`, in the same order.
pub(super) fn fill<'a>(
    source: Source<'a>,
    entries: &'a Entries<Fragment>,
    targets: &mut [Target],
    roster: &Roster,
) -> Result<(), ConfigError> {
    let names: BTreeMap<String, usize> = targets.iter().enumerate().map(|(index, target)| (target.id.0.clone(), index)).collect();
    for (entry, target) in entries.iter().zip(targets.iter_mut()) {
        let depends = source.read_if(entry.get_ref().0.depends.as_ref(), |whole| {
            list(
                &whole,
                |text| source.at(text),
                0..=limits::DEPENDS,
                |text| {
                    let name = text.value;
                    if names.contains_key(name) || name.strip_prefix("node:").is_some_and(|node| roster.lists(node)) {
                        return Ok(TargetId(name.clone()));
                    }
                    let remedy = match name.strip_prefix("node:") {
                        Some(node) => roster.nearest("node:", node),
                        None if roster.lists(name) => format!("write \"node:{name}\" for the node of that name"),
                        None => nearest(name, &names.keys().map(String::as_str).collect::<Vec<_>>(), "known here:"),
                    };
                    Err(text.fault(format!("there is no target \"{}\"", short(name)), remedy))
                },
            )
        })?;
        target.depends = depends.unwrap_or_default();
    }
    match circle(targets, &names) {
        None => Ok(()),
        Some(indices) => {
            let names: Vec<&str> = indices.iter().chain(indices.first()).map(|index| targets[*index].id.0.as_str()).collect();
            let (what, remedy) = match &names[..] {
                [name, _] => (format!("{name} depends on itself"), "take it out; otherwise nobody would ever be told of it"),
                _ => (
                    format!("these depend on each other in a circle: {}", names.join(" -> ")),
                    "take one of them out; otherwise nobody would ever be told of any",
                ),
            };
            Err(match &entries[indices[0]].get_ref().0.depends {
                Some(depends) => source.at(depends).fault(what, remedy),
                None => source.fault_of_file(what, remedy),
            })
        }
    }
}

/// Targets that depend on each other in a circle, if there are any.
///
/// Targets whose dependencies are all settled are settled, in turns; what is left holds a circle.
fn circle(targets: &[Target], names: &BTreeMap<String, usize>) -> Option<Vec<usize>> {
    let of = |index: usize| targets[index].depends.iter().filter_map(|id| names.get(&id.0).copied());
    let mut waiting: Vec<usize> = (0..targets.len()).map(|index| of(index).count()).collect();
    let mut dependants = vec![Vec::new(); targets.len()];
    for index in 0..targets.len() {
        of(index).for_each(|on| dependants[on].push(index));
    }
    let mut settled: Vec<usize> = (0..targets.len()).filter(|index| waiting[*index] == 0).collect();
    while let Some(on) = settled.pop() {
        for &index in &dependants[on] {
            waiting[index] -= 1;
            if waiting[index] == 0 {
                settled.push(index);
            }
        }
    }
    // Whatever waits depends on something that waits, so the walk from there comes round.
    let mut walk = vec![waiting.iter().position(|count| 0 < *count)?];
    loop {
        let next = of(walk[walk.len() - 1]).find(|index| 0 < waiting[*index])?;
        if let Some(begin) = walk.iter().position(|index| *index == next) {
            return Some(walk.split_off(begin));
        }
        walk.push(next);
    }
}
