//! `peerwatchctl journal`: what it prints, what it leaves behind, how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use expect_test::expect;
use peerwatch::base::view::View;

use super::{PrivateBus, here, printed, prints, run, serve};

#[tokio::test]
async fn stats_say_what_it_takes_and_who_is_behind() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    prints(
        &bus,
        "journal stats",
        expect![[r#"
            1212 entries in 2 chains, 296 KiB; 99 samples
            database 15.0 MiB, of which 1.00 MiB free, and log 4.00 MiB: 0.9% of 2.00 GiB

            LANE     CHAINS  ENTRIES  SIZE
            state    1       12       2.93 KiB
            events   0       0        0 B
            minutes  1       1200     293 KiB
            hours    0       0        0 B
            days     0       0        0 B

            AUTHOR  LIVES  CHAINS  ENTRIES  SIZE
            ber1    1      1       12       2.93 KiB
            fra1    1      1       1200     293 KiB

            FORKED BY  LANE    LIFE        ENDS BEFORE
            laptop     events  3.03030303  40

            AUTHOR  LANE   LIFE        FROM  LAST  ENTRIES  SIZE      LACKED HERE  LACKED BY
            ber1    state  1.01010101  6     17    12       2.93 KiB  -            fra1 2
            exit 0
        "#]],
    )
    .await;
    let all = run(&bus, "journal stats --chains --no-headers").await;
    assert!(all.contains("fra1  minutes  1.02020202  1  1200  1200"), "{all}");
    let stats = printed(&bus, "journal stats --json").await;
    assert_eq!((&stats["entries"], &stats["limit_bytes"]), (&1212.into(), &(2u64 << 30).into()), "{stats}");
    assert_eq!(stats["chains"][0]["behind"], serde_json::json!([{ "peer": "fra1", "entries": 2 }]), "{stats}");
    assert_eq!(stats["chains"][0]["sequence"], 17, "{stats}");
}

#[tokio::test]
async fn verify_fails_when_something_is_wrong() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![here().view(), View { network: "work".into(), ..here().view() }]).await.unwrap();
    rooms[0].hurry();
    prints(
        &bus,
        "journal verify --network home",
        expect![[r#"
        1234 entries in 2 chains, 293 KiB: everything is in order
        exit 0
    "#]],
    )
    .await;
    rooms[1].hurry();
    prints(
        &bus,
        "journal verify --network work",
        expect![[r#"
        entry 7 of ber1 is torn; restore it
        �[2J
        and 2 more
        1234 entries in 2 chains, 293 KiB: 4 faults
        exit 1
    "#]],
    )
    .await;
    rooms[0].hurry();
    let found = printed(&bus, "journal verify --network home --json").await;
    assert_eq!(found, serde_json::json!({ "entries": 1234, "chains": 2, "bytes": 300_000, "faults": [], "more_faults": 0 }));
    prints(
        &bus,
        "journal verify",
        expect![[r#"
        peerwatchctl: this node is in several networks; name one of: home, work
        exit 1
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_backup_has_its_name_only_when_it_is_whole() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![here().view(), View { network: "work".into(), ..here().view() }]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.db");
    let backup = |more: &str| format!("journal backup {} {more}", file.display());
    let names = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    rooms[1].hurry();
    let said = run(&bus, &backup("--network work")).await;
    assert_eq!((said.as_str(), names()), ("peerwatchctl: the disk is full; make room\nexit 1\n", vec![]));
    rooms[0].hurry();
    let said = run(&bus, &backup("--network home")).await;
    assert_eq!(said, format!("{} is a copy of the journal: 21 B\nexit 0\n", file.display()));
    assert_eq!(fs::read_to_string(&file).unwrap(), "a copy of the journal");
    assert_eq!((names(), fs::metadata(&file).unwrap().permissions().mode() & 0o777), (vec!["copy.db".into()], 0o600));
    let said = run(&bus, &backup("--network home")).await;
    assert!(said.ends_with("is there already; give --force to replace it\nexit 1\n"), "{said}");
    rooms[0].hurry();
    assert!(run(&bus, &backup("--network home --force --json")).await.ends_with("exit 0\n"));
}

#[tokio::test]
async fn compact_says_what_it_gave_back() {
    let bus = PrivateBus::start();
    let (_served, rooms) = serve(&bus, vec![here().view(), View { network: "work".into(), ..here().view() }]).await.unwrap();
    rooms[0].hurry();
    assert_eq!(run(&bus, "journal compact --network home").await, "1.00 MiB given back\nexit 0\n");
    rooms[1].hurry();
    assert_eq!(run(&bus, "journal compact --network work").await, "there was nothing to give back\nexit 0\n");
}

#[tokio::test]
async fn the_policy_keeps_heavy_work_to_root() {
    let bus = PrivateBus::with_our_policy();
    let (_served, _rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    for words in ["journal verify", "journal compact", "trace fra1"] {
        let said = run(&bus, words).await;
        assert_eq!(said, "peerwatchctl: the bus lets only root ask for this; try it with sudo\nexit 1\n", "{words}");
    }
    assert!(run(&bus, "journal stats").await.ends_with("exit 0\n"));
}
