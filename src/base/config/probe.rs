//! `icmp`, `tcp` and `http` tables to probes.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::base::config::ConfigError;
use crate::base::config::fragment::{Http as HttpTable, Icmp as IcmpTable, Table, Target as Fragment, Tcp as TcpTable, Text};
use crate::base::config::source::{Placed, Source};
use crate::base::config::value::short;
use crate::base::limits;
use crate::base::target::{Http, Icmp, Probe, StatusSet, Tcp};
use crate::base::time::Span;

/// Reads the one probe of a target, which is given up after `timeout`.
pub(super) fn read<'a>(source: Source<'a>, entry: &'a Spanned<Table<Fragment>>, timeout: Span) -> Result<Probe, ConfigError> {
    match &entry.get_ref().0 {
        Fragment { icmp: Some(table), tcp: None, http: None, .. } => read_icmp(source, table, timeout),
        Fragment { icmp: None, tcp: Some(table), http: None, .. } => read_tcp(source, table),
        Fragment { icmp: None, tcp: None, http: Some(table), .. } => read_http(source, table),
        Fragment { icmp: None, tcp: None, http: None, .. } => Err(source.at(entry).fault(
            "it is not said how to look at this target",
            "add one of icmp = { host = … }, tcp = { host = …, port = … }, http = { url = … }",
        )),
        _ => Err(source.at(entry).fault(
            "there is more than one way to look at this target",
            "keep one of icmp, tcp and http, and make another target of each of the others",
        )),
    }
}

/// The usual pings to `host`.
pub(super) fn ping(host: &str) -> Icmp {
    // As `ping` sends them, but five a second.
    Icmp { host: host.to_owned(), count: 3, gap: Span(200), size: 56 }
}

/// A plain request for `url`.
pub(super) fn get(url: String) -> Http {
    Http { url, method: "GET".to_owned(), headers: Vec::new(), status: StatusSet(vec![(200, 299)]), body: None, certificate_days: None }
}

fn read_icmp<'a>(source: Source<'a>, table: &'a Spanned<Table<IcmpTable>>, timeout: Span) -> Result<Probe, ConfigError> {
    let Table(icmp) = table.get_ref();
    let host = source.at(required(source, table, icmp.host.as_ref(), "host = \"192.0.2.1\"")?).host()?;
    let usual = ping(&host);
    let count = source.read_if(icmp.count.as_ref(), |number| number.whole(1..=100))?.unwrap_or(usual.count);
    let gap = source.read_if(icmp.gap.as_ref(), |value| value.span(limits::PING_GAP_LEAST..=Span::secs(60)))?.unwrap_or(usual.gap);
    let size = source.read_if(icmp.size.as_ref(), |number| number.whole(16..=65_500))?.unwrap_or(usual.size);
    // Packets that leave after the time is up would all count as lost.
    let sending = gap * u64::from(count - 1);
    if timeout <= sending {
        let what = format!("{count} packets with a gap of {gap} take {sending}, and the timeout is {timeout}");
        return Err(source.at(table).fault(what, "raise timeout, or lower count or gap"));
    }
    Ok(Probe::Icmp(Icmp { host, count, gap, size }))
}

fn read_tcp<'a>(source: Source<'a>, table: &'a Spanned<Table<TcpTable>>) -> Result<Probe, ConfigError> {
    let Table(tcp) = table.get_ref();
    Ok(Probe::Tcp(Tcp {
        host: source.at(required(source, table, tcp.host.as_ref(), "host = \"mail.example.org\"")?).host()?,
        port: source.at(required(source, table, tcp.port.as_ref(), "port = 25")?).whole(1..=u16::MAX)?,
        send: source.read_if(tcp.send.as_ref(), |text| text.bytes())?,
        expect: source.read_if(tcp.expect.as_ref(), |text| text.pattern())?,
    }))
}

fn read_http<'a>(source: Source<'a>, table: &'a Spanned<Table<HttpTable>>) -> Result<Probe, ConfigError> {
    let Table(http) = table.get_ref();
    let url = source.at(required(source, table, http.url.as_ref(), "url = \"https://shop.example.org/\"")?).url()?;
    let certificate_days = source.read_if(http.certificate_days.as_ref(), |number| {
        if !url.starts_with("https://") {
            return Err(
                number.fault("there is no certificate to be seen with http://", "write https:// in url, or remove certificate-days")
            );
        }
        number.whole(1..=3650)
    })?;
    let usual = get(url);
    Ok(Probe::Http(Box::new(Http {
        method: source.read_if(http.method.as_ref(), |text| method(&text))?.unwrap_or(usual.method),
        headers: headers(source, &http.headers, |_, place| place.text())?,
        status: source.read_if(http.status.as_ref(), |value| value.status())?.unwrap_or(usual.status),
        body: source.read_if(http.body.as_ref(), |text| text.bytes())?,
        certificate_days,
        url: usual.url,
    })))
}

fn required<'a, T, V>(
    source: Source<'a>,
    table: &'a Spanned<Table<T>>,
    value: Option<&'a Spanned<V>>,
    example: &str,
) -> Result<&'a Spanned<V>, ConfigError> {
    value.ok_or_else(|| {
        let key = example.split(' ').next().unwrap_or_default();
        source.at(table).fault(format!("{key} is missing"), format!("add {example}"))
    })
}

fn method(text: &Placed<'_, String>) -> Result<String, ConfigError> {
    if (1..=20).contains(&text.value.len()) && text.value.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        return Ok(text.value.clone());
    }
    Err(text.fault(format!("\"{}\" is not a request method", short(text.value)), "write it in capital letters, as in \"GET\" or \"HEAD\""))
}

/// Header fields in the order of the file; the same name twice is already refused by TOML, unless it
/// differs in case.
pub(super) fn headers<'a, T>(
    source: Source<'a>,
    fields: &'a BTreeMap<String, Text>,
    read: impl Fn(&str, &Placed<'a, String>) -> Result<T, ConfigError>,
) -> Result<Vec<(String, T)>, ConfigError> {
    let mut fields: Vec<(&String, &Text)> = fields.iter().collect();
    fields.sort_by_key(|(_, value)| value.span().start);
    let mut headers: Vec<(String, T)> = Vec::new();
    for (name, value) in fields {
        let place = source.at(value);
        let sound = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !sound {
            let what = format!("\"{}\" is not the name of a header field", short(name));
            return Err(place.fault(what, "write it as in Accept-Language"));
        }
        if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(place.fault(format!("the header field {name} is set twice"), "keep one of the two"));
        }
        if headers.len() == limits::HEADERS {
            return Err(place.fault("there are too many header fields", format!("keep at most {}", limits::HEADERS)));
        }
        headers.push((name.clone(), read(name, &place)?));
    }
    Ok(headers)
}
