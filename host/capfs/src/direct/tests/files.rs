//! Reading, writing, looking, listing.

use super::*;

#[test]
fn a_file_is_read_whole_or_in_blocks() {
    let home = Home::new();
    let contents: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = home.file("big", &contents);
    assert_eq!(read(&path).expect("read"), contents);
    let file = open(&path, LINKS).expect("opened");
    assert_eq!(file.size, 800_000);
    assert_eq!(
        file.read_at(799_990, 100).expect("read"),
        &contents[799_990..]
    );
    assert_eq!(file.read_at(100, 50).expect("read"), &contents[100..150]);
    assert_eq!(file.read_at(800_000, 1).expect("read"), b"");
    assert_eq!(read(&home.file("empty", b"")).expect("read"), b"");
}

#[test]
fn a_file_whose_size_is_unknown_is_read_to_its_end() {
    let status = AbsPath::parse("/proc/self/status").expect("absolute");
    let bytes = read(&status).expect("read");
    assert!(bytes.starts_with(b"Name:"));
    assert!(bytes.len() > 500);
}

#[test]
fn a_file_larger_than_the_limit_is_refused_before_it_is_read() {
    let home = Home::new();
    let path = home.file("sparse", b"");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(path.as_path())
        .expect("opened");
    file.set_len(512 * 1024 * 1024 + 1).expect("made long");
    let refused = read(&path).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "file is too large to read: limit is 536870912 bytes"
    );
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    let in_blocks = open(&path, LINKS).expect("opened").read_at(0, 4);
    assert_eq!(in_blocks.expect("read"), [0; 4]);
}

#[test]
fn what_cannot_be_read_says_why_and_never_hangs() {
    let home = Home::new();
    assert_eq!(
        text(read(&home.at("missing"))),
        "No such file or directory (os error 2)"
    );
    assert_eq!(kind(read(&home.at("missing"))), ErrorKind::NotFound);
    assert_eq!(
        text(read(&home.directory("d"))),
        "Is a directory (os error 21)"
    );
    assert_eq!(kind(read(&home.at("d"))), ErrorKind::Other);
    assert!(matches!(read(&home.fifo("fifo")), Err(FsError::NotRegular)));
    assert!(matches!(
        write_file(&home.at("fifo"), b"x", LINKS),
        Err(FsError::NotRegular)
    ));
    let _listener = UnixListener::bind(home.path("socket")).expect("bound");
    assert!(matches!(read(&home.at("socket")), Err(FsError::NotRegular)));
    let null = AbsPath::parse("/dev/null").expect("absolute");
    assert!(matches!(read(&null), Err(FsError::NotRegular)));
    assert!(matches!(
        write_file(&null, b"x", LINKS),
        Err(FsError::NotRegular)
    ));
    assert!(matches!(
        try_open(&null),
        None | Some(Err(FsError::NotRegular))
    ));
}

#[test]
fn a_written_file_stays_the_same_file() {
    let home = Home::new();
    let path = home.file("file", b"before, and longer");
    fs::hard_link(path.as_path(), home.path("other")).expect("linked");
    fs::set_permissions(path.as_path(), fs::Permissions::from_mode(0o640)).expect("chmod");
    write_file(&path, b"after", LINKS).expect("written");
    assert_eq!(home.read("other"), b"after");
    let mode = fs::metadata(path.as_path()).expect("metadata").mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn writing_creates_through_links_but_not_parents() {
    let home = Home::new();
    write_file(&home.at("new"), b"1", LINKS).expect("written");
    assert_eq!(home.read("new"), b"1");
    write_file(&home.link("dangling", "target"), b"2", LINKS).expect("written");
    assert_eq!(home.read("target"), b"2");
    assert_eq!(
        kind(write_file(&home.at("no/file"), b"3", LINKS)),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(write_file(&home.directory("d"), b"4", LINKS)),
        ErrorKind::Other
    );
    assert_eq!(
        kind(write_file(&home.at("new/below"), b"5", LINKS)),
        ErrorKind::Other
    );
}

#[test]
fn without_following_any_link_on_the_way_is_refused() {
    let home = Home::new();
    home.directory("real");
    home.file("real/file", b"x");
    home.link("link", "real");
    home.link("end", "real/file");
    home.link("dangling", "nowhere");
    for path in ["link/file", "end", "dangling", "link"] {
        let path = home.at(path);
        assert!(
            matches!(open(&path, NOTHING), Err(FsError::SymbolicLink)),
            "open {path}"
        );
        assert!(
            matches!(metadata(&path, NOTHING), Err(FsError::SymbolicLink)),
            "metadata {path}"
        );
        assert!(
            matches!(write_file(&path, b"y", NOTHING), Err(FsError::SymbolicLink)),
            "write {path}"
        );
        assert!(
            matches!(
                remove(&path, true, true, NOTHING),
                Err(FsError::SymbolicLink)
            ),
            "remove {path}"
        );
        assert!(
            matches!(
                create_directory(&path, false, NOTHING),
                Err(FsError::SymbolicLink)
            ),
            "make {path}"
        );
        assert!(
            matches!(
                create_directory(&path, true, NOTHING),
                Err(FsError::SymbolicLink)
            ),
            "make all {path}"
        );
    }
    let below = home.at("link/new/deeper");
    assert!(matches!(
        create_directory(&below, true, NOTHING),
        Err(FsError::SymbolicLink)
    ));
    assert_eq!(
        kind(open(&home.at("link/file"), NOTHING)),
        ErrorKind::InvalidInput
    );
    assert_eq!(home.read("real/file"), b"x");
    assert!(fs::read_link(home.path("dangling")).is_ok());

    let plain = home.at("real/file");
    assert!(open(&plain, NOTHING).is_ok());
    write_file(&plain, b"y", NOTHING).expect("written");
    write_file(&home.at("real/second"), b"z", NOTHING).expect("written");
    assert!(metadata(&plain, NOTHING).expect("metadata").is_file);
    create_directory(&home.at("real/a/b"), true, NOTHING).expect("made");
    create_directory(&home.at("real/a/b"), true, NOTHING).expect("there already");
    create_directory(&home.at("real/c"), false, NOTHING).expect("made");
    assert_eq!(
        kind(create_directory(&home.at("real/c"), false, NOTHING)),
        ErrorKind::Other
    );
    assert_eq!(
        kind(open(&home.at("real/missing"), NOTHING)),
        ErrorKind::NotFound
    );
    remove(&home.at("real"), true, false, NOTHING).expect("removed");
    assert!(!home.path("real").exists());
}

#[test]
fn directories_are_made_with_those_above_them() {
    let home = Home::new();
    create_directory(&home.at("a/b/c"), true, LINKS).expect("made");
    create_directory(&home.at("a/b/c"), true, LINKS).expect("there already");
    assert_eq!(
        text(create_directory(&home.at("a"), false, LINKS)),
        "File exists (os error 17)"
    );
    assert_eq!(
        kind(create_directory(&home.at("x/y"), false, LINKS)),
        ErrorKind::NotFound
    );
    home.link("to-a", "a");
    create_directory(&home.at("to-a"), true, LINKS).expect("a link to a directory is one");
    create_directory(&home.at("to-a/d/e"), true, LINKS).expect("made");
    assert!(home.path("a/d/e").is_dir());
    home.file("file", b"");
    assert_eq!(
        text(create_directory(&home.at("file"), true, LINKS)),
        "File exists (os error 17)"
    );
    assert_eq!(
        text(create_directory(&home.at("file/below"), true, LINKS)),
        "Not a directory (os error 20)"
    );
    create_directory(&AbsPath::root(), true, LINKS).expect("the root is there");
}

#[test]
fn metadata_is_of_the_target_and_tells_the_link() {
    let home = Home::new();
    let before = std::time::SystemTime::now();
    let file = home.file("file", b"12345");
    let found = metadata(&file, LINKS).expect("metadata");
    assert!(found.is_file && !found.is_directory && !found.is_symlink);
    assert_eq!(found.size, 5);
    let earliest = before
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis() as i64;
    // A filesystem's clock may tick more coarsely than the system's.
    assert!(found.modified_ms > earliest - 2_000, "{found:?}");
    assert!(
        found.created_ms == 0 || found.created_ms > earliest - 2_000,
        "{found:?}"
    );

    home.directory("d");
    let found = metadata(&home.link("to-d", "d"), LINKS).expect("metadata");
    assert!(found.is_directory && !found.is_file && found.is_symlink);
    let found = metadata(&home.link("to-file", "file"), LINKS).expect("metadata");
    assert!(found.is_file && found.is_symlink && found.size == 5);
    assert_eq!(
        kind(metadata(&home.link("broken", "nowhere"), LINKS)),
        ErrorKind::NotFound
    );
    let fifo = metadata(&home.fifo("fifo"), LINKS).expect("metadata");
    assert!(!fifo.is_file && !fifo.is_directory);
}

#[test]
fn times_before_1970_are_negative() {
    let home = Home::new();
    let path = home.file("old", b"");
    let time = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1_500);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(path.as_path())
        .expect("opened");
    file.set_modified(time).expect("set");
    assert_eq!(
        metadata(&path, LINKS).expect("metadata").modified_ms,
        -1_500
    );
}

#[test]
fn a_canonical_path_has_no_links() {
    let home = Home::new();
    let real = AbsPath::parse(
        home.directory("real")
            .as_path()
            .canonicalize()
            .expect("real"),
    )
    .expect("absolute");
    home.file("real/file", b"");
    home.link("link", "real");
    let found = canonicalize(&home.at("link/file")).expect("found");
    assert_eq!(found, real.join("file").expect("a name"));
    assert_eq!(
        kind(canonicalize(&home.at("link/missing"))),
        ErrorKind::NotFound
    );
}

#[test]
fn a_listing_has_the_types_of_targets_and_leaves_broken_links_out() {
    let home = Home::new();
    home.directory("d/sub");
    home.file("d/file", b"");
    home.link("d/to-file", "file");
    home.link("d/to-sub", "sub");
    home.link("d/broken", "nowhere");
    home.fifo("d/fifo");
    let odd = OsString::from_vec(b"odd-\xff".to_vec());
    home.file(Path::new("d").join(&odd), b"");
    let mut entries = read_directory(&home.at("d")).expect("listed");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let seen: Vec<(OsString, bool, bool)> = entries
        .into_iter()
        .map(|entry| {
            let (is_directory, is_file) = (entry.is_directory(), entry.is_file());
            (entry.name, is_directory, is_file)
        })
        .collect();
    let expected = [
        (OsString::from("fifo"), false, false),
        ("file".into(), false, true),
        (odd, false, true),
        ("sub".into(), true, false),
        ("to-file".into(), false, true),
        ("to-sub".into(), true, false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        text(read_directory(&home.at("d/file"))),
        "Not a directory (os error 20)"
    );
    assert_eq!(
        kind(read_directory(&home.at("missing"))),
        ErrorKind::NotFound
    );
    assert!(read_directory(&home.at("d/fifo")).is_err());
}

#[test]
fn names_that_are_not_utf8_are_ordinary_names() {
    let home = Home::new();
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let path = home.at(odd);
    write_file(&path, b"x", LINKS).expect("written");
    assert_eq!(read(&path).expect("read"), b"x");
    copy(&path, &home.at(OsStr::from_bytes(b"\xfd")), false).expect("copied");
    remove(&path, false, false, LINKS).expect("removed");
    assert_eq!(read_directory(&home.at("")).expect("listed").len(), 1);
}

#[test]
fn small_calls_answer_at_once_what_the_blocking_ones_answer() {
    let home = Home::new();
    let file = home.file("file", b"contents");
    home.directory("d");
    let link = home.link("link", "file");
    // The blocking calls fill the kernel's caches and tell what the filesystem is.
    for path in [&file, &link, &home.at("d")] {
        let expected = metadata(path, LINKS).expect("metadata");
        if let Some(at_once) = try_metadata(path) {
            assert_eq!(at_once.expect("metadata"), expected);
        }
    }
    let expected = read(&link).expect("read");
    if let Some(at_once) = try_open(&link) {
        let at_once = at_once.expect("opened");
        if let Some(read) = at_once.try_read_all(1 << 20) {
            assert_eq!(read.expect("read"), expected);
        }
        assert!(at_once.try_read_all(3).is_none(), "larger than asked for");
    }
    let refused = |result: Option<Result<_, FsError>>| {
        result.is_none_or(|result: Result<(), _>| result.is_err())
    };
    assert!(refused(
        try_open(&home.at("missing")).map(|result| result.map(drop))
    ));
    assert!(refused(
        try_open(&home.at("d")).map(|result| result.map(drop))
    ));
    assert!(refused(
        try_open(&home.fifo("fifo")).map(|result| result.map(drop))
    ));
    assert!(refused(
        try_metadata(&home.at("missing")).map(|result| result.map(drop))
    ));
}

#[test]
fn small_calls_are_answered_at_once_on_a_local_filesystem() {
    let home = Home::new();
    let file = home.file("file", b"contents");
    metadata(&file, LINKS).expect("metadata");
    let resolves_cached = rustix::fs::openat2(
        CWD,
        file.as_path(),
        rustix::fs::OFlags::PATH,
        Mode::empty(),
        rustix::fs::ResolveFlags::CACHED,
    );
    let device = fs::metadata(file.as_path()).expect("metadata").dev();
    if resolves_cached.is_err() || !local::is_known_local(device) {
        return; // Not to be had on this machine.
    }
    assert!(matches!(try_metadata(&file), Some(Ok(found)) if found.size == 8));
    assert!(matches!(try_open(&file), Some(Ok(found)) if found.size == 8));
}
