//! A member who does harm: what it says is refused or contained, and the others go on undisturbed.
//!
//! How much memory a node takes is told by the length of its debug form, which shows everything that it holds.

use peerwatch::base::entry::{Entry, EntryFault, Header};
use peerwatch::base::fact::{Closed, Counted, Fact, Judged, Opened, Rollup};
use peerwatch::base::id::{ChainId, EntryHash, Incarnation, IncidentId, Lane, NetworkId, TargetId};
use peerwatch::base::limits;
use peerwatch::base::note::Note;
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::time::Wall;
use peerwatch::base::wire::{self, Answer, Ask, Head, Heads, Heartbeat, Message, Signed};

use crate::net::{Net, key, network, node};
use crate::puppet::{Puppet, head, unknown};

/// Three honest nodes and one who does harm, linked to the first of them.
fn net() -> (Net, Puppet) {
    let mut net = Net::new(3, 1);
    net.run(5000);
    let mut puppet = Puppet::new(3, 5);
    puppet.greet(&mut net, 0);
    (net, puppet)
}

fn size(net: &mut Net, n: usize) -> usize {
    format!("{:?}", net.node(n)).len()
}

/// The shop fails, and one mail leaves, as if nobody did any harm.
fn still_tells(mut net: Net) {
    let before = net.told().len();
    net.well = false;
    net.until("a letter", 90, |net| before < net.told().len());
    net.run(15_000);
    assert_eq!(net.told().len(), before + 1, "{:?}", net.told());
    net.until("agreement", 30, Net::agree);
}

fn notes(net: &Net, n: usize) -> usize {
    net.hosts[n].notes.iter().filter(|note| matches!(note, Note::Refused { .. } | Note::Contradiction { .. })).count()
}

#[test]
fn an_entry_that_its_author_did_not_sign_or_of_another_network_costs_the_link_and_nothing_else() {
    let honest = |net: &Net| net.hosts[0].disk.entries(true).unwrap()[0].bytes().to_vec();
    let other_network = |puppet: &Puppet| {
        let header = Header {
            network: NetworkId::of("other"),
            chain: puppet.chain(Lane::State),
            sequence: 1,
            previous: EntryHash([0; 32]),
            lamport: 9,
            wall: Wall(0),
        };
        Entry::seal(&key(3), header, unknown(1)).bytes().to_vec()
    };
    for forged in [false, true] {
        let (mut net, puppet) = net();
        let mut bytes = if forged { honest(&net) } else { other_network(&puppet) };
        if forged {
            // Another Lamport number under the same signature.
            bytes[130] ^= 1;
        }
        let fault = Entry::open(network(), &bytes).unwrap_err();
        assert_eq!(fault, if forged { EntryFault::Forged } else { EntryFault::Stranger });
        net.send_frame(3, 0, wire::entries_frame([bytes.as_slice()].into_iter()));
        net.run(200);
        assert!(!net.linked(3, 0));
        assert!(net.heads(0).keys().all(|chain| chain.author != node(3)));
        still_tells(net);
    }
}

#[test]
fn replayed_entries_change_nothing_and_cost_little() {
    let (mut net, _) = net();
    let entries = net.hosts[0].disk.entries(true).unwrap();
    let (records, before) = (net.records(0), size(&mut net, 0));
    for _ in 0..100 {
        for entries in entries.chunks(200) {
            net.say(3, 0, &Message::Entries(entries.to_vec()));
        }
    }
    net.run(100);
    assert_eq!((net.records(0), net.hosts[0].rereads), (records, 0));
    assert!(size(&mut net, 0) < before + before / 4);
    still_tells(net);
}

#[test]
fn gaps_wrong_hashes_and_entries_out_of_order_are_not_taken_and_answered_at_a_bounded_rate() {
    let (mut net, mut puppet) = net();
    let first = puppet.open();
    let (second, third) = (puppet.write(Lane::State, unknown(1)), puppet.write(Lane::State, unknown(2)));
    let wrong = puppet.forge(Lane::State, 2, EntryHash([7; 32]), unknown(3));
    let chain = puppet.chain(Lane::State);
    net.say(3, 0, &Message::Entries(vec![third.clone()]));
    net.run(3000);
    assert_eq!(net.heads(0).get(&chain), None, "a gap");
    net.say(3, 0, &Message::Entries(vec![first]));
    net.say(3, 0, &Message::Entries(vec![wrong]));
    net.run(3000);
    assert_eq!(net.heads(0).get(&chain), Some(&1), "not what it follows");
    let before = net.hosts[3].heard.len();
    for _ in 0..2000 {
        net.say(3, 0, &Message::Entries(vec![third.clone()]));
    }
    net.run(1000);
    assert!(net.hosts[3].heard.len() - before < 30, "{}", net.hosts[3].heard.len() - before);
    net.say(3, 0, &Message::Entries(vec![second, third]));
    net.run(3000);
    assert_eq!(net.heads(2).get(&chain), Some(&3), "in order it is taken, and passed on");
    still_tells(net);
}

#[test]
fn counts_that_are_not_there_are_refused_before_anything_is_made_room_for() {
    // Arrays that claim four billion places, in each message that has arrays.
    let huge = [0x9a, 0xff, 0xff, 0xff, 0xff];
    for (kind, body) in [(3u8, vec![0x83, 0x00, 0xf4]), (12, vec![0x82, 0xf5])] {
        let frame = [vec![kind], body, huge.to_vec()].concat();
        assert!(Message::decode(network(), &frame).is_err(), "{kind}");
    }
    let mut facts = Puppet::new(3, 5).open().bytes().to_vec();
    let count = 1 + 32 + 32 + 24 + 1 + 8 + 32 + 8 + 8;
    facts[count..count + 2].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(Entry::open(network(), &facts), Err(EntryFault::Torn));
    let heads = vec![head(&Puppet::new(3, 5).open()); limits::HEADS + 1];
    let frame = Message::Heads(Heads { complete: 0, again: false, heads });
    // Longer than a frame may be, whatever is in it.
    assert!(std::panic::catch_unwind(|| frame.encode()).is_err() || Message::decode(network(), &frame.encode()[4..]).is_err());
}

#[test]
fn a_multitude_of_tiny_chains_is_taken_up_to_a_bound_and_costs_the_others_nothing() {
    let (mut net, _) = net();
    let chains = limits::CHAINS + 500;
    let first = |n: usize| {
        let mut puppet = Puppet::new(3, 5 + n as u64);
        puppet.open()
    };
    let entries: Vec<Entry> = (0..chains).map(first).collect();
    for entries in entries.chunks(200) {
        net.say(3, 0, &Message::Entries(entries.to_vec()));
    }
    net.run(20_000);
    for n in 0..3 {
        let of_puppet = net.heads(n).keys().filter(|chain| chain.author == node(3)).count();
        assert_eq!(of_puppet, limits::CHAINS, "n{n}");
    }
    assert!(net.hosts[0].notes.iter().any(|note| matches!(note, Note::Refused { reason, .. } if reason.contains("too many incarnations"))));
    still_tells(net);
}

#[test]
fn claims_of_chains_without_end_are_not_remembered() {
    let (mut net, _) = net();
    let before = size(&mut net, 0);
    let claim = |n: u64| {
        let incarnation = Incarnation { opened: n, nonce: [9; 16] };
        Head { chain: ChainId { author: node(3), incarnation, lane: Lane::State }, sequence: u64::MAX, hash: EntryHash([1; 32]), base: 0 }
    };
    for round in 0..25u64 {
        let heads = (0..8000).map(|n| claim(round * 8000 + n)).collect();
        net.say(3, 0, &Message::Heads(Heads { complete: 0, again: false, heads }));
        net.run(100);
    }
    let grown = size(&mut net, 0) - before;
    assert!(grown < limits::CHAINS * 2000, "{grown} bytes for 200,000 claims");
    still_tells(net);
}

#[test]
fn contradictory_heads_make_a_node_show_what_it_has_only_now_and_then() {
    let (mut net, _) = net();
    let heads: Vec<Head> = net.node(0).heads().copied().collect();
    let before = net.hosts[3].received;
    for n in 0..2000u32 {
        let lie = |head: &Head| Head { hash: EntryHash([u8::try_from(n % 251).unwrap(); 32]), ..*head };
        net.say(3, 0, &Message::Heads(Heads { complete: 0, again: false, heads: heads.iter().map(lie).collect() }));
        if n % 100 == 0 {
            net.run(100);
        }
    }
    net.run(1000);
    let sent = net.hosts[3].received - before;
    let all: usize = net.hosts[0].disk.entries(true).unwrap().iter().map(|entry| entry.bytes().len()).sum();
    assert!(sent < 4 * all + 100_000, "{sent} bytes, where all there is takes {all}");
    assert!(notes(&net, 0) < 60);
    assert_eq!(net.hosts[0].rereads, 0, "claims alone cut nothing");
    still_tells(net);
}

#[test]
fn a_lamport_number_of_the_far_future_does_not_use_up_the_numbers() {
    let (mut net, mut puppet) = net();
    let open = puppet.open();
    puppet.lamport = (1 << 62) - 1;
    let far = puppet.write(Lane::State, unknown(1));
    net.say(3, 0, &Message::Entries(vec![open, far]));
    net.run(5000);
    assert_eq!(net.heads(0).get(&puppet.chain(Lane::State)), Some(&1));
    assert!(net.hosts[0].notes.iter().any(|note| matches!(note, Note::Refused { reason, .. } if reason.contains("Lamport"))));
    still_tells(net);
}

#[test]
fn clocks_of_another_century_are_read_and_believed_by_nobody() {
    let (mut net, mut puppet) = net();
    let target = TargetId("shop".into());
    let incident = IncidentId { target: target.clone(), number: 1 };
    let moments = [i64::MIN, -1, 0, i64::MAX];
    let mut entries = vec![puppet.open()];
    for at in moments {
        let judged = Judged {
            target: target.clone(),
            verdict: Verdict::Down,
            since: at,
            detail: "?".into(),
            time: None,
            loss: None,
            last_good: Some(at),
        };
        entries.push(puppet.write(Lane::State, vec![Fact::Judged(judged)]));
        let (standing, votes, reason) = (Standing::Down, vec![], "?".to_owned());
        let opened = Opened {
            incident: incident.clone(),
            standing,
            votes,
            since: at,
            reason,
            seen: 0,
            enrolled: 0,
            channels: vec![],
            flapping: None,
        };
        let event = puppet.write(Lane::Events, vec![Fact::Opened(opened)]);
        let closed = Closed { incident: incident.clone(), covers: vec![event.hash], at, lasted: u64::MAX, standing: Standing::Up };
        entries.extend([event, puppet.write(Lane::Events, vec![Fact::Closed(closed)])]);
        let column = || vec![u32::MAX];
        let rollup = Rollup {
            from: at,
            length: u64::MAX,
            targets: vec![target.clone()],
            looks: column(),
            good: column(),
            sent: column(),
            received: column(),
            least: column(),
            mean: column(),
            most: column(),
        };
        entries.push(puppet.write(Lane::Minutes, vec![Fact::Rollup(rollup)]));
    }
    net.say(3, 0, &Message::Entries(entries));
    let heartbeat = |wall, counter| Heartbeat {
        author: node(3),
        incarnation: puppet.life,
        counter,
        voting: true,
        isolated: false,
        said: 0,
        wall,
        other: None,
    };
    for (n, wall) in (1..).zip(moments) {
        net.say(3, 0, &Message::Heartbeat(Signed::seal(&key(3), network(), heartbeat(wall, u64::MAX - 10 + n))));
    }
    net.run(2000);
    let now = net.now();
    for n in 0..3 {
        let view = net.node(n).view(now);
        assert!(!view.incidents.is_empty());
        for incident in view.incidents.iter() {
            let _ = format!("{incident:?}");
        }
    }
    net.run(60_000);
    assert!(net.agree());
}

#[test]
fn no_number_of_an_incident_is_the_last() {
    let (mut net, mut puppet) = net();
    let (standing, votes, reason) = (Standing::Down, vec![], String::new());
    let incident = |number| IncidentId { target: TargetId("shop".into()), number };
    let opened = |number| Opened {
        incident: incident(number),
        standing,
        votes: votes.clone(),
        since: 0,
        reason: reason.clone(),
        seen: 0,
        enrolled: 0,
        channels: vec!["ops".into()],
        flapping: None,
    };
    let last = puppet.write(Lane::Events, vec![Fact::Opened(opened(u32::MAX))]);
    let closed = Closed { incident: incident(u32::MAX), covers: vec![last.hash], at: 0, lasted: 0, standing: Standing::Up };
    let after = puppet.write(Lane::Events, vec![Fact::Closed(closed), Fact::Opened(opened(u32::MAX - 1))]);
    let state = puppet.open();
    let counted = puppet.write(Lane::State, vec![Fact::Counted(Counted { target: TargetId("shop".into()), number: u32::MAX })]);
    net.say(3, 0, &Message::Entries(vec![state, counted, last, after]));
    net.run(5000);
    assert_eq!(net.told().len(), 0, "{:?}", net.told());
    assert!(net.open_incidents(1).iter().all(|incident| !incident.contains("shop")), "{:?}", net.open_incidents(1));
    net.well = false;
    net.until("it is told", 90, |net| net.told().len() == 1);
    net.well = true;
    net.until("its end is told", 90, |net| net.told().len() == 2);
    net.run(60_000);
    net.well = false;
    net.until("and the next time too", 200, |net| net.told().len() == 3);
    net.run(30_000);
    assert!(net.agree());
}

#[test]
fn heartbeats_asks_and_answers_without_end_are_passed_on_at_a_bounded_rate() {
    let (mut net, mut puppet) = net();
    let (before, heard) = (size(&mut net, 0), net.hosts[1].received);
    let asker = |number: u64| Ask {
        author: node(3),
        incarnation: Incarnation { opened: number, nonce: [0; 16] },
        number,
        within: 5000,
        host: "192.0.2.1".into(),
        count: 20,
        goal: None,
    };
    let answer = |number: u64| Answer {
        author: node(3),
        asker: node(1),
        incarnation: Incarnation { opened: number, nonce: [0; 16] },
        number,
        sent: 1,
        received: 1,
        times: None,
        detail: "x".repeat(limits::DETAIL),
        path: vec![],
    };
    for n in 0..3000u64 {
        let beat = puppet.beat(&net);
        net.say(3, 0, &beat);
        net.say(3, 0, &Message::Ask(Signed::seal(&key(3), network(), asker(n))));
        net.say(3, 0, &Message::Answer(Signed::seal(&key(3), network(), answer(n))));
        if n % 300 == 0 {
            net.run(100);
        }
    }
    net.run(100);
    let passed = net.hosts[1].received - heard;
    assert!(passed < 400_000, "{passed} bytes were passed on");
    assert!(size(&mut net, 0) < before + 400_000);
    net.run(limits::REQUEST_TIME.0 * 3);
    assert!(size(&mut net, 0) < before * 2, "and forgotten later");
    still_tells(net);
}

#[test]
fn proofs_of_nothing_and_forks_without_end_are_contained() {
    let (mut net, mut puppet) = net();
    let mut chain = vec![puppet.open()];
    chain.extend((0..400).map(|_| puppet.write(Lane::Events, unknown(1))));
    for entries in chain.chunks(200) {
        net.say(3, 0, &Message::Entries(entries.to_vec()));
    }
    net.run(2000);
    let (before, rereads) = (size(&mut net, 0), net.hosts[0].rereads);
    // Entries that prove nothing.
    for entries in chain.chunks(200).cycle().take(200) {
        net.say(3, 0, &Message::Proofs(entries.to_vec()));
    }
    net.run(100);
    assert_eq!(net.hosts[0].rereads, rereads);
    // Its own chain forks lower and lower, each a proof.
    let events: Vec<&Entry> = chain.iter().filter(|entry| entry.header.chain.lane == Lane::Events).collect();
    for entry in events.iter().rev() {
        let other = puppet.forge(Lane::Events, entry.header.sequence, entry.header.previous, unknown(2));
        net.say(3, 0, &Message::Proofs(vec![(*entry).clone(), other]));
        net.run(100);
    }
    let read = net.hosts[0].rereads - rereads;
    assert!((1..20).contains(&read), "{read} times in 40 s");
    assert!(size(&mut net, 0) < before * 2);
    // Forks of chains that nobody has.
    for n in 0..200u8 {
        let mut other = Puppet::new(3, 1000 + u64::from(n));
        other.lamport += 1;
        let pair = [1, 2].map(|body| other.forge(Lane::Days, 1, EntryHash([0; 32]), unknown(body)));
        net.say(3, 0, &Message::Proofs(pair.to_vec()));
        net.run(1000);
    }
    assert!(net.hosts[0].disk.past().proofs.len() < 300);
    net.run(30_000);
    still_tells(net);
}

#[test]
fn one_who_says_that_it_has_everything_and_sends_nothing_does_not_hold_up_the_others() {
    let (mut net, puppet) = net();
    for n in [1, 2] {
        if !net.linked(3, n) {
            net.link(3, n);
        }
    }
    net.run(100);
    for n in 0..3 {
        let heads = net.node(n).heads().map(|head| Head { sequence: head.sequence + 1000, ..*head }).collect();
        net.say(3, n, &Message::Heads(Heads { complete: u64::MAX, again: false, heads }));
        let beat = Puppet::new(puppet.number, 6).beat(&net);
        net.say(3, n, &beat);
    }
    net.run(1000);
    still_tells(net);
}
