//! `peerwatch.toml` and its drop-ins to this host's settings.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use toml::Spanned;

use crate::base::config::fragment::{HostFile, HostNode, Listen, Mail, Table, Web};
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::check_name;
use crate::base::config::{ConfigError, LOCAL, Layer, MESH_PORT, WEB_PORT};
use crate::base::settings::{self, Host, MailTls};

/// Reads, merges and completes.
pub(super) fn settings(layers: &[Layer], hostname: &str) -> Result<Host, ConfigError> {
    let sources: Vec<Source<'_>> = layers.iter().map(Source::of).collect();
    let files = sources.iter().map(|source| source.read()).collect::<Result<Vec<HostFile>, _>>()?;
    let mut merged = Merged::default();
    for (source, file) in sources.iter().zip(&files) {
        merged.lay(*source, file)?;
    }
    Ok(Host {
        name: merged.name.as_ref().map(Placed::name).transpose()?.unwrap_or_else(|| name_from(hostname)),
        mesh: merged.mesh.as_ref().map(Placed::socket).transpose()?.unwrap_or(SocketAddr::from((Ipv6Addr::UNSPECIFIED, MESH_PORT))),
        web: merged.web.as_ref().map(Placed::socket).transpose()?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], WEB_PORT))),
        web_token_file: merged.token_file.as_ref().map(whole_path).transpose()?,
        mail: mail(&merged)?,
        networks: merged.networks,
    })
}

/// For every key the value that holds, with its place; layers are laid in rising priority.
#[derive(Debug, Default)]
struct Merged<'a> {
    name: Option<Placed<'a, String>>,
    mesh: Option<Placed<'a, String>>,
    web: Option<Placed<'a, String>>,
    token_file: Option<Placed<'a, String>>,
    networks: Vec<String>,
    /// The last `[mail]` header, to have a place for what is missing in it.
    mail: Option<Placed<'a, Table<Mail>>>,
    server: Option<Placed<'a, String>>,
    tls: Option<Placed<'a, String>>,
    user: Option<Placed<'a, String>>,
    password_file: Option<Placed<'a, String>>,
    dry_run: Option<Placed<'a, bool>>,
}

impl<'a> Merged<'a> {
    fn lay(&mut self, source: Source<'a>, file: &'a HostFile) -> Result<(), ConfigError> {
        let HostFile {
            node: Table(HostNode { name }),
            listen: Table(Listen { mesh, web }),
            web: Table(Web { token_file }),
            network: _,
            mail,
        } = file;
        cover(&mut self.name, source, name.as_ref());
        cover(&mut self.mesh, source, mesh.as_ref());
        cover(&mut self.web, source, web.as_ref());
        cover(&mut self.token_file, source, token_file.as_ref());
        cover(&mut self.mail, source, mail.as_ref());
        if let Some(mail) = mail {
            let Mail { server, tls, user, password_file, dry_run } = &mail.get_ref().0;
            cover(&mut self.server, source, server.as_ref());
            cover(&mut self.tls, source, tls.as_ref());
            cover(&mut self.user, source, user.as_ref());
            cover(&mut self.password_file, source, password_file.as_ref());
            cover(&mut self.dry_run, source, dry_run.as_ref());
        }
        self.add_networks(source, file)
    }

    /// Networks of several layers add up; within one file each stands once.
    fn add_networks(&mut self, source: Source<'a>, file: &'a HostFile) -> Result<(), ConfigError> {
        let mut here = Vec::new();
        for entry in &file.network {
            let Some(name) = &entry.get_ref().0.name else {
                return Err(source
                    .at(entry)
                    .fault("this network has no name", "add name = \"home\", the name of its directory below networks/"));
            };
            let place = source.at(name);
            let name = place.name()?;
            if name == LOCAL {
                let what = format!("\"{LOCAL}\" is the network that a host without any other is in by itself");
                return Err(place.fault(what, "choose another name, or remove this entry"));
            }
            if here.contains(&name) {
                return Err(place.fault(format!("the network \"{name}\" stands here twice"), "keep one of the two"));
            }
            if !self.networks.contains(&name) {
                self.networks.push(name.clone());
            }
            here.push(name);
        }
        Ok(())
    }
}

fn cover<'a, T>(slot: &mut Option<Placed<'a, T>>, source: Source<'a>, value: Option<&'a Spanned<T>>) {
    if let Some(value) = value {
        *slot = Some(source.at(value));
    }
}

fn mail(merged: &Merged<'_>) -> Result<Option<settings::Mail>, ConfigError> {
    let Some(section) = &merged.mail else { return Ok(None) };
    let dry_run = merged.dry_run.as_ref().is_some_and(|dry_run| *dry_run.value);
    let words = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];
    let tls = merged.tls.as_ref().map(|tls| tls.word(&words)).transpose()?.unwrap_or_default();
    let port = if tls == MailTls::Tls { 465 } else { 587 };
    let (host, port) = match &merged.server {
        Some(server) => server.endpoint(Some(port))?,
        // Nothing is sent, so there is nobody to name.
        None if dry_run => ("localhost".to_owned(), port),
        None => return Err(section.fault("no mail server is named", "add server = \"smtp.example.org:587\", or remove this section")),
    };
    let user = merged.user.as_ref().map(Placed::text).transpose()?;
    if let (Some(place), MailTls::None, false) = (&merged.user, tls, is_this_host(&host)) {
        return Err(place.fault(
            "with tls = \"none\" the password would cross the network for everybody to read",
            "set tls to \"starttls\" or \"tls\", or remove user",
        ));
    }
    let password_file = merged.password_file.as_ref().map(|place| password_file(place, user.is_some())).transpose()?;
    Ok(Some(settings::Mail { host, port, tls, user, password_file, dry_run }))
}

fn whole_path(place: &Placed<'_, String>) -> Result<PathBuf, ConfigError> {
    let path = PathBuf::from(place.text()?);
    if !path.is_absolute() {
        return Err(place.fault("this path does not begin at /", "write the whole path, as in \"/etc/peerwatch/smtp-password\""));
    }
    Ok(path)
}

fn password_file(place: &Placed<'_, String>, has_user: bool) -> Result<PathBuf, ConfigError> {
    let path = whole_path(place)?;
    if !has_user {
        return Err(place.fault("there is a password but no login name", "add user = \"…\", or remove this line"));
    }
    Ok(path)
}

fn is_this_host(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host name as a name. A host may be called anything, and must be able to run without any file;
/// so what cannot stand in a name becomes a hyphen.
fn name_from(hostname: &str) -> String {
    let fit: String = hostname.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' }).collect();
    let mut name = fit.trim_start_matches(['-', '.', '_']).to_owned();
    name.truncate(crate::base::limits::NAME);
    if check_name(&name).is_ok() { name } else { "localhost".to_owned() }
}
