//! Values as the bus has them.
//!
//! All times are microseconds, as elsewhere on the system bus: moments since 1970 UTC, where zero
//! means never, and lengths. Lists of things with many traits are `a(sa{sv})`: a name, and what is
//! known of it. What is not known is left out.

use std::collections::BTreeMap;

use zbus::Variant;

use crate::base::time::{Micros, Span, Wall};

/// What is known of something.
pub(super) type Traits = BTreeMap<&'static str, Variant<'static>>;

/// Things by name, in order.
pub(super) type Rows = Vec<(String, Traits)>;

/// A text from outside, as the bus takes it: without the byte zero, which would end the connection.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A text that may be absent: then it is empty.
pub(super) fn optional(maybe: Option<&str>) -> String {
    maybe.map(text).unwrap_or_default()
}

/// Texts.
pub(super) fn texts(list: &[String]) -> Vec<String> {
    list.iter().map(|line| text(line)).collect()
}

/// A moment in microseconds since 1970; what lies before is zero.
pub(super) fn moment(at: Wall) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1000)
}

/// A length in microseconds.
pub(super) fn length(span: Span) -> u64 {
    span.0.saturating_mul(1000)
}

/// A count; no list here comes near its end.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Gathers traits; what is not known is not added.
#[derive(Default)]
pub(super) struct Known(Traits);

impl Known {
    /// Adds a trait.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<Variant<'static>>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// Adds a text.
    pub(super) fn text(self, name: &'static str, value: &str) -> Self {
        self.with(name, text(value))
    }

    /// Adds a measured time if there is one.
    pub(super) fn time(self, name: &'static str, time: Option<Micros>) -> Self {
        self.maybe(name, time.map(|time| u64::from(time.0)))
    }

    /// Adds a trait if it is known.
    pub(super) fn maybe(self, name: &'static str, value: Option<impl Into<Variant<'static>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// What was gathered.
    pub(super) fn traits(self) -> Traits {
        self.0
    }
}
