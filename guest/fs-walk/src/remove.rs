//! Removing. A tree goes in two passes: from the top down everything that is no directory, then the directories from the last to
//! the first.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, PathFlags};
use crate::trail::{Last, at_end_of, root};
use crate::tree::{Number, Tree, directory};

/// Passes over a tree that somebody else puts things into.
const MOST_PASSES: usize = 4;

pub(crate) fn remove(path: &str, recursive: bool, links: Links) -> Result<(), Failure> {
    let (kind, below) = at_end_of(path, links, Last::Itself, |trail| {
        let found = match root().stat_at(PathFlags::empty(), trail.below()) {
            // Nothing, or nothing that we may see. Only trying tells: what is not granted is refused, not missing.
            Err(ErrorCode::NoEntry) => return Err(missing(trail.below())),
            found => found?,
        };
        Ok((found.type_, trail.below().to_owned()))
    })?;
    match kind {
        DescriptorType::SymbolicLink if links == Links::Refuse => Err(Failure::SymbolicLink),
        DescriptorType::Directory if recursive => Ok(tree(&below)?),
        DescriptorType::Directory => Ok(root().remove_directory_at(&below)?),
        _ => Ok(root().unlink_file_at(&below)?),
    }
}

fn missing(below: &str) -> ErrorCode {
    match root().unlink_file_at(below) {
        Err(ErrorCode::Access) => ErrorCode::Access,
        _ => ErrorCode::NoEntry,
    }
}

fn tree(top: &str) -> Result<(), ErrorCode> {
    let mut passes = 1;
    loop {
        let mut tree = Tree::new();
        while let Some(number) = tree.next() {
            match clear(&mut tree, top, number) {
                // Gone, or something else by now: removing what holds it will tell.
                Err(ErrorCode::NoEntry | ErrorCode::NotDirectory | ErrorCode::Loop)
                    if number > 0 => {}
                done => done?,
            }
        }
        match take_down(&tree, top) {
            Err(ErrorCode::NotEmpty | ErrorCode::Exist) if passes < MOST_PASSES => passes += 1,
            done => return done,
        }
    }
}

/// Removes everything from a directory but the directories in it, which are remembered.
fn clear(tree: &mut Tree, top: &str, number: Number) -> Result<(), ErrorCode> {
    let held = directory(root(), here(&tree.path(top, number)))?;
    let listing = held.read_directory()?;
    while let Some(entry) = listing.read_directory_entry()? {
        if entry.type_ == DescriptorType::Directory {
            tree.add(number, entry.name)?;
            continue;
        }
        match held.unlink_file_at(&entry.name) {
            Ok(()) | Err(ErrorCode::NoEntry) => {}
            // It became one.
            Err(ErrorCode::IsDirectory) => tree.add(number, entry.name)?,
            Err(code) => return Err(code),
        }
    }
    Ok(())
}

fn take_down(tree: &Tree, top: &str) -> Result<(), ErrorCode> {
    for number in tree.upwards() {
        match root().remove_directory_at(here(&tree.path(top, number))) {
            Ok(()) | Err(ErrorCode::NoEntry) => {}
            // What stands there now is not what was gone into; if it is in the way, its holder cannot go.
            Err(ErrorCode::NotDirectory | ErrorCode::Loop) if number > 0 => {}
            Err(code) => return Err(code),
        }
    }
    Ok(())
}

fn here(path: &str) -> &str {
    match path {
        "" => ".",
        path => path,
    }
}
