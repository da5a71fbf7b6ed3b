//! Configuration text to complete settings.
//!
//! Three stages. Each file is read into *fragments*, in which everything may be absent and unknown
//! keys are errors; fragments are *merged*, the later file winning key by key; what results is
//! checked and completed with defaults into [`settings`](crate::base::settings). After that nothing
//! is optional by accident and nothing is checked again.
//!
//! Every value keeps its place in its file until the end, so that every error can name file, line and
//! remedy. This opens no file (`io::files` does) and knows no secrets: a password in a configuration
//! is refused.

mod depend;
mod fragment;
mod hash;
mod host;
mod local;
mod maintenance;
mod network;
mod notify;
mod probe;
mod roster;
mod source;
mod target;
mod value;
mod wording;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

use crate::base::id::NodeId;
use crate::base::settings;

/// Where links are accepted and dialled when nothing else is said.
pub const MESH_PORT: u16 = 9630;

/// Where the web page is served when nothing else is said.
pub const WEB_PORT: u16 = 9631;

/// The name and id of the automatic network of a node that is in no other.
pub const LOCAL: &str = "local";

/// The credential that holds the password for mail.
pub const MAIL_CREDENTIAL: &str = "peerwatch.smtp-password";

/// What the name of a credential begins with that holds a secret which a channel names.
pub const SECRET_CREDENTIAL: &str = "peerwatch.secret.";

/// The credential that holds the token for changes over HTTP.
pub const WEB_CREDENTIAL: &str = "peerwatch.web-token";

/// One file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What errors call it.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// A member's public key, as it was found: the node's name, and the key or what is wrong with its
/// file (the end of a sentence that begins with the file's name, as in "is not a public key").
pub type FoundKey = (String, Result<NodeId, String>);

/// Why a configuration was refused. Whoever wrote the file is at fault; nothing was changed, and a
/// running daemon goes on with the settings it has.
///
/// Shown on one line as `file:line: place: what; remedy`; with `{:#}` the line in question follows,
/// and a mark under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, counted from 1, where the fault has one.
    pub line: Option<usize>,
    /// What it is about, as in `target "shop", http.status`; empty for the file as a whole.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
    /// The line in question; absent where it could hold a secret.
    excerpt: Option<Box<Excerpt>>,
}

/// A line of a file with a mark below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    column: usize,
    width: usize,
}

/// This node's settings from `peerwatch.toml` and its drop-ins, given in rising priority.
///
/// A later layer replaces single keys of earlier ones. `[[network]]` entries of all layers add up by
/// name; the same name twice in one file is an error. `hostname` names the node when no layer does.
///
/// # Errors
/// The first fault found. No layers at all are none: everything has a default.
pub fn host(layers: &[Layer], hostname: &str) -> Result<settings::Host, ConfigError> {
    host::settings(layers, hostname)
}

/// A network's settings from its `network.toml` and the public keys beside it, and remarks on what
/// was left out: a node without a readable key never stops a network.
///
/// `name` is the network's directory.
///
/// # Errors
/// The first fault found in the file, or two nodes with one key.
pub fn network(name: &str, layer: &Layer, keys: &[FoundKey]) -> Result<(settings::Network, Vec<String>), ConfigError> {
    network::settings(name, layer, keys)
}

/// The automatic network of a node that is in no other: itself, its gateway, its name servers.
///
/// `gateway` is the default gateway's address if there is one, `web` where this node serves its page.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "whoever looks the gateway up has no other use for it")]
pub fn local(node_name: &str, me: NodeId, gateway: Option<String>, name_servers: &[String], web: SocketAddr) -> settings::Network {
    local::settings(node_name, me, gateway.is_some(), name_servers, web)
}

/// Whether `name` can name a node, a network, a target or a channel, and with it a file or a path.
///
/// # Errors
/// A sentence for the person who wrote it.
pub fn check_name(name: &str) -> Result<(), String> {
    value::check_name(name)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.place.is_empty() {
            write!(f, ": {}", self.place)?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)?;
        if let (true, Some(excerpt), Some(line)) = (f.alternate(), &self.excerpt, self.line) {
            let gutter = line.to_string().len().max(4);
            let mark = "^".repeat(excerpt.width.max(1));
            write!(f, "\n{line:>gutter$} | {}\n{:>gutter$} | {:column$}{mark}", excerpt.line, "", "", column = excerpt.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
