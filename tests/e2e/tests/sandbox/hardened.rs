//! In a hardened container, where the reference's helper cannot run: no `openat2`, no Landlock, no user namespaces, no
//! ptrace. The gate needs none of them, and answers the same.

use std::process::Command;

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire, harden, lockgate};

/// How a kernel says that it has no such call, and how a filter refuses one.
const REFUSALS: [u32; 2] = [libc::ENOSYS as u32, libc::EPERM as u32];

#[tokio::test]
async fn attack_07_without_openat2_the_gate_walks_and_answers_the_same() {
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
                "w/final>../out/secret",
                "w/absolute>$/out/secret",
                "w/middle>../out",
                "w/root>/",
                "w/no/f=denied",
            ]);
            let profile = Profile::new()
                .write(ground.path("w"))
                .deny(ground.path("w/no"));
            let way = Way::under(&profile, shape);
            let table = [
                ("read w/f", "inside"),
                ("read w/l", "inside"),
                ("read w/d/g", "deep"),
                ("read out/secret", "noent"),
                ("read w/final", "noent"),
                ("read w/absolute", "noent"),
                ("read w/middle/secret", "noent"),
                ("read w/no/f", "noent"),
                ("write w/new x", "ok"),
                ("write w/final x", "access"),
                ("write w/.git/config x", "rofs"),
            ];
            ground.table(&mut wire, &way, &table).await;
            assert_eq!(ground.text("out/secret"), "hidden");
            assert_eq!(ground.text("w/new"), "x");
        }
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
