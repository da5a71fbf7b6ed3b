//! Questions to other nodes: all ping a host, or one says on which way it was reached.
//!
//! Questions and answers are small signed messages that flood from peer to peer; each node takes
//! each of them once. So the way on which a question first reaches a node is the quickest at that
//! moment. No answer within the time is an answer. Nothing of it enters the journal, and how a host is
//! pinged, or which links there are, is not known here.

use std::collections::BTreeMap;

use crate::base::command::{CommandId, Reply, Step, Vantage, Way};
use crate::base::id::{Incarnation, NodeId};
use crate::base::limits;
use crate::base::outcome::{Look, Outcome};
use crate::base::settings::Member;
use crate::base::time::{Micros, Mono, Now, Span};
use crate::base::wire::{Answer, Ask, Hop};

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
    /// Questions and answers of each node remembered since a moment.
    kept: BTreeMap<NodeId, (Mono, usize)>,
}

#[derive(Debug)]
struct Mine {
    command: CommandId,
    until: Mono,
    wanted: Wanted,
}

/// What a question of this node is to bring.
#[derive(Debug)]
enum Wanted {
    /// Everybody's look.
    Looks(BTreeMap<NodeId, Answer>),
    /// The way to a node.
    Way { goal: NodeId, asked: Mono, found: Option<(Vec<Hop>, Span)> },
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
        let ask = Ask { author: me, incarnation, number: 0, within: within.0, host: host.into(), count, goal: None };
        self.begin(now, command, Wanted::Looks(BTreeMap::new()), ask)
    }

    /// A new question of this node for the way to another. None when too many are under way.
    pub fn seek(&mut self, now: Now, command: CommandId, me: NodeId, incarnation: Incarnation, goal: NodeId, within: Span) -> Option<Ask> {
        let ask = Ask { author: me, incarnation, number: 0, within: within.0, host: String::new(), count: 0, goal: Some(goal) };
        self.begin(now, command, Wanted::Way { goal, asked: now.mono, found: None }, ask)
    }

    fn begin(&mut self, now: Now, command: CommandId, wanted: Wanted, ask: Ask) -> Option<Ask> {
        // More than the others would answer is not asked, since their silence would say something else.
        if limits::COMMANDS <= self.mine.len() || !self.may_ask(now, ask.author) {
            return None;
        }
        self.number += 1;
        let within = Span(ask.within).min(limits::REQUEST_TIME);
        self.mine.insert(self.number, Mine { command, until: now.mono + within, wanted });
        self.remember(now, ask.author, (ask.author, ask.incarnation, self.number, None));
        Some(Ask { number: self.number, within: within.0, ..ask })
    }

    /// A question came.
    pub fn asked(&mut self, now: Now, ask: &Ask) -> Taken {
        if limits::REQUEST_TIME.0 < ask.within || !self.remember(now, ask.author, (ask.author, ask.incarnation, ask.number, None)) {
            return Taken::Drop;
        }
        if self.may_ask(now, ask.author) { Taken::Answer } else { Taken::Relay }
    }

    /// Counts a question of this asker. False if it asks too often.
    fn may_ask(&mut self, now: Now, asker: NodeId) -> bool {
        count(now.mono, self.spent.entry(asker).or_insert((now.mono, 0))) <= limits::REQUESTS_PER_ASKER
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
            path: Vec::new(),
        })
    }

    /// The answer of the node to which a question for the way was, with the way that it took.
    #[must_use]
    pub fn reached(ask: &Ask, me: NodeId, path: Vec<Hop>) -> Answer {
        let Ask { author: asker, incarnation, number, .. } = *ask;
        Answer { author: me, asker, incarnation, number, sent: 0, received: 0, times: None, detail: String::new(), path }
    }

    /// An answer came, or was given here. True if it is news, so that it is worth passing on.
    pub fn answered(&mut self, now: Now, me: NodeId, answer: &Answer) -> bool {
        if !self.remember(now, answer.author, (answer.asker, answer.incarnation, answer.number, Some(answer.author))) {
            return false;
        }
        if answer.asker == me
            && let Some(mine) = self.mine.get_mut(&answer.number)
        {
            match &mut mine.wanted {
                Wanted::Looks(answers) => drop(answers.insert(answer.author, answer.clone())),
                Wanted::Way { goal, asked, found } if answer.author == *goal && ends_at(&answer.path, goal) => {
                    *found = Some((answer.path.clone(), now.mono.since(*asked)));
                }
                Wanted::Way { .. } => {}
            }
        }
        true
    }

    /// Questions that are over: all of `awaited` have answered, or the time has passed.
    pub fn finished(&mut self, now: Now, roster: &[Member], awaited: impl Fn(&NodeId) -> bool) -> Vec<(CommandId, Reply)> {
        self.seen.retain(|_, until| now.mono < *until);
        self.looks.retain(|_, (_, until)| now.mono < *until);
        let lately = |_: &NodeId, (since, _): &mut (Mono, usize)| now.mono.since(*since) < limits::REQUEST_TIME * 2;
        self.spent.retain(lately);
        self.kept.retain(lately);
        let over = |mine: &Mine| {
            mine.until <= now.mono
                || match &mine.wanted {
                    Wanted::Looks(answers) => {
                        roster.iter().filter(|member| awaited(&member.node)).all(|member| answers.contains_key(&member.node))
                    }
                    Wanted::Way { found, .. } => found.is_some(),
                }
        };
        let numbers: Vec<u64> = self.mine.iter().filter(|(_, mine)| over(mine)).map(|(number, _)| *number).collect();
        let ended = numbers.into_iter().filter_map(|number| self.mine.remove(&number));
        ended.map(|mine| (mine.command, mine.wanted.reply(roster))).collect()
    }

    /// When the next question of this node is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.mine.values().map(|mine| mine.until).min()
    }

    /// Takes note of a question or answer of `speaker`. False if it is no news, or there is no room for it.
    fn remember(&mut self, now: Now, speaker: NodeId, what: (NodeId, Incarnation, u64, Option<NodeId>)) -> bool {
        if self.seen.contains_key(&what) || limits::REQUESTS <= self.seen.len() {
            return false;
        }
        // Nobody takes all the room: a flood of questions or answers costs their speaker alone.
        if limits::REQUESTS_KEPT < count(now.mono, self.kept.entry(speaker).or_insert((now.mono, 0))) {
            return false;
        }
        self.seen.insert(what, now.mono + limits::REQUEST_TIME * 2);
        true
    }
}

/// Counts one more within [`limits::REQUEST_TIME`].
fn count(now: Mono, (since, spent): &mut (Mono, usize)) -> usize {
    if limits::REQUEST_TIME < now.since(*since) {
        (*since, *spent) = (now, 0);
    }
    *spent = spent.saturating_add(1);
    *spent
}

impl Wanted {
    /// What the asker gets, with the names of the roster.
    fn reply(self, roster: &[Member]) -> Reply {
        match self {
            Self::Looks(mut answers) => {
                let row = |member: &Member| Vantage { node: member.name.clone(), answer: answers.remove(&member.node) };
                Reply::Pinged(roster.iter().map(row).collect())
            }
            Self::Way { found, .. } => {
                let name = |node: NodeId| {
                    roster.iter().find(|member| member.node == node).map_or_else(|| node.to_string(), |member| member.name.clone())
                };
                let step = |hop: &Hop| Step { node: name(hop.node), time: hop.time.map(Micros) };
                Reply::Traced(found.map(|(path, took)| Way { hops: path.iter().map(step).collect(), took }))
            }
        }
    }
}

/// Whether a way leads to this node; the word of the node alone is signed.
fn ends_at(path: &[Hop], goal: &NodeId) -> bool {
    path.last().is_some_and(|hop| hop.node == *goal)
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
            let (command, reply) = asker.finished(at(end), &roster(), |_| true).remove(0);
            assert_eq!(command, CommandId(1));
            let Reply::Pinged(rows) = reply else { panic!("{reply:?}") };
            let answered: Vec<(&str, bool)> = rows.iter().map(|row| (row.node.as_str(), row.answer.is_some())).collect();
            assert_eq!(answered, [("me", true), ("other", !silent)]);
        }
    }

    #[test]
    fn one_asker_cannot_make_the_others_flood_a_host() {
        let mut answerer = Requests::default();
        let ask = |number| Ask { author: OTHER, incarnation: LIFE, number, within: 5000, host: "192.0.2.1".into(), count: 20, goal: None };
        let answers = (0..200).filter(|number| answerer.asked(at(*number), &ask(*number)) == Taken::Answer).count();
        assert_eq!(answers, limits::REQUESTS_PER_ASKER);
        assert_eq!(answerer.asked(at(0), &Ask { within: limits::REQUEST_TIME.0 + 1, ..ask(999) }), Taken::Drop);
    }

    #[test]
    fn a_flood_of_questions_or_answers_leaves_room_for_the_others() {
        let mut node = Requests::default();
        let third = NodeId([3; 32]);
        let ask = |author, number| Ask { author, incarnation: LIFE, number, within: 5000, host: "192.0.2.1".into(), count: 1, goal: None };
        let passed = (0..100_000).filter(|number| node.asked(at(0), &ask(OTHER, *number)) != Taken::Drop).count();
        let answer = |number| Requests::reached(&ask(ME, number), OTHER, vec![]);
        let answers = (0..100_000).filter(|number| node.answered(at(0), ME, &answer(*number))).count();
        assert_eq!(passed + answers, limits::REQUESTS_KEPT, "nobody passes on more of one speaker");
        assert_eq!(node.asked(at(1), &ask(third, 1)), Taken::Answer);
        node.finished(at(limits::REQUEST_TIME.0 * 3), &[], |_| true);
        assert!(node.seen.is_empty() && node.kept.is_empty());
    }

    #[test]
    fn the_way_to_a_node_is_its_own_word_and_silence_is_an_answer() {
        let mut asker = Requests::default();
        let ask = asker.seek(at(0), CommandId(1), ME, LIFE, OTHER, Span(5000)).unwrap();
        assert_eq!((ask.goal, ask.within), (Some(OTHER), 5000));
        let third = NodeId([3; 32]);
        let path = vec![Hop { node: third, time: None }, Hop { node: OTHER, time: Some(700) }];
        for (author, path) in [(third, path.clone()), (OTHER, vec![]), (OTHER, path[..1].to_vec())] {
            let mut other = Requests { mine: std::mem::take(&mut asker.mine), ..Requests::default() };
            other.answered(at(5), ME, &Requests::reached(&ask, author, path));
            assert_eq!(other.finished(at(6), &roster(), |_| true), [], "no word of the goal, or no way to it");
            asker.mine = other.mine;
        }
        asker.answered(at(35), ME, &Requests::reached(&ask, OTHER, path));
        let hops = vec![Step { node: third.to_string(), time: None }, Step { node: "other".into(), time: Some(Micros(700)) }];
        let way = Way { hops, took: Span(35) };
        assert_eq!(asker.finished(at(40), &roster(), |_| true), [(CommandId(1), Reply::Traced(Some(way)))]);

        asker.seek(at(50), CommandId(2), ME, LIFE, OTHER, Span(5000)).unwrap();
        assert_eq!(asker.finished(at(5049), &roster(), |_| true), []);
        assert_eq!(asker.finished(at(5050), &roster(), |_| true), [(CommandId(2), Reply::Traced(None))]);
    }

    #[test]
    fn nobody_asks_more_than_others_answer() {
        let mut asker = Requests::default();
        let mut seek = |ms| asker.seek(at(ms), CommandId(ms), ME, LIFE, OTHER, Span(1)).map(|_| asker.finished(at(ms + 1), &[], |_| true));
        assert_eq!((0..200).filter_map(&mut seek).count(), limits::REQUESTS_PER_ASKER);
        assert!(seek(limits::REQUEST_TIME.0 + 1).is_some());
    }
}
