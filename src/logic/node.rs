//! One node of one network: a switchboard between the machines of this floor.

use crate::base::id::Incarnation;
use crate::base::key::SecretKey;
use crate::base::settings::Network;

/// What a node needs to know of itself and its network. Complete; replaced whole on reload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The network's definition.
    pub network: Network,
    /// This node's key.
    pub key: SecretKey,
    /// This node's name.
    pub name: String,
    /// The ways out for notices that this host has, by name: `mail`.
    pub ways: Vec<String>,
    /// What this host may not do, for people.
    pub lacks: Vec<String>,
    /// Operating system, for people.
    pub system: String,
    /// Things people should know about the files: keys left out.
    pub remarks: Vec<String>,
}

/// How a life begins.
#[derive(Clone, Debug)]
pub enum Beginning {
    /// It is proved that nothing written here was lost: the incarnation goes on.
    Continue,
    /// It is not: a new incarnation opens, with this nonce.
    Anew {
        /// Sixteen bytes of the operating system's randomness.
        nonce: [u8; 16],
        /// Why, for people.
        reason: String,
        /// There was nothing before: no key and no database, so nothing can have been promised.
        first: bool,
    },
}

/// The incarnation that a node is in.
pub type Life = Incarnation;
