//! Profiles that leave nothing to enforce are direct access (PROTOCOL 6.4), and what only looks like one is not.

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire};
use serde_json::{Value, json};

/// What tells direct access from the gate: the gate has no procfs and protects names below writable roots.
const DIRECT: [(&str, &str); 8] = [
    ("read /proc/sys/kernel/ostype", "Linux\n"),
    ("write f new", "ok"),
    ("write .git/config x", "ok"),
    ("mkdirs .codex/x", "ok"),
    ("rmtree .codex", "ok"),
    ("read l", "new"),
    ("stream f", "new"),
    ("rm l", "ok"),
];

fn ground() -> Ground {
    let ground = Ground::new();
    ground.make(&["f=x", ".git/config=c", "l>f"]);
    ground
}

#[tokio::test]
async fn profiles_that_restrict_no_files_are_direct_access() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let managed = |file_system: Value, network: &str| json!({"permissions": {"type": "managed", "file_system": file_system, "network": network}});
    let root = json!({"path": {"type": "special", "value": {"kind": "root"}}, "access": "write"});
    let tmp =
        json!({"path": {"type": "special", "value": {"kind": "slash_tmp"}}, "access": "write"});
    for sandbox in [
        Value::Null,
        json!({"permissions": {"type": "disabled"}}),
        json!({"permissions": {"type": "disabled"}, "windowsSandboxLevel": "disabled"}),
        json!({"permissions": {"type": "external", "network": "restricted"}}),
        json!({"permissions": {"type": "external", "network": "enabled"}}),
        managed(json!({"type": "unrestricted"}), "restricted"),
        managed(json!({"type": "unrestricted"}), "enabled"),
        managed(
            json!({"type": "restricted", "entries": [root]}),
            "restricted",
        ),
        managed(
            json!({"type": "restricted", "entries": [tmp, root]}),
            "enabled",
        ),
        json!({"type": "danger-full-access"}),
        json!({"sandboxPolicy": {"type": "danger-full-access"}}),
        json!({"sandboxPolicy": {"type": "external-sandbox", "network_access": "enabled"}}),
    ] {
        for shape in Shape::BOTH {
            let way = Way {
                shape,
                sandbox: sandbox.clone(),
            };
            ground().table(&mut wire, &way, &DIRECT).await;
        }
    }
}

#[tokio::test]
async fn writing_everything_but_one_thing_goes_through_the_gate() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&["no/f=secret", "ro/f=x", "l-no>no/f"]);
        let all = || Profile::new().special("root", "write");
        let table = [
            ("read no/f", "noent"),
            ("write no/f x", "access"),
            ("read l-no", "noent"),
            ("rmtree no", "access"),
            ("write f new", "ok"),
            ("read /proc/sys/kernel/ostype", "access"),
        ];
        ground
            .table(
                &mut wire,
                &Way::under(&all().deny(ground.path("no")), shape),
                &table,
            )
            .await;
        let table = [
            ("read ro/f", "x"),
            ("write ro/f y", "rofs"),
            ("write f new", "ok"),
        ];
        ground
            .table(
                &mut wire,
                &Way::under(&all().read(ground.path("ro")), shape),
                &table,
            )
            .await;
        let pattern = format!("{}/**/*.env", ground.path("").display()).replace("//", "/");
        let table = [("write x.env x", "access"), ("write d.environment x", "ok")];
        ground
            .table(
                &mut wire,
                &Way::under(&all().deny_glob(pattern), shape),
                &table,
            )
            .await;
        assert_eq!(ground.text("no/f"), "secret");
    }
}

#[tokio::test]
async fn minimal_and_unknown_entries_do_not_narrow_writing_everything() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for kind in ["minimal", "next_year"] {
        let profile = Profile::new()
            .special("root", "write")
            .special(kind, "read");
        for shape in Shape::BOTH {
            ground()
                .table(&mut wire, &Way::under(&profile, shape), &DIRECT)
                .await;
        }
    }
}
