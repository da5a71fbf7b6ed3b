//! What a notice says: text first, a small page of the same beside it.
//!
//! The subject fits a telephone and the first line is for a person. Times are told by the clock of
//! the node that noted them, in UTC. No remote parts, no secrets, nothing that is not in the journal.

use std::fmt::Write as _;

use crate::base::notice::{Item, Letter, Row, Topic};
use crate::base::settings::Phase;
use crate::base::time::Wall;

/// Writes the letter.
#[must_use]
pub fn write(topic: &Topic) -> Letter {
    let mut references: Vec<String> = topic.items.iter().flat_map(|item| item.before.clone()).collect();
    references.dedup();
    let text = text(topic);
    let states: Vec<&str> = topic.items.iter().map(|item| item.phase.word()).collect();
    let incidents: Vec<String> = topic.items.iter().map(|item| item.incident.to_string()).collect();
    Letter {
        message_id: topic.message.clone(),
        references,
        subject: subject(&topic.items),
        html: html(&text),
        text,
        headers: vec![
            ("X-Peerwatch-Network", topic.network.clone()),
            ("X-Peerwatch-Incident", short_list(&incidents)),
            ("X-Peerwatch-State", short_list(&states)),
        ],
        topic: topic.clone(),
    }
}

fn subject(items: &[Item]) -> String {
    match items {
        [item] => {
            let name = &item.incident.target;
            let label = item.phase.word().to_uppercase();
            match item.phase {
                Phase::Up => format!("[{label}] {name} - was {} for {}", item.standing.word(), item.lasted),
                Phase::Down | Phase::Degraded => {
                    format!("[{label}] {name} - {} ({}/{} nodes)", brief(&item.reason), item.votes.0, item.votes.1)
                }
            }
        }
        _ => {
            let count = |phase| items.iter().filter(|item| item.phase == phase).count();
            let labels: Vec<String> = [Phase::Down, Phase::Degraded, Phase::Up]
                .into_iter()
                .filter(|phase| 0 < count(*phase))
                .map(|phase| format!("{}:{}", phase.word().to_uppercase(), count(phase)))
                .collect();
            let names: Vec<String> = items.iter().map(|item| item.incident.target.0.clone()).collect();
            format!("[{}] {}", labels.join(" "), brief(&short_list(&names)))
        }
    }
}

fn text(topic: &Topic) -> String {
    let mut text = String::new();
    for (index, item) in topic.items.iter().enumerate() {
        if 0 < index {
            text += "\n--------\n\n";
        }
        describe(&mut text, item);
    }
    let (alive, enrolled) = topic.seen;
    let _ = write!(
        text,
        "\nSent by node {} of network {}, which sees {alive} of {enrolled} nodes.\n\
         More: peerwatchctl incidents, or the page of any node.\n",
        topic.sender, topic.network
    );
    text
}

fn describe(text: &mut String, item: &Item) {
    let name = &item.incident.target;
    let _ = match item.phase {
        Phase::Up => writeln!(text, "{name} is up again. It was {} for {}.", item.standing.word(), item.lasted),
        Phase::Down | Phase::Degraded => {
            writeln!(text, "{name} is {} since {}: {}.", item.phase.word(), time(item.since), item.reason.trim_end_matches('.'))
        }
    };
    let _ = match (item.phase, item.ended) {
        (Phase::Up, Some(ended)) => writeln!(text, "From {} to {}: {}.", time(item.since), time(ended), item.reason.trim_end_matches('.')),
        (Phase::Down | Phase::Degraded, Some(ended)) => writeln!(text, "It has recovered since, at {}.", time(ended)),
        (_, None) => Ok(()),
    };
    let _ = writeln!(text, "\nTarget:    {name} ({})", item.probe);
    let _ = writeln!(text, "Incident:  {}", item.incident);
    if item.phase != Phase::Up {
        let _ = writeln!(text, "Votes:     {} of {} nodes call it {}", item.votes.0, item.votes.1, item.standing.word());
        let _ = writeln!(text, "Rule:      {}", item.rule);
    }
    if let Some(runbook) = &item.runbook {
        let _ = writeln!(text, "Runbook:   {runbook}");
    }
    if !item.rows.is_empty() {
        text.push('\n');
        table(text, &item.rows);
    }
}

fn table(text: &mut String, rows: &[Row]) {
    let width = rows.iter().map(|row| row.node.chars().count()).max().unwrap_or(0).max(4);
    let _ = writeln!(text, "{:width$}  {:8}  {:>9}  {:>5}  {:19}  DETAIL", "NODE", "SAYS", "TIME", "LOSS", "LAST GOOD (UTC)");
    for row in rows {
        let took = row.time.map_or_else(|| "-".into(), |time| time.to_string());
        let loss = row.loss.map_or_else(|| "-".into(), |loss| format!("{:.0}%", loss * 100.0));
        let good = row.last_good.map_or_else(|| "-".into(), |wall| time(wall).trim_end_matches(" UTC").to_owned());
        let _ = writeln!(text, "{:width$}  {:8}  {took:>9}  {loss:>5}  {good:19}  {}", row.node, row.verdict.word(), row.detail);
    }
}

/// The same text as a page: no scripts, no remote parts, readable in dark and light.
fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (first, rest) = escaped.split_once('\n').unwrap_or((&escaped, ""));
    format!(
        "<!DOCTYPE html><html><body><p style=\"font:bold 16px sans-serif\">{first}</p>\
         <pre style=\"font:13px monospace\">{}</pre></body></html>",
        rest.trim_start_matches('\n')
    )
}

/// `2026-11-20 07:33:41 UTC`.
fn time(wall: Wall) -> String {
    jiff::Timestamp::from_millisecond(wall.0).map_or_else(|_| "an unreadable time".into(), |at| at.strftime("%F %T UTC").to_string())
}

/// At most 60 characters, so that a subject fits a telephone.
fn brief(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST { text.into() } else { text.chars().take(MOST - 1).chain(['…']).collect() }
}

/// At most eight, then how many more.
fn short_list<T: AsRef<str>>(items: &[T]) -> String {
    const MOST: usize = 8;
    let mut list: Vec<String> = items.iter().take(MOST).map(|item| item.as_ref().to_owned()).collect();
    if MOST < items.len() {
        list.push(format!("and {} more", items.len() - MOST));
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{IncidentId, TargetId};
    use crate::base::outcome::{Standing, Verdict};
    use crate::base::time::{Micros, Span};
    use expect_test::expect;

    fn item(phase: Phase) -> Item {
        let row = |node: &str, verdict, detail: &str| Row {
            node: node.into(),
            verdict,
            time: (verdict == Verdict::Up).then_some(Micros(1234)),
            loss: None,
            last_good: Some(Wall(1_763_624_000_000)),
            detail: detail.into(),
        };
        Item {
            incident: IncidentId { target: TargetId("shop".into()), number: 3 },
            phase,
            standing: Standing::Down,
            group: None,
            probe: "http https://shop.example.org/".into(),
            reason: "connection refused".into(),
            since: Wall(1_763_624_021_000),
            ended: (phase == Phase::Up).then_some(Wall(1_763_624_771_000)),
            lasted: Span::secs(750),
            votes: (2, 3),
            rows: vec![
                row("ber1", Verdict::Down, "connection refused"),
                row("fra1", Verdict::Down, "<timed out>"),
                row("nyc1", Verdict::Up, "200 OK"),
            ],
            rule: "3 bad looks in a row, every 30s, seen by a majority of watchers".into(),
            runbook: Some("https://wiki.example.org/shop".into()),
            before: if phase == Phase::Up { vec!["down@x".into()] } else { vec![] },
        }
    }

    fn topic(items: Vec<Item>) -> Topic {
        Topic { network: "home".into(), sender: "ber1".into(), seen: (3, 3), message: "id@x".into(), test: false, items }
    }

    #[test]
    fn a_bad_notice_tells_what_since_when_and_who_says_so() {
        let letter = write(&topic(vec![item(Phase::Down)]));
        expect!["[DOWN] shop - connection refused (2/3 nodes)"].assert_eq(&letter.subject);
        expect![[r#"
            shop is down since 2025-11-20 07:33:41 UTC: connection refused.

            Target:    shop (http https://shop.example.org/)
            Incident:  shop#3
            Votes:     2 of 3 nodes call it down
            Rule:      3 bad looks in a row, every 30s, seen by a majority of watchers
            Runbook:   https://wiki.example.org/shop

            NODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL
            ber1  down              -      -  2025-11-20 07:33:20  connection refused
            fra1  down              -      -  2025-11-20 07:33:20  <timed out>
            nyc1  up          1.23 ms      -  2025-11-20 07:33:20  200 OK

            Sent by node ber1 of network home, which sees 3 of 3 nodes.
            More: peerwatchctl incidents, or the page of any node.
        "#]]
        .assert_eq(&letter.text);
        assert!(letter.html.contains("&lt;timed out&gt;") && letter.references.is_empty());
    }

    #[test]
    fn a_recovery_tells_the_duration_and_answers_the_first_mail() {
        let letter = write(&topic(vec![item(Phase::Up)]));
        expect!["[UP] shop - was down for 12m 30s"].assert_eq(&letter.subject);
        assert!(
            letter.text.starts_with("shop is up again. It was down for 12m 30s.\nFrom 2025-11-20 07:33:41 UTC to 2025-11-20 07:46:11 UTC")
        );
        assert_eq!(letter.references, ["down@x"]);
    }

    #[test]
    fn what_falls_together_is_one_letter() {
        let mut other = item(Phase::Up);
        other.incident.target = TargetId("mail".into());
        let letter = write(&topic(vec![item(Phase::Down), other]));
        expect!["[DOWN:1 UP:1] shop, mail"].assert_eq(&letter.subject);
        assert!(letter.text.contains("shop is down since") && letter.text.contains("mail is up again"));
    }
}
