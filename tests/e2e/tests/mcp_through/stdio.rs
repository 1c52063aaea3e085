//! Servers that are programs: what they can do, and what their misbehaviour costs.

use std::time::Duration;

use lockgate_client::Event;
use lockgate_e2e::{DEADLINE, Server, is_running, start_params};
use lockgate_mcp::through::{Connected, How, ThroughError};
use rmcp::ServiceError;
use serde_json::json;
use tokio::time::timeout;

use crate::{Reached, brittle, call, client, echo, everywhere, program, script, text};

everywhere! {
    a_server_of_the_official_sdk_runs_on_the_executor,
    large_messages_come_whole_both_ways_and_many_calls_run_at_once,
    a_server_that_dies_says_so_with_its_code_and_its_last_words,
    a_server_that_dies_in_the_handshake_is_an_error_that_tells_why,
    a_server_that_never_answers_is_given_up_and_ended,
    garbage_on_stdout_is_skipped_until_it_is_too_much,
    a_line_without_end_ends_the_server_and_not_the_harness,
    a_message_that_would_be_gigabytes_once_decoded_is_not_decoded,
    a_server_that_does_not_read_holds_nothing_up_but_itself,
    closing_gives_a_server_the_end_of_its_input_and_time,
    one_that_ignores_the_end_of_its_input_gets_sigterm,
    what_is_dropped_anywhere_leaves_no_program_behind,
    a_call_that_is_given_up_is_cancelled_at_the_server_and_the_next_one_is_answered,
    a_process_beside_it_is_not_disturbed,
}

/// A handshake as a script speaks it, for whatever version is asked for; then `rest`.
fn shaking_hands(rest: &str) -> String {
    format!(
        r#"
        answer() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":{{"protocolVersion":"2025-06-18","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"script","version":"1"}}}}}}\n' "$1"; }}
        number() {{ expr "$1" : '.*"id":\([0-9]*\)'; }}
        while read -r line; do
            case "$line" in
            *'"initialize"'*) answer "$(number "$line")" ;;
            *'initialized"'*) break ;;
            esac
        done
        {rest}
        "#
    )
}

async fn ended(server: &Connected<()>) -> lockgate_mcp::through::Ending {
    timeout(DEADLINE, server.ended()).await.expect("it ends")
}

async fn a_server_of_the_official_sdk_runs_on_the_executor(client: &Reached) {
    let server = program(client).connect().await.expect("connects");
    let tools = server.list_all_tools().await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "echo"), "{tools:?}");
    let result = server.call_tool(echo("hello")).await.expect("answered");
    assert_eq!(text(&result), "hello");
    let ending = server.close().await.expect("a program");
    assert_eq!(
        ending.to_string(),
        "it was closed, and exited with code 0, with nothing on stderr"
    );
}

#[tokio::test]
async fn arguments_environment_and_directory_are_the_callers() {
    let executor = Server::start();
    let client = client(executor.url()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("a path");
    let server = program(&client)
        .env("COLOUR", "green")
        .cwd(lockgate_grant::AbsPath::parse(&folder).expect("a path"))
        .connect()
        .await
        .expect("connects");
    let place = folder.display();
    for (name, expected) in [
        ("COLOUR", format!("green in {place}")),
        // Of the executor's environment, the core names only.
        (
            "HOME",
            format!("{} in {place}", std::env::temp_dir().display()),
        ),
        ("LOCKGATE_CACHE_DIR", format!("(not set) in {place}")),
    ] {
        let asked = server.call_tool(call("variable", json!({"name": name})));
        assert_eq!(text(&asked.await.expect("answered")), expected);
    }
    server.close().await;
}

async fn large_messages_come_whole_both_ways_and_many_calls_run_at_once(client: &Reached) {
    let server = program(client).connect().await.expect("connects");
    for _ in 0..4 {
        let large = server.call_tool(call("large", json!({"bytes": 15_000_000})));
        assert_eq!(text(&large.await.expect("answered")).len(), 15_000_000);
    }
    let long = "y".repeat(3_000_000);
    let result = server.call_tool(echo(&long)).await.expect("answered");
    assert_eq!(text(&result), long);
    let texts: Vec<String> = (0..200).map(|number| format!("call {number}")).collect();
    let calls = texts.iter().map(|text| server.call_tool(echo(text)));
    for (asked, result) in texts
        .iter()
        .zip(futures_util::future::join_all(calls).await)
    {
        assert_eq!(text(&result.expect("answered")), asked);
    }
    server.close().await;
}

async fn a_server_that_dies_says_so_with_its_code_and_its_last_words(client: &Reached) {
    let server = program(client).connect().await.expect("connects");
    let failure = server.call_tool(call("exit", json!({"code": 3}))).await;
    assert!(
        matches!(failure, Err(ServiceError::TransportClosed)),
        "{failure:?}"
    );
    let ending = ended(&server).await;
    assert_eq!(ending.how, How::Exited(3));
    assert_eq!(ending.stderr, ["going down with 3"]);
}

async fn a_server_that_dies_in_the_handshake_is_an_error_that_tells_why(client: &Reached) {
    let dying = script(
        client,
        "echo 'no module named mcp, token '$TOKEN >&2; exit 7",
    )
    .secret_env("TOKEN", "hunter2hunter2");
    let error = dying.connect().await.expect_err("it died");
    assert!(
        matches!(&error, ThroughError::Handshake { ending: Some(ending), .. } if ending.how == How::Exited(7)),
        "{error:?}"
    );
    let said = error.to_string();
    assert!(
        said.ends_with(
            "it exited with code 7; its last words on stderr:\nno module named mcp, token [secret]"
        ),
        "{said}"
    );
    // A program that is not there.
    let error = lockgate_mcp::through::McpServer::stdio(client, "/no/such/program")
        .connect()
        .await
        .expect_err("there is none");
    assert!(
        error
            .to_string()
            .starts_with("the executor cannot start the MCP server `/no/such/program`: "),
        "{error}"
    );
}

async fn a_server_that_never_answers_is_given_up_and_ended(client: &Reached) {
    // Deaf to the end of its input and to SIGTERM.
    let deaf = script(
        client,
        "trap '' TERM; echo pid $$ >&2; while :; do sleep 1; done",
    )
    .connect_timeout(Duration::from_secs(4))
    .grace(Duration::from_millis(200));
    let error = deaf.connect().await.expect_err("it is silent");
    let ThroughError::Silent {
        ending: Some(ending),
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(ending.how, How::Closed(Some(-1)));
    let said = error.to_string();
    assert!(
        said.starts_with("the MCP server `/bin/sh` did not answer the handshake within 4 s; give it longer with `connect_timeout`"),
        "{said}"
    );
    let pid = ending.stderr[0].trim_start_matches("pid ");
    assert!(!is_running(pid.parse().expect("a pid")));
}

async fn garbage_on_stdout_is_skipped_until_it_is_too_much(client: &Reached) {
    let banner = shaking_hands(
        r#"while read -r line; do
            echo "a log line, and then the answer"
            printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[]}}\n' "$(number "$line")"
        done"#,
    );
    let server = script(
        client,
        &format!("echo Welcome!\nprintf '\\377\\376\\n{{\"json\": 1}}\\n[]\\n'\n{banner}"),
    )
    .connect()
    .await
    .expect("connects");
    assert_eq!(server.list_all_tools().await.expect("tools").len(), 0);
    server.close().await;
    let flood = script(client, "exec yes").connect().await;
    let said = flood.expect_err("it is none").to_string();
    assert!(
        said.contains("it was ended, because it wrote more than 256 lines in a row that are no messages of MCP"),
        "{said}"
    );
}

async fn a_line_without_end_ends_the_server_and_not_the_harness(client: &Reached) {
    let endless = script(client, "exec tr '\\0' x < /dev/zero")
        .connect()
        .await;
    let said = endless.expect_err("it is none").to_string();
    assert!(
        said.contains("it was ended, because it wrote a line of more than 16777216 bytes"),
        "{said}"
    );
    client.status().await.expect("the executor is fine");
}

async fn a_message_that_would_be_gigabytes_once_decoded_is_not_decoded(client: &Reached) {
    let bomb = "printf '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":['; head -c 3000000 /dev/zero | sed 's/\\x00/[],/g'; echo '0]}}'; read line";
    let refused = script(client, bomb).connect().await;
    let said = refused.expect_err("it is none").to_string();
    assert!(
        said.contains("it was ended, because it wrote a message of more than 262144 JSON values"),
        "{said}"
    );
}

async fn a_server_that_does_not_read_holds_nothing_up_but_itself(client: &Reached) {
    let server = script(client, &shaking_hands("exec sleep 1000"))
        .grace(Duration::from_millis(200))
        .connect()
        .await
        .expect("connects");
    let large = "z".repeat(8_000_000);
    let mut calls: Vec<_> = (0..8)
        .map(|_| Box::pin(server.call_tool(echo(&large))))
        .collect();
    // More than 32 MB are not kept for it.
    let (failure, _, _) = timeout(DEADLINE, futures_util::future::select_all(&mut calls))
        .await
        .expect("one is refused");
    let said = failure.expect_err("refused").to_string();
    assert!(said.contains("does not read its input"), "{said}");
    drop(calls);
    client.status().await.expect("the executor is fine");
    let ending = server.close().await.expect("a program");
    assert!(
        matches!(ending.how, How::Closed(Some(143 | -1))),
        "{ending}"
    );
}

async fn closing_gives_a_server_the_end_of_its_input_and_time(client: &Reached) {
    let tidy = shaking_hands("while read -r line; do :; done; echo tidied up >&2; exit 5");
    let server = script(client, &tidy).connect().await.expect("connects");
    let ending = server.close().await.expect("a program");
    assert_eq!(ending.how, How::Closed(Some(5)));
    assert_eq!(ending.stderr, ["tidied up"]);
}

async fn one_that_ignores_the_end_of_its_input_gets_sigterm(client: &Reached) {
    let stubborn = shaking_hands("trap 'echo told >&2; exit 6' TERM; while :; do sleep 0.05; done");
    let server = script(client, &stubborn)
        .grace(Duration::from_secs(4))
        .connect()
        .await
        .expect("connects");
    let ending = server.close().await.expect("a program");
    assert_eq!(ending.how, How::Closed(Some(6)));
    // The signal goes to its group, so the shell has to say that of `sleep` as well.
    assert_eq!(ending.stderr.last().expect("words"), "told");
}

async fn what_is_dropped_anywhere_leaves_no_program_behind(client: &Reached) {
    // After the handshake, in the handshake, and the transport alone.
    drop(program(client).connect().await.expect("connects"));
    let connecting = script(client, "exec sleep 1000").grace(Duration::from_millis(200));
    let given_up = timeout(Duration::from_millis(300), connecting.connect()).await;
    assert!(given_up.is_err(), "nobody answers");
    let transport = script(client, "exec sleep 1000").grace(Duration::from_millis(200));
    drop(transport.start().await.expect("it starts"));
    timeout(DEADLINE, async {
        while client
            .processes()
            .await
            .expect("listed")
            .processes
            .iter()
            .any(|process| !process.exited)
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all are gone");
}

async fn a_call_that_is_given_up_is_cancelled_at_the_server_and_the_next_one_is_answered(
    client: &Reached,
) {
    let server = program(client).connect().await.expect("connects");
    let waiting = server.call_tool(call("wait", json!({})));
    assert!(timeout(Duration::from_millis(100), waiting).await.is_err());
    let result = server.call_tool(echo("still there")).await;
    assert_eq!(text(&result.expect("answered")), "still there");
    let ending = server.close().await.expect("a program");
    assert_eq!(ending.stderr, ["a call was cancelled"]);
}

#[tokio::test]
async fn the_end_of_the_connection_ends_the_transport_with_the_reason() {
    let mut executor = Server::start();
    let client = brittle(executor.url()).await;
    let server = program(&client).connect().await.expect("connects");
    executor.signal(rustix::process::Signal::KILL);
    executor.wait();
    let ending = ended(&server).await;
    assert!(
        matches!(&ending.how, How::Lost(why) if why.contains("connection")),
        "{ending}"
    );
    assert!(server.call_tool(echo("anyone?")).await.is_err());
}

#[tokio::test]
async fn a_profile_that_the_executor_cannot_enforce_starts_nothing() {
    let executor = Server::start();
    let client = client(executor.url()).await;
    let profile =
        lockgate_e2e::Profile::workspace_write("/tmp").in_shape(lockgate_e2e::Shape::Late);
    let sandbox = serde_json::from_value(profile).expect("a profile");
    let refused = program(&client).sandbox(sandbox).connect().await;
    let Err(ThroughError::Start { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(source.code(), Some(-32602), "{source}");
    // Where the operator says that the host is the sandbox, it goes along.
    let executor = Server::with_arguments(&["--process-sandbox", "external"]);
    let other = crate::client(executor.url()).await;
    let profile =
        lockgate_e2e::Profile::workspace_write("/tmp").in_shape(lockgate_e2e::Shape::Late);
    let sandbox = serde_json::from_value(profile).expect("a profile");
    let server = program(&other)
        .sandbox(sandbox)
        .connect()
        .await
        .expect("connects");
    server.call_tool(echo("x")).await.expect("answered");
    server.close().await;
}

async fn a_process_beside_it_is_not_disturbed(client: &Reached) {
    let params =
        serde_json::from_value(start_params("beside", "echo there; read line; echo $line"));
    let mut params: lockgate_wire::process::StartParams = params.expect("params");
    params.pipe_stdin = true;
    let mut beside = client.start(&params).await.expect("it starts");
    let server = program(client).connect().await.expect("connects");
    let other = program(client).connect().await.expect("connects");
    let (one, two) = tokio::join!(server.call_tool(echo("1")), other.call_tool(echo("2")));
    assert_eq!(
        (text(&one.expect("answered")), text(&two.expect("answered"))),
        ("1", "2")
    );
    server.close().await;
    beside.handle.write(b"still\n").await.expect("written");
    let mut said = Vec::new();
    while let Some(event) = beside.events.next().await {
        if let Event::Output { data, .. } = event {
            said.extend(data);
        }
    }
    assert_eq!(said, b"there\nstill\n");
    other.close().await;
}
