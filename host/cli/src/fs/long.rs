//! `fs ls -l`: what is in a directory, with type, size and time of each. The protocol's listing has names only, so each is asked about, many at a time.

use std::path::Path;

use futures_util::StreamExt;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{DirectoryEntry, GetMetadataParams, MetadataResult};
use serde::Serialize;

use super::Place;
use super::look::{entries, kind};
use crate::calendar::time;
use crate::failure::Failure;
use crate::here;
use crate::output::{print, print_json};

/// Questions on their way at once: far below what a connection may have in flight.
const AT_ONCE: usize = 64;

/// What is gone again, or cannot be looked at, has a name and nothing else.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    entry: DirectoryEntry,
    metadata: Option<MetadataResult>,
}

pub(super) async fn ls(place: &Place<'_>, path: &Path, json: bool) -> Result<(), Failure> {
    let directory = here::path(path)?;
    let entries = futures_util::stream::iter(entries(place, path).await?);
    let listed = entries.map(async |entry: DirectoryEntry| {
        // A name that is not UTF-8 was replaced, and is nobody's.
        let path = directory.join(&entry.file_name);
        let metadata = match path {
            Ok(path) => {
                let params = GetMetadataParams {
                    path: place.client.path(path),
                    sandbox: place.sandbox.clone(),
                    follow_symlinks: None,
                    every_attribute: false,
                };
                place.client.metadata(&params).await.ok()
            }
            Err(_) => None,
        };
        Listed { entry, metadata }
    });
    let listed: Vec<Listed> = listed.buffered(AT_ONCE).collect().await;
    match json {
        true => print_json(&listed),
        false => print(&table(&listed)),
    }
}

fn table(listed: &[Listed]) -> String {
    let rows: Vec<[String; 4]> = listed.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let [kinds, sizes, times] = [0, 1, 2].map(|column| width(column).unwrap_or_default());
    let line = |[kind, size, time, name]: &[String; 4]| {
        format!("{kind:kinds$}  {size:>sizes$}  {time:times$}  {name}\n")
    };
    rows.iter().map(line).collect()
}

fn row(listed: &Listed) -> [String; 4] {
    let mut name = printable(&listed.entry.file_name).into_owned();
    if listed.entry.is_directory {
        name.push('/');
    }
    match &listed.metadata {
        Some(found) => [
            kind(found),
            found.size.to_string(),
            time(found.modified_at_ms),
            name,
        ],
        None => ["unknown".to_owned(), String::new(), String::new(), name],
    }
}
