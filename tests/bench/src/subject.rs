//! A server as the measures see it: where it listens, which spelling of paths it takes, and the permission profiles in
//! that spelling. Two generations of servers speak this protocol: the older wants native paths, the newer `file:`
//! URIs; which one this is, is found out by trying.

use std::path::Path;

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::ground::{Ground, text};
use crate::limits;
use crate::server::{Guard, Server};

/// How paths are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `file:///tmp/x`
    Uri,
    /// `/tmp/x`
    Native,
}

/// What a request is confined to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// No sandbox.
    Direct,
    /// What a client sends while it works in a project: everything readable, the project and the temporary
    /// directories writable, the project's `.git`, `.agents` and `.codex` not.
    Workspace,
    /// One directory readable and nothing else, so that no shortcut for profiles that may read everything applies.
    Confined,
}

/// A running server with what is known about it.
pub(crate) struct Subject {
    /// `ours` or `peer`.
    pub(crate) label: &'static str,
    /// The command that starts it.
    pub(crate) command: String,
    /// The instance that most measures share.
    pub(crate) server: Server,
    spelling: Spelling,
    /// Why sandboxed figures of this server would be worthless, if they are.
    open_gate: Option<String>,
}

impl Subject {
    /// Starts the server and looks how it behaves.
    pub(crate) fn start(
        label: &'static str,
        command: &str,
        ground: &Ground,
    ) -> Result<Self, Failure> {
        let server = Server::start(command, Guard::EndsWithUs)?;
        let mut subject = Self {
            label,
            command: command.into(),
            server,
            spelling: Spelling::Uri,
            open_gate: None,
        };
        let mut connection = subject.connect(limits::SMALL_READS)?;
        if connection
            .call("fs/getMetadata", &subject.stat(ground, Profile::Direct))
            .is_err()
        {
            subject.spelling = Spelling::Native;
            connection.call("fs/getMetadata", &subject.stat(ground, Profile::Direct))?;
        }
        subject.open_gate = subject.try_gate(&mut connection, ground)?;
        Ok(subject)
    }

    /// A connection after the handshake.
    pub(crate) fn connect(&self, read_buffer: usize) -> Result<Connection, Failure> {
        Connection::ready(&self.server.url, read_buffer)
    }

    /// The program that its command runs.
    pub(crate) fn program(&self) -> Result<&str, Failure> {
        let first = self.command.split_whitespace().next();
        first.ok_or_else(|| Failure::Wrong("the command is empty".to_owned()))
    }

    /// The spelling it takes.
    pub(crate) fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// Fails when this server does not keep the profiles: how fast an open gate is, is of no interest.
    pub(crate) fn keeps(&self, profile: Profile) -> Result<(), Failure> {
        match (&self.open_gate, profile) {
            (Some(reason), Profile::Workspace | Profile::Confined) => {
                Err(Failure::Wrong(reason.clone()))
            }
            _ => Ok(()),
        }
    }

    /// A path in this server's spelling. The ground's names need no escapes unless TMPDIR has odd ones.
    pub(crate) fn path(&self, path: &Path) -> String {
        match self.spelling {
            Spelling::Native => text(path),
            Spelling::Uri => text(path)
                .bytes()
                .fold("file://".to_owned(), |mut uri, byte| {
                    if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                        uri.push(char::from(byte));
                    } else {
                        uri.push_str(&format!("%{byte:02X}"));
                    }
                    uri
                }),
        }
    }

    /// The `sandbox` member for `profile`.
    pub(crate) fn sandbox(&self, ground: &Ground, profile: Profile) -> Value {
        let special = |kind: &str, subpath: Option<&str>| match subpath {
            None => json!({"type": "special", "value": {"kind": kind}}),
            Some(subpath) => {
                json!({"type": "special", "value": {"kind": kind, "subpath": subpath}})
            }
        };
        let project = self.path(&ground.project());
        let entries = match profile {
            Profile::Direct => return Value::Null,
            Profile::Confined => {
                json!([{"path": {"type": "path", "path": project}, "access": "read"}])
            }
            Profile::Workspace => {
                let mut entries = vec![
                    json!({"path": special("root", None), "access": "read"}),
                    json!({"path": special("project_roots", None), "access": "write"}),
                    json!({"path": special("slash_tmp", None), "access": "write"}),
                    json!({"path": special("tmpdir", None), "access": "write"}),
                ];
                for name in [".git", ".agents", ".codex"] {
                    entries.push(json!({
                        "path": special("project_roots", Some(name)),
                        "access": "read",
                        "missing_path_behavior": "skip",
                    }));
                }
                Value::Array(entries)
            }
        };
        json!({
            "permissions": {
                "type": "managed",
                "file_system": {"type": "restricted", "entries": entries},
                "network": "restricted",
            },
            "cwd": project,
            "workspaceRoots": [project],
            "windowsSandboxLevel": "disabled",
            "windowsSandboxPrivateDesktop": true,
            "useLegacyLandlock": false,
        })
    }

    /// Parameters of a call on one path, as JSON.
    pub(crate) fn on_path(&self, ground: &Ground, path: &Path, profile: Profile) -> String {
        json!({"path": self.path(path), "sandbox": self.sandbox(ground, profile)}).to_string()
    }

    /// Parameters of `fs/getMetadata` of the small file.
    pub(crate) fn stat(&self, ground: &Ground, profile: Profile) -> String {
        self.on_path(ground, &ground.small_file(), profile)
    }

    /// Parameters of `fs/writeFile`.
    pub(crate) fn write(
        &self,
        ground: &Ground,
        path: &Path,
        contents: &[u8],
        profile: Profile,
    ) -> String {
        json!({
            "path": self.path(path),
            "dataBase64": base64_simd::STANDARD.encode_to_string(contents),
            "sandbox": self.sandbox(ground, profile),
        })
        .to_string()
    }

    /// Tries what the profiles allow and what they do not. A refusal of what is allowed is left to the
    /// measures, which report it; something let through that is not allowed is returned.
    fn try_gate(
        &self,
        connection: &mut Connection,
        ground: &Ground,
    ) -> Result<Option<String>, Failure> {
        let mut passes = |method: &str, params: String| match connection.call(method, &params) {
            Ok(_) => Ok(true),
            Err(Failure::Refused { .. }) => Ok(false),
            Err(other) => Err(other),
        };
        if passes(
            "fs/readFile",
            self.on_path(ground, &ground.secret(), Profile::Confined),
        )? {
            return Ok(Some(
                "the confined profile let a read outside its grant through".into(),
            ));
        }
        let mine = ground.written(self.label, 0);
        if passes(
            "fs/writeFile",
            self.write(ground, &mine, b"x", Profile::Confined),
        )? {
            return Ok(Some("the confined profile let a write through".into()));
        }
        let protected = ground.project().join(".git/config");
        if passes(
            "fs/writeFile",
            self.write(ground, &protected, b"x", Profile::Workspace),
        )? {
            return Ok(Some(
                "the workspace profile let a write into .git through".into(),
            ));
        }
        Ok(None)
    }
}
