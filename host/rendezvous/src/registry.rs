//! The registry's half: who may register an executor, connect to it, or say that a harness was let in; and who is there.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::{Request, StatusCode};
use lockgate_relay::noise::PublicKeys;
use lockgate_relay::registry::{
    Bundle, Connect, EnvironmentId, Register, Registration, SECURITY_PROFILE, Validate, Validation,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::authorization::{self, About};
use crate::clock::seconds;
use crate::http::{Reply, current, json, no_place, not_now, offline};
use crate::hub::{NoPlace, Registered, There};
use crate::limits;
use crate::refusal::Refusal;
use crate::serve::State;
use crate::signed::{self, Pass, Side};
use crate::token::{Token, TokenRole};

/// The token of a request, if it is good for that environment and side.
async fn authorize(headers: &HeaderMap, state: &State) -> Result<Token, Refusal> {
    let unauthorized = |words| Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", words);
    let secret = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| unauthorized("a token is needed: Authorization: Bearer TOKEN"))?;
    let mut token = known_by(secret.trim(), state)?;
    if token.is_none()
        && let Some(cluster) = state.cluster()
    {
        cluster.catch_up().await;
        token = known_by(secret.trim(), state)?;
    }
    match token {
        None => Err(unauthorized(
            "the token is not known, or was revoked; `lockgate rendezvous token create` makes one",
        )),
        Some(token) if token.is_expired(seconds()) => Err(unauthorized("the token has expired")),
        Some(token) => Ok(token),
    }
}

fn known_by(secret: &str, state: &State) -> Result<Option<Token>, Refusal> {
    let known = state.known();
    current(state, &known)?;
    Ok(known.find(secret).cloned())
}

/// A registration of an executor, the way of a harness to one, or the word that a harness was let in.
pub(crate) async fn environment(
    request: Request<Incoming>,
    id: &EnvironmentId,
    what: What,
    is_tls: bool,
    state: &State,
) -> Result<Reply, Refusal> {
    let token = authorize(request.headers(), state).await?;
    let role = match what {
        What::Register | What::Validate => TokenRole::Executor,
        What::Connect => TokenRole::Harness,
    };
    if token.environment != id.as_str() || !token.role.may_be(role) {
        let whose = match token.role {
            TokenRole::Both => "both ends",
            TokenRole::Executor => "the executor",
            TokenRole::Harness => "a harness",
        };
        let words = format!(
            "the token {} is for {whose} of `{}`, and it was used as that of {} of `{id}`",
            token.id,
            token.environment,
            match role {
                TokenRole::Harness => "a harness",
                _ => "the executor",
            }
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", words));
    }
    let base = state.websocket_base(request.headers(), is_tls)?;
    let body = whole(request.into_body()).await?;
    if what == What::Validate {
        return Ok(json(
            StatusCode::OK,
            &validate(id, &parsed(&body)?, state).await,
        ));
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
            format!("the executor of `{id}` takes streams without encryption only"),
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

/// A request's body, if it is not too large and comes in time.
async fn whole(body: Incoming) -> Result<Bytes, Refusal> {
    let too_large = || {
        let words = format!("a body may have {} bytes", limits::BODY_BYTES);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body", words)
    };
    // Said before it is sent, where its length is.
    if body.size_hint().lower() > limits::BODY_BYTES as u64 {
        return Err(too_large());
    }
    let body = Limited::new(body, limits::BODY_BYTES).collect();
    let body = tokio::time::timeout(limits::REQUEST_HEAD, body)
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "body", "the body did not come"))?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_large(),
        false => Refusal::new(StatusCode::BAD_REQUEST, "body", error.to_string()),
    })?;
    Ok(body.to_bytes())
}

/// What may be asked about an environment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
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
async fn validate(id: &EnvironmentId, asked: &Validate, state: &State) -> Validation {
    let mut valid = is_let_in(id, asked, state);
    // Another node may have let it in, with a token that was made a moment ago.
    if !valid && let Some(cluster) = state.cluster() {
        cluster.catch_up().await;
        valid = is_let_in(id, asked, state);
    }
    Validation { valid }
}

fn is_let_in(id: &EnvironmentId, asked: &Validate, state: &State) -> bool {
    let known = state.known();
    let about = About {
        environment: id,
        registration: &asked.executor_registration_id,
        harness: &asked.harness_public_key,
    };
    let now = seconds();
    let token = authorization::read(&asked.harness_key_authorization, known.key(), &about, now);
    let token = token.and_then(|token| known.named(token));
    token.is_some_and(|token| !token.is_expired(now))
}

/// The environments of the token's tenant, and who is there.
pub(crate) async fn list(headers: &HeaderMap, state: &State) -> Result<Reply, Refusal> {
    #[derive(Serialize)]
    struct List {
        environments: Vec<crate::hub::Presence>,
    }
    let token = authorize(headers, state).await?;
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
