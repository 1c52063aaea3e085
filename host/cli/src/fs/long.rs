//! `fs ls -l`: what is in a directory, with type, size and time of each. The protocol's listing has names only, and ours their kinds, so each is asked about, many at a time.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use futures_util::StreamExt;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{DirectoryEntry, LeadsTo, MetadataResult};
use serde::Serialize;

use super::Place;
use super::look::{entries, kind, word};
use crate::calendar::time;
use crate::failure::Failure;
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
    let directory = place.at(path)?;
    let entries = futures_util::stream::iter(entries(place, path).await?);
    let listed = entries.map(async |entry: DirectoryEntry| {
        // Where its bytes are not told, a name that is not UTF-8 was replaced, and is nobody's.
        let path = match &entry.name_base64 {
            Some(name) => directory.join(OsStr::from_bytes(name)),
            None => directory.join(&entry.file_name),
        };
        let metadata = match path {
            Ok(path) => place.metadata(place.client.path(path)).await.ok(),
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
    let (size, time) = match &listed.metadata {
        Some(found) => (found.size.to_string(), time(found.modified_at_ms)),
        None => (String::new(), String::new()),
    };
    [what(listed), size, time, name]
}

/// What it is: a look at where it leads says more, if there is something.
fn what(listed: &Listed) -> String {
    if let Some(found) = &listed.metadata {
        return kind(found);
    }
    let entry = &listed.entry;
    let known = match entry.leads_to {
        Some(LeadsTo::Nowhere) => Some("link to nothing"),
        _ => entry.kind.and_then(word),
    };
    known.unwrap_or("unknown").to_owned()
}
