//! Files over a connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::fs::*;
use lockgate_wire::lockgate::files::ReplaceFileParams;
use lockgate_wire::{Base64Text, Method};

use super::blocks::{self, Links};
use super::{cannot, each, walk, writer};
use crate::executor::listing::plainly;
use crate::executor::{
    Answer, Blocks, Entry, FileWriter, Files, Kind, Listing, Metadata, Removal, Replaced, Walk,
    Walked,
};
use crate::{Client, ClientError};

impl Files for Client {
    fn read<'a>(&'a self, path: &'a AbsPath, within: Option<&'a Sandbox>) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            let params = ReadFileParams {
                path: self.path(path.clone()),
                sandbox: within.cloned(),
                follow_symlinks: None,
            };
            self.read_file(&params).await
        })
    }

    fn open<'a>(
        &'a self,
        path: &'a AbsPath,
        from: u64,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Blocks> {
        Box::pin(blocks::open(self, path, from, within, Links::Followed))
    }

    fn open_unlinked<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Option<Blocks>> {
        Box::pin(async move {
            let blocks = blocks::open(self, path, 0, within, Links::Refused).await?;
            // Where that was understood, it holds.
            let holds = self.has(Method::LockgateFsListTree)
                || Files::canonicalize(self, path, within).await? == *path;
            Ok(holds.then_some(blocks))
        })
    }

    fn read_each<'a>(
        &'a self,
        paths: &'a [AbsPath],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Vec<Result<Vec<u8>, ClientError>>> {
        Box::pin(each::read(self, paths, within))
    }

    fn metadata_each<'a>(
        &'a self,
        paths: &'a [AbsPath],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Vec<Result<Metadata, ClientError>>> {
        Box::pin(each::metadata(self, paths, within))
    }

    fn create<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, FileWriter> {
        Box::pin(writer::create(self, path, within))
    }

    fn write<'a>(
        &'a self,
        path: &'a AbsPath,
        contents: &'a [u8],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let params = WriteFileParams {
                path: self.path(path.clone()),
                data_base64: Base64Text::encode(contents),
                only_if_sha256: None,
                sandbox: within.cloned(),
                follow_symlinks: None,
            };
            self.write_file(&params).await
        })
    }

    fn replace<'a>(
        &'a self,
        path: &'a AbsPath,
        contents: &'a [u8],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Replaced> {
        Box::pin(async move {
            if !self.has(Method::LockgateFsReplaceFile) {
                Files::write(self, path, contents, within).await?;
                return Ok(Replaced::InPlace);
            }
            let params = ReplaceFileParams {
                path: self.path(path.clone()),
                data_base64: Base64Text::encode(contents),
                durable: false,
                mode: None,
                only_new: false,
                only_if_sha256: None,
                sandbox: within.cloned(),
                follow_symlinks: None,
            };
            self.replace_file(&params).await?;
            Ok(Replaced::AtOnce)
        })
    }

    fn create_directory<'a>(
        &'a self,
        path: &'a AbsPath,
        parents: bool,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let params = CreateDirectoryParams {
                path: self.path(path.clone()),
                recursive: Some(parents),
                sandbox: within.cloned(),
                follow_symlinks: None,
                mode: None,
            };
            Client::create_directory(self, &params).await
        })
    }

    fn metadata<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Metadata> {
        Box::pin(async move {
            let params = GetMetadataParams {
                path: self.path(path.clone()),
                sandbox: within.cloned(),
                follow_symlinks: None,
                every_attribute: self.tells_every_attribute(),
            };
            Ok(found(self, &Client::metadata(self, &params).await?))
        })
    }

    fn list<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let params = listing(self, path, within, false);
            let listed = self.read_directory(&params).await?;
            let entries = listed.entries.into_iter().map(|entry| Entry {
                kind: kind(entry.is_directory, entry.is_file),
                name: entry.file_name,
            });
            Ok(entries.collect())
        })
    }

    fn list_every<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Listing> {
        Box::pin(async move {
            if !self.lists_every_entry() {
                return plainly(self, path, within).await;
            }
            let params = listing(self, path, within, true);
            Ok(self.read_directory(&params).await?.into())
        })
    }

    fn walk<'a>(
        &'a self,
        path: &'a AbsPath,
        walk: Walk,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Walked> {
        Box::pin(walk::below(self, path, walk, within))
    }

    fn canonicalize<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, AbsPath> {
        Box::pin(async move {
            let params = CanonicalizeParams {
                path: self.path(path.clone()),
                sandbox: within.cloned(),
            };
            let real = Client::canonicalize(self, &params).await;
            Ok(real.map_err(cannot("resolve links"))?.path.path)
        })
    }

    fn remove<'a>(
        &'a self,
        path: &'a AbsPath,
        removal: Removal,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let params = RemoveParams {
                path: self.path(path.clone()),
                recursive: Some(removal.recursive),
                force: Some(removal.force),
                sandbox: within.cloned(),
                follow_symlinks: None,
            };
            Client::remove(self, &params).await
        })
    }

    fn copy<'a>(
        &'a self,
        from: &'a AbsPath,
        to: &'a AbsPath,
        recursive: bool,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let params = CopyParams {
                source_path: self.path(from.clone()),
                destination_path: self.path(to.clone()),
                recursive,
                leave_out: false,
                sandbox: within.cloned(),
            };
            Client::copy(self, &params).await.map(|_| ())
        })
    }
}

fn listing(
    client: &Client,
    path: &AbsPath,
    within: Option<&Sandbox>,
    every_entry: bool,
) -> ReadDirectoryParams {
    ReadDirectoryParams {
        path: client.path(path.clone()),
        sandbox: within.cloned(),
        every_entry,
    }
}

/// What the executor said of a path.
pub(super) fn found(client: &Client, found: &MetadataResult) -> Metadata {
    Metadata {
        kind: kind(found.is_directory, found.is_file),
        is_link: found.is_symlink,
        // Those that tell nothing of themselves are of May 2026.
        size: client.environment().map(|_| found.size),
        modified: time(found.modified_at_ms),
        created: time(found.created_at_ms),
        exact: found.kind,
        mode: found.mode,
        uid: found.uid,
        gid: found.gid,
        nlink: found.nlink,
    }
}

fn kind(is_directory: bool, is_file: bool) -> Kind {
    match (is_directory, is_file) {
        (true, _) => Kind::Directory,
        (false, true) => Kind::File,
        (false, false) => Kind::Other,
    }
}

/// Of milliseconds, of which 0 says that nobody knows.
fn time(ms: i64) -> Option<SystemTime> {
    let since = Duration::from_millis(ms.unsigned_abs());
    match ms {
        0 => None,
        1.. => UNIX_EPOCH.checked_add(since),
        _ => UNIX_EPOCH.checked_sub(since),
    }
}
