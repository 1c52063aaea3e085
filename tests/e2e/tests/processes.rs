//! `process/*` over the wire (PROTOCOL 4, PROTOCOL-LATER 2); the engine's own corners are tested in its crate.

use lockgate_e2e::{Refusal, Server, Wire, is_running, start_params};
use serde_json::{Value, json};

fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn decode(chunk: &Value) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(chunk.as_str().expect("a chunk"))
        .expect("base64")
}

#[tokio::test]
async fn a_command_streams_its_output_and_ends_with_its_code() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let answer = wire
        .call(
            "process/start",
            start_params("one", "echo out; echo err >&2; exit 7"),
        )
        .await
        .expect("it starts");
    assert_eq!(answer, json!({"processId": "one", "sandboxType": "none"}));
    let ended = wire.follow("one").await;
    assert_eq!(
        (&ended.stdout[..], &ended.stderr[..]),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!((ended.code, ended.closed_seq), (7, ended.exit_seq + 1));
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_told_as_such_and_the_id_stays_free() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for (cwd, why) in [
        ("/nowhere/at/all", "No such file or directory (os error 2)"),
        ("/etc/passwd", "Not a directory (os error 20)"),
    ] {
        let mut params = start_params("one", "true");
        params["cwd"] = json!(cwd);
        let refused = wire.call("process/start", params).await;
        let wanted = Refusal {
            code: -32603,
            message: format!("cannot use cwd {cwd}: {why}"),
        };
        assert_eq!(refused, Err(wanted));
    }
    assert_eq!(wire.run("one", "exit 3").await.code, 3);
}

#[tokio::test]
async fn what_was_retained_can_be_read_after_the_end() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ended = wire.run("one", "printf abc; printf def >&2; exit 3").await;
    let all = wire
        .call("process/read", json!({"processId": "one"}))
        .await
        .expect("readable");
    let chunks = all["chunks"].as_array().expect("chunks");
    let text: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| decode(&chunk["chunk"]))
        .collect();
    assert_eq!(text.len(), 6);
    assert_eq!(all["nextSeq"], ended.closed_seq + 1);
    assert_eq!(
        (&all["exited"], &all["exitCode"], &all["closed"]),
        (&json!(true), &json!(3), &json!(true))
    );
    assert_eq!(all["failure"], json!(null));
    let few = wire
        .call(
            "process/read",
            json!({"processId": "one", "afterSeq": 0, "maxBytes": 1}),
        )
        .await
        .expect("readable");
    assert_eq!(
        few["chunks"].as_array().expect("chunks").len(),
        1,
        "at least one chunk is given"
    );
    assert_eq!(few["nextSeq"], 2);
    let rest = wire
        .call(
            "process/read",
            json!({"processId": "one", "afterSeq": ended.closed_seq, "waitMs": 60_000}),
        )
        .await
        .expect("a closed process is not waited for");
    assert_eq!(rest["chunks"], json!([]));
}

#[tokio::test]
async fn a_long_poll_waits_for_output_and_blocks_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut params = start_params("cat", "cat");
    params["pipeStdin"] = json!(true);
    wire.start(params).await;
    let poll = json!({"processId": "cat", "afterSeq": 0, "waitMs": 600_000});
    let poll = wire.request("process/read", poll).await;
    let status = wire.call("environment/status", json!({})).await;
    assert_eq!(
        status,
        Ok(json!({"status": "ready"})),
        "answered while the poll waits"
    );
    let write = json!({"processId": "cat", "chunk": encode(b"hello"), "writeId": "w1"});
    let write = wire.request("process/write", write).await;
    assert_eq!(wire.answer(write).await, Ok(json!({"status": "accepted"})));
    let read = wire
        .answer(poll)
        .await
        .expect("the poll ends with the output");
    assert_eq!(decode(&read["chunks"][0]["chunk"]), b"hello");
    assert_eq!(read["exited"], false);
}

#[tokio::test]
async fn a_long_poll_that_waited_in_vain_ends_at_its_deadline() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.start(start_params("sleep", "sleep 1000")).await;
    let poll = json!({"processId": "sleep", "waitMs": 50});
    let read = wire.call("process/read", poll).await.expect("readable");
    assert_eq!((&read["chunks"], &read["nextSeq"]), (&json!([]), &json!(1)));
    let gone = wire
        .call("process/terminate", json!({"processId": "sleep"}))
        .await;
    assert_eq!(gone, Ok(json!({"running": true})));
    assert_eq!(wire.follow("sleep").await.code, -1, "terminated");
    let again = wire
        .call("process/terminate", json!({"processId": "sleep"}))
        .await;
    assert_eq!(again, Ok(json!({"running": false})));
}

#[tokio::test]
async fn writes_are_in_order_and_a_repeated_one_is_not_written_twice() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut params = start_params("cat", "cat");
    params["pipeStdin"] = json!(true);
    // Everything is sent before the start is answered.
    let start = wire.request("process/start", params).await;
    let mut writes = Vec::new();
    for number in 0..200 {
        let line = encode(format!("{number}\n").as_bytes());
        for _ in 0..2 {
            let write = json!({"processId": "cat", "chunk": line, "writeId": format!("w{number}")});
            writes.push(wire.request("process/write", write).await);
        }
    }
    let close = wire
        .request("lockgate/process/closeStdin", json!({"processId": "cat"}))
        .await;
    wire.answer(start).await.expect("it starts");
    for write in writes {
        assert_eq!(wire.answer(write).await, Ok(json!({"status": "accepted"})));
    }
    assert_eq!(wire.answer(close).await, Ok(json!({})));
    let expected: String = (0..200).map(|number| format!("{number}\n")).collect();
    let ended = wire.follow("cat").await;
    assert_eq!(String::from_utf8(ended.stdout).expect("text"), expected);
    assert_eq!(ended.code, 0);
}

#[tokio::test]
async fn stdin_is_closed_unless_asked_for() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.start(start_params("cat", "cat; sleep 1000")).await;
    let write = |id: &str| json!({"processId": id, "chunk": encode(b"x")});
    assert_eq!(
        wire.call("process/write", write("cat")).await,
        Ok(json!({"status": "stdinClosed"}))
    );
    assert_eq!(
        wire.call("process/write", write("no")).await,
        Ok(json!({"status": "unknownProcess"}))
    );
}

#[tokio::test]
async fn a_terminal_is_a_real_one_and_can_be_resized() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut params = start_params(
        "tty",
        "stty size; test -t 0 && tty; echo up; until stty size | grep 50; do sleep 0.01; done; read x; echo got $x",
    );
    params["tty"] = json!(true);
    wire.start(params).await;
    let shown = wire.wait_for_output("tty", "up").await;
    assert!(shown.starts_with("24 80\r\n/dev/pts/"), "{shown:?}");
    let size = json!({"processId": "tty", "rows": 50, "cols": 132});
    assert_eq!(
        wire.call("lockgate/process/resize", size).await,
        Ok(json!({}))
    );
    wire.wait_for_output("tty", "50 132").await;
    let write = json!({"processId": "tty", "chunk": encode(b"line\n")});
    wire.call("process/write", write).await.expect("accepted");
    wire.wait_for_output("tty", "got line").await;
}

#[tokio::test]
async fn an_interrupt_reaches_the_process_group_and_signals_go_by_name() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.start(start_params(
        "int",
        "trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.01; done",
    ))
    .await;
    wire.wait_for_output("int", "up").await;
    let signal = json!({"processId": "int", "signal": "interrupt"});
    assert_eq!(wire.call("process/signal", signal).await, Ok(json!({})));
    wire.wait_for_output("int", "caught").await;

    wire.start(start_params("term", "sleep 1000")).await;
    let signal = json!({"processId": "term", "signal": "SIGTERM"});
    assert_eq!(
        wire.call("lockgate/process/signal", signal).await,
        Ok(json!({}))
    );
    loop {
        let (method, params) = wire.notification().await;
        if method == "process/exited" && params["processId"] == "term" {
            assert_eq!(params["exitCode"], 128 + 15);
            break;
        }
    }
    let unknown = json!({"processId": "none", "signal": "interrupt"});
    assert_eq!(
        wire.call("process/signal", unknown).await,
        Ok(json!({})),
        "unknown is no error"
    );
    let wrong = json!({"processId": "term", "signal": "SIGNOTHING"});
    assert_eq!(
        wire.call("lockgate/process/signal", wrong)
            .await
            .expect_err("refused")
            .code,
        -32602
    );
}

#[tokio::test]
async fn processes_are_listed() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.start(start_params("b", "sleep 1000")).await;
    wire.run("a", "exit 4").await;
    let list = wire
        .call("lockgate/process/list", json!({}))
        .await
        .expect("a list");
    let processes = list["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 2);
    assert_eq!(
        (&processes[1]["processId"], &processes[1]["exitCode"]),
        (&json!("a"), &json!(4))
    );
    assert_eq!(
        (&processes[0]["processId"], &processes[0]["exited"]),
        (&json!("b"), &json!(false))
    );
    let pid = processes[0]["pid"].as_u64().expect("a pid") as u32;
    assert!(is_running(pid));
}

#[tokio::test]
async fn the_environment_is_exact_or_built_by_policy() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut params = start_params("exact", "");
    params["argv"] = json!(["/usr/bin/env"]);
    params["env"] = json!({"ONLY": "this"});
    wire.start(params.clone()).await;
    assert_eq!(wire.follow("exact").await.stdout, b"ONLY=this\n");

    params["processId"] = json!("policy");
    params["envPolicy"] = json!({
        "inherit": "all", "ignoreDefaultExcludes": false, "exclude": ["HO*"], "set": {"SET": "1"}, "includeOnly": []
    });
    wire.start(params).await;
    let text = String::from_utf8(wire.follow("policy").await.stdout).expect("text");
    assert!(
        text.contains("PATH=") && text.contains("SET=1\n") && text.contains("ONLY=this\n"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| !line.starts_with("HOME=")),
        "{text}"
    );
}

#[tokio::test]
async fn arg0_is_what_the_child_sees_and_not_what_runs() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for (id, tty) in [("pipe", false), ("tty", true)] {
        let mut params = start_params(id, "echo $0");
        params["argv"] = json!([
            "/bin/bash",
            "-c",
            "echo \"$BASH_ARGV0 $0\"; cat /proc/$$/cmdline | tr '\\0' ' '"
        ]);
        params["arg0"] = json!("renamed");
        params["tty"] = json!(tty);
        wire.start(params).await;
        let shown = String::from_utf8(wire.follow(id).await.stdout).expect("text");
        assert!(shown.contains("renamed"), "{shown}");
    }
}

#[tokio::test]
async fn what_cannot_start_says_why_and_frees_its_id() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "no program").expect("written");
    for tty in [false, true] {
        for (member, value, code, text) in [
            ("argv", json!([]), -32602, "argv must not be empty"),
            (
                "argv",
                json!(["/no/such/program"]),
                -32603,
                "No such file or directory",
            ),
            (
                "argv",
                json!(["no-such-program"]),
                -32603,
                "No such file or directory",
            ),
            ("argv", json!([file]), -32603, "Permission denied"),
            ("argv", json!(["a\u{0}b"]), -32602, "NUL"),
            (
                "cwd",
                json!(folder.path().join("missing")),
                -32603,
                "No such file or directory",
            ),
            ("cwd", json!(file), -32603, "Not a directory"),
            ("cwd", json!("relative"), -32602, "absolute"),
            ("processId", json!(""), -32602, "processId"),
        ] {
            let mut params = start_params("same", "exit 0");
            params["tty"] = json!(tty);
            params[member] = value;
            let Refusal { code: got, message } = wire
                .call("process/start", params)
                .await
                .expect_err("refused");
            assert_eq!(got, code, "{member}: {message}");
            assert!(message.contains(text), "{member}: {message}");
        }
    }
    assert_eq!(wire.run("same", "exit 5").await.code, 5, "the id was free");
}

#[tokio::test]
async fn ids_in_use_and_unknown_ids_are_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let first = wire
        .request("process/start", start_params("same", "sleep 1000"))
        .await;
    let second = wire
        .request("process/start", start_params("same", "sleep 1000"))
        .await;
    // Answers come in any order.
    let (mut started, mut refused) = (0, 0);
    for _ in 0..2 {
        let message = loop {
            let message = wire.message().await;
            if message.get("id").is_some() {
                break message;
            }
        };
        if message.get("result").is_some() {
            assert_eq!(message["id"], first);
            started += 1;
        } else {
            assert_eq!(message["id"], second);
            assert_eq!(
                message["error"],
                json!({"code": -32600, "message": "process same already exists"})
            );
            refused += 1;
        }
    }
    assert_eq!((started, refused), (1, 1));
    let unknown = wire
        .call("process/read", json!({"processId": "none"}))
        .await;
    let text = "unknown process id none".to_owned();
    assert_eq!(
        unknown,
        Err(Refusal {
            code: -32600,
            message: text
        })
    );
    let running = wire
        .call("process/terminate", json!({"processId": "none"}))
        .await;
    assert_eq!(running, Ok(json!({"running": false})));
}

#[tokio::test]
async fn a_restricting_sandbox_is_refused_and_never_ignored() {
    let managed = |file_system: Value, network: &str| {
        json!({"permissions": {"type": "managed", "file_system": file_system, "network": network},
               "cwd": "/", "windowsSandboxLevel": "disabled"})
    };
    let read_only = json!({"type": "restricted", "entries": [
        {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"}]});
    let full = json!({"type": "restricted", "entries": [
        {"path": {"type": "special", "value": {"kind": "root"}}, "access": "write"}]});
    let free = json!({"type": "unrestricted"});
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for sandbox in [
        managed(read_only.clone(), "enabled"),
        managed(read_only.clone(), "restricted"),
        managed(free.clone(), "restricted"),
        json!({"permissions": {"type": "future"}, "windowsSandboxLevel": "disabled"}),
        json!("yes"),
    ] {
        let mut params = start_params("sandboxed", "echo ran > /dev/tty");
        params["sandbox"] = sandbox.clone();
        let refusal = wire
            .call("process/start", params)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32602, "{sandbox}: {}", refusal.message);
    }
    for (member, value) in [
        ("enforceManagedNetwork", json!(true)),
        ("managedNetwork", json!({})),
    ] {
        let mut params = start_params("sandboxed", "true");
        params[member] = value;
        let refusal = wire
            .call("process/start", params)
            .await
            .expect_err("refused");
        assert!(
            refusal.message.contains("cannot be enforced"),
            "{}",
            refusal.message
        );
    }
    let unrestricted = [
        json!(null),
        json!({"permissions": {"type": "disabled"}, "windowsSandboxLevel": "disabled"}),
        managed(free, "enabled"),
        managed(full, "enabled"),
    ];
    for (number, sandbox) in unrestricted.into_iter().enumerate() {
        let mut params = start_params(&format!("free{number}"), "true");
        params["sandbox"] = sandbox;
        wire.start(params).await;
    }

    // What to do is said, to whoever can do it.
    let mut params = start_params("refused", "true");
    params["sandbox"] = managed(read_only.clone(), "restricted");
    let refused = wire
        .call("process/start", params)
        .await
        .expect_err("refused");
    assert!(
        refused
            .message
            .contains("have the executor started with `lockgate serve --process-sandbox external`"),
        "{refused:?}"
    );

    let server = Server::with_arguments(&["--process-sandbox", "external"]);
    let mut wire = Wire::ready(&server).await;
    let mut params = start_params("external", "exit 6");
    params["sandbox"] = managed(read_only, "restricted");
    let answer = wire
        .call("process/start", params)
        .await
        .expect("the operator has declared it");
    assert_eq!(answer["sandboxType"], "none");
    assert_eq!(wire.follow("external").await.code, 6);
}

#[tokio::test]
async fn attack_20_children_hold_no_descriptor_of_the_server() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let _other = Wire::ready(&server).await;
    for tty in [false, true] {
        let id = format!("fds-{tty}");
        let mut params = start_params(&id, "");
        params["argv"] = json!(["/bin/ls", "/proc/self/fd"]);
        params["tty"] = json!(tty);
        wire.start(params).await;
        let shown = String::from_utf8(wire.follow(&id).await.stdout).expect("text");
        let mut numbers: Vec<&str> = shown.split_whitespace().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, ["0", "1", "2", "3"], "3 is ls's own");
    }
}
