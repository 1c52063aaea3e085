//! Servers of the official SDK that are reached by HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use lockgate_e2e::{DEADLINE, Server, reserved};
use lockgate_mcp::through::{McpServer, ThroughError};
use rmcp::model::ProgressNotificationParam;
use rmcp::service::NotificationContext;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::json;
use tokio::time::timeout;

use crate::served::Served;
use crate::{Reached, call, client, echo, everywhere, text};

everywhere! {
    a_server_of_the_official_sdk_is_reached_and_its_session_given_back,
    a_session_that_has_expired_is_begun_again_and_the_call_is_answered,
    a_server_that_is_started_again_is_found_again,
    progress_comes_before_the_answer_and_json_answers_are_understood,
    a_call_that_is_given_up_is_cancelled_at_the_server,
    servers_come_and_go_on_one_connection_without_end,
    bad_addresses_and_headers_are_refused_before_anything_is_sent,
}

/// An executor with that configuration, and a variable that is a secret.
fn configured(text: &str) -> (Server, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("lockgate.toml");
    std::fs::write(&file, text).expect("written");
    let mut command = Server::command();
    command
        .arg("--config")
        .arg(&file)
        .env("MCP_TOKEN", "s3cret");
    (Server::from_command(command), directory)
}

async fn a_server_of_the_official_sdk_is_reached_and_its_session_given_back(client: &Reached) {
    let served = Served::start().await;
    let server = McpServer::http(client, served.url())
        .header("X-Org", "acme")
        .connect()
        .await
        .expect("connects");
    let tools = server.list_all_tools().await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "echo"), "{tools:?}");
    let result = server.call_tool(echo("hello")).await.expect("answered");
    assert_eq!(text(&result), "hello");
    for _ in 0..4 {
        let large = server.call_tool(call("large", json!({"bytes": 15_000_000})));
        assert_eq!(text(&large.await.expect("answered")).len(), 15_000_000);
    }
    assert_eq!(served.sessions().await, 1);
    assert!(server.close().await.is_none());
    assert_eq!(served.sessions().await, 0);
    let posts = served.seen(Method::POST);
    assert!(posts[1..].iter().all(|headers| {
        headers.contains_key("mcp-session-id") && headers.contains_key("mcp-protocol-version")
    }));
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let seen = served.seen(method.clone());
        assert!(!seen.is_empty(), "{method}");
        assert!(seen.iter().all(|headers| headers["x-org"] == "acme"));
    }
}

async fn a_session_that_has_expired_is_begun_again_and_the_call_is_answered(client: &Reached) {
    let served = Served::start().await;
    let server = McpServer::http(client, served.url()).connect().await;
    let server = server.expect("connects");
    for round in 0..3 {
        assert_eq!(served.expire().await, 1);
        let asked = format!("round {round}");
        let result = server.call_tool(echo(&asked)).await.expect("answered");
        assert_eq!(text(&result), asked);
    }
    // Several at once share a new one.
    assert_eq!(served.expire().await, 1);
    let calls = (0..8).map(|_| server.call_tool(echo("all")));
    for result in futures_util::future::join_all(calls).await {
        assert_eq!(text(&result.expect("answered")), "all");
    }
    assert_eq!(served.sessions().await, 1);
    server.close().await;
}

async fn a_server_that_is_started_again_is_found_again(client: &Reached) {
    let address = reserved();
    let served = Served::at(&address, StreamableHttpServerConfig::default()).await;
    let server = McpServer::http(client, served.url()).connect().await;
    let server = server.expect("connects");
    server.call_tool(echo("before")).await.expect("answered");
    served.end().await;
    let failure = server.call_tool(echo("nobody there")).await;
    let said = failure.expect_err("it is gone").to_string();
    assert!(
        said.contains(&format!(
            "the executor got no answer from the MCP server http://{address}/mcp: "
        )),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
    let again = Served::at(&address, StreamableHttpServerConfig::default()).await;
    let result = server.call_tool(echo("after")).await.expect("answered");
    assert_eq!(text(&result), "after");
    // Its own messages come over a stream that is opened anew.
    timeout(DEADLINE, async {
        while again.seen(Method::GET).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is opened");
    server.close().await;
    assert_eq!(again.sessions().await, 0);
}

/// Counts progress.
#[derive(Clone, Default)]
struct Progress(Arc<AtomicUsize>);

impl ClientHandler for Progress {
    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

async fn progress_comes_before_the_answer_and_json_answers_are_understood(client: &Reached) {
    let sessionless = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    for config in [StreamableHttpServerConfig::default(), sessionless] {
        let served = Served::at("127.0.0.1:0", config).await;
        let progress = Progress::default();
        let server = McpServer::http(client, served.url()).connect_as(progress.clone());
        let server = server.await.expect("connects");
        let result = server.call_tool(call("count", json!({"bytes": 20}))).await;
        assert_eq!(text(&result.expect("answered")), "counted");
        timeout(DEADLINE, async {
            while progress.0.load(Ordering::Relaxed) < 20 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("all of it comes");
        let result = server.call_tool(echo("in one piece")).await;
        assert_eq!(text(&result.expect("answered")), "in one piece");
        server.close().await;
    }
}

async fn a_call_that_is_given_up_is_cancelled_at_the_server(client: &Reached) {
    let served = Served::start().await;
    let server = McpServer::http(client, served.url()).connect().await;
    let server = server.expect("connects");
    for _ in 0..3 {
        tokio::select! {
            _ = server.call_tool(call("wait", json!({}))) => panic!("it does not answer"),
            () = served.waits.notified() => {}
        }
        let cancelled = timeout(DEADLINE, served.waits.notified()).await;
        cancelled.expect("in time");
    }
    server.close().await;
}

#[tokio::test]
async fn a_credential_of_the_executor_goes_to_the_server_and_never_comes_here() {
    let served = Served::start().await;
    let (executor, _directory) = configured("[http]\nheader_env_vars = [\"MCP_TOKEN\"]\n");
    let client_of_it = client(executor.url()).await;
    let server = McpServer::http(&client_of_it, served.url())
        .bearer_from("MCP_TOKEN")
        .connect()
        .await
        .expect("connects");
    server.call_tool(echo("hello")).await.expect("answered");
    server.close().await;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let seen = served.seen(method);
        assert!(
            seen.iter()
                .all(|headers| headers["authorization"] == "Bearer s3cret")
        );
    }
    // An executor whose operator has named no variables.
    let other = Server::start();
    let other = client(other.url()).await;
    let refused = McpServer::http(&other, served.url()).bearer_from("MCP_TOKEN");
    let refused = refused.connect().await.expect_err("not announced");
    assert!(matches!(refused, ThroughError::Unsupported(_)), "{refused}");
}

#[tokio::test]
async fn what_the_operator_forbids_is_not_reached() {
    let served = Served::start().await;
    let (executor, _directory) = configured("[http]\nallow_hosts = [\"example.com\"]\n");
    let client = client(executor.url()).await;
    let refused = McpServer::http(&client, served.url()).connect().await;
    let said = refused.expect_err("refused").to_string();
    assert!(said.contains("the executor got no answer"), "{said}");
    assert!(served.seen(Method::POST).is_empty());
}

async fn servers_come_and_go_on_one_connection_without_end(client: &Reached) {
    let served = Served::start().await;
    // More than a connection may have requests under way: each of these leaves an event stream behind that nobody reads.
    for _ in 0..150 {
        let server = McpServer::http(client, served.url()).connect().await;
        server.expect("connects").close().await;
    }
}

async fn bad_addresses_and_headers_are_refused_before_anything_is_sent(client: &Reached) {
    for (url, expected) in [
        (
            "not a url",
            "`not a url` is not the address of an MCP server: ",
        ),
        ("ftp://a.example/", "it is neither http nor https"),
        ("http://user:pw@a.example/", "it holds a name or a password"),
    ] {
        let refused = McpServer::http(client, url).connect().await;
        let said = refused.expect_err(url).to_string();
        assert!(said.contains(expected) && !said.contains("pw"), "{said}");
    }
    for (name, value) in [
        ("bad name", "x"),
        ("x", "a\r\nb: c"),
        ("Mcp-Session-Id", "x"),
        ("Accept", "x"),
    ] {
        let server = McpServer::http(client, "http://127.0.0.1:1/").header(name, value);
        let refused = server.connect().await.expect_err(name);
        assert!(matches!(refused, ThroughError::Header { .. }), "{refused}");
    }
}
