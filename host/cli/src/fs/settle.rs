//! What something here gets when it has arrived: permission bits and time of modification.

use std::time::{Duration, SystemTime};

use lockgate_capfs::{Files, Follow, FsError, NewTimes};
use lockgate_grant::AbsPath;
use lockgate_wire::limits::MODE;

/// What is known of both: of the bits the nine only, whatever the other end says; Unix milliseconds.
pub(super) fn settle(
    path: &AbsPath,
    mode: Option<u32>,
    modified_ms: Option<i64>,
    follow: Follow,
) -> Result<(), FsError> {
    if let Some(modified_ms) = modified_ms {
        let since = Duration::from_millis(u64::try_from(modified_ms).unwrap_or(0));
        let times = NewTimes {
            modified: SystemTime::UNIX_EPOCH.checked_add(since),
            ..NewTimes::default()
        };
        Files::Direct.set_times(path, times, follow)?;
    }
    // Last: it may take away what the times need.
    match mode {
        Some(mode) => Files::Direct.set_mode(path, mode & MODE, follow),
        None => Ok(()),
    }
}
