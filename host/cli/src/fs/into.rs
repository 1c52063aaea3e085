//! Where something goes that was given a directory as its new name: into it, under the name that it has, as with `cp` and `mv`.

use std::path::{Path, PathBuf};

use lockgate_grant::AbsPath;
use lockgate_wire::fs::GetMetadataParams;

use super::{Place, slash};
use crate::failure::Failure;
use crate::here::path;

/// The name that `from` gets on the server.
pub(super) async fn there(place: &Place<'_>, from: &Path, to: &Path) -> Result<PathBuf, Failure> {
    match (is_directory(place, to).await?, name(&place.at(from)?)) {
        (true, Some(name)) => Ok(place.at(to)?.as_path().join(name)),
        (false, _) if slash::ends(to) && slash::is_no_directory(place, from).await => {
            Err(slash::no_directory(place, to))
        }
        _ => Ok(to.to_owned()),
    }
}

/// The name on the server of a file that is sent. A pipe, and stdin, have none to be called by.
pub(super) async fn sent(place: &Place<'_>, local: &Path, to: &Path) -> Result<PathBuf, Failure> {
    let is_stdin = local == Path::new("-");
    let is_file = match std::fs::metadata(local) {
        _ if is_stdin => false,
        // What it takes, or what is wrong, is told where it is read.
        Ok(found) if found.is_dir() => return Ok(to.to_owned()),
        Err(_) => return Ok(to.to_owned()),
        Ok(found) => found.is_file(),
    };
    match (is_directory(place, to).await?, name(&path(local)?)) {
        (true, Some(name)) if is_file => Ok(place.at(to)?.as_path().join(name)),
        (true, _) => Err(Failure::new(format!(
            "{}: it is a directory; name the file to make in it",
            to.display()
        ))),
        (false, _) if slash::ends(to) => Err(slash::no_directory(place, to)),
        (false, _) => Ok(to.to_owned()),
    }
}

/// The name here of what is fetched: a file goes into a directory that is there, and with `recursive` what is in a directory does.
pub(super) async fn here(
    place: &Place<'_>,
    from: &Path,
    local: &Path,
    recursive: bool,
) -> Result<PathBuf, Failure> {
    if !local.is_dir() && !slash::ends(local) {
        return Ok(local.to_owned());
    }
    match place.metadata(place.path(from)?).await {
        Ok(found) if !found.is_directory => within(place, from, local),
        Ok(_) if !may_merge(recursive, local) => Err(no_merge(from, local)),
        // What is wrong shows when it is fetched.
        _ => Ok(local.to_owned()),
    }
}

/// Whether a directory of the server may be fetched to that name here. Into one that is there only who said that it is a directory gets one: where a file was meant
/// to go into it, whoever holds the other end would decide what becomes of everything in it.
pub(super) fn may_merge(recursive: bool, local: &Path) -> bool {
    recursive || !local.is_dir()
}

pub(super) fn no_merge(path: &Path, local: &Path) -> Failure {
    Failure::new(format!(
        "{}: is a directory, and so is {}: with --recursive what is in the one goes into the other",
        path.display(),
        local.display()
    ))
}

/// The same of a file.
pub(super) fn within(place: &Place<'_>, from: &Path, local: &Path) -> Result<PathBuf, Failure> {
    Ok(match name(&place.at(from)?) {
        Some(name) if local.is_dir() => local.join(name),
        _ if slash::ends(local) => {
            let errno = rustix::io::Errno::NOTDIR.raw_os_error();
            let error = std::io::Error::from_raw_os_error(errno);
            return Err(Failure::new(format!("{}: {error}", local.display())));
        }
        _ => local.to_owned(),
    })
}

/// What cannot be looked at is none: whoever uses it says why.
async fn is_directory(place: &Place<'_>, path: &Path) -> Result<bool, Failure> {
    let params = GetMetadataParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: false,
    };
    let found = place.client.metadata(&params).await;
    Ok(found.is_ok_and(|found| found.is_directory))
}

/// As it is called where it is; none of the root.
fn name(path: &AbsPath) -> Option<PathBuf> {
    path.as_path().file_name().map(PathBuf::from)
}
