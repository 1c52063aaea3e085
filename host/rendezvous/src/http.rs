//! What is asked over HTTP: registrations, lists, and the upgrade to a websocket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use lockgate_relay::driver::{Io, NoUpgrade, Socket, accept_key, websocket_config};
use lockgate_relay::noise::PublicKeys;
use lockgate_relay::registry::{
    Bundle, Connect, EnvironmentId, Register, Registration, SECURITY_PROFILE, Validate, Validation,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::authorization::{self, About};
use crate::cluster::{ClusterError, NoWay};
use crate::hub::{Counted, NoPlace, Registered, Seat, There, seconds};
use crate::known::Known;
use crate::large::{Gate, Meter, Metered};
use crate::outlet::Close;
use crate::refusal::Refusal;
use crate::serve::State;
use crate::signed::{self, NoPass, Pass, Side};
use crate::token::{Token, TokenRole};
use crate::{limits, link};

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
            list(request.headers(), &state).await
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
            serve_environment(request, &id, what, is_tls, &state).await
        }
        _ => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this path; see docs/remote.md for those there are",
        )),
    }
}

/// The token of a request, if it is good for that environment and side.
fn authorize(headers: &HeaderMap, state: &State) -> Result<Token, Refusal> {
    let unauthorized = |words| Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", words);
    let secret = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| unauthorized("a token is needed: Authorization: Bearer TOKEN"))?;
    let known = state.known();
    current(state, &known)?;
    match known.find(secret.trim()) {
        None => Err(unauthorized(
            "the token is not known, or was revoked; `lockgate rendezvous token create` makes one",
        )),
        Some(token) if token.is_expired(seconds()) => Err(unauthorized("the token has expired")),
        Some(token) => Ok(token.clone()),
    }
}

/// A registration of an executor, the way of a harness to one, or the word that a harness was let in.
async fn serve_environment(
    request: Request<Incoming>,
    id: &EnvironmentId,
    what: What,
    is_tls: bool,
    state: &State,
) -> Result<Reply, Refusal> {
    let token = authorize(request.headers(), state)?;
    let role = match what {
        What::Register | What::Validate => TokenRole::Executor,
        What::Connect => TokenRole::Harness,
    };
    if token.environment != id.as_str() || !token.role.may_be(role) {
        let words = format!(
            "the token {} is for the {} of `{}`",
            token.id, token.role, token.environment
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", words));
    }
    let base = state.websocket_base(request.headers(), is_tls)?;
    let body = Limited::new(request.into_body(), limits::BODY_BYTES).collect();
    let body = tokio::time::timeout(limits::REQUEST_HEAD, body)
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "body", "the body did not come"))?;
    let body = body
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "body", error.to_string()))?
        .to_bytes();
    if what == What::Validate {
        return Ok(json(StatusCode::OK, &validate(id, &parsed(&body)?, state)));
    }
    if state.hub.is_draining() {
        return Err(no_place(NoPlace::Draining));
    }
    let side = match what {
        What::Connect => Side::Harness,
        _ => Side::Executor,
    };
    let mut pass = Pass {
        side,
        environment: id.clone(),
        token: token.id,
        registration: String::new(),
        encrypts: false,
        expires: seconds() + limits::URL_FOR_NOW.as_secs(),
    };
    let url = |pass: &Pass| format!("{base}{}?{}", signed::PATH, pass.query(state.known().key()));
    let is_plain = body.is_empty();
    if side == Side::Executor {
        pass.registration = uuid::Uuid::new_v4().to_string();
        let keys = match is_plain {
            true => None,
            false => Some(keys_of(&body)?),
        };
        pass.encrypts = keys.is_some();
        let name = Some(id.to_string());
        let registration = Registration {
            environment_id: name.clone(),
            executor_id: name.clone(),
            id: name,
            url: url(&pass),
            security_profile: keys.as_ref().map(|_| SECURITY_PROFILE.to_owned()),
            executor_registration_id: keys.as_ref().map(|_| pass.registration.clone()),
        };
        if let Some(keys) = keys {
            let registered = Registered {
                id: pass.registration,
                keys,
            };
            match state.cluster() {
                None => state.hub.register(id, registered),
                Some(cluster) => cluster
                    .register(id, &registered)
                    .await
                    .map_err(|error| not_now(&error))?,
            }
        }
        return Ok(json(StatusCode::OK, &registration));
    }
    match state.who(id) {
        There::Nobody => Err(offline(id)),
        There::Plain if is_plain => {
            let registration = Registration {
                environment_id: Some(id.to_string()),
                executor_id: None,
                id: None,
                url: url(&pass),
                security_profile: None,
                executor_registration_id: None,
            };
            Ok(json(StatusCode::OK, &registration))
        }
        There::Plain => Err(Refusal::new(
            StatusCode::CONFLICT,
            "security_profile",
            format!(
                "the executor of `{id}` takes streams without encryption only (--remote-transport direct)"
            ),
        )),
        There::Encrypted(_) if is_plain => Err(Refusal::new(
            StatusCode::CONFLICT,
            "security_profile",
            format!(
                "the executor of `{id}` takes encrypted streams only: say which keys the harness has"
            ),
        )),
        There::Encrypted(executor) => {
            let harness: Connect = parsed(&body)?;
            let about = About {
                environment: id,
                registration: &executor.id,
                harness: &harness.harness_public_key,
            };
            let authorization =
                authorization::write(state.known().key(), &about, &pass.token, pass.expires);
            Ok(json(
                StatusCode::OK,
                &Bundle {
                    environment_id: id.to_string(),
                    url: url(&pass),
                    security_profile: SECURITY_PROFILE.to_owned(),
                    executor_registration_id: executor.id,
                    executor_public_key: executor.keys,
                    harness_key_authorization: authorization,
                },
            ))
        }
    }
}

/// What may be asked about an environment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Register,
    Connect,
    Validate,
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "body", error.to_string()))
}

/// The keys of a registration. One without a profile is of an executor that knows none: some clients send an empty object.
fn keys_of(body: &[u8]) -> Result<PublicKeys, Refusal> {
    let register: Register = parsed(body)?;
    if register.security_profile != SECURITY_PROFILE {
        let words = format!("the only security profile is {SECURITY_PROFILE}");
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "security_profile",
            words,
        ));
    }
    Ok(register.executor_public_key)
}

/// Whether we let that harness in, for that registration, and its token is still good.
fn validate(id: &EnvironmentId, asked: &Validate, state: &State) -> Validation {
    let known = state.known();
    let about = About {
        environment: id,
        registration: &asked.executor_registration_id,
        harness: &asked.harness_public_key,
    };
    let now = seconds();
    let token = authorization::read(&asked.harness_key_authorization, known.key(), &about, now);
    let token = token.and_then(|token| known.named(token));
    Validation {
        valid: token.is_some_and(|token| !token.is_expired(now)),
    }
}

/// The environments of the token's tenant, and who is there.
async fn list(headers: &HeaderMap, state: &State) -> Result<Reply, Refusal> {
    #[derive(Serialize)]
    struct List {
        environments: Vec<crate::hub::Presence>,
    }
    let token = authorize(headers, state)?;
    let mut ids: Vec<EnvironmentId> = {
        let known = state.known();
        let tokens = known.tokens();
        let of_tenant = tokens.iter().filter(|other| other.tenant == token.tenant);
        of_tenant
            .filter_map(|other| other.environment.parse().ok())
            .collect()
    };
    ids.sort();
    ids.dedup();
    let environments = match state.cluster() {
        None => state.hub.presence(ids.into_iter()),
        Some(cluster) => cluster.presence(ids).await,
    };
    Ok(json(StatusCode::OK, &List { environments }))
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
                let socket: Socket = WebSocketStream::from_partially_read(
                    socket,
                    parts.read_buf.to_vec(),
                    Role::Server,
                    Some(config),
                )
                .await;
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
    let (pass, tenant) = {
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
        let token = known
            .named(&pass.token)
            .filter(|token| !token.is_expired(seconds()));
        let tenant = token.map(|token| token.tenant.clone()).ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "revoked",
                "the URL's token was revoked or has expired",
            )
        })?;
        (pass, tenant)
    };
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

/// What is not known may be a revocation.
fn current(state: &State, known: &Known) -> Result<(), Refusal> {
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
fn not_now(error: &ClusterError) -> Refusal {
    tracing::error!("{error}");
    let words =
        "the registry of this rendezvous does not answer; its operator finds the reason in its log";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "registry", words).for_now(1)
}

/// A harness is told at once that nobody is there, and may come back.
fn offline(id: &EnvironmentId) -> Refusal {
    let words = format!("the executor of `{id}` is not connected");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "offline", words).for_now(1)
}

fn no_place(why: NoPlace) -> Refusal {
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
