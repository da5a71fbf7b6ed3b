//! Examples of notices by bus: what is asked of the node, what comes back, and who is told no.

use std::collections::BTreeMap;

use futures_util::future;
use peerwatch::base::command::{Command, Reply, Tried};
use peerwatch::base::notice::Delivery;
use peerwatch::base::settings::Phase;
use zbus::{Connection, Message, OwnedVariant, Variant};

use super::private::PrivateBus;
use super::{NAME, ROOT, client, home, name_of, serve, soon};

async fn test(client: &Connection, channel: &str, options: &[(&str, Variant<'_>)]) -> zbus::Result<Message> {
    let manager = Some("org.peerwatch.Peerwatch1.Manager");
    let options: BTreeMap<&str, &Variant<'_>> = options.iter().map(|(name, value)| (*name, value)).collect();
    client.call_method(Some(NAME), ROOT, manager, "TestNotice", &("", channel, options)).await
}

#[tokio::test]
async fn an_example_is_asked_of_the_node_and_told_by_channel() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    for (channel, options, expected) in [
        ("", vec![], Command::TestNotice { channel: None, phase: Phase::Down }),
        ("ops", vec![("State", Variant::from("up"))], Command::TestNotice { channel: Some("ops".into()), phase: Phase::Up }),
    ] {
        let asked = async {
            let asked = rooms[0].commands.recv().await.unwrap();
            assert_eq!(asked.command, expected);
            let delivery = Delivery { success: true, detail: "250 queued".into(), refused: vec!["gone@example.org".into()], after: None };
            let failed = Delivery::failed("no answer");
            let tried = [("ops", "mail", delivery), ("chat", "webhook", failed)];
            let tried = tried.map(|(channel, way, delivery)| Tried { channel: channel.into(), way, delivery });
            asked.reply.send(Reply::Tried(tried.to_vec())).unwrap();
        };
        let (reply, ()) = soon(future::join(test(&client, channel, &options), asked)).await;
        let rows: Vec<(String, BTreeMap<String, OwnedVariant>)> = reply.unwrap().body().deserialize().unwrap();
        let shown: Vec<String> = rows
            .iter()
            .map(|(name, traits)| {
                format!("{name}: {}", traits.iter().map(|(name, value)| format!("{name}={}", **value)).collect::<Vec<_>>().join(" "))
            })
            .collect();
        let expected = [
            "ops: Detail=\"250 queued\" Outcome=\"delivered\" Refused=[\"gone@example.org\"] Way=\"mail\"",
            "chat: Detail=\"no answer\" Outcome=\"failed\" Refused=@as [] Way=\"webhook\"",
        ];
        assert_eq!(shown, expected);
    }
}

#[tokio::test]
async fn what_is_no_example_is_told_with_a_typed_error() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    for options in [[("State", Variant::from("sideways"))], [("State", Variant::from(3_u32))], [("Stat", Variant::from("up"))]] {
        let (name, text) = name_of(soon(test(&client, "", &options)).await.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
        assert!(text.contains("State"), "{text}");
    }
    let asked = async { rooms[0].commands.recv().await.unwrap().reply.send(Reply::Refused("no channel".into())).unwrap() };
    let (reply, ()) = soon(future::join(test(&client, "x", &[]), asked)).await;
    assert_eq!(name_of(reply.unwrap_err()), (format!("{NAME}.Error.Refused"), "no channel".into()));
}

#[tokio::test]
async fn only_root_may_send_examples() {
    let bus = PrivateBus::with_our_policy();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let (name, _) = name_of(soon(test(&client(&bus).await, "", &[])).await.unwrap_err());
    assert_eq!(name, "org.freedesktop.DBus.Error.AccessDenied");
}
