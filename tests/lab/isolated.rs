//! Is it me? A host whose cable is pulled says so, and nobody is told of what it watches.

use std::fmt::Write as _;

use crate::host::Host;
use crate::trio::Trio;
use crate::wait::{holds, secs, steady, until};

/// What one host alone watches.
const TARGETS: usize = 500;

/// Longer than a lease (10 s here), the turns of all ranks and the looks that confirm a recovery.
const QUIET: std::time::Duration = secs(40);

#[test]
fn a_cut_uplink_is_one_letter_about_the_node_and_none_about_its_500_targets() {
    let Some(mut trio) = Trio::prepared("a_cut_uplink_is_one_letter_about_the_node_and_none_about_its_500_targets") else { return };
    for number in 0..TARGETS {
        let _ = write!(
            trio.definition.more,
            "\n[[target]]\nname = \"edge-{number}\"\nicmp = {{ host = \"{}\", count = 1 }}\ninterval = \"5s\"\n\
             confirm = {{ bad = 2 }}\nwatchers = [\"a\"]\nquorum = \"any\"\n",
            trio.services.v4
        );
    }
    trio.write_definitions();
    trio.mailbox.open();
    trio.begin();
    trio.all_well();
    isolated(&trio.a, false);

    trio.lab.unplug("a");
    isolated(&trio.a, true);
    until("the others tell that a is gone", secs(120), || holds(subjects(&trio).len() == 1, || format!("{:?}", subjects(&trio))));
    assert!(subjects(&trio)[0].starts_with("[DOWN] node:a "), "{:?}", subjects(&trio));
    // Long enough for all 500 to be looked at in vain several times over.
    steady("nothing else is told", QUIET, || holds(subjects(&trio).len() == 1, || format!("{:?}", subjects(&trio))));
    let status = trio.a.ctl(&["status"]).out;
    assert!(status.contains("a is isolated"), "{status}");

    trio.lab.plug("a");
    isolated(&trio.a, false);
    until("they tell that a is back", secs(120), || holds(subjects(&trio).len() == 2, || format!("{:?}", subjects(&trio))));
    assert!(subjects(&trio)[1].starts_with("[UP] node:a "), "{:?}", subjects(&trio));
    steady("no flood follows", QUIET, || holds(subjects(&trio).len() == 2, || format!("{:?}", subjects(&trio))));
    let records = Trio::agreed(&trio.hosts());
    assert_eq!(records.incidents.keys().collect::<Vec<_>>(), ["node:a#1"], "no other incident was ever written");
    let bad: Vec<_> = records.standings.iter().filter(|(_, standing)| *standing != "up").collect();
    assert!(TARGETS < records.standings.len() && bad.is_empty(), "{bad:?}");
}

/// Waits until a host says so of itself, on its page and on the bus.
#[track_caller]
fn isolated(host: &Host, wanted: bool) {
    until(&format!("{} says whether it is isolated: {wanted}", host.name), secs(60), || {
        let picture = host.picture()?;
        holds(picture.0["isolated"] == wanted, || format!("{}", picture.0["isolated"]))?;
        let status = host.ctl_json(&["status", "--json"])?;
        holds(status.to_string().contains(&format!("\"isolated\":{wanted}")), || status.to_string())
    });
}

fn subjects(trio: &Trio) -> Vec<String> {
    trio.mailbox.mails().iter().map(|mail| mail.header("Subject").to_owned()).collect()
}
