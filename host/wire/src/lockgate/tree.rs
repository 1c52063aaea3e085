//! `lockgate/fs/readTree`, `writeTree`: a whole tree as one stream of bytes in the tar format, in blocks like those of a file.
//!
//! `lockgate/fs/listTree`: the same tree without the contents of its files, as lines of JSON, for who has some of it already.
//!
//! A tree that is read or listed goes on with `fs/readBlock`, one that is written with `lockgate/fs/writeTreeBlock`: in order, each offset where the
//! block before ended. `lockgate/fs/finishTree` tells what was done and closes the handle; `fs/close` abandons the tree.

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Serialize};

use crate::{Base64, Base64Text, WirePath};

/// Params of `lockgate/fs/readTree`, `lockgate/fs/listTree` and `lockgate/fs/writeTree`. The result is that of `fs/open`, [`crate::fs::OpenResult`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenTreeParams<S = Sandbox> {
    /// Chosen by the client, among those of files; at most [`crate::limits::HANDLE_ID_BYTES`] bytes.
    pub handle_id: String,
    /// The directory where the tree begins. It has no entry itself, except in a listing, where it may be a file, too. To be written it need
    /// not exist.
    pub path: WirePath,
    /// Profile to act under; the handle keeps what it allowed.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// Permission bits that a directory to be written is made with at most, 0 to 511; not those above it. Absent = 511.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// One line of what `lockgate/fs/listTree` gives; the first one is about the path itself. A directory comes before what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeLine {
    /// Below the path; empty for that itself.
    pub name: FileName,
    /// What it is.
    #[serde(flatten)]
    pub kind: TreeKind,
    /// The nine permission bits; of a link they mean nothing.
    pub mode: u32,
    /// Unix milliseconds; 0 for a link.
    pub modified_at_ms: i64,
}

/// What a [`TreeLine`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum TreeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: FileName,
    },
}

/// A name as the file system has it: text, or where it is not UTF-8 `{"base64": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FileName {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Bytes {
        /// The bytes.
        base64: Base64,
    },
}

impl FileName {
    /// Of bytes.
    pub fn new(bytes: Vec<u8>) -> FileName {
        match String::from_utf8(bytes) {
            Ok(text) => FileName::Text(text),
            Err(error) => FileName::Bytes {
                base64: Base64(error.into_bytes()),
            },
        }
    }

    /// As bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            FileName::Text(text) => text.as_bytes(),
            FileName::Bytes { base64 } => &base64.0,
        }
    }
}

/// Params of `lockgate/fs/writeTreeBlock`. Result `{}`. After an error the handle is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteTreeBlockParams<'a> {
    /// From `lockgate/fs/writeTree`.
    pub handle_id: String,
    /// Bytes sent before.
    pub offset: u64,
    /// The next bytes of the tar, 1 to [`crate::limits::BLOCK_BYTES`].
    #[serde(borrow)]
    pub chunk: Base64Text<'a>,
}

/// Params of `lockgate/fs/finishTree`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishTreeParams {
    /// From `lockgate/fs/readTree`, `lockgate/fs/listTree` or `lockgate/fs/writeTree`.
    pub handle_id: String,
}

/// Result of `lockgate/fs/finishTree`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeResult {
    /// Regular files.
    pub files: u64,
    /// Directories, without the one where the tree begins.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of the files' contents.
    pub bytes: u64,
    /// What did not travel, or not as it was: the first of them.
    pub left_out: Vec<LeftOut>,
    /// How many there were.
    pub left_out_count: u64,
    /// Files and directories, the first one too, that have set-user-id, set-group-id or sticky bits: these never travel. Told of a tree that is read or listed, and only where
    /// there are some; earlier servers of ours say nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub special_bits: u64,
    /// Files and directories, the first one too, that were changed before 1970 last: these times do not travel. Told as those bits are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub times_before_1970: u64,
}

pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Something that did not travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Below the directory where the tree begins. What is not UTF-8 in it is replaced.
    pub name: String,
    /// In words.
    pub reason: String,
}
