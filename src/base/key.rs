//! Ed25519 keys: signing is deterministic and verifying is a pure function, so both live here.
//!
//! Making a key needs randomness and keeping one needs a disk; `io::keyfile` does both.

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::base::id::NodeId;

/// Bytes of a signature.
pub const SIGNATURE_LENGTH: usize = 64;

/// A node's secret key for one network. Wiped from memory when dropped; never shown.
#[derive(Clone)]
pub struct SecretKey {
    key: SigningKey,
}

/// Why a key file was refused; nothing else was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not PEM, or not an Ed25519 key in it.
    Unreadable,
    /// A key of small order: anybody could sign for it.
    Weak,
}

impl SecretKey {
    /// The key with these 32 secret bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(bytes) }
    }

    /// Reads PEM PKCS#8, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(|key| Self { key }).map_err(|_| KeyError::Unreadable)
    }

    /// The node that this key is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId(self.key.verifying_key().to_bytes())
    }

    /// The secret bytes, for the floor that writes key files and speaks TLS.
    #[must_use]
    pub fn expose(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Signs `domain` followed by `bytes`. A domain tag keeps one kind of signature from being another.
    #[must_use]
    pub fn sign(&self, domain: &[u8], bytes: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        self.key.sign(&[domain, bytes].concat()).to_bytes()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.node())
    }
}

/// Whether `node` signed `domain` followed by `bytes`; strict in the sense of RFC 8032 5.1.7 and
/// refusing keys of small order.
#[must_use]
pub fn verify(node: &NodeId, domain: &[u8], bytes: &[u8], signature: &[u8; SIGNATURE_LENGTH]) -> bool {
    VerifyingKey::from_bytes(&node.0)
        .is_ok_and(|key| key.verify_strict(&[domain, bytes].concat(), &Signature::from_bytes(signature)).is_ok())
}

/// Reads a public key in PEM `SubjectPublicKeyInfo`, as `openssl pkey -pubout` writes it.
///
/// # Errors
/// [`KeyError::Unreadable`] or [`KeyError::Weak`].
pub fn public_from_pem(pem: &str) -> Result<NodeId, KeyError> {
    let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| KeyError::Unreadable)?;
    if key.is_weak() { Err(KeyError::Weak) } else { Ok(NodeId(key.to_bytes())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`.
    const SECRET: &str =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn keys_written_by_openssl_are_read() {
        // RFC 8032 7.1, test 1.
        let secret = SecretKey::from_pem(SECRET).unwrap();
        assert_eq!(public_from_pem(PUBLIC), Ok(secret.node()));
        let signature = secret.sign(b"", b"");
        assert_eq!(signature[..4], [0xe5, 0x56, 0x43, 0x00]);
        assert!(verify(&secret.node(), b"", b"", &signature));
    }

    #[test]
    fn a_signature_holds_for_its_bytes_domain_and_signer_only() {
        let secret = SecretKey::from_bytes(&[7; 32]);
        let signature = secret.sign(b"entry", b"bytes");
        assert!(verify(&secret.node(), b"entry", b"bytes", &signature));
        assert!(!verify(&secret.node(), b"entry", b"bytez", &signature));
        assert!(!verify(&secret.node(), b"other", b"bytes", &signature));
        assert!(!verify(&SecretKey::from_bytes(&[8; 32]).node(), b"entry", b"bytes", &signature));
    }

    #[test]
    fn weak_and_broken_keys_are_refused() {
        assert_eq!(public_from_pem("nonsense"), Err(KeyError::Unreadable));
        assert_eq!(SecretKey::from_pem(PUBLIC).err(), Some(KeyError::Unreadable));
        // The identity point: order one.
        let weak = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
        assert_eq!(public_from_pem(weak), Err(KeyError::Weak));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = format!("{:?}", SecretKey::from_bytes(&[7; 32]));
        assert!(!shown.contains("0707"), "{shown}");
    }
}
