//! Links that go silent: nothing comes through, and no end is told.

use std::time::Duration;

use lockgate_client::{Client, ConnectOptions, ConnectionState};
use lockgate_e2e::{DEADLINE, Executor, Proxy, Rendezvous};

use crate::support::{House, shell, soon, story, until, within};

#[tokio::test]
async fn a_link_whose_end_only_the_client_hears_of_costs_neither_session_nor_process() {
    let house = House::new();
    let client = house.client().await;
    let mut process = soon(client.start(&shell("p", "exec sleep 1000")))
        .await
        .expect("started");
    house.proxy.silence();
    house.proxy.hang_up_silent_clients();
    until(&client, ConnectionState::is_away).await;
    // The server refuses the client until it has seen that nobody is at the old link.
    until(&client, |state| {
        matches!(state, ConnectionState::Connected { resumed: 1 })
    })
    .await;
    assert!(soon(process.handle.terminate()).await.expect("told"));
    let story = story(&mut process.events).await;
    assert_eq!((story.failed, story.lost), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_a_stream_through_a_rendezvous_whose_harness_is_gone_without_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let proxy = Proxy::to(rendezvous.address());
    let url = rendezvous.harness_url("box", Some(proxy.address()));
    let gone = Client::connect_ws(&url, ConnectOptions::default());
    let gone = soon(gone).await.expect("connects");
    let process = soon(gone.start(&shell("p", "exec sleep 1000"))).await;
    let _process = process.expect("started");
    proxy.silence();
    let options = ConnectOptions {
        resume_session_id: Some(gone.session_id().to_owned()),
        ..ConnectOptions::default()
    };
    // Another run of the harness, on a stream of its own.
    let client = within(2 * DEADLINE, async {
        loop {
            match Client::connect_ws(&url, options.clone()).await {
                Ok(client) => return client,
                Err(error) => assert_eq!(error.code(), Some(-32010), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let processes = soon(client.processes()).await.expect("a list").processes;
    assert_eq!(processes.len(), 1);
}
