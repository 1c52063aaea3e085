//! Servers reached by HTTP that are broken, hostile, or only particular.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lockgate_client::Client;
use lockgate_e2e::{DEADLINE, Server};
use lockgate_mcp::through::{Connected, McpServer, ThroughError};
use rmcp::ServiceError;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::origin::{Asked, Origin};
use crate::{Reached, brittle, client, echo, everywhere, text};

/// An answer of that type, on a connection of its own.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

pub(crate) fn json_answer(headers: &str, body: &Value) -> String {
    let headers = format!("content-type: application/json\r\n{headers}");
    answer("200 OK", &headers, &body.to_string())
}

/// Events, and the end of the stream.
fn events(text: &str) -> String {
    answer("200 OK", "content-type: text/event-stream\r\n", text)
}

/// What was posted.
pub(crate) fn message(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap_or_default()
}

fn result(message: &Value, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
}

pub(crate) fn said(message: &Value, text: &str) -> Value {
    result(
        message,
        json!({"content": [{"type": "text", "text": text}]}),
    )
}

/// The handshake, in session `s`; other messages are for the test.
pub(crate) fn handshake(asked: &Asked, other: impl FnOnce(&Value) -> String) -> String {
    let message = message(asked);
    match message["method"].as_str() {
        Some("initialize") => {
            let about = json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "script", "version": "1"},
            });
            json_answer("Mcp-Session-Id: s\r\n", &result(&message, about))
        }
        Some("notifications/initialized") => answer("202 Accepted", "", ""),
        Some("notifications/cancelled") => answer("202 Accepted", "", ""),
        _ if asked.what().starts_with("DELETE ") => answer("204 No Content", "", ""),
        _ => other(&message),
    }
}

/// A server that says this to calls, and has no stream of its own.
async fn calls(
    executor: &Server,
    answers: impl Fn(&Value) -> String + Clone + Send + Sync + 'static,
) -> (Origin, Connected<()>) {
    let client = client(executor.url()).await;
    calls_at(&client, answers).await
}

/// The same for somebody's client.
async fn calls_at(
    client: &Client,
    answers: impl Fn(&Value) -> String + Clone + Send + Sync + 'static,
) -> (Origin, Connected<()>) {
    let origin = Origin::new(move |asked| {
        handshake(asked, |message| match asked.what() {
            "GET /" => answer("405 Method Not Allowed", "", ""),
            _ => answers(message),
        })
    })
    .await;
    let server = McpServer::http(client, origin.url("/")).connect().await;
    (origin, server.expect("connects"))
}

#[tokio::test]
async fn a_challenge_reaches_the_harness_in_the_handshake_and_later() {
    let executor = Server::start();
    let bearer = "www-authenticate: Bearer resource_metadata=\"https://a/x\", scope=\"r w\"\r\n";
    let origin = Origin::new(move |_| answer("401 Unauthorized", bearer, "who are you?")).await;
    let client = client(executor.url()).await;
    let refused = McpServer::http(&client, origin.url("/")).connect().await;
    let refused = refused.expect_err("refused");
    assert_eq!(
        refused.auth_challenge(),
        Some("Bearer resource_metadata=\"https://a/x\", scope=\"r w\"")
    );
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (_origin, server) = calls(&executor, move |_| answer(status, bearer, "no")).await;
        let refused = server.call_tool(echo("x")).await.expect_err("refused");
        assert!(refused.auth_challenge().is_some(), "{refused}");
        // Without a challenge the status is said.
        let (_origin, server) = calls(&executor, move |_| answer(status, "", "no")).await;
        let refused = server.call_tool(echo("x")).await.expect_err("refused");
        assert!(refused.to_string().contains(&status[..3]), "{refused}");
    }
}

#[tokio::test]
async fn redirects_are_followed_at_the_same_origin_only() {
    let executor = Server::start();
    let there = Origin::new(|asked| handshake(asked, |_| answer("404 Not Found", "", ""))).await;
    let port = there.port();
    let origin = Origin::new(move |asked| match asked.what() {
        "POST /mcp" => crate::origin::to(307, "/mcp/"),
        "POST /see-other" => crate::origin::to(303, "/mcp/"),
        "POST /elsewhere" => crate::origin::to(308, &format!("http://127.0.0.1:{port}/")),
        "POST /circle" => crate::origin::to(307, "/circle"),
        "GET /mcp" => crate::origin::to(301, "/mcp/"),
        "GET /mcp/" => answer("405 Method Not Allowed", "", ""),
        _ => handshake(asked, |message| json_answer("", &said(message, "moved"))),
    })
    .await;
    let client = client(executor.url()).await;
    let connect = |path: &str| {
        McpServer::http(&client, origin.url(path))
            .bearer("t0ken")
            .connect()
    };
    let server = connect("/mcp").await.expect("connects");
    let result = server.call_tool(echo("x")).await.expect("answered");
    assert_eq!(text(&result), "moved");
    for (path, reason) in [
        (
            "/see-other",
            "with status 303, which drops the message".to_owned(),
        ),
        (
            "/elsewhere",
            format!("to another origin, http://127.0.0.1:{port}"),
        ),
        ("/circle", "after 3 redirects".to_owned()),
    ] {
        let refused = connect(path).await.expect_err(path).to_string();
        assert!(refused.contains(&reason), "{refused}");
    }
    assert!(there.asked().is_empty(), "nothing went there");
}

everywhere! { answers_that_make_no_sense_fail_their_call_and_no_other }

async fn answers_that_make_no_sense_fail_their_call_and_no_other(client: &Reached) {
    let (_origin, server) = calls_at(client, |message| {
        let asked = message["params"]["arguments"]["text"].as_str();
        let html = "content-type: text/html\r\n";
        let json = "content-type: application/json\r\n";
        match asked.unwrap_or_default() {
            "html" => answer("200 OK", html, "<html>"),
            "nothing" => answer("200 OK", json, ""),
            "no json" => answer("200 OK", json, "{\"jsonrpc\""),
            "no message" => answer("200 OK", json, "{\"a\": 1}"),
            "500" => answer("500 Oh", html, "<h1>broken</h1>"),
            "400" => answer("400 Oh", html, "<h1>your fault</h1>"),
            "error" => {
                let error = json!({"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32000, "message": "said so"}});
                answer("400 Oh", json, &error.to_string())
            }
            "another id" => json_answer("", &json!({"jsonrpc": "2.0", "id": 4711, "result": {}})),
            "no answer" => json_answer("", &json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})),
            "error without id" => json_answer("", &json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "whose?"}})),
            "silence" => events(": nothing\n\n"),
            "no events" => events("\u{feff}nonsense\ndata\n\n\u{0}"),
            _ => json_answer("", &said(message, "fine")),
        }
    })
    .await;
    for (asked, expected) in [
        ("html", "content type: Some(\"text/html\")"),
        ("nothing", "its answer of 0 bytes is no message of MCP"),
        ("no json", "its answer of 10 bytes is no message of MCP"),
        ("no message", "its answer of 8 bytes is no message of MCP"),
        ("500", "HTTP 500"),
        ("400", "HTTP status 400: <h1>your fault</h1>"),
        ("error", "said so"),
        ("another id", "it answered something else than the request"),
        ("no answer", "it answered something else than the request"),
        ("error without id", "whose?"),
        ("silence", "closed"),
        ("no events", "closed"),
    ] {
        let failure = timeout(DEADLINE, server.call_tool(echo(asked))).await;
        let failure = failure.expect("in time").expect_err(asked).to_string();
        assert!(
            failure.to_lowercase().contains(&expected.to_lowercase()),
            "{asked}: {failure}"
        );
        let result = server.call_tool(echo("x")).await.expect("answered");
        assert_eq!(text(&result), "fine");
    }
}

#[tokio::test]
async fn a_call_that_is_merely_accepted_where_no_answer_can_come_fails() {
    let executor = Server::start();
    let origin = Origin::new(|asked| {
        let answered = handshake(asked, |_| answer("202 Accepted", "", ""));
        answered.replace("Mcp-Session-Id: s\r\n", "")
    })
    .await;
    let client = client(executor.url()).await;
    let server = McpServer::http(&client, origin.url("/")).connect().await;
    let server = server.expect("connects");
    let failure = timeout(DEADLINE, server.call_tool(echo("x"))).await;
    let said = failure
        .expect("in time")
        .expect_err("no answer")
        .to_string();
    assert!(
        said.contains("it answered a request with HTTP status 202 and nothing else"),
        "{said}"
    );
}

#[tokio::test]
async fn too_much_is_not_taken_and_not_asked_for_again() {
    let executor = Server::start();
    let (origin, server) = calls(&executor, |message| {
        let large = "x".repeat(17 << 20);
        match message["params"]["arguments"]["text"].as_str() {
            Some("json") => json_answer("", &said(message, &large)),
            Some("values") => json_answer("", &json!({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [], "x": vec![Value::Array(Vec::new()); 300_000]}})),
            Some("values of an event") => {
                let values = json!({"jsonrpc": "2.0", "id": message["id"], "result": {"x": vec![0; 300_000]}});
                events(&format!("id: 1\n\ndata: {values}\n\n"))
            }
            // With an id that the SDK would resume from.
            Some("event") => events(&format!("id: 1\n\ndata: {large}\n\n")),
            Some("comment") => events(&format!("id: 1\n\n:{large}")),
            _ => json_answer("", &said(message, "fine")),
        }
    })
    .await;
    for asked in ["json", "values", "event", "comment", "values of an event"] {
        let failure = timeout(DEADLINE, server.call_tool(echo(asked))).await;
        failure.expect("in time").expect_err(asked);
        let result = server.call_tool(echo("x")).await.expect("answered");
        assert_eq!(text(&result), "fine");
    }
    let asked = origin.asked();
    let gets = asked.iter().filter(|asked| asked.what() == "GET /");
    assert_eq!(
        gets.count(),
        1,
        "the stream of its own that it does not have"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let executor = Server::start();
    let client = client(executor.url()).await;
    let (origin, _connections) = Origin::by_hand().await;
    let silent = McpServer::http(&client, origin.url("/?key=secret"))
        .connect_timeout(Duration::from_millis(200))
        .connect()
        .await
        .expect_err("it is silent");
    assert!(matches!(silent, ThroughError::Silent { .. }), "{silent}");
    assert!(!silent.to_string().contains("secret"), "{silent}");
}

everywhere! { an_answer_that_was_cut_is_taken_up_where_it_was_cut }

async fn an_answer_that_was_cut_is_taken_up_where_it_was_cut(client: &Reached) {
    let origin = Origin::new(|asked| {
        if asked.what() == "GET /" {
            return match asked.all("last-event-id").first() {
                Some(&"e7") => {
                    let rest = said(&json!({"id": 1}), "after the cut");
                    events(&format!("id: e8\ndata: {rest}\n\n"))
                }
                Some(other) => panic!("{other} was asked for"),
                None => answer("405 Method Not Allowed", "", ""),
            };
        }
        handshake(asked, |message| {
            assert_eq!(message["id"], 1, "the first call");
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}});
            // More is promised than comes.
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100000\r\n\r\n".to_owned()
                + &format!("retry: 1\nid: e7\ndata: {progress}\n\ndata: {{\"half")
        })
    })
    .await;
    let server = McpServer::http(client, origin.url("/")).connect().await;
    let server = server.expect("connects");
    let result = timeout(DEADLINE, server.call_tool(echo("x"))).await;
    assert_eq!(
        text(&result.expect("in time").expect("answered")),
        "after the cut"
    );
}

everywhere! { an_answer_that_the_server_does_not_know_any_more_is_given_up }

async fn an_answer_that_the_server_does_not_know_any_more_is_given_up(client: &Reached) {
    let streams = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&streams);
    let origin = Origin::new(move |asked| {
        if asked.what() == "GET /" {
            return match asked.all("last-event-id").first() {
                Some(&"e1") => {
                    count.fetch_add(1, Ordering::Relaxed);
                    events("")
                }
                Some(other) => panic!("{other} was asked for"),
                None => answer("405 Method Not Allowed", "", ""),
            };
        }
        handshake(asked, |message| match message["id"].as_u64() {
            Some(1) => events("retry: 1\nid: e1\ndata: \n\n"),
            _ => json_answer("", &said(message, "fine")),
        })
    })
    .await;
    let server = McpServer::http(client, origin.url("/")).connect().await;
    let server = server.expect("connects");
    let failure = timeout(DEADLINE, server.call_tool(echo("x"))).await;
    let failure = failure.expect("in time").expect_err("nobody knows it");
    // So the SDK says it of that one call.
    assert!(
        matches!(failure, ServiceError::TransportClosed),
        "{failure}"
    );
    assert_eq!(streams.load(Ordering::Relaxed), 2);
    let result = server.call_tool(echo("y")).await;
    assert_eq!(text(&result.expect("answered")), "fine");
}

#[tokio::test]
async fn a_server_that_cuts_every_stream_is_asked_again_at_leisure() {
    let executor = Server::start();
    let streams = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&streams);
    let begun = Instant::now();
    let origin = Origin::new(move |asked| {
        if asked.what() == "GET /" {
            count.fetch_add(1, Ordering::Relaxed);
            return "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\nretry: 0\n\n".to_owned();
        }
        handshake(asked, |message| json_answer("", &said(message, "fine")))
    })
    .await;
    let client = client(executor.url()).await;
    let server = McpServer::http(&client, origin.url("/")).connect().await;
    let server = server.expect("connects");
    timeout(DEADLINE, async {
        while streams.load(Ordering::Relaxed) < 10 {
            server.call_tool(echo("x")).await.expect("answered");
        }
    })
    .await
    .expect("it is asked again");
    for _ in 0..50 {
        server.call_tool(echo("x")).await.expect("answered");
    }
    // Ten at once, and ten more in each ten seconds.
    let most = 10 * (1 + begun.elapsed().as_secs() as usize / 10);
    assert!(streams.load(Ordering::Relaxed) <= most + 10);
    server.close().await;
}

#[tokio::test]
async fn streams_that_never_end_are_given_up_with_their_servers() {
    let executor = Server::start();
    let client = client(executor.url()).await;
    let (origin, mut connections) = Origin::by_hand().await;
    // It keeps every stream open, also that of a session that was given back.
    let serving = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some((asked, mut socket)) = connections.recv().await {
            use tokio::io::AsyncWriteExt;
            let (answer, keep) = match asked.what() {
                "GET /" => (
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: open\n\n"
                        .to_owned(),
                    true,
                ),
                _ => (
                    handshake(&asked, |message| json_answer("", &said(message, "x"))),
                    false,
                ),
            };
            socket.write_all(answer.as_bytes()).await.expect("answered");
            if keep {
                kept.push(socket);
            }
        }
    });
    // More than the requests that a connection may have under way.
    for _ in 0..300 {
        let server = McpServer::http(&client, origin.url("/")).connect().await;
        let server = server.expect("connects");
        server.call_tool(echo("x")).await.expect("answered");
        server.close().await;
    }
    serving.abort();
}

#[tokio::test]
async fn a_call_in_flight_fails_when_the_executor_is_lost() {
    let mut executor = Server::start();
    let client = brittle(executor.url()).await;
    let served = crate::served::Served::start().await;
    let server = McpServer::http(&client, served.url()).connect().await;
    let server = server.expect("connects");
    let waiting = server.call_tool(crate::call("wait", json!({})));
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("it does not answer"),
        result = server.call_tool(echo("between")) => drop(result.expect("answered")),
    }
    executor.signal(rustix::process::Signal::KILL);
    executor.wait();
    let failure = timeout(DEADLINE, waiting).await.expect("in time");
    assert!(
        matches!(
            failure,
            Err(ServiceError::TransportClosed
                | ServiceError::TransportSend(_)
                | ServiceError::McpError(_))
        ),
        "{failure:?}"
    );
    let failure = server.call_tool(echo("x")).await.expect_err("it is gone");
    assert!(failure.to_string().contains("connection"), "{failure}");
}
