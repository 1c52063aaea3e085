//! `fs tree`: what is below a directory, drawn.

mod every;
mod walked;

use std::collections::BTreeMap;
use std::path::Path;

use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::WirePath;
use lockgate_wire::fs::{FileKind, LeadsTo, WalkError};
use lockgate_wire::limits::WALK_DEPTH;
use serde::Serialize;

use super::Place;
use super::look::word;
use super::stream::{DIRECTORIES, counted};
use crate::failure::Failure;
use crate::output::{print, print_json};

/// What is below a directory, as JSON has it.
#[derive(Default, Serialize)]
struct Tree {
    entries: Vec<Entry>,
    /// What could not be looked into.
    errors: Vec<WalkError>,
    /// There is more than is told of one tree.
    truncated: bool,
    /// There are directories that lie too deep to be looked into.
    #[serde(skip)]
    stops: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    path: WirePath,
    /// What it is itself.
    kind: FileKind,
    /// Of a link, if the server tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    leads_to: Option<LeadsTo>,
}

/// How much of it is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    /// Counted from 0: the children of the root.
    depth: u64,
    no_hidden: bool,
}

pub(super) async fn tree(
    place: &Place<'_>,
    path: &Path,
    depth: u64,
    no_hidden: bool,
    json: bool,
) -> Result<(), Failure> {
    let wanted = Wanted {
        depth: depth.saturating_sub(1).min(WALK_DEPTH),
        no_hidden,
    };
    let mut tree = match place.client.lists_every_entry() {
        true => every::tree(place, path, wanted).await?,
        false => walked::tree(place, path, wanted).await?,
    };
    if json {
        // As it is drawn: what is in a directory behind it, by its bytes.
        let entries = &mut tree.entries;
        entries.sort_by(|a, b| a.path.path.components().cmp(b.path.path.components()));
        print_json(&tree)?;
    } else {
        let root = place.path(path)?.path;
        print(&draw(&printable(&path.to_string_lossy()), &root, &tree))?;
    }
    for error in &tree.errors {
        tell!(
            "lockgate: {}: {}",
            printable(&error.path.path.to_string()),
            printable(&error.message)
        );
    }
    if tree.stops {
        tell!("lockgate: deeper levels are not shown: use a larger --depth or a directory below");
    }
    if tree.truncated {
        tell!(
            "lockgate: the tree is larger than a walk may be, only a part is shown; use --depth or a directory below"
        );
    }
    if tree.errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::new("some directories could not be looked into"))
    }
}

/// Names below one directory, in order.
#[derive(Default)]
struct Node {
    /// What stands behind the name.
    mark: String,
    children: BTreeMap<Vec<u8>, Node>,
}

fn draw(name: &str, root: &AbsPath, tree: &Tree) -> String {
    let mut top = Node::default();
    let (mut directories, mut files, mut links, mut others) = (0, 0, 0, 0);
    for entry in &tree.entries {
        let below = entry.path.path.components().skip(root.components().count());
        let node = below.fold(&mut top, |node, name| {
            node.children.entry(name.to_vec()).or_default()
        });
        node.mark = mark(entry);
        match entry.kind {
            FileKind::Directory => directories += 1,
            FileKind::File => files += 1,
            FileKind::Symlink => links += 1,
            _ => others += 1,
        }
    }
    let mut text = format!("{name}\n");
    branches(&top, "", &mut text);
    text.push_str(&format!(
        "\n{}, {}",
        counted(directories, DIRECTORIES),
        counted(files, ["file", "files"])
    ));
    for (count, what) in [(links, ["link", "links"]), (others, ["other", "others"])] {
        if count > 0 {
            text.push_str(&format!(", {}", counted(count, what)));
        }
    }
    text.push('\n');
    text
}

/// Nothing behind a file.
fn mark(entry: &Entry) -> String {
    match (entry.kind, entry.leads_to) {
        (FileKind::Directory, _) => "/".to_owned(),
        (FileKind::File, _) => String::new(),
        (FileKind::Symlink, Some(LeadsTo::Directory)) => " (link to a directory)".to_owned(),
        (FileKind::Symlink, Some(LeadsTo::File)) => " (link to a file)".to_owned(),
        (FileKind::Symlink, Some(LeadsTo::Nowhere)) => " (link to nothing)".to_owned(),
        (kind, _) => format!(" ({})", word(kind).unwrap_or("unknown")),
    }
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
        text.push_str(&format!(
            "{indent}{branch}{}{}\n",
            printable(&String::from_utf8_lossy(name)),
            child.mark
        ));
        branches(child, &format!("{indent}{below}"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_with_what_each_thing_is() {
        let root = AbsPath::parse("/r").expect("a path");
        let entry = |path: &str, kind, leads_to| Entry {
            path: WirePath::uri(AbsPath::parse(path).expect("a path")),
            kind,
            leads_to,
        };
        let mut tree = Tree {
            entries: vec![
                entry("/r/b", FileKind::Directory, None),
                entry("/r/a", FileKind::File, None),
                entry("/r/b/c", FileKind::Directory, None),
                entry("/r/b/d", FileKind::File, None),
                entry("/r/b/c/e", FileKind::File, None),
            ],
            ..Tree::default()
        };
        let wanted =
            "r\n├── a\n└── b/\n    ├── c/\n    │   └── e\n    └── d\n\n2 directories, 3 files\n";
        assert_eq!(draw("r", &root, &tree), wanted);
        tree.entries = vec![
            entry("/r/a", FileKind::Symlink, Some(LeadsTo::Nowhere)),
            entry("/r/b", FileKind::Symlink, Some(LeadsTo::Directory)),
            entry("/r/c", FileKind::Symlink, None),
            entry("/r/d", FileKind::Fifo, None),
            entry("/r/e", FileKind::Unknown, None),
        ];
        let wanted = "r\n├── a (link to nothing)\n├── b (link to a directory)\n├── c (link)\n├── d (fifo)\n└── e (unknown)\n\n0 directories, 0 files, 3 links, 2 others\n";
        assert_eq!(draw("r", &root, &tree), wanted);
    }
}
