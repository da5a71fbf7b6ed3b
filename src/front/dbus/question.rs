//! Questions to other nodes as the bus has them: options in, rows out. Nothing is asked here.

use std::collections::BTreeMap;

use zbus::{OwnedVariant, fdo};

use super::value::{Known, Traits, moment, text, texts};
use crate::base::command::{Step, Tried, Vantage};
use crate::base::limits;
use crate::base::settings::Phase;
use crate::base::time::{Micros, Span};
use crate::base::view::EventView;
use crate::base::wish;

/// How many echo requests, and when to stop waiting.
pub(super) fn ping(host: &str, options: BTreeMap<String, OwnedVariant>) -> Result<(u16, Span), fdo::Error> {
    if host.is_empty() || limits::HOST < host.len() || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("the host is no name or address".into());
    }
    let (mut count, mut within) = (5, PATIENCE);
    for (name, value) in options {
        match name.as_str() {
            "Count" => match u32::try_from(&value) {
                Ok(number @ 1..=20) => count = u16::try_from(number).unwrap_or(20),
                _ => return refuse("Count is a number from 1 to 20, of type u".into()),
            },
            "WithinUSec" => within = patience(&value)?,
            _ => return refuse(format!("there is no option \"{name}\"; there are Count and WithinUSec")),
        }
    }
    Ok((count, within))
}

/// When to stop waiting for the answer.
pub(super) fn trace(options: BTreeMap<String, OwnedVariant>) -> Result<Span, fdo::Error> {
    let mut within = PATIENCE;
    for (name, value) in options {
        match name.as_str() {
            "WithinUSec" => within = patience(&value)?,
            _ => return refuse(format!("there is no option \"{name}\"; there is WithinUSec")),
        }
    }
    Ok(within)
}

/// How long a program waits for an action.
pub(super) fn wait(options: BTreeMap<String, OwnedVariant>) -> Result<Span, fdo::Error> {
    let mut within = Span::secs(300);
    for (name, value) in options {
        match (name.as_str(), u64::try_from(&value)) {
            ("WithinUSec", Ok(micros)) if (1000..=wish::WAIT_MOST.0 * 1000).contains(&micros) => within = Span(micros / 1000),
            ("WithinUSec", _) => return refuse(format!("WithinUSec is a time from 1 ms to {}, of type t", wish::WAIT_MOST)),
            _ => return refuse(format!("there is no option \"{name}\"; there is WithinUSec")),
        }
    }
    Ok(within)
}

/// What an example tells.
pub(super) fn state(options: BTreeMap<String, OwnedVariant>) -> Result<Phase, fdo::Error> {
    let mut phase = Phase::Down;
    for (name, value) in options {
        let known = [Phase::Down, Phase::Degraded, Phase::Up].into_iter();
        match (name.as_str(), String::try_from(value)) {
            ("State", Ok(word)) if known.clone().any(|phase| phase.word() == word) => {
                phase = known.clone().find(|phase| phase.word() == word).unwrap_or(phase);
            }
            ("State", _) => return refuse("State is down, degraded or up, of type s".into()),
            _ => return refuse(format!("there is no option \"{name}\"; there is State")),
        }
    }
    Ok(phase)
}

/// What became of an example on one channel.
pub(super) fn tried(tried: &Tried) -> (String, Traits) {
    let Tried { channel, way, delivery } = tried;
    let known = Known::default().text("Way", way).text("Outcome", delivery.fate().word()).text("Detail", &delivery.detail);
    (text(channel), known.with("Refused", texts(&delivery.refused)).traits())
}

/// Whether a reason is one line that people can read.
pub(super) fn reason(reason: &str) -> Result<(), fdo::Error> {
    if limits::DETAIL < reason.len() || reason.chars().any(char::is_control) {
        return refuse(format!("the reason is one line of at most {} bytes", limits::DETAIL));
    }
    Ok(())
}

/// Who asks, and why, as far as it is said.
pub(super) fn words(options: BTreeMap<String, OwnedVariant>, reasons: bool) -> Result<(String, String), fdo::Error> {
    let (mut person, mut why) = (String::new(), String::new());
    for (name, value) in options {
        match (name.as_str(), String::try_from(value)) {
            ("Person", Ok(text)) => person = text,
            ("Reason", Ok(text)) if reasons => why = text,
            ("Person", _) => return refuse("Person is a text, of type s".into()),
            ("Reason", _) if reasons => return refuse("Reason is a text, of type s".into()),
            _ => {
                return refuse(format!(
                    "there is no option \"{name}\"; there {}",
                    if reasons { "are Person and Reason" } else { "is Person" }
                ));
            }
        }
    }
    reason(&why)?;
    if limits::quiet::PERSON < person.len() || person.chars().any(char::is_control) {
        return refuse(format!("Person is one line of at most {} bytes", limits::quiet::PERSON));
    }
    Ok((person, why))
}

/// How many events are wanted.
pub(super) fn most(options: BTreeMap<String, OwnedVariant>) -> Result<usize, fdo::Error> {
    let all = limits::quiet::EVENTS_SHOWN;
    let mut most = all;
    for (name, value) in options {
        match (name.as_str(), u32::try_from(&value)) {
            ("Most", Ok(number)) => most = all.min(usize::try_from(number).unwrap_or(all)),
            ("Most", _) => return refuse("Most is a number, of type u".into()),
            _ => return refuse(format!("there is no option \"{name}\"; there is Most")),
        }
    }
    Ok(most)
}

/// Something that happened.
pub(super) fn event(event: &EventView) -> (String, Traits) {
    let known = Known::default().with("AtUSec", moment(event.at)).text("Node", &event.node).text("Text", &event.text);
    let known = known.maybe("Incident", event.incident.as_ref().map(|id| text(&id.to_string())));
    (event.kind.to_owned(), known.maybe("Channel", event.channel.as_deref().map(text)).traits())
}

/// One node's answer to a ping request.
pub(super) fn vantage(vantage: &Vantage) -> (String, Traits) {
    let known = Known::default().with("Answered", vantage.answer.is_some());
    let Some(answer) = &vantage.answer else {
        return (text(&vantage.node), known.traits());
    };
    let time = |which: fn((u32, u32, u32)) -> u32| answer.times.map(which).map(Micros);
    let known = known
        .with("Sent", u32::from(answer.sent))
        .with("Received", u32::from(answer.received))
        .time("LeastUSec", time(|times| times.0))
        .time("MeanUSec", time(|times| times.1))
        .time("MostUSec", time(|times| times.2))
        .text("Detail", &answer.detail);
    (text(&vantage.node), known.traits())
}

/// One hop of a way.
pub(super) fn step(step: &Step) -> (String, Traits) {
    (text(&step.node), Known::default().time("TimeUSec", step.time).traits())
}

/// How long to wait where the client does not say.
const PATIENCE: Span = Span::secs(5);

fn patience(value: &OwnedVariant) -> Result<Span, fdo::Error> {
    match u64::try_from(value) {
        Ok(micros) if (1000..=limits::REQUEST_TIME.0 * 1000).contains(&micros) => Ok(Span(micros / 1000)),
        _ => refuse(format!("WithinUSec is a time from 1 ms to {}, of type t", limits::REQUEST_TIME)),
    }
}

fn refuse<T>(why: String) -> Result<T, fdo::Error> {
    Err(fdo::Error::InvalidArgs(why))
}
