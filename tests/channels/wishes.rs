//! What channels want, decided by a whole node, and examples of notices: a lone node, whose world is made here.

use std::collections::{BTreeMap, BTreeSet};

use peerwatch::base::command::{Command, CommandId, Reply};
use peerwatch::base::entry::{Entry, Past, Record};
use peerwatch::base::key::SecretKey;
use peerwatch::base::outcome::{Look, Outcome};
use peerwatch::base::time::{Mono, Now};
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::node::{Beginning, Node, Settings};

use super::*;

/// 2026-11-20 12:00 UTC, a Friday.
const NOON: i64 = 1_795_176_000_000;

const CHANNELS: &str = "[[target]]\nname = \"shop\"\ngroup = \"web\"\nicmp = { host = \"h\" }
[[target]]\nname = \"mail\"\nicmp = { host = \"h\" }
[[notify]]\nname = \"all\"\nhook = \"x\"
[[notify]]\nname = \"web\"\nhook = \"x\"\ngroups = [\"web\"]
[[notify]]\nname = \"other\"\nhook = \"x\"\ntargets = [\"m*\"]
[[notify]]\nname = \"day\"\nhook = \"x\"\ntargets = [\"shop\"]\nhours = \"Mon-Fri 08:00-18:00\"\nzone = \"UTC\"
[[notify]]\nname = \"night\"\nhook = \"x\"\nhours = \"22:00-06:00\"\nzone = \"UTC\"
[[notify]]\nname = \"incapable\"\nhook = \"y\"\n";

/// A network of one node.
struct Alone {
    node: Node,
    entries: Vec<Entry>,
    inputs: Vec<Input>,
    /// What is sent: channel, and subject.
    sent: Vec<(String, String)>,
    replies: Vec<Reply>,
    tried: Vec<Errand>,
    at: u64,
    /// What its calendar says at zero.
    wall: i64,
    well: bool,
    /// Nobody takes anything.
    fails: bool,
}

fn settings() -> Settings {
    let key = SecretKey::from_bytes(&[1; 32]);
    let layer = Layer { path: "network.toml".into(), text: format!("id = \"home\"\n[[node]]\nname = \"ber1\"\n{CHANNELS}") };
    let (network, _) = network("home", &layer, &[("ber1".into(), Ok(key.node()))]).unwrap_or_else(|error| panic!("{error:#}"));
    Settings { network, key, name: "ber1".into(), ways: vec!["hook:x".into()], lacks: vec![], system: String::new(), remarks: vec![] }
}

impl Alone {
    /// Begins with what an earlier run wrote.
    fn start(entries: Vec<Entry>, at: u64, wall: i64) -> Self {
        let beginning =
            if entries.is_empty() { Beginning::Anew { nonce: [1; 16], reason: "test".into(), first: true } } else { Beginning::Continue };
        let now = Now { mono: Mono(at), wall: Wall(wall) };
        let mut out = Effects::default();
        let node = Node::restore(settings(), 1, &Past::of(&entries), entries.clone().into_iter(), beginning, now, &mut out);
        let (inputs, sent, replies, tried) = (vec![], vec![], vec![], vec![]);
        let mut alone =
            Self { node, entries, inputs, sent, replies, tried, at, wall: wall - i64::try_from(at).unwrap(), well: true, fails: false };
        alone.perform(out);
        alone
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.at += 250;
            let now = Now { mono: Mono(self.at), wall: Wall(self.wall + i64::try_from(self.at).unwrap()) };
            let mut out = Effects::default();
            for input in std::mem::take(&mut self.inputs).into_iter().chain([Input::Tick]) {
                self.node.handle(now, input, &mut out);
            }
            self.perform(out);
        }
    }

    fn perform(&mut self, out: Effects) {
        self.entries.extend(out.append.into_iter().filter_map(|record| if let Record::Entry(entry) = record { Some(entry) } else { None }));
        for effect in out.then {
            match effect {
                Effect::Probe(order) => {
                    let look = if self.well { Look::Good } else { Look::Bad };
                    let outcome =
                        Outcome { look, sent: 1, received: u16::from(self.well), detail: "no reply".into(), ..Outcome::default() };
                    self.inputs.push(Input::Probed { id: order.id, outcome });
                }
                Effect::Carry(errand) => {
                    self.sent.push((errand.channel.clone(), errand.letter.subject.clone()));
                    let delivery = match self.fails {
                        true => Delivery::failed("connection refused"),
                        false => Delivery { success: true, detail: "taken".into(), refused: vec![], after: None },
                    };
                    self.inputs.push(Input::Delivered { ballot: errand.ballot, delivery });
                }
                Effect::Try(_, errands) => self.tried.extend(errands),
                Effect::Reply(_, reply) => self.replies.push(reply),
                _ => {}
            }
        }
    }

    /// What each channel was sent, in its order.
    fn told(&mut self) -> BTreeMap<String, Vec<String>> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (channel, subject) in std::mem::take(&mut self.sent) {
            told.entry(channel).or_default().push(subject);
        }
        told
    }

    fn command(&mut self, id: u64, command: Command) {
        self.inputs.push(Input::Command { id: CommandId(id), command });
        self.run(1);
    }

    /// Open incidents, by name.
    fn open(&mut self) -> Vec<String> {
        let now = Now { mono: Mono(self.at), wall: Wall(self.wall) };
        let view = self.node.view(now);
        view.incidents.iter().filter(|incident| incident.open).map(|incident| incident.id.to_string()).collect()
    }

    fn ask(&mut self, channel: Option<&str>, phase: Phase) {
        self.inputs.push(Input::Command { id: CommandId(1), command: Command::TestNotice { channel: channel.map(str::to_owned), phase } });
        self.run(1);
    }
}

fn lists(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    pairs.iter().map(|(name, list)| ((*name).to_owned(), list.iter().map(|text| (*text).to_owned()).collect())).collect()
}

#[test]
fn each_channel_is_told_what_it_wants_and_nothing_else() {
    let mut alone = Alone::start(vec![], 0, NOON);
    alone.run(120);
    assert_eq!(alone.told(), lists(&[]));
    alone.well = false;
    alone.run(180);
    let down = "[DOWN] shop - no reply (1/1 nodes)";
    let both: &[&str] = &["[DOWN:2] mail, shop"];
    assert_eq!(
        alone.told(),
        lists(&[("all", both), ("web", &[down]), ("other", &["[DOWN] mail - no reply (1/1 nodes)"]), ("day", &[down])])
    );
    alone.well = true;
    alone.run(180);
    let told = alone.told();
    assert_eq!(told.keys().collect::<Vec<_>>(), ["all", "day", "other", "web"], "whoever was told that it is bad is told its end");
    assert!(told.values().all(|subjects| subjects.len() == 1 && subjects[0].starts_with("[UP")), "{told:?}");
}

#[test]
fn hours_are_those_of_the_journal_and_not_of_who_decides() {
    let mut alone = Alone::start(vec![], 0, NOON);
    alone.run(120);
    alone.well = false;
    alone.run(180);
    assert_eq!(alone.told().len(), 4);
    // The same journal, read by a node that takes it to be the middle of the night.
    let mut night = Alone::start(alone.entries.clone(), alone.at, NOON + 11 * 3_600_000);
    night.well = false;
    night.run(120);
    assert_eq!(night.told(), lists(&[]), "what began at noon is not of the night, however long it lasts");
    night.well = true;
    night.run(180);
    let told = night.told();
    assert!(told.contains_key("day") && !told.contains_key("night"), "its end is told at any hour: {told:?}");
    night.well = false;
    night.run(180);
    let told = night.told();
    assert!(!told.contains_key("day") && told.contains_key("night"), "what begins now is of the night: {told:?}");
}

#[test]
fn an_example_leaves_by_the_channels_that_are_asked_for_and_says_that_it_is_one() {
    let mut alone = Alone::start(vec![], 0, NOON);
    alone.run(10);
    let written = alone.entries.len();
    alone.ask(None, Phase::Down);
    let names: Vec<&str> = alone.tried.iter().map(|errand| errand.channel.as_str()).collect();
    assert_eq!(names, ["all", "web", "other", "day", "night", "incapable"], "whatever they want otherwise");
    for errand in std::mem::take(&mut alone.tried) {
        assert!(errand.letter.topic.test && errand.letter.subject.starts_with("[TEST] [DOWN] example"), "{errand:?}");
        assert!(errand.letter.text.starts_with("This is an example") && errand.letter.text.contains("Sent by node ber1 of network home"));
    }
    alone.ask(Some("web"), Phase::Up);
    alone.ask(Some("web"), Phase::Up);
    let [first, second] = &alone.tried[..] else { panic!("{:?}", alone.tried) };
    assert_eq!((first.channel.as_str(), first.letter.subject.as_str()), ("web", "[TEST] [UP] example - was down for 12m 30s"));
    assert_ne!(first.letter.message_id, second.letter.message_id, "nobody takes the second for a copy");
    assert!(first.letter.references.is_empty());
    alone.ask(Some("nobody"), Phase::Up);
    assert_eq!(
        alone.replies,
        [Reply::Refused("network home has no channel \"nobody\"; it has: all, web, other, day, night, incapable".into())]
    );
    assert_eq!((alone.entries.len(), alone.told()), (written, lists(&[])), "nothing of it is in the journal");
}

#[test]
fn a_channel_by_which_nobody_can_be_told_is_an_incident_until_it_has_told() {
    let mut alone = Alone::start(vec![], 0, NOON);
    alone.run(120);
    assert_eq!(alone.open(), [""; 0]);
    (alone.well, alone.fails) = (false, true);
    alone.run(240);
    let channels = ["channel:all#1", "channel:day#1", "channel:incapable#1", "channel:other#1", "channel:web#1"];
    let ailing: Vec<String> = alone.open().into_iter().filter(|id| id.starts_with("channel:")).collect();
    assert_eq!(ailing.iter().map(String::as_str).collect::<BTreeSet<_>>(), channels.into());
    let before = alone.sent.len();
    assert!(alone.sent.iter().all(|(_, subject)| !subject.contains("channel:")), "it is shown, and told to nobody: {:?}", alone.sent);
    alone.fails = false;
    alone.run(1200);
    assert!(before < alone.sent.len());
    let ailing: Vec<String> = alone.open().into_iter().filter(|id| id.starts_with("channel:")).collect();
    assert_eq!(ailing, ["channel:incapable#1"], "what nobody can do stays so");
    alone.well = true;
    alone.run(180);
    let told = alone.told();
    assert!(told.values().flatten().all(|subject| !subject.contains("channel:")), "{told:?}");
}

#[test]
fn a_program_is_told_to_act_and_its_end_is_known_to_whoever_asks_later() {
    let mut alone = Alone::start(vec![], 0, NOON);
    alone.run(120);
    let wish = || Command::Wish { name: "job".into(), within: Span::secs(60) };
    alone.command(1, wish());
    alone.command(2, wish());
    alone.run(5);
    assert_eq!(alone.replies, [Reply::Chosen(Span::secs(15))], "one of them");
    alone.run(6);
    alone.command(3, Command::KeepWish { name: "job".into() });
    alone.run(10);
    alone.command(4, Command::FinishWish { name: "job".into(), ended: Ok(7) });
    alone.run(2);
    let [_, kept, finished, Reply::Performed { by, code: Some(7), .. }] = &alone.replies[..] else { panic!("{:?}", alone.replies) };
    assert_eq!((kept, finished, by.as_str()), (&Reply::Kept(Span::secs(15)), &Reply::Finished, "ber1"));

    // Another run of the daemon, with the same journal.
    let mut later = Alone::start(alone.entries.clone(), alone.at, NOON);
    later.command(1, wish());
    assert!(matches!(&later.replies[..], [Reply::Performed { code: Some(7), .. }]), "{:?}", later.replies);
    later.command(2, Command::FinishWish { name: "job".into(), ended: Ok(0) });
    assert!(matches!(&later.replies[1..], [Reply::Refused(_)]), "{:?}", later.replies);
}

#[test]
fn a_program_that_says_nothing_is_taken_for_gone_and_the_next_acts() {
    let mut alone = Alone::start(vec![], 0, NOON);
    alone.run(120);
    let wish = || Command::Wish { name: "job".into(), within: Span::secs(100) };
    alone.command(1, wish());
    alone.command(2, wish());
    alone.run(14 + 20);
    assert_eq!(alone.replies, [Reply::Chosen(Span::secs(15)), Reply::Chosen(Span::secs(15))]);
    alone.command(3, Command::FinishWish { name: "job".into(), ended: Err("no such file".into()) });
    alone.run(2);
    alone.command(4, Command::Wish { name: "job".into(), within: Span::secs(5) });
    alone.run(10);
    let Some(Reply::Unsettled(why)) = alone.replies.last() else { panic!("{:?}", alone.replies) };
    assert!(why.contains("no such file"), "{why}");
}
