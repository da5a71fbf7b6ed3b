//! What people do about being told, and what happened: `ack`, `silence` and `events`.
//!
//! Nothing is decided here; the daemon says what it did or why not.

use clap::{Args, Subcommand};

use super::client::Client;
use super::print::Networks;
use super::table::{Cell, Terminal, Tone, harmless};
use super::{Answer, Flags, Trouble, by_network, chosen, line, picture, write};
use crate::base::limits;
use crate::base::time::{Span, Wall};
use crate::base::view::{SilenceView, View};
use crate::front::json;

/// `silence`: one is begun unless a verb says otherwise.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Silence {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// A target, a pattern as 'web-*', a group (or group:NAME), or '*' for all
    #[arg(required = true, value_name = "TARGET|GROUP")]
    what: Option<String>,
    /// For how long, as 2h; from 1m to 30d
    #[arg(long = "for", required = true, value_name = "TIME", value_parser = length)]
    lasts: Option<Span>,
    /// Why, for people: one line
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The silences that hold
    List,
    /// End a silence before its time (root only)
    End {
        /// Its number, or the beginning of it
        id: String,
    },
}

/// `ack`.
pub(super) async fn acknowledge(flags: &Flags, incident: &str, reason: &str) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let name = Client::connect(Span::ZERO).await?.acknowledge(network, incident, &person(), reason).await?;
    let text = if flags.json {
        line(&serde_json::json!({ "incident": name }))
    } else {
        format!("{} is acknowledged: nobody is reminded of it, and its end is told.\n", harmless(&name))
    };
    write(&text)?;
    Ok(Answer::Yes)
}

/// `silence`.
pub(super) async fn silence(flags: &Flags, silence: &Silence, terminal: &Terminal) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let client = Client::connect(Span::ZERO).await?;
    let text = match (&silence.verb, &silence.what, silence.lasts) {
        (Some(Verb::List), ..) => {
            let views = chosen(flags, picture::views(&client.objects().await?))?;
            if flags.json { by_network(&views, "silences", json::silences) } else { list(&views, terminal) }
        }
        (Some(Verb::End { id }), ..) => {
            let id = client.end_silence(network, id, &person()).await?;
            if flags.json { line(&serde_json::json!({ "ended": id })) } else { format!("Silence {} is over.\n", harmless(&id)) }
        }
        (None, Some(what), Some(lasts)) => {
            let id = client.silence(network, what, lasts, &person(), &silence.reason).await?;
            if flags.json {
                line(&serde_json::json!({ "id": id }))
            } else {
                let id = harmless(&id);
                format!("Silence {id}: nothing new is told of {} for {lasts}. End it with: peerwatchctl silence end {id}\n", harmless(what))
            }
        }
        (None, ..) => return Err(Trouble::Usage("say of what and for how long, as in peerwatchctl silence shop --for 2h".into())),
    };
    write(&text)?;
    Ok(Answer::Yes)
}

/// Silences that hold, of all networks.
pub(super) fn list(views: &[View], terminal: &Terminal) -> String {
    let mut table = Networks::new(views, &["SILENCE", "OF", "SINCE", "ENDS", "BY", "REASON"]);
    for (view, silence) in views.iter().flat_map(|view| view.silences.iter().map(move |silence| (view, silence))) {
        table.row(
            view,
            vec![
                Cell::new(&silence.id),
                Cell::new(subject(silence)),
                Cell::new(terminal.ago(silence.at)),
                Cell::new(ends(silence, terminal)),
                Cell::new(&silence.by),
                Cell::new(&silence.reason),
            ],
        );
    }
    table.lines(terminal, "no silences")
}

/// What is silent.
pub(super) fn subject(silence: &SilenceView) -> String {
    let groups = silence.groups.iter().map(|group| format!("group:{group}"));
    silence.targets.iter().cloned().chain(groups).collect::<Vec<_>>().join(", ")
}

/// When a silence will about end, by the clock of whoever began it.
pub(super) fn ends(silence: &SilenceView, terminal: &Terminal) -> String {
    let end = Wall(silence.at.0.saturating_add_unsigned(silence.lasts.0));
    let left = end.since(terminal.now);
    if left == Span::ZERO { "any moment".into() } else { format!("in {}", super::table::brief(left)) }
}

/// `events`: the newest first.
pub(super) async fn events(flags: &Flags, most: u32, terminal: &Terminal) -> Result<Answer, Trouble> {
    let client = Client::connect(Span::ZERO).await?;
    let views = chosen(flags, picture::views(&client.objects().await?))?;
    let mut found = Vec::new();
    for view in &views {
        found.push((view, picture::events(client.events(&view.network, most).await?)));
    }
    let text = if flags.json {
        let rows = found.iter().map(|(view, events)| serde_json::json!({ "network": view.network, "events": events }));
        super::lines(&rows.collect::<Vec<_>>())
    } else {
        let mut table = Networks::new(&views, &["AT", "EVENT", "WHAT"]);
        for (view, event) in found.iter().flat_map(|(view, events)| events.iter().map(move |event| (view, event))) {
            let tone = match event.kind.as_str() {
                "opened" | "failed" => Tone::Bad,
                "closed" => Tone::Good,
                "told" => Tone::Faint,
                _ => Tone::Poor,
            };
            let kind = Cell::toned(terminal.mark(&event.kind, tone), tone);
            table.row(view, vec![Cell::new(at(&event.at, terminal)), kind, Cell::new(&event.text)]);
        }
        table.lines(terminal, "no events")
    };
    write(&text)?;
    Ok(Answer::Yes)
}

fn at(text: &str, terminal: &Terminal) -> String {
    let moment = text.parse::<jiff::Timestamp>().map(|moment| Wall(moment.as_millisecond()));
    moment.map_or_else(|_| text.to_owned(), |moment| terminal.ago(moment))
}

/// Who runs this, as far as it is known: the one who became root, else the user.
fn person() -> String {
    let known = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let fits = |name: &String| name.len() <= limits::quiet::PERSON && !name.chars().any(char::is_control);
    known("SUDO_USER").or_else(|| known("USER")).filter(fits).unwrap_or_default()
}

fn length(text: &str) -> Result<Span, String> {
    let (least, most) = (limits::quiet::SILENCE_LEAST, limits::quiet::SILENCE_MOST);
    match Span::parse(text)? {
        span if (least..=most).contains(&span) => Ok(span),
        _ => Err(format!("it is from {least} to {most}")),
    }
}
