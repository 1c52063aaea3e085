//! Walks and their bounds.

use super::*;

const EVERYTHING: WalkOptions = WalkOptions {
    max_depth: 64,
    max_directories: 10_000,
    max_entries: 50_000,
    follow_directory_symlinks: false,
    prune_hidden_directories: false,
    prune_links: false,
};

fn walked(home: &Home, root: &str, options: WalkOptions) -> (Vec<String>, bool) {
    let outcome = walk(&home.at(root), &options).expect("walked");
    assert_eq!(outcome.errors, []);
    let base = home.path("");
    let shown = outcome.entries.iter().map(|entry| {
        let path = entry
            .path
            .as_path()
            .strip_prefix(&base)
            .expect("below the root");
        let mark = if entry.kind == WalkKind::Directory {
            "/"
        } else {
            ""
        };
        format!("{}{mark}", path.display())
    });
    (shown.collect(), outcome.truncated)
}

fn walked_set(home: &Home, options: WalkOptions) -> BTreeSet<String> {
    walked(home, "r", options).0.into_iter().collect()
}

fn set(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn a_walk_lists_directories_and_files_breadth_first() {
    let home = Home::new();
    home.directory("r/a/b");
    home.file("r/a/b/deep", b"");
    home.file("r/top", b"");
    home.fifo("r/fifo");
    home.link("r/to-file", "top");
    home.link("r/to-dir", "a");
    home.link("r/broken", "nowhere");
    let (entries, truncated) = walked(&home, "r", EVERYTHING);
    assert!(!truncated);
    let depths: Vec<usize> = entries
        .iter()
        .map(|path| path.trim_end_matches('/').matches('/').count())
        .collect();
    assert!(depths.is_sorted(), "{entries:?}");
    let plain = ["r/a/", "r/a/b/", "r/a/b/deep", "r/top", "r/to-file"];
    assert_eq!(entries.into_iter().collect::<BTreeSet<_>>(), set(&plain));
    let pruned = WalkOptions {
        follow_directory_symlinks: true,
        prune_links: true,
        ..EVERYTHING
    };
    assert_eq!(walked_set(&home, pruned), set(&plain[..4]));
    let following = WalkOptions {
        follow_directory_symlinks: true,
        ..EVERYTHING
    };
    // `a` has two names; below which one its contents are listed depends on the order of the names.
    let followed = walked_set(&home, following);
    assert!(followed.contains("r/to-dir/") && followed.contains("r/a/"));
    assert_eq!(
        followed
            .iter()
            .filter(|path| path.ends_with("deep"))
            .count(),
        1
    );
}

#[test]
fn a_walk_ends_in_trees_that_lead_into_themselves() {
    let home = Home::new();
    home.directory("r/a");
    home.link("r/a/up", "..");
    home.link("r/a/self", ".");
    home.link("r/loop", "loop");
    let following = WalkOptions {
        follow_directory_symlinks: true,
        ..EVERYTHING
    };
    let outcome = walk(&home.at("r"), &following).expect("walked");
    assert!(!outcome.truncated);
    assert_eq!(outcome.entries.len(), 3);
    assert_eq!(
        outcome.errors.len(),
        1,
        "the link that leads to itself is told"
    );
    let pruned = WalkOptions {
        prune_links: true,
        ..EVERYTHING
    };
    assert_eq!(walked(&home, "r", pruned).0, ["r/a/"]);
}

#[test]
fn a_walk_that_hits_a_bound_says_so() {
    let home = Home::new();
    home.directory("r/a/b/c");
    home.directory("r/d");
    home.file("r/.hidden-file", b"");
    home.file("r/d/file", b"");
    home.directory("r/.git/objects");
    let depth = |max_depth| {
        walked_set(
            &home,
            WalkOptions {
                max_depth,
                ..EVERYTHING
            },
        )
    };
    assert_eq!(
        depth(0),
        set(&["r/a/", "r/d/", "r/.git/", "r/.hidden-file"])
    );
    assert!(depth(1).contains("r/a/b/") && !depth(1).contains("r/a/b/c/"));
    let (entries, truncated) = walked(
        &home,
        "r",
        WalkOptions {
            max_entries: 3,
            ..EVERYTHING
        },
    );
    assert!(truncated && entries.len() == 3);
    let (entries, truncated) = walked(
        &home,
        "r",
        WalkOptions {
            max_directories: 1,
            ..EVERYTHING
        },
    );
    assert!(truncated && entries.len() == 4);
    let (_, truncated) = walked(
        &home,
        "r",
        WalkOptions {
            max_entries: 8,
            max_directories: 7,
            ..EVERYTHING
        },
    );
    assert!(!truncated);
    let pruned = walked_set(
        &home,
        WalkOptions {
            prune_hidden_directories: true,
            ..EVERYTHING
        },
    );
    assert_eq!(
        pruned,
        set(&[
            "r/a/",
            "r/a/b/",
            "r/a/b/c/",
            "r/d/",
            "r/d/file",
            "r/.hidden-file"
        ])
    );
}

#[test]
fn a_walks_answer_stays_below_its_size() {
    let home = Home::new();
    home.directory("r");
    let name = "n".repeat(240);
    for number in 0..40 {
        let directory = home.path(format!("r/{name}{number:03}"));
        fs::create_dir(&directory).expect("made");
        for number in 0..300 {
            fs::write(directory.join(format!("{name}{number:03}")), b"").expect("written");
        }
    }
    let outcome = walk(&home.at("r"), &EVERYTHING).expect("walked");
    assert!(outcome.truncated);
    let bytes: usize = outcome
        .entries
        .iter()
        .map(|entry| entry.path.as_bytes().len())
        .sum();
    assert!(
        bytes < 4 * 1024 * 1024 && outcome.entries.len() > 5_000,
        "{bytes}"
    );
}

#[test]
fn a_root_that_is_no_directory_is_an_empty_walk_and_a_missing_one_an_error() {
    let home = Home::new();
    home.file("file", b"");
    home.directory("d/sub");
    home.link("link", "d");
    assert_eq!(walked(&home, "file", EVERYTHING).0, [""; 0]);
    assert_eq!(walked(&home, "link", EVERYTHING).0, [""; 0]);
    let following = WalkOptions {
        follow_directory_symlinks: true,
        ..EVERYTHING
    };
    assert_eq!(walked(&home, "link", following).0, ["link/sub/"]);
    assert_eq!(
        kind(walk(&home.at("missing"), &EVERYTHING)),
        ErrorKind::NotFound
    );
}

#[test]
fn an_unreadable_directory_is_told_and_the_walk_goes_on() {
    if is_root() {
        return; // Permissions do not bind root.
    }
    let home = Home::new();
    home.directory("r/closed");
    home.directory("r/open/sub");
    fs::set_permissions(home.path("r/closed"), fs::Permissions::from_mode(0o000)).expect("chmod");
    let outcome = walk(&home.at("r"), &EVERYTHING).expect("walked");
    assert_eq!(outcome.entries.len(), 3);
    assert_eq!(
        outcome.errors,
        [(
            home.at("r/closed"),
            "Permission denied (os error 13)".to_owned()
        )]
    );
}
