//! Who is there, as every node of several says it.

use std::process::Stdio;

use lockgate_e2e::{Executor, Nats, Rendezvous};

use crate::tenants::{finished, listed};
use crate::work::Way;

#[test]
fn every_node_says_who_is_connected_at_any_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let nodes = [(); 3].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let token = nodes[0].token("box", "executor");
    let harness = nodes[0].token("box", "harness");
    nodes[1].token("spare", "executor");
    for node in &nodes {
        listed(node, &harness, |list| {
            let names: Vec<_> = list
                .iter()
                .map(|one| one["environment_id"].as_str())
                .collect();
            names == [Some("box"), Some("spare")]
                && list.iter().all(|one| one["connected"] == false)
        });
    }
    let executor = Executor::encrypting(nodes[0].url(), "box", &token);
    let executor = Executor::from_command(executor);
    for node in &nodes {
        listed(node, &harness, |list| list[0]["connected"] == true);
    }
    let way = Way::Encrypted {
        registry: nodes[1].url().to_owned(),
        environment: "box",
        token: harness.clone(),
    };
    let mut command = way.command(&["exec"], &["--", "cat"]);
    let child = command.stdin(Stdio::piped()).spawn().expect("it runs");
    let mut since = Vec::new();
    for node in &nodes {
        let list = listed(node, &harness, |list| {
            list[0]["harnesses"] == 1 && list[0]["streams"] == 1
        });
        since.push(list[0]["since"].as_u64().expect("a time"));
        assert_eq!(list[1]["connected"], false, "{list:?}");
    }
    assert!(since.iter().all(|one| *one == since[0]), "{since:?}");
    assert!(finished(child).status.success());
    for node in &nodes {
        listed(node, &harness, |list| list[0]["harnesses"] == 0);
    }
    drop(executor);
    for node in &nodes {
        listed(node, &harness, |list| list[0]["connected"] == false);
    }
}
