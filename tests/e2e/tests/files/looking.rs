//! Reading, describing, listing, resolving.

use std::fs::{File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use lockgate_e2e::{Ground, Server, Wire, decoded, uri};
use serde_json::{Value, json};

use crate::tables;

#[tokio::test]
async fn files_are_read_whole_and_through_links() {
    tables(
        &[
            "f=text",
            "empty=",
            "d/g=deep",
            "l>f",
            "dir>d",
            "chain>dir/up",
            "d/up>../f",
            "broken>none",
        ],
        &[
            ("read f", "text"),
            ("read empty", ""),
            ("read l", "text"),
            ("read dir/g", "deep"),
            ("read chain", "text"),
            ("read broken", "noent"),
            ("read none", "noent"),
            ("read none/f", "noent"),
            ("read d", "isdir"),
            ("read f/x", "notdir"),
            ("read d/../f", "text"),
            // Normalized before the filesystem sees it, as PROTOCOL 5 has it.
            ("read none/../f", "text"),
            ("read dir/../f", "text"),
        ],
    )
    .await;
}

#[tokio::test]
async fn contents_are_bytes() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    for len in [0, 1, 2, 3, 16 << 10, (16 << 10) + 1, 300_000, 5 << 20] {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + at / 256) as u8).collect();
        let path = json!(ground.path("bytes"));
        let data = base64_simd::STANDARD.encode_to_string(&bytes);
        let write = json!({"path": path, "dataBase64": data});
        assert_eq!(wire.call("fs/writeFile", write).await, Ok(json!({})));
        assert!(
            std::fs::read(ground.path("bytes")).expect("readable") == bytes,
            "{len} written"
        );
        let read = wire
            .call("fs/readFile", json!({"path": path, "sandbox": null}))
            .await;
        assert!(
            decoded(&read.expect("readable")["dataBase64"]) == bytes,
            "{len} read"
        );
    }
}

#[tokio::test]
async fn a_file_that_fits_no_message_is_refused_with_the_way_to_read_it() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let path = ground.path("large");
    let file = File::create(&path).expect("made");
    file.set_len(45 << 20).expect("sparse");
    let read = wire
        .call("fs/readFile", json!({"path": path}))
        .await
        .expect("45 MiB fit");
    assert_eq!(read["dataBase64"].as_str().map(str::len), Some(60 << 20));

    file.set_len(60 << 20).expect("sparse");
    let refusal = wire
        .call("fs/readFile", json!({"path": path}))
        .await
        .expect_err("60 MiB do not");
    assert_eq!(refusal.code, -32600);
    assert!(
        refusal.message.starts_with("file is too large to read"),
        "{}",
        refusal.message
    );
    assert!(refusal.message.contains("fs/open"), "{}", refusal.message);

    file.set_len((512 << 20) + 1).expect("sparse");
    let refusal = wire
        .call("fs/readFile", json!({"path": path}))
        .await
        .expect_err("too large");
    let limit = "file is too large to read: limit is 536870912 bytes";
    assert_eq!((refusal.code, refusal.message.as_str()), (-32600, limit));

    wire.call("fs/open", json!({"handleId": "h", "path": path}))
        .await
        .expect("opened");
    let block = json!({"handleId": "h", "offset": 512 << 20, "len": 2});
    let block = wire.call("fs/readBlock", block).await.expect("read");
    assert_eq!(block, json!({"chunk": "AA==", "eof": true}));
}

#[tokio::test]
async fn metadata_is_the_targets_with_a_word_about_the_link() {
    tables(
        &[
            "f=12345",
            "d/x=1",
            "to-file>f",
            "to-dir>d",
            "broken>none",
            "loop>loop",
            "two>to-file",
        ],
        &[
            ("stat f", "file"),
            ("stat d", "directory"),
            ("stat to-file", "link to file"),
            ("stat two", "link to file"),
            ("stat to-dir", "link to directory"),
            ("stat to-dir/x", "file"),
            ("stat broken", "noent"),
            ("stat none", "noent"),
            ("stat none/x", "noent"),
            ("stat f/x", "notdir"),
            ("stat loop", "loop"),
            ("stat /", "directory"),
            ("stat /dev/null", "other"),
        ],
    )
    .await;
}

#[tokio::test]
async fn metadata_has_exactly_the_members_of_the_protocol() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=12345", "l>f"]);
    let file = File::options()
        .write(true)
        .open(ground.path("f"))
        .expect("open");
    let modified = UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
    file.set_times(FileTimes::new().set_modified(modified))
        .expect("set");
    let created = std::fs::metadata(ground.path("f")).and_then(|found| found.created());
    let created = created
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let wanted = json!({
        "isDirectory": false,
        "isFile": true,
        "isSymlink": false,
        "size": 5,
        "createdAtMs": created.map_or(0, |time| time.as_millis() as u64),
        "modifiedAtMs": 1_234_567_890_123_u64,
    });
    for (path, link) in [("f", false), ("l", true)] {
        let found = wire
            .call("fs/getMetadata", json!({"path": ground.path(path)}))
            .await;
        let mut wanted = wanted.clone();
        wanted["isSymlink"] = json!(link);
        assert_eq!(found, Ok(wanted), "{path}");
    }
    // Times before 1970 are negative, not an error.
    let before = UNIX_EPOCH - Duration::from_millis(1_500);
    file.set_times(FileTimes::new().set_modified(before))
        .expect("set");
    let found = wire
        .call("fs/getMetadata", json!({"path": ground.path("f")}))
        .await;
    assert_eq!(found.expect("found")["modifiedAtMs"], -1_500);
}

#[tokio::test]
async fn directories_list_what_their_names_lead_to() {
    tables(
        &[
            "d/f=x",
            "d/sub/x=y",
            "d/.hidden=x",
            "d/to-file>f",
            "d/to-dir>sub",
            "d/broken>none",
            "d/loop>loop",
            "e/",
        ],
        &[
            ("list d", ".hidden f sub/ to-dir/ to-file"),
            ("list d/to-dir", "x"),
            ("list e", ""),
            ("list none", "noent"),
            ("list d/broken", "noent"),
            ("list d/f", "notdir"),
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_01_names_that_are_not_utf8_are_listed_lossily_and_reached_by_uri() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let odd = ground
        .path("")
        .join(std::ffi::OsStr::from_bytes(b"odd\xff%\n"));
    std::fs::write(&odd, "found").expect("written");
    let list = wire
        .call("fs/readDirectory", json!({"path": ground.path("")}))
        .await
        .expect("listed");
    let entry = json!({"fileName": "odd\u{fffd}%\n", "isDirectory": false, "isFile": true});
    assert_eq!(list["entries"], json!([entry]));
    let read = wire
        .call("fs/readFile", json!({"path": uri(&odd)}))
        .await
        .expect("readable");
    assert_eq!(decoded(&read["dataBase64"]), b"found");
    let real = wire
        .call("fs/canonicalize", json!({"path": uri(&odd)}))
        .await;
    assert_eq!(real, Ok(json!({"path": uri(&odd)})));
}

#[tokio::test]
async fn the_real_path_is_told_as_a_uri_however_it_was_asked_for() {
    tables(
        &[
            "a b%/f=x",
            "l>a b%",
            "chain>l/f",
            "broken>none",
            "loop>loop",
        ],
        &[
            ("real l/f", "a%20b%25/f"),
            ("real chain", "a%20b%25/f"),
            ("real l", "a%20b%25"),
            ("real broken", "noent"),
            ("real loop", "loop"),
            ("real none", "noent"),
            ("real chain/x", "notdir"),
            ("real /", "file:///"),
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_03_loops_of_links_end_and_forty_are_followed() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["l0=text", "a>b", "b>a"]);
    for link in 1..=41 {
        ground.make(&[&format!("l{link}>l{}", link - 1)]);
    }
    let way = lockgate_e2e::Way::direct(lockgate_e2e::Shape::Late);
    let table = [
        ("read l40", "text"),
        ("read l41", "loop"),
        ("stream l41", "loop"),
        ("stat l41", "loop"),
        ("real l41", "loop"),
        ("read a", "loop"),
        ("list a", "loop"),
        ("write a x", "loop"),
    ];
    ground.table(&mut wire, &way, &table).await;
}

#[tokio::test]
async fn no_link_is_followed_where_the_request_forbids_it() {
    let table = [
        ("read! f", "text"),
        ("read! l", "link refused"),
        ("read! dir/g", "link refused"),
        ("read! none", "noent"),
        ("read! broken", "link refused"),
        ("stat! d", "directory"),
        ("stat! l", "link refused"),
        ("stat! dir/g", "link refused"),
        ("write! l x", "link refused"),
        ("write! dir/new x", "link refused"),
        ("write! broken x", "link refused"),
        ("write! f text", "ok"),
        ("write! d/new x", "ok"),
        ("mkdirs! dir/new", "link refused"),
        ("mkdirs! dir", "link refused"),
        ("mkdirs! d/a/b", "ok"),
        ("rm! l", "link refused"),
        ("rmforce! dir/g", "link refused"),
        ("rmforce! none", "ok"),
        ("rm! d/new", "ok"),
        ("read f", "text"),
        ("read dir/g", "deep"),
        ("stat l", "link to file"),
    ];
    tables(
        &["f=text", "d/g=deep", "l>f", "dir>d", "broken>none"],
        &table,
    )
    .await;
}

#[tokio::test]
async fn empty_answers_are_empty_objects_and_results_have_no_other_members() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x", "d/"]);
    let members = |answer: Value| -> Vec<String> {
        answer
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let file = json!({"path": ground.path("f")});
    let directory = json!({"path": ground.path("d")});
    for (method, params, wanted) in [
        ("fs/readFile", &file, &["dataBase64"][..]),
        ("fs/canonicalize", &file, &["path"]),
        ("fs/readDirectory", &directory, &["entries"]),
        ("fs/createDirectory", &directory, &[]),
        ("fs/remove", &file, &[]),
    ] {
        let answer = wire.call(method, params.clone()).await.expect(method);
        assert_eq!(members(answer), wanted, "{method}");
    }
}
