//! Back pressure of a rendezvous: what waits for somebody who does not read is bounded, and holds up who sent it or nobody.

use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{DEADLINE, RawWebSocket, websocket_frame};
use lockgate_relay::{Acks, Body, Segment};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::besieged::{City, FLOOD};
use crate::raw::{self, frame};

/// Frames of 64 KiB without end, of a peer that acknowledges: what they go to can resume.
fn data(stream: &str) -> Vec<u8> {
    let segment = Segment::new(0, 0, 1, vec![b'd'; 64 << 10].into()).expect("a segment");
    let acks = Acks { ack: 1, bits: 0 };
    match frame(stream, acks, Body::Data(segment)) {
        Message::Binary(bytes) => websocket_frame(2, &bytes),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_33_an_executor_that_does_not_read_holds_up_its_harnesses_and_nobody_else() {
    let city = City::found().await;
    // Nobody reads from it.
    let _deaf = raw::executor(&city.rendezvous, "deaf").await;
    let url = city.rendezvous.harness_url("deaf", None);
    let flooding: Vec<_> = (0..4)
        .map(|number| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || {
                let mut harness = RawWebSocket::connect(&url);
                let taken = harness.flood(&data(&format!("s{number}")), FLOOD);
                (harness, taken)
            })
        })
        .collect();
    let mut held = Vec::new();
    for flooding in flooding {
        let (harness, taken) = flooding.await.expect("it waits");
        assert!(taken < FLOOD, "all of the flood was taken");
        held.push(harness);
    }
    city.lives().await;
    city.holds();
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_33_a_harness_that_does_not_read_holds_up_nobody_and_takes_little() {
    let city = City::found().await;
    let mut executor = raw::executor(&city.rendezvous, "loud").await;
    let url = city.rendezvous.harness_url("loud", None);
    let mut deaf = raw::connected(&url).await;
    let mut hears = raw::connected(&url).await;
    let acks = Acks { ack: 1, bits: 0 };
    for (harness, stream) in [(&mut deaf, "deaf"), (&mut hears, "hears")] {
        let begin = frame(stream, acks, Body::Resume { next_seq: 0 });
        harness.send(begin).await.expect("sent");
        executor.next().await.expect("a frame").expect("a frame");
    }
    // All of it is taken: what the deaf one has no room for is dropped.
    let Message::Binary(last) = frame("hears", acks, Body::Heartbeat) else {
        panic!("a frame is binary");
    };
    let speaking = tokio::spawn(async move {
        let loud = Segment::new(0, 0, 1, vec![b'd'; 64 << 10].into()).expect("a segment");
        let loud = frame("deaf", acks, Body::Data(loud));
        for _ in 0..FLOOD / (64 << 10) {
            executor.send(loud.clone()).await.expect("taken");
        }
        executor.send(Message::Binary(last)).await.expect("taken");
        executor
    });
    let heard = timeout(2 * DEADLINE, hears.next()).await;
    let heard = heard.expect("the executor was not held up");
    let heard = heard.expect("a frame").expect("a frame");
    assert_eq!(heard, frame("hears", acks, Body::Heartbeat));
    drop(speaking.await.expect("all is said"));
    city.lives().await;
    city.holds();
}
