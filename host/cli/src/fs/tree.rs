//! `fs tree`: a walk, drawn.

use std::collections::BTreeMap;
use std::path::Path;

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::code;
use lockgate_wire::fs::{WalkKind, WalkOptions, WalkParams, WalkResult};
use lockgate_wire::limits::{WALK_DEPTH, WALK_DIRECTORIES, WALK_ENTRIES};

use super::stream::{DIRECTORIES, counted};
use super::{Place, about};
use crate::failure::Failure;
use crate::output::{print, print_json};

pub(super) async fn tree(
    place: &Place<'_>,
    path: &Path,
    depth: u64,
    no_hidden: bool,
    json: bool,
) -> Result<(), Failure> {
    let wire = place.path(path)?;
    let root = wire.path.clone();
    // Counted from 0 there: the children of the root.
    let max_depth = depth.saturating_sub(1).min(WALK_DEPTH);
    let options = WalkOptions {
        max_depth,
        max_directories: WALK_DIRECTORIES,
        max_entries: WALK_ENTRIES,
        follow_directory_symlinks: false,
        prune_hidden_directories: no_hidden,
    };
    let params = WalkParams {
        path: wire,
        options,
        sandbox: place.sandbox.clone(),
    };
    let walk = place
        .client
        .walk(&params)
        .await
        .map_err(about(place, path))?;
    if let Some(error) = walk.errors.iter().find(|error| error.path.path == root) {
        let message = printable(&error.message).into_owned();
        let code = code::INTERNAL;
        return Err(about(place, path)(ClientError::Server { code, message }));
    }
    if json {
        print_json(&walk)?;
    } else {
        print(&draw(&printable(&path.to_string_lossy()), &root, &walk))?;
    }
    for error in &walk.errors {
        eprintln!(
            "lockgate: {}: {}",
            printable(&error.path.path.to_string()),
            printable(&error.message)
        );
    }
    if stops(&root, max_depth, &walk) {
        eprintln!(
            "lockgate: deeper levels are not shown: use a larger --depth or a directory below"
        );
    }
    if walk.truncated {
        eprintln!(
            "lockgate: the tree is larger than a walk may be, only a part is shown; use --depth or a directory below"
        );
    }
    if walk.errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::new("some directories could not be looked into"))
    }
}

/// Whether there are directories that were not opened because they lie too deep.
fn stops(root: &AbsPath, max_depth: u64, walk: &WalkResult) -> bool {
    let deepest = root.components().count() as u64 + max_depth + 1;
    walk.entries.iter().any(|entry| {
        entry.kind == WalkKind::Directory && entry.path.path.components().count() as u64 == deepest
    })
}

/// Names below one directory, in order.
#[derive(Default)]
struct Node {
    directory: bool,
    children: BTreeMap<Vec<u8>, Node>,
}

fn draw(name: &str, root: &AbsPath, walk: &WalkResult) -> String {
    let mut top = Node::default();
    let (mut directories, mut files) = (0, 0);
    for entry in &walk.entries {
        let below = entry.path.path.components().skip(root.components().count());
        let node = below.fold(&mut top, |node, name| {
            node.children.entry(name.to_vec()).or_default()
        });
        node.directory = entry.kind == WalkKind::Directory;
        match entry.kind {
            WalkKind::Directory => directories += 1,
            WalkKind::File => files += 1,
        }
    }
    let mut text = format!("{name}\n");
    branches(&top, "", &mut text);
    text.push_str(&format!(
        "\n{}, {}\n",
        counted(directories, DIRECTORIES),
        counted(files, ["file", "files"])
    ));
    text
}

/// At most as deep as a walk goes.
fn branches(node: &Node, indent: &str, text: &mut String) {
    let last = node.children.len().saturating_sub(1);
    for (number, (name, child)) in node.children.iter().enumerate() {
        let (branch, below) = if number == last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        let slash = if child.directory { "/" } else { "" };
        text.push_str(&format!(
            "{indent}{branch}{}{slash}\n",
            printable(&String::from_utf8_lossy(name))
        ));
        branches(child, &format!("{indent}{below}"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_wire::WirePath;
    use lockgate_wire::fs::WalkEntry;

    #[test]
    fn a_walk_is_drawn_as_a_tree() {
        let root = AbsPath::parse("/r").expect("a path");
        let entry = |path: &str, kind| WalkEntry {
            path: WirePath::uri(AbsPath::parse(path).expect("a path")),
            kind,
        };
        let walk = WalkResult {
            entries: vec![
                entry("/r/b", WalkKind::Directory),
                entry("/r/a", WalkKind::File),
                entry("/r/b/c", WalkKind::Directory),
                entry("/r/b/d", WalkKind::File),
                entry("/r/b/c/e", WalkKind::File),
            ],
            ..WalkResult::default()
        };
        let wanted =
            "r\n├── a\n└── b/\n    ├── c/\n    │   └── e\n    └── d\n\n2 directories, 3 files\n";
        assert_eq!(draw("r", &root, &walk), wanted);
    }
}
