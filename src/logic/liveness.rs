//! Which nodes live, as judged here by their heartbeats.
//!
//! A node's heartbeat counter grows; what counts is this node's own forward-only time since it last
//! grew, against the usual pace of that node (phi accrual, Hayashibara et al. 2004, with an
//! exponential tail and bounds). Suspect is shown; dead decides. Who is linked to whom, and what
//! follows from a death, is not known here.

use std::collections::BTreeMap;

use crate::base::id::{Incarnation, NodeId};
use crate::base::limits;
use crate::base::time::{Mono, Now, Span, Wall};
use crate::base::view::Presence;
use crate::base::wire::Heartbeat;

/// What is known of the others' lives.
#[derive(Debug)]
pub struct Liveness {
    nodes: BTreeMap<NodeId, Life>,
    last: Mono,
}

/// What is known of one node's life.
#[derive(Clone, Debug)]
pub struct Life {
    /// As judged now.
    pub presence: Presence,
    /// When it was last heard, by this node's wall clock.
    pub heard: Option<Wall>,
    /// When it was last heard, or when this node began to listen.
    pub at: Mono,
    /// What it said of its votes.
    pub voting: bool,
    /// What it said of being cut off.
    pub isolated: bool,
    /// It cannot write what it sees.
    pub mute: bool,
    /// Since it was not heard, or began anew: how far it had written its state by then. What this
    /// node knows of it may be out of date until that is read.
    pub unread: Option<(Incarnation, u64)>,
    incarnation: Option<Incarnation>,
    counter: u64,
    pace: f64,
}

/// A gap between two turns for which this node itself must have stood still.
const PAUSE: Span = Span(limits::SUSPECT_LEAST.0 / 2);

/// Silence, in usual paces, after which a node is suspect. With an exponential tail this is phi times
/// 2.3: one in 150 that it lives and is merely late, and one in three million when it is given up.
const PHI: f64 = 5.0;

impl Liveness {
    /// Knows nobody yet.
    #[must_use]
    pub const fn new(now: Now) -> Self {
        Self { nodes: BTreeMap::new(), last: now.mono }
    }

    /// Listens for these nodes, and no others.
    pub fn roster(&mut self, now: Now, nodes: impl Iterator<Item = NodeId>) {
        let wanted: Vec<NodeId> = nodes.collect();
        let pace = heartbeat_every(wanted.len() + 1);
        self.nodes.retain(|node, _| wanted.contains(node));
        for node in wanted {
            self.nodes.entry(node).or_insert(Life {
                presence: Presence::Unheard,
                heard: None,
                at: now.mono,
                voting: false,
                isolated: false,
                mute: false,
                unread: None,
                incarnation: None,
                counter: 0,
                pace: pace.0 as f64,
            });
        }
    }

    /// Takes a heartbeat. True if it is news, so that it is worth passing on.
    pub fn heard(&mut self, now: Now, heartbeat: &Heartbeat) -> bool {
        let Some(life) = self.nodes.get_mut(&heartbeat.author) else { return false };
        let order = (Some(heartbeat.incarnation), heartbeat.counter);
        if order <= (life.incarnation, life.counter) {
            return false;
        }
        // What waited while this node stood still says nothing of its author's pace.
        let awake = now.mono.since(self.last) <= PAUSE;
        if awake && life.incarnation == Some(heartbeat.incarnation) && matches!(life.presence, Presence::Alive) {
            let passed = now.mono.since(life.at).0 as f64;
            life.pace = 0.8f64.mul_add(life.pace, 0.2 * passed);
        }
        let returned = matches!(life.presence, Presence::Dead | Presence::Unheard);
        let doubted = life.unread.is_some_and(|(_, said)| said == Heartbeat::MUTE);
        life.mute = heartbeat.said == Heartbeat::MUTE;
        if returned || doubted || life.mute || life.incarnation != Some(heartbeat.incarnation) {
            life.unread = Some((heartbeat.incarnation, heartbeat.said));
        }
        (life.incarnation, life.counter) = order;
        (life.voting, life.isolated) = (heartbeat.voting, heartbeat.isolated);
        (life.at, life.heard) = (now.mono, Some(now.wall));
        true
    }

    /// Judges everybody again; returns whose presence changed. `linked` says whether there still is a
    /// link to a node: whoever is linked has not been read to the end and is not given up.
    pub fn judge(&mut self, now: Now, linked: impl Fn(&NodeId) -> bool) -> Vec<(NodeId, Presence)> {
        // This node itself was paused or overloaded: that is no reason to accuse the others.
        let pause = now.mono.since(self.last);
        if PAUSE < pause {
            for life in self.nodes.values_mut() {
                // Who was heard since has no need of it.
                life.at = (life.at + pause).min(now.mono);
                // Much may have been said meanwhile, which comes after the next heartbeats.
                life.unread = life.incarnation.map(|incarnation| (incarnation, Heartbeat::MUTE));
            }
        }
        self.last = now.mono;
        let mut changes = Vec::new();
        for (node, life) in &mut self.nodes {
            let silence = now.mono.since(life.at);
            // Who was given up is heard before it lives again: a link alone says nothing.
            let given_up = life.presence == Presence::Dead || !linked(node);
            let judged = if dead_after(life.pace) <= silence && given_up {
                Presence::Dead
            } else if life.heard.is_none() {
                Presence::Unheard
            } else if suspect_after(life.pace) <= silence {
                Presence::Suspect
            } else {
                Presence::Alive
            };
            if judged != life.presence {
                life.presence = judged;
                changes.push((*node, judged));
            }
        }
        changes
    }

    /// Forgets that these nodes' words were not read, where they are now. True if any was.
    pub fn read(&mut self, head: impl Fn(&NodeId, Incarnation) -> u64) -> bool {
        let read =
            |(node, life): (&NodeId, &mut Life)| life.unread.take_if(|(incarnation, said)| *said <= head(node, *incarnation)).is_some();
        self.nodes.iter_mut().map(read).fold(false, |any, read| any | read)
    }

    /// What is known of one node.
    #[must_use]
    pub fn life(&self, node: &NodeId) -> Option<&Life> {
        self.nodes.get(node)
    }

    /// Everybody that is listened for.
    pub fn all(&self) -> impl Iterator<Item = (&NodeId, &Life)> {
        self.nodes.iter()
    }

    /// When a judgement may change next.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let next = |life: &Life| match life.presence {
            Presence::Alive => Some(life.at + suspect_after(life.pace)),
            Presence::Suspect | Presence::Unheard => Some(life.at + dead_after(life.pace)),
            Presence::Dead | Presence::Me => None,
        };
        // Whoever is overdue but still linked is judged again when the link ends; until then, in a while.
        self.nodes.values().filter_map(next).map(|due| due.max(self.last + Span::secs(1))).min()
    }
}

/// How often a node of a network of `nodes` sends heartbeats.
#[must_use]
pub fn heartbeat_every(nodes: usize) -> Span {
    (limits::HEARTBEAT_PER_NODE * nodes as u64).clamp(limits::HEARTBEAT, limits::HEARTBEAT_MOST)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bounded positive number of milliseconds")]
fn suspect_after(pace: f64) -> Span {
    Span((pace * PHI) as u64).clamp(limits::SUSPECT_LEAST, limits::SUSPECT_MOST)
}

fn dead_after(pace: f64) -> Span {
    (suspect_after(pace) * 3).max(limits::DEAD_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId([2; 32]);

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(0) }
    }

    fn beat(counter: u64) -> Heartbeat {
        Heartbeat {
            author: NODE,
            incarnation: Incarnation { opened: 1, nonce: [0; 16] },
            counter,
            voting: true,
            isolated: false,
            said: 7,
            wall: 0,
            other: None,
        }
    }

    fn listening() -> Liveness {
        let mut liveness = Liveness::new(at(0));
        liveness.roster(at(0), [NODE].into_iter());
        liveness
    }

    /// Runs to `until` in steps of a second; tells each change with its time in seconds.
    fn run(liveness: &mut Liveness, from: u64, until: u64, linked: bool) -> Vec<(u64, Presence)> {
        let judge = |second: u64| liveness.judge(at(second * 1000), |_| linked).into_iter().map(move |(_, presence)| (second, presence));
        (from..=until).flat_map(judge).collect()
    }

    #[test]
    fn a_silent_node_is_suspect_then_dead() {
        let mut liveness = listening();
        for second in (0..20).step_by(2) {
            assert!(liveness.heard(at(second * 1000), &beat(second + 1)));
            liveness.judge(at(second * 1000), |_| true);
        }
        assert_eq!(run(&mut liveness, 19, 100, false), [(28, Presence::Suspect), (48, Presence::Dead)]);
        assert!(liveness.heard(at(101_000), &beat(100)));
        assert_eq!(run(&mut liveness, 101, 101, false), [(101, Presence::Alive)]);
    }

    #[test]
    fn nobody_is_given_up_while_a_link_is_not_read_to_its_end() {
        let mut liveness = listening();
        liveness.heard(at(0), &beat(1));
        assert_eq!(run(&mut liveness, 0, 100, true), [(0, Presence::Alive), (10, Presence::Suspect)]);
        assert_eq!(run(&mut liveness, 101, 101, false), [(101, Presence::Dead)]);
    }

    #[test]
    fn a_node_never_heard_is_given_up_like_one_that_fell_silent_at_the_start() {
        assert_eq!(run(&mut listening(), 0, 100, false), [(30, Presence::Dead)]);
    }

    #[test]
    fn what_a_node_said_is_out_of_date_until_its_words_since_are_read() {
        let mut liveness = listening();
        liveness.heard(at(0), &beat(1));
        assert!(!liveness.read(|_, _| 6) && liveness.life(&NODE).unwrap().unread.is_some());
        assert!(liveness.read(|_, _| 7) && liveness.life(&NODE).unwrap().unread.is_none());
        liveness.judge(at(0), |_| true);
        liveness.heard(at(2000), &Heartbeat { said: 8, ..beat(2) });
        assert!(liveness.life(&NODE).unwrap().unread.is_none(), "who is heard all the time is read as it comes");
        run(&mut liveness, 3, 100, false);
        assert_eq!(run(&mut liveness, 101, 102, true), [], "a link alone brings nobody back");
        liveness.heard(at(103_000), &Heartbeat { said: 8, ..beat(3) });
        assert!(liveness.life(&NODE).unwrap().unread.is_some());
    }

    #[test]
    fn who_cannot_write_has_said_nothing_until_it_can() {
        let mut liveness = listening();
        liveness.heard(at(0), &Heartbeat { said: Heartbeat::MUTE, ..beat(1) });
        assert!(!liveness.read(|_, _| 7) && liveness.life(&NODE).unwrap().mute);
        liveness.heard(at(2000), &beat(2));
        assert!(liveness.read(|_, _| 7) && !liveness.life(&NODE).unwrap().mute);
    }

    #[test]
    fn old_and_repeated_heartbeats_are_no_news() {
        let mut liveness = listening();
        assert!(liveness.heard(at(0), &beat(5)));
        assert!(!liveness.heard(at(1), &beat(5)) && !liveness.heard(at(1), &beat(4)));
        assert!(!liveness.heard(at(1), &Heartbeat { author: NodeId([9; 32]), ..beat(6) }), "a stranger");
    }

    #[test]
    fn a_pause_of_this_node_accuses_nobody() {
        let mut liveness = listening();
        liveness.heard(at(0), &beat(1));
        liveness.judge(at(0), |_| true);
        // A heartbeat from before the pause waited, and another comes after it.
        assert!(liveness.heard(at(3_600_000), &beat(2)));
        assert_eq!(liveness.judge(at(3_600_000), |_| false), []);
        assert!(!liveness.read(|_, _| 7), "what was said in the pause is yet to come");
        assert!(liveness.heard(at(3_602_000), &beat(3)) && liveness.read(|_, _| 7));
        assert_eq!(run(&mut liveness, 3602, 3700, false), [(3612, Presence::Suspect), (3632, Presence::Dead)]);
    }
}
