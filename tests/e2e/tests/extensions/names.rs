//! `lockgate/fs/rename`, `symlink`, `setMode`, `setTimes`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire};
use serde_json::{Value, json};

use crate::{confined, everywhere};

#[tokio::test]
async fn names_links_bits_and_times_are_changed_as_asked() {
    everywhere(
        &["w/f=f", "w/g=g", "w/d/x=x", "w/e/", "w/l>f"],
        &[
            ("renamefree w/f w/g", "exist"),
            ("rename w/f w/g", "ok"),
            ("read w/g", "f"),
            ("rename w/d w/e", "ok"),
            ("read w/e/x", "x"),
            ("rename w/none w/x", "noent"),
            ("rename w/g w/none/x", "noent"),
            ("rename w/g w/e", "isdir"),
            ("rename w/l w/m", "ok"),
            ("stat w/m", "noent"),
            ("symlink g w/n", "ok"),
            ("read w/n", "f"),
            ("symlink g w/n", "exist"),
            ("symlink anything/at/all w/o", "ok"),
            ("chmod w/n 640", "ok"),
            ("chmod! w/n 600", "link refused"),
            ("touch w/n 1000000000500", "ok"),
            ("touch! w/n 1", "link refused"),
            ("touch w/none 1", "noent"),
            ("chmod w/none 1", "noent"),
        ],
        |ground| {
            let found = fs::metadata(ground.path("w/g")).expect("there");
            assert_eq!(found.permissions().mode() & 0o7777, 0o640);
            assert_eq!(
                (found.mtime(), found.mtime_nsec()),
                (1_000_000_000, 500_000_000)
            );
            assert_eq!(
                fs::read_link(ground.path("w/o")).expect("a link"),
                std::path::Path::new("anything/at/all")
            );
        },
    )
    .await;
}

#[tokio::test]
async fn attack_10_a_profile_holds_against_renaming_and_linking() {
    confined(
        &[
            "w/f=w",
            "w/e/",
            "w/.git/config=c",
            "w/no/f=n",
            "w/d/no/f=n",
            "r/f=r",
            "out/f=o",
            "w/to-r>../r",
            "w/to-out>../out",
        ],
        |ground| {
            Profile::new()
                .write(ground.path("w"))
                .read(ground.path("r"))
                .deny(ground.path("w/no"))
                .deny(ground.path("w/d/no"))
        },
        &[
            ("rename w/f r/x", "rofs"),
            ("rename w/f out/x", "access"),
            ("rename r/f w/x", "rofs"),
            ("rename out/f w/x", "noent"),
            ("rename w/to-r/f w/x", "rofs"),
            ("rename w/to-out/f w/x", "noent"),
            ("rename w/f w/to-out/x", "access"),
            ("rename w/f w/no/x", "access"),
            ("rename w/no/f w/x", "noent"),
            ("rename w/d w/d2", "access"),
            ("rename w/.git w/git", "rofs"),
            ("rename w/.git/config w/x", "rofs"),
            ("rename w/e w/.codex", "rofs"),
            ("rename w w2", "access"),
            ("symlink x r/l", "rofs"),
            ("symlink x out/l", "access"),
            ("symlink x w/.agents", "rofs"),
            ("symlink $/out/f w/l", "ok"),
            ("read w/l", "noent"),
            ("write w/l x", "access"),
            ("chmod w/l 777", "noent"),
            ("touch w/l 1", "noent"),
            ("symlink ../r/f w/ro", "ok"),
            ("chmod w/ro 777", "rofs"),
            ("touch w/ro 1", "rofs"),
            ("chmod w/.git/config 777", "rofs"),
            ("chmod w/no/f 777", "noent"),
            ("touch w/no 1", "noent"),
        ],
        |ground| {
            for (path, text) in [
                ("w/f", "w"),
                ("r/f", "r"),
                ("out/f", "o"),
                ("w/no/f", "n"),
                ("w/.git/config", "c"),
            ] {
                assert_eq!(ground.text(path), text);
                let found = fs::metadata(ground.path(path)).expect("there");
                assert_ne!(found.permissions().mode() & 0o777, 0o777, "{path}");
                assert!(found.mtime() > 1, "{path}");
            }
        },
    )
    .await;
}

async fn refused(wire: &mut Wire, method: &str, params: Value) -> String {
    let refusal = wire
        .call(method, params.clone())
        .await
        .expect_err("refused");
    assert_eq!(
        refusal.code, -32602,
        "{method} {params}: {}",
        refusal.message
    );
    refusal.message
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    let path = ground.path("f");
    for mode in [
        json!(0o1000),
        json!(0o4755),
        json!(-1),
        json!(1.5),
        json!("644"),
        json!(u64::MAX),
        json!(null),
    ] {
        let params = json!({"path": path, "mode": mode});
        refused(&mut wire, "lockgate/fs/setMode", params).await;
    }
    let message = refused(
        &mut wire,
        "lockgate/fs/setMode",
        json!({"path": path, "mode": 512}),
    )
    .await;
    assert_eq!(
        message,
        "mode must be 0 to 511, the nine permission bits, it is 512"
    );
    for member in ["accessedAtMs", "modifiedAtMs"] {
        let params = json!({"path": path, member: -1});
        let message = refused(&mut wire, "lockgate/fs/setTimes", params).await;
        assert!(
            message.contains(member) && message.contains("before 1970"),
            "{message}"
        );
    }
    let message = refused(&mut wire, "lockgate/fs/setTimes", json!({"path": path})).await;
    assert!(message.contains("no time to set"), "{message}");
    for target in ["".to_owned(), "a\0b".to_owned(), "x".repeat(4_096)] {
        let params = json!({"target": target, "path": ground.path("l")});
        refused(&mut wire, "lockgate/fs/symlink", params).await;
    }
    for wrong in ["relative", "/a\0b", ""] {
        let params = json!({"sourcePath": wrong, "destinationPath": ground.path("g")});
        refused(&mut wire, "lockgate/fs/rename", params).await;
        let params = json!({"sourcePath": path, "destinationPath": wrong});
        refused(&mut wire, "lockgate/fs/rename", params).await;
    }
    // A profile that is not understood is no profile to act under.
    for sandbox in [json!({"permissions": {"type": "later"}}), json!(7)] {
        for (method, mut params) in [
            (
                "lockgate/fs/rename",
                json!({"sourcePath": path, "destinationPath": ground.path("g")}),
            ),
            (
                "lockgate/fs/symlink",
                json!({"target": "f", "path": ground.path("g")}),
            ),
            ("lockgate/fs/setMode", json!({"path": path, "mode": 0})),
            (
                "lockgate/fs/setTimes",
                json!({"path": path, "modifiedAtMs": 0}),
            ),
        ] {
            params["sandbox"] = sandbox.clone();
            refused(&mut wire, method, params).await;
        }
    }
    assert!(!ground.has("g") && !ground.has("l"));
}

#[tokio::test]
async fn they_are_announced_and_done_in_a_batch_too() {
    let server = Server::start();
    let mut wire = Wire::connect(&server).await;
    let result = wire
        .call("initialize", json!({"clientName": "e2e"}))
        .await
        .expect("answered");
    let methods = &result["environmentInfo"]["capabilities"]["lockgate"]["methods"];
    for name in ["rename", "symlink", "setMode", "setTimes"] {
        let name = json!(format!("lockgate/fs/{name}"));
        assert!(methods.as_array().expect("names").contains(&name), "{name}");
    }
    wire.send(json!({"method": "initialized", "params": {}}))
        .await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    let way = Way::direct(Shape::Late);
    let operations: Vec<_> = [
        ("rename", "f", "g"),
        ("symlink", "g", "l"),
        ("chmod", "l", "600"),
        ("touch", "l", "5000"),
        ("rename", "none", "x"),
    ]
    .iter()
    .map(|(verb, first, second)| {
        let (method, mut params) = ground.request(&way, verb, first, second);
        params.as_object_mut().expect("params").remove("sandbox");
        json!({"method": method, "params": params})
    })
    .collect();
    let answer = wire
        .call("lockgate/fs/batch", json!({"operations": operations}))
        .await
        .expect("answered");
    assert_eq!(answer["results"][3], json!({"result": {}}), "{answer}");
    assert_eq!(answer["results"][4]["error"]["code"], -32004);
    let found = fs::metadata(ground.path("g")).expect("there");
    assert_eq!((found.mode() & 0o777, found.mtime()), (0o600, 5));
}
