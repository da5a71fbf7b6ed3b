//! Programs that hold the desk itself: read, write, follow.

use std::sync::Arc;

use peerwatch::base::command::{Command, Reply};
use peerwatch::base::kv::Write;
use peerwatch::front::desk::{Desk, Heard, Subscriber};
use tokio::sync::mpsc;

use crate::private::soon;
use crate::room::{Deed, Room};

type News = mpsc::Sender<Deed>;

/// A node that serves its desk, and a way to reach it.
pub(crate) fn start(room: Room) -> (Desk, News) {
    let desk = room.desk.clone();
    let (news, heard) = mpsc::channel(4);
    tokio::spawn(room.serve(heard));
    (desk, news)
}

pub(crate) fn put(key: &str, value: &str) -> Write {
    Write::Put { key: key.into(), value: value.into(), media: String::new() }
}

pub(crate) fn delete(key: &str) -> Write {
    Write::Delete { key: key.into() }
}

pub(crate) async fn write(desk: &Desk, writes: Vec<Write>) -> Reply {
    soon(desk.ask(Command::Write(writes))).await
}

/// `node/key=value` or `node/-key` of the next change.
async fn next(subscriber: &mut Subscriber) -> String {
    match soon(subscriber.next()).await {
        Some(Heard::Change(change)) => match &change.item {
            Some(item) => format!("{}/{}={}", change.name, change.key, item.text().unwrap()),
            None => format!("{}/-{}", change.name, change.key),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_answered_is_there_and_followers_hear_it_once() {
    let (desk, _news) = start(Room::new("ber1"));
    let (values, mut subscriber) = desk.subscribe();
    assert_eq!(values.get("", "motd"), None);
    let Reply::Written { revision } = write(&desk, vec![put("motd", "hello")]).await else { panic!("it was not written") };
    let item = desk.values.borrow().get("", "motd").cloned().unwrap();
    assert_eq!((item.text(), item.revision, item.media.as_str()), (Some("hello"), revision, "text/plain; charset=utf-8"));
    assert_eq!(desk.values.borrow().get("ber1", "motd"), Some(&item));
    assert_eq!(write(&desk, vec![delete("motd"), put("x", "1")]).await, Reply::Written { revision: revision + 1 });
    assert_eq!(write(&desk, vec![put("y", "2"), delete("nothing")]).await, Reply::Absent { key: "nothing".into() });
    assert_eq!(desk.values.borrow().get("", "y"), None, "none of a batch that does not hold");
    for expected in ["ber1/motd=hello", "ber1/-motd", "ber1/x=1"] {
        assert_eq!(next(&mut subscriber).await, expected);
    }
    assert_eq!(subscriber.place(), desk.values.borrow().cursor);
}

#[tokio::test]
async fn a_full_disk_refuses_and_leaves_nothing_behind() {
    let mut room = Room::new("ber1");
    room.full = true;
    let (desk, news) = start(room);
    let (_, mut subscriber) = desk.subscribe();
    for _ in 0..2 {
        let Reply::Refused(why) = write(&desk, vec![put("motd", "hello")]).await else { panic!("it was written") };
        assert!(why.contains("make room"), "{why}");
        assert_eq!(desk.values.borrow().get("", "motd"), None);
    }
    news.send(Box::new(Room::mend)).await.ok().unwrap();
    while let Reply::Refused(_) = write(&desk, vec![put("motd", "again")]).await {}
    assert_eq!(next(&mut subscriber).await, "ber1/motd=again");
}

#[tokio::test]
async fn what_a_peer_writes_is_read_and_followed_here() {
    let mut fra1 = Room::new("fra1");
    let mut ber1 = Room::new("ber1");
    ber1.take(fra1.written());
    let (theirs, news) = start(fra1);
    for n in 0..3 {
        write(&theirs, vec![put("n", &n.to_string())]).await;
    }
    let (sent, written) = tokio::sync::oneshot::channel();
    news.send(Box::new(move |room: &mut Room| sent.send(room.written()).unwrap())).await.ok().unwrap();
    let (_, mut subscriber) = ber1.desk.clone().subscribe();
    let entries = soon(written).await.unwrap();
    // Twice, as by two links: each change is heard once all the same.
    ber1.take(entries.clone());
    ber1.take(entries);
    for n in 0..3 {
        assert_eq!(next(&mut subscriber).await, format!("fra1/n={n}"));
    }
    assert_eq!(subscriber.place(), ber1.values.borrow().cursor);
    assert_eq!(ber1.values.borrow().get("fra1", "n").unwrap().text(), Some("2"));
    assert!(Arc::ptr_eq(&ber1.values.borrow().clone(), &ber1.desk.values.borrow().clone()));
}
