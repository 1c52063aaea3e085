//! The files: one directory, whose names say how they behave.
//!
//! | name | what it is |
//! |---|---|
//! | `quick` | a file that reads as `quick` and takes what is written |
//! | `late-lookup…` | a file whose name is looked up late |
//! | `late-read…` | a file whose bytes come late |
//! | `late-write…` | a file that takes what is written late |
//! | `late-close…` | a file whose closing is answered late |
//! | anything else | not there |

use std::ffi::OsStr;
use std::io::Write;
use std::time::{Duration, SystemTime};

use fuser::{
    FileAttr, FileType, Filesystem, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow,
};

use crate::held::Held;

const ROOT: u64 = 1;

/// The bytes of every file.
const CONTENTS: &[u8] = b"quick";

/// Nothing is remembered by the kernel, so that everything asks again.
const FORGET_AT_ONCE: Duration = Duration::ZERO;

/// The file system. Tells on stdout, a line each, what it holds.
pub struct Tree {
    held: Held,
    /// Inode numbers are places in here, counted from 2.
    names: Vec<String>,
}

impl Tree {
    /// With these answers held.
    pub fn new(held: Held) -> Tree {
        Tree {
            held,
            names: vec!["quick".to_owned()],
        }
    }

    /// The inode of a name that exists.
    fn inode(&mut self, name: &OsStr) -> Option<u64> {
        let name = name.to_str()?;
        if name != "quick" && !name.starts_with("late-") {
            return None;
        }
        let place = self
            .names
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                self.names.push(name.to_owned());
                self.names.len() - 1
            });
        Some(place as u64 + 2)
    }

    /// Gives an answer, late where the inode's name says so of this operation.
    fn answer(&self, inode: u64, operation: &str, answer: impl FnOnce() + Send + 'static) {
        let name = inode
            .checked_sub(2)
            .and_then(|place| self.names.get(place as usize));
        match name.and_then(|name| name.strip_prefix("late-")) {
            Some(late) if late.starts_with(operation) => {
                self.held.hold(answer);
                println!("held {operation}");
                let _ = std::io::stdout().flush();
            }
            _ => answer(),
        }
    }
}

fn attributes(inode: u64) -> FileAttr {
    let (kind, perm) = match inode {
        ROOT => (FileType::Directory, 0o755),
        _ => (FileType::RegularFile, 0o644),
    };
    FileAttr {
        ino: inode,
        size: CONTENTS.len() as u64,
        blocks: 1,
        atime: SystemTime::UNIX_EPOCH,
        mtime: SystemTime::UNIX_EPOCH,
        ctime: SystemTime::UNIX_EPOCH,
        crtime: SystemTime::UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Filesystem for Tree {
    fn lookup(&mut self, _: &Request<'_>, _parent: u64, name: &OsStr, reply: ReplyEntry) {
        match self.inode(name) {
            Some(inode) => self.answer(inode, "lookup", move || {
                reply.entry(&FORGET_AT_ONCE, &attributes(inode), 0);
            }),
            None => reply.error(libc::ENOENT),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, inode: u64, reply: ReplyAttr) {
        reply.attr(&FORGET_AT_ONCE, &attributes(inode));
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<u64>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<u32>,
        reply: ReplyAttr,
    ) {
        reply.attr(&FORGET_AT_ONCE, &attributes(inode));
    }

    fn create(
        &mut self,
        _: &Request<'_>,
        _parent: u64,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.inode(name) {
            Some(inode) => reply.created(&FORGET_AT_ONCE, &attributes(inode), 0, 0, 0),
            None => reply.error(libc::EROFS),
        }
    }

    fn open(&mut self, _: &Request<'_>, _inode: u64, _flags: i32, reply: ReplyOpen) {
        reply.opened(0, 0);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _fh: u64,
        offset: i64,
        size: u32,
        _flags: i32,
        _owner: Option<u64>,
        reply: ReplyData,
    ) {
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(CONTENTS.len());
        let to = from.saturating_add(size as usize).min(CONTENTS.len());
        self.answer(inode, "read", move || reply.data(&CONTENTS[from..to]));
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _fh: u64,
        _offset: i64,
        data: &[u8],
        _write_flags: u32,
        _flags: i32,
        _owner: Option<u64>,
        reply: ReplyWrite,
    ) {
        let taken = data.len() as u32;
        self.answer(inode, "write", move || reply.written(taken));
    }

    fn flush(&mut self, _: &Request<'_>, inode: u64, _fh: u64, _owner: u64, reply: ReplyEmpty) {
        self.answer(inode, "close", move || reply.ok());
    }

    fn readdir(
        &mut self,
        _: &Request<'_>,
        _inode: u64,
        _fh: u64,
        offset: i64,
        mut reply: ReplyDirectory,
    ) {
        let entries = [
            (ROOT, FileType::Directory, "."),
            (ROOT, FileType::Directory, ".."),
            (2, FileType::RegularFile, "quick"),
        ];
        for (place, (inode, kind, name)) in entries
            .into_iter()
            .enumerate()
            .skip(usize::try_from(offset).unwrap_or(0))
        {
            if reply.add(inode, place as i64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
