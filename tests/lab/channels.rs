//! Webhooks, hooks and mail side by side: each channel is told once, by a node that has what it needs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::files::{Definition, host_toml, write};
use crate::process::Process;
use crate::trio::Trio;
use crate::wait::{holds, same, secs, steady, until};

/// Longer than a lease (10 s here) and the turns of all ranks, so that whoever would tell twice has.
const QUIET: std::time::Duration = secs(25);

/// A web server that keeps each request's body as a line, and says when it listens.
const SINK: &str = "
import http.server, sys
class Keep(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        signature = self.headers['x-peerwatch-signature'] or ''
        with open(sys.argv[2], 'ab') as file:
            file.write(signature.encode() + b' ' + body + b'\\n')
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer((sys.argv[1], 8099), Keep)
print('ready', flush=True)
server.serve_forever()
";

/// The notices that a file holds: a line for each, JSON from the first brace on.
fn notices(file: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(&line[line.find('{').unwrap_or(0)..]).expect("a notice as JSON")).collect()
}

/// `down shop#1 by b` for each notice that is no example.
fn told(file: &PathBuf) -> Vec<String> {
    let real = notices(file).into_iter().filter(|notice| notice["test"] == false);
    real.map(|notice| {
        let (incident, by) = (&notice["incidents"][0], notice["node"].as_str().unwrap_or_default());
        format!("{} {} by {by}", incident["state"].as_str().unwrap_or_default(), incident["incident"].as_str().unwrap_or_default())
    })
    .collect()
}

#[test]
fn every_channel_is_told_once_by_a_node_that_has_what_it_needs() {
    let Some(trio) = Trio::prepared("every_channel_is_told_once_by_a_node_that_has_what_it_needs") else { return };
    let (posted, paged) = (trio.services.dir.join("posted"), trio.b.place.dir.join("paged"));
    let log = trio.services.dir.join("sink.log");
    let mut command = trio.services.command("/usr/bin/python3");
    command.args(["-I", "-c", SINK, &trio.services.v4]).arg(&posted);
    let _sink = Process::start("the web server", &mut command, &log);
    until("the web server listens", secs(20), || {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.contains("ready") { Ok(()) } else { Err(said) }
    });
    // Only b has the program, only b and c have the secret.
    let key = trio.services.dir.join("key");
    write(&key, "a signing key\n");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a secret can be closed to others");
    let pager = trio.b.place.dir.join("pager");
    write(&pager, &format!("#!/bin/sh\ncat >> {}\n", paged.display()));
    fs::set_permissions(&pager, fs::Permissions::from_mode(0o755)).expect("a program can be run");
    let secret = format!("[[secret]]\nname = \"key\"\nfile = \"{}\"\n", key.display());
    let hook = format!("[[hook]]\nname = \"pager\"\ncommand = [\"{}\"]\n", pager.display());
    for (host, more) in [(&trio.b, secret.clone() + &hook), (&trio.c, secret)] {
        write(&host.config(), &(host_toml(&host.name, &trio.services.v4) + &more));
    }
    let more = format!(
        "[[notify]]\nname = \"chat\"\nwebhook = {{ url = \"http://{}:8099/\", sign = \"key\" }}\ngroup = \"1s\"\ngroups = [\"web\"]\n\
         [[notify]]\nname = \"page\"\nhook = \"pager\"\ngroup = \"1s\"\ntargets = [\"sh*\"]\n",
        trio.services.v4
    );
    let definition = Definition { more, ..trio.definition.clone() };
    trio.hosts().iter().for_each(|host| write(&host.definition(), &definition.toml()));
    trio.mailbox.open();
    trio.begin();
    trio.all_well();
    trio.all_vote();

    let here = trio.b.ctl(&["notify", "test", "page", "--state", "up"]);
    assert_eq!((here.code, notices(&paged).len()), (Some(0), 1), "{here:?}");
    let elsewhere = trio.a.ctl(&["notify", "test", "page"]);
    assert!(elsewhere.code == Some(1) && elsewhere.out.contains("[[hook]] \"pager\""), "{elsewhere:?}");
    let mailed = trio.a.ctl(&["notify", "test", "ops"]);
    assert_eq!((mailed.code, trio.mailbox.mails().len()), (Some(0), 1), "{mailed:?}");
    assert!(trio.mailbox.mails()[0].header("Subject").starts_with("[TEST] [DOWN]"), "{:?}", trio.mailbox.mails());

    trio.gate.stop();
    trio.shop.stop();
    let of = |file: &PathBuf, state: &str| told(file).into_iter().filter(|line| line.starts_with(state)).collect::<Vec<_>>();
    for (file, name) in [(&posted, "chat"), (&paged, "page")] {
        until(&format!("{name} is told that the shop is down"), secs(90), || {
            holds(!of(file, "down").is_empty(), || fs::read_to_string(file).unwrap_or_default())
        });
    }
    steady("each is told once", QUIET, || same("notices", &(of(&posted, "down").len(), of(&paged, "down").len()), &(1, 1)));
    assert_eq!(of(&paged, "down"), ["down shop#1 by b"], "the gate is nothing to page for");
    let by = of(&posted, "down").remove(0);
    assert!(["down shop#1 by b", "down shop#1 by c"].contains(&by.as_str()), "{by}");
    assert!(fs::read_to_string(&posted).expect("requests").starts_with("sha256="), "it is signed");

    trio.shop.start();
    for (file, name) in [(&posted, "chat"), (&paged, "page")] {
        until(&format!("{name} is told that the shop is up"), secs(90), || {
            holds(of(file, "up").len() == 1, || fs::read_to_string(file).unwrap_or_default())
        });
    }
    for host in trio.hosts() {
        assert!(!host.log().contains("a signing key"), "no secret in the log of {}", host.name);
    }
}
