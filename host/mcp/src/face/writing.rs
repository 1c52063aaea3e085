//! Putting contents into a file of the executor: all at once where that can be, else over the old ones. What reads a file to change it
//! holds the file's turn: of two edits at the same time the second one finds what the first one wrote, in whichever session it is.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::fs::WriteFileParams;
use lockgate_wire::lockgate::files::ReplaceFileParams;
use lockgate_wire::{Base64Text, Method};
use sha2::{Digest, Sha256};

use super::session::Place;

/// The right to change a file, among all calls of this program. Others, other programs above all, change what they like.
pub(super) struct Turn(#[allow(dead_code, reason = "held")] tokio::sync::OwnedMutexGuard<()>);

/// Who holds or waits for the turn of which file.
type Turns = HashMap<AbsPath, Weak<tokio::sync::Mutex<()>>>;

/// Waits for the turn of that file.
pub(super) async fn turn(path: &AbsPath) -> Turn {
    static TURNS: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);
    let turn = {
        let mut all = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        let there = all.get(path).and_then(Weak::upgrade);
        there.unwrap_or_else(|| {
            let new = Arc::default();
            all.insert(path.clone(), Arc::downgrade(&new));
            new
        })
    };
    Turn(turn.lock_owned().await)
}

/// Whether the old contents were there until the new ones were.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    AtOnce,
    InPlace,
}

/// Makes the file, which must not be there. `None`: this executor cannot look and make it in one.
pub(super) async fn create(
    place: &Place,
    path: &AbsPath,
    data: &[u8],
) -> Option<Result<(), ClientError>> {
    let capabilities = place.client.capabilities()?;
    let can = capabilities.lockgate.as_ref()?.replace_only_new;
    let mut params = replacing(place, path, data);
    params.only_new = true;
    match can {
        true => Some(place.client.replace_file(&params).await),
        false => None,
    }
}

fn replacing<'a>(place: &Place, path: &AbsPath, data: &'a [u8]) -> ReplaceFileParams<'a> {
    ReplaceFileParams {
        path: place.wire(path),
        data_base64: Base64Text::encode(data),
        durable: false,
        mode: None,
        only_new: false,
        only_if_sha256: None,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    }
}

/// Makes the file, or gives it these contents.
pub(super) async fn put(
    place: &Place,
    path: &AbsPath,
    data: &[u8],
) -> Result<Written, ClientError> {
    put_if(place, path, None, data).await
}

/// Gives the file these contents, if it still has the old ones when that is done. `None`: this executor cannot look and write in one.
pub(super) async fn put_over(
    place: &Place,
    path: &AbsPath,
    old: &[u8],
    data: &[u8],
) -> Option<Result<Over, ClientError>> {
    let capabilities = place.client.capabilities()?;
    if !capabilities.lockgate.as_ref()?.only_if_sha256 {
        return None;
    }
    let only_if = format!("{:x}", Sha256::digest(old));
    Some(match put_if(place, path, Some(only_if), data).await {
        Ok(_) => Ok(Over::Written),
        Err(ClientError::Server { message, .. }) if message.starts_with(CHANGED) => {
            Ok(Over::Changed)
        }
        Err(error) => Err(error),
    })
}

/// How an executor begins to say so; what policies say begins otherwise.
const CHANGED: &str = "the file has other contents";

/// What came of writing over contents that were read.
pub(super) enum Over {
    Written,
    /// They are not there any more, and nothing was done.
    Changed,
}

async fn put_if(
    place: &Place,
    path: &AbsPath,
    only_if_sha256: Option<String>,
    data: &[u8],
) -> Result<Written, ClientError> {
    if place.client.has(Method::LockgateFsReplaceFile) {
        let mut params = replacing(place, path, data);
        params.only_if_sha256.clone_from(&only_if_sha256);
        match place.client.replace_file(&params).await {
            // It may be written, but its directory may not: the executor says which method does that.
            Err(ClientError::Server { message, .. }) if message.contains("fs/writeFile") => {}
            outcome => return outcome.map(|()| Written::AtOnce),
        }
    }
    let params = WriteFileParams {
        path: place.wire(path),
        data_base64: Base64Text::encode(data),
        only_if_sha256,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    place.client.write_file(&params).await?;
    Ok(Written::InPlace)
}
