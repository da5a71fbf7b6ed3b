//! Makes, keeps and reads key files.
