//! peerwatchctl.
