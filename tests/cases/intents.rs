//! Commands that one of five nodes runs: `peerwatchctl intent run`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::five::Five;
use crate::process::{Process, companion};
use crate::wait::{holds, secs, until};

/// Five calls under way; those that are left running end with the test.
struct Calls(Vec<(PathBuf, Process)>);

impl Calls {
    /// Calls `intent run` on every host at once; `script` says what the shell is to do there.
    fn start(five: &Five, key: &str, script: impl Fn(usize) -> String) -> Self {
        let call = |number: usize| {
            let host = &five.hosts[number];
            let log = host.place.dir.join(format!("{key}.log"));
            let mut command = host.command(&companion().to_string_lossy());
            command.args(["intent", "run", "--wait", "2m", key, "--"]).args(script(number).splitn(3, '|'));
            (log.clone(), Process::start(&format!("{key} on {}", host.name), &mut command, &log))
        };
        Self((0..five.hosts.len()).map(call).collect())
    }

    /// Waits for one call and returns its exit code with what it said.
    #[track_caller]
    fn ended(&mut self, number: usize) -> (Option<i32>, String) {
        let (log, process) = &mut self.0[number];
        let status = until(&format!("call {number} ends"), secs(150), || process.ended().ok_or_else(|| "it goes on".into()));
        (status.code(), fs::read_to_string(log).unwrap_or_default())
    }
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(String::from).collect()
}

#[test]
fn a_command_runs_on_one_node_and_all_end_as_it_did() {
    let Some(five) = Five::running("a_command_runs_on_one_node_and_all_end_as_it_did") else { return };
    let ran = five.services.dir.join("ran");
    let mut calls = Calls::start(&five, "job", |number| format!("sh|-c|echo n{} >> {}; sleep 2; exit 7", number + 1, ran.display()));
    let ends: Vec<_> = (0..5).map(|number| calls.ended(number)).collect();
    assert!(ends.iter().all(|(code, _)| *code == Some(7)), "{ends:?}");
    assert_eq!(lines(&ran).len(), 1, "{:?}", lines(&ran));
    let performer = five.named(&lines(&ran)[0]);
    let word = format!("job was performed by n{}: exit code 7", performer + 1);
    for (number, (_, said)) in ends.iter().enumerate() {
        assert_eq!(said.contains(&word), number != performer, "{number}: {said}");
    }
    // What was done stays done.
    let again = five.hosts[0].ctl(&["intent", "run", "--json", "job", "--", "sh", "-c", &format!("echo again >> {}", ran.display())]);
    assert_eq!((again.code, lines(&ran).len()), (Some(7), 1), "{again:?}");
    let report: serde_json::Value = serde_json::from_str(&again.err).expect("JSON");
    assert_eq!((&report["node"], &report["exit_code"]), (&lines(&ran)[0].clone().into(), &7.into()), "{again:?}");
    assert_eq!(five.hosts[0].ctl(&["intent", "run", "two words", "--", "true"]).code, Some(2));

    // Only n5 has the program: the others leave it to it.
    let mut calls = Calls::start(&five, "other", |number| if number == 4 { "true".into() } else { "/nowhere/program".into() });
    let ends: Vec<_> = (0..5).map(|number| calls.ended(number)).collect();
    assert_eq!(ends[4].0, Some(0), "{ends:?}");
    let left = |(code, said): &(Option<i32>, String)| match code {
        Some(0) => said.contains("other was performed by n5: exit code 0"),
        Some(126) => said.contains("cannot be started"),
        _ => false,
    };
    assert!(ends[..4].iter().all(left), "{ends:?}");
}

#[test]
fn a_command_whose_daemon_dies_is_ended_and_another_node_runs_it() {
    let Some(five) = Five::running("a_command_whose_daemon_dies_is_ended_and_another_node_runs_it") else { return };
    let (ran, gone) = (five.services.dir.join("ran"), five.services.dir.join("gone"));
    // The first one that runs waits to be ended; whoever comes after has done at once.
    let script = |number: usize| {
        let (name, ran, gone) = (format!("n{}", number + 1), ran.display(), gone.display());
        format!(
            "sh|-c|echo {name} >> {ran}; [ $(wc -l < {ran}) = 1 ] || exit 0; trap 'echo {name} >> {gone}; exit 9' TERM; sleep 600 & wait"
        )
    };
    let mut calls = Calls::start(&five, "long", script);
    until("somebody runs it", secs(60), || holds(lines(&ran).len() == 1, || "nobody yet".into()));
    let first = five.named(&lines(&ran)[0]);
    five.kill(first);
    let (code, said) = calls.ended(first);
    assert_eq!(code, Some(125), "{said}");
    assert_eq!(lines(&gone), [lines(&ran)[0].clone()], "the command was told to end");
    for number in (0..5).filter(|number| *number != first) {
        let (code, said) = calls.ended(number);
        assert_eq!(code, Some(0), "{number}: {said}");
    }
    assert_eq!(lines(&ran).len(), 2, "another one ran it, once: {:?}", lines(&ran));
}
