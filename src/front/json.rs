//! Views as JSON.
