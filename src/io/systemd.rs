//! Talks to the service manager.
//!
//! Everything here does nothing where no service manager listens. A message that cannot be sent is only
//! remarked on: the manager will act on the silence. When to say what is the daemon's matter; above
//! all, the watchdog is fed by whoever knows that the daemon works, not by a timer here.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::base::time::Span;

/// The service is up, or its reload is done.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// What the service does now, in one line for `systemctl status`.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(&one_line(text))]);
}

/// A reload begins; [`ready`] ends it. The manager matches both by the time in the same message.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("cannot tell the service manager of the reload: {error}"),
    }
}

/// The service is about to end. Never to be said during a reload.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How often to call [`watchdog`], which is twice in the time that the manager waits; `None` when it
/// does not wait for this process.
#[must_use]
pub fn watchdog_interval() -> Option<Span> {
    let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())?;
    let half = (patience / 2).max(Duration::from_millis(1));
    Some(Span(u64::try_from(half.as_millis()).unwrap_or(u64::MAX)))
}

/// The daemon works.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// Whether standard error goes straight to the journal, so that lines there need no time of their own.
#[must_use]
pub fn journal_stream() -> bool {
    // The path is this process's own entry, which a sandbox leaves visible.
    let stderr = std::fs::metadata("/proc/self/fd/2").map(|about| (about.dev(), about.ino())).ok();
    let named = std::env::var("JOURNAL_STREAM").ok().and_then(|text| device_and_inode(&text));
    stderr.is_some() && stderr == named
}

fn device_and_inode(text: &str) -> Option<(u64, u64)> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// A status with line breaks would be read as further messages.
fn one_line(text: &str) -> String {
    crate::base::outcome::clip(text.to_owned())
}

fn tell(message: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(message) {
        tracing::warn!("cannot tell the service manager ({}): {error}", message.first().map(ToString::to_string).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests;
