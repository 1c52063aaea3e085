//! The lines of `lockgate/fs/listTree`, as bytes in blocks of any size.

use std::os::unix::ffi::OsStringExt;

use lockgate_capfs::{FsError, Outline, OutlineEntry, OutlineKind, TreeReport};
use lockgate_wire::lockgate::tree::{FileName, TreeKind, TreeLine};

/// What a tree has, a line of JSON for each entry.
pub(crate) struct Lines {
    outline: Outline,
    /// Of lines that were begun: what the next block starts with.
    ahead: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(outline: Outline) -> Lines {
        Lines {
            outline,
            ahead: Vec::new(),
        }
    }

    /// The next `len` bytes; fewer only at the end.
    pub(crate) fn read(&mut self, len: usize) -> Result<Vec<u8>, FsError> {
        while self.ahead.len() < len {
            let Some(entry) = self.outline.next_entry()? else {
                break;
            };
            // Numbers and text: nothing in it fails.
            if let Ok(text) = serde_json::to_string(&line(entry)) {
                self.ahead.extend_from_slice(text.as_bytes());
                self.ahead.push(b'\n');
            }
        }
        let rest = self.ahead.split_off(self.ahead.len().min(len));
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    pub(crate) fn report(&self) -> &TreeReport {
        self.outline.report()
    }
}

fn line(entry: OutlineEntry) -> TreeLine {
    TreeLine {
        name: FileName::new(entry.name.into_vec()),
        kind: match entry.kind {
            OutlineKind::Directory => TreeKind::Directory,
            OutlineKind::File { size } => TreeKind::File { size },
            OutlineKind::Link { target } => TreeKind::Link {
                target: FileName::new(target.into_vec()),
            },
        },
        mode: entry.mode,
        modified_at_ms: entry.modified_ms,
    }
}
