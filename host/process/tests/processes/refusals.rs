//! What cannot be started, and what is said then. Each with pipes and with a terminal.

use lockgate_process::{Spawn, SpawnError};

use crate::support::*;

/// How a good request is spoiled, what is said then, and whether the request is to blame.
type Row<'a> = (&'a dyn Fn(&mut Spawn), &'a str, bool);

fn refused(spawn: Spawn) -> SpawnError {
    match engine().spawn(spawn) {
        Err(error) => error,
        Ok(_) => panic!("it was started"),
    }
}

#[tokio::test]
async fn each_refusal_says_what_was_wrong() {
    for stdio in [NO_STDIN, TTY] {
        let table: [Row; 13] = [
            (&|spawn| spawn.argv.clear(), "argv must not be empty", true),
            (
                &|spawn| spawn.argv[0] = "no-such-program".into(),
                "cannot run no-such-program: No such file or directory (os error 2)",
                false,
            ),
            (
                &|spawn| spawn.argv[0] = "/no/such".into(),
                "cannot run /no/such: No such file or directory (os error 2)",
                false,
            ),
            (
                &|spawn| spawn.argv[0] = "".into(),
                "cannot run : No such file or directory (os error 2)",
                false,
            ),
            (
                &|spawn| spawn.argv[0] = "/etc/passwd".into(),
                "cannot run /etc/passwd: Permission denied (os error 13)",
                false,
            ),
            (
                &|spawn| spawn.argv[1] = "a\0b".into(),
                "argv contains a NUL byte",
                true,
            ),
            (
                &|spawn| spawn.arg0 = Some("\0".into()),
                "arg0 contains a NUL byte",
                true,
            ),
            (
                &|spawn| spawn.env = vec![("A".into(), "\0".into())],
                "env contains a NUL byte",
                true,
            ),
            (
                &|spawn| spawn.env = vec![("A=B".into(), "".into())],
                "env has a name that is empty or contains '='",
                true,
            ),
            (
                &|spawn| spawn.cwd = "/no/such".into(),
                "cannot use cwd /no/such: No such file or directory (os error 2)",
                false,
            ),
            (
                &|spawn| spawn.cwd = "/etc/passwd".into(),
                "cannot use cwd /etc/passwd: Not a directory (os error 20)",
                false,
            ),
            (
                &|spawn| spawn.cwd = "relative".into(),
                "cwd relative is refused: it is not absolute",
                true,
            ),
            (
                &|spawn| spawn.cwd = "/tmp\0".into(),
                "cwd contains a NUL byte",
                true,
            ),
        ];
        for (change, message, bad_request) in table {
            let mut spawn = program(&["echo", "x"], stdio);
            change(&mut spawn);
            let error = refused(spawn);
            assert_eq!(error.to_string(), message);
            assert_eq!(error.is_bad_request(), bad_request, "{message}");
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_really_a_descriptor_is_refused() {
    for cwd in [
        "/proc/self/fd/3",
        "/proc/self/fd",
        "/proc/1/task/1/fd/5/etc",
        "/dev/fd/3",
        "/proc/./self//fd/3",
    ] {
        let mut spawn = program(&["pwd"], NO_STDIN);
        spawn.cwd = cwd.into();
        assert!(
            matches!(refused(spawn), SpawnError::CwdRefused { .. }),
            "{cwd}"
        );
    }
}

#[tokio::test]
async fn a_link_to_a_descriptor_leads_nowhere_in_the_child() {
    use std::os::fd::AsRawFd;
    let secret = std::fs::File::open("/etc").unwrap();
    let here = tempfile::tempdir().unwrap();
    let link = here.path().join("link");
    std::os::unix::fs::symlink(format!("/proc/self/fd/{}", secret.as_raw_fd()), &link).unwrap();
    let mut spawn = program(&["pwd"], NO_STDIN);
    spawn.cwd = link.clone();
    assert!(matches!(
        engine().spawn(spawn),
        Err(SpawnError::Program { .. } | SpawnError::Cwd { .. })
    ));
}

#[tokio::test]
async fn too_many_arguments_are_the_systems_refusal() {
    let mut spawn = program(&["true"], NO_STDIN);
    spawn.argv.push("x".repeat(128 * 1024).into());
    assert_eq!(
        refused(spawn).to_string(),
        "cannot run true: Argument list too long (os error 7)"
    );
    let mut spawn = program(&["true"], NO_STDIN);
    spawn
        .argv
        .extend((0..200_000).map(|n| format!("argument {n}").into()));
    assert!(refused(spawn).to_string().ends_with("(os error 7)"));
}

#[tokio::test]
async fn a_refusal_leaves_no_descriptor_behind() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let engine = engine();
    let mut spawn = program(&["true"], TTY);
    spawn.argv.push("x".repeat(128 * 1024).into());
    let _ = engine.spawn(spawn.clone());
    let before = count();
    for _ in 0..50 {
        let _ = engine.spawn(spawn.clone());
        spawn.stdio = STDIN;
    }
    assert_eq!(count(), before);
}

#[test]
fn without_a_runtime_nothing_is_started() {
    let error = refused(program(&["true"], NO_STDIN));
    assert!(matches!(error, SpawnError::Resource { .. }), "{error}");
}
