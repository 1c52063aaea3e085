//! What a project and its plugins say to an agent, found on an executor: its instruction documents ([`ProjectDocuments`]) and, with one request,
//! plugins and skills ([`Client::discover`](crate::Client::discover)).
//!
//! What is found is text that somebody wrote, and may be hostile: it is bounded, it is read under the profile that the caller gives, and no link leads
//! from a project to a file outside of it.

mod documents;
mod plain;
mod roots;

use crate::ClientError;

pub use documents::{Document, Documents, ProjectDocuments, Warning};
/// What is asked for and found.
pub use lockgate_wire::capability_roots::{Discovery, FoundFile, Root};
pub use roots::discover_plainly;

/// A refusal by code and words; what is none is a failure of the executor.
fn refusal(error: ClientError) -> Result<(i64, String), ClientError> {
    match error.code() {
        Some(code) => Ok((code, error.to_string())),
        None => Err(error),
    }
}
