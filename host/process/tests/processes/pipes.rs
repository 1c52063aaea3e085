//! Commands with pipes: what they see, what they say, what is said to them.

use std::ffi::OsString;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use lockgate_process::{Signal, Stream, WriteError};

use crate::support::*;

#[tokio::test]
async fn a_command_gives_its_output_then_its_exit_then_its_close() {
    let process = sh("echo out; echo err >&2; exit 7");
    let all = closed(&process).await;
    let mut said: Vec<(Stream, String)> = all
        .chunks
        .iter()
        .map(|chunk| {
            (
                chunk.stream,
                String::from_utf8_lossy(&chunk.data).into_owned(),
            )
        })
        .collect();
    said.sort_by_key(|(stream, _)| stream.name());
    assert_eq!(
        said,
        [
            (Stream::Stderr, "err\n".into()),
            (Stream::Stdout, "out\n".into())
        ]
    );
    assert_eq!(
        (all.exited, all.exit_code, all.closed),
        (true, Some(7), true)
    );
    let numbers: Vec<u64> = all.chunks.iter().map(|chunk| chunk.seq).collect();
    assert_eq!((numbers, all.next_seq), (vec![1, 2], 5));
    assert!(!process.is_tty() && !process.accepts_stdin());
}

#[tokio::test]
async fn a_command_killed_by_a_signal_reports_128_and_its_number() {
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("SEGV", 139)] {
        let process = sh(&format!("kill -{signal} $$"));
        assert_eq!(closed(&process).await.exit_code, Some(code), "{signal}");
    }
}

#[tokio::test]
async fn everything_written_before_the_exit_comes_before_it() {
    for _ in 0..100 {
        let process = sh("echo a; echo b >&2; echo c");
        let all = closed(&process).await;
        assert_eq!(text(&all).len(), 6);
        let last = all.chunks.last().unwrap().seq;
        assert_eq!(all.next_seq, last + 3);
    }
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_given() {
    let mut spawn = program(&["/usr/bin/env"], NO_STDIN);
    spawn.env = vec![("B".into(), "2 = two".into()), ("A".into(), "".into())];
    assert_eq!(text(&closed(&start(spawn)).await), "B=2 = two\nA=\n");
    let mut spawn = program(&["/usr/bin/env"], NO_STDIN);
    spawn.env = vec![];
    assert_eq!(text(&closed(&start(spawn)).await), "");
}

#[tokio::test]
async fn arg0_changes_the_visible_name_and_not_the_program() {
    for stdio in [NO_STDIN, TTY] {
        let mut spawn = program(&["cat", "/proc/self/cmdline"], stdio);
        spawn.arg0 = Some("no-such-program".into());
        assert_eq!(
            text(&closed(&start(spawn)).await),
            "no-such-program\0/proc/self/cmdline\0"
        );
    }
}

#[tokio::test]
async fn the_program_is_found_through_the_childs_own_path_and_directory() {
    let here = tempfile::tempdir().unwrap();
    let tool = here.path().join("bin/tool");
    std::fs::create_dir(here.path().join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/pwd", &tool).unwrap();
    for (name, path) in [
        ("tool", "bin"),
        ("bin/tool", ""),
        ("./bin/tool", "/nowhere"),
    ] {
        let mut spawn = program(&[name], NO_STDIN);
        spawn.cwd = here.path().to_owned();
        spawn.env = vec![("PATH".into(), path.into())];
        let said = text(&closed(&start(spawn)).await);
        assert_eq!(
            said.trim(),
            here.path().canonicalize().unwrap().to_str().unwrap(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_script_without_an_interpreter_line_runs_in_the_shell() {
    use std::os::unix::fs::PermissionsExt;
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("run");
    std::fs::write(&file, "echo script $1").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let process = start(program(&[file.to_str().unwrap(), "me"], NO_STDIN));
    assert_eq!(text(&closed(&process).await), "script me\n");
}

#[tokio::test]
async fn no_descriptor_of_the_server_reaches_a_child() {
    // Not close-on-exec, as a careless library would leave one.
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let _leaks: Vec<_> = (0..5).map(|_| rustix::io::dup(&file).unwrap()).collect();
    for stdio in [NO_STDIN, STDIN, TTY] {
        let process = start(program(&["ls", "/proc/self/fd"], stdio));
        let said = text(&closed(&process).await);
        // 3 is the directory that ls itself reads.
        assert_eq!(
            said.split_whitespace().collect::<Vec<_>>(),
            ["0", "1", "2", "3"]
        );
    }
}

#[tokio::test]
async fn a_child_has_every_signal_at_its_default_and_none_blocked() {
    let process = start(program(&["cat", "/proc/self/status"], NO_STDIN));
    let said = text(&closed(&process).await);
    let mask = |name: &str| {
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    // glibc's posix_spawn leaves its own two (32 and 33) ignored in every child.
    let internal = 0b11 << 31;
    assert_eq!(
        (mask("SigBlk:"), mask("SigIgn:") & !internal),
        (0, 0),
        "{said}"
    );
}

#[tokio::test]
async fn a_child_leads_a_session_and_a_group_of_its_own() {
    let process = sh("cut -d' ' -f1,5,6 /proc/$$/stat");
    let said = text(&closed(&process).await);
    let pid = process.pid().to_string();
    assert_eq!(
        said.trim().split(' ').collect::<Vec<_>>(),
        [&pid, &pid, &pid]
    );
}

#[tokio::test]
async fn what_is_written_to_stdin_arrives_and_its_end_too() {
    let process = start(program(&["cat"], STDIN));
    assert!(process.accepts_stdin());
    soon(process.write(b"one\n".to_vec())).await.unwrap();
    until(&process, "one\n").await;
    soon(process.write(Vec::new())).await.unwrap();
    soon(process.write(b"two".to_vec())).await.unwrap();
    soon(process.close_stdin()).await.unwrap();
    soon(process.close_stdin()).await.unwrap();
    assert_eq!(
        process.write(b"three".to_vec()).await,
        Err(WriteError::Closed)
    );
    let all = closed(&process).await;
    assert_eq!((text(&all).as_str(), all.exit_code), ("one\ntwo", Some(0)));
}

#[tokio::test]
async fn without_a_pipe_stdin_is_empty_and_writes_are_refused() {
    let process = start(program(&["cat"], NO_STDIN));
    assert_eq!(process.write(b"x".to_vec()).await, Err(WriteError::Closed));
    assert_eq!(process.close_stdin().await, Err(WriteError::Closed));
    let all = closed(&process).await;
    assert_eq!((text(&all).as_str(), all.exit_code), ("", Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_input_goes_through_while_its_output_comes_back() {
    let process = start(program(&["sha256sum"], STDIN));
    for _ in 0..64 {
        soon(process.write(vec![0; 1024 * 1024])).await.unwrap();
    }
    soon(process.close_stdin()).await.unwrap();
    let said = text(&closed(&process).await);
    assert!(
        said.starts_with("3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"),
        "{said}"
    );
}

#[tokio::test]
async fn a_child_that_never_reads_holds_up_only_its_own_writer() {
    let deaf = start(program(&["sleep", "1000"], STDIN));
    let mut waits = 0;
    for _ in 0..200 {
        let mut write = pin!(deaf.write(vec![b'x'; 256 * 1024]));
        tokio::task::yield_now().await;
        if write
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
        {
            waits += 1;
            break;
        }
    }
    assert_eq!(waits, 1, "the queue has no bound");

    let other = start(program(&["cat"], STDIN));
    soon(other.write(b"meanwhile\n".to_vec())).await.unwrap();
    until(&other, "meanwhile").await;

    let waiting = tokio::spawn({
        let deaf = std::sync::Arc::clone(&deaf);
        async move { deaf.write(vec![b'x'; 8 * 1024 * 1024]).await }
    });
    assert!(deaf.terminate());
    assert_eq!(soon(waiting).await.unwrap(), Err(WriteError::Gone));
}

#[tokio::test]
async fn the_number_of_waiting_writes_is_bounded_too() {
    let deaf = start(program(&["sleep", "1000"], STDIN));
    // Fills the pipe, so that nothing more leaves the queue.
    soon(deaf.write(vec![b'x'; 70_000])).await.unwrap();
    let mut accepted = 0;
    for _ in 0..300 {
        let mut write = pin!(deaf.write(b"x".to_vec()));
        tokio::task::yield_now().await;
        if write
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
        {
            break;
        }
        accepted += 1;
    }
    assert!((100..=130).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn writing_to_a_child_that_closed_its_stdin_fails_and_hurts_nobody() {
    let process = start(script("exec <&-; echo closed; sleep 1000", STDIN));
    until(&process, "closed").await;
    // The first may be accepted: the pipe is found broken only by writing.
    let result = soon(async {
        loop {
            if let Err(error) = process.write(b"x".to_vec()).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(result, WriteError::Gone);
    assert!(process.terminate());
    assert_eq!(closed(&process).await.exit_code, Some(-1));
}

#[tokio::test]
async fn a_signal_reaches_the_whole_group() {
    let process = sh("trap 'wait; exit 9' USR1
        sh -c 'trap \"echo inner; exit\" USR1; echo ready; while :; do sleep 0.01; done' &
        wait");
    until(&process, "ready").await;
    process.signal(Signal::from_name("USR1").unwrap()).unwrap();
    let all = closed(&process).await;
    // The inner shell may also say what became of its sleep.
    assert!(text(&all).contains("inner\n"), "{}", text(&all));
    assert_eq!(all.exit_code, Some(9));
    process.signal(Signal::INTERRUPT).unwrap();
    assert!(!process.terminate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_at_once_keep_their_output_apart() {
    let engine = engine();
    let processes: Vec<_> = (0..60)
        .map(|n| {
            engine
                .spawn(script(&format!("echo {n}; exit {n}"), NO_STDIN))
                .unwrap()
        })
        .collect();
    let mut ids: Vec<u64> = processes.iter().map(|process| process.id()).collect();
    for (n, process) in processes.iter().enumerate() {
        let all = closed(process).await;
        assert_eq!(
            (text(&all), all.exit_code),
            (format!("{n}\n"), Some(n as i32))
        );
    }
    ids.dedup();
    assert_eq!(ids.len(), 60);
}

#[tokio::test]
async fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let mut spawn = program(&["printf", "%s"], NO_STDIN);
    spawn.argv.push(OsString::from_vec(vec![0xff, b'a', 0xfe]));
    let all = closed(&start(spawn)).await;
    assert_eq!(all.chunks[0].data, [0xff, b'a', 0xfe]);
}
