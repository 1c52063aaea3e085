//! A tree on its way out: a tar that is made as it is read.

use lockgate_grant::AbsPath;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::TreeReport;
use super::entries::{Entries, What};
use super::format::{BLOCK, Head, Kind, padding};
use super::ground::Ground;
use crate::contents;
use crate::operation::{FsError, OpenFile};

/// A directory's tree as a tar, to be read from its beginning to its end.
pub struct Download {
    entries: Entries,
    file: Option<Sending>,
    /// Bytes of the format that go before anything else, and how many of them have gone.
    head: Vec<u8>,
    gone: usize,
    ended: bool,
    report: TreeReport,
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
            .field("entries", &self.entries)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Download {
    pub(super) fn new(ground: Box<dyn Ground>, root: AbsPath) -> Result<Download, FsError> {
        let entries = Entries::below(ground, root)?;
        let mut report = TreeReport::default();
        report.note(&entries.root()?);
        Ok(Download {
            entries,
            file: None,
            head: Vec::new(),
            gone: 0,
            ended: false,
            report,
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
        let Some(entry) = self.entries.next(&mut self.report)? else {
            self.ended = true;
            // How a tar ends.
            self.put(vec![0; 2 * BLOCK]);
            return Ok(());
        };
        let mut name = entry.name;
        match entry.what {
            What::Directory(stat) => {
                name.push(b'/');
                self.put(head(Kind::Directory, &name, &stat, 0));
            }
            What::File(file, stat) => {
                let size = file.size;
                self.put(head(Kind::File, &name, &stat, size));
                if size > 0 {
                    self.file = Some(Sending {
                        file,
                        name,
                        size,
                        sent: 0,
                        short: false,
                    });
                }
            }
            What::Link(target) => {
                let head = Head {
                    kind: Kind::Link(target),
                    name,
                    mode: 0o777,
                    modified: 0,
                    size: 0,
                };
                self.put(head.encode());
            }
        }
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
