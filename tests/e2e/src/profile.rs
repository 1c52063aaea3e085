//! Permission profiles as clients send them, each in the shape of May 2026 (native paths, flat `cwd`,
//! denials called `none`) and in today's (URIs, `policyContext`, denials called `deny`). A test says what a
//! profile means once and runs with both (PROTOCOL 6.1, PROTOCOL-LATER 5).

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// In which age's words a client speaks: paths and profiles alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// May 2026.
    May,
    /// The second half of 2026.
    Late,
}

impl Shape {
    /// Both, for tests that hold in every shape.
    pub const BOTH: [Shape; 2] = [Shape::May, Shape::Late];

    /// A path as a client of this age writes it. Those of May have no way to write one that is not UTF-8.
    pub fn path(self, path: impl AsRef<Path>) -> Value {
        match self {
            Shape::May => json!(path.as_ref().to_str().expect("a path that is UTF-8")),
            Shape::Late => json!(uri(path)),
        }
    }
}

/// The `file:` URI of a path.
pub fn uri(path: impl AsRef<Path>) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.as_ref().as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            write!(uri, "%{byte:02X}").expect("writing into a string cannot fail");
        }
    }
    uri
}

/// A restricted profile, entry by entry.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    entries: Vec<Entry>,
    cwd: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct Entry {
    what: What,
    access: String,
    skip_missing: bool,
}

#[derive(Clone, Debug)]
enum What {
    Path(PathBuf),
    Glob(String),
    Special {
        kind: String,
        subpath: Option<String>,
    },
}

impl Profile {
    /// Grants nothing.
    pub fn new() -> Profile {
        Profile::default()
    }

    /// What an ordinary client sends for a workspace: exactly these seven entries (PROTOCOL-LATER 0.1).
    pub fn workspace_write(cwd: impl Into<PathBuf>) -> Profile {
        let protected = |profile: Profile, name: &str| {
            profile.entry(
                What::Special {
                    kind: "project_roots".into(),
                    subpath: Some(name.into()),
                },
                "read",
                true,
            )
        };
        let profile = Profile::new()
            .special("root", "read")
            .special("project_roots", "write")
            .special("slash_tmp", "write")
            .special("tmpdir", "write");
        [".git", ".agents", ".codex"]
            .into_iter()
            .fold(profile, protected)
            .cwd(cwd)
    }

    /// May be read.
    pub fn read(self, path: impl Into<PathBuf>) -> Profile {
        self.entry(What::Path(path.into()), "read", false)
    }

    /// May be read and written.
    pub fn write(self, path: impl Into<PathBuf>) -> Profile {
        self.entry(What::Path(path.into()), "write", false)
    }

    /// Nothing may be done with it.
    pub fn deny(self, path: impl Into<PathBuf>) -> Profile {
        self.entry(What::Path(path.into()), "deny", false)
    }

    /// Nothing may be done with what matches.
    pub fn deny_glob(self, pattern: impl Into<String>) -> Profile {
        self.entry(What::Glob(pattern.into()), "deny", false)
    }

    /// A place that the server knows by its name.
    pub fn special(self, kind: &str, access: &str) -> Profile {
        self.entry(
            What::Special {
                kind: kind.into(),
                subpath: None,
            },
            access,
            false,
        )
    }

    /// A path below the project roots.
    pub fn below_project_roots(self, subpath: &str, access: &str) -> Profile {
        let what = What::Special {
            kind: "project_roots".into(),
            subpath: Some(subpath.into()),
        };
        self.entry(what, access, false)
    }

    /// What project roots and relative patterns refer to.
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Profile {
        self.cwd = Some(cwd.into());
        self
    }

    fn entry(mut self, what: What, access: &str, skip_missing: bool) -> Profile {
        self.entries.push(Entry {
            what,
            access: access.to_owned(),
            skip_missing,
        });
        self
    }

    /// The `sandbox` object.
    pub fn in_shape(&self, shape: Shape) -> Value {
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.in_shape(shape))
            .collect();
        let mut sandbox = json!({
            "permissions": {
                "type": "managed",
                "file_system": {"type": "restricted", "entries": entries},
                "network": "restricted",
            },
            "windowsSandboxLevel": "disabled",
            "windowsSandboxPrivateDesktop": shape == Shape::Late,
            "useLegacyLandlock": false,
        });
        if shape == Shape::Late {
            sandbox["windowsSandboxProxySettingsMode"] = json!("reconcile");
        }
        if let Some(cwd) = &self.cwd {
            let cwd = shape.path(cwd);
            if shape == Shape::Late {
                sandbox["workspaceRoots"] = json!([cwd]);
                sandbox["policyContext"] = json!({"cwd": cwd, "workspaceRoots": [cwd]});
            }
            sandbox["cwd"] = cwd;
        }
        sandbox
    }
}

impl Entry {
    fn in_shape(&self, shape: Shape) -> Value {
        let path = match &self.what {
            What::Path(path) => json!({"type": "path", "path": shape.path(path)}),
            What::Glob(pattern) => json!({"type": "glob_pattern", "pattern": pattern}),
            What::Special {
                kind,
                subpath: None,
            } => {
                json!({"type": "special", "value": {"kind": kind}})
            }
            What::Special { kind, subpath } => {
                json!({"type": "special", "value": {"kind": kind, "subpath": subpath}})
            }
        };
        let access = match (self.access.as_str(), shape) {
            ("deny", Shape::May) => "none",
            (access, _) => access,
        };
        let mut entry = json!({"path": path, "access": access});
        if self.skip_missing && shape == Shape::Late {
            entry["missing_path_behavior"] = json!("skip");
        }
        entry
    }
}
