//! `peerwatchctl kv` as people run it: the real program, a private bus, the real core.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::bus::serve;
use crate::library::{delete, put, write};
use crate::private::{PrivateBus, soon};

fn ctl(bus: &PrivateBus, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerwatchctl"));
    command.arg("kv").args(words).env_clear().env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address).env("TZ", "UTC");
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a run printed, its complaints and its exit code.
async fn run(bus: &PrivateBus, words: &[&str]) -> String {
    let output = soon(ctl(bus, words).output()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    format!("{}{}exit {}", text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

#[tokio::test]
async fn a_value_goes_in_and_comes_out_as_it_is() {
    let bus = PrivateBus::start();
    let (_served, desk) = serve(&bus).await;
    assert_eq!(run(&bus, &["put", "motd", "hello"]).await, "exit 0");
    assert_eq!(run(&bus, &["get", "motd"]).await, "helloexit 0");
    assert_eq!(run(&bus, &["get", "ber1/motd"]).await, "helloexit 0");
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("picture"), folder.path().join("copy"));
    let picture: Vec<u8> = (0..=255).cycle().take(60_000).collect();
    std::fs::write(&file, &picture).unwrap();
    assert_eq!(run(&bus, &["put", "/img/logo", "--file", file.to_str().unwrap(), "--media", "image/png"]).await, "exit 0");
    let output = soon(ctl(&bus, &["get", "/img/logo"]).output()).await.unwrap();
    assert_eq!(output.stdout, picture, "bytes as they are");
    assert_eq!(run(&bus, &["get", "ber1/img/logo", "-o", copy.to_str().unwrap()]).await, "exit 0");
    assert_eq!(std::fs::read(copy).unwrap(), picture);
    let mut child = ctl(&bus, &["put", "piped", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe").await.unwrap();
    assert!(soon(child.wait()).await.unwrap().success());
    assert_eq!(desk.values.borrow().get("", "piped").unwrap().text(), Some("from a pipe"));
    let json: serde_json::Value =
        serde_json::from_str(run(&bus, &["get", "motd", "--json"]).await.strip_suffix("exit 0").unwrap()).unwrap();
    assert_eq!((&json["value"], &json["media"], &json["bytes"]), (&"hello".into(), &"text/plain; charset=utf-8".into(), &5.into()));
}

#[tokio::test]
async fn lists_and_searches_print_addresses() {
    let bus = PrivateBus::start();
    let (_served, desk) = serve(&bus).await;
    assert_eq!(run(&bus, &["list"]).await, "no keys\nexit 0");
    write(&desk, vec![put("net/a", "one"), put("net/b", "stone"), put("z", "")]).await;
    let keys = |text: &str| -> Vec<String> { text.lines().map(|line| line.split_whitespace().next().unwrap().into()).collect() };
    assert_eq!(keys(&run(&bus, &["list"]).await), ["KEY", "ber1/net/a", "ber1/net/b", "ber1/z", "exit"]);
    assert_eq!(keys(&run(&bus, &["list", "ber1/net/"]).await), ["KEY", "ber1/net/a", "ber1/net/b", "exit"]);
    assert_eq!(keys(&run(&bus, &["list", "fra1/"]).await), ["no", "exit"]);
    assert_eq!(keys(&run(&bus, &["list", "--all", "--no-headers"]).await), ["ber1/net/a", "ber1/net/b", "ber1/z", "exit"]);
    assert_eq!(keys(&run(&bus, &["search", "one"]).await), ["KEY", "ber1/net/a", "ber1/net/b", "exit"]);
    assert_eq!(run(&bus, &["search", "One"]).await, "no keys\nexit 1");
    assert!(run(&bus, &["list", "nowhere/"]).await.contains("there is no node \"nowhere\""));
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_is_a_negative_answer_with_a_remedy() {
    let bus = PrivateBus::start();
    let (_served, desk) = serve(&bus).await;
    write(&desk, vec![put("a", "1"), put("b", "2")]).await;
    assert_eq!(run(&bus, &["get", "motd"]).await, "peerwatchctl: node ber1 has no key \"motd\"\nexit 1");
    assert_eq!(run(&bus, &["delete", "a", "motd"]).await, "peerwatchctl: node ber1 has no key \"motd\"\nexit 1");
    assert_eq!(run(&bus, &["get", "a"]).await, "1exit 0", "of several deleted together all or none");
    assert_eq!(run(&bus, &["delete", "a", "b"]).await, "exit 0");
    assert_eq!(run(&bus, &["delete", "a"]).await, "peerwatchctl: node ber1 has no key \"a\"\nexit 1");
    assert!(run(&bus, &["put", "fra1/x", "1"]).await.contains("only node fra1 writes in its part"));
    assert!(run(&bus, &["put", "x", "1", "--media", "text"]).await.ends_with("text/plain or image/png\nexit 1"));
    assert!(run(&bus, &["put", "x"]).await.ends_with("exit 2"));
    assert!(run(&bus, &["get", "a//"]).await.ends_with("exit 1"));
    assert!(run(&bus, &["get", "a/"]).await.contains("the key is empty"));
    assert!(run(&bus, &["put", "x", "--file", "/nowhere/x"]).await.contains("/nowhere/x cannot be read"));
    let mut bus = bus;
    bus.kill();
    assert!(run(&bus, &["get", "a"]).await.ends_with("exit 3"));
}

#[tokio::test]
async fn a_batch_is_one_step() {
    let bus = PrivateBus::start();
    let (_served, desk) = serve(&bus).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("batch.json");
    std::fs::write(&file, r#"[{"put": "a", "value": "1"}, {"put": "b", "base64": "/w=="}]"#).unwrap();
    assert_eq!(run(&bus, &["batch", file.to_str().unwrap()]).await, "exit 0");
    let revision = |key: &str| desk.values.borrow().get("", key).map(|item| item.revision);
    assert_eq!(revision("a"), revision("b"));
    std::fs::write(&file, r#"[{"put": "c", "value": "1"}, {"delete": "nothing"}]"#).unwrap();
    assert_eq!(run(&bus, &["batch", file.to_str().unwrap()]).await, "peerwatchctl: node ber1 has no key \"nothing\"\nexit 1");
    assert_eq!(revision("c"), None);
    std::fs::write(&file, r#"[{"put": "c"}]"#).unwrap();
    assert!(run(&bus, &["batch", file.to_str().unwrap()]).await.ends_with("base64\nexit 2"));
}

#[tokio::test]
async fn watch_prints_each_change_and_never_what_steers_a_terminal() {
    let bus = PrivateBus::start();
    let (served, desk) = serve(&bus).await;
    write(&desk, vec![put("a", "before")]).await;
    let mut child = ctl(&bus, &["watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut plain = ctl(&bus, &["watch", "x"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut plain_lines = BufReader::new(plain.stdout.take().unwrap()).lines();
    // When they have begun is known only from what they print.
    let mut said = String::new();
    while said.is_empty() {
        write(&desk, vec![put("x/begin", "1")]).await;
        let both = async { (lines.next_line().await, plain_lines.next_line().await) };
        if let Ok((Ok(Some(line)), _)) = tokio::time::timeout(std::time::Duration::from_millis(500), both).await {
            said = line;
        }
    }
    write(&desk, vec![put("x/evil", "\u{1b}[2Jgone")]).await;
    write(&desk, vec![put("large", &"y".repeat(3000))]).await;
    write(&desk, vec![delete("a")]).await;
    let mut changes = Vec::new();
    while changes.last().is_none_or(|change: &serde_json::Value| change["deleted"] == false) {
        changes.push(serde_json::from_str(&soon(lines.next_line()).await.unwrap().unwrap()).unwrap());
    }
    let large = changes.iter().find(|change| change["key"] == "large").unwrap();
    assert_eq!(large["value"].as_str().unwrap().len(), 3000, "a large value is fetched");
    assert!(changes.windows(2).all(|pair| pair[0]["revision"].as_u64() < pair[1]["revision"].as_u64()));
    let evil = loop {
        let line = soon(plain_lines.next_line()).await.unwrap().unwrap();
        if line.contains("evil") {
            break line;
        }
    };
    assert!(evil.ends_with("  ber1/x/evil = \u{fffd}[2Jgone"), "{evil:?}");
    served.close().await;
    assert_eq!(soon(child.wait()).await.unwrap().code(), Some(3));
}
