//! TLS as nodes speak it: version 1.3, raw Ed25519 keys both ways, one protocol name per network.
//!
//! There are no certificates to look at, only keys. A key is judged after it was proved (the
//! signature over the handshake is checked first), so that whoever is refused by name is really the
//! holder of that key. Signing and checking are those of `base::key`, strict and without weak keys.
//! There are no tickets, no early data and no server names, so nothing outlives a connection.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureAlgorithm, SignatureScheme,
};

use super::{Identity, Members};
use crate::base::id::{NetworkId, NodeId};
use crate::base::key::{self, SIGNATURE_LENGTH, SecretKey};
use crate::base::wire;

/// What comes before the 32 bytes of an Ed25519 key in its `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The application protocol of a network's links: what a dialler asks for, and the key to everything
/// on the accepting side.
pub(super) fn protocol(network: NetworkId) -> Vec<u8> {
    format!("peerwatch/{}/{}", wire::VERSION, &network.hex()[..16]).into_bytes()
}

/// How to accept members of a network.
pub(super) fn server(identity: &Identity) -> ServerConfig {
    let judge = Judge { whom: Whom::AnyOf(identity.members.clone()), own: identity.key.node() };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("BUG! the provider speaks TLS 1.3")
        .with_client_cert_verifier(Arc::new(judge))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified(&identity.key))));
    config.alpn_protocols = vec![protocol(identity.network)];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

/// How to reach one node and no other.
pub(super) fn client(identity: &Identity, peer: NodeId) -> ClientConfig {
    let judge = Judge { whom: Whom::Only(peer), own: identity.key.node() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("BUG! the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified(&identity.key))));
    config.alpn_protocols = vec![protocol(identity.network)];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config
}

/// The key at the other end of a finished handshake, if it was one for `network`.
pub(super) fn peer(session: &CommonState, network: NetworkId) -> Option<NodeId> {
    let [key] = session.peer_certificates()? else { return None };
    (session.alpn_protocol() == Some(&*protocol(network))).then(|| read(key))?
}

/// The proved key that was refused, if this is why a handshake failed.
pub(super) fn refused(error: &io::Error) -> Option<NodeId> {
    find(error).map(|refused| refused.key)
}

/// What an I/O or TLS error means, in words for people.
pub(super) fn explain(error: &io::Error) -> String {
    if let Some(refused) = find(error) {
        return refused.to_string();
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(AlertDescription::CertificateUnknown)) => {
            "the peer does not accept this node's key: admit this node there, or wait until the roster has come through".into()
        }
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "the peer is not in this network, or speaks another version: see whether the address is right".into()
        }
        Some(Error::AlertReceived(alert)) => format!("the peer refuses the connection ({alert:?})"),
        Some(Error::NoApplicationProtocol) => "asks for a network that this host is not in, or for another version".into(),
        Some(Error::PeerIncompatible(why)) => format!("is not a node: its TLS is not that of nodes ({why:?})"),
        Some(Error::InvalidMessage(_)) => "is not a node: what it sends is not TLS".into(),
        Some(other) => format!("broke the rules of TLS: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the connection ended without warning".into(),
        None => error.to_string(),
    }
}

/// Ring, cut down to what nodes use. Ciphers stay a choice: what is fast differs by processor.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.kx_groups = vec![rustls::crypto::ring::kx_group::X25519];
    Arc::new(provider)
}

fn certified(key: &SecretKey) -> Arc<CertifiedKey> {
    let spki = CertificateDer::from([&SPKI[..], &key.node().0].concat());
    Arc::new(CertifiedKey::new(vec![spki], Arc::new(NodeKey(key.clone()))))
}

fn read(spki: &CertificateDer<'_>) -> Option<NodeId> {
    spki.strip_prefix(&SPKI)?.try_into().ok().map(NodeId)
}

/// A node's key as TLS wants it. What TLS signs begins with 64 spaces, which no other domain does.
#[derive(Clone, Debug)]
struct NodeKey(SecretKey);

impl SigningKey for NodeKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some([&SPKI[..], &self.0.node().0].concat().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for NodeKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(b"", message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Whose key may be at the other end.
#[derive(Debug)]
enum Whom {
    Only(NodeId),
    AnyOf(Members),
}

/// Checks the other end's key.
#[derive(Debug)]
struct Judge {
    whom: Whom,
    own: NodeId,
}

/// A proved key that is not the right one.
#[derive(Debug)]
struct Refused {
    key: NodeId,
    wanted: Option<NodeId>,
    own: bool,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key;
        match self.wanted {
            Some(_) if self.own => f.write_str("the address leads back to this node (or another host uses a copy of its key file)"),
            None if self.own => {
                write!(f, "this node's own key ({key}): two hosts use the same key file; give one of them its own")
            }
            Some(wanted) => {
                write!(f, "the key of a stranger: {key} answers where {wanted} should; the address or the key is out of date")
            }
            None => write!(f, "the key of a stranger: {key} is not a member of this network; admit it if it should be"),
        }
    }
}

impl std::error::Error for Refused {}

fn find(error: &io::Error) -> Option<&Refused> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
        _ => None,
    }
}

impl Judge {
    /// Whether it is one Ed25519 key; whose it is can wait until it is proved.
    fn is_key(key: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), Error> {
        if more.is_empty() && read(key).is_some() { Ok(()) } else { Err(CertificateError::BadEncoding.into()) }
    }

    fn proved(&self, message: &[u8], key: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        let node = read(key).ok_or(CertificateError::BadEncoding)?;
        let signature: &[u8; SIGNATURE_LENGTH] = signed.signature().try_into().map_err(|_| CertificateError::BadSignature)?;
        if signed.scheme != SignatureScheme::ED25519 || !key::verify(&node, b"", message, signature) {
            return Err(CertificateError::BadSignature.into());
        }
        let (welcome, wanted) = match &self.whom {
            Whom::Only(peer) => (node == *peer, Some(*peer)),
            Whom::AnyOf(members) => (members.borrow().contains(&node), None),
        };
        let own = node == self.own;
        if welcome && !own {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::Other(OtherError(Arc::new(Refused { key: node, wanted, own }))).into())
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::is_key(key, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proved(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Judge {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(&self, key: &CertificateDer<'_>, more: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        Self::is_key(key, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proved(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A key as TLS wants it, for peers that use it wrongly.
    pub(in super::super) fn key(number: u8) -> impl SigningKey {
        NodeKey(SecretKey::from_bytes(&[number; 32]))
    }

    /// Somebody's public key with another one's signatures.
    pub(in super::super) fn stolen(shown: &SecretKey, real: &SecretKey) -> CertifiedKey {
        CertifiedKey::new(certified(shown).cert.clone(), Arc::new(NodeKey(real.clone())))
    }

    #[test]
    fn the_protocol_names_version_and_network() {
        let name = String::from_utf8(protocol(NetworkId::of("home"))).unwrap();
        assert_eq!(name, format!("peerwatch/1/{}", &NetworkId::of("home").hex()[..16]));
    }

    #[test]
    fn a_public_key_is_written_as_openssl_writes_it() {
        // The key of RFC 8032 7.1, test 1, as `openssl pkey -pubout` puts it.
        let pem = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let wrapped = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
        let node = key::public_from_pem(&wrapped).unwrap();
        let der = CertificateDer::from([&SPKI[..], &node.0].concat());
        assert_eq!(read(&der), Some(node));
        use rustls::pki_types::pem::PemObject as _;
        assert_eq!(SubjectPublicKeyInfoDer::from_pem_slice(wrapped.as_bytes()).unwrap().as_ref(), &*der);
        assert_eq!(read(&CertificateDer::from(der[1..].to_vec())), None);
        assert_eq!(read(&CertificateDer::from([&der[..], &[0]].concat())), None);
    }
}
