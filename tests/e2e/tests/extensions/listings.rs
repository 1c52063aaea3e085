//! `everyEntry` of `fs/readDirectory`, `pruneLinks` of `fs/walk`, and `everyAttribute` of `fs/getMetadata`.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lockgate_e2e::{Ground, Profile, Server, Shape, Wire};
use serde_json::{Value, json};

fn sorted(answer: &Value) -> Vec<Value> {
    let mut entries = answer["entries"].as_array().expect("entries").clone();
    entries.sort_by_key(|entry| entry["fileName"].to_string());
    entries
}

#[tokio::test]
async fn every_entry_is_told_to_who_asks_and_to_nobody_else() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let info = wire
        .call("environment/info", json!({}))
        .await
        .expect("told");
    assert_eq!(info["capabilities"]["lockgate"]["everyEntry"], true);
    let ground = Ground::not_temporary();
    ground.make(&["d/f=x", "d/to-f>f", "d/broken>none", "d/out>$/f", "f=x"]);
    ground.make_fifo("d/fifo");
    let odd = ground.path("d").join(std::ffi::OsStr::from_bytes(b"z\xff"));
    std::fs::create_dir(odd).expect("made");
    let path = json!(ground.path("d"));
    let profile = Profile::new().write(ground.path("d"));
    let plain = |name: &str, is_directory, is_file| json!({"fileName": name, "isDirectory": is_directory, "isFile": is_file});
    let described = |name: &str, is_directory, is_file, kind: &str, leads_to: Option<&str>| {
        let mut entry = plain(name, is_directory, is_file);
        entry["kind"] = json!(kind);
        if let Some(leads_to) = leads_to {
            entry["leadsTo"] = json!(leads_to);
        }
        entry
    };
    for within in [None, Some(profile.in_shape(Shape::Late))] {
        let outside = within.is_some();
        for plainly in [
            json!({"path": path, "sandbox": within}),
            json!({"path": path, "sandbox": within, "everyEntry": false}),
        ] {
            let listed = wire
                .call("fs/readDirectory", plainly)
                .await
                .expect("listed");
            let mut wanted = vec![plain("fifo", false, false), plain("f", false, true)];
            if !outside {
                wanted.push(plain("out", false, true));
            }
            wanted.extend([plain("to-f", false, true), plain("z\u{fffd}", true, false)]);
            wanted.sort_by_key(|entry| entry["fileName"].to_string());
            assert_eq!(sorted(&listed), wanted);
            assert_eq!(
                listed.as_object().map(|listed| listed.len()),
                Some(1),
                "{listed}"
            );
        }
        let all = json!({"path": path, "sandbox": within, "everyEntry": true});
        let listed = wire
            .call("fs/readDirectory", all.clone())
            .await
            .expect("listed");
        let mut odd = described("z\u{fffd}", true, false, "directory", None);
        odd["nameBase64"] = json!("ev8=");
        let out = match outside {
            true => described("out", false, false, "symlink", Some("nowhere")),
            false => described("out", false, true, "symlink", Some("file")),
        };
        let mut wanted = vec![
            described("broken", false, false, "symlink", Some("nowhere")),
            described("f", false, true, "file", None),
            described("fifo", false, false, "fifo", None),
            out,
            described("to-f", false, true, "symlink", Some("file")),
            odd,
        ];
        wanted.sort_by_key(|entry| entry["fileName"].to_string());
        assert_eq!(sorted(&listed), wanted);
        assert_eq!(
            listed.as_object().map(|listed| listed.len()),
            Some(1),
            "{listed}"
        );
        // In a batch it is the same.
        let mut operation = all;
        operation
            .as_object_mut()
            .expect("an object")
            .remove("sandbox");
        let batch = json!({"operations": [{"method": "fs/readDirectory", "params": operation}], "sandbox": within});
        let batch = wire.call("lockgate/fs/batch", batch).await.expect("done");
        assert_eq!(sorted(&batch["results"][0]["result"]), wanted);
    }
}

#[tokio::test]
async fn a_walk_leaves_links_out_for_who_asks_and_for_nobody_else() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let info = wire
        .call("environment/info", json!({}))
        .await
        .expect("told");
    assert_eq!(info["capabilities"]["lockgate"]["pruneLinks"], true);
    let ground = Ground::not_temporary();
    ground.make(&[
        "d/f=x",
        "d/e/g=x",
        "d/to-f>f",
        "d/to-e>e",
        "d/out>$/f",
        "f=x",
    ]);
    let profile = Profile::new().write(ground.path("d"));
    for within in [None, Some(profile.in_shape(Shape::Late))] {
        let mut walked = async |options: Value| {
            let params = json!({"path": ground.path("d"), "sandbox": within, "options": options});
            let walked = wire.call("fs/walk", params).await.expect("walked");
            assert_eq!(walked["errors"], json!([]));
            let entries = walked["entries"].as_array().expect("entries");
            let name = |entry: &Value| {
                let path = entry["path"].as_str().expect("a path");
                path.rsplit('/').next().expect("a name").to_owned()
            };
            let mut names: Vec<_> = entries.iter().map(name).collect();
            names.sort();
            names
        };
        let mut options = json!({"maxDepth": 8, "maxDirectories": 10, "maxEntries": 100, "followDirectorySymlinks": false});
        let mut plain = vec!["e", "f", "g", "to-f"];
        if within.is_none() {
            plain.insert(3, "out");
        }
        assert_eq!(walked(options.clone()).await, plain);
        options["pruneLinks"] = json!(true);
        assert_eq!(walked(options.clone()).await, ["e", "f", "g"]);
        options["followDirectorySymlinks"] = json!(true);
        assert_eq!(walked(options).await, ["e", "f", "g"]);
    }
}

#[tokio::test]
async fn every_attribute_is_told_to_who_asks_and_to_nobody_else() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let info = wire
        .call("environment/info", json!({}))
        .await
        .expect("told");
    assert_eq!(info["capabilities"]["lockgate"]["everyAttribute"], true);
    let ground = Ground::not_temporary();
    ground.make(&["d/f=x", "d/to-f>f"]);
    let there = std::fs::metadata(ground.path("d/f")).expect("there");
    std::fs::set_permissions(ground.path("d/f"), std::fs::Permissions::from_mode(0o600))
        .expect("set");
    let profile = Profile::new().write(ground.path("d"));
    for within in [None, Some(profile.in_shape(Shape::Late))] {
        let scoped = within.is_some();
        for (path, is_link) in [("d/f", false), ("d/to-f", true)] {
            let asking = |every: bool| json!({"path": ground.path(path), "sandbox": within, "everyAttribute": every});
            let plain = json!({"path": ground.path(path), "sandbox": within});
            let plain = wire.call("fs/getMetadata", plain).await.expect("found");
            let not = wire.call("fs/getMetadata", asking(false)).await;
            assert_eq!(not, Ok(plain.clone()));
            assert_eq!(plain["isSymlink"], is_link);
            assert_eq!(
                plain.as_object().map(|plain| plain.len()),
                Some(6),
                "{plain}"
            );
            let mut wanted = plain;
            wanted["kind"] = json!("file");
            wanted["mode"] = json!(0o600);
            wanted["uid"] = json!(there.uid());
            wanted["gid"] = json!(there.gid());
            wanted["nlink"] = json!(1);
            assert_eq!(wire.call("fs/getMetadata", asking(true)).await, Ok(wanted));
        }
        for (path, members) in [
            ("d", if scoped { 10 } else { 11 }),
            ("", if scoped { 7 } else { 11 }),
        ] {
            let asked =
                json!({"path": ground.path(path), "sandbox": within, "everyAttribute": true});
            let told = wire.call("fs/getMetadata", asked).await.expect("seen");
            assert_eq!(told["kind"], "directory");
            assert_eq!(
                told.as_object().map(|told| told.len()),
                Some(members),
                "{told}"
            );
        }
    }
}
