//! The types that policies are written for. Policies are validated against them when they are loaded, so a misspelt attribute is told then.

/// In Cedar's own notation. README.md beside this crate shows it, and a test compares the two.
pub(crate) const SCHEMA: &str = r#"// Who asks. What a client says of itself proves nothing; an Identity is there only if the transport proves it.
entity Group in [Group];
entity Identity in [Group];
entity Client in [Identity] {
  session: String, transport: String, environment?: String, identity?: String,
};

// A directory; `in` means at it or below it, by whole names. Slashes only separate: Directory::"/srv/a", not "/srv/a/".
entity Directory in [Directory] { path: String };

// The file that is started, by its whole path: Program::"/bin/git". If none was found its id is empty and it has no path.
entity Program in [Directory] {
  path?: String, name: String,
  argv0: String, argv: Set<String>, command: String,
  cwd: Directory, env: Set<String>, tty: Bool,
};
// What is written to, by the client's id of it.
entity Process { argv0: String, tty: Bool };

entity File in [Directory] { path: String, name: String };

// A host; `in` means it or below it, by whole labels: Host::"example.com". An address is only itself.
entity Host in [Host];
entity Url in [Host] { url: String, scheme: String, host: String, port: Long, path: String };

action "process";
action "process-start" in ["process"] appliesTo { principal: Client, resource: Program, context: { sandboxed: Bool } };
action "process-write" in ["process"] appliesTo { principal: Client, resource: Process, context: { data: String, bytes: Long } };

// Each path of an operation is asked: a copy is permitted if both its source and its destination are.
type FileContext = { access: String, recursive: Bool, sandboxed: Bool };
action "file";
action "file-reading" in ["file"];
action "file-changing" in ["file"];
action "file-read", "file-metadata", "file-canonicalize", "file-read-directory", "file-read-tree", "file-watch"
  in ["file-reading"] appliesTo { principal: Client, resource: File, context: FileContext };
// How far a walk goes, and what it goes into.
type Walk = {
  max_depth: Long, max_directories: Long, max_entries: Long,
  follow_directory_links: Bool, prune_hidden_directories: Bool,
};
action "file-walk"
  in ["file-reading"] appliesTo { principal: Client, resource: File, context: { access: String, recursive: Bool, sandboxed: Bool, walk?: Walk } };
action "file-write", "file-append", "file-create-directory", "file-remove", "file-copy", "file-rename", "file-symlink",
  "file-set-mode", "file-set-times", "file-write-tree"
  in ["file-changing"] appliesTo { principal: Client, resource: File, context: FileContext };

action "http" appliesTo { principal: Client, resource: Url, context: { method: String, headers: Set<String>, hop: Long } };
"#;
