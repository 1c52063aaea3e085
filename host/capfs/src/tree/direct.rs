//! Trees without a sandbox, from the root directory's descriptor as the kernel has it: by either back end no link is followed, so an
//! upload stays in its directory whatever its entries say and whoever puts links there meanwhile.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use lockgate_grant::AbsPath;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::ground::{self, Ground};
use crate::kernel::root::{LOOK, PathBackEnd, Root, Wait};
use crate::kernel::{Listing, Place};
use crate::operation::{FsError, OpenFile};
use crate::{contents, limits};

pub(super) struct Direct {
    root: Arc<Root>,
}

/// Nothing that opens by mistake (it is looked at first) hangs or becomes the controlling terminal.
const SAFELY: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

impl Direct {
    /// The root is opened once for all trees and watches: a client may have thousands of these.
    pub(super) fn new() -> Result<Direct, FsError> {
        static SHARED: OnceLock<Arc<Root>> = OnceLock::new();
        if let Some(root) = SHARED.get() {
            let root = Arc::clone(root);
            return Ok(Direct { root });
        }
        let Direct { root } = Direct::by(None)?;
        let root = Arc::clone(SHARED.get_or_init(|| root));
        Ok(Direct { root })
    }

    pub(super) fn by(back_end: Option<PathBackEnd>) -> Result<Direct, FsError> {
        let root = Arc::new(Root::open(back_end)?);
        Ok(Direct { root })
    }

    fn at(&self, path: &AbsPath, flags: OFlags) -> Result<OwnedFd, FsError> {
        self.at_with(path, flags, Mode::empty())
    }

    fn at_with(&self, path: &AbsPath, flags: OFlags, mode: Mode) -> Result<OwnedFd, FsError> {
        match self.root.open_at(path, flags, mode, Wait::Yes) {
            // No link is followed, so this is no loop.
            Err(Errno::LOOP) => Err(FsError::SymbolicLink),
            opened => Ok(opened?),
        }
    }

    /// The directory that a name is in, and the name.
    fn held<'a>(&self, path: &'a AbsPath) -> Result<(OwnedFd, &'a OsStr), FsError> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok((self.at(&parent, LOOK | OFlags::DIRECTORY)?, name)),
            _ => Err(Errno::EXIST.into()),
        }
    }

    /// Makes a directory in one that is there; one that is there itself is fine.
    fn make_one(&self, path: &AbsPath, mode: u32) -> Result<(), FsError> {
        let (directory, name) = self.held(path)?;
        match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(mode)) {
            // The name is taken: well if by a directory.
            Err(Errno::EXIST) => match self.at(path, LOOK | OFlags::DIRECTORY) {
                Ok(_) => Ok(()),
                Err(FsError::Os(Errno::NOTDIR)) => Err(Errno::EXIST.into()),
                Err(error) => Err(error),
            },
            made => Ok(made?),
        }
    }
}

impl Ground for Direct {
    fn list(&self, path: &AbsPath) -> Result<Listing, FsError> {
        let fd = self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstat(&fd)?;
        let identity = (stat.st_dev, stat.st_ino);
        let place = Place::new(Arc::clone(&self.root), path.clone(), identity, None);
        Ok(Listing::new(fd, place)?)
    }

    fn open(&self, path: &AbsPath) -> Result<OpenFile, FsError> {
        contents::regular(self.at(path, LOOK)?)?;
        let fd = self.at(path, OFlags::RDONLY | SAFELY)?;
        // Another thing may stand there by now.
        let size = contents::regular(&fd)?.st_size as u64;
        Ok(OpenFile { fd, size })
    }

    fn read_link(&self, path: &AbsPath) -> Result<Vec<u8>, FsError> {
        match self.root.read_link(path, Wait::Yes) {
            Err(Errno::LOOP) => Err(FsError::SymbolicLink),
            read => Ok(read?.0),
        }
    }

    fn write(&self, path: &AbsPath) -> Result<OwnedFd, FsError> {
        for _ in 0..limits::OPEN_RETRIES {
            match self.at(path, LOOK) {
                Ok(found) => {
                    contents::regular(found)?;
                    let file = self.at(path, OFlags::WRONLY | SAFELY)?;
                    contents::regular(&file)?;
                    return Ok(file);
                }
                Err(FsError::Os(Errno::NOENT)) => {}
                Err(error) => return Err(error),
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | SAFELY;
            match self.at_with(path, flags, Mode::from_raw_mode(0o666)) {
                // Somebody else was faster.
                Err(FsError::Os(Errno::EXIST)) => {}
                made => return made,
            }
        }
        Err(Errno::BUSY.into())
    }

    fn make_directory(&self, path: &AbsPath, mode: u32) -> Result<(), FsError> {
        // Upwards until one is there or can be made, then down again: a path has two thousand names, and a stack is small.
        let make = |path: &AbsPath, last: bool| {
            let mode = if last {
                mode
            } else {
                contents::PERMISSION_BITS
            };
            self.make_one(path, mode)
        };
        let mut missing = Vec::new();
        let mut next = path.clone();
        loop {
            match make(&next, missing.is_empty()) {
                Err(FsError::Os(Errno::NOENT)) => {
                    let parent = next.parent().ok_or(Errno::NOENT)?;
                    missing.push(std::mem::replace(&mut next, parent));
                }
                made => break made?,
            }
        }
        while let Some(path) = missing.pop() {
            make(&path, missing.is_empty())?;
        }
        Ok(())
    }

    fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), FsError> {
        let (directory, name) = self.held(path)?;
        Ok(rustix::fs::symlinkat(
            OsStr::from_bytes(target),
            &directory,
            name,
        )?)
    }

    fn remove(&self, path: &AbsPath) -> Result<(), FsError> {
        let (directory, name) = self.held(path)?;
        Ok(rustix::fs::unlinkat(&directory, name, AtFlags::empty())?)
    }

    fn settle(&self, path: &AbsPath, mode: u32, modified: SystemTime) -> Result<(), FsError> {
        let directory = self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        ground::settle(directory, mode, modified)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn attack_03_no_back_end_follows_a_link() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let at = |path: &str| AbsPath::parse(home.join(path)).unwrap();
        std::fs::create_dir_all(home.join("out/d")).unwrap();
        std::fs::write(home.join("out/f"), "secret").unwrap();
        for (link, target) in [("l", "out"), ("file", "out/f"), ("broken", "out/new")] {
            std::os::unix::fs::symlink(target, home.join(link)).unwrap();
        }
        for back_end in [PathBackEnd::Openat2, PathBackEnd::Walk] {
            let ground = Direct::by(Some(back_end)).unwrap();
            let now = SystemTime::now();
            let refused = [
                ground.list(&at("l")).err(),
                ground.list(&at("l/d")).err(),
                ground.open(&at("file")).err(),
                ground.open(&at("l/f")).err(),
                ground.read_link(&at("l/f")).err(),
                ground.write(&at("file")).err(),
                ground.write(&at("broken")).err(),
                ground.write(&at("l/new")).err(),
                ground.make_directory(&at("l/d"), 0o777).err(),
                ground.make_directory(&at("l/new/er"), 0o777).err(),
                ground.make_link(b"f", &at("l/new")).err(),
                ground.remove(&at("l/f")).err(),
                ground.settle(&at("l"), 0, now).err(),
                ground.settle(&at("l/d"), 0, now).err(),
            ];
            for (number, error) in refused.into_iter().enumerate() {
                let links = matches!(
                    error,
                    Some(FsError::SymbolicLink | FsError::Os(Errno::NOTDIR))
                );
                assert!(links, "{number} by {back_end}: {error:?}");
            }
            assert_eq!(ground.read_link(&at("l")).unwrap(), b"out");
            assert_eq!(std::fs::read_dir(home.join("out")).unwrap().count(), 2);
        }
    }
}
