//! What stands between a harness and its rendezvous, and breaks streams: with a reset to both ends, as when a rendezvous has forgotten a stream. Cutting the
//! connection below would not do it: streams outlive that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt, StreamExt};
use lockgate_relay::{Acks, Body, Frame, Reason, StreamId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

pub(crate) struct Breaker {
    address: String,
    state: Arc<State>,
}

struct State {
    rendezvous: String,
    /// By the number of the connection.
    open: Mutex<HashMap<u64, Arc<Notify>>>,
    /// Bytes of frames, in both directions.
    carried: AtomicU64,
    /// Whoever carries this one is broken.
    breaks_at: AtomicU64,
}

impl Breaker {
    /// Before the rendezvous at this address.
    pub(crate) async fn before(rendezvous: &str) -> Breaker {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(State {
            rendezvous: rendezvous.to_owned(),
            open: Mutex::default(),
            carried: AtomicU64::new(0),
            breaks_at: AtomicU64::new(u64::MAX),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            for number in 0.. {
                let (client, _) = listener.accept().await.expect("a harness");
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let broken = Arc::new(Notify::new());
                    state.open().insert(number, Arc::clone(&broken));
                    // However it ends: the harness comes again.
                    let _ = state.forward(client, &broken).await;
                    state.open().remove(&number);
                });
            }
        });
        Breaker { address, state }
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends the streams of one connection; false if there is none.
    pub(crate) fn break_any(&self, chance: u64) -> bool {
        let open = self.state.open();
        let Some(place) = chance.checked_rem(open.len() as u64) else {
            return false;
        };
        let broken = open.values().nth(place as usize).expect("there");
        broken.notify_one();
        true
    }

    /// Ends the stream that carries the last of so many bytes from now on.
    pub(crate) fn break_after(&self, bytes: u64) {
        let at = self.carried() + bytes;
        self.state.breaks_at.store(at, Ordering::SeqCst);
    }

    /// Bytes of frames that came so far, in both directions.
    pub(crate) fn carried(&self) -> u64 {
        self.state.carried.load(Ordering::SeqCst)
    }
}

impl State {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Notify>>> {
        self.open.lock().expect("not poisoned")
    }

    /// A websocket of frames, or a request to the registry.
    async fn forward(&self, mut client: TcpStream, broken: &Notify) -> Option<()> {
        let rendezvous = &self.rendezvous;
        if !is_upgrade(&client).await? {
            let mut registry = TcpStream::connect(rendezvous).await.ok()?;
            tokio::io::copy_bidirectional(&mut client, &mut registry)
                .await
                .ok()?;
            return Some(());
        }
        let mut path = String::new();
        #[expect(clippy::result_large_err, reason = "tungstenite wants it so")]
        let keep = |request: &Request, response: Response| {
            path = request.uri().to_string();
            Ok(response)
        };
        let accepted = tokio_tungstenite::accept_hdr_async(client, keep).await;
        let mut harness = accepted.ok()?;
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
                    self.carries(&message, broken);
                    hub.send(message).await.ok()?;
                }
                message = hub.next() => {
                    let message = message?.ok()?;
                    self.carries(&message, broken);
                    harness.send(message).await.ok()?;
                }
                () = broken.notified() => {
                    if let Some(stream) = &stream {
                        hub.send(reset(stream)).await.ok()?;
                        harness.send(reset(stream)).await.ok()?;
                    }
                }
            }
        }
    }

    fn carries(&self, message: &Message, broken: &Notify) {
        let bytes = message.len() as u64;
        let so_far = self.carried.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if so_far >= self.breaks_at.load(Ordering::SeqCst) {
            self.breaks_at.store(u64::MAX, Ordering::SeqCst);
            broken.notify_one();
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
