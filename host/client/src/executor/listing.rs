//! All that is in a directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::fs::{DirectoryEntry, FileKind, LeadsTo, ReadDirectoryResult};

use super::{Entry, Files, Kind, Metadata};
use crate::ClientError;

/// What is in a directory, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each name of it.
    pub found: Vec<Listed>,
    /// There is more than an executor tells at once: tens of thousands.
    pub truncated: bool,
    /// Links that lead nowhere are among them, and kinds are told exactly. Where not, the executor tells neither.
    pub is_whole: bool,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Bytes of the file system; of an executor that tells only text, what is not UTF-8 is replaced.
    pub name: OsString,
    /// What it is itself.
    pub kind: FileKind,
    /// Of a link, and of nothing else.
    pub leads_to: Option<LeadsTo>,
}

impl From<ReadDirectoryResult> for Listing {
    fn from(told: ReadDirectoryResult) -> Listing {
        Listing {
            found: told.entries.into_iter().map(Listed::from).collect(),
            truncated: told.truncated,
            is_whole: true,
        }
    }
}

impl From<DirectoryEntry> for Listed {
    fn from(entry: DirectoryEntry) -> Listed {
        let kind = entry.kind.unwrap_or(FileKind::Unknown);
        Listed {
            name: match entry.name_base64 {
                Some(name) => OsString::from_vec(name.0),
                None => entry.file_name.into(),
            },
            kind,
            leads_to: (kind == FileKind::Symlink)
                .then(|| entry.leads_to.unwrap_or(LeadsTo::Nowhere)),
        }
    }
}

/// The same in plain calls: what is there leads somewhere, and a look at each tells whether it is a link.
pub(super) async fn plainly(
    files: &(impl Files + ?Sized),
    directory: &AbsPath,
    within: Option<&Sandbox>,
) -> Result<Listing, ClientError> {
    let entries = files.list(directory, within).await?;
    // A name that is none (a hostile executor) leads nowhere.
    let path = |entry: &Entry| directory.join(OsStr::new(&entry.name)).ok();
    let paths: Vec<_> = entries.iter().filter_map(path).collect();
    let mut looked = files.metadata_each(&paths, within).await?.into_iter();
    let found = entries.into_iter().map(|entry| {
        let looked = path(&entry).and_then(|_| looked.next()?.ok());
        listed(entry, looked)
    });
    Ok(Listing {
        found: found.collect(),
        truncated: false,
        is_whole: false,
    })
}

fn listed(entry: Entry, looked: Option<Metadata>) -> Listed {
    let (kind, leads_to) = match entry.kind {
        Kind::Directory => (FileKind::Directory, LeadsTo::Directory),
        Kind::File => (FileKind::File, LeadsTo::File),
        Kind::Other => (FileKind::Unknown, LeadsTo::Other),
    };
    let is_link = looked.map(|found| found.is_link);
    Listed {
        name: entry.name.into(),
        kind: match is_link {
            Some(true) => FileKind::Symlink,
            Some(false) => kind,
            // It may be one.
            None => FileKind::Unknown,
        },
        leads_to: (is_link == Some(true)).then_some(leads_to),
    }
}
