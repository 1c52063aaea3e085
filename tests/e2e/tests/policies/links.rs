//! Links that clients make where policies are asked: what is made leads where the policies were told, or it is not made.

use std::fs;

use lockgate_e2e::Wire;
use serde_json::json;

use crate::Operator;

#[tokio::test]
async fn attack_03_a_link_that_leads_elsewhere_than_policies_can_be_told_is_not_made() {
    let operator = Operator::with("test-policy-hostile", "# nothing is told\n");
    fs::create_dir(operator.path("ws")).expect("made");
    operator.puts("secret", "outside");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let link = |name: &str, target: &str| json!({"path": operator.path("ws").join(name), "target": target});
    // `a/..` is not the folder that a is in: a is a link.
    let above = operator.path("ws");
    let above = link("a", above.to_str().expect("UTF-8"));
    wire.call("lockgate/fs/symlink", above).await.expect("made");
    let whole = operator.path("ws/a/../secret").display().to_string();
    for target in ["a/../secret", "./a/./../secret", whole.as_str()] {
        let refusal = wire.call("lockgate/fs/symlink", link("b", target)).await;
        let refusal = refusal.expect_err("nobody can tell where it leads");
        assert!(
            refusal.message.contains("without `..` behind a name"),
            "{refusal:?}"
        );
        let operations = json!([{"method": "lockgate/fs/symlink", "params": link("b", target)}]);
        let answer = wire
            .call("lockgate/fs/batch", json!({"operations": operations}))
            .await;
        let answer = answer.expect("a batch");
        assert!(answer["results"][0]["error"].is_object(), "{answer}");
    }
    assert!(operator.path("ws/b").symlink_metadata().is_err());

    // What stands before a place does not hide it, however long it is.
    let padded = format!("{}../secret", "./".repeat(2040));
    wire.call("lockgate/fs/symlink", link("c", &padded))
        .await
        .expect("made");
    let decisions = operator.decisions(2).await;
    let last = decisions.last().expect("a decision");
    let place = operator.path("secret").display().to_string();
    assert_eq!(last["action"]["paths"][1]["path"], json!(place), "{last}");
}

#[tokio::test]
async fn a_link_says_what_it_is_told_to_where_no_policy_is_asked() {
    let server = lockgate_e2e::Server::start();
    let mut wire = Wire::ready(&server).await;
    let home = tempfile::tempdir().expect("a directory");
    let link = json!({"path": home.path().join("b"), "target": "a/../secret"});
    wire.call("lockgate/fs/symlink", link).await.expect("made");
    let says = fs::read_link(home.path().join("b")).expect("a link");
    assert_eq!(says.to_str(), Some("a/../secret"));
}
