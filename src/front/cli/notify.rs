//! `notify test`: the daemon sends an example, and what became of it is printed. Nothing is sent from here.

use clap::{Subcommand, ValueEnum};

use super::client::Client;
use super::table::{Cell, Table, Terminal, Tone};
use super::{Answer, Flags, Trouble, lines, picture, write};
use crate::base::limits;
use crate::front::json::Tried;

/// What can be done about channels.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Send a marked example from this node, by one channel or by each (root only)
    Test {
        /// Name of the channel; all without
        channel: Option<String>,
        /// What seems to have happened
        #[arg(long, value_enum, default_value_t = State::Down)]
        state: State,
    },
}

/// What an example tells.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum State {
    /// Something is down
    Down,
    /// Something answers, but not well
    Degraded,
    /// Something is up again
    Up,
}

/// Does what the verb asks.
pub(super) async fn run(flags: &Flags, verb: &Verb, terminal: &Terminal) -> Result<Answer, Trouble> {
    let Verb::Test { channel, state } = verb;
    let state = match state {
        State::Down => "down",
        State::Degraded => "degraded",
        State::Up => "up",
    };
    let network = flags.network.as_deref().unwrap_or_default();
    let client = Client::connect(limits::EXAMPLE_TIME).await?;
    let rows = picture::tried(client.test_notice(network, channel.as_deref().unwrap_or_default(), state).await?);
    write(&if flags.json { lines(&rows) } else { table(&rows, terminal) })?;
    // One that has it but not for everybody is no success either: somebody would not have been told.
    let good = |row: &Tried| row.outcome == "delivered" && row.refused.is_empty();
    Ok(if rows.iter().all(good) { Answer::Yes } else { Answer::No })
}

fn table(rows: &[Tried], terminal: &Terminal) -> String {
    let mut table = Table::new(&["CHANNEL", "WAY", "OUTCOME", "DETAIL"]);
    for row in rows {
        let tone = match row.outcome.as_str() {
            "delivered" if row.refused.is_empty() => Tone::Good,
            "delivered" => Tone::Poor,
            _ => Tone::Bad,
        };
        let outcome = Cell::toned(terminal.mark(&row.outcome, tone), tone);
        table.row(vec![Cell::new(&row.channel), Cell::new(&row.way), outcome, Cell::new(&row.detail)]);
    }
    table.lines(terminal)
}
