//! Why a registry was of no help.

use std::time::Duration;

/// Why a request to a registry failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The base URL cannot be used.
    #[error("the registry `{url}` cannot be used: {reason}")]
    Config {
        /// As far as it may be shown.
        url: String,
        /// Why not.
        reason: String,
    },
    /// There is no token, or it cannot be had.
    #[error("no credentials for the registry: {0}")]
    Credentials(String),
    /// The registry does not accept who asks.
    #[error("the registry refuses the credentials ({status}): {message}")]
    Auth {
        /// 401 or 403.
        status: u16,
        /// What it says.
        message: String,
    },
    /// Any other answer that is no success; redirects are not followed, because credentials must not go elsewhere.
    #[error("the registry answers {status}{}: {message}", .code.as_deref().map(|code| format!(" {code}")).unwrap_or_default())]
    Http {
        /// The status.
        status: u16,
        /// Of the body, if it has one.
        code: Option<String>,
        /// What it says.
        message: String,
        /// When it may be asked again.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error("the registry at {url} cannot be reached: {reason}")]
    Request {
        /// Without what is secret.
        url: String,
        /// Why not.
        reason: String,
        /// Nobody is there, or not to be found, or gone again; not somebody who speaks something else, or is not trusted.
        is_away: bool,
    },
    /// An answer that makes no sense.
    #[error("the registry's answer makes no sense: {0}")]
    Answer(String),
}

impl RegistryError {
    /// Whether asking again, later, may help.
    pub fn is_passing(&self) -> bool {
        match self {
            RegistryError::Request { .. } => true,
            RegistryError::Http { status, .. } => {
                *status >= 500 || *status == 408 || *status == 429
            }
            _ => false,
        }
    }

    /// Whether a registry that was never heard of may only not have started yet: nobody is there, or what stands in front of it says that it will pass.
    pub fn is_not_up(&self) -> bool {
        match self {
            RegistryError::Request { is_away, .. } => *is_away,
            error => error.is_passing(),
        }
    }

    /// How long the registry wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            RegistryError::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
