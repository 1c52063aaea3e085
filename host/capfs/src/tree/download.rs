//! A tree on its way out: a tar that is made as it is read.

use std::os::fd::AsFd;

use lockgate_grant::AbsPath;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::format::{BLOCK, Head, Kind, padding};
use super::ground::Ground;
use super::{TreeReport, ends_the_tree, reason};
use crate::kernel::Listing;
use crate::operation::{FsError, OpenFile};
use crate::{contents, limits};

/// A directory's tree as a tar, to be read from its beginning to its end.
///
/// The files of a directory come before its directories, each of which comes with all below it before the next: so one
/// listing is open at a time.
pub struct Download {
    ground: Box<dyn Ground>,
    /// Free of links.
    root: AbsPath,
    /// Directories to enter, the next one last: their names below the root.
    left: Vec<Vec<u8>>,
    left_bytes: usize,
    listing: Option<Entered>,
    file: Option<Sending>,
    /// Bytes of the format that go before anything else, and how many of them have gone.
    head: Vec<u8>,
    gone: usize,
    ended: bool,
    report: TreeReport,
}

/// The directory that is being listed.
struct Entered {
    /// Its name below the root, with a slash at the end; nothing for the root itself.
    prefix: Vec<u8>,
    path: AbsPath,
    names: Listing,
}

/// The file whose contents are on their way.
struct Sending {
    file: OpenFile,
    name: Vec<u8>,
    size: u64,
    sent: u64,
    /// It did not have what its size said: zeros go in place of the rest.
    short: bool,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("root", &self.root)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Download {
    pub(super) fn new(ground: Box<dyn Ground>, root: AbsPath) -> Result<Download, FsError> {
        let names = ground.list(&root)?;
        Ok(Download {
            listing: Some(Entered {
                prefix: Vec::new(),
                path: root.clone(),
                names,
            }),
            ground,
            root,
            left: Vec::new(),
            left_bytes: 0,
            file: None,
            head: Vec::new(),
            gone: 0,
            ended: false,
            report: TreeReport::default(),
        })
    }

    /// The next `len` bytes; fewer only at the end.
    pub fn read(&mut self, len: usize) -> Result<Vec<u8>, FsError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::NOMEM)?;
        while bytes.len() < len {
            let room = len - bytes.len();
            if self.gone < self.head.len() {
                let piece = &self.head[self.gone..];
                let piece = &piece[..piece.len().min(room)];
                bytes.extend_from_slice(piece);
                self.gone += piece.len();
            } else if let Some(sending) = &mut self.file {
                sending.send(room, &mut bytes, &mut self.report);
                if sending.sent == sending.size {
                    let padding = padding(sending.size);
                    self.file = None;
                    self.put(vec![0; padding]);
                }
            } else if self.ended {
                break;
            } else {
                self.advance()?;
            }
        }
        Ok(bytes)
    }

    /// What went out so far.
    pub fn report(&self) -> &TreeReport {
        &self.report
    }

    fn put(&mut self, head: Vec<u8>) {
        self.head = head;
        self.gone = 0;
    }

    /// Goes to the next thing that has bytes in the tar.
    fn advance(&mut self) -> Result<(), FsError> {
        while self.head.len() == self.gone && self.file.is_none() {
            // Much may be left out before there is something to send.
            crate::workers::alive();
            let Some(entered) = &mut self.listing else {
                match self.left.pop() {
                    Some(name) => self.enter(name)?,
                    None => {
                        self.ended = true;
                        // How a tar ends.
                        self.put(vec![0; 2 * BLOCK]);
                    }
                }
                continue;
            };
            let entry = match entered.names.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    self.listing = None;
                    continue;
                }
                Err(errno) => {
                    self.report
                        .leave_out(&entered.prefix, reason(&errno.into()));
                    self.listing = None;
                    continue;
                }
            };
            let name = [&*entered.prefix, &*entry.name].concat();
            let path = entered
                .path
                .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&entry.name));
            let Ok(path) = path else {
                self.report
                    .leave_out(&name, "its path is longer than any call can name");
                continue;
            };
            match entry.kind {
                FileType::Directory => self.remember(name),
                FileType::RegularFile => self.open(name, &path)?,
                FileType::Symlink => self.link(&name, &path)?,
                _ => self
                    .report
                    .leave_out(&name, "neither a file nor a directory nor a link"),
            }
        }
        Ok(())
    }

    /// A directory to enter later.
    fn remember(&mut self, name: Vec<u8>) {
        if self.left_bytes + held(&name) > limits::TREE_PENDING_BYTES {
            return self.report.leave_out(
                &name,
                "too many directories are still to be entered: take this one by itself",
            );
        }
        self.left_bytes += held(&name);
        self.left.push(name);
    }

    fn enter(&mut self, mut name: Vec<u8>) -> Result<(), FsError> {
        self.left_bytes -= held(&name);
        let path = match AbsPath::from_bytes(&[self.root.as_bytes(), b"/", &name].concat()) {
            Ok(path) => path,
            Err(error) => {
                self.report.leave_out(&name, error.to_string());
                return Ok(());
            }
        };
        let listed = self
            .ground
            .list(&path)
            .and_then(|names| Ok((rustix::fs::fstat(names.as_fd())?, names)));
        let (stat, names) = match listed {
            Ok(listed) => listed,
            Err(error) => return self.left_out(&name, error),
        };
        name.push(b'/');
        self.put(head(Kind::Directory, &name, &stat, 0));
        self.report.directories += 1;
        self.listing = Some(Entered {
            prefix: name,
            path,
            names,
        });
        Ok(())
    }

    fn open(&mut self, name: Vec<u8>, path: &AbsPath) -> Result<(), FsError> {
        let opened = self
            .ground
            .open(path)
            .and_then(|file| Ok((contents::regular(&file.fd)?, file)));
        let (stat, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.left_out(&name, error),
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.put(head(Kind::File, &name, &stat, size));
        self.report.files += 1;
        self.report.bytes += size;
        if size > 0 {
            self.file = Some(Sending {
                file,
                name,
                size,
                sent: 0,
                short: false,
            });
        }
        Ok(())
    }

    fn link(&mut self, name: &[u8], path: &AbsPath) -> Result<(), FsError> {
        let target = match self.ground.read_link(path) {
            Ok(target) => target,
            Err(error) => return self.left_out(name, error),
        };
        let head = Head {
            kind: Kind::Link(target),
            name: name.to_vec(),
            mode: 0o777,
            modified: 0,
            size: 0,
        };
        self.put(head.encode());
        self.report.links += 1;
        Ok(())
    }

    fn left_out(&mut self, name: &[u8], error: FsError) -> Result<(), FsError> {
        if ends_the_tree(&error) {
            return Err(error.within(name));
        }
        self.report.leave_out(name, reason(&error));
        Ok(())
    }
}

impl Sending {
    /// Adds up to `room` of the file's bytes: as many as its size said, whatever has become of it.
    fn send(&mut self, room: usize, bytes: &mut Vec<u8>, report: &mut TreeReport) {
        let left = self.size - self.sent;
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        let start = bytes.len();
        bytes.resize(start + piece, 0);
        let mut filled = 0;
        while filled < piece && !self.short {
            let into = &mut bytes[start + filled..];
            match rustix::io::pread(&self.file.fd, into, self.sent + filled as u64) {
                Ok(0) => {
                    self.short = true;
                    report.leave_out(&self.name, "it became shorter while it was read");
                }
                Ok(more) => filled += more,
                Err(Errno::INTR) => {}
                Err(errno) => {
                    self.short = true;
                    let reason =
                        format!("it could not be read to its end: {}", FsError::from(errno));
                    report.leave_out(&self.name, reason);
                }
            }
        }
        self.sent += piece as u64;
    }
}

/// Bytes that a name takes while it is remembered, with what a list and an allocator add: a million short ones are not small.
fn held(name: &[u8]) -> usize {
    name.len() + 2 * size_of::<Vec<u8>>()
}

fn head(kind: Kind, name: &[u8], stat: &Stat, size: u64) -> Vec<u8> {
    let head = Head {
        kind,
        name: name.to_vec(),
        mode: stat.st_mode & contents::PERMISSION_BITS,
        modified: u64::try_from(stat.st_mtime).unwrap_or(0),
        size,
    };
    head.encode()
}
