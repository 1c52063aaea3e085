//! Renaming: both ends are walked, and a link that is named is what gets the other name.

use crate::attributes;
use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::types::ErrorCode;
use crate::trail::{Last, Trail, at_end_of, root};

pub(crate) fn rename(source: &str, destination: &str, overwrite: bool) -> Result<(), Failure> {
    let renamed = at_end_of(source, Links::Follow, Last::Itself, |from| {
        // What is missing or not to be seen is told as that, before anything about the other name is.
        attributes(from)?;
        let renamed = at_end_of(destination, Links::Follow, Last::Itself, |to| {
            give_name(from, to, overwrite)
        });
        match renamed {
            // A link has come to be on the way to one of the two: both are walked again.
            Err(Failure::System(ErrorCode::Loop)) => Err(ErrorCode::Loop),
            renamed => Ok(renamed),
        }
    });
    renamed?
}

fn give_name(from: &Trail, to: &Trail, overwrite: bool) -> Result<(), ErrorCode> {
    match overwrite {
        true => root().rename_at(from.below(), root(), to.below()),
        false => extra::rename_exclusive_at(root(), from.below(), root(), to.below()),
    }
}
