//! Many sessions over Streamable HTTP, at one path of one address.
//!
//! Who may come in is settled before anything of a request but its head is read: the bearer token, then the `Host` (a name that was bound to
//! this address by somebody else's DNS is not ours) and the `Origin` (browsers have no business here). Sessions and the protocol are the SDK's
//! work; each has an executor connection of its own. Since protocol 2026-07-28 there are no sessions: those requests share one, as whoever has
//! the token is one and the same to this server.

mod body;
mod door;
mod places;
mod post;
mod roster;
mod sessions;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::header::ORIGIN;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use super::access::{Access, Connect};
use super::server::Face;
use super::{FaceError, limits};
use body::Timed;
use door::Door;
use places::{GivesWay, Places, Visit};
pub(super) use roster::Roster;
use sessions::Sessions;

pub use door::{Token, TokenError};

/// Where the server is.
const PATH: &str = "/mcp";

/// Where to listen and whom to let in.
#[derive(Debug)]
pub struct HttpOptions {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What clients must bring; none: whoever reaches the address comes in.
    pub token: Option<Token>,
    /// Names by which clients reach this server, beside its address.
    pub hosts: Vec<String>,
    /// How long a session stays without a message: one that is shorter than the longest wait of a call ends such calls. [`limits::SESSION_IDLE`] is usual.
    pub idle: Duration,
}

/// A server that listens.
pub struct Http {
    listener: TcpListener,
    address: SocketAddr,
    house: House,
    /// Returns nothing once all sessions have ended.
    ended: mpsc::Receiver<Infallible>,
}

/// What every connection needs.
#[derive(Clone)]
struct House {
    door: Arc<Door>,
    sessions: Arc<Sessions>,
    service: StreamableHttpService<Face, Sessions>,
    /// Where requests without a session work.
    common: Face,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl Http {
    /// Binds the address.
    pub async fn bind(
        options: HttpOptions,
        access: Arc<Access>,
        connect: Connect,
    ) -> Result<Http, FaceError> {
        let failed = |reason: std::io::Error| FaceError::Listen {
            address: options.listen,
            reason,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // Never sent through: it is gone with the last session that holds it.
        let (open, ended) = mpsc::channel(1);
        let common = Face::new(Arc::clone(&access), Arc::clone(&connect)).held_by(open.clone());
        let roster = Roster::default();
        let sessions = Arc::new(Sessions::new(roster.clone(), options.idle));
        let shared = common.clone();
        let make = move || {
            let face = Face::new(Arc::clone(&access), Arc::clone(&connect));
            let face = face.held_by(open.clone()).beside(&shared);
            Ok(face.noted_in(&roster))
        };
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts(&address, &options.hosts))
            .enforce_origin_validation()
            .with_max_request_body_bytes(limits::MESSAGE_BYTES);
        let service = StreamableHttpService::new(make, Arc::clone(&sessions), config);
        let house = House {
            door: Arc::new(Door::new(options.token)),
            sessions,
            service,
            common,
        };
        Ok(Http {
            listener,
            address,
            house,
            ended,
        })
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Serves until `stop` returns, and ends all sessions.
    pub async fn serve(mut self, stop: impl Future<Output = ()>) {
        let places = Places::new();
        let mut connections = JoinSet::new();
        let mut idle = interval(limits::SESSION_IDLE / 60);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = idle.tick() => {
                    let common = self.house.common.clone();
                    tokio::spawn(async move { common.end_if_idle().await });
                }
                Some(_) = connections.join_next() => {}
                stream = accept(&self.listener) => {
                    connections.spawn(connection(stream, places.visit(), self.house.clone()));
                }
            }
        }
        drop(self.listener);
        self.house.service.config.cancellation_token.cancel();
        connections.shutdown().await;
        let _ = timeout(limits::END, self.house.sessions.close()).await;
        self.house.common.end().await;
        drop(self.house);
        if timeout(2 * limits::END, self.ended.recv()).await.is_err() {
            tracing::warn!(
                "not all sessions have ended in time; what they started may go on for a while"
            );
        }
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                // There may be no descriptors left: others have to go first.
                sleep(limits::PROGRESS).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, (visit, gives_way): (Visit, GivesWay), house: House) {
    let _ = stream.set_nodelay(true);
    let visit = Arc::new(visit);
    let service = service_fn(move |request| {
        let (house, visit) = (house.clone(), Arc::clone(&visit));
        async move { Ok::<_, Infallible>(house.answer(request, &visit).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::REQUEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::debug!("a connection ended: {error}");
            }
        }
        () = places::gives_way(gives_way) => tracing::debug!("a connection that had shown no token gave way to others"),
    }
}

impl House {
    async fn answer(&self, request: Request<Incoming>, visit: &Visit) -> Answer {
        if let Some(refusal) = self.door.refuses(&request) {
            return refusal;
        }
        if !visit.comes_in() {
            return door::too_many_connections();
        }
        // What a web page sends is refused further on, and no session gives way for it.
        let is_of_a_page = request.headers().contains_key(ORIGIN);
        if !is_of_a_page && self.sessions.would_begin(&request) && self.sessions.are_full().await {
            return door::too_many_sessions();
        }
        let request = request.map(|body| Timed::new(body, limits::REQUEST_BODY));
        match *request.method() == Method::POST && !is_of_a_page {
            true => self.answer_post(request).await,
            false => self.service.handle(request).await,
        }
    }
}

/// What a request may call this server: by its address, and by the names that the operator gives. On loopback also by loopback's other names.
fn hosts(address: &SocketAddr, named: &[String]) -> Vec<String> {
    let mut hosts = named.to_vec();
    if address.ip().is_loopback() {
        hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    }
    if !address.ip().is_unspecified() {
        hosts.push(address.ip().to_string());
    }
    hosts
}
