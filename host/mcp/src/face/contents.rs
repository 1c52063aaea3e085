//! Contents of the executor's files, block by block, so that no file is too large to begin with.

use std::future::Future;

use lockgate_client::ClientError;
use lockgate_client::executor::{Blocks, Files};
use lockgate_client::limits::LOOKS_AGAIN;
use lockgate_grant::AbsPath;

use super::session::Place;

/// What `read` makes of a file, from its beginning. An open file ends with its link; then it is read from the beginning again, so that what is made of it is
/// never of two files, and within the bounds of all looks.
pub(super) async fn reading<T, F>(
    place: &Place,
    path: &AbsPath,
    mut read: impl FnMut(Blocks) -> F,
) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut again = LOOKS_AGAIN;
    loop {
        let blocks = Files::open(&place.client, path, 0, place.sandbox.as_ref());
        match read(blocks.await?).await {
            Err(ClientError::Interrupted { .. }) if again > 0 => again -= 1,
            outcome => return outcome,
        }
    }
}

/// All of a file, if that is not more than `most` bytes. `None`: it is.
pub(super) async fn whole(
    place: &Place,
    path: &AbsPath,
    most: u64,
) -> Result<Option<Vec<u8>>, ClientError> {
    reading(place, path, |mut blocks| async move {
        let mut all = Vec::new();
        while let Some(block) = blocks.next().await {
            all.extend_from_slice(&block?);
            if all.len() as u64 > most {
                return Ok(None);
            }
        }
        Ok(Some(all))
    })
    .await
}
