//! What a turn asks of the world. There is no other way out, except the view.
//!
//! `append` and `keep` are committed in one transaction; only then is `then` performed.

use crate::base::command::{CommandId, Reply};
use crate::base::entry::{Entry, Record, Stretch};
use crate::base::id::{ChainId, LinkId, NodeId};
use crate::base::kv::Values;
use crate::base::note::Note;
use crate::base::notice::Errand;
use crate::base::outcome::Order;
use crate::base::time::Wall;
use crate::base::view::Sample;
use crate::base::wire::Message;

/// What one turn asks.
#[derive(Debug, Default)]
pub struct Effects {
    /// What changes in the journal, in this order.
    pub append: Vec<Record>,
    /// Raw samples of this node.
    pub keep: Vec<Sample>,
    /// What to do once that is committed.
    pub then: Vec<Effect>,
}

/// One thing to do after the commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look; answer with `Probed`.
    Probe(Order),
    /// Connect; answer with `LinkUp` or `DialFailed`.
    Dial {
        /// Whose key must be at the other end.
        peer: NodeId,
        /// `host:port`.
        address: String,
    },
    /// Send a small message.
    Send {
        /// Over which link.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// Read these stretches of chains from the store and send them; answer with `Drained` once the
    /// socket has taken them. At most one is under way on a link.
    Stream {
        /// Over which link.
        link: LinkId,
        /// What to read, in this order.
        stretches: Vec<Stretch>,
    },
    /// Compare these entries of a peer with those stored for the same places, and answer with `Forked` for
    /// the first that differs; not at all if none does.
    Compare(Vec<Entry>),
    /// Look up where a chain could begin anew: the last entry that was written before a moment of its author's
    /// wall clock, and not after a place. Answer with `Found`; not at all if none that is in force is so old.
    Find {
        /// Which chain.
        chain: ChainId,
        /// Written before this.
        before: Wall,
        /// The last place that will do.
        most: u64,
    },
    /// Say goodbye and close; answer with `LinkDown`.
    Close {
        /// Which link.
        link: LinkId,
        /// Why.
        reason: String,
    },
    /// Tell people; answer with `Delivered`.
    Carry(Box<Errand>),
    /// Carry these examples, which are in no journal, and answer a face with what becomes of them.
    Try(CommandId, Vec<Errand>),
    /// Show faces the key/value store as it is now, with what has changed.
    Show(Values),
    /// Answer a face.
    Reply(CommandId, Reply),
    /// Remark.
    Note(Note),
    /// This daemon must not go on; why, with the remedy. It ends with an exit code that forbids a restart.
    Stop(String),
}

impl Effects {
    /// Asks for one thing after the commit.
    pub fn then(&mut self, effect: Effect) {
        self.then.push(effect);
    }

    /// Remarks on something after the commit.
    pub fn note(&mut self, note: Note) {
        self.then.push(Effect::Note(note));
    }

    /// Forgets everything: the turn was performed, or its commit failed.
    pub fn clear(&mut self) {
        self.append.clear();
        self.keep.clear();
        self.then.clear();
    }
}
