//! A new file beside the one whose place it is to take.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links, Staged, WriteHow};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode};
use crate::trail::{Last, at_end_of, root};
use crate::{attributes, make};

pub(crate) fn stage(path: &str, name: &str, links: Links) -> Result<Staged, Failure> {
    let (path, below, replaces) = at_end_of(path, links, Last::Followed, |trail| {
        let replaces = match attributes(trail) {
            Ok(found) => match found.type_ {
                DescriptorType::RegularFile => true,
                DescriptorType::Directory => return Err(ErrorCode::IsDirectory),
                // The host's word for what is never opened for its contents.
                _ => return Err(ErrorCode::NoSuchDevice),
            },
            // There the file is to be new.
            Err(ErrorCode::NoEntry) => false,
            Err(code) => return Err(code),
        };
        Ok((trail.path(), trail.below().to_owned(), replaces))
    })?;
    let (directory, _) = path.rsplit_once('/').unwrap_or_default();
    let temporary = format!("{directory}/{name}");
    // The path is walked already: a link that is on it now was put there meanwhile.
    let how = WriteHow::CREATE | WriteHow::EXCLUSIVE;
    let file = make::file(&temporary, how, Links::Refuse)?;
    if replaces && let Err(code) = extra::imitate_at(&file, root(), &below) {
        drop(file);
        root().unlink_file_at(temporary.trim_start_matches('/'))?;
        return Err(code.into());
    }
    Ok(Staged {
        file,
        temporary,
        path,
    })
}
