//! Plugins and skills, as the executor finds them.

use lockgate_wire::Method;
use lockgate_wire::capability_roots::{DiscoverParams, DiscoverResult, Discovery, Root};

use crate::{Client, ClientError};

impl Client {
    /// `capabilityRoots/discoverV1`: plugins and skills below these directories, found and read with one request. A root that fails says so by
    /// itself. An executor that does not know the method is told by [`lockgate_wire::code::METHOD_NOT_FOUND`]: then plain calls find the same.
    pub async fn discover(&self, roots: Vec<Root>) -> Result<Vec<Discovery>, ClientError> {
        let method = Method::CapabilityRootsDiscoverV1.name();
        let asked = roots.len();
        let DiscoverResult { roots } = self.call(method, &DiscoverParams { roots }).await?;
        match roots.len() == asked {
            true => Ok(roots),
            false => Err(ClientError::Protocol(format!(
                "{method} answered about {} roots instead of {asked}",
                roots.len()
            ))),
        }
    }
}
