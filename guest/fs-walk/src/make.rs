//! Making files and directories, those above them from the top down.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links, WriteHow};
use crate::bindings::lockgate::files::extra::{self, Attributes};
use crate::bindings::wasi::filesystem::types::{Descriptor, DescriptorType, ErrorCode};
use crate::trail::{Last, at_end_of, root};
use crate::{attributes, open_write};

/// Makes one directory where there is nothing yet; a link is something.
pub(crate) fn directory(path: &str, links: Links) -> Result<(), Failure> {
    let made = at_end_of(path, links, Last::Itself, |trail| {
        root().create_directory_at(trail.below())
    });
    made.map_err(|failure| refusal(path, links, failure))
}

/// What its owner has of a directory that is made for another one: something is made in it. Taking bits away when all is in it would be done to whatever has the
/// name by then.
const OWNER: u32 = 0o700;

/// Makes a directory with these permission bits, and all of its owner's; those above it as any other. One that is there is fine.
pub(crate) fn with(path: &str, mode: u32) -> Result<(), Failure> {
    let make = || {
        at_end_of(path, Links::Follow, Last::Itself, |trail| {
            extra::create_directory_with_at(root(), trail.below(), mode | OWNER)
        })
    };
    let mut made = make();
    if let (Err(Failure::System(ErrorCode::NoEntry)), Some((above, _))) =
        (&made, path.rsplit_once('/'))
        && !above.is_empty()
    {
        directories(above, Links::Follow)?;
        made = make();
    }
    made.or_else(|failure| match kind(path, Links::Follow) {
        Ok(DescriptorType::Directory) => Ok(()),
        _ => Err(failure),
    })
}

/// Makes a file, in the same way.
pub(crate) fn file(path: &str, how: WriteHow, links: Links) -> Result<Descriptor, Failure> {
    let made = at_end_of(path, links, Last::Itself, |trail| {
        match open_write(trail, how) {
            // The host's word for a link at the end, which is a name that is taken like any other.
            Err(ErrorCode::Loop) if is_link(attributes(trail)) => Err(ErrorCode::Exist),
            made => made,
        }
    });
    made.map_err(|failure| refusal(path, links, failure))
}

/// Where links are refused, a link that has the name is told from other things that have it.
fn refusal(path: &str, links: Links, failure: Failure) -> Failure {
    match failure {
        Failure::System(ErrorCode::Exist)
            if links == Links::Refuse
                && is_link(at_end_of(path, links, Last::Itself, attributes)) =>
        {
            Failure::SymbolicLink
        }
        failure => failure,
    }
}

fn is_link<E>(found: Result<Attributes, E>) -> bool {
    found.is_ok_and(|found| found.type_ == DescriptorType::SymbolicLink)
}

/// Makes every directory of a path that is missing.
pub(crate) fn directories(path: &str, links: Links) -> Result<(), Failure> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    for above in ends.map(|end| &path[..end]) {
        match kind(above, links) {
            Ok(DescriptorType::Directory) => {}
            Ok(_) => return Err(ErrorCode::NotDirectory.into()),
            // Missing, or not to be seen: then the whole is refused with the host's word for that, before anything is made.
            Err(Failure::System(ErrorCode::NoEntry)) => match directory(path, links) {
                Err(Failure::System(ErrorCode::NoEntry)) => make_or_find(above, links)?,
                done => return done,
            },
            Err(failure) => return Err(failure),
        }
    }
    make_or_find(path, links)
}

fn make_or_find(path: &str, links: Links) -> Result<(), Failure> {
    directory(path, links).or_else(|failure| match kind(path, links) {
        Ok(DescriptorType::Directory) => Ok(()),
        _ => Err(failure),
    })
}

fn kind(path: &str, links: Links) -> Result<DescriptorType, Failure> {
    at_end_of(path, links, Last::Followed, attributes).map(|found| found.type_)
}
