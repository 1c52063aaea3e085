//! Readers that come late: in the same program, and in another run of it.

use lockgate_client::{ClientError, ConnectOptions, ConnectionState, Event};
use lockgate_e2e::DEADLINE;
use lockgate_wire::ProcessId;

use crate::support::{House, shell, soon, story, until, within};

#[tokio::test]
async fn each_reader_gets_all_of_it_whenever_it_comes() {
    let house = House::new();
    let client = house.client().await;
    let script = "for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.02; done; exit 5";
    let mut process = soon(client.start(&shell("p", script)))
        .await
        .expect("started");
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(soon(process.handle.events()).await.expect("followed"));
        soon(process.events.next()).await.expect("an event");
    }
    for (number, mut events) in readers.into_iter().enumerate() {
        if number == 2 {
            house.proxy.shut();
            until(&client, ConnectionState::is_away).await;
            house.proxy.reopen();
        }
        let story = story(&mut events).await;
        assert_eq!(story.output, b"1\n2\n3\n4\n5\n6\n7\n8\n9\n");
        assert_eq!(
            (story.exit_code, story.lost, story.failed),
            (Some(5), 0, None)
        );
    }
    // After its end, too.
    let mut late = soon(process.handle.events()).await.expect("followed");
    assert_eq!(story(&mut late).await.exit_code, Some(5));
}

#[tokio::test]
async fn another_run_takes_the_session_up_and_follows_its_processes_from_their_beginning() {
    let house = House::new();
    let first = house.client().await;
    let mut params = shell("p", "echo one; cat; echo three; exit 4");
    params.pipe_stdin = true;
    let mut process = soon(first.start(&params)).await.expect("started");
    soon(process.handle.write(b"from the first run\n"))
        .await
        .expect("written");
    let mut seen = 0;
    while seen < 2 {
        soon(process.events.next()).await.expect("an event");
        seen += 1;
    }
    let session = first.session_id().to_owned();
    drop((process, first));
    let second = within(DEADLINE, async {
        loop {
            let options = ConnectOptions {
                resume_session_id: Some(session.clone()),
                ..ConnectOptions::default()
            };
            match lockgate_client::Client::connect_ws(&house.url(), options).await {
                Ok(client) => return client,
                Err(error) => assert_eq!(error.code(), Some(-32010), "{error}"),
            }
        }
    })
    .await;
    let listed = soon(second.processes()).await.expect("a list").processes;
    assert_eq!(listed.len(), 1);
    let mut process = soon(second.attach(&listed[0].process_id))
        .await
        .expect("attached");
    // The names of its writes are not those of the first run, which the server remembers.
    soon(process.handle.write(b"from the second run\n"))
        .await
        .expect("written");
    soon(process.handle.close_stdin()).await.expect("closed");
    let story = story(&mut process.events).await;
    assert_eq!(
        String::from_utf8_lossy(&story.output),
        "one\nfrom the first run\nfrom the second run\nthree\n"
    );
    assert_eq!(
        (story.exit_code, story.lost, story.failed),
        (Some(4), 0, None)
    );
    let nobody = soon(second.attach(&ProcessId::from("nobody"))).await;
    assert!(
        matches!(&nobody, Err(ClientError::Server { message, .. }) if message.contains("nobody")),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn a_process_waits_for_a_reader_that_is_away_and_goes_on_without_one_that_left() {
    let house = House::new();
    let client = house.client().await;
    let folder = tempfile::tempdir().expect("a folder");
    let done = folder.path().join("done");
    let mut params = shell("p", &format!("seq 1 1000000; touch {}", done.display()));
    params.wait_for_reader = true;
    let mut process = soon(client.start(&params)).await.expect("started");
    // From the first event on: nobody has read any yet.
    let mut late = soon(process.handle.events()).await.expect("followed");
    soon(process.events.next()).await.expect("an event");
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    // Seven megabytes do not fit into what may be on its way.
    house.proxy.reopen();
    until(&client, ConnectionState::is_connected).await;
    assert!(!done.exists(), "it waits");
    drop(process.events);
    assert!(!done.exists(), "there is another reader");
    let story = story(&mut late).await;
    assert_eq!(
        (story.exit_code, story.failed, story.lost),
        (Some(0), None, 0)
    );
    assert_eq!(story.output.len(), 6_888_896);
    // Without any reader it goes on, as others do.
    let left = folder.path().join("left");
    let mut params = shell("q", &format!("seq 1 1000000; touch {}", left.display()));
    params.wait_for_reader = true;
    drop(soon(client.start(&params)).await.expect("started").events);
    soon(async {
        while !left.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_comes_while_the_connection_is_away_misses_at_most_what_others_had_read() {
    let house = House::new();
    let client = house.client().await;
    let mut params = shell("p", "seq 1 1000000");
    params.wait_for_reader = true;
    let mut process = soon(client.start(&params)).await.expect("started");
    let Some(Event::Output { data: read, .. }) = soon(process.events.next()).await else {
        panic!("it writes first of all");
    };
    house.proxy.shut();
    until(&client, ConnectionState::is_away).await;
    let attaching = tokio::spawn({
        let (client, id) = (client.clone(), process.handle.id().clone());
        async move { client.attach(&id).await }
    });
    house.proxy.reopen();
    let late = soon(attaching).await.expect("no panic");
    let mut late = late.expect("attached").events;
    drop(process.events);
    let story = story(&mut late).await;
    assert_eq!((story.exit_code, story.failed), (Some(0), None));
    match story.lost {
        0 => assert_eq!(story.output.len(), 6_888_896),
        lost => assert_eq!((lost, story.output.len() + read.len()), (1, 6_888_896)),
    }
}

#[tokio::test]
async fn what_the_server_has_evicted_is_counted_for_a_late_reader() {
    let house = House::new();
    let client = house.client().await;
    // Three times what is kept.
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end";
    let mut process = soon(client.start(&shell("p", script)))
        .await
        .expect("started");
    let first = story(&mut process.events).await;
    assert_eq!((first.output.len(), first.lost), (3_000_005, 0));
    let mut late = soon(process.handle.events()).await.expect("followed");
    let late = story(&mut late).await;
    assert!(late.lost > 0);
    assert!(late.output.ends_with(b"x\nend\n"));
    assert!(late.output.len() <= 1 << 20, "{}", late.output.len());
    assert_eq!((late.exit_code, late.failed), (Some(0), None));
}
