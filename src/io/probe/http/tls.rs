//! TLS for HTTP looks: whom this host trusts, what a handshake that failed means, and how long a
//! certificate is still valid.
//!
//! Every handshake is a full one, so that each look sees the certificate that the server has now.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::super::{Course, reach};
use crate::base::outcome::Outcome;
use crate::io::trust;

const DAY: i64 = 86_400;

/// What a TLS client needs.
pub(crate) struct Tls {
    connector: TlsConnector,
    trusts_anyone: bool,
}

impl Tls {
    pub(crate) fn new(roots: RootCertStore) -> Self {
        let trusts_anyone = !roots.is_empty();
        let mut config = trust::client(roots);
        config.resumption = Resumption::disabled();
        Self { connector: TlsConnector::from(Arc::new(config)), trusts_anyone }
    }

    /// What is missing, for people.
    pub(crate) fn lack(&self) -> Option<String> {
        (!self.trusts_anyone).then(|| "no root certificates: https cannot be looked at; install ca-certificates and restart".to_owned())
    }

    /// Shakes hands on a connection and notes the certificate's age.
    pub(super) async fn connect(&self, host: &str, stream: TcpStream, course: &mut Course) -> Result<TlsStream<TcpStream>, Outcome> {
        if let Some(lack) = self.lack() {
            return Err(Outcome::unable(lack));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Outcome::unable(format!("\"{host}\" cannot be in a certificate")))?;
        match self.connector.connect(name, stream).await {
            Ok(stream) => {
                let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                note(course, leaf.and_then(end).map(days_until));
                Ok(stream)
            }
            Err(error) => {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
                if let Some(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) = cause {
                    note(course, i64::try_from(not_after.as_secs()).ok().map(days_until));
                }
                Err(Outcome::bad(cause.map_or_else(|| broken(&error), fault)))
            }
        }
    }
}

/// Over redirects the certificate that ends first counts.
fn note(course: &mut Course, days: Option<i32>) {
    course.certificate_days = [course.certificate_days, days].into_iter().flatten().min();
}

/// When a certificate ends, in seconds since 1970.
fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let parsed = Certificate::from_der(certificate.as_ref()).ok()?;
    i64::try_from(parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs()).ok()
}

/// Whole days from now, by the clock that TLS itself judges by; negative once it has passed.
fn days_until(end: i64) -> i32 {
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    i32::try_from(end.saturating_sub(now).div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// What a handshake that failed means.
fn fault(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".to_owned(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet (is this host's clock right?)".to_owned()
            }
            // A stranger that bears the name of a trusted authority signs with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the certificate is not signed by an authority that this host trusts".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name".to_owned()
            }
            other => format!("the certificate is not accepted: {other}"),
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        rustls::Error::AlertReceived(alert) => format!("it refused TLS: {alert:?}"),
        other => format!("TLS failed: {other}"),
    }
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection while setting up TLS".to_owned(),
        _ => format!("TLS failed: {}", reach::plain(error)),
    }
}
