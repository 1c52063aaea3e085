//! `fs mv`, `fs ln`, `fs chmod`, `fs touch`: with our methods, which other servers do not have.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_wire::lockgate::files::{RenameParams, SetModeParams, SetTimesParams, SymlinkParams};

use super::about::about_both;
use super::several::each;
use super::{Place, about, into, slash};
use crate::failure::Failure;

pub(super) async fn mv(
    place: &Place<'_>,
    from: &Path,
    to: &Path,
    no_clobber: bool,
) -> Result<(), Failure> {
    slash::check_name(place, from).await?;
    let to = &into::there(place, from, to).await?;
    let params = RenameParams {
        source_path: place.path(from)?,
        destination_path: place.path(to)?,
        overwrite: Some(!no_clobber),
        sandbox: place.sandbox.clone(),
    };
    let renamed = place.client.rename(&params).await;
    renamed.map_err(about_both(place, [from, to], &[from, to]))
}

pub(super) async fn ln(place: &Place<'_>, target: &str, path: &Path) -> Result<(), Failure> {
    slash::check_file(place, path).await?;
    let params = SymlinkParams {
        target: target.to_owned(),
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
    };
    let made = place.client.symlink(&params).await;
    made.map_err(about(place, path))
}

pub(super) async fn chmod(place: &Place<'_>, mode: u32, paths: &[PathBuf]) -> Result<(), Failure> {
    each(paths, async |path: &Path| {
        slash::check(place, path).await?;
        let params = SetModeParams {
            path: place.path(path)?,
            mode,
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
        };
        let set = place.client.set_mode(&params).await;
        set.map_err(about(place, path))
    })
    .await
}

pub(super) async fn touch(
    place: &Place<'_>,
    (accessed, modified): (Option<i64>, Option<i64>),
    paths: &[PathBuf],
) -> Result<(), Failure> {
    let (accessed, modified) = match (accessed, modified) {
        (None, None) => (Some(now()), Some(now())),
        given => given,
    };
    each(paths, async |path: &Path| {
        slash::check(place, path).await?;
        let params = SetTimesParams {
            path: place.path(path)?,
            accessed_at_ms: accessed,
            modified_at_ms: modified,
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
        };
        let set = place.client.set_times(&params).await;
        set.map_err(about(place, path))
    })
    .await
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Octal permission bits.
pub(super) fn bits(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= lockgate_wire::limits::MODE)
        .ok_or_else(|| "give the permission bits in octal, at most 777".to_owned())
}
