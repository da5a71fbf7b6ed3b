//! A bus of one's own: a `dbus-daemon` that ends with the test, and a daemon's face on it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use peerwatch::base::id::{ChainId, Incarnation, Lane, NodeId, TargetId};
use peerwatch::base::kv::Values;
use peerwatch::base::view::{Archive, ChainStats, History, Progress, Sample, Stats, Verified, View};
use peerwatch::front::dbus::{self, Bus, BusAddress, BusError};
use peerwatch::front::desk::{Asked, Desk, Desks};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// A running `dbus-daemon` without services to activate; killed when dropped.
pub(crate) struct PrivateBus {
    daemon: Child,
    pub(crate) address: String,
    _folder: TempDir,
}

/// Within the limits of the system bus.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=FOLDER</listen>
  <auth>EXTERNAL</auth>
  POLICY
  <limit name="max_incoming_bytes">133169152</limit>
  <limit name="max_message_size">33554432</limit>
</busconfig>
"#;

/// Everybody may do everything.
const OPEN: &str = r#"<policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>"#;

/// What the system bus lets everybody do, and a file with more.
pub(crate) const CLOSED: &str = r#"<policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <include>FOLDER/ours.conf</include>"#;

impl PrivateBus {
    /// A bus on which everybody may do everything.
    pub(crate) fn start() -> Self {
        Self::with(OPEN)
    }

    /// A bus with the rules of the system bus and the shipped policy, in which this user is the
    /// daemon's, and nobody is root.
    pub(crate) fn with_our_policy() -> Self {
        Self::with(CLOSED)
    }

    /// A bus with this policy.
    pub(crate) fn with(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = CONFIG.replace("POLICY", policy).replace("FOLDER", folder.path().to_str().unwrap());
        std::fs::write(&config, text).unwrap();
        let me = format!("user=\"{}\"", nix::unistd::getuid());
        let ours = include_str!("../../dbus/org.peerwatch.Peerwatch1.conf");
        let ours = ours.replace("user=\"peerwatch\"", &me).replace("user=\"root\"", "user=\"4242\"");
        std::fs::write(folder.path().join("ours.conf"), ours).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon runs (package dbus-daemon or dbus)");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        self.kill();
    }
}

struct NoPast;

impl History for NoPast {
    fn samples(&self, _: &TargetId, _: u32) -> Result<Vec<Sample>, String> {
        Ok(Vec::new())
    }
}

/// A journal as a file, of which all figures are made up. Work on it goes step by step, as the test sends them.
struct Attic {
    steps: Mutex<std::sync::mpsc::Receiver<Progress>>,
    faulty: bool,
}

impl Attic {
    /// Works until the last step, or until the test has no more.
    fn work(&self, progress: &mut dyn FnMut(Progress)) {
        let steps = self.steps.lock().unwrap();
        while let Ok(step) = steps.recv() {
            progress(step);
            if step.done == step.total {
                break;
            }
        }
    }
}

impl Archive for Attic {
    fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<Verified, String> {
        self.work(progress);
        let faults = if self.faulty { vec!["entry 7 of ber1 is torn; restore it".into(), "\u{1b}[2J".into()] } else { vec![] };
        Ok(Verified { entries: 1234, chains: 2, bytes: 300_000, more: faults.len() as u64, faults })
    }

    fn stats(&self) -> Result<Stats, String> {
        let chain = |number: u8, lane, base, head| {
            let chain = ChainId { author: NodeId([number; 32]), incarnation: Incarnation { opened: 1, nonce: [number; 16] }, lane };
            ChainStats { chain, base, head, entries: head - base, bytes: 250 * (head - base) }
        };
        let chains = vec![chain(1, Lane::State, 5, 17), chain(2, Lane::Minutes, 0, 1200)];
        Ok(Stats { file: 15 << 20, log: 4 << 20, free: 1 << 20, limit: 2 << 30, samples: 99, chains })
    }

    fn backup(&self, into: &mut dyn std::io::Write, progress: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        let copy = b"a copy of the journal";
        into.write_all(copy).map_err(|error| format!("the disk is full: {error}"))?;
        self.work(progress);
        if self.faulty { Err("the disk is full; make room".into()) } else { Ok(copy.len() as u64) }
    }

    fn compact(&self, progress: &mut dyn FnMut(Progress)) -> Result<u64, String> {
        self.work(progress);
        Ok(if self.faulty { 0 } else { 1 << 20 })
    }
}

/// The daemon's side of one network.
pub(crate) struct Backroom {
    pub(crate) view: watch::Sender<Arc<View>>,
    #[allow(dead_code, reason = "it keeps the channel open; only some tests write into it")]
    pub(crate) values: watch::Sender<Arc<Values>>,
    pub(crate) commands: mpsc::Receiver<Asked>,
    /// How far work on the journal goes; the last step has done all, and it may have been there before.
    pub(crate) steps: std::sync::mpsc::Sender<Progress>,
}

impl Backroom {
    /// Lets the next work on the journal end at once.
    pub(crate) fn hurry(&self) {
        self.steps.send(Progress { done: 1, total: 1 }).unwrap();
    }
}

/// Desks for these views, and what is behind them. The journal of a network called `work` is broken.
pub(crate) fn desks(views: Vec<View>) -> (Desks, Vec<Backroom>) {
    let pairs = views.into_iter().map(|view| {
        let network = view.network.clone();
        let (sender, view) = watch::channel(Arc::new(view));
        let (kept, values) = watch::channel(Arc::new(Values::new(1)));
        let (commands, asked) = mpsc::channel(4);
        let (steps, taken) = std::sync::mpsc::channel();
        let archive = Arc::new(Attic { steps: Mutex::new(taken), faulty: network == "work" });
        let desk = Desk { network, view, values, commands, history: Arc::new(NoPast), archive };
        (desk, Backroom { view: sender, values: kept, commands: asked, steps })
    });
    let (desks, rooms): (Vec<_>, Vec<_>) = pairs.unzip();
    (desks.into(), rooms)
}

/// Serves these views on that bus.
pub(crate) async fn serve(bus: &PrivateBus, views: Vec<View>) -> Result<(Bus, Vec<Backroom>), BusError> {
    let (desks, rooms) = desks(views);
    Ok((soon(dbus::serve(BusAddress::At(bus.address.clone()), desks)).await?, rooms))
}

/// Fails what takes too long to be right.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("this took too long")
}
