//! Tells people: an errand in, a delivery out.
//!
//! An errand is carried at most once per call and never longer than it may take; whether it is tried
//! again, and by whom, is decided elsewhere. A failure is a delivery too, whose detail names the remedy.
//! Secrets are used where they belong and written nowhere: not in details, not in logs.

mod hook;
mod mail;
mod news;
mod webhook;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;

use crate::base::notice::{Delivery, Errand};
use crate::base::settings::{Mail, Way};
use crate::io::trust;

/// This host's ways out, as they are now.
#[derive(Clone, Default)]
pub struct Outbox {
    /// For mail.
    pub mail: Option<Mail>,
    /// The password for it.
    pub password: Option<String>,
    /// Secrets by the names that channels give them.
    pub secrets: BTreeMap<String, String>,
    /// Programs by the names that channels give them.
    pub hooks: BTreeMap<String, Vec<String>>,
}

impl Outbox {
    /// Whether this host has something, by the name under which it is published.
    #[must_use]
    pub fn has(&self, need: &str) -> bool {
        match need.split_once(':') {
            Some(("secret", name)) => self.secrets.contains_key(name),
            Some(("hook", name)) => self.hooks.contains_key(name),
            _ => need == "webhook" || need == "mail" && self.mail.is_some(),
        }
    }
}

impl fmt::Debug for Outbox {
    /// Without any secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<&String> = self.secrets.keys().collect();
        f.debug_struct("Outbox").field("mail", &self.mail).field("secrets", &secrets).field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

/// Carries errands. Clones share everything, so one per process is enough.
#[derive(Clone)]
pub struct Carrier(Arc<webhook::Client>);

impl Carrier {
    /// Believes the servers whom this host's root certificates vouch for.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(trust::native_roots())
    }

    /// The same with other root certificates, for a private authority.
    #[must_use]
    pub fn trusting(roots: RootCertStore) -> Self {
        Self(Arc::new(webhook::Client::new(roots)))
    }

    /// Carries an errand by this host's way out. Ends within `errand.within`.
    ///
    /// Dropping the future closes the connection, or ends the program; what was already handed over may
    /// then still arrive.
    pub async fn carry(&self, outbox: &Outbox, errand: &Errand) -> Delivery {
        match &errand.way {
            Way::Mail { to, from } => match &outbox.mail {
                Some(mail) => mail::carry(mail, outbox.password.as_deref(), errand, to, from).await,
                None => Delivery::failed("this node has no way out for mail any more"),
            },
            Way::Webhook(webhook) => webhook::send(&self.0, &outbox.secrets, webhook, errand).await,
            Way::Hook(name) => match outbox.hooks.get(name) {
                Some(command) => hook::run(name, command, errand).await,
                None => Delivery::failed(format!("this node has no [[hook]] \"{name}\" any more")),
            },
        }
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Self::new()
    }
}

/// An error without its number, in lower case, as it stands in the middle of a line.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
