//! What a project and its plugins say to an agent, found on an executor: its instruction documents ([`ProjectDocuments`]) and, with one request,
//! plugins and skills ([`Client::discover`](crate::Client::discover)).
//!
//! What is found is text that somebody wrote, and may be hostile: it is bounded, it is read under the profile that the caller gives, and no link leads
//! from a project to a file outside of it.

mod documents;
mod roots;

pub use documents::{Document, Documents, ProjectDocuments, Warning};
