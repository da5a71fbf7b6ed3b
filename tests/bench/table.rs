//! What was measured, and what it is compared with.

use std::fmt;

/// Rows in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// A figure with nothing beside it.
    pub(crate) fn alone(&mut self, what: &str, value: impl fmt::Display) {
        self.row([what.into(), value.to_string(), String::new(), String::new()]);
    }

    /// A figure beside another of the same unit: the ratio is the first by the second.
    pub(crate) fn beside(&mut self, what: &str, value: f64, unit: &str, other: f64, other_is: &str) {
        let ratio = if 0.0 < other { format!("{:.2}", value / other) } else { String::new() };
        self.row([what.into(), number(value, unit), format!("{} {other_is}", number(other, unit)), ratio]);
    }

    fn row(&mut self, row: [String; 4]) {
        eprintln!("  {}", row.join("  "));
        self.rows.push(row);
    }
}

fn number(value: f64, unit: &str) -> String {
    if value < 10.0 { format!("{value:.2} {unit}") } else { format!("{value:.0} {unit}") }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["figure", "measured", "beside", "ratio"].map(String::from);
        let width = |column: usize| self.rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2, 3].map(width);
        for row in [&head].into_iter().chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
