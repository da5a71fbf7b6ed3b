//! `peerwatch.toml` and its drop-ins to this host's settings.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::base::config::fragment::{Entries, HostFile, HostHook, HostNode, HostSecret, Listen, Mail, Table, Text, Web};
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::{check_name, short};
use crate::base::config::{ConfigError, LOCAL, Layer, MESH_PORT, WEB_PORT};
use crate::base::limits;
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
        secrets: merged.secrets,
        hooks: merged.hooks,
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
    sendmail: Option<Placed<'a, String>>,
    secrets: BTreeMap<String, PathBuf>,
    hooks: BTreeMap<String, Vec<String>>,
}

impl<'a> Merged<'a> {
    fn lay(&mut self, source: Source<'a>, file: &'a HostFile) -> Result<(), ConfigError> {
        let HostFile {
            node: Table(HostNode { name }),
            listen: Table(Listen { mesh, web }),
            web: Table(Web { token_file }),
            network: _,
            mail,
            secret,
            hook,
        } = file;
        cover(&mut self.name, source, name.as_ref());
        cover(&mut self.mesh, source, mesh.as_ref());
        cover(&mut self.web, source, web.as_ref());
        cover(&mut self.token_file, source, token_file.as_ref());
        cover(&mut self.mail, source, mail.as_ref());
        if let Some(mail) = mail {
            let Mail { server, tls, user, password_file, dry_run, sendmail } = &mail.get_ref().0;
            cover(&mut self.sendmail, source, sendmail.as_ref());
            cover(&mut self.server, source, server.as_ref());
            cover(&mut self.tls, source, tls.as_ref());
            cover(&mut self.user, source, user.as_ref());
            cover(&mut self.password_file, source, password_file.as_ref());
            cover(&mut self.dry_run, source, dry_run.as_ref());
        }
        add(&mut self.secrets, source, "[[secret]]", secret, |HostSecret { name, .. }| name.as_ref(), secret_file)?;
        add(&mut self.hooks, source, "[[hook]]", hook, |HostHook { name, .. }| name.as_ref(), command)?;
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

/// Named entries of several layers: a later one replaces an earlier one; within one file each stands once.
fn add<'a, T, V>(
    known: &mut BTreeMap<String, V>,
    source: Source<'a>,
    kind: &str,
    entries: &'a Entries<T>,
    name_of: impl Fn(&'a T) -> Option<&'a Text>,
    read: impl Fn(Source<'a>, &'a Spanned<Table<T>>) -> Result<V, ConfigError>,
) -> Result<(), ConfigError> {
    let mut here = Vec::new();
    for entry in entries {
        let Some(name) = name_of(&entry.get_ref().0) else {
            return Err(source.at(entry).fault(format!("this {kind} has no name"), "add name = \"…\", by which channels name it"));
        };
        let place = source.at(name);
        let name = place.name()?;
        if here.contains(&name) {
            return Err(place.fault(format!("\"{name}\" stands here twice"), "keep one of the two"));
        }
        known.insert(name.clone(), read(source, entry)?);
        here.push(name);
        if limits::HOST_WAYS < known.len() {
            return Err(place.fault(format!("there are too many {kind}"), format!("keep at most {}", limits::HOST_WAYS)));
        }
    }
    Ok(())
}

fn secret_file<'a>(source: Source<'a>, entry: &'a Spanned<Table<HostSecret>>) -> Result<PathBuf, ConfigError> {
    let Table(HostSecret { name: _, file }) = entry.get_ref();
    let missing = || source.at(entry).fault("file is missing", "add file = \"/etc/peerwatch/…\", with the secret alone in it");
    whole_path(&source.at(file.as_ref().ok_or_else(missing)?))
}

/// A program and its arguments.
fn command<'a>(source: Source<'a>, entry: &'a Spanned<Table<HostHook>>) -> Result<Vec<String>, ConfigError> {
    let Table(HostHook { name: _, command }) = entry.get_ref();
    let example = "command = [\"/usr/local/bin/pager\", \"--urgent\"]";
    let whole = command.as_ref().ok_or_else(|| source.at(entry).fault("command is missing", format!("add {example}")))?;
    let place = source.at(whole);
    match place.value.as_slice() {
        [] => Err(place.fault("this list is empty", format!("write it as in {example}"))),
        words if limits::ARGUMENTS < words.len() => {
            Err(place.fault(format!("this list has {} entries", words.len()), format!("shorten it to {}", limits::ARGUMENTS)))
        }
        [program, ..] if !Path::new(program.get_ref()).is_absolute() => {
            let what = format!("\"{}\" does not begin at /", short(program.get_ref()));
            Err(source.at(program).fault(what, "write the whole path of the program; no shell is asked for it"))
        }
        words => words.iter().map(|word| source.at(word).text()).collect(),
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
    let sendmail = merged.sendmail.as_ref().map(whole_path).transpose()?;
    let only_server = [&merged.server, &merged.tls, &merged.user, &merged.password_file].into_iter().flatten().next();
    if let (Some(_), Some(place)) = (&sendmail, only_server) {
        return Err(place.fault("mail leaves by a program or by a server, not by both", "remove this line, or remove sendmail"));
    }
    let (host, port) = match &merged.server {
        Some(server) => server.endpoint(Some(port))?,
        // Nothing is sent by this daemon, so there is nobody to name.
        None if dry_run || sendmail.is_some() => ("localhost".to_owned(), port),
        None => {
            return Err(section.fault(
                "no mail server is named",
                "add server = \"smtp.example.org:587\", or sendmail = \"/usr/sbin/sendmail\", or remove this section",
            ));
        }
    };
    let user = merged.user.as_ref().map(Placed::text).transpose()?;
    if let (Some(place), MailTls::None, false) = (&merged.user, tls, is_this_host(&host)) {
        return Err(place.fault(
            "with tls = \"none\" the password would cross the network for everybody to read",
            "set tls to \"starttls\" or \"tls\", or remove user",
        ));
    }
    let password_file = merged.password_file.as_ref().map(|place| password_file(place, user.is_some())).transpose()?;
    Ok(Some(settings::Mail { host, port, tls, user, password_file, dry_run, sendmail }))
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
