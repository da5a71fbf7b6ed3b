//! `peerwatchctl notify test`: what is asked, printed and answered by the exit code.

use expect_test::expect;
use futures_util::future;
use peerwatch::base::command::{Command as Asked, Reply, Tried};
use peerwatch::base::notice::Delivery;
use peerwatch::base::settings::Phase;

use super::{PrivateBus, here, run, serve};

fn tried(channel: &str, way: &'static str, delivery: Delivery) -> Tried {
    Tried { channel: channel.into(), way, delivery }
}

#[tokio::test]
async fn examples_are_printed_by_channel_and_answer_yes_only_if_all_were_told() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    let taken = || Delivery { success: true, detail: "250 2.0.0 Ok: queued as 4F3".into(), refused: vec![], after: None };
    let partly = || Delivery { refused: vec!["gone@example.org".into()], ..taken() };
    let refused = Delivery { success: false, detail: "HTTP 404: no \u{1b}[31mhook".into(), refused: vec!["chat".into()], after: None };
    let all =
        vec![tried("ops", "mail", taken()), tried("chat", "webhook", refused), tried("pager", "hook", Delivery::failed("exit code 1"))];
    for (words, command, reply, expected) in [
        (
            "notify test",
            Asked::TestNotice { channel: None, phase: Phase::Down },
            all,
            expect![[r#"
                CHANNEL  WAY      OUTCOME    DETAIL
                ops      mail     delivered  250 2.0.0 Ok: queued as 4F3
                chat     webhook  refused    HTTP 404: no �[31mhook
                pager    hook     failed     exit code 1
                exit 1
            "#]],
        ),
        (
            "notify test ops --state up --no-headers",
            Asked::TestNotice { channel: Some("ops".into()), phase: Phase::Up },
            vec![tried("ops", "mail", taken())],
            expect![[r#"
                ops  mail  delivered  250 2.0.0 Ok: queued as 4F3
                exit 0
            "#]],
        ),
        (
            "notify test ops --state degraded --json",
            Asked::TestNotice { channel: Some("ops".into()), phase: Phase::Degraded },
            vec![tried("ops", "mail", partly())],
            expect![[r#"
                [
                  {
                    "channel": "ops",
                    "way": "mail",
                    "outcome": "delivered",
                    "detail": "250 2.0.0 Ok: queued as 4F3",
                    "refused": [
                      "gone@example.org"
                    ]
                  }
                ]
                exit 1
            "#]],
        ),
    ] {
        let asked = async {
            let asked = rooms[0].commands.recv().await.unwrap();
            assert_eq!(asked.command, command);
            asked.reply.send(Reply::Tried(reply)).unwrap();
        };
        let (printed, ()) = future::join(run(&bus, words), asked).await;
        expected.assert_eq(&printed);
    }
}

#[tokio::test]
async fn states_that_there_are_not_are_named() {
    let bus = PrivateBus::start();
    let printed = run(&bus, "notify test --state sideways").await;
    assert!(printed.contains("[possible values: down, degraded, up]") && printed.ends_with("exit 2\n"), "{printed}");
}
