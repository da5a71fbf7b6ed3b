//! The newest events of the journal, to be shown: which facts they are, and nothing of what they mean.
//!
//! A fold over the set of entries: of all that was said, the last in the order without clocks.

use std::collections::BTreeMap;

use crate::base::entry::Header;
use crate::base::fact::Fact;
use crate::base::id::NodeId;
use crate::base::limits::quiet as limits;
use crate::base::time::Wall;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Recent {
    events: BTreeMap<(u64, NodeId, usize), (Wall, Fact)>,
    /// Something was added or let go since this was last asked.
    changed: bool,
}

impl Recent {
    /// Takes what an entry says at a place.
    pub fn fold(&mut self, header: &Header, place: usize, fact: &Fact) {
        let shown = matches!(
            fact,
            Fact::Opened(_) | Fact::Closed(_) | Fact::Done(_) | Fact::Acknowledged(_) | Fact::Silenced(_) | Fact::Unsilenced(_)
        );
        let key = (header.lamport, header.chain.author, place);
        let full = limits::EVENTS_SHOWN <= self.events.len();
        if !shown || full && self.events.first_key_value().is_some_and(|(first, _)| key < *first) {
            return;
        }
        if full {
            self.events.pop_first();
        }
        self.events.insert(key, (header.wall, fact.clone()));
        self.changed = true;
    }

    /// Newest first: who said it, when by its clock, and what.
    pub fn all(&self) -> impl Iterator<Item = (&NodeId, Wall, &Fact)> {
        self.events.iter().rev().map(|((_, author, _), (wall, fact))| (author, *wall, fact))
    }

    /// Whether it is otherwise than when this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Everything is read again.
    pub fn clear(&mut self) {
        *self = Self { events: BTreeMap::new(), changed: true };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fact::{Unsilenced, Yield};
    use crate::base::id::{ChainId, EntryHash, Incarnation, Lane, NetworkId};

    fn header(lamport: u64) -> Header {
        let incarnation = Incarnation { opened: 1, nonce: [0; 16] };
        Header {
            network: NetworkId([0; 32]),
            chain: ChainId { author: NodeId([1; 32]), incarnation, lane: Lane::Events },
            sequence: lamport,
            previous: EntryHash([0; 32]),
            lamport,
            wall: Wall(0),
        }
    }

    fn end(id: u32) -> Fact {
        Fact::Unsilenced(Unsilenced { id, at: 0, early: false, person: String::new() })
    }

    #[test]
    fn the_newest_are_remembered_in_every_order_of_arrival() {
        let most = u32::try_from(limits::EVENTS_SHOWN).unwrap();
        let fold = |order: &mut dyn Iterator<Item = u32>| {
            let mut recent = Recent::default();
            order.for_each(|id| recent.fold(&header(u64::from(id)), 0, &end(id)));
            let ids: Vec<u32> =
                recent.all().filter_map(|(_, _, fact)| if let Fact::Unsilenced(end) = fact { Some(end.id) } else { None }).collect();
            ids
        };
        let there = fold(&mut (0..most + 10));
        assert_eq!(there, fold(&mut (0..most + 10).rev()));
        assert_eq!((there.len(), there[0], there[there.len() - 1]), (limits::EVENTS_SHOWN, most + 9, 10));
    }

    #[test]
    fn votes_are_nothing_to_show() {
        let mut recent = Recent::default();
        recent.fold(&header(1), 0, &Fact::Yield(Yield { ballot: EntryHash([0; 32]) }));
        assert!(recent.all().next().is_none() && !recent.take_changed());
        recent.fold(&header(2), 0, &end(1));
        assert!(recent.take_changed() && !recent.take_changed());
    }
}
