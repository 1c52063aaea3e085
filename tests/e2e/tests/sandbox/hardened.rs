//! In a hardened container, where the reference's helper cannot run: no `openat2`, no Landlock, no user namespaces, no
//! ptrace. The gate needs none of them, and answers the same.

use std::process::Command;

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire, harden, lockgate};
use serde_json::json;

/// How a kernel says that it has no such call, and how a filter refuses one.
const REFUSALS: [u32; 2] = [libc::ENOSYS as u32, libc::EPERM as u32];

/// Every file method, on what is inside and on what is not.
const TABLE: &[(&str, &str)] = &[
    ("read w/f", "inside"),
    ("read w/l", "inside"),
    ("read w/d/g", "deep"),
    ("stream w/l", "inside"),
    ("stat w/l", "link to file"),
    ("real w/l", "w/f"),
    ("readlink w/l", "f"),
    ("readlink w/final", "../out/secret"),
    ("readlink w/middle/secret", "noent"),
    ("readlink out/secret", "noent"),
    ("readlink w/no/f", "noent"),
    ("list w/d", "g"),
    ("walk w/d", "w/d/g"),
    ("walklinks w/d", "w/d/g"),
    ("read! w/l", "link refused"),
    ("stat! w/l", "link refused"),
    ("read out/secret", "noent"),
    ("read w/final", "noent"),
    ("read w/absolute", "noent"),
    ("read w/middle/secret", "noent"),
    ("read w/root/etc/passwd", "noent"),
    ("stream w/final", "noent"),
    ("stat w/final", "noent"),
    ("real w/middle/secret", "noent"),
    ("list w/middle", "noent"),
    ("walk w/middle/d", "noent"),
    ("read w/no/f", "noent"),
    ("write w/new x", "ok"),
    ("write w/l through", "ok"),
    ("write w/final x", "access"),
    ("write w/.git/config x", "rofs"),
    ("mkdir w/made", "ok"),
    ("mkdirs w/made/a/b", "ok"),
    ("mkdirs w/middle/a", "access"),
    ("copy w/f w/copied", "ok"),
    ("copy w/middle/secret w/stolen", "noent"),
    ("copy w/f w/middle/new", "access"),
    ("copytree w/d w/tree", "ok"),
    ("copytree w/middle/d w/stolen", "noent"),
    ("rm w/copied", "ok"),
    ("rm w/middle/secret", "access"),
    ("rmtree w/tree", "ok"),
    ("rmforce w/middle/d", "access"),
    ("rename w/new w/renamed", "ok"),
    ("renamefree w/renamed w/f", "exist"),
    ("rename w/middle/secret w/stolen", "noent"),
    ("rename w/f w/middle/f", "access"),
    ("symlink $/out/secret w/made/link", "ok"),
    ("read w/made/link", "noent"),
    ("symlink x w/middle/link", "access"),
    ("chmod w/f 640", "ok"),
    ("chmod w/final 777", "noent"),
    ("chmod! w/l 600", "link refused"),
    ("touch w/f 1000000000500", "ok"),
    ("touch w/final 1", "noent"),
    ("touch! w/l 1", "link refused"),
    ("watch w", "ok"),
    ("watch w/l", "notdir"),
    ("watch w/middle", "noent"),
    ("watch out", "noent"),
    ("fetch w/d", "g"),
    ("fetch w/middle", "noent"),
    ("fetch out", "noent"),
    ("outline w/d", "g"),
    ("outline w/l", "file"),
    ("outline w/middle", "noent"),
    ("outline w/final", "noent"),
    ("outline out", "noent"),
    ("outline w/no", "noent"),
    ("send w/sent g", "ok"),
    ("send w/sent ../f", "left out"),
    ("send w middle/new", "left out"),
    ("send w/middle new", "exist"),
    ("send w .git/config", "left out"),
    ("replace w/made/r x", "ok"),
    ("append w/made/r y", "ok"),
    ("replace w/made/r z", "ok"),
    ("append w/made/r y", "ok"),
    ("read w/made/r", "zy"),
    ("replace w/final x", "access"),
    ("append w/final x", "access"),
    ("replace w/middle/secret x", "access"),
    ("replace w/.git/config x", "rofs"),
    ("replace! w/l x", "link refused"),
    ("pour w/made/p in many pieces", "ok"),
    ("pourmore w/made/p , and more", "ok"),
    ("read w/made/p", "in many pieces, and more"),
    ("pour w/final x", "access"),
    ("pourmore w/final x", "access"),
    ("pour w/middle/new x", "access"),
    ("pour w/.git/config x", "rofs"),
];

/// Methods that the table's verbs stand for, and those that only pass its operations on: what is announced and is in neither list
/// has to come into the table.
const METHODS: [&str; 14] = [
    "readLink",
    "rename",
    "symlink",
    "setMode",
    "setTimes",
    "readTree",
    "listTree",
    "writeTree",
    "writeTreeBlock",
    "finishTree",
    "replaceFile",
    "appendFile",
    "watch",
    "unwatch",
];
const MADE_OF_OTHERS: [&str; 1] = ["batch"];

#[tokio::test]
async fn attack_07_without_openat2_every_method_answers_the_same() {
    for errno in REFUSALS {
        let mut command = Server::command();
        harden(&mut command, errno);
        let server = Server::from_command(command);
        let mut wire = Wire::ready(&server).await;
        for shape in Shape::BOTH {
            let ground = Ground::new();
            ground.make(&[
                "w/f=inside",
                "w/l>f",
                "w/d/g=deep",
                "out/secret=hidden",
                "out/d/x=hidden",
                "w/final>../out/secret",
                "w/absolute>$/out/secret",
                "w/middle>../out",
                "w/root>/",
                "w/no/f=denied",
            ]);
            let before = ground.snapshot("out");
            let profile = Profile::new()
                .write(ground.path("w"))
                .deny(ground.path("w/no"));
            let way = Way::under(&profile, shape);
            ground.table(&mut wire, &way, TABLE).await;
            assert_eq!(ground.snapshot("out"), before);
            assert_eq!(ground.text("w/f"), "through");
            assert!(!ground.has("w/stolen"));
        }
    }
}

#[tokio::test]
async fn every_file_method_that_is_announced_is_tried_without_openat2() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let about = wire.call("environment/info", json!({})).await;
    let about = about.expect("told");
    let announced = about["capabilities"]["lockgate"]["methods"]
        .as_array()
        .unwrap_or_else(|| panic!("methods are announced: {about}"));
    for method in announced {
        let method = method.as_str().expect("a name");
        let Some(name) = method.strip_prefix("lockgate/fs/") else {
            continue;
        };
        assert!(
            METHODS.contains(&name) || MADE_OF_OTHERS.contains(&name),
            "{method} is announced and not in the table above"
        );
    }
}

#[test]
fn the_doctor_says_that_paths_are_walked() {
    for errno in REFUSALS {
        let mut command = Command::new(lockgate());
        command.arg("doctor");
        harden(&mut command, errno);
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find(|line| line.contains("path back end"))
            .unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains("walk"), "{line}");
    }
}
