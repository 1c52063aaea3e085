//! The crate as an embedder has it: scopes from plain grants, and calls that are awaited. The examples are tests of their own.

#![allow(missing_docs)]

use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Duration;

use lockgate_capfs::workers::{NotDone, Patience};
use lockgate_capfs::{
    AbsPath, CacheChoice, CapFs, Files, Follow, FsError, Options, ScopeError, Times, Workers,
};

fn capfs() -> CapFs {
    let options = Options {
        cache: CacheChoice::At(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))),
        ..Options::default()
    };
    CapFs::new(options).expect("a gate")
}

/// A directory with these files in it.
fn home(files: &[&str]) -> (tempfile::TempDir, AbsPath) {
    let home = tempfile::tempdir().expect("a directory");
    for file in files {
        let path = home.path().join(file);
        std::fs::create_dir_all(path.parent().expect("below home")).expect("made");
        std::fs::write(path, *file).expect("written");
    }
    let path = home.path().canonicalize().expect("its real path");
    (home, AbsPath::parse(path).expect("a path"))
}

fn read(files: &Files, path: &AbsPath) -> Result<Vec<u8>, FsError> {
    files.open(path, Follow::Links)?.read_all(100)
}

#[test]
fn a_scope_of_plain_grants_holds_what_was_granted_and_nothing_else() {
    let (_home, home) = home(&["r/f", "w/f", "w/no/f", "w/a.key", "f"]);
    let at = |path: &str| AbsPath::parse(home.as_path().join(path)).expect("a path");
    let capfs = capfs();
    let files = capfs
        .scope()
        .read(at("r"))
        .write(at("w"))
        .deny(at("w/no"))
        .deny_glob("/**/*.key")
        .open()
        .expect("a scope");
    assert!(matches!(files, Files::Scoped(_)));
    for granted in ["r/f", "w/f"] {
        assert_eq!(
            read(&files, &at(granted)).expect("read"),
            granted.as_bytes()
        );
    }
    for hidden in ["f", "w/no/f", "w/a.key"] {
        let refused = read(&files, &at(hidden)).expect_err(hidden);
        assert_eq!(
            refused.to_string(),
            "No such file or directory (os error 2)"
        );
    }
    files
        .write_file(&at("w/f"), b"new", Follow::Links)
        .expect("written");
    assert!(files.write_file(&at("r/f"), b"new", Follow::Links).is_err());
    assert_eq!(capfs.report().scopes, 0, "nobody remembers it");
}

#[test]
fn nothing_is_granted_where_nothing_was_said() {
    let (_home, home) = home(&["f"]);
    let files = capfs().scope().open().expect("a scope");
    assert!(read(&files, &home.join("f").expect("a path")).is_err());
}

#[test]
fn a_pattern_that_refers_to_no_directory_is_refused_until_one_is_named() {
    let capfs = capfs();
    let refused = capfs
        .scope()
        .deny_glob("*.key")
        .open()
        .expect_err("refused");
    assert_eq!(refused, ScopeError::RelativePattern("*.key".to_owned()));
    assert!(refused.to_string().contains("ScopeBuilder::directory"));
    let (_home, home) = home(&["f", "a.key"]);
    let scope = capfs.scope().read(home.clone()).deny_glob("*.key");
    let files = scope.directory(home.clone()).open().expect("a scope");
    assert!(read(&files, &home.join("f").expect("a path")).is_ok());
    assert!(read(&files, &home.join("a.key").expect("a path")).is_err());
}

#[tokio::test]
async fn calls_are_awaited_side_by_side_and_changes_too() {
    let (_home, home) = home(&["f"]);
    let files = capfs().scope().write(home.clone()).open().expect("a scope");
    let files = files.waiting(&Workers::default(), Times::default().patience());
    let meet = std::sync::Arc::new(Barrier::new(2));
    let calls = [0, 1].map(|_| {
        let (meet, path) = (
            std::sync::Arc::clone(&meet),
            home.join("f").expect("a path"),
        );
        files.look(move |files| {
            // Neither comes past this alone.
            meet.wait();
            read(files, &path)
        })
    });
    for call in calls {
        assert_eq!(call.await.expect("read"), b"f");
    }
    let path = home.join("g").expect("a path");
    let written = files.change(move |files| files.write_file(&path, b"new", Follow::Links));
    written.await.expect("written");
}

#[tokio::test]
async fn a_call_that_hangs_is_an_error_to_the_one_who_awaits_it() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let patience = Patience {
        silence: Duration::from_millis(50),
        total: Duration::from_millis(50),
        changes: false,
    };
    let files = Files::Direct.waiting(&Workers::default(), patience);
    let hangs = files.change(move |_| {
        let _ = released.recv();
        Ok(())
    });
    match hangs.await {
        Err(FsError::NotDone(NotDone::GaveUp {
            may_still_happen: true,
            ..
        })) => {}
        other => panic!("{other:?}"),
    }
    drop(release);
}
