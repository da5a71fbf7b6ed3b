//! Finds and reads configuration files.
