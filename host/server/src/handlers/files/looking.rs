//! What is there: metadata, real paths, listings, walks.

use std::os::unix::ffi::OsStrExt;

use lockgate_capfs::operation::{self, Follow, Metadata, WalkOptions};
use lockgate_capfs::{AbsPath, Files};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::WirePath;
use lockgate_wire::fs::{
    CanonicalizeParams, CanonicalizeResult, DirectoryEntry, FileKind, GetMetadataParams, LeadsTo,
    MetadataResult, ReadDirectoryParams, ReadDirectoryResult, WalkEntry, WalkError, WalkKind,
    WalkParams, WalkResult,
};

use super::{OneShot, Raw, follow};
use crate::failure::Failure;
use crate::lane::Order;
use crate::policy::{FileAction, file_verb, file_walk};

/// `fs/getMetadata`.
pub(crate) struct GetMetadata {
    path: AbsPath,
    follow: Follow,
    every_attribute: bool,
}

impl OneShot for GetMetadata {
    type Params<'a> = GetMetadataParams<Raw<'a>>;
    type Result = MetadataResult;
    const ORDER: Order = Order::Shared;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = GetMetadata {
            path: params.path.path,
            follow: follow(params.follow_symlinks),
            every_attribute: params.every_attribute,
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Metadata, &self.path, Access::Look)
    }

    fn run(self, files: &Files) -> Result<MetadataResult, Failure> {
        let found = files.metadata(&self.path, self.follow)?;
        Ok(metadata(&found, self.every_attribute))
    }

    fn try_run(&self, files: &Files) -> Option<Result<MetadataResult, Failure>> {
        let found = files.try_metadata(&self.path, self.follow)?;
        let found = found.map_err(Failure::from);
        Some(found.map(|found| metadata(&found, self.every_attribute)))
    }
}

fn metadata(found: &Metadata, every_attribute: bool) -> MetadataResult {
    let owner = found.owner.filter(|_| every_attribute);
    MetadataResult {
        is_directory: found.is_directory,
        is_file: found.is_file,
        is_symlink: found.is_symlink,
        size: found.size,
        created_at_ms: found.created_ms,
        modified_at_ms: found.modified_ms,
        kind: every_attribute.then(|| kind(found.kind)),
        mode: owner.map(|_| found.mode),
        uid: owner.map(|owner| owner.uid),
        gid: owner.map(|owner| owner.gid),
        nlink: owner.and_then(|owner| owner.links),
    }
}

/// `fs/canonicalize`.
pub(crate) struct Canonicalize {
    path: AbsPath,
}

impl OneShot for Canonicalize {
    type Params<'a> = CanonicalizeParams<Raw<'a>>;
    type Result = CanonicalizeResult;
    const ORDER: Order = Order::Shared;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let path = params.path.path;
        Ok((Canonicalize { path }, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Canonicalize, &self.path, Access::Look)
    }

    fn run(self, files: &Files) -> Result<CanonicalizeResult, Failure> {
        let path = WirePath::uri(files.canonicalize(&self.path)?);
        Ok(CanonicalizeResult { path })
    }
}

/// `fs/readDirectory`.
pub(crate) struct ReadDirectory {
    path: AbsPath,
    every_entry: bool,
}

impl OneShot for ReadDirectory {
    type Params<'a> = ReadDirectoryParams<Raw<'a>>;
    type Result = ReadDirectoryResult;
    const ORDER: Order = Order::Shared;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = ReadDirectory {
            path: params.path.path,
            every_entry: params.every_entry,
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::ReadDirectory, &self.path, Access::Read)
    }

    fn run(self, files: &Files) -> Result<ReadDirectoryResult, Failure> {
        if self.every_entry {
            let listed = files.list_directory(&self.path)?;
            return Ok(ReadDirectoryResult {
                entries: listed.entries.into_iter().map(described).collect(),
                truncated: listed.truncated,
            });
        }
        let entries = files.read_directory(&self.path)?;
        Ok(ReadDirectoryResult {
            entries: entries.iter().map(plain).collect(),
            truncated: false,
        })
    }
}

/// As the protocol has it.
fn plain(entry: &operation::Entry) -> DirectoryEntry {
    DirectoryEntry {
        file_name: entry.name.to_string_lossy().into_owned(),
        is_directory: entry.is_directory(),
        is_file: entry.is_file(),
        kind: None,
        leads_to: None,
        name_base64: None,
    }
}

fn described(entry: operation::Entry) -> DirectoryEntry {
    DirectoryEntry {
        kind: Some(kind(entry.kind)),
        leads_to: entry.leads_to.map(|leads_to| match leads_to {
            operation::LeadsTo::File => LeadsTo::File,
            operation::LeadsTo::Directory => LeadsTo::Directory,
            operation::LeadsTo::Other => LeadsTo::Other,
            operation::LeadsTo::Nowhere => LeadsTo::Nowhere,
        }),
        name_base64: (entry.name.to_str().is_none()).then(|| entry.name.as_bytes().to_vec().into()),
        ..plain(&entry)
    }
}

fn kind(kind: operation::FileKind) -> FileKind {
    match kind {
        operation::FileKind::File => FileKind::File,
        operation::FileKind::Directory => FileKind::Directory,
        operation::FileKind::Symlink => FileKind::Symlink,
        operation::FileKind::Fifo => FileKind::Fifo,
        operation::FileKind::Socket => FileKind::Socket,
        operation::FileKind::BlockDevice => FileKind::BlockDevice,
        operation::FileKind::CharacterDevice => FileKind::CharacterDevice,
        operation::FileKind::Unknown => FileKind::Unknown,
    }
}

/// `fs/walk`.
pub(crate) struct Walk {
    path: AbsPath,
    options: WalkOptions,
}

impl OneShot for Walk {
    type Params<'a> = WalkParams<Raw<'a>>;
    type Result = WalkResult;
    const ORDER: Order = Order::Shared;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let asked = params.options;
        // What does not fit is far above the ceiling, which `check` names.
        let bound = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let options = WalkOptions {
            max_depth: bound(asked.max_depth),
            max_directories: bound(asked.max_directories),
            max_entries: bound(asked.max_entries),
            follow_directory_symlinks: asked.follow_directory_symlinks,
            prune_hidden_directories: asked.prune_hidden_directories,
            prune_links: asked.prune_links,
        };
        options.check()?;
        let path = params.path.path;
        Ok((Walk { path, options }, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_walk(&self.path, &self.options)
    }

    fn run(self, files: &Files) -> Result<WalkResult, Failure> {
        let outcome = files.walk(&self.path, &self.options)?;
        Ok(WalkResult {
            entries: outcome
                .entries
                .into_iter()
                .map(|entry| WalkEntry {
                    path: WirePath::uri(entry.path),
                    kind: match entry.kind {
                        operation::WalkKind::Directory => WalkKind::Directory,
                        operation::WalkKind::File => WalkKind::File,
                    },
                })
                .collect(),
            errors: outcome
                .errors
                .into_iter()
                .map(|(path, message)| WalkError {
                    path: WirePath::uri(path),
                    message,
                })
                .collect(),
            truncated: outcome.truncated,
        })
    }
}
