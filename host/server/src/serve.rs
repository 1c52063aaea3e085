//! Running a server from its first socket to its last process.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lockgate_relay::registry::RegistryError;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;

use crate::options::{Options, PolicyOptions};
use crate::remote::Remote;
use crate::service::Service;
use crate::transport::{ListenUrl, Stdio, bind, serve_http};
use crate::{connection, limits};

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be bound.
    #[error("cannot listen on ws://{address}: {error}; choose another port, or port 0 for any")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The capability gate cannot be had as it was asked for.
    #[error("{0}")]
    Gate(String),
    /// The registry does not take this executor.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Standard input or output, or a signal handler, could not be set up.
    #[error("cannot set up the server: {0}")]
    Setup(#[from] io::Error),
}

/// Runs a server until it is told to stop by SIGTERM, SIGINT or SIGHUP, or, on stdio, until its input
/// ends. With a policy gate, SIGHUP has that read its configuration again instead. Everything that it started is gone when it returns. Must be called in a tokio runtime.
///
/// A websocket listener prints its URL, with the port that was bound, as the only line on stdout.
pub async fn serve(options: Options) -> Result<(), ServeError> {
    let mut stop = StopSignals::new(options.policy.as_ref())?;
    let descriptors = lockgate_process::raise_descriptor_limit();
    tracing::debug!(descriptors, "limit on open descriptors");
    let processes = lockgate_process::Engine::new();
    let listen = options.listen;
    let remote = options.remote.clone();
    options.ledger.start();
    let service = Service::new(options, processes);
    service
        .gate_as_asked_for()
        .await
        .map_err(ServeError::Gate)?;
    let mut remote = remote.map(Remote::start);
    let outcome = match (&mut remote, listen) {
        (Some(remote), _) => tokio::select! {
            refused = remote.serve(&service) => refused.map_or(Ok(()), |error| Err(error.into())),
            name = stop.received() => {
                tracing::info!(signal = name, "stopping");
                Ok(())
            }
        },
        (None, ListenUrl::WebSocket(address)) => {
            let listener = bind(address)
                .await
                .map_err(|error| ServeError::Listen { address, error })?;
            let bound = listener.local_addr()?;
            let mut stdout = io::stdout();
            writeln!(stdout, "ws://{bound}")?;
            stdout.flush()?;
            tracing::info!("listening on ws://{bound}");
            tokio::select! {
                () = accept(listener, &service) => {}
                name = stop.received() => tracing::info!(signal = name, "stopping"),
            }
            Ok(())
        }
        (None, ListenUrl::Stdio) => {
            let transport = Stdio::new()?;
            tracing::info!("serving on stdio");
            tokio::select! {
                () = connection::serve(transport, Arc::clone(&service)) => {}
                name = stop.received() => tracing::info!(signal = name, "stopping"),
            }
            Ok(())
        }
    };
    service.stop();
    if let Some(remote) = remote {
        remote.end().await;
    }
    let ending = Arc::clone(&service);
    let ended = tokio::task::spawn_blocking(move || ending.sessions().end_all());
    if tokio::time::timeout(limits::SHUTDOWN, ended).await.is_err() {
        tracing::warn!("some sessions did not end in time; the guardian ends what is left");
    }
    outcome
}

async fn accept(listener: TcpListener, service: &Arc<Service>) {
    let seats = Arc::new(Semaphore::new(limits::CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((socket, _)) => {
                let service = Arc::clone(service);
                let seat = Arc::new(seat);
                tokio::spawn(async move {
                    if let Err(error) = tune(&socket) {
                        // The peer is gone already.
                        return tracing::debug!(%error, "connection lost before it began");
                    }
                    serve_http(socket, move |websocket| {
                        let (service, seat) = (Arc::clone(&service), Arc::clone(&seat));
                        async move {
                            connection::serve(websocket, service).await;
                            drop(seat);
                        }
                    })
                    .await;
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: others must end before more can begin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    // Without it an answer after a notification waits some 40 ms for the client's delayed ack.
    socket.set_nodelay(true)?;
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(limits::NOT_SENT)
}

/// The signals that end a server.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// None where this signal has another meaning.
    hang_up: Option<Signal>,
}

impl StopSignals {
    fn new(policy: Option<&PolicyOptions>) -> io::Result<StopSignals> {
        let mut hang_up = Some(signal(SignalKind::hangup())?);
        if let Some(policy) = policy
            && let Some(signal) = hang_up.take()
        {
            tokio::spawn(reload_at(signal, Arc::clone(&policy.reload)));
        }
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up,
        })
    }

    async fn received(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// Reloads at each signal, one after the other.
async fn reload_at(mut signal: Signal, reload: Arc<dyn Fn() + Send + Sync>) {
    while signal.recv().await.is_some() {
        let reload = Arc::clone(&reload);
        if let Err(error) = tokio::task::spawn_blocking(move || reload()).await {
            tracing::error!(%error, "the policies were not loaded again");
        }
    }
}
