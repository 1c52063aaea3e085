//! Ways out of a grant, by every method (ATTACKS.md 1 to 17). After each table what lies outside is as it was.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire, uri};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

const OUTSIDE: [&str; 3] = [
    "out/secret=theirs",
    "out/d/x=theirs",
    "out/.git/config=theirs",
];

/// Runs a table with `w` writable, beside an outside that must neither be read nor changed.
async fn attack(things: &[&str], table: &[(&str, &str)]) {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        ground.make(&OUTSIDE);
        ground.make(&["w/f=mine", "w/d/g=mine"]);
        ground.make(things);
        let before = ground.snapshot("out");
        let way = Way::under(&Profile::new().write(ground.path("w")), shape);
        for (operation, wanted) in table {
            let found = ground.run(&mut wire, &way, operation).await;
            assert!(!found.contains("theirs"), "{operation} revealed it");
            assert_eq!(found, *wanted, "{operation}, in the {shape:?} shape");
            assert_eq!(ground.snapshot("out"), before, "{operation} changed it");
        }
        for (path, content) in ground.snapshot("w") {
            let taken = content == b"theirs";
            assert!(!taken, "{} was copied out", path.display());
        }
    }
}

#[tokio::test]
async fn attack_03_a_link_at_the_end_leads_nowhere() {
    for target in [
        "$/out/secret",
        "../out/secret",
        "d/../../out/secret",
        "up/out/secret",
        "chain",
    ] {
        let link = format!("w/l>{target}");
        attack(
            &[&link, "w/up>..", "w/chain>$/out/secret"],
            &[
                ("read w/l", "noent"),
                ("stream w/l", "noent"),
                ("stat w/l", "noent"),
                ("real w/l", "noent"),
                ("write w/l x", "access"),
                ("copy w/f w/l", "access"),
                ("mkdirs w/l/x", "access"),
                ("copy w/l w/copied", "ok"),
                ("read w/copied", "noent"),
                ("rm w/l", "ok"),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn attack_03_a_link_to_a_directory_in_the_middle_leads_nowhere() {
    for target in ["$/out", "../out", "d/../../out", "up/out", "$/w/../out"] {
        let link = format!("w/l>{target}");
        attack(
            &[&link, "w/up>.."],
            &[
                ("read w/l/secret", "noent"),
                ("stream w/l/secret", "noent"),
                ("stat w/l/secret", "noent"),
                ("stat w/l", "noent"),
                ("list w/l", "noent"),
                ("list w/l/d", "noent"),
                ("walk w/l/d", "noent"),
                ("walk w/l", ""),
                ("walklinks w/l", "noent"),
                ("real w/l/secret", "noent"),
                ("write w/l/secret x", "access"),
                ("write w/l/new x", "access"),
                ("mkdir w/l/new", "access"),
                ("mkdirs w/l/new/er", "access"),
                ("rm w/l/secret", "access"),
                ("rmtree w/l/d", "access"),
                ("rmforce w/l/d", "access"),
                ("copy w/l/secret w/stolen", "noent"),
                ("copytree w/l/d w/stolen", "noent"),
                ("copy w/f w/l/secret", "access"),
                ("copy w/f w/l/new", "access"),
                ("copytree w/d w/l/new", "access"),
                // The link itself is in the way, wherever it leads.
                ("copytree w/d w/l", "exist"),
                ("rmtree w/l", "ok"),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn attack_03_dot_dot_after_a_link_is_taken_away_before_any_link_is_followed() {
    attack(
        &["w/l>$/out/d", "w/in>d"],
        &[
            ("read w/l/../secret", "noent"),
            ("read w/l/../f", "mine"),
            ("read w/in/../f", "mine"),
            ("write w/l/../new x", "ok"),
            ("read w/new", "x"),
            ("read w/../out/secret", "noent"),
            ("write w/../out/secret x", "access"),
            ("read w/d/../../out/secret", "noent"),
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_04_what_does_not_exist_yet_is_not_made_outside() {
    attack(
        &[
            "w/new>$/out/new",
            "w/deep>$/out/none/deep",
            "w/rel>../out",
            "w/chain>new",
            "w/root>/",
        ],
        &[
            ("write w/new x", "access"),
            ("write w/chain x", "access"),
            ("write w/deep x", "access"),
            ("write w/deep/x x", "access"),
            ("mkdir w/new", "exist"),
            ("mkdirs w/deep/x", "access"),
            ("mkdirs w/rel/a/b", "access"),
            ("copy w/f w/new", "access"),
            ("copy w/f w/rel/new", "access"),
            ("copytree w/d w/rel/new", "access"),
            ("copytree w/d w/chain", "exist"),
            ("write w/root/etc/lockgate-e2e x", "access"),
            ("mkdirs w/root/lockgate-e2e", "access"),
        ],
    )
    .await;
    assert!(!PathBuf::from("/lockgate-e2e").exists());
    assert!(!PathBuf::from("/etc/lockgate-e2e").exists());
}

#[tokio::test]
async fn attack_03_loops_and_long_chains_end() {
    let chain: Vec<String> = (1..=41)
        .map(|link| {
            format!(
                "w/l{link}>{}",
                if link == 1 {
                    "f".into()
                } else {
                    format!("l{}", link - 1)
                }
            )
        })
        .collect();
    let mut things: Vec<&str> = chain.iter().map(String::as_str).collect();
    things.extend(["w/a>b", "w/b>a", "w/self>self/x", "w/file>f"]);
    attack(
        &things,
        &[
            ("read w/l40", "mine"),
            ("read w/l41", "loop"),
            ("read w/a", "loop"),
            ("write w/a x", "loop"),
            ("list w/self", "loop"),
            ("read w/file/x", "notdir"),
            ("write w/file/x y", "notdir"),
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_08_magic_links_and_made_up_files_give_nothing_away() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        ground.make(&[
            "w/root>/proc/self/root",
            "w/environ>/proc/self/environ",
            "w/stdin>/dev/stdin",
            "w/fd>/dev/fd",
        ]);
        let profile = Profile::new()
            .special("root", "read")
            .write(ground.path("w"));
        let table = [
            ("read /proc/self/environ", "access"),
            ("read /proc/self/mem", "access"),
            ("read /proc/self/cmdline", "access"),
            ("read /proc/1/environ", "access"),
            ("read /proc/self/root/etc/passwd", "access"),
            ("read /proc/self/cwd/Cargo.toml", "access"),
            ("list /proc/self/fd", "access"),
            ("list /proc", "access"),
            ("stream /proc/self/environ", "access"),
            ("write /proc/self/oom_score_adj 1", "access"),
            ("copy /proc/self/environ w/taken", "access"),
            ("read w/root/etc/passwd", "access"),
            ("read w/environ", "access"),
            ("read w/stdin", "access"),
            ("list w/fd", "access"),
            ("read /dev/fd/0", "access"),
            ("read /sys/kernel/uevent_seqnum", "access"),
        ];
        ground
            .table(&mut wire, &Way::under(&profile, shape), &table)
            .await;
        assert!(!ground.has("w/taken"));
    }
}

#[tokio::test]
async fn attack_01_no_spelling_of_a_path_leads_out() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&OUTSIDE);
    ground.make(&["w/f=mine"]);
    let w = ground.path("w");
    let w = w.to_str().expect("UTF-8");
    let profile = Profile::new().write(w);
    let encoded = uri(w);
    for path in [
        format!("{w}/../out/secret"),
        format!("{w}/./.././out//secret/"),
        format!("{w}//..//out/secret"),
        format!("{w}/%2e%2e/out/secret"),
        format!("{w}/\u{ff0e}\u{ff0e}/out/secret"),
        format!("{w}/\u{efae}\u{efae}/out/secret"),
        format!("{w}/../{}/../out/secret", "x/".repeat(50)),
        format!("{encoded}/../out/secret"),
        format!("{encoded}/%2e%2e/out/secret"),
        format!("{encoded}/%2E%2e%2Fout%2Fsecret"),
        format!("{encoded}/..%2fout%2fsecret"),
        format!("{encoded}/.%2e/out/secret"),
        format!("{encoded}%2f..%2fout%2fsecret"),
        format!("{encoded}/%252e%252e/out/secret"),
        format!("FILE://{}", w.to_owned() + "/../out/secret"),
        format!("file://localhost{w}/../out/secret"),
        format!("file://evil{w}/../out/secret"),
        format!("file:{w}/../out/secret"),
        format!("{encoded}/f%00/../../out/secret"),
        format!("{encoded}/../out/secret?query"),
        format!("{encoded}/../out/secret#fragment"),
        format!("{encoded}/f::$DATA/../../out/secret"),
    ] {
        for shape in Shape::BOTH {
            let sandbox = profile.in_shape(shape);
            for (method, extra) in [
                ("fs/readFile", json!({})),
                ("fs/getMetadata", json!({})),
                ("fs/canonicalize", json!({})),
                ("fs/open", json!({"handleId": "h"})),
                ("fs/writeFile", json!({"dataBase64": ""})),
                ("fs/remove", json!({"force": false})),
            ] {
                let mut params = extra;
                params["path"] = json!(path);
                params["sandbox"] = sandbox.clone();
                let refusal = wire.call(method, params).await;
                let refusal = refusal.expect_err(&format!("{method} {path}"));
                assert!(
                    [-32004, -32600, -32602, -32603].contains(&refusal.code),
                    "{method} {path}: {refusal:?}"
                );
            }
        }
    }
    // Files of the machine are only asked for, never changed: should the gate fail, the test must do no harm.
    for path in [
        "/proc/self/root/etc/passwd".to_owned(),
        "//etc/passwd".to_owned(),
        "file:////etc/passwd".to_owned(),
        "/".to_owned() + &"../".repeat(100) + "etc/passwd",
    ] {
        for method in ["fs/readFile", "fs/getMetadata", "fs/canonicalize"] {
            let params = json!({"path": path, "sandbox": profile.in_shape(Shape::Late)});
            let refusal = wire.call(method, params).await;
            let refusal = refusal.expect_err(&format!("{method} {path}"));
            assert!(
                [-32004, -32600, -32602].contains(&refusal.code),
                "{path}: {refusal:?}"
            );
        }
    }
    assert_eq!(ground.text("out/secret"), "theirs");
    assert_eq!(ground.text("w/f"), "mine");
    // A backslash separates nothing here: this is one odd name inside.
    let way = Way::under(&profile, Shape::Late);
    ground
        .table(&mut wire, &way, &[("write w/..\\out\\secret x", "ok")])
        .await;
    assert_eq!(ground.text("w/..\\out\\secret"), "x");
    assert_eq!(ground.text("out/secret"), "theirs");
}

#[tokio::test]
async fn attack_15_specials_are_not_waited_for_in_a_sandbox_either() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        ground.make(&["w/f=x", "w/zero>/dev/zero"]);
        ground.make_fifo("w/fifo");
        let profile = Profile::new()
            .special("root", "read")
            .write(ground.path("w"));
        let table = [
            ("read w/fifo", "not regular"),
            ("stream w/fifo", "not regular"),
            ("write w/fifo x", "not regular"),
            ("copy w/f w/fifo", "not regular"),
            ("copy w/fifo w/x", "unsupported"),
            ("read w/zero", "not regular"),
            ("read /dev/tty", "not regular"),
            ("write /dev/null x", "rofs"),
            ("stat w/fifo", "other"),
            ("list w", "f fifo? zero?"),
            ("walk w", "w/f"),
            ("copytree w/fifo w/x", "unsupported"),
            ("rm w/fifo", "ok"),
        ];
        ground
            .table(&mut wire, &Way::under(&profile, shape), &table)
            .await;
    }
}

#[tokio::test]
async fn attack_05_names_exchanged_all_the_time_never_lead_outside() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&OUTSIDE);
    ground.make(&["w/d/secret=mine", "w/d/d/x=mine", "w/l>$/out", "w/f=mine"]);
    let before = ground.snapshot("out");
    let stop = Arc::new(AtomicBool::new(false));
    let (one, other) = (ground.path("w/d"), ground.path("w/l"));
    let stopped = Arc::clone(&stop);
    let exchanging = std::thread::spawn(move || {
        let mut rounds = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("exchanged");
            rounds += 1;
        }
        rounds
    });
    let way = Way::under(&Profile::new().write(ground.path("w")), Shape::Late);
    let mut through = 0;
    for round in 0..400 {
        for operation in [
            "read w/d/secret",
            "stream w/l/secret",
            "stat w/d/secret",
            "list w/l",
            "write w/d/secret mine",
            "write w/l/new mine",
            "mkdirs w/d/made",
            "copy w/f w/d/copied",
            "copy w/d/secret w/taken",
            "rm w/d/new",
            "rmtree w/l/made",
        ] {
            let found = ground.run(&mut wire, &way, operation).await;
            assert!(
                !found.contains("theirs"),
                "{operation} in round {round}: {found}"
            );
            through += usize::from(found == "ok" || found == "mine");
        }
        assert!(!ground.has("w/taken") || ground.text("w/taken") == "mine");
    }
    stop.store(true, Ordering::Relaxed);
    let rounds = exchanging.join().expect("no failure");
    assert!(
        rounds > 100 && through > 100,
        "{rounds} exchanges, {through} requests came through"
    );
    assert_eq!(ground.snapshot("out"), before);
}
