//! The client of ours against the real executor.

use lockgate_client::{Client, ConnectOptions, HttpRequest};
use lockgate_e2e::Server;

use crate::origin::{Origin, ok, to};

#[tokio::test]
async fn the_client_gets_whole_answers_and_streams() {
    const SIZE: usize = 5_000_000;
    let origin = Origin::bytes(|asked| match asked.what() {
        "GET /away" => to(302, "/").into_bytes(),
        "GET /large" => {
            let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            answer.extend((0..=255).cycle().take(SIZE));
            answer
        }
        _ => ok("hello").into_bytes(),
    })
    .await;
    let server = Server::start();
    let options = ConnectOptions {
        wait_for_readers: true,
        ..ConnectOptions::default()
    };
    let client = Client::connect_ws(server.url(), options)
        .await
        .expect("connects");
    let get = |path: &str| HttpRequest {
        method: "GET".to_owned(),
        url: origin.url(path),
        ..HttpRequest::default()
    };
    let whole = client.http(&get("/away")).await.expect("answered");
    assert_eq!(
        (whole.status, whole.body_base64.0),
        (200, b"hello".to_vec())
    );
    for _ in 0..2 {
        let answer = client.http_stream(&get("/large")).await.expect("answered");
        let bytes = answer.body.read_to_end(SIZE).await.expect("all of it");
        assert!(bytes.into_iter().eq((0..=255).cycle().take(SIZE)));
    }
    let failure = client
        .http(&HttpRequest {
            url: "ftp://a/".to_owned(),
            ..get("/")
        })
        .await;
    assert_eq!(failure.expect_err("refused").code(), Some(-32602));
}
