//! Keys that are revoked or retired.

use peerwatch::base::command::{Command, Reply};
use peerwatch::base::entry::Record;

use crate::net::{Net, node};

fn revoke(whom: usize) -> Command {
    Command::Revoke { node: node(whom), reason: "stolen".into(), retire: false }
}

#[test]
fn a_revoked_key_is_cut_off_everywhere() {
    let mut net = Net::new(4, 0);
    net.run(5000);
    assert_eq!(net.ask(0, revoke(3)), Reply::Revoked("n3".into()));
    net.run(2000);
    for n in 0..3 {
        assert_eq!(net.members(n).into_iter().collect::<Vec<_>>(), [0, 1, 2], "n{n}");
        assert!(!net.linked(n, 3));
    }
    let now = net.now();
    assert!(net.node(3).view(now).fault.is_some_and(|fault| fault.contains("stolen")), "it is told");
    net.link(3, 1);
    net.run(1000);
    assert!(!net.linked(3, 1), "it is not linked again");
    let heads: Vec<_> = net.heads(1).into_iter().filter(|(chain, _)| chain.author == node(3)).collect();
    assert!(!heads.is_empty(), "what it said before is history");
    net.stop(3);
    assert!(net.agree());
}

#[test]
fn only_an_admin_revokes_and_nobody_itself() {
    let mut net = Net::new(3, 0);
    net.run(2000);
    assert!(matches!(net.ask(2, revoke(1)), Reply::Refused(why) if why.contains("n0 or n1")));
    assert!(matches!(net.ask(0, revoke(0)), Reply::Refused(_)));
    assert_eq!(net.ask(0, revoke(2)), Reply::Revoked("n2".into()));
    assert!(matches!(net.ask(1, revoke(2)), Reply::Refused(why) if why.contains("stolen")), "once is enough");
}

#[test]
fn a_revoked_key_does_not_return_with_a_reload_a_restart_or_an_old_backup_of_another_node() {
    let mut net = Net::new(4, 0);
    net.run(3000);
    net.hosts[2].disk.back_up();
    net.ask(0, revoke(3));
    net.run(2000);
    net.reload(1);
    assert_eq!(net.members(1).len(), 3, "after a reload");
    net.stop(1);
    net.start(1, false);
    assert_eq!(net.members(1).len(), 3, "after a restart, before anybody is linked");
    // Node 2 forgets, and meets the revoked one first.
    net.stop(2);
    let at = net.at;
    net.hosts[2].disk.restore(at);
    net.start(2, false);
    assert_eq!(net.members(2).len(), 4);
    net.link(2, 3);
    net.run(3000);
    for other in [0, 1] {
        net.link(2, other);
        net.link(1, other * 2 % 3);
    }
    net.run(20_000);
    assert_eq!(net.members(2).len(), 3, "it has learnt it again");
    assert!(!net.linked(2, 3));
    net.stop(3);
    assert!(net.agree());
}

#[test]
fn what_a_revoked_node_wrote_later_is_nowhere_even_if_some_had_it_already() {
    let mut net = Net::new(4, 0);
    net.run(3000);
    // The admin does not see what 3 goes on to say to 2.
    for (a, b) in [(0, 3), (0, 2), (0, 1), (1, 3), (1, 2)] {
        net.unlink(a, b);
    }
    net.well = false;
    net.run(15_000);
    net.ask(0, revoke(3));
    let named: Vec<_> = net.heads(0).into_iter().filter(|(chain, _)| chain.author == node(3)).collect();
    let had: Vec<_> = net.heads(2).into_iter().filter(|(chain, _)| chain.author == node(3)).collect();
    assert!(named != had, "the other side has more of it");
    net.link(0, 2);
    net.link(0, 1);
    net.run(30_000);
    let left: Vec<_> = net.heads(2).into_iter().filter(|(chain, _)| chain.author == node(3)).collect();
    assert_eq!(left, named);
    net.stop(3);
    assert!(net.agree());
}

#[test]
fn two_admins_who_revoke_each_other_in_a_split_are_both_revoked_after_it() {
    let mut net = Net::new(4, 0);
    net.run(3000);
    for (a, b) in [(0, 1), (0, 3), (2, 1), (2, 3)] {
        net.unlink(a, b);
    }
    net.run(1000);
    net.ask(0, revoke(1));
    net.ask(1, revoke(0));
    net.run(2000);
    assert_eq!((net.members(2).len(), net.members(3).len()), (3, 3));
    net.link(2, 3);
    net.run(5000);
    for n in [2, 3] {
        assert_eq!(net.members(n).into_iter().collect::<Vec<_>>(), [2, 3]);
    }
    net.stop(0);
    net.stop(1);
    net.run(15_000);
    assert!(net.agree());
}

#[test]
fn nothing_that_a_retired_node_said_of_targets_is_believed_any_more() {
    let mut net = Net::new(4, 0);
    net.run(8000);
    assert!(net.records(1).contains("n3 Judged"));
    assert_eq!(net.ask(1, Command::Revoke { node: node(3), reason: "sold".into(), retire: true }), Reply::Revoked("n3".into()));
    net.run(15_000);
    net.stop(3);
    assert!(net.agree());
    assert_eq!(net.members(0).len(), 3);
}

#[test]
fn the_others_watch_vote_and_tell_once_a_member_is_gone() {
    let mut net = Net::new(3, 0);
    net.run(3000);
    net.ask(0, revoke(2));
    net.run(2000);
    net.well = false;
    net.until("a letter", 120, |net| !net.told().is_empty());
    net.run(30_000);
    assert_eq!(net.told().len(), 1, "{:?}", net.told());
    assert!(net.told()[0].0 != 2);
    let proofs = net.hosts[1].disk.past().proofs.len();
    assert_eq!(proofs, 1, "{:?}", Record::Proof(net.hosts[1].disk.past().proofs[0].clone()));
}
