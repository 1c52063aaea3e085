//! What is sent, and what is answered.

use lockgate_e2e::{Server, Wire, decoded, reserved};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::origin::{Origin, ok};
use crate::{body, get, with};

#[tokio::test]
async fn a_request_goes_out_as_asked_and_its_answer_comes_back() {
    let origin = Origin::new(|asked| {
        let body = String::from_utf8_lossy(&asked.body).to_uppercase();
        format!(
            "HTTP/1.1 201 Made\r\nX-Repeat: one\r\nSet-Cookie: a=1\r\nx-repeat: two\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let params = json!({
        "method": "PUT", "url": origin.url("/a%20b?q=1&q=2#fragment"), "requestId": "r",
        "headers": [{"name": "X-One", "value": "1"}, {"name": "x-two", "value": "é"}, {"name": "x-one", "value": "2"}],
        "bodyBase64": "Ym9keQ==", "timeoutMs": 30000, "streamResponse": false, "unknown": true,
    });
    let result = wire.call("http/request", params).await.expect("answered");
    assert_eq!(result["status"], 201);
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    assert_eq!(
        result["headers"],
        json!([
            header("x-repeat", "one"),
            header("x-repeat", "two"),
            header("set-cookie", "a=1"),
            header("content-length", "4")
        ])
    );
    assert_eq!(body(&result), "BODY");
    let asked = &origin.asked()[0];
    assert_eq!(asked.what(), "PUT /a%20b?q=1&q=2");
    assert_eq!(asked.all("x-one"), ["1", "2"]);
    assert_eq!(asked.all("x-two"), ["é"]);
    assert_eq!(asked.all("content-length"), ["4"]);
    assert_eq!(
        asked.names()[..3],
        ["x-one", "x-one", "x-two"],
        "{}",
        asked.head
    );
    assert!(asked.all("user-agent").is_empty() && asked.all("accept-encoding").is_empty());
}

#[tokio::test]
async fn statuses_from_400_on_are_results() {
    let origin = Origin::new(|asked| {
        let status = asked.what().rsplit_once('/').expect("a path").1.to_owned();
        format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nno")
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for status in [400, 401, 404, 405, 500, 599] {
        let result = wire
            .call("http/request", get(origin.url(&format!("/{status}"))))
            .await;
        let result = result.expect("a result");
        assert_eq!(
            (&result["status"], body(&result).as_str()),
            (&json!(status), "no")
        );
    }
}

#[tokio::test]
async fn answers_without_a_body_and_those_before_the_answer() {
    let origin = Origin::new(|asked| match asked.what() {
        "HEAD /" => "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_owned(),
        "GET /204" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "GET /304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n".to_owned(),
        "GET /early" => format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n{}", ok("late")),
        "GET /close" => "HTTP/1.1 200 OK\r\n\r\nto the end".to_owned(),
        "GET /chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\ntrailer: 1\r\n\r\n".to_owned(),
        other => panic!("{other}"),
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let head = with(get(origin.url("/")), json!({"method": "HEAD"}));
    for (params, status, expected) in [
        (head, 200, ""),
        (get(origin.url("/204")), 204, ""),
        (get(origin.url("/304")), 304, ""),
        (get(origin.url("/early")), 200, "late"),
        (get(origin.url("/close")), 200, "to the end"),
        (get(origin.url("/chunked")), 200, "abcd"),
    ] {
        let result = wire
            .call("http/request", params.clone())
            .await
            .expect("a result");
        assert_eq!(
            (&result["status"], body(&result).as_str()),
            (&json!(status), expected),
            "{params}"
        );
    }
}

#[tokio::test]
async fn header_values_that_are_not_utf8_are_left_out() {
    let origin = Origin::bytes(|_| {
        b"HTTP/1.1 200 OK\r\nbad: \xff\xfe\r\ngood: \xc3\xa9\r\nempty:\r\ncontent-length: 0\r\n\r\n"
            .to_vec()
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let result = wire
        .call("http/request", get(origin.url("/")))
        .await
        .expect("a result");
    let names: Vec<_> = result["headers"]
        .as_array()
        .expect("headers")
        .iter()
        .map(|header| &header["name"])
        .collect();
    assert_eq!(names, ["good", "empty", "content-length"]);
    assert_eq!(result["headers"][0]["value"], "é");
}

#[tokio::test]
async fn failures_say_what_failed_and_never_show_the_url() {
    let closed = reserved();
    let garbage = Origin::new(|_| "SSH-2.0-OpenSSH\r\n".to_owned()).await;
    let cut = Origin::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned()).await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let failed = "http/request failed: ";
    for (url, beginning) in [
        (format!("http://{closed}/?s3cret"), failed),
        (format!("http://user:s3cret@{closed}/"), failed),
        (garbage.url("/?s3cret"), failed),
        ("http://name.invalid/?s3cret".to_owned(), failed),
        (
            cut.url("/?s3cret"),
            "failed to read http/request response body: ",
        ),
    ] {
        let failure = wire
            .call("http/request", get(&url))
            .await
            .expect_err("a failure");
        assert_eq!(failure.code, -32603, "{failure:?}");
        assert!(failure.message.starts_with(beginning), "{failure:?}");
        assert!(failure.message.len() > beginning.len() + 5, "{failure:?}");
        assert!(!failure.message.contains("s3cret"), "{failure:?}");
    }
    for params in [
        get("file:///etc/passwd"),
        get("/relative"),
        with(get("http://a/"), json!({"method": "a b"})),
        with(
            get("http://a/"),
            json!({"headers": [{"name": "a b", "value": ""}]}),
        ),
        with(
            get("http://a/"),
            json!({"headers": [{"name": "a", "value": "1\r\nb: 2"}]}),
        ),
        with(get("http://a/"), json!({"bodyBase64": "?"})),
        json!({"method": "GET", "url": "http://a/"}),
    ] {
        let failure = wire
            .call("http/request", params)
            .await
            .expect_err("a failure");
        assert_eq!(failure.code, -32602, "{failure:?}");
    }
}

#[tokio::test]
async fn the_time_covers_the_whole_exchange() {
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    // Of three: one gets no answer, two get half a body.
    let mut open = Vec::new();
    for (path, streamed) in [("/silent", false), ("/whole", false), ("/stream", true)] {
        let mut wire = Wire::ready(&server).await;
        let members = json!({"timeoutMs": 3000, "streamResponse": streamed});
        let id = wire
            .request("http/request", with(get(origin.url(path)), members))
            .await;
        let (_, mut socket) = asked.recv().await.expect("a request");
        if path != "/silent" {
            let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
            socket.write_all(half).await.expect("sent");
        }
        open.push((wire, id, socket));
    }
    let (mut stream, id, _socket) = open.pop().expect("the last");
    assert_eq!(stream.answer(id).await.expect("an answer")["status"], 200);
    let (bytes, error) = crate::rest(&mut stream, "r").await;
    assert_eq!(bytes, b"half");
    assert!(error.is_some_and(|error| error.contains("3000 ms (timeoutMs)")));
    for (mut wire, id, _socket) in open {
        let failure = wire.answer(id).await.expect_err("a failure");
        assert_eq!(failure.code, -32603, "{failure:?}");
        assert!(
            failure.message.contains("3000 ms (timeoutMs)"),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_to_a_server_is_kept_for_the_client_that_made_it_and_for_no_other() {
    let origin = Origin::new(|_| ok("")).await;
    let server = Server::start();
    let mut clients = [Wire::ready(&server).await, Wire::ready(&server).await];
    for expected in [1, 2] {
        for _ in 0..3 {
            let wire = &mut clients[expected - 1];
            let result = wire.call("http/request", get(origin.url("/"))).await;
            result.expect("answered");
        }
        assert_eq!(origin.connections(), expected);
    }
}

#[tokio::test]
async fn long_requests_hold_nothing_up() {
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let slow = wire.request("http/request", get(origin.url("/"))).await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    for _ in 0..10 {
        let status = wire
            .call("environment/status", json!({}))
            .await
            .expect("answered");
        assert_eq!(status["status"], "ready");
    }
    socket
        .write_all(ok("at last").as_bytes())
        .await
        .expect("sent");
    assert_eq!(body(&wire.answer(slow).await.expect("answered")), "at last");
}

#[tokio::test]
async fn bytes_of_all_kinds_survive_both_ways() {
    let origin = Origin::bytes(|asked| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            asked.body.len()
        )
        .into_bytes();
        answer.extend(&asked.body);
        answer
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let all: Vec<u8> = (0..=255).cycle().take(700_001).collect();
    let encoded = base64_simd::STANDARD.encode_to_string(&all);
    let params = with(
        get(origin.url("/")),
        json!({"method": "POST", "bodyBase64": encoded}),
    );
    let result: Value = wire.call("http/request", params).await.expect("answered");
    assert_eq!(decoded(&result["bodyBase64"]), all);
}
