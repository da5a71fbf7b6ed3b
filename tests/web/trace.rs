//! The way to a node, and what the journal takes, over HTTP.

use expect_test::expect;
use hyper::StatusCode;
use peerwatch::base::command::{Command, Reply, Step, Way};
use peerwatch::base::id::NodeId;
use peerwatch::base::time::{Micros, Span};

use super::{OURS, Server, sample};

#[tokio::test]
async fn a_trace_asks_the_node_and_returns_the_hops() {
    let mut server = Server::start([sample::night()]).await;
    let mut commands = server.commands.remove(0);
    let step = |node: &str, time| Step { node: node.into(), time };
    let hops = vec![step("fra1", Some(Micros(1500))), step("nyc1", None)];
    let mut answers = vec![None, Some(Way { hops, took: Span(20) })];
    let node = tokio::spawn(async move {
        let mut asked = Vec::new();
        while let Some(way) = answers.pop() {
            let question = commands.recv().await.unwrap();
            question.reply.send(Reply::Traced(way)).unwrap();
            asked.push(question.command);
        }
        asked
    });
    let names = server.get("/api/v1/nodes").await.json();
    let goal = names["nodes"][2]["name"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/trace?node={goal}&within=7");
    let found = server.send("POST", &path, &[OURS]).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.body);
    expect![[r#"{"network":"home","trace":{"node":"hel1","found":true,"took_seconds":0.02,"hops":[{"node":"fra1","rtt_seconds":0.0015,"sum_seconds":0.0015},{"node":"nyc1","rtt_seconds":null,"sum_seconds":null}]}}"#]].assert_eq(&found.body);
    let lost = server.send("POST", &path, &[OURS]).await;
    expect![[r#"{"network":"home","trace":{"node":"hel1","found":false,"took_seconds":null,"hops":[]}}"#]].assert_eq(&lost.body);
    let command = Command::Trace { node: NodeId([0xa2; 32]), within: Span::secs(7) };
    assert_eq!(node.await.unwrap(), [command.clone(), command]);
}

#[tokio::test]
async fn a_trace_of_nonsense_or_from_elsewhere_is_refused_before_any_node_is_asked() {
    let mut server = Server::start([sample::night()]).await;
    for (query, status) in [
        ("", StatusCode::BAD_REQUEST),
        ("node=", StatusCode::BAD_REQUEST),
        ("node=nobody", StatusCode::NOT_FOUND),
        ("node=fra1&within=0", StatusCode::BAD_REQUEST),
        ("node=fra1&within=61", StatusCode::BAD_REQUEST),
    ] {
        let answer = server.send("POST", &format!("/api/v1/trace?{query}"), &[OURS]).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
    }
    assert_eq!(server.send("POST", "/api/v1/trace?node=fra1", &[]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(server.get("/api/v1/trace?node=fra1").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(server.commands[0].try_recv().is_err(), "the node was not asked");
}

#[tokio::test]
async fn what_the_journal_takes() {
    let server = Server::start([sample::night()]).await;
    let answer = server.get("/api/v1/journal/stats").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    expect![[r#"{"chains":[{"author":"fra1","base":1000,"behind":[],"bytes":60000,"entries":237,"incarnation":"17.02020202020202020202020202020202","lane":"events","missing_entries":0,"sequence":1237}],"entries":237,"entry_bytes":60000,"file_bytes":1048576,"forks":[],"free_bytes":0,"limit_bytes":1073741824,"log_bytes":4096,"samples":7}"#]].assert_eq(&serde_json::to_string(&answer.json()["stats"]).unwrap());
}

#[tokio::test]
async fn the_page_shows_clocks_lag_and_bytes() {
    let server = Server::start([sample::night()]).await;
    let page = server.get("/").await.body;
    for text in ["-0.008 s", "≈ +0.016 s", ">1 / 0<", "46.9 KiB / 1.19 MiB"] {
        assert!(page.contains(text), "{text}");
    }
}
