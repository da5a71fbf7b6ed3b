//! A small web server on loopback that does what it is told and remembers what it was asked.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /path HTTP/1.1`.
    pub(crate) line: String,
    /// `name: value`, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What it answers to its requests in turn; the last answer holds for all that follow.
#[derive(Clone)]
pub(crate) enum Manner {
    /// This status and body; `{request}` in it becomes the whole request.
    Answer(u16, &'static str),
    /// Nothing.
    Silent,
    /// A body without end.
    Endless,
    /// Too many requests, with this `Retry-After`; the server's clock is always the same.
    Busy(&'static str),
    /// The connection ends once the request is read.
    Closes,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(manners: &[Manner], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, manners) = (asked.clone(), manners.to_vec());
        let task = tokio::spawn(async move {
            for turn in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (manner, seen) = (manners[turn.min(manners.len() - 1)].clone(), seen.clone());
                match &tls {
                    // A client that does not trust this server leaves.
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => drop(tokio::spawn(serve(stream, manner, seen))),
                        Err(_) => continue,
                    },
                    None => drop(tokio::spawn(serve(stream, manner, seen))),
                }
            }
        });
        Self { port, asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, seen: Arc<Mutex<Vec<Asked>>>) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
            break (head.to_owned(), length);
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    };
    let begin = head.len() + 4;
    while bytes.len() < begin + length {
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
        }
    }
    let mut lines = head.lines().map(str::to_owned);
    let line = lines.next().unwrap();
    seen.lock().unwrap().push(Asked { line, headers: lines.collect(), body: bytes[begin..].to_vec() });
    let whole = String::from_utf8_lossy(&bytes).into_owned();
    // The client may leave at any point.
    let _ = match manner {
        Manner::Answer(status, body) => {
            let body = body.replace("{request}", &whole);
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nlocation: /elsewhere\r\n\r\n", body.len());
            // A status that has no body ends with its head.
            stream.write_all(if status == 204 { head.replace("content-length: 0\r\n", "") } else { head + &body }.as_bytes()).await
        }
        Manner::Busy(after) => {
            let head = "HTTP/1.1 429 Said\r\ncontent-length: 0\r\ndate: Fri, 20 Nov 2026 07:00:00 GMT\r\n";
            stream.write_all(format!("{head}retry-after: {after}\r\n\r\n").as_bytes()).await
        }
        Manner::Silent => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(drop)
        }
        Manner::Endless => {
            let mut sent = stream.write_all(b"HTTP/1.1 500 Said\r\n\r\n").await;
            while sent.is_ok() {
                sent = stream.write_all(&[b'x'; 4096]).await;
            }
            sent
        }
        Manner::Closes => stream.shutdown().await,
    };
}

/// A server's side of TLS for 127.0.0.1, and the roots that vouch for it.
pub(crate) fn authority() -> (TlsAcceptor, RootCertStore) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}
