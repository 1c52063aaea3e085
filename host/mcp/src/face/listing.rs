//! A directory of the executor and what is below it, level by level: everything that the profile shows, as what it is.
//!
//! Links are told and not followed, but for the one that a call itself names; so every directory is opened once, and is one of the entries: their bound is one on
//! the whole.

use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use lockgate_client::ClientError;
use lockgate_client::executor::{FileKind, Files, LeadsTo};
use lockgate_grant::AbsPath;

use super::answer::Refusal;
use super::granted::Deed;
use super::limits;
use super::session::Place;

/// How far a listing goes.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Levels; 1 is what is in the directory itself.
    pub(super) depth: u64,
    pub(super) entries: usize,
    /// Also into directories whose name begins with a dot.
    pub(super) hidden: bool,
}

/// What there is.
pub(super) struct Gathered {
    /// Sorted by name.
    pub(super) entries: Vec<Entry>,
    /// There is more than the bounds allow.
    pub(super) truncated: bool,
    /// The executor tells everything that is there.
    pub(super) is_whole: bool,
    /// What could not be looked into, by its name below where the listing began, and why.
    pub(super) unread: Vec<(PathBuf, String)>,
}

pub(super) struct Entry {
    /// Below where the listing began.
    pub(super) below: PathBuf,
    pub(super) kind: FileKind,
    pub(super) leads_to: Option<LeadsTo>,
}

/// What is in a directory, or why it cannot be looked into.
pub(super) async fn gather(
    place: &Place,
    path: &AbsPath,
    named: &str,
    bounds: Bounds,
) -> Result<Gathered, Refusal> {
    let refusing = place.refusing(Deed::Read, path, named);
    let mut gathered = Gathered {
        entries: Vec::new(),
        truncated: false,
        is_whole: true,
        unread: Vec::new(),
    };
    let mut level = vec![(path.clone(), PathBuf::new())];
    for depth in 1..=bounds.depth {
        let mut next = Vec::new();
        let listings = stream::iter(level).map(async |(directory, below)| {
            let within = place.sandbox.as_ref();
            let listing = Files::list_every(&place.client, &directory, within).await;
            (directory, below, listing)
        });
        let mut listings = std::pin::pin!(listings.buffered(limits::LISTED_AT_ONCE));
        while let Some((directory, below, listing)) = listings.next().await {
            let mut listing = match listing {
                Ok(listing) => listing,
                // A refusal is about that directory alone; anything else is about the connection.
                Err(ClientError::Server { message, .. }) if depth > 1 => {
                    gathered
                        .unread
                        .push((below, place.reason(&directory, message)));
                    continue;
                }
                Err(error) => return Err(refusing(error)),
            };
            gathered.truncated |= listing.truncated;
            gathered.is_whole &= listing.is_whole;
            listing
                .found
                .sort_by(|one, other| one.name.cmp(&other.name));
            for found in listing.found {
                if gathered.entries.len() >= bounds.entries {
                    gathered.truncated = true;
                    return Ok(gathered.sorted());
                }
                // Longer than any call can name; of a hostile executor also what is no name.
                let path = match directory.join(&found.name) {
                    Ok(path) => path,
                    Err(error) => {
                        gathered.unread.push((below.clone(), error.to_string()));
                        continue;
                    }
                };
                let hidden = found.name.as_encoded_bytes().starts_with(b".");
                let below = below.join(&found.name);
                if found.kind == FileKind::Directory
                    && depth < bounds.depth
                    && (bounds.hidden || !hidden)
                {
                    next.push((path, below.clone()));
                }
                gathered.entries.push(Entry {
                    below,
                    kind: found.kind,
                    leads_to: found.leads_to,
                });
            }
        }
        level = next;
        if level.is_empty() {
            break;
        }
    }
    Ok(gathered.sorted())
}

impl Gathered {
    fn sorted(mut self) -> Gathered {
        self.entries
            .sort_by(|one, other| one.below.cmp(&other.below));
        self
    }
}
