//! The root directory's descriptor, and the one question that is asked of it: open this path without following any link.
//!
//! Two ways to ask it, with the same answers. `openat2` (Linux 5.6) resolves the whole path in one call and refuses links itself. Where it is
//! missing or forbidden (old kernels, gVisor, seccomp filters), the path is walked a component at a time, each opened with
//! `O_PATH | O_NOFOLLOW`, which holds on to what was looked at.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use cap_std::ambient_authority;
use lockgate_grant::AbsPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::limits;

/// How paths are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathBackEnd {
    /// `openat2`: one system call, resolved by the kernel.
    Openat2,
    /// Component by component.
    Walk,
}

impl std::fmt::Display for PathBackEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            PathBackEnd::Openat2 => "openat2",
            PathBackEnd::Walk => "component walk",
        })
    }
}

/// The root directory.
#[derive(Debug)]
pub(crate) struct Root {
    fd: OwnedFd,
    back_end: PathBackEnd,
    /// The system tells what it has in memory (`RESOLVE_CACHED`, Linux 5.12). An older `openat2` calls the question invalid.
    tells_cached: bool,
}

/// What a path is opened for, beside the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// As long as it takes.
    Yes,
    /// Not at all: `EAGAIN` where the look-up is not answered from memory.
    No,
}

impl Root {
    /// Opens `/`. This is where the crate takes authority that nobody gave it; everything else comes from here.
    pub(crate) fn open(back_end: Option<PathBackEnd>) -> Result<Root, Errno> {
        let directory = cap_std::fs::Dir::open_ambient_dir("/", ambient_authority())
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let fd = OwnedFd::from(directory.into_std_file());
        let back_end = back_end.unwrap_or_else(|| {
            match openat2(fd.as_fd(), OsStr::new("."), LOOK, Mode::empty(), Wait::Yes) {
                Ok(_) => PathBackEnd::Openat2,
                Err(_) => PathBackEnd::Walk,
            }
        });
        let here = OsStr::new(".");
        let tells_cached = back_end == PathBackEnd::Openat2
            && matches!(
                openat2(fd.as_fd(), here, LOOK, Mode::empty(), Wait::No),
                Ok(_) | Err(Errno::AGAIN)
            );
        Ok(Root {
            fd,
            back_end,
            tells_cached,
        })
    }

    /// Whether the back end works here at all.
    pub(crate) fn check(&self) -> Result<(), Errno> {
        self.open_at(&AbsPath::root(), LOOK, Mode::empty(), Wait::Yes)
            .map(drop)
    }

    pub(crate) fn back_end(&self) -> PathBackEnd {
        self.back_end
    }

    /// Opens `path`. A link on the way is `ELOOP`; so is one at the end, unless `O_NOFOLLOW` is among the flags: then with `O_PATH` it is
    /// the link itself that is opened.
    pub(crate) fn open_at(
        &self,
        path: &AbsPath,
        flags: OFlags,
        mode: Mode,
        wait: Wait,
    ) -> Result<OwnedFd, Errno> {
        let below = match &path.as_bytes()[1..] {
            b"" => OsStr::new("."),
            below => OsStr::from_bytes(below),
        };
        if wait == Wait::No && !self.tells_cached {
            return Err(Errno::AGAIN);
        }
        match self.back_end {
            PathBackEnd::Openat2 => openat2(self.fd.as_fd(), below, flags, mode, wait),
            PathBackEnd::Walk => self.walk(path, flags, mode),
        }
    }

    /// Reads the link at `path`; `EINVAL` when it is none.
    pub(crate) fn read_link(
        &self,
        path: &AbsPath,
        wait: Wait,
    ) -> Result<(Vec<u8>, OwnedFd), Errno> {
        let fd = self.open_at(path, LOOK | OFlags::NOFOLLOW, Mode::empty(), wait)?;
        match rustix::fs::readlinkat(&fd, c"", Vec::new()) {
            Ok(target) => Ok((target.into_bytes(), fd)),
            // What the kernel says of an empty path where there is no link.
            Err(Errno::NOENT) => Err(Errno::INVAL),
            Err(errno) => Err(errno),
        }
    }

    fn walk(&self, path: &AbsPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let mut names = path.components().map(OsStr::from_bytes).peekable();
        let mut held: Option<OwnedFd> = None;
        while let Some(name) = names.next() {
            let at = held.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            if names.peek().is_some() {
                held = Some(step(at, name)?);
                continue;
            }
            return last(at, name, flags, mode);
        }
        rustix::fs::openat(&self.fd, c".", flags | OFlags::CLOEXEC, mode)
    }
}

/// What it takes to look at something without opening it.
pub(crate) const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

fn openat2(
    root: BorrowedFd<'_>,
    below: &OsStr,
    flags: OFlags,
    mode: Mode,
    wait: Wait,
) -> Result<OwnedFd, Errno> {
    let mut resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if wait == Wait::No {
        resolve |= ResolveFlags::CACHED;
    }
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(root, below, flags | OFlags::CLOEXEC, mode, resolve) {
            // A rename or a mount elsewhere made the kernel unsure; it asks to be asked again.
            Err(Errno::AGAIN) if wait == Wait::Yes && tries < limits::LOOKUP_RETRIES => tries += 1,
            Err(Errno::INTR) => {}
            opened => return opened,
        }
    }
}

/// One directory further down.
fn step(at: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    match rustix::fs::openat(
        at,
        name,
        LOOK | OFlags::DIRECTORY | OFlags::NOFOLLOW,
        Mode::empty(),
    ) {
        // The same number for a file and for a link: a look at the name tells which.
        Err(Errno::NOTDIR) if is_link(at, name) => Err(Errno::LOOP),
        opened => opened,
    }
}

fn last(at: BorrowedFd<'_>, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let opened = rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, mode);
    let link_itself = flags.contains(OFlags::PATH | OFlags::NOFOLLOW);
    match opened {
        // O_PATH opens a link instead of saying what it is.
        Ok(fd) if flags.contains(OFlags::PATH) && !link_itself => {
            match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
                FileType::Symlink => Err(Errno::LOOP),
                _ => Ok(fd),
            }
        }
        Err(Errno::NOTDIR) if !link_itself && is_link(at, name) => Err(Errno::LOOP),
        opened => opened,
    }
}

fn is_link(at: BorrowedFd<'_>, name: &OsStr) -> bool {
    rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_openat2_cannot_tell_is_asked_again_where_it_may_wait() {
        let older = Root {
            tells_cached: false,
            ..Root::open(Some(PathBackEnd::Openat2)).unwrap()
        };
        let walking = Root::open(Some(PathBackEnd::Walk)).unwrap();
        for root in [older, walking] {
            let open = |wait| root.open_at(&AbsPath::root(), LOOK, Mode::empty(), wait);
            assert_eq!(open(Wait::No).unwrap_err(), Errno::AGAIN);
            assert!(open(Wait::Yes).is_ok());
        }
    }
}
