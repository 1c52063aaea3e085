//! Policies are exchanged under a server that goes on.

use lockgate_e2e::{Server, Wire};
use rustix::process::Signal;
use serde_json::json;

use crate::{Operator, answers, built, module};

/// Whether `printenv` may be started.
async fn may_start(wire: &mut Wire, id: &str) -> bool {
    let params = json!({"processId": id, "argv": ["/usr/bin/printenv"], "cwd": "/", "env": {}, "tty": false});
    match wire.call("process/start", params).await {
        Ok(_) => true,
        Err(refusal) => {
            assert!(
                refusal
                    .message
                    .starts_with("policy \"readonly\" denies this"),
                "{refusal:?}"
            );
            false
        }
    }
}

fn hang_up(server: &Server) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(server.proper()).expect("a pid"));
    rustix::process::kill_process(pid.expect("a pid"), Signal::HUP).expect("signalled");
}

#[tokio::test]
async fn at_sighup_the_policies_are_others_and_no_request_is_lost() {
    let operator = Operator::with("policy-readonly", "");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    assert!(!may_start(&mut wire, "a").await);
    // Requests under way all the time, each of which has to be answered.
    let mut busy = Wire::ready(&server).await;
    let (end, mut ended) = tokio::sync::oneshot::channel::<()>();
    let reader = tokio::spawn(async move {
        let mut answered = 0;
        while ended.try_recv().is_err() {
            let mut ids = Vec::new();
            for _ in 0..32 {
                ids.push(busy.request("fs/getMetadata", json!({"path": "/"})).await);
            }
            for answer in answers(&mut busy, &ids).await.values() {
                assert!(answer.get("result").is_some(), "{answer}");
                answered += 1;
            }
        }
        answered
    });
    let bytes = built("policy-readonly");
    let text = module(&bytes, "program /usr/bin/printenv\n");
    operator.configures(&format!("[policy]\nlog = \"decisions.jsonl\"\n{text}"));
    hang_up(&server);
    operator.has_said("has other settings", 1).await;
    assert!(may_start(&mut wire, "b").await);
    let _ = end.send(());
    assert!(reader.await.expect("no request was lost") > 0);
}

#[tokio::test]
async fn a_file_that_changes_is_taken_up_by_itself() {
    let operator = Operator::with("policy-readonly", "");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    assert!(!may_start(&mut wire, "a").await);
    let text = module(&built("policy-readonly"), "program /usr/bin/printenv\n");
    operator.configures(&text);
    operator.has_said("what holds now is readonly", 1).await;
    assert!(may_start(&mut wire, "b").await);
    // It is told before it is done, which takes seconds where a text has to be compiled.
    let said = operator.says();
    let at = |words: &str| {
        said.find(words)
            .unwrap_or_else(|| panic!("{words}: {said}"))
    };
    let seen = at(
        "lockgate.toml or what it names has changed and is being prepared; until it is ready, readonly decides as before",
    );
    assert!(seen < at("has other settings") && seen < at("what holds now is readonly"));
    // The log was taken out of the configuration with it.
    assert_eq!(operator.decisions(1).await.len(), 1);
}

#[tokio::test]
async fn attack_28_a_bad_new_version_leaves_the_old_one_in_its_place() {
    let operator = Operator::with("policy-readonly", "");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    operator.puts("policy.wasm", "no component");
    operator
        .has_said("policy readonly stays as it was", 1)
        .await;
    assert!(!may_start(&mut wire, "a").await);
    operator.configures("[policy]\ndefault = \"alow\"\n");
    operator
        .has_said("the policies stay as they were: ", 1)
        .await;
    assert!(!may_start(&mut wire, "b").await);
    operator.configures("# nothing\n");
    operator.has_said("there is no [policy]", 1).await;
    assert!(!may_start(&mut wire, "c").await);
    assert!(
        operator.says().contains("lockgate.toml:2: `default`"),
        "{}",
        operator.says()
    );
    // Put right again, it goes on.
    operator.puts("policy.wasm", built("policy-readonly"));
    operator.configures(&module(
        &built("policy-readonly"),
        "program /usr/bin/printenv\n",
    ));
    operator.has_said("has other settings", 1).await;
    assert!(may_start(&mut wire, "d").await);
}

/// Whoever writes the file takes a break: what is there so far is a configuration in itself, which allows everything.
#[tokio::test]
async fn attack_28_a_configuration_that_is_half_written_gives_no_policy_up() {
    let operator = Operator::with("policy-readonly", "");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let half = "[policy]\ndefault = \"allow\"\n";
    std::fs::write(operator.path("lockgate.toml"), half).expect("written");
    operator
        .has_said("does not name readonly any more", 1)
        .await;
    assert!(!may_start(&mut wire, "a").await);
    let whole = format!(
        "{half}{}",
        module(&built("policy-readonly"), "program /bin/false\n")
    );
    std::fs::write(operator.path("lockgate.toml"), whole).expect("written");
    operator.has_said("has other settings", 1).await;
    assert!(!may_start(&mut wire, "b").await);
    // If it is meant, the operator can say so.
    std::fs::write(operator.path("lockgate.toml"), half).expect("written");
    operator
        .has_said("does not name readonly any more", 2)
        .await;
    hang_up(&server);
    operator
        .has_said("what holds now is the default alone", 1)
        .await;
    assert!(may_start(&mut wire, "c").await);
}

#[tokio::test]
async fn without_policies_sighup_ends_the_server_as_ever() {
    let mut server = Server::start();
    hang_up(&server);
    assert!(server.wait().success());
}

/// What came after the start is kept from clients like the rest, and that is said once: the log is among it.
#[tokio::test]
async fn attack_28_files_that_are_named_later_are_kept_and_told() {
    let operator = Operator::with("test-policy-hostile", "# nothing is told\n");
    let server = operator.starts();
    assert!(
        operator.says().contains("this user can write "),
        "{}",
        operator.says()
    );
    let mut wire = Wire::ready(&server).await;
    let log = operator.path("later.jsonl");
    let write = json!({"path": log, "dataBase64": "AAAA"});
    let text = module(&built("test-policy-hostile"), "# nothing is told\n");
    operator.configures(&format!(
        "[policy]\ndefault = \"allow\"\nlog = \"later.jsonl\"\n{text}"
    ));
    operator.has_said("what holds now is", 1).await;
    let said = format!("no client may write {} from now on", log.display());
    operator.has_said(&said, 1).await;
    let refusal = wire.call("fs/writeFile", write).await.expect_err("kept");
    assert!(
        refusal.message.contains("this executor's own files"),
        "{refusal:?}"
    );
    operator.configures(&format!(
        "[policy]\ndefault = \"ask\"\nlog = \"later.jsonl\"\n{text}"
    ));
    operator.has_said("what holds now is", 2).await;
    assert_eq!(operator.says().matches(&said).count(), 1);
}

/// What only a start reads is not taken up with the policies, and that is said once for each change.
#[tokio::test]
async fn what_only_a_start_reads_is_told_when_it_changes() {
    let operator = Operator::with("policy-readonly", "");
    let _server = operator.starts();
    let policies = format!("[policy]\n{}", module(&built("policy-readonly"), ""));
    let said = "what has changed outside of [policy] holds from the next start on";
    // The decision log went, which is part of [policy]: nothing is said of the rest.
    operator.configures(&policies);
    operator.has_said("what holds now is readonly", 1).await;
    assert_eq!(operator.says().matches(said).count(), 0);
    operator.configures(&format!("{policies}\n[files]\npath_back_end = \"walk\"\n"));
    operator.has_said("what holds now is readonly", 2).await;
    operator.has_said(said, 1).await;
    // The same rest again, beside another policy section.
    operator.configures(&format!(
        "{}\n[files]\npath_back_end = \"walk\"\n",
        policies.replacen("[policy]", "[policy]\ndefault = \"ask\"", 1)
    ));
    operator.has_said("what holds now is readonly", 3).await;
    assert_eq!(operator.says().matches(said).count(), 1);
}
