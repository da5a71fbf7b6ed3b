//! What a notice says: text first, a small page of the same beside it.
//!
//! The subject fits a telephone, the important first, and the first line is for a person. Several notices make
//! a digest: a line for each, and the first few at length. Times are told by the clock of the node that noted
//! them, in UTC. No remote parts, no secrets, nothing that is not in the journal.

mod page;

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::limits;
use crate::base::notice::{Item, Letter, Row, Topic};
use crate::base::settings::Phase;
use crate::base::time::{Span, Wall};

/// What everybody must see first of a notice that somebody asked for.
const EXAMPLE: &str = "This is an example that somebody asked for with peerwatchctl notify test. Nothing of it has happened.";

/// Writes the letter.
#[must_use]
pub fn write(topic: &Topic) -> Letter {
    let mut references: Vec<String> = topic.items.iter().flat_map(|item| item.before.clone()).collect();
    references.dedup();
    let states: Vec<&str> = topic.items.iter().map(|item| item.phase.word()).collect();
    let incidents: Vec<String> = topic.items.iter().map(|item| item.incident.to_string()).collect();
    let targets: Vec<&str> = topic.items.iter().map(|item| item.incident.target.0.as_str()).collect();
    let worst = topic.items.iter().map(|item| item.severity).max();
    let mut headers = vec![
        ("X-Peerwatch-Network", topic.network.clone()),
        ("X-Peerwatch-Target", short_list(&targets)),
        ("X-Peerwatch-Incident", short_list(&incidents)),
        ("X-Peerwatch-State", short_list(&states)),
        ("X-Peerwatch-Severity", worst.map_or_else(String::new, |severity| severity.word().to_owned())),
    ];
    if topic.items.iter().any(|item| 0 < item.reminder) {
        headers.push(("X-Peerwatch-Reminder", "yes".to_owned()));
    }
    if topic.test {
        headers.push(("X-Peerwatch-Test", "yes".to_owned()));
    }
    Letter {
        message_id: topic.message.clone(),
        references,
        subject: subject(topic),
        html: page::write(topic),
        text: text(topic),
        headers,
        topic: topic.clone(),
    }
}

/// At most [`limits::SUBJECT`] columns; what matters least is shortened first.
fn subject(topic: &Topic) -> String {
    let mark = if topic.test { "[TEST] " } else { "" };
    let (head, body, tail) = match topic.items.as_slice() {
        [item] => {
            let head = format!("{mark}[{}] {}", label(item), item.incident.target);
            match item.phase {
                Phase::Up if item.flapping.is_some() => {
                    let now = item.settled.map_or("up", |standing| standing.word());
                    (head, format!("flapped for {}, now {now}", item.lasted), String::new())
                }
                Phase::Up => (head, format!("was {} for {}", item.standing.word(), item.lasted), String::new()),
                Phase::Down | Phase::Degraded if 0 < item.reminder => {
                    (head, format!("still, for {}: {}", brief(item.lasted), item.reason), String::new())
                }
                Phase::Down | Phase::Degraded => (head, item.reason.clone(), format!(" ({}/{} nodes)", item.votes.0, item.votes.1)),
            }
        }
        items => {
            let labels = PHASES.map(|phase| (phase, count(items, phase)));
            let labels =
                labels.iter().filter(|(_, count)| 0 < *count).map(|(phase, count)| format!("{}:{count}", phase.word().to_uppercase()));
            let names: Vec<&str> = items.iter().map(|item| item.incident.target.0.as_str()).collect();
            let head = format!("{mark}[{}] ", labels.collect::<Vec<_>>().join(" "));
            let names = short_list(&names);
            return format!("{head}{}", cut(&names, limits::SUBJECT - head.width()));
        }
    };
    let frame = head.width() + " - ".len() + tail.width();
    if limits::SUBJECT < frame + LEAST_REASON.min(body.width()) {
        return cut(&format!("{head} - {body}"), limits::SUBJECT);
    }
    format!("{head} - {}{tail}", cut(&body, limits::SUBJECT - frame))
}

/// The word that people see first.
fn label(item: &Item) -> String {
    match item.phase {
        Phase::Up if item.settled.is_some() => "STEADY".to_owned(),
        Phase::Down | Phase::Degraded if item.flapping.is_some() => "FLAPPING".to_owned(),
        phase => phase.word().to_uppercase(),
    }
}

/// A reason shorter than this says nothing; rather the number of nodes is left out.
const LEAST_REASON: usize = 12;

/// The worst first.
const PHASES: [Phase; 3] = [Phase::Down, Phase::Degraded, Phase::Up];

fn count(items: &[Item], phase: Phase) -> usize {
    items.iter().filter(|item| item.phase == phase).count()
}

/// The first line: what, since when, why.
fn opening(topic: &Topic) -> String {
    let line = match topic.items.as_slice() {
        [item] => first(item),
        items => {
            let part = |(phase, count): (Phase, usize)| {
                let verb = if count == 1 { "is" } else { "are" };
                let state = if phase == Phase::Up { "up again" } else { phase.word() };
                format!("{count} {verb} {state}")
            };
            let counts = PHASES.map(|phase| (phase, count(items, phase)));
            let parts: Vec<String> = counts.into_iter().filter(|(_, count)| 0 < *count).map(part).collect();
            format!("Of {} targets {}.", items.len(), parts.join(", "))
        }
    };
    if topic.test { format!("{EXAMPLE}\n\n{line}") } else { line }
}

fn first(item: &Item) -> String {
    let name = &item.incident.target;
    match (item.phase, item.flapping, item.settled) {
        (Phase::Up, Some(steady), Some(standing)) => {
            return format!("{name} flapped for {}, and is {} without a change for {steady} now.", item.lasted, standing.word());
        }
        (Phase::Up, Some(steady), None) => {
            return format!("{name} is up again, without a change for {steady}. It flapped for {}.", item.lasted);
        }
        (Phase::Down | Phase::Degraded, Some(steady), _) => {
            let reason = item.reason.trim_end_matches('.');
            return format!(
                "{name} is {} again since {}: {reason}. It is told again when nothing has changed for {steady}.",
                item.phase.word(),
                time(item.since)
            );
        }
        _ => {}
    }
    match item.phase {
        Phase::Up => format!("{name} is up again. It was {} for {}.", item.standing.word(), item.lasted),
        Phase::Down | Phase::Degraded => {
            let still = if 0 < item.reminder { "still " } else { "" };
            format!("{name} is {still}{} since {}: {}.", item.phase.word(), time(item.since), item.reason.trim_end_matches('.'))
        }
    }
}

/// What reminds people can be stopped.
fn reminding(item: &Item) -> Option<String> {
    let number = Some(item.reminder).filter(|number| 0 < *number)?;
    Some(format!("Reminder {number}. To stop reminders: peerwatchctl ack '{}'.", item.incident))
}

/// Minutes are enough for what lasts long.
fn brief(span: Span) -> Span {
    if Span::secs(60) <= span { Span(span.0 / 60_000 * 60_000) } else { span }
}

/// The second line, where there is one: how it ended, or that it ended meanwhile.
fn ending(item: &Item) -> Option<String> {
    let ended = item.ended?;
    Some(match item.phase {
        Phase::Up => format!("From {} to {}: {}.", time(item.since), time(ended), item.reason.trim_end_matches('.')),
        Phase::Down | Phase::Degraded if item.settled.is_some() => format!("It is over since, at {}.", time(ended)),
        Phase::Down | Phase::Degraded => format!("It has recovered since, at {}.", time(ended)),
    })
}

/// What is known of one notice, each with its label.
fn facts(item: &Item) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Target", format!("{} ({})", item.incident.target, item.probe))];
    facts.extend(item.group.clone().map(|group| ("Group", group)));
    facts.push(("Incident", item.incident.to_string()));
    if item.phase != Phase::Up {
        facts.push(("Votes", format!("{} of {} nodes call it {}", item.votes.0, item.votes.1, item.standing.word())));
        facts.extend(item.last_good().map(|(at, node)| ("Last good", format!("{}, seen by {node}", time(at)))));
        facts.push(("Rule", item.rule.clone()));
    }
    facts.push(("Severity", item.severity.word().to_owned()));
    facts.extend(item.acknowledged.clone().map(|(by, reason)| {
        let why = if reason.is_empty() { reason } else { format!(": {reason}") };
        ("Seen to by", format!("{by}{why}"))
    }));
    facts.extend(item.runbook.clone().map(|runbook| ("Runbook", runbook)));
    facts
}

/// Who sends, and what it sees.
fn sender(topic: &Topic) -> String {
    let (alive, enrolled) = topic.seen;
    format!("Sent by node {} of network {}, which sees {alive} of {enrolled} nodes.", topic.sender, topic.network)
}

/// The notices that are told at length; a digest of hundreds stays readable.
fn at_length(topic: &Topic) -> impl Iterator<Item = &Item> {
    topic.items.iter().take(limits::AT_LENGTH)
}

/// What is said where not all are told at length.
fn rest(topic: &Topic) -> Option<String> {
    let rest = topic.items.len().checked_sub(limits::AT_LENGTH).filter(|rest| 0 < *rest)?;
    Some(format!("The other {rest} are told only in the list above; peerwatchctl incidents shows all."))
}

fn text(topic: &Topic) -> String {
    let mut text = opening(topic) + "\n";
    let several = 1 < topic.items.len();
    if several {
        text.push('\n');
        digest(&mut text, &topic.items);
    }
    for item in at_length(topic) {
        if several {
            let _ = write!(text, "\n--------\n\n{}\n", first(item));
        }
        describe(&mut text, item);
    }
    let _ = rest(topic).map(|rest| write!(text, "\n--------\n\n{rest}\n"));
    let _ = write!(text, "\n{}\nMore: peerwatchctl incidents, or the page of any node.\n", sender(topic));
    text
}

/// A line for each notice.
fn digest(text: &mut String, items: &[Item]) {
    let width = items.iter().map(|item| item.incident.target.0.width()).max().unwrap_or(0).max("TARGET".len());
    let _ = writeln!(text, "{:8}  {:width$}  {:23}  WHY", "STATE", "TARGET", "SINCE");
    for item in items {
        let why = match item.phase {
            Phase::Up => format!("was {} for {}", item.standing.word(), item.lasted),
            Phase::Down | Phase::Degraded => item.reason.clone(),
        };
        let _ = writeln!(text, "{:8}  {:width$}  {}  {why}", item.phase.word(), item.incident.target.0, time(item.since));
    }
}

fn describe(text: &mut String, item: &Item) {
    let _ = ending(item).or_else(|| reminding(item)).map(|line| writeln!(text, "{line}"));
    text.push('\n');
    for (label, value) in facts(item) {
        let _ = writeln!(text, "{:<11}{value}", format!("{label}:"));
    }
    if !item.rows.is_empty() {
        text.push('\n');
        table(text, &item.rows);
    }
}

/// Titles of the table of watchers.
const COLUMNS: [&str; 6] = ["NODE", "SAYS", "TIME", "LOSS", "LAST GOOD (UTC)", "DETAIL"];

fn cells(row: &Row) -> [String; 6] {
    let dash = || "-".to_owned();
    [
        row.node.clone(),
        row.verdict.word().to_owned(),
        row.time.map_or_else(dash, |time| time.to_string()),
        row.loss.map_or_else(dash, |loss| format!("{:.0}%", loss * 100.0)),
        row.last_good.map_or_else(dash, |wall| time(wall).trim_end_matches(" UTC").to_owned()),
        row.detail.clone(),
    ]
}

fn table(text: &mut String, rows: &[Row]) {
    let width = rows.iter().map(|row| row.node.chars().count()).max().unwrap_or(0).max(4);
    let mut line = |[node, says, took, loss, good, detail]: [&str; 6]| {
        let _ = writeln!(text, "{node:width$}  {says:8}  {took:>9}  {loss:>5}  {good:19}  {detail}");
    };
    line(COLUMNS);
    for row in rows {
        let cells = cells(row);
        line([0, 1, 2, 3, 4, 5].map(|at| cells[at].as_str()));
    }
}

/// `2026-11-20 07:33:41 UTC`.
fn time(wall: Wall) -> String {
    jiff::Timestamp::from_millisecond(wall.0).map_or_else(|_| "an unreadable time".into(), |at| at.strftime("%F %T UTC").to_string())
}

/// At most so many columns.
fn cut(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.into();
    }
    let mut short = String::new();
    let mut columns = 1;
    for letter in text.chars() {
        columns += letter.width().unwrap_or(0);
        if most < columns {
            break;
        }
        short.push(letter);
    }
    short + "…"
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
    use crate::base::target::Severity;
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
            severity: Severity::Critical,
            reminder: 0,
            acknowledged: None,
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
            flapping: None,
            settled: None,
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
            Last good: 2025-11-20 07:33:20 UTC, seen by nyc1
            Rule:      3 bad looks in a row, every 30s, seen by a majority of watchers
            Severity:  critical
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
    fn what_flaps_says_so_and_how_it_ended() {
        let flapping = |phase, settled| {
            let reason = "flapping, bad for the 4th time within 1h: connection refused".into();
            let mut item = Item { reason, flapping: Some(Span::secs(600)), settled, ..item(phase) };
            item.lasted = Span::secs(2400);
            let letter = write(&topic(vec![item]));
            format!("{}\n{}", letter.subject, letter.text.lines().next().unwrap())
        };
        expect![[r#"
            [FLAPPING] shop - flapping, bad for the 4th time within 1h: conne… (2/3 nodes)
            shop is down again since 2025-11-20 07:33:41 UTC: flapping, bad for the 4th time within 1h: connection refused. It is told again when nothing has changed for 10m."#]]
        .assert_eq(&flapping(Phase::Down, None));
        expect![[r#"
            [UP] shop - flapped for 40m, now up
            shop is up again, without a change for 10m. It flapped for 40m."#]]
        .assert_eq(&flapping(Phase::Up, None));
        expect![[r#"
            [STEADY] shop - flapped for 40m, now down
            shop flapped for 40m, and is down without a change for 10m now."#]]
        .assert_eq(&flapping(Phase::Up, Some(Standing::Down)));
    }

    #[test]
    fn what_falls_together_is_one_letter_with_a_line_for_each() {
        let mut other = item(Phase::Up);
        other.incident.target = TargetId("mail".into());
        let letter = write(&topic(vec![item(Phase::Down), other]));
        expect!["[DOWN:1 UP:1] shop, mail"].assert_eq(&letter.subject);
        let begin: Vec<&str> = letter.text.lines().take(8).collect();
        expect![[r#"
            Of 2 targets 1 is down, 1 is up again.

            STATE     TARGET  SINCE                    WHY
            down      shop    2025-11-20 07:33:41 UTC  connection refused
            up        mail    2025-11-20 07:33:41 UTC  was down for 12m 30s

            --------
        "#]]
        .assert_eq(&begin.join("\n"));
        assert!(letter.text.contains("shop is down since") && letter.text.contains("mail is up again"));
        assert_eq!(letter.headers[1], ("X-Peerwatch-Target", "shop, mail".to_owned()));
    }

    #[test]
    fn a_digest_of_hundreds_tells_all_in_a_line_and_a_few_at_length() {
        let items = (0..200).map(|number| {
            let mut item = item(Phase::Down);
            item.incident.target = TargetId(format!("target-{number}"));
            item
        });
        let letter = write(&topic(items.collect()));
        for text in [&letter.text, &letter.html] {
            assert!(text.contains("target-199") && text.contains("The other 195 are told only in the list above"), "{text}");
            assert_eq!(text.matches("3 bad looks in a row").count(), 5);
        }
        assert!(letter.subject.width() <= limits::SUBJECT, "{}", letter.subject);
    }

    #[test]
    fn a_subject_fits_a_telephone_and_keeps_what_matters() {
        let mut long = item(Phase::Down);
        long.reason = "the body does not contain \"Welcome to the shop\", which it should by all means".into();
        expect!["[DOWN] shop - the body does not contain \"Welcome to the shop\", wh… (2/3 nodes)"]
            .assert_eq(&write(&topic(vec![long.clone()])).subject);
        long.incident.target = TargetId("n".repeat(63));
        let subject = write(&topic(vec![long.clone()])).subject;
        assert!(subject.starts_with(&format!("[DOWN] {}", "n".repeat(63))) && subject.ends_with('…'), "{subject}");
        for reason in ["x".repeat(240), "火".repeat(80), String::new()] {
            for (name, phase) in [("shop", Phase::Down), (&*"n".repeat(68), Phase::Degraded), (&*"n".repeat(50), Phase::Up)] {
                let item = Item { reason: reason.clone(), phase, ..long.clone() };
                let named = Item { incident: IncidentId { target: TargetId(name.into()), number: 1 }, ..item };
                let test = Topic { test: true, ..topic(vec![named.clone(), named.clone()]) };
                for topic in [topic(vec![named.clone()]), Topic { test: true, ..topic(vec![named]) }, test] {
                    let subject = write(&topic).subject;
                    assert!(subject.width() <= limits::SUBJECT, "{} columns: {subject}", subject.width());
                }
            }
        }
    }

    #[test]
    fn an_example_says_so_everywhere() {
        let letter = write(&Topic { test: true, ..topic(vec![item(Phase::Down)]) });
        assert!(letter.subject.starts_with("[TEST] [DOWN] shop"), "{}", letter.subject);
        for text in [&letter.text, &letter.html] {
            assert!(text.contains("This is an example") && text.contains("Nothing of it has happened"), "{text}");
        }
        assert!(letter.text.starts_with("This is an example"));
        assert!(letter.headers.contains(&("X-Peerwatch-Test", "yes".to_owned())));
    }

    #[test]
    fn nothing_from_outside_is_markup() {
        let mut wicked = item(Phase::Down);
        wicked.reason = "<script>\"&'</script>".into();
        wicked.runbook = Some("https://x/\"onclick=\"y".into());
        let page = write(&topic(vec![wicked.clone()])).html;
        assert!(!page.contains("<script>") && page.contains("&lt;script&gt;&quot;&amp;"), "{page}");
        assert!(page.contains("<a href=\"https://x/&quot;onclick=&quot;y\">"), "{page}");
        wicked.runbook = Some("javascript:alert(1)".into());
        assert!(!write(&topic(vec![wicked])).html.contains("href"), "only web addresses are links");
    }
}
