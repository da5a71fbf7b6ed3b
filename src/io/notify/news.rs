//! A notice as JSON, in the form of this project: what a webhook without a preset sends, and what a hook reads.
//!
//! The form only grows: places are added and never change their meaning. Times are RFC 3339 in UTC, by the
//! clock of the node that noted them. There is nothing in it that is not in the journal.

use serde_json::{Value, json};

use crate::base::notice::{Errand, Item, Row};
use crate::base::settings::Phase;
use crate::base::target::Severity;
use crate::base::time::Wall;

/// The whole notice.
pub(super) fn write(errand: &Errand) -> Value {
    let letter = &errand.letter;
    let topic = &letter.topic;
    json!({
        "version": 1,
        "id": letter.message_id,
        "test": topic.test,
        "network": topic.network,
        "channel": errand.channel,
        "node": topic.sender,
        "seen": topic.seen.0,
        "enrolled": topic.seen.1,
        "subject": letter.subject,
        "text": letter.text,
        "incidents": topic.items.iter().map(item).collect::<Vec<_>>(),
    })
}

/// One incident.
fn item(item: &Item) -> Value {
    json!({
        "incident": item.incident.to_string(),
        "target": item.incident.target.0,
        "number": item.incident.number,
        "group": item.group,
        "event": if item.phase == Phase::Up { "closed" } else { "opened" },
        "state": item.phase.word(),
        "standing": item.standing.word(),
        "severity": severity(item),
        "reminder": item.reminder,
        "acknowledged": item.acknowledged.as_ref().map(|(by, reason)| json!({ "by": by, "reason": reason })),
        "probe": item.probe,
        "reason": item.reason,
        "since": moment(item.since),
        "ended": item.ended.map(moment),
        "seconds": item.lasted.0 / 1000,
        "votes": item.votes.0,
        "watchers": item.votes.1,
        "rule": item.rule,
        "runbook": item.runbook,
        "nodes": item.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// What one watcher says.
fn row(row: &Row) -> Value {
    json!({
        "node": row.node,
        "verdict": row.verdict.word(),
        "microseconds": row.time.map(|time| time.0),
        "loss": row.loss,
        "last_good": row.last_good.map(moment),
        "detail": row.detail,
    })
}

/// How bad it is, in the words that most services know.
pub(super) fn severity(item: &Item) -> &'static str {
    if item.phase == Phase::Up { "ok" } else { item.severity.word() }
}

/// The worst of several, in the same words.
pub(super) fn worst_severity(items: &[Item]) -> &'static str {
    let bad = items.iter().filter(|item| item.phase != Phase::Up);
    bad.map(|item| item.severity).max().map_or("ok", Severity::word)
}

/// The worst of several phases; without any it is well.
pub(super) fn worst(items: &[Item]) -> Phase {
    let any = |phase| items.iter().any(|item| item.phase == phase);
    [Phase::Down, Phase::Degraded].into_iter().find(|phase| any(*phase)).unwrap_or(Phase::Up)
}

/// `2026-11-20T07:33:41Z`.
pub(super) fn moment(wall: Wall) -> String {
    jiff::Timestamp::from_millisecond(wall.0).map_or_else(|_| "1970-01-01T00:00:00Z".into(), |at| at.strftime("%FT%TZ").to_string())
}
