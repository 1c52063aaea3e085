//! A stream through a rendezvous that is lost itself, and not only a connection below it: another one takes its place.

use std::time::Duration;

use lockgate_client::{Client, ClientError, ConnectOptions, ConnectionState};
use lockgate_relay::driver::{Backoff, FrameSocket, RelayStream, Streams, websocket_config};
use lockgate_relay::{Reason, Role};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::Role as Side;

use super::{call, end, outcome, params, read, story, until};
use crate::support::{Door, soon};

/// An executor at the other end of one stream, with the rendezvous left out between them.
struct Far {
    streams: Streams,
    stream: RelayStream,
    carried: JoinHandle<()>,
}

impl Far {
    async fn accept(door: &Door) -> Far {
        let streams = Streams::new(Role::Executor);
        let carried = carry(door, &streams).await;
        let stream = soon(streams.accept()).await;
        Far {
            streams,
            stream,
            carried,
        }
    }

    /// As when a rendezvous was killed: the websocket is gone, the stream is not.
    async fn cut(&mut self) {
        self.carried.abort();
        let _ = (&mut self.carried).await;
    }

    /// Over another websocket.
    async fn back(&mut self, door: &Door) {
        self.carried = carry(door, &self.streams).await;
    }

    async fn called(&self, method: &str) -> (Value, Value) {
        let message = soon(self.stream.recv()).await.expect("a message");
        let mut message: Value = serde_json::from_slice(&message).expect("JSON");
        assert_eq!(message["method"], method, "{message}");
        (message["id"].take(), message["params"].take())
    }

    fn send(&self, message: &Value) {
        let message = Bytes::from(message.to_string());
        self.stream.send(message).expect("sendable");
    }

    fn answer(&self, id: Value, result: Value) {
        self.send(&json!({ "id": id, "result": result }));
    }

    /// The session, a new one or again.
    async fn attaches(&self, resumed: Value) {
        let (id, params) = self.called("initialize").await;
        assert_eq!(params["resumeSessionId"], resumed);
        let info = json!({ "shell": { "name": "sh", "path": "/bin/sh" } });
        self.answer(id, json!({ "sessionId": "s-1", "environmentInfo": info }));
        self.called("initialized").await;
    }

    /// As when an executor was started again, or a rendezvous has forgotten the stream.
    fn lost(self) {
        self.stream.reset(Reason::shortened("forgotten"));
        self.streams.shut();
    }
}

/// The next websocket, with these streams over it.
async fn carry(door: &Door, streams: &Streams) -> JoinHandle<()> {
    let socket = tokio_tungstenite::accept_async(door.accept_raw().await);
    // A client says nothing before it has its answer.
    let socket = soon(socket).await.expect("a websocket").into_inner();
    let mut socket = FrameSocket::new(socket, &[], Side::Server, websocket_config());
    let carried = streams.clone();
    tokio::spawn(async move {
        carried.carry(&mut socket, &mut Backoff::default()).await;
        Streams::close(&mut socket).await;
    })
}

async fn house() -> (Door, Client, Far) {
    house_with(ConnectOptions::default()).await
}

async fn house_with(options: ConnectOptions) -> (Door, Client, Far) {
    let door = Door::open().await;
    let url = format!("{}/?role=harness", door.url);
    let connecting = Client::connect_ws(&url, options);
    let (client, far) = tokio::join!(soon(connecting), async {
        let far = Far::accept(&door).await;
        far.attaches(Value::Null).await;
        far
    });
    (door, client.expect("connects"), far)
}

fn within(window: Duration) -> ConnectOptions {
    ConnectOptions {
        resume_window: Some(window),
        ..ConnectOptions::default()
    }
}

#[tokio::test]
async fn the_session_is_resumed_on_another_stream_and_its_processes_lose_nothing() {
    let (door, client, far) = house().await;
    let params = params("p");
    let (process, ()) = tokio::join!(soon(client.start(&params)), async {
        let (id, _) = far.called("process/start").await;
        far.answer(id, json!({ "processId": "p" }));
    });
    let process = process.expect("started");
    let in_flight = call(&client, "test/any");
    far.called("test/any").await;
    far.lost();
    let error = outcome(in_flight).await.expect_err("unknown");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    // The first link of the new time is of no use.
    let far = Far::accept(&door).await;
    let (id, _) = far.called("initialize").await;
    let message = "session s-1 is already attached to another connection";
    far.send(&json!({ "id": id, "error": { "code": -32010, "message": message } }));
    let far = Far::accept(&door).await;
    far.attaches(json!("s-1")).await;
    let (id, _) = far.called("process/read").await;
    far.answer(id, read(&[(1, "a")], 4, true, true));
    assert_eq!(story(process).await, "a exit=7 closed");
    until(&client, |state| {
        matches!(state, ConnectionState::Connected { resumed: 1 })
    })
    .await;
}

#[tokio::test]
async fn an_executor_that_was_started_again_has_no_session() {
    let (door, client, far) = house().await;
    far.lost();
    let far = Far::accept(&door).await;
    let (id, _) = far.called("initialize").await;
    let error = json!({ "code": -32600, "message": "unknown session id s-1" });
    far.send(&json!({ "id": id, "error": error }));
    let error = end(&client).await;
    assert!(matches!(error, ClientError::SessionGone { .. }), "{error}");
}

#[tokio::test]
async fn a_websocket_below_a_stream_is_told_to_be_away_and_to_be_back_and_what_is_in_flight_goes_on()
 {
    let (door, client, mut far) = house().await;
    let in_flight = call(&client, "test/any");
    let (id, _) = far.called("test/any").await;
    far.cut().await;
    let state = until(&client, ConnectionState::is_away).await;
    let ConnectionState::Away { why, .. } = state else {
        panic!("{state:?}");
    };
    assert!(why.contains("rendezvous"), "{why}");
    far.back(&door).await;
    until(&client, |state| {
        matches!(state, ConnectionState::Connected { resumed: 0 })
    })
    .await;
    far.answer(id, json!("there"));
    assert_eq!(outcome(in_flight).await.expect("answered"), json!("there"));
}

#[tokio::test]
async fn the_window_counts_from_the_loss_of_the_websocket_below_a_stream() {
    let window = Duration::from_secs(1);
    let (door, client, mut far) = house_with(within(window)).await;
    drop(door);
    far.cut().await;
    let error = end(&client).await;
    let ClientError::WindowOver {
        window: tried,
        lost,
        last,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(*tried, window);
    assert!(lost.contains("rendezvous"), "{error}");
    assert!(last.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn without_a_window_a_client_ends_with_the_websocket_below_its_stream() {
    let (_door, client, mut far) = house_with(within(Duration::ZERO)).await;
    let in_flight = call(&client, "test/any");
    far.called("test/any").await;
    far.cut().await;
    let error = end(&client).await;
    assert!(
        matches!(&error, ClientError::Closed(why) if why.contains("rendezvous")),
        "{error}"
    );
    let error = outcome(in_flight).await.expect_err("unknown");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
}
