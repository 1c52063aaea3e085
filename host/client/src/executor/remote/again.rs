//! What only looks is asked again where the link was lost before its answer came.
//!
//! Whether the first one was carried out is not known then, and with something that changes nothing it does not matter. The caller hears of the loss only if it goes on
//! like that: an answer that itself ends every link it comes on must not be asked for without end.

use std::future::Future;

use crate::{ClientError, limits};

/// The answer to what `ask` asks. Each time it waits for the connection to be back, within the call's own timeout.
pub(super) async fn look<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ClientError>
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
