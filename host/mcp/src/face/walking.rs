//! Walking through directories of the executor, from where a call says.
//!
//! A walk follows no links, and if its beginning is one it would find nothing. So it begins where that leads, and what it finds is named below the link, as the call
//! names it: each of these names leads there by itself.

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::code;
use lockgate_wire::fs::{CanonicalizeParams, MetadataResult, WalkOptions, WalkParams, WalkResult};

use super::answer::Refusal;
use super::granted::Deed;
use super::session::Place;

/// What is below a directory, of which that is known, or why it cannot be looked into.
pub(super) async fn walk(
    place: &Place,
    path: &AbsPath,
    named: &str,
    found: &MetadataResult,
    options: WalkOptions,
) -> Result<WalkResult, Refusal> {
    let refusing = place.refusing(Deed::Read, path, named);
    let root = match found.is_symlink {
        true => leads_to(place, path).await.map_err(&refusing)?,
        false => path.clone(),
    };
    let walk = WalkParams {
        path: place.wire(&root),
        options,
        sandbox: place.sandbox.clone(),
    };
    let mut walked = place.client.walk(&walk).await.map_err(&refusing)?;
    for entry in &mut walked.entries {
        entry.path.path = below(path, &root, &entry.path.path);
    }
    for error in &mut walked.errors {
        error.path.path = below(path, &root, &error.path.path);
        let message = std::mem::take(&mut error.message);
        if error.path.path == *path {
            return Err(refusing(ClientError::Server {
                code: code::INVALID_REQUEST,
                message,
            }));
        }
        error.message = place.reason(&error.path.path, message);
    }
    Ok(walked)
}

async fn leads_to(place: &Place, link: &AbsPath) -> Result<AbsPath, ClientError> {
    let params = CanonicalizeParams {
        path: place.wire(link),
        sandbox: place.sandbox.clone(),
    };
    let there = place.client.canonicalize(&params).await?;
    Ok(there.path.path)
}

/// The name below `path` of what was found below `root`.
fn below(path: &AbsPath, root: &AbsPath, found: &AbsPath) -> AbsPath {
    let found_at = found.as_path();
    let Ok(below) = found_at.strip_prefix(root.as_path()) else {
        return found.clone();
    };
    // Too long by that name: then by the other.
    AbsPath::parse(path.as_path().join(below)).unwrap_or_else(|_| found.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_has_the_name_below_where_the_call_began() {
        let path = |text: &str| AbsPath::parse(text).expect("a path");
        for (began, root, found, expected) in [
            ("/w/link", "/r/d", "/r/d/a/b", "/w/link/a/b"),
            ("/w/link", "/r/d", "/r/d", "/w/link"),
            ("/w", "/w", "/w/a", "/w/a"),
            ("/w/link", "/", "/a", "/w/link/a"),
            ("/w/link", "/r/d", "/r/da", "/r/da"),
        ] {
            assert_eq!(
                below(&path(began), &path(root), &path(found)),
                path(expected),
                "{found}"
            );
        }
    }
}
