//! Copying. Each directory is held open while what is in it is copied; the bytes go from file to file in the host.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links, WriteHow};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use crate::trail::{Last, at_end_of, root};
use crate::tree::{Tree, directory};
use crate::{attributes, make, open_write};

pub(crate) fn copy(source: &str, destination: &str, recursive: bool) -> Result<(), Failure> {
    let (kind, below) = at_end_of(source, Links::Follow, Last::Itself, |trail| {
        Ok((attributes(trail)?.type_, trail.below().to_owned()))
    })?;
    match kind {
        DescriptorType::RegularFile => file(root(), &below, destination),
        DescriptorType::SymbolicLink => link(root(), &below, destination),
        DescriptorType::Directory if !recursive => Err(Failure::CopyNeedsRecursive),
        DescriptorType::Directory => tree(&below, destination),
        _ => Err(Failure::CopyUnsupported),
    }
}

fn file(from: &Descriptor, name: &str, destination: &str) -> Result<(), Failure> {
    let source = from.open_at(
        PathFlags::empty(),
        name,
        OpenFlags::empty(),
        DescriptorFlags::READ,
    )?;
    let target = at_end_of(destination, Links::Follow, Last::Followed, |trail| {
        open_write(trail, WriteHow::CREATE)
    })?;
    Ok(extra::copy_contents(&source, &target)?)
}

fn link(from: &Descriptor, name: &str, destination: &str) -> Result<(), Failure> {
    let target = from.readlink_at(name)?;
    at_end_of(destination, Links::Follow, Last::Itself, |trail| {
        root().symlink_at(&target, trail.below())
    })
}

/// Copies what is in a directory into another, which is made where it is missing.
fn tree(source: &str, destination: &str) -> Result<(), Failure> {
    if holds(source, destination)? {
        return Err(Failure::CopyIntoItself);
    }
    let mut tree = Tree::new();
    while let Some(number) = tree.next() {
        let from = match tree.path(source, number) {
            path if path.is_empty() => ".".to_owned(),
            path => path,
        };
        let to = format!(
            "/{}",
            tree.path(destination.trim_start_matches('/'), number)
        );
        // None are told of a directory that may only be seen: that is then its owner's alone.
        let mode = extra::attributes_at(root(), PathFlags::empty(), &from)?.mode & 0o777;
        make::with(&to, mode)?;
        let held = directory(root(), &from)?;
        let listing = held.read_directory()?;
        while let Some(entry) = listing.read_directory_entry()? {
            let to = format!("{}/{}", to.trim_end_matches('/'), entry.name);
            match entry.type_ {
                DescriptorType::Directory => tree.add(number, entry.name)?,
                DescriptorType::RegularFile => file(&held, &entry.name, &to)?,
                DescriptorType::SymbolicLink => link(&held, &entry.name, &to)?,
                // Left out without a word, as the protocol has it.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a path is the directory `source` or would come to be in it. What does not exist of the path is taken as it is written.
fn holds(source: &str, path: &str) -> Result<bool, Failure> {
    let ends = path.match_indices('/').map(|(at, _)| at.max(1));
    let mut known: Option<String> = None;
    for end in ends.chain([path.len()]) {
        let existing = at_end_of(&path[..end], Links::Follow, Last::Followed, |trail| {
            attributes(trail).map(|_| trail.path())
        });
        known = match (existing, known) {
            (Ok(real), _) => Some(real),
            (Err(Failure::System(ErrorCode::NoEntry)), Some(known)) => {
                let missing = path[known_end(path, end)..].to_owned();
                return Ok(is_within(
                    &(known.trim_end_matches('/').to_owned() + &missing),
                    source,
                ));
            }
            (Err(failure), _) => return Err(failure),
        };
    }
    Ok(known.is_some_and(|real| is_within(&real, source)))
}

/// Where the name begins, with its slash, that ends at `end`.
fn known_end(path: &str, end: usize) -> usize {
    path[..end].rfind('/').unwrap_or(0)
}

/// `source` is a path as WASI has it, `path` one from the root.
fn is_within(path: &str, source: &str) -> bool {
    let rest = path.trim_start_matches('/').strip_prefix(source);
    source == "." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
