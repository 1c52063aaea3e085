//! Requests that were sent without waiting behave as if they were carried out in turn (PROTOCOL 2.2).

use std::collections::HashMap;

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire, decoded};
use serde_json::{Value, json};

/// Sends everything at once; the answers in the order of the requests, whole.
async fn pipelined(wire: &mut Wire, requests: Vec<(&'static str, Value)>) -> Vec<Value> {
    let mut ids = Vec::new();
    for (method, params) in requests {
        ids.push(wire.request(method, params).await);
    }
    let mut answers = HashMap::new();
    while answers.len() < ids.len() {
        let answer = wire.message().await;
        let id = answer["id"].as_i64().expect("an answer");
        assert!(
            answers.insert(id, answer).is_none(),
            "{id} was answered twice"
        );
    }
    ids.iter()
        .map(|id| answers.remove(id).expect("each was answered"))
        .collect()
}

#[tokio::test]
async fn a_write_a_read_and_a_removal_sent_at_once_happen_in_turn() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for confined in [false, true] {
        let ground = Ground::new();
        let way = match confined {
            true => Way::under(&Profile::new().write(ground.path("")), Shape::Late),
            false => Way::direct(Shape::Late),
        };
        let mut requests = Vec::new();
        // Long and short texts: a short file is read on a faster way than a long one.
        let texts: Vec<String> = (0..30)
            .map(|n| format!("{n}").repeat(1 + n * n * 100))
            .collect();
        for text in &texts {
            for (verb, second) in [
                ("read", ""),
                ("write", text.as_str()),
                ("read", ""),
                ("stat", ""),
                ("list", ""),
                ("copy", "copied"),
                ("rm", ""),
                ("stat", ""),
            ] {
                let first = if verb == "list" { "." } else { "f" };
                requests.push(ground.request(&way, verb, first, second));
            }
            requests.push(ground.request(&way, "read", "copied", ""));
            requests.push(ground.request(&way, "rmforce", "copied", ""));
        }
        let answers = pipelined(&mut wire, requests).await;
        for (text, answers) in texts.iter().zip(answers.chunks(10)) {
            let short = &text[..text.len().min(20)];
            assert_eq!(
                answers[0]["error"]["code"], -32004,
                "{short}: {}",
                answers[0]
            );
            assert_eq!(answers[1]["result"], json!({}), "{short}");
            assert_eq!(
                decoded(&answers[2]["result"]["dataBase64"]),
                text.as_bytes(),
                "{short}"
            );
            assert_eq!(answers[3]["result"]["size"], text.len(), "{short}");
            assert_eq!(
                answers[4]["result"]["entries"][0]["fileName"], "f",
                "{short}"
            );
            assert_eq!(answers[5]["result"], json!({}), "{short}");
            assert_eq!(answers[6]["result"], json!({}), "{short}");
            assert_eq!(
                answers[7]["error"]["code"], -32004,
                "{short}: {}",
                answers[7]
            );
            assert_eq!(
                decoded(&answers[8]["result"]["dataBase64"]),
                text.as_bytes(),
                "{short}"
            );
            assert_eq!(answers[9]["result"], json!({}), "{short}");
        }
    }
}

#[tokio::test]
async fn a_file_opened_read_and_closed_at_once_is_read() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=0123456789"]);
    let block = |offset: u64| {
        (
            "fs/readBlock",
            json!({"handleId": "h", "offset": offset, "len": 2}),
        )
    };
    let mut requests = Vec::new();
    for _ in 0..20 {
        requests.push((
            "fs/open",
            json!({"handleId": "h", "path": ground.path("f")}),
        ));
        requests.extend([block(0), block(4), block(8)]);
        requests.push(("fs/close", json!({"handleId": "h"})));
    }
    requests.push(block(0));
    let answers = pipelined(&mut wire, requests).await;
    let chunk =
        |text: &str| json!({"chunk": base64_simd::STANDARD.encode_to_string(text), "eof": false});
    for answers in answers[..100].chunks(5) {
        let results: Vec<_> = answers
            .iter()
            .map(|answer| answer["result"].clone())
            .collect();
        let wanted = [
            json!({"handleId": "h"}),
            chunk("01"),
            chunk("45"),
            chunk("89"),
            json!({}),
        ];
        assert_eq!(results, wanted, "{answers:?}");
    }
    assert_eq!(answers[100]["error"]["code"], -32004);
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_all_answered() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    let way = Way::direct(Shape::May);
    let requests = (0..1_000).map(|at| match at % 3 {
        0 => ground.request(&way, "write", "f", &"y".repeat(at)),
        1 => ground.request(&way, "walk", ".", ""),
        _ => ground.request(&way, "read", "f", ""),
    });
    let answers = pipelined(&mut wire, requests.collect()).await;
    for (at, answer) in answers.iter().enumerate() {
        assert!(answer.get("result").is_some(), "{at}: {answer}");
        if at % 3 == 2 {
            let read = decoded(&answer["result"]["dataBase64"]);
            assert_eq!(read.len(), at - 2, "what the write before wrote");
        }
    }
}
