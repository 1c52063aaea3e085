//! What decisions are made of is kept where the system finds it: behind `..` after a link, and where links lead that are re-pointed while the
//! server runs.

use std::fs;
use std::os::unix::fs::symlink;

use lockgate_e2e::{Wire, tar_entry};
use serde_json::json;

use crate::{Operator, built, sha256};

/// A configuration whose policy denies the start of processes because `words` says so.
fn denying(words: &str, log: &str) -> String {
    format!(
        "[policy]\ndefault = \"allow\"\nlog = \"{log}\"\n\n[[policy.module]]\npath = \"policy.wasm\"\nsha256 = \"{}\"\nconfig_file = \"{words}\"\nactions = [\"process-start\"]\n",
        sha256(&built("test-policy-hostile"))
    )
}

const DENY: &str = "evaluate deny\n";

/// Writing this is refused, because it is the executor's own.
async fn is_kept(wire: &mut Wire, operator: &Operator, name: &str) {
    let evil = json!({"path": operator.path(name), "dataBase64": "ZXZhbHVhdGUgYWxsb3cK"});
    match wire.call("fs/writeFile", evil).await {
        Err(refusal) if refusal.message.contains("this executor's own files") => {}
        outcome => panic!("{name}: {outcome:?}"),
    }
}

async fn may_not_start(wire: &mut Wire) {
    let params =
        json!({"processId": "p", "argv": ["/bin/true"], "cwd": "/", "env": {}, "tty": false});
    let refusal = wire.call("process/start", params).await;
    let refusal = refusal.expect_err("denied");
    assert!(refusal.message.contains("as told"), "{refusal:?}");
}

#[tokio::test]
async fn attack_28_what_is_named_by_going_up_behind_a_link_is_kept_where_it_is() {
    let operator = Operator::new();
    for folder in ["opt/v1", "opt/shared", "etc"] {
        fs::create_dir_all(operator.path(folder)).expect("made");
    }
    symlink(operator.path("opt/v1"), operator.path("etc/lockgate")).expect("linked");
    operator.puts("opt/policy.wasm", built("test-policy-hostile"));
    operator.puts("opt/shared/words", DENY);
    let text = denying("shared/words", "shared/../v1/../shared/log.jsonl");
    operator.puts("opt/lockgate.toml", text);
    // Not etc/lockgate.toml: the system goes up from where the link leads.
    let server = operator.starts_with("etc/lockgate/../lockgate.toml");
    let mut wire = Wire::ready(&server).await;
    may_not_start(&mut wire).await;
    for name in [
        "opt/lockgate.toml",
        "opt/policy.wasm",
        "opt/shared/words",
        "opt/shared/log.jsonl",
    ] {
        is_kept(&mut wire, &operator, name).await;
    }
    // The link decides, too.
    let remove = json!({"path": operator.path("etc/lockgate")});
    wire.call("fs/remove", remove).await.expect_err("kept");
    let beside = json!({"path": operator.path("etc/lockgate.toml"), "dataBase64": "AAAA"});
    wire.call("fs/writeFile", beside)
        .await
        .expect("not what is read");
    may_not_start(&mut wire).await;
}

#[tokio::test]
async fn attack_28_where_a_link_leads_after_the_start_nobody_writes_either() {
    let operator = Operator::new();
    for version in ["v1", "v2"] {
        fs::create_dir(operator.path(version)).expect("made");
        operator.puts(&format!("{version}/words"), DENY);
    }
    symlink("v1", operator.path("current")).expect("linked");
    operator.puts("policy.wasm", built("test-policy-hostile"));
    operator.configures(&denying("current/words", "decisions.jsonl"));
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    is_kept(&mut wire, &operator, "v1/words").await;
    // What was opened before is held to it as well.
    let open = json!({"handleId": "tree", "path": operator.path("v2")});
    wire.call("lockgate/fs/writeTree", open)
        .await
        .expect("it is nobody's yet");

    symlink("v2", operator.path("new")).expect("linked");
    fs::rename(operator.path("new"), operator.path("current")).expect("renamed");
    let place = operator.path("v2/words");
    let said = format!("no client may write {} from now on", place.display());
    operator.has_said(&said, 1).await;
    operator.has_said("what holds now is", 1).await;

    let mut next = Wire::ready(&server).await;
    for wire in [&mut wire, &mut next] {
        // A link can lead back.
        for name in ["v2/words", "current/words", "v1/words"] {
            is_kept(wire, &operator, name).await;
        }
        may_not_start(wire).await;
    }
    let mut tar = Vec::new();
    tar_entry(
        &mut tar,
        tar::EntryType::Regular,
        "words",
        "",
        b"evaluate allow\n",
    );
    tar.resize(tar.len() + 1024, 0);
    let chunk = base64_simd::STANDARD.encode_to_string(&tar);
    let block = json!({"handleId": "tree", "offset": 0, "chunk": chunk});
    let _refused_or_reported = wire.call("lockgate/fs/writeTreeBlock", block).await;
    let finish = json!({"handleId": "tree"});
    let _refused_or_reported = wire.call("lockgate/fs/finishTree", finish).await;
    for version in ["v1/words", "v2/words"] {
        let text = fs::read_to_string(operator.path(version)).expect("there");
        assert_eq!(text, DENY, "{version}");
    }
}

#[test]
fn attack_28_a_start_that_cannot_keep_its_own_files_is_refused() {
    let operator = Operator::with("policy-readonly", "");
    symlink("loop", operator.path("loop")).expect("linked");
    let mut command = operator.command("lockgate.toml");
    let folder = operator.path("loop");
    let status = command.env("XDG_CONFIG_HOME", &folder).status();
    assert!(!status.expect("it runs").success());
    let said = operator.says();
    let name = folder.join("lockgate").display().to_string();
    assert!(
        said.contains(&format!(
            "{name} is to be kept from clients and cannot be: "
        )),
        "{said}"
    );
}
