//! Files and directories.

use lockgate_client::executor::{Entry, Kind, Removal, Replaced, Walk};
use lockgate_client::profile::Access;

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    a_file_is_made_looked_at_copied_and_removed,
    errors_have_the_codes_of_the_protocol,
    large_files_come_in_blocks_from_any_place,
    a_profile_confines,
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

async fn a_profile_confines(house: &House) {
    let files = &*house.executor;
    house.ground.make(&[
        "in/f=seen",
        "in/out>../out/f",
        "in/up>..",
        "out/f=hidden",
        "ro/f=fixed",
    ]);
    let within = house.granted(&[("in", Access::Write), ("ro", Access::Read)]);
    let within = Some(&within);
    assert_eq!(
        files
            .read(&house.path("in/f"), within)
            .await
            .expect("granted"),
        b"seen"
    );
    assert_eq!(
        files
            .read(&house.path("ro/f"), within)
            .await
            .expect("granted"),
        b"fixed"
    );
    files
        .write(&house.path("in/new"), b"n", within)
        .await
        .expect("granted");
    for path in ["out/f", "in/out", "in/up/out/f", "in/../out/f"] {
        let code = refused(files.read(&house.path(path), within).await);
        assert!([-32004, -32600].contains(&code), "{path}: {code}");
        refused(files.open(&house.path(path), 0, within).await);
        refused(files.write(&house.path(path), b"!", within).await);
        refused(files.replace(&house.path(path), b"!", within).await);
    }
    for path in ["out/f", "in/up/out/f"] {
        refused(
            files
                .copy(&house.path(path), &house.path("in/copy"), false, within)
                .await,
        );
    }
    // A link is copied as what it is, and leads nowhere, either.
    let copy = house.path("in/copy");
    files
        .copy(&house.path("in/out"), &copy, false, within)
        .await
        .expect("copied");
    refused(files.read(&copy, within).await);
    refused(files.write(&house.path("ro/f"), b"!", within).await);
    refused(
        files
            .remove(&house.path("ro/f"), Removal::default(), within)
            .await,
    );
    assert_eq!(house.ground.text("out/f"), "hidden");
    assert_eq!(house.ground.text("ro/f"), "fixed");
}
