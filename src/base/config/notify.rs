//! `[[notify]]` entries to channels: a way to people, what is told, and of what.
//!
//! A channel names secrets and programs; what they are is each node's own affair and not read here.

use std::ops::RangeInclusive;

use toml::{Spanned, Value};

use crate::base::channel::{Body, Method, Only, Preset, Webhook, fits};
use crate::base::config::fragment::{NetworkFile, Notify, NotifyMail, NotifyWebhook, Table, Text};
use crate::base::config::network::twins;
use crate::base::config::roster::Roster;
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::{list, short, shown};
use crate::base::config::wording::nearest;
use crate::base::config::{ConfigError, SECRET_CREDENTIAL};
use crate::base::config::{probe, target};
use crate::base::hours::Hours;
use crate::base::limits;
use crate::base::settings::{Channel, Phase, Way};
use crate::base::target::{Severity, Target};
use crate::base::template::{Field, Misfit, Shape, Template};
use crate::base::time::Span;

/// What falls within this time leaves together when nothing is said.
const GROUP: Span = Span::secs(10);

/// What else can be chosen from: targets and nodes, with their names and groups.
pub(super) struct Known<'a> {
    pub(super) targets: &'a [Target],
    pub(super) roster: &'a Roster,
}

/// Reads all of them.
pub(super) fn channels<'a>(
    source: Source<'a>,
    file: &'a NetworkFile,
    targets: &[Target],
    roster: &Roster,
) -> Result<Vec<Channel>, ConfigError> {
    let known = Known { targets, roster };
    let mut channels: Vec<Channel> = Vec::new();
    for entry in &file.notify {
        if channels.len() == limits::CHANNELS {
            return Err(source.at(entry).fault("there are too many [[notify]]", format!("keep at most {}", limits::CHANNELS)));
        }
        let channel = channel(source, entry, &known)?;
        if channels.iter().any(|known| known.name == channel.name) {
            return Err(twins(source, "[[notify]]", &file.notify, |notify| notify.name.as_ref(), &channel.name));
        }
        channels.push(channel);
    }
    Ok(channels)
}

fn channel<'a>(source: Source<'a>, entry: &'a Spanned<Table<Notify>>, known: &Known<'_>) -> Result<Channel, ConfigError> {
    let Table(notify) = entry.get_ref();
    let Some(name) = &notify.name else {
        return Err(source.at(entry).fault("this [[notify]] has no name", "add name = \"ops\""));
    };
    let name = source.at(name).name()?;
    let phases = [Phase::Down, Phase::Up, Phase::Degraded];
    let on = source.read_if(notify.on.as_ref(), |whole| {
        list(&whole, |text| source.at(text), 1..=phases.len(), |text| text.word(&phases.map(|phase| (phase.word(), phase))))
    })?;
    Ok(Channel {
        name,
        way: way(source, entry)?,
        on: on.unwrap_or_else(|| phases.to_vec()),
        only: only(source, notify, known)?,
        group: source.read_if(notify.group.as_ref(), |value| value.span(Span::ZERO..=limits::GROUP_TIME_MOST))?.unwrap_or(GROUP),
        remind: source.read_if(notify.remind.as_ref(), |value| value.span(later()))?,
        escalate: source.read_if(notify.escalate.as_ref(), |value| value.span(later()))?,
    })
}

/// After which times people may be reminded, or others told.
const fn later() -> RangeInclusive<Span> {
    limits::quiet::REMIND_LEAST..=limits::quiet::REMIND_FIRST_MOST
}

/// Exactly one of the ways.
fn way<'a>(source: Source<'a>, entry: &'a Spanned<Table<Notify>>) -> Result<Way, ConfigError> {
    let Table(Notify { mail, webhook, hook, .. }) = entry.get_ref();
    match (mail, webhook, hook) {
        (Some(table), None, None) => mail_way(source, table),
        (None, Some(table), None) => Ok(Way::Webhook(Box::new(webhook_way(source, table)?))),
        (None, None, Some(name)) => Ok(Way::Hook(source.at(name).name()?)),
        (None, None, None) => {
            let remedy = "add mail = { to = [\"ops@example.org\"], from = \"peerwatch@example.org\" }, or a webhook, or a hook";
            Err(source.at(entry).fault("it is not said how to tell", remedy))
        }
        _ => {
            let remedy = "keep one of mail, webhook and hook, and write a further [[notify]] for the other";
            Err(source.at(entry).fault("a channel has one way to people", remedy))
        }
    }
}

fn mail_way<'a>(source: Source<'a>, mail: &'a Spanned<Table<NotifyMail>>) -> Result<Way, ConfigError> {
    let Table(NotifyMail { to, from }) = mail.get_ref();
    let missing = |what: &str, remedy: &str| source.at(mail).fault(what, remedy);
    let to = to.as_ref().ok_or_else(|| missing("to is missing", "add to = [\"ops@example.org\"]"))?;
    let from = from.as_ref().ok_or_else(|| missing("from is missing", "add from = \"peerwatch@example.org\""))?;
    Ok(Way::Mail {
        to: list(&source.at(to), |text| source.at(text), 1..=limits::RECIPIENTS, |text| text.mail_address())?,
        from: source.at(from).mail_address()?,
    })
}

fn webhook_way<'a>(source: Source<'a>, table: &'a Spanned<Table<NotifyWebhook>>) -> Result<Webhook, ConfigError> {
    let Table(said) = table.get_ref();
    let whole = source.at(table);
    let presets = Preset::ALL.map(|preset| (preset.word(), preset));
    let preset = source.read_if(said.preset.as_ref(), |text| text.word(&presets))?;
    let body = match (preset, &said.body) {
        (None, None) => Body::Own,
        (Some(preset), None) => Body::Preset(preset),
        (None, Some(value)) => Body::Template(shape(&source.at(value), value.get_ref())?),
        (Some(preset), Some(value)) => {
            let what = format!("the preset {} writes the body itself", preset.word());
            return Err(source.at(value).fault(what, "remove body, or remove preset and write all of it"));
        }
    };
    let webhook = Webhook {
        url: url(source, table, preset)?,
        method: source
            .read_if(said.method.as_ref(), |text| text.word(&[Method::Post, Method::Put].map(|method| (method.word(), method))))?
            .unwrap_or(if preset == Some(Preset::Matrix) { Method::Put } else { Method::Post }),
        body,
        headers: probe::headers(source, &said.headers, |name, place| header(name, place))?,
        to: source.read_if(said.to.as_ref(), |text| text.text())?,
        secret: source.read_if(said.secret.as_ref(), |text| text.name())?,
        sign: source.read_if(said.sign.as_ref(), |text| text.name())?,
    };
    if let Some(preset) = preset {
        if let (None, Some(example)) = (&webhook.to, preset.wants_to()) {
            return Err(whole.fault(format!("{} must be told whom to tell", preset.word()), format!("add {example}")));
        }
        if let (Some(to), None, false) = (&said.to, preset.wants_to(), preset == Preset::Mattermost) {
            return Err(source.at(to).fault(format!("{} tells whom its address belongs to", preset.word()), "remove to"));
        }
    } else if let Some(to) = &said.to {
        return Err(source.at(to).fault("only presets take to", "write it into body or url, or add preset"));
    }
    match (&said.secret, webhook.holds_secret(), preset) {
        (None, true, preset) if preset.is_none_or(Preset::wants_secret) || webhook.url.holds(Field::Secret) => {
            let remedy = format!("add secret = \"NAME\", and give nodes the credential {SECRET_CREDENTIAL}NAME");
            Err(whole.fault("it is not said which secret this takes", remedy))
        }
        (Some(secret), false, _) => {
            Err(source.at(secret).fault("this secret is used nowhere", "write {secret} into url, a header field or body"))
        }
        _ => Ok(webhook),
    }
}

fn url<'a>(source: Source<'a>, table: &'a Spanned<Table<NotifyWebhook>>, preset: Option<Preset>) -> Result<Template, ConfigError> {
    let said = &table.get_ref().0;
    let Some(url) = &said.url else {
        let usual = preset.and_then(Preset::usual_url).and_then(|url| Template::parse(url).ok());
        return usual.ok_or_else(|| source.at(table).fault("url is missing", "add url = \"https://hooks.example.org/\""));
    };
    let place = source.at(url);
    let text = place.text()?;
    let template = template(&place, &text)?;
    if let Some((name, _)) = Field::ALL.iter().find(|(_, field)| *field != Field::Secret && template.holds(*field)) {
        return Err(place.fault(format!("{{{name}}} cannot stand in an address"), "only {secret} can; write the rest into body"));
    }
    if text == "{secret}" {
        return Ok(template);
    }
    let sample = place.sound_url(template.fill(|_| "x".into()))?;
    let authority = |url: &str| url.split('/').nth(2).unwrap_or_default().to_owned();
    if authority(&text).contains("{secret}") {
        return Err(place.fault("the name of a server is no secret", "write {secret} behind it, or alone for the whole address"));
    }
    let secret = said.secret.is_some() || template.holds(Field::Secret);
    if secret && sample.starts_with("http://") && !is_loopback(&authority(&sample)) {
        return Err(place.fault("with http:// the secret would cross the network for everybody to read", "write https://"));
    }
    Ok(template)
}

fn is_loopback(authority: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|host| authority.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

/// A header field's value; one that is there to prove who asks must name the secret.
fn header(name: &str, place: &Placed<'_, String>) -> Result<Template, ConfigError> {
    let template = template(place, &place.text()?)?;
    let proves = ["authorization", "proxy-authorization", "cookie"].iter().any(|known| known.eq_ignore_ascii_case(name));
    if proves && !template.holds(Field::Secret) {
        return Err(
            place.fault("a configuration file holds no credentials", "write {secret} in its place, and name it with secret = \"…\"")
        );
    }
    Ok(template)
}

fn template<T>(place: &Placed<'_, T>, text: &str) -> Result<Template, ConfigError> {
    Template::parse(text).map_err(|misfit| match misfit {
        Misfit::Brace => place.fault(format!("in \"{}\" a brace has no partner", short(text)), "write single braces twice: {{ or }}"),
        Misfit::Unknown(name) => {
            let known: Vec<&str> = Field::ALL.iter().map(|(word, _)| *word).collect();
            place.fault(format!("nothing can be put in for {{{}}}", short(&name)), nearest(&name, &known, "known here:"))
        }
    })
}

/// A body as the file writes it.
fn shape(place: &Placed<'_, Value>, value: &Value) -> Result<Shape, ConfigError> {
    Ok(match value {
        Value::String(text) => Shape::Text(template(place, text)?),
        Value::Integer(number) => Shape::Whole(*number),
        Value::Float(number) if number.is_finite() => Shape::Number(*number),
        Value::Boolean(truth) => Shape::Truth(*truth),
        Value::Array(values) => Shape::List(values.iter().map(|value| shape(place, value)).collect::<Result<_, _>>()?),
        Value::Table(table) => {
            let pair = |(key, value): (&String, &Value)| Ok((key.clone(), shape(place, value)?));
            Shape::Table(table.iter().map(pair).collect::<Result<_, _>>()?)
        }
        Value::Float(_) | Value::Datetime(_) => {
            return Err(place.fault(format!("{} cannot be written as JSON", shown(value)), "write it as text, in quotes"));
        }
    })
}

/// What the channel wants to hear of.
fn only<'a>(source: Source<'a>, notify: &'a Notify, known: &Known<'_>) -> Result<Only, ConfigError> {
    let at = |text: &'a Text| source.at(text);
    let bounds = 1..=limits::CHOSEN;
    let targets = source.read_if(notify.targets.as_ref(), |whole| list(&whole, at, bounds.clone(), |text| known.target(&text)))?;
    let groups = source.read_if(notify.groups.as_ref(), |whole| list(&whole, at, bounds, |text| known.group(&text)))?;
    let hours = match (&notify.hours, &notify.zone) {
        (None, None) => None,
        (None, Some(zone)) => {
            return Err(source.at(zone).fault("there is a time zone but no hours", "add hours = \"Mon-Fri 08:00-18:00\""));
        }
        (Some(hours), zone) => Some(self::hours(source, &source.at(hours), zone.as_ref())?),
    };
    let severities =
        source.read_if(notify.severity.as_ref(), |whole| list(&whole, at, 1..=Severity::ALL.len(), |text| target::severity(&text)))?;
    Ok(Only { targets: targets.unwrap_or_default(), groups: groups.unwrap_or_default(), hours, severities: severities.unwrap_or_default() })
}

/// One text, or a list of them, in a zone that must be said: people and nodes are in several.
pub(super) fn hours<'a>(source: Source<'a>, place: &Placed<'a, Value>, zone: Option<&'a Text>) -> Result<Hours, ConfigError> {
    let wrong = || place.fault(format!("{} are no hours", shown(place.value)), "write them as in \"Mon-Fri 08:00-18:00\"");
    let texts: Vec<&str> = match place.value {
        Value::String(text) => vec![text],
        Value::Array(texts) if (1..=limits::CHOSEN).contains(&texts.len()) => {
            texts.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let Some(zone) = zone else {
        return Err(place.fault("it is not said by which clock", "add zone = \"Europe/Berlin\", or \"UTC\""));
    };
    Hours::parse(&texts, zone.get_ref()).map_err(|(index, sentence)| {
        let (what, remedy) = sentence.split_once("; ").unwrap_or((&sentence, ""));
        if index.is_some() { place.fault(what, remedy) } else { source.at(zone).fault(what, remedy) }
    })
}

impl Known<'_> {
    /// Names of all that can be down: targets, and nodes as targets.
    fn names(&self) -> Vec<String> {
        let targets = self.targets.iter().filter(|target| !target.reference).map(|target| target.id.0.clone());
        targets.chain(self.roster.names().map(|name| format!("node:{name}"))).collect()
    }

    pub(super) fn target(&self, text: &Placed<'_, String>) -> Result<String, ConfigError> {
        let names = self.names();
        if names.iter().any(|name| fits(text.value, name)) {
            return Ok(text.value.clone());
        }
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let what = if text.value.contains('*') { "no target fits" } else { "there is no target" };
        Err(text.fault(format!("{what} \"{}\"", short(text.value)), nearest(text.value, &known, "known here:")))
    }

    pub(super) fn group(&self, text: &Placed<'_, String>) -> Result<String, ConfigError> {
        let mut groups: Vec<&str> = self.targets.iter().filter_map(|target| target.group.as_deref()).collect();
        if groups.contains(&text.value.as_str()) {
            return Ok(text.value.clone());
        }
        groups.sort_unstable();
        groups.dedup();
        Err(text.fault(format!("no target is in the group \"{}\"", short(text.value)), nearest(text.value, &groups, "known here:")))
    }
}
