//! Removing names and trees. A link is removed, never what it leads to; names are taken from a listing in batches, so a directory
//! of a million names does not have to fit in here.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, PathFlags};
use crate::resolve::{Last, Resolution, at, root};
use crate::text;

/// Names a batch: some KiB of guest memory.
pub(crate) const BATCH: u32 = 256;

/// Deeper trees than any path of the system reaches would only be made by somebody who makes them while they are removed.
const DEEPEST: usize = 2048;

/// Times that a directory is emptied again because it did not stay empty.
const MOST_ROUNDS: u32 = 3;

pub(crate) fn remove(
    path: String,
    recursive: bool,
    force: bool,
    links: Links,
) -> Result<(), Failure> {
    let mut resolution = Resolution::new(path, links);
    let removed = resolution.run(Last::Itself, look).and_then(|kind| {
        let path = resolution.path();
        match kind {
            DescriptorType::SymbolicLink if links == Links::Refuse => Err(Failure::SymbolicLink),
            DescriptorType::Directory if recursive => tree(path),
            DescriptorType::Directory => Ok(root().remove_directory_at(at(path))?),
            _ => Ok(root().unlink_file_at(at(path))?),
        }
    });
    match removed {
        Err(Failure::System(ErrorCode::NoEntry)) if force => Ok(()),
        removed => removed,
    }
}

/// What is to be removed. Where nothing is granted there is nothing to be seen; but removing it is refused, not called done.
fn look(path: &str) -> Result<DescriptorType, ErrorCode> {
    match extra::attributes_at(root(), PathFlags::empty(), at(path)) {
        Ok(found) => Ok(found.type_),
        Err(ErrorCode::NoEntry) => match root().unlink_file_at(at(path)) {
            Err(ErrorCode::Access) => Err(ErrorCode::Access),
            _ => Err(ErrorCode::NoEntry),
        },
        Err(code) => Err(code),
    }
}

/// A directory on the way down.
struct Level {
    path: String,
    /// Directories found in it that are still to be removed.
    directories: Vec<String>,
    rounds: u32,
}

fn tree(path: &str) -> Result<(), Failure> {
    let mut levels = vec![empty(path.to_owned(), 0)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            let path = text::join(&level.path, &name);
            if levels.len() == DEEPEST {
                return Err(ErrorCode::TooManyLinks.into());
            }
            match empty(path, 0) {
                Ok(level) => levels.push(level),
                // Gone, or no directory any more; in the second case removing what holds it will tell.
                Err(ErrorCode::NoEntry | ErrorCode::NotDirectory | ErrorCode::Loop) => {}
                Err(code) => return Err(code.into()),
            }
            continue;
        }
        match root().remove_directory_at(at(&level.path)) {
            Ok(()) | Err(ErrorCode::NoEntry) => {}
            Err(ErrorCode::NotEmpty | ErrorCode::Exist) if level.rounds < MOST_ROUNDS => {
                let (path, rounds) = (std::mem::take(&mut level.path), level.rounds + 1);
                *level = empty(path, rounds)?;
                continue;
            }
            Err(code) => return Err(code.into()),
        }
        levels.pop();
    }
    Ok(())
}

/// Removes everything from a directory but the directories in it.
fn empty(path: String, rounds: u32) -> Result<Level, ErrorCode> {
    let listing = extra::list_at(root(), at(&path))?;
    let mut directories = Vec::new();
    loop {
        let entries = extra::next_entries(&listing, BATCH)?;
        if entries.is_empty() {
            return Ok(Level {
                path,
                directories,
                rounds,
            });
        }
        for entry in entries {
            if entry.type_ == DescriptorType::Directory {
                directories.push(entry.name);
                continue;
            }
            match root().unlink_file_at(at(&text::join(&path, &entry.name))) {
                Ok(()) | Err(ErrorCode::NoEntry) => {}
                // It became a directory meanwhile.
                Err(ErrorCode::IsDirectory) => directories.push(entry.name),
                Err(code) => return Err(code),
            }
        }
    }
}
