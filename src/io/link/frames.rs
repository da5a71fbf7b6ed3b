//! Cuts a stream of bytes into frames.
//!
//! A frame's length is judged before anything is set aside for it, and memory grows only with bytes
//! that really came: a peer that promises a megabyte and sends nothing costs nothing. What a frame
//! says is not looked at here.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use super::tls;
use crate::base::limits;
use crate::base::wire::WireFault;

/// Room made for one read: a TLS record, so that an idle link holds little.
const CHUNK: usize = 16 * 1024;

/// A buffer that grew beyond this is given back once it is empty.
const KEEP: usize = 64 * 1024;

/// Reads frames.
pub(super) struct Frames<R> {
    from: R,
    buffer: Vec<u8>,
    read: u64,
}

/// Why there is no further frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// The stream ended between two frames.
    End,
    /// It ended within a frame.
    Torn,
    /// Nothing came for so long.
    Silent(Duration),
    /// The frame was not there in time.
    Late,
    /// A frame that may not be.
    Fault(WireFault),
    /// The connection broke: why, for people.
    Broken(String),
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), read: 0 }
    }

    /// The next frame without its length. Waits at most `silence` for each byte and at most until
    /// `latest` for the whole. What was read of a frame is kept when this is dropped while waiting.
    pub(super) async fn next(&mut self, silence: Duration, latest: Instant) -> Result<Vec<u8>, Last> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            self.buffer.reserve(CHUNK);
            let until = latest.min(Instant::now() + silence);
            match tokio::time::timeout_at(until, self.from.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => return Err(if self.buffer.is_empty() { Last::End } else { Last::Torn }),
                Ok(Ok(bytes)) => self.read += bytes as u64,
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof && !self.buffer.is_empty() => return Err(Last::Torn),
                Ok(Err(error)) => return Err(Last::Broken(tls::explain(&error))),
                Err(_) if until == latest => return Err(Last::Late),
                Err(_) => return Err(Last::Silent(silence)),
            }
        }
    }

    /// Bytes read so far.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// Reads to the end of the stream and throws it away, so that closing the socket does not reset
    /// the connection under what was just sent.
    pub(super) async fn exhaust(&mut self) {
        self.buffer = Vec::with_capacity(CHUNK);
        while let Ok(1..) = self.from.read_buf(&mut self.buffer).await {
            self.buffer.clear();
        }
    }

    /// Cuts the first frame off what was read, if it is all there.
    fn take(&mut self) -> Result<Option<Vec<u8>>, Last> {
        let Some((length, rest)) = self.buffer.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes == 0 || limits::FRAME < bytes {
            return Err(Last::Fault(WireFault::Length(length.into())));
        }
        let Some(frame) = rest.get(..bytes).map(<[u8]>::to_vec) else { return Ok(None) };
        self.buffer.drain(..4 + bytes);
        if self.buffer.is_empty() && KEEP < self.buffer.capacity() {
            self.buffer = Vec::new();
        }
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const SHORT: Duration = Duration::from_secs(8);

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(120)
    }

    async fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Last) {
        let mut frames = Frames::new(bytes);
        let mut read = Vec::new();
        loop {
            match frames.next(SHORT, far()).await {
                Ok(frame) => read.push(frame),
                Err(last) => return (read, last),
            }
        }
    }

    #[tokio::test]
    async fn frames_are_cut_wherever_the_bytes_are() {
        let bytes = [&[0, 0, 0, 1, 7][..], &[0, 0, 0, 3, 1, 2, 3], &[0, 0, 0, 2, 9, 9]].concat();
        let all = vec![vec![7], vec![1, 2, 3], vec![9, 9]];
        assert_eq!(read_all(&bytes).await, (all.clone(), Last::End));
        for cut in 0..bytes.len() {
            let (mut here, there) = tokio::io::duplex(3);
            let (first, second) = bytes.split_at(cut);
            let send = async {
                here.write_all(first).await.unwrap();
                here.write_all(second).await.unwrap();
            };
            let read = async {
                let mut frames = Frames::new(there);
                let mut read = Vec::new();
                for _ in 0..3 {
                    read.push(frames.next(SHORT, far()).await.unwrap());
                }
                read
            };
            assert_eq!(tokio::join!(send, read).1, all, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_frame_cut_short_is_seen() {
        assert_eq!(read_all(&[0, 0, 0, 3, 1, 2]).await, (vec![], Last::Torn));
        assert_eq!(read_all(&[0, 0]).await, (vec![], Last::Torn));
    }

    #[tokio::test]
    async fn a_length_that_may_not_be_is_refused_before_anything_is_set_aside_for_it() {
        for length in [0, limits::FRAME as u32 + 1, u32::MAX] {
            let bytes = length.to_be_bytes();
            let mut frames = Frames::new(&bytes[..]);
            assert_eq!(frames.next(SHORT, far()).await, Err(Last::Fault(WireFault::Length(length.into()))));
            assert!(frames.buffer.capacity() <= 2 * CHUNK);
        }
    }

    #[tokio::test]
    async fn a_promise_alone_costs_nothing() {
        let bytes = [&(limits::FRAME as u32).to_be_bytes()[..], &[0; 100]].concat();
        let mut frames = Frames::new(&bytes[..]);
        assert_eq!(frames.next(SHORT, far()).await, Err(Last::Torn));
        assert!(frames.buffer.capacity() <= 2 * CHUNK);
    }

    #[tokio::test]
    async fn a_large_buffer_is_given_back() {
        let bytes = [&(limits::FRAME as u32).to_be_bytes()[..], &vec![1; limits::FRAME]].concat();
        let mut frames = Frames::new(&bytes[..]);
        assert_eq!(frames.next(SHORT, far()).await.map(|frame| frame.len()), Ok(limits::FRAME));
        assert_eq!(frames.buffer.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_slowness_are_told_apart() {
        let (mut here, there) = tokio::io::duplex(64);
        let mut frames = Frames::new(there);
        assert_eq!(frames.next(SHORT, far()).await, Err(Last::Silent(SHORT)));
        let drip = async {
            here.write_all(&[0, 0, 1, 0]).await.unwrap();
            loop {
                here.write_all(&[1]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(7)).await;
            }
        };
        tokio::select! {
            () = drip => {}
            last = frames.next(SHORT, far()) => assert_eq!(last, Err(Last::Late)),
        }
    }
}
