//! Sessions over Streamable HTTP: the SDK's client in both ages of the protocol.

use lockgate_e2e::is_running;
use rmcp::ClientLifecycleMode;
use rmcp::model::ProtocolVersion;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::house::{House, INITIALIZE};
use crate::person::{Person, Says};
use crate::{Folder, request, soon};

fn both() -> [ClientLifecycleMode; 2] {
    let newest = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    [ClientLifecycleMode::Initialize, newest]
}

#[tokio::test]
async fn the_sdks_client_works_in_both_ages_of_the_protocol() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    for lifecycle in both() {
        let client = house.client(Person::nobody(), lifecycle).await;
        let tools = soon(client.list_all_tools()).await.expect("tools");
        assert!(tools.iter().any(|tool| tool.name == "run"));
        let write = request("write", json!({"path": "a", "content": "x\n"}));
        soon(client.call_tool(write)).await.expect("written");
        let run = request(
            "run",
            json!({"command": "cat a; exec sleep 1000", "wait_seconds": 1}),
        );
        let ran = soon(client.call_tool(run)).await.expect("run");
        let ran = ran.structured_content.expect("structured");
        assert_eq!(
            (&ran["stdout"], &ran["status"]),
            (&json!("x\n"), &json!("running"))
        );
        // It is there in another request of the same client, also where there are no sessions.
        let stop = request("process_stop", json!({"process": ran["process"]}));
        let stopped = soon(client.call_tool(stop)).await.expect("stopped");
        let stopped = stopped.structured_content.expect("structured");
        assert_eq!(stopped["status"], "stopped", "{stopped}");
        soon(client.cancel()).await.expect("it ends");
    }
}

#[tokio::test]
async fn questions_reach_a_person_over_http() {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    let arguments = ["--unrestricted", "--config", "config/lockgate.toml"];
    let house = House::start(folder.path(), &arguments).await;
    for lifecycle in both() {
        for (says, is_error) in [(Says::Allow, false), (Says::Deny, true)] {
            let person = Person::saying([says]);
            let client = house.client(person.clone(), lifecycle.clone()).await;
            let run = request("run", json!({"argv": ["true"]}));
            let ran = soon(client.call_tool(run)).await.expect("an answer");
            assert_eq!(ran.is_error, Some(is_error), "{ran:?}");
            assert_eq!(person.asked().len(), 1);
            soon(client.cancel()).await.expect("it ends");
        }
    }
}

#[tokio::test]
async fn what_one_client_asks_for_is_never_decided_by_the_person_of_another() {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    folder.put("a", "of a\n");
    let arguments = ["--unrestricted", "--config", "config/lockgate.toml"];
    let house = House::start(folder.path(), &arguments).await;
    // These share one connection to the executor, and their calls are equal in everything.
    let [_, newest] = both();
    for _ in 0..5 {
        let yes = Person::saying(std::iter::repeat_n(Says::Allow, 20));
        let no = Person::saying(std::iter::repeat_n(Says::Deny, 20));
        let allowed = house.client(yes.clone(), newest.clone()).await;
        let denied = house.client(no.clone(), newest.clone()).await;
        let write = || request("write", json!({"path": "a", "content": "of a\n"}));
        let read = || request("read", json!({"path": "a"}));
        for call in [read, write] {
            let (done, other, refused) = tokio::join!(
                soon(allowed.call_tool(call())),
                soon(allowed.call_tool(call())),
                soon(denied.call_tool(call())),
            );
            for result in [done, other] {
                let result = result.expect("an answer");
                assert_ne!(result.is_error, Some(true), "{result:?}");
            }
            let refused = crate::text(&refused.expect("an answer"));
            assert!(
                refused.contains("a person was asked and denied it"),
                "{refused}"
            );
        }
        assert_eq!(no.asked().len(), 2, "{:?}", no.asked());
        for client in [allowed, denied] {
            soon(client.cancel()).await.expect("it ends");
        }
    }
}

#[tokio::test]
async fn a_session_sees_no_processes_of_another_and_takes_its_own_with_it() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    let one = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let other = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let run = request(
        "run",
        json!({"command": "echo $$; exec sleep 1000", "wait_seconds": 1}),
    );
    let ran = soon(one.call_tool(run)).await.expect("run");
    let ran = ran.structured_content.expect("structured");
    let pid: u32 = ran["stdout"]
        .as_str()
        .and_then(|text| text.trim().parse().ok())
        .expect("a number");
    let look = request("process_output", json!({"process": ran["process"]}));
    let looked = soon(other.call_tool(look)).await.expect("an answer");
    assert_eq!(looked.is_error, Some(true), "{looked:?}");
    // The client deletes its session.
    soon(one.cancel()).await.expect("it ends");
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    soon(other.cancel()).await.expect("it ends");
}

#[tokio::test]
async fn sigterm_ends_the_server_and_what_its_sessions_started() {
    let folder = Folder::new();
    let mut house = House::start(folder.path(), &["--unrestricted"]).await;
    let client = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let run = request(
        "run",
        json!({"command": "echo $$; exec sleep 1000", "wait_seconds": 1}),
    );
    let ran = soon(client.call_tool(run)).await.expect("run");
    let ran = ran.structured_content.expect("structured");
    let pid: u32 = ran["stdout"]
        .as_str()
        .and_then(|text| text.trim().parse().ok())
        .expect("a number");
    let server = house.server.id().expect("it runs");
    let server = Pid::from_raw(server.try_into().expect("a number")).expect("a number");
    kill_process(server, Signal::TERM).expect("signalled");
    let status = soon(house.server.wait()).await.expect("it ends");
    assert!(status.success(), "{status}");
    assert!(!is_running(pid));
}

#[tokio::test]
async fn attack_35_a_thousand_sessions_are_refused_and_the_others_work_on() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let house = House::start(folder.path(), &[]).await;
    let client = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let (mut begun, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let answered = house.sends("POST", "/mcp", &[], INITIALIZE).await;
        match answered.status {
            200 => begun += 1,
            503 => {
                assert!(answered.header("retry-after").is_some(), "{answered:?}");
                refused += 1;
            }
            _ => panic!("{answered:?}"),
        }
    }
    assert!(
        begun < 64 && begun + refused == 1_000,
        "{begun} begun, {refused} refused"
    );
    let read = soon(client.call_tool(request("read", json!({"path": "a"})))).await;
    assert_eq!(
        read.expect("read").structured_content.expect("structured")["text"],
        "here\n"
    );
    soon(client.cancel()).await.expect("it ends");
}

#[tokio::test]
async fn a_client_without_a_session_that_vanishes_takes_its_command_with_it() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    let version = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let arguments = json!({"command": "echo $$ > pid; exec sleep 1000", "wait_seconds": 600});
    let params = json!({"name": "run", "arguments": arguments, "_meta": meta});
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let headers = [
        ("mcp-protocol-version", version),
        ("mcp-method", "tools/call"),
        ("mcp-name", "run"),
    ];
    let calling = house.sends("POST", "/mcp", &headers, &call);
    let started = async {
        while !std::fs::read_to_string(folder.path().join("pid"))
            .is_ok_and(|text| text.ends_with('\n'))
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        answered = calling => panic!("{answered:?}"),
        () = soon(started) => {}
    }
    // The connection is gone with `calling`.
    let pid = folder.text("pid").trim().parse().expect("a number");
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
