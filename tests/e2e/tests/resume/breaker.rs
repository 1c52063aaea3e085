//! What stands between a harness and its rendezvous, and breaks streams: with a reset to both ends, as when a rendezvous has forgotten a stream. Cutting the
//! connection below would not do it: streams outlive that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use lockgate_relay::{Acks, Body, Frame, Reason, StreamId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// By the number of the connection.
type Open = Arc<Mutex<HashMap<u64, Arc<Notify>>>>;

pub(crate) struct Breaker {
    address: String,
    open: Open,
}

impl Breaker {
    /// Before the rendezvous at this address.
    pub(crate) async fn before(rendezvous: &str) -> Breaker {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let open = Open::default();
        let (rendezvous, shared) = (rendezvous.to_owned(), Arc::clone(&open));
        tokio::spawn(async move {
            for number in 0.. {
                let (client, _) = listener.accept().await.expect("a harness");
                let (rendezvous, open) = (rendezvous.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let broken = Arc::new(Notify::new());
                    open.lock()
                        .expect("not poisoned")
                        .insert(number, Arc::clone(&broken));
                    // However it ends: the harness comes again.
                    let _ = forward(client, &rendezvous, &broken).await;
                    open.lock().expect("not poisoned").remove(&number);
                });
            }
        });
        Breaker { address, open }
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends the streams of one connection; false if there is none.
    pub(crate) fn break_any(&self, chance: u64) -> bool {
        let open = self.open.lock().expect("not poisoned");
        let Some(place) = chance.checked_rem(open.len() as u64) else {
            return false;
        };
        let broken = open.values().nth(place as usize).expect("there");
        broken.notify_one();
        true
    }
}

/// A websocket of frames, or a request to the registry.
async fn forward(mut client: TcpStream, rendezvous: &str, broken: &Notify) -> Option<()> {
    if !is_upgrade(&client).await? {
        let mut registry = TcpStream::connect(rendezvous).await.ok()?;
        tokio::io::copy_bidirectional(&mut client, &mut registry)
            .await
            .ok()?;
        return Some(());
    }
    let mut path = String::new();
    let keep = |request: &Request, response: Response| {
        path = request.uri().to_string();
        Ok(response)
    };
    let mut harness = tokio_tungstenite::accept_hdr_async(client, keep)
        .await
        .ok()?;
    let url = format!("ws://{rendezvous}{path}");
    let (mut hub, _) = tokio_tungstenite::connect_async(url).await.ok()?;
    let mut stream = None;
    loop {
        tokio::select! {
            message = harness.next() => {
                let message = message?.ok()?;
                if let Message::Binary(bytes) = &message {
                    stream = Some(Frame::decode(bytes.clone()).expect("a frame").stream);
                }
                hub.send(message).await.ok()?;
            }
            message = hub.next() => harness.send(message?.ok()?).await.ok()?,
            () = broken.notified() => {
                if let Some(stream) = &stream {
                    hub.send(reset(stream)).await.ok()?;
                    harness.send(reset(stream)).await.ok()?;
                }
            }
        }
    }
}

fn reset(stream: &StreamId) -> Message {
    let reset = Frame {
        stream: stream.clone(),
        acks: Acks::PLAIN,
        body: Body::Reset(Reason::shortened("the test forgot the stream")),
    };
    Message::Binary(reset.encode())
}

/// Whether a request wants to become a websocket. None where it never comes whole.
async fn is_upgrade(client: &TcpStream) -> Option<bool> {
    let mut head = vec![0; 16 << 10];
    loop {
        let count = client
            .peek(&mut head)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        let text = String::from_utf8_lossy(&head[..count]).to_ascii_lowercase();
        if text.contains("upgrade: websocket") {
            return Some(true);
        }
        if text.contains("\r\n\r\n") {
            return Some(false);
        }
        tokio::task::yield_now().await;
    }
}
