//! What is asked of a server in one message, and what its answers mean.

use lockgate_grant::{AbsPath, Sandbox};
use lockgate_wire::fs::{
    CreateDirectoryParams, GetMetadataParams, MetadataResult, WriteFileParams,
};
use lockgate_wire::limits::BATCH_OPERATIONS;
use lockgate_wire::lockgate::batch::{BatchOperation, BatchOutcome, BatchParams};
use lockgate_wire::lockgate::files::{RenameParams, SetModeParams, SetTimesParams};
use lockgate_wire::{Base64Text, Method, code};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Remote;
use crate::fs::resume::end::{Broken, Looked, Looks, Version};

/// The operations of a batch have no profile of their own.
pub(super) const OF_THE_BATCH: Option<Sandbox> = None;

impl Remote<'_> {
    /// All of them or an error: that of the first one that failed, after which none is done.
    pub(super) async fn all(
        &self,
        operations: Vec<BatchOperation>,
    ) -> Result<Vec<BatchOutcome>, Broken> {
        let outcomes = self.batch(operations, true).await?;
        for outcome in &outcomes {
            if let BatchOutcome::Error(error) = outcome {
                return Err(Broken::by(error.message.clone()));
            }
        }
        Ok(outcomes)
    }

    /// What came of each, in as many batches as it takes.
    pub(super) async fn each(
        &self,
        operations: Vec<BatchOperation>,
    ) -> Result<Vec<BatchOutcome>, Broken> {
        let mut outcomes = Vec::with_capacity(operations.len());
        let mut left = operations.into_iter().peekable();
        while left.peek().is_some() {
            let some = left.by_ref().take(BATCH_OPERATIONS).collect();
            outcomes.extend(self.batch(some, false).await?);
        }
        Ok(outcomes)
    }

    pub(super) async fn batch(
        &self,
        operations: Vec<BatchOperation>,
        stop_on_error: bool,
    ) -> Result<Vec<BatchOutcome>, Broken> {
        let asked = operations.len();
        let params = BatchParams {
            operations,
            sandbox: self.place.sandbox.clone(),
            stop_on_error,
        };
        let results = self.place.client.batch(&params).await?.results;
        match results.len() == asked {
            true => Ok(results),
            false => Err(no_sense("a batch has another number of results")),
        }
    }

    pub(super) fn metadata(&self, path: &AbsPath) -> Result<BatchOperation, Broken> {
        operation(
            Method::FsGetMetadata,
            &GetMetadataParams {
                path: self.path(path),
                sandbox: OF_THE_BATCH,
                follow_symlinks: Some(false),
                every_attribute: false,
            },
        )
    }

    /// Permission bits and time; the bits last, as they may take away what the time needs.
    pub(super) fn looks(
        &self,
        path: &AbsPath,
        looks: Looks,
    ) -> Result<[BatchOperation; 2], Broken> {
        let times = SetTimesParams {
            path: self.path(path),
            accessed_at_ms: None,
            modified_at_ms: Some(looks.modified_ms.max(0)),
            sandbox: OF_THE_BATCH,
            follow_symlinks: Some(false),
        };
        Ok([
            operation(Method::LockgateFsSetTimes, &times)?,
            self.mode(path, looks.mode)?,
        ])
    }

    pub(super) fn mode(&self, path: &AbsPath, mode: u32) -> Result<BatchOperation, Broken> {
        let params = SetModeParams {
            path: self.path(path),
            mode: mode & lockgate_wire::limits::MODE,
            sandbox: OF_THE_BATCH,
            follow_symlinks: Some(false),
        };
        operation(Method::LockgateFsSetMode, &params)
    }

    pub(super) fn directory(&self, path: &AbsPath, mode: u32) -> Result<BatchOperation, Broken> {
        let params = CreateDirectoryParams {
            path: self.path(path),
            recursive: Some(true),
            sandbox: OF_THE_BATCH,
            follow_symlinks: Some(false),
            mode: Some(mode & lockgate_wire::limits::MODE),
        };
        operation(Method::FsCreateDirectory, &params)
    }

    pub(super) fn write_small(
        &self,
        path: &AbsPath,
        bytes: &[u8],
    ) -> Result<BatchOperation, Broken> {
        let params = WriteFileParams {
            path: self.path(path),
            data_base64: Base64Text::encode(bytes),
            only_if_sha256: None,
            sandbox: OF_THE_BATCH,
            follow_symlinks: Some(false),
        };
        operation(Method::FsWriteFile, &params)
    }

    pub(super) fn rename(&self, from: &AbsPath, to: &AbsPath) -> Result<BatchOperation, Broken> {
        operation(
            Method::LockgateFsRename,
            &RenameParams {
                source_path: self.path(from),
                destination_path: self.path(to),
                overwrite: Some(true),
                sandbox: OF_THE_BATCH,
            },
        )
    }
}

pub(super) fn operation(method: Method, params: &impl Serialize) -> Result<BatchOperation, Broken> {
    BatchOperation::new(method, params).map_err(|error| no_sense(&error.to_string()))
}

pub(super) fn no_sense(what: &str) -> Broken {
    Broken::ending(format!("the server's answer makes no sense: {what}"))
}

pub(super) fn decoded<T: DeserializeOwned>(outcome: &BatchOutcome) -> Result<T, Broken> {
    match outcome {
        BatchOutcome::Result(json) => {
            serde_json::from_str(json.get()).map_err(|error| no_sense(&error.to_string()))
        }
        BatchOutcome::Error(error) => Err(Broken::by(error.message.clone())),
    }
}

pub(super) fn done(outcome: &BatchOutcome) -> Result<(), Broken> {
    match outcome {
        BatchOutcome::Result(_) => Ok(()),
        BatchOutcome::Error(error) => Err(Broken::by(in_our_words(&error.message))),
    }
}

pub(super) fn looked(outcome: &BatchOutcome) -> Result<Looked, Broken> {
    if let BatchOutcome::Error(error) = outcome {
        return Ok(match error.code {
            code::NOT_FOUND => Looked::Nothing,
            _ => Looked::Refused(in_our_words(&error.message)),
        });
    }
    let found: MetadataResult = decoded(outcome)?;
    Ok(match (found.is_directory, found.is_file) {
        (true, _) => Looked::Directory,
        (_, true) => Looked::File(Version {
            size: found.size,
            modified_ms: found.modified_at_ms,
        }),
        _ => Looked::Refused("not a regular file".to_owned()),
    })
}

/// The server's sentence is about a member of the request, which nobody here has written.
fn in_our_words(message: &str) -> String {
    match message.contains("followSymlinks") {
        true => "a symbolic link is in the way".to_owned(),
        false => message.to_owned(),
    }
}
