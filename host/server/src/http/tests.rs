//! Exchanges behind a guard that a test plays: what it is asked, and what its answers do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate_policy_gate::HttpRequest;
use lockgate_wire::Id;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::hop::{Asking, HopGuard, HopLimits};
use super::proxies::Proxies;
use super::{Egress, Exchange, Exchanges, HttpOptions, Question};
use crate::budget::Budget;
use crate::failure::Failure;
use crate::lane::FileCalls;
use crate::outbox::{Message, Outbox};
use crate::pending::Pending;

/// A guard that keeps what it was asked and answers by a function.
struct Guard<F> {
    asked: Mutex<Vec<HttpRequest>>,
    answer: F,
    waits: Duration,
}

impl<F> Guard<F>
where
    F: Fn(&HttpRequest) -> Result<HopLimits, Failure> + Send + Sync + 'static,
{
    fn new(answer: F) -> Arc<Guard<F>> {
        Guard::slow(Duration::ZERO, answer)
    }

    /// One that has to ask somebody first.
    fn slow(waits: Duration, answer: F) -> Arc<Guard<F>> {
        Arc::new(Guard {
            asked: Mutex::default(),
            answer,
            waits,
        })
    }

    fn asked(&self) -> Vec<HttpRequest> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl<F> HopGuard for Guard<F>
where
    F: Fn(&HttpRequest) -> Result<HopLimits, Failure> + Send + Sync + 'static,
{
    fn ask<'a>(&'a self, _: &'a Pending, hop: HttpRequest) -> Asking<'a> {
        Box::pin(async move {
            tokio::time::sleep(self.waits).await;
            let answer = (self.answer)(&hop);
            self.asked.lock().expect("not poisoned").push(hop);
            answer
        })
    }
}

/// Answers each connection by the path that is asked for, and closes it. Counts what it was asked.
async fn origin() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if socket.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                kept.lock().expect("not poisoned").push(path.clone());
                let answer = match path.as_str() {
                    "/away" => "HTTP/1.1 302 Found\r\nlocation: /there?q=1#f\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
                    "/silent" => return std::future::pending().await,
                    _ => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(1_000)),
                };
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    (port, asked)
}

struct Client {
    exchanges: Arc<Exchanges>,
    outbox: Arc<Outbox>,
    port: u16,
}

impl Client {
    fn of(port: u16) -> Client {
        let egress = Egress::of(HttpOptions::default(), Proxies::default(), None);
        Client {
            exchanges: Exchanges::new(&Arc::new(egress), Budget::new()),
            outbox: Outbox::new(false),
            port,
        }
    }

    async fn begin(
        &self,
        path: &str,
        members: Value,
        guard: Arc<dyn HopGuard>,
    ) -> Result<Exchange, Failure> {
        let mut params = json!({"method": "get", "url": format!("http://u:p@LOCALHOST:{}{path}", self.port), "requestId": "r"});
        for (name, value) in members.as_object().expect("an object") {
            params[name] = value.clone();
        }
        let text = params.to_string();
        let params = serde_json::from_str(&text).expect("params");
        let question = Question::new(params, self.exchanges.egress().options(), |_| None)?;
        let place = self.exchanges.begin(Some("r"))?;
        let pending = Pending::new(Id::Number(1), 0, Arc::clone(&self.outbox));
        Exchange::begin(question, place, Some(guard), &pending).await
    }

    /// The answer in one piece.
    async fn whole(
        &self,
        path: &str,
        members: Value,
        guard: Arc<dyn HopGuard>,
    ) -> Result<Value, Failure> {
        let exchange = self.begin(path, members, guard).await?;
        let workers = lockgate_capfs::Workers::default();
        let patience = lockgate_capfs::Times::default().patience();
        let answers = FileCalls::new(workers, patience).answers().clone();
        let (text, _) = exchange.buffered(&Id::Number(1), &answers).await?;
        Ok(serde_json::from_str(&text).expect("JSON"))
    }
}

fn message(outcome: Result<impl Sized, Failure>) -> String {
    match outcome {
        Ok(_) => panic!("nothing failed"),
        Err(failure) => failure.message,
    }
}

#[tokio::test]
async fn a_guard_is_asked_about_each_hop_with_names_and_no_secrets() {
    let (port, origin) = origin().await;
    let guard = Guard::new(|_| Ok(HopLimits::default()));
    let members = json!({"headers": [{"name": "X-A", "value": "s3cret"}, {"name": "x-b", "value": "s3cret"}]});
    let answer = Client::of(port)
        .whole("/away", members, Arc::clone(&guard) as _)
        .await;
    assert!(answer.is_ok_and(|answer| answer["result"]["status"] == 200));
    assert_eq!(
        *origin.lock().expect("not poisoned"),
        ["/away", "/there?q=1"]
    );
    let hop = |url: &str, hop: u32| HttpRequest {
        method: "GET".to_owned(),
        url: format!("http://localhost:{port}{url}"),
        host: "localhost".to_owned(),
        port,
        header_names: ["x-a", "x-b", "authorization"].map(str::to_owned).to_vec(),
        hop,
    };
    assert_eq!(guard.asked(), [hop("/away", 0), hop("/there?q=1", 1)]);
}

#[tokio::test]
async fn attack_32_what_a_guard_denies_is_not_sent_the_first_hop_nor_a_later_one() {
    for (denied, sent) in [(0, vec![]), (1, vec!["/away"])] {
        let (port, origin) = origin().await;
        let guard = Guard::new(move |hop| match hop.hop == denied {
            true => Err(Failure::invalid_request("policy \"p\" denies this")),
            false => Ok(HopLimits::default()),
        });
        let client = Client::of(port);
        let refused = client.begin("/away", json!({}), guard).await;
        assert_eq!(message(refused), "policy \"p\" denies this");
        assert_eq!(*origin.lock().expect("not poisoned"), sent);
        // Its stream's name is free again.
        assert!(client.exchanges.begin(Some("r")).is_ok());
    }
}

#[tokio::test]
async fn attack_32_behind_a_guard_no_header_names_another_host() {
    let (port, origin) = origin().await;
    let guard = Guard::new(|_| Ok(HopLimits::default()));
    let members = json!({"headers": [{"name": "host", "value": "other"}]});
    let refused = Client::of(port)
        .begin("/", members, Arc::clone(&guard) as _)
        .await;
    assert!(message(refused).contains("host header"));
    assert!(guard.asked().is_empty() && origin.lock().expect("not poisoned").is_empty());
}

#[tokio::test]
async fn the_least_size_that_any_hop_allows_bounds_the_body() {
    let (port, _) = origin().await;
    let output = |first: u64, then: u64| {
        Guard::new(move |hop| {
            let output = Some(if hop.hop == 0 { first } else { then });
            Ok(HopLimits {
                output,
                ..HopLimits::default()
            })
        })
    };
    let client = Client::of(port);
    assert!(
        client
            .whole("/away", json!({}), output(5_000, 1_000))
            .await
            .is_ok()
    );
    for guard in [output(999, 5_000), output(5_000, 999)] {
        let refused = message(client.whole("/away", json!({}), guard).await);
        assert!(refused.contains("at most 999 bytes"), "{refused}");
    }
    // A stream tells what is allowed, and then why there is no more.
    let Ok(exchange) = client.begin("/away", json!({}), output(5_000, 600)).await else {
        panic!("refused")
    };
    exchange.stream(&client.outbox, None).await;
    let mut bytes = 0;
    loop {
        let Message::Text(told) = client.outbox.next().expect("a message").message else {
            panic!("no text");
        };
        let told: Value = serde_json::from_str(&told).expect("JSON");
        // What is owed for the requests before was never given here.
        if told["method"].is_null() {
            continue;
        }
        bytes += told["params"]["deltaBase64"].as_str().expect("text").len() / 4 * 3;
        if told["params"]["done"] == true {
            assert!(
                told["params"]["error"]
                    .as_str()
                    .is_some_and(|error| error.contains("at most 600 bytes"))
            );
            break;
        }
    }
    assert_eq!(bytes, 600);
    assert!(client.outbox.next().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_somebody_is_asked_does_not_count() {
    let (port, _) = origin().await;
    let hour = Duration::from_secs(3_600);
    let limit = Duration::from_secs(5);
    let guard = Guard::slow(hour, move |_| {
        Ok(HopLimits {
            time: Some(limit),
            output: None,
        })
    });
    let client = Client::of(port);
    // The clock stands still while anything else can go on, and then jumps: to the limit, and no further.
    let begun = tokio::time::Instant::now();
    let cut = message(
        client
            .begin(
                "/silent",
                json!({"timeoutMs": 60_000}),
                Arc::clone(&guard) as _,
            )
            .await,
    );
    assert!(
        cut.contains("5000 ms (the time limit of a policy)"),
        "{cut}"
    );
    assert!(begun.elapsed() >= hour + limit);
    let own = message(
        client
            .begin("/silent", json!({"timeoutMs": 2_000}), guard)
            .await,
    );
    assert!(own.contains("2000 ms (timeoutMs)"), "{own}");
}
