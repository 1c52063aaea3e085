//! All that is in a directory.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use lockgate_client::executor::{FileKind, Kind, LeadsTo, Listing};
use lockgate_client::profile::{Access, Sandbox};

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    bits_owner_and_names_are_told,
    everything_in_a_directory_is_listed,
    nothing_is_told_of_what_links_out_of_a_profile_lead_to,
}

type Told = (String, FileKind, Option<LeadsTo>);

async fn listed(house: &House, path: &str, within: Option<&Sandbox>) -> Vec<Told> {
    let listing = house.executor.list_every(&house.path(path), within).await;
    let Listing {
        found,
        truncated,
        is_whole,
    } = listing.expect("listed");
    assert!(is_whole && !truncated);
    let mut told: Vec<Told> = found
        .into_iter()
        .map(|entry| {
            let name = entry.name.as_bytes().escape_ascii().to_string();
            (name, entry.kind, entry.leads_to)
        })
        .collect();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    told
}

async fn everything_in_a_directory_is_listed(house: &House) {
    house.ground.make(&[
        "w/f=x",
        "w/.d/",
        "w/to-d>.d",
        "w/to-f>f",
        "w/to-fifo>fifo",
        "w/broken>none",
    ]);
    house.ground.make_fifo("w/fifo");
    let _socket = UnixListener::bind(house.ground.path("w/socket")).expect("bound");
    let odd = house
        .ground
        .path("w")
        .join(std::ffi::OsStr::from_bytes(b"o\xff"));
    std::fs::write(odd, "x").expect("written");
    let link = |name: &str, leads_to| (name.to_owned(), FileKind::Symlink, Some(leads_to));
    let thing = |name: &str, kind| (name.to_owned(), kind, None);
    let wanted = [
        thing(".d", FileKind::Directory),
        link("broken", LeadsTo::Nowhere),
        thing("f", FileKind::File),
        thing("fifo", FileKind::Fifo),
        thing(r"o\xff", FileKind::File),
        thing("socket", FileKind::Socket),
        link("to-d", LeadsTo::Directory),
        link("to-f", LeadsTo::File),
        link("to-fifo", LeadsTo::Other),
    ];
    let within = house.granted(&[("w", Access::Read)]);
    for within in [None, Some(&within)] {
        assert_eq!(listed(house, "w", within).await, wanted);
        let none = house.executor.list_every(&house.path("none"), within).await;
        assert_eq!(refused(none), -32004);
        refused(house.executor.list_every(&house.path("w/f"), within).await);
        // What the protocol has is what it was.
        let plain = house.executor.list(&house.path("w"), within).await;
        let mut plain: Vec<_> = plain
            .expect("listed")
            .into_iter()
            .map(|entry| (entry.name, entry.kind))
            .collect();
        plain.sort_by(|one, other| one.0.cmp(&other.0));
        let wanted = [
            (".d", Kind::Directory),
            ("f", Kind::File),
            ("fifo", Kind::Other),
            ("o\u{fffd}", Kind::File),
            ("socket", Kind::Other),
            ("to-d", Kind::Directory),
            ("to-f", Kind::File),
            ("to-fifo", Kind::Other),
        ];
        assert_eq!(plain, wanted.map(|(name, kind)| (name.to_owned(), kind)));
    }
}

async fn bits_owner_and_names_are_told(house: &House) {
    house.ground.make(&["w/f=x", "w/d/secret/", "w/to-f>f"]);
    house.ground.make_fifo("w/fifo");
    let at = |path: &str| house.ground.path(path);
    std::fs::hard_link(at("w/f"), at("w/g")).expect("made");
    std::fs::set_permissions(at("w/f"), std::fs::Permissions::from_mode(0o4640)).expect("set");
    let within = house.granted(&[
        ("w/d", Access::Read),
        ("w/f", Access::Read),
        ("w/fifo", Access::Read),
        ("w/to-f", Access::Read),
    ]);
    for within in [None, Some(&within)] {
        let paths = ["w/f", "w/to-f", "w/fifo", "w/d"];
        let all = paths.map(|path| house.path(path));
        let each = house.executor.metadata_each(&all, within).await;
        for (path, at_once) in paths.iter().zip(each.expect("answered")) {
            let found = house
                .executor
                .metadata(&house.path(path), within)
                .await
                .expect("found");
            assert_eq!(at_once.expect("found"), found, "{path}");
            let there = std::fs::metadata(at(path)).expect("there");
            let kind = match *path {
                "w/d" => FileKind::Directory,
                "w/fifo" => FileKind::Fifo,
                _ => FileKind::File,
            };
            assert_eq!(
                (found.exact, found.mode, found.uid, found.gid),
                (
                    Some(kind),
                    Some(there.mode() & 0o7777),
                    Some(there.uid()),
                    Some(there.gid())
                ),
                "{path}"
            );
            let counted = kind != FileKind::Directory || within.is_none();
            assert_eq!(found.nlink, counted.then(|| there.nlink()), "{path}");
        }
        // The way to what is granted is seen, and nobody is told whose it is.
        let way = house
            .executor
            .metadata(&house.path("w"), within)
            .await
            .expect("seen");
        assert_eq!(way.exact, Some(FileKind::Directory));
        assert_eq!(
            way.mode.is_some() || way.uid.is_some() || way.gid.is_some(),
            within.is_none()
        );
    }
}

async fn nothing_is_told_of_what_links_out_of_a_profile_lead_to(house: &House) {
    house.ground.make(&[
        "in/f=x",
        "in/secret/",
        "in/to-d>../out/d",
        "in/to-denied>secret",
        "in/to-f>$/out/f",
        "in/to-none>../out/none",
        "out/d/",
        "out/f=x",
    ]);
    let within = house.granted(&[("in", Access::Write), ("in/secret", Access::Deny)]);
    let links = ["to-d", "to-denied", "to-f", "to-none"];
    let links = links.map(|name| (name.to_owned(), FileKind::Symlink, Some(LeadsTo::Nowhere)));
    let mut wanted = vec![("f".to_owned(), FileKind::File, None)];
    wanted.extend(links);
    assert_eq!(listed(house, "in", Some(&within)).await, wanted);
    for path in ["out", "in/to-d", "in/secret", "in/to-denied"] {
        let path = house.path(path);
        assert_eq!(
            refused(house.executor.list_every(&path, Some(&within)).await),
            -32004
        );
    }
}
