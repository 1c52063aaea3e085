//! The profile that an ordinary client sends for a workspace, with its seven entries (PROTOCOL-LATER 0.1), and the
//! places that only the executing host knows.
//!
//! It grants `/tmp`, so the ground lies elsewhere.

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire};
use serde_json::{Value, json};

fn ground() -> Ground {
    Ground::not_temporary()
}

#[tokio::test]
async fn the_seven_entries_grant_the_workspace_and_temporary_files_and_reading_the_rest() {
    let temporary = ground();
    let mut command = Server::command();
    command.env("TMPDIR", temporary.path("tmp"));
    temporary.make(&["tmp/f=x"]);
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let in_tmp = Ground::within("/tmp");
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&[
            "ws/f=x",
            "ws/.git/config=c",
            "ws/sub/f=x",
            "out/f=o",
            "ws/l>../out/f",
            "ws/d>../out",
        ]);
        let way = Way::under(&Profile::workspace_write(ground.path("ws")), shape);
        let table = [
            ("read out/f", "o"),
            ("read ws/l", "o"),
            ("list out", "f"),
            ("stat /etc/passwd", "file"),
            ("write ws/f new", "ok"),
            ("mkdirs ws/a/b", "ok"),
            ("copytree ws/sub ws/a/sub", "ok"),
            ("copy out/f ws/copied", "ok"),
            ("rmtree ws/a", "ok"),
            ("write out/f x", "rofs"),
            ("write out/new x", "rofs"),
            ("mkdirs out/d", "rofs"),
            ("rm out/f", "rofs"),
            ("write ws/l x", "rofs"),
            ("write ws/d/f x", "rofs"),
            ("copy ws/f out/f", "rofs"),
            ("copytree ws/sub out/sub", "rofs"),
            ("rmtree ws", "rofs"),
            ("read ws/.git/config", "c"),
            ("write ws/.git/config x", "rofs"),
            ("rmtree ws/.git", "rofs"),
            ("mkdir ws/.codex", "rofs"),
            ("write ws/.codex/config.toml x", "rofs"),
            ("mkdir ws/.agents", "rofs"),
            ("stat ws/.agents", "noent"),
            ("write /etc/lockgate-e2e x", "rofs"),
        ];
        ground.table(&mut wire, &way, &table).await;
        assert_eq!(
            (ground.text("out/f"), ground.text("ws/.git/config")),
            ("o".into(), "c".into())
        );
        for place in [&in_tmp, &temporary] {
            let below = if std::ptr::eq(place, &in_tmp) {
                ""
            } else {
                "tmp/"
            };
            for (operation, wanted) in [
                (format!("write {below}new x"), "ok"),
                (format!("mkdirs {below}a/b"), "ok"),
                (format!("rmtree {below}a"), "ok"),
                (format!("rm {below}new"), "ok"),
                (
                    format!("write {below}.git x"),
                    if below.is_empty() { "ok" } else { "rofs" },
                ),
                (format!("rmforce {below}.git"), "ok"),
            ] {
                let found = place.run(&mut wire, &way, &operation).await;
                assert_eq!(found, wanted, "{operation}, in the {shape:?} shape");
            }
        }
        // Beside the temporary directory nothing is writable.
        assert_eq!(
            temporary.run(&mut wire, &way, "write beside x").await,
            "rofs"
        );
    }
}

#[tokio::test]
async fn attack_13_a_protected_name_that_comes_to_be_is_protected_from_then_on() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&["ws/f=x", "elsewhere/config=c"]);
        let way = Way::under(&Profile::workspace_write(ground.path("ws")), shape);
        let table = [("write ws/f 1", "ok"), ("mkdir ws/.git", "rofs")];
        ground.table(&mut wire, &way, &table).await;
        // A command, which is not confined by this gate, makes a repository.
        ground.make(&["ws/.git/config=c"]);
        let table = [
            ("write ws/.git/config x", "rofs"),
            ("write ws/.git/hooks/pre-commit x", "rofs"),
            ("rmtree ws/.git", "rofs"),
            ("write ws/f 2", "ok"),
        ];
        ground.table(&mut wire, &way, &table).await;
        assert_eq!(ground.text("ws/.git/config"), "c");
    }
}

#[tokio::test]
async fn an_approved_write_outside_is_one_more_entry_and_holds_for_its_request_only() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&["ws/f=x", "out/f=o", "out/g=o"]);
        let usual = Way::under(&Profile::workspace_write(ground.path("ws")), shape);
        let approved = Profile::workspace_write(ground.path("ws")).write(ground.path("out/f"));
        let approved = Way::under(&approved, shape);
        ground
            .table(&mut wire, &usual, &[("write out/f x", "rofs")])
            .await;
        ground
            .table(
                &mut wire,
                &approved,
                &[("write out/f 1", "ok"), ("write out/g 1", "rofs")],
            )
            .await;
        ground
            .table(&mut wire, &usual, &[("write out/f 2", "rofs")])
            .await;
        assert_eq!(
            (ground.text("out/f"), ground.text("out/g")),
            ("1".into(), "o".into())
        );
    }
}

#[tokio::test]
async fn minimal_is_what_programs_need_and_read_only() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&["w/f=x", "out/f=secret"]);
        for access in ["read", "write"] {
            let profile = Profile::new()
                .special("minimal", access)
                .write(ground.path("w"));
            let table = [
                ("stat /usr/bin", "directory"),
                ("stat /bin/sh", "link to file"),
                ("write /usr/lockgate-e2e x", "rofs"),
                ("write w/f y", "ok"),
                ("read out/f", "noent"),
                ("read /etc/shadow", "noent"),
            ];
            ground
                .table(&mut wire, &Way::under(&profile, shape), &table)
                .await;
        }
    }
}

#[tokio::test]
async fn project_roots_are_all_roots_and_paths_below_them() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    ground.make(&["one/f=x", "one/src/f=x", "two/src/f=x", "cwd/src/f=x"]);
    let profile = Profile::new()
        .special("project_roots", "read")
        .below_project_roots("src", "write")
        .cwd(ground.path("cwd"));
    let cwd = [
        ("read cwd/src/f", "x"),
        ("write cwd/src/f x", "ok"),
        ("write cwd/f x", "rofs"),
        ("read one/f", "noent"),
    ];
    for shape in Shape::BOTH {
        ground
            .table(&mut wire, &Way::under(&profile, shape), &cwd)
            .await;
    }
    let roots = json!([
        Shape::Late.path(ground.path("one")),
        Shape::Late.path(ground.path("two"))
    ]);
    let table = [
        ("read one/f", "x"),
        ("write one/f y", "rofs"),
        ("write one/src/f y", "ok"),
        ("write two/src/f y", "ok"),
        ("read cwd/src/f", "noent"),
    ];
    // The context is what counts; the flat members beside it are for old peers.
    let context: fn(&mut Value, Value) = |sandbox, roots| {
        sandbox["policyContext"]["workspaceRoots"] = roots;
    };
    let flat: fn(&mut Value, Value) = |sandbox, roots| {
        sandbox["workspaceRoots"] = roots;
        sandbox
            .as_object_mut()
            .expect("an object")
            .remove("policyContext");
    };
    for set in [context, flat] {
        let mut way = Way::under(&profile, Shape::Late);
        set(&mut way.sandbox, roots.clone());
        ground.table(&mut wire, &way, &table).await;
    }
    let mut older = Way::under(&profile, Shape::May);
    let entries = &mut older.sandbox["permissions"]["file_system"]["entries"];
    entries[0]["path"]["value"]["kind"] = json!("current_working_directory");
    ground.table(&mut wire, &older, &cwd).await;
}

#[tokio::test]
async fn attack_14_directories_that_a_client_names_beside_the_entries_grant_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&["ws/f=secret", "r/f=x"]);
        let profile = Profile::new().read(ground.path("r")).cwd(ground.path("ws"));
        let table = [
            ("read r/f", "x"),
            ("read ws/f", "noent"),
            ("list ws", "noent"),
            ("write ws/f x", "access"),
            ("write r/f x", "rofs"),
        ];
        ground
            .table(&mut wire, &Way::under(&profile, shape), &table)
            .await;
        assert_eq!(ground.text("ws/f"), "secret");
    }
}
