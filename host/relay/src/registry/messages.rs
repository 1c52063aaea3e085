//! What registry, executor and harness say to each other, as it is on the wire.

use serde::{Deserialize, Serialize};

use crate::noise::PublicKeys;

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
    /// [`SECURITY_PROFILE`], where streams are encrypted from end to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_profile: Option<String>,
    /// Names this registration; the handshake is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor_registration_id: Option<String>,
}

/// The encryption that registry, executor and harness mean.
pub const SECURITY_PROFILE: &str = "noise_hybrid_ik_v1";

/// What an executor registers with, where its streams are encrypted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Register {
    /// [`SECURITY_PROFILE`].
    pub security_profile: String,
    /// What harnesses have to know it by.
    pub executor_public_key: PublicKeys,
}

/// How a harness asks for the way to an executor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connect {
    /// What the executor will know it by.
    pub harness_public_key: PublicKeys,
}

/// The way to an executor.
#[derive(Clone, Serialize, Deserialize)]
pub struct Bundle {
    /// The environment.
    pub environment_id: String,
    /// Where to connect to: signed, so a secret.
    pub url: String,
    /// [`SECURITY_PROFILE`].
    pub security_profile: String,
    /// The executor's registration; the handshake is bound to it.
    pub executor_registration_id: String,
    /// Whom to talk to, and to nobody else.
    pub executor_public_key: PublicKeys,
    /// What shows the executor that the registry let this harness in.
    pub harness_key_authorization: String,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("environment_id", &self.environment_id)
            .finish_non_exhaustive()
    }
}

/// How an executor asks whether a harness may be let in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Validate {
    /// Its own registration.
    pub executor_registration_id: String,
    /// Who proved to have these keys.
    pub harness_public_key: PublicKeys,
    /// What it brought.
    pub harness_key_authorization: String,
}

/// The answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Validation {
    /// It may.
    pub valid: bool,
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
