//! What is given up by being dropped: it costs nobody else anything, and leaves nothing behind.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use lockgate_client::executor::run;
use lockgate_e2e::is_running;
use lockgate_e2e::origin::Origin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::everywhere;
use crate::house::House;

everywhere! {
    a_start_that_is_given_up_is_ended,
    output_that_nobody_waits_for_any_more_ends_its_process,
    a_process_that_is_let_go_goes_on,
    calls_that_are_given_up_cost_the_others_nothing,
    an_event_that_was_not_waited_for_is_not_lost,
    blocks_that_are_dropped_close_their_file,
    a_file_that_is_not_finished_is_closed,
    a_body_that_is_dropped_is_given_up_at_its_origin,
}

/// Begins it, and gives it up at once, or after others had their turn. What came of it, if it was done by then.
async fn give_up<T>(call: impl Future<Output = T>, turns: usize) -> Option<T> {
    let mut call = pin!(call);
    for _ in 0..=turns {
        if let Some(done) = (&mut call).now_or_never() {
            return Some(done);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// The numbers that processes left in a folder.
fn left(house: &House) -> Vec<u32> {
    let entries = std::fs::read_dir(house.ground.path("pids")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let pids = names.filter_map(|name| name.to_str().expect("a number").parse().ok());
    pids.collect()
}

async fn until_gone(house: &House) {
    while left(house).into_iter().any(is_running) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn a_start_that_is_given_up_is_ended(house: &House) {
    house.ground.make(&["pids/"]);
    let command = house.shell("touch pids/$$; exec sleep 1000");
    for turns in 0..20 {
        if let Some(started) = give_up(house.executor.start(&command), turns * turns).await {
            let started = started.expect("it starts");
            started.process.terminate().await.expect("told");
        }
    }
    // What was asked for after them has come to its end, so they have begun or never will.
    for _ in 0..20 {
        house.ran("true").await;
    }
    until_gone(house).await;
    assert_eq!(house.ran("echo here").await.stdout, b"here\n");
}

async fn output_that_nobody_waits_for_any_more_ends_its_process(house: &House) {
    house.ground.make(&["pids/"]);
    let command = house.shell("touch pids/$$; exec sleep 1000");
    {
        let mut running = pin!(run(&*house.executor, &command, 100));
        while left(house).is_empty() {
            let waited = tokio::time::timeout(Duration::from_millis(2), &mut running).await;
            assert!(waited.is_err(), "it goes on");
        }
        assert!(left(house).into_iter().all(is_running));
    }
    until_gone(house).await;
}

async fn a_process_that_is_let_go_goes_on(house: &House) {
    let script = "mkfifo gate; echo ready; read -r line < gate; echo $line > told";
    let mut started = house
        .executor
        .start(&house.shell(script))
        .await
        .expect("it starts");
    started.events.next().await.expect("it is ready");
    drop(started);
    house.ran("echo on > gate").await;
    while !house.ground.has("told") || house.ground.text("told").is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(house.ground.text("told"), "on\n");
    // Also one that was to wait for its reader, of whom there is none any more.
    let script = "head -c 8000000 /dev/zero; touch over";
    let command = house.shell(script).wait_for_reader();
    let mut started = house.executor.start(&command).await.expect("it starts");
    started.events.next().await.expect("it writes");
    drop(started);
    while !house.ground.has("over") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn calls_that_are_given_up_cost_the_others_nothing(house: &House) {
    house.ground.make(&["f=contents"]);
    let path = house.path("f");
    // More than may be in flight.
    for i in 0..2000 {
        give_up(house.executor.read(&path, None), i % 3).await;
    }
    let each = (0..50).map(|_| house.executor.read(&path, None));
    for read in futures_util::future::join_all(each).await {
        assert_eq!(read.expect("read"), b"contents");
    }
}

async fn an_event_that_was_not_waited_for_is_not_lost(house: &House) {
    let command = house.shell("seq 1 5000");
    let mut started = house.executor.start(&command).await.expect("it starts");
    let mut said = Vec::new();
    loop {
        // Begun and dropped, again and again.
        match started.events.next().now_or_never() {
            None => tokio::task::yield_now().await,
            Some(Some(lockgate_client::Event::Output { data, .. })) => said.extend(data),
            Some(Some(_)) => {}
            Some(None) => break,
        }
    }
    let wanted: String = (1..=5000).map(|i| format!("{i}\n")).collect();
    assert!(said == wanted.as_bytes(), "{} bytes", said.len());
}

async fn blocks_that_are_dropped_close_their_file(house: &House) {
    std::fs::write(house.ground.path("large"), vec![1; 3 << 20]).expect("written");
    let path = house.path("large");
    // More than may be open.
    for i in 0..300 {
        let mut blocks = house.executor.open(&path, 0, None).await.expect("opened");
        if i % 2 == 0 {
            blocks.next().await.expect("a block").expect("bytes");
        } else {
            give_up(blocks.next(), i % 5).await;
        }
    }
    for i in 0..300 {
        give_up(house.executor.open(&path, 0, None), i % 7).await;
    }
    let mut blocks = house
        .executor
        .open(&path, 3 << 20, None)
        .await
        .expect("opened");
    assert!(blocks.next().await.is_none());
}

async fn a_file_that_is_not_finished_is_closed(house: &House) {
    let path = house.path("f");
    for i in 0..300 {
        let mut file = house.executor.create(&path, None).await.expect("made");
        file.write(b"begun").await.expect("written");
        give_up(file.write(b", and more"), i % 3).await;
    }
    let mut file = house.executor.create(&path, None).await.expect("made");
    file.write(b"all").await.expect("written");
    file.finish().await.expect("finished");
    assert_eq!(house.ground.text("f"), "all");
}

async fn a_body_that_is_dropped_is_given_up_at_its_origin(house: &House) {
    let (origin, mut connections) = Origin::by_hand().await;
    let request = lockgate_client::HttpRequest {
        method: "GET".to_owned(),
        url: origin.url("/"),
        ..Default::default()
    };
    for _ in 0..3 {
        let answering = async {
            let (_, mut socket) = connections.recv().await.expect("asked");
            let head = b"HTTP/1.1 200 OK\r\n\r\nbegun";
            socket.write_all(head).await.expect("answered");
            socket
        };
        let (answer, mut socket) = tokio::join!(house.executor.stream(&request), answering);
        let mut answer = answer.expect("answered");
        let begun = answer.body.next().await.expect("a piece").expect("bytes");
        assert_eq!(begun, b"begun");
        drop(answer);
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}
