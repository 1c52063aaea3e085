//! Every generation of the `sandbox` object, from the wire and back.

use super::made::{Made, check, entries, sandbox};
use crate::grants::Allowed::{Nothing, Read, Write};
use crate::profile::{Network, Permissions, Sandbox};

#[test]
fn older_shapes_mean_what_their_successors_mean() {
    let legacy = sandbox(
        r#"{"sandboxPolicy":{"type":"workspace-write","writable_roots":["/extra"],"network_access":false,"exclude_slash_tmp":true},"sandboxPolicyCwd":"/w"}"#,
    );
    check(
        &legacy,
        &Made::default(),
        &[
            ("/w/a", Write),
            ("/w/.codex", Read),
            ("/extra/a", Write),
            ("/extra/.git/x", Read),
            ("/tmp/a", Read),
            ("/var/tmp/me/a", Write),
            ("/etc", Read),
        ],
    );
    let bare = sandbox(r#"{"type":"read-only"}"#);
    check(&bare, &Made::default(), &[("/etc", Read)]);
    let older = sandbox(
        r#"{"permissions":{"network":{"enabled":true},"file_system":{"read":["/r"],"write":["file:///w"]}}}"#,
    );
    check(
        &older,
        &Made::default(),
        &[("/r/x", Read), ("/w/x", Write), ("/x", Nothing)],
    );
    assert!(matches!(
        older.permissions,
        Permissions::Managed {
            network: Network::Enabled,
            ..
        }
    ));
    check(
        &sandbox(r#"{"permissions":{}}"#),
        &Made::default(),
        &[("/", Nothing)],
    );
}

#[test]
fn shapes_that_are_not_understood_are_decoding_errors() {
    for json in [
        r#"{}"#,
        r#"{"permissions":null}"#,
        r#"{"permissions":{"type":"tomorrow"}}"#,
        r#"{"permissions":{"type":"managed","network":"restricted"}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[]}}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted"},"network":"restricted"}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[],"deny_also":["/a"]},"network":"restricted"}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[],"glob_scan_max_depth":0},"network":"restricted"}}"#,
        r#"{"permissions":{"type":"disabled","file_system":{"type":"restricted","entries":[]}}}"#,
        r#"{"permissions":{"file_system":{"type":"unrestricted"}}}"#,
        r#"{"permissions":{"file_system":{"read":["/a"],"entries":[]}}}"#,
        r#"{"permissions":{"file_system":{"deny":["/a"]}}}"#,
        r#"{"permissions":{"type":"disabled"},"windowsSandboxLevel":"other"}"#,
        r#"{"permissions":{"type":"disabled"},"cwd":"relative"}"#,
        r#"{"type":"read-only","sandboxPolicy":{"type":"read-only"}}"#,
        r#"{"sandboxPolicy":{"type":"workspace-write","deny":["/a"]}}"#,
    ] {
        assert!(serde_json::from_str::<Sandbox>(json).is_err(), "{json}");
    }
    let entry = |entry: &str| {
        let json = format!(
            r#"{{"permissions":{{"type":"managed","file_system":{{"type":"restricted","entries":[{entry}]}},"network":"restricted"}}}}"#
        );
        serde_json::from_str::<Sandbox>(&json)
    };
    assert!(entry(r#"{"path":{"type":"path","path":"/a"},"access":"read"}"#).is_ok());
    for json in [
        r#"{"path":{"type":"path","path":"a"},"access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a\u0000"},"access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a"},"access":"execute"}"#,
        r#"{"path":{"type":"path","path":"/a"},"access":"read","except":["/a/b"]}"#,
        r#"{"path":{"type":"path","path":"/a","recursive":false},"access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a"},"access":"read","missing_path_behavior":"create"}"#,
        r#"{"path":{"type":"regex","pattern":".*"},"access":"deny"}"#,
        r#"{"path":{"type":"special","value":{"kind":"root","subpath":"x"}},"access":"read"}"#,
        r#"{"path":"/a","access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a"}}"#,
    ] {
        assert!(entry(json).is_err(), "{json}");
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let profile = entries(
        Some("/w w"),
        &[
            ("/a%b", "read"),
            ("/c", "write?"),
            ("**/*.env", "none"),
            (":root", "read"),
            (":minimal", "read"),
            (":project_roots:x/y", "write"),
            (":tmpdir", "deny"),
            (":slash_tmp", "write"),
            (":tomorrow", "read"),
        ],
    );
    let again: Sandbox = serde_json::from_str(&serde_json::to_string(&profile).unwrap()).unwrap();
    assert_eq!(again, profile);
}
