//! A slash at the end of a path means a directory, as to the system. Paths of the wire have none there, so it is looked at here.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lockgate_client::ClientError;
use lockgate_wire::code;

use super::{Place, about};
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
