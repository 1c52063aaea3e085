//! Opening a connection: over a websocket, or to a server that is spawned for it.

use std::fmt::Display;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::{Sink, Stream};
use lockgate_relay::registry::{EnvironmentId, Registry};
use tokio::sync::watch;

use crate::calls::Calls;
use crate::child::Child;
use crate::client::Connection;
use crate::session::{Greeting, Session};
use crate::transport::messages::{Given, Taken};
use crate::transport::target::Target;
use crate::transport::{Link, stdio};
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
    /// How long a link that was lost is tried to be replaced, with the session resumed on it. Through a rendezvous it counts from the loss of the websocket, whose place
    /// another one may take below the same stream. Zero ends the connection with that; `None` with its link, and a stream waits for another websocket
    /// by itself then ([`lockgate_relay::limits::LINK_DOWN`]).
    ///
    /// On by default, for servers of every age keep a session for a while and its processes with it. What that means for callers is
    /// in the [crate's documentation](crate#when-the-network-blinks). The server decides too: a session it has given up is gone,
    /// however long this is. A server that was started by the client is not started again.
    pub resume_window: Option<Duration>,
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
            resume_window: Some(limits::RESUME_WINDOW),
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
    /// Connects to `ws://HOST:PORT` or `wss://HOST`, or through a rendezvous whose URL has `role=harness` in its query.
    ///
    /// A link that is lost later is replaced by itself ([`ConnectOptions::resume_window`]); this first one is tried once.
    pub async fn connect_ws(url: &str, options: ConnectOptions) -> Result<Client, ClientError> {
        Self::connect_to(Target::of_url(url), options).await
    }

    /// Connects through a registry, to the executor of an environment wherever it is.
    pub async fn connect_remote(
        remote: Remote,
        options: ConnectOptions,
    ) -> Result<Client, ClientError> {
        Self::connect_to(Target::of_remote(remote), options).await
    }

    /// Starts a server and talks to it over its stdin and stdout; its stderr goes to the log, line by line.
    ///
    /// It gets a process group of its own, which ends with the connection: SIGTERM, and SIGKILL to what is left two seconds
    /// later. `command`'s stdio settings are replaced. A server that ends is not started again.
    pub async fn spawn_stdio(
        command: Command,
        options: ConnectOptions,
    ) -> Result<Client, ClientError> {
        let mut child = Child::spawn(command)?;
        let halves = stdio::over(&mut child)?;
        let begun = Begun::new(&options);
        let (stopped, calls) = (begun.stopped.clone(), Arc::clone(&begun.calls));
        let (words, program) = (Arc::clone(child.words()), child.program().to_owned());
        let link = Link::over(halves, Some(child), stopped, calls);
        match begun.shake(link, None, options).await {
            Ok(client) => {
                words.served();
                Ok(client)
            }
            Err(error) => Err(words.explain(&program, error).await),
        }
    }

    async fn connect_to(target: Target, options: ConnectOptions) -> Result<Client, ClientError> {
        let begun = Begun::new(&options);
        let dialled = target.dial(
            options.connect_timeout,
            options.resume_window,
            &begun.stopped,
            &begun.calls,
        );
        let link = dialled.await.map_err(|undialled| undialled.error)?;
        begun.shake(link, Some(target), options).await
    }

    /// Talks to a server over whatever carries whole messages, such as one in this very process. `messages` are those of the server, and their end is that of the
    /// connection. `server` takes ours; it is closed with the connection, and may take a second ([`limits::GOODBYE`]) for that. There is no other link that could take its place.
    pub async fn over<R, S>(
        messages: R,
        server: S,
        options: ConnectOptions,
    ) -> Result<Client, ClientError>
    where
        R: Stream<Item = String> + Unpin + std::marker::Send + 'static,
        S: Sink<String, Error: Display> + Unpin + std::marker::Send + 'static,
    {
        let begun = Begun::new(&options);
        let (stopped, calls) = (begun.stopped.clone(), Arc::clone(&begun.calls));
        let link = Link::over((Given(messages), Taken(server)), None, stopped, calls);
        begun.shake(link, None, options).await
    }
}

/// What is there before the first link.
struct Begun {
    calls: Arc<Calls>,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Begun {
    fn new(options: &ConnectOptions) -> Begun {
        let (stop, stopped) = watch::channel(false);
        Begun {
            calls: Arc::new(Calls::new(options.approver.clone())),
            stop,
            stopped,
        }
    }

    /// The first handshake. A client that is dropped in it takes the link along.
    async fn shake(
        self,
        link: Link,
        target: Option<Target>,
        options: ConnectOptions,
    ) -> Result<Client, ClientError> {
        let Link { wire, running } = link;
        self.calls.join(wire.clone());
        let id = Arc::new(OnceLock::new());
        let session = Session {
            calls: Arc::clone(&self.calls),
            greeting: Greeting::of(&options),
            target,
            window: options.resume_window,
            connect_timeout: options.connect_timeout,
            stopped: self.stopped,
            id: Arc::clone(&id),
            attempted: None,
        };
        let greeting = session.greeting.clone();
        let mut connection = Connection::new(self.calls, self.stop, &options);
        connection.task = Mutex::new(Some(tokio::spawn(session.run(running))));
        let resumed = options.resume_session_id.as_deref();
        let shaken = greeting.shake(connection.calls(), &wire, resumed).await;
        let result = shaken.map_err(|error| match error {
            ClientError::Server { code, message } => ClientError::Unwelcome { code, message },
            error => error,
        })?;
        connection.session_id.clone_from(&result.session_id);
        connection.knows_writes = result.environment_info.is_some();
        connection.environment = match result.environment_info {
            None => greeting.ask(connection.calls(), &wire).await?,
            told => told,
        };
        // From here on the link may be exchanged.
        let _ = id.set(result.session_id);
        connection.calls().open(wire.number);
        Ok(Client::of(connection))
    }
}
