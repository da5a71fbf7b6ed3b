//! The bus contract, on a private bus: objects, properties, signals, errors, the name.

#[path = "bus/journal.rs"]
mod journal;
#[path = "bus/notify.rs"]
mod notify;
#[path = "bus/private.rs"]
mod private;
#[path = "bus/quiet.rs"]
mod quiet;
#[path = "bus/revoke.rs"]
mod revoke;
#[path = "bus/sample.rs"]
mod sample;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt, future};
use peerwatch::base::command::{Command, Reply, Step, Vantage, Way};
use peerwatch::base::id::NodeId;
use peerwatch::base::outcome::{Standing, Verdict};
use peerwatch::base::time::{Micros, Span, Wall};
use peerwatch::base::view::{Presence, View, WatcherView};
use peerwatch::base::wire::Answer;
use peerwatch::front::dbus::{self, BusAddress, BusError};
use zbus::fdo::{self, ManagedObjects, ObjectManagerProxy};
use zbus::message::Type;
use zbus::{Connection, DBusError as _, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use private::{PrivateBus, serve, soon};
use sample::Home;

const NAME: &str = "org.peerwatch.Peerwatch1";
/// Something by name, with what is known of it.
type Row = (String, BTreeMap<String, OwnedVariant>);

const ROOT: &str = "/org/peerwatch/Peerwatch1";
const HOME: &str = "/org/peerwatch/Peerwatch1/network/home";
const CONTRACT: &str = include_str!("../dbus/org.peerwatch.Peerwatch1.xml");

/// 2026-11-20 03:12:00 UTC.
const HERE: Home = Home(Wall(1_795_144_320_000));

fn home() -> View {
    HERE.view()
}

async fn client(bus: &PrivateBus) -> Connection {
    soon(zbus::connection::Builder::address(bus.address.as_str()).build()).await.unwrap()
}

/// Everything that one call returns: interfaces by path.
async fn objects(client: &Connection) -> BTreeMap<String, Vec<String>> {
    let proxy = ObjectManagerProxy::builder(client).destination(NAME).path(ROOT).build().await.unwrap();
    let found: ManagedObjects = proxy.get_managed_objects().await.unwrap();
    let names = |interfaces: std::collections::HashMap<
        zbus::names::OwnedInterfaceName,
        std::collections::HashMap<String, OwnedVariant>,
    >| { interfaces.into_keys().map(|name| name.to_string()).collect() };
    found.into_iter().map(|(path, interfaces)| (path.to_string(), names(interfaces))).collect()
}

async fn get(client: &Connection, path: &str, interface: &str, property: &str) -> zbus::Result<OwnedVariant> {
    let interface = format!("{NAME}.{interface}");
    let reply =
        client.call_method(Some(NAME), path, Some("org.freedesktop.DBus.Properties"), "Get", &(interface.as_str(), property)).await?;
    reply.body().deserialize()
}

async fn introspect(client: &Connection, path: &str) -> String {
    let call = client.call_method(Some(NAME), path, Some("org.freedesktop.DBus.Introspectable"), "Introspect", &());
    soon(call).await.unwrap().body().deserialize().unwrap()
}

/// All signals of the daemon, from now on.
async fn signals(client: &Connection) -> MessageStream {
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).path_namespace(ROOT).build().unwrap();
    MessageStream::for_match_rule(rule, client, Some(std::num::NonZeroUsize::new(1000).unwrap())).await.unwrap()
}

/// A signal in one line: where, what, which properties.
fn line(signal: &Message) -> String {
    let header = signal.header();
    let place = header.path().unwrap().as_str().strip_prefix(ROOT).unwrap().to_owned();
    let member = header.member().unwrap().to_string();
    let body = signal.body();
    let told = match member.as_str() {
        "PropertiesChanged" => {
            let (_, changed, named): (String, BTreeMap<String, OwnedVariant>, Vec<String>) = body.deserialize().unwrap();
            let changed = changed.iter().map(|(name, value)| format!("{name}={}", **value));
            changed.chain(named.into_iter().map(|name| format!("{name}?"))).collect::<Vec<_>>().join(" ")
        }
        "InterfacesAdded" => {
            body.deserialize::<(OwnedObjectPath, BTreeMap<String, BTreeMap<String, OwnedVariant>>)>().unwrap().0.to_string()
        }
        "InterfacesRemoved" => body.deserialize::<(OwnedObjectPath, Vec<String>)>().unwrap().0.to_string(),
        "JournalProgress" => {
            let (network, work, done, total): (String, String, u64, u64) = body.deserialize().unwrap();
            format!("{network} {work} {done} {total}")
        }
        _ => body.deserialize::<OwnedObjectPath>().unwrap().to_string(),
    };
    format!("{place} {member} {}", told.replace(ROOT, ""))
}

async fn lines(stream: &mut MessageStream, number: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < number {
        lines.push(line(&soon(stream.next()).await.unwrap().unwrap()));
    }
    lines
}

fn with(view: &View, change: impl FnOnce(&mut View)) -> Arc<View> {
    let mut view = view.clone();
    change(&mut view);
    Arc::new(view)
}

#[tokio::test]
async fn one_call_finds_everything() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let objects = soon(objects(&client(&bus).await)).await;
    let found: BTreeMap<String, String> = objects
        .into_iter()
        .flat_map(|(path, interfaces)| interfaces.into_iter().map(move |interface| (path.clone(), interface)))
        .map(|(path, interface)| (path.replace(HOME, ""), interface.replace(NAME, "")))
        .collect();
    let expected = [
        ("", ".Network"),
        ("/incident/router_231", ".Incident"),
        ("/incident/shop_233", ".Incident"),
        ("/node/ber1", ".Node"),
        ("/node/fra1", ".Node"),
        ("/node/laptop", ".Node"),
        ("/target/node_3afra1", ".Target"),
        ("/target/node_3alaptop", ".Target"),
        ("/target/router", ".Target"),
        ("/target/shop", ".Target"),
    ];
    assert_eq!(found, expected.map(|(path, interface)| (path.into(), interface.into())).into());
}

#[tokio::test]
async fn properties_say_what_the_view_says() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    for (path, interface, property, expected) in [
        ("", "Network", "Name", "\"home\""),
        ("", "Network", "UpdatedUSec", "uint64 1795144320000000"),
        (
            "",
            "Network",
            "JournalHeads",
            "[(\"ber1\", {\"Base\": <uint64 5>, \"Incarnation\": <\"1.01010101010101010101010101010101\">, \
              \"Lane\": <\"state\">, \"Last\": <uint64 17>})]",
        ),
        (
            "",
            "Network",
            "JournalForks",
            "[(\"laptop\", {\"Incarnation\": <\"3.03030303030303030303030303030303\">, \"Lane\": <\"events\">, \
              \"Sequence\": <uint64 40>})]",
        ),
        ("/node/laptop", "Node", "Presence", "\"dead\""),
        (
            "/node/ber1",
            "Node",
            "LinkMeasurements",
            "[(\"fra1\", {\"Lacks\": <uint64 0>, \"OffsetUSec\": <int64 -3000>, \"PeerLacks\": <uint64 2>, \
              \"ReceivedBytes\": <uint64 1250000>, \"SentBytes\": <uint64 48000>, \"TimeUSec\": <uint64 11900>})]",
        ),
        ("/node/ber1", "Node", "Clock", "@a{sv} {}"),
        ("/node/fra1", "Node", "Clock", "{\"Measured\": <true>, \"OffsetUSec\": <int64 -3000>}"),
        ("/node/laptop", "Node", "Clock", "{\"Measured\": <false>, \"OffsetUSec\": <int64 -3000>}"),
        ("/target/shop", "Target", "Standing", "\"down\""),
        ("/target/shop", "Target", "Incident", &format!("objectpath \"{HOME}/incident/shop_233\"")),
        ("/target/router", "Target", "Incident", "objectpath \"/\""),
        ("/target/router", "Target", "VotesCounted", "uint32 2"),
        ("/incident/shop_233", "Incident", "Open", "true"),
        ("/incident/shop_233", "Incident", "ClosedUSec", "uint64 0"),
        ("/incident/router_231", "Incident", "LastedUSec", "uint64 1050000000"),
        ("/incident/shop_233", "Incident", "Votes", "[(\"ber1\", \"down\"), (\"fra1\", \"down\")]"),
    ] {
        let value = soon(get(&client, &format!("{HOME}{path}"), interface, property)).await.unwrap();
        assert_eq!(value.to_string(), *expected, "{path} {property}");
    }
    let networks = soon(get(&client, ROOT, "Manager", "Networks")).await.unwrap();
    assert_eq!(networks.to_string(), format!("[objectpath \"{HOME}\"]"));
}

#[tokio::test]
async fn a_new_view_announces_what_changed_and_nothing_else() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let mut stream = signals(&client).await;
    // Figures of looks and pings, and the time of the view, change all the time: no signal.
    let quiet = with(&home(), |view| {
        view.at = HERE.ago(-5);
        let fra1 = &home().nodes[1];
        let mut heard = (**fra1).clone();
        heard.heard = Some(HERE.ago(-4));
        heard.links[0].time = Some(Micros(5));
        let mut looked = HERE.target("router", Standing::Up);
        looked.watchers[0].time = Some(Micros(77));
        looked.watchers[0].last_good = Some(HERE.ago(-4));
        view.nodes = Arc::new([view.nodes[0].clone(), Arc::new(heard), view.nodes[2].clone()]);
        view.targets = view.targets.iter().cloned().map(|old| if old.id.0 == "router" { Arc::new(looked.clone()) } else { old }).collect();
    });
    rooms[0].view.send_replace(quiet.clone());
    let changed = with(&quiet, |view| {
        view.isolated = true;
        view.nodes = view.nodes.iter().cloned().map(suspect_fra1).collect();
    });
    // The follower may see both views at once; the result must be the same.
    rooms[0].view.send_replace(changed);
    let expected =
        ["/network/home/node/fra1 PropertiesChanged Presence=\"suspect\" Voting=false", "/network/home PropertiesChanged Isolated=true"];
    assert_eq!(lines(&mut stream, 2).await, expected);
    let time = soon(get(&client, &format!("{HOME}/target/router"), "Target", "Measurements")).await.unwrap();
    assert!(time.to_string().contains("\"TimeUSec\": <uint64 77>"), "{time:?}");
}

fn suspect_fra1(node: Arc<peerwatch::base::view::NodeView>) -> Arc<peerwatch::base::view::NodeView> {
    if node.name != "fra1" {
        return node;
    }
    let mut node = (*node).clone();
    node.presence = Presence::Suspect;
    node.voting = false;
    Arc::new(node)
}

#[tokio::test]
async fn objects_come_and_go_and_incidents_are_news() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let mut stream = signals(&client).await;
    rooms[0].view.send_replace(with(&home(), |view| {
        view.nodes = Arc::new([view.nodes[0].clone(), view.nodes[1].clone(), Arc::new(HERE.node(4, "nas", Presence::Alive))]);
        view.incidents = Arc::new([
            Arc::new(HERE.incident("router", 2, true)),
            Arc::new(HERE.incident("router", 1, false)),
            Arc::new(peerwatch::base::view::IncidentView { open: false, closed: Some(HERE.ago(0)), ..HERE.incident("shop", 3, true) }),
        ]);
    }));
    let expected = [
        " InterfacesAdded /network/home/node/nas",
        " InterfacesRemoved /network/home/node/laptop",
        " InterfacesAdded /network/home/incident/router_232",
        "/network/home/incident/shop_233 PropertiesChanged ClosedUSec=uint64 1795144320000000 Open=false",
        "/network/home PropertiesChanged Nodes? Incidents?",
        " IncidentOpened /network/home/incident/router_232",
        " IncidentClosed /network/home/incident/shop_233",
    ];
    assert_eq!(lines(&mut stream, expected.len()).await, expected);
    let order = soon(get(&client, HOME, "Network", "Nodes")).await.unwrap();
    assert!(order.to_string().ends_with("nas\"]"), "{order:?}");
    let gone = soon(get(&client, &format!("{HOME}/node/laptop"), "Node", "Name")).await.unwrap_err();
    assert!(gone.to_string().contains("Unknown"), "{gone}");
}

#[tokio::test]
async fn of_two_things_with_one_name_the_first_is_shown() {
    let bus = PrivateBus::start();
    let mut view = home();
    view.nodes = Arc::new([Arc::new(HERE.node(1, "twin", Presence::Me)), Arc::new(HERE.node(2, "twin", Presence::Dead))]);
    let (_served, rooms) = serve(&bus, vec![view.clone()]).await.unwrap();
    let client = client(&bus).await;
    rooms[0].view.send_replace(with(&view, |view| view.at = HERE.ago(-1)));
    let presence = soon(get(&client, &format!("{HOME}/node/twin"), "Node", "Presence")).await.unwrap();
    assert_eq!(presence.to_string(), "\"me\"");
    let nodes = soon(get(&client, HOME, "Network", "Nodes")).await.unwrap();
    assert_eq!(Vec::<OwnedObjectPath>::try_from(nodes).unwrap().len(), 1);
}

#[tokio::test]
async fn a_byte_zero_from_outside_does_not_end_the_connection() {
    let bus = PrivateBus::start();
    let mut view = home();
    view.fault = Some("disk\0full".into());
    let (_served, _rooms) = serve(&bus, vec![view]).await.unwrap();
    let fault = soon(get(&client(&bus).await, HOME, "Network", "Fault")).await.unwrap();
    assert_eq!(String::try_from(fault).unwrap(), "disk\u{fffd}full");
}

async fn trace(client: &Connection, network: &str, node: &str, options: &[(&str, Variant<'_>)]) -> zbus::Result<Message> {
    let options: BTreeMap<&str, &Variant<'_>> = options.iter().map(|(name, value)| (*name, value)).collect();
    client.call_method(Some(NAME), ROOT, Some("org.peerwatch.Peerwatch1.Manager"), "Trace", &(network, node, options)).await
}

#[tokio::test]
async fn a_trace_asks_the_node_and_returns_the_hops() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let hops = vec![Step { node: "fra1".into(), time: Some(Micros(900)) }, Step { node: "laptop".into(), time: None }];
    let mut way = Some(Way { hops, took: Span(35) });
    for expected in [r#"(true, uint64 35000, [("fra1", {"TimeUSec": <uint64 900>}), ("laptop", {})])"#, "(false, uint64 0, @a(sa{sv}) [])"]
    {
        let node = async {
            let asked = rooms[0].commands.recv().await.unwrap();
            assert_eq!(asked.command, Command::Trace { node: NodeId([3; 32]), within: Span(2500) });
            asked.reply.send(Reply::Traced(way.take())).unwrap();
        };
        let options = [("WithinUSec", Variant::from(2_500_000u64))];
        let (reply, ()) = soon(future::join(trace(&client, "", "laptop", &options), node)).await;
        let (found, took, hops): (bool, u64, Vec<Row>) = reply.unwrap().body().deserialize().unwrap();
        let hops: Vec<_> = hops.into_iter().map(|(node, traits)| (node, traits.into_iter().collect::<HashMap<_, _>>())).collect();
        assert_eq!(Variant::from((found, took, hops)).to_string(), expected);
    }
    let (name, text) = name_of(soon(trace(&client, "", "fra7", &[])).await.unwrap_err());
    assert_eq!(
        (name, text),
        (format!("{NAME}.Error.NoSuchNode"), "network home has no node \"fra7\"; peerwatchctl nodes lists them".into())
    );
    for option in [("WithinUSec", Variant::from(0u64)), ("Count", Variant::from(1u32))] {
        let (name, text) = name_of(soon(trace(&client, "", "fra1", &[option])).await.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs", "{text}");
    }
}

async fn ping(client: &Connection, network: &str, host: &str, options: &[(&str, Variant<'_>)]) -> zbus::Result<Message> {
    let options: BTreeMap<&str, &Variant<'_>> = options.iter().map(|(name, value)| (*name, value)).collect();
    client.call_method(Some(NAME), ROOT, Some("org.peerwatch.Peerwatch1.Manager"), "Ping", &(network, host, options)).await
}

fn name_of(error: zbus::Error) -> (String, String) {
    match error {
        zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
        zbus::Error::FDO(error) => (error.name().to_string(), error.description().unwrap_or_default().into()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_ping_asks_the_node_and_returns_a_row_for_each() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let answer = Answer {
        author: NodeId([1; 32]),
        asker: NodeId([1; 32]),
        incarnation: peerwatch::base::id::Incarnation { opened: 1, nonce: [1; 16] },
        number: 1,
        sent: 3,
        received: 2,
        times: Some((900, 1000, 1100)),
        detail: String::new(),
        path: vec![],
    };
    let node = async {
        let asked = rooms[0].commands.recv().await.unwrap();
        assert_eq!(asked.command, Command::Ping { host: "192.0.2.1".into(), count: 3, within: Span(2500) });
        let rows = vec![Vantage { node: "ber1".into(), answer: Some(answer) }, Vantage { node: "fra1".into(), answer: None }];
        asked.reply.send(Reply::Pinged(rows)).unwrap();
    };
    let options = [("Count", Variant::from(3u32)), ("WithinUSec", Variant::from(2_500_000u64))];
    let (reply, ()) = soon(future::join(ping(&client, "", "192.0.2.1", &options), node)).await;
    let rows: Vec<(String, BTreeMap<String, OwnedVariant>)> = reply.unwrap().body().deserialize().unwrap();
    let rows: Vec<String> = rows
        .into_iter()
        .map(|(node, traits)| traits.into_iter().fold(node, |line, (name, value)| format!("{line} {name}={}", *value)))
        .collect();
    let expected = [
        "ber1 Answered=true Detail=\"\" LeastUSec=uint64 900 MeanUSec=uint64 1000 MostUSec=uint64 1100 Received=uint32 2 Sent=uint32 3",
        "fra1 Answered=false",
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn errors_have_types_and_say_the_remedy() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home(), View { network: "work".into(), ..home() }]).await.unwrap();
    let client = client(&bus).await;
    let own = |name: &str| format!("{NAME}.Error.{name}");
    let (name, text) = name_of(soon(ping(&client, "hmoe", "192.0.2.1", &[])).await.unwrap_err());
    assert_eq!((name, text), (own("NoSuchNetwork"), "this node is in no network \"hmoe\"; it is in: home, work".into()));
    let (name, text) = name_of(soon(ping(&client, "", "192.0.2.1", &[])).await.unwrap_err());
    assert_eq!((name, text), (own("NoSuchNetwork"), "this node is in several networks; name one of: home, work".into()));
    for (host, option) in [
        ("", ("Count", Variant::from(1u32))),
        ("two words", ("Count", Variant::from(1u32))),
        ("192.0.2.1", ("Count", Variant::from(21u32))),
        ("192.0.2.1", ("Count", Variant::from("three"))),
        ("192.0.2.1", ("WithinUSec", Variant::from(61_000_000u64))),
        ("192.0.2.1", ("count", Variant::from(1u32))),
    ] {
        let (name, text) = name_of(soon(ping(&client, "home", host, &[option])).await.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs", "{text}");
    }
    let refusal = async {
        let asked = rooms[1].commands.recv().await.unwrap();
        asked.reply.send(Reply::Refused("no; wait a moment".into())).unwrap();
    };
    let (reply, ()) = soon(future::join(ping(&client, "work", "192.0.2.1", &[]), refusal)).await;
    assert_eq!(name_of(reply.unwrap_err()), (own("Refused"), "no; wait a moment".into()));
    rooms.clear();
    let (name, _) = name_of(soon(ping(&client, "work", "192.0.2.1", &[])).await.unwrap_err());
    assert_eq!(name, own("Refused"));
}

#[tokio::test]
async fn wrong_types_and_unknown_members_are_refused_and_harm_nothing() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let manager = Some("org.peerwatch.Peerwatch1.Manager");
    let wrong = soon(client.call_method(Some(NAME), ROOT, manager, "Ping", &(1u32, 2u32))).await.unwrap_err();
    assert_eq!(name_of(wrong).0, "org.freedesktop.DBus.Error.InvalidArgs");
    let unknown = soon(client.call_method(Some(NAME), ROOT, manager, "Pnig", &())).await.unwrap_err();
    assert_eq!(name_of(unknown).0, "org.freedesktop.DBus.Error.UnknownMethod");
    let property = soon(get(&client, HOME, "Network", "Nmae")).await.unwrap_err();
    assert_eq!(name_of(property).0, "org.freedesktop.DBus.Error.UnknownProperty");
    let properties = Some("org.freedesktop.DBus.Properties");
    let set = ("org.peerwatch.Peerwatch1.Network", "Isolated", Variant::from(true));
    assert!(soon(client.call_method(Some(NAME), HOME, properties, "Set", &set)).await.is_err());
    let isolated = soon(get(&client, HOME, "Network", "Isolated")).await.unwrap();
    assert_eq!(isolated.to_string(), "false");
}

#[tokio::test]
async fn the_policy_lets_everybody_read_and_nothing_else() {
    let bus = PrivateBus::with_our_policy();
    let (_served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    assert!(!objects(&client).await.is_empty());
    assert!(introspect(&client, ROOT).await.contains("Manager"));
    assert_eq!(soon(get(&client, HOME, "Network", "Name")).await.unwrap().to_string(), "\"home\"");
    let properties = Some("org.freedesktop.DBus.Properties");
    let all = soon(client.call_method(Some(NAME), HOME, properties, "GetAll", &("org.peerwatch.Peerwatch1.Network",))).await;
    assert!(all.is_ok(), "{all:?}");
    let set = ("org.peerwatch.Peerwatch1.Network", "Isolated", Variant::from(true));
    let set = soon(client.call_method(Some(NAME), HOME, properties, "Set", &set)).await.unwrap_err();
    assert_eq!(name_of(set).0, "org.freedesktop.DBus.Error.AccessDenied");
    let ping = soon(ping(&client, "", "192.0.2.1", &[])).await.unwrap_err();
    assert_eq!(name_of(ping).0, "org.freedesktop.DBus.Error.AccessDenied");
    let trace = soon(trace(&client, "", "fra1", &[])).await.unwrap_err();
    assert_eq!(name_of(trace).0, "org.freedesktop.DBus.Error.AccessDenied");
    let manager = Some("org.peerwatch.Peerwatch1.Manager");
    for method in ["VerifyJournal", "CompactJournal"] {
        let refused = soon(client.call_method(Some(NAME), ROOT, manager, method, &("",))).await.unwrap_err();
        assert_eq!(name_of(refused).0, "org.freedesktop.DBus.Error.AccessDenied", "{method}");
    }
    assert!(soon(client.call_method(Some(NAME), ROOT, manager, "JournalStats", &("",))).await.is_ok());
    let other = soon(client.request_name("org.peerwatch.Peerwatch2")).await.unwrap_err();
    assert_eq!(name_of(other).0, "org.freedesktop.DBus.Error.AccessDenied");
    let mut stream = signals(&client).await;
    rooms[0].view.send_replace(with(&home(), |view| view.isolated = true));
    assert_eq!(lines(&mut stream, 1).await, ["/network/home PropertiesChanged Isolated=true"]);
}

#[tokio::test]
async fn without_the_policy_the_name_is_refused_with_a_remedy() {
    let bus = PrivateBus::with(private::CLOSED.split_once("  <include>").unwrap().0);
    let error = serve(&bus, vec![home()]).await.err().unwrap();
    assert!(matches!(&error, BusError::NotAllowed(_)) && error.to_string().contains("systemctl reload dbus"), "{error:?}");
}

#[tokio::test]
async fn a_dropped_face_is_gone_from_the_bus() {
    let bus = PrivateBus::start();
    let (served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let driver = fdo::DBusProxy::new(&client).await.unwrap();
    let mut owners = driver.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
    drop(served);
    let change = soon(owners.next()).await.unwrap();
    assert!(change.args().unwrap().new_owner().is_none());
}

#[tokio::test]
async fn nobody_else_gets_the_name_while_it_is_held() {
    let bus = PrivateBus::start();
    let (served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    let thief = client(&bus).await;
    let flags = fdo::RequestNameFlags::REPLACE_EXISTING | fdo::RequestNameFlags::DO_NOT_QUEUE;
    assert_eq!(soon(thief.request_name_with_flags(NAME, flags)).await.unwrap_err(), zbus::Error::NameTaken);
    let second = soon(serve(&bus, vec![home()])).await.err().unwrap();
    assert_eq!(second, BusError::NameTaken);
    assert!(second.to_string().contains("second peerwatchd"), "{second}");
    soon(served.close()).await;
    drop(rooms);
    let (_third, _rooms) = soon(serve(&bus, vec![home()])).await.unwrap();
}

#[tokio::test]
async fn a_lost_bus_is_an_error_with_a_remedy_and_not_the_end() {
    let nowhere = dbus::serve(BusAddress::At("unix:path=/nonexistent/bus".into()), private::desks(vec![home()]).0);
    let error = soon(nowhere).await.err().unwrap();
    assert!(matches!(&error, BusError::Unreachable(_)) && error.to_string().contains("systemctl status dbus"), "{error}");
    let mut bus = PrivateBus::start();
    let (mut served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    bus.kill();
    assert!(matches!(soon(served.lost()).await, BusError::Lost(_)));
    rooms[0].view.send_replace(with(&home(), |view| view.isolated = true));
    let bus = PrivateBus::start();
    let (mut served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    drop(rooms);
    assert_eq!(soon(served.lost()).await, BusError::Stopped);
}

#[tokio::test]
async fn twenty_clients_read_at_once_while_views_change() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    let clients = (0..20).map(|_| async {
        let client = client(&bus).await;
        for _ in 0..5 {
            let found = objects(&client).await;
            assert!(found.keys().any(|path| path.ends_with("/target/shop")));
        }
    });
    let churn = async {
        for turn in 0..50u8 {
            rooms[0].view.send_replace(with(&home(), |view| {
                view.at = HERE.ago(-i64::from(turn));
                view.nodes = Arc::new([view.nodes[0].clone(), Arc::new(HERE.node(turn, &format!("n{}", turn % 3), Presence::Alive))]);
            }));
            tokio::task::yield_now().await;
        }
    };
    soon(future::join(future::join_all(clients), churn)).await;
}

/// One interface of an introspection text, without comments and with single spaces.
fn interface(xml: &str, name: &str) -> String {
    let mut bare = String::new();
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once("<!--") {
        bare.push_str(before);
        rest = after.split_once("-->").unwrap().1;
    }
    bare.push_str(rest);
    let start = bare.find(&format!("<interface name=\"{name}\">")).unwrap_or_else(|| panic!("no {name}"));
    let end = start + bare[start..].find("</interface>").unwrap();
    bare[start..end].split_whitespace().collect::<Vec<_>>().join(" ").replace("> <", "><")
}

#[tokio::test]
async fn the_contract_is_what_is_served() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    for (path, name) in [
        (ROOT.to_owned(), "Manager"),
        (ROOT.to_owned(), "Values"),
        (HOME.to_owned(), "Network"),
        (format!("{HOME}/node/ber1"), "Node"),
        (format!("{HOME}/target/shop"), "Target"),
        (format!("{HOME}/incident/shop_233"), "Incident"),
    ] {
        let live = introspect(&client, &path).await;
        let name = format!("{NAME}.{name}");
        assert_eq!(interface(&live, &name), interface(CONTRACT, &name), "live:\n{live}");
    }
}

#[test]
fn the_manual_page_names_every_member_of_the_contract() {
    let page = include_str!("../man/org.peerwatch.Peerwatch1.5");
    for (kind, entry) in [("property", ".It Va"), ("method", ".It Fn"), ("signal", ".It Fn"), ("interface", ".Sh INTERFACE")] {
        for part in CONTRACT.split(&format!("<{kind} name=\"")).skip(1) {
            let name = part.split('"').next().unwrap().trim_start_matches("org.peerwatch.Peerwatch1.");
            let found = page.lines().any(|line| line.strip_prefix(entry).is_some_and(|rest| rest.split_whitespace().next() == Some(name)));
            assert!(found, "the page does not describe the {kind} {name}");
        }
    }
}

/// A client whose bus has the limits of the system bus; who sends more than they allow is cut off.
#[tokio::test]
async fn a_large_network_stays_within_what_the_bus_lets_through() {
    let bus = PrivateBus::start();
    let mut view = home();
    let crowd = |number: usize| {
        let mut target = HERE.target(&format!("t{number}"), Standing::Up);
        let one = WatcherView { detail: "x".repeat(240), ..target.watchers[0].clone() };
        target.watchers = (0..60).map(|place| WatcherView { node: format!("n{place}"), ..one.clone() }).collect();
        target.watchers[59].verdict = Verdict::Down;
        Arc::new(target)
    };
    view.targets = (0..1500).map(crowd).collect();
    view.incidents = (0..2003).map(|number| Arc::new(HERE.incident("t0", number, true))).collect();
    let (_served, _rooms) = serve(&bus, vec![view]).await.unwrap();
    let client = client(&bus).await;
    let everything = soon(objects(&client)).await;
    let shown = everything.keys().filter(|path| path.contains("/target/")).count();
    assert_eq!(shown, 1500);
    let remarks = soon(get(&client, HOME, "Network", "Remarks")).await.unwrap();
    assert_eq!(remarks.to_string(), "[\"3 incidents are too many for the bus and not shown there; the web page has all\"]");
    let watchers = soon(get(&client, &format!("{HOME}/target/t7"), "Target", "Watchers")).await.unwrap();
    let watchers: Vec<(String, BTreeMap<String, OwnedVariant>)> = Vec::try_from(watchers).unwrap();
    let names: Vec<_> = watchers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names[0], names[1], names.len()), ("n59", "n0", 26), "who calls it bad comes first");
    for (path, child) in [("/", "org"), (ROOT, "network"), (HOME, "target"), (&format!("{HOME}/target"), "t1499")] {
        let xml = introspect(&client, path).await;
        assert!(xml.len() < 60_000 && xml.contains(&format!("<node name=\"{child}\"/>")), "{path}: {} bytes", xml.len());
    }
}

#[tokio::test]
async fn introspection_follows_what_comes_and_goes() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![View { incidents: Arc::new([]), ..home() }]).await.unwrap();
    let client = client(&bus).await;
    assert!(!introspect(&client, HOME).await.contains("<node name=\"incident\""));
    let mut stream = signals(&client).await;
    for _ in 0..2 {
        rooms[0].view.send_replace(Arc::new(home()));
        while !lines(&mut stream, 1).await[0].contains("Incidents?") {}
        assert!(introspect(&client, HOME).await.contains("<node name=\"incident\""));
        let below = introspect(&client, &format!("{HOME}/incident")).await;
        assert!(below.contains("<node name=\"shop_233\"/>") && !below.contains("Peerwatch1.Incident"), "{below}");
        rooms[0].view.send_replace(with(&home(), |view| view.incidents = Arc::new([])));
        while !lines(&mut stream, 1).await[0].contains("Incidents?") {}
        assert!(!introspect(&client, HOME).await.contains("<node name=\"incident\""));
    }
}
