//! `peerwatchctl ack`, `silence` and `events`: what is asked, printed and answered by the exit code.

use std::sync::Arc;

use expect_test::expect;
use futures_util::future;
use peerwatch::base::command::{Command as Asked, Reply};
use peerwatch::base::id::{IncidentId, TargetId};
use peerwatch::base::time::Span;
use peerwatch::base::view::{AcknowledgedView, EventView, IncidentView, NoticeView, SilenceView, View};

use super::{PrivateBus, here, prints, run, serve};

#[tokio::test]
async fn what_is_asked_about_being_told_reaches_the_node() {
    let bus = PrivateBus::start();
    let (_served, mut rooms) = serve(&bus, vec![here().view()]).await.unwrap();
    let shop = IncidentId { target: TargetId("shop".into()), number: 3 };
    let nobody = String::new;
    for (words, command, reply, expected) in [
        (
            "ack shop#3 --reason moving",
            Asked::Acknowledge { incident: "shop#3".into(), person: nobody(), reason: "moving".into() },
            Reply::Acknowledged(shop),
            expect![[r#"
                shop#3 is acknowledged: nobody is reminded of it, and its end is told.
                exit 0
            "#]],
        ),
        (
            "ack mail",
            Asked::Acknowledge { incident: "mail".into(), person: nobody(), reason: nobody() },
            Reply::Refused("there is no incident \"mail\"".into()),
            expect![[r#"
                peerwatchctl: there is no incident "mail"
                exit 1
            "#]],
        ),
        (
            "silence web-* --for 2h --reason disks",
            Asked::Silence { what: "web-*".into(), lasts: Span::secs(7200), person: nobody(), reason: "disks".into() },
            Reply::Silenced("00c0ffee".into()),
            expect![[r#"
                Silence 00c0ffee: nothing new is told of web-* for 2h. End it with: peerwatchctl silence end 00c0ffee
                exit 0
            "#]],
        ),
        (
            "silence end 00c0 --json",
            Asked::EndSilence { id: "00c0".into(), person: nobody() },
            Reply::Unsilenced("00c0ffee".into()),
            expect![[r#"
                {"ended":"00c0ffee"}
                exit 0
            "#]],
        ),
    ] {
        let asked = async {
            let asked = rooms[0].commands.recv().await.unwrap();
            assert_eq!(asked.command, command);
            asked.reply.send(reply).unwrap();
        };
        let (printed, ()) = future::join(run(&bus, words), asked).await;
        expected.assert_eq(&printed);
    }
}

#[tokio::test]
async fn a_silence_needs_a_length_within_bounds() {
    let bus = PrivateBus::start();
    for (words, says) in [("silence shop", "--for <TIME>"), ("silence shop --for 5s", "from 1m to 30d"), ("silence", "<TARGET|GROUP>")] {
        let printed = run(&bus, words).await;
        assert!(printed.contains(says) && printed.ends_with("exit 2\n"), "{words}: {printed}");
    }
}

#[tokio::test]
async fn what_is_quiet_is_shown_with_the_reason() {
    let bus = PrivateBus::start();
    let home = here();
    let quiet = NoticeView {
        channel: "boss".into(),
        phase: "down",
        state: "quiet",
        reminders: 0,
        by: None,
        at: None,
        detail: "silenced by bob".into(),
    };
    let mut incident: IncidentView = home.incident("shop", 3, true);
    incident.acknowledged = Some(AcknowledgedView { by: "anna".into(), at: home.ago(60), reason: "on it".into() });
    incident.notices[0].reminders = 2;
    incident.notices.push(quiet);
    let silence = SilenceView {
        id: "00c0ffee".into(),
        targets: vec!["shop*".into()],
        groups: vec!["web".into()],
        by: "anna on fra1".into(),
        at: home.ago(3600),
        lasts: Span::secs(7200),
        reason: "disks".into(),
    };
    let event = |kind, incident: Option<IncidentId>, text: &str| {
        Arc::new(EventView { at: home.ago(120), kind, node: "fra1".into(), incident, channel: None, text: text.into() })
    };
    let view = View {
        incidents: Arc::new([Arc::new(incident.clone())]),
        silences: Arc::new([silence]),
        windows: Arc::new(["patch night".into()]),
        events: Arc::new([
            event("acknowledged", Some(incident.id.clone()), "anna on ber1 acknowledged shop#3: on it"),
            event("opened", Some(incident.id), "shop is down: HTTP 503 (shop#3)"),
        ]),
        ..home.view()
    };
    let (_served, _rooms) = serve(&bus, vec![view]).await.unwrap();
    prints(
        &bus,
        "incidents",
        expect![[r#"
        INCIDENT  STATE  STANDING  SINCE   LASTED  TOLD                                                         SEEN TO      REASON
        shop#3    open   down      3m ago  -       ops told by fra1, 2 reminders, boss quiet (silenced by bob)  anna: on it  HTTP 503
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "silence list",
        expect![[r#"
        SILENCE   OF                SINCE   ENDS    BY            REASON
        00c0ffee  shop*, group:web  1h ago  in 59m  anna on fra1  disks
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "events",
        expect![[r#"
        AT      EVENT         WHAT
        2m ago  acknowledged  anna on ber1 acknowledged shop#3: on it
        2m ago  opened        shop is down: HTTP 503 (shop#3)
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "events -n 1 --no-headers",
        expect![[r#"
        2m ago  acknowledged  anna on ber1 acknowledged shop#3: on it
        exit 0
    "#]],
    )
    .await;
    prints(
        &bus,
        "status",
        expect![[r#"
        1 incident open; 1 of 2 targets up, 2 of 3 nodes alive

        INCIDENT  STANDING  SINCE   TOLD                                                         SEEN TO      REASON
        shop#3    down      3m ago  ops told by fra1, 2 reminders, boss quiet (silenced by bob)  anna: on it  HTTP 503

        maintenance is on: patch night
        shop*, group:web is silenced by anna on fra1, ends in 59m: disks (silence 00c0ffee)
        node laptop is dead, last heard 1h ago (it may be away)
        node laptop signed two different entries 40 of events (life 3.03030303): its key was used twice, and nothing after counts
        exit 0
    "#]],
    )
    .await;
}
