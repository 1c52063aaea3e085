//! Ways out of a granted directory that do not lead out of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::broken::{Broken, ensure};
use crate::client::Client;
use crate::profile::{sandbox, uri};
use crate::story::Story;
use crate::workspace::Workspace;

/// Tries them all.
pub(crate) fn attempt(
    story: &mut Story,
    client: &mut Client,
    workspace: &Workspace,
) -> Result<(), Broken> {
    story.chapter(
        "Try to get out",
        "The workspace may be written, so whoever works there can make links. Following one does not widen the grant.",
    );
    let project = workspace.project();
    let link = |name: &str, target: &Path| -> Result<PathBuf, Broken> {
        let path = project.join(name);
        symlink(target, &path)?;
        story.note(&format!("link  project/{name} -> {}", target.display()));
        Ok(path)
    };
    let absolute = link("notes", &workspace.secret())?;
    let relative = link("readme", Path::new("../secret"))?;
    let root = link("everything", Path::new("/"))?;
    let inner = link("same-place", Path::new("envelope.rs"))?;
    fs::create_dir(project.join("sub"))?;
    let upward = project.join("sub/../../secret");
    let granted = sandbox(&project, &[(&project, "write")]);
    let read = |path: &Path| json!({"path": uri(path), "sandbox": granted});

    client.show(
        story,
        "a link that stays inside: read",
        "fs/readFile",
        read(&inner),
    )?;
    story.holds("a link to a file inside is followed");
    let unconfined = json!({"path": uri(&absolute), "sandbox": null});
    let answer = client.call("fs/readFile", unconfined)?;
    ensure(answer["dataBase64"] == "dGhlIHNlY3JldAo=", || {
        format!("without a sandbox: {answer}")
    })?;
    story.holds("without a sandbox the link to the secret reads well: the link is real");

    for (what, path) in [
        ("an absolute link to the secret: refused", absolute),
        ("a relative link to it: refused", relative),
        ("`..` in the path: refused", upward),
        (
            "a link to the root, then down: refused",
            root.join("etc/passwd"),
        ),
    ] {
        client.show_refused(story, what, "fs/readFile", read(&path))?;
        story.holds(what);
    }

    let victim = workspace.outside().join("written");
    let out = project.join("out");
    symlink(&victim, &out)?;
    story.note(&format!("link  project/out -> {}", victim.display()));
    let params = json!({"path": uri(&out), "dataBase64": "eA==", "sandbox": granted});
    let what = "writing through a link: refused";
    client.show_refused(story, what, "fs/writeFile", params)?;
    ensure(!victim.exists(), || {
        "the refused write made a file outside".into()
    })?;
    story.holds("writing through a link that leads out: refused, and nothing was made");
    ensure(
        fs::read_to_string(workspace.secret())? == "the secret\n",
        || "the secret was changed".into(),
    )
}
