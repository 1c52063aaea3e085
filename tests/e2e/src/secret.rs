//! Files that are their owner's alone.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes such a file, over what it may have held.
///
/// # Panics
/// Where that is not possible.
pub fn write_secret(path: &Path, contents: impl AsRef<[u8]>) {
    let mut file = File::create(path).expect("made");
    file.set_permissions(Permissions::from_mode(0o600))
        .expect("its owner's");
    file.write_all(contents.as_ref()).expect("written");
}
