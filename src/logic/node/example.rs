//! Examples of notices, for whoever wants to know whether a channel works. Nothing of them is in the journal, and
//! nobody votes on them: they leave from this node.

use crate::base::command::{CommandId, Reply};
use crate::base::id::{EntryHash, IncidentId, TargetId};
use crate::base::limits;
use crate::base::note::Note;
use crate::base::notice::{Errand, Item, Row, Topic};
use crate::base::outcome::{Standing, Verdict};
use crate::base::settings::{Channel, Phase};
use crate::base::target::Severity;
use crate::base::time::{Micros, Now, Span, Wall};
use crate::logic::effect::{Effect, Effects};
use crate::logic::node::Node;
use crate::logic::notice::letter;

/// What the target of an example is called.
const TARGET: &str = "example";
/// How long it seems to have been bad.
const LASTED: Span = Span::secs(750);

impl Node {
    /// Sends an example by one channel, or by each.
    pub(super) fn give_example(&self, now: Now, id: CommandId, channel: Option<&str>, phase: Phase, out: &mut Effects) {
        let network = &self.settings.network;
        let chosen: Vec<&Channel> = network.channels.iter().filter(|known| channel.is_none_or(|name| known.name == name)).collect();
        if chosen.is_empty() {
            let names: Vec<&str> = network.channels.iter().map(|channel| channel.name.as_str()).collect();
            let why = match channel {
                _ if names.is_empty() => format!("network {} has no channel; add [[notify]] to its network.toml", network.name),
                name => format!("network {} has no channel \"{}\"; it has: {}", network.name, name.unwrap_or_default(), names.join(", ")),
            };
            out.then(Effect::Reply(id, Reply::Refused(why)));
            return;
        }
        let errands = chosen.into_iter().map(|channel| self.example(now, id, channel, phase)).collect::<Vec<_>>();
        for errand in &errands {
            out.note(Note::Sending { channel: errand.channel.clone(), subject: errand.letter.subject.clone() });
        }
        out.then(Effect::Try(id, errands));
    }

    fn example(&self, now: Now, id: CommandId, channel: &Channel, phase: Phase) -> Errand {
        let since = Wall(now.wall.0 - i64::try_from(LASTED.0).unwrap_or(0));
        let is_up = phase == Phase::Up;
        let standing = if phase == Phase::Degraded { Standing::Degraded } else { Standing::Down };
        let (verdict, detail) = match phase {
            Phase::Up => (Verdict::Up, "answers as it should"),
            Phase::Degraded => (Verdict::Degraded, "answers slowly"),
            Phase::Down => (Verdict::Down, "connection refused"),
        };
        let row = Row {
            node: self.settings.name.clone(),
            verdict,
            time: (phase != Phase::Down).then_some(Micros(1234)),
            loss: None,
            last_good: Some(if is_up { now.wall } else { Wall(since.0 - 30_000) }),
            detail: detail.to_owned(),
        };
        let item = Item {
            incident: IncidentId { target: TargetId(TARGET.to_owned()), number: 0 },
            phase,
            standing,
            severity: Severity::default().at(standing),
            reminder: 0,
            acknowledged: None,
            group: None,
            probe: "an example that is not watched".to_owned(),
            reason: if standing == Standing::Degraded { "answers slowly" } else { "connection refused" }.to_owned(),
            since,
            ended: is_up.then_some(now.wall),
            lasted: LASTED,
            votes: (1, 1),
            rows: vec![row],
            rule: "none, since it is an example".to_owned(),
            runbook: None,
            before: Vec::new(),
            flapping: None,
            settled: None,
        };
        let network = &self.settings.network;
        let name = blake3::hash(format!("example {} {} {id:?} {now:?} {phase:?}", self.me, channel.name).as_bytes());
        let topic = Topic {
            network: network.name.clone(),
            sender: self.settings.name.clone(),
            seen: (self.seen(), network.roster.len()),
            message: format!("test.{}@{}.peerwatch", &name.to_hex()[..32], network.network.short()),
            test: true,
            items: vec![item],
        };
        Errand {
            ballot: EntryHash(*name.as_bytes()),
            channel: channel.name.clone(),
            way: channel.way.clone(),
            letter: letter::write(&topic),
            within: limits::EXAMPLE_TIME,
        }
    }
}
