//! Tests that need a process of their own: in a mount namespace where they may mount, or as an ordinary user.
//!
//! The test runs itself again, prepared from outside by util-linux, so that nothing here is unsafe and nothing of this process changes.
//! Where that cannot be done the test fails and says so: a proof that was skipped would look like one that was given.

use std::path::Path;
use std::process::Command;

/// Set in the process of its own: the directory that it mounts in.
const STAGE: &str = "LOCKGATE_TEST_STAGE";

/// Runs the body where it can mount whatever it likes and nobody sees it: its directory is a file system in memory, and so are the
/// worlds in it. As root, or as anybody where user namespaces are allowed.
#[track_caller]
pub(crate) fn with_mounts<F: FnOnce()>(body: F) {
    if let Some(stage) = std::env::var_os(STAGE) {
        mount("tmpfs", Path::new(&stage), "rw");
        return body();
    }
    let stage = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let test = name::<F>();
    command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture", "--test-threads", "1"])
        .env(STAGE, stage.path())
        .env("TMPDIR", stage.path());
    let output = command
        .output()
        .expect("`unshare` of util-linux is needed to run this test");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test} in a mount namespace of its own (it needs root, or user namespaces): {said}"
    );
}

/// The test that a closure was written in.
fn name<F>() -> String {
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    name.split_once("::").unwrap().1.to_owned()
}

/// Mounts a file system of a kind, with comma-separated options.
#[track_caller]
pub(crate) fn mount(kind: &str, target: &Path, options: &str) {
    run("mount", &["-t", kind, "-o", options, "test"], target);
}

/// Gives a tree a second place.
#[track_caller]
pub(crate) fn bind(source: &Path, target: &Path) {
    run("mount", &["--bind", source.to_str().unwrap()], target);
}

/// Makes a mount read-only (`ro`), or writable again (`rw`).
#[track_caller]
pub(crate) fn remount(target: &Path, option: &str) {
    run("mount", &["-o", &format!("remount,bind,{option}")], target);
}

/// Takes a mount away, whoever is still at work in it.
#[track_caller]
pub(crate) fn unmount(target: &Path) {
    run("umount", &["--lazy"], target);
}

#[track_caller]
fn run(program: &str, arguments: &[&str], target: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .arg(target)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?} {}: {}",
        target.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}
