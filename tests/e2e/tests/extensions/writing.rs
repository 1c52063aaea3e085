//! `lockgate/fs/replaceFile` and `appendFile`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Instant;

use lockgate_e2e::{DEADLINE, Ground, Profile, Server, Shape, Wire, kill_9};
use serde_json::{Value, json};

use crate::{confined, everywhere};

#[tokio::test]
async fn files_are_replaced_and_appended_to_as_asked() {
    everywhere(
        &["w/f=old and longer", "w/d/", "w/l>f", "w/to-new>new"],
        &[
            ("replace w/f new", "ok"),
            ("read w/f", "new"),
            ("replace w/l through", "ok"),
            ("stat w/l", "link to file"),
            ("read w/f", "through"),
            ("replace! w/l x", "link refused"),
            ("replace w/to-new x", "ok"),
            ("read w/new", "x"),
            ("replace w/d x", "isdir"),
            ("replace w/none/x x", "noent"),
            ("append w/f , and more", "ok"),
            ("append w/l !", "ok"),
            ("read w/f", "through, and more!"),
            ("append! w/l x", "link refused"),
            ("append w/made x", "ok"),
            ("append w/made y", "ok"),
            ("read w/made", "xy"),
            ("append w/d x", "isdir"),
            ("append w/none/x x", "noent"),
        ],
        |ground| {
            let names = fs::read_dir(ground.path("w")).expect("listed").count();
            assert_eq!(names, 6, "no temporary file is left");
        },
    )
    .await;
}

#[tokio::test]
async fn attack_11_a_profile_holds_against_other_ways_to_write() {
    confined(
        &[
            "w/f=w",
            "w/.git/config=c",
            "w/no/f=n",
            "w/to-git>.git/config",
            "w/to-out>../out/f",
            "w/into>../out",
            "r/f=r",
            "out/f=o",
            "one=1",
        ],
        |ground| {
            Profile::new()
                .write(ground.path("w"))
                .write(ground.path("one"))
                .read(ground.path("r"))
                .deny(ground.path("w/no"))
        },
        &[
            ("replace r/f x", "rofs"),
            ("append r/f x", "rofs"),
            ("replace out/f x", "access"),
            ("append out/f x", "access"),
            ("replace w/no/f x", "access"),
            ("append w/no/f x", "access"),
            ("replace w/to-out x", "access"),
            ("append w/to-out x", "access"),
            ("replace w/into/f x", "access"),
            ("append w/into/new x", "access"),
            ("replace w/to-git x", "rofs"),
            ("append w/to-git x", "rofs"),
            ("replace w/.agents x", "rofs"),
            ("append w/.codex x", "rofs"),
            ("pour r/f x", "rofs"),
            ("pourmore r/f x", "rofs"),
            ("pour out/f x", "access"),
            ("pourmore out/new x", "access"),
            ("pour w/no/f x", "access"),
            ("pour w/to-out x", "access"),
            ("pourmore w/into/f x", "access"),
            ("pour w/to-git x", "rofs"),
            ("pourmore w/.agents x", "rofs"),
            ("pour w/.codex x", "rofs"),
            ("pour one 1", "ok"),
            ("replace one x", "only in place"),
            ("append one 2", "ok"),
        ],
        |ground| {
            for (path, text) in [
                ("w/f", "w"),
                ("w/.git/config", "c"),
                ("w/no/f", "n"),
                ("r/f", "r"),
                ("out/f", "o"),
                ("one", "12"),
            ] {
                assert_eq!(ground.text(path), text);
            }
            let names = |path| fs::read_dir(ground.path(path)).expect("listed").count();
            assert_eq!((names("w"), names("r"), names("out")), (6, 1, 1));
        },
    )
    .await;
}

#[tokio::test]
async fn a_replaced_file_keeps_its_bits_unless_others_are_asked_for() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["f=old"]);
    fs::set_permissions(ground.path("f"), fs::Permissions::from_mode(0o640)).expect("set");
    let profile = Profile::new().write(ground.path("")).in_shape(Shape::Late);
    let mode = || fs::metadata(ground.path("f")).expect("there").mode() & 0o7777;
    for sandbox in [Value::Null, profile] {
        let mut params = json!({
            "path": Shape::Late.path(ground.path("f")), "dataBase64": "bmV3", "durable": true, "sandbox": sandbox,
        });
        wire.call("lockgate/fs/replaceFile", params.clone())
            .await
            .expect("replaced");
        assert_eq!((mode(), ground.text("f").as_str()), (0o640, "new"));
        params["mode"] = json!(0o600);
        wire.call("lockgate/fs/replaceFile", params)
            .await
            .expect("replaced");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(ground.path("f"), fs::Permissions::from_mode(0o640)).expect("set");
    }
}

#[tokio::test]
async fn params_that_make_no_sense_write_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    for (member, wrong, code) in [
        ("dataBase64", json!("%"), -32600),
        ("dataBase64", json!(7), -32602),
        ("mode", json!(0o1000), -32602),
        ("durable", json!("yes"), -32602),
        ("onlyIfSha256", json!("e3b0"), -32602),
        ("onlyIfSha256", json!(7), -32602),
        ("path", json!("f"), -32602),
        ("sandbox", json!({"permissions": {"type": "later"}}), -32602),
    ] {
        for method in ["lockgate/fs/replaceFile", "lockgate/fs/appendFile"] {
            if method.ends_with("appendFile")
                && ["mode", "durable", "onlyIfSha256"].contains(&member)
            {
                continue;
            }
            let mut params = json!({"path": ground.path("f"), "dataBase64": "eA=="});
            params[member] = wrong.clone();
            let refusal = wire.call(method, params).await.expect_err("refused");
            assert_eq!(refusal.code, code, "{method} {member}: {}", refusal.message);
        }
    }
    // What is new has no contents that could be compared.
    let both = json!({"path": ground.path("f"), "dataBase64": "eA==", "onlyNew": true, "onlyIfSha256": OF_NOTHING});
    let refusal = wire.call("lockgate/fs/replaceFile", both).await;
    assert_eq!(refusal.expect_err("refused").code, -32602);
    assert!(!ground.has("f"));
}

/// The SHA-256 of no bytes.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[tokio::test]
async fn what_somebody_has_read_is_written_over_and_nothing_else() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    let profile = Profile::new().write(ground.path("")).in_shape(Shape::Late);
    for sandbox in [Value::Null, profile] {
        for method in ["lockgate/fs/replaceFile", "fs/writeFile"] {
            let params = json!({
                "path": Shape::Late.path(ground.path("f")), "dataBase64": "bmV3", "onlyIfSha256": OF_NOTHING.to_uppercase(), "sandbox": sandbox,
            });
            ground.make(&["f=others"]);
            let refusal = wire.call(method, params.clone()).await;
            let refusal = refusal.expect_err("it is not empty").message;
            assert!(refusal.contains("(onlyIfSha256)"), "{method}: {refusal}");
            assert_eq!(ground.text("f"), "others");
            ground.make(&["f="]);
            wire.call(method, params.clone()).await.expect("written");
            assert_eq!(ground.text("f"), "new");
            fs::remove_file(ground.path("f")).expect("removed");
            let refusal = wire.call(method, params).await;
            assert_eq!(refusal.expect_err("none is there").code, -32004);
            assert!(!ground.has("f"));
        }
    }
}

/// Waits until a temporary file of at least this size is there, or the file is the new one.
fn being_written(ground: &Ground, bytes: u64, new: u8) {
    let patience = Instant::now();
    loop {
        assert!(patience.elapsed() < DEADLINE, "nothing was written");
        let sizes = fs::read_dir(ground.path(""))
            .expect("listed")
            .flatten()
            .filter(|entry| {
                entry
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(b".lockgate-")
            })
            .filter_map(|entry| entry.metadata().ok());
        if sizes.into_iter().any(|found| found.len() >= bytes) {
            return;
        }
        if fs::read(ground.path("f")).expect("there")[0] == new {
            return;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn attack_18_kill_9_leaves_the_old_file_or_the_new_one_and_never_a_mixture() {
    const BYTES: usize = 8 << 20;
    let ground = Ground::not_temporary();
    let mut old = b'a';
    fs::write(ground.path("f"), vec![old; BYTES]).expect("written");
    let profile = Profile::new().write(ground.path("")).in_shape(Shape::May);
    for round in 0..16u8 {
        let server = Server::start();
        let mut wire = Wire::ready(&server).await;
        let new = old + 1;
        let sandbox = if round % 2 == 0 {
            &profile
        } else {
            &Value::Null
        };
        let data = base64_simd::STANDARD.encode_to_string(vec![new; BYTES]);
        let params = json!({"path": ground.path("f"), "dataBase64": data, "sandbox": sandbox});
        wire.request("lockgate/fs/replaceFile", params).await;
        being_written(&ground, u64::from(round / 2) << 20, new);
        kill_9(server.proper());
        while wire.try_message().await.is_some() {}
        let found = fs::read(ground.path("f")).expect("there");
        assert_eq!(found.len(), BYTES);
        assert!([old, new].contains(&found[0]), "round {round}");
        assert!(found.iter().all(|byte| *byte == found[0]), "round {round}");
        old = found[0];
        // What a killed server leaves behind has a name that tells it.
        for entry in fs::read_dir(ground.path("")).expect("listed") {
            let entry = entry.expect("an entry");
            if entry.file_name() != "f" {
                let name = entry.file_name().into_string().expect("UTF-8");
                let digits = name.strip_prefix(".lockgate-").expect("ours");
                assert_eq!(digits.len(), 16);
                fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
}
