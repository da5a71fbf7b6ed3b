//! Faults planted in the harness itself, each to prove that one check would catch it.

use crate::checks::Check;

/// One planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Effects are performed before what was written is synced.
    SendBeforeSync,
    /// Entries are sent that nobody wrote.
    Ghostwriter,
    /// A bit of an entry is changed on its way.
    AlteredRelay,
    /// A frame with a flipped bit is taken for a good one.
    Credulous,
    /// Nodes say everything many times.
    Chatter,
    /// Links to whom was revoked are not closed.
    Lenient,
    /// Of two hosts with one key none stops.
    Stubborn,
    /// Nodes are told that a link has taken what it has not.
    HastyDrain,
    /// A daemon that dies loses entries that were committed, and continues its life.
    ForgetfulDisk,
    /// Entries of one commit are stored in another order.
    ShuffledDisk,
    /// The last of several entries is not stored.
    LazyDisk,
    /// Turns end without a tick.
    NoTick,
    /// A byte of a frame is changed on the way.
    GarbledFrame,
    /// Answers to faces are forgotten.
    DroppedReplies,
    /// All looks fail for a while although everything is well.
    Paranoia,
    /// Who is cut off is told that its references answer.
    Oblivious,
    /// Every letter is sent by two.
    TwoTellers,
    /// The node never hears what became of its errands.
    DroppedReceipts,
    /// The mail server says that it took a letter, and did not.
    LostLetters,
    /// The dead go on beating, so that nobody gives them up.
    Ghosts,
    /// Once links are broken, no dial leads anywhere.
    NeverReconnect,
    /// After the storm one host hears no heartbeats.
    Deaf,
    /// One host reads verdicts without what they say.
    BlindReader,
    /// A follower is told each change twice.
    DoubledChange,
    /// One host reads the key/value store of others without what it says.
    BlindKeeper,
    /// Nobody hears from others that something is silent.
    DeafToSilence,
    /// Nobody hears from others that somebody sees to an incident.
    DeafToAcknowledgement,
    /// Every reminder is sent by two.
    TwoReminders,
    /// The second telling of a seed draws from another.
    OtherSeed,
}

impl Mutation {
    /// All of them, with the check that must catch each.
    pub const ALL: [(Self, Check); 29] = [
        (Self::SendBeforeSync, Check::Unsynced),
        (Self::Ghostwriter, Check::Unwritten),
        (Self::AlteredRelay, Check::Altered),
        (Self::Credulous, Check::Codec),
        (Self::Chatter, Check::Bounds),
        (Self::HastyDrain, Check::Bounds),
        (Self::Stubborn, Check::Twin),
        (Self::Lenient, Check::Ended),
        (Self::ForgetfulDisk, Check::Fork),
        (Self::ShuffledDisk, Check::Chain),
        (Self::LazyDisk, Check::Shown),
        (Self::NoTick, Check::Busy),
        (Self::GarbledFrame, Check::Codec),
        (Self::DroppedReplies, Check::Unanswered),
        (Self::Paranoia, Check::FalseAlarm),
        (Self::Oblivious, Check::Isolated),
        (Self::TwoTellers, Check::Twice),
        (Self::DroppedReceipts, Check::Silence),
        (Self::LostLetters, Check::Silence),
        (Self::Ghosts, Check::Silence),
        (Self::NeverReconnect, Check::Heads),
        (Self::BlindReader, Check::Records),
        (Self::Deaf, Check::Sight),
        (Self::DoubledChange, Check::Followed),
        (Self::BlindKeeper, Check::Values),
        (Self::DeafToSilence, Check::Quiet),
        (Self::DeafToAcknowledgement, Check::Quiet),
        (Self::TwoReminders, Check::Twice),
        (Self::OtherSeed, Check::Replay),
    ];
}
