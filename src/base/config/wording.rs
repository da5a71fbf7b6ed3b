//! What is wrong, in words: keys that belong elsewhere or nowhere, words that are nearly right, values
//! of the wrong kind.
//!
//! This knows the keys of both files by name, for hints alone. What is accepted is decided by
//! `fragment` and by whoever reads it.

use crate::base::config::MAIL_CREDENTIAL;
use crate::base::config::value::short;

/// How many known words a message lists: the keys of the largest table fit.
const SHOWN: usize = 16;

/// Why a key has no place in any configuration, and the remedy; `path` is its table's keys and itself.
pub(super) fn refusal(path: &[&str]) -> Option<(&'static str, String)> {
    let last = path.last().copied().unwrap_or_default().to_ascii_lowercase();
    let no_login = "remove it, and watch a page that needs no login; credentials of probes are not supported by this version";
    if matches!(last.as_str(), "password" | "passwd" | "passphrase" | "smtp-password" | "smtp_password") {
        let remedy = match path {
            ["target", ..] => no_login.to_owned(),
            _ => format!(
                "remove it; the password goes into the credential {MAIL_CREDENTIAL}, or alone into the file that password-file names"
            ),
        };
        return Some(("a configuration file holds no passwords", remedy));
    }
    // A channel may name a secret there; `notify` sees to it that it does no more.
    let of_channel = path.first() == Some(&"notify");
    if matches!(last.as_str(), "authorization" | "proxy-authorization" | "cookie") && path.contains(&"headers") && !of_channel {
        return Some(("a configuration file holds no credentials", no_login.to_owned()));
    }
    let remedy = match path {
        ["network", "git"] => "put network.toml and keys/ into the directory networks/ beside this file and give its name alone",
        ["target", _, "secret"] => "remove it, and watch a page that needs no login",
        _ => return None,
    };
    Some(("this is not supported by this version", remedy.to_owned()))
}

/// From "unknown field `x`, expected one of `a`, `b`": the key and the known ones.
pub(super) fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let (key, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

/// The remedy for a word that is none of `known`: the one that was probably meant, or else these words
/// and the list of all.
pub(super) fn nearest(word: &str, known: &[&str], otherwise: &str) -> String {
    let close = |known: &&&str| {
        let distance = strsim::osa_distance(&word.to_ascii_lowercase(), known);
        (distance <= (known.len() / 3).max(1)).then_some(distance)
    };
    let alike = || {
        known
            .iter()
            .map(|known| (strsim::jaro_winkler(word, known), known))
            .filter(|(likeness, _)| 0.85 < *likeness)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known)
    };
    let best = known.iter().filter_map(|word| close(&word).map(|distance| (distance, word))).min().map(|(_, word)| word);
    match best.or_else(alike) {
        Some(best) => format!("did you mean \"{best}\"?"),
        None if known.is_empty() => "there is none to choose from".to_owned(),
        None => {
            let more = if SHOWN < known.len() { ", …" } else { "" };
            format!("{otherwise} {}{more}", known[..known.len().min(SHOWN)].join(", "))
        }
    }
}

/// The remedy for a key that is unknown here, but known in another place; `top` is outside any table.
pub(super) fn elsewhere(key: &str, top: bool) -> Option<&'static str> {
    Some(match (top, key) {
        (false, "id" | "split" | "reference" | "lease") => "it belongs to the top of network.toml, above the first line in brackets",
        (true, "interval" | "timeout" | "confirm" | "watchers" | "quorum") => "it belongs into [defaults] or into a [[target]]",
        (true, "mesh" | "web") => "it belongs into [listen] of peerwatch.toml",
        (true, "server" | "tls" | "user" | "password-file" | "dry-run" | "sendmail") => "it belongs into [mail] of peerwatch.toml",
        (true, "listen" | "mail" | "network" | "secret" | "hook") => "it belongs into peerwatch.toml, since it differs between nodes",
        (true, "id" | "split" | "reference" | "lease" | "defaults" | "journal" | "target" | "notify") => {
            "it belongs into the network.toml of a network, since all nodes share it"
        }
        _ => return None,
    })
}

/// What kind of value serde wanted, in words.
pub(super) fn in_words(wanted: &str) -> &str {
    match wanted {
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "i64" => "a whole number",
        "f64" => "a number",
        "a map" => "a table",
        other => other,
    }
}

/// What serde found in place of it.
pub(super) struct Found {
    /// In words.
    pub(super) words: String,
    /// The value as it was written, if it is a single one.
    value: Option<String>,
}

impl Found {
    /// Reads serde's way of telling: ``integer `3` ``, `string "x"`, `map`.
    pub(super) fn of(found: &str) -> Self {
        let value = found.split_once(' ').map(|(_, value)| value.trim_start_matches("point ").trim_end_matches(" as i128"));
        let value = value.map(|value| value.trim_matches(['`', '"']).to_owned());
        let words = match (found.split(' ').next().unwrap_or_default(), &value) {
            ("string", Some(text)) => format!("the text \"{}\"", short(text)),
            ("integer" | "floating", Some(number)) => format!("the number {number}"),
            ("map", _) => "a table".to_owned(),
            ("sequence", _) => "a list".to_owned(),
            (_, Some(word)) => word.clone(),
            _ => found.to_owned(),
        };
        Self { words, value }
    }

    /// How to write what was wanted for `key`.
    pub(super) fn remedy(&self, wanted: &str, key: &str) -> String {
        let example = match key {
            "icmp" => "icmp = { host = \"192.0.2.1\" }",
            "tcp" => "tcp = { host = \"mail.example.org\", port = 25 }",
            "http" => "http = { url = \"https://shop.example.org/\" }",
            "headers" => "headers = { Accept-Language = \"en\" }",
            "confirm" => "confirm = { bad = 3, good = 2 }",
            "flap" => "flap = { count = 4, within = \"1h\", steady = \"10m\" }",
            "degraded" => "degraded = { loss = 0.2, rtt = \"80ms\" }",
            "webhook" => "webhook = { preset = \"ntfy\", to = \"my-topic\" }",
            "command" => "command = [\"/usr/local/bin/pager\"]",
            "targets" => "targets = [\"shop\", \"node:*\"]",
            "groups" => "groups = [\"web\"]",
            "mail" => "mail = { to = [\"ops@example.org\"], from = \"peerwatch@example.org\" }",
            "address" => "address = [\"ber1.example.org:9630\"]",
            "reference" => "reference = [\"9.9.9.9\", \"gateway\"]",
            "to" => "to = [\"ops@example.org\"]",
            "on" => "on = [\"down\", \"up\"]",
            "depends" => "depends = [\"router\"]",
            _ => "",
        };
        match (wanted, &self.value) {
            ("a string", Some(value)) => format!("write it in quotes: \"{}\"", short(value)),
            ("i64", _) => "write digits without quotes, as in 3".to_owned(),
            ("f64", _) => "write digits without quotes, as in 0.2".to_owned(),
            ("a boolean", _) => "write true or false, without quotes".to_owned(),
            ("a string", None) => "write one text in quotes".to_owned(),
            _ if !example.is_empty() => format!("write it as in {example}"),
            ("a sequence", _) => "write it in square brackets, with commas between".to_owned(),
            _ => format!("write [{key}] on a line of its own, and its keys below"),
        }
    }
}
