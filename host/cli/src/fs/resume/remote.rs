//! A server as an end of a transfer. What can go in one round trip does: a small file takes one.

mod batch;

use std::cell::Cell;

use lockgate_grant::AbsPath;
use lockgate_wire::fs::{
    CanonicalizeParams, CloseParams, GetMetadataParams, OpenMode, OpenParams, ReadBlockParams,
    ReadDirectoryParams, ReadDirectoryResult, ReadFileParams, ReadFileResult, RemoveParams,
    WriteBlockParams,
};
use lockgate_wire::limits::BLOCK_BYTES;
use lockgate_wire::lockgate::batch::BatchOutcome;
use lockgate_wire::lockgate::files::SymlinkParams;
use lockgate_wire::lockgate::tree::{
    FinishTreeParams, OpenTreeParams, TreeKind, TreeLine, TreeResult,
};
use lockgate_wire::{Base64Text, Method, WirePath, code};

use super::end::{Broken, CHUNK, End, Found, HIDDEN, Kind, Looked, Looks, Purpose};
use crate::fs::Place;
use batch::{OF_THE_BATCH, decoded, done, looked, no_sense, operation};

/// A name of 4 KiB and a target as long, each byte of both escaped, with room to spare.
const LONGEST_LINE: usize = 64 * 1024;

pub(super) struct Remote<'a> {
    place: &'a Place<'a>,
    handles: Cell<u64>,
}

pub(super) struct Listed {
    handle_id: String,
    offset: u64,
    /// Lines that came and were not yet taken.
    ahead: Vec<u8>,
    eof: bool,
}

impl<'a> Remote<'a> {
    pub(super) fn new(place: &'a Place<'a>) -> Remote<'a> {
        Remote {
            place,
            handles: Cell::new(0),
        }
    }

    fn path(&self, path: &AbsPath) -> WirePath {
        self.place.client.path(path.clone())
    }

    fn handle(&self) -> String {
        self.handles.set(self.handles.get() + 1);
        format!("resume-{}", self.handles.get())
    }
}

impl End for Remote<'_> {
    type Outline = Listed;
    type File = String;

    async fn real(&self, path: &AbsPath) -> Result<Option<AbsPath>, Broken> {
        let params = CanonicalizeParams {
            path: self.path(path),
            sandbox: self.place.sandbox.clone(),
        };
        match self.place.client.canonicalize(&params).await {
            Ok(found) => Ok(Some(found.path.path)),
            Err(error) if error.code() == Some(code::NOT_FOUND) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn outline(&self, path: &AbsPath) -> Result<Listed, Broken> {
        let params = OpenTreeParams {
            handle_id: self.handle(),
            path: self.path(path),
            sandbox: self.place.sandbox.clone(),
            mode: None,
        };
        let opened = self.place.client.list_tree(&params).await?;
        Ok(Listed {
            handle_id: opened.handle_id,
            offset: 0,
            ahead: Vec::new(),
            eof: false,
        })
    }

    async fn next(&self, listed: &mut Listed) -> Result<Vec<Found>, Broken> {
        while !listed.eof && !listed.ahead.contains(&b'\n') {
            if listed.ahead.len() > LONGEST_LINE {
                return Err(no_sense("a line of a tree is too long"));
            }
            let block = self
                .place
                .client
                .read_block(&ReadBlockParams {
                    handle_id: listed.handle_id.clone(),
                    offset: listed.offset,
                    len: BLOCK_BYTES,
                })
                .await?;
            listed.offset += block.chunk.len() as u64;
            listed.eof = block.eof;
            listed.ahead.extend_from_slice(&block.chunk);
        }
        let mut found = Vec::new();
        let mut taken = 0;
        for line in listed.ahead.split_inclusive(|byte| *byte == b'\n') {
            if found.len() == CHUNK || line.last() != Some(&b'\n') {
                break;
            }
            taken += line.len();
            let line: TreeLine =
                serde_json::from_slice(line).map_err(|error| no_sense(&error.to_string()))?;
            found.push(Found {
                name: line.name.as_bytes().to_vec(),
                kind: match line.kind {
                    TreeKind::Directory => Kind::Directory,
                    TreeKind::File { size } => Kind::File { size },
                    TreeKind::Link { target } => Kind::Link {
                        target: target.as_bytes().to_vec(),
                    },
                },
                mode: line.mode & lockgate_wire::limits::MODE,
                modified_ms: line.modified_at_ms,
            });
        }
        listed.ahead.drain(..taken);
        match found.is_empty() && !listed.ahead.is_empty() {
            true => Err(no_sense("a tree ends in the middle of a line")),
            false => Ok(found),
        }
    }

    async fn end(&self, listed: Listed) -> Result<TreeResult, Broken> {
        let handle_id = listed.handle_id;
        let params = FinishTreeParams { handle_id };
        Ok(self.place.client.finish_tree(&params).await?)
    }

    async fn look(&self, paths: &[AbsPath]) -> Result<Vec<Looked>, Broken> {
        let operations = paths.iter().map(|path| self.metadata(path));
        let outcomes = self.each(operations.collect::<Result<_, _>>()?).await?;
        outcomes.iter().map(looked).collect()
    }

    async fn names(&self, directories: &[AbsPath]) -> Result<Vec<Vec<String>>, Broken> {
        let operations = directories.iter().map(|path| {
            let params = ReadDirectoryParams {
                path: self.path(path),
                sandbox: OF_THE_BATCH,
                every_entry: false,
            };
            operation(Method::FsReadDirectory, &params)
        });
        let outcomes = self.each(operations.collect::<Result<_, _>>()?).await?;
        let names = outcomes.iter().map(|outcome| match outcome {
            BatchOutcome::Error(_) => Ok(Vec::new()),
            listed => {
                let listed: ReadDirectoryResult = decoded(listed)?;
                let names = listed.entries.into_iter();
                Ok(names.map(|entry| entry.file_name).collect())
            }
        });
        names.collect()
    }

    async fn contents(&self, path: &AbsPath) -> Result<(Vec<u8>, Looked), Broken> {
        let read = ReadFileParams {
            path: self.path(path),
            sandbox: OF_THE_BATCH,
            follow_symlinks: Some(false),
        };
        let operations = vec![operation(Method::FsReadFile, &read)?, self.metadata(path)?];
        let outcomes = self.all(operations).await?;
        let [read, metadata] = &outcomes[..] else {
            return Err(no_sense("a batch has another number of results"));
        };
        let contents: ReadFileResult = decoded(read)?;
        Ok((contents.data_base64.0, looked(metadata)?))
    }

    async fn open(&self, path: &AbsPath, purpose: Purpose) -> Result<String, Broken> {
        let params = OpenParams {
            handle_id: self.handle(),
            path: self.path(path),
            sandbox: self.place.sandbox.clone(),
            mode: match purpose {
                Purpose::Read => OpenMode::Read,
                Purpose::Begin => OpenMode::Replace,
                Purpose::GoOn => OpenMode::Update,
            },
            follow_symlinks: Some(false),
        };
        Ok(self.place.client.open(&params).await?.handle_id)
    }

    async fn hide(&self, partial: &AbsPath) -> Result<(), Broken> {
        let operations = vec![self.mode(partial, HIDDEN)?];
        self.all(operations).await.map(drop)
    }

    async fn read(&self, file: &String, offset: u64, len: u64) -> Result<Vec<u8>, Broken> {
        let params = ReadBlockParams {
            handle_id: file.clone(),
            offset,
            len,
        };
        let block = self.place.client.read_block(&params).await?;
        Ok(block.chunk.0)
    }

    async fn write(&self, file: &String, offset: u64, bytes: Vec<u8>) -> Result<(), Broken> {
        let params = WriteBlockParams {
            handle_id: file.clone(),
            offset: Some(offset),
            chunk: Base64Text::encode(&bytes),
        };
        Ok(self.place.client.write_block(&params).await?)
    }

    async fn close(&self, handle_id: String) -> Result<(), Broken> {
        let params = CloseParams { handle_id };
        Ok(self.place.client.close_file(&params).await?)
    }

    async fn place(
        &self,
        partial: &AbsPath,
        path: &AbsPath,
        bytes: Vec<u8>,
        looks: Looks,
    ) -> Result<(), Broken> {
        let [times, mode] = self.looks(partial, looks)?;
        let mut operations = Vec::new();
        if looks.hide() {
            operations.push(self.write_small(partial, &[])?);
            operations.push(self.mode(partial, HIDDEN)?);
        }
        let written = self.write_small(partial, &bytes)?;
        operations.extend([written, times, mode, self.rename(partial, path)?]);
        self.all(operations).await.map(drop)
    }

    async fn finish(&self, partial: &AbsPath, path: &AbsPath, looks: Looks) -> Result<(), Broken> {
        let [times, mode] = self.looks(partial, looks)?;
        let operations = vec![times, mode, self.rename(partial, path)?];
        self.all(operations).await.map(drop)
    }

    async fn remove(&self, path: &AbsPath) -> Result<(), Broken> {
        let params = RemoveParams {
            path: self.path(path),
            recursive: Some(false),
            force: Some(true),
            sandbox: self.place.sandbox.clone(),
            follow_symlinks: None,
        };
        Ok(self.place.client.remove(&params).await?)
    }

    async fn make_directories(
        &self,
        directories: &[(AbsPath, Looks)],
    ) -> Result<Vec<Result<(), Broken>>, Broken> {
        let new = directories.iter();
        let operations = new.map(|(path, looks)| self.directory(path, looks.mode));
        let outcomes = self.each(operations.collect::<Result<_, _>>()?).await?;
        Ok(outcomes.iter().map(done).collect())
    }

    async fn make_marked(
        &self,
        path: &AbsPath,
        mark: &AbsPath,
        looks: Looks,
    ) -> Result<(), Broken> {
        let [times, mode] = self.looks(path, looks)?;
        let mark = self.write_small(mark, &[])?;
        // In one message, so that a client that is killed has not done a part of it. The mark comes last: it may fail.
        let operations = vec![self.directory(path, looks.mode)?, times, mode, mark];
        let outcomes = self.batch(operations, true).await?;
        outcomes.iter().take(3).try_for_each(done)
    }

    async fn settle_marked(
        &self,
        path: &AbsPath,
        mark: Option<&AbsPath>,
        looks: Looks,
    ) -> Result<(), Broken> {
        let [times, mode] = self.looks(path, looks)?;
        let mut operations = Vec::new();
        if let Some(mark) = mark {
            let params = RemoveParams {
                path: self.path(mark),
                recursive: Some(false),
                force: Some(true),
                sandbox: OF_THE_BATCH,
                follow_symlinks: Some(false),
            };
            operations.push(operation(Method::FsRemove, &params)?);
        }
        operations.extend([times, mode]);
        self.all(operations).await.map(drop)
    }

    async fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), Broken> {
        let target = std::str::from_utf8(target)
            .map_err(|_| Broken::by("what it says is not UTF-8".to_owned()))?;
        let params = SymlinkParams {
            target: target.to_owned(),
            path: self.path(path),
            sandbox: self.place.sandbox.clone(),
        };
        let taken = match self.place.client.symlink(&params).await {
            Ok(()) => return Ok(()),
            Err(error) => Broken::from(error),
        };
        if !taken.text.contains("(os error 17)") {
            return Err(taken);
        }
        // Only another link is replaced. Of one that leads nowhere nothing else is told than that there is nothing.
        let metadata = GetMetadataParams {
            path: self.path(path),
            sandbox: self.place.sandbox.clone(),
            follow_symlinks: None,
            every_attribute: false,
        };
        match self.place.client.metadata(&metadata).await {
            Ok(found) if found.is_symlink => {}
            Err(error) if error.code() == Some(code::NOT_FOUND) => {}
            Ok(_) => return Err(taken),
            Err(error) => return Err(error.into()),
        }
        self.remove(path).await?;
        Ok(self.place.client.symlink(&params).await?)
    }

    async fn settle(
        &self,
        directories: &[(AbsPath, Looks)],
    ) -> Result<Vec<Result<(), Broken>>, Broken> {
        let mut operations = Vec::with_capacity(2 * directories.len());
        for (path, looks) in directories {
            operations.extend(self.looks(path, *looks)?);
        }
        let outcomes = self.each(operations).await?;
        let both = outcomes
            .chunks(2)
            .map(|both| both.iter().try_for_each(done));
        Ok(both.collect())
    }
}
