//! A server that does what a test tells it, on a real socket.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use lockgate_client::{Client, ClientError, ConnectOptions};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// The server's end of one connection.
pub(crate) struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    /// The other end of a socket, past the upgrade.
    pub(crate) async fn accept(stream: TcpStream) -> Peer {
        let socket = tokio_tungstenite::accept_async(stream).await;
        Peer(socket.expect("a websocket"))
    }

    /// The client's next message.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("connected").expect("readable") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Close(_) => panic!("the client left"),
                _ => {}
            }
        }
    }

    /// The next message, which must be a call of `method`: its id and params.
    pub(crate) async fn called(&mut self, method: &str) -> (Value, Value) {
        let mut message = self.next().await;
        assert_eq!(message["method"], method, "{message}");
        (message["id"].take(), message["params"].take())
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    /// The same to a client that may have left.
    pub(crate) async fn try_send(&mut self, message: Value) -> Result<(), ()> {
        let sent = self.0.send(Message::text(message.to_string())).await;
        sent.map_err(drop)
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("writable");
    }

    pub(crate) async fn answer(&mut self, id: Value, result: Value) {
        self.send(json!({ "id": id, "result": result })).await;
    }

    pub(crate) async fn handshake(&mut self) {
        self.handshake_with(&[]).await;
    }

    /// As one that knows these extensions.
    pub(crate) async fn handshake_with(&mut self, methods: &[&str]) {
        self.handshake_as(json!({ "lockgate": { "methods": methods } }))
            .await;
    }

    /// As one with these capabilities.
    pub(crate) async fn handshake_as(&mut self, capabilities: Value) {
        let (id, _) = self.called("initialize").await;
        let info =
            json!({ "shell": { "name": "sh", "path": "/bin/sh" }, "capabilities": capabilities });
        self.answer(id, json!({ "sessionId": "s-1", "environmentInfo": info }))
            .await;
        self.called("initialized").await;
    }

    /// Waits until the client has closed; how much it has said before.
    pub(crate) async fn left(&mut self) -> usize {
        let mut said = 0;
        while let Some(Ok(message)) = self.0.next().await {
            if message.is_close() {
                break;
            }
            said += 1;
        }
        said
    }
}

/// A server that a client can come back to: each link is accepted when the test wants it.
pub(crate) struct Door {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Door {
    pub(crate) async fn open() -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("bound"));
        Door { listener, url }
    }

    /// The next link, before it is a websocket.
    pub(crate) async fn accept_raw(&self) -> TcpStream {
        let (stream, _) = soon(self.listener.accept()).await.expect("a client");
        stream
    }

    /// The next link.
    pub(crate) async fn accept(&self) -> Peer {
        soon(Peer::accept(self.accept_raw().await)).await
    }

    /// The next link, on which the session is resumed.
    pub(crate) async fn accept_again(&self) -> Peer {
        let mut peer = self.accept().await;
        let (id, params) = soon(peer.called("initialize")).await;
        assert_eq!(params["resumeSessionId"], "s-1");
        peer.answer(id, json!({ "sessionId": "s-1" })).await;
        soon(peer.called("initialized")).await;
        peer
    }

    /// A client of the first link.
    pub(crate) async fn client(&self, options: ConnectOptions) -> (Client, Peer) {
        self.client_with(options, &[]).await
    }

    /// The same of a server that knows these extensions.
    pub(crate) async fn client_with(
        &self,
        options: ConnectOptions,
        methods: &[&str],
    ) -> (Client, Peer) {
        self.client_as(options, json!({ "lockgate": { "methods": methods } }))
            .await
    }

    /// The same of one with these capabilities.
    pub(crate) async fn client_as(
        &self,
        options: ConnectOptions,
        capabilities: Value,
    ) -> (Client, Peer) {
        let connecting = Client::connect_ws(&self.url, options);
        let (client, peer) = tokio::join!(soon(connecting), async {
            let mut peer = self.accept().await;
            peer.handshake_as(capabilities).await;
            peer
        });
        (client.expect("connects"), peer)
    }
}

/// Runs `script` as the server of one connection; returns its URL.
pub(crate) async fn serve<F: Future<Output = ()> + Send>(
    script: impl FnOnce(Peer) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        script(Peer::accept(stream).await).await;
    });
    url
}

/// A client of that server, past the handshake.
pub(crate) async fn connected<F: Future<Output = ()> + Send>(
    script: impl FnOnce(Peer) -> F + Send + 'static,
) -> Client {
    let url = serve(async move |mut peer: Peer| {
        peer.handshake().await;
        script(peer).await;
    })
    .await;
    connect(&url).await.expect("connects")
}

/// Of one link: what comes after it is looked at in `resume`.
pub(crate) fn one_link() -> ConnectOptions {
    ConnectOptions {
        resume_window: None,
        ..ConnectOptions::default()
    }
}

pub(crate) async fn connect(url: &str) -> Result<Client, ClientError> {
    Client::connect_ws(url, one_link()).await
}

/// For everything that a test waits for.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what)
        .await
        .expect("it took too long")
}
