//! Configuration text to complete settings.
