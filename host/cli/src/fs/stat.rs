//! `fs stat`: what is known of paths.

use std::path::{Path, PathBuf};

use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{FileKind, MetadataResult};
use lockgate_wire::lockgate::files::ReadLinkParams;
use lockgate_wire::lockgate::tree::FileName;
use lockgate_wire::{Method, Permissions};
use serde::Serialize;

use super::look::kind;
use super::several::each;
use super::{Place, about, slash};
use crate::calendar::time;
use crate::failure::Failure;
use crate::output::{print, print_json};

/// One of the paths, as it was given, and what there is or why that cannot be told.
#[derive(Serialize)]
struct Told {
    path: String,
    #[serde(flatten)]
    found: Option<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What there is.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Something {
        #[serde(flatten)]
        metadata: MetadataResult,
        /// Of a link: what it says.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<FileName>,
    },
    /// A link that leads nowhere.
    #[serde(rename_all = "camelCase")]
    Dangling {
        kind: FileKind,
        is_directory: bool,
        is_file: bool,
        is_symlink: bool,
        target: FileName,
    },
}

pub(super) async fn stat(place: &Place<'_>, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut all = Vec::with_capacity(paths.len());
    let each = each(paths, async |path: &Path| {
        let (found, outcome) = match look(place, path).await {
            Ok(found) => (Ok(found), Ok(())),
            Err(failure) if failure.is_of_one() => (Err(failure.to_string()), Err(failure)),
            Err(failure) => return Err(failure),
        };
        all.push(Told {
            path: path.to_string_lossy().into_owned(),
            error: found.as_ref().err().cloned(),
            found: found.ok(),
        });
        outcome
    });
    let outcome = each.await;
    match &*all {
        [one] if paths.len() == 1 => match (&one.found, json) {
            (None, _) => {}
            (_, true) => print_json(one)?,
            (Some(found), false) => print(&lines(found))?,
        },
        // What ended it is told.
        all if all.len() < paths.len() => {}
        all if json => print_json(&all)?,
        all => {
            let each = all.iter().filter_map(|told| {
                let lines = lines(told.found.as_ref()?);
                Some(format!("path      {}\n{lines}", printable(&told.path)))
            });
            print(&each.collect::<Vec<_>>().join("\n"))?;
        }
    }
    outcome
}

async fn look(place: &Place<'_>, path: &Path) -> Result<Found, Failure> {
    match place.metadata(place.path(path)?).await {
        Ok(found) if slash::ends(path) && !found.is_directory => {
            Err(slash::no_directory(place, path))
        }
        Ok(metadata) => {
            let target = match metadata.is_symlink {
                true => target(place, path).await?,
                false => None,
            };
            Ok(Found::Something { metadata, target })
        }
        // Nothing is there, or a link that leads nowhere.
        Err(error) => match target(place, path).await? {
            Some(target) if !slash::ends(path) => Ok(Found::Dangling {
                kind: FileKind::Symlink,
                is_directory: false,
                is_file: false,
                is_symlink: true,
                target,
            }),
            _ => Err(about(place, path)(error)),
        },
    }
}

/// What a link says, if it is one and the server tells it.
pub(super) async fn target(place: &Place<'_>, path: &Path) -> Result<Option<FileName>, Failure> {
    if !place.client.has(Method::LockgateFsReadLink) {
        return Ok(None);
    }
    let params = ReadLinkParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
    };
    Ok(place
        .client
        .read_link(&params)
        .await
        .ok()
        .map(|found| found.target))
}

fn lines(found: &Found) -> String {
    let (kind, target, metadata) = match found {
        Found::Something { metadata, target } => (kind(metadata), target.as_ref(), Some(metadata)),
        Found::Dangling { target, .. } => ("link to nothing".to_owned(), Some(target), None),
    };
    let mut lines = format!("type      {kind}\n");
    if let Some(target) = target {
        let target = String::from_utf8_lossy(target.as_bytes());
        lines.push_str(&format!("target    {}\n", printable(&target)));
    }
    lines.push_str(&metadata.map(attributes).unwrap_or_default());
    lines
}

fn attributes(metadata: &MetadataResult) -> String {
    let mut lines = format!("size      {}\n", metadata.size);
    // What a server does not tell has no line.
    if let Some(mode) = metadata.mode {
        lines.push_str(&format!("mode      {mode:04o} {}\n", Permissions(mode)));
    }
    if let (Some(uid), Some(gid)) = (metadata.uid, metadata.gid) {
        lines.push_str(&format!("owner     {uid}:{gid}\n"));
    }
    if let Some(nlink) = metadata.nlink {
        lines.push_str(&format!("names     {nlink}\n"));
    }
    lines.push_str(&format!(
        "created   {}\nmodified  {}\n",
        time(metadata.created_at_ms),
        time(metadata.modified_at_ms)
    ));
    lines
}
