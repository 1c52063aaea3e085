//! HTTP from where the executor is.

use std::sync::Arc;
use std::time::Duration;

use lockgate_client::executor::{Executor, Http, HttpClient};
use lockgate_client::{ClientError, HttpRequest};
use lockgate_e2e::origin::{Origin, ok, to};
use lockgate_wire::http::{Header, RedirectPolicy};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    a_request_goes_out_as_it_is_and_its_answer_comes_back,
    statuses_of_failure_are_answers,
    large_bodies_come_whole_in_one_piece_and_in_many,
    pieces_come_as_they_do,
    redirects_are_followed_unless_they_are_wanted,
    time_is_over_for_the_answer_and_for_its_body,
    what_does_not_come_to_its_end_is_an_error,
    what_cannot_be_sent_is_refused,
    fifty_requests_at_once_keep_apart,
    a_program_writes_it_as_it_is_used_to,
}

fn get(url: String) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url,
        ..HttpRequest::default()
    }
}

async fn a_request_goes_out_as_it_is_and_its_answer_comes_back(house: &House) {
    let origin = Origin::bytes(|_| {
        let mut answer =
            b"HTTP/1.1 207 Some\r\nX-Two: 1\r\nx-two: 2\r\ncontent-length: 256\r\n\r\n".to_vec();
        answer.extend(0..=255_u8);
        answer
    })
    .await;
    let request = HttpRequest {
        method: "PROPFIND".to_owned(),
        headers: vec![
            Header::new("x-b", "1"),
            Header::new("x-a", "2"),
            Header::new("x-b", "3"),
        ],
        body: Some((0..=255).collect()),
        ..get(origin.url("/p?q=%20"))
    };
    let answer = house.executor.send(&request).await.expect("answered");
    assert_eq!(answer.status, 207);
    let two: Vec<_> = answer
        .headers
        .iter()
        .filter(|header| header.name == "x-two")
        .map(|header| &*header.value)
        .collect();
    assert_eq!(two, ["1", "2"]);
    assert_eq!(answer.body, (0..=255).collect::<Vec<u8>>());
    let asked = &origin.asked()[0];
    assert_eq!(asked.what(), "PROPFIND /p?q=%20");
    assert_eq!(
        (asked.all("x-b"), asked.all("x-a")),
        (vec!["1", "3"], vec!["2"])
    );
    assert_eq!(asked.body, (0..=255).collect::<Vec<u8>>());
    let streamed = house.executor.stream(&request).await.expect("answered");
    assert_eq!(streamed.status, 207);
    assert_eq!(
        streamed.body.read_to_end(256).await.expect("whole"),
        answer.body
    );
    let streamed = house.executor.stream(&request).await.expect("answered");
    let cut = streamed
        .body
        .read_to_end(255)
        .await
        .expect_err("more than that");
    assert!(matches!(cut, ClientError::Body(_)), "{cut}");
}

async fn statuses_of_failure_are_answers(house: &House) {
    let origin =
        Origin::new(|_| "HTTP/1.1 503 Away\r\ncontent-length: 4\r\n\r\naway".to_owned()).await;
    let answer = house
        .executor
        .send(&get(origin.url("/")))
        .await
        .expect("answered");
    assert_eq!((answer.status, &*answer.body), (503, &b"away"[..]));
}

async fn large_bodies_come_whole_in_one_piece_and_in_many(house: &House) {
    let large: Vec<u8> = (0..2_000_000_u32)
        .flat_map(|i| (i ^ (i << 5)).to_le_bytes())
        .collect();
    let sent = large.clone();
    let origin = Origin::bytes(move |_| {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", sent.len()).into_bytes();
        answer.extend(&sent);
        answer
    })
    .await;
    let request = get(origin.url("/"));
    let answer = house.executor.send(&request).await.expect("answered");
    assert!(answer.body == large, "{} bytes", answer.body.len());
    let streamed = house.executor.stream(&request).await.expect("answered");
    let body = streamed.body.read_to_end(large.len()).await.expect("whole");
    assert!(body == large, "{} bytes", body.len());
}

async fn pieces_come_as_they_do(house: &House) {
    let (origin, mut connections) = Origin::by_hand().await;
    let request = get(origin.url("/"));
    let begin = async {
        let (_, mut socket) = connections.recv().await.expect("asked");
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head).await.expect("sent");
        socket
    };
    let (answer, mut socket) = tokio::join!(house.executor.stream(&request), begin);
    let mut body = answer.expect("answered").body;
    for i in 0..5 {
        // The next one is sent when this one has come.
        socket
            .write_all(format!("2\r\n{i}!\r\n").as_bytes())
            .await
            .expect("sent");
        let piece = body.next().await.expect("a piece").expect("bytes");
        assert_eq!(piece, format!("{i}!").as_bytes());
        // Other calls pass.
        house
            .executor
            .list(&house.path(""), None)
            .await
            .expect("listed");
    }
    socket.write_all(b"0\r\n\r\n").await.expect("sent");
    assert!(body.next().await.is_none());
    assert!(body.next().await.is_none());
}

async fn redirects_are_followed_unless_they_are_wanted(house: &House) {
    let origin = Origin::new(|asked| match asked.what() {
        "GET /a" => to(302, "/b"),
        "GET /b" => ok("there"),
        _ => to(307, "/loop"),
    })
    .await;
    let answer = house
        .executor
        .send(&get(origin.url("/a")))
        .await
        .expect("answered");
    assert_eq!((answer.status, &*answer.body), (200, &b"there"[..]));
    let stop = HttpRequest {
        redirects: RedirectPolicy::Stop,
        ..get(origin.url("/a"))
    };
    assert_eq!(
        house.executor.send(&stop).await.expect("answered").status,
        302
    );
    assert_eq!(
        refused(house.executor.send(&get(origin.url("/loop"))).await),
        -32603
    );
}

async fn time_is_over_for_the_answer_and_for_its_body(house: &House) {
    let (origin, mut connections) = Origin::by_hand().await;
    let request = HttpRequest {
        timeout: Some(Duration::from_millis(300)),
        ..get(origin.url("/"))
    };
    assert_eq!(refused(house.executor.send(&request).await), -32603);
    drop(connections.recv().await.expect("asked"));
    // Enough to answer in, whatever else this machine does.
    let request = HttpRequest {
        timeout: Some(Duration::from_secs(3)),
        ..request
    };
    let begin = async {
        let (_, mut socket) = connections.recv().await.expect("asked");
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf!";
        socket.write_all(head).await.expect("sent");
        socket
    };
    let (answer, _socket) = tokio::join!(house.executor.stream(&request), begin);
    let mut body = answer.expect("answered").body;
    let mut came = Vec::new();
    let error = loop {
        match body.next().await.expect("an error is told") {
            Ok(piece) => came.extend(piece),
            Err(error) => break error,
        }
    };
    assert_eq!(came, b"half!");
    assert!(matches!(error, ClientError::Body(_)), "{error}");
    assert!(body.next().await.is_none());
}

async fn what_does_not_come_to_its_end_is_an_error(house: &House) {
    let origin =
        Origin::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned()).await;
    let request = get(origin.url("/"));
    assert_eq!(refused(house.executor.send(&request).await), -32603);
    let streamed = house.executor.stream(&request).await.expect("answered");
    let error = streamed
        .body
        .read_to_end(1000)
        .await
        .expect_err("not whole");
    assert!(matches!(error, ClientError::Body(_)), "{error}");
}

async fn what_cannot_be_sent_is_refused(house: &House) {
    // A port that was somebody's a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("bound");
    let nobody = get(format!("http://{free}/"));
    assert_eq!(refused(house.executor.send(&nobody).await), -32603);
    assert_eq!(refused(house.executor.stream(&nobody).await), -32603);
    for url in ["", "no url", "ftp://h/", "file:///etc/passwd", "http://"] {
        assert_eq!(
            refused(house.executor.send(&get(url.to_owned())).await),
            -32602,
            "{url}"
        );
    }
    let request = get(format!("http://{free}/"));
    let with = |header| HttpRequest {
        headers: vec![header],
        ..request.clone()
    };
    assert_eq!(
        refused(
            house
                .executor
                .send(&with(Header::new("no name", "x")))
                .await
        ),
        -32602
    );
    assert_eq!(
        refused(
            house
                .executor
                .send(&with(Header::new("x", "a\r\nb: c")))
                .await
        ),
        -32602
    );
    let method = HttpRequest {
        method: "NO METHOD".to_owned(),
        ..request.clone()
    };
    assert_eq!(refused(house.executor.send(&method).await), -32602);
    // No variable of the executor goes into a header unless its operator says so.
    let secret = Header {
        value_env_var: Some("HOME".to_owned()),
        ..Header::new("x", "")
    };
    refused(house.executor.send(&with(secret)).await);
}

async fn fifty_requests_at_once_keep_apart(house: &House) {
    let origin = Origin::new(|asked| ok(&asked.what().repeat(500))).await;
    let each = (0..50).map(|i| {
        let request = get(origin.url(&format!("/{i}")));
        async move {
            let wanted = format!("GET /{i}").repeat(500);
            let answer = house.executor.send(&request).await.expect("answered");
            assert_eq!(answer.body, wanted.as_bytes());
            let streamed = house.executor.stream(&request).await.expect("answered");
            let body = streamed.body.read_to_end(1 << 20).await.expect("whole");
            assert_eq!(body, wanted.as_bytes());
        }
    });
    futures_util::future::join_all(each).await;
}

async fn a_program_writes_it_as_it_is_used_to(house: &House) {
    let origin = Origin::new(|asked| match asked.what() {
        "POST /json?a=b%26c" => {
            let name: Value = serde_json::from_slice(&asked.body).expect("JSON");
            ok(&json!({ "hello": name["name"] }).to_string())
        }
        "GET /text" => ok("gr\u{fc}n"),
        "DELETE /gone" => "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n".to_owned(),
        _ => to(301, "/text"),
    })
    .await;
    let executor: Arc<dyn Executor> = Arc::clone(&house.executor);
    let http: Arc<dyn Http> = executor;
    let http = HttpClient::new(http);
    let answer = http
        .post(&origin.url("/json"))
        .query([("a", "b&c")])
        .bearer_auth("t0ken")
        .json(&json!({ "name": "you" }))
        .timeout(Duration::from_secs(60))
        .send()
        .await
        .expect("answered")
        .error_for_status()
        .expect("no failure");
    assert!(answer.is_success() && answer.header("Content-Length").is_some());
    let hello: Value = answer.json().await.expect("JSON");
    assert_eq!(hello, json!({ "hello": "you" }));
    let asked = &origin.asked()[0];
    assert_eq!(asked.all("authorization"), ["Bearer t0ken"]);
    assert_eq!(asked.all("content-type"), ["application/json"]);
    let text = http
        .get(&origin.url("/elsewhere"))
        .send()
        .await
        .expect("answered");
    assert_eq!(text.text().await.expect("text"), "gr\u{fc}n");
    let stop = http
        .get(&origin.url("/elsewhere"))
        .redirects(RedirectPolicy::Stop);
    assert_eq!(stop.send().await.expect("answered").status(), 301);
    let mut chunks = http
        .get(&origin.url("/text"))
        .send()
        .await
        .expect("answered");
    let mut all = Vec::new();
    while let Some(chunk) = chunks.chunk().await.expect("a chunk") {
        all.extend(chunk);
    }
    assert_eq!(all, "gr\u{fc}n".as_bytes());
    let gone = http
        .delete(&origin.url("/gone"))
        .send()
        .await
        .expect("answered");
    let error = gone.error_for_status().expect_err("410");
    assert!(
        matches!(error, ClientError::Status { status: 410 }),
        "{error}"
    );
    let no_json = http
        .get(&origin.url("/text"))
        .send()
        .await
        .expect("answered");
    let error = no_json.json::<Value>().await.expect_err("text");
    assert!(error.to_string().contains("not the JSON"), "{error}");
}
