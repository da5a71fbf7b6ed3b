//! What takes notices: `OpenSMTPD` behind a relay, and a web server. Both keep what they get, and it is counted here.
//!
//! `OpenSMTPD` has its socket and its queue at fixed places, so each has a view of the file system of its own there.
//! A mail is one file in a maildir, written once the server has taken it; what is read of it is its header.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::files::write;
use crate::net::Place;
use crate::process::Process;
use crate::wait::{secs, until};

/// One notice as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    /// The Message-ID, or the Idempotency-Key, without angle brackets.
    pub(crate) id: String,
    /// The subject.
    pub(crate) subject: String,
    /// The name of the node that sent it.
    pub(crate) by: String,
}

/// What arrived, by incident and state: `shop#1 down`.
pub(crate) type Count = BTreeMap<String, Vec<Told>>;

/// The post office of one lab.
pub(crate) struct Post {
    place: Place,
    server: RefCell<Option<Process>>,
    relay: RefCell<Option<Process>>,
    receiver: RefCell<Option<Process>>,
}

/// Where `OpenSMTPD` listens; the relay has port 25.
const SERVER: u16 = 2525;
/// Where the web server listens.
pub(crate) const RECEIVER: u16 = 8099;

impl Post {
    /// Everything is open.
    pub(crate) fn open(place: &Place) -> Self {
        let post = Self { place: place.clone(), server: RefCell::default(), relay: RefCell::default(), receiver: RefCell::default() };
        // The server delivers as nobody.
        for folder in ["maildir", "maildir/new", "maildir/cur", "maildir/tmp"] {
            fs::create_dir_all(place.dir.join(folder)).expect("a folder for mail");
            fs::set_permissions(place.dir.join(folder), fs::Permissions::from_mode(0o777)).expect("a folder for all");
        }
        post.manner("pass");
        post.begin();
        let log = place.dir.join("receiver.log");
        let mut command = place.command("/usr/bin/python3");
        command.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/receiver.py"), &place.v4, &RECEIVER.to_string()]);
        command.arg(post.posted());
        *post.receiver.borrow_mut() = Some(Process::start("the web server", &mut command, &log));
        ready("the web server", &log);
        post
    }

    /// Starts the mail server and the relay.
    pub(crate) fn begin(&self) {
        let config = self.place.dir.join("smtpd.conf");
        let maildir = self.place.dir.join("maildir");
        write(
            &config,
            &format!(
                "listen on {} port {SERVER}\naction \"keep\" maildir \"{}\" virtual {{ \"@\" = nobody }}\n\
                 match from any for any action \"keep\"\n",
                self.place.v4,
                maildir.display()
            ),
        );
        let script = "mkdir -p /var/spool/smtpd && mount -t tmpfs tmpfs /run && mkdir /run/lock && \
                      mount -t tmpfs -o mode=0711 tmpfs /var/spool/smtpd && exec smtpd -d -f \"$0\"";
        let mut command = self.place.command("sh");
        command.args(["-c", script]).arg(&config);
        *self.server.borrow_mut() = Some(Process::start("OpenSMTPD", &mut command, &self.place.dir.join("smtpd.log")));
        until("OpenSMTPD greets", secs(20), || {
            let url = format!("telnet://{}:{SERVER}", self.place.v4);
            let said = self.place.run("curl", &["--silent", "--max-time", "1", &url]);
            if said.out.starts_with("220 ") { Ok(()) } else { Err(format!("{said:?}")) }
        });
        let log = self.relay_log();
        write(&log, "");
        let mut command = self.place.command("/usr/bin/python3");
        command.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/relay.py"), &self.place.v4, "25", &SERVER.to_string()]);
        command.arg(self.place.dir.join("manner"));
        *self.relay.borrow_mut() = Some(Process::start("the relay", &mut command, &log));
        ready("the relay", &log);
    }

    /// Nothing listens for mail any more: connections are refused.
    pub(crate) fn end(&self) {
        for process in [&self.relay, &self.server] {
            if let Some(process) = process.borrow_mut().take() {
                process.end(Signal::SIGTERM, secs(10));
            }
        }
    }

    /// Tells the relay what to do from now on.
    pub(crate) fn manner(&self, words: &str) {
        let file = self.place.dir.join("manner");
        write(&file.with_extension("new"), words);
        fs::rename(file.with_extension("new"), file).expect("a file can be renamed");
    }

    /// Waits until the relay has done this to somebody, and returns the address.
    #[track_caller]
    pub(crate) fn done(&self, word: &str) -> String {
        until(&format!("the relay has {word} somebody"), secs(60), || {
            let log = fs::read_to_string(self.relay_log()).unwrap_or_default();
            let found = log.lines().find_map(|line| line.strip_prefix(&format!("{word} ")).map(String::from));
            found.ok_or(log)
        })
    }

    /// What came by mail.
    pub(crate) fn mailed(&self) -> Count {
        let mut count = Count::new();
        for entry in fs::read_dir(self.place.dir.join("maildir/new")).into_iter().flatten().flatten() {
            let text = fs::read(entry.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let head = header(&text);
            let get = |name: &str| head.get(name).cloned().unwrap_or_default();
            let by = text.lines().find_map(|line| line.strip_prefix("Sent by node ")).unwrap_or_default();
            let by = by.split([' ', ',', '.']).next().unwrap_or_default().to_owned();
            let told = Told { id: get("message-id").trim_matches(['<', '>']).to_owned(), subject: get("subject"), by };
            let (incidents, states) = (get("x-peerwatch-incident"), get("x-peerwatch-state"));
            // The channel is told of one target only.
            assert!(!incidents.contains(',') && !states.contains(','), "one notice in a mail: {head:?}");
            count.entry(format!("{incidents} {states}")).or_default().push(told);
        }
        count
    }

    /// The subjects of all mails, whoever sent them.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let files = fs::read_dir(self.place.dir.join("maildir/new")).into_iter().flatten().flatten();
        let text = |path: PathBuf| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        files.filter_map(|file| header(&text(file.path())).remove("subject")).collect()
    }

    /// What came by webhook.
    pub(crate) fn hooked(&self) -> Count {
        let mut count = Count::new();
        for line in fs::read_to_string(self.posted()).unwrap_or_default().lines() {
            let Some((id, body)) = line.split_once(' ') else { continue };
            let notice: serde_json::Value = serde_json::from_str(body).expect("a notice as JSON");
            let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            for incident in notice["incidents"].as_array().into_iter().flatten() {
                let told = Told { id: id.to_owned(), subject: word(&notice["subject"]), by: word(&notice["node"]) };
                count.entry(format!("{} {}", word(&incident["incident"]), word(&incident["state"]))).or_default().push(told);
            }
        }
        count
    }

    fn posted(&self) -> PathBuf {
        self.place.dir.join("posted")
    }

    fn relay_log(&self) -> PathBuf {
        self.place.dir.join("relay.log")
    }
}

#[track_caller]
fn ready(name: &str, log: &PathBuf) {
    until(&format!("{name} listens"), secs(20), || {
        let said = fs::read_to_string(log).unwrap_or_default();
        if said.contains("ready") { Ok(()) } else { Err(said) }
    });
}

/// The fields of a header, names in lower case, lines unfolded.
fn header(text: &str) -> BTreeMap<String, String> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), fields.last_mut()) {
            value.push(' ');
            value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }
    fields.into_iter().collect()
}
