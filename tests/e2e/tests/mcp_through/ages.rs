//! Both ages of the handshake: `initialize`, and `server/discover` of 2026-07-28.

use std::time::Duration;

use lockgate_e2e::Server;
use lockgate_mcp::through::{McpServer, ThroughError};
use rmcp::model::ProtocolVersion;
use rmcp::service::ClientLifecycleMode;
use serde_json::json;

use crate::origin::Origin;
use crate::pypi::installed;
use crate::served::Served;
use crate::{call, client, echo, program, text};

fn auto() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    }
}

fn discover() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}

#[tokio::test]
async fn servers_of_both_sdks_are_met_in_either_age() {
    let executor = Server::start();
    let client = client(executor.url()).await;
    let served = Served::start().await;
    for lifecycle in [ClientLifecycleMode::Initialize, auto(), discover()] {
        let ours = program(&client)
            .lifecycle(lifecycle.clone())
            .connect()
            .await;
        let ours = ours.expect("connects");
        let result = ours.call_tool(echo("stdio")).await.expect("answered");
        assert_eq!(text(&result), "stdio");
        let http = McpServer::http(&client, served.url()).lifecycle(lifecycle.clone());
        let http = http.connect().await.expect("connects");
        let result = http.call_tool(echo("http")).await.expect("answered");
        assert_eq!(text(&result), "http");
        let time = McpServer::stdio(&client, installed("mcp-server-time")).lifecycle(lifecycle);
        let time = time.connect().await.expect("connects");
        let now = time
            .call_tool(call("get_current_time", json!({"timezone": "UTC"})))
            .await;
        assert!(text(&now.expect("answered")).contains("+00:00"));
        ours.close().await;
        http.close().await;
        time.close().await;
    }
}

#[tokio::test]
async fn one_that_has_never_heard_of_discovery_is_asked_in_the_older_way() {
    let executor = Server::start();
    let client = client(executor.url()).await;
    // Refusals as servers and what stands before them word them.
    for (status, kind, body) in [
        ("400 Bad Request", "text/plain", "Bad Request: no session"),
        ("404 Not Found", "text/html", ""),
        (
            "400 Bad Request",
            "application/json",
            "{\"jsonrpc\":\"2.0\",\"id\":\"server-error\",\"error\":{\"code\":-32600,\"message\":\"no\"}}",
        ),
        (
            "200 OK",
            "application/json",
            "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32601,\"message\":\"no\"}}",
        ),
    ] {
        let origin = Origin::new(move |asked| {
            if asked.what() == "GET /" {
                return crate::broken::answer("405 Method Not Allowed", "", "");
            }
            let message = crate::broken::message(asked);
            match message["method"].as_str() {
                Some("server/discover") => {
                    let body = body.replace("\"id\":0", &format!("\"id\":{}", message["id"]));
                    crate::broken::answer(status, &format!("content-type: {kind}\r\n"), &body)
                }
                _ => crate::broken::handshake(asked, |message| {
                    crate::broken::json_answer("", &crate::broken::said(message, "older"))
                }),
            }
        })
        .await;
        let server = McpServer::http(&client, origin.url("/")).lifecycle(auto());
        let server = server
            .connect()
            .await
            .unwrap_or_else(|error| panic!("{status} {kind}: {error}"));
        let result = server.call_tool(echo("x")).await.expect("answered");
        assert_eq!(text(&result), "older");
        server.close().await;
    }
    // A want of credentials is none of age.
    let origin = Origin::new(|_| {
        crate::broken::answer("401 Unauthorized", "www-authenticate: Bearer\r\n", "")
    })
    .await;
    let refused = McpServer::http(&client, origin.url("/"))
        .lifecycle(auto())
        .connect_timeout(Duration::from_secs(20))
        .connect()
        .await
        .expect_err("refused");
    assert!(
        matches!(refused, ThroughError::Handshake { .. }),
        "{refused}"
    );
    assert_eq!(refused.auth_challenge(), Some("Bearer"));
}
