//! A new file beside the one that it is to replace. Which one that is, and that nothing but a file is replaced, is decided here; the
//! bytes and the moment are the host's.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links, Staged, WriteHow};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, PathFlags};
use crate::open_write;
use crate::resolve::{Last, Resolution, at, root};
use crate::text;

pub(crate) fn stage(path: String, name: &str, links: Links) -> Result<Staged, Failure> {
    let mut resolution = Resolution::new(path, links);
    let found = resolution.run(Last::Followed, |path| {
        extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
    });
    let replaces = match found {
        Ok(found) => match found.type_ {
            DescriptorType::RegularFile => true,
            DescriptorType::Directory => return Err(ErrorCode::IsDirectory.into()),
            // The word for what is never opened for its contents.
            _ => return Err(ErrorCode::NoSuchDevice.into()),
        },
        // What is missing at the end of the links: there the new file is to be.
        Err(Failure::System(ErrorCode::NoEntry)) => false,
        Err(failure) => return Err(failure),
    };
    let path = resolution.into_path();
    let temporary = text::join(text::parent(&path), name);
    let file = open_write(&temporary, WriteHow::CREATE | WriteHow::EXCLUSIVE)?;
    if replaces && let Err(code) = extra::imitate_at(&file, root(), at(&path)) {
        drop(file);
        root().unlink_file_at(at(&temporary))?;
        return Err(code.into());
    }
    Ok(Staged {
        file,
        temporary,
        path,
    })
}
