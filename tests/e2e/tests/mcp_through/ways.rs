//! The same over every way to an executor.

use lockgate_client::ConnectOptions;
use lockgate_mcp::through::{How, McpServer};
use serde_json::json;

use crate::house::{Place, connect};
use crate::pypi::installed;
use crate::served::Served;
use crate::{call, echo, program, text};

async fn servers_are_reached(place: Place) {
    let (client, _keeps) = connect(place, ConnectOptions::default()).await;
    let served = Served::start().await;
    let time = McpServer::stdio(&client, installed("mcp-server-time"));
    let (time, ours, http) = tokio::join!(
        time.connect(),
        program(&client).connect(),
        McpServer::http(&client, served.url()).connect()
    );
    let (time, ours, http) = (time.expect("one"), ours.expect("two"), http.expect("three"));
    let arguments = json!({"timezone": "UTC"});
    let (now, one, two) = tokio::join!(
        time.call_tool(call("get_current_time", arguments)),
        ours.call_tool(call("large", json!({"bytes": 2_000_000}))),
        http.call_tool(echo("hello"))
    );
    assert!(text(&now.expect("answered")).contains("+00:00"));
    assert_eq!(text(&one.expect("answered")).len(), 2_000_000);
    assert_eq!(text(&two.expect("answered")), "hello");
    served.expire().await;
    let again = http.call_tool(echo("again")).await;
    assert_eq!(text(&again.expect("answered")), "again");
    let (time, ours, _) = tokio::join!(time.close(), ours.close(), http.close());
    for ending in [time, ours] {
        assert_eq!(ending.expect("a program").how, How::Closed(Some(0)));
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_harness_itself() {
    servers_are_reached(Place::Local).await;
}

#[tokio::test]
async fn over_a_websocket() {
    servers_are_reached(Place::Websocket).await;
}

#[tokio::test]
async fn over_stdio() {
    servers_are_reached(Place::Stdio).await;
}

#[tokio::test]
async fn through_a_relay() {
    servers_are_reached(Place::Relay).await;
}

#[tokio::test]
async fn through_a_relay_and_encrypted() {
    servers_are_reached(Place::RelayEncrypted).await;
}
