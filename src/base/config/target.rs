//! `[[target]]` entries to targets, and the defaults that hold for them.

use toml::{Spanned, Value};

use crate::base::config::ConfigError;
use crate::base::config::fragment::{Any, Confirm as ConfirmTable, Defaults, Degraded, Flap as FlapTable, Table, Target as Fragment};
use crate::base::config::probe;
use crate::base::config::roster::{Roster, expected};
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::{short, shown};
use crate::base::id::{NodeId, TargetId};
use crate::base::limits::{INTERVAL_LEAST, INTERVAL_MOST, NODES, REFERENCE_TIMEOUT, TIMEOUT_LEAST};
use crate::base::target::{Confirm, Expected, Flap, Probe, Quorum, Severity, Target, Thresholds, Watchers};
use crate::base::time::Span;

/// Most time between two looks at a reference: what it said longer ago says little of now.
const REFERENCE_INTERVAL: Span = Span::secs(30);

/// Most incidents until a target flaps, so that what goes up and down every few minutes is noticed within the hour.
const FLAP_MOST: u8 = 20;
/// Least time in which incidents are counted, and after which a target that flapped is steady.
const FLAP_LEAST: Span = Span::secs(10);
/// Most time in which incidents are counted.
const FLAP_WITHIN: Span = Span::secs(7 * 86_400);
/// Most time after which a target that flapped is steady: until then nothing is told of it.
const FLAP_STEADY: Span = Span::secs(86_400);

/// How targets are looked at when they do not say it themselves.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    interval: Span,
    timeout: Span,
    confirm: Confirm,
    flap: Flap,
    watchers: Watchers,
    quorum: Quorum,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            interval: Span::secs(30),
            timeout: Span::secs(5),
            confirm: Confirm { bad: 3, good: 2 },
            flap: Flap::default(),
            watchers: Watchers::All,
            quorum: Quorum::Majority,
        }
    }
}

/// The keys that may stand in `[defaults]` as well as in a `[[target]]`.
struct Said<'a> {
    interval: Option<&'a Any>,
    timeout: Option<&'a Any>,
    confirm: Option<&'a Table<ConfirmTable>>,
    flap: Option<&'a Table<FlapTable>>,
    watchers: Option<&'a Any>,
    quorum: Option<&'a Any>,
}

impl Habits {
    /// Reads `[defaults]`.
    pub(super) fn read<'a>(source: Source<'a>, defaults: &'a Defaults, roster: &Roster) -> Result<Self, ConfigError> {
        let Defaults { interval, timeout, confirm, flap, watchers, quorum } = defaults;
        let said = Said {
            interval: interval.as_ref(),
            timeout: timeout.as_ref(),
            confirm: confirm.as_ref(),
            flap: flap.as_ref(),
            watchers: watchers.as_ref(),
            quorum: quorum.as_ref(),
        };
        Self::default().but(source, &said, roster)
    }

    /// These habits but for what is said.
    ///
    /// A timeout that is not said gives way to a shorter interval that is.
    fn but<'a>(&self, source: Source<'a>, said: &Said<'a>, roster: &Roster) -> Result<Self, ConfigError> {
        let interval = source.read_if(said.interval, |value| value.span(INTERVAL_LEAST..=INTERVAL_MOST))?.unwrap_or(self.interval);
        let timeout = source.read_if(said.timeout, |value| {
            let timeout = value.span(TIMEOUT_LEAST..=INTERVAL_MOST)?;
            if timeout <= interval {
                return Ok(timeout);
            }
            Err(value.fault(format!("a look may take {timeout}, but the next begins after {interval}"), "lower timeout or raise interval"))
        })?;
        Ok(Self {
            interval,
            timeout: timeout.unwrap_or(self.timeout.min(interval)),
            confirm: said.confirm.map_or(Ok(self.confirm), |Table(table)| read_confirm(source, table, self.confirm))?,
            flap: said.flap.map_or(Ok(self.flap), |Table(table)| read_flap(source, table, self.flap))?,
            watchers: source.read_if(said.watchers, |value| read_watchers(&value, roster))?.unwrap_or_else(|| self.watchers.clone()),
            quorum: source.read_if(said.quorum, |value| read_quorum(&value))?.unwrap_or(self.quorum),
        })
    }
}

/// Reads a `[[target]]`; what it depends on is filled in later, when all are known.
pub(super) fn read<'a>(
    source: Source<'a>,
    entry: &'a Spanned<Table<Fragment>>,
    habits: &Habits,
    roster: &mut Roster,
) -> Result<Target, ConfigError> {
    let fragment = &entry.get_ref().0;
    let Some(name) = &fragment.name else {
        return Err(source.at(entry).fault("this target has no name", "add name = \"shop\""));
    };
    let name = source.at(name).name()?;
    let Fragment { interval, timeout, confirm, flap, watchers, quorum, .. } = fragment;
    let said = Said {
        interval: interval.as_ref(),
        timeout: timeout.as_ref(),
        confirm: confirm.as_ref(),
        flap: flap.as_ref(),
        watchers: watchers.as_ref(),
        quorum: quorum.as_ref(),
    };
    let habits = habits.but(source, &said, roster)?;
    if watchers.is_some() && habits.watchers == Watchers::Named(Vec::new()) {
        roster.remarks.push(format!("target {name} has no watcher, since all that it names are left out: its standing is unknown"));
    }
    let probe = probe::read(source, entry, habits.timeout)?;
    Ok(Target {
        group: source.read_if(fragment.group.as_ref(), |text| text.text())?,
        degraded: fragment.degraded.as_ref().map_or_else(|| Ok(Thresholds::default()), |Table(table)| read_degraded(source, table))?,
        expected: source.read_if(fragment.expected.as_ref(), |text| expected(&text))?.unwrap_or_default(),
        runbook: source.read_if(fragment.runbook.as_ref(), |text| text.text())?,
        severity: source.read_if(fragment.severity.as_ref(), |text| severity(&text))?.unwrap_or_default(),
        ..with_habits(&name, probe, &habits)
    })
}

/// How much something matters.
pub(super) fn severity(text: &Placed<'_, String>) -> Result<Severity, ConfigError> {
    text.word(&Severity::ALL.map(|severity| (severity.word(), severity)))
}

/// A target that says nothing of itself but name and probe.
pub(super) fn with_habits(name: &str, probe: Probe, habits: &Habits) -> Target {
    Target {
        id: TargetId(name.to_owned()),
        group: None,
        probe,
        interval: habits.interval,
        timeout: habits.timeout,
        confirm: habits.confirm,
        degraded: Thresholds::default(),
        flap: habits.flap,
        watchers: habits.watchers.clone(),
        quorum: habits.quorum,
        depends: Vec::new(),
        expected: Expected::Always,
        runbook: None,
        severity: Severity::default(),
        reference: false,
    }
}

/// A host that an isolated node cannot reach: every node asks it. One answer is enough for good.
pub(super) fn reference(host: &str, habits: &Habits) -> Target {
    let interval = habits.interval.min(REFERENCE_INTERVAL);
    let habits = Habits {
        interval,
        timeout: habits.timeout.min(REFERENCE_TIMEOUT).min(interval),
        confirm: Confirm { bad: 3, good: 1 },
        flap: Flap::OFF,
        watchers: Watchers::All,
        quorum: Quorum::Majority,
    };
    Target { reference: true, ..with_habits(&format!("reference:{host}"), Probe::Reference(host.to_owned()), &habits) }
}

/// What the nodes are as targets of one another. Heartbeats are confirmed by the liveness judgement
/// already, so one look is enough.
pub(super) fn node_template() -> Target {
    let habits = Habits { interval: Span::secs(5), confirm: Confirm { bad: 1, good: 1 }, ..Habits::default() };
    with_habits("", Probe::Node(NodeId([0; 32])), &habits)
}

fn read_confirm<'a>(source: Source<'a>, table: &'a ConfirmTable, usual: Confirm) -> Result<Confirm, ConfigError> {
    Ok(Confirm {
        bad: source.read_if(table.bad.as_ref(), |number| number.whole(1..=100))?.unwrap_or(usual.bad),
        good: source.read_if(table.good.as_ref(), |number| number.whole(1..=100))?.unwrap_or(usual.good),
    })
}

fn read_flap<'a>(source: Source<'a>, table: &'a FlapTable, usual: Flap) -> Result<Flap, ConfigError> {
    Ok(Flap {
        count: source.read_if(table.count.as_ref(), |number| number.whole(0..=FLAP_MOST))?.unwrap_or(usual.count),
        within: source.read_if(table.within.as_ref(), |value| value.span(FLAP_LEAST..=FLAP_WITHIN))?.unwrap_or(usual.within),
        steady: source.read_if(table.steady.as_ref(), |value| value.span(FLAP_LEAST..=FLAP_STEADY))?.unwrap_or(usual.steady),
    })
}

fn read_degraded<'a>(source: Source<'a>, table: &'a Degraded) -> Result<Thresholds, ConfigError> {
    Ok(Thresholds {
        loss: source.read_if(table.loss.as_ref(), |number| number.share())?,
        rtt: source.read_if(table.rtt.as_ref(), |value| value.micros())?,
    })
}

/// `"all"`, a number, or a list of nodes.
fn read_watchers(place: &Placed<'_, Value>, roster: &Roster) -> Result<Watchers, ConfigError> {
    match place.value {
        Value::String(word) if word == "all" => Ok(Watchers::All),
        Value::String(name) if roster.lists(name) => {
            Err(place.fault("nodes are named in a list", format!("write it in square brackets: [\"{name}\"]")))
        }
        Value::Integer(number) => match count(*number) {
            Some(count) => Ok(Watchers::Count(count)),
            None => Err(place.fault(format!("{number} is no number of watchers"), format!("write a number from 1 to {NODES}, or \"all\""))),
        },
        Value::Array(names) if names.is_empty() => {
            Err(place.fault("this list is empty, so nobody would watch", "name at least one node, or write \"all\""))
        }
        Value::Array(names) => named(place, names, roster),
        other => {
            let remedy = "write \"all\", a number, or a list of nodes, as in [\"ber1\", \"fra1\"]";
            Err(place.fault(format!("{} does not say who is to watch", shown(other)), remedy))
        }
    }
}

fn named(place: &Placed<'_, Value>, names: &[Value], roster: &Roster) -> Result<Watchers, ConfigError> {
    let mut nodes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let Some(text) = name.as_str() else {
            return Err(
                place.fault(format!("{} is not the name of a node", shown(name)), "write names in quotes, as in [\"ber1\", \"fra1\"]")
            );
        };
        if names[..index].contains(name) {
            return Err(place.fault(format!("\"{}\" stands here twice", short(text)), "keep one of the two"));
        }
        match roster.watcher(text) {
            Ok(node) => nodes.extend(node),
            Err((what, remedy)) => return Err(place.fault(what, remedy)),
        }
    }
    Ok(Watchers::Named(nodes))
}

/// `"any"`, `"majority"`, `"all"` or a number.
fn read_quorum(place: &Placed<'_, Value>) -> Result<Quorum, ConfigError> {
    let known = match place.value {
        Value::String(word) => match word.as_str() {
            "any" => Some(Quorum::Any),
            "majority" => Some(Quorum::Majority),
            "all" => Some(Quorum::All),
            _ => None,
        },
        Value::Integer(number) => count(*number).map(Quorum::Count),
        _ => None,
    };
    known.ok_or_else(|| {
        let remedy = format!("write \"any\", \"majority\", \"all\" or a number from 1 to {NODES}");
        place.fault(format!("{} does not say how many watchers must agree", shown(place.value)), remedy)
    })
}

fn count(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|count| (1..=NODES).contains(&usize::from(*count)))
}
