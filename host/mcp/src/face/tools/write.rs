//! `write`: a whole file.

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::fs::{CreateDirectoryParams, GetMetadataParams};
use lockgate_wire::{Base64, code};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::face::answer::{Answer, Outcome, Refusal};
use crate::face::call::Call;
use crate::face::granted::Deed;
use crate::face::session::Place;
use crate::face::writing::{self, Written};

pub(super) const DESCRIPTION: &str = "Create a file, or replace all of its contents. Missing directories above it are made. Others see the old \
     file or the new one, never a part. To change a part of a file use `edit`.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// The file; relative paths begin in the working directory
    path: String,
    /// The new contents
    content: String,
    /// How the contents are given: `text` (if absent), or `base64` for what is no text
    #[serde(default)]
    encoding: Encoding,
    /// Refuse if there is something at the path already
    #[serde(default)]
    only_new: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    /// As it is
    #[default]
    Text,
    /// Base64 with padding
    Base64,
}

/// What was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// The file
    path: String,
    /// Bytes that it has now
    bytes: u64,
    /// There was none before
    created: bool,
    /// The old contents were there until the new ones were. Otherwise they were written over, because the directory cannot be changed
    at_once: bool,
}

pub(super) async fn write(call: &Call, mut params: Params) -> Outcome {
    let decoded;
    let data = match params.encoding {
        Encoding::Text => params.content.as_bytes(),
        Encoding::Base64 => {
            let text = std::mem::take(&mut params.content).into();
            let Base64(data) = serde_json::from_value(text)
                .map_err(|error| Refusal::new(format!("`content` is no base64: {error}")))?;
            decoded = data;
            &decoded
        }
    };
    let place = call.place().await?;
    let path = place.path(&params.path)?;
    let _turn = writing::turn(&path).await;
    let is_there = match params.only_new {
        true => false,
        false => is_there(&place, &path).await.map_err(place.refusing(
            Deed::Read,
            &path,
            &params.path,
        ))?,
    };
    let put = || put(&place, &path, data, params.only_new);
    let written = match put().await {
        Err(error) if !is_there && is_absence(&error) => {
            make_parents(&place, &path).await?;
            put().await
        }
        written => written,
    };
    let written = written.map_err(|error| match params.only_new && is_taken(&error) {
        true => Refusal::new(format!(
            "{}: there is something already, and `only_new` is set",
            params.path
        )),
        false => place.refusing(Deed::Write, &path, &params.path)(error),
    })?;
    let result = Result {
        bytes: data.len() as u64,
        created: !is_there,
        at_once: written == Written::AtOnce,
        path: params.path,
    };
    let deed = if result.created {
        "created"
    } else {
        "replaced"
    };
    let text = format!("{deed} {} ({} bytes)", result.path, result.bytes);
    Ok(Answer::new(text, &result))
}

/// Puts it there; `only_new` where nothing is.
async fn put(
    place: &Place,
    path: &AbsPath,
    data: &[u8],
    only_new: bool,
) -> std::result::Result<Written, ClientError> {
    if only_new {
        if let Some(created) = writing::create(place, path, data).await {
            return created.map(|()| Written::AtOnce);
        }
        // Looking first is what there is then: another program may come in between.
        if is_there(place, path).await? {
            return Err(ClientError::Server {
                code: code::INVALID_REQUEST,
                message: TAKEN.to_owned(),
            });
        }
    }
    writing::put(place, path, data).await
}

/// What executors say of a name that is taken.
const TAKEN: &str = "exists";

fn is_taken(error: &ClientError) -> bool {
    matches!(error, ClientError::Server { message, .. } if message.contains(TAKEN))
}

fn is_absence(error: &ClientError) -> bool {
    error.code() == Some(code::NOT_FOUND)
}

/// Whether the path leads to something that may be seen.
async fn is_there(place: &Place, path: &AbsPath) -> std::result::Result<bool, ClientError> {
    let params = GetMetadataParams {
        path: place.wire(path),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: false,
    };
    match place.client.metadata(&params).await {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn make_parents(place: &Place, path: &AbsPath) -> std::result::Result<(), Refusal> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let params = CreateDirectoryParams {
        path: place.wire(&parent),
        recursive: Some(true),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    let made = place.client.create_directory(&params).await;
    made.map_err(place.refusing(Deed::Write, &parent, &place.shown(&parent)))
}
