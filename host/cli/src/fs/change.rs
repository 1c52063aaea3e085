//! `fs mkdir`, `fs rm`, `fs cp`.

use std::path::{Path, PathBuf};

use lockgate_client::ClientError;
use lockgate_wire::fs::{CopyParams, CreateDirectoryParams, RemoveParams};

use super::about::{about_both, names};
use super::{Place, about};
use crate::failure::Failure;

pub(super) async fn mkdir(place: &Place<'_>, path: &Path, parents: bool) -> Result<(), Failure> {
    let params = CreateDirectoryParams {
        path: place.path(path)?,
        recursive: Some(parents),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    place
        .client
        .create_directory(&params)
        .await
        .map_err(about(place, path))
}

pub(super) async fn rm(
    place: &Place<'_>,
    paths: &[PathBuf],
    recursive: bool,
    force: bool,
) -> Result<(), Failure> {
    for path in paths {
        let params = RemoveParams {
            path: place.path(path)?,
            recursive: Some(recursive),
            force: Some(force),
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
        };
        place
            .client
            .remove(&params)
            .await
            .map_err(about(place, path))?;
    }
    Ok(())
}

pub(super) async fn cp(
    place: &Place<'_>,
    from: &Path,
    to: &Path,
    recursive: bool,
) -> Result<(), Failure> {
    let params = CopyParams {
        source_path: place.path(from)?,
        destination_path: place.path(to)?,
        recursive,
        sandbox: place.sandbox.clone(),
    };
    place.client.copy(&params).await.map_err(|error| {
        let both = [from, to];
        match &error {
            ClientError::Server { message, .. } if !recursive && message.contains("recursive") => {
                let both = names(both);
                Failure::new(format!("{both}: a directory is copied with --recursive"))
            }
            _ => about_both(place, both, &[to])(error),
        }
    })
}
