//! Policies that ask: the question reaches whoever sits at the MCP client, and only a clear yes lets the action be done.

use std::path::Path;

use rmcp::ClientLifecycleMode;
use rmcp::model::{
    CallToolResponse, ClientRequest, ElicitResult, ElicitationAction, InputRequest, ProtocolVersion,
};
use rmcp::service::PeerRequestOptions;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::person::{Person, Says};
use crate::{Agent, Folder, command, request, soon};

/// A folder whose executor asks about everything.
fn asking(seconds: u64) -> Folder {
    let folder = Folder::new();
    let policy = format!("[policy]\ndefault = \"ask\"\nask_seconds = {seconds}\n");
    folder.put("config/lockgate.toml", policy);
    folder
}

const ARGUMENTS: [&str; 3] = ["--unrestricted", "--config", "config/lockgate.toml"];

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}

#[tokio::test]
async fn what_a_person_allows_is_done() {
    let folder = asking(60);
    for lifecycle in [ClientLifecycleMode::Initialize, newest()] {
        let person = Person::saying([Says::Allow]);
        let command = command(folder.path(), &ARGUMENTS);
        let agent = Agent::speaking(lifecycle, person.clone(), command).await;
        let ran = agent.does("run", json!({"argv": ["echo", "a b"]})).await;
        assert_eq!(ran["stdout"], "a b\n");
        let asked = person.asked();
        let [question] = &asked[..] else {
            panic!("one question: {asked:?}");
        };
        assert!(
            question.contains("The operator of this executor asks")
                && question.contains("\nprogram: ")
                && question.contains(r#"arguments: ["echo","a b"]"#),
            "{question}"
        );
        agent.ends().await;
    }
}

#[tokio::test]
async fn a_question_about_a_command_shows_what_its_call_sets_and_gives_it() {
    let folder = asking(60);
    let cat = "cat; echo $LD_NOTHING";
    for (arguments, shows) in [
        (
            json!({"command": cat, "env": {"LD_NOTHING": "a\nb"}, "stdin": "of it\n"}),
            "\nvariables it sets: LD_NOTHING=\"a\\nb\"\ninput: 6 bytes, \"of it\\n\"\nconfined: by nothing of lockgate\narguments: [",
        ),
        (
            json!({"argv": ["true"], "interactive": true}),
            "\ninput: whatever is written to it later",
        ),
        (
            json!({"argv": ["true"], "tty": true}),
            "\ninput: a terminal, with whatever is written to it later",
        ),
    ] {
        let person = Person::saying([Says::Allow]);
        let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
        let ran = agent.does("run", arguments.clone()).await;
        let asked = person.asked();
        assert!(asked[0].contains(shows), "{}", asked[0]);
        if arguments["stdin"].is_string() {
            assert_eq!(ran["stdout"], "of it\na b\n");
        }
        agent.ends().await;
    }
}

#[tokio::test]
async fn a_profile_of_files_is_not_said_to_confine_a_command() {
    let folder = asking(60);
    let person = Person::saying([Says::Allow]);
    let arguments = [
        "--process-sandbox",
        "external",
        "--config",
        "config/lockgate.toml",
    ];
    let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
    let ran = agent
        .does("run", json!({"command": "head -c 4 /etc/passwd"}))
        .await;
    assert_eq!(ran["stdout"], "root");
    let asked = person.asked();
    let line = asked[0].lines().find(|line| line.starts_with("confined"));
    let line = line.expect("a line about it");
    assert!(
        line.starts_with("confined: by nothing of lockgate: the profile of files does not hold"),
        "{line}"
    );
    agent.ends().await;
}

#[tokio::test]
async fn anything_but_a_clear_yes_is_a_no_that_says_why() {
    let folder = asking(60);
    for lifecycle in [ClientLifecycleMode::Initialize, newest()] {
        for (says, words) in [
            (Says::Deny, "a person was asked and denied it"),
            (Says::Declines, "a person was asked and declined"),
            (Says::Dismisses, "dismissed the question"),
            (Says::Nonsense, "did not say `allow` or `deny`"),
        ] {
            let person = Person::saying([says.clone()]);
            let command = command(folder.path(), &ARGUMENTS);
            let agent = Agent::speaking(lifecycle.clone(), person, command).await;
            let refused = agent
                .cannot("run", json!({"argv": ["touch", "done"]}))
                .await;
            assert!(refused.contains(words), "{says:?}: {refused}");
            assert!(!folder.path().join("done").exists(), "{says:?}");
            agent.ends().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_fails_or_cannot_ask_is_a_no_that_says_so() {
    let folder = asking(60);
    for (person, words) in [
        (Person::saying([Says::Fails]), "the MCP client did not ask"),
        (Person::nobody(), "it has not announced elicitation"),
    ] {
        let agent = Agent::with(person, folder.path(), &ARGUMENTS).await;
        let refused = agent
            .cannot("run", json!({"argv": ["touch", "done"]}))
            .await;
        assert!(refused.contains(words), "{refused}");
        assert!(!folder.path().join("done").exists());
        agent.ends().await;
    }
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_withdrawn_and_the_action_not_done() {
    let folder = asking(1);
    let person = Person::saying([Says::Nothing]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let refused = agent
        .cannot("run", json!({"argv": ["touch", "done"]}))
        .await;
    assert!(
        refused.contains("within 1 s") || refused.contains("in time"),
        "{refused}"
    );
    person.is_told_that_it_is_withdrawn().await;
    assert!(!folder.path().join("done").exists());
    agent.ends().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_takes_its_question_with_it() {
    let folder = asking(60);
    let person = Person::saying([Says::Nothing]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let call = ClientRequest::CallToolRequest(rmcp::model::CallToolRequest::new(request(
        "run",
        json!({"argv": ["touch", "done"]}),
    )));
    let options = PeerRequestOptions::no_options();
    let handle = soon(agent.client.send_cancellable_request(call, options)).await;
    let handle = handle.expect("sent");
    person.is_asked(1).await;
    soon(handle.cancel(None)).await.expect("sent");
    person.is_told_that_it_is_withdrawn().await;
    agent.ends().await;
    assert!(!folder.path().join("done").exists());
}

#[tokio::test]
async fn questions_of_several_calls_do_not_mix() {
    let folder = asking(60);
    folder.put("a", "of a");
    let person = Person::saying([Says::Allow, Says::Allow, Says::Allow, Says::Allow]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let (read, ran, wrote) = tokio::join!(
        agent.does("read", json!({"path": "a"})),
        agent.does("run", json!({"argv": ["echo", "ran"]})),
        agent.does("write", json!({"path": "b", "content": "of b"})),
    );
    assert_eq!(
        (&read["text"], &ran["stdout"]),
        (&json!("of a"), &json!("ran\n"))
    );
    assert_eq!(
        (&wrote["created"], folder.text("b").as_str()),
        (&json!(true), "of b")
    );
    assert_eq!(person.asked().len(), 3, "{:?}", person.asked());
    agent.ends().await;
}

#[tokio::test]
async fn an_incomplete_call_is_taken_up_only_by_the_same_call() {
    let folder = asking(60);
    let command = command(folder.path(), &ARGUMENTS);
    let agent = Agent::speaking(newest(), Person::saying([]), command).await;
    let touch = |name: &str| request("run", json!({"argv": ["touch", name]}));
    let response = soon(agent.client.call_tool_once(touch("one"))).await;
    let Ok(CallToolResponse::InputRequired(required)) = response else {
        panic!("a question: {response:?}");
    };
    let state = required.request_state.expect("a state");
    let requests = required.input_requests.expect("a question");
    let (name, question) = requests.iter().next().expect("one");
    assert!(matches!(question, InputRequest::Elicitation(_)));
    let allow =
        ElicitResult::new(ElicitationAction::Accept).with_content(json!({"decision": "allow"}));
    let allow = serde_json::to_value(allow).expect("JSON");
    let answers = || [(name.clone(), allow.clone())].into();
    for (call, state) in [
        (touch("two"), state.as_str()),
        (touch("one"), "0b0b0b0b-0000-4000-8000-000000000000"),
    ] {
        let call = call
            .with_request_state(state)
            .with_input_responses(answers());
        let refused = soon(agent.client.call_tool_once(call)).await;
        let refused = refused.expect_err("another call");
        assert!(refused.to_string().contains("requestState"), "{refused}");
    }
    assert!(!folder.path().join("two").exists() && !folder.path().join("one").exists());
    let again = touch("one")
        .with_request_state(state.as_str())
        .with_input_responses(answers());
    let done = soon(agent.client.call_tool_once(again.clone())).await;
    assert!(
        matches!(done, Ok(CallToolResponse::Complete(_))),
        "{done:?}"
    );
    assert!(folder.path().join("one").exists());
    let twice = soon(agent.client.call_tool_once(again)).await;
    assert!(twice.is_err(), "an answer counts once: {twice:?}");
    agent.ends().await;
}

#[tokio::test]
async fn what_is_written_to_a_process_can_be_asked_about_as_well() {
    let folder = Folder::new();
    let built =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/test-policy-hostile.wasm");
    let policy = std::fs::read(built).expect("a built policy");
    let digest: String = Sha256::digest(&policy)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    folder.put("config/policy.wasm", policy);
    // It asks about what is written if that is the word.
    let module = format!(
        "[policy]\ndefault = \"allow\"\n[[policy.module]]\npath = \"policy.wasm\"\nsha256 = \"{digest}\"\nactions = [\"process-write\"]\n"
    );
    folder.put("config/lockgate.toml", module);
    let person = Person::saying([Says::Allow, Says::Deny]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let ran = agent
        .does(
            "run",
            json!({"argv": ["cat", "-u"], "interactive": true, "wait_seconds": 1}),
        )
        .await;
    let write = json!({"process": ran["process"], "text": "ask\n"});
    let wrote = agent.does("process_write", write.clone()).await;
    assert_eq!(wrote["stdout"], "ask\n");
    let refused = agent.cannot("process_write", write).await;
    assert!(
        refused.contains("a person was asked and denied it"),
        "{refused}"
    );
    let asked = person.asked();
    assert!(
        asked[0].contains("Policy \"hostile\" (rule told) asks: may it?"),
        "{asked:?}"
    );
    assert!(
        asked[0].contains("write to \"cat\" (process \"p-")
            && asked[0].contains("\")\nstarted as: [\"cat\",\"-u\"]\ninput: 4 bytes, \"ask\\n\""),
        "{asked:?}"
    );
    agent.ends().await;
}

#[tokio::test]
async fn attack_35_questions_that_nobody_comes_back_for_are_bounded() {
    let folder = asking(60);
    let command = command(folder.path(), &ARGUMENTS);
    let agent = Agent::speaking(newest(), Person::saying([]), command).await;
    let mut refused = 0;
    for _ in 0..40 {
        let read = request("read", json!({"path": "config/lockgate.toml"}));
        match soon(agent.client.call_tool_once(read))
            .await
            .expect("an answer")
        {
            CallToolResponse::InputRequired(_) => assert_eq!(refused, 0),
            CallToolResponse::Complete(result) => {
                assert!(
                    crate::text(&result).contains("too many questions"),
                    "{result:?}"
                );
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 8);
    agent.ends().await;
}

#[tokio::test]
async fn what_is_not_there_is_asked_about_once() {
    let folder = asking(60);
    let arguments = ["--config", "config/lockgate.toml"];
    for (tool, call) in [
        ("read", json!({"path": "no/such/file/here"})),
        ("list", json!({"path": "no/such/file/here"})),
        (
            "search",
            json!({"path": "no/such/file/here", "pattern": "x"}),
        ),
        (
            "edit",
            json!({"path": "no/such/file/here", "edits": [{"old_text": "x", "new_text": "y"}]}),
        ),
    ] {
        let person = Person::saying(vec![Says::Allow; 10]);
        let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
        let refused = agent.cannot(tool, call).await;
        assert!(refused.contains("No such file"), "{refused}");
        assert_eq!(person.asked().len(), 1, "{tool}: {:?}", person.asked());
        agent.ends().await;
    }
}

#[tokio::test]
async fn nobody_is_asked_about_what_cannot_be_done_on_any_machine() {
    let folder = asking(60);
    let person = Person::saying(vec![Says::Allow; 10]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    for (call, words) in [
        (
            json!({"argv": ["true"], "env": {"": "x"}}),
            "a name that is empty or contains '='",
        ),
        (
            json!({"argv": ["true"], "env": {"A=B": "x"}}),
            "a name that is empty or contains '='",
        ),
        (
            json!({"argv": ["true"], "env": {"A\0": "x"}}),
            "env contains a NUL",
        ),
        (
            json!({"argv": ["true"], "env": {"A": "\0"}}),
            "env contains a NUL",
        ),
        (json!({"argv": ["true", "\0"]}), "argv contains a NUL"),
        (json!({"command": "true \0"}), "argv contains a NUL"),
        (json!({"argv": []}), "must not be empty"),
        (json!({"argv": ["true"], "cwd": "a\0"}), "NUL"),
    ] {
        let refused = agent.cannot("run", call.clone()).await;
        assert!(refused.contains(words), "{call}: {refused}");
    }
    let same = json!([{"old_text": "x", "new_text": "x"}]);
    agent
        .cannot("edit", json!({"path": "a", "edits": same}))
        .await;
    assert!(person.asked().is_empty(), "{:?}", person.asked());
    agent.ends().await;
}

#[tokio::test]
async fn calls_about_the_same_are_asked_about_each() {
    let folder = asking(60);
    folder.put("a", "of a");
    let person = Person::saying([Says::Allow, Says::Deny, Says::Allow]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let read = || agent.asks("read", json!({"path": "a"}));
    let (one, two, three) = tokio::join!(read(), read(), read());
    let errors = [one, two, three].map(|result| result.is_error == Some(true));
    assert_eq!(
        errors.iter().filter(|error| **error).count(),
        1,
        "{errors:?}"
    );
    assert_eq!(person.asked().len(), 3);
    agent.ends().await;
}
