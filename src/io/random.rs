//! The operating system's randomness, for names and seeds. Keys are made by `io::keyfile`.

/// Sixteen random bytes.
///
/// # Errors
/// A sentence with the remedy; a host without randomness is broken.
pub fn bytes16() -> Result<[u8; 16], String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the operating system gives no random bytes: {error}; is getrandom(2) forbidden here?"))?;
    Ok(bytes)
}
