//! Actions of programs: `intent run` and whoever does the same on the bus. Votes, receipts and their writing are those of
//! notices; only what is done differs, and that it is done by the program that asked.

use crate::base::command::{CommandId, Reply};
use crate::base::fact::Done;
use crate::base::id::{EntryHash, IntentKey};
use crate::base::note::Note;
use crate::base::notice::Delivery;
use crate::base::time::{Now, Span};
use crate::base::wish;
use crate::logic::effect::{Effect, Effects};
use crate::logic::intent::{Receipt, Wanted};
use crate::logic::node::{Node, Sent};
use crate::logic::wish as wishes;

impl Node {
    /// A program wants an action to be done on one node.
    pub(super) fn wish(&mut self, now: Now, id: CommandId, name: &str, within: Span, out: &mut Effects) {
        let network = self.settings.network.network;
        if let Some(receipt) = self.intents.receipt(&wishes::key_of(network, name)) {
            out.then(Effect::Reply(id, self.performed_wish(receipt)));
            return;
        }
        let taken = if self.settings.network.member(&self.me).is_some_and(|member| member.role.votes()) {
            self.wishes.ask(now.mono, network, id, name, within)
        } else {
            Err("this node is an observer, and performs nothing for the network; ask on a member".into())
        };
        if let Err(why) = taken {
            out.then(Effect::Reply(id, Reply::Refused(why)));
        }
    }

    /// The program that acts says that it does.
    pub(super) fn keep_wish(&mut self, now: Now, id: CommandId, name: &str, out: &mut Effects) {
        let kept = self.wishes.keep(now.mono, name);
        out.then(Effect::Reply(id, if kept { Reply::Kept(wish::WORD) } else { Reply::Refused(LOST.into()) }));
    }

    /// The program that acted is done: with an exit code, or it could not even begin and says why.
    pub(super) fn finish_wish(&mut self, id: CommandId, name: &str, ended: Result<u8, String>, out: &mut Effects) {
        let reply = match self.wishes.finish(name) {
            None => Reply::Refused(LOST.into()),
            Some(ballot) => {
                let delivery = match ended {
                    Ok(code) => Delivery { success: true, detail: wish::detail(code), refused: Vec::new(), after: None },
                    Err(why) => Delivery::failed(crate::base::outcome::clip(why)),
                };
                self.delivered(ballot, delivery);
                Reply::Finished
            }
        };
        out.then(Effect::Reply(id, reply));
    }

    /// It is this node's turn to act for these keys: true if they are a wish, and its program was told.
    pub(super) fn grant_wish(&mut self, now: Now, ballot: EntryHash, keys: &[IntentKey], message: &str, out: &mut Effects) -> bool {
        let Some((id, name)) = self.wishes.chosen(now.mono, keys, ballot) else { return false };
        let sent = Sent { keys: keys.to_vec(), covers: Vec::new(), message: message.to_owned(), fresh: true, delivery: None, noted: false };
        self.errands.insert(ballot, sent);
        out.note(Note::Performing { action: name });
        out.then(Effect::Reply(id, Reply::Chosen(wish::WORD)));
        true
    }

    /// Answers those whose wish came true, and those who have waited for long enough.
    pub(super) fn answer_wishes(&mut self, now: Now, out: &mut Effects) {
        let intents = &self.intents;
        for (id, key) in self.wishes.settle(|key| intents.receipt(key).is_some()) {
            if let Some(receipt) = self.intents.receipt(&key) {
                out.then(Effect::Reply(id, self.performed_wish(receipt)));
            }
        }
        let (late, lost) = self.wishes.expire(now.mono);
        for (id, name, key) in late {
            let acting = self.intents.candidate(&key).filter(|(_, acting)| *acting);
            let why = match (acting, self.intents.last_failure(&key)) {
                (Some((node, _)), _) => format!("{} is still performing {name}", self.settings.network.name_of(&node)),
                (None, Some(failure)) => format!("nobody has performed {name} in time; the last that tried: {failure}"),
                (None, None) => format!("nobody has performed {name} in time; peerwatchctl nodes shows who votes"),
            };
            out.then(Effect::Reply(id, Reply::Unsettled(why)));
        }
        for ballot in lost {
            self.delivered(ballot, Delivery::failed(format!("the program said nothing for {}", wish::WORD)));
        }
    }

    /// What this host's programs want, as the votes have it; who else wants it shows in them.
    pub(super) fn wished(&self) -> impl Iterator<Item = Wanted> {
        let me = self.me;
        self.wishes.wanted().map(move |(domain, key, since)| Wanted {
            domain,
            keys: vec![(key, since)],
            window: Span::ZERO,
            capable: vec![me],
        })
    }

    fn performed_wish(&self, receipt: &Receipt) -> Reply {
        let (by, detail) = (self.settings.network.name_of(&receipt.by), receipt.detail.clone());
        Reply::Performed { by, at: receipt.at, code: wish::code(&detail), detail }
    }

    /// What became of an action of a program, if this receipt is of one.
    pub(super) fn note_of_wish(&self, done: &Done, by: &str) -> Option<Note> {
        let name = wish::unmarked(&done.message)?;
        let right = done.keys == [wishes::key_of(self.settings.network.network, name)];
        right.then(|| Note::Performed { action: name.to_owned(), by: by.to_owned(), detail: done.detail.clone() })
    }
}

/// What a program is told that took too long to say anything.
const LOST: &str = "no program of this host is performing that now; who says nothing for 15 s is taken for gone, and another may begin";
