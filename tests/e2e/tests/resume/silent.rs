//! Links that go silent: nothing comes through, and no end is told.

use std::time::Duration;

use lockgate_client::{Client, ClientError, ConnectOptions, ConnectionState, limits};
use lockgate_e2e::{DEADLINE, Executor, Proxy, Rendezvous};
use serde_json::{Value, json};

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

/// Longer than a client takes to give up a link on which it hears nothing (`SILENCE`), and a server to free the session after that.
const LONGER_THAN_A_SILENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_link_that_goes_silent_for_both_is_replaced_and_what_waited_on_it_is_told() {
    let house = House::new();
    let client = house.client().await;
    let mut process = soon(client.start(&shell("p", "exec sleep 1000")))
        .await
        .expect("started");
    house.proxy.silence();
    // What only looks is asked again; of a call of any name nobody knows whether it does.
    let nothing = json!({});
    let (looked, called) = tokio::join!(
        within(LONGER_THAN_A_SILENCE, client.status()),
        within(
            LONGER_THAN_A_SILENCE,
            client.call::<_, Value>("environment/status", &nothing)
        ),
    );
    looked.expect("there is another link");
    let error = called.expect_err("it was on that link");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    assert!(error.to_string().contains("nothing was heard"), "{error}");
    soon(client.status()).await.expect("there is another one");
    assert!(soon(process.handle.terminate()).await.expect("told"));
    let story = story(&mut process.events).await;
    assert_eq!((story.failed, story.lost), (None, 0));
}

#[tokio::test]
async fn a_client_that_waits_for_its_reader_notices_that_its_link_has_ended() {
    let house = House::new();
    let options = ConnectOptions {
        wait_for_readers: true,
        ..ConnectOptions::default()
    };
    let client = house.client_with(options).await;
    // Without `wait_for_reader` of its own nothing is acknowledged: it fills the client's queue, which nobody reads.
    let mut process = soon(client.start(&shell("p", "head -c 64000000 /dev/zero")))
        .await
        .expect("started");
    let full = limits::EVENT_BYTES + (2 << 20);
    soon(async {
        while house.proxy.carried() < full as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    assert!(soon(process.events.next()).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_harness_is_gone_without_a_word_does_not_keep_its_session_either() {
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
