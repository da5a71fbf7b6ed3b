//! Complete, checked settings. `base::config` makes them from text; nothing here is optional by
//! accident and no value needs to be checked again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::channel::{Only, Webhook};
use crate::base::id::{NetworkId, NodeId};
use crate::base::maintenance::Maintenance;
use crate::base::outcome::Standing;
use crate::base::target::{Expected, Target};
use crate::base::time::Span;

/// This host: what `peerwatch.toml` and its drop-ins say.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// This node's name; the host name by default.
    pub name: String,
    /// Where links are accepted.
    pub mesh: SocketAddr,
    /// Where the web page is served.
    pub web: SocketAddr,
    /// A file with the token alone in it that lets programs change things over HTTP.
    pub web_token_file: Option<PathBuf>,
    /// The networks this node is in, by directory name. Empty: `local` alone.
    pub networks: Vec<String>,
    /// This node's way out for mail; without one it leaves mailing to others.
    pub mail: Option<Mail>,
    /// Where secrets that channels name are read, if not from credentials: files with the secret alone in them.
    pub secrets: BTreeMap<String, PathBuf>,
    /// Programs that channels name: each an absolute path and its arguments.
    pub hooks: BTreeMap<String, Vec<String>>,
}

/// How this node hands in mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: MailTls,
    /// Login name; the password comes from a credential or [`Mail::password_file`].
    pub user: Option<String>,
    /// A file with the password alone in it.
    pub password_file: Option<PathBuf>,
    /// Write the mail to the log and count it as told.
    pub dry_run: bool,
    /// A local program that takes mail, in place of a server.
    pub sendmail: Option<PathBuf>,
}

/// Encryption of a mail connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailTls {
    /// STARTTLS, required.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None.
    None,
}

/// A network: what its `network.toml` and `keys/` say, equal on all nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The name of its directory, for people.
    pub name: String,
    /// The `id` string.
    pub id: String,
    /// Its hash.
    pub network: NetworkId,
    /// Hash of the definition as it was read, to compare between nodes.
    pub definition: [u8; 32],
    /// What each side of a split may do.
    pub split: Split,
    /// Members in the order of the file; those without a readable key are left out and reported.
    pub roster: Vec<Member>,
    /// Those of the file whose membership an admin has ended: what they wrote until then is history, and nothing else of
    /// theirs counts. The node fills it; files do not have it.
    pub former: Vec<Member>,
    /// What is watched, nodes not included.
    pub targets: Vec<Target>,
    /// How people are told.
    pub channels: Vec<Channel>,
    /// When nothing new is told of which targets.
    pub maintenance: Vec<Maintenance>,
    /// How long a granted ballot may act; 10 s to 10 min.
    pub lease: Span,
    /// Bytes that the journal may take on disk; a node that reaches it drops its oldest roll-ups.
    pub journal_size: u64,
    /// How many bad and good judgements, and how often nodes are looked at as targets.
    pub node_target: Target,
}

/// What each side of a split may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Each part acts for itself and says how many nodes it sees.
    #[default]
    Each,
    /// Only with the grants of more than half of all enrolled members.
    Majority,
}

/// A node in the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its key.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where it can be dialled, `host:port`, in the order of trial.
    pub addresses: Vec<String>,
    /// Whether it may be away.
    pub expected: Expected,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Member, and may admit, revoke and define.
    Admin,
    /// Watches, votes, writes.
    #[default]
    Member,
    /// Reads; never votes; nothing it writes is believed.
    Observer,
}

impl Role {
    /// The word in files and for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Observer => "observer",
        }
    }

    /// Whether it takes part in votes and is believed.
    #[must_use]
    pub const fn votes(self) -> bool {
        !matches!(self, Self::Observer)
    }
}

/// How people are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// The way.
    pub way: Way,
    /// What is told.
    pub on: Vec<Phase>,
    /// Of what it is told.
    pub only: Only,
    /// What falls within this time leaves together; 30 s at most.
    pub group: Span,
    /// Who was told is reminded after this time, then after twice that, and so on up to
    /// [`limits::REMIND_MOST`](crate::base::limits::REMIND_MOST), until the incident is over or acknowledged. Never without.
    pub remind: Option<Span>,
    /// Only what nobody has acknowledged this long after it opened is told.
    pub escalate: Option<Span>,
}

/// A way to people.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// E-mail.
    Mail {
        /// Recipients, at least one.
        to: Vec<String>,
        /// Sender.
        from: String,
    },
    /// A request to a server.
    Webhook(Box<Webhook>),
    /// A program of the node, by the name that its own file gives it.
    Hook(String),
}

impl Way {
    /// What it is, for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mail { .. } => "mail",
            Self::Webhook(_) => "webhook",
            Self::Hook(_) => "hook",
        }
    }

    /// What a node must have to go it, by the names under which it publishes that.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        match self {
            Self::Mail { .. } => vec!["mail".to_owned()],
            Self::Webhook(webhook) => webhook.needs(),
            Self::Hook(name) => vec![format!("hook:{name}")],
        }
    }

    /// What gives a node this way out, for people.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Mail { .. } => "set [mail] in peerwatch.toml".to_owned(),
            Self::Webhook(webhook) => {
                let credentials = webhook.secret.iter().chain(&webhook.sign).map(|name| format!("peerwatch.secret.{name}"));
                format!("give a node the credential {}", credentials.collect::<Vec<_>>().join(" and "))
            }
            Self::Hook(name) => format!("add [[hook]] name = \"{name}\" to peerwatch.toml"),
        }
    }
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The target is down.
    Down,
    /// The target is degraded.
    Degraded,
    /// The incident is over.
    Up,
}

impl Phase {
    /// The phase in which a bad standing is told.
    #[must_use]
    pub const fn of(standing: Standing) -> Self {
        match standing {
            Standing::Degraded => Self::Degraded,
            Standing::Down | Standing::Unknown | Standing::Held => Self::Down,
            Standing::Up => Self::Up,
        }
    }

    /// The word in files and for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Up => "up",
        }
    }
}

impl Network {
    /// The member with this key.
    #[must_use]
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.roster.iter().find(|member| member.node == *node)
    }

    /// The member with this key, or the one that it was: whose entries may stand in the journal.
    #[must_use]
    pub fn author(&self, node: &NodeId) -> Option<&Member> {
        self.roster.iter().chain(&self.former).find(|member| member.node == *node)
    }

    /// A node's name, also of a former one, or the short form of its key.
    #[must_use]
    pub fn name_of(&self, node: &NodeId) -> String {
        self.author(node).map_or_else(|| node.short(), |member| member.name.clone())
    }
}
