//! The two commonest small calls for a thread that must not block: they answer from what the kernel holds in memory, or not at all.
//!
//! Handing a call to another thread and back costs more than the call. `RESOLVE_CACHED` (Linux 5.12) finds a path in the kernel's
//! name cache or gives up; a file whose name is there is in memory too, on a filesystem of this machine. Everything that cannot be told
//! at once is `None`: then the caller takes the blocking way, which also learns what the filesystem is.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_grant::path::AbsPath;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Statx};
use rustix::io::Errno;

use super::{local, look, metadata};
use crate::contents;
use crate::operation::{FsError, Metadata, OpenFile};

/// [`metadata`](super::metadata) with links followed, if that is possible without blocking.
pub fn try_metadata(path: &AbsPath) -> Option<Result<Metadata, FsError>> {
    let name = match place(path, OFlags::NOFOLLOW)? {
        Ok(name) => name,
        Err(error) => return Some(Err(error)),
    };
    let attributes = at_hand(&name)?;
    if !metadata::is_link(&attributes) {
        return local::is_known_local(metadata::device(&attributes))
            .then(|| Ok(metadata::describe(&attributes, false)));
    }
    let target = match place(path, OFlags::empty())? {
        Ok(target) => target,
        Err(error) => return Some(Err(error)),
    };
    let attributes = at_hand(&target)?;
    local::is_known_local(metadata::device(&attributes))
        .then(|| Ok(metadata::describe(&attributes, true)))
}

/// [`open`](super::open) with links followed, if that is possible without blocking. Read with [`OpenFile::try_read_all`].
pub fn try_open(path: &AbsPath) -> Option<Result<OpenFile, FsError>> {
    let place = match place(path, OFlags::empty())? {
        Ok(place) => place,
        Err(error) => return Some(Err(error)),
    };
    let looked_at = at_hand(&place)?;
    let device = metadata::device(&looked_at);
    if !local::is_known_local(device) {
        return None;
    }
    if let Err(error) = contents::check_regular(looked_at.stx_mode.into()) {
        return Some(Err(error));
    }
    let fd = match cached(path, OFlags::RDONLY | look::SAFELY)? {
        Ok(fd) => fd,
        Err(error) => return Some(Err(error)),
    };
    let stat = rustix::fs::fstat(&fd).ok()?;
    // Another thing stands there by now: let the blocking way look again.
    let same = (stat.st_dev, stat.st_ino) == (device, looked_at.stx_ino);
    same.then(|| {
        Ok(OpenFile {
            size: stat.st_size as u64,
            fd,
        })
    })
}

/// The attributes that the kernel holds. Without the flag a network filesystem would ask its server, and it is not known yet
/// whether this is one.
fn at_hand(place: &OwnedFd) -> Option<Statx> {
    metadata::attributes(place, AtFlags::STATX_DONT_SYNC).ok()
}

fn place(path: &AbsPath, flags: OFlags) -> Option<Result<OwnedFd, FsError>> {
    cached(path, OFlags::PATH | OFlags::CLOEXEC | flags)
}

fn cached(path: &AbsPath, flags: OFlags) -> Option<Result<OwnedFd, FsError>> {
    static MISSING: AtomicBool = AtomicBool::new(false);
    if MISSING.load(Ordering::Relaxed) {
        return None;
    }
    match rustix::fs::openat2(
        CWD,
        path.as_path(),
        flags,
        Mode::empty(),
        ResolveFlags::CACHED,
    ) {
        Ok(fd) => Some(Ok(fd)),
        // Not in memory, or not to be told without waiting.
        Err(Errno::AGAIN) => None,
        // This kernel does not know the call or the flag: do not ask again.
        Err(Errno::NOSYS | Errno::INVAL) => {
            MISSING.store(true, Ordering::Relaxed);
            None
        }
        // A filter around this process forbids the call, or something else is odd.
        Err(Errno::PERM) => None,
        Err(errno) => Some(Err(errno.into())),
    }
}
