//! A letter as a small page: the same words as the text, in tables that fit a telephone.
//!
//! No scripts, no remote parts, no style but a few attributes; readable in dark and in light. Every word from
//! outside is escaped here.

use std::fmt::Write as _;

use super::{COLUMNS, at_length, cells, ending, facts, first, opening, rest, sender, time};
use crate::base::notice::{Item, Topic};
use crate::base::settings::Phase;

/// Writes the page.
pub(super) fn write(topic: &Topic) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\"></head>\n\
         <body style=\"font:15px sans-serif\">\n",
    );
    let worst = [Phase::Down, Phase::Degraded].into_iter().find(|phase| topic.items.iter().any(|item| item.phase == *phase));
    heading(&mut page, &opening(topic), worst.unwrap_or(Phase::Up));
    let several = 1 < topic.items.len();
    if several {
        digest(&mut page, &topic.items);
    }
    for item in at_length(topic) {
        if several {
            heading(&mut page, &first(item), item.phase);
        }
        describe(&mut page, item);
    }
    let _ = rest(topic).map(|rest| writeln!(page, "<p>{}</p>", escaped(&rest)));
    let _ = write!(page, "<p style=\"color:#777\">{}</p>\n</body></html>\n", escaped(&sender(topic)));
    page
}

/// Lines with a bar in the colour of the state; the words say it too.
fn heading(page: &mut String, text: &str, phase: Phase) {
    let colour = match phase {
        Phase::Down => "#C62828",
        Phase::Degraded => "#F9A825",
        Phase::Up => "#2E7D32",
    };
    let text = escaped(text).replace("\n\n", "<br>");
    let _ = writeln!(page, "<p style=\"border-left:6px solid {colour};padding-left:10px\"><b>{text}</b></p>");
}

fn digest(page: &mut String, items: &[Item]) {
    page.push_str("<table cellpadding=\"3\">\n");
    for item in items {
        let (state, target, since) = (item.phase.word(), escaped(&item.incident.target.0), time(item.since));
        let _ = writeln!(page, "<tr><td><b>{state}</b></td><td>{target}</td><td>{since}</td><td>{}</td></tr>", escaped(&item.reason));
    }
    page.push_str("</table>\n");
}

fn describe(page: &mut String, item: &Item) {
    let _ = ending(item).map(|line| writeln!(page, "<p>{}</p>", escaped(&line)));
    page.push_str("<table cellpadding=\"3\">\n");
    for (label, value) in facts(item) {
        let is_link = label == "Runbook" && ["https://", "http://"].iter().any(|scheme| value.starts_with(scheme));
        let value = escaped(&value);
        let value = if is_link { format!("<a href=\"{value}\">{value}</a>") } else { value };
        let _ = writeln!(page, "<tr><td style=\"color:#777\">{label}</td><td>{value}</td></tr>");
    }
    page.push_str("</table>\n");
    if item.rows.is_empty() {
        return;
    }
    let line = |cells: &[String], tag: &str| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("<{tag} align=\"left\">{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    page.push_str("<table cellpadding=\"3\" style=\"font-size:13px\">\n");
    page.push_str(&line(&COLUMNS.map(str::to_owned), "th"));
    item.rows.iter().for_each(|row| page.push_str(&line(&cells(row), "td")));
    page.push_str("</table>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
