//! The journal as a whole, for faces: read beside the loop, made smaller through it.
//!
//! Its calls block their thread, for minutes with a large journal, so faces make them on threads of their own.

use std::io;

use tokio::sync::{mpsc, oneshot};

use crate::base::view::{Archive, Progress, Stats, Verified};
use crate::daemon::turn::Arrival;
use crate::io::store::Reader;

/// One network's journal.
pub(super) struct Keeper {
    reader: Reader,
    inbox: mpsc::Sender<Arrival>,
    size: u64,
}

impl Keeper {
    /// `size` is what the journal may have, in bytes.
    pub(super) const fn new(reader: Reader, inbox: mpsc::Sender<Arrival>, size: u64) -> Self {
        Self { reader, inbox, size }
    }

    /// One step of the loop's; returns how many bytes are left to give back.
    fn step(&self) -> Result<u64, String> {
        const STOPPING: &str = "the daemon is stopping; try again when it runs";
        let (reply, answer) = oneshot::channel();
        self.inbox.blocking_send(Arrival::Compact(reply)).map_err(|_| STOPPING)?;
        answer.blocking_recv().map_err(|_| STOPPING)?.map_err(|fault| fault.to_string())
    }
}

impl Archive for Keeper {
    fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Verified, String> {
        self.reader.verify(progress).map_err(|fault| fault.to_string())
    }

    fn stats(&self) -> Result<Stats, String> {
        self.reader.stats().map(|stats| Stats { limit: self.size, ..stats }).map_err(|fault| fault.to_string())
    }

    fn backup(&self, into: &mut dyn io::Write, progress: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        self.reader.backup(into, progress)
    }

    fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        let before = self.stats()?.file;
        let mut total = 0;
        loop {
            let left = self.step()?;
            total = total.max(left);
            progress(Progress { done: total - left, total });
            if left == 0 {
                return Ok(before.saturating_sub(self.stats()?.file));
            }
        }
    }
}
