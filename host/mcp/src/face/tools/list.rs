//! `list`: what is in a directory, or in a tree.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lockgate_client::executor::{FileKind, LeadsTo};
use lockgate_grant::{AbsPath, uri};
use lockgate_wire::Permissions;
use lockgate_wire::fs::{GetMetadataParams, MetadataResult};
use lockgate_wire::limits::WALK_DEPTH;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded;
use crate::face::answer::{Answer, Outcome, named};
use crate::face::call::Call;
use crate::face::deed::bytes;
use crate::face::granted::Deed;
use crate::face::limits;
use crate::face::listing::{self, Bounds, Gathered};
use crate::face::tools::beforehand;

pub(super) const DESCRIPTION: &str = "List a directory, or with a depth of more than 1 the tree below it: everything that is there, directories with a / at the end, and of what is \
     neither a file nor a directory what it is. Links are told, with what they lead to, and not followed. If the path itself is a file, its size, the time of its last change, its permission bits and whose it is are told.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Where to look; the working directory if absent
    path: Option<String>,
    /// How many levels down (1 if absent)
    #[schemars(range(min = 1, max = 64))]
    depth: Option<u64>,
    /// How many entries to give at most (200 if absent)
    #[schemars(range(min = 1, max = 2000))]
    limit: Option<u64>,
    /// Also go into directories whose name begins with a dot
    #[serde(default)]
    hidden: bool,
}

/// What there is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// Where it was looked
    path: String,
    /// What is there, by names relative to `path`; of a file itself: one entry with its name
    entries: Vec<Listed>,
    /// There is more than was asked for
    truncated: bool,
    /// This executor does not tell links that lead nowhere: there may be such
    broken_links_untold: bool,
    /// Places that could not be looked into
    errors: Vec<Unseen>,
    /// How many more such places there are
    #[serde(skip_serializing_if = "is_zero")]
    more_errors: usize,
}

/// One entry.
#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    /// Its name
    name: String,
    /// What it is
    kind: Kind,
    /// Where a link leads in the end
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Target")]
    leads_to: Option<Target>,
    /// By what other tools know it, where `name` cannot say it because it is not UTF-8
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    /// Bytes; told of a file that was asked for itself
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Milliseconds since 1970; told of a file that was asked for itself
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at_ms: Option<i64>,
    /// Permission bits in octal digits; told of what was asked for itself, where the executor says it
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    /// Number of the user whose it is; likewise
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    /// Number of its group; likewise
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A directory
    Directory,
    /// A file
    File,
    /// A symbolic link
    Link,
    /// A named pipe
    Fifo,
    /// A socket
    Socket,
    /// A block device
    BlockDevice,
    /// A character device
    CharacterDevice,
    /// Something else, or not known
    Other,
}

/// What is at the end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Target {
    /// A directory
    Directory,
    /// A file
    File,
    /// Something else
    Other,
    /// Nothing that this server may look at
    Nowhere,
}

/// A place that could not be looked into.
#[derive(Serialize, JsonSchema)]
pub(super) struct Unseen {
    /// Where
    path: String,
    /// Why
    reason: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

pub(super) async fn list(call: &Call, params: Params) -> Outcome {
    let depth = bounded("depth", params.depth, 1, WALK_DEPTH)?;
    let limit = bounded("limit", params.limit, limits::ENTRIES, limits::MOST_ENTRIES)?;
    let place = call.place().await?;
    let asked = params.path.unwrap_or_else(|| ".".to_owned());
    let path = place.path(&asked)?;
    beforehand::slash(&place, Deed::Read, &path, &asked).await?;
    let look = GetMetadataParams {
        path: place.wire(&path),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: place.client.tells_every_attribute(),
    };
    let found = match place.client.metadata(&look).await {
        Ok(found) => found,
        Err(error) => return Err(place.refused(Deed::Read, &path, &asked, error).await),
    };
    if !found.is_directory {
        beforehand::no_directory(&place, &path, &asked)?;
        return Ok(itself(&path, asked, &found));
    }
    let bounds = Bounds {
        depth,
        entries: usize::try_from(limit).unwrap_or(usize::MAX),
        hidden: params.hidden,
    };
    let gathered = listing::gather(&place, &path, &asked, bounds).await?;
    let result = result(gathered, &path, asked);
    Ok(Answer::new(text(&result), &result))
}

/// Of what is no directory.
fn itself(path: &AbsPath, asked: String, found: &MetadataResult) -> Answer {
    let kind = match found.kind {
        Some(kind) => kind.into(),
        None if found.is_file => Kind::File,
        None => Kind::Other,
    };
    let entry = Listed {
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        kind,
        leads_to: None,
        uri: None,
        bytes: Some(found.size),
        modified_at_ms: Some(found.modified_at_ms),
        mode: found.mode.map(|mode| format!("{mode:04o}")),
        uid: found.uid,
        gid: found.gid,
    };
    let mut text = match kind.words() {
        Some(what) => format!("{}: {what}", named(&asked)),
        None => format!("{}: {}", named(&asked), bytes(found.size)),
    };
    if let Some(mode) = found.mode {
        text.push_str(&format!(", {mode:04o} {}", Permissions(mode)));
    }
    if let (Some(uid), Some(gid)) = (found.uid, found.gid) {
        text.push_str(&format!(", of user {uid} and group {gid}"));
    }
    let result = Result {
        path: asked,
        entries: vec![entry],
        truncated: false,
        broken_links_untold: false,
        errors: Vec::new(),
        more_errors: 0,
    };
    Answer::new(text, &result)
}

fn result(gathered: Gathered, path: &AbsPath, asked: String) -> Result {
    let mut bytes = 0;
    // Names can be long.
    let mut fits = |bytes_of_one: usize| {
        bytes += bytes_of_one;
        bytes <= limits::MOST_BYTES
    };
    let mut truncated = gathered.truncated;
    let mut entries = Vec::with_capacity(gathered.entries.len());
    for entry in gathered.entries {
        if !fits(entry.below.as_os_str().len()) {
            truncated = true;
            break;
        }
        entries.push(Listed {
            name: entry.below.to_string_lossy().into_owned(),
            kind: entry.kind.into(),
            leads_to: entry.leads_to.map(Target::from),
            uri: spelled(path, &entry.below),
            bytes: None,
            modified_at_ms: None,
            mode: None,
            uid: None,
            gid: None,
        });
    }
    let all = gathered.unread.len();
    let shown = gathered.unread.into_iter().take(limits::SHOWN_UNREAD);
    let errors: Vec<_> = shown
        .take_while(|(below, reason)| fits(below.as_os_str().len() + reason.len()))
        .map(|(below, reason)| Unseen {
            path: match below.as_os_str().is_empty() {
                true => asked.clone(),
                false => below.to_string_lossy().into_owned(),
            },
            reason,
        })
        .collect();
    Result {
        more_errors: all - errors.len(),
        truncated,
        broken_links_untold: !gathered.is_whole,
        errors,
        path: asked,
        entries,
    }
}

/// A URI, where the name is no text.
fn spelled(path: &AbsPath, below: &Path) -> Option<String> {
    if below.to_str().is_some() {
        return None;
    }
    let whole = AbsPath::from_bytes(path.as_path().join(below).as_os_str().as_bytes());
    Some(uri::to_file_uri(&whole.ok()?))
}

fn text(result: &Result) -> String {
    let mut text = String::new();
    for entry in &result.entries {
        text.push_str(&line(entry));
        text.push('\n');
    }
    if result.entries.is_empty() {
        text.push_str("[nothing]\n");
    }
    if result.truncated {
        text.push_str("[there is more: raise `limit`, or look further down]\n");
    }
    if result.broken_links_untold {
        text.push_str("[this executor does not tell links that lead nowhere]\n");
    }
    for error in &result.errors {
        text.push_str(&format!("[{}: {}]\n", named(&error.path), error.reason));
    }
    if result.more_errors > 0 {
        text.push_str(&format!(
            "[{} more places could not be looked into]\n",
            result.more_errors
        ));
    }
    text
}

fn line(entry: &Listed) -> String {
    let name = named(&entry.name);
    let what = match (entry.kind, entry.leads_to) {
        (Kind::Directory, _) => return format!("{name}/"),
        (Kind::Link, Some(Target::Directory)) => "link to a directory",
        (Kind::Link, Some(Target::File)) => "link to a file",
        (Kind::Link, Some(Target::Other)) => "link to neither a file nor a directory",
        (Kind::Link, Some(Target::Nowhere) | None) => "link that leads nowhere",
        (kind, _) => match kind.words() {
            Some(what) => what,
            None => return name.into_owned(),
        },
    };
    format!("{name} [{what}]")
}

impl Kind {
    /// For what is neither a file nor a directory.
    fn words(self) -> Option<&'static str> {
        Some(match self {
            Kind::File | Kind::Directory => return None,
            Kind::Link => "link",
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
            Kind::BlockDevice => "block device",
            Kind::CharacterDevice => "character device",
            Kind::Other => "neither a file nor a directory",
        })
    }
}

impl From<FileKind> for Kind {
    fn from(kind: FileKind) -> Kind {
        match kind {
            FileKind::File => Kind::File,
            FileKind::Directory => Kind::Directory,
            FileKind::Symlink => Kind::Link,
            FileKind::Fifo => Kind::Fifo,
            FileKind::Socket => Kind::Socket,
            FileKind::BlockDevice => Kind::BlockDevice,
            FileKind::CharacterDevice => Kind::CharacterDevice,
            FileKind::Unknown => Kind::Other,
        }
    }
}

impl From<LeadsTo> for Target {
    fn from(leads_to: LeadsTo) -> Target {
        match leads_to {
            LeadsTo::Directory => Target::Directory,
            LeadsTo::File => Target::File,
            LeadsTo::Other => Target::Other,
            LeadsTo::Nowhere => Target::Nowhere,
        }
    }
}
