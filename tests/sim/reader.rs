//! The codec of all hosts: bytes are checked once, and the same bytes are not checked again.
//!
//! Heartbeats and entries pass each host of a network as the same bytes, and a signature takes longer
//! than everything else on their way. What was read from some bytes is the same wherever they come
//! out, since reading is a pure function of them.

use std::collections::HashMap;

use peerwatch::base::id::NetworkId;
use peerwatch::base::wire::{Message, WireFault};

/// What was read from frames.
#[derive(Debug)]
pub struct Reader {
    network: NetworkId,
    known: HashMap<Vec<u8>, Message>,
}

/// Frames remembered; beyond it all are forgotten. A frame passes everybody within seconds.
const MOST: usize = 4096;

impl Reader {
    pub fn new(network: NetworkId) -> Self {
        Self { network, known: HashMap::new() }
    }

    /// What a frame says, its length included.
    pub fn read(&mut self, frame: Vec<u8>) -> Result<Message, WireFault> {
        if let Some(message) = self.known.get(&frame) {
            return Ok(message.clone());
        }
        let message = Message::decode(self.network, &frame[4..])?;
        if MOST <= self.known.len() {
            self.known.clear();
        }
        self.known.insert(frame, message.clone());
        Ok(message)
    }
}
