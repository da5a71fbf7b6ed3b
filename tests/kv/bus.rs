//! The key/value store on a private bus, as any client sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use peerwatch::front::dbus::{self, Bus, BusAddress};
use peerwatch::front::desk::Desk;
use zbus::DBusError as _;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedVariant, Variant};

use crate::library::{delete, put, start, write};
use crate::private::{PrivateBus, soon};
use crate::room::Room;

const NAME: &str = "org.peerwatch.Peerwatch1";
const ROOT: &str = "/org/peerwatch/Peerwatch1";
const VALUES: &str = "org.peerwatch.Peerwatch1.Values";

/// A line of a list: node, key, and what else is known.
type Row = (String, String, BTreeMap<String, OwnedVariant>);

/// A node on a bus.
pub(crate) async fn serve(bus: &PrivateBus) -> (Bus, Desk) {
    let (desk, _news) = start(Room::new("ber1"));
    let served = soon(dbus::serve(BusAddress::At(bus.address.clone()), Arc::new([desk.clone()]))).await.unwrap();
    (served, desk)
}

async fn client(bus: &PrivateBus) -> Connection {
    soon(zbus::connection::Builder::address(bus.address.as_str()).build()).await.unwrap()
}

async fn call<B: serde::Serialize + zbus::DynamicType>(client: &Connection, method: &str, body: &B) -> zbus::Result<Message> {
    soon(client.call_method(Some(NAME), ROOT, Some(VALUES), method, body)).await
}

fn name_of(error: zbus::Error) -> (String, String) {
    match error {
        zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
        // The library knows the errors of the bus itself by type.
        zbus::Error::FDO(error) => (error.name().to_string(), error.description().unwrap_or_default().to_owned()),
        other => panic!("{other:?}"),
    }
}

/// `node/key revision details` of the next signal.
async fn heard(stream: &mut MessageStream) -> String {
    let signal = soon(stream.next()).await.unwrap().unwrap();
    let member = signal.header().member().unwrap().to_string();
    type Body = (String, String, String, u64, String, BTreeMap<String, OwnedVariant>);
    let (network, node, key, _, cursor, mut details) = signal.body().deserialize::<Body>().unwrap();
    assert_eq!((network.as_str(), cursor.len() > 16), ("home", true));
    details.remove("AtUSec");
    details.remove("Revision");
    let details: Vec<String> = details.iter().map(|(name, value)| format!("{name}={}", **value)).collect();
    format!("{member} {node}/{key} {}", details.join(" "))
}

#[tokio::test]
async fn values_are_put_read_listed_and_deleted() {
    let bus = PrivateBus::start();
    let (_served, _desk) = serve(&bus).await;
    let client = client(&bus).await;
    let put: u64 = call(&client, "Put", &("", "", "config/x", vec![0u8, 255], "")).await.unwrap().body().deserialize().unwrap();
    call(&client, "Put", &("home", "ber1", "motd", b"hello".to_vec(), "text/plain")).await.unwrap();
    let got = call(&client, "Get", &("", "ber1", "config/x")).await.unwrap();
    let (value, media, revision, at): (Vec<u8>, String, u64, u64) = got.body().deserialize().unwrap();
    assert_eq!((value, media.as_str(), revision, at / 1_000_000), (vec![0, 255], "application/octet-stream", put, 1_795_144_320));
    let list = |options: Vec<(&'static str, Variant<'static>)>| {
        let client = client.clone();
        async move {
            let options: BTreeMap<&str, &Variant<'_>> = options.iter().map(|(name, value)| (*name, value)).collect();
            let listed = call(&client, "List", &("", options)).await.unwrap();
            let (rows, cursor): (Vec<Row>, String) = listed.body().deserialize().unwrap();
            assert!(cursor.ends_with(".2"), "{cursor}");
            rows.into_iter().map(|(node, key, traits)| format!("{node}/{key} {}", **traits.get("Size").unwrap())).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(vec![]).await, ["ber1/config/x uint32 2", "ber1/motd uint32 5"]);
    assert_eq!(list(vec![("Containing", "ell".into())]).await, ["ber1/motd uint32 5"]);
    assert_eq!(list(vec![("Node", "fra1".into())]).await, [""; 0]);
    assert_eq!(list(vec![("Most", 1u32.into())]).await, ["ber1/config/x uint32 2"]);
    assert_eq!(list(vec![("AfterNode", "ber1".into()), ("AfterKey", "config/x".into())]).await, ["ber1/motd uint32 5"]);
    call(&client, "Delete", &("", "", "motd")).await.unwrap();
    let gone = name_of(call(&client, "Get", &("", "", "motd")).await.unwrap_err());
    assert_eq!(gone, ("org.peerwatch.Peerwatch1.Error.NoSuchKey".into(), "node ber1 has no key \"motd\"".into()));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() {
    let bus = PrivateBus::start();
    let (_served, _desk) = serve(&bus).await;
    let client = client(&bus).await;
    let error = |name: &str| format!("org.peerwatch.Peerwatch1.Error.{name}");
    let (name, why) = name_of(call(&client, "Put", &("", "fra1", "x", b"1".to_vec(), "")).await.unwrap_err());
    assert_eq!((name, why.as_str()), (error("Refused"), "only node fra1 writes in its part, and this is ber1; ask there"));
    let (name, why) = name_of(call(&client, "Put", &("", "", "x", vec![0u8; 61_441], "")).await.unwrap_err());
    assert!(name == error("Refused") && why.contains("61440"), "{name}: {why}");
    assert_eq!(name_of(call(&client, "Delete", &("", "", "x")).await.unwrap_err()).0, error("NoSuchKey"));
    assert_eq!(name_of(call(&client, "Get", &("", "nowhere", "x")).await.unwrap_err()).0, error("NoSuchNode"));
    assert_eq!(name_of(call(&client, "Get", &("work", "", "x")).await.unwrap_err()).0, error("NoSuchNetwork"));
    let options: BTreeMap<&str, Variant<'_>> = [("Prefxi", Variant::from("x"))].into();
    let wrong = name_of(call(&client, "List", &("", options)).await.unwrap_err());
    assert_eq!(wrong.0, "org.freedesktop.DBus.Error.InvalidArgs");
    let batch = vec![("a", true, b"1".to_vec(), ""), ("b", false, vec![], "")];
    assert_eq!(name_of(call(&client, "Write", &("", batch)).await.unwrap_err()).0, error("NoSuchKey"));
    assert_eq!(name_of(call(&client, "Get", &("", "", "a")).await.unwrap_err()).0, error("NoSuchKey"), "all or nothing");
}

#[tokio::test]
async fn each_change_is_one_signal_and_large_values_are_only_named() {
    let bus = PrivateBus::start();
    let (_served, desk) = serve(&bus).await;
    let client = client(&bus).await;
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).interface(VALUES).build().unwrap();
    let mut stream = MessageStream::for_match_rule(rule, &client, None).await.unwrap();
    write(&desk, vec![put("a", "1"), put("b", &"x".repeat(2000))]).await;
    write(&desk, vec![delete("a")]).await;
    let media = "Media=\"text/plain; charset=utf-8\"";
    assert_eq!(heard(&mut stream).await, format!("Changed ber1/a Deleted=false {media} Size=uint32 1 Value=[byte 0x31]"));
    assert_eq!(heard(&mut stream).await, format!("Changed ber1/b Deleted=false {media} Size=uint32 2000"));
    assert_eq!(heard(&mut stream).await, "Changed ber1/a Deleted=true");
}

#[tokio::test]
async fn the_policy_lets_everybody_read_and_only_root_write() {
    let bus = PrivateBus::with_our_policy();
    let (_served, desk) = serve(&bus).await;
    let client = client(&bus).await;
    write(&desk, vec![put("a", "1")]).await;
    assert!(call(&client, "Get", &("", "", "a")).await.is_ok());
    assert!(call(&client, "List", &("", BTreeMap::<&str, Variant<'_>>::new())).await.is_ok());
    for error in [
        call(&client, "Put", &("", "", "a", b"2".to_vec(), "")).await.unwrap_err(),
        call(&client, "Delete", &("", "", "a")).await.unwrap_err(),
        call(&client, "Write", &("", vec![("a", false, vec![0u8], "")])).await.unwrap_err(),
    ] {
        assert_eq!(name_of(error).0, "org.freedesktop.DBus.Error.AccessDenied");
    }
    assert_eq!(desk.values.borrow().get("", "a").unwrap().text(), Some("1"));
}
