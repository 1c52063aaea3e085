//! Processes.

use lockgate_client::Event;
use lockgate_client::executor::{Output, Started};

use crate::everywhere;
use crate::house::House;

everywhere! {
    output_comes_in_order_and_the_end_after_it,
    exit_codes_are_those_of_the_process_and_of_signals,
    what_is_written_arrives_in_order_and_ends,
    a_terminal_has_a_size_that_changes,
}

async fn start(house: &House, script: &str) -> Started {
    let command = house.shell(script).piped();
    house.executor.start(&command).await.expect("it starts")
}

async fn next(started: &mut Started) -> Event {
    started.events.next().await.expect("an event")
}

/// What it says up to and including this.
async fn until(started: &mut Started, text: &str) -> String {
    let mut said = String::new();
    while !said.contains(text) {
        match next(started).await {
            Event::Output { data, .. } => said.push_str(&String::from_utf8_lossy(&data)),
            event => panic!("{event:?} after {said:?}"),
        }
    }
    said
}

async fn output_comes_in_order_and_the_end_after_it(house: &House) {
    let mut started = start(house, "seq 1 20000; echo e >&2; exit 4").await;
    let (mut out, mut err, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(event) = started.events.next().await {
        match event {
            Event::Output { stream, data } => match stream.name() {
                "stdout" => out.extend(data),
                _ => err.extend(data),
            },
            event => ends.push(event),
        }
    }
    let wanted: String = (1..=20000).map(|i| format!("{i}\n")).collect();
    assert!(out == wanted.as_bytes(), "{} bytes", out.len());
    assert_eq!(err, b"e\n");
    let exited = Event::Exited {
        exit_code: 4,
        sandbox_denied: false,
    };
    assert_eq!(ends, [exited, Event::Closed]);
}

async fn exit_codes_are_those_of_the_process_and_of_signals(house: &House) {
    for (script, code) in [
        ("true", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
    ] {
        assert_eq!(house.ran(script).await.exit_code, code, "{script}");
    }
    let output = house
        .ran("echo $0; pwd; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL=")
        .await;
    let wanted = format!(
        "sh\n{}\nPATH=/usr/local/bin:/usr/bin:/bin\n",
        house.path("")
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
}

async fn what_is_written_arrives_in_order_and_ends(house: &House) {
    let started = start(house, "cat; echo over >&2").await;
    let process = std::sync::Arc::clone(&started.process);
    let mut wanted = Vec::new();
    for i in 0..500 {
        let line = format!("line {i}\n");
        process.write(line.as_bytes()).await.expect("written");
        wanted.extend(line.into_bytes());
    }
    process.close_stdin().await.expect("closed");
    let output = started.output(1 << 20).await.expect("it ends");
    let ended = Output {
        exit_code: 0,
        stdout: wanted,
        stderr: b"over\n".to_vec(),
        ..Output::default()
    };
    assert_eq!(output, ended);
}

async fn a_terminal_has_a_size_that_changes(house: &House) {
    let script =
        "trap 'stty size' WINCH; stty size; while ! read -r line; do :; done; echo got $line";
    let command = house.shell(script).on_terminal(40, 101);
    let mut started = house.executor.start(&command).await.expect("it starts");
    until(&mut started, "40 101").await;
    started.process.resize(50, 102).await.expect("resized");
    until(&mut started, "50 102").await;
    started.process.write(b"hello\n").await.expect("written");
    until(&mut started, "got hello").await;
    let output = started.output(1 << 20).await.expect("it ends");
    assert_eq!(output.exit_code, 0);
}
