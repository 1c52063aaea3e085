//! Renaming. Links on the way to either name are followed, a link that is itself named is what gets the other name.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, PathFlags};
use crate::resolve::{Last, Resolution, at, root};
use crate::text;

/// Times that the source is looked for again because somebody put a link on the way between a look and the renaming.
const MOST_TRIES: u32 = 8;

pub(crate) fn rename(source: String, destination: String, overwrite: bool) -> Result<(), Failure> {
    for _ in 0..MOST_TRIES {
        let mut from = Resolution::new(source.clone(), Links::Follow);
        from.run(Last::Itself, |path| {
            extra::attributes_at(root(), PathFlags::empty(), at(path))
        })?;
        // The directory is resolved by itself: the name in it may be free.
        let mut to = Resolution::new(text::parent(&destination).to_owned(), Links::Follow);
        let directory = to.run(Last::Followed, |path| {
            extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
        });
        match directory {
            Ok(found) if found.type_ != DescriptorType::Directory => {
                return Err(ErrorCode::NotDirectory.into());
            }
            // Whether it is missing or not granted, the renaming itself will tell.
            Ok(_) | Err(Failure::System(ErrorCode::NoEntry)) => {}
            Err(failure) => return Err(failure),
        }
        let to = match text::name(&destination) {
            "" => "/".to_owned(),
            name => text::join(to.path(), name),
        };
        let renamed = match overwrite {
            true => root().rename_at(at(from.path()), root(), at(&to)),
            false => extra::rename_exclusive_at(root(), at(from.path()), root(), at(&to)),
        };
        match renamed {
            Err(ErrorCode::Loop) => {}
            renamed => return Ok(renamed?),
        }
    }
    Err(ErrorCode::Loop.into())
}
