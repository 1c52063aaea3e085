//! Several paths for one command, as coreutils do it: what fails is told, the others have their turn, and the exit code says that something failed.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Does it to one after the other. What each of them would meet (the connection is gone, nobody reads the output) ends it.
pub(super) async fn each(
    paths: &[PathBuf],
    mut work: impl AsyncFnMut(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if let [path] = paths {
        return work(path).await;
    }
    let mut all_done = true;
    for path in paths {
        match work(path).await {
            Err(failure) if failure.is_of_one() => {
                let _ = failure.report();
                all_done = false;
            }
            done => done?,
        }
    }
    match all_done {
        true => Ok(()),
        false => Err(Failure::told()),
    }
}
