//! What only looks is asked again where the link was lost before its answer came.
//!
//! Whether the first one was carried out is not known then, and with something that changes nothing it does not matter. The caller hears of the loss only if it goes on
//! like that: an answer that itself ends every link it comes on must not be asked for without end. Where no other link comes, the caller hears why: a look leaves
//! nothing in doubt, so there is nothing else to say of it.

use lockgate_wire::Method;
use lockgate_wire::lockgate::batch::BatchParams;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Client, ClientError, limits};

impl Client {
    /// The same as [`Client::call`] for what changes nothing. Each time it waits for the connection to be back, within the call's own timeout.
    pub(crate) async fn look<P: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: Method,
        params: &P,
    ) -> Result<R, ClientError> {
        look(|| self.call(method.name(), params)).await
    }
}

/// The answer to what `ask` asks.
pub(crate) async fn look<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut again = limits::LOOKS_AGAIN;
    loop {
        match ask().await {
            Err(ClientError::Interrupted { .. }) if again > 0 => again -= 1,
            outcome => return outcome,
        }
    }
}

/// Whether nothing in it changes anything.
pub(crate) fn only_looks(batch: &BatchParams) -> bool {
    let looks = [
        Method::FsReadFile,
        Method::FsGetMetadata,
        Method::FsCanonicalize,
        Method::FsReadDirectory,
        Method::FsWalk,
        Method::LockgateFsReadLink,
    ];
    let mut operations = batch.operations.iter();
    operations.all(|operation| looks.iter().any(|look| look.name() == operation.method))
}
