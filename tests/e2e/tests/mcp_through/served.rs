//! The MCP server that is made with the official SDK, over Streamable HTTP in the test's own process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use lockgate_e2e::TestMcp;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// A server; it ends with the value, and all its connections with it.
pub(crate) struct Served {
    port: u16,
    sessions: Arc<LocalSessionManager>,
    /// Told when a call of `wait` has begun, and again when it was cancelled.
    pub(crate) waits: Arc<Notify>,
    echoed: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<(Method, HeaderMap)>>>,
    stop: oneshot::Sender<()>,
    task: JoinSet<()>,
}

impl Served {
    /// With sessions, and answers as event streams.
    pub(crate) async fn start() -> Served {
        Served::at("127.0.0.1:0", StreamableHttpServerConfig::default()).await
    }

    /// Ends it; when this returns, its port and its connections are closed, so that another may listen at the address.
    /// A value that is dropped ends too, but some time later.
    pub(crate) async fn end(mut self) {
        self.stop.send(()).expect("it listens");
        self.task.join_next().await.expect("one").expect("ended");
    }

    pub(crate) async fn at(address: &str, config: StreamableHttpServerConfig) -> Served {
        let listener = TcpListener::bind(address).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sessions = Arc::new(LocalSessionManager::default());
        let waits = Arc::new(Notify::new());
        let echoed = Arc::new(AtomicUsize::new(0));
        let (told, counted) = (Arc::clone(&waits), Arc::clone(&echoed));
        let serve = move || {
            let (waits, echoed) = (Arc::clone(&told), Arc::clone(&counted));
            Ok(TestMcp { waits, echoed })
        };
        let service = StreamableHttpService::new(serve, Arc::clone(&sessions), config);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let (stop, mut stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let socket = tokio::select! {
                    _ = &mut stopped => break,
                    accepted = listener.accept() => accepted.expect("a connection").0,
                };
                let (service, noted) = (service.clone(), Arc::clone(&noted));
                let answer = service_fn(move |request: Request<Incoming>| {
                    let (service, noted) = (service.clone(), Arc::clone(&noted));
                    async move {
                        noted
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push((request.method().clone(), request.headers().clone()));
                        Ok::<_, std::convert::Infallible>(service.handle(request).await)
                    }
                });
                connections.spawn(async move {
                    let connection = hyper::server::conn::http1::Builder::new();
                    // The executor may leave at any time.
                    let _ = connection
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
            drop(listener);
            connections.shutdown().await;
        });
        Served {
            port,
            sessions,
            waits,
            echoed,
            seen,
            stop,
            task,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp?key=secret", self.address())
    }

    /// Forgets all sessions, as a server that has cleaned up.
    pub(crate) async fn expire(&self) -> usize {
        let forgotten = std::mem::take(&mut *self.sessions.sessions.write().await);
        forgotten.len()
    }

    /// How many sessions it has.
    pub(crate) async fn sessions(&self) -> usize {
        self.sessions.sessions.read().await.len()
    }

    /// How often `echo` was carried out.
    pub(crate) fn echoed(&self) -> usize {
        self.echoed.load(Ordering::Relaxed)
    }

    /// The requests of that method until now.
    pub(crate) fn seen(&self, method: Method) -> Vec<HeaderMap> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter(|(seen, _)| *seen == method)
            .map(|(_, headers)| headers.clone())
            .collect()
    }
}
