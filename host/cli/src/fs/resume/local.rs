//! This machine as an end of a transfer: by the same code as the server's, no link is followed below where the transfer begins.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use lockgate_capfs::{
    ErrorKind, Files, Follow, FsError, OpenFile, OpenFor, Outline, OutlineKind, WritableFile,
};
use lockgate_grant::AbsPath;
use lockgate_wire::lockgate::tree::TreeResult;

use super::end::{Broken, CHUNK, End, Found, HIDDEN, Kind, Looked, Looks, Purpose, Version};
use crate::fs::settle;
use crate::fs::stream::{blocking, told};

const FILES: Files = Files::Direct;

pub(super) struct Local;

#[derive(Clone)]
pub(super) enum Opened {
    Reading(Arc<OpenFile>),
    Writing(Arc<WritableFile>),
}

impl From<FsError> for Broken {
    fn from(error: FsError) -> Broken {
        match error {
            FsError::SymbolicLink => Broken::by(LINK.to_owned()),
            error => Broken::by(error.to_string()),
        }
    }
}

/// As trees say it.
const LINK: &str = "a symbolic link is in the way";

impl End for Local {
    type Outline = Box<Outline>;
    type File = Opened;

    async fn real(&self, path: &AbsPath) -> Result<Option<AbsPath>, Broken> {
        let path = path.clone();
        match blocking(move || FILES.canonicalize(&path)).await? {
            Ok(real) => Ok(Some(real)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn outline(&self, path: &AbsPath) -> Result<Box<Outline>, Broken> {
        let path = path.clone();
        let outline = blocking(move || FILES.outline(&path)).await?;
        Ok(Box::new(outline?))
    }

    async fn next(&self, outline: &mut Box<Outline>) -> Result<Vec<Found>, Broken> {
        let mut taken = Vec::with_capacity(CHUNK);
        // Not handed to another thread: it is borrowed, and a local look is short.
        while taken.len() < CHUNK {
            let Some(entry) = outline.next_entry()? else {
                break;
            };
            taken.push(Found {
                name: entry.name.into_vec(),
                kind: match entry.kind {
                    OutlineKind::Directory => Kind::Directory,
                    OutlineKind::File { size } => Kind::File { size },
                    OutlineKind::Link { target } => Kind::Link {
                        target: target.into_vec(),
                    },
                },
                mode: entry.mode,
                modified_ms: entry.modified_ms,
            });
        }
        Ok(taken)
    }

    async fn end(&self, outline: Box<Outline>) -> Result<TreeResult, Broken> {
        Ok(told(outline.report()))
    }

    async fn look(&self, paths: &[AbsPath]) -> Result<Vec<Looked>, Broken> {
        let paths = paths.to_vec();
        Ok(blocking(move || paths.iter().map(look).collect()).await?)
    }

    async fn names(&self, directories: &[AbsPath]) -> Result<Vec<Vec<String>>, Broken> {
        let directories = directories.to_vec();
        let names = move |path: &AbsPath| {
            let entries = FILES.read_directory(path).unwrap_or_default().into_iter();
            entries
                .filter_map(|entry| entry.name.into_string().ok())
                .collect()
        };
        Ok(blocking(move || directories.iter().map(names).collect()).await?)
    }

    async fn contents(&self, path: &AbsPath) -> Result<(Vec<u8>, Looked), Broken> {
        let path = path.clone();
        let read = blocking(move || {
            let file = FILES.open(&path, Follow::Nothing)?;
            // One byte more than there may be tells that it has grown.
            let bytes = file.read_at(0, super::file::SMALL as usize + 1)?;
            Ok::<_, FsError>((bytes, look(&path)))
        });
        Ok(read.await??)
    }

    async fn open(&self, path: &AbsPath, purpose: Purpose) -> Result<Opened, Broken> {
        let path = path.clone();
        let opened = blocking(move || {
            Ok::<_, FsError>(match purpose {
                Purpose::Read => Opened::Reading(Arc::new(FILES.open(&path, Follow::Nothing)?)),
                Purpose::Begin => Opened::Writing(Arc::new(FILES.open_write(
                    &path,
                    OpenFor::Replace,
                    Follow::Nothing,
                )?)),
                Purpose::GoOn => Opened::Writing(Arc::new(FILES.open_write(
                    &path,
                    OpenFor::Update,
                    Follow::Nothing,
                )?)),
            })
        });
        Ok(opened.await??)
    }

    async fn hide(&self, partial: &AbsPath) -> Result<(), Broken> {
        let partial = partial.clone();
        Ok(blocking(move || FILES.set_mode(&partial, HIDDEN, Follow::Nothing)).await??)
    }

    async fn read(&self, file: &Opened, offset: u64, len: u64) -> Result<Vec<u8>, Broken> {
        let (file, len) = (file.clone(), usize::try_from(len).unwrap_or(usize::MAX));
        let read = blocking(move || match file {
            Opened::Reading(file) => file.read_at(offset, len),
            Opened::Writing(file) => file.read_at(offset, len),
        });
        Ok(read.await??)
    }

    async fn write(&self, file: &Opened, offset: u64, bytes: Vec<u8>) -> Result<(), Broken> {
        let Opened::Writing(file) = file.clone() else {
            return Err(Broken::by("it was opened for reading".to_owned()));
        };
        Ok(blocking(move || file.write_at(offset, &bytes)).await??)
    }

    async fn close(&self, _: Opened) -> Result<(), Broken> {
        Ok(())
    }

    async fn place(
        &self,
        partial: &AbsPath,
        path: &AbsPath,
        bytes: Vec<u8>,
        looks: Looks,
    ) -> Result<(), Broken> {
        let (partial, path) = (partial.clone(), path.clone());
        let placed = blocking(move || {
            let file = FILES.open_write(&partial, OpenFor::Replace, Follow::Nothing)?;
            if looks.hide() {
                FILES.set_mode(&partial, HIDDEN, Follow::Nothing)?;
            }
            if !bytes.is_empty() {
                file.write_at(0, &bytes)?;
            }
            drop(file);
            finish(&partial, &path, looks)
        });
        Ok(placed.await??)
    }

    async fn finish(&self, partial: &AbsPath, path: &AbsPath, looks: Looks) -> Result<(), Broken> {
        let (partial, path) = (partial.clone(), path.clone());
        Ok(blocking(move || finish(&partial, &path, looks)).await??)
    }

    async fn remove(&self, path: &AbsPath) -> Result<(), Broken> {
        let path = path.clone();
        Ok(blocking(move || FILES.remove(&path, false, true, Follow::Links)).await??)
    }

    async fn make_directories(
        &self,
        directories: &[(AbsPath, Looks)],
    ) -> Result<Vec<Result<(), Broken>>, Broken> {
        let directories = directories.to_vec();
        let make = |(path, looks): &(AbsPath, Looks)| Ok(make(path, *looks)?);
        Ok(blocking(move || directories.iter().map(make).collect()).await?)
    }

    async fn make_marked(
        &self,
        path: &AbsPath,
        mark: &AbsPath,
        looks: Looks,
    ) -> Result<(), Broken> {
        let (path, mark) = (path.clone(), mark.clone());
        let made = blocking(move || {
            make(&path, looks)?;
            if let Err(error) = FILES.open_write(&mark, OpenFor::Replace, Follow::Nothing) {
                tracing::debug!(%error, "a directory that was made is not marked as such");
            }
            settle(&path, looks)
        });
        Ok(made.await??)
    }

    async fn settle_marked(
        &self,
        path: &AbsPath,
        mark: Option<&AbsPath>,
        looks: Looks,
    ) -> Result<(), Broken> {
        let (path, mark) = (path.clone(), mark.cloned());
        let settled = blocking(move || {
            if let Some(mark) = mark {
                FILES.remove(&mark, false, true, Follow::Links)?;
            }
            settle(&path, looks)
        });
        Ok(settled.await??)
    }

    async fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), Broken> {
        let (target, path) = (target.to_vec(), path.clone());
        let made = blocking(move || {
            // A name that is taken by anything but a link stays.
            let found = std::fs::symlink_metadata(path.as_path());
            if found.is_ok_and(|found| found.is_symlink()) {
                FILES.remove(&path, false, true, Follow::Links)?;
            }
            FILES.symlink(OsStr::from_bytes(&target), &path)
        });
        Ok(made.await??)
    }

    async fn settle(
        &self,
        directories: &[(AbsPath, Looks)],
    ) -> Result<Vec<Result<(), Broken>>, Broken> {
        let directories = directories.to_vec();
        let one = |(path, looks): &(AbsPath, Looks)| Ok(settle(path, *looks)?);
        Ok(blocking(move || directories.iter().map(one).collect()).await?)
    }
}

fn make(path: &AbsPath, looks: Looks) -> Result<(), FsError> {
    FILES.create_directory_with(path, true, Follow::Nothing, looks.mode)
}

fn look(path: &AbsPath) -> Looked {
    match FILES.metadata(path, Follow::Nothing) {
        Ok(found) if found.is_directory => Looked::Directory,
        Ok(found) if found.is_file => Looked::File(Version {
            size: found.size,
            modified_ms: found.modified_ms,
        }),
        Ok(_) => Looked::Refused(FsError::NotRegular.to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Looked::Nothing,
        Err(error) => Looked::Refused(Broken::from(error).text),
    }
}

fn finish(partial: &AbsPath, path: &AbsPath, looks: Looks) -> Result<(), FsError> {
    settle(partial, looks)?;
    FILES.rename(partial, path, true)
}

fn settle(path: &AbsPath, looks: Looks) -> Result<(), FsError> {
    let Looks { mode, modified_ms } = looks;
    settle::settle(path, Some(mode), Some(modified_ms), Follow::Nothing)
}
