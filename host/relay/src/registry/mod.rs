//! The registry: where executors say that they are there, and harnesses learn how to reach them.

mod answers;
mod client;
mod credentials;
mod environment_id;
mod error;
mod messages;

pub(crate) use answers::{preview, retry_after};
pub use client::Registry;
pub use credentials::Credentials;
pub use environment_id::{EnvironmentId, EnvironmentIdError};
pub use error::RegistryError;
pub use messages::{
    Bundle, Connect, ErrorBody, ErrorDetail, Register, Registration, SECURITY_PROFILE, Validate,
    Validation,
};
