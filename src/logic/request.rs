//! Ping requests: one node asks, all look, answers come back.
//!
//! Questions and answers are small signed messages that flood from peer to peer; each node takes
//! each of them once. No answer within the time is an answer. Nothing of it enters the journal, and
//! how a host is pinged is not known here.

use std::collections::BTreeMap;

use crate::base::command::{CommandId, Vantage};
use crate::base::id::{Incarnation, NodeId};
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};
use crate::base::settings::Member;
use crate::base::time::{Mono, Now, Span};
use crate::base::wire::{Answer, Ask};

/// Questions under way.
#[derive(Debug, Default)]
pub struct Requests {
    number: u64,
    mine: BTreeMap<u64, Mine>,
    /// Questions and answers taken, until when they are remembered.
    seen: BTreeMap<(NodeId, Incarnation, u64, Option<NodeId>), Mono>,
    /// Looks made for others, by order.
    looks: BTreeMap<u64, (Ask, Mono)>,
    /// Questions taken from each asker since a moment.
    spent: BTreeMap<NodeId, (Mono, usize)>,
}

#[derive(Debug)]
struct Mine {
    command: CommandId,
    until: Mono,
    answers: BTreeMap<NodeId, Answer>,
}

/// What to do with a question that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Pass it on and answer it.
    Answer,
    /// Pass it on only: its author asks too often.
    Relay,
    /// Known already, or its time is over.
    Drop,
}

impl Requests {
    /// No questions yet. Numbers begin at the time, since the incarnation may be an older one's that asked before.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self { number: now.0, ..Self::default() }
    }

    /// A new question of this node. None when too many are under way.
    pub fn ask(
        &mut self,
        now: Now,
        command: CommandId,
        me: NodeId,
        incarnation: Incarnation,
        host: &str,
        count: u16,
        within: Span,
    ) -> Option<Ask> {
        if limits::COMMANDS <= self.mine.len() {
            return None;
        }
        self.number += 1;
        let within = within.min(limits::REQUEST_TIME);
        self.mine.insert(self.number, Mine { command, until: now.mono + within, answers: BTreeMap::new() });
        let ask = Ask { author: me, incarnation, number: self.number, within: within.0, host: host.into(), count };
        self.remember(now, (me, incarnation, self.number, None));
        Some(ask)
    }

    /// A question came.
    pub fn asked(&mut self, now: Now, ask: &Ask) -> Taken {
        if limits::REQUEST_TIME.0 < ask.within || !self.remember(now, (ask.author, ask.incarnation, ask.number, None)) {
            return Taken::Drop;
        }
        let (since, spent) = self.spent.entry(ask.author).or_insert((now.mono, 0));
        if limits::REQUEST_TIME < now.mono.since(*since) {
            (*since, *spent) = (now.mono, 0);
        }
        *spent += 1;
        if *spent <= limits::REQUESTS_PER_ASKER { Taken::Answer } else { Taken::Relay }
    }

    /// This node looks for a question.
    pub fn looking(&mut self, now: Now, order: u64, ask: Ask) {
        if self.looks.len() < limits::REQUESTS {
            let until = now.mono + Span(ask.within);
            self.looks.insert(order, (ask, until));
        }
    }

    /// A look came back: the answer, if it was made for a question.
    pub fn looked(&mut self, order: u64, me: NodeId, outcome: &Outcome) -> Option<Answer> {
        let (ask, _) = self.looks.remove(&order)?;
        let unable = outcome.look == Look::Unable;
        let times = outcome.time.map(|mean| {
            let (least, most) = outcome.spread.unwrap_or((mean, mean));
            (least.0, mean.0, most.0)
        });
        Some(Answer {
            author: me,
            asker: ask.author,
            incarnation: ask.incarnation,
            number: ask.number,
            sent: if unable { 0 } else { outcome.sent },
            received: if unable { 0 } else { outcome.received },
            times,
            detail: outcome.detail.clone(),
        })
    }

    /// An answer came, or was given here. True if it is news, so that it is worth passing on.
    pub fn answered(&mut self, now: Now, me: NodeId, answer: &Answer) -> bool {
        if !self.remember(now, (answer.asker, answer.incarnation, answer.number, Some(answer.author))) {
            return false;
        }
        if answer.asker == me
            && let Some(mine) = self.mine.get_mut(&answer.number)
        {
            mine.answers.insert(answer.author, answer.clone());
        }
        true
    }

    /// Questions that are over: all of `awaited` have answered, or the time has.
    pub fn finished(&mut self, now: Now, roster: &[Member], awaited: impl Fn(&NodeId) -> bool) -> Vec<(CommandId, Vec<Vantage>)> {
        self.seen.retain(|_, until| now.mono < *until);
        self.looks.retain(|_, (_, until)| now.mono < *until);
        self.spent.retain(|_, (since, _)| now.mono.since(*since) < limits::REQUEST_TIME * 2);
        let over = |mine: &Mine| {
            mine.until <= now.mono
                || roster.iter().filter(|member| awaited(&member.node)).all(|member| mine.answers.contains_key(&member.node))
        };
        let numbers: Vec<u64> = self.mine.iter().filter(|(_, mine)| over(mine)).map(|(number, _)| *number).collect();
        let rows = |mine: Mine| {
            let row = |member: &Member| Vantage { node: member.name.clone(), answer: mine.answers.get(&member.node).cloned() };
            (mine.command, roster.iter().map(row).collect())
        };
        numbers.into_iter().filter_map(|number| self.mine.remove(&number)).map(rows).collect()
    }

    /// When the next question of this node is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.mine.values().map(|mine| mine.until).min()
    }

    fn remember(&mut self, now: Now, what: (NodeId, Incarnation, u64, Option<NodeId>)) -> bool {
        // When it is full nothing new is taken: a flood of questions costs nobody but their askers.
        if self.seen.contains_key(&what) || limits::REQUESTS <= self.seen.len() {
            return false;
        }
        self.seen.insert(what, now.mono + limits::REQUEST_TIME * 2);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::Role;
    use crate::base::target::Expected;
    use crate::base::time::{Micros, Wall};

    const LIFE: Incarnation = Incarnation { opened: 1, nonce: [0; 16] };
    const ME: NodeId = NodeId([1; 32]);
    const OTHER: NodeId = NodeId([2; 32]);

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(0) }
    }

    fn roster() -> Vec<Member> {
        let member = |(node, name): (NodeId, &str)| Member {
            node,
            name: name.into(),
            role: Role::Member,
            addresses: vec![],
            expected: Expected::Always,
        };
        [(ME, "me"), (OTHER, "other")].into_iter().map(member).collect()
    }

    fn outcome() -> Outcome {
        Outcome { look: Look::Good, sent: 3, received: 3, time: Some(Micros(5)), ..Outcome::default() }
    }

    #[test]
    fn a_question_ends_when_all_answered_or_time_is_over() {
        let mut asker = Requests::default();
        let mut answerer = Requests::default();
        for silent in [false, true] {
            let ask = asker.ask(at(0), CommandId(1), ME, LIFE, "192.0.2.1", 3, Span(5000)).unwrap();
            asker.looking(at(0), 10, ask.clone());
            let own = asker.looked(10, ME, &outcome()).unwrap();
            assert!(asker.answered(at(10), ME, &own));
            assert_eq!(asker.finished(at(10), &roster(), |_| true), []);
            if !silent {
                assert_eq!(answerer.asked(at(0), &ask), Taken::Answer);
                assert_eq!(answerer.asked(at(1), &ask), Taken::Drop, "twice");
                answerer.looking(at(1), 11, ask);
                let answer = answerer.looked(11, OTHER, &outcome()).unwrap();
                assert!(asker.answered(at(20), ME, &answer));
                assert!(!asker.answered(at(21), ME, &answer), "twice");
            }
            let end = if silent { 5000 } else { 20 };
            let (command, rows) = asker.finished(at(end), &roster(), |_| true).remove(0);
            assert_eq!(command, CommandId(1));
            let answered: Vec<(&str, bool)> = rows.iter().map(|row| (row.node.as_str(), row.answer.is_some())).collect();
            assert_eq!(answered, [("me", true), ("other", !silent)]);
        }
    }

    #[test]
    fn one_asker_cannot_make_the_others_flood_a_host() {
        let mut answerer = Requests::default();
        let ask = |number| Ask { author: OTHER, incarnation: LIFE, number, within: 5000, host: "192.0.2.1".into(), count: 20 };
        let answers = (0..200).filter(|number| answerer.asked(at(*number), &ask(*number)) == Taken::Answer).count();
        assert_eq!(answers, limits::REQUESTS_PER_ASKER);
        assert_eq!(answerer.asked(at(0), &Ask { within: limits::REQUEST_TIME.0 + 1, ..ask(999) }), Taken::Drop);
    }
}
