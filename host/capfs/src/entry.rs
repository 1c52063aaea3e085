//! What is in a directory: every name with what it is itself, and of a link where it leads.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;

use crate::limits;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, in the filesystem's bytes.
    pub name: OsString,
    /// What it is itself.
    pub kind: FileKind,
    /// Of a link, and of nothing else.
    pub leads_to: Option<LeadsTo>,
}

/// What something is, itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the kinds that POSIX has
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    BlockDevice,
    CharacterDevice,
    /// The file system does not say.
    Unknown,
}

/// Where a link leads in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadsTo {
    /// To a regular file.
    File,
    /// To a directory.
    Directory,
    /// To a pipe, a socket, a device.
    Other,
    /// To nothing that may be looked at: what is not granted and what is not there are the same.
    Nowhere,
}

/// What is in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// In any order.
    pub entries: Vec<Entry>,
    /// There are more than was asked for.
    pub truncated: bool,
}

impl Entry {
    /// It is a directory, or leads to one.
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory || self.leads_to == Some(LeadsTo::Directory)
    }

    /// It is a regular file, or leads to one.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File || self.leads_to == Some(LeadsTo::File)
    }

    /// It, or what it leads to, could be looked at.
    fn is_known(&self) -> bool {
        self.kind != FileKind::Unknown && self.leads_to != Some(LeadsTo::Nowhere)
    }
}

impl From<FileType> for FileKind {
    fn from(file_type: FileType) -> FileKind {
        match file_type {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Symlink,
            FileType::Fifo => FileKind::Fifo,
            FileType::Socket => FileKind::Socket,
            FileType::BlockDevice => FileKind::BlockDevice,
            FileType::CharacterDevice => FileKind::CharacterDevice,
            FileType::Unknown => FileKind::Unknown,
        }
    }
}

impl LeadsTo {
    pub(crate) fn to(is_directory: bool, is_file: bool) -> LeadsTo {
        match (is_directory, is_file) {
            (true, _) => LeadsTo::Directory,
            (false, true) => LeadsTo::File,
            (false, false) => LeadsTo::Other,
        }
    }
}

/// How much of a directory is gathered.
#[derive(Debug)]
pub(crate) enum Room {
    /// All of it.
    Endless,
    /// What one answer holds.
    Left { entries: usize, name_bytes: usize },
}

impl Room {
    pub(crate) fn of_an_answer() -> Room {
        Room::Left {
            entries: limits::LISTED_ENTRIES,
            name_bytes: limits::LISTED_NAME_BYTES,
        }
    }

    fn takes(&mut self, name: &OsString) -> bool {
        let Room::Left {
            entries,
            name_bytes,
        } = self
        else {
            return true;
        };
        let length = name.as_bytes().len();
        let takes = *entries > 0 && *name_bytes >= length;
        if takes {
            *entries -= 1;
            *name_bytes -= length;
        }
        takes
    }
}

impl Listed {
    /// Puts one more name in, with what `look` says of it, unless there is no room: then the listing is over.
    pub(crate) fn take<E>(
        &mut self,
        room: &mut Room,
        name: OsString,
        look: impl FnOnce(&OsString) -> Result<(FileKind, Option<LeadsTo>), E>,
    ) -> Result<bool, E> {
        if !room.takes(&name) {
            self.truncated = true;
            return Ok(false);
        }
        let (kind, leads_to) = look(&name)?;
        self.entries.push(Entry {
            name,
            kind,
            leads_to,
        });
        Ok(true)
    }

    /// Without what leads nowhere, as the protocol has it.
    pub(crate) fn known(mut self) -> Vec<Entry> {
        self.entries.retain(Entry::is_known);
        self.entries
    }
}
