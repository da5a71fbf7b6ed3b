//! Text with places to be filled in: `[{state}] {target}`.
//!
//! A template is read once, where it is written, and then has only places that exist. `{{` and `}}` stand
//! for single braces. What is put into the places is decided by whoever fills it; nothing is computed here.

use std::borrow::Cow;

/// What can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The subject: one line that fits a telephone.
    Subject,
    /// The whole text.
    Text,
    /// Its first line.
    First,
    /// `down`, `degraded` or `up`; of several the worst.
    State,
    /// `critical`, `warning` or `ok`.
    Severity,
    /// The target, or several with commas between.
    Target,
    /// The incident, or several with commas between.
    Incident,
    /// Why, in one line.
    Reason,
    /// The first bad look, RFC 3339.
    Since,
    /// How long it has lasted.
    Duration,
    /// Where to read what to do.
    Runbook,
    /// The network.
    Network,
    /// The node that sends.
    Node,
    /// The channel.
    Channel,
    /// What is the same on every node and at every attempt.
    Id,
    /// The node's secret.
    Secret,
}

impl Field {
    /// All of them, with the words in braces.
    pub const ALL: [(&'static str, Self); 16] = [
        ("subject", Self::Subject),
        ("text", Self::Text),
        ("first", Self::First),
        ("state", Self::State),
        ("severity", Self::Severity),
        ("target", Self::Target),
        ("incident", Self::Incident),
        ("reason", Self::Reason),
        ("since", Self::Since),
        ("duration", Self::Duration),
        ("runbook", Self::Runbook),
        ("network", Self::Network),
        ("node", Self::Node),
        ("channel", Self::Channel),
        ("id", Self::Id),
        ("secret", Self::Secret),
    ];
}

/// Text with places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// As it was written.
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Place(Field),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A brace that is opened and not closed, or closed and not opened.
    Brace,
    /// Nothing is called so.
    Unknown(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What in it cannot be filled in.
    pub fn parse(text: &str) -> Result<Self, Misfit> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(place) = rest.find(['{', '}']) {
            plain.push_str(&rest[..place]);
            let brace = &rest[place..=place];
            rest = &rest[place + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = rest.split_once('}').filter(|_| brace == "{").ok_or(Misfit::Brace)?;
            let known = Field::ALL.iter().find(|(word, _)| *word == name);
            let (_, field) = known.ok_or_else(|| Misfit::Unknown(name.to_owned()))?;
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Place(*field));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Ok(Self { written: text.to_owned(), pieces })
    }

    /// The text with every place filled in.
    #[must_use]
    pub fn fill<'a>(&self, value: impl Fn(Field) -> Cow<'a, str>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Place(field) => value(*field).into_owned(),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// Whether this is to be filled in anywhere.
    #[must_use]
    pub fn holds(&self, field: Field) -> bool {
        self.pieces.contains(&Piece::Place(field))
    }

    /// As it was written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }
}

/// A JSON value with templates in the place of texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Text to be filled in.
    Text(Template),
    /// A whole number.
    Whole(i64),
    /// Another number.
    Number(f64),
    /// True or false.
    Truth(bool),
    /// A list.
    List(Vec<Shape>),
    /// A table, in the order of its keys.
    Table(Vec<(String, Shape)>),
}

impl Shape {
    /// Whether this is to be filled in anywhere.
    #[must_use]
    pub fn holds(&self, field: Field) -> bool {
        match self {
            Self::Text(template) => template.holds(field),
            Self::Whole(_) | Self::Number(_) | Self::Truth(_) => false,
            Self::List(list) => list.iter().any(|inner| inner.holds(field)),
            Self::Table(table) => table.iter().any(|(_, inner)| inner.holds(field)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_doubled_braces_are_single_ones() {
        let template = Template::parse("{{{state}}} of {target}: {{}}").unwrap();
        let value = |field| Cow::from(if field == Field::State { "down" } else { "{state}" });
        assert_eq!(template.fill(value), "{down} of {state}: {}", "what is filled in is not read again");
        assert!(template.holds(Field::Target) && !template.holds(Field::Secret));
        assert_eq!(Template::parse("").unwrap().fill(value), "");
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        for text in ["{state", "state}", "{", "a } b"] {
            assert_eq!(Template::parse(text), Err(Misfit::Brace), "{text}");
        }
        assert_eq!(Template::parse("{stat}"), Err(Misfit::Unknown("stat".into())));
    }
}
