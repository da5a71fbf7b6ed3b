//! A member that says whatever it likes: the bytes are a story of messages, entries and waits, told to
//! a node over two links.
//!
//! Entries carry the place and the signature that they need, unless the story wants otherwise, so that
//! any fact, however absurd, reaches the machines behind the journal. What must hold: nothing panics,
//! every chain that the node stores goes on without a gap, and one turn asks for a bounded number of
//! things.

use std::collections::BTreeMap;

use peerwatch::base::config::{self, Layer};
use peerwatch::base::entry::{Entry, Header, Past, Record};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, Lane, LinkId};
use peerwatch::base::time::{Mono, Now, Wall};
use peerwatch::base::wire::Message;
use peerwatch::logic::effect::Effects;
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};

use crate::targets::{key, network};

/// What one turn of so small a network may ask for at most.
const EFFECTS: usize = 5000;

const NETWORK: &str = r#"
id = "home"
lease = "10s"
[[node]]
name = "a"
[[node]]
name = "b"
address = ["192.0.2.2:9630"]
[[node]]
name = "c"
address = ["192.0.2.3:9630"]
[[target]]
name = "shop"
tcp = { host = "192.0.2.9", port = 80 }
[[notify]]
name = "ops"
mail = { to = ["ops@example.org"], from = "peerwatch@example.org" }
"#;

/// Tells the story.
pub fn member(data: &[u8]) {
    let mut told = Told::new();
    let mut rest = data;
    // Enough for any story; each signature takes its time.
    for _ in 0..64 {
        let Some(([action, length @ ..], after)) = rest.split_first_chunk::<3>() else { break };
        let (body, after) = after.split_at(usize::from(u16::from_be_bytes(*length)).min(after.len()));
        rest = after;
        told.act(*action, body);
    }
    told.turn();
}

/// A node and what it was told.
struct Told {
    node: Node,
    now: Now,
    out: Effects,
    /// The hostile author's own view of its chains.
    written: BTreeMap<ChainId, (u64, EntryHash)>,
    /// How far the node has stored each chain; without a hash after a cut.
    stored: BTreeMap<ChainId, (u64, Option<EntryHash>)>,
}

impl Told {
    fn new() -> Self {
        let layer = Layer { path: "network.toml".into(), text: NETWORK.into() };
        let keys = [("a", 1), ("b", 2), ("c", 3)].map(|(name, number)| (name.to_owned(), Ok(key(number).node())));
        let (definition, _) = config::network("home", &layer, &keys).expect("a sound definition");
        let settings = Settings {
            network: definition,
            key: key(1),
            name: "a".into(),
            ways: vec!["mail".into()],
            lacks: vec![],
            system: "none".into(),
            remarks: vec![],
        };
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_780_000_000_000) };
        let mut out = Effects::default();
        let beginning = Beginning::Anew { nonce: [1; 16], reason: "first start".into(), first: true };
        let node = Node::restore(settings, 7, &Past::default(), std::iter::empty(), beginning, now, &mut out);
        let mut told = Self { node, now, out, written: BTreeMap::new(), stored: BTreeMap::new() };
        for (link, number) in [(LinkId(1), 2), (LinkId(2), 3)] {
            let input = Input::LinkUp { link, peer: key(number).node(), dialled: None, remote: "192.0.2.1:1".into() };
            told.node.handle(told.now, input, &mut told.out);
        }
        told.turn();
        told
    }

    /// One event of the story.
    fn act(&mut self, action: u8, body: &[u8]) {
        let link = LinkId(1 + u64::from(action >> 7));
        match action % 8 {
            0 => self.turn(),
            1 => {
                let seconds = body.iter().take(3).fold(0, |seconds, byte| seconds * 16 + u64::from(*byte));
                self.now.mono.0 += seconds * 1000;
                self.now.wall.0 += seconds.cast_signed() * 1000;
                self.turn();
            }
            2 => {
                if let Ok(message) = Message::decode(network(), body) {
                    self.node.handle(self.now, Input::Received { link, message }, &mut self.out);
                }
            }
            3 => self.node.handle(self.now, Input::Drained { link }, &mut self.out),
            _ => self.write(link, action, body),
        }
    }

    /// An entry with one fact: kind and body from the story, the place mostly the right one.
    fn write(&mut self, link: LinkId, action: u8, body: &[u8]) {
        let Some(([flags, lane, kind @ ..], body)) = body.split_first_chunk::<4>() else { return };
        let fact = Fact::read(u16::from_be_bytes(*kind), body);
        let own = if *lane < 0x80 { fact.lane() } else { None };
        let lane = own.or(Lane::from_number(lane % 5)).unwrap_or(Lane::State);
        let author = key(2 + (flags & 1));
        let incarnation = Incarnation { opened: u64::from(flags >> 1 & 3), nonce: [*flags >> 1 & 3; 16] };
        let chain = ChainId { author: author.node(), incarnation, lane };
        let (sequence, previous) = self.written.get(&chain).copied().unwrap_or((0, EntryHash([0; 32])));
        let gap = u64::from(flags >> 3 & 1);
        let header = Header {
            network: network(),
            chain,
            sequence: sequence + 1 + gap,
            previous: if flags >> 4 & 1 == 1 { EntryHash([*flags; 32]) } else { previous },
            lamport: sequence * 16 + u64::from(action),
            wall: self.now.wall,
        };
        if 60_000 < fact.body().len() {
            return;
        }
        let entry = Entry::seal(&author, header, vec![fact]);
        if *flags & 0x38 == 0 {
            self.written.insert(chain, (sequence + 1, entry.hash));
        }
        let message = if action % 8 == 7 { Message::Proofs(vec![entry]) } else { Message::Entries(vec![entry]) };
        self.node.handle(self.now, Input::Received { link, message }, &mut self.out);
    }

    /// Ends a turn and checks what the node wants to have stored.
    fn turn(&mut self) {
        self.node.handle(self.now, Input::Tick, &mut self.out);
        for record in &self.out.append {
            match record {
                Record::Entry(entry) => {
                    let header = &entry.header;
                    let (sequence, hash) = self.stored.get(&header.chain).copied().unwrap_or((0, Some(EntryHash([0; 32]))));
                    assert_eq!(header.sequence, sequence + 1, "a gap in {}", header.chain);
                    assert!(hash.is_none_or(|hash| hash == header.previous), "a fork in {}", header.chain);
                    self.stored.insert(header.chain, (header.sequence, Some(entry.hash)));
                }
                Record::Base(head) => {
                    let end = self.stored.entry(head.chain).or_insert((0, None));
                    if end.0 < head.sequence {
                        *end = (head.sequence, Some(head.hash));
                    }
                }
                Record::Floor(author, floor) => self.stored.retain(|chain, _| chain.author != *author || *floor <= chain.incarnation),
                Record::Cut(chain, from) => {
                    if let Some(end) = self.stored.get_mut(chain).filter(|end| *from <= end.0) {
                        *end = (from.saturating_sub(1), None);
                    }
                }
                Record::Proof(_) | Record::Unfloor(_) => {}
            }
        }
        assert!(self.out.then.len() <= EFFECTS, "{} effects in one turn", self.out.then.len());
        self.out.clear();
        if self.node.take_changed() {
            let view = self.node.view(self.now);
            assert_eq!(view.nodes.len(), 3);
        }
        let _ = self.node.deadline();
    }
}
