//! Commands with a terminal: that it is a real one.

use lockgate_process::{Stdio, Stream};

use crate::support::*;

#[tokio::test]
async fn a_terminal_is_the_controlling_one_and_has_the_default_size() {
    let process = start(script(
        "tty; echo through > /dev/tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all three",
        TTY,
    ));
    assert!(process.is_tty() && process.accepts_stdin());
    let all = closed(&process).await;
    let said = text(&all);
    assert!(said.starts_with("/dev/pts/"), "{said}");
    for part in ["through", "24 80", "all three"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(all.chunks.iter().all(|chunk| chunk.stream == Stream::Pty));
    assert_eq!(
        (all.exit_code, all.next_seq),
        (Some(0), all.chunks.last().unwrap().seq + 3)
    );
}

#[tokio::test]
async fn ctrl_c_typed_into_a_terminal_interrupts() {
    let process = start(script("echo ready; exec sleep 1000", TTY));
    until(&process, "ready").await;
    soon(process.write(b"\x03".to_vec())).await.unwrap();
    assert_eq!(closed(&process).await.exit_code, Some(130));
}

#[tokio::test]
async fn typed_lines_are_echoed_and_end_of_file_can_be_typed() {
    let process = start(program(&["cat"], TTY));
    soon(process.write(b"hello\n".to_vec())).await.unwrap();
    until(&process, "hello\r\nhello\r\n").await;
    soon(process.close_stdin()).await.unwrap();
    assert_eq!(closed(&process).await.exit_code, Some(0));
}

#[tokio::test]
async fn the_size_can_be_said_and_changed_and_the_program_is_told() {
    let mut spawn = script(
        "trap 'stty size; echo changed' WINCH; stty size; echo ready; while :; do sleep 0.01; done",
        TTY,
    );
    spawn.stdio = Stdio::Tty {
        rows: 30,
        cols: 100,
    };
    let process = start(spawn);
    let said = until(&process, "ready").await;
    assert!(said.contains("30 100"), "{said}");
    for (rows, cols, seen) in [
        (40, 120, "40 120"),
        (65_535, 65_535, "65535 65535"),
        (0, 7, "24 7"),
        (9, 0, "9 80"),
    ] {
        process.resize(rows, cols).unwrap();
        until(&process, &format!("{seen}\r\nchanged")).await;
    }
    process.terminate();
    closed(&process).await;
    soon(async {
        while process.resize(1, 1).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(sh("true").resize(1, 1).is_err());
}

#[tokio::test]
async fn a_shell_has_job_control() {
    let mut spawn = program(&["bash", "--norc", "--noprofile", "-i"], TTY);
    spawn.env.extend([
        ("PS1".into(), "$ ".into()),
        ("TERM".into(), "dumb".into()),
        ("HISTFILE".into(), "".into()),
    ]);
    let process = start(spawn);
    until(&process, "$ ").await;
    let job = b"sh -c 'echo run''ning; exec sleep 1000'\n";
    soon(process.write(job.to_vec())).await.unwrap();
    until(&process, "running").await;
    soon(process.write(b"\x1a".to_vec())).await.unwrap();
    until(&process, "Stopped").await;
    until(&process, "1000'\r\n$ ").await;
    soon(process.write(b"exit 6\n".to_vec())).await.unwrap();
    until(&process, "There are stopped jobs.\r\n$ ").await;
    // Insisting helps; the kernel then hangs up the stopped job, as it does for a group without a shell.
    soon(process.write(b"exit 6\n".to_vec())).await.unwrap();
    assert_eq!(closed(&process).await.exit_code, Some(6));
}

#[tokio::test]
async fn terminating_a_shell_ends_its_jobs() {
    let mut spawn = program(&["bash", "--norc", "--noprofile", "-i"], TTY);
    spawn.env.push(("PS1".into(), "$ ".into()));
    let process = start(spawn);
    until(&process, "$ ").await;
    soon(process.write(b"sleep 1000 & echo job=$!\n".to_vec()))
        .await
        .unwrap();
    let job = number(&process, "\njob").await;
    let job = Watched::new(job);
    assert!(process.terminate());
    job.assert_ends();
    assert_eq!(closed(&process).await.exit_code, Some(-1));
}

#[tokio::test]
async fn the_last_bytes_before_the_exit_are_kept() {
    for _ in 0..30 {
        let process = start(script(
            "head -c 100000 /dev/zero | tr '\\0' x; printf end",
            TTY,
        ));
        let all = closed(&process).await;
        let said = text(&all);
        assert!(said.ends_with("end"), "{}", said.len());
        assert_eq!(said.len(), 100_003);
    }
}

#[tokio::test]
async fn a_terminal_whose_every_user_left_is_closed() {
    let process = start(script(
        "setsid -f sh -c 'echo far=$$; exec sleep 1000 </dev/null >/dev/null 2>&1'; read x; echo bye",
        TTY,
    ));
    let far = Watched::new(number(&process, "far").await);
    soon(process.write(b"\n".to_vec())).await.unwrap();
    assert!(text(&closed(&process).await).contains("bye"));
    far.kill();
}
