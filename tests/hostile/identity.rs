//! Forks, lost lives, old backups and keys that live twice.

use peerwatch::base::entry::Entry;
use peerwatch::base::fact::Fact;
use peerwatch::base::id::Lane;
use peerwatch::base::note::Note;
use peerwatch::base::wire::{Heads, Message};

use crate::net::{Net, node};
use crate::puppet::{Puppet, head, unknown};

/// Two branches of one chain, the same up to `common`, and `more` entries after it.
fn branches(common: usize, more: usize) -> (Vec<Entry>, [Vec<Entry>; 2]) {
    let mut puppet = Puppet::new(3, 5);
    let mut stem = vec![puppet.open()];
    stem.extend((1..common).map(|_| puppet.write(Lane::State, unknown(0))));
    let branch = |n: u8| {
        let mut one = Puppet::new(3, 5);
        one.after(stem.last().unwrap());
        (0..more).map(|_| one.write(Lane::State, unknown(n))).collect()
    };
    let two = [branch(1), branch(2)];
    (stem, two)
}

fn end_of_forked(net: &Net, n: usize) -> u64 {
    let heads = net.heads(n);
    heads.iter().find(|(chain, _)| chain.author == node(3)).map_or(0, |(_, head)| *head)
}

/// Gives each of two nodes one branch while they are not linked.
fn fork(net: &mut Net, common: usize, more: usize) {
    let (stem, two) = branches(common, more);
    let mut puppet = Puppet::new(3, 5);
    for (to, branch) in [0, 1].into_iter().zip(two) {
        puppet.greet(net, to);
        for entries in [stem.clone(), branch].concat().chunks(200) {
            net.say(3, to, &Message::Entries(entries.to_vec()));
        }
        net.run(100);
        net.unlink(3, to);
    }
    net.run(100);
}

#[test]
fn a_fork_is_found_and_all_cut_the_same() {
    for (common, more) in [(4, 1), (4, 3), (1, 7)] {
        let mut net = Net::new(3, 1);
        net.unlink(0, 1);
        net.unlink(0, 2);
        fork(&mut net, common, more);
        assert_eq!((end_of_forked(&net, 0), end_of_forked(&net, 1)), ((common + more) as u64, (common + more) as u64));
        net.link(0, 1);
        net.until("all cut the same", 60, |net| (0..3).all(|n| end_of_forked(net, n) == common as u64) && net.agree());
        assert!(net.hosts[2].notes.iter().any(|note| matches!(note, Note::Forked { .. })), "also who saw only one branch");
        net.run(20_000);
        assert!(net.agree());
    }
}

#[test]
fn a_fork_long_ago_is_found_in_few_steps() {
    let mut net = Net::new(2, 2);
    net.unlink(0, 1);
    fork(&mut net, 3, 1500);
    net.link(0, 1);
    net.until("both cut where it forked", 120, |net| (0..2).all(|n| end_of_forked(net, n) == 3));
    assert!(net.hosts[0].rereads < 16, "{}", net.hosts[0].rereads);
    net.run(15_000);
    assert!(net.agree());
}

#[test]
fn branches_of_different_length_are_compared_too() {
    let mut net = Net::new(2, 2);
    net.unlink(0, 1);
    fork(&mut net, 3, 4);
    // One of them learns more of its branch.
    let (stem, [branch, _]) = branches(3, 9);
    let mut puppet = Puppet::new(3, 5);
    puppet.greet(&mut net, 0);
    net.say(3, 0, &Message::Entries([stem, branch].concat()));
    net.run(100);
    net.unlink(3, 0);
    assert_eq!((end_of_forked(&net, 0), end_of_forked(&net, 1)), (12, 7));
    net.link(0, 1);
    net.until("both cut where it forked", 60, |net| (0..2).all(|n| end_of_forked(net, n) == 3));
}

#[test]
fn a_cut_chain_stays_cut_after_a_restart_and_for_newcomers() {
    let mut net = Net::new(2, 2);
    net.unlink(0, 1);
    fork(&mut net, 4, 2);
    net.link(0, 1);
    net.until("both cut", 60, |net| (0..2).all(|n| end_of_forked(net, n) == 4));
    net.stop(1);
    net.start(1, false);
    assert_eq!(end_of_forked(&net, 1), 4);
    net.start(2, true);
    net.link(2, 0);
    net.link(1, 0);
    net.until("the newcomer has it too", 60, |net| end_of_forked(net, 2) == 4 && net.agree());
    // The author goes on with one branch: nobody takes it any more.
    let (_, [branch, _]) = branches(4, 2);
    let mut puppet = Puppet::new(3, 5);
    puppet.greet(&mut net, 2);
    net.say(3, 2, &Message::Entries(branch));
    net.run(1000);
    assert_eq!(end_of_forked(&net, 2), 4);
}

#[test]
fn the_owner_of_a_fork_goes_on_in_a_new_life_and_says_its_state_again() {
    let mut net = Net::new(3, 1);
    net.run(8000);
    let before = net.node(2).incarnation();
    // Somebody with node 2's key writes at a place of its present life that node 2 has written too.
    let theirs = net.hosts[2].disk.entries(true).unwrap();
    let first = theirs.iter().find(|entry| entry.header.chain.author == node(2) && entry.header.chain.lane == Lane::State).unwrap().clone();
    let mut thief = Puppet::new(2, 0);
    thief.after(&first);
    let forged = thief.write(Lane::State, unknown(7));
    let mut puppet = Puppet::new(3, 5);
    puppet.greet(&mut net, 0);
    net.say(3, 0, &Message::Entries(vec![forged]));
    net.until("another life", 60, |net| before < net.hosts[2].node.as_ref().unwrap().incarnation());
    net.run(20_000);
    assert!(net.agree());
    assert!(net.records(0).contains("n2 Judged"), "its verdicts were said again");
    assert_eq!(net.hosts[2].stopped, None);
    let cut = net.heads(0).into_iter().find(|(chain, _)| chain.author == node(2) && chain.lane == Lane::State).unwrap();
    assert_eq!(cut.1, 1);
}

#[test]
fn what_was_told_before_a_fork_is_not_told_again() {
    let mut net = Net::new(3, 1);
    net.run(8000);
    net.well = false;
    net.until("a letter", 120, |net| !net.told().is_empty());
    net.run(5000);
    assert_eq!(net.told().len(), 1);
    let teller = net.told()[0].0;
    // The teller's events fork at their very beginning, so its receipt is cut away.
    let of_teller = |entry: &&Entry| entry.header.chain.author == node(teller) && entry.header.chain.lane == Lane::Events;
    let first = net.hosts[teller].disk.entries(true).unwrap().iter().find(of_teller).unwrap().clone();
    let mut thief = Puppet::new(teller, 0);
    thief.life = first.header.chain.incarnation;
    thief.lamport = first.header.lamport;
    let forged = thief.forge(Lane::Events, 1, first.header.previous, unknown(9));
    let mut puppet = Puppet::new(3, 5);
    puppet.greet(&mut net, (teller + 1) % 3);
    net.say(3, (teller + 1) % 3, &Message::Proofs(vec![first, forged]));
    net.run(60_000);
    assert!(net.hosts[0].rereads > 0 && net.agree());
    assert_eq!(net.told().len(), 1, "{:?}", net.told());
    net.well = true;
    net.until("its end", 120, |net| net.told().len() == 2);
    net.run(30_000);
    assert_eq!(net.told().len(), 2, "{:?}", net.told());
}

#[test]
fn a_receipt_that_was_cut_away_is_said_again_by_others_if_its_author_is_gone() {
    let mut net = Net::new(3, 1);
    net.run(8000);
    net.well = false;
    net.until("a letter", 120, |net| !net.told().is_empty());
    net.run(5000);
    let teller = net.told()[0].0;
    let of_teller = |entry: &&Entry| entry.header.chain.author == node(teller) && entry.header.chain.lane == Lane::Events;
    let first = net.hosts[teller].disk.entries(true).unwrap().iter().find(of_teller).unwrap().clone();
    net.stop(teller);
    net.run(40_000);
    let mut thief = Puppet::new(teller, 0);
    thief.life = first.header.chain.incarnation;
    let forged = thief.forge(Lane::Events, 1, first.header.previous, unknown(9));
    let mut puppet = Puppet::new(3, 5);
    let other = (teller + 1) % 3;
    puppet.greet(&mut net, other);
    net.say(3, other, &Message::Proofs(vec![first, forged]));
    net.run(60_000);
    assert_eq!(net.told().len(), 1, "{:?}", net.told());
    let letter = net.letters.iter().find(|(_, _, subject)| subject.contains("shop")).unwrap().1.clone();
    let done = |entry: &Entry| entry.facts.iter().any(|fact| matches!(fact, Fact::Done(done) if done.message == letter));
    let again = net.hosts[other].disk.entries(true).unwrap().iter().filter(|entry| done(entry)).count();
    assert_eq!(again, 1, "one of them said it again");
}

#[test]
fn an_old_backup_gets_its_own_entries_back_before_it_opens_a_life_above_them() {
    let mut net = Net::new(3, 0);
    net.run(5000);
    net.hosts[2].disk.back_up();
    // Two lives that the backup does not know.
    net.well = false;
    net.run(20_000);
    net.stop(2);
    net.start(2, false);
    net.link(2, 0);
    net.run(20_000);
    let lost = net.node(2).incarnation();
    net.stop(2);
    let at = net.at;
    net.hosts[2].disk.restore(at);
    net.start(2, false);
    net.link(2, 0);
    net.link(2, 1);
    net.run(20_000);
    let lives: std::collections::BTreeSet<_> =
        net.heads(2).into_keys().filter(|chain| chain.author == node(2)).map(|chain| chain.incarnation).collect();
    assert!(lost < net.node(2).incarnation() && lives.contains(&lost));
    assert_eq!(lives.len(), 3, "one new life, not two: {lives:?}");
    net.run(10_000);
    assert!(net.agree());
}

#[test]
fn a_node_that_waits_for_nobody_opens_its_life_all_the_same() {
    let mut net = Net::new(3, 0);
    net.run(5000);
    net.stop(2);
    let before = net.heads(0).len();
    net.start(2, false);
    net.run(14_000);
    assert_eq!(net.heads(2).len(), before, "it still waits");
    net.run(2000);
    assert!(before < net.heads(2).len());
}

#[test]
fn a_lost_life_that_turns_up_later_never_wins() {
    let mut net = Net::new(3, 1);
    net.run(5000);
    // Node 2's disk is set back, and nobody that it meets knows of the life that was lost.
    let mut lost = Puppet::new(2, 1_000_000);
    let entries = vec![lost.open(), lost.write(Lane::State, unknown(1))];
    let beat = lost.beat(&net);
    let mut puppet = Puppet::new(3, 5);
    puppet.greet(&mut net, 0);
    net.say(3, 0, &Message::Heads(Heads { complete: 0, again: false, heads: vec![head(&entries[1])] }));
    net.say(3, 0, &beat);
    net.say(3, 0, &Message::Entries(entries));
    net.until("another life", 30, |net| lost.life < net.hosts[2].node.as_ref().unwrap().incarnation());
    for _ in 0..20 {
        net.say(3, 0, &beat);
        net.run(1000);
    }
    assert_eq!(net.hosts[2].stopped, None, "nobody lives that life");
    assert!(net.agree() && net.records(0).contains("n2 Judged"));
    let now = net.now();
    let seen = net.node(0).view(now);
    let presence = seen.nodes.iter().find(|node| node.name == "n2").unwrap().presence;
    assert_eq!(presence, peerwatch::base::view::Presence::Alive);
}

#[test]
fn of_two_that_live_with_one_key_the_older_stops() {
    let mut net = Net::new(4, 0);
    net.run(5000);
    // A clone of node 3: the same key, the same disk, in a place of its own.
    let clone = net.clone_of(3);
    net.hosts.push(clone);
    net.start(4, false);
    net.unlink(3, 1);
    net.link(4, 1);
    net.run(60_000);
    let stopped: Vec<usize> = [3, 4].into_iter().filter(|n| net.hosts[*n].stopped.is_some()).collect();
    assert_eq!(stopped.len(), 1, "one of them, not both");
    assert_eq!(stopped, [3], "the older");
    assert!(net.hosts[3].stopped.as_ref().unwrap().contains("cloned"));
    net.run(40_000);
    assert!(net.agree());
}

#[test]
fn a_running_machine_that_was_copied_with_its_memory_forks_and_one_of_the_two_stops() {
    let mut net = Net::new(4, 0);
    net.run(5000);
    let clone = net.clone_of(3);
    net.hosts.push(clone);
    net.go_on(4);
    net.unlink(3, 1);
    net.unlink(3, 2);
    net.link(4, 1);
    net.well = false;
    net.run(120_000);
    let stopped: Vec<usize> = [3, 4].into_iter().filter(|n| net.hosts[*n].stopped.is_some()).collect();
    assert_eq!(stopped.len(), 1, "one of them, not both");
    net.run(60_000);
    assert!(net.agree());
}
