//! A folder of an operator or an author, with the stock policies in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Done, done, lockgate, ok, run_in};

/// A folder with the stock policies in it.
pub(crate) fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["readonly", "workspace"] {
        let built = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../guest/dist/policy-{name}.wasm"));
        fs::copy(built, dir.path().join(format!("{name}.wasm"))).expect("copied");
    }
    dir
}

/// `lockgate policy ARGS` in it.
pub(crate) fn policy(dir: &tempfile::TempDir, args: &[&str]) -> Done {
    let mut all = vec!["policy"];
    all.extend(args);
    run_in(dir.path(), &all)
}

/// What was said, as data.
pub(crate) fn json(done: &Done) -> serde_json::Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

/// Its configuration.
pub(crate) fn config(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("lockgate.toml")
}

/// What `doctor` says of that.
pub(crate) fn doctor(dir: &tempfile::TempDir) -> String {
    ok(run_in(dir.path(), &["doctor", "--config", "lockgate.toml"]))
}

/// Any command whose server of its own is configured so.
pub(crate) fn under(dir: &tempfile::TempDir, args: &[&str]) -> Done {
    let mut command = lockgate(args);
    command
        .env("LOCKGATE_CONFIG", config(dir))
        .current_dir(dir.path());
    done(command.output().expect("runs"))
}
