//! The generations of the `sandbox` object beside the two that every other test runs with: the legacy policy, under
//! each of its names, and the untagged profile (PROTOCOL 6.1, 6.2).

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire};
use serde_json::{Value, json};

fn ground() -> Ground {
    // Outside of /tmp, which the legacy policy grants.
    let ground = Ground::not_temporary();
    ground.make(&[
        "ws/f=x",
        "ws/.git/config=c",
        "more/f=x",
        "more/.git/config=c",
        "out/f=o",
    ]);
    ground
}

/// A policy in each place where clients of April 2026 put it.
fn placed(policy: &Value, cwd: Value) -> [Value; 3] {
    let mut itself = policy.clone();
    itself["cwd"] = cwd.clone();
    [
        json!({"sandboxPolicy": policy, "cwd": cwd}),
        json!({"sandboxPolicy": policy, "sandboxPolicyCwd": cwd}),
        itself,
    ]
}

#[tokio::test]
async fn the_legacy_workspace_policy_is_the_profile_of_the_workspace() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let in_tmp = Ground::within("/tmp");
    for shape in Shape::BOTH {
        let ground = ground();
        for excluded in [false, true] {
            let policy = json!({
                "type": "workspace-write",
                "writable_roots": [shape.path(ground.path("more"))],
                "network_access": false,
                "exclude_tmpdir_env_var": excluded,
                "exclude_slash_tmp": excluded,
            });
            for sandbox in placed(&policy, shape.path(ground.path("ws"))) {
                let way = Way { shape, sandbox };
                let table = [
                    ("read out/f", "o"),
                    ("write out/f x", "rofs"),
                    ("write ws/f y", "ok"),
                    ("write more/f y", "ok"),
                    ("write ws/.git/config x", "rofs"),
                    ("write more/.git/config x", "rofs"),
                    ("mkdir ws/.codex", "rofs"),
                    ("mkdir ws/.agents", "rofs"),
                ];
                ground.table(&mut wire, &way, &table).await;
                let wanted = if excluded { "rofs" } else { "ok" };
                assert_eq!(in_tmp.run(&mut wire, &way, "write f x").await, wanted);
            }
        }
        assert_eq!(ground.text("out/f"), "o");
    }
}

#[tokio::test]
async fn the_legacy_read_only_policy_reads_everything_and_writes_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        for sandbox in placed(&json!({"type": "read-only"}), shape.path(ground.path("ws"))) {
            let table = [
                ("read out/f", "o"),
                ("stream ws/f", "x"),
                ("write ws/f x", "rofs"),
                ("rm ws/f", "rofs"),
                ("mkdirs ws/new", "rofs"),
                ("copy out/f ws/f", "rofs"),
            ];
            ground
                .table(&mut wire, &Way { shape, sandbox }, &table)
                .await;
        }
    }
}

#[tokio::test]
async fn a_policy_beside_the_sandbox_member_is_not_overlooked() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    let policy = json!({"type": "read-only"});
    let write = json!({"path": ground.path("ws/f"), "dataBase64": ""});
    for (sandbox, code) in [
        (None, -32603),
        (Some(Value::Null), -32602),
        (Some(json!({"permissions": {"type": "disabled"}})), -32602),
    ] {
        let mut params = write.clone();
        params["sandboxPolicy"] = policy.clone();
        if let Some(sandbox) = sandbox {
            params["sandbox"] = sandbox;
        }
        let refusal = wire
            .call("fs/writeFile", params)
            .await
            .expect_err("not written");
        assert_eq!(refusal.code, code, "{}", refusal.message);
    }
    assert_eq!(ground.text("ws/f"), "x");
}

#[tokio::test]
async fn the_untagged_profile_is_a_restricted_one() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        let entries = Profile::new()
            .read(ground.path("more"))
            .write(ground.path("ws"));
        let entries = entries.in_shape(shape)["permissions"]["file_system"]["entries"].take();
        let lists = json!({
            "read": [shape.path(ground.path("more"))],
            "write": [shape.path(ground.path("ws"))],
        });
        for file_system in [
            lists,
            json!({"entries": entries}),
            json!({"entries": entries, "glob_scan_max_depth": 3}),
        ] {
            for network in [
                json!({}),
                json!({"enabled": true}),
                json!({"enabled": false}),
            ] {
                let permissions = json!({"file_system": file_system, "network": network});
                let way = Way {
                    shape,
                    sandbox: json!({"permissions": permissions}),
                };
                let table = [
                    ("read more/f", "x"),
                    ("write more/f y", "rofs"),
                    ("write ws/f x", "ok"),
                    ("write ws/.git/config x", "rofs"),
                    ("read out/f", "noent"),
                ];
                ground.table(&mut wire, &way, &table).await;
            }
        }
        let nothing = Way {
            shape,
            sandbox: json!({"permissions": {}}),
        };
        let table = [("read ws/f", "noent"), ("write ws/f x", "access")];
        ground.table(&mut wire, &nothing, &table).await;
    }
}

#[tokio::test]
async fn skipping_what_is_missing_makes_no_rule_until_it_is_there() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    let profile = Profile::new()
        .write(ground.path("ws"))
        .read(ground.path("ws/later"));
    let mut way = Way::under(&profile, Shape::Late);
    ground
        .table(&mut wire, &way, &[("write ws/later x", "rofs")])
        .await;
    let entries = &mut way.sandbox["permissions"]["file_system"]["entries"];
    entries[1]["missing_path_behavior"] = json!("skip");
    let table = [
        ("write ws/f y", "ok"),
        ("write ws/later first", "ok"),
        // Now it is there, and the profile says that it may only be read.
        ("write ws/later second", "rofs"),
        ("read ws/later", "first"),
        ("rm ws/later", "rofs"),
    ];
    ground.table(&mut wire, &way, &table).await;
    assert_eq!(ground.text("ws/later"), "first");
}
