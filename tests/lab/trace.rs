//! The way over a line of three, the journal as a file, and what nodes see of each other.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::host::Host;
use crate::trio::Trio;
use crate::wait::{holds, secs, until};

#[test]
fn over_a_line_of_three_a_trace_shows_both_hops() {
    let Some(trio) = Trio::running("over_a_line_of_three_a_trace_shows_both_hops") else { return };
    trio.a.place.cut(&trio.c.place);
    for (from, to) in [(&trio.a, "c"), (&trio.c, "a")] {
        until(&format!("{} goes over b", from.name), secs(60), || {
            let trace = from.ctl_json(&["trace", to, "--json"])?;
            holds(nodes(&trace) == ["b", to], || format!("{trace}"))
        });
        let trace = from.ctl_json(&["trace", to, "--json"]).unwrap();
        let times: Vec<f64> = trace["hops"].as_array().expect("hops").iter().filter_map(|hop| hop["rtt_seconds"].as_f64()).collect();
        assert!(times.len() == 2 && times.iter().all(|time| 0.0 < *time), "each hop has its time: {trace}");
    }
    let said = trio.a.ctl(&["trace", "c"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out.lines().count(), 4, "a table of two hops and how long it took:\n{}", said.out);

    // The middle goes: there is no way any more.
    trio.a.place.cut(&trio.b.place);
    until("a finds no way to c", secs(60), || {
        let trace = trio.a.ctl_json(&["trace", "c", "--json", "--timeout", "1s"])?;
        holds(trace["found"] == false, || format!("{trace}"))
    });
    assert_eq!(trio.a.ctl(&["trace", "c", "--timeout", "1s"]).code, Some(1));
    assert_eq!(trio.a.ctl(&["trace", "nobody"]).code, Some(1));
    trio.a.place.mend();
}

#[test]
fn the_journal_is_checked_measured_copied_and_compacted_while_it_is_in_use() {
    let Some(trio) = Trio::running("the_journal_is_checked_measured_copied_and_compacted_while_it_is_in_use") else { return };
    let host = &trio.a;
    let found = host.ctl_json(&["journal", "verify", "--json"]).unwrap();
    assert_eq!((&found["faults"], found["chains"].as_u64() >= Some(3)), (&serde_json::json!([]), true), "{found}");
    let stats = host.ctl_json(&["journal", "stats", "--json"]).unwrap();
    assert!(0 < stats["entries"].as_u64().unwrap_or(0) && 0 < stats["file_bytes"].as_u64().unwrap_or(0), "{stats}");

    // The daemon may run where it cannot write there; the caller's file is open already.
    let folder = host.place.dir.join("backups");
    fs::create_dir(&folder).unwrap();
    let copy = folder.join("copy.db");
    let name = copy.to_string_lossy().into_owned();
    let said = host.ctl(&["journal", "backup", &name]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&copy).unwrap().get(..16), Some(&b"SQLite format 3\0"[..]));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
    assert_eq!(host.ctl(&["journal", "backup", &name]).code, Some(1), "what is there stays");
    assert_eq!(host.ctl(&["journal", "backup", &name, "--force"]).code, Some(0));
    assert_eq!(host.ctl(&["journal", "compact"]).code, Some(0));
    Trio::agreed(&trio.hosts());
}

#[test]
fn nodes_know_each_others_clocks_and_what_they_lack() {
    let Some(trio) = Trio::running("nodes_know_each_others_clocks_and_what_they_lack") else { return };
    for host in trio.hosts() {
        until(&format!("{} has measured its links", host.name), secs(60), || measured(host));
    }
    let said = trio.b.ctl(&["nodes", "--verbose"]);
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 4), "{said:?}");
    let said = trio.b.ctl(&["nodes", "a"]);
    assert!(said.code == Some(0) && said.out.contains("LINK TO"), "{said:?}");
}

/// Whether a host knows all about both of its links, and nobody lacks anything.
fn measured(host: &Host) -> Result<(), String> {
    let picture = host.picture()?;
    for other in ["a", "b", "c"].into_iter().filter(|other| *other != host.name) {
        let node = picture.node(other);
        holds(node["clock_measured"] == true && node["clock_offset_seconds"].is_f64(), || format!("the clock of {other}: {node}"))?;
        let links = picture.node(&host.name)["links"].as_array().cloned().unwrap_or_default();
        let link = links.into_iter().find(|link| link["peer"] == other).unwrap_or_default();
        let figures = ["sent_bytes", "received_bytes"].iter().all(|name| link[name].as_u64() > Some(0));
        let level = link["peer_lacks_entries"] == 0 && link["lacks_entries"] == 0;
        holds(figures && level, || format!("the link to {other}: {link}"))?;
    }
    Ok(())
}

/// The nodes on a way.
fn nodes(trace: &serde_json::Value) -> Vec<String> {
    let hops = trace["hops"].as_array().cloned().unwrap_or_default();
    hops.iter().map(|hop| hop["node"].as_str().unwrap_or_default().to_owned()).collect()
}
