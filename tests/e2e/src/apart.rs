//! Tests in namespaces of their own: there they may mount what they like, and have the network that they like, and nobody sees it. The test runs itself
//! again, under `unshare`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::loopback;

/// Set in the process of its own: whether it is root's, or only root where it is.
const STAGE: &str = "LOCKGATE_TEST_STAGE";

/// Runs the body where it can mount, as root or as anybody where user namespaces are allowed. What it starts sees its mounts, which end with the last of it.
///
/// Where that cannot be done the test fails and says so: a proof that was skipped would look like one that was given.
#[track_caller]
pub fn with_mounts<F: FnOnce()>(body: F) {
    apart(std::any::type_name::<F>(), &["--mount"], body);
}

/// The same with a network of its own, too: nothing in it but loopback, which is up, and these addresses at it.
#[track_caller]
pub fn with_network<F: FnOnce()>(addresses: &[Ipv4Addr], body: F) {
    apart(std::any::type_name::<F>(), &["--mount", "--net"], || {
        loopback::up(addresses).expect("root may set up a network of its own");
        body();
    });
}

/// `name` is that of a closure of the test.
#[track_caller]
fn apart(name: &str, namespaces: &[&str], body: impl FnOnce()) {
    if std::env::var_os(STAGE).is_some() {
        return body();
    }
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["--propagation", "private"]);
    command.env(STAGE, "root");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
        command.env(STAGE, "user");
    }
    let name = name.trim_end_matches("::{{closure}}");
    let (_, test) = name.split_once("::").expect("a test in a crate");
    command
        .arg(std::env::current_exe().expect("a program"))
        .args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    let output = command
        .output()
        .expect("`unshare` of util-linux is needed to run this test");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{test} in namespaces of its own (it needs root, or user namespaces): {said}"
    );
}

/// Has this file read where another one is.
#[track_caller]
pub fn in_place_of(there: &Path, file: &Path) {
    run("mount", &["--bind"], &[file, there]);
}

/// Mounts a small disk there: ext4 on a loop device, which only root may use, or else one in memory.
#[track_caller]
pub fn small_disk(place: &Path) {
    std::fs::create_dir_all(place).expect("a folder");
    if !std::env::var(STAGE).is_ok_and(|whose| whose == "root") {
        return run(
            "mount",
            &["-t", "tmpfs", "-o", "size=64k", "test"],
            &[place],
        );
    }
    let image = place.with_extension("image");
    let file = std::fs::File::create(&image).expect("a file");
    file.set_len(4 << 20).expect("its size");
    run(
        "mkfs.ext4",
        &["-q", "-F", "-m", "0", "-O", "^has_journal"],
        &[&image],
    );
    run("mount", &["-o", "loop"], &[&image, place]);
}

#[track_caller]
fn run(program: &str, arguments: &[&str], at: &[&Path]) {
    let status = Command::new(program).args(arguments).args(at).status();
    let status = status.unwrap_or_else(|error| panic!("`{program}` is needed: {error}"));
    assert!(status.success(), "{program} {arguments:?} {at:?}");
}

/// Takes all room that is left on the disk of this file.
pub fn fill(filler: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(filler).expect("a file");
    for _ in 0..2 {
        while file.write(&[0; 4096]).is_ok_and(|wrote| wrote > 0) {}
        // What was delayed is settled then, and there may be room again.
        file.sync_all().expect("on the disk");
    }
}
