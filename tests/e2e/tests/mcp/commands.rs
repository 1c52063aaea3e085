//! `run`, and going on with what it left running.

use std::path::Path;

use lockgate_e2e::{Server, is_running};
use rmcp::model::{CallToolRequest, ClientRequest};
use rmcp::service::PeerRequestOptions;
use serde_json::json;

use crate::person::Person;
use crate::{Agent, Folder, request, soon};

const FREE: [&str; 1] = ["--unrestricted"];

/// The process whose number a command writes into that file.
pub(crate) async fn pid(file: &Path) -> u32 {
    soon(async {
        loop {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if let Some(pid) = text.strip_suffix('\n') {
                return pid.parse().expect("a number");
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
}

pub(crate) async fn is_gone(pid: u32) {
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_command_runs_to_its_end_where_nothing_is_restricted() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let ran = agent
        .does("run", json!({"command": "pwd; echo oops >&2; exit 3"}))
        .await;
    assert_eq!(ran["stdout"], format!("{}\n", folder.path().display()));
    assert_eq!(
        (&ran["stderr"], &ran["exit_code"]),
        (&json!("oops\n"), &json!(3))
    );
    assert_eq!(
        (&ran["status"], &ran["process"]),
        (&json!("exited"), &json!(null))
    );
    agent.ends().await;
}

#[tokio::test]
async fn input_variables_and_directory_are_the_commands() {
    let folder = Folder::new();
    folder.put("below/x", "");
    let agent = Agent::start(folder.path(), &FREE).await;
    let arguments = json!({"command": "cat; echo $A; pwd", "stdin": "in\n", "env": {"A": "b c"}, "cwd": "below"});
    let ran = agent.does("run", arguments).await;
    let expected = format!("in\nb c\n{}/below\n", folder.path().display());
    assert_eq!(ran["stdout"], expected);
    agent.ends().await;
}

#[tokio::test]
async fn what_takes_longer_goes_on_under_a_handle() {
    let folder = Folder::new();
    let person = Person::nobody();
    let agent = Agent::with(person.clone(), folder.path(), &FREE).await;
    let arguments = json!({"command": "echo begun; read line; echo got $line; exec sleep 1000", "interactive": true, "wait_seconds": 1});
    let ran = agent.does("run", arguments).await;
    assert_eq!(
        (&ran["status"], &ran["stdout"]),
        (&json!("running"), &json!("begun\n"))
    );
    let process = ran["process"].as_str().expect("a handle");
    let wrote = agent
        .does("process_write", json!({"process": process, "text": "it\n"}))
        .await;
    assert_eq!(wrote["stdout"], "got it\n");
    let nothing = agent
        .does(
            "process_output",
            json!({"process": process, "wait_seconds": 2}),
        )
        .await;
    assert_eq!(
        (&nothing["status"], &nothing["stdout"]),
        (&json!("running"), &json!(""))
    );
    let told = person.sees_progress(1).await;
    assert!(
        told[0]
            .message
            .as_deref()
            .is_some_and(|words| words.contains(" s")),
        "{told:?}"
    );
    let stopped = agent
        .does("process_stop", json!({"process": process}))
        .await;
    assert_eq!(
        (&stopped["status"], &stopped["exit_code"]),
        (&json!("stopped"), &json!(143))
    );
    let gone = agent
        .cannot("process_output", json!({"process": process}))
        .await;
    assert!(gone.contains("no process"), "{gone}");
    agent.ends().await;
}

#[tokio::test]
async fn a_command_that_is_deaf_to_its_end_is_killed_when_its_time_is_over() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let arguments = json!({"command": "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done", "timeout_seconds": 1});
    let ran = agent.does("run", arguments).await;
    assert_eq!(
        (&ran["status"], &ran["exit_code"]),
        (&json!("timed_out"), &json!(-1))
    );
    is_gone(pid(&folder.path().join("pid")).await).await;
    agent.ends().await;
}

#[tokio::test]
async fn what_a_command_left_in_the_background_ends_when_it_is_stopped_and_when_its_time_is_over() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let background = |name: &str, deaf: &str| {
        format!(
            "({deaf} echo $BASHPID > {name}; while :; do sleep 0.1; done) & while [ ! -s {name} ]; do sleep 0.01; done; echo hi"
        )
    };
    for (name, deaf) in [("polite", ""), ("deaf", "trap '' TERM;")] {
        let argv = ["bash", "-c", &background(name, deaf)];
        let ran = agent.does("run", json!({"argv": argv})).await;
        assert_eq!(
            (&ran["status"], &ran["stdout"]),
            (&json!("exited"), &json!("hi\n"))
        );
        let left = pid(&folder.path().join(name)).await;
        assert!(is_running(left));
        agent
            .does("process_stop", json!({"process": ran["process"]}))
            .await;
        is_gone(left).await;
    }
    let argv = ["bash", "-c", &background("late", "")];
    agent
        .does("run", json!({"argv": argv, "timeout_seconds": 1}))
        .await;
    is_gone(pid(&folder.path().join("late")).await).await;
    agent.ends().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_ends_its_command() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let arguments = json!({"command": "echo $$ > pid; exec sleep 1000"});
    let call = ClientRequest::CallToolRequest(CallToolRequest::new(request("run", arguments)));
    let options = PeerRequestOptions::no_options();
    let handle = soon(agent.client.send_cancellable_request(call, options)).await;
    let handle = handle.expect("sent");
    let pid = pid(&folder.path().join("pid")).await;
    soon(handle.cancel(None)).await.expect("sent");
    is_gone(pid).await;
    agent.ends().await;
}

#[tokio::test]
async fn what_a_session_started_ends_with_it() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let arguments = json!({"command": "echo $$ > pid; exec sleep 1000", "wait_seconds": 1});
    let ran = agent.does("run", arguments).await;
    assert_eq!(ran["status"], "running");
    let pid = pid(&folder.path().join("pid")).await;
    agent.ends().await;
    is_gone(pid).await;
}

#[tokio::test]
async fn output_without_end_is_told_with_its_beginning_and_its_end() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let arguments =
        json!({"command": "echo first; yes | head -c 20000000; echo last", "max_bytes": 2048});
    let ran = agent.does("run", arguments).await;
    let stdout = ran["stdout"].as_str().expect("text");
    assert!(stdout.starts_with("first\n") && stdout.ends_with("last\n"));
    assert!(
        stdout.len() < 4096 && stdout.contains("bytes left out"),
        "{}",
        stdout.len()
    );
    assert!(
        ran["omitted_bytes"]
            .as_u64()
            .is_some_and(|omitted| omitted > 19_000_000),
        "{}",
        ran["omitted_bytes"]
    );
    agent.ends().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_to_be_not_there() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let refused = agent
        .cannot("run", json!({"argv": ["no-such-program"]}))
        .await;
    assert!(
        refused.contains("no-such-program") && refused.contains("No such file"),
        "{refused}"
    );
    for (arguments, words) in [
        (json!({}), "exactly one of"),
        (json!({"command": "ls", "argv": ["ls"]}), "exactly one of"),
        (json!({"argv": []}), "must not be empty"),
        (
            json!({"command": "ls", "wait_seconds": 100_000}),
            "at most 600",
        ),
        (json!({"command": "ls", "wait": 1}), "unknown field `wait`"),
        (json!({"command": 1}), "invalid type"),
    ] {
        let refused = agent.cannot("run", arguments).await;
        assert!(refused.contains(words), "{refused}");
    }
    agent.ends().await;
}

#[tokio::test]
async fn arguments_mean_nothing_to_a_shell() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &FREE).await;
    let word = "$(touch made); touch made `touch made` && > made";
    let ran = agent.does("run", json!({"argv": ["echo", word]})).await;
    assert_eq!(ran["stdout"], format!("{word}\n"));
    assert!(!folder.path().join("made").exists());
    agent.ends().await;
}

#[tokio::test]
async fn variables_that_look_like_secrets_are_kept_from_commands() {
    let folder = Folder::new();
    for (arguments, seen) in [
        (&FREE[..], ""),
        (&["--unrestricted", "--all-variables"], "s3cret"),
    ] {
        let mut command = crate::command(folder.path(), arguments);
        command.env("DEPLOY_TOKEN", "s3cret");
        let lifecycle = rmcp::ClientLifecycleMode::Initialize;
        let agent = Agent::speaking(lifecycle, Person::nobody(), command).await;
        let ran = agent
            .does("run", json!({"command": "echo $DEPLOY_TOKEN"}))
            .await;
        assert_eq!(ran["stdout"], format!("{seen}\n"), "{arguments:?}");
        agent.ends().await;
    }
}

#[tokio::test]
async fn an_executor_elsewhere_that_takes_no_profile_for_commands_says_what_to_start_it_with() {
    let folder = Folder::new();
    let at = folder.path().to_str().expect("text");
    let server = Server::start();
    let arguments = [
        "--url",
        server.url(),
        "--cwd",
        at,
        "--process-sandbox",
        "external",
    ];
    let agent = Agent::start(folder.path(), &arguments).await;
    let refused = agent.cannot("run", json!({"command": "touch done"})).await;
    assert!(
        refused.contains("`lockgate serve --process-sandbox external`"),
        "{refused}"
    );
    assert!(!folder.path().join("done").exists());
    agent.ends().await;
}
