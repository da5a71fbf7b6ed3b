//! The way to a node: a question that notes where it passes.
//!
//! The asker signs the question, and whoever passes it on adds itself and the time of the link over
//! which it came. Each node takes it once, so the flood ends, and the first to arrive tells the
//! quickest way. The node that it is for answers with the way that its question took. Nothing is
//! searched or remembered here: the links that there are now are the map.

use crate::base::command::{CommandId, Reply, Way};
use crate::base::id::{LinkId, NodeId};
use crate::base::limits;
use crate::base::time::{Now, Span};
use crate::base::wire::{Hop, Message, Seek, Signed};
use crate::logic::effect::{Effect, Effects};
use crate::logic::node::Node;
use crate::logic::node::receive::TOO_MANY;
use crate::logic::request::{Requests, Taken};

impl Node {
    /// This node looks for the way to another.
    pub(super) fn trace(&mut self, now: Now, id: CommandId, goal: NodeId, within: Span, out: &mut Effects) {
        if self.settings.network.member(&goal).is_none() {
            let why = format!("{goal} is not in the roster of this network; peerwatchctl nodes lists who is");
            return out.then(Effect::Reply(id, Reply::Refused(why)));
        }
        if goal == self.me {
            return out.then(Effect::Reply(id, Reply::Traced(Some(Way { hops: Vec::new(), took: Span::ZERO }))));
        }
        if self.mesh.links().next().is_none() {
            return out.then(Effect::Reply(id, Reply::Traced(None)));
        }
        match self.requests.seek(now, id, self.me, self.journal.incarnation(), goal, within) {
            Some(ask) => {
                let ask = Signed::seal(&self.settings.key, self.settings.network.network, ask);
                self.seek_on(&Seek { ask, path: Vec::new() }, out);
            }
            None => out.then(Effect::Reply(id, Reply::Refused(TOO_MANY.into()))),
        }
    }

    /// A question for the way came.
    pub(super) fn sought(&mut self, now: Now, link: LinkId, mut seek: Seek, out: &mut Effects) {
        let ask = &seek.ask.value;
        let Some(goal) = ask.goal else { return };
        if !self.is_way_here(link, &seek) || self.requests.asked(now, ask) != Taken::Answer {
            return;
        }
        let time = self.mesh.links().find(|(id, _)| **id == link).and_then(|(_, link)| link.time);
        seek.path.push(Hop { node: self.me, time });
        if goal == self.me {
            let answer = Requests::reached(&seek.ask.value, self.me, seek.path);
            self.give_answer(now, answer, out);
        } else {
            self.seek_on(&seek, out);
        }
    }

    /// Whether a question can have come on this way: over members, past none of them twice, and to the
    /// peer at the other end of the link; and whether there is room for one more.
    fn is_way_here(&self, link: LinkId, seek: &Seek) -> bool {
        let asker = seek.ask.value.author;
        let mut passed: Vec<NodeId> = seek.path.iter().map(|hop| hop.node).chain([asker]).collect();
        let from = seek.path.last().map_or(asker, |hop| hop.node);
        let known = passed.iter().all(|node| *node != self.me && self.settings.network.member(node).is_some());
        passed.sort_unstable();
        passed.dedup();
        known && passed.len() == seek.path.len() + 1 && seek.path.len() < limits::HOPS && self.mesh.peer(link) == Some(from)
    }

    /// Passes a question on to whom it has not passed.
    fn seek_on(&self, seek: &Seek, out: &mut Effects) {
        let passed = |node: &NodeId| *node == seek.ask.value.author || seek.path.iter().any(|hop| hop.node == *node);
        for (link, _) in self.mesh.links().filter(|(_, link)| !passed(&link.peer)) {
            out.then(Effect::Send { link: *link, message: Message::Seek(seek.clone()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::command::{Command, Step};
    use crate::base::entry::Past;
    use crate::base::id::{Incarnation, NetworkId, TargetId};
    use crate::base::key::SecretKey;
    use crate::base::settings::{Member, Network, Role, Split};
    use crate::base::target::{Confirm, Expected, Icmp, Probe, Quorum, Severity, Target, Thresholds, Watchers};
    use crate::base::time::{Micros, Mono, Wall};
    use crate::base::wire::Ask;
    use crate::logic::input::Input;
    use crate::logic::node::{Beginning, Settings};

    /// Nodes and the links between them; both ends of a link have one name.
    struct Net {
        nodes: Vec<Node>,
        links: Vec<(usize, usize)>,
        replies: Vec<Reply>,
        asked: usize,
    }

    fn key(number: usize) -> SecretKey {
        SecretKey::from_bytes(&[u8::try_from(number + 1).unwrap(); 32])
    }

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(0) }
    }

    fn settings(me: usize, all: usize) -> Settings {
        let member = |n: usize| Member {
            node: key(n).node(),
            name: format!("n{n}"),
            role: if n == 1 { Role::Observer } else { Role::Member },
            addresses: vec![],
            expected: Expected::Always,
        };
        let node_target = Target {
            id: TargetId("node".into()),
            group: None,
            probe: Probe::Icmp(Icmp { host: String::new(), count: 1, gap: Span(200), size: 56 }),
            interval: Span::secs(5),
            timeout: Span::secs(2),
            confirm: Confirm { bad: 3, good: 2 },
            degraded: Thresholds::default(),
            flap: crate::base::target::Flap::OFF,
            watchers: Watchers::All,
            quorum: Quorum::Majority,
            depends: vec![],
            expected: Expected::Always,
            runbook: None,
            severity: Severity::default(),
            reference: false,
        };
        let network = Network {
            name: "home".into(),
            id: "home".into(),
            network: NetworkId::of("home"),
            definition: [0; 32],
            split: Split::Each,
            roster: (0..all).map(member).collect(),
            former: vec![],
            targets: vec![],
            channels: vec![],
            maintenance: vec![],
            lease: Span::secs(60),
            journal_size: 1 << 30,
            node_target,
        };
        let (name, system) = (format!("n{me}"), String::new());
        Settings { network, key: key(me), name, ways: vec![], lacks: vec![], system, remarks: vec![] }
    }

    impl Net {
        fn new(all: usize, links: &[(usize, usize)]) -> Self {
            let begin = |n: usize| {
                let beginning = Beginning::Anew { nonce: [1; 16], reason: String::new(), first: true };
                let none = std::iter::empty();
                Node::restore(settings(n, all), n as u64, &Past::default(), none, beginning, at(0), &mut Effects::default())
            };
            let mut net = Self { nodes: (0..all).map(begin).collect(), links: links.to_vec(), replies: vec![], asked: 0 };
            for (number, (a, b)) in links.iter().enumerate() {
                let link = LinkId(number as u64);
                for (here, there) in [(*a, *b), (*b, *a)] {
                    let peer = key(there).node();
                    net.give(here, Input::LinkUp { link, peer, dialled: None, remote: String::new() });
                    net.give(
                        here,
                        Input::Measured { link, time: 100 * (number as u32 + 1) + here as u32, offset: 0, sent: 0, received: 0 },
                    );
                }
            }
            net
        }

        /// One input, and all that follows from what it makes nodes ask and answer.
        fn give(&mut self, node: usize, input: Input) {
            let mut inputs = vec![(node, input)];
            while let Some((node, input)) = inputs.pop() {
                let mut out = Effects::default();
                self.nodes[node].handle(at(10), input, &mut out);
                self.nodes[node].answer_commands(at(10), &mut out);
                for effect in out.then {
                    match effect {
                        Effect::Send { link, message: message @ (Message::Seek(_) | Message::Answer(_)) } => {
                            self.asked += usize::from(matches!(message, Message::Seek(_)));
                            let (a, b) = self.links[usize::try_from(link.0).unwrap()];
                            inputs.insert(0, (if node == a { b } else { a }, Input::Received { link, message }));
                        }
                        Effect::Reply(_, reply) => self.replies.push(reply),
                        _ => {}
                    }
                }
            }
        }

        fn trace(&mut self, from: usize, to: usize) -> Vec<Reply> {
            let command = Command::Trace { node: key(to).node(), within: Span::secs(5) };
            self.give(from, Input::Command { id: CommandId(7), command });
            std::mem::take(&mut self.replies)
        }
    }

    fn way(hops: &[(&str, u32)]) -> Vec<Reply> {
        let step = |(node, time): &(&str, u32)| Step { node: (*node).into(), time: Some(Micros(*time)) };
        vec![Reply::Traced(Some(Way { hops: hops.iter().map(step).collect(), took: Span(0) }))]
    }

    #[test]
    fn over_a_line_every_hop_says_its_time_also_an_observer() {
        let mut net = Net::new(3, &[(0, 1), (1, 2)]);
        assert_eq!(net.trace(0, 2), way(&[("n1", 101), ("n2", 202)]));
        assert_eq!(net.trace(2, 0), way(&[("n1", 201), ("n0", 100)]));
        assert_eq!(net.trace(0, 0), way(&[]));
    }

    #[test]
    fn in_a_ring_the_first_to_arrive_counts_and_no_node_asks_twice() {
        let mut net = Net::new(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]);
        assert_eq!(net.trace(0, 4), way(&[("n4", 504)]));
        net.asked = 0;
        assert_eq!(net.trace(0, 2), way(&[("n1", 101), ("n2", 202)]));
        assert!(net.asked <= 5, "{} questions over five links", net.asked);
    }

    #[test]
    fn without_a_way_silence_is_the_answer() {
        let mut net = Net::new(4, &[(0, 1), (2, 3)]);
        assert_eq!(net.trace(0, 2), []);
        let mut out = Effects::default();
        net.nodes[0].answer_commands(at(5010), &mut out);
        assert_eq!(out.then, [Effect::Reply(CommandId(7), Reply::Traced(None))]);
        let mut alone = Net::new(2, &[]);
        assert_eq!(alone.trace(0, 1), [Reply::Traced(None)], "nobody is there to wait for");
        let stranger = Command::Trace { node: key(9).node(), within: Span::secs(5) };
        alone.give(0, Input::Command { id: CommandId(8), command: stranger });
        assert!(matches!(&alone.replies[..], [Reply::Refused(_)]), "{:?}", alone.replies);
    }

    #[test]
    fn a_way_that_cannot_be_is_not_gone_on() {
        let incarnation = Incarnation { opened: 1, nonce: [0; 16] };
        let ask = |author: usize, goal: Option<usize>, number| {
            let goal = goal.map(|goal| key(goal).node());
            let ask = Ask { author: key(author).node(), incarnation, number, within: 5000, host: String::new(), count: 1, goal };
            Signed::seal(&key(author), NetworkId::of("home"), ask)
        };
        let hop = |n: usize| Hop { node: key(n).node(), time: Some(1) };
        let long: Vec<Hop> = vec![hop(0); limits::HOPS];
        let bad: Vec<(Option<usize>, Vec<Hop>)> = vec![
            (None, vec![]),
            (Some(2), vec![hop(2)]),
            (Some(2), vec![hop(1), hop(0)]),
            (Some(2), vec![hop(3), hop(3), hop(0)]),
            (Some(2), vec![hop(9), hop(0)]),
            (Some(2), long),
        ];
        let mut net = Net::new(4, &[(0, 1), (1, 2)]);
        for (number, (goal, path)) in bad.into_iter().enumerate() {
            let seek = Seek { ask: ask(3, goal, number as u64), path };
            net.give(1, Input::Received { link: LinkId(0), message: Message::Seek(seek.clone()) });
            assert_eq!(net.asked, 0, "{:?}", seek.path);
        }
        let good = Seek { ask: ask(3, Some(2), 99), path: vec![hop(0)] };
        net.give(1, Input::Received { link: LinkId(0), message: Message::Seek(good) });
        assert_eq!(net.asked, 1);
        // The question alone, without a way, is no ping request.
        let mut out = Effects::default();
        net.nodes[1].handle(at(0), Input::Received { link: LinkId(0), message: Message::Ask(ask(3, Some(2), 100)) }, &mut out);
        assert!(out.then.is_empty(), "{:?}", out.then);
    }
}
