//! Processes.

use std::time::Duration;

use lockgate_client::executor::{Command, Output, Started, run};
use lockgate_client::profile::Access;
use lockgate_client::{ClientError, Event};
use lockgate_e2e::{DEADLINE, is_running};
use lockgate_wire::process::{EnvPolicy, Inherit};

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    output_comes_in_order_and_the_end_after_it,
    exit_codes_are_those_of_the_process_and_of_signals,
    what_is_written_arrives_in_order_and_ends,
    every_byte_passes_in_both_directions,
    what_cannot_be_written_is_told,
    a_terminal_has_a_size_that_changes,
    control_c_is_typed_on_a_terminal,
    signals_arrive_by_their_names,
    what_is_terminated_is_gone_with_its_group,
    output_after_the_exit_still_comes,
    who_waits_for_its_reader_loses_nothing,
    a_reader_that_comes_late_is_told_what_was_lost,
    a_hundred_processes_at_once_keep_apart,
    no_more_is_kept_than_was_wanted,
    what_cannot_be_started_is_refused,
    a_policy_builds_the_environment,
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

async fn every_byte_passes_in_both_directions(house: &House) {
    let started = start(house, "cat").await;
    let process = std::sync::Arc::clone(&started.process);
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(3_000_000).collect();
    let writing = async {
        for part in bytes.chunks(400_000) {
            process.write(part).await.expect("written");
        }
        process.close_stdin().await.expect("closed");
    };
    let ((), output) = tokio::join!(writing, started.output(8 << 20));
    let output = output.expect("it ends");
    assert!(output.stdout == bytes, "{} bytes", output.stdout.len());
}

async fn what_cannot_be_written_is_told(house: &House) {
    let deaf = house
        .executor
        .start(&house.shell("read line; echo $?"))
        .await;
    let deaf = deaf.expect("it starts");
    let refused = deaf.process.write(b"x").await;
    assert!(
        matches!(refused, Err(ClientError::NotWritten { .. })),
        "{refused:?}"
    );
    // Without an input it is at its end.
    assert_eq!(deaf.output(100).await.expect("it ends").stdout, b"1\n");
    let started = start(house, "cat").await;
    started.process.close_stdin().await.expect("closed");
    let late = started.process.write(b"x").await;
    late.expect_err("it is closed");
}

async fn control_c_is_typed_on_a_terminal(house: &House) {
    // No child of the shell's: one that is just being started may miss it.
    let script = "trap 'echo int; exit 9' INT; echo ready; while :; do read -r line; done";
    let command = house.shell(script).on_terminal(24, 80);
    let mut started = house.executor.start(&command).await.expect("it starts");
    until(&mut started, "ready").await;
    started.process.write(b"\x03").await.expect("typed");
    until(&mut started, "int").await;
    let output = started.output(1 << 20).await.expect("it ends");
    assert_eq!(output.exit_code, 9);
    // The end of a file is typed as well.
    let command = house
        .shell("echo ready; cat; echo over")
        .on_terminal(24, 80);
    let mut started = house.executor.start(&command).await.expect("it starts");
    until(&mut started, "ready").await;
    started.process.close_stdin().await.expect("typed");
    until(&mut started, "over").await;
}

async fn signals_arrive_by_their_names(house: &House) {
    // No shell: those lose a signal that comes while they start something.
    let command = Command::new(house.path(""), ["/bin/cat"]).piped();
    for (name, code) in [
        ("USR1", 138),
        ("SIGHUP", 129),
        ("INT", 130),
        ("term", 143),
        ("KILL", 137),
    ] {
        let mut started = house.executor.start(&command).await.expect("it starts");
        started.process.write(b"ready").await.expect("written");
        until(&mut started, "ready").await;
        assert_eq!(refused(started.process.signal("NONE").await), -32602);
        started.process.signal(name).await.expect("sent");
        let process = std::sync::Arc::clone(&started.process);
        assert_eq!(
            started.output(100).await.expect("it ends").exit_code,
            code,
            "{name}"
        );
        process.signal(name).await.expect("nobody is left");
    }
}

async fn what_is_terminated_is_gone_with_its_group(house: &House) {
    let mut started = start(house, "sleep 1000 & echo $$ $!; wait").await;
    let pids: Vec<u32> = until(&mut started, "\n")
        .await
        .split_whitespace()
        .map(|pid| pid.parse().expect("a number"))
        .collect();
    assert!(started.process.terminate().await.expect("told"));
    let process = std::sync::Arc::clone(&started.process);
    assert_eq!(started.output(100).await.expect("it ends").exit_code, -1);
    for pid in pids {
        while is_running(pid) {
            tokio::task::yield_now().await;
        }
    }
    assert!(!process.terminate().await.expect("told"));
}

async fn output_after_the_exit_still_comes(house: &House) {
    let mut started = start(
        house,
        "mkfifo gate; (read -r line < gate; echo late $line) & exit 5",
    )
    .await;
    let exited = Event::Exited {
        exit_code: 5,
        sandbox_denied: false,
    };
    assert_eq!(next(&mut started).await, exited);
    house.ran("echo on > gate").await;
    assert_eq!(until(&mut started, "\n").await, "late on\n");
    assert_eq!(next(&mut started).await, Event::Closed);
    assert_eq!(started.events.next().await, None);
}

async fn who_waits_for_its_reader_loses_nothing(house: &House) {
    // More than is kept anywhere.
    let script = "head -c 8000000 /dev/zero; touch over";
    let command = house.shell(script).wait_for_reader();
    let mut started = house.executor.start(&command).await.expect("it starts");
    // It is held up, and others are not.
    for i in 0..20 {
        let other = house.ran(&format!("echo {i}")).await;
        assert_eq!(other.stdout, format!("{i}\n").as_bytes());
    }
    assert!(!house.ground.has("over"), "it waits for its reader");
    let mut bytes = 0;
    loop {
        match next(&mut started).await {
            Event::Output { data, .. } => bytes += data.len(),
            Event::Exited { exit_code, .. } => assert_eq!(exit_code, 0),
            Event::Closed => break,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(bytes, 8_000_000);
}

async fn a_reader_that_comes_late_is_told_what_was_lost(house: &House) {
    // It does not wait for a reader, so it gets to its end.
    let mut started = start(house, "head -c 8000000 /dev/zero; touch over; exit 6").await;
    let over = house.path("over");
    let is_over = async {
        while let Err(error) = house.executor.metadata(&over, None).await {
            assert_eq!(error.code(), Some(-32004), "{error}");
            // Asked without a pause, it would take the time from what it waits for.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let is_over = tokio::time::timeout(2 * DEADLINE, is_over).await;
    is_over.expect("nothing holds it up");
    let (mut bytes, mut lost, mut code) = (0, 0, None);
    loop {
        match next(&mut started).await {
            Event::Output { data, .. } => bytes += data.len(),
            Event::Lost { count } => lost += count,
            Event::Exited { exit_code, .. } => code = Some(exit_code),
            Event::Closed => break,
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(code, Some(6));
    assert!(
        lost > 0 && (1..8_000_000).contains(&bytes),
        "{bytes} bytes, {lost} lost"
    );
}

async fn a_hundred_processes_at_once_keep_apart(house: &House) {
    let commands: Vec<_> = (0..100)
        .map(|i| {
            house
                .shell(&format!("read -r line; echo {i} $line; exit {i}"))
                .piped()
        })
        .collect();
    let each = commands.iter().enumerate().map(|(i, command)| async move {
        let started = house.executor.start(command).await.expect("it starts");
        let text = format!("to {i}\n");
        started
            .process
            .write(text.as_bytes())
            .await
            .expect("written");
        let output = started.output(1000).await.expect("it ends");
        assert_eq!(output.exit_code, i32::try_from(i).expect("small"));
        assert_eq!(output.stdout, format!("{i} to {i}\n").as_bytes());
    });
    futures_util::future::join_all(each).await;
}

async fn no_more_is_kept_than_was_wanted(house: &House) {
    let command = house.shell("echo 1234567890; echo more; exit 2");
    let output = run(&*house.executor, &command, 4).await.expect("it runs");
    let wanted = Output {
        exit_code: 2,
        stdout: b"1234".to_vec(),
        cut: 12,
        ..Output::default()
    };
    assert_eq!(output, wanted);
}

async fn what_cannot_be_started_is_refused(house: &House) {
    let executor = &*house.executor;
    let at = |argv: &[&str]| Command::new(house.path(""), argv.iter().copied());
    assert_eq!(refused(executor.start(&at(&[])).await), -32602);
    assert_eq!(
        refused(executor.start(&at(&["/nowhere/program"])).await),
        -32603
    );
    let nowhere = Command::new(house.path("nowhere"), ["/bin/true"]);
    assert_eq!(refused(executor.start(&nowhere).await), -32603);
    // Nothing here confines processes.
    let within = house.granted(&[("", Access::Read)]);
    let confined = house.shell("true").within(within);
    assert_eq!(refused(executor.start(&confined).await), -32602);
    assert_eq!(house.ran("echo still here").await.stdout, b"still here\n");
}

async fn a_policy_builds_the_environment(house: &House) {
    let policy = EnvPolicy {
        inherit: Inherit::Core,
        ignore_default_excludes: false,
        exclude: vec!["H*E".to_owned()],
        set: [("MADE".to_owned(), "up".to_owned())].into(),
        include_only: Vec::new(),
    };
    let command = Command::new(house.path(""), ["/usr/bin/env"])
        .env("OVER", "laid")
        .env_policy(policy);
    let output = run(&*house.executor, &command, 1 << 16)
        .await
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let has = |start: &str| text.lines().any(|line| line.starts_with(start));
    assert!(has("PATH=") && has("MADE=up") && has("OVER=laid"), "{text}");
    assert!(!has("HOME=") && !has("LOCKGATE_CACHE_DIR="), "{text}");
}
