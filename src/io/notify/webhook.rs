//! Tells people by a request to a server.
//!
//! A notice is one request, or one for each incident where the service knows only single ones. What a server
//! says by its status becomes one of three fates: delivered; refused for good, which another attempt from here
//! would not change; or to be tried again. Every request carries a key that is the same on every node and at every
//! attempt, and a signature if the channel names a secret for it. Redirects are not followed, since a notice
//! belongs to whom it was addressed.

mod post;
mod preset;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use ring::hmac;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

pub(super) use self::post::Client;

use self::post::{Answer, Request};
use super::news;
use crate::base::channel::{Body, Webhook};
use crate::base::id::hex;
use crate::base::notice::{Delivery, Errand, Fate};
use crate::base::outcome::clip;
use crate::base::template::{Field, Shape, Template};
use crate::base::time::Span;

/// One request's worth: what is sent, and what makes a repetition known.
struct Message {
    body: Value,
    key: String,
    /// Whom or what it is about, for the receipt.
    about: String,
}

/// Everything that a request is made of.
struct Making<'a> {
    webhook: &'a Webhook,
    errand: &'a Errand,
    secret: Option<&'a str>,
    sign: Option<&'a str>,
}

/// Sends the errand's letter.
pub(super) async fn send(client: &Client, secrets: &BTreeMap<String, String>, webhook: &Webhook, errand: &Errand) -> Delivery {
    let known = |name: &Option<String>| {
        let Some(name) = name else { return Ok(None) };
        let missing = || format!("this node has no secret \"{name}\" any more; give it the credential peerwatch.secret.{name}");
        secrets.get(name).map(|secret| Some(secret.as_str())).ok_or_else(missing)
    };
    let (secret, sign) = match (known(&webhook.secret), known(&webhook.sign)) {
        (Ok(secret), Ok(sign)) => (secret, sign),
        (Err(why), _) | (_, Err(why)) => return Delivery::failed(why),
    };
    let making = Making { webhook, errand, secret, sign };
    let deadline = Instant::now() + errand.within.std().min(Duration::from_secs(86_400));
    let mut tally = Tally::default();
    for message in making.messages() {
        let about = message.about.clone();
        let (fate, detail) = match making.request(message) {
            Err(why) => (Fate::Refused, why),
            Ok(request) => {
                let mut doing = "starting";
                match timeout_at(deadline, client.send(request, deadline, &mut doing)).await {
                    Ok(Ok(answer)) => {
                        tally.after = answer.after;
                        judge(&answer)
                    }
                    Ok(Err(why)) => (Fate::Later, format!("the server {why}")),
                    Err(_) => (Fate::Later, format!("the server did not finish within {} while {doing}", errand.within)),
                }
            }
        };
        tally.add(fate, making.harmless(&detail), about);
        if fate == Fate::Later {
            break;
        }
    }
    tally.delivery()
}

/// What a status means.
fn judge(answer: &Answer) -> (Fate, String) {
    let said = if answer.said.is_empty() { String::new() } else { format!(": {}", answer.said) };
    let told = format!("HTTP {}{said}", answer.status);
    match answer.status {
        200..=299 => (Fate::Delivered, told),
        300..=399 => (Fate::Refused, format!("HTTP {}: it is somewhere else now; set url to where it leads", answer.status)),
        // The remedy first, since what the server says may be long.
        401 | 403 => (Fate::Refused, format!("HTTP {}, check the secret{said}", answer.status)),
        // Too early, too many, too slow: another time it may work.
        408 | 425 | 429 => (Fate::Later, told),
        400..=499 => (Fate::Refused, told),
        _ => (Fate::Later, told),
    }
}

/// What became of all requests of one errand.
#[derive(Default)]
struct Tally {
    taken: Option<String>,
    refused: Vec<(String, String)>,
    later: Option<String>,
    /// What the last answer said of another attempt.
    after: Option<Span>,
}

impl Tally {
    fn add(&mut self, fate: Fate, detail: String, about: String) {
        match fate {
            Fate::Delivered => self.taken = Some(detail),
            Fate::Refused => self.refused.push((about, detail)),
            Fate::Later => self.later = Some(detail),
        }
    }

    /// While one is to be tried again all are: the servers know by their keys what they have.
    fn delivery(self) -> Delivery {
        let Self { taken, refused, later, after } = self;
        if let Some(detail) = later {
            return Delivery { success: false, detail: clip(detail), refused: vec![], after };
        }
        let success = taken.is_some();
        let mut parts: Vec<String> = taken.into_iter().collect();
        parts.extend(refused.iter().map(|(about, why)| format!("{about} refused: {why}")));
        let detail = if parts.is_empty() { "there was nothing to send".to_owned() } else { parts.join("; ") };
        Delivery { success, detail: clip(detail), refused: refused.into_iter().map(|(about, _)| about).collect(), after: None }
    }
}

impl Making<'_> {
    fn messages(&self) -> Vec<Message> {
        let key = self.errand.letter.message_id.clone();
        let one = |body| vec![Message { body, key, about: self.errand.channel.clone() }];
        match &self.webhook.body {
            Body::Own => one(news::write(self.errand)),
            Body::Template(shape) => one(self.shaped(shape)),
            Body::Preset(preset) => preset::messages(*preset, self.errand, self.secret, self.webhook.to.as_deref()),
        }
    }

    fn request(&self, message: Message) -> Result<Request, String> {
        let mut url = self.url()?;
        let mut headers =
            vec![("content-type".to_owned(), "application/json".to_owned()), ("idempotency-key".to_owned(), message.key.clone())];
        if let Body::Preset(preset) = self.webhook.body {
            preset::address(preset, &mut url, self.webhook.to.as_deref(), &message.key);
            headers.extend(preset::header(preset, self.secret));
        }
        let body = message.body.to_string().into_bytes();
        if let Some(sign) = self.sign {
            let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, sign.as_bytes()), &body);
            headers.push(("x-peerwatch-signature".to_owned(), format!("sha256={}", hex(signature.as_ref()))));
        }
        for (name, value) in &self.webhook.headers {
            let name = name.to_ascii_lowercase();
            headers.retain(|(known, _)| *known != name);
            headers.push((name, one_line(&self.filled(value))));
        }
        Ok(Request { url, method: self.webhook.method, headers, body })
    }

    /// The address; one that comes from a secret is checked only now, and never shown.
    fn url(&self) -> Result<Url, String> {
        let url = Url::parse(self.filled(&self.webhook.url).trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
        url.ok_or_else(|| match &self.webhook.secret {
            Some(name) => format!("the address that the secret \"{name}\" makes does not begin with https:// and a host; write it anew"),
            None => "the address cannot be asked".to_owned(),
        })
    }

    fn filled(&self, template: &Template) -> String {
        template.fill(|field| self.value(field))
    }

    fn shaped(&self, shape: &Shape) -> Value {
        match shape {
            Shape::Text(template) => self.filled(template).into(),
            Shape::Whole(number) => (*number).into(),
            Shape::Number(number) => (*number).into(),
            Shape::Truth(truth) => (*truth).into(),
            Shape::List(list) => list.iter().map(|inner| self.shaped(inner)).collect(),
            Shape::Table(table) => table.iter().map(|(key, inner)| (key.clone(), self.shaped(inner))).collect(),
        }
    }

    fn value(&self, field: Field) -> Cow<'_, str> {
        let letter = &self.errand.letter;
        let topic = &letter.topic;
        let list = |of: &dyn Fn(&crate::base::notice::Item) -> String| topic.items.iter().map(of).collect::<Vec<_>>().join(", ");
        let first = topic.items.first();
        match field {
            Field::Subject => letter.subject.as_str().into(),
            Field::Text => letter.text.as_str().into(),
            Field::First => letter.text.lines().next().unwrap_or_default().into(),
            Field::State => news::worst(&topic.items).word().into(),
            Field::Severity => news::worst_severity(&topic.items).into(),
            Field::Target => list(&|item| item.incident.target.0.clone()).into(),
            Field::Incident => list(&|item| item.incident.to_string()).into(),
            Field::Reason => first.map_or("", |item| item.reason.as_str()).into(),
            Field::Since => topic.items.iter().map(|item| item.since).min().map(news::moment).unwrap_or_default().into(),
            Field::Duration => topic.items.iter().map(|item| item.lasted).max().unwrap_or_default().to_string().into(),
            Field::Runbook => first.and_then(|item| item.runbook.as_deref()).unwrap_or_default().into(),
            Field::Network => topic.network.as_str().into(),
            Field::Node => topic.sender.as_str().into(),
            Field::Channel => self.errand.channel.as_str().into(),
            Field::Id => letter.message_id.as_str().into(),
            Field::Secret => self.secret.unwrap_or_default().into(),
        }
    }

    /// Text without any secret in it: what a server says may repeat what it was asked.
    fn harmless(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in [self.secret, self.sign].into_iter().flatten() {
            text = text.replace(secret, "…");
        }
        if self.webhook.url.holds(Field::Secret)
            && let Ok(url) = self.url()
        {
            let path = &url[url::Position::BeforePath..];
            text = if path.len() < 2 { text } else { text.replace(path, "…") };
        }
        text
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
