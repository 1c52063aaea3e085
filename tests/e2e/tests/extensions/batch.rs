//! `lockgate/fs/batch`: each operation is answered as a request of its own would be.

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire, decoded};
use serde_json::{Value, json};

/// One operation of a batch, in the words of the tables.
fn operation(ground: &Ground, words: &str) -> Value {
    let way = Way::direct(Shape::Late);
    let mut words = words.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (method, mut params) = ground.request(&way, word(), word(), word());
    params.as_object_mut().expect("params").remove("sandbox");
    json!({"method": method, "params": params})
}

fn operations(ground: &Ground, operations: &[&str]) -> Value {
    operations
        .iter()
        .map(|words| operation(ground, words))
        .collect()
}

async fn results(wire: &mut Wire, params: Value) -> Vec<Value> {
    let mut answer = wire
        .call("lockgate/fs/batch", params)
        .await
        .expect("answered");
    match answer["results"].take() {
        Value::Array(results) => results,
        other => panic!("no results: {other}"),
    }
}

/// The code of an outcome; 0 of a result.
fn code(outcome: &Value) -> i64 {
    outcome["error"]["code"].as_i64().unwrap_or(0)
}

fn codes(results: &[Value]) -> Vec<i64> {
    results.iter().map(code).collect()
}

#[tokio::test]
async fn a_batch_does_its_operations_in_order_and_answers_each() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=old", "d/x=1"]);
    let list = operations(
        &ground,
        &[
            "write f new",
            "read f",
            "read none",
            "mkdirs a/b",
            "stat a/b",
            "list d",
            "real d/x",
            "walk d",
            "copy f g",
            "rm d",
            "rmtree d",
            "read g",
        ],
    );
    let results = results(&mut wire, json!({"operations": list})).await;
    assert_eq!(
        codes(&results),
        [0, 0, -32004, 0, 0, 0, 0, 0, 0, -32603, 0, 0]
    );
    let result = |n: usize| &results[n]["result"];
    assert_eq!(*result(0), json!({}));
    assert_eq!(decoded(&result(1)["dataBase64"]), b"new");
    assert_eq!(result(4)["isDirectory"], true);
    assert_eq!(result(5)["entries"][0]["fileName"], "x");
    assert_eq!(result(7)["entries"][0]["kind"], "file");
    assert_eq!(decoded(&result(11)["dataBase64"]), b"new");
    assert!(!ground.has("d"));
}

#[tokio::test]
async fn what_a_batch_answers_is_what_each_call_answers() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=text", "d/x=1", "l>f", "broken>none"]);
    let words = [
        "stat f",
        "stat l",
        "stat! l",
        "real l",
        "read broken",
        "read d",
        "list .",
        "walk none",
        "copy d e",
        "rm none",
    ];
    let outcomes = results(
        &mut wire,
        json!({"operations": operations(&ground, &words)}),
    )
    .await;
    for (words, outcome) in words.iter().zip(&outcomes) {
        let item = operation(&ground, words);
        let method = item["method"].as_str().expect("a name");
        let wanted = match wire.call(method, item["params"].clone()).await {
            Ok(result) => json!({"result": result}),
            Err(refusal) => json!({"error": {"code": refusal.code, "message": refusal.message}}),
        };
        assert_eq!(*outcome, wanted, "{words}");
    }
}

#[tokio::test]
async fn nothing_is_done_after_an_error_when_that_was_asked_for() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let list = operations(&ground, &["write a 1", "read none", "write b 2", "read a"]);
    let stopped = results(
        &mut wire,
        json!({"operations": list.clone(), "stopOnError": true}),
    )
    .await;
    assert_eq!(codes(&stopped), [0, -32004, -32600, -32600]);
    assert_eq!(
        stopped[2]["error"]["message"],
        "not done: an operation before it failed"
    );
    assert!(ground.has("a") && !ground.has("b"));
    let all = results(&mut wire, json!({"operations": list})).await;
    assert_eq!(codes(&all), [0, -32004, 0, 0]);
    assert!(ground.has("b"));
}

#[tokio::test]
async fn a_batch_under_a_profile_does_only_what_the_profile_grants() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&[
        "w/f=x",
        "r/f=x",
        "out/secret=s",
        "w/l>../out/secret",
        "w/.git/config=c",
    ]);
    let profile = Profile::new()
        .write(ground.path("w"))
        .read(ground.path("r"));
    for shape in Shape::BOTH {
        let list = operations(
            &ground,
            &[
                "read w/f",
                "read r/f",
                "read out/secret",
                "read w/l",
                "write w/new n",
                "write r/new n",
                "write out/new n",
                "copy w/l w/copied",
                "write w/.git/config evil",
                "rmtree out",
            ],
        );
        let params = json!({"operations": list, "sandbox": profile.in_shape(shape)});
        let results = results(&mut wire, params).await;
        assert_eq!(
            codes(&results),
            [0, 0, -32004, -32004, 0, -32603, -32600, 0, -32603, -32600],
            "{results:?}"
        );
        assert_eq!(ground.text("out/secret"), "s");
        assert_eq!(ground.text("w/.git/config"), "c");
        assert!(!ground.has("out/new") && !ground.has("r/new"));
        std::fs::remove_file(ground.path("w/copied")).expect("a link was copied");
    }
}

#[tokio::test]
async fn an_operation_with_a_sandbox_of_its_own_is_refused_and_not_done() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let mut own = operation(&ground, "write f x");
    for sandbox in [
        json!({"permissions": {"type": "disabled"}}),
        json!(true),
        Profile::new().in_shape(Shape::May),
    ] {
        for member in ["sandbox", "sandboxPolicy"] {
            let params = own["params"].as_object_mut().expect("params");
            params.remove("sandbox");
            params.remove("sandboxPolicy");
            params.insert(member.into(), sandbox.clone());
            let results = results(&mut wire, json!({"operations": [own]})).await;
            assert_eq!(codes(&results), [-32602]);
            assert!(!ground.has("f"));
        }
    }
}

#[tokio::test]
async fn operations_that_make_no_sense_fail_by_themselves() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    let nested = json!({"method": "lockgate/fs/batch", "params": {"operations": []}});
    let list = json!([
        {"method": "fs/readFile", "params": {"path": "relative"}},
        {"method": "fs/readFile"},
        {"method": "fs/readFile", "params": [1]},
        {"method": "fs/nothing", "params": {}},
        {"method": "process/start", "params": {}},
        {"method": "fs/open", "params": {"handleId": "h", "path": ground.path("f")}},
        nested,
        {"method": "fs/writeFile", "params": {"path": ground.path("g"), "dataBase64": "%"}},
        operation(&ground, "read f"),
    ]);
    let results = results(&mut wire, json!({"operations": list})).await;
    assert_eq!(
        codes(&results),
        [
            -32602, -32602, -32602, -32601, -32601, -32601, -32601, -32600, 0
        ]
    );
    assert!(!ground.has("g"));
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let write = operation(&ground, "write f x");
    let too_many = vec![write.clone(); 1_025];
    for params in [
        json!({}),
        json!({"operations": []}),
        json!({"operations": {}}),
        json!({"operations": [write, 1]}),
        json!({"operations": [{"params": {}}]}),
        json!({"operations": too_many}),
        json!({"operations": [write], "sandbox": {"permissions": {"type": "later"}}}),
        json!({"operations": [write], "stopOnError": 1}),
    ] {
        let refusal = wire
            .call("lockgate/fs/batch", params)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32602, "{}", refusal.message);
        assert!(!ground.has("f"));
    }
    let most = vec![write.clone(); 1_024];
    let results = results(&mut wire, json!({"operations": most})).await;
    assert_eq!(results.len(), 1_024);
}

#[tokio::test]
async fn a_result_that_has_no_room_is_told_and_those_behind_it_are_done() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    std::fs::write(ground.path("big"), vec![b'x'; 5 << 20]).expect("written");
    ground.make(&["small=s"]);
    let list = operations(
        &ground,
        &["read big", "read big", "write f x", "read small"],
    );
    let results = results(&mut wire, json!({"operations": list})).await;
    assert_eq!(codes(&results), [0, -32600, 0, 0]);
    assert_eq!(decoded(&results[0]["result"]["dataBase64"]).len(), 5 << 20);
    assert_eq!(decoded(&results[3]["result"]["dataBase64"]), b"s");
    assert!(ground.has("f"));
}

#[tokio::test]
async fn a_batch_that_changes_something_keeps_its_place_among_the_others() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let read = |words: &str| {
        let item = operation(&ground, words);
        (
            item["method"].as_str().expect("a name").to_owned(),
            item["params"].clone(),
        )
    };
    for round in 0..50 {
        let text = format!("{round}");
        let (write, params) = read(&format!("write f before{text}"));
        wire.request(&write, params).await;
        let list = operations(&ground, &["read f", &format!("write f after{text}")]);
        let batch = wire
            .request("lockgate/fs/batch", json!({"operations": list}))
            .await;
        let (method, params) = read("read f");
        let last = wire.request(&method, params).await;
        wire.answer(batch - 1).await.expect("written");
        let answer = wire.answer(batch).await.expect("answered");
        let before = decoded(&answer["results"][0]["result"]["dataBase64"]);
        assert_eq!(before, format!("before{text}").into_bytes());
        let after = wire.answer(last).await.expect("read");
        assert_eq!(
            decoded(&after["dataBase64"]),
            format!("after{text}").into_bytes()
        );
    }
}

#[tokio::test]
async fn the_extensions_are_announced() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let info = wire
        .call("environment/info", json!({}))
        .await
        .expect("answered");
    let methods = info["capabilities"]["lockgate"]["methods"]
        .as_array()
        .expect("a list");
    assert!(methods.contains(&json!("lockgate/fs/batch")), "{methods:?}");
}
