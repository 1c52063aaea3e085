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
    let mut asked = 0;
    for round in 0..6 {
        let texts: Vec<String> = (0..4)
            .map(|number| format!("{round}-{number} ").repeat(20_000))
            .collect();
        let calls = texts.iter().map(|text| server.call_tool(echo(text)));
        let calls = futures_util::future::join_all(calls);
        let cutting = async {
            for _ in 0..round * 20 {
                tokio::task::yield_now().await;
            }
            proxy.cut_any(round)
        };
        let all = async { tokio::join!(calls, cutting) };
        let (calls, _) = timeout(DEADLINE, all).await.expect("in time");
        asked += texts.len();
        // One that was on its way when the link broke may fail, and says so; it is not sent again by itself, because it may have been done.
        for (asked, result) in texts.iter().zip(calls) {
            if let Ok(result) = result {
                assert_eq!(text(&result), asked);
            }
        }
        let answered = async {
            asked += 1;
            while let Err(failure) = server.call_tool(echo("there?")).await {
                eprintln!("{failure}");
                asked += 1;
            }
        };
        timeout(DEADLINE, answered).await.expect("in time");
    }
    // Each as often as it was asked for, at most.
    let echoed = served.echoed();
    assert!(echoed <= asked, "{echoed} of {asked}");
    assert_eq!(served.sessions().await, 1);
    server.close().await;
    assert_eq!(served.sessions().await, 0);
}
