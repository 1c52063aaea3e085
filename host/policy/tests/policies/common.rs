//! What the tests share: policies in files, settings for them, actions to ask about.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockgate_engine::{CacheChoice, Digest};
use lockgate_policy_gate::{
    Access, Action, FileOperation, FilePath, FileVerb, Gate, ModuleSettings, Outcome, ProcessStart,
    Ruling, Settings, Subject, Trust,
};

/// A built guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../guest/dist/{name}.wasm"))
}

/// A policy with its digest as it is, and all the time that a busy machine may need.
pub(crate) fn module(path: impl Into<PathBuf>) -> ModuleSettings {
    let path = path.into();
    let bytes = std::fs::read(&path).expect("the component");
    ModuleSettings {
        trust: Trust {
            sha256: Some(Digest::of(&bytes)),
            ..Trust::default()
        },
        time: Duration::from_secs(10),
        ..ModuleSettings::new(path)
    }
}

/// The hostile policy with its configuration.
pub(crate) fn hostile(config: &str) -> ModuleSettings {
    ModuleSettings {
        config: config.to_owned(),
        ..module(guest("test-policy-hostile"))
    }
}

pub(crate) fn settings(modules: impl IntoIterator<Item = ModuleSettings>) -> Settings {
    Settings {
        modules: modules.into_iter().collect(),
        cache: CacheChoice::Off,
        ..Settings::default()
    }
}

pub(crate) fn open(modules: impl IntoIterator<Item = ModuleSettings>) -> Gate {
    Gate::open(settings(modules)).expect("a gate")
}

pub(crate) fn subject() -> Subject {
    Subject {
        session: "5f2a".to_owned(),
        client: "test".to_owned(),
        ..Subject::default()
    }
}

pub(crate) fn file(verb: FileVerb, path: &str, access: Access) -> Action {
    Action::File(FileOperation {
        verb,
        paths: vec![FilePath {
            path: path.to_owned(),
            access,
        }],
        recursive: false,
        sandboxed: false,
        walk: None,
    })
}

pub(crate) fn read(path: &str) -> Action {
    file(FileVerb::Read, path, Access::Read)
}

pub(crate) fn run(argv: &[&str]) -> Action {
    Action::ProcessStart(ProcessStart {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        cwd: "/".to_owned(),
        ..ProcessStart::default()
    })
}

/// Who denies, and why.
pub(crate) fn denied(ruling: &Ruling) -> (Option<&str>, &str) {
    match &ruling.outcome {
        Outcome::Deny { policy, reason, .. } => (policy.as_deref(), reason),
        other => panic!("not denied: {other:?}"),
    }
}
