//! What one run is made of: drawn from a seed, features switched on and off by chance.
//!
//! Swarm testing (Groce et al. 2012): a run with half of the faults finds what a run with all of them
//! hides. A quarter of all runs is calm: no fault at all, and so exactly one mail for each notice.

use std::collections::BTreeSet;

use peerwatch::base::channel::Only;
use peerwatch::base::id::{NetworkId, NodeId, TargetId};
use peerwatch::base::key::SecretKey;
use peerwatch::base::rng::Rng;
use peerwatch::base::settings::{Channel, Member, Network, Phase, Role, Split, Way};
use peerwatch::base::target::{Confirm, Expected, Flap, Icmp, Probe, Quorum, Severity, Target, Thresholds, Watchers};
use peerwatch::base::time::{Micros, Span};
use peerwatch::logic::node::Settings;

/// One thing that may be part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Links break.
    Break,
    /// The network falls apart into two sides.
    Split,
    /// Packets are swallowed in one direction.
    OneWay,
    /// The network falls apart into two sides in one direction.
    Lean,
    /// Some pairs of hosts do not reach each other, while others that reach both do.
    Holes,
    /// Ways there and back, and ways of two connections, take different times.
    Uneven,
    /// A bit is flipped on the wire.
    Garble,
    /// A bit is flipped on a disk.
    Rot,
    /// A host's cable is pulled: no links, no looks, no mail.
    Cable,
    /// Daemons die and come back.
    Crash,
    /// Hosts lose power and boot again.
    Power,
    /// Hosts come back with an old backup of their disk.
    Backup,
    /// Hosts come back with an empty disk.
    Wipe,
    /// Hosts stand still for a while.
    Pause,
    /// Disks are full for a while.
    Full,
    /// Commits take long.
    SlowDisk,
    /// Wall clocks are wrong by years.
    Offset,
    /// Wall clocks are stepped by up to an hour.
    Step,
    /// Wall clocks are stepped by years.
    Leap,
    /// Forward-only clocks run up to two percent fast or slow.
    Rate,
    /// Mail servers refuse.
    MailFails,
    /// Mail servers are slow.
    MailSlow,
    /// Mail servers take a letter and the answer gets lost.
    MailTorn,
    /// Hosts die between the server's acceptance and its receipt.
    MailCrash,
    /// Targets that only one watcher cannot reach.
    Stray,
    /// Targets that a watcher cannot look at.
    Unable,
    /// Targets get slow before they get worse.
    Slow,
    /// There is a reference, so that a host can know that it is isolated.
    Reference,
    /// Some hosts only observe.
    Observer,
    /// Some hosts may be away.
    Sometimes,
    /// Messages are written to bytes and read again.
    Codec,
    /// The first address of hosts leads nowhere.
    BadAddress,
    /// Some hosts have no address and only dial out.
    DialOut,
    /// Stores are read chain by chain instead of in the order of their commits.
    ByChain,
    /// Faces ask for pings.
    Ping,
    /// Settings are loaded again.
    Reload,
    /// Some hosts are of a later version, which says things that the others do not know.
    Later,
    /// Some hosts are of an earlier version, which does not know all that the others say.
    Earlier,
    /// A host is copied while it runs.
    Copy,
    /// An admin revokes a member.
    Revoke,
    /// Only more than half of all may tell: at most once, even if that means never.
    Majority,
    /// Faces write in the key/value store.
    Values,
    /// Each node is watched by a few of the others, as in a large network.
    Sparse,
    /// People silence and acknowledge, and are reminded.
    Quiet,
    /// What goes up and down is told to flap.
    Flap,
}

impl Feature {
    pub const ALL: [Self; 45] = [
        Self::Break,
        Self::Split,
        Self::OneWay,
        Self::Lean,
        Self::Holes,
        Self::Uneven,
        Self::Garble,
        Self::Rot,
        Self::Cable,
        Self::Crash,
        Self::Power,
        Self::Backup,
        Self::Wipe,
        Self::Pause,
        Self::Full,
        Self::SlowDisk,
        Self::Offset,
        Self::Step,
        Self::Leap,
        Self::Rate,
        Self::MailFails,
        Self::MailSlow,
        Self::MailTorn,
        Self::MailCrash,
        Self::Stray,
        Self::Unable,
        Self::Slow,
        Self::Reference,
        Self::Observer,
        Self::Sometimes,
        Self::Codec,
        Self::BadAddress,
        Self::DialOut,
        Self::ByChain,
        Self::Ping,
        Self::Reload,
        Self::Later,
        Self::Earlier,
        Self::Copy,
        Self::Revoke,
        Self::Majority,
        Self::Values,
        Self::Sparse,
        Self::Quiet,
        Self::Flap,
    ];

    /// Whether it is a fault, which a calm run has none of.
    const fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::SlowDisk
                | Self::Offset
                | Self::Uneven
                | Self::Step
                | Self::Leap
                | Self::Later
                | Self::Earlier
                | Self::Rate
                | Self::MailSlow
                | Self::Slow
                | Self::Reference
                | Self::Observer
                | Self::Sometimes
                | Self::Codec
                | Self::BadAddress
                | Self::DialOut
                | Self::ByChain
                | Self::Ping
                | Self::Reload
                | Self::Majority
                | Self::Values
                | Self::Sparse
                | Self::Quiet
        )
    }
}

/// What one run is made of.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub calm: bool,
    pub features: BTreeSet<Feature>,
    pub nodes: usize,
    /// Who can reach whom.
    pub edges: BTreeSet<(usize, usize)>,
    pub delay: (u64, u64),
    pub jitter: u64,
    pub observers: BTreeSet<usize>,
    pub sometimes: BTreeSet<usize>,
    /// Hosts that may revoke.
    pub admins: BTreeSet<usize>,
    /// Hosts that do not know all kinds of facts.
    pub earlier: BTreeSet<usize>,
    /// Hosts with a way out for mail.
    pub mailers: BTreeSet<usize>,
    /// Hosts without an address.
    pub hidden: BTreeSet<usize>,
    pub lease: Span,
    pub window: Span,
    /// Degraded standings are told too.
    pub degraded: bool,
    /// After which time people are reminded.
    pub remind: Option<Span>,
    pub targets: Vec<Target>,
}

/// Features that are drawn by generators of their own.
const OWN: [Feature; 3] = [Feature::Sparse, Feature::Quiet, Feature::Flap];

/// What makes the chance of [`Feature::Quiet`] another.
const QUIET: u64 = 0x5DEE_CE66_D1CE_4E5B;

/// The name of the thing that an isolated node cannot reach.
pub const REFERENCE: &str = "reference";

/// The name of a reference on each host's own wire, which answers whatever happens.
pub const NEAR: &str = "near";

impl Options {
    /// What this seed is made of, but for the features left out.
    pub fn draw(seed: u64, without: &BTreeSet<Feature>) -> Self {
        let mut rng = Rng::new(seed);
        let calm = rng.chance(25);
        let wanted = |feature: &Feature, rng: &mut Rng| rng.chance(if feature.is_fault() { 35 } else { 40 });
        let mut features: BTreeSet<Feature> =
            Feature::ALL.into_iter().filter(|feature| !OWN.contains(feature) && wanted(feature, &mut rng)).collect();
        // Real signature checks on every hop cost most of the time, so few runs have them.
        if !rng.chance(25) {
            features.remove(&Feature::Codec);
        }
        if !rng.chance(25) {
            features.remove(&Feature::Majority);
        }
        // What two write with one key is not what the checks of values expect.
        if features.contains(&Feature::Copy) {
            features.remove(&Feature::Values);
        }
        // By a generator of its own, so that the rest of each seed is as it was before there was this feature.
        let mut late = Rng::new(!seed);
        if late.chance(30) {
            features.insert(Feature::Sparse);
        }
        if late.chance(30) {
            features.insert(Feature::Flap);
        }
        if Rng::new(seed ^ QUIET).chance(30) {
            features.insert(Feature::Quiet);
        }
        features.retain(|feature| !(without.contains(feature) || calm && feature.is_fault()));
        let nodes = 1 + below(&mut rng, 7);
        let edges = topology(nodes, &mut rng);
        let some = |rng: &mut Rng, percent| -> BTreeSet<usize> { (1..nodes).filter(|_| rng.chance(percent)).collect() };
        let (observers, sometimes, earlier) = (some(&mut rng, 25), some(&mut rng, 25), some(&mut rng, 50));
        let mut admins = some(&mut rng, 40);
        admins.insert(0);
        let mut hidden: BTreeSet<usize> = some(&mut rng, 30);
        // Of two hosts that can reach each other one must be dialled.
        hidden.retain(|a| !edges.iter().any(|(x, y)| (x == a && *y < *a) || (y == a && *x < *a)) || rng.chance(60));
        let edge_hidden = |hidden: &BTreeSet<usize>| edges.iter().find(|(a, b)| hidden.contains(a) && hidden.contains(b)).copied();
        while let Some((a, _)) = edge_hidden(&hidden) {
            hidden.remove(&a);
        }
        let few = rng.chance(30);
        let mut mailers: BTreeSet<usize> = (0..nodes).filter(|_| rng.chance(if few { 20 } else { 70 })).collect();
        let (delay, jitter) = [((1, 5), 3), ((5, 60), 30), ((20, 200), 150), ((1, 900), 900)][below(&mut rng, 4)];
        // Votes travel twice over up to six links; a lease that is shorter than that never suffices.
        let slow = 500 < jitter || features.contains(&Feature::Uneven) && 100 < jitter || features.contains(&Feature::SlowDisk);
        let mut options = Self {
            seed,
            calm,
            nodes,
            edges,
            delay,
            jitter,
            observers: if features.contains(&Feature::Observer) { observers } else { BTreeSet::new() },
            sometimes: if features.contains(&Feature::Sometimes) { sometimes } else { BTreeSet::new() },
            admins: if features.contains(&Feature::Revoke) { admins } else { BTreeSet::new() },
            earlier: if features.contains(&Feature::Earlier) { earlier } else { BTreeSet::new() },
            mailers: BTreeSet::new(),
            hidden: if features.contains(&Feature::DialOut) { hidden } else { BTreeSet::new() },
            lease: Span::secs([10, 20, 60, 120][if slow { 2 } else { 0 } + below(&mut rng, if slow { 2 } else { 4 })]),
            window: Span::secs([0, 1, 10, 30][below(&mut rng, 4)]),
            degraded: rng.chance(50),
            remind: features.contains(&Feature::Quiet).then(|| Span::secs(5 + seed % 20)),
            targets: Vec::new(),
            features,
        };
        mailers.retain(|host| !options.observers.contains(host));
        // Host 0 is always a member that must be there; without it nobody might be able to tell.
        options.mailers = if mailers.is_empty() { BTreeSet::from([0]) } else { mailers };
        options.targets = (0..1 + below(&mut rng, 3)).map(|n| options.target(n, &mut rng)).collect();
        options
    }

    /// Hosts that all reach each other, can tell and watch one target; nothing special.
    pub fn plain(nodes: usize) -> Self {
        let target = Target { interval: Span::secs(2), timeout: Span::secs(1), ..template("t0") };
        Self {
            seed: 7,
            calm: false,
            features: BTreeSet::new(),
            nodes,
            edges: (0..nodes).flat_map(|b| (0..b).map(move |a| (a, b))).collect(),
            delay: (5, 20),
            jitter: 5,
            observers: BTreeSet::new(),
            sometimes: BTreeSet::new(),
            admins: BTreeSet::new(),
            earlier: BTreeSet::new(),
            mailers: (0..nodes).collect(),
            hidden: BTreeSet::new(),
            lease: Span::secs(20),
            window: Span::secs(1),
            degraded: false,
            remind: None,
            targets: vec![target],
        }
    }

    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// A generator for one purpose, so that a feature left out does not move the others.
    pub fn rng(&self, purpose: u64) -> Rng {
        let mut rng = Rng::new(self.seed ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        rng.next();
        rng
    }

    pub fn key(&self, host: usize) -> SecretKey {
        SecretKey::from_bytes(blake3::hash(&[self.seed.to_be_bytes(), (host as u64).to_be_bytes()].concat()).as_bytes())
    }

    pub fn network_id(&self) -> NetworkId {
        NetworkId::of("sim")
    }

    /// Channels: people are told of everything, or of what is down only.
    pub fn channels(&self) -> Vec<Channel> {
        let on = if self.degraded { vec![Phase::Down, Phase::Degraded, Phase::Up] } else { vec![Phase::Down, Phase::Up] };
        vec![Channel {
            name: "ops".into(),
            way: Way::Mail { to: vec!["ops@x".into()], from: "sim@x".into() },
            on,
            only: Only::default(),
            group: self.window,
            remind: self.remind,
            escalate: None,
        }]
    }

    /// The settings of one host.
    pub fn settings(&self, host: usize) -> Settings {
        let ways = if self.mailers.contains(&host) { vec!["mail".to_owned()] } else { Vec::new() };
        Settings {
            network: self.network(),
            key: self.key(host),
            name: name(host),
            ways,
            lacks: Vec::new(),
            system: "simulated".into(),
            remarks: Vec::new(),
        }
    }

    fn network(&self) -> Network {
        let mut targets = self.targets.clone();
        if self.has(Feature::Flap) {
            targets.iter_mut().for_each(|target| target.flap = self.flap());
        }
        if self.has(Feature::Reference) {
            targets.extend([REFERENCE, NEAR].map(|name| Target { reference: true, ..template(name) }));
        }
        Network {
            name: "sim".into(),
            id: "sim".into(),
            network: self.network_id(),
            definition: [7; 32],
            split: if self.has(Feature::Majority) { Split::Majority } else { Split::Each },
            roster: (0..self.nodes).map(|host| self.member(host)).collect(),
            former: Vec::new(),
            targets,
            channels: self.channels(),
            maintenance: Vec::new(),
            lease: self.lease,
            journal_size: 1 << 30,
            node_target: Target { watchers: self.node_watchers(), flap: self.flap(), ..template("node") },
        }
    }

    /// Soon said and soon over, so that a storm has some of both.
    fn flap(&self) -> Flap {
        let drawn = || Flap { count: 2 + u8::try_from(self.rng(4).below(2)).unwrap(), within: Span::secs(300), steady: Span::secs(20) };
        if self.has(Feature::Flap) { drawn() } else { Flap::OFF }
    }

    /// Who watches each node.
    fn node_watchers(&self) -> Watchers {
        if self.has(Feature::Sparse) { Watchers::Count(u16::try_from(1 + self.rng(3).below(3)).unwrap()) } else { Watchers::All }
    }

    fn member(&self, host: usize) -> Member {
        let mut addresses = vec![format!("{}:1", name(host))];
        if self.has(Feature::BadAddress) {
            addresses.insert(0, format!("nowhere-{}:1", name(host)));
        }
        if self.hidden.contains(&host) {
            addresses.clear();
        }
        Member {
            node: self.node(host),
            name: name(host),
            role: match (self.observers.contains(&host), self.admins.contains(&host)) {
                (true, _) => Role::Observer,
                (false, true) => Role::Admin,
                (false, false) => Role::Member,
            },
            addresses,
            expected: if self.sometimes.contains(&host) { Expected::Sometimes } else { Expected::Always },
        }
    }

    pub fn node(&self, host: usize) -> NodeId {
        self.key(host).node()
    }

    fn target(&self, n: usize, rng: &mut Rng) -> Target {
        let steady: Vec<usize> = (0..self.nodes).filter(|host| !self.observers.contains(host) && !self.sometimes.contains(host)).collect();
        let watchers = match below(rng, 4) {
            0 => Watchers::Count(u16::try_from(1 + rng.below(3)).unwrap()),
            1 => {
                let named: Vec<NodeId> = steady.iter().filter(|_| rng.chance(60)).map(|host| self.node(*host)).collect();
                if named.is_empty() { Watchers::All } else { Watchers::Named(named) }
            }
            _ => Watchers::All,
        };
        let quorum = match below(rng, 6) {
            0 => Quorum::Any,
            1 => Quorum::All,
            2 => Quorum::Count(2),
            _ => Quorum::Majority,
        };
        let confirm = Confirm { bad: u8::try_from(1 + rng.below(3)).unwrap(), good: u8::try_from(1 + rng.below(2)).unwrap() };
        let name = format!("t{n}");
        let interval = Span::secs(2 + rng.below(9));
        let timeout = Span(500 + rng.below(2500));
        Target { watchers, quorum, confirm, interval, timeout, ..template(&name) }
    }
}

/// The name of a host.
pub fn name(host: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(host % 26).unwrap());
    if host < 26 { letter.to_string() } else { format!("{letter}{}", host / 26) }
}

/// A number below a bound.
pub fn below(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn template(name: &str) -> Target {
    Target {
        id: TargetId(name.into()),
        group: None,
        probe: Probe::Icmp(Icmp { host: name.into(), count: 1, gap: Span(200), size: 56 }),
        interval: Span::secs(5),
        timeout: Span::secs(2),
        confirm: Confirm { bad: 3, good: 2 },
        degraded: Thresholds { loss: None, rtt: Some(Micros(300_000)) },
        flap: Flap::OFF,
        watchers: Watchers::All,
        quorum: Quorum::Majority,
        depends: Vec::new(),
        expected: Expected::Always,
        runbook: None,
        severity: Severity::default(),
        reference: false,
    }
}

/// A line, a ring, a star, a tree with some more edges, or everybody with everybody.
fn topology(nodes: usize, rng: &mut Rng) -> BTreeSet<(usize, usize)> {
    let mut order: Vec<usize> = (0..nodes).collect();
    for n in (1..nodes).rev() {
        order.swap(n, below(rng, n + 1));
    }
    let mut edges = BTreeSet::new();
    let mut join = |a: usize, b: usize| {
        if a != b {
            edges.insert((a.min(b), a.max(b)));
        }
    };
    let shape = below(rng, 6);
    for n in 1..nodes {
        match shape {
            0 | 1 => join(order[n - 1], order[n]),
            2 => join(order[0], order[n]),
            3 => {
                join(order[below(rng, n)], order[n]);
                join(order[below(rng, nodes)], order[n]);
            }
            _ => (0..n).for_each(|m| join(order[m], order[n])),
        }
    }
    if shape == 1 && 1 < nodes {
        join(order[0], order[nodes - 1]);
    }
    edges
}
