//! Looks at targets.
