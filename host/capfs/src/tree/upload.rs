//! A tree on its way in: a tar that is carried out as it comes.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime};

use lockgate_grant::AbsPath;
use rustix::io::Errno;

use super::format::{Head, Kind, Piece, Reader};
use super::ground::{self, Ground};
use super::{TreeReport, ends_the_tree, reason};
use crate::contents;
use crate::operation::FsError;

/// A tar that is written into a directory.
///
/// Files are overwritten in place, links replaced, directories merged. A directory gets its permission bits and its time when the
/// first entry comes that does not lie in it: what it holds comes right after it in every ordinary tar.
pub struct Upload {
    ground: Box<dyn Ground>,
    /// Free of links.
    root: AbsPath,
    reader: Reader,
    file: Option<Receiving>,
    /// The last one that has all its bytes. Until the next header comes, or the end, it may be told still that some of them are none.
    whole: Option<Receiving>,
    /// Directories that entries may still lie in, each within the one before.
    within: Vec<Directory>,
    report: TreeReport,
}

/// Its name is told from its path: that of the entry can be padded with `./` to any length.
struct Directory {
    path: AbsPath,
    mode: u32,
    modified: SystemTime,
}

/// The file whose contents are coming.
struct Receiving {
    fd: OwnedFd,
    head: Head,
    written: u64,
    /// It became shorter where it comes from, which is told there.
    cut: bool,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("root", &self.root)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Upload {
    pub(super) fn new(ground: Box<dyn Ground>, root: AbsPath) -> Upload {
        Upload {
            ground,
            root,
            reader: Reader::default(),
            file: None,
            whole: None,
            within: Vec::new(),
            report: TreeReport::default(),
        }
    }

    /// Takes the next bytes of the tar. After an error nothing more is taken; what was made stays.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), FsError> {
        while let Some(piece) = self.reader.next(&mut bytes)? {
            crate::workers::alive();
            match piece {
                Piece::Head(head) => {
                    self.complete()?;
                    self.begin(head)?;
                }
                Piece::Data(data) => {
                    if let Some(file) = &mut self.file {
                        let written = file.write(data);
                        written.map_err(|error| error.within(&file.head.name))?;
                    }
                }
                Piece::End => self.whole = self.file.take(),
                Piece::Cut(len) => {
                    if let Some(file) = &mut self.whole {
                        file.cut |= len < file.written;
                        file.written = file.written.min(len);
                    }
                }
            }
        }
        Ok(())
    }

    /// The tar has come to its end: says what was made.
    pub fn finish(&mut self) -> Result<TreeReport, FsError> {
        if let Some(file) = &self.file {
            let cut = FsError::NoTree("it ends in the middle of an entry");
            return Err(cut.within(&file.head.name));
        }
        if !self.reader.may_end() {
            return Err(FsError::NoTree("it ends in the middle of an entry"));
        }
        self.complete()?;
        while let Some(directory) = self.within.pop() {
            self.settle(&directory)?;
        }
        Ok(std::mem::take(&mut self.report))
    }

    /// The last file gets its end, its mode and its time.
    fn complete(&mut self) -> Result<(), FsError> {
        let Some(file) = self.whole.take() else {
            return Ok(());
        };
        let (name, cut) = (file.head.name.clone(), file.cut);
        match file.finish() {
            Ok(_) if cut => Ok(()),
            Ok(bytes) => {
                self.report.files += 1;
                self.report.bytes += bytes;
                Ok(())
            }
            Err(error) => self.leave_out(&name, error),
        }
    }

    fn begin(&mut self, head: Head) -> Result<(), FsError> {
        let path = match beneath(&self.root, &head.name) {
            Ok(path) => path,
            Err(reason) => {
                self.report.leave_out(&head.name, reason);
                return Ok(());
            }
        };
        while let Some(directory) = self
            .within
            .pop_if(|directory| !path.starts_with(&directory.path))
        {
            self.settle(&directory)?;
        }
        if path == self.root {
            // It is there, and how it looks is not the tar's to say.
            return Ok(());
        }
        let made = match &head.kind {
            Kind::Refused(why) => {
                self.report.leave_out(&head.name, *why);
                return Ok(());
            }
            Kind::Directory => self
                .ground
                .make_directory(&path, contents::filled_by_owner(head.mode)),
            Kind::Link(target) => self.make_link(target, &path),
            Kind::File => self.open(&path, &head),
        };
        if let Err(error) = made {
            return self.leave_out(&head.name, error);
        }
        match &head.kind {
            Kind::Directory => {
                self.report.directories += 1;
                // One that is named again counts once, as it is named last. Otherwise the list would grow with the stream.
                self.within.pop_if(|directory| directory.path == path);
                self.within.push(Directory {
                    path,
                    mode: head.mode,
                    modified: time(head.modified),
                });
            }
            Kind::Link(_) => self.report.links += 1,
            Kind::File | Kind::Refused(_) => {}
        }
        Ok(())
    }

    fn open(&mut self, path: &AbsPath, head: &Head) -> Result<(), FsError> {
        // It gets no more bytes than this.
        contents::may_reach(head.size)?;
        let fd = match self.ground.write(path) {
            Err(FsError::Os(Errno::NOENT)) => {
                self.make_parent(path)?;
                self.ground.write(path)?
            }
            opened => opened?,
        };
        self.file = Some(Receiving {
            fd,
            head: head.clone(),
            written: 0,
            cut: false,
        });
        Ok(())
    }

    fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), FsError> {
        match self.ground.make_link(target, path) {
            Err(FsError::Os(Errno::EXIST)) => match self.ground.read_link(path) {
                Ok(old) if old == target => Ok(()),
                Ok(_) => {
                    self.ground.remove(path)?;
                    self.ground.make_link(target, path)
                }
                // It is no link, and nobody has said that it may go.
                Err(FsError::Os(Errno::INVAL)) => Err(Errno::EXIST.into()),
                Err(error) => Err(error),
            },
            Err(FsError::Os(Errno::NOENT)) => {
                self.make_parent(path)?;
                self.ground.make_link(target, path)
            }
            made => made,
        }
    }

    /// For tars that name no directories.
    fn make_parent(&self, path: &AbsPath) -> Result<(), FsError> {
        let parent = path.parent().ok_or(Errno::NOENT)?;
        self.ground
            .make_directory(&parent, contents::PERMISSION_BITS)
    }

    fn settle(&mut self, directory: &Directory) -> Result<(), FsError> {
        let settled = self
            .ground
            .settle(&directory.path, directory.mode, directory.modified);
        match settled {
            Ok(()) => Ok(()),
            Err(error) => {
                let name = self.name(&directory.path);
                if ends_the_tree(&error) {
                    return Err(error.within(&name));
                }
                let reason = format!("its mode and time were not set: {}", reason(&error));
                self.report.leave_out(&name, reason);
                Ok(())
            }
        }
    }

    /// What a directory's entry is called in a tar.
    fn name(&self, path: &AbsPath) -> Vec<u8> {
        let below = path.as_bytes().strip_prefix(self.root.as_bytes());
        let below = below.unwrap_or(path.as_bytes());
        [below.strip_prefix(b"/").unwrap_or(below), b"/"].concat()
    }

    fn leave_out(&mut self, name: &[u8], error: FsError) -> Result<(), FsError> {
        if ends_the_tree(&error) {
            return Err(error.within(name));
        }
        self.report.leave_out(name, reason(&error));
        Ok(())
    }
}

impl Receiving {
    /// What had holes at the source gets them again: past the old end no zeros are written.
    fn write(&mut self, mut data: &[u8]) -> Result<(), FsError> {
        while !data.is_empty() {
            let (len, zeros) = contents::next_piece(self.written, data);
            let end = self.written + len as u64;
            if zeros && contents::leave_out(self.fd.as_fd(), self.written, end)? {
                data = &data[len..];
                self.written = end;
                continue;
            }
            match rustix::io::pwrite(&self.fd, &data[..len], self.written) {
                Ok(0) => return Err(Errno::IO.into()),
                Ok(more) => {
                    data = &data[more..];
                    self.written += more as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// The file has all its bytes.
    fn finish(self) -> Result<u64, FsError> {
        contents::cut_after(self.fd.as_fd(), self.written)?;
        ground::settle(&self.fd, self.head.mode, time(self.head.modified))?;
        Ok(self.written)
    }
}

impl Drop for Upload {
    /// The last file ends after the bytes that it got, as with every write that is broken off. Also one that has as many as were said is not taken for whole, and does not
    /// get its time, by which the next transfer would know it: some of its bytes may be none.
    fn drop(&mut self) {
        if let Some(file) = self.file.as_ref().or(self.whole.as_ref())
            && let Err(error) = contents::cut_after(file.fd.as_fd(), file.written)
        {
            tracing::debug!(%error, "a file whose upload was broken off keeps its old end");
        }
    }
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The path of an entry: below the root whatever its name says, or refused.
fn beneath(root: &AbsPath, name: &[u8]) -> Result<AbsPath, &'static str> {
    if name.starts_with(b"/") {
        return Err("absolute names are not taken");
    }
    let mut path = root.as_bytes().to_vec();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("names with `..` are not taken"),
            part if part.contains(&0) => return Err("names with a NUL are not taken"),
            part => {
                if path != b"/" {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    AbsPath::from_bytes(&path).map_err(|_| "its path is longer than any call can name")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn attack_01_every_entry_lies_beneath_its_root_or_is_refused() {
        let root = AbsPath::parse("/w/d").unwrap();
        for (name, wanted) in [
            ("a", Some("/w/d/a")),
            ("./a//b/", Some("/w/d/a/b")),
            ("", Some("/w/d")),
            ("./", Some("/w/d")),
            ("...", Some("/w/d/...")),
            ("a\\..\\b", Some("/w/d/a\\..\\b")),
            ("/etc/passwd", None),
            ("//a", None),
            ("..", None),
            ("a/../../b", None),
            ("a/..", None),
            ("a\0b", None),
        ] {
            let found = beneath(&root, name.as_bytes()).ok();
            assert_eq!(
                found.map(|path| path.to_string()).as_deref(),
                wanted,
                "{name:?}"
            );
        }
        assert!(beneath(&root, &[b'a'; 5_000]).is_err());
        let top = beneath(&AbsPath::root(), b"a").unwrap();
        assert_eq!(top.to_string(), "/a");
    }
}
