//! Figures of an idle mesh, and of one change of mind. Bounds are loose: they catch a fault, not a trend.

use std::io::Write as _;

use crate::host::Host;
use crate::trio::Trio;
use crate::wait::{holds, secs, steady, timed, until};

/// How long the idle mesh is watched.
const WATCHED: std::time::Duration = secs(10);

/// How often a watcher changes its mind and back.
const ROUNDS: u32 = 4;

#[test]
fn an_idle_mesh_costs_little() {
    let Some(trio) = Trio::running("an_idle_mesh_costs_little") else { return };
    trio.all_vote();
    Trio::agreed(&trio.hosts());
    for host in trio.hosts() {
        host.place.meter();
    }
    let idle = trio.hosts().map(|host| (host.processor_ticks(), host.place.metered()));
    let look = || {
        trio.hosts().into_iter().for_each(Host::must_run);
        Ok(())
    };
    let ((), passed) = timed(|| steady("all stay alive", WATCHED, look));
    let seconds = passed.as_secs_f64();
    let mut rates = Vec::new();
    for (host, (ticks, bytes)) in trio.hosts().iter().zip(idle) {
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (cpu, rate) = ((host.processor_ticks() - ticks) as f64 / seconds, (host.place.metered() - bytes) as f64 / seconds);
        let resident = host.resident_kib();
        figure(&format!(
            "idle node {}: {cpu:.1} % of one core, {resident} KiB resident, {rate:.0} B/s on its links (3 nodes, 5 targets each second)",
            host.name
        ));
        assert!(cpu < 30.0, "{cpu} % for nothing");
        assert!(resident < 100 * 1024, "{resident} KiB for nothing");
        rates.push(rate);
    }

    // One watcher of three changes its mind, so there is no incident and no vote. Several times, since
    // heartbeats come in steps of seconds and must be taken off.
    let before = trio.hosts().map(|host| host.place.metered());
    let ((), passed) = timed(|| {
        for _ in 0..ROUNDS {
            trio.b.place.block(&trio.services, 81);
            all_show(&trio, "down");
            trio.b.place.mend();
            all_show(&trio, "up");
        }
        trio.b.place.block(&trio.services, 81);
        all_show(&trio, "down");
    });
    let mut total = 0.0;
    for ((host, before), rate) in trio.hosts().iter().zip(before).zip(&rates) {
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let bytes = (host.place.metered() - before) as f64;
        total += bytes - rate * passed.as_secs_f64();
    }
    // Each byte was counted where it was sent and where it came in.
    let each = total / 2.0 / f64::from(2 * ROUNDS + 1);
    figure(&format!("one verdict change: about {each:.0} B on all links of three nodes together, idle traffic taken off"));
    assert!(each < 16.0 * 1024.0, "{each} B for one change");
    let picture = trio.a.picture().unwrap();
    assert_eq!(picture.target("gate")["standing"], "up", "one of three is no majority");
    assert_eq!(picture.target("gate")["partial"], true, "and is shown");
    trio.b.place.mend();
}

/// Waits until every node shows what `b` says of the gate.
fn all_show(trio: &Trio, verdict: &str) {
    for host in trio.hosts() {
        until(&format!("{} shows that b says {verdict}", host.name), secs(30), || {
            let picture = host.picture()?;
            holds(picture.verdict("gate", "b") == verdict, || format!("{}", picture.target("gate")))
        });
    }
}

/// Prints a figure so that it is seen although the test passes.
fn figure(text: &str) {
    let _ = writeln!(std::io::stderr(), "FIGURE: {text}");
}
