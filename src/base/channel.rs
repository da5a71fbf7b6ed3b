//! The parts of a channel beyond its name: what it wants to hear of, and how a webhook is called.
//!
//! Whether a channel wants a notice follows from the settings and the journal alone, so that all nodes decide
//! alike. A channel names secrets and never holds one. What services expect is known to `io::notify`.

use crate::base::hours::Hours;
use crate::base::id::TargetId;
use crate::base::target::Severity;
use crate::base::template::{Field, Shape, Template};
use crate::base::time::Wall;

/// What a channel wants to hear of. What it does not want is not told by it, and was never to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Only {
    /// Targets by name, `*` for any letters. With no groups either: all targets.
    pub targets: Vec<String>,
    /// Targets by group.
    pub groups: Vec<String>,
    /// Incidents whose first bad look lies within these hours.
    pub hours: Option<Hours>,
    /// Incidents that matter so much; none stands for all.
    pub severities: Vec<Severity>,
}

impl Only {
    /// Whether an incident that matters so much is wanted.
    #[must_use]
    pub fn is_for(&self, severity: Severity) -> bool {
        self.severities.is_empty() || self.severities.contains(&severity)
    }

    /// Whether an incident of a target is wanted, that began at this moment as the journal has it.
    #[must_use]
    pub fn wants(&self, target: &TargetId, group: Option<&str>, since: Wall) -> bool {
        let everything = self.targets.is_empty() && self.groups.is_empty();
        (everything || names(&self.targets, &self.groups, target, group)) && self.hours.as_ref().is_none_or(|hours| hours.contain(since))
    }
}

/// Whether a target is among these, by its name or its group.
#[must_use]
pub fn names(targets: &[String], groups: &[String], target: &TargetId, group: Option<&str>) -> bool {
    targets.iter().any(|pattern| fits(pattern, &target.0)) || group.is_some_and(|group| groups.iter().any(|known| known == group))
}

/// Whether a name fits a pattern, in which `*` stands for any letters, also none.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(place) = name.find(part) else { return false };
        name = &name[place + part.len()..];
    }
    name.ends_with(last)
}

/// A request to a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where to; may hold the secret.
    pub url: Template,
    /// `POST` or `PUT`.
    pub method: Method,
    /// What is sent.
    pub body: Body,
    /// Further header fields, in order.
    pub headers: Vec<(String, Template)>,
    /// Whom the service is to tell: a topic, a room, a chat.
    pub to: Option<String>,
    /// Name of the secret that the service wants.
    pub secret: Option<String>,
    /// Name of the secret with which the body is signed.
    pub sign: Option<String>,
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
}

impl Method {
    /// The word in files and requests.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// What is sent to a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The notice as this project writes it.
    Own,
    /// What a service expects.
    Preset(Preset),
    /// What the file says.
    Template(Shape),
}

/// Services whose form is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Prometheus Alertmanager's webhook, version 4: for its receivers.
    Alertmanager,
    /// Discord.
    Discord,
    /// Gotify.
    Gotify,
    /// Matrix, by the client-server interface.
    Matrix,
    /// Mattermost.
    Mattermost,
    /// ntfy.
    Ntfy,
    /// `PagerDuty`, Events API v2.
    PagerDuty,
    /// Slack.
    Slack,
    /// Microsoft Teams, by a workflow.
    Teams,
    /// Telegram.
    Telegram,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Alertmanager,
        Self::Discord,
        Self::Gotify,
        Self::Matrix,
        Self::Mattermost,
        Self::Ntfy,
        Self::PagerDuty,
        Self::Slack,
        Self::Teams,
        Self::Telegram,
    ];

    /// The word in files and for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Discord => "discord",
            Self::Gotify => "gotify",
            Self::Matrix => "matrix",
            Self::Mattermost => "mattermost",
            Self::Ntfy => "ntfy",
            Self::PagerDuty => "pagerduty",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Telegram => "telegram",
        }
    }

    /// Where the service is when nothing else is said. Some give each user an address that is itself the secret.
    #[must_use]
    pub const fn usual_url(self) -> Option<&'static str> {
        match self {
            Self::Discord | Self::Mattermost | Self::Slack | Self::Teams => Some("{secret}"),
            Self::Ntfy => Some("https://ntfy.sh"),
            Self::PagerDuty => Some("https://events.pagerduty.com/v2/enqueue"),
            Self::Telegram => Some("https://api.telegram.org/bot{secret}/sendMessage"),
            Self::Alertmanager | Self::Gotify | Self::Matrix => None,
        }
    }

    /// What [`Webhook::to`] is, if the service must be told.
    #[must_use]
    pub const fn wants_to(self) -> Option<&'static str> {
        match self {
            Self::Matrix => Some("to = \"!room:example.org\", the room's internal id"),
            Self::Ntfy => Some("to = \"my-topic\", the topic"),
            Self::Telegram => Some("to = \"-1001234567890\", the id of the chat"),
            _ => None,
        }
    }

    /// Whether the service takes nothing without a secret, beside one that stands in the address.
    #[must_use]
    pub const fn wants_secret(self) -> bool {
        matches!(self, Self::Gotify | Self::Matrix | Self::PagerDuty | Self::Telegram)
    }

    /// Whether the preset itself puts a secret somewhere, if there is one.
    #[must_use]
    pub const fn takes_secret(self) -> bool {
        self.wants_secret() || matches!(self, Self::Ntfy)
    }
}

impl Webhook {
    /// What a node must have to make this request, by the names under which it publishes that.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        let secrets = self.secret.iter().chain(&self.sign).map(|name| format!("secret:{name}"));
        let mut needs: Vec<String> = std::iter::once("webhook".to_owned()).chain(secrets).collect();
        needs.dedup();
        needs
    }

    /// Whether the secret is put in anywhere.
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        let body = match &self.body {
            Body::Own => false,
            Body::Preset(preset) => preset.takes_secret(),
            Body::Template(shape) => shape.holds(Field::Secret),
        };
        body || self.url.holds(Field::Secret) || self.headers.iter().any(|(_, value)| value.holds(Field::Secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, name, does) in [
            ("shop", "shop", true),
            ("shop", "shop2", false),
            ("node:*", "node:ber1", true),
            ("node:*", "node:", true),
            ("*", "", true),
            ("*-db", "shop-db", true),
            ("*-db", "shop-db2", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
        ] {
            assert_eq!(fits(pattern, name), does, "{pattern} {name}");
        }
    }

    #[test]
    fn a_channel_wants_what_it_names_within_its_hours() {
        let wants = |only: &Only, target: &str, group, since| only.wants(&TargetId(target.into()), group, Wall(since));
        let mut only = Only::default();
        assert!(wants(&only, "shop", None, 0), "who names nothing wants everything");
        only.targets = vec!["shop".into()];
        assert!(wants(&only, "shop", None, 0) && !wants(&only, "mail", Some("web"), 0));
        only.groups = vec!["web".into()];
        assert!(wants(&only, "mail", Some("web"), 0) && wants(&only, "shop", None, 0) && !wants(&only, "mail", None, 0));
        only.hours = Some(Hours::parse(&["08:00-18:00"], "UTC").unwrap());
        let noon = 12 * 3_600_000;
        assert!(wants(&only, "shop", None, noon) && !wants(&only, "shop", None, 0) && !wants(&only, "mail", None, noon));
    }
}
