//! `exec` against a command that runs here: output, input, exit code, signals.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Server, done, feed, lockgate, nobody_runs, run, run_in, signal, wait_for};

#[test]
fn output_and_exit_code_are_the_commands() {
    let done = run(&[
        "exec",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; pwd; exit 7",
    ]);
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (Some(7), "out\n/\n", "err\n")
    );
}

#[test]
fn the_exit_code_of_a_signal_is_128_and_its_number() {
    assert_eq!(
        run(&["exec", "--", "sh", "-c", "kill -9 $$"]).code,
        Some(137)
    );
    assert_eq!(
        run(&["exec", "--", "sh", "-c", "kill -TERM $$"]).code,
        Some(143)
    );
}

#[test]
fn programs_that_cannot_run_have_the_codes_of_shells() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("data"), "").expect("written");
    for (args, code, text) in [
        (
            &["exec", "lockgate-no-such-program"][..],
            127,
            "No such file or directory",
        ),
        (&["exec", "./data"], 126, "Permission denied"),
        (
            &["exec", "--cwd", "missing", "pwd"],
            125,
            "lockgate: cannot use cwd ",
        ),
    ] {
        let done = run_in(dir.path(), args);
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(
            done.err.starts_with("lockgate: ") && done.err.contains(text),
            "{done:?}"
        );
        assert_eq!(done.err.lines().count(), 1, "{done:?}");
    }
}

#[test]
fn failures_of_our_own_are_told_from_the_commands() {
    let done = run(&["exec", "--url", "ws://127.0.0.1:1", "--", "true"]);
    assert_eq!(done.code, Some(125));
    assert!(
        done.err.contains("ws://127.0.0.1:1") && done.err.contains("lockgate serve"),
        "{done:?}"
    );
}

#[test]
fn variables_and_directory_are_set() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = [
        "exec",
        "--set",
        "A=b=c",
        "-e",
        "D=",
        "--cwd",
        ".",
        "--",
        "sh",
        "-c",
        "echo $A,${D-unset}; pwd -P",
    ];
    let done = run_in(dir.path(), &args);
    let real = dir.path().canonicalize().expect("exists");
    assert_eq!(done.out, format!("b=c,\n{}\n", real.display()));
}

#[test]
fn input_is_passed_on_to_its_end_and_every_byte_survives() {
    let input: Vec<u8> = (0..8_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let output = feed(Path::new("/"), &["exec", "--", "cat"], input.clone());
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stdout == input,
        "{} of {} bytes came back",
        output.stdout.len(),
        input.len()
    );
}

#[test]
fn a_flood_of_output_arrives_whole() {
    let output = lockgate(&["exec", "--", "head", "-c", "50000000", "/dev/zero"])
        .output()
        .expect("runs");
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(0), 50_000_000)
    );
}

#[test]
fn nothing_on_stdin_is_an_end_of_input() {
    assert_eq!(run(&["exec", "--", "cat"]).code, Some(0));
}

#[test]
fn a_reader_that_leaves_ends_the_command() {
    let mut child = lockgate(&[
        "exec",
        "--",
        "sh",
        "-c",
        "while :; do echo lockgate-mark-pipe; done",
    ])
    .spawn()
    .expect("runs");
    let mut out = child.stdout.take().expect("piped");
    let mut some = [0; 100];
    out.read_exact(&mut some).expect("output");
    drop(out);
    assert_eq!(child.wait().expect("ends").code(), Some(141));
    nobody_runs("lockgate-mark-pipe");
}

#[test]
fn an_interrupt_is_sent_on_and_the_command_decides() {
    let script = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.02; done";
    let mut child = lockgate(&["exec", "--", "sh", "-c", script])
        .spawn()
        .expect("runs");
    wait_for(child.stdout.as_mut().expect("piped"), "ready\n");
    signal(&child, Signal::INT);
    let done = done(child.wait_with_output().expect("ends"));
    assert_eq!((done.code, done.out.as_str()), (Some(3), "caught\n"));
}

#[test]
fn a_command_that_ignores_interrupts_is_killed_by_the_third() {
    let script =
        "trap 'echo caught' INT; echo ready; while :; do sleep 0.02; : lockgate-mark-third; done";
    let mut child = lockgate(&["exec", "--", "sh", "-c", script])
        .spawn()
        .expect("runs");
    let mut out = child.stdout.take().expect("piped");
    wait_for(&mut out, "ready\n");
    for _ in 0..2 {
        signal(&child, Signal::INT);
        wait_for(&mut out, "caught\n");
    }
    signal(&child, Signal::INT);
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    nobody_runs("lockgate-mark-third");
}

#[test]
fn being_terminated_ends_the_command_and_the_server_of_our_own() {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.02; : lockgate-mark-term; done";
    let mut child = lockgate(&["exec", "--", "sh", "-c", script])
        .spawn()
        .expect("runs");
    wait_for(child.stdout.as_mut().expect("piped"), "ready\n");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().expect("ends").code(), Some(143));
    nobody_runs("lockgate-mark-term");
}

#[test]
fn a_command_can_have_a_terminal_without_one_here() {
    let output = feed(
        Path::new("/"),
        &[
            "exec",
            "--tty",
            "--",
            "sh",
            "-c",
            "test -t 0 && stty size && cat",
        ],
        b"typed\n".to_vec(),
    );
    let done = done(output);
    assert_eq!(done.code, Some(0), "{done:?}");
    // Typed text is echoed by the terminal, then printed by cat.
    assert_eq!(done.out.matches("typed").count(), 2, "{done:?}");
    assert!(done.out.contains("24 80"), "{done:?}");
}

#[test]
fn what_is_left_in_the_background_holds_a_pipe_but_not_a_terminal() {
    let script = "sleep 30 & echo started";
    let done = run(&["exec", "--tty", "--", "sh", "-c", script]);
    assert_eq!((done.code, done.out.trim()), (Some(0), "started"));
}

#[test]
fn a_server_elsewhere_is_used_and_left_alone() {
    let server = Server::start(&[]);
    for _ in 0..2 {
        let done = run(&["exec", "--url", &server.url, "--", "echo", "hello"]);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(0), "hello\n"),
            "{done:?}"
        );
    }
}

#[test]
fn serve_refuses_what_it_cannot_do() {
    for (args, text) in [
        (
            &["serve", "--listen", "http://127.0.0.1:1"][..],
            "unsupported --listen URL",
        ),
        (
            &["serve", "--listen", "ws://localhost:1"],
            "invalid websocket --listen URL",
        ),
        (
            &["exec-server", "--remote", "https://example.org"],
            "--environment-id",
        ),
        (&["serve", "--environment-id", "e"], "--remote"),
        (&["serve", "--name", "n"], "--remote"),
        (
            &[
                "serve",
                "--listen",
                "stdio",
                "--remote",
                "http://127.0.0.1:1",
                "--environment-id",
                "e",
            ],
            "cannot be used with",
        ),
    ] {
        let done = run(args);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains(text) && done.out.is_empty(), "{done:?}");
    }
}

#[test]
fn exec_server_is_serve() {
    let mut child = lockgate(&["exec-server", "--listen", "stdio"])
        .stdin(Stdio::null())
        .spawn()
        .expect("runs");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn addresses_that_make_no_sense_are_told_before_a_connection_is_tried() {
    for (url, text) in [
        ("wss://", "expected ws://HOST:PORT"),
        ("http://127.0.0.1:1", "expected ws://HOST:PORT"),
        ("127.0.0.1:1", "expected ws://HOST:PORT"),
    ] {
        let done = run(&["exec", "--url", url, "--", "true"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains(text) && done.out.is_empty(), "{done:?}");
    }
}

#[test]
fn an_operator_is_warned_of_what_stands_open() {
    for (args, text) in [
        (&["--listen", "ws://0.0.0.0:0"][..], "not authenticated"),
        (&["--process-sandbox", "external"], "does not confine them"),
        (&[], ""),
    ] {
        let mut child = lockgate(&["serve"]).args(args).spawn().expect("runs");
        wait_for(child.stdout.as_mut().expect("piped"), "\n");
        signal(&child, Signal::TERM);
        let done = done(child.wait_with_output().expect("ends"));
        assert!(done.err.contains(text), "{done:?}");
        assert_eq!(
            done.err.lines().count(),
            usize::from(!text.is_empty()),
            "{done:?}"
        );
    }
}
