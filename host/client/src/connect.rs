//! Opening a connection: over a websocket, or to a server that is spawned for it.

use std::fmt::Display;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, Stream};
use lockgate_relay::driver::without_query;
use lockgate_relay::registry::{EnvironmentId, Registry};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::calls::Calls;
use crate::child::Child;
use crate::client::Opened;
use crate::transport::messages::{Given, Taken};
use crate::transport::{self, Receive, Send, relay, stdio, websocket};
use crate::{Approver, Client, ClientError, limits};

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Told to the server, for its logs.
    pub client_name: String,
    /// A session to attach to again.
    pub resume_session_id: Option<String>,
    /// For the connection itself.
    pub connect_timeout: Duration,
    /// For the handshake.
    pub initialize_timeout: Duration,
    /// For each call; none by default, because a call may wait for output for any time.
    pub call_timeout: Option<Duration>,
    /// Stop reading from the connection while a reader of events is far behind, instead of dropping what the server may
    /// no longer have when it is asked for: the server then holds back the process. For connections that follow one
    /// process; with several, each waits for the slowest, and so do answers to calls.
    pub wait_for_readers: bool,
    /// Answers the questions of the executor's policies; without one, what they ask about is denied.
    pub approver: Option<Approver>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            client_name: "lockgate".to_owned(),
            resume_session_id: None,
            connect_timeout: limits::CONNECT,
            initialize_timeout: limits::INITIALIZE,
            call_timeout: None,
            wait_for_readers: false,
            approver: None,
        }
    }
}

/// An executor that is reached through a registry.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The registry, with the credentials of a harness.
    pub registry: Registry,
    /// Which environment.
    pub environment: EnvironmentId,
    /// From end to end, so that the rendezvous sees nothing. The executor has to do the same.
    pub encrypt: bool,
}

impl Client {
    /// Connects to `ws://HOST:PORT` or `wss://HOST`, or through a rendezvous whose URL has `role=harness` in its query: then the connection survives that the
    /// websocket is lost.
    pub async fn connect_ws(url: &str, options: ConnectOptions) -> Result<Client, ClientError> {
        let after = options.connect_timeout;
        let late = |_| ClientError::Timeout {
            // The query may hold a signature.
            what: format!("the connection attempt to {}", without_query(url)),
            after,
        };
        let opened = if relay::is_rendezvous(url) {
            let connected = timeout(after, relay::connect(url)).await;
            let (receive, send) = connected.map_err(late)??;
            open(receive, send, None, &options)
        } else if websocket::is_tls(url) {
            let connected = timeout(after, websocket::connect_tls(url)).await;
            let (receive, send) = connected.map_err(late)??;
            open(receive, send, None, &options)
        } else {
            let connected = timeout(after, websocket::connect(url)).await;
            let (receive, send) = connected.map_err(late)??;
            open(receive, send, None, &options)
        };
        Self::handshake(opened, options).await
    }

    /// Connects through a registry, to the executor of an environment wherever it is.
    pub async fn connect_remote(
        remote: Remote,
        options: ConnectOptions,
    ) -> Result<Client, ClientError> {
        let after = options.connect_timeout;
        let what = format!(
            "the connection attempt to {} at {}",
            remote.environment,
            remote.registry.shown()
        );
        let connecting =
            relay::connect_through(remote.registry, remote.environment, remote.encrypt);
        let (receive, send) = timeout(after, connecting)
            .await
            .map_err(|_| ClientError::Timeout { what, after })??;
        Self::handshake(open(receive, send, None, &options), options).await
    }

    /// Starts a server and talks to it over its stdin and stdout; its stderr goes to the log, line by line.
    ///
    /// It gets a process group of its own, which ends with the connection: SIGTERM, and SIGKILL to what is left two seconds
    /// later. `command`'s stdio settings are replaced.
    pub async fn spawn_stdio(
        command: Command,
        options: ConnectOptions,
    ) -> Result<Client, ClientError> {
        let mut child = Child::spawn(command)?;
        let (receive, send) = stdio::over(&mut child)?;
        Self::handshake(open(receive, send, Some(child), &options), options).await
    }

    /// Talks to a server over whatever carries whole messages, such as one in this very process. `messages` are those of the server, and their end is that of the
    /// connection. `server` takes ours; it is closed with the connection, and may take a second ([`limits::GOODBYE`]) for that.
    pub async fn over<R, S>(
        messages: R,
        server: S,
        options: ConnectOptions,
    ) -> Result<Client, ClientError>
    where
        R: Stream<Item = String> + Unpin + std::marker::Send + 'static,
        S: Sink<String, Error: Display> + Unpin + std::marker::Send + 'static,
    {
        let (receive, send) = (Given(messages), Taken(server));
        Self::handshake(open(receive, send, None, &options), options).await
    }
}

fn open(
    receive: impl Receive,
    send: impl Send,
    child: Option<Child>,
    options: &ConnectOptions,
) -> Opened {
    let calls = Arc::new(Calls::new(options.approver.clone()));
    let (outbound, messages) = mpsc::channel(limits::OUTBOUND);
    let (stop, stopped) = watch::channel(false);
    let replies = outbound.downgrade();
    let task = tokio::spawn(transport::drive(
        receive,
        send,
        messages,
        replies,
        stopped,
        Arc::clone(&calls),
        child,
    ));
    Opened {
        calls,
        outbound,
        stop,
        task,
    }
}
