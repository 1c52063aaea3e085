//! What is put together, and what is told of it.

use super::super::{Answer, HttpReply, HttpReplyStream};
use super::*;

struct Nobody;

impl Http for Nobody {
    fn send<'a>(&'a self, _: &'a HttpRequest) -> Answer<'a, HttpReply> {
        Box::pin(async { Err(ClientError::Unsupported { what: "send" }) })
    }

    fn stream<'a>(&'a self, _: &'a HttpRequest) -> Answer<'a, HttpReplyStream> {
        Box::pin(async { Err(ClientError::Unsupported { what: "stream" }) })
    }
}

#[test]
fn what_is_put_together_is_what_is_sent() {
    let http = HttpClient::new(Arc::new(Nobody));
    let request = http
        .post("http://h/p?a=1")
        .header("x", "1")
        .header("x", "2")
        .bearer_auth("t")
        .query([("b", "2 3"), ("c", "&")])
        .json(&[1, 2])
        .timeout(Duration::from_secs(2))
        .redirects(RedirectPolicy::Stop)
        .build()
        .expect("it can be sent");
    let headers = [
        ("x", "1"),
        ("x", "2"),
        ("authorization", "Bearer t"),
        ("content-type", "application/json"),
    ];
    let wanted = HttpRequest {
        method: "POST".to_owned(),
        url: "http://h/p?a=1&b=2+3&c=%26".to_owned(),
        headers: headers
            .map(|(name, value)| Header::new(name, value))
            .to_vec(),
        body: Some(b"[1,2]".to_vec()),
        timeout: Some(Duration::from_secs(2)),
        redirects: RedirectPolicy::Stop,
    };
    assert_eq!(request, wanted);
}

#[test]
fn a_query_without_pairs_leaves_the_url_as_it_is() {
    let http = HttpClient::new(Arc::new(Nobody));
    for url in ["http://h/p", "http://h/p?a=1#f"] {
        let none: [(&str, &str); 0] = [];
        let request = http.get(url).query(none).build().expect("it can be sent");
        assert_eq!(request.url, url);
    }
}

#[test]
fn a_type_that_was_chosen_stays() {
    let http = HttpClient::new(Arc::new(Nobody));
    let builder = http
        .put("http://h/")
        .header("Content-Type", "application/ld+json");
    let request = builder.json("x").build().expect("it can be sent");
    assert_eq!(
        request.headers,
        [Header::new("Content-Type", "application/ld+json")]
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_when_it_is_sent_and_shows_no_url() {
    let http = HttpClient::new(Arc::new(Nobody));
    let builder = http
        .get("no url?secret")
        .query([("a", "b")])
        .header("x", "y");
    assert!(!format!("{builder:?}").contains("secret"));
    let error = builder.send().await.expect_err("no URL");
    let text = error.to_string();
    assert!(
        text.contains("its URL is none") && !text.contains("secret"),
        "{text}"
    );
    let keys = std::collections::HashMap::from([((1, 2), 3)]);
    let error = http
        .get("http://h/")
        .json(&keys)
        .send()
        .await
        .expect_err("no JSON");
    assert!(error.to_string().contains("cannot be JSON"), "{error}");
}

#[tokio::test]
async fn a_body_that_came_whole_and_is_something_else_is_not_told_as_one_that_broke_off() {
    let response = |bytes: &'static [u8]| Response {
        status: 200,
        headers: Vec::new(),
        body: Body::new(futures_util::stream::iter([Ok(bytes.to_vec())])),
    };
    let error = response(b"<html>").json::<u8>().await.expect_err("no JSON");
    let large = response(b"12").into_body().read_to_end(1).await;
    for error in [error, large.expect_err("too large")] {
        let text = error.to_string();
        assert!(!text.contains("complete"), "{text}");
        assert!(
            text.starts_with("the body of the http response cannot be used: it "),
            "{text}"
        );
    }
}
