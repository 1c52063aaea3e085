//! Writing, making, removing, copying.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lockgate_e2e::{Ground, Server, Shape, Way, Wire};
use serde_json::json;

use crate::tables;

#[tokio::test]
async fn writing_creates_or_replaces_and_follows_links() {
    tables(
        &[
            "f=a longer text",
            "d/",
            "dir>d",
            "l>f",
            "new>made",
            "far>none/made",
        ],
        &[
            ("write f short", "ok"),
            ("read f", "short"),
            ("write f ", "ok"),
            ("read f", ""),
            ("write l through", "ok"),
            ("read f", "through"),
            ("stat l", "link to file"),
            ("write new born", "ok"),
            ("read made", "born"),
            ("stat new", "link to file"),
            ("write dir/x y", "ok"),
            ("read d/x", "y"),
            ("write far x", "noent"),
            ("write none/x y", "noent"),
            ("write f/x y", "notdir"),
            ("write d x", "isdir"),
            ("write dir x", "isdir"),
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_09_writing_keeps_the_file_its_other_names_and_its_permissions() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=old"]);
    fs::hard_link(ground.path("f"), ground.path("other")).expect("linked");
    fs::set_permissions(ground.path("f"), Permissions::from_mode(0o751)).expect("set");
    let before = fs::metadata(ground.path("f")).expect("found");
    ground
        .table(
            &mut wire,
            &Way::direct(Shape::May),
            &[("write f new", "ok")],
        )
        .await;
    let after = fs::metadata(ground.path("f")).expect("found");
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
    assert_eq!(ground.text("other"), "new");
}

#[tokio::test]
async fn data_that_is_no_strict_base64_is_refused_and_nothing_is_written() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=kept"]);
    for data in [
        "A", "AAA", "AA", "AA=A", "AA==\n", " AA==", "AA==AA==", "-_==", "A===", "====", "ü",
    ] {
        for path in ["f", "new"] {
            let params = json!({"path": ground.path(path), "dataBase64": data});
            let refusal = wire
                .call("fs/writeFile", params)
                .await
                .expect_err("refused");
            assert_eq!(refusal.code, -32600, "{data:?}: {}", refusal.message);
        }
    }
    for data in [json!(null), json!(7), json!(["AA=="])] {
        let params = json!({"path": ground.path("f"), "dataBase64": data});
        let refusal = wire
            .call("fs/writeFile", params)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32602, "{data}: {}", refusal.message);
    }
    assert_eq!(ground.text("f"), "kept");
    assert!(!ground.has("new"));
}

#[tokio::test]
async fn directories_are_made_with_those_above_unless_told_otherwise() {
    tables(
        &["f=x", "d/g=x", "dir>d", "to-file>f", "broken>none"],
        &[
            ("mkdir new", "ok"),
            ("stat new", "directory"),
            ("mkdir new", "exist"),
            ("mkdir a/b", "noent"),
            ("mkdirs a/b/c", "ok"),
            ("stat a/b/c", "directory"),
            ("mkdirs a/b/c", "ok"),
            ("mkdirs dir/in/side", "ok"),
            ("stat d/in/side", "directory"),
            ("mkdirs dir", "ok"),
            ("mkdir dir", "exist"),
            ("mkdir f", "exist"),
            ("mkdirs f", "exist"),
            ("mkdirs f/x", "notdir"),
            ("mkdirs to-file", "exist"),
            ("mkdirs broken", "exist"),
            ("mkdirs /", "ok"),
        ],
    )
    .await;
}

#[tokio::test]
async fn removing_takes_trees_and_links_but_never_what_links_lead_to() {
    tables(
        &[
            "f=x",
            "d/e/g=x",
            "d/out>../kept",
            "kept/k=k",
            "dir>kept",
            "broken>none",
            "empty/",
            "full/f=x",
        ],
        &[
            ("rm none", "noent"),
            ("rmtree none", "noent"),
            ("rmforce none", "ok"),
            ("rmforce none/x", "ok"),
            ("rm empty", "ok"),
            ("stat empty", "noent"),
            ("rm full", "notempty"),
            ("rmtree d", "ok"),
            ("stat d", "noent"),
            ("rmtree dir", "ok"),
            ("stat dir", "noent"),
            ("rm broken", "ok"),
            ("rm f", "ok"),
            ("rm f", "noent"),
            ("rmtree full/f/x", "notdir"),
            ("read kept/k", "k"),
            ("read full/f", "x"),
        ],
    )
    .await;
}

#[tokio::test]
async fn defaults_are_recursive_and_forced() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let at = |path: &str| json!({"path": ground.path(path)});
    assert_eq!(
        wire.call("fs/createDirectory", at("a/b/c")).await,
        Ok(json!({}))
    );
    assert!(ground.path("a/b/c").is_dir());
    assert_eq!(wire.call("fs/remove", at("a")).await, Ok(json!({})));
    assert!(!ground.has("a"));
    assert_eq!(wire.call("fs/remove", at("a")).await, Ok(json!({})));
    let copy = json!({"sourcePath": ground.path("a"), "destinationPath": ground.path("b")});
    let refusal = wire
        .call("fs/copy", copy)
        .await
        .expect_err("`recursive` is required");
    assert_eq!(refusal.code, -32602);
}

#[tokio::test]
async fn copies_are_files_links_and_merged_trees() {
    tables(
        &[
            "f=text",
            "l>f",
            "d/g=deep",
            "d/l>g",
            "d/out>/nowhere",
            "d/e/h=h",
            "old/g=old",
            "old/kept=kept",
            "dir>d",
            "to>target",
            "target=t",
            "in>old",
        ],
        &[
            ("copy f copied", "ok"),
            ("read copied", "text"),
            ("copy f target", "ok"),
            ("read target", "text"),
            ("copy d/g to", "ok"),
            ("read target", "deep"),
            ("stat to", "link to file"),
            ("copy l link", "ok"),
            ("stat link", "link to file"),
            ("copy l link", "exist"),
            ("copy dir linked", "ok"),
            ("stat linked", "link to directory"),
            ("copy d tree", "needs recursive"),
            ("copytree d tree", "ok"),
            ("walk tree", "tree/e/ tree/e/h tree/g tree/l"),
            ("stat tree/l", "link to file"),
            ("copytree d/e old", "ok"),
            ("list old", "g h kept"),
            ("copytree d/e in/sub", "ok"),
            ("read old/sub/h", "h"),
            ("copytree f whole", "ok"),
            ("read whole", "text"),
            ("copytree d d", "into itself"),
            ("copytree d d/new", "into itself"),
            ("copytree d dir/e/new", "into itself"),
            ("copytree d/e d", "ok"),
            ("copytree d d-twin", "ok"),
            ("copy none x", "noent"),
            ("copy f none/x", "noent"),
            ("copy f d", "isdir"),
            ("copytree d f", "exist"),
            ("copy f f", "ok"),
            ("copy f l", "ok"),
            ("read f", "text"),
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_17_copies_keep_permission_bits_and_drop_set_user_id() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["d/run=#!", "d/secret=s", "over=o"]);
    let set = |path: &str, mode| {
        fs::set_permissions(ground.path(path), Permissions::from_mode(mode)).expect("set");
    };
    set("d/run", 0o6755);
    set("d/secret", 0o600);
    let way = Way::direct(Shape::Late);
    let table = [
        ("copy d/run over", "ok"),
        ("copytree d tree", "ok"),
        ("copy d/secret new", "ok"),
    ];
    ground.table(&mut wire, &way, &table).await;
    let copied = [
        ("over", 0o755),
        ("tree/run", 0o755),
        ("tree/secret", 0o600),
        ("new", 0o600),
    ];
    for (path, wanted) in copied {
        let mode = fs::metadata(ground.path(path)).expect("copied").mode();
        assert_eq!(mode & 0o7777, wanted, "{path}");
    }
}

#[tokio::test]
async fn attack_17_a_tree_deeper_than_a_path_is_removed_without_a_trace() {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["deep/", "sibling=kept"]);
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut at = openat(rustix::fs::CWD, ground.path("deep"), flags, Mode::empty()).expect("open");
    let name = "d".repeat(200);
    for _ in 0..60 {
        mkdirat(&at, &name, Mode::RWXU).expect("made");
        at = openat(&at, &name, flags, Mode::empty()).expect("open");
    }
    drop(at);
    let way = Way::direct(Shape::May);
    ground
        .table(
            &mut wire,
            &way,
            &[("rmtree deep", "ok"), ("read sibling", "kept")],
        )
        .await;
    assert!(!ground.has("deep"));
}
