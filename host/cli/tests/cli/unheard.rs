//! Commands whose words nobody hears: stderr is a pipe without a reader, or a disk that is full.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::support::{lockgate, place};

#[test]
fn the_exit_code_is_the_same_where_nobody_hears_what_is_said() {
    let dir = place();
    for args in [
        &["fs", "cat", "none", "a/two"][..],
        &["fs", "stat", "none"],
        &["fs", "nonsense"],
        &["fs", "put", "-r", "none", "there"],
        &["fs", "get", "-r", "a", "a/none/there"],
        &["fs", "ls", "--deny", "a", "a"],
        &["exec", "--", "/no/such/program"],
        &["exec", "--url", "ws://127.0.0.1:1", "--", "true"],
        &["env", "check", "none"],
        &["policy", "test", "none"],
        &["serve", "--config", "none"],
    ] {
        let heard = lockgate(args).current_dir(dir.path()).output();
        let heard = heard.expect("runs");
        assert!(!heard.stderr.is_empty(), "{args:?}");
        let full = OpenOptions::new().write(true).open("/dev/full");
        let (reader, unread) = std::io::pipe().expect("a pipe");
        drop(reader);
        for (stderr, what) in [
            (Stdio::from(full.expect("opened")), "full"),
            (Stdio::from(unread), "unread"),
        ] {
            let mut command = lockgate(args);
            command.current_dir(dir.path()).stderr(stderr);
            let unheard = command.output().expect("runs");
            assert_eq!(
                (unheard.status.code(), &unheard.stdout),
                (heard.status.code(), &heard.stdout),
                "{args:?} {what}"
            );
        }
    }
}
