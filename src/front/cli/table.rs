//! Tables and lines for people: what a terminal can do, colours, relative times, columns.
//!
//! Pure: facts about the terminal and the time come in, text goes out. Text from outside is made
//! harmless here, so that no name or detail can steer a terminal.

use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use crate::base::outcome::{Standing, Verdict};
use crate::base::time::{Micros, Span, Wall};

/// What is known of where the text goes.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    /// Whether colours help.
    pub(super) colour: bool,
    /// Whether symbols can be shown beside words.
    pub(super) symbols: bool,
    /// Whether tables have a line of headers.
    pub(super) headers: bool,
    /// Where the reader's clock is.
    pub(super) zone: TimeZone,
    /// What it says.
    pub(super) now: Wall,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Of little interest now.
    Faint,
    /// As it should be.
    Good,
    /// Something to look at.
    Poor,
    /// Something is broken.
    Bad,
}

/// One field of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
}

/// Rows under headers.
pub(super) struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Terminal {
    /// A text in its colour, if there are any.
    pub(super) fn paint(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Poor => "33",
            Tone::Bad => "1;31",
            Tone::Faint => "2",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.into() }
    }

    /// A word with the symbol of its tone, if there are any.
    pub(super) fn mark(&self, text: &str, tone: Tone) -> String {
        let symbol = match tone {
            Tone::Good => "✓",
            Tone::Poor => "!",
            Tone::Bad => "✗",
            Tone::Faint => "·",
        };
        if self.symbols { format!("{symbol} {text}") } else { text.into() }
    }

    /// How long ago a moment was.
    pub(super) fn ago(&self, at: Wall) -> String {
        match self.now.since(at) {
            Span(0..1000) => "just now".into(),
            span => format!("{} ago", brief(span)),
        }
    }
}

impl Terminal {
    /// A moment by the reader's clock: the time alone on the same day, else the day too.
    pub(super) fn since(&self, at: Wall) -> String {
        let day = |zoned: &jiff::Zoned| zoned.date();
        match (self.zoned(at), self.zoned(self.now)) {
            (Some(at), Some(now)) if day(&at) == day(&now) => at.strftime("%H:%M").to_string(),
            (Some(at), _) => at.strftime("%Y-%m-%d %H:%M").to_string(),
            (None, _) => "an unknown time".into(),
        }
    }

    /// The time of day, to the second.
    pub(super) fn clock(&self, at: Wall) -> String {
        self.zoned(at).map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default()
    }

    fn zoned(&self, at: Wall) -> Option<jiff::Zoned> {
        Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.zone.clone()))
    }
}

impl Cell {
    /// A field; an empty one shows a dash.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()), tone: None }
    }

    /// A field in a colour.
    pub(super) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { tone: Some(tone), ..Self::new(text) }
    }

    /// A field that may have nothing to show.
    pub(super) fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::new(""), Self::new)
    }
}

impl Table {
    /// An empty table with these columns.
    pub(super) fn new(headers: &[&'static str]) -> Self {
        Self { headers: headers.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has a field for each column.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        assert!(cells.len() == self.headers.len(), "BUG! a row of {} fields", cells.len());
        self.rows.push(cells);
    }

    /// The table as lines; columns are as wide as they must be, the last is not padded.
    pub(super) fn lines(&self, terminal: &Terminal) -> String {
        let show = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let width = |column: usize| {
            let fields = self.rows.iter().map(|row| show(&row[column].text).width());
            let header = if terminal.headers { self.headers[column].width() } else { 0 };
            fields.fold(header, usize::max)
        };
        let widths: Vec<usize> = (0..self.headers.len()).map(width).collect();
        let mut lines = String::new();
        if terminal.headers && !self.rows.is_empty() {
            let names = self.headers.iter().map(|name| ((*name).to_owned(), name.width(), None));
            lines.push_str(&line(names, &widths, terminal));
        }
        for row in &self.rows {
            let fields = row.iter().map(|cell| (show(&cell.text), show(&cell.text).width(), cell.tone));
            lines.push_str(&line(fields, &widths, terminal));
        }
        lines
    }
}

fn line(fields: impl Iterator<Item = (String, usize, Option<Tone>)>, widths: &[usize], terminal: &Terminal) -> String {
    let mut line = String::new();
    for (column, (text, width, tone)) in fields.enumerate() {
        line.push_str(&tone.map_or_else(|| text.clone(), |tone| terminal.paint(&text, tone)));
        if column + 1 < widths.len() {
            line.push_str(&" ".repeat(widths[column] - width + 2));
        }
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// A text without anything that a terminal would obey, or that would turn its direction.
pub(super) fn harmless(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// A length by its largest unit.
pub(super) fn brief(span: Span) -> String {
    let text = span.to_string();
    text.split(' ').next().unwrap_or(&text).to_owned()
}

/// A round trip.
pub(super) fn time(time: Option<Micros>) -> Cell {
    Cell::maybe(time.map(|time| time.to_string()))
}

/// A share of lost packets.
pub(super) fn loss(share: Option<f32>) -> Cell {
    let Some(share) = share else { return Cell::new("") };
    let percent = f64::from(share) * 100.0;
    let text = if percent == 0.0 || 10.0 <= percent { format!("{percent:.0}%") } else { format!("{percent:.1}%") };
    if 0.0 < percent { Cell::toned(text, Tone::Poor) } else { Cell::new(text) }
}

/// How a standing looks; `sometimes` softens what may be away.
pub(super) fn standing(standing: Standing, sometimes: bool) -> Tone {
    match standing {
        Standing::Up => Tone::Good,
        Standing::Held => Tone::Faint,
        _ if sometimes => Tone::Faint,
        Standing::Degraded | Standing::Unknown => Tone::Poor,
        Standing::Down => Tone::Bad,
    }
}

/// Whether a verdict speaks against a target.
pub(super) fn against(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Degraded | Verdict::Down)
}

/// `1 node`, `2 nodes`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
