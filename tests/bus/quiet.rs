//! Acknowledgements, silences and events by bus: what is asked of the node, what comes back, and who is told no.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future;
use peerwatch::base::command::{Command, Reply};
use peerwatch::base::id::{IncidentId, TargetId};
use peerwatch::base::time::Span;
use peerwatch::base::view::{EventView, View};
use zbus::{Connection, Message, OwnedVariant, Variant};

use super::private::PrivateBus;
use super::{HERE, NAME, ROOT, client, home, name_of, serve, soon};

const MANAGER: Option<&str> = Some("org.peerwatch.Peerwatch1.Manager");

type Options<'a> = BTreeMap<&'a str, Variant<'a>>;

async fn acknowledge(client: &Connection, options: Options<'_>) -> zbus::Result<Message> {
    client.call_method(Some(NAME), ROOT, MANAGER, "Acknowledge", &("", "shop", options)).await
}

async fn silence(client: &Connection, lasts: u64) -> zbus::Result<Message> {
    let options: Options<'_> = [("Person", Variant::from("anna")), ("Reason", Variant::from("disks"))].into();
    client.call_method(Some(NAME), ROOT, MANAGER, "Silence", &("home", "shop", lasts, options)).await
}

#[tokio::test]
async fn what_is_asked_reaches_the_node_and_its_answer_comes_back() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let shop = IncidentId { target: TargetId("shop".into()), number: 3 };
    let (person, reason) = ("anna".to_owned(), "disks".to_owned());
    let asked = async {
        let asked = rooms[0].commands.recv().await.unwrap();
        assert_eq!(asked.command, Command::Acknowledge { incident: "shop".into(), person: String::new(), reason: reason.clone() });
        asked.reply.send(Reply::Acknowledged(shop)).unwrap();
        let asked = rooms[0].commands.recv().await.unwrap();
        assert_eq!(asked.command, Command::Silence { what: "shop".into(), lasts: Span::secs(120), person, reason: reason.clone() });
        asked.reply.send(Reply::Silenced("00c0ffee".into())).unwrap();
        let asked = rooms[0].commands.recv().await.unwrap();
        assert_eq!(asked.command, Command::EndSilence { id: "00c0".into(), person: String::new() });
        asked.reply.send(Reply::Refused("there is none".into())).unwrap();
    };
    let asks = async {
        let done = acknowledge(&client, [("Reason", Variant::from("disks"))].into()).await.unwrap();
        assert_eq!(done.body().deserialize::<String>().unwrap(), "shop#3");
        let done = silence(&client, 120_000_000).await.unwrap();
        assert_eq!(done.body().deserialize::<String>().unwrap(), "00c0ffee");
        let refused = client.call_method(Some(NAME), ROOT, MANAGER, "EndSilence", &("", "00c0", Options::new())).await;
        assert_eq!(name_of(refused.unwrap_err()), (format!("{NAME}.Error.Refused"), "there is none".into()));
    };
    soon(future::join(asked, asks)).await;
}

#[tokio::test]
async fn what_cannot_be_is_told_with_a_typed_error() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let long = "x".repeat(65);
    let wrong: [Options<'_>; 4] = [
        [("Reason", Variant::from("two\nlines"))].into(),
        [("Person", Variant::from(long.as_str()))].into(),
        [("Person", Variant::from(3_u32))].into(),
        [("Resaon", Variant::from("x"))].into(),
    ];
    for options in wrong {
        let (name, _) = name_of(soon(acknowledge(&client, options)).await.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    }
}

#[tokio::test]
async fn everybody_may_read_events_and_only_root_may_silence() {
    let bus = PrivateBus::with_our_policy();
    let event = |number: i64| {
        let incident = Some(IncidentId { target: TargetId("shop".into()), number: 3 });
        let (node, text) = ("fra1".into(), format!("event {number}"));
        Arc::new(EventView { at: HERE.ago(number), kind: "opened", node, incident, channel: None, text })
    };
    let view = View { events: Arc::new([event(1), event(2)]), ..home() };
    let (_served, _rooms) = serve(&bus, vec![view]).await.unwrap();
    let client = client(&bus).await;
    for refused in [soon(acknowledge(&client, Options::new())).await, soon(silence(&client, 120_000_000)).await] {
        assert_eq!(name_of(refused.unwrap_err()).0, "org.freedesktop.DBus.Error.AccessDenied");
    }
    let most: Options<'_> = [("Most", Variant::from(1_u32))].into();
    let reply = soon(client.call_method(Some(NAME), ROOT, MANAGER, "Events", &("", most))).await.unwrap();
    let rows: Vec<(String, BTreeMap<String, OwnedVariant>)> = reply.body().deserialize().unwrap();
    assert_eq!(rows.len(), 1);
    let text = |name: &str| rows[0].1.get(name).map(|value| format!("{}", **value)).unwrap_or_default();
    assert_eq!((rows[0].0.as_str(), text("Text").as_str(), text("Incident").as_str()), ("opened", "\"event 1\"", "\"shop#3\""));
}
