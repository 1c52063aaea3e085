//! What is asked over HTTP, and the upgrade to a websocket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate_relay::driver::{FrameSocket, Io, NoUpgrade, accept_key, websocket_config};
use lockgate_relay::registry::EnvironmentId;
use serde::Serialize;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::clock::seconds;
use crate::cluster::{ClusterError, NoWay};
use crate::hub::{Counted, NoPlace, Seat, There};
use crate::known::Known;
use crate::large::{Gate, Meter, Metered};
use crate::outlet::Close;
use crate::refusal::Refusal;
use crate::registry::What;
use crate::serve::State;
use crate::signed::{NoPass, Pass, Side};
use crate::{limits, link, registry};

pub(crate) type Reply = Response<Full<Bytes>>;

/// Answers the requests of one socket.
pub(crate) async fn serve(io: Box<dyn Io>, is_tls: bool, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let reply = answer(request, is_tls, state).await;
            Ok::<_, Infallible>(reply.unwrap_or_else(Reply::from))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::REQUEST_HEAD)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    // A websocket is served by a task of its own.
    match tokio::time::timeout(limits::HTTP_LIFE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "http connection ended"),
        Err(_) => tracing::debug!("http connection ended: it took too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    is_tls: bool,
    state: Arc<State>,
) -> Result<Reply, Refusal> {
    // A browser, whatever page it shows (ATTACKS 29).
    if request.headers().contains_key(header::ORIGIN) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "origin",
            "requests with an Origin header are refused",
        ));
    }
    let path = request.uri().path().to_owned();
    let parts: Vec<_> = path.split('/').skip(1).collect();
    let method = request.method().clone();
    let get = || match method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "use GET",
        )),
    };
    match parts.as_slice() {
        ["livez"] => get().map(|()| Response::new(Full::default())),
        ["readyz"] => {
            get()?;
            if state.hub.is_draining() {
                return Err(no_place(NoPlace::Draining));
            }
            current(&state, &state.known())?;
            Ok(Response::new(Full::default()))
        }
        ["rendezvous"] => upgrade(request, state).await,
        ["cloud", "environments"] => {
            get()?;
            registry::list(request.headers(), &state).await
        }
        // The second is what executors of April and May 2026 ask for.
        [
            "cloud",
            "environment" | "executor",
            id,
            what @ ("register" | "connect" | "validate"),
        ] => {
            if method != Method::POST {
                return Err(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method",
                    "use POST",
                ));
            }
            let id: EnvironmentId =
                id.parse()
                    .map_err(|error: lockgate_relay::registry::EnvironmentIdError| {
                        Refusal::new(StatusCode::BAD_REQUEST, "environment_id", error.to_string())
                    })?;
            let what = match *what {
                "register" => What::Register,
                "connect" => What::Connect,
                _ => What::Validate,
            };
            registry::environment(request, &id, what, is_tls, &state).await
        }
        _ => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this path; see docs/remote.md for those there are",
        )),
    }
}

async fn upgrade(request: Request<Incoming>, state: Arc<State>) -> Result<Reply, Refusal> {
    let accept = accept_key(request.headers()).map_err(|why| {
        let status = match why {
            NoUpgrade::NoKey => StatusCode::BAD_REQUEST,
            _ => StatusCode::UPGRADE_REQUIRED,
        };
        Refusal::new(status, "websocket", why.to_string())
    })?;
    let seat = seat(request.uri().query().unwrap_or_default(), &state).await?;
    tokio::spawn(async move {
        let upgraded = match hyper::upgrade::on(request).await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "the upgrade did not complete"),
        };
        match upgraded.downcast::<TokioIo<Box<dyn Io>>>() {
            Ok(parts) => {
                let largest = match seat.small_frames {
                    true => limits::SMALL_FRAME,
                    false => lockgate_relay::limits::FRAME_BYTES,
                };
                let config = websocket_config()
                    .max_message_size(Some(largest))
                    .max_frame_size(Some(largest))
                    .read_buffer_size(limits::READ_BUFFER)
                    .write_buffer_size(limits::WRITE_BUFFER);
                let (meter, socket) = (Arc::new(Meter::default()), parts.io.into_inner());
                let socket: Box<dyn Io> = match seat.small_frames {
                    true => socket,
                    false => {
                        let turns = seat.turns.clone();
                        Box::new(Metered::new(socket, Gate::new(Arc::clone(&meter), turns)))
                    }
                };
                let socket = FrameSocket::new(socket, &parts.read_buf, Role::Server, config);
                link::serve(socket, seat, meter).await;
            }
            Err(_) => tracing::error!("an upgraded connection was not the socket it began as"),
        }
    });
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(reply)
}

/// The place that a signed URL gives.
async fn seat(query: &str, state: &State) -> Result<Seat, Refusal> {
    let (pass, mut tenant) = passes(query, state)?;
    if tenant.is_none()
        && let Some(cluster) = state.cluster()
    {
        cluster.catch_up().await;
        tenant = passes(query, state)?.1;
    }
    let tenant = tenant.ok_or_else(|| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "revoked",
            "the URL's token was revoked or has expired",
        )
    })?;
    let id = &pass.environment;
    let counted = Counted::Here {
        tenant: &tenant,
        most: state.options.tenant_connections,
    };
    let join = || state.hub.join(&pass, counted).map_err(no_place);
    if pass.side == Side::Executor {
        let Some(cluster) = state.cluster() else {
            return join();
        };
        if pass.encrypts {
            let registered = cluster.take(id, &pass.registration).await;
            if let Some(registered) = registered.map_err(|error| not_now(&error))? {
                state.hub.register(id, registered);
            }
        }
        let mut seat = join()?;
        seat.is_announced(cluster.announce(id.clone(), seat.link(), &state.hub.who(id)));
        return Ok(seat);
    }
    // One that was connected before waits for the executor at its place: both may have lost the same rendezvous. Whoever holds a signed URL may say so, and the
    // signature need not cover it: it gives a place that the URL gives anyway while the executor is there, counted like any other.
    let waits = query.ends_with("&resume=1");
    match (state.hub.who(id), state.cluster()) {
        (There::Nobody, None) if !waits => Err(offline(id)),
        (There::Nobody, Some(cluster)) => {
            // Its own place first: there its limits are counted.
            let mut seat = join()?;
            seat.seeks();
            match cluster.attach(id, query).await {
                Ok(uplink) => {
                    let node = uplink.node().to_owned();
                    seat.goes_by(uplink);
                    // The executor may have moved meanwhile, even to this node.
                    if cluster.node_of(id).is_some_and(|now| now != node)
                        || !matches!(state.hub.who(id), There::Nobody)
                    {
                        seat.outlet.close(Close::MOVED);
                    }
                }
                Err(NoWay::Nobody) if waits => seat.waits(),
                Err(NoWay::Nobody) => return Err(offline(id)),
                Err(NoWay::Refused) => {
                    let words = "the executor's node does not take this URL: ask the registry for another one";
                    return Err(Refusal::new(StatusCode::UNAUTHORIZED, "signature", words));
                }
                Err(NoWay::Place(why)) => return Err(no_place(why)),
            }
            Ok(seat)
        }
        _ => join(),
    }
}

/// What a signed URL says, and the tenant of its token, if that is good.
fn passes(query: &str, state: &State) -> Result<(Pass, Option<String>), Refusal> {
    let known = state.known();
    current(state, &known)?;
    let now = Duration::from_secs(seconds());
    let pass = Pass::read(query, known.key(), now).map_err(|why| {
        let code = match why {
            NoPass::Malformed | NoPass::Signature => "signature",
            NoPass::Expired => "expired",
        };
        Refusal::new(StatusCode::UNAUTHORIZED, code, why.to_string())
    })?;
    let token = known.named(&pass.token);
    let token = token.filter(|token| !token.is_expired(seconds()));
    let tenant = token.map(|token| token.tenant.clone());
    Ok((pass, tenant))
}

/// What is not known may be a revocation.
pub(crate) fn current(state: &State, known: &Known) -> Result<(), Refusal> {
    if known.is_current() {
        return Ok(());
    }
    let (code, words, seconds) = match state.cluster() {
        None => (
            "store",
            "the store of this rendezvous cannot be read on; its operator finds the reason in its log",
            30,
        ),
        // NATS comes back by itself, and streams wait.
        Some(_) => (
            "registry",
            "the registry of this rendezvous on NATS cannot be followed; its operator finds the reason in its log",
            1,
        ),
    };
    Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, words).for_now(seconds))
}

/// The registry that nodes share does not take something.
pub(crate) fn not_now(error: &ClusterError) -> Refusal {
    tracing::error!("{error}");
    let words =
        "the registry of this rendezvous does not answer; its operator finds the reason in its log";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "registry", words).for_now(1)
}

/// A harness is told at once that nobody is there, and may come back.
pub(crate) fn offline(id: &EnvironmentId) -> Refusal {
    let words = format!("the executor of `{id}` is not connected");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "offline", words).for_now(1)
}

pub(crate) fn no_place(why: NoPlace) -> Refusal {
    let (status, code, seconds) = match why {
        NoPlace::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining", 1),
        NoPlace::Tenant | NoPlace::Harnesses => (StatusCode::TOO_MANY_REQUESTS, "too_many", 30),
        NoPlace::NotRegistered => (StatusCode::UNAUTHORIZED, "not_registered", 0),
    };
    Refusal::new(status, code, why.to_string()).for_now(seconds)
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    // Our own types can be written.
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // Signed URLs are for who asked.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
