//! Four of the real cases with a pair of Prometheus Alertmanagers beside: `cargo bench --locked --bench alertmanager`,
//! with `-- pair a` only that side and that case.
//!
//! Both sides get the same outage, mail server and cuts, and are counted by the mails that arrive. The Alertmanagers are
//! a cluster of two as its manual has it; each has the alert said again every second by a Prometheus of its own, here
//! curl on the same host. Nothing is asserted; the table is for a look, and needs root as the lab does.

#![allow(dead_code, reason = "the lab's tools are more than this needs")]

#[path = "../lab/files.rs"]
mod files;
mod five;
#[path = "../lab/host.rs"]
mod host;
#[path = "../lab/net.rs"]
mod net;
#[path = "../lab/picture.rs"]
mod picture;
mod post;
#[path = "../lab/process.rs"]
mod process;
#[path = "../lab/services.rs"]
mod services;
#[path = "../lab/wait.rs"]
mod wait;

use std::time::Duration;

use crate::five::Five;
use crate::net::{Lab, Place};
use crate::post::Post;
use crate::process::Process;
use crate::wait::{secs, steady, until};

/// What goes wrong while the page is down and when it is up again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Normal,
    Away,
    Slow,
    Split,
}

const CASES: [(Case, &str); 4] = [
    (Case::Normal, "a  nothing goes wrong"),
    (Case::Away, "e  the mail server is away for 80 s"),
    (Case::Slow, "f  the mail server answers after 20 s"),
    (Case::Split, "g  split in two while it is down, healed before it is up"),
];

/// How long each phase lasts: longer than whatever either side waits for before it tells.
const PHASE: Duration = secs(100);

/// Lets a case happen, and counts the mails that tell of its beginning and its end.
type Play = fn(Case) -> (usize, usize);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |all: &[&str], word: &str| words.iter().any(|each| each == word) || !words.iter().any(|each| all.contains(&each.as_str()));
    println!("{:<58}{:<18}{:>6}{:>6}", "mails about one outage", "", "down", "up");
    for (case, name) in CASES {
        let sides: [(&str, &str, Play); 2] = [("pair", "Alertmanager pair", pair), ("five", "Peerwatch, five", five)];
        for (side, title, play) in sides {
            if wanted(&["a", "e", "f", "g"], &name[..1]) && wanted(&["pair", "five"], side) {
                let (down, up) = play(case);
                println!("{name:<58}{title:<18}{down:>6}{up:>6}");
            }
        }
    }
}

fn rest(during: Duration) {
    steady("it takes its time", during, || Ok(()));
}

/// Goes through a case: what begins and ends an outage, and what cuts and mends the wires.
fn play(case: Case, post: &Post, down: &dyn Fn(), up: &dyn Fn(), cut: &dyn Fn(), heal: &dyn Fn()) {
    match case {
        Case::Normal => {}
        Case::Away => post.end(),
        Case::Slow => post.manner("answer 20"),
        Case::Split => {
            cut();
            rest(secs(60));
        }
    }
    down();
    if case == Case::Away {
        rest(secs(80));
        post.begin();
    }
    rest(PHASE);
    if case == Case::Split {
        heal();
        rest(secs(30));
    }
    up();
    rest(PHASE);
}

/// Five nodes of Peerwatch.
fn five(case: Case) -> (usize, usize) {
    let Some(five) = Five::prepared("five", "50s") else { return (0, 0) };
    five.begin();
    let (down, up) = (
        || {
            five.shop.stop();
        },
        || five.shop.start(),
    );
    play(case, &five.post, &down, &up, &|| five.split(&[&[0, 1], &[2, 3, 4]]), &|| five.heal());
    (five.told("down")[0].len(), five.told("up")[0].len())
}

/// Two Alertmanagers.
fn pair(case: Case) -> (usize, usize) {
    let Some(lab) = Lab::new("pair") else { return (0, 0) };
    let services = lab.place("s");
    let places = ["m1", "m2"].map(|name| lab.place(name));
    let post = Post::open(&services);
    let _managers: Vec<Process> = (0..2).map(|number| manager(&places[number], &places[1 - number], &services)).collect();
    for place in &places {
        until("both Alertmanagers know each other", secs(60), || {
            let said = place.run("curl", &["--silent", "--max-time", "2", "http://127.0.0.1:9093/api/v2/status"]).out;
            let status: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
            let ready =
                status["cluster"]["status"] == "ready" && status["cluster"]["peers"].as_array().is_some_and(|peers| peers.len() == 2);
            if ready { Ok(()) } else { Err(said) }
        });
    }
    let firing = std::cell::RefCell::new(Vec::new());
    let down = || firing.borrow_mut().extend(places.iter().map(|place| alert(place, true)));
    let up = || {
        firing.borrow_mut().clear();
        firing.borrow_mut().extend(places.iter().map(|place| alert(place, false)));
    };
    play(case, &post, &down, &up, &|| places[0].cut(&places[1]), &|| places.iter().for_each(Place::mend));
    let subjects = post.subjects();
    let of = |word: &str| subjects.iter().filter(|subject| subject.contains(word)).count();
    (of("FIRING"), of("RESOLVED"))
}

fn manager(place: &Place, peer: &Place, services: &Place) -> Process {
    let config = place.dir.join("alertmanager.yml");
    files::write(
        &config,
        &format!(
            "global:\n  smtp_smarthost: '{}:25'\n  smtp_from: 'alerts@example.org'\n  smtp_require_tls: false\n\
             route:\n  receiver: ops\n  group_wait: 1s\n  group_interval: 5s\n  repeat_interval: 4h\n\
             receivers:\n- name: ops\n  email_configs:\n  - to: 'ops@example.org'\n    send_resolved: true\n",
            services.v4
        ),
    );
    let mut command = place.command("prometheus-alertmanager");
    command.arg(format!("--config.file={}", config.display())).arg(format!("--storage.path={}", place.dir.join("data").display()));
    command.arg(format!("--cluster.listen-address={}:9094", place.v4)).arg(format!("--cluster.peer={}:9094", peer.v4));
    Process::start("an Alertmanager", &mut command, &place.dir.join("alertmanager.log"))
}

/// Says every second that the page is down, or that it is not any more.
fn alert(place: &Place, firing: bool) -> Process {
    let ends = if firing { "+60 seconds" } else { "-1 second" };
    let script = format!(
        "while :; do now=$(date -u -d '-2 seconds' +%FT%TZ); end=$(date -u -d '{ends}' +%FT%TZ)\n\
         [ -e start ] || echo $now > start\n\
         curl --silent --max-time 2 -H 'content-type: application/json' http://127.0.0.1:9093/api/v2/alerts \
         -d \"[{{\\\"labels\\\":{{\\\"alertname\\\":\\\"shop\\\"}},\\\"startsAt\\\":\\\"$(cat start)\\\",\\\"endsAt\\\":\\\"$end\\\"}}]\"\n\
         sleep 1; done"
    );
    let mut command = place.command("sh");
    command.args(["-c", &format!("cd '{}'\n{script}", place.dir.display())]);
    Process::start("a Prometheus", &mut command, &place.dir.join("alerts.log"))
}
