//! What a lost link to the executor costs.

use lockgate_e2e::{DEADLINE, Proxy, Server};
use lockgate_mcp::through::{How, McpServer};
use serde_json::json;
use tokio::time::timeout;

use crate::served::Served;
use crate::{call, client, echo, program, text};

#[tokio::test]
async fn a_program_notices_nothing_of_lost_links_and_every_call_is_answered() {
    let executor = Server::start();
    let proxy = Proxy::to(executor.address());
    let client = client(&format!("ws://{}", proxy.address())).await;
    let server = program(&client).connect().await.expect("connects");
    let texts: Vec<String> = (0..8).map(|n| format!("{n}").repeat(50_000)).collect();
    for round in 0..20 {
        let calls = texts.iter().map(|text| server.call_tool(echo(text)));
        let calls = futures_util::future::join_all(calls);
        let large = server.call_tool(call("large", json!({"bytes": 3_000_000})));
        let cutting = async {
            // Somewhere in the middle of them.
            for _ in 0..round * 7 {
                tokio::task::yield_now().await;
            }
            proxy.cut_any(round)
        };
        let all = async { tokio::join!(calls, large, cutting) };
        let (calls, large, _) = timeout(DEADLINE, all).await.expect("in time");
        for (asked, result) in texts.iter().zip(calls) {
            assert_eq!(text(&result.expect("answered")), asked);
        }
        assert_eq!(text(&large.expect("answered")).len(), 3_000_000);
    }
    let ending = server.close().await.expect("a program");
    assert_eq!(ending.how, How::Closed(Some(0)), "{ending}");
}

#[tokio::test]
async fn a_server_by_http_is_there_again_after_a_lost_link() {
    let executor = Server::start();
    let proxy = Proxy::to(executor.address());
    let client = client(&format!("ws://{}", proxy.address())).await;
    let served = Served::start().await;
    let server = McpServer::http(&client, served.url()).connect().await;
    let server = server.expect("connects");
    for round in 0..10 {
        assert!(proxy.cut_any(round));
        // One that was on its way when the link broke may fail, and says so; it is not sent again by itself, because it may have been done.
        let answered = async {
            while let Err(failure) = server.call_tool(echo("there?")).await {
                eprintln!("{failure}");
            }
        };
        timeout(DEADLINE, answered).await.expect("in time");
    }
    assert_eq!(served.sessions().await, 1);
    server.close().await;
    assert_eq!(served.sessions().await, 0);
}
