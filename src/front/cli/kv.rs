//! `kv`: the key/value store from the command line.
//!
//! An address is `KEY`, `NODE/KEY` or, for a key of this node with a slash in it, `/KEY`; what is printed
//! as an address can be given as one. Values go out as they are, so that they can be piped; only a
//! terminal is spared what it cannot show.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{IsTerminal, Read, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use futures_util::StreamExt;
use zbus::proxy::CacheProperties;
use zbus::{Message, OwnedVariant, Variant};

use super::client::{Client, NAME, ROOT};
use super::table::{Cell, Table, Terminal, harmless};
use super::{Answer, Flags, Trouble, line, lines, write};
use crate::base::kv::{Address, Item, Write};
use crate::base::limits;
use crate::base::time::{Now, Span, Wall};
use crate::front::json;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print what is under a key
    Get {
        /// KEY of this node, or NODE/KEY
        address: String,
        /// Write it to this file instead
        #[arg(long, short = 'o', value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Keep a value under a key of this node (root only)
    Put {
        /// The key
        address: String,
        /// The value; - reads it from the standard input
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        value: Option<String>,
        /// Take the value from this file
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Its media type; without, text/plain where it is text
        #[arg(long, short, value_name = "TYPE")]
        media: Option<String>,
    },
    /// Let go of keys of this node, of all or none (root only)
    Delete {
        /// The keys
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Put and delete several keys of this node, all or none (root only)
    Batch {
        /// A file with [{"put": KEY, "value": TEXT}, {"delete": KEY}]; - is the standard input
        file: PathBuf,
    },
    /// The keys of this node, or of another: NODE/, NODE/PREFIX
    List {
        /// Only keys that begin so
        #[arg(default_value = "", hide_default_value = true)]
        prefix: String,
        /// The keys of all nodes
        #[arg(long, short)]
        all: bool,
    },
    /// Keys of all nodes in which a text stands, or in whose values it does
    Search {
        /// The text, by case
        text: String,
        /// Only of this node
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
    },
    /// Print a line for each change until interrupted
    Watch {
        /// Only keys that begin so, on any node
        #[arg(default_value = "", hide_default_value = true)]
        prefix: String,
    },
}

/// What the bus says of one key: whose part, the key, and the rest by name.
type Row = (String, String, BTreeMap<String, OwnedVariant>);

#[zbus::proxy(interface = "org.peerwatch.Peerwatch1.Values", assume_defaults = false)]
trait Values {
    fn get(&self, network: &str, node: &str, key: &str) -> zbus::Result<(Vec<u8>, String, u64, u64)>;
    fn list(&self, network: &str, options: HashMap<&str, Variant<'_>>) -> zbus::Result<(Vec<Row>, String)>;
    fn put(&self, network: &str, node: &str, key: &str, value: &[u8], media: &str) -> zbus::Result<u64>;
    fn delete(&self, network: &str, node: &str, key: &str) -> zbus::Result<u64>;
    fn write(&self, network: &str, writes: Vec<(String, bool, Vec<u8>, String)>) -> zbus::Result<u64>;
}

/// Runs one verb.
pub(super) async fn run(flags: &Flags, verb: &Verb, clock: fn() -> Now, terminal: &Terminal) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    // What is to be written is read first: a file that is not there needs no daemon to say so.
    let given = given(verb)?;
    let client = Client::connect(Span::ZERO).await?;
    let values = ValuesProxy::builder(client.bus()).destination(NAME).path(ROOT).cache_properties(CacheProperties::No).build().await?;
    match verb {
        Verb::Get { address, output } => get(flags, &values, address, output.as_deref()).await?,
        Verb::Put { address, media, .. } => {
            let Address { node, key } = parse(address)?;
            let media = media.as_deref().unwrap_or_default();
            values.put(network, &node.unwrap_or_default(), &key, &given, media).await?;
        }
        Verb::Delete { addresses } => delete(network, &values, addresses).await?,
        Verb::Batch { .. } => {
            let writes = json::writes(&given).map_err(Trouble::Usage)?;
            values.write(network, writes.into_iter().map(bus_write).collect()).await?;
        }
        Verb::List { prefix, all } => {
            let (node, prefix) = match prefix.split_once('/') {
                _ if *all => (None, prefix.as_str()),
                Some((node, prefix)) => (Some(node), prefix),
                None => (Some(""), prefix.as_str()),
            };
            return list(flags, &values, node, [("Prefix", prefix)], terminal).await;
        }
        Verb::Search { text, node } => return list(flags, &values, node.as_deref(), [("Containing", text)], terminal).await,
        Verb::Watch { prefix } => return watch(flags, &client, &values, prefix, clock, terminal).await,
    }
    Ok(Answer::Yes)
}

/// What is to be written.
fn given(verb: &Verb) -> Result<Vec<u8>, Trouble> {
    match verb {
        Verb::Put { value: Some(text), .. } if text != "-" => Ok(text.clone().into_bytes()),
        Verb::Put { file, .. } => read(file.as_deref().unwrap_or(Path::new("-")), limits::KV_VALUE),
        Verb::Batch { file } => read(file, 6 * limits::KV_BATCH),
        _ => Ok(Vec::new()),
    }
}

/// Reads a file or the standard input, to one byte more than it may have.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let most = most as u64 + 1;
    let done = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    done.map_err(|error| Trouble::Negative(format!("{} cannot be read: {error}", path.display())))?;
    if bytes.len() as u64 == most {
        return Err(Trouble::Negative(format!("{} has more than {} bytes; that is too much", path.display(), most - 1)));
    }
    Ok(bytes)
}

async fn get(flags: &Flags, values: &ValuesProxy<'_>, address: &str, output: Option<&Path>) -> Result<(), Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let Address { node, key } = parse(address)?;
    let (value, media, revision, at) = values.get(network, node.as_deref().unwrap_or_default(), &key).await?;
    let item = Item { value, media, revision, at: wall(at) };
    if let Some(path) = output {
        let done = std::fs::write(path, &item.value);
        return done.map_err(|error| Trouble::Negative(format!("{} cannot be written: {error}", path.display())));
    }
    if flags.json {
        return write(&lines(&json::content(&node.unwrap_or_default(), &key, &item)));
    }
    let mut out = std::io::stdout().lock();
    let mut text = item.value.as_slice();
    let ended;
    if out.is_terminal() {
        let readable = item.text().filter(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')));
        let Some(line) = readable else {
            let (size, media) = (item.value.len(), harmless(&item.media));
            let why = format!("this is {size} bytes of {media}, which a terminal cannot show; use --output FILE, or a pipe");
            return Err(Trouble::Negative(why));
        };
        ended = format!("{}\n", line.strip_suffix('\n').unwrap_or(line));
        text = ended.as_bytes();
    }
    out.write_all(text).and_then(|()| out.flush()).map_err(Trouble::Output)
}

async fn delete(network: &str, values: &ValuesProxy<'_>, addresses: &[String]) -> Result<(), Trouble> {
    let addresses = addresses.iter().map(|address| parse(address)).collect::<Result<Vec<_>, _>>()?;
    if let [Address { node, key }] = &*addresses {
        values.delete(network, node.as_deref().unwrap_or_default(), key).await?;
        return Ok(());
    }
    if let Some(named) = addresses.iter().find(|address| address.node.is_some()) {
        let why = format!("give keys of this node without its name, as in {}", shown("", &named.key));
        return Err(Trouble::Usage(format!("several keys are deleted together; {why}")));
    }
    values.write(network, addresses.into_iter().map(|address| bus_write(Write::Delete { key: address.key })).collect()).await?;
    Ok(())
}

fn bus_write(write: Write) -> (String, bool, Vec<u8>, String) {
    match write {
        Write::Put { key, value, media } => (key, true, value, media),
        Write::Delete { key } => (key, false, Vec::new(), String::new()),
    }
}

async fn list(
    flags: &Flags,
    values: &ValuesProxy<'_>,
    node: Option<&str>,
    wanted: [(&'static str, &str); 1],
    terminal: &Terminal,
) -> Result<Answer, Trouble> {
    let network = flags.network.as_deref().unwrap_or_default();
    let mut found: Vec<json::Value> = Vec::new();
    loop {
        let mut options: HashMap<&str, Variant<'_>> = wanted.iter().map(|(name, text)| (*name, Variant::from(*text))).collect();
        options.extend(node.map(|node| ("Node", Variant::from(node))));
        if let Some(last) = found.last() {
            options.insert("AfterNode", Variant::from(last.node.clone()));
            options.insert("AfterKey", Variant::from(last.key.clone()));
        }
        let (rows, _) = values.list(network, options).await?;
        let page = rows.len();
        found.extend(rows.into_iter().map(|(node, key, traits)| value(node, key, &traits)));
        if page < limits::KV_ROWS {
            break;
        }
    }
    write(&if flags.json { lines(&found) } else { table(&found, terminal) })?;
    // To look for something and find nothing is a negative answer; an empty list is not.
    Ok(if found.is_empty() && wanted[0].0 == "Containing" { Answer::No } else { Answer::Yes })
}

fn table(found: &[json::Value], terminal: &Terminal) -> String {
    let mut table = Table::new(&["KEY", "BYTES", "PUT", "MEDIA"]);
    for value in found {
        let at = value.at.parse::<jiff::Timestamp>().map_or(Wall(0), |at| Wall(at.as_millisecond()));
        let address = shown(&value.node, &value.key);
        table.row(vec![Cell::new(address), Cell::new(value.bytes.to_string()), Cell::new(terminal.ago(at)), Cell::new(&value.media)]);
    }
    match table.lines(terminal) {
        none if none.is_empty() && terminal.headers => "no keys\n".into(),
        lines => lines,
    }
}

async fn watch(
    flags: &Flags,
    client: &Client,
    values: &ValuesProxy<'_>,
    prefix: &str,
    clock: fn() -> Now,
    terminal: &Terminal,
) -> Result<Answer, Trouble> {
    let (mut signals, mut owner) = client.signals().await?;
    // Whether there is such a network, and whether the daemon is there at all.
    values.list(flags.network.as_deref().unwrap_or_default(), [("Most", Variant::from(1_u32))].into()).await?;
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            _ = owner.next() => None,
        };
        let Some(signal) = signal else {
            return Err(Trouble::Unreachable("it has left the bus".into()));
        };
        let signal = signal?;
        let header = signal.header();
        if header.interface().is_none_or(|interface| !interface.ends_with(".Values")) {
            continue;
        }
        let wanted = |network: &str| flags.network.as_ref().is_none_or(|wanted| *wanted == network);
        match header.member().map(zbus::names::MemberName::as_str) {
            Some("Changed") => {
                if let Some((network, change)) =
                    heard(&signal).filter(|(network, change)| wanted(network) && change.key.starts_with(prefix))
                {
                    let change = whole(values, &network, change).await;
                    write(&if flags.json { line(&change) } else { told(&change, clock().wall, terminal) })?;
                }
            }
            Some("Lagged") => {
                remark("peerwatchctl: some changes were missed; see how it is now with: peerwatchctl kv list --all");
            }
            _ => {}
        }
    }
}

/// A change as a signal tells it, and in which network.
fn heard(signal: &Message) -> Option<(String, json::ValueChange)> {
    type Body = (String, String, String, u64, String, BTreeMap<String, OwnedVariant>);
    let (network, node, key, revision, cursor, details) = signal.body().deserialize::<Body>().ok()?;
    let read = |name: &str| details.get(name).and_then(|value| value.try_clone().ok());
    let deleted = read("Deleted").and_then(|value| bool::try_from(value).ok())?;
    let at = read("AtUSec").and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    let media = read("Media").and_then(|value| String::try_from(value).ok());
    let value = read("Value").and_then(|value| Vec::<u8>::try_from(value).ok());
    let at = json::moment(wall(at));
    let change = json::ValueChange { cursor, node, key, revision, at, deleted, media, value: None, base64: None };
    Some((
        network,
        match value {
            Some(value) => change.carrying(&value),
            None => change,
        },
    ))
}

/// Fetches the value of a change whose signal was too small for it, unless another has come since.
async fn whole(values: &ValuesProxy<'_>, network: &str, change: json::ValueChange) -> json::ValueChange {
    if change.deleted || change.value.is_some() || change.base64.is_some() {
        return change;
    }
    match values.get(network, &change.node, &change.key).await {
        Ok((value, _, revision, _)) if revision == change.revision => change.carrying(&value),
        _ => change,
    }
}

/// One change in one line.
fn told(change: &json::ValueChange, now: Wall, terminal: &Terminal) -> String {
    let media = change.media.as_deref().unwrap_or_default();
    let what = match (&change.value, change.deleted) {
        (_, true) => "deleted".into(),
        (Some(text), _) if text.chars().count() <= 120 && !text.trim_end().contains('\n') => format!("= {}", harmless(text.trim_end())),
        (Some(text), _) => format!("= {} bytes of {}", text.len(), harmless(media)),
        (None, _) => format!("= {}", harmless(media)),
    };
    format!("{}  {} {what}\n", terminal.clock(now), harmless(&shown(&change.node, &change.key)))
}

/// How a key is addressed.
fn shown(node: &str, key: &str) -> String {
    if node.is_empty() && !key.contains('/') { key.into() } else { format!("{node}/{key}") }
}

fn parse(address: &str) -> Result<Address, Trouble> {
    Address::parse(address).map_err(Trouble::Usage)
}

fn value(node: String, key: String, traits: &BTreeMap<String, OwnedVariant>) -> json::Value {
    let read = |name: &str| traits.get(name).and_then(|value| value.try_clone().ok());
    let number = |name: &str| read(name).and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    let bytes = read("Size").and_then(|value| u32::try_from(value).ok()).unwrap_or_default();
    json::Value {
        node,
        key,
        revision: number("Revision"),
        at: json::moment(wall(number("AtUSec"))),
        media: read("Media").and_then(|value| String::try_from(value).ok()).unwrap_or_default(),
        bytes: usize::try_from(bytes).unwrap_or_default(),
    }
}

fn wall(micros: u64) -> Wall {
    Wall(i64::try_from(micros / 1000).unwrap_or(i64::MAX))
}

/// A line for people beside what programs read.
fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
