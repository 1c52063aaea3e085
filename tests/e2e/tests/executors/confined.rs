//! Files within a profile, and attempts to get out of it.

use lockgate_client::executor::{Removal, Walk};
use lockgate_client::profile::{
    Access, Entry, EntryPath, FileSystem, Network, Permissions, Sandbox,
};

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    a_profile_confines,
    nothing_leads_out_of_a_profile,
    what_is_denied_is_not_even_seen,
    calls_of_other_profiles_side_by_side_do_not_mix,
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

async fn nothing_leads_out_of_a_profile(house: &House) {
    let files = &*house.executor;
    house.ground.make(&[
        "in/d/",
        "in/out>../out",
        "in/deep>d/../../out/f",
        "in/abs>$/out/f",
        "out/f=hidden",
        "out/d/g=hidden",
    ]);
    let within = house.granted(&[("in", Access::Write)]);
    let within = Some(&within);
    let all = Removal {
        recursive: true,
        force: true,
    };
    let before = house.ground.snapshot("out");
    for path in [
        "out/f",
        "in/out/f",
        "in/deep",
        "in/abs",
        "in/d/../../out/f",
        "in/out/new",
    ] {
        let path = house.path(path);
        refused(files.read(&path, within).await);
        refused(files.open(&path, 0, within).await);
        refused(files.write(&path, b"!", within).await);
        refused(files.create(&path, within).await);
        refused(
            files
                .copy(&path, &house.path("in/stolen"), true, within)
                .await
                .or_else(|error| match house.ground.has("in/stolen") {
                    // A link that was copied as what it is.
                    true => Ok(()),
                    false => Err(error),
                })
                .and(files.read(&house.path("in/stolen"), within).await.map(drop)),
        );
        refused(files.copy(&house.path("in/d"), &path, true, within).await);
        let _ = files.remove(&house.path("in/stolen"), all, within).await;
    }
    for path in ["out", "out/d", "in/out", "in/out/d"] {
        let path = house.path(path);
        refused(files.list(&path, within).await);
        refused(
            files
                .create_directory(&path.join("new").expect("a name"), true, within)
                .await,
        );
        refused(
            files
                .remove(&path.join("f").expect("a name"), Removal::default(), within)
                .await,
        );
    }
    let follow = Walk {
        follows_links: true,
        ..Walk::default()
    };
    let walked = files
        .walk(&house.path("in"), follow, within)
        .await
        .expect("walked");
    assert_eq!(
        walked
            .found
            .iter()
            .filter(|found| !found.path.starts_with(&house.path("in")))
            .count(),
        0
    );
    assert!(
        !walked
            .found
            .iter()
            .any(|found| found.path.as_bytes().ends_with(b"g")),
        "{walked:?}"
    );
    assert_eq!(house.ground.snapshot("out"), before);
    // Batches and blocks stay within it, too.
    let paths = ["in/out/f", "out/f", "in/abs"].map(|path| house.path(path));
    for read in files.read_each(&paths, within).await.expect("answered") {
        refused(read);
    }
    for found in files.metadata_each(&paths, within).await.expect("answered") {
        refused(found);
    }
}

async fn what_is_denied_is_not_even_seen(house: &House) {
    let files = &*house.executor;
    house.ground.make(&[
        "p/src/a=x",
        "p/.env=SECRET",
        "p/sub/.env=SECRET",
        "p/keys/k=SECRET",
    ]);
    let entry = |path, access| Entry {
        path,
        access,
        skip_missing: false,
    };
    let within = Sandbox {
        permissions: Permissions::Managed {
            file_system: FileSystem::Restricted {
                entries: vec![
                    entry(EntryPath::Path(house.path("p")), Access::Write),
                    entry(EntryPath::Path(house.path("p/keys")), Access::Deny),
                    entry(EntryPath::Glob("**/.env".to_owned()), Access::Deny),
                ],
                glob_scan_max_depth: None,
            },
            network: Network::Restricted,
        },
        cwd: Some(house.path("p")),
        workspace_roots: None,
    };
    let within = Some(&within);
    assert_eq!(
        files
            .read(&house.path("p/src/a"), within)
            .await
            .expect("granted"),
        b"x"
    );
    for path in ["p/.env", "p/sub/.env", "p/keys/k"] {
        refused(files.read(&house.path(path), within).await);
        refused(files.write(&house.path(path), b"!", within).await);
        refused(files.replace(&house.path(path), b"!", within).await);
        refused(
            files
                .copy(&house.path(path), &house.path("p/src/copy"), false, within)
                .await,
        );
    }
    let walked = files
        .walk(&house.path("p"), Walk::default(), within)
        .await
        .expect("walked");
    assert!(
        !format!("{:?}", walked.found).contains(".env"),
        "{walked:?}"
    );
    assert!(
        !format!("{:?}", walked.found).contains("keys/k"),
        "{walked:?}"
    );
    // What is taken along with a directory is not taken out of it.
    let _ = files
        .copy(&house.path("p"), &house.path("p/src/all"), true, within)
        .await;
    let _ = files
        .copy(&house.path("p/sub"), &house.path("p/src/sub"), true, within)
        .await;
    assert!(!house.ground.has("p/src/sub/.env"));
    for kept in ["p/.env", "p/sub/.env", "p/keys/k"] {
        assert_eq!(house.ground.text(kept), "SECRET");
    }
}

async fn calls_of_other_profiles_side_by_side_do_not_mix(house: &House) {
    let files = &*house.executor;
    house.ground.make(&["a/f=of a", "b/f=of b"]);
    let [of_a, of_b] = ["a", "b"].map(|place| house.granted(&[(place, Access::Read)]));
    let (a, b) = (house.path("a/f"), house.path("b/f"));
    let each = (0..40).map(|i| {
        let (a, b, of_a, of_b) = (&a, &b, &of_a, &of_b);
        async move {
            let (own, other, within) = match i % 2 {
                0 => (a, b, of_a),
                _ => (b, a, of_b),
            };
            files.read(own, Some(within)).await.expect("granted");
            refused(files.read(other, Some(within)).await);
            files.read(other, None).await.expect("nothing restricts it");
        }
    });
    futures_util::future::join_all(each).await;
}
