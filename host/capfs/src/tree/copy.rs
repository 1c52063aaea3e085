//! A directory copied as trees travel: what cannot be read, or not be written, is left out and told, and all else is copied. `fs/copy` itself ends at the first of these.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use lockgate_grant::AbsPath;
use rustix::io::Errno;

use super::entries::{Entries, TreeEntry, What};
use super::{TreeReport, ends_the_tree, reason};
use crate::files::Files;
use crate::kernel::bindings::exports::lockgate::files::operations::WriteHow;
use crate::operation::{Follow, FsError, OpenFile};
use crate::workers::alive;
use crate::{contents, direct};

impl Files {
    /// [`Files::copy`] with `recursive`, which goes on behind what cannot be copied of a directory, and tells it: pipes, sockets and devices are among it. A link that is there
    /// already, and says the same, is fine. What all else would meet as well, as a full disk, ends it with the name of the entry that met it.
    pub fn copy_leaving_out(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
    ) -> Result<TreeReport, FsError> {
        match self.copy(source, destination, false) {
            Err(FsError::CopyNeedsRecursive) => {}
            done => return done.map(|()| TreeReport::default()),
        }
        // From here on no link is followed in the source.
        let root = self.canonicalize(source)?;
        let inside = direct::real_as_far_as_it_exists(destination, |path| self.canonicalize(path))?;
        if inside.starts_with(&root) {
            return Err(FsError::CopyIntoItself);
        }
        let copying = Copying {
            files: self,
            destination,
            began: Instant::now(),
        };
        copying.tree(Entries::below(self.ground()?, root)?)
    }
}

struct Copying<'a> {
    files: &'a Files,
    destination: &'a AbsPath,
    began: Instant,
}

impl Copying<'_> {
    fn tree(&self, mut entries: Entries) -> Result<TreeReport, FsError> {
        let mode = contents::filled_by_owner(entries.root()?.st_mode);
        self.make_directory(self.destination, mode)?;
        let mut report = TreeReport::default();
        // One that could not be made: all that is in it stays out with it.
        let mut missing: Option<Vec<u8>> = None;
        while let Some(TreeEntry { name, what }) = entries.next(&mut report)? {
            self.go_on()?;
            if missing
                .as_ref()
                .is_some_and(|missing| name.starts_with(missing))
            {
                continue;
            }
            let is_directory = matches!(what, What::Directory(_));
            let Err(error) = self.entry(&name, what) else {
                continue;
            };
            if ends_the_copy(&error) {
                return Err(error.within(&name));
            }
            report.leave_out(&name, reason(&error));
            if is_directory {
                missing = Some([&*name, b"/"].concat());
            }
        }
        Ok(report)
    }

    fn entry(&self, name: &[u8], what: What) -> Result<(), FsError> {
        let to = AbsPath::from_bytes(&[self.destination.as_bytes(), b"/", name].concat());
        let to = to.map_err(|_| FsError::Os(Errno::NAMETOOLONG))?;
        match what {
            What::Directory(stat) => {
                self.make_directory(&to, contents::filled_by_owner(stat.st_mode))
            }
            What::File(file, stat) => {
                self.file(&file, stat.st_mode & contents::PERMISSION_BITS, &to)
            }
            What::Link(target) => {
                let target = OsStr::from_bytes(&target);
                match self.files.symlink(target, &to) {
                    Err(FsError::Os(Errno::EXIST))
                        if self.files.read_link(&to).is_ok_and(|old| old == target) =>
                    {
                        Ok(())
                    }
                    made => made,
                }
            }
        }
    }

    fn make_directory(&self, path: &AbsPath, mode: u32) -> Result<(), FsError> {
        let files = self.files;
        files.create_directory_with(path, true, Follow::Links, mode)
    }

    fn file(&self, from: &OpenFile, mode: u32, to: &AbsPath) -> Result<(), FsError> {
        let to = match self.files {
            Files::Direct => direct::open_for_copy(to, mode)?,
            Files::Scoped(scope) => scope.writable(to, WriteHow::CREATE, Follow::Links)?,
        };
        contents::copy(&from.fd, &to, || self.go_on())
    }

    /// Through the gate all of it has the time that a guest has for it. Without, whoever waits gives it up.
    fn go_on(&self) -> Result<(), FsError> {
        alive();
        match self.files {
            Files::Scoped(scope) if self.began.elapsed() > scope.times().tree => Err(
                FsError::Gate("the copy ran past its deadline and stopped where it was".to_owned()),
            ),
            _ => Ok(()),
        }
    }
}

/// Errors of writing that the next entry would meet as well. Whether reading or writing met an error of a device is not known.
fn ends_the_copy(error: &FsError) -> bool {
    match error {
        FsError::Os(Errno::IO | Errno::STALE) => false,
        FsError::Torn { cause, .. } => ends_the_copy(&FsError::Os(*cause)),
        error => ends_the_tree(error),
    }
}
