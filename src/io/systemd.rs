//! Talks to the service manager.
