//! A way to an executor that only the embedder knows, such as to one in its own process.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{Client, ClientError, ConnectOptions};

/// Makes a connection, whenever one is needed. Equal to its clones and to no other.
#[derive(Clone)]
pub struct Connector(Arc<Connect>);

type Connect =
    dyn Fn(ConnectOptions) -> BoxFuture<'static, Result<Client, ClientError>> + Send + Sync;

impl Connector {
    /// `connect` makes one with these options.
    pub fn new<F, C>(connect: F) -> Connector
    where
        F: Fn(ConnectOptions) -> C + Send + Sync + 'static,
        C: Future<Output = Result<Client, ClientError>> + Send + 'static,
    {
        Connector(Arc::new(move |options| Box::pin(connect(options))))
    }

    pub(super) async fn connect(&self, options: ConnectOptions) -> Result<Client, ClientError> {
        (self.0)(options).await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Connector) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connector {}
