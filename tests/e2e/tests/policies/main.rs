//! The policy gate of a running server: what an operator configures is what clients meet.

mod beside;
mod clients;
mod hostile;
mod limits;
mod links;
mod own_files;
mod own_places;
mod reloading;
mod serving;
/// Policies that no compiler makes; the gate's own tests have the same.
#[allow(dead_code, reason = "not every part of it is exchanged here")]
#[path = "../../../../host/policy/tests/policies/text.rs"]
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate_e2e::{DEADLINE, Server, Wire};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A policy that is built into `guest/dist`.
pub(crate) fn built(name: &str) -> Vec<u8> {
    let file = format!("../../guest/dist/{name}.wasm");
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a built policy")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answers to these requests, in whatever order they come.
pub(crate) async fn answers(wire: &mut Wire, ids: &[i64]) -> HashMap<i64, Value> {
    let mut answers = HashMap::new();
    while answers.len() < ids.len() {
        let message = wire.message().await;
        let id = message["id"].as_i64().expect("an answer");
        assert!(ids.contains(&id), "{message}");
        answers.insert(id, message);
    }
    answers
}

/// The folder of an operator: a configuration, its policies, and what the server says.
pub(crate) struct Operator {
    folder: TempDir,
}

impl Operator {
    pub(crate) fn new() -> Operator {
        let folder = tempfile::tempdir().expect("a directory");
        Operator { folder }
    }

    /// One policy, pinned, with this configuration.
    pub(crate) fn with(policy: &str, config: &str) -> Operator {
        let operator = Operator::new();
        operator.puts("policy.wasm", built(policy));
        operator.configures(&format!(
            "[policy]\nlog = \"decisions.jsonl\"\n\n{}",
            module(&built(policy), config)
        ));
        operator
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().canonicalize().expect("it is there");
        folder.join(name)
    }

    pub(crate) fn puts(&self, name: &str, contents: impl AsRef<[u8]>) {
        // Renamed over, so that nobody finds half of it.
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, contents).expect("written");
        std::fs::rename(new, self.path(name)).expect("renamed");
    }

    pub(crate) fn configures(&self, text: &str) {
        self.puts("lockgate.toml", text);
    }

    fn command(&self, configuration: &str) -> Command {
        let mut command = Server::command();
        let log = std::fs::File::create(self.path("stderr")).expect("made");
        command
            .arg("--config")
            .arg(self.path(configuration))
            .env("LOCKGATE_LOG", "info")
            .stderr(log);
        command
    }

    pub(crate) fn starts(&self) -> Server {
        self.starts_with("lockgate.toml")
    }

    pub(crate) fn starts_with(&self, configuration: &str) -> Server {
        Server::from_command(self.command(configuration))
    }

    /// What a server says that does not start.
    pub(crate) fn cannot_start(&self) -> String {
        let status = self.command("lockgate.toml").status().expect("it runs");
        assert!(!status.success());
        self.says()
    }

    /// All that the server has said so far.
    pub(crate) fn says(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).expect("readable")
    }

    /// Waits until the server has said this so many times.
    pub(crate) async fn has_said(&self, what: &str, times: usize) {
        let said = async {
            while self.says().matches(what).count() < times {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(DEADLINE, said).await.is_err() {
            panic!("it never said {what:?}, but:\n{}", self.says());
        }
    }

    /// The decision log, once it has so many lines.
    pub(crate) async fn decisions(&self, lines: usize) -> Vec<Value> {
        let read = || std::fs::read_to_string(self.path("decisions.jsonl")).expect("a log");
        let complete = async {
            while read().matches('\n').count() < lines {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, complete)
            .await
            .expect("in time");
        let text = read();
        let parsed = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        parsed.collect()
    }
}

/// `[[policy.module]]` for `policy.wasm`.
pub(crate) fn module(bytes: &[u8], config: &str) -> String {
    format!(
        "[[policy.module]]\npath = \"policy.wasm\"\nsha256 = \"{}\"\nconfig = '''\n{config}'''\n",
        sha256(bytes)
    )
}
