//! Removing and copying.

use super::*;

#[test]
fn removing_takes_links_and_never_their_targets() {
    let home = Home::new();
    home.directory("keep");
    home.file("keep/file", b"x");
    remove(&home.link("to-keep", "keep"), true, false, LINKS).expect("removed");
    home.directory("tree/a/b");
    home.link("tree/a/to-keep", home.path("keep"));
    home.link("tree/broken", "nowhere");
    home.fifo("tree/a/b/fifo");
    home.file(Path::new("tree/a").join(OsStr::from_bytes(b"\xff")), b"");
    assert_eq!(
        text(remove(&home.at("tree"), false, false, LINKS)),
        "Directory not empty (os error 39)"
    );
    remove(&home.at("tree"), true, false, LINKS).expect("removed");
    assert!(!home.path("tree").exists());
    assert_eq!(home.read("keep/file"), b"x");
}

#[test]
fn removing_what_is_missing_is_a_failure_unless_forced() {
    let home = Home::new();
    let missing = home.at("missing");
    assert_eq!(
        kind(remove(&missing, true, false, LINKS)),
        ErrorKind::NotFound
    );
    remove(&missing, true, true, LINKS).expect("forced");
    remove(&home.at("no/parent"), false, true, LINKS).expect("forced");
    home.file("file", b"");
    assert_eq!(
        text(remove(&home.at("file/below"), true, true, LINKS)),
        "Not a directory (os error 20)"
    );
    remove(&home.directory("empty"), false, false, LINKS).expect("removed");
    assert_eq!(
        text(remove(&AbsPath::root(), true, true, LINKS)),
        "Device or resource busy (os error 16)"
    );
}

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    let home = Home::new();
    let top = home.directory("top");
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
    let mut current = rustix::fs::open(top.as_path(), flags, Mode::empty()).expect("opened");
    for _ in 0..2_100 {
        rustix::fs::mkdirat(&current, "d", Mode::from_raw_mode(0o777)).expect("made");
        current = rustix::fs::openat(&current, "d", flags, Mode::empty()).expect("opened");
    }
    drop(current);
    remove(&top, true, false, LINKS).expect("removed");
    assert!(!home.path("top").exists());
}

#[test]
fn an_unreadable_directory_is_removed_if_it_is_empty() {
    if is_root() {
        return; // Permissions do not bind root.
    }
    let home = Home::new();
    home.directory("tree/closed");
    fs::set_permissions(home.path("tree/closed"), fs::Permissions::from_mode(0o000))
        .expect("chmod");
    remove(&home.at("tree"), true, false, LINKS).expect("removed");
}

#[test]
fn a_copied_file_has_contents_and_permission_bits_and_overwrites() {
    let home = Home::new();
    let source = home.file("source", b"new");
    fs::set_permissions(source.as_path(), fs::Permissions::from_mode(0o750)).expect("chmod");
    let destination = home.file("destination", b"old and longer");
    copy(&source, &destination, false).expect("copied");
    assert_eq!(home.read("destination"), b"new");
    let mode = fs::metadata(destination.as_path())
        .expect("metadata")
        .mode();
    assert_eq!(mode & 0o777, 0o750);
    copy(&source, &source, false).expect("a file copied to itself stays");
    assert_eq!(home.read("source"), b"new");
    copy(&source, &home.link("alias", "source"), false).expect("also through a link");
    assert_eq!(home.read("source"), b"new");
    assert_eq!(
        kind(copy(&source, &home.at("no/parent"), false)),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(copy(&source, &home.directory("d"), false)),
        ErrorKind::Other
    );
    assert!(matches!(
        copy(&source, &home.fifo("fifo"), false),
        Err(FsError::NotRegular)
    ));
}

#[test]
fn links_are_copied_as_links() {
    let home = Home::new();
    copy(
        &home.link("link", "any where/at all"),
        &home.at("copied"),
        false,
    )
    .expect("copied");
    assert_eq!(
        fs::read_link(home.path("copied")).expect("a link"),
        Path::new("any where/at all")
    );
}

#[test]
fn a_directory_is_copied_only_recursively_and_merged_into_what_is_there() {
    let home = Home::new();
    home.directory("from/sub/empty");
    home.file("from/file", b"1");
    home.file("from/sub/file", b"2");
    home.link("from/link", "file");
    home.link("from/sub/broken", "nowhere");
    home.fifo("from/sub/fifo");
    let _listener = UnixListener::bind(home.path("from/socket")).expect("bound");
    home.file(Path::new("from").join(OsStr::from_bytes(b"\xff")), b"3");
    home.directory("to/sub");
    home.file("to/file", b"old");
    home.file("to/sub/kept", b"kept");

    let refused = copy(&home.at("from"), &home.at("to"), false);
    assert_eq!(
        text(refused),
        "fs/copy requires recursive: true when sourcePath is a directory"
    );
    copy(&home.at("from"), &home.at("to"), true).expect("copied");
    assert_eq!(home.read("to/file"), b"1");
    assert_eq!(home.read("to/sub/file"), b"2");
    assert_eq!(home.read("to/sub/kept"), b"kept");
    assert_eq!(
        home.read(Path::new("to").join(OsStr::from_bytes(b"\xff"))),
        b"3"
    );
    assert!(home.path("to/sub/empty").is_dir());
    assert_eq!(
        fs::read_link(home.path("to/link")).expect("a link"),
        Path::new("file")
    );
    assert_eq!(
        fs::read_link(home.path("to/sub/broken")).expect("a link"),
        Path::new("nowhere")
    );
    assert!(!home.path("to/sub/fifo").exists());
    assert!(!home.path("to/socket").exists());
}

#[test]
fn a_directory_is_not_copied_into_itself_by_any_name() {
    let home = Home::new();
    home.directory("tree/sub");
    home.directory("tree-beside");
    home.link("alias", "tree");
    home.link("tree-beside/back", "../tree/sub");
    for destination in [
        "tree",
        "tree/sub/new",
        "tree/new/deeper",
        "alias/new",
        "tree-beside/back/new",
    ] {
        let refused = copy(&home.at("tree"), &home.at(destination), true);
        assert_eq!(
            text(refused),
            "fs/copy cannot copy a directory to itself or one of its descendants",
            "{destination}"
        );
    }
    copy(&home.at("tree"), &home.at("tree-beside/tree"), true)
        .expect("a name that only begins alike");
}

#[test]
fn things_that_are_no_files_are_not_copied() {
    let home = Home::new();
    let refused = copy(&home.fifo("fifo"), &home.at("copy"), true);
    assert_eq!(
        text(refused),
        "fs/copy only supports regular files, directories, and symlinks"
    );
    let zero = AbsPath::parse("/dev/zero").expect("absolute");
    assert!(matches!(
        copy(&zero, &home.at("copy"), true),
        Err(FsError::CopyUnsupported)
    ));
    assert_eq!(
        kind(copy(&home.at("missing"), &home.at("copy"), true)),
        ErrorKind::NotFound
    );
}
