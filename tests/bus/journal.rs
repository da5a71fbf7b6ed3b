//! Work on a journal over the bus: figures, checks, copies, and how far it is.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _};
use std::os::fd::AsFd as _;

use futures_util::future;
use peerwatch::base::view::{Progress, View};
use zbus::{Connection, Fd, Message, OwnedVariant};

use super::{NAME, ROOT, client, home, lines, name_of, private, serve, signals, soon};

type Traits = BTreeMap<String, OwnedVariant>;

async fn call(client: &Connection, method: &str, network: &str) -> zbus::Result<Message> {
    client.call_method(Some(NAME), ROOT, Some("org.peerwatch.Peerwatch1.Manager"), method, &(network,)).await
}

async fn backup(client: &Connection, into: impl std::os::fd::AsFd) -> zbus::Result<Message> {
    let file = Fd::from(into.as_fd());
    client.call_method(Some(NAME), ROOT, Some("org.peerwatch.Peerwatch1.Manager"), "BackupJournal", &("", file)).await
}

/// What a method returned, as text.
fn text(message: zbus::Result<Message>) -> String {
    let body = message.unwrap().body();
    let traits: Traits = body.deserialize().unwrap();
    traits.iter().map(|(name, value)| format!("{name}={}", **value)).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn figures_name_authors_and_who_is_behind() {
    let bus = private::PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let reply = soon(call(&client, "JournalStats", "")).await.unwrap();
    let body = reply.body();
    let (totals, chains): (Traits, Vec<(String, Traits)>) = body.deserialize().unwrap();
    let all = |traits: Traits| {
        traits.iter().map(|(name, value)| format!("{name}={}", **value).replace("uint64 ", "")).collect::<Vec<_>>().join(" ")
    };
    let expected = "Entries=1212 EntryBytes=303000 FileBytes=15728640 \
         Forks=[(\"laptop\", \"3.03030303030303030303030303030303\", \"events\", 40)] FreeBytes=1048576 LimitBytes=2147483648 LogBytes=4194304 Samples=99";
    assert_eq!(all(totals), expected);
    let chains: Vec<_> = chains.into_iter().map(|(author, traits)| format!("{author} {}", all(traits))).collect();
    let expected = [
        "ber1 Base=5 Behind=[(\"fra1\", 2)] Bytes=3000 Entries=12 Incarnation=\"1.01010101010101010101010101010101\" Lane=\"state\" Last=17",
        "fra1 Base=0 Bytes=300000 Entries=1200 Incarnation=\"1.02020202020202020202020202020202\" Lane=\"minutes\" Last=1200",
    ];
    assert_eq!(chains, expected);
}

#[tokio::test]
async fn work_says_how_far_it_is_and_is_done_one_at_a_time() {
    let bus = private::PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![home(), View { network: "work".into(), ..home() }]).await.unwrap();
    let client = client(&bus).await;
    let mut heard = signals(&client).await;
    let work = async {
        rooms[0].steps.send(Progress { done: 3, total: 9 }).unwrap();
        assert_eq!(lines(&mut heard, 1).await, [" JournalProgress home verify 3 9"]);
        let (name, why) = name_of(call(&client, "CompactJournal", "work").await.unwrap_err());
        assert_eq!(
            (name, why),
            (format!("{NAME}.Error.Refused"), "other work on a journal is under way; try again when it is done".into())
        );
        assert!(call(&client, "JournalStats", "work").await.is_ok(), "figures are to be had meanwhile");
        rooms[0].hurry();
    };
    let (found, ()) = soon(future::join(call(&client, "VerifyJournal", "home"), work)).await;
    assert_eq!(text(found), "Bytes=uint64 300000 Chains=uint64 2 Entries=uint64 1234 Faults=@as [] MoreFaults=uint64 0");
    rooms[1].hurry();
    let found = text(soon(call(&client, "VerifyJournal", "work")).await);
    assert!(found.contains("Faults=[\"entry 7 of ber1 is torn; restore it\", "), "{found}");
    rooms[0].hurry();
    let freed: u64 = soon(call(&client, "CompactJournal", "home")).await.unwrap().body().deserialize().unwrap();
    assert_eq!(freed, 1 << 20);
}

#[tokio::test]
async fn a_copy_goes_into_the_file_that_was_passed() {
    let bus = private::PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![home()]).await.unwrap();
    let client = client(&bus).await;
    let mut file = tempfile::tempfile().unwrap();
    rooms[0].hurry();
    let bytes: u64 = soon(backup(&client, &file)).await.unwrap().body().deserialize().unwrap();
    let mut copy = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut copy).unwrap();
    assert_eq!((bytes, copy.as_str()), (21, "a copy of the journal"));

    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let not_empty = backup(&client, &file).await;
    let read_only = backup(&client, std::fs::File::open(&empty).unwrap().as_fd()).await;
    let is_folder = backup(&client, std::fs::File::open(folder.path()).unwrap()).await;
    let pipe = backup(&client, &writer).await;
    for refused in [not_empty, read_only, is_folder, pipe] {
        let (name, why) = name_of(refused.unwrap_err());
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs", "{why}");
    }
    drop(reader);
}
