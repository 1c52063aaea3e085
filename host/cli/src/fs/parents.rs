//! The directory that a transferred or copied directory goes into. Where it is missing the name is more likely mistyped than a new tree wanted, so that one is made only
//! when it is asked for, as `cp`, `scp` and `rsync` have it.

use std::path::{Path, PathBuf};

use lockgate_grant::AbsPath;
use lockgate_wire::code;
use lockgate_wire::fs::GetMetadataParams;

use super::stream::here;
use super::{Place, about};
use crate::failure::Failure;

const ADVICE: &str = "; --parents makes what is missing";

/// Refuses a path of the server whose directory is not there.
pub(super) async fn there(place: &Place<'_>, path: &Path, make: bool) -> Result<(), Failure> {
    if make {
        return Ok(());
    }
    let Some(parent) = above(&place.at(path)?) else {
        return Ok(());
    };
    let params = GetMetadataParams {
        path: place.path(&parent)?,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: false,
    };
    match place.client.metadata(&params).await {
        Err(error) if error.code() == Some(code::NOT_FOUND) => {
            Err(about(place, &parent)(error).and(ADVICE))
        }
        // What else is wrong shows when it is written.
        _ => Ok(()),
    }
}

/// The same for a path of this machine.
pub(super) fn local(path: &Path, make: bool) -> Result<(), Failure> {
    if make {
        return Ok(());
    }
    match above(&here(path)?) {
        Some(parent) if matches!(parent.try_exists(), Ok(false)) => {
            let error = std::io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error());
            Err(Failure::new(format!(
                "{}: {error}{ADVICE}",
                parent.display()
            )))
        }
        _ => Ok(()),
    }
}

fn above(path: &AbsPath) -> Option<PathBuf> {
    path.parent().map(|parent| parent.as_path().to_owned())
}
