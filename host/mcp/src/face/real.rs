//! Where a path leads, link by link, as far as it may be seen: for what is known to be in vain, or to be done at the end of a link, before anybody is asked.
//!
//! It asks nobody. What it says is of this moment, and the executor decides anew.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_grant::profile::{Access as Right, EntryPath, FileSystem, Permissions};
use lockgate_wire::fs::CanonicalizeParams;
use tokio::time::timeout;

use super::granted::is_absence;
use super::limits;
use super::session::Place;
use super::sight;

/// Where a path leads.
pub(super) struct Real {
    /// Without links.
    pub(super) path: AbsPath,
    /// How many names at its end nothing has, or nothing that may be seen.
    pub(super) missing: usize,
}

/// None: that is not known, or not in time.
pub(super) async fn real(place: &Place, path: &AbsPath) -> Option<Real> {
    let real = timeout(limits::SIGHT, follow(place, path)).await;
    real.ok().flatten()
}

async fn follow(place: &Place, path: &AbsPath) -> Option<Real> {
    let place = place.unasked();
    let mut path = path.clone();
    for _ in 0..limits::FOLLOWED_LINKS {
        let (there, missing) = deepest(&place, &path).await?;
        let Some((first, rest)) = missing.split_first() else {
            return Some(Real {
                path: there,
                missing: 0,
            });
        };
        let at = there.join(first).ok()?;
        let says = sight::link(&place, &at).await;
        path = match &says {
            Some(says) => said(&place, &there, says).await?,
            None => at,
        };
        for name in rest {
            path = path.join(name).ok()?;
        }
        if says.is_none() {
            let missing = missing.len();
            return Some(Real { path, missing });
        }
    }
    None
}

/// The same of a name that is taken from something or given to it, which follows no link of that name.
pub(super) async fn name(place: &Place, path: &AbsPath) -> Option<AbsPath> {
    let above = real(place, &path.parent()?).await?;
    above.path.join(path.file_name()?).ok()
}

/// Whether writing is granted by a name that links are part of: the executor grants what that leads to, and names do not tell what may be written. Where that
/// is not known, or where it takes too many looks, they are not said to tell it either.
pub(super) async fn grants_by_links(place: &Place) -> bool {
    let permissions = place.sandbox.as_ref().map(|sandbox| &sandbox.permissions);
    let Some(Permissions::Managed {
        file_system: FileSystem::Restricted { entries, .. },
        ..
    }) = permissions
    else {
        return true;
    };
    let mut granted = Vec::new();
    for entry in entries.iter().filter(|entry| entry.access == Right::Write) {
        match &entry.path {
            EntryPath::Path(path) => granted.push(path),
            EntryPath::Glob(_) | EntryPath::Special(_) => return true,
        }
    }
    if granted.len() > limits::SHOWN_GRANTS {
        return true;
    }
    let by_links = async {
        for granted in granted {
            match follow(place, granted).await {
                Some(end) if end.path == *granted => {}
                _ => return true,
            }
        }
        false
    };
    timeout(limits::SIGHT, by_links).await.unwrap_or(true)
}

/// It itself, or the first above it that is there, without links; and the names below that.
async fn deepest(place: &Place, path: &AbsPath) -> Option<(AbsPath, Vec<OsString>)> {
    let (mut above, mut missing) = (path.clone(), Vec::new());
    for _ in 0..=limits::LOOKED_ABOVE {
        match canonical(place, &above).await {
            Ok(there) => {
                missing.reverse();
                return Some((there, missing));
            }
            Err(error) if is_absence(&error) => {
                missing.push(above.file_name()?.to_owned());
                above = above.parent()?;
            }
            Err(_) => return None,
        }
    }
    None
}

/// What a link in that directory leads to by what it says.
async fn said(place: &Place, directory: &AbsPath, says: &[u8]) -> Option<AbsPath> {
    let (mut at, mut is_real) = (directory.clone(), true);
    for part in Path::new(OsStr::from_bytes(says)).components() {
        match part {
            Component::RootDir => (at, is_real) = (AbsPath::root(), true),
            Component::Normal(name) => (at, is_real) = (at.join(name).ok()?, false),
            Component::ParentDir => {
                // What is above a link is not above what it leads to.
                if !is_real {
                    at = canonical(place, &at).await.ok()?;
                }
                (at, is_real) = (at.parent().unwrap_or(at), true);
            }
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(at)
}

async fn canonical(place: &Place, path: &AbsPath) -> Result<AbsPath, ClientError> {
    let params = CanonicalizeParams {
        path: place.wire(path),
        sandbox: place.sandbox.clone(),
    };
    let there = place.client.canonicalize(&params).await?;
    Ok(there.path.path)
}
