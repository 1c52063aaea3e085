//! Making directories, with those above them.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, PathFlags};
use crate::resolve::{Last, Resolution, at, root};
use crate::text;

pub(crate) fn directory(path: String, recursive: bool, links: Links) -> Result<(), Failure> {
    if !recursive {
        return one(&path, links);
    }
    // Upwards until one exists or can be made, then down again.
    let mut missing = vec![path];
    loop {
        let Some(path) = missing.last() else {
            return Ok(());
        };
        match one(path, links) {
            Ok(()) => {
                missing.pop();
            }
            Err(Failure::System(ErrorCode::NoEntry)) if path != "/" => {
                let parent = text::parent(path).to_owned();
                // Made a moment ago and gone again: somebody removes what is made here.
                if missing.len() > text::ends(&missing[0]).len() {
                    return Err(ErrorCode::NoEntry.into());
                }
                missing.push(parent);
            }
            Err(failure) if is_directory(path, links) => {
                let _ = failure;
                missing.pop();
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// What its owner has of a directory that is made for another one: something is made in it. Taking bits away when all is in it would be done to whatever has the
/// name by then.
const OWNER: u32 = 0o700;

/// Makes a directory with the permission bits of the one at `model`, and all of its owner's; those above it as any other. One that is there is fine.
pub(crate) fn like(model: &str, path: &str) -> Result<(), Failure> {
    // None are told of a directory that may only be seen: that is then its owner's alone.
    let mode = extra::attributes_at(root(), PathFlags::empty(), at(model))?.mode & 0o777;
    let make = || {
        Resolution::new(path.to_owned(), Links::Follow).run(Last::Itself, |path| {
            extra::create_directory_with_at(root(), at(path), mode | OWNER)
        })
    };
    let mut made = make();
    if let Err(Failure::System(ErrorCode::NoEntry)) = made {
        directory(text::parent(path).to_owned(), true, Links::Follow)?;
        made = make();
    }
    match made {
        Err(_) if is_directory(path, Links::Follow) => Ok(()),
        made => made,
    }
}

fn one(path: &str, links: Links) -> Result<(), Failure> {
    // A link at the end is a name that is taken, as for the system.
    let mut resolution = Resolution::new(path.to_owned(), links);
    let made = resolution.run(Last::Itself, |path| root().create_directory_at(at(path)));
    match made {
        Err(Failure::System(ErrorCode::Exist)) if links == Links::Refuse => {
            let found = extra::attributes_at(root(), PathFlags::empty(), at(resolution.path()));
            match found {
                Ok(found) if found.type_ == DescriptorType::SymbolicLink => {
                    Err(Failure::SymbolicLink)
                }
                _ => made,
            }
        }
        made => made,
    }
}

fn is_directory(path: &str, links: Links) -> bool {
    Resolution::new(path.to_owned(), links)
        .run(Last::Followed, |path| {
            extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
        })
        .is_ok_and(|found| found.type_ == DescriptorType::Directory)
}
