//! The same over every way to an executor.

use std::any::Any;
use std::ops::Deref;

use lockgate_client::{Client, ConnectOptions};
use lockgate_mcp::through::{How, McpServer};
use serde_json::json;

use crate::everywhere;
use crate::house::{Place, connect};
use crate::pypi::installed;
use crate::served::Served;
use crate::{call, echo, program, text};

/// An executor somewhere, as a client of it.
pub(crate) struct Reached {
    client: Client,
    _keeps: Box<dyn Any>,
}

impl Reached {
    pub(crate) async fn at(place: Place) -> Reached {
        let (client, _keeps) = connect(place, ConnectOptions::default()).await;
        Reached { client, _keeps }
    }

    pub(crate) async fn leave(self) {
        self.client.close().await;
    }
}

impl Deref for Reached {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

everywhere! { several_servers_are_reached_at_once }

async fn several_servers_are_reached_at_once(client: &Reached) {
    let served = Served::start().await;
    let time = McpServer::stdio(client, installed("mcp-server-time"));
    let (time, ours, http) = tokio::join!(
        time.connect(),
        program(client).connect(),
        McpServer::http(client, served.url()).connect()
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
    assert_eq!(ours.expect("a program").how, How::Closed(Some(0)));
    // Python may need longer to end by itself than it is given, where much else runs.
    let how = time.expect("a program").how;
    assert!(matches!(how, How::Closed(Some(0 | 143))), "{how:?}");
}
