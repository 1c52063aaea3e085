//! Redirects: each hop is a request of our own.

use lockgate_e2e::{Server, Wire};
use serde_json::json;

use crate::origin::{Origin, ok, to};
use crate::{body, get, with};

#[tokio::test]
async fn ten_redirects_are_followed_and_no_more() {
    let origin = Origin::new(|asked| {
        let left: u32 = asked
            .what()
            .rsplit_once('/')
            .expect("a path")
            .1
            .parse()
            .expect("a number");
        match left {
            0 => ok("here"),
            left => to(302, &format!("{}", left - 1)),
        }
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let result = wire
        .call("http/request", get(origin.url("/hop/10")))
        .await
        .expect("answered");
    assert_eq!(
        (&result["status"], body(&result).as_str()),
        (&json!(200), "here")
    );
    assert_eq!(origin.asked().len(), 11);
    let failure = wire
        .call("http/request", get(origin.url("/hop/11")))
        .await
        .expect_err("a failure");
    assert_eq!(failure.code, -32603);
    assert!(
        failure.message.contains("more than 10 redirects"),
        "{failure:?}"
    );
    // And who wants to see them sees the first.
    let stop = with(get(origin.url("/hop/3")), json!({"redirectPolicy": "stop"}));
    let result = wire.call("http/request", stop).await.expect("answered");
    assert_eq!(result["status"], 302);
    assert_eq!(
        result["headers"][0],
        json!({"name": "location", "value": "2"})
    );
}

#[tokio::test]
async fn attack_32_a_loop_of_redirects_ends() {
    let origin = Origin::new(|_| to(307, "/again")).await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let failure = wire
        .call("http/request", get(origin.url("/")))
        .await
        .expect_err("a failure");
    assert!(failure.message.contains("redirects"), "{failure:?}");
    assert_eq!(origin.asked().len(), 11);
}

#[tokio::test]
async fn attack_32_a_redirect_leads_to_no_file_and_takes_no_credentials_to_another_origin() {
    let other = Origin::new(|_| ok("other")).await;
    let elsewhere = other.url("/x");
    let origin = Origin::new(move |asked| match asked.what() {
        "GET /file" => to(302, "file:///etc/passwd"),
        "GET /same" => to(302, "/end"),
        "POST /see" => to(303, &elsewhere),
        "POST /keep" => to(308, &elsewhere),
        _ => ok("same"),
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let secrets = json!({"headers": [
        {"name": "Authorization", "value": "Bearer s3cret"}, {"name": "Cookie", "value": "c=s3cret"}, {"name": "x-kept", "value": "1"},
        {"name": "content-type", "value": "text/plain"},
    ]});
    let failure = wire
        .call("http/request", get(origin.url("/file")))
        .await
        .expect_err("a failure");
    assert_eq!(failure.code, -32603, "{failure:?}");
    let same = wire
        .call(
            "http/request",
            with(get(origin.url("/same")), secrets.clone()),
        )
        .await;
    assert_eq!(body(&same.expect("answered")), "same");
    let asked = origin.asked();
    let last = asked.last().expect("a request");
    assert_eq!(
        (last.what(), last.all("authorization"), last.all("cookie")),
        ("GET /end", vec!["Bearer s3cret"], vec!["c=s3cret"])
    );
    for (path, method, sent) in [("/see", "GET", ""), ("/keep", "POST", "body")] {
        let members = with(
            secrets.clone(),
            json!({"method": "POST", "bodyBase64": "Ym9keQ=="}),
        );
        let result = wire
            .call("http/request", with(get(origin.url(path)), members))
            .await;
        assert_eq!(body(&result.expect("answered")), "other");
        let asked = other.asked();
        let last = asked.last().expect("a request");
        assert_eq!(last.what(), format!("{method} /x"));
        assert_eq!(last.body, sent.as_bytes());
        assert_eq!(last.all("x-kept"), ["1"]);
        assert!(!last.head.contains("s3cret"), "{}", last.head);
        assert_eq!(last.all("host"), [format!("127.0.0.1:{}", other.port())]);
    }
}
