//! Bounds of what keeps notices back: silences, acknowledgements, reminders, and of what is shown of events.
//!
//! Nothing is decided here.

use crate::base::time::Span;

/// The shortest silence; a shorter one would be over before everybody has heard of it.
pub const SILENCE_LEAST: Span = Span::secs(60);
/// The longest silence: whoever needs more writes it into the definition, where others read it.
pub const SILENCE_MOST: Span = Span::secs(30 * 86_400);

/// Silences that hold at one time; of more, the first ones.
pub const SILENCES: usize = 256;

/// Targets, and groups, that one silence names; faces write one. All of all silences are looked through for each notice.
pub const SILENCE_NAMES: usize = 16;

/// Between the turns of those who may end a silence whose time is over: whoever began it first, then the others. Long
/// enough for the word of the one before to arrive.
pub const SILENCE_TURN: Span = Span::secs(5);

/// The name of whoever acknowledged or silenced, in bytes, as programs say it.
pub const PERSON: usize = 64;

/// The shortest time before a reminder or an escalation: people need some to read.
pub const REMIND_LEAST: Span = Span::secs(60);
/// Reminders come at least this often, however many there were; a channel that begins with more keeps its own pace.
pub const REMIND_MOST: Span = Span::secs(86_400);
/// The longest time before the first reminder or an escalation.
pub const REMIND_FIRST_MOST: Span = Span::secs(7 * 86_400);

/// What reaches whom it depends on later than it should, by which the wait for it is longer than the looks take: votes,
/// turns, links.
pub const DEPEND_SLACK: Span = Span::secs(10);

/// Maintenance windows in a definition.
pub const WINDOWS: usize = 256;

/// Events that a node shows, the newest.
pub const EVENTS_SHOWN: usize = 500;
