//! The tests once more, as an ordinary user: what root may do hides what a gate forgets, and the other way round.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The user `nobody`, by the number that it has everywhere.
const NOBODY: u32 = 65534;

/// Not run again: namespaces where anybody is root, what needs a build's directories, what measures the memory of its process, which
/// here is everybody's, and this.
const SKIPPED: [&str; 8] = [
    "mounts::",
    "full::",
    "users::",
    "parity::",
    "resolvers::",
    "imports::",
    "do_not_fill_the_memory",
    "is_remembered_once",
];

#[test]
fn everything_holds_for_an_ordinary_user_too() {
    if !rustix::process::geteuid().is_root() {
        // Then all of them are running as one just now.
        return;
    }
    let stage = tempfile::tempdir().unwrap();
    let at = |name: &str| stage.path().join(name);
    fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["home", "cache", "sticky"] {
        fs::create_dir(at(name)).unwrap();
    }
    chown(at("home"), Some(NOBODY), Some(NOBODY)).unwrap();
    chown(at("cache"), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(at("cache"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(at("sticky"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(at("sticky/theirs"), "x").unwrap();
    fs::copy(std::env::current_exe().unwrap(), at("gate")).unwrap();
    fs::set_permissions(at("gate"), fs::Permissions::from_mode(0o755)).unwrap();

    let listed = run(stage.path(), &["--list"]);
    let count = listed
        .lines()
        .filter(|line| line.ends_with(": test"))
        .count();
    assert!(count > 60, "{listed}");
    let said = run(stage.path(), &["--test-threads", "2"]);
    let wanted = format!("test result: ok. {count} passed; 0 failed; 0 ignored");
    assert!(said.contains(&wanted), "{wanted} is wanted of: {said}");
}

/// Runs the copied tests as that user, and returns what they say.
#[track_caller]
fn run(stage: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(stage.join("gate"));
    command
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir(stage.join("home"))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", stage.join("home"))
        .env("TMPDIR", stage.join("home"))
        .env("LOCKGATE_TEST_CACHE", stage.join("cache"))
        .env("LOCKGATE_TEST_STICKY", stage.join("sticky"))
        .env("LOCKGATE_EXCHANGES", "5000")
        .args(arguments);
    for skipped in SKIPPED {
        command.args(["--skip", skipped]);
    }
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "as user {NOBODY}: {said}");
    said
}
