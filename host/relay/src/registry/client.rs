//! Asking a registry.

use std::error::Error as _;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Credentials, EnvironmentId, Registration, RegistryError, answers};
use crate::driver::without_query;
use crate::limits;

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

    /// Registers an executor without end-to-end encryption, as those of May 2026 do: with no body.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn register(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Registration, RegistryError> {
        let path = format!("cloud/environment/{environment}/register");
        let registration: Registration = self.post(&path, None::<&()>).await?;
        if registration.environment() != Some(environment.as_str()) {
            let speaks_of = registration.environment().unwrap_or("nothing");
            return Err(RegistryError::Answer(format!(
                "{environment} was to be registered, and it speaks of `{speaks_of}`"
            )));
        }
        Ok(registration)
    }

    async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A, RegistryError> {
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

/// An error with its causes, without the URL: that is told beside it.
fn words(error: &reqwest::Error) -> String {
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
