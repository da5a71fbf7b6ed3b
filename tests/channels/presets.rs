//! What each known service gets: the request as a whole, against what the service documents.

use expect_test::{Expect, expect};

use super::*;

/// The request line, the header fields that a preset sets, and the body, for something that is down.
async fn check(line: &str, items: Vec<Item>, expected: &Expect) {
    let (delivery, asked) = tell(OK, line, items).await;
    assert!(delivery.success, "{delivery:?}");
    let mut text = String::new();
    for asked in asked {
        text += &format!("{}\n", asked.line);
        for name in ["authorization", "x-gotify-key", "idempotency-key"] {
            text.extend(asked.header(name).map(|value| format!("{name}: {value}\n")));
        }
        text += &format!("{}\n", serde_json::to_string_pretty(&asked.json()).unwrap());
    }
    expected.assert_eq(&text);
}

#[tokio::test]
async fn slack() {
    check("webhook = { preset = \"slack\", url = \"http://127.0.0.1:PORT/services/{secret}\", secret = \"token\" }", down(), &expect![[r##"
        POST /services/s3cr3t-t0ken HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "attachments": [
            {
              "blocks": [
                {
                  "text": {
                    "text": "*[DOWN] shop - the body does not contain \"&lt;Welcome&gt;\" (2/3 nodes)*",
                    "type": "mrkdwn"
                  },
                  "type": "section"
                },
                {
                  "text": {
                    "text": "```\nshop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"&lt;Welcome&gt;\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n```",
                    "type": "mrkdwn"
                  },
                  "type": "section"
                }
              ],
              "color": "#C62828"
            }
          ],
          "text": "[DOWN] shop - the body does not contain \"&lt;Welcome&gt;\" (2/3 nodes)"
        }
    "##]]).await;
}

#[tokio::test]
async fn mattermost() {
    let line =
        "webhook = { preset = \"mattermost\", url = \"http://127.0.0.1:PORT/hooks/{secret}\", secret = \"token\", to = \"town-square\" }";
    check(line, down(), &expect![[r##"
        POST /hooks/s3cr3t-t0ken HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "attachments": [
            {
              "color": "#C62828",
              "fallback": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)",
              "footer": "Sent by node ber1 of network home, which sees 3 of 3 nodes",
              "text": "```\nshop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"<Welcome>\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n```",
              "title": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)"
            }
          ],
          "channel": "town-square",
          "text": ""
        }
    "##]]).await;
}

#[tokio::test]
async fn discord() {
    let line = "webhook = { preset = \"discord\", url = \"http://127.0.0.1:PORT/api/webhooks/1/{secret}\", secret = \"token\" }";
    check(
        line,
        vec![item("shop", Phase::Down), item("mail", Phase::Up)],
        &expect![[r#"
        POST /api/webhooks/1/s3cr3t-t0ken?wait=true HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "allowed_mentions": {
            "parse": []
          },
          "content": "[DOWN:1 UP:1] shop, mail",
          "embeds": [
            {
              "color": 12986408,
              "description": "the body does not contain \"<Welcome>\"\nber1: down, HTTP 200 OK\nfra1: up, HTTP 200 OK",
              "fields": [
                {
                  "inline": true,
                  "name": "State",
                  "value": "down"
                },
                {
                  "inline": true,
                  "name": "Votes",
                  "value": "2 of 3"
                },
                {
                  "inline": true,
                  "name": "Last good",
                  "value": "2025-11-20 07:33:20 UTC (fra1)"
                }
              ],
              "timestamp": "2025-11-20T07:33:41Z",
              "title": "shop is down",
              "url": "https://wiki.example.org/shop"
            },
            {
              "color": 3046706,
              "description": "the body does not contain \"<Welcome>\"\nber1: down, HTTP 200 OK\nfra1: up, HTTP 200 OK",
              "fields": [
                {
                  "inline": true,
                  "name": "State",
                  "value": "up"
                },
                {
                  "inline": true,
                  "name": "Lasted",
                  "value": "12m 30s"
                }
              ],
              "footer": {
                "text": "Sent by node ber1 of network home, which sees 3 of 3 nodes"
              },
              "timestamp": "2025-11-20T07:46:11Z",
              "title": "mail is up again after 12m 30s",
              "url": "https://wiki.example.org/shop"
            }
          ]
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn matrix() {
    let line = "webhook = { preset = \"matrix\", url = \"http://127.0.0.1:PORT\", secret = \"token\", to = \"!abc:example.org\" }";
    check(line, down(), &expect![[r#"
        PUT /_matrix/client/v3/rooms/!abc:example.org/send/m.room.message/0123abcdhome.peerwatch HTTP/1.1
        authorization: Bearer s3cr3t-t0ken
        idempotency-key: 0123abcd@home.peerwatch
        {
          "body": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)\n\nshop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"<Welcome>\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n",
          "format": "org.matrix.custom.html",
          "formatted_body": "<strong>[DOWN] shop - the body does not contain \"&lt;Welcome&gt;\" (2/3 nodes)</strong><pre><code>shop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"&lt;Welcome&gt;\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n</code></pre>",
          "msgtype": "m.text"
        }
    "#]]).await;
}

#[tokio::test]
async fn ntfy() {
    check("webhook = { preset = \"ntfy\", url = \"http://127.0.0.1:PORT\", to = \"alerts\" }", down(), &expect![[r#"
        POST / HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "click": "https://wiki.example.org/shop",
          "message": "shop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"<Welcome>\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n",
          "priority": 5,
          "tags": [
            "rotating_light"
          ],
          "title": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)",
          "topic": "alerts"
        }
    "#]]).await;
    let (_, asked) =
        tell(OK, "webhook = { preset = \"ntfy\", url = \"http://127.0.0.1:PORT\", to = \"alerts\", secret = \"token\" }", down()).await;
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
}

#[tokio::test]
async fn gotify() {
    check("webhook = { preset = \"gotify\", url = \"http://127.0.0.1:PORT/push/\", secret = \"token\" }", down(), &expect![[r#"
        POST /push/message HTTP/1.1
        x-gotify-key: s3cr3t-t0ken
        idempotency-key: 0123abcd@home.peerwatch
        {
          "extras": {
            "client::display": {
              "contentType": "text/plain"
            }
          },
          "message": "shop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"<Welcome>\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n",
          "priority": 8,
          "title": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)"
        }
    "#]]).await;
}

#[tokio::test]
async fn telegram() {
    let line =
        "webhook = { preset = \"telegram\", url = \"http://127.0.0.1:PORT/bot{secret}/sendMessage\", secret = \"token\", to = \"-1001\" }";
    check(line, down(), &expect![[r#"
        POST /bots3cr3t-t0ken/sendMessage HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "chat_id": "-1001",
          "link_preview_options": {
            "is_disabled": true
          },
          "text": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)\n\nshop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"<Welcome>\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n"
        }
    "#]]).await;
}

#[tokio::test]
async fn teams() {
    check("webhook = { preset = \"teams\", url = \"http://127.0.0.1:PORT/{secret}\", secret = \"token\" }", down(), &expect![[r#"
        POST /s3cr3t-t0ken HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "attachments": [
            {
              "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "body": [
                  {
                    "color": "Attention",
                    "size": "Medium",
                    "text": "[DOWN] shop - the body does not contain \"<Welcome>\" (2/3 nodes)",
                    "type": "TextBlock",
                    "weight": "Bolder",
                    "wrap": true
                  },
                  {
                    "fontType": "Monospace",
                    "text": "shop is down since 2025-11-20 07:33:41 UTC: the body does not contain \"<Welcome>\".\n\nTarget:    shop (http https://shop.example.org/)\nGroup:     web\nIncident:  shop#3\nVotes:     2 of 3 nodes call it down\nLast good: 2025-11-20 07:33:20 UTC, seen by fra1\nRule:      3 bad looks in a row, every 30s, seen by a majority of watchers\nSeverity:  critical\nRunbook:   https://wiki.example.org/shop\n\nNODE  SAYS           TIME   LOSS  LAST GOOD (UTC)      DETAIL\nber1  down              -      -  2025-11-20 07:33:20  HTTP 200 OK\nfra1  up          1.23 ms      -  2025-11-20 07:33:20  HTTP 200 OK\n\nSent by node ber1 of network home, which sees 3 of 3 nodes.\nMore: peerwatchctl incidents, or the page of any node.\n",
                    "type": "TextBlock",
                    "wrap": true
                  }
                ],
                "type": "AdaptiveCard",
                "version": "1.4"
              },
              "contentType": "application/vnd.microsoft.card.adaptive",
              "contentUrl": null
            }
          ],
          "type": "message"
        }
    "#]]).await;
}

#[tokio::test]
async fn pagerduty() {
    let line = "webhook = { preset = \"pagerduty\", url = \"http://127.0.0.1:PORT/v2/enqueue\", secret = \"token\" }";
    check(
        line,
        vec![item("shop", Phase::Up)],
        &expect![[r#"
        POST /v2/enqueue HTTP/1.1
        idempotency-key: peerwatch.home.shop#3.up
        {
          "client": "Peerwatch",
          "dedup_key": "peerwatch.home.shop#3",
          "event_action": "resolve",
          "links": [
            {
              "href": "https://wiki.example.org/shop",
              "text": "Runbook"
            }
          ],
          "payload": {
            "class": "up",
            "component": "http https://shop.example.org/",
            "custom_details": {
              "incident": "shop#3",
              "network": "home",
              "nodes": "ber1: down, HTTP 200 OK\nfra1: up, HTTP 200 OK",
              "rule": "3 bad looks in a row, every 30s, seen by a majority of watchers",
              "sent_by": "Sent by node ber1 of network home, which sees 3 of 3 nodes",
              "votes": "2 of 3"
            },
            "group": "web",
            "severity": "info",
            "source": "shop",
            "summary": "shop is up again after 12m 30s: the body does not contain \"<Welcome>\"",
            "timestamp": "2025-11-20T07:46:11Z"
          },
          "routing_key": "s3cr3t-t0ken"
        }
    "#]],
    )
    .await;
}

#[tokio::test]
async fn alertmanager() {
    let line = "webhook = { preset = \"alertmanager\", url = \"http://127.0.0.1:PORT/\" }";
    check(
        line,
        vec![item("shop", Phase::Degraded), item("mail", Phase::Up)],
        &expect![[r#"
        POST / HTTP/1.1
        idempotency-key: 0123abcd@home.peerwatch
        {
          "alerts": [
            {
              "annotations": {
                "description": "the body does not contain \"<Welcome>\"",
                "rule": "3 bad looks in a row, every 30s, seen by a majority of watchers",
                "runbook_url": "https://wiki.example.org/shop",
                "summary": "shop is degraded"
              },
              "endsAt": "0001-01-01T00:00:00Z",
              "fingerprint": "c4c734d387e72252",
              "generatorURL": "",
              "labels": {
                "alertname": "PeerwatchTarget",
                "group": "web",
                "incident": "shop#3",
                "instance": "shop",
                "network": "home",
                "severity": "warning"
              },
              "startsAt": "2025-11-20T07:33:41Z",
              "status": "firing"
            },
            {
              "annotations": {
                "description": "the body does not contain \"<Welcome>\"",
                "rule": "3 bad looks in a row, every 30s, seen by a majority of watchers",
                "runbook_url": "https://wiki.example.org/shop",
                "summary": "mail is up again after 12m 30s"
              },
              "endsAt": "2025-11-20T07:46:11Z",
              "fingerprint": "9c498a8c357ce333",
              "generatorURL": "",
              "labels": {
                "alertname": "PeerwatchTarget",
                "group": "web",
                "incident": "mail#3",
                "instance": "mail",
                "network": "home",
                "severity": "critical"
              },
              "startsAt": "2025-11-20T07:33:41Z",
              "status": "resolved"
            }
          ],
          "commonAnnotations": {},
          "commonLabels": {
            "alertname": "PeerwatchTarget",
            "network": "home"
          },
          "externalURL": "",
          "groupKey": "{}:{network=\"home\"}",
          "groupLabels": {
            "network": "home"
          },
          "receiver": "ops",
          "status": "firing",
          "truncatedAlerts": 0,
          "version": "4"
        }
    "#]],
    )
    .await;
}
