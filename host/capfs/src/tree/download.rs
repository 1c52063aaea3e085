//! A tree on its way out: a tar that is made as it is read.

use lockgate_grant::AbsPath;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::TreeReport;
use super::entries::{Entries, What};
use super::format::{BLOCK, Head, Kind, cut, padding};
use super::ground::Ground;
use crate::operation::{FsError, OpenFile};
use crate::{contents, limits};

/// A directory's tree as a tar, to be read from its beginning to its end.
pub struct Download {
    entries: Entries,
    file: Option<Sending>,
    /// Bytes that go before anything else, and how many of them have gone: those of the format, and of small files.
    head: Vec<u8>,
    gone: usize,
    /// The last that was made tells of the end of a file.
    cut: bool,
    ended: bool,
    report: TreeReport,
}

/// The file whose contents are on their way.
struct Sending {
    file: OpenFile,
    name: Vec<u8>,
    size: u64,
    sent: u64,
    /// It did not have what its size said but so much: zeros go in place of the rest, and after them the other end is told.
    ended: Option<u64>,
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
            cut: false,
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
                if self.gone == self.head.len() {
                    self.put(Vec::new());
                }
            } else if let Some(sending) = &mut self.file {
                sending.send(room, &mut bytes, &mut self.report);
                if sending.sent == sending.size {
                    let mut after = vec![0; padding(sending.size)];
                    self.cut = sending.ended.is_some();
                    after.extend(sending.ended.map(cut).unwrap_or_default());
                    self.file = None;
                    self.put(after);
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
        let cut = std::mem::take(&mut self.cut);
        let Some(entry) = self.entries.next(&mut self.report)? else {
            self.ended = true;
            let mut end = match cut {
                // Some readers want an entry behind what stands before one. This is the directory itself, as many tars begin with it.
                true => head(Kind::Directory, b"./", &self.entries.root()?, 0),
                false => Vec::new(),
            };
            // How a tar ends.
            end.resize(end.len() + 2 * BLOCK, 0);
            self.put(end);
            return Ok(());
        };
        let mut name = entry.name;
        match entry.what {
            What::Directory(stat) => {
                name.push(b'/');
                self.put(head(Kind::Directory, &name, &stat, 0));
            }
            What::File(file, stat) => self.begin(name, file, &stat),
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

    /// A file that has been counted with the size that it says. Not all say the truth: those of /proc say 0, those of /sys a page, and others become shorter.
    fn begin(&mut self, name: Vec<u8>, file: OpenFile, stat: &Stat) {
        let size = file.size;
        let most = match size {
            0 => limits::TREE_UNSAID_BYTES + 1,
            size if size <= limits::TREE_AHEAD_BYTES => size,
            size if size > limits::TREE_FILE_BYTES => {
                return self.uncount(&name, size, "its size is larger than that of any file");
            }
            size => {
                self.put(head(Kind::File, &name, stat, size));
                self.file = Some(Sending {
                    file,
                    name,
                    size,
                    sent: 0,
                    ended: None,
                });
                return;
            }
        };
        match beginning(&file, most) {
            Ok(read) if read.len() as u64 > limits::TREE_UNSAID_BYTES => self.uncount(
                &name,
                size,
                format!(
                    "it says that it is empty and has more than {} MiB: take it by itself",
                    limits::TREE_UNSAID_BYTES / (1024 * 1024)
                ),
            ),
            Ok(mut entry) => {
                let len = entry.len() as u64;
                self.report.bytes = self.report.bytes.saturating_sub(size) + len;
                entry.resize(entry.len() + padding(len), 0);
                // Before what is there already: so it is not held twice.
                entry.splice(..0, head(Kind::File, &name, stat, len));
                self.put(entry);
            }
            Err(errno) => {
                let reason = format!("it could not be read: {}", FsError::from(errno));
                self.uncount(&name, size, reason);
            }
        }
    }

    /// Leaves out a file that was counted.
    fn uncount(&mut self, name: &[u8], size: u64, reason: impl Into<String>) {
        self.report.files = self.report.files.saturating_sub(1);
        self.report.bytes = self.report.bytes.saturating_sub(size);
        self.report.leave_out(name, reason);
    }
}

/// A file's first bytes: fewer than `most` where it ends sooner. No more room is taken than twice what is there, and what there is no room for is an error.
fn beginning(file: &OpenFile, most: u64) -> Result<Vec<u8>, Errno> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < most {
        // Each piece may have been waited for.
        crate::workers::alive();
        let at = bytes.len();
        // Of those that say that they are empty, most are.
        let piece = match (file.size, at) {
            (0, 0) => BLOCK,
            _ => limits::TREE_AHEAD_BYTES as usize,
        };
        let piece = piece.min(most - at);
        bytes.try_reserve(piece).map_err(|_| Errno::NOMEM)?;
        bytes.resize(at + piece, 0);
        let read =
            rustix::io::retry_on_intr(|| rustix::io::pread(&file.fd, &mut bytes[at..], at as u64));
        bytes.truncate(at + *read.as_ref().unwrap_or(&0));
        if read? == 0 {
            break;
        }
    }
    Ok(bytes)
}

impl Sending {
    /// Adds up to `room` of the file's bytes: as many as its size said, whatever has become of it.
    fn send(&mut self, room: usize, bytes: &mut Vec<u8>, report: &mut TreeReport) {
        let left = self.size - self.sent;
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        let start = bytes.len();
        bytes.resize(start + piece, 0);
        let mut filled = 0;
        while filled < piece && self.ended.is_none() {
            let (at, into) = (self.sent + filled as u64, &mut bytes[start + filled..]);
            let reason = match rustix::io::pread(&self.file.fd, into, at) {
                Ok(0) => "it became shorter while it was read".to_owned(),
                Ok(more) => {
                    filled += more;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    format!("it could not be read to its end: {}", FsError::from(errno))
                }
            };
            self.ended = Some(at);
            // It was counted with all its bytes, and arrives without some of them.
            report.files = report.files.saturating_sub(1);
            report.bytes = report.bytes.saturating_sub(self.size);
            report.leave_out(&self.name, format!("{reason}; {at} bytes of it were"));
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
