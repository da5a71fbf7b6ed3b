//! What known services expect: the body, and where it goes.
//!
//! Each body follows what the service documents, within its bounds. Services that know only single incidents
//! get one message for each, under a key that stays with the incident, so that they close what they opened.
//! Nothing here sends anything.

use serde_json::{Value, json};
use url::Url;

use super::Message;
use crate::base::channel::Preset;
use crate::base::notice::{Errand, Item};
use crate::base::settings::Phase;
use crate::base::time::Wall;
use crate::io::notify::news::{moment, severity, worst};

/// Incidents that Discord shows in one message: it takes ten embeds, with 6000 characters in all.
const EMBEDS: usize = 10;
/// Of these so many are for what stands in each embed besides its description.
const EMBED_FRAME: usize = 380;
/// See [`EMBEDS`].
const EMBED_CHARACTERS: usize = 5600;

/// Bytes of a text that ntfy shows as such and not as a file.
const NTFY_BYTES: usize = 4000;

/// Characters of a Telegram message, with some to spare: it counts in another way.
const TELEGRAM_CHARACTERS: usize = 3800;

/// Characters of a section in Slack are 3000, and some of them are its frame.
const SLACK_CHARACTERS: usize = 2900;

/// Characters of a Mattermost post of the oldest servers in use.
const MATTERMOST_CHARACTERS: usize = 3800;

/// Characters of text for a card in Teams, which takes 28 KiB in all, and for a message in Matrix, which takes 64.
const CARD_CHARACTERS: usize = 6000;

/// The messages for an errand's letter.
pub(super) fn messages(preset: Preset, errand: &Errand, secret: Option<&str>, to: Option<&str>) -> Vec<Message> {
    let letter = &errand.letter;
    let one = |body| vec![Message { body, key: letter.message_id.clone(), about: errand.channel.clone() }];
    match preset {
        Preset::Alertmanager => one(alertmanager(errand)),
        Preset::Discord => one(discord(errand)),
        Preset::Gotify => one(json!({
            "title": letter.subject,
            "message": letter.text,
            "priority": rank(errand, [8, 5, 4]),
            "extras": { "client::display": { "contentType": "text/plain" } },
        })),
        Preset::Matrix => one(matrix(errand)),
        Preset::Mattermost => one(mattermost(errand, to)),
        Preset::Ntfy => one(ntfy(errand, to.unwrap_or_default())),
        Preset::PagerDuty => letter.topic.items.iter().map(|item| pager_duty(errand, item, secret.unwrap_or_default())).collect(),
        Preset::Slack => one(slack(errand)),
        Preset::Teams => one(teams(errand)),
        Preset::Telegram => one(json!({
            "chat_id": to.unwrap_or_default(),
            "text": cut(&format!("{}\n\n{}", letter.subject, letter.text), TELEGRAM_CHARACTERS),
            "link_preview_options": { "is_disabled": true },
        })),
    }
}

/// Completes the address where the service wants more in it than people should write.
pub(super) fn address(preset: Preset, url: &mut Url, to: Option<&str>, key: &str) {
    match preset {
        // The transaction's name is Matrix's own way of telling a repetition.
        Preset::Matrix => {
            if let Ok(mut path) = url.path_segments_mut() {
                let key: String = key.chars().filter(|letter| letter.is_ascii_alphanumeric() || ".-_".contains(*letter)).collect();
                path.pop_if_empty();
                path.extend(["_matrix", "client", "v3", "rooms", to.unwrap_or_default(), "send", "m.room.message", &key]);
            }
        }
        Preset::Gotify if !url.path().ends_with("/message") => {
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty();
                path.push("message");
            }
        }
        // Without this Discord answers before it has looked at the message.
        Preset::Discord if !url.query_pairs().any(|(name, _)| name == "wait") => {
            url.query_pairs_mut().append_pair("wait", "true");
        }
        _ => {}
    }
}

/// The header field in which the service wants the secret, if it is not elsewhere.
pub(super) fn header(preset: Preset, secret: Option<&str>) -> Option<(String, String)> {
    let secret = secret?;
    match preset {
        Preset::Gotify => Some(("x-gotify-key".to_owned(), secret.to_owned())),
        Preset::Matrix | Preset::Ntfy => Some(("authorization".to_owned(), format!("Bearer {secret}"))),
        _ => None,
    }
}

/// `POST` with a list of alerts, as Alertmanager sends it to its webhook receivers (version 4).
fn alertmanager(errand: &Errand) -> Value {
    let topic = &errand.letter.topic;
    let common = json!({ "network": topic.network, "alertname": "PeerwatchTarget" });
    let alert = |item: &Item| {
        let mut labels = common.clone();
        labels["instance"] = item.incident.target.0.clone().into();
        labels["incident"] = item.incident.to_string().into();
        labels["severity"] = item.severity.word().into();
        if let Some(group) = &item.group {
            labels["group"] = group.clone().into();
        }
        if topic.test {
            labels["test"] = "true".into();
        }
        let mut annotations = json!({ "summary": headline(item), "description": item.reason, "rule": item.rule });
        if let Some(runbook) = &item.runbook {
            annotations["runbook_url"] = runbook.clone().into();
        }
        json!({
            "status": if item.phase == Phase::Up { "resolved" } else { "firing" },
            "labels": labels,
            "annotations": annotations,
            "startsAt": moment(item.since),
            // What goes on has no end yet, for which Go's zero time stands.
            "endsAt": item.ended.filter(|_| item.phase == Phase::Up).map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), moment),
            "generatorURL": "",
            "fingerprint": &blake3::hash(incident_key(errand, item).as_bytes()).to_hex()[..16],
        })
    };
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{network=\"{}\"}}", topic.network),
        "truncatedAlerts": 0,
        "status": if worst(&topic.items) == Phase::Up { "resolved" } else { "firing" },
        "receiver": errand.channel,
        "groupLabels": { "network": topic.network },
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": topic.items.iter().map(alert).collect::<Vec<_>>(),
    })
}

/// The subject for the telephone, and an embed for each incident.
fn discord(errand: &Errand) -> Value {
    let topic = &errand.letter.topic;
    let shown = topic.items.len().clamp(1, EMBEDS);
    let room = EMBED_CHARACTERS / shown - EMBED_FRAME;
    let embed = |item: &Item| {
        let field = |name: &str, value: String| json!({ "name": name, "value": cut(&value, 100), "inline": true });
        let mut fields = vec![field("State", item.phase.word().to_owned())];
        match (item.phase, item.ended) {
            (Phase::Up, _) => fields.push(field("Lasted", item.lasted.to_string())),
            _ => fields.push(field("Votes", format!("{} of {}", item.votes.0, item.votes.1))),
        }
        if let Some((at, node)) = item.last_good().filter(|_| item.phase != Phase::Up) {
            fields.push(field("Last good", format!("{} ({node})", short_moment(at))));
        }
        let mut embed = json!({
            "title": cut(&headline(item), 120),
            "description": cut(&format!("{}\n{}", item.reason, rows(item)), room),
            "color": colour(item.phase),
            "fields": fields,
            "timestamp": moment(item.ended.filter(|_| item.phase == Phase::Up).unwrap_or(item.since)),
        });
        if let Some(runbook) = item.runbook.as_ref().filter(|runbook| Url::parse(runbook).is_ok_and(|url| url.scheme().starts_with("http")))
        {
            embed["url"] = runbook.clone().into();
        }
        embed
    };
    let mut embeds: Vec<Value> = topic.items.iter().take(EMBEDS).map(embed).collect();
    let more = topic.items.len().saturating_sub(EMBEDS);
    if let Some(last) = embeds.last_mut() {
        let more = if 0 < more { format!("And {more} more. ") } else { String::new() };
        last["footer"] = json!({ "text": cut(&format!("{more}{}", sent_by(errand)), 200) });
    }
    // Names and reasons come from outside; nobody is called by them.
    json!({ "content": cut(&errand.letter.subject, 300), "embeds": embeds, "allowed_mentions": { "parse": [] } })
}

/// `m.text`, with the text as it is and as a little page.
fn matrix(errand: &Errand) -> Value {
    let letter = &errand.letter;
    let text = cut(&letter.text, CARD_CHARACTERS);
    json!({
        "msgtype": "m.text",
        "body": format!("{}\n\n{text}", letter.subject),
        "format": "org.matrix.custom.html",
        "formatted_body": format!("<strong>{}</strong><pre><code>{}</code></pre>", escaped(&letter.subject), escaped(&text)),
    })
}

fn mattermost(errand: &Errand, to: Option<&str>) -> Value {
    let letter = &errand.letter;
    let mut body = json!({
        "text": "",
        "attachments": [{
            "fallback": letter.subject,
            "color": format!("#{:06X}", colour(worst(&letter.topic.items))),
            "title": letter.subject,
            "text": fenced(&letter.text, MATTERMOST_CHARACTERS),
            "footer": sent_by(errand),
        }],
    });
    if let Some(to) = to {
        body["channel"] = to.into();
    }
    body
}

fn ntfy(errand: &Errand, topic: &str) -> Value {
    let letter = &errand.letter;
    let mut body = json!({
        "topic": topic,
        "title": letter.subject,
        "message": cut_bytes(&letter.text, NTFY_BYTES),
        "priority": rank(errand, [5, 4, 3]),
        "tags": [match worst(&letter.topic.items) {
            Phase::Down => "rotating_light",
            Phase::Degraded => "warning",
            Phase::Up => "white_check_mark",
        }],
    });
    if let [Item { runbook: Some(runbook), .. }] = letter.topic.items.as_slice() {
        body["click"] = runbook.clone().into();
    }
    body
}

/// Events API v2: one event for each incident, which is opened and closed under the same key.
fn pager_duty(errand: &Errand, item: &Item, routing_key: &str) -> Message {
    let topic = &errand.letter.topic;
    let closes = item.phase == Phase::Up;
    let dedup = incident_key(errand, item);
    let test = if topic.test { "TEST: " } else { "" };
    let mut body = json!({
        "routing_key": routing_key,
        "event_action": if closes { "resolve" } else { "trigger" },
        "dedup_key": dedup,
        "client": "Peerwatch",
        "payload": {
            "summary": cut(&format!("{test}{}: {}", headline(item), item.reason), 1000),
            "source": item.incident.target.0,
            "severity": if closes { "info" } else { severity(item) },
            "timestamp": moment(item.ended.filter(|_| closes).unwrap_or(item.since)),
            "component": item.probe,
            "group": item.group.as_deref().unwrap_or(&topic.network),
            "class": item.phase.word(),
            "custom_details": {
                "incident": item.incident.to_string(),
                "network": topic.network,
                "votes": format!("{} of {}", item.votes.0, item.votes.1),
                "rule": item.rule,
                "nodes": rows(item),
                "sent_by": sent_by(errand),
            },
        },
    });
    if let Some(runbook) = &item.runbook {
        body["links"] = json!([{ "href": runbook, "text": "Runbook" }]);
    }
    Message { body, key: format!("{dedup}.{}", item.phase.word()), about: item.incident.to_string() }
}

/// A text for the telephone, and sections of what it says.
fn slack(errand: &Errand) -> Value {
    let letter = &errand.letter;
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let text = fenced(&escaped_within(&letter.text, SLACK_CHARACTERS), SLACK_CHARACTERS);
    json!({
        "text": escaped(&letter.subject),
        "attachments": [{
            "color": format!("#{:06X}", colour(worst(&letter.topic.items))),
            "blocks": [section(format!("*{}*", escaped(&letter.subject))), section(text)],
        }],
    })
}

/// An adaptive card, as workflows post it.
fn teams(errand: &Errand) -> Value {
    let letter = &errand.letter;
    let colour = match worst(&letter.topic.items) {
        Phase::Down => "Attention",
        Phase::Degraded => "Warning",
        Phase::Up => "Good",
    };
    let title = json!({ "type": "TextBlock", "text": letter.subject, "weight": "Bolder", "size": "Medium", "color": colour, "wrap": true });
    let text = json!({ "type": "TextBlock", "text": cut(&letter.text, CARD_CHARACTERS), "fontType": "Monospace", "wrap": true });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [title, text],
            },
        }],
    })
}

/// `shop is down`.
fn headline(item: &Item) -> String {
    match item.phase {
        Phase::Up => format!("{} is up again after {}", item.incident.target, item.lasted),
        phase => format!("{} is {}", item.incident.target, phase.word()),
    }
}

/// A line for each watcher.
fn rows(item: &Item) -> String {
    let row = |row: &crate::base::notice::Row| format!("{}: {}, {}", row.node, row.verdict.word(), row.detail);
    item.rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn sent_by(errand: &Errand) -> String {
    let topic = &errand.letter.topic;
    format!("Sent by node {} of network {}, which sees {} of {} nodes", topic.sender, topic.network, topic.seen.0, topic.seen.1)
}

/// What stays with an incident of a channel from its beginning to its end.
fn incident_key(errand: &Errand, item: &Item) -> String {
    let topic = &errand.letter.topic;
    let test = if topic.test { format!(".{}", topic.message) } else { String::new() };
    format!("peerwatch.{}.{}{test}", topic.network, item.incident)
}

/// For what is down, degraded, and up again.
fn rank(errand: &Errand, ranks: [u8; 3]) -> u8 {
    match worst(&errand.letter.topic.items) {
        Phase::Down => ranks[0],
        Phase::Degraded => ranks[1],
        Phase::Up => ranks[2],
    }
}

/// Red, amber and green that can be told apart on light and on dark, also by whoever sees no red.
const fn colour(phase: Phase) -> u32 {
    match phase {
        Phase::Down => 0x00C6_2828,
        Phase::Degraded => 0x00F9_A825,
        Phase::Up => 0x002E_7D32,
    }
}

/// A moment as people read it, without seconds' fractions.
fn short_moment(at: Wall) -> String {
    moment(at).replace('T', " ").replace('Z', " UTC")
}

/// Text that is shown as it is.
fn fenced(text: &str, most: usize) -> String {
    format!("```\n{}\n```", cut(&text.replace("```", "'''"), most).trim_end())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The same, with at most so many characters and no escape cut in two.
fn escaped_within(text: &str, most: usize) -> String {
    let mut short = String::new();
    let mut length = 0;
    for letter in text.chars() {
        let piece = escaped(letter.encode_utf8(&mut [0; 4]));
        length += piece.chars().count();
        if most < length + 1 {
            short.push('…');
            break;
        }
        short += &piece;
    }
    short
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

/// At most so many bytes.
fn cut_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{EntryHash, IncidentId, TargetId};
    use crate::base::notice::{Letter, Row, Topic};
    use crate::base::outcome::{Standing, Verdict};
    use crate::base::settings::Way;
    use crate::base::time::Span;

    /// A digest of as many incidents as a letter can have, each with the longest words that there can be.
    fn largest() -> Errand {
        let long = "ü".repeat(120);
        let row =
            Row { node: "n".repeat(63), verdict: Verdict::Down, time: None, loss: None, last_good: Some(Wall(0)), detail: long.clone() };
        let item = |number| Item {
            incident: IncidentId { target: TargetId("t".repeat(63)), number },
            phase: Phase::Down,
            standing: Standing::Down,
            severity: crate::base::target::Severity::Critical,
            reminder: 9,
            acknowledged: None,
            group: None,
            probe: long.clone(),
            reason: long.clone(),
            since: Wall(0),
            ended: None,
            lasted: Span::ZERO,
            votes: (200, 200),
            rows: vec![row.clone(); 200],
            rule: long.clone(),
            runbook: Some(format!("https://x/{}", "y".repeat(2000))),
            before: vec![],
            flapping: None,
            settled: None,
        };
        let topic = Topic {
            network: "n".repeat(63),
            sender: "s".repeat(63),
            seen: (200, 200),
            message: "id@x".into(),
            test: false,
            items: (0..256).map(item).collect(),
        };
        let letter = Letter { message_id: "id@x".into(), subject: long.clone(), text: "ü<".repeat(20_000), topic, ..Letter::default() };
        Errand { ballot: EntryHash([0; 32]), channel: "c".repeat(63), way: Way::Hook("x".into()), letter, within: Span::secs(1) }
    }

    fn characters(value: &Value) -> usize {
        value.as_str().map_or(0, |text| text.chars().count())
    }

    #[test]
    fn the_largest_digest_keeps_within_the_bounds_of_every_service() {
        let errand = largest();
        let body = |preset| messages(preset, &errand, Some("k"), Some("t")).remove(0).body;
        let discord = body(Preset::Discord);
        let embeds = discord["embeds"].as_array().unwrap();
        assert_eq!(embeds.len(), EMBEDS);
        let counted = |embed: &Value| {
            let fields = embed["fields"].as_array().unwrap();
            let in_fields: usize = fields.iter().map(|field| characters(&field["name"]) + characters(&field["value"])).sum();
            characters(&embed["title"]) + characters(&embed["description"]) + characters(&embed["footer"]["text"]) + in_fields
        };
        let total: usize = embeds.iter().map(counted).sum();
        assert!(total <= 6000, "{total}");
        assert!(embeds[9]["footer"]["text"].as_str().unwrap().starts_with("And 246 more. "));
        assert!(characters(&discord["content"]) <= 2000);
        assert!(body(Preset::Ntfy)["message"].as_str().unwrap().len() <= 4096);
        assert!(characters(&body(Preset::Telegram)["text"]) <= 4096);
        for section in body(Preset::Slack)["attachments"][0]["blocks"].as_array().unwrap() {
            assert!(characters(&section["text"]["text"]) <= 3000);
        }
        assert!(body(Preset::Teams).to_string().len() <= 28 * 1024);
        assert!(body(Preset::Matrix).to_string().len() <= 64 * 1024);
        let events = messages(Preset::PagerDuty, &errand, Some("k"), None);
        assert_eq!(events.len(), 256);
        for event in &events {
            assert!(characters(&event.body["payload"]["summary"]) <= 1024 && characters(&event.body["dedup_key"]) <= 255);
            assert!(event.body.to_string().len() < 512 * 1024);
        }
    }

    #[test]
    fn an_incident_is_closed_under_the_key_that_opened_it() {
        let mut errand = largest();
        errand.letter.topic.items.truncate(1);
        let event = |errand: &Errand| messages(Preset::PagerDuty, errand, Some("k"), None).remove(0);
        let opened = event(&errand);
        errand.letter.topic.items[0].phase = Phase::Up;
        errand.letter.topic.message = "another@x".into();
        errand.letter.message_id = "another@x".into();
        let closed = event(&errand);
        assert_eq!(
            (opened.body["dedup_key"].clone(), "trigger"),
            (closed.body["dedup_key"].clone(), opened.body["event_action"].as_str().unwrap())
        );
        assert_eq!(closed.body["event_action"], "resolve");
        assert_ne!(opened.key, closed.key, "they are two requests");
        errand.letter.topic.test = true;
        assert_ne!(event(&errand).body["dedup_key"], closed.body["dedup_key"], "an example closes nothing real");
    }
}
