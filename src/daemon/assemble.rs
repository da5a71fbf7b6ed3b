//! From files to complete settings: read, parse, find keys. It starts nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::config::{self, LOCAL, MAIL_CREDENTIAL, SECRET_CREDENTIAL, WEB_CREDENTIAL};
use crate::base::id::NodeId;
use crate::base::settings::{self, Host};
use crate::front::web::Access;
use crate::io::notify::Outbox;
use crate::io::{files, host, keyfile};
use crate::logic::node::Settings;

/// Where this daemon's files lie.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The configuration file given on the command line.
    pub(super) config: Option<PathBuf>,
    /// What must survive a restart.
    pub(super) state: PathBuf,
    /// What must not survive a reboot.
    pub(super) runtime: PathBuf,
}

/// What the files say.
pub(super) struct Assembly {
    pub(super) host: Host,
    pub(super) outbox: Outbox,
    pub(super) access: Access,
    pub(super) networks: Vec<Assembled>,
}

/// One network.
pub(super) struct Assembled {
    pub(super) settings: Settings,
    /// The key was made just now: nothing can have been promised with it before.
    pub(super) first: bool,
}

/// Reads everything. `lacks` is what this host may not do.
///
/// # Errors
/// The first fault found, with file, line and remedy where it has them.
pub(super) fn assemble(places: &Places, lacks: &[String]) -> Result<Assembly, String> {
    let hostname = host::hostname();
    let (layers, directory) = files::host_layers(places.config.as_deref()).map_err(|error| error.to_string())?;
    let host = config::host(&layers, &hostname).map_err(|error| format!("{error:#}"))?;
    let password = match &host.mail {
        Some(mail) => files::secret(MAIL_CREDENTIAL, mail.password_file.as_deref()).map_err(|error| error.to_string())?,
        None => None,
    };
    let access = access(host.web_token_file.as_deref())?;
    let names = if host.networks.is_empty() { vec![LOCAL.to_owned()] } else { host.networks.clone() };
    let read = |name: &String| network(places, &directory, &host, name, lacks);
    let mut networks = names.iter().map(read).collect::<Result<Vec<Assembled>, _>>()?;
    let needs: Vec<String> = networks.iter().flat_map(|network| needs(&network.settings.network)).collect();
    let outbox = Outbox { mail: host.mail.clone(), password, secrets: secrets(&host, &needs)?, hooks: host.hooks.clone() };
    for Assembled { settings, .. } in &mut networks {
        settings.ways = ways(&outbox, &settings.network);
    }
    Ok(Assembly { host, outbox, access, networks })
}

/// What channels of a network need of a node, each named once.
fn needs(network: &settings::Network) -> Vec<String> {
    let mut needs: Vec<String> = network.channels.iter().flat_map(|channel| channel.way.needs()).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// The secrets that channels name, as far as this host has them.
fn secrets(host: &Host, needs: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut secrets = BTreeMap::new();
    for name in needs.iter().filter_map(|need| need.strip_prefix("secret:")) {
        let file = host.secrets.get(name).map(PathBuf::as_path);
        let secret = files::secret(&format!("{SECRET_CREDENTIAL}{name}"), file).map_err(|error| error.to_string())?;
        secrets.extend(secret.map(|secret| (name.to_owned(), secret)));
    }
    Ok(secrets)
}

/// What this node publishes that it has: a way out for mail, and what channels of the network need besides.
fn ways(outbox: &Outbox, network: &settings::Network) -> Vec<String> {
    let wanted = std::iter::once("mail".to_owned()).chain(needs(network).into_iter().filter(|need| need != "mail"));
    wanted.filter(|need| outbox.has(need)).collect()
}

/// Who may change things over HTTP.
fn access(file: Option<&Path>) -> Result<Access, String> {
    let token = files::secret(WEB_CREDENTIAL, file).map_err(|error| error.to_string())?;
    if token.as_ref().is_some_and(|token| token.len() < TOKEN_LEAST) {
        return Err(format!(
            "the web token is shorter than {TOKEN_LEAST} characters, which can be guessed; make one with: openssl rand -hex 32"
        ));
    }
    Ok(Access::new(token.as_deref()))
}

/// Sixteen characters of hexadecimal are 64 bits, more than anybody tries over a network.
const TOKEN_LEAST: usize = 16;

fn network(places: &Places, directory: &Path, host: &Host, name: &str, lacks: &[String]) -> Result<Assembled, String> {
    let key_path = places.state.join(name).join("node.key");
    let loaded = keyfile::load_or_create(&key_path, &format!("peerwatch.{name}.key")).map_err(|error| error.to_string())?;
    let me = loaded.key.node();
    let (network, remarks) = if host.networks.is_empty() {
        let servers: Vec<String> = host::name_servers().iter().map(ToString::to_string).collect();
        let gateway = host::gateway().map(|gateway| gateway.to_string());
        (config::local(&host.name, me, gateway, &servers, host.web), Vec::new())
    } else {
        let (layer, keys) = files::network_layer(directory, name).map_err(|error| error.to_string())?;
        config::network(name, &layer, &keys).map_err(|error| format!("{error:#}"))?
    };
    let own_name = own_name(&network, &me, host, &key_path)?;
    let settings = Settings {
        key: loaded.key,
        name: own_name,
        // They follow from what channels of all networks need.
        ways: Vec::new(),
        lacks: lacks.to_vec(),
        system: host::system(),
        remarks,
        network,
    };
    Ok(Assembled { settings, first: loaded.created })
}

/// The name under which the roster has this node's key.
fn own_name(network: &settings::Network, me: &NodeId, host: &Host, key: &Path) -> Result<String, String> {
    if let Some(member) = network.member(me) {
        return Ok(member.name.clone());
    }
    let public = key.with_extension("pub");
    Err(format!(
        "this node's key is not in the roster of network {}: copy {} to keys/{}.pub beside network.toml on every node, \
         list the node there as [[node]] name = \"{}\", and start or reload again",
        network.name,
        public.display(),
        host.name,
        host.name
    ))
}
