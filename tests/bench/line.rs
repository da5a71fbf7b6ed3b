//! A line of seven daemons: how long a change takes to reach the first, third and sixth neighbour, and
//! what it costs on the links.
//!
//! The change is a verdict of the first node, which alone watches a port that is opened and closed here.
//! It counts as arrived when it is committed, so it is looked for in the databases, which any number of
//! readers may read.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use peerwatch::base::key::SecretKey;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::Sizes;
use crate::clock::Stopwatch;
use crate::files::NETWORK;
use crate::fleet::Fleet;
use crate::net::Place;
use crate::table::Table;
use crate::wait::{holds, secs, steady, until};

/// Nodes in the line.
const NODES: usize = 7;

/// How far is looked.
const HOPS: [usize; 3] = [1, 3, 6];

/// Where the first node looks.
const PORT: &str = "127.0.0.9:8080";

/// How long the idle line is watched, to take its traffic off.
const IDLE: Duration = secs(10);

pub(crate) fn line(sizes: &Sizes, place: &Place, table: &mut Table) {
    let target = "\n[defaults]\ninterval = \"200ms\"\ntimeout = \"100ms\"\nconfirm = { bad = 1, good = 1 }\n\n\
                  [[target]]\nname = \"port\"\ntcp = { host = \"127.0.0.9\", port = 8080 }\nwatchers = [\"n0\"]\nquorum = \"any\"\n";
    let fleet = Fleet::new(place.clone(), NODES, |one, other| one.abs_diff(other) == 1, target);
    let mut listener = Some(TcpListener::bind(PORT).expect("a port of this namespace"));
    (0..NODES).for_each(|number| fleet.start(number));
    let author = key(&fleet);
    let mut ends = Ends::wait(&fleet, &author);
    place.meter();
    let (before, stopwatch) = (place.metered(), Stopwatch::begin());
    steady("the line is idle", IDLE, || Ok(()));
    let idle = (place.metered() - before) as f64 / stopwatch.seconds();

    let (before, stopwatch) = (place.metered(), Stopwatch::begin());
    let first = ends.seen[0];
    while ends.seen[0] < first + sizes.changes as u64 {
        listener = if listener.is_some() { None } else { Some(TcpListener::bind(PORT).expect("a port of this namespace")) };
        let now = ends.seen[0];
        ends.watch(secs(10), |seen| now < seen[0] && seen.iter().all(|end| *end == seen[0]));
    }
    let bytes = (place.metered() - before) as f64 - idle * stopwatch.seconds();
    fleet.must_run();
    for hops in HOPS {
        let mut times: Vec<f64> = ends.times(hops);
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(0.0);
        table.alone(
            &format!("propagation over {hops} hop{}", if hops == 1 { "" } else { "s" }),
            format_args!("p50 {:.1} ms, p99 {:.1} ms ({} changes)", at(0.5), at(0.99), times.len()),
        );
    }
    // On one host each byte is counted where it leaves and where it comes in.
    let changes = (ends.seen[0] - first) as f64;
    table.alone("bytes per change and link", format_args!("{:.0} B, idle traffic taken off", bytes / 2.0 / changes / (NODES - 1) as f64));
}

/// How far each database has the first node's state.
struct Ends {
    databases: Vec<Connection>,
    chains: Vec<i64>,
    seen: Vec<u64>,
    stopwatch: Stopwatch,
    /// When each entry was there, for each node.
    arrivals: Vec<BTreeMap<u64, f64>>,
}

impl Ends {
    /// Waits until all nodes have what the first has said.
    fn wait(fleet: &Fleet, author: &SecretKey) -> Self {
        let path = |number: usize| fleet.state(number).join(NETWORK).join("journal.db");
        let open = |number: usize| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path(number), flags).map_err(|error| error.to_string())?;
            connection.busy_timeout(secs(2)).map_err(|error| error.to_string())?;
            let sql = "SELECT id FROM chain WHERE author = ?1 AND lane = 0 ORDER BY opened DESC LIMIT 1";
            let id = connection.query_row(sql, [author.node().0], |row| row.get(0)).optional().map_err(|error| error.to_string())?;
            id.map(|id: i64| (connection, id)).ok_or_else(|| format!("n{number} has not heard of n0"))
        };
        let opened = until("the whole line has heard of its first node", secs(120), || {
            fleet.must_run();
            (0..fleet.len()).map(open).collect::<Result<Vec<_>, String>>()
        });
        let (databases, chains) = opened.into_iter().unzip();
        let count = fleet.len();
        let mut ends =
            Self { databases, chains, seen: vec![0; count], stopwatch: Stopwatch::begin(), arrivals: vec![BTreeMap::new(); count] };
        until("all nodes have what the first says, and it says no more", secs(120), || {
            ends.look();
            let before = ends.seen.clone();
            steady("it says no more", secs(3), || Ok(()));
            ends.look();
            holds(ends.seen == before && before.iter().all(|end| *end == before[0]), || format!("{before:?}"))
        });
        ends.arrivals = vec![BTreeMap::new(); count];
        ends
    }

    /// Looks as often as it can until something is so; who waits too long goes on without.
    fn watch(&mut self, within: Duration, mut enough: impl FnMut(&[u64]) -> bool) {
        let begin = self.stopwatch.seconds();
        while self.stopwatch.seconds() - begin < within.as_secs_f64() {
            self.look();
            if enough(&self.seen) {
                return;
            }
            crate::clock::blink();
        }
        eprintln!("  a change took longer than {} s: {:?}", within.as_secs(), self.seen);
    }

    fn look(&mut self) {
        for (number, database) in self.databases.iter().enumerate() {
            let mut statement = database.prepare_cached("SELECT max(sequence) FROM entry WHERE chain = ?1").expect("a statement");
            let end: i64 = statement.query_row([self.chains[number]], |row| row.get::<_, Option<i64>>(0)).ok().flatten().unwrap_or(0);
            let at = self.stopwatch.seconds();
            for sequence in self.seen[number] + 1..=end.cast_unsigned() {
                self.arrivals[number].insert(sequence, at);
            }
            self.seen[number] = self.seen[number].max(end.cast_unsigned());
        }
    }

    /// Milliseconds from the first node's commit to that of the one so many hops away.
    fn times(&self, hops: usize) -> Vec<f64> {
        let there = &self.arrivals[hops];
        self.arrivals[0].iter().filter_map(|(sequence, at)| Some((there.get(sequence)? - at).max(0.0) * 1000.0)).collect()
    }
}

fn key(fleet: &Fleet) -> SecretKey {
    let pem = std::fs::read_to_string(fleet.state(0).join(NETWORK).join("node.key")).expect("a key");
    SecretKey::from_pem(&pem).expect("a key in PEM")
}
