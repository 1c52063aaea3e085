//! Running a rendezvous from its first socket to the last good-bye.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};
use lockgate_relay::driver::Io;
use lockgate_relay::registry::EnvironmentId;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_rustls::TlsAcceptor;

use crate::clock::seconds;
use crate::cluster::{Cluster, ClusterError};
use crate::hub::{Hub, There};
use crate::known::Known;
use crate::options::{Options, Place};
use crate::refusal::Refusal;
use crate::sources::Sources;
use crate::store::{Store, StoreError};
use crate::{http, limits, tls};

/// Why a rendezvous could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RendezvousError {
    /// The address could not be bound.
    #[error("cannot listen on {address}: {error}; choose another port, or port 0 for any")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry that several nodes share cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Certificate or key cannot be used.
    #[error("{0}")]
    Tls(String),
    /// A URL cannot be made.
    #[error("{0}")]
    Url(String),
    /// Stdout or a signal handler.
    #[error("cannot set up the rendezvous: {0}")]
    Setup(#[from] io::Error),
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) hub: Arc<Hub>,
    source: Source,
}

/// Where what is known comes from.
#[derive(Debug)]
enum Source {
    File(Mutex<Store>),
    Cluster(Arc<Cluster>),
}

/// What is known now.
pub(crate) enum Now<'a> {
    File(MutexGuard<'a, Store>),
    Cluster(MutexGuard<'a, Known>),
}

impl Deref for Now<'_> {
    type Target = Known;

    fn deref(&self) -> &Known {
        match self {
            Now::File(store) => store.known(),
            Now::Cluster(known) => known,
        }
    }
}

impl State {
    /// Key and tokens as they are now.
    pub(crate) fn known(&self) -> Now<'_> {
        match &self.source {
            Source::Cluster(cluster) => Now::Cluster(cluster.known()),
            Source::File(store) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(error) = store.refresh() {
                    tracing::error!("{error}; what was known before still holds");
                }
                Now::File(store)
            }
        }
    }

    /// The other nodes, if there are any.
    pub(crate) fn cluster(&self) -> Option<&Arc<Cluster>> {
        match &self.source {
            Source::Cluster(cluster) => Some(cluster),
            Source::File(_) => None,
        }
    }

    /// Who is connected for this environment, here or at another node.
    pub(crate) fn who(&self, id: &EnvironmentId) -> There {
        match (self.hub.who(id), self.cluster()) {
            (There::Nobody, Some(cluster)) => cluster.who(id),
            (here, _) => here,
        }
    }

    /// `ws://…` or `wss://…` without a path, as this client reaches it.
    pub(crate) fn websocket_base(
        &self,
        headers: &HeaderMap,
        is_tls: bool,
    ) -> Result<String, Refusal> {
        if let Some(url) = &self.options.public_url {
            return Ok(url.as_str().trim_end_matches('/').to_owned());
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_tls = is_tls || text("x-forwarded-proto").is_some_and(|proto| proto == "https");
        let scheme = if is_tls { "wss" } else { "ws" };
        let host = text(header::HOST.as_str()).unwrap_or_default();
        let base = format!("{scheme}://{host}");
        let is_plain = url::Url::parse(&base).is_ok_and(|url| {
            url.has_host()
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.username().is_empty()
        });
        if !is_plain {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "host",
                "the Host header names no host",
            ));
        }
        Ok(base)
    }
}

/// Runs a rendezvous until SIGTERM or SIGINT; then everybody is asked to come back, here after a restart or at another one.
///
/// Prints its URL, with the port that was bound, as the only line on stdout.
///
/// # Errors
/// [`RendezvousError`].
pub async fn serve(options: Options) -> Result<(), RendezvousError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let acceptor = match &options.tls {
        Some((certificates, key)) => {
            Some(tls::acceptor(certificates, key).map_err(RendezvousError::Tls)?)
        }
        None => None,
    };
    let hub = Arc::new(Hub::default());
    let source = match &options.place {
        Place::File(path) => Source::File(Mutex::new(Store::open(path)?)),
        Place::Nats(nats) => Source::Cluster(Cluster::join(nats, Arc::clone(&hub)).await?),
    };
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| RendezvousError::Listen { address, error })?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let bound = listener.local_addr()?;
    let state = Arc::new(State {
        options,
        hub,
        source,
    });
    let mut stdout = io::stdout();
    writeln!(stdout, "{scheme}://{bound}")?;
    stdout.flush()?;
    tracing::info!("listening on {scheme}://{bound}");
    let name = tokio::select! {
        () = accept(listener, acceptor, &state) => "",
        () = keep(&state) => "",
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!(signal = name, connected = state.hub.connected(), "draining");
    state.hub.drain();
    let until = Instant::now() + limits::DRAIN;
    while state.hub.connected() > 0 && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
    }
    if let Some(cluster) = state.cluster() {
        cluster.leave().await;
    }
    // The last good-byes are on their way to sockets that nobody holds open any more.
    sleep(Duration::from_millis(50)).await;
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: &Arc<State>) {
    let seats = Arc::new(Semaphore::new(limits::SOCKETS));
    let sources = Sources::sharing(limits::SOCKETS_OF_ONE);
    loop {
        // The semaphore is never closed.
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
            return;
        };
        let (socket, from) = match listener.accept().await {
            Ok((socket, from)) => (socket, from.ip()),
            Err(error) => {
                // Out of descriptors, most likely: others must end before more can begin.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(place) = sources.enter(from) else {
            tracing::debug!(%from, "a connection was refused: too many come from there");
            continue;
        };
        let (state, acceptor) = (Arc::clone(state), acceptor.clone());
        tokio::spawn(async move {
            let _held = (seat, place);
            if let Err(error) = tune(&socket) {
                return tracing::debug!(%error, "connection lost before it began");
            }
            let is_tls = acceptor.is_some();
            let io: Box<dyn Io> = match acceptor {
                None => Box::new(socket),
                Some(acceptor) => {
                    let shaken =
                        tokio::time::timeout(limits::REQUEST_HEAD, acceptor.accept(socket));
                    match shaken.await {
                        Ok(Ok(socket)) => Box::new(socket),
                        Ok(Err(error)) => return tracing::debug!(%error, "no TLS"),
                        Err(_) => return tracing::debug!("no TLS in time"),
                    }
                }
            };
            http::serve(io, is_tls, state).await;
        });
    }
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(limits::NOT_SENT)
}

/// Does what has to be done from time to time.
async fn keep(state: &Arc<State>) {
    let mut tick = interval(limits::TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        state.hub.tidy(Instant::now());
        let good: std::collections::HashSet<String> = {
            let known = state.known();
            let now = seconds();
            let tokens = known.tokens();
            let good = tokens.iter().filter(|token| !token.is_expired(now));
            good.map(|token| token.id.clone()).collect()
        };
        state.hub.revoke(|id| good.contains(id));
    }
}
