//! `fs get`: a file or a directory of the server to a path here.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use lockgate_capfs::{Files, Follow, is_zeros};
use lockgate_wire::Method;
use lockgate_wire::fs::{MetadataResult, ReadBlockParams};
use lockgate_wire::limits::{BLOCK_BYTES, MODE};

use super::cat;
use super::resume::Stream;
use super::settle::settle;
use super::stream::{self, blocking, here};
use super::{Place, about, into, parents, slash};
use crate::failure::Failure;
use crate::output::write;
use crate::progress::Progress;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// With `make` the directories above a directory that is made, too.
pub(super) async fn get(
    place: &Place<'_>,
    path: &Path,
    local: &Path,
    (recursive, make): (bool, bool),
) -> Result<(), Failure> {
    let found = place.metadata(place.path(path)?).await;
    let found = found.map_err(about(place, path))?;
    match found.is_directory {
        false if slash::ends(path) => Err(slash::no_directory(place, path)),
        true if local == Path::new("-") => Err(Failure::usage(
            "`-` is stdout, which takes no directory: name one to make here (./- for one of that name)",
        )),
        true if !into::may_merge(recursive, local) => Err(into::no_merge(path, local)),
        true => {
            parents::local(local, make)?;
            tree(place, path, (local, &found)).await
        }
        false if local == Path::new("-") => {
            cat::contents(place, path, ("get".to_owned(), Some(found.size)), write).await
        }
        false => {
            let local = into::within(place, path, local)?;
            Stream::Fetched.check_file(place, &local, path).await?;
            file(place, path, &local, found.size).await
        }
    }
}

async fn file(place: &Place<'_>, path: &Path, local: &Path, size: u64) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot write `{}`: {error}", local.display()))
    };
    // Made when the first bytes are there: what cannot be read there must not empty what is here.
    let mut made: Option<Made> = None;
    let mut progress = Progress::of(Some(size));
    let write = |bytes: &[u8]| {
        progress.add(bytes.len() as u64);
        let file = match &mut made {
            Some(file) => file,
            None => made.insert(Made::at(local, size).map_err(failed)?),
        };
        file.write(bytes).map_err(failed)
    };
    let got = cat::contents(place, path, ("get".to_owned(), Some(size)), write).await;
    drop(progress);
    let ended = made.map_or(Ok(()), |file| file.end().map_err(failed));
    got.and(ended)
}

/// What is being written here, from its beginning.
struct Made {
    file: File,
    /// It is one that can have holes, and no pipe or device.
    is_file: bool,
    len: u64,
}

impl Made {
    /// What is there is kept if there is no room for `size` bytes.
    fn at(local: &Path, size: u64) -> std::io::Result<Made> {
        let mut options = File::options();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(local)?;
        let found = file.metadata()?;
        let is_file = found.is_file();
        if is_file && found.len() > 0 {
            has_room(&file, size).or_else(|errno| {
                // What it was given of it.
                file.set_len(found.len())?;
                Err(errno)
            })?;
            file.set_len(0)?;
        }
        Ok(Made {
            file,
            is_file,
            len: 0,
        })
    }

    /// Blocks of zeros are not written, so that what has holes there has them here.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self.is_file {
            true if is_zeros(bytes) => {}
            true => self.file.write_all_at(bytes, self.len)?,
            false => self.file.write_all(bytes)?,
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn end(self) -> std::io::Result<()> {
        match self.is_file && self.file.metadata()?.len() < self.len {
            true => self.file.set_len(self.len),
            false => Ok(()),
        }
    }
}

/// Whether so many bytes fit, where the file system can tell.
fn has_room(file: &File, size: u64) -> std::io::Result<()> {
    let errno = match fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Err(errno) => errno,
        Ok(()) => return Ok(()),
    };
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Err(errno.into()),
        _ => Ok(()),
    }
}

/// With what is known of the directory there, for one that has to be made here: its time, and its bits if it says them.
async fn tree(
    place: &Place<'_>,
    path: &Path,
    (local, found): (&Path, &MetadataResult),
) -> Result<(), Failure> {
    stream::needs(place, Method::LockgateFsReadTree)?;
    let to = here(local)?;
    let suspect = Stream::Fetched.suspect(place, &to, path).await?;
    let is_new = matches!(local.try_exists(), Ok(false));
    let mode = found.mode.filter(|_| is_new);
    let handle_id = stream::open(place, path, Method::LockgateFsReadTree, None).await?;
    let failed = |error| Failure::new(format!("cannot write into `{}`: {error}", local.display()));
    let received = async {
        let at = to.clone();
        let mut into = blocking(move || {
            Files::Direct.upload_with(&at, mode.map_or(MODE, |mode| (mode | stream::OPEN) & MODE))
        })
        .await?
        .map_err(failed)?;
        let fetched = Stream::Fetched;
        fetched.check(place, suspect, path, is_new).await?;
        let mut offset = 0;
        let mut progress = Progress::of(None);
        loop {
            let params = ReadBlockParams {
                handle_id: handle_id.clone(),
                offset,
                len: BLOCK_BYTES,
            };
            let block = place.client.read_block(&params).await;
            let block = block.map_err(about(place, path))?;
            offset += block.chunk.len() as u64;
            progress.add(block.chunk.len() as u64);
            let (written, rest) = blocking(move || (into.write(&block.chunk), into)).await?;
            into = rest;
            written.map_err(failed)?;
            if block.eof {
                return blocking(move || into.finish()).await?.map_err(failed);
            }
        }
    };
    let report = stream::or_closed(place, &handle_id, received.await).await?;
    let there = stream::finish(place, path, handle_id).await?;
    let mut report = stream::told(&report);
    if is_new {
        // 0 is one that the server does not know.
        let modified = Some(found.modified_at_ms).filter(|time| *time != 0);
        let settled = blocking(move || settle(&to, mode, modified, Follow::Links)).await?;
        if let Err(error) = settled {
            stream::not_settled(&mut report, local, &error.to_string());
        }
    }
    stream::tell(&there, &report, 0)
}
