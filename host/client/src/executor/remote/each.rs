//! The same question about many paths: in batches where the executor knows them, else one call for each.

use futures_util::{StreamExt, stream};
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::fs::{GetMetadataParams, MetadataResult, ReadFileParams, ReadFileResult};
use lockgate_wire::lockgate::batch::{BatchOperation, BatchOutcome, BatchParams};
use lockgate_wire::{Method, code, limits::BATCH_OPERATIONS};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files;
use crate::executor::{Answer, Files, Metadata};
use crate::{Client, ClientError, limits};

type Each<T> = Vec<Result<T, ClientError>>;

/// The contents of files.
pub(super) async fn read(
    client: &Client,
    paths: &[AbsPath],
    within: Option<&Sandbox>,
) -> Result<Each<Vec<u8>>, ClientError> {
    let params = |path: &AbsPath| ReadFileParams::<Sandbox> {
        path: client.path(path.clone()),
        sandbox: None,
        follow_symlinks: None,
    };
    let mut read: Each<Vec<u8>> = Vec::with_capacity(paths.len());
    if client.has(Method::LockgateFsBatch) {
        for paths in paths.chunks(BATCH_OPERATIONS) {
            let batched: Each<ReadFileResult> =
                batch(client, Method::FsReadFile, paths.iter().map(params), within).await?;
            read.extend(batched.into_iter().map(|read| Ok(read?.data_base64.0)));
        }
        // A batch has bounds in bytes and in time: what it had no room for has an answer of its own.
        let refused: Vec<usize> = (0..paths.len())
            .filter(|at| matches!(&read[*at], Err(error) if error.code() == Some(code::INVALID_REQUEST)))
            .collect();
        let mut again = Vec::with_capacity(refused.len());
        for at in &refused {
            again.push(Files::read(client, &paths[*at], within));
        }
        let again = side_by_side(again).await;
        for (at, outcome) in refused.into_iter().zip(again) {
            read[at] = outcome;
        }
        return Ok(read);
    }
    let mut calls = Vec::with_capacity(paths.len());
    for path in paths {
        calls.push(Files::read(client, path, within));
    }
    Ok(side_by_side(calls).await)
}

/// What is known of paths.
pub(super) async fn metadata(
    client: &Client,
    paths: &[AbsPath],
    within: Option<&Sandbox>,
) -> Result<Each<Metadata>, ClientError> {
    if !client.has(Method::LockgateFsBatch) {
        let mut calls = Vec::with_capacity(paths.len());
        for path in paths {
            calls.push(Files::metadata(client, path, within));
        }
        return Ok(side_by_side(calls).await);
    }
    let params = |path: &AbsPath| GetMetadataParams::<Sandbox> {
        path: client.path(path.clone()),
        sandbox: None,
        follow_symlinks: None,
        every_attribute: client.tells_every_attribute(),
    };
    let mut each = Vec::with_capacity(paths.len());
    for paths in paths.chunks(BATCH_OPERATIONS) {
        let method = Method::FsGetMetadata;
        let batched: Each<MetadataResult> =
            batch(client, method, paths.iter().map(params), within).await?;
        each.extend(
            batched
                .into_iter()
                .map(|found| Ok(files::found(client, &found?))),
        );
    }
    Ok(each)
}

/// In the order of the calls, a few of them at once.
async fn side_by_side<T>(calls: Vec<Answer<'_, T>>) -> Each<T> {
    let calls = stream::iter(calls).buffered(limits::SIDE_BY_SIDE);
    calls.collect().await
}

async fn batch<P: Serialize, R: DeserializeOwned>(
    client: &Client,
    method: Method,
    params: impl Iterator<Item = P>,
    within: Option<&Sandbox>,
) -> Result<Each<R>, ClientError> {
    let unsendable = |error: serde_json::Error| ClientError::Unsendable {
        what: method.name().to_owned(),
        reason: error.to_string(),
    };
    let operations: Result<Vec<_>, _> = params
        .map(|params| BatchOperation::new(method, &params))
        .collect();
    let params = BatchParams {
        operations: operations.map_err(unsendable)?,
        sandbox: within.cloned(),
        stop_on_error: false,
    };
    let wanted = params.operations.len();
    // Of nothing but looks.
    let answer = client.batch(&params).await?;
    if answer.results.len() != wanted {
        return Err(ClientError::Protocol(format!(
            "a batch of {wanted} has {} results",
            answer.results.len()
        )));
    }
    let results = answer.results.into_iter();
    results
        .map(|outcome| match outcome {
            BatchOutcome::Result(json) => match serde_json::from_str(json.get()) {
                Ok(result) => Ok(Ok(result)),
                Err(error) => Err(ClientError::Protocol(format!(
                    "a result of {} in a batch does not decode: {error}",
                    method.name()
                ))),
            },
            BatchOutcome::Error(error) => Ok(Err(ClientError::Server {
                code: error.code,
                message: error.message,
            })),
        })
        .collect()
}
