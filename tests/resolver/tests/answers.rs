//! One line in, one line out.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

#[test]
fn each_path_is_answered_with_what_is_there_or_why_nothing_is() {
    let mut resolver = Command::new(env!("CARGO_BIN_EXE_lockgate-resolver"))
        .arg("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut questions = resolver.stdin.take().expect("a pipe");
    questions
        .write_all(b"/\n/no such thing\n/etc/passwd/x\n")
        .expect("written");
    drop(questions);
    let output = resolver.wait_with_output().expect("it ends");
    let root = std::fs::metadata("/").expect("there is a root");
    let wanted = format!("{} {}\nerror 2\nerror 20\n", root.dev(), root.ino());
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
}
