//! `[[maintenance]]` entries to windows: of what, and when.
//!
//! Whose clock says whether a window is open is not known here.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::{Spanned, Value};

use crate::base::config::ConfigError;
use crate::base::config::fragment::{Any, Maintenance as Fragment, NetworkFile, Table, Text};
use crate::base::config::network::twins;
use crate::base::config::notify::{self, Known};
use crate::base::config::roster::Roster;
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::{list, short, shown};
use crate::base::limits;
use crate::base::maintenance::{Maintenance, When};
use crate::base::target::Target;
use crate::base::time::Wall;

/// Reads all of them.
pub(super) fn windows<'a>(
    source: Source<'a>,
    file: &'a NetworkFile,
    targets: &[Target],
    roster: &Roster,
) -> Result<Vec<Maintenance>, ConfigError> {
    let known = Known { targets, roster };
    let mut windows: Vec<Maintenance> = Vec::new();
    for entry in &file.maintenance {
        let most = limits::quiet::WINDOWS;
        if windows.len() == most {
            return Err(source.at(entry).fault("there are too many [[maintenance]]", format!("keep at most {most}")));
        }
        let window = window(source, entry, &known)?;
        if windows.iter().any(|known| known.name == window.name) {
            return Err(twins(source, "[[maintenance]]", &file.maintenance, |window| window.name.as_ref(), &window.name));
        }
        windows.push(window);
    }
    Ok(windows)
}

fn window<'a>(source: Source<'a>, entry: &'a Spanned<Table<Fragment>>, known: &Known<'_>) -> Result<Maintenance, ConfigError> {
    let Table(said) = entry.get_ref();
    let Some(name) = &said.name else {
        return Err(source.at(entry).fault("this [[maintenance]] has no name", "add name = \"patch night\""));
    };
    let at = |text: &'a Text| source.at(text);
    let bounds = 1..=limits::CHOSEN;
    let targets = source.read_if(said.targets.as_ref(), |whole| list(&whole, at, bounds.clone(), |text| known.target(&text)))?;
    let groups = source.read_if(said.groups.as_ref(), |whole| list(&whole, at, bounds, |text| known.group(&text)))?;
    if targets.is_none() && groups.is_none() {
        let remedy = "add targets = [\"shop\"], groups = [\"web\"], or targets = [\"*\"] for all";
        return Err(source.at(entry).fault("it is not said of what", remedy));
    }
    Ok(Maintenance {
        name: source.at(name).text()?,
        targets: targets.unwrap_or_default(),
        groups: groups.unwrap_or_default(),
        when: when(source, entry)?,
    })
}

fn when<'a>(source: Source<'a>, entry: &'a Spanned<Table<Fragment>>) -> Result<When, ConfigError> {
    let Table(Fragment { every, from, to, zone, .. }) = entry.get_ref();
    match (every, from, to) {
        (Some(every), None, None) => Ok(When::Every(notify::hours(source, &source.at(every), zone.as_ref())?)),
        (None, Some(from), Some(to)) => {
            let (begin, end) = (moment(source, from, zone.as_ref(), true)?, moment(source, to, zone.as_ref(), false)?);
            if end <= begin {
                return Err(source.at(to).fault("this ends before it begins", "write a later time, or exchange from and to"));
            }
            Ok(When::Once { from: begin, to: end })
        }
        (None, Some(one), None) | (None, None, Some(one)) => {
            Err(source.at(one).fault("from and to belong together", "add the other, as in to = \"2026-12-01 23:30\""))
        }
        _ => {
            let remedy = "add every = \"Tue 02:00-04:00\" and zone = \"Europe/Berlin\", or from and to for a single time";
            Err(source.at(entry).fault("it is not said when, or twice", remedy))
        }
    }
}

/// `2026-12-01 22:00` in a zone. Of two moments with one name the first begins, and the second ends.
fn moment<'a>(source: Source<'a>, value: &'a Any, zone: Option<&'a Text>, begins: bool) -> Result<Wall, ConfigError> {
    let place = source.at(value);
    let Some(zone) = zone else {
        return Err(place.fault("it is not said by which clock", "add zone = \"Europe/Berlin\", or \"UTC\""));
    };
    let rules = rules(&source.at(zone))?;
    let civil = match place.value {
        Value::String(text) => text.parse::<DateTime>().ok(),
        Value::Datetime(when) if when.offset.is_none() => when.to_string().parse().ok(),
        _ => None,
    };
    let civil = civil.filter(|civil| (1970..=9000).contains(&civil.year()));
    let found = civil.map(|civil| rules.to_ambiguous_timestamp(civil));
    let chosen = found.and_then(|found| if begins { found.compatible() } else { found.later() }.ok());
    chosen
        .map(|moment| Wall(moment.as_millisecond()))
        .ok_or_else(|| place.fault(format!("{} is no date and time", shown(place.value)), "write it as in \"2026-12-01 22:00\""))
}

fn rules(zone: &Placed<'_, String>) -> Result<TimeZone, ConfigError> {
    let wrong = || {
        let remedy = "write its name as in \"Europe/Berlin\", or \"UTC\"";
        zone.fault(format!("\"{}\" is no time zone", short(zone.value)), remedy)
    };
    TimeZoneDatabase::bundled().get(zone.value).map_err(|_| wrong())
}
