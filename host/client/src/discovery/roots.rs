//! Plugins and skills below some directories, as the executor finds them with one request, or by plain calls where it does not know how.

use lockgate_wire::capability_roots::{DiscoverParams, DiscoverResult, Discovery, Root};
use lockgate_wire::limits::{DISCOVER_BYTES, DISCOVER_ROOTS};
use lockgate_wire::{Method, code};

use super::plain;
use crate::executor::Files;
use crate::{Client, ClientError};

impl Client {
    /// Plugins and skills below these directories (`capabilityRoots/discoverV1`), in their order. A root that fails says so by itself. An
    /// executor that does not know the method, or takes no profile with it, is asked by plain calls.
    pub async fn discover(&self, roots: Vec<Root>) -> Result<Vec<Discovery>, ClientError> {
        let takes_profiles = self
            .capabilities()
            .is_some_and(|capabilities| capabilities.capability_discovery_sandbox);
        if !takes_profiles && roots.iter().any(|root| root.sandbox.is_some()) {
            return discover_plainly(self, &roots).await;
        }
        let mut found = Vec::with_capacity(roots.len());
        // Each request has its own bound on all of its answer.
        for roots in roots.chunks(DISCOVER_ROOTS) {
            let method = Method::CapabilityRootsDiscoverV1;
            let params = DiscoverParams {
                roots: roots.to_vec(),
            };
            match self.look::<_, DiscoverResult>(method, &params).await {
                Ok(answer) if answer.roots.len() == roots.len() => found.extend(answer.roots),
                Ok(answer) => {
                    return Err(ClientError::Protocol(format!(
                        "{} answered about {} roots instead of {}",
                        method.name(),
                        answer.roots.len(),
                        roots.len()
                    )));
                }
                Err(error) if error.code() == Some(code::METHOD_NOT_FOUND) => {
                    found.extend(discover_plainly(self, roots).await?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// What [`Client::discover`] finds, by plain calls: for executors that do not know the method. A failure is one of the executor; what is the matter with
/// a root or a file is told in its place.
pub async fn discover_plainly(
    files: &dyn Files,
    roots: &[Root],
) -> Result<Vec<Discovery>, ClientError> {
    let mut room = DISCOVER_BYTES;
    let mut found = Vec::with_capacity(roots.len());
    for root in roots {
        found.push(plain::discovery(files, root, &mut room).await?);
    }
    Ok(found)
}
