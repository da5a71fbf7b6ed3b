//! The roof: wiring only. Settings become networks, each with its loop on a thread of its own; faces
//! and sockets run beside them. No decision is made here.

mod assemble;
mod gauge;
mod keeper;
mod perform;
mod publish;
mod turn;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::base::limits;
use crate::base::time::Span;
use crate::daemon::assemble::{Assembled, Assembly, Places, assemble};
use crate::daemon::keeper::Keeper;
use crate::daemon::perform::{Exit, Links, Performer};
use crate::daemon::turn::{Arrival, End, Ending, Turns};
use crate::front::dbus::{self, BusAddress};
use crate::front::desk::{Desk, Desks};
use crate::front::web::{self, Access};
use crate::io::link::{self, Identity, Timing};
use crate::io::notify::{Carrier, Outbox};
use crate::io::probe::Prober;
use crate::io::store::{Opening, Store};
use crate::io::{clock, program, random, systemd};
use crate::logic::effect::Effects;
use crate::logic::node::{Beginning, Node, Settings};

/// Hosts that watch each other and everything that matters, agree, and tell people once.
#[derive(Debug, Parser)]
#[command(name = "peerwatchd", version, about, long_about = None)]
struct Arguments {
    /// The configuration file; networks/ lies beside it. Default: /etc/peerwatch/peerwatch.toml and its
    /// counterparts, or nothing at all.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The state directory. Default: systemd's, else the user's.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// A network that runs.
struct Running {
    name: String,
    inbox: mpsc::Sender<Arrival>,
    identity: Identity,
    links: Links,
    desk: Desk,
    pulse: Arc<AtomicU64>,
    ended: oneshot::Receiver<Ending>,
}

/// What a reload replaces for all networks together.
struct Shared {
    outbox: watch::Sender<Outbox>,
    access: watch::Sender<Access>,
}

/// `EX_CONFIG` of sysexits(3): something in the files must be mended first.
const EXIT_CONFIG: u8 = 78;

/// This daemon must not be started again before somebody has looked: no number of sysexits(3) or systemd. It stands in
/// `RestartPreventExitStatus=` of the unit.
const EXIT_STOPPED: u8 = 90;

/// A loop that has not turned for so long is stuck.
const STUCK: Span = Span::secs(20);

/// The whole of `peerwatchd`.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    publish::begin_logging();
    // A task that panics must not leave the rest running as a ghost; systemd restarts us, and the
    // journal has everything.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("BUG! {panic}");
        usual(panic);
        std::process::abort();
    }));
    // Here there is one thread still, and all others inherit from it.
    if let Err(error) = program::disinherit() {
        tracing::warn!("programs of channels would have this daemon's capabilities: {error}");
    }
    let places = match places(arguments) {
        Ok(places) => places,
        Err(error) => return refuse(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("peerwatch").build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("threads cannot be made: {error}; is a limit on tasks too low?")),
    };
    let code = match runtime.block_on(serve(&places)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Failed(error)) => refuse(&error),
        Err(End::Stopped(reason)) => {
            refuse(&reason);
            ExitCode::from(EXIT_STOPPED)
        }
    };
    // Probes under way need not be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

fn refuse(error: &str) -> ExitCode {
    tracing::error!("{error}");
    systemd::status(&format!("failed: {}", error.lines().next().unwrap_or_default()));
    ExitCode::from(EXIT_CONFIG)
}

fn places(arguments: Arguments) -> Result<Places, String> {
    let environment = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || environment("HOME").map(|home| home.join(".local/state"));
    let state = arguments.state.or_else(|| environment("STATE_DIRECTORY")).or_else(|| {
        let base = environment("XDG_STATE_HOME").or_else(home);
        base.map(|base| base.join("peerwatch"))
    });
    let state = state.ok_or("there is no place for the state: give --state DIR, or set HOME")?;
    // What lies in the runtime directory must be gone after a reboot; it is told apart by state
    // directory where several daemons of one user share it.
    let runtime = environment("RUNTIME_DIRECTORY").unwrap_or_else(|| {
        let base = environment("XDG_RUNTIME_DIR").unwrap_or_else(std::env::temp_dir);
        let mark = crate::base::id::NetworkId::of(&state.to_string_lossy()).short();
        base.join(format!("peerwatch-{mark}"))
    });
    Ok(Places { config: arguments.config, state, runtime })
}

async fn serve(places: &Places) -> Ending {
    let prober = Prober::new();
    let lacks = prober.lacks();
    let Assembly { host, outbox, access, networks } = assemble(places, &lacks)?;
    let alone = host.networks.is_empty();
    // Databases before sockets: a second daemon is told which directory is in use. Nothing has begun yet.
    let opened: Vec<_> = networks.into_iter().map(|assembled| open(places, assembled)).collect::<Result<_, _>>()?;
    let mesh = if alone { None } else { Some(listen(host.mesh, "[listen] mesh").await?) };
    let web = listen(host.web, "[listen] web").await?;
    tell_of_programs(&outbox);
    let (outbox_sender, outbox) = watch::channel(outbox);
    let exit = Exit { carrier: Carrier::new(), outbox };
    let (access_sender, access) = watch::channel(access);
    let shared = Shared { outbox: outbox_sender, access: access_sender };
    let mut running = Vec::new();
    for opened in opened {
        running.push(begin(opened, &prober, &exit)?);
    }
    let identities: Arc<[Identity]> = running.iter().map(|network| network.identity.clone()).collect();
    if let Some(listener) = mesh {
        accept(listener, identities, &running);
    }
    let desks: Desks = running.iter().map(|network| network.desk.clone()).collect();
    let page = web.local_addr().unwrap_or(host.web);
    let (stop_web, stopped) = oneshot::channel::<()>();
    tokio::spawn(web::serve(web, desks.clone(), access, async move {
        // Dropping the sender stops it as well.
        let _ = stopped.await;
    }));
    let bus = dbus::serve(BusAddress::System, desks.clone()).await;
    if alone {
        let missing = bus.as_ref().err().map(|error| format!("no system bus: {error}"));
        greet_alone(&host.name, page, &lacks, missing);
    } else if let Err(error) = &bus {
        tracing::warn!("no system bus: {error}; trying again");
    }
    tokio::spawn(keep_bus(bus.ok(), desks));
    tracing::info!("peerwatchd {} runs; its page is at http://{page}/", env!("CARGO_PKG_VERSION"));
    systemd::ready(&line(&running));
    let ending = attend(places, &lacks, &host, &mut running, &shared).await;
    systemd::stopping();
    drop(stop_web);
    stop(running).await;
    tracing::info!("peerwatchd stopped");
    ending
}

/// What a person sees who starts it with no files at all.
fn greet_alone(name: &str, page: SocketAddr, lacks: &[String], bus: Option<String>) {
    tracing::info!("no network is configured: {name} watches its gateway, its name servers and itself; see http://{page}/");
    let missing: Vec<String> = lacks.iter().cloned().chain(bus).collect();
    if !missing.is_empty() {
        tracing::warn!("what this daemon may not do: {}", missing.join("; "));
    }
}

/// Who runs the programs of channels, and with what rights.
fn tell_of_programs(outbox: &Outbox) {
    let sendmail = outbox.mail.as_ref().and_then(|mail| mail.sendmail.as_ref()).map(|path| path.display().to_string());
    let programs: Vec<String> = outbox.hooks.values().filter_map(|command| command.first().cloned()).chain(sendmail).collect();
    if !programs.is_empty() {
        let rights = if nix::unistd::geteuid().is_root() { "as root, since it is" } else { "without its capabilities" };
        let programs = programs.join(", ");
        tracing::info!("programs are run by this daemon itself, as its user and in its sandbox, {rights}: {programs}");
    }
}

async fn listen(address: SocketAddr, key: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; is another peerwatchd running? Choose another address with {key} in peerwatch.toml")
    })
}

/// A network whose database is open and locked.
struct Opened {
    settings: Settings,
    store: Store,
    opening: Opening,
    first: bool,
}

fn open(places: &Places, assembled: Assembled) -> Result<Opened, String> {
    let Assembled { settings, first } = assembled;
    let name = &settings.network.name;
    let (directory, runtime) = (places.state.join(name), places.runtime.join(name));
    let (mut store, opening) =
        Store::open(&directory, &runtime, settings.network.network, settings.key.node()).map_err(|error| error.to_string())?;
    store.bound(settings.network.journal_size).map_err(|fault| fault.to_string())?;
    if opening.unclean {
        tracing::warn!(network = name, "the last stop was not in order; the database was checked and is sound");
    }
    Ok(Opened { settings, store, opening, first })
}

/// Restores a network's node and starts its loop.
fn begin(opened: Opened, prober: &Prober, exit: &Exit) -> Result<Running, String> {
    let Opened { settings, store, opening, first } = opened;
    let name = settings.network.name.clone();
    remark(&settings);
    let beginning = if opening.continuous {
        Beginning::Continue
    } else {
        let reason = match (opening.created, first) {
            (true, true) => "first start",
            (true, false) => "there is no journal here yet",
            (false, _) => "it cannot be proved that nothing was lost since the last stop",
        };
        Beginning::Anew { nonce: random::bytes16()?, reason: reason.into(), first: first && opening.created }
    };
    let (past, entries) = turn::read(&store).map_err(|fault| fault.to_string())?;
    let mut out = Effects::default();
    let seed = u64::from_be_bytes(*random::bytes16()?.first_chunk().expect("BUG! sixteen bytes begin with eight"));
    let (network, key) = (settings.network.network, settings.key.clone());
    let size = settings.network.journal_size;
    let mut node = Node::restore(settings, seed, &past, entries.into_iter(), beginning, clock::now(), &mut out);
    // Whose keys count follows from the journal too: a revoked one is not let in by a reload or an old file.
    let (members, watched) = watch::channel(Arc::new(node.members_now()));
    let identity = Identity { network, key, members: watched };
    let (hello, greeting) = watch::channel(node.hello());
    let (view, shown) = watch::channel(Arc::new(node.view(clock::now())));
    let (values, held) = watch::channel(Arc::new(node.values()));
    let (inbox, arrivals) = mpsc::channel(limits::INBOX);
    let (asking, asked) = mpsc::channel(limits::COMMANDS);
    let reader = store.reader().map_err(|fault| fault.to_string())?;
    let links = Links::new(Handle::current(), identity.clone(), greeting, inbox.clone());
    let archive = Arc::new(Keeper::new(reader.clone(), inbox.clone(), size));
    let history = Arc::new(reader.clone());
    let desk = Desk { network: name.clone(), view: shown, values: held, commands: asking, history, archive };
    let pulse = Arc::new(AtomicU64::new(clock::now().mono.0));
    let performer = Performer::new(links.clone(), prober.clone(), exit.clone(), values, reader);
    let runtime = Handle::current();
    let turns =
        Turns { name: name.clone(), runtime, inbox: arrivals, node, store, performer, view, hello, members, size, pulse: pulse.clone() };
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("loop-{name}"))
        .spawn(move || {
            // Nobody waits for it any more only when the daemon is ending anyhow.
            let _ = done.send(turns.run(out));
        })
        .map_err(|error| format!("a thread cannot be made: {error}; is a limit on tasks too low?"))?;
    forward_commands(asked, inbox.clone());
    Ok(Running { name, inbox, identity, links, desk, pulse, ended })
}

/// What the files leave to be wished for.
fn remark(settings: &Settings) {
    for remark in &settings.remarks {
        tracing::warn!(network = settings.network.name, "{remark}");
    }
}

fn forward_commands(mut asked: mpsc::Receiver<crate::front::desk::Asked>, inbox: mpsc::Sender<Arrival>) {
    tokio::spawn(async move {
        while let Some(asked) = asked.recv().await {
            if inbox.send(Arrival::Asked(asked)).await.is_err() {
                break;
            }
        }
    });
}

/// Accepts links for all networks.
fn accept(listener: TcpListener, identities: Arc<[Identity]>, running: &[Running]) {
    let (accepted, mut connections) = mpsc::channel(limits::HANDSHAKES);
    let links: Vec<_> = running.iter().map(|network| (network.identity.network, network.links.clone())).collect();
    let mut refusals = Refusals::default();
    tokio::spawn(link::accept_loop(listener, identities, Timing::default(), accepted, move |refusal| refusals.tell(&refusal)));
    tokio::spawn(async move {
        while let Some(connection) = connections.recv().await {
            if let Some((_, links)) = links.iter().find(|(network, _)| *network == connection.network) {
                links.begin(connection, None);
            }
        }
    });
}

/// Who was not let in, at a bounded rate: anybody who can reach the port can cause these lines.
#[derive(Default)]
struct Refusals {
    since: crate::base::time::Mono,
    told: u32,
}

impl Refusals {
    fn tell(&mut self, refusal: &link::Refusal) {
        let now = clock::now().mono;
        if Span::secs(60) <= now.since(self.since) {
            if 10 < self.told {
                tracing::warn!("{} more connections were refused in the last minute", self.told - 10);
            }
            (self.since, self.told) = (now, 0);
        }
        self.told += 1;
        if self.told <= 10 {
            tracing::warn!("refused a connection from {}: {}", refusal.remote, refusal.reason);
        }
    }
}

/// Keeps this daemon on the bus: a lost bus must not stop the watching.
async fn keep_bus(mut bus: Option<dbus::Bus>, desks: Desks) {
    let mut pause = Duration::from_secs(1);
    loop {
        if let Some(bus) = &mut bus {
            let error = bus.lost().await;
            if error == dbus::BusError::Stopped {
                return;
            }
            tracing::warn!("off the system bus: {error}; trying again");
            pause = Duration::from_secs(1);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(60));
        bus = dbus::serve(BusAddress::System, desks.clone()).await.ok();
        if bus.is_some() {
            tracing::info!("on the system bus");
        }
    }
}

/// Answers signals, feeds the watchdog and tells the status, until the daemon is to stop.
async fn attend(places: &Places, lacks: &[String], host: &crate::base::settings::Host, running: &mut [Running], shared: &Shared) -> Ending {
    let handle = |kind| signal(kind).map_err(|error| format!("signals cannot be handled: {error}"));
    let (mut hangup, mut terminate, mut interrupt) =
        (handle(SignalKind::hangup())?, handle(SignalKind::terminate())?, handle(SignalKind::interrupt())?);
    let period = systemd::watchdog_interval().map_or(Duration::from_secs(1), |interval| (interval / 2).std().min(Duration::from_secs(1)));
    let mut tick = tokio::time::interval(period);
    let mut told = String::new();
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                systemd::reloading();
                told = reload(places, lacks, host, running, shared).await;
                systemd::ready(&told);
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = tick.tick() => {
                for network in running.iter_mut() {
                    if let Ok(ending) = network.ended.try_recv() {
                        return Err(ending.err().unwrap_or_else(|| End::Failed(format!("the loop of network {} ended", network.name))));
                    }
                }
                let now = clock::now().mono;
                let live = |network: &Running| now.since(crate::base::time::Mono(network.pulse.load(Ordering::Relaxed))) < STUCK;
                if running.iter().all(live) {
                    systemd::watchdog();
                }
                let status = line(running);
                if status != told && !told.starts_with("reload rejected") {
                    systemd::status(&status);
                    told = status;
                }
            }
        }
    }
}

fn line(running: &[Running]) -> String {
    let lines: Vec<String> = running.iter().map(|network| publish::status(&network.desk.view.borrow())).collect();
    lines.join("; ")
}

/// Reads all files again. One fault in any of them keeps everything as it was. Returns the status line.
async fn reload(places: &Places, lacks: &[String], host: &crate::base::settings::Host, running: &mut [Running], shared: &Shared) -> String {
    let assembly = match assemble(places, lacks) {
        Ok(assembly) => assembly,
        Err(error) => {
            tracing::error!("reload rejected, everything stays as it was: {error}");
            return format!("reload rejected, everything stays as it was: {}", error.lines().next().unwrap_or_default());
        }
    };
    if (assembly.host.mesh, assembly.host.web, &assembly.host.networks) != (host.mesh, host.web, &host.networks) {
        tracing::warn!("changes of [listen] and of the list of networks take effect when the daemon is restarted");
    }
    tell_of_programs(&assembly.outbox);
    shared.outbox.send_replace(assembly.outbox);
    shared.access.send_replace(assembly.access);
    for assembled in assembly.networks {
        let Some(network) = running.iter().find(|network| network.name == assembled.settings.network.name) else { continue };
        if assembled.settings.network.network != network.identity.network || assembled.settings.key.node() != network.identity.key.node() {
            tracing::warn!(network = network.name, "another id or key takes effect when the daemon is restarted");
            continue;
        }
        remark(&assembled.settings);
        let _ = network.inbox.send(Arrival::Reload(Box::new(assembled.settings))).await;
    }
    tracing::info!("reloaded");
    line(running)
}

/// Ends all loops in order: links say goodbye, databases are closed.
async fn stop(running: Vec<Running>) {
    for network in &running {
        let _ = network.inbox.send(Arrival::Stop).await;
    }
    // Whose end was read before is the reason for all this.
    for network in running.into_iter().filter(|network| !network.ended.is_terminated()) {
        if let Ok(Ok(Err(error))) = tokio::time::timeout(Duration::from_secs(10), network.ended).await {
            tracing::error!(network = network.name, "{}", error.text());
        }
    }
}
