//! Single values: what one key's text means, within which bounds, and how to say that it does not.
//!
//! Nothing here knows which key it reads; the place tells.

use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use toml::{Spanned, Value};

use crate::base::config::ConfigError;
use crate::base::config::fragment::Text;
use crate::base::config::source::Placed;
use crate::base::config::wording::nearest;
use crate::base::limits;
use crate::base::target::StatusSet;
use crate::base::time::{Micros, Span};

/// Whether `name` can name something.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let first = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if first && rest && name.len() <= limits::NAME {
        return Ok(());
    }
    let most = limits::NAME;
    Err(format!(
        "\"{}\" is not a name; a name has 1 to {most} letters (a-z, A-Z), digits, dots, hyphens and underscores, \
         and begins with a letter or digit",
        short(name)
    ))
}

/// Splits `host:port`, `[address]:port`, or a host alone if there is a `default` port.
pub(super) fn endpoint(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| 0 < *port && text.bytes().all(|b| b.is_ascii_digit()));
    let (host, port) = if text.parse::<Ipv6Addr>().is_ok() {
        (text, default?)
    } else if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        address.split('%').next()?.parse::<Ipv6Addr>().ok()?;
        (address, if rest.is_empty() { default? } else { port(rest.strip_prefix(':')?)? })
    } else {
        match text.split_once(':') {
            Some((host, number)) => (host, port(number)?),
            None => (text, default?),
        }
    };
    is_host(host).then(|| (host.to_owned(), port))
}

/// Whether `text` is a host name or an address without brackets.
fn is_host(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "eth0"));
    let zone_is_sound = !zone.is_empty() && zone.len() <= 15 && zone.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if address.parse::<Ipv6Addr>().is_ok() {
        return zone_is_sound;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

impl Placed<'_, String> {
    /// Any visible text.
    pub(super) fn text(&self) -> Result<String, ConfigError> {
        self.text_where(|c| !c.is_control(), "holds characters that cannot be seen")
    }

    /// Text that may hold line ends and the like.
    pub(super) fn bytes(&self) -> Result<String, ConfigError> {
        self.text_where(|_| true, "")
    }

    fn text_where(&self, allowed: impl Fn(char) -> bool, otherwise: &str) -> Result<String, ConfigError> {
        let text = self.value;
        if text.is_empty() {
            return Err(self.fault("this is empty", "fill it in, or remove the line"));
        }
        if limits::TEXT < text.len() {
            return Err(self.fault(format!("this has {} bytes", text.len()), format!("shorten it to {} bytes", limits::TEXT)));
        }
        if !text.chars().all(allowed) {
            return Err(self.fault(format!("\"{}\" {otherwise}", short(text)), "write it anew, in one line"));
        }
        Ok(text.clone())
    }

    /// A name.
    pub(super) fn name(&self) -> Result<String, ConfigError> {
        match check_name(self.value) {
            Ok(()) => Ok(self.value.clone()),
            Err(sentence) => Err(self.fault_of_sentence(&sentence)),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, ConfigError> {
        words.iter().find(|(word, _)| *word == self.value).map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(format!("\"{}\" means nothing here", short(self.value)), nearest(self.value, &known, "write one of"))
        })
    }

    /// A host name or address.
    pub(super) fn host(&self) -> Result<String, ConfigError> {
        if is_host(self.value) {
            return Ok(self.value.clone());
        }
        let remedy = if self.value.contains("://") {
            "write the host alone, without http:// and path"
        } else if self.value.contains(':') || self.value.contains('[') {
            "write the host alone; an IPv6 address has no brackets here, and the port is a key of its own"
        } else {
            "write it as in \"mail.example.org\", \"192.0.2.1\" or \"2001:db8::1\""
        };
        Err(self.fault(format!("\"{}\" is not a host name or address", short(self.value)), remedy))
    }

    /// `host:port`, the port perhaps by default.
    pub(super) fn endpoint(&self, default: Option<u16>) -> Result<(String, u16), ConfigError> {
        endpoint(self.value, default).ok_or_else(|| {
            self.fault(
                format!("\"{}\" is not a host and port", short(self.value)),
                "write it as in \"ber1.example.org:9630\" or \"[2001:db8::1]:9630\"",
            )
        })
    }

    /// An address and port to listen on.
    pub(super) fn socket(&self) -> Result<SocketAddr, ConfigError> {
        self.value.parse().map_err(|_| {
            self.fault(
                format!("\"{}\" is not an address and port", short(self.value)),
                "write it as in \"[::]:9630\" for every address of this host, or \"127.0.0.1:9631\" for this host alone",
            )
        })
    }

    /// `http://` or `https://` and a host, without a login in it.
    pub(super) fn url(&self) -> Result<String, ConfigError> {
        self.sound_url(self.text()?)
    }

    /// The same of text that was made of this one.
    pub(super) fn sound_url(&self, url: String) -> Result<String, ConfigError> {
        let example = "write it as in \"https://shop.example.org/\"";
        let rest = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let Some(rest) = rest else {
            return Err(self.fault(format!("\"{}\" does not begin with http:// or https://", short(&url)), example));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            // The address is shown on every page, and in this message.
            return Err(self.fault("this address holds a login", "remove everything between // and @; addresses are shown to everybody"));
        }
        if !url.bytes().all(|b| b.is_ascii_graphic()) {
            let remedy = "write blanks as %20, other letters in their %-form, and foreign host names in their xn-- form";
            return Err(self.fault(format!("\"{}\" holds characters that an address cannot have", short(&url)), remedy));
        }
        if endpoint(authority, Some(443)).is_none() {
            return Err(self.fault(format!("\"{}\" names no host that can be asked", short(&url)), example));
        }
        Ok(url)
    }

    /// A plain mail address.
    pub(super) fn mail_address(&self) -> Result<String, ConfigError> {
        let sound = self.value.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.len() <= 64
                && local.bytes().all(|b| b.is_ascii_graphic() && !b"()<>[]:;@\\,\"".contains(&b))
                && is_host(domain)
        });
        if sound {
            return Ok(self.value.clone());
        }
        Err(self.fault(format!("\"{}\" is not a mail address", short(self.value)), "write the address alone, as in \"ops@example.org\""))
    }

    /// A regular expression.
    pub(super) fn pattern(&self) -> Result<String, ConfigError> {
        let pattern = self.bytes()?;
        // Read as the probe reads it: line by line.
        let mut builder = regex::bytes::RegexBuilder::new(&pattern);
        match builder.multi_line(true).crlf(true).size_limit(limits::EXPRESSION).build() {
            Ok(_) => Ok(pattern),
            Err(error) => {
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").trim_end_matches('.');
                let what = format!("\"{}\" is not a regular expression ({reason})", short(&pattern));
                Err(self.fault(what, "write one as in '^220 ', in single quotes so that backslashes stay"))
            }
        }
    }
}

impl<T> Placed<'_, T> {
    /// Makes an error of a sentence that has its remedy after a semicolon.
    fn fault_of_sentence(&self, sentence: &str) -> ConfigError {
        let (what, remedy) = sentence.split_once("; ").unwrap_or((sentence, "see the manual page of this file"));
        self.fault(what, remedy)
    }
}

impl Placed<'_, i64> {
    /// A whole number within bounds.
    pub(super) fn whole<T: TryFrom<i64> + Into<i64> + Copy>(&self, bounds: RangeInclusive<T>) -> Result<T, ConfigError> {
        let (least, most): (i64, i64) = ((*bounds.start()).into(), (*bounds.end()).into());
        T::try_from(*self.value)
            .ok()
            .filter(|_| (least..=most).contains(self.value))
            .ok_or_else(|| self.fault(format!("{} is out of bounds", self.value), format!("write a number from {least} to {most}")))
    }
}

impl Placed<'_, f64> {
    /// A share, above 0 and at most 1.
    pub(super) fn share(&self) -> Result<f32, ConfigError> {
        if 0.0 < *self.value && *self.value <= 1.0 {
            #[expect(clippy::cast_possible_truncation, reason = "a share of lost packets needs no more digits")]
            return Ok(*self.value as f32);
        }
        Err(self.fault(format!("{} is not a share", self.value), "write a number above 0 and at most 1: 0.2 for one packet in five"))
    }
}

impl Placed<'_, Value> {
    /// A duration within bounds.
    pub(super) fn span(&self, bounds: RangeInclusive<Span>) -> Result<Span, ConfigError> {
        let text = self.text_with_unit("\"30s\"")?;
        let span = Span::parse(text).map_err(|sentence| self.fault_of_sentence(&sentence))?;
        if bounds.contains(&span) {
            return Ok(span);
        }
        let (least, most) = bounds.into_inner();
        Err(self.fault(format!("{text} is out of bounds"), format!("write a duration from {least} to {most}")))
    }

    /// A round-trip time.
    pub(super) fn micros(&self) -> Result<Micros, ConfigError> {
        let text = self.text_with_unit("\"80ms\"")?;
        let micros = match text.trim().strip_suffix("us") {
            Some(digits) => digits.trim().parse::<u64>().ok(),
            None => Span::parse(text).ok().and_then(|span| span.0.checked_mul(1000)),
        };
        micros
            .and_then(|micros| u32::try_from(micros).ok())
            .filter(|micros| 0 < *micros)
            .map(Micros)
            .ok_or_else(|| self.fault(format!("\"{}\" is not a round-trip time", short(text)), "write it as in \"80ms\" or \"500us\""))
    }

    /// A size in bytes within bounds.
    pub(super) fn size(&self, bounds: RangeInclusive<u64>) -> Result<u64, ConfigError> {
        const UNITS: [(&str, u64); 7] = [
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
        ];
        let text = self.text_with_unit("\"2GiB\"")?;
        let parse = |(unit, bytes): &(&str, u64)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*bytes);
        let Some(size) = UNITS.iter().find_map(parse) else {
            let units = UNITS.map(|(unit, _)| unit).join(", ");
            return Err(
                self.fault(format!("\"{}\" is not a size", short(text)), format!("write a number and a unit ({units}), as in \"2GiB\""))
            );
        };
        if bounds.contains(&size) {
            return Ok(size);
        }
        let (least, most) = bounds.into_inner();
        Err(self.fault(format!("{text} is out of bounds"), format!("write a size from {}MiB to {}GiB", least >> 20, most >> 30)))
    }

    /// Status codes: text, or one number.
    pub(super) fn status(&self) -> Result<StatusSet, ConfigError> {
        let text = match self.value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            other => return Err(self.fault(format!("{} is no set of status codes", shown(other)), "write it as in \"200-299,404\"")),
        };
        StatusSet::parse(&text).map_err(|sentence| self.fault_of_sentence(&sentence))
    }

    fn text_with_unit(&self, example: &str) -> Result<&str, ConfigError> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Integer(number) => {
                Err(self.fault(format!("{number} has no unit"), format!("write it in quotes and with its unit, as in {example}")))
            }
            other => Err(self.fault(format!("{} stands where text belongs", shown(other)), format!("write it as in {example}"))),
        }
    }
}

/// The list's texts, each read, none twice, from `least` to `most` of them.
pub(super) fn list<'a, T: PartialEq>(
    whole: &Placed<'a, Vec<Text>>,
    at: impl Fn(&'a Spanned<String>) -> Placed<'a, String>,
    bounds: RangeInclusive<usize>,
    read: impl Fn(Placed<'a, String>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let (least, most) = (*bounds.start(), *bounds.end());
    if whole.value.len() < least {
        return Err(whole.fault("this list is empty", "name at least one, or remove the line"));
    }
    if most < whole.value.len() {
        return Err(whole.fault(format!("this list has {} entries", whole.value.len()), format!("shorten it to {most}")));
    }
    let mut values = Vec::with_capacity(whole.value.len());
    for text in whole.value {
        let value = read(at(text))?;
        if values.contains(&value) {
            return Err(at(text).fault(format!("\"{}\" stands here twice", short(text.get_ref())), "keep one of the two"));
        }
        values.push(value);
    }
    Ok(values)
}

/// A value as it was written, or what kind it is, for people.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", short(text)),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(date) => date.to_string(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

/// Text short and visible enough to stand in a message.
pub(super) fn short(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if 60 < text.chars().count() { format!("{shown}…") } else { shown }
}
