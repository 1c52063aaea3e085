//! A walk in one call, or where the executor knows none (May 2026) in many small ones.

use std::collections::VecDeque;

use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::fs::{WalkKind, WalkOptions, WalkParams};
use lockgate_wire::limits::{WALK_DEPTH, WALK_DIRECTORIES, WALK_ENTRIES};

use super::is_unknown_method;
use crate::executor::{Files, Found, Kind, Walk, Walked};
use crate::{Client, ClientError};

/// What is below a directory.
pub(super) async fn below(
    client: &Client,
    root: &AbsPath,
    walk: Walk,
    within: Option<&Sandbox>,
) -> Result<Walked, ClientError> {
    let params = WalkParams {
        path: client.path(root.clone()),
        options: WalkOptions {
            max_depth: walk.depth,
            max_directories: walk.directories,
            max_entries: walk.entries,
            follow_directory_symlinks: walk.follows_links,
            prune_hidden_directories: walk.skips_hidden,
            prune_links: false,
        },
        sandbox: within.cloned(),
    };
    let walked = match Client::walk(client, &params).await {
        Ok(walked) => walked,
        Err(error) if is_unknown_method(&error) => {
            return by_hand(client, root, walk, within).await;
        }
        Err(error) => return Err(error),
    };
    let found = walked.entries.into_iter().map(|entry| Found {
        path: entry.path.path,
        kind: match entry.kind {
            WalkKind::Directory => Kind::Directory,
            WalkKind::File => Kind::File,
        },
    });
    let errors = walked.errors.into_iter();
    Ok(Walked {
        found: found.collect(),
        errors: errors
            .map(|error| (error.path.path, error.message))
            .collect(),
        truncated: walked.truncated,
    })
}

/// The same in plain calls: one for each directory, and one more to know whether it is a link.
pub(super) async fn by_hand(
    files: &dyn Files,
    root: &AbsPath,
    walk: Walk,
    within: Option<&Sandbox>,
) -> Result<Walked, ClientError> {
    if walk.follows_links {
        // Nothing tells a directory that was seen by another name from a new one.
        return Err(ClientError::Unsupported {
            what: "follow links in a walk",
        });
    }
    let is_within_bounds = walk.depth <= WALK_DEPTH
        && (1..=WALK_DIRECTORIES).contains(&walk.directories)
        && (1..=WALK_ENTRIES).contains(&walk.entries);
    if !is_within_bounds {
        return Err(ClientError::Unsendable {
            what: "a walk".to_owned(),
            reason: format!(
                "it may have at most {WALK_DEPTH} levels, 1 to {WALK_DIRECTORIES} directories and 1 to {WALK_ENTRIES} entries"
            ),
        });
    }
    let mut walked = Walked::default();
    let at_root = files.metadata(root, within).await?;
    if at_root.kind != Kind::Directory || at_root.is_link {
        return Ok(walked);
    }
    let mut left = VecDeque::from([(root.clone(), 0)]);
    let mut directories = 0;
    while let Some((directory, depth)) = left.pop_front() {
        directories += 1;
        if directories > walk.directories {
            walked.truncated = true;
            return Ok(walked);
        }
        let entries = match files.list(&directory, within).await {
            Ok(entries) => entries,
            Err(error) => {
                passing(&mut walked, directory, error)?;
                continue;
            }
        };
        for entry in entries {
            // A name that is none (a hostile executor) leads nowhere.
            let Ok(path) = directory.join(&entry.name) else {
                continue;
            };
            match entry.kind {
                Kind::Other => continue,
                Kind::File => {}
                Kind::Directory => {
                    if walk.skips_hidden && entry.name.starts_with('.') {
                        continue;
                    }
                    match files.metadata(&path, within).await {
                        Ok(metadata) if metadata.is_link => continue,
                        Ok(_) => {}
                        Err(error) => {
                            passing(&mut walked, path, error)?;
                            continue;
                        }
                    }
                    if depth < walk.depth {
                        left.push_back((path.clone(), depth + 1));
                    }
                }
            }
            if walked.found.len() as u64 >= walk.entries {
                walked.truncated = true;
                return Ok(walked);
            }
            walked.found.push(Found {
                path,
                kind: entry.kind,
            });
        }
    }
    Ok(walked)
}

/// A refusal of the executor is about that place alone; anything else is about the connection.
fn passing(walked: &mut Walked, at: AbsPath, error: ClientError) -> Result<(), ClientError> {
    match error {
        ClientError::Server { message, .. } => {
            walked.errors.push((at, message));
            Ok(())
        }
        error => Err(error),
    }
}
