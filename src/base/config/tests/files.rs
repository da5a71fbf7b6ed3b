//! The files that are shipped say what is true.

use super::{FoundKey, key, layer};
use crate::base::config::{host, network};
use crate::base::settings::Network;

const HOST: &str = include_str!("../../../../packaging/peerwatch.toml");
const NETWORK: &str = include_str!("../../../../packaging/network.toml");

/// The text with every commented-out setting in force: `#key = …` and `#[table]`, not `# prose`.
///
/// Where a key stands twice after that, the later line wins, as when somebody edits by hand.
fn uncommented(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => setting,
            _ => line,
        })
        .collect();
    let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    let kept = lines.iter().enumerate().filter(|(index, line)| {
        let rest = lines[index + 1..].iter().take_while(|line| !line.starts_with('['));
        key(line).is_none() || rest.filter_map(|later| key(later)).all(|later| Some(later) != key(line))
    });
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

fn keys() -> Vec<FoundKey> {
    ["ber1", "fra1", "laptop"].iter().zip(1..).map(|(name, byte)| key(name, byte)).collect()
}

#[test]
fn the_shipped_host_file_changes_nothing() {
    assert_eq!(host(&[layer("peerwatch.toml", HOST)], "fox").unwrap(), host(&[], "fox").unwrap());
}

#[test]
fn the_shipped_host_file_shows_what_can_be_set() {
    let host = host(&[layer("peerwatch.toml", &uncommented(HOST))], "fox").unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!((host.name.as_str(), &host.networks[..]), ("ber1", &["home".to_owned()][..]));
    assert!(host.web_token_file.is_some());
    assert_eq!((host.secrets.len(), host.hooks["pager"].len()), (1, 2));
    assert!(host.mail.is_some_and(|mail| mail.user.is_some() && mail.password_file.is_some()));
}

#[test]
fn the_shipped_network_file_is_a_network() {
    for (text, channels) in [(NETWORK.to_owned(), 1), (uncommented(NETWORK), 4)] {
        let (network, remarks) =
            network("home", &layer("network.toml", &text), &keys()).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
        assert_eq!(remarks, Vec::<String>::new());
        assert_eq!((network.roster.len(), network.channels.len()), (3, channels));
        assert_eq!(network.targets.iter().filter(|target| !target.reference).count(), 3);
    }
}

#[test]
fn commented_settings_of_the_network_file_are_the_defaults() {
    let read = |text: &str| network("home", &layer("network.toml", text), &keys()).unwrap().0;
    let (plain, mut full) = (read(NETWORK), read(&uncommented(NETWORK)));
    assert_eq!((plain.split, plain.lease, plain.journal_size), (full.split, full.lease, full.journal_size));
    assert_eq!(plain.channels[0], full.channels[0]);
    let references = |network: &Network| network.targets.iter().filter(|target| target.reference).cloned().collect::<Vec<_>>();
    assert_eq!(
        references(&plain).iter().map(|target| &target.id).collect::<Vec<_>>(),
        references(&full).iter().map(|target| &target.id).collect::<Vec<_>>()
    );
    full.targets.retain(|target| !target.reference);
    for (plain, full) in plain.targets.iter().zip(&full.targets) {
        assert_eq!((plain.interval, plain.timeout, plain.confirm, plain.quorum), (full.interval, full.timeout, full.confirm, full.quorum));
        assert_eq!((&plain.watchers, plain.flap), (&full.watchers, full.flap));
    }
}

#[test]
fn every_webhook_that_the_network_file_shows_is_one() {
    let shown: Vec<&str> = NETWORK.lines().filter_map(|line| line.strip_prefix("#webhook = ")).collect();
    assert!(10 < shown.len(), "{shown:?}");
    for webhook in shown {
        let text = format!("id = \"x\"\n[[notify]]\nname = \"n\"\nwebhook = {webhook}\n");
        network("home", &layer("network.toml", &text), &[]).unwrap_or_else(|error| panic!("{error:#}"));
    }
}

#[test]
fn a_damaged_file_is_refused_and_never_a_panic() {
    let whole = uncommented(NETWORK);
    for (at, _) in whole.char_indices().step_by(11) {
        let (before, after) = whole.split_at(at);
        let rest: String = after.chars().skip(1).collect();
        for text in [
            before.to_owned(),
            format!("{before}{rest}"),
            format!("{before}ä{after}"),
            format!("{before}\"{after}"),
            format!("{before}[{after}"),
        ] {
            if let Err(error) = network("home", &layer("network.toml", &text), &keys()) {
                assert!(error.to_string().contains("; "), "{error}");
                assert!(!format!("{error:#}").is_empty());
            }
        }
    }
}
