//! `peerwatchctl nodes` at length, and `peerwatchctl trace`.

use expect_test::expect;
use peerwatch::base::command::{Command as Asked, Reply, Step, Way};
use peerwatch::base::id::NodeId;
use peerwatch::base::time::{Micros, Span};

use super::{PrivateBus, here, printed, prints, run, serve};

#[tokio::test]
async fn nodes_at_length_show_clocks_lives_and_links() {
    let bus = PrivateBus::start();
    let (_served, _rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    prints(
        &bus,
        "nodes --verbose",
        expect![[r#"
        NODE    PRESENCE  CLOCK  LIFE        RTT       LACKS  LACKED  SENT      RECEIVED  SYSTEM
        ber1    me        -      1.01010101  -         -      -       -         -         Debian GNU/Linux 13
        fra1    alive     -3ms   2.02020202  11.90 ms  2      0       46.9 KiB  1.19 MiB  Debian GNU/Linux 13
        laptop  dead      ~-3ms  3.03030303  -         -      -       -         -         Debian GNU/Linux 13
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "nodes ber1",
        expect![[r#"
        ber1
          role        member
          presence    me
          votes       yes
          life        1.01010101010101010101010101010101
          key         0101010101010101010101010101010101010101010101010101010101010101
          version     0.1.0
          system      Debian GNU/Linux 13
          definition  the same as here
          addresses   ber1.example.org:9630

        LINK TO  STATE  FOR  RTT       LACKS  LACKED  SENT      RECEIVED  DETAIL
        fra1     up     2h   11.90 ms  2      0       46.9 KiB  1.19 MiB  198.51.100.7:9630
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "nodes ber7",
        expect![[r#"
        peerwatchctl: there is no node "ber7"; peerwatchctl nodes lists them
        exit 1
    "#]],
    )
    .await;
    let nodes = printed(&bus, "nodes laptop --json").await;
    assert_eq!((nodes[0]["nodes"].as_array().map(Vec::len), &nodes[0]["nodes"][0]["name"]), (Some(1), &"laptop".into()), "{nodes}");
}

#[tokio::test]
async fn a_trace_prints_every_hop_and_fails_without_a_way() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    let step = |node: &str, time| Step { node: node.into(), time };
    let hops = vec![step("fra1", Some(Micros(11_900))), step("nyc1", Some(Micros(80_250))), step("laptop", None)];
    let way = Some(Way { hops, took: Span(97) });
    let mut answers = vec![None, None, Some(Way { hops: vec![], took: Span(0) }), way.clone(), way];
    let node = async {
        while let Some(way) = answers.pop() {
            let asked = rooms[0].commands.recv().await.unwrap();
            assert_eq!(asked.command, Asked::Trace { node: NodeId([3; 32]), within: Span::secs(5) });
            asked.reply.send(Reply::Traced(way)).unwrap();
        }
    };
    let people = async {
        prints(
            &bus,
            "trace laptop",
            expect![[r#"
            HOP  NODE    LINK      SUM
            1    fra1    11.90 ms  11.90 ms
            2    nyc1    80.25 ms  92.15 ms
            3    laptop  -         -
            the answer came after 97ms
            exit 0
        "#]],
        )
        .await;
        let said = printed(&bus, "trace laptop --json").await;
        assert_eq!((&said["found"], &said["took_seconds"], &said["node"]), (&true.into(), &0.097.into(), &"laptop".into()), "{said}");
        let hop = serde_json::json!({ "node": "nyc1", "rtt_seconds": 0.08025, "sum_seconds": 0.09215 });
        assert_eq!((&said["hops"][1], &said["hops"][2]["sum_seconds"]), (&hop, &serde_json::Value::Null), "{said}");
        assert_eq!(run(&bus, "trace laptop").await, "laptop is this node\nexit 0\n");
        prints(
            &bus,
            "trace laptop",
            expect![[r#"
            no way to laptop was found within 5s: it is not alive, or no chain of links leads there; peerwatchctl nodes says who was heard
            exit 1
        "#]],
        )
        .await;
        let said = run(&bus, "trace laptop --json").await;
        assert!(said.contains("\"found\": false") && said.ends_with("exit 1\n"), "{said}");
    };
    tokio::join!(people, node);
    assert!(run(&bus, "trace nobody").await.ends_with("has no node \"nobody\"; peerwatchctl nodes lists them\nexit 1\n"));
}
