//! `fs mkdir`, `fs rm`, `fs cp`.

use std::path::{Path, PathBuf};

use lockgate_client::ClientError;
use lockgate_wire::code;
use lockgate_wire::fs::{
    CanonicalizeParams, CopyParams, CreateDirectoryParams, MetadataResult, RemoveParams,
};

use super::about::{about_both, names};
use super::granted::Granted;
use super::resume::identity;
use super::several::each;
use super::{Place, about, into, parents, slash, stream};
use crate::failure::Failure;

pub(super) async fn mkdir(place: &Place<'_>, path: &Path, parents: bool) -> Result<(), Failure> {
    let params = CreateDirectoryParams {
        path: place.path(path)?,
        recursive: Some(parents),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        mode: None,
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
    // Before anything is asked for: with --recursive all that is in it would go, and then its name be refused.
    if let Some(sandbox) = &place.sandbox {
        let granted = Granted::by(sandbox);
        for path in paths {
            if granted.is_root(&place.at(path)?) {
                return Err(Failure::new(format!(
                    "{} is what --write grants: its name is not yours to remove; name what is in it",
                    path.display()
                )));
            }
        }
    }
    each(paths, async |path: &Path| {
        slash::check_name(place, path).await?;
        let params = RemoveParams {
            path: place.path(path)?,
            recursive: Some(recursive),
            force: Some(force),
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
        };
        place.client.remove(&params).await.map_err(|error| {
            // Nothing was there, so nothing is gone.
            let missing = error.code() == Some(code::NOT_FOUND);
            let full = matches!(&error, ClientError::Server { message, .. } if message.ends_with("(os error 39)"));
            let failure = about(place, path)(error);
            match recursive && !missing {
                true => failure.and("; part of it may be removed already"),
                false if full => failure.and("; --recursive removes it with all that is in it"),
                false => failure,
            }
        })
    })
    .await
}

/// That a directory may be copied.
pub(super) struct Recursive {
    /// With the directories above its new name that are missing.
    pub(super) make: bool,
}

pub(super) async fn cp(
    place: &Place<'_>,
    from: &Path,
    to: &Path,
    recursive: Option<Recursive>,
) -> Result<(), Failure> {
    let source = slash::source(place, from).await?;
    let to: &Path = &into::there(place, from, to).await?;
    let found = match recursive {
        Some(_) => itself(place, &source).await,
        None => None,
    };
    let is_link = found.as_ref().is_some_and(|found| found.is_symlink);
    let a_directory = !is_link && found.is_some_and(|found| found.is_directory);
    // With --recursive a link is copied as such, wherever it leads.
    if !a_directory && !is_link && is_same_file(place, &source, to).await? {
        let (from, to) = (from.display(), to.display());
        return Err(Failure::new(format!("{from} and {to} are the same file")));
    }
    // The server would make them all.
    if let Some(Recursive { make: false }) = recursive
        && a_directory
    {
        parents::there(place, to, false).await?;
    }
    let recursive = recursive.is_some();
    let params = CopyParams {
        source_path: place.path(&source)?,
        destination_path: place.path(to)?,
        recursive,
        leave_out: recursive && place.client.copies_leaving_out(),
        sandbox: place.sandbox.clone(),
    };
    let copied = place.client.copy(&params).await.map_err(|error| {
        let both = [from, to];
        match &error {
            ClientError::Server { message, .. } if !recursive && message.contains("recursive") => {
                let both = names(both);
                Failure::new(format!("{both}: a directory is copied with --recursive"))
            }
            _ => about_both(place, both, &[to])(error),
        }
    })?;
    stream::tell_left_out(&copied.left_out);
    match copied.left_out_count {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "{count} left out; all else was copied"
        ))),
    }
}

/// What cannot be looked at is told when it is copied.
async fn itself(place: &Place<'_>, path: &Path) -> Option<MetadataResult> {
    place.metadata(place.path(path).ok()?).await.ok()
}

/// Whether both paths lead to one thing; another name of a file (a hard link) is noticed with an executor of our own only. The server would copy nothing, without a word.
async fn is_same_file(place: &Place<'_>, from: &Path, to: &Path) -> Result<bool, Failure> {
    let real = async |path: &Path| {
        let params = CanonicalizeParams {
            path: place.path(path)?,
            sandbox: place.sandbox.clone(),
        };
        let found = place.client.canonicalize(&params).await;
        Ok::<_, Failure>(found.ok().map(|found| found.path.path))
    };
    let Some(to) = real(to).await? else {
        return Ok(false);
    };
    let Some(from) = real(from).await? else {
        return Ok(false);
    };
    let file = identity(from.as_path()).filter(|_| place.is_own());
    Ok(from == to || file.is_some() && file == identity(to.as_path()))
}
