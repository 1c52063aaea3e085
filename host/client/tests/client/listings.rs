//! Listings of everything in a directory: of executors that do not tell it, and of those that tell more than is known here.

use lockgate_client::executor::{FileKind, Files, LeadsTo};
use serde_json::{Value, json};

use crate::executor::{UNKNOWN, at, base64, entry, metadata, of_today, old};
use crate::support::soon;

/// A directory in plain answers; whoever sends it a member that it has not announced is told.
fn plain_directory(method: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    let path = params["path"].as_str().expect("a path");
    let path = path.strip_prefix("file://").unwrap_or(path);
    for ours in ["everyEntry", "everyAttribute"] {
        assert!(params.get(ours).is_none(), "{params}");
    }
    match (method, path) {
        ("fs/readDirectory", "/r") => Ok(json!({ "entries": [
            entry("d", true), entry("link", true), entry("f", false), entry("gone", false), entry("a/b", true),
            { "fileName": "socket", "isDirectory": false, "isFile": false },
        ] })),
        ("fs/getMetadata", "/r/link") => Ok(metadata(true, true)),
        ("fs/getMetadata", "/r/gone") => Err((-32004, "No such file or directory (os error 2)")),
        ("fs/getMetadata", "/r/f") => Ok(metadata(false, false)),
        ("fs/getMetadata", _) => Ok(metadata(true, false)),
        _ => UNKNOWN,
    }
}

#[tokio::test]
async fn of_an_executor_that_does_not_tell_everything_a_listing_is_made_of_plain_calls() {
    let others = json!({ "lockgate": { "methods": [] } });
    for client in [
        old(plain_directory).await,
        of_today(json!({}), plain_directory).await,
        of_today(others, plain_directory).await,
    ] {
        let listing = soon(Files::list_every(&client, &at("/r"), None)).await;
        let listing = listing.expect("listed");
        assert!(!listing.is_whole && !listing.truncated);
        let told: Vec<_> = listing
            .found
            .iter()
            .map(|entry| {
                (
                    entry.name.to_str().expect("text"),
                    entry.kind,
                    entry.leads_to,
                )
            })
            .collect();
        let wanted = [
            ("d", FileKind::Directory, None),
            ("link", FileKind::Symlink, Some(LeadsTo::Directory)),
            ("f", FileKind::File, None),
            // They may be links.
            ("gone", FileKind::Unknown, None),
            ("a/b", FileKind::Unknown, None),
            ("socket", FileKind::Unknown, None),
        ];
        assert_eq!(told, wanted);
    }
}

#[tokio::test]
async fn kinds_of_a_later_version_are_no_error() {
    let ours = json!({ "lockgate": { "methods": [], "everyEntry": true } });
    let client = of_today(ours, |method, params| {
        assert_eq!(
            (method, &params["everyEntry"]),
            ("fs/readDirectory", &json!(true))
        );
        let mut door = entry("door", false);
        door["kind"] = json!("door");
        let mut link = entry("link", false);
        link["kind"] = json!("symlink");
        link["leadsTo"] = json!("door");
        link["nameBase64"] = base64(b"l\xff".to_vec());
        Ok(json!({ "entries": [door, link], "truncated": true }))
    })
    .await;
    let listing = soon(Files::list_every(&client, &at("/r"), None))
        .await
        .expect("listed");
    assert!(listing.is_whole && listing.truncated);
    let of = |at: usize| (listing.found[at].kind, listing.found[at].leads_to);
    assert_eq!(of(0), (FileKind::Unknown, None));
    assert_eq!(of(1), (FileKind::Symlink, Some(LeadsTo::Other)));
    assert_eq!(
        std::os::unix::ffi::OsStrExt::as_bytes(&*listing.found[1].name),
        b"l\xff"
    );
}
