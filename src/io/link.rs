//! Authenticated connections between nodes.
