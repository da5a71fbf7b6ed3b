//! What goes, what is said again first, and what stays.

use super::*;
use crate::base::entry::Header;
use crate::base::fact::{Acknowledged, Done, Executing, Opened, Silenced, Unsilenced};
use crate::base::id::{ChainId, NetworkId};
use crate::base::key::SecretKey;

const DAY: u64 = 86_400_000;

/// A node's events, written one a day, and what everybody knows of incidents.
struct Scene {
    ledger: Ledger,
    survey: Survey,
    written: Vec<Entry>,
    at: Mono,
}

fn life(opened: u64) -> Incarnation {
    Incarnation { opened, nonce: [0; 16] }
}

fn id(number: u32) -> IncidentId {
    IncidentId { target: TargetId("t".into()), number }
}

fn opened(number: u32) -> Fact {
    let incident = id(number);
    Fact::Opened(Opened {
        incident,
        standing: Standing::Down,
        votes: vec![],
        since: 0,
        reason: String::new(),
        seen: 1,
        enrolled: 1,
        channels: vec![],
        flapping: None,
    })
}

fn closed(number: u32, covers: &[EntryHash]) -> Fact {
    Fact::Closed(Closed { incident: id(number), covers: covers.to_vec(), at: 0, lasted: 0, standing: Standing::Up })
}

fn done(ballot: u8, keys: Vec<IntentKey>, covers: &[EntryHash]) -> Fact {
    let ballot = EntryHash([ballot; 32]);
    let (detail, message) = (String::new(), String::new());
    Fact::Done(Done { ballot, keys, success: true, detail, message, refused: vec![], covers: covers.to_vec(), after: None })
}

const EVER: Wall = Wall(i64::MAX);
const ALL: Reach = Reach { before: EVER, again: EVER, most: 1000, lives: None };

impl Scene {
    fn new() -> Self {
        Self { ledger: Ledger::new(Mono(0)), survey: Survey::default(), written: Vec::new(), at: Mono(0) }
    }

    /// Writes one fact of one's own. An opening is known to everybody at once.
    fn write_in(&mut self, incarnation: Incarnation, fact: Fact) -> EntryHash {
        let key = SecretKey::from_bytes(&[1; 32]);
        let chain = ChainId { author: key.node(), incarnation, lane: Lane::Events };
        let sequence = 1 + self.written.iter().filter(|entry| entry.header.chain == chain).count() as u64;
        let wall = Wall((self.written.len() as u64 * DAY).cast_signed());
        let header = Header { network: NetworkId::of("home"), chain, sequence, previous: EntryHash([0; 32]), lamport: 1, wall };
        let entry = Entry::seal(&key, header, vec![fact]);
        if let Fact::Opened(opened) = &entry.facts[0] {
            self.survey.openings.insert(entry.hash, (opened.incident.clone(), true));
        }
        self.ledger.note(&entry);
        self.written.push(entry.clone());
        entry.hash
    }

    fn write(&mut self, fact: Fact) -> EntryHash {
        self.write_in(life(1), fact)
    }

    /// Somebody else opens an incident.
    fn foreign(&mut self, number: u32) -> EntryHash {
        let entry = EntryHash([u8::try_from(100 + number).unwrap(); 32]);
        self.survey.openings.insert(entry, (id(number), false));
        entry
    }

    /// A look, and the bases that it raises taken.
    fn look(&mut self, reach: Reach) -> (Vec<u64>, Vec<Fact>) {
        self.at = self.at + limits::AGE_EVERY;
        let Some(findings) = self.ledger.look(self.at, reach, self.survey.clone()) else { return (vec![], vec![]) };
        for mark in &findings.bases {
            let gone = |entry: &&Entry| (entry.header.chain.incarnation, entry.header.sequence) <= (mark.incarnation, mark.sequence);
            for entry in self.written.iter().filter(gone) {
                self.survey.openings.remove(&entry.hash);
                self.survey.open.remove(&entry.hash);
            }
            self.ledger.rise(mark.incarnation, mark.sequence);
        }
        (findings.bases.iter().map(|mark| mark.sequence).collect(), findings.again)
    }
}

#[test]
fn an_incident_of_ones_own_goes_with_its_receipt_and_its_end() {
    let mut scene = Scene::new();
    let entry = scene.write(opened(1));
    scene.write(done(1, vec![], &[entry]));
    scene.write(closed(1, &[entry]));
    assert_eq!(scene.look(ALL), (vec![], vec![]), "the first look only remembers");
    let findings = scene.ledger.look(scene.at, ALL, scene.survey.clone()).unwrap();
    assert_eq!(findings.counts, BTreeMap::from([(TargetId("t".into()), 1)]));
    assert_eq!(findings.bases.iter().map(|mark| mark.sequence).collect::<Vec<_>>(), [3]);
    assert_eq!(findings.bases[0].hash, scene.written[2].hash);
}

#[test]
fn only_what_is_old_goes_and_only_a_part_of_it() {
    let mut scene = Scene::new();
    (1..=10).for_each(|number| {
        scene.write(opened(number));
    });
    scene.look(ALL);
    let reach = Reach { before: Wall((4 * DAY).cast_signed()), ..ALL };
    assert_eq!(scene.look(Reach { most: 3, ..reach }).0, [3]);
    assert_eq!(scene.look(reach).0, [4]);
    assert!(scene.look(reach).0.is_empty());
}

#[test]
fn an_end_outlasts_the_openings_of_others_and_the_look_after() {
    for fact in [|entry: EntryHash| closed(1, &[entry]), |entry| done(1, vec![], &[entry])] {
        let mut scene = Scene::new();
        let entry = scene.foreign(1);
        scene.write(fact(entry));
        scene.write(opened(2));
        scene.look(ALL);
        // It is not lost, but said again, and the first may go when that is known.
        let (bases, again) = scene.look(ALL);
        assert_eq!((bases, again.len()), (vec![], 1));
        scene.write(again[0].clone());
        let old = Reach { before: Wall((2 * DAY).cast_signed()), ..ALL };
        assert_eq!(scene.look(old), (vec![], vec![]), "it was just said");
        assert_eq!(scene.look(old), (vec![2], vec![]));
        // Once the opening is gone, and has been for a while, so is all that was said of it.
        scene.survey.openings.clear();
        assert_eq!(scene.look(ALL), (vec![], vec![]), "others may hear of it later");
        assert_eq!(scene.look(ALL), (vec![3], vec![]));
    }
}

#[test]
fn what_others_will_soon_let_go_of_is_awaited() {
    let mut scene = Scene::new();
    let entry = scene.foreign(1);
    scene.write(closed(1, &[entry]));
    scene.look(ALL);
    assert_eq!(scene.look(Reach { again: Wall(0), ..ALL }), (vec![], vec![]));
    assert_eq!(scene.look(Reach { again: Wall(1), ..ALL }).1.len(), 1);
}

#[test]
fn a_receipt_belongs_to_its_incident_by_its_keys_too() {
    let mut scene = Scene::new();
    let key = IntentKey([5; 32]);
    scene.foreign(1);
    scene.survey.keys.insert(key, id(1));
    scene.write(done(1, vec![key], &[]));
    scene.look(ALL);
    assert_eq!(scene.look(ALL).1.len(), 1);
}

#[test]
fn what_is_open_is_said_again_with_its_receipt() {
    let mut scene = Scene::new();
    let entry = scene.write(opened(1));
    scene.survey.open.insert(entry);
    scene.write(done(1, vec![], &[entry]));
    scene.look(ALL);
    let (bases, again) = scene.look(ALL);
    assert!(bases.is_empty() && matches!(&again[..], [Fact::Opened(_)]), "the receipt goes with the opening: {again:?}");
    let later = scene.write(again[0].clone());
    scene.survey.open.insert(later);
    // The receipt would be lost while the incident is open by the word that was just said.
    let old = Reach { before: Wall((2 * DAY).cast_signed()), ..ALL };
    let (bases, again) = scene.look(old);
    assert!(bases.is_empty() && matches!(&again[..], [Fact::Done(_)]), "{again:?}");
    scene.write(again[0].clone());
    scene.look(old);
    assert_eq!(scene.look(old).0, [2]);
}

#[test]
fn lives_go_in_their_order() {
    let mut scene = Scene::new();
    let entry = scene.foreign(1);
    scene.write_in(life(1), closed(1, &[entry]));
    scene.write_in(life(2), opened(2));
    scene.look(ALL);
    let (bases, again) = scene.look(ALL);
    assert_eq!((bases, again.len()), (vec![], 1), "nothing of the second before the first is gone");
    scene.write_in(life(2), again[0].clone());
    let old = Reach { before: Wall((2 * DAY).cast_signed()), ..ALL };
    scene.look(old);
    assert_eq!(scene.look(Reach { lives: Some(life(2)), ..old }).0, [1]);
    assert_eq!((scene.look(old).0, scene.ledger.count()), (vec![1], 1));
}

#[test]
fn votes_that_hold_until_somebody_settles_them_stay() {
    let mut scene = Scene::new();
    let key = IntentKey([5; 32]);
    let executing = Executing { ballot: EntryHash([1; 32]), keys: vec![key], message: String::new(), absent: vec![] };
    scene.write(Fact::Executing(executing));
    scene.survey.unsettled.insert(key);
    scene.look(ALL);
    assert_eq!(scene.look(ALL), (vec![], vec![]));
    scene.survey.unsettled.clear();
    assert_eq!(scene.look(ALL).0, [1]);
}

#[test]
fn looks_are_rare_and_sooner_when_something_was_said_again() {
    let mut scene = Scene::new();
    assert!(!scene.ledger.is_due(Mono(0)) && scene.ledger.is_due(Mono(limits::AGE_FIRST.0)));
    let entry = scene.foreign(1);
    scene.write(closed(1, &[entry]));
    scene.look(ALL);
    scene.look(ALL);
    assert!(scene.ledger.is_due(scene.at + limits::AGE_FIRST), "the rest of the way");
    scene.survey.openings.clear();
    scene.look(ALL);
    assert!(!scene.ledger.is_due(scene.at + limits::AGE_FIRST));
}

#[test]
fn what_people_said_about_being_told_outlives_what_it_is_about() {
    let acknowledged =
        |number| Fact::Acknowledged(Acknowledged { incident: id(number), at: 0, person: String::new(), reason: String::new() });
    let mut scene = Scene::new();
    let other = scene.foreign(1);
    scene.write(acknowledged(1));
    scene.look(ALL);
    assert_eq!(scene.look(ALL), (vec![], vec![acknowledged(1)]), "its incident is in force: it is said again");
    scene.write(acknowledged(1));
    scene.look(ALL);
    assert_eq!(scene.look(Reach { most: 1, ..ALL }).0, [1]);
    scene.survey.openings.remove(&other);
    scene.look(ALL);
    assert_eq!(scene.look(ALL), (vec![2], vec![]));
}

#[test]
fn a_silence_holds_until_its_end_and_its_end_as_long_as_anybody_knows_its_beginning() {
    let silence = || {
        let (targets, groups) = (vec!["*".into()], vec![]);
        Fact::Silenced(Silenced { id: 7, targets, groups, at: 0, lasts: 60_000, person: String::new(), reason: String::new() })
    };
    let end = || Fact::Unsilenced(Unsilenced { id: 7, at: 0, early: false, person: String::new() });
    let mut scene = Scene::new();
    scene.write(silence());
    scene.survey.silences.insert(7, true);
    scene.look(ALL);
    assert_eq!(scene.look(ALL), (vec![], vec![silence()]), "it holds: it is said again");
    scene.survey.silences.insert(7, false);
    assert_eq!(scene.look(ALL), (vec![1], vec![]), "it is over");

    let mut scene = Scene::new();
    scene.write(end());
    scene.survey.silences.insert(7, false);
    scene.look(ALL);
    assert_eq!(scene.look(ALL), (vec![], vec![end()]), "without its end it would begin anew");
    scene.survey.silences.remove(&7);
    assert_eq!(scene.look(ALL), (vec![], vec![end()]), "others may not have let go of it yet");
    assert_eq!(scene.look(ALL), (vec![1], vec![]));
}
