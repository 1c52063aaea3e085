//! Clients that go away, or give up, while somebody is asked: nothing is done later, the question is withdrawn where there is somebody to hear that, and
//! nothing of the session is left over.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lockgate_client::{Client, ConnectOptions};
use lockgate_e2e::{Server, is_running, lockgate};
use lockgate_grant::AbsPath;
use lockgate_mcp::face::{Access, Commands, Connect, Directory, Files, Http, HttpOptions};
use rmcp::ClientLifecycleMode;
use rmcp::model::{CallToolResponse, ClientRequest, ProtocolVersion};
use rmcp::service::PeerRequestOptions;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::by_hand::ByHand;
use crate::commands::{is_gone, pid};
use crate::house::{self, House, INITIALIZE};
use crate::person::{Person, Says};
use crate::{Agent, Folder, command, request, soon};

const ARGUMENTS: [&str; 3] = ["--unrestricted", "--config", "config/lockgate.toml"];

fn asking() -> Folder {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    folder
}

/// A file that is there if it was done, and a process that would be.
fn work() -> Value {
    json!({"command": "touch done; exec sleep 1000", "wait_seconds": 600})
}

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}

/// The processes below the server: executors and what they have started.
fn below(server: &Child) -> Vec<u32> {
    let mut all = vec![server.id().expect("it runs")];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
        next += 1;
    }
    all.split_off(1)
}

async fn are_gone(processes: &[u32]) {
    assert!(!processes.is_empty(), "there is an executor while it asks");
    soon(async {
        while processes.iter().any(|pid| is_running(*pid)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn nothing_was_done(folder: &Folder) {
    assert!(!folder.path().join("done").exists());
}

#[tokio::test]
async fn a_client_that_ends_its_input_while_somebody_is_asked_has_nothing_done() {
    let folder = asking();
    let mut client = ByHand::start(command(folder.path(), &ARGUMENTS));
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": {"name": "by hand", "version": "1"}});
    client
        .call(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
        .await;
    client
        .send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
        .await;
    let params = json!({"name": "run", "arguments": work()});
    let run = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    client.send(format!("{run}\n").as_bytes()).await;
    while client.answer().await["method"] != "elicitation/create" {}
    let processes = below(&client.server);
    drop(client.server.stdin.take());
    let status = soon(client.server.wait()).await.expect("it ends");
    assert!(status.success(), "{status}");
    are_gone(&processes).await;
    nothing_was_done(&folder);
}

#[tokio::test]
async fn a_session_that_is_deleted_while_somebody_is_asked_has_nothing_done() {
    let folder = asking();
    let house = House::start(folder.path(), &ARGUMENTS).await;
    let person = Person::saying([Says::Nothing]);
    let client = house
        .client(person.clone(), ClientLifecycleMode::Initialize)
        .await;
    let call = client.peer().clone();
    let call = tokio::spawn(async move { call.call_tool(request("run", work())).await });
    person.is_asked(1).await;
    let processes = below(&house.server);
    // It deletes its session.
    soon(client.cancel()).await.expect("it ends");
    are_gone(&processes).await;
    nothing_was_done(&folder);
    let answer = soon(call).await.expect("no panic");
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn a_server_that_ends_while_somebody_is_asked_does_nothing_more() {
    for lifecycle in [ClientLifecycleMode::Initialize, newest()] {
        let folder = asking();
        let mut house = House::start(folder.path(), &ARGUMENTS).await;
        let person = Person::saying([Says::Nothing]);
        let client = house.client(person.clone(), lifecycle.clone()).await;
        let call = client.peer().clone();
        let call = async move { call.call_tool_once(request("run", work())).await };
        // In one age somebody is asked within the call, in the other by its answer.
        let call = tokio::spawn(call);
        match lifecycle {
            ClientLifecycleMode::Initialize => {
                person.is_asked(1).await;
                assert!(!call.is_finished());
            }
            _ => {
                let response = soon(call).await.expect("no panic");
                assert!(
                    matches!(response, Ok(CallToolResponse::InputRequired(_))),
                    "{response:?}"
                );
            }
        }
        let processes = below(&house.server);
        let server = house.server.id().expect("it runs");
        let server = Pid::from_raw(server.try_into().expect("a number")).expect("a number");
        kill_process(server, Signal::TERM).expect("signalled");
        let status = soon(house.server.wait()).await.expect("it ends");
        assert!(status.success(), "{status}");
        are_gone(&processes).await;
        nothing_was_done(&folder);
        drop(client);
    }
}

#[tokio::test]
async fn a_call_whose_client_waits_no_longer_takes_its_question_with_it() {
    let folder = asking();
    let person = Person::saying([Says::Nothing]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let call = rmcp::model::CallToolRequest::new(request("run", work()));
    let mut options = PeerRequestOptions::no_options();
    options.timeout = Some(Duration::from_millis(500));
    let handle = agent
        .client
        .send_cancellable_request(ClientRequest::CallToolRequest(call), options);
    let handle = soon(handle).await.expect("sent");
    let answer = soon(handle.await_response()).await;
    assert!(
        matches!(answer, Err(rmcp::ServiceError::Timeout { .. })),
        "{answer:?}"
    );
    // On a slow machine the call was given up before anybody was asked.
    if !person.asked().is_empty() {
        person.is_told_that_it_is_withdrawn().await;
    }
    let processes = below(&agent.server);
    agent.ends().await;
    assert!(!processes.iter().any(|pid| is_running(*pid)));
    nothing_was_done(&folder);
}

#[tokio::test]
async fn a_question_that_its_client_never_comes_back_with_ends_with_the_session() {
    let folder = asking();
    let command = command(folder.path(), &ARGUMENTS);
    let agent = Agent::speaking(newest(), Person::saying([]), command).await;
    let response = soon(agent.client.call_tool_once(request("run", work()))).await;
    assert!(
        matches!(response, Ok(CallToolResponse::InputRequired(_))),
        "{response:?}"
    );
    let processes = below(&agent.server);
    agent.ends().await;
    are_gone(&processes).await;
    nothing_was_done(&folder);
}

/// Starts an executor for each session, in that folder.
fn executors(folder: &Folder) -> Connect {
    let folder = folder.path().to_owned();
    Arc::new(move |approver| {
        let usual = Server::command();
        let variables = usual.get_envs();
        let variables = variables.filter_map(|(name, value)| Some((name, value?)));
        let mut command = Command::new(lockgate());
        command
            .args(["serve", "--listen", "stdio"])
            .current_dir(&folder)
            .env_clear()
            .envs(variables);
        let options = ConnectOptions {
            approver: Some(approver),
            ..ConnectOptions::default()
        };
        Box::pin(async move {
            let client = Client::spawn_stdio(command, options).await;
            client.map_err(|error| error.to_string())
        })
    })
}

#[tokio::test]
async fn a_client_that_vanishes_without_a_word_loses_its_session_and_processes_after_a_while() {
    let folder = Folder::new();
    let access = Access {
        files: Files::Everything,
        commands: Commands::Yes { secrets: false },
        directory: Directory::At(AbsPath::parse(folder.path()).expect("a path")),
        kept: Vec::new(),
    };
    let options = HttpOptions {
        listen: "127.0.0.1:0".parse().expect("an address"),
        token: None,
        hosts: Vec::new(),
        idle: Duration::from_secs(5),
    };
    let http = Http::bind(options, Arc::new(access), executors(&folder)).await;
    let http = http.expect("it listens");
    let address = http.url();
    let address = address
        .trim_start_matches("http://")
        .trim_end_matches("/mcp")
        .to_owned();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(http.serve(async {
        let _ = stopped.await;
    }));
    let begun = house::sends(&address, "POST", "/mcp", &[], INITIALIZE).await;
    let session = begun.header("mcp-session-id").expect("a session");
    let headers = [("mcp-session-id", session)];
    let sends = async |message: Value| {
        house::sends(&address, "POST", "/mcp", &headers, &message.to_string()).await
    };
    sends(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let arguments = json!({"command": "echo $PPID > executor; echo $$ > command; exec sleep 1000", "wait_seconds": 0});
    let params = json!({"name": "run", "arguments": arguments});
    let ran = sends(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}));
    assert_eq!(ran.await.status, 200);
    let (executor, command) = (
        pid(&folder.path().join("executor")).await,
        pid(&folder.path().join("command")).await,
    );
    // Nothing more comes of it.
    is_gone(command).await;
    is_gone(executor).await;
    let list = sends(json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})).await;
    assert_eq!(list.status, 404, "{list:?}");
    drop(stop);
    soon(serving).await.expect("it ends");
}
