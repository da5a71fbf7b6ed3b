//! Bounds of the choice over which link an author's entries come.
//!
//! Nothing is decided here.

use crate::base::time::Span;

/// How long a node waits for entries that somebody says to have before it asks for them elsewhere: three round trips
/// of the link from which they should come, within these bounds, but never less than two; the middle one while it is not
/// measured.
pub const STALL: (Span, Span, Span) = (Span(200), Span(500), Span(1000));
/// A link that delivers, but nothing of the author in question, is given so many times as long.
pub const STALL_BUSY: u64 = 10;
/// A link from which nothing came is not asked again for the same author for this time, which doubles each time.
pub const STALL_FIRST: Span = Span::secs(5);
/// When it is asked again, and nobody else says to have it, it is waited for half of that time, and at most this one.
pub const STALL_AGAIN: Span = Span::secs(30);
/// See [`STALL_FIRST`].
pub const STALL_MOST: Span = Span::secs(640);

/// A link that would have delivered earlier by at least this, or a quarter of the round trip, so many times in a row,
/// is asked instead.
pub const RIVAL: (Span, u8) = (Span(20), 3);
