//! Putting contents into a file of the executor: all at once where that can be, else over the old ones.

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::fs::WriteFileParams;
use lockgate_wire::lockgate::files::ReplaceFileParams;
use lockgate_wire::{Base64Text, Method};

use super::session::Place;

/// Whether the old contents were there until the new ones were.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    AtOnce,
    InPlace,
}

/// Makes the file, or gives it these contents.
pub(super) async fn put(
    place: &Place,
    path: &AbsPath,
    data: &[u8],
) -> Result<Written, ClientError> {
    if place.client.has(Method::LockgateFsReplaceFile) {
        let params = ReplaceFileParams {
            path: place.wire(path),
            data_base64: Base64Text::encode(data),
            durable: false,
            mode: None,
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
        };
        match place.client.replace_file(&params).await {
            // It may be written, but its directory may not: the executor says which method does that.
            Err(ClientError::Server { message, .. }) if message.contains("fs/writeFile") => {}
            outcome => return outcome.map(|()| Written::AtOnce),
        }
    }
    let params = WriteFileParams {
        path: place.wire(path),
        data_base64: Base64Text::encode(data),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    place.client.write_file(&params).await?;
    Ok(Written::InPlace)
}
