//! Looking at a path and opening it, with links or without.
//!
//! Without links one `openat2` does both at once. Where that call is missing (Linux before 5.6, gVisor, some seccomp filters) every
//! prefix is looked at instead; somebody may put a link there in between, which matters less here than it would in the gate.

use std::os::fd::OwnedFd;
use std::path::Path;

use lockgate_grant::path::AbsPath;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::operation::{Follow, FsError};

/// Flags of every opening: nothing is inherited by children, no FIFO hangs, no terminal becomes the controlling one.
pub(super) const SAFELY: OFlags = OFlags::CLOEXEC
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// The attributes of what a path leads to.
pub(super) fn look(path: &AbsPath, follow: Follow) -> Result<Stat, FsError> {
    match follow {
        Follow::Links => Ok(rustix::fs::stat(path.as_path())?),
        Follow::Nothing => Ok(rustix::fs::fstat(place(path, follow)?)?),
    }
}

/// The attributes of a path's last name itself; [`Follow::Nothing`] refuses it if it is a link.
pub(super) fn look_at_name(path: &AbsPath, follow: Follow) -> Result<Stat, FsError> {
    match follow {
        Follow::Links => Ok(rustix::fs::lstat(path.as_path())?),
        Follow::Nothing => look(path, follow),
    }
}

/// A descriptor that stands for a path and opens nothing.
pub(super) fn place(path: &AbsPath, follow: Follow) -> Result<OwnedFd, FsError> {
    open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), follow)
}

/// Opens a path. The caller has looked first where opening could do something.
pub(super) fn open(
    path: &AbsPath,
    flags: OFlags,
    mode: Mode,
    follow: Follow,
) -> Result<OwnedFd, FsError> {
    if follow == Follow::Links {
        return Ok(rustix::fs::open(path.as_path(), flags, mode)?);
    }
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(CWD, path.as_path(), flags, mode, resolve) {
        Ok(fd) => Ok(fd),
        // No link is followed, so this is no loop.
        Err(Errno::LOOP) => Err(FsError::SymbolicLink),
        Err(Errno::NOSYS | Errno::PERM) => open_after_looking(path, flags, mode),
        Err(errno) => Err(errno.into()),
    }
}

fn open_after_looking(path: &AbsPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, FsError> {
    refuse_links(path.as_path())?;
    Ok(rustix::fs::open(
        path.as_path(),
        flags | OFlags::NOFOLLOW,
        mode,
    )?)
}

/// Fails if a component of the path is a link; what is missing is none.
fn refuse_links(path: &Path) -> Result<(), FsError> {
    for prefix in path.ancestors() {
        match rustix::fs::statat(CWD, prefix, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                return Err(FsError::SymbolicLink);
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_refused_without_openat2_too() {
        let home = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(home.path().join("real")).expect("made");
        std::fs::write(home.path().join("real/file"), b"x").expect("written");
        std::os::unix::fs::symlink("real", home.path().join("link")).expect("linked");
        std::os::unix::fs::symlink("file", home.path().join("real/end")).expect("linked");
        let open = |path: &str| {
            let path = AbsPath::parse(home.path().join(path)).expect("absolute");
            open_after_looking(&path, OFlags::RDONLY | SAFELY, Mode::empty())
        };
        assert!(open("real/file").is_ok());
        assert!(matches!(open("link/file"), Err(FsError::SymbolicLink)));
        assert!(matches!(open("real/end"), Err(FsError::SymbolicLink)));
        assert!(matches!(
            open("real/missing"),
            Err(FsError::Os(Errno::NOENT))
        ));
    }
}
