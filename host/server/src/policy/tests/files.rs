//! What policies are shown of file requests, and what they can leave of them.

use lockgate_policy_gate::{
    Access, Action, FileOperation, FilePath, FileVerb, GrantEntry, Narrowing, WalkOptions,
};
use serde_json::{Value, json};

use super::client::{Client, Setting, allow, allow_within, ask, base64, deny};

fn file(action: &Action) -> &FileOperation {
    match action {
        Action::File(file) => file,
        other => panic!("no file operation: {other:?}"),
    }
}

fn grant(entries: &[(&str, Option<Access>)]) -> Narrowing {
    let entry = |(path, access): &(&str, Option<Access>)| GrantEntry {
        path: (*path).to_owned(),
        access: *access,
    };
    Narrowing {
        grant: Some(entries.iter().map(entry).collect()),
        ..Narrowing::default()
    }
}

#[tokio::test]
async fn a_policy_is_shown_both_paths_normalized_and_how_far_it_goes() {
    let mut client = Client::of(Setting::default(), |_| deny("no")).await;
    let root = client.path("");
    let root = root.trim_end_matches('/');
    let (source, destination) = (format!("{root}/a/../b/./c"), format!("file://{root}/d%20e"));
    let params = json!({"sourcePath": source, "destinationPath": destination, "recursive": true});
    client.refusal("fs/copy", params).await;
    let params = json!({"path": format!("{root}/l"), "target": "../../etc/passwd"});
    client.refusal("lockgate/fs/symlink", params).await;
    let sandbox = json!({"permissions": {"type": "managed", "file_system": {"type": "unrestricted"}, "network": "restricted"}});
    let params = json!({"path": root, "sandbox": sandbox});
    client.refusal("fs/readDirectory", params).await;
    let asked = client.judge.asked();
    let path = |path: String, access| FilePath { path, access };
    assert_eq!(
        *file(&asked[0]),
        FileOperation {
            verb: FileVerb::Copy,
            paths: vec![
                path(format!("{root}/b/c"), Access::Read),
                path(format!("{root}/d e"), Access::Write),
            ],
            recursive: true,
            sandboxed: false,
            walk: None,
        }
    );
    let link = file(&asked[1]);
    assert_eq!(
        (link.verb, link.paths[1].access),
        (FileVerb::Symlink, Access::Look)
    );
    assert!(link.paths[1].path.ends_with("/etc/passwd") && !link.paths[1].path.contains(".."));
    assert!(file(&asked[2]).sandboxed);
}

#[tokio::test]
async fn a_walk_is_asked_about_with_its_options_and_nothing_else_has_any() {
    let mut client = Client::of(Setting::default(), |_| deny("no")).await;
    let root = client.path("");
    let options = json!({"maxDepth": 3, "maxDirectories": 40, "maxEntries": 500, "followDirectorySymlinks": true});
    client
        .refusal("fs/walk", json!({"path": root, "options": options}))
        .await;
    let options = json!({
        "maxDepth": 0, "maxDirectories": 1, "maxEntries": 2, "followDirectorySymlinks": false, "pruneHiddenDirectories": true,
    });
    client
        .refusal("fs/walk", json!({"path": root, "options": options}))
        .await;
    let tree = json!({"handleId": "t", "path": root});
    client.refusal("lockgate/fs/readTree", tree).await;
    let watch = json!({"watchId": "w", "path": root, "recursive": true});
    client.refusal("lockgate/fs/watch", watch).await;
    let asked: Vec<_> = client
        .judge
        .asked()
        .iter()
        .map(|one| file(one).walk)
        .collect();
    let first = WalkOptions {
        max_depth: 3,
        max_directories: 40,
        max_entries: 500,
        follow_directory_links: true,
        prune_hidden_directories: false,
    };
    let second = WalkOptions {
        max_depth: 0,
        max_directories: 1,
        max_entries: 2,
        follow_directory_links: false,
        prune_hidden_directories: true,
    };
    assert_eq!(asked, [Some(first), Some(second), None, None]);
}

#[tokio::test]
async fn each_operation_of_a_batch_is_asked_about_before_any_is_done() {
    let opinion = |action: &Action| match file(action).paths[0].path.ends_with("/no") {
        true => deny("not this one"),
        false => allow(),
    };
    for stop in [false, true] {
        let mut client = Client::of(Setting::default(), opinion).await;
        let write = |client: &Client, name: &str| json!({"method": "fs/writeFile", "params": {"path": client.path(name), "dataBase64": base64(name)}});
        let operations = [
            write(&client, "yes"),
            write(&client, "no"),
            write(&client, "also"),
        ];
        let params = json!({"operations": operations, "stopOnError": stop});
        let answer = client
            .call("lockgate/fs/batch", params)
            .await
            .expect("an answer");
        assert_eq!(answer["results"][0]["result"], json!({}));
        let refused = answer["results"][1]["error"]["message"].as_str();
        assert_eq!(refused, Some(r#"policy "test" denies this: not this one"#));
        assert_eq!(answer["results"][2].get("result").is_some(), !stop);
        assert!(client.directory().join("yes").exists());
        assert!(!client.directory().join("no").exists());
        assert_eq!(client.directory().join("also").exists(), !stop);
    }
}

#[tokio::test]
async fn discovery_is_asked_about_as_a_walk_and_about_each_file_it_reads() {
    let opinion = |action: &Action| {
        let file = file(action);
        match file.paths[0].path.rsplit('/').nth(1) {
            Some("denied") => deny("not this one"),
            Some("unsure") => ask("this one?"),
            _ => allow(),
        }
    };
    let setting = Setting {
        approvals: true,
        ..Setting::default()
    };
    let mut client = Client::of(setting, opinion).await;
    for skill in ["allowed", "denied", "unsure"] {
        let folder = client.directory().join("root").join(skill);
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("SKILL.md"), skill).expect("written");
    }
    let params = json!({"roots": [{"id": "r", "path": client.path("root")}]});
    let answer = client.call("capabilityRoots/discoverV1", params).await;
    let answer = answer.expect("an answer");
    let root = &answer["roots"][0];
    let contents: Vec<_> = root["skills"].as_array().expect("skills").iter().collect();
    assert_eq!(contents.len(), 1, "{root}");
    assert_eq!(contents[0]["contents"], "allowed");
    let warnings = root["warnings"].to_string();
    assert!(warnings.contains("denies this: not this one"), "{warnings}");
    assert!(
        warnings.contains("somebody has to agree to this"),
        "{warnings}"
    );
    let asked = client.judge.asked();
    let walk = file(&asked[0]);
    assert_eq!((walk.verb, walk.recursive), (FileVerb::Walk, true));
    let how_far = walk.walk.expect("a walk says how far it goes");
    assert!(!how_far.follow_directory_links && how_far.prune_hidden_directories);
    let read = |action: &&Action| file(action).verb == FileVerb::Read;
    let read: Vec<_> = asked.iter().filter(read).collect();
    assert!(
        read.iter()
            .any(|action| file(action).paths[0].path.ends_with("denied/SKILL.md"))
    );
}

/// Whatever says "no sandbox", direct access included, is held to what a policy leaves.
#[tokio::test]
async fn attack_14_a_request_without_a_profile_is_confined_to_what_a_policy_leaves() {
    for quick in [true, false] {
        for sandbox in [
            Value::Null,
            json!({"permissions": {"type": "disabled"}}),
            json!({"permissions": {"type": "external", "network": "enabled"}}),
        ] {
            let setting = Setting {
                quick,
                ..Setting::default()
            };
            let root = tempfile::tempdir().expect("a directory");
            let root = root.path().canonicalize().expect("it is there");
            for folder in ["work", "other"] {
                std::fs::create_dir_all(root.join(folder)).expect("made");
                std::fs::write(root.join(folder).join("file"), folder).expect("written");
            }
            std::os::unix::fs::symlink(root.join("other"), root.join("work/out")).expect("a link");
            let work = root.join("work").to_str().expect("text").to_owned();
            let narrowing = grant(&[(&work, Some(Access::Read))]);
            let mut client = Client::of(setting, move |_| allow_within(narrowing.clone())).await;
            let mut read = async |name: &str| {
                let params = json!({"path": root.join(name), "sandbox": sandbox});
                client.call("fs/readFile", params).await
            };
            // Twice: the second one may be answered at once.
            for _ in 0..2 {
                let inside = read("work/file").await.expect("it is granted");
                assert_eq!(inside["dataBase64"], base64("work"));
                for outside in ["other/file", "work/out/file"] {
                    let (code, text) = read(outside).await.expect_err("it is not granted");
                    assert!([-32600, -32004].contains(&code), "{code} {text}");
                    assert!(
                        text.contains("the operator's policies leave only a part"),
                        "{text}"
                    );
                }
            }
            let params = json!({"path": root.join("other/file"), "handleId": "h", "mode": "read", "sandbox": sandbox});
            let (_, text) = client.refusal("fs/open", params).await;
            assert!(
                text.contains("the operator's policies leave only a part"),
                "{text}"
            );
            let write = json!({"path": root.join("work/file"), "dataBase64": base64("x"), "sandbox": sandbox});
            client.refusal("fs/writeFile", write).await;
            let copy = json!({
                "sourcePath": root.join("other/file"), "destinationPath": root.join("work/copy"), "recursive": false, "sandbox": sandbox,
            });
            client.refusal("fs/copy", copy).await;
            assert_eq!(
                std::fs::read_to_string(root.join("work/file")).expect("there"),
                "work"
            );
            std::fs::remove_dir_all(&root).expect("removed");
        }
    }
}

#[tokio::test]
async fn a_policy_is_named_as_what_may_be_why_only_where_it_may_be() {
    let words = "the operator's policies leave only a part";
    for quick in [true, false] {
        for (within, is_part) in [(None, true), (Some("/"), false)] {
            let setting = Setting {
                quick,
                ..Setting::default()
            };
            let root = tempfile::tempdir().expect("a directory");
            let root = root.path().canonicalize().expect("it is there");
            let at = |name: &str| root.join(name).to_str().expect("text").to_owned();
            std::fs::create_dir(at("directory")).expect("made");
            std::fs::write(at("file"), "1").expect("written");
            let pipe = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), pipe).expect("made");
            let granted = within.map_or_else(|| at(""), str::to_owned);
            let narrowing = grant(&[(&granted, Some(Access::Write))]);
            let mut client = Client::of(setting, move |_| allow_within(narrowing.clone())).await;
            // What is not there may be kept from it where it has only a part; what a thing is comes of no policy.
            for (name, may_be) in [
                ("none", is_part),
                ("pipe", false),
                ("directory", false),
                ("file/in", false),
            ] {
                let (_, text) = client
                    .refusal("fs/readFile", json!({"path": at(name)}))
                    .await;
                assert_eq!(
                    text.contains(words),
                    may_be,
                    "{name} within {granted}: {text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn no_more_is_read_than_a_policy_allows() {
    let limited = |_: &Action| {
        allow_within(Narrowing {
            output_limit: Some(4),
            ..Narrowing::default()
        })
    };
    for quick in [true, false] {
        let setting = Setting {
            quick,
            ..Setting::default()
        };
        let mut client = Client::of(setting, limited).await;
        for (name, contents) in [("small", "1234"), ("large", "12345")] {
            std::fs::write(client.directory().join(name), contents).expect("written");
        }
        let (small, large) = (client.path("small"), client.path("large"));
        let read = client.call("fs/readFile", json!({"path": small})).await;
        assert_eq!(read.expect("small enough")["dataBase64"], base64("1234"));
        let too_much = "a policy allows at most 4 bytes to be read here, and there are more";
        let (_, text) = client.refusal("fs/readFile", json!({"path": large})).await;
        assert!(text.starts_with(too_much), "{text}");
        let params = json!({"path": large, "handleId": "h", "mode": "read"});
        client.call("fs/open", params).await.expect("opened");
        let block = json!({"handleId": "h", "offset": 0, "len": 3});
        client.call("fs/readBlock", block).await.expect("within it");
        let block = json!({"handleId": "h", "offset": 3, "len": 3});
        let (_, text) = client.refusal("fs/readBlock", block).await;
        assert!(text.starts_with(too_much), "{text}");
        let operations = [json!({"method": "fs/readFile", "params": {"path": large}})];
        let params = json!({"operations": operations});
        let answer = client
            .call("lockgate/fs/batch", params)
            .await
            .expect("an answer");
        let text = answer["results"][0]["error"]["message"].as_str();
        assert!(
            text.is_some_and(|text| text.starts_with(too_much)),
            "{answer}"
        );
    }
}

/// Blocks of a file that is updated can be read.
#[tokio::test]
async fn a_file_that_is_updated_is_asked_about_as_read_and_as_written() {
    let opinion = |action: &Action| match file(action).verb {
        FileVerb::Read => deny("not to be read"),
        _ => allow(),
    };
    let mut client = Client::of(Setting::default(), opinion).await;
    std::fs::write(client.directory().join("a"), "secret").expect("written");
    let path = client.path("a");
    let update = json!({"path": path, "handleId": "h", "mode": "update"});
    let (_, text) = client.refusal("fs/open", update).await;
    assert!(text.contains("not to be read"), "{text}");
    let replace = json!({"path": path, "handleId": "h", "mode": "replace"});
    client.call("fs/open", replace).await.expect("only written");
}

#[tokio::test]
async fn a_judge_may_prepare_once_an_answer_has_left_whatever_thread_it_was_made_on() {
    for quick in [false, true] {
        let setting = Setting {
            quick,
            ..Setting::default()
        };
        let mut client = Client::of(setting, |_| allow()).await;
        let root = client.path("");
        for _ in 0..3 {
            let before = client.judge.prepared();
            let params = json!({"path": root, "sandbox": null});
            client
                .call("fs/getMetadata", params)
                .await
                .expect("answered");
            let prepares = async {
                while client.judge.prepared() == before {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(std::time::Duration::from_secs(60), prepares)
                .await
                .expect("prepared");
        }
    }
}
