//! `fs stat`: what is known of paths.

use std::path::{Path, PathBuf};

use lockgate_policy_gate::printable::printable;
use lockgate_wire::Permissions;
use lockgate_wire::fs::{GetMetadataParams, MetadataResult};
use serde::Serialize;

use super::look::kind;
use super::several::each;
use super::{Place, about};
use crate::calendar::time;
use crate::failure::Failure;
use crate::output::{print, print_json};

/// One of the paths, as it was given, and what there is or why that cannot be told.
#[derive(Serialize)]
struct Told {
    path: String,
    #[serde(flatten)]
    metadata: Option<MetadataResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn stat(place: &Place<'_>, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut all = Vec::with_capacity(paths.len());
    let each = each(paths, async |path: &Path| {
        let found = metadata(place, path).await;
        let (metadata, error) = match &found {
            Ok(found) => (Some(*found), None),
            Err(failure) if failure.is_of_one() => (None, Some(failure.to_string())),
            Err(_) => return found.map(drop),
        };
        let path = path.to_string_lossy().into_owned();
        all.push(Told {
            path,
            metadata,
            error,
        });
        found.map(drop)
    });
    let outcome = each.await;
    match &*all {
        [one] if paths.len() == 1 => match (&one.metadata, json) {
            (None, _) => {}
            (_, true) => print_json(one)?,
            (Some(metadata), false) => print(&lines(metadata))?,
        },
        all if all.len() < paths.len() => {}
        all if json => print_json(&all)?,
        all => {
            let each = all.iter().filter_map(|told| {
                let metadata = lines(told.metadata.as_ref()?);
                Some(format!("path      {}\n{metadata}", printable(&told.path)))
            });
            print(&each.collect::<Vec<_>>().join("\n"))?;
        }
    }
    outcome
}

async fn metadata(place: &Place<'_>, path: &Path) -> Result<MetadataResult, Failure> {
    let params = GetMetadataParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: place.client.tells_every_attribute(),
    };
    let found = place.client.metadata(&params).await;
    found.map_err(about(place, path))
}

fn lines(metadata: &MetadataResult) -> String {
    let mut lines = format!(
        "type      {}\nsize      {}\n",
        kind(metadata),
        metadata.size
    );
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
