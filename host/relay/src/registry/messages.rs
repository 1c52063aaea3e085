//! What registry, executor and harness say to each other, as it is on the wire.

use serde::{Deserialize, Serialize};

/// The answer to a registration.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registration {
    /// Who was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<String>,
    /// The same for executors of May 2026.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_id: Option<String>,
    /// The same for executors of April 2026.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where to connect to: signed, so a secret.
    pub url: String,
}

impl Registration {
    /// Who was registered, by whichever member says so.
    pub fn environment(&self) -> Option<&str> {
        let names = [&self.environment_id, &self.executor_id, &self.id];
        names.into_iter().find_map(Option::as_deref)
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("environment_id", &self.environment())
            .finish_non_exhaustive()
    }
}

/// What a registry says when it refuses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorDetail,
}

/// Its parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
