//! What stands between `lockgate mcp` and its executor, and cuts the connection when a request of some method passes, or conceals that the executor can do something.

use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::Server;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

pub(crate) struct Cutter {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    server: String,
    /// The method at which to cut, how many of it are let through first, and how often it is cut then.
    cuts: Option<(&'static str, usize, usize)>,
    /// Methods that came, in their order.
    came: Vec<String>,
    /// An extension that the executor's handshake does not tell then.
    conceals: Option<&'static str>,
}

impl Cutter {
    pub(crate) async fn before(server: &Server) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            server: server.url().to_owned(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a client");
                tokio::spawn(forward(client, Arc::clone(&shared)));
            }
        });
        Cutter {
            url: format!("ws://{address}"),
            state,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on, after so many of them have passed; and forgets what came until now.
    pub(crate) fn cuts(&self, method: &'static str, after: usize, times: usize) {
        let mut state = locked(&self.state);
        state.cuts = Some((method, after, times));
        state.came.clear();
    }

    /// From the next connection on.
    pub(crate) fn conceals(&self, extension: &'static str) {
        locked(&self.state).conceals = Some(extension);
    }

    /// How often that was asked for, cut or not.
    pub(crate) fn asked_for(&self, method: &str) -> usize {
        let state = locked(&self.state);
        state.came.iter().filter(|came| *came == method).count()
    }

    /// How many cuts are still to come.
    pub(crate) fn left(&self) -> usize {
        locked(&self.state).cuts.map_or(0, |(_, _, times)| times)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("not poisoned")
}

impl State {
    /// Whether the connection ends with that message.
    fn cuts_at(&mut self, text: &str) -> bool {
        let message: Value = serde_json::from_str(text).expect("JSON");
        let Some(method) = message["method"].as_str() else {
            return false;
        };
        self.came.push(method.to_owned());
        match &mut self.cuts {
            Some((at, after, times)) if *at == method && *times > 0 => {
                if *after > 0 {
                    *after -= 1;
                    return false;
                }
                *times -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Until one of them ends it, or it is cut: then the executor has not had the request.
async fn forward(client: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut client = tokio_tungstenite::accept_async(client).await.ok()?;
    let url = locked(&state).server.clone();
    let (mut server, _) = tokio_tungstenite::connect_async(url).await.ok()?;
    loop {
        tokio::select! {
            message = client.next() => {
                let message = message?.ok()?;
                if message.to_text().is_ok_and(|text| message.is_text() && locked(&state).cuts_at(text)) {
                    return None;
                }
                server.send(message).await.ok()?;
            }
            message = server.next() => {
                let mut message = message?.ok()?;
                let conceals = locked(&state).conceals;
                if let (Some(extension), true) = (conceals, message.is_text()) {
                    let told = format!("\"{extension}\":true");
                    let text = message.to_text().ok()?;
                    message = Message::text(text.replace(&told, &told.replace("true", "false")));
                }
                client.send(message).await.ok()?;
            }
        }
    }
}
