//! Where to begin: a server, named by how it is reached, and from there to a connection.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use lockgate_client::Client;
use rmcp::service::{ClientLifecycleMode, RunningService, serve_client_with_lifecycle};
use rmcp::transport::Transport;
use rmcp::{RoleClient, Service};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Ending, HttpServer, StdioServer, ThroughError, limits};

/// An MCP server that is reached through an executor.
#[derive(Debug, Clone, Copy)]
pub struct McpServer;

impl McpServer {
    /// A program on the executor, found as the executor's PATH has it.
    pub fn stdio(client: &Client, program: impl Into<String>) -> StdioServer {
        StdioServer::new(client, program.into())
    }

    /// A server that speaks Streamable HTTP, at an address that the executor can reach.
    pub fn http(client: &Client, url: impl Into<String>) -> HttpServer {
        HttpServer::new(client, url.into())
    }
}

/// A server that is yet to be connected to, in the way that is said: [`StdioServer`] or [`HttpServer`].
#[derive(Clone, Debug)]
pub struct Server<W> {
    pub(super) way: W,
    connect_timeout: Duration,
    lifecycle: ClientLifecycleMode,
}

/// A way to a server.
pub trait Way: Send {
    /// What carries messages there.
    type Transport: Transport<RoleClient> + 'static;

    /// Goes it.
    fn open(self) -> impl Future<Output = Result<Opened<Self::Transport>, ThroughError>> + Send;
}

/// A server that is there, before the handshake.
pub struct Opened<T> {
    /// For errors.
    pub(super) server: String,
    pub(super) transport: T,
    /// What will have become of its program, if it is one.
    pub(super) ending: Option<watch::Receiver<Option<Ending>>>,
}

impl<W> Server<W> {
    pub(super) fn by(way: W) -> Server<W> {
        Server {
            way,
            connect_timeout: limits::HANDSHAKE,
            lifecycle: ClientLifecycleMode::Initialize,
        }
    }

    /// For the handshake; with a program from its start on.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How the SDK finds out which versions of MCP there are, instead of `initialize`: [`ClientLifecycleMode::Auto`] asks newer servers in the
    /// newer way first.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: ClientLifecycleMode) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}

impl<W: Way> Server<W> {
    /// Goes there and shakes hands, as a client that answers no requests of the server.
    pub async fn connect(self) -> Result<Connected<()>, ThroughError> {
        self.connect_as(()).await
    }

    /// The same with the SDK's client side: `service` answers the server's requests and hears its notifications.
    pub async fn connect_as<S: Service<RoleClient>>(
        self,
        service: S,
    ) -> Result<Connected<S>, ThroughError> {
        let Server {
            way,
            connect_timeout,
            lifecycle,
        } = self;
        let opened = way.open().await?;
        opened.shakes(service, lifecycle, connect_timeout).await
    }
}

/// A server after the handshake: the SDK's [`RunningService`], and what becomes of the program behind it. Dropping it closes the
/// connection in the background; [`Self::close`] waits for that.
pub struct Connected<S: Service<RoleClient>> {
    service: RunningService<RoleClient, S>,
    ending: Option<watch::Receiver<Option<Ending>>>,
}

impl<S: Service<RoleClient>> fmt::Debug for Connected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("closed", &self.service.is_closed())
            .finish_non_exhaustive()
    }
}

impl<S: Service<RoleClient>> Deref for Connected<S> {
    type Target = RunningService<RoleClient, S>;

    fn deref(&self) -> &Self::Target {
        &self.service
    }
}

impl<S: Service<RoleClient>> Connected<S> {
    /// Waits until the server's program has ended, and says how. Pending for ever with a server that is reached by HTTP.
    pub async fn ended(&self) -> Ending {
        if let Some(ending) = &self.ending
            && let Ok(ending) = ending.clone().wait_for(Option::is_some).await
            && let Some(ending) = ending.clone()
        {
            return ending;
        }
        std::future::pending().await
    }

    /// Closes the connection, and waits until the program has ended or the session was given back.
    pub async fn close(mut self) -> Option<Ending> {
        // It fails only where the task of the service has panicked; the transport is gone then, too.
        let _ = self.service.close().await;
        match self.ending {
            None => None,
            Some(mut ending) => {
                let ending = ending.wait_for(Option::is_some).await.ok()?;
                ending.clone()
            }
        }
    }

    /// The SDK's own.
    pub fn into_inner(self) -> RunningService<RoleClient, S> {
        self.service
    }
}

impl<T: Transport<RoleClient> + 'static> Opened<T> {
    async fn shakes<S: Service<RoleClient>>(
        self,
        service: S,
        lifecycle: ClientLifecycleMode,
        within: Duration,
    ) -> Result<Connected<S>, ThroughError> {
        let Opened {
            server,
            transport,
            ending,
        } = self;
        let serving = serve_client_with_lifecycle(service, transport, lifecycle);
        // The transport of one that failed is dropped by now, and its program is on its way out.
        let source = match timeout(within, serving).await {
            Ok(Ok(service)) => return Ok(Connected { service, ending }),
            Ok(Err(source)) => Some(Box::new(source)),
            Err(_) => None,
        };
        let ending = match ending {
            None => None,
            Some(mut ending) => ending
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|ending| ending.clone()),
        };
        Err(match source {
            Some(source) => ThroughError::Handshake {
                server,
                source,
                ending,
            },
            None => ThroughError::Silent {
                server,
                waited: within,
                ending,
            },
        })
    }
}
