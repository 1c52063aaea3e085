//! What becomes of the session: kept, gone, or waited for too long.

use std::time::Duration;

use lockgate_client::{Awaited, Client, ClientError, ConnectOptions, ConnectionState};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous, Server, is_running};
use serde_json::{Value, json};

use crate::support::{House, known, shell, soon, story, until, within};

#[tokio::test]
async fn a_process_runs_on_while_the_connection_is_away_and_is_told_of_afterwards() {
    let house = House::new();
    let client = house.client().await;
    let folder = tempfile::tempdir().expect("a folder");
    let go = folder.path().join("go");
    let script = format!(
        "echo before; until test -e {}; do sleep 0.01; done; echo after; exit 3",
        go.display()
    );
    let mut process = soon(client.start(&shell("p", &script)))
        .await
        .expect("started");
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    std::fs::write(&go, "").expect("written");
    // Waits, and is answered by the same session.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.processes().await }
    });
    house.proxy.reopen();
    let processes = soon(waiting).await.expect("no panic").expect("answered");
    assert_eq!(processes.processes.len(), 1);
    let story = story(&mut process.events).await;
    assert_eq!(story.output, b"before\nafter\n");
    assert_eq!(
        (story.exit_code, story.lost, story.failed),
        (Some(3), 0, None)
    );
    assert!(matches!(
        client.state(),
        ConnectionState::Connected { resumed: 1 }
    ));
}

#[tokio::test]
async fn hundreds_of_calls_are_cut_at_once_and_hundreds_more_wait() {
    let house = House::new();
    let client = house.client().await;
    let mut sleeper = soon(client.start(&shell("sleeper", "exec sleep 1000")))
        .await
        .expect("started");
    let polls: Vec<_> = (0..400)
        .map(|_| {
            let handle = sleeper.handle.clone();
            tokio::spawn(async move { handle.read(Some(0), None, Some(600_000)).await })
        })
        .collect();
    // It comes after all of them: they have their places when it is answered.
    let last = tokio::spawn({
        let client = client.clone();
        async move { client.status().await }
    });
    soon(last).await.expect("no panic").expect("ready");
    house.proxy.shut();
    for poll in polls {
        assert!(known(soon(poll).await.expect("no panic")).is_none());
    }
    let waiting: Vec<_> = (0..400)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.status().await })
        })
        .collect();
    house.proxy.reopen();
    for call in waiting {
        soon(call).await.expect("no panic").expect("answered");
    }
    assert!(soon(sleeper.handle.terminate()).await.expect("told"));
    assert_eq!(story(&mut sleeper.events).await.failed, None);
}

#[tokio::test]
async fn a_server_that_was_started_again_has_no_session() {
    let mut house = House::new();
    let client = house.client().await;
    let mut process = soon(client.start(&shell("p", "exec sleep 1000")))
        .await
        .expect("started");
    let other = Server::start();
    house.proxy.lead_to(other.address());
    house.server = other;
    let error = soon(async {
        loop {
            match client.status().await {
                Ok(()) | Err(ClientError::Interrupted { .. }) => {}
                Err(error) => return error,
            }
        }
    })
    .await;
    assert!(matches!(error, ClientError::SessionGone { .. }), "{error}");
    assert!(error.to_string().contains("unknown session"), "{error}");
    let failed = story(&mut process.events).await.failed;
    assert!(failed.is_some_and(|why| why.contains("its session is gone")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_has_an_executor_behind_a_rendezvous() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let client = Client::connect_ws(&url, ConnectOptions::default());
    let client = soon(client).await.expect("connects");
    let mut process = soon(client.start(&shell("p", "exec sleep 1000")))
        .await
        .expect("started");
    drop(executor);
    let _again = Executor::start(rendezvous.url(), "box", &token);
    let failed = story(&mut process.events).await.failed;
    assert!(
        failed
            .as_ref()
            .is_some_and(|why| why.contains("its session is gone")),
        "{failed:?}"
    );
    let error = soon(client.status()).await.expect_err("gone");
    assert!(matches!(error, ClientError::SessionGone { .. }), "{error}");
}

#[tokio::test]
async fn a_session_that_was_away_for_longer_than_the_server_keeps_it_is_gone() {
    let house = House::new();
    let options = ConnectOptions {
        resume_window: Some(4 * DEADLINE),
        ..ConnectOptions::default()
    };
    let client = house.client_with(options).await;
    let process = soon(client.start(&shell("p", "exec sleep 1000")))
        .await
        .expect("started");
    let processes = soon(client.processes()).await.expect("a list").processes;
    let pid = processes[0].pid;
    house.proxy.shut();
    // The session's end is the end of its processes.
    within(2 * DEADLINE, async {
        while is_running(pid) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    house.proxy.reopen();
    let error = soon(process.handle.terminate()).await.expect_err("gone");
    assert!(matches!(error, ClientError::SessionGone { .. }), "{error}");
}

#[tokio::test]
async fn a_window_that_is_over_is_an_error_of_its_own_and_a_timeout_stays_one() {
    let house = House::new();
    let options = ConnectOptions {
        resume_window: Some(Duration::from_secs(1)),
        call_timeout: Some(Duration::from_millis(200)),
        ..ConnectOptions::default()
    };
    let client = house.client_with(options).await;
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    let error = soon(client.status()).await.expect_err("away");
    assert!(
        matches!(
            &error,
            ClientError::Timeout {
                of: Awaited::Turn { .. },
                ..
            }
        ),
        "{error}"
    );
    until(&client, |state| matches!(state, ConnectionState::Ended(_))).await;
    let error = soon(client.status()).await.expect_err("over");
    assert!(matches!(error, ClientError::WindowOver { .. }), "{error}");
}

#[tokio::test]
async fn a_session_that_the_server_has_not_seen_go_yet_is_waited_for() {
    let house = House::new();
    let client = house.client().await;
    let session = client.session_id().to_owned();
    drop(client);
    // The first connection is never repeated by the client: this one is up to the caller.
    let client = soon(async {
        loop {
            let options = ConnectOptions {
                resume_session_id: Some(session.clone()),
                ..ConnectOptions::default()
            };
            match Client::connect_ws(&house.url(), options).await {
                Ok(client) => return client,
                Err(error) => assert_eq!(error.code(), Some(-32010), "{error}"),
            }
        }
    })
    .await;
    // A thief on another connection is refused, and does not disturb.
    let options = ConnectOptions {
        resume_session_id: Some(session),
        ..ConnectOptions::default()
    };
    let error = Client::connect_ws(&house.url(), options)
        .await
        .expect_err("attached");
    assert_eq!(error.code(), Some(-32010));
    soon(client.status()).await.expect("ready");
}

#[tokio::test]
async fn calls_that_are_given_up_while_the_connection_is_away_leave_nothing_behind() {
    let house = House::new();
    let client = house.client().await;
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let script = format!("echo here >> {}", trace.display());
    let given_up: Vec<_> = (0..200)
        .map(|number| {
            let (client, params) = (client.clone(), shell(&format!("p{number}"), &script));
            tokio::spawn(async move { client.start(&params).await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    for call in &given_up {
        call.abort();
    }
    for call in given_up {
        assert!(soon(call).await.expect_err("given up").is_cancelled());
    }
    house.proxy.reopen();
    // What they would have started was never sent, and their ids are free on both sides.
    let processes = soon(client.processes()).await.expect("a list").processes;
    assert!(processes.is_empty(), "{processes:?}");
    let mut process = soon(client.start(&shell("p0", &script)))
        .await
        .expect("started");
    assert_eq!(story(&mut process.events).await.exit_code, Some(0));
    assert_eq!(std::fs::read_to_string(&trace).expect("a trace"), "here\n");
}

#[tokio::test]
async fn an_open_file_goes_with_its_link_and_says_so() {
    let house = House::new();
    let client = house.client().await;
    let open = json!({ "handleId": "h", "path": "file:///etc/hostname" });
    soon(client.call::<_, Value>("fs/open", &open))
        .await
        .expect("opened");
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    house.proxy.reopen();
    let block = json!({ "handleId": "h", "offset": 0, "len": 10 });
    let error = soon(client.call::<_, Value>("fs/readBlock", &block))
        .await
        .expect_err("closed");
    assert!(error.code().is_some(), "{error}");
    soon(client.call::<_, Value>("fs/open", &open))
        .await
        .expect("opened again");
}

#[tokio::test]
async fn an_environment_that_is_away_is_the_same_connection_for_all_who_use_it() {
    use lockgate_client::environments::provider::{self, Source};
    use lockgate_client::environments::{Environments, Setup};
    let house = House::new();
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "include_local = false\ndefault = \"box\"\n[[environments]]\nid = \"box\"\nurl = \"{}\"\n",
        house.url()
    );
    std::fs::write(folder.path().join("environments.toml"), text).expect("written");
    let home = folder.path().to_owned();
    let source = provider::source(|name| (name == "LOCKGATE_HOME").then(|| home.clone().into()));
    assert!(matches!(source, Source::File(_)));
    let environments = Environments::new(&source, Setup::default()).expect("sound");
    let environment = environments.get("box").expect("there");
    let client = soon(environment.client()).await.expect("connects");
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    // Nothing is connected to: it waits, as its session does.
    let same = soon(environment.client()).await.expect("there");
    assert_eq!(same.session_id(), client.session_id());
    assert!(environment.connected().is_some());
    house.proxy.reopen();
    soon(same.status()).await.expect("ready");
    soon(environments.close()).await;
    assert!(client.is_closed());
}
