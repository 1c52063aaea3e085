//! A server behind a proxy that cuts, and what tests do with processes.

use std::future::Future;
use std::time::Duration;

use lockgate_client::{Client, ClientError, ConnectOptions, ConnectionState, Event, Events};
use lockgate_e2e::{DEADLINE, Proxy, Server, start_params};
use lockgate_wire::process::StartParams;

/// A server, and the only way to it.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
}

impl House {
    pub(crate) fn new() -> House {
        let server = Server::start();
        let proxy = Proxy::to(server.address());
        House { server, proxy }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.proxy.address())
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_with(ConnectOptions::default()).await
    }

    /// The first connection is tried once by the client, and may be cut here.
    pub(crate) async fn client_with(&self, options: ConnectOptions) -> Client {
        soon(async {
            loop {
                if let Ok(client) = Client::connect_ws(&self.url(), options.clone()).await {
                    return client;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

/// For everything that a test waits for.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    within(DEADLINE, what).await
}

pub(crate) async fn within<T>(after: Duration, what: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(after, what).await;
    waited.expect("it took too long")
}

/// Waits until the connection is like that.
pub(crate) async fn until(client: &Client, what: impl FnMut(&ConnectionState) -> bool) {
    let mut states = client.states();
    let state = soon(states.wait_for(what)).await;
    state.expect("the client is there");
}

/// `/bin/sh -c SCRIPT`.
pub(crate) fn shell(id: &str, script: &str) -> StartParams {
    serde_json::from_value(start_params(id, script)).expect("params")
}

/// What a process did, to its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) output: Vec<u8>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) lost: u64,
    pub(crate) failed: Option<String>,
}

pub(crate) async fn story(events: &mut Events) -> Story {
    let mut story = Story::default();
    while let Some(event) = soon(events.next()).await {
        match event {
            Event::Output { data, .. } => story.output.extend(data),
            Event::Exited { exit_code, .. } => {
                assert_eq!(story.exit_code.replace(exit_code), None, "one exit");
            }
            Event::Lost { count } => story.lost += count,
            Event::Failed(reason) => story.failed = Some(reason),
            Event::Closed => {}
        }
    }
    story
}

/// Of a call that may be cut: what it came to, or that nobody knows. Anything else is a mistake.
pub(crate) fn known<T>(outcome: Result<T, ClientError>) -> Option<T> {
    match outcome {
        Ok(outcome) => Some(outcome),
        Err(ClientError::Interrupted { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}
