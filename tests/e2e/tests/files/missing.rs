//! `fs/watchMissing` (PROTOCOL-LATER 10): told once when something may be where nothing was.

use std::fs;

use lockgate_client::{AbsPath, Client, ConnectOptions};
use lockgate_e2e::{DEADLINE, Ground, Profile, Server, Shape, Wire};
use serde_json::{Value, json};

async fn watch(
    wire: &mut Wire,
    ground: &Ground,
    number: u64,
    missing: &[&str],
    sandbox: Value,
) -> bool {
    let missing: Vec<_> = missing
        .iter()
        .map(|path| Shape::Late.path(ground.path(path)))
        .collect();
    let params =
        json!({"watchId": number, "missing": missing, "present": null, "sandbox": sandbox});
    let answer = wire
        .call("fs/watchMissing", params)
        .await
        .expect("answered");
    answer["watching"].as_bool().expect("a bool")
}

async fn told(wire: &mut Wire) -> u64 {
    let (method, params) = wire.notification().await;
    assert_eq!(method, "fs/missingChanged");
    params["watchId"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_path_or_a_missing_directory_above_it_is_told_once() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/there=x"]);
    assert!(
        watch(
            &mut wire,
            &ground,
            1,
            &["w/.git", "w/.agents/skills", ".git"],
            Value::Null
        )
        .await
    );
    assert!(watch(&mut wire, &ground, 2, &["w/.git"], Value::Null).await);
    fs::write(ground.path("w/other"), "x").expect("written");
    fs::create_dir_all(ground.path("w/.agents")).expect("made");
    assert_eq!(told(&mut wire).await, 1);
    fs::create_dir_all(ground.path("w/.agents/skills")).expect("made");
    fs::create_dir_all(ground.path("w/.git")).expect("made");
    assert_eq!(told(&mut wire).await, 2);
    // A name that is moved there has come as well; the number may be used again.
    assert!(watch(&mut wire, &ground, 1, &["w/moved"], Value::Null).await);
    fs::rename(ground.path("w/there"), ground.path("w/moved")).expect("moved");
    assert_eq!(told(&mut wire).await, 1);
}

#[tokio::test]
async fn nothing_is_watched_where_something_is_or_nothing_can_be() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x", "d/"]);
    for missing in [&[][..], &["f"], &["f", "d"], &["f/below"]] {
        assert!(
            !watch(&mut wire, &ground, 1, missing, Value::Null).await,
            "{missing:?}"
        );
    }
    let many: Vec<_> = (0..257)
        .map(|number| format!("/missing/{number}"))
        .collect();
    let params = json!({"watchId": 1, "missing": many, "present": null});
    let refusal = wire
        .call("fs/watchMissing", params)
        .await
        .expect_err("refused");
    assert_eq!(refusal.code, -32602);
}

#[tokio::test]
async fn what_a_profile_does_not_show_is_not_told() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["w/", "out/"]);
    let sandbox = Profile::new().read(ground.path("w")).in_shape(Shape::Late);
    assert!(!watch(&mut wire, &ground, 1, &["out/f"], sandbox.clone()).await);
    assert!(watch(&mut wire, &ground, 2, &["out/f", "w/f"], sandbox).await);
    fs::write(ground.path("out/f"), "x").expect("written");
    assert!(watch(&mut wire, &ground, 3, &["w/g"], Value::Null).await);
    fs::write(ground.path("w/g"), "x").expect("written");
    assert_eq!(told(&mut wire).await, 3);
    fs::write(ground.path("w/f"), "x").expect("written");
    assert_eq!(told(&mut wire).await, 2);
}

#[tokio::test]
async fn it_is_announced() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let info = wire
        .call("environment/info", json!({}))
        .await
        .expect("answered");
    assert_eq!(info["capabilities"]["fsWatchMissing"], true);
}

#[tokio::test]
async fn a_client_is_told_and_what_it_no_longer_wants_is_ended() {
    let server = Server::start();
    let client = Client::connect_ws(server.url(), ConnectOptions::default()).await;
    let client = client.expect("connects");
    let ground = Ground::new();
    ground.make(&["there=x"]);
    let at = |path: &str| {
        let path = AbsPath::parse(ground.path(path)).expect("a path");
        vec![client.path(path)]
    };
    let nothing = client.watch_missing(at("there"), None).await;
    assert!(nothing.expect("answered").is_none());
    // More than a connection may have at once.
    for number in 0..200 {
        let missing = client.watch_missing(at(&format!("m{number}")), None).await;
        assert!(missing.expect("answered").is_some());
    }
    let missing = client.watch_missing(at("a/b"), None).await;
    let mut missing = missing.expect("answered").expect("watched");
    fs::create_dir(ground.path("a")).expect("made");
    let come = tokio::time::timeout(DEADLINE, missing.come()).await;
    assert!(come.expect("told in time"));
    client.close().await;
}
