//! Reading and editing source files through the capability gate: Lockgate's own.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broken::{Broken, ensure};
use crate::client::Client;
use crate::profile::{sandbox, uri};
use crate::story::Story;

/// The scratch directory: `project/` is the workspace, `secret` lies beside it.
pub(crate) struct Workspace {
    root: TempDir,
}

impl Workspace {
    fn new() -> Result<Self, Broken> {
        let root = tempfile::Builder::new()
            .prefix("lockgate-demo-")
            .tempdir()?;
        let workspace = Self { root };
        fs::create_dir(workspace.project())?;
        fs::write(workspace.secret(), "the secret\n")?;
        Ok(workspace)
    }

    /// What a client may write.
    pub(crate) fn project(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// What it may not even read.
    pub(crate) fn secret(&self) -> PathBuf {
        self.root.path().join("secret")
    }

    /// The scratch directory itself.
    pub(crate) fn outside(&self) -> &Path {
        self.root.path()
    }
}

/// Walks, lists, copies, reads and edits.
pub(crate) fn edit(
    story: &mut Story,
    client: &mut Client,
    source: &Path,
) -> Result<Workspace, Broken> {
    let workspace = Workspace::new()?;
    let project = workspace.project();
    let host = source.join("host");
    look(story, client, source, &host)?;

    story.chapter(
        "Copy, read and edit a source file",
        "The source tree may be read, the workspace written: two entries of one profile.",
    );
    let original = host.join("wire/src/envelope.rs");
    let copy = project.join("envelope.rs");
    let both = sandbox(&project, &[(source, "read"), (&project, "write")]);
    client.show(
        story,
        "source file copied, sandboxed",
        "fs/copy",
        json!({"sourcePath": uri(&original), "destinationPath": uri(&copy), "recursive": false, "sandbox": both}),
    )?;
    let text = fs::read_to_string(&original)?;
    let read_only = sandbox(&project, &[(&project, "read")]);
    let params = json!({"path": uri(&copy), "sandbox": read_only});
    let answer = client.show(story, "source file read, sandboxed", "fs/readFile", params)?;
    ensure(answer["dataBase64"] == base64(&text).as_str(), || {
        "the copy differs".into()
    })?;
    story.holds(&format!("{} bytes, the same as the original's", text.len()));

    let edited = format!("// Edited through the gate.\n{text}");
    let write = |sandbox: &Value| json!({"path": uri(&copy), "dataBase64": base64(&edited), "sandbox": sandbox});
    client.show_refused(
        story,
        "edit refused: read-only profile",
        "fs/writeFile",
        write(&read_only),
    )?;
    ensure(fs::read_to_string(&copy)? == text, || {
        "a refused write changed the file".into()
    })?;
    story.holds("refused with a read-only profile, and the file is as it was");
    let writable = sandbox(&project, &[(&project, "write")]);
    client.show(
        story,
        "source file edited, sandboxed",
        "fs/writeFile",
        write(&writable),
    )?;
    ensure(fs::read_to_string(&copy)? == edited, || {
        "the edit is not on the disk".into()
    })?;
    story.holds("written with a profile that grants it; its first line now:");
    story.note(&format!(
        "    {}",
        edited.lines().next().unwrap_or_default()
    ));
    Ok(workspace)
}

/// Lists a directory and walks the tree below it, with nothing granted but that tree.
fn look(story: &mut Story, client: &mut Client, source: &Path, host: &Path) -> Result<(), Broken> {
    story.chapter(
        "Look at Lockgate's own source, sandboxed",
        "The profile grants to read one directory. A WebAssembly guest that holds nothing else resolves the paths.",
    );
    let granted = sandbox(source, &[(host, "read")]);
    let params = json!({"path": uri(host), "sandbox": granted});
    let listing = client.show(story, "host/ listed", "fs/readDirectory", params)?;
    let names = listing["entries"].as_array().map_or(0, Vec::len);
    let there = fs::read_dir(host)?.count();
    ensure(names == there, || {
        format!("{names} of {there} entries listed")
    })?;
    let options = json!({
        "maxDepth": 16, "maxDirectories": 1_000, "maxEntries": 10_000, "followDirectorySymlinks": false,
    });
    let params = json!({"path": uri(host), "options": options, "sandbox": granted});
    let walk = client.show(story, "host/ walked", "fs/walk", params)?;
    let found = walk["entries"].as_array().map_or(0, Vec::len);
    let there = count(host)?;
    ensure(found == there && walk["truncated"] == false, || {
        format!(
            "{found} of {there} entries found, truncated: {}",
            walk["truncated"]
        )
    })?;
    story.holds(&format!(
        "{names} crates listed, {found} files and directories walked: all there are"
    ));
    let params = json!({"path": uri(&source.join("Cargo.toml")), "sandbox": granted});
    client.show_refused(story, "a file beside host/ refused", "fs/readFile", params)?;
    story.holds("what lies beside the granted directory is not to be had");
    Ok(())
}

/// Entries below `directory`, as this program sees them.
fn count(directory: &Path) -> Result<usize, Broken> {
    let mut entries = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        entries += 1;
        if entry.file_type()?.is_dir() {
            entries += count(&entry.path())?;
        }
    }
    Ok(entries)
}

fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}
