//! What is watched, and who takes the mail: nginx and an SMTP server, both real, both from Debian.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde::Deserialize;

use crate::files::write;
use crate::net::Place;
use crate::process::{Process, tail};
use crate::wait::{secs, until, wall_ms};

/// One nginx that listens on one port. Each has a process of its own, so that it can be stopped alone.
pub(crate) struct Nginx {
    place: Place,
    port: u16,
    process: RefCell<Option<Process>>,
}

impl Nginx {
    /// Starts it and waits until it answers.
    pub(crate) fn new(place: &Place, port: u16) -> Self {
        let nginx = Self { place: place.clone(), port, process: RefCell::new(None) };
        nginx.start();
        nginx
    }

    /// Starts it again.
    #[track_caller]
    pub(crate) fn start(&self) {
        let dir = self.place.dir.join(format!("nginx{}", self.port));
        fs::create_dir_all(dir.join("logs")).expect("a folder for nginx");
        let (config, log) = (dir.join("nginx.conf"), dir.join("nginx.log"));
        write(&config, &nginx_config(self.port));
        let mut command = self.place.command("nginx");
        command.arg("-p").arg(&dir).arg("-c").arg(&config).args(["-e", "stderr"]);
        *self.process.borrow_mut() = Some(Process::start(&format!("nginx on port {}", self.port), &mut command, &log));
        let url = format!("http://{}:{}/", self.place.v4, self.port);
        until(&format!("nginx answers at {url}"), secs(10), || {
            let said = self.place.run("curl", &["--silent", "--fail", "--max-time", "2", &url]);
            if said.out.contains("Welcome") { Ok(()) } else { Err(format!("{}{}", said.err, tail(&log, 5))) }
        });
    }

    /// Stops it as its administrator would. Returns when, in milliseconds since 1970.
    #[track_caller]
    pub(crate) fn stop(&self) -> u64 {
        let process = self.process.borrow_mut().take().expect("nginx runs");
        let at = wall_ms();
        process.end(Signal::SIGTERM, secs(10));
        at
    }
}

fn nginx_config(port: u16) -> String {
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|kind| format!(" {kind}_temp_path {kind}_temp;\n")).collect();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr warn;\nevents {{ worker_connections 64; }}\n\
         http {{\n access_log off;\n{temporary} server {{\n  listen {port};\n  listen [::]:{port};\n  \
         location / {{ default_type text/html; return 200 \"<h1>Welcome</h1>\"; }}\n }}\n}}\n"
    )
}

/// A mail server that keeps what it is handed.
pub(crate) struct Mailbox {
    place: Place,
    process: RefCell<Option<Process>>,
}

/// One mail, as Python's email package reads it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Mail {
    /// When it was taken, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    headers: Vec<(String, String)>,
    /// What is wrong with its format.
    pub(crate) defects: Vec<String>,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Mail {
    /// A header field, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }
}

impl Mailbox {
    /// A mailbox whose server does not run yet.
    pub(crate) fn closed(place: &Place) -> Self {
        let mailbox = Self { place: place.clone(), process: RefCell::new(None) };
        fs::create_dir_all(mailbox.folder()).expect("a folder for mail");
        mailbox
    }

    /// Starts the server and waits until it listens.
    #[track_caller]
    pub(crate) fn open(&self) {
        let log = self.place.dir.join("smtp.log");
        let mut command = self.place.command("/usr/bin/python3");
        command.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/smtp_sink.py"), &self.place.v4, "25"]).arg(self.folder());
        *self.process.borrow_mut() = Some(Process::start("the mail server", &mut command, &log));
        until("the mail server listens", secs(20), || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("ready") { Ok(()) } else { Err(said) }
        });
    }

    /// What has come so far, in the order of arrival.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let read = |path: &PathBuf| serde_json::from_slice(&fs::read(path).expect("a mail")).expect("a mail as JSON");
        files.iter().map(read).collect()
    }

    /// What has come about one target: its name stands in the subject.
    pub(crate) fn about(&self, target: &str) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.header("Subject").contains(target)).collect()
    }

    fn folder(&self) -> PathBuf {
        self.place.dir.join("mail")
    }
}
