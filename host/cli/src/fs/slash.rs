//! A slash at the end of a path means a directory, as to the system. Paths of the wire have none there, so it is looked at here.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockgate_client::ClientError;
use lockgate_wire::code;
use lockgate_wire::fs::CanonicalizeParams;

use super::{Place, about, stat};
use crate::failure::Failure;

/// Whether a typed path can only be that of a directory. Nor has what ends in `.` or `..` a name that a file could be given here.
pub(super) fn ends(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    let last = path.rsplit(|byte| *byte == b'/').next();
    matches!(last, Some(b"" | b"." | b".."))
}

/// Refuses what has a slash at its end and is something else than a directory. What cannot be looked at says why when it is used.
pub(super) async fn check(place: &Place<'_>, path: &Path) -> Result<(), Failure> {
    if !ends(path) {
        return Ok(());
    }
    match place.metadata(place.path(path)?).await {
        Ok(found) if !found.is_directory => Err(no_directory(place, path)),
        _ => Ok(()),
    }
}

/// The same of what is renamed or removed itself: of a link a slash names the directory that it leads to, which keeps its name.
pub(super) async fn check_name(place: &Place<'_>, path: &Path) -> Result<(), Failure> {
    match ends(path) && is_no_directory(place, path).await {
        true => Err(no_directory(place, path)),
        false => Ok(()),
    }
}

/// The same of what is copied: of a link with a slash it is the directory that it leads to.
pub(super) async fn source(place: &Place<'_>, path: &Path) -> Result<PathBuf, Failure> {
    if !ends(path) {
        return Ok(path.to_owned());
    }
    let found = place.metadata(place.path(path)?).await;
    let found = found.map_err(about(place, path))?;
    match (found.is_directory, found.is_symlink) {
        (false, _) => Err(no_directory(place, path)),
        (true, false) => Ok(path.to_owned()),
        (true, true) => {
            let params = CanonicalizeParams {
                path: place.path(path)?,
                sandbox: place.sandbox.clone(),
            };
            let real = place.client.canonicalize(&params).await;
            let real = real.map_err(about(place, path))?;
            Ok(real.path.path.as_path().to_owned())
        }
    }
}

/// Whether there is something else, a link for one, wherever it leads. What cannot be looked at is told when it is used.
pub(super) async fn is_no_directory(place: &Place<'_>, path: &Path) -> bool {
    let Ok(named) = place.path(path) else {
        return false;
    };
    match place.metadata(named).await {
        Ok(found) => !found.is_directory || found.is_symlink,
        Err(_) => matches!(stat::target(place, path).await, Ok(Some(_))),
    }
}

/// The same of a file that may have to be made. A directory is refused as what it is.
pub(super) async fn check_file(place: &Place<'_>, path: &Path) -> Result<(), Failure> {
    if !ends(path) {
        return Ok(());
    }
    match place.metadata(place.path(path)?).await {
        Ok(found) if found.is_directory => Ok(()),
        _ => Err(no_directory(place, path)),
    }
}

/// In the system's words.
pub(super) fn no_directory(place: &Place<'_>, path: &Path) -> Failure {
    let errno = rustix::io::Errno::NOTDIR.raw_os_error();
    about(place, path)(ClientError::Server {
        code: code::INTERNAL,
        message: std::io::Error::from_raw_os_error(errno).to_string(),
    })
}
