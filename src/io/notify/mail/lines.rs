//! A connection that is read line by line.
//!
//! Before TLS begins, whoever sits on the way may append answers to the server's last plain line. The
//! mail library would keep them in its buffer and later take them for words of the authenticated server.
//! This reader never takes bytes behind the end of a line together with it, so that such an answer is
//! left for the TLS handshake, which fails on it. It costs TLS some shorter reads, which a mail bears.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads at most to the end of a line at a time.
#[derive(Debug)]
pub(super) struct Lines(pub(super) TcpStream);

/// Longest part of a line taken at once; longer lines take several reads.
const PART: usize = 1024;

impl AsyncRead for Lines {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut part = [0; PART];
        let room = buffer.remaining().min(PART);
        let mut seen = ReadBuf::new(&mut part[..room]);
        let length = ready!(self.0.poll_peek(context, &mut seen))?;
        let line = seen.filled().iter().position(|byte| *byte == b'\n').map_or(length, |end| end + 1);
        if line == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut taken = ReadBuf::new(&mut part[..line]);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut taken))?;
        buffer.put_slice(taken.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Lines {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_follows_a_line_in_the_same_packet_stays_behind() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Lines(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut server, _) = listener.accept().await.unwrap();
        let long = "x".repeat(PART + 10);
        server.write_all(format!("220 go ahead\r\n250 slipped in\r\n{long}").as_bytes()).await.unwrap();
        drop(server);
        let mut buffer = [0; 8192];
        let mut parts = Vec::new();
        loop {
            let length = client.read(&mut buffer).await.unwrap();
            if length == 0 {
                break;
            }
            parts.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        assert_eq!(parts[..2], ["220 go ahead\r\n", "250 slipped in\r\n"]);
        assert_eq!(parts[2..].concat(), long);
    }
}
