//! What happened, line by line, and the stories that have a name.

/// The lines of one run. Two runs of one seed must be equal to the byte.
#[derive(Debug)]
pub struct Story {
    hasher: blake3::Hasher,
    print: bool,
    lines: u64,
}

impl Story {
    /// With `print` it is told while it happens.
    pub fn new(print: bool) -> Self {
        Self { hasher: blake3::Hasher::new(), print, lines: 0 }
    }

    /// Adds a line: when, who, what.
    pub fn tell(&mut self, at: u64, who: &str, what: impl FnOnce() -> String) {
        let line = format!("{:>6}.{:03} {who} {}\n", at / 1000, at % 1000, what());
        if self.print {
            print!("{line}");
        }
        self.hasher.update(line.as_bytes());
        self.lines += 1;
    }

    /// Tells something that is only of interest to who reads along.
    pub fn whisper(&self, at: u64, who: &str, what: impl FnOnce() -> String) {
        if self.print {
            println!("{:>6}.{:03} {who} {}", at / 1000, at % 1000, what());
        }
    }

    /// The sum of all lines.
    pub fn sum(&self) -> String {
        format!("{} lines, {}", self.lines, self.hasher.finalize().to_hex())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::{Expect, expect};
    use peerwatch::base::id::TargetId;
    use peerwatch::base::target::{Target, Watchers};
    use peerwatch::base::time::Span;

    use super::*;
    use crate::cluster::Cluster;
    use crate::options::{Feature, Options, name};
    use crate::plan::{Fault, Health, How, Mood, Outage, Plan, Seam};
    use crate::quiet::Hush;

    /// Everybody starts and lives on; the target is down from the first minute on for as long.
    fn plan(options: &Options) -> Plan {
        Plan {
            outages: vec![outage(60, 120)],
            calm: 300_000,
            survivors: (0..options.nodes).collect(),
            starts: vec![0; options.nodes],
            ..Plan::default()
        }
    }

    fn outage(from: u64, until: u64) -> Outage {
        Outage { target: 0, kind: Health::Down, from: from * 1000, until: Some(until * 1000) }
    }

    /// A fault at a time in seconds.
    fn at(second: u64, fault: Fault) -> (u64, Fault) {
        (second * 1000, fault)
    }

    fn stop(host: usize, how: How, away: u64) -> Fault {
        Fault::Stop { host, seam: Seam::BeforeCommit, how, away: away * 1000 }
    }

    /// Runs a story with all checks; the letters must be these. When they were sent, in seconds.
    fn check(options: Options, plan: Plan, letters: &Expect) -> Vec<u64> {
        let mut cluster = Cluster::new(options, plan, None, 0, Story::new(std::env::var("TELL").is_ok()));
        let figures = cluster.run();
        assert!(figures.is_ok(), "{:?}", figures.unwrap_err());
        let line = |taken: &crate::world::Taken| {
            let items: Vec<String> = taken.items.iter().map(|(incident, phase)| format!("{incident} {phase}")).collect();
            format!("{} {} {}\n", name(taken.host), items.join(", "), &taken.message[..6])
        };
        letters.assert_eq(&cluster.world.taken.iter().map(line).collect::<String>());
        cluster.world.taken.iter().map(|taken| taken.began / 1000).collect()
    }

    #[test]
    fn an_outage_is_one_letter_and_its_end_another() {
        let options = Options::plain(3);
        let plan = plan(&options);
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn a_teller_that_dies_before_its_receipt_is_replaced_and_the_letter_is_the_same() {
        let options = Options::plain(3);
        let faults = (0..3).map(|host| at(1, Fault::Mail { host, mood: Mood::Deadly, lasts: 90_000 })).collect();
        let plan = Plan { faults, ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
                b t0#1 down ddf40f
                a t0#1 down ddf40f
                b t0#1 down ddf40f
                b t0#1 up 065e61
            "#]],
        );
    }

    #[test]
    fn each_side_of_a_split_tells_and_healing_repeats_nothing() {
        let options = Options::plain(4);
        let split = Fault::Split { side: BTreeSet::from([0, 1]), lasts: 150_000 };
        let plan = Plan { faults: vec![at(20, split)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
                b node:c#1 down, node:d#1 down d9d860
                d node:a#1 down, node:b#1 down c4f30e
                b t0#1 down ddf40f
                d t0#1 down ddf40f
                b t0#1 up 065e61
                d t0#1 up 065e61
                d node:b#1 up, node:d#1 up 9a7ab3
                d node:a#1 up, node:c#1 up 6b74aa
            "#]],
        );
    }

    #[test]
    fn a_target_that_is_down_when_a_split_heals_is_not_said_to_be_up() {
        let options = Options::plain(2);
        let split = Fault::Split { side: BTreeSet::from([0]), lasts: 100_000 };
        let plan = Plan { faults: vec![at(20, split)], outages: vec![outage(50, 200)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
                b node:a#1 down, t0#1 down 60adca
                a node:b#1 down, t0#1 down c729dd
                b node:a#1 up, node:b#1 up 4fcaa3
                b t0#1 up 065e61
            "#]],
        );
    }

    #[test]
    fn settings_that_are_loaded_while_a_letter_is_on_its_way_send_no_second_one() {
        let options = Options::plain(3);
        let faults = (0..3).map(|host| at(1, Fault::Mail { host, mood: Mood::Kind, lasts: 200_000 })).collect();
        let plan = Plan { faults, first_errand: Some(|host| Fault::Reload { host }), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn a_receipt_waits_until_the_disk_has_room() {
        let options = Options::plain(3);
        let plan = Plan { first_errand: Some(|host| Fault::Full { host, lasts: 10_000 }), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn a_teller_that_cannot_write_its_receipt_within_its_lease_is_replaced() {
        let options = Options::plain(3);
        let plan = Plan { first_errand: Some(|host| Fault::Full { host, lasts: 40_000 }), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            a t0#1 down ddf40f
            a t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn a_life_whose_first_entry_cannot_be_written_does_not_go_on_with_the_old_one() {
        let options = Options::plain(2);
        let faults = vec![at(50, stop(0, How::Unproved, 10)), at(56, Fault::Full { host: 0, lasts: 30_000 })];
        let plan = Plan { faults, ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn a_hub_that_only_observes_is_no_obstacle() {
        let mut options = Options::plain(4);
        options.edges.retain(|(a, _)| *a == 0);
        options.observers.insert(0);
        options.mailers.remove(&0);
        let plan = plan(&options);
        check(
            options,
            plan,
            &expect![[r#"
            d t0#1 down ddf40f
            d t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn what_was_over_before_the_only_teller_came_back_is_told() {
        let mut options = Options::plain(3);
        options.mailers = BTreeSet::from([1]);
        let plan = Plan { faults: vec![at(40, stop(1, How::Power, 120))], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b node:b#1 down, t0#1 down c729dd
            b node:b#1 up, t0#1 up ddb8b4
        "#]],
        );
    }

    #[test]
    fn a_daemon_that_was_restarted_is_heard_at_once() {
        let options = Options::plain(2);
        let faults = vec![at(200, stop(1, How::Daemon, 3))];
        let plan = Plan { faults, outages: Vec::new(), ..plan(&options) };
        check(options, plan, &expect![[""]]);
    }

    #[test]
    fn a_life_that_nobody_wrote_down_does_not_silence_the_next() {
        let options = Options::plain(3);
        // Host 2 begins anew and is heard, but nobody can take what it writes; then it loses its disk.
        let mut faults = vec![at(30, stop(2, How::Unproved, 1))];
        faults.extend((0..2).map(|host| at(25, Fault::Full { host, lasts: 30_000 })));
        faults.push(at(45, stop(2, How::Wipe, 1)));
        let plan = Plan { faults, outages: Vec::new(), ..plan(&options) };
        check(options, plan, &expect![[""]]);
    }

    #[test]
    fn a_watcher_that_cannot_look_is_replaced() {
        let mut options = Options::plain(3);
        options.targets[0].watchers = Watchers::Count(1);
        let faults = (0..2).map(|host| at(20, Fault::Unable { host, target: 0, lasts: 200_000 })).collect();
        let plan = Plan { faults, ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    /// Only the first host watches the target.
    fn watched_by_one(nodes: usize) -> Options {
        let mut options = Options::plain(nodes);
        options.features.insert(Feature::Reference);
        options.targets[0].watchers = Watchers::Named(vec![options.node(0)]);
        options
    }

    #[test]
    fn who_is_cut_off_tells_nothing_of_what_it_watches_and_only_its_absence_is_told() {
        let options = watched_by_one(3);
        let plan = Plan { faults: vec![at(60, Fault::Cable { host: 0, lasts: 150_000 })], outages: Vec::new(), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b node:a#1 down 7c5e2b
            b node:a#1 up 893f96
        "#]],
        );
    }

    #[test]
    fn without_references_who_is_cut_off_speaks_since_it_cannot_know() {
        let mut options = watched_by_one(3);
        options.features.clear();
        let plan = Plan { faults: vec![at(60, Fault::Cable { host: 0, lasts: 150_000 })], outages: Vec::new(), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b node:a#1 down 7c5e2b
            b node:a#1 up, node:b#1 down, node:c#1 down, t0#1 down 4d2b47
            b node:b#1 up, node:c#1 up, t0#1 up 08a1b3
        "#]],
        );
    }

    #[test]
    fn what_fell_while_a_host_was_cut_off_is_told_when_it_has_looked_again() {
        let options = watched_by_one(3);
        let faults = vec![at(60, Fault::Cable { host: 0, lasts: 150_000 })];
        let plan = Plan { faults, outages: vec![outage(100, 280)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b node:a#1 down 7c5e2b
            a t0#1 down ddf40f
            b node:a#1 up 893f96
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn who_lost_its_links_and_reaches_its_references_speaks() {
        let options = watched_by_one(3);
        let split = Fault::Split { side: BTreeSet::from([0]), lasts: 150_000 };
        let plan = Plan { faults: vec![at(20, split)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b node:a#1 down 7c5e2b
            a node:b#1 down, node:c#1 down, t0#1 down db588f
            a t0#1 up 065e61
            b node:a#1 up, node:b#1 up, node:c#1 up f45304
        "#]],
        );
    }

    #[test]
    fn of_two_nodes_the_survivor_tells_that_the_other_is_gone() {
        let mut options = watched_by_one(2);
        options.targets[0].watchers = Watchers::All;
        let plan = Plan { faults: vec![at(50, stop(1, How::Power, 120))], outages: Vec::new(), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            a node:b#1 down 437dbf
            a node:b#1 up 37477d
        "#]],
        );
    }

    #[test]
    fn an_old_backup_forks_nothing_and_forgets_nothing_that_others_know() {
        let options = Options::plain(3);
        let faults = vec![at(30, Fault::BackUp { host: 0 }), at(100, stop(0, How::Backup, 5))];
        let plan = Plan { faults, ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    fn hush(host: usize, hush: Hush) -> Fault {
        Fault::Hush { host, hush }
    }

    #[test]
    fn what_is_silenced_on_one_host_is_told_by_none_until_the_silence_ends() {
        let options = Options::plain(3);
        // It is down from the first minute to the sixth, and silent from before until the third.
        let plan = Plan {
            outages: vec![outage(60, 280)],
            faults: vec![at(50, hush(0, Hush::Silence { target: 0, seconds: 120 }))],
            ..plan(&options)
        };
        let began = check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
        assert!(began.iter().all(|second| 170 <= *second), "{began:?}");
    }

    #[test]
    fn an_outage_within_a_silence_is_told_by_nobody() {
        let options = Options::plain(3);
        let plan = Plan { faults: vec![at(50, hush(0, Hush::Silence { target: 0, seconds: 120 }))], ..plan(&options) };
        check(options, plan, &expect![[""]]);
    }

    #[test]
    fn a_silence_whose_author_dies_is_ended_by_the_others() {
        let options = Options::plain(3);
        let silence = at(50, hush(0, Hush::Silence { target: 0, seconds: 100 }));
        let plan = Plan { outages: vec![outage(60, 280)], faults: vec![silence, at(70, stop(0, How::Power, 200))], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b node:a#1 down 7c5e2b
            b t0#1 down ddf40f
            b node:a#1 up 893f96
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn the_end_of_what_was_told_is_told_in_a_silence() {
        let options = Options::plain(3);
        let plan = Plan { faults: vec![at(90, hush(1, Hush::Silence { target: 0, seconds: 120 }))], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn reminders_come_once_each_and_farther_and_farther_apart() {
        let options = Options { remind: Some(Span::secs(20)), ..Options::plain(3) };
        let plan = Plan { outages: vec![outage(60, 290)], ..plan(&options) };
        let seconds = check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 down+1 c982b1
            b t0#1 down+2 95c194
            b t0#1 down+3 1d3458
            b t0#1 up 065e61
        "#]],
        );
        let pauses: Vec<u64> = seconds.windows(2).map(|pair| (pair[1] - pair[0]) / 10 * 10).collect();
        assert_eq!(pauses[..3], [20, 40, 80], "{seconds:?}");
    }

    #[test]
    fn what_one_host_acknowledges_is_reminded_of_by_none() {
        let options = Options { remind: Some(Span::secs(20)), ..Options::plain(3) };
        let plan =
            Plan { outages: vec![outage(60, 290)], faults: vec![at(110, hush(0, Hush::Acknowledge { target: 0 }))], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b t0#1 down+1 c982b1
            b t0#1 up 065e61
        "#]],
        );
    }

    /// Two targets, the first of which depends on the second.
    fn family() -> Options {
        let mut options = Options::plain(3);
        let parent = Target { id: TargetId("router".into()), ..options.targets[0].clone() };
        options.targets[0].depends = vec![parent.id.clone()];
        options.targets.push(parent);
        options
    }

    fn parent(from: u64, until: u64) -> Outage {
        Outage { target: 1, ..outage(from, until) }
    }

    #[test]
    fn a_child_is_not_told_while_its_parent_is_bad_even_if_that_is_found_later() {
        let options = family();
        let plan = Plan { outages: vec![outage(60, 150), parent(64, 146)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b router#1 down 794cdb
            b router#1 up 9a5642
        "#]],
        );
    }

    #[test]
    fn a_child_that_is_still_bad_when_its_parent_is_well_again_is_told_once() {
        let options = family();
        let plan = Plan { outages: vec![outage(60, 250), parent(60, 120)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b router#1 down 794cdb
            b router#1 up 9a5642
            b t0#1 down ddf40f
            b t0#1 up 065e61
        "#]],
        );
    }

    #[test]
    fn a_child_alone_is_told_and_its_end_also_while_its_parent_is_bad() {
        let options = family();
        let plan = Plan { outages: vec![outage(60, 180), parent(150, 250)], ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            b t0#1 down ddf40f
            b router#1 down 794cdb
            b t0#1 up 065e61
            b router#1 up 9a5642
        "#]],
        );
    }

    #[test]
    fn who_is_left_alone_tells_of_everything() {
        let options = Options::plain(4);
        let outages = vec![Outage { target: 0, kind: Health::Down, from: 110_000, until: None }];
        let plan = Plan { outages, calm: 112_000, survivors: BTreeSet::from([2]), ..plan(&options) };
        check(
            options,
            plan,
            &expect![[r#"
            c node:a#1 down, node:b#1 down, node:d#1 down, t0#1 down c39377
            c t0#1 up 065e61
        "#]],
        );
    }
}
