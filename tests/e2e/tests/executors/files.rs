//! Files and directories.

use lockgate_client::ClientError;
use lockgate_client::executor::{Blocks, Entry, Kind, Removal, Replaced, Walk, Walked};
use lockgate_client::profile::Access;

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    a_file_is_made_looked_at_copied_and_removed,
    errors_have_the_codes_of_the_protocol,
    large_files_come_in_blocks_from_any_place,
    what_is_open_stays_the_file_that_was_opened,
    large_files_are_written_in_blocks,
    what_is_too_large_for_one_piece_says_so_and_goes_in_blocks,
    many_files_are_read_in_few_questions,
    a_hundred_calls_at_once_keep_apart,
    names_of_all_kinds_are_names,
    links_are_looked_at_copied_and_removed_as_links,
    walks_have_bounds,
    removals_go_as_far_as_they_may,
    copies_keep_what_they_copy,
}

async fn a_file_is_made_looked_at_copied_and_removed(house: &House) {
    let files = &*house.executor;
    let path = |path| house.path(path);
    files
        .create_directory(&path("d/e"), true, None)
        .await
        .expect("made");
    files
        .write(&path("d/f"), b"one", None)
        .await
        .expect("written");
    assert_eq!(files.read(&path("d/f"), None).await.expect("read"), b"one");
    let replaced = files.replace(&path("d/f"), b"other", None).await;
    assert_eq!(replaced.expect("replaced"), Replaced::AtOnce);
    let found = files.metadata(&path("d/f"), None).await.expect("found");
    assert_eq!(
        (found.kind, found.is_link, found.size),
        (Kind::File, false, Some(5))
    );
    assert!(found.modified.is_some());
    files
        .copy(&path("d"), &path("c"), true, None)
        .await
        .expect("copied");
    let mut listed = files.list(&path("c"), None).await.expect("listed");
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let entry = |name: &str, kind| Entry {
        name: name.to_owned(),
        kind,
    };
    assert_eq!(
        listed,
        [entry("e", Kind::Directory), entry("f", Kind::File)]
    );
    house.ground.make(&["link>c/e/../f"]);
    let real = files
        .canonicalize(&path("link"), None)
        .await
        .expect("resolved");
    assert_eq!(real, path("c/f"));
    let walked = files
        .walk(&path(""), Walk::default(), None)
        .await
        .expect("walked");
    let mut names: Vec<_> = walked
        .found
        .iter()
        .map(|found| found.path.clone())
        .collect();
    // Breadth first, and in any order otherwise.
    names[..3].sort();
    names[3..].sort();
    assert_eq!(
        names,
        ["c", "d", "link", "c/e", "c/f", "d/e", "d/f"].map(path)
    );
    assert!(!walked.truncated && walked.errors.is_empty());
    let all = Removal {
        recursive: true,
        force: false,
    };
    files.remove(&path("c"), all, None).await.expect("removed");
    assert!(!house.ground.has("c"));
}

async fn errors_have_the_codes_of_the_protocol(house: &House) {
    let files = &*house.executor;
    house.ground.make(&["d/f=x"]);
    let (none, directory) = (house.path("none"), house.path("d"));
    assert_eq!(refused(files.read(&none, None).await), -32004);
    assert_eq!(refused(files.open(&none, 0, None).await), -32004);
    assert_eq!(refused(files.metadata(&none, None).await), -32004);
    assert_eq!(refused(files.list(&none, None).await), -32004);
    assert_eq!(refused(files.canonicalize(&none, None).await), -32004);
    assert_eq!(
        refused(files.write(&house.path("none/f"), b"", None).await),
        -32004
    );
    assert_eq!(
        refused(files.remove(&none, Removal::default(), None).await),
        -32004
    );
    assert_eq!(
        refused(files.create_directory(&directory, false, None).await),
        -32603
    );
    assert_eq!(refused(files.read(&directory, None).await), -32603);
    assert_eq!(
        refused(files.remove(&directory, Removal::default(), None).await),
        -32603
    );
    assert_eq!(
        refused(files.copy(&directory, &none, false, None).await),
        -32600
    );
}

async fn large_files_come_in_blocks_from_any_place(house: &House) {
    let large: Vec<u8> = (0..900_000_u32)
        .flat_map(|i| (i ^ (i << 9)).to_le_bytes())
        .collect();
    std::fs::write(house.ground.path("large"), &large).expect("written");
    let path = house.path("large");
    let within = house.granted(&[("", Access::Read)]);
    for within in [None, Some(&within)] {
        for from in [0, 1, 1 << 20, large.len() - 1, large.len(), large.len() + 5] {
            let mut blocks = house
                .executor
                .open(&path, from as u64, within)
                .await
                .expect("opened");
            let mut read = Vec::new();
            while let Some(block) = blocks.next().await {
                read.extend(block.expect("a block"));
            }
            assert!(
                read == large[from.min(large.len())..],
                "{} bytes from {from}",
                read.len()
            );
        }
    }
}

async fn contents(mut blocks: Blocks) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(block) = blocks.next().await {
        let block = block.expect("a block");
        assert!(!block.is_empty() && block.len() <= 1 << 20);
        read.extend(block);
    }
    read
}

async fn what_is_open_stays_the_file_that_was_opened(house: &House) {
    let large = vec![b'a'; 3 << 20];
    std::fs::write(house.ground.path("f"), &large).expect("written");
    let mut blocks = house
        .executor
        .open(&house.path("f"), 0, None)
        .await
        .expect("opened");
    let first = blocks.next().await.expect("a block").expect("bytes");
    house.ground.make(&["other=b"]);
    std::fs::rename(house.ground.path("other"), house.ground.path("f")).expect("renamed");
    let rest = contents(blocks).await;
    assert!(
        first.iter().chain(&rest).eq(&large),
        "{} and {} bytes",
        first.len(),
        rest.len()
    );
}

async fn large_files_are_written_in_blocks(house: &House) {
    let large: Vec<u8> = (0..1_200_000_u32)
        .flat_map(|i| (i ^ (i << 11)).to_le_bytes())
        .collect();
    house.ground.make(&["in/old=longer than nothing", "out/"]);
    let within = house.granted(&[("in", Access::Write)]);
    for within in [None, Some(&within)] {
        for path in ["in/old", "in/new"] {
            let mut file = house
                .executor
                .create(&house.path(path), within)
                .await
                .expect("made");
            for part in large.chunks(1_700_003) {
                file.write(part).await.expect("written");
            }
            file.write(b"").await.expect("nothing is written");
            file.finish().await.expect("finished");
            let written = std::fs::read(house.ground.path(path)).expect("read");
            assert!(written == large, "{} bytes", written.len());
            std::fs::write(house.ground.path(path), "again").expect("written");
        }
    }
    // One that nothing is written to is empty.
    let file = house
        .executor
        .create(&house.path("in/old"), None)
        .await
        .expect("made");
    file.finish().await.expect("finished");
    assert_eq!(house.ground.text("in/old"), "");
    let within = Some(&within);
    refused(house.executor.create(&house.path("out/f"), within).await);
    refused(house.executor.create(&house.path("in"), None).await);
    assert_eq!(
        refused(house.executor.create(&house.path("none/f"), None).await),
        -32004
    );
    assert!(!house.ground.has("out/f"));
}

async fn what_is_too_large_for_one_piece_says_so_and_goes_in_blocks(house: &House) {
    let large = std::fs::File::create(house.ground.path("large")).expect("made");
    large.set_len(70 << 20).expect("long");
    let path = house.path("large");
    let code = refused(house.executor.read(&path, None).await);
    assert!([-32600, -32603].contains(&code), "{code}");
    let mut blocks = house.executor.open(&path, 0, None).await.expect("opened");
    let mut bytes = 0;
    while let Some(block) = blocks.next().await {
        bytes += block.expect("a block").len();
    }
    assert_eq!(bytes, 70 << 20);
    // What is too large to be sent is told here, and costs the connection nothing.
    let unsendable = house.executor.write(&path, &vec![0; 60 << 20], None).await;
    assert!(
        matches!(unsendable, Err(ClientError::Unsendable { .. })),
        "{unsendable:?}"
    );
    assert_eq!(house.ran("echo here").await.stdout, b"here\n");
}

async fn many_files_are_read_in_few_questions(house: &House) {
    // More than a batch has room for, in operations and in bytes.
    let large = vec![b'l'; 3 << 20];
    let mut paths = Vec::new();
    for i in 0..1500 {
        let name = format!("f{i}");
        paths.push(house.path(&name));
        match i {
            _ if i % 300 == 0 => std::fs::write(house.ground.path(&name), &large).expect("written"),
            _ if i % 7 == 0 => {}
            _ => std::fs::write(house.ground.path(&name), &name).expect("written"),
        }
    }
    let read = house
        .executor
        .read_each(&paths, None)
        .await
        .expect("answered");
    let found = house
        .executor
        .metadata_each(&paths, None)
        .await
        .expect("answered");
    assert_eq!((read.len(), found.len()), (1500, 1500));
    for (i, (read, found)) in read.into_iter().zip(found).enumerate() {
        match i {
            _ if i % 300 == 0 => {
                assert!(read.expect("read") == large, "f{i}");
                assert_eq!(found.expect("found").size, Some(3 << 20));
            }
            _ if i % 7 == 0 => assert_eq!((refused(read), refused(found)), (-32004, -32004)),
            _ => {
                assert_eq!(read.expect("read"), format!("f{i}").as_bytes());
                assert_eq!(found.expect("found").kind, Kind::File);
            }
        }
    }
    let none = house.executor.read_each(&[], None).await.expect("answered");
    assert!(none.is_empty());
}

async fn a_hundred_calls_at_once_keep_apart(house: &House) {
    let each = (0..100).map(|i| async move {
        let path = house.path(&format!("f{i}"));
        let text = format!("contents of {i}").repeat(i + 1);
        house
            .executor
            .write(&path, text.as_bytes(), None)
            .await
            .expect("written");
        assert_eq!(
            house.executor.read(&path, None).await.expect("read"),
            text.as_bytes()
        );
        let blocks = house.executor.open(&path, 3, None).await.expect("opened");
        assert_eq!(contents(blocks).await, text.as_bytes()[3..]);
        house
            .executor
            .remove(&path, Removal::default(), None)
            .await
            .expect("removed");
    });
    futures_util::future::join_all(each).await;
    assert_eq!(
        house
            .executor
            .list(&house.path(""), None)
            .await
            .expect("listed"),
        []
    );
}

async fn names_of_all_kinds_are_names(house: &House) {
    use std::os::unix::ffi::OsStrExt;
    let odd: [&[u8]; 6] = [
        b"with space",
        "\u{e4}\u{1f600}".as_bytes(),
        b"100%25#?",
        b"new\nline",
        b"not \xff utf-8",
        b"-rf",
    ];
    for name in odd {
        let name = std::ffi::OsStr::from_bytes(name);
        let path = house.path("").join(name).expect("a name");
        house
            .executor
            .write(&path, b"x", None)
            .await
            .expect("written");
        assert_eq!(
            std::fs::read(house.ground.path("").join(name)).expect("there"),
            b"x"
        );
        assert_eq!(house.executor.read(&path, None).await.expect("read"), b"x");
        let real = house
            .executor
            .canonicalize(&path, None)
            .await
            .expect("resolved");
        assert_eq!(real, path);
    }
    let walked = house
        .executor
        .walk(&house.path(""), Walk::default(), None)
        .await;
    let mut names: Vec<_> = walked
        .expect("walked")
        .found
        .into_iter()
        .map(|found| found.path)
        .collect();
    names.sort();
    let mut wanted = odd.map(|name| {
        house
            .path("")
            .join(std::ffi::OsStr::from_bytes(name))
            .expect("a name")
    });
    wanted.sort();
    assert_eq!(names, wanted);
}

async fn links_are_looked_at_copied_and_removed_as_links(house: &House) {
    let files = &*house.executor;
    house
        .ground
        .make(&["d/f=x", "to-d>d", "to-f>d/f", "broken>none", "self>self"]);
    let found = files
        .metadata(&house.path("to-d"), None)
        .await
        .expect("found");
    assert_eq!((found.kind, found.is_link), (Kind::Directory, true));
    assert_eq!(
        refused(files.metadata(&house.path("broken"), None).await),
        -32004
    );
    refused(files.read(&house.path("self"), None).await);
    let listed = files.list(&house.path(""), None).await.expect("listed");
    let mut names: Vec<_> = listed.iter().map(|entry| &*entry.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["d", "to-d", "to-f"]);
    files
        .write(&house.path("to-f"), b"through", None)
        .await
        .expect("written");
    assert_eq!(house.ground.text("d/f"), "through");
    files
        .copy(&house.path("to-d"), &house.path("copy"), false, None)
        .await
        .expect("copied");
    let target = std::fs::read_link(house.ground.path("copy")).expect("a link");
    assert_eq!(target, std::path::Path::new("d"));
    let all = Removal {
        recursive: true,
        force: false,
    };
    for link in ["to-d", "broken", "copy"] {
        files
            .remove(&house.path(link), all, None)
            .await
            .expect("removed");
        assert!(!house.ground.has(link));
    }
    assert_eq!(house.ground.text("d/f"), "through");
}

async fn walks_have_bounds(house: &House) {
    let files = &*house.executor;
    house
        .ground
        .make(&["a/b/c/f=x", ".h/f=x", "a/up>..", "f=x"]);
    let root = house.path("");
    let names = async |walk: Walk| {
        let walked = files.walk(&root, walk, None).await.expect("walked");
        assert!(walked.errors.is_empty(), "{:?}", walked.errors);
        (walked.found.len(), walked.truncated)
    };
    let all = Walk::default();
    assert_eq!(names(all).await, (7, false));
    assert_eq!(
        names(Walk {
            skips_hidden: true,
            ..all
        })
        .await,
        (5, false)
    );
    assert_eq!(names(Walk { depth: 0, ..all }).await, (3, false));
    assert_eq!(names(Walk { entries: 2, ..all }).await, (2, true));
    assert_eq!(
        names(Walk {
            directories: 1,
            ..all
        })
        .await,
        (3, true)
    );
    // The link is listed, and what was seen is not seen again.
    assert_eq!(
        names(Walk {
            follows_links: true,
            ..all
        })
        .await,
        (8, false)
    );
    let beyond = Walk { depth: 65, ..all };
    assert_eq!(refused(files.walk(&root, beyond, None).await), -32600);
    let of_file = files
        .walk(&house.path("f"), all, None)
        .await
        .expect("walked");
    assert_eq!(of_file, Walked::default());
    assert_eq!(
        refused(files.walk(&house.path("none"), all, None).await),
        -32004
    );
}

async fn removals_go_as_far_as_they_may(house: &House) {
    let files = &*house.executor;
    let removal = |recursive, force| Removal { recursive, force };
    house.ground.make(&["d/e/f=x", "empty/", "f=x"]);
    let (tree, none) = (house.path("d"), house.path("none"));
    refused(files.remove(&tree, removal(false, true), None).await);
    assert!(house.ground.has("d/e/f"));
    files
        .remove(&house.path("empty"), removal(false, false), None)
        .await
        .expect("removed");
    files
        .remove(&house.path("f"), removal(false, false), None)
        .await
        .expect("removed");
    files
        .remove(&tree, removal(true, false), None)
        .await
        .expect("removed");
    files
        .remove(&none, removal(true, true), None)
        .await
        .expect("fine");
    assert_eq!(
        refused(files.remove(&none, removal(true, false), None).await),
        -32004
    );
    assert_eq!(files.list(&house.path(""), None).await.expect("listed"), []);
}

async fn copies_keep_what_they_copy(house: &House) {
    use std::os::unix::fs::PermissionsExt;
    let files = &*house.executor;
    house
        .ground
        .make(&["d/run=#!", "d/sub/f=x", "there/old=o", "there/sub/f=old"]);
    let mode = |path: &str| {
        std::fs::metadata(house.ground.path(path))
            .expect("there")
            .permissions()
            .mode()
            & 0o777
    };
    std::fs::set_permissions(
        house.ground.path("d/run"),
        std::fs::Permissions::from_mode(0o751),
    )
    .expect("set");
    files
        .copy(&house.path("d"), &house.path("there"), true, None)
        .await
        .expect("merged");
    assert_eq!(
        (
            mode("there/run"),
            house.ground.text("there/old"),
            house.ground.text("there/sub/f")
        ),
        (0o751, "o".to_owned(), "x".to_owned())
    );
    assert_eq!(
        refused(
            files
                .copy(&house.path("d"), &house.path("d/sub/in"), true, None)
                .await
        ),
        -32600
    );
    assert_eq!(
        refused(
            files
                .copy(&house.path("none"), &house.path("x"), false, None)
                .await
        ),
        -32004
    );
    assert_eq!(
        refused(
            files
                .copy(&house.path("d/run"), &house.path("no/x"), false, None)
                .await
        ),
        -32004
    );
    assert!(!house.ground.has("d/sub/in"));
}
