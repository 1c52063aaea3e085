//! Sandboxes that are not understood: refused with a reason, or granting less; never let through. Each is put to a
//! write and to a read of a file that the part which *is* understood grants.

use lockgate_e2e::{Ground, Profile, Refusal, Server, Shape, Way, Wire, decoded};
use serde_json::{Value, json};

/// A sandbox that grants writing everywhere below the ground, to be spoilt.
fn granting(ground: &Ground, shape: Shape) -> Value {
    Profile::new()
        .write(ground.path(""))
        .cwd(ground.path(""))
        .in_shape(shape)
}

/// Puts a sandbox to every method; each must refuse it with one of these codes.
async fn refused_everywhere(
    wire: &mut Wire,
    ground: &Ground,
    sandbox: &Value,
    codes: &[i64],
) -> Refusal {
    let way = Way {
        shape: Shape::May,
        sandbox: sandbox.clone(),
    };
    let before = ground.snapshot("");
    let mut last = None;
    for (verb, first, second) in [
        ("read", "f", ""),
        ("write", "f", "changed"),
        ("write", "new", "made"),
        ("mkdirs", "d/new", ""),
        ("stat", "f", ""),
        ("real", "f", ""),
        ("list", "d", ""),
        ("walk", "d", ""),
        ("rmforce", "f", ""),
        ("copy", "f", "copied"),
    ] {
        let (method, params) = ground.request(&way, verb, first, second);
        let refusal = wire.call(method, params).await;
        let refusal = refusal.expect_err(&format!("{verb} under {sandbox}"));
        assert!(
            codes.contains(&refusal.code),
            "{verb} under {sandbox}: {refusal:?}"
        );
        last = Some(refusal);
    }
    let open = json!({"handleId": "h", "path": ground.path("f"), "sandbox": sandbox});
    let refusal = wire
        .call("fs/open", open)
        .await
        .expect_err(&format!("open under {sandbox}"));
    assert!(
        codes.contains(&refusal.code),
        "open under {sandbox}: {refusal:?}"
    );
    assert_eq!(ground.snapshot(""), before, "{sandbox} changed something");
    last.expect("at least one")
}

fn ground() -> Ground {
    let ground = Ground::new();
    ground.make(&["f=x", "d/g=y"]);
    ground
}

#[tokio::test]
async fn sandboxes_of_the_wrong_form_are_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    for shape in Shape::BOTH {
        let good = granting(&ground, shape);
        let way = Way {
            shape,
            sandbox: good.clone(),
        };
        ground
            .table(&mut wire, &way, &[("read f", "x"), ("write f x", "ok")])
            .await;
        let entry = good["permissions"]["file_system"]["entries"][0].clone();
        let with = |pointer: &str, value: Value| {
            let mut spoilt = good.clone();
            *spoilt.pointer_mut(pointer).expect("there") = value;
            spoilt
        };
        let entries = |value: Value| with("/permissions/file_system/entries", value);
        let one = |member: &str, value: Value| {
            let mut spoilt = entry.clone();
            spoilt[member] = value;
            entries(json!([spoilt]))
        };
        let path = |value: Value| one("path", value);
        let special = |value: Value| {
            entries(
                json!([entry, {"path": {"type": "special", "value": value}, "access": "write"}]),
            )
        };
        for sandbox in [
            json!({}),
            json!([]),
            json!(true),
            json!("disabled"),
            json!(0),
            json!({"cwd": ground.path("")}),
            json!({"permissions": null}),
            json!({"permissions": []}),
            json!({"permissions": {"type": "managed"}}),
            json!({"type": "no-such-policy"}),
            json!({"sandboxPolicy": {"type": "workspace-write", "writable_roots": ["relative"]}}),
            json!({"sandboxPolicy": {"type": "read-only", "read_only_access": {}}}),
            with("/permissions/type", json!("managed-2")),
            with("/permissions/type", json!("Disabled")),
            with("/permissions/type", json!(null)),
            with("/permissions/type", json!("disabled")),
            with("/permissions/type", json!("external")),
            with("/permissions/network", json!("some")),
            with("/permissions/network", json!(null)),
            with("/permissions/file_system", json!({})),
            with("/permissions/file_system", json!(null)),
            with("/permissions/file_system/type", json!("relaxed")),
            with("/permissions/file_system/type", json!("unrestricted")),
            entries(json!(null)),
            entries(json!({})),
            entries(json!([entry, null])),
            entries(json!([entry, {}])),
            entries(json!([entry, {"path": entry["path"]}])),
            one("access", json!("execute")),
            one("access", json!("Write")),
            one("access", json!(null)),
            one("except", json!(["f"])),
            one("missing_path_behavior", json!("grant")),
            path(json!("/")),
            path(json!({"type": "path"})),
            path(json!({"type": "path", "path": ""})),
            path(json!({"type": "path", "path": "relative"})),
            path(json!({"type": "path", "path": "/with\u{0}nul"})),
            path(json!({"type": "path", "path": "file://host/"})),
            path(json!({"type": "path", "path": "http://127.0.0.1/"})),
            path(json!({"type": "path", "path": format!("/{}", "x/".repeat(3_000))})),
            path(json!({"type": "path", "path": "/", "except": ["f"]})),
            path(json!({"type": "inode", "path": "/"})),
            path(json!({"type": "special", "value": "root"})),
            special(json!({})),
            special(json!({"kind": null})),
            special(json!({"kind": "root", "subpath": "x"})),
            special(json!({"kind": "project_roots", "subpath": 7})),
            with("/cwd", json!("relative")),
            with("/cwd", json!(7)),
            with("/windowsSandboxLevel", json!("none of these")),
        ] {
            refused_everywhere(&mut wire, &ground, &sandbox, &[-32602]).await;
        }
        for member in ["read", "write", "except", "deny"] {
            let mut sandbox = good.clone();
            sandbox["permissions"]["file_system"][member] = json!(["/"]);
            refused_everywhere(&mut wire, &ground, &sandbox, &[-32602]).await;
        }
        let mut sandbox = good.clone();
        sandbox["permissions"]["processes"] = json!("none");
        refused_everywhere(&mut wire, &ground, &sandbox, &[-32602]).await;
    }
    ground
        .table(&mut wire, &Way::direct(Shape::May), &[("read f", "x")])
        .await;
}

#[tokio::test]
async fn a_special_place_with_something_that_is_not_understood_is_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    for shape in Shape::BOTH {
        for kind in ["root", "minimal", "project_roots", "tmpdir", "slash_tmp"] {
            // It might be a restriction.
            let profile = Profile::new().special(kind, "write").write(ground.path(""));
            let mut sandbox = profile.cwd(ground.path("")).in_shape(shape);
            let entries = &mut sandbox["permissions"]["file_system"]["entries"];
            entries[0]["path"]["value"]["except"] = json!(["f"]);
            refused_everywhere(&mut wire, &ground, &sandbox, &[-32602]).await;
        }
    }
}

#[tokio::test]
async fn a_member_that_is_there_twice_is_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    let path = json!(ground.path("f"));
    let deny = Profile::new().in_shape(Shape::May);
    let open = json!({"permissions": {"type": "disabled"}});
    let file_system = &deny["permissions"]["file_system"];
    let unrestricted = json!({"type": "unrestricted"});
    for sandbox in [
        format!("{deny},\"sandbox\":{open}"),
        format!("{open},\"sandbox\":{deny}"),
        format!(
            "{{\"permissions\":{},\"permissions\":{{\"type\":\"disabled\"}}}}",
            deny["permissions"]
        ),
        format!(
            "{{\"permissions\":{{\"type\":\"managed\",\"network\":\"restricted\",\"file_system\":{file_system},\
             \"file_system\":{unrestricted}}}}}"
        ),
    ] {
        wire.send_text(format!(
            "{{\"id\":7000,\"method\":\"fs/readFile\",\"params\":{{\"path\":{path},\"sandbox\":{sandbox}}}}}"
        ))
        .await;
        let answer = wire.message().await;
        assert_eq!(answer["id"], 7000);
        assert_eq!(answer["error"]["code"], -32602, "{sandbox}: {answer}");
    }
}

#[tokio::test]
async fn profiles_that_cannot_be_enforced_are_refused_with_the_reason() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    ground.make(&["loop>loop"]);
    let all = || Profile::new().write(ground.path(""));
    for (profile, reason) in [
        (all().special("project_roots", "write"), "requires cwd"),
        (all().below_project_roots(".git", "deny"), "requires cwd"),
        (all().deny_glob("*.env"), "requires cwd"),
        (all().deny_glob("[").cwd(ground.path("")), "malformed"),
        (all().deny_glob("/[a").cwd(ground.path("")), "malformed"),
        (all().deny_glob("**/../x").cwd(ground.path("")), ""),
        (all().special("next_year", "deny"), "next_year"),
        (
            all()
                .below_project_roots("../out", "write")
                .cwd(ground.path("")),
            "subpath",
        ),
        (
            all()
                .below_project_roots("/etc", "write")
                .cwd(ground.path("")),
            "subpath",
        ),
        (
            all()
                .below_project_roots("a/../../b", "deny")
                .cwd(ground.path("")),
            "subpath",
        ),
        (all().deny(ground.path("loop")), "cannot be resolved"),
        (
            (0..3_000).fold(all(), |profile, at| profile.read(format!("/many/{at}"))),
            "entries",
        ),
    ] {
        for shape in Shape::BOTH {
            let sandbox = profile.in_shape(shape);
            let refusal = refused_everywhere(&mut wire, &ground, &sandbox, &[-32600]).await;
            let message = &refusal.message;
            assert!(
                message.starts_with("failed to prepare fs sandbox: "),
                "{message}"
            );
            assert!(message.contains(reason), "{message}");
        }
    }
}

#[tokio::test]
async fn a_glob_that_grants_is_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    for shape in Shape::BOTH {
        for access in ["read", "write"] {
            let mut sandbox = granting(&ground, shape);
            let entries = sandbox["permissions"]["file_system"]["entries"]
                .as_array_mut()
                .expect("entries");
            entries
                .push(json!({"path": {"type": "glob_pattern", "pattern": "**"}, "access": access}));
            refused_everywhere(&mut wire, &ground, &sandbox, &[-32600]).await;
        }
    }
}

#[tokio::test]
async fn attack_12_globs_that_lead_up_or_name_a_directory_deny_what_they_name() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        ground.make(&["w/f=x", "out/deep/secret=s"]);
        for (pattern, operation, wanted) in [
            ("../out/**", "read out/deep/secret", "noent"),
            ("../out/**", "read w/f", "x"),
            ("../out", "list out", "noent"),
            ("./../out/*", "read out/deep/secret", "noent"),
            (
                "../../../../../../../../../../../../../..",
                "read w/f",
                "-32600",
            ),
            ("", "read w/f", "noent"),
            (".", "write w/f x", "access"),
            ("..", "read out/deep/secret", "noent"),
        ] {
            let profile = Profile::new().write(ground.path("")).deny_glob(pattern);
            let way = Way::under(&profile.cwd(ground.path("w")), shape);
            let found = ground.run(&mut wire, &way, operation).await;
            assert!(
                found.starts_with(wanted),
                "{operation} with {pattern:?} denied: {found}"
            );
        }
        assert_eq!(
            (ground.text("w/f"), ground.text("out/deep/secret")),
            ("x".into(), "s".into())
        );
    }
}

#[tokio::test]
async fn special_places_of_a_later_time_grant_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = ground();
        for kind in ["unknown", "home", "Root", "ROOT", ""] {
            for access in ["read", "write"] {
                let way = Way::under(&Profile::new().special(kind, access), shape);
                let table = [
                    ("read f", "noent"),
                    ("write f x", "access"),
                    ("stream f", "noent"),
                    ("list /", "noent"),
                ];
                ground.table(&mut wire, &way, &table).await;
            }
        }
        let mut sandbox = Profile::new().special("unknown", "write").in_shape(shape);
        let value = &mut sandbox["permissions"]["file_system"]["entries"][0]["path"]["value"];
        value["path"] = json!("/");
        value["subpath"] = json!("x");
        let table = [("read f", "noent"), ("write f x", "access")];
        ground
            .table(&mut wire, &Way { shape, sandbox }, &table)
            .await;
        let beside = Profile::new()
            .special("unknown", "write")
            .read(ground.path(""));
        let table = [("read f", "x"), ("write f y", "rofs")];
        ground
            .table(&mut wire, &Way::under(&beside, shape), &table)
            .await;
    }
}

#[tokio::test]
async fn members_of_other_platforms_are_ignored_and_an_empty_profile_grants_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = ground();
    for shape in Shape::BOTH {
        let mut sandbox = granting(&ground, shape);
        sandbox["userHomeDir"] = shape.path("/root");
        sandbox["temporaryDirectories"] = json!([shape.path("/")]);
        sandbox["windowsSandboxLevel"] = json!("mxc");
        sandbox["somethingNew"] = json!({"of": "next year"});
        let way = Way { shape, sandbox };
        ground
            .table(&mut wire, &way, &[("read f", "x"), ("write f x", "ok")])
            .await;
        let nothing = Way::under(&Profile::new(), shape);
        let table = [
            ("read f", "noent"),
            ("write f y", "access"),
            ("stat /", "noent"),
            ("list /", "noent"),
        ];
        ground.table(&mut wire, &nothing, &table).await;
    }
    // What `:tmpdir` means is for the executing host to know, not for the request.
    let mut sandbox = Profile::new()
        .special("tmpdir", "write")
        .in_shape(Shape::Late);
    sandbox["temporaryDirectories"] = json!([Shape::Late.path(ground.path(""))]);
    let way = Way {
        shape: Shape::Late,
        sandbox,
    };
    ground
        .table(
            &mut wire,
            &way,
            &[("read f", "noent"), ("write f y", "access")],
        )
        .await;
    let read = wire
        .call("fs/readFile", json!({"path": ground.path("f")}))
        .await
        .expect("unharmed");
    assert_eq!(decoded(&read["dataBase64"]), b"x");
}
