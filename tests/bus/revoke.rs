//! Revocations by bus: what is asked of the node, and who is told no.

use futures_util::future;
use peerwatch::base::command::{Command, Reply};
use peerwatch::base::id::NodeId;
use zbus::{Connection, Message};

use super::private::PrivateBus;
use super::{NAME, ROOT, client, home, name_of, serve, soon};

async fn revoke(client: &Connection, node: &str, reason: &str, retire: bool) -> zbus::Result<Message> {
    let manager = Some("org.peerwatch.Peerwatch1.Manager");
    client.call_method(Some(NAME), ROOT, manager, "Revoke", &("", node, reason, retire)).await
}

#[tokio::test]
async fn a_revocation_asks_the_node_by_name_or_key() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let key = NodeId([0xab; 32]);
    for (node, expected, retire) in [("laptop".to_owned(), NodeId([3; 32]), false), (key.hex(), key, true)] {
        let asked = async {
            let asked = rooms[0].commands.recv().await.unwrap();
            assert_eq!(asked.command, Command::Revoke { node: expected, reason: "stolen".into(), retire });
            asked.reply.send(Reply::Revoked("laptop".into())).unwrap();
        };
        let (reply, ()) = soon(future::join(revoke(&client, &node, "stolen", retire), asked)).await;
        assert_eq!(reply.unwrap().body().deserialize::<String>().unwrap(), "laptop");
    }
}

#[tokio::test]
async fn what_cannot_be_revoked_is_told_with_a_typed_error() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let (name, _) = name_of(soon(revoke(&client, "fra7", "", false)).await.unwrap_err());
    assert_eq!(name, format!("{NAME}.Error.NoSuchNode"));
    for reason in ["two\nlines".to_owned(), "x".repeat(1000)] {
        let (name, _) = name_of(soon(revoke(&client, "laptop", &reason, false)).await.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    }
    let asked = async { rooms[0].commands.recv().await.unwrap().reply.send(Reply::Refused("no admin".into())).unwrap() };
    let (reply, ()) = soon(future::join(revoke(&client, "laptop", "", false), asked)).await;
    assert_eq!(name_of(reply.unwrap_err()), (format!("{NAME}.Error.Refused"), "no admin".into()));
}
