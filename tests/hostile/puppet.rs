//! A member's key in the hands of the test: it signs whatever it is told to.

use peerwatch::base::entry::{Entry, Header};
use peerwatch::base::fact::{Fact, Open};
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, Lane};
use peerwatch::base::time::Wall;
use peerwatch::base::wire::{Head, Heads, Heartbeat, Message, Signed};

use crate::net::{Net, key, network, node};

/// Who pretends, with one life of its key.
pub struct Puppet {
    pub number: usize,
    pub life: Incarnation,
    pub lamport: u64,
    pub counter: u64,
    heads: Vec<(Lane, u64, EntryHash)>,
}

impl Puppet {
    /// The key of node `number`, in a life that it opens.
    pub fn new(number: usize, opened: u64) -> Self {
        let life = Incarnation { opened, nonce: [0xbb; 16] };
        Self { number, life, lamport: opened, counter: 1, heads: Vec::new() }
    }

    pub fn chain(&self, lane: Lane) -> ChainId {
        ChainId { author: node(self.number), incarnation: self.life, lane }
    }

    /// The first entry of its life.
    pub fn open(&mut self) -> Entry {
        let open = Open { previous: None, reason: "test".into(), software: "0".into() };
        self.write(Lane::State, vec![Fact::Open(open)])
    }

    /// The next entry of a lane.
    pub fn write(&mut self, lane: Lane, facts: Vec<Fact>) -> Entry {
        let known = self.heads.iter().find(|(known, ..)| *known == lane).copied();
        let (sequence, previous) = known.map_or((0, EntryHash([0; 32])), |(_, sequence, hash)| (sequence, hash));
        self.lamport += 1;
        let entry = self.forge(lane, sequence + 1, previous, facts);
        self.heads.retain(|(known, ..)| *known != lane);
        self.heads.push((lane, sequence + 1, entry.hash));
        entry
    }

    /// Goes on after another entry than its own last one.
    pub fn after(&mut self, entry: &Entry) {
        let (lane, sequence) = (entry.header.chain.lane, entry.header.sequence);
        (self.life, self.lamport) = (entry.header.chain.incarnation, self.lamport.max(entry.header.lamport));
        self.heads.retain(|(known, ..)| *known != lane);
        self.heads.push((lane, sequence, entry.hash));
    }

    /// Any entry at all.
    pub fn forge(&self, lane: Lane, sequence: u64, previous: EntryHash, facts: Vec<Fact>) -> Entry {
        let header = Header {
            network: network(),
            chain: self.chain(lane),
            sequence,
            previous,
            lamport: self.lamport,
            wall: Wall(1_700_000_000_000),
        };
        Entry::seal(&key(self.number), header, facts)
    }

    /// A heartbeat of its life, later than the last.
    pub fn beat(&mut self, net: &Net) -> Message {
        self.counter += 1;
        let heartbeat = Heartbeat {
            author: node(self.number),
            incarnation: self.life,
            counter: self.counter.max(net.at),
            voting: false,
            isolated: false,
            said: 0,
            wall: 0,
            other: None,
        };
        Message::Heartbeat(Signed::seal(&key(self.number), network(), heartbeat))
    }

    /// Links to a node, as one that has nothing and wants nothing.
    pub fn greet(&mut self, net: &mut Net, to: usize) {
        if !net.linked(self.number, to) {
            net.link(self.number, to);
        }
        net.run(100);
        net.say(self.number, to, &Message::Heads(Heads { complete: u64::MAX, again: false, heads: vec![] }));
        let beat = self.beat(net);
        net.say(self.number, to, &beat);
        net.run(100);
    }
}

pub fn head(entry: &Entry) -> Head {
    Head { chain: entry.header.chain, sequence: entry.header.sequence, hash: entry.hash, base: 0 }
}

pub fn unknown(n: u8) -> Vec<Fact> {
    vec![Fact::Unknown { kind: 999, body: vec![n] }]
}
