//! Copying files, links and trees. What is copied is decided here; the bytes go from file to file in the host.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links, WriteHow};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, PathFlags};
use crate::remove::BATCH;
use crate::resolve::{Last, Resolution, at, root};
use crate::{create, open_read, open_write, text};

pub(crate) fn copy(source: String, destination: String, recursive: bool) -> Result<(), Failure> {
    let mut from = Resolution::new(source, Links::Follow);
    let found = from.run(Last::Itself, |path| {
        extra::attributes_at(root(), PathFlags::empty(), at(path))
    })?;
    match found.type_ {
        DescriptorType::RegularFile => file(from.path(), destination),
        DescriptorType::SymbolicLink => link(from.path(), destination),
        DescriptorType::Directory if !recursive => Err(Failure::CopyNeedsRecursive),
        DescriptorType::Directory => {
            if text::is_within(&real_as_far_as_it_exists(&destination)?, from.path()) {
                return Err(Failure::CopyIntoItself);
            }
            tree(from.into_path(), destination)
        }
        _ => Err(Failure::CopyUnsupported),
    }
}

/// The destination's real path; what does not exist of it is taken as it is written.
fn real_as_far_as_it_exists(path: &str) -> Result<String, Failure> {
    let mut existing = path;
    loop {
        let mut resolution = Resolution::new(existing.to_owned(), Links::Follow);
        let looked = resolution.run(Last::Followed, |path| {
            extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
        });
        match looked {
            Err(Failure::System(ErrorCode::NoEntry)) if existing != "/" => {
                existing = text::parent(existing)
            }
            // Ends at the latest at the root, if that may not even be seen: then nothing can be said and nothing copied either.
            Err(failure) => return Err(failure),
            Ok(_) => {
                let missing = path[existing.len()..].trim_start_matches('/');
                return Ok(match missing {
                    "" => resolution.into_path(),
                    missing => text::join(resolution.path(), missing),
                });
            }
        }
    }
}

fn file(source: &str, destination: String) -> Result<(), Failure> {
    let from = open_read(source)?;
    let to = Resolution::new(destination, Links::Follow)
        .run(Last::Followed, |path| open_write(path, WriteHow::CREATE))?;
    Ok(extra::copy_contents(&from, &to)?)
}

fn link(source: &str, destination: String) -> Result<(), Failure> {
    let target = root().readlink_at(at(source))?;
    Resolution::new(destination, Links::Follow)
        .run(Last::Itself, |path| root().symlink_at(&target, at(path)))
}

/// Copies what is in a directory into another, which is made where it is missing; those that are made get the permission bits that they have at the source.
fn tree(source: String, destination: String) -> Result<(), Failure> {
    let mut left = vec![(source, destination)];
    while let Some((source, destination)) = left.pop() {
        create::like(&source, &destination)?;
        let listing = extra::list_at(root(), at(&source))?;
        loop {
            let entries = extra::next_entries(&listing, BATCH)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                let (from, to) = (
                    text::join(&source, &entry.name),
                    text::join(&destination, &entry.name),
                );
                match entry.type_ {
                    DescriptorType::Directory => left.push((from, to)),
                    DescriptorType::RegularFile => file(&from, to)?,
                    DescriptorType::SymbolicLink => link(&from, to)?,
                    // Left out without a word, as the protocol has it.
                    _ => {}
                }
            }
        }
    }
    Ok(())
}
