//! What people and programs see: tables, JSON and pages of a running network.

use nix::sys::signal::Signal;

use crate::files::Definition;
use crate::picture::{Picture, rows};
use crate::process::{Process, companion};
use crate::trio::Trio;
use crate::wait::{holds, secs, until};

#[test]
fn a_ping_has_a_row_for_each_vantage_point() {
    let Some(trio) = Trio::running("a_ping_has_a_row_for_each_vantage_point") else { return };
    let said = trio.b.ctl(&["ping", &trio.services.v4]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for node in ["a", "b", "c"] {
        let row = said.out.lines().find(|line| line.split_whitespace().next() == Some(node));
        assert!(row.is_some_and(|row| row.contains("ms")), "a row for {node}:\n{}", said.out);
    }
    let said = trio.b.ctl_json(&["ping", "--json", &trio.services.v6]).unwrap();
    let answers = rows(&said, "answers");
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert!(answers.iter().all(|row| row["answered"] == true && 0 < row["received"].as_u64().unwrap_or(0)), "{answers:?}");

    // Who does not answer has a row too.
    trio.c.signal(Signal::SIGSTOP);
    let said = trio.b.ctl_json(&["ping", "--json", &trio.services.v4]);
    trio.c.signal(Signal::SIGCONT);
    let answers = rows(&said.unwrap(), "answers");
    let silent = answers.iter().find(|row| row["node"] == "c").cloned().unwrap_or_default();
    assert_eq!(silent["answered"], false, "{answers:?}");
}

#[test]
fn tables_and_json_tell_the_same() {
    let Some(trio) = Trio::running("tables_and_json_tell_the_same") else { return };
    trio.gate.stop();
    Trio::shown(&trio.a, "gate", "down");
    until("the incident is listed", secs(30), || {
        let listed = trio.a.ctl_json(&["incidents", "--json"])?;
        holds(rows(&listed, "incidents").iter().any(|row| row["id"] == "gate#1"), || format!("{listed}"))
    });
    let table = |verb: &str| {
        let said = trio.a.ctl(&[verb]);
        assert!(matches!(said.code, Some(0 | 1)), "{said:?}");
        assert!(!said.out.contains('\u{1b}'), "no colour where nobody looks: {}", said.out);
        said.out
    };
    let nodes = trio.a.ctl_json(&["nodes", "--json"]).unwrap();
    assert_eq!(rows(&nodes, "nodes").len(), 3, "{nodes}");
    for node in rows(&nodes, "nodes") {
        assert!(table("nodes").contains(node["name"].as_str().expect("a name")), "{node}");
    }
    let targets = trio.a.ctl_json(&["targets", "--json"]).unwrap();
    let shown = table("targets");
    for target in Definition::TARGETS {
        let row = rows(&targets, "targets").into_iter().find(|row| row["name"] == target).unwrap_or_default();
        let line = shown.lines().find(|line| line.contains(target)).unwrap_or_default();
        assert!(line.contains(row["standing"].as_str().expect("a standing")), "{target}: {row}\n{shown}");
    }
    assert!(table("incidents").contains("gate#1"));
    assert!(table("status").contains("down"));
}

#[test]
fn every_node_shows_the_whole_network_on_its_page() {
    let Some(trio) = Trio::running("every_node_shows_the_whole_network_on_its_page") else { return };
    for host in trio.hosts() {
        let page = host.page("/").unwrap();
        assert!(page.contains("<html"), "{page}");
        for name in ["a", "b", "c"].iter().chain(Definition::TARGETS.iter()) {
            assert!(page.contains(&format!(">{name}<")) || page.contains(&format!(">{name} ")), "{name} is on the page of {}", host.name);
        }
        let picture = Picture::read(&host.page("/api/v1/state").unwrap()).unwrap();
        assert_eq!(picture.0["me"], host.name.as_str());
        for node in ["a", "b", "c"] {
            assert_eq!(picture.node(node)["name"], node);
        }
        for target in Definition::TARGETS {
            assert_eq!(picture.target(target)["standing"], "up", "{target}");
        }
        for target in ["router", "shop"] {
            let verdicts: Vec<String> = ["a", "b", "c"].iter().map(|watcher| picture.verdict(target, watcher)).collect();
            assert_eq!(verdicts, ["up", "up", "up"], "all watchers of {target}, on {}", host.name);
        }
    }
    // The page is reachable from another host only because its file says so.
    let url = format!("http://[{}]:9631/api/v1/state", trio.b.place.v6);
    let said = trio.a.place.run("curl", &["--silent", "--fail", "--globoff", "--max-time", "5", &url]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn the_stream_tells_of_changes() {
    let Some(trio) = Trio::running("the_stream_tells_of_changes") else { return };
    let mut command = trio.c.place.command("curl");
    command.args(["--silent", "--no-buffer", "--max-time", "60", "http://127.0.0.1:9631/api/v1/stream"]);
    let log = trio.c.place.dir.join("stream.log");
    let stream = Process::start("curl", &mut command, &log);
    let heard = || std::fs::read_to_string(&log).unwrap_or_default();
    until("the stream begins", secs(10), || holds(!heard().is_empty(), || "nothing came".into()));
    let begin = heard().len();
    trio.corner.stop();
    until("the change is heard", secs(40), || {
        let text = heard();
        holds(text.get(begin..).is_some_and(|new| new.lines().any(|line| line.starts_with("data:"))), || text.clone())
    });
    drop(stream);
}

#[test]
fn the_companion_watches_changes_as_they_come() {
    let Some(trio) = Trio::running("the_companion_watches_changes_as_they_come") else { return };
    let log = trio.b.place.dir.join("watch.log");
    let watch = Process::start("peerwatchctl watch", trio.b.command(&companion().to_string_lossy()).args(["watch", "--json"]), &log);
    let heard = || std::fs::read_to_string(&log).unwrap_or_default();
    // It may still be connecting when the first change comes, so there are more until it is heard.
    let mut open = true;
    until("a change of the corner is heard", secs(80), || {
        let change = if open { "down" } else { "up" };
        if trio.b.picture()?.target("corner")["standing"] != change {
            if open {
                trio.corner.stop();
            } else {
                trio.corner.start();
            }
            Trio::shown(&trio.b, "corner", change);
        }
        open = !open;
        holds(heard().lines().any(|line| line.contains("\"corner\"")), heard)
    });
    for line in heard().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("each line is JSON ({error}): {line}"));
    }
    drop(watch);
}
