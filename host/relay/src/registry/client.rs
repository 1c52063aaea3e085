//! Asking a registry.

use std::error::Error as _;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::messages::{Bundle, Connect, Register, SECURITY_PROFILE, Validate, Validation};
use super::{Credentials, EnvironmentId, Registration, RegistryError, answers};
use crate::driver::{tls, without_query};
use crate::limits;
use crate::noise::PublicKeys;

/// A registry at a base URL, asked with these credentials.
#[derive(Clone, Debug)]
pub struct Registry {
    http: Client,
    base: Url,
    credentials: Credentials,
}

impl Registry {
    /// The registry at `base`, such as `https://rendezvous.example`.
    ///
    /// # Errors
    /// [`RegistryError::Config`].
    pub fn new(base: &str, credentials: Credentials) -> Result<Registry, RegistryError> {
        let refused = |reason: String| RegistryError::Config {
            url: without_query(base),
            reason,
        };
        let trimmed = base.trim().trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        let parsed = Url::parse(trimmed).map_err(|error| refused(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(refused(
                "expected http://HOST:PORT or https://HOST".to_owned(),
            ));
        }
        let trust = match parsed.scheme() {
            "https" => crate::driver::trust().map_err(|error| refused(error.to_string()))?,
            // The client wants to be told whom it trusts, even if it never asks.
            _ => crate::driver::no_trust().map_err(|error| refused(error.to_string()))?,
        };
        let http = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(limits::REGISTRY)
            .timeout(limits::REGISTRY)
            .user_agent(concat!("lockgate/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured((*trust).clone())
            .build()
            .map_err(|error| refused(words(&error)))?;
        Ok(Registry {
            http,
            base: parsed,
            credentials,
        })
    }

    /// The base URL, without what may be secret in it.
    pub fn shown(&self) -> String {
        without_query(self.base.as_str())
    }

    /// Registers an executor: with these keys for encrypted streams, or, as those of May 2026 do, with no body.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn register(
        &self,
        environment: &EnvironmentId,
        keys: Option<&PublicKeys>,
    ) -> Result<Registration, RegistryError> {
        let body = keys.map(|keys| Register {
            security_profile: SECURITY_PROFILE.to_owned(),
            executor_public_key: keys.clone(),
        });
        let registration: Registration = self.post(environment, "register", body.as_ref()).await?;
        same(environment, registration.environment())?;
        if keys.is_some() {
            profile(registration.security_profile.as_deref())?;
            if registration.executor_registration_id.is_none() {
                return Err(RegistryError::Answer("it names no registration".to_owned()));
            }
        }
        Ok(registration)
    }

    /// Asks for the way to an executor with encrypted streams.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn connect(
        &self,
        environment: &EnvironmentId,
        keys: &PublicKeys,
    ) -> Result<Bundle, RegistryError> {
        let body = Connect {
            harness_public_key: keys.clone(),
        };
        let bundle: Bundle = self.post(environment, "connect", Some(&body)).await?;
        same(environment, Some(&bundle.environment_id))?;
        profile(Some(&bundle.security_profile))?;
        Ok(bundle)
    }

    /// The same for an executor whose streams are not encrypted.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn connect_directly(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Registration, RegistryError> {
        let way: Registration = self.post(environment, "connect", None::<&()>).await?;
        same(environment, way.environment())?;
        Ok(way)
    }

    /// Asks whether a harness may be let in.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn validate(
        &self,
        environment: &EnvironmentId,
        what: &Validate,
    ) -> Result<bool, RegistryError> {
        let answer: Validation = self.post(environment, "validate", Some(what)).await?;
        Ok(answer.valid)
    }

    async fn post<A: DeserializeOwned>(
        &self,
        environment: &EnvironmentId,
        what: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A, RegistryError> {
        let path = format!("cloud/environment/{environment}/{what}");
        let path = path.as_str();
        let token = self.credentials.token().await?;
        match self.attempt(path, body, &token).await {
            // Expired since it was read, perhaps.
            Err(RegistryError::Auth {
                status: 401,
                message,
            }) if self.credentials.can_change() => {
                let renewed = self.credentials.token().await?;
                tracing::debug!(message, "the registry refused the token; trying once more");
                self.attempt(path, body, &renewed).await
            }
            outcome => outcome,
        }
    }

    async fn attempt<A: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
        token: &str,
    ) -> Result<A, RegistryError> {
        let url = format!("{}/{path}", self.base.as_str().trim_end_matches('/'));
        let unreachable = |error: &reqwest::Error| RegistryError::Request {
            url: self.shown(),
            reason: words(error),
            is_away: is_away(error),
        };
        let mut request = self.http.post(url).bearer_auth(token);
        if let Some(body) = body {
            let text = serde_json::to_vec(body)
                .map_err(|error| RegistryError::Answer(error.to_string()))?;
            request = request
                .header("content-type", "application/json")
                .body(text);
        }
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let retry_after = answers::retry_after(response.headers());
        let mut answer = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| unreachable(&error))?
        {
            if answer.len() + piece.len() > limits::REGISTRY_ANSWER {
                return Err(RegistryError::Answer(format!(
                    "it has more than {} bytes",
                    limits::REGISTRY_ANSWER
                )));
            }
            answer.extend_from_slice(&piece);
        }
        if status == StatusCode::OK {
            return serde_json::from_slice(&answer)
                .map_err(|error| RegistryError::Answer(error.to_string()));
        }
        let message = answers::preview(&answer);
        let status_code = status.as_u16();
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryError::Auth {
                status: status_code,
                message,
            },
            _ => RegistryError::Http {
                status: status_code,
                code: answers::code(&answer),
                message,
                retry_after,
            },
        })
    }
}

/// Whether an answer is about what was asked for.
fn same(asked: &EnvironmentId, answered: Option<&str>) -> Result<(), RegistryError> {
    if answered == Some(asked.as_str()) {
        return Ok(());
    }
    let speaks_of = answered.unwrap_or("nothing");
    Err(RegistryError::Answer(format!(
        "it was asked about {asked}, and it speaks of `{speaks_of}`"
    )))
}

fn profile(answered: Option<&str>) -> Result<(), RegistryError> {
    match answered {
        Some(SECURITY_PROFILE) => Ok(()),
        other => Err(RegistryError::Answer(format!(
            "the security profile {SECURITY_PROFILE} was asked for, and it answers `{}`",
            other.unwrap_or("none")
        ))),
    }
}

/// Whether nobody was there to answer. Whoever speaks something else, or has a certificate that is not trusted, is there.
fn is_away(error: &reqwest::Error) -> bool {
    !error.is_builder() && tls::reason(error, tls::HTTP).is_none() && no_http(error).is_none()
}

/// What came in the place of an answer, where it cannot be read as one.
fn no_http(error: &reqwest::Error) -> Option<&hyper::Error> {
    let mut causes = std::iter::successors(error.source(), |&error| error.source());
    causes.find_map(|cause| {
        cause
            .downcast_ref()
            .filter(|error| hyper::Error::is_parse(error))
    })
}

/// An error with its causes, without the URL: that is told beside it.
fn words(error: &reqwest::Error) -> String {
    if let Some(reason) = tls::reason(error, tls::HTTP) {
        return reason;
    }
    if let Some(parse) = no_http(error) {
        return match error.url().is_some_and(|url| url.scheme() == "http") {
            true => tls::no_http(parse, tls::HTTP),
            false => parse.to_string(),
        };
    }
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if error.is_timeout() {
        return format!("no answer within {} s", limits::REGISTRY.as_secs());
    }
    if causes.is_empty() {
        error.to_string()
    } else {
        causes.join(": ")
    }
}
